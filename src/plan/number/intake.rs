//! A number that is not in the account, and is to be brought there from a carrier account of the organization's own. No I/O.
//!
//! Nothing is bought. It is claimed first, like a number that is there. Whether it came is for a look to find out.

use std::time::Duration;

use super::world::{Found, World};
use crate::{
    api::{
        conditions::{Finding, Reason},
        number::{E164, Route},
        phone_number::{Mode, PhoneNumberStatus},
        seen::{Calling, Messaging, NumberId, OwnedNumber},
    },
    plan::{AccountView, Decision, Effect, Look, Seen, policy},
};

impl World<'_> {
    /// Whether a number that is not there is to come. One that was there before is lost, which nobody is to mend by the way.
    pub(super) fn is_to_come_in(&self) -> bool {
        self.number.spec.import.as_ref().is_some_and(|import| import.bring_in) && !self.was_there()
    }

    /// The number was not seen in the account.
    pub(super) fn bring_in(&self, account: &AccountView, identity: &str, number: &E164) -> Decision<PhoneNumberStatus> {
        let is_absent = matches!(self.seen, Seen::Absent { fresh } if fresh || !self.is_requested());
        if is_absent && let Some(finding) = self.not_to_be_asked(account, number) {
            return self.stop(vec![Reason::Accepted.into(), finding]);
        }
        if let Some(trouble) = self.trouble.filter(|trouble| !trouble.wait.is_zero()) {
            let said = match self.own_claim() {
                Some(_) if self.may_be_coming().is_none() => policy::intake_trouble(&trouble.error),
                Some(_) => unsettled(number),
                None => Finding::new(Reason::NumberNotChecked, &*trouble.error.text),
            };
            return self.put_off(vec![Reason::Accepted.into(), said]);
        }
        let expected = expected(number);
        let found = Found { account: account.key.clone(), identity, number: &expected };
        if let Err(decision) = self.held_claim(&found) {
            return *decision;
        }
        if !matches!(self.seen, Seen::Absent { fresh: true }) {
            return Decision::Look(Look::Number { account: account.key.clone(), number: number.clone() });
        }
        match self.may_be_coming() {
            Some(wait) => {
                self.put_off(vec![Reason::Accepted.into(), unsettled(number)]).again(wait.min(policy::LOOK_FOR))
            }
            None => Decision::Act(Effect::BringIn(account.key.clone(), number.clone())),
        }
    }

    /// Why nobody is asked to bring the number in.
    fn not_to_be_asked(&self, account: &AccountView, number: &E164) -> Option<Finding> {
        let key = &account.key;
        let (reason, why) = match (self.number.spec.mode, self.number.spec.suspend) {
            _ if !account.brings_in => (
                Reason::CarrierImportRefused,
                "its carrier cannot import numbers from another account. Remove spec.import.bringIn, and move the number into the account \
                 at the carrier",
            ),
            (Mode::Observe, _) => (Reason::NotInAccount, "with mode: Observe it is not imported there"),
            (_, true) => (Reason::NotClaimed, "the object is suspended: set spec.suspend to false to import it there"),
            (Mode::Manage, false) => return None,
        };
        Some(Finding::new(reason, format!("CarrierAccount {key} does not own {number}, and {why}.")))
    }

    /// How long yet the number may come by what was sent before.
    fn may_be_coming(&self) -> Option<Duration> {
        let wait = self.in_flight.unknown.max(self.in_flight.predecessor);
        (!wait.is_zero()).then_some(wait)
    }
}

fn unsettled(number: &E164) -> Finding {
    let text = format!(
        "It is unknown whether the carrier imported {number}: no answer came, or it was not recorded. The operator looks for it until it is \
         listed or no request can still take effect, and only then asks again."
    );
    Finding::new(Reason::NumberNotChecked, text)
}

/// The number as a claim names it before it is there.
fn expected(number: &E164) -> OwnedNumber {
    OwnedNumber {
        id: NumberId(String::new()),
        number: number.clone(),
        route: Route::new(),
        features: Vec::new(),
        messaging: Messaging::Unseen,
        calling: Calling::Unseen,
        marker: None,
        config: None,
    }
}
