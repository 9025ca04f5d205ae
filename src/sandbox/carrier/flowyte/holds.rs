//! Reservations: numbers that are kept for an organization for a while. There is no list of them. No I/O.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        config::SecondHold,
        wire::{Effect, Reply, Request},
        world::{Hold, Simulation},
    },
    Refusal, body, deleted, enveloped, iso, later, not_found, refuse, search,
    state::Reservation,
    uuid,
};

/// The reservation with this id, if the organization made it; lapsed or not.
pub(super) fn find<'a>(world: &'a Simulation, account: &str, id: &str) -> Option<&'a Reservation> {
    world.flowyte.reservations.iter().find(|held| held.id == id && held.account == account)
}

/// Whether a reservation still keeps its number.
pub(super) fn lasts(world: &Simulation, held: &Reservation) -> bool {
    world.holder(&held.number).is_some_and(|hold| hold.account == held.account && hold.until == Some(held.until))
}

fn shown(world: &Simulation, held: &Reservation) -> Value {
    let mut shown = json!({ "id": held.id, "organizationId": held.account, "e164": held.number });
    if world.switches.flowyte.hold_expiry_shown {
        shown["expiresAt"] = Value::from(iso(held.until));
    }
    shown
}

fn did(world: &Simulation, held: &Reservation) -> Reply {
    let effect = Effect { number: Some(held.number.clone()), ..Effect::default() };
    Reply::did(world.switches.flowyte.created_status, Some(enveloped(shown(world, held))), effect)
}

/// Keeps a number.
pub(super) fn reserve(world: &mut Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let body = body::object(request, &["e164"])?;
    let number = body::e164(body::required(&body, "e164")?)?;
    let until = later(Timestamp::now(), world.switches.flowyte.hold_ms);
    let ours = |held: &Reservation| held.account == account && held.number == number && lasts(world, held);
    if let Some(at) = world.flowyte.reservations.iter().position(ours) {
        let mut held = world.flowyte.reservations[at].clone();
        match world.switches.flowyte.second_hold {
            SecondHold::Refused => return refuse(409, "number_held", format!("{number} is held already.")),
            SecondHold::Same => {}
            SecondHold::Extended => {
                held.until = until;
                keep(world, &held);
                world.flowyte.reservations[at] = held.clone();
            }
        }
        return Ok(did(world, &held));
    }
    match search::for_sale(world, account, number) {
        Some(offer) if search::reservable(offer) => {}
        Some(_) => {
            let status = world.switches.flowyte.unreservable_status;
            return refuse(status, "not_reservable", format!("{number} cannot be held."));
        }
        None => return refuse(409, "number_unavailable", format!("{number} can no longer be held.")),
    }
    let id = uuid(&world.hex("reservation"));
    let held = Reservation { id, account: account.to_owned(), number: number.to_owned(), until };
    keep(world, &held);
    let reply = did(world, &held);
    world.flowyte.reservations.push(held);
    Ok(reply)
}

fn keep(world: &mut Simulation, held: &Reservation) {
    world.holds.insert(held.number.clone(), Hold { account: held.account.clone(), until: Some(held.until) });
}

/// Gives a reservation up. One that has lapsed is not there any more.
pub(super) fn let_go(world: &mut Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let Some(held) = find(world, account, id).filter(|held| lasts(world, held)).cloned() else { return not_found() };
    world.holds.remove(&held.number);
    world.flowyte.reservations.retain(|other| other.id != held.id);
    Ok(deleted(world, Effect { number: Some(held.number), ..Effect::default() }))
}

/// Every reservation lapses now.
pub(in super::super) fn lapse(world: &mut Simulation) {
    let now = Timestamp::now();
    for held in world.flowyte.reservations.clone() {
        if lasts(world, &held) {
            world.holds.insert(held.number.clone(), Hold { account: held.account, until: Some(now) });
        }
    }
}
