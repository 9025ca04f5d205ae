//! Who the operator of the demo is. It does I/O: the API server.

use anyhow::Result;
use kube::config::Kubeconfig;

/// How the operator talks to the cluster: for now as the administrator who runs the demo.
pub async fn operator(admin: &Kubeconfig, _namespace: &str) -> Result<Kubeconfig> {
    Ok(admin.clone())
}
