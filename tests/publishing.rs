//! Calls reach what was published, and only that: drafts, versions, rolling back, going off the air.

use dialplane::{
    api::{Agent, AgentVersion, PhoneNumber, agent::DraftState},
    sandbox::carrier::{Fault, Match},
};
use serde_json::json;

use crate::support::{
    self, eventually,
    scene::{AGENT, Scene, webhooks},
};

const V1: &str = "https://engine.example.com/dental/v1/voice";

impl Scene {
    /// Applies a version by hand, as a pipeline does.
    async fn version(&self, version: &str, host: &str) -> AgentVersion {
        self.apply(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "AgentVersion",
            "metadata": {"name": format!("{AGENT}.{version}")},
            "spec": {"agent": AGENT, "version": version, "webhooks": webhooks(host)},
        }))
        .await
    }

    /// Returns once calls to `number` reach `version` on `host` and the agent says that all of them do.
    async fn rolled_out(&self, number: &str, host: &str, version: &str) -> Agent {
        self.calls_reach(number, &format!("https://{host}/{AGENT}/{version}/voice")).await;
        let is_it = |agent: &Agent| agent.status.as_ref().unwrap().published_version.as_deref() == Some(version);
        eventually(&format!("{version} is rolled out"), || async {
            Some(self.reason::<Agent>(AGENT, "RolledOut", "RolledOut").await).filter(is_it)
        })
        .await
    }
}

#[tokio::test]
async fn the_draft_serves_nobody_until_it_is_published_and_a_version_can_be_rolled_back_to() {
    let (scene, number) = Scene::routed().await;
    scene.agent("new.example.com", Some("v1")).await;
    let agent: Agent = scene.reason(AGENT, "Published", "Published").await;
    assert_eq!(agent.status.unwrap().draft, Some(DraftState::Changed));
    scene.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));

    scene.agent("new.example.com", Some("v2")).await;
    let agent = scene.rolled_out(&number, "new.example.com", "v2").await;
    assert_eq!(agent.status.unwrap().draft, Some(DraftState::Published));
    assert_eq!(scene.writes_to(&number), 2);

    scene.agent("new.example.com", Some("v1")).await;
    scene.rolled_out(&number, "engine.example.com", "v1").await;
    assert_eq!(scene.writes_to(&number), 3);
    let main: PhoneNumber = scene.reason("main", "Ready", "Routed").await;
    assert_eq!(main.status.unwrap().route.unwrap().version, "v1");
}

#[tokio::test]
async fn a_webhook_reaches_the_carrier_as_it_was_written() {
    let (scene, number) = Scene::routed().await;
    let url = "https://Engine.example.com:443/a+b/v?name='x'&t=%2b";
    scene.agent_with("engine.example.com", Some("v2"), json!({"draft": {"webhooks": {"voice": {"url": url}}}})).await;
    scene.calls_reach(&number, url).await;
    // A carrier that spells it otherwise has not changed it.
    scene.sandbox.edit(&number, &[("voice_url", "https://engine.example.com/a+b/v?name=%27x%27&t=%2B")]).unwrap();
    scene.scans(2).await;
    assert_eq!(scene.writes_to(&number), 2);
}

#[tokio::test]
async fn publishing_is_two_object_writes_for_a_number_and_putting_drift_back_none() {
    if !support::is_own_cluster() {
        return;
    }
    let (scene, number) = Scene::routed().await;
    let imported = scene.object_writes(&number).await.len();
    scene.agent("engine.example.com", Some("v2")).await;
    scene.rolled_out(&number, "engine.example.com", "v2").await;
    let published = scene.object_writes(&number).await;
    assert_eq!(published[imported..], ["update numberclaims 200", "update phonenumbers/status 200"]);

    scene.sandbox.edit(&number, &[("voice_url", "https://elsewhere.example.com/")]).unwrap();
    scene.calls_reach(&number, "https://engine.example.com/dental/v2/voice").await;
    scene.scans(3).await;
    assert_eq!(scene.object_writes(&number).await, published);
}

#[tokio::test]
async fn a_name_is_used_once_even_when_its_version_is_gone() {
    let (scene, number) = Scene::routed().await;
    scene.agent("new.example.com", Some("v2")).await;
    scene.rolled_out(&number, "new.example.com", "v2").await;
    scene.delete::<AgentVersion>("dental.v1").await;
    scene.gone::<AgentVersion>("dental.v1").await;

    scene.agent("newest.example.com", Some("v1")).await;
    let message = scene.message::<Agent>(AGENT, "Published", "VersionDeleted").await;
    assert!(message.contains("publish under a new name") && message.contains("v2 still serves"), "{message}");
    scene.request("main").await;
    assert_eq!(scene.voice_url(&number), "https://new.example.com/dental/v2/voice");
    assert!(scene.get::<AgentVersion>("dental.v1").await.is_none());
}

#[tokio::test]
async fn another_version_under_a_used_name_does_not_serve() {
    let (scene, number) = Scene::routed().await;
    scene.agent("engine.example.com", Some("v2")).await;
    scene.rolled_out(&number, "engine.example.com", "v2").await;
    scene.delete::<AgentVersion>("dental.v1").await;
    scene.gone::<AgentVersion>("dental.v1").await;
    scene.version("v1", "forged.example.com").await;

    scene.agent("engine.example.com", Some("v1")).await;
    scene.reason::<Agent>(AGENT, "Published", "VersionChanged").await;
    scene.request("main").await;
    assert_eq!(scene.voice_url(&number), "https://engine.example.com/dental/v2/voice");
}

#[tokio::test]
async fn numbers_that_are_not_to_be_routed_hold_up_no_rollout() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("suspended", &number, json!({"suspend": true})).await;
    scene.phone_number("nowhere", "+14155550133", json!({})).await;
    scene.reason::<PhoneNumber>("nowhere", "Ready", "NotInAccount").await;
    let suspended: PhoneNumber = scene.reason("suspended", "Ready", "NotClaimed").await;
    let ready =
        suspended.status.unwrap().conditions.into_iter().find(|condition| condition.type_() == "Ready").unwrap();
    assert_eq!(ready.status(), "True", "that is what was asked for");
    let said = scene.message::<Agent>(AGENT, "RolledOut", "RolledOut").await;
    assert_eq!(said, "v1 serves; no number is assigned yet.");
    scene.phone_number("suspended", &number, json!({})).await;
    scene.rolled_out(&number, "engine.example.com", "v1").await;
}

#[tokio::test]
async fn a_version_stays_as_long_as_numbers_reach_it() {
    let (scene, number) = Scene::routed().await;
    scene.delete::<AgentVersion>("dental.v1").await;
    let message = scene.message::<AgentVersion>("dental.v1", "Ready", "InUse").await;
    assert!(message.contains("publish another"), "{message}");
    scene.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));

    scene.agent("new.example.com", Some("v2")).await;
    scene.gone::<AgentVersion>("dental.v1").await;
    scene.rolled_out(&number, "new.example.com", "v2").await;
}

#[tokio::test]
async fn a_version_or_an_agent_that_was_torn_out_leaves_its_numbers_as_they_are() {
    let (scene, number) = Scene::routed().await;
    scene.agent("new.example.com", Some("v1")).await;
    scene.delete::<AgentVersion>("dental.v1").await;
    scene.strip::<AgentVersion>("dental.v1").await;
    scene.gone::<AgentVersion>("dental.v1").await;
    scene.reason::<PhoneNumber>("main", "Routed", "VersionNotFound").await;
    scene.reason::<Agent>(AGENT, "Published", "VersionDeleted").await;
    scene.agent("engine.example.com", Some("v1")).await;
    scene.rolled_out(&number, "engine.example.com", "v1").await;
    scene.agent("new.example.com", Some("v2")).await;
    scene.rolled_out(&number, "new.example.com", "v2").await;

    scene.delete::<Agent>(AGENT).await;
    scene.strip::<Agent>(AGENT).await;
    scene.gone::<Agent>(AGENT).await;
    scene.reason::<PhoneNumber>("main", "Routed", "AgentNotFound").await;
    scene.request("main").await;
    assert_eq!(scene.voice_url(&number), "https://new.example.com/dental/v2/voice");
    assert_eq!(scene.writes_to(&number), 2);
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.voice_url(&number), "");
}

#[tokio::test]
async fn a_number_can_go_from_one_agent_to_another() {
    let (scene, number) = Scene::routed().await;
    let voice = json!({"url": "https://other.example.com/{number}"});
    let spec = json!({"draft": {"webhooks": {"voice": voice}}, "version": "v1"});
    let other =
        json!({"apiVersion": "dialplane.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "other"}, "spec": spec});
    scene.apply::<Agent>(other).await;
    scene.reason::<Agent>("other", "Published", "Published").await;
    scene.phone_number("main", &number, json!({"agentRef": {"name": "other"}})).await;
    scene.calls_reach(&number, &format!("https://other.example.com/%2B{}", &number[1..])).await;
    assert_eq!(scene.sandbox.field(&number, "sms_url").unwrap_or_default(), "", "ours, and no longer wanted");
    assert_eq!(scene.writes_to(&number), 2);
    scene.reason::<Agent>("other", "RolledOut", "RolledOut").await;
    scene.delete::<Agent>(AGENT).await;
    scene.gone::<Agent>(AGENT).await;
}

#[tokio::test]
async fn only_a_draft_with_the_wanted_digest_is_published() {
    let (scene, number) = Scene::routed().await;
    let draft = scene.agent("new.example.com", Some("v1")).await.spec.draft.unwrap().digest();
    let wrong = format!("sha256:{}", "0".repeat(64));
    scene.agent_with("new.example.com", Some("v2"), json!({"versionDigest": wrong})).await;
    let message = scene.message::<Agent>(AGENT, "Published", "DigestMismatch").await;
    assert!(message.contains(&draft) && message.contains("v1 still serves"), "{message}");
    assert!(scene.get::<AgentVersion>("dental.v2").await.is_none());
    assert_eq!(scene.voice_url(&number), V1);

    scene.agent_with("new.example.com", Some("v2"), json!({"versionDigest": draft})).await;
    scene.rolled_out(&number, "new.example.com", "v2").await;
}

#[tokio::test]
async fn a_version_applied_by_a_pipeline_serves_once_it_is_named_and_not_the_draft() {
    let (scene, number) = Scene::routed().await;
    scene.version("v7", "pipeline.example.com").await;
    let applied: AgentVersion = scene.reason("dental.v7", "Valid", "Valid").await;
    scene.reason::<AgentVersion>("dental.v7", "Live", "NotLive").await;
    scene.request("main").await;
    assert_eq!(scene.voice_url(&number), V1);

    scene.agent("draft.example.com", Some("v7")).await;
    scene.rolled_out(&number, "pipeline.example.com", "v7").await;
    let live: AgentVersion = scene.reason("dental.v7", "Live", "Live").await;
    assert_eq!(live.spec, applied.spec);
    assert!(live.metadata.owner_references.is_none(), "whoever applied it prunes it");
}

#[tokio::test]
async fn offline_clears_the_routes_and_back_sets_them_again() {
    let (scene, number) = Scene::routed().await;
    scene.agent_with("engine.example.com", Some("v1"), json!({"offline": true})).await;
    scene.calls_reach(&number, "").await;
    scene.reason::<PhoneNumber>("main", "Routed", "AgentOffline").await;
    scene.reason::<Agent>(AGENT, "RolledOut", "TakenOffline").await;

    scene.agent("engine.example.com", Some("v1")).await;
    scene.rolled_out(&number, "engine.example.com", "v1").await;
    assert_eq!(scene.writes_to(&number), 3);
}

#[tokio::test]
async fn without_its_version_line_an_agent_goes_on_serving() {
    let (scene, number) = Scene::routed().await;
    scene.agent("new.example.com", None).await;
    let agent: Agent = scene.reason(AGENT, "Published", "Published").await;
    assert_eq!(agent.spec.version, None);
    scene.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
}

#[tokio::test]
async fn a_version_that_cannot_serve_changes_nothing() {
    let (scene, number) = Scene::routed().await;
    // No rule of the schema can say that there is no such port.
    scene.agent("engine.example.com:99999", Some("v2")).await;
    let message = scene.message::<Agent>(AGENT, "Published", "VersionInvalid").await;
    assert!(message.contains("v1 still serves"), "{message}");
    scene.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));

    scene.version("v3", "engine.example.com:99999").await;
    scene.reason::<AgentVersion>("dental.v3", "Valid", "NotValid").await;
    scene.agent("engine.example.com", Some("v3")).await;
    scene.reason::<Agent>(AGENT, "Published", "VersionInvalid").await;
    scene.request("main").await;
    assert_eq!((&*scene.voice_url(&number), scene.writes_to(&number)), (V1, 1));
}

#[tokio::test]
async fn a_number_of_an_unpublished_agent_keeps_what_it_had() {
    let scene = Scene::new().await;
    let number = scene.owned();
    scene.sandbox.edit(&number, &[("voice_url", "https://old.example.com/voice")]).unwrap();
    scene.agent("engine.example.com", None).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "NeverPublished").await;
    scene.reason::<Agent>(AGENT, "RolledOut", "NothingToRollOut").await;
    scene.scans(2).await;
    scene.request("main").await;
    assert_eq!(scene.voice_url(&number), "https://old.example.com/voice");
    assert_eq!(scene.sandbox.ledger().writes(), 0);

    scene.agent("engine.example.com", Some("v1")).await;
    scene.rolled_out(&number, "engine.example.com", "v1").await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
}

#[tokio::test]
async fn versions_beyond_the_history_limit_go_and_their_names_stay_used() {
    let (scene, number) = Scene::routed().await;
    for version in ["v2", "v3", "v4"] {
        scene.agent_with("engine.example.com", Some(version), json!({"historyLimit": 1})).await;
        scene.rolled_out(&number, "engine.example.com", version).await;
    }
    scene.gone::<AgentVersion>("dental.v1").await;
    scene.gone::<AgentVersion>("dental.v2").await;
    let agent: Agent = scene.reason(AGENT, "RolledOut", "RolledOut").await;
    let names: Vec<_> = agent.status.unwrap().versions.into_iter().map(|version| version.name).collect();
    assert_eq!(names, ["v1", "v2", "v3", "v4"]);
    assert!(scene.get::<AgentVersion>("dental.v3").await.is_some());
    scene.agent_with("engine.example.com", Some("v3"), json!({"historyLimit": 1})).await;
    scene.rolled_out(&number, "engine.example.com", "v3").await;
}

#[tokio::test]
async fn a_version_is_rolled_out_when_every_number_reaches_it() {
    let (scene, first) = Scene::routed().await;
    let second = scene.owned();
    scene.phone_number("second", &second, json!({})).await;
    scene.reason::<PhoneNumber>("second", "Ready", "Routed").await;
    scene.always(Match::route_write().number(&second), Fault::ServerErrorBefore { status: 503 });

    scene.agent("engine.example.com", Some("v2")).await;
    scene.calls_reach(&first, "https://engine.example.com/dental/v2/voice").await;
    let ask = || async {
        let message = scene.message::<Agent>(AGENT, "RolledOut", "RollingOut").await;
        (message == "1 of 2 numbers are routed to v2.").then_some(())
    };
    eventually("one of two numbers is there", ask).await;
    scene.reason::<PhoneNumber>("second", "Ready", "RouteFailed").await;

    scene.sandbox.clear_faults();
    scene.rolled_out(&second, "engine.example.com", "v2").await;
    let agent = scene.get::<Agent>(AGENT).await.unwrap();
    let numbers = agent.status.unwrap().numbers.unwrap();
    assert_eq!((numbers.assigned, numbers.routed), (2, 2));
}

#[tokio::test]
async fn texts_that_went_elsewhere_before_go_there_again_when_a_version_no_longer_answers_them() {
    let scene = Scene::new().await;
    let number = scene.owned();
    let crm = "https://crm.example.com/texts";
    scene.sandbox.edit(&number, &[("sms_url", crm)]).unwrap();
    let texts = || scene.sandbox.field(&number, "sms_url").unwrap_or_default();
    let calls = json!({"voice": {"url": "https://engine.example.com/{agent}/{version}/voice"}});
    let agent = |version: &str, hooks: &serde_json::Value| {
        json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "Agent", "metadata": {"name": AGENT},
            "spec": {"version": version, "draft": {"webhooks": hooks}},
        })
    };
    scene.apply::<Agent>(agent("v1", &calls)).await;
    scene.phone_number("main", &number, json!({"onDelete": "Restore"})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    assert_eq!(texts(), crm);
    let mut both = calls.clone();
    both["sms"] = json!({"url": "https://engine.example.com/{agent}/{version}/sms"});
    scene.apply::<Agent>(agent("v2", &both)).await;
    eventually("texts reach v2", || async { texts().contains("/v2/").then_some(()) }).await;
    scene.apply::<Agent>(agent("v1", &both)).await;
    eventually("texts go where they went before", || async { (texts() == crm).then_some(()) }).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!((texts(), scene.voice_url(&number)), (crm.to_owned(), String::new()));
}
