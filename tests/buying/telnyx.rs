//! Where numbers are held before they are bought: at the simulated Telnyx, and with a person who is asked.

use dialplane::{
    api::{CarrierAccount, phone_number::OfferStatus},
    sandbox::carrier::{AccountSeed, Dialect},
};

use super::*;

/// A scene with an open account at Telnyx.
async fn telnyx() -> Scene {
    let scene = Scene::bare().await;
    let seed = AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() };
    let credentials = scene.sandbox.add_account(seed).unwrap();
    scene.secret(json!({"apiKey": credentials.auth_token})).await;
    scene.limited(json!({})).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Open").await;
    scene
}

impl Scene {
    async fn limited(&self, purchasing: Value) {
        self.account(json!({"twilio": null, "telnyx": {}, "purchasing": purchasing})).await;
    }

    /// Applies a PhoneNumber that buys a number and lets it rest; `purchase` is laid over a search in 415.
    async fn wishes(&self, name: &str, purchase: Value) {
        let mut wish = json!({"search": {"country": "US", "areaCode": "415"}});
        wish.as_object_mut().unwrap().extend(purchase.as_object().unwrap().clone());
        let spec = json!({"accountRef": {"name": ACCOUNT}, "purchase": wish});
        let kind = json!({"apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber"});
        let manifest =
            json!({"apiVersion": kind["apiVersion"], "kind": kind["kind"], "metadata": {"name": name}, "spec": spec});
        self.apply::<PhoneNumber>(manifest).await;
    }

    /// The number of a PhoneNumber, once it has one.
    async fn owned_by(&self, name: &str) -> String {
        let number: PhoneNumber = self.reason(name, "Ready", "Pooled").await;
        number.status.unwrap().number.unwrap().to_string()
    }

    /// What a person is asked about, once that is so and `fits`.
    async fn offered(&self, name: &str, fits: impl Fn(&OfferStatus) -> bool) -> OfferStatus {
        eventually("an offer", || async {
            let number: PhoneNumber = self.reason(name, "Acquired", "AwaitingApproval").await;
            number.status?.offer.filter(&fits)
        })
        .await
    }

    async fn approve(&self, name: &str, number: &str) {
        self.patch::<PhoneNumber>(name, json!({"metadata": {"annotations": {APPROVE: number}}})).await;
    }

    /// How often the carrier was asked to keep a number, and to sell one.
    fn holds_and_purchases(&self) -> (usize, usize) {
        let ledger = self.sandbox.ledger();
        (ledger.of(Kind::Hold).filter(|entry| entry.method == "POST").count(), ledger.of(Kind::Purchase).count())
    }
}

#[tokio::test]
async fn a_number_is_held_once_and_then_bought_once() {
    let scene = telnyx().await;
    scene.sandbox.switch(|switches| switches.telnyx.order_ms = 0);
    scene.wishes("main", json!({})).await;
    let number = scene.owned_by("main").await;
    let journal = scene.journal(&scene.identity("main")).await.unwrap();
    let hold = journal.spec.hold.unwrap();
    assert_eq!((hold.number.to_string(), hold.until.is_some()), (number.clone(), true));
    assert_eq!((journal.spec.attempt, journal.metadata.generation), (1, Some(1)), "written once");
    scene.scans(2).await;
    let writes = [
        "patch phonenumbers 201",
        "patch phonenumbers 200",
        "create numberclaims 201",
        "update phonenumbers/status 200",
    ];
    assert_eq!(scene.object_writes(&number).await, writes, "after our own: finalizer, claim, status");
    assert_eq!(scene.holds_and_purchases(), (1, 1));
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_hold_that_is_refused_or_of_which_nobody_knows_costs_nothing() {
    let gone = Fault::Refuse { status: 422, code: 85006 };
    let full = Fault::Refuse { status: 422, code: 85007 };
    for (fault, asked) in [
        (gone, (2, 1)),
        (full, (1, 1)),
        (Fault::AnswerLost, (2, 1)),
        (Fault::ServerErrorBefore { status: 503 }, (2, 1)),
    ] {
        let scene = telnyx().await;
        scene.sandbox.inject(Rule::new(Match::kind(Kind::Hold).method("POST"), fault.clone()));
        scene.wishes("main", json!({})).await;
        let number = scene.owned_by("main").await;
        assert_eq!(scene.holds_and_purchases(), asked, "{fault:?}");
        let held = scene.journal(&scene.identity("main")).await.unwrap().spec.hold.map(|hold| hold.number.to_string());
        assert_eq!(held, (asked.0 == 2).then_some(number), "{fault:?}");
        scene.has_bought(1).await;
    }
}

#[tokio::test]
async fn a_hold_that_ends_during_the_purchase_ends_with_one_number() {
    let refusals = [85001, 85006, 85007, 85008].map(|code| (Fault::Refuse { status: 422, code }, 2));
    for (fault, calls) in refusals.into_iter().chain([(Fault::AnswerLost, 1), (Fault::RequestLost, 2)]) {
        let scene = telnyx().await;
        scene.sandbox.switch(|switches| switches.telnyx.hold_ms = 1);
        scene.misbehaves(fault.clone());
        scene.wishes("main", json!({})).await;
        scene.owned_by("main").await;
        assert_eq!(scene.holds_and_purchases().1, calls, "{fault:?}");
        scene.has_bought(1).await;
    }
}

#[tokio::test]
async fn a_person_is_shown_what_is_held_and_when_it_ended_asked_about_another() {
    let scene = telnyx().await;
    scene.sandbox.switch(|switches| switches.telnyx.hold_ms = 1);
    scene.wishes("main", json!({"approval": "Manual"})).await;
    let first = scene.offered("main", |_| true).await;
    assert!(first.held_until.is_some());
    // It is not kept any more, and somebody else takes it.
    scene.sandbox.switch(|switches| switches.telnyx.hold_ms = 1_800_000);
    assert!(scene.sandbox.take_stock(first.number.as_str()));
    let second = scene.offered("main", |offer| offer.number != first.number).await;
    let text = scene.acquired("main", "AwaitingApproval").await;
    assert!(text.contains(second.number.as_str()) && text.contains(&second.held_until.unwrap()), "{text}");
    scene.approve("main", first.number.as_str()).await;
    scene.scans(2).await;
    scene.has_bought(0).await;
    scene.approve("main", second.number.as_str()).await;
    assert_eq!(scene.owned_by("main").await, second.number.to_string());
    assert_eq!(scene.holds_and_purchases().1, 1, "what is held is bought");
    assert_eq!(scene.get::<PhoneNumber>("main").await.unwrap().status.unwrap().offer, None);
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_number_that_was_approved_and_is_gone_is_followed_by_another_question() {
    let scene = telnyx().await;
    scene.sandbox.switch(|switches| switches.telnyx.hold_ms = 1);
    scene.wishes("main", json!({"approval": "Manual"})).await;
    let first = scene.offered("main", |_| true).await;
    scene.sandbox.switch(|switches| switches.telnyx.hold_ms = 1_800_000);
    scene.sandbox.take_stock(first.number.as_str());
    scene.approve("main", first.number.as_str()).await;
    let second = scene.offered("main", |offer| offer.number != first.number).await;
    scene.has_bought(0).await;
    scene.approve("main", second.number.as_str()).await;
    assert_eq!(scene.owned_by("main").await, second.number.to_string());
    scene.has_bought(1).await;
}

#[tokio::test]
async fn an_object_that_is_deleted_while_a_number_is_held_buys_nothing_and_the_next_is_asked_about_the_same() {
    let scene = telnyx().await;
    scene.wishes("main", json!({"approval": "Manual"})).await;
    let offer = scene.offered("main", |_| true).await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    let journal = scene.journal(&scene.identity("main")).await.unwrap().spec;
    assert_eq!((journal.number, journal.attempt), (None, 0));
    assert!(scene.claim(offer.number.as_str()).await.is_none());
    scene.has_bought(0).await;
    scene.wishes("main", json!({"approval": "Manual"})).await;
    assert_eq!(scene.offered("main", |_| true).await, offer);
    assert_eq!(scene.holds_and_purchases(), (1, 0));
}

#[tokio::test]
async fn whoever_waits_for_a_person_does_not_count_against_the_limits() {
    let scene = telnyx().await;
    scene.limited(json!({"maxPerDay": 1})).await;
    scene.wishes("asked", json!({"approval": "Manual"})).await;
    let offer = scene.offered("asked", |_| true).await;
    scene.wishes("other", json!({})).await;
    assert_ne!(scene.owned_by("other").await, offer.number.to_string());
    scene.approve("asked", offer.number.as_str()).await;
    scene.acquired("asked", "SpendingLimit").await;
    scene.has_bought(1).await;
}
