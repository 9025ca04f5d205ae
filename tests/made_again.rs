//! Agents that have a second life: their namespace was deleted, they were replaced, restored or moved to another cluster. A draft that
//! nobody published never serves, whatever name it stands beside.

use dialplane::{
    api::{Agent, AgentVersion, CarrierAccount, NumberClaim, PhoneNumber, meta::PUBLISHED},
    sandbox::control_plane::ControlPlane,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{
    self, crds, eventually, operator,
    scene::{ACCOUNT, AGENT, Scene, webhooks},
};

const HOST: &str = "engine.example.com";
const V1: &str = "https://engine.example.com/dental/v1/voice";

/// A draft on the same host, so that a number's route tells nothing of it.
fn greeting(text: &str) -> Value {
    json!({"draft": {"config": {"greeting": text}}})
}

impl Scene {
    /// Applies the agent at v1 with this greeting, and `spec` laid over it.
    async fn greets(&self, text: &str, spec: Value) -> Agent {
        let mut draft = greeting(text);
        draft.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        self.agent_with(HOST, Some("v1"), draft).await
    }

    /// Publishes v1 with one greeting, and then edits the draft.
    async fn published_and_edited(&self) {
        self.greets("approved", json!({})).await;
        self.reason::<Agent>(AGENT, "Published", "Published").await;
        self.greets("unfinished", json!({})).await;
        self.reason::<Agent>(AGENT, "Published", "Published").await;
    }

    async fn frozen_greeting(&self) -> Option<Value> {
        let version: AgentVersion = self.get("dental.v1").await?;
        version.spec.config.entries()?.get("greeting").cloned()
    }

    /// Nothing is frozen under v1; the reason names how to go on.
    async fn is_held(&self, why: &str) -> String {
        let message = self.message::<Agent>(AGENT, "Published", "VersionNameUsed").await;
        assert!(message.contains(why), "{message}");
        for way in ["create AgentVersion dental.v1", "spec.versionDigest", "under a new name"] {
            assert!(message.contains(way), "{message}");
        }
        assert!(self.get::<AgentVersion>("dental.v1").await.is_none());
        message
    }

    /// Deletes the namespace, waits until all in it is gone, and makes it again, empty.
    async fn namespace_goes_and_comes(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.namespace, &DeleteParams::default()).await.unwrap();
        let gone = || async { namespaces.get_opt(&self.namespace).await.unwrap().is_none().then_some(()) };
        eventually("the namespace is gone", gone).await;
        let again = serde_json::from_value(json!({"metadata": {"name": self.namespace}})).unwrap();
        namespaces.create(&PostParams::default(), &again).await.unwrap();
    }

    async fn applies_version(&self, text: &str) -> AgentVersion {
        let spec = json!({"agent": AGENT, "version": "v1", "webhooks": webhooks(HOST), "config": {"greeting": text}});
        self.apply(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "AgentVersion", "metadata": {"name": "dental.v1"}, "spec": spec,
        }))
        .await
    }
}

#[tokio::test]
async fn a_namespace_that_is_deleted_and_applied_again_does_not_publish_its_unfinished_draft() {
    let scene = Scene::bare().await;
    scene.published_and_edited().await;
    let approved = scene.get::<Agent>(AGENT).await.unwrap().status.unwrap().versions.remove(0).digest;
    scene.namespace_goes_and_comes().await;
    scene.greets("unfinished", json!({})).await;
    scene.is_held(&approved).await;

    scene.greets("approved", json!({})).await;
    scene.reason::<Agent>(AGENT, "Published", "Published").await;
    assert_eq!(scene.frozen_greeting().await, Some(json!("approved")), "what was published then is published again");
}

#[tokio::test]
async fn an_agent_that_is_replaced_does_not_publish_its_unfinished_draft() {
    let scene = Scene::bare().await;
    scene.published_and_edited().await;
    scene.delete::<Agent>(AGENT).await;
    scene.gone::<Agent>(AGENT).await;
    scene.gone::<AgentVersion>("dental.v1").await;
    scene.greets("unfinished", json!({})).await;
    scene.is_held("was deleted").await;

    // A new name is what a draft is published under.
    scene.agent_with(HOST, Some("v2"), greeting("unfinished")).await;
    scene.reason::<Agent>(AGENT, "Published", "Published").await;
    scene.greets("unfinished", json!({})).await;
    scene.is_held("v2 still serves").await;
}

#[tokio::test]
async fn an_agent_that_is_replaced_while_numbers_reach_it_serves_what_was_published() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.published_and_edited().await;
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.delete::<Agent>(AGENT).await;
    scene.strip::<Agent>(AGENT).await;
    scene.gone::<Agent>(AGENT).await;
    scene.greets("unfinished", json!({})).await;
    scene.reason::<Agent>(AGENT, "Published", "Published").await;
    scene.request("main").await;
    assert_eq!(scene.frozen_greeting().await, Some(json!("approved")));
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));

    // Its version is torn out as well: the claim and the number's status remember the name.
    scene.strip::<AgentVersion>("dental.v1").await;
    eventually("the version is gone", || async {
        let version = scene.get::<AgentVersion>("dental.v1").await;
        if version.as_ref().is_some_and(|version| version.metadata.deletion_timestamp.is_none()) {
            scene.delete::<AgentVersion>("dental.v1").await;
        } else if version.is_some() {
            scene.strip::<AgentVersion>("dental.v1").await;
        }
        version.is_none().then_some(())
    })
    .await;
    scene.reason::<Agent>(AGENT, "Published", "VersionDeleted").await;
    scene.delete::<Agent>(AGENT).await;
    scene.strip::<Agent>(AGENT).await;
    scene.gone::<Agent>(AGENT).await;
    scene.greets("unfinished", json!({})).await;
    scene.is_held("v1 was used before").await;
    scene.reason::<PhoneNumber>("main", "Routed", "NeverPublished").await;
    scene.applies_version("approved").await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));
}

#[tokio::test]
async fn in_a_new_cluster_a_number_that_leads_to_a_version_speaks_for_it_in_whatever_order_all_is_applied() {
    // A neighbour's account that anybody may use says nothing of what is applied along with the agent.
    let neighbour = Scene::new().await;
    neighbour.account(json!({"allowedNamespaces": {"from": "All"}})).await;
    neighbour.scans(1).await;
    for agent_first in [true, false] {
        let scene = Scene::bare().await;
        let number = scene.owned();
        scene.edit_as_v1(&number);
        // One file of manifests is applied in a moment, however busy this machine is.
        let account = async || {
            scene.secret(scene.token()).await;
            scene.account(json!({})).await;
        };
        if agent_first {
            let agent = scene.greets("unfinished", json!({}));
            futures::join!(agent, account(), scene.phone_number("main", &number, json!({})));
        } else {
            futures::join!(account(), scene.phone_number("main", &number, json!({})));
            scene.greets("unfinished", json!({})).await;
        }
        let message = scene.is_held(&format!("{number} of CarrierAccount {}/{ACCOUNT}", scene.namespace)).await;
        scene.reason::<PhoneNumber>("main", "Ready", "NeverPublished").await;
        assert_eq!((&*scene.voice_url(&number), scene.sandbox.ledger().writes()), (V1, 0));

        // The number goes elsewhere by somebody's hand: what was found out stands.
        scene
            .sandbox
            .edit(&number, &[("voice_url", "https://other.example.com/"), ("sms_url", ""), ("status_callback", "")])
            .unwrap();
        scene.scans(2).await;
        scene.request("main").await;
        scene.is_held("v1 was used before").await;
        scene.edit_as_v1(&number);
        scene.scans(2).await;

        let agent = scene.get::<Agent>(AGENT).await.unwrap();
        let digest = agent.status.unwrap().draft_digest.unwrap();
        assert!(message.contains(&digest), "{message}");
        scene.greets("unfinished", json!({"versionDigest": digest})).await;
        scene.reason::<Agent>(AGENT, "Published", "Published").await;
        scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        assert_eq!((&*scene.voice_url(&number), scene.sandbox.ledger().writes()), (V1, 0));
    }
}

#[tokio::test]
async fn a_first_version_waits_until_the_account_of_its_numbers_was_listed() {
    let scene = Scene::bare().await;
    let number = scene.owned();
    scene.account(json!({})).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "SecretNotFound").await;
    scene.phone_number("main", &number, json!({})).await;
    scene.greets("approved", json!({})).await;
    let message = scene.message::<Agent>(AGENT, "Published", "VersionNameNotChecked").await;
    assert!(message.contains(&format!("CarrierAccount {}/{ACCOUNT} is not listed yet", scene.namespace)), "{message}");
    assert!(scene.get::<AgentVersion>("dental.v1").await.is_none());

    scene.secret(scene.token()).await;
    let open = json!({"metadata": {"annotations": {dialplane::api::meta::RECONCILE_REQUESTED: "now"}}});
    scene.patch::<CarrierAccount>(ACCOUNT, open).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(scene.frozen_greeting().await, Some(json!("approved")));
}

#[tokio::test]
async fn a_backup_carries_along_what_was_published() {
    let scene = Scene::bare().await;
    scene.published_and_edited().await;
    let noted = || async { scene.get::<Agent>(AGENT).await?.metadata.annotations?.remove(PUBLISHED) };
    let noted = eventually("the annotation is there", noted).await;
    let digest = scene.get::<AgentVersion>("dental.v1").await.unwrap().spec.draft().digest();
    assert_eq!(noted, format!("v1={digest}"));

    let restored = scene.elsewhere().await;
    let spec = json!({"version": "v1", "draft": {"webhooks": webhooks(HOST), "config": {"greeting": "unfinished"}}});
    let agent = json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "Agent",
        "metadata": {"name": AGENT, "annotations": {PUBLISHED: noted}}, "spec": spec,
    });
    restored.apply::<Agent>(agent).await;
    restored.is_held(&digest).await;
    restored.applies_version("approved").await;
    restored.reason::<Agent>(AGENT, "Published", "Published").await;
    assert_eq!(restored.frozen_greeting().await, Some(json!("approved")));
}

#[tokio::test]
async fn with_applied_versions_a_pipeline_may_apply_agent_and_version_in_either_order() {
    for agent_first in [true, false] {
        let scene = Scene::new().await;
        let number = scene.owned();
        scene.phone_number("main", &number, json!({})).await;
        if !agent_first {
            scene.applies_version("approved").await;
        }
        scene.agent_with(HOST, Some("v1"), json!({"draft": null, "versions": "Applied"})).await;
        if agent_first {
            let message = scene.message::<Agent>(AGENT, "Published", "AwaitingVersion").await;
            assert!(message.contains("waits for AgentVersion dental.v1: create it"), "{message}");
            let agent = scene.get::<Agent>(AGENT).await.unwrap();
            let conditions = agent.status.unwrap().conditions;
            assert!(conditions.iter().all(|condition| condition.type_() != "Stalled"), "it goes on by itself");
            scene.applies_version("approved").await;
        }
        scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        assert_eq!(scene.frozen_greeting().await, Some(json!("approved")));
        assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));
    }
}

#[tokio::test]
async fn an_operator_that_was_started_again_knows_used_names_by_claims_and_by_what_numbers_share() {
    let plane = ControlPlane::start(support::binaries()).await.unwrap();
    let client = plane.client().await.unwrap();
    crds::apply(&client).await;
    let first = operator::run(client.clone());
    let bought = Scene::on(client.clone()).await;
    bought.open(json!({})).await;
    let shared = Scene::telnyx_on(client.clone()).await;
    for scene in [&bought, &shared] {
        scene.published_and_edited().await;
    }
    bought.purchase("main", json!({})).await;
    let number = bought.routed_number("main").await;
    let imported = shared.owned();
    shared.phone_number("main", &imported, json!({})).await;
    shared.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    for scene in [&bought, &shared] {
        scene.namespace_goes_and_comes().await;
    }
    let claims: Api<NumberClaim> = Api::all(client.clone());
    assert!(claims.get(&number[1..]).await.unwrap().spec.holder.is_none(), "it rests");
    assert!(claims.get_opt(&imported[1..]).await.unwrap().is_none());

    first.cancel();
    let second = operator::run(client.clone());
    bought.greets("unfinished", json!({})).await;
    bought.is_held(&format!("the claim of {number} says")).await;
    shared.secret(json!({"apiKey": shared.sandbox.credentials().auth_token})).await;
    shared.account(json!({"twilio": null, "telnyx": {}})).await;
    shared.greets("unfinished", json!({})).await;
    shared.is_held("share at CarrierAccount").await;
    bought.has_bought(1).await;
    second.cancel();
}
