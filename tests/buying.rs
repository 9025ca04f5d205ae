//! Numbers that are bought: on the real API server, from the simulated carrier, by the operator as it is.

mod telnyx;

use dialplane::{
    api::{
        CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber,
        meta::{APPROVE, IN_USE_FINALIZER},
        phone_number::Acquisition,
        purchase::Identity,
    },
    sandbox::carrier::{Fault, Kind, Match, Rule},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::support::{
    eventually,
    scene::{ACCOUNT, Scene, fresh},
};

pub async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.agent("engine.example.com", Some("v1")).await;
    scene
}

impl Scene {
    pub fn misbehaves(&self, fault: Fault) {
        self.sandbox.inject(Rule::new(Match::purchase(), fault));
    }

    /// The journal of what `identity` buys.
    pub async fn journal(&self, identity: &Identity) -> Option<NumberPurchase> {
        let journals = Api::<NumberPurchase>::all(self.client.clone()).list(&ListParams::default()).await.unwrap();
        journals.into_iter().find(|journal| journal.spec.identity() == *identity)
    }

    /// Deletes the journal of what an identity buys, finalizer and all.
    pub async fn forget(&self, identity: &Identity) {
        let name = self.journal(identity).await.unwrap().metadata.name.unwrap();
        self.force_delete::<NumberPurchase>(&name).await;
    }

    pub fn identity(&self, name: &str) -> Identity {
        Identity::new(&self.namespace, name)
    }

    pub async fn acquired(&self, name: &str, reason: &str) -> String {
        self.message::<PhoneNumber>(name, "Acquired", reason).await
    }

    /// The object goes without the operator having a say: its finalizer is taken off until it is gone.
    pub async fn vanish(&self, name: &str) {
        self.delete::<PhoneNumber>(name).await;
        eventually("the object is gone", || async {
            let none = json!({"metadata": {"finalizers": null}});
            let patch = Patch::Merge(&none);
            self.api::<PhoneNumber>().patch(name, &PatchParams::default(), &patch).await.is_err().then_some(())
        })
        .await;
    }

    pub async fn force_delete<K>(&self, name: &str)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let api: Api<K> = Api::all(self.client.clone());
        api.delete(name, &DeleteParams::default()).await.unwrap();
        let none = json!({"metadata": {"finalizers": null}});
        // It may be gone already.
        api.patch(name, &PatchParams::default(), &Patch::Merge(&none)).await.ok();
    }
}

#[tokio::test]
async fn a_number_that_fits_is_bought_once_and_reaches_the_published_version_from_its_first_moment() {
    let scene = scene().await;
    scene.purchase("main", json!({"maxMonthlyPrice": "2.00"})).await;
    let number = scene.routed_number("main").await;
    assert!(number.starts_with("+1415"), "{number}");
    assert_eq!(scene.voice_url(&number), "https://engine.example.com/dental/v1/voice");
    assert_eq!(scene.writes_to(&number), 0, "the webhooks came with the purchase");
    let marker = scene.sandbox.field(&number, "friendly_name").unwrap();
    assert!(marker.starts_with("dp1:test:") && marker.len() <= 40, "{marker}");
    let status = scene.get::<PhoneNumber>("main").await.unwrap().status.unwrap();
    assert_eq!((status.acquisition, status.exact), (Some(Acquisition::Purchased), Some(true)));
    assert_eq!(status.price.unwrap().monthly.unwrap().to_string(), "1.15");
    let claim = scene.claim(&number).await.unwrap().spec;
    assert!(claim.is_for(&scene.identity("main")) && claim.holder.is_some());
    scene.has_bought(1).await;
}

#[tokio::test]
async fn it_takes_one_purchase_call_and_four_writes() {
    let scene = scene().await;
    scene.purchase("main", json!({})).await;
    let number = scene.routed_number("main").await;
    scene.scans(2).await;
    assert_eq!(
        scene.object_writes(&number).await,
        [
            "patch phonenumbers 201",
            "patch phonenumbers 200",
            "create numberclaims 201",
            "update phonenumbers/status 200"
        ],
        "after our own: finalizer, claim, status; and one of the journal"
    );
    let journal = scene.journal(&scene.identity("main")).await.unwrap();
    assert_eq!((journal.spec.attempt, journal.metadata.generation), (1, Some(1)), "written once");
    assert_eq!(scene.sandbox.ledger().of(Kind::Purchase).count(), 1);
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_purchase_whose_answer_is_lost_still_ends_with_one_number() {
    for fault in
        [Fault::AnswerLost, Fault::ServerErrorAfter { status: 502 }, Fault::TornBody, Fault::AppliedLate { ms: 1500 }]
    {
        let scene = scene().await;
        scene.misbehaves(fault);
        scene.purchase("main", json!({})).await;
        scene.routed_number("main").await;
        assert_eq!(scene.sandbox.ledger().of(Kind::Purchase).count(), 1, "nothing is sent again");
        scene.has_bought(1).await;
    }
}

#[tokio::test]
async fn a_purchase_that_never_arrived_is_made_again_once_that_is_sure() {
    let scene = scene().await;
    scene.misbehaves(Fault::RequestLost);
    scene.purchase("main", json!({})).await;
    scene.acquired("main", "PurchaseOutcomeUnknown").await;
    scene.routed_number("main").await;
    scene.has_bought(1).await;
}

/// What buying a number twice does is not documented. Either way it costs nothing to send again for a number that was bought, as after
/// a listing that lagged longer than anybody expected.
#[tokio::test]
async fn a_number_that_is_sent_for_again_although_it_is_ours_is_paid_once_whatever_the_carrier_does() {
    for refuses in [false, true] {
        let scene = scene().await;
        let number = fresh();
        scene.sandbox.add_stock(&number).unwrap();
        scene.sandbox.switch(|switches| switches.refuse_owned_purchase = refuses);
        scene.misbehaves(Fault::AnswerLost);
        // As it was before the number was there, and then had its settings.
        scene.always(Match::list(), Fault::LagWrites { writes: 2 });
        scene.purchase("main", json!({"search": null, "number": number})).await;
        eventually("it is bought", || async { (scene.sandbox.ledger().purchases() == 1).then_some(()) }).await;
        // And as if it were for sale still.
        scene.sandbox.add_stock(&number).unwrap();
        let sent = || {
            let ledger = scene.sandbox.ledger();
            [Kind::Purchase, Kind::Overwrite].map(|kind| ledger.of(kind).count())
        };
        eventually("it is sent for again", || async { (sent().iter().sum::<usize>() == 2).then_some(()) }).await;
        assert_eq!(sent(), if refuses { [2, 0] } else { [1, 1] });
        scene.sandbox.clear_faults();
        assert_eq!(scene.routed_number("main").await, number);
        scene.has_bought(1).await;
    }
}

#[tokio::test]
async fn a_number_that_somebody_else_took_is_followed_by_another() {
    let scene = scene().await;
    scene.misbehaves(Fault::Refuse { status: 400, code: 21422 });
    scene.purchase("main", json!({})).await;
    let number = scene.routed_number("main").await;
    let refused = scene.sandbox.ledger().of(Kind::Purchase).next().unwrap().number.clone().unwrap();
    assert_ne!(refused, number);
    scene.unclaimed(&refused).await;
    scene.has_bought(1).await;
}

#[tokio::test]
async fn many_that_want_the_same_each_get_their_own() {
    let scene = scene().await;
    futures::future::join_all((0..20).map(|i| {
        let scene = &scene;
        async move {
            scene.purchase(&format!("n{i}"), json!({})).await;
            scene.routed_number(&format!("n{i}")).await
        }
    }))
    .await;
    let ledger = scene.sandbox.ledger();
    assert_eq!(ledger.of(Kind::Purchase).count(), 20, "no call is wasted");
    scene.has_bought(20).await;
}

#[tokio::test]
async fn an_object_made_again_or_under_another_name_finds_its_number() {
    let scene = scene().await;
    let identity = json!({"identity": "clinic-17"});
    scene.purchase("main", identity.clone()).await;
    let number = scene.routed_number("main").await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    let rests = || async { scene.claim(&number).await.unwrap().spec.holder.is_none().then_some(()) };
    eventually("the claim rests", rests).await;
    assert_eq!(scene.voice_url(&number), "", "its route was taken back");

    scene.purchase("another", identity).await;
    assert_eq!(scene.routed_number("another").await, number);
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_status_that_was_wiped_and_an_object_that_was_replaced_lose_nothing() {
    let scene = scene().await;
    scene.purchase("main", json!({})).await;
    let number = scene.routed_number("main").await;
    let wiped = json!({"status": null});
    let api = scene.api::<PhoneNumber>();
    api.patch_status("main", &PatchParams::default(), &Patch::Merge(&wiped)).await.unwrap();
    scene.request("main").await;
    assert_eq!(scene.routed_number("main").await, number);

    scene.vanish("main").await;
    scene.purchase("main", json!({})).await;
    assert_eq!(scene.routed_number("main").await, number);
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_cluster_that_forgot_everything_knows_its_numbers_by_their_markers() {
    let scene = scene().await;
    scene.purchase("main", json!({})).await;
    let number = scene.routed_number("main").await;
    scene.vanish("main").await;
    scene.forget(&scene.identity("main")).await;
    scene.force_delete::<NumberClaim>(&number[1..]).await;
    scene.purchase("main", json!({})).await;
    assert_eq!(scene.routed_number("main").await, number);
    scene.has_bought(1).await;
}

#[tokio::test]
async fn another_search_after_a_number_was_bought_is_told_and_buys_nothing() {
    let scene = scene().await;
    scene.purchase("main", json!({})).await;
    let number = scene.routed_number("main").await;
    scene.purchase("main", json!({"search": {"areaCode": "212", "bestEffort": false}})).await;
    let text = scene.message::<PhoneNumber>("main", "Accepted", "PurchaseChangeIgnored").await;
    assert!(text.contains(&number) && text.contains("other digits"), "{text}");
    let changed = json!({"search": {"country": "CA", "type": "TollFree"}, "maxMonthlyPrice": "0.10"});
    scene.purchase("main", changed).await;
    let told = async || {
        let text = scene.message::<PhoneNumber>("main", "Accepted", "PurchaseChangeIgnored").await;
        ["CA (it is US)", "TollFree (it is Local)", "at most 0.10 a month"]
            .iter()
            .all(|part| text.contains(part))
            .then_some(())
    };
    eventually("all that it does not meet is told", told).await;
    assert_eq!(scene.routed_number("main").await, number);
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_marker_that_somebody_edited_away_is_put_back() {
    let scene = scene().await;
    scene.purchase("main", json!({})).await;
    let number = scene.routed_number("main").await;
    let marker = scene.sandbox.field(&number, "friendly_name").unwrap();
    scene.sandbox.edit(&number, &[("friendly_name", "Front desk")]).unwrap();
    scene.request("main").await;
    assert_eq!(scene.sandbox.field(&number, "friendly_name"), Some(marker));
    assert_eq!(scene.writes_to(&number), 1, "and nothing else is written");
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_number_that_is_lost_is_not_bought_again() {
    let scene = scene().await;
    scene.purchase("main", json!({})).await;
    let number = scene.routed_number("main").await;
    scene.sandbox.lose_number(&number).unwrap();
    scene.acquired("main", "NumberLost").await;
    scene.scans(2).await;
    scene.has_bought(1).await;
}

#[tokio::test]
async fn a_number_that_was_given_back_while_it_rested_is_lost_and_not_bought_again() {
    let scene = scene().await;
    scene.purchase("main", json!({})).await;
    let number = scene.routed_number("main").await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    scene.sandbox.lose_number(&number).unwrap();
    scene.purchase("main", json!({})).await;
    scene.acquired("main", "NumberLost").await;
    scene.has_bought(1).await;
}

#[tokio::test]
async fn two_objects_with_one_identity_are_told_so_and_only_one_buys() {
    let scene = scene().await;
    let identity = json!({"identity": "shared"});
    scene.purchase("first", identity.clone()).await;
    let number = scene.routed_number("first").await;
    scene.purchase("second", identity).await;
    let text = scene.acquired("second", "IdentityInUse").await;
    assert!(text.contains(&format!("{}/first", scene.namespace)), "{text}");
    scene.delete::<PhoneNumber>("first").await;
    assert_eq!(scene.routed_number("second").await, number, "it takes over");
    scene.has_bought(1).await;
}

#[tokio::test]
async fn limits_hold_however_many_want_to_buy_at_once() {
    let scene = scene().await;
    scene.account(json!({"purchasing": {"maxPerDay": 4}})).await;
    futures::future::join_all((0..12).map(|i| {
        let scene = &scene;
        async move { scene.purchase(&format!("n{i}"), json!({})).await }
    }))
    .await;
    eventually("four have theirs and eight are told", || async {
        let (mut ready, mut limited) = (0, 0);
        for number in scene.api::<PhoneNumber>().list(&Default::default()).await.unwrap() {
            let conditions = number.status.map(|status| status.conditions).unwrap_or_default();
            ready += conditions.iter().filter(|c| c.type_() == "Ready" && c.status() == "True").count();
            limited +=
                conditions.iter().filter(|c| c.type_() == "Ready" && c.reason() == "PurchaseLimitReached").count();
        }
        ((ready, limited) == (4, 8)).then_some(())
    })
    .await;
    scene.has_bought(4).await;
    scene.account(json!({"purchasing": {"maxPerDay": 4, "maxOwned": 4}})).await;
    scene.account(json!({"purchasing": {"maxPerDay": 6}})).await;
    eventually("two more", || async { (scene.sandbox.ledger().purchases() == 6).then_some(()) }).await;
    scene.scans(2).await;
    scene.has_bought(6).await;
}

#[tokio::test]
async fn a_right_whose_object_was_torn_out_is_given_back_once_it_is_sure_that_nothing_was_bought() {
    let scene = scene().await;
    scene.account(json!({"purchasing": {"maxPerDay": 1}})).await;
    scene.misbehaves(Fault::RequestLost);
    scene.purchase("torn", json!({})).await;
    scene.acquired("torn", "PurchaseOutcomeUnknown").await;
    scene.purchase("next", json!({})).await;
    let text = scene.acquired("next", "PurchaseLimitReached").await;
    assert!(text.contains(&format!("held by: {}/torn.", scene.namespace)), "{text}");
    scene.vanish("torn").await;
    scene.routed_number("next").await;
    scene.has_bought(1).await;
}

#[tokio::test]
async fn whoever_cannot_buy_holds_no_right_to_it() {
    let scene = scene().await;
    scene.account(json!({"purchasing": {"maxPerDay": 1}})).await;
    scene.sandbox.inject(Rule::new(Match::purchase(), Fault::Refuse { status: 400, code: 21615 }));
    scene.purchase("papers", json!({})).await;
    scene.acquired("papers", "RegulatoryRequired").await;
    let cases = [
        ("typo", json!({"search": {"areaCode": "999", "bestEffort": false}}), "NoMatchingNumber"),
        ("dear", json!({"maxMonthlyPrice": "0.50"}), "PriceTooHigh"),
        ("asks", json!({"approval": "Manual"}), "AwaitingApproval"),
        ("taken", json!({"search": null, "number": "+14155550000"}), "NumberUnavailable"),
    ];
    for (name, purchase, reason) in cases {
        scene.purchase(name, purchase).await;
        scene.acquired(name, reason).await;
    }
    scene.purchase("good", json!({})).await;
    scene.routed_number("good").await;
    scene.has_bought(1).await;
    scene.purchase("late", json!({})).await;
    let text = scene.acquired("late", "PurchaseLimitReached").await;
    assert!(text.starts_with("1 numbers were or may be bought today") && !text.contains("held by"), "{text}");
    scene.has_bought(1).await;
}

#[tokio::test]
async fn what_was_bought_for_an_object_that_was_torn_out_counts_against_the_limits() {
    let scene = scene().await;
    scene.account(json!({"purchasing": {"maxPerDay": 1}})).await;
    scene.misbehaves(Fault::AppliedLate { ms: 1500 });
    scene.purchase("torn", json!({})).await;
    scene.acquired("torn", "PurchaseOutcomeUnknown").await;
    scene.vanish("torn").await;
    scene.purchase("next", json!({})).await;
    scene.acquired("next", "PurchaseLimitReached").await;
    eventually("the account counts it", || async {
        let grants = scene.get::<CarrierAccount>(ACCOUNT).await?.status?.grants?;
        (grants.open.is_empty() && grants.bought == 1).then_some(())
    })
    .await;
    scene.scans(2).await;
    scene.acquired("next", "PurchaseLimitReached").await;
    assert_eq!(scene.sandbox.ledger().purchases(), 1);
    scene.bought.store(1, std::sync::atomic::Ordering::Relaxed);
}

#[tokio::test]
async fn a_person_is_asked_and_a_word_buys_just_the_number_that_was_shown() {
    let scene = scene().await;
    scene.purchase("main", json!({"approval": "Manual"})).await;
    let text = scene.acquired("main", "AwaitingApproval").await;
    let offer = scene.get::<PhoneNumber>("main").await.unwrap().status.unwrap().offer.unwrap();
    assert!(text.contains(offer.number.as_str()) && text.contains("1.15 USD a month"), "{text}");
    scene.scans(1).await;
    scene.has_bought(0).await;
    let approve = |number: &str| json!({"metadata": {"annotations": {APPROVE: number}}});
    scene.patch::<PhoneNumber>("main", approve("+14155550000")).await;
    scene.scans(1).await;
    scene.has_bought(0).await;
    scene.patch::<PhoneNumber>("main", approve(offer.number.as_str())).await;
    assert_eq!(scene.routed_number("main").await, offer.number.to_string());
    scene.has_bought(1).await;
}

#[tokio::test]
async fn whatever_cannot_be_bought_ends_in_its_condition_and_says_what_to_do() {
    let scene = scene().await;
    let ours = scene.owned();
    let search = |over: Value| json!({ "search": over });
    let cases = [
        ("country", search(json!({"country": "AQ", "areaCode": null})), "PurchaseRefused", "AQ"),
        ("type", search(json!({"country": "DE", "type": "TollFree", "areaCode": null})), "PurchaseRefused", "TollFree"),
        ("feature", search(json!({"features": ["Fax"]})), "NoMatchingNumber", "Fax"),
        (
            "area",
            search(json!({"areaCode": "999", "bestEffort": false})),
            "NoMatchingNumber",
            "closest one available: +1",
        ),
        ("dear", json!({"maxMonthlyPrice": "0.50"}), "PriceTooHigh", "1.15 USD"),
        (
            "papers",
            search(json!({"country": "DE", "areaCode": null, "features": ["Voice"]})),
            "RegulatoryRequired",
            "addressSid",
        ),
        ("owned", json!({"search": null, "number": ours}), "AlreadyOwned", "import"),
        ("taken", json!({"search": null, "number": "+14155550000"}), "NumberUnavailable", "+14155550000"),
    ];
    futures::future::join_all(cases.into_iter().map(|(name, purchase, reason, text)| {
        let scene = &scene;
        async move {
            scene.purchase(name, purchase).await;
            let message = scene.acquired(name, reason).await;
            assert!(message.contains(text), "{name}: {message}");
        }
    }))
    .await;
    let asked = scene.sandbox.ledger().of(Kind::Purchase).count();
    assert!(asked <= 1, "only the papers are found out by asking: {asked}");
    scene.has_bought(0).await;
}

#[tokio::test]
async fn whatever_the_carrier_refuses_ends_in_its_condition_and_is_not_asked_again_at_once() {
    let refuse = |status, code| Fault::Refuse { status, code };
    let cases = [
        (Kind::Purchase, refuse(403, 21404), "PurchaseForbidden", "trial"),
        (Kind::Purchase, refuse(403, 20005), "PurchaseForbidden", "not active"),
        (Kind::Purchase, refuse(401, 20003), "PurchaseForbidden", "credentials"),
        (Kind::Search, refuse(400, 21451), "PurchaseRefused", "area code"),
        (Kind::Search, Fault::Html { status: 200 }, "PurchaseFailed", "decoded"),
        (Kind::Purchase, Fault::Html { status: 502 }, "PurchaseOutcomeUnknown", "unknown"),
    ];
    futures::future::join_all(cases.into_iter().map(|(kind, fault, reason, text)| async move {
        let scene = scene().await;
        scene.always(Match::kind(kind), fault);
        scene.purchase("main", json!({})).await;
        let message = scene.acquired("main", reason).await;
        assert!(message.contains(text), "{reason}: {message}");
        if reason == "PurchaseForbidden" {
            // Another route changes nothing about that.
            scene.agent("engine.example.com", Some("v2")).await;
            scene.scans(2).await;
            assert_eq!(scene.sandbox.ledger().of(kind).count(), 1, "{text}");
        }
        scene.has_bought(0).await;
    }))
    .await;
}

#[tokio::test]
async fn too_little_money_is_found_out_once_and_all_go_on_by_themselves_after_a_top_up() {
    let scene = scene().await;
    let account = scene.sandbox.credentials().account_sid;
    scene.sandbox.switch(|switches| switches.enforce_balance = true);
    scene.sandbox.set_balance(&account, 0).unwrap();
    scene.purchase("main", json!({})).await;
    scene.acquired("main", "InsufficientFunds").await;
    for name in ["second", "third"] {
        scene.purchase(name, json!({})).await;
        scene.acquired(name, "InsufficientFunds").await;
    }
    assert_eq!(scene.sandbox.ledger().of(Kind::Purchase).count(), 1, "what one has found out the others know");
    scene.has_bought(0).await;
    scene.sandbox.set_balance(&account, 10_000).unwrap();
    for name in ["main", "second", "third"] {
        scene.routed_number(name).await;
    }
    scene.has_bought(3).await;
    eventually("the account shows what is left", || async {
        let account = scene.get::<CarrierAccount>(ACCOUNT).await?;
        (account.status?.balance?.amount.to_string() == "96.55").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_price_that_is_not_known_is_not_guessed_where_there_is_a_limit() {
    let scene = scene().await;
    scene.always(Match::path("/v1/PhoneNumbers/Countries/*"), Fault::Html { status: 404 });
    scene.purchase("main", json!({"maxMonthlyPrice": "5.00"})).await;
    scene.acquired("main", "PriceUnknown").await;
    scene.has_bought(0).await;
}

#[tokio::test]
async fn a_pause_buys_nothing_until_it_ends() {
    let scene = scene().await;
    scene.account(json!({"purchasing": {"paused": true}})).await;
    scene.purchase("main", json!({})).await;
    scene.acquired("main", "PurchasingPaused").await;
    scene.has_bought(0).await;
    scene.account(json!({"purchasing": {"paused": false}})).await;
    scene.routed_number("main").await;
    scene.has_bought(1).await;
}

#[tokio::test]
async fn an_object_that_is_deleted_while_nobody_knows_waits_and_the_number_rests() {
    let scene = scene().await;
    scene.misbehaves(Fault::AppliedLate { ms: 1500 });
    scene.purchase("main", json!({})).await;
    eventually("it is sent", || async { (scene.sandbox.ledger().of(Kind::Purchase).count() == 1).then_some(()) }).await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    let number = scene.sandbox.ledger().of(Kind::Purchase).next().unwrap().number.clone().unwrap();
    let claim = scene.claim(&number).await.unwrap();
    assert_eq!((claim.spec.holder, claim.spec.sent.len()), (None, 0));
    assert!(claim.metadata.finalizers.unwrap().contains(&IN_USE_FINALIZER.to_owned()));
    assert_eq!(scene.voice_url(&number), "");
    scene.has_bought(1).await;
}

#[tokio::test]
async fn an_object_that_is_deleted_after_a_purchase_that_never_arrived_leaves_nothing() {
    let scene = scene().await;
    scene.misbehaves(Fault::RequestLost);
    scene.purchase("main", json!({})).await;
    scene.acquired("main", "PurchaseOutcomeUnknown").await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    let number = scene.sandbox.ledger().of(Kind::Purchase).next().unwrap().number.clone().unwrap();
    scene.unclaimed(&number).await;
    // A journal that names no number tells nobody anything.
    let identity = scene.identity("main");
    let gone = || async { scene.journal(&identity).await.is_none().then_some(()) };
    eventually("the journal is gone", gone).await;
    scene.has_bought(0).await;
}

#[tokio::test]
async fn a_number_that_was_bought_can_be_kept_by_importing_it() {
    let scene = scene().await;
    scene.purchase("main", json!({})).await;
    let number = scene.routed_number("main").await;
    scene.patch::<PhoneNumber>("main", json!({"spec": {"purchase": null, "import": {"number": number}}})).await;
    let imported: PhoneNumber = scene.reason("main", "Acquired", "Purchased").await;
    assert_eq!(imported.status.unwrap().number.unwrap().to_string(), number);
    scene.has_bought(1).await;
}
