//! A plain HTTP client of the simulated carrier.

use std::sync::Arc;

use dialplane::sandbox::carrier::{Credentials, Sandbox, SandboxConfig};
use serde_json::Value;

/// A sandbox and somebody who asks it things with the first account's credentials.
pub struct Client {
    pub sandbox: Sandbox,
    pub credentials: Credentials,
    http: reqwest::Client,
}

/// An answer: status and body, which is null where it is empty or not JSON.
pub type Answer = (u16, Value);

/// An HTTP client that needs no process-wide setting.
pub fn http() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    // Longer than a busy machine takes to answer; what is never answered is waited for this long.
    let timeout = std::time::Duration::from_secs(4);
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(timeout).build().unwrap()
}

impl Client {
    pub fn new() -> Self {
        Self::with(SandboxConfig::default())
    }

    pub fn with(config: SandboxConfig) -> Self {
        let sandbox = Sandbox::start(config).unwrap();
        let credentials = sandbox.credentials();
        Self { sandbox, credentials, http: http() }
    }

    /// The URL of something below the account's path.
    pub fn path(&self, below: &str) -> String {
        format!("/2010-04-01/Accounts/{}/{below}", self.credentials.account_sid)
    }

    pub async fn as_user(
        &self,
        user: (&str, &str),
        method: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        let url = format!("{}{path}", self.sandbox.url());
        let mut request =
            self.http.request(method.parse().unwrap(), url).basic_auth(user.0, Some(user.1)).header("x-test", "1");
        if method == "POST" {
            request = request.form(form);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let body = response.bytes().await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    pub async fn try_send(&self, method: &str, path: &str, form: &[(&str, &str)]) -> reqwest::Result<Answer> {
        let Credentials { account_sid, auth_token } = &self.credentials;
        self.as_user((account_sid, auth_token), method, path, form).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.try_send("GET", path, &[]).await.unwrap()
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.try_send("POST", path, form).await.unwrap()
    }

    /// Buys a number and answers what the carrier says.
    pub async fn buy(&self, form: &[(&str, &str)]) -> Answer {
        self.post(&self.path("IncomingPhoneNumbers.json"), form).await
    }

    /// The first number for sale in an area.
    pub async fn offered(&self, area: &str) -> String {
        let path = self.path(&format!("AvailablePhoneNumbers/US/Local.json?AreaCode={area}"));
        let (_, body) = self.get(&path).await;
        body["available_phone_numbers"][0]["phone_number"].as_str().unwrap().to_owned()
    }

    /// The path of an owned number.
    pub fn number_path(&self, number: &str) -> String {
        let sid = self.sandbox.number(number).unwrap()["sid"].as_str().unwrap().to_owned();
        self.path(&format!("IncomingPhoneNumbers/{sid}.json"))
    }
}
