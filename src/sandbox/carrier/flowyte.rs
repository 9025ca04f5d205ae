//! Flowyte's dialect: which path means what, who may ask it, and how a refusal looks. No I/O.
//!
//! Facts and their sources are in `docs/carriers/flowyte.md`; where it says that nobody knows, there is a
//! [switch](super::config::FlowyteSwitches). Stricter than the real one is known to be: a parameter or field that the
//! documents do not have is refused (400), so that a slip of the pen does not look like one without effect. Agents are only
//! kept and named: nobody talks to a caller. Left out are skills, simulations, the report before a publication, usage,
//! and everything that pays into a wallet.

mod agents;
mod auth;
mod body;
mod calls;
mod holds;
mod keys;
mod numbers;
mod paging;
mod problem;
mod purchase;
mod search;
mod state;
mod versions;

pub(super) use self::{
    agents::{
        edit as edit_agent, found as found_agent, known as known_draft, remove as remove_agent, set_compiles,
        shown_by_id as shown_agent,
    },
    auth::KEY_PREFIX,
    calls::route,
    holds::lapse,
    numbers::{is_field, shown},
    problem::{Refusal, rate_limited, refused, too_many, unauthorized},
    state::{AGENT, State},
    versions::{publish_draft, publish_version, published, shown_versions},
};

use jiff::Timestamp;
use serde_json::{Value, json};

use self::problem::{PROBLEM, bad, not_found, refuse, refused_at};
use super::{
    ledger::Kind,
    text::uuid,
    wire::{Effect, Reply, Request, decoded},
    world::Simulation,
};

/// Where its API lies.
const BASE: &str = "/flowyte/api/v1/";

/// What a path is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource<'a> {
    Search,
    Available(&'a str),
    Reserve,
    Reservation(&'a str),
    Purchase,
    Import,
    Numbers,
    Number(&'a str),
    Assignment(&'a str),
    Agents,
    Agent(&'a str),
    Publish(&'a str),
    Rollback(&'a str),
    Versions(&'a str),
    Diff(&'a str, &'a str),
    Wallet,
}

fn resource(path: &str) -> Option<Resource<'_>> {
    let parts: Vec<&str> = path.strip_prefix(BASE)?.split('/').collect();
    Some(match parts.as_slice() {
        ["numbers"] => Resource::Numbers,
        ["numbers", "search"] => Resource::Search,
        ["numbers", "reserve"] => Resource::Reserve,
        ["numbers", "purchase"] => Resource::Purchase,
        ["numbers", "import"] => Resource::Import,
        ["numbers", "available", number] => Resource::Available(number),
        ["numbers", "reserve", id] => Resource::Reservation(id),
        ["numbers", id] => Resource::Number(id),
        ["numbers", id, "assign"] => Resource::Assignment(id),
        ["agents"] => Resource::Agents,
        ["agents", id] => Resource::Agent(id),
        ["agents", id, "publish"] => Resource::Publish(id),
        ["agents", id, "rollback"] => Resource::Rollback(id),
        ["agents", id, "versions"] => Resource::Versions(id),
        ["agents", id, "versions", version, "diff"] => Resource::Diff(id, version),
        ["billing", "wallet"] => Resource::Wallet,
        _ => return None,
    })
}

/// What a request is for, before it is known what becomes of it.
pub(super) fn classify(request: &Request) -> Kind {
    let read = request.method == "GET";
    match resource(&request.path) {
        None => Kind::Unknown,
        Some(Resource::Search) => Kind::Search,
        Some(Resource::Numbers) => Kind::List,
        Some(Resource::Number(_)) if read => Kind::Read,
        Some(_) if read => Kind::Look,
        Some(Resource::Number(_)) if request.method == "DELETE" => Kind::Release,
        Some(Resource::Number(_)) => Kind::SettingsWrite,
        Some(Resource::Assignment(_)) => Kind::RouteWrite,
        Some(Resource::Reserve | Resource::Reservation(_)) => Kind::Hold,
        Some(Resource::Purchase) => Kind::Purchase,
        Some(Resource::Import) => Kind::Import,
        Some(Resource::Publish(_)) => Kind::Publish,
        Some(Resource::Rollback(_)) => Kind::Rollback,
        Some(Resource::Agents | Resource::Agent(_)) => Kind::AgentWrite,
        Some(_) => Kind::Look,
    }
}

/// The scope that a request takes.
fn scope(resource: Option<Resource<'_>>, read: bool) -> &'static str {
    use Resource::{Agent, Agents, Diff, Publish, Rollback, Versions, Wallet};
    match (resource, read) {
        (Some(Wallet), _) => "billing:read",
        (Some(Agents | Agent(_) | Publish(_) | Rollback(_) | Versions(_) | Diff(..)), true) => "agents:read",
        (Some(Agents | Agent(_) | Publish(_) | Rollback(_) | Versions(_) | Diff(..)), false) => "agents:write",
        (_, true) => "numbers:read",
        (_, false) => "numbers:write",
    }
}

/// The organization whose key a request bears.
pub(super) fn account_of(world: &Simulation, request: &Request) -> Option<String> {
    auth::caller(world, request).map(|(account, _)| account.sid.clone())
}

/// The number that a request is about, as far as it says so.
pub(super) fn number_of(world: &Simulation, request: &Request) -> Option<String> {
    match resource(&request.path)? {
        Resource::Reserve | Resource::Purchase | Resource::Import => {
            request.json.as_ref()?["e164"].as_str().map(str::to_owned)
        }
        Resource::Available(number) => Some(decoded(number, world.switches.flowyte.raw_plus)),
        Resource::Reservation(id) => {
            world.flowyte.reservations.iter().find(|held| held.id == id).map(|held| held.number.clone())
        }
        Resource::Number(id) | Resource::Assignment(id) => world.by_sid(id).map(|number| number.number.clone()),
        _ => None,
    }
}

/// Does what the request asks, and answers it.
pub(super) fn handle(world: &mut Simulation, request: &Request) -> Reply {
    match dispatch(world, request) {
        Ok(reply) => reply,
        Err(refusal) => refused_at(world, request, &refusal),
    }
}

fn dispatch(world: &mut Simulation, request: &Request) -> Result<Reply, Refusal> {
    let found = resource(&request.path);
    let needed = scope(found, request.method == "GET");
    let account = &auth::authorize(world, request, classify(request), needed)?;
    let Some(found) = found else { return not_found() };
    let keyed = match found {
        Resource::Purchase | Resource::Publish(_) => true,
        _ => world.switches.flowyte.keys_everywhere,
    };
    match request.method.as_str() {
        "POST" if keyed => keys::once(world, account, request, |world| act(world, account, found, request)),
        _ => act(world, account, found, request),
    }
}

fn act(world: &mut Simulation, account: &str, found: Resource<'_>, request: &Request) -> Result<Reply, Refusal> {
    match (found, request.method.as_str()) {
        (Resource::Search, "GET") => search::search(world, account, request),
        (Resource::Available(number), "GET") => search::look(world, account, number),
        (Resource::Reserve, "POST") => holds::reserve(world, account, request),
        (Resource::Reservation(id), "DELETE") => holds::let_go(world, account, id),
        (Resource::Purchase, "POST") => purchase::purchase(world, account, request),
        (Resource::Import, "POST") => purchase::import(world, account, request),
        (Resource::Numbers, "GET") => numbers::list(world, account, request),
        (Resource::Number(id), "GET") if world.switches.flowyte.get_number => numbers::fetch(world, account, id),
        (Resource::Number(_), "GET") => not_found(),
        (Resource::Number(id), "DELETE") => numbers::release(world, account, id),
        (Resource::Assignment(id), "POST") => numbers::assign(world, account, id, request),
        (Resource::Assignment(id), "DELETE") => numbers::unassign(world, account, id),
        (Resource::Agents, "GET") => agents::list(world, account, request),
        (Resource::Agents, "POST") => agents::create(world, account, request),
        (Resource::Agent(id), "GET") => agents::fetch(world, account, id),
        (Resource::Agent(id), "PATCH") => agents::update(world, account, id, request),
        (Resource::Agent(id), "DELETE") => agents::delete(world, account, id),
        (Resource::Publish(id), "POST") => versions::publish(world, account, id, request),
        (Resource::Rollback(id), "POST") => versions::rollback(world, account, id, request),
        (Resource::Versions(id), "GET") => versions::list(world, account, id, request),
        (Resource::Diff(id, version), "GET") => versions::diff(world, account, id, version),
        (Resource::Wallet, "GET") => wallet(world, account),
        _ => refuse(405, "method_not_allowed", "The method is not allowed here."),
    }
}

/// The money left, in dollars; what fills it up again is nobody's business here.
fn wallet(world: &Simulation, account: &str) -> Result<Reply, Refusal> {
    let balance = world.accounts.get(account).map_or(0, |account| account.balance);
    Ok(Reply::ok(enveloped(json!({
        "balanceUsd": dollars(balance),
        "autoReloadEnabled": false,
        "autoReloadThresholdUsd": null,
        "autoReloadAmountUsd": null,
    }))))
}

/// The envelope of an answer.
fn enveloped(data: Value) -> Value {
    json!({ "success": true, "data": data })
}

/// The answer to something that was deleted.
fn deleted(world: &Simulation, effect: Effect) -> Reply {
    match world.switches.flowyte.delete_empty {
        true => Reply::did(204, None, effect),
        false => Reply::did(200, Some(enveloped(Value::Null)), effect),
    }
}

/// Hundredths as a number of dollars.
fn dollars(cents: i64) -> Value {
    json!(cents as f64 / 100.0)
}

/// A time as the carrier writes it.
fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// This long after a time, or as late as there is a time.
fn later(from: Timestamp, ms: u64) -> Timestamp {
    let ms = jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    from.checked_add(ms).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_one_thing() {
        for (path, expected) in [
            ("/flowyte/api/v1/numbers", Some(Resource::Numbers)),
            ("/flowyte/api/v1/numbers/search", Some(Resource::Search)),
            ("/flowyte/api/v1/numbers/reserve/1", Some(Resource::Reservation("1"))),
            ("/flowyte/api/v1/numbers/1", Some(Resource::Number("1"))),
            ("/flowyte/api/v1/numbers/1/assign", Some(Resource::Assignment("1"))),
            ("/flowyte/api/v1/agents/1/versions/2/diff", Some(Resource::Diff("1", "2"))),
            ("/flowyte/api/v2/numbers", None),
            ("/flowyte/api/v1/number", None),
        ] {
            assert_eq!(resource(path), expected, "{path}");
        }
    }
}
