//! Telnyx's simulated carrier, for the cases.

use std::sync::Arc;

use dialplane::{
    api::number::{Channel, Destination},
    carrier::{
        ErrorClass::{Forbidden, Funds, NotFound, Regulatory, Rejected, Throttled, Unauthorized, Unavailable, Unknown},
        http::{Limiter, Transport},
        telnyx::{Config, Telnyx},
    },
    sandbox::carrier::{AccountSeed, Dialect, Kind, Sandbox},
};
use secrecy::SecretString;

use super::{super::Need, Refusal, Wire};

/// Telnyx does not say which account it is, so we do.
pub const IDENTITY: &str = "telephony/telnyx";

pub static WIRE: Wire = Wire {
    has: &[
        Need::SharedRoutes,
        Need::Sales,
        Need::Holds,
        Need::Orders,
        Need::Marks,
        Need::Channels,
        Need::RoutedPurchases,
        Need::FoundHolds,
        Need::Inactivity,
    ],
    account: || AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() },
    prepare: |_, _| {},
    key_prefix: "",
    open: |sandbox, _, key, transport, limiter| Arc::new(open(sandbox, key.secret(), transport, limiter)),
    identity: |_| IDENTITY.to_owned(),
    tells_accounts_apart: false,
    says_what_is_not_sold: false,
    destination,
    field,
    marker_field: Some("customer_reference"),
    page: 250,
    refusals: REFUSALS,
    purchase_refusals: REFUSALS,
    offer_look: Kind::Search,
    overwrites: 1,
    repeats_otherwise: |switches| switches.telnyx.order_owned = true,
    // There is no official document among the tests' to hold them against.
    check: |_| vec![],
};

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
