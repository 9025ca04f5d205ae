//! Sending for the number that the journal names (rules 5 and 6).

use super::step::Step;
use crate::{
    api::{
        NumberClaim, NumberPurchase,
        claim::NumberClaimSpec,
        conditions::Reason,
        number::{E164, Route},
        phone_number::{Acquisition, PhoneNumberStatus},
    },
    plan::{
        BuyNumber, Decision, Effect, Liveness, Look, OwnEntry, Seen, policy,
        route::{self, Wanted},
    },
};

impl<'a> Step<'a, '_> {
    /// The entry is ours and nothing was sent by it yet: the finalizer, the claim, the last checks, the purchase (rules 4 and 6).
    pub(super) fn send(&self, journal: &NumberPurchase, number: &E164, own: &OwnEntry) -> Decision<PhoneNumberStatus> {
        if !own.may_send {
            // Nothing was sent by it, so what is known of the number still holds; only the right to send is gone.
            return self.begin(Some(journal), Some(own.clean));
        }
        if let Some(decision) = self.hands_off().or_else(|| self.unroutable()) {
            return decision.again(policy::LOOK_FOR);
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
                    marker: self.b.traces.marker.clone(),
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

    pub(super) fn lose(&self, number: &E164) -> Decision<PhoneNumberStatus> {
        Decision::Act(Effect::LoseNumber(self.account.key.clone(), number.clone()))
    }

    /// Whether the claim is of this identity, and no later attempt stands in it.
    pub(super) fn is_earlier(&self, claim: &NumberClaim, journal: &NumberPurchase) -> bool {
        let earlier = claim.spec.purchase.as_ref().is_none_or(|purchase| purchase.attempt <= journal.spec.attempt);
        claim.metadata.deletion_timestamp.is_none() && earlier && claim.spec.is_for(self.b.identity)
    }

    /// Where numbers share a route, one is bought only once that stands: it is to answer from its first moment.
    pub(super) fn unroutable(&self) -> Option<Decision<PhoneNumberStatus>> {
        match self.w.wanted() {
            Wanted::Keep(finding)
                if matches!(finding.reason, Reason::SharedRoutePending | Reason::RouteNotShareable) =>
            {
                Some(self.w.put_off(vec![Reason::Accepted.into(), finding]))
            }
            _ => None,
        }
    }

    pub(super) fn claim(&self, journal: &NumberPurchase, number: &E164, route: &Route) -> NumberClaimSpec {
        let digests = route::digests(route);
        NumberClaimSpec {
            number: number.clone(),
            holder: Some(self.w.holder_spec()),
            account: journal.spec.account.clone(),
            carrier_number_id: String::new(),
            acquisition: Acquisition::Purchased,
            purchase: Some(
                self.b.claimed(&journal.spec, journal.spec.price.clone(), journal.spec.offered.clone()).into(),
            ),
            on_delete: self.w.on_delete(),
            previous: Route::new(),
            sent: if digests.is_empty() { Vec::new() } else { vec![digests] },
            bound: None,
            led_to: route::led_to(&[], &self.w.wanted()),
        }
    }
}
