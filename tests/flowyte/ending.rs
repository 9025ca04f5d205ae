//! How a number leaves its agent: taken off, moved, and let go without ever being given back.

use super::*;

#[tokio::test]
async fn a_number_that_is_deleted_is_taken_off_its_agent_and_kept() {
    let (org, number) = Organization::answering().await;
    org.delete::<PhoneNumber>("n0").await;
    org.gone::<PhoneNumber>("n0").await;
    org.is_with(&number, None).await;
    org.unclaimed(&number).await;
    assert!(org.sandbox.number(&number).is_some());
    assert_eq!((org.published(), org.sandbox.ledger().releases()), ((1, 0), 0));
    org.delete::<Agent>(AGENT).await;
    org.gone::<Agent>(AGENT).await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn the_agent_that_answered_before_comes_back_or_ours_stays_as_on_delete_says() {
    for (policy, stays) in [("Restore", false), ("Leave", true)] {
        let org = Organization::new().await;
        let before = org.sandbox.add_agent(&org.id, "before", json!({})).unwrap();
        let number = org.owned();
        org.sandbox.assign_agent(&number, Some(&before)).unwrap();
        org.scans(2).await;
        org.publishes("v1").await;
        org.phone_number("n0", &number, json!({"onDelete": policy})).await;
        org.reason::<PhoneNumber>("n0", "Ready", "Routed").await;
        let said = org.event("n0", "RouteReplaced").await;
        assert!(said.contains("voice goes to "), "{said}");
        org.is_answered(&number).await;
        org.delete::<PhoneNumber>("n0").await;
        org.gone::<PhoneNumber>("n0").await;
        org.is_with(&number, Some(if stays { &org.agent } else { &before })).await;
        org.has_bought(0).await;
    }
}

#[tokio::test]
async fn a_number_without_an_agent_is_taken_off_and_given_back_with_it() {
    let (org, number) = Organization::answering().await;
    org.phone_number("n0", &number, json!({"agentRef": null})).await;
    org.reason::<PhoneNumber>("n0", "Ready", "Unassigned").await;
    org.is_with(&number, None).await;
    org.rests().await;
    org.phone_number("n0", &number, json!({})).await;
    org.reason::<PhoneNumber>("n0", "Ready", "Routed").await;
    org.is_answered(&number).await;
    assert_eq!(org.published(), (1, 0));
    org.has_bought(0).await;
}

#[tokio::test]
async fn off_the_air_its_numbers_are_taken_off_and_after_that_given_back() {
    let (org, number) = Organization::answering().await;
    let offline = |offline: bool| {
        let draft = json!({"webhooks": null, "hosted": [org.hosted()]});
        json!({"draft": draft, "offline": offline})
    };
    org.agent_with("", Some("v1"), offline(true)).await;
    org.reason::<PhoneNumber>("n0", "Ready", "AgentOffline").await;
    org.is_with(&number, None).await;
    org.reason::<Agent>(AGENT, "RolledOut", "TakenOffline").await;
    org.rests().await;
    org.agent_with("", Some("v1"), offline(false)).await;
    org.reason::<PhoneNumber>("n0", "Ready", "Routed").await;
    org.is_answered(&number).await;
    org.rolled_out("v1").await;
    assert_eq!(org.published(), (1, 0));
    org.has_bought(0).await;
}

#[tokio::test]
async fn an_agent_that_is_no_longer_hosted_leaves_its_numbers_as_they_are() {
    let (org, number) = Organization::answering().await;
    org.agent("engine.example.com", Some("v2")).await;
    let said = org.message::<PhoneNumber>("n0", "Routed", "NoRoute").await;
    assert!(said.contains("dental.v2 has no webhook that this carrier supports"), "{said}");
    org.rests().await;
    org.is_answered(&number).await;
    org.publishes("v3").await;
    org.rolled_out("v3").await;
    org.is_answered(&number).await;
    assert_eq!(org.published(), (1, 0), "its draft serves as it is");
    org.has_bought(0).await;
}
