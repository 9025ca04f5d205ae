//! The adapter against a small server: what it sends to the byte, and what it makes of what comes back. I/O on the
//! loopback.

mod buying;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    api::{
        number::{Destination, Method},
        offer::Feature,
    },
    carrier::{Calling, Messaging, fake::Fake, http::Limits},
};

const AC: &str = "AC0123456789abcdef0123456789abcdef";
const PN: &str = "PN00000000000000000000000000000001";
const MG: &str = "MG00000000000000000000000000000001";

fn token() -> Credentials {
    Credentials::AuthToken(SecretString::from("s3cret"))
}

fn key() -> Credentials {
    Credentials::ApiKey { sid: "SK1".into(), secret: SecretString::from("s3cret") }
}

async fn open(fake: &Fake, credentials: Credentials) -> Twilio {
    let config = Config { account_sid: AC.into(), credentials, region: None, endpoint: Some(fake.start().await) };
    let limits = Limits { concurrency: 4, requests_per_second: 0 };
    Twilio::new(config, Transport::new(Duration::from_secs(5)).unwrap(), Limiter::new(limits)).unwrap()
}

fn numbers(query: &str) -> String {
    format!("GET /2010-04-01/Accounts/{AC}/IncomingPhoneNumbers.json?{query}")
}

fn row(n: u32) -> Value {
    json!({
        "sid": format!("PN{n:032x}"), "account_sid": AC, "phone_number": format!("+1415555{n:04}"),
        "capabilities": {"voice": true, "SMS": true, "mms": false, "fax": null},
        "voice_url": "https://Engine.example.com:443", "voice_method": "get", "voice_fallback_url": null,
        "voice_fallback_method": "GET", "voice_application_sid": "", "trunk_sid": null, "sms_url": "",
        "sms_method": "POST", "sms_fallback_url": null, "status_callback": "", "a_field_of_the_future": [1],
    })
}

fn page(index: usize, rows: &[Value], next: Option<&str>) -> Value {
    let start = index * 1000;
    json!({
        "incoming_phone_numbers": rows, "page": index, "page_size": 1000, "start": start,
        "end": (start + rows.len()).saturating_sub(1).max(start), "next_page_uri": next, "uri": "/here",
    })
}

fn services(rows: &[Value]) -> Value {
    json!({"services": rows, "meta": {"page": 0, "page_size": 1000, "next_page_url": null, "key": "services"}})
}

fn service(sid: &str, own_webhook: bool) -> Value {
    json!({"sid": sid, "account_sid": AC, "use_inbound_webhook_on_number": own_webhook, "inbound_request_url": null})
}

fn members(sids: &[&str]) -> Value {
    let rows: Vec<Value> = sids.iter().map(|sid| json!({"sid": sid})).collect();
    json!({"phone_numbers": rows, "meta": {"page": 0, "page_size": 1000, "next_page_url": null}})
}

fn destination(url: &str) -> Destination {
    Destination { url: Some(url.into()), ..Destination::default() }
}

const FIRST: &str = "PageSize=1000";
const SERVICES: &str = "GET /v1/Services?PageSize=1000";

#[tokio::test]
async fn a_listing_follows_every_page_and_reads_each_number() {
    let fake = Fake::default();
    let next = format!("/2010-04-01/Accounts/{AC}/IncomingPhoneNumbers.json?PageSize=1000&Page=1&PageToken=PAx%2B1");
    let mut short_code = row(3);
    short_code["phone_number"] = json!("55512");
    fake.on(numbers(FIRST), 200, page(0, &[row(1), row(2)], Some(&next)));
    fake.on(numbers("PageSize=1000&Page=1&PageToken=PAx%2B1"), 200, page(1, &[short_code, row(4)], None));
    fake.on(SERVICES, 200, services(&[]));
    let listed = listed(&open(&fake, token()).await).await;
    let names: Vec<&str> = listed.iter().map(|owned| owned.number.as_str()).collect();
    assert_eq!(names, ["+14155550001", "+14155550002", "+14155550004"]);
    let first = &listed[0];
    assert_eq!(first.id.0, PN);
    assert_eq!(first.features, [Feature::Voice, Feature::Sms]);
    assert_eq!(first.messaging, Messaging::Number);
    let voice = Destination { method: Method::Get, ..destination("https://engine.example.com/") };
    assert_eq!(first.route[&Channel::Voice], voice);
    assert!(first.route[&Channel::Sms].is_empty() && first.route[&Channel::Status].is_empty());
    // base64 of AC0123456789abcdef0123456789abcdef:s3cret
    let basic = "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjpzM2NyZXQ=";
    assert_eq!(fake.auth().as_deref(), Some(basic));
}

#[tokio::test]
async fn an_end_that_counts_one_more_is_asked_about_once_and_then_believed() {
    let said = |index: usize, rows: &[Value], next: Option<&str>, more: usize| {
        let mut page = page(index, rows, next);
        page["end"] = json!(index * 1000 + rows.len() + more - 1);
        page
    };
    let second = "PageSize=1000&Page=1&PageToken=PA1";
    let next = Some("/x?PageSize=1000&Page=1&PageToken=PA1");
    let fake = Fake::default();
    fake.on(numbers(FIRST), 200, said(0, &[row(1), row(2)], next, 1));
    fake.on(numbers(second), 200, said(1, &[row(3)], None, 1));
    assert_eq!(open(&fake, token()).await.list().await.unwrap().len(), 3);
    assert_eq!(fake.seen().iter().filter(|what| what.contains("IncomingPhoneNumbers")).count(), 3, "once in a listing");

    let fewer = Fake::default();
    fewer.on(numbers(FIRST), 200, said(0, &[row(1), row(2)], None, 0)).on(
        numbers(FIRST),
        200,
        page(0, &[row(1)], None),
    );
    assert_eq!(open(&fewer, token()).await.list().await.unwrap().len(), 2, "it holds more than it says");

    // A row that was missing is there when the page is asked for once more, or the page is torn.
    let whole = said(0, &[row(1), row(2), row(3)], None, 0);
    let torn = said(0, &[row(1), row(2)], None, 1);
    let mended = Fake::default();
    mended.on(numbers(FIRST), 200, &torn).on(numbers(FIRST), 200, whole);
    assert_eq!(open(&mended, token()).await.list().await.unwrap().len(), 3);
    let other = Fake::default();
    other.on(numbers(FIRST), 200, &torn).on(numbers(FIRST), 200, said(0, &[row(1)], None, 1));
    assert_eq!(open(&other, token()).await.list().await.unwrap_err().class, ErrorClass::Transient);
}

/// A listing that comes after the Messaging Services were read.
async fn listed(twilio: &Twilio) -> Vec<OwnedNumber> {
    twilio.list().await.unwrap();
    twilio.messaging_round.ended().await;
    twilio.list().await.unwrap()
}

#[tokio::test]
async fn a_torn_listing_is_an_error_and_never_a_part() {
    let foreign = {
        let mut row = row(2);
        row["account_sid"] = json!("AC99999999999999999999999999999999");
        row
    };
    let mut cut = page(0, &[row(1)], None);
    cut["end"] = json!(7);
    let mut emptied = page(0, &[], None);
    emptied["end"] = json!(7);
    let next = Some("/x?PageSize=1000&Page=1&PageToken=PA1");
    let second = "PageSize=1000&Page=1&PageToken=PA1";
    type Case<'a> = (&'a str, Vec<Value>);
    let cases: Vec<Case<'_>> = vec![
        ("an empty page in the middle", vec![page(0, &[], next)]),
        ("the same row twice", vec![page(0, &[row(1)], next), page(1, &[row(1)], None)]),
        ("pages in a circle", vec![page(0, &[row(1)], next), page(1, &[row(2)], next)]),
        ("a circle back to the first", vec![page(0, &[row(1)], Some("/x?PageSize=1000"))]),
        ("another account's row", vec![page(0, &[row(1), foreign], None)]),
        ("a row without a number", vec![page(0, &[json!({"sid": PN, "account_sid": AC})], None)]),
        ("fewer rows than said", vec![cut]),
        ("no rows, but more said", vec![emptied]),
        ("the wrong page", vec![page(3, &[row(1)], None)]),
        ("a link without a query", vec![page(0, &[row(1)], Some("/x"))]),
        ("no rows at all", vec![json!({"page": 0})]),
    ];
    for (name, pages) in cases {
        let fake = Fake::default();
        for (page, query) in pages.iter().zip([FIRST, second]) {
            fake.on(numbers(query), 200, page);
        }
        let error = open(&fake, token()).await.list().await.expect_err(name);
        assert_eq!(error.class, ErrorClass::Transient, "{name}: {error}");
    }
}

#[tokio::test]
async fn a_page_that_fails_on_the_way_fails_the_listing() {
    let fake = Fake::default();
    fake.on(numbers(FIRST), 200, page(0, &[row(1)], Some("/x?PageToken=PA1")));
    fake.on(numbers("PageToken=PA1"), 400, json!({"code": 21481, "status": 400}));
    let error = open(&fake, token()).await.list().await.unwrap_err();
    assert_eq!((error.class, error.has_code(21481)), (ErrorClass::Transient, true));
}

#[tokio::test]
async fn membership_in_a_messaging_service_is_seen() {
    let fake = Fake::default();
    let own = "MG00000000000000000000000000000002";
    fake.on(numbers(FIRST), 200, page(0, &[row(1), row(2), row(3)], None));
    fake.on(SERVICES, 200, services(&[service(MG, false), service(own, true)]));
    fake.on(format!("GET /v1/Services/{MG}/PhoneNumbers?PageSize=1000"), 200, members(&[PN]));
    let found: Vec<_> = listed(&open(&fake, key()).await).await.into_iter().map(|owned| owned.messaging).collect();
    assert_eq!(found, [Messaging::Group { id: MG.into() }, Messaging::Number, Messaging::Number]);
    assert!(!fake.seen().iter().any(|what| what.contains(own)), "a service that yields to its numbers is not read");
}

#[tokio::test]
async fn numbers_wait_for_no_messaging_service_and_these_are_read_once_in_a_while() {
    let fake = Fake::default();
    fake.on(numbers(FIRST), 200, page(0, &[row(1), row(2)], None));
    fake.on(SERVICES, 200, services(&[service(MG, false)]));
    fake.on(format!("GET /v1/Services/{MG}/PhoneNumbers?PageSize=1000"), 200, members(&[PN]));
    let twilio = open(&fake, key()).await;
    let messaging = async || twilio.list().await.unwrap().into_iter().map(|owned| owned.messaging).collect::<Vec<_>>();
    assert_eq!(messaging().await, [Messaging::Unseen, Messaging::Unseen], "it is not known yet");
    twilio.messaging_round.ended().await;
    for _ in 0..5 {
        assert_eq!(messaging().await, [Messaging::Group { id: MG.into() }, Messaging::Number]);
    }
    twilio.messaging_round.ended().await;
    let asked = |path: &str| fake.seen().iter().filter(|what| what.contains(path)).count();
    assert_eq!((asked("IncomingPhoneNumbers"), asked("/v1/Services")), (6, 2));
}

#[tokio::test]
async fn what_the_messaging_api_does_not_show_is_unseen_and_fails_nothing() {
    let foreign = {
        let mut service = service(MG, false);
        service["account_sid"] = json!("AC99999999999999999999999999999999");
        service
    };
    for (status, body) in [
        (401, json!({"code": 20003})),
        (403, json!({"code": 70051})),
        (404, json!({"code": 20404})),
        (200, services(&[foreign])),
        (200, json!("rubbish")),
        // A service whose members cannot be read.
        (200, services(&[service(MG, false)])),
    ] {
        let fake = Fake::default();
        fake.on(numbers(FIRST), 200, page(0, &[row(1)], None)).on(SERVICES, status, body);
        assert_eq!(listed(&open(&fake, key()).await).await[0].messaging, Messaging::Unseen);
    }
}

#[tokio::test]
async fn no_services_mean_something_only_if_the_credentials_are_surely_the_accounts_own() {
    let account = format!("GET /2010-04-01/Accounts/{AC}.json");
    let parent = "AC99999999999999999999999999999999";
    for (credentials, owner, expected) in
        [(token(), parent, Messaging::Number), (key(), AC, Messaging::Number), (key(), parent, Messaging::Unseen)]
    {
        let fake = Fake::default();
        fake.on(numbers(FIRST), 200, page(0, &[row(1)], None)).on(SERVICES, 200, services(&[]));
        fake.on(&account, 200, json!({"sid": AC, "status": "active", "owner_account_sid": owner}));
        assert_eq!(listed(&open(&fake, credentials).await).await[0].messaging, expected);
    }
}

#[tokio::test]
async fn a_number_is_found_by_strict_equality() {
    let fake = Fake::default();
    let query = "PhoneNumber=%2B14155550001&PageSize=1000";
    let mut longer = row(7);
    longer["phone_number"] = json!("+141555500012");
    fake.on(numbers(query), 200, page(0, &[longer.clone(), row(1)], None));
    let twilio = open(&fake, token()).await;
    let number: E164 = "+14155550001".parse().unwrap();
    let found = twilio.find(&number).await.unwrap().unwrap();
    assert_eq!((found.id.0.as_str(), found.messaging), (PN, Messaging::Unseen));
    assert_eq!(fake.seen(), [numbers(query)]);

    let fake = Fake::default();
    fake.on(numbers(query), 200, page(0, &[longer], None));
    assert_eq!(open(&fake, token()).await.find(&number).await.unwrap(), None);
}

#[tokio::test]
async fn a_route_is_one_post_of_just_the_channels_it_names() {
    let fake = Fake::default();
    let update = format!("POST /2010-04-01/Accounts/{AC}/IncomingPhoneNumbers/{PN}.json");
    fake.on(&update, 200, row(1));
    let twilio = open(&fake, token()).await;
    let id = NumberId(PN.into());

    let voice = Destination {
        method: Method::Get,
        fallback_url: Some("https://b.example.com/f?a=1".into()),
        ..destination("https://a.example.com/+1/v")
    };
    let Outcome::Did(number) = twilio.set_route(&id, &[(Channel::Voice, voice)].into()).await else { panic!() };
    assert_eq!(number.number.as_str(), "+14155550001");
    let cleared = [(Channel::Sms, Destination::default()), (Channel::Status, Destination::default())];
    twilio.set_route(&id, &cleared.into()).await;
    let trunk = Destination::bound(wire::TRUNK, Some("TK1".into()));
    twilio.set_route(&id, &[(Channel::Voice, trunk)].into()).await;
    let bodies: Vec<String> =
        fake.seen().iter().map(|what| what.strip_prefix(&update).unwrap().trim_start().to_owned()).collect();
    assert_eq!(
        bodies,
        [
            "VoiceUrl=https%3A%2F%2Fa.example.com%2F%2B1%2Fv&VoiceMethod=GET\
             &VoiceFallbackUrl=https%3A%2F%2Fb.example.com%2Ff%3Fa%3D1&VoiceFallbackMethod=POST\
             &VoiceApplicationSid=&TrunkSid=",
            "SmsUrl=&SmsMethod=POST&SmsFallbackUrl=&SmsFallbackMethod=POST&SmsApplicationSid=\
             &StatusCallback=&StatusCallbackMethod=POST",
            "VoiceUrl=&VoiceMethod=POST&VoiceFallbackUrl=&VoiceFallbackMethod=POST&VoiceApplicationSid=&TrunkSid=TK1",
        ]
    );
    assert!(matches!(twilio.set_route(&id, &Route::new()).await, Outcome::DidNothing(_)));
    assert_eq!(fake.seen().len(), 3, "a route that names nothing is not sent");
}

#[tokio::test]
async fn the_outcome_of_a_write_follows_from_its_answer() {
    use ErrorClass::*;
    let mut other = row(1);
    other["sid"] = json!("PN00000000000000000000000000000009");
    let cases: Vec<(u16, Value, Option<ErrorClass>)> = vec![
        (400, json!({"code": 21402}), Some(Rejected)),
        (400, json!({"code": 99999}), Some(Unknown)),
        (401, json!({"code": 20003}), Some(Unauthorized)),
        (403, json!({"code": 70051}), Some(Forbidden)),
        (403, json!({"code": 20005}), Some(Forbidden)),
        (404, json!({"code": 20404}), Some(NotFound)),
        (422, json!({"code": 20422}), Some(Rejected)),
        (429, json!({"code": 20429}), Some(Throttled)),
        (429, json!("<html>"), Some(Throttled)),
        (403, json!("<html>"), Some(Forbidden)),
        (503, json!({"code": 20503}), None),
        (500, json!({"code": 21402}), None),
        (200, json!({"sid": PN}), None),
        (200, other, None),
    ];
    for (status, body, refused) in cases {
        let fake = Fake::default();
        fake.on(format!("POST /2010-04-01/Accounts/{AC}/IncomingPhoneNumbers/{PN}.json"), status, &body);
        let twilio = open(&fake, token()).await;
        let outcome =
            twilio.set_route(&NumberId(PN.into()), &[(Channel::Voice, destination("https://x.example"))].into()).await;
        match (&outcome, refused) {
            (Outcome::DidNothing(error), Some(class)) => assert_eq!(error.class, class, "{status} {body}"),
            (Outcome::Unknown(error), None) => assert_eq!(error.class, Transient, "{status} {body}"),
            _ => panic!("{status} {body}: {outcome:?}"),
        }
        assert_eq!(fake.seen().len(), 1, "a write is sent once");
    }
}

#[tokio::test]
async fn an_error_shows_nothing_of_what_was_sent_or_answered() {
    let fake = Fake::default();
    let message = "Url https://x.example/?token=s3cret is invalid";
    let update = format!("POST /2010-04-01/Accounts/{AC}/IncomingPhoneNumbers/{PN}.json");
    fake.on(update, 400, json!({"code": 21402, "message": message, "more_info": "https://s3cret"}));
    let twilio = open(&fake, token()).await;
    let route = [(Channel::Voice, destination("https://x.example/?token=s3cret"))].into();
    let outcome = twilio.set_route(&NumberId(PN.into()), &route).await;
    let shown = format!("{outcome:?} {twilio:?}");
    assert!(!shown.contains("s3cret") && !shown.contains(PN), "{shown}");
}

#[tokio::test]
async fn credentials_say_whose_account_they_open() {
    let account = format!("GET /2010-04-01/Accounts/{AC}.json");
    let fake = Fake::default();
    let body = json!({"sid": AC, "status": "suspended", "auth_token": "s3cret"});
    fake.on(&account, 200, &body);
    let identity = open(&fake, token()).await.identify().await.unwrap();
    assert_eq!(identity, Identity { account: AC.into(), inactive: Some("suspended".into()) });

    // A standard key may not read the account, but its numbers.
    let denied = json!({"code": 20003});
    let fake = Fake::default();
    fake.on(&account, 401, &denied).on(numbers("PageSize=1"), 200, page(0, &[row(1)], None));
    let identity = open(&fake, key()).await.identify().await.unwrap();
    assert_eq!(identity, Identity { account: AC.into(), inactive: None });

    for credentials in [token(), key()] {
        let fake = Fake::default();
        fake.on(&account, 401, &denied).on(numbers("PageSize=1"), 401, &denied);
        let error = open(&fake, credentials).await.identify().await.unwrap_err();
        assert_eq!((error.class, error.has_code(20003)), (ErrorClass::Unauthorized, true));
    }
}

#[test]
fn what_twilio_may_write_in_two_ways_has_one_form() {
    let one =
        |channel, destination: Destination| wire::canonical([(channel, destination)].into()).remove(&channel).unwrap();
    let url = |text: &str| one(Channel::Voice, destination(text));
    for (written, meant) in [
        ("https://Engine.Example.com", "https://engine.example.com/"),
        ("https://engine.example.com:443/x", "https://engine.example.com/x"),
        (" http://engine.example.com/%2b1/a%c3b ", "http://engine.example.com/%2B1/a%C3b"),
        ("http://engine.example.com/+1?n=+1&m=%2b1", "http://engine.example.com/+1?n=+1&m=%2B1"),
        ("http://engine.example.com/x#rc=2", "http://engine.example.com/x#rc=2"),
        ("not a url", "not a url"),
    ] {
        assert_eq!(url(written), url(meant));
        assert_eq!(url(written).url.as_deref(), Some(written.trim()), "it is sent as it was written");
    }
    let nothing = Destination {
        url: Some(" ".into()),
        method: Method::Get,
        fallback_url: Some("https://f.example".into()),
        ..Destination::default()
    };
    assert!(one(Channel::Voice, nothing).is_empty());
    let status = Destination { fallback_url: Some("https://f.example".into()), ..destination("https://s.example/") };
    assert_eq!(one(Channel::Status, status), destination("https://s.example/"));
    let foreign = Destination::bound("connectionId", Some("1".into()));
    assert!(one(Channel::Sms, foreign).is_empty());
}

#[test]
fn hosts_follow_region_and_edge_together_and_an_endpoint_replaces_them_all() {
    let ie1 = Region { region: "ie1".into(), edge: "dublin".into() };
    assert_eq!(host("api", None, None).unwrap().as_str(), "https://api.twilio.com/");
    let regional = host("messaging", Some(&ie1), None).unwrap();
    assert_eq!(regional.as_str(), "https://messaging.dublin.ie1.twilio.com/");
    let endpoint = "http://sandbox:8080/twilio".parse().unwrap();
    assert_eq!(host("api", Some(&ie1), Some(&endpoint)).unwrap(), endpoint);
    let evil = Region { region: "ie1".into(), edge: "evil.example/".into() };
    assert_eq!(host("api", Some(&evil), None), Err(ConfigError::Region));
    for bad in ["ftp://x", "https://user:pw@x", "https://x/?q=1"] {
        assert_eq!(host("api", None, Some(&bad.parse().unwrap())), Err(ConfigError::Endpoint), "{bad}");
    }
}

fn region_of(n: u32) -> String {
    format!("GET /v2/PhoneNumbers/%2B1415555{n:04}")
}

fn routed(n: u32, region: Value) -> Value {
    json!({ "account_sid": AC, "phone_number": format!("+1415555{n:04}"), "voice_region": region, "sid": "QQ1" })
}

/// Who gets the calls, by a listing that comes after the regions were read.
async fn callings(twilio: &Twilio) -> Vec<Calling> {
    twilio.list().await.unwrap();
    twilio.region_round.ended().await;
    twilio.list().await.unwrap().into_iter().map(|owned| owned.calling).collect()
}

#[tokio::test]
async fn the_region_that_answers_the_calls_is_seen_in_either_spelling_and_asked_about_once() {
    let fake = Fake::default();
    let mut silent = row(4);
    silent["voice_url"] = json!("");
    fake.on(numbers(FIRST), 200, page(0, &[row(1), row(2), row(3), silent], None));
    fake.on(region_of(1), 200, routed(1, json!("US1"))).on(region_of(2), 200, routed(2, json!("ie1")));
    let newer = json!({ "accountSid": AC, "phoneNumber": "+14155550003", "voiceRegion": "au1" });
    fake.on(region_of(3), 200, newer);
    let twilio = open(&fake, token()).await;
    let first: Vec<_> = twilio.list().await.unwrap().into_iter().map(|owned| owned.calling).collect();
    assert_eq!(first, vec![Calling::Unseen; 4], "it is not known yet, and no number waits");
    twilio.region_round.ended().await;
    let elsewhere = |answers: &str| Calling::Region { answers: answers.into(), ours: "us1".into() };
    for _ in 0..3 {
        assert_eq!(callings(&twilio).await, [Calling::Number, elsewhere("ie1"), elsewhere("au1"), Calling::Unseen]);
    }
    let asked = fake.seen().into_iter().filter(|what| what.contains("/v2/")).collect::<Vec<_>>();
    assert_eq!(asked, [region_of(1), region_of(2), region_of(3)], "one without a voice route has none to lose");
}

#[tokio::test]
async fn what_the_routes_api_does_not_show_is_unseen_and_fails_nothing() {
    let refused = json!({ "code": 20003, "status": 401 });
    for (status, answer) in [
        (401, refused.clone()),
        (403, refused.clone()),
        (404, refused),
        (200, json!({})),
        (200, json!([])),
        (200, json!({ "account_sid": MG, "phone_number": "+14155550001", "voice_region": "ie1" })),
        (200, json!({ "account_sid": AC, "phone_number": "+14155550002", "voice_region": "ie1" })),
        (200, routed(1, Value::Null)),
        (200, routed(1, json!(""))),
        (200, routed(1, json!({ "x": 1 }))),
        (200, routed(1, json!("ie1\nset voice_url to evil.example"))),
        (200, routed(1, json!("a".repeat(17)))),
    ] {
        let fake = Fake::default();
        fake.on(numbers(FIRST), 200, page(0, &[row(1)], None)).on(region_of(1), status, &answer);
        assert_eq!(callings(&open(&fake, token()).await).await, [Calling::Unseen], "{status} {answer}");
    }
}

#[tokio::test]
async fn credentials_that_may_not_ask_are_found_out_by_one_request() {
    let fake = Fake::default();
    fake.on(numbers(FIRST), 200, page(0, &[row(1), row(2)], None));
    fake.on(region_of(1), 403, json!({ "code": 70051, "status": 403 }));
    let twilio = open(&fake, key()).await;
    for _ in 0..3 {
        assert_eq!(callings(&twilio).await, vec![Calling::Unseen; 2]);
    }
    assert_eq!(fake.seen().iter().filter(|what| what.contains("/v2/")).count(), 1);
}

/// The words of Twilio's answers.
const KEYS: &[&str] = &[
    "incoming_phone_numbers",
    "available_phone_numbers",
    "services",
    "voice_region",
    "accountSid",
    "phone_number",
    "phone_numbers",
    "phone_number_prices",
    "sid",
    "account_sid",
    "phone_number",
    "friendly_name",
    "capabilities",
    "voice",
    "voice_url",
    "page",
    "page_size",
    "start",
    "end",
    "next_page_uri",
    "next_page_url",
    "meta",
    "code",
    "balance",
    "currency",
    "number_type",
    "current_price",
];

/// What every list makes of a page.
fn read_page<P: Page + DeserializeOwned>(bytes: &[u8]) {
    let Ok(page) = serde_json::from_slice::<P>(bytes) else { return };
    let mut reading = Reading::new(listing::FIRST_PAGE);
    match reading.take(page) {
        Ok(()) => drop(reading.finish()),
        Err(error) => assert!(error.class == ErrorClass::Transient && error.text.contains("incomplete"), "{error:?}"),
    }
}

proptest::proptest! {
    #[test]
    fn whatever_comes_is_an_answer_or_an_error_that_is_classed(bytes in crate::carrier::fuzz::answer(KEYS), status in 300..600u16) {
        read_page::<wire::NumberPage>(&bytes);
        read_page::<wire::ServicePage>(&bytes);
        read_page::<wire::MemberPage>(&bytes);
        if let Ok(row) = serde_json::from_slice::<WireNumber>(&bytes) {
            drop(row.owned(&memberships::Memberships::default()));
        }
        if let Ok(found) = serde_json::from_slice::<search::Found>(&bytes) {
            found.offers("US", crate::api::offer::NumberType::Local, &[]);
        }
        if let Ok(prices) = serde_json::from_slice::<prices::PriceList>(&bytes) {
            prices.price(crate::api::offer::NumberType::Local);
        }
        drop(serde_json::from_slice::<Account>(&bytes));
        let headers = reqwest::header::HeaderMap::new();
        let refusal = crate::carrier::http::Refusal { status, headers: &headers, body: &bytes };
        let error = crate::carrier::http::Dialect::refusal(&Words, &refusal);
        proptest::prop_assert!(!error.text.is_empty() && error.text.len() < 1000);
        crate::carrier::http::Dialect::is_decision(&Words, &refusal);
    }
}
