//! One request and its answer over the wire. Does I/O.
//!
//! It follows no redirects (they could carry credentials elsewhere), goes through a proxy only where whoever runs the operator
//! [says so](Egress), and never repeats a request. An error says whether anything can have been sent, and nothing of what.

use std::{error::Error as _, fmt, sync::Arc, time::Duration};

use reqwest::{Client, header::HeaderMap};
use secrecy::ExposeSecret as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument as _, field::Empty};
use url::Url;

use super::{
    call::{Auth, Body, Call},
    egress::Egress,
};

/// How long a request may take in all, where nobody says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(15);
/// How long it may take to reach the carrier; less than the deadline, so that what was surely not sent can be told
/// apart.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept. Carriers' load balancers close theirs after a minute or more, and a
/// connection that dies under a write makes its outcome unknown.
const IDLE: Duration = Duration::from_secs(30);
/// How often a connection that many requests share is asked whether it is alive: one whose peer has gone silent would
/// take every request on it past its deadline.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A page of 1,000 Twilio numbers is about 2 MB.
const MOST_BYTES: usize = 12 << 20;
/// An answer that is larger than this waits until there is room for it.
const SMALL: usize = 128 << 10;
/// How many of those may be held at once, of all accounts together.
const LARGE_AT_ONCE: usize = 3;

/// The pool of connections to carriers. Cheap to clone; one serves every account.
#[derive(Clone)]
pub struct Transport {
    client: Client,
    deadline: Duration,
    /// Room for large answers.
    large: Arc<Semaphore>,
}

impl fmt::Debug for Transport {
    /// The client would show the password of a proxy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// The connections could not be set up, for instance because the system has no certificate authorities.
#[derive(Debug, thiserror::Error)]
#[error("could not set up HTTPS; check that the system's CA certificates are installed")]
pub struct TransportError(#[source] reqwest::Error);

/// An answer of whatever status, complete.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// The room that a large one takes, until it is decoded.
    pub _room: Option<OwnedSemaphorePermit>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The request could not be built; nothing was sent.
    BadCall,
    /// No connection came about; nothing was sent.
    NotConnected(&'static str),
    TooLate,
    TooLarge,
    /// The connection was lost.
    Cut,
}

impl Transport {
    /// A pool whose requests take at most `deadline` each, from sending to the last byte of the answer, straight to the carriers.
    pub fn new(deadline: Duration) -> Result<Self, TransportError> {
        Self::by(&Egress::default(), deadline)
    }

    /// The same by another way out. Through a proxy an `https` URL is a tunnel: the proxy sees the carrier's host and no more. To connect is
    /// to reach the carrier through it, so that what did not come that far was surely not sent.
    pub fn by(egress: &Egress, deadline: Duration) -> Result<Self, TransportError> {
        // Somebody else may have installed one already: any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (proxies, authorities) = egress.parts().map_err(TransportError)?;
        // The environment is asked by whoever made `egress`, and by nobody else.
        let straight = Client::builder().no_proxy().tls_certs_merge(authorities.iter().cloned());
        let client = proxies
            .into_iter()
            .fold(straight, reqwest::ClientBuilder::proxy)
            .user_agent(concat!("dialplane/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(deadline)
            .connect_timeout(CONNECT.min(deadline / 2))
            .pool_idle_timeout(IDLE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(CONNECT)
            .build()
            .map_err(TransportError)?;
        Ok(Self { client, deadline, large: Arc::new(Semaphore::new(LARGE_AT_ONCE)) })
    }

    /// How long one request may take from the moment it is sent.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Sends one request and takes in the whole answer.
    pub(super) async fn exchange(
        &self,
        method: &'static str,
        call: &Call<'_>,
        auth: &Auth,
        body: Option<&Body<'_>>,
    ) -> Result<Answer, Broken> {
        let span = tracing::debug_span!("carrier", method, path = call.path, status = Empty, duration_ms = Empty);
        let begun = tokio::time::Instant::now();
        let result = self.exchange_inner(method, call, auth, body).instrument(span.clone()).await;
        span.record("duration_ms", begun.elapsed().as_millis() as u64);
        match &result {
            Ok(answer) => span.record("status", answer.status),
            Err(broken) => span.record("status", tracing::field::debug(broken)),
        };
        span.in_scope(|| tracing::debug!("sent a request to the carrier"));
        result
    }

    async fn exchange_inner(
        &self,
        method: &'static str,
        call: &Call<'_>,
        auth: &Auth,
        body: Option<&Body<'_>>,
    ) -> Result<Answer, Broken> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|_| Broken::BadCall)?;
        let request = self.client.request(method, url_of(call).ok_or(Broken::BadCall)?);
        let request = match auth {
            Auth::Basic { user, password } => request.basic_auth(user, Some(password.expose_secret())),
            Auth::Bearer(token) => request.bearer_auth(token.expose_secret()),
        };
        let request = call.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = match body {
            None | Some(Body::Empty) => request,
            Some(Body::Form(pairs)) => request.form(pairs),
            Some(Body::Json(value)) => request.json(value),
        };
        let mut response = request.send().await.map_err(|error| broken(&error))?;
        let (mut body, mut room) = (Vec::new(), None);
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(Broken::TooLarge);
            }
            if room.is_none() && body.len() + chunk.len() > SMALL {
                // Nobody waits for ever: whoever holds it has a deadline too.
                let free = tokio::time::timeout(self.deadline, self.large.clone().acquire_owned()).await;
                room = Some(free.map_err(|_| Broken::TooLate)?.map_err(|_| Broken::Cut)?);
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer { status: response.status().as_u16(), headers, body, _room: room })
    }
}

/// The URL of a call, or nothing if its template and arguments do not fit. A base with a path of its own (a proxy's)
/// keeps it.
fn url_of(call: &Call<'_>) -> Option<Url> {
    let mut url = call.base.clone();
    let mut args = call.args.iter();
    let mut path = call.base.path().trim_end_matches('/').to_owned();
    for (i, literal) in call.path.split("{}").enumerate() {
        if i > 0 {
            // An empty name would ask for the collection, and a dotted one for something else altogether.
            let arg = args.next().filter(|arg| !["", ".", ".."].contains(*arg))?;
            path.extend(
                url::form_urlencoded::byte_serialize(arg.as_bytes()).map(|part| if part == "+" { "%20" } else { part }),
            );
        }
        path.push_str(literal);
    }
    url.set_path(&path);
    url.set_query((!call.query.is_empty()).then_some(call.query));
    Some(url)
}

/// Sorts an error of the HTTP client. Only what failed while connecting was surely not sent.
fn broken(error: &reqwest::Error) -> Broken {
    if error.is_builder() {
        return Broken::BadCall;
    }
    if error.is_connect() {
        return Broken::NotConnected(why_not_connected(error));
    }
    if error.is_timeout() { Broken::TooLate } else { Broken::Cut }
}

// Any of these may stop a connection, and none of them shows itself.
const REFUSED: &str = "the connection was refused; check spec.endpoint, the proxy, firewalls and NetworkPolicies";
const TIMED_OUT: &str = "connecting took too long; check spec.endpoint, the proxy, firewalls and NetworkPolicies";
const FAILED: &str = "the connection failed; check spec.endpoint, the proxy, firewalls and NetworkPolicies";

/// Why the connection failed, without the addresses and system codes that change from one try to the next.
fn why_not_connected(error: &reqwest::Error) -> &'static str {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            match io.kind() {
                std::io::ErrorKind::ConnectionRefused => return REFUSED,
                std::io::ErrorKind::TimedOut => return TIMED_OUT,
                _ => {}
            }
        }
        let text = inner.to_string();
        if text.contains("tunnel error") {
            return why_no_tunnel(&text);
        }
        if text.contains("dns error") {
            return "its name could not be resolved; check spec.endpoint and the cluster's DNS";
        }
        if text.contains("certificate") {
            return "its certificate is not trusted; if a proxy inspects TLS, provide its CA with --carrier-ca-file";
        }
        cause = inner.source();
    }
    if error.is_timeout() { TIMED_OUT } else { FAILED }
}

/// The same of a proxy that should have connected.
fn why_no_tunnel(text: &str) -> &'static str {
    match text {
        _ if text.contains("authorization") => {
            "the proxy did not accept the user and password, or got none; check them in HTTPS_PROXY"
        }
        _ if text.contains("underlying connection") => "the proxy could not be reached; check HTTPS_PROXY",
        _ => "the proxy did not connect; check that it allows this host, or name the host in NO_PROXY",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_in_a_path_and_a_base_with_a_path_make_the_url_that_was_meant() {
        let base = Url::parse("http://proxy.example/twilio/").unwrap();
        let url = |args: &[&str]| {
            url_of(&Call {
                base: &base,
                path: "/v1/numbers/{}.json",
                args,
                query: "a=%2B1",
                headers: &[],
                before: None,
            })
            .map(String::from)
        };
        let meant = "http://proxy.example/twilio/v1/numbers/%2B1%20%2F2%3F.json?a=%2B1";
        assert_eq!(url(&["+1 /2?"]).as_deref(), Some(meant));
        for bad in ["", ".", ".."] {
            assert_eq!(url(&[bad]), None, "{bad:?}");
        }
        assert_eq!(url(&[]), None);
    }
}
