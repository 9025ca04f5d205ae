//! Twilio: numbers whose webhooks live on the number itself. Does I/O through [`Http`].
//!
//! The facts that it is built on, with their sources and traps, are in `docs/carriers/twilio.md`; the section is named where
//! one is used.

mod errors;
mod inbound;
mod listing;
mod memberships;
mod messaging;
mod prices;
mod purchase;
mod regions;
mod search;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use url::Url;

use self::{
    errors::Words,
    listing::{Page, Reading},
    memberships::Memberships,
    prices::Prices,
    regions::Regions,
    wire::{Account, NumberPage, WireNumber},
};
use super::{
    Bought, Capabilities, Carrier, CarrierError, ErrorClass, Identity, Lent, Marks, NumberId, Outcome, OwnedNumber,
    Purchase, Sales,
    beside::Beside,
    budget::Budget,
    http::{Auth, Body, Call, Http, Limiter, Transport},
    written,
};
use crate::api::{
    account::Balance,
    number::{Channel, E164, Route},
    offer::{Offer, Search},
    purchase::Marker,
};

/// How long Twilio may sit on a request after we hung up. Not documented; a generous guess, because what follows from
/// one that is too short is a look that is believed too early.
const WRITE_MARGIN: Duration = Duration::from_secs(45);
/// How far a listing may lag behind a write. Not documented (section 12): assumed.
const LISTING_LAG: Duration = Duration::from_secs(30);

/// How long a purchase may take to be seen. Nothing is documented about how late a request may be applied, or how far listings lag.
const SETTLING: Duration = Duration::from_secs(15 * 60);

const ACCOUNT: &str = "/2010-04-01/Accounts/{}.json";
const NUMBERS: &str = "/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json";
const NUMBER: &str = "/2010-04-01/Accounts/{}/IncomingPhoneNumbers/{}.json";

/// What opens an account (section 4).
#[derive(Clone, Debug)]
pub enum Credentials {
    /// The Auth Token of the account itself.
    AuthToken(SecretString),
    /// An API key of the account, or of its parent.
    ApiKey { sid: String, secret: SecretString },
}

/// Where the account's configuration lives. Each region holds its own webhooks for a number (section 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// `ie1`
    pub region: String,
    /// `dublin`. Without it Twilio no longer answers outside of us1, so the two go together.
    pub edge: String,
}

/// What it takes to open a Twilio account.
#[derive(Clone, Debug)]
pub struct Config {
    /// `AC…`: the account whose numbers are meant, whoever the credentials belong to.
    pub account_sid: String,
    pub credentials: Credentials,
    /// `None` is Twilio's default, us1.
    pub region: Option<Region>,
    /// Another base URL in the place of every one of Twilio's hosts: a sandbox, a proxy.
    pub endpoint: Option<Url>,
}

/// A configuration that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "accountSid is not a Twilio Account SID: write AC and the 32 hexadecimal digits shown in the Twilio Console"
    )]
    AccountSid,
    #[error("region and edge must be plain names such as ie1 and dublin")]
    Region,
    #[error("the endpoint must be an http or https URL with a host and without credentials, query and fragment")]
    Endpoint,
}

/// One Twilio account.
pub struct Twilio {
    inner: Arc<Api>,
    /// The reading of Messaging Services.
    messaging_round: Beside,
    /// The reading of the numbers' regions.
    region_round: Beside,
}

/// What answers for an account.
pub struct Api {
    http: Http<Words>,
    account: String,
    api: Url,
    messaging: Url,
    pricing: Url,
    routes: Url,
    /// The region whose webhooks are read and set.
    region: String,
    /// The Auth Token, where that is what opens the account: then the credentials can belong to no other account, and can be lent.
    auth_token: Option<SecretString>,
    /// Whether the account has no parent, where that could be seen. It does not change, so it is asked once.
    parentless: OnceCell<bool>,
    prices: Prices,
    /// Who receives the messages of which number, as far as it was read.
    memberships: Mutex<Memberships>,
    /// Which region answers the calls to which number, as far as it was read.
    regions: Mutex<Regions>,
    capabilities: Capabilities,
}

impl Deref for Twilio {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.inner
    }
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio")
            .field("account", &self.account)
            .field("api", &self.api.as_str())
            .finish_non_exhaustive()
    }
}

impl Twilio {
    /// Opens the account without asking anything yet. `limiter` is the one of this account and these credentials.
    pub fn new(config: Config, transport: Transport, limiter: Arc<Limiter>) -> Result<Self, ConfigError> {
        let Config { account_sid: account, credentials, region, endpoint } = config;
        let digits = account.strip_prefix("AC").unwrap_or_default();
        if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ConfigError::AccountSid);
        }
        let (auth, auth_token) = match credentials {
            Credentials::AuthToken(token) => {
                (Auth::Basic { user: account.clone(), password: token.clone() }, Some(token))
            }
            Credentials::ApiKey { sid, secret } => (Auth::Basic { user: sid, password: secret }, None),
        };
        let capabilities = Capabilities {
            name: errors::NAME,
            channels: &Channel::ALL,
            write_lifetime: transport.deadline() + WRITE_MARGIN,
            listing_lag: LISTING_LAG,
        };
        let api = Api {
            http: Http::new(transport, limiter, auth, Words),
            account,
            api: host("api", region.as_ref(), endpoint.as_ref())?,
            messaging: host("messaging", region.as_ref(), endpoint.as_ref())?,
            pricing: host("pricing", region.as_ref(), endpoint.as_ref())?,
            // There is one for all regions (section 9).
            routes: host("routes", None, endpoint.as_ref())?,
            region: region.map_or_else(|| regions::DEFAULT.to_owned(), |region| region.region),
            auth_token,
            parentless: OnceCell::new(),
            prices: Prices::default(),
            memberships: Mutex::default(),
            regions: Mutex::default(),
            capabilities,
        };
        Ok(Self { inner: Arc::new(api), messaging_round: Beside::default(), region_round: Beside::default() })
    }

    /// The account's numbers that Twilio's own filter lets through, all pages of them.
    async fn rows(&self, query: &str) -> Result<Vec<WireNumber>, CarrierError> {
        let mut budget = Budget::new(errors::NAME);
        let rows = self.pages::<NumberPage>(&self.api, NUMBERS, &[&self.account], query, &mut budget).await?;
        match rows.iter().all(|row| row.account_sid == self.account) {
            true => Ok(rows),
            false => Err(listing::torn("the list has a number of another account")),
        }
    }

    /// Changes these fields of a number and no others (section 1.3).
    async fn update(&self, id: &NumberId, fields: &[(&str, &str)]) -> Outcome<OwnedNumber> {
        let call = Call {
            base: &self.api,
            path: NUMBER,
            args: &[&self.account, &id.0],
            query: "",
            headers: &[],
            before: None,
        };
        let row = match self.http.write::<WireNumber>("POST", call, Body::Form(fields)).await {
            Outcome::Did(row) => row,
            Outcome::DidNothing(error) => return Outcome::DidNothing(error),
            Outcome::Unknown(error) => return Outcome::Unknown(error),
        };
        let ours = row.sid == id.0 && row.account_sid == self.account;
        match row.owned(&Memberships::default()).filter(|_| ours) {
            Some(number) => Outcome::Did(number),
            None => Outcome::Unknown(listing::torn("it shows another number than the one to change")),
        }
    }
}

impl Api {
    async fn account(&self) -> Result<Account, CarrierError> {
        let call =
            Call { base: &self.api, path: ACCOUNT, args: &[&self.account], query: "", headers: &[], before: None };
        let account: Account = self.http.read(call).await?;
        if account.sid != self.account {
            return Err(listing::torn("it shows another account than the requested one"));
        }
        if let Some(owner) = account.owner_account_sid.as_deref().filter(|owner| !owner.is_empty()) {
            let _ = self.parentless.set(owner == self.account);
        }
        Ok(account)
    }

    /// Every row of a list, of whose first page `first` is the query, within `budget`.
    async fn pages<P>(
        &self,
        base: &Url,
        path: &'static str,
        args: &[&str],
        first: &str,
        budget: &mut Budget,
    ) -> Result<Vec<P::WireNumber>, CarrierError>
    where
        P: Page + DeserializeOwned,
    {
        let mut reading = Reading::new(first);
        while let Some(query) = reading.query() {
            let (page, bytes): (P, _) =
                self.http.read_sized(Call { base, path, args, query, headers: &[], before: None }).await?;
            budget.take(page.place().rows, bytes)?;
            reading.take(page)?;
        }
        reading.finish()
    }
}

#[async_trait]
impl Carrier for Twilio {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Standard and restricted API keys may not read the account itself (section 4). What such a key opens is still
    /// proved by the account's numbers, whose path and rows name it.
    async fn identify(&self) -> Result<Identity, CarrierError> {
        let denied = match self.account().await {
            Ok(account) => {
                let inactive = account.status.filter(|status| status != "active");
                return Ok(Identity { account: account.sid, inactive });
            }
            Err(error) => error,
        };
        let maybe_a_key =
            self.auth_token.is_none() && matches!(denied.class, ErrorClass::Unauthorized | ErrorClass::Forbidden);
        if !maybe_a_key {
            return Err(denied);
        }
        let call = Call {
            base: &self.api,
            path: NUMBERS,
            args: &[&self.account],
            query: "PageSize=1",
            headers: &[],
            before: None,
        };
        let page: NumberPage = self.http.read(call).await?;
        match page.rows.iter().all(|row| row.account_sid == self.account) {
            true => Ok(Identity { account: self.account.clone(), inactive: None }),
            false => Err(listing::torn("the list has a number of another account")),
        }
    }

    /// Who receives the numbers' messages and calls is read beside it, and shown as far as it is known by now.
    async fn list(&self) -> Result<Vec<OwnedNumber>, CarrierError> {
        let rows = self.rows(listing::FIRST_PAGE).await?;
        self.read_messaging();
        let mut numbers: Vec<OwnedNumber> = {
            let memberships = self.memberships();
            rows.into_iter().filter_map(|row| row.owned(&memberships)).collect()
        };
        {
            let regions = self.regions();
            numbers.iter_mut().for_each(|number| number.calling = regions.of(&number.id.0, &self.region));
        }
        self.read_regions(&numbers);
        Ok(numbers)
    }

    /// The filter matches parts of numbers too (section 1.1), so every row of every page is compared. Who receives the
    /// number's messages is not asked again: that would take as many requests as for all numbers.
    async fn find(&self, number: &E164) -> Result<Option<OwnedNumber>, CarrierError> {
        // An unescaped + would be read as a space.
        let query = format!("PhoneNumber=%2B{}&{}", number.digits(), listing::FIRST_PAGE);
        let mut same = self.rows(&query).await?.into_iter().filter(|row| row.phone_number == number.as_str());
        match (same.next(), same.next()) {
            (found, None) => Ok(found.and_then(|row| row.owned(&Memberships::default()))),
            (_, Some(_)) => Err(listing::torn("a number is in the list twice")),
        }
    }

    async fn set_route(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber> {
        let form = wire::form(&self.canonical(route.clone()));
        if form.is_empty() {
            return Outcome::DidNothing(CarrierError::new(
                ErrorClass::Rejected,
                "the route has no channel that can be set; this is a bug in Dialplane",
            ));
        }
        let fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.update(id, &fields).await
    }

    async fn balance(&self) -> Result<Option<Balance>, CarrierError> {
        self.left().await
    }

    fn canonical(&self, route: Route) -> Route {
        wire::canonical(route)
    }

    fn sales(&self) -> Option<&dyn Sales> {
        Some(self)
    }

    fn marks(&self) -> Option<&dyn Marks> {
        Some(self)
    }

    /// A platform sets the webhooks with the Auth Token; it takes no API key.
    fn lent(&self) -> Option<Lent> {
        let secret = self.auth_token.clone()?;
        Some(Lent { carrier: "twilio", account: Some(self.account.clone()), secret, connection: None })
    }
}

/// A search, and one request that buys and whose answer is the number (sections 1.2, 2 and 8). Nothing can be reserved.
#[async_trait]
impl Sales for Twilio {
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

/// `FriendlyName`, which the purchase itself sets.
#[async_trait]
impl Marks for Twilio {
    async fn mark(&self, id: &NumberId, marker: &Marker) -> Outcome<OwnedNumber> {
        self.update(id, &[("FriendlyName", marker.as_str())]).await
    }
}

/// The base URL of one of Twilio's products.
fn host(product: &str, region: Option<&Region>, endpoint: Option<&Url>) -> Result<Url, ConfigError> {
    if let Some(url) = endpoint {
        return if written::is_base(url) { Ok(url.clone()) } else { Err(ConfigError::Endpoint) };
    }
    let host = match region {
        None => format!("{product}.twilio.com"),
        Some(Region { region, edge }) => {
            let plain = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !plain(region) || !plain(edge) {
                return Err(ConfigError::Region);
            }
            format!("{product}.{edge}.{region}.twilio.com")
        }
    };
    Url::parse(&format!("https://{host}")).map_err(|_| ConfigError::Region)
}
