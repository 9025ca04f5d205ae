//! Nixflex: a platform whose agents answer numbers that stay at Twilio or Telnyx. Does I/O through [`Http`].
//!
//! The facts that it is built on, with their sources and traps, are in `docs/carriers/nixflex.md`; the section is named where one is
//! used. What it marks as unknown may be either way here.

mod agents;
mod bindings;
mod errors;
mod extras;
mod listing;
mod wire;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::IgnoredAny};
use url::Url;

use self::errors::Words;
use super::{
    Bindings, Capabilities, Carrier, CarrierError, ErrorClass, Extras, HostedAgent, Identity, Lent, NumberId, Outcome,
    OwnedNumber, Platform,
    budget::Budget,
    http::{Auth, Call, Http, Limiter, Transport},
    lenient::Scalar,
    written,
};
use crate::api::{
    account::Calls,
    number::{Channel, E164, Route},
    phone_number::{Extra, NumberConfig},
};

/// How long Nixflex may sit on a request after we hung up. Its own clients wait for 30 seconds (section 5), and an import asks the
/// number's carrier several times meanwhile; nothing is documented, so this is generous: what follows from one that is too short is a
/// look that is believed too early.
const WRITE_MARGIN: Duration = Duration::from_secs(60);
/// How far the list may lag behind a write. Nothing is documented: assumed.
const LISTING_LAG: Duration = Duration::from_secs(30);

const HOST: &str = "https://api.nixflex.com";
const USAGE: &str = "/v1/usage";

/// What it takes to open a Nixflex account.
#[derive(Clone, Debug)]
pub struct Config {
    /// The key's id and its secret with a colon between them.
    pub api_key: SecretString,
    /// Another base URL in the place of Nixflex's: a sandbox, a proxy.
    pub endpoint: Option<Url>,
}

/// A configuration that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "its key apiKey is not a Nixflex key: write the key's ID and its secret with a colon between them, as in nxf_...:nxfs_..."
    )]
    ApiKey,
    #[error("the endpoint must be an http or https URL with a host and without credentials, query and fragment")]
    Endpoint,
}

/// One Nixflex API key, to which all numbers and agents belong (section 1).
pub struct Nixflex {
    http: Http<Words>,
    key_id: String,
    base: Url,
    capabilities: Capabilities,
}

impl fmt::Debug for Nixflex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nixflex")
            .field("key_id", &self.key_id)
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// What a key has used and may use (section 1).
#[derive(Debug, Deserialize)]
struct Usage {
    plan: Option<IgnoredAny>,
    total_calls: Option<IgnoredAny>,
    #[serde(default)]
    max_concurrent: Scalar,
    #[serde(default)]
    peak_concurrent_this_month: Scalar,
    #[serde(default)]
    rejected_at_cap_this_month: Scalar,
}

impl Usage {
    /// Whether it is one at all.
    fn is_told(&self) -> bool {
        self.plan.is_some() || self.total_calls.is_some() || self.max_concurrent != Scalar::Nothing
    }

    fn calls(&self) -> Option<Calls> {
        Some(Calls {
            max_concurrent: written::count(&self.max_concurrent)?,
            peak_this_month: written::count(&self.peak_concurrent_this_month),
            rejected_this_month: written::count(&self.rejected_at_cap_this_month),
        })
    }
}

impl Nixflex {
    /// Opens the account without asking anything yet. `limiter` is the one of this key.
    pub fn new(config: Config, transport: Transport, limiter: Arc<Limiter>) -> Result<Self, ConfigError> {
        let Config { api_key, endpoint } = config;
        let key_id = key_id(api_key.expose_secret()).ok_or(ConfigError::ApiKey)?;
        let base = written::base(endpoint, HOST).ok_or(ConfigError::Endpoint)?;
        let capabilities = Capabilities {
            name: errors::NAME,
            channels: &[Channel::Voice],
            write_lifetime: transport.deadline() + WRITE_MARGIN,
            listing_lag: LISTING_LAG,
        };
        let http = Http::new(transport, limiter, Auth::Bearer(api_key), Words);
        Ok(Self { http, key_id, base, capabilities })
    }

    fn call<'a>(&'a self, path: &'static str, args: &'a [&'a str], query: &'a str) -> Call<'a> {
        Call { base: &self.base, path, args, query, headers: &[], before: None }
    }

    async fn usage(&self) -> Result<Usage, CarrierError> {
        let usage: Usage = self.http.read(self.call(USAGE, &[], "")).await?;
        match usage.is_told() {
            true => Ok(usage),
            false => Err(errors::torn("it has none of the requested figures")),
        }
    }

    /// One number out of the list: there is no way to ask for just one (section 2.2).
    async fn number(&self, number: &E164) -> Result<Option<OwnedNumber>, CarrierError> {
        let is_it = |row: &wire::WireNumber| row.phone_number == number.as_str();
        Ok(self.rows().await?.into_iter().find(is_it).and_then(wire::WireNumber::owned))
    }
}

/// The id of a key, which is shown to people. One that is written the wrong way round would show the secret.
fn key_id(api_key: &str) -> Option<String> {
    let (id, secret) = api_key.split_once(':')?;
    let is_meant = !id.is_empty() && !secret.is_empty() && !id.starts_with("nxfs_") && !secret.starts_with("nxf_");
    is_meant.then(|| id.to_owned())
}

#[async_trait]
impl Carrier for Nixflex {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The id of the key, once it has opened something: what belongs to one key is not seen with any other, even one of the same
    /// customer (section 1). Its secret may be replaced, and it stays the same.
    async fn identify(&self) -> Result<Identity, CarrierError> {
        match self.usage().await {
            Ok(_) => {}
            Err(error) if matches!(error.class, ErrorClass::Unauthorized | ErrorClass::Throttled) => return Err(error),
            // Nothing but figures hangs on the usage: that the key opens something shows in the list of numbers as well.
            Err(error) => drop(self.page(None, None, &mut Budget::new(errors::NAME)).await.map_err(|_| error)?),
        }
        Ok(Identity { account: self.key_id.clone(), inactive: None })
    }

    /// The tier of the key (section 1).
    async fn calls(&self) -> Result<Option<Calls>, CarrierError> {
        match self.usage().await {
            Ok(usage) => Ok(usage.calls()),
            Err(error) if matches!(error.class, ErrorClass::NotFound | ErrorClass::Forbidden) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self) -> Result<Vec<OwnedNumber>, CarrierError> {
        Ok(self.rows().await?.into_iter().filter_map(wire::WireNumber::owned).collect())
    }

    async fn find(&self, number: &E164) -> Result<Option<OwnedNumber>, CarrierError> {
        self.number(number).await
    }

    async fn set_route(&self, id: &NumberId, route: &Route) -> Outcome<OwnedNumber> {
        self.clear(id, route).await
    }

    fn canonical(&self, route: Route) -> Route {
        wire::canonical(route)
    }

    fn platform(&self) -> Option<&dyn Platform> {
        Some(self)
    }

    fn bindings(&self) -> Option<&dyn Bindings> {
        Some(self)
    }

    fn extras(&self) -> Option<&dyn Extras> {
        Some(self)
    }
}

/// Agents, which have no draft.
#[async_trait]
impl Platform for Nixflex {
    async fn agent(&self, id: &str) -> Result<Option<HostedAgent>, CarrierError> {
        self.hosted(id).await
    }
}

/// An import, and its end.
#[async_trait]
impl Bindings for Nixflex {
    async fn bind(&self, number: &E164, agent: &str, lent: &Lent, config: &NumberConfig) -> Outcome<OwnedNumber> {
        self.import(number, agent, lent, config).await
    }

    async fn unbind(&self, number: &E164) -> Outcome<()> {
        self.remove(number).await
    }

    async fn configure(&self, number: &E164, config: &NumberConfig) -> Outcome<OwnedNumber> {
        self.set(number, config).await
    }

    fn refuses(&self, _number: &E164, _agent: &str, lent: &Lent) -> Option<CarrierError> {
        self.foresees(lent)
    }
}

/// Monitoring and web calls.
#[async_trait]
impl Extras for Nixflex {
    async fn is_on(&self, number: &E164, extra: Extra) -> Result<bool, CarrierError> {
        self.extra(number, extra).await
    }

    async fn switch(&self, number: &E164, extra: Extra, on: bool) -> Outcome<()> {
        self.switch_extra(number, extra, on).await
    }
}
