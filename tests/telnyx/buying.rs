//! Searching, holding and ordering at Telnyx: what only there can go one way or another.

use dialplane::{
    api::{offer::Feature, phone_number::Regulatory},
    carrier::{Bought, Purchase, inventory::Inventory},
    sandbox::carrier::{OrderEnd, OrderFilters, Rule},
};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::{
    conformance::subject::{purchase, search},
    support::eventually,
};

const OTHER: &str = crate::conformance::subject::OTHER;

#[tokio::test]
async fn emergency_is_a_feature_that_is_asked_for_and_shown() {
    let s = subject();
    let wish = search(json!({ "country": "US", "areaCode": "415", "features": ["Voice", "Emergency"] }));
    let offers = s.sales().offers(&wish).await.unwrap();
    assert!(!offers.is_empty() && offers.iter().all(|offer| offer.features.contains(&Feature::Emergency)));
}

#[tokio::test]
async fn an_order_that_ends_at_once_is_a_number_as_soon_as_that_is_listed() {
    let s = subject();
    s.stock(&[NUMBER, OTHER]);
    s.switch(|switches| switches.telnyx.order_ms = 0);
    assert!(matches!(did(s.sales().purchase(&purchase(NUMBER)).await), Bought::Owned(_)));
    // It comes to be, and then gets what the order said.
    s.inject(Match::list(), Fault::LagWrites { writes: 2 });
    assert!(matches!(did(s.sales().purchase(&purchase(OTHER)).await), Bought::Ordered(_)));
    s.has_bought(2).await;
}

#[tokio::test]
async fn orders_of_others_are_none_of_ours() {
    let s = subject();
    s.stock(&[NUMBER]);
    did(s.sales().purchase(&purchase(NUMBER)).await);
    // A person's, which bears a reference of their own.
    let offers = s.sales().offers(&search(json!({ "country": "US", "areaCode": "212" }))).await.unwrap();
    let body =
        json!({ "phone_numbers": [{ "phone_number": offers[0].number.as_str() }], "customer_reference": "Order 7" });
    let url = format!("{}/v2/number_orders", s.sandbox.url());
    let order = reqwest::Client::new().post(url).bearer_auth(s.token().secret()).json(&body);
    assert!(order.send().await.unwrap().status().is_success());
    let ours: Vec<_> = s.orders().standing().await.unwrap().into_iter().map(|order| order.number).collect();
    assert_eq!(ours, [number(NUMBER)]);
    s.has_bought(2).await;
}

#[tokio::test]
async fn an_order_is_cancelled_where_documents_are_missing_at_the_deadline() {
    let s = subject();
    s.stock(&[NUMBER]);
    s.switch(|switches| switches.telnyx.order_end = OrderEnd::Never);
    did(s.sales().purchase(&purchase(NUMBER)).await);
    assert_eq!(s.orders().standing().await.unwrap().len(), 1);
    s.sandbox.finish_order(NUMBER, OrderEnd::Cancelled).unwrap();
    assert_eq!((s.orders().standing().await, s.carrier.find(&number(NUMBER)).await), (Ok(vec![]), Ok(None)));
}

#[tokio::test]
async fn an_order_of_long_ago_is_looked_at_while_it_is_pending() {
    let s = subject();
    s.stock(&[NUMBER, OTHER]);
    did(s.sales().purchase(&purchase(OTHER)).await);
    eventually("the order is done", async || s.carrier.find(&number(OTHER)).await.unwrap().map(drop)).await;
    s.switch(|switches| switches.telnyx.order_end = OrderEnd::Never);
    did(s.sales().purchase(&purchase(NUMBER)).await);
    let standing = async || {
        let orders = s.orders().standing().await.unwrap();
        orders.into_iter().map(|order| order.number.to_string()).collect::<std::collections::BTreeSet<_>>()
    };
    let (one, both) = ([NUMBER.to_owned()].into(), [NUMBER.to_owned(), OTHER.to_owned()].into());
    assert_eq!(standing().await, both, "once each, though two lists show it");
    assert_eq!(s.orders().standing().await.unwrap().len(), 2);
    s.sandbox.age_orders(Duration::from_secs(8 * 24 * 60 * 60));
    assert_eq!(standing().await, one);
    for filters in [OrderFilters::Ignored, OrderFilters::Refused] {
        s.switch(|switches| switches.telnyx.order_filters = filters);
        assert_eq!(standing().await, both, "{filters:?}: all are read");
    }
    s.has_bought(2).await;
}

#[tokio::test]
async fn a_hold_that_ended_is_not_found_again_and_there_is_room_for_so_many() {
    let s = subject();
    s.stock(&[NUMBER, OTHER]);
    let hold = async |text: &str| s.holds().hold(&number(text), &marker()).await;
    s.switch(|switches| switches.telnyx.hold_ms = 0);
    let first = did(hold(NUMBER).await);
    s.switch(|switches| switches.telnyx.hold_ms = 60_000);
    let second = did(hold(NUMBER).await);
    assert_ne!(first, second);
    assert_eq!(did(hold(NUMBER).await), second, "the one that lasts");
    s.switch(|switches| switches.telnyx.max_holds = Some(1));
    let full = did_nothing(hold(OTHER).await);
    assert_eq!((full.class, full.has_code(85007)), (ErrorClass::Conflict, true));
}

#[tokio::test]
async fn a_number_that_was_not_searched_for_is_searched_for_and_sent_once_more() {
    for status in [400, 403, 422] {
        let s = subject();
        s.stock(&[NUMBER, OTHER]);
        let refuse = Fault::Refuse { status, code: 85000 };
        s.inject(Match::purchase(), refuse.clone());
        s.buy(&purchase(NUMBER)).await;
        assert_eq!(s.requests(Kind::Purchase).len(), 2);

        s.sandbox.inject(Rule::new(Match::purchase(), refuse).times(5));
        let error = did_nothing(s.sales().purchase(&purchase(OTHER)).await);
        assert_eq!((error.class, error.has_code(85000)), (ErrorClass::Unavailable, true));
        assert_eq!(s.requests(Kind::Purchase).len(), 4, "and then no more");
        s.has_bought(1).await;
    }
}

#[tokio::test]
async fn what_an_order_is_to_be_bound_to_has_to_be_there() {
    let s = subject();
    s.stock(&[NUMBER]);
    let url = Destination { url: Some("https://a.example/".into()), ..Destination::default() };
    for (route, code) in
        [(to_application("1"), Some("85004")), (to_profile("x"), Some("85005")), ([(Channel::Voice, url)].into(), None)]
    {
        let error = did_nothing(s.sales().purchase(&Purchase { route, ..purchase(NUMBER) }).await);
        assert_eq!((error.class, error.code.as_deref()), (ErrorClass::Rejected, code));
        assert!(error.text.contains("; "), "{error}");
    }
}

#[tokio::test]
async fn an_order_tells_whether_it_lacks_papers() {
    let s = subject();
    s.switch(|switches| switches.telnyx.order_end = OrderEnd::Never);
    let regulated = s.sales().offers(&search(json!({ "country": "DE" }))).await.unwrap();
    let order = async |offer: usize, regulatory: Regulatory| {
        let purchase = Purchase { regulatory, ..purchase(regulated[offer].number.as_str()) };
        match did(s.sales().purchase(&purchase).await) {
            Bought::Ordered(order) => order,
            Bought::Owned(owned) => panic!("{owned:?}"),
        }
    };
    let lacking = order(0, Regulatory::default()).await;
    assert!(lacking.pending && lacking.lacks_papers);
    assert_eq!(s.orders().standing().await, Ok(vec![lacking]), "the list tells it too");
    let group = Regulatory { requirement_group_id: Some("group-1".into()), ..Regulatory::default() };
    assert!(!order(1, group).await.lacks_papers);
    s.has_bought(2).await;
}

#[tokio::test]
async fn a_number_that_was_marked_for_another_is_no_more_what_its_order_was_for() {
    let s = subject();
    s.stock(&[NUMBER]);
    let bought = s.buy(&purchase(NUMBER)).await;
    let inventory = Inventory::new(s.carrier.clone(), Box::new(|_| {}));
    let marked = async |marker: &Marker| {
        let after = Instant::now();
        inventory.look_for_marked(after).await.unwrap();
        inventory.marked(marker, after).unwrap()
    };
    assert_eq!(marked(&marker()).await, [number(NUMBER)]);
    let other = Marker::new("prod", "clinics/another");
    did(inventory.mark(&bought.number, &bought.id, &other).await);
    assert_eq!((marked(&marker()).await, marked(&other).await), (vec![], vec![number(NUMBER)]));
    s.has_bought(1).await;
}
