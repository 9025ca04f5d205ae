//! Searching, holding and buying: what is concluded of an order, and what was really bought.

use std::sync::Arc;

use dialplane::{
    api::{offer::Search, phone_number::Regulatory, purchase::Hold},
    carrier::{Bought, Order, Purchase, inventory::Inventory},
    sandbox::carrier::{Ledger, OrderEnd},
};
use serde_json::json;
use tokio::time::Instant;

use super::*;

fn wish(fields: serde_json::Value) -> Search {
    serde_json::from_value(fields).unwrap()
}

fn purchase(number: &E164, route: Route) -> Purchase {
    Purchase {
        number: number.clone(),
        marker: marker(),
        route,
        regulatory: Regulatory::default(),
        hold: None,
        key: "key".into(),
        before: Instant::now() + Duration::from_secs(5),
    }
}

/// The first number for sale in an area.
async fn offered(telnyx: &Telnyx, area: &str) -> E164 {
    let offers = telnyx.offers(&wish(json!({ "country": "US", "areaCode": area }))).await.unwrap();
    offers[0].number.clone()
}

fn ordered(outcome: Outcome<Bought>) -> Order {
    match outcome {
        Outcome::Did(Bought::Ordered(order)) => order,
        other => panic!("{other:?}"),
    }
}

/// Nothing is ever given back, and this much was bought.
fn assert_bought(ledger: &Ledger, numbers: &[&E164]) {
    let mut bought: Vec<String> = ledger.summary().purchases_by_number.keys().cloned().collect();
    bought.sort();
    let mut expected: Vec<String> = numbers.iter().map(|number| number.to_string()).collect();
    expected.sort();
    assert_eq!((bought, ledger.purchases(), ledger.releases()), (expected, numbers.len(), 0));
}

#[tokio::test]
async fn offers_are_what_was_asked_for_with_their_price() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    for (search, prefix) in [
        (json!({ "country": "US", "areaCode": "415" }), "+1415"),
        (json!({ "country": "US", "areaCode": "415", "features": ["Voice", "SMS", "Emergency"] }), "+1415"),
        (json!({ "country": "US", "startsWith": "41555" }), "+141555"),
        (json!({ "country": "US", "areaCode": "415", "startsWith": "41555", "contains": "1555" }), "+141555"),
        (json!({ "country": "US", "locality": "Oakland", "region": "CA" }), "+1510"),
        (json!({ "country": "US", "type": "TollFree" }), "+18"),
        (json!({ "country": "GB", "type": "Mobile" }), "+447"),
    ] {
        let search = wish(search);
        let offers = telnyx.offers(&search).await.unwrap();
        assert!(!offers.is_empty(), "{search:?}");
        for offer in offers {
            assert!(offer.number.as_str().starts_with(prefix), "{search:?}: {offer:?}");
            assert!(search.features.iter().all(|feature| offer.features.contains(feature)), "{offer:?}");
            assert_eq!((&offer.country, offer.kind), (&search.country, search.kind));
            assert!(search.locality.is_none() || offer.locality == search.locality, "{offer:?}");
            assert!(offer.price.monthly.is_some() && offer.price.setup.is_some(), "{offer:?}");
            assert_eq!(offer.price.currency.as_deref(), Some("USD"));
        }
    }
    let nowhere = wish(json!({ "country": "US", "locality": "Atlantis" }));
    assert_eq!(telnyx.offers(&nowhere).await, Ok(vec![]), "best effort is not asked for");
}

#[tokio::test]
async fn one_number_is_offered_if_it_is_for_sale_and_nothing_that_looks_like_it() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    for (country, kind) in [("US", "Local"), ("US", "TollFree"), ("GB", "Local"), ("GB", "Mobile"), ("CA", "Local")] {
        let offers = telnyx.offers(&wish(json!({ "country": country, "type": kind }))).await.unwrap();
        let Some(expected) = offers.first() else { panic!("{country} {kind}") };
        let found = telnyx.offer(&expected.number).await.unwrap().unwrap();
        assert_eq!((&found.number, found.kind, &found.country), (&expected.number, expected.kind, &expected.country));
        assert_eq!((found.price, found.can_hold), (expected.price.clone(), kind != "TollFree"));
    }
    assert_eq!(telnyx.offer(&number("+14155559999")).await, Ok(None));
    assert_eq!(telnyx.offer(&number("+8835100012345")).await.unwrap_err().class, ErrorClass::NotFound);
}

#[tokio::test]
async fn an_order_is_taken_and_the_number_comes_with_everything_it_began_with() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    let (application, profile) = holders(&sandbox);
    let both: Route = to_application(&application).into_iter().chain(to_profile(&profile)).collect();
    for (order_ms, area) in [(0, "415"), (60_000, "212")] {
        sandbox.switch(|switches| switches.telnyx.order_ms = order_ms);
        let wanted = offered(&telnyx, area).await;
        match did(telnyx.purchase(&purchase(&wanted, both.clone())).await) {
            Bought::Owned(owned) => {
                assert_eq!((order_ms, &owned.number, &owned.route), (0, &wanted, &both));
                assert_eq!(owned.marker, Some(marker()));
            }
            Bought::Ordered(order) => {
                assert_eq!((order_ms, &order.number, &order.marker), (60_000, &wanted, &Some(marker())));
                assert_eq!(telnyx.find(&wanted).await, Ok(None), "200 is not bought");
                assert!(telnyx.orders().await.unwrap().contains(&order));
                sandbox.finish_order(wanted.as_str(), OrderEnd::Success).unwrap();
            }
        }
        let owned = telnyx.find(&wanted).await.unwrap().unwrap();
        assert_eq!((owned.marker, owned.route), (Some(marker()), both.clone()));
    }
    assert_eq!(telnyx.orders().await.unwrap().len(), 2, "finished ones too");
    assert_eq!(sandbox.ledger().purchases(), 2);
    assert_eq!(sandbox.ledger().of(Kind::Purchase).count(), 2, "each was sent once");
}

#[tokio::test]
async fn a_number_that_is_bought_and_not_listed_yet_is_ordered() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    sandbox.switch(|switches| switches.telnyx.order_ms = 0);
    let wanted = offered(&telnyx, "415").await;
    // It comes to be, and then gets what the order said.
    sandbox.inject(Rule::new(Match::list(), Fault::LagWrites { writes: 2 }));
    ordered(telnyx.purchase(&purchase(&wanted, Route::new())).await);
    assert_bought(&sandbox.ledger(), &[&wanted]);
}

#[tokio::test]
async fn every_order_ends_as_it_ends_whether_at_once_or_later() {
    for (end, stands, bought) in [
        (OrderEnd::Success, true, true),
        (OrderEnd::Failure, false, false),
        (OrderEnd::Cancelled, false, false),
        (OrderEnd::Never, true, false),
    ] {
        // At once.
        let at_once = sandbox();
        let telnyx = open(&at_once);
        at_once.switch(|switches| (switches.telnyx.order_ms, switches.telnyx.order_end) = (0, end));
        let wanted = offered(&telnyx, "415").await;
        match telnyx.purchase(&purchase(&wanted, Route::new())).await {
            Outcome::Did(Bought::Owned(_)) => assert_eq!(end, OrderEnd::Success),
            Outcome::Did(Bought::Ordered(_)) => assert_eq!(end, OrderEnd::Never),
            Outcome::DidNothing(error) => {
                assert!(!stands, "{end:?}");
                assert_eq!(error.class, ErrorClass::Unavailable);
                assert_bought(&at_once.ledger(), &[]);
            }
            Outcome::Unknown(error) => panic!("{error}"),
        }
        assert_eq!(telnyx.orders().await.unwrap().len(), usize::from(stands), "{end:?}");

        // Later, and listed meanwhile as a number that is not ours yet.
        let later = sandbox();
        let telnyx = open(&later);
        let undecided = |switches: &mut dialplane::sandbox::carrier::Switches| {
            (switches.telnyx.order_end, switches.telnyx.pending_listed) = (OrderEnd::Never, true);
        };
        later.switch(undecided);
        let wanted = offered(&telnyx, "415").await;
        let order = ordered(telnyx.purchase(&purchase(&wanted, Route::new())).await);
        assert_eq!((telnyx.list().await, telnyx.find(&wanted).await), (Ok(vec![]), Ok(None)));
        later.finish_order(wanted.as_str(), end).unwrap();
        let order = Order { pending: end == OrderEnd::Never, ..order };
        assert_eq!(telnyx.orders().await.unwrap(), if stands { vec![order] } else { vec![] }, "{end:?}");
        assert_eq!(telnyx.find(&wanted).await.unwrap().is_some(), bought, "{end:?}");
        let expected: &[&E164] = if stands { &[&wanted] } else { &[] };
        assert_bought(&later.ledger(), expected);
    }
}

#[tokio::test]
async fn orders_of_others_are_none_of_ours_and_all_pages_are_read() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    sandbox.switch(|switches| switches.telnyx.order_ms = 0);
    let mine = offered(&telnyx, "415").await;
    did(telnyx.purchase(&purchase(&mine, Route::new())).await);
    let theirs = offered(&telnyx, "415").await;
    let client = reqwest::Client::new();
    let key = sandbox.credentials().auth_token;
    let body = json!({ "phone_numbers": [{ "phone_number": theirs.as_str() }], "customer_reference": "Order 7" });
    let url = format!("{}/v2/number_orders", sandbox.url());
    assert!(client.post(url).bearer_auth(key).json(&body).send().await.unwrap().status().is_success());
    let orders = telnyx.orders().await.unwrap();
    assert_eq!(orders.iter().map(|order| &order.number).collect::<Vec<_>>(), [&mine]);
    sandbox.inject(Rule::new(Match::path("/v2/number_orders").method("GET"), Fault::TornPage));
    assert_eq!(telnyx.orders().await.unwrap_err().class, ErrorClass::Transient, "a part is no answer");
    assert_bought(&sandbox.ledger(), &[&mine, &theirs]);
}

#[tokio::test]
async fn a_number_that_was_marked_for_another_is_no_more_what_its_order_was_for() {
    let sandbox = sandbox();
    sandbox.switch(|switches| switches.telnyx.order_ms = 0);
    let telnyx = open(&sandbox);
    let wanted = offered(&telnyx, "415").await;
    did(telnyx.purchase(&purchase(&wanted, Route::new())).await);
    let id = telnyx.find(&wanted).await.unwrap().unwrap().id;
    let inventory = Inventory::new(Arc::new(telnyx), Box::new(|_| {}));
    let marked = async |marker: &Marker| {
        let after = Instant::now();
        inventory.look_for_marked(after).await.unwrap();
        inventory.marked(marker, after).unwrap()
    };
    assert_eq!(marked(&marker()).await, std::slice::from_ref(&wanted));
    let other = Marker::new("prod", "clinics/another");
    did(inventory.mark(&wanted, &id, &other).await);
    assert_eq!((marked(&marker()).await, marked(&other).await), (vec![], vec![wanted.clone()]));
    assert_bought(&sandbox.ledger(), &[&wanted]);
}

#[tokio::test]
async fn a_number_is_held_and_a_hold_of_ours_is_found_again() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    let wanted = offered(&telnyx, "415").await;
    let hold: Hold = did(telnyx.hold(&wanted, &marker()).await);
    assert!(hold.until.is_some());
    assert_eq!(did(telnyx.hold(&wanted, &marker()).await), hold, "85006, and ours");
    let other = Marker::new("prod", "clinics/other");
    let error = refused(telnyx.hold(&wanted, &other).await);
    assert_eq!((error.class, error.code), (ErrorClass::Unavailable, Some(85006)), "ours, and another's of us");
    let seed = AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() };
    let stranger = open_as(&sandbox, &sandbox.add_account(seed).unwrap().auth_token);
    assert_eq!(refused(stranger.hold(&wanted, &marker()).await).class, ErrorClass::Unavailable);
    let held = Purchase { hold: Some(hold), ..purchase(&wanted, Route::new()) };
    did(telnyx.purchase(&held).await);
    assert_bought(&sandbox.ledger(), &[&wanted]);
    assert_eq!(refused(stranger.purchase(&purchase(&wanted, Route::new())).await).class, ErrorClass::Unavailable);
    assert_bought(&sandbox.ledger(), &[&wanted]);
}

#[tokio::test]
async fn a_hold_that_ended_is_not_found_again_and_there_is_room_for_so_many() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    let wanted = offered(&telnyx, "415").await;
    sandbox.switch(|switches| switches.telnyx.hold_ms = 0);
    let first = did(telnyx.hold(&wanted, &marker()).await);
    sandbox.switch(|switches| switches.telnyx.hold_ms = 60_000);
    let second = did(telnyx.hold(&wanted, &marker()).await);
    assert_ne!(first, second);
    assert_eq!(did(telnyx.hold(&wanted, &marker()).await), second, "the one that lasts");
    sandbox.switch(|switches| switches.telnyx.max_holds = Some(1));
    let full = refused(telnyx.hold(&offered(&telnyx, "212").await, &marker()).await);
    assert_eq!((full.class, full.code), (ErrorClass::Conflict, Some(85007)));
    let free = telnyx.offers(&wish(json!({ "country": "US", "type": "TollFree" }))).await.unwrap();
    assert!(!free[0].can_hold);
    assert_eq!(refused(telnyx.hold(&free[0].number, &marker()).await).class, ErrorClass::Unavailable);
    sandbox.switch(|switches| switches.telnyx.max_holds = None);
    let lost = offered(&telnyx, "212").await;
    sandbox.inject(Rule::new(Match::kind(Kind::Hold), Fault::AnswerLost));
    assert!(matches!(telnyx.hold(&lost, &marker()).await, Outcome::Unknown(_)));
    did(telnyx.hold(&lost, &marker()).await);
    assert_bought(&sandbox.ledger(), &[]);
}

#[tokio::test]
async fn a_number_that_was_not_searched_for_is_searched_for_and_sent_once_more() {
    for status in [400, 403, 422] {
        let sandbox = sandbox();
        let telnyx = open(&sandbox);
        let wanted = offered(&telnyx, "415").await;
        let refuse = Fault::Refuse { status, code: 85000 };
        sandbox.inject(Rule::new(Match::purchase(), refuse.clone()));
        did(telnyx.purchase(&purchase(&wanted, Route::new())).await);
        assert_eq!(sandbox.ledger().of(Kind::Purchase).count(), 2);
        assert_bought(&sandbox.ledger(), &[&wanted]);

        let other = offered(&telnyx, "212").await;
        sandbox.inject(Rule::new(Match::purchase(), refuse).times(5));
        let error = refused(telnyx.purchase(&purchase(&other, Route::new())).await);
        assert_eq!((error.class, error.code), (ErrorClass::Unavailable, Some(85000)));
        assert_eq!(sandbox.ledger().of(Kind::Purchase).count(), 4, "and then no more");
        assert_bought(&sandbox.ledger(), &[&wanted]);
    }
    // Nobody has searched for it before.
    let sandbox = sandbox();
    let wanted = offered(&open(&self::sandbox()), "415").await;
    did(open(&sandbox).purchase(&purchase(&wanted, Route::new())).await);
    assert_eq!(sandbox.ledger().of(Kind::Purchase).count(), 1);
}

#[tokio::test]
async fn a_number_that_is_taken_is_unavailable_whoever_has_it() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    let wanted = offered(&telnyx, "415").await;
    sandbox.switch(|switches| switches.telnyx.order_ms = 60_000);
    did(telnyx.purchase(&purchase(&wanted, Route::new())).await);
    for whose in ["ordered by us", "ours"] {
        let error = refused(telnyx.purchase(&purchase(&wanted, Route::new())).await);
        assert_eq!((error.class, error.code), (ErrorClass::Unavailable, Some(85001)), "{whose}");
        let _ = sandbox.finish_order(wanted.as_str(), OrderEnd::Success);
    }
    let gone = offered(&telnyx, "212").await;
    assert!(sandbox.take_stock(gone.as_str()));
    let error = refused(telnyx.purchase(&purchase(&gone, Route::new())).await);
    assert_eq!((error.class, error.code), (ErrorClass::Unavailable, Some(85001)));
    assert_bought(&sandbox.ledger(), &[&wanted]);
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_said_and_nothing_is_bought() {
    let sandbox = sandbox();
    let account = sandbox.credentials().account_sid;
    let telnyx = open(&sandbox);
    let wanted = offered(&telnyx, "415").await;
    sandbox.switch(|switches| switches.enforce_balance = true);
    sandbox.set_balance(&account, 0).unwrap();
    let url = Leg { url: Some("https://a.example/".into()), ..Leg::default() };
    for (route, class, code) in [
        (Route::new(), ErrorClass::Funds, Some(20100)),
        (to_application("1"), ErrorClass::Rejected, Some(85004)),
        (to_profile("x"), ErrorClass::Rejected, Some(85005)),
        ([(Channel::Voice, url)].into(), ErrorClass::Rejected, None),
    ] {
        let error = refused(telnyx.purchase(&purchase(&wanted, route)).await);
        assert_eq!((error.class, error.code), (class, code));
        assert!(error.text.contains("; "), "{error}");
    }
    assert_bought(&sandbox.ledger(), &[]);
    sandbox.reset_ledger();
    let late = Purchase { before: Instant::now(), ..purchase(&wanted, Route::new()) };
    assert_eq!(refused(telnyx.purchase(&late).await).class, ErrorClass::Throttled);
    assert_eq!(sandbox.ledger().entries().len(), 0, "too late is not sent");
}

#[tokio::test]
async fn no_purchase_is_called_undone_that_may_be_done() {
    let refusals = [
        Fault::TooMany { retry_after: Some(1) },
        Fault::Unauthorized,
        Fault::NotFound,
        Fault::Refuse { status: 422, code: 85001 },
        Fault::Refuse { status: 400, code: 20100 },
        Fault::Refuse { status: 403, code: 20014 },
        Fault::Refuse { status: 422, code: 77777 },
    ];
    let unclear = [
        Fault::Hang,
        Fault::HangAfter,
        Fault::Slow { ms: 1000 },
        Fault::ServerErrorBefore { status: 503 },
        Fault::ServerErrorAfter { status: 504 },
        Fault::RequestLost,
        Fault::AnswerLost,
        Fault::AppliedLate { ms: 10 },
        Fault::TornBody,
        Fault::Html { status: 200 },
        Fault::Html { status: 403 },
        Fault::Html { status: 404 },
        Fault::Html { status: 429 },
        Fault::Html { status: 502 },
        Fault::Rubbish,
        Fault::Refuse { status: 422, code: 10036 },
        Fault::Refuse { status: 422, code: 10012 },
        Fault::Refuse { status: 408, code: 10008 },
        Fault::Refuse { status: 400, code: 10037 },
    ];
    for (fault, definite) in refusals.into_iter().map(|f| (f, true)).chain(unclear.into_iter().map(|f| (f, false))) {
        let sandbox = sandbox();
        let telnyx = open(&sandbox);
        let wanted = offered(&telnyx, "415").await;
        sandbox.inject(Rule::new(Match::purchase(), fault.clone()));
        let outcome = telnyx.purchase(&purchase(&wanted, Route::new())).await;
        match outcome {
            Outcome::DidNothing(_) => {
                assert!(definite, "{fault:?}");
                assert_bought(&sandbox.ledger(), &[]);
            }
            Outcome::Unknown(_) => assert!(!definite, "{fault:?}"),
            Outcome::Did(bought) => panic!("{fault:?}: {bought:?}"),
        }
        let ledger = sandbox.ledger();
        assert_eq!((ledger.of(Kind::Purchase).count(), ledger.releases()), (1, 0), "{fault:?}: sent once");
        if ledger.purchases() == 1 {
            let orders = open(&sandbox).orders().await.unwrap();
            let found = orders.iter().any(|order| order.number == wanted && order.marker == Some(marker()));
            assert!(found, "{fault:?}: what was bought all the same is found by its marker");
        }
    }
}

#[tokio::test]
async fn an_order_is_cancelled_while_it_is_pending_and_tells_whether_it_lacks_papers() {
    let sandbox = sandbox();
    let telnyx = open(&sandbox);
    sandbox.switch(|switches| switches.telnyx.order_end = OrderEnd::Never);
    let wanted = offered(&telnyx, "415").await;
    let order = ordered(telnyx.purchase(&purchase(&wanted, Route::new())).await);
    assert_eq!((order.pending, order.lacks_papers), (true, false));
    did(telnyx.cancel(&order).await);
    assert_eq!(telnyx.orders().await, Ok(vec![]));
    let late = refused(telnyx.cancel(&order).await);
    assert_eq!((late.class, late.code), (ErrorClass::Conflict, None), "it is over");
    assert_bought(&sandbox.ledger(), &[]);

    let papers = telnyx.offers(&wish(json!({ "country": "DE" }))).await.unwrap();
    let number = papers[0].number.clone();
    let lacking = ordered(telnyx.purchase(&purchase(&number, Route::new())).await);
    assert!(lacking.pending && lacking.lacks_papers);
    assert_eq!(telnyx.orders().await, Ok(vec![lacking]), "the list tells it too");
    let regulatory = Regulatory { requirement_group_id: Some("group-1".into()), ..Regulatory::default() };
    let other = papers[1].number.clone();
    let handed_in = Purchase { regulatory, ..purchase(&other, Route::new()) };
    assert!(!ordered(telnyx.purchase(&handed_in).await).lacks_papers);
    assert_bought(&sandbox.ledger(), &[&number, &other]);
}
