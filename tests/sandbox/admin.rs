//! What is done to a carrier from outside: all of it documented, and undone by a reset.

use std::collections::BTreeMap;

use dialplane::sandbox::carrier::{
    AccountSeed, AgentSeed, Credentials, Dialect, NumberSeed, Sandbox, SandboxConfig, ServiceSeed, admin::ENDPOINTS,
};
use serde_json::{Value, json};

use super::client::http;

const EVERYBODY: [Dialect; 4] = [Dialect::Twilio, Dialect::Telnyx, Dialect::Flowyte, Dialect::Nixflex];

/// An account of each, an agent, and so many numbers.
fn begun(numbers: usize, auth_token: Option<&str>) -> Sandbox {
    let account = |carrier| AccountSeed { carrier, ..AccountSeed::default() };
    let mut accounts = EVERYBODY.map(account).to_vec();
    accounts[0].auth_token = auth_token.map(str::to_owned);
    let number = |line: usize| NumberSeed { number: format!("+1415555010{line}"), ..NumberSeed::default() };
    let agents = vec![AgentSeed { name: "Front desk".to_owned(), published: true, ..AgentSeed::default() }];
    let hosts = BTreeMap::from([("engine.example.com".to_owned(), "http://127.0.0.1:9".to_owned())]);
    let numbers = (0..numbers).map(number).collect();
    Sandbox::start(SandboxConfig { accounts, agents, numbers, hosts, ..SandboxConfig::default() }).unwrap()
}

/// What opens the accounts, and the agents.
fn opens(sandbox: &Sandbox) -> (Vec<Option<Credentials>>, Vec<String>) {
    (EVERYBODY.map(|carrier| sandbox.credentials_at(carrier)).to_vec(), sandbox.agents())
}

#[test]
fn what_opens_the_accounts_does_not_depend_on_what_else_it_is_started_with() {
    let (few, many) = (begun(0, None), begun(7, None));
    assert_eq!(opens(&few), opens(&many));
    assert!(opens(&few).0.iter().all(Option::is_some));
    let chosen = begun(2, Some("chosen"));
    assert_eq!(chosen.credentials().auth_token, "chosen");
    assert_eq!((opens(&chosen).0[1..].to_vec(), opens(&chosen).1), (opens(&few).0[1..].to_vec(), opens(&few).1));
}

#[tokio::test]
async fn a_reset_brings_back_every_account_agent_number_and_host_and_nothing_else() {
    let sandbox = begun(2, None);
    let admin = async |method: &str, path: &str, body: Value| {
        let request = http().request(method.parse().unwrap(), format!("{}/admin/{path}", sandbox.url()));
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{method} {path}");
        answer.json::<Value>().await.unwrap_or_default()
    };
    let accounts = async || admin("GET", "accounts", Value::Null).await;
    let (before, opened, numbers) = (accounts().await, opens(&sandbox), sandbox.numbers().len());
    let version = sandbox.published_version(&opened.1[0]);
    assert!(version.is_some() && before.as_array().unwrap().len() == 4);

    admin("POST", "accounts", json!({ "carrier": "telnyx" })).await;
    for account in opened.0.iter().flatten() {
        admin("POST", &format!("accounts/{}/status/closed", account.account_sid), Value::Null).await;
        admin("POST", &format!("accounts/{}/rotate", account.account_sid), Value::Null).await;
    }
    admin("DELETE", "numbers/+14155550100", Value::Null).await;
    admin(
        "POST",
        "hosts",
        json!({ "engine.example.com": "http://127.0.0.1:8", "more.example.com": "http://127.0.0.1:8" }),
    )
    .await;
    sandbox.delete_agent(&opened.1[0]).unwrap();
    assert_ne!(accounts().await, before);

    admin("POST", "reset", Value::Null).await;
    assert_eq!((accounts().await, opens(&sandbox), sandbox.numbers().len()), (before, opened.clone(), numbers));
    assert_eq!(sandbox.published_version(&opened.1[0]), version);
    sandbox.edit("+14155550101", &[("voice_url", "https://more.example.com/")]).unwrap();
    let placed = sandbox.call("+12125550199", "+14155550101").await;
    assert!(placed.attempts[0].error.as_ref().is_some_and(|error| error.contains("only asked where")), "{placed:?}");
}

#[tokio::test]
async fn everything_that_is_documented_is_there_and_nothing_else_is() {
    let sandbox = begun(1, None);
    let ask = async |method: &str, path: &str| {
        let url = format!("{}/admin{path}", sandbox.url());
        let request = http().request(method.to_uppercase().parse().unwrap(), url);
        // What cannot be done is another thing.
        let answer = request.header("content-type", "application/json").body("{}").send().await.unwrap();
        answer.status().as_u16()
    };
    let page = std::fs::read_to_string(format!("{}/docs/sandbox.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for endpoint in ENDPOINTS {
        let request = format!("`{} /admin{}`", endpoint.method.to_uppercase(), endpoint.path);
        assert!(page.contains(&request) && !endpoint.does.is_empty(), "{request}");
        let path: Vec<_> =
            endpoint.path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
        let status = ask(endpoint.method, &path.join("/")).await;
        assert!(status != 404 && status != 405, "{request}: {status}");
    }
    assert_eq!(ask("get", "/nothing").await, 404);
    let known = |method: &str, path: &str| ENDPOINTS.iter().any(|e| (e.method, e.path) == (method, path));
    let paths: std::collections::BTreeSet<_> = ENDPOINTS.iter().map(|endpoint| endpoint.path).collect();
    for path in paths {
        for method in ["get", "post", "put", "patch", "delete"].into_iter().filter(|method| !known(method, path)) {
            assert_eq!(ask(method, path).await, 405, "{method} {path} is documented nowhere");
        }
    }
}

#[test]
fn a_setting_that_nothing_has_is_refused() {
    let sandbox = begun(0, None);
    let account = |carrier| sandbox.credentials_at(carrier).unwrap().account_sid;
    let (twilio, telnyx) = (account(Dialect::Twilio), account(Dialect::Telnyx));
    for (known, unknown) in
        [("voice_url", "voiceUrl"), ("sms_fallback_url", "sms_fallback"), ("friendly_name", "address_sid")]
    {
        assert!(sandbox.add_application(&twilio, &[(known, "https://a.example/")]).is_ok(), "{known}");
        assert!(sandbox.add_application(&twilio, &[(unknown, "https://a.example/")]).is_err(), "{unknown}");
    }
    for (known, unknown) in [("voice_url", "voiceUrl"), ("active", "enabled")] {
        assert!(sandbox.add_application(&telnyx, &[(known, "true")]).is_ok(), "{known}");
        assert!(sandbox.add_application(&telnyx, &[(unknown, "true")]).is_err(), "{unknown}");
    }
    assert!(sandbox.add_messaging_profile(&telnyx, &[("webhook_url", "https://a.example/")]).is_ok());
    assert!(sandbox.add_messaging_profile(&telnyx, &[("webhookUrl", "https://a.example/")]).is_err());
    let service = |field: &str| ServiceSeed {
        settings: BTreeMap::from([(field.to_owned(), "https://a.example/".to_owned())]),
        ..ServiceSeed::default()
    };
    assert!(sandbox.add_service(service("inbound_request_url")).is_ok());
    assert!(sandbox.add_service(service("inboundRequestUrl")).is_err());
}
