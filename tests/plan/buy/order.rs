//! Orders that the carrier has taken and works on: waited for, found to have failed, cancelled with their object.

use std::time::Duration;

use dialplane::{
    api::purchase::Marker,
    carrier::{ErrorClass, Order},
    plan::{Decision, Effect, Look, Purpose, Rest, SendOutcome},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Deal, deal, identity, restored};
use crate::plan::scene::*;

fn order() -> Order {
    Order { id: "order-1".into(), number: e164(), marker: None, pending: true, lacks_papers: false }
}

/// The carrier has taken the order, and the number is not there yet.
fn ordered() -> Deal {
    deal().entered().claimed().tried(SendOutcome::Ordered(order())).with(|d| d.missing = true)
}

/// Nobody remembers that, and it is looked for until nothing can come about any more.
fn fenced() -> Deal {
    ordered().with(|d| d.own = None).entered()
}

/// And that is over, and the order still stood in the listing that all share.
fn settled() -> Deal {
    fenced().with(|d| {
        d.own.as_mut().unwrap().settled_in = Duration::ZERO;
        d.marked = Some(vec![e164()]);
    })
}

fn with_orders(deal: Deal, orders: &[Order]) -> Deal {
    deal.with(|d| d.orders = Some(orders.to_vec()))
}

fn deleted(deal: Deal) -> Deal {
    deal.with(|d| d.scene.number.metadata.deletion_timestamp = Some(Time(now())))
}

fn is_cancelled(deal: &Deal) -> bool {
    matches!(deal.next(), Decision::Act(Effect::CancelOrder(_, it)) if *it == order())
}

#[test]
fn an_order_is_given_a_moment_before_its_number_is_looked_for_so_that_one_look_serves_several() {
    let ordered = |age| {
        deal()
            .entered()
            .claimed()
            .tried(SendOutcome::Ordered(order()))
            .with(|d| d.own.as_mut().unwrap().known_for = Duration::from_millis(age))
    };
    let waits = Rest { status: None, again: Some(Duration::from_millis(200)) };
    assert_eq!(ordered(100).next(), Decision::Rest(waits));
    assert!(matches!(ordered(300).next(), Decision::Look(Look::Number { .. })));
    let seen = ordered(100).with(|d| d.seen = true).next();
    assert!(matches!(seen, Decision::Rest(rest) if rest.status.as_ref().unwrap().number.is_some()));
}

#[test]
fn an_order_that_was_taken_is_waited_for_and_after_a_while_it_is_made_sure_of() {
    assert_eq!(ordered().says(), "OrderPending");
    assert!(matches!(ordered().with(|d| d.missing = false).next(), Decision::Look(Look::Number { .. })));
    let long = ordered().with(|d| d.own.as_mut().unwrap().settled_in = Duration::ZERO).entry();
    assert_eq!((long.purpose, long.journal.spec.number), (Purpose::Settle, Some(e164())));
}

#[test]
fn an_order_that_lacks_papers_ends_in_the_condition_that_says_so() {
    let lacking = || Order { lacks_papers: true, ..order() };
    assert_eq!(ordered().tried(SendOutcome::Ordered(lacking())).says(), "RegulatoryRequired");
    assert_eq!(with_orders(fenced(), &[lacking()]).says(), "RegulatoryRequired", "after a restart too");
    assert_eq!(with_orders(settled(), &[lacking()]).says(), "RegulatoryRequired");
}

#[test]
fn an_order_that_stands_is_waited_for_and_one_that_failed_bought_nothing() {
    assert_eq!(settled().next(), Decision::Look(Look::Orders), "the listing may be an old one");
    for waiting in [fenced(), settled()] {
        assert_eq!(with_orders(waiting, &[order()]).says(), "OrderPending");
    }
    assert_eq!(with_orders(fenced(), &[]).says(), "PurchaseOutcomeUnknown");
    let next = with_orders(settled(), &[]).with(|d| d.marked = Some(vec![])).entry();
    assert_eq!((next.purpose, next.journal.spec.attempt, next.clean), (Purpose::Send, 2, false));
}

#[test]
fn an_order_goes_with_its_object_while_it_is_pending_and_is_looked_for_afterwards() {
    assert!(is_cancelled(&deleted(ordered())));
    let asked = deleted(ordered().tried(SendOutcome::Unknown));
    assert_eq!(asked.entry().purpose, Purpose::Settle, "what became of it is not known");
    assert_eq!(deleted(fenced()).next(), Decision::Look(Look::Orders));
    assert!(is_cancelled(&deleted(with_orders(fenced(), &[order()]))));
    assert_eq!(deleted(with_orders(fenced(), &[Order { pending: false, ..order() }])).says(), "OrderPending");
    assert_eq!(deleted(with_orders(fenced(), &[])).says(), "PurchaseOutcomeUnknown");
    let gone = deleted(with_orders(settled(), &[])).with(|d| d.marked = Some(vec![])).entry();
    assert_eq!((gone.purpose, gone.journal.spec.number, gone.journal.spec.hold), (Purpose::Settle, None, None));
}

#[test]
fn it_is_asked_once_and_again_only_where_that_failed_and_never_by_what_keeps_its_hands_off() {
    let asked = || deleted(with_orders(fenced().tried(SendOutcome::Unknown), &[order()]));
    assert_eq!(asked().says(), "OrderPending");
    let failed = |wait| {
        let trouble = dialplane::plan::Trouble { purchase: true, ..trouble(ErrorClass::Conflict, 1, wait) };
        asked().with(|d| d.scene.trouble = Some(trouble))
    };
    assert_eq!(failed(30).says(), "OrderPending");
    assert!(is_cancelled(&failed(0)));
    assert_eq!(deleted(ordered()).with(|d| d.scene.number.spec.suspend = true).says(), "OrderPending");
    assert_eq!(ordered().says(), "OrderPending", "nor of an object that lives");
}

#[test]
fn what_another_installation_ordered_for_the_identity_is_waited_for_and_never_cancelled() {
    let marker = || Some(Marker::new("old", &identity()));
    let order = |pending| Order { marker: marker(), pending, ..order() };
    let waiting = || with_orders(settled(), &[order(true)]).with(|d| d.marked = Some(vec![]));
    assert_eq!(waiting().says(), "OrderPending", "nothing is bought beside it");
    assert_eq!(deleted(waiting()).says(), "OrderPending");
    assert_eq!(with_orders(waiting(), &[order(false)]).says(), "OrderPending", "the number is not listed yet");
    // Once it is there a person is asked, and an object goes without taking it off the record.
    assert_eq!(restored().with(|d| d.orders = Some(vec![order(false)])).says(), "MarkerConflict");
    assert!(matches!(deleted(restored()).next(), Decision::Act(Effect::RemoveFinalizer(_))));
}
