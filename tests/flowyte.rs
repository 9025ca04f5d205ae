//! Flowyte, whose numbers are answered by agents that it hosts: on the real API server, from the simulated carrier, by the operator as
//! it is.

mod buying;
mod drift;
mod ending;
mod intake;
mod publishing;

use std::ops::Deref;

use dialplane::{
    api::{Agent, CarrierAccount, PhoneNumber, agent::SharedRouteStatus, meta::RECONCILE_REQUESTED},
    sandbox::carrier::{AccountSeed, Dialect, Entry, Kind, Outcome},
};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    scene::{ACCOUNT, AGENT, Scene},
};

const CALLER: &str = "+12125550199";

/// A scene with an open organization that is listed every 2 s, and an agent there that nobody has published.
struct Organization {
    scene: Scene,
    /// The organization's id.
    id: String,
    /// The hosted agent's id.
    agent: String,
}

impl Deref for Organization {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Organization {
    async fn new() -> Self {
        let org = Self::closed().await;
        org.opens().await;
        org
    }

    async fn opens(&self) {
        self.credentials(&self.sandbox.credentials().auth_token).await;
        self.open_with(json!({})).await;
        self.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    }

    /// The same with neither Secret nor account.
    async fn closed() -> Self {
        Self::of(Scene::flowyte().await)
    }

    fn of(scene: Scene) -> Self {
        let id = scene.sandbox.credentials().account_sid;
        let agent = scene.sandbox.add_agent(&id, "reception", json!({"greeting": "one"})).unwrap();
        Self { scene, id, agent }
    }

    async fn credentials(&self, key: &str) {
        self.secret(json!({"apiKey": key})).await;
    }

    /// Applies the account; `spec` is laid over what it has here.
    async fn open_with(&self, spec: Value) {
        let mut all = json!({"twilio": null, "flowyte": {}, "endpoint": format!("{}/flowyte", self.sandbox.url())});
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        self.account(all).await;
    }

    /// What a draft says that has the hosted agent answer.
    fn hosted(&self) -> Value {
        json!({"accountRef": {"name": ACCOUNT}, "agentId": self.agent})
    }

    /// Applies the Agent at this version, hosted as `entry` says.
    async fn hosts(&self, version: &str, entry: Value) -> Agent {
        let draft = json!({"webhooks": null, "hosted": [entry]});
        self.agent_with("engine.example.com", Some(version), json!({"draft": draft})).await
    }

    /// The same of the one hosted agent.
    async fn publishes(&self, version: &str) -> Agent {
        self.hosts(version, self.hosted()).await
    }

    /// Returns once this version is published and everything reaches it.
    async fn rolled_out(&self, version: &str) {
        eventually(&format!("{version} is rolled out"), || async {
            let agent: Agent = self.reason(AGENT, "RolledOut", "RolledOut").await;
            (agent.status?.published_version.as_deref() == Some(version)).then_some(())
        })
        .await;
    }

    /// `count` numbers of the organization, each imported and routed.
    async fn imports(&self, count: usize) -> Vec<String> {
        let numbers: Vec<String> = (0..count).map(|_| self.owned()).collect();
        self.scans(2).await;
        for (i, number) in numbers.iter().enumerate() {
            self.phone_number(&format!("n{i}"), number, json!({})).await;
        }
        for i in 0..count {
            self.reason::<PhoneNumber>(&format!("n{i}"), "Ready", "Routed").await;
        }
        numbers
    }

    /// A scene with v1 published and a number that it answers.
    async fn answering() -> (Self, String) {
        let org = Self::new().await;
        org.publishes("v1").await;
        let number = org.imports(1).await.remove(0);
        org.rolled_out("v1").await;
        (org, number)
    }

    /// Which version of which hosted agent answers a call to `number`.
    async fn answers(&self, number: &str) -> Option<(String, String)> {
        let placed = self.sandbox.call(CALLER, number).await;
        assert_eq!(placed.outcome == Outcome::Answered, placed.hosted.is_some(), "{placed:?}");
        placed.hosted.map(|hosted| (hosted.agent, hosted.version.unwrap_or_default()))
    }

    /// Judges that the version that is published now answers the number.
    async fn is_answered(&self, number: &str) {
        let version = self.sandbox.published_version(&self.agent).unwrap();
        assert_eq!(self.answers(number).await, Some((self.agent.clone(), version)));
    }

    /// The requests of a kind that were applied.
    fn applied(&self, kind: Kind) -> Vec<Entry> {
        self.sandbox.ledger().of(kind).filter(|entry| entry.applied).cloned().collect()
    }

    /// How often the agent was published, and how often an earlier version was made to serve again.
    fn published(&self) -> (usize, usize) {
        (self.applied(Kind::Publish).len(), self.applied(Kind::Rollback).len())
    }

    /// The ids of the agent's versions at the platform, the oldest first.
    fn versions(&self) -> Vec<String> {
        let versions = self.sandbox.agent_versions(&self.agent);
        versions.iter().map(|version| version["id"].as_str().unwrap().to_owned()).collect()
    }

    fn greets(&self, text: &str) {
        self.sandbox.edit_agent(&self.agent, json!({"greeting": text})).unwrap();
    }

    /// What the Agent remembers of the organization.
    async fn entry(&self) -> SharedRouteStatus {
        self.get::<Agent>(AGENT).await.unwrap().status.unwrap().shared_routes.remove(0)
    }

    /// Returns once `number` is with this agent, or with none.
    async fn is_with(&self, number: &str, agent: Option<&str>) {
        eventually(&format!("{number} is with {agent:?}"), || async {
            (self.sandbox.assigned_agent(number).filter(|id| !id.is_empty()).as_deref() == agent).then_some(())
        })
        .await;
    }

    /// All that was sent and was no look.
    fn sent(&self) -> Vec<Entry> {
        self.sandbox.ledger().entries().iter().filter(|entry| !entry.kind.is_read()).cloned().collect()
    }

    /// Judges that nothing is written any more while the account is listed again and again.
    async fn rests(&self) {
        let before = self.sent().len();
        self.scans(4).await;
        let sent = self.sent().split_off(before);
        assert!(sent.is_empty(), "{sent:?}");
    }
}

#[tokio::test]
async fn a_number_of_the_organization_is_answered_by_the_published_version_of_its_agent() {
    let (org, number) = Organization::answering().await;
    let versions = org.sandbox.agent_versions(&org.agent);
    assert_eq!(versions.len(), 1);
    let note = versions[0]["note"].as_str().unwrap();
    assert_eq!(note, format!("dialplane test: {}/{AGENT} v1", org.namespace));
    assert_eq!((org.published(), org.writes_to(&number)), ((1, 0), 1));
    org.is_answered(&number).await;

    let status = org.get::<PhoneNumber>("n0").await.unwrap().status.unwrap();
    let route = status.route.unwrap();
    assert_eq!((&*route.agent, &*route.version), (&*format!("{}/{AGENT}", org.namespace), "v1"));
    assert!(org.claim(&number).await.unwrap().spec.holder.is_some());
    let entry = org.entry().await;
    assert_eq!((entry.version.as_deref(), entry.hosted_versions.len()), (Some("v1"), 1));
    assert_eq!((&*entry.hosted_versions[0].version, &entry.hosted_versions[0].id), ("v1", &org.versions()[0]));
    org.rests().await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn an_organization_with_neither_number_nor_agent_says_what_is_missing() {
    let org = Organization::closed().await;
    org.sandbox.delete_agent(&org.agent).unwrap();
    org.credentials(&org.sandbox.credentials().auth_token).await;
    org.open_with(json!({})).await;
    let said = org.message::<CarrierAccount>(ACCOUNT, "Ready", "Forbidden").await;
    assert!(said.contains("neither a number nor an agent"), "{said}");
    org.sandbox.add_agent(&org.id, "reception", json!({})).unwrap();
    let account: CarrierAccount = org.reason(ACCOUNT, "Ready", "Connected").await;
    assert_eq!(account.status.unwrap().identity, Some(org.id.clone()));
}

#[tokio::test]
async fn a_key_of_another_organization_stops_everything() {
    let (org, number) = Organization::answering().await;
    let before = org.sent().len();
    let seed = AccountSeed { carrier: Dialect::Flowyte, ..AccountSeed::default() };
    let other = org.sandbox.add_account(seed).unwrap();
    org.sandbox.add_agent(&other.account_sid, "stranger", json!({})).unwrap();
    org.credentials(&other.auth_token).await;
    let said = org.message::<CarrierAccount>(ACCOUNT, "Ready", "WrongAccount").await;
    assert!(said.contains(&org.id) && said.contains(&other.account_sid), "{said}");
    org.greets("two");
    org.publishes("v2").await;
    org.reason::<Agent>(AGENT, "RolledOut", "SharedRouteFailed").await;
    org.sandbox.assign_agent(&number, None).unwrap();
    org.purchase("bought", json!({})).await;
    org.reason::<PhoneNumber>("bought", "Ready", "AccountNotReady").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(org.sent().len(), before, "{:?}", org.sent().last());

    org.delete::<PhoneNumber>("bought").await;
    org.credentials(&org.sandbox.credentials_of(&org.id).unwrap().auth_token).await;
    org.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    org.rolled_out("v2").await;
    org.is_with(&number, Some(&org.agent)).await;
    org.is_answered(&number).await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_scope_that_a_key_lacks_is_named() {
    let org = Organization::new().await;
    let number = org.owned();
    let mint = |scopes: &[&str]| org.sandbox.mint_key(&org.id, scopes).unwrap();
    org.credentials(&mint(&["agents:read", "agents:write"])).await;
    let said = org.message::<CarrierAccount>(ACCOUNT, "Ready", "Forbidden").await;
    assert!(said.contains("the scope numbers:read"), "{said}");

    org.credentials(&mint(&["numbers:read", "agents:read"])).await;
    org.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    org.publishes("v1").await;
    org.phone_number("n0", &number, json!({})).await;
    let said = org.message::<Agent>(AGENT, "RolledOut", "SharedRouteFailed").await;
    assert!(said.contains("the scope agents:write"), "{said}");
    org.reason::<PhoneNumber>("n0", "Ready", "SharedRoutePending").await;

    org.credentials(&mint(&["numbers:read", "agents:read", "agents:write"])).await;
    let said = org.message::<PhoneNumber>("n0", "Routed", "RouteFailed").await;
    assert!(said.contains("the scope numbers:write"), "{said}");
    org.credentials(&mint(&["numbers:read", "numbers:write", "agents:read", "agents:write"])).await;
    org.reason::<PhoneNumber>("n0", "Ready", "Routed").await;
    org.is_answered(&number).await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_key_that_is_to_take_over_and_opens_another_organization_does_nothing_there_and_gives_way_again() {
    let org = Organization::new().await;
    let good = org.sandbox.credentials().auth_token;
    let another = org.sandbox.add_account(AccountSeed { carrier: Dialect::Flowyte, ..AccountSeed::default() }).unwrap();
    org.sandbox.add_agent(&another.account_sid, "theirs", json!({"greeting": "one"})).unwrap();
    org.secret(json!({"apiKey": "flowyte_sk_0123456789abcdef0123456789abcdef", "apiKeyNext": another.auth_token}))
        .await;
    org.reason::<CarrierAccount>(ACCOUNT, "Ready", "WrongAccount").await;
    let ledger = org.sandbox.ledger();
    let is_theirs = |entry: &&Entry| entry.account.as_deref() == Some(&*another.account_sid);
    let theirs: Vec<&str> = ledger.entries().iter().filter(is_theirs).map(|entry| &*entry.method).collect();
    assert!(!theirs.is_empty() && theirs.iter().all(|method| *method == "GET"), "{theirs:?}");

    org.secret(json!({"apiKey": good, "apiKeyNext": another.auth_token})).await;
    let request = json!({"metadata": {"annotations": {RECONCILE_REQUESTED: "now"}}});
    org.patch::<CarrierAccount>(ACCOUNT, request).await;
    org.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
}
