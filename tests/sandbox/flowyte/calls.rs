//! Which agent a caller reaches.

use dialplane::sandbox::carrier::{Hosted, Kind, Outcome};
use serde_json::json;

use super::{Flowyte, code};

const NUMBER: &str = "+14155550100";
const SOMEBODY: &str = "+12125550199";

impl Flowyte {
    async fn reached(&self) -> Option<Hosted> {
        let placed = self.sandbox.call(SOMEBODY, NUMBER).await;
        let expected = if placed.hosted.is_some() { Outcome::Answered } else { Outcome::Nothing };
        assert_eq!((placed.outcome, placed.attempts.len()), (expected, 0));
        placed.hosted
    }
}

#[tokio::test]
async fn an_assigned_number_reaches_nothing_before_its_agent_is_published() {
    let flowyte = Flowyte::new();
    flowyte.sandbox.seed_number(NUMBER).unwrap();
    let agent = flowyte.agent("Front desk");
    let path = format!("{}/assign", flowyte.number_path(NUMBER));
    assert_eq!(flowyte.reached().await, None, "there is no agent");
    let (status, body) = flowyte.post(&path, json!({ "agentId": agent })).await;
    assert_eq!((status, &body["data"]["defaultAgentId"]), (200, &json!(agent)));
    assert_eq!(flowyte.reached().await, None, "and no answer said so");
    flowyte.post(&format!("agents/{agent}/publish"), json!({})).await;
    let version = flowyte.sandbox.published_version(&agent).unwrap();
    assert_eq!(flowyte.reached().await, Some(Hosted { agent: agent.clone(), version: Some(version.clone()) }));
    flowyte.sandbox.edit_agent(&agent, json!({ "greeting": "New" })).unwrap();
    assert_eq!(flowyte.reached().await.unwrap().version, Some(version), "a draft is heard by nobody");
    flowyte.sandbox.edit_agent(&agent, json!({ "isActive": false })).unwrap();
    assert_eq!(flowyte.reached().await, None, "switched off");
    let text = flowyte.sandbox.text(SOMEBODY, NUMBER, "hello").await;
    assert_eq!((text.outcome, text.hosted), (Outcome::Nothing, None));
    let ledger = flowyte.sandbox.ledger();
    assert_eq!((ledger.writes_to(NUMBER), ledger.publishes()), (1, 1));
}

#[tokio::test]
async fn assigning_overwrites_and_says_nothing_new_the_second_time() {
    let flowyte = Flowyte::new();
    flowyte.sandbox.seed_number(NUMBER).unwrap();
    let [one, two] = ["One", "Two"].map(|name| flowyte.agent(name));
    let path = format!("{}/assign", flowyte.number_path(NUMBER));
    for agent in [&one, &two, &two] {
        assert_eq!(flowyte.post(&path, json!({ "agentId": agent })).await.0, 200);
        assert_eq!(flowyte.sandbox.assigned_agent(NUMBER).as_ref(), Some(agent));
    }
    for status in [404, 422] {
        flowyte.sandbox.switch(|s| s.flowyte.unknown_agent_status = status);
        let (seen, body) = flowyte.post(&path, json!({ "agentId": "nobody" })).await;
        assert_eq!((seen, code(&body)), (status, "agent_not_found"));
    }
    assert_eq!(flowyte.delete(&path).await.0, 200);
    assert_eq!(flowyte.get("numbers").await.1["data"][0]["status"], "available");
    assert_eq!(flowyte.delete(&path).await.0, 200);
    flowyte.sandbox.switch(|s| s.flowyte.unassign_again_status = Some(409));
    assert_eq!(code(&flowyte.delete(&path).await.1), "not_assigned");
    let ledger = flowyte.sandbox.ledger();
    let idle = ledger.of(Kind::RouteWrite).filter(|e| e.applied && e.changed.is_empty()).count();
    assert_eq!((ledger.writes_to(NUMBER), idle, ledger.releases()), (5, 2, 0));
}

#[tokio::test]
async fn a_deleted_agent_is_still_named_by_its_numbers_or_is_not() {
    let flowyte = Flowyte::new();
    flowyte.sandbox.seed_number(NUMBER).unwrap();
    for (unassigns, named) in [(false, true), (true, false)] {
        flowyte.sandbox.switch(|s| s.flowyte.delete_unassigns = unassigns);
        let agent = flowyte.agent("Front desk");
        flowyte.sandbox.publish_agent(&agent, None).unwrap();
        flowyte.sandbox.assign_agent(NUMBER, Some(&agent)).unwrap();
        assert!(flowyte.reached().await.is_some());
        assert_eq!(flowyte.delete(&format!("agents/{agent}")).await.0, 200);
        assert_eq!(flowyte.get(&format!("agents/{agent}")).await.0, 404);
        assert_eq!(flowyte.reached().await, None);
        assert_eq!(flowyte.sandbox.assigned_agent(NUMBER).is_some(), named);
    }
    assert_eq!(flowyte.sandbox.ledger().writes(), 0, "nobody wrote to the number");
}
