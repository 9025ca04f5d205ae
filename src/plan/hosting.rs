//! An Agent's agents on platforms: that they are there, are this Agent's alone, and serve the version that is published.
//!
//! The Agent's status is the journal, as with the routes that numbers share: the entry of the platform's account names a version once the
//! platform was seen to serve it, and numbers wait for that. A platform's own version is found again by its note, or by what the entry
//! remembers; publishing again under the same key does nothing twice.

use std::time::Duration;

use kube::ResourceExt;

use super::{
    Effect, Look, Trouble, policy,
    shared::{Step, barred},
};
use crate::api::{
    Agent,
    agent::{HostedVersionStatus, SharedRouteStatus},
    conditions::{Finding, Reason},
    meta::{Key, RECONCILE_REQUESTED},
    number::{Channel, Destination, HOSTED_AGENT, Route},
    seen::{HostedAgent, HostedVersions},
};

/// How many of its versions an entry remembers the platform's ids of.
const MOST_REMEMBERED: usize = 100;

/// Everything known of one agent on a platform.
#[derive(Clone, Debug)]
pub struct Hosted {
    pub account: Key,
    /// Uid of the CarrierAccount.
    pub account_uid: String,
    /// Whether the account lets the Agent's namespace use it.
    pub allowed: bool,
    /// Whether the account can be used.
    pub open: bool,
    /// Whether nobody has found out yet if it can be.
    pub opening: bool,
    /// The version of ours that serves.
    pub version: String,
    /// The platform's id of the agent.
    pub agent: String,
    /// The platform's version that this version of ours names.
    pub pinned: Option<String>,
    /// What is noted on a version that is published at the platform for this one.
    pub note: String,
    /// Whether another Agent has the hosted agent.
    pub taken: bool,
    /// Whether one of the numbers that it answers may be written for.
    pub active: bool,
    /// Whether the version of ours was frozen by another Agent than this one, which had its name before: what it was there, today's draft does
    /// not tell.
    pub inherited: bool,
    /// How the platform was last seen to have it, unless that is so long ago that it has to be looked at again.
    pub sight: Option<Sight>,
    pub trouble: Option<Trouble>,
    /// How often it was put back within the last hour.
    pub put_backs: u32,
}

/// A look at an agent on a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The agent, where the platform has it.
    pub agent: Option<HostedAgent>,
    /// How long until it has to be looked at again.
    pub due: Duration,
    /// Whether it was looked at in this very pass.
    pub fresh: bool,
}

/// One write at a platform about which version of an agent serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeHosted {
    pub account: Key,
    /// The platform's id of the agent.
    pub agent: String,
    pub serve: Serve,
    /// Whether this puts back what somebody else changed.
    pub put_back: bool,
}

/// What of a hosted agent is to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serve {
    /// Its draft, published with this note, once for this key.
    Draft { note: String, key: String },
    /// A version that was published before.
    Version(String),
}

/// Decides what to do next about one agent on a platform.
pub(super) fn next(agent: &Agent, hosted: &Hosted) -> Step {
    let entry = agent.shared_route(&hosted.account, &hosted.account_uid);
    let at = &hosted.account;
    let stay = |finding: Option<Finding>, again| Step::Rest { entry: entry.cloned(), finding, again };
    let say = |reason, text: String| Some(Finding::new(reason, text));
    if !hosted.allowed {
        // Which of the two it is in another namespace nobody is told.
        let (reason, text) = match agent.namespace().as_deref() == Some(&*at.namespace) {
            true => (
                Reason::PlatformNotFound,
                format!(
                    "CarrierAccount {at} does not exist: create it, or correct the draft's hosted entry and publish another version. The \
                     numbers keep their route."
                ),
            ),
            false => (
                Reason::PlatformNotAllowed,
                format!(
                    "No CarrierAccount {at} allows this namespace. Its owner can add the namespace to spec.allowedNamespaces. The numbers \
                     keep their route."
                ),
            ),
        };
        return stay(say(reason, text), None);
    }
    if hosted.taken {
        let text = format!(
            "Another Agent uses the agent {} of CarrierAccount {at}, and a hosted agent belongs to one Agent: name another in the draft.",
            hosted.agent
        );
        return stay(say(Reason::HostedAgentInUse, text), Some(policy::POLL));
    }
    let stood = entry.is_some_and(|entry| entry.version.as_ref() == Some(&hosted.version));
    if let Some((finding, again)) = barred(at, (hosted.open, hosted.opening), hosted.trouble.as_ref(), stood) {
        return stay(finding, again);
    }
    let Some(sight) = &hosted.sight else { return Step::Look(Look::HostedAgent(at.clone(), hosted.agent.clone())) };
    let Some(there) = &sight.agent else {
        let text = format!(
            "CarrierAccount {at} has no agent {}: it was deleted, or the ID is wrong. Calls to its numbers may not be answered.",
            hosted.agent
        );
        // It stays this Agent's, and serves nobody.
        let entry = entry.map(|entry| SharedRouteStatus { version: None, ..entry.clone() });
        return Step::Rest { entry, finding: say(Reason::HostedAgentNotFound, text), again: Some(sight.due) };
    };
    let finding = (!there.active).then(|| {
        let text = format!(
            "The agent {} is disabled at CarrierAccount {at}: calls are not answered. Enable it there.",
            hosted.agent
        );
        Finding::new(Reason::HostedAgentInactive, text)
    });
    let stands = |id: Option<&str>| {
        let stands = hosted.entry(entry, Some(hosted.version.clone()), id);
        let version = stands.version.clone().filter(|_| there.active);
        let entry = Some(SharedRouteStatus { version, ..stands });
        Step::Rest { entry, finding: finding.clone(), again: Some(sight.due) }
    };
    let Some(versions) = &there.published else { return stands(None) };
    let target = hosted.target(entry, versions);
    if target.is_none() && !sight.fresh {
        // Whether the draft is what serves may have changed since: what is published now is the draft as it is now.
        return Step::Look(Look::HostedAgent(at.clone(), hosted.agent.clone()));
    }
    match (&target, &versions.serving) {
        (Some(target), Some(serving)) if target == serving => return stands(Some(target)),
        // What serves is the draft as it is: it is this version.
        (None, Some(serving)) if !versions.draft_differs && hosted.is_latest(agent) => return stands(Some(serving)),
        _ => {}
    }
    if !hosted.active {
        return stay(None, None);
    }
    if entry.is_none() {
        // Whoever comes after a crash knows that something may be on its way.
        return Step::Rest { entry: Some(hosted.entry(None, None, None)), finding: None, again: Some(Duration::ZERO) };
    }
    let serve = match target {
        Some(target) if versions.known.iter().any(|known| known.id == target) => Serve::Version(target),
        Some(target) => {
            let text = format!(
                "CarrierAccount {at} has no version {target} of the agent {}: correct versionId and publish under a new name.",
                hosted.agent
            );
            return stay(say(Reason::HostedVersionNotFound, text), Some(sight.due));
        }
        // The draft there is today's: under the name of an older version it would serve as what nobody published.
        None if !hosted.is_latest(agent) || hosted.inherited && versions.serving.is_some() => {
            let text = format!(
                "It is not known any more which version of the agent {} at CarrierAccount {at} is {}, and its draft may have changed: \
                 publish a version that names it by versionId.",
                hosted.agent, hosted.version
            );
            return stay(say(Reason::HostedVersionNotFound, text), Some(sight.due));
        }
        None => Serve::Draft { note: hosted.note.clone(), key: hosted.key() },
    };
    let put_back = stood;
    if put_back && hosted.put_backs >= policy::PUT_BACKS_PER_HOUR {
        let text = format!(
            "The version of the agent {} at CarrierAccount {at} was corrected {} times within an hour and changed again. Find out who \
             publishes there, then set the annotation {RECONCILE_REQUESTED} on one of its numbers; otherwise it is corrected again after an \
             hour.",
            hosted.agent, hosted.put_backs,
        );
        return stay(say(Reason::SharedRouteConflict, text), Some(sight.due));
    }
    Step::Act(Effect::ServeHosted(Box::new(ServeHosted {
        account: at.clone(),
        agent: hosted.agent.clone(),
        serve,
        put_back,
    })))
}

impl Hosted {
    /// Whether this version of ours was published last.
    fn is_latest(&self, agent: &Agent) -> bool {
        let known = agent.status.as_ref().and_then(|status| status.versions.last());
        known.is_none_or(|known| known.name == self.version)
    }

    /// The platform's id of what this version of ours is there, where it is anything yet: what the manifest names, what was noted when it
    /// was published, or what the entry remembers.
    fn target(&self, entry: Option<&SharedRouteStatus>, versions: &HostedVersions) -> Option<String> {
        let noted = || {
            versions.known.iter().find(|known| known.note.as_ref() == Some(&self.note)).map(|known| known.id.clone())
        };
        let remembered = || {
            let of = entry?.hosted_versions.iter().find(|of| of.version == self.version)?;
            Some(of.id.clone())
        };
        self.pinned.clone().or_else(remembered).or_else(noted)
    }

    fn entry(
        &self,
        before: Option<&SharedRouteStatus>,
        version: Option<String>,
        id: Option<&str>,
    ) -> SharedRouteStatus {
        let mut hosted_versions = before.map_or_else(Vec::new, |entry| entry.hosted_versions.clone());
        if let Some(id) = id.filter(|id| !hosted_versions.iter().any(|of| of.version == self.version && of.id == **id))
        {
            hosted_versions.retain(|of| of.version != self.version);
            hosted_versions.insert(0, HostedVersionStatus { version: self.version.clone(), id: id.to_owned() });
            hosted_versions.truncate(MOST_REMEMBERED);
        }
        let bound: Route = [(Channel::Voice, Destination::bound(HOSTED_AGENT, Some(self.agent.clone())))].into();
        SharedRouteStatus {
            account: self.account.to_string(),
            account_uid: self.account_uid.clone(),
            bound: if version.is_some() { bound } else { Route::new() },
            version,
            hosted_versions,
        }
    }

    /// The same for every time that this version is published there.
    fn key(&self) -> String {
        crate::api::number::digest_of(&(&self.agent, &self.note))
            .trim_start_matches("sha256:")
            .chars()
            .take(40)
            .collect()
    }
}
