//! Buying a number, at most once. Section 4 of docs/design.md is the specification; its rules are named where they are kept.
//!
//! The number itself is the idempotency key: the journal names the one number that may be ours, and whether it is can only be
//! seen at the carrier. What this process knows beside that is [`Own`](super::Own), and forgetting it is always safe: an attempt that nobody
//! remembers is one of unknown outcome.

mod hold;
mod order;
mod pool;

use kube::Resource as _;

use self::hold::Candidate;
use super::{
    AccountView, BuyNumber, Decision, Effect, Entry, Liveness, Look, Requested as _, Rest, Seen,
    buying::{Buying, Intent, Own, Tried},
    choose::{self, Choice, Wish},
    number::{Found, World},
    policy,
    route::{self, Wanted},
};
use crate::api::{
    NumberClaim, NumberPurchase,
    claim::{ClaimedAccount, NumberClaimSpec},
    conditions::{Finding, Reason},
    meta::NUMBER,
    number::{E164, Route},
    offer::Price,
    phone_number::{Acquisition, Mode, PhoneNumberStatus, Purchase, Reuse},
    purchase::{Identity, NumberPurchaseSpec},
    seen::{ErrorClass, OwnedNumber},
};

/// How many numbers in a row may turn out not to be available before it is waited.
const CANDIDATES: u32 = 5;

/// What settling an attempt has come to.
enum Settled<'a> {
    /// The number is in the account.
    Ours(&'a OwnedNumber),
    /// It is not and will not be by what was sent. `clean` where all of that was refused.
    NotBought { clean: bool },
    /// It is not known yet; this is to be done about it.
    Not(Box<Decision<PhoneNumberStatus>>),
}

pub(super) fn next<'a>(
    w: &World<'a>,
    account: &AccountView,
    identity: &'a str,
    b: &Buying<'a>,
) -> Decision<PhoneNumberStatus> {
    let step = Step { w, b, account, identity };
    match b.journal {
        None => step.find_or_begin(),
        Some(journal) if journal.spec.holder.uid != w.uid() => step.take_over(journal),
        Some(journal) if journal.spec.account.identity != identity => {
            let text = format!(
                "The number for the identity {} belongs to the account {} and not to {identity}: use another identity, or that account.",
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
    let journal = b.journal.filter(|journal| journal.spec.holder.uid == w.uid())?;
    let number = journal.spec.number.as_ref()?;
    let step = Step { w, b, account, identity: &journal.spec.account.identity };
    if step.was_ours(number) {
        return None;
    }
    match step.settle(journal, number) {
        Settled::Ours(_) => None,
        Settled::Not(decision) => Some(step.cancel(number, &decision).unwrap_or(*decision)),
        // The journal says so before the object goes, so that the same identity need not find out again.
        Settled::NotBought { .. } => {
            let spec = NumberPurchaseSpec { number: None, hold: None, ..journal.spec.clone() };
            Some(step.write(journal, spec, Intent::Settle))
        }
    }
}

struct Step<'a, 'b> {
    w: &'b World<'a>,
    b: &'b Buying<'a>,
    account: &'b AccountView,
    identity: &'a str,
}

impl<'a> Step<'a, '_> {
    fn purchase(&self) -> Option<&'a Purchase> {
        self.w.number.spec.purchase.as_ref()
    }

    fn stop(&self, reason: Reason, text: impl Into<String>) -> Decision<PhoneNumberStatus> {
        self.w.stop(vec![Reason::Accepted.into(), Finding::new(reason, text)])
    }

    /// No journal: either nothing was ever bought, or what tells of it was lost (rules 2 and 9).
    fn find_or_begin(&self) -> Decision<PhoneNumberStatus> {
        if let Some(decision) = self.hands_off() {
            return decision;
        }
        let marked = match self.marked() {
            Ok(marked) => marked,
            Err(decision) => return *decision,
        };
        let remembered = self.w.number.status.as_ref().and_then(|status| status.number.clone());
        let claimed = || self.b.claims.first().map(|claim| claim.spec.number.clone());
        let named = match self.meant(marked) {
            Ok(meant) => meant.or_else(|| self.said()).or(remembered).or_else(claimed),
            Err(decision) => return *decision,
        };
        match named {
            // It is looked for before anything else is considered: of unknown outcome, as far as anybody knows.
            Some(number) => {
                let claimed = self.b.claims.iter().find(|claim| claim.spec.number == number);
                let attempt = claimed.and_then(|claim| claim.spec.purchase.as_ref()).map_or(1, |p| p.attempt);
                let price = claimed.and_then(|claim| claim.spec.purchase.as_ref()).map(|p| p.price.clone());
                self.record(Some(number), attempt, price.unwrap_or_default(), Intent::Settle, None)
            }
            None => self.begin(None, None),
        }
    }

    /// The number that a person says is this object's.
    fn said(&self) -> Option<E164> {
        self.w.number.annotation(NUMBER)?.parse().ok()
    }

    /// Which of the numbers that bear our marker is meant: the only one, or the one that a person says.
    fn meant(&self, marked: &[E164]) -> Result<Option<E164>, Box<Decision<PhoneNumberStatus>>> {
        match marked {
            [] => Ok(None),
            [number] => Ok(Some(number.clone())),
            several => match self.said().filter(|said| several.contains(said)) {
                Some(said) => Ok(Some(said)),
                None => Err(Box::new(self.several(several))),
            },
        }
    }

    fn several(&self, numbers: &[E164]) -> Decision<PhoneNumberStatus> {
        let numbers: Vec<&str> = numbers.iter().map(E164::as_str).collect();
        let text = format!(
            "The account has several numbers that were bought for the identity {}: {}. Set the annotation {NUMBER} to the one that is meant.",
            self.b.identity,
            numbers.join(", ")
        );
        self.stop(Reason::SeveralNumbers, text)
    }

    /// The numbers that bear our marker, by a listing that can be believed (rules 2 and 9).
    fn marked(&self) -> Result<&'a [E164], Box<Decision<PhoneNumberStatus>>> {
        if self.b.doubtful {
            let text = format!(
                "Numbers are missing from the listing of CarrierAccount {}: nothing is bought until that is clear.",
                self.account.key
            );
            return Err(Box::new(self.stop(Reason::AccountNotReady, text)));
        }
        if !self.b.not_before.is_zero() {
            let text = "This process cannot know what was bought before it began: it waits until that would be seen, and then looks.";
            let said = self.w.put_off(vec![Reason::Accepted.into(), Finding::new(Reason::PurchaseUnsettled, text)]);
            return Err(Box::new(said.again(self.b.not_before)));
        }
        match (self.b.marked, self.w.trouble) {
            (Some(marked), _) => Ok(marked),
            (None, Some(trouble)) if !trouble.purchase && !trouble.wait.is_zero() => {
                let finding = Finding::new(Reason::NotSeen, &*trouble.error.text);
                Err(Box::new(self.w.put_off(vec![Reason::Accepted.into(), finding])))
            }
            (None, _) => Err(Box::new(Decision::Look(Look::Inventory))),
        }
    }

    /// Nothing is begun for an object that only looks on.
    fn hands_off(&self) -> Option<Decision<PhoneNumberStatus>> {
        let spec = &self.w.number.spec;
        let why = match (spec.suspend, spec.mode) {
            (true, _) => "The object is suspended: nothing is bought. Set spec.suspend to false to go on.",
            (_, Mode::Observe) => "With mode: Observe nothing is bought. Set spec.mode to Manage to go on.",
            (false, Mode::Manage) => return None,
        };
        Some(self.stop(Reason::NotClaimed, why))
    }

    /// The last check before anything is sent or taken (rule 6): the object lives, by a live read that is younger than the entry, so
    /// that whoever sees it deleted later sees the entry as well. To have put the finalizer in place since is one.
    fn unless_alive(&self, own: &Own) -> Option<Decision<PhoneNumberStatus>> {
        match self.b.live {
            _ if own.lives => None,
            Liveness::NotRead => Some(Decision::Look(Look::Itself)),
            Liveness::Gone => Some(Decision::Rest(Rest { status: None, again: Some(policy::POLL) })),
            Liveness::Alive => None,
        }
    }

    /// Another object holds the journal (rule 1).
    fn take_over(&self, journal: &NumberPurchase) -> Decision<PhoneNumberStatus> {
        let holder = &journal.spec.holder;
        match self.b.holder {
            Liveness::NotRead => Decision::Look(Look::Holder(holder.clone())),
            Liveness::Alive if self.b.holder_leaving => self
                .stop(
                    Reason::AwaitingHandover,
                    format!(
                        "PhoneNumber {}/{}, which has the identity {}, is being deleted. This one takes its number over, with its route, \
                         once that one is gone.",
                        holder.namespace, holder.name, self.b.identity
                    ),
                )
                .again(policy::POLL),
            Liveness::Alive => self
                .stop(
                    Reason::IdentityInUse,
                    format!(
                        "PhoneNumber {}/{} has the identity {}: delete one of the two, or give this one another identity in a new object. \
                         This one takes over once the other is gone.",
                        holder.namespace, holder.name, self.b.identity
                    ),
                )
                .again(policy::POLL),
            Liveness::Gone if journal.meta().deletion_timestamp.is_some() => self
                .stop(Reason::NotSeen, format!("The journal of the identity {} is being let go.", self.b.identity))
                .again(policy::POLL),
            Liveness::Gone => {
                if let Some(decision) = self.hands_off().or_else(|| self.w.finalizer()) {
                    return decision;
                }
                let spec = NumberPurchaseSpec { holder: self.w.holder_spec(), ..journal.spec.clone() };
                self.write(journal, spec, Intent::Settle)
            }
        }
    }

    /// The journal is ours.
    fn go_on(&self, journal: &NumberPurchase) -> Decision<PhoneNumberStatus> {
        let Some(number) = &journal.spec.number else { return self.begin(Some(journal), None) };
        if let Some(own) = self.b.own.filter(|own| own.outcome.is_none())
            && self.ours_as_seen().is_none()
        {
            match own.intent {
                Intent::Send => return self.send(journal, number, own),
                Intent::Take => return self.take(journal, number, own),
                Intent::Settle | Intent::Hold => {}
            }
        }
        if let Some(decision) = self.elsewhere(number) {
            return decision;
        }
        // What was seen to be ours and vanished is lost, and never bought again: there is nothing to find out by waiting.
        if self.was_ours(number) {
            return match self.w.seen {
                Seen::Present { number, fresh } if fresh || !self.w.is_requested() => self.ours(number),
                Seen::Absent { fresh } if fresh || !self.w.is_requested() => self.w.absent(&self.account.key, number),
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
    fn elsewhere(&self, number: &E164) -> Option<Decision<PhoneNumberStatus>> {
        let Seen::Present { number: seen, .. } = self.w.seen else { return None };
        let marker = seen.marker.as_ref().filter(|_| self.w.elsewhere && !self.w.is_adopted(number))?;
        let is_its =
            marker.is_same_identity(self.b.marker) || self.w.claim.is_some_and(|c| c.spec.is_for(self.b.identity));
        is_its.then(|| self.w.marked_elsewhere(number))
    }

    /// Whether the number was seen to be ours before, by this object or by one of its identity that let it go.
    fn was_ours(&self, number: &E164) -> bool {
        let said = self.w.number.status.as_ref().is_some_and(|status| status.number.as_ref() == Some(number));
        let kept = |claim: &&NumberClaim| {
            let rests = claim.spec.holder.is_none() && claim.spec.is_for(self.b.identity);
            rests || claim.spec.is_held_by(self.w.uid())
        };
        said || self.w.claim.filter(kept).is_some_and(|claim| !claim.spec.carrier_number_id.is_empty())
    }

    /// Whether the number that the journal names is ours (rules 7 and 8).
    fn settle(&self, journal: &NumberPurchase, number: &E164) -> Settled<'a> {
        if let Some(number) = self.ours_as_seen() {
            return Settled::Ours(number);
        }
        match self.b.own {
            // Nothing was sent since this process began to speak of this number, and nothing before.
            Some(Own { intent: Intent::Send | Intent::Take, clean: true, outcome: None, .. }) => {
                Settled::NotBought { clean: true }
            }
            Some(Own { clean: true, outcome: Some(Tried::DidNothing(_)), .. }) => Settled::NotBought { clean: true },
            // Nothing else can come of what was sent, so that nobody need be fenced off yet.
            Some(own @ Own { outcome: Some(Tried::Ordered(order)), .. }) if !own.settled_in.is_zero() => {
                self.ordered(number, own, order)
            }
            // Nobody may send any more, by an entry that says so. Then it is waited, and looked.
            Some(own @ Own { intent: Intent::Settle, .. }) => self.wait(number, own),
            _ => Settled::Not(Box::new(self.write(journal, journal.spec.clone(), Intent::Settle))),
        }
    }

    /// The number as seen in the account, unless it is there for somebody else: then it was not bought for us, whatever was sent.
    fn ours_as_seen(&self) -> Option<&'a OwnedNumber> {
        let Seen::Present { number, fresh } = self.w.seen else { return None };
        // What was handed to another namespace bears our marker for a while, or for good.
        if self.w.claim.is_some_and(|claim| claim.spec.is_of_another(&self.b.identity.namespace)) {
            return None;
        }
        let refused = self.b.own.is_some_and(|own| own.clean && matches!(own.outcome, Some(Tried::DidNothing(_))));
        let ours = self.w.own_claim().is_some()
            || match &number.marker {
                Some(marker) => marker == self.b.marker || self.is_claimed_for(&number.number),
                None => self.b.own.is_none_or(|own| own.intent == Intent::Settle) && !refused,
            };
        (ours && (fresh || !self.w.is_requested())).then_some(number)
    }

    /// Whether the claim, or a person, says that a number with another marker is this identity's: one that was taken from the pool bears
    /// that of its last identity until it is marked anew.
    fn is_claimed_for(&self, number: &E164) -> bool {
        let claimed = self.w.claim.is_some_and(|claim| claim.spec.is_for(self.b.identity));
        claimed && !self.w.elsewhere || self.w.is_adopted(number)
    }

    fn wait(&self, number: &E164, own: &Own) -> Settled<'a> {
        let look = |look| Settled::Not(Box::new(Decision::Look(look)));
        if !self.w.seen.is_fresh() && self.may_look() {
            return look(Look::Number { account: self.account.key.clone(), number: number.clone() });
        }
        if self.b.orders.is_none() && self.may_look() {
            return look(Look::Orders);
        }
        let order = self.b.orders.and_then(|orders| orders.iter().find(|order| order.number == *number));
        let absent = matches!(self.w.seen, Seen::Absent { fresh: true } | Seen::Present { fresh: true, .. });
        if own.settled_in.is_zero() && absent && order.is_none() && self.may_look() {
            // What is there and bears another marker may have been taken from the pool a moment ago: its claim says so.
            if matches!(self.w.seen, Seen::Present { .. }) && !self.b.claim_read {
                return look(Look::Claim(number.clone()));
            }
            return match self.b.marked {
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
                "Whether {number} was bought is not known: no answer came, or nobody remembers it. It is looked for until it is seen, or \
                 until no request can come about any more; nothing else is bought meanwhile."
            )
        });
        let finding = Finding::new(Reason::PurchaseUnsettled, text);
        Settled::Not(Box::new(self.w.put_off(vec![Reason::Accepted.into(), finding]).again(wait)))
    }

    /// The number is in the account: it is adopted, and then like any other.
    fn ours(&self, seen: &'a OwnedNumber) -> Decision<PhoneNumberStatus> {
        let number = &seen.number;
        let foreign = seen.marker.as_ref().is_some_and(|marker| marker != self.b.marker);
        if foreign && self.w.own_claim().is_none() && !self.is_claimed_for(number) {
            let text = format!(
                "{number} bears the marker of another identity or installation at the carrier: it is not touched. Use another identity."
            );
            return self.stop(Reason::MarkedByAnother, text);
        }
        self.w.acquire(&Found { account: self.account.key.clone(), identity: self.identity, number: seen })
    }

    /// Begins an attempt: an idle number is taken where that is wished, or one is bought if money may be spent. `settled` says of
    /// the number that the journal names, which is not ours, whether all that was sent for it was refused.
    fn begin(&self, journal: Option<&NumberPurchase>, settled: Option<bool>) -> Decision<PhoneNumberStatus> {
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
        if self.b.limits.paused {
            let text =
                format!("CarrierAccount {} buys nothing now: its spec.purchasing.paused says so.", self.account.key);
            return self.stop(Reason::PurchasingPaused, text);
        }
        if !self.b.sells {
            let text = format!("The carrier of CarrierAccount {} sells no numbers: import one.", self.account.key);
            return self.stop(Reason::PurchaseRefused, text);
        }
        if let Some(decision) = self.unroutable().or_else(|| self.refused()) {
            return decision;
        }
        if let Some(decision) = self.known(journal) {
            return decision;
        }
        if let Some((error, wait)) = self.b.no_money {
            let text = format!("CarrierAccount {}: {}.", self.account.key, error.text.trim_end_matches('.'));
            return self.stop(Reason::InsufficientFunds, text).again(*wait);
        }
        // Nothing is searched that may not be bought.
        if !self.asks_first(purchase)
            && let Some(decision) = self.unless_granted()
        {
            return decision;
        }
        self.choose(journal, settled, purchase)
    }

    /// Rule 2: what bears our marker already is ours, and nothing else is bought or taken.
    fn known(&self, journal: Option<&NumberPurchase>) -> Option<Decision<PhoneNumberStatus>> {
        match self.marked().and_then(|marked| self.meant(marked)) {
            Ok(None) => None,
            Ok(meant) => {
                let attempt = journal.map_or(1, |journal| journal.spec.attempt);
                Some(self.record(meant, attempt, Price::default(), Intent::Settle, journal))
            }
            Err(decision) => Some(*decision),
        }
    }

    /// What is to be said, and for how long, of a number that was refused.
    fn refused(&self) -> Option<Decision<PhoneNumberStatus>> {
        let trouble = self.w.trouble.filter(|trouble| !trouble.wait.is_zero())?;
        let named = self.purchase().is_some_and(|purchase| purchase.number.is_some());
        let more = trouble.purchase && trouble.error.class == ErrorClass::Unavailable && !named;
        if more && trouble.refused < CANDIDATES {
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
            let text =
                format!("CarrierAccount {} owns {number} already: import it instead of buying it.", self.account.key);
            return self.stop(Reason::AlreadyOwned, text);
        }
        let keeps = self.b.own.is_some_and(Own::keeps_number);
        let wish = Wish {
            prefer: self.shown().map(|offer| &offer.number).or(last.filter(|_| keeps)),
            avoid: last.filter(|_| purchase.search.is_some() && !keeps),
            ..self.wish(purchase, attempt)
        };
        // What is kept for us is bought, whatever else there is.
        if let Some(held) = self.held(journal, &wish) {
            return self.proceed(journal, settled, purchase, &held);
        }
        match choose::choose(&wish) {
            Choice::Look(asked) => Decision::Look(Look::Offers(Box::new(asked))),
            Choice::Wait => Decision::Rest(Rest { status: None, again: Some(policy::CROWDED) }),
            Choice::Nothing(finding) => self.offers_nothing(finding),
            Choice::Take { offer, exact } => {
                self.proceed(journal, settled, purchase, &Candidate::offered(offer, exact))
            }
        }
    }

    /// What an attempt is to come to.
    fn wish<'w>(&'w self, purchase: &'w Purchase, attempt: u32) -> Wish<'w> {
        Wish {
            purchase,
            ceiling: self.b.limits.max_monthly_price,
            offers: self.b.offers,
            prefer: None,
            avoid: None,
            spread: (self.b.identity, attempt),
        }
    }

    /// The entry is ours and nothing was sent by it yet: the finalizer, the claim, the last checks, the purchase (rules 4 and 6).
    fn send(&self, journal: &NumberPurchase, number: &E164, own: &Own) -> Decision<PhoneNumberStatus> {
        if let Some(decision) = self.hands_off().or_else(|| self.unroutable()) {
            return decision;
        }
        if !own.may_send {
            // Nothing was sent by it, so what is known of the number still holds; only the right to send is gone.
            return self.begin(Some(journal), Some(own.clean));
        }
        if let Some(decision) = self.w.finalizer() {
            return decision;
        }
        let route = self.route();
        let wanted = self.claim(journal, number, &route);
        match self.w.claim {
            // Somebody else has it by now, without a claim of this cluster.
            _ if matches!(self.w.seen, Seen::Present { .. }) => self.lose(number),
            None => Decision::Act(Effect::CreateClaim(Box::new(wanted))),
            Some(claim) if claim.spec == wanted => self.unless_alive(own).unwrap_or_else(|| {
                Decision::Act(Effect::Purchase(Box::new(BuyNumber {
                    account: self.account.key.clone(),
                    number: number.clone(),
                    marker: self.b.marker.clone(),
                    route,
                    regulatory: self.purchase().and_then(|p| p.regulatory.clone()).unwrap_or_default(),
                    token: journal.spec.token.clone(),
                    attempt: journal.spec.attempt,
                    hold: journal.spec.hold.clone(),
                })))
            }),
            Some(claim) if self.is_earlier(claim, journal) => match (&claim.spec.holder, self.w.holder) {
                (Some(holder), Liveness::NotRead) if holder.uid != self.w.uid() => {
                    Decision::Look(Look::Holder(holder.clone()))
                }
                (Some(holder), Liveness::Alive) if holder.uid != self.w.uid() => self.lose(number),
                _ => Decision::Act(Effect::WriteClaim(Box::new(NumberClaim { spec: wanted, ..claim.clone() }))),
            },
            // Whoever is ahead of us, or another object, has the number: that is a refusal as good as the carrier's.
            Some(_) => self.lose(number),
        }
    }

    fn lose(&self, number: &E164) -> Decision<PhoneNumberStatus> {
        Decision::Act(Effect::LoseNumber(self.account.key.clone(), number.clone()))
    }

    /// Whether the claim is of this identity, and no later attempt stands in it.
    fn is_earlier(&self, claim: &NumberClaim, journal: &NumberPurchase) -> bool {
        let earlier = claim.spec.purchase.as_ref().is_none_or(|purchase| purchase.attempt <= journal.spec.attempt);
        claim.metadata.deletion_timestamp.is_none() && earlier && claim.spec.is_for(self.b.identity)
    }

    /// Where numbers share a route, one is bought only once that stands: it is to answer from its first moment.
    fn unroutable(&self) -> Option<Decision<PhoneNumberStatus>> {
        match route::wanted(self.w.agent.as_ref()) {
            Wanted::Keep(finding) if matches!(finding.reason, Reason::SharedRoutePending | Reason::NotShareable) => {
                Some(self.w.put_off(vec![Reason::Accepted.into(), finding]))
            }
            _ => None,
        }
    }

    /// The route that the number begins with: its agent's, or none.
    fn route(&self) -> Route {
        route::wanted(self.w.agent.as_ref()).target(&Route::new(), None)
    }

    fn claim(&self, journal: &NumberPurchase, number: &E164, route: &Route) -> NumberClaimSpec {
        let digests = route::digests(route);
        NumberClaimSpec {
            number: number.clone(),
            holder: Some(self.w.holder_spec()),
            account: journal.spec.account.clone(),
            carrier_number_id: String::new(),
            acquisition: Acquisition::Purchased,
            purchase: Some(self.b.claimed(&journal.spec, journal.spec.price.clone(), journal.spec.offered.clone())),
            on_delete: self.w.on_delete(),
            previous: Route::new(),
            sent: if digests.is_empty() { Vec::new() } else { vec![digests] },
            led_to: route::led_to(&[], self.w.agent.as_ref()),
        }
    }

    fn spec(&self, number: Option<E164>, attempt: u32, price: Price, exact: Option<bool>) -> NumberPurchaseSpec {
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

    fn record(
        &self,
        number: Option<E164>,
        attempt: u32,
        price: Price,
        intent: Intent,
        journal: Option<&NumberPurchase>,
    ) -> Decision<PhoneNumberStatus> {
        let spec = self.spec(number, attempt, price, None);
        let entry = Entry { journal: self.object(journal, spec), intent, clean: false };
        self.w.finalizer().unwrap_or(Decision::Act(Effect::WriteJournal(Box::new(entry))))
    }

    /// Writes another entry about the same attempt.
    fn write(&self, journal: &NumberPurchase, spec: NumberPurchaseSpec, intent: Intent) -> Decision<PhoneNumberStatus> {
        let spec = NumberPurchaseSpec { token: self.b.token.to_owned(), ..spec };
        let entry = Entry { journal: NumberPurchase { spec, ..journal.clone() }, intent, clean: false };
        Decision::Act(Effect::WriteJournal(Box::new(entry)))
    }

    fn object(&self, journal: Option<&NumberPurchase>, spec: NumberPurchaseSpec) -> NumberPurchase {
        match journal {
            Some(journal) => NumberPurchase { spec, ..journal.clone() },
            None => NumberPurchase::new(&NumberPurchase::name_of(self.identity, self.b.identity), spec),
        }
    }
}
