//! What this process remembers of objects beside what the cluster and the carrier show. No I/O.
//!
//! It is keyed by uid, so that an object made again under an old name starts afresh, and nothing depends on it for safety:
//! a restart forgets it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::Work;
use crate::{
    carrier::CarrierError,
    plan::{Trouble, policy},
};

const HOUR: Duration = Duration::from_secs(3600);
/// For how long having written a claim is as good as reading it: less than it takes another replica to notice that this one
/// is gone.
const JUST: Duration = Duration::from_secs(5);

/// What failed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    Look,
    Write,
}

#[derive(Debug, Default)]
struct Entry {
    trouble: Option<(Attempt, CarrierError, u32, Instant)>,
    put_backs: Vec<Instant>,
    /// When this process last wrote the claim of the object's number.
    claimed: Option<Instant>,
}

/// The memory of one process.
#[derive(Debug, Default)]
pub struct Memory {
    entries: Mutex<HashMap<String, Entry>>,
    /// Passes in a row that the API server did not let through.
    stumbles: Mutex<HashMap<Work, u32>>,
}

impl Memory {
    /// Notes that something failed for this object.
    pub fn failed(&self, uid: &str, attempt: Attempt, error: CarrierError) {
        let mut entries = self.entries();
        let entry = entries.entry(uid.to_owned()).or_default();
        let attempts = entry.trouble.as_ref().map_or(0, |(_, _, attempts, _)| *attempts) + 1;
        let due = Instant::now() + policy::retry_after(&error, attempts);
        entry.trouble = Some((attempt, error, attempts, due));
    }

    /// Notes that this kind of attempt went well.
    pub fn succeeded(&self, uid: &str, attempt: Attempt) {
        if let Some(entry) = self.entries().get_mut(uid)
            && entry.trouble.as_ref().is_some_and(|(failed, ..)| *failed == attempt)
        {
            entry.trouble = None;
        }
    }

    /// The last failure, if it has not been overcome.
    pub fn trouble(&self, uid: &str) -> Option<Trouble> {
        let entries = self.entries();
        let (_, error, attempts, due) = entries.get(uid)?.trouble.as_ref()?;
        let wait = due.saturating_duration_since(Instant::now());
        Some(Trouble { error: error.clone(), attempts: *attempts, wait })
    }

    /// Somebody changed the object: what failed before is tried again at once.
    pub fn edited(&self, uid: &str) {
        if let Some(entry) = self.entries().get_mut(uid) {
            entry.trouble = None;
        }
    }

    /// Somebody asked for a look: what was given up is begun again.
    pub fn requested(&self, uid: &str) {
        if let Some(entry) = self.entries().get_mut(uid) {
            entry.put_backs.clear();
        }
    }

    /// Notes that the route of this object was put back.
    pub fn put_back(&self, uid: &str) {
        let mut entries = self.entries();
        let entry = entries.entry(uid.to_owned()).or_default();
        let now = Instant::now();
        entry.put_backs.retain(|at| now.duration_since(*at) < HOUR);
        entry.put_backs.push(now);
    }

    /// How often the route was put back within the last hour.
    pub fn put_backs(&self, uid: &str) -> u32 {
        let now = Instant::now();
        let recent = |entry: &Entry| entry.put_backs.iter().filter(|at| now.duration_since(**at) < HOUR).count();
        self.entries().get(uid).map_or(0, recent).try_into().unwrap_or(u32::MAX)
    }

    /// This process has written the claim for this object, against all others.
    pub fn claimed(&self, uid: &str) {
        self.entries().entry(uid.to_owned()).or_default().claimed = Some(Instant::now());
    }

    /// Whether it did so a moment ago.
    pub fn has_just_claimed(&self, uid: &str) -> bool {
        let entries = self.entries();
        entries.get(uid).and_then(|entry| entry.claimed).is_some_and(|at| at.elapsed() < JUST)
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.entries().remove(uid);
    }

    /// A pass failed; answers how many did so in a row before it.
    pub fn stumbled(&self, work: &Work) -> u32 {
        let mut stumbles = self.stumbles.lock().unwrap_or_else(PoisonError::into_inner);
        let count = stumbles.entry(work.clone()).or_default();
        *count += 1;
        *count - 1
    }

    /// A pass went through.
    pub fn passed(&self, work: &Work) {
        self.stumbles.lock().unwrap_or_else(PoisonError::into_inner).remove(work);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::ErrorClass;

    fn error() -> CarrierError {
        CarrierError { class: ErrorClass::Transient, code: None, text: "unwell".into(), retry_after: None }
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_counts_up_until_the_same_kind_of_attempt_goes_well() {
        let memory = Memory::default();
        memory.failed("uid", Attempt::Write, error());
        memory.failed("uid", Attempt::Write, error());
        memory.succeeded("uid", Attempt::Look);
        assert_eq!(memory.trouble("uid").map(|t| (t.attempts, t.wait.as_secs())), Some((2, 2)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(memory.trouble("uid").map(|t| t.wait), Some(Duration::ZERO));
        memory.succeeded("uid", Attempt::Write);
        assert_eq!(memory.trouble("uid"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn put_backs_are_counted_for_an_hour_or_until_somebody_asks_for_a_look() {
        let memory = Memory::default();
        memory.put_back("uid");
        tokio::time::advance(Duration::from_secs(1800)).await;
        memory.put_back("uid");
        assert_eq!(memory.put_backs("uid"), 2);
        tokio::time::advance(Duration::from_secs(1801)).await;
        assert_eq!(memory.put_backs("uid"), 1);
        memory.requested("uid");
        assert_eq!(memory.put_backs("uid"), 0);
    }
}
