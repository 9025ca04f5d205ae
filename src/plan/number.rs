//! The order of things for a PhoneNumber: accepted, seen, claimed, held by a finalizer, bound where a platform answers it, routed.

mod acquire;
pub(in crate::plan) mod binding;
mod claim;
mod intake;
mod routing;
mod status;
pub(in crate::plan) mod world;

pub use world::{World, number_of};

use self::world::Found;
use super::{AccountRef, AccountView, Decision, Rest, Seen, buy, remove};
use crate::api::{
    conditions::{Finding, Reason},
    number::E164,
    phone_number::PhoneNumberStatus,
};

/// Decides what to do next for a PhoneNumber.
pub fn next(w: &World<'_>) -> Decision<PhoneNumberStatus> {
    if w.number.metadata.deletion_timestamp.is_some() {
        return remove::of_number(w);
    }
    let account = match &w.account {
        AccountRef::Missing(key) if key.namespace == w.namespace() => {
            let text = format!("CarrierAccount {key} in spec.accountRef does not exist: create it.");
            return w.not_accepted(Finding::new(Reason::AccountNotFound, text));
        }
        // Which names there are in another namespace is nobody's to find out.
        AccountRef::Missing(key) | AccountRef::Refused(key) => {
            let text = format!(
                "No CarrierAccount {key} allows this namespace. Its owner can add the namespace to spec.allowedNamespaces. Until then \
                 nothing is written at the carrier and the number keeps its route."
            );
            return w.not_accepted(Finding::new(Reason::AccountNotAllowed, text));
        }
        AccountRef::Found(account) => account,
    };
    if account.binds {
        let text = format!(
            "CarrierAccount {} is a platform that has no numbers of its own: in spec.accountRef, name the account of the carrier that has \
             the number; the Agent says where it is hosted.",
            account.key
        );
        return w.not_accepted(Finding::new(Reason::NotACarrier, text));
    }
    let Some(identity) = account.open.as_deref() else {
        return if account.opening { Decision::Rest(Rest::NOTHING) } else { w.account_not_open(account) };
    };
    match (&w.buying, w.target) {
        (Some(buying), _) => buy::next(w, account, identity, buying),
        (None, Some(number)) => w.import(account, identity, number),
        (None, None) => Decision::Rest(Rest::NOTHING),
    }
}

impl<'a> World<'a> {
    /// A number that the account is said to own.
    fn import(&self, account: &AccountView, identity: &'a str, number: &E164) -> Decision<PhoneNumberStatus> {
        match self.seen {
            Seen::Present { number, fresh } if fresh || !self.is_requested() => {
                self.acquire(&Found { account: account.key.clone(), identity, number })
            }
            Seen::Absent { .. } | Seen::Unseen if self.is_to_come_in() => self.bring_in(account, identity, number),
            Seen::Absent { fresh } if fresh || !self.is_requested() => self.absent(&account.key, number),
            _ => self.look(account, number),
        }
    }
}
