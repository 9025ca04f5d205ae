//! The world of a NumberClaim.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Client, CustomResourceExt};
use tokio::time::{Duration, Instant};

use super::{Controlled, Looked, without_status};
use crate::{
    api::{NumberClaim, PhoneNumber, phone_number::Mode},
    cluster::{
        cache::{Cache, Change, Index},
        objects::Objects,
    },
    controller::{Context, Kind, context::Caches},
    plan::{self, AccountRef, Decision, Liveness},
};

impl Controlled for NumberClaim {
    without_status!();
    const KIND: Kind = Kind::NumberClaim;

    fn cache(caches: &Caches) -> &Cache<Self> {
        &caches.claims
    }

    fn api(client: Client, _: &str) -> Objects<Self> {
        Objects::all(client)
    }

    /// Without PhoneNumbers every holder looks gone, and their routes must not be taken back for that.
    fn definitions() -> Vec<&'static str> {
        vec![NumberClaim::crd_name(), PhoneNumber::crd_name()]
    }

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<()> {
        let spec = &object.spec;
        let account = spec.account.key();
        let cached = spec.holder.as_ref().is_some_and(|holder| context.caches.lives(holder));
        let mut heirs = context.caches.numbers.by(Index::Number, spec.number.as_str());
        let journal = spec.purchase.as_ref().and_then(|purchase| {
            heirs.extend(context.caches.numbers.by(Index::Identity, &purchase.identity));
            context.caches.journal_of(&purchase.identity)
        });
        let heir = heirs.iter().any(|number| {
            let namespace = number.metadata.namespace.as_deref().unwrap_or_default();
            number.metadata.deletion_timestamp.is_none()
                && number.spec.mode == Mode::Manage
                && !number.spec.suspend
                && number.account() == account
                && !matches!(context.account_ref(account.clone(), namespace), AccountRef::Refused(_))
        });
        let session = context.sessions.get(&account);
        let settling = session.map_or(Duration::ZERO, |session| context.settling_of(&session));
        let settled_in = match looked.holder {
            Liveness::Gone if !cached => {
                let uid = object.metadata.uid.as_deref().unwrap_or_default();
                (context.memory.met(uid) + settling).saturating_duration_since(Instant::now())
            }
            _ => settling,
        };
        let trouble = context.trouble_of(&**object);
        let seen = context.seen(&account, &spec.number, looked);
        plan::claim::next(&plan::claim::World {
            claim: object,
            journal: journal.as_deref(),
            holder: if cached { Liveness::Alive } else { looked.holder },
            settled_in,
            heir,
            seen: seen.view(),
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
}
