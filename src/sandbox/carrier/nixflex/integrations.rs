//! What is set on a number elsewhere than in its row, so that a list does not show it: monitoring, web calls, the webhooks of
//! finished calls, and who is asked before one. Nothing comes of any of it. No I/O.

use serde_json::{Value, json};

use super::{
    super::{
        wire::{Effect, Reply, Request},
        world::Simulation,
    },
    fields::body,
    numbers::mine,
    refusal::{Refusal, no_such_path, refuse},
};

/// Their names in paths.
pub(super) const NAMES: [&str; 5] = ["monitor", "web-calls", "webhook", "webhook2", "precall"];

fn place(name: &str, of: &str) -> (String, String) {
    (name.to_owned(), of.to_owned())
}

fn shown(name: &str, number: &str, value: Option<&Value>) -> Value {
    let on = value.is_some_and(|value| *value == true);
    match name {
        "monitor" => json!({ "ok": true, "phone_number": number, "monitor_enabled": on }),
        "web-calls" => json!({ "ok": true, "phone_number": number, "web_calls_enabled": on }),
        "precall" => json!({ "ok": true, "phone_number": number, "precall_url": value }),
        _ => json!({ "phone_number": number, "webhook_url": value, "is_set": value.is_some() }),
    }
}

/// A public URL, which must be an HTTPS one.
fn url(request: &Request) -> Result<Value, Refusal> {
    match body(request)?.get("url") {
        None => refuse(400, "missing_field", "url is required"),
        Some(url) if url.as_str().is_some_and(|url| url.starts_with("https://")) => Ok(url.clone()),
        Some(_) => refuse(400, "invalid_request", "url must begin with https://"),
    }
}

fn flag(request: &Request) -> Result<Value, Refusal> {
    match body(request)?.get("enabled") {
        Some(Value::Bool(on)) => Ok((*on).into()),
        Some(_) => refuse(400, "invalid_request", "enabled must be true or false"),
        None => refuse(400, "missing_field", "enabled is required"),
    }
}

/// Reads, sets or takes away one of them.
pub(super) fn handle(
    world: &mut Simulation,
    key: &str,
    name: &str,
    part: &str,
    request: &Request,
) -> Result<Reply, Refusal> {
    let number = mine(world, key, part)?.number.clone();
    let is_flag = matches!(name, "monitor" | "web-calls");
    let place = place(name, &number);
    let before = world.nixflex.integrations.get(&place).cloned();
    match request.method.as_str() {
        "GET" if name != "precall" => {
            return Ok(Reply::ok(shown(name, &number, world.nixflex.integrations.get(&place))));
        }
        "PUT" => {
            let value = if is_flag { flag(request)? } else { url(request)? };
            world.nixflex.integrations.insert(place.clone(), value);
        }
        "DELETE" if name.starts_with("webhook") => drop(world.nixflex.integrations.remove(&place)),
        _ => return no_such_path(request),
    }
    let after = world.nixflex.integrations.get(&place);
    let (before, answer) = (shown(name, &number, before.as_ref()), shown(name, &number, after));
    let changed = if before == answer { Vec::new() } else { vec![name.to_owned()] };
    Ok(Reply::did(200, Some(answer), Effect { number: Some(number), changed, ..Effect::default() }))
}

/// Whether monitoring or web calls, by the name in the path, are on for a number, whosever it is.
pub(in super::super) fn is_on(world: &Simulation, number: &str, name: &str) -> bool {
    world.nixflex.integrations.get(&place(name, number)).is_some_and(|value| *value == true)
}

/// A person switches one of them in the console.
pub(in super::super) fn switch(world: &mut Simulation, number: &str, name: &str, on: bool) -> Result<(), Refusal> {
    if world.nixflex.rows.get(number).is_none() {
        return refuse(404, "number_not_found", format!("{number} is not attached"));
    }
    world.nixflex.integrations.insert(place(name, number), on.into());
    Ok(())
}

/// Sets who is asked before the calls of an agent.
pub(super) fn agent_precall(
    world: &mut Simulation,
    key: &str,
    agent: &str,
    request: &Request,
) -> Result<Reply, Refusal> {
    if !world.nixflex.agents.iter().any(|known| known.id == agent && known.key == key) {
        return refuse(404, "agent_not_found", format!("There is no agent {agent}"));
    }
    let url = url(request)?;
    world.nixflex.integrations.insert(place("precall", agent), url.clone());
    Ok(Reply::did(200, Some(json!({ "ok": true, "agent_id": agent, "precall_url": url })), Effect::default()))
}
