//! Telnyx's dialect: which path means what, who may ask it, and how a refusal looks. No I/O.
//!
//! Facts and their sources are in `docs/carriers/telnyx.md`; where it says that nobody knows, there is a
//! [switch](super::config::TelnyxSwitches). Stricter than the real one is known to be: a filter or field that the
//! documents do not have is refused (10015), so that a slip of the pen does not look like one without effect; and an order
//! is for one number, so that the ledger has one purchase for each. Orders are not announced by webhooks, one whose documents are missing is
//! not cancelled at a deadline, and `Idempotency-Key` has no effect, as the documents have it.

mod auth;
mod body;
mod numbers;
mod objects;
mod orders;
mod paging;
mod reservations;
mod search;
mod state;
mod voice;
mod webhooks;

pub(super) use self::{
    numbers::{is_field, shown},
    objects::{
        are_fields as are_object_fields, edit as edit_object, found as found_object, shown_by_id as shown_object,
    },
    orders::{age as age_orders, finish as finish_order, settle},
    state::State,
    webhooks::{public_key, route, sign as sign_webhook, text_body, voice_params},
};
pub use self::{state::Shared as SharedRoute, webhooks::verify as verify_telnyx_signature};

use jiff::Timestamp;
use serde_json::json;

use super::{
    ledger::Kind,
    text::uuid,
    wire::{Reply, Request},
    world::Simulation,
};

/// The code of what is not there.
pub(super) const NOT_FOUND: i64 = 10005;

/// A refusal in the carrier's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    code: i64,
    detail: String,
    /// The parameter or field that is to blame.
    source: Option<String>,
}

impl Refusal {
    pub fn new(status: u16, code: i64, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), source: None }
    }

    fn at(self, source: &str) -> Self {
        Self { source: Some(source.to_owned()), ..self }
    }
}

/// A refusal of an order or reservation, whose HTTP status nobody documents.
fn declined<T>(world: &Simulation, code: i64, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(world.switches.telnyx.refusal_status, code, detail))
}

fn refuse<T>(status: u16, code: i64, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(status, code, detail))
}

fn not_found<T>() -> Result<T, Refusal> {
    refuse(404, NOT_FOUND, "The requested resource or URL could not be found.")
}

/// A value that the request should not have.
fn bad<T>(source: &str, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(400, 10015, detail).at(source))
}

/// The refusal of bad credentials.
pub(super) fn unauthorized() -> Refusal {
    Refusal::new(401, 10009, "The required authentication headers were either invalid or not included in the request.")
}

fn title(code: i64) -> &'static str {
    match code {
        10002 => "Invalid phone number",
        10004 => "Missing required parameter",
        10005 => "Resource not found",
        10007 => "Unexpected error",
        10008 => "Request timeout",
        10009 => "Authentication failed",
        10010 => "Authorization failed",
        10011 => "Too many requests",
        10015 => "Bad Request",
        10016 => "Phone number must be in +E164 format",
        10021 => "Resource in use",
        10027 => "Unprocessable entity",
        10036 => "Resource is being processed",
        10037 => "Service unavailable",
        20012 => "Account inactive",
        20013 => "Account blocked",
        20100 => "Insufficient funds",
        85000 => "Phone number was not searched for",
        85001 => "Phone number is not available",
        85004 => "Invalid connection",
        85005 => "Invalid messaging profile",
        85006 => "Reservation already exists",
        85007 => "Too many reservations",
        85008 => "Reservation cannot be extended",
        _ => "Error",
    }
}

/// The answer to a refused request: a list of errors, whose codes are texts.
pub(super) fn refused(refusal: &Refusal) -> Reply {
    let Refusal { status, code, detail, source } = refusal;
    let mut error = json!({
        "code": code.to_string(),
        "title": title(*code),
        "detail": detail,
        "meta": { "url": format!("https://developers.telnyx.com/docs/overview/errors/{code}") },
    });
    if let Some(source) = source {
        let place = if source.starts_with('/') { "pointer" } else { "parameter" };
        error["source"] = json!({ place: source });
    }
    Reply { status: *status, code: Some(*code), ..Reply::ok(json!({ "errors": [error] })) }
}

/// More requests than there is room for. When there will be some again stands in `x-ratelimit-reset`; by default at the
/// end of the minute.
pub(super) fn too_many(wait_seconds: Option<u64>) -> Reply {
    let mut reply = refused(&Refusal::new(429, 10011, "You have exceeded the maximum number of allowed requests."));
    rate_limited(&mut reply, wait_seconds);
    reply
}

/// Puts the headers of the rate limit on an answer that has none. The limit that they speak of is not enforced.
pub(super) fn rate_limited(reply: &mut Reply, wait_seconds: Option<u64>) {
    if reply.headers.iter().any(|(name, _)| *name == "x-ratelimit-limit") {
        return;
    }
    let to_the_minute = 60 - Timestamp::now().as_second().rem_euclid(60) as u64;
    let remaining = if reply.status == 429 { "0" } else { "39" };
    reply.headers.extend([
        ("x-ratelimit-limit", "40, 40;w=60".to_owned()),
        ("x-ratelimit-remaining", remaining.to_owned()),
        ("x-ratelimit-reset", wait_seconds.unwrap_or(to_the_minute).to_string()),
    ]);
}

/// What a path is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource<'a> {
    Search,
    Reservations,
    Reservation(&'a str),
    Extend(&'a str),
    Orders,
    Order(&'a str),
    SubOrders,
    SubOrder(&'a str),
    CancelSubOrder(&'a str),
    Numbers,
    Number(&'a str),
    Messaging(&'a str),
    /// The voice settings of every number.
    Voices,
    Voice(&'a str),
    /// Applications or messaging profiles.
    Objects(SharedRoute),
    Object(SharedRoute, &'a str),
    /// The numbers of a messaging profile.
    Members(&'a str),
    Balance,
}

fn resource(path: &str) -> Option<Resource<'_>> {
    let parts: Vec<&str> = path.strip_prefix("/v2/")?.split('/').collect();
    Some(match parts.as_slice() {
        ["available_phone_numbers"] => Resource::Search,
        ["number_reservations"] => Resource::Reservations,
        ["number_reservations", id] => Resource::Reservation(id),
        ["number_reservations", id, "actions", "extend"] => Resource::Extend(id),
        ["number_orders"] => Resource::Orders,
        ["number_orders", id] => Resource::Order(id),
        ["sub_number_orders"] => Resource::SubOrders,
        ["sub_number_orders", id] => Resource::SubOrder(id),
        ["sub_number_orders", id, "cancel"] => Resource::CancelSubOrder(id),
        ["phone_numbers"] => Resource::Numbers,
        ["phone_numbers", "voice"] => Resource::Voices,
        ["phone_numbers", id] => Resource::Number(id),
        ["phone_numbers", id, "voice"] => Resource::Voice(id),
        ["phone_numbers", id, "messaging"] => Resource::Messaging(id),
        ["texml_applications"] => Resource::Objects(SharedRoute::TexmlApplication),
        ["texml_applications", id] => Resource::Object(SharedRoute::TexmlApplication, id),
        ["messaging_profiles"] => Resource::Objects(SharedRoute::MessagingProfile),
        ["messaging_profiles", id] => Resource::Object(SharedRoute::MessagingProfile, id),
        ["messaging_profiles", id, "phone_numbers"] => Resource::Members(id),
        ["balance"] => Resource::Balance,
        _ => return None,
    })
}

/// What a request is for, before it is known what becomes of it.
pub(super) fn classify(request: &Request) -> Kind {
    let read = request.method == "GET";
    // What is null is kept as it is.
    let sets = |field: &str| request.json.as_ref().is_some_and(|body| !body[field].is_null());
    match resource(&request.path) {
        None => Kind::Unknown,
        Some(Resource::Search) => Kind::Search,
        Some(Resource::Numbers) => Kind::List,
        Some(Resource::Number(_) | Resource::Messaging(_) | Resource::Voice(_)) if read => Kind::Read,
        Some(Resource::Number(_)) if request.method == "DELETE" => Kind::Release,
        Some(Resource::Number(_)) if request.json.as_ref().is_some_and(|body| body.get("connection_id").is_some()) => {
            Kind::RouteWrite
        }
        Some(Resource::Messaging(_)) if sets("messaging_profile_id") => Kind::RouteWrite,
        Some(Resource::Voice(_)) => Kind::RouteWrite,
        Some(Resource::Number(_) | Resource::Messaging(_)) => Kind::SettingsWrite,
        Some(_) if read => Kind::Look,
        Some(Resource::Orders) => Kind::Purchase,
        Some(Resource::Order(_) | Resource::CancelSubOrder(_)) => Kind::OrderWrite,
        Some(Resource::Reservations | Resource::Extend(_)) => Kind::Hold,
        Some(Resource::Objects(_) | Resource::Object(..)) => Kind::ApplicationWrite,
        Some(_) => Kind::Look,
    }
}

/// The account whose key a request bears.
pub(super) fn account_of(world: &Simulation, request: &Request) -> Option<String> {
    auth::caller(world, request).map(|(account, _)| account.sid.clone())
}

/// The number that a request is about, as far as it says so.
pub(super) fn number_of(world: &Simulation, request: &Request) -> Option<String> {
    let named = || request.json.as_ref()?["phone_numbers"][0]["phone_number"].as_str().map(str::to_owned);
    match resource(&request.path)? {
        Resource::Orders | Resource::Reservations if request.method == "POST" => named(),
        Resource::Order(id) => world.telnyx.orders.iter().find(|o| o.id == id).map(|o| o.number.clone()),
        Resource::SubOrder(id) | Resource::CancelSubOrder(id) => {
            world.telnyx.orders.iter().find(|o| o.sub_id == id).map(|o| o.number.clone())
        }
        Resource::Reservation(id) | Resource::Extend(id) => {
            let found = world.telnyx.reservations.iter().find(|r| r.id == id)?;
            found.lines.first().map(|line| line.number.clone())
        }
        Resource::Number(id) | Resource::Messaging(id) | Resource::Voice(id) => {
            world.by_sid(id).map(|n| n.number.clone())
        }
        _ => None,
    }
}

/// Does what the request asks, and answers it.
pub(super) fn handle(world: &mut Simulation, request: &Request) -> Reply {
    dispatch(world, request).unwrap_or_else(|refusal| refused(&refusal))
}

fn dispatch(world: &mut Simulation, request: &Request) -> Result<Reply, Refusal> {
    let account = &auth::authorize(world, request, classify(request))?;
    let Some(resource) = resource(&request.path) else { return not_found() };
    match (resource, request.method.as_str()) {
        (Resource::Search, "GET") => search::search(world, account, request),
        (Resource::Reservations, "GET") => reservations::list(world, account, request),
        (Resource::Reservations, "POST") => reservations::create(world, account, request),
        (Resource::Reservation(id), "GET") => reservations::fetch(world, account, id),
        (Resource::Extend(id), "POST") => reservations::extend(world, account, id),
        (Resource::Orders, "GET") => orders::list(world, account, request),
        (Resource::Orders, "POST") => orders::create(world, account, request),
        (Resource::Order(id), "GET") => orders::fetch(world, account, id),
        (Resource::Order(id), "PATCH") => orders::update(world, account, id, request),
        (Resource::SubOrders, "GET") => orders::list_subs(world, account, request),
        (Resource::SubOrder(id), "GET") => orders::fetch_sub(world, account, id),
        (Resource::CancelSubOrder(id), "PATCH") => orders::cancel(world, account, id),
        (Resource::Numbers, "GET") => numbers::list(world, account, request),
        (Resource::Number(id), "GET") => numbers::fetch(world, account, id, request),
        (Resource::Number(id), "PATCH") => numbers::update(world, account, id, request),
        (Resource::Number(id), "DELETE") => numbers::release(world, account, id),
        (Resource::Messaging(id), "GET") => numbers::fetch_messaging(world, account, id),
        (Resource::Messaging(id), "PATCH") => numbers::update_messaging(world, account, id, request),
        (Resource::Voices, "GET") => voice::list(world, account, request),
        (Resource::Voice(id), "GET") => voice::fetch(world, account, id),
        (Resource::Voice(id), "PATCH") => voice::update(world, account, id, request),
        (Resource::Objects(shared), "GET") => objects::list(world, account, shared, request),
        (Resource::Objects(shared), "POST") => objects::create(world, account, shared, request),
        (Resource::Object(shared, id), "GET") => objects::fetch(world, account, shared, id),
        (Resource::Object(shared, id), "PATCH") => objects::update(world, account, shared, id, request),
        (Resource::Object(shared, id), "DELETE") => objects::remove(world, account, shared, id),
        (Resource::Members(id), "GET") => numbers::members(world, account, id, request),
        (Resource::Balance, "GET") => balance(world, account),
        _ => refuse(405, NOT_FOUND, "The method is not allowed here."),
    }
}

/// The money left; every amount is a text.
fn balance(world: &Simulation, account: &str) -> Result<Reply, Refusal> {
    let balance = world.accounts.get(account).map_or(0, |account| account.balance);
    let balance = super::text::money(balance);
    data(json!({
        "record_type": "balance",
        "balance": balance,
        "available_credit": balance,
        "credit_limit": "0.00",
        "pending": "0.00",
        "currency": "USD",
    }))
}

/// The envelope of an answer that is one thing.
fn data(data: serde_json::Value) -> Result<Reply, Refusal> {
    Ok(Reply::ok(json!({ "data": data })))
}

/// A time as the carrier writes it.
fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// This long after a time, or as late as there is a time.
fn later(from: Timestamp, ms: u64) -> Timestamp {
    let ms = jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    from.checked_add(ms).unwrap_or(Timestamp::MAX)
}

/// 32 hexadecimal digits as an id of 64 bits, written as a text. Too long for what JavaScript calls a number.
pub(super) fn snowflake(hex: &str) -> String {
    let number = u64::from_str_radix(&hex[..16], 16).unwrap_or_default();
    (1_000_000_000_000_000_000 + number % 1_000_000_000_000_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_one_thing() {
        for (path, expected) in [
            ("/v2/available_phone_numbers", Some(Resource::Search)),
            ("/v2/number_reservations/1/actions/extend", Some(Resource::Extend("1"))),
            ("/v2/sub_number_orders/1/cancel", Some(Resource::CancelSubOrder("1"))),
            ("/v2/phone_numbers/1/messaging", Some(Resource::Messaging("1"))),
            ("/v2/phone_numbers/voice", Some(Resource::Voices)),
            ("/v2/phone_numbers/1/voice", Some(Resource::Voice("1"))),
            ("/v2/messaging_profiles/1", Some(Resource::Object(SharedRoute::MessagingProfile, "1"))),
            ("/v2/messaging_profiles/1/phone_numbers", Some(Resource::Members("1"))),
            ("/v2/phone_numbers/", Some(Resource::Number(""))),
            ("/v2/Services", None),
        ] {
            assert_eq!(resource(path), expected, "{path}");
        }
    }

    #[test]
    fn ids_have_the_carriers_forms() {
        let hex = super::super::text::hex32("x");
        assert_eq!((uuid(&hex).len(), uuid(&hex).split('-').count()), (36, 5));
        let id: i64 = snowflake(&hex).parse().unwrap();
        assert!(id > 1 << 53, "no float holds it");
    }
}
