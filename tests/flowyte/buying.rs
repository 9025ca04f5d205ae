//! Numbers that are bought from the wallet, held before that, and never found again by a marker.

use dialplane::{
    api::{
        NumberClaim, NumberPurchase,
        meta::{BUY_ANOTHER, NUMBER},
        phone_number::Acquisition,
        purchase::NumberPurchaseSpec,
    },
    sandbox::carrier::{Fault, Match, Rule},
};
use kube::{Api, api::PostParams};

use super::*;
use crate::support::scene::fresh;

impl Organization {
    /// A scene whose agent is published, where numbers can be bought for it.
    async fn buying() -> Self {
        let org = Self::new().await;
        org.publishes("v1").await;
        org.rolled_out("v1").await;
        org
    }

    /// How often the carrier was asked to keep a number, and to sell one.
    fn asked(&self) -> (usize, usize) {
        let ledger = self.sandbox.ledger();
        (ledger.of(Kind::Hold).filter(|entry| entry.method == "POST").count(), ledger.of(Kind::Purchase).count())
    }

    async fn annotates(&self, name: &str, annotation: &str, value: &str) {
        self.patch::<PhoneNumber>(name, json!({"metadata": {"annotations": {annotation: value}}})).await;
    }
}

#[tokio::test]
async fn a_number_is_held_bought_once_and_then_given_to_the_agent() {
    let org = Organization::buying().await;
    let balance = org.sandbox.balance(&org.id).unwrap();
    org.purchase("main", json!({"maxMonthlyPrice": "5.00"})).await;
    let number = org.routed_number("main").await;
    assert!(number.starts_with("+1415"), "{number}");
    org.is_answered(&number).await;
    assert_eq!((org.asked(), org.writes_to(&number)), ((1, 1), 1));
    let bought = org.applied(Kind::Purchase).remove(0).bodies.unwrap().json.unwrap();
    let held = org.applied(Kind::Hold).remove(0).bodies.unwrap().answer.unwrap();
    assert_eq!((&bought["e164"], &bought["reservationId"]), (&json!(number), &held["data"]["id"]));
    assert!(org.sandbox.balance(&org.id).unwrap() < balance);
    let status = org.get::<PhoneNumber>("main").await.unwrap().status.unwrap();
    assert_eq!((status.acquisition, status.exact), (Some(Acquisition::Purchased), Some(true)));
    let events = org.events("main").await;
    assert!(!events.iter().any(|(reason, _)| reason == "DriftCorrected"), "{events:?}");
    org.rests().await;
    org.has_bought(1).await;
}

#[tokio::test]
async fn a_purchase_whose_answer_is_lost_is_found_by_a_listing_and_not_made_again() {
    for fault in [
        Fault::AnswerLost,
        Fault::ServerErrorAfter { status: 502 },
        Fault::TornBody,
        Fault::Rubbish,
        Fault::AppliedLate { ms: 1500 },
    ] {
        let org = Organization::buying().await;
        org.misbehaves(fault.clone());
        org.purchase("main", json!({})).await;
        let number = org.routed_number("main").await;
        assert_eq!(org.sandbox.ledger().of(Kind::Purchase).count(), 1, "{fault:?}");
        org.is_answered(&number).await;
        org.has_bought(1).await;
    }
}

#[tokio::test]
async fn a_purchase_that_never_arrived_is_made_again_once_that_is_sure_there_too() {
    let org = Organization::buying().await;
    org.misbehaves(Fault::RequestLost);
    org.purchase("main", json!({})).await;
    org.acquired("main", "PurchaseOutcomeUnknown").await;
    let number = org.routed_number("main").await;
    org.is_answered(&number).await;
    org.has_bought(1).await;
}

#[tokio::test]
async fn a_wallet_with_too_little_in_it_is_said_and_filled_it_goes_on() {
    for kept in [false, true] {
        let org = Organization::buying().await;
        org.sandbox.switch(|switches| switches.flowyte.keys_keep_refusals = kept);
        org.sandbox.set_balance(&org.id, 50).unwrap();
        org.purchase("main", json!({})).await;
        let said = org.acquired("main", "InsufficientFunds").await;
        assert!(said.contains("0.5") && said.contains("more"), "{said}");
        org.has_bought(0).await;
        org.sandbox.set_balance(&org.id, 100_000).unwrap();
        let number = org.routed_number("main").await;
        org.is_answered(&number).await;
        org.has_bought(1).await;
    }
}

impl Organization {
    /// The number that is offered to a person and kept until then, once that is so and it is another than `last`.
    async fn is_asked(&self, name: &str, last: Option<&str>) -> String {
        eventually("a number is offered", || async {
            self.acquired(name, "AwaitingApproval").await;
            let offer = self.get::<PhoneNumber>(name).await?.status?.offer?;
            let number = offer.number.to_string();
            (offer.held_until.is_some() && Some(&*number) != last).then_some(number)
        })
        .await
    }

    /// The numbers of the holds that were let go of, each as often as that was asked for.
    fn let_go(&self) -> Vec<String> {
        let ledger = self.sandbox.ledger();
        let deleted = ledger.of(Kind::Hold).filter(|entry| entry.method == "DELETE");
        deleted.map(|entry| entry.number.clone().unwrap_or_default()).collect()
    }
}

#[tokio::test]
async fn a_hold_that_nobody_needs_any_more_is_let_go_of() {
    let org = Organization::buying().await;
    let keeper = || Some(org.id.clone());
    let wish = |digits: &str| {
        let search = json!({"areaCode": digits, "bestEffort": false});
        json!({"approval": "Manual", "search": search})
    };
    org.purchase("main", wish("415")).await;
    let first = org.is_asked("main", None).await;
    assert_eq!((org.sandbox.keeper(&first), org.let_go()), (keeper(), vec![]));

    // Something else is wanted.
    org.purchase("main", wish("212")).await;
    let second = org.is_asked("main", Some(&first)).await;
    assert!(second.starts_with("+1212"), "{second}");
    assert_eq!((org.sandbox.keeper(&first), org.sandbox.keeper(&second)), (None, keeper()));
    assert_eq!(org.let_go(), std::slice::from_ref(&first));
    org.rests().await;

    // Nothing is wanted any more.
    org.delete::<PhoneNumber>("main").await;
    org.gone::<PhoneNumber>("main").await;
    assert_eq!((org.sandbox.keeper(&second), org.let_go()), (None, vec![first, second]));
    org.has_bought(0).await;
    assert_eq!(org.sandbox.ledger().releases(), 0);
}

#[tokio::test]
async fn a_hold_that_is_not_let_go_of_keeps_nobody_waiting() {
    let org = Organization::buying().await;
    for (name, fault) in [
        ("refused", Fault::Refuse { status: 403, code: 403 }),
        ("unwell", Fault::ServerErrorAfter { status: 502 }),
        ("lost", Fault::RequestLost),
    ] {
        org.purchase(name, json!({"approval": "Manual"})).await;
        let number = org.is_asked(name, None).await;
        org.sandbox.inject(Rule::new(Match::kind(Kind::Hold).method("DELETE"), fault));
        org.delete::<PhoneNumber>(name).await;
        org.gone::<PhoneNumber>(name).await;
        assert_eq!(org.let_go().last(), Some(&number), "{name}");
    }
    org.purchase("closed", json!({"approval": "Manual"})).await;
    org.is_asked("closed", None).await;
    org.credentials("flowyte_sk_another").await;
    org.reason::<CarrierAccount>(ACCOUNT, "Ready", "Unauthorized").await;
    org.delete::<PhoneNumber>("closed").await;
    org.gone::<PhoneNumber>("closed").await;
    assert_eq!(org.let_go().len(), 3, "nothing can be asked by such a key");
    org.has_bought(0).await;
}

/// Flowyte may give whoever asks for a number that is kept for the organization already the same hold.
#[tokio::test]
async fn a_hold_of_a_number_that_another_journal_names_is_not_let_go_of() {
    let org = Organization::buying().await;
    org.purchase("main", json!({"approval": "Manual"})).await;
    let number = org.is_asked("main", None).await;
    let NumberPurchase { spec, .. } = org.journal(&org.identity("main")).await.unwrap();
    let other =
        NumberPurchaseSpec { identity: "other".into(), number: Some(number.parse().unwrap()), hold: None, ..spec };
    let name = NumberPurchase::name_of(&org.id, &org.identity("other"));
    let journals = Api::<NumberPurchase>::all(org.client.clone());
    journals.create(&PostParams::default(), &NumberPurchase::new(&name, other)).await.unwrap();
    org.scans(2).await;
    org.delete::<PhoneNumber>("main").await;
    org.gone::<PhoneNumber>("main").await;
    assert_eq!((org.sandbox.keeper(&number), org.let_go()), (Some(org.id.clone()), vec![]));
    org.has_bought(0).await;
}

#[tokio::test]
async fn a_number_that_cannot_be_held_any_more_is_followed_by_another() {
    let org = Organization::buying().await;
    let gone = Fault::Refuse { status: 409, code: 409 };
    org.sandbox.inject(Rule::new(Match::kind(Kind::Hold).method("POST"), gone));
    org.purchase("main", json!({})).await;
    let number = org.routed_number("main").await;
    let first = org.sandbox.ledger().of(Kind::Hold).next().unwrap().number.clone().unwrap();
    assert_ne!(first, number);
    assert_eq!(org.asked(), (2, 1));
    org.is_answered(&number).await;
    org.has_bought(1).await;
}

#[tokio::test]
async fn many_that_want_the_same_number_of_the_organization_each_get_their_own() {
    let org = Organization::buying().await;
    futures::future::join_all((0..8).map(|i| {
        let org = &org;
        async move {
            org.purchase(&format!("n{i}"), json!({})).await;
            org.routed_number(&format!("n{i}")).await
        }
    }))
    .await;
    assert_eq!(org.asked().1, 8, "no call is wasted");
    org.has_bought(8).await;
}

#[tokio::test]
async fn beside_a_number_that_nothing_claims_a_person_is_asked_and_names_it() {
    let org = Organization::buying().await;
    let number = org.owned();
    org.scans(2).await;
    org.purchase("main", json!({})).await;
    let said = org.acquired("main", "ConfirmPurchase").await;
    assert!(said.contains(&number) && said.contains(NUMBER) && said.contains(BUY_ANOTHER), "{said}");
    org.rests().await;
    org.has_bought(0).await;
    org.annotates("main", NUMBER, &number).await;
    assert_eq!(org.routed_number("main").await, number);
    org.is_answered(&number).await;
    assert!(org.claim(&number).await.unwrap().spec.is_for(&org.identity("main")));
    assert_eq!(org.asked(), (0, 0));
}

#[tokio::test]
async fn beside_a_number_that_nothing_claims_another_one_is_bought_if_somebody_says_so() {
    let org = Organization::buying().await;
    let idle = org.owned();
    org.scans(2).await;
    org.purchase("main", json!({})).await;
    let said = org.acquired("main", "ConfirmPurchase").await;
    let value = said.split(&format!("{BUY_ANOTHER}: \"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    org.annotates("main", BUY_ANOTHER, "yes").await;
    org.rests().await;
    org.acquired("main", "ConfirmPurchase").await;
    org.has_bought(0).await;
    org.annotates("main", BUY_ANOTHER, &value).await;
    let number = org.routed_number("main").await;
    assert_ne!(number, idle);
    org.is_with(&idle, None).await;
    org.has_bought(1).await;
}

#[tokio::test]
async fn a_number_that_could_not_match_asks_nobody() {
    let org = Organization::buying().await;
    org.sandbox.seed_number(&fresh().replacen("+1415", "+1212", 1)).unwrap();
    org.scans(2).await;
    org.purchase("main", json!({"search": {"bestEffort": false}})).await;
    org.routed_number("main").await;
    org.has_bought(1).await;
}

#[tokio::test]
async fn a_cluster_that_forgot_everything_asks_and_does_not_buy() {
    let org = Organization::buying().await;
    org.purchase("main", json!({})).await;
    let number = org.routed_number("main").await;
    org.vanish("main").await;
    org.forget(&org.identity("main")).await;
    org.force_delete::<NumberClaim>(&number[1..]).await;
    org.purchase("main", json!({})).await;
    let said = org.acquired("main", "ConfirmPurchase").await;
    assert!(said.contains(&number), "{said}");
    org.rests().await;
    assert_eq!(org.sandbox.ledger().purchases(), 1);
    org.annotates("main", NUMBER, &number).await;
    assert_eq!(org.routed_number("main").await, number);
    org.is_answered(&number).await;
    org.has_bought(1).await;
}

#[tokio::test]
async fn a_number_that_was_bought_rests_and_is_found_again_by_its_claim() {
    let org = Organization::buying().await;
    org.purchase("main", json!({})).await;
    let number = org.routed_number("main").await;
    org.delete::<PhoneNumber>("main").await;
    org.gone::<PhoneNumber>("main").await;
    org.is_with(&number, None).await;
    org.purchase("main", json!({})).await;
    assert_eq!(org.routed_number("main").await, number);
    org.is_answered(&number).await;
    org.has_bought(1).await;
}
