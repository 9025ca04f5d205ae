//! Calls and texts: the request that a number's route really gets.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use dialplane::sandbox::carrier::{Outcome, ServiceSeed, verify_signature};
use serde_json::json;
use url::form_urlencoded;

use super::{
    client::{Client, http},
    official::{SDK, python, run},
};

const NUMBER: &str = "+14155550100";
const CALLER: &str = "+12125550199";

/// A request that the agent's server got.
#[derive(Clone, Debug)]
pub struct Got {
    pub method: String,
    pub path: String,
    pub query: String,
    /// Path and query, to the byte.
    pub asked: String,
    pub body: Vec<u8>,
    host: String,
    signature: String,
    params: Vec<(String, String)>,
    headers: HeaderMap,
}

impl Got {
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }
}

pub type Inbox = Arc<Mutex<Vec<Got>>>;

async fn receive(State(inbox): State<Inbox>, request: Request) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let asked = parts.uri.to_string();
    let (host, signature) = (header("host"), header("x-twilio-signature"));
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let params = form_urlencoded::parse(&body).into_owned().collect();
    let broken = path.contains("broken");
    let (body, headers) = (body.to_vec(), parts.headers);
    inbox.lock().unwrap().push(Got { method, path, query, asked, body, host, signature, params, headers });
    if broken { (StatusCode::INTERNAL_SERVER_ERROR, "sorry") } else { (StatusCode::OK, "<Response/>") }
}

/// An agent's server; its base URL and what it got.
pub async fn agent() -> (String, Inbox) {
    let inbox = Inbox::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(receive).with_state(inbox.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, inbox)
}

pub fn taken(inbox: &Inbox) -> Vec<Got> {
    std::mem::take(&mut *inbox.lock().unwrap())
}

#[tokio::test]
async fn a_call_reaches_the_public_url_signed_and_reports_its_end() {
    let client = Client::new();
    let (url, inbox) = agent().await;
    client.sandbox.map_host("engine.example.com", &url);
    client.sandbox.seed_number(NUMBER).unwrap();
    let voice = "https://engine.example.com/a/v1/voice?x=1";
    client
        .sandbox
        .edit(NUMBER, &[("voice_url", voice), ("status_callback", "https://engine.example.com/status")])
        .unwrap();
    let placed = client.sandbox.call(CALLER, NUMBER).await;
    let answer = placed.answer().unwrap();
    assert_eq!((answer.url.as_str(), answer.status, answer.body.as_str()), (voice, Some(200), "<Response/>"));
    let got = taken(&inbox);
    assert_eq!((got[0].path.as_str(), got[0].host.as_str()), ("/a/v1/voice", "engine.example.com"));
    assert_eq!((got[0].param("From"), got[0].param("To"), got[0].param("CallStatus")), (CALLER, NUMBER, "ringing"));
    assert!(got[0].param("CallSid").starts_with("CA"));
    let token = &client.credentials.auth_token;
    assert!(verify_signature(token, voice, &got[0].params, &got[0].signature));
    assert_eq!((got[1].path.as_str(), got[1].param("CallStatus")), ("/status", "completed"));
    assert!(verify_signature(token, "https://engine.example.com/status", &got[1].params, &got[1].signature));
    client.sandbox.rotate_token(&client.credentials.account_sid).unwrap();
    client.sandbox.call(CALLER, NUMBER).await;
    let got = taken(&inbox);
    assert!(!verify_signature(token, voice, &got[0].params, &got[0].signature), "the new token signs");
}

#[tokio::test]
async fn a_get_webhook_carries_its_parameters_in_the_signed_url() {
    let client = Client::new();
    let (url, inbox) = agent().await;
    client.sandbox.seed_number(NUMBER).unwrap();
    client.sandbox.edit(NUMBER, &[("voice_url", &format!("{url}/v?a=b")), ("voice_method", "GET")]).unwrap();
    client.sandbox.call(CALLER, NUMBER).await;
    let got = taken(&inbox);
    assert_eq!((got[0].method.as_str(), got[0].params.len()), ("GET", 0));
    assert!(got[0].query.starts_with("a=b&CallSid=CA") && got[0].query.contains("From=%2B12125550199"));
    let signed = format!("{url}{}?{}", got[0].path, got[0].query);
    assert!(verify_signature(&client.credentials.auth_token, &signed, &[], &got[0].signature));
}

/// URLs as people write them, and as the server sees them where that differs.
const URLS: [(&str, &str); 12] = [
    ("https://engine.example.com/a+b/voice?a=1&b=2", ""),
    ("https://engine.example.com/voice?", ""),
    ("https://engine.example.com/voice?name='x'&c=(d)&e=~f*&y=%zz", ""),
    ("https://engine.example.com/a%20b?q=a+b&c=%2B1&d=%c3%bc", ""),
    ("https://engine.example.com/x//y/../z;p=1?flag", ""),
    ("https://engine.example.com/x?a[]=1&a[]=2&=3", ""),
    ("https://engine.example.com:8443/voice?x=y", ""),
    ("https://ENGINE.example.com/Up", ""),
    ("https://engine.example.com?x=1", "https://engine.example.com/?x=1"),
    ("https://engine.example.com/x#frag", "https://engine.example.com/x"),
    ("https://user:pa%40ss@engine.example.com/x", "https://engine.example.com/x"),
    ("https://engine.example.com/a b?n=\u{e9}", "https://engine.example.com/a%20b?n=%C3%A9"),
];

#[tokio::test]
async fn a_webhook_is_asked_as_it_was_written_and_that_is_signed() {
    let client = Client::new();
    let (url, inbox) = agent().await;
    client.sandbox.map_host("engine.example.com", &url);
    client.sandbox.seed_number(NUMBER).unwrap();
    let token = &client.credentials.auth_token;
    let mut checks = vec![];
    for (written, seen) in URLS {
        let seen = if seen.is_empty() { written } else { seen };
        for method in ["POST", "GET"] {
            client.sandbox.edit(NUMBER, &[("voice_url", written), ("voice_method", method)]).unwrap();
            let placed = client.sandbox.call(CALLER, NUMBER).await;
            let got = taken(&inbox).remove(0);
            let at_server = format!("https://{}{}", got.host, got.asked);
            assert_eq!(placed.attempts[0].url, at_server, "{written}");
            let fits = if method == "POST" { at_server == seen } else { at_server.starts_with(seen) };
            assert!(fits, "{method} {written}: {at_server}");
            assert!(verify_signature(token, &at_server, &got.params, &got.signature), "{method} {written}");
            let who = if written.contains('@') { "Basic dXNlcjpwYUBzcw==" } else { "" };
            assert_eq!(got.header("authorization"), who);
            let params: std::collections::BTreeMap<_, _> = got.params.iter().cloned().collect();
            // It drops a ? with nothing behind it before it checks: no webhook of an Agent has one.
            if !at_server.ends_with('?') {
                checks.push(json!([at_server, params, got.signature]));
            }
        }
    }
    let validator = "import json,sys\nfrom twilio.request_validator import RequestValidator\nv=RequestValidator(sys.argv[1])\n\
                     print([u for u,p,s in json.loads(sys.argv[2]) if not v.validate(u,p,s)])";
    let said = run(&python(SDK), &["-c", validator, token, &json!(checks).to_string()]);
    assert_eq!(said.trim(), "[]", "the official library refuses these");
}

#[tokio::test]
async fn the_fallback_is_asked_when_the_webhook_fails() {
    let client = Client::new();
    let (url, inbox) = agent().await;
    client.sandbox.seed_number(NUMBER).unwrap();
    let (broken, fallback) = (format!("{url}/broken"), format!("{url}/fallback"));
    client.sandbox.edit(NUMBER, &[("voice_url", &broken), ("voice_fallback_url", &fallback)]).unwrap();
    let placed = client.sandbox.call(CALLER, NUMBER).await;
    assert_eq!((placed.attempts.len(), placed.attempts[0].status), (2, Some(500)));
    assert_eq!(placed.answer().unwrap().url, fallback);
    assert_eq!(taken(&inbox)[1].param("ErrorUrl"), broken);
    client.sandbox.edit(NUMBER, &[("voice_url", "https://nobody.invalid/"), ("voice_fallback_url", "")]).unwrap();
    let placed = client.sandbox.call(CALLER, NUMBER).await;
    assert_eq!((placed.outcome, placed.attempts[0].status), (Outcome::Failed, None));
    assert!(placed.attempts[0].error.is_some());
}

#[tokio::test]
async fn a_trunk_wins_over_an_application_and_that_over_the_numbers_url() {
    let client = Client::new();
    let (url, inbox) = agent().await;
    let account = client.credentials.account_sid.clone();
    client.sandbox.seed_number(NUMBER).unwrap();
    assert_eq!(client.sandbox.call(CALLER, NUMBER).await.outcome, Outcome::Nothing);
    assert_eq!(client.sandbox.call(CALLER, "+14155550999").await.outcome, Outcome::NoSuchNumber);
    let application =
        client.sandbox.add_application(&account, &[("voice_url", &format!("{url}/application"))]).unwrap();
    client.sandbox.edit(NUMBER, &[("voice_url", &format!("{url}/own"))]).unwrap();
    client.sandbox.edit(NUMBER, &[("voice_application_sid", &application)]).unwrap();
    let placed = client.sandbox.call(CALLER, NUMBER).await;
    assert_eq!((placed.via.as_ref(), taken(&inbox)[0].path.as_str()), (Some(&application), "/application"));
    client.sandbox.edit(NUMBER, &[("trunk_sid", "TK1")]).unwrap();
    assert_eq!(client.sandbox.call(CALLER, NUMBER).await.outcome, Outcome::Trunk);
    client.sandbox.set_status(&account, "suspended").unwrap();
    assert_eq!(client.sandbox.call(CALLER, NUMBER).await.outcome, Outcome::AccountInactive);
    assert!(taken(&inbox).is_empty());
}

#[tokio::test]
async fn a_number_whose_calls_another_region_takes_reaches_nothing_that_is_set_here() {
    let client = Client::new();
    let (url, inbox) = agent().await;
    client.sandbox.seed_number(NUMBER).unwrap();
    client.sandbox.edit(NUMBER, &[("voice_url", &url), ("sms_url", &url)]).unwrap();
    let route = "/v2/PhoneNumbers/%2B14155550100";
    let (status, shown) = client.get(route).await;
    assert_eq!(
        (status, &shown["voice_region"], &shown["account_sid"]),
        (200, &json!("us1"), &json!(client.credentials.account_sid))
    );
    assert_eq!(client.post(route, &[("VoiceRegion", "ie1"), ("FriendlyName", "home")]).await.1["voice_region"], "ie1");
    assert_eq!(client.sandbox.call(CALLER, NUMBER).await.outcome, Outcome::OtherRegion);
    assert!(taken(&inbox).is_empty());
    assert_eq!(
        client.sandbox.text(CALLER, NUMBER, "hello").await.outcome,
        Outcome::Answered,
        "texts have a region of their own"
    );
    assert_eq!(client.get(route).await.1["friendly_name"], "home");
    client.sandbox.edit(NUMBER, &[("voice_region", "")]).unwrap();
    assert_eq!(client.sandbox.call(CALLER, NUMBER).await.outcome, Outcome::Answered);
    for (path, form, expected) in [
        (route, ("VoiceRegion", "moon"), (400, 20001)),
        ("/v2/PhoneNumbers/+14155550199", ("VoiceRegion", "ie1"), (404, 20404)),
        ("/v2/Services", ("FriendlyName", "Verify"), (404, 20404)),
    ] {
        let (status, body) = client.post(path, &[form]).await;
        assert_eq!((status, body["code"].as_i64()), (expected.0, Some(expected.1)), "in Twilio's words: {path}");
    }
}

#[tokio::test]
async fn a_messaging_service_swallows_texts_unless_it_lets_the_number_answer() {
    let client = Client::new();
    let (url, inbox) = agent().await;
    client.sandbox.seed_number(NUMBER).unwrap();
    client.sandbox.edit(NUMBER, &[("sms_url", &format!("{url}/own"))]).unwrap();
    client.sandbox.text(CALLER, NUMBER, "hello").await;
    let got = taken(&inbox);
    assert_eq!((got[0].path.as_str(), got[0].param("Body"), got[0].param("SmsStatus")), ("/own", "hello", "received"));
    let seed = ServiceSeed { numbers: vec![NUMBER.to_owned()], ..ServiceSeed::default() };
    let service = client.sandbox.add_service(seed).unwrap();
    assert_eq!(client.sandbox.text(CALLER, NUMBER, "hello").await.outcome, Outcome::Nothing, "its URL is dead");
    let path = format!("/v1/Services/{service}");
    client.post(&path, &[("InboundRequestUrl", &format!("{url}/service"))]).await;
    client.sandbox.text(CALLER, NUMBER, "hello").await;
    let got = taken(&inbox);
    assert_eq!((got[0].path.as_str(), got[0].param("MessagingServiceSid")), ("/service", service.as_str()));
    client.post(&path, &[("UseInboundWebhookOnNumber", "true")]).await;
    client.sandbox.text(CALLER, NUMBER, "hello").await;
    assert_eq!(taken(&inbox)[0].path, "/own");
}

#[tokio::test]
async fn the_admin_api_does_the_same_from_outside() {
    let client = Client::new();
    let (url, inbox) = agent().await;
    let admin = format!("{}/admin", client.sandbox.url());
    let post = async |path: &str, body: serde_json::Value| {
        let response = http().post(format!("{admin}/{path}")).json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<serde_json::Value>().await.unwrap_or_default())
    };
    assert_eq!(post("numbers", serde_json::json!({ "number": NUMBER })).await.0, 200);
    assert_eq!(post("numbers", serde_json::json!({ "number": NUMBER })).await.0, 400, "owned already");
    let edit = serde_json::json!({ "voice_url": format!("{url}/v") });
    assert_eq!(post(&format!("numbers/{NUMBER}/edit"), edit).await.0, 200);
    let (_, placed) = post("call", serde_json::json!({ "to": NUMBER })).await;
    assert_eq!((&placed["outcome"], taken(&inbox).len()), (&"answered".into(), 1));
    let rule = serde_json::json!({ "match": { "kind": "purchase" }, "fault": "answerLost" });
    assert_eq!(post("faults", rule).await.0, 200);
    let path = client.path("IncomingPhoneNumbers.json");
    assert!(client.try_send("POST", &path, &[("AreaCode", "415")]).await.is_err());
    let summary = http().get(format!("{admin}/ledger/summary")).send().await.unwrap();
    let summary: serde_json::Value = summary.json().await.unwrap();
    assert_eq!((&summary["purchases"], &summary["requests"]), (&1.into(), &1.into()));
    assert_eq!(post("reset", serde_json::Value::Null).await.0, 200);
    assert!(client.sandbox.numbers().is_empty());
}
