//! The agents of one platform, as this process saw them last. Does I/O, through [`Platform`] and [`Publishing`](crate::carrier::Publishing).

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    carrier::{Carrier, CarrierError, HostedAgent, HostedVersion, Outcome, Platform, does_not},
    plan::{
        ServeHosted,
        hosting::{Serve, Sight},
    },
    telemetry::metrics::Operation,
};

/// The agents of one platform, as this process saw them last.
#[derive(Debug, Default)]
pub struct HostedAgents {
    seen: Mutex<HashMap<String, Known>>,
}

/// What is known of one.
#[derive(Debug)]
struct Known {
    agent: Option<HostedAgent>,
    /// When the look began that showed it, or the write that left it so.
    begun: Instant,
    /// Until when a look may show it as it was before a write.
    lags_until: Option<Instant>,
}

/// For how long one that nobody asks about is remembered.
const REMEMBERED: Duration = Duration::from_secs(3600);

impl HostedAgents {
    /// How one was seen within the last `scan`, or since the pass that began then.
    pub fn seen(&self, id: &str, pass: Instant, scan: Duration) -> Option<Sight> {
        let seen = self.state();
        let Known { agent, begun, .. } = seen.get(id)?;
        let due = (*begun + scan).checked_duration_since(Instant::now()).filter(|due| !due.is_zero());
        let fresh = *begun >= pass;
        let due = due.or(fresh.then_some(scan))?;
        Some(Sight { agent: agent.clone(), due, fresh })
    }

    /// Looks at one of them.
    pub async fn look(&self, platform: &dyn Platform, id: &str) -> Result<(), CarrierError> {
        let begun = Instant::now();
        let agent = platform.agent(id).await?;
        let mut seen = self.state();
        let serving = |agent: &Option<HostedAgent>| agent.as_ref()?.published.as_ref()?.serving.clone();
        let lags = |known: &&mut Known| known.lags_until.is_some_and(|until| begun < until);
        match seen.get_mut(id).filter(lags).filter(|known| agent.is_some() && serving(&known.agent) != serving(&agent))
        {
            // It is older than what was written.
            Some(known) => known.begun = begun,
            None => {
                let lags_until = seen.get(id).and_then(|known| known.lags_until);
                seen.insert(id.to_owned(), Known { agent, begun, lags_until });
            }
        }
        Ok(())
    }

    /// Has a version of one serve: the one place where a hosted agent is published.
    pub async fn serve(&self, carrier: &dyn Carrier, write: &ServeHosted) -> (Operation, Outcome<HostedVersion>) {
        let (operation, outcome) = match (carrier.publishing(), &write.serve) {
            (None, _) => (Operation::Publish, Outcome::DidNothing(does_not(carrier, "publish agents"))),
            (Some(publishing), Serve::Draft { note, key }) => {
                (Operation::Publish, publishing.publish(&write.agent, note, key).await)
            }
            (Some(publishing), Serve::Version(version)) => {
                (Operation::PointAt, publishing.point_at(&write.agent, version).await)
            }
        };
        match &outcome {
            Outcome::Did(version) => self.served(write, version.clone(), carrier.capabilities().listing_lag),
            Outcome::DidNothing(_) | Outcome::Unknown(_) => drop(self.state().remove(&write.agent)),
        }
        (operation, outcome)
    }

    /// What was seen of one until now is to be looked at again.
    pub fn look_anew(&self, id: &str) {
        self.state().remove(id);
    }

    /// Takes a write for done, of which nobody knows what the platform calls it.
    pub fn pretend(&self, write: &ServeHosted) {
        let id = match &write.serve {
            Serve::Version(id) => id,
            Serve::Draft { note, .. } => note,
        };
        self.served(write, HostedVersion { id: id.clone(), note: None }, Duration::ZERO);
    }

    /// A version serves from now on, whatever a look says that may be older.
    fn served(&self, write: &ServeHosted, version: HostedVersion, lag: Duration) {
        let mut seen = self.state();
        let Some(known) = seen.get_mut(&write.agent) else { return };
        let Some(versions) = known.agent.as_mut().and_then(|agent| agent.published.as_mut()) else { return };
        let now = Instant::now();
        (known.begun, known.lags_until) = (now, Some(now + lag));
        versions.serving = Some(version.id.clone());
        if let Serve::Draft { note, .. } = &write.serve {
            versions.draft_differs = false;
            versions.known.insert(0, HostedVersion { note: Some(note.clone()), ..version });
        }
    }

    /// Forgets those that nobody has asked about for long.
    pub fn prune(&self) {
        self.state().retain(|_, known| known.begun.elapsed() < REMEMBERED);
    }

    fn state(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
