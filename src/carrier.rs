//! What the operator needs of a carrier, whatever its API looks like.
//!
//! An adapter maps and decides nothing. What carriers differ in is declared in [`Capabilities`] or said by
//! [`ErrorClass`]; nothing outside an adapter asks which carrier it is. There is no call that releases a number.

pub mod http;
pub mod inventory;
mod open;
pub mod twilio;

use std::{fmt, time::Duration};

use async_trait::async_trait;

pub use open::{OpenError, open};

use crate::api::number::{Channel, E164, Route};

/// The carrier's own name for a number that an account owns (a Twilio `PN…`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NumberId(pub String);

/// A number that the account owns, as seen at the carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedNumber {
    pub id: NumberId,
    pub number: E164,
    /// Every channel the carrier has, each leg in canonical form.
    pub route: Route,
    /// What the number can do, in the words of the API: `Voice`, `SMS`, `MMS`, `Fax`. Sorted.
    pub features: Vec<String>,
    /// Who really receives the text messages sent to this number.
    pub messaging: Messaging,
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

/// Which account the credentials open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The carrier's id of the account (a Twilio Account SID).
    pub account: String,
    /// `Some` with the carrier's word for it where the account cannot serve calls now (`suspended`, `closed`).
    pub inactive: Option<String>,
}

/// How a carrier differs from the others, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The carrier's name in texts for people: `Twilio`.
    pub name: &'static str,
    /// The channels whose webhooks live on the number itself.
    pub channels: &'static [Channel],
    /// How long after we gave up on a write it may still be applied: our deadline, and how long the carrier may sit on it.
    pub write_lifetime: Duration,
    /// How long a listing may lag behind a write: a number missing from one that began earlier than this is not absent.
    pub listing_lag: Duration,
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
    /// The carrier's own code, where it gave one.
    pub code: Option<i64>,
    /// What happened and what to do, stable from one try to the next: no ids, times or secrets.
    pub text: String,
    /// How long the carrier asks us to wait.
    pub retry_after: Option<Duration>,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It was done; this is what the carrier answered.
    Did(T),
    /// It surely was not done and will not be.
    DidNothing(CarrierError),
    /// It may have been done, or may yet be: no answer, a 5xx, a torn one.
    Unknown(CarrierError),
}

/// One carrier account, opened with its credentials.
///
/// Reads may be repeated by the HTTP layer; writes are sent once. Dropping a future does not undo what was sent.
#[async_trait]
pub trait Carrier: Send + Sync + fmt::Debug {
    fn capabilities(&self) -> &Capabilities;

    /// Asks the carrier whose account this is.
    async fn identify(&self) -> Result<Identity, CarrierError>;

    /// Every number of the account: all pages or an error, never a part.
    async fn list(&self) -> Result<Vec<OwnedNumber>, CarrierError>;

    /// One number by strict equality, however loosely the carrier's own filter matches.
    async fn find(&self, number: &E164) -> Result<Option<OwnedNumber>, CarrierError>;

    /// Sets the channels that `route` names and leaves the others alone, in one write where the carrier allows it.
    async fn set_route(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber>;

    /// `route` as this carrier will show it once it is set, so that comparing it with what is seen does not flap.
    fn canonical(&self, route: Route) -> Route;
}
