//! What takes the calls of a number before its route does: seen beside the listings, never changed, and no error where it cannot be seen.

use dialplane::{
    carrier::{Calling, ErrorClass},
    sandbox::carrier::{Entry, Match, Rule},
};

use super::{
    subject::{NUMBER, OTHER, Subject, did},
    wire::Shadow,
};
use crate::support::eventually;

fn shadow(s: &Subject) -> &'static Shadow {
    s.wire.shadow.as_ref().expect("the group needs it")
}

/// A number with a route for calls.
async fn routed(s: &Subject, number: &str) {
    let id = s.own(number);
    did(s.carrier.set_route(&id, &s.one_leg("ours")).await);
}

/// What was asked about it.
fn looks(s: &Subject) -> Vec<Entry> {
    let path = shadow(s).path;
    s.sandbox.ledger().entries().iter().filter(|entry| entry.path.starts_with(path)).cloned().collect()
}

/// Who gets the calls to the number, by one listing.
async fn calling(s: &Subject) -> Calling {
    let listed = s.carrier.list().await.unwrap();
    listed.into_iter().find(|owned| owned.number.as_str() == NUMBER).expect("it is listed").calling
}

/// Lists until it is known.
async fn known(s: &Subject) -> Calling {
    eventually("who gets the calls is known", async || {
        let calling = calling(s).await;
        (calling != Calling::Unseen).then_some(calling)
    })
    .await
}

pub async fn calls_that_go_elsewhere_are_seen_and_left_alone(s: &Subject) {
    routed(s, NUMBER).await;
    (shadow(s).cast)(&s.sandbox, NUMBER);
    let before = s.sandbox.number(NUMBER);
    assert_eq!(known(s).await, shadow(s).seen());
    assert_eq!(s.sandbox.number(NUMBER), before);
    assert!(looks(s).iter().all(|entry| entry.method == "GET"), "it is only read");
}

pub async fn calls_that_go_by_the_route_are_seen_to(s: &Subject) {
    routed(s, NUMBER).await;
    s.own(OTHER);
    (shadow(s).cast)(&s.sandbox, OTHER);
    assert_eq!(known(s).await, Calling::Number);
}

/// However it is refused, the listing is whole and the number's route is seen.
async fn is_unseen(s: &Subject, class: ErrorClass) {
    routed(s, NUMBER).await;
    (shadow(s).cast)(&s.sandbox, NUMBER);
    let path = Match::path(&format!("{}*", shadow(s).path));
    s.sandbox.inject(Rule::new(path, s.refusal(class)).always());
    calling(s).await;
    eventually("it was asked", async || (!looks(s).is_empty()).then_some(())).await;
    for _ in 0..3 {
        assert_eq!(calling(s).await, Calling::Unseen);
    }
    assert!(s.goes_by(NUMBER, &s.found(NUMBER).await.route));
    assert_eq!(looks(s).len(), 1, "whoever may not ask does not ask again and again");
}

pub async fn what_may_not_be_read_is_unseen_and_no_error(s: &Subject) {
    is_unseen(s, ErrorClass::Forbidden).await;
}

pub async fn what_is_not_there_to_be_read_is_unseen_and_no_error(s: &Subject) {
    is_unseen(s, ErrorClass::NotFound).await;
}

pub async fn it_is_read_rarely(s: &Subject) {
    routed(s, NUMBER).await;
    known(s).await;
    let asked = looks(s).len();
    for _ in 0..5 {
        assert_eq!(calling(s).await, Calling::Number);
    }
    assert_eq!((asked, looks(s).len()), (1, 1));
}
