//! One number has one manager: whoever holds its claim, through races, hands that meddle, and objects made again.

use std::sync::atomic::Ordering;

use dialplane::{
    api::{
        CarrierAccount, NumberClaim, PhoneNumber,
        account::AccountNumbers,
        meta::ROUTE_FINALIZER,
        number::{Channel, Route},
    },
    sandbox::carrier::{Fault, Match},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    scene::{ACCOUNT, AGENT, Scene},
};

fn claims(scene: &Scene) -> Api<NumberClaim> {
    Api::all(scene.client.clone())
}

async fn edit_claim(scene: &Scene, number: &str, patch: Value) {
    claims(scene).patch(&number[1..], &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

async fn held_by(scene: &Scene, number: &str, name: &str, uid: &str) -> NumberClaim {
    let ask = || async {
        let is_it = |claim: &NumberClaim| claim.spec.holder.as_ref().is_some_and(|it| it.name == name && it.uid == uid);
        scene.claim(number).await.filter(is_it)
    };
    eventually(&format!("{name} holds the claim"), ask).await
}

#[tokio::test]
async fn of_two_objects_for_one_number_the_second_says_who_holds_it_and_takes_over_when_that_is_gone() {
    let (scene, number) = Scene::routed().await;
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("second", &number, json!({})).await;
    let message = scene.message::<PhoneNumber>("second", "Acquired", "ClaimedByAnother").await;
    assert!(message.contains(&format!("PhoneNumber {}/main holds the claim", scene.namespace)), "{message}");
    assert_eq!(scene.writes_to(&number), 1);
    let second = scene.reason::<PhoneNumber>("second", "Stalled", "ClaimedByAnother").await;
    assert!(second.finalizers().is_empty(), "it has nothing to clean up");

    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    scene.reason::<PhoneNumber>("second", "Ready", "Routed").await;
    held_by(&scene, &number, "second", &second.uid().unwrap()).await;
    assert_eq!(scene.writes_to(&number), 1, "the route goes from the one to the other, and is the same");
}

#[tokio::test]
async fn two_objects_that_come_at_once_are_one_winner_and_one_that_waits() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.agent("engine.example.com", Some("v1")).await;
    tokio::join!(scene.phone_number("a", &number, json!({})), scene.phone_number("b", &number, json!({})));
    let winner = eventually("somebody holds the claim", || scene.claim(&number)).await.spec.holder.unwrap().name;
    let loser = if winner == "a" { "b" } else { "a" };
    scene.reason::<PhoneNumber>(&winner, "Ready", "Routed").await;
    scene.reason::<PhoneNumber>(loser, "Ready", "ClaimedByAnother").await;
    assert_eq!(scene.writes_to(&number), 1);
}

#[tokio::test]
async fn a_number_has_one_manager_across_namespaces_and_accounts_that_are_the_same_one_at_the_carrier() {
    let (scene, number) = Scene::routed().await;
    let other = scene.elsewhere().await;
    other.open(json!({})).await;
    other.agent("elsewhere.example.com", Some("v1")).await;
    other.phone_number("main", &number, json!({})).await;
    let message = other.message::<PhoneNumber>("main", "Acquired", "ClaimedByAnother").await;
    assert!(message.contains(&format!("{}/main", scene.namespace)), "{message}");
    other.request("main").await;
    assert_eq!(scene.writes_to(&number), 1);

    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    other.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    other.calls_reach(&number, "https://elsewhere.example.com/dental/v1/voice").await;
}

#[tokio::test]
async fn deleting_a_claim_by_hand_forgets_nothing_while_its_number_is_managed() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.sandbox.edit(&number, &[("voice_url", "https://old.example.com/voice")]).unwrap();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({"onDelete": "Restore"})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;

    claims(&scene).delete(&number[1..], &DeleteParams::default()).await.unwrap();
    scene.request("main").await;
    assert!(scene.claim(&number).await.is_some(), "it waits until nothing alive depends on it");
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.voice_url(&number), "https://old.example.com/voice");
    scene.unclaimed(&number).await;
}

#[tokio::test]
async fn a_claim_that_was_torn_out_is_made_again_and_the_route_is_still_known_as_ours() {
    let (scene, number) = Scene::routed().await;
    let before = scene.claim(&number).await.unwrap();
    claims(&scene).delete(&number[1..], &DeleteParams::default()).await.unwrap();
    edit_claim(&scene, &number, json!({"metadata": {"finalizers": null}})).await;

    let ask = || async { scene.claim(&number).await.filter(|claim| claim.uid() != before.uid()) };
    let again = eventually("the claim is made again", ask).await;
    assert_eq!(again.spec.holder, before.spec.holder);
    assert_eq!(again.spec.previous, Route::new(), "our own route is not what was there before us");
    assert_eq!(scene.writes_to(&number), 1);
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.voice_url(&number), "", "it was known as ours, and cleared");
}

#[tokio::test]
async fn a_claim_that_was_edited_is_put_right() {
    let (scene, number) = Scene::routed().await;
    let right = scene.claim(&number).await.unwrap().spec;
    let nobody = json!({"namespace": "nowhere", "name": "nobody", "uid": "0"});
    for edit in [json!({"sent": []}), json!({"onDelete": "Leave"}), json!({"holder": nobody})] {
        edit_claim(&scene, &number, json!({"spec": edit})).await;
        let ask = || async { scene.claim(&number).await.filter(|claim| claim.spec == right) };
        eventually(&format!("the claim is right again after {edit}"), ask).await;
    }
    assert_eq!(scene.writes_to(&number), 1);
}

#[tokio::test]
async fn a_replace_without_our_finalizer_puts_it_back() {
    let (scene, number) = Scene::routed().await;
    let mut main = scene.get::<PhoneNumber>("main").await.unwrap();
    main.metadata.finalizers = None;
    scene.api::<PhoneNumber>().replace("main", &PostParams::default(), &main).await.unwrap();

    let is_back = |main: &PhoneNumber| main.finalizers().iter().any(|finalizer| finalizer == ROUTE_FINALIZER);
    eventually("the finalizer is back", || async { scene.get("main").await.filter(is_back) }).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.writes_to(&number), 1);
}

#[tokio::test]
async fn what_an_object_that_was_torn_out_left_at_the_carrier_is_taken_back() {
    let (scene, number) = Scene::routed().await;
    // As long as the carrier refuses, the deletion waits: time for somebody to lose patience.
    scene.always(Match::route_write(), Fault::TooMany { retry_after: Some(1) });
    scene.delete::<PhoneNumber>("main").await;
    scene.reason::<PhoneNumber>("main", "Routed", "Clearing").await;
    scene.strip::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    assert_ne!(scene.voice_url(&number), "");

    scene.sandbox.clear_faults();
    scene.calls_reach(&number, "").await;
    scene.unclaimed(&number).await;
}

#[tokio::test]
async fn an_object_made_again_at_once_under_its_name_gets_its_number_back() {
    let (scene, number) = Scene::routed().await;
    let old = scene.get::<PhoneNumber>("main").await.unwrap();
    scene.delete::<PhoneNumber>("main").await;
    let mut new = PhoneNumber::new("main", old.spec.clone());
    new.metadata.namespace = None;
    let create = || async { scene.api::<PhoneNumber>().create(&PostParams::default(), &new).await.ok() };
    let new = eventually("the name is free", create).await;
    assert_ne!(new.uid(), old.uid());

    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    held_by(&scene, &number, "main", &new.uid().unwrap()).await;
    scene.calls_reach(&number, "https://engine.example.com/dental/v1/voice").await;
}

#[tokio::test]
async fn a_manifest_that_was_exported_from_another_cluster_says_nothing_about_this_one() {
    // "Another cluster" is another carrier, where everything was different.
    let (exported, _) = Scene::routed().await;
    let mut manifest = serde_json::to_value(exported.get::<PhoneNumber>("main").await.unwrap()).unwrap();
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.agent("engine.example.com", Some("v1")).await;
    manifest["metadata"]["namespace"] = json!(scene.namespace);
    manifest["metadata"]["resourceVersion"] = Value::Null;
    manifest["metadata"]["finalizers"] = json!([ROUTE_FINALIZER, "example.com/elsewhere"]);
    manifest["spec"]["import"]["number"] = json!(number);
    let manifest = serde_json::from_value(manifest).unwrap();
    scene.api::<PhoneNumber>().create(&PostParams::default(), &manifest).await.unwrap();

    let main = scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(main.status.unwrap().number.unwrap().as_str(), number);
    assert_eq!(scene.writes_to(&number), 1);
    scene.delete::<PhoneNumber>("main").await;
    scene.calls_reach(&number, "").await;
    let ours = |main: &PhoneNumber| !main.finalizers().iter().any(|finalizer| finalizer == ROUTE_FINALIZER);
    eventually("ours is off and theirs stays", || async { scene.get("main").await.filter(ours) }).await;
    scene.strip::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    scene.unclaimed(&number).await;
}

#[tokio::test]
async fn an_account_that_is_made_again_goes_on_with_what_was_claimed_under_it() {
    let (scene, number) = Scene::routed().await;
    let old = scene.get::<CarrierAccount>(ACCOUNT).await.unwrap();
    scene.delete::<CarrierAccount>(ACCOUNT).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "InUse").await;
    scene.strip::<CarrierAccount>(ACCOUNT).await;
    scene.gone::<CarrierAccount>(ACCOUNT).await;
    scene.reason::<PhoneNumber>("main", "Accepted", "AccountNotFound").await;

    scene.open(json!({})).await;
    assert_ne!(scene.get::<CarrierAccount>(ACCOUNT).await.unwrap().uid(), old.uid());
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.request("main").await;
    assert_eq!(scene.writes_to(&number), 1);
    assert_eq!(scene.claim(&number).await.unwrap().spec.previous.get(&Channel::Voice), None);
    assert!(scene.get::<dialplane::api::Agent>(AGENT).await.is_some());
}

#[tokio::test]
async fn an_observer_beside_the_manager_of_a_number_looks_on_and_is_told_no_lie() {
    let (scene, number) = Scene::routed().await;
    scene.phone_number("watch", &number, json!({"mode": "Observe"})).await;
    scene.reason::<PhoneNumber>("watch", "Ready", "Routed").await;
    scene.reason::<PhoneNumber>("watch", "Acquired", "Observed").await;
    scene.delete::<PhoneNumber>("watch").await;
    scene.gone::<PhoneNumber>("watch").await;
    assert_eq!(scene.claim(&number).await.unwrap().spec.holder.unwrap().name, "main");
    assert_eq!(scene.writes_to(&number), 1);
}

#[tokio::test]
async fn whoever_waits_for_a_claim_can_be_deleted_without_touching_the_number() {
    let (scene, number) = Scene::routed().await;
    scene.phone_number("second", &number, json!({})).await;
    scene.reason::<PhoneNumber>("second", "Ready", "ClaimedByAnother").await;
    scene.delete::<PhoneNumber>("second").await;
    scene.gone::<PhoneNumber>("second").await;
    scene.request("main").await;
    assert_eq!(scene.claim(&number).await.unwrap().spec.holder.unwrap().name, "main");
    assert_eq!(scene.writes_to(&number), 1);
}

#[tokio::test]
async fn a_number_whose_manager_was_torn_out_goes_to_whoever_waits_without_an_outage() {
    let (scene, number) = Scene::routed().await;
    scene.phone_number("second", &number, json!({})).await;
    scene.reason::<PhoneNumber>("second", "Ready", "ClaimedByAnother").await;
    // Somebody loses patience before the operator has a say.
    let held = json!({"metadata": {"finalizers": ["example.com/held"]}});
    scene.patch::<PhoneNumber>("main", held).await;
    scene.delete::<PhoneNumber>("main").await;
    scene.strip::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;

    scene.reason::<PhoneNumber>("second", "Ready", "Routed").await;
    assert_eq!(scene.claim(&number).await.unwrap().spec.holder.unwrap().name, "second");
    scene.request("second").await;
    assert_eq!(scene.voice_url(&number), "https://engine.example.com/dental/v1/voice");
    assert_eq!(scene.writes_to(&number), 1, "it was never cleared");
}

#[tokio::test]
async fn what_is_managed_is_counted_at_once_and_under_every_account_that_opens_the_same_one() {
    let ours = Scene::new().await;
    let number = ours.owned();
    ours.agent("engine.example.com", Some("v1")).await;
    let theirs = ours.elsewhere().await;
    // Nothing but a look that something asks for shows what there is.
    let rarely = || json!({"scanInterval": "24h"});
    theirs.open(rarely()).await;
    ours.scans(1).await;
    ours.account(rarely()).await;
    let counted = async |scene: &Scene, owned: u32, claimed: u32| {
        let wanted = Some(AccountNumbers { owned, claimed, unclaimed: owned - claimed });
        eventually(&format!("{wanted:?} in {}", scene.namespace), || async {
            let account = scene.get::<CarrierAccount>(ACCOUNT).await?;
            (account.status?.numbers == wanted).then_some(())
        })
        .await;
    };
    counted(&theirs, 1, 0).await;
    ours.phone_number("main", &number, json!({})).await;
    ours.routed_number("main").await;
    counted(&ours, 1, 1).await;
    counted(&theirs, 1, 1).await;

    ours.purchase("bought", json!({})).await;
    ours.routed_number("bought").await;
    counted(&ours, 2, 2).await;
    ours.delete::<PhoneNumber>("main").await;
    ours.gone::<PhoneNumber>("main").await;
    counted(&ours, 2, 1).await;
    let status = serde_json::to_string(&theirs.get::<CarrierAccount>(ACCOUNT).await.unwrap().status).unwrap();
    assert!(!status.contains(&ours.namespace), "a tenant is not told whose they are: {status}");
    // It is one account at the carrier.
    ours.has_bought(1).await;
    theirs.bought.store(1, Ordering::Relaxed);
}
