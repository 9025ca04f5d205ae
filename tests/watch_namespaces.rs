//! An operator that works on some namespaces only, with the Roles that the chart gives it there.

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use dialplane::{
    api::{Agent, AgentVersion, PhoneNumber},
    sandbox::control_plane::{ControlPlane, kubeconfig},
};
use k8s_openapi::api::rbac::v1::Role;
use kube::{Api, Client, api::DeleteParams};
use serde_json::json;

use crate::support::{
    self, audit, chart, crds,
    process::Operator,
    scene::{ACCOUNT, AGENT, Scene},
};

/// A control plane with the definitions of the chart.
struct Site {
    control_plane: ControlPlane,
    client: Client,
    dir: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let control_plane = ControlPlane::start(support::binaries()).await.unwrap();
        let client = control_plane.client().await.unwrap();
        crds::apply(&client).await;
        Self { control_plane, client, dir: tempfile::tempdir().unwrap() }
    }

    /// Installs the chart's rights for these namespaces; answers a kubeconfig with them.
    async fn grant(&self, namespaces: &[&str]) -> PathBuf {
        let value = format!("watchNamespaces={{{}}}", namespaces.join(","));
        let access = chart::access_with(self.control_plane.kubeconfig(), &[&value]).await;
        for namespace in namespaces {
            for (group, resource) in [("dialplane.dev", "phonenumbers"), ("", "secrets")] {
                let attributes = json!({"group": group, "resource": resource, "namespace": namespace, "verb": "get"});
                chart::is_allowed(&self.client, attributes).await;
            }
        }
        let (group, namespace) = ("coordination.k8s.io", chart::NAMESPACE);
        let attributes = json!({"group": group, "resource": "leases", "namespace": namespace, "verb": "create"});
        chart::is_allowed(&self.client, attributes).await;
        let file = self.dir.path().join("kubeconfig");
        kubeconfig::write(&access, &file).unwrap();
        file
    }

    async fn operator(&self, kubeconfig: &Path, name: &str, namespaces: &[&str], scene: &Scene) -> Operator {
        let watch = format!("--watch-namespaces={}", namespaces.join(","));
        let lease = format!("--namespace={}", chart::NAMESPACE);
        let flags = [&*watch, &lease, "--lease-duration=9s", "--settling-time=3s", "--sync-timeout=20s"];
        let flags = [&flags[..], &["--allow-endpoint", scene.sandbox.url()]].concat();
        let operator = Operator::start(kubeconfig, self.dir.path(), name, &flags);
        operator.leads().await;
        operator
    }

    fn refused(&self) -> Vec<String> {
        audit::used(&self.control_plane.audit_log_path(), chart::USER, |_| false).1
    }
}

#[tokio::test]
async fn an_operator_works_on_the_namespaces_that_it_watches_and_needs_no_rights_in_others() {
    let site = Site::new().await;
    let north = Scene::on(site.client.clone()).await;
    let [south, other] = [north.elsewhere().await, north.elsewhere().await];
    let watched = [&*north.namespace, &*south.namespace];
    let kubeconfig = site.grant(&watched).await;
    let operator = site.operator(&kubeconfig, "both", &watched, &north).await;

    let everybody = json!({"allowedNamespaces": {"from": "All"}});
    for scene in [&north, &south] {
        scene.open(everybody.clone()).await;
        scene.agent_with("engine.example.com", Some("v1"), everybody.clone()).await;
    }
    // Those of different namespaces, each followed by a watch of its own, work together.
    let (lent, own) = (north.owned(), north.owned());
    let of_north = |name: &str| json!({"name": name, "namespace": north.namespace});
    let through_north = json!({"accountRef": of_north(ACCOUNT), "agentRef": of_north(AGENT)});
    south.phone_number("lent", &lent, through_north).await;
    let voice = json!({"voice": {"url": "https://shared.example.com/v1"}});
    let shared = json!({"draft": {"webhooks": voice}, "version": "v1", "allowedNamespaces": {"from": "All"}});
    let metadata = json!({"name": "shared"});
    let version = "dialplane.dev/v1alpha1";
    north.apply::<Agent>(json!({"apiVersion": version, "kind": "Agent", "metadata": metadata, "spec": shared})).await;
    south.phone_number("own", &own, json!({"agentRef": of_north("shared")})).await;
    north.purchase("bought", json!({})).await;
    for name in ["lent", "own"] {
        south.reason::<PhoneNumber>(name, "Ready", "Routed").await;
    }
    north.routed_number("bought").await;
    for scene in [&north, &south, &other] {
        scene.bought.store(1, Ordering::Relaxed);
    }
    // Nothing is done for another namespace, and nothing of it may be used.
    other.secret(other.token()).await;
    other.account(everybody).await;
    other.agent("engine.example.com", Some("v1")).await;
    let idle = north.owned();
    other.phone_number("ignored", &idle, json!({})).await;
    let through_other = json!({"accountRef": {"name": ACCOUNT, "namespace": other.namespace}});
    north.phone_number("through", &idle, through_other).await;
    north.reason::<PhoneNumber>("through", "Ready", "AccountNotReady").await;
    let ignored = other.get::<PhoneNumber>("ignored").await.unwrap();
    assert!(ignored.status.is_none_or(|status| status.conditions.is_empty()) && ignored.metadata.finalizers.is_none());
    assert_eq!(north.writes_to(&idle), 0);
    assert_eq!(site.refused(), Vec::<String>::new(), "{}", operator.log());

    // A namespace that is taken off the list keeps its numbers: nobody gets what it has, although nothing of it may be read any more.
    operator.terminate();
    drop(operator);
    let roles: Api<Role> = Api::namespaced(site.client.clone(), &south.namespace);
    roles.delete_collection(&DeleteParams::default(), &Default::default()).await.unwrap();
    // Beside one that is not there at all.
    let operator = site.operator(&kubeconfig, "north", &[&north.namespace, "nowhere"], &north).await;
    north.phone_number("wants-own", &own, json!({})).await;
    north.phone_number("wants-lent", &lent, json!({})).await;
    for name in ["wants-own", "wants-lent"] {
        north.reason::<PhoneNumber>(name, "Ready", "ClaimedByAnother").await;
    }
    north.request("bought").await;
    for number in [&own, &lent] {
        let claim = north.claim(number).await.unwrap();
        assert_eq!(claim.spec.holder.unwrap().namespace, south.namespace);
        assert_eq!(north.writes_to(number), 1);
    }
    // Nor is an agent deleted that one of its numbers leads to, or the version of it.
    north.delete::<Agent>(AGENT).await;
    north.reason::<Agent>(AGENT, "Ready", "InUse").await;
    north.delete::<Agent>("shared").await;
    let shared = north.reason::<Agent>("shared", "Ready", "InUse").await;
    let waits = json!(shared.status.unwrap().conditions).to_string();
    assert!(waits.contains(&format!("{}/own", south.namespace)), "{waits}");
    north.request("bought").await;
    assert!(north.get::<AgentVersion>(&format!("{AGENT}.v1")).await.is_some());

    // Rights that somebody takes away in one namespace stop nothing in another, neither while it works nor at a start.
    drop(operator);
    let kubeconfig = site.grant(&watched).await;
    let operator = site.operator(&kubeconfig, "again", &watched, &north).await;
    south.reason::<PhoneNumber>("own", "Ready", "Routed").await;
    roles.delete_collection(&DeleteParams::default(), &Default::default()).await.unwrap();
    north.phone_number("meanwhile", &own, json!({})).await;
    north.reason::<PhoneNumber>("meanwhile", "Ready", "ClaimedByAnother").await;
    drop(operator);
    let operator = site.operator(&kubeconfig, "last", &watched, &north).await;
    north.phone_number("afterwards", &own, json!({})).await;
    north.reason::<PhoneNumber>("afterwards", "Ready", "ClaimedByAnother").await;
    north.delete::<PhoneNumber>("through").await;
    north.gone::<PhoneNumber>("through").await;
    assert_eq!(north.writes_to(&own), 1, "{}", operator.log());
    north.has_bought(1).await;
}
