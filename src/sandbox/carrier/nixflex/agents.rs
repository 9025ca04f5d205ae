//! Agents that the platform hosts. No I/O.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    super::{
        faults::Fault,
        wire::{Effect, Reply, Request},
        world::Simulation,
    },
    fields::{Fields, Takes, body, differing, read},
    iso,
    refusal::{Refusal, refuse},
    state::Agent,
};

const PROMPT: Takes = Takes::Text(16_000, "prompt_too_long");
const SHORT: Takes = Takes::Text(2_000, "prompt_too_long");

/// What can be set on an agent. Anything else that is sent is overlooked.
const FIELDS: Fields = &[
    ("name", Takes::Text(100, "invalid_request")),
    ("system_prompt", PROMPT),
    ("welcome_message", SHORT),
    ("voice_id", Takes::Voice),
    ("language", Takes::Text(20, "invalid_request")),
    ("is_active", Takes::Flag),
    ("temperature", Takes::Within(0.0, 2.0)),
    ("response_length", Takes::Anything),
    ("ai_speaks_first", Takes::Flag),
    ("interruption_sensitivity", Takes::Anything),
    ("pickup_delay", Takes::Anything),
    ("max_call_duration_seconds", Takes::Between(60, 1800)),
    ("silence_hangup_seconds", Takes::Between(5, 45)),
    ("record_call", Takes::Inherited),
    ("recording_source", Takes::OneOf(&["provider", "nixflex"])),
    ("webhook_url", SHORT),
    ("transfer_enabled", Takes::Flag),
    ("transfer_number", SHORT),
    ("speaking_rate", Takes::Within(0.5, 2.0)),
    ("dtmf_enabled", Takes::Inherited),
    ("voicemail_leave_enabled", Takes::Flag),
    ("voicemail_message", SHORT),
    ("incall_sms_enabled", Takes::Flag),
];

fn defaults() -> Map<String, Value> {
    let mut all: Map<String, Value> = FIELDS.iter().map(|(name, _)| ((*name).to_owned(), Value::Null)).collect();
    for (name, value) in [
        ("voice_id", json!("Ashley")),
        ("language", json!("en")),
        ("is_active", json!(true)),
        ("ai_speaks_first", json!(true)),
        ("max_call_duration_seconds", json!(600)),
        ("voicemail_leave_enabled", json!(false)),
        ("incall_sms_enabled", json!(false)),
    ] {
        all.insert(name.to_owned(), value);
    }
    all
}

fn shown(agent: &Agent) -> Value {
    let mut fields = agent.fields.clone();
    for (name, value) in [
        ("agent_id", agent.id.clone()),
        ("api_key_id", agent.key.clone()),
        ("created_at", iso(agent.created)),
        ("updated_at", iso(agent.updated)),
    ] {
        fields.insert(name.to_owned(), value.into());
    }
    Value::Object(fields)
}

fn place(world: &Simulation, key: &str, id: &str) -> Result<usize, Refusal> {
    match world.nixflex.agents.iter().position(|agent| agent.id == id && agent.key == key) {
        Some(place) => Ok(place),
        None => refuse(404, "agent_not_found", format!("There is no agent {id}")),
    }
}

/// A new one, with these fields and defaults.
pub(in super::super) fn found(world: &mut Simulation, key: &str, fields: Map<String, Value>) -> String {
    let id = format!("agent_{}", &world.hex("hosted agent")[..16]);
    let (key, now) = (key.to_owned(), Timestamp::now());
    let mut all = defaults();
    all.extend(fields);
    world.nixflex.agents.push(Agent { id: id.clone(), key, fields: all, created: now, updated: now });
    id
}

/// Makes one.
pub(super) fn create(world: &mut Simulation, key: &str, request: &Request) -> Result<Reply, Refusal> {
    let fields = read(FIELDS, body(request)?)?;
    let given = |name: &&str| fields.get(*name).is_some_and(|value| !value.is_null());
    if let Some(missing) = ["name", "system_prompt"].iter().find(|name| !given(name))
        && world.switches.nixflex.require_agent_texts
    {
        return refuse(400, "missing_field", format!("{missing} is required"));
    }
    let id = found(world, key, fields);
    let place = place(world, key, &id)?;
    Ok(Reply::did(201, Some(shown(&world.nixflex.agents[place])), Effect::default()))
}

/// The active agents of a key, the newest first.
pub(super) fn list(world: &Simulation, key: &str, request: &Request) -> Result<Reply, Refusal> {
    let wrapped = world.switches.nixflex.wrapped_agents;
    let (usual, most) = if wrapped { (25, 100) } else { (100, 200) };
    let asked = |name: &str| request.query(name).and_then(|text| text.parse::<usize>().ok());
    let active = |agent: &&Agent| agent.key == key && agent.fields["is_active"] == true;
    let all: Vec<&Agent> = world.nixflex.agents.iter().rev().filter(active).collect();
    let page = all.iter().skip(asked("offset").unwrap_or(0)).take(asked("limit").unwrap_or(usual).clamp(1, most));
    let mut rows: Vec<Value> = page.map(|agent| shown(agent)).collect();
    cut(&mut rows, &request.views);
    Ok(Reply::ok(if wrapped { json!({ "agents": rows, "count": all.len() }) } else { rows.into() }))
}

/// A listing that lacks rows as if there were no more.
pub(super) fn cut(rows: &mut Vec<Value>, views: &[Fault]) {
    if views.contains(&Fault::EmptyPage) {
        rows.clear();
    } else if views.contains(&Fault::TornPage) {
        rows.truncate(rows.len() / 2);
    }
}

/// One of them, active or not.
pub(super) fn fetch(world: &Simulation, key: &str, id: &str) -> Result<Reply, Refusal> {
    place(world, key, id).map(|place| Reply::ok(shown(&world.nixflex.agents[place])))
}

/// Changes what the request names and leaves the rest.
pub(super) fn update(world: &mut Simulation, key: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    let place = place(world, key, id)?;
    let fields = read(FIELDS, body(request)?)?;
    let changed = changed(&mut world.nixflex.agents[place], fields);
    let body = shown(&world.nixflex.agents[place]);
    Ok(Reply::did(200, Some(body), Effect { changed, ..Effect::default() }))
}

fn changed(agent: &mut Agent, fields: Map<String, Value>) -> Vec<String> {
    let changed = differing(&agent.fields, &fields);
    agent.fields.extend(fields);
    agent.updated = Timestamp::now();
    changed
}

/// Removes one for good. Its numbers stay, and nobody answers them.
pub(super) fn remove(world: &mut Simulation, key: &str, id: &str) -> Result<Reply, Refusal> {
    place(world, key, id)?;
    removed(world, id);
    Ok(Reply::did(200, Some(json!({ "agent_id": id, "deleted": true })), Effect::default()))
}

/// Removes one, whosever it is. Says whether there was one.
pub(in super::super) fn removed(world: &mut Simulation, id: &str) -> bool {
    let Some(place) = world.nixflex.agents.iter().position(|agent| agent.id == id) else { return false };
    world.nixflex.agents.remove(place);
    if !world.switches.nixflex.orphans_keep_agent {
        let orphans = world.nixflex.rows.iter().filter(|row| row.agent.as_deref() == Some(id));
        for orphan in orphans.map(|row| row.number.clone()).collect::<Vec<_>>() {
            world.nixflex.rows.change(&orphan, |row| row.agent = None);
        }
    }
    true
}

/// The agents of a key, active or not, as the console shows them; the oldest first.
pub(in super::super) fn all(world: &Simulation, key: &str) -> Vec<Value> {
    world.nixflex.agents.iter().filter(|agent| agent.key == key).map(shown).collect()
}

/// A person changes one in the console.
pub(in super::super) fn edit(world: &mut Simulation, id: &str, fields: &Map<String, Value>) -> Result<(), Refusal> {
    let fields = read(FIELDS, fields)?;
    match world.nixflex.agents.iter_mut().find(|agent| agent.id == id) {
        Some(agent) => changed(agent, fields),
        None => return refuse(404, "agent_not_found", format!("There is no agent {id}")),
    };
    Ok(())
}
