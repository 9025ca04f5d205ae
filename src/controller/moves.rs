//! Whose turn it is to be taken off a platform and put on again: callers reach nothing meanwhile, so that few numbers are off at once, and
//! no other is taken off while those cannot be put on. No I/O.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{
    api::number::E164,
    carrier::{CarrierError, ErrorClass},
};

/// How long a number may wait for its turn. What was decided longer ago is better decided again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The numbers that are being moved on one platform, and those that were taken off and could not be put on.
#[derive(Debug, Default)]
pub struct Moves {
    /// Whether each is being moved just now.
    numbers: Mutex<HashMap<E164, bool>>,
    /// Held by whoever is next: numbers go in the order in which they came.
    turnstile: tokio::sync::Mutex<()>,
    /// Told whenever a move has ended.
    changed: Notify,
}

/// A number that may be moved now.
#[derive(Debug)]
pub struct Turn<'a> {
    moves: &'a Moves,
    number: &'a E164,
}

impl Moves {
    /// Waits until fewer than `most` other numbers are off. `is_off` says it of one whose move has ended.
    pub async fn turn<'a>(
        &'a self,
        number: &'a E164,
        most: usize,
        is_off: impl Fn(&E164) -> bool,
    ) -> Result<Turn<'a>, CarrierError> {
        let too_late = Instant::now() + PATIENCE;
        let queued = tokio::time::timeout_at(too_late, self.turnstile.lock()).await;
        let _next = queued.map_err(|_| crowded())?;
        loop {
            if self.begin(number, most, &is_off)? {
                return Ok(Turn { moves: self, number });
            }
            tokio::time::timeout_at(too_late, self.changed.notified()).await.map_err(|_| crowded())?;
        }
    }

    /// Whether it may begin now; an error where none of those that are off is about to be put on.
    fn begin(&self, number: &E164, most: usize, is_off: impl Fn(&E164) -> bool) -> Result<bool, CarrierError> {
        let mut numbers = self.numbers();
        numbers.retain(|other, moving| other != number && (*moving || is_off(other)));
        if numbers.len() < most.max(1) {
            numbers.insert(number.clone(), true);
            return Ok(true);
        }
        let any = numbers.values().any(|moving| *moving);
        any.then_some(false).ok_or_else(|| stuck(numbers.len()))
    }

    fn numbers(&self) -> MutexGuard<'_, HashMap<E164, bool>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.moves.numbers().insert(self.number.clone(), false);
        self.moves.changed.notify_one();
    }
}

fn crowded() -> CarrierError {
    CarrierError::new(
        ErrorClass::Throttled,
        "other numbers are being moved on the platform first; the operator retries, and a higher limits.concurrency on the platform's \
         account moves more at once",
    )
}

fn stuck(count: usize) -> CarrierError {
    let text = format!(
        "{count} numbers were removed from the platform's agent and could not be assigned again: no other is moved before they are; see \
         their conditions"
    );
    CarrierError::new(ErrorClass::Throttled, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(i: u32) -> E164 {
        format!("+1415555010{i}").parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_off_at_once_than_allowed_and_the_next_one_goes_when_one_is_back() {
        let (moves, [a, b, c]) = (Moves::default(), [0, 1, 2].map(number));
        let first = moves.turn(&a, 2, |_| false).await.unwrap();
        let _second = moves.turn(&b, 2, |_| false).await.unwrap();
        let mut third = std::pin::pin!(moves.turn(&c, 2, |_| false));
        assert!(futures::poll!(&mut third).is_pending());
        drop(first);
        let _third = third.await.unwrap();
        let late = moves.turn(&a, 2, |_| false).await;
        assert_eq!(late.unwrap_err().class, ErrorClass::Throttled, "nobody waits for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_taken_off_while_those_that_are_off_cannot_be_put_on() {
        let (moves, [a, b]) = (Moves::default(), [0, 1].map(number));
        drop(moves.turn(&a, 1, |_| false).await.unwrap());
        let begin = Instant::now();
        let error = moves.turn(&b, 1, |number| *number == a).await.unwrap_err();
        assert!(error.text.contains("1 numbers were removed from") && begin.elapsed().is_zero(), "{error}");
        assert!(moves.turn(&a, 1, |_| true).await.is_ok(), "the one that is off may be tried itself");
        assert!(moves.turn(&b, 1, |_| false).await.is_ok(), "it is back");
    }
}
