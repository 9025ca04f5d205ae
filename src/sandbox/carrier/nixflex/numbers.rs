//! Numbers that were given to the platform: the list, what is set on each, and its end. No I/O.

use serde_json::{Map, Value, json};

use super::{
    super::{
        config::StaleCredentials,
        faults::Fault,
        wire::{ByPlatform, Effect, Reply, Request},
        world::Simulation,
    },
    agents::cut,
    fields::{Fields, Takes, body, differing, read},
    iso, provider,
    refusal::{Refusal, refuse, refused},
    state::Attached,
};

const LONG: Takes = Takes::Text(20_000, "prompt_too_long");

/// The one thing that can be set with an import.
pub(super) const PROMPT: Fields = &[("custom_prompt", Takes::Text(8_000, "custom_prompt_too_long"))];

/// What can be set on a number. Its agent cannot.
const FIELDS: Fields = &[
    PROMPT[0],
    ("voice_id", Takes::Voice),
    ("sms_reply_enabled", Takes::Flag),
    ("voicemail_leave_enabled", Takes::Flag),
    ("voicemail_message", Takes::Text(2_000, "prompt_too_long")),
    ("sms_prompt", LONG),
    ("web_prompt", LONG),
    ("speaking_rate", Takes::Within(0.5, 2.0)),
    ("dtmf_enabled", Takes::Inherited),
    ("record_call", Takes::Inherited),
    ("recording_source", Takes::OneOf(&["provider", "nixflex"])),
];

/// What the older documents show of an import and of a change.
pub(super) const OF_IMPORT: [&str; 5] =
    ["phone_number", "agent_id", "twilio_number_sid", "inbound_enabled", "outbound_enabled"];
const OF_CHANGE: [&str; 3] = ["phone_number", "agent_id", "custom_prompt"];

/// What is set on a number that has just come, beside what its import sets.
pub(super) fn fresh(set: Map<String, Value>) -> Map<String, Value> {
    let unset = |takes: &Takes| if matches!(takes, Takes::Flag) { Value::from(false) } else { Value::Null };
    let mut all: Map<String, Value> = FIELDS.iter().map(|(name, takes)| ((*name).to_owned(), unset(takes))).collect();
    all.extend(set);
    all
}

fn shown(row: &Attached) -> Value {
    let id = |twilio: bool| Some(&row.number_id).filter(|_| (row.credentials.provider() == "twilio") == twilio);
    let mut fields = row.settings.clone();
    let fixed = json!({
        "phone_number": row.number,
        "agent_id": row.agent,
        "provider": row.credentials.provider(),
        "twilio_number_sid": id(true),
        "telnyx_number_id": id(false),
        "inbound_enabled": true,
        "outbound_enabled": true,
        "created_at": iso(row.created),
    });
    if let Value::Object(fixed) = fixed {
        fields.extend(fixed);
    }
    Value::Object(fields)
}

/// A number in the envelope of an answer, whole or as the older documents have it.
pub(super) fn answer(world: &Simulation, number: &str, short: &[&str]) -> Value {
    let mut row = world.nixflex.rows.get(number).map(shown).unwrap_or_default();
    if let (true, Value::Object(fields)) = (world.switches.nixflex.short_answers, &mut row) {
        fields.retain(|name, _| short.contains(&name.as_str()));
    }
    json!({ "phone_number": row })
}

/// The number in a path, in which a plus should be `%2B`.
pub(super) fn decoded(part: &str) -> String {
    part.replace("%2B", "+").replace("%2b", "+")
}

/// The row of the key's that a path names. Another key's is as if it were not there.
pub(super) fn mine<'a>(world: &'a Simulation, key: &str, part: &str) -> Result<&'a Attached, Refusal> {
    let number = decoded(part);
    let readable = !part.contains('+') || world.switches.nixflex.raw_plus;
    match world.nixflex.rows.get(&number).filter(|row| readable && row.key == key) {
        Some(row) => Ok(row),
        None => refuse(404, "number_not_found", format!("{number} is not attached")),
    }
}

/// A key's numbers, the newest first. There are no pages, and no more than so many are shown.
pub(super) fn list(world: &Simulation, key: &str, request: &Request) -> Result<Reply, Refusal> {
    let switches = &world.switches.nixflex;
    let agent = request.query("agent_id").filter(|agent| !agent.is_empty());
    let rows = world.nixflex.rows.seen(&request.views);
    let fits = |row: &&Attached| row.key == key && (agent.is_none() || row.agent.as_deref() == agent);
    let all: Vec<&Attached> = rows.iter().rev().filter(fits).collect();
    let asked = |name: &str| request.query(name).and_then(|text| text.parse::<usize>().ok());
    let (skip, take) = match switches.paged_list {
        true => (asked("offset").unwrap_or(0), asked("limit").unwrap_or(25).clamp(1, 100)),
        false => (0, switches.list_limit),
    };
    let mut page: Vec<Value> = all.iter().skip(skip).take(take).map(|row| shown(row)).collect();
    let count = if switches.count_shown { page.len() } else { all.len() };
    cut(&mut page, &request.views);
    Ok(Reply::ok(json!({ "phone_numbers": page, "count": count })))
}

/// Sets fields on a row; says which became different.
fn set(world: &mut Simulation, number: &str, fields: Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let Some(row) = world.nixflex.rows.get(number) else { return Ok(Vec::new()) };
    let changed = differing(&row.settings, &fields);
    let after = |name: &str| fields.get(name).or_else(|| row.settings.get(name)).unwrap_or(&Value::Null);
    if after("voicemail_leave_enabled") == true && after("voicemail_message").is_null() {
        return refuse(400, "voicemail_message_required", "voicemail_leave_enabled needs voicemail_message");
    }
    world.nixflex.rows.change(number, |row| row.settings.extend(fields));
    Ok(changed)
}

/// Changes what the request names and leaves the rest. What is no field of this is overlooked, the agent among it.
pub(super) fn update(world: &mut Simulation, key: &str, part: &str, request: &Request) -> Result<Reply, Refusal> {
    let body = body(request)?;
    let fields = read(FIELDS, body)?;
    if fields.is_empty() && (body.is_empty() || !world.switches.nixflex.allow_idle_patch) {
        return refuse(400, "missing_field", "Name at least one field to change");
    }
    let number = mine(world, key, part)?.number.clone();
    let changed = set(world, &number, fields)?;
    let shown = answer(world, &number, &OF_CHANGE);
    Ok(Reply::did(200, Some(shown), Effect { number: Some(number), changed, ..Effect::default() }))
}

/// Takes a number from the platform: its webhooks first, then its row. Its carrier goes on having it.
pub(super) fn remove(world: &mut Simulation, key: &str, part: &str, request: &Request) -> Result<Reply, Refusal> {
    let row = mine(world, key, part)?.clone();
    let by_platform = cleared(world, &row)?;
    let number = row.number;
    let effect = Effect { by_platform, number: Some(number.clone()), ..Effect::default() };
    if request.views.contains(&Fault::HalfDone) {
        return Ok(Reply { effect, ..refused(&Refusal::of_status(500, "Something went wrong")) });
    }
    forget(world, &number);
    Ok(Reply::did(200, Some(json!({ "phone_number": { "phone_number": number, "deleted": true } })), effect))
}

fn cleared(world: &mut Simulation, row: &Attached) -> Result<Vec<ByPlatform>, Refusal> {
    let stale = world.switches.nixflex.stale_credentials;
    match provider::clear(world, row) {
        Err(refusal) if stale == StaleCredentials::ProviderError => Err(refusal),
        done => Ok(done.unwrap_or_default()),
    }
}

fn forget(world: &mut Simulation, number: &str) {
    world.nixflex.rows.remove(number);
    if !world.switches.nixflex.keep_integrations {
        world.nixflex.integrations.retain(|(_, of), _| of != number);
    }
}

/// A key's rows as the console shows them, the oldest first.
pub(in super::super) fn all(world: &Simulation, key: &str) -> Vec<Value> {
    world.nixflex.rows.iter().filter(|row| row.key == key).map(shown).collect()
}

/// A person changes a row in the console.
pub(in super::super) fn edit(world: &mut Simulation, number: &str, fields: &Map<String, Value>) -> Result<(), Refusal> {
    if world.nixflex.rows.get(number).is_none() {
        return refuse(404, "number_not_found", format!("{number} is not attached"));
    }
    set(world, number, read(FIELDS, fields)?).map(drop)
}

/// A person takes a number from the platform in the console, or its row is lost and its webhooks stay.
pub(in super::super) fn detach(world: &mut Simulation, number: &str, webhooks: bool) -> Result<(), Refusal> {
    let Some(row) = world.nixflex.rows.get(number).cloned() else {
        return refuse(404, "number_not_found", format!("{number} is not attached"));
    };
    if webhooks {
        cleared(world, &row)?;
    }
    forget(world, number);
    Ok(())
}

/// One row, whosever it is.
pub(in super::super) fn row(world: &Simulation, number: &str) -> Option<Value> {
    world.nixflex.rows.get(number).map(shown)
}
