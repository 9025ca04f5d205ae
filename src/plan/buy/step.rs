//! What every part of buying works with: the world, what is known of buying, and the entries of the journal.

use crate::{
    api::{
        NumberPurchase,
        claim::ClaimedAccount,
        conditions::{Finding, Reason},
        number::{E164, Route},
        offer::Price,
        phone_number::{Mode, PhoneNumberStatus, Purchase},
        purchase::{Identity, NumberPurchaseSpec},
    },
    plan::{
        AccountView, Buying, Decision, Effect, Entry, Liveness, Look, OwnEntry, Purpose, Rest, choose::Criteria,
        number::world::World, policy,
    },
};

pub(super) struct Step<'a, 'b> {
    pub(super) w: &'b World<'a>,
    pub(super) b: &'b Buying<'a>,
    pub(super) account: &'b AccountView,
    pub(super) identity: &'a str,
}

impl<'a> Step<'a, '_> {
    pub(super) fn purchase(&self) -> Option<&'a Purchase> {
        self.w.number.spec.purchase.as_deref()
    }

    pub(super) fn stop(&self, reason: Reason, text: impl Into<String>) -> Decision<PhoneNumberStatus> {
        self.w.stop(vec![Reason::Accepted.into(), Finding::new(reason, text)])
    }

    /// Nothing is begun for an object that only looks on.
    pub(super) fn hands_off(&self) -> Option<Decision<PhoneNumberStatus>> {
        let spec = &self.w.number.spec;
        let why = match (spec.suspend, spec.mode) {
            (true, _) => "The object is suspended: nothing is bought. Set spec.suspend to false to continue.",
            (_, Mode::Observe) => "With mode: Observe nothing is bought. Set spec.mode to Manage to continue.",
            (false, Mode::Manage) => return None,
        };
        Some(self.stop(Reason::NotClaimed, why))
    }

    /// The last check before anything is sent or taken (rule 6): the object lives, by a live read that is younger than the entry, so
    /// that whoever sees it deleted later sees the entry as well. To have put the finalizer in place since is one.
    pub(super) fn unless_alive(&self, own: &OwnEntry) -> Option<Decision<PhoneNumberStatus>> {
        match self.b.live {
            _ if own.lives => None,
            Liveness::NotRead => Some(Decision::Look(Look::Itself)),
            Liveness::Gone => Some(Decision::Rest(Rest { status: None, again: Some(policy::POLL) })),
            Liveness::Alive => None,
        }
    }

    pub(super) fn spec(
        &self,
        number: Option<E164>,
        attempt: u32,
        price: Price,
        exact: Option<bool>,
    ) -> NumberPurchaseSpec {
        let Identity { namespace, name } = self.b.identity.clone();
        NumberPurchaseSpec {
            namespace,
            identity: name,
            installation: self.b.installation.to_owned(),
            holder: self.w.holder_spec(),
            account: ClaimedAccount::of(&self.account.key, self.identity),
            number,
            attempt,
            token: self.b.token.to_owned(),
            price,
            offered: None,
            exact,
            hold: None,
        }
    }

    pub(super) fn record(
        &self,
        number: Option<E164>,
        attempt: u32,
        price: Price,
        purpose: Purpose,
        journal: Option<&NumberPurchase>,
    ) -> Decision<PhoneNumberStatus> {
        let spec = self.spec(number, attempt, price, None);
        let entry = Entry { journal: self.object(journal, spec), purpose, clean: false };
        self.w.finalizer().unwrap_or(Decision::Act(Effect::WriteJournal(Box::new(entry))))
    }

    /// Writes another entry about the same attempt.
    pub(super) fn write(
        &self,
        journal: &NumberPurchase,
        spec: NumberPurchaseSpec,
        purpose: Purpose,
    ) -> Decision<PhoneNumberStatus> {
        Decision::Act(Effect::WriteJournal(Box::new(self.entry(journal, spec, purpose))))
    }

    pub(super) fn entry(&self, journal: &NumberPurchase, spec: NumberPurchaseSpec, purpose: Purpose) -> Entry {
        let spec = NumberPurchaseSpec { token: self.b.token.to_owned(), ..spec };
        Entry { journal: NumberPurchase { spec, ..journal.clone() }, purpose, clean: false }
    }

    pub(super) fn object(&self, journal: Option<&NumberPurchase>, spec: NumberPurchaseSpec) -> NumberPurchase {
        match journal {
            Some(journal) => NumberPurchase { spec, ..journal.clone() },
            None => NumberPurchase::new(&NumberPurchase::name_of(self.identity, self.b.identity), spec),
        }
    }

    /// What an attempt is to come to.
    pub(super) fn wish<'w>(&'w self, purchase: &'w Purchase, attempt: u32) -> Criteria<'w> {
        Criteria {
            purchase,
            ceiling: self.b.seller.limits.max_monthly_price,
            offers: self.b.supply.offers,
            prefer: None,
            avoid: None,
            spread: (self.b.identity, attempt),
        }
    }

    /// The route that the number begins with: its agent's, or none.
    pub(super) fn route(&self) -> Route {
        self.w.wanted().target(&Route::new(), None)
    }
}
