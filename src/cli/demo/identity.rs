//! Who the operator of the demo is: a ServiceAccount with the rules of the chart, and nothing else. It does I/O: the API
//! server.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{
    core::v1::{Namespace, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    config::Kubeconfig,
};
use serde_json::{Value, json};

use super::wait;
use crate::sandbox::control_plane::kubeconfig;

/// Marks what the demo adds to a cluster that is not its own, so that an interrupted one can be told from an installation.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
pub const DEMO: &str = "dialplane-demo";

/// The rules that the chart grants, which its template takes from this very file.
const RULES: &str = include_str!("../../../charts/dialplane/files/operator-rules.yaml");
/// The chart's name of the ClusterRole and its binding.
const ROLE: &str = "dialplane-operator";
/// The chart's name of the ServiceAccount.
pub const ACCOUNT: &str = "dialplane";

/// Makes the operator's ServiceAccount in `namespace`, grants it what the chart does, and answers how it talks to the cluster.
pub async fn operator(client: &Client, admin: &Kubeconfig, namespace: &str) -> Result<Kubeconfig> {
    let rules: Value = serde_yaml_ng::from_str(RULES).context("the chart's rules are not YAML")?;
    let metadata = |name: &str| json!({"name": name, "labels": {MANAGED_BY: DEMO}});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(ACCOUNT)});
    let rbac = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": metadata(ROLE), "rules": rules,
    });
    let binding = json!({
        "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": metadata(ROLE),
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
    });
    let params = PatchParams::apply(DEMO).force().validation_strict();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    accounts.patch(ACCOUNT, &params, &Patch::Apply(account)).await?;
    Api::<ClusterRole>::all(client.clone()).patch(ROLE, &params, &Patch::Apply(role)).await?;
    Api::<ClusterRoleBinding>::all(client.clone()).patch(ROLE, &params, &Patch::Apply(binding)).await?;

    let access = kubeconfig::for_service_account(admin, namespace, ACCOUNT).await?;
    // The authorizer learns of a new binding by a watch of its own.
    let namespaces: Api<Namespace> = Api::all(kubeconfig::client(&access).await?);
    let allowed = || async { Ok(namespaces.list(&ListParams::default().limit(1)).await.is_ok()) };
    ensure!(
        wait::patiently(allowed).await?,
        "ServiceAccount {namespace}/{ACCOUNT} may not do what ClusterRole {ROLE} says"
    );
    Ok(access)
}

/// Takes the grant away again. The ServiceAccount goes with its namespace.
pub async fn remove(client: &Client) -> Result<()> {
    let params = DeleteParams::default();
    Api::<ClusterRoleBinding>::all(client.clone()).delete(ROLE, &params).await?;
    Api::<ClusterRole>::all(client.clone()).delete(ROLE, &params).await?;
    Ok(())
}
