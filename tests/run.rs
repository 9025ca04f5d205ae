//! The operator as a process: what it says when it cannot work, who leads, and how it ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use dialplane::sandbox::control_plane::{ControlPlane, kubeconfig};
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Pod, rbac::v1::ClusterRole},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client};
use serde_json::json;

use crate::support::{self, chart, cli, eventually, process::Operator};

/// A cluster of its own: other operators must not be about.
struct Site {
    control_plane: ControlPlane,
    client: Client,
    dir: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let control_plane = ControlPlane::start(support::binaries()).await.unwrap();
        let client = control_plane.client().await.unwrap();
        // As strict as a namespace can be about what a pod may be.
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        let metadata = json!({"name": chart::NAMESPACE, "labels": labels});
        chart::apply(&client, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await;
        Self { control_plane, client, dir: tempfile::tempdir().unwrap() }
    }

    fn helm(&self, arguments: &[&str]) -> Output {
        let mut helm = Command::new(cli::helm());
        helm.args(arguments).args(["--namespace", chart::NAMESPACE]);
        helm.env("KUBECONFIG", self.control_plane.kubeconfig_path()).output().unwrap()
    }

    fn install(&self) {
        let output = self.helm(&["install", "dialplane", chart::CHART]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A file with access as a ServiceAccount of the chart's namespace.
    async fn access(&self, account: &str) -> PathBuf {
        let admin = self.control_plane.kubeconfig();
        let access = kubeconfig::for_service_account(admin, chart::NAMESPACE, account).await.unwrap();
        let path = self.dir.path().join(account);
        kubeconfig::write(&access, &path).unwrap();
        path
    }

    fn start(&self, access: &Path, name: &str, flags: &[&str]) -> Operator {
        Operator::start(access, self.dir.path(), name, flags)
    }

    async fn holder(&self) -> String {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), chart::NAMESPACE);
        let lease = leases.get("dialplane").await.unwrap();
        lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default()
    }
}

#[tokio::test]
async fn without_definitions_or_permissions_it_ends_and_says_what_is_missing() {
    let site = Site::new().await;
    // Long enough to be asked twice before it ends, on a busy machine too.
    let mut operator = site.start(&site.control_plane.kubeconfig_path(), "first", &["--sync-timeout=8s"]);
    let (status, text) = eventually("it answers", || operator.get("/readyz")).await;
    assert_eq!((status, &*text), (503, "waiting for the first complete list of every kind"));
    assert_eq!(operator.get("/livez").await.unwrap().0, 200);
    assert_eq!(operator.ended().await.code(), Some(1));
    let said = operator.log();
    let error = said.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains("`phonenumbers.dialplane.dev` in v1alpha1: install the CRDs"), "{error}");

    site.install();
    // An account of the same namespace that nothing was granted to.
    let mut operator = site.start(&site.access("default").await, "second", &["--sync-timeout=1s"]);
    assert_eq!(operator.ended().await.code(), Some(1));
    let said = operator.log();
    let error = said.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains("grant the operator's ClusterRole the verb `list` on `namespaces`"), "{error}");
}

#[tokio::test]
async fn one_replica_leads_and_another_takes_over_from_a_dead_one_and_from_one_that_ends() {
    let site = Site::new().await;
    site.install();
    let access = site.access("dialplane").await;
    let flags = ["--lease-duration=6s", "--installation=prod-eu"];

    let first = site.start(&access, "first", &flags);
    first.ready().await;
    first.leads().await;
    assert!(site.holder().await.starts_with("first_"));
    let build = format!("dialplane_build_info{{version=\"{}\",installation=\"prod-eu\"}} 1", env!("CARGO_PKG_VERSION"));
    assert!(first.shows(&build).await);

    let mut second = site.start(&access, "second", &flags);
    second.ready().await;
    assert!(second.shows("dialplane_leader 0").await, "it follows, and is ready all the same");

    first.kill();
    second.leads().await;
    assert!(site.holder().await.starts_with("second_"));

    let mut third = site.start(&access, "third", &flags);
    third.ready().await;
    second.terminate();
    assert_eq!(second.ended().await.code(), Some(0), "{}", second.log());
    third.leads().await;

    third.terminate();
    assert_eq!(third.ended().await.code(), Some(0), "{}", third.log());
    assert_eq!(site.holder().await, "", "nobody has to wait for the end of a Lease");
}

#[tokio::test]
async fn a_leader_whose_lease_is_taken_ends_and_says_so() {
    let site = Site::new().await;
    site.install();
    let mut operator = site.start(&site.access("dialplane").await, "robbed", &["--lease-duration=6s"]);
    operator.leads().await;
    let leases: Api<Lease> = Api::namespaced(site.client.clone(), chart::NAMESPACE);
    let taken = json!({"spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 60}});
    leases.patch("dialplane", &Default::default(), &kube::api::Patch::Merge(taken)).await.unwrap();
    assert_eq!(operator.ended().await.code(), Some(1));
    assert!(operator.log().contains("error: lost the leadership"), "{}", operator.log());
    assert_eq!(site.holder().await, "somebody");
}

#[tokio::test]
async fn a_release_goes_and_comes_back_and_the_definitions_stay() {
    let site = Site::new().await;
    site.install();
    let pods: Api<Pod> = Api::namespaced(site.client.clone(), chart::NAMESPACE);
    let pod = || async { pods.list(&Default::default()).await.unwrap().items.pop() };
    // There is no node that it could run on; but it was let into the strictest kind of namespace.
    eventually("there is a pod of the Deployment", pod).await;

    let output = site.helm(&["uninstall", "dialplane"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let roles: Api<ClusterRole> = Api::all(site.client.clone());
    assert!(roles.get_opt("dialplane-operator").await.unwrap().is_none());
    let definitions: Api<CustomResourceDefinition> = Api::all(site.client.clone());
    for crd in dialplane::api::crds() {
        let kept = definitions.get(crd.metadata.name.as_deref().unwrap()).await.unwrap();
        assert!(kept.metadata.deletion_timestamp.is_none());
    }

    site.install();
    let second = site.helm(&["install", "another", chart::CHART]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("invalid ownership metadata"), "one in a cluster: {said}");
    let output = site.helm(&["upgrade", "dialplane", chart::CHART, "--set", "replicas=2"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn without_a_cluster_it_ends_at_once_and_says_what_to_set() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
    command.args(["run", "--health-address=127.0.0.1:0"]).env_clear().env("HOME", dir.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("error: no cluster: set KUBECONFIG"), "{said}");
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
}

#[test]
fn an_endpoint_that_cannot_be_allowed_is_an_error_at_the_start_and_is_not_repeated() {
    for wrong in ["sandbox:4010", "http://user:hunter2@sandbox", "http://127.0.0.1:*", "http://a.example,"] {
        for by_flag in [true, false] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
            command.env_clear().args(["run", "--health-address=127.0.0.1:0"]);
            match by_flag {
                true => command.args(["--allow-endpoint", wrong]),
                false => command.env("DIALPLANE_ALLOW_ENDPOINT", wrong),
            };
            let output = command.output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{wrong}: {said}");
            assert!(said.contains("error: --allow-endpoint: allowed endpoint "), "{wrong}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
