//! Buying: just this number, once, with everything that it begins with; and why not, in words that can be acted on.

use std::time::Duration;

use dialplane::{
    api::number::Destination,
    carrier::{Bought, ErrorClass, Outcome, Purchase},
    sandbox::carrier::{Kind, Match},
};
use tokio::time::Instant;

use super::{
    Need,
    subject::{NUMBER, OTHER, Subject, did_nothing, marker, number, purchase},
    wire::refuse,
};

pub async fn just_this_number_is_bought_once(s: &Subject) {
    s.stock(&[NUMBER, OTHER]);
    let owned = s.buy(&purchase(NUMBER)).await;
    assert_eq!(owned.number.as_str(), NUMBER);
    assert_eq!(s.listed().await, [NUMBER]);
    assert_eq!(s.purchases_sent(), 1);
    s.has_bought(1).await;
}

pub async fn a_bought_number_bears_the_marker_from_the_first_moment(s: &Subject) {
    s.stock(&[NUMBER]);
    let owned = s.buy(&purchase(NUMBER)).await;
    s.has_bought(1).await;
    if s.carrier.marks().is_some() {
        assert_eq!((owned.marker, s.found(NUMBER).await.marker), (Some(marker()), Some(marker())));
        assert_eq!(s.marked(NUMBER).as_deref(), Some(marker().as_str()));
    }
    assert_eq!(s.requests(Kind::SettingsWrite).len(), 0, "by the purchase itself");
}

pub async fn a_bought_number_goes_where_it_should_from_the_first_moment(s: &Subject) {
    s.stock(&[NUMBER]);
    let route = s.route("ours");
    let owned = s.buy(&Purchase { route: route.clone(), ..purchase(NUMBER) }).await;
    s.has_bought(1).await;
    // Elsewhere it is set once the number is there, and until then goes nowhere.
    let route = if s.wire.does(Need::RoutedPurchases) { route } else { s.nowhere() };
    assert_eq!(owned.route, s.carrier.canonical(route.clone()));
    assert_eq!(s.found(NUMBER).await.route, owned.route);
    assert!(s.goes_by(NUMBER, &route));
    assert_eq!(s.requests(Kind::RouteWrite).len(), 0, "by the purchase itself");
}

pub async fn a_number_bought_without_a_route_goes_nowhere(s: &Subject) {
    s.stock(&[NUMBER]);
    s.switch(|switches| switches.demo_urls = true);
    let owned = s.buy(&purchase(NUMBER)).await;
    s.has_bought(1).await;
    assert!(owned.route.values().all(Destination::is_empty), "a carrier's demonstration is nobody's route");
    assert!(s.goes_by(NUMBER, &s.nowhere()));
}

pub async fn a_number_is_bought_without_having_been_searched_for(s: &Subject) {
    s.stock(&[NUMBER]);
    // By another process, which has asked this carrier nothing yet.
    let carrier = s.open(s.token());
    assert!(matches!(carrier.sales().unwrap().purchase(&purchase(NUMBER)).await, Outcome::Did(_)));
    s.arrived(&number(NUMBER)).await;
    s.has_bought(1).await;
}

pub async fn too_little_money_is_said(s: &Subject) {
    s.stock(&[NUMBER]);
    s.switch(|switches| switches.enforce_balance = true);
    s.sandbox.set_balance(&s.account(), 5).unwrap();
    assert_eq!(did_nothing(s.sales().purchase(&purchase(NUMBER)).await).class, ErrorClass::Funds);
}

pub async fn a_number_that_somebody_else_took_is_unavailable(s: &Subject) {
    s.stock(&[NUMBER]);
    let (account, ..) = s.stranger();
    assert!(s.sales().offer(&number(NUMBER)).await.unwrap().is_some());
    assert!(s.sandbox.take_stock(NUMBER));
    s.give(&account, NUMBER);
    assert_eq!(did_nothing(s.sales().purchase(&purchase(NUMBER)).await).class, ErrorClass::Unavailable);
}

pub async fn a_number_that_was_never_for_sale_is_unavailable(s: &Subject) {
    s.sandbox.take_stock(NUMBER);
    assert_eq!(did_nothing(s.sales().purchase(&purchase(NUMBER)).await).class, ErrorClass::Unavailable);
}

/// Whatever the carrier does, and whatever it is declared to do.
pub async fn a_number_that_is_owned_already_is_never_paid_again(s: &Subject) {
    s.stock(&[NUMBER]);
    let first = s.buy(&purchase(NUMBER)).await;
    s.has_bought(1).await;
    for otherwise in [false, true] {
        if otherwise {
            s.switch(s.wire.selling().repeats_otherwise);
        }
        // Another time that it is bought, and not the same one that is sent again.
        let again = Purchase { key: format!("again, otherwise {otherwise}"), ..purchase(NUMBER) };
        match s.sales().purchase(&again).await {
            Outcome::Did(Bought::Owned(again)) => assert_eq!(again.id, first.id),
            Outcome::DidNothing(error) => assert_eq!(error.class, ErrorClass::Unavailable),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        s.requests(Kind::Overwrite).len(),
        s.wire.selling().overwrites,
        "changed in one way, and refused in the other"
    );
    assert_eq!(s.purchases_sent(), 3, "each is sent once");
}

pub async fn a_purchase_whose_time_is_over_is_not_sent(s: &Subject) {
    s.stock(&[NUMBER]);
    let late = Purchase { before: Instant::now(), ..purchase(NUMBER) };
    assert_eq!(did_nothing(s.sales().purchase(&late).await).class, ErrorClass::Throttled);
    assert_eq!(s.asked(), 0);
}

pub async fn a_purchase_whose_turn_comes_too_late_is_not_sent(s: &Subject) {
    s.stock(&[NUMBER]);
    s.switch(|switches| switches.latency_ms = 300);
    let carrier = s.one_by_one();
    let soon = Purchase { before: Instant::now() + Duration::from_millis(100), ..purchase(NUMBER) };
    let wanted = number(NUMBER);
    let (_, outcome) = tokio::join!(carrier.find(&wanted), carrier.sales().unwrap().purchase(&soon));
    assert_eq!(did_nothing(outcome).class, ErrorClass::Throttled);
    assert_eq!(s.purchases_sent(), 0);
}

pub async fn a_purchase_that_is_refused_did_nothing_and_has_the_class_of_it(s: &Subject) {
    s.stock(&[NUMBER]);
    for (sent, (class, status, code)) in s.wire.selling().refusals.iter().enumerate() {
        s.inject(Match::purchase(), refuse(*status, code));
        // One that was told to wait would wait.
        let error = did_nothing(s.open(s.token()).sales().unwrap().purchase(&purchase(NUMBER)).await);
        assert_eq!((error.class, error.has_code(code)), (*class, true));
        assert!(error.text.contains("; "), "it says what to do: {error}");
        assert_eq!(s.purchases_sent(), sent + 1, "{code}: it is sent once");
    }
    assert_eq!(s.carrier.find(&number(NUMBER)).await, Ok(None));
}
