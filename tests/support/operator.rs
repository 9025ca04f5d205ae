//! The operator that all tests of a run share, in this process. It does I/O.
//!
//! It has exactly the permissions of the chart, so that every test of what it does is one of them as well.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use dialplane::{
    carrier::endpoint::Endpoints,
    controller::{Controller, Past, Settings},
    telemetry::{logs, metrics::Metrics},
};
use kube::Client;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::{carriers, chart, cluster, crds};

/// Runs the operator on the shared cluster from now to the end of the process.
pub async fn shared() {
    static RUNNING: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    RUNNING
        .get_or_init(|| async {
            listen();
            crds::install().await;
            let kubeconfig = chart::access(&cluster().await.kubeconfig).await;
            // Each test has a runtime of its own and takes down with it what runs there.
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let client = dialplane::sandbox::control_plane::kubeconfig::client(&kubeconfig).await.unwrap();
                    work(client, CancellationToken::new()).await;
                });
            });
        })
        .await;
}

/// Everything that operators and whatever else runs here have logged since the first was started, line by line.
pub fn log() -> Vec<String> {
    let log = LOG.lock().unwrap();
    String::from_utf8_lossy(&log).lines().map(str::to_owned).collect()
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Keeps what is logged, and more of it than an operator usually tells: nobody knows which level somebody will choose.
fn listen() {
    struct Keep;
    impl io::Write for Keep {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            LOG.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let filter = EnvFilter::new("debug,dialplane=trace");
    let lines = logs::subscriber(logs::Format::Text, filter, false, || Keep);
    tracing::subscriber::set_global_default(lines).unwrap();
}

/// Runs an operator on another cluster, until it is cancelled or the test ends.
pub fn run(client: Client) -> CancellationToken {
    let token = CancellationToken::new();
    tokio::spawn(work(client, token.clone()));
    token
}

/// An installation of a name of its own, whose sandbox applies a request at once or never: nobody waits for the settling time
/// of a real carrier.
fn settings() -> Settings {
    let endpoints = Endpoints::new(carriers::urls()).unwrap();
    Settings {
        installation: "test".to_owned(),
        settling: Some(Duration::from_secs(3)),
        endpoints,
        ..Settings::default()
    }
}

async fn work(client: Client, token: CancellationToken) {
    let controller = Controller::new(client, Arc::new(Metrics::default()), settings()).unwrap();
    tokio::join!(controller.follow(token.clone()), controller.work(Past::default(), token.clone()));
}
