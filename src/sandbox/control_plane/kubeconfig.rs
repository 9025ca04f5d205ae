//! Who may talk to a cluster, as kubeconfigs: the administrator's, and a ServiceAccount's for running the operator with
//! exactly the permissions of the chart. It does I/O: the API server, and one file when told to write it.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig, NamedCluster},
};
use serde_json::{Value, json};

use super::{Error, certificates::Pair};

/// How long a ServiceAccount's token is good for: longer than any demo or soak test.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// A client on the caller's tokio runtime. It retries nothing: kube's default repeats any verb up to 15 times.
pub async fn client(kubeconfig: &Kubeconfig) -> Result<Client, Error> {
    // kube needs it; the second and later calls find it installed.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut config = Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default())
        .await
        .map_err(|error| Error::Kubeconfig(error.to_string()))?;
    config.default_retry = false;
    if config.cluster_url.host() == Some("127.0.0.1") {
        // A proxy of the environment cannot reach our loopback.
        config.proxy_url = None;
    }
    Ok(Client::try_from(config)?)
}

/// A kubeconfig for the same cluster that authenticates as a ServiceAccount, with a token from the TokenRequest API. The
/// account must exist; its namespace is the one that the kubeconfig begins in.
pub async fn for_service_account(admin: &Kubeconfig, namespace: &str, name: &str) -> Result<Kubeconfig, Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client(admin).await?, namespace);
    let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let answer = accounts.create_token_request(name, &PostParams::default(), &request).await?;
    let token = answer
        .status
        .ok_or_else(|| Error::Kubeconfig(format!("the API server gave no token to ServiceAccount {namespace}/{name}")))?
        .token;
    let cluster = serde_json::to_value(cluster_of(admin)?).map_err(|error| Error::Kubeconfig(error.to_string()))?;
    assemble(cluster, name, Some(namespace), json!({ "token": token }))
}

/// A kubeconfig that authenticates with a client certificate. Everything is embedded, nothing refers to a file.
pub(super) fn for_certificate(url: &str, authority: &str, user: &str, pair: &Pair) -> Result<Kubeconfig, Error> {
    let cluster = json!({
        "name": "dialplane-sandbox",
        "cluster": { "server": url, "certificate-authority-data": STANDARD.encode(authority) },
    });
    let Pair { certificate, key } = pair;
    let credentials =
        json!({ "client-certificate-data": STANDARD.encode(certificate), "client-key-data": STANDARD.encode(key) });
    assemble(cluster, user, None, credentials)
}

/// Writes it where only its owner can read it.
pub fn write(kubeconfig: &Kubeconfig, path: &Path) -> Result<(), Error> {
    let text = serde_yaml_ng::to_string(kubeconfig).map_err(|error| Error::Kubeconfig(error.to_string()))?;
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).map_err(Error::file(path))?;
    file.write_all(text.as_bytes()).map_err(Error::file(path))
}

/// The cluster of the current context: the only one that the kubeconfig's user is known to be good for.
fn cluster_of(kubeconfig: &Kubeconfig) -> Result<&NamedCluster, Error> {
    let current = kubeconfig.current_context.as_deref();
    let context = kubeconfig.contexts.iter().find(|context| Some(context.name.as_str()) == current);
    let name = context.and_then(|context| context.context.as_ref()).map(|context| &context.cluster);
    kubeconfig
        .clusters
        .iter()
        .find(|cluster| Some(&cluster.name) == name)
        .ok_or_else(|| Error::Kubeconfig("it has no current context with a cluster: set current-context".to_owned()))
}

fn assemble(cluster: Value, user: &str, namespace: Option<&str>, credentials: Value) -> Result<Kubeconfig, Error> {
    let mut context = json!({ "cluster": cluster["name"], "user": user });
    if let Some(namespace) = namespace {
        context["namespace"] = namespace.into();
    }
    serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [cluster],
        "users": [{ "name": user, "user": credentials }],
        "contexts": [{ "name": user, "context": context }],
        "current-context": user,
    }))
    .map_err(|error| Error::Kubeconfig(error.to_string()))
}
