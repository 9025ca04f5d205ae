//! What the real carrier does that nobody expects.

use dialplane::sandbox::carrier::{
    AccountSeed, KeyScope, KeySeed, Kind, NumberSeed, Sandbox, SandboxConfig, UnsetAnswer,
};
use serde_json::{Value, json};

use super::client::Client;

const NUMBER: &str = "+14155550100";

fn code(body: &Value) -> i64 {
    body["code"].as_i64().unwrap_or_default()
}

fn listed(body: &Value) -> Vec<String> {
    let rows = body["incoming_phone_numbers"].as_array().unwrap();
    rows.iter().map(|row| row["phone_number"].as_str().unwrap().to_owned()).collect()
}

fn hex(prefix: &str, digit: &str) -> String {
    format!("{prefix}{}", digit.repeat(32))
}

#[tokio::test]
async fn a_filter_matches_partially_and_a_raw_plus_is_refused() {
    let client = Client::new();
    for number in ["+4420794600", "+442079460012", "+442079460099", "+14420794600"] {
        client.sandbox.seed_number(number).unwrap();
    }
    let list = client.path("IncomingPhoneNumbers.json");
    let (_, body) = client.get(&format!("{list}?PhoneNumber=%2B4420794600")).await;
    assert_eq!(listed(&body), ["+442079460099", "+442079460012", "+4420794600"]);
    let (_, body) = client.get(&format!("{list}?PhoneNumber=4420794600*2")).await;
    assert_eq!(listed(&body), ["+442079460012"]);
    let (status, body) = client.get(&format!("{list}?PhoneNumber=+4420794600")).await;
    assert_eq!((status, body["message"].as_str().unwrap().starts_with("Invalid Pattern")), (400, true));
    client.sandbox.switch(|s| s.substring_filter = true);
    let (_, body) = client.get(&format!("{list}?PhoneNumber=4420794600")).await;
    assert_eq!(listed(&body).len(), 4);
}

#[tokio::test]
async fn pages_are_linked_and_cannot_be_guessed() {
    let client = Client::new();
    for line in 0..5 {
        client.sandbox.seed_number(&format!("+1415555010{line}")).unwrap();
    }
    let list = client.path("IncomingPhoneNumbers.json");
    let (_, first) = client.get(&format!("{list}?PageSize=2&PhoneNumber=%2B1415")).await;
    assert_eq!((listed(&first).len(), &first["previous_page_uri"], &first["end"]), (2, &Value::Null, &json!(1)));
    let next = first["next_page_uri"].as_str().unwrap();
    assert!(next.starts_with('/') && next.contains("PhoneNumber=%2B1415"), "{next}");
    let (_, second) = client.get(next).await;
    let (_, third) = client.get(second["next_page_uri"].as_str().unwrap()).await;
    assert_eq!((listed(&third).len(), &third["next_page_uri"], &third["page"]), (1, &Value::Null, &json!(2)));
    let (_, back) = client.get(third["previous_page_uri"].as_str().unwrap()).await;
    assert_eq!(listed(&back), listed(&second));
    for guess in ["Page=1", "Page=1&PageToken=PA123", "PageToken=x", "PageToken=%C3%A9"] {
        let (status, body) = client.get(&format!("{list}?{guess}")).await;
        assert_eq!((status, code(&body)), (400, 21481), "{guess}");
    }
}

#[tokio::test]
async fn rows_shift_under_a_reader_only_where_pages_are_offsets() {
    for (offset_pages, expected) in [(false, 0), (true, 1)] {
        let client = Client::new();
        client.sandbox.switch(|s| s.offset_pages = offset_pages);
        for line in 0..4 {
            client.sandbox.seed_number(&format!("+1415555010{line}")).unwrap();
        }
        let (_, first) = client.get(&client.path("IncomingPhoneNumbers.json?PageSize=2")).await;
        client.sandbox.lose_number(&listed(&first)[0]).unwrap();
        let (_, second) = client.get(first["next_page_uri"].as_str().unwrap()).await;
        assert_eq!(2 - listed(&second).len(), expected);
    }
}

#[tokio::test]
async fn buying_a_number_that_is_owned_is_an_update_or_a_refusal() {
    let client = Client::new();
    let number = client.offered("415").await;
    let (status, bought) = client.buy(&[("PhoneNumber", &number), ("FriendlyName", "one")]).await;
    assert_eq!(status, 201);
    let (status, again) = client.buy(&[("PhoneNumber", &number), ("VoiceUrl", "https://e.example/v")]).await;
    assert_eq!((status, &again["sid"]), (201, &bought["sid"]));
    assert_eq!((&again["friendly_name"], &again["voice_url"]), (&json!("one"), &json!("https://e.example/v")));
    client.sandbox.switch(|s| s.refuse_owned_purchase = true);
    let (status, body) = client.buy(&[("PhoneNumber", &number)]).await;
    assert_eq!((status, code(&body)), (400, 21422));
    let ledger = client.sandbox.ledger();
    assert_eq!((ledger.purchases(), ledger.of(Kind::Overwrite).count(), ledger.writes()), (1, 1, 1));
}

#[tokio::test]
async fn a_purchase_is_refused_for_what_is_wrong_with_it() {
    let client = Client::new();
    let german = "/AvailablePhoneNumbers/DE/Local.json";
    let (_, body) = client.get(&client.path(&german[1..])).await;
    let german = body["available_phone_numbers"][0]["phone_number"].as_str().unwrap().to_owned();
    let address = hex("AD", "a");
    for (form, expected) in [
        (vec![("PhoneNumber", "5550100")], 21421),
        (vec![("PhoneNumber", "+19995550100")], 21422),
        (vec![("AreaCode", "41")], 21451),
        (vec![("AreaCode", "999")], 21451),
        (vec![], 21421),
        (vec![("PhoneNumber", german.as_str())], 21615),
        (vec![("PhoneNumber", german.as_str()), ("AddressSid", &address)], 21649),
        (vec![("AreaCode", "415"), ("VoiceFallbackUrl", "https://e.example/")], 21405),
        (vec![("AreaCode", "415"), ("SmsUrl", "ftp://e.example/")], 21402),
    ] {
        let (status, body) = client.buy(&form).await;
        assert_eq!((status, code(&body)), (400, expected), "{form:?}");
    }
    let (_, body) = client.post(&client.path("IncomingPhoneNumbers/Local.json"), &[("AreaCode", "415")]).await;
    assert_eq!(code(&body), 21457);
    let number = client.offered("415").await;
    let (_, body) = client.post(&client.path("IncomingPhoneNumbers/TollFree.json"), &[("PhoneNumber", &number)]).await;
    assert_eq!(code(&body), 21458);
    assert_eq!(client.sandbox.ledger().purchases(), 0);
    let config = SandboxConfig { stock_per_area: 1, ..SandboxConfig::default() };
    let small = Client::with(config);
    assert_eq!(small.buy(&[("AreaCode", "415")]).await.0, 201);
    assert_eq!(code(&small.buy(&[("AreaCode", "415")]).await.1), 21452);
}

#[tokio::test]
async fn a_bought_number_answers_with_the_demo_unless_told_otherwise() {
    let client = Client::new();
    let (_, plain) = client.buy(&[("AreaCode", "415")]).await;
    assert_eq!(plain["voice_url"], "https://demo.twilio.com/welcome/voice/");
    let (_, silent) = client.buy(&[("AreaCode", "415"), ("VoiceUrl", ""), ("SmsUrl", "")]).await;
    assert_eq!((&silent["voice_url"], &silent["sms_url"]), (&Value::Null, &json!("")));
    assert!(silent["friendly_name"].as_str().unwrap().starts_with("(415) 555-"));
}

#[tokio::test]
async fn an_update_is_partial_and_empty_clears() {
    let client = Client::new();
    client.sandbox.seed_number(NUMBER).unwrap();
    let path = client.number_path(NUMBER);
    let set =
        [("VoiceUrl", "https://e.example/v"), ("VoiceFallbackUrl", "https://e.example/f"), ("VoiceMethod", "get")];
    let (status, body) = client.post(&path, &set).await;
    assert_eq!((status, &body["voice_method"]), (200, &json!("GET")));
    let (_, body) = client.post(&path, &[("SmsUrl", "https://e.example/s")]).await;
    assert_eq!((&body["voice_url"], &body["sms_url"]), (&json!("https://e.example/v"), &json!("https://e.example/s")));
    let (status, body) = client.post(&path, &[("VoiceUrl", "")]).await;
    assert_eq!((status, code(&body)), (400, 21405), "the fallback cannot stand alone");
    let (_, body) = client.post(&path, &[("VoiceUrl", ""), ("VoiceFallbackUrl", ""), ("SmsUrl", "")]).await;
    assert_eq!(
        (&body["voice_url"], &body["voice_fallback_url"], &body["sms_url"]),
        (&Value::Null, &Value::Null, &json!(""))
    );
    let (_, body) = client.post(&path, &[("SmsFallbackUrl", "https://e.example/")]).await;
    assert_eq!(code(&body), 21406);
    client.sandbox.switch(|s| s.unset = UnsetAnswer::Empty);
    assert_eq!(client.get(&path).await.1["voice_url"], "");
}

#[tokio::test]
async fn a_trunk_and_a_voice_application_delete_each_other() {
    let client = Client::new();
    client.sandbox.seed_number(NUMBER).unwrap();
    let path = client.number_path(NUMBER);
    let trunk = hex("TK", "b");
    let application = client.sandbox.add_application(&client.credentials.account_sid, &[]).unwrap();
    let (_, body) = client.post(&path, &[("VoiceApplicationSid", &hex("AP", "0"))]).await;
    assert_eq!(code(&body), 21420, "an application that is not ours");
    client.post(&path, &[("TrunkSid", &trunk)]).await;
    let (_, body) = client.post(&path, &[("VoiceApplicationSid", &application)]).await;
    assert_eq!((&body["voice_application_sid"], &body["trunk_sid"]), (&json!(application), &Value::Null));
    client.sandbox.switch(|s| s.trunk_waits_for_application = true);
    let (status, body) = client.post(&path, &[("TrunkSid", &trunk)]).await;
    assert_eq!((status, &body["trunk_sid"]), (200, &Value::Null), "silently not applied");
    let (_, body) = client.post(&path, &[("TrunkSid", &trunk), ("VoiceApplicationSid", "")]).await;
    assert_eq!((&body["voice_application_sid"], &body["trunk_sid"]), (&json!(""), &json!(trunk)));
}

#[tokio::test]
async fn a_released_number_is_gone_and_comes_back_under_another_sid() {
    let client = Client::new();
    let (_, bought) = client.buy(&[("AreaCode", "415")]).await;
    let number = bought["phone_number"].as_str().unwrap();
    let path = client.number_path(number);
    assert_eq!(client.try_send("DELETE", &path, &[]).await.unwrap(), (204, Value::Null));
    assert_eq!(client.try_send("DELETE", &path, &[]).await.unwrap().0, 404);
    assert_eq!(code(&client.buy(&[("PhoneNumber", number)]).await.1), 21422, "not at once");
    client.sandbox.add_stock(number).unwrap();
    let (status, again) = client.buy(&[("PhoneNumber", number)]).await;
    assert_eq!(status, 201);
    assert_ne!(again["sid"], bought["sid"]);
    assert_eq!(client.sandbox.ledger().releases(), 1);
}

#[tokio::test]
async fn credentials_are_checked_as_the_carrier_checks_them() {
    let client = Client::new();
    let main = client.credentials.clone();
    let parent = Some(main.account_sid.clone());
    let sub = client.sandbox.add_account(AccountSeed { parent, ..AccountSeed::default() }).unwrap();
    let other = client.sandbox.add_account(AccountSeed::default()).unwrap();
    let key = hex("SK", "1");
    let seed = KeySeed { sid: key.clone(), secret: "s".into(), scope: KeyScope::Standard };
    client.sandbox.add_key(&main.account_sid, seed).unwrap();
    let account = |sid: &str| format!("/2010-04-01/Accounts/{sid}.json");
    let numbers = |sid: &str| format!("/2010-04-01/Accounts/{sid}/IncomingPhoneNumbers.json");
    let token = (main.account_sid.as_str(), main.auth_token.as_str());
    for (user, path, status, expected) in [
        (token, account(&main.account_sid), 200, 0),
        ((token.0, "wrong"), account(&main.account_sid), 401, 20003),
        (token, numbers(&sub.account_sid), 200, 0),
        ((&sub.account_sid, &sub.auth_token), numbers(&main.account_sid), 404, 20404),
        (token, numbers(&other.account_sid), 404, 20404),
        (token, numbers(&hex("AC", "0")), 404, 20404),
        ((&key, "s"), numbers(&main.account_sid), 200, 0),
        ((&key, "s"), account(&main.account_sid), 401, 20003),
        ((&key, "x"), numbers(&main.account_sid), 401, 20003),
    ] {
        let (seen, body) = client.as_user(user, "GET", &path, &[]).await.unwrap();
        assert_eq!((seen, code(&body)), (status, expected), "{} {path}", user.0);
    }
    let (_, body) = client.get(&account(&main.account_sid)).await;
    assert_eq!(body["auth_token"], main.auth_token, "the real one shows it too");
    let rotated = client.sandbox.rotate_token(&main.account_sid).unwrap();
    assert_eq!(client.get(&numbers(&main.account_sid)).await.0, 401);
    let token = (rotated.account_sid.as_str(), rotated.auth_token.as_str());
    client.sandbox.set_status(&main.account_sid, "suspended").unwrap();
    let (status, body) = client.as_user(token, "GET", &numbers(&main.account_sid), &[]).await.unwrap();
    assert_eq!((status, code(&body)), (403, 20005));
    let (_, body) = client.as_user(token, "GET", &account(&main.account_sid), &[]).await.unwrap();
    assert_eq!(body["status"], "suspended");
}

#[tokio::test]
async fn a_restricted_key_does_what_it_may_and_nothing_else() {
    let client = Client::new();
    let scope = KeyScope::Restricted(vec![Kind::List, Kind::Read]);
    let seed = KeySeed { sid: hex("SK", "2"), secret: "s".into(), scope };
    client.sandbox.add_key(&client.credentials.account_sid, seed.clone()).unwrap();
    let path = client.path("IncomingPhoneNumbers.json");
    assert_eq!(client.as_user((&seed.sid, "s"), "GET", &path, &[]).await.unwrap().0, 200);
    let (status, body) = client.as_user((&seed.sid, "s"), "POST", &path, &[("AreaCode", "415")]).await.unwrap();
    assert_eq!((status, code(&body)), (403, 70051));
}

#[tokio::test]
async fn messaging_acts_on_the_account_of_the_credentials() {
    let client = Client::new();
    let sid = client.sandbox.seed_number(NUMBER).unwrap();
    let (status, service) = client.post("/v1/Services", &[("FriendlyName", "Texts")]).await;
    let (_, second) = client.post("/v1/Services", &[("FriendlyName", "More")]).await;
    assert_eq!(status, 201);
    let members = |service: &Value| format!("/v1/Services/{}/PhoneNumbers", service["sid"].as_str().unwrap());
    let (status, member) = client.post(&members(&service), &[("PhoneNumberSid", &sid)]).await;
    assert_eq!((status, &member["phone_number"]), (201, &json!(NUMBER)));
    assert_eq!(code(&client.post(&members(&service), &[("PhoneNumberSid", &sid)]).await.1), 21710);
    assert_eq!(code(&client.post(&members(&second), &[("PhoneNumberSid", &sid)]).await.1), 21712);
    let (_, listed) = client.get("/v1/Services?PageSize=1").await;
    let next = listed["meta"]["next_page_url"].as_str().unwrap();
    assert!(next.starts_with(client.sandbox.url()), "absolute: {next}");
    let parent = Some(client.credentials.account_sid.clone());
    let sub = client.sandbox.add_account(AccountSeed { parent, ..AccountSeed::default() }).unwrap();
    let (_, theirs) = client.as_user((&sub.account_sid, &sub.auth_token), "GET", "/v1/Services", &[]).await.unwrap();
    assert_eq!(theirs["services"], json!([]));
}

#[tokio::test]
async fn a_search_shows_a_few_and_says_so_when_there_is_nothing() {
    let client = Client::new();
    let search = |query: &str| client.path(&format!("AvailablePhoneNumbers/{query}"));
    let (_, body) = client.get(&search("US/Local.json?PageSize=1000")).await;
    assert_eq!(body["available_phone_numbers"].as_array().unwrap().len(), 30);
    assert!(body.get("next_page_uri").is_none(), "one page is all there is");
    let (status, body) = client.get(&search("US/Local.json?AreaCode=999")).await;
    assert_eq!((status, &body["available_phone_numbers"]), (200, &json!([])));
    for unknown in ["XX/Local.json", "US/Mobile.json"] {
        assert_eq!(client.get(&search(unknown)).await.0, 404, "{unknown}");
    }
    let (_, body) = client.get(&search("US/Local.json?InRegion=CA&SmsEnabled=true&Contains=415*&PageSize=3")).await;
    let rows = body["available_phone_numbers"].as_array().unwrap();
    assert!(rows.len() == 3 && rows.iter().all(|r| r["region"] == "CA" && r["capabilities"]["sms"] == true));
    assert_eq!(client.get(&search("US/Local.json?Contains=4*5")).await.0, 400);
    let first = rows[0]["phone_number"].as_str().unwrap();
    assert!(client.sandbox.take_stock(first));
    assert_eq!(code(&client.buy(&[("PhoneNumber", first)]).await.1), 21422, "nothing is held");
}

#[tokio::test]
async fn money_is_one_pot_for_a_family() {
    let client = Client::new();
    let main = client.credentials.account_sid.clone();
    let sub = client.sandbox.add_account(AccountSeed { parent: Some(main.clone()), ..AccountSeed::default() }).unwrap();
    let buy = format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json", sub.account_sid);
    client.sandbox.set_balance(&main, 100).unwrap();
    assert_eq!(client.post(&buy, &[("AreaCode", "415")]).await.0, 201);
    let (_, body) = client.get(&client.path("Balance.json")).await;
    assert_eq!((&body["balance"], &body["currency"]), (&json!("-0.15"), &json!("USD")));
    let balance = format!("/2010-04-01/Accounts/{}/Balance.json", sub.account_sid);
    assert_eq!(client.get(&balance).await.0, 404, "a subaccount has none of its own");
    client.sandbox.switch(|s| s.enforce_balance = true);
    let (status, body) = client.post(&buy, &[("AreaCode", "415")]).await;
    assert_eq!((status, code(&body)), (403, 10001));
    let (_, prices) = client.get("/v1/PhoneNumbers/Countries/US").await;
    assert_eq!(prices["phone_number_prices"][0]["current_price"], "1.15");
}

#[tokio::test]
async fn a_number_is_transferred_by_the_parent_alone() {
    let client = Client::new();
    client.sandbox.seed_number(NUMBER).unwrap();
    let main = client.credentials.account_sid.clone();
    let sub = client.sandbox.add_account(AccountSeed { parent: Some(main.clone()), ..AccountSeed::default() }).unwrap();
    let other = client.sandbox.add_account(AccountSeed::default()).unwrap();
    let path = client.number_path(NUMBER);
    for (target, expected) in [("x", 21470), (&*hex("AC", "0"), 21471), (&*other.account_sid, 21473)] {
        assert_eq!(code(&client.post(&path, &[("AccountSid", target)]).await.1), expected);
    }
    let (_, body) = client.post(&path, &[("AccountSid", &sub.account_sid)]).await;
    assert_eq!(body["account_sid"], sub.account_sid);
    let theirs = client.number_path(NUMBER).replace(&main, &sub.account_sid);
    let user = (sub.account_sid.as_str(), sub.auth_token.as_str());
    let (_, body) = client.as_user(user, "POST", &theirs, &[("AccountSid", &main)]).await.unwrap();
    assert_eq!(code(&body), 21474);
}

#[tokio::test]
async fn the_emergency_status_that_one_sets_is_ignored() {
    let client = Client::new();
    let address = hex("AD", "e");
    let (_, bought) = client.buy(&[("AreaCode", "415"), ("EmergencyAddressSid", &address)]).await;
    assert_eq!(bought["emergency_address_sid"], Value::Null, "no effect on a purchase");
    let path = client.number_path(bought["phone_number"].as_str().unwrap());
    let (_, body) = client.post(&path, &[("EmergencyStatus", "Active"), ("EmergencyAddressSid", &address)]).await;
    assert_eq!(body["emergency_status"], "Inactive");
    assert_eq!(body["emergency_address_status"], "pending-registration");
}

#[tokio::test]
async fn a_foreign_edit_is_seen_and_not_in_the_ledger() {
    let client = Client::new();
    client.sandbox.seed_number(NUMBER).unwrap();
    client.sandbox.edit(NUMBER, &[("voice_url", "https://else.example/"), ("friendly_name", "mine")]).unwrap();
    assert!(client.sandbox.edit(NUMBER, &[("voiceUrl", "x")]).is_err(), "a slip of the pen is told");
    let (_, body) = client.get(&client.number_path(NUMBER)).await;
    assert_eq!((&body["voice_url"], &body["friendly_name"]), (&json!("https://else.example/"), &json!("mine")));
    assert_eq!(client.sandbox.summary().requests, 1);
}

#[tokio::test]
async fn the_ledger_tells_a_write_that_says_nothing_new() {
    let client = Client::new();
    client.sandbox.seed_number(NUMBER).unwrap();
    let path = client.number_path(NUMBER);
    for _ in 0..2 {
        client.post(&path, &[("VoiceUrl", "https://e.example/?token=s3cret")]).await;
    }
    client.post(&path, &[("FriendlyName", "x")]).await;
    let ledger = client.sandbox.ledger();
    assert_eq!((ledger.writes_to(NUMBER), ledger.summary().idle_writes), (3, 1));
    assert_eq!((ledger.of(Kind::RouteWrite).count(), ledger.of(Kind::SettingsWrite).count()), (2, 1));
    let text = serde_json::to_string(&ledger).unwrap();
    assert!(!text.contains("s3cret") && !text.contains(&client.credentials.auth_token));
    client.sandbox.switch(|s| s.record_bodies = true);
    client.get(&format!("/2010-04-01/Accounts/{}.json", client.credentials.account_sid)).await;
    let text = serde_json::to_string(&client.sandbox.ledger()).unwrap();
    assert!(text.contains("redacted") && !text.contains(&client.credentials.auth_token));
}

#[tokio::test]
async fn two_sandboxes_of_one_seed_are_alike_and_strangers() {
    let (one, two) = (Client::new(), Client::new());
    assert_eq!(one.credentials, two.credentials);
    assert_eq!(one.offered("415").await, two.offered("415").await);
    one.buy(&[("AreaCode", "415")]).await;
    assert_eq!((one.sandbox.ledger().purchases(), two.sandbox.ledger().purchases()), (1, 0));
    let slip = ("voiceUrl".to_owned(), "https://e.example/".to_owned());
    let seed = NumberSeed { number: NUMBER.to_owned(), account: None, settings: [slip].into() };
    assert!(Sandbox::start(SandboxConfig { numbers: vec![seed], ..SandboxConfig::default() }).is_err());
    one.sandbox.reset();
    assert_eq!((one.sandbox.numbers().len(), one.sandbox.summary().requests), (0, 0));
}

#[tokio::test]
async fn a_closed_account_stays_closed() {
    let client = Client::new();
    let (_, child) = client.post("/2010-04-01/Accounts.json", &[("FriendlyName", "child")]).await;
    let path = format!("/2010-04-01/Accounts/{}.json", child["sid"].as_str().unwrap());
    for status in ["suspended", "active", "closed", "closed"] {
        assert_eq!(client.post(&path, &[("Status", status)]).await.1["status"], status);
    }
    for status in ["active", "suspended"] {
        let (answered, body) = client.post(&path, &[("Status", status), ("FriendlyName", "again")]).await;
        assert_eq!((answered, code(&body)), (400, 20001), "{status}");
    }
    let (_, shown) = client.get(&path).await;
    assert_eq!(
        (&shown["status"], &shown["friendly_name"]),
        (&json!("closed"), &json!("child")),
        "nothing of it was done"
    );
}

#[tokio::test]
async fn every_setting_of_a_messaging_service_is_kept_or_refused() {
    let client = Client::new();
    let (_, made) = client.post("/v1/Services", &[("FriendlyName", "Texts")]).await;
    let path = format!("/v1/Services/{}", made["sid"].as_str().unwrap());
    let settings: [(&str, &str, &str, Value); 16] = [
        ("FriendlyName", "friendly_name", "Other", json!("Other")),
        ("InboundRequestUrl", "inbound_request_url", "https://a.example/", json!("https://a.example/")),
        ("InboundMethod", "inbound_method", "get", json!("GET")),
        ("FallbackUrl", "fallback_url", "https://b.example/", json!("https://b.example/")),
        ("FallbackMethod", "fallback_method", "GET", json!("GET")),
        ("StatusCallback", "status_callback", "https://c.example/", json!("https://c.example/")),
        ("StickySender", "sticky_sender", "false", json!(false)),
        ("MmsConverter", "mms_converter", "False", json!(false)),
        ("SmartEncoding", "smart_encoding", "false", json!(false)),
        ("ScanMessageContent", "scan_message_content", "disable", json!("disable")),
        ("FallbackToLongCode", "fallback_to_long_code", "false", json!(false)),
        ("AreaCodeGeomatch", "area_code_geomatch", "false", json!(false)),
        ("ValidityPeriod", "validity_period", "600", json!(600)),
        ("SynchronousValidation", "synchronous_validation", "true", json!(true)),
        ("Usecase", "usecase", "marketing", json!("marketing")),
        ("UseInboundWebhookOnNumber", "use_inbound_webhook_on_number", "true", json!(true)),
    ];
    for (param, field, given, shown) in &settings {
        assert_ne!(&made[field], shown, "{field} is something else at first");
        assert_eq!(&client.post(&path, &[(param, given)]).await.1[field], shown, "{param}");
    }
    let (_, all) = client.get(&path).await;
    assert!(settings.iter().all(|(_, field, _, shown)| &all[field] == shown), "each is left by the others: {all}");
    let spec = include_str!("../specs/twilio_messaging_v1.json");
    let spec: Value = serde_json::from_str(spec).unwrap();
    let form =
        &spec["paths"]["/v1/Services/{Sid}"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"];
    let known: Vec<&String> = form["schema"]["properties"].as_object().unwrap().keys().collect();
    assert!(known.iter().all(|name| settings.iter().any(|(param, ..)| param == name)), "all that there is: {known:?}");
    for (param, wrong) in [
        ("InboundRequestUrl", "nonsense"),
        ("InboundMethod", "PUT"),
        ("StickySender", "perhaps"),
        ("ScanMessageContent", "all"),
        ("ValidityPeriod", "36001"),
        ("UseInboundWebhookOnNumber", "1"),
    ] {
        let (status, body) = client.post(&path, &[(param, wrong), ("FriendlyName", "Half")]).await;
        assert_eq!((status, code(&body)), (400, 20001), "{param}");
        assert_eq!(client.post("/v1/Services", &[("FriendlyName", "x"), (param, wrong)]).await.0, 400, "{param}");
    }
    assert_eq!(client.get(&path).await.1, all, "what is refused changes nothing");
    assert_eq!(client.get("/v1/Services").await.1["services"].as_array().unwrap().len(), 1, "and makes nothing");
}

#[tokio::test]
async fn a_pattern_may_have_many_wildcards_at_its_ends() {
    let client = Client::new();
    let search = client.path("AvailablePhoneNumbers/US/Local.json");
    for (pattern, begins) in [("415*******", true), ("%2B1415*******", true), ("******4155", false)] {
        let (status, body) = client.get(&format!("{search}?Contains={pattern}")).await;
        assert_eq!(status, 200, "{pattern}: {body}");
        let found = body["available_phone_numbers"].as_array().unwrap();
        let fits = |row: &Value| row["phone_number"].as_str().unwrap().starts_with("+1415");
        assert!(!begins || (!found.is_empty() && found.iter().all(fits)), "{pattern}");
    }
}
