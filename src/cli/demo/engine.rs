//! A voice agent's own server, as small as it can be: it believes only the carrier, and greets with what was published.
//! It does I/O: one socket on 127.0.0.1, and reads of AgentVersions.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::{
    Form, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use kube::{Api, Client};

use crate::{
    api::AgentVersion,
    sandbox::carrier::{Sandbox, verify_signature},
};

/// The host that the webhooks of `examples/20-agent.yaml` name.
pub const HOST: &str = "engine.example.com";

struct Engine {
    versions: Api<AgentVersion>,
    /// The account's Auth Token, which webhooks are signed with.
    token: String,
}

/// Serves from now on, until the runtime ends, and tells the carrier where. Answers the server's own address.
pub async fn start(client: &Client, namespace: &str, sandbox: &Sandbox) -> Result<String> {
    let listener =
        tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.context("no free port for the agent's server")?;
    let url = format!("http://{}", listener.local_addr()?);
    let engine =
        Engine { versions: Api::namespaced(client.clone(), namespace), token: sandbox.credentials().auth_token };
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
    Form(params): Form<Vec<(String, String)>>,
) -> Response {
    let signature = headers.get("x-twilio-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !verify_signature(&engine.token, &format!("https://{HOST}{uri}"), &params, signature) {
        return (StatusCode::FORBIDDEN, "the signature is not the carrier's").into_response();
    }
    if channel != "voice" {
        return twiml("<Response/>");
    }
    let name = AgentVersion::name_of(&agent, &version);
    match engine.versions.get(&name).await {
        Ok(published) => match published.spec.config.get("greeting").and_then(|greeting| greeting.as_str()) {
            Some(greeting) => twiml(&format!("<Response><Say>{}</Say></Response>", escaped(greeting))),
            None => (StatusCode::NOT_FOUND, format!("{name} has no greeting in its config")).into_response(),
        },
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{name} cannot be read: {error}")).into_response(),
    }
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
