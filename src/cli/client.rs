//! The cluster that a command speaks to.

use anyhow::Context as _;
use kube::{Client, Config};

/// A client for the cluster of KUBECONFIG or ~/.kube/config, else for the one that this pod is in; and its namespace.
pub(super) async fn client() -> anyhow::Result<(Client, String)> {
    // Only the first call in a process can install it, and it is the same for all.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut config =
        Config::infer().await.context("no cluster: set KUBECONFIG, or run in a pod that has a ServiceAccount token")?;
    // kube repeats any request up to 15 times by itself; what is to be tried again is decided here.
    config.default_retry = false;
    // kube would take the environment's proxy for its own: that one is for the way to the carriers, and a cluster is reached without.
    let of_environment =
        ["HTTPS_PROXY", "https_proxy"].map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()));
    let of_environment = of_environment.into_iter().flatten().next().and_then(|url| url.parse().ok());
    if config.proxy_url == of_environment {
        config.proxy_url = None;
    }
    let namespace = config.default_namespace.clone();
    Ok((Client::try_from(config).context("the cluster's credentials are not valid")?, namespace))
}
