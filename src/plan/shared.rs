//! The route that an agent's numbers at one account share, where its carrier has them share one: made once, found again by its
//! name, and kept as the published version has it.
//!
//! The Agent's status is the journal. An entry stands there before anything is made at the carrier, so that whoever comes after a
//! crash knows that something may be on its way. It names a version once the carrier was seen to send traffic there, and only
//! then are numbers bound to it.

use std::time::Duration;

use super::{Effect, Look, Served, Trouble, policy};
use crate::api::{
    Agent,
    agent::SharedRouteStatus,
    conditions::{Finding, Reason},
    meta::Key,
    number::{Channel, Route},
    seen::{ErrorClass, SharedRoute},
};

/// Everything known of the route that an agent's numbers at one account share.
#[derive(Clone, Debug)]
pub struct Share {
    pub account: Key,
    /// Uid of the CarrierAccount.
    pub account_uid: String,
    /// Whether the account can be used.
    pub open: bool,
    /// Whether nobody has found out yet if it can be.
    pub opening: bool,
    /// What the route is called at the carrier.
    pub name: String,
    /// The channels by which numbers are bound.
    pub channels: &'static [Channel],
    /// What the agent serves there: of a version, where the route is to send traffic.
    pub serves: Served,
    /// Whether one of its numbers may be written for. Those that only look on cause no write of their own.
    pub active: bool,
    /// How the carrier was last seen to have it, unless that is so long ago that it has to be looked at again.
    pub sight: Option<Sight>,
    /// How long until that is so.
    pub due: Duration,
    pub trouble: Option<Trouble>,
    /// How often it was put back within the last hour.
    pub put_backs: u32,
}

/// A look at a shared route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    pub route: SharedRoute,
    /// How long ago it was looked at; no time if that was in this pass.
    pub age: Duration,
    /// Whether what it lacks is not there: nothing that was sent before can come about any more.
    pub proves: bool,
}

/// One write of a shared route at the carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetSharedRoute {
    pub account: Key,
    pub name: String,
    /// How it was seen.
    pub current: SharedRoute,
    pub webhooks: Route,
    /// Whether this puts back what somebody else changed.
    pub put_back: bool,
}

/// What comes next for one of them.
pub(super) enum Step {
    Look(Look),
    Act(Effect),
    Rest {
        /// Its entry in the Agent's status.
        entry: Option<SharedRouteStatus>,
        /// What is in the way.
        finding: Option<Finding>,
        again: Option<Duration>,
    },
}

/// What a number at the account `key`, whose object has this uid, is served, where the agent serves `there` to all of them.
pub fn served(agent: &Agent, there: Served, key: &Key, uid: &str) -> Served {
    let entry = agent.shared_route(key, uid);
    if agent.spec.offline {
        let silent = entry.is_some_and(|entry| entry.version.is_none());
        return if silent { Served::Silent } else { Served::Pending };
    }
    match there {
        Served::Version { name, route } if !route.is_empty() => {
            match entry.filter(|entry| entry.version.as_ref() == Some(&name)) {
                Some(entry) => Served::Version { name, route: entry.bound.clone() },
                None => Served::Pending,
            }
        }
        other => other,
    }
}

/// What keeps an account from being asked about something of an Agent now, and how long yet, where something does. What was seen there as it
/// is wanted stands meanwhile, and nothing is said.
pub(super) fn barred(
    at: &Key,
    (open, opening): (bool, bool),
    trouble: Option<&Trouble>,
    stood: bool,
) -> Option<(Option<Finding>, Option<Duration>)> {
    if !open {
        let text = format!("CarrierAccount {at} is not ready; see its conditions. The numbers keep their route.");
        return Some(((!stood && !opening).then(|| Finding::new(Reason::SharedRouteFailed, text)), None));
    }
    let trouble = trouble.filter(|trouble| !trouble.wait.is_zero())?;
    let reason = match trouble.error.class {
        ErrorClass::Rejected => Reason::SharedRouteRefused,
        _ => Reason::SharedRouteFailed,
    };
    let text = format!("CarrierAccount {at}: {}", trouble.error.text);
    Some(((!stood).then(|| Finding::new(reason, text)), Some(trouble.wait)))
}

/// Decides what to do next about one of the shared routes of `agent`.
pub(super) fn next(agent: &Agent, share: &Share) -> Step {
    let entry = agent.shared_route(&share.account, &share.account_uid);
    let stay = |finding: Option<Finding>, again| Step::Rest { entry: entry.cloned(), finding, again };
    let say = |reason, text: String| Some(Finding::new(reason, text));
    let at = &share.account;
    let (version, wanted) = match &share.serves {
        _ if !share.active => return stay(None, None),
        _ if agent.spec.offline => (None, Route::new()),
        Served::Version { name, route } if !route.is_empty() => (Some(name.clone()), route.clone()),
        Served::Unshareable(version) => {
            let text = format!(
                "{version} uses {{number}} in a webhook, and numbers of CarrierAccount {at} share one route: publish a version without it. \
                 The numbers keep their route."
            );
            return stay(say(Reason::SharedRouteRefused, text), None);
        }
        _ => return stay(None, None),
    };
    // What was wanted and seen before stands while nobody can look.
    let differs = share.sight.as_ref().is_some_and(|sight| sight.route.webhooks != wanted);
    let stood = !differs && entry.is_some_and(|entry| entry.version == version);
    if let Some((finding, again)) = barred(at, (share.open, share.opening), share.trouble.as_ref(), stood) {
        return stay(finding, again);
    }
    let look = || Step::Look(Look::SharedRoutes(at.clone()));
    let Some(sight) = &share.sight else { return look() };
    let SharedRoute { bound, webhooks } = &sight.route;
    let stands = |version, bound: Route| SharedRouteStatus {
        account: at.to_string(),
        account_uid: share.account_uid.clone(),
        version,
        bound,
        hosted_versions: Vec::new(),
    };
    if *webhooks == wanted {
        // What is there for another channel is not to take its place on a number.
        let bound = bound.iter().filter(|(channel, _)| wanted.contains_key(channel));
        let entry = stands(version, bound.map(|(channel, destination)| (*channel, destination.clone())).collect());
        return Step::Rest { entry: Some(entry), finding: None, again: Some(share.due) };
    }
    let makes = share.channels.iter().any(|channel| wanted.contains_key(channel) && !bound.contains_key(channel));
    if makes && entry.is_none() {
        return Step::Rest { entry: Some(stands(None, Route::new())), finding: None, again: Some(Duration::ZERO) };
    }
    if makes && !sight.proves {
        let Some(wait) = policy::LOOK_FOR.checked_sub(sight.age).filter(|wait| !wait.is_zero()) else { return look() };
        let text = format!(
            "A request to CarrierAccount {at} may still take effect or be listed. The operator looks for it before it creates anything \
             there again."
        );
        return stay(say(Reason::SharedRouteFailed, text), Some(wait));
    }
    let put_back = entry.is_some_and(|entry| entry.version == version);
    if put_back && share.put_backs >= policy::PUT_BACKS_PER_HOUR {
        let text = format!(
            "The route that numbers of CarrierAccount {at} share, {} at the carrier, was corrected {} times within an hour and changed \
             again. Find out who changes it, then set the annotation {} on one of these numbers; otherwise it is corrected again after an \
             hour.",
            share.name,
            share.put_backs,
            crate::api::meta::RECONCILE_REQUESTED,
        );
        return stay(say(Reason::SharedRouteConflict, text), Some(share.due));
    }
    Step::Act(Effect::SetSharedRoute(Box::new(SetSharedRoute {
        account: at.clone(),
        name: share.name.clone(),
        current: sight.route.clone(),
        webhooks: wanted,
        put_back,
    })))
}
