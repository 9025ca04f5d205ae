//! The end of a PhoneNumber.

use std::time::Duration;

use dialplane::{
    api::{
        meta::{ABANDON, Key},
        number::Channel,
        phone_number::{Mode, OnDelete},
    },
    carrier::ErrorClass,
    plan::{AccountRef, Decision, Effect, InFlight, Look, Rest},
};

use super::scene::*;

fn policy(policy: OnDelete) -> Scene {
    let mut scene = routed().with(|s| s.number.spec.on_delete = policy);
    scene.settle();
    scene.with(Scene::delete)
}

fn missing(s: &mut Scene) {
    s.account = AccountRef::Missing(Key::new("clinic", "twilio"));
}

#[test]
fn each_policy_does_what_it_says_to_a_route_that_is_ours_anothers_or_mixed() {
    use OnDelete::{Clear, Leave, Restore};
    let ours = |_: &mut Scene| {};
    let foreign =
        |s: &mut Scene| s.owned.route = shown([(Channel::Sms, destination("https://new.example.org/"))].into());
    let mixed = |s: &mut Scene| s.set(Channel::Sms, "https://new.example.org/");
    let cleared = "write voice=nothing sms=nothing";
    type Change = fn(&mut Scene);
    let table: [(OnDelete, Change, &[&str]); 9] = [
        (Clear, ours, &["look", cleared, "look", "close", "let go"]),
        (Clear, foreign, &["look", "close", "let go"]),
        (Clear, mixed, &["look", "write voice=nothing", "look", "close", "let go"]),
        (Restore, ours, &["look", "write voice=old.example.net sms=nothing", "look", "close", "let go"]),
        (Restore, foreign, &["look", "close", "let go"]),
        (Restore, mixed, &["look", "write voice=old.example.net", "look", "close", "let go"]),
        (Leave, ours, &["close", "let go"]),
        (Leave, foreign, &["close", "let go"]),
        (Leave, mixed, &["close", "let go"]),
    ];
    for (on_delete, change, done) in table {
        assert_eq!(policy(on_delete).with(change).settle(), done, "{on_delete:?}");
    }
}

#[test]
fn nothing_happens_to_an_object_that_we_do_not_hold() {
    let mut scene = deleted().with(|s| s.number.metadata.finalizers = None);
    assert_eq!(scene.next(), Decision::Rest(Rest::NOTHING));
    assert!(scene.settle().is_empty());
}

#[test]
fn whether_the_definition_is_going_is_asked_before_anything_else() {
    assert_eq!(deleted().next(), Decision::Look(Look::Definition));
}

#[test]
fn when_the_definition_goes_numbers_are_let_go_as_they_are() {
    let mut scene = deleted().with(|s| s.definition_going = Some(true));
    let Decision::Act(Effect::CloseClaim(_, Some(note))) = scene.next() else { panic!() };
    assert!(note.warning && note.text.contains("the CRD of PhoneNumber is being deleted"), "{}", note.text);
    assert_eq!(scene.settle(), ["close", "let go"]);
}

#[test]
fn an_object_that_is_observed_suspended_or_abandoned_goes_without_a_write() {
    let table: [fn(&mut Scene); 4] = [
        |s| s.number.spec.mode = Mode::Observe,
        |s| s.number.spec.suspend = true,
        |s| s.annotate(ABANDON),
        |s| s.view().abandoned = true,
    ];
    for change in table {
        assert_eq!(deleted().with(change).settle(), ["close", "let go"]);
    }
}

#[test]
fn abandoning_works_with_whatever_is_broken() {
    for broken in [missing, Scene::account_closed as fn(&mut Scene)] {
        assert_eq!(deleted().with(broken).with(|s| s.annotate(ABANDON)).settle(), ["close", "let go"]);
    }
    let closed = deleted().with(Scene::account_closed).with(|s| s.view().abandoned = true);
    assert_eq!({ closed }.settle(), ["close", "let go"]);
}

#[test]
fn an_account_that_is_gone_or_cannot_be_used_blocks_and_names_the_way_out() {
    for broken in [missing, Scene::account_closed as fn(&mut Scene)] {
        let scene = deleted().with(broken).with(|s| s.definition_going = Some(false));
        assert_eq!(scene.says(), "CleanupBlocked");
        assert!(scene.message().contains("dialplane.dev/abandon: \"true\""), "{}", scene.message());
        assert!(scene.rest().again.is_some_and(|wait| !wait.is_zero()));
        let due = scene.with(|s| s.trouble = Some(trouble(ErrorClass::Transient, 9, 0)));
        assert!(due.rest().again.is_some_and(|wait| !wait.is_zero()), "never at once, for ever");
    }
}

#[test]
fn an_account_that_no_longer_allows_us_is_not_written_to_and_does_not_block() {
    let refused = |s: &mut Scene| s.account = AccountRef::Refused(Key::new("clinic", "twilio"));
    assert_eq!(deleted().with(refused).settle(), ["close", "let go"]);
}

#[test]
fn the_agent_and_its_version_are_not_needed_for_the_end() {
    assert_eq!(deleted().with(|s| s.agent = None).settle().last().unwrap(), "let go");
}

#[test]
fn a_refusal_that_asking_again_cannot_mend_names_the_way_out_at_once() {
    for class in [ErrorClass::Rejected, ErrorClass::Forbidden] {
        let mut scene = deleted().with(|s| s.definition_going = Some(false));
        scene.trouble = Some(trouble(class, 1, 9));
        assert_eq!(scene.says(), "CleanupBlocked");
        assert!(scene.message().contains("dialplane.dev/abandon: \"true\""), "{}", scene.message());
        assert!(scene.rest().again.is_some(), "and goes on trying");
    }
}

#[test]
fn trouble_is_tried_a_few_times_and_then_blocks_but_goes_on_trying() {
    let failing = |tries, wait| {
        let mut scene = deleted().with(|s| s.definition_going = Some(false));
        scene.trouble = Some(trouble(ErrorClass::Transient, tries, wait));
        scene
    };
    assert_eq!(failing(1, 9).says(), "Clearing");
    assert_eq!(failing(5, 9).says(), "CleanupBlocked");
    assert_eq!(failing(5, 9).rest().again, Some(SECOND * 9));
    assert!(matches!(failing(5, 0).next(), Decision::Look(Look::Number { .. })));
}

#[test]
fn nothing_is_taken_back_on_the_strength_of_an_old_look() {
    let scene = deleted().with(|s| s.definition_going = Some(false));
    assert!(matches!(scene.next(), Decision::Look(Look::Number { .. })));
    let absent = scene.with(|s| s.see = See::Absent);
    assert!(matches!(absent.next(), Decision::Look(Look::Number { .. })));
}

#[test]
fn a_number_that_the_account_no_longer_owns_is_let_go_and_said() {
    let scene =
        deleted().with(|s| s.definition_going = Some(false)).with(|s| s.see = See::Absent).with(|s| s.fresh = true);
    let Decision::Act(Effect::CloseClaim(_, Some(note))) = scene.next() else { panic!() };
    assert!(note.text.contains("no longer owns"));
}

#[test]
fn what_is_not_ours_is_left_and_its_host_named() {
    let mut scene = deleted().with(|s| s.definition_going = Some(false)).with(|s| s.set(Channel::Voice, FOREIGN));
    scene.owned.route.insert(Channel::Sms, Default::default());
    scene.set(Channel::Voice, "https://new.example.org/?token=s3cret");
    scene.fresh = true;
    let Decision::Act(Effect::CloseClaim(_, Some(note))) = scene.next() else { panic!() };
    assert_eq!(note.text, "Not set by Dialplane, so not changed: voice goes to new.example.org.");
}

#[test]
fn what_may_still_arrive_is_waited_for_and_looked_at_again() {
    for in_flight in [
        InFlight { unknown: SECOND * 4, ..InFlight::default() },
        InFlight { predecessor: SECOND * 4, ..InFlight::default() },
    ] {
        let mut scene = deleted().with(|s| s.in_flight = in_flight);
        assert_eq!(scene.settle(), ["look", "write voice=nothing sms=nothing", "look", "status RouteOutcomeUnknown"]);
        assert_eq!(scene.with(|s| s.fresh = true).rest().again, Some(SECOND * 4));
    }
    let mut never_sent = new().with(|s| s.agent = None);
    never_sent.settle();
    never_sent.in_flight.predecessor = SECOND;
    assert_eq!(never_sent.with(Scene::delete).settle(), ["let go"]);
}

#[test]
fn a_late_route_of_ours_is_taken_back_after_all() {
    let mut scene = deleted().with(|s| s.in_flight.unknown = SECOND);
    scene.settle();
    scene.owned.route = shown(version_route("v1"));
    scene.in_flight.unknown = Duration::ZERO;
    assert_eq!(scene.settle(), ["look", "write voice=nothing sms=nothing", "look", "close", "let go"]);
}

#[test]
fn a_claim_that_another_holds_is_not_ours_to_end() {
    let mut scene = deleted().with(Scene::held_by_another);
    assert_eq!(scene.settle(), ["let go"]);
    assert!(scene.claim.is_some());
}

#[test]
fn a_claim_deleted_by_hand_does_not_keep_our_route_from_being_taken_back() {
    let mut scene = deleted().with(|s| s.claim = None);
    let done = ["look", "claim", "look", "write voice=nothing sms=nothing", "look", "close", "let go"];
    assert_eq!(scene.settle(), done);
}

#[test]
fn a_claim_deleted_by_hand_is_not_made_again_for_nothing() {
    let mut scene = deleted().with(|s| s.claim = None).with(|s| s.owned.route = shown([].into()));
    assert_eq!(scene.settle(), ["look", "let go"]);
}

#[test]
fn a_route_that_was_there_before_us_and_is_left_or_restored_survives_whatever_interrupts_the_end() {
    let mut scene = new().with(|s| s.owned.route = shown(version_route("v1")));
    scene.number.spec.on_delete = OnDelete::Restore;
    scene.settle();
    scene.delete();
    scene.settle();
    assert_eq!(scene.owned.route, shown(version_route("v1")));
}

#[test]
fn an_account_that_goes_once_everything_is_taken_back_does_not_block() {
    let mut scene = deleted().with(|s| s.definition_going = Some(false)).with(|s| s.fresh = true);
    while !scene.claim.as_ref().unwrap().spec.sent.is_empty() {
        scene.step();
        scene.fresh = true;
    }
    assert_eq!(scene.with(missing).settle(), ["let go"]);
}
