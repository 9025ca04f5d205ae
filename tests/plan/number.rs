//! What a PhoneNumber that is to stay comes to.

use dialplane::{
    api::{
        claim::{Digests, Holder},
        conditions::Reason,
        meta::{Key, ROUTE_FINALIZER},
        number::{BoundTo, Channel, Destination, Method, Route},
        offer::Feature,
        phone_number::{DriftPolicy, Mode, OnDelete},
    },
    carrier::{Calling, ErrorClass, Messaging},
    plan::{AccountRef, AgentRef, Decision, Effect, InFlight, Liveness, Look, Rest, Served},
};

use super::scene::*;

fn look() -> Decision<dialplane::api::phone_number::PhoneNumberStatus> {
    Decision::Look(Look::Number { account: Key::new("clinic", "twilio"), number: e164() })
}

fn agent(change: impl FnOnce(&mut bool, &mut Served)) -> Option<AgentRef> {
    let mut agent = version("v1");
    let AgentRef::Found { offline, serves, .. } = &mut agent else { unreachable!() };
    change(offline, serves);
    Some(agent)
}

// The order of things.

#[test]
fn a_number_is_claimed_held_by_a_finalizer_routed_and_said_to_be_in_this_order_and_then_nothing_is_written() {
    let mut scene = new();
    let write = "write voice=engine.example.com sms=engine.example.com";
    assert_eq!(scene.settle(), ["claim", "finalizer", write, "status Routed"]);
    assert!(scene.settle().is_empty());
    assert_eq!(scene.number.status.unwrap().route.unwrap().version, "v1");
}

#[test]
fn a_number_that_is_routed_as_wanted_already_is_claimed_and_not_written_to() {
    let mut scene = new().with(|s| s.owned.route = shown(version_route("v1")));
    assert_eq!(scene.settle(), ["claim", "finalizer", "status Routed"]);
}

#[test]
fn publishing_costs_one_write_at_the_carrier_and_two_in_the_cluster() {
    let mut scene = routed().with(|s| s.agent = Some(version("v2")));
    let write = "write voice=engine.example.com sms=engine.example.com";
    assert_eq!(scene.settle(), ["journal", write, "status Routed"]);
    scene.agent = Some(version("v1"));
    assert_eq!(scene.settle(), ["journal", write, "status Routed"], "and so does rolling back");
}

#[test]
fn taking_the_agent_away_clears_our_route_and_leaves_the_number_in_the_pool() {
    let mut scene = routed().with(|s| s.agent = None);
    assert_eq!(scene.settle(), ["journal", "write voice=nothing sms=nothing", "status Unassigned"]);
    assert_eq!(scene.number.status.unwrap().route, None);
}

#[test]
fn a_number_without_an_agent_keeps_the_route_of_somebody_else() {
    let mut scene = new().with(|s| s.agent = None);
    assert_eq!(scene.settle(), ["claim", "finalizer", "status Unassigned"]);
    assert_eq!(scene.owned.route[&Channel::Voice], destination(FOREIGN));
}

// What is not there, or may not be used.

#[test]
fn each_thing_that_keeps_a_number_from_being_routed_has_its_reason() {
    type Change = fn(&mut Scene);
    let table: [(&str, Change); 12] = [
        ("AccountNotFound", |s| s.account = AccountRef::Missing(Key::new("clinic", "twilio"))),
        ("AccountNotAllowed", |s| s.account = AccountRef::Refused(Key::new("clinic", "twilio"))),
        ("AgentNotFound", |s| s.agent = Some(AgentRef::Missing(Key::new("agents", "dental")))),
        ("AgentNotAllowed", |s| s.agent = Some(AgentRef::Refused(Key::new("agents", "dental")))),
        ("NeverPublished", |s| s.agent = Some(serves(Served::Nothing))),
        ("VersionNotFound", |s| s.agent = Some(serves(Served::Missing("v1".into())))),
        ("NoRoute", |s| s.agent = agent(|_, serves| *serves = Served::Version { name: "v1".into(), route: [].into() })),
        ("SharedRoutePending", |s| s.agent = Some(serves(Served::Pending))),
        ("RouteNotShareable", |s| s.agent = Some(serves(Served::Unshareable("v1".into())))),
        ("AgentOffline", |s| s.agent = agent(|offline, _| *offline = true)),
        ("SharedRoutePending", |s| {
            s.agent = agent(|offline, serves| (*offline, *serves) = (true, Served::Pending));
        }),
        ("Unassigned", |s| s.agent = None),
    ];
    for (reason, change) in table {
        let mut fresh = new().with(change);
        let done = fresh.settle();
        assert_eq!(done.last().unwrap(), &format!("status {reason}"));
        assert!(!done.iter().any(|done| done.starts_with("write")), "{reason}: {done:?}");

        let mut before = routed();
        before.settle();
        before.with(|s| {
            change(s);
            let kept = !matches!(reason, "AgentOffline" | "Unassigned");
            let route = s.owned.route.clone();
            s.settle();
            assert_eq!(s.owned.route == route, kept, "{reason}: only these two take a route back");
            assert!(s.settle().is_empty(), "{reason}");
        });
    }
}

#[test]
fn the_last_route_stays_in_the_status_while_it_stays_at_the_carrier() {
    let mut scene = routed().with(|s| s.agent = Some(serves(Served::Missing("v2".into()))));
    scene.settle();
    assert_eq!(scene.number.status.unwrap().route.unwrap().version, "v1");
}

#[test]
fn an_offline_agent_clears_what_is_ours_and_coming_back_routes_again() {
    let mut scene = routed().with(|s| s.agent = agent(|offline, _| *offline = true));
    assert_eq!(scene.settle(), ["journal", "write voice=nothing sms=nothing", "status AgentOffline"]);
    scene.agent = Some(version("v1"));
    assert_eq!(scene.settle(), ["journal", "write voice=engine.example.com sms=engine.example.com", "status Routed"]);
}

#[test]
fn an_account_that_is_not_open_leaves_settled_numbers_alone_and_says_so_of_new_ones() {
    assert_eq!(new().with(Scene::account_closed).says(), "AccountNotReady");
    assert_eq!(routed().with(Scene::account_closed).next(), Decision::Rest(Rest::NOTHING));
    let moved = routed().with(Scene::account_closed).with(|s| s.agent = Some(version("v2")));
    assert_eq!(moved.says(), "RouteUnknown");
    assert!(moved.message().contains("The number keeps its route"));
    assert_eq!(routed().with(Scene::account_closed).with(|s| s.agent = None).says(), "RouteUnknown");
    let edited = routed().with(Scene::account_closed).with(|s| s.number.metadata.generation = Some(2));
    assert_eq!(edited.says(), "RouteUnknown", "an edit is answered");
}

#[test]
fn absent_is_lost_only_for_what_was_there_before() {
    let gone = |s: &mut Scene| s.see = See::Absent;
    assert_eq!(new().with(gone).says(), "NotInAccount");
    assert_eq!(routed().with(gone).says(), "NumberLost");
    assert_eq!(routed().with(gone).with(|s| s.claim = None).says(), "NumberLost");
    let mut lost = routed().with(gone);
    assert!(lost.message().contains("Ask the carrier"), "{}", lost.message());
    lost.settle();
    let status = lost.number.status.as_ref().unwrap();
    assert_eq!(
        (reason(&status.conditions, "Routed"), &status.route),
        (Some("RouteUnknown"), &None),
        "nothing is routed"
    );
    assert_eq!(lost.number.status.as_ref().unwrap().number, Some(e164()), "what was known stays");
    assert!(lost.settle().is_empty());
}

#[test]
fn a_number_that_nobody_saw_is_looked_at_unless_looking_failed_a_moment_ago() {
    let unseen = |s: &mut Scene| s.see = See::Unseen;
    let failed = |s: &mut Scene| s.trouble = Some(trouble(ErrorClass::Transient, 1, 7));
    assert_eq!(new().with(unseen).next(), look());
    assert_eq!(new().with(unseen).with(failed).says(), "NumberNotChecked");
    assert_eq!(routed().with(unseen).with(failed).says(), "RouteUnknown");
    assert_eq!(new().with(unseen).with(failed).rest().again, Some(SECOND * 7));
    let due = |s: &mut Scene| s.trouble = Some(trouble(ErrorClass::Transient, 1, 0));
    assert_eq!(new().with(unseen).with(due).next(), look());
}

// Restraint.

#[test]
fn observing_says_how_things_are_and_writes_nothing_anywhere() {
    let observe = |s: &mut Scene| {
        s.number.spec.mode = Mode::Observe;
        left_alone(s);
    };
    let mut scene = new().with(observe);
    assert_eq!(scene.settle(), ["status RouteDiffers"]);
    assert_eq!(scene.number.status.as_ref().unwrap().acquisition, None);
    let mut same = new().with(observe).with(|s| s.owned.route = shown(version_route("v1")));
    assert_eq!(same.settle(), ["status Routed"]);
    assert_eq!(routed().with(observe).with(|s| s.agent = Some(version("v2"))).says(), "RouteDiffers");
    assert_eq!(routed().with(observe).with(|s| s.agent = None).says(), "RouteDiffers");
    let of_another = routed().with(Scene::held_by_another).with(observe);
    assert_eq!(of_another.says(), "Routed", "it may watch what another manages");
}

/// The claim of a number that is suspended or observed says so.
fn left_alone(scene: &mut Scene) {
    if let Some(claim) = &mut scene.claim {
        claim.spec.on_delete = OnDelete::Leave;
    }
}

#[test]
fn what_must_not_be_written_now_is_not_written_when_the_object_vanishes_either() {
    for forbid in [|s: &mut Scene| s.number.spec.suspend = true, |s: &mut Scene| s.number.spec.mode = Mode::Observe] {
        let mut scene = routed().with(forbid);
        let Decision::Act(Effect::WriteClaim(claim)) = scene.next() else { panic!() };
        assert_eq!(claim.spec.on_delete, OnDelete::Leave);
        assert_eq!(scene.settle(), ["journal"]);
    }
}

#[test]
fn a_suspended_number_is_not_claimed_and_not_written_to() {
    let suspend = |s: &mut Scene| {
        s.number.spec.suspend = true;
        left_alone(s);
    };
    assert_eq!(new().with(suspend).settle(), ["status NotClaimed"]);
    assert_eq!(routed().with(suspend).says(), "Routed", "as long as nothing differs");
    assert_eq!(routed().with(suspend).with(|s| s.agent = Some(version("v2"))).says(), "Suspended");
    assert_eq!(routed().with(suspend).with(|s| s.set(Channel::Voice, FOREIGN)).says(), "Suspended");
    let mut successor = routed().with(Scene::held_by_another).with(|s| s.holder = Liveness::Gone).with(suspend);
    successor.number.status = None;
    assert_eq!(successor.says(), "NotClaimed");
}

#[test]
fn a_refused_agent_or_account_stops_writes_at_once_although_the_route_drifted() {
    let drifted = routed().with(|s| s.set(Channel::Voice, FOREIGN));
    assert_eq!(
        drifted.clone().with(|s| s.agent = Some(AgentRef::Refused(Key::new("a", "b")))).says(),
        "AgentNotAllowed"
    );
    let refused = |s: &mut Scene| s.account = AccountRef::Refused(Key::new("a", "b"));
    assert_eq!(drifted.with(refused).says(), "AccountNotAllowed");
}

#[test]
fn without_its_account_a_number_stays_as_it_was_unless_another_object_has_it() {
    type Change = fn(&mut Scene);
    let ways: [Change; 2] = [
        |s| s.account = AccountRef::Refused(Key::new("a", "b")),
        |s| s.account = AccountRef::Missing(Key::new("clinic", "twilio")),
    ];
    for way in ways {
        let mut scene = routed();
        scene.settle();
        scene.with(|s| {
            way(s);
            s.settle();
            let status = s.number.status.clone().unwrap();
            assert_eq!(reason(&status.conditions, "Acquired"), Some("Imported"));
            assert!(status.route.is_some());

            s.held_by_another();
            s.settle();
            let status = s.number.status.clone().unwrap();
            assert_eq!(reason(&status.conditions, "Acquired"), Some("ClaimRefused"));
            assert_eq!(reason(&status.conditions, "Routed"), Some("RouteUnknown"));
            assert_eq!(status.route, None);
            assert!(s.settle().is_empty());
        });

        // Who never had it is not told that somebody has.
        let mut stranger = routed().with(Scene::held_by_another).with(way);
        stranger.number.status = None;
        stranger.settle();
        let status = stranger.number.status.unwrap();
        assert_eq!(reason(&status.conditions, "Acquired"), None);
    }
}

// Claims.

#[test]
fn a_claim_held_by_a_living_object_is_final_and_says_who_holds_it() {
    let scene = routed().with(Scene::held_by_another);
    let holder = Holder { namespace: "clinic".into(), name: "reception".into(), uid: "uid-2".into() };
    assert_eq!(scene.next(), Decision::Look(Look::Holder(holder)));
    let alive = scene.with(|s| s.holder = Liveness::Alive);
    assert_eq!(alive.says(), "ClaimedByAnother");
    assert!(alive.message().contains("clinic/reception"));
    assert!(alive.rest().again.is_some(), "nobody announces its end");
}

#[test]
fn a_claim_is_taken_over_once_its_holder_is_gone_and_nothing_is_in_flight() {
    let mut scene = routed().with(Scene::held_by_another).with(|s| s.holder = Liveness::Gone);
    let previous = scene.claim.as_ref().unwrap().spec.previous.clone();
    for in_flight in [
        InFlight { unknown: SECOND * 3, ..InFlight::default() },
        InFlight { predecessor: SECOND * 3, ..InFlight::default() },
    ] {
        scene.in_flight = in_flight;
        assert_eq!((scene.says().as_str(), scene.rest().again), ("NumberNotChecked", Some(SECOND * 3)));
    }
    scene.in_flight = InFlight::default();
    assert_eq!(scene.settle(), ["journal"]);
    let claim = &scene.claim.as_ref().unwrap().spec;
    assert_eq!((claim.is_held_by("uid-1"), &claim.previous), (true, &previous));
}

#[test]
fn what_the_last_holder_had_sent_is_ours_for_the_next_one() {
    let mut successor =
        routed().with(Scene::held_by_another).with(|s| s.holder = Liveness::Gone).with(|s| s.agent = None);
    successor.number.status = None;
    successor.number.metadata.finalizers = None;
    assert_eq!(successor.settle(), ["journal", "finalizer", "write voice=nothing sms=nothing", "status Unassigned"]);
}

#[test]
fn a_claim_whose_holder_left_nothing_behind_remembers_what_is_there_now() {
    let mut successor = routed().with(Scene::held_by_another).with(|s| s.holder = Liveness::Gone);
    successor.claim_mut().sent.clear();
    successor.claim_mut().previous.clear();
    successor.number.status = None;
    successor.owned.route = shown([(Channel::Sms, destination(FOREIGN))].into());
    successor.settle();
    assert_eq!(successor.claim.unwrap().spec.previous, [(Channel::Sms, destination(FOREIGN))].into());
}

#[test]
fn a_claim_that_is_being_deleted_is_waited_for_by_others_and_goes_on_working_for_its_holder() {
    let mut scene = routed();
    scene.claim.as_mut().unwrap().metadata.deletion_timestamp =
        scene.clone().with(Scene::delete).number.metadata.deletion_timestamp;
    assert_eq!(scene.says(), "Routed");
    scene.held_by_another();
    scene.holder = Liveness::Gone;
    assert_eq!(scene.says(), "NumberNotChecked");
    assert!(scene.rest().again.is_some());
}

#[test]
fn a_claim_that_somebody_deleted_is_made_again_from_the_status_and_takes_nothing_of_ours_for_anothers() {
    let mut scene = routed().with(|s| s.claim = None).with(|s| s.set(Channel::Status, FOREIGN));
    let digests = scene.number.status.as_ref().unwrap().route.as_ref().unwrap().digests.clone();
    assert_eq!(scene.settle(), ["claim"]);
    let claim = &scene.claim.as_ref().unwrap().spec;
    assert_eq!((&claim.sent, &claim.previous), (&vec![digests], &[(Channel::Status, destination(FOREIGN))].into()));
    scene.agent = None;
    assert_eq!(scene.settle(), ["journal", "write voice=nothing sms=nothing", "status Unassigned"]);
}

#[test]
fn an_object_made_again_under_the_same_name_does_not_hold_the_claim_of_the_old_one() {
    let mut scene = routed();
    scene.number.metadata.uid = Some("uid-3".into());
    scene.number.status = None;
    assert!(matches!(scene.next(), Decision::Look(Look::Holder(holder)) if holder.uid == "uid-1"));
    scene.holder = Liveness::Gone;
    assert_eq!(scene.settle(), ["journal", "status Routed"]);
}

#[test]
fn a_finalizer_that_replace_took_off_is_put_back_before_anything_is_sent() {
    let mut scene = routed().with(|s| s.number.metadata.finalizers = None).with(|s| s.agent = Some(version("v2")));
    assert_eq!(scene.next(), Decision::Act(Effect::AddFinalizer(ROUTE_FINALIZER)));
    assert_eq!(scene.settle()[..2], ["finalizer", "journal"]);
}

#[test]
fn a_claim_learns_of_another_policy_for_the_end() {
    let mut scene = routed().with(|s| s.number.spec.on_delete = OnDelete::Leave);
    assert_eq!(scene.settle(), ["journal"]);
    assert_eq!(scene.claim.unwrap().spec.on_delete, OnDelete::Leave);
}

// The journal, and what is ours.

#[test]
fn the_route_that_was_there_before_is_kept_and_never_one_of_ours() {
    let claim = routed().claim.unwrap().spec;
    assert_eq!(claim.previous, [(Channel::Voice, destination(FOREIGN))].into());
    let mut scene = routed().with(|s| s.agent = Some(version("v2")));
    scene.settle();
    assert_eq!(scene.claim.unwrap().spec.previous, claim.previous);
}

#[test]
fn the_journal_is_written_before_the_carrier_and_keeps_what_is_there() {
    let mut scene = routed().with(|s| s.agent = Some(version("v2")));
    let Decision::Act(Effect::WriteClaim(claim)) = scene.next() else { panic!() };
    assert_eq!(claim.spec.sent, [digests(&version_route("v2")), digests(&version_route("v1"))]);
    scene.claim_mut().sent = claim.spec.sent;
    assert!(matches!(scene.next(), Decision::Act(Effect::SetRoute(_))));
}

#[test]
fn a_route_that_was_sent_and_never_arrived_stays_ours_while_it_may_arrive_yet() {
    let mut scene = routed();
    let v = |n: &str| digests(&version_route(n));
    scene.claim_mut().sent = vec![v("v3"), v("v2"), v("v1")];
    scene.agent = Some(version("v4"));
    let sent = |scene: &Scene| match scene.next() {
        Decision::Act(Effect::WriteClaim(claim)) => claim.spec.sent,
        other => panic!("{other:?}"),
    };
    assert_eq!(sent(&scene), [v("v4"), v("v3"), v("v1")], "v2 can arrive no more");
    scene.in_flight.unknown = SECOND;
    assert_eq!(sent(&scene), [v("v4"), v("v3"), v("v2"), v("v1")]);
}

#[test]
fn a_journal_names_each_route_once_however_often_a_version_comes_and_goes() {
    let mut scene = routed();
    for n in 0..20 {
        scene.agent = Some(version(["v2", "v1"][n % 2]));
        let Decision::Act(Effect::WriteClaim(claim)) = scene.next() else { panic!() };
        scene.claim_mut().sent = claim.spec.sent;
    }
    assert_eq!(scene.claim.unwrap().spec.sent.len(), 2);
}

#[test]
fn a_leg_that_the_version_no_longer_names_is_emptied_only_if_it_is_ours() {
    let voice_only = |s: &mut Scene| {
        let mut route = version_route("v2");
        route.remove(&Channel::Sms);
        s.agent = Some(serves(Served::Version { name: "v2".into(), route }));
    };
    let mut scene = routed().with(voice_only);
    assert_eq!(scene.settle()[1], "write voice=engine.example.com sms=nothing");
    let mut scene = routed().with(voice_only).with(|s| s.set(Channel::Sms, FOREIGN));
    assert_eq!(scene.settle()[1], "write voice=engine.example.com");
    assert_eq!(scene.owned.route[&Channel::Sms], destination(FOREIGN));
}

#[test]
fn a_channel_that_no_version_names_is_left_to_whoever_set_it() {
    let mut scene = new().with(|s| s.set(Channel::Status, FOREIGN));
    scene.settle();
    scene.agent = None;
    scene.settle();
    assert_eq!(scene.owned.route[&Channel::Status], destination(FOREIGN));
}

#[test]
fn one_write_names_every_channel_that_differs_and_no_other() {
    let scene = routed().with(|s| s.set(Channel::Sms, FOREIGN));
    assert_eq!(scene.write().route.keys().collect::<Vec<_>>(), [&Channel::Sms]);
}

#[test]
fn a_method_or_a_fallback_that_differs_is_a_difference() {
    let scene = routed().with(|s| s.owned.route.get_mut(&Channel::Voice).unwrap().method = Method::Get);
    assert!(scene.write().put_back);
    let fallback = |s: &mut Scene| s.owned.route.get_mut(&Channel::Voice).unwrap().fallback_url = Some(FOREIGN.into());
    assert!(routed().with(fallback).write().put_back);
}

#[test]
fn a_channel_that_the_carrier_does_not_show_goes_nowhere() {
    let mut scene = new().with(|s| s.owned.route.clear());
    assert_eq!(scene.settle().len(), 4);
}

// Drift.

#[test]
fn drift_is_put_back_without_a_word_to_the_cluster() {
    let mut scene = routed().with(|s| s.set(Channel::Voice, FOREIGN));
    assert!(scene.write().put_back);
    assert_eq!(scene.settle(), ["write voice=engine.example.com"]);
    let emptied = routed().with(|s| s.set(Channel::Voice, ""));
    assert!(emptied.write().put_back);
}

#[test]
fn what_we_change_ourselves_is_not_drift() {
    assert!(
        !new()
            .with(|s| {
                s.settle();
            })
            .with(|s| s.agent = None)
            .with(Scene::step)
            .write()
            .put_back
    );
    let mut moving = routed().with(|s| s.agent = Some(version("v2")));
    moving.claim_mut().sent.insert(0, digests(&version_route("v2")));
    assert!(!moving.write().put_back);
    assert!(moving.write().notes.is_empty());
}

#[test]
fn drift_is_left_alone_and_said_with_drift_report() {
    let scene = routed().with(|s| s.number.spec.drift = DriftPolicy::Report).with(|s| s.set(Channel::Voice, FOREIGN));
    assert_eq!(scene.says(), "Drifted");
    assert!(scene.message().contains("voice goes to old.example.net, wanted engine.example.com"));
}

#[test]
fn with_drift_report_a_new_version_is_still_routed() {
    let mut scene =
        routed().with(|s| s.number.spec.drift = DriftPolicy::Report).with(|s| s.agent = Some(version("v2")));
    scene.settle();
    assert_eq!(scene.owned.route, shown(version_route("v2")));
    assert_eq!(scene.status_mut().route.as_ref().unwrap().version, "v2");
}

#[test]
fn with_drift_report_a_rollback_before_the_status_was_written_is_not_taken_for_drift() {
    let mut scene =
        routed().with(|s| s.number.spec.drift = DriftPolicy::Report).with(|s| s.agent = Some(version("v2")));
    while scene.owned.route != shown(version_route("v2")) {
        scene.step();
    }
    scene.agent = Some(version("v1"));
    scene.settle();
    assert_eq!(scene.owned.route, shown(version_route("v1")));
    scene.agent = agent(|offline, _| *offline = true);
    while scene.owned.route != shown([].into()) {
        scene.step();
    }
    scene.agent = Some(version("v1"));
    scene.settle();
    assert_eq!(scene.owned.route, shown(version_route("v1")), "nor is coming back on the air");
}

#[test]
fn a_fight_ends_with_contested_which_names_field_found_and_wanted_and_a_request_resumes_it() {
    let mut scene = routed().with(|s| s.set(Channel::Voice, FOREIGN)).with(|s| s.put_backs = 2);
    assert!(scene.write().put_back);
    scene.put_backs = 3;
    assert_eq!(scene.says(), "RouteConflict");
    assert!(scene.message().contains("voice goes to old.example.net, wanted engine.example.com"));
    scene.put_backs = 0;
    assert!(scene.write().put_back);
}

#[test]
fn a_new_version_is_no_fight() {
    let scene = routed().with(|s| s.put_backs = 9).with(|s| s.agent = Some(version("v2")));
    assert!(matches!(scene.next(), Decision::Act(Effect::WriteClaim(_))));
}

// What is told.

#[test]
fn overwriting_names_hosts_and_never_urls() {
    let mut scene = new();
    for _ in 0..2 {
        scene.step();
    }
    let told = texts(&scene.write().notes);
    assert_eq!(
        told,
        [
            "RouteReplaced: Replaced a route that was at the carrier before: voice goes to old.example.net, wanted engine.example.com."
        ]
    );
    let drift = routed().with(|s| s.set(Channel::Sms, FOREIGN));
    assert!(texts(&drift.write().notes)[0].starts_with("DriftCorrected: "));
    for text in [told, texts(&drift.write().notes), vec![drift.with(|s| s.put_backs = 3).message()]].concat() {
        assert!(!text.contains("s3cret") && !text.contains("http"), "{text}");
    }
}

#[test]
fn a_difference_within_one_host_is_said_without_the_urls() {
    let scene =
        routed().with(|s| s.put_backs = 3).with(|s| s.set(Channel::Sms, "https://engine.example.com/other?key=s3cret"));
    assert!(scene.message().contains("sms goes to engine.example.com, wanted another URL of engine.example.com"));
}

#[test]
fn what_shadows_a_route_is_cleared_with_it_and_said() {
    let shadow = |s: &mut Scene| {
        let destination =
            Destination { bound_to: Some(Box::new(BoundTo::new("trunkSid", "TK1"))), ..destination(FOREIGN) };
        s.owned.route.insert(Channel::Voice, destination);
    };
    let mut scene = new().with(shadow);
    for _ in 0..2 {
        scene.step();
    }
    assert!(texts(&scene.write().notes)[0].contains("voice goes to trunkSid TK1"));
    scene.settle();
    assert!(scene.owned.route[&Channel::Voice].bound_to.is_none());
    assert!(routed().with(shadow).write().put_back);
}

#[test]
fn a_route_that_calls_do_not_come_by_is_not_called_routed_and_nothing_is_written() {
    let region = |answers: &str| Calling::Region { answers: answers.into(), ours: "us1".into() };
    for (calling, told) in [(region("ie1"), "in the region ie1"), (Calling::Forwarded, "forwards all calls")] {
        let scene = routed().with(|s| s.owned.calling = calling.clone());
        let status = scene.rest().status.unwrap();
        assert_eq!(reason(&status.conditions, "Routed"), Some("CallsDiverted"));
        assert_eq!(scene.says(), "CallsDiverted", "it is not ready");
        assert!(scene.message().contains(told), "{}", scene.message());
        assert!(status.route.is_some(), "the carrier has it all the same");
        let settled = |change: &dyn Fn(&mut Scene)| {
            let mut scene = new().with(|s| s.owned.calling = calling.clone()).with(change);
            scene.settle();
            scene.says()
        };
        let texts: Route = version_route("v1").into_iter().filter(|(channel, _)| *channel == Channel::Sms).collect();
        let texts = serves(Served::Version { name: "v1".into(), route: texts });
        assert_eq!(settled(&|s| s.agent = Some(texts.clone())), "Routed", "it takes no calls");
        assert_eq!(settled(&|s| s.agent = None), "Unassigned", "there is no route to lose");
    }
    for calling in [Calling::Number, Calling::Unseen] {
        assert_eq!(routed().with(|s| s.owned.calling = calling).says(), "Routed");
    }
}

#[test]
fn a_messaging_service_is_said_and_does_not_stand_in_the_way_of_ready() {
    let scene = routed().with(|s| s.owned.messaging = Messaging::Group { id: "MG1".into() });
    let status = scene.rest().status.unwrap();
    assert_eq!(reason(&status.conditions, "MessagingReady"), Some("MessagingServiceOverrides"));
    assert_eq!(scene.says(), "Routed");
    let unseen = routed().rest().status.unwrap();
    assert_eq!(reason(&unseen.conditions, "MessagingReady"), Some("RegistrationUnknown"));
}

#[test]
fn an_sms_webhook_on_a_number_that_cannot_text_is_said_and_names_the_feature() {
    let said = |features: &[Feature]| {
        let scene = routed().with(|s| s.owned.features = features.to_vec());
        let status = scene.rest().status.unwrap();
        assert_eq!(scene.says(), "Routed", "it does not stand in the way");
        status.conditions.into_iter().find(|condition| condition.type_() == "MessagingReady").unwrap()
    };
    let silent = said(&[Feature::Voice, Feature::Fax]);
    assert_eq!((silent.status(), silent.reason()), ("False", "SMSNotSupported"));
    assert!(silent.message.contains("lacks the feature SMS"), "{}", silent.message);
    assert_eq!(said(&[Feature::Voice, Feature::Sms]).reason(), "RegistrationUnknown");
    assert_eq!(said(&[]).reason(), "RegistrationUnknown", "what it can do is not shown");
}

// Requests.

#[test]
fn a_request_takes_one_fresh_look_and_is_then_handled() {
    let mut scene = routed().with(|s| s.request("now"));
    assert_eq!(scene.settle(), ["look", "status Routed"]);
    assert!(scene.settle().is_empty());
    scene.request("later");
    assert_eq!(scene.settle(), ["look", "status Routed"]);
}

#[test]
fn a_request_is_handled_where_nothing_can_be_looked_at_but_not_while_looking_is_only_put_off() {
    let handled = |s: &Scene| s.rest().status.unwrap().last_handled_reconcile_at;
    let refused = routed().with(|s| s.request("now")).with(|s| s.account = AccountRef::Refused(Key::new("a", "b")));
    assert_eq!(handled(&refused).as_deref(), Some("now"));
    let put_off = routed().with(|s| s.request("now")).with(|s| s.trouble = Some(trouble(ErrorClass::Transient, 1, 9)));
    assert_eq!(handled(&put_off), None);
    assert_eq!(put_off.with(|s| s.trouble = None).next(), look());
    let closed = routed().with(|s| s.request("now")).with(Scene::account_closed);
    assert_eq!(closed.says(), "RouteUnknown");
    assert_eq!(handled(&closed), None);
}

#[test]
fn a_request_is_answered_while_the_number_is_absent() {
    let mut scene = new().with(|s| s.see = See::Absent).with(|s| s.request("now"));
    assert_eq!(scene.settle(), ["look", "status NotInAccount"]);
}

// Trouble.

#[test]
fn a_write_that_failed_is_said_and_waited_for_and_then_tried_again() {
    let failed = |class, wait| {
        let mut scene = routed().with(|s| s.set(Channel::Voice, FOREIGN));
        scene.trouble = Some(trouble(class, 1, wait));
        scene
    };
    for class in [ErrorClass::Transient, ErrorClass::Throttled, ErrorClass::Forbidden, ErrorClass::Unknown] {
        assert_eq!(failed(class, 9).says(), "RouteFailed");
    }
    assert_eq!(failed(ErrorClass::Rejected, 9).says(), "RouteRefused");
    assert_eq!(failed(ErrorClass::Rejected, 9).rest().again, Some(SECOND * 9));
    failed(ErrorClass::Rejected, 0).write();
}

#[test]
fn trouble_does_not_hide_that_nothing_differs() {
    let scene = routed().with(|s| s.trouble = Some(trouble(ErrorClass::Transient, 1, 9)));
    assert_eq!(scene.says(), "Routed");
}

#[test]
fn digests_reveal_no_url() {
    let all: Vec<Digests> = routed().claim.unwrap().spec.sent;
    assert!(
        all.iter().flat_map(|sent| sent.values()).all(|digest| digest.starts_with("sha256:") && digest.len() == 71)
    );
    assert_eq!(Reason::Routed.row().name, "Routed");
}

// What was there before.

/// A version that answers calls alone.
fn calls_alone() -> Option<AgentRef> {
    let mut route = version_route("v1");
    route.remove(&Channel::Sms);
    Some(serves(Served::Version { name: "v1".into(), route }))
}

const CRM: &str = "https://crm.example.com/texts";

#[test]
fn a_channel_that_a_version_does_not_name_goes_where_it_went_before_us() {
    let mut scene = new().with(|s| s.set(Channel::Sms, CRM)).with(|s| s.agent = calls_alone());
    scene.settle();
    assert_eq!(scene.owned.route[&Channel::Sms], destination(CRM), "nobody asked for it");
    scene.agent = Some(version("v2"));
    scene.settle();
    assert_ne!(scene.owned.route[&Channel::Sms], destination(CRM));
    scene.agent = calls_alone();
    assert_eq!(scene.settle(), ["journal", "write voice=engine.example.com sms=crm.example.com", "status Routed"]);
    assert!(scene.settle().is_empty());
    // It is kept until the claim ends.
    scene.agent = Some(version("v3"));
    scene.number.spec.on_delete = OnDelete::Restore;
    scene.settle();
    scene.delete();
    assert_eq!(scene.settle()[1], "write voice=old.example.net sms=crm.example.com");
}

#[test]
fn a_channel_that_nobody_had_before_is_emptied_when_a_version_no_longer_names_it() {
    let mut scene = routed();
    scene.agent = calls_alone();
    assert_eq!(scene.settle(), ["journal", "write sms=nothing", "status Routed"]);
}

#[test]
fn what_was_there_before_is_what_was_there_when_the_channel_was_first_set_and_not_what_drifted_there() {
    let mut scene = new().with(|s| s.agent = calls_alone());
    scene.settle();
    scene.set(Channel::Sms, CRM);
    scene.agent = Some(version("v2"));
    scene.settle();
    assert_eq!(scene.claim_mut().previous[&Channel::Sms], destination(CRM), "it was set since the number was claimed");
    scene.set(Channel::Sms, "https://hijack.example.org/");
    scene.settle();
    scene.agent = Some(version("v3"));
    scene.settle();
    assert_eq!(scene.claim_mut().previous[&Channel::Sms], destination(CRM));
    scene.agent = calls_alone();
    scene.settle();
    assert_eq!(scene.owned.route[&Channel::Sms], destination(CRM));
}

#[test]
fn a_claim_is_made_only_after_a_look_that_began_since_the_object_is_there() {
    let mut scene = new().with(|s| s.since_met = false);
    assert_eq!(scene.next(), look());
    let taken = routed().with(Scene::held_by_another).with(|s| s.holder = Liveness::Gone).with(|s| s.since_met = false);
    assert_eq!(taken.next(), look());
    assert_eq!(scene.settle()[..2], ["look", "claim"]);
    assert_eq!(routed().with(|s| s.since_met = false).next(), routed().next(), "whoever has it need not look");
}

#[test]
fn the_claim_remembers_the_versions_that_its_number_was_sent_to_the_latest_first() {
    let mut scene = routed();
    let led_to = |scene: &mut Scene| -> Vec<String> {
        assert!(scene.claim_mut().led_to.iter().all(|led_to| led_to.agent == "agents/dental"));
        scene.claim_mut().led_to.iter().map(|led_to| led_to.version.clone()).collect()
    };
    assert_eq!(led_to(&mut scene), ["v1"]);
    for (next, remembered) in [("v2", vec!["v2", "v1"]), ("v1", vec!["v1", "v2"])] {
        scene.agent = Some(version(next));
        scene.settle();
        assert_eq!(led_to(&mut scene), remembered);
    }
    for n in 3..20 {
        scene.agent = Some(version(&format!("v{n}")));
        scene.settle();
    }
    assert_eq!((led_to(&mut scene).len(), &*led_to(&mut scene)[0]), (10, "v19"));
    // One of before there was such a memory is not written for that alone: it comes with the next version.
    scene.claim_mut().led_to.clear();
    assert!(scene.settle().is_empty());
}
