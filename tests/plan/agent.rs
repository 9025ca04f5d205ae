//! Publishing, rolling back, and what a version is good for.

use std::time::Duration;

use dialplane::{
    api::{
        Agent, AgentVersion,
        agent::{
            AgentSpec, AgentStatus, AgentVersionStatus, Draft, DraftState, UrlTemplate, Versions, Webhook, Webhooks,
        },
        meta::{IN_USE_FINALIZER, PUBLISHED},
    },
    plan::{
        Decision, Effect, Look, Rest,
        agent::{self, Frozen},
        past::Past,
        version,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::ResourceExt as _;

use super::scene::{now, reason};

/// An Agent and its versions, with how many numbers reach each.
struct Stage {
    agent: Agent,
    versions: Vec<(AgentVersion, u32)>,
    /// Whether the cache shows the wanted version; if not, a live read decides.
    cached: bool,
    read: bool,
    assigned: u32,
    going: Option<bool>,
}

pub fn draft(host: &str) -> Draft {
    let url = UrlTemplate(format!("https://{host}/{{agent}}/{{version}}/voice"));
    let voice = Webhook { url, method: Default::default(), fallback_url: None, fallback_method: Default::default() };
    Draft { webhooks: Webhooks { voice: Some(voice), ..Webhooks::default() }, ..Draft::default() }
}

/// An Agent that wants v1, of this draft.
pub fn agent(host: &str) -> Agent {
    let spec = AgentSpec {
        draft: Some(draft(host)),
        versions: Default::default(),
        version: Some("v1".into()),
        version_digest: None,
        offline: false,
        allowed_namespaces: Default::default(),
        history_limit: 10,
    };
    let mut agent = Agent::new("dental", spec);
    agent.metadata.namespace = Some("agents".into());
    agent.metadata.finalizers = Some(vec![IN_USE_FINALIZER.into()]);
    agent
}

/// What is known of an Agent about which nothing is known.
pub fn world(agent: &Agent) -> agent::World<'_> {
    agent::World {
        hosted: Vec::new(),
        binders: Vec::new(),
        now: now(),
        agent,
        wanted: Frozen::Missing,
        past: None,
        known_for: Duration::ZERO,
        noted: 0,
        versions: Vec::new(),
        shared: Vec::new(),
        referring: 0,
        assigned: 0,
        user: None,
        definition_going: None,
    }
}

fn new() -> Stage {
    let mut agent = agent("one.example.com");
    agent.metadata.uid = Some("uid-a".into());
    agent.metadata.generation = Some(1);
    Stage { agent, versions: Vec::new(), cached: true, read: true, assigned: 0, going: None }
}

/// [`new`], with v1 published.
fn published() -> Stage {
    let mut stage = new();
    assert_eq!(stage.settle(), ["freeze v1", "status Published"]);
    stage
}

fn made(version: dialplane::api::agent::AgentVersionSpec) -> AgentVersion {
    let mut made = AgentVersion::new(&AgentVersion::name_of(&version.agent, &version.version), version);
    let owner = OwnerReference { uid: "uid-a".into(), controller: Some(true), ..OwnerReference::default() };
    made.metadata.owner_references = Some(vec![owner]);
    made
}

impl Stage {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn next(&self) -> Decision<AgentStatus> {
        let wanted = self.agent.spec.version.as_ref();
        let found = self.versions.iter().find(|(version, _)| Some(&version.spec.version) == wanted);
        let past = Past { listed: true, ..Past::default() };
        let wanted = match (found, self.read) {
            (Some((version, _)), _) if self.cached => Frozen::Found(version),
            (_, false) => Frozen::NotRead,
            (Some((version, _)), true) => Frozen::Found(version),
            (None, true) => Frozen::Missing,
        };
        agent::next(&agent::World {
            wanted,
            past: Some(&past),
            versions: self.versions.iter().map(|(version, numbers)| (version, *numbers)).collect(),
            referring: self.assigned,
            assigned: self.assigned,
            user: Some("clinic/front-desk".into()),
            definition_going: self.going,
            ..world(&self.agent)
        })
    }

    fn settle(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for _ in 0..20 {
            match self.next() {
                Decision::Act(Effect::CreateVersion(version)) => {
                    done.push(format!("freeze {}", version.version));
                    self.versions.push((made(*version), 0));
                }
                Decision::Act(Effect::DeleteVersion(key)) => {
                    done.push(format!("prune {}", key.name));
                    self.versions.retain(|(version, _)| version.metadata.name.as_ref() != Some(&key.name));
                }
                // Nothing depends on when that is done.
                Decision::Act(Effect::Annotate(name, value)) => {
                    self.agent.metadata.annotations.get_or_insert_default().insert(name.into(), value);
                }
                Decision::Act(other) => panic!("{other:?}"),
                Decision::Look(_) => self.read = true,
                Decision::Rest(rest) => {
                    let Some(status) = rest.status.filter(|s| Some(s) != self.agent.status.as_ref()) else {
                        return done;
                    };
                    done.push(format!("status {}", reason(&status.conditions, "Published").unwrap()));
                    self.agent.status = Some(status);
                    // The operator's own write wakes nobody.
                    if rest.again.is_none() {
                        return done;
                    }
                }
            }
        }
        panic!("does not come to rest: {done:?}");
    }

    fn publish(&mut self, version: &str) -> Vec<String> {
        self.agent.spec.version = Some(version.into());
        self.settle()
    }

    fn says(&self, of: &str) -> String {
        match self.next() {
            Decision::Rest(Rest { status: Some(status), .. }) => reason(&status.conditions, of).expect(of).to_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn serving(&self) -> Option<&str> {
        self.agent.status.as_ref()?.published_version.as_deref()
    }

    fn lose(&mut self, version: &str) {
        self.versions.retain(|(v, _)| v.spec.version != version);
    }
}

#[test]
fn an_agent_is_held_by_a_finalizer_before_anything_is_published() {
    let stage = new().with(|s| s.agent.metadata.finalizers = None);
    assert_eq!(stage.next(), Decision::Act(Effect::AddFinalizer(IN_USE_FINALIZER)));
}

#[test]
fn naming_a_version_freezes_the_draft_and_only_then_serves_it() {
    let mut stage = published();
    assert_eq!(stage.serving(), Some("v1"));
    assert_eq!(stage.versions[0].0.spec.draft(), draft("one.example.com"));
    let noted = stage.agent.annotations().get(PUBLISHED).expect("a backup that is made now knows what was published");
    assert!(noted.starts_with("v1=sha256:"), "{noted}");
    assert!(stage.settle().is_empty(), "and then nothing is written");
}

#[test]
fn an_agent_without_a_version_serves_nothing_and_says_so() {
    let stage = new().with(|s| s.agent.spec.version = None);
    assert_eq!((stage.says("Published"), stage.says("RolledOut")), ("Unpublished".into(), "NothingToRollOut".into()));
}

#[test]
fn a_version_that_the_cache_does_not_show_is_read_before_it_is_made() {
    let stage = new().with(|s| s.read = false);
    assert!(matches!(stage.next(), Decision::Look(Look::Version(key)) if key.to_string() == "agents/dental.v1"));
    let mut behind = published().with(|s| s.cached = false).with(|s| s.read = false);
    assert!(behind.settle().is_empty(), "a cache that lags is not VersionDeleted");
}

#[test]
fn editing_the_draft_changes_nothing_but_what_is_said_of_it() {
    let mut stage = published().with(|s| s.agent.spec.draft = Some(draft("two.example.com")));
    assert_eq!(stage.settle(), ["status Published"]);
    assert_eq!(stage.agent.status.as_ref().unwrap().draft, Some(DraftState::Changed));
    assert_eq!(stage.versions[0].0.spec.draft(), draft("one.example.com"));
    assert_eq!(stage.publish("v2"), ["freeze v2", "status Published"]);
    assert_eq!(stage.agent.status.as_ref().unwrap().draft, Some(DraftState::Published));
}

#[test]
fn an_older_name_rolls_back_and_freezes_nothing() {
    let mut stage = published().with(|s| s.agent.spec.draft = Some(draft("two.example.com")));
    stage.publish("v2");
    assert_eq!(stage.publish("v1"), ["status Published"]);
    let status = stage.agent.status.as_ref().unwrap();
    assert_eq!((stage.serving(), status.versions.len()), (Some("v1"), 2));
    assert_eq!(status.draft, Some(DraftState::Changed), "the draft is v2's");
}

#[test]
fn each_change_of_what_serves_is_told() {
    let mut stage = new();
    let mut told = Vec::new();
    for version in ["v1", "v2", "v1", "v1"] {
        let before = stage.agent.status.clone();
        stage.agent.spec.draft = Some(draft(if version == "v1" { "one.example.com" } else { "two.example.com" }));
        stage.publish(version);
        let notes = agent::notes(before.as_ref(), stage.agent.status.as_ref().unwrap());
        told.extend(notes.into_iter().map(|note| format!("{}: {}", note.reason, note.text)));
    }
    assert_eq!(
        told,
        [
            "Published: v1 serves.",
            "Published: Published v2; before it was v1.",
            "RolledBack: Rolled back to v1 from v2."
        ]
    );
}

#[test]
fn removing_the_version_line_leaves_the_last_version_serving() {
    let mut stage = published().with(|s| s.agent.spec.version = None);
    assert!(stage.settle().is_empty());
    assert_eq!(stage.serving(), Some("v1"));
}

#[test]
fn a_name_is_used_once() {
    let edit = |s: &mut Stage| s.agent.spec.draft = Some(draft("two.example.com"));
    let mut stage = published().with(edit);
    stage.publish("v2");
    stage.lose("v1");
    assert_eq!(stage.publish("v1"), ["status VersionDeleted"]);
    assert_eq!((stage.serving(), stage.versions.len()), (Some("v2"), 1));
    let mut live = published().with(edit).with(|s| s.lose("v1"));
    assert_eq!(live.settle(), ["status VersionDeleted"], "also the name of the one that serves");
}

#[test]
fn a_version_that_is_gone_is_made_again_of_the_very_draft_that_it_was() {
    let mut stage = published().with(|s| s.lose("v1"));
    stage.agent.spec.draft = Some(draft("two.example.com"));
    stage.agent.spec.version_digest = Some(draft("two.example.com").digest());
    assert_eq!(stage.settle(), ["status VersionDeleted"], "that is another draft, whoever vouches for it");
    stage.agent.spec.draft = Some(draft("one.example.com"));
    stage.agent.spec.version_digest = None;
    assert_eq!(stage.settle(), ["freeze v1", "status Published"], "whatever else remembers the name");
}

#[test]
fn with_applied_versions_nothing_is_frozen_and_no_draft_is_needed() {
    let applied = |s: &mut Stage| s.agent.spec.versions = Versions::Applied;
    for draftless in [false, true] {
        let mut stage = new().with(applied);
        stage.agent.spec.draft.take_if(|_| draftless);
        assert_eq!(stage.settle(), ["status AwaitingVersion"]);
        stage.agent.spec.version_digest = Some(draft("one.example.com").digest());
        assert_eq!(stage.settle(), [] as [&str; 0], "a digest does not freeze one either");
        stage.versions.push((published().versions.remove(0).0, 0));
        assert_eq!(stage.settle(), ["status Published"]);
        assert_eq!(stage.agent.status.as_ref().unwrap().draft_digest.is_none(), draftless);
        stage.lose("v1");
        assert_eq!(stage.settle(), ["status VersionDeleted"]);
        assert_eq!(stage.publish("v2"), ["status AwaitingVersion"]);
        assert_eq!(stage.serving(), Some("v1"));
    }
}

#[test]
fn a_version_that_is_not_the_one_published_under_its_name_does_not_serve() {
    let mut stage = published();
    stage.publish("v2");
    stage.versions[0].0.spec.webhooks = draft("evil.example.com").webhooks;
    assert_eq!(stage.publish("v1"), ["status VersionChanged"]);
    assert_eq!(stage.serving(), Some("v2"));
}

#[test]
fn a_digest_that_does_not_match_publishes_nothing_frozen_or_not() {
    let wrong = |s: &mut Stage| s.agent.spec.version_digest = Some("sha256:0".into());
    let mut stage = new().with(wrong);
    assert_eq!(stage.settle(), ["status DigestMismatch"]);
    assert_eq!((stage.serving(), stage.versions.len()), (None, 0));
    let mut stage = published();
    stage.publish("v2");
    assert_eq!(stage.with(wrong).publish("v1"), ["status DigestMismatch"]);
    let right = new().with(|s| s.agent.spec.version_digest = Some(draft("one.example.com").digest()));
    assert_eq!({ right }.settle(), ["freeze v1", "status Published"]);
}

#[test]
fn a_draft_that_cannot_serve_is_not_frozen_and_the_last_version_goes_on() {
    let mut stage = published().with(|s| s.agent.spec.draft = Some(draft("exa mple.com")));
    assert_eq!(stage.publish("v2"), ["status VersionInvalid"]);
    assert_eq!((stage.serving(), stage.versions.len()), (Some("v1"), 1));
}

#[test]
fn a_version_applied_by_hand_serves_as_it_is() {
    let by_hand = |s: &mut Stage| {
        let version = new().agent.spec.version.unwrap();
        let spec = dialplane::api::agent::AgentVersionSpec {
            hosted: Vec::new(),
            agent: "dental".into(),
            version,
            webhooks: draft("pipeline.example.com").webhooks,
            config: Default::default(),
        };
        s.versions.push((AgentVersion::new("dental.v1", spec), 0));
    };
    let mut stage = new().with(by_hand);
    assert_eq!(stage.settle(), ["status Published"]);
    assert_eq!(stage.agent.status.as_ref().unwrap().draft, Some(DraftState::Changed));
    let mut broken = new().with(by_hand).with(|s| s.versions[0].0.spec.webhooks = draft("exa mple.com").webhooks);
    assert_eq!(broken.settle(), ["status VersionInvalid"]);
}

#[test]
fn a_rollout_is_counted_and_an_offline_agent_has_none() {
    let mut stage = published().with(|s| s.assigned = 2);
    assert_eq!(stage.says("RolledOut"), "RollingOut");
    stage.versions[0].1 = 2;
    assert_eq!(stage.says("RolledOut"), "RolledOut");
    stage.agent.spec.offline = true;
    assert_eq!(stage.says("RolledOut"), "RollingOut");
    stage.versions[0].1 = 0;
    assert_eq!(stage.says("RolledOut"), "TakenOffline");
    assert_eq!(stage.says("Ready"), "TakenOffline", "it is as wanted, and says that it is off the air");
    assert_eq!(stage.serving(), Some("v1"));
}

#[test]
fn history_is_pruned_oldest_first_and_never_what_serves_is_wanted_routed_or_made_by_others() {
    let filled = || {
        let mut stage = published();
        for version in ["v2", "v3", "v4", "v5"] {
            stage.publish(version);
        }
        stage
    };
    assert_eq!(filled().with(|s| s.agent.spec.history_limit = 2).settle(), ["prune dental.v1", "prune dental.v2"]);
    let none = |s: &mut Stage| s.agent.spec.history_limit = 0;
    assert_eq!(filled().with(none).settle().len(), 4, "v5 serves");
    assert_eq!(filled().with(none).with(|s| s.versions[0].1 = 1).settle().len(), 3, "v1 is routed");
    let by_hand = |s: &mut Stage| s.versions[0].0.metadata.owner_references = None;
    assert_eq!(filled().with(none).with(by_hand).settle().len(), 3, "v1 was applied by hand");
    let going = |s: &mut Stage| s.versions[0].0.metadata.deletion_timestamp = Some(Time(now()));
    assert_eq!(filled().with(none).with(going).settle().len(), 3, "v1 is going already");
    let wanted = filled().with(none).with(|s| {
        s.agent.spec.version = Some("v1".into());
        s.agent.spec.version_digest = Some("sha256:0".into());
    });
    let mut wanted = wanted;
    assert!(!wanted.settle().contains(&"prune dental.v1".to_owned()), "v1 is wanted");
}

#[test]
fn names_of_pruned_versions_stay_used() {
    let mut stage = published().with(|s| s.agent.spec.history_limit = 0);
    stage.agent.spec.draft = Some(draft("two.example.com"));
    assert_eq!(stage.publish("v2"), ["freeze v2", "status Published", "prune dental.v1"]);
    assert_eq!(stage.publish("v1"), ["status VersionDeleted"]);
}

#[test]
fn an_agent_stays_while_a_number_refers_to_it() {
    let delete = |s: &mut Stage| s.agent.metadata.deletion_timestamp = Some(Time(now()));
    let stage = published().with(delete).with(|s| s.assigned = 1);
    assert_eq!(stage.next(), Decision::Look(Look::Definition));
    let stage = stage.with(|s| s.going = Some(false));
    assert_eq!(stage.says("Ready"), "InUse");
    let gone = Decision::Act(Effect::RemoveFinalizer(IN_USE_FINALIZER));
    assert_eq!(stage.with(|s| s.assigned = 0).next(), gone);
    assert_eq!(published().with(delete).with(|s| s.assigned = 1).with(|s| s.going = Some(true)).next(), gone);
    let let_go = published().with(delete).with(|s| s.agent.metadata.finalizers = None);
    assert_eq!(let_go.next(), Decision::Rest(Rest::NOTHING));
}

// AgentVersion.

fn of_version(
    change: impl FnOnce(&mut AgentVersion),
    numbers: u32,
    going: Option<bool>,
) -> Decision<AgentVersionStatus> {
    let stage = published();
    let mut version = stage.versions[0].0.clone();
    version.metadata.finalizers = Some(vec![IN_USE_FINALIZER.into()]);
    change(&mut version);
    version::next(&version::World {
        binders: Vec::new(),
        now: now(),
        version: &version,
        agent: Some(&stage.agent),
        numbers,
        definition_going: going,
    })
}

fn version_says(decision: Decision<AgentVersionStatus>, of: &str) -> String {
    match decision {
        Decision::Rest(Rest { status: Some(status), .. }) => reason(&status.conditions, of).expect(of).to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_version_says_whether_it_can_serve_and_whether_it_does() {
    assert_eq!(version_says(of_version(|_| {}, 0, None), "Live"), "Live");
    assert_eq!(version_says(of_version(|v| v.spec.version = "v0".into(), 0, None), "Live"), "NotLive");
    let broken = of_version(|v| v.spec.webhooks = draft("exa mple.com").webhooks, 0, None);
    assert_eq!(version_says(broken, "Ready"), "NotValid");
    let first = of_version(|v| v.metadata.finalizers = None, 0, None);
    assert_eq!(first, Decision::Act(Effect::AddFinalizer(IN_USE_FINALIZER)));
}

#[test]
fn a_version_stays_while_a_number_reaches_it() {
    let delete = |v: &mut AgentVersion| v.metadata.deletion_timestamp = Some(Time(now()));
    assert_eq!(of_version(delete, 1, None), Decision::Look(Look::Definition));
    assert_eq!(version_says(of_version(delete, 1, Some(false)), "Ready"), "InUse");
    let gone = Decision::Act(Effect::RemoveFinalizer(IN_USE_FINALIZER));
    assert_eq!(of_version(delete, 0, Some(false)), gone);
    assert_eq!(of_version(delete, 1, Some(true)), gone);
}
