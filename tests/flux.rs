//! What Flux makes of our objects, with its own kustomize-controller, which applies, waits, undoes and prunes. The test stands in for
//! source-controller (an artifact for each commit) and for helm-controller (a HelmRelease that is ready).

use std::{
    collections::HashMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Router,
    http::{StatusCode, Uri},
};
use dialplane::{
    api::{Agent, AgentVersion, CarrierAccount, PhoneNumber, meta::APPROVE},
    sandbox::control_plane::{ControlPlane, kubeconfig},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{self, chart, cli, crds, eventually, go, process::Operator, scene::Scene};

/// The versions of a release of Flux that has the kustomize-controller of tests/flux/go.mod.
const SOURCE_CONTROLLER: &str = "github.com/fluxcd/source-controller@v1.7.3";
const HELM_CONTROLLER: &str = "github.com/fluxcd/helm-controller@v1.4.3";
const KUSTOMIZE_CONTROLLER: &str = "github.com/fluxcd/kustomize-controller";

const FLUX: &str = "flux-system";
const EXAMPLES: &str = "examples/flux";
const ACCOUNT: &str = "twilio-prod";
const AGENT: &str = "ringback-dental";
/// What the examples import.
const FRONT_DESK: &str = "+14155550101";
const BOOKINGS: &str = "+14155550102";

fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    serde_yaml_ng::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// The objects in a folder of the examples, by kind and name.
fn folder(name: &str) -> Value {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLES).join(name)).unwrap();
    let objects = files.flat_map(|file| documents(&file.unwrap().path()));
    let named = |object: &Value| {
        format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
    };
    Value::Object(objects.map(|object| (named(&object), object)).collect())
}

fn api(client: &Client, group: &str, version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// A cluster of its own with the chart's roles and policies, the operator and the controller as processes.
struct Site {
    _controller: Controller,
    _operator: Operator,
    control_plane: ControlPlane,
    scene: Scene,
    git: Git,
    _dir: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let binaries = support::binaries();
        let program = {
            let _alone = support::HEAVY.lock().await;
            go::program("flux", KUSTOMIZE_CONTROLLER, "about 4 minutes on 2 cores")
        };
        let control_plane = ControlPlane::start(binaries).await.unwrap();
        let client = control_plane.client().await.unwrap();
        crds::apply(&client).await;
        chart::guard(&client).await;
        for module in [SOURCE_CONTROLLER, HELM_CONTROLLER, KUSTOMIZE_CONTROLLER] {
            let definitions = go::files("flux", module).join("config/crd/bases");
            for file in fs::read_dir(definitions).unwrap() {
                for definition in documents(&file.unwrap().path()) {
                    chart::apply(&client, &definition).await;
                }
            }
        }
        let mut scene = Scene::on(client.clone()).await;
        scene.namespace = "telephony".to_owned();
        let access = chart::access(control_plane.kubeconfig()).await;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kubeconfig");
        kubeconfig::write(&access, &file).unwrap();
        let flags = ["--settling-time=3s", "--allow-endpoint", scene.sandbox.url()];
        let operator = Operator::start(&file, dir.path(), "dialplane", &flags);
        operator.leads().await;
        let controller = Controller::start(&program, &control_plane.kubeconfig_path(), dir.path());
        chart::apply(&scene.client, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": FLUX}}))
            .await;
        let git = Git::new(&scene.client, FLUX, "telephony").await;
        Self { _controller: controller, _operator: operator, control_plane, scene, git, _dir: dir }
    }

    fn flow(&self, name: &'static str) -> Flow {
        Flow::new(&self.scene.client, FLUX, name)
    }

    /// kubectl of a person, in this namespace.
    fn kubectl(&self, namespace: &str, arguments: &[&str]) {
        let mut kubectl = Command::new(cli::kubectl());
        kubectl.args(["-n", namespace]).args(arguments).env("KUBECONFIG", self.control_plane.kubeconfig_path());
        let output = kubectl.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn patch(&self, object: [&str; 2], spec: Value, flags: &[&str]) {
        let patch = json!({"spec": spec}).to_string();
        self.kubectl("telephony", &[&["patch", "--type=merge", "-p", &patch], &object[..], flags].concat());
    }
}

/// Flux' kustomize-controller as a process. It is killed when this is dropped.
struct Controller {
    child: Child,
    log: PathBuf,
}

impl Controller {
    fn start(program: &Path, kubeconfig: &Path, dir: &Path) -> Self {
        let log = dir.join("kustomize-controller.log");
        let mut command = Command::new(program);
        command.args(["--metrics-addr=0", "--health-addr=0", "--requeue-dependency=1s"]);
        command.env("KUBECONFIG", kubeconfig).env("RUNTIME_NAMESPACE", FLUX).env("TMPDIR", dir);
        command.stdout(File::create(&log).unwrap()).stderr(File::options().append(true).open(&log).unwrap());
        Self { child: command.spawn().unwrap(), log }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("what kustomize-controller logged:\n{}", fs::read_to_string(&self.log).unwrap());
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A repository in which each object of each folder is a file, and its GitRepository, as source-controller keeps it.
struct Git {
    repositories: Api<DynamicObject>,
    name: String,
    url: String,
    artifacts: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    /// Folder, kind and name, object.
    files: tokio::sync::Mutex<Value>,
    commits: AtomicU32,
}

impl Git {
    async fn new(client: &Client, namespace: &str, name: &str) -> Self {
        let artifacts = Arc::<Mutex<HashMap<String, Vec<u8>>>>::default();
        let served = artifacts.clone();
        let answer = async move |uri: Uri| match served.lock().unwrap().get(uri.path()) {
            Some(artifact) => Ok(artifact.clone()),
            None => Err(StatusCode::NOT_FOUND),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let repositories = api(client, "source.toolkit.fluxcd.io", "v1", "GitRepository", namespace);
        let (files, commits) = (tokio::sync::Mutex::new(json!({})), AtomicU32::new(0));
        Self { repositories, name: name.to_owned(), url, artifacts, files, commits }
    }

    /// Commits a change of the files. Answers the revision, which is greater than those before.
    async fn commit(&self, change: impl FnOnce(&mut Value)) -> String {
        // Held to the end: what is committed last is the last that Flux is told of.
        let mut files = self.files.lock().await;
        change(&mut files);
        let artifact = packed(&files);
        let revision = format!("main@sha1:{:040x}", self.commits.fetch_add(1, Ordering::Relaxed) + 1);
        let path = format!("/{revision}.tar.gz");
        let digest: String = Sha256::digest(&artifact).iter().map(|byte| format!("{byte:02x}")).collect();
        let status = json!({"artifact": {
            "url": format!("{}{path}", self.url), "path": path, "revision": revision, "size": artifact.len(),
            "digest": format!("sha256:{digest}"), "lastUpdateTime": jiff::Timestamp::now(),
        }});
        self.artifacts.lock().unwrap().insert(path, artifact);
        let patch = Patch::Merge(json!({"status": status}));
        self.repositories.patch_status(&self.name, &PatchParams::default(), &patch).await.unwrap();
        revision
    }
}

fn packed(files: &Value) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    for (folder, objects) in files.as_object().unwrap() {
        let folder = dir.path().join(EXAMPLES).join(folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, object) in objects.as_object().unwrap() {
            fs::write(folder.join(format!("{}.yaml", name.replace(' ', "-"))), object.to_string()).unwrap();
        }
    }
    let output = Command::new("tar").args(["-czf", "-", "-C"]).arg(dir.path()).arg(".").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Takes a file out of a folder, if it is there.
fn taken(folder: &mut Value, file: &str) -> Value {
    folder.as_object_mut().unwrap().remove(file).unwrap()
}

/// A Kustomization of Flux.
struct Flow {
    api: Api<DynamicObject>,
    name: &'static str,
}

impl Flow {
    fn new(client: &Client, namespace: &str, name: &'static str) -> Self {
        Self { api: api(client, "kustomize.toolkit.fluxcd.io", "v1", "Kustomization", namespace), name }
    }

    /// Its status, and whether it is ready: empty while that is not known, as it is while it waits for another.
    async fn state(&self) -> (Value, String, String) {
        let object = self.api.get(self.name).await.unwrap();
        let status = object.data["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default();
        let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
        let settled = text("status") != "Unknown" && text("reason") != "DependencyNotReady";
        (status, if settled { text("status") } else { String::new() }, text("message"))
    }

    /// Returns once it is ready with this commit or a later one.
    async fn applied(&self, revision: &str) {
        eventually(&format!("{} has applied {revision}", self.name), || async {
            let (status, ready, _) = self.state().await;
            let is_it = status["lastAppliedRevision"].as_str().unwrap_or_default() >= revision;
            (is_it && ready == "True").then_some(())
        })
        .await;
    }

    /// Returns once it is not ready with this commit or a later one, and says this.
    async fn failed(&self, revision: &str, why: &str) {
        eventually(&format!("{} has failed with {revision}: {why}", self.name), || async {
            let (status, ready, message) = self.state().await;
            let is_it = status["lastAttemptedRevision"].as_str().unwrap_or_default() >= revision;
            (is_it && ready == "False" && message.contains(why)).then_some(())
        })
        .await;
    }

    async fn set(&self, patch: Value) {
        self.api.patch(self.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Has it applied once more, as `flux reconcile kustomization` does. Answers whether it is ready, and why.
    async fn reconcile(&self) -> (bool, String) {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let request = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
        self.set(json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": request}}})).await;
        eventually(&format!("{} is reconciled", self.name), || async {
            let (status, ready, message) = self.state().await;
            (status["lastHandledReconcileAt"] == request && !ready.is_empty()).then_some((ready == "True", message))
        })
        .await
    }
}

#[tokio::test]
async fn flux_applies_waits_undoes_and_prunes() {
    let site = Site::new().await;
    first(&site).await;
    let ((), (), tenant) = tokio::join!(routes(&site), purchases(&site), tenant(&site));
    everything_goes(&site, tenant).await;
}

/// The examples, from nothing to numbers that are routed, in one go.
async fn first(site: &Site) {
    let Site { scene, git, .. } = site;
    for object in documents(&Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLES).join("flux.yaml")) {
        chart::apply(&scene.client, &object).await;
    }
    for number in [FRONT_DESK, BOOKINGS] {
        scene.sandbox.seed_number(number).unwrap();
    }
    let revision = git
        .commit(|at| {
            *at = json!({"telephony": folder("telephony"), "purchases": folder("purchases")});
            let account = &mut at["telephony"][format!("CarrierAccount {ACCOUNT}")];
            account["spec"]["twilio"]["accountSid"] = json!(scene.sandbox.credentials().account_sid);
            account["spec"]["endpoint"] = json!(scene.sandbox.url());
            account["spec"]["limits"] = json!({"concurrency": 20, "requestsPerSecond": 10000});
            account["spec"]["scanInterval"] = json!("2s");
            // Under the same account of the carrier, for a tenant.
            let mut shared = account.clone();
            shared["metadata"]["name"] = json!("shared");
            shared["spec"]["allowedNamespaces"] = json!({"from": "All"});
            shared["spec"]["purchasing"] = json!({"approval": "Required"});
            at["telephony"]["CarrierAccount shared"] = shared;
            at["telephony"]["Secret"] = json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": ACCOUNT}, "stringData": scene.token(),
            });
        })
        .await;
    let flow = site.flow("telephony");
    eventually("it waits for the operator", || async {
        flow.state().await.2.contains("dependency 'flux-system/dialplane' is not ready").then_some(())
    })
    .await;

    let software = Git::new(&scene.client, FLUX, "dialplane").await;
    let applied = software.commit(|at| at["dialplane"] = folder("dialplane")).await;
    let releases = api(&scene.client, "helm.toolkit.fluxcd.io", "v2", "HelmRelease", FLUX);
    let release =
        eventually("the HelmRelease is there", || async { releases.get_opt("dialplane").await.unwrap() }).await;
    assert!(scene.api::<PhoneNumber>().list(&ListParams::default()).await.unwrap().items.is_empty(), "it waits");
    let values = tempfile::NamedTempFile::new().unwrap();
    fs::write(values.path(), release.data["spec"]["values"].to_string()).unwrap();
    chart::render_with(&["-f", values.path().to_str().unwrap()]);
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "InstallSucceeded", "message": "",
        "lastTransitionTime": jiff::Timestamp::now(),
    });
    let status = json!({"status": {"observedGeneration": release.metadata.generation, "conditions": [ready]}});
    releases.patch_status("dialplane", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    site.flow("dialplane").applied(&applied).await;

    flow.applied(&revision).await;
    site.flow("purchases").applied(&revision).await;
    for number in [FRONT_DESK, BOOKINGS] {
        assert_eq!((&*scene.voice_url(number), scene.writes_to(number)), (&*voice("v1"), 1));
    }
}

/// Where calls reach a version of the agent.
fn voice(version: &str) -> String {
    format!("https://engine.example.com/{AGENT}/{version}/voice")
}

fn publish(at: &mut Value, version: &str) {
    at["telephony"][format!("Agent {AGENT}")]["spec"]["version"] = json!(version);
}

/// Numbers that the account has, and the versions that they reach.
async fn routes(site: &Site) {
    let Site { scene, git, .. } = site;
    let flow = site.flow("telephony");

    // What the operator writes into an object of Git is nothing that Flux undoes.
    let before = scene.get::<Agent>(AGENT).await.unwrap().metadata;
    assert!(before.annotations.as_ref().unwrap().contains_key(dialplane::api::meta::PUBLISHED));
    assert!(flow.reconcile().await.0);
    let after = scene.get::<Agent>(AGENT).await.unwrap().metadata;
    assert_eq!((&before.annotations, &before.finalizers), (&after.annotations, &after.finalizers));

    for version in ["v2", "v1"] {
        let revision = git.commit(|at| publish(at, version)).await;
        flow.applied(&revision).await;
        // Ready says that calls reach it already.
        assert_eq!([scene.voice_url(FRONT_DESK), scene.voice_url(BOOKINGS)], [voice(version), voice(version)]);
    }
    by_hand(site, &flow).await;
    suspended(site, &flow).await;
    broken(site, &flow).await;

    flow.set(json!({"spec": {"prune": true}})).await;
    let revision = git
        .commit(|at| {
            let mut number = taken(&mut at["telephony"], "PhoneNumber front-desk");
            number["metadata"]["name"] = json!("reception");
            at["telephony"]["PhoneNumber reception"] = number;
        })
        .await;
    flow.applied(&revision).await;
    scene.gone::<PhoneNumber>("front-desk").await;
    assert_eq!(scene.claim(FRONT_DESK).await.unwrap().spec.holder.unwrap().name, "reception");
    let routed = scene.voice_writes(FRONT_DESK);
    assert!(routed.iter().all(|url| !url.is_empty()), "{routed:?}");

    let revision = git.commit(|at| drop(taken(&mut at["telephony"], "PhoneNumber bookings"))).await;
    flow.applied(&revision).await;
    scene.gone::<PhoneNumber>("bookings").await;
    scene.unclaimed(BOOKINGS).await;
    assert_eq!(scene.voice_url(BOOKINGS), "");
}

/// What people change beside Git.
async fn by_hand(site: &Site, flow: &Flow) {
    let scene = &site.scene;
    let number = ["phonenumber", "bookings"];
    let is_suspended = async || scene.get::<PhoneNumber>("bookings").await.unwrap().spec.suspend;

    // Flux takes over what kubectl wrote, and then undoes it, also where Git does not say anything of that field.
    site.patch(number, json!({"suspend": true}), &[]);
    assert!(flow.reconcile().await.0);
    assert!(!is_suspended().await);
    // It leaves alone what bears another name.
    let flags = ["--field-manager=oncall"];
    site.patch(number, json!({"suspend": true}), &flags);
    assert!(flow.reconcile().await.0);
    assert!(is_suspended().await);
    site.patch(number, json!({"suspend": null}), &flags);

    // A field that Git has is as in Git, whoever wrote it.
    site.patch(["agent", AGENT], json!({"version": "v2"}), &flags);
    assert!(flow.reconcile().await.0);
    assert_eq!(scene.get::<Agent>(AGENT).await.unwrap().spec.version.unwrap(), "v1");
    scene.calls_reach(BOOKINGS, &voice("v1")).await;

    // At the carrier it is the operator who corrects.
    scene.sandbox.edit(BOOKINGS, &[("voice_url", "https://elsewhere.example.com/")]).unwrap();
    scene.request("bookings").await;
    scene.calls_reach(BOOKINGS, &voice("v1")).await;
}

async fn suspended(site: &Site, flow: &Flow) {
    let Site { scene, git, .. } = site;
    flow.set(json!({"spec": {"suspend": true}})).await;
    // It knows from here on.
    flow.reconcile().await;
    let revision = git.commit(|at| publish(at, "v3")).await;
    flow.reconcile().await;
    assert_eq!(scene.voice_url(FRONT_DESK), voice("v1"));
    flow.set(json!({"spec": {"suspend": false}})).await;
    flow.applied(&revision).await;
    assert_eq!(scene.voice_url(FRONT_DESK), voice("v3"));

    // A number that Git suspends keeps its route, and holds up nobody.
    let revision = git
        .commit(|at| {
            at["telephony"]["PhoneNumber bookings"]["spec"]["suspend"] = json!(true);
            publish(at, "v4");
        })
        .await;
    flow.applied(&revision).await;
    assert_eq!([scene.voice_url(FRONT_DESK), scene.voice_url(BOOKINGS)], [voice("v4"), voice("v3")]);
    git.commit(|at| at["telephony"]["PhoneNumber bookings"]["spec"]["suspend"] = json!(false)).await;
    scene.calls_reach(BOOKINGS, &voice("v4")).await;
}

/// What cannot work, and what the API server does not take.
async fn broken(site: &Site, flow: &Flow) {
    let Site { scene, git, .. } = site;
    let copy = |at: &mut Value, name: &str| {
        let mut number = at["telephony"]["PhoneNumber front-desk"].clone();
        number["metadata"]["name"] = json!(name);
        at["telephony"][format!("PhoneNumber {name}")] = number;
    };
    let revision = git.commit(|at| copy(at, "twice")).await;
    let failed = "PhoneNumber/telephony/twice status: 'Failed'";
    flow.failed(&revision, failed).await;
    scene.reason::<PhoneNumber>("twice", "Ready", "ClaimedByAnother").await;
    // The next commit is applied all the same.
    let revision = git.commit(|at| publish(at, "v5")).await;
    flow.failed(&revision, failed).await;
    scene.calls_reach(FRONT_DESK, &voice("v5")).await;
    scene.calls_reach(BOOKINGS, &voice("v5")).await;

    // One that is not taken holds up everything of its Kustomization, until the next commit.
    let revision = git
        .commit(|at| {
            copy(at, "invalid");
            at["telephony"]["PhoneNumber invalid"]["spec"]["import"]["number"] = json!("+1");
            publish(at, "v6");
        })
        .await;
    flow.failed(&revision, "PhoneNumber.dialplane.dev \"invalid\" is invalid: spec.import.number: Invalid value").await;
    assert_eq!(scene.get::<Agent>(AGENT).await.unwrap().spec.version.unwrap(), "v5");
    let revision = git
        .commit(|at| {
            taken(&mut at["telephony"], "PhoneNumber invalid");
            taken(&mut at["telephony"], "PhoneNumber twice");
        })
        .await;
    flow.applied(&revision).await;
    assert_eq!(scene.voice_url(FRONT_DESK), voice("v6"));

    // With `prune: false` it is for a person to delete.
    scene.delete::<PhoneNumber>("twice").await;
    scene.gone::<PhoneNumber>("twice").await;
    assert_eq!(scene.voice_url(FRONT_DESK), voice("v6"));
}

/// Numbers that are bought, with approval in Git and by hand.
async fn purchases(site: &Site) {
    let Site { scene, git, .. } = site;
    let flow = site.flow("purchases");
    flow.set(json!({"spec": {"prune": true}})).await;
    let offered = async |name: &str| {
        let number: PhoneNumber = scene.reason(name, "Acquired", "AwaitingApproval").await;
        number.status.unwrap().offer.unwrap().number.to_string()
    };

    // In Git, where the annotation may stay.
    let number = offered("san-francisco").await;
    let revision = git
        .commit(|at| {
            let file = &mut at["purchases"]["PhoneNumber san-francisco"];
            file["metadata"]["annotations"] = json!({APPROVE: number});
        })
        .await;
    flow.applied(&revision).await;
    assert_eq!(scene.routed_number("san-francisco").await, number);
    let revision = git
        .commit(|at| {
            let mut file = taken(&mut at["purchases"], "PhoneNumber san-francisco");
            file["metadata"]["name"] = json!("downtown");
            at["purchases"]["PhoneNumber downtown"] = file;
        })
        .await;
    flow.applied(&revision).await;
    assert_eq!(scene.routed_number("downtown").await, number);
    let routed = scene.voice_writes(&number);
    assert!(routed.iter().all(|url| !url.is_empty()), "{routed:?}");

    // By hand, which the examples let stand for these.
    let revision = git
        .commit(|at| {
            let mut file = at["purchases"]["PhoneNumber downtown"].clone();
            file["metadata"] = json!({"name": "oakland"});
            file["spec"]["purchase"]["identity"] = json!("oakland");
            at["purchases"]["PhoneNumber oakland"] = file;
        })
        .await;
    flow.applied(&revision).await;
    let approve = |number: &str| {
        let annotation = format!("{APPROVE}={number}");
        site.kubectl("telephony", &["annotate", "--overwrite", "phonenumber", "oakland", &annotation]);
    };
    approve("+14155550000");
    assert!(flow.reconcile().await.0);
    let oakland = scene.get::<PhoneNumber>("oakland").await.unwrap();
    assert_eq!(oakland.metadata.annotations.unwrap()[APPROVE], "+14155550000");
    let number = offered("oakland").await;
    approve(&number);
    assert_eq!(scene.routed_number("oakland").await, number);
}

/// A tenant whose Kustomization has the rights of a ServiceAccount of its namespace, which may not approve.
async fn tenant(site: &Site) -> Scene {
    let scene = site.scene.elsewhere().await;
    let client = &scene.client;
    let metadata = json!({"name": "flux", "namespace": scene.namespace});
    let apply = async |object: Value| chart::apply(client, &object).await;
    apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})).await;
    for role in ["dialplane-view", "dialplane-edit"] {
        apply(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": role, "namespace": scene.namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "flux", "namespace": scene.namespace}],
        }))
        .await;
    }
    let metadata = json!({"name": "clinic", "namespace": scene.namespace});
    apply(json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": metadata,
        "spec": {"url": "https://git.example.com/clinic", "interval": "1m"},
    }))
    .await;
    apply(json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": metadata,
        "spec": {
            "sourceRef": {"kind": "GitRepository", "name": "clinic"}, "serviceAccountName": "flux", "prune": true,
            "interval": "10m", "retryInterval": "1s", "targetNamespace": scene.namespace,
        },
    }))
    .await;
    let (git, flow) =
        (Git::new(client, &scene.namespace, "clinic").await, Flow::new(client, &scene.namespace, "clinic"));

    // Who may not approve may not approve in Git either.
    let revision = git
        .commit(|at| {
            at["clinic"]["main"] = json!({
                "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber",
                "metadata": {"name": "main", "annotations": {APPROVE: "+14155550000"}},
                "spec": {
                    "accountRef": {"name": "shared", "namespace": "telephony"},
                    "purchase": {"search": {"country": "US", "areaCode": "415"}},
                },
            });
        })
        .await;
    flow.failed(&revision, "the verb approve on CarrierAccount telephony/shared").await;
    let revision = git.commit(|at| drop(taken(&mut at["clinic"]["main"]["metadata"], "annotations"))).await;
    flow.applied(&revision).await;

    // What a person with the right has approved by hand Flux takes away without that right, so that it holds up no commit.
    let offer: PhoneNumber = scene.reason("main", "Acquired", "AwaitingApproval").await;
    let number = offer.status.unwrap().offer.unwrap().number.to_string();
    let approve = |number: &str, flags: &[&str]| {
        let annotation = format!("{APPROVE}={number}");
        let arguments = ["annotate", "--overwrite", "phonenumber", "main", &annotation];
        site.kubectl(&scene.namespace, &[&arguments, flags].concat());
    };
    approve("+14155550000", &[]);
    assert_eq!(flow.reconcile().await, (true, format!("Applied revision: {revision}")));
    let annotations = scene.get::<PhoneNumber>("main").await.unwrap().metadata.annotations.unwrap_or_default();
    assert!(!annotations.contains_key(APPROVE), "{annotations:?}");
    // Under another name than kubectl's it stays until the operator has seen it.
    approve(&number, &["--field-manager=approver"]);
    scene.reason::<PhoneNumber>("main", "Acquired", "Purchased").await;
    assert_eq!(flow.reconcile().await, (true, format!("Applied revision: {revision}")));
    assert_eq!(scene.get::<PhoneNumber>("main").await.unwrap().status.unwrap().number.unwrap().as_str(), number);
    scene
}

/// Everything is deleted, what others need first.
async fn everything_goes(site: &Site, tenant: Scene) {
    let scene = &site.scene;
    let bought = scene.routed_number("oakland").await;
    let delete = async |flow: Flow| {
        flow.api.delete(flow.name, &DeleteParams::default()).await.unwrap();
        eventually("the Kustomization is gone", || async {
            flow.api.get_opt(flow.name).await.unwrap().is_none().then_some(())
        })
        .await;
    };
    delete(site.flow("telephony")).await;
    scene.gone::<Secret>(ACCOUNT).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "InUse").await;
    assert!(!scene.voice_url(&bought).is_empty());
    delete(site.flow("purchases")).await;
    delete(Flow::new(&scene.client, &tenant.namespace, "clinic")).await;
    for name in ["reception", "downtown", "oakland"] {
        scene.gone::<PhoneNumber>(name).await;
    }
    tenant.gone::<PhoneNumber>("main").await;
    scene.gone::<CarrierAccount>(ACCOUNT).await;
    scene.gone::<CarrierAccount>("shared").await;
    scene.gone::<Agent>(AGENT).await;
    eventually("the versions are gone", || async {
        scene.api::<AgentVersion>().list(&ListParams::default()).await.unwrap().items.is_empty().then_some(())
    })
    .await;
    assert_eq!([scene.voice_url(FRONT_DESK), scene.voice_url(&bought)], ["", ""]);
    scene.has_bought(3).await;
    tenant.bought.store(3, Ordering::Relaxed);
}
