//! A request and its answer as a dialect sees them, free of HTTP's machinery. No I/O.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use url::form_urlencoded;

use super::{faults::Fault, ledger::Kind};

/// A request to the carrier.
#[derive(Clone)]
pub(super) struct Request {
    pub method: String,
    /// Decoded nowhere, without its query.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub form: Vec<(String, String)>,
    /// A body that is JSON; `None` for one that pretends to be, null for an empty one.
    pub json: Option<Value>,
    /// User and password of HTTP Basic authentication.
    pub credentials: Option<(String, String)>,
    /// The key of bearer authentication.
    pub bearer: Option<String>,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The header `If-Match`.
    pub if_match: Option<String>,
    /// Its place in the ledger, for what becomes of it only later.
    pub seq: u64,
    /// Scheme and host under which the client reached us, for the absolute links of answers.
    pub base: String,
    /// What a listing shows, if not the plain truth.
    pub views: Vec<Fault>,
}

impl Request {
    /// The value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// The value of a form field; empty counts as given.
    pub fn form(&self, name: &str) -> Option<&str> {
        find(&self.form, name)
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// Decodes a query or form. `+` is a space, as everywhere on the web: the first trap of a filter by phone number.
pub(super) fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

/// A part of a path, decoded. A raw `+` is a space, unless somebody says otherwise.
pub(super) fn decoded(part: &str, raw_plus: bool) -> String {
    let part = if raw_plus { part.replace('+', "%2B") } else { part.to_owned() };
    form_urlencoded::parse(format!("part={part}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// User and password of an `Authorization: Basic` header.
pub(super) fn basic(header: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The key of an `Authorization: Bearer` header.
pub(super) fn bearer(header: &str) -> Option<String> {
    header.strip_prefix("Bearer ").map(|key| key.trim().to_owned())
}

/// What a request did, for the ledger.
#[derive(Clone, Debug, Default)]
pub(super) struct Effect {
    /// What it turned out to be, where that differs from what its path said.
    pub kind: Option<Kind>,
    pub number: Option<String>,
    pub applied: bool,
    pub changed: Vec<String>,
    /// What a platform did to numbers at their carriers on the way, which the client did not.
    pub by_platform: Vec<ByPlatform>,
}

/// A change of an owned number by a platform that it was given to.
#[derive(Clone, Debug)]
pub(super) struct ByPlatform {
    pub account: String,
    pub number: String,
    /// Where the platform asked the carrier for it.
    pub path: String,
    pub changed: Vec<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub status: u16,
    /// `None` for an empty body.
    pub body: Option<Value>,
    pub headers: Vec<(&'static str, String)>,
    pub code: Option<i64>,
    pub effect: Effect,
}

impl Reply {
    /// An answer that changed nothing.
    pub fn ok(body: Value) -> Self {
        Self { status: 200, body: Some(body), headers: Vec::new(), code: None, effect: Effect::default() }
    }

    /// An answer to something that was done.
    pub fn did(status: u16, body: Option<Value>, effect: Effect) -> Self {
        Self { status, body, headers: Vec::new(), code: None, effect: Effect { applied: true, ..effect } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_plus_is_a_space() {
        assert_eq!(pairs(b"PhoneNumber=+1415"), [("PhoneNumber".to_owned(), " 1415".to_owned())]);
        assert_eq!(pairs(b"PhoneNumber=%2B1415"), [("PhoneNumber".to_owned(), "+1415".to_owned())]);
    }

    #[test]
    fn a_raw_plus_in_a_path_is_a_space_or_not() {
        assert_eq!(decoded("%2B14155550100", false), "+14155550100");
        assert_eq!(decoded("+14155550100", false), " 14155550100");
        assert_eq!(decoded("+14155550100", true), "+14155550100");
    }

    #[test]
    fn a_password_may_contain_colons() {
        assert_eq!(basic("Basic QUM6YTpi"), Some(("AC".to_owned(), "a:b".to_owned())));
        assert_eq!(basic("Bearer QUM6YTpi"), None);
        assert_eq!(bearer("Bearer KEY1").as_deref(), Some("KEY1"));
    }
}
