//! One number, by strict equality, however loosely the carrier's own filter matches.

use dialplane::{
    carrier::{Calling, ErrorClass, Messaging, OwnedNumber},
    sandbox::carrier::{Fault, Match, Rule},
};

use super::subject::{NUMBER, OTHER, Subject, marker, number};

const LONDON: &str = "+4420794600";

/// Numbers that begin with the one in question, end with it, or hold its digits.
fn own_lookalikes(s: &Subject) {
    ["+442079460012", "+14420794600", "+394420794600"].iter().for_each(|number| drop(s.own(number)));
}

pub async fn a_number_is_found_among_those_that_contain_it(s: &Subject) {
    own_lookalikes(s);
    let id = s.own(LONDON);
    for substring in [false, true] {
        s.switch(|switches| switches.substring_filter = substring);
        let found = s.found(LONDON).await;
        assert_eq!((found.number.as_str(), &found.id), (LONDON, &id));
    }
}

pub async fn a_part_of_a_number_is_not_found(s: &Subject) {
    own_lookalikes(s);
    for substring in [false, true] {
        s.switch(|switches| switches.substring_filter = substring);
        for part in [LONDON, "+44207946001", "+394420794"] {
            assert_eq!(s.carrier.find(&number(part)).await, Ok(None), "{part}");
        }
    }
}

pub async fn a_number_that_the_account_lacks_is_absent(s: &Subject) {
    s.own(OTHER);
    assert_eq!(s.carrier.find(&number(NUMBER)).await, Ok(None));
}

pub async fn a_number_of_another_account_is_absent(s: &Subject) {
    let (account, _, stranger) = s.stranger();
    s.give(&account, NUMBER);
    assert_eq!(s.carrier.find(&number(NUMBER)).await, Ok(None));
    assert!(stranger.find(&number(NUMBER)).await.unwrap().is_some());
}

pub async fn what_is_found_is_what_is_listed(s: &Subject) {
    s.own(NUMBER);
    for (channel, destination) in s.route("theirs") {
        s.edit(NUMBER, channel, &destination);
    }
    s.write_marker(NUMBER, marker().as_str());
    let [listed] = s.carrier.list().await.unwrap().try_into().unwrap();
    let found = s.found(NUMBER).await;
    // Who receives the messages and calls may take more requests than a look at one number is worth.
    let seen = |owned: OwnedNumber| OwnedNumber { messaging: Messaging::Unseen, calling: Calling::Unseen, ..owned };
    assert_eq!(listed.marker, s.wire.marker_field.map(|_| marker()));
    assert_eq!(seen(found), seen(listed));
}

async fn is_no_absence(s: &Subject, fault: Fault, class: ErrorClass) {
    s.own(NUMBER);
    s.sandbox.inject(Rule::new(Match::list(), fault).always());
    assert_eq!(s.carrier.find(&number(NUMBER)).await.unwrap_err().class, class);
}

pub async fn a_404_is_no_absence(s: &Subject) {
    is_no_absence(s, Fault::NotFound, ErrorClass::NotFound).await;
}

pub async fn a_401_is_no_absence(s: &Subject) {
    is_no_absence(s, Fault::Unauthorized, ErrorClass::Unauthorized).await;
}

pub async fn a_carrier_that_is_unwell_is_no_absence(s: &Subject) {
    is_no_absence(s, Fault::ServerErrorBefore { status: 503 }, ErrorClass::Transient).await;
}

pub async fn a_page_of_something_on_the_way_is_no_absence(s: &Subject) {
    is_no_absence(s, Fault::Html { status: 404 }, ErrorClass::NotFound).await;
}

pub async fn a_torn_page_is_no_absence(s: &Subject) {
    own_lookalikes(s);
    s.own(LONDON);
    // Half of what is found is more than a carrier may count otherwise.
    ["+442079460013", "+442079460014"].iter().for_each(|number| drop(s.own(number)));
    s.switch(|switches| switches.substring_filter = true);
    for fault in [Fault::TornPage, Fault::EmptyPage] {
        s.sandbox.inject(Rule::new(Match::list(), fault).always());
        assert_eq!(s.carrier.find(&number(LONDON)).await.unwrap_err().class, ErrorClass::Transient);
        s.sandbox.clear_faults();
    }
}
