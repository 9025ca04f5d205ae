//! The world of a NumberClaim.

use std::sync::Arc;

use kube::CustomResourceExt;

use super::{Controlled, Looked, without_status};
use crate::{
    api::{NumberClaim, PhoneNumber, purchase::Marker},
    cluster::cache::{Change, Index},
    controller::{Context, error::Error},
    plan::{self, Decision, Liveness, Look},
};

impl Controlled for NumberClaim {
    without_status!();

    /// Without PhoneNumbers every holder looks gone, and their routes must not be taken back for that.
    fn definitions() -> Vec<&'static str> {
        vec![NumberClaim::crd_name(), PhoneNumber::crd_name()]
    }

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<()> {
        let spec = &object.spec;
        let account = spec.account.key();
        let cached = spec.holder.as_ref().is_some_and(|holder| context.caches.lives(holder));
        let journal = match spec.identity() {
            Some(identity) => context.caches.journal_of(&spec.account.identity, &identity),
            // An earlier version did not say whose identity it is.
            None => spec.purchase.as_ref().and_then(|purchase| {
                let journals = context.caches.journals.by(Index::Number, spec.number.as_str());
                journals.into_iter().find(|journal| journal.spec.identity == purchase.identity)
            }),
        };
        let holder = if cached { Liveness::Alive } else { looked.holder };
        let trouble = context.trouble_of(&**object);
        let platform = context.platform_of(Some(spec), None, &spec.number, looked);
        let seen = context.seen(&account, &spec.number, looked);
        let orders = match spec.identity() {
            Some(identity) => context.open_accounts.get(&account).and_then(|opened| {
                let marker = Marker::new(context.installation().unwrap_or_default(), &identity);
                opened.inventory.orders(&marker, looked.began)
            }),
            None => Some(Vec::new()),
        };
        plan::claim::next(&plan::claim::World {
            claim: object,
            journal: journal.as_deref(),
            holder,
            allowed: spec
                .holder
                .as_ref()
                .is_none_or(|holder| context.is_still_allowed(spec, holder, &account.namespace)),
            settled_in: context.gone_settles_in(&account, &**object, spec.holder.as_ref(), holder),
            successor: context.has_successor(spec, spec.holder.as_ref().map_or("", |holder| &holder.uid)),
            marked_by_another: context.is_marked_by_another(&seen),
            seen: seen.view(),
            orders: orders.as_deref(),
            platform: platform
                .as_ref()
                .map(|platform| context.platform_view(platform, &account, None, &spec.number, looked)),
            trouble: trouble.as_ref(),
            in_flight: context.in_flight(&account, &spec.number),
            definition_going: looked.definition_going,
            // The holder was allowed to use the account; what it left behind is taken back where it was.
            account: context.account_ref(account.clone(), &account.namespace),
        })
    }

    fn changed(context: &Context, change: &Change<Self>) {
        context.claim_changed(change);
    }

    async fn look(context: &Context, object: &Arc<Self>, look: Look, looked: &mut Looked) -> Result<(), Error> {
        match look {
            Look::Orders => context.look_for_orders(&**object, &object.spec.account.key(), looked).await,
            other => return context.look(&**object, other, looked).await,
        }
        Ok(())
    }
}
