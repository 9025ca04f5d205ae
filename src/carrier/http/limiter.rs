//! How hard a carrier may be asked: one [`Limiter`] for each carrier identity and credentials, shared by everything
//! that calls it. No I/O; [`Gate`] holds every decision and knows no async, [`Limiter`] only waits for it.
//!
//! Carriers limit different things: Twilio the requests in flight (docs/carriers/twilio.md, section 7), Telnyx those in a minute
//! (docs/carriers/telnyx.md, section 10), Flowyte those of a whole organization. So both are limited here, and what a carrier
//! answers corrects both. Nixflex counts writes apart (docs/carriers/nixflex.md, section 5): its adapter says how far apart they are.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::carrier::{CarrierError, ErrorClass};

/// Requests in flight, where nobody says otherwise. Well below the ~100 that third parties report for Twilio.
pub const DEFAULT_CONCURRENCY: u32 = 5;
/// Requests begun in a second, where nobody says otherwise.
pub const DEFAULT_REQUESTS_PER_SECOND: u32 = 10;

/// How long a request may wait for its turn. What was decided longer ago is better decided again than sent.
const PATIENCE: Duration = Duration::from_secs(60);
/// After so many failures in a row the carrier is left alone for a while.
const FAILURES_TO_OPEN: u32 = 5;
/// For how long at first, doubled with each probe that fails, and at most.
const OPEN_FIRST: Duration = Duration::from_secs(1);
const OPEN_MOST: Duration = Duration::from_secs(60);
/// The pause after a 429 that names none, doubled with each that follows, and at most.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MOST: Duration = Duration::from_secs(30);
/// A carrier that asks for longer is asked again after this: a nonsensical header must not stop an account for good.
pub(super) const RETRY_AFTER_MOST: Duration = Duration::from_secs(300);
/// One more request in flight is allowed after so many answers without a 429.
const SUCCESSES_TO_GROW: u32 = 20;

/// What a carrier may be asked at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in flight at once; 0 counts as 1.
    pub concurrency: u32,
    /// Requests begun in any second; 0 is without limit.
    pub requests_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrency: DEFAULT_CONCURRENCY, requests_per_second: DEFAULT_REQUESTS_PER_SECOND }
    }
}

/// What an answer says about how its carrier feels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answered, be it with a refusal.
    Answered,
    /// It asked for fewer requests, and perhaps said for how long.
    Throttled(Option<Duration>),
    /// It did not answer, or not sensibly: what the error says of it.
    Failed(String),
}

/// Lets requests to one carrier account through, one after the other and not too many at once.
#[derive(Debug)]
pub struct Limiter {
    gate: Mutex<Gate>,
    /// Held by whoever is next: requests go in the order in which they came.
    turnstile: tokio::sync::Mutex<()>,
    /// When the next write is due, where they are spaced; held by whose it is, while reads go by.
    writes: tokio::sync::Mutex<Option<Instant>>,
    /// Told whenever the gate may have become passable, or shut.
    changed: Notify,
}

impl Limiter {
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            gate: Mutex::new(Gate::new(limits, Instant::now())),
            turnstile: tokio::sync::Mutex::new(()),
            writes: tokio::sync::Mutex::new(None),
            changed: Notify::new(),
        })
    }

    /// Changes the limits for what has not begun yet.
    pub fn set_limits(&self, limits: Limits) {
        self.gate().set_limits(limits);
        self.changed.notify_one();
    }

    /// Waits for leave to send one request.
    ///
    /// Fails without waiting with `Transient` while the carrier is left alone, and with `Throttled` where it asked for
    /// a longer pause than anybody should wait. Nothing was sent then.
    pub async fn admit(self: &Arc<Self>) -> Result<Permit, CarrierError> {
        let too_late = Instant::now() + PATIENCE;
        let queued = tokio::time::timeout_at(too_late, self.turnstile.lock()).await;
        let _turn = queued.map_err(|_| crowded())?;
        loop {
            let decision = self.gate().admit(Instant::now());
            let until = match decision {
                Admission::Go { probe } => {
                    return Ok(Permit { limiter: self.clone(), begun: Instant::now(), probe, verdict: None });
                }
                Admission::Shut { until } => return Err(self.shut(until)),
                Admission::Wait { until } if until > too_late => return Err(paused(until)),
                Admission::Wait { until } => until,
                Admission::Full => too_late,
            };
            // Told or not, the gate is asked again: it alone decides.
            let told = tokio::time::timeout_at(until, self.changed.notified()).await.is_ok();
            if !told && until == too_late {
                return Err(crowded());
            }
        }
    }

    /// The same for a write to a carrier that lets them through so far apart. After a pause two may go together: what is taken off can be
    /// put on at once.
    pub async fn admit_write(self: &Arc<Self>, apart: Duration) -> Result<Permit, CarrierError> {
        let too_late = Instant::now() + PATIENCE;
        let queued = tokio::time::timeout_at(too_late, self.writes.lock()).await;
        let mut due = queued.map_err(|_| crowded())?;
        if let Some(due) = *due {
            tokio::time::sleep_until(due.checked_sub(apart).unwrap_or(due)).await;
        }
        let permit = self.admit().await?;
        *due = Some(due.map_or(permit.begun, |due| due.max(permit.begun)) + apart);
        Ok(permit)
    }

    /// The cause is said again: whoever is told only that the carrier failed cannot mend it.
    fn shut(&self, until: Instant) -> CarrierError {
        let cause = &self.gate().failure;
        CarrierError {
            class: ErrorClass::Transient,
            code: None,
            text: format!(
                "{cause}; this happened several times in a row, so the operator pauses all requests of this account and retries later"
            ),
            retry_after: Some(until.saturating_duration_since(Instant::now())),
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        // Every change to the gate is complete before anything in it can panic.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn paused(until: Instant) -> CarrierError {
    CarrierError {
        class: ErrorClass::Throttled,
        code: None,
        text: "the carrier limits the request rate and asked for a pause; the operator retries after it".to_owned(),
        retry_after: Some(until.saturating_duration_since(Instant::now())),
    }
}

fn crowded() -> CarrierError {
    CarrierError::new(
        ErrorClass::Throttled,
        "too many requests are waiting for this carrier account; the operator retries. If this persists, raise spec.limits of the CarrierAccount",
    )
}

/// Leave to send one request. Whoever drops it without a verdict (a cancelled request) says nothing about the carrier.
#[derive(Debug)]
pub struct Permit {
    limiter: Arc<Limiter>,
    begun: Instant,
    probe: bool,
    verdict: Option<Verdict>,
}

impl Permit {
    /// Ends the request with what its answer said.
    pub fn end(mut self, verdict: Verdict) {
        self.verdict = Some(verdict);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter.gate().leave(self.begun, self.probe, self.verdict.take(), Instant::now());
        self.limiter.changed.notify_one();
    }
}

/// Whether one more request may begin now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Go {
        probe: bool,
    },
    Wait {
        until: Instant,
    },
    /// As soon as another one ends.
    Full,
    Shut {
        until: Instant,
    },
}

/// The circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaker {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        wait: Duration,
    },
    /// One request is on its way to see whether the carrier is well again.
    Probing {
        wait: Duration,
    },
}

/// Every decision of the limiter, with the time as an input.
#[derive(Debug)]
struct Gate {
    limits: Limits,
    in_flight: u32,
    /// The requests in flight that are allowed now: halved by a 429, never above `limits`.
    allowed: u32,
    /// Answers without a 429 since `allowed` last changed.
    successes: u32,
    /// When `allowed` was last halved: requests that began before it belong to the same burst and do not halve it
    /// again.
    halved: Option<Instant>,
    /// 429s in a row.
    throttled: u32,
    paused_until: Instant,
    /// When the next request may begin, by requests per second. They are spaced evenly, so that no second sees more.
    next: Instant,
    breaker: Breaker,
    /// What the last failure said.
    failure: String,
}

impl Gate {
    fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            in_flight: 0,
            allowed: limits.concurrency.max(1),
            successes: 0,
            halved: None,
            throttled: 0,
            paused_until: now,
            next: now,
            breaker: Breaker::Closed { failures: 0 },
            failure: String::new(),
        }
    }

    fn set_limits(&mut self, limits: Limits) {
        // The same ones are set again with every listing: what a 429 has taught stands.
        if self.limits == limits {
            return;
        }
        self.limits = limits;
        self.allowed = limits.concurrency.max(1);
    }

    fn admit(&mut self, now: Instant) -> Admission {
        let probe = match self.breaker {
            Breaker::Closed { .. } => None,
            Breaker::Open { until, .. } if now < until => return Admission::Shut { until },
            Breaker::Open { wait, .. } => Some(wait),
            Breaker::Probing { wait } => return Admission::Shut { until: now + wait },
        };
        if self.in_flight >= self.allowed {
            return Admission::Full;
        }
        let until = self.paused_until.max(self.next);
        if now < until {
            return Admission::Wait { until };
        }
        if let Some(wait) = probe {
            self.breaker = Breaker::Probing { wait };
        }
        if self.limits.requests_per_second > 0 {
            self.next = now + Duration::from_secs(1) / self.limits.requests_per_second;
        }
        self.in_flight += 1;
        Admission::Go { probe: probe.is_some() }
    }

    fn leave(&mut self, begun: Instant, probe: bool, verdict: Option<Verdict>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match verdict {
            Some(Verdict::Answered) => {
                self.throttled = 0;
                self.grow();
                self.breaker = Breaker::Closed { failures: 0 };
            }
            Some(Verdict::Throttled(wish)) => {
                self.throttle(begun, wish, now);
                // A carrier that counts requests is up.
                self.breaker = Breaker::Closed { failures: 0 };
            }
            Some(Verdict::Failed(cause)) => {
                self.failure = cause;
                self.fail(probe, now);
            }
            None if probe => {
                // The probe was cancelled: the next request is one.
                if let Breaker::Probing { wait } = self.breaker {
                    self.breaker = Breaker::Open { until: now, wait };
                }
            }
            None => {}
        }
    }

    fn grow(&mut self) {
        self.successes += 1;
        if self.successes >= SUCCESSES_TO_GROW {
            self.successes = 0;
            self.allowed = (self.allowed + 1).min(self.limits.concurrency.max(1));
        }
    }

    fn throttle(&mut self, begun: Instant, wish: Option<Duration>, now: Instant) {
        if self.halved.is_none_or(|halved| begun > halved) {
            self.allowed = (self.allowed / 2).max(1);
            self.halved = Some(now);
        }
        self.successes = 0;
        let pause = match wish {
            Some(wish) => wish.min(RETRY_AFTER_MOST),
            None => jittered(doubled(PAUSE_FIRST, self.throttled, PAUSE_MOST)),
        };
        self.throttled = self.throttled.saturating_add(1);
        self.paused_until = self.paused_until.max(now + pause);
    }

    fn fail(&mut self, probe: bool, now: Instant) {
        let wait = match self.breaker {
            Breaker::Closed { failures } if failures + 1 < FAILURES_TO_OPEN => {
                self.breaker = Breaker::Closed { failures: failures + 1 };
                return;
            }
            Breaker::Closed { .. } => OPEN_FIRST,
            Breaker::Probing { wait } if probe => doubled(wait, 1, OPEN_MOST),
            // It began before the breaker opened and says nothing new.
            Breaker::Open { .. } | Breaker::Probing { .. } => return,
        };
        self.breaker = Breaker::Open { until: now + wait, wait };
    }
}

/// `first`, doubled `times` times, at most `most`.
fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(most)
}

/// Somewhere between half and all of `most`, so that many who failed together do not come back together.
pub(super) fn jittered(most: Duration) -> Duration {
    let random = getrandom::u64().unwrap_or_default();
    most / 2 + (most / 2).mul_f64((random % 1024) as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNLIMITED: Limits = Limits { concurrency: 8, requests_per_second: 0 };

    fn pass(gate: &mut Gate, now: Instant) -> bool {
        match gate.admit(now) {
            Admission::Go { probe } => probe,
            other => panic!("not admitted: {other:?}"),
        }
    }

    fn failed() -> Verdict {
        Verdict::Failed("it answered a page".to_owned())
    }

    fn answer(gate: &mut Gate, now: Instant, verdict: Verdict) {
        let probe = pass(gate, now);
        gate.leave(now, probe, Some(verdict), now);
    }

    #[test]
    fn no_more_requests_are_in_flight_than_allowed() {
        let now = Instant::now();
        let mut gate = Gate::new(Limits { concurrency: 2, ..UNLIMITED }, now);
        pass(&mut gate, now);
        pass(&mut gate, now);
        assert_eq!(gate.admit(now), Admission::Full);
        gate.leave(now, false, None, now);
        pass(&mut gate, now);
    }

    #[test]
    fn requests_are_spaced_evenly_over_a_second() {
        let now = Instant::now();
        let mut gate = Gate::new(Limits { concurrency: 100, requests_per_second: 10 }, now);
        pass(&mut gate, now);
        let until = now + Duration::from_millis(100);
        assert_eq!(gate.admit(now), Admission::Wait { until });
        pass(&mut gate, until);
    }

    #[test]
    fn a_burst_of_429_halves_the_concurrency_once_and_success_wins_it_back() {
        let now = Instant::now();
        let mut gate = Gate::new(UNLIMITED, now);
        for _ in 0..3 {
            pass(&mut gate, now);
        }
        let later = now + Duration::from_millis(10);
        for _ in 0..3 {
            gate.leave(now, false, Some(Verdict::Throttled(Some(Duration::from_secs(2)))), later);
        }
        gate.set_limits(UNLIMITED);
        assert_eq!(gate.allowed, 4, "the same limits set again change nothing");
        assert_eq!(gate.admit(later), Admission::Wait { until: later + Duration::from_secs(2) });
        let resumed = later + Duration::from_secs(2);
        for _ in 0..SUCCESSES_TO_GROW * 20 {
            answer(&mut gate, resumed, Verdict::Answered);
        }
        assert_eq!(gate.allowed, UNLIMITED.concurrency);
    }

    #[test]
    fn the_pause_grows_with_every_429_and_a_nonsensical_one_is_cut_short() {
        let mut now = Instant::now();
        let mut gate = Gate::new(UNLIMITED, now);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            answer(&mut gate, now, Verdict::Throttled(None));
            pauses.push(gate.paused_until - now);
            now = gate.paused_until;
        }
        assert!(pauses[0] <= PAUSE_FIRST && pauses[9] > pauses[0] && pauses[9] <= PAUSE_MOST, "{pauses:?}");
        answer(&mut gate, now, Verdict::Throttled(Some(Duration::from_secs(86_400))));
        assert_eq!(gate.paused_until, now + RETRY_AFTER_MOST);
    }

    #[test]
    fn a_carrier_that_keeps_failing_is_left_alone_for_a_growing_while() {
        let mut now = Instant::now();
        let mut gate = Gate::new(UNLIMITED, now);
        for _ in 0..FAILURES_TO_OPEN {
            answer(&mut gate, now, failed());
        }
        for wait in [OPEN_FIRST, OPEN_FIRST * 2, OPEN_FIRST * 4] {
            assert_eq!(gate.admit(now), Admission::Shut { until: now + wait });
            now += wait;
            assert!(pass(&mut gate, now), "one probe goes through");
            assert!(matches!(gate.admit(now), Admission::Shut { .. }), "and only one");
            gate.leave(now, true, Some(failed()), now);
        }
        now += OPEN_FIRST * 8;
        answer(&mut gate, now, Verdict::Answered);
        assert!(!pass(&mut gate, now), "after an answer everything goes through");
    }

    #[test]
    fn a_refusal_between_failures_keeps_the_breaker_closed() {
        let now = Instant::now();
        let mut gate = Gate::new(UNLIMITED, now);
        for _ in 0..FAILURES_TO_OPEN * 2 {
            answer(&mut gate, now, failed());
            answer(&mut gate, now, Verdict::Answered);
        }
        pass(&mut gate, now);
    }

    #[test]
    fn a_cancelled_probe_does_not_keep_the_breaker_shut() {
        let mut now = Instant::now();
        let mut gate = Gate::new(UNLIMITED, now);
        for _ in 0..FAILURES_TO_OPEN {
            answer(&mut gate, now, failed());
        }
        now += OPEN_FIRST;
        assert!(pass(&mut gate, now));
        gate.leave(now, true, None, now);
        assert!(pass(&mut gate, now));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_for_their_turn_in_the_order_in_which_they_came() {
        let limiter = Limiter::new(Limits { concurrency: 1, requests_per_second: 0 });
        let (told, mut hear) = tokio::sync::mpsc::unbounded_channel();
        let first = limiter.admit().await.unwrap();
        for i in 0..3 {
            let (limiter, told) = (limiter.clone(), told.clone());
            tokio::spawn(async move {
                let permit = limiter.admit().await.unwrap();
                told.send(i).unwrap();
                permit.end(Verdict::Answered);
            });
            tokio::task::yield_now().await;
        }
        first.end(Verdict::Answered);
        for i in 0..3 {
            assert_eq!(hear.recv().await, Some(i));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn writes_are_spaced_evenly_but_for_two_after_a_pause_and_reads_go_by() {
        let (limiter, apart) = (Limiter::new(UNLIMITED), Duration::from_millis(500));
        let begin = Instant::now();
        let mut begun = Vec::new();
        for i in 0..6 {
            if i == 4 {
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            limiter.admit_write(apart).await.unwrap().end(Verdict::Answered);
            begun.push(begin.elapsed().as_millis());
        }
        assert_eq!(begun, [0, 0, 500, 1000, 11_000, 11_000]);
        let behind = limiter.admit_write(apart);
        let (read, _) =
            tokio::join!(async { limiter.admit().await.map(drop).map(|()| begin.elapsed().as_millis()) }, behind);
        assert_eq!(read, Ok(11_000));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let limiter = Limiter::new(Limits { concurrency: 1, requests_per_second: 0 });
        let _held = limiter.admit().await.unwrap();
        let behind = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.admit().await.map(drop) }
        });
        assert_eq!(limiter.admit().await.map(drop).unwrap_err().class, ErrorClass::Throttled);
        assert_eq!(behind.await.unwrap().unwrap_err().class, ErrorClass::Throttled);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_paused_carrier_is_told_when_it_is_too_long() {
        let limiter = Limiter::new(UNLIMITED);
        limiter.admit().await.unwrap().end(Verdict::Throttled(Some(Duration::from_secs(120))));
        let error = limiter.admit().await.map(drop).unwrap_err();
        assert_eq!((error.class, error.retry_after), (ErrorClass::Throttled, Some(Duration::from_secs(120))));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_held_back_is_told_what_failed() {
        let limiter = Limiter::new(UNLIMITED);
        for _ in 0..FAILURES_TO_OPEN {
            limiter.admit().await.unwrap().end(failed());
        }
        let error = limiter.admit().await.map(drop).unwrap_err();
        assert_eq!((error.class, error.retry_after), (ErrorClass::Transient, Some(OPEN_FIRST)));
        assert!(error.text.starts_with("it answered a page; "), "{}", error.text);
    }
}
