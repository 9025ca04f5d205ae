//! Each way to misbehave, in Telnyx's words: what the client sees, and what really happened.

use std::time::{Duration, Instant};

use dialplane::sandbox::carrier::{Fault, Kind, Match, Rule};
use serde_json::{Value, json};

use super::{Telnyx, code, numbers, ordered};

#[tokio::test]
async fn what_the_client_sees_of_an_order_and_what_happened_differ_as_told() {
    for (fault, status, expected, bought) in [
        (Fault::TooMany { retry_after: Some(7) }, Some(429), "10011", false),
        (Fault::ServerErrorBefore { status: 500 }, Some(500), "10007", false),
        (Fault::ServerErrorAfter { status: 504 }, Some(504), "10008", true),
        (Fault::RequestLost, None, "", false),
        (Fault::AnswerLost, None, "", true),
        (Fault::TornBody, None, "", true),
        (Fault::Html { status: 502 }, Some(502), "", false),
        (Fault::Rubbish, Some(200), "", true),
        (Fault::Unauthorized, Some(401), "10009", false),
        (Fault::NotFound, Some(404), "10005", false),
        (Fault::Refuse { status: 422, code: 85001 }, Some(422), "85001", false),
        (Fault::Hang, None, "", false),
        (Fault::HangAfter, None, "", true),
        (Fault::Slow { ms: 20 }, Some(200), "", true),
    ] {
        let telnyx = Telnyx::new();
        let number = telnyx.offered("415").await;
        telnyx.sandbox.inject(Rule::new(Match::purchase().number(&number), fault.clone()));
        let answer = telnyx.try_send("POST", "number_orders", Some(ordered(&number))).await.ok();
        let (seen, body) = answer.map_or((None, Value::Null), |(status, body)| (Some(status), body));
        let ledger = telnyx.sandbox.ledger();
        assert_eq!((seen, code(&body), ledger.purchases_of(&number) == 1), (status, expected, bought), "{fault:?}");
        let (_, orders) = telnyx.get("number_orders").await;
        assert_eq!(orders["data"].as_array().unwrap().len(), usize::from(bought), "{fault:?}");
    }
}

#[tokio::test]
async fn an_order_that_is_applied_late_is_found_late() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.switch(|s| s.telnyx.order_ms = 0);
    let number = telnyx.offered("415").await;
    telnyx.sandbox.inject(Rule::new(Match::purchase(), Fault::AppliedLate { ms: 700 }));
    let mut body = ordered(&number);
    body["customer_reference"] = json!("mine");
    assert!(telnyx.try_send("POST", "number_orders", Some(body)).await.is_err());
    let find = "number_orders?filter[customer_reference]=mine";
    assert_eq!(telnyx.get(find).await.1["data"], json!([]), "looking too early shows nothing");
    let begun = Instant::now();
    while telnyx.get(find).await.1["data"] == json!([]) {
        assert!(begun.elapsed() < Duration::from_secs(5), "never applied");
        tokio::task::yield_now().await;
    }
    assert_eq!(code(&telnyx.order(&number).await.1), "85001", "taken by us");
    assert_eq!(telnyx.sandbox.ledger().purchases_of(&number), 1);
}

#[tokio::test]
async fn listings_lag_tear_and_come_empty() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.switch(|s| s.telnyx.order_ms = 0);
    for area in ["415", "212"] {
        let number = telnyx.offered(area).await;
        telnyx.order(&number).await;
    }
    let rows = async |path: &str, fault: Fault| {
        telnyx.sandbox.inject(Rule::new(Match::path(&format!("/v2/{path}")), fault));
        let (status, body) = telnyx.get(path).await;
        assert_eq!((status, &body["meta"]["page_number"]), (200, &json!(1)));
        let shown = body["data"].as_array().unwrap().len() as u64;
        (shown, body["meta"]["total_results"].as_u64().unwrap())
    };
    for path in ["phone_numbers", "number_orders"] {
        assert_eq!(rows(path, Fault::Lag { ms: 60_000 }).await, (0, 0), "{path}");
        assert_eq!(rows(path, Fault::TornPage).await, (1, 2), "{path} goes on as if nothing were missing");
        assert_eq!(rows(path, Fault::EmptyPage).await, (0, 2), "{path}");
    }
    assert_eq!(rows("number_orders", Fault::LagWrites { writes: 1 }).await, (1, 1));
    // An order that sets nothing is one change of a number.
    assert_eq!(rows("phone_numbers", Fault::LagWrites { writes: 1 }).await, (1, 1));
    assert_eq!(numbers(&telnyx.get("phone_numbers").await.1).len(), 2, "the rules are spent");
}

#[tokio::test]
async fn a_refusal_for_haste_says_when_in_headers_of_its_own() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.inject(Rule::new(Match::any(), Fault::TooMany { retry_after: Some(7) }));
    let key = &telnyx.account.auth_token;
    let ((status, body), headers) = telnyx.with_key(key, "GET", "balance", None).await.unwrap();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!((status, code(&body)), (429, "10011"));
    assert_eq!((header("x-ratelimit-reset").as_deref(), header("retry-after")), (Some("7"), None));
    assert_eq!(header("x-ratelimit-remaining").as_deref(), Some("0"));
    telnyx.sandbox.switch(|s| s.concurrency = Some(0));
    let ((status, _), headers) = telnyx.with_key(key, "GET", "balance", None).await.unwrap();
    let reset: u64 = headers["x-ratelimit-reset"].to_str().unwrap().parse().unwrap();
    assert!(status == 429 && (1..=60).contains(&reset), "to the end of the minute");
    telnyx.sandbox.switch(|s| s.concurrency = None);
    let (_, headers) = telnyx.with_key(key, "GET", "balance", None).await.unwrap();
    assert_eq!(headers["x-ratelimit-limit"], "40, 40;w=60");
}

#[tokio::test]
async fn rules_choose_by_kind_account_and_number() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.seed_number("+14155550100").unwrap();
    let account = &telnyx.account.account_sid;
    let app = telnyx.sandbox.add_application(account, &[("voice_url", "https://e.example/v")]).unwrap();
    let path = telnyx.number_path("+14155550100");
    let set = json!({ "connection_id": app });
    telnyx.sandbox.inject(Rule::new(Match::route_write().number("+14155550100").account(account), Fault::NotFound));
    telnyx.sandbox.inject(Rule::new(Match::kind(Kind::Hold), Fault::ServerErrorBefore { status: 503 }));
    assert_eq!(telnyx.patch(&path, json!({ "tags": [] })).await.0, 200);
    assert_eq!((telnyx.patch(&path, set.clone()).await.0, telnyx.patch(&path, set).await.0), (404, 200));
    let number = telnyx.offered("415").await;
    assert_eq!(code(&telnyx.post("number_reservations", ordered(&number)).await.1), "10037");
}
