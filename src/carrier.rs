//! What the operator needs of a carrier, whatever its API looks like.
//!
//! An adapter maps and decides nothing. What carriers differ in is declared in [`Capabilities`], by the facets that they have, or said
//! by [`ErrorClass`]; nothing outside an adapter asks which carrier it is. There is no call that releases a number. That an adapter does
//! all that is asked of it here is shown by one suite for all of them, `tests/conformance`.

mod beside;
mod budget;
mod calling;
mod codes;
pub mod endpoint;
#[cfg(test)]
mod fake;
pub mod flowyte;
#[cfg(test)]
mod fuzz;
pub mod http;
pub mod inventory;
mod lenient;
pub mod nixflex;
mod open;
pub mod single_flight;
pub mod telnyx;
pub mod twilio;
mod written;

use std::{collections::HashMap, fmt, time::Duration};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

pub use crate::api::seen::{
    Calling, CarrierError, ErrorClass, HostedAgent, HostedVersion, Identity, Messaging, NumberId, Order, OwnedNumber,
    SharedRoute,
};
pub use open::{OpenError, open};

use crate::api::{
    account::{Balance, Calls},
    number::{Channel, E164, Route, digest_of},
    offer::{NumberType, Offer, Search},
    phone_number::{Extra, NumberConfig, Regulatory},
    purchase::{Hold, Marker},
};

/// How a carrier differs from the others, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The carrier's or platform's name in texts for people: `Twilio`.
    pub name: &'static str,
    /// The channels that can be sent somewhere.
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

/// One carrier account, opened with its credentials: what every carrier does, and the facets of those that do more.
///
/// Reads may be repeated by the HTTP layer; writes are sent once. Dropping a future does not undo what was sent.
#[async_trait]
pub trait Carrier: Send + Sync + fmt::Debug {
    fn capabilities(&self) -> &Capabilities;

    /// Asks the carrier whose account this is.
    async fn identify(&self) -> Result<Identity, CarrierError>;

    /// Every number of the account: all pages or an error, never a part.
    async fn list(&self) -> Result<Vec<OwnedNumber>, CarrierError>;

    /// One number by strict equality, however loosely the carrier's own filter matches. It is absent where a list that came whole lacks it: a
    /// 404 is an error.
    async fn find(&self, number: &E164) -> Result<Option<OwnedNumber>, CarrierError>;

    /// Sets the channels that `route` names and leaves the others alone, in one write where the carrier allows it.
    async fn set_route(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber>;

    /// What the account has left, where the carrier says so.
    async fn balance(&self) -> Result<Option<Balance>, CarrierError> {
        Ok(None)
    }

    /// How many calls are answered at once, where the platform says so.
    async fn calls(&self) -> Result<Option<Calls>, CarrierError> {
        Ok(None)
    }

    /// `route` as this carrier will show it once it is set, so that comparing it with what is seen does not flap.
    fn canonical(&self, route: Route) -> Route;

    /// How it sells numbers, where it does.
    fn sales(&self) -> Option<&dyn Sales> {
        None
    }

    /// How it keeps a number for a while before it is bought, where it does.
    fn holds(&self) -> Option<&dyn Holds> {
        None
    }

    /// How orders are looked at, where a purchase may be accepted long before it is finished.
    fn orders(&self) -> Option<&dyn Orders> {
        None
    }

    /// How a number comes here from the organization's own carrier account, where it can.
    fn intake(&self) -> Option<&dyn Intake> {
        None
    }

    /// How our marker is written on a number, where numbers bear one. A bought number then bears it from the first moment.
    fn marks(&self) -> Option<&dyn Marks> {
        None
    }

    /// What many numbers are bound to, where webhooks live on that and not on the number itself.
    fn shared_routes(&self) -> Option<&dyn SharedRoutes> {
        None
    }

    /// The agents that it hosts, where it is a platform.
    fn platform(&self) -> Option<&dyn Platform> {
        None
    }

    /// How its agents are published, where they have a draft that serves nobody.
    fn publishing(&self) -> Option<&dyn Publishing> {
        None
    }

    /// How a platform takes over numbers of other carriers, where it does. All its numbers are others': it has none of its own.
    fn bindings(&self) -> Option<&dyn Bindings> {
        None
    }

    /// The settings of one number that cost extra, where it has some.
    fn extras(&self) -> Option<&dyn Extras> {
        None
    }

    /// The credentials that another platform needs to take over a number of this account, where it has some that can be lent. They go
    /// nowhere but to a platform that the account's owner named.
    fn lent(&self) -> Option<Lent> {
        None
    }
}

/// A carrier that sells numbers. The protocol of buying is safe however it does.
#[async_trait]
pub trait Sales: Send + Sync {
    /// How long a purchase of unknown outcome may take to be seen: a request's whole life, and how far listings lag. Until that
    /// has passed a number that is not there is not known not to have been bought.
    fn settling(&self) -> Duration;

    /// Numbers for sale that fit `search` as it stands, as many as one request shows. The carrier's own widening is not used:
    /// `best_effort` is not looked at. What comes is checked again by whoever asked. A country or type that the carrier says it does
    /// not have is an error of the class `NotFound`.
    async fn offers(&self, search: &Search) -> Result<Vec<Offer>, CarrierError>;

    /// The offer of just this number, if it is for sale.
    async fn offer(&self, number: &E164) -> Result<Option<Offer>, CarrierError>;

    /// Buys just this number. Sent once: money may be spent whatever comes back, unless it is `DidNothing`.
    async fn purchase(&self, purchase: &Purchase) -> Outcome<Bought>;
}

/// A carrier that keeps numbers.
#[async_trait]
pub trait Holds: Send + Sync {
    /// Has the number kept for us for a while.
    async fn hold(&self, number: &E164, marker: &Marker) -> Outcome<Hold>;

    /// How it lets go of one before that ends by itself, where it does.
    fn letting_go(&self) -> Option<&dyn LettingGo> {
        None
    }
}

/// A carrier that lets go of what it keeps.
#[async_trait]
pub trait LettingGo: Send + Sync {
    /// Keeps the number for us no longer. One that is not kept any more is let go of already. Nothing but a hold ever goes by this.
    async fn let_go(&self, hold: &Hold) -> Outcome<()>;
}

/// A platform that takes in numbers which the organization has at a carrier account of its own. Nothing is bought.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Has just this number brought in. Sent once; one that is there already is done.
    async fn bring_in(&self, number: &E164) -> Outcome<OwnedNumber>;
}

/// A carrier whose purchases are orders that it works on.
#[async_trait]
pub trait Orders: Send + Sync {
    /// The orders that have not failed: those under way, and those that are finished, since the list of numbers may lag behind the
    /// list of orders. All of them or an error.
    async fn standing(&self) -> Result<Vec<Order>, CarrierError>;

    /// Has the carrier not go on with an order that is pending. Whether it did is for a look to find out: the order may end at this
    /// very moment.
    async fn cancel(&self, order: &Order) -> Outcome<()>;
}

/// A carrier whose numbers bear a text of ours.
#[async_trait]
pub trait Marks: Send + Sync {
    /// Writes the marker on a number of ours that has lost it, or never had one.
    async fn mark(&self, id: &NumberId, marker: &Marker) -> Outcome<OwnedNumber>;
}

/// A carrier that has many numbers lead where one thing leads.
#[async_trait]
pub trait SharedRoutes: Send + Sync {
    /// Every shared route of the account by its name, whoever made it: all pages of whatever holds webhooks, or an error.
    async fn all(&self) -> Result<HashMap<String, SharedRoute>, CarrierError>;

    /// Makes the shared route of this name send traffic there: changes what is there, makes what is not. `current` is what was
    /// seen of it a moment ago. One request for each channel's holder that differs.
    async fn set(&self, name: &str, current: &SharedRoute, webhooks: &Route) -> Outcome<SharedRoute>;
}

/// A platform that hosts agents. How a number comes to be answered by one differs: a number of the platform's own is routed there
/// ([`Carrier::set_route`]), one of another carrier is [bound](Bindings).
#[async_trait]
pub trait Platform: Send + Sync {
    /// The agent of this id, if the account has it. One that was deleted, or is somebody else's, is none.
    async fn agent(&self, id: &str) -> Result<Option<HostedAgent>, CarrierError>;
}

/// A platform that answers numbers which stay at their carriers. What is bound is what [`Carrier::list`] shows: on the voice channel
/// the agent, as [`BoundTo`](crate::api::number::BoundTo) of the kind [`HOSTED_AGENT`](crate::api::number::HOSTED_AGENT).
#[async_trait]
pub trait Bindings: Send + Sync {
    /// Has the agent answer a number of the carrier account that `lent` opens. The platform sets the number's webhooks at that carrier.
    /// Sent once; whether it was done is seen by a listing.
    async fn bind(&self, number: &E164, agent: &str, lent: &Lent, config: &NumberConfig) -> Outcome<OwnedNumber>;

    /// Has the platform forget the number. It clears the webhooks at the carrier. The number stays there. One that it does not
    /// know is forgotten already.
    async fn unbind(&self, number: &E164) -> Outcome<()>;

    /// Sets what `config` names for this number, and leaves the rest. No webhook is written.
    async fn configure(&self, number: &E164, config: &NumberConfig) -> Outcome<OwnedNumber>;

    /// Why the platform would refuse this binding, as far as that can be told before anything is sent.
    fn refuses(&self, number: &E164, agent: &str, lent: &Lent) -> Option<CarrierError>;
}

/// A platform that has settings of one number for which it bills its calls at a higher rate. What it lists does not show them.
#[async_trait]
pub trait Extras: Send + Sync {
    /// Whether this one is on for a number that the platform answers.
    async fn is_on(&self, number: &E164, extra: Extra) -> Result<bool, CarrierError>;

    /// Switches this one on or off, and nothing else. No webhook is written.
    async fn switch(&self, number: &E164, extra: Extra, on: bool) -> Outcome<()>;
}

/// A platform whose agents have a draft, and versions that are published of it.
#[async_trait]
pub trait Publishing: Send + Sync {
    /// Publishes the agent's draft, with a note by which the version is found again. The same `key` does it once.
    async fn publish(&self, agent: &str, note: &str, key: &str) -> Outcome<HostedVersion>;

    /// Has a version that was published before serve again. The draft stays as it is.
    async fn point_at(&self, agent: &str, version: &str) -> Outcome<HostedVersion>;
}

/// Credentials of a carrier account, for a platform that takes over a number of it.
#[derive(Clone, Debug)]
pub struct Lent {
    /// The carrier, as platforms name it: `twilio`, `telnyx`.
    pub carrier: &'static str,
    /// The carrier's id of the account, where it has one.
    pub account: Option<String>,
    pub secret: SecretString,
    /// What of the carrier's numbers are bound to there, where the platform needs that.
    pub connection: Option<String>,
}

impl Lent {
    /// Tells one from another, and tells nobody what they are.
    pub fn fingerprint(&self) -> String {
        let Self { carrier, account, secret, connection } = self;
        let digest = digest_of(&(carrier, account, secret.expose_secret(), connection));
        digest.trim_start_matches("sha256:").get(..16).unwrap_or_default().to_owned()
    }
}

/// What is said of numbers that a carrier of this name does not sell at all.
fn sells_none(name: &str, country: &str, kind: NumberType) -> String {
    format!(
        "{name} sells no numbers of the type {} in {country}; choose another spec.purchase.search.type or country",
        kind.as_str()
    )
}

/// An answer that is not what was requested, or not all of it. Nothing of it is used: a part of a list would look like numbers lost.
fn torn(name: &str, why: &str) -> CarrierError {
    let text = format!(
        "{name} returned an incomplete or inconsistent response: {why}; the operator ignores it and checks again. If this persists, check \
         spec.endpoint and any proxy between the cluster and {name}, or ask {name}"
    );
    CarrierError::new(ErrorClass::Transient, text)
}

/// The refusal of what a carrier has no facet for.
pub fn does_not(carrier: &dyn Carrier, what: &str) -> CarrierError {
    let text = format!("{} does not {what}", carrier.capabilities().name);
    CarrierError::new(ErrorClass::Rejected, text)
}
