//! Agents: each has a draft that can be changed, which no caller meets before it is published. No I/O.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    super::{
        wire::{Effect, Reply, Request},
        world::Simulation,
    },
    Refusal, bad, body, deleted, enveloped, iso, not_found, paging, refuse,
    state::{AGENT, Agent},
    uuid,
};

/// What a draft is made of.
const FIELDS: [&str; 20] = [
    "name",
    "persona",
    "primaryLanguage",
    "languages",
    "enabledChannels",
    "goals",
    "neverDo",
    "tone",
    "lexicon",
    "voiceMap",
    "defaultVoiceId",
    "voiceSettings",
    "llmModel",
    "greeting",
    "handoffConfig",
    "callControl",
    "businessHours",
    "channelOverrides",
    "avgTicketCents",
    "isActive",
];

fn defaults() -> Value {
    json!({
        "persona": "", "primaryLanguage": "en", "languages": ["en"], "enabledChannels": ["voice", "chat"], "goals": [],
        "neverDo": [], "tone": null, "lexicon": {}, "voiceMap": {}, "defaultVoiceId": null, "voiceSettings": {},
        "llmModel": null, "greeting": null, "handoffConfig": null, "callControl": null, "businessHours": null,
        "channelOverrides": {}, "avgTicketCents": null, "isActive": true,
    })
}

/// The agent with this id, if the organization has it.
pub(super) fn find(world: &Simulation, account: &str, id: &str) -> Result<usize, Refusal> {
    let found = world.flowyte.agents.iter().position(|agent| agent.id == id && agent.account == account);
    found.map_or_else(not_found, Ok)
}

/// Refuses an agent that no number of the organization can have.
pub(super) fn assignable(world: &Simulation, account: &str, id: &str) -> Result<(), Refusal> {
    match find(world, account, id) {
        Ok(_) => Ok(()),
        Err(_) => refuse(world.switches.flowyte.unknown_agent_status, "agent_not_found", "There is no such agent."),
    }
}

/// An agent as answers show it, with its draft.
fn shown(agent: &Agent) -> Value {
    let mut fields = agent.draft.clone();
    let fixed = json!({
        "id": agent.id,
        "organizationId": agent.account,
        "version": agent.revision,
        "status": if agent.published.is_some() { "published" } else { "draft" },
        "publishedVersionId": agent.published,
        "createdBy": "console",
        "createdAt": iso(agent.created),
        "updatedAt": iso(agent.updated),
    });
    if let Value::Object(fixed) = fixed {
        fields.extend(fixed);
    }
    Value::Object(fields)
}

/// An agent as the carrier's API shows it, whosever it is.
pub(in super::super) fn shown_by_id(world: &Simulation, id: &str) -> Option<Value> {
    world.flowyte.agents.iter().find(|agent| agent.id == id).map(shown)
}

fn did(status: u16, agent: &Agent, changed: Vec<String>) -> Reply {
    Reply::did(status, Some(enveloped(shown(agent))), Effect { changed, ..Effect::default() })
}

/// Refuses a name that another agent of the organization has.
fn free(world: &Simulation, account: &str, draft: &Map<String, Value>, itself: Option<&str>) -> Result<(), Refusal> {
    let name = match draft.get("name") {
        None => return Ok(()),
        Some(Value::String(name)) if !name.is_empty() => name,
        Some(_) => return bad("name", "name must be a text."),
    };
    let others = world.flowyte.agents.iter().filter(|agent| agent.account == account && itself != Some(&agent.id));
    match others.into_iter().any(|agent| agent.draft["name"] == name.as_str()) {
        true => refuse(409, "duplicate_name", format!("An agent is called {name:?} already.")),
        false => Ok(()),
    }
}

/// An organization's agents, the oldest first.
pub(super) fn list(world: &Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let mine = world.flowyte.agents.iter().filter(|agent| agent.account == account);
    paging::page(world, mine.map(shown).collect(), request)
}

/// One agent.
pub(super) fn fetch(world: &Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let at = find(world, account, id)?;
    Ok(Reply::ok(enveloped(shown(&world.flowyte.agents[at]))))
}

/// A new agent that has never been published; its id.
pub(in super::super) fn found(world: &mut Simulation, account: &str, draft: Map<String, Value>) -> String {
    let id = uuid(&world.hex("agent"));
    let Value::Object(mut all) = defaults() else { return id };
    all.extend(draft);
    let now = Timestamp::now();
    world.flowyte.agents.push(Agent {
        id: id.clone(),
        account: account.to_owned(),
        revision: 1,
        draft: all,
        compiles: true,
        published: None,
        created: now,
        updated: now,
    });
    id
}

/// Makes an agent.
pub(super) fn create(world: &mut Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let draft = body::object(request, &FIELDS)?;
    body::required(&draft, "name")?;
    free(world, account, &draft, None)?;
    let id = found(world, account, draft);
    let at = find(world, account, &id)?;
    Ok(did(world.switches.flowyte.created_status, &world.flowyte.agents[at], Vec::new()))
}

/// Changes a draft. `If-Match` is the version that the client has read, with or without quotes; without it the last one wins.
pub(super) fn update(world: &mut Simulation, account: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    let at = find(world, account, id)?;
    let draft = body::object(request, &FIELDS)?;
    let agent = &world.flowyte.agents[at];
    if let Some(read) = &request.if_match
        && read.trim_start_matches("W/").trim_matches('"') != agent.revision.to_string()
    {
        let refusal = Refusal::new(409, "version_conflict", "The agent was changed since it was read.");
        return Err(refusal.with("currentVersion", agent.revision).with("agent", shown(agent)));
    }
    free(world, account, &draft, Some(id))?;
    let agent = &mut world.flowyte.agents[at];
    let changed = change(agent, draft);
    Ok(did(200, agent, changed))
}

/// Sets fields of a draft, and says which of them became different.
fn change(agent: &mut Agent, draft: Map<String, Value>) -> Vec<String> {
    let changed = draft.iter().filter(|(name, value)| agent.draft.get(*name) != Some(value));
    let changed: Vec<String> = changed.map(|(name, _)| name.clone()).collect();
    agent.draft.extend(draft);
    agent.revision += 1;
    agent.updated = Timestamp::now();
    changed
}

/// Deletes an agent. Its numbers go on naming it, or do not: a matter of a switch.
pub(super) fn delete(world: &mut Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    find(world, account, id)?;
    remove(world, id);
    Ok(deleted(world, Effect::default()))
}

/// Whether a draft has these fields, and no others.
pub(in super::super) fn known(draft: &Map<String, Value>) -> bool {
    draft.keys().all(|name| FIELDS.contains(&name.as_str()))
}

/// A person changes a draft in the dashboard. Says whether there is such an agent, and such fields.
pub(in super::super) fn edit(world: &mut Simulation, id: &str, draft: Map<String, Value>) -> bool {
    let known = known(&draft);
    match world.flowyte.agents.iter_mut().find(|agent| agent.id == id) {
        Some(agent) if known => {
            change(agent, draft);
            true
        }
        _ => false,
    }
}

/// The agent is gone. Says whether there was one.
pub(in super::super) fn remove(world: &mut Simulation, id: &str) -> bool {
    let before = world.flowyte.agents.len();
    world.flowyte.agents.retain(|agent| agent.id != id);
    if world.switches.flowyte.delete_unassigns {
        let users = world.numbers().filter(|number| number.get(AGENT) == Some(id));
        let users: Vec<String> = users.map(|number| number.sid.clone()).collect();
        for user in users {
            world.change(&user, |number| drop(number.settings.remove(AGENT)));
        }
    }
    world.flowyte.agents.len() < before
}

/// Whether a draft can be published from now on. Says whether there is such an agent.
pub(in super::super) fn set_compiles(world: &mut Simulation, id: &str, compiles: bool) -> bool {
    let agent = world.flowyte.agents.iter_mut().find(|agent| agent.id == id);
    agent.map(|agent| agent.compiles = compiles).is_some()
}
