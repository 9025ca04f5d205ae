//! Giving a number to the platform.

use dialplane::sandbox::carrier::{AccountSeed, Dialect, Fault, Kind, Match, NumberSeed, Rule, SameAgent, Switches};
use serde_json::{Value, json};

use super::{NUMBER, Nixflex, bearer, code, numbers, telnyx};

const OLD: &str = "https://old.example/voice";

#[tokio::test]
async fn an_import_overwrites_the_webhooks_at_twilio_and_the_ledger_counts_them_as_the_platforms() {
    let nixflex = Nixflex::new();
    nixflex.sandbox.edit(NUMBER, &[("voice_url", OLD), ("voice_method", "GET"), ("friendly_name", "mine")]).unwrap();
    let agent = nixflex.agent("answers");
    let (status, body) = nixflex.import(NUMBER, &agent).await;
    let row = &body["phone_number"];
    assert_eq!((status, &row["agent_id"], &row["provider"]), (201, &json!(agent), &json!("twilio")));
    assert_eq!(row["twilio_number_sid"], nixflex.sandbox.number(NUMBER).unwrap()["sid"]);
    let urls = nixflex.sandbox.nixflex_webhooks();
    assert_eq!(nixflex.webhooks(), [Some(urls.voice), Some(urls.sms), Some(urls.status)]);
    assert_eq!(nixflex.sandbox.field(NUMBER, "voice_method").as_deref(), Some("POST"));
    assert_eq!(nixflex.sandbox.field(NUMBER, "friendly_name").as_deref(), Some("mine"), "nothing else");
    let ledger = nixflex.sandbox.ledger();
    let theirs = ledger.of(Kind::PlatformWrite).next().unwrap();
    assert!(theirs.changed.contains(&"voice_url".to_owned()) && theirs.path.contains("IncomingPhoneNumbers/PN"));
    assert_eq!((ledger.of(Kind::Attach).count(), ledger.writes(), ledger.writes_to(NUMBER)), (1, 0, 0));
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn the_checks_come_in_their_order_and_the_first_that_fails_is_told() {
    let nixflex = Nixflex::new();
    let other = nixflex.sandbox.add_nixflex_key().unwrap();
    let theirs = nixflex.sandbox.add_nixflex_agent(&other.account_sid, "theirs").unwrap();
    let mine = nixflex.attached().await;
    let second = nixflex.agent("second");
    let good = |agent: &str| nixflex.asked(NUMBER, agent);
    // Each mends one more than the one before, and the rest stays wrong.
    let mut ask = json!({});
    for (field, value, status, expected) in [
        ("x", json!(1), 400, "missing_field"),
        ("phone_number", json!("0171"), 400, "missing_field"),
        ("agent_id", json!("agent_0000000000000000"), 400, "missing_field"),
        ("twilio_sid", json!("AC00000000000000000000000000000ABC"), 400, "missing_field"),
        ("twilio_token", json!("wrong"), 400, "invalid_phone_format"),
        ("phone_number", json!("+14155550199"), 400, "invalid_twilio_sid"),
        ("twilio_sid", good("")["twilio_sid"].clone(), 401, "twilio_auth_failed"),
        ("twilio_token", good("")["twilio_token"].clone(), 404, "number_not_in_twilio"),
        ("phone_number", json!(NUMBER), 404, "agent_not_found"),
        ("agent_id", json!(theirs), 403, "agent_not_owned"),
        ("agent_id", json!(second), 409, "number_already_imported"),
        ("agent_id", json!(mine), 409, "number_already_imported"),
    ] {
        ask[field] = value;
        let (seen, body) = nixflex.post("phone-numbers", ask.clone()).await;
        assert_eq!((seen, code(&body)), (status, expected), "{ask}");
    }
    let (status, body) = nixflex.post("phone-numbers", json!([])).await;
    assert_eq!((status, &body["error"]["type"]), (400, &json!("invalid_request")));
    ask["custom_prompt"] = "x".repeat(8_001).into();
    assert_eq!(code(&nixflex.post("phone-numbers", ask).await.1), "custom_prompt_too_long");
    assert_eq!(nixflex.sandbox.ledger().of(Kind::PlatformWrite).count(), 1, "what is refused writes no webhook");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn only_the_auth_token_of_the_numbers_own_account_will_do() {
    let nixflex = Nixflex::new();
    let agent = nixflex.agent("answers");
    let parent = nixflex.twilio.account_sid.clone();
    let sub = nixflex.sandbox.add_account(AccountSeed { parent: Some(parent), ..AccountSeed::default() }).unwrap();
    let seed = NumberSeed { number: "+14155550101".into(), account: Some(sub.account_sid), ..NumberSeed::default() };
    nixflex.sandbox.seed(seed).unwrap();
    let (_, body) = nixflex.import("+14155550101", &agent).await;
    assert_eq!(code(&body), "number_not_in_twilio", "of a subaccount");
    let mut ask = nixflex.asked(NUMBER, &agent);
    ask["twilio_sid"] = json!("SK00000000000000000000000000000001");
    assert_eq!(code(&nixflex.post("phone-numbers", ask).await.1), "invalid_twilio_sid", "no API key");
    nixflex.sandbox.rotate_token(&nixflex.twilio.account_sid).unwrap();
    let (status, body) = nixflex.import(NUMBER, &agent).await;
    assert_eq!((status, code(&body)), (401, "twilio_auth_failed"), "a 401 that is not about the key");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn the_names_of_the_older_documents_work_and_those_of_a_clients_comment_do_not() {
    let nixflex = Nixflex::new();
    let agent = nixflex.agent("answers");
    let ask = nixflex.asked(NUMBER, &agent);
    let wrong = json!({ "phone_number": NUMBER, "agent_id": agent, "twilio_account_sid": ask["twilio_sid"],
        "twilio_auth_token": ask["twilio_token"] });
    assert_eq!(code(&nixflex.post("phone-numbers", wrong).await.1), "missing_field");
    let camel = json!({ "phoneNumber": NUMBER, "agentId": agent, "twilioSid": ask["twilio_sid"],
        "twilioToken": ask["twilio_token"], "custom_prompt": "short" });
    nixflex.sandbox.switch(|s| s.nixflex.short_answers = true);
    let (status, body) = nixflex.post("phone-numbers", camel).await;
    assert_eq!((status, body["phone_number"].as_object().unwrap().len()), (201, 5), "{body}");
    assert_eq!(nixflex.sandbox.nixflex_row(NUMBER).unwrap()["custom_prompt"], "short");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn nobody_knows_how_the_same_import_is_answered_again() {
    let nixflex = Nixflex::new();
    let agent = nixflex.attached().await;
    nixflex.patch(&super::path(NUMBER), json!({ "custom_prompt": "kept" })).await;
    for (answer, status) in [(SameAgent::Conflict, 409), (SameAgent::Ok, 200), (SameAgent::Created, 201)] {
        nixflex.sandbox.switch(|s| s.nixflex.same_agent = answer);
        nixflex.sandbox.edit(NUMBER, &[("voice_url", OLD)]).unwrap();
        assert_eq!(nixflex.import(NUMBER, &agent).await.0, status, "{answer:?}");
        let written = nixflex.sandbox.field(NUMBER, "voice_url").as_deref() != Some(OLD);
        assert_eq!(written, status != 409, "{answer:?}");
        let rows = nixflex.sandbox.nixflex_rows(&nixflex.key.account_sid);
        assert_eq!((rows.len(), &rows[0]["custom_prompt"]), (1, &json!("kept")));
    }
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn an_import_that_stops_in_the_middle_leaves_webhooks_without_a_row() {
    let nixflex = Nixflex::new();
    let agent = nixflex.agent("answers");
    nixflex.sandbox.inject(Rule::new(Match::kind(Kind::Attach).number(NUMBER), Fault::HalfDone));
    assert_eq!(nixflex.import(NUMBER, &agent).await.0, 500);
    let urls = nixflex.sandbox.nixflex_webhooks();
    assert_eq!(nixflex.webhooks()[0], Some(urls.voice));
    assert!(numbers(&nixflex.get("phone-numbers").await.1).is_empty());
    let placed = nixflex.sandbox.call(super::CALLER, NUMBER).await;
    assert_eq!((placed.hosted.as_ref(), placed.answer()), (None, None), "nobody answers");
    let ledger = nixflex.sandbox.ledger();
    assert_eq!(ledger.of(Kind::Attach).filter(|entry| entry.applied).count(), 0);
    assert_eq!(ledger.of(Kind::PlatformWrite).count(), 1);
    assert_eq!(nixflex.import(NUMBER, &agent).await.0, 201, "and once more mends it");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn an_application_that_goes_before_the_webhooks_is_left_there() {
    let nixflex = Nixflex::new();
    let account = nixflex.twilio.account_sid.clone();
    let app = nixflex.sandbox.add_application(&account, &[("voice_url", "http://127.0.0.1:1/")]).unwrap();
    nixflex.sandbox.edit(NUMBER, &[("voice_application_sid", &app)]).unwrap();
    let agent = nixflex.attached().await;
    let placed = nixflex.sandbox.call(super::CALLER, NUMBER).await;
    assert_eq!((placed.via, placed.hosted), (Some(app), None));
    nixflex.delete(&super::path(NUMBER)).await;
    nixflex.sandbox.switch(|s| s.nixflex.clear_applications = true);
    nixflex.import(NUMBER, &agent).await;
    assert!(nixflex.sandbox.call(super::CALLER, NUMBER).await.hosted.is_some());
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn a_telnyx_number_goes_onto_the_application_that_the_import_names() {
    let nixflex = Nixflex::new();
    let account = telnyx(&nixflex.sandbox);
    let number = "+14155550107";
    let seed =
        NumberSeed { number: number.into(), account: Some(account.account_sid.clone()), ..NumberSeed::default() };
    nixflex.sandbox.seed(seed).unwrap();
    let agent = nixflex.agent("answers");
    let urls = nixflex.sandbox.nixflex_webhooks();
    let app = nixflex.sandbox.add_application(&account.account_sid, &[("voice_url", &urls.telnyx_voice)]).unwrap();
    let mut ask = json!({ "phone_number": number, "agent_id": agent, "telnyx_api_key": "KEYwrong" });
    let mut expect = Vec::new();
    for (field, value) in [
        ("telnyx_connection_id", json!("1")),
        ("telnyx_api_key", json!(account.auth_token)),
        ("telnyx_connection_id", json!(app)),
    ] {
        expect.push(code(&nixflex.post("phone-numbers", ask.clone()).await.1).to_owned());
        ask[field] = value;
    }
    assert_eq!(expect, ["missing_field", "telnyx_auth_failed", "invalid_telnyx_connection"]);
    let mut twilios = ask.clone();
    twilios["phone_number"] = json!(NUMBER);
    assert_eq!(code(&nixflex.post("phone-numbers", twilios).await.1), "number_not_in_telnyx");
    let (status, body) = nixflex.post("phone-numbers", ask.clone()).await;
    assert_eq!((status, &body["phone_number"]["provider"]), (201, &json!("telnyx")));
    assert_eq!(body["phone_number"]["twilio_number_sid"], Value::Null);
    assert_eq!(nixflex.sandbox.field(number, "connection_id"), Some(app));
    let hosted = nixflex.sandbox.call(super::CALLER, number).await.hosted.unwrap();
    assert_eq!(hosted.agent, agent);
    assert_eq!(nixflex.delete(&super::path(number)).await.0, 200);
    assert_eq!(nixflex.sandbox.field(number, "connection_id"), None);
    nixflex.sandbox.switch(|s| (s.nixflex.bind_telnyx, s.nixflex.refuse_both_carriers) = (false, true));
    assert_eq!(nixflex.post("phone-numbers", ask.clone()).await.0, 201);
    assert_eq!(nixflex.sandbox.field(number, "connection_id"), None);
    ask["twilio_sid"] = json!("AC1");
    assert_eq!(code(&nixflex.post("phone-numbers", ask).await.1), "invalid_request", "both carriers at once");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn a_number_is_attached_once_for_all_keys() {
    let nixflex = Nixflex::new();
    nixflex.attached().await;
    let other =
        nixflex.sandbox.add_account(AccountSeed { carrier: Dialect::Nixflex, ..AccountSeed::default() }).unwrap();
    let theirs = nixflex.sandbox.add_nixflex_agent(&other.account_sid, "theirs").unwrap();
    let ask = nixflex.asked(NUMBER, &theirs);
    let ((status, body), _) = nixflex.with_key(&bearer(&other), "POST", "phone-numbers", Some(&ask)).await.unwrap();
    assert_eq!((status, code(&body)), (409, "number_already_imported"));
    let ((_, list), _) = nixflex.with_key(&bearer(&other), "GET", "phone-numbers", None).await.unwrap();
    assert_eq!(list, json!({ "phone_numbers": [], "count": 0 }), "and is seen by none but its own");
    let path = super::path(NUMBER);
    let ((status, body), _) = nixflex.with_key(&bearer(&other), "DELETE", &path, None).await.unwrap();
    assert_eq!((status, code(&body)), (404, "number_not_found"));
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn the_credentials_of_an_import_do_not_reach_the_ledger_and_may_come_back_in_details() {
    let nixflex = Nixflex::with(Switches { record_bodies: true, ..Switches::default() });
    nixflex.sandbox.switch(|s| s.nixflex.echo_details = true);
    let (_, body) = nixflex.import(NUMBER, "agent_0000000000000000").await;
    assert_eq!(body["error"]["details"]["twilio_token"], nixflex.twilio.auth_token.as_str());
    let rotated = nixflex.try_send("POST", "keys/rotate", None).await.unwrap().1;
    let ledger = serde_json::to_string(&nixflex.sandbox.ledger()).unwrap();
    assert!(ledger.contains("redacted") && !ledger.contains(&nixflex.twilio.auth_token));
    assert!(!ledger.contains(rotated["key_secret"].as_str().unwrap()));
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}
