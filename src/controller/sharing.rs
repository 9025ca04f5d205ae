//! The routes that numbers of one account share, as this process saw them last. Does I/O, through [`Carrier`] only.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    api::number::Route,
    carrier::{Carrier, CarrierError, Outcome, SharedRoute},
    plan::shared::Sight,
};

/// The shared routes of one account, by their names.
#[derive(Debug, Default)]
pub struct Sharing {
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// How it was seen, or left by a write, and when that began.
    seen: Option<(SharedRoute, Instant)>,
    /// Until when a look may show it as it was before the last write.
    lags_until: Option<Instant>,
    /// Until when a write of unknown outcome may yet be applied, or not be shown.
    unsettled_until: Option<Instant>,
}

impl Sharing {
    /// Looks at the route. `journalled` says whether somebody may have sent something for it before this process first looked.
    pub async fn look(&self, carrier: &dyn Carrier, name: &str, journalled: bool) -> Result<(), CarrierError> {
        let begun = Instant::now();
        let route = carrier.shared_route(name).await?;
        let mut all = self.known();
        let known = all.entry(name.to_owned()).or_insert_with(|| Known {
            unsettled_until: journalled.then(|| begun + settling(carrier)),
            ..Known::default()
        });
        known.seen = Some((route, begun));
        Ok(())
    }

    /// Writes the route at the carrier and notes what came of it.
    pub async fn set(
        &self,
        carrier: &dyn Carrier,
        name: &str,
        current: &SharedRoute,
        webhooks: &Route,
    ) -> Outcome<SharedRoute> {
        let begun = Instant::now();
        let outcome = carrier.set_shared_route(name, current, webhooks).await;
        let mut all = self.known();
        let known = all.entry(name.to_owned()).or_default();
        match &outcome {
            Outcome::Did(route) => {
                known.seen = Some((route.clone(), begun));
                known.lags_until = Some(Instant::now() + carrier.capabilities().listing_lag);
                known.unsettled_until = None;
            }
            Outcome::DidNothing(_) => {}
            // Only a look can tell how it is now.
            Outcome::Unknown(_) => {
                known.seen = None;
                known.unsettled_until = Some(Instant::now() + settling(carrier));
            }
        }
        outcome
    }

    /// How the route was seen within the last `scan`, and how long until it has to be looked at again.
    pub fn seen(&self, name: &str, scan: Duration) -> Option<(Sight, Duration)> {
        let known = self.known().get(name)?.clone();
        let (route, begun) = known.seen?;
        let due = (begun + scan).max(known.lags_until.unwrap_or(begun));
        let due = due.checked_duration_since(Instant::now()).filter(|due| !due.is_zero())?;
        let proves = known.unsettled_until.is_none_or(|until| begun >= until);
        Some((Sight { route, age: begun.elapsed(), proves }, due))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long what was sent may take to be seen.
fn settling(carrier: &dyn Carrier) -> Duration {
    carrier.capabilities().write_lifetime + carrier.capabilities().listing_lag
}
