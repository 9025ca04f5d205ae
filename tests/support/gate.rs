//! Stands between an operator and what it writes to, and stops its writes at a chosen one. It does I/O: two listening ports.
//!
//! So a crash is put exactly between two writes, or between a write and its answer, whoever was asked: the API server and the
//! carrier are behind one gate, and a write of either is counted the same.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use kube::{Client, config::Kubeconfig};
use serde_json::json;

/// What passes from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Everything,
    /// So many writes whose path has this in it, with their answers; the next one never arrives.
    Answered(usize, &'static str),
    /// So many writes whose path has this in it; they are done, and not one of their answers arrives.
    Unanswered(usize, &'static str),
    /// So many writes whose path has this in it, with their answers; the next one is done, and its answer never arrives.
    Severed(usize, &'static str),
}

/// The gate. What comes after the chosen write is held until its sender is gone.
pub struct Gate {
    state: Mutex<Inner>,
    passed: AtomicUsize,
    cluster: Client,
    carrier: String,
    http: reqwest::Client,
}

struct Inner {
    pass: Pass,
    /// Writes that may still pass with their answers, those that may without, and those of these whose outcome is waited for.
    left: usize,
    mute: usize,
    under_way: usize,
    reached: bool,
}

/// What becomes of one write.
enum Verdict {
    Through,
    DoneUnanswered,
    Held,
}

impl Gate {
    /// A gate before this cluster and this carrier; with it a kubeconfig for the cluster and a URL of the carrier.
    pub async fn open(cluster: Client, namespace: &str, carrier: &str) -> (Arc<Self>, Kubeconfig, String) {
        let inner = Inner { pass: Pass::Everything, left: 0, mute: 0, under_way: 0, reached: false };
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (state, passed) = (Mutex::new(inner), AtomicUsize::new(0));
        let gate = Arc::new(Self { state, passed, cluster, carrier: carrier.to_owned(), http });
        let to_cluster = listen(Router::new().fallback(to_cluster).with_state(gate.clone())).await;
        let to_carrier = listen(Router::new().fallback(to_carrier).with_state(gate.clone())).await;
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "gate", "cluster": {"server": to_cluster}}],
            "users": [{"name": "gate", "user": {}}],
            "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate", "namespace": namespace}}],
            "current-context": "gate",
        });
        (gate, serde_json::from_value(kubeconfig).unwrap(), to_carrier)
    }

    /// Says what passes from now on.
    pub fn set(&self, pass: Pass) {
        let (left, mute) = match pass {
            Pass::Everything => (0, 0),
            Pass::Answered(count, _) => (count, 0),
            Pass::Unanswered(count, _) => (0, count),
            Pass::Severed(count, _) => (count, 1),
        };
        *self.state() = Inner { pass, left, mute, under_way: 0, reached: false };
    }

    /// Whether the chosen write has come, and what passes before it is done.
    pub fn is_reached(&self) -> bool {
        let state = self.state();
        state.reached && state.under_way == 0
    }

    /// Writes that were let through so far.
    pub fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap()
    }

    fn judge(&self, asked: &Parts) -> Verdict {
        let path = asked.uri.path();
        // Events are for people and nothing rests on them; they come and go beside the writes, as a Lease does.
        let aside = ["/events", "/leases"].iter().any(|aside| path.contains(aside));
        if aside || matches!(asked.method, Method::GET | Method::HEAD) {
            return Verdict::Through;
        }
        let mut state = self.state();
        let (of, dies_at_next) = match state.pass {
            Pass::Everything => {
                self.passed.fetch_add(1, Ordering::Relaxed);
                return Verdict::Through;
            }
            Pass::Answered(_, of) => (of, true),
            Pass::Unanswered(_, of) | Pass::Severed(_, of) => (of, false),
        };
        let counts = path.contains(of);
        if state.reached || counts && state.left + state.mute == 0 {
            state.reached |= dies_at_next;
            return Verdict::Held;
        }
        self.passed.fetch_add(1, Ordering::Relaxed);
        if !counts {
            return Verdict::Through;
        }
        if state.left > 0 {
            state.left -= 1;
            return Verdict::Through;
        }
        state.mute -= 1;
        state.under_way += 1;
        Verdict::DoneUnanswered
    }

    /// A write that was to stay unanswered is done. One that was refused changed nothing and does not count.
    fn done(&self, status: StatusCode) -> bool {
        let mut state = self.state();
        state.under_way -= 1;
        if !status.is_success() {
            state.mute += 1;
            return false;
        }
        state.reached = state.mute == 0;
        true
    }
}

async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn to_cluster(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let send = |gate: Arc<Gate>, parts: Parts, body: Vec<u8>| async move {
        let request = axum::http::Request::from_parts(parts, body.into());
        match gate.cluster.send(request).await {
            Ok(answer) => answer.map(Body::new),
            Err(_) => StatusCode::BAD_GATEWAY.into_response(),
        }
    };
    through(gate, request, send).await
}

async fn to_carrier(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let send = |gate: Arc<Gate>, parts: Parts, body: Vec<u8>| async move {
        let url = format!("{}{}", gate.carrier, parts.uri);
        let Ok(answer) = gate.http.request(parts.method, url).headers(parts.headers).body(body).send().await else {
            return StatusCode::BAD_GATEWAY.into_response();
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        (status, headers, answer.bytes().await.unwrap_or_default()).into_response()
    };
    through(gate, request, send).await
}

async fn through<F>(gate: Arc<Gate>, request: Request, send: impl FnOnce(Arc<Gate>, Parts, Vec<u8>) -> F) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    let (mut parts, body) = request.into_parts();
    strip(&mut parts.headers);
    // Of one that broke off in the middle nothing arrives.
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else { return StatusCode::BAD_REQUEST.into_response() };
    let verdict = gate.judge(&parts);
    if matches!(verdict, Verdict::Held) {
        return std::future::pending().await;
    }
    let send = send(gate.clone(), parts, body.to_vec());
    // Whoever hangs up meanwhile does not undo what was asked, nor keeps it from being counted.
    let done = tokio::spawn(async move {
        let answer = send.await;
        let unanswered = matches!(verdict, Verdict::DoneUnanswered) && gate.done(answer.status());
        (!unanswered).then_some(answer)
    });
    let Some(mut answer) = done.await.unwrap() else { return std::future::pending().await };
    strip(answer.headers_mut());
    answer
}

/// Takes off what is said of one connection only.
fn strip(headers: &mut HeaderMap) {
    for name in [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
}
