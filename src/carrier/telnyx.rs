//! Telnyx: numbers that are bound to an application and a messaging profile, where the webhooks live. Does I/O through [`Http`].
//!
//! The facts that it is built on, with their sources and traps, are in `docs/carriers/telnyx.md`; the section is named where
//! one is used. What it marks as unknown may be either way here.

mod errors;
mod forwarding;
mod listing;
mod numbers;
mod purchase;
mod search;
mod shared;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use self::{
    errors::Words,
    listing::{Keyed, Page, Reading},
    wire::{Data, WireNumber},
};
use super::{
    Bought, Capabilities, Carrier, CarrierError, Holds, Identity, Lent, Marks, NumberId, Order, Orders, Outcome,
    OwnedNumber, Purchase, Sales, SharedRoute, SharedRoutes,
    beside::Beside,
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

/// How long Telnyx may sit on a request after we hung up. Not documented; a generous guess, because what follows from
/// one that is too short is a look that is believed too early.
const WRITE_MARGIN: Duration = Duration::from_secs(45);
/// How far a listing may lag behind a write. Messaging settings live in another service (section 6.5), and nothing is
/// documented: assumed.
const LISTING_LAG: Duration = Duration::from_secs(30);

/// How long a purchase may take to be seen. Nothing is documented about how late a request may be applied, or how far listings lag.
const SETTLING: Duration = Duration::from_secs(15 * 60);

const HOST: &str = "https://api.telnyx.com";
const BALANCE: &str = "/v2/balance";

/// What it takes to open a Telnyx account.
#[derive(Clone, Debug)]
pub struct Config {
    pub api_key: SecretString,
    /// Which account this is, in our words: Telnyx documents no id of one (section 8), and keys change.
    pub identity: String,
    /// Another base URL in the place of Telnyx's: a sandbox, a proxy.
    pub endpoint: Option<Url>,
}

/// A configuration that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("the endpoint must be an http or https URL with a host and without credentials, query and fragment")]
    Endpoint,
}

/// One Telnyx account.
pub struct Telnyx {
    inner: Arc<Api>,
    /// The reading of the numbers' voice settings.
    forwarding_round: Beside,
}

/// What answers for an account.
pub struct Api {
    http: Http<Words>,
    api_key: SecretString,
    identity: String,
    base: Url,
    /// The numbers whose calls are always forwarded, by their ids; nothing until it was read whole.
    forwarded: Mutex<Option<HashSet<String>>>,
    capabilities: Capabilities,
}

impl Deref for Telnyx {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.inner
    }
}

impl fmt::Debug for Telnyx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telnyx")
            .field("identity", &self.identity)
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// Every amount is a text (section 8).
#[derive(Debug, Deserialize)]
struct BalanceShown {
    #[serde(default)]
    balance: Scalar,
    currency: Option<String>,
}

impl Telnyx {
    /// Opens the account without asking anything yet. `limiter` is the one of this account and this key.
    pub fn new(config: Config, transport: Transport, limiter: Arc<Limiter>) -> Result<Self, ConfigError> {
        let Config { api_key, identity, endpoint } = config;
        let base = written::base(endpoint, HOST).ok_or(ConfigError::Endpoint)?;
        let capabilities = Capabilities {
            name: errors::NAME,
            channels: &[Channel::Voice, Channel::Sms],
            write_lifetime: transport.deadline() + WRITE_MARGIN,
            listing_lag: LISTING_LAG,
        };
        let http = Http::new(transport, limiter, Auth::Bearer(api_key.clone()), Words);
        let api = Api { http, api_key, identity, base, forwarded: Mutex::default(), capabilities };
        Ok(Self { inner: Arc::new(api), forwarding_round: Beside::default() })
    }
}

impl Api {
    fn call<'a>(&'a self, path: &'static str, args: &'a [&'a str], query: &'a str) -> Call<'a> {
        Call { base: &self.base, path, args, query, headers: &[], before: None }
    }

    /// One thing, out of its envelope.
    async fn read<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CarrierError> {
        let Data { data } = self.http.read(call).await?;
        Ok(data)
    }

    /// Changes one thing; answers how it is then.
    async fn write<T: DeserializeOwned>(&self, method: &'static str, call: Call<'_>, body: &Value) -> Outcome<T> {
        self.http.write::<Data<T>>(method, call, Body::Json(body)).await.map(|answer| answer.data)
    }

    /// Every row of a list that `filter` lets through: an encoded query, or nothing.
    async fn pages<R>(&self, path: &'static str, filter: &str) -> Result<Vec<R>, CarrierError>
    where
        R: Keyed + DeserializeOwned,
    {
        let (mut reading, mut budget) = (Reading::new(filter), Budget::new(errors::NAME));
        while let Some(query) = reading.query() {
            let (page, bytes): (Page<R>, _) = self.http.read_sized(self.call(path, &[], &query)).await?;
            budget.take(page.rows(), bytes)?;
            reading.take(page)?;
        }
        reading.finish()
    }

    async fn money(&self) -> Result<BalanceShown, CarrierError> {
        self.read(self.call(BALANCE, &[], "")).await
    }
}

#[async_trait]
impl Carrier for Telnyx {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Telnyx documents nothing that tells one account from another, so the answer is the identity that was configured, once the
    /// key has opened something. That another account's key was put in its place shows by its numbers only.
    async fn identify(&self) -> Result<Identity, CarrierError> {
        let inactive = match self.money().await {
            Ok(_) => None,
            Err(error) if error.has_code(errors::INACTIVE) => Some("inactive".to_owned()),
            Err(error) if error.has_code(errors::BLOCKED) => Some("blocked".to_owned()),
            Err(error) => return Err(error),
        };
        Ok(Identity { account: self.identity.clone(), inactive })
    }

    /// Which numbers forward their calls is read beside it, and shown as far as it is known by now.
    async fn list(&self) -> Result<Vec<OwnedNumber>, CarrierError> {
        let rows = self.rows("").await?;
        let owned = rows.into_iter().filter_map(|row| row.owned().transpose());
        let mut numbers = owned.collect::<Result<Vec<_>, _>>()?;
        self.tell_forwarded(&mut numbers);
        Ok(numbers)
    }

    /// The filter takes digits only: with the `+` the answer is an empty list, as if the number were gone (section 6.1). It matches
    /// parts of numbers too, so every row of every page is compared, and one that is no longer the account's may still be listed.
    async fn find(&self, number: &E164) -> Result<Option<OwnedNumber>, CarrierError> {
        let rows = self.rows(&format!("filter%5Bphone_number%5D={}", number.digits())).await?;
        let is_it = |row: &WireNumber| row.phone_number.as_deref() == Some(number.as_str()) && row.is_owned();
        let mut same = rows.into_iter().filter(is_it);
        match (same.next(), same.next()) {
            (None, _) => Ok(None),
            (Some(row), None) => row.owned(),
            (_, Some(_)) => Err(listing::torn("a number is in the list twice")),
        }
    }

    async fn set_route(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber> {
        self.bind(id, route).await
    }

    /// The balance, and not the available credit: that adds what Telnyx lends (section 8), and is no less where money has run out.
    async fn balance(&self) -> Result<Option<Balance>, CarrierError> {
        let BalanceShown { balance, currency } = self.money().await?;
        let currency = currency.as_deref().and_then(written::currency);
        Ok(written::amount(&balance).zip(currency).map(|(amount, currency)| Balance { amount, currency }))
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

    fn orders(&self) -> Option<&dyn Orders> {
        Some(self)
    }

    fn marks(&self) -> Option<&dyn Marks> {
        Some(self)
    }

    fn shared_routes(&self) -> Option<&dyn SharedRoutes> {
        Some(self)
    }

    fn lent(&self) -> Option<Lent> {
        Some(Lent { carrier: "telnyx", account: None, secret: self.api_key.clone(), connection: None })
    }
}

/// A search, and an order that ends some time after it was taken (sections 2 to 5).
#[async_trait]
impl Sales for Telnyx {
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

/// Reservations, for 30 minutes, of numbers that can be reserved.
#[async_trait]
impl Holds for Telnyx {
    async fn hold(&self, number: &E164, marker: &Marker) -> Outcome<Hold> {
        self.reserve(number, marker).await
    }
}

/// 200 is not bought.
#[async_trait]
impl Orders for Telnyx {
    async fn standing(&self) -> Result<Vec<Order>, CarrierError> {
        self.standing_orders().await
    }

    async fn cancel(&self, order: &Order) -> Outcome<()> {
        self.cancel_order(order).await
    }
}

/// `customer_reference`, which goes from the order to the number.
#[async_trait]
impl Marks for Telnyx {
    async fn mark(&self, id: &NumberId, marker: &Marker) -> Outcome<OwnedNumber> {
        self.write_marker(id, marker).await
    }
}

/// An application and a messaging profile of the same name.
#[async_trait]
impl SharedRoutes for Telnyx {
    async fn all(&self) -> Result<HashMap<String, SharedRoute>, CarrierError> {
        self.shared().await
    }

    async fn set(&self, name: &str, current: &SharedRoute, webhooks: &Route) -> Outcome<SharedRoute> {
        self.share(name, current, webhooks).await
    }
}
