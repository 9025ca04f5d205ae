//! A number that is not in the account and is to be brought there, without being bought.

use std::time::Duration;

use dialplane::{
    api::{
        conditions::Reason,
        phone_number::{Acquisition, Mode},
    },
    carrier::ErrorClass,
    plan::{Decision, Effect, InFlight, Liveness, Look},
};

use super::scene::*;

/// A PhoneNumber whose number is at the organization's own carrier account.
fn elsewhere() -> Scene {
    new().with(|s| {
        s.number.spec.import.as_mut().unwrap().bring_in = true;
        s.view().brings_in = true;
        (s.see, s.since_met) = (See::Absent, false);
    })
}

/// The same with its claim and its finalizer, in a pass that has looked.
fn claimed() -> Scene {
    let mut scene = elsewhere().with(|s| s.fresh = true);
    scene.step();
    scene.step();
    assert!(scene.claim.is_some() && scene.number.metadata.finalizers.is_some());
    scene
}

fn asks(scene: &Scene) -> bool {
    matches!(scene.next(), Decision::Act(Effect::BringIn(_, number)) if number == e164())
}

#[test]
fn a_number_is_claimed_before_it_is_asked_for_and_routed_once_it_is_there() {
    let mut scene = elsewhere();
    let write = "write voice=engine.example.com sms=engine.example.com";
    let order = ["look", "claim", "finalizer", "look", "bring in", "journal", write, "status Routed"];
    assert_eq!(scene.settle(), order);
    assert!(scene.settle().is_empty());
    let claim = &scene.claim.unwrap().spec;
    assert_eq!((claim.acquisition, &claim.purchase), (Acquisition::Imported, &None));
    assert_eq!(claim.carrier_number_id, "PN1");
}

#[test]
fn the_claim_of_a_number_that_has_yet_to_come_says_that_nothing_was_sent_to_it() {
    let claim = claimed().claim.unwrap().spec;
    assert!(claim.sent.is_empty() && claim.previous.is_empty() && claim.carrier_number_id.is_empty());
    let mut pooled = elsewhere().with(|s| s.agent = None);
    assert_eq!(pooled.settle().last().unwrap(), "status Unassigned");
    assert_eq!(pooled.claim.unwrap().spec.carrier_number_id, "PN1", "that it was there is known from then on");
}

#[test]
fn without_a_word_for_it_nothing_is_written_for_a_number_that_is_not_there() {
    let mut scene = elsewhere().with(|s| s.number.spec.import.as_mut().unwrap().bring_in = false);
    assert_eq!(scene.settle(), ["status NotInAccount"]);
    assert!(scene.message().contains("spec.import.bringIn"), "{}", scene.message());
    scene.view().brings_in = false;
    assert!(!scene.message().contains("bringIn"), "{}", scene.message());
}

#[test]
fn what_is_not_asked_says_why_and_claims_nothing() {
    type Change = fn(&mut Scene);
    let table: [(&str, &str, Change); 3] = [
        ("CarrierImportRefused", "cannot import numbers", |s| s.view().brings_in = false),
        ("NotInAccount", "mode: Observe", |s| s.number.spec.mode = Mode::Observe),
        ("NotClaimed", "suspended", |s| s.number.spec.suspend = true),
    ];
    for (reason, text, change) in table {
        let mut scene = elsewhere().with(change);
        assert_eq!(scene.settle(), [format!("status {reason}")]);
        assert!(scene.message().contains(text), "{}", scene.message());
    }
}

#[test]
fn a_number_that_was_there_is_lost_and_not_brought_in_again() {
    let mut lost = routed().with(|s| {
        s.number.spec.import.as_mut().unwrap().bring_in = true;
        s.view().brings_in = true;
        s.see = See::Absent;
    });
    assert_eq!(lost.settle(), ["status NumberLost"]);
}

#[test]
fn a_number_that_another_object_holds_is_not_asked_for() {
    for hold in [Scene::held_by_another as fn(&mut Scene), Scene::held_elsewhere] {
        let mut scene = claimed().with(hold).with(|s| s.holder = Liveness::Alive);
        assert_eq!(scene.settle(), ["status ClaimedByAnother"]);
    }
    let other = claimed().with(|s| s.claim_mut().account.identity = "AC2".into()).with(Scene::held_elsewhere);
    assert_eq!(other.says(), "ClaimRefused");
}

#[test]
fn what_is_not_known_is_looked_at_before_it_is_asked_again() {
    let mut scene = claimed();
    assert!(asks(&scene));
    scene.fresh = false;
    assert!(matches!(scene.next(), Decision::Look(Look::Number { .. })));
    let minute = Duration::from_secs(60);
    let lost = InFlight { unknown: minute, ..InFlight::default() };
    let crashed = InFlight { predecessor: minute, ..InFlight::default() };
    for in_flight in [lost, crashed] {
        let mut waits = claimed().with(|s| s.in_flight = in_flight);
        assert_eq!(waits.says(), "NumberNotChecked");
        assert!(waits.message().contains("It is unknown whether"), "{}", waits.message());
        assert!(waits.rest().again.unwrap() <= minute);
        waits.trouble = Some(trouble(ErrorClass::Transient, 1, 5));
        assert!(waits.message().contains("It is unknown whether"), "{}", waits.message());
        (waits.in_flight, waits.trouble) = (InFlight::default(), None);
        assert!(asks(&waits));
    }
}

#[test]
fn a_refusal_says_what_to_do_and_is_not_repeated_before_its_time() {
    for (class, reason) in [
        (ErrorClass::Unavailable, Reason::CarrierImportRefused),
        (ErrorClass::Forbidden, Reason::CarrierImportRefused),
        (ErrorClass::Funds, Reason::InsufficientFunds),
        (ErrorClass::Unauthorized, Reason::AccountNotReady),
        (ErrorClass::Throttled, Reason::NumberNotChecked),
    ] {
        let mut refused = claimed().with(|s| s.trouble = Some(trouble(class, 1, 600)));
        assert_eq!((refused.says(), refused.message()), (reason.to_string(), "The carrier says no.".to_owned()));
        assert_eq!(refused.rest().again, Some(Duration::from_secs(600)));
        refused.trouble = Some(trouble(class, 1, 0));
        assert!(asks(&refused));
    }
}

#[test]
fn an_object_that_goes_before_its_number_came_writes_nothing() {
    let mut scene = claimed().with(Scene::delete);
    assert_eq!(scene.settle(), ["let go"]);
    let mut closed = claimed().with(Scene::account_closed);
    assert_eq!(closed.settle(), ["status AccountNotReady"]);
}
