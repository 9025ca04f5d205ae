//! A number that an agent on a platform answers while it stays at its carrier: bound there, taken off, moved, and what the platform set at
//! the carrier remembered.
//!
//! The claim is the journal: it names the platform and the agent before the platform is asked, and until it was seen to have forgotten the
//! number. A platform that cannot move a number takes it off and on again; a crash in between is finished by whoever comes next, since what
//! is wanted and what is seen say what is missing.

pub(super) mod extras;

use super::world::{Found, World};
use crate::{
    api::{
        NumberClaim,
        claim::{ClaimedBinding, NumberClaimSpec},
        conditions::{Finding, Reason},
        number::{Channel, HOSTED_AGENT, Route},
        phone_number::{DriftPolicy, Mode, NumberConfig, PhoneNumberStatus},
        seen::{ErrorClass, OwnedNumber},
    },
    plan::{
        BindingChange, Decision, Effect, HostedAt, Lending, Look, Note, PlatformView, Seen, SetBinding, Trouble,
        policy, route,
        route::{AgentRef, Served},
    },
};

/// The next step towards a number being off a platform.
pub(in crate::plan) enum Off {
    Look(Look),
    Write(Box<SetBinding>),
    Wait(Finding),
    /// It is off, or nobody can be asked any more.
    Done,
}

/// Takes the number of a claim off the platform that the claim names.
pub(in crate::plan) fn take_off(claim: &NumberClaimSpec, platform: Option<&PlatformView<'_>>) -> Off {
    let Some(bound) = &claim.bound else { return Off::Done };
    let key = bound.account.key();
    let Some(platform) = platform.filter(|platform| platform.key == key && !platform.gone) else { return Off::Done };
    if !platform.open {
        let text = format!("CarrierAccount {key}, the platform that answers, is not ready; see its conditions.");
        return Off::Wait(Finding::new(Reason::PlatformNotReady, text));
    }
    match platform.binding {
        // Somebody may have bound it anew under another agent: that is theirs, as a route of theirs is. Until ours was seen to answer it
        // may be the one from which we were just moving.
        Seen::Present { number, fresh: true } if agent_of(number) != Some(&bound.agent) && !bound.route.is_empty() => {
            Off::Done
        }
        Seen::Absent { fresh: true } if platform.taken_off && platform.unsettled.is_zero() => Off::Done,
        // A listing that lacks it proves little, and to take off what is not there does nothing.
        Seen::Present { fresh: true, .. } | Seen::Absent { fresh: true } if !platform.taken_off => {
            Off::Write(Box::new(SetBinding {
                platform: key,
                account: claim.account.key(),
                number: claim.number.clone(),
                change: BindingChange::Unbind,
                put_back: false,
                notes: Vec::new(),
            }))
        }
        Seen::Absent { fresh: true } => {
            let text = "A request to the platform may still be applied. The operator waits and then checks again.";
            Off::Wait(Finding::new(Reason::RouteOutcomeUnknown, text))
        }
        _ => Off::Look(Look::Bindings(key)),
    }
}

/// The platform's id of the agent that answers a number there.
fn agent_of(number: &OwnedNumber) -> Option<&str> {
    number.route.get(&Channel::Voice)?.bound_id(HOSTED_AGENT)
}

/// What comes before the route of a number that is ours: `None` where there is nothing to do at a platform.
pub(super) fn next(w: &World<'_>, found: &Found<'_>, claim: &NumberClaim) -> Option<Decision<PhoneNumberStatus>> {
    let hosted = match &w.agent {
        Some(AgentRef::Found { offline: false, serves: Served::Hosted(hosted), .. }) => Some(hosted),
        // It keeps what it has.
        Some(AgentRef::Missing(_) | AgentRef::Refused(_)) => return None,
        // So it does where the version has nothing for it.
        Some(AgentRef::Found { offline: false, serves: Served::Version { route, .. }, .. }) if route.is_empty() => {
            return None;
        }
        Some(AgentRef::Found { offline: false, serves, .. }) if !matches!(serves, Served::Version { .. }) => {
            return None;
        }
        _ => None,
    };
    let step = Binding { w, found, claim, trouble: w.trouble };
    match (&claim.spec.bound, hosted) {
        (None, None) => None,
        (Some(_), None) => step.leave(),
        (None, Some(hosted)) => step.begin(hosted),
        (Some(bound), Some(hosted)) if hosted.is(bound) => step.keep(bound),
        // Another agent of the same platform: what is there is taken off by what is wanted.
        (Some(bound), Some(hosted)) if hosted.account.key() == bound.account.key() => step.begin(hosted),
        // It stays where it is as long as the other platform cannot have it.
        (Some(_), Some(_)) => step.unlendable(w.next_platform.as_ref()).or_else(|| step.leave()),
    }
}

struct Binding<'a, 'w> {
    w: &'a World<'w>,
    found: &'a Found<'w>,
    claim: &'a NumberClaim,
    /// What has to be waited for before anything is looked at or written.
    trouble: Option<&'a Trouble>,
}

impl Binding<'_, '_> {
    /// The number goes off the platform; then the claim forgets that it was there.
    fn leave(&self) -> Option<Decision<PhoneNumberStatus>> {
        if let Some(denial) = self.denied() {
            return Some(denial);
        }
        match take_off(&self.claim.spec, self.w.platform.as_ref()) {
            Off::Look(look) => Some(self.look(look)),
            Off::Write(write) => Some(self.write(*write)),
            Off::Wait(finding) => Some(self.rest(finding).again(policy::POLL)),
            Off::Done => Some(self.journal(NumberClaimSpec { bound: None, ..self.claim.spec.clone() })),
        }
    }

    /// What the platform is going to be asked for is written down, with what was there before it.
    fn begin(&self, hosted: &HostedAt) -> Option<Decision<PhoneNumberStatus>> {
        if let Some(denial) = self.denied().or_else(|| self.unlendable(self.w.platform.as_ref())) {
            return Some(denial);
        }
        let mut spec = self.claim.spec.clone();
        for (channel, there) in &self.found.number.route {
            // What is there beside a binding is the platform's.
            if spec.bound.is_none() && !there.is_empty() && !spec.is_ours(*channel, there) {
                spec.previous.insert(*channel, there.clone());
            }
        }
        let (account, agent) = (hosted.account.clone(), hosted.agent.clone());
        let lent = self.w.platform.as_ref().and_then(PlatformView::lends).cloned();
        spec.bound = Some(ClaimedBinding { account, agent, route: Route::new(), lent }.into());
        Some(self.journal(spec))
    }

    /// The number is, or is to be, on the platform that the claim names.
    fn keep(&self, bound: &ClaimedBinding) -> Option<Decision<PhoneNumberStatus>> {
        let w = self.w;
        let platform = w.platform.as_ref().filter(|platform| platform.key == bound.account.key())?;
        if !platform.open {
            // What stands is said while nobody can look.
            let text = format!("CarrierAccount {} is not ready; see its conditions.", platform.key);
            return bound.route.is_empty().then(|| self.rest(Finding::new(Reason::PlatformNotReady, text)));
        }
        match platform.binding {
            Seen::Present { fresh: false, .. } if w.is_requested() => {
                Some(self.look(Look::Bindings(platform.key.clone())))
            }
            Seen::Present { number, fresh } if agent_of(number) == Some(&bound.agent) => match platform.lends() {
                Some(lent) if bound.lent.as_ref() != Some(lent) => Some(self.lend(bound, platform, lent, fresh)),
                _ => self.bound(bound, platform, number),
            },
            Seen::Present { fresh, .. } => {
                if !fresh {
                    return Some(self.look(Look::Bindings(platform.key.clone())));
                }
                // Nothing is taken off that could not be put on again.
                let denied = self.denied().or_else(|| self.unlendable(w.platform.as_ref()));
                let (agent, config) = (bound.agent.clone(), w.number.spec.config());
                let change = BindingChange::Move { agent, config };
                let put_back = !bound.route.is_empty();
                Some(denied.unwrap_or_else(|| self.change(platform, change, put_back)))
            }
            Seen::Absent { fresh: true } if platform.doubtful => {
                let text = format!(
                    "Many numbers are missing from the listing of CarrierAccount {}, so the operator does not rely on it.",
                    platform.key
                );
                Some(self.rest(Finding::new(Reason::PlatformNotReady, text)).again(policy::POLL))
            }
            Seen::Absent { fresh: true } => {
                let config = w.number.spec.config();
                let change = BindingChange::Bind { agent: bound.agent.clone(), config };
                let denied = self.denied().or_else(|| self.unlendable(w.platform.as_ref()));
                let put_back = !bound.route.is_empty();
                Some(denied.unwrap_or_else(|| self.change(platform, change, put_back)))
            }
            Seen::Absent { fresh: false } | Seen::Unseen => Some(self.look(Look::Bindings(platform.key.clone()))),
        }
    }

    /// Other credentials open the number's account than the platform was given for it: with those it may refuse calls, and clear nothing
    /// at the carrier. It takes new ones only with the number.
    fn lend(
        &self,
        bound: &ClaimedBinding,
        platform: &PlatformView<'_>,
        lent: &str,
        fresh: bool,
    ) -> Decision<PhoneNumberStatus> {
        if bound.lent.is_none() || platform.given.as_deref() == Some(lent) {
            // What the platform set at the carrier this time is found out anew.
            let route = if bound.lent.is_none() { bound.route.clone() } else { Route::new() };
            let bound = Some(ClaimedBinding { lent: Some(lent.to_owned()), route, ..bound.clone() }.into());
            return self.journal(NumberClaimSpec { bound, ..self.claim.spec.clone() });
        }
        if !fresh {
            return self.look(Look::Bindings(platform.key.clone()));
        }
        if let Some(denial) = self.denied().or_else(|| self.unlendable(Some(platform))) {
            return denial;
        }
        let text = format!(
            "The credentials of CarrierAccount {} are not those that the platform has for the number: the number is removed there and \
             assigned again with the new ones. Calls are not answered for that moment.",
            self.found.account
        );
        let notes = vec![Note { warning: false, reason: "Moving", text }];
        let change = BindingChange::Move { agent: bound.agent.clone(), config: self.w.number.spec.config() };
        self.write(self.set(platform, change, false, notes))
    }

    /// The platform answers. What it set at the carrier is remembered, and what it keeps for this one number made as wanted.
    fn bound(
        &self,
        bound: &ClaimedBinding,
        platform: &PlatformView<'_>,
        there: &OwnedNumber,
    ) -> Option<Decision<PhoneNumberStatus>> {
        let w = self.w;
        if bound.route.is_empty() {
            let Seen::Present { number, fresh: true } = w.seen else {
                let number = self.found.number.number.clone();
                return Some(self.look(Look::Number { account: self.found.account.clone(), number }));
            };
            let route: Route =
                number.route.iter().filter(|(_, to)| !to.is_empty()).map(|(c, to)| (*c, to.clone())).collect();
            let is_before = |(channel, to): (&Channel, &_)| self.claim.spec.previous.get(channel) == Some(to);
            if route.is_empty() || platform.lags && route.iter().all(is_before) {
                let text = "The platform answers the number but has not set its route at the carrier yet. The operator checks again.";
                return Some(self.rest(Finding::new(Reason::Routing, text)).again(policy::CROWDED));
            }
            let mut spec = self.claim.spec.clone();
            // What was the platform's before is not somebody else's to come back to.
            spec.previous.retain(|channel, before| route.get(channel) != Some(before));
            spec.sent = route::journal(&spec.sent, route::digests(&route), &number.route, true);
            spec.bound = Some(ClaimedBinding { route, ..bound.clone() }.into());
            return Some(self.journal(spec));
        }
        let changes: NumberConfig = w.number.spec.config().changes(&there.config());
        if changes.is_empty() {
            return None;
        }
        // What was so already, by what was said of this very spec, somebody else has changed.
        let status =
            w.number.status.as_ref().filter(|status| status.observed_generation == w.number.metadata.generation);
        let put_back = status.is_some_and(|status| status.route.as_ref().is_some_and(|route| route.platform.is_some()));
        Some(self.change(platform, BindingChange::Configure(changes), put_back))
    }

    /// One write at the platform, unless something stands against it.
    fn change(
        &self,
        platform: &PlatformView<'_>,
        change: BindingChange,
        put_back: bool,
    ) -> Decision<PhoneNumberStatus> {
        let w = self.w;
        if let Some(denial) = self.denied() {
            return denial;
        }
        if put_back && w.number.spec.drift == DriftPolicy::Report {
            let text = format!(
                "The settings that CarrierAccount {} has for the number were changed. With drift: Report the operator only reports it.",
                platform.key
            );
            return self.rest(Finding::new(Reason::Drifted, text));
        }
        if put_back && w.put_backs >= policy::PUT_BACKS_PER_HOUR {
            let text = format!(
                "The settings that CarrierAccount {} has for the number were corrected {} times within an hour and changed again. Find out \
                 who changes them there, then set the annotation {}.",
                platform.key,
                w.put_backs,
                crate::api::meta::RECONCILE_REQUESTED,
            );
            return self.rest(Finding::new(Reason::RouteConflict, text));
        }
        let (warning, reason, text) = match change {
            BindingChange::Move { .. } if !put_back => (
                false,
                "Moving",
                "The number is removed from the platform's other agent, then assigned to the wanted one: calls are not answered for that \
                 moment."
                    .to_owned(),
            ),
            BindingChange::Bind { .. }
            | BindingChange::Move { .. }
            | BindingChange::Configure(_)
            | BindingChange::Switch { .. }
                if put_back =>
            (
                true,
                "DriftCorrected",
                format!("Corrected a change of the number's settings at CarrierAccount {}.", platform.key),
            ),
            _ => return self.write(self.set(platform, change, false, Vec::new())),
        };
        self.write(self.set(platform, change, put_back, vec![Note { warning, reason, text }]))
    }

    fn set(&self, platform: &PlatformView<'_>, change: BindingChange, put_back: bool, notes: Vec<Note>) -> SetBinding {
        SetBinding {
            platform: platform.key.clone(),
            account: self.found.account.clone(),
            number: self.found.number.number.clone(),
            change,
            put_back,
            notes,
        }
    }

    fn write(&self, write: SetBinding) -> Decision<PhoneNumberStatus> {
        match self.trouble.filter(|trouble| !trouble.wait.is_zero()) {
            Some(trouble) => self.rest(policy::binding_trouble(trouble)),
            None => Decision::Act(Effect::SetBinding(Box::new(write))),
        }
    }

    fn look(&self, look: Look) -> Decision<PhoneNumberStatus> {
        // That the platform would not take the number says nothing against a look: it may be ours there by now.
        let fails = |trouble: &&Trouble| !trouble.wait.is_zero() && trouble.error.class != ErrorClass::Unavailable;
        match self.trouble.filter(fails) {
            Some(trouble) => self.rest(policy::binding_trouble(trouble)),
            None => Decision::Look(look),
        }
    }

    fn journal(&self, spec: NumberClaimSpec) -> Decision<PhoneNumberStatus> {
        Decision::Act(Effect::WriteClaim(Box::new(NumberClaim { spec, ..self.claim.clone() })))
    }

    fn rest(&self, finding: Finding) -> Decision<PhoneNumberStatus> {
        self.w.rest(self.found, finding, self.w.route_status().cloned())
    }

    /// Why nothing is written for the object at all.
    fn denied(&self) -> Option<Decision<PhoneNumberStatus>> {
        let spec = &self.w.number.spec;
        let text = "The platform's settings for the number need a change.";
        match (spec.mode, spec.suspend) {
            (Mode::Observe, _) => Some(self.rest(Finding::new(Reason::RouteDiffers, text))),
            (Mode::Manage, true) => Some(self.rest(Finding::new(Reason::Suspended, text))),
            (Mode::Manage, false) => None,
        }
    }

    /// Why the platform cannot be asked to answer, told before anything is sent.
    fn unlendable(&self, platform: Option<&PlatformView<'_>>) -> Option<Decision<PhoneNumberStatus>> {
        let platform = platform?;
        let (account, key) = (&self.found.account, &platform.key);
        let finding = match &platform.lending {
            _ if !platform.open && platform.opening => {
                return Some(self.rest(Reason::PlatformNotReady.into()).again(policy::POLL));
            }
            _ if !platform.open => {
                let text =
                    format!("CarrierAccount {key} is not ready; see its conditions. The number keeps its route.");
                return Some(self.rest(Finding::new(Reason::PlatformNotReady, text)).again(policy::POLL));
            }
            Lending::Lent(_) => return None,
            Lending::NotNamed => Finding::new(
                Reason::CredentialsNotLent,
                format!(
                    "The platform of CarrierAccount {key} needs the credentials of CarrierAccount {account}: add it to spec.lendTo of that \
                     account. The number keeps its route."
                ),
            ),
            Lending::NoSecret => Finding::new(
                Reason::CredentialsNotLent,
                format!(
                    "The platform of CarrierAccount {key} does not accept API keys, and CarrierAccount {account} uses one: put its \
                     authToken into the Secret instead. The number keeps its route."
                ),
            ),
            Lending::Refused(why) => Finding::new(Reason::BindingRefused, why.clone()),
        };
        Some(self.rest(finding))
    }
}
