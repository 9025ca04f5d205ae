//! The operator that all tests of a run share, in this process. It does I/O.
//!
//! It has exactly the permissions of the chart, so that every test of what it does is one of them as well.

use std::sync::Arc;

use dialplane::{controller::Controller, telemetry::metrics::Metrics};
use kube::Client;
use tokio_util::sync::CancellationToken;

use super::{chart, cluster, crds};

/// Runs the operator on the shared cluster from now to the end of the process.
pub async fn shared() {
    static RUNNING: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    RUNNING
        .get_or_init(|| async {
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

/// Runs an operator on another cluster, for as long as the test runs.
pub fn run(client: Client) {
    tokio::spawn(work(client, CancellationToken::new()));
}

async fn work(client: Client, token: CancellationToken) {
    let controller = Controller::new(client, Arc::new(Metrics::default())).unwrap();
    tokio::join!(controller.follow(token.clone()), controller.work(false, token.clone()));
}
