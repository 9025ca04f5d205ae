//! A carrier that keeps no marker on numbers: a person says whether one that nothing claims was bought for this identity before.

use std::time::Duration;

use dialplane::{
    api::{
        meta::{BUY_ANOTHER, NUMBER as SAID},
        number::E164,
    },
    plan::{AccountRef, Decision, Effect, Look, Purpose},
};

use super::{Deal, deal, purchase};
use crate::plan::scene::*;

/// Two that may have been bought for the object.
const LIKE_IT: [&str; 2] = ["+14155550001", "+14155550002"];

fn unclaimed(numbers: &[&str]) -> Deal {
    let numbers = numbers.iter().map(|number| number.parse().unwrap()).collect();
    deal().with(|d| {
        d.unclaimed = Some(numbers);
        d.scene.owned.marker = None;
    })
}

fn annotated(deal: Deal, name: &str, value: &str) -> Deal {
    deal.with(|d| {
        d.scene.number.metadata.annotations.get_or_insert_default().insert(name.into(), value.into());
    })
}

/// What the object is asked.
#[track_caller]
fn message(deal: &Deal) -> String {
    assert_eq!(deal.says(), "ConfirmPurchase");
    let Decision::Rest(rest) = deal.next() else { unreachable!() };
    let conditions = rest.status.unwrap().conditions;
    conditions.into_iter().find(|condition| condition.type_() == "Acquired").unwrap().message.into_owned()
}

/// The value that the message wants set to have another one bought.
fn value(deal: &Deal) -> String {
    message(deal).rsplit('"').nth(1).unwrap().to_owned()
}

/// Whether an attempt to buy is begun.
fn buys(deal: &Deal) -> bool {
    matches!(deal.next(), Decision::Act(Effect::WriteJournal(entry)) if entry.purpose == Purpose::Send)
}

#[test]
fn a_number_that_nothing_claims_is_neither_adopted_nor_bought_beside_until_a_person_says_so() {
    let asked = || unclaimed(&LIKE_IT);
    let adopted = annotated(asked(), SAID, LIKE_IT[1]).entry();
    assert_eq!((adopted.purpose, adopted.journal.spec.number.unwrap().as_str()), (Purpose::Settle, LIKE_IT[1]));
    assert!(buys(&annotated(asked(), BUY_ANOTHER, &value(&asked()))));
    assert!(buys(&unclaimed(&[])), "there is nothing to ask about");
    assert!(buys(&unclaimed(&["+442071230001"])), "it cannot be the one");
    assert!(buys(&unclaimed(&LIKE_IT).with(|d| d.unclaimed = None)), "a marker would tell");
}

#[test]
fn nobody_is_asked_before_a_listing_that_can_be_believed() {
    assert_eq!(unclaimed(&LIKE_IT).with(|d| d.marked = None).next(), Decision::Look(Look::Inventory));
    assert_eq!(unclaimed(&LIKE_IT).with(|d| d.seller.not_before = SECOND).says(), "PurchaseOutcomeUnknown");
}

#[test]
fn the_answer_counts_for_the_numbers_that_were_shown_and_for_no_other() {
    let said = value(&unclaimed(&LIKE_IT));
    let answered = |numbers: &[&str]| annotated(unclaimed(numbers), BUY_ANOTHER, &said);
    assert!(buys(&answered(&[LIKE_IT[1], LIKE_IT[0]])), "in whatever order they are listed");
    for others in [&LIKE_IT[..1], &[LIKE_IT[0], "+14155550003"], &[LIKE_IT[0], LIKE_IT[1], "+14155550003"]] {
        assert_ne!(value(&answered(others)), said);
    }
    assert_eq!(annotated(unclaimed(&LIKE_IT), BUY_ANOTHER, "true").says(), "ConfirmPurchase");
}

#[test]
fn what_the_account_of_another_namespace_owns_is_not_told() {
    let own = unclaimed(&LIKE_IT).with(|d| match &mut d.scene.account {
        AccountRef::Found(view) => view.key.namespace = "clinic".into(),
        _ => unreachable!(),
    });
    assert!(LIKE_IT.iter().all(|number| message(&own).contains(number)), "{}", message(&own));
    let foreign = own.with(|d| match &mut d.scene.account {
        AccountRef::Found(view) => view.key.namespace = "telephony".into(),
        _ => unreachable!(),
    });
    assert!(!LIKE_IT.iter().any(|number| message(&foreign).contains(number)), "{}", message(&foreign));
    assert!(message(&foreign).contains("2 numbers"));
}

#[test]
fn it_is_asked_about_those_that_the_wish_could_have_led_to() {
    let named = |number: &str| {
        let number: E164 = number.parse().unwrap();
        unclaimed(&LIKE_IT).with(|d| (purchase(d).search, purchase(d).number) = (None, Some(number.clone())))
    };
    assert!(
        matches!(named("+14155550009").next(), Decision::Look(Look::Offers(_))),
        "one that is named was not bought yet"
    );
    let elsewhere = "+12125550001";
    assert!(buys(&unclaimed(&[elsewhere])), "not by this area code");
    let best_effort = |d: &mut Deal| purchase(d).search.as_mut().unwrap().best_effort = true;
    assert_eq!(unclaimed(&[elsewhere]).with(best_effort).says(), "ConfirmPurchase", "which need not be had");
}

#[test]
fn a_journal_that_names_another_number_may_be_older_than_the_purchase() {
    // As a backup has it: what the journal names was not bought after all.
    let settled = |deal: Deal| {
        deal.with(|d| d.own = None).entered().with(|d| {
            d.own.as_mut().unwrap().settled_in = Duration::ZERO;
            (d.missing, d.orders) = (true, Some(vec![]));
        })
    };
    let restored = || settled(deal().entered().claimed()).with(|d| d.unclaimed = unclaimed(&LIKE_IT).unclaimed);
    assert_eq!(restored().says(), "ConfirmPurchase");
    let adopted = annotated(restored(), SAID, LIKE_IT[0]).entry();
    assert_eq!((adopted.purpose, adopted.journal.spec.number.unwrap().as_str()), (Purpose::Settle, LIKE_IT[0]));
}

#[test]
fn what_the_journal_names_and_nothing_claims_was_not_sent_for_and_is_asked_about() {
    let there = || {
        deal().entered().with(|d| d.own = None).entered().with(|d| {
            d.own.as_mut().unwrap().settled_in = Duration::ZERO;
            (d.seen, d.orders, d.scene.owned.marker) = (true, Some(vec![]), None);
            d.unclaimed = Some(vec![e164()]);
        })
    };
    assert_eq!(there().says(), "ConfirmPurchase");
    let said = annotated(there(), SAID, NUMBER).next();
    assert!(matches!(said, Decision::Act(Effect::CreateClaim(_))), "{said:?}");
    let unread = there().with(|d| d.claim_read = false).next();
    assert_eq!(unread, Decision::Look(Look::Claim(e164())), "the claim may be a moment old");
}
