//! Owned numbers: listing, and which agent answers them. They have no names, no tags and no webhooks. No I/O.

use serde_json::{Value, json};

use super::{
    super::{
        stock::{place_of, price},
        wire::{Effect, Reply, Request},
        world::{Hold, Number, Simulation},
    },
    Refusal,
    agents::assignable,
    body, deleted, enveloped, iso, not_found, paging, refuse, search,
    state::AGENT,
};

/// A label that says nothing.
const PROVIDER: &str = "carrier-1";

/// Whether a number has a field of this name that a person could edit.
pub(in super::super) fn is_field(field: &str) -> bool {
    [AGENT, "status", "provider"].contains(&field)
}

/// A number as answers show it.
pub(in super::super) fn shown(world: &Simulation, number: &Number) -> Value {
    let place = place_of(&number.number);
    let agent = number.get(AGENT);
    let status = if agent.is_some() { "assigned" } else { "available" };
    let mut shown = json!({
        "id": number.sid,
        "organizationId": number.account,
        "e164": number.number,
        "provider": number.get("provider").unwrap_or(PROVIDER),
        "status": number.get("status").unwrap_or(status),
        "defaultAgentId": agent,
        "monthlyCost": search::shown_cost(world, price(place.country, place.kind)),
        "createdAt": iso(number.created),
    });
    if let (None, true, Value::Object(fields)) = (agent, world.switches.flowyte.unassigned_absent, &mut shown) {
        fields.remove(AGENT);
    }
    shown
}

/// An organization's numbers, the oldest first.
pub(super) fn list(world: &Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let numbers = world.seen(&request.views);
    let mine = numbers.values().filter(|number| number.account == account);
    paging::page(world, mine.map(|number| shown(world, number)).collect(), request)
}

/// The number with this id, if the organization has it.
fn owned<'a>(world: &'a Simulation, account: &str, id: &str) -> Result<&'a Number, Refusal> {
    world.by_sid(id).filter(|number| number.account == account).map_or_else(not_found, Ok)
}

/// One number, where that can be asked for.
pub(super) fn fetch(world: &Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let number = owned(world, account, id)?;
    let effect = Effect { number: Some(number.number.clone()), ..Effect::default() };
    Ok(Reply { effect, ..Reply::ok(enveloped(shown(world, number))) })
}

/// Has an agent answer a number, whoever did before; also one that has nothing published, without a word about it.
pub(super) fn assign(world: &mut Simulation, account: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    owned(world, account, id)?;
    let body = body::object(request, &["agentId"])?;
    let agent = body::required(&body, "agentId")?;
    assignable(world, account, agent)?;
    let changed = world.change(id, |number| drop(number.settings.insert(AGENT.to_owned(), agent.to_owned())));
    let number = owned(world, account, id)?;
    let effect = Effect { number: Some(number.number.clone()), changed, ..Effect::default() };
    Ok(Reply::did(200, Some(enveloped(shown(world, number))), effect))
}

/// Takes the agent off a number, which stays the organization's and goes on costing.
pub(super) fn unassign(world: &mut Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let number = owned(world, account, id)?;
    let e164 = Some(number.number.clone());
    if let (None, Some(status)) = (number.get(AGENT), world.switches.flowyte.unassign_again_status) {
        return refuse(status, "not_assigned", "The number has no agent.");
    }
    let changed = world.change(id, |number| drop(number.settings.remove(AGENT)));
    Ok(deleted(world, Effect { number: e164, changed, ..Effect::default() }))
}

/// Gives a number back for good. For a while only this organization can buy it again.
pub(super) fn release(world: &mut Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let number = owned(world, account, id)?.clone();
    if number.get(AGENT).is_some() && world.switches.flowyte.release_needs_unassign {
        return refuse(409, "number_assigned", "The number has an agent.");
    }
    let offer = world.stock.offer_for(&number.number);
    world.remove(id);
    if world.flowyte.imported.remove(id) && world.switches.flowyte.release_detaches_imported {
        world.flowyte.importable.insert(number.number.clone(), account.to_owned());
    } else {
        world.stock.add(offer);
        if !world.switches.rebuy_released {
            world.holds.insert(number.number.clone(), Hold { account: account.to_owned(), until: None });
        }
    }
    Ok(deleted(world, Effect { number: Some(number.number), ..Effect::default() }))
}
