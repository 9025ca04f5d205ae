//! Calls and text messages that reach a number: who is asked what to do with them, by a real and signed request. Does I/O.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{
    Shared,
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

/// Where a request for a public URL really goes, and the public host to name there.
fn destination(hosts: &BTreeMap<String, String>, public: &Url) -> Option<Url> {
    let host = public.host_str()?;
    let named = public.port().map(|port| format!("{host}:{port}"));
    let base = named.and_then(|named| hosts.get(&named)).or_else(|| hosts.get(host))?;
    let mut real = Url::parse(base).ok()?;
    real.set_path(public.path());
    real.set_query(public.query());
    Some(real)
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

/// Asks one webhook. `Host` and `X-Forwarded-Proto` are those of the public URL, so that a server elsewhere can check the
/// signature.
async fn send(shared: &Shared, hook: &Hook, seal: &Seal, told: &Told) -> Attempt {
    let mut attempt =
        Attempt { url: hook.url.clone(), method: hook.method.clone(), status: None, body: String::new(), error: None };
    let Ok(mut public) = Url::parse(&hook.url) else {
        attempt.error = Some("the URL is malformed".to_owned());
        return attempt;
    };
    let get = hook.method == "GET";
    if get {
        public.query_pairs_mut().extend_pairs(told.params());
        attempt.url = public.to_string();
    }
    let mapped = destination(&shared.hosts(), &public).or_else(|| nixflex::at_home(&shared.url, &public));
    // The demo URLs of a new number, say, are Twilio's real ones: a simulator does not bother them.
    if mapped.is_none() && public.scheme() != "http" {
        attempt.error = Some("an https host is only asked where an entry of `hosts` says where it is".to_owned());
        return attempt;
    }
    let host = public.host_str().map(|host| match public.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    });
    let (body, kind) = told.body();
    let body = if get { String::new() } else { body };
    let real = mapped.unwrap_or_else(|| public.clone());
    let mut request = if get { shared.client.get(real) } else { shared.client.post(real) };
    for (name, value) in sealed(seal, &attempt.url, get, told, &body) {
        request = request.header(name, value);
    }
    let request = request
        .body(body)
        .header("user-agent", if matches!(seal, Seal::Twilio(_)) { "TwilioProxy/1.1" } else { "telnyx-webhooks" })
        .header("content-type", kind)
        .header("x-forwarded-proto", public.scheme())
        .header("host", host.unwrap_or_default())
        .timeout(Duration::from_millis(shared.webhook_timeout_ms));
    match request.send().await {
        Err(error) => attempt.error = Some(reason(&error)),
        Ok(response) => {
            attempt.status = Some(response.status().as_u16());
            attempt.body = response.text().await.unwrap_or_default();
        }
    }
    attempt
}

fn reason(error: &reqwest::Error) -> String {
    let reason = match () {
        () if error.is_timeout() => "it did not answer in time",
        () if error.is_connect() => "it could not be reached",
        () => "it did not answer",
    };
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_host_keeps_path_and_query() {
        let hosts = BTreeMap::from([("engine.example.com".to_owned(), "http://127.0.0.1:8080".to_owned())]);
        let real = |url: &str| destination(&hosts, &Url::parse(url).unwrap()).map(|url| url.to_string());
        assert_eq!(
            real("https://engine.example.com/a/v1/voice?x=1").as_deref(),
            Some("http://127.0.0.1:8080/a/v1/voice?x=1")
        );
        assert_eq!(real("https://other.example.com/"), None);
    }
}
