//! From a CarrierAccount and its Secret to the adapter that speaks for it: the one place that knows all carriers. No I/O.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::ByteString;

use super::{
    Carrier,
    http::{Limiter, Secret, Transport},
    twilio::{Config, ConfigError, Credentials, Region, Twilio},
};
use crate::api::account::CarrierAccountSpec;

/// Why an account cannot be opened with this Secret. The texts are clauses for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("it lacks the key {0}")]
    Missing(&'static str),
    #[error("it has neither the key authToken nor the keys apiKeySid and apiKeySecret")]
    NoCredentials,
    #[error("it has the key authToken as well as apiKeySid and apiKeySecret: keep one of the two")]
    Ambiguous,
    #[error("its key {0} is not text")]
    NotText(&'static str),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("spec.endpoint is not a URL")]
    Endpoint,
}

/// Opens the account, without asking the carrier anything yet.
pub fn open(
    spec: &CarrierAccountSpec,
    secret: &BTreeMap<String, ByteString>,
    transport: Transport,
    limiter: Arc<Limiter>,
) -> Result<Arc<dyn Carrier>, OpenError> {
    let endpoint = spec.endpoint.as_deref().map(url::Url::parse).transpose().map_err(|_| OpenError::Endpoint)?;
    let region = spec.twilio.region.clone().zip(spec.twilio.edge.clone());
    let config = Config {
        account_sid: spec.twilio.account_sid.clone(),
        credentials: credentials(secret)?,
        region: region.map(|(region, edge)| Region { region, edge }),
        endpoint,
    };
    Ok(Arc::new(Twilio::new(config, transport, limiter)?))
}

fn credentials(secret: &BTreeMap<String, ByteString>) -> Result<Credentials, OpenError> {
    // A trailing line break is what `echo token | base64` leaves, and no token has one.
    let text = |key: &'static str| match secret.get(key).map(|value| std::str::from_utf8(&value.0)) {
        Some(Ok(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
        Some(Err(_)) => Err(OpenError::NotText(key)),
        Some(Ok(_)) | None => Ok(None),
    };
    match (text("authToken")?, text("apiKeySid")?, text("apiKeySecret")?) {
        (Some(token), None, None) => Ok(Credentials::AuthToken(Secret::new(token))),
        (None, Some(sid), Some(secret)) => Ok(Credentials::ApiKey { sid, secret: Secret::new(secret) }),
        (None, Some(_), None) => Err(OpenError::Missing("apiKeySecret")),
        (None, None, Some(_)) => Err(OpenError::Missing("apiKeySid")),
        (None, None, None) => Err(OpenError::NoCredentials),
        (Some(_), ..) => Err(OpenError::Ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_an_account_by_a_token_or_by_a_key_and_says_what_it_lacks() {
        let opened = |keys: &[(&str, &str)]| {
            let secret = keys.iter().map(|(k, v)| ((*k).to_owned(), ByteString(v.as_bytes().to_vec()))).collect();
            credentials(&secret).map(|credentials| matches!(credentials, Credentials::AuthToken(_)))
        };
        assert_eq!(opened(&[("authToken", "t\n")]), Ok(true));
        assert_eq!(opened(&[("apiKeySid", "SK1"), ("apiKeySecret", "s")]), Ok(false));
        assert_eq!(opened(&[]), Err(OpenError::NoCredentials));
        assert_eq!(opened(&[("authToken", "")]), Err(OpenError::NoCredentials));
        assert_eq!(opened(&[("apiKeySid", "SK1")]), Err(OpenError::Missing("apiKeySecret")));
        assert_eq!(opened(&[("authToken", "t"), ("apiKeySid", "SK1")]), Err(OpenError::Ambiguous));
    }
}
