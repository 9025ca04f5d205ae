//! Reservations: numbers that are kept for an account for a while. No I/O.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        wire::{Effect, Reply, Request},
        world::{Hold, Simulation},
    },
    Refusal,
    body::{self, Filters},
    data, declined, iso, later, not_found, paging, search,
    state::{Line, Reservation},
    uuid,
};

const FILTERS: [&str; 5] =
    ["status", "created_at[gt]", "created_at[lt]", "phone_numbers.phone_number", "customer_reference"];

fn shown(reservation: &Reservation) -> Value {
    let Reservation { id, customer_reference, lines, created, updated, .. } = reservation;
    let line = |line: &Line| {
        json!({
            "id": line.id,
            "record_type": "reserved_phone_number",
            "phone_number": line.number,
            "status": "success",
            "created_at": iso(*created),
            "updated_at": iso(*updated),
            "expired_at": iso(line.until),
            "errors": "",
        })
    };
    json!({
        "id": id,
        "record_type": "number_reservation",
        "phone_numbers": lines.iter().map(line).collect::<Vec<_>>(),
        "status": "success",
        "customer_reference": customer_reference,
        "created_at": iso(*created),
        "updated_at": iso(*updated),
        "errors": "",
    })
}

/// Why a number cannot be kept for this account.
fn keepable(world: &Simulation, account: &str, number: &str) -> Result<(), Refusal> {
    // One's own hold counts too; what one gave back and may reclaim is no reservation.
    if world.holder(number).is_some_and(|hold| hold.until.is_some()) {
        return declined(world, 85006, format!("A reservation of {number} exists already."));
    }
    match world.stock.get(number) {
        Some(offer) if !world.withheld(number, account) && search::reservable(offer) => Ok(()),
        _ => declined(world, 85001, format!("{number} is not available.")),
    }
}

/// Keeps numbers: all of them or none.
pub(super) fn create(world: &mut Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let body = body::object(request, &["phone_numbers", "customer_reference"])?;
    let numbers = body::numbers(body, &["phone_number"])?;
    for (number, _) in &numbers {
        keepable(world, account, number)?;
    }
    let held = world.holds.iter().filter(|(number, hold)| {
        hold.account == account && hold.until.is_some() && world.holder(number.as_str()).is_some()
    });
    let held = held.count();
    if world.switches.telnyx.max_holds.is_some_and(|max| held + numbers.len() > max) {
        return declined(world, 85007, "Too many numbers are reserved.");
    }
    let now = Timestamp::now();
    let until = later(now, world.switches.telnyx.hold_ms);
    let mut lines = Vec::new();
    for (number, _) in &numbers {
        let hold = Hold { account: account.to_owned(), until: Some(until) };
        world.holds.insert((*number).to_owned(), hold);
        lines.push(Line { id: uuid(&world.hex("reserved number")), number: (*number).to_owned(), until });
    }
    let reservation = Reservation {
        id: uuid(&world.hex("reservation")),
        account: account.to_owned(),
        customer_reference: body::text(body, "customer_reference")?.map(str::to_owned),
        lines,
        extended: 0,
        created: now,
        updated: now,
    };
    let reply = did(&reservation);
    world.telnyx.reservations.push(reservation);
    Ok(reply)
}

fn did(reservation: &Reservation) -> Reply {
    let number = reservation.lines.first().map(|line| line.number.clone());
    Reply::did(200, Some(json!({ "data": shown(reservation) })), Effect { number, ..Effect::default() })
}

/// One page of an account's reservations, the newest first, lapsed ones among them.
pub(super) fn list(world: &Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let filters = Filters::of(request, &FILTERS, &paging::PARAMETERS)?;
    let fits = |r: &&Reservation| {
        let number = filters.get("phone_numbers.phone_number");
        r.account == account
            && filters.get("status").is_none_or(|status| status == "success")
            && filters.get("created_at[gt]").is_none_or(|at| iso(r.created).as_str() > at)
            && filters.get("created_at[lt]").is_none_or(|at| iso(r.created).as_str() < at)
            && filters.get("customer_reference").is_none_or(|name| r.customer_reference.as_deref() == Some(name))
            && number.is_none_or(|number| r.lines.iter().any(|line| line.number == number))
    };
    let seen = paging::newest_first(world.telnyx.reservations.iter(), |r| r.created, &request.views);
    paging::page(seen.into_iter().filter(fits).map(shown).collect(), request)
}

/// One reservation.
pub(super) fn fetch(world: &Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    match world.telnyx.reservations.iter().find(|r| r.id == id && r.account == account) {
        Some(reservation) => data(shown(reservation)),
        None => not_found(),
    }
}

/// Keeps a reservation's numbers for another while, if all are still kept.
pub(super) fn extend(world: &mut Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let mine = |r: &Reservation| r.id == id && r.account == account;
    let Some(at) = world.telnyx.reservations.iter().position(mine) else { return not_found() };
    let mut reservation = world.telnyx.reservations[at].clone();
    let kept = |line: &Line| {
        world.holder(&line.number).is_some_and(|hold| hold.account == account && hold.until == Some(line.until))
    };
    let switches = &world.switches.telnyx;
    if reservation.extended >= switches.max_extends || !reservation.lines.iter().all(kept) {
        return declined(world, 85008, "The reservation cannot be extended.");
    }
    let hold_ms = switches.hold_ms;
    for line in &mut reservation.lines {
        line.until = later(line.until, hold_ms);
        world.holds.insert(line.number.clone(), Hold { account: account.to_owned(), until: Some(line.until) });
    }
    reservation.extended += 1;
    reservation.updated = Timestamp::now();
    let reply = did(&reservation);
    world.telnyx.reservations[at] = reservation;
    Ok(reply)
}
