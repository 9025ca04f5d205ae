//! The simulated carrier where it speaks Flowyte's API, asked as a client of the real one would.

mod agents;
mod buying;
mod calls;
mod faults;
mod refusals;
mod search;

use dialplane::sandbox::carrier::{AccountSeed, Credentials, Dialect, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use super::client::{Answer, http};

/// A sandbox with a Flowyte account, and somebody who asks it things with the organization's key.
pub struct Flowyte {
    pub sandbox: Sandbox,
    pub account: Credentials,
    http: reqwest::Client,
}

/// An account that speaks Flowyte.
pub fn seed() -> AccountSeed {
    AccountSeed { carrier: Dialect::Flowyte, ..AccountSeed::default() }
}

/// Headers, a few.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

impl Flowyte {
    pub fn new() -> Self {
        let sandbox = Sandbox::start(SandboxConfig { accounts: vec![seed()], ..SandboxConfig::default() }).unwrap();
        let account = sandbox.credentials();
        Self { sandbox, account, http: http() }
    }

    /// Asks with a key and headers; also the answer's headers.
    pub async fn ask(
        &self,
        key: &str,
        headers: Headers<'_>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(Answer, reqwest::header::HeaderMap)> {
        let url = format!("{}/flowyte/api/v1/{path}", self.sandbox.url());
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(key);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await?;
        Ok(((status, serde_json::from_slice(&body).unwrap_or(Value::Null)), headers))
    }

    /// Asks with another key.
    pub async fn with_key(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = Some(&body).filter(|body| !body.is_null());
        self.ask(key, &[], method, path, body).await.unwrap().0
    }

    pub async fn try_post(&self, headers: Headers<'_>, path: &str, body: Value) -> reqwest::Result<Answer> {
        Ok(self.ask(&self.account.auth_token, headers, "POST", path, Some(&body)).await?.0)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.with_key(&self.account.auth_token, "GET", path, Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.with_key(&self.account.auth_token, "POST", path, body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.with_key(&self.account.auth_token, "DELETE", path, Value::Null).await
    }

    /// The numbers that a search shows.
    pub async fn search(&self, query: &str) -> Vec<String> {
        let (status, body) = self.get(&format!("numbers/search?{query}")).await;
        assert_eq!(status, 200, "{body}");
        numbers(&body)
    }

    /// The first number for sale in an area.
    pub async fn offered(&self, area: &str) -> String {
        self.search(&format!("areaCode={area}&limit=1")).await.swap_remove(0)
    }

    /// Buys a number under an idempotency key.
    pub async fn buy(&self, number: &str, key: &str) -> Answer {
        self.try_post(&[("idempotency-key", key)], "numbers/purchase", json!({ "e164": number })).await.unwrap()
    }

    /// The path of an owned number.
    pub fn number_path(&self, number: &str) -> String {
        format!("numbers/{}", self.sandbox.number(number).unwrap()["id"].as_str().unwrap())
    }

    /// An agent of the organization that nobody has published.
    pub fn agent(&self, name: &str) -> String {
        self.sandbox.add_agent(&self.account.account_sid, name, json!({})).unwrap()
    }
}

/// The code of a refusal.
pub fn code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or_default()
}

/// The numbers of a listing or search.
pub fn numbers(body: &Value) -> Vec<String> {
    let rows = body["data"].as_array().unwrap();
    rows.iter().map(|row| row["e164"].as_str().unwrap().to_owned()).collect()
}
