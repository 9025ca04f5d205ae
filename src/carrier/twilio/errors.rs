//! What Twilio's refusals mean: one table from its codes to our classes and stable texts (section 6). No I/O.
//!
//! Twilio's own message is not shown: it may quote a URL, which may hold a secret, and it changes from one try to the
//! next.

use serde::Deserialize;

use crate::carrier::{
    CarrierError,
    ErrorClass::{
        self, Conflict, Forbidden, Funds, NotFound, Rejected, Throttled, Transient, Unauthorized, Unavailable,
    },
    http::{Dialect, Refusal},
};

/// Twilio, in texts for people.
pub(super) const NAME: &str = "Twilio";

/// How Twilio words its refusals.
#[derive(Debug)]
pub(super) struct Words;

/// The body of an error, in the old APIs and the newer ones alike. A gateway's has none of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    code: Option<serde_json::Value>,
}

impl Dialect for Words {
    fn name(&self) -> &'static str {
        NAME
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> CarrierError {
        let wire: Wire = serde_json::from_slice(refusal.body).unwrap_or_default();
        let code = wire.code.and_then(|code| code.as_i64().or_else(|| code.as_str()?.parse().ok()));
        let (class, text) = meaning(refusal.status, code);
        CarrierError { class, code, text, retry_after: None }
    }
}

/// The class and the text of a refusal. The status decides first where it says more than a code could: a 429 or 5xx is
/// that, whatever its body claims.
fn meaning(status: u16, code: Option<i64>) -> (ErrorClass, String) {
    if (500..600).contains(&status) {
        return (Transient, format!("Twilio is unwell (HTTP {status}); this is tried again by itself"));
    }
    if status == 429 {
        return by_code(20429).unwrap_or_else(|| by_status(status, code));
    }
    code.and_then(by_code).unwrap_or_else(|| by_status(status, code))
}

/// What the codes that are known mean.
fn by_code(code: i64) -> Option<(ErrorClass, String)> {
    let (class, text) = match code {
        20003 => (
            Unauthorized,
            "Twilio does not accept the credentials; check the Account SID, the token or API key, the key's region, and whether the \
             account is suspended",
        ),
        20005 => (Forbidden, "the Twilio account is not active; look at its state in the Twilio Console"),
        10001 => (Funds, "the Twilio account is not active or out of funds; look at its balance in the Twilio Console"),
        10002 | 21404 => (Forbidden, "a Twilio trial account may not do this; upgrade the account"),
        20008 => (Forbidden, "these are Twilio test credentials, which cannot manage numbers; use live credentials"),
        20403 => (Forbidden, "the Twilio credentials may not do this; give the key access to phone numbers"),
        70051 => (
            Forbidden,
            "the restricted Twilio API key lacks a permission; give it access to phone numbers in the Twilio Console",
        ),
        22300 => (Forbidden, "Twilio has barred this account from provisioning numbers; ask Twilio support"),
        20404 => (
            NotFound,
            "Twilio knows no such thing here; check the Account SID and the region, and that the number was not released or moved",
        ),
        20422 | 422 => (Rejected, "Twilio refused a value as invalid; check the route's URLs"),
        20429 => (Throttled, "Twilio asks for fewer requests at once; this is tried again by itself"),
        20500 | 20503 => (Transient, "Twilio is unwell; this is tried again by itself"),
        20409 => (Conflict, "something else is changing this at Twilio; this is tried again by itself"),
        21402 => (Rejected, "Twilio refused a URL as invalid; check the URLs of the agent's webhooks"),
        21405 => (Rejected, "Twilio refuses a voice fallback URL without a voice URL; give the agent a voice URL"),
        21406 => (Rejected, "Twilio refuses an SMS fallback URL without an SMS URL; give the agent an SMS URL"),
        21409 => (Rejected, "Twilio cannot look up callers' names for this number"),
        21420 => (Rejected, "the Twilio application cannot be used by this account; check that it still exists"),
        21421 => (Rejected, "Twilio says that this is not a phone number; check the number"),
        21422 => (Unavailable, "this number is not available at Twilio; choose another one"),
        21451 => (Rejected, "Twilio knows no such area code; choose another one"),
        21452 => (Unavailable, "Twilio has no numbers left in this area code; choose another one or wait"),
        21457 | 21458 => {
            (Rejected, "the number is not of the type that was asked for; check the type and the area code")
        }
        21470..=21474 => (Rejected, "Twilio cannot move the number between these accounts"),
        21480 => (Rejected, "the Twilio account has as many subaccounts as it may have"),
        21481 => (Transient, "Twilio lost its place in a listing; it is read again"),
        21613 | 21615 | 21631 => {
            (Rejected, "Twilio needs an address for this number; set spec.purchase.regulatory.addressSid")
        }
        21649 => (Rejected, "Twilio needs a regulatory bundle for this number; set spec.purchase.regulatory.bundleSid"),
        21650 | 21651 => (Rejected, "Twilio needs a verified identity for this number; check its regulatory bundle"),
        21669 => (Rejected, "the Messaging Service lives in another Twilio region; check the account's region"),
        21710..=21712 => {
            (Conflict, "the number's Messaging Service is not the one expected; look at it in the Twilio Console")
        }
        22199 => {
            (Rejected, "the number has no configuration in this Twilio region; check the account's region and edge")
        }
        _ => return None,
    };
    Some((class, text.to_owned()))
}

/// What is left to say of a code that is not known, or of an answer without one: a gateway's.
fn by_status(status: u16, code: Option<i64>) -> (ErrorClass, String) {
    let class = match status {
        401 => Unauthorized,
        402 => Funds,
        403 => Forbidden,
        404 => NotFound,
        408 => Transient,
        409 => Conflict,
        400 | 405..=428 => Rejected,
        300..400 => Transient,
        _ => ErrorClass::Unknown,
    };
    let text = match (code, class) {
        (Some(code), _) => format!(
            "Twilio refused the request with its error {code} (HTTP {status}); see https://www.twilio.com/docs/errors/{code}"
        ),
        (None, Unauthorized) => {
            "Twilio does not accept the credentials (HTTP 401); check the Account SID and the token or API key"
                .to_owned()
        }
        (None, _) => format!(
            "HTTP {status} came back without a Twilio error code; check the endpoint and what stands between the cluster and Twilio"
        ),
    };
    // A code that nobody has mapped says nothing about what a repetition would do.
    let class = if code.is_some() && class == Rejected { ErrorClass::Unknown } else { class };
    (class, text)
}
