//! Where an account may lead to: what the operator was started to allow, and nowhere else.

use std::sync::Arc;

use dialplane::{
    api::{CarrierAccount, PhoneNumber},
    sandbox::carrier::{Sandbox, SandboxConfig},
};
use serde_json::json;

use crate::support::{
    audit, chart, control_plane, eventually, is_own_cluster,
    scene::{ACCOUNT, AGENT, Scene},
};

/// A carrier of somebody who was not asked: it owns every number that one cares to tell it of.
fn stranger(owns: &[&str]) -> Arc<Sandbox> {
    let sandbox = Sandbox::start(SandboxConfig::default()).unwrap();
    owns.iter().for_each(|number| drop(sandbox.seed_number(number).unwrap()));
    Arc::new(sandbox)
}

/// Who asked for the Secrets of this namespace.
async fn readers(scene: &Scene) -> usize {
    let requests = audit::requests(&control_plane().await.audit_log_path());
    let read = |r: &&audit::Request| r.user == chart::USER && r.resource == "secrets" && r.namespace == scene.namespace;
    requests.iter().filter(read).count()
}

#[tokio::test]
async fn nothing_is_asked_of_an_endpoint_that_was_not_allowed_and_nothing_owned_by_what_it_would_say() {
    let scene = Scene::bare().await;
    let number = scene.owned();
    let stranger = stranger(&[&number]);
    scene.secret(json!({"authToken": stranger.credentials().auth_token})).await;
    let port = stranger.url().rsplit_once(':').unwrap().1;
    for endpoint in [
        stranger.url().to_owned(),
        // One that is allowed, and something that makes it another.
        format!("{}/proxy", scene.sandbox.url()),
        format!("http://localhost:{port}"),
        format!("{}.", scene.sandbox.url().replace("127.0.0.1", "localhost").rsplit_once(':').unwrap().0),
        format!("http://127.1:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
    ] {
        scene
            .account(json!({"twilio": {"accountSid": stranger.credentials().account_sid}, "endpoint": endpoint}))
            .await;
        scene.reason::<CarrierAccount>(ACCOUNT, "Stalled", "EndpointNotAllowed").await;
        let message = scene.message::<CarrierAccount>(ACCOUNT, "Ready", "EndpointNotAllowed").await;
        assert!(message.contains("--allow-endpoint") && message.contains("carriers.allowedEndpoints"), "{message}");
        scene.delete::<CarrierAccount>(ACCOUNT).await;
        scene.gone::<CarrierAccount>(ACCOUNT).await;
    }
    scene
        .account(json!({"twilio": {"accountSid": stranger.credentials().account_sid}, "endpoint": stranger.url()}))
        .await;
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("import", &number, json!({})).await;
    scene.purchase("purchase", json!({})).await;
    for name in ["import", "purchase"] {
        scene.reason::<PhoneNumber>(name, "Acquired", "AccountNotReady").await;
    }
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "EndpointNotAllowed").await;
    scene.event(ACCOUNT, "EndpointNotAllowed").await;
    assert!(scene.claim(&number).await.is_none(), "nothing is claimed by what a stranger says");
    assert_eq!(stranger.ledger().entries().len(), 0, "it was asked nothing");
    if is_own_cluster() {
        assert_eq!(readers(&scene).await, 0, "its Secret was not read");
    }

    // What never sent anything goes at once, and the account after it.
    for name in ["import", "purchase"] {
        scene.delete::<PhoneNumber>(name).await;
        scene.gone::<PhoneNumber>(name).await;
    }
    scene.delete::<CarrierAccount>(ACCOUNT).await;
    scene.gone::<CarrierAccount>(ACCOUNT).await;
}

#[tokio::test]
async fn an_account_that_is_led_elsewhere_is_closed_for_its_numbers_and_opens_when_it_is_led_back() {
    let (scene, number) = Scene::routed().await;
    let stranger = stranger(&[&number]);
    scene.account(json!({"endpoint": stranger.url()})).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "EndpointNotAllowed").await;
    let asked = scene.sandbox.ledger().entries().len();
    scene.agent("engine.example.com", Some("v2")).await;
    scene.reason::<PhoneNumber>("main", "Routed", "RouteUnknown").await;
    let late = scene.owned();
    scene.phone_number("late", &late, json!({})).await;
    scene.reason::<PhoneNumber>("late", "Acquired", "AccountNotReady").await;
    assert_eq!(scene.sandbox.ledger().entries().len(), asked, "neither is where it led before asked any more");
    assert_eq!(stranger.ledger().entries().len(), 0);
    assert_eq!(
        scene.voice_url(&number),
        format!("https://engine.example.com/{AGENT}/v1/voice"),
        "the number keeps its route"
    );

    scene.account(json!({})).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    for number in [&number, &late] {
        scene.calls_reach(number, &format!("https://engine.example.com/{AGENT}/v2/voice")).await;
    }
    // With a slash at its end it is the same endpoint.
    scene.account(json!({"endpoint": format!("{}/", scene.sandbox.url())})).await;
    let open = || async {
        let account = scene.get::<CarrierAccount>(ACCOUNT).await?;
        (account.status?.observed_generation == account.metadata.generation).then_some(())
    };
    eventually("the account is looked at again", open).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
}
