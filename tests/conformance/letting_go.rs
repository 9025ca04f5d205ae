//! Holds that end before they would by themselves.

use dialplane::{
    api::purchase::Hold,
    carrier::{ErrorClass, Purchase},
    sandbox::carrier::{Fault, Kind, Match},
};

use super::subject::{NUMBER, OTHER, Subject, did, did_nothing, marker, number, purchase, unknown};

async fn held(s: &Subject) -> Hold {
    s.stock(&[NUMBER]);
    did(s.holds().hold(&number(NUMBER), &marker()).await)
}

pub async fn a_hold_is_let_go_of_and_anybody_may_have_the_number(s: &Subject) {
    let hold = held(s).await;
    assert_eq!(s.sandbox.keeper(NUMBER), Some(s.account()));
    did(s.letting_go().let_go(&hold).await);
    assert_eq!(s.sandbox.keeper(NUMBER), None);
    let (.., stranger) = s.stranger();
    did(stranger.holds().unwrap().hold(&number(NUMBER), &marker()).await);
}

pub async fn a_hold_that_has_ended_is_let_go_of_already(s: &Subject) {
    let hold = held(s).await;
    did(s.letting_go().let_go(&hold).await);
    did(s.letting_go().let_go(&hold).await);
    assert_eq!(s.requests(Kind::Hold).len(), 3, "each is asked for once");
}

pub async fn a_number_that_was_bought_stays_whatever_becomes_of_its_hold(s: &Subject) {
    let hold = held(s).await;
    s.buy(&Purchase { hold: Some(hold.clone()), ..purchase(NUMBER) }).await;
    s.has_bought(1).await;
    s.letting_go().let_go(&hold).await;
    assert_eq!(s.listed().await, [NUMBER]);
}

pub async fn an_id_that_is_no_holds_leads_to_no_number(s: &Subject) {
    let own = s.own(OTHER);
    let hold = held(s).await;
    let asked = s.asked();
    for id in [String::new(), ".".to_owned(), "..".to_owned(), format!("../{}", own.0)] {
        did_nothing(s.letting_go().let_go(&Hold { id, ..hold.clone() }).await);
    }
    assert_eq!(s.asked(), asked, "that is not asked for");
    s.letting_go().let_go(&Hold { id: own.0, ..hold }).await;
    assert_eq!(s.listed().await, [OTHER]);
    assert_eq!(s.sandbox.keeper(NUMBER), Some(s.account()));
}

pub async fn a_hold_of_another_account_stays(s: &Subject) {
    let hold = held(s).await;
    let (.., stranger) = s.stranger();
    stranger.holds().unwrap().letting_go().unwrap().let_go(&hold).await;
    assert_eq!(s.sandbox.keeper(NUMBER), Some(s.account()));
}

pub async fn what_became_of_a_hold_is_unknown_if_the_answer_was_lost(s: &Subject) {
    let hold = held(s).await;
    s.inject(Match::kind(Kind::Hold), Fault::AnswerLost);
    unknown(s.letting_go().let_go(&hold).await);
    assert_eq!(s.requests(Kind::Hold).len(), 2, "it is sent once");
}

pub async fn a_refusal_has_its_class(s: &Subject) {
    let hold = held(s).await;
    s.inject(Match::kind(Kind::Hold), s.refusal(ErrorClass::Forbidden));
    assert_eq!(did_nothing(s.letting_go().let_go(&hold).await).class, ErrorClass::Forbidden);
    assert_eq!(s.sandbox.keeper(NUMBER), Some(s.account()));
}
