//! What the operator needs of a carrier, whatever its API looks like.
//!
//! An adapter maps and decides nothing. What carriers differ in is declared in [`Capabilities`] or said by
//! [`ErrorClass`]; nothing outside an adapter asks which carrier it is. There is no call that releases a number. That an adapter does
//! all that is asked of it here is shown by one suite for all of them, `tests/conformance`.

mod budget;
mod calling;
mod codes;
pub mod endpoint;
#[cfg(test)]
mod fake;
pub mod flight;
#[cfg(test)]
mod fuzz;
pub mod http;
pub mod inventory;
mod lenient;
mod open;
pub mod telnyx;
pub mod twilio;
mod written;

use std::{collections::HashMap, fmt, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

pub use crate::api::seen::{CarrierError, ErrorClass, Identity, Messaging, NumberId, Order, OwnedNumber, SharedRoute};
pub use open::{OpenError, open};

use crate::api::{
    account::Balance,
    number::{Channel, E164, Route},
    offer::{Offer, Search},
    phone_number::Regulatory,
    purchase::{Hold, Marker},
};

/// How a carrier differs from the others, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The carrier's name in texts for people: `Twilio`.
    pub name: &'static str,
    /// The channels that can be sent somewhere.
    pub channels: &'static [Channel],
    /// Whether webhooks live on something that many numbers are bound to, and not on the number itself.
    pub shared_routes: bool,
    /// How long after we gave up on a write it may still be applied: our deadline, and how long the carrier may sit on it.
    pub write_lifetime: Duration,
    /// How long a listing may lag behind a write: a number missing from one that began earlier than this is not absent.
    pub listing_lag: Duration,
    /// How numbers are bought; `None` where they cannot be.
    pub purchasing: Option<Purchasing>,
}

/// How a carrier sells numbers, as data. The protocol of buying is safe whatever stands here: these only tell what to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchasing {
    /// Whether a number can be held for a while before it is bought.
    pub holds: bool,
    /// Whether a purchase may be accepted long before it is finished: then there are orders to look at.
    pub orders: bool,
    /// Whether a bought number bears our marker from the first moment.
    pub marks: bool,
    /// What buying a number that the account owns already is taken to do.
    pub repeated: Repeated,
    /// How long a purchase of unknown outcome may take to be seen: a request's whole life, and how far listings lag. Until that
    /// has passed a number that is not there is not known not to have been bought.
    pub settling: Duration,
}

/// What a carrier is taken to do when it is asked to sell a number to the account that owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// It answers like a purchase and changes the number's settings.
    Updates,
    /// It says that the number is not available.
    Refuses,
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

impl<T> Outcome<T> {
    /// The same outcome with what `f` makes of the answer.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Outcome::Did(answer) => Outcome::Did(f(answer)),
            Outcome::DidNothing(error) => Outcome::DidNothing(error),
            Outcome::Unknown(error) => Outcome::Unknown(error),
        }
    }
}

/// A number to buy, and how it should begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    pub number: E164,
    pub marker: Marker,
    /// Where its traffic goes from the first moment, in canonical form; every channel that is not named goes nowhere.
    pub route: Route,
    pub regulatory: Regulatory,
    pub hold: Option<Hold>,
    /// The same for every time that this very purchase is sent, for carriers that take such a key.
    pub key: String,
    /// It is not sent any more after this.
    pub before: Instant,
}

/// What a purchase that was accepted has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bought {
    /// The number is ours.
    Owned(OwnedNumber),
    /// The carrier works on it.
    Ordered(Order),
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

    /// Every shared route of the account by its name, whoever made it: all pages of whatever holds webhooks, or an error.
    async fn shared_routes(&self) -> Result<HashMap<String, SharedRoute>, CarrierError> {
        Err(self.does_not("share routes between numbers"))
    }

    /// Makes the shared route of this name send traffic there: changes what is there, makes what is not. `current` is what was
    /// seen of it a moment ago. One request for each channel's holder that differs.
    async fn set_shared_route(&self, _name: &str, _current: &SharedRoute, _webhooks: &Route) -> Outcome<SharedRoute> {
        Outcome::DidNothing(self.does_not("share routes between numbers"))
    }

    /// Writes the marker on a number of ours that has lost it, or never had one.
    async fn mark(&self, _: &NumberId, _: &Marker) -> Outcome<OwnedNumber> {
        Outcome::DidNothing(self.does_not("keep a marker on a number"))
    }

    /// What the account has left, where the carrier says so.
    async fn balance(&self) -> Result<Option<Balance>, CarrierError> {
        Ok(None)
    }

    /// Numbers for sale that fit `search` as it stands, as many as one request shows. The carrier's own widening is not used:
    /// `best_effort` is not looked at. What comes is checked again by whoever asked. A country or type that the carrier says it does
    /// not have is an error of the class `NotFound`.
    async fn offers(&self, _: &Search) -> Result<Vec<Offer>, CarrierError> {
        Err(self.does_not("sell numbers"))
    }

    /// The offer of just this number, if it is for sale.
    async fn offer(&self, _: &E164) -> Result<Option<Offer>, CarrierError> {
        Err(self.does_not("sell numbers"))
    }

    /// Purchases that the carrier has accepted and that have not failed: those under way, and those that are finished, since the
    /// list of numbers may lag behind the list of orders. All of them or an error.
    async fn orders(&self) -> Result<Vec<Order>, CarrierError> {
        Ok(Vec::new())
    }

    /// Has the number kept for us for a while.
    async fn hold(&self, _: &E164, _: &Marker) -> Outcome<Hold> {
        Outcome::DidNothing(self.does_not("hold numbers"))
    }

    /// Buys just this number. Sent once: money may be spent whatever comes back, unless it is `DidNothing`.
    async fn purchase(&self, _: &Purchase) -> Outcome<Bought> {
        Outcome::DidNothing(self.does_not("sell numbers"))
    }

    /// Has the carrier not go on with an order that is pending. Whether it did is for a look to find out: the order may end at this
    /// very moment.
    async fn cancel(&self, _: &Order) -> Outcome<()> {
        Outcome::DidNothing(self.does_not("cancel orders"))
    }

    /// The refusal of what this carrier does not have, by its [`Capabilities`].
    fn does_not(&self, what: &str) -> CarrierError {
        let text = format!("{} does not {what}", self.capabilities().name);
        CarrierError { class: ErrorClass::Rejected, code: None, text, retry_after: None }
    }

    /// `route` as this carrier will show it once it is set, so that comparing it with what is seen does not flap.
    fn canonical(&self, route: Route) -> Route;
}
