//! Reads the one Secret that a CarrierAccount names. Does I/O: one request to the API server.
//!
//! The answer is decoded here and by nobody else, so that no library has a text of it to complain about, and only as far as it is
//! needed: what else is in it (a `managedFields` of any depth) cannot make it unreadable.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Client, Resource as _, api::GetParams, core::Request};
use serde::Deserialize;

use super::error::{Error, answered};

/// What a Secret holds, by its keys.
pub type SecretData = BTreeMap<String, ByteString>;

/// A Secret as it was read.
#[derive(Clone, Debug)]
pub struct Found {
    pub data: SecretData,
    /// Its `resourceVersion`; empty for one that is only in a file.
    pub version: String,
}

/// What ends the keys of credentials that are to take over from others.
const NEXT: &str = "Next";

impl Found {
    /// The credentials that are in use, and those that are to take over once the carrier refuses them: the same keys with `Next` at their
    /// end.
    pub fn credentials(&self) -> [SecretData; 2] {
        let mut credentials = [SecretData::new(), SecretData::new()];
        for (key, value) in &self.data {
            let (which, key) = key.strip_suffix(NEXT).map_or((0, &**key), |key| (1, key));
            credentials[which].insert(key.to_owned(), value.clone());
        }
        credentials
    }
}

/// What came of it.
pub enum Read {
    Found(Found),
    Missing,
    /// The API server does not let us.
    Forbidden,
    Unreadable,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    #[serde(default)]
    metadata: HeldMeta,
    #[serde(default)]
    data: Option<SecretData>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeldMeta {
    #[serde(default)]
    resource_version: String,
}

/// Reads the Secret `name` of a namespace. The error is that there is no answer.
pub async fn read(client: &Client, namespace: &str, name: &str) -> Result<Read, Error> {
    // The name becomes a part of a path. The schema lets none in that leads elsewhere; an object may be older than its schema.
    if !is_subdomain(name) {
        return Ok(Read::Missing);
    }
    let path = Secret::url_path(&(), Some(namespace));
    let Ok(request) = Request::new(path).get(name, &GetParams::default()) else { return Ok(Read::Missing) };
    match answered(client.request_text(request)).await {
        Ok(text) => Ok(match serde_json::from_str::<Held>(&text) {
            Ok(held) => {
                Read::Found(Found { data: held.data.unwrap_or_default(), version: held.metadata.resource_version })
            }
            Err(_) => Read::Unreadable,
        }),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Read::Missing),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Read::Forbidden),
        Err(error) => Err(error.into()),
    }
}

/// A DNS name as Kubernetes means it for most objects ([RFC 1123](https://www.rfc-editor.org/rfc/rfc1123)), without its length.
fn is_subdomain(name: &str) -> bool {
    let is_alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.split('.').all(|label| {
        let ends = [label.bytes().next(), label.bytes().next_back()];
        ends.iter().all(|end| end.is_some_and(is_alphanumeric))
            && label.bytes().all(|b| is_alphanumeric(b) || b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_none() {
        for good in ["a", "twilio-prod", "0.a-b.c9"] {
            assert!(is_subdomain(good), "{good}");
        }
        for bad in ["", ".", "..", "../a", "a/b", "a?b", "a%2fb", "A", "-a", "a-", "a..b", ".a", "a.", "a b", "ä"] {
            assert!(!is_subdomain(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_not_needed_cannot_keep_it_from_being_read() {
        let deep = format!("{}{}", "{\"a\":".repeat(400), "1".to_owned() + &"}".repeat(400));
        let text = format!(
            r#"{{"metadata": {{"managedFields": [{deep}], "resourceVersion": "7"}}, "data": {{"authToken": "dA=="}}, "type": 7}}"#
        );
        let held: Held = serde_json::from_str(&text).unwrap();
        assert_eq!(held.metadata.resource_version, "7");
        assert_eq!(held.data.unwrap()["authToken"].0, b"t");
    }

    #[test]
    fn credentials_that_are_to_take_over_have_the_same_keys_with_next_at_their_end() {
        let text = |text: &str| ByteString(text.as_bytes().to_vec());
        let keys = ["authToken", "apiKeySidNext", "apiKeySecretNext"];
        let data = keys.map(|key| (key.to_owned(), text(key))).into();
        let [current, next] = Found { data, version: String::new() }.credentials();
        assert_eq!(current.into_keys().collect::<Vec<_>>(), ["authToken"]);
        assert_eq!(next.into_keys().collect::<Vec<_>>(), ["apiKeySecret", "apiKeySid"]);
    }
}
