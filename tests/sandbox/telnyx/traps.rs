//! What the real carrier does that nobody expects.

use dialplane::sandbox::carrier::{AccountSeed, ConnectionClearing, Dialect, KeyScope, KeySeed, Kind};
use serde_json::{Value, json};

use super::{Telnyx, code, numbers, ordered, seed};

const NUMBER: &str = "+14155550100";

#[tokio::test]
async fn a_filter_by_number_takes_digits_only_and_matches_partially() {
    let telnyx = Telnyx::new();
    for number in ["+4420794600", "+442079460012", "+14420794600"] {
        telnyx.sandbox.seed_number(number).unwrap();
    }
    let list = async |filter: &str| {
        let (status, body) = telnyx.get(&format!("phone_numbers?filter[phone_number]={filter}")).await;
        assert_eq!(status, 200);
        numbers(&body)
    };
    assert_eq!(list("%2B4420794600").await, Vec::<String>::new(), "a plus looks as if the number were gone");
    assert_eq!(list("+4420794600").await, Vec::<String>::new(), "and so does a space");
    assert_eq!(list("4420794600").await, ["+442079460012", "+4420794600"], "the newest first, and not the one alone");
    telnyx.sandbox.switch(|s| s.substring_filter = true);
    assert_eq!(list("4420794600").await.len(), 3);
    let (status, body) = telnyx.get("phone_numbers?filter[phone_number]=44").await;
    assert_eq!((status, code(&body)), (400, "10015"), "three digits at least");
}

#[tokio::test]
async fn a_search_takes_no_country_code_and_no_wildcards() {
    let telnyx = Telnyx::new();
    let us = "filter[country_code]=US&filter[phone_number_type]=local";
    for pattern in ["%2B1415", "1415555", "415*", "DENT"] {
        let found = telnyx.search(&format!("{us}&filter[phone_number][starts_with]={pattern}")).await;
        assert!(found.is_empty(), "{pattern}");
    }
    let found = telnyx.search(&format!("{us}&filter[phone_number][starts_with]=415")).await;
    assert!(found.len() > 3 && found.iter().all(|number| number.starts_with("+1415")));
    let area = "filter[national_destination_code]=415&filter[phone_number]";
    assert!(telnyx.search(&format!("{us}&{area}[starts_with]=415")).await.is_empty(), "the area is not in the pattern");
    let last = &found[0][8..];
    let one = telnyx.search(&format!("{us}&{area}[starts_with]=555&filter[phone_number][ends_with]={last}")).await;
    assert_eq!(one, [found[0].clone()]);
    assert_eq!(telnyx.search(&format!("{us}&{area}[contains]=5{last}")).await, one);
    let none = telnyx.search(&format!("{us}&filter[features][]=sms&filter[features][]=fax")).await;
    assert!(none.is_empty(), "all features are asked for");
    assert_eq!(telnyx.search(&format!("{us}&filter[features]=sms,voice&filter[limit]=2")).await.len(), 2);
    let (status, body) = telnyx.get("available_phone_numbers?filter[areaCode]=415").await;
    assert_eq!((status, code(&body)), (400, "10015"), "a slip of the pen is told");
}

#[tokio::test]
async fn best_effort_shows_numbers_that_do_not_match() {
    let telnyx = Telnyx::new();
    let query = "filter[country_code]=US&filter[phone_number_type]=local&filter[locality]=Oakland&filter[limit]=150";
    let (_, exact) = telnyx.get(&format!("available_phone_numbers?{query}")).await;
    assert_eq!((numbers(&exact).len(), &exact["meta"]["best_effort_results"]), (100, &json!(0)));
    let (_, wide) = telnyx.get(&format!("available_phone_numbers?{query}&filter[best_effort]=true")).await;
    assert_eq!(wide["meta"], json!({ "total_results": 150, "best_effort_results": 50 }));
    let rows = wide["data"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["best_effort"] == !row["phone_number"].as_str().unwrap().starts_with("+1510")));
    assert_eq!(
        rows[0]["cost_information"],
        json!({ "currency": "USD", "monthly_cost": "1.15", "upfront_cost": "1.00" })
    );
    let london = "filter[country_code]=GB&filter[locality]=Leeds&filter[best_effort]=true";
    assert!(telnyx.search(london).await.is_empty(), "in North America only");
}

#[tokio::test]
async fn a_number_is_ordered_only_after_a_search_that_showed_it() {
    let telnyx = Telnyx::new();
    let other = Telnyx::new();
    let number = other.offered("415").await;
    let (status, body) = telnyx.order(&number).await;
    assert_eq!((status, code(&body)), (422, "85000"));
    assert_eq!(telnyx.offered("415").await, number);
    telnyx.sandbox.switch(|s| s.telnyx.search_ms = Some(0));
    telnyx.sandbox.switch(|s| s.telnyx.refusal_status = 400);
    let (status, body) = telnyx.order(&number).await;
    assert_eq!((status, code(&body)), (400, "85000"), "too long ago");
    telnyx.sandbox.switch(|s| s.telnyx.search_ms = None);
    assert_eq!(telnyx.order(&number).await.0, 200);
    assert_eq!(telnyx.sandbox.ledger().purchases_of(&number), 1);
}

#[tokio::test]
async fn null_keeps_a_messaging_profile_and_empty_takes_it_away() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    let profile = telnyx.sandbox.add_messaging_profile(&telnyx.account.account_sid, &[("name", "texts")]).unwrap();
    let path = format!("{}/messaging", telnyx.number_path(NUMBER));
    let set = async |value: Value| {
        let (_, body) = telnyx.patch(&path, json!({ "messaging_profile_id": value })).await;
        body["data"]["messaging_profile_id"].clone()
    };
    assert_eq!(set(json!(profile)).await, profile.as_str());
    assert_eq!(set(Value::Null).await, profile.as_str());
    assert_eq!(set(json!("")).await, Value::Null);
    let (status, body) = telnyx.patch(&path, json!({ "messaging_profile_id": "nonsense" })).await;
    assert_eq!((status, code(&body)), (422, "85005"));
    let (status, body) = telnyx.patch(&telnyx.number_path(NUMBER), json!({ "messaging_profile_id": profile })).await;
    assert_eq!((status, code(&body)), (400, "10015"), "not where the connection is set");
    let kinds: Vec<Kind> = telnyx.sandbox.ledger().entries().iter().map(|e| e.kind).collect();
    assert_eq!(kinds[..3], [Kind::RouteWrite, Kind::SettingsWrite, Kind::RouteWrite]);
}

#[tokio::test]
async fn nobody_knows_how_a_connection_is_taken_away() {
    use ConnectionClearing::{Either, Empty, Neither, Null};
    let telnyx = Telnyx::new();
    let account = &telnyx.account.account_sid;
    let app = telnyx.sandbox.add_application(account, &[("voice_url", "https://e.example/v")]).unwrap();
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    let path = telnyx.number_path(NUMBER);
    for (clearing, value, status, cleared) in [
        (Either, json!(""), 200, true),
        (Either, Value::Null, 200, true),
        (Empty, json!(""), 200, true),
        (Empty, Value::Null, 200, false),
        (Null, json!(""), 422, false),
        (Null, Value::Null, 200, true),
        (Neither, json!(""), 422, false),
        (Neither, Value::Null, 200, false),
    ] {
        telnyx.sandbox.switch(|s| s.telnyx.connection_clearing = clearing);
        assert_eq!(telnyx.patch(&path, json!({ "connection_id": app })).await.0, 200);
        assert_eq!(telnyx.patch(&path, json!({ "connection_id": value })).await.0, status, "{clearing:?} {value}");
        assert_eq!(telnyx.sandbox.field(NUMBER, "connection_id").is_none(), cleared, "{clearing:?} {value}");
    }
    let (_, body) = telnyx.patch(&path, json!({ "connection_id": "1" })).await;
    assert_eq!(code(&body), "85004");
}

#[tokio::test]
async fn tags_are_replaced_as_a_whole_and_what_was_there_can_be_filtered() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    telnyx.sandbox.seed_number("+14155550101").unwrap();
    let path = telnyx.number_path(NUMBER);
    telnyx.patch(&path, json!({ "tags": ["a", "b"], "customer_reference": "dp1:x:y" })).await;
    let (_, body) = telnyx.patch(&path, json!({ "tags": ["c"] })).await;
    assert_eq!((&body["data"]["tags"], &body["data"]["customer_reference"]), (&json!(["c"]), &json!("dp1:x:y")));
    for (filter, found) in [
        ("tag]=c", vec![NUMBER]),
        ("tag]=a", vec![]),
        ("customer_reference]=dp1:x:y", vec![NUMBER]),
        ("without_tags]=true", vec!["+14155550101"]),
        ("status]=deleted", vec![]),
        ("country_iso_alpha2]=US,GB", vec!["+14155550101", NUMBER]),
        ("number_type][eq]=mobile", vec![]),
        ("billing_group_id]=null", vec!["+14155550101", NUMBER]),
    ] {
        let (_, body) = telnyx.get(&format!("phone_numbers?filter[{filter}")).await;
        assert_eq!(numbers(&body), found, "{filter}");
    }
    let ledger = telnyx.sandbox.ledger();
    assert_eq!((ledger.of(Kind::SettingsWrite).count(), ledger.writes_to(NUMBER)), (2, 2));
}

#[tokio::test]
async fn pages_are_numbered_and_never_larger_than_250() {
    let telnyx = Telnyx::new();
    for line in 0..252 {
        telnyx.sandbox.seed_number(&format!("+14155550{line:03}")).unwrap();
    }
    let page = async |query: &str| telnyx.get(&format!("phone_numbers?{query}")).await.1;
    let body = page("page[size]=1000&page[number]=2").await;
    let meta = json!({ "page_number": 2, "page_size": 250, "total_pages": 2, "total_results": 252 });
    assert_eq!((numbers(&body).len(), &body["meta"]), (2, &meta));
    let body = page("sort=phone_number").await;
    assert_eq!((numbers(&body).len(), numbers(&body)[0].as_str()), (20, "+14155550000"));
    assert_eq!(page("page[number]=99").await["data"], json!([]));
    assert_eq!(code(&page("page[number]=x").await), "10015");
    telnyx.sandbox.lose_number("+14155550251").unwrap();
    let shifted = page("page[size]=250&page[number]=2").await;
    assert_eq!(numbers(&shifted), ["+14155550000"], "rows shift under a reader");
}

#[tokio::test]
async fn ids_are_texts_that_no_float_holds_and_an_order_knows_another_one() {
    let telnyx = Telnyx::new();
    let number = telnyx.offered("415").await;
    let (_, order) = telnyx.order(&number).await;
    telnyx.settled(&order).await;
    let row = telnyx.sandbox.number(&number).unwrap();
    let id = row["id"].as_str().unwrap();
    assert!(id.parse::<i64>().unwrap() > 1 << 53);
    let line = order["data"]["phone_numbers"][0]["id"].as_str().unwrap();
    assert_ne!(line, id);
    assert_eq!(telnyx.get(&format!("phone_numbers/{line}")).await.0, 404);
    assert_eq!(telnyx.get(&format!("phone_numbers/{id}")).await.1["data"]["phone_number"], number.as_str());
}

#[tokio::test]
async fn giving_a_number_back_is_answered_with_it_and_keeps_it_for_its_last_owner() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    let path = telnyx.number_path(NUMBER);
    telnyx.sandbox.edit(NUMBER, &[("deletion_lock_enabled", "true")]).unwrap();
    assert_eq!(telnyx.delete(&path).await.0, 422);
    telnyx.sandbox.edit(NUMBER, &[("deletion_lock_enabled", "")]).unwrap();
    telnyx.sandbox.switch(|s| s.telnyx.deleted_listed = true);
    let (status, body) = telnyx.delete(&path).await;
    assert_eq!((status, &body["data"]["phone_number"]), (200, &json!(NUMBER)));
    assert_eq!(telnyx.delete(&path).await.0, 404);
    assert_eq!(telnyx.get(&path).await.1["data"]["status"], "deleted", "still listed");
    assert_eq!(numbers(&telnyx.get("phone_numbers?filter[phone_number]=14155550100").await.1), [NUMBER]);
    assert!(telnyx.sandbox.number(NUMBER).is_none());
    telnyx.sandbox.switch(|s| s.telnyx.deleted_listed = false);
    assert_eq!((telnyx.get(&path).await.0, telnyx.sandbox.ledger().releases()), (404, 1));
    let pattern = "filter[phone_number][starts_with]=4155550100";
    let other = telnyx.sandbox.add_account(seed()).unwrap();
    let path = format!("available_phone_numbers?{pattern}");
    let ((_, theirs), _) = telnyx.with_key(&other.auth_token, "GET", &path, None).await.unwrap();
    assert!(numbers(&theirs).is_empty(), "held for its last owner");
    assert!(telnyx.search(&format!("{pattern}&filter[exclude_held_numbers]=true")).await.is_empty());
    assert_eq!(telnyx.search(pattern).await, [NUMBER]);
    assert_eq!(telnyx.order(NUMBER).await.0, 200, "and can be had again by them");
}

#[tokio::test]
async fn the_messaging_service_may_lag_or_be_away() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    let profile = telnyx.sandbox.add_messaging_profile(&telnyx.account.account_sid, &[("name", "texts")]).unwrap();
    let path = telnyx.number_path(NUMBER);
    telnyx.sandbox.switch(|s| s.telnyx.messaging_lag_ms = 60_000);
    let (_, body) = telnyx.patch(&format!("{path}/messaging"), json!({ "messaging_profile_id": profile })).await;
    assert_eq!(body["data"]["messaging_profile_id"], profile.as_str());
    assert_eq!(telnyx.get(&path).await.1["data"]["messaging_profile_id"], Value::Null, "not yet");
    telnyx.sandbox.switch(|s| s.telnyx.messaging_lag_ms = 0);
    assert_eq!(telnyx.get(&path).await.1["data"]["messaging_profile_id"], profile.as_str());
    telnyx.sandbox.switch(|s| s.telnyx.messaging_unavailable = true);
    assert_eq!(telnyx.get("phone_numbers").await.0, 503);
    let (status, body) = telnyx.get("phone_numbers?handle_messaging_profile_error=true").await;
    assert_eq!((status, &body["data"][0]["messaging_profile_id"]), (200, &json!("UNAVAILABLE")));
    telnyx.sandbox.switch(|s| (s.telnyx.messaging_unavailable, s.telnyx.legacy_types) = (false, true));
    assert_eq!(telnyx.get(&path).await.1["data"]["phone_number_type"], "longcode");
}

#[tokio::test]
async fn an_application_in_use_is_not_removed_unless_it_is() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    let app = json!({ "friendly_name": "dialplane", "voice_url": "https://e.example/v" });
    let (status, made) = telnyx.post("texml_applications", app).await;
    assert_eq!((status, &made["data"]["voice_method"]), (201, &json!("post")));
    let id = made["data"]["id"].as_str().unwrap();
    let path = format!("texml_applications/{id}");
    telnyx.patch(&telnyx.number_path(NUMBER), json!({ "connection_id": id })).await;
    let (status, body) = telnyx.delete(&path).await;
    assert_eq!((status, code(&body)), (422, "10021"));
    telnyx.sandbox.switch(|s| (s.telnyx.delete_in_use, s.telnyx.default_method_get) = (true, true));
    assert_eq!((telnyx.delete(&path).await.0, telnyx.get(&path).await.0), (200, 404));
    assert_eq!(telnyx.sandbox.field(NUMBER, "connection_id"), None);
    let other = json!({ "friendly_name": "other", "voice_url": "https://e.example/v" });
    let (_, made) = telnyx.post("texml_applications", other).await;
    assert_eq!(made["data"]["voice_method"], "get", "as one page has it");
    let ledger = telnyx.sandbox.ledger();
    assert_eq!((ledger.of(Kind::ApplicationWrite).count(), ledger.writes()), (4, 1), "no writes of numbers");
}

#[tokio::test]
async fn what_a_shared_route_lacks_or_gets_wrong_is_refused() {
    let telnyx = Telnyx::new();
    let voice = json!("https://e.example/v");
    for (path, body, expected) in [
        ("texml_applications", json!({ "friendly_name": "a" }), "10004"),
        ("texml_applications", json!({ "friendly_name": "a", "voice_url": "nonsense" }), "10015"),
        ("texml_applications", json!({ "friendly_name": "a", "voice_url": voice, "voice_method": "POST" }), "10015"),
        ("texml_applications", json!({ "friendly_name": "a", "voice_url": voice, "voiceMethod": "post" }), "10015"),
        ("messaging_profiles", json!({ "name": "a" }), "10004"),
        ("messaging_profiles", json!({ "name": "a", "whitelisted_destinations": "US" }), "10015"),
    ] {
        let (status, answer) = telnyx.post(path, body.clone()).await;
        assert_eq!((status, code(&answer)), (400, expected), "{body}");
    }
    let (_, profile) =
        telnyx.post("messaging_profiles", json!({ "name": "a", "whitelisted_destinations": ["US"] })).await;
    let path = format!("messaging_profiles/{}", profile["data"]["id"].as_str().unwrap());
    let (_, body) = telnyx.patch(&path, json!({ "webhook_url": "https://e.example/s" })).await;
    assert_eq!((&body["data"]["webhook_url"], &body["data"]["name"]), (&json!("https://e.example/s"), &json!("a")));
    let (_, body) = telnyx.patch(&path, json!({ "webhook_url": null })).await;
    assert_eq!(body["data"]["webhook_url"], Value::Null);
    assert_eq!(telnyx.get(&format!("{path}/phone_numbers")).await.1["meta"]["total_results"], 0);
}

#[tokio::test]
async fn a_change_of_an_application_names_what_the_official_clients_require_unless_it_need_not() {
    let telnyx = Telnyx::new();
    let full = json!({ "friendly_name": "a", "voice_url": "https://e.example/v" });
    let (_, made) = telnyx.post("texml_applications", full.clone()).await;
    let path = format!("texml_applications/{}", made["data"]["id"].as_str().unwrap());
    let change = |field: &str| {
        let mut change = full.clone();
        change["active"] = json!(false);
        change.as_object_mut().unwrap().remove(field);
        change
    };
    for field in ["friendly_name", "voice_url"] {
        let (status, answer) = telnyx.patch(&path, change(field)).await;
        assert_eq!((status, code(&answer)), (400, "10004"), "without {field}");
    }
    assert_eq!(telnyx.get(&path).await.1["data"]["active"], true, "nothing was changed");
    assert_eq!(telnyx.patch(&path, change("")).await.1["data"]["active"], false);
    telnyx.sandbox.switch(|s| s.telnyx.partial_applications = true);
    let (_, answer) = telnyx.patch(&path, json!({ "active": true })).await;
    assert_eq!((&answer["data"]["active"], &answer["data"]["friendly_name"]), (&json!(true), &json!("a")));
}

#[tokio::test]
async fn a_key_opens_its_own_account_and_no_other() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    let reads = KeySeed {
        sid: "reads".to_owned(),
        secret: "KEYreads".to_owned(),
        scope: KeyScope::Restricted(vec![Kind::List, Kind::Look]),
    };
    let twilio = telnyx.sandbox.add_account(AccountSeed::default()).unwrap();
    let other = telnyx.sandbox.add_account(AccountSeed { keys: vec![reads], ..seed() }).unwrap();
    let path = telnyx.number_path(NUMBER);
    for (key, method, path, status, expected) in [
        ("KEYnonsense", "GET", "balance", 401, "10009"),
        (twilio.auth_token.as_str(), "GET", "balance", 401, "10009"),
        (other.auth_token.as_str(), "GET", path.as_str(), 404, "10005"),
        ("KEYreads", "GET", "phone_numbers", 200, ""),
        ("KEYreads", "GET", "available_phone_numbers", 403, "10010"),
        (telnyx.account.auth_token.as_str(), "GET", "nonsense", 404, "10005"),
        (telnyx.account.auth_token.as_str(), "PUT", "balance", 405, "10005"),
    ] {
        let ((seen, body), _) = telnyx.with_key(key, method, path, None).await.unwrap();
        assert_eq!((seen, code(&body)), (status, expected), "{key} {method} {path}");
    }
    let rotated = telnyx.sandbox.rotate_token(&telnyx.account.account_sid).unwrap();
    assert!(rotated.auth_token.starts_with("KEY"));
    assert_eq!(telnyx.get("balance").await.0, 401, "the old one");
    telnyx.sandbox.set_status(&other.account_sid, "suspended").unwrap();
    let ((status, body), _) = telnyx.with_key(&other.auth_token, "GET", "balance", None).await.unwrap();
    assert_eq!((status, code(&body)), (403, "20012"));
    let wrong = AccountSeed { sid: Some("AC1".to_owned()), ..seed() };
    assert!(telnyx.sandbox.add_account(wrong).is_err());
    let child = AccountSeed { parent: Some(other.account_sid), ..seed() };
    assert!(telnyx.sandbox.add_account(child).is_err(), "no subaccounts here");
}

#[tokio::test]
async fn both_carriers_sell_the_same_numbers_and_neither_sells_one_twice() {
    let telnyx = Telnyx::new();
    let twilio =
        telnyx.sandbox.add_account(AccountSeed { carrier: Dialect::Twilio, ..AccountSeed::default() }).unwrap();
    let number = telnyx.offered("415").await;
    let url = format!("{}/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json", telnyx.sandbox.url(), twilio.account_sid);
    let buy = async || {
        let request = super::super::client::http().post(&url).basic_auth(&twilio.account_sid, Some(&twilio.auth_token));
        request.form(&[("PhoneNumber", &number)]).send().await.unwrap().status().as_u16()
    };
    telnyx.post("number_reservations", ordered(&number)).await;
    assert_eq!(buy().await, 400, "held");
    assert_eq!(telnyx.order(&number).await.0, 200);
    assert_eq!(buy().await, 400, "ordered");
    let ledger = telnyx.sandbox.ledger();
    assert_eq!((ledger.purchases_of(&number), ledger.of(Kind::Purchase).count()), (1, 3));
}

#[tokio::test]
async fn secrets_do_not_reach_the_ledger() {
    let telnyx = Telnyx::new();
    telnyx.sandbox.switch(|s| s.record_bodies = true);
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    telnyx.patch(&telnyx.number_path(NUMBER), json!({ "external_pin": "s3cret" })).await;
    let (_, made) = telnyx.post("messaging_profiles", json!({ "name": "a", "whitelisted_destinations": ["*"] })).await;
    let text = serde_json::to_string(&telnyx.sandbox.ledger()).unwrap();
    let secret = made["data"]["v1_secret"].as_str().unwrap();
    assert!(text.contains("whitelisted_destinations"), "bodies are recorded");
    assert!(!text.contains("s3cret") && !text.contains(secret) && !text.contains(&telnyx.account.auth_token));
}
