//! Which of several replicas acts: leader election on a `coordination.k8s.io/v1` Lease. Reads and writes that Lease.
//!
//! The protocol is client-go's: whoever holds the Lease renews it, and whoever sees it unchanged for its whole duration
//! takes it. That duration is measured on the observer's own monotonic clock from when it *saw* the last change; the
//! times in the Lease are for people, since clocks of two machines are never compared. Every write is a
//! compare-and-set by `resourceVersion`. (The crates that there are compare `renewTime` with their own wall clock.)
//!
//! Election keeps two replicas from doing the same work. It does not fence: a paused process can believe for a moment
//! that it still leads, so no promise may rest on it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Record, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;
use kube::{Api, Client};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{failure::said, write_params};

/// How long a Lease lasts unless it is renewed: how long nobody acts after the leader has died.
pub const DURATION: Duration = Duration::from_secs(15);

/// What is known of whoever worked before this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Whether one may have been cut off a moment ago: what it sent may still be on its way.
    pub cut_off: bool,
    /// Whether there was a time of which nobody knows what was done, as after a restore from a backup.
    pub gap: bool,
}

/// One candidate for a Lease.
#[derive(Clone)]
pub struct Lease {
    api: Api<Record>,
    name: String,
    identity: String,
    duration: Duration,
    renewals: Handle,
}

impl Lease {
    /// A candidate. `identity` must be this process's alone: two that share one would both lead. `duration` is a whole
    /// number of seconds, usually `DURATION`; a third of it passes between renewals, and after two thirds without one
    /// leadership is given up. `renewals` is where it is renewed, and `client` belongs there.
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
        duration: Duration,
        renewals: Handle,
    ) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, name: name.to_owned(), identity: identity.to_owned(), duration, renewals }
    }

    /// Waits until we lead. `None` if `token` is cancelled before.
    pub async fn lead(&self, token: &CancellationToken) -> Option<Leadership> {
        let (mut seen, mut said) = (None, None);
        while !token.is_cancelled() {
            let begun = Instant::now();
            // An attempt is not broken off by the token: it might just have won, and nobody would know.
            match timeout(self.duration / 3, self.attempt(&mut seen)).await {
                Ok(Ok(Standing::Leader)) => return Some(self.keep(seen, begun)),
                Ok(Ok(Standing::Follower(holder))) if said.as_ref() != Some(&holder) => {
                    tracing::info!(%holder, lease = self.name, "another replica leads; standing by");
                    said = Some(holder);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => self.warn(&error),
                Err(_) => tracing::warn!(lease = self.name, "no response about the Lease in time; retrying"),
            }
            let _ = token.run_until_cancelled(sleep(self.retry())).await;
        }
        None
    }

    fn keep(&self, seen: Option<Observed>, renewed: Instant) -> Leadership {
        tracing::info!(identity = self.identity, lease = self.name, "leading");
        let past = Past {
            cut_off: seen.as_ref().is_some_and(Observed::is_held),
            gap: seen.as_ref().is_some_and(|seen| !seen.live),
        };
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        let renewing = self.renewals.spawn(self.clone().renew(seen, renewed, lost.clone(), stop.clone()));
        Leadership { lost, stop: stop.drop_guard(), renewing, lease: self.clone(), past }
    }

    /// Renews until told to stop. `lost` is cancelled when it did not succeed for two thirds of the duration, counted
    /// from when the last good renewal was *begun*; no other replica can have counted a whole duration by then.
    async fn renew(
        self,
        mut seen: Option<Observed>,
        mut renewed: Instant,
        lost: CancellationToken,
        stop: CancellationToken,
    ) {
        let _lost = lost.drop_guard();
        let mut pause = self.duration / 3;
        while stop.run_until_cancelled(sleep(pause)).await.is_some() {
            let begun = Instant::now();
            pause = self.retry();
            match timeout_at(renewed + self.duration * 2 / 3, self.attempt(&mut seen)).await {
                Ok(Ok(Standing::Leader)) => {
                    renewed = begun;
                    pause = self.duration / 3;
                }
                Ok(Ok(Standing::Follower(holder))) => {
                    tracing::error!(%holder, lease = self.name, "no longer leading: another replica took the Lease");
                    return;
                }
                Ok(Ok(Standing::Undecided)) => {}
                Ok(Err(error)) => self.warn(&error),
                Err(_) => {
                    tracing::error!(lease = self.name, "no longer leading: the Lease could not be renewed in time");
                    return;
                }
            }
        }
    }

    /// One look at the Lease and, if it is ours to take or to renew, one write.
    async fn attempt(&self, seen: &mut Option<Observed>) -> kube::Result<Standing> {
        let record = self.api.get_opt(&self.name).await?;
        let (now, clock) = (Instant::now(), MicroTime(Timestamp::now()));
        *seen = record.as_ref().map(|record| {
            let spec = record.spec.clone().unwrap_or_default();
            let live = seen.is_some() || is_recent(&spec, self.duration, &clock);
            Observed::again(seen.take(), spec, now, live)
        });
        let spec = match decide(seen.as_ref(), &self.identity, self.duration, now, clock) {
            Decision::Wait { holder } => return Ok(Standing::Follower(holder)),
            Decision::Write(spec) => spec,
        };
        let written = match record {
            None => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                self.api.create(&write_params(), &Record { metadata, spec: Some(spec) }).await
            }
            // With the resourceVersion that was read, so that of two who take it only one succeeds.
            Some(record) => {
                let record = Record { spec: Some(spec), ..record };
                self.api.replace(&self.name, &write_params(), &record).await
            }
        };
        match written {
            Ok(_) => Ok(Standing::Leader),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Standing::Undecided),
            Err(error) => Err(error),
        }
    }

    /// Empties the Lease, so that another replica need not wait until it runs out.
    async fn release(&self) -> kube::Result<()> {
        let Some(mut record) = self.api.get_opt(&self.name).await? else { return Ok(()) };
        let spec = record.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&*self.identity) {
            spec.holder_identity = None;
            spec.renew_time = Some(MicroTime(Timestamp::now()));
            self.api.replace(&self.name, &write_params(), &record).await?;
        }
        Ok(())
    }

    /// How soon to try again after a failure, and how often a follower looks.
    fn retry(&self) -> Duration {
        self.duration / 7
    }

    fn warn(&self, error: &kube::Error) {
        match error {
            kube::Error::Api(status) if status.code == 403 => tracing::warn!(
                lease = self.name,
                "not allowed: grant the operator's Role the verbs `get`, `create` and `update` on `leases.coordination.k8s.io`",
            ),
            error => {
                tracing::warn!(lease = self.name, error = said(error), "could not read or write the Lease; retrying")
            }
        }
    }
}

/// That we lead, for as long as it is kept and `lost` is not cancelled. Dropped, the Lease is left to run out.
pub struct Leadership {
    lost: CancellationToken,
    stop: DropGuard,
    renewing: JoinHandle<()>,
    lease: Lease,
    past: Past,
}

impl Leadership {
    /// What the Lease said of whoever led before us. One that bore a name when it was taken was held by a process that may not
    /// have ended in order: what that had sent may still be on its way. No name, or no Lease, says that nobody led or that all
    /// was ended first. One that nobody has written for long may have come from a backup: what was done since then nobody knows.
    pub fn past(&self) -> Past {
        self.past
    }

    /// Cancelled when we no longer lead, also by `release`. Work must start nothing more then.
    pub fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// Lets another replica lead at once. To be called when all work has ended, not before: until then the Lease is renewed.
    pub async fn release(self) {
        drop(self.stop);
        // It ends with the attempt under way, so that no renewal follows the release.
        let _ = self.renewing.await;
        match timeout(self.lease.duration / 3, self.lease.release()).await {
            Ok(Ok(())) => tracing::info!(lease = self.lease.name, "released the Lease"),
            Ok(Err(error)) => self.lease.warn(&error),
            Err(_) => tracing::warn!(lease = self.lease.name, "could not release the Lease in time; it will expire"),
        }
    }
}

/// How one attempt ended.
enum Standing {
    Leader,
    /// Another holds the Lease.
    Follower(String),
    /// Somebody wrote between our look and our write. The next look tells.
    Undecided,
}

/// A Lease as it was last seen.
struct Observed {
    spec: LeaseSpec,
    /// When it was first seen so, by our own clock.
    since: Instant,
    /// Whether somebody was there to write it just now: we saw it change, or it said so when we first saw it.
    live: bool,
}

impl Observed {
    fn again(before: Option<Self>, spec: LeaseSpec, now: Instant, live: bool) -> Self {
        match before {
            Some(before) if before.spec == spec => before,
            _ => Self { spec, since: now, live },
        }
    }

    /// Whether it bears the name of somebody, who may be gone by now.
    fn is_held(&self) -> bool {
        self.spec.holder_identity.as_deref().is_some_and(|holder| !holder.is_empty())
    }
}

/// Whether the Lease says that it was written a moment ago. Of all that is decided here only this compares clocks; where they
/// differ, it says no, and then one waits longer before anything is bought.
fn is_recent(spec: &LeaseSpec, duration: Duration, clock: &MicroTime) -> bool {
    let age = spec.renew_time.as_ref().map(|renewed| clock.0.duration_since(renewed.0).unsigned_abs());
    age.is_some_and(|age| age <= duration)
}

#[derive(Debug, PartialEq)]
enum Decision {
    /// Take or renew the Lease with this.
    Write(LeaseSpec),
    Wait {
        holder: String,
    },
}

/// What to do about a Lease that was `seen` so. `clock` only goes into the record, for people to read.
fn decide(seen: Option<&Observed>, identity: &str, duration: Duration, now: Instant, clock: MicroTime) -> Decision {
    let before = seen.map(|seen| seen.spec.clone()).unwrap_or_default();
    let holder = before.holder_identity.clone().unwrap_or_default();
    let ours = holder == identity;
    if let Some(seen) = seen.filter(|_| !ours && !holder.is_empty()) {
        // The holder's own promise counts: it may have been configured differently.
        let promised = before.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        if now < seen.since + promised.map_or(duration, Duration::from_secs) {
            return Decision::Wait { holder };
        }
    }
    let transitions = before.lease_transitions.unwrap_or(0) + i32::from(seen.is_some() && !ours);
    Decision::Write(LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(duration.as_secs()).ok(),
        acquire_time: before.acquire_time.clone().filter(|_| ours).or(Some(clock.clone())),
        renew_time: Some(clock),
        lease_transitions: Some(transitions),
        ..before
    })
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
