//! What a pass over a PhoneNumber ends with: what is said of it, and what has to be looked at first.

use kube::ResourceExt as _;

use super::world::{Found, World};
use crate::{
    api::{
        NumberClaim,
        conditions::{Finding, Reason, Type, conditions},
        meta::{HAND_OVER, Key, NUMBER, ROUTE_FINALIZER},
        number::{Channel, E164},
        offer::{Feature, Price},
        phone_number::{PhoneNumberStatus, RouteStatus},
        seen::{Messaging, OwnedNumber},
    },
    plan::{AccountRef, AccountView, Decision, Effect, Look, Requested as _, Rest, choose, route::Wanted},
};

/// What may help where a number is not there.
const BRING_IN: &str =
    " If it is in the organization's own carrier account, set spec.import.bringIn: true to import it.";

/// Whether text messages are to go somewhere that never come: the number shows what it can do, and that is not there.
fn lacks_text(number: &OwnedNumber) -> bool {
    let is_wanted = number.route.get(&Channel::Sms).is_some_and(|destination| !destination.is_empty());
    is_wanted && !number.features.is_empty() && !number.features.contains(&Feature::Sms)
}

impl<'a> World<'a> {
    pub(in crate::plan) fn look(&self, account: &AccountView, number: &E164) -> Decision<PhoneNumberStatus> {
        self.look_at(&account.key, number)
    }

    fn look_at(&self, account: &Key, number: &E164) -> Decision<PhoneNumberStatus> {
        match self.trouble {
            Some(trouble) if !trouble.wait.is_zero() => {
                let text = &trouble.error.text;
                let findings = match self.own_claim() {
                    Some(_) => {
                        vec![self.acquired(account), Finding::new(Reason::RouteUnknown, text)]
                    }
                    None => vec![Finding::new(Reason::NumberNotChecked, text)],
                };
                self.put_off([vec![Reason::Accepted.into()], findings].concat())
            }
            _ => Decision::Look(Look::Number { account: account.clone(), number: number.clone() }),
        }
    }

    /// What was there before is looked at, and not remembered: a look that began after this object was first seen comes before the
    /// write that makes a claim or takes one over.
    pub(in crate::plan) fn look_before_claiming(&self, found: &Found<'_>) -> Option<Decision<PhoneNumberStatus>> {
        let is_recent = self.seen_since_met || self.seen.is_fresh();
        (!is_recent).then(|| self.look_at(&found.account, &found.number.number))
    }

    /// What was wanted and seen before stands while the account cannot be used; only what is new has to wait, and says so.
    pub(super) fn account_not_open(&self, account: &AccountView) -> Decision<PhoneNumberStatus> {
        let text = format!("CarrierAccount {} is not ready; see its conditions.", account.key);
        if self.own_claim().is_none() || !self.was_there() {
            return self.put_off(vec![Reason::Accepted.into(), Finding::new(Reason::AccountNotReady, text)]);
        }
        let observed = self.status().and_then(|status| status.observed_generation) == self.number.metadata.generation;
        let as_wanted = match self.wanted() {
            Wanted::Reach { status, .. } => {
                self.route_status().is_some_and(|r| r.agent == status.agent && r.version == status.version)
            }
            Wanted::Nothing(_) | Wanted::Silent(_) => self.route_status().is_none(),
            Wanted::Keep(_) => true,
            Wanted::Bind(_) => false,
        };
        if observed && as_wanted && !self.is_requested() {
            return Decision::Rest(Rest::NOTHING);
        }
        let text = format!("{text} The number keeps its route.");
        self.put_off(vec![
            Reason::Accepted.into(),
            self.acquired(&account.key),
            Finding::new(Reason::RouteUnknown, text),
        ])
    }

    pub(in crate::plan) fn absent(&self, account: &Key, number: &E164) -> Decision<PhoneNumberStatus> {
        let can_come = matches!(&self.account, AccountRef::Found(account) if account.brings_in);
        let can_come = can_come && self.number.spec.import.is_some();
        if self.was_there() {
            return self.lost(account, number);
        }
        let text = format!(
            "CarrierAccount {account} does not own {number}: check the number and the account. The operator checks again at every scan.{}",
            if can_come { BRING_IN } else { "" }
        );
        self.stop(vec![Reason::Accepted.into(), Finding::new(Reason::NotInAccount, text)])
    }

    /// The account had the number, and has it no more.
    pub(in crate::plan) fn lost(&self, account: &Key, number: &E164) -> Decision<PhoneNumberStatus> {
        let text = format!(
            "CarrierAccount {account} no longer owns {number}: it was released, ported out, moved to another account or reclaimed by \
             the carrier. It is not bought again. Ask the carrier; if the account gets it back, the operator continues. To give it up, \
             delete this object; for another number create one with another name or purchase.identity."
        );
        self.not_ours(Reason::Accepted.into(), Finding::new(Reason::NumberLost, text))
    }

    /// The account of this object cannot be used, by `finding`. What is known of the number stays, unless somebody else has it by now: an
    /// account that takes its consent back gives the number to its owner.
    pub(super) fn not_accepted(&self, finding: Finding) -> Decision<PhoneNumberStatus> {
        let had = self.status().and_then(|status| status.number.as_ref());
        match (had, self.claim, self.own_claim()) {
            (Some(number), Some(_), None) => {
                let text = format!("Another object holds the claim of {number}, and this one may not take it over.");
                self.not_ours(finding, Finding::new(Reason::ClaimRefused, text))
            }
            _ => self.stop(vec![finding]),
        }
    }

    /// The number was this object's and is not now, by `acquired`: nothing is said of a route that nobody looks at.
    fn not_ours(&self, accepted: Finding, acquired: Finding) -> Decision<PhoneNumberStatus> {
        let mut findings = vec![accepted, acquired];
        let is_routed = |status: &PhoneNumberStatus| {
            status.route.is_some() || status.conditions.iter().any(|c| c.is_of(Type::Routed))
        };
        if self.status().is_some_and(is_routed) {
            let text = "This object does not manage the number now, so its route is not known.";
            findings.push(Finding::new(Reason::RouteUnknown, text));
        }
        let again = self.trouble.map(|trouble| trouble.wait).filter(|wait| !wait.is_zero());
        Decision::Rest(Rest { status: Some(PhoneNumberStatus { route: None, ..self.said(findings) }), again })
    }

    /// Whether the account had the number once, by what is remembered of it.
    pub(super) fn was_there(&self) -> bool {
        // One that rests was ours until a moment ago.
        let rests =
            |claim: &NumberClaim| claim.spec.holder.is_none() && claim.spec.namespace() == Some(self.namespace());
        let had = |claim: &NumberClaim| claim.spec.purchase.is_some() || !claim.spec.carrier_number_id.is_empty();
        self.own_claim().is_some_and(had)
            || self.status().is_some_and(|status| status.number.is_some())
            || self.claim.is_some_and(rests)
    }

    pub(in crate::plan) fn marked_by_another(&self, number: &E164) -> Decision<PhoneNumberStatus> {
        let text = if self.is_recorded(number) {
            let claimed = self.claim.and_then(|claim| Some(&claim.spec.purchase.as_ref()?.installation));
            let journal = self.buying.as_ref().and_then(|buying| Some(&buying.record.journal?.spec.installation));
            let name = claimed.into_iter().chain(journal).find(|name| !name.is_empty());
            let name = name.map(|name| format!(", {name}")).unwrap_or_default();
            format!(
                "{number} was bought in this cluster's records, and its marker names another installation of Dialplane{name}, as after a \
                 restore into another cluster. Nothing is bought and the number is not changed. If that installation no longer exists, \
                 start the operator under its name (--installation), or set the annotation {NUMBER}: \"{number}\" to adopt the number."
            )
        } else {
            format!(
                "The marker of {number} at the carrier names another installation of Dialplane: the number is not changed. Remove it from \
                 that installation first."
            )
        };
        self.unclaimed(Finding::new(Reason::MarkerConflict, text))
    }

    /// An observer is not told where another namespace's number leads.
    pub(super) fn hidden(&self, number: &E164) -> Decision<PhoneNumberStatus> {
        let text = format!(
            "{number} belongs to another namespace, so its route is not shown. Observe it from that namespace, or from the account's."
        );
        self.unclaimed(Finding::new(Reason::ClaimRefused, text))
    }

    /// The number is in the account, and its claim is not this object's.
    pub(in crate::plan) fn unclaimed(&self, finding: Finding) -> Decision<PhoneNumberStatus> {
        match self.own_claim() {
            Some(_) => self.stop(vec![Reason::Accepted.into(), finding]),
            None => self.not_ours(Reason::Accepted.into(), finding),
        }
    }

    pub(in crate::plan) fn not_claimed(&self) -> Decision<PhoneNumberStatus> {
        self.stop(vec![Reason::Accepted.into(), Reason::NotClaimed.into()])
    }

    /// An object that hands its number over takes none.
    pub(in crate::plan) fn hands_over(&self) -> Option<Decision<PhoneNumberStatus>> {
        let to = self.number.annotation(HAND_OVER).filter(|to| *to != Key::of(self.number).to_string())?;
        let text = format!(
            "The annotation {HAND_OVER} hands the number over to {to}: delete this object, or remove the annotation."
        );
        Some(self.unclaimed(Finding::new(Reason::HandedOver, text)))
    }

    /// Puts our finalizer in place where it is not there yet.
    pub(in crate::plan) fn finalizer(&self) -> Option<Decision<PhoneNumberStatus>> {
        let has = self.number.finalizers().iter().any(|finalizer| finalizer == ROUTE_FINALIZER);
        (!has).then_some(Decision::Act(Effect::AddFinalizer(ROUTE_FINALIZER)))
    }

    /// That the number is ours, and how it came to be.
    pub(super) fn acquired(&self, account: &Key) -> Finding {
        let bought = self.own_claim().is_some_and(|claim| claim.spec.purchase.is_some());
        let reason = if bought { Reason::Purchased } else { Reason::Imported };
        let number = self.own_claim().map(|claim| &claim.spec.number).or(self.target);
        let number = number.map_or_else(|| "the number".to_owned(), E164::to_string);
        Finding::new(reason, format!("CarrierAccount {account} owns {number} and this object holds its claim."))
    }

    /// That the object is as it should be, and whether it asks for another number than it has: that is never bought.
    fn accepted(&self, seen: &OwnedNumber) -> Finding {
        let bought = self.own_claim().and_then(|claim| claim.spec.purchase.as_deref());
        let purchase = self.number.spec.purchase.as_ref();
        let unmet = purchase.map(|purchase| choose::unmet(purchase, seen, bought)).unwrap_or_default();
        if unmet.is_empty() {
            return Reason::Accepted.into();
        }
        let text = format!(
            "spec.purchase does not match {}, which was bought for this object: {}. The change has no effect. For another number create \
             another PhoneNumber, or restore the spec that this one was bought with.",
            seen.number,
            unmet.join(", ")
        );
        Finding::new(Reason::PurchaseChangeIgnored, text)
    }

    /// Rests with `routed` said of the route, the number being ours.
    pub(in crate::plan) fn rest(
        &self,
        found: &Found<'_>,
        routed: Finding,
        route: Option<RouteStatus>,
    ) -> Decision<PhoneNumberStatus> {
        let holds = self.own_claim().is_some();
        let acquired = if holds { self.acquired(&found.account) } else { Reason::Observed.into() };
        let messaging = match &found.number.messaging {
            _ if lacks_text(found.number) => Reason::SMSNotSupported.into(),
            Messaging::Group { id } => Finding::new(
                Reason::MessagingServiceOverrides,
                format!(
                    "The number is in the Messaging Service {id}, whose webhook receives its messages, so the number's SMS webhook is not \
                     used. Remove the number from the service, or let the service defer to the sender's webhook."
                ),
            ),
            Messaging::Number | Messaging::Unseen => Reason::RegistrationUnknown.into(),
        };
        let again = self.trouble.map(|trouble| trouble.wait).filter(|wait| !wait.is_zero());
        let mut status = self.said(vec![self.accepted(found.number), acquired, routed, messaging]);
        status.number = Some(found.number.number.clone());
        status.carrier_number_id = Some(found.number.id.0.clone());
        status.acquisition = self.own_claim().map(|claim| claim.spec.acquisition);
        status.features = found.number.features.clone();
        let bought = self.own_claim().and_then(|claim| claim.spec.purchase.as_ref());
        status.price =
            bought.map(|purchase| purchase.price.clone()).filter(|price| *price != Price::default()).map(Box::new);
        status.exact = self.buying.as_ref().and_then(|buying| buying.record.journal?.spec.exact);
        status.offer = None;
        status.route = route;
        Decision::Rest(Rest { status: Some(status), again })
    }

    /// Rests with `findings`; whatever else is known stays as it was.
    pub(in crate::plan) fn stop(&self, findings: Vec<Finding>) -> Decision<PhoneNumberStatus> {
        let again = self.trouble.map(|trouble| trouble.wait).filter(|wait| !wait.is_zero());
        Decision::Rest(Rest { status: Some(self.said(findings)), again })
    }

    /// Rests with `findings`; a look that was asked for is still to be had.
    pub(in crate::plan) fn put_off(&self, findings: Vec<Finding>) -> Decision<PhoneNumberStatus> {
        let again = self.trouble.map(|trouble| trouble.wait).filter(|wait| !wait.is_zero());
        let mut status = self.said(findings);
        status.last_handled_reconcile_at = self.status().and_then(|status| status.last_handled_reconcile_at.clone());
        Decision::Rest(Rest { status: Some(status), again })
    }

    pub(in crate::plan) fn said(&self, findings: Vec<Finding>) -> PhoneNumberStatus {
        let mut status = self.number.status.clone().unwrap_or_default();
        let generation = self.number.metadata.generation;
        status.conditions = conditions(&status.conditions, &findings, generation, self.now);
        status.observed_generation = generation;
        status.last_handled_reconcile_at =
            self.number.request().map(str::to_owned).or(status.last_handled_reconcile_at);
        status
    }
}
