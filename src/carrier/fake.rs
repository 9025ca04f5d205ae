//! A small server that answers as it is told, for what an adapter sends to the byte and makes of what comes back. I/O on the loopback.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
};
use serde_json::json;
use url::Url;

/// Status and body.
type Answers = Vec<(u16, String)>;

/// Answers by path and query, in turn; the last one for ever. What is not scripted is a 404 in the words of whoever is asked.
#[derive(Clone, Default)]
pub struct Fake {
    script: Arc<Mutex<BTreeMap<String, Answers>>>,
    seen: Arc<Mutex<Vec<String>>>,
    auth: Arc<Mutex<Option<String>>>,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub async fn start(&self) -> Url {
        let app = Router::new().fallback(serve).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url.parse().unwrap()
    }

    pub fn on(&self, what: impl Into<String>, status: u16, body: impl ToString) -> &Self {
        self.script.lock().unwrap().entry(what.into()).or_default().push((status, body.to_string()));
        self
    }

    /// Method, path, query and body of everything asked, with the brackets of filters as people read them.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The `Idempotency-Key` of every request that had one.
    pub fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    /// The `Authorization` of the last request.
    pub fn auth(&self) -> Option<String> {
        self.auth.lock().unwrap().clone()
    }
}

async fn serve(State(fake): State<Fake>, request: Request) -> (StatusCode, Bytes) {
    let uri = request.uri().to_string().replace("%5B", "[").replace("%5D", "]");
    let what = format!("{} {uri}", request.method());
    *fake.auth.lock().unwrap() = request.headers().get("authorization").map(|auth| auth.to_str().unwrap().to_owned());
    let key = request.headers().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    fake.keys.lock().unwrap().extend(key);
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
    fake.seen.lock().unwrap().push(format!("{what} {}", String::from_utf8_lossy(&body)).trim_end().to_owned());
    let mut script = fake.script.lock().unwrap();
    let (status, body) = match script.get_mut(&what) {
        Some(answers) if answers.len() > 1 => answers.remove(0),
        Some(answers) => answers[0].clone(),
        // Twilio's word for it, and Telnyx's.
        None => (404, json!({ "code": 20404, "errors": [{ "code": "10005" }] }).to_string()),
    };
    (StatusCode::from_u16(status).unwrap(), body.into())
}
