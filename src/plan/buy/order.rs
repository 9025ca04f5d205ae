//! A purchase that the carrier has accepted and works on: waiting for its end, and giving it up with its object.
//!
//! The carrier's word that it has taken an order is no number. Nothing is concluded from it but that it pays to wait.

use super::{settle::Settled, step::Step};
use crate::{
    api::{
        conditions::{Finding, Reason},
        number::E164,
        phone_number::PhoneNumberStatus,
        seen::Order,
    },
    plan::{
        Decision, Effect, Look, Rest,
        buying::{OwnEntry, Purpose, SendOutcome},
        policy,
    },
};

impl<'a> Step<'a, '_> {
    /// The carrier took the order when this process sent it: the number is looked for.
    pub(super) fn ordered(&self, number: &E164, own: &OwnEntry, order: &Order) -> Settled<'a> {
        if own.known_for < policy::ORDERED && self.w.number.metadata.deletion_timestamp.is_none() {
            let again = Some(policy::ORDERED - own.known_for);
            return Settled::Not(Box::new(Decision::Rest(Rest { status: None, again })));
        }
        if !self.w.seen.is_fresh() && self.may_look() {
            let look = Look::Number { account: self.account.key.clone(), number: number.clone() };
            return Settled::Not(Box::new(Decision::Look(look)));
        }
        Settled::Not(Box::new(self.says(order).again(policy::POLL.min(own.settled_in))))
    }

    /// Whether the carrier may be asked now.
    pub(super) fn may_look(&self) -> bool {
        self.w.trouble.is_none_or(|trouble| trouble.purchase || trouble.wait.is_zero())
    }

    pub(super) fn says(&self, order: &Order) -> Decision<PhoneNumberStatus> {
        let number = &order.number;
        let finding = match order.pending && order.lacks_papers {
            _ if self.is_anothers(order) => {
                let text = format!(
                    "Another installation of Dialplane has ordered {number} for the purchase identity {}, as after a restore into another \
                     cluster. Wait for the order, or cancel it at the carrier; nothing else is bought meanwhile.",
                    self.b.identity
                );
                Finding::new(Reason::OrderPending, text)
            }
            true => {
                let text = format!(
                    "The carrier has accepted the order of {number} and needs documents: submit them to the carrier. Or delete this object, \
                     which cancels the order, and name them in spec.purchase.regulatory of a new one. Nothing else is bought meanwhile."
                );
                Finding::new(Reason::RegulatoryRequired, text)
            }
            false => {
                let text =
                    format!("The carrier is processing the order of {number}. Nothing else is bought until it ends.");
                Finding::new(Reason::OrderPending, text)
            }
        };
        self.w.put_off(vec![Reason::Accepted.into(), finding])
    }

    /// Whether another installation placed an order: it ends as it will, and is waited for.
    fn is_anothers(&self, order: &Order) -> bool {
        order.marker.as_ref().is_some_and(|marker| *marker != self.b.traces.marker)
    }

    /// What to do about an order that is pending when its object is deleted and there is nothing to do but wait. Whether that
    /// helps is seen like everything else, so that it is enough to ask once; only where that failed it is asked again.
    pub(super) fn cancel(
        &self,
        number: &E164,
        next: &Decision<PhoneNumberStatus>,
    ) -> Option<Decision<PhoneNumberStatus>> {
        let (own, trouble) = (self.b.record.own?, self.w.trouble);
        let asked = own.purpose == Purpose::Settle && own.outcome.is_some() && trouble.is_none();
        let waits = trouble.is_some_and(|trouble| !trouble.wait.is_zero());
        if !matches!(next, Decision::Rest(_)) || asked || waits || self.hands_off().is_some() {
            return None;
        }
        let order = match (&own.outcome, &self.b.traces.orders) {
            (Some(SendOutcome::Ordered(order)), _) => order,
            (_, orders) => orders.as_ref()?.iter().find(|order| order.number == *number && !self.is_anothers(order))?,
        };
        let cancel = || Effect::CancelOrder(self.account.key.clone(), Box::new(order.clone()));
        order.pending.then(|| Decision::Act(cancel()))
    }
}
