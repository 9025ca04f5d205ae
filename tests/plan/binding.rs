//! A number that an agent on a platform answers: journalled, put on, kept, moved and taken off.

use std::{collections::BTreeMap, time::Duration};

use dialplane::{
    api::{
        claim::ClaimedAccount,
        meta::Key,
        number::{Channel, Destination, HOSTED_AGENT},
        phone_number::{DriftPolicy, Extra, Mode, NumberConfig, OnDelete},
        seen::{ErrorClass, OwnedNumber},
    },
    plan::{
        BindingChange, Decision, Effect, ExtraSight, HostedAt, Lending, Look, PlatformView, Seen, Served, SetBinding,
        Trouble, number, policy,
    },
};

use super::scene::{self, Scene, e164, owned, reason, serves, shown, trouble, version};

const SCAN: Duration = Duration::from_secs(600);
const PLATFORM_URL: &str = "https://platform.example.com/voice";

fn platform() -> Key {
    Key::new("clinic", "platform")
}

/// A PhoneNumber whose agent is hosted, and the platform as a simulator would have it.
struct Stage {
    scene: Scene,
    row: Option<OwnedNumber>,
    /// Whether the platform was looked at in this pass.
    looked: bool,
    open: bool,
    gone: bool,
    lags: bool,
    taken_off: bool,
    unsettled: Duration,
    lending: Lending,
    /// By which credentials the number was last put on there, as far as this process knows.
    given: Option<String>,
    /// Whether another platform, which should answer from now on, may be lent to.
    next: Option<Lending>,
    /// The extras that are on at the platform, and those that were seen.
    on: BTreeMap<Extra, bool>,
    seen: BTreeMap<Extra, ExtraSight>,
    as_bound: bool,
    extras_trouble: Option<Trouble>,
}

fn other_platform() -> Key {
    Key::new("clinic", "other")
}

fn hosted(version: &str, agent: &str) -> Served {
    let account = ClaimedAccount::of(&platform(), "key-1");
    Served::Hosted(HostedAt { version: version.into(), account, agent: agent.into() })
}

fn row(agent: &str) -> OwnedNumber {
    let there = Destination::bound(HOSTED_AGENT, Some(agent.into()));
    owned(e164().as_str(), e164(), [(Channel::Voice, there)].into())
}

fn lent() -> Lending {
    Lending::Lent("first".into())
}

/// An imported number that somebody routed by hand, with an agent whose v1 is hosted.
fn new() -> Stage {
    Stage {
        scene: scene::new().with(|s| s.agent = Some(serves(hosted("v1", "a1")))),
        row: None,
        looked: false,
        open: true,
        gone: false,
        lags: false,
        taken_off: false,
        unsettled: Duration::ZERO,
        lending: lent(),
        given: None,
        next: None,
        on: BTreeMap::new(),
        seen: BTreeMap::new(),
        as_bound: false,
        extras_trouble: None,
    }
}

/// [`new`], answered by the platform.
fn bound() -> Stage {
    let mut stage = new();
    stage.settle();
    stage
}

impl Stage {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn next(&self) -> Decision<dialplane::api::phone_number::PhoneNumberStatus> {
        let binding = match &self.row {
            Some(number) => Seen::Present { number, fresh: self.looked },
            None => Seen::Absent { fresh: self.looked },
        };
        let view = PlatformView {
            key: platform(),
            gone: self.gone,
            open: self.open,
            opening: false,
            binding,
            lags: self.lags,
            taken_off: self.taken_off,
            doubtful: false,
            unsettled: self.unsettled,
            lending: self.lending.clone(),
            given: self.given.clone(),
            extras: self.seen.clone(),
        };
        let next_platform = self.next.clone().map(|lending| PlatformView {
            key: other_platform(),
            binding: Seen::Unseen,
            lending,
            ..view.clone()
        });
        let extras_trouble = self.extras_trouble.as_ref();
        number::next(&number::World { platform: Some(view), next_platform, extras_trouble, ..self.scene.world() })
    }

    /// Does what the plan says until it rests, and names each write at the platform and at the carrier. Nothing but the objects, the
    /// platform and the carrier outlives a step: it is as if the process ended after each.
    fn settle(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for _ in 0..40 {
            match self.next() {
                Decision::Look(Look::Bindings(_)) => {
                    assert!(!self.looked, "looked twice in one pass: {done:?}");
                    self.looked = true;
                    continue;
                }
                Decision::Look(Look::Number { .. }) => {
                    assert!(!self.scene.fresh, "looked twice in one pass: {done:?}");
                    self.scene.fresh = true;
                    continue;
                }
                Decision::Look(Look::Extra { extra, .. }) => {
                    let on = self.on.get(&extra).copied().unwrap_or_default();
                    let sight = ExtraSight { on, due: SCAN, fresh: true, as_bound: self.as_bound };
                    let before = self.seen.insert(extra, sight);
                    assert!(before.is_none_or(|before| !before.fresh), "looked twice in one pass: {done:?}");
                    done.push(format!("look at {}", extra.as_str()));
                    continue;
                }
                Decision::Look(Look::Definition) => {
                    self.scene.definition_going = Some(false);
                    continue;
                }
                Decision::Look(look) => panic!("{look:?} is for the test to answer"),
                Decision::Act(Effect::SetBinding(write)) => done.push(self.set(*write)),
                Decision::Act(effect) => {
                    let what = self.scene.apply(effect);
                    done.extend(what.starts_with("write").then_some(what));
                }
                Decision::Rest(rest) => {
                    let news = rest.status.filter(|status| Some(status) != self.scene.number.status.as_ref());
                    let Some(status) = news else { return done };
                    self.scene.number.status = Some(status);
                }
            }
            (self.looked, self.scene.fresh) = (false, false);
            self.seen.values_mut().for_each(|sight| sight.fresh = false);
        }
        panic!("does not come to rest: {done:?}");
    }

    /// As the platform does it: its webhooks come with the number and go with it.
    fn set(&mut self, write: SetBinding) -> String {
        let voice = |url| (Channel::Voice, scene::destination(url));
        match write.change {
            BindingChange::Bind { agent, config } => {
                assert_eq!(self.row, None, "what another agent answers is refused");
                self.row = Some(OwnedNumber { config: Some(config.into()), ..row(&agent) });
                (self.taken_off, self.as_bound) = (false, true);
                (self.on, self.seen) = Default::default();
                self.scene.owned.route.extend([voice(PLATFORM_URL)]);
                format!("bind {agent}")
            }
            BindingChange::Unbind => {
                self.row = None;
                self.taken_off = true;
                self.scene.owned.route.extend([voice("")]);
                "unbind".into()
            }
            BindingChange::Move { agent, config } => {
                assert!(self.row.is_some(), "what nobody answers is not taken off");
                self.row = Some(OwnedNumber { config: Some(config.into()), ..row(&agent) });
                self.scene.owned.route.extend([voice(PLATFORM_URL)]);
                if let Lending::Lent(credentials) = &self.lending {
                    self.given = Some(credentials.clone());
                }
                format!("move to {agent}")
            }
            BindingChange::Configure(config) => {
                self.row.as_mut().expect("a row").config = Some(config.into());
                "configure".into()
            }
            BindingChange::Switch { extra, on } => {
                self.on.insert(extra, on);
                self.as_bound = false;
                self.seen.insert(extra, ExtraSight { on, due: SCAN, fresh: false, as_bound: false });
                let what = if write.put_back { "put back" } else { "switch" };
                format!("{what} {} {}", extra.as_str(), if on { "on" } else { "off" })
            }
        }
    }

    /// The reason of `Routed` that the plan rests with.
    #[track_caller]
    fn says(&self) -> String {
        match self.next() {
            Decision::Rest(rest) => reason(&rest.status.unwrap().conditions, "Routed").unwrap().to_owned(),
            other => panic!("no rest: {other:?}"),
        }
    }

    fn is_restored(&self) -> bool {
        self.scene.owned.route == shown([(Channel::Voice, scene::destination(scene::FOREIGN))].into())
    }
}

#[test]
fn the_claim_names_the_platform_before_it_is_asked_and_what_it_set_afterwards() {
    let mut stage = new();
    let mut journalled = false;
    while stage.row.is_none() {
        match stage.next() {
            Decision::Act(Effect::SetBinding(write)) => {
                journalled = stage.scene.claim_mut().bound.as_ref().is_some_and(|bound| bound.agent == "a1");
                stage.set(*write);
            }
            Decision::Act(effect) => drop(stage.scene.apply(effect)),
            Decision::Look(_) => (stage.looked, stage.scene.fresh) = (true, true),
            Decision::Rest(rest) => panic!("{rest:?}"),
        }
    }
    assert!(journalled, "whoever comes after a crash knows whom to ask");
    assert_eq!(stage.settle(), Vec::<String>::new());
    let claim = stage.scene.claim_mut().clone();
    assert_eq!(claim.bound.unwrap().route[&Channel::Voice], scene::destination(PLATFORM_URL));
    assert_eq!(claim.previous[&Channel::Voice], scene::destination(scene::FOREIGN));
    assert_eq!(stage.says(), "Routed");
}

#[test]
fn once_it_answers_nothing_more_is_written() {
    assert_eq!(new().settle(), ["bind a1"]);
    assert_eq!(bound().settle(), Vec::<String>::new());
}

#[test]
fn drift_at_the_carrier_is_put_back_there_and_drift_at_the_platform_there() {
    let mut carrier = bound().with(|s| s.scene.set(Channel::Voice, "https://hijack.example.com/"));
    assert_eq!(carrier.settle(), ["write voice=platform.example.com"]);
    assert_eq!(bound().with(|s| s.row = None).settle(), ["bind a1"]);
    assert_eq!(bound().with(|s| s.row = Some(row("theirs"))).settle(), ["move to a1"]);
    let contested = bound().with(|s| (s.row, s.scene.put_backs, s.looked) = (None, policy::PUT_BACKS_PER_HOUR, true));
    assert_eq!(contested.says(), "RouteConflict");
}

#[test]
fn another_agent_of_the_platform_and_webhooks_come_by_taking_it_off_first() {
    let mut moved = bound().with(|s| s.scene.agent = Some(serves(hosted("v2", "a2"))));
    assert_eq!(moved.settle(), ["move to a2"]);
    let mut half = bound().with(|s| s.scene.agent = Some(serves(hosted("v2", "a2"))));
    half.settle_until_bind();
    (half.row, half.looked, half.scene.fresh) = (None, false, false);
    assert_eq!(half.settle(), ["bind a2"], "whoever comes after a crash finishes it");
    let mut left = bound().with(|s| s.scene.agent = Some(version("v2")));
    assert_eq!(left.settle(), ["unbind", "write voice=engine.example.com sms=engine.example.com"]);
    assert_eq!(left.scene.claim_mut().bound, None);
    let mut pooled = bound().with(|s| s.scene.agent = None);
    assert_eq!(pooled.settle(), ["unbind"]);
}

#[test]
fn other_credentials_are_given_with_the_number_and_once() {
    let renew = |s: &mut Stage| s.lending = Lending::Lent("second".into());
    let mut stage = bound().with(renew);
    assert_eq!(stage.settle(), ["move to a1"]);
    let claimed = stage.scene.claim_mut().bound.clone().unwrap();
    assert_eq!((claimed.lent.as_deref(), claimed.route.len()), (Some("second"), 1));
    assert_eq!(stage.says(), "Routed");

    let mut forgetful = bound().with(renew);
    forgetful.settle_until_bind();
    (forgetful.row, forgetful.looked, forgetful.scene.fresh) = (None, false, false);
    assert_eq!(forgetful.settle()[0], "bind a1", "whoever comes after a crash finishes it");

    let mut earlier = bound();
    earlier.scene.claim_mut().bound.as_mut().unwrap().lent = None;
    assert_eq!(earlier.settle(), Vec::<String>::new(), "nobody knows what it was given");
    assert_eq!(earlier.scene.claim_mut().bound.as_ref().unwrap().lent.as_deref(), Some("first"));

    let mut observed = bound().with(renew).with(|s| s.scene.number.spec.mode = Mode::Observe);
    assert_eq!(observed.settle(), Vec::<String>::new());
    let mut taken_back = bound().with(|s| s.lending = Lending::NotNamed);
    assert_eq!(taken_back.settle(), Vec::<String>::new(), "what it has it keeps");
}

#[test]
fn what_is_kept_for_the_number_is_changed_without_a_webhook() {
    let mut stage = bound();
    stage.scene.number.spec.config =
        Some(Box::new(NumberConfig { prompt: Some("Croydon.".into()), ..NumberConfig::default() }));
    assert_eq!(stage.settle(), ["configure"]);
    assert_eq!(stage.settle(), Vec::<String>::new());
}

/// [`bound`], with monitoring on as the spec says.
fn monitored() -> Stage {
    let mut stage = bound();
    stage.scene.number.spec.config.get_or_insert_default().monitor = Some(true);
    assert_eq!(stage.settle(), ["look at monitor", "switch monitor on"]);
    stage
}

#[test]
fn an_extra_that_is_named_is_looked_at_and_switched_and_then_left_alone() {
    let mut stage = monitored();
    assert_eq!(stage.settle(), [""; 0]);
    assert_eq!(stage.scene.number.status.clone().unwrap().route.unwrap().extras, [(Extra::Monitor, true)].into());
    let Decision::Rest(rest) = stage.next() else { panic!() };
    assert_eq!(rest.again, Some(SCAN), "it is looked at again after a scan interval");
    stage.seen.clear();
    assert_eq!(stage.settle(), ["look at monitor"], "what is so already is not written");
    stage.scene.number.spec.config.get_or_insert_default().monitor = Some(false);
    assert_eq!(stage.settle(), ["switch monitor off"], "another wish is no drift");
    stage.scene.number.spec.config = Some(Box::new(NumberConfig { web_calls: Some(false), ..NumberConfig::default() }));
    assert_eq!(stage.settle(), ["look at webCalls"]);
}

#[test]
fn an_extra_that_is_not_named_is_neither_looked_at_nor_switched() {
    let mut stage = monitored().with(|s| s.on = Extra::ALL.map(|extra| (extra, true)).into());
    stage.scene.number.spec.config = None;
    stage.seen.clear();
    assert_eq!(stage.settle(), [""; 0]);
    assert_eq!(stage.scene.number.status.unwrap().route.unwrap().extras, BTreeMap::new());
}

#[test]
fn an_extra_that_somebody_else_switched_is_put_back_as_often_as_a_route() {
    let off = |s: &mut Stage| (s.on, s.seen) = Default::default();
    let mut stage = monitored().with(off);
    assert_eq!(stage.settle(), ["look at monitor", "put back monitor on"]);
    let mut reported = monitored().with(off).with(|s| s.scene.number.spec.drift = DriftPolicy::Report);
    assert_eq!(reported.settle(), ["look at monitor"]);
    assert_eq!(reported.says(), "Drifted");
    let mut contested = monitored().with(off).with(|s| s.scene.put_backs = policy::PUT_BACKS_PER_HOUR);
    assert_eq!(contested.settle(), ["look at monitor"]);
    assert_eq!(contested.says(), "RouteConflict");
    let mut suspended = monitored().with(off).with(|s| s.scene.number.spec.suspend = true);
    assert_eq!(suspended.settle(), ["look at monitor"]);
    assert_eq!(suspended.says(), "Suspended");
}

#[test]
fn an_extra_that_went_with_a_binding_is_switched_again_and_no_drift() {
    let mut stage = monitored().with(|s| s.row = None);
    assert_eq!(stage.settle(), ["bind a1", "look at monitor", "switch monitor on"]);
}

#[test]
fn a_request_has_extras_looked_at_again() {
    let mut stage = monitored();
    let request = (dialplane::api::meta::RECONCILE_REQUESTED.to_owned(), "1".to_owned());
    stage.scene.number.metadata.annotations.get_or_insert_default().extend([request]);
    assert_eq!(stage.settle(), ["look at monitor"]);
    assert_eq!(stage.settle(), [""; 0]);
}

#[test]
fn an_extra_that_is_refused_is_said_and_holds_up_nothing_else() {
    for class in [ErrorClass::Rejected, ErrorClass::Forbidden, ErrorClass::NotFound, ErrorClass::Funds] {
        let mut stage = bound().with(|s| s.extras_trouble = Some(trouble(class, 1, 60)));
        stage.scene.number.spec.config.get_or_insert_default().monitor = Some(true);
        assert_eq!(stage.settle(), [""; 0]);
        assert_eq!(stage.says(), "BindingRefused", "{class:?}");
        stage.scene.set(Channel::Voice, "https://hijack.example.com/");
        assert_eq!(stage.settle(), ["write voice=platform.example.com"]);
    }
    let unwell = Some(trouble(ErrorClass::Transient, 1, 60));
    let mut stood = monitored().with(|s| (s.seen, s.extras_trouble) = (BTreeMap::new(), unwell.clone()));
    assert_eq!((stood.settle(), stood.says()), (vec![], "Routed".to_owned()), "what stands is said meanwhile");
    stood.scene.number.spec.config.get_or_insert_default().web_calls = Some(true);
    assert_eq!((stood.settle(), stood.says()), (vec![], "RouteFailed".to_owned()));
}

#[test]
fn what_stands_in_the_way_is_said_before_anything_is_sent() {
    let says = |change: fn(&mut Stage)| {
        let mut stage = new().with(change);
        let sent = stage.settle();
        assert_eq!(sent, Vec::<String>::new());
        stage.says()
    };
    assert_eq!(says(|s| s.lending = Lending::NotNamed), "CredentialsNotLent");
    assert_eq!(says(|s| s.lending = Lending::NoSecret), "CredentialsNotLent");
    assert_eq!(says(|s| s.lending = Lending::Refused("it is too long".into())), "BindingRefused");
    assert_eq!(says(|s| s.open = false), "PlatformNotReady");
}

#[test]
fn a_refusal_of_the_platform_waits_and_a_number_of_somebody_else_is_named_so() {
    let refused = |class| {
        let mut stage = new();
        stage.settle_until_bind();
        stage.scene.trouble = Some(trouble(class, 1, 60));
        stage.looked = true;
        stage.says()
    };
    assert_eq!(refused(ErrorClass::Unavailable), "BoundWithAnotherKey");
    assert_eq!(refused(ErrorClass::Rejected), "BindingRefused");
    assert_eq!(refused(ErrorClass::Transient), "RouteFailed");
}

impl Stage {
    /// Up to the moment at which the platform would be asked.
    fn settle_until_bind(&mut self) {
        loop {
            match self.next() {
                Decision::Act(Effect::SetBinding(_)) => return,
                Decision::Act(effect) => drop(self.scene.apply(effect)),
                Decision::Look(_) => (self.looked, self.scene.fresh) = (true, true),
                Decision::Rest(rest) => panic!("{rest:?}"),
            }
        }
    }
}

#[test]
fn deleting_takes_it_off_and_brings_back_what_was_before_where_that_is_wished() {
    let delete = |policy| {
        let mut stage = bound().with(|s| s.scene.number.spec.on_delete = policy);
        stage.settle();
        stage.scene.delete();
        let done = stage.settle();
        let is_gone = stage.scene.number.metadata.finalizers.as_ref().is_none_or(Vec::is_empty);
        assert!(is_gone, "{policy:?} does not let go: {done:?}");
        (done, stage.is_restored(), stage.row.is_some())
    };
    assert_eq!(delete(OnDelete::Clear), (vec!["unbind".to_owned()], false, false));
    let restored = vec!["unbind".to_owned(), "write voice=old.example.net".to_owned()];
    assert_eq!(delete(OnDelete::Restore), (restored, true, false));
    assert_eq!(delete(OnDelete::Leave), (vec![], false, true));
}

#[test]
fn a_platform_that_is_gone_holds_up_no_deletion_and_one_that_is_shut_says_what_blocks() {
    let mut gone = bound().with(|s| s.gone = true);
    gone.scene.delete();
    assert_eq!(gone.settle(), ["write voice=nothing"], "what it had set is ours to take back");
    let mut shut = bound().with(|s| s.open = false);
    shut.scene.delete();
    assert_eq!(shut.settle(), Vec::<String>::new());
    assert_eq!(shut.says(), "CleanupBlocked");
}

#[test]
fn what_may_still_be_applied_is_waited_for_before_the_claim_forgets_the_platform() {
    let mut stage = bound().with(|s| (s.row, s.taken_off, s.unsettled) = (None, true, Duration::from_secs(30)));
    stage.scene.agent = Some(version("v2"));
    stage.settle();
    stage.looked = true;
    assert_eq!(stage.says(), "RouteOutcomeUnknown");
    assert!(stage.scene.claim_mut().bound.is_some());
}

#[test]
fn nothing_is_taken_off_that_could_not_be_put_on_again() {
    let stays = |change: fn(&mut Stage)| {
        let mut stage = bound().with(change);
        assert_eq!(stage.settle(), Vec::<String>::new());
        (stage.looked, stage.scene.fresh) = (true, true);
        stage.says()
    };
    let moves = |s: &mut Stage| {
        let account = ClaimedAccount::of(&other_platform(), "key-2");
        let hosted = HostedAt { version: "v2".into(), account, agent: "b1".into() };
        s.scene.agent = Some(serves(Served::Hosted(hosted)));
        s.next = Some(Lending::NotNamed);
    };
    assert_eq!(stays(moves), "CredentialsNotLent");
    assert_eq!(stays(|s| (s.row, s.lending) = (Some(row("theirs")), Lending::NotNamed)), "CredentialsNotLent");
    let nothing = Served::Version { name: "v2".into(), route: Default::default() };
    let mut without = bound();
    without.scene.agent = Some(serves(nothing));
    assert_eq!(without.settle(), Vec::<String>::new());
    assert_eq!((without.says(), without.row.is_some()), ("NoRoute".to_owned(), true));
}

#[test]
fn a_listing_that_lacks_the_number_ends_no_binding_by_itself() {
    let mut stage = bound().with(|s| s.row = None);
    stage.scene.agent = Some(version("v2"));
    assert_eq!(stage.settle()[0], "unbind", "it is asked to forget it all the same");
}

#[test]
fn what_was_before_comes_back_although_nobody_saw_what_the_platform_had_set() {
    let mut stage = new().with(|s| s.scene.number.spec.on_delete = OnDelete::Restore);
    stage.settle_until_bind();
    match stage.next() {
        Decision::Act(Effect::SetBinding(write)) => drop(stage.set(*write)),
        other => panic!("{other:?}"),
    }
    stage.scene.delete();
    assert_eq!(stage.settle(), ["unbind", "write voice=old.example.net"]);
    assert!(stage.is_restored());
}
