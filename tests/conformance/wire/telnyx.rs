//! Telnyx's simulated carrier, for the cases.

use std::sync::Arc;

use dialplane::{
    api::number::{Channel, Destination},
    carrier::{
        Calling,
        ErrorClass::{Forbidden, Funds, NotFound, Regulatory, Rejected, Throttled, Unauthorized, Unavailable, Unknown},
        http::{Limiter, Transport},
        telnyx::{Config, Telnyx},
    },
    sandbox::carrier::{AccountSeed, Dialect, Kind, Ledger, Sandbox},
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{super::Need, Refusal, Selling, Shadow, Wire};

/// Telnyx does not say which account it is, so we do.
pub const IDENTITY: &str = "telephony/telnyx";

pub static WIRE: Wire = Wire {
    has: &[
        Need::SharedRoutes,
        Need::Sales,
        Need::Holds,
        Need::Orders,
        Need::Marks,
        Need::Balance,
        Need::Channels,
        Need::RoutedPurchases,
        Need::FoundHolds,
        Need::Shadows,
        Need::Inactivity,
    ],
    account: || AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() },
    prepare: |_, _| {},
    key_prefix: "",
    open: |sandbox, _, key, transport, limiter| Arc::new(open(sandbox, key.secret(), transport, limiter)),
    identity: |_| IDENTITY.to_owned(),
    tells_accounts_apart: false,
    destination,
    field,
    shadow: Some(Shadow {
        cast: |sandbox, number| {
            sandbox.edit(number, &[("forwards_to", "+14155559999"), ("forwarding_type", "always")]).unwrap();
        },
        seen: || Calling::Forwarded,
        path: "/v2/phone_numbers/voice",
    }),
    marker_field: Some("customer_reference"),
    page: 250,
    refusals: REFUSALS,
    selling: Some(Selling {
        says_what_is_not_sold: false,
        refusals: REFUSALS,
        look: Kind::Search,
        overwrites: 1,
        repeats_otherwise: |switches| switches.telnyx.order_owned = true,
    }),
    check,
};

/// A request as docs/carriers/telnyx.md describes it.
struct Described {
    /// With its method; an id is `*`.
    path: &'static str,
    query: &'static [&'static str],
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

const fn get(path: &'static str, query: &'static [&'static str]) -> Described {
    Described { path, query, required: &[], optional: &[] }
}

const fn post(path: &'static str, required: &'static [&'static str], optional: &'static [&'static str]) -> Described {
    Described { path, query: &[], required, optional }
}

const PAGE: [&str; 2] = ["page[number]", "page[size]"];

const APPLICATION: &[&str] = &[
    "active",
    "friendly_name",
    "voice_url",
    "voice_method",
    "voice_fallback_url",
    "status_callback",
    "status_callback_method",
];

const PROFILE: &[&str] = &["enabled", "webhook_url", "webhook_failover_url", "webhook_api_version"];

/// Sections 2 to 8.
const DESCRIBED: &[Described] = &[
    get(
        "GET /v2/available_phone_numbers",
        &[
            "filter[country_code]",
            "filter[phone_number_type]",
            "filter[national_destination_code]",
            "filter[locality]",
            "filter[administrative_area]",
            "filter[features][]",
            "filter[phone_number][starts_with]",
            "filter[phone_number][contains]",
            "filter[phone_number][ends_with]",
            "filter[limit]",
            "filter[best_effort]",
        ],
    ),
    post("POST /v2/number_reservations", &["phone_numbers"], &["customer_reference"]),
    get(
        "GET /v2/number_reservations",
        &["filter[phone_numbers.phone_number]", "filter[customer_reference]", PAGE[0], PAGE[1]],
    ),
    post("POST /v2/number_reservations/*/actions/extend", &[], &[]),
    post(
        "POST /v2/number_orders",
        &["phone_numbers"],
        &["connection_id", "messaging_profile_id", "customer_reference"],
    ),
    get(
        "GET /v2/number_orders",
        &["filter[customer_reference]", "filter[status]", "filter[created_at][gt]", PAGE[0], PAGE[1]],
    ),
    get("GET /v2/number_orders/*", &[]),
    get("GET /v2/sub_number_orders", &["filter[order_request_id]"]),
    post("PATCH /v2/sub_number_orders/*/cancel", &[], &[]),
    get("GET /v2/phone_numbers", &["filter[phone_number]", "handle_messaging_profile_error", PAGE[0], PAGE[1]]),
    get("GET /v2/phone_numbers/voice", &PAGE),
    get("GET /v2/phone_numbers/*", &["handle_messaging_profile_error"]),
    post("PATCH /v2/phone_numbers/*", &[], &["connection_id", "tags", "customer_reference"]),
    post("PATCH /v2/phone_numbers/*/messaging", &["messaging_profile_id"], &[]),
    get("GET /v2/texml_applications", &PAGE),
    get("GET /v2/texml_applications/*", &[]),
    post("POST /v2/texml_applications", &["friendly_name", "voice_url"], APPLICATION),
    post("PATCH /v2/texml_applications/*", &["friendly_name", "voice_url"], APPLICATION),
    get("GET /v2/messaging_profiles", &PAGE),
    get("GET /v2/messaging_profiles/*", &[]),
    post("POST /v2/messaging_profiles", &["name", "whitelisted_destinations"], PROFILE),
    post("PATCH /v2/messaging_profiles/*", &[], PROFILE),
    get("GET /v2/balance", &[]),
];

/// What of a request is not as it is described: a path or a name that nobody knows, or a name that is missing.
fn wrong(method: &str, path: &str, query: &[(String, String)], body: Option<&Value>) -> Option<String> {
    let asked = format!("{method} {path}");
    let is_it = |described: &&Described| {
        let (of, at) = (described.path.split('/'), asked.split('/'));
        of.clone().count() == at.clone().count() && of.zip(at).all(|(of, at)| of == "*" || of == at)
    };
    let Some(Described { query: parameters, required, optional, .. }) = DESCRIBED.iter().find(is_it) else {
        return Some(format!("{asked}: not described"));
    };
    let fields: Vec<&str> = body.and_then(Value::as_object).into_iter().flatten().map(|(name, _)| &**name).collect();
    let parameter = query.iter().map(|(name, _)| &**name).find(|name| !parameters.contains(name));
    let field = fields.iter().find(|name| !required.contains(name) && !optional.contains(name));
    let missing = required.iter().find(|name| !fields.contains(name));
    let unknown = parameter.or(field.copied()).map(|name| format!("{asked}: {name} is unknown"));
    unknown.or(missing.map(|name| format!("{asked}: {name} is missing")))
}

fn check(ledger: &Ledger) -> Vec<String> {
    let checked = ledger.entries().iter().map(|entry| match &entry.bodies {
        Some(bodies) => wrong(&entry.method, &entry.path, &bodies.query, bodies.json.as_ref()),
        None => Some(format!("{} {}: recorded without bodies", entry.method, entry.path)),
    });
    checked.flatten().collect()
}

#[test]
fn a_request_that_is_not_as_it_is_described_is_noticed() {
    let wrong = |method: &str, path: &str, query: &[_], body: Value| wrong(method, path, query, Some(&body)).is_some();
    let (orders, order) = ("/v2/number_orders", json!({"phone_numbers": [], "customer_reference": "dp1"}));
    assert!(!wrong("POST", orders, &[], order.clone()));
    assert!(wrong("PUT", orders, &[], order.clone()));
    assert!(wrong("POST", orders, &[("idempotency_key".to_owned(), "1".to_owned())], order));
    assert!(wrong("POST", orders, &[], json!({"customer_reference": "dp1"})), "no number");
    assert!(wrong("PATCH", "/v2/texml_applications/1", &[], json!({"active": false})), "no name and no URL");
    assert!(wrong("PATCH", "/v2/phone_numbers/1", &[], json!({"deletion_lock_enabled": true})));
    assert!(wrong("DELETE", "/v2/phone_numbers/1", &[], Value::Null), "nothing is ever released");
}

const REFUSALS: &[Refusal] = &[
    (Unauthorized, 401, "10009"),
    (Forbidden, 403, "10010"),
    // An account that is not verified far enough.
    (Forbidden, 403, "20014"),
    (Rejected, 400, "10015"),
    (Funds, 400, "20100"),
    (Regulatory, 422, "85003"),
    (Unavailable, 422, "85001"),
    (NotFound, 404, "10005"),
    (Throttled, 429, "10011"),
    (Unknown, 422, "77777"),
];

fn field(channel: Channel) -> &'static str {
    match channel {
        Channel::Voice => "connection_id",
        Channel::Sms => "messaging_profile_id",
        Channel::Status => unreachable!("a number has no such setting"),
    }
}

/// A destination that is bound to something.
pub fn bound(name: &str, id: &str) -> Destination {
    Destination::bound(name, Some(id.to_owned()))
}

/// An application or a messaging profile of somebody's.
fn destination(sandbox: &Sandbox, channel: Channel, name: &str) -> Destination {
    let account = sandbox.credentials().account_sid;
    let url = format!("https://{name}.example/");
    match channel {
        Channel::Voice => {
            let application = [("friendly_name", name), ("voice_url", url.as_str())];
            bound("connectionId", &sandbox.add_application(&account, &application).unwrap())
        }
        Channel::Sms => {
            let profile = [("name", name), ("webhook_url", url.as_str())];
            bound("messagingProfileId", &sandbox.add_messaging_profile(&account, &profile).unwrap())
        }
        Channel::Status => Destination { url: Some(url), ..Destination::default() },
    }
}

pub fn open(sandbox: &Sandbox, key: &str, transport: Transport, limiter: Arc<Limiter>) -> Telnyx {
    let endpoint = Some(sandbox.url().parse().unwrap());
    let config = Config { api_key: SecretString::from(key.to_owned()), identity: IDENTITY.to_owned(), endpoint };
    Telnyx::new(config, transport, limiter).unwrap()
}
