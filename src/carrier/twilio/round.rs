//! Something that is read beside the listings, once in a while. No I/O of its own.

use std::time::Duration;

use tokio::{task::JoinHandle, time::Instant};

/// One reading. It ends with the account that it was begun for.
#[derive(Debug)]
pub(super) struct Round {
    begun: Instant,
    task: JoinHandle<()>,
}

impl Round {
    /// Begins a reading that waits for nobody.
    pub fn begin(reading: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { begun: Instant::now(), task: tokio::spawn(reading) }
    }

    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Whether another may begin, `rest` after this one began.
    pub fn is_due_again(&self, rest: Duration) -> bool {
        self.has_ended() && self.begun.elapsed() >= rest
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.task.abort();
    }
}
