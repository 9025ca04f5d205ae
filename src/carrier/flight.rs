//! One look at a time, shared by everybody who waits for it. Does no I/O by itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::CarrierError;

/// Looks at one thing, of which one is under way at most.
#[derive(Debug, Default)]
pub struct Flight {
    /// Held while one is under way.
    lock: tokio::sync::Mutex<()>,
    /// How many have ended, and how the last one failed.
    ended: Mutex<Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    count: u64,
    failure: Option<(Instant, CarrierError)>,
}

impl Flight {
    /// Returns what a look that began after `after` has led to: what is `known` of one, or what `fly` brings. Whoever asks while one
    /// is under way that will do shares it, and its failure; whoever needs a later one shares the next.
    ///
    /// To drop the future of whoever flies hands the flight to the next in line.
    pub async fn share<T, F>(
        &self,
        after: Instant,
        known: impl Fn(Instant) -> Option<T>,
        fly: impl FnOnce(Instant) -> F,
    ) -> Result<T, CarrierError>
    where
        F: Future<Output = Result<T, CarrierError>>,
    {
        let arrived = self.ended().count;
        if let Some(known) = known(after) {
            return Ok(known);
        }
        let _flight = self.lock.lock().await;
        if let Some(known) = known(after) {
            return Ok(known);
        }
        // Those who waited for one that failed share its failure: they do not try one after the other.
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
        let result = fly(begun).await;
        let mut ended = self.ended();
        ended.count += 1;
        ended.failure = result.as_ref().err().map(|error| (begun, error.clone()));
        drop(ended);
        result
    }

    fn ended(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
