//! Orders: how a number is bought here. The answer says that the order was taken, not how it ends. No I/O.
//!
//! The money is spent when an order is taken, and the number is off the market from then on. If the order ends otherwise
//! than with success, both come back, and the ledger no longer counts a purchase.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        config::{OrderEnd, OrderFilters},
        ledger::Kind,
        stock::Offer,
        wire::{Effect, Reply, Request},
        world::Simulation,
    },
    Refusal, bad,
    body::{self, Filters},
    data, declined, iso, later, not_found, paging, search,
    state::{Order, Shared},
    uuid,
};

const FIELDS: [&str; 4] = ["connection_id", "messaging_profile_id", "billing_group_id", "customer_reference"];
const FILTERS: [&str; 6] =
    ["status", "created_at[gt]", "created_at[lt]", "phone_numbers_count", "customer_reference", "requirements_met"];
const SUB_FILTERS: [&str; 6] =
    ["status", "order_request_id", "country_code", "phone_number_type", "phone_numbers_count", "include_phone_numbers"];

/// How an order stands: one whose number was given back later is `deleted`.
fn status(world: &Simulation, order: &Order) -> &'static str {
    let gone = order.number_id.as_ref().is_some_and(|id| world.by_sid(id).is_none());
    if order.status == "success" && gone { "deleted" } else { order.status }
}

fn requirements_met(order: &Order) -> bool {
    order.requirements_status == "approved"
}

/// An order as it is shown alone; in a listing its numbers have little more than their names.
fn shown(world: &Simulation, order: &Order, alone: bool) -> Value {
    let text = |field: &str| order.settings.get(field);
    json!({
        "id": order.id,
        "record_type": "number_order",
        "phone_numbers_count": 1,
        "phone_numbers": [if alone { line(world, order) } else { short_line(order) }],
        "sub_number_orders_ids": [order.sub_id],
        "connection_id": text("connection_id"),
        "messaging_profile_id": text("messaging_profile_id"),
        "billing_group_id": text("billing_group_id"),
        "customer_reference": text("customer_reference"),
        "status": status(world, order),
        "requirements_met": requirements_met(order),
        "created_at": iso(order.created),
        "updated_at": iso(order.updated),
    })
}

fn short_line(order: &Order) -> Value {
    json!({ "id": order.line_id, "phone_number": order.number })
}

fn line(world: &Simulation, order: &Order) -> Value {
    json!({
        "id": order.line_id,
        "record_type": "number_order_phone_number",
        "phone_number": order.number,
        "bundle_id": null,
        "country_code": order.offer.place.country,
        "country_iso_alpha2": order.offer.place.country,
        "phone_number_type": search::type_name(order.offer.kind),
        "regulatory_requirements": [],
        "requirements_met": requirements_met(order),
        "requirements_status": order.requirements_status,
        "status": status(world, order),
    })
}

fn sub_shown(world: &Simulation, order: &Order, with_numbers: bool) -> Value {
    let mut sub = json!({
        "id": order.sub_id,
        "record_type": "sub_number_order",
        "order_request_id": order.id,
        "user_id": order.account,
        "country_code": order.offer.place.country,
        "phone_number_type": search::type_name(order.offer.kind),
        "phone_numbers_count": 1,
        "regulatory_requirements": [],
        "requirements_met": requirements_met(order),
        "is_block_sub_number_order": false,
        "customer_reference": order.settings.get("customer_reference"),
        "status": status(world, order),
        "created_at": iso(order.created),
        "updated_at": iso(order.updated),
    });
    if with_numbers {
        let mut line = line(world, order);
        if let Value::Object(fields) = &mut line {
            // By the official client's types this is the order's alone.
            fields.remove("country_iso_alpha2");
        }
        sub["phone_numbers"] = json!([line]);
    }
    sub
}

/// Why a number cannot be ordered. One that is the account's own already is not told from one that is somebody else's.
fn orderable(world: &Simulation, account: &str, number: &str) -> Result<(), Refusal> {
    let ours = |order: &Order| order.account == account && order.number == number && order.status == "pending";
    let taken = world.by_number(number).is_some_and(|n| n.account == account) || world.telnyx.orders.iter().any(ours);
    if !taken {
        let seen = world.telnyx.searches.get(&(account.to_owned(), number.to_owned()));
        let fresh =
            |at: &&Timestamp| world.switches.telnyx.search_ms.is_none_or(|valid| later(**at, valid) > Timestamp::now());
        if seen.filter(fresh).is_none() {
            let detail = "You must search for the number through our API before attempting to purchase.";
            return declined(world, 85000, detail);
        }
    }
    if taken || world.stock.get(number).is_none() || world.withheld(number, account) {
        return declined(world, 85001, format!("{number} is not available."));
    }
    Ok(())
}

/// Takes an order, and the money for it.
pub(super) fn create(world: &mut Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let fields: Vec<&str> = FIELDS.into_iter().chain(["phone_numbers"]).collect();
    let body = body::object(request, &fields)?;
    let wanted = body::numbers(body, &["phone_number", "requirement_group_id", "bundle_id"])?;
    let [(number, item)] = wanted.as_slice() else {
        return bad("/phone_numbers", "The sandbox takes one number in an order.");
    };
    let mut settings = BTreeMap::new();
    for field in FIELDS {
        if let Some(value) = body::text(body, field)?.filter(|value| !value.is_empty()) {
            settings.insert(field.to_owned(), value.to_owned());
        }
    }
    for (shared, code) in [(Shared::TexmlApplication, 85004), (Shared::MessagingProfile, 85005)] {
        if settings.get(shared.field()).is_some_and(|id| !shared.exists(world, account, id)) {
            return declined(world, code, format!("{} is invalid.", shared.field()));
        }
    }
    if let Some(id) = owned(world, account, number) {
        return overwrite(world, account, &id, settings, request);
    }
    orderable(world, account, number)?;
    let Some(offer) = world.stock.get(number).cloned() else { return not_found() };
    let cents = search::cost(&offer);
    if !world.pay(account, cents) {
        return declined(world, 20100, "The balance does not suffice.");
    }
    world.stock.remove(number);
    world.holds.remove(*number);
    let regulated = offer.place.bundle || offer.place.address != "none";
    let papers = !regulated || body::text(item, "requirement_group_id")?.is_some();
    let switches = &world.switches.telnyx;
    let ends = papers && switches.order_end != OrderEnd::Never;
    let due = ends.then(|| later(Timestamp::now(), switches.order_ms));
    let order = Order {
        cents,
        due,
        requirements_status: if papers { "approved" } else { "requirement-info-pending" },
        ..placed(world, account, offer, settings, request)
    };
    let (id, effect) = (order.id.clone(), Effect { number: Some(order.number.clone()), ..Effect::default() });
    world.telnyx.ended.push((order.seq, "pending"));
    if world.switches.telnyx.pending_listed {
        born(world, &order, Some("purchase-pending"));
    }
    world.telnyx.orders.push(order);
    settle(world);
    let reply = fetch(world, account, &id)?;
    Ok(Reply::did(200, reply.body, effect))
}

/// A pending order, of which nothing else is decided.
fn placed(
    world: &mut Simulation,
    account: &str,
    offer: Offer,
    settings: BTreeMap<String, String>,
    request: &Request,
) -> Order {
    let now = Timestamp::now();
    Order {
        id: uuid(&world.hex("order")),
        sub_id: uuid(&world.hex("sub order")),
        line_id: uuid(&world.hex("ordered number")),
        account: account.to_owned(),
        number: offer.number.clone(),
        offer,
        cents: 0,
        status: "pending",
        due: None,
        requirements_status: "approved",
        settings,
        number_id: None,
        seq: request.seq,
        created: now,
        updated: now,
    }
}

/// The id of a number that the account has, if that can be ordered once more.
fn owned(world: &Simulation, account: &str, number: &str) -> Option<String> {
    let pending = world.telnyx.orders.iter().any(|order| order.number == number && order.status == "pending");
    let ours = world.by_number(number).filter(|number| number.account == account);
    ours.filter(|_| world.switches.telnyx.order_owned && !pending).map(|number| number.sid.clone())
}

/// The number is the account's already: an order in name only, that is done at once.
fn overwrite(
    world: &mut Simulation,
    account: &str,
    id: &str,
    settings: BTreeMap<String, String>,
    request: &Request,
) -> Result<Reply, Refusal> {
    let Some(number) = world.by_sid(id).map(|number| number.number.clone()) else { return not_found() };
    let changed = world.change(id, |number| number.settings.extend(settings.clone()));
    let offer = world.stock.offer_for(&number);
    let placed = placed(world, account, offer, settings, request);
    let order = Order { status: OrderEnd::Success.status(), number_id: Some(id.to_owned()), ..placed };
    let order_id = order.id.clone();
    world.telnyx.orders.push(order);
    let reply = fetch(world, account, &order_id)?;
    let effect =
        Effect { kind: Some(Kind::Overwrite), number: Some(number), changed, applied: true, ..Effect::default() };
    Ok(Reply::did(200, reply.body, effect))
}

/// Makes an order's number one of the account's; answers its id.
fn born(world: &mut Simulation, order: &Order, status: Option<&str>) -> String {
    let listed = world.by_number(&order.number).map(|number| number.sid.clone());
    let id = listed.unwrap_or_else(|| world.insert(&order.account, &order.offer));
    world.change(&id, |number| {
        number.settings.extend(order.settings.clone());
        match status {
            Some(status) => number.settings.insert("status".to_owned(), status.to_owned()),
            None => number.settings.remove("status"),
        };
    });
    id
}

/// Ends the orders that are due.
pub(in super::super) fn settle(world: &mut Simulation) {
    if world.telnyx.orders.iter().all(|order| order.due.is_none()) {
        return;
    }
    let (now, ending) = (Timestamp::now(), world.switches.telnyx.order_end);
    for at in 0..world.telnyx.orders.len() {
        if world.telnyx.orders[at].due.is_some_and(|due| due <= now) {
            end(world, at, ending);
        }
    }
}

/// Ends an order that is pending. With [`OrderEnd::Never`] it stays so until somebody decides.
fn end(world: &mut Simulation, at: usize, ending: OrderEnd) {
    let mut order = world.telnyx.orders[at].clone();
    order.due = None;
    match ending {
        OrderEnd::Never => {}
        OrderEnd::Success => {
            order.requirements_status = "approved";
            order.number_id = Some(born(world, &order, None));
        }
        OrderEnd::Failure | OrderEnd::Cancelled => {
            let listed = world.by_number(&order.number).map(|number| number.sid.clone());
            listed.and_then(|id| world.remove(&id));
            if let Some(account) = world.accounts.get_mut(&order.account) {
                account.balance += order.cents;
            }
            if ending == OrderEnd::Cancelled {
                order.requirements_status = "cancelled";
            }
            world.stock.add(order.offer.clone());
        }
    }
    order.status = ending.status();
    order.updated = Timestamp::now();
    world.telnyx.ended.push((order.seq, order.status));
    world.telnyx.orders[at] = order;
}

/// Decides the pending order of a number. Says whether there was one.
pub(in super::super) fn finish(world: &mut Simulation, number: &str, ending: OrderEnd) -> bool {
    let pending = |order: &Order| order.number == number && order.status == "pending";
    match world.telnyx.orders.iter().position(pending) {
        Some(at) => {
            end(world, at, ending);
            true
        }
        None => false,
    }
}

/// Makes every order older.
pub(in super::super) fn age(world: &mut Simulation, by: std::time::Duration) {
    for order in &mut world.telnyx.orders {
        order.created = order.created.checked_sub(by).unwrap_or(Timestamp::MIN);
    }
}

fn find(world: &Simulation, account: &str, id: impl Fn(&Order) -> bool) -> Result<usize, Refusal> {
    let found = world.telnyx.orders.iter().position(|order| order.account == account && id(order));
    found.map_or_else(not_found, Ok)
}

/// One page of an account's orders, the newest first.
pub(super) fn list(world: &Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let how = world.switches.telnyx.order_filters;
    let mut filters = Filters::of(request, &FILTERS, &paging::PARAMETERS)?;
    match how {
        OrderFilters::Kept => {}
        OrderFilters::Ignored => filters = Filters::default(),
        OrderFilters::Refused if filters.is_empty() => {}
        OrderFilters::Refused => return bad("filter", "There is no such filter."),
    }
    let fits = |o: &&Order| {
        o.account == account
            && filters.get("status").is_none_or(|wanted| wanted == status(world, o))
            && filters.get("created_at[gt]").is_none_or(|at| iso(o.created).as_str() > at)
            && filters.get("created_at[lt]").is_none_or(|at| iso(o.created).as_str() < at)
            && filters.get("phone_numbers_count").is_none_or(|count| count == "1")
            && filters.get("requirements_met").is_none_or(|met| met == requirements_met(o).to_string())
            && filters
                .get("customer_reference")
                .is_none_or(|name| o.settings.get("customer_reference").is_some_and(|given| given == name))
    };
    let seen = paging::newest_first(world.telnyx.orders.iter(), |o| o.created, &request.views);
    paging::page(seen.into_iter().filter(fits).map(|o| shown(world, o, false)).collect(), request)
}

/// One order.
pub(super) fn fetch(world: &Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let at = find(world, account, |order| order.id == id)?;
    data(shown(world, &world.telnyx.orders[at], true))
}

/// Names an order otherwise; while it is pending its number will be named so too.
pub(super) fn update(world: &mut Simulation, account: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    let at = find(world, account, |order| order.id == id)?;
    let body = body::object(request, &["customer_reference", "regulatory_requirements"])?;
    if let Some(name) = body::text(body, "customer_reference")? {
        let order = &mut world.telnyx.orders[at];
        order.settings.insert("customer_reference".to_owned(), name.to_owned());
        order.updated = Timestamp::now();
    }
    Ok(did(world, shown(world, &world.telnyx.orders[at], true), at))
}

fn did(world: &Simulation, shown: Value, at: usize) -> Reply {
    let number = world.telnyx.orders[at].number.clone();
    Reply::did(200, Some(json!({ "data": shown })), Effect { number: Some(number), ..Effect::default() })
}

/// The parts of an account's orders, of which every order has one here. The list has no parameters for its pages: the first is all there is.
pub(super) fn list_subs(world: &Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let filters = Filters::of(request, &SUB_FILTERS, &[])?;
    let fits = |o: &&Order| {
        o.account == account
            && filters.get("status").is_none_or(|wanted| wanted == status(world, o))
            && filters.get("order_request_id").is_none_or(|id| id == o.id)
            && filters.get("country_code").is_none_or(|country| country == o.offer.place.country)
            && filters.get("phone_number_type").is_none_or(|kind| kind == search::type_name(o.offer.kind))
            && filters.get("phone_numbers_count").is_none_or(|count| count == "1")
    };
    let with_numbers = filters.flag("include_phone_numbers");
    let seen = paging::newest_first(world.telnyx.orders.iter(), |o| o.created, &request.views);
    paging::page(seen.into_iter().filter(fits).map(|o| sub_shown(world, o, with_numbers)).collect(), request)
}

/// One part of an order.
pub(super) fn fetch_sub(world: &Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let at = find(world, account, |order| order.sub_id == id)?;
    data(sub_shown(world, &world.telnyx.orders[at], true))
}

/// Cancels a part of an order while it is pending.
pub(super) fn cancel(world: &mut Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let at = find(world, account, |order| order.sub_id == id)?;
    if world.telnyx.orders[at].status != "pending" {
        return Err(Refusal::new(422, 10027, "Only a pending order can be cancelled."));
    }
    end(world, at, OrderEnd::Cancelled);
    Ok(did(world, sub_shown(world, &world.telnyx.orders[at], true), at))
}
