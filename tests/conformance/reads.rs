//! Reads are tried again where that can help, and no longer.

use dialplane::{
    carrier::ErrorClass,
    sandbox::carrier::{Fault, Kind, Match, Rule},
};

use super::subject::{NUMBER, Subject, number};

async fn survives(s: &Subject, fault: Fault) {
    s.own(NUMBER);
    s.sandbox.inject(Rule::new(Match::list(), fault).times(2));
    assert_eq!(s.listed().await, [NUMBER]);
    assert_eq!(s.requests(Kind::List).len(), 3);
}

pub async fn a_read_survives_a_carrier_that_is_unwell(s: &Subject) {
    survives(s, Fault::ServerErrorBefore { status: 503 }).await;
}

pub async fn a_read_survives_a_connection_that_is_lost(s: &Subject) {
    survives(s, Fault::RequestLost).await;
}

pub async fn a_read_survives_an_answer_that_breaks_off(s: &Subject) {
    survives(s, Fault::TornBody).await;
}

pub async fn a_read_survives_an_answer_that_is_something_else(s: &Subject) {
    survives(s, Fault::Rubbish).await;
}

pub async fn a_read_that_is_not_answered_is_asked_again(s: &Subject) {
    s.own(NUMBER);
    s.inject(Match::list(), Fault::Hang);
    assert!(s.in_a_hurry().find(&number(NUMBER)).await.unwrap().is_some());
    assert_eq!(s.requests(Kind::List).len(), 2);
}

pub async fn a_read_waits_as_long_as_it_is_told(s: &Subject) {
    s.own(NUMBER);
    s.inject(Match::list(), Fault::TooMany { retry_after: Some(1) });
    assert_eq!(s.listed().await, [NUMBER]);
    let [first, second] = s.requests(Kind::List).try_into().unwrap();
    assert!(second.at_ms - first.at_ms >= 1000, "in whichever header it was told");
}

pub async fn a_read_that_keeps_failing_fails_in_the_end(s: &Subject) {
    s.own(NUMBER);
    s.sandbox.inject(Rule::new(Match::list(), Fault::ServerErrorBefore { status: 500 }).always());
    assert_eq!(s.carrier.list().await.unwrap_err().class, ErrorClass::Transient);
    assert_eq!(s.requests(Kind::List).len(), 3, "twice more, and then it is somebody else's to wait");
}

pub async fn a_read_that_is_refused_is_not_asked_again(s: &Subject) {
    s.own(NUMBER);
    for (fault, class) in
        [(Fault::Unauthorized, ErrorClass::Unauthorized), (s.refusal(ErrorClass::Rejected), ErrorClass::Rejected)]
    {
        s.sandbox.reset_ledger();
        s.inject(Match::list(), fault);
        assert_eq!(s.carrier.list().await.unwrap_err().class, class);
        assert_eq!(s.requests(Kind::List).len(), 1);
    }
}

pub async fn a_carrier_that_counts_requests_is_kept_content(s: &Subject) {
    s.own(NUMBER);
    s.switch(|switches| (switches.concurrency, switches.latency_ms) = (Some(4), 5));
    let wanted = number(NUMBER);
    let all = futures::future::join_all((0..40).map(|_| s.carrier.find(&wanted))).await;
    assert!(all.iter().all(|found| matches!(found, Ok(Some(_)))));
    assert_eq!(s.sandbox.summary().statuses.get(&429), None);
}
