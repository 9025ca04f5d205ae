//! Twilio's simulated carrier, for the cases.

use std::sync::Arc;

use dialplane::{
    api::number::{Channel, Destination},
    carrier::{
        Calling,
        ErrorClass::{Forbidden, Funds, NotFound, Regulatory, Rejected, Throttled, Unauthorized, Unavailable, Unknown},
        http::{Limiter, Transport},
        twilio::{Config, Credentials, Twilio},
    },
    sandbox::carrier::{AccountSeed, Kind, Sandbox},
};
use secrecy::SecretString;

use super::{super::Need, Key, Refusal, Selling, Shadow, Wire};
use crate::openapi::check_ledger;

pub static WIRE: Wire = Wire {
    has: &[
        Need::Sales,
        Need::Marks,
        Need::Balance,
        Need::Channels,
        Need::Webhooks,
        Need::RoutedPurchases,
        Need::Shadows,
        Need::Inactivity,
    ],
    account: AccountSeed::default,
    prepare: |_, _| {},
    key_prefix: "",
    open: |sandbox, account, key, transport, limiter| Arc::new(open(sandbox, account, key, transport, limiter)),
    identity: str::to_owned,
    tells_accounts_apart: true,
    destination: |_, channel, name| Destination {
        url: Some(format!("https://{name}.example/{}", field(channel))),
        ..Destination::default()
    },
    field,
    shadow: Some(Shadow {
        cast: |sandbox, number| sandbox.edit(number, &[("voice_region", "ie1")]).unwrap(),
        seen: || Calling::Region { answers: "ie1".into(), ours: "us1".into() },
        path: "/v2/PhoneNumbers/",
    }),
    marker_field: Some("friendly_name"),
    page: 1000,
    refusals: REFUSALS,
    selling: Some(Selling {
        says_what_is_not_sold: true,
        refusals: REFUSALS,
        look: Kind::Search,
        overwrites: 1,
        repeats_otherwise: |switches| switches.refuse_owned_purchase = true,
    }),
    check: check_ledger,
};

const REFUSALS: &[Refusal] = &[
    (Unauthorized, 401, "20003"),
    (Forbidden, 403, "70051"),
    // A trial account has one number.
    (Forbidden, 400, "21404"),
    (Rejected, 400, "21402"),
    (Funds, 403, "10001"),
    (Regulatory, 400, "21649"),
    (Unavailable, 400, "21422"),
    (NotFound, 404, "20404"),
    (Throttled, 429, "20429"),
    (Unknown, 400, "99999"),
];

fn field(channel: Channel) -> &'static str {
    match channel {
        Channel::Voice => "voice_url",
        Channel::Sms => "sms_url",
        Channel::Status => "status_callback",
    }
}

pub fn open(sandbox: &Sandbox, account: &str, key: Key, transport: Transport, limiter: Arc<Limiter>) -> Twilio {
    let credentials = match key {
        Key::Token(token) => Credentials::AuthToken(SecretString::from(token)),
        Key::Further { sid, secret } => Credentials::ApiKey { sid, secret: SecretString::from(secret) },
    };
    let endpoint = Some(sandbox.url().parse().unwrap());
    let config = Config { account_sid: account.to_owned(), credentials, region: None, endpoint };
    Twilio::new(config, transport, limiter).unwrap()
}
