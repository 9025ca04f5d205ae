//! Where numbers are held before they are bought: at the simulated Telnyx, and with a person who is asked.

use dialplane::{api::phone_number::OfferStatus, sandbox::carrier::OrderEnd};

use super::*;

impl Scene {
    async fn limited(&self, purchasing: Value) {
        self.account(json!({"twilio": null, "telnyx": {}, "purchasing": purchasing})).await;
    }

    /// Applies a PhoneNumber that buys a number and lets it rest; `purchase` is laid over a search in 415.
    async fn wishes(&self, name: &str, purchase: Value) {
        let mut wish = json!({"search": {"country": "US", "areaCode": "415"}});
        let wish = wish.as_object_mut().unwrap();
        wish.extend(purchase.as_object().unwrap().clone());
        wish.retain(|_, value| !value.is_null());
        let spec = json!({"accountRef": {"name": ACCOUNT}, "purchase": wish});
        let manifest = json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": name}, "spec": spec,
        });
        self.apply::<PhoneNumber>(manifest).await;
    }

    /// The number of a PhoneNumber, once it has one.
    async fn owned_by(&self, name: &str) -> String {
        let number: PhoneNumber = self.reason(name, "Ready", "Unassigned").await;
        number.status.unwrap().number.unwrap().to_string()
    }

    /// What a person is asked about, once that is so and `fits`.
    async fn offered(&self, name: &str, fits: impl Fn(&OfferStatus) -> bool) -> OfferStatus {
        eventually("an offer", || async {
            let number: PhoneNumber = self.reason(name, "Acquired", "AwaitingApproval").await;
            number.status?.offer.map(|offer| *offer).filter(&fits)
        })
        .await
    }

    /// The only number for sale in the area code 808.
    fn only_in_hilo(&self) -> String {
        for i in 0..10_000 {
            self.sandbox.take_stock(&format!("+1808555{i:04}"));
        }
        let only = fresh().replace("+1415", "+1808");
        self.sandbox.add_stock(&only).unwrap();
        only
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
    let scene = Scene::telnyx().await;
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
        let scene = Scene::telnyx().await;
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
async fn a_number_that_is_shown_and_never_sold_is_left_for_another_place_by_everybody() {
    for (kind, code) in [(Kind::Hold, 85006), (Kind::Purchase, 85001)] {
        let scene = Scene::telnyx().await;
        // All that its area has, and the search shows it for ever.
        let only = scene.only_in_hilo();
        scene.always(Match::kind(kind).method("POST").number(&only), Fault::Refuse { status: 422, code });
        for i in 0..3 {
            scene.wishes(&format!("n{i}"), json!({"search": {"country": "US", "areaCode": "808"}})).await;
        }
        for i in 0..3 {
            assert_ne!(scene.owned_by(&format!("n{i}")).await, only);
        }
        let asked = scene.sandbox.ledger().of(kind).filter(|entry| entry.number.as_ref() == Some(&only)).count();
        assert_eq!(asked, 1, "what one has found out the others know");
        scene.has_bought(3).await;
    }
}

#[tokio::test]
async fn whatever_is_held_without_an_answer_is_bought_in_the_end() {
    let scene = Scene::telnyx().await;
    let lost = Rule::new(Match::kind(Kind::Hold).method("POST"), Fault::AnswerLost).times(6);
    scene.sandbox.inject(lost);
    for i in 0..6 {
        scene.wishes(&format!("n{i}"), json!({})).await;
    }
    let mut owned = std::collections::BTreeSet::new();
    for i in 0..6 {
        owned.insert(scene.owned_by(&format!("n{i}")).await);
    }
    let ledger = scene.sandbox.ledger();
    let held = ledger.of(Kind::Hold).filter_map(|entry| entry.number.clone());
    assert_eq!(held.collect::<std::collections::BTreeSet<_>>(), owned, "nothing is held that is not bought");
    scene.has_bought(6).await;
}

#[tokio::test]
async fn whoever_finds_only_what_others_are_about_to_buy_says_so_and_searches_seldom() {
    let scene = Scene::telnyx().await;
    let only = scene.only_in_hilo();
    let there = json!({"country": "US", "areaCode": "808", "bestEffort": false});
    scene.wishes("first", json!({"search": there, "approval": "Manual"})).await;
    scene.offered("first", |offer| offer.number.as_str() == only).await;
    scene.wishes("second", json!({"search": there})).await;
    let text = scene.acquired("second", "NoMatchingNumber").await;
    assert!(text.contains("by other purchases in this cluster"), "{text}");
    let searches = scene.sandbox.ledger().of(Kind::Search).count();
    // At first, and after 1, 2, 4 and 8 seconds; and one for whoever came first.
    assert!(searches <= 6, "{searches} searches");
    assert_eq!(scene.holds_and_purchases(), (1, 0));
    scene.delete::<PhoneNumber>("first").await;
    assert_eq!(scene.owned_by("second").await, only);
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_number_that_is_held_by_nobody_we_know_but_for_us_is_bought() {
    let scene = Scene::telnyx().await;
    let number = fresh();
    scene.sandbox.add_stock(&number).unwrap();
    // Whoever asks gets no answer, and the record of who that was is lost.
    let lost = Rule::new(Match::kind(Kind::Hold).method("POST"), Fault::AnswerLost);
    scene.sandbox.inject(lost);
    let named = json!({"search": null, "number": number, "approval": "Manual"});
    scene.wishes("first", named).await;
    eventually("it is asked for", || async { (scene.holds_and_purchases().0 > 0).then_some(()) }).await;
    scene.vanish("first").await;
    scene.wishes("second", json!({"search": null, "number": number})).await;
    assert_eq!(scene.owned_by("second").await, number);
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_hold_that_ends_during_the_purchase_ends_with_one_number() {
    let refusals = [85001, 85006, 85007, 85008].map(|code| (Fault::Refuse { status: 422, code }, 2));
    for (fault, calls) in refusals.into_iter().chain([(Fault::AnswerLost, 1), (Fault::RequestLost, 2)]) {
        let scene = Scene::telnyx().await;
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
    let scene = Scene::telnyx().await;
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
    let scene = Scene::telnyx().await;
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
    let scene = Scene::telnyx().await;
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
    let scene = Scene::telnyx().await;
    scene.limited(json!({"maxPerDay": 1})).await;
    scene.wishes("asked", json!({"approval": "Manual"})).await;
    let offer = scene.offered("asked", |_| true).await;
    scene.wishes("other", json!({})).await;
    assert_ne!(scene.owned_by("other").await, offer.number.to_string());
    scene.approve("asked", offer.number.as_str()).await;
    scene.acquired("asked", "PurchaseLimitReached").await;
    scene.has_bought(1).await;
}

/// Decides nothing about orders until a test does.
fn undecided(scene: &Scene) {
    scene.sandbox.switch(|switches| switches.telnyx.order_end = OrderEnd::Never);
}

#[tokio::test]
async fn a_number_that_is_ordered_costs_two_posts_and_five_writes() {
    let scene = Scene::telnyx().await;
    undecided(&scene);
    scene.wishes("main", json!({})).await;
    let text = scene.acquired("main", "OrderPending").await;
    let number = scene.journal(&scene.identity("main")).await.unwrap().spec.number.unwrap().to_string();
    assert!(text.contains(&number), "{text}");
    scene.sandbox.finish_order(&number, OrderEnd::Success).unwrap();
    assert_eq!(scene.owned_by("main").await, number);
    scene.scans(2).await;
    let writes = [
        "patch phonenumbers 201",
        "patch phonenumbers 200",
        "create numberclaims 201",
        "update phonenumbers/status 200",
        "update phonenumbers/status 200",
    ];
    assert_eq!(
        scene.object_writes(&number).await,
        writes,
        "after our own: finalizer, claim, status while ordered, status"
    );
    let journal = scene.journal(&scene.identity("main")).await.unwrap();
    assert_eq!((journal.spec.attempt, journal.metadata.generation), (1, Some(1)), "and one of the journal");
    assert_eq!(scene.holds_and_purchases(), (1, 1));
    scene.has_bought(1).await;
}

#[tokio::test]
async fn an_order_that_fails_after_it_was_taken_is_followed_by_another_once_that_is_sure() {
    for (name, end) in [("failed", OrderEnd::Failure), ("cancelled", OrderEnd::Cancelled)] {
        let scene = Scene::telnyx().await;
        undecided(&scene);
        scene.wishes(name, json!({})).await;
        scene.acquired(name, "OrderPending").await;
        let first = scene.journal(&scene.identity(name)).await.unwrap().spec.number.unwrap().to_string();
        scene.sandbox.take_stock(&first);
        scene.sandbox.finish_order(&first, end).unwrap();
        scene.sandbox.take_stock(&first);
        scene.sandbox.switch(|switches| switches.telnyx.order_end = OrderEnd::Success);
        assert_ne!(scene.owned_by(name).await, first);
        scene.unclaimed(&first).await;
        scene.has_bought(1).await;
    }
}

#[tokio::test]
async fn a_named_number_whose_order_fails_ends_in_its_condition() {
    let scene = Scene::telnyx().await;
    undecided(&scene);
    scene.wishes("scout", json!({"approval": "Manual"})).await;
    let number = scene.offered("scout", |_| true).await.number.to_string();
    scene.delete::<PhoneNumber>("scout").await;
    scene.wishes("main", json!({"search": null, "number": number, "identity": "scout"})).await;
    scene.acquired("main", "OrderPending").await;
    scene.sandbox.finish_order(&number, OrderEnd::Failure).unwrap();
    scene.sandbox.take_stock(&number);
    scene.acquired("main", "NumberUnavailable").await;
    scene.has_bought(0).await;
}

#[tokio::test]
async fn an_order_is_cancelled_with_its_object_and_nothing_is_bought() {
    let scene = Scene::telnyx().await;
    undecided(&scene);
    scene.wishes("main", json!({})).await;
    scene.acquired("main", "OrderPending").await;
    let number = scene.journal(&scene.identity("main")).await.unwrap().spec.number.unwrap().to_string();
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.sandbox.ledger().of(Kind::OrderWrite).count(), 1, "it is asked once");
    scene.unclaimed(&number).await;
    let journal = scene.journal(&scene.identity("main")).await.unwrap().spec;
    assert_eq!((journal.number, journal.hold), (None, None));
    scene.has_bought(0).await;
}

#[tokio::test]
async fn an_order_that_ends_before_it_is_cancelled_leaves_a_number_that_rests() {
    let scene = Scene::telnyx().await;
    undecided(&scene);
    scene.wishes("main", json!({})).await;
    scene.acquired("main", "OrderPending").await;
    let number = scene.journal(&scene.identity("main")).await.unwrap().spec.number.unwrap().to_string();
    // The request to cancel is lost, and so is every other until the order has ended.
    scene.always(Match::kind(Kind::OrderWrite), Fault::RequestLost);
    scene.delete::<PhoneNumber>("main").await;
    eventually("it is asked to cancel", || async { scene.sandbox.ledger().of(Kind::OrderWrite).next().map(|_| ()) })
        .await;
    scene.sandbox.finish_order(&number, OrderEnd::Success).unwrap();
    scene.sandbox.clear_faults();
    scene.gone::<PhoneNumber>("main").await;
    assert_eq!(scene.claim(&number).await.unwrap().spec.holder, None);
    scene.has_bought(1).await;
}

#[tokio::test]
async fn papers_that_are_missing_are_said_and_those_that_are_named_go_with_the_order() {
    let scene = Scene::telnyx().await;
    let germany = json!({"country": "DE"});
    scene.wishes("without", json!({"search": germany})).await;
    let text = scene.acquired("without", "RegulatoryRequired").await;
    assert!(text.contains("spec.purchase.regulatory"), "{text}");
    let papers = json!({"requirementGroupId": "group-1"});
    scene.wishes("with", json!({"search": germany, "regulatory": papers})).await;
    let number = scene.owned_by("with").await;
    assert!(number.starts_with("+49"), "{number}");
    scene.delete::<PhoneNumber>("without").await;
    scene.gone::<PhoneNumber>("without").await;
    scene.has_bought(1).await;
}

#[tokio::test]
async fn an_idle_number_is_taken_and_its_order_does_not_hold_up_the_one_that_it_was_bought_for() {
    let scene = Scene::telnyx().await;
    scene.sandbox.switch(|switches| switches.telnyx.order_ms = 0);
    scene.wishes("first", json!({})).await;
    let number = scene.owned_by("first").await;
    scene.delete::<PhoneNumber>("first").await;
    scene.gone::<PhoneNumber>("first").await;
    scene.wishes("second", json!({"reuse": "Pool"})).await;
    assert_eq!(scene.owned_by("second").await, number);
    scene.has_bought(1).await;
    scene.wishes("first", json!({})).await;
    assert_ne!(scene.owned_by("first").await, number);
    scene.has_bought(2).await;
}

#[tokio::test]
async fn a_right_whose_number_is_on_order_stays_open_when_its_object_is_torn_out() {
    let scene = Scene::telnyx().await;
    scene.limited(json!({"maxPerDay": 1})).await;
    scene.sandbox.switch(|switches| switches.telnyx.order_end = OrderEnd::Never);
    scene.wishes("torn", json!({})).await;
    scene.acquired("torn", "OrderPending").await;
    scene.vanish("torn").await;
    scene.wishes("next", json!({})).await;
    scene.acquired("next", "PurchaseLimitReached").await;
    // Longer than a purchase takes to settle, and a refusal stands.
    scene.scans(4).await;
    let open = scene.get::<CarrierAccount>(ACCOUNT).await.unwrap().status.unwrap().grants.unwrap().open;
    assert_eq!(open.len(), 1, "it may yet be bought");
    assert_eq!(scene.sandbox.ledger().purchases(), 1, "the order");
    scene.bought.store(1, std::sync::atomic::Ordering::Relaxed);
}
