//! Where a number's traffic goes: set channel by channel, and seen as it was set.

use dialplane::{
    api::number::{BoundTo, Destination, Method, Route},
    carrier::{ErrorClass, NumberId},
    sandbox::carrier::{Kind, UnsetAnswer},
};

use super::subject::{NUMBER, OTHER, Subject, did, did_nothing, marker};

/// The channels of a route, as far as `part` names them.
fn part_of(route: &Route, part: &Route) -> Route {
    route
        .iter()
        .filter(|(channel, _)| part.contains_key(channel))
        .map(|(c, destination)| (*c, destination.clone()))
        .collect()
}

/// Sets a route; what is answered, found and in the carrier's books is that.
async fn set(s: &Subject, id: &NumberId, route: &Route) {
    let answered = did(s.carrier.set_route(id, route).await);
    let wanted = s.carrier.canonical(route.clone());
    assert_eq!(part_of(&answered.route, route), wanted, "answered");
    assert_eq!(part_of(&s.found(NUMBER).await.route, route), wanted, "found");
    assert!(s.goes_by(NUMBER, route), "in the books: {route:?}");
}

pub async fn what_is_set_is_what_goes_and_what_is_seen(s: &Subject) {
    let id = s.own(NUMBER);
    set(s, &id, &s.route("one")).await;
    set(s, &id, &s.route("two")).await;
}

pub async fn a_channel_that_is_not_named_is_left_alone(s: &Subject) {
    let id = s.own(NUMBER);
    let theirs = s.route("theirs");
    theirs.iter().for_each(|(channel, destination)| s.edit(NUMBER, *channel, destination));
    let ours = s.one_leg("ours");
    set(s, &id, &ours).await;
    for (channel, destination) in theirs {
        let expected = ours.get(&channel).unwrap_or(&destination).clone();
        assert!(s.goes_by(NUMBER, &[(channel, expected)].into()), "{channel}");
    }
}

pub async fn a_channel_is_cleared_alone(s: &Subject) {
    let id = s.own(NUMBER);
    for channel in s.channels() {
        let all = s.route("ours");
        set(s, &id, &all).await;
        set(s, &id, &[(*channel, Destination::default())].into()).await;
        let mut left = all;
        left.insert(*channel, Destination::default());
        assert!(s.goes_by(NUMBER, &left), "{channel}");
    }
}

pub async fn every_channel_is_cleared(s: &Subject) {
    let id = s.own(NUMBER);
    set(s, &id, &s.route("ours")).await;
    set(s, &id, &s.nowhere()).await;
    // And again, with nothing there.
    set(s, &id, &s.nowhere()).await;
}

pub async fn what_is_unset_looks_unset_however_it_is_answered(s: &Subject) {
    let id = s.own(NUMBER);
    for unset in [UnsetAnswer::Mixed, UnsetAnswer::Null, UnsetAnswer::Empty] {
        s.switch(|switches| switches.unset = unset);
        set(s, &id, &s.one_leg("ours")).await;
        set(s, &id, &s.nowhere()).await;
        assert!(s.found(NUMBER).await.route.values().all(Destination::is_empty), "{unset:?}");
    }
}

pub async fn canonical_is_idempotent_and_what_is_shown_is_canonical(s: &Subject) {
    let canonical = |route: &Route| s.carrier.canonical(route.clone());
    let spelled = |url: &str| Destination {
        url: Some(url.to_owned()),
        method: Method::Get,
        fallback_url: Some(" https://Fall.example:443".to_owned()),
        fallback_method: Method::Get,
        bound_to: Some(Box::new(BoundTo::new("ofTheFuture", "1"))),
    };
    let urls = ["https://Voice.example:443/+1/v?t=+%2b", " http://s/ ", "", "no url"];
    let odd = urls.map(|url| s.channels().iter().map(|channel| (*channel, spelled(url))).collect::<Route>());
    for route in odd.iter().chain([&s.route("ours"), &s.nowhere(), &Route::new()]) {
        assert_eq!(canonical(&canonical(route)), canonical(route), "{route:?}");
    }
    s.own(NUMBER);
    for route in [s.route("theirs"), s.nowhere()] {
        route.iter().for_each(|(channel, destination)| s.edit(NUMBER, *channel, destination));
        let seen = s.found(NUMBER).await.route;
        assert_eq!(canonical(&seen), seen);
    }
}

pub async fn the_same_again_changes_nothing(s: &Subject) {
    let id = s.own(NUMBER);
    let route = s.route("ours");
    set(s, &id, &route).await;
    s.sandbox.reset_ledger();
    set(s, &id, &route).await;
    let summary = s.sandbox.summary();
    assert_eq!(summary.writes, summary.idle_writes);
}

pub async fn what_others_set_is_seen(s: &Subject) {
    let id = s.own(NUMBER);
    set(s, &id, &s.route("ours")).await;
    for channel in s.channels() {
        let theirs = s.destination(*channel, "theirs");
        s.edit(NUMBER, *channel, &theirs);
        let route = s.found(NUMBER).await.route;
        assert_eq!(route[channel], s.carrier.canonical([(*channel, theirs)].into())[channel]);
    }
}

pub async fn a_route_leaves_the_marker_alone(s: &Subject) {
    let id = s.own(NUMBER);
    for written in [marker().as_str(), "Front desk"] {
        s.write_marker(NUMBER, written);
        set(s, &id, &s.route("ours")).await;
        assert_eq!(s.marked(NUMBER).as_deref(), s.wire.marker_field.map(|_| written));
    }
}

pub async fn a_route_that_names_nothing_is_not_sent(s: &Subject) {
    let id = s.own(NUMBER);
    let error = did_nothing(s.carrier.set_route(&id, &Route::new()).await);
    assert_eq!((error.class, s.asked()), (ErrorClass::Rejected, 0));
}

pub async fn a_route_of_a_number_that_is_gone_is_refused(s: &Subject) {
    let (id, route) = (s.own(NUMBER), s.one_leg("ours"));
    s.own(OTHER);
    s.sandbox.lose_number(NUMBER).unwrap();
    let error = did_nothing(s.carrier.set_route(&id, &route).await);
    assert_eq!((error.class, s.requests(Kind::RouteWrite).len()), (ErrorClass::NotFound, 1));
}
