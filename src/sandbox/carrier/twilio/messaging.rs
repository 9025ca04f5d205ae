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

/// What a setting of a service is.
#[derive(Clone, Copy, Debug)]
enum Is {
    /// A text, empty for none.
    Text,
    Url,
    Method,
    /// A flag, and what it is unless said otherwise.
    Flag(bool),
    /// Seconds between these, and how many unless said otherwise.
    Seconds(u32, u32),
    OneOf(&'static [&'static str]),
}

/// Every setting of a service beside its name and whether it lets numbers answer, by parameter and by field.
const SETTINGS: [(&str, &str, Is); 14] = [
    ("InboundRequestUrl", "inbound_request_url", Is::Url),
    ("InboundMethod", "inbound_method", Is::Method),
    ("FallbackUrl", "fallback_url", Is::Url),
    ("FallbackMethod", "fallback_method", Is::Method),
    ("StatusCallback", "status_callback", Is::Url),
    ("FriendlyName", "friendly_name", Is::Text),
    ("StickySender", "sticky_sender", Is::Flag(true)),
    ("MmsConverter", "mms_converter", Is::Flag(true)),
    ("SmartEncoding", "smart_encoding", Is::Flag(true)),
    ("ScanMessageContent", "scan_message_content", Is::OneOf(&["inherit", "enable", "disable"])),
    ("FallbackToLongCode", "fallback_to_long_code", Is::Flag(true)),
    ("AreaCodeGeomatch", "area_code_geomatch", Is::Flag(true)),
    ("ValidityPeriod", "validity_period", Is::Seconds(36_000, 36_000)),
    ("SynchronousValidation", "synchronous_validation", Is::Flag(false)),
];
const USECASE: (&str, &str) = ("Usecase", "usecase");

/// Whether a service has a setting of this name.
pub(in super::super) fn is_service_field(field: &str) -> bool {
    field == USECASE.1 || SETTINGS.iter().any(|(_, known, _)| *known == field)
}

/// A setting as answers show it.
fn setting_shown(service: &Service, field: &str, is: Is) -> Value {
    let set = service.settings.get(field);
    match is {
        Is::Text | Is::Url => set.map_or(Value::Null, |text| Value::from(text.as_str())),
        Is::Method => Value::from(set.map_or("POST", String::as_str)),
        Is::Flag(default) => Value::from(set.map_or(default, |flag| flag == "true")),
        Is::Seconds(default, _) => Value::from(set.and_then(|text| text.parse().ok()).unwrap_or(default)),
        Is::OneOf(values) => Value::from(set.map_or(values[0], String::as_str)),
    }
}

/// A value as it is kept, nothing where it clears.
fn kept(param: &str, given: &str, is: Is) -> Result<Option<String>, Refusal> {
    let small = given.to_ascii_lowercase();
    let fits = match is {
        _ if given.is_empty() => return Ok(None),
        Is::Text => true,
        Is::Url => url::Url::parse(given).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()),
        Is::Method => matches!(small.as_str(), "get" | "post"),
        Is::Flag(_) => matches!(small.as_str(), "true" | "false"),
        Is::Seconds(_, most) => given.parse::<u32>().is_ok_and(|seconds| (1..=most).contains(&seconds)),
        Is::OneOf(values) => values.contains(&given),
    };
    if !fits {
        return refuse(400, 20001, format!("{param} is not valid"));
    }
    Ok(Some(match is {
        Is::Method => given.to_ascii_uppercase(),
        Is::Flag(_) => small,
        _ => given.to_owned(),
    }))
}

fn shown(service: &Service, base: &str) -> Value {
    let url = format!("{base}/v1/Services/{}", service.sid);
    let mut shown = json!({
        "account_sid": service.account,
        "sid": service.sid,
        "date_created": iso(service.created),
        "date_updated": iso(service.created),
        "usecase": service.settings.get(USECASE.1).map_or("undeclared", String::as_str),
        "us_app_to_person_registered": false,
        "use_inbound_webhook_on_number": service.use_number_webhook,
        "links": { "phone_numbers": format!("{url}/PhoneNumbers") },
        "url": url,
    });
    for (_, field, is) in SETTINGS {
        shown[field] = setting_shown(service, field, is);
    }
    shown
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

/// What a request makes of the settings; nothing is changed if anything is refused.
fn apply(service: &mut Service, request: &Request) -> Result<(), Refusal> {
    let mut changes = Vec::new();
    for (param, field, is) in SETTINGS.into_iter().chain([(USECASE.0, USECASE.1, Is::Text)]) {
        if let Some(given) = request.form(param) {
            changes.push((field, kept(param, given, is)?));
        }
    }
    let param = "UseInboundWebhookOnNumber";
    let defers = request.form(param).map(|given| kept(param, given, Is::Flag(false))).transpose()?;
    for (field, value) in changes {
        match value {
            Some(value) => service.settings.insert(field.to_owned(), value),
            None => service.settings.remove(field),
        };
    }
    if let Some(defers) = defers {
        service.use_number_webhook = defers.as_deref() == Some("true");
    }
    Ok(())
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
    if let Err(refusal) = apply(service, request) {
        world.services.pop();
        return Err(refusal);
    }
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
            apply(service, request)?;
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
