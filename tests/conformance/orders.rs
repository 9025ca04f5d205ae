//! Purchases that are accepted long before they are finished: an order is not a number, and not nothing either.

use dialplane::{
    carrier::{Bought, ErrorClass, Order},
    sandbox::carrier::{Fault, Kind, Match, OrderEnd, Rule},
};

use super::subject::{NUMBER, OTHER, Subject, did, did_nothing, marker, number, purchase, unknown};

/// An order that nobody decides by himself.
async fn ordered(s: &Subject) -> Order {
    s.switch(|switches| (switches.telnyx.order_end, switches.telnyx.pending_listed) = (OrderEnd::Never, true));
    s.stock(&[NUMBER]);
    match did(s.sales().purchase(&purchase(NUMBER)).await) {
        Bought::Ordered(order) => order,
        Bought::Owned(owned) => panic!("it is not finished: {owned:?}"),
    }
}

pub async fn a_pending_order_is_no_number_and_bears_the_marker(s: &Subject) {
    let order = ordered(s).await;
    s.has_bought(1).await;
    assert_eq!((order.number.as_str(), &order.marker, order.pending), (NUMBER, &Some(marker()), true));
    assert_eq!(s.orders().standing().await, Ok(vec![order]));
    assert_eq!((s.carrier.find(&number(NUMBER)).await, s.carrier.list().await), (Ok(None), Ok(vec![])));
}

pub async fn an_order_that_succeeds_is_a_number_and_stays_listed(s: &Subject) {
    let order = ordered(s).await;
    s.sandbox.finish_order(NUMBER, OrderEnd::Success).unwrap();
    s.has_bought(1).await;
    assert_eq!(s.found(NUMBER).await.marker, Some(marker()));
    let done = Order { pending: false, ..order };
    assert_eq!(s.orders().standing().await, Ok(vec![done]), "the list of numbers may lag behind");
}

pub async fn an_order_that_fails_is_none(s: &Subject) {
    ordered(s).await;
    s.sandbox.finish_order(NUMBER, OrderEnd::Failure).unwrap();
    assert_eq!((s.orders().standing().await, s.carrier.find(&number(NUMBER)).await), (Ok(vec![]), Ok(None)));
}

pub async fn an_order_that_fails_at_once_did_nothing(s: &Subject) {
    s.stock(&[NUMBER]);
    for end in [OrderEnd::Failure, OrderEnd::Cancelled] {
        s.switch(|switches| (switches.telnyx.order_ms, switches.telnyx.order_end) = (0, end));
        assert_eq!(did_nothing(s.sales().purchase(&purchase(NUMBER)).await).class, ErrorClass::Unavailable);
        assert_eq!(s.orders().standing().await, Ok(vec![]));
    }
}

pub async fn an_order_that_never_ends_stays_listed(s: &Subject) {
    let order = ordered(s).await;
    s.has_bought(1).await;
    s.sandbox.finish_order(NUMBER, OrderEnd::Never).unwrap();
    assert_eq!(s.orders().standing().await, Ok(vec![order]));
}

pub async fn a_pending_order_is_cancelled_and_is_none(s: &Subject) {
    let order = ordered(s).await;
    did(s.orders().cancel(&order).await);
    assert_eq!((s.orders().standing().await, s.carrier.find(&number(NUMBER)).await), (Ok(vec![]), Ok(None)));
}

pub async fn an_order_that_is_over_is_not_cancelled(s: &Subject) {
    let order = ordered(s).await;
    s.sandbox.finish_order(NUMBER, OrderEnd::Success).unwrap();
    s.has_bought(1).await;
    assert_eq!(did_nothing(s.orders().cancel(&order).await).class, ErrorClass::Conflict);
    assert_eq!(s.listed().await, [NUMBER]);
}

pub async fn a_cancellation_whose_answer_was_lost_is_unknown(s: &Subject) {
    let order = ordered(s).await;
    s.inject(Match::kind(Kind::OrderWrite), Fault::AnswerLost);
    unknown(s.orders().cancel(&order).await);
    assert_eq!(s.requests(Kind::OrderWrite).len(), 1, "it is sent once");
    assert_eq!(s.orders().standing().await, Ok(vec![]));
}

pub async fn a_number_that_is_ordered_already_is_not_ordered_again(s: &Subject) {
    let order = ordered(s).await;
    s.has_bought(1).await;
    assert_eq!(did_nothing(s.sales().purchase(&purchase(NUMBER)).await).class, ErrorClass::Unavailable);
    assert_eq!(s.orders().standing().await, Ok(vec![order]));
}

pub async fn a_list_of_orders_that_is_torn_is_an_error(s: &Subject) {
    s.stock(&[NUMBER, OTHER]);
    s.buy(&purchase(NUMBER)).await;
    s.buy(&purchase(OTHER)).await;
    s.has_bought(2).await;
    for fault in [Fault::TornPage, Fault::EmptyPage] {
        s.sandbox.inject(Rule::new(Match::kind(Kind::Look), fault).always());
        assert_eq!(s.orders().standing().await.unwrap_err().class, ErrorClass::Transient);
        s.sandbox.clear_faults();
    }
}

pub async fn a_404_is_no_empty_list_of_orders(s: &Subject) {
    s.inject(Match::kind(Kind::Look), Fault::NotFound);
    assert_eq!(s.orders().standing().await.unwrap_err().class, ErrorClass::NotFound);
}
