//! The extras of a number that a platform answers: looked at and switched once all else is as wanted, so that they hold up nothing.
//!
//! Only those that the spec names are looked at at all. The status remembers which were seen as wanted: where one of them differs, somebody
//! else has switched it.

use std::time::Duration;

use super::{Binding, Found, World};
use crate::{
    api::{
        NumberClaim,
        conditions::{Reason, Truth, Type},
        phone_number::{Extra, PhoneNumberStatus, RouteStatus},
    },
    plan::{BindingChange, Decision, ExtraSight, Look, PlatformView, Rest, policy, route::Wanted},
};

/// What is left to do where nothing else is; `rested` is what is said without it.
pub(in crate::plan::number) fn next(
    w: &World<'_>,
    found: &Found<'_>,
    claim: &NumberClaim,
    rested: Rest<PhoneNumberStatus>,
) -> Decision<PhoneNumberStatus> {
    let Wanted::Reach { status: reached, .. } = w.wanted() else { return Decision::Rest(rested) };
    let platform = w.platform.as_ref().filter(|platform| reached.platform == Some(platform.key.to_string()));
    let Some(platform) = platform else { return Decision::Rest(rested) };
    let extras = Extras { step: Binding { w, found, claim, trouble: None }, platform, reached };
    let said = match extras.left() {
        None => Rest { status: None, again: extras.due() },
        Some(Decision::Rest(said)) => said,
        Some(decision) => return decision,
    };
    let again = [rested.again, said.again].into_iter().flatten().min();
    // What else is not as wanted is told first.
    let mut status = if is_routed(&rested) { said.status.or(rested.status) } else { rested.status };
    let route = status.as_mut().and_then(|status| status.route.as_mut());
    if let Some(route) = route.filter(|route| extras.is_reached(route)) {
        // One that differs by now stays remembered, or its drift would be taken for a new wish.
        let is_remembered = |(extra, on): &(Extra, bool)| extras.stood(*extra, *on) || extras.is_so(*extra, *on);
        route.extras = extras.named().filter(is_remembered).collect();
    }
    Decision::Rest(Rest { status, again })
}

/// Whether nothing is in the way of the route.
fn is_routed(rest: &Rest<PhoneNumberStatus>) -> bool {
    let mut conditions = rest.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| condition.is(Type::Routed, Truth::True))
}

struct Extras<'a, 'w> {
    step: Binding<'a, 'w>,
    platform: &'a PlatformView<'w>,
    /// What the status says of the route once the number is as wanted.
    reached: RouteStatus,
}

impl Extras<'_, '_> {
    fn named(&self) -> impl Iterator<Item = (Extra, bool)> {
        self.step.w.number.spec.config.iter().flat_map(|config| config.extras())
    }

    /// How one was seen, if that need not be looked at again.
    fn sight(&self, extra: Extra) -> Option<ExtraSight> {
        let sight = self.platform.extras.get(&extra).copied();
        sight.filter(|sight| sight.fresh || !self.step.w.is_requested())
    }

    /// Whether a route of the status is the one that stands now.
    fn is_reached(&self, route: &RouteStatus) -> bool {
        (&route.version, &route.platform) == (&self.reached.version, &self.reached.platform)
    }

    /// Whether the status remembers it so.
    fn stood(&self, extra: Extra, on: bool) -> bool {
        let route = self.step.w.route_status().filter(|route| self.is_reached(route));
        route.is_some_and(|route| route.extras.get(&extra) == Some(&on))
    }

    /// Whether it is so, as far as is known: what stood does so while nobody has looked.
    fn is_so(&self, extra: Extra, on: bool) -> bool {
        self.sight(extra).map_or_else(|| self.stood(extra, on), |sight| sight.on == on)
    }

    /// How long until one has to be looked at again.
    fn due(&self) -> Option<Duration> {
        self.named().filter_map(|(extra, _)| Some(self.sight(extra)?.due)).min()
    }

    /// The next thing to do about one of them.
    fn left(&self) -> Option<Decision<PhoneNumberStatus>> {
        let is_open = self.platform.open;
        let (extra, on) =
            self.named().find(|(extra, on)| is_open && self.sight(*extra).is_none_or(|sight| sight.on != *on))?;
        let w = self.step.w;
        if let Some(trouble) = w.extras_trouble.filter(|trouble| !trouble.wait.is_zero()) {
            let finding = policy::extra_trouble(trouble);
            if finding.reason == Reason::RouteFailed && self.named().all(|(extra, on)| self.is_so(extra, on)) {
                return Some(Decision::Rest(Rest { status: None, again: Some(trouble.wait) }));
            }
            return Some(self.step.rest(finding).again(trouble.wait));
        }
        Some(match self.sight(extra) {
            None => {
                let (platform, number) = (self.platform.key.clone(), self.step.found.number.number.clone());
                Decision::Look(Look::Extra { platform, number, extra })
            }
            Some(sight) => {
                let put_back = self.stood(extra, on) && !sight.as_bound;
                self.step.change(self.platform, BindingChange::Switch { extra, on }, put_back).again(sight.due)
            }
        })
    }
}
