//! What an adapter declares of its carrier is what the simulated one does.

use std::time::Duration;

use dialplane::{
    api::number::{Channel, Destination, Route},
    carrier::{Bought, ErrorClass, Outcome},
};
use serde_json::json;

use super::{
    Need,
    subject::{NUMBER, Subject, did, did_nothing, purchase, search},
};

pub async fn the_carrier_has_a_name(s: &Subject) {
    assert!(!s.declared().name.is_empty());
}

pub async fn the_channels_are_those_that_can_be_sent_somewhere(s: &Subject) {
    let id = s.own(NUMBER);
    let shown: Vec<_> = s.found(NUMBER).await.route.keys().copied().collect();
    assert_eq!(shown, s.channels(), "every channel is shown, and no other");
    for channel in Channel::ALL {
        if s.channels().contains(&channel) {
            let route: Route = [(channel, s.destination(channel, "ours"))].into();
            did(s.carrier.set_route(&id, &route).await);
            assert!(s.goes_by(NUMBER, &route), "{channel}");
        } else {
            let asked = s.asked();
            let somewhere = Destination { url: Some("https://ours.example/".to_owned()), ..Destination::default() };
            let error = did_nothing(s.carrier.set_route(&id, &[(channel, somewhere)].into()).await);
            assert_eq!((error.class, s.asked()), (ErrorClass::Rejected, asked), "{channel}");
        }
    }
}

/// Webhooks live on the number, or on something that it is bound to, or there are none.
pub async fn shared_routes_are_declared_as_they_are(s: &Subject) {
    let id = s.own(NUMBER);
    let channel = s.channels()[0];
    let url = Destination { url: Some("https://ours.example/".to_owned()), ..Destination::default() };
    let outcome = s.carrier.set_route(&id, &[(channel, url)].into()).await;
    assert_eq!(matches!(outcome, Outcome::DidNothing(_)), !s.wire.does(Need::Webhooks), "{outcome:?}");
    assert_eq!(s.carrier.shared_routes().is_some(), s.wire.does(Need::SharedRoutes));
}

pub async fn the_facets_are_those_of_the_carrier(s: &Subject) {
    for facet in Need::FACETS {
        assert_eq!(facet.is_met(&*s.carrier), s.wire.has.contains(facet), "{facet:?}");
    }
    assert_eq!(s.carrier.balance().await.unwrap().is_some(), s.wire.does(Need::Balance));
}

pub async fn a_number_is_offered_to_be_held_where_that_can_be(s: &Subject) {
    let Some(sales) = s.carrier.sales() else { return };
    s.stock(&[NUMBER]);
    let offers = sales.offers(&search(json!({ "country": "US" }))).await.unwrap();
    assert_eq!(offers.iter().any(|offer| offer.can_hold), s.carrier.holds().is_some());
}

pub async fn a_purchase_is_an_order_where_there_are_orders(s: &Subject) {
    let Some(sales) = s.carrier.sales() else { return };
    s.stock(&[NUMBER]);
    let bought = did(sales.purchase(&purchase(NUMBER)).await);
    s.has_bought(1).await;
    assert_eq!(matches!(bought, Bought::Ordered(_)), s.carrier.orders().is_some(), "{bought:?}");
}

/// How long a write lives that the carrier has sat on: our own wait at least.
pub async fn a_write_lives_longer_than_the_wait_for_it(s: &Subject) {
    let [patient, hurried] = [&s.carrier, &s.in_a_hurry()].map(|carrier| carrier.capabilities().write_lifetime);
    assert!(hurried >= Duration::from_secs(1) && patient > hurried, "{patient:?}, {hurried:?}");
}

pub async fn a_purchase_settles_later_than_any_request_lives_and_any_listing_lags(s: &Subject) {
    let Some(sales) = s.carrier.sales() else { return };
    let declared = s.declared();
    assert!(sales.settling() >= declared.write_lifetime + declared.listing_lag);
}
