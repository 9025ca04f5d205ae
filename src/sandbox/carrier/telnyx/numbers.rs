//! Owned numbers: listing, reading, changing and giving back. What answers a number is set elsewhere, on the application
//! and the messaging profile that it names. No I/O.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub(super) use super::super::world::Number;
use super::{
    super::{
        config::{ConnectionClearing, UnsetAnswer},
        faults::Fault,
        stock::place_of,
        wire::{Effect, Reply, Request},
        world::{Hold, Simulation},
    },
    Refusal, bad,
    body::{self, Filters},
    data, declined, iso, not_found, paging,
    state::Shared,
};

/// What can be set on a number, here or by a person in the portal.
const FIELDS: [&str; 14] = [
    "connection_id",
    "messaging_profile_id",
    "messaging_product",
    "customer_reference",
    "tags",
    "billing_group_id",
    "address_id",
    "emergency_address_id",
    "external_pin",
    "deletion_lock_enabled",
    "status",
    "call_forwarding_enabled",
    "forwards_to",
    "forwarding_type",
];

/// What a request can set; `hd_voice_enabled` is a flag of its own.
const SETTABLE: [&str; 7] = [
    "connection_id",
    "tags",
    "customer_reference",
    "billing_group_id",
    "address_id",
    "external_pin",
    "hd_voice_enabled",
];

/// What the answer to giving a number back lacks of a row, by the official client's types.
const NOT_IN_FAREWELL: [&str; 5] =
    ["country_iso_alpha2", "emergency_status", "inbound_call_screening", "messaging_campaign_id", "source_type"];

const FILTERS: [&str; 16] = [
    "phone_number",
    "status",
    "tag",
    "without_tags",
    "country_iso_alpha2",
    "connection_id",
    "customer_reference",
    "number_type[eq]",
    "source",
    "billing_group_id",
    "emergency_address_id",
    "voice.connection_name[eq]",
    "voice.connection_name[contains]",
    "voice.connection_name[starts_with]",
    "voice.connection_name[ends_with]",
    "voice.usage_payment_method",
];

/// Whether a number has a field of this name that a person could edit.
pub(in super::super) fn is_field(field: &str) -> bool {
    field == "hd_voice_enabled" || FIELDS.contains(&field)
}

/// Whether calls may be forwarded, which they may by default.
pub(super) fn may_forward(number: &Number) -> bool {
    number.get("call_forwarding_enabled") != Some("false")
}

/// A number's tags; they are kept as the JSON of their list, and a text that is none is one tag.
fn tags(number: &Number) -> Vec<String> {
    let Some(kept) = number.get("tags") else { return Vec::new() };
    serde_json::from_str(kept).unwrap_or_else(|_| vec![kept.to_owned()])
}

/// A type as the newer answers name it, or as the older ones do.
fn type_of(number: &Number, legacy: bool) -> &str {
    match number.kind.as_str() {
        "tollfree" if !legacy => "toll_free",
        "local" if legacy => "longcode",
        kind => kind,
    }
}

/// What the messaging service says when it is asked for a number's profile.
enum Profiles<'a> {
    Truth,
    Past(&'a BTreeMap<u64, Number>),
    Unavailable,
}

/// A number as answers show it, in truth.
pub(in super::super) fn shown(world: &Simulation, number: &Number) -> Value {
    row(world, number, &Profiles::Truth)
}

fn row(world: &Simulation, number: &Number, profiles: &Profiles<'_>) -> Value {
    let unset = if world.switches.unset == UnsetAnswer::Empty { Value::from("") } else { Value::Null };
    let text = |field: &str| number.get(field).map_or_else(|| unset.clone(), Value::from);
    let name = |shared: Shared, id: Option<&str>| id.and_then(|id| shared.name(world, id));
    let flag = |field: &str| number.get(field) == Some("true");
    let (profile, profile_name) = match profiles {
        Profiles::Unavailable => ("UNAVAILABLE".into(), "UNAVAILABLE".into()),
        Profiles::Truth => profile(number, &name, &unset),
        Profiles::Past(past) => {
            past.get(&number.order).map_or_else(|| (unset.clone(), Value::Null), |then| profile(then, &name, &unset))
        }
    };
    json!({
        "id": number.sid,
        "record_type": "phone_number",
        "phone_number": number.number,
        "country_iso_alpha2": place_of(&number.number).country,
        "phone_number_type": type_of(number, world.switches.telnyx.legacy_types),
        "status": number.get("status").unwrap_or("active"),
        "tags": tags(number),
        "customer_reference": text("customer_reference"),
        "connection_id": text("connection_id"),
        "connection_name": name(Shared::TexmlApplication, number.get("connection_id")),
        "messaging_profile_id": profile,
        "messaging_profile_name": profile_name,
        "messaging_campaign_id": null,
        "billing_group_id": text("billing_group_id"),
        "external_pin": text("external_pin"),
        "deletion_lock_enabled": flag("deletion_lock_enabled"),
        "hd_voice_enabled": flag("hd_voice_enabled"),
        "emergency_enabled": false,
        "emergency_address_id": text("emergency_address_id"),
        "emergency_status": "disabled",
        "call_forwarding_enabled": may_forward(number),
        "call_recording_enabled": false,
        "caller_id_name_enabled": false,
        "cnam_listing_enabled": false,
        "t38_fax_gateway_enabled": false,
        "inbound_call_screening": "disabled",
        "source_type": "number_order",
        "created_at": iso(number.created),
        "purchased_at": iso(number.created),
        "activated_at": (!pending(number)).then(|| iso(number.created)),
        "updated_at": iso(number.updated),
    })
}

fn profile(number: &Number, name: &impl Fn(Shared, Option<&str>) -> Option<String>, unset: &Value) -> (Value, Value) {
    let id = number.get("messaging_profile_id");
    (id.map_or_else(|| unset.clone(), Value::from), name(Shared::MessagingProfile, id).map_or(Value::Null, Value::from))
}

/// Rows as a client sees them, through the messaging service.
fn rows(world: &Simulation, numbers: &[&Number], request: &Request) -> Result<Vec<Value>, Refusal> {
    let switches = &world.switches.telnyx;
    let lag = Fault::Lag { ms: switches.messaging_lag_ms };
    let past = (switches.messaging_lag_ms > 0).then(|| world.seen(std::slice::from_ref(&lag)));
    let profiles = match &past {
        _ if switches.messaging_unavailable && request.query("handle_messaging_profile_error") == Some("true") => {
            Profiles::Unavailable
        }
        _ if switches.messaging_unavailable => {
            return Err(Refusal::new(503, 10037, "Messaging profile information could not be loaded."));
        }
        Some(past) => Profiles::Past(past),
        None => Profiles::Truth,
    };
    Ok(numbers.iter().map(|number| row(world, number, &profiles)).collect())
}

/// Whether a filter by number finds this one. Anything but digits finds nothing: also the `+` that every answer has.
fn matches(pattern: &str, number: &str, substring: bool) -> bool {
    let digits = number.trim_start_matches('+');
    if substring { digits.contains(pattern) } else { digits.starts_with(pattern) }
}

fn fits(world: &Simulation, filters: &Filters<'_>, number: &Number) -> bool {
    let is = |name: &str, value: Option<&str>| filters.get(name).is_none_or(|wanted| value == Some(wanted));
    // The text `null` asks for those that have none.
    let is_or_none = |name: &str| filters.get(name).is_none_or(|wanted| number.get(name).unwrap_or("null") == wanted);
    let kind = filters.get("number_type[eq]");
    let countries = filters.all("country_iso_alpha2");
    let connection =
        number.get("connection_id").and_then(|id| Shared::TexmlApplication.name(world, id)).unwrap_or_default();
    let named = |operator: &str, fit: fn(&str, &str) -> bool| {
        filters.get(&format!("voice.connection_name[{operator}]")).is_none_or(|wanted| fit(&connection, wanted))
    };
    filters.get("phone_number").is_none_or(|p| matches(p, &number.number, world.switches.substring_filter))
        && is("status", Some(number.get("status").unwrap_or("active")))
        && filters.get("tag").is_none_or(|tag| tags(number).iter().any(|t| t == tag))
        && (!filters.flag("without_tags") || tags(number).is_empty())
        && (countries.is_empty() || countries.contains(&place_of(&number.number).country))
        && is("connection_id", number.get("connection_id"))
        && is("customer_reference", number.get("customer_reference"))
        && kind.is_none_or(|kind| kind == type_of(number, false))
        && is("source", Some("purchased"))
        && is_or_none("billing_group_id")
        && is_or_none("emergency_address_id")
        && is("voice.usage_payment_method", Some("pay-per-minute"))
        && named("eq", |name, wanted| name == wanted)
        && named("contains", |name, wanted| name.contains(wanted))
        && named("starts_with", |name, wanted| name.starts_with(wanted))
        && named("ends_with", |name, wanted| name.ends_with(wanted))
}

/// One page of an account's numbers, the newest first.
pub(super) fn list(world: &Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let parameters = [paging::PARAMETERS[0], paging::PARAMETERS[1], "sort", "handle_messaging_profile_error"];
    let filters = Filters::of(request, &FILTERS, &parameters)?;
    if filters.get("phone_number").is_some_and(|p| p.chars().filter(char::is_ascii_digit).count() < 3) {
        return bad("filter[phone_number]", "phone_number needs at least three digits.");
    }
    let numbers = world.seen(&request.views);
    let gone = world.telnyx.gone.iter().filter(|_| world.switches.telnyx.deleted_listed);
    let mine = numbers.values().chain(gone).filter(|n| n.account == account && fits(world, &filters, n));
    let mut mine: Vec<&Number> = mine.collect();
    mine.sort_by_key(|n| std::cmp::Reverse(n.order));
    match request.query("sort") {
        None => {}
        Some("purchased_at") => mine.reverse(),
        Some("phone_number") => mine.sort_by(|a, b| a.number.cmp(&b.number)),
        Some("connection_name" | "usage_payment_method") => {}
        Some(other) => return bad("sort", format!("{other} is not an order.")),
    }
    paging::page(rows(world, &mine, request)?, request)
}

/// The number with this id, if the account has it.
pub(super) fn owned<'a>(world: &'a Simulation, account: &str, id: &str) -> Result<&'a Number, Refusal> {
    world.by_sid(id).filter(|n| n.account == account).map_or_else(not_found, Ok)
}

/// One number; also one that was given back, where those are still listed.
pub(super) fn fetch(world: &Simulation, account: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    let gone = || world.telnyx.gone.iter().find(|n| n.sid == id && n.account == account);
    let number = match owned(world, account, id) {
        Err(refusal) => gone().filter(|_| world.switches.telnyx.deleted_listed).ok_or(refusal)?,
        Ok(number) => number,
    };
    let effect = Effect { number: Some(number.number.clone()), ..Effect::default() };
    let shown = rows(world, &[number], request)?.swap_remove(0);
    Ok(Reply { effect, ..data(shown)? })
}

/// Whether this number is one that an order is still deciding about.
pub(super) fn pending(number: &Number) -> bool {
    number.get("status") == Some("purchase-pending")
}

/// A number that can be changed: not while its order is pending.
pub(super) fn changeable<'a>(world: &'a Simulation, account: &str, id: &str) -> Result<&'a Number, Refusal> {
    match owned(world, account, id)? {
        number if pending(number) => Err(Refusal::new(422, 10036, "The number is still being processed.")),
        number => Ok(number),
    }
}

/// What becomes of a field: `None` clears it.
pub(super) type Change = (String, Option<String>);

/// Changes what the request names and leaves the rest. Tags are replaced as a whole.
pub(super) fn update(world: &mut Simulation, account: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    changeable(world, account, id)?;
    let body = body::object(request, &SETTABLE)?;
    let mut changes: Vec<Change> = Vec::new();
    for (field, value) in body {
        match (field.as_str(), value) {
            ("connection_id", value) => changes.extend(connection(world, account, value)?),
            ("tags", value) => changes.extend(tagged(value)?),
            ("hd_voice_enabled", Value::Bool(on)) => changes.push((field.clone(), on.then(|| "true".to_owned()))),
            (_, Value::Null) => {}
            (_, Value::String(text)) => changes.push((field.clone(), Some(text.clone()).filter(|t| !t.is_empty()))),
            _ => return bad(&format!("/{field}"), format!("{field} has the wrong type.")),
        }
    }
    Ok(changed(world, id, changes, shown))
}

fn tagged(value: &Value) -> Result<Option<Change>, Refusal> {
    match value {
        Value::Null => Ok(None),
        Value::Array(tags) if tags.iter().all(Value::is_string) => {
            Ok(Some(("tags".to_owned(), (!tags.is_empty()).then(|| value.to_string()))))
        }
        _ => bad("/tags", "tags must be a list of strings."),
    }
}

/// What a value of `connection_id` does, which for those that name none is a matter of a switch.
fn connection(world: &Simulation, account: &str, value: &Value) -> Result<Option<Change>, Refusal> {
    use ConnectionClearing::{Either, Empty, Null};
    let field = "connection_id".to_owned();
    let clearing = world.switches.telnyx.connection_clearing;
    match value {
        Value::Null if matches!(clearing, Either | Null) => Ok(Some((field, None))),
        Value::Null => Ok(None),
        Value::String(id) if id.is_empty() && matches!(clearing, Either | Empty) => Ok(Some((field, None))),
        Value::String(id) if Shared::TexmlApplication.exists(world, account, id) => Ok(Some((field, Some(id.clone())))),
        Value::String(_) => declined(world, 85004, "connection_id is invalid."),
        _ => bad("/connection_id", "connection_id must be a string."),
    }
}

pub(super) fn changed(
    world: &mut Simulation,
    id: &str,
    changes: Vec<Change>,
    show: fn(&Simulation, &Number) -> Value,
) -> Reply {
    let changed = world.change(id, |number| {
        for (field, value) in changes {
            match value {
                Some(value) => number.settings.insert(field, value),
                None => number.settings.remove(&field),
            };
        }
    });
    let number = world.by_sid(id);
    let effect = Effect { number: number.map(|n| n.number.clone()), changed, ..Effect::default() };
    Reply::did(200, number.map(|number| json!({ "data": show(world, number) })), effect)
}

/// A number as the messaging service shows it.
fn messaging_shown(number: &Number) -> Value {
    let set = |name: &str| {
        number.features.contains(&name).then(|| {
            json!({
                "domestic_two_way": true, "international_inbound": true, "international_outbound": false,
            })
        })
    };
    let features: Map<String, Value> =
        ["sms", "mms"].into_iter().map(|name| (name.to_owned(), set(name).unwrap_or(Value::Null))).collect();
    json!({
        "id": number.sid,
        "record_type": "messaging_settings",
        "phone_number": number.number,
        "messaging_profile_id": number.get("messaging_profile_id"),
        "messaging_product": number.get("messaging_product").unwrap_or("A2P"),
        "eligible_messaging_products": ["A2P"],
        "traffic_type": "A2P",
        "organization_id": number.account,
        "country_code": place_of(&number.number).country,
        "type": if number.kind == "tollfree" { "toll-free" } else { "long-code" },
        "features": features,
        "health": null,
        "tags": tags(number),
        "created_at": iso(number.created),
        "updated_at": iso(number.updated),
    })
}

/// How a number is set for messages.
pub(super) fn fetch_messaging(world: &Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let number = owned(world, account, id)?;
    let effect = Effect { number: Some(number.number.clone()), ..Effect::default() };
    Ok(Reply { effect, ..data(messaging_shown(number))? })
}

/// Sets the messaging profile: null keeps it and the empty text takes it away, the opposite of what merging JSON does.
pub(super) fn update_messaging(
    world: &mut Simulation,
    account: &str,
    id: &str,
    request: &Request,
) -> Result<Reply, Refusal> {
    changeable(world, account, id)?;
    let body = body::object(request, &["messaging_profile_id", "messaging_product", "tags"])?;
    let mut changes: Vec<Change> = tagged(body.get("tags").unwrap_or(&Value::Null))?.into_iter().collect();
    for field in ["messaging_profile_id", "messaging_product"] {
        let Some(value) = body::text(body, field)? else { continue };
        if field == Shared::MessagingProfile.field()
            && !value.is_empty()
            && !Shared::MessagingProfile.exists(world, account, value)
        {
            return declined(world, 85005, "messaging_profile_id is invalid.");
        }
        changes.push((field.to_owned(), Some(value.to_owned()).filter(|value| !value.is_empty())));
    }
    Ok(changed(world, id, changes, |_, number| messaging_shown(number)))
}

/// One page of the numbers of a messaging profile.
pub(super) fn members(world: &Simulation, account: &str, profile: &str, request: &Request) -> Result<Reply, Refusal> {
    if !Shared::MessagingProfile.exists(world, account, profile) {
        return not_found();
    }
    Filters::of(request, &[], &paging::PARAMETERS)?;
    let numbers = world.seen(&request.views);
    let members = numbers.values().rev().filter(|n| n.get("messaging_profile_id") == Some(profile));
    paging::page(members.map(messaging_shown).collect(), request)
}

/// Gives a number back. For a while only this account can buy it again.
pub(super) fn release(world: &mut Simulation, account: &str, id: &str) -> Result<Reply, Refusal> {
    let number = changeable(world, account, id)?.clone();
    if number.get("deletion_lock_enabled") == Some("true") {
        return Err(Refusal::new(422, 10027, "The deletion lock of the number is enabled."));
    }
    let offer = world.stock.offer_for(&number.number);
    world.remove(id);
    world.stock.add(offer);
    if !world.switches.rebuy_released {
        world.holds.insert(number.number.clone(), Hold { account: account.to_owned(), until: None });
    }
    let mut gone = number;
    gone.settings.insert("status".to_owned(), "deleted".to_owned());
    let mut row = shown(world, &gone);
    if let Value::Object(fields) = &mut row {
        fields.retain(|name, _| !NOT_IN_FAREWELL.contains(&name.as_str()));
    }
    let body = json!({ "data": row });
    let effect = Effect { number: Some(gone.number.clone()), ..Effect::default() };
    world.telnyx.gone.push(gone);
    Ok(Reply::did(200, Some(body), effect))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_filter_with_a_plus_finds_nothing() {
        assert!(matches("14155550100", "+14155550100", false));
        assert!(matches("1415", "+14155550100", false) && !matches("4155", "+14155550100", false));
        assert!(matches("4155", "+14155550100", true));
        assert!(!matches("+14155550100", "+14155550100", false) && !matches("+14155550100", "+14155550100", true));
        assert!(!matches(" 14155550100", "+14155550100", true), "what a raw plus becomes");
    }
}
