//! A write is sent once. It is not called undone that may have been done, nor done that was not.

use std::{sync::Arc, time::Duration};

use dialplane::{
    api::number::Destination,
    carrier::{Carrier, ErrorClass},
    sandbox::carrier::{Fault, Kind, Match},
};

use super::{
    subject::{NUMBER, Subject, did_nothing, unknown},
    wire::refuse,
};
use crate::support::eventually;

/// A channel is set and meets a fault: what is concluded is that nobody knows, and what happened can be seen afterwards. Each
/// channel by itself, since not every carrier sets all of them in one place.
async fn is_unknown(s: &Subject, carrier: &Arc<dyn Carrier>, fault: Fault, applied: bool) {
    let each = s.channels().iter().enumerate().map(async |(line, channel)| {
        let text = format!("+1415555010{line}");
        let (id, destination) = (s.own(&text), s.destination(*channel, "ours"));
        s.inject(Match::route_write().number(&text), fault.clone());
        let outcome = carrier.set_route(&id, &[(*channel, destination.clone())].into()).await;
        assert_eq!(unknown(outcome).class, ErrorClass::Transient);
        let sent = s.requests(Kind::RouteWrite).into_iter().filter(|write| write.number.as_deref() == Some(&*text));
        assert_eq!(sent.count(), 1, "it is sent once");
        let expected = [(*channel, if applied { destination } else { Destination::default() })].into();
        eventually("it is as it was left", async || s.goes_by(&text, &expected).then_some(())).await;
        assert_eq!(s.found(&text).await.route[channel].is_empty(), !applied);
    });
    futures::future::join_all(each).await;
}

pub async fn a_write_is_unknown_after_a_5xx_that_did_nothing(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::ServerErrorBefore { status: 503 }, false).await;
}

pub async fn a_write_is_unknown_after_a_5xx_that_did_it(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::ServerErrorAfter { status: 500 }, true).await;
}

pub async fn a_write_is_unknown_if_it_was_lost(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::RequestLost, false).await;
}

pub async fn a_write_is_unknown_if_its_answer_was_lost(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::AnswerLost, true).await;
}

pub async fn a_write_is_unknown_if_it_is_applied_late(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::AppliedLate { ms: 50 }, true).await;
}

pub async fn a_write_is_unknown_if_it_is_never_answered(s: &Subject) {
    is_unknown(s, &s.in_a_hurry(), Fault::Hang, false).await;
}

pub async fn a_write_is_unknown_if_it_is_done_and_never_answered(s: &Subject) {
    is_unknown(s, &s.in_a_hurry(), Fault::HangAfter, true).await;
}

pub async fn a_write_is_unknown_if_the_carrier_is_too_slow(s: &Subject) {
    is_unknown(s, &s.in_a_hurry(), Fault::Slow { ms: 2000 }, true).await;
}

pub async fn a_write_is_unknown_if_its_answer_breaks_off(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::TornBody, true).await;
}

pub async fn a_write_is_unknown_if_its_answer_is_something_else(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::Rubbish, true).await;
}

pub async fn a_write_is_unknown_behind_a_page_that_says_all_is_well(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::Html { status: 200 }, false).await;
}

pub async fn a_write_is_unknown_behind_a_page_that_says_nothing_is(s: &Subject) {
    is_unknown(s, &s.carrier, Fault::Html { status: 502 }, false).await;
}

pub async fn a_write_that_is_throttled_did_nothing_and_says_how_long_to_wait(s: &Subject) {
    let (id, route) = (s.own(NUMBER), s.one_leg("ours"));
    s.inject(Match::route_write(), Fault::TooMany { retry_after: Some(7) });
    let error = did_nothing(s.carrier.set_route(&id, &route).await);
    assert_eq!((error.class, error.retry_after), (ErrorClass::Throttled, Some(Duration::from_secs(7))));
    assert_eq!(s.requests(Kind::RouteWrite).len(), 1, "it is sent once");
    assert!(s.goes_by(NUMBER, &s.nowhere()));
}

pub async fn a_write_that_is_refused_did_nothing_and_has_the_class_of_it(s: &Subject) {
    let (id, route) = (s.own(NUMBER), s.one_leg("ours"));
    for (class, status, code) in s.wire.refusals {
        s.sandbox.reset_ledger();
        s.inject(Match::route_write(), refuse(*status, code));
        // One that was told to wait would wait.
        let error = did_nothing(s.open(s.token()).set_route(&id, &route).await);
        assert_eq!((error.class, error.has_code(code)), (*class, true));
        assert_eq!(s.requests(Kind::RouteWrite).len(), 1, "{code}: it is sent once");
    }
    assert!(s.goes_by(NUMBER, &s.nowhere()));
}
