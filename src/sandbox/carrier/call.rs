//! Calls and text messages that reach a number: who is asked what to do with them, by a real and signed request. Does I/O.

use std::time::Duration;

use axum::body::Bytes;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::form_urlencoded;

use super::{
    Shared,
    asked::Asked,
    config::Dialect,
    nixflex,
    route::{Place, Route, Seal, webhooks},
    signature, telnyx,
    traffic::{Hook, Hosted, Outcome, Traffic},
};

/// What became of a call or a text message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    pub to: String,
    pub outcome: Outcome,
    /// What its route came from: `number`, or the sid of an application, service or trunk that stands before it; on
    /// Telnyx always the id of an application or messaging profile, on Flowyte that of the agent.
    pub via: Option<String>,
    /// The requests that were sent, the last one decisive.
    pub attempts: Vec<Attempt>,
    /// The report on the finished call, where one is asked for.
    pub status_callback: Option<Attempt>,
    /// The agent on a platform that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted: Option<Hosted>,
}

/// One request to a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The public URL, as it was signed.
    pub url: String,
    pub method: String,
    pub status: Option<u16>,
    pub body: String,
    /// Why there is no status.
    pub error: Option<String>,
}

impl Attempt {
    fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status < 400)
    }
}

impl Placed {
    /// The answer that decided what happens, if there was one.
    pub fn answer(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|_| self.outcome == Outcome::Answered)
    }
}

/// Asks webhooks, over plain HTTP only, by URLs as they were written.
pub(super) type Client = legacy::Client<HttpConnector, Full<Bytes>>;

pub(super) fn client() -> Client {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

type Params = Vec<(String, String)>;

/// What a webhook is told.
#[derive(Clone, Debug)]
enum Told {
    Form(Params),
    Json(Value),
}

impl Told {
    /// What the one who is asked in this place, counted from 1, is told of `traffic` from somebody to a number.
    fn of(traffic: Traffic, route: &Route, hex: &str, [from, to, body]: [&str; 3], attempt: usize) -> Self {
        match (route.dialect, traffic) {
            // A platform has no numbers of its own.
            (Dialect::Twilio | Dialect::Nixflex, Traffic::Call) => {
                Told::Form(call_params(hex, &route.account, from, to))
            }
            (Dialect::Twilio | Dialect::Nixflex, Traffic::Text) => {
                Told::Form(text_params(hex, &route.account, from, to, body, route.service.as_deref()))
            }
            (Dialect::Telnyx, Traffic::Call) => Told::Form(telnyx::voice_params(hex, route, from, to)),
            (Dialect::Telnyx, Traffic::Text) => Told::Json(telnyx::text_body(hex, route, from, to, body, attempt)),
            // It asks no webhooks.
            (Dialect::Flowyte, _) => Told::Json(Value::Null),
        }
    }

    fn params(&self) -> &[(String, String)] {
        match self {
            Told::Form(params) => params,
            Told::Json(_) => &[],
        }
    }

    /// The body of a POST, and its type.
    fn body(&self) -> (String, &'static str) {
        match self {
            Told::Form(params) => (
                form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish(),
                "application/x-www-form-urlencoded; charset=UTF-8",
            ),
            Told::Json(value) => (value.to_string(), "application/json"),
        }
    }
}

/// Sends what `from` calls or writes to the number's route, as the carrier would.
pub(super) async fn place(shared: &Shared, traffic: Traffic, from: &str, to: &str, body: &str) -> Placed {
    let mut placed = Placed {
        to: to.to_owned(),
        outcome: Outcome::Nothing,
        via: None,
        attempts: vec![],
        status_callback: None,
        hosted: None,
    };
    let (route, hex) = {
        let mut state = shared.state();
        let hex = state.world.hex("traffic");
        (webhooks(&state.world, traffic, to), hex)
    };
    let route = match route {
        Place::Route(route) => route,
        Place::Trunk(trunk) => return Placed { outcome: Outcome::Trunk, via: Some(trunk), ..placed },
        Place::Hosted(hosted) => {
            let via = Some(hosted.agent.clone());
            return Placed { outcome: Outcome::Answered, via, hosted: Some(hosted), ..placed };
        }
        Place::Nowhere(outcome) => return Placed { outcome, ..placed },
    };
    let ends = [from, to, body];
    placed.via = Some(route.via.clone());
    placed.outcome = Outcome::Failed;
    let mut failed: Option<String> = None;
    for (at, hook) in [Some(&route.primary), route.fallback.as_ref()].into_iter().flatten().enumerate() {
        let mut told = Told::of(traffic, &route, &hex, ends, at + 1);
        if let (Dialect::Twilio, Told::Form(params), Some(url)) = (route.dialect, &mut told, &failed) {
            params.extend(owned([("ErrorCode", "11200"), ("ErrorUrl", url)]));
        }
        let attempt = send(shared, hook, &route.seal, &told).await;
        let (done, url) = (attempt.succeeded(), attempt.url.clone());
        let (hosted, busy) = nixflex::heard(&url, &attempt.body);
        placed.attempts.push(attempt);
        if done {
            placed.outcome = if busy { Outcome::Busy } else { Outcome::Answered };
            placed.hosted = hosted.map(|agent| Hosted { agent, version: None });
            break;
        }
        failed = Some(url);
    }
    if let (Traffic::Call, Some(hook)) = (traffic, &route.status) {
        let told = ended(Told::of(traffic, &route, &hex, ends, 1), placed.outcome);
        placed.status_callback = Some(send(shared, hook, &route.seal, &told).await);
    }
    placed
}

/// The report on a call that is over.
fn ended(told: Told, outcome: Outcome) -> Told {
    let status = match outcome {
        Outcome::Answered => "completed",
        Outcome::Busy => "busy",
        _ => "failed",
    };
    let mut params = told.params().to_vec();
    params.retain(|(name, _)| name != "CallStatus");
    params.extend(owned([("CallStatus", status), ("CallDuration", "1"), ("Duration", "1"), ("SequenceNumber", "0")]));
    params.extend(owned([("CallbackSource", "call-progress-events")]));
    Told::Form(params)
}

fn owned<const N: usize>(pairs: [(&str, &str); N]) -> Params {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn call_params(sid: &str, account: &str, from: &str, to: &str) -> Params {
    let sid = format!("CA{sid}");
    let called = [("CallSid", sid.as_str()), ("AccountSid", account), ("From", from), ("To", to), ("Caller", from)];
    let mut params = owned(called);
    let rest = [("Called", to), ("CallStatus", "ringing"), ("Direction", "inbound"), ("ApiVersion", "2010-04-01")];
    params.extend(owned(rest));
    params
}

fn text_params(sid: &str, account: &str, from: &str, to: &str, body: &str, service: Option<&str>) -> Params {
    let sid = format!("SM{sid}");
    let mut params = owned([("MessageSid", sid.as_str()), ("SmsSid", &sid), ("SmsMessageSid", &sid)]);
    params.extend(owned([("AccountSid", account), ("From", from), ("To", to), ("Body", body)]));
    params.extend(owned([
        ("NumMedia", "0"),
        ("NumSegments", "1"),
        ("SmsStatus", "received"),
        ("ApiVersion", "2010-04-01"),
    ]));
    params.extend(service.map(|service| ("MessagingServiceSid".to_owned(), service.to_owned())));
    params
}

/// The headers that prove who asks. A GET carries what it tells in its URL, which is then what Twilio signs.
fn sealed(seal: &Seal, url: &str, get: bool, told: &Told, body: &str) -> Vec<(&'static str, String)> {
    match seal {
        Seal::Twilio(token) => {
            vec![("x-twilio-signature", signature::sign(token, url, if get { &[] } else { told.params() }))]
        }
        Seal::Telnyx(secret) => {
            let now = jiff::Timestamp::now().as_second();
            let signature = telnyx::sign_webhook(secret, now, body).unwrap_or_default();
            vec![("telnyx-timestamp", now.to_string()), ("telnyx-signature-ed25519", signature)]
        }
        Seal::None => vec![],
    }
}

/// Asks one webhook, and signs what is sent. `Host` and `X-Forwarded-Proto` are those of the public URL, so that a server elsewhere can check the
/// signature.
async fn send(shared: &Shared, hook: &Hook, seal: &Seal, told: &Told) -> Attempt {
    let mut attempt =
        Attempt { url: hook.url.clone(), method: hook.method.clone(), status: None, body: String::new(), error: None };
    let get = hook.method == "GET";
    let Some(asked) = Asked::of(&hook.url, if get { told.params() } else { &[] }) else {
        attempt.error = Some("the URL is malformed".to_owned());
        return attempt;
    };
    attempt.url = asked.url();
    // The demo URLs of a new number, say, are Twilio's real ones: a simulator does not bother them.
    let at_home = || nixflex::at_home(&shared.url, &attempt.url)?.parse().ok();
    let Some(target) = asked.target(&shared.hosts()).or_else(at_home) else {
        attempt.error = Some("an https host is only asked where an entry of `hosts` says where it is".to_owned());
        return attempt;
    };
    let (body, kind) = told.body();
    let body = if get { String::new() } else { body };
    let mut request = http::Request::builder()
        .method(if get { "GET" } else { "POST" })
        .uri(target)
        .header("user-agent", if matches!(seal, Seal::Twilio(_)) { "TwilioProxy/1.1" } else { "telnyx-webhooks" })
        .header("content-type", kind)
        .header("x-forwarded-proto", &asked.scheme)
        .header("host", &asked.host);
    if let Some(credentials) = &asked.credentials {
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(credentials)));
    }
    for (name, value) in sealed(seal, &attempt.url, get, told, &body) {
        request = request.header(name, value);
    }
    let answer = async {
        let request = request.body(Full::from(body)).map_err(|_| "the request cannot be written")?;
        let response = shared.client.request(request).await.map_err(|error| reason(&error))?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let deadline = Duration::from_millis(shared.webhook_timeout_ms);
    match tokio::time::timeout(deadline, answer).await.unwrap_or(Err("it did not answer in time")) {
        Err(error) => attempt.error = Some(error.to_owned()),
        Ok((status, body)) => (attempt.status, attempt.body) = (Some(status), body),
    }
    attempt
}

fn reason(error: &legacy::Error) -> &'static str {
    if error.is_connect() { "it could not be reached" } else { "it did not answer" }
}
