//! What can be done to a running carrier from outside, as JSON under `/admin`. Does I/O.
//!
//! There is no authentication: it is for one machine. Accounts of all carriers are named by their sids; a Telnyx account,
//! which has no name of its own, by the UUID that stands in `accountSid`; a Nixflex key by its id. In what follows an account that is not given is the first one.
//!
//! [`ENDPOINTS`] says what there is, and the router is made of it; `docs/sandbox.md` is written from it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    call::{Placed, place},
    config::{AccountSeed, Dialect, NumberSeed, OrderEnd, Switches},
    faults::Rule,
    handle::{Credentials, SandboxError, ServiceSeed},
    ledger::{Ledger, Summary},
    telnyx,
    traffic::Traffic,
};

type Handle = State<Arc<Shared>>;
type Settings = BTreeMap<String, String>;

impl IntoResponse for SandboxError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": self.0 }))).into_response()
    }
}

/// What the documentation says before the table, in Markdown.
pub const ABOUT: &str = "\
`dialplane sandbox` serves the simulated carriers on this machine, over HTTP and from one memory: Twilio's hosts and Telnyx's (`/v2/…`) at its
address, Flowyte's below `/flowyte` and Nixflex's below `/nixflex`. It prints the credentials of an account of each. They depend only on
`--seed`, unless a flag sets them. Its flags are in [commands.md](commands.md). Start an operator that
uses it with `--allow-endpoint` and its address. In a cluster it comes with the chart, with an account, an agent and two numbers:
`helm install … --set sandbox.enabled=true`.

Below `/admin`, as JSON, you simulate people, other buyers and faults at a carrier. **There is no authentication**: its only protection is
the address that it listens on, by default only this machine.

An account is named by its `sid`: Twilio's Account SID, the id of a Nixflex key, and a UUID for Telnyx and Flowyte, as `GET /admin/accounts`
shows it. An invalid request returns 400 and an `error`.
";

/// One thing that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// In small letters.
    pub method: &'static str,
    /// Below `/admin`, with its parameters in braces.
    pub path: &'static str,
    /// What is sent, in Markdown; empty for nothing.
    pub body: &'static str,
    pub does: &'static str,
}

/// The endpoints as a table, and as the router that has just these.
macro_rules! endpoints {
    ($($method:ident $path:literal => $handler:ident, $body:literal, $does:literal;)*) => {
        /// Everything that can be asked, in the order of the documentation.
        pub const ENDPOINTS: &[Endpoint] = &[$(Endpoint {
            method: stringify!($method),
            path: $path,
            body: $body,
            does: $does,
        },)*];

        pub(super) fn router() -> Router<Arc<Shared>> {
            Router::new()$(.route($path, $method($handler)))*.fallback(nothing)
        }
    };
}

endpoints! {
    get "/accounts" => accounts, "", "the accounts with their Auth Tokens or API keys, for pasting into a Secret";
    post "/accounts" => add_account, "`{\"carrier\": \"telnyx\"}`: any of `carrier`, `sid`, `authToken`, `friendlyName`, `parent`, `balanceCents`, `keys`, `importable`", "opens an account, or a Twilio subaccount of `parent`; returns its credentials";
    post "/accounts/{sid}/rotate" => rotate, "", "replaces its Auth Token or API key; returns the new one";
    post "/accounts/{sid}/status/{status}" => status, "", "sets its status: `active`, `suspended` or `closed`";
    post "/accounts/{sid}/applications" => account_application, "`{\"voice_url\": \"…\"}`", "creates an application of any account; TeXML on Telnyx; returns its `sid`";
    post "/accounts/{sid}/messaging_profiles" => messaging_profile, "`{\"webhook_url\": \"…\"}`", "creates a Telnyx messaging profile; returns its `sid`";
    post "/accounts/{sid}/importable/{number}" => importable, "", "adds a number that a Flowyte account can import from its own carrier account";
    get "/shared_routes/{id}" => shared_route, "", "a TeXML application or messaging profile, as Telnyx's API shows it";
    post "/shared_routes/{id}/edit" => edit_shared_route, "`{\"voice_url\": \"…\"}`", "edits it, as a person in the portal; an empty value clears";
    post "/orders/{number}/{end}" => finish_order, "", "ends a pending Telnyx order: `success`, `failure` or `cancelled`; `never`: it does not end by itself";
    get "/numbers" => numbers, "", "every owned number, as its carrier's API shows it";
    post "/numbers" => seed, "`{\"number\": \"+14155550100\"}`, also `account` and `settings`", "gives an account this number, as owned before; returns its `sid`";
    delete "/numbers/{number}" => lose, "", "removes the number from its account; the ledger counts no release";
    post "/numbers/{number}/edit" => edit, "`{\"voice_url\": \"…\"}`", "edits it, as a person in the console: fields as in responses, and `voice_region` (Twilio), `forwards_to` and `forwarding_type` (Telnyx); an empty value clears";
    post "/stock/{number}" => offer, "", "offers a number for sale";
    delete "/stock/{number}" => take, "", "removes it, as if somebody else bought it";
    post "/applications" => application, "`{\"voice_url\": \"…\"}`", "creates an application of the first account; returns its `sid`";
    post "/services" => service, "`{\"numbers\": [\"+14155550100\"], \"settings\": {\"inbound_request_url\": \"…\"}}`, also `account` and `useInboundWebhookOnNumber`", "creates a Twilio Messaging Service with members; returns its `sid`";
    get "/faults" => faults, "", "the rules in force";
    post "/faults" => inject, "`{\"match\": {\"kind\": \"purchase\"}, \"fault\": \"answerLost\"}`", "adds a rule: a request that matches gets the fault";
    delete "/faults" => clear_faults, "", "removes all rules";
    get "/switches" => switches, "", "how it behaves where the carriers' behavior is unknown";
    post "/switches" => set_switches, "as `GET` returns it; a missing switch gets its default", "replaces them all";
    post "/hosts" => hosts, "`{\"engine.example.com\": \"http://127.0.0.1:8080\"}`", "sends webhooks for a public host to this address";
    post "/call" => call, "`{\"from\": \"…\", \"to\": \"…\"}`; `from` is optional", "places a call; returns the result";
    post "/text" => text, "`{\"from\": \"…\", \"to\": \"…\", \"body\": \"…\"}`", "sends a text message; returns the result";
    get "/ledger" => ledger, "", "every request";
    delete "/ledger" => forget, "", "clears the ledger";
    get "/ledger/summary" => summary, "", "its totals";
    post "/reset" => reset, "", "resets accounts, agents, numbers, switches, hosts, rules and ledger to the start";
}

/// Not to be taken for a carrier's answer.
async fn nothing() -> Response {
    let error = "no such endpoint; docs/sandbox.md lists them";
    (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response()
}

async fn accounts(State(shared): Handle) -> Json<Value> {
    let state = shared.state();
    let shown = state.world.accounts.values().map(|a| {
        let mut shown = json!({
            "accountSid": a.sid, "authToken": a.token, "parent": a.owner, "status": a.status, "friendlyName": a.name,
            "carrier": a.dialect,
        });
        if a.dialect == Dialect::Telnyx {
            shown["webhookKey"] = json!(telnyx::public_key(&state.world, &a.sid));
        }
        shown
    });
    Json(shown.collect())
}

async fn add_account(State(shared): Handle, Json(seed): Json<AccountSeed>) -> Result<Json<Credentials>, SandboxError> {
    shared.add_account(seed).map(Json)
}

async fn rotate(State(shared): Handle, Path(sid): Path<String>) -> Result<Json<Credentials>, SandboxError> {
    shared.rotate_token(Some(&sid)).map(Json)
}

async fn status(State(shared): Handle, Path((sid, status)): Path<(String, String)>) -> Result<(), SandboxError> {
    if !matches!(status.as_str(), "active" | "suspended" | "closed") {
        return Err(SandboxError(format!("{status:?} is not active, suspended or closed")));
    }
    shared.set_status(Some(&sid), &status)
}

async fn importable(State(shared): Handle, Path((sid, number)): Path<(String, String)>) -> Result<(), SandboxError> {
    shared.add_importable(&sid, &number)
}

async fn numbers(State(shared): Handle) -> Json<Vec<Value>> {
    Json(shared.numbers())
}

async fn seed(State(shared): Handle, Json(seed): Json<NumberSeed>) -> Result<Json<Value>, SandboxError> {
    shared.seed_number(seed).map(|sid| Json(json!({ "sid": sid })))
}

async fn edit(
    State(shared): Handle,
    Path(number): Path<String>,
    Json(fields): Json<Settings>,
) -> Result<(), SandboxError> {
    shared.edit(&number, fields)
}

async fn lose(State(shared): Handle, Path(number): Path<String>) -> Result<(), SandboxError> {
    shared.lose_number(&number)
}

async fn offer(State(shared): Handle, Path(number): Path<String>) -> Result<(), SandboxError> {
    shared.add_stock(&number)
}

async fn take(State(shared): Handle, Path(number): Path<String>) -> Result<(), SandboxError> {
    match shared.take_stock(&number) {
        true => Ok(()),
        false => Err(SandboxError(format!("{number} is not for sale"))),
    }
}

async fn application(State(shared): Handle, Json(settings): Json<Settings>) -> Result<Json<Value>, SandboxError> {
    shared.add_application(None, settings).map(|sid| Json(json!({ "sid": sid })))
}

async fn account_application(
    State(shared): Handle,
    Path(sid): Path<String>,
    Json(settings): Json<Settings>,
) -> Result<Json<Value>, SandboxError> {
    shared.add_application(Some(&sid), settings).map(|sid| Json(json!({ "sid": sid })))
}

async fn messaging_profile(
    State(shared): Handle,
    Path(sid): Path<String>,
    Json(settings): Json<Settings>,
) -> Result<Json<Value>, SandboxError> {
    shared.add_messaging_profile(&sid, settings).map(|sid| Json(json!({ "sid": sid })))
}

async fn shared_route(State(shared): Handle, Path(id): Path<String>) -> Result<Json<Value>, SandboxError> {
    let shown = telnyx::shown_object(&shared.state().world, &id);
    shown.map(Json).ok_or_else(|| SandboxError(format!("there is no application or messaging profile {id}")))
}

async fn edit_shared_route(
    State(shared): Handle,
    Path(id): Path<String>,
    Json(fields): Json<Settings>,
) -> Result<(), SandboxError> {
    shared.edit_shared_route(&id, fields)
}

async fn finish_order(
    State(shared): Handle,
    Path((number, end)): Path<(String, OrderEnd)>,
) -> Result<(), SandboxError> {
    shared.finish_order(&number, end)
}

async fn service(State(shared): Handle, Json(seed): Json<ServiceSeed>) -> Result<Json<Value>, SandboxError> {
    shared.add_service(seed).map(|sid| Json(json!({ "sid": sid })))
}

async fn faults(State(shared): Handle) -> Json<Vec<Rule>> {
    Json(shared.state().faults.rules.clone())
}

async fn inject(State(shared): Handle, Json(rule): Json<Rule>) {
    shared.state().faults.rules.push(rule);
}

async fn clear_faults(State(shared): Handle) {
    shared.state().faults.rules.clear();
}

async fn switches(State(shared): Handle) -> Json<Switches> {
    Json(shared.state().world.switches.clone())
}

async fn set_switches(State(shared): Handle, Json(switches): Json<Switches>) {
    shared.state().world.switches = switches;
}

async fn hosts(State(shared): Handle, Json(hosts): Json<Settings>) {
    shared.hosts.lock().unwrap_or_else(PoisonError::into_inner).extend(hosts);
}

/// A call or a text message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    #[serde(default = "somebody")]
    from: String,
    to: String,
    #[serde(default)]
    body: String,
}

fn somebody() -> String {
    "+12125550199".to_owned()
}

async fn call(State(shared): Handle, Json(message): Json<Message>) -> Json<Placed> {
    Json(place(&shared, Traffic::Call, &message.from, &message.to, "").await)
}

async fn text(State(shared): Handle, Json(message): Json<Message>) -> Json<Placed> {
    Json(place(&shared, Traffic::Text, &message.from, &message.to, &message.body).await)
}

async fn ledger(State(shared): Handle) -> Json<Ledger> {
    Json(shared.state().ledger.clone())
}

async fn forget(State(shared): Handle) {
    shared.state().ledger.reset();
}

async fn summary(State(shared): Handle) -> Json<Summary> {
    Json(shared.state().ledger.summary())
}

async fn reset(State(shared): Handle) -> Result<(), SandboxError> {
    shared.reset()
}
