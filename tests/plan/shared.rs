//! The routes that an agent's numbers share: when they are looked at, made, moved, emptied and left alone.

use std::time::Duration;

use dialplane::{
    api::{
        Agent, AgentVersion,
        agent::{AgentVersionSpec, SharedRouteStatus},
        meta::Key,
        number::{Channel, Destination, Route},
        seen::{ErrorClass, SharedRoute},
    },
    plan::{
        AgentRef, Decision, Effect, Look, Served, SetSharedRoute,
        agent::{Frozen, World, next},
        policy,
        shared::{Share, Sight, served},
    },
};

use super::{
    agent::{agent, draft, world},
    scene::{self, SECOND, reason, trouble, version_route},
};

const UID: &str = "uid-account";

fn account() -> Key {
    Key::new("telephony", "telnyx")
}

/// An Agent that serves v1 with one account whose numbers share a route, and what the carrier has of it.
struct Stage {
    agent: Agent,
    versions: Vec<AgentVersion>,
    share: Share,
    carrier: SharedRoute,
    assigned: u32,
    /// What was looked at stays known until the next scan.
    known: bool,
    age: Duration,
    proves: bool,
}

fn id(channel: Channel) -> Destination {
    Destination::bound("connectionId", Some(format!("id-{channel}")))
}

fn frozen(version: &str) -> AgentVersion {
    let spec = AgentVersionSpec {
        hosted: Vec::new(),
        agent: "dental".into(),
        version: version.into(),
        webhooks: draft("engine.example.com").webhooks,
        config: Default::default(),
    };
    AgentVersion::new(&AgentVersion::name_of("dental", version), spec)
}

fn serving(version: &str) -> Served {
    Served::Version { name: version.into(), route: version_route(version) }
}

fn new() -> Stage {
    let share = Share {
        account: account(),
        account_uid: UID.into(),
        open: true,
        opening: false,
        name: "dp1:test:0123".into(),
        channels: &[Channel::Voice, Channel::Sms],
        serves: Served::Nothing,
        active: true,
        sight: None,
        due: Duration::from_secs(600),
        trouble: None,
        put_backs: 0,
    };
    let (carrier, versions) = (SharedRoute::default(), vec![frozen("v1"), frozen("v2")]);
    let agent = agent("engine.example.com");
    Stage { agent, versions, share, carrier, assigned: 1, known: false, age: Duration::ZERO, proves: true }
}

/// [`new`], with v1 standing at the carrier.
fn standing() -> Stage {
    let mut stage = new();
    stage.settle();
    assert_eq!((stage.entry().version.as_deref(), &stage.carrier.webhooks), (Some("v1"), &version_route("v1")));
    stage
}

impl Stage {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn next(&self) -> Decision<dialplane::api::agent::AgentStatus> {
        let wanted = self.versions.iter().find(|v| Some(&v.spec.version) == self.agent.spec.version.as_ref());
        let published = self.agent.status.as_ref().and_then(|status| status.published_version.as_deref());
        let sight = self.known.then(|| Sight { route: self.carrier.clone(), age: self.age, proves: self.proves });
        // Only what the status says is published is served; a test may have it serve something else.
        let serves = match (&self.share.serves, published) {
            (Served::Nothing, Some(version)) => serving(version),
            (serves, _) => serves.clone(),
        };
        next(&World {
            wanted: wanted.map_or(Frozen::Missing, Frozen::Found),
            shared: vec![Share { serves, sight, ..self.share.clone() }],
            assigned: self.assigned,
            ..world(&self.agent)
        })
    }

    /// Does what the plan says until nothing is left to do, and names each thing done.
    fn settle(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for _ in 0..20 {
            match self.next() {
                Decision::Look(look) => {
                    assert_eq!(look, Look::SharedRoutes(account()));
                    assert!(!self.known || !self.proves, "looked twice");
                    (self.known, self.age) = (true, Duration::ZERO);
                    done.push("look".to_owned());
                }
                Decision::Act(Effect::SetSharedRoute(write)) => {
                    done.push(format!("write {}", if write.put_back { "back" } else { "new" }));
                    self.apply(*write);
                }
                Decision::Act(Effect::Annotate(name, value)) => {
                    self.agent.metadata.annotations.get_or_insert_default().insert(name.into(), value);
                }
                Decision::Act(other) => panic!("{other:?}"),
                Decision::Rest(rest) => {
                    let Some(status) = rest.status.filter(|status| Some(status) != self.agent.status.as_ref()) else {
                        return done;
                    };
                    let entry = status.shared_routes.first().map(|entry| entry.version.clone());
                    let said = entry.map_or("none".to_owned(), |version| version.unwrap_or("journal".into()));
                    done.push(format!("status {said} {}", reason(&status.conditions, "RolledOut").unwrap()));
                    self.agent.status = Some(status);
                }
            }
        }
        panic!("does not come to rest: {done:?}");
    }

    fn apply(&mut self, write: SetSharedRoute) {
        assert_eq!(write.current, self.carrier, "decided on what is there");
        for channel in [Channel::Voice, Channel::Sms] {
            if write.webhooks.contains_key(&channel) {
                self.carrier.bound.insert(channel, id(channel));
            }
        }
        self.carrier.webhooks = write.webhooks;
    }

    fn publish(&mut self, version: &str) -> Vec<String> {
        self.agent.spec.version = Some(version.into());
        self.settle()
    }

    fn entry(&self) -> &SharedRouteStatus {
        &self.agent.status.as_ref().unwrap().shared_routes[0]
    }

    /// What the plan says of the rollout, and what it does first.
    fn says(&mut self) -> (String, String) {
        self.settle();
        let conditions = &self.agent.status.as_ref().unwrap().conditions;
        let condition = conditions.iter().find(|c| c.type_() == "RolledOut").unwrap();
        (condition.reason().to_owned(), condition.message.clone().into_owned())
    }

    fn served(&self) -> Served {
        let there = match &self.share.serves {
            Served::Nothing => self.agent.status.as_ref().and_then(|s| s.published_version.as_deref()).map(serving),
            other => Some(other.clone()),
        };
        served(&self.agent, there.unwrap_or(Served::Nothing), &account(), UID)
    }
}

fn bound() -> Route {
    [(Channel::Voice, id(Channel::Voice)), (Channel::Sms, id(Channel::Sms))].into()
}

#[test]
fn it_is_looked_for_journalled_made_and_only_then_said_to_stand() {
    let mut stage = new();
    let done = ["status none RollingOut", "look", "status journal RollingOut", "write new", "status v1 RollingOut"];
    assert_eq!(stage.settle(), done);
    assert_eq!(stage.entry().bound, bound());
    assert!(stage.settle().is_empty(), "and then nothing is written");
}

#[test]
fn numbers_wait_until_it_stands_for_the_version_that_is_published() {
    let mut stage = new();
    assert_eq!(stage.served(), Served::Nothing);
    stage.settle();
    assert_eq!(stage.served(), Served::Version { name: "v1".into(), route: bound() });
    stage.agent.status.as_mut().unwrap().published_version = Some("v2".into());
    assert_eq!(stage.served(), Served::Pending);
    let other = served(&stage.agent, serving("v1"), &account(), "another object of that name");
    assert_eq!(other, Served::Pending);
}

#[test]
fn one_that_is_found_by_its_name_is_used_and_not_made_again() {
    let stage = standing();
    let mut again = new().with(|s| s.carrier = stage.carrier.clone());
    assert_eq!(again.settle(), ["status none RollingOut", "look", "status v1 RollingOut"], "not written at all");
    assert_eq!(again.entry(), stage.entry());
    let mut remade = standing().with(|s| s.share.account_uid = "another".into());
    assert_eq!(remade.settle(), ["status v1 RollingOut"]);
    assert_eq!(remade.entry().account_uid, "another");
}

#[test]
fn publishing_and_rolling_back_are_one_write_and_nothing_is_written_before_it_is_published() {
    let mut stage = standing();
    let moved = ["status v1 RollingOut", "write new", "status v2 RollingOut"];
    assert_eq!(stage.publish("v2"), moved);
    assert_eq!((&stage.carrier.webhooks, &stage.carrier.bound), (&version_route("v2"), &bound()));
    assert_eq!(stage.publish("v1").len(), 3);
    assert_eq!(stage.carrier.webhooks, version_route("v1"));
}

#[test]
fn what_somebody_changed_is_put_back_and_not_for_ever() {
    let changed = |s: &mut Stage| {
        s.carrier.webhooks.insert(Channel::Voice, scene::destination(scene::FOREIGN));
    };
    let mut stage = standing().with(changed);
    assert_eq!(stage.settle(), ["write back"], "status said it already");
    let mut contested = standing().with(changed).with(|s| s.share.put_backs = policy::PUT_BACKS_PER_HOUR);
    let (reason, text) = contested.says();
    assert_eq!(reason, "SharedRouteConflict");
    assert!(text.contains("telephony/telnyx") && text.contains("dp1:test:0123"), "{text}");
    assert!(!text.contains("s3cret"));
    assert_eq!(contested.publish("v2")[1], "write new", "a new version is nobody's drift");
}

#[test]
fn off_the_air_it_leads_nowhere_and_back_again_reaches_the_version() {
    let mut stage = standing().with(|s| s.agent.spec.offline = true);
    assert_eq!(stage.served(), Served::Pending, "it still leads to v1");
    assert_eq!(stage.settle(), ["write new", "status journal TakenOffline"]);
    assert_eq!((stage.carrier.webhooks.len(), stage.carrier.bound.len()), (0, 2));
    assert_eq!(stage.served(), Served::Silent);
    stage.agent.spec.offline = false;
    assert_eq!(stage.served(), Served::Pending);
    assert_eq!(stage.settle()[0], "write new");
    assert_eq!(stage.served(), Served::Version { name: "v1".into(), route: bound() });

    let mut never = new().with(|s| s.agent.spec.offline = true);
    assert_eq!(never.settle(), ["status none TakenOffline", "look", "status journal TakenOffline"], "nothing is made");
}

#[test]
fn a_version_that_differs_from_number_to_number_changes_nothing_and_is_refused() {
    let mut stage = standing();
    stage.share.serves = Served::Unshareable("v2".into());
    stage.agent.spec.version = Some("v2".into());
    let (reason, text) = stage.says();
    assert_eq!(reason, "SharedRouteRefused");
    assert!(text.contains("v2 uses {number}") && text.contains("telephony/telnyx"), "{text}");
    assert_eq!((&stage.carrier.webhooks, stage.entry().version.as_deref()), (&version_route("v1"), Some("v1")));
    assert_eq!(stage.served(), Served::Unshareable("v2".into()));
}

#[test]
fn what_cannot_be_shown_to_be_missing_is_not_made_again() {
    // Whoever came before has journalled it and may have sent it.
    let journalled = |s: &mut Stage| {
        s.settle();
        s.carrier = SharedRoute::default();
        s.proves = false;
    };
    let mut stage = new().with(journalled);
    assert_eq!(stage.settle(), ["status v1 SharedRouteFailed"]);
    let Decision::Rest(rest) = stage.next() else { panic!() };
    assert_eq!(rest.again, Some(policy::LOOK_FOR));
    stage.age = policy::LOOK_FOR;
    assert!(matches!(stage.next(), Decision::Look(Look::SharedRoutes(_))));
    // It comes about after all.
    stage.carrier = SharedRoute { bound: bound(), webhooks: version_route("v1") };
    assert_eq!(stage.settle(), ["status v1 RollingOut"]);
    let mut gone = new().with(journalled).with(|s| s.proves = true);
    assert_eq!(gone.settle(), ["write back"]);
    // To change what is there is safe at any time.
    let mut there = standing().with(|s| s.proves = false);
    assert_eq!(there.publish("v2")[1], "write new");
}

#[test]
fn a_channel_that_the_version_does_not_name_is_not_bound() {
    let mut stage = standing();
    let voice: Route = version_route("v2").into_iter().filter(|(channel, _)| *channel == Channel::Voice).collect();
    stage.share.serves = Served::Version { name: "v2".into(), route: voice.clone() };
    stage.publish("v2");
    assert_eq!((&stage.carrier.webhooks, stage.carrier.bound.len()), (&voice, 2), "the profile is emptied and stays");
    assert_eq!(stage.entry().bound.keys().collect::<Vec<_>>(), [&Channel::Voice]);
}

#[test]
fn what_is_in_the_way_is_said_and_waited_out() {
    let failing = |class, wait| standing().with(|s| s.share.trouble = Some(trouble(class, 1, wait)));
    let published = |mut stage: Stage| {
        stage.publish("v2");
        let (reason, text) = stage.says();
        assert!(text.contains("telephony/telnyx"), "{text}");
        assert_eq!((stage.entry().version.as_deref(), &stage.carrier.webhooks), (Some("v1"), &version_route("v1")));
        reason
    };
    assert_eq!(published(failing(ErrorClass::Transient, 5)), "SharedRouteFailed");
    assert_eq!(published(failing(ErrorClass::Rejected, 600)), "SharedRouteRefused");
    assert_eq!(published(standing().with(|s| s.share.open = false)), "SharedRouteFailed");
    let mut due = failing(ErrorClass::Transient, 0);
    assert_eq!(due.publish("v2")[1], "write new");
    let mut opening = standing().with(|s| (s.share.open, s.share.opening) = (false, true));
    opening.known = false;
    assert!(opening.settle().is_empty(), "after a start there is nothing to say yet");
}

#[test]
fn what_stood_stands_while_nobody_can_look() {
    let mut closed = standing().with(|s| (s.known, s.share.open) = (false, false));
    assert!(closed.settle().is_empty());
    let mut waiting = standing().with(|s| s.share.trouble = Some(trouble(ErrorClass::Transient, 1, 5)));
    waiting.known = false;
    assert!(waiting.settle().is_empty(), "the account says that it does not answer");
    let Decision::Rest(rest) = waiting.next() else { panic!() };
    assert_eq!(rest.again, Some(SECOND * 5));
    waiting.known = true;
    waiting.carrier.webhooks = version_route("v0");
    assert_eq!(waiting.says().0, "SharedRouteFailed", "it was seen not to stand, and cannot be put back");
}

#[test]
fn numbers_that_only_look_on_cause_no_write_and_wait_for_none() {
    let mut stage = new().with(|s| s.share.active = false);
    assert_eq!(stage.settle(), ["status none RollingOut"]);
    let mut stage = standing().with(|s| s.share.active = false);
    assert_eq!(stage.publish("v2"), ["status v1 RollingOut"]);
    assert_eq!((stage.entry().version.as_deref(), stage.served()), (Some("v1"), Served::Pending));

    let looks_on = |served: Served, change: fn(&mut scene::Scene)| {
        let mut scene = scene::routed().with(|s| s.agent = Some(scene::serves(served))).with(change);
        assert!(!scene.settle().iter().any(|done| done.starts_with("write")));
        scene.says()
    };
    assert_eq!(looks_on(Served::Pending, |s| s.number.spec.suspend = true), "Suspended");
    assert_eq!(
        looks_on(Served::Pending, |s| s.number.spec.mode = dialplane::api::phone_number::Mode::Observe),
        "RouteDiffers"
    );
}

#[test]
fn a_number_stays_bound_to_what_leads_nowhere() {
    let mut number = scene::routed();
    let route = number.owned.route.clone();
    let key = Key::new("agents", "dental");
    number.agent = Some(AgentRef::Found { key, offline: true, serves: Served::Silent });
    assert_eq!(number.settle(), ["status AgentOffline"]);
    assert_eq!((number.owned.route.clone(), number.status_mut().route.is_none()), (route, true));
    number.agent = Some(scene::version("v1"));
    assert_eq!(number.settle(), ["status Routed"], "back without a write");
}
