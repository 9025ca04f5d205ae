//! Where a number's traffic should go, what must change for it, and whether that is allowed.

use std::time::Duration;

use super::{
    Decision, Effect, Note, SetRoute,
    number::{Found, World},
    policy,
};
use crate::api::{
    claim::{Digests, LedTo, NumberClaimSpec},
    conditions::{Finding, Reason},
    meta::Key,
    number::{Channel, Leg, Route},
    phone_number::{DriftPolicy, Mode, PhoneNumberStatus, RouteStatus},
};

/// What a reference to an agent led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentRef {
    /// There is no such object.
    Missing(Key),
    /// It does not allow our namespace.
    Refused(Key),
    Found {
        key: Key,
        offline: bool,
        serves: Served,
    },
}

/// What an agent serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// Nothing: no version was ever published.
    Nothing,
    /// A version whose AgentVersion is not there.
    Missing(String),
    /// A version, and the route to it for this number as the carrier will show it.
    Version { name: String, route: Route },
    /// A version whose route differs from number to number, where numbers share one.
    Unshareable(String),
    /// What the route that the numbers share does not do yet.
    Pending,
    /// Nothing, by the route that the numbers share.
    Silent,
}

/// What the number's traffic should do.
pub(super) enum Wanted {
    /// Reach this version.
    Reach { status: RouteStatus, route: Route },
    /// Go nowhere by our doing.
    Nothing(Finding),
    /// Stay as it is, whatever it is.
    Keep(Finding),
    /// Stay as it is: what it leads to goes nowhere by our doing.
    Silent(Finding),
}

/// Reads off the world what is wanted of the number's route.
pub(super) fn wanted(agent: Option<&AgentRef>) -> Wanted {
    let keep = |reason, message: String| Wanted::Keep(Finding::new(reason, message));
    match agent {
        None => Wanted::Nothing(Reason::Pooled.into()),
        Some(AgentRef::Missing(key)) => keep(
            Reason::AgentNotFound,
            format!("There is no Agent {key}: apply it, or correct spec.agentRef. The number keeps the route it had."),
        ),
        Some(AgentRef::Refused(key)) => keep(
            Reason::AgentNotAllowed,
            format!(
                "Agent {key} does not allow this namespace: its owner can, in spec.allowedNamespaces. The number keeps the route it had."
            ),
        ),
        Some(AgentRef::Found { key, serves: Served::Pending, .. }) => keep(
            Reason::SharedRoutePending,
            format!(
                "Agent {key} has yet to set the route that its numbers at this account share: its own conditions say what is in the way. The \
                 number keeps the route it had."
            ),
        ),
        Some(AgentRef::Found { key, serves: Served::Silent, .. }) => Wanted::Silent(Finding::new(
            Reason::AgentOffline,
            format!("Agent {key} is off the air by its spec.offline: the route that its numbers share leads nowhere."),
        )),
        Some(AgentRef::Found { key, offline: true, .. }) => Wanted::Nothing(Finding::new(
            Reason::AgentOffline,
            format!("Agent {key} is off the air by its spec.offline: the route is cleared."),
        )),
        Some(AgentRef::Found { key, serves: Served::Nothing, .. }) => keep(
            Reason::NeverPublished,
            format!("Agent {key} has no published version: set its spec.version. The number keeps the route it had."),
        ),
        Some(AgentRef::Found { key, serves: Served::Missing(version), .. }) => keep(
            Reason::VersionMissing,
            format!(
                "AgentVersion {key}.{version} is not there: publish another version. The number keeps the route it had."
            ),
        ),
        Some(AgentRef::Found { key, serves: Served::Unshareable(version), .. }) => keep(
            Reason::NotShareable,
            format!(
                "AgentVersion {key}.{version} names {{number}} in a webhook, and the numbers of this account share one route: publish a version \
                 without it. The number keeps the route it had."
            ),
        ),
        Some(AgentRef::Found { key, serves: Served::Version { name, route }, .. }) if route.is_empty() => keep(
            Reason::NoRoute,
            format!(
                "AgentVersion {key}.{name} names no webhook that this carrier has. The number keeps the route it had."
            ),
        ),
        Some(AgentRef::Found { key, serves: Served::Version { name, route }, .. }) => Wanted::Reach {
            status: RouteStatus { agent: key.to_string(), version: name.clone(), digests: digests(route) },
            route: route.clone(),
        },
    }
}

impl Wanted {
    /// The channels to set for this, given what is there. A leg of ours that the version does not name goes where it went before us,
    /// and becomes empty where nothing is wanted at all. What is not ours and not spoken of stays.
    pub(super) fn target(&self, seen: &Route, claim: Option<&NumberClaimSpec>) -> Route {
        let (mut target, before) = match self {
            Wanted::Keep(_) | Wanted::Silent(_) => return Route::new(),
            Wanted::Nothing(_) => (Route::new(), None),
            Wanted::Reach { route, .. } => (route.clone(), claim.map(|claim| &claim.previous)),
        };
        for (channel, leg) in seen {
            if !target.contains_key(channel) && claim.is_some_and(|claim| claim.is_ours(*channel, leg)) {
                let leg = before.and_then(|previous| previous.get(channel)).cloned().unwrap_or_default();
                target.insert(*channel, leg);
            }
        }
        target
    }

    /// The channels that are ours by this.
    pub(super) fn route(&self) -> Option<&Route> {
        match self {
            Wanted::Reach { route, .. } => Some(route),
            Wanted::Nothing(_) | Wanted::Keep(_) | Wanted::Silent(_) => None,
        }
    }

    /// What the journal of the route says by this; `None` where it stays as it is.
    pub(super) fn digests(&self) -> Option<Digests> {
        match self {
            Wanted::Reach { route, .. } => Some(digests(route)),
            Wanted::Nothing(_) => Some(Digests::new()),
            Wanted::Keep(_) | Wanted::Silent(_) => None,
        }
    }
}

/// Where each channel went before us. Of one that we are about to set, and had not set before, that is what is there now.
pub(super) fn previous(
    claim: &NumberClaimSpec,
    wanted: Option<&Route>,
    seen: &Route,
    is_foreign: impl Fn(&Channel, &Leg) -> bool,
) -> Route {
    let mut previous = claim.previous.clone();
    let is_new = |channel: &Channel| claim.sent.first().is_none_or(|head| !head.contains_key(channel));
    for (channel, leg) in wanted.into_iter().flatten().filter(|(channel, _)| is_new(channel)) {
        match seen.get(channel) {
            Some(there) if is_foreign(channel, there) && there != leg => {
                previous.insert(*channel, there.clone());
            }
            Some(there) if there.is_empty() => {
                previous.remove(channel);
            }
            _ => {}
        }
    }
    previous
}

/// Fingerprints of the legs that go somewhere.
pub(super) fn digests(route: &Route) -> Digests {
    route.iter().filter(|(_, leg)| !leg.is_empty()).map(|(channel, leg)| (*channel, leg.digest())).collect()
}

/// The versions that a number was sent to, once it is sent to what is wanted.
pub(super) fn led_to(before: &[LedTo], agent: Option<&AgentRef>) -> Vec<LedTo> {
    match wanted(agent) {
        Wanted::Reach { status: RouteStatus { agent, version, .. }, .. } => {
            NumberClaimSpec::leading_to(before, LedTo { agent, version })
        }
        Wanted::Keep(_) | Wanted::Silent(_) | Wanted::Nothing(_) => before.to_vec(),
    }
}

/// The channels of `target` that are not so yet.
pub(super) fn changes(target: &Route, seen: &Route) -> Route {
    let empty = Leg::default();
    let differs = |channel: &Channel, leg: &Leg| seen.get(channel).unwrap_or(&empty) != leg;
    target.iter().filter(|(channel, leg)| differs(channel, leg)).map(|(c, l)| (*c, l.clone())).collect()
}

/// The journal of a route, with `next` at its head. Behind it stays the last head, what is still there and, while anything may
/// be on its way, everything: dropping those would make our own route look like another's.
pub(super) fn journal(sent: &[Digests], next: Digests, seen: &Route, unsettled: bool) -> Vec<Digests> {
    if sent.first().map_or(next.is_empty(), |head| *head == next) {
        return sent.to_vec();
    }
    let there = digests(seen);
    let kept = |(i, old): &(usize, &Digests)| {
        let may_be_seen = *i == 0 || unsettled || old.iter().any(|(c, d)| there.get(c) == Some(d));
        may_be_seen && **old != next
    };
    let behind = sent.iter().enumerate().filter(kept).map(|(_, old)| old.clone());
    std::iter::once(next.clone()).chain(behind).collect()
}

/// Decides for a number that is ours, with its claim and finalizer in place.
pub(super) fn next(w: &World<'_>, found: &Found<'_>, claim: Option<&NumberClaimSpec>) -> Decision<PhoneNumberStatus> {
    let wanted = wanted(w.agent.as_ref());
    let ours = |channel, leg: &Leg| claim.is_some_and(|claim| claim.is_ours(channel, leg));
    let target = wanted.target(&found.number.route, claim);
    let changes = changes(&target, &found.number.route);
    let (finding, route) = match wanted {
        Wanted::Keep(finding) => return w.rest(found, looks_on(w, finding), w.route_status().cloned()),
        Wanted::Silent(finding) => return w.rest(found, finding, None),
        Wanted::Nothing(finding) => (finding, None),
        Wanted::Reach { status, .. } => (
            Finding::new(
                Reason::Routed,
                format!("The carrier sends this number to {} {}.", status.agent, status.version),
            ),
            Some(status),
        ),
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

/// A number that only looks on waits for nothing: no route is set for it alone.
fn looks_on(w: &World<'_>, finding: Finding) -> Finding {
    let spec = &w.number.spec;
    let why = match (spec.mode, spec.suspend) {
        _ if finding.reason != Reason::SharedRoutePending => return finding,
        (Mode::Observe, _) => (Reason::Differs, "With mode: Observe"),
        (Mode::Manage, true) => (Reason::Suspended, "While spec.suspend is true"),
        (Mode::Manage, false) => return finding,
    };
    let text =
        "the route that the agent's numbers at this account share is not set for this one. It keeps the route it had.";
    Finding::new(why.0, format!("{} {text}", why.1))
}

/// The channels that we once saw as we wanted them and that somebody has changed since.
fn drifted(
    w: &World<'_>,
    changes: &Route,
    target: &Route,
    seen: &Route,
    ours: impl Fn(Channel, &Leg) -> bool,
) -> Vec<Channel> {
    let confirmed = |channel: &Channel| w.route_status()?.digests.get(channel);
    let is_drift = |channel: &Channel| {
        let Some(confirmed) = confirmed(channel) else { return false };
        let as_wanted = target.get(channel).is_some_and(|leg| leg.digest() == *confirmed);
        as_wanted || seen.get(channel).is_none_or(|leg| !ours(*channel, leg))
    };
    changes.keys().copied().filter(is_drift).collect()
}

/// Why a change that is wanted may not be made.
fn denial(w: &World<'_>, changes: &Route, found: &Found<'_>, drifted: &[Channel]) -> Option<Finding> {
    let spec = &w.number.spec;
    let differences = || describe(changes, &found.number.route);
    if spec.mode == Mode::Observe {
        return Some(Finding::new(
            Reason::Differs,
            format!("With mode: Observe this is only said: {}.", differences()),
        ));
    }
    if spec.suspend {
        let text = format!("The object is suspended; this would change: {}. Set spec.suspend to false.", differences());
        return Some(Finding::new(Reason::Suspended, text));
    }
    if drifted.is_empty() {
        return None;
    }
    if spec.drift == DriftPolicy::Report {
        let text = format!("Somebody else changed the route, and drift: Report leaves it: {}.", differences());
        return Some(Finding::new(Reason::Drifted, text));
    }
    if w.put_backs >= policy::PUT_BACKS_PER_HOUR {
        let text = format!(
            "Put back {} times within an hour and changed again: {}. Find out who changes it, then set the annotation {}.",
            w.put_backs,
            differences(),
            crate::api::meta::RECONCILE_REQUESTED,
        );
        return Some(Finding::new(Reason::Contested, text));
    }
    None
}

/// `voice goes to a.example.com, wanted b.example.com`: hosts only, since a URL may carry a secret.
fn describe(changes: &Route, seen: &Route) -> String {
    let one = |(channel, leg): (&Channel, &Leg)| {
        let found = seen.get(channel).map_or_else(|| Leg::default().shown(), Leg::shown);
        let wanted = if found == leg.shown() { format!("another URL of {}", leg.shown()) } else { leg.shown() };
        format!("{channel} goes to {found}, wanted {wanted}")
    };
    changes.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What is to be told when `changes` are made: whose route was there, and what shadowed it.
fn notes(changes: &Route, seen: &Route, drifted: &[Channel], ours: impl Fn(Channel, &Leg) -> bool) -> Vec<Note> {
    let foreign = |channel: &&Channel| seen.get(channel).is_some_and(|leg| !leg.is_empty() && !ours(**channel, leg));
    let told = |channels: Vec<Channel>, reason, what: &str| {
        let part: Route = changes.iter().filter(|(c, _)| channels.contains(c)).map(|(c, l)| (*c, l.clone())).collect();
        (!part.is_empty()).then(|| Note { warning: true, reason, text: format!("{what}: {}.", describe(&part, seen)) })
    };
    let replaced = changes.keys().filter(foreign).filter(|channel| !drifted.contains(channel)).copied().collect();
    [
        told(replaced, "RouteReplaced", "Replaced a route that somebody else had set"),
        told(drifted.to_vec(), "DriftCorrected", "Put back a route that somebody else had changed"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
