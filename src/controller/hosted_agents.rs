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
    seen: Mutex<HashMap<String, (Option<HostedAgent>, Instant)>>,
}

impl HostedAgents {
    /// How one was seen within the last `scan`, or since the pass that began then.
    pub fn seen(&self, id: &str, pass: Instant, scan: Duration) -> Option<Sight> {
        let seen = self.state();
        let (agent, begun) = seen.get(id)?;
        let due = (*begun + scan).checked_duration_since(Instant::now()).filter(|due| !due.is_zero());
        let fresh = *begun >= pass;
        let due = due.or(fresh.then_some(scan))?;
        Some(Sight { agent: agent.clone(), due, fresh })
    }

    /// Looks at one of them.
    pub async fn look(&self, platform: &dyn Platform, id: &str) -> Result<(), CarrierError> {
        let begun = Instant::now();
        let agent = platform.agent(id).await?;
        self.state().insert(id.to_owned(), (agent, begun));
        Ok(())
    }

    /// Has a version of one serve: the one place where a hosted agent is published. Only a look tells how it is then.
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
        self.state().remove(&write.agent);
        (operation, outcome)
    }

    /// What was seen of one until now is to be looked at again.
    pub fn look_anew(&self, id: &str) {
        self.state().remove(id);
    }

    /// Takes a write for done.
    pub fn pretend(&self, write: &ServeHosted) {
        let mut seen = self.state();
        let Some((Some(agent), _)) = seen.get_mut(&write.agent) else { return };
        let Some(versions) = &mut agent.published else { return };
        versions.serving = Some(match &write.serve {
            Serve::Version(id) => id.clone(),
            Serve::Draft { note, .. } => {
                versions.draft_differs = false;
                versions.known.insert(0, HostedVersion { id: note.clone(), note: Some(note.clone()) });
                note.clone()
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, HashMap<String, (Option<HostedAgent>, Instant)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
