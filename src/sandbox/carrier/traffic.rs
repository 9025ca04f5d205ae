//! What reaches a number, the webhooks that it meets, and how it ends. No I/O.

use serde::{Deserialize, Serialize};

/// How a call or a text message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// A webhook answered, or an agent that the carrier hosts.
    Answered,
    /// There are webhooks and none of them answered.
    Failed,
    /// The call went to a SIP trunk; no webhook is asked.
    Trunk,
    /// Another of the carrier's regions took the call, where nothing is set for the number.
    OtherRegion,
    /// The number forwards its calls before they come to its route; no webhook is asked.
    Forwarded,
    /// Nothing is set: the caller hears that the number is not in service.
    Nothing,
    /// The platform that the number was given to has as many calls as it takes: the caller hears that it is busy.
    Busy,
    /// Nobody owns the number.
    NoSuchNumber,
    /// Its account is suspended or closed.
    AccountInactive,
}

/// What reaches a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    Call,
    Text,
}

/// The agent on a platform that answered, and what it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hosted {
    /// Its id.
    pub agent: String,
    /// The id of the published version, where the platform has versions.
    pub version: Option<String>,
}

/// A webhook of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub url: String,
    pub method: String,
}
