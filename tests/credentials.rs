//! Credentials change without a gap and without a restart: a Secret that is written anew, and one that holds two.

use dialplane::{
    api::{
        CarrierAccount, PhoneNumber,
        account::{CredentialsKey, CredentialsStatus},
        meta::RECONCILE_REQUESTED,
    },
    sandbox::carrier::Kind,
};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::support::{
    eventually,
    scene::{ACCOUNT, Scene},
};

/// What the account says of its credentials, once it says of the Secret as it is now that these are used.
async fn in_use(scene: &Scene, key: CredentialsKey) -> CredentialsStatus {
    eventually("the credentials in use are said", || async {
        let secret = scene.get::<Secret>(ACCOUNT).await?;
        let status = scene.get::<CarrierAccount>(ACCOUNT).await?.status?;
        let is_now = |said: &CredentialsStatus| {
            Some(&said.resource_version) == secret.metadata.resource_version.as_ref() && said.key == key
        };
        status.credentials.filter(is_now)
    })
    .await
}

fn token(scene: &Scene) -> String {
    scene.sandbox.credentials().auth_token
}

/// Asks for a look at the account.
async fn request(scene: &Scene) {
    let at = format!("{:?}", std::time::Instant::now());
    scene.patch::<CarrierAccount>(ACCOUNT, json!({"metadata": {"annotations": {RECONCILE_REQUESTED: at}}})).await;
}

/// Replaces the account's token at the carrier.
fn rotate(scene: &Scene) -> String {
    scene.sandbox.rotate_token(&scene.sandbox.credentials().account_sid).unwrap().auth_token
}

#[tokio::test]
async fn a_token_that_is_to_take_over_does_so_when_the_carrier_refuses_the_other() {
    let (scene, number) = Scene::routed().await;
    let first = in_use(&scene, CredentialsKey::Current).await;
    let old = token(&scene);
    let new = rotate(&scene);
    scene.secret(json!({"authToken": old, "authTokenNext": new})).await;
    request(&scene).await;
    let second = in_use(&scene, CredentialsKey::Next).await;
    assert!(second.working_since >= first.working_since, "{first:?} {second:?}");
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;

    // The rotation is over: what was to take over stands where the other stood, and nobody notices.
    scene.patch::<Secret>(ACCOUNT, json!({"data": {"authTokenNext": null}, "stringData": {"authToken": new}})).await;
    in_use(&scene, CredentialsKey::Current).await;
    scene.scans(2).await;
    let ledger = scene.sandbox.ledger();
    assert_eq!((scene.writes_to(&number), ledger.purchases(), ledger.releases()), (1, 0, 0));
}

#[tokio::test]
async fn of_two_tokens_that_are_both_refused_neither_is_tried_without_end() {
    let (scene, number) = Scene::routed().await;
    let both =
        json!({"authToken": "0123456789abcdef0123456789abcdef", "authTokenNext": "fedcba9876543210fedcba9876543210"});
    scene.secret(both).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Unauthorized").await;
    let asked = || scene.sandbox.ledger().entries().iter().filter(|entry| entry.status == Some(401)).count();
    let before = asked();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert!(asked() <= before + 2, "{} requests in five seconds", asked() - before);
    scene.secret(scene.token()).await;
    request(&scene).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    scene.request("main").await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.writes_to(&number), 1);
}

#[tokio::test]
async fn a_secret_that_changes_is_read_within_a_minute_though_the_next_listing_is_far() {
    let scene = Scene::bare().await;
    scene.open(json!({"scanInterval": "10h"})).await;
    in_use(&scene, CredentialsKey::Current).await;
    let lists = scene.sandbox.ledger().of(Kind::List).count();
    let wrong: Value = json!({"authToken": "0123456789abcdef0123456789abcdef"});
    scene.secret(wrong).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Unauthorized").await;
    assert_eq!(scene.sandbox.ledger().of(Kind::List).count(), lists, "it was not listed for that");
    scene.secret(scene.token()).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    in_use(&scene, CredentialsKey::Current).await;
}
