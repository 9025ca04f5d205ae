//! One look at a time, shared by everybody who waits for it. Does no I/O by itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::CarrierError;

/// A look that many share.
#[derive(Debug, Default)]
pub struct SingleFlight {
    /// Held while one is under way.
    under_way: tokio::sync::Mutex<()>,
    /// How many have ended, and how the last one failed.
    ended: Mutex<Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    count: u64,
    failure: Option<(Instant, CarrierError)>,
}

impl SingleFlight {
    /// What `known` knows, or what `fly` finds, which is told when it began. Whoever asks while a look is under way that began
    /// after `after` waits for it.
    pub async fn share<T>(
        &self,
        after: Instant,
        known: impl Fn() -> Option<T>,
        fly: impl AsyncFnOnce(Instant) -> Result<T, CarrierError>,
    ) -> Result<T, CarrierError> {
        let arrived = self.ended().count;
        if let Some(known) = known() {
            return Ok(known);
        }
        let _under_way = self.under_way.lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        // Those who waited for a look that failed share its failure: they do not try one after the other.
        {
            let ended = self.ended();
            if let Some((begun, error)) = &ended.failure
                && ended.count != arrived
                && *begun > after
            {
                return Err(error.clone());
            }
        }
        let begun = Instant::now();
        let found = fly(begun).await;
        let mut ended = self.ended();
        ended.count += 1;
        ended.failure = found.as_ref().err().map(|error| (begun, error.clone()));
        found
    }

    fn ended(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
