//! A purchase without the carrier's own answer is unknown, whatever stands in the answer's place; and it is seen if it was made.

use std::sync::Arc;

use dialplane::{
    carrier::Carrier,
    sandbox::carrier::{Fault, Match},
};

use super::subject::{NUMBER, Subject, marker, number, purchase, unknown};

/// A number is bought, and the request meets a fault: nobody knows, it was sent once, and whether it was made can be seen.
async fn is_unknown(s: &Subject, carrier: &Arc<dyn Carrier>, fault: Fault, made: bool) {
    s.stock(&[NUMBER]);
    s.inject(Match::purchase(), fault);
    unknown(carrier.sales().unwrap().purchase(&purchase(NUMBER)).await);
    assert_eq!(s.purchases_sent(), 1, "it is sent once");
    s.has_bought(usize::from(made)).await;
    let wanted = number(NUMBER);
    let bears =
        |found: Option<&dialplane::api::purchase::Marker>| found == Some(&marker()) || s.carrier.marks().is_none();
    let orders = match s.carrier.orders() {
        Some(orders) => Some(orders.standing().await.unwrap()),
        None => None,
    };
    if made {
        // From the moment on that it was made: as an order, if not yet as a number.
        if let Some(orders) = orders {
            let order = orders.iter().find(|order| order.number == wanted).expect("it was ordered");
            assert!(bears(order.marker.as_ref()), "{order:?}");
        }
        assert!(bears(s.arrived(&wanted).await.marker.as_ref()));
    } else {
        assert_eq!((s.carrier.find(&wanted).await, orders.unwrap_or_default()), (Ok(None), vec![]));
    }
}

pub async fn a_purchase_is_unknown_after_a_5xx_that_did_nothing(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::ServerErrorBefore { status: 503 }, false).await;
}

pub async fn a_purchase_is_unknown_after_a_5xx_that_did_it(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::ServerErrorAfter { status: 500 }, true).await;
}

pub async fn a_purchase_is_unknown_if_it_was_lost(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::RequestLost, false).await;
}

pub async fn a_purchase_is_unknown_if_its_answer_was_lost(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::AnswerLost, true).await;
}

pub async fn a_purchase_is_unknown_if_it_is_applied_late(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::AppliedLate { ms: 50 }, true).await;
}

pub async fn a_purchase_is_unknown_if_it_is_never_answered(s: &Subject) {
    is_unknown(s, &s.in_a_hurry(), Fault::Hang, false).await;
}

pub async fn a_purchase_is_unknown_if_it_is_done_and_never_answered(s: &Subject) {
    is_unknown(s, &s.in_a_hurry(), Fault::HangAfter, true).await;
}

pub async fn a_purchase_is_unknown_if_its_answer_breaks_off(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::TornBody, true).await;
}

pub async fn a_purchase_is_unknown_if_its_answer_is_something_else(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::Rubbish, true).await;
}

/// A page of something on the way may stand in the place of an answer to what had been passed on.
async fn is_unknown_behind(s: &Subject, status: u16) {
    is_unknown(s, &s.carrier, Fault::Html { status }, false).await;
}

pub async fn a_purchase_is_unknown_behind_a_page_that_says_all_is_well(s: &Subject) {
    is_unknown_behind(s, 200).await;
}

pub async fn a_purchase_is_unknown_behind_a_page_that_says_it_is_forbidden(s: &Subject) {
    is_unknown_behind(s, 403).await;
}

pub async fn a_purchase_is_unknown_behind_a_page_that_says_it_is_not_there(s: &Subject) {
    is_unknown_behind(s, 404).await;
}

pub async fn a_purchase_is_unknown_behind_a_page_that_asks_for_money(s: &Subject) {
    is_unknown_behind(s, 402).await;
}

pub async fn a_purchase_is_unknown_behind_a_page_that_asks_to_wait(s: &Subject) {
    s.stock(&[NUMBER]);
    s.inject(Match::purchase(), Fault::Html { status: 429 });
    unknown(s.sales().purchase(&purchase(NUMBER)).await);
    assert_eq!(s.purchases_sent(), 1, "it is sent once");
}
