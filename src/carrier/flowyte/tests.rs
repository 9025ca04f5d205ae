//! The adapter against a small server: what it sends to the byte, and what it makes of what comes back. I/O on the loopback.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::{
    api::{
        number::{Destination, HOSTED_AGENT},
        phone_number::Regulatory,
    },
    carrier::{Messaging, fake::Fake, http::Limits},
};

const NUMBER: &str = "+14155550100";
const LIST: &str = "GET /api/v1/numbers?limit=100";
const ONE: &str = "GET /api/v1/numbers?limit=1";
const ASSIGN: &str = "POST /api/v1/numbers/n1/assign";
const UNASSIGN: &str = "DELETE /api/v1/numbers/n1/assign";
const BUY: &str = "POST /api/v1/numbers/purchase";
const RESERVE: &str = "POST /api/v1/numbers/reserve";
const LET_GO: &str = "DELETE /api/v1/numbers/reserve/r1";
const IMPORT: &str = "POST /api/v1/numbers/import";
const AVAILABLE: &str = "GET /api/v1/numbers/available/%2B14155550100";
const WALLET: &str = "GET /api/v1/billing/wallet";
const AGENT: &str = "GET /api/v1/agents/a1";
const VERSIONS: &str = "GET /api/v1/agents/a1/versions?limit=20";
const DIFF: &str = "GET /api/v1/agents/a1/versions/v2/diff";

async fn open(fake: &Fake) -> Flowyte {
    let config = Config { api_key: SecretString::from("flowyte_sk_s3cret"), endpoint: Some(fake.start().await) };
    let limits = Limits { concurrency: 4, requests_per_second: 0 };
    Flowyte::new(config, Transport::new(Duration::from_secs(5)).unwrap(), Limiter::new(limits)).unwrap()
}

fn data(data: Value) -> Value {
    json!({ "success": true, "data": data })
}

fn with(mut value: Value, field: &str, to: Value) -> Value {
    value[field] = to;
    value
}

fn problem(status: u16, code: &str) -> Value {
    json!({ "type": "about:blank", "title": "t", "status": status, "code": code, "detail": "To +14155550100: s3cret" })
}

fn row() -> Value {
    json!({ "id": "n1", "organizationId": "org1", "e164": NUMBER, "provider": "carrier-1", "status": "assigned",
        "defaultAgentId": "a1", "monthlyCost": 1.15, "createdAt": "2026-11-30T00:00:00.000Z", "a_field_of_the_future": [1] })
}

fn silent() -> Value {
    with(row(), "defaultAgentId", Value::Null)
}

fn number() -> E164 {
    NUMBER.parse().unwrap()
}

fn id() -> NumberId {
    NumberId("n1".into())
}

fn answered_by(agent: &str) -> Route {
    [(Channel::Voice, Destination::bound(HOSTED_AGENT, Some(agent.to_owned())))].into()
}

fn nowhere() -> Route {
    [(Channel::Voice, Destination::default())].into()
}

#[tokio::test]
async fn a_listing_is_asked_for_with_the_key_and_read_whole_or_not_at_all() {
    let fake = Fake::default();
    let other = with(with(row(), "id", json!("n2")), "e164", json!("55512"));
    fake.on(LIST, 200, data(json!([row(), other])));
    let flowyte = open(&fake).await;
    let listed = flowyte.list().await.unwrap();
    assert_eq!(
        (listed.len(), &listed[0].id, &listed[0].route),
        (1, &id(), &answered_by("a1")),
        "a short code is no number"
    );
    assert_eq!((listed[0].messaging.clone(), &listed[0].marker), (Messaging::Unseen, &None));
    assert_eq!(fake.auth().as_deref(), Some("Bearer flowyte_sk_s3cret"));
    assert!(!format!("{flowyte:?} {listed:?}").contains("s3cret"));

    for (name, answer) in [
        ("without rows", json!({ "success": true })),
        ("no success", json!({ "success": false, "data": [] })),
        ("a row without an id", data(json!([with(row(), "id", Value::Null)]))),
        ("the same row twice", data(json!([row(), row()]))),
        ("an error in a success", problem(404, "not_found")),
        ("a page", json!("<html>")),
    ] {
        let fake = Fake::default();
        fake.on(LIST, 200, answer);
        assert_eq!(open(&fake).await.list().await.expect_err(name).class, ErrorClass::Transient, "{name}");
    }
}

#[tokio::test]
async fn pages_are_followed_by_cursor_and_by_number() {
    let second = with(with(row(), "id", json!("n2")), "e164", json!("+14155550101"));
    let page = |rows: Value, place: Value| json!({ "success": true, "data": rows, "pagination": place });
    let fake = Fake::default();
    fake.on(LIST, 200, page(json!([row()]), json!({ "nextCursor": "a b" })));
    fake.on("GET /api/v1/numbers?limit=100&cursor=a+b", 200, page(json!([second]), json!({ "nextCursor": null })));
    assert_eq!(open(&fake).await.list().await.unwrap().len(), 2);
    let fake = Fake::default();
    let place = |page: u8| json!({ "page": page, "limit": 1, "total": 2, "totalPages": 2, "nextCursor": null });
    fake.on(LIST, 200, page(json!([row()]), place(1)));
    fake.on("GET /api/v1/numbers?limit=100&page=2", 200, page(json!([second]), place(2)));
    let flowyte = open(&fake).await;
    assert_eq!(flowyte.find(&"+14155550101".parse().unwrap()).await.unwrap().unwrap().id.0, "n2");
    assert_eq!(flowyte.find(&"+14155550102".parse().unwrap()).await, Ok(None));
    fake.on(LIST, 404, "<html>");
    assert!(flowyte.find(&number()).await.unwrap().is_some());
    assert_eq!(flowyte.find(&number()).await.unwrap_err().class, ErrorClass::NotFound, "a 404 is no absence");
}

#[tokio::test]
async fn an_organization_is_told_by_a_number_or_by_an_agent_and_else_not_at_all() {
    let agents = "GET /api/v1/agents?limit=1";
    let none = data(json!([]));
    let agent = data(json!([{ "id": "a1", "organizationId": "org1" }]));
    let of = |answer: (u16, Value)| Ok::<_, ErrorClass>(answer);
    for (first, second, expected, asked) in [
        (of((200, data(json!([row()])))), None, Ok("org1"), 1),
        (of((200, none.clone())), Some((200, agent.clone())), Ok("org1"), 2),
        (of((200, data(json!([with(row(), "organizationId", Value::Null)])))), Some((200, agent)), Ok("org1"), 2),
        (of((200, none.clone())), Some((200, none.clone())), Err((ErrorClass::NotFound, "create an agent")), 2),
        (of((403, problem(403, "insufficient_scope"))), None, Err((ErrorClass::Forbidden, "numbers:read")), 1),
        (
            of((200, none)),
            Some((403, problem(403, "insufficient_scope"))),
            Err((ErrorClass::Forbidden, "agents:read")),
            2,
        ),
        (of((401, problem(401, "unauthorized"))), None, Err((ErrorClass::Unauthorized, "apiKey in the Secret")), 1),
    ] {
        let fake = Fake::default();
        let (status, body) = first.unwrap();
        fake.on(ONE, status, body);
        if let Some((status, body)) = second {
            fake.on(agents, status, body);
        }
        match (open(&fake).await.identify().await, expected) {
            (Ok(identity), Ok(account)) => assert_eq!((identity.account.as_str(), identity.inactive), (account, None)),
            (Err(error), Err((class, text))) => {
                assert!(error.class == class && error.text.contains(text), "{error:?}");
                assert!(!error.text.contains("s3cret"));
            }
            (seen, _) => panic!("{seen:?}"),
        }
        assert_eq!(fake.seen().len(), asked);
    }
}

#[tokio::test]
async fn a_route_is_an_agent_that_is_assigned() {
    for (answer, done) in [
        (data(with(row(), "defaultAgentId", json!("a2"))), true),
        (data(row()), false),
        (data(with(with(row(), "defaultAgentId", json!("a2")), "id", json!("n9"))), false),
    ] {
        let fake = Fake::default();
        fake.on(ASSIGN, 200, answer);
        let outcome = open(&fake).await.set_route(&id(), &answered_by("a2")).await;
        assert_eq!(matches!(&outcome, Outcome::Did(owned) if owned.route == answered_by("a2")), done, "{outcome:?}");
        assert!(done || matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
        assert_eq!(fake.seen(), [format!("{ASSIGN} {}", json!({ "agentId": "a2" }))]);
        assert!(fake.keys().is_empty(), "none is documented there");
    }
    // Without the number in the answer it is read back.
    let fake = Fake::default();
    fake.on(ASSIGN, 204, "").on(LIST, 200, data(json!([row()])));
    let flowyte = open(&fake).await;
    assert!(matches!(flowyte.set_route(&id(), &answered_by("a1")).await, Outcome::Did(_)));
    assert!(matches!(flowyte.set_route(&id(), &answered_by("a2")).await, Outcome::Unknown(_)), "that is not it");
    for (status, code, class) in [
        (404, "agent_not_found", ErrorClass::NotFound),
        (422, "agent_not_found", ErrorClass::Rejected),
        (409, "conflict", ErrorClass::Conflict),
        (409, "no_published_version", ErrorClass::Rejected),
        (403, "insufficient_scope", ErrorClass::Forbidden),
    ] {
        let fake = Fake::default();
        fake.on(ASSIGN, status, problem(status, code));
        let Outcome::DidNothing(error) = open(&fake).await.set_route(&id(), &answered_by("a2")).await else { panic!() };
        assert_eq!((error.class, error.has_code(code)), (class, true));
        assert!(class != ErrorClass::Forbidden || error.text.contains("numbers:write"), "{error}");
    }
}

#[tokio::test]
async fn a_number_without_an_agent_is_read_back_whatever_is_answered() {
    #[derive(Debug, PartialEq)]
    enum Led {
        Done,
        Nothing,
        Unknown,
    }
    let listed = |rows: Value| (200, data(rows));
    for (first, list, expected) in [
        ((204, Value::Null), listed(json!([silent()])), Led::Done),
        ((200, data(Value::Null)), listed(json!([silent()])), Led::Done),
        ((200, data(silent())), listed(json!([silent()])), Led::Done),
        // It was said to be done, and the list lags behind.
        ((200, data(Value::Null)), listed(json!([row()])), Led::Done),
        ((409, problem(409, "not_assigned")), listed(json!([silent()])), Led::Done),
        ((404, problem(404, "not_found")), listed(json!([silent()])), Led::Done),
        ((409, problem(409, "conflict")), listed(json!([row()])), Led::Nothing),
        ((404, problem(404, "not_found")), listed(json!([])), Led::Nothing),
        ((403, problem(403, "insufficient_scope")), listed(json!([silent()])), Led::Nothing),
        ((404, json!("<html>")), listed(json!([silent()])), Led::Nothing),
        ((200, data(Value::Null)), listed(json!([])), Led::Unknown),
        ((200, json!({ "success": false })), listed(json!([silent()])), Led::Unknown),
        ((200, data(Value::Null)), (401, problem(401, "unauthorized")), Led::Unknown),
        ((503, Value::Null), listed(json!([silent()])), Led::Unknown),
    ] {
        let fake = Fake::default();
        fake.on(UNASSIGN, first.0, &first.1).on(LIST, list.0, &list.1);
        let led = match open(&fake).await.set_route(&id(), &nowhere()).await {
            Outcome::Did(owned) if owned.route == nowhere() => Led::Done,
            Outcome::Did(owned) => panic!("{owned:?}"),
            Outcome::DidNothing(_) => Led::Nothing,
            Outcome::Unknown(_) => Led::Unknown,
        };
        assert_eq!(led, expected, "{first:?} {list:?}");
        assert_eq!(fake.seen()[0], UNASSIGN, "without a body");
    }
}

#[tokio::test]
async fn what_is_no_agent_of_flowytes_is_not_sent() {
    let fake = Fake::default();
    let flowyte = open(&fake).await;
    let url = Destination { url: Some("https://a.example/?token=s3cret".into()), ..Destination::default() };
    for route in [[(Channel::Voice, url.clone())].into(), [(Channel::Sms, url)].into(), Route::new()] {
        let Outcome::DidNothing(error) = flowyte.set_route(&id(), &route).await else { panic!() };
        assert!(error.class == ErrorClass::Rejected && !error.text.contains("s3cret"), "{error}");
    }
    assert!(fake.seen().is_empty());
}

fn purchase() -> Purchase {
    Purchase {
        number: number(),
        marker: Marker::read("dp1:prod:1").unwrap(),
        route: answered_by("a1"),
        regulatory: Regulatory::default(),
        hold: None,
        key: "key-1".into(),
        before: Instant::now() + Duration::from_secs(5),
    }
}

#[tokio::test]
async fn a_purchase_is_one_number_its_hold_and_its_key() {
    let fake = Fake::default();
    fake.on(BUY, 201, data(silent()));
    let flowyte = open(&fake).await;
    let Outcome::Did(Bought::Owned(owned)) = flowyte.purchase(&purchase()).await else { panic!() };
    assert_eq!((owned.id, owned.route), (id(), nowhere()), "its agent is assigned afterwards");
    let hold = Hold { number: number(), id: "r1".into(), until: None };
    assert!(matches!(flowyte.purchase(&Purchase { hold: Some(hold), ..purchase() }).await, Outcome::Did(_)));
    let held = json!({ "e164": NUMBER, "reservationId": "r1" });
    assert_eq!(fake.seen(), [format!("{BUY} {}", json!({ "e164": NUMBER })), format!("{BUY} {held}")]);
    assert_eq!(fake.keys(), ["key-1", "key-1"]);
    let late = Purchase { before: Instant::now(), ..purchase() };
    assert!(matches!(flowyte.purchase(&late).await, Outcome::DidNothing(_)));
    assert_eq!(fake.seen().len(), 2, "it is too late for that");
}

#[tokio::test]
async fn what_a_purchase_led_to_follows_from_flowytes_own_words_only() {
    #[derive(Debug, PartialEq)]
    enum Led {
        Owned,
        Nothing(ErrorClass),
        Unknown,
    }
    use ErrorClass::{Forbidden, Funds, Rejected, Throttled, Unauthorized, Unavailable};
    let cases: Vec<(u16, Value, Led)> = vec![
        (200, data(row()), Led::Owned),
        (200, json!({ "data": { "id": "n1", "e164": NUMBER } }), Led::Owned),
        (404, problem(404, "not_found"), Led::Nothing(Unavailable)),
        (409, problem(409, "number_unavailable"), Led::Nothing(Unavailable)),
        (409, problem(409, "reservation_expired"), Led::Nothing(Unavailable)),
        (422, problem(422, "unprocessable"), Led::Nothing(Rejected)),
        (400, problem(400, "validation_error"), Led::Nothing(Rejected)),
        (402, problem(402, "insufficient_balance"), Led::Nothing(Funds)),
        (401, problem(401, "unauthorized"), Led::Nothing(Unauthorized)),
        (403, problem(403, "insufficient_scope"), Led::Nothing(Forbidden)),
        (429, problem(429, "rate_limited"), Led::Nothing(Throttled)),
        // A gateway's, which may stand for an answer that was lost behind it; or a failure; or the same key under way.
        (402, json!("<html>"), Led::Unknown),
        (403, json!({ "message": "blocked" }), Led::Unknown),
        (404, Value::Null, Led::Unknown),
        (409, problem(409, "idempotency_key_in_progress"), Led::Unknown),
        (408, problem(408, "timeout"), Led::Unknown),
        (503, problem(503, "unavailable"), Led::Unknown),
        (302, json!({}), Led::Unknown),
        (200, json!({}), Led::Unknown),
        (200, data(Value::Null), Led::Unknown),
        (204, Value::Null, Led::Unknown),
        (200, json!({ "success": false, "data": row() }), Led::Unknown),
        (200, data(with(row(), "e164", json!("+14155550101"))), Led::Unknown),
    ];
    for (status, body, expected) in cases {
        let fake = Fake::default();
        fake.on(BUY, status, &body).on(LIST, 200, data(json!([])));
        let led = match open(&fake).await.purchase(&purchase()).await {
            Outcome::Did(Bought::Owned(_)) => Led::Owned,
            Outcome::Did(bought) => panic!("{bought:?}"),
            Outcome::DidNothing(error) => {
                assert!(error.text.contains("; ") && !error.text.contains("s3cret"), "{error}");
                Led::Nothing(error.class)
            }
            Outcome::Unknown(_) => Led::Unknown,
        };
        assert_eq!(led, expected, "{status} {body}");
        assert_eq!(fake.seen().iter().filter(|what| what.starts_with(BUY)).count(), 1, "it is sent once");
    }
}

#[tokio::test]
async fn ones_own_number_is_not_taken_for_somebody_elses() {
    for status in [404, 409] {
        for (list, owned) in [((200, data(json!([row()]))), true), ((500, Value::Null), false)] {
            let fake = Fake::default();
            fake.on(BUY, status, problem(status, "number_unavailable")).on(LIST, list.0, list.1);
            let outcome = open(&fake).await.purchase(&purchase()).await;
            assert_eq!(matches!(outcome, Outcome::Did(Bought::Owned(_))), owned, "{outcome:?}");
            assert!(owned || matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn too_little_money_is_told_with_how_little() {
    let offer = data(json!({ "e164": NUMBER, "monthlyCost": 1.15, "setupCost": 1.0, "currency": "USD" }));
    for (wallet, offer, text) in [
        (
            Some(data(json!({ "balanceUsd": 0.4 }))),
            Some(offer.clone()),
            "it has 0.4 USD, and setup and the first month of the number cost 2.15, which is 1.75 more",
        ),
        (Some(data(json!({ "balanceUsd": 0.4 }))), None, "it has 0.4 USD"),
        (None, Some(offer), "top it up in the Flowyte dashboard"),
    ] {
        let fake = Fake::default();
        fake.on(BUY, 402, problem(402, "insufficient_balance"));
        for (what, answer) in [(WALLET, wallet), (AVAILABLE, offer)] {
            answer.map(|answer| fake.on(what, 200, answer));
        }
        let Outcome::DidNothing(error) = open(&fake).await.purchase(&purchase()).await else { panic!() };
        assert!(error.class == ErrorClass::Funds && error.text.ends_with(text), "{error}");
        assert!(fake.seen().iter().all(|what| !what.contains("topup")));
    }
}

#[tokio::test]
async fn a_search_is_never_widened_and_one_number_is_for_sale_or_not() {
    let search = |wish: Value| serde_json::from_value::<Search>(wish).unwrap();
    let asked = "GET /api/v1/numbers/search?country=US&numberType=local&areaCode=415&bestEffort=false&limit=50";
    let shown = json!([
        { "e164": NUMBER, "currency": "USD", "monthlyCost": 1 },
        { "e164": NUMBER },
        { "e164": "+442079460000" },
        { "locality": "Hilo" },
    ]);
    let fake = Fake::default();
    fake.on(asked, 200, data(shown)).on(asked, 200, data(json!([])));
    let flowyte = open(&fake).await;
    let wish = search(json!({ "country": "US", "areaCode": "415" }));
    let offers = flowyte.offers(&wish).await.unwrap();
    assert_eq!(offers.iter().map(|offer| offer.number.as_str()).collect::<Vec<_>>(), [NUMBER]);
    assert_eq!(flowyte.offers(&wish).await, Ok(vec![]));

    for (status, body, class) in [
        (422, problem(422, "unprocessable"), ErrorClass::Rejected),
        (404, problem(404, "not_found"), ErrorClass::NotFound),
        (404, json!("<html>"), ErrorClass::NotFound),
        (403, problem(403, "insufficient_scope"), ErrorClass::Forbidden),
    ] {
        let fake = Fake::default();
        fake.on(asked, status, &body);
        let error = open(&fake).await.offers(&wish).await.unwrap_err();
        let names =
            ["spec.purchase.search", "numbers:read and numbers:write"].iter().any(|name| error.text.contains(name));
        assert_eq!((error.class, names), (class, error.code.is_some()), "{error}");
    }

    for (status, body, expected) in [
        (200, data(json!({ "e164": NUMBER })), Ok(true)),
        (200, data(json!({ "e164": "+14155550101" })), Ok(false)),
        (404, problem(404, "number_unavailable"), Ok(false)),
        (409, problem(409, "number_unavailable"), Ok(false)),
        (404, json!("<html>"), Err(ErrorClass::NotFound)),
        (422, problem(422, "unprocessable"), Err(ErrorClass::Rejected)),
        (500, Value::Null, Err(ErrorClass::Transient)),
    ] {
        let fake = Fake::default();
        fake.on(AVAILABLE, status, &body);
        let offer = open(&fake).await.offer(&number()).await;
        assert_eq!(offer.map(|offer| offer.is_some()).map_err(|error| error.class), expected, "{status} {body}");
    }
}

#[tokio::test]
async fn the_type_of_a_number_whose_digits_do_not_say_it_is_searched_for() {
    let fake = Fake::default();
    let mobile = json!({ "e164": "+447700900123" });
    let search = |kind: &str| {
        let pattern = "contains=7700900123&bestEffort=false&limit=50";
        format!("GET /api/v1/numbers/search?country=GB&numberType={kind}&{pattern}")
    };
    fake.on("GET /api/v1/numbers/available/%2B447700900123", 200, data(mobile.clone()));
    fake.on(search("local"), 200, data(json!([]))).on(search("mobile"), 200, data(json!([mobile])));
    let offer = open(&fake).await.offer(&"+447700900123".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((offer.country.as_str(), offer.kind), ("GB", crate::api::offer::NumberType::Mobile));
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn a_hold_is_this_number_or_it_is_not_kept() {
    let marker = Marker::read("dp1:prod:1").unwrap();
    let held = json!({ "id": "r1", "e164": NUMBER, "expiresAt": "2026-11-30T12:30:00Z" });
    let nothing = |class| Some(Err(class));
    for (status, body, expected) in [
        (201, data(held.clone()), Some(Ok(()))),
        (409, problem(409, "number_held"), nothing(ErrorClass::Unavailable)),
        (422, problem(422, "not_reservable"), nothing(ErrorClass::Unavailable)),
        (404, problem(404, "not_found"), nothing(ErrorClass::Unavailable)),
        (403, problem(403, "insufficient_scope"), nothing(ErrorClass::Forbidden)),
        (404, json!("<html>"), nothing(ErrorClass::NotFound)),
        (200, data(json!({ "e164": NUMBER })), None),
        (200, data(with(held, "e164", json!("+14155550101"))), None),
        (500, Value::Null, None),
    ] {
        let fake = Fake::default();
        fake.on(RESERVE, status, &body);
        match (open(&fake).await.hold(&number(), &marker).await, expected) {
            (Outcome::Did(hold), Some(Ok(()))) => {
                let until = Some("2026-11-30T12:30:00Z".to_owned());
                assert_eq!(hold, Hold { number: number(), id: "r1".into(), until });
            }
            (Outcome::DidNothing(error), Some(Err(class))) => assert_eq!(error.class, class, "{body}"),
            (Outcome::Unknown(_), None) => {}
            (outcome, _) => panic!("{body}: {outcome:?}"),
        }
        assert_eq!(fake.seen(), [format!("{RESERVE} {}", json!({ "e164": NUMBER }))]);
    }
}

fn held(id: &str) -> Hold {
    Hold { number: number(), id: id.to_owned(), until: None }
}

#[tokio::test]
async fn a_hold_is_let_go_of_by_its_id_and_one_that_is_gone_is_already() {
    for (status, body, expected) in [
        (200, data(Value::Null), Some(Ok(()))),
        (200, data(json!({ "id": "r1" })), Some(Ok(()))),
        (204, json!(""), Some(Ok(()))),
        (404, problem(404, "not_found"), Some(Ok(()))),
        (404, json!("<html>"), Some(Err(ErrorClass::NotFound))),
        (403, problem(403, "insufficient_scope"), Some(Err(ErrorClass::Forbidden))),
        (409, problem(409, "in_use"), Some(Err(ErrorClass::Conflict))),
        (200, json!("<html>"), None),
        (200, json!({ "success": false, "data": null }), None),
        (500, Value::Null, None),
    ] {
        let fake = Fake::default();
        fake.on(LET_GO, status, &body);
        match (open(&fake).await.let_go(&held("r1")).await, expected) {
            (Outcome::Did(()), Some(Ok(()))) | (Outcome::Unknown(_), None) => {}
            (Outcome::DidNothing(error), Some(Err(class))) => assert_eq!(error.class, class, "{body}"),
            (outcome, _) => panic!("{status} {body}: {outcome:?}"),
        }
        assert_eq!(fake.seen(), [LET_GO], "once, and without a body");
    }
}

#[tokio::test]
async fn an_id_that_could_lead_from_a_hold_to_a_number_is_never_sent() {
    let fake = Fake::default();
    let flowyte = open(&fake).await;
    for id in [
        "",
        ".",
        "..",
        "...",
        "-",
        "/",
        "../n1",
        "..%2Fn1",
        "%2e%2e",
        "%2E%2E%2Fn1",
        "..\\n1",
        "r1/..",
        "r1/../../n1",
        "r1/",
        "r1?x",
        "r1#x",
        "..;",
        "r1;x",
        " ",
        "r1 ",
        ".. ",
        "r1\n",
        "r1\t..",
        "r\u{e9}",
        "r1\0",
        "+14155550100",
    ] {
        match flowyte.let_go(&held(id)).await {
            Outcome::DidNothing(error) => assert_eq!(error.class, ErrorClass::Rejected, "{id:?}"),
            outcome => panic!("{id:?}: {outcome:?}"),
        }
    }
    assert_eq!(fake.seen(), [""; 0], "nothing was asked");
    for id in ["0f3c2a51-9f0d-4d8e-8f43-6f2f2a1f9f11", "res_1.2:3", "7"] {
        flowyte.let_go(&held(id)).await;
    }
    assert!(fake.seen().iter().all(|asked| asked.starts_with(&LET_GO[..LET_GO.len() - 2])), "{:?}", fake.seen());
}

#[tokio::test]
async fn a_number_of_the_carrier_account_is_imported_by_its_number_alone() {
    let fake = Fake::default();
    fake.on(IMPORT, 201, data(silent()));
    let owned = match open(&fake).await.bring_in(&number()).await {
        Outcome::Did(owned) => owned,
        other => panic!("{other:?}"),
    };
    assert_eq!((owned.number, owned.id, owned.route), (number(), id(), nowhere()));
    assert_eq!(fake.seen(), [format!("{IMPORT} {}", json!({ "e164": NUMBER }))]);
}

#[tokio::test]
async fn what_an_import_led_to_is_looked_at_where_the_answer_does_not_say() {
    use ErrorClass::{Forbidden, Transient, Unavailable};
    let (there, none) = (data(json!([silent()])), data(json!([])));
    let other = data(with(row(), "e164", json!("+14155550101")));
    for (status, answer, listed, expected) in [
        (200, data(Value::Null), Some((200, &there)), Ok(number())),
        (204, Value::Null, Some((200, &there)), Ok(number())),
        (409, problem(409, "already_imported"), Some((200, &there)), Ok(number())),
        (200, data(Value::Null), Some((200, &none)), Err((true, Transient))),
        (200, other, None, Err((true, Transient))),
        (409, problem(409, "conflict"), Some((200, &none)), Err((false, Unavailable))),
        (409, problem(409, "conflict"), Some((403, &none)), Err((true, Forbidden))),
        (404, problem(404, "not_found"), None, Err((false, Unavailable))),
        (422, problem(422, "unprocessable"), None, Err((false, Unavailable))),
        (403, problem(403, "insufficient_scope"), None, Err((false, Forbidden))),
        (503, problem(503, "unwell"), None, Err((true, Transient))),
    ] {
        let fake = Fake::default();
        fake.on(IMPORT, status, answer.clone());
        if let Some((status, listed)) = listed {
            fake.on(LIST, status, listed.clone());
        }
        let outcome = match open(&fake).await.bring_in(&number()).await {
            Outcome::Did(owned) => Ok(owned.number),
            Outcome::DidNothing(error) => Err((false, error.class)),
            Outcome::Unknown(error) => Err((true, error.class)),
        };
        assert_eq!(outcome, expected, "{status} {answer}");
        assert_eq!(fake.seen().iter().filter(|what| what.starts_with(IMPORT)).count(), 1, "it is sent once");
    }
}

fn agent(published: Value) -> Value {
    data(
        json!({ "id": "a1", "organizationId": "org1", "version": 17, "publishedVersionId": published, "isActive": true,
        "persona": "s3cret" }),
    )
}

fn version(id: &str, number: u8, note: &str) -> Value {
    json!({ "id": id, "agentId": "a1", "version": number, "note": note, "compiledConfig": { "deep": [[]] } })
}

#[tokio::test]
async fn an_agent_is_shown_with_what_serves_and_whether_its_draft_is_another() {
    let versions = data(json!([version("v1", 1, "one"), version("v3", 3, "three"), version("v2", 2, "two")]));
    for (changes, differs) in [(json!([]), false), (json!([{ "field": "persona", "kind": "changed" }]), true)] {
        let fake = Fake::default();
        fake.on(AGENT, 200, agent(json!("v2"))).on(VERSIONS, 200, &versions);
        fake.on(DIFF, 200, data(json!({ "changes": changes })));
        let shown = open(&fake).await.agent("a1").await.unwrap().unwrap();
        let published = shown.published.unwrap();
        assert_eq!((shown.active, published.serving.as_deref(), published.draft_differs), (true, Some("v2"), differs));
        let known: Vec<_> = published.known.iter().map(|version| version.id.as_str()).collect();
        assert_eq!(known, ["v3", "v2", "v1"]);
        assert_eq!(published.known[0].note.as_deref(), Some("three"));
    }

    let fake = Fake::default();
    fake.on(AGENT, 200, with(agent(Value::Null), "data", json!({ "id": "a1", "isActive": false })));
    fake.on(VERSIONS, 200, data(json!([])));
    let flowyte = open(&fake).await;
    let shown = flowyte.agent("a1").await.unwrap().unwrap();
    let published = shown.published.unwrap();
    assert_eq!(
        (shown.active, published.serving, published.draft_differs),
        (false, None, true),
        "it was never published"
    );
    assert_eq!(flowyte.agent("a2").await, Ok(None));

    for (what, status, body) in [
        (AGENT, 404, json!("<html>")),
        (AGENT, 200, data(json!({ "id": "a2" }))),
        (VERSIONS, 403, problem(403, "insufficient_scope")),
        (VERSIONS, 200, data(Value::Null)),
        (DIFF, 404, problem(404, "not_found")),
        (DIFF, 200, data(json!({}))),
    ] {
        let fake = Fake::default();
        let sound = [(AGENT, agent(json!("v2"))), (VERSIONS, versions.clone()), (DIFF, data(json!({ "changes": [] })))];
        sound.iter().filter(|(other, _)| *other != what).for_each(|(other, body)| {
            fake.on(*other, 200, body);
        });
        fake.on(what, status, body);
        let error = open(&fake).await.agent("a1").await.expect_err(what);
        assert!(error.class != ErrorClass::Forbidden || error.text.contains("agents:read"), "{error}");
    }
}

#[tokio::test]
async fn a_draft_is_published_by_its_key_and_an_earlier_version_by_its_id() {
    let publish = "POST /api/v1/agents/a1/publish";
    let versions = data(json!([version("v3", 3, "ours"), version("v2", 2, "two")]));
    for (status, answer) in [
        (201, data(version("v3", 3, "ours"))),
        // The agent, or nothing: the version is found by its note.
        (200, agent(json!("v3"))),
        (204, Value::Null),
    ] {
        let fake = Fake::default();
        fake.on(publish, status, answer).on(VERSIONS, 200, &versions);
        let flowyte = open(&fake).await;
        let Outcome::Did(shown) = flowyte.publishing().unwrap().publish("a1", "ours", "key-1").await else { panic!() };
        assert_eq!(shown, HostedVersion { id: "v3".into(), note: Some("ours".into()) });
        assert_eq!(fake.seen()[0], format!("{publish} {}", json!({ "note": "ours" })));
        assert_eq!(fake.keys(), ["key-1"]);
    }
    let fake = Fake::default();
    fake.on(publish, 204, "").on(VERSIONS, 200, data(json!([version("v2", 2, "two")])));
    let outcome = open(&fake).await.publish("a1", "ours", "key-1").await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    for (status, class, text) in [
        (409, ErrorClass::Conflict, "being published"),
        (422, ErrorClass::Rejected, "check the draft"),
        (404, ErrorClass::NotFound, "no such agent"),
        (403, ErrorClass::Forbidden, "agents:write"),
    ] {
        let fake = Fake::default();
        fake.on(publish, status, problem(status, "of_the_future"));
        let Outcome::DidNothing(error) = open(&fake).await.publish("a1", "ours", "k").await else { panic!() };
        assert!(error.class == class && error.text.contains(text), "{error}");
    }

    let rollback = "POST /api/v1/agents/a1/rollback";
    for (answer, done) in [(data(version("v2", 2, "two")), true), (data(version("v3", 3, "three")), false)] {
        let fake = Fake::default();
        fake.on(rollback, 200, answer);
        let outcome = open(&fake).await.point_at("a1", "v2").await;
        assert_eq!(matches!(&outcome, Outcome::Did(version) if version.id == "v2"), done, "{outcome:?}");
        assert!(done || matches!(outcome, Outcome::Unknown(_)));
        assert_eq!(fake.seen(), [format!("{rollback} {}", json!({ "versionId": "v2" }))]);
    }
}

#[tokio::test]
async fn the_wallet_is_in_dollars_and_an_endpoint_that_cannot_be_meant_says_so() {
    let fake = Fake::default();
    let wallet = json!({ "balanceUsd": 12.05, "autoReloadEnabled": true, "autoReloadThresholdUsd": 5 });
    fake.on(WALLET, 200, data(wallet)).on(WALLET, 200, data(json!({}))).on(WALLET, 403, problem(403, "x"));
    let flowyte = open(&fake).await;
    let balance = flowyte.balance().await.unwrap().unwrap();
    assert_eq!((balance.amount, balance.currency.as_str()), ("12.05".parse().unwrap(), "USD"));
    assert_eq!(flowyte.balance().await, Ok(None));
    assert!(flowyte.balance().await.unwrap_err().text.contains("billing:read"));
    let base = |endpoint: Option<&str>| {
        let endpoint = endpoint.map(|endpoint| endpoint.parse().unwrap());
        let config = Config { api_key: SecretString::from("k"), endpoint };
        let transport = Transport::new(Duration::from_secs(5)).unwrap();
        Flowyte::new(config, transport, Limiter::new(Limits::default())).map(|flowyte| flowyte.base.to_string())
    };
    assert_eq!(base(None).as_deref(), Ok("https://builder.flowyte.com/"));
    assert_eq!(base(Some("http://sandbox/flowyte")).as_deref(), Ok("http://sandbox/flowyte"));
    for bad in ["ftp://a.example", "https://u:p@a.example", "https://a.example/?x", "https://a.example/#x"] {
        assert_eq!(base(Some(bad)), Err(ConfigError::Endpoint), "{bad}");
    }
}

/// The words of Flowyte's answers.
const KEYS: &[&str] = &[
    "success",
    "data",
    "items",
    "pagination",
    "page",
    "total",
    "totalPages",
    "nextCursor",
    "hasMore",
    "id",
    "organizationId",
    "e164",
    "defaultAgentId",
    "publishedVersionId",
    "isActive",
    "agentId",
    "version",
    "note",
    "publishedAt",
    "changes",
    "locality",
    "region",
    "features",
    "monthlyCost",
    "currency",
    "reservable",
    "balanceUsd",
    "status",
    "code",
    "type",
    "title",
    "detail",
];

proptest::proptest! {
    #[test]
    fn whatever_comes_is_an_answer_or_an_error_that_is_classed(bytes in crate::carrier::fuzz::answer(KEYS), status in 300..600u16) {
        if let Ok(page) = serde_json::from_slice::<Page<WireNumber>>(&bytes) {
            let mut reading = Reading::new(LIMIT);
            match reading.take(page) {
                Ok(()) => drop(reading.finish()),
                Err(error) => assert!(error.class == ErrorClass::Transient, "{error:?}"),
            }
        }
        if let Ok(row) = serde_json::from_slice::<WireNumber>(&bytes) {
            drop(row.owned());
        }
        drop(serde_json::from_slice::<Data<Agent>>(&bytes));
        drop(serde_json::from_slice::<Data<wire::Version>>(&bytes));
        drop(serde_json::from_slice::<Data<Wallet>>(&bytes));
        drop(serde_json::from_slice::<Data<crate::carrier::lenient::Rows<search::WireOffer>>>(&bytes));
        let headers = reqwest::header::HeaderMap::new();
        let refusal = crate::carrier::http::Refusal { status, headers: &headers, body: &bytes };
        let error = crate::carrier::http::Dialect::refusal(&Words, &refusal);
        proptest::prop_assert!(!error.text.is_empty() && error.text.len() < 1000);
        crate::carrier::http::Dialect::is_decision(&Words, &refusal);
    }
}
