//! A voice agent's own server, as small as it can be: it believes only the carriers, and greets with what was published.
//! It does I/O: one socket on 127.0.0.1, and reads of AgentVersions.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use kube::{Api, Client};

use crate::{
    api::AgentVersion,
    sandbox::carrier::{Credentials, Sandbox, verify_signature, verify_telnyx_signature},
};

/// The host that the webhooks of `examples/20-agent.yaml` name.
pub const HOST: &str = "engine.example.com";

struct Engine {
    versions: Api<AgentVersion>,
    /// The Twilio account's Auth Token, which its webhooks are signed with.
    token: String,
    /// The public key of the Telnyx account's webhooks.
    telnyx: String,
}

/// Serves from now on, until the runtime ends, and tells the carrier where. Answers the server's own address.
pub async fn start(client: &Client, namespace: &str, sandbox: &Sandbox, telnyx: &Credentials) -> Result<String> {
    let listener =
        tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.context("no free port for the agent's server")?;
    let url = format!("http://{}", listener.local_addr()?);
    let engine = Engine {
        versions: Api::namespaced(client.clone(), namespace),
        token: sandbox.credentials().auth_token,
        telnyx: sandbox.webhook_key(&telnyx.account_sid)?,
    };
    let app = Router::new().route("/{agent}/{version}/{channel}", post(answer)).with_state(Arc::new(engine));
    tokio::spawn(async move { axum::serve(listener, app).await });
    sandbox.map_host(HOST, &url);
    Ok(url)
}

/// One webhook. What is signed is the public URL, which a server behind a proxy has to know.
async fn answer(
    State(engine): State<Arc<Engine>>,
    Path((agent, version, channel)): Path<(String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let (url, by_telnyx) = (format!("https://{HOST}{uri}"), header("telnyx-signature-ed25519"));
    let is_signed = verify_signature(&engine.token, &url, &form, header("x-twilio-signature"))
        || verify_telnyx_signature(&engine.telnyx, header("telnyx-timestamp"), &body, by_telnyx);
    if !is_signed {
        return (StatusCode::FORBIDDEN, "the signature is not the carrier's").into_response();
    }
    if channel != "voice" {
        return twiml("<Response/>");
    }
    let name = AgentVersion::name_of(&agent, &version);
    match engine.versions.get(&name).await {
        Ok(published) => match greeting(&published) {
            Some(greeting) => twiml(&format!("<Response><Say>{}</Say></Response>", escaped(&greeting))),
            None => (StatusCode::NOT_FOUND, format!("{name} has no greeting in its config")).into_response(),
        },
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{name} cannot be read: {error}")).into_response(),
    }
}

/// What a version says to callers.
pub fn greeting(published: &AgentVersion) -> Option<String> {
    Some(published.spec.config.entries()?.get("greeting")?.as_str()?.to_owned())
}

fn twiml(body: &str) -> Response {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}");
    ([(CONTENT_TYPE, "text/xml")], text).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What a caller hears of TwiML that this server made.
pub fn said(twiml: &str) -> Option<String> {
    let (_, rest) = twiml.split_once("<Say>")?;
    let (text, _) = rest.split_once("</Say>")?;
    Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}
