//! Buying a number, at most once. Section 4 of docs/design.md is the specification; its rules are named where they are kept.
//!
//! The number itself is the idempotency key: the journal names the one number that may be ours, and whether it is can only be
//! seen at the carrier. What this process knows beside that is [`OwnEntry`](super::OwnEntry), and forgetting it is always safe: an attempt that nobody
//! remembers is one of unknown outcome.

mod find;
mod hold;
mod order;
mod pool;
mod send;
mod settle;
mod step;

use kube::Resource as _;

use self::{hold::Candidate, settle::Settled, step::Step};
use super::{
    AccountView, Decision, Effect, Liveness, Look, Rest, Seen,
    buying::{Buying, Grant, OwnEntry, Purpose},
    choose::{self, Choice, Criteria},
    number::world::{Found, World},
    policy,
};
use crate::api::{
    NumberPurchase,
    conditions::{Finding, Reason},
    number::E164,
    offer::Price,
    phone_number::{PhoneNumberStatus, Purchase, Reuse},
    purchase::NumberPurchaseSpec,
    seen::{ErrorClass, OwnedNumber},
};

pub(super) fn next<'a>(
    w: &World<'a>,
    account: &AccountView,
    identity: &'a str,
    b: &Buying<'a>,
) -> Decision<PhoneNumberStatus> {
    let step = Step { w, b, account, identity };
    match b.record.journal {
        None => step.find_or_begin(),
        Some(journal) if journal.spec.holder.uid != w.uid() => step.take_over(journal),
        Some(journal) if journal.spec.account.identity != identity => {
            let text = format!(
                "The number for the purchase identity {} belongs to the account {} and not to {identity}: use another purchase identity, or \
                 that account.",
                b.identity, journal.spec.account.identity
            );
            step.stop(Reason::IdentityInUse, text)
        }
        Some(journal) => step.go_on(journal),
    }
}

/// What is unsettled of a purchase, for an object that is being deleted: `None` where nothing is.
pub(super) fn unsettled<'a>(w: &World<'a>, account: &AccountView) -> Option<Decision<PhoneNumberStatus>> {
    let b = w.buying.as_ref()?;
    let journal = b.record.journal.filter(|journal| journal.spec.holder.uid == w.uid())?;
    let number = journal.spec.number.as_ref()?;
    let step = Step { w, b, account, identity: &journal.spec.account.identity };
    // What another installation bought for it stays on record as it is.
    if step.was_ours(journal, number) || step.marked_by_another(number).is_some() {
        return None;
    }
    match step.settle(journal, number) {
        Settled::Ours(_) => None,
        Settled::Not(decision) => Some(step.cancel(number, &decision).unwrap_or(*decision)),
        // The journal says so before the object goes, so that the same identity need not find out again.
        Settled::NotBought { .. } => {
            let spec = NumberPurchaseSpec { number: None, hold: None, ..journal.spec.clone() };
            Some(step.let_go(journal, true).unwrap_or_else(|| step.write(journal, spec, Purpose::Settle)))
        }
    }
}

/// Lets go of a number that is only kept, for an object that is being deleted: `None` where there is none, or that cannot be done.
pub(super) fn let_go<'a>(w: &World<'a>, account: &AccountView) -> Option<Decision<PhoneNumberStatus>> {
    let b = w.buying.as_ref()?;
    let journal = b.record.journal.filter(|journal| journal.spec.holder.uid == w.uid())?;
    let identity = &journal.spec.account.identity;
    let is_only_kept = journal.spec.number.is_none() && account.open.as_ref() == Some(identity);
    let step = Step { w, b, account, identity };
    if is_only_kept { step.let_go(journal, false) } else { None }
}

impl<'a> Step<'a, '_> {
    /// Another object holds the journal (rule 1).
    fn take_over(&self, journal: &NumberPurchase) -> Decision<PhoneNumberStatus> {
        let holder = &journal.spec.holder;
        match self.b.record.holder {
            Liveness::NotRead => Decision::Look(Look::Holder(holder.clone())),
            Liveness::Alive if self.b.record.holder_leaving => self
                .stop(
                    Reason::AwaitingHandover,
                    format!(
                        "PhoneNumber {}/{}, which has the purchase identity {}, is being deleted. This one takes over its number and route \
                         when that one is gone.",
                        holder.namespace, holder.name, self.b.identity
                    ),
                )
                .again(policy::POLL),
            Liveness::Alive => self
                .stop(
                    Reason::IdentityInUse,
                    format!(
                        "PhoneNumber {}/{} has the purchase identity {}: delete one of the two, or create this one again with another \
                         purchase identity. This one takes over when the other is gone.",
                        holder.namespace, holder.name, self.b.identity
                    ),
                )
                .again(policy::POLL),
            Liveness::Gone if journal.meta().deletion_timestamp.is_some() => self
                .stop(Reason::NumberNotChecked, format!("The NumberPurchase of the purchase identity {} is being deleted.", self.b.identity))
                .again(policy::POLL),
            Liveness::Gone => {
                if let Some(decision) = self.hands_off().or_else(|| self.w.finalizer()) {
                    return decision;
                }
                let spec = NumberPurchaseSpec { holder: self.w.holder_spec(), ..journal.spec.clone() };
                self.write(journal, spec, Purpose::Settle)
            }
        }
    }

    /// The journal is ours.
    fn go_on(&self, journal: &NumberPurchase) -> Decision<PhoneNumberStatus> {
        let Some(number) = &journal.spec.number else { return self.begin(Some(journal), None) };
        if let Some(own) = self.b.record.own.filter(|own| own.outcome.is_none())
            && self.ours_as_seen().is_none()
        {
            match own.purpose {
                Purpose::Send => return self.send(journal, number, own),
                Purpose::Take => return self.take(journal, number, own),
                Purpose::Settle | Purpose::Hold => {}
            }
        }
        if let Some(decision) = self.marked_by_another(number) {
            return decision;
        }
        // What was seen to be ours and vanished is lost, and never bought again: there is nothing to find out by waiting.
        if self.was_ours(journal, number) {
            return match self.w.seen {
                Seen::Present { number, fresh } if fresh || !self.w.is_requested() => self.ours(number),
                Seen::Absent { fresh } if fresh || !self.w.is_requested() => self.w.lost(&self.account.key, number),
                _ => self.w.look(self.account, number),
            };
        }
        match self.settle(journal, number) {
            Settled::Ours(seen) => self.ours(seen),
            Settled::NotBought { clean } => self.begin(Some(journal), Some(clean)),
            Settled::Not(decision) => *decision,
        }
    }

    /// The number is on record for this identity, and bears the same identity's marker by another installation, or its claim says that
    /// it was bought for this identity: as after a restore into another cluster. A person is asked, and nothing is bought against
    /// the record.
    fn marked_by_another(&self, number: &E164) -> Option<Decision<PhoneNumberStatus>> {
        let Seen::Present { number: seen, .. } = self.w.seen else { return None };
        let marker = seen.marker.as_ref().filter(|_| self.w.marked_by_another && !self.w.is_adopted(number))?;
        let is_its = marker.is_same_identity(&self.b.traces.marker)
            || self.w.claim.is_some_and(|c| c.spec.is_for(self.b.identity));
        is_its.then(|| self.w.marked_by_another(number))
    }

    /// The number is in the account: it is adopted, and then like any other.
    fn ours(&self, seen: &'a OwnedNumber) -> Decision<PhoneNumberStatus> {
        let number = &seen.number;
        let foreign = seen.marker.as_ref().is_some_and(|marker| *marker != self.b.traces.marker);
        if foreign && self.w.own_claim().is_none() && !self.is_claimed_for(number) {
            let text = format!(
                "The marker of {number} at the carrier names another purchase identity or installation. The number is not changed: use \
                 another purchase identity."
            );
            return self.stop(Reason::MarkerConflict, text);
        }
        self.w.acquire(&Found { account: self.account.key.clone(), identity: self.identity, number: seen })
    }

    /// Begins an attempt, or gives back the right to it. `settled` says of the number that the journal names, which is not ours, whether
    /// all that was sent for it was refused.
    fn begin(&self, journal: Option<&NumberPurchase>, settled: Option<bool>) -> Decision<PhoneNumberStatus> {
        self.give_back(journal, self.attempt(journal, settled))
    }

    /// Where nothing is bought for a while, the right to buy is given back first. What may have been bought by it keeps it.
    fn give_back(
        &self,
        journal: Option<&NumberPurchase>,
        decision: Decision<PhoneNumberStatus>,
    ) -> Decision<PhoneNumberStatus> {
        // What is tried again in a moment keeps its right.
        let rests = matches!(&decision, Decision::Rest(rest) if rest.again.is_none_or(|again| again >= policy::POLL));
        if !rests || self.b.seller.grant != Grant::Given {
            return decision;
        }
        match (self.known(journal), journal.filter(|journal| journal.spec.number.is_some())) {
            (Some(Decision::Act(_) | Decision::Rest(_)), _) => decision,
            // The journal says first that nothing was bought by it, so that nobody need find out again.
            (_, Some(journal)) => {
                let keeps = self.b.record.own.is_some_and(OwnEntry::keeps_number);
                let hold = journal.spec.hold.clone().filter(|_| keeps);
                let spec = NumberPurchaseSpec { number: None, hold, ..journal.spec.clone() };
                self.write(journal, spec, Purpose::Settle)
            }
            (Some(look), None) => look,
            (None, None) => Decision::Act(Effect::GiveBackGrant),
        }
    }

    /// An idle number is taken where that is wished, or one is bought if money may be spent.
    fn attempt(&self, journal: Option<&NumberPurchase>, settled: Option<bool>) -> Decision<PhoneNumberStatus> {
        if let Some(decision) = self.hands_off() {
            return decision;
        }
        let Some(purchase) = self.purchase() else { return Decision::Rest(Rest::NOTHING) };
        match purchase.reuse {
            Reuse::Never => self.buy(journal, settled, purchase),
            // Not everything that makes a number idle wakes whoever waits for one.
            Reuse::Pool => self
                .reuse(journal, settled, purchase)
                .unwrap_or_else(|| self.buy(journal, settled, purchase).again(self.again())),
        }
    }

    /// Begins to buy one.
    fn buy(
        &self,
        journal: Option<&NumberPurchase>,
        settled: Option<bool>,
        purchase: &Purchase,
    ) -> Decision<PhoneNumberStatus> {
        if self.b.seller.limits.paused {
            let text =
                format!("spec.purchasing.paused of CarrierAccount {} is true: nothing is bought.", self.account.key);
            return self.stop(Reason::PurchasingPaused, text);
        }
        if !self.b.seller.sells {
            let text = format!("The carrier of CarrierAccount {} sells no numbers: import one.", self.account.key);
            return self.stop(Reason::PurchaseRefused, text);
        }
        if let Some(decision) = self.unroutable().or_else(|| self.refused()) {
            return decision;
        }
        if let Some(decision) = self.known(journal) {
            return decision;
        }
        if let Some((error, wait)) = &self.b.seller.no_money {
            let text = format!("CarrierAccount {}: {}.", self.account.key, error.text.trim_end_matches('.'));
            return self.stop(Reason::InsufficientFunds, text).again(*wait);
        }
        // Nothing is searched that may not be bought, and nobody asks who would find nothing.
        if !self.asks_first(purchase)
            && self.b.seller.grant != Grant::None
            && let Some(decision) = self.unless_granted()
        {
            return decision;
        }
        self.choose(journal, settled, purchase)
    }

    /// Rule 2: what bears our marker already is ours, and nothing else is bought or taken. Where there are no markers, a person says what
    /// is.
    fn known(&self, journal: Option<&NumberPurchase>) -> Option<Decision<PhoneNumberStatus>> {
        let said = || self.said().filter(|said| !self.b.seller.marks && self.b.traces.unclaimed.contains(said));
        match self.marked().and_then(|marked| self.meant(marked)).map(|meant| meant.or_else(said)) {
            Ok(None) => self.unconfirmed(),
            Ok(meant) => {
                let attempt = journal.map_or(1, |journal| journal.spec.attempt);
                Some(self.record(meant, attempt, Price::default(), Purpose::Settle, journal))
            }
            Err(decision) => Some(*decision),
        }
    }

    /// What is to be said, and for how long, of a number that was refused.
    fn refused(&self) -> Option<Decision<PhoneNumberStatus>> {
        let trouble = self.w.trouble.filter(|trouble| !trouble.wait.is_zero())?;
        let named = self.purchase().is_some_and(|purchase| purchase.number.is_some());
        let more = trouble.purchase && trouble.error.class == ErrorClass::Unavailable && !named;
        if more && !policy::were_many(trouble.refused) {
            return None;
        }
        let text = format!("{}.", trouble.error.text.trim_end_matches('.'));
        let finding = Finding::new(policy::purchase_trouble(&trouble.error), text);
        Some(self.w.put_off(vec![Reason::Accepted.into(), finding]))
    }

    fn choose(
        &self,
        journal: Option<&NumberPurchase>,
        settled: Option<bool>,
        purchase: &Purchase,
    ) -> Decision<PhoneNumberStatus> {
        let attempt = journal.map_or(0, |journal| journal.spec.attempt) + 1;
        let last = journal.and_then(|journal| journal.spec.number.as_ref());
        if let (Some(number), Seen::Present { .. }) = (&purchase.number, self.w.seen) {
            let text = format!("CarrierAccount {} already owns {number}: import it instead.", self.account.key);
            return self.stop(Reason::AlreadyOwned, text);
        }
        let keeps = self.b.record.own.is_some_and(OwnEntry::keeps_number);
        let wish = Criteria {
            prefer: self.shown().map(|offer| &offer.number).or(last.filter(|_| keeps)).or(self.b.seller.asked.as_ref()),
            avoid: last.filter(|_| purchase.search.is_some() && !keeps),
            ..self.wish(purchase, attempt)
        };
        // What is kept for us is bought, whatever else there is.
        if let Some(held) = self.held(journal, &wish) {
            return self.proceed(journal, settled, purchase, &held);
        }
        if let Some(decision) = journal.and_then(|journal| self.let_go(journal, false)) {
            return decision;
        }
        match choose::choose(&wish) {
            Choice::Look(asked) => Decision::Look(Look::Offers(Box::new(asked))),
            // Most wait for a moment, and nothing need be said of that.
            Choice::Wait(crowd, _) if crowd.lasts < policy::ANSWERED => {
                let again = crowd.again.min(policy::ANSWERED - crowd.lasts);
                Decision::Rest(Rest { status: None, again: Some(again) })
            }
            Choice::Wait(crowd, finding) => self.offers_nothing(finding).again(crowd.again),
            Choice::Nothing(finding) => self.offers_nothing(finding),
            Choice::Take { offer, exact } => {
                self.proceed(journal, settled, purchase, &Candidate::offered(offer, exact))
            }
        }
    }
}
