//! The world of a PhoneNumber.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Duration;

use super::{Controlled, Looked, Seen, with_status};
use crate::{
    api::{NumberClaim, PhoneNumber, meta::Key, number::E164, phone_number::PhoneNumberStatus},
    cluster::cache::Change,
    controller::{Context, error::Error},
    plan::{self, Decision, Look},
};

impl Controlled for PhoneNumber {
    with_status!(PhoneNumberStatus);

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<PhoneNumberStatus> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let account = object.account();
        let identity = object.identity();
        let journal = context.caches.journal_for(object);
        let target = plan::number::number_of(object, journal.as_deref()).cloned();
        // A route for a number that is not chosen yet is one for any.
        let number = target.clone().unwrap_or_else(E164::example);
        let agent = object.agent().map(|agent| context.agent_ref(agent, namespace, &account, &number));
        let claim = target.as_ref().and_then(|number| context.caches.claim_of(number));
        let trouble = context.trouble_of(&**object);
        let extras_trouble = context.local.extras_trouble(uid);
        let platform = context.platform_of(claim.as_ref().map(|claim| &claim.spec), agent.as_ref(), &number, looked);
        let wanted = context.platform_of(None, agent.as_ref(), &number, looked);
        let next = wanted.filter(|(key, _)| platform.as_ref().is_some_and(|(now, _)| now != key));
        let seen = target.as_ref().map_or(Seen::Unseen, |number| context.seen(&account, number, looked));
        let known = identity.as_ref().map(|identity| context.known_of_buying(object, &account, identity, looked));
        let own = journal.as_ref().and_then(|journal| {
            context.local.own(uid, &journal.spec.token, known.as_ref().map_or(Duration::ZERO, |known| known.settling))
        });
        let buying = known.as_ref().zip(identity.as_ref()).map(|(known, identity)| plan::Buying {
            identity,
            installation: context.installation().unwrap_or_default(),
            token: &looked.token,
            live: looked.itself,
            record: plan::Record {
                journal: journal.as_deref(),
                read: looked.journal,
                claim_read: looked.claim,
                holder: looked.holder,
                holder_leaving: journal.as_ref().is_some_and(|journal| context.is_leaving(&journal.spec.holder)),
                own: own.as_ref(),
            },
            traces: &known.traces,
            seller: &known.seller,
            supply: plan::Supply { offers: &looked.offers, idle: looked.idle.as_deref() },
        });
        plan::number::next(&plan::number::World {
            now: Timestamp::now(),
            number: object,
            target: target.as_ref(),
            buying,
            claim: claim.as_deref(),
            holder: looked.holder,
            rival: context.rival(object, claim.as_deref().filter(|claim| !claim.spec.is_held_by(uid)), looked),
            successor: object.metadata.deletion_timestamp.is_some()
                && claim.as_ref().is_some_and(|claim| context.has_successor(&claim.spec, uid)),
            successor_opening: object.metadata.deletion_timestamp.as_ref().is_some_and(|since| {
                claim.as_ref().is_some_and(|claim| context.awaits_successor(&claim.spec, uid, since.0))
            }),
            uncounted: claim.as_ref().is_some_and(|claim| context.is_uncounted(&claim.spec, identity.as_ref())),
            shared_pool: context.shares_its_pool(&account),
            seen: seen.view(),
            seen_since_met: claim.as_ref().is_some_and(|claim| claim.spec.is_held_by(uid))
                || context.is_seen_since(&account, &number, context.local.first_seen(uid)),
            marked_by_another: context.is_marked_by_another(&seen),
            platform: platform
                .as_ref()
                .map(|platform| context.platform_view(platform, &account, agent.as_ref(), &number, looked)),
            next_platform: next
                .as_ref()
                .map(|next| context.platform_view(next, &account, agent.as_ref(), &number, looked)),
            trouble: trouble.as_ref(),
            extras_trouble: extras_trouble.as_ref(),
            put_backs: context.local.put_backs(uid),
            in_flight: context.in_flight_for(&account, claim.as_deref(), &number),
            definition_going: looked.definition_going,
            agent,
            account: context.account_ref(account, namespace),
        })
    }

    fn decided(context: &Context, object: &Arc<Self>, _: &Looked, _: &Decision<PhoneNumberStatus>) {
        let journal = context.caches.journal_for(object);
        let target = plan::number::number_of(object, journal.as_deref());
        let claim = target.and_then(|number| context.caches.claim_of(number));
        if let Some(claim) = claim.filter(|claim| context.is_uncounted(&claim.spec, object.identity().as_ref())) {
            // Nothing else may wake it: what it counts by may have come to be seen after its last pass.
            context.settle_rights(claim.spec.account.key());
        }
    }

    fn account(object: &Self) -> Option<Key> {
        Some(object.account())
    }

    fn changed(context: &Context, change: &Change<Self>) {
        context.number_changed(change);
    }

    async fn look(context: &Context, object: &Arc<Self>, look: Look, looked: &mut Looked) -> Result<(), Error> {
        match look {
            Look::Inventory => context.look_for_marked(object).await,
            Look::Orders => context.look_for_orders(&**object, &object.account(), looked).await,
            Look::Journal => {
                context.read_journal(object).await?;
                looked.journal = true;
            }
            Look::Claim(number) => {
                let known = context.caches.claim_of(&number).and_then(|claim| claim.metadata.uid.clone());
                context.read_again::<NumberClaim>(&Key::new("", number.digits()), known.as_deref()).await?;
                looked.claim = true;
            }
            Look::Idle => looked.idle = Some(context.idle(object)),
            Look::Offers(asked) => context.look_for_offers(object, *asked, looked).await,
            other => return context.look(&**object, other, looked).await,
        }
        Ok(())
    }
}
