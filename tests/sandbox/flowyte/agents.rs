//! Drafts, and the versions that they become.

use dialplane::sandbox::carrier::Kind;
use serde_json::{Value, json};

use super::{Flowyte, code};

impl Flowyte {
    async fn patch(&self, agent: &str, read: &str, body: Value) -> (u16, Value) {
        let (key, headers) = (&self.account.auth_token, [("if-match", read)]);
        self.ask(key, &headers, "PATCH", &format!("agents/{agent}"), Some(&body)).await.unwrap().0
    }
}

#[tokio::test]
async fn an_agent_is_made_as_a_draft_under_a_name_of_its_own() {
    let flowyte = Flowyte::new();
    let (status, body) = flowyte.post("agents", json!({ "name": "Front desk", "persona": "Kind" })).await;
    let agent = &body["data"];
    assert_eq!((status, &agent["status"], &agent["version"]), (201, &json!("draft"), &json!(1)));
    assert_eq!((&agent["publishedVersionId"], &agent["isActive"]), (&Value::Null, &json!(true)));
    assert_eq!(code(&flowyte.post("agents", json!({ "name": "Front desk" })).await.1), "duplicate_name");
    assert_eq!(flowyte.post("agents", json!({ "persona": "Kind" })).await.0, 400);
    let (_, listed) = flowyte.get("agents").await;
    assert_eq!(listed["data"], json!([agent]));
    assert_eq!(flowyte.get(&format!("agents/{}", agent["id"].as_str().unwrap())).await.1["data"], *agent);
    let ledger = flowyte.sandbox.ledger();
    assert_eq!((ledger.of(Kind::AgentWrite).filter(|e| e.applied).count(), ledger.publishes()), (1, 0));
}

#[tokio::test]
async fn a_draft_that_a_person_changed_meanwhile_is_not_overwritten() {
    let flowyte = Flowyte::new();
    let agent = flowyte.agent("Front desk");
    flowyte.sandbox.edit_agent(&agent, json!({ "greeting": "Hello" })).unwrap();
    let (status, body) = flowyte.patch(&agent, "1", json!({ "persona": "Kind" })).await;
    assert_eq!((status, code(&body), &body["currentVersion"]), (409, "version_conflict", &json!(2)));
    assert_eq!(body["agent"]["greeting"], "Hello", "with what there is now");
    assert_eq!(flowyte.patch(&agent, "2", json!({ "persona": "Kind" })).await.1["data"]["version"], 3);
    assert_eq!(flowyte.patch(&agent, "\"3\"", json!({ "persona": "Kind" })).await.0, 200, "quoted or not");
    let key = &flowyte.account.auth_token;
    let (status, body) = flowyte.with_key(key, "PATCH", &format!("agents/{agent}"), json!({ "tone": "dry" })).await;
    assert_eq!((status, &body["data"]["version"]), (200, &json!(5)), "without it the last one wins");
    let ledger = flowyte.sandbox.ledger();
    let changed: Vec<&[String]> = ledger.of(Kind::AgentWrite).filter(|e| e.applied).map(|e| &*e.changed).collect();
    assert_eq!(changed, [&["persona".to_owned()][..], &[], &["tone".to_owned()]]);
}

#[tokio::test]
async fn a_publication_is_shipped_once_under_its_key_and_counts_from_one() {
    let flowyte = Flowyte::new();
    let agent = flowyte.agent("Front desk");
    let path = format!("agents/{agent}/publish");
    let publish =
        async |key: &str, body: Value| flowyte.try_post(&[("idempotency-key", key)], &path, body).await.unwrap();
    let first = publish("one", json!({ "note": "first" })).await;
    assert_eq!((first.0, &first.1["data"]["version"], &first.1["data"]["note"]), (201, &json!(1), &json!("first")));
    assert_eq!(publish("one", json!({ "note": "first" })).await, first);
    flowyte.sandbox.edit_agent(&agent, json!({ "greeting": "Hello" })).unwrap();
    let second = publish("two", json!({})).await;
    assert_eq!(
        (&second.1["data"]["version"], &second.1["data"]["compiledConfig"]["greeting"]),
        (&json!(2), &json!("Hello"))
    );
    assert_eq!(flowyte.post(&path, Value::Null).await.1["data"]["version"], 3, "also when nothing is new");
    flowyte.sandbox.switch(|s| s.flowyte.publish_unchanged_is_nothing = true);
    assert_eq!(flowyte.post(&path, Value::Null).await.1["data"]["version"], 3);
    let shown = flowyte.sandbox.agent(&agent).unwrap();
    assert_eq!(
        (&shown["version"], &shown["status"]),
        (&json!(2), &json!("published")),
        "another count than the draft's"
    );
    let notes: Vec<Value> = flowyte.sandbox.agent_versions(&agent).iter().map(|v| v["note"].clone()).collect();
    assert_eq!(notes, [json!("first"), Value::Null, Value::Null]);
    let (_, listed) = flowyte.get(&format!("agents/{agent}/versions")).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 3);
    assert_eq!(flowyte.sandbox.ledger().publishes(), 3);
}

#[tokio::test]
async fn a_draft_that_does_not_compile_stays_a_draft() {
    let flowyte = Flowyte::new();
    let agent = flowyte.agent("Front desk");
    flowyte.sandbox.set_agent_compiles(&agent, false).unwrap();
    let (status, body) = flowyte.post(&format!("agents/{agent}/publish"), Value::Null).await;
    assert_eq!((status, code(&body)), (422, "draft_does_not_compile"));
    assert_eq!((flowyte.sandbox.published_version(&agent), flowyte.sandbox.ledger().publishes()), (None, 0));
}

#[tokio::test]
async fn a_rollback_leaves_the_draft_to_be_shipped_again() {
    let flowyte = Flowyte::new();
    let agent = flowyte.agent("Front desk");
    let first = flowyte.sandbox.publish_agent(&agent, Some("good")).unwrap();
    flowyte.sandbox.edit_agent(&agent, json!({ "greeting": "Oops" })).unwrap();
    let bad = flowyte.sandbox.publish_agent(&agent, None).unwrap();
    let diff =
        async |version: &str| flowyte.get(&format!("agents/{agent}/versions/{version}/diff")).await.1["data"].clone();
    assert_eq!(diff(&bad).await, json!({ "changes": [] }), "live is the draft");
    let (status, body) = flowyte.post(&format!("agents/{agent}/rollback"), json!({ "versionId": first })).await;
    assert_eq!((status, &body["data"]["id"]), (200, &json!(first)));
    assert_eq!(flowyte.sandbox.published_version(&agent), Some(first.clone()));
    let change = json!({ "field": "greeting", "before": null, "after": "Oops", "kind": "changed" });
    assert_eq!(diff(&first).await["changes"], json!([change]));
    let (_, shipped) = flowyte.post(&format!("agents/{agent}/publish"), Value::Null).await;
    assert_eq!(shipped["data"]["compiledConfig"]["greeting"], "Oops");
    assert_eq!(flowyte.post(&format!("agents/{agent}/rollback"), json!({ "versionId": "1" })).await.0, 404);
    let ledger = flowyte.sandbox.ledger();
    assert_eq!((ledger.of(Kind::Rollback).filter(|e| e.applied).count(), ledger.publishes()), (1, 1));
}
