//! Where a number's traffic should go, and how that stands to where it goes.

use std::collections::BTreeMap;

use crate::api::{
    claim::{ClaimedAccount, ClaimedBinding, Digests, LedTo, NumberClaimSpec},
    conditions::{Finding, Reason},
    meta::Key,
    number::{Channel, Destination, Route},
    phone_number::RouteStatus,
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
    /// A version, by an agent on a platform that answers numbers of other carriers.
    Hosted(HostedAt),
    /// What the route that the numbers share does not do yet.
    Pending,
    /// Nothing, by the route that the numbers share.
    Silent,
}

/// An agent on a platform that takes over numbers of other carriers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedAt {
    /// The version of ours.
    pub version: String,
    /// The platform's account.
    pub account: ClaimedAccount,
    /// The platform's id of the agent.
    pub agent: String,
}

impl HostedAt {
    /// Whether this is what a claim says that the platform was asked for.
    pub(in crate::plan) fn is(&self, bound: &ClaimedBinding) -> bool {
        self.account.key() == bound.account.key() && self.agent == bound.agent
    }
}

/// What the number's traffic should do.
pub(in crate::plan) enum Wanted {
    /// Reach this version.
    Reach { status: RouteStatus, route: Route },
    /// Go nowhere by our doing.
    Nothing(Finding),
    /// Stay as it is, whatever it is.
    Keep(Finding),
    /// Stay as it is: what it leads to goes nowhere by our doing.
    Silent(Finding),
    /// Be answered by an agent on a platform, which has yet to set the route.
    Bind(HostedAt),
}

/// Reads off the world what is wanted of the number's route. `bound` says what a platform was asked for, and what it then set.
pub(in crate::plan) fn wanted(agent: Option<&AgentRef>, bound: Option<&ClaimedBinding>) -> Wanted {
    let keep = |reason, message: String| Wanted::Keep(Finding::new(reason, message));
    match agent {
        None => Wanted::Nothing(Reason::Unassigned.into()),
        Some(AgentRef::Missing(key)) => keep(
            Reason::AgentNotFound,
            format!("Agent {key} does not exist: create it, or correct spec.agentRef. The number keeps its route."),
        ),
        Some(AgentRef::Refused(key)) => keep(
            Reason::AgentNotAllowed,
            format!(
                "No Agent {key} allows this namespace. Its owner can add the namespace to spec.allowedNamespaces. The number keeps its \
                 route."
            ),
        ),
        Some(AgentRef::Found { key, serves: Served::Pending, .. }) => keep(
            Reason::SharedRoutePending,
            format!(
                "The route that the numbers of Agent {key} share at this account, or its hosted agent, does not serve the published version \
                 yet; see the conditions of the Agent. The number keeps its route."
            ),
        ),
        Some(AgentRef::Found { key, serves: Served::Silent, .. }) => Wanted::Silent(Finding::new(
            Reason::AgentOffline,
            format!("spec.offline of Agent {key} is true: the route that its numbers share is cleared."),
        )),
        Some(AgentRef::Found { key, offline: true, .. }) => Wanted::Nothing(Finding::new(
            Reason::AgentOffline,
            format!("spec.offline of Agent {key} is true: the route is cleared."),
        )),
        Some(AgentRef::Found { key, serves: Served::Nothing, .. }) => keep(
            Reason::NeverPublished,
            format!("Agent {key} has no published version: set its spec.version. The number keeps its route."),
        ),
        Some(AgentRef::Found { key, serves: Served::Missing(version), .. }) => keep(
            Reason::VersionNotFound,
            format!(
                "AgentVersion {key}.{version} does not exist: publish another version. The number keeps its route."
            ),
        ),
        Some(AgentRef::Found { key, serves: Served::Unshareable(version), .. }) => keep(
            Reason::RouteNotShareable,
            format!(
                "AgentVersion {key}.{version} uses {{number}} in a webhook, and the numbers of this account share one route: publish a \
                 version without it. The number keeps its route."
            ),
        ),
        Some(AgentRef::Found { key, serves: Served::Version { name, route }, .. }) if route.is_empty() => keep(
            Reason::NoRoute,
            format!("AgentVersion {key}.{name} has no webhook that this carrier supports. The number keeps its route."),
        ),
        Some(AgentRef::Found { key, serves: Served::Version { name, route }, .. }) => Wanted::Reach {
            status: RouteStatus {
                agent: key.to_string(),
                version: name.clone(),
                digests: digests(route),
                platform: None,
                extras: BTreeMap::new(),
            },
            route: route.clone(),
        },
        Some(AgentRef::Found { key, serves: Served::Hosted(hosted), .. }) => {
            match bound.filter(|bound| hosted.is(bound) && !bound.route.is_empty()) {
                Some(bound) => Wanted::Reach {
                    status: RouteStatus {
                        agent: key.to_string(),
                        version: hosted.version.clone(),
                        digests: digests(&bound.route),
                        platform: Some(bound.account.key().to_string()),
                        extras: BTreeMap::new(),
                    },
                    route: bound.route.clone(),
                },
                None => Wanted::Bind(hosted.clone()),
            }
        }
    }
}

impl Wanted {
    /// The channels to set for this, given what is there. A destination of ours that the version does not name goes where it went before us,
    /// and becomes empty where nothing is wanted at all. What is not ours and not spoken of stays.
    pub(in crate::plan) fn target(&self, seen: &Route, claim: Option<&NumberClaimSpec>) -> Route {
        let (mut target, before) = match self {
            Wanted::Keep(_) | Wanted::Silent(_) | Wanted::Bind(_) => return Route::new(),
            Wanted::Nothing(_) => (Route::new(), None),
            Wanted::Reach { route, .. } => (route.clone(), claim.map(|claim| &claim.previous)),
        };
        for (channel, destination) in seen {
            if !target.contains_key(channel) && claim.is_some_and(|claim| claim.is_ours(*channel, destination)) {
                let destination = before.and_then(|previous| previous.get(channel)).cloned().unwrap_or_default();
                target.insert(*channel, destination);
            }
        }
        target
    }

    /// The channels that are ours by this.
    pub(in crate::plan) fn route(&self) -> Option<&Route> {
        match self {
            Wanted::Reach { route, .. } => Some(route),
            Wanted::Nothing(_) | Wanted::Keep(_) | Wanted::Silent(_) | Wanted::Bind(_) => None,
        }
    }

    /// What the journal of the route says by this; `None` where it stays as it is.
    pub(in crate::plan) fn digests(&self) -> Option<Digests> {
        match self {
            Wanted::Reach { route, .. } => Some(digests(route)),
            Wanted::Nothing(_) => Some(Digests::new()),
            Wanted::Keep(_) | Wanted::Silent(_) | Wanted::Bind(_) => None,
        }
    }
}

/// Where each channel went before us. Of one that we are about to set, and had not set before, that is what is there now.
pub(in crate::plan) fn previous(
    claim: &NumberClaimSpec,
    wanted: Option<&Route>,
    seen: &Route,
    is_foreign: impl Fn(&Channel, &Destination) -> bool,
) -> Route {
    let mut previous = claim.previous.clone();
    let is_new = |channel: &Channel| claim.sent.first().is_none_or(|head| !head.contains_key(channel));
    for (channel, destination) in wanted.into_iter().flatten().filter(|(channel, _)| is_new(channel)) {
        match seen.get(channel) {
            Some(there) if is_foreign(channel, there) && there != destination => {
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

/// Fingerprints of the destinations that go somewhere.
pub(in crate::plan) fn digests(route: &Route) -> Digests {
    route
        .iter()
        .filter(|(_, destination)| !destination.is_empty())
        .map(|(channel, destination)| (*channel, destination.digest()))
        .collect()
}

/// The versions that a number was sent to, once it is sent to what is wanted.
pub(in crate::plan) fn led_to(before: &[LedTo], wanted: &Wanted) -> Vec<LedTo> {
    match wanted {
        Wanted::Reach { status: RouteStatus { agent, version, .. }, .. } => {
            let next = LedTo { agent: agent.clone(), version: version.clone() };
            NumberClaimSpec::leading_to(before, next)
        }
        Wanted::Keep(_) | Wanted::Silent(_) | Wanted::Nothing(_) | Wanted::Bind(_) => before.to_vec(),
    }
}

/// The channels of `target` that are not so yet.
pub(in crate::plan) fn changes(target: &Route, seen: &Route) -> Route {
    let empty = Destination::default();
    let differs = |channel: &Channel, destination: &Destination| seen.get(channel).unwrap_or(&empty) != destination;
    target.iter().filter(|(channel, destination)| differs(channel, destination)).map(|(c, l)| (*c, l.clone())).collect()
}

/// The journal of a route, with `next` at its head. Behind it stays the last head, what is still there and, while anything may
/// be on its way, everything: dropping those would make our own route look like another's.
pub(in crate::plan) fn journal(sent: &[Digests], next: Digests, seen: &Route, unsettled: bool) -> Vec<Digests> {
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
