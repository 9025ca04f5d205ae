//! Calls and texts: the request that the application or messaging profile of a number really gets.

use dialplane::sandbox::carrier::{Outcome, verify_telnyx_signature};
use serde_json::{Value, json};

use super::{
    super::{
        client::http,
        webhooks::{Got, agent, taken},
    },
    Telnyx,
};

const NUMBER: &str = "+14155550100";
const CALLER: &str = "+12125550199";

fn signed(telnyx: &Telnyx, got: &Got) -> bool {
    let key = telnyx.sandbox.webhook_key(&telnyx.account.account_sid).unwrap();
    verify_telnyx_signature(&key, &got.header("telnyx-timestamp"), &got.body, &got.header("telnyx-signature-ed25519"))
}

#[tokio::test]
async fn a_call_reaches_the_application_that_the_number_names() {
    let telnyx = Telnyx::new();
    let (url, inbox) = agent().await;
    telnyx.sandbox.map_host("engine.example.com", &url);
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    assert_eq!(telnyx.sandbox.call(CALLER, NUMBER).await.outcome, Outcome::Nothing);
    let voice = "https://engine.example.com/v1/voice";
    let report = "https://engine.example.com/status";
    let settings = [("voice_url", voice), ("status_callback", report), ("friendly_name", "dialplane")];
    let app = telnyx.sandbox.add_application(&telnyx.account.account_sid, &settings).unwrap();
    telnyx.patch(&telnyx.number_path(NUMBER), json!({ "connection_id": app })).await;
    let placed = telnyx.sandbox.call(CALLER, NUMBER).await;
    assert_eq!((placed.outcome, placed.via.as_ref()), (Outcome::Answered, Some(&app)));
    let got = taken(&inbox);
    assert_eq!((got[0].path.as_str(), got[0].param("From"), got[0].param("To")), ("/v1/voice", CALLER, NUMBER));
    assert_eq!(got[0].param("ConnectionId"), app);
    assert!(signed(&telnyx, &got[0]) && got[0].header("x-twilio-signature").is_empty());
    assert_eq!((got[1].path.as_str(), got[1].param("CallStatus")), ("/status", "completed"));
    telnyx.sandbox.switch(|s| s.telnyx.sign_calls = false);
    telnyx.sandbox.call(CALLER, NUMBER).await;
    assert!(taken(&inbox)[0].header("telnyx-timestamp").is_empty(), "nobody documents that calls are signed");
    telnyx.sandbox.edit_shared_route(&app, &[("active", "false")]).unwrap();
    assert_eq!(telnyx.sandbox.call(CALLER, NUMBER).await.outcome, Outcome::Nothing);
}

#[tokio::test]
async fn a_call_that_is_forwarded_does_not_reach_the_application() {
    let telnyx = Telnyx::new();
    let (url, inbox) = agent().await;
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    let app = telnyx.sandbox.add_application(&telnyx.account.account_sid, &[("voice_url", &url)]).unwrap();
    telnyx.patch(&telnyx.number_path(NUMBER), json!({ "connection_id": app })).await;
    let voice = format!("{}/voice", telnyx.number_path(NUMBER));
    let outcome = async |forwarding: Value| {
        let (status, body) = telnyx.patch(&voice, json!({ "call_forwarding": forwarding })).await;
        assert_eq!((status, &telnyx.get(&voice).await.1), (200, &body));
        telnyx.sandbox.call(CALLER, NUMBER).await.outcome
    };
    assert_eq!(outcome(json!({ "forwards_to": "+14155559999" })).await, Outcome::Answered, "it has no type");
    assert_eq!(outcome(json!({ "forwarding_type": "on-failure" })).await, Outcome::Answered);
    taken(&inbox);
    assert_eq!(outcome(json!({ "forwarding_type": "always" })).await, Outcome::Forwarded);
    assert!(taken(&inbox).is_empty());
    let (_, listed) = telnyx.get("phone_numbers/voice?page[size]=1").await;
    let shown = json!({ "call_forwarding_enabled": true, "forwards_to": "+14155559999", "forwarding_type": "always" });
    assert_eq!((&listed["data"][0]["call_forwarding"], &listed["meta"]["total_results"]), (&shown, &json!(1)));
    assert_eq!(outcome(json!({ "call_forwarding_enabled": false })).await, Outcome::Answered);
    assert_eq!(telnyx.get(&telnyx.number_path(NUMBER)).await.1["data"]["call_forwarding_enabled"], false);
    for refused in [json!({ "forwarding_type": "never" }), json!({ "forwards_to": "4155559999" }), json!({ "to": "x" })]
    {
        assert_eq!(telnyx.patch(&voice, json!({ "call_forwarding": refused })).await.0, 400);
    }
    assert_eq!(
        telnyx.patch(&voice, json!({ "translated_number": "+14155559999" })).await.0,
        400,
        "it is not kept here"
    );
}

#[tokio::test]
async fn the_fallback_is_asked_by_the_same_method_when_the_webhook_fails() {
    let telnyx = Telnyx::new();
    let (url, inbox) = agent().await;
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    let (broken, fallback) = (format!("{url}/broken"), format!("{url}/fallback"));
    let settings = [("voice_url", &*broken), ("voice_fallback_url", &*fallback), ("voice_method", "get")];
    let app = telnyx.sandbox.add_application(&telnyx.account.account_sid, &settings).unwrap();
    telnyx.sandbox.edit(NUMBER, &[("connection_id", &app)]).unwrap();
    let placed = telnyx.sandbox.call(CALLER, NUMBER).await;
    assert!(placed.answer().unwrap().url.starts_with(&fallback));
    let got = taken(&inbox);
    assert_eq!((got[1].method.as_str(), got[1].path.as_str()), ("GET", "/fallback"));
    assert!(got[1].query.contains("From=%2B12125550199") && got[1].body.is_empty());
}

#[tokio::test]
async fn a_text_reaches_the_messaging_profile_as_json_and_signed() {
    let telnyx = Telnyx::new();
    let (url, inbox) = agent().await;
    telnyx.sandbox.seed_number(NUMBER).unwrap();
    let (broken, texts) = (format!("{url}/broken"), format!("{url}/texts"));
    let settings = [("name", "texts"), ("webhook_url", &*broken), ("webhook_failover_url", &*texts)];
    let profile = telnyx.sandbox.add_messaging_profile(&telnyx.account.account_sid, &settings).unwrap();
    assert_eq!(telnyx.sandbox.text(CALLER, NUMBER, "hello").await.outcome, Outcome::Nothing);
    telnyx.sandbox.edit(NUMBER, &[("messaging_profile_id", &profile)]).unwrap();
    assert_eq!(telnyx.sandbox.text(CALLER, NUMBER, "hello").await.outcome, Outcome::Answered);
    let got = taken(&inbox);
    let told: Value = serde_json::from_slice(&got[1].body).unwrap();
    let payload = &told["data"]["payload"];
    assert_eq!((&told["data"]["event_type"], &payload["text"]), (&json!("message.received"), &json!("hello")));
    assert_eq!((&payload["from"]["phone_number"], &payload["to"][0]["phone_number"]), (&json!(CALLER), &json!(NUMBER)));
    assert_eq!(told["meta"], json!({ "attempt": 2, "delivered_to": texts }));
    assert!(signed(&telnyx, &got[0]) && signed(&telnyx, &got[1]));
    let mut forged = got[1].clone();
    forged.body = b"{}".to_vec();
    assert!(!signed(&telnyx, &forged));
}

#[tokio::test]
async fn the_admin_api_does_the_same_from_outside() {
    let telnyx = Telnyx::new();
    let (url, inbox) = agent().await;
    let admin = format!("{}/admin", telnyx.sandbox.url());
    let post = async |path: &str, body: Value| {
        let response = http().post(format!("{admin}/{path}")).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json::<Value>().await.unwrap_or_default()
    };
    let opened = post("accounts", json!({ "carrier": "telnyx", "authToken": "KEYmine" })).await;
    let account = opened["accountSid"].as_str().unwrap();
    let app = post(&format!("accounts/{account}/applications"), json!({ "voice_url": format!("{url}/v") })).await;
    let profile = post(&format!("accounts/{account}/messaging_profiles"), json!({ "name": "texts" })).await;
    post(&format!("shared_routes/{}/edit", profile["sid"].as_str().unwrap()), json!({ "webhook_url": url })).await;
    let settings = json!({ "connection_id": app["sid"], "messaging_profile_id": profile["sid"], "tags": "mine" });
    post("numbers", json!({ "number": NUMBER, "account": account, "settings": settings })).await;
    assert_eq!(post("call", json!({ "to": NUMBER })).await["outcome"], "answered");
    assert_eq!(post("text", json!({ "to": NUMBER, "body": "hello" })).await["outcome"], "answered");
    assert_eq!(taken(&inbox).len(), 2);
    let get =
        async |path: &str| http().get(format!("{admin}/{path}")).send().await.unwrap().json::<Value>().await.unwrap();
    let accounts = get("accounts").await;
    let mine = accounts.as_array().unwrap().iter().find(|a| a["accountSid"] == account).unwrap();
    let key = telnyx.sandbox.webhook_key(account).unwrap();
    assert_eq!(
        (&mine["authToken"], &mine["carrier"], &mine["webhookKey"]),
        (&json!("KEYmine"), &json!("telnyx"), &json!(key))
    );
    assert_eq!(get("numbers").await[0]["tags"], json!(["mine"]));
    telnyx.sandbox.switch(|s| s.telnyx.order_end = dialplane::sandbox::carrier::OrderEnd::Never);
    let number = telnyx.offered("415").await;
    telnyx.order(&number).await;
    post(&format!("orders/{number}/failure"), Value::Null).await;
    assert_eq!(get("ledger/summary").await["purchases"], 0);
}
