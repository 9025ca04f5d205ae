//! Flowyte's simulated carrier, for the cases.

use std::sync::Arc;

use dialplane::{
    api::number::{Channel, Destination, HOSTED_AGENT},
    carrier::{
        ErrorClass::{Conflict, Forbidden, Funds, NotFound, Rejected, Throttled, Unauthorized, Unavailable, Unknown},
        flowyte::{Config, Flowyte},
        http::{Limiter, Transport},
    },
    sandbox::carrier::{AccountSeed, Dialect, Kind, ListPages, Sandbox},
};
use secrecy::SecretString;
use serde_json::json;

use super::{super::Need, Selling, Wire};

pub static WIRE: Wire = Wire {
    has: &[Need::Sales, Need::Holds, Need::LettingGo, Need::Intake, Need::Publishing, Need::Balance],
    account: || AccountSeed { carrier: Dialect::Flowyte, ..AccountSeed::default() },
    // Nothing else says which organization it is. Lists say how much there is of them: how much one that says nothing has is not to be
    // known.
    prepare: |sandbox, account| {
        sandbox.add_agent(account, "front-desk", json!({})).unwrap();
        sandbox.switch(|switches| switches.flowyte.pages = ListPages::Numbered);
    },
    key_prefix: "flowyte_sk_",
    open: |sandbox, _, key, transport, limiter| Arc::new(open(sandbox, key.secret(), transport, limiter)),
    identity: str::to_owned,
    tells_accounts_apart: true,
    destination: |sandbox, _, name| {
        let agent = sandbox.add_agent(&sandbox.credentials().account_sid, name, json!({})).unwrap();
        Destination::bound(HOSTED_AGENT, Some(agent))
    },
    field,
    shadow: None,
    marker_field: None,
    page: 100,
    refusals: &[
        (Unauthorized, 401, "unauthorized"),
        (Forbidden, 403, "forbidden"),
        (Rejected, 400, "validation_error"),
        (Rejected, 422, "unprocessable"),
        (Funds, 402, "insufficient_balance"),
        (NotFound, 404, "not_found"),
        (Conflict, 409, "conflict"),
        (Throttled, 429, "rate_limited"),
        (Unknown, 418, "internal_error"),
    ],
    selling: Some(Selling {
        says_what_is_not_sold: false,
        refusals: &[
            (Unauthorized, 401, "unauthorized"),
            (Forbidden, 403, "forbidden"),
            (Rejected, 400, "validation_error"),
            (Rejected, 422, "unprocessable"),
            (Funds, 402, "insufficient_balance"),
            (Unavailable, 404, "not_found"),
            (Unavailable, 409, "conflict"),
            (Throttled, 429, "rate_limited"),
            (Unknown, 418, "internal_error"),
        ],
        look: Kind::Look,
        overwrites: 0,
        repeats_otherwise: |switches| switches.flowyte.taken_status = 404,
    }),
    // There is no official document among the tests' to hold them against.
    check: |_| vec![],
};

fn field(channel: Channel) -> &'static str {
    match channel {
        Channel::Voice => "defaultAgentId",
        Channel::Sms | Channel::Status => unreachable!("a number has no such setting"),
    }
}

pub fn open(sandbox: &Sandbox, key: &str, transport: Transport, limiter: Arc<Limiter>) -> Flowyte {
    let endpoint = Some(format!("{}/flowyte", sandbox.url()).parse().unwrap());
    Flowyte::new(Config { api_key: SecretString::from(key.to_owned()), endpoint }, transport, limiter).unwrap()
}
