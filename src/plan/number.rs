//! The order of things for a PhoneNumber: accepted, seen, claimed, held by a finalizer, routed.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    AccountRef, AccountView, AgentRef, Decision, Effect, InFlight, Liveness, Look, Mark, Requested, Rest, Seen,
    Trouble, buy,
    buying::Buying,
    choose, policy, remove,
    route::{self, Wanted},
    takeover::{self, Rival},
};
use crate::api::{
    NumberClaim, NumberPurchase, PhoneNumber,
    claim::{ClaimedAccount, ClaimedPurchase, Holder, NumberClaimSpec},
    conditions::{Finding, Reason, conditions},
    meta::{HAND_OVER, Key, NUMBER, ROUTE_FINALIZER},
    number::{Channel, E164, Leg, Route},
    offer::Price,
    phone_number::{Acquisition, DriftPolicy, Mode, OnDelete, PhoneNumberStatus, RouteStatus},
    seen::{Messaging, OwnedNumber},
};

/// Everything known about one PhoneNumber.
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub now: Timestamp,
    pub number: &'a PhoneNumber,
    pub account: AccountRef,
    /// `None` where no agent is wanted.
    pub agent: Option<AgentRef>,
    /// The number that this is about, where there is one: see [`number_of`].
    pub target: Option<&'a E164>,
    /// The claim of that number, whoever holds it.
    pub claim: Option<&'a NumberClaim>,
    /// What buying has come to, where the object buys.
    pub buying: Option<Buying<'a>>,
    /// Whether the holder of the claim lives, where that was read.
    pub holder: Liveness,
    /// What else is known of that holder, where it is another object.
    pub rival: Rival,
    /// Whether another object is there to which the claim may pass when this one goes.
    pub successor: bool,
    /// Whether one is there of which it is not known yet, since its account is just being opened.
    pub successor_opening: bool,
    /// Whether the account has yet to count that the number was bought, for another than this object's identity: until then it
    /// stays that one's.
    pub uncounted: bool,
    /// Whether the account's pool is shared between namespaces.
    pub shared_pool: bool,
    pub seen: Seen<'a>,
    /// Whether what is seen of the number began after this object was first seen.
    pub seen_since_met: bool,
    /// Whether the number bears the marker of another installation: then it is not written to, unless a person says so.
    pub elsewhere: bool,
    pub trouble: Option<&'a Trouble>,
    /// How often the route was put back within the last hour.
    pub put_backs: u32,
    /// What may still be on its way to the carrier.
    pub in_flight: InFlight,
    /// Whether the PhoneNumber definition is being deleted, where that was read.
    pub definition_going: Option<bool>,
}

/// A number that was found in an account that can be used.
pub(super) struct Found<'a> {
    pub(super) account: Key,
    pub(super) identity: &'a str,
    pub(super) number: &'a OwnedNumber,
}

/// Decides what to do next for a PhoneNumber.
pub fn next(w: &World<'_>) -> Decision<PhoneNumberStatus> {
    if w.number.metadata.deletion_timestamp.is_some() {
        return remove::of_number(w);
    }
    let account = match &w.account {
        AccountRef::Missing(key) => {
            let text = format!("There is no CarrierAccount {key}: apply it. spec.accountRef names it.");
            return w.stop(vec![Finding::new(Reason::AccountNotFound, text)]);
        }
        AccountRef::Refused(key) => {
            let text = format!(
                "CarrierAccount {key} does not allow this namespace: its owner can, in spec.allowedNamespaces. \
                 Nothing is written at the carrier meanwhile; the last route stays."
            );
            return w.stop(vec![Finding::new(Reason::AccountNotAllowed, text)]);
        }
        AccountRef::Found(account) => account,
    };
    let Some(identity) = account.open.as_deref() else {
        return if account.opening { Decision::Rest(Rest::NOTHING) } else { w.account_not_open(account) };
    };
    match (&w.buying, w.target) {
        (Some(buying), _) => buy::next(w, account, identity, buying),
        (None, Some(number)) => w.import(account, identity, number),
        (None, None) => Decision::Rest(Rest::NOTHING),
    }
}

/// The number that a PhoneNumber is about: the one that it names, or the one that the journal of buying names.
pub fn number_of<'a>(number: &'a PhoneNumber, journal: Option<&'a NumberPurchase>) -> Option<&'a E164> {
    let uid = number.metadata.uid.as_deref();
    let own = journal.filter(|journal| Some(&*journal.spec.holder.uid) == uid);
    own.and_then(|journal| journal.spec.number.as_ref()).or_else(|| number.named())
}

impl<'a> World<'a> {
    /// A number that the account is said to own.
    fn import(&self, account: &AccountView, identity: &'a str, number: &E164) -> Decision<PhoneNumberStatus> {
        match self.seen {
            Seen::Present { number, fresh } if fresh || !self.is_requested() => {
                self.acquire(&Found { account: account.key.clone(), identity, number })
            }
            Seen::Absent { fresh } if fresh || !self.is_requested() => self.absent(&account.key, number),
            _ => self.look(account, number),
        }
    }

    /// This object, as a claim names it.
    pub(super) fn holder_spec(&self) -> Holder {
        let Key { namespace, name } = Key::of(self.number);
        Holder { namespace, name, uid: self.uid().to_owned() }
    }

    pub(super) fn namespace(&self) -> &'a str {
        self.number.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(super) fn uid(&self) -> &'a str {
        self.number.metadata.uid.as_deref().unwrap_or_default()
    }

    fn status(&self) -> Option<&'a PhoneNumberStatus> {
        self.number.status.as_ref()
    }

    /// The route that we last saw as we wanted it.
    pub(super) fn route_status(&self) -> Option<&'a RouteStatus> {
        self.status()?.route.as_ref()
    }

    /// Whether a person asked for a look that has not been had yet.
    pub(super) fn is_requested(&self) -> bool {
        let handled = self.status().and_then(|status| status.last_handled_reconcile_at.as_deref());
        self.number.request().is_some_and(|request| Some(request) != handled)
    }

    /// The claim, where this very object holds it.
    pub(super) fn own_claim(&self) -> Option<&'a NumberClaim> {
        self.claim.filter(|claim| claim.spec.is_held_by(self.uid()))
    }

    pub(super) fn look(&self, account: &AccountView, number: &E164) -> Decision<PhoneNumberStatus> {
        self.look_at(&account.key, number)
    }

    fn look_at(&self, account: &Key, number: &E164) -> Decision<PhoneNumberStatus> {
        match self.trouble {
            Some(trouble) if !trouble.wait.is_zero() => {
                let text = &trouble.error.text;
                let findings = match self.own_claim() {
                    Some(_) => {
                        vec![self.acquired(account), Finding::new(Reason::RouteUnseen, text)]
                    }
                    None => vec![Finding::new(Reason::NotSeen, text)],
                };
                self.put_off([vec![Reason::Accepted.into()], findings].concat())
            }
            _ => Decision::Look(Look::Number { account: account.clone(), number: number.clone() }),
        }
    }

    /// What was wanted and seen before stands while the account cannot be used; only what is new has to wait, and says so.
    fn account_not_open(&self, account: &AccountView) -> Decision<PhoneNumberStatus> {
        let text = format!("CarrierAccount {} cannot be used now: its own conditions say why.", account.key);
        if self.own_claim().is_none() {
            return self.put_off(vec![Reason::Accepted.into(), Finding::new(Reason::AccountNotReady, text)]);
        }
        let observed = self.status().and_then(|status| status.observed_generation) == self.number.metadata.generation;
        let as_wanted = match route::wanted(self.agent.as_ref()) {
            Wanted::Reach { status, .. } => {
                self.route_status().is_some_and(|r| r.agent == status.agent && r.version == status.version)
            }
            Wanted::Nothing(_) | Wanted::Silent(_) => self.route_status().is_none(),
            Wanted::Keep(_) => true,
        };
        if observed && as_wanted && !self.is_requested() {
            return Decision::Rest(Rest::NOTHING);
        }
        let text = format!("{text} The last route stays.");
        self.put_off(vec![
            Reason::Accepted.into(),
            self.acquired(&account.key),
            Finding::new(Reason::RouteUnseen, text),
        ])
    }

    pub(super) fn absent(&self, account: &Key, number: &E164) -> Decision<PhoneNumberStatus> {
        // One that rests was ours until a moment ago.
        let rests =
            |claim: &NumberClaim| claim.spec.holder.is_none() && claim.spec.namespace() == Some(self.namespace());
        let was_ours = self.own_claim().is_some()
            || self.status().is_some_and(|status| status.number.is_some())
            || self.claim.is_some_and(rests);
        let finding = if was_ours {
            Finding::new(
                Reason::NumberLost,
                format!("CarrierAccount {account} owned {number} and no longer does. It is not bought again."),
            )
        } else {
            Finding::new(
                Reason::NotInAccount,
                format!(
                    "CarrierAccount {account} does not own {number}: check the number and the account. It is looked for again at every scan."
                ),
            )
        };
        self.stop(vec![Reason::Accepted.into(), finding])
    }

    /// Puts our finalizer in place where it is not there yet.
    pub(super) fn finalizer(&self) -> Option<Decision<PhoneNumberStatus>> {
        let has = self.number.finalizers().iter().any(|finalizer| finalizer == ROUTE_FINALIZER);
        (!has).then_some(Decision::Act(Effect::AddFinalizer(ROUTE_FINALIZER)))
    }

    /// The number is there: claims it, then puts the finalizer in place, before anything is sent for it.
    pub(super) fn acquire(&self, found: &Found<'a>) -> Decision<PhoneNumberStatus> {
        if self.elsewhere && !self.is_adopted(&found.number.number) {
            return self.marked_elsewhere(&found.number.number);
        }
        let claim = match (self.claim, self.own_claim()) {
            (_, Some(own)) => own,
            (other, None) if self.number.spec.mode == Mode::Observe => {
                let hidden = other.filter(|claim| self.is_anothers_affair(found, &claim.spec));
                return hidden.map_or_else(|| route::next(self, found, None), |_| self.hidden(&found.number.number));
            }
            (Some(other), None) => return takeover::next(self, found, other),
            (None, None) if self.number.spec.suspend => return self.not_claimed(),
            (None, None) => {
                let first = self.hands_over().or_else(|| self.look_before_claiming(found));
                return first
                    .unwrap_or_else(|| Decision::Act(Effect::CreateClaim(Box::new(self.claim_spec(found, None)))));
            }
        };
        if let Some(decision) = self.finalizer() {
            return decision;
        }
        if let Some(decision) = self.mark(found) {
            return decision;
        }
        let decision = route::next(self, found, Some(&claim.spec));
        // The journal comes before the carrier. At rest it is brought up to date as well: a route that was there before us
        // and is just what we want becomes ours.
        let journalled =
            matches!(decision, Decision::Act(Effect::SetRoute(_))) || self.is_as_wanted(found, &claim.spec);
        let wanted = if journalled {
            self.claim_spec(found, Some(&claim.spec))
        } else {
            NumberClaimSpec { on_delete: self.on_delete(), ..claim.spec.clone() }
        };
        // The carrier's id of a number that we bought is not worth a write of its own.
        // Nor is the name of a version whose route looks like the last one.
        let known = NumberClaimSpec {
            carrier_number_id: claim.spec.carrier_number_id.clone(),
            led_to: claim.spec.led_to.clone(),
            ..wanted.clone()
        };
        let is_news =
            wanted.carrier_number_id != claim.spec.carrier_number_id && !claim.spec.carrier_number_id.is_empty();
        if known != claim.spec || is_news {
            return Decision::Act(Effect::WriteClaim(Box::new(NumberClaim { spec: wanted, ..claim.clone() })));
        }
        decision
    }

    /// Whether a number is another namespace's, and so is the account that owns it.
    fn is_anothers_affair(&self, found: &Found<'_>, claim: &NumberClaimSpec) -> bool {
        let namespace = claim.namespace();
        namespace.is_some_and(|namespace| namespace != self.namespace()) && found.account.namespace != self.namespace()
    }

    /// An observer is not told where another namespace's number leads.
    fn hidden(&self, number: &E164) -> Decision<PhoneNumberStatus> {
        let text = format!(
            "{number} is another namespace's: where it leads is not shown. Observe it from its own, or from the account's."
        );
        self.unclaimed(Finding::new(Reason::ClaimRefused, text))
    }

    /// Whether what this cluster remembers says that the number is this namespace's own: the claim, whoever holds it, or the journal.
    pub(super) fn is_recorded(&self, number: &E164) -> bool {
        let claimed = self.claim.is_some_and(|claim| claim.spec.namespace() == Some(self.namespace()));
        let journal = self.buying.as_ref().and_then(|buying| buying.journal);
        claimed || journal.is_some_and(|journal| journal.spec.number.as_ref() == Some(number))
    }

    /// Whether a person says that a number is this object's although it bears the marker of another installation. That takes a
    /// record of this cluster as well: nobody comes to another installation's number by a word alone.
    pub(super) fn is_adopted(&self, number: &E164) -> bool {
        self.number.annotation(NUMBER) == Some(number.as_str()) && self.is_recorded(number)
    }

    pub(super) fn marked_elsewhere(&self, number: &E164) -> Decision<PhoneNumberStatus> {
        let text = if self.is_recorded(number) {
            let claimed = self.claim.and_then(|claim| Some(&claim.spec.purchase.as_ref()?.installation));
            let journal = self.buying.as_ref().and_then(|buying| Some(&buying.journal?.spec.installation));
            let name = claimed.into_iter().chain(journal).find(|name| !name.is_empty());
            let name = name.map(|name| format!(", {name}")).unwrap_or_default();
            format!(
                "{number} is on record here and bears the marker of another installation of Dialplane{name}, as after a restore into another \
                 cluster. Nothing is bought and it is not touched. If that installation is no more, start the operator under its name \
                 (--installation), or set the annotation {NUMBER}: \"{number}\" to adopt the number."
            )
        } else {
            format!(
                "{number} bears the marker of another installation of Dialplane at the carrier: it is not touched. Let it go there first."
            )
        };
        self.unclaimed(Finding::new(Reason::MarkedByAnother, text))
    }

    /// A bought number bears our marker: that is how a cluster which has forgotten everything knows it again. One that was edited
    /// away is put back like a route. That of another identity is replaced even where drift is only reported: the number would be
    /// taken for that one's.
    fn mark(&self, found: &Found<'_>) -> Option<Decision<PhoneNumberStatus>> {
        let spec = &self.number.spec;
        let buying = self.buying.as_ref().filter(|buying| buying.marks)?;
        let may = spec.mode == Mode::Manage && !spec.suspend;
        let may = may && (spec.drift == DriftPolicy::Enforce || found.number.marker.is_some());
        let again = self.put_backs < policy::PUT_BACKS_PER_HOUR;
        let waits = self.trouble.is_some_and(|trouble| !trouble.wait.is_zero());
        if !may || !again || waits || found.number.marker.as_ref() == Some(buying.marker) {
            return None;
        }
        Some(Decision::Act(Effect::Mark(Box::new(Mark {
            account: found.account.clone(),
            id: found.number.id.clone(),
            number: found.number.number.clone(),
            marker: buying.marker.clone(),
        }))))
    }

    /// What becomes of the route when this object is gone without having said so. What must not be written now must not be
    /// written then.
    pub(super) fn on_delete(&self) -> OnDelete {
        let spec = &self.number.spec;
        if spec.suspend || spec.mode == Mode::Observe { OnDelete::Leave } else { spec.on_delete }
    }

    fn is_as_wanted(&self, found: &Found<'_>, claim: &NumberClaimSpec) -> bool {
        let seen = &found.number.route;
        let target = route::wanted(self.agent.as_ref()).target(seen, Some(claim));
        !self.number.spec.suspend && self.number.spec.mode == Mode::Manage && route::changes(&target, seen).is_empty()
    }

    /// The number is in the account, and its claim is not this object's.
    pub(super) fn unclaimed(&self, finding: Finding) -> Decision<PhoneNumberStatus> {
        self.stop(vec![Reason::Accepted.into(), finding])
    }

    /// An object that hands its number over takes none.
    pub(super) fn hands_over(&self) -> Option<Decision<PhoneNumberStatus>> {
        let to = self.number.annotation(HAND_OVER).filter(|to| *to != Key::of(self.number).to_string())?;
        let text = format!(
            "Its annotation {HAND_OVER} hands the number over to {to}: delete this object, or take the annotation off."
        );
        Some(self.unclaimed(Finding::new(Reason::HandedOver, text)))
    }

    /// What was there before is looked at, and not remembered: a look that began after this object was first seen comes before the
    /// write that makes a claim or takes one over.
    pub(super) fn look_before_claiming(&self, found: &Found<'_>) -> Option<Decision<PhoneNumberStatus>> {
        let is_recent = self.seen_since_met || self.seen.is_fresh();
        (!is_recent).then(|| self.look_at(&found.account, &found.number.number))
    }

    pub(super) fn not_claimed(&self) -> Decision<PhoneNumberStatus> {
        self.stop(vec![Reason::Accepted.into(), Reason::NotClaimed.into()])
    }

    /// The claim as it should be. Of one that is there, what was before and what was sent is kept; one that somebody deleted is
    /// made again from the object's status.
    pub(super) fn claim_spec(&self, found: &Found<'_>, current: Option<&NumberClaimSpec>) -> NumberClaimSpec {
        let (seen, whole) = (&found.number.route, current);
        // Where the last holder left nothing of its own, what is there now is what was there before us.
        let current = current.filter(|claim| claim.is_held_by(self.uid()) || !claim.sent.is_empty());
        let remembered = || self.route_status().map(|route| route.digests.clone()).into_iter().collect();
        let sent = current.map_or_else(remembered, |claim| claim.sent.clone());
        let purchase = self.claimed_purchase(whole);
        let mut claim = NumberClaimSpec {
            number: found.number.number.clone(),
            holder: Some(self.holder_spec()),
            account: ClaimedAccount::of(&found.account, found.identity),
            carrier_number_id: found.number.id.0.clone(),
            acquisition: if purchase.is_some() { Acquisition::Purchased } else { Acquisition::Imported },
            purchase,
            on_delete: self.on_delete(),
            previous: Route::new(),
            sent,
            led_to: route::led_to(whole.map_or(&[], |claim| &claim.led_to), self.agent.as_ref()),
        };
        let is_foreign = |channel: &Channel, leg: &Leg| !leg.is_empty() && !claim.is_ours(*channel, leg);
        let wanted = route::wanted(self.agent.as_ref());
        claim.previous = match current.filter(|claim| claim.namespace() == Some(self.namespace())) {
            Some(current) => route::previous(current, wanted.route(), seen, is_foreign),
            // What another namespace had before is nobody else's.
            None => seen.iter().filter(|(c, leg)| is_foreign(c, leg)).map(|(c, leg)| (*c, leg.clone())).collect(),
        };
        if let Some(next) = wanted.digests() {
            let unsettled = self.in_flight.unsettled(&claim).is_some();
            claim.sent = route::journal(&claim.sent, next, seen, unsettled);
        }
        claim
    }

    /// What the number was bought for: what the claim says, brought up to the journal of this object. It is this namespace's from
    /// now on, whosever it was.
    fn claimed_purchase(&self, current: Option<&NumberClaimSpec>) -> Option<ClaimedPurchase> {
        let claimed = current.and_then(|claim| claim.purchase.clone());
        let namespace = self.namespace();
        let Some((journal, buying)) = self.buying.as_ref().and_then(|b| Some((&b.journal?.spec, b))) else {
            let moved = current.is_some_and(|claim| claim.identity().is_none_or(|is| is.namespace != namespace));
            return claimed.map(|claimed| match moved {
                true => ClaimedPurchase { identity: self.number.name_any(), namespace: namespace.into(), ..claimed },
                false => claimed,
            });
        };
        let is_same = current.is_some_and(|claim| claim.is_for(buying.identity));
        match claimed {
            Some(claimed) if is_same => {
                let (attempt, installation) = (claimed.attempt.max(journal.attempt), buying.installation.to_owned());
                Some(ClaimedPurchase { attempt, installation, ..claimed })
            }
            // What is known of the number stays known, whoever has it.
            claimed => {
                let (known, was) = claimed.map(|claimed| (claimed.price, claimed.offered)).unwrap_or_default();
                let price = if journal.price == Price::default() { known } else { journal.price.clone() };
                Some(buying.claimed(journal, price, journal.offered.clone().or(was)))
            }
        }
    }

    /// That the number is ours, and how it came to be.
    fn acquired(&self, account: &Key) -> Finding {
        let bought = self.own_claim().is_some_and(|claim| claim.spec.purchase.is_some());
        let reason = if bought { Reason::Purchased } else { Reason::Imported };
        let number = self.own_claim().map(|claim| &claim.spec.number).or(self.target);
        let number = number.map_or_else(|| "the number".to_owned(), E164::to_string);
        Finding::new(reason, format!("CarrierAccount {account} owns {number} and this object holds its claim."))
    }

    /// That the object is as it should be, and whether it asks for another number than it has: that is never bought.
    fn accepted(&self, number: &E164) -> Finding {
        let fits = self.number.spec.purchase.as_ref().is_none_or(|purchase| choose::could_be(purchase, number));
        if fits {
            return Reason::Accepted.into();
        }
        let text = format!(
            "spec.purchase asks for another number than {number}, which was bought for this object: that is without effect. Make another \
             PhoneNumber for another number."
        );
        Finding::new(Reason::PurchaseInert, text)
    }

    /// Rests with `routed` said of the route, the number being ours.
    pub(super) fn rest(
        &self,
        found: &Found<'_>,
        routed: Finding,
        route: Option<RouteStatus>,
    ) -> Decision<PhoneNumberStatus> {
        let holds = self.own_claim().is_some();
        let acquired = if holds { self.acquired(&found.account) } else { Reason::Observed.into() };
        let messaging = match &found.number.messaging {
            Messaging::Group { id } => Finding::new(
                Reason::MessagingServiceWins,
                format!(
                    "The number is in the Messaging Service {id}, whose own webhook receives its messages: the number's SMS webhook \
                     is dead. Take the number out of the service, or let the service defer to the sender's webhook."
                ),
            ),
            Messaging::Number | Messaging::Unseen => Reason::RegistrationUnknown.into(),
        };
        let again = self.trouble.map(|trouble| trouble.wait).filter(|wait| !wait.is_zero());
        let mut status = self.said(vec![self.accepted(&found.number.number), acquired, routed, messaging]);
        status.number = Some(found.number.number.clone());
        status.carrier_number_id = Some(found.number.id.0.clone());
        status.acquisition = self.own_claim().map(|claim| claim.spec.acquisition);
        status.features = found.number.features.clone();
        let bought = self.own_claim().and_then(|claim| claim.spec.purchase.as_ref());
        status.price = bought.map(|purchase| purchase.price.clone()).filter(|price| *price != Price::default());
        status.exact = self.buying.as_ref().and_then(|buying| buying.journal?.spec.exact);
        status.offer = None;
        status.route = route;
        Decision::Rest(Rest { status: Some(status), again })
    }

    /// Rests with `findings`; whatever else is known stays as it was.
    pub(super) fn stop(&self, findings: Vec<Finding>) -> Decision<PhoneNumberStatus> {
        let again = self.trouble.map(|trouble| trouble.wait).filter(|wait| !wait.is_zero());
        Decision::Rest(Rest { status: Some(self.said(findings)), again })
    }

    /// Rests with `findings`; a look that was asked for is still to be had.
    pub(super) fn put_off(&self, findings: Vec<Finding>) -> Decision<PhoneNumberStatus> {
        let again = self.trouble.map(|trouble| trouble.wait).filter(|wait| !wait.is_zero());
        let mut status = self.said(findings);
        status.last_handled_reconcile_at = self.status().and_then(|status| status.last_handled_reconcile_at.clone());
        Decision::Rest(Rest { status: Some(status), again })
    }

    pub(super) fn said(&self, findings: Vec<Finding>) -> PhoneNumberStatus {
        let mut status = self.number.status.clone().unwrap_or_default();
        let generation = self.number.metadata.generation;
        status.conditions = conditions(&status.conditions, &findings, generation, self.now);
        status.observed_generation = generation;
        status.last_handled_reconcile_at =
            self.number.request().map(str::to_owned).or(status.last_handled_reconcile_at);
        status
    }
}

impl<S> Decision<S> {
    /// The same, coming back after `wait` at the latest.
    pub(super) fn again(self, wait: Duration) -> Self {
        match self {
            Decision::Rest(rest) => {
                Decision::Rest(Rest { again: Some(rest.again.map_or(wait, |a| a.min(wait))), ..rest })
            }
            other => other,
        }
    }
}
