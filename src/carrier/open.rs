//! From a CarrierAccount and its Secret to the adapter that speaks for it: the one place that knows all carriers. No I/O.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::ByteString;
use secrecy::SecretString;

use super::{
    Carrier,
    endpoint::Endpoints,
    flowyte::{self, Flowyte},
    http::{Limiter, Transport},
    nixflex::{self, Nixflex},
    telnyx::{self, Telnyx},
    twilio::{self, Credentials, Region, Twilio},
};
use crate::api::{CarrierAccount, account::Provider};

/// Why an account cannot be opened with this Secret. The texts are clauses for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("it lacks the key {0}")]
    Missing(&'static str),
    #[error("it has neither the key authToken nor the keys apiKeySid and apiKeySecret")]
    NoCredentials,
    #[error("it has both the key authToken and apiKeySid with apiKeySecret: keep one of the two")]
    Ambiguous,
    #[error("its key {0} is not text")]
    NotText(&'static str),
    #[error(transparent)]
    Twilio(#[from] twilio::ConfigError),
    #[error(transparent)]
    Telnyx(#[from] telnyx::ConfigError),
    #[error(transparent)]
    Flowyte(#[from] flowyte::ConfigError),
    #[error(transparent)]
    Nixflex(#[from] nixflex::ConfigError),
    /// Whoever opens an account asks before; this is the last gate.
    #[error("the operator does not allow spec.endpoint")]
    EndpointNotAllowed,
    /// The schema does not let it come to this.
    #[error(
        "the account has no carrier, or more than one: keep one of spec.twilio, spec.telnyx, spec.flowyte and spec.nixflex"
    )]
    Carrier,
}

/// Opens the account, without asking the carrier anything yet. No adapter is made for an endpoint that is not in `allowed`.
pub fn open(
    account: &CarrierAccount,
    secret: &BTreeMap<String, ByteString>,
    allowed: &Endpoints,
    transport: Transport,
    limiter: Arc<Limiter>,
) -> Result<Arc<dyn Carrier>, OpenError> {
    let spec = &account.spec;
    let admit = |endpoint: &String| allowed.admit(endpoint).ok_or(OpenError::EndpointNotAllowed);
    let endpoint = spec.endpoint.as_ref().map(admit).transpose()?;
    let api_key = || text(secret, "apiKey")?.map(SecretString::from).ok_or(OpenError::Missing("apiKey"));
    match spec.provider().ok_or(OpenError::Carrier)? {
        Provider::Twilio(named) => {
            let region = named.region.clone().zip(named.edge.clone());
            let config = twilio::Config {
                account_sid: named.account_sid.clone(),
                credentials: credentials(secret)?,
                region: region.map(|(region, edge)| Region { region, edge }),
                endpoint,
            };
            Ok(Arc::new(Twilio::new(config, transport, limiter)?))
        }
        Provider::Telnyx(_) => {
            let identity = account.named_identity().unwrap_or_default();
            let config = telnyx::Config { api_key: api_key()?, identity, endpoint };
            Ok(Arc::new(Telnyx::new(config, transport, limiter)?))
        }
        Provider::Flowyte(_) => {
            let config = flowyte::Config { api_key: api_key()?, endpoint };
            Ok(Arc::new(Flowyte::new(config, transport, limiter)?))
        }
        Provider::Nixflex(_) => {
            let config = nixflex::Config { api_key: api_key()?, endpoint };
            Ok(Arc::new(Nixflex::new(config, transport, limiter)?))
        }
    }
}

/// The value of a key, if it has one. A trailing line break is what `echo token | base64` leaves, and no token has one.
fn text(secret: &BTreeMap<String, ByteString>, key: &'static str) -> Result<Option<String>, OpenError> {
    match secret.get(key).map(|value| std::str::from_utf8(&value.0)) {
        Some(Ok(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
        Some(Err(_)) => Err(OpenError::NotText(key)),
        Some(Ok(_)) | None => Ok(None),
    }
}

fn credentials(secret: &BTreeMap<String, ByteString>) -> Result<Credentials, OpenError> {
    let text = |key| text(secret, key);
    match (text("authToken")?, text("apiKeySid")?, text("apiKeySecret")?) {
        (Some(token), None, None) => Ok(Credentials::AuthToken(SecretString::from(token))),
        (None, Some(sid), Some(secret)) => Ok(Credentials::ApiKey { sid, secret: SecretString::from(secret) }),
        (None, Some(_), None) => Err(OpenError::Missing("apiKeySecret")),
        (None, None, Some(_)) => Err(OpenError::Missing("apiKeySid")),
        (None, None, None) => Err(OpenError::NoCredentials),
        (Some(_), ..) => Err(OpenError::Ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::carrier::http::{DEFAULT_DEADLINE, Limits};

    fn secret(keys: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
        keys.iter().map(|(k, v)| ((*k).to_owned(), ByteString(v.as_bytes().to_vec()))).collect()
    }

    #[test]
    fn a_secret_opens_an_account_by_a_token_or_by_a_key_and_says_what_it_lacks() {
        let opened = |keys: &[(&str, &str)]| {
            credentials(&secret(keys)).map(|credentials| matches!(credentials, Credentials::AuthToken(_)))
        };
        assert_eq!(opened(&[("authToken", "t\n")]), Ok(true));
        assert_eq!(opened(&[("apiKeySid", "SK1"), ("apiKeySecret", "s")]), Ok(false));
        assert_eq!(opened(&[]), Err(OpenError::NoCredentials));
        assert_eq!(opened(&[("authToken", "")]), Err(OpenError::NoCredentials));
        assert_eq!(opened(&[("apiKeySid", "SK1")]), Err(OpenError::Missing("apiKeySecret")));
        assert_eq!(opened(&[("authToken", "t"), ("apiKeySid", "SK1")]), Err(OpenError::Ambiguous));
    }

    #[test]
    fn the_carrier_that_is_named_is_the_one_that_is_opened() {
        let opened = |spec: serde_json::Value, keys: &[(&str, &str)]| {
            let mut spec = spec;
            spec["credentialsRef"] = json!({ "name": "carrier" });
            let mut account = CarrierAccount::new("carrier", serde_json::from_value(spec).unwrap());
            account.metadata.namespace = Some("telephony".to_owned());
            let transport = Transport::new(DEFAULT_DEADLINE).unwrap();
            let allowed = Endpoints::new(["http://sandbox:8080"]).unwrap();
            let carrier = open(&account, &secret(keys), &allowed, transport, Limiter::new(Limits::default()))?;
            Ok((carrier.capabilities().name, account.named_identity(), format!("{carrier:?}").contains("s3cret")))
        };
        let sid = "AC0123456789abcdef0123456789abcdef";
        let (twilio, telnyx) = (json!({ "accountSid": sid }), json!({}));
        assert_eq!(
            opened(json!({ "twilio": twilio }), &[("authToken", "s3cret")]),
            Ok(("Twilio", Some(sid.to_owned()), false))
        );
        let key = [("apiKey", "KEYs3cret\n"), ("authToken", "of another carrier")];
        let named = Some("telephony/carrier".to_owned());
        assert_eq!(opened(json!({ "telnyx": telnyx }), &key), Ok(("Telnyx", named, false)));
        let missing = Err(OpenError::Missing("apiKey"));
        assert_eq!(opened(json!({ "telnyx": telnyx }), &[("authToken", "s3cret")]), missing);
        assert_eq!(opened(json!({ "telnyx": telnyx }), &[("apiKey", " ")]), missing);
        assert_eq!(opened(json!({ "telnyx": telnyx, "twilio": twilio }), &key), Err(OpenError::Carrier));
        assert_eq!(opened(json!({}), &key), Err(OpenError::Carrier));
        let at = |endpoint: &str| opened(json!({ "telnyx": telnyx, "endpoint": endpoint }), &key);
        assert!(at("http://sandbox:8080/").is_ok());
        for elsewhere in ["http://sandbox", "http://sandbox:8080@a.example", "ftp://sandbox:8080", "sandbox"] {
            assert_eq!(at(elsewhere), Err(OpenError::EndpointNotAllowed), "{elsewhere}");
        }
    }
}
