//! What a search shows, and what it does not say about it.

use dialplane::sandbox::carrier::BestEffort;
use serde_json::json;

use super::{Flowyte, code};

#[tokio::test]
async fn a_search_shows_numbers_elsewhere_and_does_not_say_so() {
    let flowyte = Flowyte::new();
    let oakland = "areaCode=510&locality=Oakland&limit=50&contains=5105550";
    let strict = flowyte.search(&format!("{oakland}&bestEffort=false")).await;
    assert!(!strict.is_empty() && strict.len() < 50, "{}", strict.len());
    assert!(strict.iter().all(|number| number.starts_with("+15105550")));
    let wide = flowyte.search(oakland).await;
    assert_eq!((wide.len(), &wide[..strict.len()]), (50, &strict[..]), "what matches comes first");
    let (_, body) = flowyte.get(&format!("numbers/search?{oakland}")).await;
    let names = |row: &serde_json::Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&body["data"][0]), names(&body["data"][49]), "nothing tells the one from the other");
    assert_eq!(flowyte.sandbox.ledger().searches(), 3);
}

#[tokio::test]
async fn nobody_knows_how_much_best_effort_gives_up() {
    let flowyte = Flowyte::new();
    let odd = "areaCode=415&endsWith=99999&features=fax";
    let found = async |effort: BestEffort, query: &str| {
        flowyte.sandbox.switch(|s| s.flowyte.best_effort = effort);
        flowyte.search(&format!("{query}&limit=1")).await.len()
    };
    assert_eq!(found(BestEffort::PlaceAndPattern, odd).await, 0, "there are no such features");
    assert_eq!(found(BestEffort::Everything, odd).await, 1);
    assert_eq!(found(BestEffort::PlaceAndPattern, "areaCode=415&endsWith=99999").await, 1);
    assert_eq!(found(BestEffort::Place, "areaCode=415&endsWith=99999").await, 0);
    assert_eq!(found(BestEffort::Place, "areaCode=999").await, 1);
    assert_eq!(found(BestEffort::Everything, "country=FR").await, 0, "the country stays");
    assert_eq!(flowyte.sandbox.ledger().searches(), 6);
}

#[tokio::test]
async fn every_filter_is_honoured_where_best_effort_is_off() {
    let flowyte = Flowyte::new();
    for (filter, prefix) in [
        ("areaCode=212", "+1212"),
        ("locality=chicago", "+1312"),
        ("administrativeArea=WA", "+1206"),
        ("startsWith=5125", "+1512"),
        ("numberType=toll_free", "+18"),
        ("country=gb&numberType=mobile", "+447"),
        ("country=DE&features=voice&features=fax", "+4930"),
        ("country=CA&features=sms,emergency", "+1"),
    ] {
        let found = flowyte.search(&format!("{filter}&bestEffort=false&limit=50")).await;
        assert!(!found.is_empty() && found.iter().all(|number| number.starts_with(prefix)), "{filter}: {found:?}");
    }
    let number = flowyte.offered("415").await;
    let one = flowyte.search(&format!("areaCode=415&endsWith={}&bestEffort=false", &number[8..])).await;
    assert_eq!(one, [number]);
    for wrong in ["limit=51", "limit=0", "features=fly", "numberType=tollfree", "bestEffort=no", "area_code=415"] {
        let (status, body) = flowyte.get(&format!("numbers/search?{wrong}")).await;
        let field = wrong.split('=').next().unwrap();
        assert_eq!((status, code(&body), &body["errors"][0]["field"]), (400, "validation_error", &json!(field)));
    }
    assert_eq!(flowyte.sandbox.ledger().purchases(), 0);
}

#[tokio::test]
async fn a_second_look_at_a_number_wants_its_plus_encoded() {
    let flowyte = Flowyte::new();
    let number = flowyte.offered("415").await;
    let encoded = format!("numbers/available/{}", number.replace('+', "%2B"));
    let (status, body) = flowyte.get(&encoded).await;
    assert_eq!((status, &body["data"]["e164"]), (200, &json!(number)));
    assert_eq!((&body["data"]["monthlyCost"], &body["data"]["setupCost"]), (&json!(1.15), &json!(1.0)));
    let raw = format!("numbers/available/{number}");
    assert_eq!(code(&flowyte.get(&raw).await.1), "validation_error", "a raw plus is a space");
    flowyte.sandbox.switch(|s| s.flowyte.raw_plus = true);
    assert_eq!(flowyte.get(&raw).await.0, 200);
    flowyte.sandbox.take_stock(&number);
    for status in [404, 409] {
        flowyte.sandbox.switch(|s| s.flowyte.unavailable_status = status);
        assert_eq!(flowyte.get(&encoded).await.0, status);
    }
    let ledger = flowyte.sandbox.ledger();
    assert!(ledger.entries().iter().skip(1).all(|e| e.number.as_deref().unwrap().ends_with(&number[1..])));
}
