//! Numbers of the organization's own carrier account, which are brought in and not bought.

use dialplane::{
    api::phone_number::Acquisition,
    sandbox::carrier::{Fault, Match, Rule},
};

use super::*;
use crate::support::scene::fresh;

impl Organization {
    /// A scene whose agent is published, and a number at the organization's own carrier account.
    async fn with_one_elsewhere() -> (Self, String) {
        let org = Self::new().await;
        let number = fresh();
        org.sandbox.add_importable(&org.id, &number).unwrap();
        org.publishes("v1").await;
        org.rolled_out("v1").await;
        (org, number)
    }

    async fn brings_in(&self, number: &str) -> PhoneNumber {
        self.phone_number("main", number, json!({"import": {"bringIn": true}})).await
    }

    /// How often it was asked for, and how often that was done.
    fn asked_for(&self) -> (usize, usize) {
        (self.sandbox.ledger().of(Kind::Import).count(), self.applied(Kind::Import).len())
    }
}

#[tokio::test]
async fn a_number_of_the_organizations_own_carrier_account_is_brought_in_answered_and_never_given_back() {
    let (org, number) = Organization::with_one_elsewhere().await;
    let balance = org.sandbox.balance(&org.id).unwrap();
    org.brings_in(&number).await;
    assert_eq!(org.routed_number("main").await, number);
    org.is_answered(&number).await;
    assert_eq!((org.asked_for(), org.writes_to(&number)), ((1, 1), 1));
    assert_eq!(org.sandbox.balance(&org.id).unwrap(), balance);
    let claim = org.claim(&number).await.unwrap().spec;
    assert_eq!((claim.acquisition, claim.purchase), (Acquisition::Imported, None));
    assert!(org.event("main", "ImportedAtCarrier").await.contains(&number));
    org.rests().await;
    org.delete::<PhoneNumber>("main").await;
    org.gone::<PhoneNumber>("main").await;
    org.is_with(&number, None).await;
    org.unclaimed(&number).await;
    assert!(org.sandbox.number(&number).is_some());
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_number_that_is_not_there_is_not_asked_for_unless_the_object_says_so() {
    let (org, number) = Organization::with_one_elsewhere().await;
    org.phone_number("main", &number, json!({})).await;
    let said = org.message::<PhoneNumber>("main", "Acquired", "NotInAccount").await;
    assert!(said.contains("spec.import.bringIn"), "{said}");
    org.rests().await;
    assert!(org.asked_for() == (0, 0) && org.claim(&number).await.is_none());
    org.brings_in(&number).await;
    assert_eq!(org.routed_number("main").await, number);
    org.has_bought(0).await;
}

#[tokio::test]
async fn whatever_an_import_is_answered_the_number_is_asked_for_once() {
    for fault in [None, Some(Fault::AnswerLost), Some(Fault::ServerErrorAfter { status: 502 }), Some(Fault::TornBody)] {
        let (org, number) = Organization::with_one_elsewhere().await;
        match fault.clone() {
            Some(fault) => org.sandbox.inject(Rule::new(Match::kind(Kind::Import), fault)),
            None => org.sandbox.switch(|s| (s.flowyte.created_status, s.flowyte.import_shown) = (200, false)),
        }
        org.brings_in(&number).await;
        assert_eq!(org.routed_number("main").await, number);
        org.is_answered(&number).await;
        assert_eq!(org.asked_for(), (1, 1), "{fault:?}");
        org.has_bought(0).await;
    }
}

#[tokio::test]
async fn an_import_that_may_have_been_done_is_looked_for_and_not_asked_for_again_meanwhile() {
    let (org, number) = Organization::with_one_elsewhere().await;
    org.sandbox.inject(Rule::new(Match::kind(Kind::Import), Fault::RequestLost));
    org.brings_in(&number).await;
    let said = org.message::<PhoneNumber>("main", "Acquired", "NumberNotChecked").await;
    assert!(said.contains("It is unknown whether"), "{said}");
    org.rests().await;
    assert_eq!(org.asked_for(), (1, 0));
    org.delete::<PhoneNumber>("main").await;
    org.gone::<PhoneNumber>("main").await;
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_refused_import_says_so_and_is_not_repeated_until_the_spec_is_edited() {
    for status in [404, 409, 422] {
        let org = Organization::new().await;
        let number = fresh();
        org.sandbox.switch(|switches| switches.flowyte.unimportable_status = status);
        org.brings_in(&number).await;
        let said = org.message::<PhoneNumber>("main", "Acquired", "CarrierImportRefused").await;
        assert!(said.contains("carrier account"), "{said}");
        org.rests().await;
        assert_eq!(org.asked_for(), (1, 0), "{status}");
        org.sandbox.add_importable(&org.id, &number).unwrap();
        org.phone_number("main", &number, json!({"import": {"bringIn": true}, "agentRef": null})).await;
        org.reason::<PhoneNumber>("main", "Ready", "Unassigned").await;
        assert_eq!(org.asked_for(), (2, 1), "{status}");
        org.has_bought(0).await;
    }
}

#[tokio::test]
async fn a_number_that_somebody_else_claims_is_not_asked_for() {
    let (org, number) = Organization::with_one_elsewhere().await;
    let other = Scene::new().await;
    other.sandbox.seed_number(&number).unwrap();
    other.phone_number("theirs", &number, json!({"agentRef": null})).await;
    other.reason::<PhoneNumber>("theirs", "Ready", "Unassigned").await;
    org.brings_in(&number).await;
    let said = org.message::<PhoneNumber>("main", "Acquired", "ClaimRefused").await;
    assert!(!said.contains(&other.namespace), "{said}");
    org.rests().await;
    assert_eq!(org.asked_for(), (0, 0));
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_carrier_that_takes_in_no_numbers_is_said_to_be_so() {
    let scene = Scene::new().await;
    let number = fresh();
    scene.phone_number("main", &number, json!({"import": {"bringIn": true}, "agentRef": null})).await;
    let said = scene.message::<PhoneNumber>("main", "Acquired", "CarrierImportRefused").await;
    assert!(said.contains("cannot import numbers") && said.contains("spec.import.bringIn"), "{said}");
    assert!(scene.claim(&number).await.is_none());
    scene.sandbox.seed_number(&number).unwrap();
    scene.reason::<PhoneNumber>("main", "Ready", "Unassigned").await;
    scene.has_bought(0).await;
}
