//! Calls and texts to numbers that the platform has, by the way that they really take.

use dialplane::sandbox::carrier::{Hosted, Outcome};
use serde_json::json;

use super::{CALLER, NUMBER, Nixflex, path};

#[tokio::test]
async fn the_hosted_agent_answers_with_the_numbers_own_words_from_the_next_call_on() {
    let nixflex = Nixflex::new();
    assert_eq!(nixflex.sandbox.call(CALLER, NUMBER).await.outcome, Outcome::Nothing);
    let agent = nixflex.attached().await;
    let placed = nixflex.sandbox.call(CALLER, NUMBER).await;
    let hosted = Some(Hosted { agent, version: None });
    assert_eq!((placed.outcome, &placed.hosted, placed.via.as_deref()), (Outcome::Answered, &hosted, Some("number")));
    assert_eq!(placed.answer().unwrap().url, nixflex.sandbox.nixflex_webhooks().voice);
    assert_eq!(placed.status_callback.unwrap().status, Some(200));
    nixflex.patch(&path(NUMBER), json!({ "custom_prompt": "Say <hello> & \"bye\"" })).await;
    let placed = nixflex.sandbox.call(CALLER, NUMBER).await;
    assert!(placed.answer().unwrap().body.contains("Say &lt;hello&gt; &amp; &quot;bye&quot;"));
    nixflex.patch(&path(NUMBER), json!({ "custom_prompt": null })).await;
    assert!(!nixflex.sandbox.call(CALLER, NUMBER).await.answer().unwrap().body.contains("custom_prompt"));
    let text = nixflex.sandbox.text(CALLER, NUMBER, "hello").await;
    assert_eq!((text.outcome, text.hosted), (Outcome::Answered, None), "texts are not replied to");
    nixflex.patch(&path(NUMBER), json!({ "sms_reply_enabled": true })).await;
    assert_eq!(nixflex.sandbox.text(CALLER, NUMBER, "hello").await.hosted, hosted);
    assert_eq!(nixflex.sandbox.ledger().entries().len(), 5, "the ledger is about clients, not about calls");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn nobody_answers_an_orphan_a_sleeping_agent_or_a_number_without_a_row() {
    let nixflex = Nixflex::new();
    let agent = nixflex.attached().await;
    let key = nixflex.key.account_sid.clone();
    let reached = async || {
        let placed = nixflex.sandbox.call(CALLER, NUMBER).await;
        assert_eq!(placed.hosted.is_some(), placed.outcome == Outcome::Answered);
        placed.hosted.is_some()
    };
    nixflex.put(&format!("agents/{agent}"), json!({ "is_active": false })).await;
    assert!(!reached().await, "switched off");
    nixflex.put(&format!("agents/{agent}"), json!({ "is_active": true })).await;
    assert!(reached().await);
    nixflex.sandbox.set_status(&key, "suspended").unwrap();
    assert!(!reached().await, "not paid");
    assert_eq!(nixflex.get("usage").await.0, 402);
    nixflex.sandbox.set_status(&key, "active").unwrap();
    nixflex.sandbox.lose_nixflex_row(NUMBER).unwrap();
    assert!(!reached().await, "no row");
    nixflex.sandbox.nixflex_attach(&key, NUMBER, &agent).unwrap();
    assert!(reached().await);
    nixflex.delete(&format!("agents/{agent}")).await;
    assert!(!reached().await, "an orphan");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn beyond_the_tiers_calls_the_caller_hears_that_it_is_busy() {
    let nixflex = Nixflex::new();
    nixflex.attached().await;
    nixflex.sandbox.nixflex_calls(&nixflex.key.account_sid, 9);
    assert_eq!(nixflex.sandbox.call(CALLER, NUMBER).await.outcome, Outcome::Answered);
    nixflex.sandbox.nixflex_calls(&nixflex.key.account_sid, 10);
    let placed = nixflex.sandbox.call(CALLER, NUMBER).await;
    assert_eq!((placed.outcome, placed.hosted), (Outcome::Busy, None));
    let (_, usage) = nixflex.get("usage").await;
    let read = |name: &str| usage[name].as_u64().unwrap();
    assert_eq!((read("max_concurrent"), read("total_calls")), (10, 1));
    assert_eq!((read("peak_concurrent_this_month"), read("rejected_at_cap_this_month")), (10, 1));
    nixflex.sandbox.switch(|s| s.nixflex.max_concurrent = 25);
    assert_eq!(nixflex.sandbox.call(CALLER, NUMBER).await.outcome, Outcome::Answered);
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn a_rotated_auth_token_breaks_calls_until_the_number_is_imported_again() {
    let nixflex = Nixflex::new();
    let agent = nixflex.attached().await;
    nixflex.sandbox.rotate_token(&nixflex.twilio.account_sid).unwrap();
    let placed = nixflex.sandbox.call(CALLER, NUMBER).await;
    assert_eq!((placed.outcome, placed.attempts[0].status), (Outcome::Failed, Some(403)));
    nixflex.sandbox.switch(|s| s.nixflex.check_signature = false);
    assert!(nixflex.sandbox.call(CALLER, NUMBER).await.hosted.is_some(), "unless nobody looks");
    nixflex.sandbox.switch(|s| s.nixflex.check_signature = true);
    nixflex.sandbox.lose_nixflex_row(NUMBER).unwrap();
    nixflex.sandbox.nixflex_attach(&nixflex.key.account_sid, NUMBER, &agent).unwrap();
    assert!(nixflex.sandbox.call(CALLER, NUMBER).await.hosted.is_some());
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}
