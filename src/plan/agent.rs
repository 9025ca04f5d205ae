//! Publishes an Agent's draft under a new name, rolls back to an old one, and says how far the numbers have come.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::{
    Decision, Effect, Look, Note, Rest,
    hosting::{self, Hosted},
    past::{self, Past, Taken},
    policy,
    shared::{self, Share, Step as Sharing},
    version,
};
use crate::api::{
    Agent, AgentVersion,
    agent::{
        AgentNumbers, AgentStatus, AgentVersionSpec, Draft, DraftState, PublishedVersion, SharedRouteStatus, Versions,
    },
    conditions::{Finding, Reason, conditions},
    meta::{IN_USE_FINALIZER, Key, PUBLISHED},
    number::Route,
};

/// Everything known about one Agent.
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub now: Timestamp,
    pub agent: &'a Agent,
    /// The AgentVersion that `spec.version` names.
    pub wanted: Frozen<'a>,
    /// What is left of an earlier version of that name, where that was asked for in this pass.
    pub past: Option<&'a Past>,
    /// For how long this process has known the object.
    pub known_for: Duration,
    /// How often what was published was noted on the object within the last hour. Somebody may take it off again and again.
    pub noted: u32,
    /// Every version of the agent and how many numbers reach it, in no order.
    pub versions: Vec<(&'a AgentVersion, u32)>,
    /// The routes that its numbers share, one for each account that has them share one.
    pub shared: Vec<Share>,
    /// The agents on platforms that answer its numbers, one for each account.
    pub hosted: Vec<Hosted>,
    /// The platforms among the accounts that its draft and its versions name which take numbers of other carriers.
    pub binders: Vec<Key>,
    /// Numbers that refer to the agent, may, and are not being deleted.
    pub referring: u32,
    /// Those of them that are there and may be routed.
    pub assigned: u32,
    /// One of the PhoneNumbers that refer to it, to name.
    pub user: Option<String>,
    pub definition_going: Option<bool>,
}

/// An AgentVersion, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub enum Frozen<'a> {
    /// Not in the cache, and not read.
    NotRead,
    /// Not there, by a live read.
    Missing,
    Found(&'a AgentVersion),
}

/// What publishing came to.
struct Published {
    finding: Finding,
    /// Set where another version serves from now on.
    moved_to: Option<PublishedVersion>,
    /// When to come back although nothing has changed.
    again: Option<Duration>,
}

impl From<Finding> for Published {
    fn from(finding: Finding) -> Self {
        Self { finding, moved_to: None, again: None }
    }
}

/// Of how many platforms an Agent remembers what served there, beside those that its version names.
const MOST_REMEMBERED: usize = 16;

/// How many names an Agent remembers that were used before it was made.
const MOST_USED_BEFORE: usize = 100;

/// What the routes that its numbers share came to.
struct Shared {
    entries: Vec<SharedRouteStatus>,
    /// What is in the way of one of them.
    finding: Option<Finding>,
    again: Option<Duration>,
    /// What is to be done for one of them.
    step: Option<Decision<AgentStatus>>,
}

/// What publishing needs first.
enum Step {
    Look(Look),
    Act(Effect),
}

/// Says that another version serves than before.
pub fn notes(before: Option<&AgentStatus>, after: &AgentStatus) -> Vec<Note> {
    let Some(serves) = &after.published_version else { return Vec::new() };
    let (reason, text) = match before.and_then(|before| before.published_version.as_ref().map(|was| (before, was))) {
        Some((_, was)) if was == serves => return Vec::new(),
        Some((before, was)) if before.versions.iter().any(|version| version.name == *serves) => {
            ("RolledBack", format!("Rolled back to {serves} from {was}."))
        }
        Some((_, was)) => ("Published", format!("Published {serves}; before it was {was}.")),
        None => ("Published", format!("{serves} serves.")),
    };
    vec![Note { warning: false, reason, text }]
}

/// Decides what to do next for an Agent.
pub fn next(w: &World<'_>) -> Decision<AgentStatus> {
    let held = w.agent.finalizers().iter().any(|finalizer| finalizer == IN_USE_FINALIZER);
    if w.agent.metadata.deletion_timestamp.is_some() {
        return if held { w.end() } else { Decision::Rest(Rest::NOTHING) };
    }
    if !held {
        return Decision::Act(Effect::AddFinalizer(IN_USE_FINALIZER));
    }
    let published = match w.publish() {
        Ok(published) => published,
        Err(Step::Look(look)) => return Decision::Look(look),
        Err(Step::Act(effect)) => return Decision::Act(effect),
    };
    if published.moved_to.is_some() {
        // Only what the status says serves: a crash in between must not leave calls with what nobody has published. Our own write of the
        // status wakes nobody, and what follows from it, down to the note of what was published, is done at once.
        let again = Some(Duration::ZERO);
        return w.rest(published, Shared { entries: w.status().shared_routes, finding: None, again, step: None });
    }
    if w.noted < policy::NOTES_PER_HOUR
        && let Some(names) = past::to_note(w.agent)
    {
        return Decision::Act(Effect::Annotate(PUBLISHED, names));
    }
    if let Some(old) = w.outdated() {
        return Decision::Act(Effect::DeleteVersion(Key::of(old)));
    }
    let mut shared = w.share();
    // What stands is said before anything else is begun: numbers wait for it, and another account may take its time.
    match shared.step.take() {
        Some(step) if shared.entries == w.status().shared_routes => step,
        step => w.rest(published, Shared { again: step.map_or(shared.again, |_| Some(Duration::ZERO)), ..shared }),
    }
}

impl<'a> World<'a> {
    fn status(&self) -> AgentStatus {
        self.agent.status.clone().unwrap_or_default()
    }

    /// Numbers keep their route without their Agent, so only those that would be left without one hold it back.
    fn end(&self) -> Decision<AgentStatus> {
        match self.definition_going {
            None => return Decision::Look(Look::Definition),
            Some(going) if going || self.referring == 0 => {
                return Decision::Act(Effect::RemoveFinalizer(IN_USE_FINALIZER));
            }
            Some(_) => {}
        }
        let text = format!(
            "{} refer to this agent, {} among them: remove spec.agentRef from them or delete them. The Agent is deleted when they are gone.",
            if self.referring == 1 {
                "One PhoneNumber does".to_owned()
            } else {
                format!("{} PhoneNumbers", self.referring)
            },
            self.user.as_deref().unwrap_or("one"),
        );
        let mut status = self.status();
        status.numbers = Some(self.numbers(status.published_version.as_deref()));
        let finding = Finding::new(Reason::InUse, text);
        status.conditions = conditions(&status.conditions, &[finding], self.agent.metadata.generation, self.now);
        Decision::Rest(Rest { status: Some(status), again: None })
    }

    fn publish(&self) -> Result<Published, Step> {
        let status = self.status();
        let stay = |finding: Finding| Ok(finding.into());
        let Some(wanted) = &self.agent.spec.version else {
            return stay(match &status.published_version {
                Some(version) => Finding::new(Reason::Published, format!("{version} serves.")),
                None => Reason::Unpublished.into(),
            });
        };
        let known = status.versions.iter().find(|version| version.name == *wanted);
        let name = AgentVersion::name_of(&self.agent.name_any(), wanted);
        match self.wanted {
            Frozen::NotRead => {
                Err(Step::Look(Look::Version(Key::new(self.agent.namespace().unwrap_or_default(), name))))
            }
            Frozen::Missing => match known {
                Some(known) if !self.is_still(known) => stay(self.gone(known, &name)),
                known => self.freeze(wanted, &name, known.is_some()),
            },
            Frozen::Found(version) => self.serve(wanted, version, known),
        }
    }

    fn gone(&self, known: &PublishedVersion, name: &str) -> Finding {
        let PublishedVersion { name: version, digest } = known;
        let again = match self.agent.spec.versions {
            Versions::Frozen => "change the draft back, ",
            Versions::Applied => "",
        };
        let text = format!(
            "{version} was published before, with the digest {digest}, and AgentVersion {name} was deleted: create it again unchanged, \
             {again}or publish under a new name. {}",
            self.goes_on()
        );
        Finding::new(Reason::VersionDeleted, text)
    }

    /// Whether the draft is what was published under this name, so that it can be made again.
    fn is_still(&self, known: &PublishedVersion) -> bool {
        let draft = self.agent.spec.draft.as_ref().filter(|_| self.agent.spec.versions == Versions::Frozen);
        draft.is_some_and(|draft| draft.digest() == known.digest)
    }

    /// The draft becomes an AgentVersion; it serves only once that is there. This is the one place where that is decided. `again` where
    /// it was that very version before.
    fn freeze(&self, wanted: &str, name: &str, again: bool) -> Result<Published, Step> {
        let draft = match (self.agent.spec.versions, &self.agent.spec.draft) {
            (Versions::Frozen, Some(draft)) => draft,
            _ => {
                let text = format!("The Agent waits for AgentVersion {name}: create it. {}", self.goes_on());
                return Ok(Finding::new(Reason::AwaitingVersion, text).into());
            }
        };
        let digest = draft.digest();
        if let Some(finding) = self.mismatch(&digest) {
            return Ok(finding.into());
        }
        if let Err(why) = self.validate(draft) {
            return Ok(self.invalid(wanted, &why).into());
        }
        if !again && let Some(taken) = self.taken(wanted, &digest)? {
            return Ok(Published { finding: taken.finding, moved_to: None, again: taken.again });
        }
        Err(Step::Act(Effect::CreateVersion(Box::new(self.frozen(wanted, draft)))))
    }

    fn frozen(&self, wanted: &str, draft: &Draft) -> AgentVersionSpec {
        AgentVersionSpec {
            agent: self.agent.name_any(),
            version: wanted.to_owned(),
            webhooks: draft.webhooks.clone(),
            hosted: draft.hosted.clone(),
            config: draft.config.clone(),
        }
    }

    /// Why the draft with this digest must not be frozen under that name, unless whoever gave the digest vouches for it.
    fn taken(&self, wanted: &str, digest: &str) -> Result<Option<Taken>, Step> {
        if self.agent.spec.version_digest.is_some() {
            return Ok(None);
        }
        let Some(past) = self.past else { return Err(Step::Look(Look::Past(wanted.to_owned()))) };
        Ok(past::check(self.agent, wanted, digest, past, self.known_for, &self.goes_on()).err())
    }

    fn serve(&self, wanted: &str, version: &AgentVersion, known: Option<&PublishedVersion>) -> Result<Published, Step> {
        let stay = |finding: Finding| Ok(finding.into());
        let digest = version.spec.draft().digest();
        if let Some(known) = known.filter(|known| known.digest != digest) {
            let text = format!(
                "AgentVersion {} differs from what was published as {}: publish under a new name. {}",
                version.name_any(),
                known.name,
                self.goes_on()
            );
            return stay(Finding::new(Reason::VersionChanged, text));
        }
        if let Some(finding) = self.mismatch(&digest) {
            return stay(finding);
        }
        if let Err(why) = self.validate(&version.spec.draft()) {
            return stay(self.invalid(wanted, &why));
        }
        let serves = self.agent.status.as_ref().and_then(|status| status.published_version.as_deref()) == Some(wanted);
        Ok(Published {
            finding: Finding::new(Reason::Published, format!("{wanted} serves.")),
            moved_to: (!serves || known.is_none()).then(|| PublishedVersion { name: wanted.to_owned(), digest }),
            again: None,
        })
    }

    fn validate(&self, draft: &Draft) -> Result<(), String> {
        version::validate(draft, &self.agent.namespace().unwrap_or_default(), &self.binders)
    }

    fn mismatch(&self, digest: &str) -> Option<Finding> {
        let wanted = self.agent.spec.version_digest.as_deref().filter(|wanted| *wanted != digest)?;
        let text = format!(
            "The digest of what would be published is {digest}, and spec.versionDigest is {wanted}: correct one of them. {}",
            self.goes_on()
        );
        Some(Finding::new(Reason::DigestMismatch, text))
    }

    fn invalid(&self, wanted: &str, why: &str) -> Finding {
        let text = format!(
            "{wanted} is not valid: {why}. Correct the draft and publish it under a new name. {}",
            self.goes_on()
        );
        Finding::new(Reason::VersionInvalid, text)
    }

    fn goes_on(&self) -> String {
        match self.agent.status.as_ref().and_then(|status| status.published_version.as_deref()) {
            Some(version) => format!("{version} still serves."),
            None => "No version serves yet.".to_owned(),
        }
    }

    /// The oldest version that the operator made and that serves nobody, where there are more of them than are to be kept.
    fn outdated(&self) -> Option<&'a AgentVersion> {
        let status = self.agent.status.as_ref()?;
        let age = |version: &AgentVersion| status.versions.iter().position(|known| known.name == version.spec.version);
        let is_ours = |version: &AgentVersion| {
            let owner = version.owner_references().iter().find(|owner| owner.controller == Some(true));
            owner.map(|owner| &owner.uid) == self.agent.metadata.uid.as_ref()
        };
        let mut idle: Vec<(usize, &AgentVersion)> = self
            .versions
            .iter()
            .filter(|(version, numbers)| *numbers == 0 && version.metadata.deletion_timestamp.is_none())
            .filter(|(version, _)| is_ours(version))
            .filter(|(version, _)| Some(&version.spec.version) != status.published_version.as_ref())
            .filter(|(version, _)| Some(&version.spec.version) != self.agent.spec.version.as_ref())
            .filter_map(|(version, _)| Some((age(version)?, *version)))
            .collect();
        idle.sort_by_key(|(age, _)| *age);
        (idle.len() > self.agent.spec.history_limit as usize).then(|| idle[0].1)
    }

    fn share(&self) -> Shared {
        let mut shared = Shared { entries: Vec::new(), finding: None, again: None, step: None };
        let of_carriers = self.shared.iter().map(|share| {
            (self.agent.shared_route(&share.account, &share.account_uid), shared::next(self.agent, share))
        });
        let of_platforms = self.hosted.iter().map(|hosted| {
            (self.agent.shared_route(&hosted.account, &hosted.account_uid), hosting::next(self.agent, hosted))
        });
        for (now, next) in of_carriers.chain(of_platforms) {
            let (entry, step) = match next {
                Sharing::Look(look) => (now.cloned(), Some(Decision::Look(look))),
                Sharing::Act(effect) => (now.cloned(), Some(Decision::Act(effect))),
                Sharing::Rest { entry, finding, again } => {
                    shared.finding = shared.finding.or(finding);
                    shared.again = shared.again.into_iter().chain(again).min();
                    (entry, None)
                }
            };
            shared.entries.extend(entry);
            shared.step = shared.step.or(step);
        }
        shared.entries.extend(self.remembered(&shared.entries));
        shared
    }

    /// What is remembered of platforms that the version does not name which serves now: a roll back points at what served then.
    fn remembered(&self, entries: &[SharedRouteStatus]) -> Vec<SharedRouteStatus> {
        let is_left = |entry: &&SharedRouteStatus| {
            !entry.hosted_versions.is_empty() && !entries.iter().any(|other| other.account == entry.account)
        };
        let known = self.agent.status.iter().flat_map(|status| &status.shared_routes).filter(is_left);
        let silent =
            |entry: &SharedRouteStatus| SharedRouteStatus { version: None, bound: Route::new(), ..entry.clone() };
        known.map(silent).take(MOST_REMEMBERED).collect()
    }

    /// Whether the version that is wanted names agents on platforms.
    fn is_to_be_hosted(&self) -> bool {
        matches!(self.wanted, Frozen::Found(version) if !version.spec.hosted.is_empty())
    }

    /// Whether an agent on a platform has yet to serve this version.
    fn is_hosted_otherwise(&self, entries: &[SharedRouteStatus], version: &str) -> bool {
        let serves = |hosted: &Hosted| {
            let at = hosted.account.to_string();
            let mut entries = entries.iter().filter(|of| of.account == at && of.account_uid == hosted.account_uid);
            entries.any(|entry| entry.version.as_deref() == Some(version))
        };
        !self.hosted.iter().all(serves)
    }

    fn rest(&self, published: Published, shared: Shared) -> Decision<AgentStatus> {
        let mut status = self.status();
        let moves = published.moved_to.is_some();
        if published.finding.reason == Reason::VersionNameUsed {
            self.note_used(&mut status.used_before);
        }
        if let Some(version) = published.moved_to {
            status.published_version = Some(version.name.clone());
            status.published_at = Some(Time(self.now));
            if !status.versions.iter().any(|known| known.name == version.name) {
                status.versions.push(version);
            }
        }
        let draft = self.agent.spec.draft.as_ref().map(Draft::digest);
        let serving = status.published_version.as_ref();
        let serving_digest =
            status.versions.iter().find(|known| Some(&known.name) == serving).map(|known| &known.digest);
        status.draft = serving_digest
            .zip(draft.as_ref())
            .map(|(serves, draft)| if serves == draft { DraftState::Published } else { DraftState::Changed });
        status.draft_digest = draft;
        let numbers = self.numbers(serving.map(String::as_str));
        let pending = match serving {
            Some(_) if moves => self.is_to_be_hosted(),
            Some(version) => self.is_hosted_otherwise(&shared.entries, version),
            None => false,
        };
        let rolled_out =
            shared.finding.unwrap_or_else(|| self.rolled_out(numbers, serving.map(String::as_str), pending));
        status.numbers = Some(numbers);
        status.shared_routes = shared.entries;
        let generation = self.agent.metadata.generation;
        status.conditions = conditions(&status.conditions, &[published.finding, rolled_out], generation, self.now);
        status.observed_generation = generation;
        let again = published.again.into_iter().chain(shared.again).min();
        Decision::Rest(Rest { status: Some(status), again })
    }

    fn numbers(&self, serving: Option<&str>) -> AgentNumbers {
        let routed = self.versions.iter().find(|(version, _)| Some(&*version.spec.version) == serving);
        AgentNumbers { assigned: self.assigned, routed: routed.map_or(0, |(_, numbers)| *numbers) }
    }

    /// What speaks against the wanted name may go, and must not free it by going: it would be published at a time that nobody chose.
    fn note_used(&self, used: &mut Vec<String>) {
        if let Some(wanted) = self.agent.spec.version.as_ref().filter(|wanted| !used.contains(*wanted)) {
            used.push(wanted.clone());
            used.drain(..used.len().saturating_sub(MOST_USED_BEFORE));
        }
    }

    fn rolled_out(&self, numbers: AgentNumbers, serving: Option<&str>, pending: bool) -> Finding {
        let AgentNumbers { assigned, routed } = numbers;
        match serving {
            None => Reason::NothingToRollOut.into(),
            Some(_) if self.agent.spec.offline && routed == 0 => Reason::TakenOffline.into(),
            Some(_) if self.agent.spec.offline => {
                Finding::new(Reason::RollingOut, format!("{routed} numbers still have their route."))
            }
            Some(version) if pending && routed >= assigned => {
                Finding::new(Reason::RollingOut, format!("{version} does not serve on every platform yet."))
            }
            Some(version) if assigned == 0 && routed == 0 => {
                Finding::new(Reason::RolledOut, format!("{version} serves; no number is assigned yet."))
            }
            Some(version) if routed >= assigned => {
                Finding::new(Reason::RolledOut, format!("Every number is routed to {version}."))
            }
            Some(version) => {
                Finding::new(Reason::RollingOut, format!("{routed} of {assigned} numbers are routed to {version}."))
            }
        }
    }
}
