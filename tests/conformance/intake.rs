//! Numbers that come from a carrier account of the organization's own.

use dialplane::{
    api::number::E164,
    carrier::ErrorClass,
    sandbox::carrier::{Fault, Kind, Match},
};

use super::subject::{NUMBER, Subject, did, did_nothing, number, unknown};

fn elsewhere(s: &Subject) -> E164 {
    s.sandbox.add_importable(&s.account(), NUMBER).unwrap();
    number(NUMBER)
}

/// How often one was brought in.
fn brought_in(s: &Subject) -> usize {
    s.requests(Kind::Import).iter().filter(|entry| entry.applied).count()
}

pub async fn a_number_that_is_elsewhere_is_brought_in_for_nothing(s: &Subject) {
    let wanted = elsewhere(s);
    assert_eq!(s.carrier.find(&wanted).await, Ok(None));
    let balance = s.sandbox.balance(&s.account()).unwrap();
    let came = did(s.intake().bring_in(&wanted).await);
    assert_eq!((s.found(NUMBER).await, brought_in(s)), (came, 1));
    assert_eq!(s.sandbox.balance(&s.account()).unwrap(), balance);
}

pub async fn a_number_that_is_there_already_stays_as_it_is(s: &Subject) {
    let wanted = elsewhere(s);
    let came = did(s.intake().bring_in(&wanted).await);
    assert_eq!(did(s.intake().bring_in(&wanted).await), came);
    assert_eq!(brought_in(s), 1);
}

pub async fn a_number_that_is_not_the_organizations_is_unavailable(s: &Subject) {
    let (stranger, ..) = s.stranger();
    s.sandbox.add_importable(&stranger, NUMBER).unwrap();
    for status in [404, 409, 422] {
        s.switch(|switches| switches.flowyte.unimportable_status = status);
        assert_eq!(did_nothing(s.intake().bring_in(&number(NUMBER)).await).class, ErrorClass::Unavailable, "{status}");
    }
    assert_eq!(brought_in(s), 0);
}

pub async fn whatever_is_answered_a_number_that_came_in_is_there(s: &Subject) {
    s.switch(|switches| (switches.flowyte.created_status, switches.flowyte.import_shown) = (200, false));
    let wanted = elsewhere(s);
    assert_eq!(did(s.intake().bring_in(&wanted).await).number, wanted);
}

pub async fn a_number_whose_answer_was_lost_is_unknown_and_asked_for_once(s: &Subject) {
    let wanted = elsewhere(s);
    s.inject(Match::kind(Kind::Import), Fault::AnswerLost);
    unknown(s.intake().bring_in(&wanted).await);
    assert_eq!(s.requests(Kind::Import).len(), 1);
    assert!(s.carrier.find(&wanted).await.unwrap().is_some(), "a look finds it");
}
