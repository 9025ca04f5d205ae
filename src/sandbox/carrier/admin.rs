//! What can be done to a running carrier from outside, as JSON under `/admin`. Does I/O.
//!
//! There is no authentication: it is for one machine. Accounts of all carriers are named by their sids; a Telnyx account,
//! which has no name of its own, by the UUID that stands in `accountSid`; a Nixflex key by its id. In what follows an account that is not given is the first one.
//!
//! | request | body | does |
//! |---|---|---|
//! | `GET /admin/accounts` | | the accounts with their Auth Tokens or API keys, for pasting into a Secret |
//! | `POST /admin/accounts` | [`AccountSeed`] | opens an account or subaccount; answers its credentials |
//! | `POST /admin/accounts/{sid}/rotate` | | replaces its Auth Token; answers the new one |
//! | `POST /admin/accounts/{sid}/status/{status}` | | `active`, `suspended` or `closed` |
//! | `POST /admin/accounts/{sid}/importable/{number}` | | a Flowyte account has this number at its carrier, to import |
//! | `GET /admin/numbers` | | every owned number, as the carrier's API shows it |
//! | `POST /admin/numbers` | [`NumberSeed`] | an account has had this number all along |
//! | `POST /admin/numbers/{number}/edit` | `{"voice_url": "…"}` | a person edits it in the console; empty clears |
//! | `DELETE /admin/numbers/{number}` | | the number is gone; the ledger counts no release |
//! | `POST /admin/stock/{number}` | | offers a number for sale |
//! | `DELETE /admin/stock/{number}` | | somebody else buys it |
//! | `POST /admin/applications` | `{"voice_url": "…"}` | makes an application of the first account |
//! | `POST /admin/accounts/{sid}/applications` | `{"voice_url": "…"}` | makes one of any account; TeXML on Telnyx |
//! | `POST /admin/accounts/{sid}/messaging_profiles` | `{"webhook_url": "…"}` | makes a Telnyx messaging profile |
//! | `GET /admin/shared_routes/{id}` | | a TeXML application or messaging profile, as Telnyx's API shows it |
//! | `POST /admin/shared_routes/{id}/edit` | `{"voice_url": "…"}` | a person edits it in the portal; empty clears |
//! | `POST /admin/orders/{number}/{end}` | | a pending Telnyx order ends: an [`OrderEnd`] |
//! | `POST /admin/services` | [`ServiceSeed`] | makes a messaging service with members |
//! | `GET`, `POST`, `DELETE /admin/faults` | [`Rule`] | the rules in force, one more, none |
//! | `GET`, `POST /admin/switches` | [`Switches`] | how it behaves where nobody knows; POST replaces them all |
//! | `POST /admin/hosts` | `{"engine.example.com": "http://127.0.0.1:8080"}` | where webhooks for a public host really go |
//! | `POST /admin/call` | `{"from": "…", "to": "…"}` | places a call; answers what became of it |
//! | `POST /admin/text` | `{"from": "…", "to": "…", "body": "…"}` | sends a text message |
//! | `GET`, `DELETE /admin/ledger` | | everything that was asked; forgets it |
//! | `GET /admin/ledger/summary` | | the same in figures |
//! | `POST /admin/reset` | | back to how it was started |

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
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

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/accounts", get(accounts).post(add_account))
        .route("/accounts/{sid}/rotate", post(rotate))
        .route("/accounts/{sid}/status/{status}", post(status))
        .route("/accounts/{sid}/applications", post(account_application))
        .route("/accounts/{sid}/messaging_profiles", post(messaging_profile))
        .route("/accounts/{sid}/importable/{number}", post(importable))
        .route("/shared_routes/{id}", get(shared_route))
        .route("/shared_routes/{id}/edit", post(edit_shared_route))
        .route("/orders/{number}/{end}", post(finish_order))
        .route("/numbers", get(numbers).post(seed))
        .route("/numbers/{number}", axum::routing::delete(lose))
        .route("/numbers/{number}/edit", post(edit))
        .route("/stock/{number}", post(offer).delete(take))
        .route("/applications", post(application))
        .route("/services", post(service))
        .route("/faults", get(faults).post(inject).delete(clear_faults))
        .route("/switches", get(switches).post(set_switches))
        .route("/hosts", post(hosts))
        .route("/call", post(call))
        .route("/text", post(text))
        .route("/ledger", get(ledger).delete(forget))
        .route("/ledger/summary", get(summary))
        .route("/reset", post(reset))
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
