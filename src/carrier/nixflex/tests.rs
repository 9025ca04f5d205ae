//! The adapter against a small server: what it sends to the byte, and what it makes of what comes back. I/O on the loopback.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    api::number::{Destination, HOSTED_AGENT},
    carrier::{ErrorClass, fake::Fake, http::Limits},
};

const NUMBER: &str = "+14155550001";
const AGENT: &str = "agent_0123456789abcdef";
const SID: &str = "AC0123456789abcdef0123456789abcdef";
const KEY: &str = "nxf_1:nxfs_s3cret";

const LIST: &str = "GET /v1/phone-numbers";
const IMPORT: &str = "POST /v1/phone-numbers";
const PATCH: &str = "PATCH /v1/phone-numbers/%2B14155550001";
const DELETE: &str = "DELETE /v1/phone-numbers/%2B14155550001";

async fn open(fake: &Fake) -> Nixflex {
    let endpoint = Some(fake.start().await);
    let config = Config { api_key: SecretString::from(KEY), endpoint };
    let limits = Limits { concurrency: 4, requests_per_second: 0 };
    Nixflex::new(config, Transport::new(Duration::from_secs(5)).unwrap(), Limiter::new(limits)).unwrap()
}

/// A refusal whose words repeat what was sent.
fn error(code: &str) -> Value {
    let details = json!({ "body": { "twilio_token": "s3cret", "phone_number": NUMBER } });
    json!({ "error": { "type": "t", "code": code, "message": "s3cret +14155550001", "doc_url": "x", "details": details } })
}

fn row(number: &str, agent: &str) -> Value {
    json!({ "phone_number": number, "agent_id": agent, "provider": "twilio", "twilio_number_sid": "PN1", "telnyx_number_id": null,
        "inbound_enabled": true, "outbound_enabled": true, "custom_prompt": "Be kind.", "voice_id": null, "sms_reply_enabled": false,
        "voicemail_leave_enabled": false, "voicemail_message": null, "sms_prompt": null, "web_prompt": null, "speaking_rate": 1.1,
        "dtmf_enabled": null, "record_call": null, "recording_source": null, "created_at": "2026-11-01T00:00:00Z", "new": [1] })
}

fn with(mut value: Value, field: &str, to: Value) -> Value {
    value[field] = to;
    value
}

fn answer(row: Value) -> Value {
    json!({ "phone_number": row })
}

fn page(rows: &[Value], count: usize) -> Value {
    json!({ "phone_numbers": rows, "count": count })
}

fn rows(numbers: impl IntoIterator<Item = usize>, agent: &str) -> Vec<Value> {
    numbers.into_iter().map(|line| json!({ "phone_number": format!("+1415555{line:04}"), "agent_id": agent })).collect()
}

fn number() -> E164 {
    NUMBER.parse().unwrap()
}

fn id() -> NumberId {
    NumberId(NUMBER.into())
}

fn twilio() -> Lent {
    Lent { carrier: "twilio", account: Some(SID.into()), secret: SecretString::from("tok-s3cret"), connection: None }
}

fn telnyx() -> Lent {
    let secret = SecretString::from("KEY-s3cret");
    Lent { carrier: "telnyx", account: None, secret, connection: Some("1293384261075731500".into()) }
}

fn prompt(text: &str) -> NumberConfig {
    NumberConfig { prompt: Some(text.into()), ..NumberConfig::default() }
}

fn voice(agent: Option<&str>) -> Route {
    [(Channel::Voice, Destination::bound(HOSTED_AGENT, agent.map(str::to_owned)))].into()
}

#[test]
fn a_key_is_an_id_and_a_secret_and_never_the_other_way_round() {
    let opened = |key: &str, endpoint: Option<&str>| {
        let endpoint = endpoint.map(|url| url.parse().unwrap());
        let config = Config { api_key: SecretString::from(key.to_owned()), endpoint };
        let transport = Transport::new(Duration::from_secs(5)).unwrap();
        Nixflex::new(config, transport, Limiter::new(Limits::default())).map(|nixflex| format!("{nixflex:?}"))
    };
    let shown = opened(KEY, None).unwrap();
    assert!(
        shown.contains("nxf_1") && shown.contains("https://api.nixflex.com") && !shown.contains("s3cret"),
        "{shown}"
    );
    assert!(opened("a:b", Some("http://sandbox/nixflex")).is_ok());
    for wrong in ["nxf_1", "", ":", "nxf_1:", ":nxfs_1", "nxfs_s3cret:nxf_1", "nxfs_s3cret:1", "1:nxf_s3cret"] {
        let error = opened(wrong, None).unwrap_err();
        assert_eq!(error, ConfigError::ApiKey, "{wrong}");
        assert!(error.to_string().contains("nxf_...:nxfs_...") && !error.to_string().contains("s3cret"));
    }
    assert_eq!(opened(KEY, Some("http://a.example/?x=1")), Err(ConfigError::Endpoint));
}

#[tokio::test]
async fn whose_account_it_is_is_the_keys_id_once_the_key_has_opened_something() {
    let fake = Fake::default();
    let usage = json!({ "plan": "starter", "total_calls": 1, "total_cost": 0.1, "max_concurrent": 10 });
    fake.on("GET /v1/usage", 200, usage).on("GET /v1/usage", 401, error("invalid_key"));
    let nixflex = open(&fake).await;
    assert_eq!(nixflex.identify().await, Ok(Identity { account: "nxf_1".into(), inactive: None }));
    assert_eq!(fake.auth().as_deref(), Some("Bearer nxf_1:nxfs_s3cret"));
    assert_eq!(nixflex.identify().await.unwrap_err().class, ErrorClass::Unauthorized);

    let page = Fake::default();
    page.on("GET /v1/usage", 200, json!({ "status": "ok" }));
    assert_eq!(open(&page).await.identify().await.unwrap_err().class, ErrorClass::Transient);
}

#[tokio::test]
async fn an_account_is_open_though_its_usage_cannot_be_had() {
    for (status, usage) in
        [(404, json!("not found")), (403, error("forbidden")), (200, json!({})), (200, json!("<html>"))]
    {
        let fake = Fake::default();
        fake.on("GET /v1/usage", status, usage).on(LIST, 200, page(&[], 0));
        let nixflex = open(&fake).await;
        assert_eq!(nixflex.identify().await.map(|identity| identity.account), Ok("nxf_1".into()), "{status}");
    }
}

#[tokio::test]
async fn how_many_calls_are_answered_is_said_where_it_is_known() {
    let told = json!({ "plan": "growth", "max_concurrent": 25, "peak_concurrent_this_month": 7, "rejected_at_cap_this_month": 2 });
    let all = Calls { max_concurrent: 25, peak_this_month: Some(7), rejected_this_month: Some(2) };
    let tier = Calls { max_concurrent: 25, peak_this_month: None, rejected_this_month: None };
    for (status, usage, calls) in [
        (200, told, Ok(Some(all))),
        (200, json!({ "max_concurrent": "25", "rejected_at_cap_this_month": -1 }), Ok(Some(tier))),
        (200, json!({ "plan": "growth", "max_concurrent": null }), Ok(None)),
        (404, json!("not found"), Ok(None)),
        (403, error("forbidden"), Ok(None)),
        (200, json!("<html>"), Err(ErrorClass::Transient)),
    ] {
        let fake = Fake::default();
        fake.on("GET /v1/usage", status, usage.clone());
        let seen = open(&fake).await.calls().await.map_err(|error| error.class);
        assert_eq!(seen, calls, "{usage}");
    }
}

#[tokio::test]
async fn a_listing_is_asked_for_without_a_limit_and_read_whole_or_not_at_all() {
    let fake = Fake::default();
    let orphan = with(row("+14155550002", ""), "agent_id", Value::Null);
    fake.on(LIST, 200, page(&[row(NUMBER, AGENT), orphan, row("55512", AGENT)], 3));
    let nixflex = open(&fake).await;
    let listed = nixflex.list().await.unwrap();
    assert_eq!(
        (listed.len(), &listed[0].id, &listed[0].route),
        (2, &id(), &voice(Some(AGENT))),
        "a short code is none"
    );
    assert_eq!(listed[1].route, voice(None), "its agent is gone");
    let config = NumberConfig {
        speaking_rate: Some("1.1".parse().unwrap()),
        sms_replies: Some(false),
        voicemail: Some(false),
        ..prompt("Be kind.")
    };
    assert_eq!(listed[0].config(), config);
    assert_eq!(nixflex.find(&number()).await.unwrap().unwrap(), listed[0]);
    assert_eq!(nixflex.find(&"+141555500".parse().unwrap()).await, Ok(None), "a part of a number is another");
    assert_eq!(fake.seen(), [LIST; 3]);

    for (name, answer) in [
        ("without a count", json!({ "phone_numbers": [] })),
        ("without rows", json!({ "count": 0 })),
        ("a bare list", json!([])),
        ("a row without a number", page(&[json!({ "agent_id": AGENT })], 1)),
        ("fewer than shown", page(&[row(NUMBER, AGENT)], 0)),
        ("none of some", page(&[], 2)),
        ("one twice", page(&[row(NUMBER, AGENT), row(NUMBER, AGENT)], 2)),
        ("an error in a success", error("server_error")),
        ("a page", json!("<html>")),
    ] {
        let fake = Fake::default();
        fake.on(LIST, 200, answer);
        assert_eq!(open(&fake).await.list().await.expect_err(name).class, ErrorClass::Transient, "{name}");
    }
}

fn behind(offset: usize) -> String {
    format!("{LIST}?limit=100&offset={offset}")
}

async fn listed(fake: &Fake) -> Result<usize, CarrierError> {
    open(fake).await.list().await.map(|numbers| numbers.len())
}

#[tokio::test]
async fn a_list_in_pages_is_read_to_its_end_whatever_its_count_counts() {
    // The last row of a page comes again at the beginning of the next.
    for count in [[130, 130, 130], [25, 100, 7]] {
        let fake = Fake::default();
        fake.on(LIST, 200, page(&rows(0..25, AGENT), count[0]));
        fake.on(behind(24), 200, page(&rows(24..124, AGENT), count[1]));
        fake.on(behind(123), 200, page(&rows(123..130, AGENT), count[2]));
        fake.on(behind(129), 200, page(&rows(129..130, AGENT), if count[2] == 7 { 1 } else { 130 }));
        assert_eq!(listed(&fake).await, Ok(130), "{count:?}");
    }
    let second = |answer: Value| {
        let fake = Fake::default();
        fake.on(LIST, 200, page(&rows(0..25, AGENT), 30)).on(behind(24), 200, answer);
        fake.on(behind(29), 200, page(&rows(29..30, AGENT), 30));
        fake
    };
    assert_eq!(listed(&second(page(&rows(24..30, AGENT), 30))).await, Ok(30));
    for (name, answer) in [
        ("one came meanwhile", page(&rows(23..30, AGENT), 31)),
        ("one went meanwhile", page(&rows(25..30, AGENT), 29)),
        ("none", page(&[], 30)),
        ("fewer than said", page(&rows(24..25, AGENT), 30)),
    ] {
        assert_eq!(listed(&second(answer)).await.expect_err(name).class, ErrorClass::Transient, "{name}");
    }
}

#[tokio::test]
async fn as_many_as_fill_a_page_may_be_all_of_a_list_without_pages() {
    for answer in
        [(200, page(&rows(0..25, AGENT), 25)), (400, error("invalid_request")), (200, page(&rows(24..25, AGENT), 1))]
    {
        let fake = Fake::default();
        fake.on(LIST, 200, page(&rows(0..25, AGENT), 25)).on(behind(24), answer.0, answer.1);
        assert_eq!(listed(&fake).await, Ok(25));
    }
}

fn by_agent(agent: &str) -> String {
    format!("{LIST}?agent_id={agent}")
}

/// A list that shows 10 numbers at most, and the agents that are listed.
fn cut(shown: &[Value], count: usize, agents: Value) -> Fake {
    let fake = Fake::default();
    fake.on(LIST, 200, page(shown, count)).on(behind(shown.len() - 1), 200, page(shown, count));
    fake.on("GET /v1/agents?limit=100&offset=0", 200, agents);
    fake.on("GET /v1/agents?limit=100&offset=2", 200, json!([]));
    fake
}

#[tokio::test]
async fn a_list_that_is_cut_off_is_read_agent_by_agent() {
    let listed_agents = [
        json!([{ "agent_id": "b" }, { "agent_id": "c" }]),
        json!({ "agents": [{ "agent_id": "b" }, { "agent_id": "c" }], "count": 2 }),
    ];
    for agents in listed_agents {
        // The agent of the newest numbers is switched off, and so not listed.
        let fake = cut(&rows(0..10, "a"), 23, agents);
        fake.on(by_agent("a"), 200, page(&rows(0..12, "a"), 12));
        fake.on(by_agent("b"), 200, page(&rows(12..20, "b"), 8));
        fake.on(by_agent("c"), 200, page(&rows(20..23, "c"), 3));
        assert_eq!(listed(&fake).await, Ok(23));
    }
    for (name, count, b) in [
        ("those of agents that nobody lists", 24, page(&rows(12..20, "b"), 8)),
        ("more than were said", 22, page(&rows(12..20, "b"), 8)),
        ("fewer of an agent than were said", 23, page(&rows(12..19, "b"), 8)),
    ] {
        let fake = cut(&rows(0..10, "a"), count, json!([{ "agent_id": "b" }, { "agent_id": "c" }]));
        fake.on(by_agent("a"), 200, page(&rows(0..12, "a"), 12)).on(by_agent("b"), 200, b.clone());
        fake.on(format!("{LIST}?agent_id=b&limit=100&offset=6"), 200, b);
        fake.on(by_agent("c"), 200, page(&rows(20..23, "c"), 3));
        assert_eq!(listed(&fake).await.expect_err(name).class, ErrorClass::Transient, "{name}");
    }
}

#[tokio::test]
async fn a_thousand_of_a_thousand_are_not_known_to_be_all() {
    let fake = cut(&rows(0..1000, AGENT), 1000, json!([]));
    let error = listed(&fake).await.unwrap_err();
    assert!(error.text.contains("at most 1,000") && error.class == ErrorClass::Transient, "{error}");
}

#[tokio::test]
async fn an_agent_is_there_off_or_not_there() {
    let fake = Fake::default();
    let path = format!("GET /v1/agents/{AGENT}");
    let agent = json!({ "agent_id": AGENT, "name": "x", "is_active": true, "system_prompt": "y" });
    fake.on(&path, 200, agent.clone());
    fake.on(&path, 200, json!({ "agent": with(agent.clone(), "is_active", json!(false)) }));
    fake.on(&path, 404, error("agent_not_found")).on(&path, 403, error("agent_not_owned"));
    fake.on(&path, 200, with(agent, "agent_id", json!("another")));
    fake.on(&path, 404, "<html>");
    let nixflex = open(&fake).await;
    let hosted = |active| Some(HostedAgent { id: AGENT.into(), active, published: None });
    let platform = nixflex.platform().unwrap();
    for expected in
        [Ok(hosted(true)), Ok(hosted(false)), Ok(None), Ok(None), Err(ErrorClass::Transient), Err(ErrorClass::NotFound)]
    {
        assert_eq!(platform.agent(AGENT).await.map_err(|error| error.class), expected);
    }
}

#[tokio::test]
async fn an_import_names_one_carriers_credentials_in_the_words_that_the_server_reads() {
    let fake = Fake::default();
    let short =
        json!({ "phone_number": NUMBER, "agent_id": AGENT, "twilio_number_sid": "PN1", "inbound_enabled": true });
    fake.on(IMPORT, 201, answer(short)).on(IMPORT, 201, answer(row(NUMBER, AGENT)));
    let nixflex = open(&fake).await;
    let Outcome::Did(owned) = nixflex.bind(&number(), AGENT, &twilio(), &prompt("Be brief.")).await else { panic!() };
    assert_eq!((&owned.id, &owned.route, owned.config()), (&id(), &voice(Some(AGENT)), prompt("Be brief.")));
    let Outcome::Did(owned) = nixflex.bind(&number(), AGENT, &telnyx(), &prompt("")).await else { panic!() };
    assert_eq!(owned.config().prompt.as_deref(), Some("Be kind."), "what a whole row shows is so");
    let bodies = [
        json!({ "phone_number": NUMBER, "agent_id": AGENT, "custom_prompt": "Be brief.", "twilio_sid": SID, "twilio_token": "tok-s3cret" }),
        json!({ "phone_number": NUMBER, "agent_id": AGENT, "telnyx_connection_id": "1293384261075731500", "telnyx_api_key": "KEY-s3cret" }),
    ];
    assert_eq!(fake.seen(), bodies.map(|body| format!("{IMPORT} {body}")));
    let keys = fake.keys();
    assert!(keys.len() == 2 && keys[0] != keys[1], "what a repeated key does is not known: {keys:?}");
}

#[tokio::test]
async fn an_import_is_sent_once_and_its_refusal_says_what_is_wrong() {
    for (status, code, class, says) in [
        (400, "missing_field", ErrorClass::Rejected, "a required value is missing"),
        (401, "invalid_api_key", ErrorClass::Unauthorized, "its API key"),
        (401, "twilio_invalid_credentials", ErrorClass::Rejected, "Twilio does not accept the credentials"),
        (401, "twilio_auth_failed", ErrorClass::Rejected, "Twilio does not accept the credentials"),
        (401, "telnyx_unauthorized", ErrorClass::Rejected, "Telnyx does not accept the credentials"),
        (401, "nobody_knows", ErrorClass::Rejected, "its own API key"),
        (403, "agent_not_owned", ErrorClass::Rejected, "another Nixflex API key"),
        (404, "agent_not_found", ErrorClass::NotFound, "no such agent"),
        (404, "number_not_in_twilio", ErrorClass::NotFound, "at Twilio"),
        (409, "number_already_imported", ErrorClass::Unavailable, "has the number already"),
        (429, "rate_limit_exceeded", ErrorClass::Throttled, "request rate"),
    ] {
        let fake = Fake::default();
        fake.on(IMPORT, status, error(code));
        let outcome = open(&fake).await.bind(&number(), AGENT, &twilio(), &NumberConfig::default()).await;
        assert!(!format!("{outcome:?}").contains("s3cret"), "{outcome:?}");
        let Outcome::DidNothing(error) = outcome else { panic!("{code}: {outcome:?}") };
        assert!(error.class == class && error.has_code(code) && error.text.contains(says), "{code}: {error:?}");
        assert_eq!(fake.seen().len(), 1, "{code}");
    }
    for (status, answer) in [
        (502, error("provider_error")),
        (500, error("server_error")),
        (201, json!("<html>")),
        (201, json!({})),
        (201, answer(row("+14155550002", AGENT))),
        (201, answer(row(NUMBER, "another"))),
        (201, answer(json!({ "phone_number": NUMBER }))),
    ] {
        let fake = Fake::default();
        fake.on(IMPORT, status, &answer);
        let outcome = open(&fake).await.bind(&number(), AGENT, &twilio(), &NumberConfig::default()).await;
        assert!(matches!(outcome, Outcome::Unknown(_)) && fake.seen().len() == 1, "{answer}: {outcome:?}");
    }
}

#[tokio::test]
async fn what_would_be_refused_is_said_before_anything_is_sent() {
    let fake = Fake::default();
    let nixflex = open(&fake).await;
    let account = |sid: &str| Lent { account: Some(sid.to_owned()), ..twilio() };
    for (lent, says) in [
        (Lent { account: None, ..twilio() }, "lower-case"),
        (account(&SID.to_uppercase()), "lower-case"),
        (account("AC0123"), "lower-case"),
        (account("SK0123456789abcdef0123456789abcdef"), "lower-case"),
        (Lent { connection: None, ..telnyx() }, "connectionId"),
        (Lent { connection: Some(" ".into()), ..telnyx() }, "connectionId"),
        (Lent { carrier: "flowyte", ..twilio() }, "only numbers at Twilio and Telnyx"),
    ] {
        let refused = nixflex.refuses(&number(), AGENT, &lent).expect(says);
        assert!(refused.class == ErrorClass::Rejected && refused.text.contains(says), "{refused:?}");
        let outcome = nixflex.bind(&number(), AGENT, &lent, &NumberConfig::default()).await;
        assert_eq!(outcome, Outcome::DidNothing(refused));
    }
    for lent in [twilio(), telnyx()] {
        assert_eq!(nixflex.refuses(&number(), "any form", &lent), None);
        assert!(!format!("{lent:?}").contains("s3cret"));
    }
    assert_eq!(fake.seen().len(), 0);
}

#[tokio::test]
async fn a_number_that_is_not_there_is_taken_off_already() {
    let fake = Fake::default();
    let deleted = |number: &str, deleted: bool| answer(json!({ "phone_number": number, "deleted": deleted }));
    fake.on(DELETE, 200, deleted(NUMBER, true)).on(DELETE, 404, error("number_not_found"));
    fake.on(DELETE, 404, "<html>").on(DELETE, 404, error("not_found"));
    fake.on(DELETE, 502, error("provider_error")).on(DELETE, 200, json!({}));
    fake.on(DELETE, 200, deleted(NUMBER, false)).on(DELETE, 200, deleted("+14155550002", true));
    let nixflex = open(&fake).await;
    for _ in 0..2 {
        assert_eq!(nixflex.unbind(&number()).await, Outcome::Did(()));
    }
    for _ in 0..2 {
        let outcome = nixflex.unbind(&number()).await;
        assert!(matches!(&outcome, Outcome::DidNothing(error) if error.class == ErrorClass::NotFound), "{outcome:?}");
    }
    for _ in 0..4 {
        assert!(matches!(nixflex.unbind(&number()).await, Outcome::Unknown(_)));
    }
    assert!(fake.seen().iter().all(|seen| seen == DELETE), "without a body: {:?}", fake.seen());
}

#[tokio::test]
async fn where_a_number_goes_can_only_be_ended() {
    let fake = Fake::default();
    fake.on(DELETE, 200, answer(json!({ "phone_number": NUMBER, "deleted": true })));
    let nixflex = open(&fake).await;
    for route in [
        voice(Some(AGENT)),
        [(Channel::Voice, Destination { url: Some("https://a.example/".into()), ..Destination::default() })].into(),
        [
            (Channel::Voice, Destination::default()),
            (Channel::Sms, Destination::bound(HOSTED_AGENT, Some(AGENT.into()))),
        ]
        .into(),
        [(Channel::Sms, Destination::default())].into(),
        Route::new(),
    ] {
        let outcome = nixflex.set_route(&id(), &route).await;
        assert!(matches!(&outcome, Outcome::DidNothing(error) if error.class == ErrorClass::Rejected), "{outcome:?}");
    }
    let outcome = nixflex.set_route(&id(), &voice(Some(AGENT))).await;
    assert!(matches!(&outcome, Outcome::DidNothing(error) if error.text.contains("remove the number first")));
    assert_eq!(fake.seen().len(), 0);
    let Outcome::Did(owned) = nixflex.set_route(&id(), &voice(None)).await else { panic!() };
    assert_eq!((owned.id, owned.route), (id(), voice(None)));
    assert_eq!(fake.seen(), [DELETE]);
}

#[tokio::test]
async fn settings_are_one_patch_of_what_is_named_and_are_read_again_unless_all_of_them_is_answered() {
    let config =
        NumberConfig { voicemail: Some(false), speaking_rate: Some("1.1".parse().unwrap()), ..prompt("Be kind.") };
    let sent = r#"{"custom_prompt":"Be kind.","speaking_rate":1.1,"voicemail_leave_enabled":false}"#;
    let fake = Fake::default();
    fake.on(PATCH, 200, answer(row(NUMBER, AGENT)));
    let Outcome::Did(owned) = open(&fake).await.configure(&number(), &config).await else { panic!() };
    assert_eq!(owned.route, voice(Some(AGENT)));
    assert_eq!(fake.seen(), [format!("{PATCH} {sent}")]);

    let short = answer(json!({ "phone_number": NUMBER, "agent_id": AGENT, "custom_prompt": "Be kind." }));
    let fake = Fake::default();
    fake.on(PATCH, 200, &short).on(LIST, 200, page(&[row(NUMBER, AGENT)], 1));
    let Outcome::Did(again) = open(&fake).await.configure(&number(), &config).await else { panic!() };
    assert_eq!(again, owned);
    assert_eq!(fake.seen(), [format!("{PATCH} {sent}"), LIST.to_owned()]);

    for (name, patched, listed) in [
        (
            "a field that the server overlooks",
            answer(with(row(NUMBER, AGENT), "speaking_rate", Value::Null)),
            page(&[], 0),
        ),
        ("another number", answer(row("+14155550002", AGENT)), page(&[], 0)),
        ("a number that is gone", short.clone(), page(&[], 0)),
        ("a list that lags", short.clone(), page(&[with(row(NUMBER, AGENT), "custom_prompt", Value::Null)], 1)),
        ("no list", short, error("server_error")),
    ] {
        let fake = Fake::default();
        fake.on(PATCH, 200, patched).on(LIST, 200, listed);
        let outcome = open(&fake).await.configure(&number(), &config).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{name}: {outcome:?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_of_no_settings_and_an_empty_text_is_null() {
    let fake = Fake::default();
    let nixflex = open(&fake).await;
    let outcome = nixflex.configure(&number(), &NumberConfig::default()).await;
    assert!(matches!(&outcome, Outcome::DidNothing(error) if error.class == ErrorClass::Rejected));
    assert_eq!(fake.seen().len(), 0);
    fake.on(PATCH, 200, answer(with(row(NUMBER, AGENT), "custom_prompt", Value::Null)));
    assert!(matches!(nixflex.configure(&number(), &prompt("")).await, Outcome::Did(_)));
    assert_eq!(fake.seen(), [format!(r#"{PATCH} {{"custom_prompt":null}}"#)]);
    for (status, code, says) in [
        (400, "custom_prompt_too_long", "8,000"),
        (400, "invalid_voice_id", "voiceId"),
        (400, "voicemail_message_required", "voicemailMessage"),
        (404, "number_not_found", "does not have the number"),
    ] {
        let fake = Fake::default();
        fake.on(PATCH, status, error(code));
        let outcome = open(&fake).await.configure(&number(), &prompt("x")).await;
        assert!(matches!(&outcome, Outcome::DidNothing(error) if error.text.contains(says)), "{code}: {outcome:?}");
    }
}

const MONITOR: &str = "integrations/monitor/number/%2B14155550001";
const WEB_CALLS: &str = "integrations/web-calls/number/%2B14155550001";

#[tokio::test]
async fn an_extra_is_looked_at_and_switched_at_its_own_endpoint_and_nowhere_else() {
    let fake = Fake::default();
    let shown = |field: &str, on: bool| json!({ "ok": true, "phone_number": NUMBER, field: on });
    fake.on(format!("GET /v1/{MONITOR}"), 200, shown("monitor_enabled", true));
    fake.on(format!("PUT /v1/{MONITOR}"), 200, shown("monitor_enabled", false));
    fake.on(format!("GET /v1/{WEB_CALLS}"), 200, shown("web_calls_enabled", false));
    fake.on(format!("PUT /v1/{WEB_CALLS}"), 200, shown("web_calls_enabled", true));
    let nixflex = open(&fake).await;
    assert_eq!(nixflex.is_on(&number(), Extra::Monitor).await, Ok(true));
    assert_eq!(nixflex.switch(&number(), Extra::Monitor, false).await, Outcome::Did(()));
    assert_eq!(nixflex.is_on(&number(), Extra::WebCalls).await, Ok(false));
    assert_eq!(nixflex.switch(&number(), Extra::WebCalls, true).await, Outcome::Did(()));
    let named = NumberConfig { monitor: Some(true), web_calls: Some(true), ..NumberConfig::default() };
    let outcome = nixflex.configure(&number(), &named).await;
    assert!(matches!(outcome, Outcome::DidNothing(_)), "{outcome:?}");
    let seen = [
        format!("GET /v1/{MONITOR}"),
        format!(r#"PUT /v1/{MONITOR} {{"enabled":false}}"#),
        format!("GET /v1/{WEB_CALLS}"),
        format!(r#"PUT /v1/{WEB_CALLS} {{"enabled":true}}"#),
    ];
    assert_eq!(fake.seen(), seen);
}

#[tokio::test]
async fn what_does_not_show_an_extra_is_no_answer_and_a_refusal_is_one() {
    for answer in [
        json!({ "ok": true, "phone_number": NUMBER }),
        json!({ "phone_number": NUMBER, "web_calls_enabled": true }),
        json!({ "phone_number": NUMBER, "monitor_enabled": null }),
        json!({ "phone_number": "+14155550002", "monitor_enabled": true }),
        json!({ "monitor_enabled": true }),
        json!("<html>"),
    ] {
        let fake = Fake::default();
        fake.on(format!("GET /v1/{MONITOR}"), 200, &answer).on(format!("PUT /v1/{MONITOR}"), 200, &answer);
        let nixflex = open(&fake).await;
        let error = nixflex.is_on(&number(), Extra::Monitor).await.expect_err(&answer.to_string());
        assert_eq!(error.class, ErrorClass::Transient, "{answer}");
        let outcome = nixflex.switch(&number(), Extra::Monitor, true).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{answer}: {outcome:?}");
    }
    for (status, code, class) in [
        (402, "payment_required", ErrorClass::Funds),
        (403, "plan_required", ErrorClass::Forbidden),
        (404, "number_not_found", ErrorClass::NotFound),
    ] {
        let fake = Fake::default();
        fake.on(format!("GET /v1/{MONITOR}"), status, error(code));
        fake.on(format!("PUT /v1/{MONITOR}"), status, error(code));
        let nixflex = open(&fake).await;
        assert_eq!(nixflex.is_on(&number(), Extra::Monitor).await.unwrap_err().class, class);
        let outcome = nixflex.switch(&number(), Extra::Monitor, true).await;
        assert!(matches!(&outcome, Outcome::DidNothing(error) if error.class == class), "{code}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("s3cret"), "{outcome:?}");
    }
}

const KEYS: &[&str] = &[
    "phone_numbers",
    "phone_number",
    "count",
    "agents",
    "agent",
    "agent_id",
    "is_active",
    "custom_prompt",
    "speaking_rate",
    "dtmf_enabled",
    "monitor_enabled",
    "deleted",
    "plan",
    "error",
    "code",
    "details",
    "retry_after",
];

proptest::proptest! {
    #[test]
    fn whatever_comes_is_an_answer_or_an_error_that_is_classed(bytes in crate::carrier::fuzz::answer(KEYS), status in 300..600u16) {
        if let Ok(row) = serde_json::from_slice::<wire::WireNumber>(&bytes) {
            drop((row.is_whole(), row.owned()));
        }
        drop(serde_json::from_slice::<wire::Written>(&bytes));
        drop(serde_json::from_slice::<wire::Deleted>(&bytes));
        drop(serde_json::from_slice::<wire::Agent>(&bytes));
        drop(serde_json::from_slice::<wire::ExtraShown>(&bytes));
        drop(serde_json::from_slice::<agents::Page>(&bytes));
        drop(serde_json::from_slice::<listing::Page>(&bytes));
        drop(serde_json::from_slice::<Usage>(&bytes));
        let headers = reqwest::header::HeaderMap::new();
        let refusal = crate::carrier::http::Refusal { status, headers: &headers, body: &bytes };
        let error = crate::carrier::http::Dialect::refusal(&Words, &refusal);
        proptest::prop_assert!(!error.text.is_empty() && error.text.len() < 1000);
        crate::carrier::http::Dialect::is_decision(&Words, &refusal);
    }
}
