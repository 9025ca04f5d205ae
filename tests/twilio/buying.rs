//! Buying at Twilio: its patterns, its price lists, its papers, and whose money it is.

use dialplane::{
    api::{account::Balance, offer::Feature, phone_number::Regulatory as Papers},
    carrier::{ErrorClass, Purchase},
    plan::choose::fits,
    sandbox::carrier::{Fault, Match, Rule, Switches},
};
use serde_json::{Value, json};

use super::*;
use crate::conformance::subject::{did_nothing, purchase, search};

#[tokio::test]
async fn a_price_is_the_accounts_for_the_type_and_is_read_once_for_each_country() {
    let s = subject();
    for (wish, monthly) in [
        (json!({"country": "US"}), "1.15"),
        (json!({"country": "US", "areaCode": "415"}), "1.15"),
        (json!({"country": "US", "type": "TollFree"}), "2.15"),
        (json!({"country": "AU", "type": "Mobile", "startsWith": "4915"}), "6.50"),
    ] {
        let offers = s.sales().offers(&search(wish.clone())).await.unwrap();
        assert!(!offers.is_empty(), "{wish}");
        assert!(offers.iter().all(|o| (o.price.monthly, o.price.setup) == (monthly.parse().ok(), None)), "{wish}");
    }
    let lists = s.sandbox.ledger().entries().iter().filter(|e| e.path.starts_with("/v1/PhoneNumbers")).count();
    assert_eq!(lists, 2);
}

#[tokio::test]
async fn of_several_patterns_twilio_is_asked_for_one_and_the_caller_checks_the_others() {
    let s = subject();
    s.stock(&["+14155553368"]);
    let search = search(
        json!({"country": "US", "areaCode": "415", "startsWith": "4155553", "contains": "33", "endsWith": "68"}),
    );
    let offers = s.sales().offers(&search).await.unwrap();
    let fitting: Vec<&str> = offers.iter().filter(|o| fits(&search, o)).map(|o| o.number.as_str()).collect();
    assert_eq!(fitting, ["+14155553368"]);
    assert!(offers.iter().all(|offer| offer.number.as_str().starts_with("+14155553")));
}

#[tokio::test]
async fn a_search_shows_as_many_as_twilio_does() {
    let s = subject();
    let shown = async |wish: Value| s.sales().offers(&search(wish)).await.unwrap().len();
    assert_eq!(shown(json!({"country": "US"})).await, Switches::default().search_cap);
    s.switch(|switches| switches.search_cap = 500);
    assert_eq!(shown(json!({"country": "US"})).await, 500);
}

#[tokio::test]
async fn prices_that_may_not_be_read_leave_offers_without_one() {
    for fault in [
        Fault::Refuse { status: 403, code: 70051 },
        Fault::NotFound,
        Fault::Unauthorized,
        Fault::Html { status: 200 },
        Fault::ServerErrorBefore { status: 503 },
    ] {
        let s = subject();
        s.sandbox.inject(Rule::new(Match::path("/v1/PhoneNumbers/*"), fault).always());
        let offers = s.sales().offers(&search(json!({"country": "US"}))).await.unwrap();
        assert!(!offers.is_empty() && offers.iter().all(|offer| offer.price.monthly.is_none()));
    }
}

#[tokio::test]
async fn papers_that_are_missing_are_named_and_those_that_are_there_are_sent() {
    let german = "+493023125123";
    let s = subject();
    s.stock(&[german]);
    let missing = async |papers: Papers, field: &str| {
        let error = did_nothing(s.sales().purchase(&Purchase { regulatory: papers, ..purchase(german) }).await);
        assert_eq!(error.class, ErrorClass::Regulatory);
        assert!(error.text.contains(&format!("spec.purchase.regulatory.{field}")), "{error}");
    };
    let address = Papers { address_sid: Some(format!("AD{}", "a".repeat(32))), ..Papers::default() };
    missing(Papers::default(), "addressSid").await;
    missing(address.clone(), "bundleSid").await;
    let papers = Papers { bundle_sid: Some(format!("BU{}", "b".repeat(32))), ..address };
    s.buy(&Purchase { regulatory: papers, ..purchase(german) }).await;
    s.has_bought(1).await;
}

#[tokio::test]
async fn what_is_left_is_the_parents() {
    let [parent, child] = family();
    let sandbox = sandbox_of(vec![account(&parent), AccountSeed { parent: Some(parent.clone()), ..account(&child) }]);
    sandbox.add_stock(NUMBER).unwrap();
    sandbox.add_stock(OTHER).unwrap();
    sandbox.switch(|switches| switches.enforce_balance = true);
    let [parents, childs] = [&parent, &child].map(|account| open_by_token(&sandbox, account));
    let left = |text: &str| Some(Balance { amount: text.parse().unwrap(), currency: "USD".to_owned() });
    assert_eq!(parents.balance().await, Ok(left("1000.00")));
    assert_eq!(childs.balance().await, Ok(None));
    did(childs.sales().unwrap().purchase(&purchase(NUMBER)).await);
    assert_eq!(parents.balance().await, Ok(left("998.85")));
    sandbox.set_balance(&parent, -5).unwrap();
    assert_eq!(did_nothing(childs.sales().unwrap().purchase(&purchase(OTHER)).await).class, ErrorClass::Funds);
    assert!(childs.find(&number(NUMBER)).await.unwrap().is_some());
    let ledger = sandbox.ledger();
    assert_eq!((ledger.purchases(), ledger.releases(), check_ledger(&ledger)), (1, 0, vec![]));
}

#[tokio::test]
async fn a_feature_that_twilio_does_not_show_is_never_offered() {
    let s = subject();
    let offers = s.sales().offers(&search(json!({"country": "US", "features": ["Emergency"]}))).await.unwrap();
    assert!(!offers.is_empty() && offers.iter().all(|offer| !offer.features.contains(&Feature::Emergency)));
}
