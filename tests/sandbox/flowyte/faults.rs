//! Each way to misbehave, in Flowyte's words: what the client sees, and what really happened.

use dialplane::sandbox::carrier::{Fault, Kind, Match, Rule};
use serde_json::{Value, json};

use super::{Flowyte, code, numbers};

#[tokio::test]
async fn what_the_client_sees_of_a_purchase_and_what_happened_differ_as_told() {
    for (fault, status, expected, bought) in [
        (Fault::TooMany { retry_after: Some(7) }, Some(429), "rate_limited", false),
        (Fault::ServerErrorBefore { status: 500 }, Some(500), "internal_error", false),
        (Fault::ServerErrorAfter { status: 503 }, Some(503), "internal_error", true),
        (Fault::RequestLost, None, "", false),
        (Fault::AnswerLost, None, "", true),
        (Fault::TornBody, None, "", true),
        (Fault::Html { status: 502 }, Some(502), "", false),
        (Fault::Rubbish, Some(200), "", true),
        (Fault::Unauthorized, Some(401), "unauthorized", false),
        (Fault::NotFound, Some(404), "not_found", false),
        (Fault::Refuse { status: 402, code: 0 }, Some(402), "insufficient_balance", false),
    ] {
        let flowyte = Flowyte::new();
        let number = flowyte.offered("415").await;
        flowyte.sandbox.inject(Rule::new(Match::purchase().number(&number), fault.clone()));
        let buy = async || {
            let body = json!({ "e164": number });
            flowyte.try_post(&[("idempotency-key", "one")], "numbers/purchase", body).await.ok()
        };
        let (seen, body) = buy().await.map_or((None, Value::Null), |(status, body)| (Some(status), body));
        let ledger = flowyte.sandbox.ledger();
        assert_eq!((seen, code(&body), ledger.purchases_of(&number) == 1), (status, expected, bought), "{fault:?}");
        assert_eq!(numbers(&flowyte.get("numbers").await.1).len(), usize::from(bought), "{fault:?}");
        assert_eq!(buy().await.unwrap().0, 201, "the same key: {fault:?}");
        assert_eq!(flowyte.sandbox.ledger().purchases(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_publication_and_an_assignment_can_be_refused_or_lost() {
    let flowyte = Flowyte::new();
    flowyte.sandbox.seed_number("+14155550100").unwrap();
    let agent = flowyte.agent("Front desk");
    let path = format!("agents/{agent}/publish");
    flowyte.sandbox.inject(Rule::new(Match::publish(), Fault::Refuse { status: 409, code: 0 }));
    let (status, body) = flowyte.post(&path, Value::Null).await;
    assert_eq!((status, code(&body)), (409, "conflict"), "somebody else publishes");
    flowyte.sandbox.inject(Rule::new(Match::publish(), Fault::AnswerLost));
    assert!(flowyte.try_post(&[("idempotency-key", "one")], &path, json!({})).await.is_err());
    assert_eq!(flowyte.try_post(&[("idempotency-key", "one")], &path, json!({})).await.unwrap().0, 201);
    let assign = format!("{}/assign", flowyte.number_path("+14155550100"));
    let about = Match::route_write().number("+14155550100").account(&flowyte.account.account_sid);
    flowyte.sandbox.inject(Rule::new(about, Fault::AnswerLost));
    assert!(flowyte.try_post(&[], &assign, json!({ "agentId": agent })).await.is_err());
    assert_eq!(flowyte.sandbox.assigned_agent("+14155550100"), Some(agent.clone()));
    flowyte.sandbox.inject(Rule::new(Match::kind(Kind::Hold), Fault::NotFound));
    assert_eq!(flowyte.post("numbers/reserve", json!({})).await.0, 404);
    let ledger = flowyte.sandbox.ledger();
    assert_eq!((ledger.publishes(), flowyte.sandbox.agent_versions(&agent).len(), ledger.writes()), (1, 1, 1));
}

#[tokio::test]
async fn the_list_lags_behind_a_purchase_and_can_come_torn_or_empty() {
    let flowyte = Flowyte::new();
    for area in ["415", "212"] {
        let number = flowyte.offered(area).await;
        flowyte.buy(&number, area).await;
    }
    let rows = async |fault: Fault| {
        flowyte.sandbox.inject(Rule::new(Match::list(), fault));
        let (status, body) = flowyte.get("numbers").await;
        assert_eq!((status, &body["success"]), (200, &json!(true)));
        numbers(&body).len()
    };
    assert_eq!(rows(Fault::LagWrites { writes: 1 }).await, 1);
    assert_eq!(rows(Fault::Lag { ms: 60_000 }).await, 0);
    assert_eq!(rows(Fault::TornPage).await, 1);
    assert_eq!(rows(Fault::EmptyPage).await, 0);
    assert_eq!(rows(Fault::Slow { ms: 1 }).await, 2, "the rules are spent");
    assert_eq!(flowyte.sandbox.ledger().purchases(), 2);
}

#[tokio::test]
async fn haste_is_refused_with_a_time_to_wait() {
    let flowyte = Flowyte::new();
    flowyte.sandbox.inject(Rule::new(Match::any(), Fault::TooMany { retry_after: Some(7) }));
    let ask = async || flowyte.ask(&flowyte.account.auth_token, &[], "GET", "numbers", None).await.unwrap();
    let ((status, _), headers) = ask().await;
    assert_eq!(
        (status, &headers["retry-after"], &headers["ratelimit-remaining"]),
        (429, &"7".parse().unwrap(), &"0".parse().unwrap())
    );
    let ((status, _), headers) = ask().await;
    assert!(status == 200 && headers.contains_key("ratelimit-limit") && !headers.contains_key("retry-after"));
    assert_eq!(flowyte.sandbox.ledger().lists(), 2);
}
