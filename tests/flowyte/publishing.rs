//! Which version of a hosted agent serves: published once, and pointed at after that.

use std::time::Duration;

use dialplane::sandbox::{
    carrier::{Fault, Match, Rule},
    control_plane::ControlPlane,
};

use super::*;
use crate::support::{self, crds, operator};

#[tokio::test]
async fn a_version_is_published_once_for_all_numbers_and_pointed_at_after_that() {
    let org = Organization::new().await;
    org.publishes("v1").await;
    let numbers = org.imports(8).await;
    org.rolled_out("v1").await;
    assert_eq!((org.published(), org.sandbox.ledger().writes()), ((1, 0), 8));

    org.greets("two");
    org.publishes("v2").await;
    org.rolled_out("v2").await;
    let versions = org.versions();
    assert_eq!((versions.len(), org.published(), org.sandbox.ledger().writes()), (2, (2, 0), 8));
    for number in &numbers {
        assert_eq!(org.answers(number).await, Some((org.agent.clone(), versions[1].clone())));
    }

    org.publishes("v1").await;
    org.rolled_out("v1").await;
    assert_eq!((org.published(), org.sandbox.published_version(&org.agent)), ((2, 1), Some(versions[0].clone())));
    org.is_answered(&numbers[7]).await;
    org.publishes("v2").await;
    org.rolled_out("v2").await;
    assert_eq!((org.published(), org.sandbox.published_version(&org.agent)), ((2, 2), Some(versions[1].clone())));
    let entry = org.entry().await;
    let known: Vec<(&str, &String)> = entry.hosted_versions.iter().map(|of| (&*of.version, &of.id)).collect();
    assert_eq!(known, [("v2", &versions[1]), ("v1", &versions[0])]);
    org.rests().await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_draft_that_serves_as_it_is_is_not_published_again() {
    let org = Organization::new().await;
    let serving = org.sandbox.publish_agent(&org.agent, Some("by hand")).unwrap();
    org.publishes("v1").await;
    let number = org.imports(1).await.remove(0);
    org.rolled_out("v1").await;
    org.publishes("v2").await;
    org.agent_with("", Some("v2"), json!({"draft": {"webhooks": null, "hosted": [org.hosted()], "config": {"a": 1}}}))
        .await;
    org.rolled_out("v2").await;
    assert_eq!((org.published(), org.versions()), ((0, 0), vec![serving]));
    org.is_answered(&number).await;
    org.greets("two");
    org.publishes("v3").await;
    org.rolled_out("v3").await;
    assert_eq!(org.published(), (1, 0));
    org.is_answered(&number).await;
    org.rests().await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_draft_that_was_edited_a_moment_ago_is_published_however_seldom_one_looks() {
    let (org, number) = Organization::answering().await;
    org.open_with(json!({"scanInterval": "24h"})).await;
    org.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    org.greets("two");
    org.publishes("v2").await;
    org.rolled_out("v2").await;
    assert_eq!(org.published(), (2, 0));
    org.is_answered(&number).await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_version_that_the_manifest_names_is_pointed_at_and_never_published() {
    let org = Organization::new().await;
    let first = org.sandbox.publish_agent(&org.agent, None).unwrap();
    org.greets("two");
    let second = org.sandbox.publish_agent(&org.agent, None).unwrap();
    org.greets("three");
    let at = |version: &str| {
        let mut entry = org.hosted();
        entry["versionId"] = version.into();
        entry
    };
    org.hosts("v1", at(&first)).await;
    let number = org.imports(1).await.remove(0);
    org.rolled_out("v1").await;
    assert_eq!((org.published(), org.sandbox.published_version(&org.agent)), ((0, 1), Some(first.clone())));
    org.is_answered(&number).await;
    org.hosts("v2", at(&second)).await;
    org.rolled_out("v2").await;
    assert_eq!((org.published(), org.sandbox.published_version(&org.agent)), ((0, 2), Some(second.clone())));

    org.hosts("v3", at("nothing-of-the-kind")).await;
    let said = org.message::<Agent>(AGENT, "RolledOut", "HostedVersionNotFound").await;
    assert!(said.contains("nothing-of-the-kind") && said.contains(&org.agent), "{said}");
    org.rests().await;
    assert_eq!((org.published(), org.sandbox.published_version(&org.agent)), ((0, 2), Some(second)));
    org.is_answered(&number).await;
    org.hosts("v4", at(&first)).await;
    org.rolled_out("v4").await;
    assert_eq!(org.published(), (0, 3));
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_publication_whose_answer_is_lost_is_not_done_twice() {
    for fault in [
        Fault::AnswerLost,
        Fault::ServerErrorAfter { status: 502 },
        Fault::TornBody,
        Fault::Rubbish,
        Fault::AppliedLate { ms: 2500 },
        Fault::RequestLost,
    ] {
        let org = Organization::new().await;
        org.sandbox.inject(Rule::new(Match::publish(), fault.clone()));
        org.publishes("v1").await;
        let number = org.imports(1).await.remove(0);
        org.rolled_out("v1").await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(org.versions().len(), 1, "{fault:?}");
        let keys: Vec<_> = org.sandbox.ledger().of(Kind::Publish).map(|entry| entry.path.clone()).collect();
        assert!(keys.len() <= 2, "{fault:?}: {keys:?}");
        org.is_answered(&number).await;
        org.has_bought(0).await;
    }
}

#[tokio::test]
async fn a_rollback_whose_answer_is_lost_ends_with_the_version_that_is_wanted() {
    for fault in [Fault::AnswerLost, Fault::RequestLost, Fault::TornBody] {
        let (org, number) = Organization::answering().await;
        org.greets("two");
        org.publishes("v2").await;
        org.rolled_out("v2").await;
        org.sandbox.inject(Rule::new(Match::kind(Kind::Rollback), fault.clone()));
        org.publishes("v1").await;
        org.rolled_out("v1").await;
        assert_eq!(org.sandbox.published_version(&org.agent).as_ref(), org.versions().first(), "{fault:?}");
        assert_eq!(org.versions().len(), 2);
        org.is_answered(&number).await;
        org.has_bought(0).await;
    }
}

#[tokio::test]
async fn whoever_comes_after_a_crash_does_not_publish_twice_what_was_sent_before() {
    let own = ControlPlane::start(support::binaries()).await.unwrap();
    let client = own.client().await.unwrap();
    crds::apply(&client).await;
    let first = operator::run(client.clone());
    let org = Organization::of(Scene::flowyte_on(client.clone()).await);
    org.opens().await;
    org.sandbox.inject(Rule::new(Match::publish(), Fault::AppliedLate { ms: 3000 }));
    org.publishes("v1").await;
    let sent = || org.sandbox.ledger().of(Kind::Publish).count();
    eventually("it is sent", || async { (sent() == 1).then_some(()) }).await;
    first.cancel();
    operator::run(client);
    org.rolled_out("v1").await;
    let number = org.imports(1).await.remove(0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((org.versions().len(), org.entry().await.hosted_versions[0].id.clone()), (1, org.versions()[0].clone()));
    org.is_answered(&number).await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn an_agent_that_is_there_before_its_platform_is_published_once_that_is_open() {
    let org = Organization::closed().await;
    org.publishes("v1").await;
    org.reason::<Agent>(AGENT, "RolledOut", "PlatformNotFound").await;
    org.opens().await;
    org.rolled_out("v1").await;
    assert_eq!(org.published(), (1, 0));
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_draft_that_does_not_compile_is_said_and_the_last_version_goes_on() {
    let (org, number) = Organization::answering().await;
    let first = org.sandbox.published_version(&org.agent);
    org.greets("two");
    org.sandbox.set_agent_compiles(&org.agent, false).unwrap();
    org.publishes("v2").await;
    let said = org.message::<Agent>(AGENT, "RolledOut", "SharedRouteRefused").await;
    assert!(said.contains("cannot publish the agent's draft"), "{said}");
    assert_eq!(org.sandbox.published_version(&org.agent), first);
    org.is_answered(&number).await;
    org.reason::<PhoneNumber>("n0", "Ready", "SharedRoutePending").await;

    org.sandbox.set_agent_compiles(&org.agent, true).unwrap();
    org.publishes("v3").await;
    org.rolled_out("v3").await;
    assert_eq!(org.published(), (2, 0));
    org.is_answered(&number).await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_hosted_agent_belongs_to_one_agent_and_the_numbers_of_another_keep_their_route() {
    let (org, number) = Organization::answering().await;
    let other = org.sandbox.add_agent(&org.id, "night", json!({"greeting": "night"})).unwrap();
    let night = |version: &str, agent: &str| {
        let hosted = json!([{"accountRef": {"name": ACCOUNT}, "agentId": agent}]);
        json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "night"},
            "spec": {"draft": {"hosted": hosted}, "version": version},
        })
    };
    org.apply::<Agent>(night("v1", &other)).await;
    let second = org.owned();
    org.scans(2).await;
    org.phone_number("second", &second, json!({"agentRef": {"name": "night"}})).await;
    org.reason::<PhoneNumber>("second", "Ready", "Routed").await;
    assert_eq!(org.answers(&second).await.unwrap().0, other);

    let published = org.published();
    org.greets("two");
    org.apply::<Agent>(night("v2", &org.agent)).await;
    let said = org.message::<Agent>("night", "RolledOut", "HostedAgentInUse").await;
    assert!(said.contains(&org.agent), "{said}");
    org.reason::<PhoneNumber>("second", "Ready", "SharedRoutePending").await;
    org.rests().await;
    assert_eq!((org.published(), org.answers(&second).await.unwrap().0), (published, other.clone()));
    org.is_answered(&number).await;

    // Once the first one lets go of it, it is the other's.
    org.delete::<PhoneNumber>("n0").await;
    org.gone::<PhoneNumber>("n0").await;
    org.delete::<Agent>(AGENT).await;
    org.gone::<Agent>(AGENT).await;
    org.is_with(&second, Some(&org.agent)).await;
    org.reason::<Agent>("night", "RolledOut", "RolledOut").await;
    org.is_answered(&second).await;
    org.has_bought(0).await;
}
