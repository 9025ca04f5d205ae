//! Flowyte. Does I/O through [`Http`].

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

use super::{
    Capabilities, Carrier, CarrierError, ErrorClass, Identity, NumberId, Outcome, OwnedNumber,
    http::{Limiter, Transport},
};
use crate::api::number::{E164, Route};

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

/// One Flowyte account.
pub struct Flowyte {
    capabilities: Capabilities,
}

impl fmt::Debug for Flowyte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flowyte").finish_non_exhaustive()
    }
}

impl Flowyte {
    pub fn new(_config: Config, transport: Transport, _limiter: Arc<Limiter>) -> Result<Self, ConfigError> {
        let capabilities = Capabilities {
            name: "Flowyte",
            channels: &[],
            write_lifetime: transport.deadline(),
            listing_lag: std::time::Duration::from_secs(30),
        };
        Ok(Self { capabilities })
    }
}

fn todo() -> CarrierError {
    CarrierError::new(ErrorClass::Rejected, "not built yet")
}

#[async_trait]
impl Carrier for Flowyte {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn identify(&self) -> Result<Identity, CarrierError> {
        Err(todo())
    }

    async fn list(&self) -> Result<Vec<OwnedNumber>, CarrierError> {
        Err(todo())
    }

    async fn find(&self, _: &E164) -> Result<Option<OwnedNumber>, CarrierError> {
        Err(todo())
    }

    async fn set_route(&self, _: &NumberId, _: &Route) -> Outcome<OwnedNumber> {
        Outcome::DidNothing(todo())
    }

    fn canonical(&self, route: Route) -> Route {
        route
    }
}
