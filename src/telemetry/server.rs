//! The HTTP servers for probes and metrics. They answer from memory; who may read metrics can be asked elsewhere. It does I/O: sockets.
//!
//! Anyone in the cluster may reach them: what a connection may send, how long it lasts and how many there are is bounded.

use std::{collections::VecDeque, io, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long an answer under way may take when the process or its connection ends.
const GRACE: Duration = Duration::from_secs(2);
/// How many connections there are at once. The oldest makes room for a new one, so that those which only stay keep out no probe.
const CONNECTIONS: usize = 64;
/// How long a connection lasts at most, and how long it may take to say who it is and what it wants. It has as long between two requests.
const LIFETIME: Duration = Duration::from_secs(60);
const HEAD: Duration = Duration::from_secs(5);
/// How large a request's head may be, in bytes: room for a token of a ServiceAccount.
const HEAD_SIZE: usize = 16 << 10;

/// Serves `/livez` and `/readyz`.
///
/// `ready` says what is not ready yet, in words for whoever looks (`waiting for the first list of phonenumbers`).
/// `/livez` only says that the runtime turns: an unwell API server or carrier is no reason to be restarted.
pub fn probes(ready: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Router {
    let ready = Arc::new(ready);
    let readyz = move || {
        let answer = match ready() {
            Ok(()) => (StatusCode::OK, "ok".to_owned()),
            Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing),
        };
        async { answer }
    };
    Router::new().route("/livez", get(|| async { "ok" })).route("/readyz", get(readyz))
}

/// Serves `/metrics`. `page` renders them, and may bring gauges up to date before it does.
pub fn metrics(page: impl Fn() -> String + Send + Sync + 'static) -> Router {
    let page = Arc::new(page);
    let scrape = move || {
        let answer = ([(header::CONTENT_TYPE, super::metrics::CONTENT_TYPE)], page());
        async { answer }
    };
    Router::new().route("/metrics", get(scrape))
}

/// The same for those alone whose bearer token `admit` takes; its error is the answer to the others.
pub fn guarded<F>(router: Router, admit: impl Fn(String) -> F + Clone + Send + Sync + 'static) -> Router
where
    F: Future<Output = Result<(), (StatusCode, &'static str)>> + Send + 'static,
{
    let check = move |request: Request, next: Next| {
        let (admit, token) = (admit.clone(), bearer(request.headers()));
        async move {
            let Some(token) = token else { return refusal(StatusCode::UNAUTHORIZED, "send a bearer token") };
            match admit(token).await {
                Ok(()) => next.run(request).await,
                Err((status, why)) => refusal(status, why),
            }
        }
    };
    router.layer(middleware::from_fn(check))
}

/// The one token that a request is sent with.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

fn refusal(status: StatusCode, why: &'static str) -> Response {
    let mut response = (status, why).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    response
}

/// Serves until `token` is cancelled; by TLS where there is an acceptor.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, token: CancellationToken) {
    let mut tasks = JoinSet::new();
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = token.cancelled() => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {
                open.retain(|connection| !connection.is_finished());
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Nothing but an answer is lost with it.
                if open.len() >= CONNECTIONS
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
                open.push_back(tasks.spawn(connection(stream, tls.clone(), router.clone(), token.clone())));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for probes or metrics cannot be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // A scraper that keeps its connection open must not keep the process.
    timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await.ok();
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, token: CancellationToken) {
    let ended = match tls {
        None => exchange(stream, router, token).await,
        Some(tls) => match timeout(HEAD, tls.accept(stream)).await {
            Ok(Ok(stream)) => exchange(stream, router, token).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(()),
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection for probes or metrics ended early");
    }
}

/// Answers what is asked on one connection, until it has lasted long enough.
async fn exchange<S>(stream: S, router: Router, token: CancellationToken) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_SIZE);
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let result = tokio::select! {
        result = &mut served => result,
        () = token.cancelled() => {
            served.as_mut().graceful_shutdown();
            timeout(GRACE, served).await.unwrap_or(Ok(()))
        }
        () = sleep(LIFETIME) => {
            served.as_mut().graceful_shutdown();
            timeout(GRACE, served).await.unwrap_or(Ok(()))
        }
    };
    result.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::Body;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tower::ServiceExt;

    use super::*;

    async fn answer(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_is_alive_at_once_and_ready_when_its_caches_are() {
        let synced = Arc::new(AtomicBool::new(false));
        let seen = synced.clone();
        let ready = move || if seen.load(Ordering::Relaxed) { Ok(()) } else { Err("waiting for agents".to_owned()) };
        let router = probes(ready).merge(metrics(|| "# EOF\n".to_owned()));
        assert_eq!(answer(&router, "/livez").await, (StatusCode::OK, "ok".into()));
        assert_eq!(answer(&router, "/readyz").await, (StatusCode::SERVICE_UNAVAILABLE, "waiting for agents".into()));
        synced.store(true, Ordering::Relaxed);
        assert_eq!(answer(&router, "/readyz").await.0, StatusCode::OK);
        assert_eq!(answer(&router, "/metrics").await.1, "# EOF\n");
    }

    #[tokio::test]
    async fn metrics_that_are_guarded_are_for_whoever_is_admitted() {
        let admit = |token: String| async move {
            match &*token {
                "reader" => Ok(()),
                "other" => Err((StatusCode::FORBIDDEN, "no")),
                _ => Err((StatusCode::UNAUTHORIZED, "who?")),
            }
        };
        let router = guarded(metrics(|| "page".to_owned()), admit);
        let asked = |headers: &'static [&'static str]| {
            let mut request = Request::get("/metrics");
            for value in headers {
                request = request.header(header::AUTHORIZATION, *value);
            }
            router.clone().oneshot(request.body(Body::empty()).unwrap())
        };
        for (headers, status) in [
            (&["Bearer reader"][..], 200),
            (&["bearer  reader "], 200),
            (&["Bearer other"], 403),
            (&["Bearer made-up"], 401),
            (&[], 401),
            (&["Bearer"], 401),
            (&["Bearer "], 401),
            (&["Basic reader"], 401),
            (&["reader"], 401),
            (&["Bearer reader", "Bearer other"], 401),
        ] {
            let response = asked(headers).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{headers:?}");
            assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), status == 401);
            let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            assert_eq!(body == "page", status == 200, "{headers:?}");
        }
    }

    async fn begun() -> (std::net::SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, token) = (listener.local_addr().unwrap(), CancellationToken::new());
        let serving = tokio::spawn(serve(listener, None, probes(|| Ok(())), token.clone()));
        (addr, token, serving)
    }

    /// Everything that comes back for this, until the connection ends.
    async fn said(addr: std::net::SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut text = Vec::new();
        // A reset is an end as well.
        stream.read_to_end(&mut text).await.ok();
        String::from_utf8_lossy(&text).into_owned()
    }

    const PROBE: &[u8] = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn connections_that_only_stay_keep_no_probe_out() {
        let (addr, _token, _serving) = begun().await;
        let mut staying = Vec::new();
        for _ in 0..CONNECTIONS + 10 {
            staying.push(TcpStream::connect(addr).await.unwrap());
        }
        assert!(said(addr, PROBE).await.starts_with("HTTP/1.1 200"));
        let mut byte = [0];
        let ended = timeout(HEAD / 2, staying[0].read(&mut byte)).await.expect("the oldest has made room");
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }

    #[tokio::test]
    async fn what_is_too_large_or_takes_too_long_is_ended() {
        let (addr, _token, _serving) = begun().await;
        let large = format!("GET /livez HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "a".repeat(2 * HEAD_SIZE));
        assert!(!said(addr, large.as_bytes()).await.contains(" 200 "));
        let slow = timeout(3 * HEAD, said(addr, b"GET /livez HTTP/1.1\r\nHo")).await.expect("it is not waited for");
        assert!(!slow.contains(" 200 "), "{slow}");
        let idle = timeout(3 * HEAD, said(addr, b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(idle.expect("nor is the next request").contains(" 200 "));
    }

    #[tokio::test]
    async fn it_ends_when_it_is_told_to_whoever_is_connected() {
        let (addr, token, serving) = begun().await;
        let _staying = TcpStream::connect(addr).await.unwrap();
        assert!(said(addr, PROBE).await.starts_with("HTTP/1.1 200"));
        token.cancel();
        timeout(GRACE * 3, serving).await.expect("it ends").unwrap();
    }
}
