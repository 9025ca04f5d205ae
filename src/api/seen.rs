//! What a carrier shows and says, whichever it is: the part of it that decisions are made on. No I/O.

use std::{fmt, time::Duration};

use super::{
    number::{E164, Route},
    offer::Feature,
    phone_number::NumberConfig,
    purchase::Marker,
};

/// The carrier's own name for a number that an account owns (a Twilio `PN…`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NumberId(pub String);

/// A number that the account owns, as seen at the carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedNumber {
    pub id: NumberId,
    pub number: E164,
    /// Every channel the carrier has, each destination in canonical form.
    pub route: Route,
    /// What the number can do. Sorted.
    pub features: Vec<Feature>,
    /// Who really receives the text messages sent to this number.
    pub messaging: Messaging,
    /// Who really gets the calls to this number.
    pub calling: Calling,
    /// What is written on it to know it again, if that is a marker of this software: ours or another installation's.
    pub marker: Option<Marker>,
    /// What a platform keeps for this one number.
    pub config: Option<Box<NumberConfig>>,
}

impl OwnedNumber {
    /// What is set in `config`.
    pub fn config(&self) -> NumberConfig {
        self.config.as_deref().cloned().unwrap_or_default()
    }
}

/// Who receives the text messages of a number, as far as it can be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Messaging {
    /// It could not be looked up: the credentials do not reach that part of the carrier's API.
    #[default]
    Unseen,
    /// The number's own route.
    Number,
    /// A group that the number is a member of, whose own webhook wins over the number's (a Twilio Messaging Service).
    Group { id: String },
}

/// Who gets the calls to a number, as far as it can be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Calling {
    /// It was not looked up yet, or the credentials do not reach that part of the carrier's API.
    #[default]
    Unseen,
    /// The number's own route.
    Number,
    /// What another region keeps for the number (Twilio): its route is set in `ours`, and the one in `answers` counts.
    Region { answers: String, ours: String },
    /// Another number, to which they are forwarded before they come to the route (Telnyx).
    Forwarded,
}

/// Webhooks that many numbers are bound to: a Telnyx application and messaging profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedRoute {
    /// What a number's route is, once it is bound to them: one destination for each channel that there is something to bind to.
    pub bound: Route,
    /// Where they send traffic, in canonical form.
    pub webhooks: Route,
}

/// An agent that a platform hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedAgent {
    pub id: String,
    /// Whether it answers at all: a platform may have it switched off.
    pub active: bool,
    /// What the platform keeps of its versions, where it has any.
    pub published: Option<HostedVersions>,
}

/// The versions of a hosted agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostedVersions {
    /// The platform's id of the one that serves; `None` where none was ever published.
    pub serving: Option<String>,
    /// Every version, the latest first.
    pub known: Vec<HostedVersion>,
    /// Whether the draft differs from what serves.
    pub draft_differs: bool,
}

/// A version of a hosted agent, as the platform keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedVersion {
    /// The platform's id of it.
    pub id: String,
    /// What was noted when it was published.
    pub note: Option<String>,
}

/// A purchase that the carrier has accepted and that has not failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The carrier's id of it.
    pub id: String,
    pub number: E164,
    /// What is written on it, if that is a marker of this software.
    pub marker: Option<Marker>,
    /// Whether the carrier still works on it.
    pub pending: bool,
    /// Whether it waits for papers that nobody has handed in.
    pub lacks_papers: bool,
}

/// Which account the credentials open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The carrier's id of the account (a Twilio Account SID).
    pub account: String,
    /// `Some` with the carrier's word for it where the account cannot serve calls now (`suspended`, `closed`).
    pub inactive: Option<String>,
}

/// The one set of classes into which every carrier's errors are sorted. The class alone decides delay, condition and event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Too many requests; never processed.
    Throttled,
    /// The carrier is unwell, unreachable, or answered something that is not an answer. Reads are tried again.
    Transient,
    /// The credentials are wrong, rotated or revoked.
    Unauthorized,
    /// The credentials are right and may not do this, or the account is suspended.
    Forbidden,
    /// The request is refused for what it says; it will be refused again.
    Rejected,
    /// The account has too little money.
    Funds,
    /// The country's rules ask for an address or for documents that were not named.
    Regulatory,
    /// What was asked for is not to be had (a number that somebody else took).
    Unavailable,
    /// The carrier knows no such thing, or no such account: never by itself a proof of absence.
    NotFound,
    /// It collides with something in progress.
    Conflict,
    /// A code that nobody has mapped.
    Unknown,
}

/// A refusal or failure, told to people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct CarrierError {
    pub class: ErrorClass,
    /// The carrier's own code, where it gave one: `21422`, `no_published_version`.
    pub code: Option<String>,
    /// What happened and what to do, stable from one try to the next: no ids, times or secrets.
    pub text: String,
    /// How long the carrier asks us to wait.
    pub retry_after: Option<Duration>,
}

impl CarrierError {
    /// One of our own, or without a code and a wish how long to wait.
    pub fn new(class: ErrorClass, text: impl Into<String>) -> Self {
        Self { class, code: None, text: text.into(), retry_after: None }
    }

    /// Whether this is the carrier's code.
    pub fn has_code(&self, code: impl fmt::Display) -> bool {
        self.code.as_ref().is_some_and(|is| *is == code.to_string())
    }
}
