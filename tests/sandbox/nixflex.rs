//! The simulated platform that speaks Nixflex's API, asked as a client of the real one would.

mod agents;
mod calls;
mod faults;
mod import;
mod official;
mod rows;

use dialplane::sandbox::carrier::{AccountSeed, Credentials, Dialect, Sandbox, SandboxConfig, Switches};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::client::{Answer, http};

const NUMBER: &str = "+14155550100";
const CALLER: &str = "+12125550199";

/// A sandbox with a Twilio account that has a number, and somebody who asks the platform things with a key.
pub struct Nixflex {
    pub sandbox: Sandbox,
    pub twilio: Credentials,
    pub key: Credentials,
    http: reqwest::Client,
}

/// A key as it is sent.
pub fn bearer(key: &Credentials) -> String {
    format!("{}:{}", key.account_sid, key.auth_token)
}

/// The path of a number.
pub fn path(number: &str) -> String {
    format!("phone-numbers/{}", number.replace('+', "%2B"))
}

impl Nixflex {
    pub fn new() -> Self {
        Self::with(Switches::default())
    }

    pub fn with(switches: Switches) -> Self {
        let sandbox = Sandbox::start(SandboxConfig { switches, ..SandboxConfig::default() }).unwrap();
        sandbox.seed_number(NUMBER).unwrap();
        let (twilio, key) = (sandbox.credentials(), sandbox.add_nixflex_key().unwrap());
        Self { sandbox, twilio, key, http: http() }
    }

    /// Asks with a key; also the answer's headers.
    pub async fn with_key(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(Answer, HeaderMap)> {
        let url = format!("{}/nixflex/v1/{path}", self.sandbox.url());
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
        Ok(self.with_key(&bearer(&self.key), method, path, body.as_ref()).await?.0)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.try_send("GET", path, None).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.try_send("POST", path, Some(body)).await.unwrap()
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.try_send("PUT", path, Some(body)).await.unwrap()
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.try_send("PATCH", path, Some(body)).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.try_send("DELETE", path, None).await.unwrap()
    }

    /// An agent of the key.
    pub fn agent(&self, name: &str) -> String {
        self.sandbox.add_nixflex_agent(&self.key.account_sid, name).unwrap()
    }

    /// The body of an import with the credentials of the Twilio account.
    pub fn asked(&self, number: &str, agent: &str) -> Value {
        let Credentials { account_sid, auth_token } = &self.twilio;
        json!({ "phone_number": number, "agent_id": agent, "twilio_sid": account_sid, "twilio_token": auth_token })
    }

    pub async fn import(&self, number: &str, agent: &str) -> Answer {
        self.post("phone-numbers", self.asked(number, agent)).await
    }

    /// An agent that the number was given to.
    pub async fn attached(&self) -> String {
        let agent = self.agent("answers");
        let (status, body) = self.import(NUMBER, &agent).await;
        assert_eq!(status, 201, "{body}");
        agent
    }

    /// The webhooks for calls and texts, and the report of ended calls.
    pub fn webhooks(&self) -> [Option<String>; 3] {
        ["voice_url", "sms_url", "status_callback"].map(|field| self.sandbox.field(NUMBER, field))
    }

    /// What money was spent or lost on the way: purchases and releases.
    pub fn bought_and_released(&self) -> (usize, usize) {
        let ledger = self.sandbox.ledger();
        (ledger.purchases(), ledger.releases())
    }
}

/// A Telnyx account beside the others.
pub fn telnyx(sandbox: &Sandbox) -> Credentials {
    sandbox.add_account(AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() }).unwrap()
}

/// The code of a refusal.
pub fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}

/// The numbers of a listing.
pub fn numbers(body: &Value) -> Vec<&str> {
    body["phone_numbers"].as_array().unwrap().iter().map(|row| row["phone_number"].as_str().unwrap()).collect()
}
