//! Whether the number that the journal names is ours (rules 7 and 8).

use super::step::Step;
use crate::{
    api::{
        NumberClaim, NumberPurchase,
        conditions::{Finding, Reason},
        number::E164,
        phone_number::PhoneNumberStatus,
        seen::OwnedNumber,
    },
    plan::{Decision, Look, OwnEntry, Purpose, Seen, SendOutcome, policy},
};

/// What settling an attempt has come to.
pub(super) enum Settled<'a> {
    /// The number is in the account.
    Ours(&'a OwnedNumber),
    /// It is not and will not be by what was sent. `clean` where all of that was refused.
    NotBought { clean: bool },
    /// It is not known yet; this is to be done about it.
    Not(Box<Decision<PhoneNumberStatus>>),
}

impl<'a> Step<'a, '_> {
    /// Whether the number that the journal names was seen to be ours before, by this object or by one of its identity.
    pub(super) fn was_ours(&self, journal: &NumberPurchase, number: &E164) -> bool {
        let said = self.w.number.status.as_ref().is_some_and(|status| status.number.as_ref() == Some(number));
        let was_seen = |claim: &NumberClaim| {
            let is_its = claim.spec.is_for(self.b.identity) || claim.spec.is_held_by(self.w.uid());
            is_its && claim.spec.was_seen_bought(journal.spec.attempt)
        };
        said || self.w.claim.is_some_and(was_seen)
    }

    /// Whether the number that the journal names is ours (rules 7 and 8).
    pub(super) fn settle(&self, journal: &NumberPurchase, number: &E164) -> Settled<'a> {
        if let Some(number) = self.ours_as_seen() {
            return Settled::Ours(number);
        }
        match self.b.record.own {
            // Nothing was sent since this process began to speak of this number, and nothing before.
            Some(OwnEntry { purpose: Purpose::Send | Purpose::Take, clean: true, outcome: None, .. }) => {
                Settled::NotBought { clean: true }
            }
            Some(OwnEntry { clean: true, outcome: Some(SendOutcome::DidNothing(_)), .. }) => {
                Settled::NotBought { clean: true }
            }
            // Nothing else can come of what was sent, so that nobody need be fenced off yet.
            Some(own @ OwnEntry { outcome: Some(SendOutcome::Ordered(order)), .. }) if !own.settled_in.is_zero() => {
                self.ordered(number, own, order)
            }
            // Nobody may send any more, by an entry that says so. Then it is waited, and looked.
            Some(own @ OwnEntry { purpose: Purpose::Settle, .. }) => self.wait(number, own),
            _ => Settled::Not(Box::new(self.write(journal, journal.spec.clone(), Purpose::Settle))),
        }
    }

    /// The number as seen in the account, unless it is there for somebody else: then it was not bought for us, whatever was sent.
    pub(super) fn ours_as_seen(&self) -> Option<&'a OwnedNumber> {
        let Seen::Present { number, fresh } = self.w.seen else { return None };
        // What was handed to another namespace bears our marker for a while, or for good.
        if self.w.claim.is_some_and(|claim| claim.spec.is_of_another(&self.b.identity.namespace)) {
            return None;
        }
        let refused =
            self.b.record.own.is_some_and(|own| own.clean && matches!(own.outcome, Some(SendOutcome::DidNothing(_))));
        let ours = self.w.own_claim().is_some()
            || match &number.marker {
                Some(marker) => *marker == self.b.traces.marker || self.is_claimed_for(&number.number),
                // Nothing is sent before its claim. Where that is all there is to go by, a number that has none is asked about.
                None if !self.b.seller.marks && !self.is_claimed_for(&number.number) => false,
                None => self.b.record.own.is_none_or(|own| own.purpose == Purpose::Settle) && !refused,
            };
        (ours && (fresh || !self.w.is_requested())).then_some(number)
    }

    /// Whether the claim, or a person, says that a number with another marker is this identity's: one that was taken from the pool bears
    /// that of its last identity until it is marked anew.
    pub(super) fn is_claimed_for(&self, number: &E164) -> bool {
        let claimed = self.w.claim.is_some_and(|claim| claim.spec.is_for(self.b.identity));
        claimed && !self.w.marked_by_another || self.w.is_adopted(number)
    }

    pub(super) fn wait(&self, number: &E164, own: &OwnEntry) -> Settled<'a> {
        let look = |look| Settled::Not(Box::new(Decision::Look(look)));
        if !self.w.seen.is_fresh() && self.may_look() {
            return look(Look::Number { account: self.account.key.clone(), number: number.clone() });
        }
        if self.b.traces.orders.is_none() && self.may_look() {
            return look(Look::Orders);
        }
        let order =
            self.b.traces.orders.as_ref().and_then(|orders| orders.iter().find(|order| order.number == *number));
        let absent = matches!(self.w.seen, Seen::Absent { fresh: true } | Seen::Present { fresh: true, .. });
        if own.settled_in.is_zero() && absent && order.is_none() && self.may_look() {
            // What is there and bears another marker may have been taken from the pool a moment ago: its claim says so.
            if matches!(self.w.seen, Seen::Present { .. }) && !self.b.record.claim_read {
                return look(Look::Claim(number.clone()));
            }
            return match &self.b.traces.marked {
                Some(_) => Settled::NotBought { clean: false },
                None => look(Look::Inventory),
            };
        }
        let wait = if own.settled_in.is_zero() { policy::POLL } else { own.settled_in.min(policy::POLL) };
        if let Some(order) = order {
            return Settled::Not(Box::new(self.says(order).again(wait)));
        }
        let text = self.taken_over(number).unwrap_or_else(|| {
            format!(
                "It is unknown whether {number} was bought: no answer came, or it was not recorded. The operator looks for it until it is \
                 listed or no request can still take effect, and buys nothing else meanwhile."
            )
        });
        let finding = Finding::new(Reason::PurchaseOutcomeUnknown, text);
        Settled::Not(Box::new(self.w.put_off(vec![Reason::Accepted.into(), finding]).again(wait)))
    }
}
