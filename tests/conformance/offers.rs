//! What is for sale: what was asked for, for how much, and nothing made up.

use std::collections::BTreeSet;

use dialplane::{
    api::{money::Amount, offer::NumberType},
    carrier::ErrorClass,
    plan::choose::fits,
    sandbox::carrier::{Fault, Kind, Match, Rule},
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::subject::{NUMBER, OTHER, Subject, number, purchase, search};

/// Every field of a search, alone and with others.
fn searches() -> Vec<Value> {
    vec![
        json!({"country": "US"}),
        json!({"country": "US", "areaCode": "415"}),
        json!({"country": "US", "locality": "San Francisco", "region": "CA"}),
        json!({"country": "US", "locality": "Oakland", "region": "CA"}),
        json!({"country": "US", "region": "NY", "features": ["Voice", "SMS", "MMS"]}),
        json!({"country": "US", "startsWith": "41555"}),
        json!({"country": "US", "areaCode": "415", "contains": "DENT"}),
        json!({"country": "US", "areaCode": "415", "endsWith": "3368"}),
        json!({"country": "US", "type": "TollFree", "areaCode": "888"}),
        json!({"country": "CA", "locality": "Toronto", "region": "ON"}),
        json!({"country": "GB", "areaCode": "20", "locality": "London", "endsWith": "123"}),
        json!({"country": "GB", "type": "Mobile", "features": ["SMS"]}),
        json!({"country": "AU", "type": "Mobile"}),
    ]
}

const DENT: &str = "+14155553368";
const LONDON: &str = "+4420794600123";

pub async fn every_offer_of_every_search_fits(s: &Subject) {
    s.stock(&[DENT, LONDON]);
    for wish in searches() {
        let search = search(wish);
        let offers = s.sales().offers(&search).await.unwrap();
        assert!(!offers.is_empty(), "{search:?}");
        offers.iter().for_each(|offer| assert!(fits(&search, offer), "{search:?}: {offer:?}"));
    }
    assert!(s.sandbox.ledger().entries().iter().all(|entry| entry.kind.is_read()), "looking changes nothing");
}

pub async fn every_offer_has_its_price(s: &Subject) {
    s.stock(&[DENT, LONDON]);
    for wish in searches() {
        for offer in s.sales().offers(&search(wish)).await.unwrap() {
            assert!(offer.price.monthly.is_some(), "{offer:?}");
            assert_eq!(offer.price.currency.as_deref(), Some("USD"));
        }
    }
}

pub async fn an_offers_price_is_what_its_purchase_costs(s: &Subject) {
    s.stock(&[NUMBER]);
    let offer = s.sales().offer(&number(NUMBER)).await.unwrap().unwrap();
    let Some(before) = s.carrier.balance().await.unwrap() else { return };
    s.buy(&purchase(NUMBER)).await;
    let after = s.carrier.balance().await.unwrap().unwrap();
    let exact = |amount: &Amount| amount.to_string().parse::<Decimal>().unwrap();
    let price = [&offer.price.monthly, &offer.price.setup].into_iter().flatten().map(exact).sum::<Decimal>();
    assert_eq!(exact(&before.amount) - exact(&after.amount), price, "{offer:?}");
    s.has_bought(1).await;
}

pub async fn no_number_is_offered_twice(s: &Subject) {
    s.switch(|switches| switches.search_cap = 500);
    for wish in searches() {
        let offers = s.sales().offers(&search(wish.clone())).await.unwrap();
        let numbers: BTreeSet<_> = offers.iter().map(|offer| offer.number.as_str()).collect();
        assert_eq!(numbers.len(), offers.len(), "{wish}");
    }
}

pub async fn none_found_is_no_error(s: &Subject) {
    for wish in [json!({"country": "US", "areaCode": "999"}), json!({"country": "US", "endsWith": "00000000"})] {
        assert_eq!(s.sales().offers(&search(wish)).await, Ok(vec![]));
    }
}

pub async fn the_place_is_not_widened(s: &Subject) {
    for best_effort in [true, false] {
        let nowhere = json!({"country": "US", "locality": "Atlantis", "region": "CA", "bestEffort": best_effort});
        assert_eq!(s.sales().offers(&search(nowhere)).await, Ok(vec![]));
    }
}

/// Not every carrier says more than that it has none.
async fn is_not_sold(s: &Subject, wish: Value) {
    match s.sales().offers(&search(wish)).await {
        Ok(offers) => assert_eq!((offers, s.wire.selling().says_what_is_not_sold), (vec![], false)),
        Err(error) => {
            assert_eq!((error.class, s.wire.selling().says_what_is_not_sold), (ErrorClass::NotFound, true));
            assert!(error.text.contains("spec.purchase.search.type or country"), "{error}");
        }
    }
}

pub async fn a_country_that_is_not_sold_is_not_found(s: &Subject) {
    is_not_sold(s, json!({"country": "FR"})).await;
}

pub async fn a_type_that_is_not_sold_is_not_found(s: &Subject) {
    is_not_sold(s, json!({"country": "US", "type": "Mobile"})).await;
}

pub async fn a_search_that_is_refused_names_the_fields_to_change(s: &Subject) {
    s.inject(Match::kind(Kind::Search), s.refusal(ErrorClass::Unknown));
    let wish = json!({"country": "US", "contains": "DENT"});
    let error = s.sales().offers(&search(wish)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Rejected);
    assert!(error.text.contains("spec.purchase.search.") && error.text.contains("contains"), "{error}");
}

pub async fn a_search_that_fails_is_not_taken_for_none(s: &Subject) {
    s.stock(&[NUMBER]);
    for (fault, class) in [
        (Fault::Html { status: 404 }, ErrorClass::NotFound),
        (Fault::Unauthorized, ErrorClass::Unauthorized),
        // The last, since a carrier that keeps failing is not asked for a while.
        (Fault::ServerErrorBefore { status: 503 }, ErrorClass::Transient),
    ] {
        for kind in BTreeSet::from([Kind::Search, s.wire.selling().look]) {
            s.sandbox.inject(Rule::new(Match::kind(kind), fault.clone()).always());
        }
        let (wish, wanted) = (search(json!({"country": "US"})), number(NUMBER));
        let (many, one) = tokio::join!(s.sales().offers(&wish), s.sales().offer(&wanted));
        assert_eq!((many.unwrap_err().class, one.unwrap_err().class), (class, class));
        s.sandbox.clear_faults();
    }
}

pub async fn one_number_is_offered_as_itself(s: &Subject) {
    let numbers = ["+14165550199", "+18005550199", LONDON, "+447700900123"];
    s.stock(&numbers);
    let expected = [
        ("CA", NumberType::Local),
        ("US", NumberType::TollFree),
        ("GB", NumberType::Local),
        ("GB", NumberType::Mobile),
    ];
    for (text, (country, kind)) in numbers.iter().zip(expected) {
        let offer = s.sales().offer(&number(text)).await.unwrap().unwrap();
        assert_eq!((offer.number.as_str(), offer.country.as_str(), offer.kind), (*text, country, kind));
        assert!(offer.price.monthly.is_some());
    }
}

pub async fn a_number_that_is_not_for_sale_is_not_offered(s: &Subject) {
    s.stock(&[NUMBER]);
    assert!(s.sales().offer(&number(NUMBER)).await.unwrap().is_some());
    assert!(s.sandbox.take_stock(NUMBER));
    assert_eq!(s.sales().offer(&number(NUMBER)).await, Ok(None));
    s.own(OTHER);
    assert_eq!(s.sales().offer(&number(OTHER)).await, Ok(None), "one that is ours is not for sale");
}

pub async fn nothing_that_looks_like_a_number_is_offered_for_it(s: &Subject) {
    s.stock(&["+447700900123"]);
    assert_eq!(s.sales().offer(&number("+44770090012")).await, Ok(None), "the beginning of another one");
}

pub async fn a_number_of_a_country_that_is_not_sold_is_not_found(s: &Subject) {
    let offer = s.sales().offer(&number("+33140000000")).await;
    assert!(s.wire.selling().says_what_is_not_sold || offer == Ok(None), "{offer:?}");
    let of_no_country = s.sales().offer(&number("+8835100012345")).await;
    for error in [offer.err(), of_no_country.err()].into_iter().flatten() {
        assert_eq!(error.class, ErrorClass::NotFound);
        assert!(error.text.contains("spec.purchase.number"), "{error}");
    }
}
