//! Each way to misbehave, in Nixflex's words: what the client sees, and what really happened.

use dialplane::sandbox::carrier::{Fault, Kind, Match, Rule};
use serde_json::{Value, json};

use super::{NUMBER, Nixflex, bearer, code, numbers, path};

#[tokio::test]
async fn what_the_client_sees_of_an_import_and_what_happened_differ_as_told() {
    let as_text = |status, code: &str| Fault::RefuseAs { status, code: code.to_owned() };
    for (fault, status, expected, attached) in [
        (Fault::TooMany { retry_after: Some(7) }, Some(429), "rate_limit_exceeded", false),
        (Fault::ServerErrorBefore { status: 500 }, Some(500), "internal_error", false),
        (Fault::ServerErrorAfter { status: 502 }, Some(502), "provider_error", true),
        (Fault::RequestLost, None, "", false),
        (Fault::AnswerLost, None, "", true),
        (Fault::TornBody, None, "", true),
        (Fault::Html { status: 502 }, Some(502), "", false),
        (Fault::Rubbish, Some(200), "", true),
        (Fault::Unauthorized, Some(401), "invalid_api_key", false),
        (Fault::NotFound, Some(404), "not_found", false),
        (Fault::Refuse { status: 409, code: 0 }, Some(409), "conflict", false),
        (as_text(401, "twilio_invalid_credentials"), Some(401), "twilio_invalid_credentials", false),
        (Fault::HalfDone, Some(500), "internal_error", false),
    ] {
        let nixflex = Nixflex::new();
        let agent = nixflex.agent("answers");
        nixflex.sandbox.inject(Rule::new(Match::kind(Kind::Attach).number(NUMBER), fault.clone()));
        let answer = nixflex.try_send("POST", "phone-numbers", Some(nixflex.asked(NUMBER, &agent))).await.ok();
        let (seen, body) = answer.map_or((None, Value::Null), |(status, body)| (Some(status), body));
        let row = nixflex.sandbox.nixflex_row(NUMBER).is_some();
        assert_eq!((seen, code(&body), row), (status, expected, attached), "{fault:?}");
        assert_eq!(nixflex.webhooks()[0].is_some(), attached || fault == Fault::HalfDone, "{fault:?}");
        assert_eq!(nixflex.bought_and_released(), (0, 0));
    }
}

#[tokio::test]
async fn an_end_that_stops_in_the_middle_leaves_a_row_without_webhooks() {
    let nixflex = Nixflex::new();
    nixflex.attached().await;
    nixflex.sandbox.inject(Rule::new(Match::kind(Kind::Detach), Fault::HalfDone));
    assert_eq!(nixflex.delete(&path(NUMBER)).await.0, 500);
    assert_eq!((nixflex.webhooks(), nixflex.sandbox.nixflex_row(NUMBER).is_some()), ([None, None, None], true));
    assert_eq!(nixflex.delete(&path(NUMBER)).await.0, 200);
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn listings_lag_tear_and_come_empty() {
    let nixflex = Nixflex::new();
    nixflex.attached().await;
    nixflex.patch(&path(NUMBER), json!({ "custom_prompt": "new" })).await;
    let list = async |fault: Fault| {
        nixflex.sandbox.inject(Rule::new(Match::list().account(&nixflex.key.account_sid), fault));
        nixflex.get("phone-numbers").await.1
    };
    let body = list(Fault::LagWrites { writes: 1 }).await;
    assert_eq!((numbers(&body), &body["phone_numbers"][0]["custom_prompt"]), (vec![NUMBER], &Value::Null));
    assert!(numbers(&list(Fault::LagWrites { writes: 2 }).await).is_empty());
    assert!(numbers(&list(Fault::Lag { ms: 60_000 }).await).is_empty());
    for fault in [Fault::EmptyPage, Fault::TornPage] {
        let body = list(fault).await;
        assert_eq!((numbers(&body).len(), &body["count"]), (0, &json!(1)), "the count gives it away");
    }
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn the_rates_stand_in_headers_and_are_enforced_where_they_are_told_to_be() {
    let nixflex = Nixflex::new();
    nixflex.sandbox.switch(|s| (s.nixflex.reads_per_minute, s.nixflex.writes_per_minute) = (2, 0));
    let key = bearer(&nixflex.key);
    let ask = async |method: &str| {
        let body = json!({});
        let body = Some(&body).filter(|_| method != "GET");
        let ((status, body), headers) = nixflex.with_key(&key, method, "agents", body).await.unwrap();
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let limit = header("x-ratelimit-limit").unwrap();
        assert!(header("x-railway-request-id").is_some() && header("x-ratelimit-reset").is_some());
        (status, limit, body["error"]["details"]["retry_after"].to_string(), header("retry-after"))
    };
    assert_eq!(ask("POST").await, (201, "0".into(), "null".into(), None), "by default they only say so");
    nixflex.sandbox.switch(|s| (s.nixflex.enforce_rates, s.nixflex.writes_per_minute) = (true, 1));
    let (status, limit, wait, header) = ask("POST").await;
    assert_eq!((status, limit.as_str(), Some(wait)), (429, "1", header));
    assert_eq!(ask("GET").await.0, 200, "reads are counted apart");
    let other = nixflex.sandbox.add_nixflex_key().unwrap();
    let ((status, _), _) = nixflex.with_key(&bearer(&other), "POST", "agents", Some(&json!({}))).await.unwrap();
    assert_eq!(status, 201, "and so is each key");
    nixflex.sandbox.inject(Rule::new(Match::any(), Fault::TooMany { retry_after: Some(7) }));
    let ((status, body), headers) = nixflex.with_key(&key, "GET", "agents", None).await.unwrap();
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(body["error"]["details"]["retry_after"], 7);
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}
