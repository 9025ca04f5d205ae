//! The simulated carrier where it speaks Telnyx's API, asked as a client of the real one would.

mod faults;
mod official;
mod orders;
mod traps;
mod webhooks;

use std::time::{Duration, Instant};

use dialplane::sandbox::carrier::{AccountSeed, Credentials, Dialect, Sandbox, SandboxConfig, Switches};
use serde_json::{Value, json};

use super::client::{Answer, http};

/// A sandbox with a Telnyx account, and somebody who asks it things with the account's key.
pub struct Telnyx {
    pub sandbox: Sandbox,
    pub account: Credentials,
    http: reqwest::Client,
}

/// An account that speaks Telnyx.
pub fn seed() -> AccountSeed {
    AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() }
}

impl Telnyx {
    pub fn new() -> Self {
        Self::with(Switches::default())
    }

    pub fn with(switches: Switches) -> Self {
        let sandbox =
            Sandbox::start(SandboxConfig { accounts: vec![seed()], switches, ..SandboxConfig::default() }).unwrap();
        let account = sandbox.credentials();
        Self { sandbox, account, http: http() }
    }

    /// Asks with a key; also the answer's headers.
    pub async fn with_key(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(Answer, reqwest::header::HeaderMap)> {
        let url = format!("{}/v2/{path}", self.sandbox.url());
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await?;
        Ok(((status, serde_json::from_slice(&body).unwrap_or(Value::Null)), headers))
    }

    pub async fn try_send(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::Result<Answer> {
        Ok(self.with_key(&self.account.auth_token, method, path, body.as_ref()).await?.0)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.try_send("GET", path, None).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.try_send("POST", path, Some(body)).await.unwrap()
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.try_send("PATCH", path, Some(body)).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.try_send("DELETE", path, None).await.unwrap()
    }

    /// The numbers that a search shows.
    pub async fn search(&self, filters: &str) -> Vec<String> {
        let (status, body) = self.get(&format!("available_phone_numbers?{filters}")).await;
        assert_eq!(status, 200, "{body}");
        numbers(&body)
    }

    /// The first number for sale in an area, which can be ordered from now on.
    pub async fn offered(&self, area: &str) -> String {
        self.search(&format!("filter[national_destination_code]={area}&filter[limit]=1")).await.swap_remove(0)
    }

    pub async fn order(&self, number: &str) -> Answer {
        self.post("number_orders", ordered(number)).await
    }

    /// Asks for an order until it is no longer pending.
    pub async fn settled(&self, order: &Value) -> Value {
        let path = format!("number_orders/{}", order["data"]["id"].as_str().unwrap());
        let begun = Instant::now();
        loop {
            let (_, body) = self.get(&path).await;
            if body["data"]["status"] != "pending" {
                return body;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "pending for ever");
            tokio::task::yield_now().await;
        }
    }

    /// The path of an owned number.
    pub fn number_path(&self, number: &str) -> String {
        format!("phone_numbers/{}", self.sandbox.number(number).unwrap()["id"].as_str().unwrap())
    }
}

/// The body of an order.
pub fn ordered(number: &str) -> Value {
    json!({ "phone_numbers": [{ "phone_number": number }] })
}

/// The code of a refusal.
pub fn code(body: &Value) -> &str {
    body["errors"][0]["code"].as_str().unwrap_or_default()
}

/// The numbers of a listing or search.
pub fn numbers(body: &Value) -> Vec<String> {
    let rows = body["data"].as_array().unwrap();
    rows.iter().map(|row| row["phone_number"].as_str().unwrap().to_owned()).collect()
}
