//! The Helm chart: rendered, and its ServiceAccount with exactly its permissions on a cluster. It does I/O: helm, the API server.

use std::process::{Command, Output};

use dialplane::sandbox::control_plane::kubeconfig;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    config::Kubeconfig,
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::cli;

pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/dialplane");
/// Where the operator is installed in tests.
pub const NAMESPACE: &str = "dialplane-system";
/// The operator as the API server knows it.
pub const USER: &str = "system:serviceaccount:dialplane-system:dialplane";

/// What `helm template` says to these further arguments.
pub fn template(arguments: &[&str]) -> Output {
    let mut helm = Command::new(cli::helm());
    helm.args(["template", "dialplane", CHART, "--namespace", NAMESPACE]).args(arguments).output().unwrap()
}

/// The objects of the chart with these values (`image.tag=v1`).
pub fn render(values: &[&str]) -> Vec<Value> {
    render_with(&values.iter().flat_map(|value| ["--set", value]).collect::<Vec<_>>())
}

/// The objects of the chart with these further arguments.
pub fn render_with(arguments: &[&str]) -> Vec<Value> {
    let output = template(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let documents = serde_yaml_ng::Deserializer::from_slice(&output.stdout);
    documents.map(|document| Value::deserialize(document).unwrap()).filter(|object| !object.is_null()).collect()
}

/// Gives the cluster the chart's ServiceAccount and roles, and nothing else of it; answers access as that account.
pub async fn access(admin: &Kubeconfig) -> Kubeconfig {
    access_with(admin, &[]).await
}

/// The same of the chart with these values.
pub async fn access_with(admin: &Kubeconfig, values: &[&str]) -> Kubeconfig {
    let client = kubeconfig::client(admin).await.unwrap();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    apply(&client, &namespace).await;
    let kinds = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
    apply_kinds(&client, values, &kinds).await;
    // The authorizer learns of a new binding by a watch of its own. Asked as somebody else, so that nothing is refused to
    // the operator before it runs.
    is_allowed(&client, json!({"resource": "namespaces", "verb": "list"})).await;
    kubeconfig::for_service_account(admin, NAMESPACE, "dialplane").await.unwrap()
}

/// Waits until the authorizer lets the operator do what these attributes of a resource say.
pub async fn is_allowed(client: &Client, attributes: Value) {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let review = serde_json::from_value(json!({"spec": {"user": USER, "resourceAttributes": attributes}})).unwrap();
    super::eventually("the binding is known", || async {
        let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
        answer.status.is_some_and(|status| status.allowed).then_some(())
    })
    .await;
}

/// Gives the cluster the chart's admission policies. They are in force a moment later, and for everybody: only on a cluster of the
/// test's own.
pub async fn guard(client: &Client) {
    apply_kinds(client, &[], &["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]).await;
}

async fn apply_kinds(client: &Client, values: &[&str], kinds: &[&str]) {
    for object in render(values) {
        if kinds.contains(&object["kind"].as_str().unwrap()) {
            apply(client, &object).await;
        }
    }
}

/// Applies an object of the chart as it is.
pub async fn apply(client: &Client, object: &Value) {
    patch(client, object, false).await.unwrap_or_else(|error| panic!("{error}"));
}

/// Asks whether an object of the chart would be taken as it is; the error says what is wrong with it.
pub async fn check(client: &Client, object: &Value) -> Result<(), String> {
    patch(client, object, true).await
}

async fn patch(client: &Client, object: &Value, dry_run: bool) -> Result<(), String> {
    let (api_version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = object["metadata"]["name"].as_str().unwrap();
    let params = PatchParams { dry_run, ..PatchParams::apply("dialplane-test").force().validation_strict() };
    api.patch(name, &params, &Patch::Apply(object)).await.map_err(|error| format!("{kind} {name}: {error}"))?;
    Ok(())
}
