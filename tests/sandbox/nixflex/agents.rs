//! Agents that the platform hosts.

use dialplane::sandbox::carrier::Kind;
use serde_json::{Value, json};

use super::{NUMBER, Nixflex, bearer, code};

#[tokio::test]
async fn a_field_that_is_not_is_answered_200_and_nothing_changes() {
    let nixflex = Nixflex::new();
    let (status, agent) = nixflex.post("agents", json!({ "name": "a", "system_prompt": "Be short." })).await;
    let at = format!("agents/{}", agent["agent_id"].as_str().unwrap());
    assert_eq!((status, &agent["is_active"], &agent["max_call_duration_seconds"]), (201, &json!(true), &json!(600)));
    let (status, body) = nixflex.put(&at, json!({ "sytem_prompt": "typo", "agent_id": "agent_1" })).await;
    assert_eq!((status, &body["system_prompt"], &body["agent_id"]), (200, &json!("Be short."), &agent["agent_id"]));
    let (status, _) = nixflex.put(&at, json!({ "welcome_message": "hi", "silence_hangup_seconds": 1 })).await;
    assert_eq!(status, 400);
    let (_, body) = nixflex.get(&at).await;
    assert_eq!(body["welcome_message"], Value::Null, "one bad value spoils the whole");
    assert_eq!(nixflex.put(&at, json!({ "welcome_message": "hi" })).await.1["system_prompt"], "Be short.");
    assert_eq!(code(&nixflex.put(&at, json!({ "system_prompt": "x".repeat(16_001) })).await.1), "prompt_too_long");
    let other = nixflex.sandbox.add_nixflex_key().unwrap();
    let ((status, body), _) = nixflex.with_key(&bearer(&other), "GET", &at, None).await.unwrap();
    assert_eq!((status, code(&body)), (404, "agent_not_found"), "another key's is not there");
    nixflex.sandbox.switch(|s| s.nixflex.require_agent_texts = true);
    assert_eq!(code(&nixflex.post("agents", json!({ "name": "b" })).await.1), "missing_field");
    let ledger = nixflex.sandbox.ledger();
    let changed = ledger.of(Kind::AgentWrite).filter(|e| e.applied).map(|e| e.changed.len());
    assert_eq!(changed.collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn agents_are_a_bare_list_of_the_active_ones_or_an_object() {
    let nixflex = Nixflex::new();
    let ids: Vec<String> = (0..130).map(|n| nixflex.agent(&format!("agent {n}"))).collect();
    nixflex.sandbox.edit_nixflex_agent(&ids[129], json!({ "is_active": false })).unwrap();
    let list = async |query: &str| nixflex.get(&format!("agents{query}")).await.1;
    let shown = |body: &Value| body.as_array().map(Vec::len);
    assert_eq!((shown(&list("").await), list("").await[0]["agent_id"].as_str()), (Some(100), Some(&*ids[128])));
    assert_eq!(shown(&list("?limit=500&offset=0").await), Some(129));
    assert_eq!(shown(&list("?limit=100&offset=100").await), Some(29));
    nixflex.sandbox.switch(|s| s.nixflex.wrapped_agents = true);
    let body = list("").await;
    assert_eq!((shown(&body["agents"]), &body["count"]), (Some(25), &json!(129)));
    assert_eq!(nixflex.sandbox.nixflex_agents(&nixflex.key.account_sid).len(), 130);
    assert_eq!(nixflex.get(&format!("agents/{}", ids[129])).await.1["is_active"], false, "and is there all the same");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn an_agent_that_is_deleted_leaves_orphans() {
    let nixflex = Nixflex::new();
    let agent = nixflex.attached().await;
    let (status, body) = nixflex.delete(&format!("agents/{agent}")).await;
    assert_eq!((status, body), (200, json!({ "agent_id": agent, "deleted": true })));
    assert_eq!(code(&nixflex.get(&format!("agents/{agent}")).await.1), "agent_not_found");
    assert_eq!(nixflex.sandbox.nixflex_row(NUMBER).unwrap()["agent_id"], agent.as_str());
    assert!(nixflex.webhooks()[0].is_some());
    let second = nixflex.agent("second");
    assert_eq!(code(&nixflex.import(NUMBER, &second).await.1), "number_already_imported");
    nixflex.sandbox.nixflex_detach(NUMBER).unwrap();
    nixflex.import(NUMBER, &second).await;
    nixflex.sandbox.switch(|s| s.nixflex.orphans_keep_agent = false);
    nixflex.sandbox.delete_nixflex_agent(&second).unwrap();
    assert_eq!(nixflex.get("phone-numbers").await.1["phone_numbers"][0]["agent_id"], Value::Null);
    assert!(nixflex.sandbox.delete_nixflex_agent(&second).is_err());
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}
