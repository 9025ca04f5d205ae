//! All numbers of an account, or an error: never a part, and never none in the place of an error.

use std::collections::BTreeSet;

use dialplane::{
    carrier::ErrorClass,
    sandbox::carrier::{Fault, Match, Rule},
};

use super::subject::{NUMBER, OTHER, Subject};
use crate::support::eventually;

/// More numbers than fit on two pages. The third has some, since not every carrier tells a page of one from a page of none.
fn fill(s: &Subject) -> usize {
    // Holding so many rows against the documents takes its time.
    s.switch(|switches| switches.record_bodies = false);
    let many = 2 * s.wire.page + 3;
    (0..many).for_each(|line| drop(s.own(&format!("+1415555{line:04}"))));
    many
}

async fn fails(s: &Subject, rule: Rule, class: ErrorClass) {
    let name = rule.fault.name();
    s.sandbox.inject(rule);
    let listed = s.carrier.list().await.map(|numbers| numbers.len());
    assert_eq!(listed.map_err(|error| error.class), Err(class), "{name}");
    s.sandbox.clear_faults();
}

pub async fn an_account_without_numbers_has_none(s: &Subject) {
    assert_eq!(s.carrier.list().await, Ok(vec![]));
}

pub async fn every_number_is_listed_once_over_many_pages(s: &Subject) {
    let many = fill(s);
    for offset_pages in [false, true] {
        s.switch(|switches| switches.offset_pages = offset_pages);
        let listed = s.listed().await;
        assert_eq!((listed.len(), listed.iter().collect::<BTreeSet<_>>().len()), (many, many));
    }
    assert_eq!(s.sandbox.ledger().lists(), 2 * 3, "as few pages as there can be");
}

pub async fn a_torn_page_is_an_error_and_no_part(s: &Subject) {
    // A carrier may count one more than there are.
    (0..4).for_each(|line| drop(s.own(&format!("+1415555010{line}"))));
    fails(s, Rule::new(Match::list(), Fault::TornPage).always(), ErrorClass::Transient).await;
}

pub async fn a_page_torn_among_many_is_an_error_and_no_part(s: &Subject) {
    fill(s);
    for page in 0..3 {
        fails(s, Rule::new(Match::list(), Fault::TornPage).skip(page), ErrorClass::Transient).await;
    }
}

pub async fn a_page_emptied_among_many_is_an_error_and_no_part(s: &Subject) {
    fill(s);
    for page in 1..3 {
        fails(s, Rule::new(Match::list(), Fault::EmptyPage).skip(page), ErrorClass::Transient).await;
    }
}

pub async fn a_page_that_fails_among_many_is_an_error_and_no_part(s: &Subject) {
    fill(s);
    fails(s, Rule::new(Match::list(), Fault::NotFound).skip(1), ErrorClass::NotFound).await;
    fails(s, Rule::new(Match::list(), Fault::Unauthorized).skip(2), ErrorClass::Unauthorized).await;
}

pub async fn numbers_that_go_meanwhile_hide_no_others(s: &Subject) {
    fill(s);
    // One of the first page goes while the second is asked for.
    s.sandbox.inject(Rule::new(Match::list(), Fault::Slow { ms: 200 }).skip(1));
    let lose = async {
        eventually("the second page is asked for", async || (s.sandbox.ledger().lists() == 2).then_some(())).await;
        s.sandbox.lose_number("+14155550001").unwrap();
    };
    let (listed, ()) = tokio::join!(s.carrier.list(), lose);
    let left = s.listed().await;
    if let Ok(listed) = listed {
        let seen: BTreeSet<_> = listed.iter().map(|owned| owned.number.as_str()).collect();
        let hidden: Vec<_> = left.iter().filter(|number| !seen.contains(number.as_str())).collect();
        assert!(hidden.is_empty(), "{hidden:?}");
    }
    assert!(!left.contains(&"+14155550001".to_owned()));
}

pub async fn a_listing_that_lags_is_shown_as_it_is(s: &Subject) {
    s.own(NUMBER);
    s.own(OTHER);
    s.sandbox.lose_number(NUMBER).unwrap();
    s.inject(Match::list(), Fault::LagWrites { writes: 1 });
    assert_eq!(s.listed().await, [NUMBER, OTHER], "that it lags is for whoever compares it with what was done");
    assert_eq!(s.listed().await, [OTHER]);
}

async fn is_no_empty_list(s: &Subject, fault: Fault, class: ErrorClass) {
    s.own(NUMBER);
    fails(s, Rule::new(Match::list(), fault).always(), class).await;
}

pub async fn a_404_is_no_empty_list(s: &Subject) {
    is_no_empty_list(s, Fault::NotFound, ErrorClass::NotFound).await;
}

pub async fn a_401_is_no_empty_list(s: &Subject) {
    is_no_empty_list(s, Fault::Unauthorized, ErrorClass::Unauthorized).await;
}

pub async fn a_refusal_is_no_empty_list(s: &Subject) {
    is_no_empty_list(s, s.refusal(ErrorClass::Unknown), ErrorClass::Unknown).await;
}

pub async fn a_page_of_something_on_the_way_is_no_empty_list(s: &Subject) {
    is_no_empty_list(s, Fault::Html { status: 200 }, ErrorClass::Transient).await;
}

pub async fn an_answer_that_breaks_off_is_no_empty_list(s: &Subject) {
    is_no_empty_list(s, Fault::TornBody, ErrorClass::Transient).await;
}

pub async fn an_answer_that_is_something_else_is_no_empty_list(s: &Subject) {
    is_no_empty_list(s, Fault::Rubbish, ErrorClass::Transient).await;
}

pub async fn numbers_of_other_accounts_are_not_listed(s: &Subject) {
    s.own(NUMBER);
    let (account, ..) = s.stranger();
    s.give(&account, OTHER);
    assert_eq!(s.listed().await, [NUMBER]);
}
