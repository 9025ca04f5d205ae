//! Flowyte: a carrier whose numbers are answered by agents that it hosts itself. Does I/O through [`Http`].
//!
//! The facts that it is built on, with their sources and traps, are in `docs/carriers/flowyte.md`; the section or the trap is named where
//! one is used. What it marks as unknown may be either way here. Nothing here gives a number back, pays into a wallet or changes a draft.

mod errors;
mod hosting;
mod listing;
mod numbers;
mod purchase;
mod search;
mod wire;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use self::{
    errors::Words,
    listing::{Keyed, LIMIT, Page, Reading},
    wire::{Agent, Data, WireNumber},
};
use super::{
    Bought, Capabilities, Carrier, CarrierError, ErrorClass, Holds, HostedAgent, HostedVersion, Identity, Intake,
    LettingGo, NumberId, Outcome, OwnedNumber, Platform, Publishing, Purchase, Sales,
    budget::Budget,
    http::{Auth, Body, Call, Http, Limiter, Transport},
    lenient::Scalar,
    written,
};
use crate::api::{
    account::Balance,
    number::{Channel, E164, Route},
    offer::{Offer, Search},
    purchase::{Hold, Marker},
};

/// How long Flowyte may sit on a request after we hung up. Not documented; a generous guess, because what follows from one that is
/// too short is a look that is believed too early.
const WRITE_MARGIN: Duration = Duration::from_secs(45);
/// How far a listing may lag behind a write. Not documented (section 1.6): assumed.
const LISTING_LAG: Duration = Duration::from_secs(30);
/// How long a purchase may take to be seen. Nothing is documented about how late a request may be applied, or how far listings lag.
const SETTLING: Duration = Duration::from_secs(15 * 60);

const HOST: &str = "https://builder.flowyte.com";
const WALLET: &str = "/api/v1/billing/wallet";
/// What the wallet's amounts are in (section 3).
const WALLET_CURRENCY: &str = "USD";

/// The scopes that requests take, as they are named in texts for people.
const READ_NUMBERS: &str = "numbers:read";
const WRITE_NUMBERS: &str = "numbers:write";
/// The documents have both for a search (section 1.0).
const SEARCH: &str = "numbers:read and numbers:write";
const READ_AGENTS: &str = "agents:read";
const WRITE_AGENTS: &str = "agents:write";
const READ_BILLING: &str = "billing:read";

/// What it takes to open a Flowyte account.
#[derive(Clone, Debug)]
pub struct Config {
    pub api_key: SecretString,
    /// Another base URL in the place of Flowyte's: a sandbox, a proxy.
    pub endpoint: Option<Url>,
}

/// A configuration that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("the endpoint must be an http or https URL with a host and without credentials, query and fragment")]
    Endpoint,
}

/// One Flowyte organization.
pub struct Flowyte {
    http: Http<Words>,
    base: Url,
    capabilities: Capabilities,
}

impl fmt::Debug for Flowyte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flowyte").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wallet {
    #[serde(default)]
    balance_usd: Scalar,
}

impl Flowyte {
    /// Opens the account without asking anything yet. `limiter` is the one of this account and this key.
    pub fn new(config: Config, transport: Transport, limiter: Arc<Limiter>) -> Result<Self, ConfigError> {
        let Config { api_key, endpoint } = config;
        let base = written::base(endpoint, HOST).ok_or(ConfigError::Endpoint)?;
        let capabilities = Capabilities {
            name: errors::NAME,
            // An agent does not answer text messages (section 2.2).
            channels: &[Channel::Voice],
            write_lifetime: transport.deadline() + WRITE_MARGIN,
            listing_lag: LISTING_LAG,
        };
        Ok(Self { http: Http::new(transport, limiter, Auth::Bearer(api_key), Words), base, capabilities })
    }

    fn call<'a>(&'a self, path: &'static str, args: &'a [&'a str], query: &'a str) -> Call<'a> {
        Call { base: &self.base, path, args, query, headers: &[], before: None }
    }

    /// Reads something that takes this scope.
    async fn read<T: DeserializeOwned>(&self, scope: &str, call: Call<'_>) -> Result<T, CarrierError> {
        self.http.read(call).await.map_err(|error| errors::named(error, scope))
    }

    /// Changes something, which takes this scope.
    async fn write<T: DeserializeOwned>(
        &self,
        method: &'static str,
        scope: &str,
        call: Call<'_>,
        body: Body<'_>,
    ) -> Outcome<T> {
        named(self.http.write(method, call, body).await, scope)
    }

    /// The same, for what costs money.
    async fn spend<T: DeserializeOwned>(&self, scope: &str, call: Call<'_>, body: Body<'_>) -> Outcome<T> {
        named(self.http.spend("POST", call, body).await, scope)
    }

    fn budget(&self) -> Budget {
        Budget::new(errors::NAME)
    }

    /// Every row of a list, `limit` of them to a page.
    async fn pages<R>(
        &self,
        scope: &str,
        path: &'static str,
        args: &[&str],
        limit: usize,
        mut budget: Budget,
    ) -> Result<Vec<R>, CarrierError>
    where
        R: Keyed + DeserializeOwned,
    {
        let mut reading = Reading::new(limit);
        while let Some(query) = reading.query() {
            let sized = self.http.read_sized(self.call(path, args, &query)).await;
            let (page, bytes): (Page<R>, _) = sized.map_err(|error| errors::named(error, scope))?;
            budget.take(page.rows(), bytes)?;
            reading.take(page)?;
        }
        reading.finish()
    }

    /// The account's numbers.
    async fn rows(&self) -> Result<Vec<WireNumber>, CarrierError> {
        self.pages(READ_NUMBERS, numbers::NUMBERS, &[], LIMIT, self.budget()).await
    }

    /// Some row of a list, if it has any.
    async fn any<R: DeserializeOwned>(&self, scope: &str, path: &'static str) -> Result<Option<R>, CarrierError> {
        let page: Page<R> = self.read(scope, self.call(path, &[], "limit=1")).await?;
        Ok(page.first())
    }
}

/// The same outcome, whose refusal names the scope that was needed.
fn named<T>(outcome: Outcome<T>, scope: &str) -> Outcome<T> {
    match outcome {
        Outcome::DidNothing(error) => Outcome::DidNothing(errors::named(error, scope)),
        Outcome::Unknown(error) => Outcome::Unknown(errors::named(error, scope)),
        done => done,
    }
}

#[async_trait]
impl Carrier for Flowyte {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// No path is documented that says which organization a key is of, but every number and every agent names its own. Numbers are asked
    /// first, since a key that may not list those is of no use at all; agents where there is no number yet.
    ///
    /// An organization that has neither cannot be told from another one, and to take it for some stand-in would be worse than to wait:
    /// claims are made under an identity, and it would be another one as soon as there is something to read it from (trap 25). So that is an
    /// error, which an agent ends, be it an unpublished one, and one is needed to answer numbers anyway. Its class is the one of an account
    /// that is not there: it makes people look at the organization and not at the network, and the next look is soon.
    async fn identify(&self) -> Result<Identity, CarrierError> {
        let number: Option<WireNumber> = self.any(READ_NUMBERS, numbers::NUMBERS).await?;
        let account = match number.and_then(|row| row.organization_id) {
            Some(account) => Some(account),
            None => {
                let agent: Option<Agent> = self.any(READ_AGENTS, hosting::AGENTS).await?;
                agent.and_then(|agent| agent.organization_id)
            }
        };
        let account = account.ok_or_else(|| {
            let text = "the Flowyte organization has neither a number nor an agent, so the operator cannot read its ID; create an agent \
                        there, as a draft";
            CarrierError::new(ErrorClass::NotFound, text)
        })?;
        Ok(Identity { account, inactive: None })
    }

    async fn list(&self) -> Result<Vec<OwnedNumber>, CarrierError> {
        Ok(self.rows().await?.into_iter().filter_map(WireNumber::owned).collect())
    }

    /// No filter is documented (section 5), so all are read and each is compared.
    async fn find(&self, number: &E164) -> Result<Option<OwnedNumber>, CarrierError> {
        let mut same = self.rows().await?.into_iter().filter(|row| row.number().as_ref() == Some(number));
        match (same.next(), same.next()) {
            (row, None) => Ok(row.and_then(WireNumber::owned)),
            (_, Some(_)) => Err(errors::torn("a number is in the list twice")),
        }
    }

    async fn set_route(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber> {
        self.assign(id, route).await
    }

    async fn balance(&self) -> Result<Option<Balance>, CarrierError> {
        let Data { data: wallet, .. } = self.read::<Data<Wallet>>(READ_BILLING, self.call(WALLET, &[], "")).await?;
        let amount = written::amount(&wallet.balance_usd);
        Ok(amount.map(|amount| Balance { amount, currency: WALLET_CURRENCY.to_owned() }))
    }

    fn canonical(&self, route: Route) -> Route {
        wire::canonical(route)
    }

    fn sales(&self) -> Option<&dyn Sales> {
        Some(self)
    }

    fn holds(&self) -> Option<&dyn Holds> {
        Some(self)
    }

    fn intake(&self) -> Option<&dyn Intake> {
        Some(self)
    }

    fn platform(&self) -> Option<&dyn Platform> {
        Some(self)
    }

    fn publishing(&self) -> Option<&dyn Publishing> {
        Some(self)
    }
}

/// A search, and a purchase from a prepaid wallet that is done when it is answered (sections 1.2 to 1.6). A number is bought without a
/// route: an agent is assigned once it is there.
#[async_trait]
impl Sales for Flowyte {
    fn settling(&self) -> Duration {
        SETTLING
    }

    async fn offers(&self, search: &Search) -> Result<Vec<Offer>, CarrierError> {
        self.search(search).await
    }

    async fn offer(&self, number: &E164) -> Result<Option<Offer>, CarrierError> {
        self.exact(number).await
    }

    async fn purchase(&self, purchase: &Purchase) -> Outcome<Bought> {
        self.buy(purchase).await
    }
}

/// Reservations, for about 30 minutes, of numbers that can be reserved. They bear no text of ours.
#[async_trait]
impl Holds for Flowyte {
    async fn hold(&self, number: &E164, _: &Marker) -> Outcome<Hold> {
        self.reserve(number).await
    }

    fn letting_go(&self) -> Option<&dyn LettingGo> {
        Some(self)
    }
}

#[async_trait]
impl LettingGo for Flowyte {
    async fn let_go(&self, hold: &Hold) -> Outcome<()> {
        self.unreserve(hold).await
    }
}

/// Numbers of the organization's own carrier account, without a charge to the wallet (section 1.7).
#[async_trait]
impl Intake for Flowyte {
    async fn bring_in(&self, number: &E164) -> Outcome<OwnedNumber> {
        self.import(number).await
    }
}

/// Agents, whose numbers are Flowyte's own.
#[async_trait]
impl Platform for Flowyte {
    async fn agent(&self, id: &str) -> Result<Option<HostedAgent>, CarrierError> {
        self.hosted(id).await
    }
}

#[async_trait]
impl Publishing for Flowyte {
    async fn publish(&self, agent: &str, note: &str, key: &str) -> Outcome<HostedVersion> {
        self.publish_draft(agent, note, key).await
    }

    async fn point_at(&self, agent: &str, version: &str) -> Outcome<HostedVersion> {
        self.roll_back(agent, version).await
    }
}
