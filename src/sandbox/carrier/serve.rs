//! A request's way through the carrier: written down, delayed, harmed, applied, answered. Does I/O.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, State as Extracted},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::Response,
};
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::{
    Shared,
    config::Dialect,
    faults::{Fault, Met, RequestView},
    ledger::{Bodies, Entry, Kind, Ledger, redacted},
    line::Cut,
    nixflex, telnyx,
    wire::{self, ByPlatform, Reply, Request},
    world::Simulation,
};

/// Everything that a request can change, behind one lock.
#[derive(Debug)]
pub(super) struct State {
    pub world: Simulation,
    pub ledger: Ledger,
    pub faults: super::faults::Faults,
    in_flight: HashMap<String, usize>,
}

impl State {
    pub fn new(world: Simulation) -> Self {
        Self { world, ledger: Ledger::default(), faults: Default::default(), in_flight: HashMap::new() }
    }

    /// Brings about what was only due, so that nobody sees the time between: orders end, and the ledger says how.
    pub fn settle(&mut self) {
        telnyx::settle(&mut self.world);
        for (seq, status) in self.world.telnyx.ended.drain(..) {
            self.ledger.amend(seq, |entry| {
                // The money came back: the number was not bought.
                entry.applied &= matches!(status, "pending" | "success");
                entry.order = Some(status.to_owned());
            });
        }
    }
}

/// What the client gets to see.
enum Answer {
    Reply(Reply),
    /// Half of the body, then the connection breaks.
    Torn(Reply),
    /// A body that no part of the carrier's API would send.
    Raw(u16, &'static str, &'static str),
    /// The connection is closed without a word.
    Lost,
    /// Nothing, for as long as the client waits.
    Silence,
}

const HTML: &str = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
const RUBBISH: &str = r#"{"ok":true}"#;

/// The one handler of every carrier path.
pub(super) async fn carrier(
    Extracted(shared): Extracted<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let base = text(header::HOST).map_or_else(|| shared.url.clone(), |host| format!("http://{host}"));
    let json = Dialect::of(uri.path()) != Dialect::Twilio;
    let request = Request {
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
        query: wire::pairs(uri.query().unwrap_or_default().as_bytes()),
        form: if json { Vec::new() } else { wire::pairs(&body) },
        json: if json && !body.is_empty() { serde_json::from_slice(&body).ok() } else { Some(Value::Null) },
        bearer: text(header::AUTHORIZATION).and_then(wire::bearer),
        idempotency_key: headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned),
        if_match: text(header::IF_MATCH).map(str::to_owned),
        seq: 0,
        credentials: text(header::AUTHORIZATION).and_then(wire::basic),
        base,
        views: Vec::new(),
    };
    // In a task of its own: a client that hangs up does not keep the carrier from doing what it was asked.
    let answer = tokio::spawn(process(shared, request)).await.unwrap_or(Answer::Lost);
    match answer {
        Answer::Reply(reply) => respond(reply),
        Answer::Torn(reply) => torn(reply),
        Answer::Raw(status, kind, body) => response(status, Some(kind), Body::from(body)),
        Answer::Lost => {
            cut.now();
            Response::new(Body::empty())
        }
        Answer::Silence => std::future::pending().await,
    }
}

/// Counts a request while the carrier has it in hand.
struct InHand {
    shared: Arc<Shared>,
    account: String,
}

impl Drop for InHand {
    fn drop(&mut self) {
        if let Some(count) = self.shared.state().in_flight.get_mut(&self.account) {
            *count = count.saturating_sub(1);
        }
    }
}

struct Arrival {
    seq: u64,
    met: Met,
    in_hand: InHand,
    /// How many requests of this account are in hand, with this one.
    concurrent: usize,
    latency_ms: u64,
    refused: Option<Reply>,
}

/// Writes the request down, chooses what it meets, and checks whether there is room for it.
fn arrive(shared: &Arc<Shared>, request: &Request) -> Arrival {
    let mut guard = shared.state();
    let state = &mut *guard;
    let dialect = Dialect::of(&request.path);
    let kind = dialect.classify(request);
    let account = dialect.account_of(&state.world, request);
    let number = dialect.number_of(&state.world, request);
    let seen = RequestView {
        method: &request.method,
        path: &request.path,
        kind,
        account: account.as_deref(),
        number: number.as_deref(),
    };
    let met = state.faults.meet(&seen);
    let switches = &state.world.switches;
    let bodies = switches.record_bodies.then(|| Bodies {
        query: request.query.clone(),
        form: request.form.clone(),
        json: request.json.clone().filter(|json| !json.is_null()).map(redacted),
        answer: None,
    });
    let in_hand = InHand { shared: shared.clone(), account: account.clone().unwrap_or_default() };
    let concurrent = state.in_flight.entry(in_hand.account.clone()).or_default();
    *concurrent += 1;
    let concurrent = *concurrent;
    let peak = state.ledger.peak.entry(in_hand.account.clone()).or_default();
    *peak = concurrent.max(*peak);
    let full = switches.concurrency.is_some_and(|limit| concurrent > limit);
    let refused = full.then(|| dialect.too_many(switches.retry_after));
    let latency_ms = switches.latency_ms;
    let seq = state.ledger.open(Entry {
        seq: 0,
        at_ms: jiff::Timestamp::now().as_millisecond(),
        method: request.method.clone(),
        path: request.path.clone(),
        kind,
        account,
        number,
        status: None,
        code: None,
        applied: false,
        changed: Vec::new(),
        order: None,
        faults: met.names.clone(),
        bodies,
    });
    drop(guard);
    Arrival { seq, met, in_hand, concurrent, latency_ms, refused }
}

async fn process(shared: Arc<Shared>, mut request: Request) -> Answer {
    let dialect = Dialect::of(&request.path);
    let Arrival { seq, met, in_hand, concurrent, latency_ms, refused } = arrive(&shared, &request);
    let answer = match refused {
        Some(reply) => Answer::Reply(reply),
        None => {
            let delay = Duration::from_millis(met.delay_ms + latency_ms);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            request.views = met.views;
            request.seq = seq;
            decide(&shared, seq, request, met.outcome)
        }
    };
    drop(in_hand);
    conclude(&shared, seq, answer, concurrent, dialect)
}

/// Applies the request or does not, and chooses the answer.
fn decide(shared: &Arc<Shared>, seq: u64, request: Request, outcome: Option<Fault>) -> Answer {
    let done = || apply(shared, seq, &request);
    let dialect = Dialect::of(&request.path);
    let error = |status: u16| Answer::Reply(dialect.server_error(status));
    match outcome {
        None | Some(Fault::Slow { .. } | Fault::Lag { .. } | Fault::LagWrites { .. }) => Answer::Reply(done()),
        Some(Fault::TornPage | Fault::EmptyPage | Fault::HalfDone) => Answer::Reply(done()),
        Some(Fault::Hang) => Answer::Silence,
        Some(Fault::HangAfter) => {
            done();
            Answer::Silence
        }
        Some(Fault::TooMany { retry_after }) => Answer::Reply(dialect.too_many(retry_after)),
        Some(Fault::ServerErrorBefore { status }) => error(status),
        Some(Fault::ServerErrorAfter { status }) => {
            done();
            error(status)
        }
        Some(Fault::RequestLost) => Answer::Lost,
        Some(Fault::AnswerLost) => {
            done();
            Answer::Lost
        }
        Some(Fault::AppliedLate { ms }) => {
            let shared = shared.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                apply(&shared, seq, &request);
            });
            Answer::Lost
        }
        Some(Fault::TornBody) => Answer::Torn(done()),
        Some(Fault::Html { status }) => Answer::Raw(status, "text/html", HTML),
        Some(Fault::Rubbish) => {
            done();
            Answer::Raw(200, "application/json", RUBBISH)
        }
        Some(Fault::Unauthorized) => Answer::Reply(dialect.unauthorized()),
        Some(Fault::NotFound) => Answer::Reply(dialect.not_found()),
        Some(Fault::Refuse { status, code }) => Answer::Reply(dialect.refused(status, code, "Refused by the sandbox")),
        Some(Fault::RefuseAs { status, code }) => {
            Answer::Reply(dialect.refused_as(status, &code, "Refused by the sandbox"))
        }
    }
}

/// Does what the request asks, and writes down what that changed.
fn apply(shared: &Shared, seq: u64, request: &Request) -> Reply {
    let mut guard = shared.state();
    let state = &mut *guard;
    let reply = Dialect::of(&request.path).handle(&mut state.world, request);
    state.ledger.amend(seq, |entry| {
        let effect = &reply.effect;
        entry.kind = effect.kind.unwrap_or(entry.kind);
        entry.applied = effect.applied;
        entry.changed.clone_from(&effect.changed);
        entry.code = reply.code;
        if effect.number.is_some() {
            entry.number.clone_from(&effect.number);
        }
    });
    for done in &reply.effect.by_platform {
        state.ledger.open(by_platform(done));
    }
    reply
}

/// What a platform did to a number at its carrier, as the carrier has it: a request that was none of ours.
fn by_platform(done: &ByPlatform) -> Entry {
    Entry {
        seq: 0,
        at_ms: jiff::Timestamp::now().as_millisecond(),
        method: "POST".to_owned(),
        path: done.path.clone(),
        kind: Kind::PlatformWrite,
        account: Some(done.account.clone()),
        number: Some(done.number.clone()),
        status: Some(200),
        code: None,
        applied: true,
        changed: done.changed.clone(),
        order: None,
        faults: Vec::new(),
        bodies: None,
    }
}

/// What a platform says when a carrier asks it about a call or a text. The ledger is about clients and hears nothing of it.
pub(super) async fn platform(
    Extracted(shared): Extracted<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signature = headers.get("x-twilio-signature").and_then(|value| value.to_str().ok());
    let (status, text) = nixflex::answer(&mut shared.state().world, uri.path(), &wire::pairs(&body), signature);
    response(status, Some("text/xml"), Body::from(text))
}

/// Writes down what the client is told.
fn conclude(shared: &Shared, seq: u64, mut answer: Answer, concurrent: usize, dialect: Dialect) -> Answer {
    let mut state = shared.state();
    state.ledger.amend(seq, |entry| match &answer {
        Answer::Reply(reply) | Answer::Torn(reply) => {
            entry.status = Some(reply.status);
            entry.code = reply.code;
            if let Some(bodies) = &mut entry.bodies {
                bodies.answer = reply.body.clone().map(redacted);
            }
        }
        Answer::Raw(status, ..) => entry.status = Some(*status),
        Answer::Lost | Answer::Silence => {}
    });
    if let Answer::Reply(reply) = &mut answer {
        dialect.finish(reply, concurrent);
    }
    answer
}

fn response(status: u16, kind: Option<&'static str>, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(kind) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

fn respond(reply: Reply) -> Response {
    let mut response = match &reply.body {
        Some(body) => response(reply.status, Some("application/json"), Body::from(body.to_string())),
        None => response(reply.status, None, Body::empty()),
    };
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// An answer that promises its whole length and breaks off in the middle.
fn torn(reply: Reply) -> Response {
    let text = reply.body.unwrap_or_else(|| json!({ "status": "in-use" })).to_string();
    let half = text.as_bytes()[..text.len() / 2].to_vec();
    let first = futures::stream::iter([Ok(half)]);
    // A pause, so that the first half really leaves before the connection breaks.
    let then = futures::stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    let mut response = response(reply.status, Some("application/json"), Body::from_stream(first.chain(then)));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    response
}
