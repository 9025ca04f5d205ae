//! Numbers that are kept for us for a while, at no cost.

use dialplane::{
    api::{number::E164, purchase::Marker},
    carrier::{ErrorClass, Purchase},
    sandbox::carrier::{Fault, Kind, Match},
};
use serde_json::json;

use super::{
    Need,
    subject::{NUMBER, Subject, did, did_nothing, marker, number, purchase, search, unknown},
};

fn wanted(s: &Subject) -> E164 {
    s.stock(&[NUMBER]);
    number(NUMBER)
}

pub async fn a_number_is_kept_for_a_while(s: &Subject) {
    let wanted = wanted(s);
    assert!(s.sales().offer(&wanted).await.unwrap().unwrap().can_hold);
    let hold = did(s.holds().hold(&wanted, &marker()).await);
    assert!(hold.until.is_some());
    assert_eq!(s.requests(Kind::Hold).len(), 1);
    assert_eq!(s.carrier.find(&wanted).await, Ok(None), "kept is not bought");
}

pub async fn a_hold_of_ours_is_found_again(s: &Subject) {
    let wanted = wanted(s);
    let hold = did(s.holds().hold(&wanted, &marker()).await);
    let again = s.holds().hold(&wanted, &marker()).await;
    if s.wire.does(Need::FoundHolds) {
        assert_eq!(did(again), hold);
    } else {
        assert_eq!(did_nothing(again).class, ErrorClass::Unavailable, "it is not told from anybody else's");
    }
}

/// Nobody asks for a number that another of us is known to hold: what stands all the same was left by somebody who lost the record of it.
pub async fn a_hold_that_another_of_us_left_is_found_by_its_number(s: &Subject) {
    let wanted = wanted(s);
    let left = did(s.holds().hold(&wanted, &Marker::new("test", "clinics/other")).await);
    let again = s.holds().hold(&wanted, &marker()).await;
    if s.wire.does(Need::FoundHolds) {
        assert_eq!(did(again), left);
        s.buy(&Purchase { hold: Some(left), ..purchase(NUMBER) }).await;
        s.has_bought(1).await;
    } else {
        assert_eq!(did_nothing(again).class, ErrorClass::Unavailable, "it is not told from anybody else's");
    }
}

pub async fn a_number_held_by_another_installation_is_unavailable(s: &Subject) {
    let wanted = wanted(s);
    did(s.holds().hold(&wanted, &Marker::new("elsewhere", "clinics/main")).await);
    assert_eq!(did_nothing(s.holds().hold(&wanted, &marker()).await).class, ErrorClass::Unavailable);
}

pub async fn a_number_held_by_another_account_is_unavailable(s: &Subject) {
    let wanted = wanted(s);
    let (.., stranger) = s.stranger();
    did(stranger.holds().unwrap().hold(&wanted, &marker()).await);
    assert_eq!(did_nothing(s.holds().hold(&wanted, &marker()).await).class, ErrorClass::Unavailable);
}

pub async fn a_number_that_we_hold_is_bought_by_nobody_else(s: &Subject) {
    let wanted = wanted(s);
    let (.., stranger) = s.stranger();
    did(s.holds().hold(&wanted, &marker()).await);
    assert_eq!(did_nothing(stranger.sales().unwrap().purchase(&purchase(NUMBER)).await).class, ErrorClass::Unavailable);
}

pub async fn a_number_that_we_hold_is_bought(s: &Subject) {
    let wanted = wanted(s);
    let hold = did(s.holds().hold(&wanted, &marker()).await);
    s.buy(&Purchase { hold: Some(hold), ..purchase(NUMBER) }).await;
    s.has_bought(1).await;
}

pub async fn a_number_that_cannot_be_held_is_said_to_be_so(s: &Subject) {
    let offers = s.sales().offers(&search(json!({ "country": "US", "type": "TollFree" }))).await.unwrap();
    let fixed = offers.iter().find(|offer| !offer.can_hold).expect("toll-free numbers cannot be held here");
    assert_eq!(did_nothing(s.holds().hold(&fixed.number, &marker()).await).class, ErrorClass::Unavailable);
}

pub async fn a_hold_whose_answer_was_lost_is_unknown_and_found_again(s: &Subject) {
    let wanted = wanted(s);
    s.inject(Match::kind(Kind::Hold), Fault::AnswerLost);
    unknown(s.holds().hold(&wanted, &marker()).await);
    assert_eq!(s.requests(Kind::Hold).len(), 1, "it is sent once");
    let again = s.holds().hold(&wanted, &marker()).await;
    if s.wire.does(Need::FoundHolds) {
        did(again);
    } else {
        assert_eq!(did_nothing(again).class, ErrorClass::Unavailable, "it lapses");
    }
}
