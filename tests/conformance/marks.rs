//! What is written on a number to know it again.

use dialplane::{
    api::purchase::Marker,
    carrier::ErrorClass,
    sandbox::carrier::{Fault, Kind, Match},
};

use super::subject::{NUMBER, OTHER, Subject, did, did_nothing, marker, unknown};

pub async fn a_marker_is_written_and_seen(s: &Subject) {
    let id = s.own(NUMBER);
    assert_eq!(did(s.marks().mark(&id, &marker()).await).marker, Some(marker()));
    assert_eq!(s.found(NUMBER).await.marker, Some(marker()));
    assert_eq!(s.marked(NUMBER).as_deref(), Some(marker().as_str()));
}

pub async fn a_marker_is_written_over_what_a_person_wrote(s: &Subject) {
    let id = s.own(NUMBER);
    s.write_marker(NUMBER, "Front desk");
    did(s.marks().mark(&id, &marker()).await);
    assert_eq!(s.found(NUMBER).await.marker, Some(marker()));
}

pub async fn what_a_person_wrote_is_no_marker(s: &Subject) {
    s.own(NUMBER);
    for written in ["Front desk", "dp", "not dp1:test:1"] {
        s.write_marker(NUMBER, written);
        assert_eq!(s.found(NUMBER).await.marker, None, "{written}");
    }
}

pub async fn another_installations_marker_is_seen_as_it_is(s: &Subject) {
    s.own(NUMBER);
    let theirs = Marker::new("another", "clinics/front-desk");
    s.write_marker(NUMBER, theirs.as_str());
    assert_eq!(s.found(NUMBER).await.marker, Some(theirs));
}

pub async fn a_marker_leaves_the_route_alone(s: &Subject) {
    let (id, theirs) = (s.own(NUMBER), s.route("theirs"));
    theirs.iter().for_each(|(channel, destination)| s.edit(NUMBER, *channel, destination));
    did(s.marks().mark(&id, &marker()).await);
    assert!(s.goes_by(NUMBER, &theirs));
    assert_eq!(s.requests(Kind::RouteWrite).len(), 0);
}

pub async fn a_marker_of_a_number_that_is_gone_is_refused(s: &Subject) {
    let id = s.own(NUMBER);
    s.own(OTHER);
    s.sandbox.lose_number(NUMBER).unwrap();
    assert_eq!(did_nothing(s.marks().mark(&id, &marker()).await).class, ErrorClass::NotFound);
    assert_eq!(s.found(OTHER).await.marker, None);
}

pub async fn a_marker_whose_answer_was_lost_is_unknown(s: &Subject) {
    let id = s.own(NUMBER);
    s.inject(Match::kind(Kind::SettingsWrite), Fault::AnswerLost);
    unknown(s.marks().mark(&id, &marker()).await);
    assert_eq!(s.requests(Kind::SettingsWrite).len(), 1, "it is sent once");
    assert_eq!(s.found(NUMBER).await.marker, Some(marker()));
}
