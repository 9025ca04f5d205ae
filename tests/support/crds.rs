//! The kinds of Dialplane on the cluster of the run. It does I/O.

use dialplane::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{conditions::is_crd_established, wait::await_condition},
};
use tokio::sync::OnceCell;

use super::{cluster, eventually};

/// Applies every definition, once in a run, and returns when all kinds are served.
pub async fn install() {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED.get_or_init(|| async { apply(&cluster().await.client().await).await }).await;
}

/// Applies every definition to the cluster of `client`, and returns when all kinds are served.
pub async fn apply(client: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply("dialplane-test").force().validation_strict();
    let crds = api::crds();
    for crd in &crds {
        definitions.patch(&crd.name_any(), &params, &Patch::Apply(crd)).await.unwrap();
    }
    for crd in &crds {
        await_condition(definitions.clone(), &crd.name_any(), is_crd_established()).await.unwrap();
        // Established is said a moment before the kind is served.
        let kind: Api<DynamicObject> = Api::all_with(client.clone(), &resource(&crd.spec.names.kind));
        eventually("the kind is served", || async { kind.list(&ListParams::default().limit(1)).await.ok() }).await;
    }
}

/// What the API server calls a kind of ours.
pub fn resource(kind: &str) -> ApiResource {
    let crds = api::crds();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == kind).unwrap_or_else(|| panic!("there is no kind {kind}"));
    let gvk = GroupVersionKind::gvk(&crd.spec.group, &crd.spec.versions[0].name, kind);
    ApiResource::from_gvk_with_plural(&gvk, &crd.spec.names.plural)
}
