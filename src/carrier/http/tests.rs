//! The HTTP layer against a small server that misbehaves. Does I/O on the loopback.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::{
    Router,
    body::Body as AxumBody,
    extract::State,
    http::{Response, StatusCode, header},
    routing::any,
};
use secrecy::SecretString;
use serde_json::Value;
use tokio::{net::TcpListener, time::Instant};
use url::Url;

use super::*;

struct Plain;

impl Dialect for Plain {
    fn name(&self) -> &'static str {
        "Carrier"
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> CarrierError {
        let class = match refusal.status {
            429 => ErrorClass::Throttled,
            500.. => ErrorClass::Transient,
            _ => ErrorClass::Rejected,
        };
        CarrierError::new(class, format!("refused with {}", refusal.status))
    }
}

type Make = fn() -> Response<AxumBody>;

#[derive(Clone)]
struct Script {
    answers: Arc<Vec<Make>>,
    asked: Arc<AtomicU32>,
}

async fn answer(State(script): State<Script>) -> Response<AxumBody> {
    let turn = script.asked.fetch_add(1, Ordering::SeqCst) as usize;
    let make = script.answers[turn.min(script.answers.len() - 1)];
    if turn >= script.answers.len() && script.answers.len() > 1 {
        panic!("asked more often than the script knows");
    }
    make()
}

/// A carrier that answers as told, the last answer for ever if it is the only one; and how often it was asked.
async fn carrier(answers: Vec<Make>) -> (Url, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let script = Script { answers: Arc::new(answers), asked: asked.clone() };
    let app = Router::new().route("/{*rest}", any(answer)).with_state(script);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url.parse().unwrap(), asked)
}

fn http() -> Http<Plain> {
    let limits = Limits { concurrency: 4, requests_per_second: 0 };
    let auth = Auth::Bearer(SecretString::from("s3cret"));
    Http::new(Transport::new(Duration::from_millis(400)).unwrap(), Limiter::new(limits), auth, Plain)
}

async fn read(http: &Http<Plain>, base: &Url) -> Result<Value, CarrierError> {
    http.read(Call { base, path: "/things/{}", args: &["a"], query: "token=q", headers: &[], before: None }).await
}

async fn write(http: &Http<Plain>, base: &Url) -> Outcome<Value> {
    http.write(
        "POST",
        Call { base, path: "/things", args: &[], query: "", headers: &[], before: None },
        Body::Form(&[("a", "+ &")]),
    )
    .await
}

fn with(status: u16, body: &'static str) -> Response<AxumBody> {
    Response::builder().status(status).body(body.into()).unwrap()
}

fn good() -> Response<AxumBody> {
    with(200, r#"{"fine": true}"#)
}

fn fails() -> Response<AxumBody> {
    with(503, "<html>")
}

fn html() -> Response<AxumBody> {
    with(200, "<html>Welcome to the proxy</html>")
}

fn empty() -> Response<AxumBody> {
    with(200, "")
}

fn cut() -> Response<AxumBody> {
    let promised = with(200, r#"{"fine": tr"#);
    let (mut parts, body) = promised.into_parts();
    parts.headers.insert(header::CONTENT_LENGTH, 500.into());
    Response::from_parts(parts, body)
}

fn busy() -> Response<AxumBody> {
    Response::builder().status(StatusCode::TOO_MANY_REQUESTS).header("Retry-After", "1").body("".into()).unwrap()
}

fn redirect() -> Response<AxumBody> {
    Response::builder().status(302).header("Location", "/elsewhere").body("".into()).unwrap()
}

#[tokio::test]
async fn a_read_is_tried_again_until_the_carrier_is_well() {
    let (base, asked) = carrier(vec![fails, html, good]).await;
    assert_eq!(read(&http(), &base).await.unwrap()["fine"], true);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_read_that_keeps_failing_ends_with_a_transient_error() {
    for (bad, text) in [
        (fails as Make, "refused with 503"),
        (html, "Carrier returned a response that cannot be decoded; check spec.endpoint and any proxy in between"),
        (empty, "Carrier returned a response that cannot be decoded; check spec.endpoint and any proxy in between"),
        (cut, "Carrier closed the connection before it responded"),
    ] {
        let (base, asked) = carrier(vec![bad]).await;
        let error = read(&http(), &base).await.unwrap_err();
        assert_eq!((error.class, error.text.as_str()), (ErrorClass::Transient, text));
        assert_eq!(asked.load(Ordering::SeqCst), 1 + READ_RETRIES);
    }
}

/// It could lead the credentials elsewhere.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (base, asked) = carrier(vec![redirect, good]).await;
    assert_eq!(read(&http(), &base).await.unwrap_err().text, "refused with 302");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_write_without_a_good_answer_is_unknown_and_never_repeated() {
    for bad in [fails as Make, html, empty, cut, redirect, || with(408, ""), || with(500, "{}")] {
        let (base, asked) = carrier(vec![bad]).await;
        let outcome = write(&http(), &base).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_write_that_is_refused_did_nothing() {
    for bad in [busy as Make, || with(400, ""), || with(404, "<html>"), || with(422, "{}")] {
        let (base, asked) = carrier(vec![bad]).await;
        let outcome = write(&http(), &base).await;
        assert!(matches!(outcome, Outcome::DidNothing(_)), "{outcome:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn what_costs_money_was_refused_only_if_the_carrier_says_so_itself() {
    let cases: [(Make, bool); 8] = [
        (|| with(400, "{}"), true),
        (|| with(429, "{}"), true),
        (|| with(403, "<html>"), false),
        (|| with(404, ""), false),
        (busy, false),
        (|| with(408, "{}"), false),
        (fails, false),
        (html, false),
    ];
    for (answer, refused) in cases {
        let (base, asked) = carrier(vec![answer]).await;
        let call = Call { base: &base, path: "/things", args: &[], query: "", headers: &[], before: None };
        match http().spend::<Value>("POST", call, Body::Form(&[])).await {
            Outcome::DidNothing(error) => assert!(refused, "{error:?}"),
            Outcome::Unknown(error) => assert!(!refused, "{error:?}"),
            Outcome::Did(value) => panic!("{value}"),
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn nothing_is_sent_any_more_once_it_is_too_late() {
    let (base, asked) = carrier(vec![good]).await;
    let call = Call { base: &base, path: "/things", args: &[], query: "", headers: &[], before: Some(Instant::now()) };
    let outcome = http().spend::<Value>("POST", call, Body::Form(&[])).await;
    assert!(matches!(outcome, Outcome::DidNothing(_)), "{outcome:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_write_that_could_not_be_sent_did_nothing() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let base = format!("http://{port}").parse().unwrap();
    let Outcome::DidNothing(error) = write(&http(), &base).await else { panic!() };
    let text = "Carrier could not be reached at 127.0.0.1: the connection was refused; check spec.endpoint, the proxy, firewalls and \
                NetworkPolicies";
    assert_eq!((error.class, error.text.as_str()), (ErrorClass::Transient, text));
    let nowhere = Url::parse("http://nowhere.invalid").unwrap();
    assert!(matches!(write(&http(), &nowhere).await, Outcome::DidNothing(_)));
}

#[tokio::test]
async fn an_answer_that_takes_too_long_leaves_a_write_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let Outcome::Unknown(error) = write(&http(), &base).await else { panic!() };
    assert_eq!(error.text, "Carrier did not answer within 0.4 seconds");
}

#[tokio::test]
async fn a_429_is_waited_out_as_long_as_the_carrier_says() {
    let (base, asked) = carrier(vec![busy, good]).await;
    let begun = std::time::Instant::now();
    read(&http(), &base).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_carrier_that_keeps_failing_is_not_asked() {
    let (base, asked) = carrier(vec![fails]).await;
    let http = http();
    for _ in 0..3 {
        read(&http, &base).await.unwrap_err();
    }
    let before = asked.load(Ordering::SeqCst);
    let Outcome::DidNothing(error) = write(&http, &base).await else { panic!() };
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(error.retry_after.is_some());
    assert_eq!(asked.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn an_answer_of_endless_size_is_not_taken_in() {
    let endless = || {
        let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 1 << 20]));
        Response::new(AxumBody::from_stream(chunks))
    };
    let (base, _) = carrier(vec![endless]).await;
    let patient = Transport::new(Duration::from_secs(30)).unwrap();
    let http = Http::new(patient, Limiter::new(Limits::default()), Auth::Bearer(SecretString::from("x")), Plain);
    let Outcome::Unknown(error) = write(&http, &base).await else { panic!() };
    assert_eq!(
        error.text,
        "Carrier returned a response that is too large; check spec.endpoint and any proxy in between"
    );
}

#[test]
fn retry_after_is_read_in_both_of_its_forms() {
    let wait = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", text.parse().unwrap());
        retry_after(&headers)
    };
    assert_eq!(wait("120"), Some(Duration::from_secs(120)));
    assert_eq!(wait("soon"), None);
    assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
    for nonsense in ["Fri, 31 Dec 2100 23:59:59 GMT", "18446744073709551615"] {
        assert_eq!(wait(nonsense), Some(RETRY_AFTER_MOST), "{nonsense}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let auth = Auth::Basic { user: "AC1".into(), password: SecretString::from("s3cret") };
    assert!(!format!("{auth:?}").contains("s3cret"));
    assert!(!format!("{:?}", http_of(auth)).contains("s3cret"));
}

fn http_of(auth: Auth) -> impl std::fmt::Debug {
    (auth, Limiter::new(Limits::default()))
}

#[tokio::test]
async fn a_glance_is_asked_for_once_and_a_host_that_is_shut_is_not_held_against_the_carrier() {
    let http = http();
    let ((base, _), (shut, asked)) = (carrier(vec![good]).await, carrier(vec![fails]).await);
    let nobody: Url = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
        .parse()
        .unwrap();
    for host in [&shut, &nobody] {
        for _ in 0..8 {
            let call = Call { base: host, path: "/aside", args: &[], query: "", headers: &[], before: None };
            assert_eq!(http.glance::<Value>(call).await.unwrap_err().class, ErrorClass::Transient);
        }
    }
    assert_eq!(asked.load(Ordering::SeqCst), 8, "once each");
    assert!(read(&http, &base).await.is_ok(), "the carrier is not left alone for it");
    let call = Call { base: &base, path: "/aside", args: &[], query: "", headers: &[], before: None };
    assert_eq!(http.glance::<Value>(call).await.unwrap()["fine"], true);
}
