//! The HTTP server for probes and metrics. It answers from memory and calls nobody.

use std::future::IntoFuture;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long a scrape under way may take when the process ends.
const GRACE: Duration = Duration::from_secs(2);

/// Serves `/livez`, `/readyz` and `/metrics` until `token` is cancelled.
///
/// `ready` says what is not ready yet, in words for whoever looks (`waiting for the first list of phonenumbers`).
/// `metrics` renders them, and may bring gauges up to date before it does. `/livez` only says that the runtime turns:
/// an unwell API server or carrier is no reason to be restarted.
pub async fn serve(
    listener: TcpListener,
    token: CancellationToken,
    ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    metrics: impl Fn() -> String + Send + Sync + 'static,
) -> io::Result<()> {
    let stop = token.clone();
    let server = axum::serve(listener, router(ready, metrics)).with_graceful_shutdown(stop.cancelled_owned());
    let ended = async {
        token.cancelled().await;
        // A scraper that keeps its connection open must not keep the process.
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server.into_future() => result,
        () = ended => Ok(()),
    }
}

fn router(
    ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    metrics: impl Fn() -> String + Send + Sync + 'static,
) -> Router {
    let (ready, metrics) = (Arc::new(ready), Arc::new(metrics));
    let readyz = move || {
        let answer = match ready() {
            Ok(()) => (StatusCode::OK, "ok".to_owned()),
            Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing),
        };
        async { answer }
    };
    let scrape = move || {
        let answer = ([(header::CONTENT_TYPE, super::metrics::CONTENT_TYPE)], metrics());
        async { answer }
    };
    Router::new().route("/livez", get(|| async { "ok" })).route("/readyz", get(readyz)).route("/metrics", get(scrape))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::Body;
    use axum::http::Request;
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
        let router = router(ready, || "# EOF\n".to_owned());
        assert_eq!(answer(&router, "/livez").await, (StatusCode::OK, "ok".into()));
        assert_eq!(answer(&router, "/readyz").await, (StatusCode::SERVICE_UNAVAILABLE, "waiting for agents".into()));
        synced.store(true, Ordering::Relaxed);
        assert_eq!(answer(&router, "/readyz").await.0, StatusCode::OK);
        assert_eq!(answer(&router, "/metrics").await.1, "# EOF\n");
    }

    #[tokio::test]
    async fn it_ends_when_it_is_told_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let token = CancellationToken::new();
        token.cancel();
        serve(listener, token, || Ok(()), String::new).await.unwrap();
    }
}
