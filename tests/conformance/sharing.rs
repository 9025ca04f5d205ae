//! What many numbers share as their route: found by its name, made once, changed by one request for each holder that differs.

use dialplane::{
    api::number::{Channel, Destination, Route},
    carrier::{ErrorClass, SharedRoute},
    sandbox::carrier::{Fault, Kind, Match, Rule},
};

use super::subject::{NUMBER, OTHER, Subject, did, place, unknown};

const NAME: &str = "dp1:prod:ringback-dental";

fn webhook(channel: Channel, name: &str) -> (Channel, Destination) {
    (channel, Destination { url: Some(format!("https://{name}.example/{channel}")), ..Destination::default() })
}

/// Somewhere for every channel that a number can be bound by.
fn webhooks(s: &Subject, name: &str) -> Route {
    s.carrier.canonical(s.channels().iter().map(|channel| webhook(*channel, name)).collect())
}

async fn seen(s: &Subject) -> SharedRoute {
    s.shared_route(NAME).await.unwrap()
}

async fn set(s: &Subject, current: &SharedRoute, wanted: &Route) -> SharedRoute {
    let set = did(s.sharing().set(NAME, current, wanted).await);
    assert_eq!(seen(s).await, set, "it is seen as it was answered");
    set
}

async fn made(s: &Subject) -> SharedRoute {
    set(s, &SharedRoute::default(), &webhooks(s, "one")).await
}

fn writes(s: &Subject) -> usize {
    s.requests(Kind::ApplicationWrite).len()
}

/// The first holder of it, by its id.
fn holder(shared: &SharedRoute) -> String {
    place(shared.bound.values().next().unwrap()).unwrap()
}

pub async fn a_shared_route_is_made_once_and_found_by_its_name(s: &Subject) {
    assert_eq!(seen(s).await, SharedRoute::default());
    let made = made(s).await;
    assert_eq!(made.webhooks, webhooks(s, "one"));
    assert_eq!(made.bound.keys().copied().collect::<Vec<_>>(), s.channels());
    assert_eq!(writes(s), made.bound.len());
    for other in ["dp1:prod:ringback-denta", "dp1:prod:ringback-dental2"] {
        assert_eq!(s.shared_route(other).await, Ok(SharedRoute::default()), "{other}");
    }
}

pub async fn a_shared_route_that_is_as_it_should_be_is_left_alone(s: &Subject) {
    let made = made(s).await;
    let before = writes(s);
    assert_eq!(set(s, &made, &webhooks(s, "one")).await, made);
    assert_eq!(writes(s), before);
}

pub async fn only_what_differs_is_changed_by_one_request(s: &Subject) {
    let mut now = made(s).await;
    for channel in s.channels() {
        let mut wanted = now.webhooks.clone();
        wanted.extend(s.carrier.canonical([webhook(*channel, "two")].into()));
        let before = writes(s);
        let changed = set(s, &now, &wanted).await;
        assert_eq!((&changed.bound, &changed.webhooks), (&now.bound, &wanted));
        assert_eq!(writes(s), before + 1, "{channel}");
        now = changed;
    }
}

pub async fn what_others_change_is_seen_and_put_back(s: &Subject) {
    let made = made(s).await;
    s.sandbox.edit_shared_route(&holder(&made), &[("voice_url", "https://elsewhere.example/")]).unwrap();
    let found = seen(s).await;
    assert_ne!(found.webhooks, made.webhooks);
    assert_eq!(set(s, &found, &made.webhooks).await, made);
}

pub async fn numbers_are_bound_to_it_and_follow_it(s: &Subject) {
    let shared = made(s).await;
    for number in [NUMBER, OTHER] {
        let bound = did(s.carrier.set_route(&s.own(number), &shared.bound).await);
        assert_eq!((&bound.route, s.goes_by(number, &shared.bound)), (&shared.bound, true));
    }
    let before = s.sandbox.ledger().writes();
    set(s, &shared, &webhooks(s, "two")).await;
    assert_eq!(s.sandbox.ledger().writes(), before, "no number is written when what they share is changed");
    assert_eq!(s.found(NUMBER).await.route, shared.bound);
}

pub async fn a_number_is_unbound_and_the_shared_route_stays(s: &Subject) {
    let shared = made(s).await;
    let id = s.own(NUMBER);
    did(s.carrier.set_route(&id, &shared.bound).await);
    did(s.carrier.set_route(&id, &s.nowhere()).await);
    assert!(s.goes_by(NUMBER, &s.nowhere()));
    assert_eq!(seen(s).await, shared);
}

pub async fn a_channel_that_is_not_wanted_is_not_made(s: &Subject) {
    let wanted: Route = webhooks(s, "one").into_iter().take(1).collect();
    let made = set(s, &SharedRoute::default(), &wanted).await;
    assert_eq!((made.bound.len(), &made.webhooks, writes(s)), (1, &wanted, 1));
}

pub async fn a_channel_that_is_no_longer_wanted_goes_nowhere_and_is_used_again(s: &Subject) {
    let made = made(s).await;
    let silent = set(s, &made, &Route::new()).await;
    assert_eq!((&silent.bound, silent.webhooks.len()), (&made.bound, 0), "numbers may name it still");
    assert_eq!(set(s, &silent, &Route::new()).await, silent);
    assert_eq!(set(s, &silent, &made.webhooks).await, made);
}

pub async fn one_whose_making_was_not_answered_is_found_and_not_made_again(s: &Subject) {
    let wanted = webhooks(s, "one");
    for (fault, sent) in [(Fault::AnswerLost, 1), (Fault::ServerErrorAfter { status: 500 }, 2)] {
        s.inject(Match::kind(Kind::ApplicationWrite), fault);
        let current = seen(s).await;
        unknown(s.sharing().set(NAME, &current, &wanted).await);
        assert_eq!(writes(s), sent, "it is sent once, and the rest is not begun");
        assert_eq!(seen(s).await.bound.len(), sent);
    }
    set(s, &seen(s).await, &wanted).await;
    assert_eq!(writes(s), s.channels().len(), "each was made once");
}

pub async fn a_list_that_is_torn_is_not_taken_for_none(s: &Subject) {
    made(s).await;
    for (fault, class) in [(Fault::EmptyPage, ErrorClass::Transient), (Fault::NotFound, ErrorClass::NotFound)] {
        s.sandbox.inject(Rule::new(Match::kind(Kind::Look), fault).always());
        assert_eq!(s.shared_route(NAME).await.unwrap_err().class, class);
        s.sandbox.clear_faults();
    }
}
