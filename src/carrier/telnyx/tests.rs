//! The adapter against a small server: what it sends to the byte, and what it makes of what comes back. I/O on the loopback.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::carrier::{Calling, ErrorClass};
use crate::{
    api::{
        number::{Destination, Method},
        phone_number::Regulatory,
    },
    carrier::{fake::Fake, http::Limits},
};

const ID: &str = "1293384261075731499";
const NUMBER: &str = "+14155550001";
const APP: &str = "1293384261075731500";
const PROFILE: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

async fn open(fake: &Fake) -> Telnyx {
    let endpoint = Some(fake.start().await);
    let config = Config { api_key: SecretString::from("KEYs3cret"), identity: "telephony/telnyx".into(), endpoint };
    let limits = Limits { concurrency: 4, requests_per_second: 0 };
    Telnyx::new(config, Transport::new(Duration::from_secs(5)).unwrap(), Limiter::new(limits)).unwrap()
}

fn error(code: &str) -> Value {
    json!({ "errors": [{ "code": code, "title": "t", "detail": "+14155550001 and https://x.example/?token=s3cret" }] })
}

fn row() -> Value {
    json!({ "id": ID, "phone_number": NUMBER, "status": "active", "connection_id": APP, "messaging_profile_id": PROFILE,
        "tags": ["theirs"], "customer_reference": "dp1:prod:1", "external_pin": "s3cret", "a_field_of_the_future": [1] })
}

fn with(mut value: Value, field: &str, to: Value) -> Value {
    value[field] = to;
    value
}

fn data(value: Value) -> Value {
    json!({ "data": value })
}

fn page(rows: &[Value]) -> Value {
    let meta = json!({ "page_number": 1, "page_size": 250, "total_pages": 1, "total_results": rows.len() });
    json!({ "data": rows, "meta": meta })
}

fn list(filter: &str) -> String {
    format!("GET /v2/phone_numbers?{filter}handle_messaging_profile_error=true&page[number]=1&page[size]=250")
}

fn number() -> E164 {
    NUMBER.parse().unwrap()
}

fn marker() -> Marker {
    Marker::read("dp1:prod:1").unwrap()
}

fn id() -> NumberId {
    NumberId(ID.into())
}

fn bindings() -> Route {
    let bound = |kind: &str, id: &str| Destination::bound(kind, Some(id.to_owned()));
    [(Channel::Voice, bound("connectionId", APP)), (Channel::Sms, bound("messagingProfileId", PROFILE))].into()
}

const PATCH: &str = "PATCH /v2/phone_numbers/1293384261075731499";
const MESSAGING: &str = "PATCH /v2/phone_numbers/1293384261075731499/messaging";

#[tokio::test]
async fn a_listing_is_asked_for_with_the_key_and_read_whole_or_not_at_all() {
    let fake = Fake::default();
    fake.on(list(""), 200, page(&[row(), with(with(row(), "id", json!("2")), "phone_number", json!("55512"))]));
    let telnyx = open(&fake).await;
    let listed = telnyx.list().await.unwrap();
    assert_eq!((listed.len(), &listed[0].id, &listed[0].route), (1, &id(), &bindings()), "a short code is no number");
    assert_eq!(listed[0].marker, Some(marker()));
    assert_eq!(fake.auth().as_deref(), Some("Bearer KEYs3cret"));
    let shown = format!("{telnyx:?} {listed:?}");
    assert!(!shown.contains("s3cret"), "{shown}");

    for (name, answer) in [
        ("without totals", json!({ "data": [row()] })),
        ("without rows", json!({ "meta": page(&[])["meta"] })),
        ("a row without an id", page(&[with(row(), "id", Value::Null)])),
        ("fewer than said", with(page(&[row()]), "data", json!([]))),
        ("an error in a success", error("10007")),
        ("a page", json!("<html>")),
    ] {
        let fake = Fake::default();
        fake.on(list(""), 200, answer);
        assert_eq!(open(&fake).await.list().await.expect_err(name).class, ErrorClass::Transient, "{name}");
    }
}

/// One row of the voice settings.
fn voice(id: &str, forwarding: Value) -> Value {
    json!({ "id": id, "record_type": "voice_settings", "call_forwarding": forwarding })
}

const VOICE: &str = "GET /v2/phone_numbers/voice?page[number]=1&page[size]=250";

/// Who gets the calls of a number, by a listing that comes after the voice settings were read.
async fn calling(telnyx: &Telnyx) -> Calling {
    telnyx.list().await.unwrap();
    telnyx.forwarding_round.ended().await;
    telnyx.list().await.unwrap().remove(0).calling
}

#[tokio::test]
async fn calls_that_are_forwarded_are_seen_by_the_list_of_voice_settings() {
    let to = "+14155559999";
    for (name, forwarding, expected) in [
        ("none", Value::Null, Calling::Number),
        ("no target", json!({ "call_forwarding_enabled": true, "forwards_to": "" }), Calling::Number),
        ("no type", json!({ "call_forwarding_enabled": true, "forwards_to": to }), Calling::Number),
        (
            "always",
            json!({ "call_forwarding_enabled": true, "forwards_to": to, "forwarding_type": "always" }),
            Calling::Forwarded,
        ),
        ("by default", json!({ "forwards_to": to, "forwarding_type": "always" }), Calling::Forwarded),
        (
            "switched off",
            json!({ "call_forwarding_enabled": false, "forwards_to": to, "forwarding_type": "always" }),
            Calling::Number,
        ),
        ("what fails", json!({ "forwards_to": to, "forwarding_type": "on-failure" }), Calling::Number),
    ] {
        let fake = Fake::default();
        fake.on(list(""), 200, page(&[row()])).on(VOICE, 200, page(&[voice(ID, forwarding)]));
        let telnyx = open(&fake).await;
        assert_eq!(telnyx.list().await.unwrap()[0].calling, Calling::Unseen, "{name}: no number waits for it");
        for _ in 0..3 {
            assert_eq!(calling(&telnyx).await, expected, "{name}");
        }
        assert_eq!(fake.seen().iter().filter(|what| what.contains("/voice")).count(), 1, "{name}: once in a while");
    }
}

#[tokio::test]
async fn voice_settings_that_cannot_be_read_are_unseen_and_not_read_where_nothing_may_be_forwarded() {
    for (status, answer) in [
        (403, error("10010")),
        (404, error("10005")),
        (401, error("10009")),
        (200, json!({})),
        (200, page(&[json!({})])),
    ] {
        let fake = Fake::default();
        fake.on(list(""), 200, page(&[row()])).on(VOICE, status, &answer);
        assert_eq!(calling(&open(&fake).await).await, Calling::Unseen, "{status} {answer}");
    }
    let fake = Fake::default();
    fake.on(list(""), 200, page(&[with(row(), "call_forwarding_enabled", json!(false))]));
    assert_eq!(calling(&open(&fake).await).await, Calling::Number);
    assert!(!fake.seen().iter().any(|what| what.contains("/voice")), "its row says so");
}

#[tokio::test]
async fn a_number_is_asked_for_by_its_digits_and_compared() {
    let fake = Fake::default();
    let longer = with(with(row(), "id", json!("2")), "phone_number", json!("+141555500012"));
    let gone = with(with(row(), "id", json!("3")), "status", json!("deleted"));
    fake.on(list("filter[phone_number]=14155550001&"), 200, page(&[longer, gone, row()]));
    let telnyx = open(&fake).await;
    assert_eq!(telnyx.find(&number()).await.unwrap().unwrap().id, id());
    assert_eq!(fake.seen(), [list("filter[phone_number]=14155550001&")]);
    let twice = Fake::default();
    twice.on(list("filter[phone_number]=14155550001&"), 200, page(&[row(), with(row(), "id", json!("2"))]));
    assert!(open(&twice).await.find(&number()).await.is_err());
}

#[tokio::test]
async fn a_route_is_one_patch_for_each_channel_that_it_names() {
    let fake = Fake::default();
    let settings = |profile: Value| data(json!({ "id": ID, "messaging_profile_id": profile }));
    fake.on(PATCH, 200, data(row())).on(MESSAGING, 200, settings(json!(PROFILE)));
    let telnyx = open(&fake).await;
    let Outcome::Did(owned) = telnyx.set_route(&id(), &bindings()).await else { panic!() };
    assert_eq!(owned.route, bindings());
    let bodies = [
        format!("{PATCH} {}", json!({ "connection_id": APP })),
        format!("{MESSAGING} {}", json!({ "messaging_profile_id": PROFILE })),
    ];
    assert_eq!(fake.seen(), bodies, "what was answered is not asked for again");

    let fake = Fake::default();
    fake.on(MESSAGING, 200, settings(json!("")));
    fake.on("GET /v2/phone_numbers/1293384261075731499", 200, data(row()));
    let silenced = [(Channel::Sms, Destination::default())].into();
    let Outcome::Did(owned) = open(&fake).await.set_route(&id(), &silenced).await else { panic!() };
    assert!(owned.route[&Channel::Sms].is_empty() && !owned.route[&Channel::Voice].is_empty(), "its row may lag");
    assert_eq!(fake.seen()[0], format!("{MESSAGING} {}", json!({ "messaging_profile_id": "" })), "null keeps");
}

#[tokio::test]
async fn a_connection_is_cleared_by_the_empty_text_or_by_null() {
    let cleared = || data(with(row(), "connection_id", Value::Null));
    let quiet: Route = [(Channel::Voice, Destination::default())].into();
    for (first, bodies) in [
        ((200, cleared()), vec![r#"{"connection_id":""}"#]),
        ((422, error("85004")), vec![r#"{"connection_id":""}"#, r#"{"connection_id":null}"#]),
        ((200, data(row())), vec![r#"{"connection_id":""}"#, r#"{"connection_id":null}"#]),
    ] {
        let fake = Fake::default();
        fake.on(PATCH, first.0, first.1).on(PATCH, 200, cleared());
        let outcome = open(&fake).await.set_route(&id(), &quiet).await;
        assert!(matches!(outcome, Outcome::Did(_)), "{outcome:?}");
        assert_eq!(fake.seen(), bodies.iter().map(|body| format!("{PATCH} {body}")).collect::<Vec<_>>());
    }
    for (status, code) in [(401, "10009"), (429, "10011"), (404, "10005")] {
        let fake = Fake::default();
        fake.on(PATCH, status, error(code));
        assert!(matches!(open(&fake).await.set_route(&id(), &quiet).await, Outcome::DidNothing(_)));
        assert_eq!(fake.seen().len(), 1, "{code} is not about the value");
    }
}

#[tokio::test]
async fn an_answer_that_shows_something_else_is_not_what_was_set() {
    for (name, patched, messaging) in [
        ("another number", with(row(), "id", json!("9")), json!(PROFILE)),
        ("another application", with(row(), "connection_id", json!("9")), json!(PROFILE)),
        ("another profile", row(), json!("9")),
        ("a number that is gone", with(row(), "status", json!("deleted")), json!(PROFILE)),
    ] {
        let fake = Fake::default();
        fake.on(PATCH, 200, data(patched)).on(MESSAGING, 200, data(json!({ "messaging_profile_id": messaging })));
        let outcome = open(&fake).await.set_route(&id(), &bindings()).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{name}: {outcome:?}");
    }
    let fake = Fake::default();
    fake.on("GET /v2/phone_numbers/1293384261075731499", 200, data(row())).on(PATCH, 200, data(row()));
    let other = Marker::read("dp1:prod:2").unwrap();
    assert!(matches!(open(&fake).await.mark(&id(), &other).await, Outcome::Unknown(_)));
    let tags = json!({ "customer_reference": "dp1:prod:2", "tags": ["theirs", "dp1:prod:2"] });
    assert_eq!(fake.seen()[1], format!("{PATCH} {tags}"));
}

fn purchase() -> Purchase {
    Purchase {
        number: number(),
        marker: marker(),
        route: bindings(),
        regulatory: Regulatory::default(),
        hold: None,
        key: "key".into(),
        before: Instant::now() + Duration::from_secs(5),
    }
}

const BUY: &str = "POST /v2/number_orders";

fn exact(country: &str, filters: &str) -> String {
    format!(
        "GET /v2/available_phone_numbers?filter[country_code]={country}&filter[phone_number_type]=local&{filters}\
         &filter[limit]=250"
    )
}

fn found(best_effort: bool) -> Value {
    json!({ "data": [{ "phone_number": NUMBER, "best_effort": best_effort }], "meta": { "total_results": 1 } })
}

fn placed(status: &str, line: &str) -> Value {
    data(json!({ "id": "o1", "status": status, "customer_reference": "dp1:prod:1",
        "phone_numbers": [{ "id": "l1", "phone_number": NUMBER, "status": line }] }))
}

#[tokio::test]
async fn an_order_is_one_number_with_all_that_it_begins_with_after_a_search() {
    let fake = Fake::default();
    fake.on(exact("US", "filter[phone_number][contains]=4155550001"), 200, found(false));
    fake.on(BUY, 200, placed("pending", "pending"));
    let Outcome::Did(Bought::Ordered(order)) = open(&fake).await.purchase(&purchase()).await else { panic!() };
    assert_eq!(
        order,
        Order { id: "o1".into(), number: number(), marker: Some(marker()), pending: true, lacks_papers: false }
    );
    let body = json!({ "phone_numbers": [{ "phone_number": NUMBER }], "customer_reference": "dp1:prod:1",
        "connection_id": APP, "messaging_profile_id": PROFILE });
    let search = exact("US", "filter[phone_number][contains]=4155550001");
    assert_eq!(fake.seen(), [search, format!("{BUY} {body}")]);
}

#[tokio::test]
async fn a_number_that_a_search_does_not_show_is_looked_for_in_every_way_and_ordered_all_the_same() {
    let within = "filter[national_destination_code]=415&filter[phone_number][starts_with]=5550001";
    let contains = "filter[phone_number][contains]=4155550001";
    let nothing = json!({ "data": [], "meta": {} });
    for (first, second) in
        [((200, found(true)), (200, nothing.clone())), ((400, error("10015")), (422, error("10027")))]
    {
        let fake = Fake::default();
        for country in ["US", "CA"] {
            fake.on(exact(country, contains), first.0, &first.1).on(exact(country, within), second.0, &second.1);
        }
        fake.on(BUY, 200, placed("pending", ""));
        let telnyx = open(&fake).await;
        assert!(matches!(telnyx.purchase(&purchase()).await, Outcome::Did(_)));
        assert_eq!(fake.seen().len(), 5, "{:?}", fake.seen());
        let offer = telnyx.offer(&number()).await;
        assert_eq!(offer.is_err(), first.0 == 400, "{offer:?}");
    }
    for (status, code) in [(401, "10009"), (429, "10011")] {
        let fake = Fake::default();
        fake.on(exact("US", contains), status, error(code)).on(BUY, 200, placed("pending", ""));
        let outcome = open(&fake).await.purchase(&purchase()).await;
        assert!(matches!(outcome, Outcome::DidNothing(_)), "{outcome:?}");
        assert!(!fake.seen().iter().any(|what| what.starts_with(BUY)), "a search that fails buys nothing");
    }

    let fake = Fake::default();
    for country in ["US", "CA"] {
        fake.on(exact(country, contains), 200, &nothing).on(exact(country, within), 200, &nothing);
    }
    fake.on(BUY, 422, error("85000"));
    let outcome = open(&fake).await.purchase(&purchase()).await;
    assert!(matches!(outcome, Outcome::DidNothing(error) if error.has_code(85000)));
    assert_eq!(fake.seen().iter().filter(|what| what.starts_with(BUY)).count(), 1, "no search showed it");
}

#[tokio::test]
async fn what_is_reserved_is_ordered_at_once_and_after_a_search_that_need_not_show_it_once_that_is_asked_for() {
    let reserved = || {
        let hold = Hold { number: number(), id: "r1".into(), until: None };
        Purchase { hold: Some(hold), ..purchase() }
    };
    let fake = Fake::default();
    fake.on(BUY, 200, placed("pending", "pending"));
    assert!(matches!(open(&fake).await.purchase(&reserved()).await, Outcome::Did(_)));
    assert_eq!(fake.seen().len(), 1, "{:?}", fake.seen());

    let fake = Fake::default();
    let nothing = json!({ "data": [], "meta": {} });
    for country in ["US", "CA"] {
        fake.on(exact(country, "filter[phone_number][contains]=4155550001"), 200, &nothing);
        fake.on(
            exact(country, "filter[national_destination_code]=415&filter[phone_number][starts_with]=5550001"),
            200,
            &nothing,
        );
    }
    fake.on(BUY, 422, error("85000")).on(BUY, 200, placed("pending", "pending"));
    assert!(matches!(open(&fake).await.purchase(&reserved()).await, Outcome::Did(_)));
}

#[tokio::test]
async fn what_an_order_led_to_follows_from_telnyxs_own_words_only() {
    #[derive(Debug, PartialEq)]
    enum Led {
        Ordered,
        Owned,
        Nothing,
        Unknown,
    }
    let other = with(
        placed("pending", "pending")["data"].clone(),
        "phone_numbers",
        json!([{ "phone_number": "+14155550002" }]),
    );
    let cases: Vec<(u16, Value, Led)> = vec![
        (200, placed("pending", "pending"), Led::Ordered),
        (201, placed("success", "pending"), Led::Ordered),
        (200, placed("a-word-of-the-future", ""), Led::Ordered),
        (200, placed("success", "success"), Led::Owned),
        (200, placed("failure", "failure"), Led::Nothing),
        (200, placed("partial_success", "failed"), Led::Nothing),
        (200, placed("cancelled", ""), Led::Nothing),
        (422, error("85001"), Led::Nothing),
        (400, error("20100"), Led::Nothing),
        (403, error("20014"), Led::Nothing),
        (401, error("10009"), Led::Nothing),
        (429, error("10011"), Led::Nothing),
        // A gateway's, which may stand for an answer that was lost behind it; or a failure; or our own order under way.
        (400, json!("<html>"), Led::Unknown),
        (403, json!({ "message": "blocked" }), Led::Unknown),
        (404, Value::Null, Led::Unknown),
        (429, json!("<html>"), Led::Unknown),
        (422, error("10036"), Led::Unknown),
        (400, error("10007"), Led::Unknown),
        (408, error("85001"), Led::Unknown),
        (503, error("85001"), Led::Unknown),
        (302, json!({}), Led::Unknown),
        (200, json!({}), Led::Unknown),
        (200, data(json!({ "id": "o1", "status": "success" })), Led::Unknown),
        (200, data(other), Led::Unknown),
        (200, with(json!({}), "data", json!({ "phone_numbers": [{ "phone_number": NUMBER }] })), Led::Unknown),
    ];
    for (status, body, expected) in cases {
        let fake = Fake::default();
        fake.on(exact("US", "filter[phone_number][contains]=4155550001"), 200, found(false));
        fake.on(list("filter[phone_number]=14155550001&"), 200, page(&[row()]));
        fake.on(BUY, status, &body);
        let outcome = open(&fake).await.purchase(&purchase()).await;
        let led = match &outcome {
            Outcome::Did(Bought::Ordered(_)) => Led::Ordered,
            Outcome::Did(Bought::Owned(_)) => Led::Owned,
            Outcome::DidNothing(_) => Led::Nothing,
            Outcome::Unknown(_) => Led::Unknown,
        };
        assert_eq!(led, expected, "{status} {body}: {outcome:?}");
        assert_eq!(fake.seen().iter().filter(|what| what.starts_with(BUY)).count(), 1, "an order is sent once");
        if let Outcome::DidNothing(error) | Outcome::Unknown(error) = outcome {
            assert!(!error.text.contains("s3cret") && !error.text.contains("1415"), "{error}");
        }
    }
}

#[tokio::test]
async fn every_order_of_ours_that_stands_is_listed() {
    let order = |id: &str, reference: &str, status: &str| {
        let line = json!({ "id": "l", "phone_number": NUMBER });
        json!({ "id": id, "customer_reference": reference, "status": status, "phone_numbers": [line] })
    };
    let orders = [
        order("1", "dp1:prod:1", "pending"),
        order("2", "dp1:prod:1", "success"),
        order("3", "dp1:other:1", "a-word-of-the-future"),
        order("4", "dp1:prod:1", "failure"),
        order("5", "dp1:prod:1", "cancelled"),
        order("6", "dp1:prod:1", "deleted"),
        order("7", "Order 7", "pending"),
        json!({ "id": "8", "customer_reference": null, "status": "pending", "phone_numbers": null }),
    ];
    let path = "GET /v2/number_orders?page[number]=1&page[size]=250";
    let pending = "GET /v2/number_orders?filter[status]=pending&page[number]=1&page[size]=250";
    for code in ["10015", "10027"] {
        let fake = Fake::default();
        fake.on(pending, 422, error(code)).on(path, 200, page(&orders));
        let ids: Vec<String> = open(&fake).await.standing().await.unwrap().into_iter().map(|order| order.id).collect();
        assert_eq!(ids, ["1", "2", "3"], "all are read where a filter is refused");
    }
    let fake = Fake::default();
    let nameless = with(order("1", "dp1:prod:1", "pending"), "phone_numbers", json!([{ "id": "l" }]));
    fake.on(pending, 400, error("10015")).on(path, 200, page(&[nameless]));
    assert!(open(&fake).await.standing().await.is_err(), "an order of something is not no order");
}

#[tokio::test]
async fn a_hold_is_what_the_reservation_says_of_this_number() {
    let path = "POST /v2/number_reservations";
    let reserved = |status: &str, line: &str, number: &str| {
        let line = json!({ "phone_number": number, "status": line, "expired_at": "2026-11-24T12:00:00Z" });
        data(json!({ "id": "r1", "status": status, "phone_numbers": [line] }))
    };
    for (body, expected) in [
        (reserved("success", "success", NUMBER), Some(true)),
        (reserved("pending", "pending", NUMBER), Some(true)),
        (reserved("partial_success", "failed", NUMBER), Some(false)),
        (reserved("failure", "", NUMBER), Some(false)),
        (reserved("success", "success", "+14155550002"), None),
    ] {
        let fake = Fake::default();
        fake.on(path, 200, &body);
        match (open(&fake).await.hold(&number(), &marker()).await, expected) {
            (Outcome::Did(hold), Some(true)) => {
                assert_eq!(
                    hold,
                    Hold { number: number(), id: "r1".into(), until: Some("2026-11-24T12:00:00Z".into()) }
                );
            }
            (Outcome::DidNothing(error), Some(false)) => assert_eq!(error.class, ErrorClass::Unavailable),
            (Outcome::Unknown(_), None) => {}
            (outcome, _) => panic!("{body}: {outcome:?}"),
        }
        let sent = json!({ "phone_numbers": [{ "phone_number": NUMBER }], "customer_reference": "dp1:prod:1" });
        assert_eq!(fake.seen(), [format!("{path} {sent}")]);
    }
}

#[tokio::test]
async fn a_number_that_is_reserved_already_is_ours_if_a_reservation_of_this_installation_has_it_by_whichever_filter() {
    let path = "/v2/number_reservations";
    let by = |filter: &str| format!("GET {path}?filter[{filter}&page[number]=1&page[size]=250");
    let (by_number, by_name) =
        (by("phone_numbers.phone_number]=%2B14155550001"), by("customer_reference]=dp1%3Aprod%3A1"));
    let reservation = |id: &str, reference: &str, number: &str, until: &str| {
        let line = json!({ "phone_number": number, "status": "success", "expired_at": until });
        json!({ "id": id, "status": "success", "customer_reference": reference, "phone_numbers": [line] })
    };
    let (soon, later, past) = ("2999-01-01T00:00:00Z", "2999-01-02T00:00:00Z", "2026-01-01T00:00:00Z");
    let none = || (200, page(&[]));
    let all = page(&[
        reservation("hand", "by hand", NUMBER, later),
        reservation("old", "dp1:prod:2", NUMBER, past),
        reservation("other", "dp1:prod:2", "+14155550002", later),
        reservation("elsewhere", "dp1:stage:1", NUMBER, later),
        reservation("left", "dp1:prod:2", NUMBER, soon),
    ]);
    let own = page(&[reservation("own", "dp1:prod:1", NUMBER, soon)]);
    for (first, second, expected) in [
        ((200, all.clone()), none(), Some("left")),
        (none(), (200, own.clone()), Some("own")),
        ((400, error("10015")), (200, own.clone()), Some("own")),
        ((200, page(&[reservation("hand", "by hand", NUMBER, later)])), none(), None),
    ] {
        let fake = Fake::default();
        fake.on(format!("POST {path}"), 422, error("85006"));
        fake.on(&by_number, first.0, first.1).on(&by_name, second.0, second.1);
        match (open(&fake).await.hold(&number(), &marker()).await, expected) {
            (Outcome::Did(hold), Some(id)) => assert_eq!((hold.number, &*hold.id), (number(), id)),
            (Outcome::DidNothing(error), None) => assert_eq!(error.class, ErrorClass::Unavailable),
            (outcome, _) => panic!("{expected:?}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_url_is_unset_by_the_empty_text_or_by_null() {
    let change = format!("PATCH /v2/texml_applications/{APP}");
    let url = |url: &str, fallback: Option<&str>| Destination {
        url: Some(url.into()),
        fallback_url: fallback.map(str::to_owned),
        method: Method::Get,
        fallback_method: if fallback.is_some() { Method::Get } else { Method::Post },
        ..Destination::default()
    };
    let mut current = SharedRoute { bound: bindings(), webhooks: Route::new() };
    current.bound.remove(&Channel::Sms);
    current.webhooks.insert(Channel::Voice, url("https://a.example/", Some("https://b.example/")));
    let wanted: Route = [(Channel::Voice, url("https://a.example/", None))].into();
    let shown = |fallback: Value| {
        data(
            json!({ "id": APP, "voice_url": "https://a.example/", "voice_method": "GET", "voice_fallback_url": fallback }),
        )
    };
    for (first, done) in [
        ((400, error("10015")), true),
        ((200, shown(json!("https://b.example/"))), true),
        ((403, error("10010")), false),
    ] {
        let fake = Fake::default();
        fake.on(&change, first.0, first.1).on(&change, 200, shown(Value::Null));
        let outcome = open(&fake).await.set("a", &current, &wanted).await;
        assert_eq!(matches!(&outcome, Outcome::Did(shared) if shared.webhooks == wanted), done, "{outcome:?}");
        let body = |empty: Value| {
            let fields = json!({ "active": true, "friendly_name": "a", "voice_url": "https://a.example/", "voice_method": "get",
                "voice_fallback_url": empty });
            format!("{change} {fields}")
        };
        let bodies = [body(json!("")), body(Value::Null)];
        assert_eq!(fake.seen(), bodies[..if done { 2 } else { 1 }]);
    }
    let fake = Fake::default();
    fake.on(&change, 200, shown(json!("https://b.example/")));
    let outcome = open(&fake).await.set("a", &current, &wanted).await;
    assert!(matches!(&outcome, Outcome::Unknown(error) if error.class == ErrorClass::Rejected), "{outcome:?}");
}

#[tokio::test]
async fn a_key_that_opens_nothing_and_an_endpoint_that_cannot_be_meant_say_so() {
    for (status, body, class) in [
        (401, error("20002"), ErrorClass::Unauthorized),
        (401, json!("<html>"), ErrorClass::Unauthorized),
        (403, error("10010"), ErrorClass::Forbidden),
        (200, json!({}), ErrorClass::Transient),
    ] {
        let fake = Fake::default();
        fake.on("GET /v2/balance", status, body);
        assert_eq!(open(&fake).await.identify().await.unwrap_err().class, class);
    }
    let fake = Fake::default();
    let shown = json!({ "balance": "5.10", "available_credit": "105.10", "credit_limit": "100.00", "currency": "usd" });
    fake.on("GET /v2/balance", 200, data(shown));
    let balance = open(&fake).await.balance().await.unwrap().unwrap();
    assert_eq!((balance.amount, balance.currency.as_str()), ("5.10".parse().unwrap(), "USD"), "without what is lent");
    for bad in ["ftp://a.example", "https://u:p@a.example", "https://a.example/?x", "https://a.example/#x"] {
        let config = Config { api_key: SecretString::from("k"), identity: "a/b".into(), endpoint: bad.parse().ok() };
        let opened =
            Telnyx::new(config, Transport::new(Duration::from_secs(5)).unwrap(), Limiter::new(Limits::default()));
        assert_eq!(opened.err(), Some(ConfigError::Endpoint), "{bad}");
    }
}

/// The words of Telnyx's answers.
const KEYS: &[&str] = &[
    "data",
    "meta",
    "page_number",
    "page_size",
    "total_pages",
    "total_results",
    "id",
    "phone_number",
    "phone_numbers",
    "status",
    "connection_id",
    "messaging_profile_id",
    "customer_reference",
    "tags",
    "features",
    "name",
    "errors",
    "code",
    "region_information",
    "region_type",
    "cost_information",
    "monthly_cost",
    "currency",
    "balance",
    "active",
];

proptest::proptest! {
    #[test]
    fn whatever_comes_is_an_answer_or_an_error_that_is_classed(bytes in crate::carrier::fuzz::answer(KEYS), status in 300..600u16) {
        if let Ok(page) = serde_json::from_slice::<Page<WireNumber>>(&bytes) {
            let mut reading = Reading::new("");
            match reading.take(page) {
                Ok(()) => drop(reading.finish()),
                Err(error) => assert!(error.class == ErrorClass::Transient && error.text.contains("incomplete"), "{error:?}"),
            }
        }
        if let Ok(row) = serde_json::from_slice::<WireNumber>(&bytes) {
            drop(row.owned());
        }
        drop(serde_json::from_slice::<Data<BalanceShown>>(&bytes));
        drop(serde_json::from_slice::<search::Found>(&bytes));
        let headers = reqwest::header::HeaderMap::new();
        let refusal = crate::carrier::http::Refusal { status, headers: &headers, body: &bytes };
        let error = crate::carrier::http::Dialect::refusal(&Words, &refusal);
        proptest::prop_assert!(!error.text.is_empty() && error.text.len() < 1000);
        crate::carrier::http::Dialect::is_decision(&Words, &refusal);
    }
}
