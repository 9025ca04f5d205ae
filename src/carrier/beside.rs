//! What an adapter reads beside the listings, once in a while, so that no number waits for it. No I/O of its own.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{task::JoinHandle, time::Instant};

/// One kind of reading. What is under way ends with the account that it was begun for.
#[derive(Debug, Default)]
pub(super) struct Beside(Mutex<Option<Round>>);

#[derive(Debug)]
struct Round {
    begun: Instant,
    task: JoinHandle<()>,
}

impl Beside {
    /// Begins a reading that waits for nobody, unless one is under way or began less than `rest` ago.
    pub fn begin<F>(&self, rest: Duration, reading: impl FnOnce() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut round = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = |round: &Round| round.task.is_finished() && round.begun.elapsed() >= rest;
        if round.as_ref().is_none_or(is_due) {
            *round = Some(Round { begun: Instant::now(), task: tokio::spawn(reading()) });
        }
    }

    /// Returns once the reading that began last has ended.
    #[cfg(test)]
    pub async fn ended(&self) {
        let has_ended = || self.0.lock().unwrap().as_ref().is_none_or(|round| round.task.is_finished());
        while !has_ended() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.task.abort();
    }
}
