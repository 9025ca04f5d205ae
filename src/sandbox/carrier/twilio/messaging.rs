//! Messaging Services and their members. They act on the account whose credentials are used, never on one in a path. No I/O.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        stock::place_of,
        wire::{Effect, Reply, Request},
        world::{Number, Service, Simulation},
    },
    Refusal, iso, not_found, paging, refuse,
};

/// The settings of a service that are texts, by parameter and by field.
const TEXTS: [(&str, &str); 6] = [
    ("FriendlyName", "friendly_name"),
    ("InboundRequestUrl", "inbound_request_url"),
    ("InboundMethod", "inbound_method"),
    ("FallbackUrl", "fallback_url"),
    ("FallbackMethod", "fallback_method"),
    ("StatusCallback", "status_callback"),
];

fn shown(service: &Service, base: &str) -> Value {
    let url = format!("{base}/v1/Services/{}", service.sid);
    let text = |field: &str| service.settings.get(field).map_or(Value::Null, |v| Value::from(v.as_str()));
    let method = |field: &str| service.settings.get(field).map_or("POST", String::as_str);
    json!({
        "account_sid": service.account,
        "sid": service.sid,
        "date_created": iso(service.created),
        "date_updated": iso(service.created),
        "friendly_name": text("friendly_name"),
        "inbound_request_url": text("inbound_request_url"),
        "inbound_method": method("inbound_method"),
        "fallback_url": text("fallback_url"),
        "fallback_method": method("fallback_method"),
        "status_callback": text("status_callback"),
        "sticky_sender": true,
        "smart_encoding": true,
        "mms_converter": true,
        "fallback_to_long_code": true,
        "scan_message_content": "inherit",
        "area_code_geomatch": true,
        "validity_period": 36_000,
        "synchronous_validation": false,
        "usecase": "undeclared",
        "us_app_to_person_registered": false,
        "use_inbound_webhook_on_number": service.use_number_webhook,
        "links": { "phone_numbers": format!("{url}/PhoneNumbers") },
        "url": url,
    })
}

fn member_shown(service: &Service, number: &Number, added: Timestamp, base: &str) -> Value {
    let feature = |f: &&str| match *f {
        "voice" => "Voice".to_owned(),
        other => other.to_uppercase(),
    };
    json!({
        "sid": number.sid,
        "account_sid": service.account,
        "service_sid": service.sid,
        "date_created": iso(added),
        "date_updated": iso(added),
        "phone_number": number.number,
        "country_code": place_of(&number.number).country,
        "capabilities": number.features.iter().map(feature).collect::<Vec<_>>(),
        "url": format!("{base}/v1/Services/{}/PhoneNumbers/{}", service.sid, number.sid),
    })
}

/// The services of an account.
pub(super) fn list(world: &Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    let mine = world.services.iter().filter(|service| service.account == account);
    paging::meta(mine.map(|service| shown(service, &request.base)).collect(), "services", request)
}

fn apply(service: &mut Service, request: &Request) {
    for (param, field) in TEXTS {
        match request.form(param) {
            Some("") => service.settings.remove(field),
            Some(value) => service.settings.insert(field.to_owned(), value.to_owned()),
            None => None,
        };
    }
    if let Some(flag) = request.form("UseInboundWebhookOnNumber") {
        service.use_number_webhook = flag.eq_ignore_ascii_case("true");
    }
}

/// A new service, without members.
pub(in super::super) fn found(world: &mut Simulation, account: &str, settings: BTreeMap<String, String>) -> String {
    let sid = format!("MG{}", world.hex("service"));
    world.services.push(Service {
        sid: sid.clone(),
        account: account.to_owned(),
        settings,
        use_number_webhook: false,
        members: Vec::new(),
        created: Timestamp::now(),
    });
    sid
}

pub(super) fn create(world: &mut Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    if request.form("FriendlyName").is_none_or(str::is_empty) {
        return refuse(400, 20001, "FriendlyName is required");
    }
    found(world, account, BTreeMap::new());
    let Some(service) = world.services.last_mut() else { return not_found(request) };
    apply(service, request);
    Ok(Reply::did(201, Some(shown(service, &request.base)), Effect::default()))
}

fn find<'a>(
    world: &'a mut Simulation,
    account: &str,
    sid: &str,
    request: &Request,
) -> Result<&'a mut Service, Refusal> {
    match world.services.iter_mut().find(|service| service.sid == sid && service.account == account) {
        Some(service) => Ok(service),
        None => not_found(request),
    }
}

/// One service: read, changed or removed.
pub(super) fn one(world: &mut Simulation, account: &str, sid: &str, request: &Request) -> Result<Reply, Refusal> {
    let service = find(world, account, sid, request)?;
    match request.method.as_str() {
        "GET" => Ok(Reply::ok(shown(service, &request.base))),
        "POST" => {
            apply(service, request);
            Ok(Reply::did(200, Some(shown(service, &request.base)), Effect::default()))
        }
        "DELETE" => {
            world.services.retain(|service| service.sid != sid);
            Ok(Reply::did(204, None, Effect::default()))
        }
        _ => refuse(405, 20004, "Method not allowed"),
    }
}

/// Why a number cannot become a member.
pub(in super::super) fn join(
    world: &mut Simulation,
    account: &str,
    service: &str,
    number: &str,
) -> Result<(), Refusal> {
    if world.by_sid(number).is_none_or(|n| n.account != account) {
        return refuse(404, 20404, format!("The requested resource /PhoneNumbers/{number} was not found"));
    }
    let holder = world.services.iter().find(|s| s.members.iter().any(|(member, _)| member == number));
    match holder.map(|holder| holder.sid == service) {
        Some(true) => return refuse(409, 21710, "Phone Number is already in the Messaging Service"),
        Some(false) => return refuse(409, 21712, "Phone Number is associated with another Messaging Service"),
        None => {}
    }
    if let Some(service) = world.services.iter_mut().find(|s| s.sid == service) {
        service.members.push((number.to_owned(), Timestamp::now()));
    }
    Ok(())
}

/// The members of a service: listed, or one more.
pub(super) fn members(world: &mut Simulation, account: &str, sid: &str, request: &Request) -> Result<Reply, Refusal> {
    find(world, account, sid, request)?;
    if request.method == "POST" {
        let Some(number) = request.form("PhoneNumberSid") else {
            return refuse(400, 20001, "PhoneNumberSid is required");
        };
        join(world, account, sid, number)?;
        let reply = member(world, account, sid, number, &Request { method: "GET".to_owned(), ..request.clone() })?;
        let effect = Effect { number: world.by_sid(number).map(|n| n.number.clone()), ..Effect::default() };
        return Ok(Reply::did(201, reply.body, effect));
    }
    let service = find(world, account, sid, request)?.clone();
    let row = |(sid, added): &(String, Timestamp)| {
        world.by_sid(sid).map(|number| member_shown(&service, number, *added, &request.base))
    };
    paging::meta(service.members.iter().filter_map(row).collect(), "phone_numbers", request)
}

/// One member: read or removed.
pub(super) fn member(
    world: &mut Simulation,
    account: &str,
    service: &str,
    number: &str,
    request: &Request,
) -> Result<Reply, Refusal> {
    let found = find(world, account, service, request)?;
    let Some(at) = found.members.iter().position(|(member, _)| member == number) else { return not_found(request) };
    if request.method == "DELETE" {
        found.members.remove(at);
        let effect = Effect { number: world.by_sid(number).map(|n| n.number.clone()), ..Effect::default() };
        return Ok(Reply::did(204, None, effect));
    }
    let (found, added) = (found.clone(), found.members[at].1);
    match world.by_sid(number) {
        Some(number) => Ok(Reply::ok(member_shown(&found, number, added, &request.base))),
        None => not_found(request),
    }
}
