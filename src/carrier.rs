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

pub use crate::api::seen::{CarrierError, ErrorClass, Identity, Messaging, NumberId, OwnedNumber};
pub use open::{OpenError, open};

use crate::api::number::{Channel, E164, Route};

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
