//! Deleting ends what is ours and nothing else, in any order, or says what is in the way and how to let go.

use dialplane::{
    api::{
        Agent, AgentVersion, CarrierAccount, PhoneNumber,
        meta::{ABANDON, ROUTE_FINALIZER},
    },
    sandbox::{
        carrier::{Fault, Match},
        control_plane::ControlPlane,
    },
};
use futures::future::join_all;
use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, CustomResourceExt as _, ResourceExt as _, api::DeleteParams};
use serde_json::json;

use crate::support::{
    self, crds, eventually, operator,
    scene::{ACCOUNT, AGENT, Scene},
};

const V1: &str = "https://engine.example.com/dental/v1/voice";
const OLD: &str = "https://old.example.com/voice";

impl Scene {
    /// Deletes the number's object and returns once it and its claim are gone.
    async fn end(&self, name: &str, number: &str) {
        self.delete::<PhoneNumber>(name).await;
        self.gone::<PhoneNumber>(name).await;
        self.unclaimed(number).await;
        assert!(self.sandbox.number(number).is_some(), "the number is still owned");
    }
}

#[tokio::test]
async fn on_delete_says_what_becomes_of_the_route() {
    join_all([("Clear", "", 2), ("Restore", OLD, 2), ("Leave", V1, 1)].map(async |(policy, left, writes)| {
        let scene = Scene::new().await;
        let number = scene.owned();
        scene.sandbox.edit(&number, &[("voice_url", OLD), ("voice_method", "GET")]).unwrap();
        scene.agent("engine.example.com", Some("v1")).await;
        scene.phone_number("main", &number, json!({"onDelete": policy})).await;
        scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        scene.end("main", &number).await;
        assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (left, writes), "{policy}");
        if policy == "Restore" {
            assert_eq!(scene.sandbox.field(&number, "voice_method").as_deref(), Some("GET"));
            assert_eq!(scene.sandbox.field(&number, "sms_url").unwrap_or_default(), "");
        }
    }))
    .await;
}

#[tokio::test]
async fn only_what_is_still_ours_is_cleared_and_the_rest_is_said() {
    let (scene, number) = Scene::routed().await;
    scene.sandbox.edit(&number, &[("sms_url", "https://theirs.example.com/?key=s3cret")]).unwrap();
    scene.end("main", &number).await;
    assert_eq!(scene.voice_url(&number), "");
    let kept = scene.sandbox.field(&number, "sms_url");
    assert_eq!(kept.as_deref(), Some("https://theirs.example.com/?key=s3cret"));
    let said = scene.event("main", "NotCleanedUp").await;
    assert_eq!(said, "Not set by Dialplane, so not changed: sms goes to theirs.example.com.");
}

#[tokio::test]
async fn accounts_and_agents_stay_while_numbers_need_them_and_say_who_does() {
    let (scene, number) = Scene::routed().await;
    scene.delete::<CarrierAccount>(ACCOUNT).await;
    scene.delete::<Agent>(AGENT).await;
    let who = format!("{}/main", scene.namespace);
    let message = scene.message::<CarrierAccount>(ACCOUNT, "Ready", "InUse").await;
    assert!(message.contains(&who) && message.contains(ABANDON), "{message}");
    let message = scene.message::<Agent>(AGENT, "Ready", "InUse").await;
    assert!(message.contains(&who) && message.contains("spec.agentRef"), "{message}");
    scene.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));

    scene.end("main", &number).await;
    assert_eq!(scene.voice_url(&number), "");
    scene.gone::<Agent>(AGENT).await;
    scene.gone::<CarrierAccount>(ACCOUNT).await;
}

#[tokio::test]
async fn everything_can_be_deleted_in_any_order() {
    let orders = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 2, 0, 4, 3], [2, 0, 3, 1, 4]];
    join_all(orders.map(async |order| {
        let (scene, number) = Scene::routed().await;
        for what in order {
            match what {
                0 => scene.delete::<Secret>(ACCOUNT).await,
                1 => scene.delete::<CarrierAccount>(ACCOUNT).await,
                2 => scene.delete::<Agent>(AGENT).await,
                3 => scene.delete::<AgentVersion>("dental.v1").await,
                _ => scene.delete::<PhoneNumber>("main").await,
            }
        }
        scene.gone::<PhoneNumber>("main").await;
        scene.gone::<AgentVersion>("dental.v1").await;
        scene.gone::<Agent>(AGENT).await;
        scene.gone::<CarrierAccount>(ACCOUNT).await;
        scene.unclaimed(&number).await;
        assert_eq!(scene.voice_url(&number), "", "{order:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_whole_namespace_goes_and_its_numbers_are_cleared_first() {
    let (scene, number) = Scene::routed().await;
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    namespaces.delete(&scene.namespace, &DeleteParams::default()).await.unwrap();
    let gone = || async { namespaces.get_opt(&scene.namespace).await.unwrap().is_none().then_some(()) };
    eventually("the namespace is gone", gone).await;
    assert_eq!(scene.voice_url(&number), "");
    scene.unclaimed(&number).await;
}

#[tokio::test]
async fn a_namespace_that_others_depend_on_waits_for_them_and_says_so() {
    let scene = Scene::new().await;
    scene.account(json!({"allowedNamespaces": {"from": "All"}})).await;
    scene.agent_with("engine.example.com", Some("v1"), json!({"allowedNamespaces": {"from": "All"}})).await;
    let tenant = scene.elsewhere().await;
    let number = tenant.owned();
    let reference = |name: &str| json!({"name": name, "namespace": scene.namespace});
    let spec = json!({"accountRef": reference(ACCOUNT), "agentRef": reference(AGENT)});
    tenant.phone_number("main", &number, spec).await;
    tenant.reason::<PhoneNumber>("main", "Ready", "Routed").await;

    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    namespaces.delete(&scene.namespace, &DeleteParams::default()).await.unwrap();
    scene.gone::<Secret>(ACCOUNT).await;
    let message = scene.message::<CarrierAccount>(ACCOUNT, "Ready", "InUse").await;
    assert!(message.contains(&format!("{}/main", tenant.namespace)), "{message}");
    scene.reason::<Agent>(AGENT, "Ready", "InUse").await;
    scene.reason::<AgentVersion>("dental.v1", "Ready", "InUse").await;
    tenant.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));

    // Its Secret is long gone: the credentials are remembered as long as they are needed.
    tenant.end("main", &number).await;
    assert_eq!(scene.voice_url(&number), "");
    let gone = || async { namespaces.get_opt(&scene.namespace).await.unwrap().is_none().then_some(()) };
    eventually("the namespace is gone", gone).await;
}

#[tokio::test]
async fn credentials_that_are_truly_gone_block_a_deletion_until_they_are_back() {
    let own = ControlPlane::start(support::binaries()).await.unwrap();
    let client = own.client().await.unwrap();
    crds::apply(&client).await;
    let first = operator::run(client.clone());
    let scene = Scene::on(client.clone()).await;
    let number = scene.owned();
    scene.open(json!({})).await;
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;

    first.cancel();
    scene.delete::<Secret>(ACCOUNT).await;
    scene.delete::<PhoneNumber>("main").await;
    operator::run(client);
    let message = scene.message::<PhoneNumber>("main", "Routed", "CleanupBlocked").await;
    assert!(message.contains("see its conditions") && message.contains(ABANDON), "{message}");
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "SecretNotFound").await;

    scene.secret(scene.token()).await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.voice_url(&number), "");
    scene.unclaimed(&number).await;
}

#[tokio::test]
async fn without_its_account_a_deletion_says_what_blocks_it_and_lets_go_when_told_to() {
    let (scene, number) = Scene::routed().await;
    scene.delete::<CarrierAccount>(ACCOUNT).await;
    scene.strip::<CarrierAccount>(ACCOUNT).await;
    scene.gone::<CarrierAccount>(ACCOUNT).await;
    scene.delete::<PhoneNumber>("main").await;
    let message = scene.message::<PhoneNumber>("main", "Routed", "CleanupBlocked").await;
    assert!(message.contains("CarrierAccount") && message.contains(ABANDON), "{message}");
    scene.event("main", "CleanupBlocked").await;

    let abandon = json!({"metadata": {"annotations": {ABANDON: "true"}}});
    scene.patch::<PhoneNumber>("main", abandon).await;
    scene.gone::<PhoneNumber>("main").await;
    scene.unclaimed(&number).await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));
}

#[tokio::test]
async fn an_account_that_comes_back_unblocks_a_deletion_by_itself() {
    let (scene, number) = Scene::routed().await;
    scene.delete::<CarrierAccount>(ACCOUNT).await;
    scene.strip::<CarrierAccount>(ACCOUNT).await;
    scene.gone::<CarrierAccount>(ACCOUNT).await;
    scene.delete::<PhoneNumber>("main").await;
    scene.reason::<PhoneNumber>("main", "Routed", "CleanupBlocked").await;

    scene.open(json!({})).await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.voice_url(&number), "");
}

#[tokio::test]
async fn abandoning_an_account_lets_go_of_everything_under_it() {
    let (scene, first) = Scene::routed().await;
    let second = scene.owned();
    scene.phone_number("second", &second, json!({})).await;
    scene.reason::<PhoneNumber>("second", "Ready", "Routed").await;
    scene.sandbox.rotate_token(&scene.sandbox.credentials().account_sid).unwrap();
    for name in ["main", "second"] {
        scene.delete::<PhoneNumber>(name).await;
    }
    scene.delete::<CarrierAccount>(ACCOUNT).await;
    let message = scene.message::<PhoneNumber>("main", "Routed", "CleanupBlocked").await;
    assert!(message.contains(ABANDON), "{message}");

    scene.patch::<CarrierAccount>(ACCOUNT, json!({"metadata": {"annotations": {ABANDON: "true"}}})).await;
    for (name, number) in [("main", &first), ("second", &second)] {
        scene.gone::<PhoneNumber>(name).await;
        scene.unclaimed(number).await;
        assert_eq!((&*scene.voice_url(number), scene.writes_to(number)), (V1, 1));
    }
    scene.gone::<CarrierAccount>(ACCOUNT).await;
}

#[tokio::test]
async fn a_deletion_that_the_carrier_refuses_goes_on_by_itself_when_it_no_longer_does() {
    let (scene, number) = Scene::routed().await;
    scene.always(Match::route_write(), Fault::TooMany { retry_after: Some(1) });
    scene.delete::<PhoneNumber>("main").await;
    scene.reason::<PhoneNumber>("main", "Routed", "Clearing").await;
    scene.sandbox.clear_faults();
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.voice_url(&number), "");
    scene.unclaimed(&number).await;
}

#[tokio::test]
async fn a_number_that_is_observed_or_suspended_is_left_as_it_is() {
    for spec in [json!({"mode": "Observe"}), json!({"suspend": true})] {
        let (scene, number) = Scene::routed().await;
        scene.phone_number("main", &number, spec).await;
        scene.request("main").await;
        scene.end("main", &number).await;
        assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));
    }
}

#[tokio::test]
async fn removing_the_software_lets_numbers_go_as_they_are() {
    let own = ControlPlane::start(support::binaries()).await.unwrap();
    let client = own.client().await.unwrap();
    crds::apply(&client).await;
    operator::run(client.clone());
    let scene = Scene::on(client.clone()).await;
    let number = scene.owned();
    scene.open(json!({})).await;
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;
    let main = scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert!(main.finalizers().iter().any(|finalizer| finalizer == ROUTE_FINALIZER));

    let definitions: Api<CustomResourceDefinition> = Api::all(client);
    for crd in dialplane::api::crds() {
        definitions.delete(&crd.name_any(), &DeleteParams::default()).await.unwrap();
    }
    for crd in dialplane::api::crds() {
        let name = crd.name_any();
        let gone = || async { definitions.get_opt(&name).await.unwrap().is_none().then_some(()) };
        eventually(&format!("{name} is gone"), gone).await;
    }
    assert_eq!(PhoneNumber::crd_name(), "phonenumbers.dialplane.dev");
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));
}

#[tokio::test]
async fn abandoning_one_number_lets_go_of_that_one_alone() {
    let (scene, number) = Scene::routed().await;
    let other = scene.owned();
    scene.phone_number("other", &other, json!({})).await;
    scene.reason::<PhoneNumber>("other", "Ready", "Routed").await;
    scene.patch::<PhoneNumber>("main", json!({"metadata": {"annotations": {ABANDON: "true"}}})).await;
    scene.request("main").await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.end("main", &number).await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));
    let said = scene.event("main", "NotCleanedUp").await;
    assert!(said.contains("it has the annotation dialplane.dev/abandon"), "{said}");
    scene.end("other", &other).await;
    assert_eq!(scene.voice_url(&other), "");
}

#[tokio::test]
async fn a_number_that_left_the_account_blocks_no_deletion() {
    let (scene, number) = Scene::routed().await;
    scene.sandbox.lose_number(&number).unwrap();
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    scene.unclaimed(&number).await;
}

#[tokio::test]
async fn a_number_that_never_got_a_route_is_let_go_without_asking_the_carrier() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.sandbox.edit(&number, &[("voice_url", OLD)]).unwrap();
    scene.agent("engine.example.com", None).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "NeverPublished").await;
    scene.always(Match::any(), Fault::ServerErrorBefore { status: 500 });
    scene.end("main", &number).await;
    assert_eq!((&*scene.voice_url(&number), scene.sandbox.ledger().writes()), (OLD, 0));
}
