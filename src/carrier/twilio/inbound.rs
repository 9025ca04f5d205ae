//! Which region answers the calls to a Twilio number. Does I/O.
//!
//! Each region keeps webhooks of its own for a number, and the number's inbound processing region says whose count (section 9). A
//! number does not show it and there is no list of it: each number is asked about by itself. So that is done beside the listings, with
//! pauses, for numbers that have a voice route to lose, first for those that nobody has asked about, and then rarely. It is never set.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use tokio::time::Instant;

use super::{Api, Twilio, regions::Regions, wire};
use crate::{
    api::number::E164,
    carrier::{CarrierError, ErrorClass, OwnedNumber, http::Call, lenient::Scalar},
};

const NUMBER: &str = "/v2/PhoneNumbers/{}";

/// How long is waited between two numbers: the rate of the account is for what has to be done.
const PAUSE: Duration = Duration::from_millis(500);
/// After so many numbers in a row that are not known there, the account's numbers are not there at all.
const MISSES: usize = 10;

/// A number's route, as version 2 of the API writes it, and as version 3 does.
#[derive(Debug, Deserialize)]
struct Route {
    #[serde(default, alias = "accountSid")]
    account_sid: Scalar,
    #[serde(default, alias = "phoneNumber")]
    phone_number: Scalar,
    #[serde(default, alias = "voiceRegion")]
    voice_region: Scalar,
}

impl Twilio {
    /// Begins to ask about the numbers that are due, unless that is under way.
    pub(super) fn read_regions(&self, listed: &[OwnedNumber]) {
        let due = self.regions().due(listed, Instant::now());
        if !due.is_empty() {
            let api: Arc<Api> = self.inner.clone();
            self.region_round.begin(Duration::ZERO, || async move { api.read_regions(due).await });
        }
    }
}

impl Api {
    /// What is known by now.
    pub(super) fn regions(&self) -> MutexGuard<'_, Regions> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks about these, one after the other, until the API does not answer. Credentials that may read numbers need not reach it, and what it
    /// does not say is `Unseen`.
    async fn read_regions(&self, due: Vec<(String, E164)>) {
        let mut misses = 0;
        for (at, (sid, number)) in due.iter().enumerate() {
            if at > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let region = match self.read_region(number).await {
                Ok(region) => region,
                Err(error) if error.class == ErrorClass::NotFound && misses + 1 < MISSES => {
                    misses += 1;
                    None
                }
                Err(error) => {
                    tracing::debug!(class = ?error.class, code = ?error.code, "the numbers' regions could not be read");
                    if matches!(error.class, ErrorClass::Unauthorized | ErrorClass::Forbidden | ErrorClass::NotFound) {
                        self.regions().are_refused();
                    }
                    return;
                }
            };
            if region.is_some() {
                misses = 0;
            }
            self.regions().saw(sid, region);
        }
    }

    /// The region that answers the calls to a number. It acts on the account that the credentials belong to, as the messaging API does, so
    /// that only what names our account is believed.
    async fn read_region(&self, number: &E164) -> Result<Option<String>, CarrierError> {
        let args = [number.as_str()];
        let call = Call { base: &self.routes, path: NUMBER, args: &args, query: "", headers: &[], before: None };
        let Route { account_sid, phone_number, voice_region } = self.http.glance(call).await?;
        let is_ours = account_sid.written() == Some(&*self.account) && phone_number.written() == Some(number.as_str());
        Ok(voice_region.written().filter(|_| is_ours).and_then(wire::region))
    }
}
