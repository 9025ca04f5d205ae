//! What somebody else changes at the carrier is put back, or said, as its owner wishes, and not for ever.

use dialplane::{
    api::{
        Agent, CarrierAccount, PhoneNumber,
        meta::{RECONCILE_REQUESTED, ROUTE_FINALIZER},
    },
    sandbox::carrier::Sandbox,
};
use kube::ResourceExt as _;
use serde_json::json;

use crate::support::{
    eventually,
    scene::{ACCOUNT, AGENT, Scene},
};

const V1: &str = "https://engine.example.com/dental/v1/voice";
const ELSEWHERE: &str = "https://elsewhere.example.com/voice";

fn divert(carrier: &Sandbox, number: &str) {
    carrier.edit(number, &[("voice_url", ELSEWHERE)]).unwrap();
}

#[tokio::test]
async fn drift_is_put_back_by_the_next_scan_and_said() {
    let (scene, number) = Scene::settled(json!({})).await;
    divert(&scene.sandbox, &number);
    scene.calls_reach(&number, V1).await;
    let said = scene.event("main", "DriftCorrected").await;
    assert!(said.contains("voice goes to elsewhere.example.com, wanted engine.example.com"), "{said}");
    assert_eq!(scene.writes_to(&number), 1);
}

#[tokio::test]
async fn each_event_tells_of_the_drift_that_it_is_about() {
    let (scene, number) = Scene::settled(json!({})).await;
    for host in ["one", "two", "two"] {
        scene.sandbox.edit(&number, &[("voice_url", &format!("https://{host}.example.net/voice"))]).unwrap();
        scene.request("main").await;
        scene.calls_reach(&number, V1).await;
    }
    let told = || async {
        let events: Vec<String> = scene
            .events("main")
            .await
            .into_iter()
            .filter(|(is, _)| is == "DriftCorrected")
            .map(|(_, text)| text)
            .collect();
        (events.len() >= 2).then_some(events)
    };
    let told = eventually("both are told", told).await;
    assert_eq!(told.len(), 2, "the same text is counted: {told:?}");
    assert!(
        ["one", "two"].iter().all(|host| told.iter().any(|text| text.contains(&format!("{host}.example.net")))),
        "{told:?}"
    );
}

#[tokio::test]
async fn drift_is_put_back_at_once_when_somebody_asks_for_it() {
    let scene = Scene::bare().await;
    let number = scene.owned();
    scene.open(json!({"scanInterval": "24h"})).await;
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    divert(&scene.sandbox, &number);
    scene.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 2));
}

#[tokio::test]
async fn a_look_at_the_whole_account_can_be_asked_for_as_well() {
    let scene = Scene::bare().await;
    let number = scene.owned();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.reason::<Agent>(AGENT, "Published", "Published").await;
    scene.edit_as_v1(&number);
    scene.open(json!({"scanInterval": "24h"})).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    divert(&scene.sandbox, &number);
    let request = json!({"metadata": {"annotations": {RECONCILE_REQUESTED: "now"}}});
    scene.patch::<CarrierAccount>(ACCOUNT, request).await;
    scene.calls_reach(&number, V1).await;
    // The listing wakes its numbers before the account says that the request was handled.
    eventually("the request is handled", || async {
        let status = scene.get::<CarrierAccount>(ACCOUNT).await?.status?;
        (status.last_handled_reconcile_at.as_deref() == Some("now")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn with_drift_report_it_is_only_said() {
    let (scene, number) = Scene::settled(json!({"drift": "Report"})).await;
    divert(&scene.sandbox, &number);
    let message = scene.message::<PhoneNumber>("main", "Routed", "Drifted").await;
    assert!(message.contains("voice goes to elsewhere.example.com"), "{message}");
    scene.event("main", "Drifted").await;
    scene.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (ELSEWHERE, 0));

    scene.edit_as_v1(&number);
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    divert(&scene.sandbox, &number);
    scene.reason::<PhoneNumber>("main", "Ready", "Drifted").await;
    scene.phone_number("main", &number, json!({"drift": "Enforce"})).await;
    scene.calls_reach(&number, V1).await;
}

#[tokio::test]
async fn with_drift_report_a_new_version_is_still_rolled_out() {
    let (scene, number) = Scene::settled(json!({"drift": "Report"})).await;
    scene.agent("engine.example.com", Some("v2")).await;
    scene.calls_reach(&number, "https://engine.example.com/dental/v2/voice").await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.writes_to(&number), 1);
}

#[tokio::test]
async fn with_mode_observe_nothing_is_written_and_nothing_claimed() {
    let scene = Scene::new().await;
    let number = scene.owned();
    divert(&scene.sandbox, &number);
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({"mode": "Observe"})).await;
    let message = scene.message::<PhoneNumber>("main", "Routed", "RouteDiffers").await;
    assert!(message.contains("voice goes to elsewhere.example.com, wanted engine.example.com"), "{message}");
    scene.reason::<PhoneNumber>("main", "Acquired", "Observed").await;
    scene.request("main").await;
    assert_eq!(scene.sandbox.ledger().writes(), 0);
    assert!(scene.claim(&number).await.is_none());

    scene.edit_as_v1(&number);
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.sandbox.ledger().writes()), (V1, 0));
}

#[tokio::test]
async fn observing_a_managed_number_stops_all_writes_and_managing_it_again_goes_on() {
    let (scene, number) = Scene::routed().await;
    scene.phone_number("main", &number, json!({"mode": "Observe"})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    divert(&scene.sandbox, &number);
    scene.request("main").await;
    scene.reason::<PhoneNumber>("main", "Ready", "RouteDiffers").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (ELSEWHERE, 1));
    scene.phone_number("main", &number, json!({})).await;
    scene.calls_reach(&number, V1).await;
}

#[tokio::test]
async fn while_suspended_nothing_is_written() {
    let (scene, number) = Scene::routed().await;
    scene.phone_number("main", &number, json!({"suspend": true})).await;
    divert(&scene.sandbox, &number);
    scene.request("main").await;
    let message = scene.message::<PhoneNumber>("main", "Routed", "Suspended").await;
    assert!(message.contains("spec.suspend"), "{message}");
    scene.agent("engine.example.com", Some("v2")).await;
    scene.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (ELSEWHERE, 1));

    scene.phone_number("main", &number, json!({})).await;
    scene.calls_reach(&number, "https://engine.example.com/dental/v2/voice").await;
}

#[tokio::test]
async fn an_object_that_begins_suspended_claims_nothing() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.agent("engine.example.com", Some("v1")).await;
    let main = scene.phone_number("main", &number, json!({"suspend": true})).await;
    assert!(main.finalizers().iter().all(|finalizer| finalizer != ROUTE_FINALIZER));
    scene.reason::<PhoneNumber>("main", "Ready", "NotClaimed").await;
    assert!(scene.claim(&number).await.is_none());
    assert_eq!(scene.sandbox.ledger().writes(), 0);
}

/// Slow on purpose: a listing is not believed against our own write for 30 s, and only unasked put-backs are a fight.
#[tokio::test]
async fn a_fight_is_given_up_after_three_rounds_until_somebody_asks() {
    let (scene, number) = Scene::settled(json!({})).await;
    for round in 1..=3 {
        divert(&scene.sandbox, &number);
        scene.calls_reach(&number, V1).await;
        assert_eq!(scene.writes_to(&number), round);
    }
    divert(&scene.sandbox, &number);
    let message = scene.message::<PhoneNumber>("main", "Routed", "RouteConflict").await;
    assert!(message.contains("voice goes to elsewhere.example.com, wanted engine.example.com"), "{message}");
    scene.reason::<PhoneNumber>("main", "Stalled", "RouteConflict").await;
    scene.scans(2).await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (ELSEWHERE, 3));

    scene.request("main").await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 4));
}

#[tokio::test]
async fn an_agent_for_calls_alone_leaves_somebody_elses_messages_alone() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.sandbox.edit(&number, &[("sms_url", "https://sms.example.com/")]).unwrap();
    scene.agent_with("engine.example.com", Some("v1"), json!({"draft": {"webhooks": {"sms": null}}})).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.calls_reach(&number, V1).await;
    scene.sandbox.edit(&number, &[("sms_url", "https://sms.example.com/2")]).unwrap();
    scene.request("main").await;
    assert_eq!(scene.writes_to(&number), 1);

    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.voice_url(&number), "");
    assert_eq!(scene.sandbox.field(&number, "sms_url").as_deref(), Some("https://sms.example.com/2"));
}

#[tokio::test]
async fn a_number_that_leaves_its_agent_is_cleared_of_what_is_ours_and_rests() {
    let (scene, number) = Scene::routed().await;
    scene.sandbox.edit(&number, &[("sms_url", "https://sms.example.com/")]).unwrap();
    scene.phone_number("main", &number, json!({"agentRef": null})).await;
    scene.calls_reach(&number, "").await;
    scene.reason::<PhoneNumber>("main", "Ready", "Unassigned").await;
    let is_alone = || async {
        let agent = scene.get::<dialplane::api::Agent>(AGENT).await?;
        (agent.status?.numbers?.assigned == 0).then_some(())
    };
    eventually("the agent counts it no more", is_alone).await;
}
