//! Numbers that nobody uses any more and that another PhoneNumber takes instead of buying: on the real API server, from the
//! simulated carrier, by the operator as it is.

use dialplane::{
    api::{NumberClaim, PhoneNumber, claim::NumberClaimSpec},
    sandbox::carrier::Kind,
};
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

use crate::{
    buying::scene,
    support::{
        eventually,
        scene::{ACCOUNT, Scene},
    },
};

/// What takes an idle number, with `over` laid over it.
fn pool(over: Value) -> Value {
    let mut purchase = json!({"reuse": "Pool"});
    purchase.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    purchase
}

/// What never looks farther than 415.
fn only_415() -> Value {
    pool(json!({"search": {"bestEffort": false}}))
}

impl Scene {
    /// Buys a number for an object, which then goes; the number rests.
    async fn idle(&self, name: &str, purchase: Value) -> String {
        self.purchase(name, purchase).await;
        let number = self.routed_number(name).await;
        self.delete::<PhoneNumber>(name).await;
        self.gone::<PhoneNumber>(name).await;
        self.claim_once(&number, |claim| claim.holder.is_none()).await;
        number
    }

    async fn claim_once(&self, number: &str, is_it: impl Fn(&NumberClaimSpec) -> bool) -> NumberClaim {
        let ask = || async { self.claim(number).await.filter(|claim| is_it(&claim.spec)) };
        eventually(&format!("the claim of {number} is as expected"), ask).await
    }

    fn marker(&self, number: &str) -> String {
        self.sandbox.field(number, "friendly_name").unwrap()
    }
}

#[tokio::test]
async fn a_number_whose_object_is_gone_is_taken_by_another_and_nothing_is_bought() {
    let scene = scene().await;
    let number = scene.idle("first", json!({})).await;
    let before = scene.marker(&number);
    scene.account(json!({"purchasing": {"paused": true, "maxPerDay": 0}})).await;
    scene.purchase("second", pool(json!({"maxMonthlyPrice": "1.15", "approval": "Manual"}))).await;
    assert_eq!(scene.routed_number("second").await, number);
    scene.calls_reach(&number, "https://engine.example.com/dental/v1/voice").await;
    let marker = scene.marker(&number);
    assert!(marker.starts_with("dp1:test:") && marker != before, "{marker}");
    let claim = scene.claim(&number).await.unwrap().spec;
    let bought = claim.purchase.clone().unwrap();
    assert!(claim.is_for(&scene.identity("second")) && claim.holder.unwrap().name == "second");
    assert_eq!(
        bought.offered.map(|offered| offered.country),
        Some("US".to_owned()),
        "what it was offered as stays known"
    );
    let status = scene.get::<PhoneNumber>("second").await.unwrap().status.unwrap();
    assert_eq!((status.exact, status.price.unwrap().monthly.unwrap().to_string()), (Some(true), "1.15".to_owned()));
    assert_eq!(scene.journal(&scene.identity("second")).await.unwrap().spec.number.unwrap().to_string(), number);
    assert_eq!(scene.sandbox.ledger().of(Kind::Purchase).count(), 1);
    scene.has_bought(1).await;

    // It goes round: the next one takes it from the second as the second did from the first.
    scene.delete::<PhoneNumber>("second").await;
    scene.gone::<PhoneNumber>("second").await;
    scene.purchase("third", pool(json!({}))).await;
    assert_eq!(scene.routed_number("third").await, number);
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_number_that_does_not_fit_or_may_not_be_taken_is_left_and_another_is_bought() {
    let scene = scene().await;
    let number = scene.idle("first", json!({})).await;
    scene.purchase("never", json!({})).await;
    scene.purchase("elsewhere", pool(json!({"search": {"areaCode": "212", "bestEffort": false}}))).await;
    scene.purchase("pattern", pool(json!({"search": {"endsWith": "0000000"}}))).await;
    assert_ne!(scene.routed_number("never").await, number);
    assert!(scene.routed_number("elsewhere").await.starts_with("+1212"));
    scene.acquired("pattern", "NoMatchingNumber").await;
    scene.purchase("cheap", pool(json!({"maxMonthlyPrice": "0.50"}))).await;
    scene.acquired("cheap", "PriceTooHigh").await;
    scene.claim_once(&number, |claim| claim.holder.is_none()).await;
    scene.has_bought(3).await;

    // What somebody uses by hand is not idle.
    scene.sandbox.edit(&number, &[("voice_url", "https://by.hand.example.com")]).unwrap();
    scene.scans(2).await;
    scene.purchase("late", only_415()).await;
    assert_ne!(scene.routed_number("late").await, number);
    assert_eq!(scene.voice_url(&number), "https://by.hand.example.com");
    scene.has_bought(4).await;
}

#[tokio::test]
async fn of_two_that_want_one_idle_number_one_takes_it_and_the_other_buys() {
    let scene = scene().await;
    let number = scene.idle("first", json!({})).await;
    tokio::join!(scene.purchase("a", pool(json!({}))), scene.purchase("b", pool(json!({}))));
    let (a, b) = tokio::join!(scene.routed_number("a"), scene.routed_number("b"));
    assert!((a == number) != (b == number), "{number} is idle; {a} and {b}");
    scene.has_bought(2).await;
}

#[tokio::test]
async fn many_that_wait_for_an_idle_number_get_one_each_as_they_come() {
    let scene = scene().await;
    let mut idle = Vec::new();
    for i in 0..3 {
        idle.push(scene.idle(&format!("old{i}"), json!({})).await);
    }
    scene.account(json!({"purchasing": {"paused": true}})).await;
    futures::future::join_all((0..4).map(|i| {
        let scene = &scene;
        async move { scene.purchase(&format!("new{i}"), pool(json!({}))).await }
    }))
    .await;
    let waiting = eventually("three have theirs and one waits", || async {
        let numbers = scene.api::<PhoneNumber>().list(&Default::default()).await.unwrap().items;
        let is = |number: &PhoneNumber, reason: &str| {
            let conditions = number.status.iter().flat_map(|status| &status.conditions);
            conditions.into_iter().any(|c| c.type_() == "Ready" && c.reason() == reason)
        };
        let routed = numbers.iter().filter(|number| is(number, "Routed")).count();
        let waits = numbers.iter().find(|number| is(number, "PurchasingPaused"))?;
        (routed == 3).then(|| waits.metadata.name.clone().unwrap())
    })
    .await;
    let happy = (0..4).map(|i| format!("new{i}")).find(|name| *name != waiting).unwrap();
    let number = scene.routed_number(&happy).await;
    assert!(idle.contains(&number));
    scene.delete::<PhoneNumber>(&happy).await;
    assert_eq!(scene.routed_number(&waiting).await, number, "it is woken when one becomes idle");
    scene.has_bought(3).await;
}

#[tokio::test]
async fn an_object_that_comes_back_after_its_number_was_taken_buys_another_once_that_is_sure() {
    let scene = scene().await;
    let number = scene.idle("first", json!({})).await;
    scene.purchase("second", pool(json!({}))).await;
    assert_eq!(scene.routed_number("second").await, number);
    scene.purchase("first", json!({})).await;
    let text = scene.acquired("first", "PurchaseOutcomeUnknown").await;
    assert!(text.contains(&format!("PhoneNumber {}/second has {number} now", scene.namespace)), "{text}");
    assert_ne!(scene.routed_number("first").await, number);
    assert_eq!(scene.routed_number("second").await, number);
    let holder = scene.claim(&number).await.unwrap().spec.holder.unwrap();
    assert_eq!(holder.name, "second");
    scene.has_bought(2).await;
}

#[tokio::test]
async fn a_number_is_left_to_the_object_that_it_was_bought_for_as_long_as_that_is_there() {
    let scene = scene().await;
    let number = scene.idle("first", json!({})).await;
    // It is there again, and takes nothing yet.
    let spec = json!({
        "accountRef": {"name": ACCOUNT}, "suspend": true,
        "purchase": {"search": {"country": "US", "areaCode": "415", "features": ["Voice", "SMS"]}},
    });
    let again = json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": "first"}, "spec": spec,
    });
    scene.apply::<PhoneNumber>(again).await;
    scene.acquired("first", "NotClaimed").await;
    scene.purchase("second", pool(json!({}))).await;
    assert_ne!(scene.routed_number("second").await, number);
    scene.patch::<PhoneNumber>("first", json!({"spec": {"suspend": false}})).await;
    let ready: PhoneNumber = scene.reason("first", "Ready", "Unassigned").await;
    assert_eq!(ready.status.unwrap().number.unwrap().to_string(), number);
    scene.has_bought(2).await;
}

#[tokio::test]
async fn a_number_whose_claim_somebody_deleted_is_known_by_its_marker_and_the_journal() {
    let scene = scene().await;
    let number = scene.idle("first", json!({})).await;
    Api::<NumberClaim>::all(scene.client.clone()).delete(&number[1..], &DeleteParams::default()).await.unwrap();
    scene.unclaimed(&number).await;
    scene.purchase("second", only_415()).await;
    assert_eq!(scene.routed_number("second").await, number);
    scene.has_bought(1).await;

    // Where the journal is gone as well, nobody knows where it is and of what kind.
    scene.delete::<PhoneNumber>("second").await;
    scene.gone::<PhoneNumber>("second").await;
    scene.forget(&scene.identity("second")).await;
    Api::<NumberClaim>::all(scene.client.clone()).delete(&number[1..], &DeleteParams::default()).await.unwrap();
    scene.unclaimed(&number).await;
    scene.purchase("third", pool(json!({}))).await;
    assert_ne!(scene.routed_number("third").await, number);
    scene.purchase("second", json!({})).await;
    assert_eq!(scene.routed_number("second").await, number, "its own finds it");
    scene.has_bought(2).await;
}

#[tokio::test]
async fn an_idle_number_that_is_named_is_taken_and_without_the_wish_it_has_to_be_imported() {
    let scene = scene().await;
    let number = scene.idle("first", json!({})).await;
    scene.purchase("second", json!({"search": null, "number": number})).await;
    scene.acquired("second", "AlreadyOwned").await;
    scene.purchase("second", pool(json!({"search": null, "number": number}))).await;
    assert_eq!(scene.routed_number("second").await, number);
    scene.has_bought(1).await;
}
