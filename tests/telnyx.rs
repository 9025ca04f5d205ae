//! What only Telnyx has, against its simulated carrier: what holds for every carrier is [shown for all](crate::conformance).

mod buying;
mod opening;
mod sharing;

use dialplane::{
    api::{
        number::{Channel, Destination, Route},
        purchase::Marker,
    },
    carrier::{ErrorClass, Messaging},
    sandbox::carrier::{ConnectionClearing, Fault, Kind, Match},
};

use crate::conformance::{
    subject::{NUMBER, Subject, did, did_nothing, marker, number, unknown},
    wire::telnyx::{WIRE, bound},
};

fn subject() -> Subject {
    WIRE.subject()
}

fn to_application(id: &str) -> Route {
    [(Channel::Voice, bound("connectionId", id))].into()
}

fn to_profile(id: &str) -> Route {
    [(Channel::Sms, bound("messagingProfileId", id))].into()
}

#[tokio::test]
async fn what_is_not_the_accounts_is_listed_and_not_owned() {
    let s = subject();
    s.own(NUMBER);
    for (status, owned) in [
        ("active", true),
        ("emergency-only", true),
        ("port-out-pending", true),
        ("ported-out", false),
        ("deleted", false),
    ] {
        s.sandbox.edit(NUMBER, &[("status", status)]).unwrap();
        assert_eq!(s.listed().await.len(), usize::from(owned), "{status}");
        assert_eq!(s.carrier.find(&number(NUMBER)).await.unwrap().is_some(), owned, "{status}");
    }
}

#[tokio::test]
async fn a_route_is_one_request_for_each_channel_and_holds_no_urls() {
    let s = subject();
    let id = s.own(NUMBER);
    let answered = did(s.carrier.set_route(&id, &s.route("ours")).await);
    assert_eq!((answered.messaging, s.requests(Kind::RouteWrite).len()), (Messaging::Number, 2));
    let url = Destination { url: Some("https://a.example/".into()), ..Destination::default() };
    let beside = Destination { url: url.url.clone(), ..s.destination(Channel::Voice, "ours") };
    for destination in [url, beside, s.destination(Channel::Sms, "ours")] {
        let error = did_nothing(s.carrier.set_route(&id, &[(Channel::Voice, destination)].into()).await);
        assert_eq!(error.class, ErrorClass::Rejected);
    }
    assert_eq!(s.requests(Kind::RouteWrite).len(), 2, "what cannot be set is not sent");
}

#[tokio::test]
async fn a_number_is_taken_off_its_application_in_whichever_way_the_carrier_knows() {
    use ConnectionClearing::{Either, Empty, Neither, Null};
    for clearing in [Either, Empty, Null, Neither] {
        let s = subject();
        let (id, ours) = (s.own(NUMBER), s.route("ours"));
        s.switch(|switches| switches.telnyx.connection_clearing = clearing);
        // One that is bound to nothing needs no clearing.
        did(s.carrier.set_route(&id, &s.nowhere()).await);
        did(s.carrier.set_route(&id, &ours).await);
        let outcome = s.carrier.set_route(&id, &s.nowhere()).await;
        if clearing == Neither {
            let error = did_nothing(outcome);
            assert_eq!(error.class, ErrorClass::Rejected);
            assert!(error.text.contains("remove it in Mission Control"), "{error}");
            assert!(s.goes_by(NUMBER, &ours), "nothing was done");
        } else {
            assert_eq!(did(outcome).route, s.nowhere(), "{clearing:?}");
            assert!(s.goes_by(NUMBER, &s.nowhere()), "{clearing:?}");
        }
    }
}

#[tokio::test]
async fn a_profile_that_lags_is_shown_as_it_was_set_and_one_that_is_not_known_is_not_taken_for_none() {
    let s = subject();
    let id = s.own(NUMBER);
    let sms = s.destination(Channel::Sms, "ours");
    s.switch(|switches| switches.telnyx.messaging_lag_ms = 60_000);
    let answered = did(s.carrier.set_route(&id, &[(Channel::Sms, sms.clone())].into()).await);
    assert_eq!(answered.route[&Channel::Sms], sms);
    s.switch(|switches| switches.telnyx.messaging_lag_ms = 0);
    s.switch(|switches| switches.telnyx.messaging_unavailable = true);
    for error in [s.carrier.list().await.unwrap_err(), s.carrier.find(&number(NUMBER)).await.unwrap_err()] {
        assert_eq!(error.class, ErrorClass::Transient);
        assert!(error.text.contains("messaging profile"), "{error}");
    }
    assert_eq!(s.sandbox.summary().statuses.get(&503), None, "the carrier is not unwell altogether");
}

#[tokio::test]
async fn a_route_that_is_half_done_is_not_called_done() {
    for fault in
        [Fault::Refuse { status: 422, code: 85005 }, Fault::ServerErrorBefore { status: 503 }, Fault::AnswerLost]
    {
        let s = subject();
        let (id, ours) = (s.own(NUMBER), s.route("ours"));
        s.inject(Match::path("*/messaging"), fault);
        unknown(s.carrier.set_route(&id, &ours).await);
        assert!(s.goes_by(NUMBER, &ours.into_iter().take(1).collect()));
    }
}

#[tokio::test]
async fn a_marker_is_written_beside_everybody_elses_tags_and_read_from_either_place() {
    let s = subject();
    let id = s.own(NUMBER);
    let [old, theirs] = [Marker::new("test", "old"), Marker::new("another", "theirs")];
    let tags = serde_json::json!(["billing", old.as_str(), theirs.as_str()]).to_string();
    s.sandbox.edit(NUMBER, &[("tags", &tags), ("customer_reference", "Order 7")]).unwrap();
    assert_eq!(s.found(NUMBER).await.marker, Some(old));
    assert_eq!(did(s.marks().mark(&id, &marker()).await).marker, Some(marker()));
    let written = serde_json::json!(["billing", theirs.as_str(), marker().as_str()]);
    assert_eq!(s.sandbox.number(NUMBER).unwrap()["tags"], written);
    for (tags, reference, seen) in
        [(marker().as_str(), "", Some(marker())), ("", marker().as_str(), Some(marker())), ("", "", None)]
    {
        let tags = serde_json::json!([tags]).to_string();
        s.sandbox.edit(NUMBER, &[("tags", &tags), ("customer_reference", reference)]).unwrap();
        assert_eq!(s.found(NUMBER).await.marker, seen);
    }
}
