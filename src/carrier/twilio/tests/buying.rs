//! Buying, against the same small server.

use super::*;
use crate::{
    api::{
        offer::{Feature, NumberType},
        phone_number::Regulatory,
    },
    carrier::http::DEFAULT_DEADLINE,
};

fn buy() -> String {
    format!("POST /2010-04-01/Accounts/{AC}/IncomingPhoneNumbers.json")
}

fn available(place: &str, query: &str) -> String {
    format!("GET /2010-04-01/Accounts/{AC}/AvailablePhoneNumbers/{place}.json?{query}")
}

fn marker() -> Marker {
    Marker::new("prod", "clinics/front-desk")
}

fn purchase(route: Route) -> Purchase {
    Purchase {
        number: "+14155550001".parse().unwrap(),
        marker: marker(),
        route,
        regulatory: Regulatory::default(),
        hold: None,
        key: "key".into(),
        before: tokio::time::Instant::now() + DEFAULT_DEADLINE,
    }
}

fn bought() -> Value {
    let mut row = row(1);
    row["friendly_name"] = json!(marker().as_str());
    row
}

fn offered(numbers: &[&str]) -> Value {
    let row = |number: &&str| {
        json!({"phone_number": number, "iso_country": "US", "locality": "San Francisco", "region": "CA",
            "capabilities": {"voice": true, "SMS": true, "MMS": false}})
    };
    json!({"available_phone_numbers": numbers.iter().map(row).collect::<Vec<_>>(), "uri": "/here"})
}

fn prices(current: &str) -> Value {
    json!({"iso_country": "US", "price_unit": "USD",
        "phone_number_prices": [{"number_type": "local", "base_price": "9.00", "current_price": current}]})
}

fn wish() -> Search {
    serde_json::from_value(json!({"country": "US", "areaCode": "415"})).unwrap()
}

const WISH: &str = "AreaCode=415&PageSize=1000";
const PRICES: &str = "GET /v1/PhoneNumbers/Countries/US";

#[tokio::test]
async fn a_purchase_names_the_number_the_marker_and_every_webhook() {
    let fake = Fake::default();
    fake.on(buy(), 201, bought());
    let twilio = open(&fake, token()).await;
    let voice = Destination { method: Method::Get, ..destination("https://a.example.com/v") };
    let Outcome::Did(Bought::Owned(owned)) = twilio.purchase(&purchase([(Channel::Voice, voice)].into())).await else {
        panic!()
    };
    assert_eq!((owned.id.0.as_str(), owned.number.as_str(), owned.marker), (PN, "+14155550001", Some(marker())));
    let papers =
        Regulatory { address_sid: Some("AD1".into()), bundle_sid: Some("BU1".into()), ..Regulatory::default() };
    twilio.purchase(&Purchase { regulatory: papers, ..purchase(Route::new()) }).await;
    let none = Regulatory { address_sid: Some(String::new()), ..Regulatory::default() };
    twilio.purchase(&Purchase { regulatory: none, ..purchase(Route::new()) }).await;

    let begin = format!("PhoneNumber=%2B14155550001&FriendlyName={}", marker().as_str().replace(':', "%3A"));
    let rest = "VoiceFallbackUrl=&VoiceFallbackMethod=POST&SmsUrl=&SmsMethod=POST\
                &SmsFallbackUrl=&SmsFallbackMethod=POST&StatusCallback=&StatusCallbackMethod=POST";
    let bodies: Vec<String> =
        fake.seen().iter().map(|what| what.strip_prefix(&buy()).unwrap().trim_start().to_owned()).collect();
    assert_eq!(
        bodies,
        [
            format!("{begin}&VoiceUrl=https%3A%2F%2Fa.example.com%2Fv&VoiceMethod=GET&{rest}"),
            format!("{begin}&VoiceUrl=&VoiceMethod=POST&{rest}&AddressSid=AD1&BundleSid=BU1"),
            format!("{begin}&VoiceUrl=&VoiceMethod=POST&{rest}"),
        ]
    );
}

#[tokio::test]
async fn the_outcome_of_a_purchase_follows_from_twilios_own_words_only() {
    use ErrorClass::*;
    let with = |field: &str, value: &str| {
        let mut row = bought();
        row[field] = json!(value);
        row
    };
    let cases: Vec<(u16, Value, Option<ErrorClass>)> = vec![
        (400, json!({"code": 21422}), Some(Unavailable)),
        (400, json!({"code": 21421}), Some(Rejected)),
        (400, json!({"code": 21613}), Some(Regulatory)),
        (400, json!({"code": 21615}), Some(Regulatory)),
        (400, json!({"code": 21631}), Some(Regulatory)),
        (400, json!({"code": 21649}), Some(Regulatory)),
        (400, json!({"code": 21650}), Some(Regulatory)),
        (400, json!({"code": 21651}), Some(Regulatory)),
        (403, json!({"code": 10001}), Some(Funds)),
        (402, json!({"code": 99999}), Some(Funds)),
        (400, json!({"code": 10002}), Some(Forbidden)),
        (403, json!({"code": 20008}), Some(Forbidden)),
        (400, json!({"code": 21404}), Some(Forbidden)),
        (403, json!({"code": 22300}), Some(Forbidden)),
        (403, json!({"code": 70051}), Some(Forbidden)),
        (401, json!({"code": 20003}), Some(Unauthorized)),
        (404, json!({"code": 20404}), Some(NotFound)),
        (429, json!({"code": 20429}), Some(Throttled)),
        (400, json!({"code": 99999}), Some(Unknown)),
        // A gateway's, which may stand for an answer that was lost behind it.
        (400, json!("<html>"), None),
        (402, json!({"message": "pay the proxy"}), None),
        (403, json!({"code": 403, "message": "blocked"}), None),
        (404, json!(null), None),
        (429, json!("<html>"), None),
        (400, json!({"code": 20503}), None),
        (503, json!({"code": 20503}), None),
        (500, json!({"code": 21422}), None),
        (302, json!({}), None),
        (201, json!({}), None),
        (201, json!({"sid": PN}), None),
        (201, with("phone_number", "+14155550002"), None),
        (201, with("account_sid", "AC99999999999999999999999999999999"), None),
        (201, with("sid", ""), None),
    ];
    for (status, body, refused) in cases {
        let fake = Fake::default();
        fake.on(buy(), status, &body);
        let outcome = open(&fake, token()).await.purchase(&purchase(Route::new())).await;
        match (&outcome, refused) {
            (Outcome::DidNothing(error), Some(class)) => {
                assert_eq!(error.class, class, "{status} {body}");
                let field = if body["code"].as_i64() >= Some(21649) { "bundleSid" } else { "addressSid" };
                assert!(class != Regulatory || error.text.contains(&format!("spec.purchase.regulatory.{field}")));
            }
            (Outcome::Unknown(_), None) => {}
            _ => panic!("{status} {body}: {outcome:?}"),
        }
        assert_eq!(fake.seen().len(), 1, "a purchase is sent once");
    }
    // As an update of what was ours, it may be answered with 200.
    let fake = Fake::default();
    fake.on(buy(), 200, bought());
    let outcome = open(&fake, token()).await.purchase(&purchase(Route::new())).await;
    assert!(matches!(outcome, Outcome::Did(Bought::Owned(_))));
}

#[tokio::test]
async fn a_refused_purchase_shows_nothing_of_what_was_sent_or_answered() {
    let fake = Fake::default();
    fake.on(buy(), 400, json!({"code": 21402, "message": "Url https://x.example/?token=s3cret is invalid"}));
    let twilio = open(&fake, token()).await;
    let outcome =
        twilio.purchase(&purchase([(Channel::Voice, destination("https://x.example/?token=s3cret"))].into())).await;
    let shown = format!("{outcome:?} {twilio:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("+1415"), "{shown}");
}

#[tokio::test]
async fn a_marker_is_written_and_read_and_nothing_else_is_touched() {
    let fake = Fake::default();
    let update = format!("POST /2010-04-01/Accounts/{AC}/IncomingPhoneNumbers/{PN}.json");
    let mut other = row(2);
    other["friendly_name"] = json!("Front desk");
    fake.on(&update, 200, bought()).on(numbers(FIRST), 200, page(0, &[bought(), other], None));
    let twilio = open(&fake, token()).await;
    let Outcome::Did(number) = twilio.mark(&NumberId(PN.into()), &marker()).await else { panic!() };
    assert_eq!(number.marker, Some(marker()));
    let name = marker().as_str().replace(':', "%3A");
    assert_eq!(fake.seen(), [format!("{update} FriendlyName={name}")]);
    let seen: Vec<_> = twilio.list().await.unwrap().into_iter().map(|number| number.marker).collect();
    assert_eq!(seen, [Some(marker()), None], "a person's name for a number is no marker");
}

#[tokio::test]
async fn offers_come_with_the_accounts_price_which_is_read_once() {
    let fake = Fake::default();
    fake.on(available("US/Local", WISH), 200, offered(&["+14155550001", "+14155550002", "+14155550001"]));
    fake.on(PRICES, 200, prices("1.15"));
    let twilio = open(&fake, token()).await;
    for _ in 0..2 {
        let offers = twilio.offers(&wish()).await.unwrap();
        let numbers: Vec<&str> = offers.iter().map(|offer| offer.number.as_str()).collect();
        assert_eq!(numbers, ["+14155550001", "+14155550002"]);
        let Offer { kind, features, price, .. } = &offers[0];
        assert_eq!((*kind, features.as_slice()), (NumberType::Local, [Feature::Voice, Feature::Sms].as_slice()));
        assert_eq!((price.monthly, price.setup, price.currency.as_deref()), ("1.15".parse().ok(), None, Some("USD")));
    }
    assert_eq!(fake.seen().iter().filter(|what| *what == PRICES).count(), 1);
}

#[tokio::test]
async fn prices_that_cannot_be_read_are_unknown_and_fail_no_search() {
    let mut elsewhere = prices("1.15");
    elsewhere["iso_country"] = json!("CA");
    for (status, body) in [
        (401, json!({"code": 20003})),
        (403, json!({"code": 70051})),
        (404, json!({"code": 20404})),
        (404, json!("<html>")),
        (200, json!("<html>")),
        (200, prices("free")),
        (200, elsewhere),
    ] {
        let fake = Fake::default();
        fake.on(available("US/Local", WISH), 200, offered(&["+14155550001"])).on(PRICES, status, &body);
        let offers = open(&fake, token()).await.offers(&wish()).await.unwrap();
        assert_eq!((offers.len(), offers[0].price.monthly), (1, None), "{status} {body}");
    }
}

#[tokio::test]
async fn a_search_that_is_refused_names_the_field_to_change() {
    use ErrorClass::*;
    for (status, body, class, says) in [
        (404, json!({"code": 20404}), NotFound, "no numbers of the type Local in US"),
        (404, json!("<html>"), NotFound, "without a Twilio error code"),
        (400, json!({"code": 20001}), Rejected, "spec.purchase.search.contains"),
        (422, json!({"code": 20422}), Rejected, "spec.purchase.search.contains"),
        (400, json!({"code": 21451}), Rejected, "area code"),
        (400, json!("<html>"), Rejected, "without a Twilio error code"),
        (403, json!({"code": 70051}), Forbidden, "permission"),
        (200, json!({"uri": "/"}), Transient, "cannot be decoded"),
    ] {
        let fake = Fake::default();
        fake.on(available("US/Local", WISH), status, &body);
        let error = open(&fake, token()).await.offers(&wish()).await.unwrap_err();
        assert_eq!(error.class, class, "{status} {body}: {error}");
        assert!(error.text.contains(says), "{error}");
    }
    let fake = Fake::default();
    fake.on(available("US/Local", WISH), 400, json!({"code": 21452}));
    assert_eq!(open(&fake, token()).await.offers(&wish()).await, Ok(vec![]));
}

#[tokio::test]
async fn a_named_number_is_looked_for_in_every_type_and_country_and_compared() {
    let query = "Contains=14165550001&PageSize=1000";
    let number: E164 = "+14165550001".parse().unwrap();
    let (canada, longer) = (available("CA/Local", query), offered(&["+141655500012"]));
    let fake = Fake::default();
    fake.on(available("US/Local", query), 200, &longer).on(available("US/TollFree", query), 200, offered(&[]));
    fake.on(&canada, 200, offered(&["+141655500012", "+14165550001"])).on(&canada, 200, offered(&[]));
    let twilio = open(&fake, token()).await;
    let offer = twilio.offer(&number).await.unwrap().unwrap();
    assert_eq!((&offer.number, offer.kind, offer.price.monthly), (&number, NumberType::Local, None));
    assert_eq!(twilio.offer(&number).await, Ok(None), "types that are not sold there do not matter");

    for (status, body, class) in [
        (404, json!({"code": 20404}), ErrorClass::NotFound),
        (404, json!("<html>"), ErrorClass::NotFound),
        (401, json!({"code": 20003}), ErrorClass::Unauthorized),
    ] {
        let fake = Fake::default();
        fake.on(available("US/Local", query), status, &body);
        let error = open(&fake, token()).await.offer(&number).await.unwrap_err();
        assert_eq!(error.class, class, "{status} {body}");
    }
    let fake = Fake::default();
    let nowhere = open(&fake, token()).await.offer(&"+8835100012345".parse().unwrap()).await.unwrap_err();
    assert_eq!((nowhere.class, fake.seen()), (ErrorClass::NotFound, vec![]));
}

#[tokio::test]
async fn a_balance_is_a_text_and_subaccounts_have_none() {
    let path = format!("GET /2010-04-01/Accounts/{AC}/Balance.json");
    let shown = |balance: Value| json!({"account_sid": AC, "balance": balance, "currency": "USD"});
    for (body, expected) in [
        (shown(json!("0.05")), Some("0.05")),
        (shown(json!("-1.15")), Some("-1.15")),
        (shown(json!(12.5)), Some("12.5")),
        (shown(json!("")), None),
        (shown(json!(null)), None),
        (json!({"account_sid": AC}), None),
    ] {
        let fake = Fake::default();
        fake.on(&path, 200, &body);
        let balance = open(&fake, token()).await.balance().await.unwrap();
        let wanted = expected.map(|amount| Balance { amount: amount.parse().unwrap(), currency: "USD".to_owned() });
        assert_eq!(balance, wanted, "{body}");
    }
    // Nothing is scripted: 20404, as for a subaccount.
    assert_eq!(open(&Fake::default(), token()).await.balance().await, Ok(None));
    let fake = Fake::default();
    fake.on(&path, 404, "<html>");
    assert!(open(&fake, token()).await.balance().await.is_err(), "a gateway's page is no balance");
    let fake = Fake::default();
    fake.on(&path, 200, json!({"account_sid": "AC9", "balance": "1", "currency": "USD"}));
    assert!(open(&fake, token()).await.balance().await.is_err());
}
