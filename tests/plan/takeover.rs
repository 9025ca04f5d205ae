//! To whom a claim passes, and to whom it does not.

use std::time::Duration;

use dialplane::{
    api::{
        claim::ClaimedPurchase,
        conditions::Reason,
        meta::{HAND_OVER, NUMBER as SAID},
        number::Channel,
        offer::Price,
    },
    plan::{Decision, Effect, Liveness, Rival},
};

use super::scene::*;

/// The claim is another namespace's, and its holder is gone for good.
fn left_elsewhere() -> Scene {
    let rival = Rival { gone_for: Duration::from_secs(60), ..Rival::STAYS };
    routed().with(Scene::held_elsewhere).with(|s| (s.holder, s.rival) = (Liveness::Gone, rival))
}

fn bought(scene: &mut Scene, namespace: &str) {
    scene.claim_mut().purchase = Some(Box::new(ClaimedPurchase {
        namespace: namespace.into(),
        identity: "desk".into(),
        installation: "test".into(),
        attempt: 1,
        price: Price::default(),
        offered: None,
    }));
}

/// The account is another namespace's, and allows this one.
fn guest(scene: &mut Scene) {
    scene.claim_mut().account.namespace = "telephony".into();
}

#[track_caller]
fn takes(scene: &Scene) -> dialplane::api::claim::NumberClaimSpec {
    match scene.next() {
        Decision::Act(Effect::WriteClaim(claim)) => claim.spec,
        other => panic!("it is not taken over: {other:?}"),
    }
}

#[test]
fn a_bought_number_passes_to_nobody_before_the_account_has_counted_it() {
    let uncounted = |s: &mut Scene| s.uncounted = true;
    let left = || left_elsewhere().with(|s| bought(s, "elsewhere"));
    let handed = || left().with(|s| (s.holder, s.rival.hands_over) = (Liveness::Alive, true));
    for scene in [left(), left().with(|s| s.claim_mut().holder = None), handed()] {
        let waits = scene.clone().with(uncounted);
        assert_eq!(waits.says(), "NumberNotChecked");
        assert!(waits.rest().again.is_some());
        takes(&scene);
    }
}

#[test]
fn a_claim_never_passes_to_another_carrier_account_and_nothing_is_said_of_whose_it_is() {
    let cases: [fn(&mut Scene); 4] = [
        |_| {},
        |s| s.claim_mut().holder = None,
        |s| s.rival.allowed = false,
        |s| (s.holder, s.rival.hands_over) = (Liveness::Alive, true),
    ];
    for case in cases {
        let scene = left_elsewhere().with(case).with(|s| s.claim_mut().account.identity = "AC2".into());
        assert_eq!(scene.says(), "ClaimRefused");
        assert!(!scene.message().contains("elsewhere"), "{}", scene.message());
    }
}

#[test]
fn what_was_imported_passes_to_another_namespace_once_its_own_has_had_a_moment_to_come_back() {
    let mut scene = left_elsewhere().with(guest);
    scene.rival.gone_for = Duration::ZERO;
    assert_eq!(scene.says(), "AwaitingHandover");
    assert!(scene.rest().again.is_some_and(|again| !again.is_zero()));
    scene.rival.gone_for = Duration::from_secs(60);
    assert!(takes(&scene).is_held_by("uid-1"));
}

#[test]
fn what_was_bought_passes_within_its_namespace_and_to_the_owner_of_the_account_and_to_nobody_else() {
    let resting = |s: &mut Scene| s.claim_mut().holder = None;
    let theirs = || left_elsewhere().with(|s| bought(s, "elsewhere"));
    for scene in [theirs(), theirs().with(resting)] {
        assert_eq!(scene.clone().with(guest).says(), "ClaimRefused");
        let mine = takes(&scene).identity().unwrap();
        assert_eq!((&*mine.namespace, &*mine.name), ("clinic", "front-desk"), "and is this namespace's from then on");
    }
    let shared = theirs().with(guest).with(|s| s.shared_pool = true);
    assert_eq!(shared.says(), "ClaimRefused", "one that is held is not idle");
    takes(&shared.with(resting));
    let own = left_elsewhere().with(|s| bought(s, "clinic")).with(resting).with(guest);
    assert_eq!(takes(&own).identity().unwrap().name, "desk");
}

#[test]
fn once_a_namespace_is_no_longer_allowed_the_number_comes_back_though_its_object_lives() {
    let scene = left_elsewhere().with(|s| s.holder = Liveness::Alive).with(|s| s.rival.allowed = false);
    takes(&scene);
    takes(&scene.clone().with(|s| bought(s, "elsewhere")));
    assert_eq!(scene.clone().with(|s| bought(s, "elsewhere")).with(guest).says(), "ClaimRefused");
    assert_eq!(scene.with(|s| s.rival.allowed = true).says(), "ClaimedByAnother");
}

#[test]
fn a_number_is_handed_to_another_namespace_by_a_word_of_whoever_has_it_and_in_one_step() {
    let scene = left_elsewhere().with(|s| s.holder = Liveness::Alive).with(guest).with(|s| bought(s, "elsewhere"));
    let handed = scene.with(|s| s.rival.hands_over = true);
    let claim = takes(&handed);
    assert!(claim.is_held_by("uid-1") && !claim.sent.is_empty(), "the route is known as ours");
    let mut handed = handed;
    handed.settle();
    assert!(handed.owned.route[&Channel::Voice] == version_route("v1")[&Channel::Voice], "and was never emptied");

    // Whoever handed it over takes nothing, whatever becomes of the other.
    let to = |s: &mut Scene| {
        s.number.metadata.annotations = Some([(HAND_OVER.to_owned(), "elsewhere/desk".to_owned())].into());
    };
    assert_eq!(left_elsewhere().with(to).says(), "HandedOver");
    assert_eq!(new().with(to).says(), "HandedOver");
    assert_eq!(routed().with(to).says(), "Routed", "until somebody takes it");
}

#[test]
fn what_was_there_before_stays_in_the_namespace_that_it_was_read_for() {
    let scene = left_elsewhere();
    assert_eq!(scene.claim.as_ref().unwrap().spec.previous[&Channel::Voice], destination(FOREIGN));
    assert!(takes(&scene).previous.is_empty());
    let same = routed().with(Scene::held_by_another).with(|s| s.holder = Liveness::Gone);
    assert_eq!(takes(&same).previous[&Channel::Voice], destination(FOREIGN));
}

#[test]
fn whoever_waits_for_one_that_is_being_deleted_is_being_worked_on_and_not_stalled() {
    let scene = routed().with(Scene::held_by_another).with(|s| s.holder = Liveness::Alive);
    let waits = scene.with(|s| s.rival.leaving = true);
    assert_eq!(waits.says(), "AwaitingHandover");
    let conditions = waits.rest().status.unwrap().conditions;
    let has = |of: &str| conditions.iter().any(|condition| condition.type_() == of);
    assert!(has("Reconciling") && !has("Stalled"));
}

#[test]
fn one_that_goes_where_another_waits_leaves_claim_and_route_to_that_one() {
    let mut scene = deleted().with(|s| s.successor = true);
    let claim = scene.claim.clone();
    assert_eq!(scene.settle(), ["let go"]);
    assert_eq!(scene.claim, claim);
    assert_eq!(scene.owned.route[&Channel::Voice], version_route("v1")[&Channel::Voice]);
}

#[test]
fn a_number_of_another_installation_is_adopted_by_a_record_and_a_word_and_by_neither_alone() {
    let elsewhere = |s: &mut Scene| s.marked_by_another = true;
    let say = |s: &mut Scene| {
        s.number.metadata.annotations = Some([(SAID.to_owned(), NUMBER.to_owned())].into());
    };
    assert_eq!(new().with(elsewhere).with(say).says(), "MarkerConflict");
    let restored = || left_elsewhere().with(|s| s.claim_mut().holder.as_mut().unwrap().namespace = "clinic".into());
    let asks = restored().with(|s| bought(s, "clinic")).with(elsewhere);
    assert_eq!(asks.says(), "MarkerConflict");
    let text = asks.message();
    assert!(text.contains("installation of Dialplane, test") && text.contains(SAID), "{text}");
    takes(&asks.with(say));
    assert_eq!(Reason::MarkerConflict.row().name, "MarkerConflict");
}

#[test]
fn an_observer_is_not_told_where_a_number_of_another_namespace_leads_unless_the_account_is_its_own() {
    use dialplane::api::phone_number::Mode;
    let observes = |s: &mut Scene| (s.number.spec.mode, s.agent) = (Mode::Observe, Some(version("v2")));
    let elsewhere = |s: &mut Scene| s.view().key.namespace = "telephony".into();
    let hidden = left_elsewhere().with(observes).with(elsewhere);
    assert_eq!(hidden.says(), "ClaimRefused");
    assert!(!hidden.message().contains("engine"), "{}", hidden.message());
    assert_eq!(left_elsewhere().with(observes).says(), "RouteDiffers", "the account is its own");
}
