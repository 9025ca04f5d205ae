//! The one way to a carrier's HTTP API: limits, deadlines, repeated reads, and nothing secret in errors or logs.
//!
//! Does I/O. An adapter says what to ask ([`Call`]) and what a refusal means ([`Dialect`]); whether a request may be
//! repeated, and what became of a write without a good answer, is decided here once for all carriers.

mod call;
mod egress;
mod limiter;
mod transport;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use reqwest::header::HeaderMap;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::Instant;

pub use self::{
    call::{Auth, Body, Call},
    egress::{Egress, EgressError},
    limiter::{DEFAULT_CONCURRENCY, DEFAULT_REQUESTS_PER_SECOND, Limiter, Limits, Permit, Verdict},
    transport::{DEFAULT_DEADLINE, Transport, TransportError},
};
use self::{
    limiter::{RETRY_AFTER_MOST, jittered},
    transport::{Answer, Broken},
};
use crate::carrier::{CarrierError, ErrorClass, Outcome};

/// How often a read is tried again.
const READ_RETRIES: u32 = 2;
/// How long before a read is first tried again; doubled each time, and jittered.
const READ_BACKOFF: Duration = Duration::from_millis(250);

/// A carrier's answer that is not a success.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// Never 2xx.
    pub status: u16,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// How one carrier words its refusals.
pub trait Dialect: Send + Sync {
    /// The carrier's name in texts for people.
    fn name(&self) -> &'static str;

    /// How far apart writes are sent, where the carrier counts them apart from reads.
    fn writes_apart(&self) -> Option<Duration> {
        None
    }

    /// The class and the stable text of a refusal. A 429 or 5xx is told to the limiter whatever class it is given here.
    fn refusal(&self, refusal: &Refusal<'_>) -> CarrierError;

    /// Whether a 4xx is the carrier's own decision, in its own words. A page of something on the way may stand in the place of
    /// an answer to what had been passed on, and been done.
    fn is_decision(&self, refusal: &Refusal<'_>) -> bool {
        serde_json::from_slice::<HashMap<String, IgnoredAny>>(refusal.body).is_ok()
    }
}

/// What a refusal is by its status alone: of a code that is not known, or of an answer without one.
pub fn class_of(status: u16) -> ErrorClass {
    match status {
        401 => ErrorClass::Unauthorized,
        402 => ErrorClass::Funds,
        403 => ErrorClass::Forbidden,
        404 => ErrorClass::NotFound,
        409 => ErrorClass::Conflict,
        300..400 | 408 => ErrorClass::Transient,
        400 | 405..=428 => ErrorClass::Rejected,
        _ => ErrorClass::Unknown,
    }
}

/// One carrier account's way to its API.
#[derive(Debug)]
pub struct Http<D> {
    transport: Transport,
    limiter: Arc<Limiter>,
    auth: Auth,
    dialect: D,
}

impl<D: Dialect> Http<D> {
    pub fn new(transport: Transport, limiter: Arc<Limiter>, auth: Auth, dialect: D) -> Self {
        Self { transport, limiter, auth, dialect }
    }

    /// How long one request may take from the moment it is sent.
    pub fn deadline(&self) -> Duration {
        self.transport.deadline()
    }

    /// Reads something, trying again where that can help.
    pub async fn read<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CarrierError> {
        Ok(self.read_sized(call).await?.0)
    }

    /// The same, with the size of the answer in bytes.
    pub async fn read_sized<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<(T, usize), CarrierError> {
        let mut tries = 0;
        loop {
            let error = match self.send("GET", &call, None).await {
                Sent::Answer(value, size) => return Ok((value, size)),
                // The limiter's own refusal: to wait is what it asks for.
                Sent::Nothing { error, held: true } => return Err(error),
                Sent::Nothing { error, .. } | Sent::Refused { error, .. } | Sent::Unclear(error) => error,
            };
            let helps = matches!(error.class, ErrorClass::Transient | ErrorClass::Throttled);
            if !helps || tries == READ_RETRIES {
                return Err(error);
            }
            // After a 429 the limiter holds the next try back for as long as the carrier wishes.
            if error.class == ErrorClass::Transient {
                tokio::time::sleep(jittered(READ_BACKOFF * (1 << tries))).await;
            }
            tries += 1;
        }
    }

    /// Reads something that nothing waits for, from a host of the carrier's that a firewall may shut while it lets through what counts. It is
    /// asked for once, and to get no answer is not held against the carrier.
    pub async fn glance<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CarrierError> {
        match self.exchange("GET", &call, None, false).await {
            Sent::Answer(value, _) => Ok(value),
            Sent::Nothing { error, .. } | Sent::Refused { error, .. } | Sent::Unclear(error) => Err(error),
        }
    }

    /// Changes something. It is sent once: whoever repeats a write must look first.
    pub async fn write<T: DeserializeOwned>(&self, method: &'static str, call: Call<'_>, body: Body<'_>) -> Outcome<T> {
        match self.send(method, &call, Some(&body)).await {
            Sent::Answer(value, _) => Outcome::Did(value),
            Sent::Nothing { error, .. } => Outcome::DidNothing(error),
            Sent::Refused { error, status, .. } if is_refusal(status) => Outcome::DidNothing(error),
            Sent::Refused { error, .. } | Sent::Unclear(error) => Outcome::Unknown(error),
        }
    }

    /// As [`write`](Self::write), for what costs money: a refusal proves that nothing was done only if it is the carrier's [own
    /// decision](Dialect::is_decision). A route that was taken for unset is seen and set again; a purchase that was taken for
    /// refused is made a second time.
    pub async fn spend<T: DeserializeOwned>(&self, method: &'static str, call: Call<'_>, body: Body<'_>) -> Outcome<T> {
        match self.send(method, &call, Some(&body)).await {
            Sent::Answer(value, _) => Outcome::Did(value),
            Sent::Nothing { error, .. } => Outcome::DidNothing(error),
            Sent::Refused { error, status, decided: true } if is_refusal(status) => Outcome::DidNothing(error),
            Sent::Refused { error, .. } | Sent::Unclear(error) => Outcome::Unknown(error),
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: &'static str,
        call: &Call<'_>,
        body: Option<&Body<'_>>,
    ) -> Sent<T> {
        self.exchange(method, call, body, true).await
    }

    /// One request and what came of it; whether a failure `counts` when it is judged how well the carrier is.
    async fn exchange<T: DeserializeOwned>(
        &self,
        method: &'static str,
        call: &Call<'_>,
        body: Option<&Body<'_>>,
        counts: bool,
    ) -> Sent<T> {
        let admitted = match self.dialect.writes_apart().filter(|_| body.is_some()) {
            Some(apart) => self.limiter.admit_write(apart).await,
            None => self.limiter.admit().await,
        };
        let permit = match admitted {
            Ok(permit) => permit,
            Err(error) => return Sent::Nothing { error, held: true },
        };
        if call.before.is_some_and(|before| Instant::now() >= before) {
            permit.end(Verdict::Answered);
            let error = CarrierError {
                class: ErrorClass::Throttled,
                ..self.failure("got no request in time, because too many were queued; the operator retries. If this persists, raise spec.limits of the CarrierAccount")
            };
            return Sent::Nothing { error, held: true };
        }
        let sent = match self.transport.exchange(method, call, &self.auth, body).await {
            Ok(answer) => self.judge(answer),
            Err(broken) => self.broken(call, broken),
        };
        // A request that could not even be built says nothing about the carrier.
        if let Some(verdict) = sent.verdict().filter(|verdict| counts || !matches!(verdict, Verdict::Failed(_))) {
            permit.end(verdict);
        }
        sent
    }

    /// What an answer says. A success that cannot be read is no answer: a proxy's page, a cut body, nothing at all. But 204 says that
    /// there is nothing to read, which is read as null.
    fn judge<T: DeserializeOwned>(&self, answer: Answer) -> Sent<T> {
        let Answer { status, headers, body, .. } = &answer;
        let status = *status;
        if (200..300).contains(&status) {
            let text = if status == 204 { b"null" } else { body.as_slice() };
            return match serde_json::from_slice(text) {
                Ok(value) => Sent::Answer(value, body.len()),
                // Its own text may quote the body.
                Err(_) => Sent::Unclear(self.failure(
                    "returned a response that cannot be decoded; check spec.endpoint and any proxy in between",
                )),
            };
        }
        let refusal = Refusal { status, headers, body };
        let mut error = self.dialect.refusal(&refusal);
        error.retry_after = error.retry_after.or_else(|| retry_after(headers));
        Sent::Refused { error, status, decided: self.dialect.is_decision(&refusal) }
    }

    fn broken<T>(&self, call: &Call<'_>, broken: Broken) -> Sent<T> {
        let host = call.base.host_str().unwrap_or_default();
        match broken {
            Broken::BadCall => Sent::Nothing {
                error: CarrierError {
                    class: ErrorClass::Rejected,
                    ..self.failure(
                        "got no request, because it cannot be built; check spec.endpoint and the Secret for characters that HTTP does not allow",
                    )
                },
                held: false,
            },
            Broken::NotConnected(why) => {
                Sent::Nothing { error: self.failure(&format!("could not be reached at {host}: {why}")), held: false }
            }
            Broken::TooLate => {
                let seconds = self.deadline().as_secs_f32();
                Sent::Unclear(self.failure(&format!("did not answer within {seconds} seconds")))
            }
            Broken::TooLarge => Sent::Unclear(self.failure("returned a response that is too large; check spec.endpoint and any proxy in between")),
            Broken::Cut => Sent::Unclear(self.failure("closed the connection before it responded")),
        }
    }

    fn failure(&self, what: &str) -> CarrierError {
        let text = format!("{} {what}", self.dialect.name());
        CarrierError::new(ErrorClass::Transient, text)
    }
}

/// What became of one request.
enum Sent<T> {
    /// What came, and how many bytes that was.
    Answer(T, usize),
    /// A status other than 2xx.
    Refused {
        error: CarrierError,
        status: u16,
        /// Whether it is the carrier's own decision.
        decided: bool,
    },
    /// It may have arrived; there is no answer that could be read.
    Unclear(CarrierError),
    /// Nothing left this machine; `held` if the limiter did not let it.
    Nothing { error: CarrierError, held: bool },
}

impl<T> Sent<T> {
    fn verdict(&self) -> Option<Verdict> {
        match self {
            Sent::Answer(..) | Sent::Refused { status: 400..429 | 430..500, .. } => Some(Verdict::Answered),
            Sent::Refused { error, status: 429, .. } => Some(Verdict::Throttled(error.retry_after)),
            Sent::Nothing { error, .. } if error.class != ErrorClass::Transient => None,
            Sent::Refused { error, .. } | Sent::Unclear(error) | Sent::Nothing { error, .. } => {
                Some(Verdict::Failed(error.text.clone()))
            }
        }
    }
}

/// A 4xx is a decision not to do it. All but 408 and 499, which say that somebody on the way grew tired of waiting.
fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && ![408, 499].contains(&status)
}

/// How long `Retry-After` asks to wait, at most [`RETRY_AFTER_MOST`], in either of its forms ([RFC
/// 9110](https://www.rfc-editor.org/rfc/rfc9110#field.retry-after)).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MOST));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let wish = Duration::try_from(at.duration_since(jiff::Timestamp::now())).unwrap_or_default();
    Some(wish.min(RETRY_AFTER_MOST))
}
