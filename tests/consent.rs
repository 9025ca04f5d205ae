//! Whoever owns an account or an agent decides, at any time, whose numbers may use it.

use dialplane::api::{AgentVersion, CarrierAccount, PhoneNumber};
use serde_json::{Value, json};

use crate::support::scene::{ACCOUNT, AGENT, Scene};

const V1: &str = "https://engine.example.com/dental/v1/voice";

/// Tenants by their label.
fn tenants() -> Value {
    json!({"from": "Selector", "selector": {"matchLabels": {"tenant": "yes"}}})
}

/// A tenant's number on the account and the agent of `scene`.
async fn number_of(tenant: &Scene, scene: &Scene) -> String {
    let number = tenant.owned();
    let (account, agent) = (reference(ACCOUNT, scene), reference(AGENT, scene));
    tenant.phone_number("main", &number, json!({"accountRef": account, "agentRef": agent})).await;
    number
}

fn reference(name: &str, scene: &Scene) -> Value {
    json!({"name": name, "namespace": scene.namespace})
}

#[tokio::test]
async fn an_account_serves_only_its_own_namespace_unless_it_says_otherwise() {
    let scene = Scene::new().await;
    scene.agent_with("engine.example.com", Some("v1"), json!({"allowedNamespaces": {"from": "All"}})).await;
    let tenant = scene.elsewhere().await;
    let number = number_of(&tenant, &scene).await;
    let message = tenant.message::<PhoneNumber>("main", "Accepted", "AccountNotAllowed").await;
    assert!(message.contains("spec.allowedNamespaces"), "{message}");
    tenant.request("main").await;
    assert_eq!(scene.sandbox.ledger().writes(), 0);
    assert!(scene.claim(&number).await.is_none());

    scene.account(json!({"allowedNamespaces": {"from": "All"}})).await;
    tenant.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.voice_url(&number), V1);
}

#[tokio::test]
async fn an_account_revoked_by_a_label_stops_all_writes_and_the_last_route_stays() {
    let scene = Scene::new().await;
    scene.account(json!({"allowedNamespaces": tenants()})).await;
    scene.agent_with("engine.example.com", Some("v1"), json!({"allowedNamespaces": {"from": "All"}})).await;
    let tenant = scene.elsewhere().await;
    tenant.label(json!({"tenant": "yes"})).await;
    let number = number_of(&tenant, &scene).await;
    tenant.reason::<PhoneNumber>("main", "Ready", "Routed").await;

    tenant.label(json!({"tenant": null})).await;
    let message = tenant.message::<PhoneNumber>("main", "Accepted", "AccountNotAllowed").await;
    assert!(message.contains("the number keeps its route"), "{message}");
    scene.agent_with("new.example.com", Some("v2"), json!({"allowedNamespaces": {"from": "All"}})).await;
    scene.sandbox.edit(&number, &[("sms_url", "https://sms.example.com/")]).unwrap();
    tenant.request("main").await;
    scene.scans(1).await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));

    tenant.label(json!({"tenant": "yes"})).await;
    tenant.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.voice_url(&number), "https://new.example.com/dental/v2/voice");
}

#[tokio::test]
async fn an_agent_answers_only_for_namespaces_that_it_allows() {
    let scene = Scene::new().await;
    scene.account(json!({"allowedNamespaces": {"from": "All"}})).await;
    scene.agent("engine.example.com", Some("v1")).await;
    let tenant = scene.elsewhere().await;
    let number = number_of(&tenant, &scene).await;
    let message = tenant.message::<PhoneNumber>("main", "Routed", "AgentNotAllowed").await;
    assert!(message.contains("spec.allowedNamespaces"), "{message}");
    tenant.request("main").await;
    assert_eq!(scene.sandbox.ledger().writes(), 0);

    scene.agent_with("engine.example.com", Some("v1"), json!({"allowedNamespaces": tenants()})).await;
    tenant.label(json!({"tenant": "yes"})).await;
    tenant.reason::<PhoneNumber>("main", "Ready", "Routed").await;

    tenant.label(json!({"tenant": "no"})).await;
    tenant.reason::<PhoneNumber>("main", "Routed", "AgentNotAllowed").await;
    scene.agent_with("new.example.com", Some("v2"), json!({"allowedNamespaces": tenants()})).await;
    tenant.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));
}

#[tokio::test]
async fn a_number_of_a_namespace_that_lost_its_leave_can_still_be_deleted() {
    let scene = Scene::new().await;
    scene.account(json!({"allowedNamespaces": {"from": "All"}})).await;
    scene.agent_with("engine.example.com", Some("v1"), json!({"allowedNamespaces": {"from": "All"}})).await;
    let tenant = scene.elsewhere().await;
    let number = number_of(&tenant, &scene).await;
    tenant.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.account(json!({})).await;
    tenant.reason::<PhoneNumber>("main", "Accepted", "AccountNotAllowed").await;

    tenant.delete::<PhoneNumber>("main").await;
    tenant.gone::<PhoneNumber>("main").await;
    scene.unclaimed(&number).await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));
    let said = tenant.event("main", "NotCleanedUp").await;
    assert!(said.contains("allows this namespace any more"), "{said}");
    assert!(scene.get::<CarrierAccount>(ACCOUNT).await.is_some());
}

#[tokio::test]
async fn a_namespace_that_lost_its_leave_by_a_label_keeps_no_version_of_an_agent() {
    let scene = Scene::new().await;
    scene.account(json!({"allowedNamespaces": {"from": "All"}})).await;
    scene.agent_with("engine.example.com", Some("v1"), json!({"allowedNamespaces": tenants()})).await;
    let tenant = scene.elsewhere().await;
    tenant.label(json!({"tenant": "yes"})).await;
    number_of(&tenant, &scene).await;
    tenant.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    // It stays with the version that it reaches.
    tenant.patch::<PhoneNumber>("main", json!({"spec": {"suspend": true}})).await;
    scene.agent_with("engine.example.com", Some("v2"), json!({"allowedNamespaces": tenants()})).await;
    tenant.reason::<PhoneNumber>("main", "Routed", "Suspended").await;
    scene.delete::<AgentVersion>("dental.v1").await;
    scene.reason::<AgentVersion>("dental.v1", "Ready", "InUse").await;

    tenant.label(json!({"tenant": "no"})).await;
    scene.gone::<AgentVersion>("dental.v1").await;
}

#[tokio::test]
async fn an_account_that_is_being_deleted_goes_once_a_label_took_leave_from_all_who_refer_to_it() {
    let scene = Scene::bare().await;
    scene.account(json!({"endpoint": "http://elsewhere.example.com", "allowedNamespaces": tenants()})).await;
    let tenant = scene.elsewhere().await;
    tenant.label(json!({"tenant": "yes"})).await;
    number_of(&tenant, &scene).await;
    tenant.reason::<PhoneNumber>("main", "Ready", "AccountNotReady").await;
    scene.delete::<CarrierAccount>(ACCOUNT).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "InUse").await;
    tenant.label(json!({"tenant": "no"})).await;
    scene.gone::<CarrierAccount>(ACCOUNT).await;
}
