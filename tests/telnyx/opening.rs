//! A Telnyx account in a cluster: opened by its key, named by its object, listed.

use dialplane::{api::CarrierAccount, sandbox::carrier::NumberSeed};
use serde_json::json;

use super::WIRE;
use crate::support::scene::{ACCOUNT, Scene};

#[tokio::test]
async fn an_account_is_opened_by_the_key_in_its_secret_and_bears_its_objects_name() {
    let scene = Scene::bare().await;
    let credentials = scene.sandbox.add_account((WIRE.account)()).unwrap();
    let owned = NumberSeed {
        number: "+14155550177".to_owned(),
        account: Some(credentials.account_sid),
        settings: Default::default(),
    };
    scene.sandbox.seed(owned).unwrap();
    scene.secret(json!({ "authToken": credentials.auth_token })).await;
    scene.account(json!({ "twilio": null, "telnyx": {} })).await;
    let message = scene.message::<CarrierAccount>(ACCOUNT, "Ready", "SecretIncomplete").await;
    assert!(message.contains("it lacks the key apiKey"), "{message}");

    scene.secret(json!({ "apiKey": format!("{}\n", credentials.auth_token) })).await;
    let account: CarrierAccount = scene.reason(ACCOUNT, "Ready", "Connected").await;
    let status = account.status.unwrap();
    assert_eq!(status.identity, Some(format!("{}/{ACCOUNT}", scene.namespace)));
    assert_eq!(status.numbers.map(|numbers| numbers.owned), Some(1));
    assert!(!serde_json::to_string(&status.conditions).unwrap().contains(&credentials.auth_token));

    scene.secret(json!({ "apiKey": "revoked" })).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Unauthorized").await;
    assert_eq!(scene.sandbox.ledger().writes(), 0);
}
