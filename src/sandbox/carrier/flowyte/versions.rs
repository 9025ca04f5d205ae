//! Versions: what drafts were when they were published, and which one callers reach. No I/O.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        wire::{Effect, Reply, Request},
        world::Simulation,
    },
    Refusal,
    agents::find,
    body, enveloped, iso, not_found, paging, refuse,
    state::Version,
    uuid,
};

fn shown(version: &Version) -> Value {
    json!({
        "id": version.id,
        "agentId": version.agent,
        "version": version.number,
        "compiledConfig": version.config,
        "note": version.note,
        "publishedAt": iso(version.at),
        "publishedBy": version.by,
    })
}

fn of<'a>(world: &'a Simulation, agent: &str) -> impl DoubleEndedIterator<Item = &'a Version> {
    world.flowyte.versions.iter().filter(move |version| version.agent == agent)
}

/// The version that callers of an agent reach.
pub(in super::super) fn published<'a>(world: &'a Simulation, agent: &str) -> Option<&'a Version> {
    let agent = world.flowyte.agents.iter().find(|other| other.id == agent)?;
    let published = agent.published.as_ref()?;
    world.flowyte.versions.iter().find(|version| version.id == *published)
}

/// Every version of an agent as the carrier's API shows it, the oldest first; also of one that was deleted.
pub(in super::super) fn shown_versions(world: &Simulation, agent: &str) -> Vec<Value> {
    of(world, agent).map(shown).collect()
}

/// Makes the draft of the agent at this place what callers reach; the version that it became.
fn make(world: &mut Simulation, at: usize, note: Option<&str>, by: &'static str) -> Version {
    let id = uuid(&world.hex("version"));
    let agent = &world.flowyte.agents[at];
    let version = Version {
        number: 1 + of(world, &agent.id).count() as u64,
        id: id.clone(),
        agent: agent.id.clone(),
        config: agent.draft.clone(),
        note: note.map(str::to_owned),
        by,
        at: Timestamp::now(),
    };
    world.flowyte.agents[at].published = Some(id);
    world.flowyte.versions.push(version.clone());
    version
}

/// Publishes a draft. One that does not compile stays a draft.
pub(super) fn publish(world: &mut Simulation, account: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    let at = find(world, account, id)?;
    let body = body::object(request, &["note"])?;
    let note = body::text(&body, "note")?;
    let agent = &world.flowyte.agents[at];
    if !agent.compiles {
        return refuse(422, "draft_does_not_compile", "The draft does not compile.");
    }
    if world.switches.flowyte.publish_unchanged_is_nothing
        && let Some(version) = published(world, id).filter(|version| version.config == agent.draft)
    {
        return Ok(Reply::ok(enveloped(shown(version))));
    }
    let version = make(world, at, note, "api");
    Ok(Reply::did(world.switches.flowyte.created_status, Some(enveloped(shown(&version))), Effect::default()))
}

/// A person publishes a draft in the dashboard; the version's id, if there is such an agent.
pub(in super::super) fn publish_draft(world: &mut Simulation, id: &str, note: Option<&str>) -> Option<String> {
    let at = world.flowyte.agents.iter().position(|agent| agent.id == id)?;
    Some(make(world, at, note, "console").id)
}

/// A person rolls an agent back in the dashboard. Says whether there is such a version of it.
pub(in super::super) fn publish_version(world: &mut Simulation, id: &str, version: &str) -> bool {
    let known = of(world, id).any(|other| other.id == version);
    match world.flowyte.agents.iter_mut().find(|agent| agent.id == id) {
        Some(agent) if known => {
            agent.published = Some(version.to_owned());
            true
        }
        _ => false,
    }
}

/// An agent's versions, the newest first.
pub(super) fn list(world: &Simulation, account: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    find(world, account, id)?;
    paging::page(world, of(world, id).rev().map(shown).collect(), request)
}

/// In what a version differs from the draft as it is now.
pub(super) fn diff(world: &Simulation, account: &str, id: &str, version: &str) -> Result<Reply, Refusal> {
    let draft = &world.flowyte.agents[find(world, account, id)?].draft;
    let Some(version) = of(world, id).find(|other| other.id == version) else { return not_found() };
    let mut names: Vec<&String> = version.config.keys().chain(draft.keys()).collect();
    names.sort();
    names.dedup();
    let change = |name: &String| {
        let (before, after) = (version.config.get(name), draft.get(name));
        let kind = match (before, after) {
            (before, after) if before == after => return None,
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        Some(json!({ "field": name, "before": before, "after": after, "kind": kind }))
    };
    let changes: Vec<Value> = names.into_iter().filter_map(change).collect();
    Ok(Reply::ok(enveloped(json!({ "changes": changes }))))
}

/// Makes an earlier version what callers reach. The draft stays as it is, and is what the next publication ships.
pub(super) fn rollback(world: &mut Simulation, account: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    let at = find(world, account, id)?;
    let body = body::object(request, &["versionId"])?;
    let wanted = body::required(&body, "versionId")?;
    let Some(version) = of(world, id).find(|other| other.id == wanted).cloned() else { return not_found() };
    world.flowyte.agents[at].published = Some(version.id.clone());
    Ok(Reply::did(200, Some(enveloped(shown(&version))), Effect::default()))
}
