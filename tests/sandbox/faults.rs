//! Each way to misbehave: what the client sees, and what really happened.

use std::time::{Duration, Instant};

use dialplane::sandbox::carrier::{Fault, Kind, Match, Rule};
use futures::future::join_all;
use serde_json::Value;

use super::client::Client;

const NUMBER: &str = "+14155550100";
const SET: [(&str, &str); 1] = [("VoiceUrl", "https://e.example/v")];

/// What became of a purchase that met a fault: the status that was seen, whether its body was JSON, and whether it was bought.
async fn bought_through(fault: Fault) -> (Option<u16>, Value, bool) {
    let client = Client::new();
    client.sandbox.inject(Rule::new(Match::purchase(), fault));
    let path = client.path("IncomingPhoneNumbers.json");
    let answer = client.try_send("POST", &path, &[("AreaCode", "415")]).await.ok();
    let ledger = client.sandbox.ledger();
    let entry = ledger.of(Kind::Purchase).next().unwrap();
    assert_eq!(entry.faults.len(), 1, "the ledger says why");
    assert_eq!(client.sandbox.numbers().len(), ledger.purchases());
    let (status, body) = answer.map_or((None, Value::Null), |(status, body)| (Some(status), body));
    (status, body, ledger.purchases() == 1)
}

#[tokio::test]
async fn what_the_client_sees_and_what_happened_differ_as_told() {
    for (fault, status, code, bought) in [
        (Fault::TooMany { retry_after: None }, Some(429), 20429, false),
        (Fault::ServerErrorBefore { status: 500 }, Some(500), 20500, false),
        (Fault::ServerErrorAfter { status: 503 }, Some(503), 20503, true),
        (Fault::RequestLost, None, 0, false),
        (Fault::AnswerLost, None, 0, true),
        (Fault::TornBody, None, 0, true),
        (Fault::Html { status: 502 }, Some(502), 0, false),
        (Fault::Rubbish, Some(200), 0, true),
        (Fault::Unauthorized, Some(401), 20003, false),
        (Fault::NotFound, Some(404), 20404, false),
        (Fault::Refuse { status: 400, code: 21649 }, Some(400), 21649, false),
        (Fault::Hang, None, 0, false),
        (Fault::HangAfter, None, 0, true),
        (Fault::Slow { ms: 20 }, Some(201), 0, true),
    ] {
        let (seen, body, done) = bought_through(fault.clone()).await;
        let seen_code = body["code"].as_i64().unwrap_or_default();
        assert_eq!((seen, seen_code, done), (status, code, bought), "{fault:?}");
    }
}

#[tokio::test]
async fn a_late_request_is_applied_after_its_answer_was_lost() {
    let client = Client::new();
    client.sandbox.seed_number(NUMBER).unwrap();
    let path = client.number_path(NUMBER);
    client.sandbox.inject(Rule::new(Match::route_write(), Fault::AppliedLate { ms: 700 }));
    assert!(client.try_send("POST", &path, &SET).await.is_err());
    assert_eq!((client.sandbox.field(NUMBER, "voice_url"), client.sandbox.ledger().writes()), (None, 0));
    let begun = Instant::now();
    while client.sandbox.ledger().writes() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "never applied");
        tokio::task::yield_now().await;
    }
    assert_eq!(client.sandbox.field(NUMBER, "voice_url").as_deref(), Some(SET[0].1));
}

#[tokio::test]
async fn what_a_slow_carrier_was_asked_happens_although_the_client_hung_up() {
    let client = Client::new();
    client.sandbox.inject(Rule::new(Match::purchase(), Fault::Slow { ms: 2000 }));
    let path = client.path("IncomingPhoneNumbers.json");
    let form = [("AreaCode", "415")];
    let asked = client.try_send("POST", &path, &form);
    assert!(tokio::time::timeout(Duration::from_millis(1000), asked).await.is_err());
    let begun = Instant::now();
    while client.sandbox.ledger().purchases() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "never applied");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_listing_lags_behind_what_a_read_shows() {
    let client = Client::new();
    for line in 0..3 {
        client.sandbox.seed_number(&format!("+1415555010{line}")).unwrap();
    }
    client.post(&client.number_path(NUMBER), &SET).await;
    let list = client.path("IncomingPhoneNumbers.json");
    let rows = async |fault: Fault| {
        client.sandbox.inject(Rule::new(Match::list(), fault));
        client.get(&list).await.1["incoming_phone_numbers"].as_array().unwrap().clone()
    };
    let lagging = rows(Fault::LagWrites { writes: 1 }).await;
    assert_eq!((lagging.len(), &lagging[2]["voice_url"]), (3, &Value::Null));
    assert_eq!(client.get(&client.number_path(NUMBER)).await.1["voice_url"], SET[0].1);
    assert_eq!(rows(Fault::Lag { ms: 60_000 }).await.len(), 0, "before anything was there");
    assert_eq!(client.get(&list).await.1["incoming_phone_numbers"][2]["voice_url"], SET[0].1, "the rules are spent");
}

#[tokio::test]
async fn a_torn_page_looks_whole() {
    let client = Client::new();
    for line in 0..6 {
        client.sandbox.seed_number(&format!("+1415555010{line}")).unwrap();
    }
    client.sandbox.inject(Rule::new(Match::list(), Fault::EmptyPage).skip(1));
    client.sandbox.inject(Rule::new(Match::list(), Fault::TornPage).skip(2));
    let mut next = Some(client.path("IncomingPhoneNumbers.json?PageSize=2"));
    let mut pages = vec![];
    while let Some(path) = next {
        let (status, body) = client.get(&path).await;
        assert_eq!(status, 200);
        pages.push(body["incoming_phone_numbers"].as_array().unwrap().len());
        next = body["next_page_uri"].as_str().map(str::to_owned);
    }
    assert_eq!(pages, [2, 0, 1]);
}

#[tokio::test]
async fn rules_choose_by_account_number_method_and_path() {
    let client = Client::new();
    let other = "+14155550101";
    for number in [NUMBER, other] {
        client.sandbox.seed_number(number).unwrap();
    }
    let account = &client.credentials.account_sid;
    let rule = Match::path("/2010-04-01/*/IncomingPhoneNumbers/*.json").method("POST").number(NUMBER).account(account);
    client.sandbox.inject(Rule::new(rule, Fault::NotFound).always());
    let (path, spared) = (client.number_path(NUMBER), client.number_path(other));
    for _ in 0..2 {
        assert_eq!(client.post(&path, &SET).await.0, 404);
    }
    assert_eq!((client.get(&path).await.0, client.post(&spared, &SET).await.0), (200, 200));
    client.sandbox.clear_faults();
    assert_eq!(client.post(&path, &SET).await.0, 200);
}

#[tokio::test]
async fn more_at_once_than_the_carrier_takes_are_refused_and_not_applied() {
    let client = Client::new();
    client.sandbox.switch(|s| {
        s.concurrency = Some(2);
        s.retry_after = Some(3);
        s.latency_ms = 600;
    });
    let path = client.path("IncomingPhoneNumbers.json");
    let form = [("AreaCode", "415")];
    let answers = join_all((0..5).map(|_| client.post(&path, &form))).await;
    let refused = answers.iter().filter(|(status, body)| *status == 429 && body["code"] == 20429).count();
    assert_eq!((refused, client.sandbox.ledger().purchases()), (3, 2));
    assert!(client.sandbox.summary().peak[&client.credentials.account_sid] > 2);
    assert_eq!(client.post(&path, &form).await.0, 201, "and then there is room again");
}
