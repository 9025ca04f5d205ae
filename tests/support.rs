//! What the integration tests share: one cluster for the run, a namespace for each test, and patience. It does I/O.
//!
//! What cannot be had fails the test and never skips it: a run that tested nothing would look like a good one.

pub mod audit;
pub mod carriers;
pub mod chart;
pub mod cli;
pub mod crds;
pub mod egress;
pub mod gate;
pub mod go;
pub mod operator;
pub mod process;
pub mod release;
pub mod scene;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant},
};

use dialplane::sandbox::control_plane::{Binaries, ControlPlane, kubeconfig};
use k8s_openapi::api::core::v1::Namespace as KubeNamespace;
use kube::{Api, Client, ResourceExt as _, api::PostParams, config::Kubeconfig};
use serde_json::json;
use tokio::sync::OnceCell;

/// How long a test waits for something that happens by itself. Usually it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// The cluster that tests run on, with the rights of its administrator.
#[derive(Debug)]
pub struct Cluster {
    pub kubeconfig: Kubeconfig,
    /// The same in a file, for programs.
    pub kubeconfig_path: PathBuf,
}

impl Cluster {
    /// A new client. Each test has its own tokio runtime, and a client works only on the one it was made on.
    pub async fn client(&self) -> Client {
        kubeconfig::client(&self.kubeconfig).await.unwrap()
    }
}

/// The cluster that `TEST_KUBECONFIG` names, else the [control plane](control_plane) of this run.
pub async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_init(|| async {
            match std::env::var_os("TEST_KUBECONFIG").filter(|path| !path.is_empty()) {
                Some(path) => Cluster {
                    kubeconfig: Kubeconfig::read_from(&path)
                        .unwrap_or_else(|error| panic!("TEST_KUBECONFIG={}: {error}", path.display())),
                    kubeconfig_path: path.into(),
                },
                None => {
                    let ours = control_plane().await;
                    Cluster { kubeconfig: ours.kubeconfig().clone(), kubeconfig_path: ours.kubeconfig_path() }
                }
            }
        })
        .await
}

/// Whether the cluster is [`control_plane`]: of another one there is no audit log to read.
pub fn is_own_cluster() -> bool {
    std::env::var_os("TEST_KUBECONFIG").is_none_or(|path| path.is_empty())
}

/// The control plane that all tests of this run share. It is not to be stopped; it ends with the process.
pub async fn control_plane() -> &'static ControlPlane {
    // Failure is kept too, so that it is told at once to every test and not tried again by each.
    static SHARED: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();
    let start = || async { ControlPlane::start(binaries()).await.map_err(|error| error.to_string()) };
    SHARED.get_or_init(start).await.as_ref().unwrap_or_else(|error| panic!("no control plane: {error}"))
}

/// The programs of a control plane, for a test that starts its own. The first call on a machine builds them.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Result<Binaries, String>> = OnceLock::new();
    // Not `eprintln!`, which the test runner keeps to itself: five silent minutes look like a hang.
    let progress = |line: &str| writeln!(std::io::stderr(), "control plane: {line}").unwrap_or_default();
    let find = || Binaries::find_or_build(progress).map_err(|error| error.to_string());
    BINARIES.get_or_init(find).as_ref().unwrap_or_else(|error| panic!("no control plane: {error}"))
}

/// A namespace of a test's own, and a client. It is left to the end of the cluster.
pub struct Namespace {
    pub name: String,
    pub client: Client,
}

/// A fresh namespace on the [`cluster`].
pub async fn namespace() -> Namespace {
    let client = cluster().await.client().await;
    Namespace { name: fresh_namespace(&client).await, client }
}

/// The name of a fresh namespace on the cluster of `client`.
pub async fn fresh_namespace(client: &Client) -> String {
    let wanted = serde_json::from_value(json!({
        "metadata": { "generateName": "test-", "labels": { "app.kubernetes.io/part-of": "dialplane-test" } }
    }))
    .unwrap();
    let namespaces: Api<KubeNamespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &wanted).await.unwrap().name_any()
}

/// Asks until there is an answer. For what no watch can tell: a log line, a file, the end of a process.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "not within {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Held by a test for as long as it needs a core to itself, or measures: one such runs at a time, so that those beside it, which mostly
/// wait, come to their turn.
pub static HEAVY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Every carrier and platform by the name of its adapter: those whose facts are written down.
pub fn carriers() -> Vec<String> {
    let facts = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/carriers")).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    facts.map(|entry| name(entry.unwrap().path())).collect()
}

/// Every file of Rust in a folder of the repository, and in those within it.
pub fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files
}
