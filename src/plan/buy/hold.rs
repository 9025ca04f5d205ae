//! Having the carrier keep a number before it is bought, and waiting with it for a person's word.
//!
//! A hold costs nothing and ends by itself: one whose outcome nobody knows is asked for again. One that nobody needs is let go of where the
//! carrier does that, and lapses where it does not.
//! It is not the number: as long as one is only held, the journal names none that may be ours.

use std::time::Duration;

use jiff::Timestamp;

use super::step::Step;
use crate::{
    api::{
        NumberPurchase,
        account::AccountApproval,
        conditions::{Finding, Reason},
        meta::APPROVE,
        number::E164,
        offer::{Offer, Offered, Price},
        phone_number::{Approval, OfferStatus, PhoneNumberStatus, Purchase},
        purchase::{Hold, NumberPurchaseSpec},
    },
    plan::{
        Decision, Effect, Entry, HoldNumber, LetGoHold, OwnEntry, Purpose, Requested as _, Rest,
        buying::Grant,
        choose::{self, Criteria},
        grant::MOST_OPEN,
        policy,
    },
};

/// How much of an annotation is repeated.
const MOST_REPEATED: usize = 64;

/// The number that is to be bought next.
pub(super) struct Candidate<'a> {
    number: &'a E164,
    price: &'a Price,
    offered: Option<Offered>,
    exact: bool,
    can_hold: bool,
    hold: Option<&'a Hold>,
}

impl<'a> Candidate<'a> {
    pub(super) fn offered(offer: &'a Offer, exact: bool) -> Self {
        let Offer { number, price, can_hold, .. } = offer;
        Self { number, price, offered: Some(offer.offered()), exact, can_hold: *can_hold, hold: None }
    }
}

impl<'a> Step<'a, '_> {
    /// The number that is kept for us and that was not bought yet, where it still is what is wanted.
    pub(super) fn held<'j>(&self, journal: Option<&'j NumberPurchase>, wish: &Criteria<'_>) -> Option<Candidate<'j>> {
        let spec = &journal?.spec;
        let hold = spec.hold.as_ref()?;
        let wanted = choose::could_be(wish.purchase, &hold.number) && wish.affords(&spec.price);
        (self.is_open(spec) && wanted && !self.has_lapsed(hold)).then(|| Candidate {
            number: &hold.number,
            price: &spec.price,
            offered: spec.offered.clone(),
            exact: spec.exact.unwrap_or_default(),
            can_hold: true,
            hold: Some(hold),
        })
    }

    /// Whether what the journal says is kept was not bought, and will not be but by another entry.
    fn is_open(&self, spec: &NumberPurchaseSpec) -> bool {
        spec.number.is_none() || self.b.record.own.is_some_and(OwnEntry::keeps_number)
    }

    /// Lets go of what is kept for us and no longer wanted. `settled` where it was proved that the number was not bought. It is tried once
    /// and holds nothing up: the hold ends by itself.
    pub(super) fn let_go(&self, journal: &NumberPurchase, settled: bool) -> Option<Decision<PhoneNumberStatus>> {
        let spec = &journal.spec;
        let hold = spec.hold.as_ref().filter(|hold| !self.has_lapsed(hold))?;
        // What a process sent of which nobody knows may be under way by the same hold.
        let is_free = (settled || self.is_open(spec)) && self.b.seller.not_before.is_zero();
        (self.b.seller.lets_go && is_free && self.hands_off().is_none()).then(|| {
            let spec = NumberPurchaseSpec { number: None, hold: None, ..spec.clone() };
            Decision::Act(Effect::LetGo(Box::new(LetGoHold {
                account: self.account.key.clone(),
                hold: hold.clone(),
                entry: self.entry(journal, spec, Purpose::Settle),
            })))
        })
    }

    /// Whether a hold should be asked for again. Its end is told by the carrier's clock, and ours may be another: that is only a hint,
    /// which is not followed again and again.
    fn has_lapsed(&self, hold: &Hold) -> bool {
        let is_young = self.b.record.own.is_some_and(|own| own.age < policy::POLL);
        !is_young && self.left(hold).is_some_and(|left| left.is_zero())
    }

    /// For how long yet it is taken to stand: a little longer than it does by our clock.
    fn left(&self, hold: &Hold) -> Option<Duration> {
        let until: Timestamp = hold.until.as_ref()?.parse().ok()?;
        let end = until.checked_add(policy::POLL).ok()?;
        Some(Duration::try_from(end.duration_since(self.w.now)).unwrap_or_default())
    }

    /// Has the number kept, asks a person, or writes down that it is about to be bought: whichever is next.
    pub(super) fn proceed(
        &self,
        journal: Option<&NumberPurchase>,
        settled: Option<bool>,
        purchase: &Purchase,
        candidate: &Candidate<'_>,
    ) -> Decision<PhoneNumberStatus> {
        let asks = self.asks_first(purchase) && !self.is_approved(candidate);
        // Whoever waits for a person has no right to buy yet: it would count against the limits for as long as that takes.
        if !asks && let Some(decision) = self.unless_granted() {
            return decision;
        }
        let keeps =
            self.b.seller.holds && candidate.can_hold && self.b.seller.unheld.as_ref() != Some(candidate.number);
        let keeps = keeps && candidate.hold.is_none();
        if asks && !keeps {
            return self.ask(candidate);
        }
        // Whoever is deleted while it waits has to be there to let go of it.
        if asks
            && self.b.seller.lets_go
            && let Some(decision) = self.w.finalizer()
        {
            return decision;
        }
        let entry = self.entry_of(journal, settled, candidate, asks);
        Decision::Act(match keeps {
            false => Effect::WriteJournal(Box::new(entry)),
            true => Effect::Hold(Box::new(HoldNumber {
                account: self.account.key.clone(),
                number: candidate.number.clone(),
                marker: self.b.traces.marker.clone(),
                entry,
            })),
        })
    }

    /// What stands in the way of buying where the account has not given the right to it.
    pub(super) fn unless_granted(&self) -> Option<Decision<PhoneNumberStatus>> {
        Some(match &self.b.seller.grant {
            Grant::Given => return None,
            Grant::None | Grant::Again => Decision::Act(Effect::AskGrant),
            // Most are answered in a moment, and nothing need be said of that.
            Grant::Asked(waited) if *waited < policy::ANSWERED => {
                Decision::Rest(Rest { status: None, again: Some(policy::ANSWERED - *waited) })
            }
            Grant::Asked(_) => {
                let text = format!(
                    "CarrierAccount {} has not granted this purchase yet: see its conditions, or {MOST_OPEN} purchases are in progress \
                     there, which is the most at once. The operator retries.",
                    self.account.key
                );
                self.stop(Reason::AccountNotReady, text)
            }
            Grant::Refused(finding, wait) => self.w.stop(vec![Reason::Accepted.into(), finding.clone()]).again(*wait),
        })
    }

    /// The entry by which it is bought, or, where a person is to be asked, the one that only says what is kept.
    fn entry_of(
        &self,
        journal: Option<&NumberPurchase>,
        settled: Option<bool>,
        candidate: &Candidate<'_>,
        asks: bool,
    ) -> Entry {
        let last = journal.and_then(|journal| journal.spec.number.as_ref());
        let attempts = journal.map_or(0, |journal| journal.spec.attempt);
        let (number, attempt, purpose) =
            if asks { (None, attempts, Purpose::Hold) } else { (Some(candidate.number), attempts + 1, Purpose::Send) };
        let spec = NumberPurchaseSpec {
            hold: candidate.hold.cloned(),
            offered: candidate.offered.clone(),
            ..self.spec(number.cloned(), attempt, candidate.price.clone(), Some(candidate.exact))
        };
        let clean = settled.unwrap_or(true) || last != Some(candidate.number);
        Entry { journal: self.object(journal, spec), purpose, clean }
    }

    /// Nothing can be had, so that nothing is offered either.
    pub(super) fn offers_nothing(&self, finding: Finding) -> Decision<PhoneNumberStatus> {
        let status = PhoneNumberStatus { offer: None, ..self.w.said(vec![Reason::Accepted.into(), finding]) };
        Decision::Rest(Rest { status: Some(status), again: Some(policy::LOOK_AGAIN) })
    }

    pub(super) fn shown(&self) -> Option<&'a OfferStatus> {
        self.w.number.status.as_ref().and_then(|status| status.offer.as_deref())
    }

    /// Whether a person has to say yes first: the PhoneNumber wishes it, or the account does for all under it.
    pub(super) fn asks_first(&self, purchase: &Purchase) -> bool {
        purchase.approval == Approval::Manual || self.is_restricted()
    }

    /// Whether only those may say yes who were given the right to.
    fn is_restricted(&self) -> bool {
        self.b.seller.limits.approval == AccountApproval::Required
    }

    /// Whether the annotation names this number.
    fn is_named(&self, candidate: &Candidate<'_>) -> bool {
        self.w.number.annotation(APPROVE) == Some(candidate.number.as_str())
    }

    /// A person said yes to this number at just this price. Where that is a right, only to an offer that said so: from then on the
    /// API server lets nobody else set the annotation.
    fn is_approved(&self, candidate: &Candidate<'_>) -> bool {
        let is_it = |shown: &OfferStatus| {
            let asked = !self.is_restricted() || shown.approval == Some(AccountApproval::Required);
            asked && shown.number == *candidate.number && shown.price == *candidate.price
        };
        self.is_named(candidate) && self.shown().is_some_and(is_it)
    }

    /// Whether the annotation was there before the offer: set by whoever, or for another price. The offer is not shown as long as it is.
    /// A status is written only over the very object that was decided on, so that an offer never meets an annotation that was not seen.
    fn is_premature(&self, candidate: &Candidate<'_>) -> bool {
        let dearer = |shown: &OfferStatus| shown.number == *candidate.number && shown.price != *candidate.price;
        self.is_named(candidate) && (self.is_restricted() || self.shown().is_some_and(dearer))
    }

    /// That the annotation is there and names something else, where that is so.
    fn misnamed(&self, candidate: &Candidate<'_>) -> String {
        let other = self.w.number.annotation(APPROVE).filter(|named| *named != candidate.number.as_str());
        let Some(other) = other else { return String::new() };
        let other: String = other.chars().take(MOST_REPEATED).collect();
        format!(" It is {other:?} now, which is not exactly that number, so nothing is bought.")
    }

    fn ask(&self, candidate: &Candidate<'_>) -> Decision<PhoneNumberStatus> {
        let Candidate { number, price, exact, hold, .. } = candidate;
        let until = hold.and_then(|hold| hold.until.clone());
        let held = until.as_ref().map(|until| format!(" and is held until {until}")).unwrap_or_default();
        let offer = format!("{number} can be bought for {}{held}", choose::shown(price));
        let premature = self.is_premature(candidate);
        let text = match (premature, self.is_restricted()) {
            (true, _) => format!(
                "{offer}, but the annotation {APPROVE} was set before this offer was shown. Remove the annotation, then set it again."
            ),
            (false, false) => format!("{offer}: set the annotation {APPROVE}: \"{number}\" to buy it."),
            (false, true) => format!(
                "{offer}: set the annotation {APPROVE}: \"{number}\" to buy it. This needs the verb approve on CarrierAccount {}.",
                self.account.key
            ),
        };
        let text = format!("{text}{}", self.misnamed(candidate));
        let mut status = self.w.said(vec![Reason::Accepted.into(), Finding::new(Reason::AwaitingApproval, text)]);
        let shown = || OfferStatus {
            number: (*number).clone(),
            price: (*price).clone(),
            exact: *exact,
            approval: Some(self.b.seller.limits.approval),
            held_until: until,
        };
        status.offer = match (premature, self.is_restricted()) {
            (false, _) => Some(shown().into()),
            (true, true) => None,
            (true, false) => status.offer,
        };
        let young = self.b.record.own.map_or(Duration::ZERO, |own| policy::POLL.saturating_sub(own.age));
        let again = hold.and_then(|hold| self.left(hold)).map_or(policy::LOOK_AGAIN, |left| left.max(young));
        Decision::Rest(Rest { status: Some(status), again: Some(again.max(Duration::from_secs(1))) })
    }
}
