//! A number that is there becomes the object's: claimed, or taken over, held by a finalizer, marked, and then routed.

use super::{
    routing,
    world::{Found, World},
};
use crate::{
    api::{
        NumberClaim,
        claim::NumberClaimSpec,
        phone_number::{DriftPolicy, Mode, PhoneNumberStatus},
    },
    plan::{Decision, Effect, Mark, policy, route, takeover},
};

impl<'a> World<'a> {
    /// The number is there: claims it, then puts the finalizer in place, before anything is sent for it.
    pub(in crate::plan) fn acquire(&self, found: &Found<'a>) -> Decision<PhoneNumberStatus> {
        if self.marked_by_another && !self.is_adopted(&found.number.number) {
            return self.marked_by_another(&found.number.number);
        }
        if self.own_claim().is_none() && self.number.spec.mode == Mode::Observe {
            let hidden = self.claim.filter(|claim| self.is_anothers_affair(found, &claim.spec));
            return hidden.map_or_else(|| routing::next(self, found, None), |_| self.hidden(&found.number.number));
        }
        let claim = match self.held_claim(found) {
            Ok(claim) => claim,
            Err(decision) => return *decision,
        };
        if let Some(decision) = self.mark(found) {
            return decision;
        }
        let decision = routing::next(self, found, Some(&claim.spec));
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
        let was_known = !claim.spec.carrier_number_id.is_empty() || claim.spec.purchase.is_none();
        let is_news = wanted.carrier_number_id != claim.spec.carrier_number_id && was_known;
        if known != claim.spec || is_news {
            return Decision::Act(Effect::WriteClaim(Box::new(NumberClaim { spec: wanted, ..claim.clone() })));
        }
        decision
    }

    /// The claim of the number, once it is this object's and the finalizer is in place: nothing is sent before that. Until then, what there
    /// is to do for it.
    pub(super) fn held_claim(&self, found: &Found<'_>) -> Result<&'a NumberClaim, Box<Decision<PhoneNumberStatus>>> {
        let next = match (self.claim, self.own_claim()) {
            (_, Some(own)) => match self.finalizer() {
                None => return Ok(own),
                Some(decision) => decision,
            },
            (Some(other), None) => takeover::next(self, found, other),
            (None, None) if self.number.spec.suspend => self.not_claimed(),
            (None, None) => {
                let first = self.hands_over().or_else(|| self.look_before_claiming(found));
                first.unwrap_or_else(|| Decision::Act(Effect::CreateClaim(Box::new(self.claim_spec(found, None)))))
            }
        };
        Err(Box::new(next))
    }

    /// A bought number bears our marker: that is how a cluster which has forgotten everything knows it again. One that was edited
    /// away is put back like a route. That of another identity is replaced even where drift is only reported: the number would be
    /// taken for that one's.
    fn mark(&self, found: &Found<'_>) -> Option<Decision<PhoneNumberStatus>> {
        let spec = &self.number.spec;
        let buying = self.buying.as_ref().filter(|buying| buying.seller.marks)?;
        let may = spec.mode == Mode::Manage && !spec.suspend;
        let may = may && (spec.drift == DriftPolicy::Enforce || found.number.marker.is_some());
        let again = self.put_backs < policy::PUT_BACKS_PER_HOUR;
        let waits = self.trouble.is_some_and(|trouble| !trouble.wait.is_zero());
        if !may || !again || waits || found.number.marker.as_ref() == Some(&buying.traces.marker) {
            return None;
        }
        Some(Decision::Act(Effect::Mark(Box::new(Mark {
            account: found.account.clone(),
            id: found.number.id.clone(),
            number: found.number.number.clone(),
            marker: buying.traces.marker.clone(),
        }))))
    }

    /// Whether a number is another namespace's, and so is the account that owns it.
    fn is_anothers_affair(&self, found: &Found<'_>, claim: &NumberClaimSpec) -> bool {
        let namespace = claim.namespace();
        namespace.is_some_and(|namespace| namespace != self.namespace()) && found.account.namespace != self.namespace()
    }

    fn is_as_wanted(&self, found: &Found<'_>, claim: &NumberClaimSpec) -> bool {
        let seen = &found.number.route;
        let target = self.wanted().target(seen, Some(claim));
        !self.number.spec.suspend && self.number.spec.mode == Mode::Manage && route::changes(&target, seen).is_empty()
    }
}
