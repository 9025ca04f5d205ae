//! The route of a number that is ours: what must change for it, and whether that is allowed.

use std::time::Duration;

use super::{
    binding::{self, extras},
    world::{Found, World},
};
use crate::{
    api::{
        claim::NumberClaimSpec,
        conditions::{Finding, Reason},
        meta::RECONCILE_REQUESTED,
        number::{Channel, Destination, Route},
        phone_number::{DriftPolicy, Mode, PhoneNumberStatus, RouteStatus},
        seen::Calling,
    },
    plan::{
        Decision, Effect, Note, SetRoute, policy,
        route::{Wanted, changes},
    },
};

/// Decides for a number that is ours, with its claim and finalizer in place.
pub(super) fn next(w: &World<'_>, found: &Found<'_>, claim: Option<&NumberClaimSpec>) -> Decision<PhoneNumberStatus> {
    if let Some(decision) = w.own_claim().and_then(|claim| binding::next(w, found, claim)) {
        return decision;
    }
    match (w.own_claim(), route(w, found, claim)) {
        (Some(claim), Decision::Rest(rest)) => extras::next(w, found, claim, rest),
        (_, decision) => decision,
    }
}

/// Decides about the number's route at its carrier.
fn route(w: &World<'_>, found: &Found<'_>, claim: Option<&NumberClaimSpec>) -> Decision<PhoneNumberStatus> {
    let wanted = w.wanted();
    let ours = |channel, destination: &Destination| claim.is_some_and(|claim| claim.is_ours(channel, destination));
    let target = wanted.target(&found.number.route, claim);
    let changes = changes(&target, &found.number.route);
    let (finding, route) = match wanted {
        Wanted::Keep(finding) => return w.rest(found, looks_on(w, finding), w.route_status().cloned()),
        Wanted::Silent(finding) => return w.rest(found, finding, None),
        // Nobody but the holder of the claim has it bound.
        Wanted::Bind(hosted) => {
            let text = format!(
                "With mode: Observe the number is not bound to the platform of CarrierAccount {}.",
                hosted.account.key()
            );
            return w.rest(found, Finding::new(Reason::RouteDiffers, text), w.route_status().cloned());
        }
        Wanted::Nothing(finding) => (finding, None),
        Wanted::Reach { status, .. } => (reached(&status, &target, &found.number.calling), Some(status)),
    };
    if changes.is_empty() {
        return w.rest(found, finding, route);
    }
    let drifted = drifted(w, &changes, &target, &found.number.route, ours);
    if let Some(denial) = denial(w, &changes, found, &drifted) {
        return w.rest(found, denial, w.route_status().cloned());
    }
    if let Some(trouble) = w.trouble.filter(|trouble| !trouble.wait.is_zero()) {
        return w.rest(found, policy::route_trouble(trouble), w.route_status().cloned());
    }
    // To report what others change, what we change ourselves must be told from it: a route counts as confirmed no longer before
    // it is replaced.
    if w.number.spec.drift == DriftPolicy::Report && w.route_status().is_some() {
        return w.rest(found, Reason::Routing.into(), None).again(Duration::ZERO);
    }
    let notes = notes(&changes, &found.number.route, &drifted, ours);
    Decision::Act(Effect::SetRoute(Box::new(SetRoute {
        account: found.account.clone(),
        id: found.number.id.clone(),
        number: found.number.number.clone(),
        put_back: !drifted.is_empty(),
        route: changes,
        notes,
    })))
}

/// What is said of a route that is set: whether callers come to it is another thing.
fn reached(status: &RouteStatus, target: &Route, calling: &Calling) -> Finding {
    let agent = format!("{} {}", status.agent, status.version);
    let takes_calls = target.get(&Channel::Voice).is_some_and(|destination| !destination.is_empty());
    let elsewhere = match calling {
        Calling::Region { answers, ours } if takes_calls => format!(
            "Calls do not reach {agent}: the number is active in the region {answers}, and its route is set in {ours}. Route the number to \
             {ours} at the carrier, or manage it with a CarrierAccount of the region {answers}."
        ),
        Calling::Forwarded if takes_calls => format!(
            "Calls do not reach {agent}: the number forwards all calls before that. Disable call forwarding of the number at the carrier."
        ),
        Calling::Region { .. } | Calling::Forwarded | Calling::Number | Calling::Unseen => {
            return Finding::new(Reason::Routed, format!("The carrier routes this number to {agent}."));
        }
    };
    Finding::new(Reason::CallsDiverted, elsewhere)
}

/// A number that only looks on waits for nothing: no route is set for it alone.
fn looks_on(w: &World<'_>, finding: Finding) -> Finding {
    let spec = &w.number.spec;
    let why = match (spec.mode, spec.suspend) {
        _ if finding.reason != Reason::SharedRoutePending => return finding,
        (Mode::Observe, _) => (Reason::RouteDiffers, "With mode: Observe"),
        (Mode::Manage, true) => (Reason::Suspended, "While spec.suspend is true"),
        (Mode::Manage, false) => return finding,
    };
    let text =
        "the route that the agent's numbers share at this account is not set for this one. The number keeps its route.";
    Finding::new(why.0, format!("{} {text}", why.1))
}

/// The channels that we once saw as we wanted them and that somebody has changed since.
fn drifted(
    w: &World<'_>,
    changes: &Route,
    target: &Route,
    seen: &Route,
    ours: impl Fn(Channel, &Destination) -> bool,
) -> Vec<Channel> {
    let confirmed = |channel: &Channel| w.route_status()?.digests.get(channel);
    let is_drift = |channel: &Channel| {
        let Some(confirmed) = confirmed(channel) else { return false };
        let as_wanted = target.get(channel).is_some_and(|destination| destination.digest() == *confirmed);
        as_wanted || seen.get(channel).is_none_or(|destination| !ours(*channel, destination))
    };
    changes.keys().copied().filter(is_drift).collect()
}

/// Why a change that is wanted may not be made.
fn denial(w: &World<'_>, changes: &Route, found: &Found<'_>, drifted: &[Channel]) -> Option<Finding> {
    let spec = &w.number.spec;
    let differences = || describe(changes, &found.number.route);
    if spec.mode == Mode::Observe {
        return Some(Finding::new(
            Reason::RouteDiffers,
            format!("With mode: Observe the operator only reports this: {}.", differences()),
        ));
    }
    if spec.suspend {
        let text = format!(
            "The object is suspended; this would change: {}. Set spec.suspend to false to continue.",
            differences()
        );
        return Some(Finding::new(Reason::Suspended, text));
    }
    if drifted.is_empty() {
        return None;
    }
    if spec.drift == DriftPolicy::Report {
        let text = format!(
            "The route was changed at the carrier. With drift: Report the operator only reports it: {}.",
            differences()
        );
        return Some(Finding::new(Reason::Drifted, text));
    }
    if w.put_backs >= policy::PUT_BACKS_PER_HOUR {
        let text = format!(
            "Corrected {} times within an hour and changed again: {}. Find out who changes it, then set the annotation {}.",
            w.put_backs,
            differences(),
            RECONCILE_REQUESTED,
        );
        return Some(Finding::new(Reason::RouteConflict, text));
    }
    None
}

/// `voice goes to a.example.com, wanted b.example.com`: hosts only, since a URL may carry a secret.
fn describe(changes: &Route, seen: &Route) -> String {
    let one = |(channel, destination): (&Channel, &Destination)| {
        let found = seen.get(channel).map_or_else(|| Destination::default().shown(), Destination::shown);
        let wanted = if found == destination.shown() {
            format!("another URL of {}", destination.shown())
        } else {
            destination.shown()
        };
        format!("{channel} goes to {found}, wanted {wanted}")
    };
    changes.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What is to be told when `changes` are made: whose route was there, and what it was bound to.
fn notes(
    changes: &Route,
    seen: &Route,
    drifted: &[Channel],
    ours: impl Fn(Channel, &Destination) -> bool,
) -> Vec<Note> {
    let foreign = |channel: &&Channel| {
        seen.get(channel).is_some_and(|destination| !destination.is_empty() && !ours(**channel, destination))
    };
    let told = |channels: Vec<Channel>, reason, what: &str| {
        let part: Route = changes.iter().filter(|(c, _)| channels.contains(c)).map(|(c, l)| (*c, l.clone())).collect();
        (!part.is_empty()).then(|| Note { warning: true, reason, text: format!("{what}: {}.", describe(&part, seen)) })
    };
    let replaced = changes.keys().filter(foreign).filter(|channel| !drifted.contains(channel)).copied().collect();
    [
        told(replaced, "RouteReplaced", "Replaced a route that was at the carrier before"),
        told(drifted.to_vec(), "DriftCorrected", "Corrected a route that was changed at the carrier"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
