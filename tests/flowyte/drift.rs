//! What people change in Flowyte's dashboard is put back, or said, and not for ever.

use dialplane::api::meta::RECONCILE_REQUESTED;

use super::*;

#[tokio::test]
async fn a_number_that_somebody_gives_to_another_agent_is_put_back() {
    let (org, number) = Organization::answering().await;
    let other = org.sandbox.add_agent(&org.id, "other", json!({})).unwrap();
    org.sandbox.assign_agent(&number, Some(&other)).unwrap();
    org.is_with(&number, Some(&org.agent)).await;
    let said = org.event("n0", "DriftCorrected").await;
    assert!(said.contains("voice goes to "), "{said}");
    org.sandbox.assign_agent(&number, None).unwrap();
    org.is_with(&number, Some(&org.agent)).await;
    org.is_answered(&number).await;
    assert_eq!(org.published(), (1, 0));

    org.sandbox.assign_agent(&number, Some(&other)).unwrap();
    org.is_with(&number, Some(&org.agent)).await;
    org.sandbox.assign_agent(&number, Some(&other)).unwrap();
    org.reason::<PhoneNumber>("n0", "Ready", "RouteConflict").await;
    org.rests().await;
    org.request("n0").await;
    org.is_with(&number, Some(&org.agent)).await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_version_that_somebody_publishes_there_is_put_back_until_it_is_contested() {
    let (org, number) = Organization::answering().await;
    let ours = org.sandbox.published_version(&org.agent);
    let is_back = || async {
        eventually("our version serves", || async {
            (org.sandbox.published_version(&org.agent) == ours).then_some(())
        })
        .await;
    };
    for i in 0..3 {
        org.greets(&format!("by hand {i}"));
        org.sandbox.publish_agent(&org.agent, None).unwrap();
        is_back().await;
    }
    org.event(AGENT, "DriftCorrected").await;
    org.sandbox.publish_agent(&org.agent, None).unwrap();
    let said = org.message::<Agent>(AGENT, "RolledOut", "SharedRouteConflict").await;
    assert!(said.contains(&org.agent) && said.contains(RECONCILE_REQUESTED), "{said}");
    assert_eq!(org.published(), (1, 3));
    org.rests().await;

    // A new version is not what they fight about.
    org.request("n0").await;
    is_back().await;
    org.rolled_out("v1").await;
    assert_eq!(org.published(), (1, 4));
    org.is_answered(&number).await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn drift_of_an_agent_is_put_back_at_once_when_somebody_asks_for_a_look() {
    let (org, number) = Organization::answering().await;
    let ours = org.sandbox.published_version(&org.agent);
    org.open_with(json!({"scanInterval": "24h"})).await;
    org.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let is_back = || async {
        eventually("our version serves", || async {
            (org.sandbox.published_version(&org.agent) == ours).then_some(())
        })
        .await;
    };
    org.greets("by hand");
    org.sandbox.publish_agent(&org.agent, None).unwrap();
    org.request("n0").await;
    is_back().await;
    org.sandbox.publish_agent(&org.agent, None).unwrap();
    let request = json!({"metadata": {"annotations": {RECONCILE_REQUESTED: "now"}}});
    org.patch::<CarrierAccount>(ACCOUNT, request).await;
    is_back().await;
    org.is_answered(&number).await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn an_agent_that_is_deleted_there_is_said_and_nothing_goes_round_in_circles() {
    for unassigns in [false, true] {
        let (org, number) = Organization::answering().await;
        org.sandbox.switch(|switches| switches.flowyte.delete_unassigns = unassigns);
        org.sandbox.delete_agent(&org.agent).unwrap();
        let said = org.message::<Agent>(AGENT, "RolledOut", "HostedAgentNotFound").await;
        assert!(said.contains(&org.agent) && said.contains(ACCOUNT), "{said}");
        org.scans(4).await;
        let refused = org.sandbox.ledger().of(Kind::RouteWrite).filter(|entry| !entry.applied).count();
        assert!(refused <= 4, "asked {refused} times although there is no such agent");
        assert_eq!((org.published(), org.answers(&number).await), ((1, 0), None));

        let other = org.sandbox.add_agent(&org.id, "another", json!({})).unwrap();
        org.hosts("v2", json!({"accountRef": {"name": ACCOUNT}, "agentId": other})).await;
        org.rolled_out("v2").await;
        org.reason::<PhoneNumber>("n0", "Ready", "Routed").await;
        assert_eq!(org.answers(&number).await.unwrap().0, other);
        org.has_bought(0).await;
    }
}

#[tokio::test]
async fn an_agent_that_there_never_was_is_said_and_the_number_keeps_its_route() {
    let org = Organization::new().await;
    let number = org.owned();
    org.sandbox.assign_agent(&number, Some(&org.agent)).unwrap();
    org.hosts("v1", json!({"accountRef": {"name": ACCOUNT}, "agentId": "nobody"})).await;
    org.phone_number("n0", &number, json!({})).await;
    org.reason::<Agent>(AGENT, "RolledOut", "HostedAgentNotFound").await;
    org.reason::<PhoneNumber>("n0", "Ready", "SharedRoutePending").await;
    org.rests().await;
    assert_eq!(org.writes_to(&number), 0);
    org.has_bought(0).await;
}

#[tokio::test]
async fn an_agent_that_is_switched_off_there_is_said_until_it_is_on_again() {
    let (org, number) = Organization::answering().await;
    let writes = org.writes_to(&number);
    org.sandbox.edit_agent(&org.agent, json!({"isActive": false})).unwrap();
    let said = org.message::<Agent>(AGENT, "RolledOut", "HostedAgentInactive").await;
    assert!(said.contains(&org.agent), "{said}");
    org.reason::<PhoneNumber>("n0", "Ready", "SharedRoutePending").await;
    org.rests().await;
    assert_eq!((org.answers(&number).await, org.writes_to(&number)), (None, writes));
    org.sandbox.edit_agent(&org.agent, json!({"isActive": true})).unwrap();
    org.rolled_out("v1").await;
    org.is_answered(&number).await;
    org.has_bought(0).await;
}
