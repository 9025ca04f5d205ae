//! Which Telnyx numbers forward their calls before they come to the application. Does I/O.
//!
//! Forwarding is a voice setting of the number, and bypasses its application (section 6.4). A row of the numbers' list says only whether it
//! is allowed, which it is by default; where it leads stands in a list of its own. That has as many pages as the numbers' list, and is read
//! beside it, rarely. It is never set.

use std::{
    collections::HashSet,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Deserialize;

use super::{Api, Telnyx, listing::Keyed, wire};
use crate::carrier::{Calling, CarrierError, OwnedNumber, lenient::Scalar};

const VOICE: &str = "/v2/phone_numbers/voice";

/// The voice settings are read no more often than this.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// What a number's voice settings say of forwarding.
#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(deserialize_with = "wire::name")]
    id: String,
    call_forwarding: Option<Forwarding>,
}

#[derive(Debug, Deserialize)]
struct Forwarding {
    #[serde(default)]
    call_forwarding_enabled: Scalar,
    #[serde(default, deserialize_with = "wire::text")]
    forwards_to: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    forwarding_type: Option<String>,
}

impl Keyed for Settings {
    fn key(&self) -> &str {
        &self.id
    }
}

impl Settings {
    /// Whether no call comes to the application. `on-failure` forwards only those that it does not answer, and without a target or a type
    /// nothing is forwarded.
    fn is_forwarded(&self) -> bool {
        self.call_forwarding.as_ref().is_some_and(|forwarding| {
            forwarding.call_forwarding_enabled != Scalar::Truth(false)
                && forwarding.forwards_to.is_some()
                && forwarding.forwarding_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("always"))
        })
    }
}

impl Telnyx {
    /// Says of these who gets their calls, as far as it is known by now, and begins to read it where that is due. A number whose row forbids
    /// forwarding is known already.
    pub(super) fn tell_forwarded(&self, numbers: &mut [OwnedNumber]) {
        let forwarded = self.forwarded();
        let mut asks = false;
        for number in numbers.iter_mut().filter(|number| number.calling == Calling::Unseen) {
            asks = true;
            number.calling = match &*forwarded {
                None => Calling::Unseen,
                Some(ids) if ids.contains(&number.id.0) => Calling::Forwarded,
                Some(_) => Calling::Number,
            };
        }
        drop(forwarded);
        if asks {
            let api: Arc<Api> = self.inner.clone();
            self.forwarding_round.begin(AGAIN, || async move { api.read_forwarded().await });
        }
    }
}

impl Api {
    fn forwarded(&self) -> MutexGuard<'_, Option<HashSet<String>>> {
        self.forwarded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the voice settings of all numbers. What was known stays where they cannot be read: a key may be kept from them.
    async fn read_forwarded(&self) {
        let read: Result<Vec<Settings>, CarrierError> = self.pages(VOICE, "").await;
        match read {
            Ok(rows) => {
                let forwarded = rows.into_iter().filter(Settings::is_forwarded).map(|row| row.id).collect();
                *self.forwarded() = Some(forwarded);
            }
            Err(error) => {
                tracing::debug!(class = ?error.class, code = ?error.code, "the voice settings could not be read");
            }
        }
    }
}
