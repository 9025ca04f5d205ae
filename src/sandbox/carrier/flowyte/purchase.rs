//! How a number becomes the organization's: bought from the wallet, or taken over from its carrier. No I/O.

use serde_json::Value;

use super::{
    super::{
        config::ExpiredHold,
        stock::Offer,
        wire::{Effect, Reply, Request},
        world::Simulation,
    },
    Refusal,
    agents::assignable,
    body, dollars, enveloped, holds,
    numbers::shown,
    refuse, search,
    state::AGENT,
};

/// Why the reservation that a purchase names does not carry it.
fn checked_hold(world: &Simulation, account: &str, number: &str, id: &str) -> Result<(), Refusal> {
    let Some(held) = holds::find(world, account, id) else {
        return refuse(404, "reservation_not_found", "There is no such reservation.");
    };
    if held.number != number {
        return refuse(422, "reservation_mismatch", format!("The reservation is of {}.", held.number));
    }
    if holds::lasts(world, held) {
        return Ok(());
    }
    let lapsed = "The reservation has lapsed.";
    match world.switches.flowyte.expired_hold {
        ExpiredHold::Conflict => refuse(409, "reservation_expired", lapsed),
        ExpiredHold::NotFound => refuse(404, "reservation_not_found", lapsed),
        ExpiredHold::Ignored => Ok(()),
    }
}

/// Buys a number: the wallet pays and the number is the organization's at once.
pub(super) fn purchase(world: &mut Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let body = body::object(request, &["e164", "reservationId"])?;
    let number = body::e164(body::required(&body, "e164")?)?;
    let reservation = body::text(&body, "reservationId")?;
    if let Some(id) = reservation {
        checked_hold(world, account, number, id)?;
    }
    // One's own number is refused in the same words as somebody else's.
    let Some(offer) = search::for_sale(world, account, number).cloned() else {
        let status = world.switches.flowyte.taken_status;
        return refuse(status, "number_unavailable", format!("{number} is not available."));
    };
    let held = world.holder(number).is_some_and(|hold| hold.until.is_some());
    if held && reservation.is_none() && world.switches.flowyte.own_hold_needs_id {
        return refuse(409, "number_held", format!("{number} is held."));
    }
    let (cents, balance) = (search::cost(world, &offer), world.accounts.get(account).map_or(0, |a| a.balance));
    if balance < cents || !world.pay(account, cents) {
        let refusal = Refusal::of_status(402, "The wallet's balance does not suffice. Top up, then try again.");
        return Err(refusal.with("requiredUsd", dollars(cents)).with("balanceUsd", dollars(balance)));
    }
    world.flowyte.reservations.retain(|held| held.number != number);
    Ok(born(world, account, &offer).1)
}

/// Takes over a number that the organization has at its carrier. It costs nothing, and can get its agent at once.
pub(super) fn import(world: &mut Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let body = body::object(request, &["e164", "agentId"])?;
    let number = body::e164(body::required(&body, "e164")?)?;
    let agent = body::text(&body, "agentId")?;
    if let Some(agent) = agent {
        assignable(world, account, agent)?;
    }
    if world.by_number(number).is_some_and(|n| n.account == account) {
        return refuse(409, "already_imported", format!("{number} is the organization's already."));
    }
    if world.flowyte.importable.get(number).is_none_or(|holder| holder != account) {
        let status = world.switches.flowyte.unimportable_status;
        return refuse(status, "not_importable", format!("{number} is not on the organization's carrier account."));
    }
    world.flowyte.importable.remove(number);
    let offer = world.stock.offer_for(number);
    let (id, mut reply) = born(world, account, &offer);
    world.flowyte.imported.insert(id.clone());
    if let Some(agent) = agent.filter(|_| !world.switches.flowyte.import_ignores_agent) {
        reply.effect.changed = world.change(&id, |n| drop(n.settings.insert(AGENT.to_owned(), agent.to_owned())));
        reply.body = world.by_sid(&id).map(|number| enveloped(shown(world, number)));
    }
    if !world.switches.flowyte.import_shown {
        reply.body = Some(enveloped(Value::Null));
    }
    Ok(reply)
}

/// Makes a number the organization's; its id, and the answer that says so.
fn born(world: &mut Simulation, account: &str, offer: &Offer) -> (String, Reply) {
    let id = world.insert(account, offer);
    let effect = Effect { number: Some(offer.number.clone()), ..Effect::default() };
    let body = world.by_sid(&id).map(|number| enveloped(shown(world, number)));
    (id, Reply::did(world.switches.flowyte.created_status, body, effect))
}
