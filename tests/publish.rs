//! `dialplane publish`, `rollback` and `digest`, by a user who may do no more than they need.

use std::process::{Output, Stdio};

use dialplane::{
    api::{Agent, AgentVersion},
    sandbox::control_plane::kubeconfig,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::support::{
    chart, cluster, eventually,
    scene::{AGENT, Scene, webhooks},
};

/// Somebody who publishes the scene's agent.
struct Publisher {
    scene: Scene,
    dir: TempDir,
}

struct Said {
    done: bool,
    out: String,
    err: String,
}

impl Publisher {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let (namespace, rbac) = (&scene.namespace, "rbac.authorization.k8s.io");
        for object in [
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "publisher", "namespace": namespace}}),
            json!({
                "apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": {"name": "publisher", "namespace": namespace},
                "rules": [
                    {"apiGroups": ["dialplane.dev"], "resources": ["agents"], "verbs": ["get", "patch"]},
                    {"apiGroups": ["dialplane.dev"], "resources": ["agentversions"], "verbs": ["get"]},
                ],
            }),
            json!({
                "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding",
                "metadata": {"name": "publisher", "namespace": namespace},
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "publisher"},
                "subjects": [{"kind": "ServiceAccount", "name": "publisher", "namespace": namespace}],
            }),
        ] {
            chart::apply(&scene.client, &object).await;
        }
        let dir = tempfile::tempdir().unwrap();
        let admin = &cluster().await.kubeconfig;
        let access = kubeconfig::for_service_account(admin, namespace, "publisher").await.unwrap();
        kubeconfig::write(&access, &dir.path().join("kubeconfig")).unwrap();
        let publisher = Self { scene, dir };
        // The authorizer learns of a new binding by a watch of its own.
        eventually("the publisher may look", || async {
            let said = publisher.run(&["rollback", "nobody", "v1"], "").await;
            said.err.contains("does not exist").then_some(())
        })
        .await;
        publisher
    }

    /// Runs a command in the scene's namespace.
    async fn run(&self, args: &[&str], input: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
        command.args(args).env("KUBECONFIG", self.dir.path().join("kubeconfig"));
        if args[0] != "digest" {
            command.args(["-n", &self.scene.namespace]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It need not read what it is given.
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.ok();
        let Output { status, stdout, stderr } = child.wait_with_output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { done: status.success(), out: text(stdout), err: text(stderr) }
    }

    /// Returns the agent once this version serves.
    async fn serves(&self, version: &str) -> Agent {
        let is_it = |agent: &Agent| {
            let status = agent.status.as_ref().unwrap();
            status.published_version.as_deref() == Some(version)
        };
        eventually(&format!("{version} serves"), || async {
            Some(self.scene.reason::<Agent>(AGENT, "Published", "Published").await).filter(is_it)
        })
        .await
    }

    /// Edits the draft as somebody else does who leaves the version alone.
    async fn edits(&self, text: &str) {
        let draft = json!({"webhooks": webhooks("engine.example.com"), "config": {"greeting": text}});
        self.scene.patch::<Agent>(AGENT, json!({"spec": {"draft": draft}})).await;
    }
}

impl Said {
    #[track_caller]
    fn done(&self, says: &[&str]) {
        self.ended(true, says);
    }

    #[track_caller]
    fn refused(&self, says: &[&str]) {
        self.ended(false, says);
    }

    #[track_caller]
    fn ended(&self, done: bool, says: &[&str]) {
        let all = format!("{}{}", self.out, self.err);
        assert_eq!(self.done, done, "{all}");
        for text in says {
            assert!(all.contains(text), "lacks {text:?}:\n{all}");
        }
    }
}

#[tokio::test]
async fn publish_names_the_next_version_with_its_digest_and_rollback_only_what_was_published() {
    let publisher = Publisher::new().await;
    let scene = &publisher.scene;
    scene.agent("engine.example.com", None).await;
    scene.reason::<Agent>(AGENT, "Published", "Unpublished").await;
    publisher.run(&["rollback", AGENT, "v1"], "").await.refused(&["v1 was never published: no version was"]);

    publisher.run(&["publish", AGENT], "").await.done(&["is set to:", "version: v1", "versionDigest: sha256:"]);
    let first = publisher.serves("v1").await;
    assert_eq!(first.spec.version_digest, first.status.unwrap().draft_digest);
    publisher.edits("second").await;
    publisher
        .run(&["publish", AGENT, "--version", "v1"], "")
        .await
        .refused(&["v1 was published with", "a name is used once"]);
    publisher.run(&["publish", AGENT], "").await.done(&["version: v2"]);
    publisher.serves("v2").await;

    // A typing error in what is to be rolled back to publishes nothing.
    publisher.edits("unfinished").await;
    let typing_error = publisher.run(&["rollback", AGENT, "v22"], "").await;
    typing_error.refused(&["v22 was never published. Published versions: v1, v2"]);
    assert!(scene.get::<AgentVersion>("dental.v22").await.is_none());
    publisher.run(&["rollback", AGENT, "v1"], "").await.done(&["version: v1"]);
    let agent = publisher.serves("v1").await;
    assert_eq!(agent.spec.version_digest, first.spec.version_digest);

    scene.delete::<AgentVersion>("dental.v2").await;
    scene.gone::<AgentVersion>("dental.v2").await;
    publisher.run(&["rollback", AGENT, "v2"], "").await.refused(&["AgentVersion", "dental.v2 was deleted"]);
    publisher.run(&["publish", AGENT], "").await.done(&["version: v3"]);
    publisher.serves("v3").await;
}

#[tokio::test]
async fn a_version_that_is_only_applied_is_published_by_its_own_digest() {
    let publisher = Publisher::new().await;
    let scene = &publisher.scene;
    scene.agent_with("engine.example.com", None, json!({"draft": null, "versions": "Applied"})).await;
    publisher.run(&["publish", AGENT], "").await.refused(&["name the one to serve with --version"]);
    publisher.run(&["publish", AGENT, "--version", "v7"], "").await.refused(&["dental.v7", "apply it first"]);
    let spec = json!({"agent": AGENT, "version": "v7", "webhooks": webhooks("pipeline.example.com")});
    let version: AgentVersion = scene
        .apply(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "AgentVersion", "metadata": {"name": "dental.v7"}, "spec": spec,
        }))
        .await;
    publisher
        .run(&["publish", AGENT, "--version", "v7"], "")
        .await
        .done(&["version: v7", &version.spec.draft().digest()]);
    publisher.serves("v7").await;
}

#[tokio::test]
async fn a_digest_of_a_file_is_the_one_that_the_status_shows() {
    let publisher = Publisher::new().await;
    // What the API server fills in, leaves out and writes otherwise than it was given.
    let file = "
apiVersion: dialplane.dev/v1alpha1
kind: Agent
metadata: {name: dental}
spec:
  draft:
    webhooks:
      voice: {url: 'https://engine.example.com/{agent}/{version}/voice'}
      status: {url: 'https://engine.example.com/status', method: GET}
    config:
      speed: 1.0
      small: 0.30000000000000004
      exponent: 1e3
      large: 18446744073709551615
      huge: 1.0e+30
      negative: -0.0
      nested: {list: [2.0, text, null, true, {deep: -7.0}]}
      unicode: Grüße
---
apiVersion: v1
kind: Secret
metadata: {name: other}
";
    let said = publisher.run(&["digest", "-f", "-"], file).await;
    said.done(&["  Agent/dental\n"]);
    let digest = said.out.split_whitespace().next().unwrap().to_owned();
    let document = serde_yaml_ng::Deserializer::from_str(file).next().unwrap();
    let manifest: Value = serde::Deserialize::deserialize(document).unwrap();
    publisher.scene.apply::<Agent>(manifest.clone()).await;
    let agent: Agent = publisher.scene.reason(AGENT, "Published", "Unpublished").await;
    assert_eq!(agent.status.unwrap().draft_digest, Some(digest.clone()));

    // And it is the one that a pipeline may give.
    let mut given = manifest;
    given["spec"]["version"] = json!("v1");
    given["spec"]["versionDigest"] = json!(digest);
    publisher.scene.apply::<Agent>(given).await;
    publisher.serves("v1").await;
    publisher.run(&["digest", "-f", "/dev/null"], "").await.refused(&["no Agent with a draft"]);
}
