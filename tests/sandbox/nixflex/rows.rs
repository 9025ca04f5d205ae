//! Numbers that the platform has: the list, what is set on them, and their end.

use dialplane::sandbox::carrier::{Kind, StaleCredentials};
use serde_json::{Value, json};

use super::{NUMBER, Nixflex, bearer, code, numbers, path};

#[tokio::test]
async fn the_list_is_newest_first_and_cut_at_its_limit_and_a_single_number_cannot_be_asked_for() {
    let nixflex = Nixflex::new();
    let (key, a, b) = (nixflex.key.account_sid.clone(), nixflex.agent("a"), nixflex.agent("b"));
    for line in 1..=60 {
        let number = format!("+141555501{line:02}");
        if line > 1 {
            nixflex.sandbox.seed_number(&number).unwrap_or_default();
            nixflex.sandbox.nixflex_attach(&key, &number, if line % 2 == 0 { &a } else { &b }).unwrap();
        }
    }
    let list = async |query: &str| nixflex.get(&format!("phone-numbers{query}")).await.1;
    let all = list("").await;
    assert_eq!((numbers(&all).len(), numbers(&all)[0], &all["count"]), (59, "+14155550160", &json!(59)));
    let some = list(&format!("?agent_id={a}")).await;
    assert_eq!((numbers(&some).len(), &some["count"]), (30, &json!(30)));
    nixflex.sandbox.switch(|s| s.nixflex.list_limit = 10);
    let cut = list("?limit=50&offset=5").await;
    assert_eq!((numbers(&cut).len(), numbers(&cut)[0], &cut["count"]), (10, "+14155550160", &json!(59)));
    nixflex.sandbox.switch(|s| (s.nixflex.paged_list, s.nixflex.count_shown) = (true, true));
    assert_eq!((numbers(&list("").await).len(), &list("").await["count"]), (25, &json!(25)));
    assert_eq!(numbers(&list("?limit=2&offset=58").await), ["+14155550102"]);
    let (status, body) = nixflex.get(&path("+14155550160")).await;
    assert_eq!((status, code(&body)), (404, "not_found"));
    assert_eq!(code(&nixflex.get("nonsense").await.1), "not_found", "as for any path that is not");
    let ledger = nixflex.sandbox.ledger();
    assert_eq!((ledger.lists(), ledger.of(Kind::Unknown).count()), (6, 2));
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_never_the_agent() {
    let nixflex = Nixflex::new();
    let agent = nixflex.attached().await;
    let patch = async |body: Value| nixflex.patch(&path(NUMBER), body).await;
    for (body, expected) in [
        (json!({}), "missing_field"),
        (json!({ "agent_id": "agent_0000000000000001" }), "missing_field"),
        (json!({ "custom_prompt": "x".repeat(8_001) }), "custom_prompt_too_long"),
        (json!({ "sms_prompt": "x".repeat(20_001) }), "prompt_too_long"),
        (json!({ "voice_id": "not a voice" }), "invalid_voice_id"),
        (json!({ "voicemail_leave_enabled": true }), "voicemail_message_required"),
        (json!({ "recording_source": "tape" }), "invalid_request"),
        (json!({ "custom_prompt": "lost", "dtmf_enabled": "yes" }), "invalid_request"),
    ] {
        let (status, answer) = patch(body).await;
        assert_eq!((status, code(&answer)), (400, expected));
    }
    let row = || nixflex.sandbox.nixflex_row(NUMBER).unwrap();
    assert_eq!(row()["custom_prompt"], Value::Null, "one bad value spoils the whole");
    let set = json!({ "agent_id": "agent_1", "custom_prompt": "ü".repeat(8_000), "speaking_rate": 1.2,
        "voicemail_leave_enabled": true, "voicemail_message": "later" });
    let (status, body) = patch(set).await;
    assert_eq!((status, &body["phone_number"]["agent_id"], &row()["agent_id"]), (200, &json!(agent), &json!(agent)));
    assert_eq!((&row()["speaking_rate"], &row()["voicemail_leave_enabled"]), (&json!(1.2), &json!(true)));
    assert_eq!(code(&patch(json!({ "voicemail_message": null })).await.1), "voicemail_message_required");
    patch(json!({ "custom_prompt": "" })).await;
    assert_eq!((&row()["custom_prompt"], &row()["speaking_rate"]), (&Value::Null, &json!(1.2)));
    patch(json!({ "speaking_rate": null })).await;
    assert_eq!(row()["speaking_rate"], Value::Null, "inherited");
    nixflex.sandbox.switch(|s| (s.nixflex.allow_idle_patch, s.nixflex.short_answers) = (true, true));
    let (status, body) = patch(json!({ "agent_id": "agent_1" })).await;
    assert_eq!((status, body["phone_number"].as_object().unwrap().len()), (200, 3));
    assert_eq!(code(&nixflex.patch(&path("+14155550199"), json!({ "sms_prompt": "x" })).await.1), "number_not_found");
    let ledger = nixflex.sandbox.ledger();
    let applied = ledger.of(Kind::AttachmentWrite).filter(|entry| entry.applied);
    let changed: Vec<usize> = applied.map(|entry| entry.changed.len()).collect();
    assert_eq!((changed, ledger.writes()), (vec![4, 1, 1, 0], 0));
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn the_plus_of_a_path_is_to_be_encoded_and_a_raw_one_stands_in_the_ledger() {
    let nixflex = Nixflex::new();
    nixflex.attached().await;
    let set = json!({ "custom_prompt": "x" });
    assert_eq!(nixflex.patch(&format!("phone-numbers/{NUMBER}"), set.clone()).await.0, 200);
    nixflex.sandbox.switch(|s| s.nixflex.raw_plus = false);
    let (status, body) = nixflex.patch(&format!("phone-numbers/{NUMBER}"), set.clone()).await;
    assert_eq!((status, code(&body)), (404, "number_not_found"));
    assert_eq!(nixflex.patch(&path(NUMBER), set).await.0, 200);
    let ledger = nixflex.sandbox.ledger();
    let raw = ledger.of(Kind::AttachmentWrite).filter(|entry| entry.path.contains('+')).count();
    assert_eq!((raw, ledger.of(Kind::AttachmentWrite).count()), (2, 3));
    assert!(ledger.of(Kind::AttachmentWrite).all(|entry| entry.number.as_deref() == Some(NUMBER)));
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn the_end_clears_the_webhooks_whatever_they_are_and_releases_nothing() {
    let nixflex = Nixflex::new();
    let agent = nixflex.attached().await;
    let (status, body) = nixflex.delete(&path(NUMBER)).await;
    assert_eq!((status, body), (200, json!({ "phone_number": { "phone_number": NUMBER, "deleted": true } })));
    assert_eq!(nixflex.webhooks(), [None, None, None]);
    let (status, body) = nixflex.delete(&path(NUMBER)).await;
    assert_eq!((status, code(&body)), (404, "number_not_found"));
    for (spared, left) in [(false, None), (true, Some("https://mine.example/v".to_owned()))] {
        nixflex.sandbox.switch(|s| s.nixflex.spare_foreign_webhooks = spared);
        nixflex.import(NUMBER, &agent).await;
        nixflex.sandbox.edit(NUMBER, &[("voice_url", "https://mine.example/v")]).unwrap();
        nixflex.delete(&path(NUMBER)).await;
        assert_eq!(nixflex.webhooks(), [left, None, None]);
    }
    assert!(nixflex.sandbox.number(NUMBER).is_some());
    let ledger = nixflex.sandbox.ledger();
    assert_eq!(ledger.of(Kind::Detach).filter(|entry| entry.applied).count(), 3);
    assert_eq!((ledger.of(Kind::PlatformWrite).count(), ledger.writes()), (6, 0));
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn a_token_that_was_rotated_meanwhile_stands_in_the_way_of_the_end_or_leaves_webhooks() {
    let nixflex = Nixflex::new();
    let agent = nixflex.attached().await;
    nixflex.sandbox.rotate_token(&nixflex.twilio.account_sid).unwrap();
    let (status, body) = nixflex.delete(&path(NUMBER)).await;
    assert_eq!((status, code(&body), &body["error"]["type"]), (502, "provider_error", &json!("provider_error")));
    assert!(nixflex.sandbox.nixflex_row(NUMBER).is_some() && nixflex.webhooks()[0].is_some());
    nixflex.sandbox.switch(|s| s.nixflex.stale_credentials = StaleCredentials::Remove);
    assert_eq!(nixflex.delete(&path(NUMBER)).await.0, 200);
    assert!(nixflex.sandbox.nixflex_row(NUMBER).is_none() && nixflex.webhooks()[0].is_some());
    nixflex.sandbox.nixflex_attach(&nixflex.key.account_sid, NUMBER, &agent).unwrap();
    nixflex.sandbox.lose_number(NUMBER).unwrap();
    assert_eq!(nixflex.delete(&path(NUMBER)).await.0, 200, "there is nothing to clear");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn somebody_else_imports_and_changes_and_takes_away() {
    let nixflex = Nixflex::new();
    let (key, agent) = (nixflex.key.account_sid.clone(), nixflex.agent("theirs"));
    assert!(nixflex.sandbox.nixflex_attach(&key, "+14155550199", &agent).is_err());
    assert!(nixflex.sandbox.nixflex_attach(&key, NUMBER, "agent_1").is_err());
    nixflex.sandbox.nixflex_attach(&key, NUMBER, &agent).unwrap();
    assert!(nixflex.sandbox.nixflex_attach(&key, NUMBER, &agent).is_err(), "once");
    nixflex.sandbox.edit_nixflex_row(NUMBER, json!({ "custom_prompt": "theirs" })).unwrap();
    assert!(nixflex.sandbox.edit_nixflex_row(NUMBER, json!({ "dtmf_enabled": 1 })).is_err());
    let (_, list) = nixflex.get("phone-numbers").await;
    assert_eq!(list["phone_numbers"], json!(nixflex.sandbox.nixflex_rows(&key)));
    assert_eq!(list["phone_numbers"][0]["custom_prompt"], "theirs");
    nixflex.sandbox.nixflex_detach(NUMBER).unwrap();
    assert_eq!((nixflex.webhooks(), nixflex.sandbox.nixflex_rows(&key).len()), ([None, None, None], 0));
    nixflex.sandbox.nixflex_attach(&key, NUMBER, &agent).unwrap();
    nixflex.sandbox.lose_nixflex_row(NUMBER).unwrap();
    assert!(nixflex.webhooks()[0].is_some() && nixflex.sandbox.lose_nixflex_row(NUMBER).is_err());
    let ledger = nixflex.sandbox.ledger();
    assert_eq!((ledger.entries().len(), ledger.of(Kind::PlatformWrite).count()), (1, 0), "the ledger heard nothing");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn what_is_set_beside_the_row_is_not_in_the_list_and_may_not_outlive_it() {
    let nixflex = Nixflex::new();
    let agent = nixflex.attached().await;
    let at = |name: &str| format!("integrations/{name}/number/%2B14155550100");
    assert_eq!(nixflex.put(&at("monitor"), json!({ "enabled": true })).await.1["monitor_enabled"], true);
    assert_eq!(nixflex.put(&at("web-calls"), json!({ "enabled": true })).await.1["web_calls_enabled"], true);
    assert_eq!(code(&nixflex.put(&at("webhook"), json!({ "url": "http://e.example/" })).await.1), "invalid_request");
    let set = json!({ "phone_number": NUMBER, "webhook_url": "https://e.example/", "is_set": true });
    assert_eq!(nixflex.put(&at("webhook"), json!({ "url": "https://e.example/" })).await.1, set);
    assert_eq!(nixflex.get(&at("webhook")).await.1, set);
    assert_eq!(nixflex.get(&at("webhook2")).await.1["is_set"], false, "another slot");
    assert_eq!(nixflex.put(&at("precall"), json!({ "url": "https://e.example/" })).await.0, 200);
    let precall = format!("integrations/precall/agent/{agent}");
    assert_eq!(nixflex.put(&precall, json!({ "url": "https://e.example/" })).await.0, 200);
    assert_eq!(nixflex.delete(&at("webhook")).await.1["is_set"], false);
    let (_, list) = nixflex.get("phone-numbers").await;
    assert!(!list.to_string().contains("monitor") && !list.to_string().contains("webhook"));
    nixflex.delete(&path(NUMBER)).await;
    assert_eq!(code(&nixflex.get(&at("monitor")).await.1), "number_not_found");
    for (kept, on) in [(false, false), (true, true)] {
        nixflex.import(NUMBER, &agent).await;
        assert_eq!(nixflex.get(&at("monitor")).await.1["monitor_enabled"], on, "{kept}");
        nixflex.put(&at("monitor"), json!({ "enabled": true })).await;
        nixflex.sandbox.switch(|s| s.nixflex.keep_integrations = true);
        nixflex.delete(&path(NUMBER)).await;
    }
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}

#[tokio::test]
async fn a_rotated_key_keeps_its_numbers_and_a_new_one_has_none() {
    let nixflex = Nixflex::new();
    nixflex.attached().await;
    let old = bearer(&nixflex.key);
    let ask = async |key: &str| nixflex.with_key(key, "GET", "phone-numbers", None).await.unwrap().0;
    let (_, rotated) = nixflex.try_send("POST", "keys/rotate", None).await.unwrap();
    assert_eq!(rotated["key_id"], nixflex.key.account_sid.as_str());
    let (status, body) = ask(&old).await;
    assert_eq!((status, code(&body), &body["error"]["type"]), (401, "invalid_api_key", &json!("authentication_error")));
    let key = |body: &Value| format!("{}:{}", body["key_id"].as_str().unwrap(), body["key_secret"].as_str().unwrap());
    assert_eq!(numbers(&ask(&key(&rotated)).await.1), [NUMBER]);
    let ((status, made), _) = nixflex.with_key("", "POST", "keys", None).await.unwrap();
    assert_eq!((status, ask(&key(&made)).await.1["count"].clone()), (201, json!(0)), "anybody can have one");
    assert_eq!(code(&ask(&nixflex.key.account_sid).await.1), "key_secret_required");
    let twilio = bearer(&nixflex.twilio);
    assert_eq!(code(&ask(&twilio).await.1), "invalid_api_key", "a carrier's account is no key");
    nixflex.sandbox.switch(|s| s.nixflex.old_key_code = true);
    assert_eq!(code(&ask(&old).await.1), "invalid_key");
    assert_eq!(nixflex.bought_and_released(), (0, 0));
}
