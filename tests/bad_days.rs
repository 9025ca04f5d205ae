//! Bad input and bad days: each ends in a named condition, mends itself once its cause is gone, and harms nobody else.

use std::collections::BTreeSet;

use dialplane::{
    api::{
        Agent, AgentVersion, CarrierAccount, NumberClaim, PhoneNumber,
        meta::{CONFIRM_INVENTORY, RECONCILE_REQUESTED},
    },
    sandbox::{
        carrier::{AccountSeed, Fault, KeyScope, KeySeed, Match, Rule},
        control_plane::ControlPlane,
    },
};
use futures::future::join_all;
use k8s_openapi::api::events::v1::Event;
use kube::{Api, Resource, api::ListParams, core::NamespaceResourceScope};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::support::{
    self, crds, eventually, operator,
    scene::{ACCOUNT, AGENT, Scene},
};

const V1: &str = "https://engine.example.com/dental/v1/voice";
const V2: &str = "https://engine.example.com/dental/v2/voice";

impl Scene {
    /// A scene whose account cannot be opened with these keys, and a number that waits for it. Returns the number and the
    /// account's message.
    async fn locked_out(keys: Option<Value>, reason: &str) -> (Self, String, String) {
        let scene = Self::bare().await;
        if let Some(keys) = keys {
            scene.secret(keys).await;
        }
        scene.account(json!({})).await;
        let number = scene.owned();
        scene.agent("engine.example.com", Some("v1")).await;
        scene.phone_number("main", &number, json!({})).await;
        let message = scene.message::<CarrierAccount>(ACCOUNT, "Ready", reason).await;
        scene.reason::<PhoneNumber>("main", "Ready", "AccountNotReady").await;
        (scene, number, message)
    }

    /// The right Secret comes, and everything goes on by itself.
    async fn let_in(&self, number: &str) {
        self.secret(self.token()).await;
        self.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
        self.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        assert_eq!(self.writes_to(number), 1);
    }

    fn asked(&self) -> usize {
        self.sandbox.ledger().entries().len()
    }
}

#[tokio::test]
async fn wrong_credentials_are_said_and_the_right_ones_found_by_themselves() {
    let wrong = json!({"authToken": "0".repeat(32)});
    let (scene, number, message) = Scene::locked_out(Some(wrong), "Unauthorized").await;
    assert!(message.contains("does not accept the credentials"), "{message}");
    assert!(scene.asked() <= 3, "asked {} times", scene.asked());
    scene.let_in(&number).await;
    assert!(scene.sandbox.ledger().entries().iter().filter(|entry| entry.status == Some(401)).count() <= 5);
}

#[tokio::test]
async fn a_secret_that_comes_late_is_waited_for() {
    let (scene, number, message) = Scene::locked_out(None, "SecretNotFound").await;
    assert!(message.contains("The Secret twilio does not exist"), "{message}");
    assert_eq!(scene.asked(), 0);
    scene.let_in(&number).await;
}

#[tokio::test]
async fn a_secret_that_lacks_a_key_says_which() {
    let half = json!({"apiKeySid": "SK0123456789abcdef0123456789abcdef"});
    let (scene, number, message) = Scene::locked_out(Some(half), "SecretIncomplete").await;
    assert!(message.contains("lacks the key apiKeySecret"), "{message}");
    assert_eq!(scene.asked(), 0);
    // The other kind of credentials, and nothing left of the first.
    scene.delete::<k8s_openapi::api::core::v1::Secret>(ACCOUNT).await;
    scene.let_in(&number).await;
}

#[tokio::test]
async fn credentials_of_another_account_open_nothing() {
    for unauthorized in [true, false] {
        let scene = Scene::bare().await;
        scene.sandbox.switch(|switches| switches.foreign_account_unauthorized = unauthorized);
        let other = scene.sandbox.add_account(AccountSeed::default()).unwrap();
        let (sid, secret) = ("SK0123456789abcdef0123456789abcdef".to_owned(), "s3cret".to_owned());
        let key = KeySeed { sid: sid.clone(), secret: secret.clone(), scope: KeyScope::Main };
        scene.sandbox.add_key(&other.account_sid, key).unwrap();
        scene.secret(json!({"apiKeySid": sid, "apiKeySecret": secret})).await;
        scene.account(json!({})).await;
        let reason = if unauthorized { "Unauthorized" } else { "Forbidden" };
        let message = scene.message::<CarrierAccount>(ACCOUNT, "Ready", reason).await;
        assert!(message.contains("check the Account SID"), "{message}");
        assert_eq!(scene.get::<CarrierAccount>(ACCOUNT).await.unwrap().status.unwrap().identity, None);
    }
}

#[tokio::test]
async fn rotated_credentials_stop_nothing_that_works_and_are_taken_up_by_themselves() {
    let (scene, number) = Scene::routed().await;
    scene.sandbox.rotate_token(&scene.sandbox.credentials().account_sid).unwrap();
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Unauthorized").await;
    // What was wanted and seen before stands; what is wanted anew waits and says so.
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.agent("engine.example.com", Some("v2")).await;
    scene.reason::<PhoneNumber>("main", "Routed", "RouteUnknown").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));

    scene.secret(scene.token()).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V2, 2));
    let refused = scene.sandbox.ledger().entries().iter().filter(|entry| entry.status == Some(401)).count();
    assert!(refused <= 8, "refused {refused} times");
}

#[tokio::test]
async fn a_request_reads_the_secret_again() {
    let (scene, _) = Scene::routed().await;
    scene.account(json!({"scanInterval": "24h"})).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    scene.secret(json!({"authToken": "wrong"})).await;
    scene.patch::<CarrierAccount>(ACCOUNT, json!({"metadata": {"annotations": {RECONCILE_REQUESTED: "now"}}})).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Unauthorized").await;
}

#[tokio::test]
async fn a_listing_that_takes_longer_than_the_scan_interval_is_said_and_numbers_go_on() {
    let scene = Scene::bare().await;
    scene.sandbox.switch(|switches| switches.latency_ms = 1300);
    let number = scene.owned();
    scene.open(json!({"scanInterval": "1s"})).await;
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.purchase("bought", json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.routed_number("bought").await;
    let said = scene.message::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    assert!(said.contains("longer than spec.scanInterval"), "{said}");
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_suspended_account_is_said_and_goes_on_when_it_is_active_again() {
    join_all([true, false].map(async |reads_itself| {
        let (scene, number) = Scene::routed().await;
        scene.sandbox.switch(|switches| switches.suspended_reads_itself = reads_itself);
        let account = scene.sandbox.credentials().account_sid;
        scene.sandbox.set_status(&account, "suspended").unwrap();
        let (reason, said) =
            if reads_itself { ("AccountInactive", "suspended") } else { ("Forbidden", "account is not active") };
        let message = scene.message::<CarrierAccount>(ACCOUNT, "Ready", reason).await;
        assert!(message.contains(said), "{message}");
        scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;

        scene.sandbox.set_status(&account, "active").unwrap();
        scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
        scene.agent("engine.example.com", Some("v2")).await;
        scene.calls_reach(&number, V2).await;
    }))
    .await;
}

#[tokio::test]
async fn a_listing_that_is_no_listing_proves_nothing_and_is_had_again() {
    let faults = [
        Fault::Html { status: 200 },
        Fault::Html { status: 502 },
        Fault::Rubbish,
        Fault::TornBody,
        Fault::TornPage,
        Fault::RequestLost,
        Fault::AnswerLost,
        Fault::ServerErrorBefore { status: 500 },
        Fault::TooMany { retry_after: Some(1) },
    ];
    join_all(faults.map(async |fault| {
        let (scene, number) = Scene::settled(json!({})).await;
        // Half of these is more than a carrier may count otherwise.
        (0..3).for_each(|_| drop(scene.owned()));
        let before = scene.asked();
        scene.always(Match::list(), fault.clone());
        let message = scene.message::<CarrierAccount>(ACCOUNT, "Ready", "CarrierUnreachable").await;
        assert!(!message.contains('<'), "{message}");
        scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        let asked = scene.asked() - before;
        assert!(asked <= 20, "{fault:?}: asked {asked} times");

        scene.sandbox.clear_faults();
        scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
        scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 0), "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn an_account_that_hangs_delays_only_itself() {
    let (hanging, number) = Scene::routed().await;
    hanging.always(Match::any(), Fault::Hang);
    hanging.scans(1).await;
    hanging.agent("engine.example.com", Some("v2")).await;

    let (other, _) = Scene::routed().await;
    assert!(hanging.sandbox.ledger().entries().iter().any(|entry| entry.status.is_none()), "it hangs still");
    other.agent("engine.example.com", Some("v2")).await;
    other.reason::<PhoneNumber>("main", "Ready", "Routed").await;

    hanging.reason::<CarrierAccount>(ACCOUNT, "Ready", "CarrierUnreachable").await;
    hanging.sandbox.clear_faults();
    hanging.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    hanging.calls_reach(&number, V2).await;
}

#[tokio::test]
async fn a_route_that_cannot_be_set_is_said_and_set_by_itself_later() {
    let faults = [
        Fault::Html { status: 200 },
        Fault::Rubbish,
        Fault::TornBody,
        Fault::RequestLost,
        Fault::AnswerLost,
        Fault::ServerErrorBefore { status: 503 },
        Fault::ServerErrorAfter { status: 500 },
        Fault::AppliedLate { ms: 500 },
        Fault::TooMany { retry_after: Some(1) },
    ];
    join_all(faults.map(async |fault| {
        let (scene, number) = Scene::routed().await;
        let neighbour = scene.owned();
        scene.always(Match::route_write().number(&number), fault.clone());
        scene.agent("engine.example.com", Some("v2")).await;
        scene.reason::<PhoneNumber>("main", "Ready", "RouteFailed").await;
        // Numbers beside it are not held up.
        scene.phone_number("neighbour", &neighbour, json!({})).await;
        scene.calls_reach(&neighbour, V2).await;

        scene.sandbox.clear_faults();
        scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        assert_eq!(scene.voice_url(&number), V2, "{fault:?}");
        let tries = scene.sandbox.ledger().of(dialplane::sandbox::carrier::Kind::RouteWrite).count();
        assert!(tries <= 12, "{fault:?}: {tries} tries");
    }))
    .await;
}

#[tokio::test]
async fn a_route_that_the_carrier_refuses_stays_as_it_was_until_another_version_is_published() {
    let (scene, number) = Scene::routed().await;
    scene.always(Match::route_write(), Fault::Refuse { status: 400, code: 21402 });
    scene.agent("engine.example.com", Some("v2")).await;
    let message = scene.message::<PhoneNumber>("main", "Routed", "RouteRefused").await;
    assert!(message.contains("check the agent's webhooks"), "{message}");
    scene.event("main", "RouteRefused").await;
    scene.scans(2).await;
    assert_eq!(scene.sandbox.ledger().of(dialplane::sandbox::carrier::Kind::RouteWrite).count(), 2, "tried once");
    assert_eq!(scene.voice_url(&number), V1);

    scene.sandbox.clear_faults();
    scene.agent("engine.example.com", Some("v3")).await;
    scene.calls_reach(&number, "https://engine.example.com/dental/v3/voice").await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
}

/// Slow on purpose: the life of a request that nobody answered is waited out.
#[tokio::test]
async fn a_route_that_is_applied_after_the_end_is_taken_back_all_the_same() {
    let (scene, number) = Scene::routed().await;
    scene.sandbox.inject(Rule::new(Match::route_write(), Fault::AppliedLate { ms: 6_000 }));
    scene.agent("engine.example.com", Some("v2")).await;
    eventually("the write is sent", || async {
        let writes = scene.sandbox.ledger();
        (writes.of(dialplane::sandbox::carrier::Kind::RouteWrite).count() > 1).then_some(())
    })
    .await;
    scene.delete::<PhoneNumber>("main").await;
    let message = scene.message::<PhoneNumber>("main", "Routed", "RouteOutcomeUnknown").await;
    assert!(message.contains("may still be applied"), "{message}");
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.voice_url(&number), "");
    scene.unclaimed(&number).await;
}

/// Slow on purpose: a listing is believed to lag by 30 s.
#[tokio::test]
async fn a_number_that_is_gone_from_the_account_is_lost_and_never_bought_again() {
    let (scene, number) = Scene::routed().await;
    let beside = scene.owned();
    scene.phone_number("beside", &beside, json!({})).await;
    scene.sandbox.lose_number(&number).unwrap();
    let message = scene.message::<PhoneNumber>("main", "Acquired", "NumberLost").await;
    assert!(message.contains("not bought again"), "{message}");
    scene.event("main", "NumberLost").await;
    scene.reason::<PhoneNumber>("beside", "Ready", "Routed").await;

    scene.sandbox.seed_number(&number).unwrap();
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.voice_url(&number), V1);
}

/// Slow on purpose: a listing is believed to lag by 30 s.
#[tokio::test]
async fn many_numbers_that_vanish_at_once_are_not_believed_until_a_person_confirms_it() {
    let scene = Scene::new().await;
    scene.agent("engine.example.com", Some("v1")).await;
    let numbers: Vec<String> = (0..5).map(|_| scene.owned()).collect();
    for (i, number) in numbers.iter().enumerate() {
        scene.phone_number(&format!("n{i}"), number, json!({})).await;
    }
    for i in 0..5 {
        scene.reason::<PhoneNumber>(&format!("n{i}"), "Ready", "Routed").await;
    }
    for number in &numbers[1..] {
        scene.sandbox.lose_number(number).unwrap();
    }
    let message = scene.message::<CarrierAccount>(ACCOUNT, "Ready", "NumbersMissing").await;
    assert!(message.starts_with("4 of 5 numbers were missing") && message.contains(CONFIRM_INVENTORY), "{message}");
    scene.scans(2).await;
    for i in 0..5 {
        scene.reason::<PhoneNumber>(&format!("n{i}"), "Ready", "Routed").await;
    }

    let annotations = |left: &str| json!({"metadata": {"annotations": {CONFIRM_INVENTORY: left}}});
    scene.patch::<CarrierAccount>(ACCOUNT, annotations("3")).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "NumbersMissing").await;
    scene.patch::<CarrierAccount>(ACCOUNT, annotations("1")).await;
    for i in 1..5 {
        scene.reason::<PhoneNumber>(&format!("n{i}"), "Ready", "NumberLost").await;
    }
    scene.reason::<PhoneNumber>("n0", "Ready", "Routed").await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
}

#[tokio::test]
async fn an_operator_that_starts_to_an_almost_empty_account_believes_it_no_more_than_one_that_was_there() {
    let own = ControlPlane::start(support::binaries()).await.unwrap();
    let client = own.client().await.unwrap();
    crds::apply(&client).await;
    let first = operator::run(client.clone());
    let scene = Scene::on(client.clone()).await;
    scene.open(json!({})).await;
    scene.agent("engine.example.com", Some("v1")).await;
    let numbers: Vec<String> = (0..4).map(|_| scene.owned()).collect();
    for (i, number) in numbers.iter().enumerate() {
        scene.phone_number(&format!("n{i}"), number, json!({})).await;
        scene.reason::<PhoneNumber>(&format!("n{i}"), "Ready", "Routed").await;
    }
    let last = scene.owned();
    first.cancel();
    for number in &numbers[1..] {
        scene.sandbox.lose_number(number).unwrap();
    }
    scene.phone_number("late", &last, json!({})).await;
    scene.agent("engine.example.com", Some("v2")).await;
    operator::run(client);

    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "NumbersMissing").await;
    scene.calls_reach(&numbers[0], V2).await;
    scene.reason::<PhoneNumber>("late", "Ready", "Routed").await;
    scene.scans(2).await;
    for (i, number) in numbers.iter().enumerate() {
        let main = scene.get::<PhoneNumber>(&format!("n{i}")).await.unwrap().status.unwrap();
        assert!(main.conditions.iter().all(|condition| condition.reason() != "NumberLost"), "{:?}", main.conditions);
        assert!(scene.claim(number).await.is_some());
    }
}

#[tokio::test]
async fn an_api_server_that_is_gone_for_a_while_loses_nothing() {
    let mut own = ControlPlane::start(support::binaries()).await.unwrap();
    let client = own.client().await.unwrap();
    crds::apply(&client).await;
    operator::run(client.clone());
    let scene = Scene::on(client).await;
    let number = scene.owned();
    scene.open(json!({})).await;
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.phone_number("later", &scene.owned(), json!({})).await;

    own.stop_api_server();
    scene.sandbox.edit(&number, &[("voice_url", "https://elsewhere.example.com/")]).unwrap();
    own.start_api_server().await.unwrap();
    scene.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 2));
    scene.reason::<PhoneNumber>("later", "Ready", "Routed").await;
    scene.agent("engine.example.com", Some("v2")).await;
    scene.calls_reach(&number, V2).await;
    scene.reason::<Agent>(AGENT, "RolledOut", "RolledOut").await;
}

/// Two operators at once, as when a lease is lost and its holder does not know yet.
#[tokio::test]
async fn two_operators_at_once_do_no_harm() {
    let own = ControlPlane::start(support::binaries()).await.unwrap();
    let client = own.client().await.unwrap();
    crds::apply(&client).await;
    operator::run(client.clone());
    operator::run(client.clone());
    let scene = Scene::on(client).await;
    scene.open(json!({})).await;
    scene.agent("engine.example.com", Some("v1")).await;
    let numbers: Vec<String> = (0..8).map(|_| scene.owned()).collect();
    for (i, number) in numbers.iter().enumerate() {
        scene.phone_number(&format!("n{i}"), number, json!({})).await;
    }
    for (i, number) in numbers.iter().enumerate() {
        scene.reason::<PhoneNumber>(&format!("n{i}"), "Ready", "Routed").await;
        assert_eq!(scene.voice_url(number), V1);
        assert!(scene.writes_to(number) <= 2, "each operator sets it once at most");
    }
    scene.agent("engine.example.com", Some("v2")).await;
    for number in &numbers {
        scene.calls_reach(number, V2).await;
    }
    for i in 0..numbers.len() {
        scene.delete::<PhoneNumber>(&format!("n{i}")).await;
    }
    for (i, number) in numbers.iter().enumerate() {
        scene.gone::<PhoneNumber>(&format!("n{i}")).await;
        scene.unclaimed(number).await;
        assert_eq!(scene.voice_url(number), "");
    }
}

async fn everything<K>(scene: &Scene) -> Vec<Value>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let all = scene.api::<K>().list(&ListParams::default()).await.unwrap();
    all.into_iter().map(|object| serde_json::to_value(object).unwrap()).collect()
}

#[tokio::test]
async fn no_secret_shows_in_any_object_event_or_log() {
    let scene = Scene::new().await;
    let number = scene.owned();
    let old = "https://user:0ld-passw0rd@old.example.com/?key=0ld-k3y";
    let drifted = "https://drift.example.com/?key=dr1ft-k3y";
    scene.sandbox.edit(&number, &[("voice_url", old), ("sms_url", old), ("status_callback", old)]).unwrap();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.sandbox.edit(&number, &[("voice_url", drifted)]).unwrap();
    scene.phone_number("main", &number, json!({"mode": "Observe"})).await;
    scene.request("main").await;
    scene.reason::<PhoneNumber>("main", "Ready", "RouteDiffers").await;
    scene.phone_number("main", &number, json!({})).await;
    scene.calls_reach(&number, V1).await;
    scene.always(Match::route_write(), Fault::Refuse { status: 400, code: 21402 });
    scene.agent("engine.example.com", Some("v2")).await;
    scene.reason::<PhoneNumber>("main", "Ready", "RouteRefused").await;
    let token = scene.sandbox.credentials().auth_token;
    scene.sandbox.rotate_token(&scene.sandbox.credentials().account_sid).unwrap();
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Unauthorized").await;
    scene.event("main", "RouteReplaced").await;

    let mut said = everything::<PhoneNumber>(&scene).await;
    said.extend(everything::<CarrierAccount>(&scene).await);
    said.extend(everything::<Agent>(&scene).await);
    said.extend(everything::<AgentVersion>(&scene).await);
    said.extend(everything::<Event>(&scene).await);
    assert!(said.len() > 8, "events are among them");
    let claims: Api<NumberClaim> = Api::all(scene.client.clone());
    let mut claim = serde_json::to_value(claims.get(&number[1..]).await.unwrap()).unwrap();
    let previous = claim["spec"]["previous"].take();
    assert!(previous.to_string().contains("0ld-k3y"), "it stands there, for Restore, and nowhere else");
    said.push(claim);
    let object = format!("{}/main", scene.namespace);
    for (what, words) in [("write at a carrier", "operation="), ("the holder of a claim changed", "before=\"nobody\"")]
    {
        let is_it = |line: &String| {
            let all = ["dialplane::audit", what, words, &number, "pass", &object];
            all.iter().all(|part| line.contains(part))
        };
        assert!(operator::log().iter().any(is_it), "each has its line, in the pass over its object: {what}");
    }
    said.extend(operator::log().into_iter().map(Value::String));

    for secret in ["0ld-passw0rd", "0ld-k3y", "dr1ft-k3y", &token, &scene.sandbox.credentials().auth_token] {
        let shown: BTreeSet<String> = said.iter().map(Value::to_string).filter(|text| text.contains(secret)).collect();
        assert!(shown.is_empty(), "{secret} shows in {shown:?}");
    }
}
