//! Taking an idle number of the account instead of buying one. No I/O.
//!
//! It goes like a purchase, with the claim in the place of the carrier: the journal names the number, then its claim becomes
//! ours by compare-and-set, within the time in which the entry lets one send. An answer that is lost, or a crash, leaves an
//! entry of unknown outcome, which is settled like any other. The marker is put right afterwards like one that was edited away.

use std::time::Duration;

use super::step::Step;
use crate::{
    api::{
        NumberClaim, NumberPurchase,
        number::E164,
        phone_number::{PhoneNumberStatus, Purchase, Reuse},
        purchase::NumberPurchaseSpec,
    },
    plan::{
        Decision, Effect, Entry, Liveness, Look, Seen, TakeNumber, Trouble,
        buying::{Idle, OwnEntry, Purpose},
        choose,
        number::world::Found,
        policy,
    },
};

impl Step<'_, '_> {
    /// Begins to take an idle number, if there is one that fits.
    pub(super) fn reuse(
        &self,
        journal: Option<&NumberPurchase>,
        settled: Option<bool>,
        purchase: &Purchase,
    ) -> Option<Decision<PhoneNumberStatus>> {
        if let Some(decision) = self.known(journal) {
            return Some(decision);
        }
        let waits = |trouble: &Trouble| trouble.purchase && !trouble.wait.is_zero();
        if self.w.trouble.is_some_and(|trouble| waits(trouble) && policy::were_many(trouble.refused)) {
            return None;
        }
        let Some(idle) = self.b.supply.idle else { return Some(Decision::Look(Look::Idle)) };
        let attempt = journal.map_or(0, |journal| journal.spec.attempt) + 1;
        let last = journal.and_then(|journal| journal.spec.number.as_ref());
        let lost = last.filter(|_| self.has_just_lost());
        let free: Vec<&Idle> = idle.iter().filter(|idle| !idle.wanted && Some(&idle.number) != lost).collect();
        let (idle, exact) = choose::reuse(&self.wish(purchase, attempt), &free)?;
        if let Some(decision) = journal.and_then(|journal| self.let_go(journal, false)) {
            return Some(decision);
        }
        let spec = NumberPurchaseSpec {
            offered: idle.offered.clone(),
            ..self.spec(Some(idle.number.clone()), attempt, idle.price.clone(), Some(exact))
        };
        Some(Decision::Act(Effect::WriteJournal(Box::new(Entry {
            journal: self.object(journal, spec),
            purpose: Purpose::Take,
            clean: settled.unwrap_or(true) || last != Some(&idle.number),
        }))))
    }

    /// How long until it is looked again, although nobody may say that a number is idle.
    pub(super) fn again(&self) -> Duration {
        if self.has_just_lost() { policy::LOST } else { policy::LOOK_AGAIN }
    }

    /// Whether the number that the last entry names was lost a moment ago.
    fn has_just_lost(&self) -> bool {
        self.b.record.own.is_some_and(|own| own.outcome.is_some() && own.age < policy::LOST)
    }

    /// The entry is ours and nothing was done by it yet: the last checks, then the claim.
    pub(super) fn take(&self, journal: &NumberPurchase, number: &E164, own: &OwnEntry) -> Decision<PhoneNumberStatus> {
        if let Some(decision) = self.hands_off() {
            return decision;
        }
        if !own.may_send {
            return self.begin(Some(journal), Some(own.clean));
        }
        if let Some(decision) = self.w.finalizer() {
            return decision;
        }
        let Some(idle) = self.b.supply.idle else { return Decision::Look(Look::Idle) };
        let named: Vec<&Idle> = idle.iter().filter(|idle| idle.number == *number).collect();
        let wished = self.purchase().filter(|purchase| purchase.reuse == Reuse::Pool);
        let fits = wished.and_then(|purchase| choose::reuse(&self.wish(purchase, journal.spec.attempt), &named));
        let (Some((idle, _)), Seen::Present { number: seen, .. }) = (fits, self.w.seen) else {
            return self.lose(number);
        };
        match (&idle.last, self.b.record.holder) {
            (Some(last), Liveness::NotRead) => return Decision::Look(Look::Holder(last.clone())),
            (Some(_), Liveness::Alive) => return self.lose(number),
            (None, _) | (_, Liveness::Gone) => {}
        }
        if let Some(decision) = self.unless_alive(own) {
            return decision;
        }
        let found = Found { account: self.account.key.clone(), identity: self.identity, number: seen };
        let claim = match self.w.acquire(&found) {
            Decision::Act(Effect::CreateClaim(spec)) => NumberClaim::new(number.digits(), *spec),
            Decision::Act(Effect::WriteClaim(claim)) => *claim,
            other => return other,
        };
        let (account, token) = (self.account.key.clone(), journal.spec.token.clone());
        Decision::Act(Effect::TakeNumber(Box::new(TakeNumber { account, claim, token })))
    }

    /// That the number was this identity's, and serves another since, where that is so.
    pub(super) fn taken_over(&self, number: &E164) -> Option<String> {
        let claim = self.w.claim.filter(|claim| !claim.spec.is_for(self.b.identity))?;
        let holder = claim.spec.holder.as_ref().filter(|holder| holder.uid != self.w.uid())?;
        Some(format!(
            "PhoneNumber {}/{} has {number} now, which was bought for this purchase identity, and keeps it. Another number is bought once \
             no earlier request can still take effect.",
            holder.namespace, holder.name
        ))
    }
}
