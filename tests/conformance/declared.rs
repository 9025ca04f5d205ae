//! What an adapter declares of its carrier is what the simulated one does.

use std::time::Duration;

use dialplane::{
    api::number::{Channel, Leg, Route},
    carrier::{Bought, ErrorClass, Outcome, Repeated},
    sandbox::carrier::Kind,
};
use serde_json::json;

use super::subject::{NUMBER, Subject, did, did_nothing, marker, number, purchase, search};

pub async fn the_carrier_has_a_name(s: &Subject) {
    assert!(!s.declared().name.is_empty());
}

pub async fn the_channels_are_those_that_can_be_sent_somewhere(s: &Subject) {
    let id = s.own(NUMBER);
    let shown: Vec<_> = s.found(NUMBER).await.route.into_keys().collect();
    assert_eq!(shown, s.channels(), "every channel is shown, and no other");
    for channel in Channel::ALL {
        if s.channels().contains(&channel) {
            let route: Route = [(channel, s.leg(channel, "ours"))].into();
            did(s.carrier.set_route(&id, &route).await);
            assert!(s.goes_by(NUMBER, &route), "{channel}");
        } else {
            let asked = s.asked();
            let somewhere = Leg { url: Some("https://ours.example/".to_owned()), ..Leg::default() };
            let error = did_nothing(s.carrier.set_route(&id, &[(channel, somewhere)].into()).await);
            assert_eq!((error.class, s.asked()), (ErrorClass::Rejected, asked), "{channel}");
        }
    }
}

/// Webhooks live on the number, or on something that it is bound to.
pub async fn shared_routes_are_declared_as_they_are(s: &Subject) {
    let id = s.own(NUMBER);
    let channel = s.channels()[0];
    let url = Leg { url: Some("https://ours.example/".to_owned()), ..Leg::default() };
    let outcome = s.carrier.set_route(&id, &[(channel, url)].into()).await;
    assert_eq!(matches!(outcome, Outcome::DidNothing(_)), s.declared().shared_routes, "{outcome:?}");
    assert_eq!(s.carrier.shared_routes().await.is_ok(), s.declared().shared_routes);
}

pub async fn sales_are_declared_as_they_are(s: &Subject) {
    let offers = s.carrier.offers(&search(json!({ "country": "US" }))).await;
    assert_eq!(offers.is_ok(), s.declared().purchasing.is_some());
}

pub async fn holds_are_declared_as_they_are(s: &Subject) {
    let declared = s.declared().purchasing.is_some_and(|purchasing| purchasing.holds);
    s.stock(&[NUMBER]);
    let held = s.carrier.hold(&number(NUMBER), &marker()).await;
    assert_eq!(matches!(held, Outcome::Did(_)), declared, "{held:?}");
    let offers = s.carrier.offers(&search(json!({ "country": "US" }))).await.unwrap_or_default();
    assert_eq!(offers.iter().any(|offer| offer.can_hold), declared);
}

pub async fn orders_are_declared_as_they_are(s: &Subject) {
    let Some(declared) = s.declared().purchasing else { return };
    s.stock(&[NUMBER]);
    let bought = did(s.carrier.purchase(&purchase(NUMBER)).await);
    s.has_bought(1).await;
    assert_eq!(matches!(bought, Bought::Ordered(_)), declared.orders, "{bought:?}");
    assert_eq!(s.carrier.orders().await.unwrap().len(), usize::from(declared.orders));
}

pub async fn marks_are_declared_as_they_are(s: &Subject) {
    let Some(declared) = s.declared().purchasing else { return };
    s.stock(&[NUMBER]);
    let owned = s.buy(&purchase(NUMBER)).await;
    s.has_bought(1).await;
    assert_eq!(owned.marker == Some(marker()), declared.marks, "{owned:?}");
}

pub async fn repeated_purchases_are_declared_as_they_are(s: &Subject) {
    let Some(declared) = s.declared().purchasing else { return };
    s.stock(&[NUMBER]);
    s.buy(&purchase(NUMBER)).await;
    s.has_bought(1).await;
    match s.carrier.purchase(&purchase(NUMBER)).await {
        Outcome::Did(_) => assert_eq!(declared.repeated, Repeated::Updates),
        Outcome::DidNothing(error) => {
            assert_eq!((declared.repeated, error.class), (Repeated::Refuses, ErrorClass::Unavailable));
        }
        Outcome::Unknown(error) => panic!("{error}"),
    }
    let overwritten = s.requests(Kind::Overwrite).len();
    assert_eq!(overwritten == 1, declared.repeated == Repeated::Updates);
}

/// How long a write lives that the carrier has sat on: our own wait at least.
pub async fn a_write_lives_longer_than_the_wait_for_it(s: &Subject) {
    let [patient, hurried] = [&s.carrier, &s.in_a_hurry()].map(|carrier| carrier.capabilities().write_lifetime);
    assert!(hurried >= Duration::from_secs(1) && patient > hurried, "{patient:?}, {hurried:?}");
}

pub async fn a_purchase_settles_later_than_any_request_lives_and_any_listing_lags(s: &Subject) {
    let declared = s.declared();
    let Some(purchasing) = declared.purchasing else { return };
    assert!(purchasing.settling >= declared.write_lifetime + declared.listing_lag);
}
