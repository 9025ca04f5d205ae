//! What the caches say of the others that have a number, or want it. No I/O.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Context, kinds::Looked};
use crate::{
    api::{
        NumberClaim, PhoneNumber,
        account::Pool,
        claim::{Holder, NumberClaimSpec},
        meta::{HAND_OVER, Key},
        phone_number::Mode,
    },
    cluster::cache::Index,
    plan::{
        AccountRef, Liveness, Requested as _, Rival,
        takeover::{Taker, may_pass},
    },
};

/// For how long an object that is being deleted waits for the account of another that wants its number.
const OPENS: SignedDuration = SignedDuration::from_secs(30);

impl Context {
    /// What is known of the other object that holds the claim of a number that `object` is about.
    pub(super) fn rival(&self, object: &PhoneNumber, claim: Option<&NumberClaim>, looked: &Looked) -> Rival {
        let Some((claim, holder)) = claim.and_then(|claim| Some((claim, claim.spec.holder.as_ref()?))) else {
            return Rival::STAYS;
        };
        let is_gone = looked.holder == Liveness::Gone;
        Rival {
            leaving: self.is_leaving(holder),
            allowed: self.is_still_allowed(
                &claim.spec,
                holder,
                object.metadata.namespace.as_deref().unwrap_or_default(),
            ),
            hands_over: self.caches.holder(holder).is_some_and(|holder| hands_over_to(&holder, &Key::of(object))),
            gone_for: if is_gone { self.gone_since(claim, holder).elapsed() } else { Default::default() },
        }
    }

    /// Whether the object that holds something is being deleted, as far as the cache shows.
    pub(super) fn is_leaving(&self, holder: &Holder) -> bool {
        self.caches.holder(holder).is_some_and(|holder| holder.metadata.deletion_timestamp.is_some())
    }

    /// Whether the account under which a number is claimed still lets its holder's namespace use it. Where that account is gone, only
    /// who asks from its own namespace may believe that it does not.
    pub(super) fn is_still_allowed(&self, claim: &NumberClaimSpec, holder: &Holder, asks: &str) -> bool {
        match self.account_ref(claim.account.key(), &holder.namespace) {
            AccountRef::Found(_) => true,
            AccountRef::Refused(_) => false,
            AccountRef::Missing(key) => key.namespace != asks,
        }
    }

    /// Whether an account's pool is shared between namespaces.
    pub(super) fn shares_its_pool(&self, account: &Key) -> bool {
        self.caches.accounts.get(account).is_some_and(|account| account.spec.purchasing.pool == Pool::Shared)
    }

    /// Whether a claim that is free may pass to an object: its account is open, allows it, and is the one under which the number is
    /// claimed. Whoever may not have a number says nothing by naming it.
    pub(super) fn may_have(&self, object: &PhoneNumber, claim: &NumberClaimSpec) -> bool {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        self.account_opened_for(object).is_some_and(|account| {
            let shared_pool = self.shares_its_pool(&object.account());
            may_pass(claim, Taker { namespace, account: &account, shared_pool }).is_ok()
        })
    }

    /// The carrier's id of the account that an object may use, as the carrier has confirmed it: whose account it is anybody can write.
    fn account_opened_for(&self, object: &PhoneNumber) -> Option<String> {
        match self.account_ref(object.account(), object.metadata.namespace.as_deref().unwrap_or_default()) {
            AccountRef::Found(account) => account.open,
            AccountRef::Missing(_) | AccountRef::Refused(_) => None,
        }
    }

    /// Whether an object would take this claim over if nobody held it.
    pub(super) fn would_take(&self, object: &PhoneNumber, claim: &NumberClaimSpec) -> bool {
        object.metadata.deletion_timestamp.is_none()
            && object.spec.mode == Mode::Manage
            && !object.spec.suspend
            && object.annotation(HAND_OVER).is_none()
            && self.may_have(object, claim)
    }

    /// Whether somebody may turn out to be one to whom the claim passes, once its account is open, for an object that is being deleted
    /// since then. It is not waited for long: anybody can write whose account it is.
    pub(super) fn awaits_successor(&self, claim: &NumberClaimSpec, but: &str, since: Timestamp) -> bool {
        let is_soon = Timestamp::now().duration_since(since) < OPENS;
        let is_opening = |number: &PhoneNumber| {
            let (account, namespace) = (number.account(), number.metadata.namespace.as_deref().unwrap_or_default());
            let opening =
                matches!(self.account_ref(account.clone(), namespace), AccountRef::Found(view) if view.opening);
            opening && self.caches.account_identity(&account).as_ref() == Some(&claim.account.identity)
        };
        let is_other = |number: &PhoneNumber| {
            number.metadata.uid.as_deref() != Some(but) && number.metadata.deletion_timestamp.is_none()
        };
        let numbers = self.caches.numbers.by(Index::Number, claim.number.as_str());
        is_soon && numbers.iter().any(|number| is_other(number) && comes_to(number, claim) && is_opening(number))
    }

    /// Whether somebody is there to take over this claim, other than the object with this uid.
    pub(super) fn has_successor(&self, claim: &NumberClaimSpec, but: &str) -> bool {
        let is_other = |number: &Arc<PhoneNumber>| number.metadata.uid.as_deref() != Some(but);
        let is_named = |number: &PhoneNumber| {
            let holder = claim.holder.as_ref().and_then(|holder| self.caches.holder(holder));
            let same = self.account_opened_for(number).as_ref() == Some(&claim.account.identity);
            same && holder.is_some_and(|holder| hands_over_to(&holder, &Key::of(number)))
        };
        let mut about = self.caches.numbers.by(Index::Number, claim.number.as_str());
        about.extend(
            claim
                .identity()
                .into_iter()
                .flat_map(|identity| self.caches.numbers.by(Index::Identity, &identity.to_string())),
        );
        let about = about.iter().filter(|number| is_other(number) && comes_to(number, claim));
        about.into_iter().any(|number| self.would_take(number, claim) || is_named(number))
    }
}

/// Whether an object would have the number once the claim is free: it imports it, or it was bought for its identity. One that wants to buy
/// just this number does not get one that the account owns.
fn comes_to(object: &PhoneNumber, claim: &NumberClaimSpec) -> bool {
    object.identity().is_none_or(|identity| claim.is_for(&identity))
}

/// Whether a PhoneNumber hands its number over to the object of that key.
fn hands_over_to(holder: &PhoneNumber, key: &Key) -> bool {
    holder.annotation(HAND_OVER) == Some(&*key.to_string())
}
