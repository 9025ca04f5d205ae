//! A number that the account owns is imported, routed, kept there and let go.

use dialplane::api::{Agent, PhoneNumber, meta::ROUTE_FINALIZER};
use serde_json::json;

use crate::support::scene::{AGENT, Scene};

#[tokio::test]
async fn an_imported_number_reaches_the_published_version_in_one_carrier_write() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.sandbox.edit(&number, &[("voice_url", "https://old.example.com/voice")]).unwrap();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.reason::<Agent>(AGENT, "Published", "Published").await;
    scene.phone_number("main", &number, json!({})).await;

    let main: PhoneNumber = scene.reason("main", "Ready", "Routed").await;
    assert_eq!(scene.voice_url(&number), "https://engine.example.com/dental/v1/voice");
    assert_eq!(scene.sandbox.field(&number, "sms_url").as_deref(), Some("https://engine.example.com/dental/v1/sms"));
    assert_eq!(scene.sandbox.ledger().writes_to(&number), 1);
    assert!(main.metadata.finalizers.unwrap().contains(&ROUTE_FINALIZER.to_owned()));
    let claim = scene.claim(&number).await.unwrap();
    assert_eq!(claim.spec.holder.name, "main");
    assert_eq!(
        claim.spec.previous[&dialplane::api::number::Channel::Voice].url.as_deref(),
        Some("https://old.example.com/voice")
    );

    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.voice_url(&number), "");
    assert!(scene.claim(&number).await.is_none());
    assert!(scene.sandbox.number(&number).is_some(), "the number is still ours");
}
