//! Agents on platforms: when they are looked at, published, pointed at and left alone.

use std::time::Duration;

use dialplane::{
    api::{
        Agent, AgentVersion,
        agent::{AgentVersionSpec, HostedOn, SharedRouteStatus},
        meta::{Key, Reference},
        seen::{HostedAgent, HostedVersion, HostedVersions},
    },
    plan::{
        Decision, Effect, Look,
        agent::{Frozen, World, next},
        hosting::{Hosted, Serve, Sight},
        policy,
    },
};

use super::{
    agent::{agent, world},
    scene::reason,
};

const UID: &str = "uid-account";
const ID: &str = "a1";

fn account() -> Key {
    Key::new("agents", "platform")
}

/// An Agent that serves v1 by an agent on a platform, and how the platform has that.
struct Stage {
    agent: Agent,
    pinned: Option<String>,
    taken: bool,
    active: bool,
    inherited: bool,
    put_backs: u32,
    there: Option<HostedAgent>,
    /// How it was seen last, which is believed until the next scan.
    seen: Option<Option<HostedAgent>>,
    /// Whether that was in this pass.
    fresh: bool,
}

/// Nothing was ever published there.
fn new() -> Stage {
    let versions = HostedVersions { serving: None, known: Vec::new(), draft_differs: true };
    let there = HostedAgent { id: ID.into(), active: true, published: Some(versions) };
    Stage {
        agent: agent("engine.example.com"),
        pinned: None,
        taken: false,
        active: true,
        inherited: false,
        put_backs: 0,
        there: Some(there),
        seen: None,
        fresh: false,
    }
}

/// [`new`], with v1 published there.
fn standing() -> Stage {
    let mut stage = new();
    stage.settle();
    assert_eq!((stage.serving(), stage.entry().version.as_deref()), (Some("p1"), Some("v1")));
    stage.fresh = false;
    stage
}

fn note(version: &str) -> String {
    format!("note {version}")
}

impl Stage {
    fn next(&self) -> Decision<dialplane::api::agent::AgentStatus> {
        let wanted = self.agent.spec.version.clone().unwrap();
        let hosted = HostedOn {
            account_ref: Reference { name: "platform".into(), namespace: None },
            agent_id: ID.into(),
            version_id: self.pinned.clone(),
        };
        let spec = AgentVersionSpec {
            agent: "dental".into(),
            version: wanted.clone(),
            webhooks: Default::default(),
            hosted: vec![hosted],
            config: Default::default(),
        };
        let frozen = AgentVersion::new(&AgentVersion::name_of("dental", &wanted), spec);
        let published = self.agent.status.as_ref().and_then(|status| status.published_version.clone());
        let sight = self.seen.clone().map(|agent| Sight { agent, due: Duration::from_secs(600), fresh: self.fresh });
        let hosted = published.map(|version| Hosted {
            account: account(),
            account_uid: UID.into(),
            allowed: true,
            open: true,
            opening: false,
            note: note(&version),
            version,
            agent: ID.into(),
            pinned: self.pinned.clone(),
            taken: self.taken,
            active: self.active,
            inherited: self.inherited,
            sight,
            trouble: None,
            put_backs: self.put_backs,
        });
        next(&World { wanted: Frozen::Found(&frozen), hosted: hosted.into_iter().collect(), ..world(&self.agent) })
    }

    /// Does what the plan says until nothing is left to do, and names each thing done.
    fn settle(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for _ in 0..20 {
            match self.next() {
                Decision::Look(look) => {
                    assert_eq!(look, Look::HostedAgent(account(), ID.into()));
                    assert!(!(self.fresh && self.seen.is_some()), "looked twice in one pass");
                    (self.seen, self.fresh) = (Some(self.there.clone()), true);
                    done.push("look".to_owned());
                }
                Decision::Act(Effect::ServeHosted(write)) => {
                    let back = if write.put_back { " back" } else { "" };
                    done.push(match &write.serve {
                        Serve::Draft { note, .. } => format!("publish {note}{back}"),
                        Serve::Version(id) => format!("point at {id}{back}"),
                    });
                    self.apply(write.serve);
                }
                Decision::Act(Effect::Annotate(name, value)) => {
                    self.agent.metadata.annotations.get_or_insert_default().insert(name.into(), value);
                }
                Decision::Act(other) => panic!("{other:?}"),
                Decision::Rest(rest) => {
                    let Some(status) = rest.status.filter(|status| Some(status) != self.agent.status.as_ref()) else {
                        return done;
                    };
                    let again = if rest.again == Some(Duration::ZERO) { " again" } else { "" };
                    done.push(format!("{}{again}", reason(&status.conditions, "RolledOut").unwrap()));
                    self.agent.status = Some(status);
                }
            }
        }
        panic!("does not come to rest: {done:?}");
    }

    fn apply(&mut self, serve: Serve) {
        let versions = self.published();
        match serve {
            Serve::Draft { note, .. } => {
                let id = format!("p{}", versions.known.len() + 1);
                versions.known.insert(0, HostedVersion { id: id.clone(), note: Some(note) });
                (versions.serving, versions.draft_differs) = (Some(id), false);
            }
            Serve::Version(id) => (versions.serving, versions.draft_differs) = (Some(id), true),
        }
        (self.seen, self.fresh) = (None, false);
    }

    fn published(&mut self) -> &mut HostedVersions {
        self.there.as_mut().unwrap().published.as_mut().unwrap()
    }

    fn serving(&self) -> Option<&str> {
        self.there.as_ref()?.published.as_ref()?.serving.as_deref()
    }

    fn entry(&self) -> &SharedRouteStatus {
        &self.agent.status.as_ref().unwrap().shared_routes[0]
    }

    /// A later pass in which this version is wanted, and what is done in it.
    fn publish(&mut self, version: &str) -> Vec<String> {
        self.agent.spec.version = Some(version.into());
        self.fresh = false;
        self.settle()
    }

    fn scanned(&mut self) -> Vec<String> {
        self.seen = None;
        self.settle()
    }
}

#[test]
fn it_is_looked_at_journalled_published_and_only_then_said_to_serve() {
    let mut stage = new();
    let done =
        ["RollingOut again", "look", "RollingOut again", "publish note v1", "look", "RolledOut"].map(str::to_owned);
    assert_eq!(stage.settle(), done, "without a number as well, and the first time too");
    assert_eq!((&*stage.entry().hosted_versions[0].version, &*stage.entry().hosted_versions[0].id), ("v1", "p1"));
    assert!(stage.settle().is_empty(), "and then nothing is written");
}

#[test]
fn what_is_published_is_the_draft_as_it_is_then_and_not_as_it_was_seen() {
    let mut stage = standing();
    // Edited after the last look, which is believed for other things.
    stage.published().draft_differs = true;
    assert!(stage.settle().is_empty());
    assert_eq!(stage.publish("v2"), ["RollingOut again", "look", "publish note v2", "look", "RolledOut"]);
    assert_eq!(stage.serving(), Some("p2"));
}

#[test]
fn an_old_version_is_pointed_at_and_a_draft_that_serves_is_not_published_again() {
    let mut stage = standing();
    stage.published().draft_differs = true;
    stage.publish("v2");
    assert_eq!(stage.publish("v1"), ["RollingOut again", "point at p1", "look", "RolledOut"]);
    assert_eq!(stage.publish("v2"), ["RollingOut again", "point at p2", "look", "RolledOut"]);
    stage.published().draft_differs = false;
    assert_eq!(stage.publish("v3"), ["RollingOut again", "look", "RolledOut"]);
    assert_eq!(stage.entry().hosted_versions[0].id, "p2", "it is the same there");
}

#[test]
fn a_publication_of_which_nobody_knows_is_found_by_its_note() {
    let mut stage = standing();
    stage.published().draft_differs = true;
    stage.agent.spec.version = Some("v2".into());
    stage.apply(Serve::Draft { note: note("v2"), key: String::new() });
    assert_eq!(stage.settle(), ["RollingOut again", "look", "RolledOut"]);
}

#[test]
fn what_the_manifest_names_is_pointed_at_and_never_published() {
    let mut stage = standing();
    stage.published().draft_differs = true;
    stage.publish("v2");
    stage.pinned = Some("p1".into());
    assert_eq!(stage.publish("v3"), ["RollingOut again", "point at p1", "look", "RolledOut"]);
    stage.pinned = Some("p9".into());
    assert_eq!(stage.publish("v4"), ["RollingOut again", "HostedVersionNotFound"]);
    assert_eq!((stage.serving(), stage.entry().version.as_deref()), (Some("p1"), Some("v3")), "the last one stays");
}

#[test]
fn a_version_that_an_earlier_agent_froze_is_never_todays_draft() {
    let mut stage = new();
    stage.inherited = true;
    stage.published().serving = Some("p7".into());
    assert_eq!(stage.publish("v1"), ["RollingOut again", "look", "RollingOut again", "HostedVersionNotFound"]);
    assert_eq!(stage.serving(), Some("p7"), "what was published there stays");
    stage.published().draft_differs = false;
    stage.seen = None;
    assert_eq!(stage.settle().last().map(String::as_str), Some("RolledOut"), "what serves is the draft");
}

#[test]
fn what_somebody_else_publishes_is_put_back_and_not_for_ever() {
    let mut stage = standing();
    let by_hand = |stage: &mut Stage| {
        let versions = stage.published();
        versions.known.insert(0, HostedVersion { id: "p9".into(), note: None });
        versions.serving = Some("p9".into());
    };
    by_hand(&mut stage);
    assert_eq!(stage.scanned(), ["look", "point at p1 back", "look"]);
    by_hand(&mut stage);
    stage.put_backs = policy::PUT_BACKS_PER_HOUR;
    assert_eq!(stage.scanned(), ["look", "SharedRouteConflict"]);
    stage.published().draft_differs = true;
    assert_eq!(stage.publish("v2"), ["RollingOut again", "look", "publish note v2", "look", "RolledOut"]);
}

#[test]
fn nothing_is_written_for_what_is_another_s_gone_or_only_looked_on() {
    let mut stage = standing();
    stage.published().draft_differs = true;
    stage.taken = true;
    assert_eq!(stage.publish("v2"), ["RollingOut again", "HostedAgentInUse"]);
    stage.taken = false;
    stage.active = false;
    assert_eq!(stage.scanned(), ["look", "RollingOut"]);
    stage.active = true;
    stage.there = None;
    assert_eq!(stage.scanned(), ["look", "HostedAgentNotFound"]);
}
