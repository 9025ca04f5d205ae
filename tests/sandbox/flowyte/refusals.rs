//! Who may ask what, and how a refusal reads.

use dialplane::sandbox::carrier::{AccountSeed, Dialect, ErrorCodes, KeyScope, KeySeed, Kind, ListPages};
use serde_json::{Value, json};

use super::{Flowyte, code, numbers, seed};

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_a_refusal_names_the_one_that_lacks() {
    let flowyte = Flowyte::new();
    let key = flowyte.sandbox.mint_key(&flowyte.account.account_sid, &["numbers:read", "billing:read"]).unwrap();
    let agent = flowyte.agent("Front desk");
    for (method, path, scope) in [
        ("POST", "numbers/reserve".to_owned(), "numbers:write"),
        ("POST", "numbers/purchase".to_owned(), "numbers:write"),
        ("GET", "agents".to_owned(), "agents:read"),
        ("POST", format!("agents/{agent}/publish"), "agents:write"),
    ] {
        let (status, body) = flowyte.with_key(&key, method, &path, json!({})).await;
        assert_eq!((status, code(&body)), (403, "insufficient_scope"), "{path}");
        assert!(body["detail"].as_str().unwrap().contains(scope), "{body}");
    }
    for path in ["numbers", "numbers/search", "billing/wallet"] {
        assert_eq!(flowyte.with_key(&key, "GET", path, Value::Null).await.0, 200, "{path}");
    }
    flowyte.sandbox.revoke_key(&key);
    assert_eq!(flowyte.with_key(&key, "GET", "numbers", Value::Null).await.0, 401);
    let ledger = flowyte.sandbox.ledger();
    assert!(ledger.entries().iter().all(|e| !e.applied));
}

#[tokio::test]
async fn a_key_of_another_organization_sees_another_world_and_everything_is_gone() {
    let flowyte = Flowyte::new();
    flowyte.sandbox.seed_number("+14155550100").unwrap();
    let agent = flowyte.agent("Front desk");
    let other = flowyte.sandbox.add_account(seed()).unwrap();
    let theirs = &other.auth_token;
    assert!(theirs.starts_with("flowyte_sk_live_"));
    for path in ["numbers", "agents"] {
        assert_eq!(
            flowyte.with_key(theirs, "GET", path, Value::Null).await,
            (200, json!({ "success": true, "data": [] }))
        );
    }
    let path = flowyte.number_path("+14155550100");
    for (method, path) in
        [("DELETE", path.clone()), ("DELETE", format!("{path}/assign")), ("GET", format!("agents/{agent}"))]
    {
        assert_eq!(flowyte.with_key(theirs, method, &path, Value::Null).await.0, 404, "{path}");
    }
    let shown = flowyte.sandbox.number("+14155550100").unwrap();
    assert_eq!(shown["organizationId"], flowyte.account.account_sid);
    flowyte.sandbox.set_status(&other.account_sid, "suspended").unwrap();
    assert_eq!(flowyte.with_key(theirs, "GET", "numbers", Value::Null).await.0, 403);
    assert_eq!(flowyte.sandbox.ledger().releases(), 0);
}

#[tokio::test]
async fn only_a_secret_key_of_this_carrier_opens_anything() {
    let flowyte = Flowyte::new();
    let telnyx = AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() };
    let telnyx = flowyte.sandbox.add_account(telnyx).unwrap();
    let seed = AccountSeed { auth_token: Some("flowyte_pk_1".into()), ..seed() };
    flowyte.sandbox.add_account(seed).unwrap();
    for key in ["", "nonsense", "flowyte_pk_1", &telnyx.auth_token] {
        assert_eq!(code(&flowyte.with_key(key, "GET", "numbers", Value::Null).await.1), "unauthorized", "{key}");
    }
    let scopes = ["numbers:read"];
    assert!(flowyte.sandbox.mint_key(&telnyx.account_sid, &scopes).is_err(), "of another carrier");
    assert!(flowyte.sandbox.add_importable(&telnyx.account_sid, "+14155550100").is_err());
    let scope = KeyScope::Restricted(vec![Kind::List]);
    let key = KeySeed { sid: format!("SK{}", "0".repeat(32)), secret: "flowyte_sk_r".into(), scope };
    flowyte.sandbox.add_key(&flowyte.account.account_sid, key).unwrap();
    assert_eq!(flowyte.with_key("flowyte_sk_r", "GET", "numbers", Value::Null).await.0, 200);
    assert_eq!(flowyte.with_key("flowyte_sk_r", "GET", "agents", Value::Null).await.0, 403);
    assert_eq!(flowyte.sandbox.ledger().lists(), 5);
}

#[tokio::test]
async fn a_refusal_is_a_problem_whose_code_stands_in_one_of_three_places() {
    let flowyte = Flowyte::new();
    let ask = async || flowyte.ask(&flowyte.account.auth_token, &[], "GET", "agents/1", None).await.unwrap();
    let ((status, body), headers) = ask().await;
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!((status, &body["status"], code(&body)), (404, &json!(404), "not_found"));
    assert_eq!((&body["type"], &body["instance"]), (&json!("about:blank"), &json!("/api/v1/agents/1")));
    flowyte.sandbox.switch(|s| s.flowyte.error_codes = ErrorCodes::Type);
    let (_, body) = ask().await.0;
    assert_eq!((code(&body), &body["type"]), ("", &json!("https://docs.flowyte.com/errors/not_found")));
    flowyte.sandbox.switch(|s| s.flowyte.error_codes = ErrorCodes::Detail);
    let (_, body) = ask().await.0;
    assert_eq!((code(&body), &body["type"], &body["detail"]), ("", &json!("about:blank"), &json!("not_found")));
    assert_eq!(flowyte.get("conversations").await.0, 404);
    let ledger = flowyte.sandbox.ledger();
    assert!(ledger.entries().iter().all(|e| e.code == Some(404)), "the ledger has the status for a code");
}

#[tokio::test]
async fn a_list_is_whole_or_cut_and_a_silent_cut_looks_whole() {
    let flowyte = Flowyte::new();
    for line in 0..5 {
        flowyte.sandbox.seed_number(&format!("+1415555010{line}")).unwrap();
    }
    let list = async |query: &str| flowyte.get(&format!("numbers{query}")).await.1;
    let whole = list("").await;
    assert_eq!((numbers(&whole).len(), &whole["pagination"]), (5, &Value::Null));
    flowyte.sandbox.switch(|s| s.flowyte.page_size = 2);
    flowyte.sandbox.switch(|s| s.flowyte.pages = ListPages::Numbered);
    let last = list("?page=3").await;
    assert_eq!((numbers(&last), &last["pagination"]["totalPages"]), (vec!["+14155550104".to_owned()], &json!(3)));
    flowyte.sandbox.switch(|s| s.flowyte.pages = ListPages::Cursor);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&cursor).await;
        seen.extend(numbers(&page));
        let Some(next) = page["pagination"]["nextCursor"].as_str() else { break };
        cursor = format!("?cursor={next}");
    }
    assert_eq!(seen, numbers(&whole));
    flowyte.sandbox.switch(|s| s.flowyte.pages = ListPages::Silent);
    let cut = list("").await;
    assert_eq!((numbers(&cut).len(), &cut["pagination"]), (2, &Value::Null));
    assert_eq!(flowyte.sandbox.ledger().lists(), 6);
}

#[tokio::test]
async fn a_number_has_no_page_of_its_own_and_little_to_say() {
    let flowyte = Flowyte::new();
    flowyte.sandbox.seed_number("+14155550100").unwrap();
    let path = flowyte.number_path("+14155550100");
    assert_eq!(flowyte.get(&path).await.0, 404);
    flowyte.sandbox.switch(|s| s.flowyte.get_number = true);
    let (_, body) = flowyte.get(&path).await;
    assert_eq!((&body["data"]["monthlyCost"], &body["data"]["defaultAgentId"]), (&json!(1.15), &Value::Null));
    flowyte.sandbox.switch(|s| s.flowyte.costs_in_cents = true);
    flowyte.sandbox.switch(|s| s.flowyte.unassigned_absent = true);
    let (_, body) = flowyte.get(&path).await;
    assert_eq!((&body["data"]["monthlyCost"], body["data"].get("defaultAgentId")), (&json!(115), None));
    assert_eq!(flowyte.with_key(&flowyte.account.auth_token, "PATCH", &path, json!({})).await.0, 405);
    assert!(flowyte.sandbox.edit("+14155550100", &[("voice_url", "https://e.example/v")]).is_err());
    assert_eq!(flowyte.sandbox.ledger().writes(), 0);
}
