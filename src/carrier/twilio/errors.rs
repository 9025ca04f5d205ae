//! What Twilio's refusals mean: one table from its codes to our classes and stable texts (section 6). No I/O.
//!
//! Twilio's own message is not shown: it may quote a URL, which may hold a secret, and it changes from one try to the
//! next.

use serde::Deserialize;

use crate::carrier::{
    CarrierError,
    ErrorClass::{
        self, Conflict, Forbidden, Funds, NotFound, Regulatory, Rejected, Throttled, Transient, Unauthorized,
        Unavailable,
    },
    codes::{Codes, OWN_CODES},
    http::{Dialect, Refusal},
    lenient::Scalar,
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
    code: Scalar,
}

impl Dialect for Words {
    fn name(&self) -> &'static str {
        NAME
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> CarrierError {
        let code = code_of(refusal.body);
        let (class, text) = CODES.meaning(refusal.status, code);
        CarrierError { class, code: code.map(|code| code.to_string()), text, retry_after: None }
    }

    /// Gateways answer with pages and with JSON of their own; neither has a code of Twilio's. One that speaks of a failure decides
    /// nothing either, whatever the status beside it.
    fn is_decision(&self, refusal: &Refusal<'_>) -> bool {
        let Some(code) = code_of(refusal.body) else { return false };
        match CODES.get(code) {
            Some((class, _)) => class != Transient,
            None => OWN_CODES.contains(&code),
        }
    }
}

fn code_of(body: &[u8]) -> Option<i64> {
    serde_json::from_slice::<Wire>(body).unwrap_or_default().code.written()?.parse().ok()
}

const BAD_VALUE: &str = "Twilio rejected a value as invalid; check the agent's webhooks";
const UNWELL: &str = "Twilio returned a server error; the operator retries";
const MOVE: &str = "Twilio cannot move the number between these accounts; check that one is the other's parent, and \
     that both are active";
const ADDRESS: &str =
    "Twilio needs an address of the right kind for this number; set spec.purchase.regulatory.addressSid";
const BUNDLE: &str = "Twilio needs a regulatory bundle for this number; set spec.purchase.regulatory.bundleSid";
const DOCUMENTS: &str = "Twilio needs verified documents for this number that its bundle does not have; complete the bundle \
     in the Twilio Console, or name another one in spec.purchase.regulatory.bundleSid";
const MEMBERSHIP: &str = "the number is in another Messaging Service than expected; check it in the Twilio Console";

const BAD_CREDENTIALS: &str = "Twilio does not accept the credentials; check the Account SID, the token or API key and its \
     region, and that the account is not suspended";

const CODES: Codes = Codes {
    name: NAME,
    docs: "https://www.twilio.com/docs/errors/",
    unauthorized: BAD_CREDENTIALS,
    too_many: 20429,
    table: TABLE,
};

/// What the codes mean that are known. By code.
const TABLE: &[(i64, ErrorClass, &str)] = &[
    (422, Rejected, BAD_VALUE),
    (
        10001,
        Funds,
        "the Twilio account is not active or out of funds; check its status and balance in the Twilio Console",
    ),
    (10002, Forbidden, "a Twilio trial account may not do this; upgrade the account"),
    (20003, Unauthorized, BAD_CREDENTIALS),
    (20005, Forbidden, "the Twilio account is not active; check its status in the Twilio Console"),
    (20008, Forbidden, "these are Twilio test credentials, which cannot manage numbers; use live credentials"),
    (
        20403,
        Forbidden,
        "Twilio forbids this to the credentials; give the API key access to phone numbers, and check the account's permissions",
    ),
    (
        20404,
        NotFound,
        "Twilio did not find this; check the Account SID and the region, and that the number was \
     not released or moved to another account",
    ),
    (20422, Rejected, BAD_VALUE),
    (20429, Throttled, "Twilio limits the request rate; the operator retries"),
    (20500, Transient, UNWELL),
    (20503, Transient, UNWELL),
    (21402, Rejected, "Twilio rejected a URL as invalid; check the agent's webhooks"),
    (21404, Forbidden, "a Twilio trial account may own only one number; upgrade the account"),
    (21405, Rejected, "Twilio rejects a voice fallback URL without a voice URL; set webhooks.voice.url in the Agent"),
    (21406, Rejected, "Twilio rejects an SMS fallback URL without an SMS URL; set webhooks.sms.url in the Agent"),
    (21409, Rejected, "Twilio cannot look up callers' names for this number; turn that off in the Twilio Console"),
    (21420, Rejected, "the Twilio application cannot be used by this account; check that it still exists"),
    (21421, Rejected, "Twilio does not accept this as a phone number; check the number"),
    (21422, Unavailable, "this number is not available at Twilio; choose another one"),
    (21451, Rejected, "Twilio has no such area code; choose another one"),
    (21452, Unavailable, "Twilio has no numbers left in this area code; choose another one or wait"),
    (21457, Rejected, "Twilio cannot choose numbers of this type by area code; search for one instead"),
    (21458, Rejected, "the number is of another type than the requested one; check the type"),
    (21470, Rejected, MOVE),
    (21471, Rejected, MOVE),
    (21472, Rejected, MOVE),
    (21473, Rejected, MOVE),
    (21474, Rejected, MOVE),
    (21480, Rejected, "the Twilio account has as many subaccounts as Twilio allows; close one that is not needed"),
    (21481, Transient, "Twilio could not continue a listing; the operator reads it again"),
    (21613, Regulatory, ADDRESS),
    (21615, Regulatory, ADDRESS),
    (21631, Regulatory, ADDRESS),
    (21649, Regulatory, BUNDLE),
    (21650, Regulatory, DOCUMENTS),
    (21651, Regulatory, DOCUMENTS),
    (
        21669,
        Rejected,
        "the Messaging Service is in another Twilio region; check spec.twilio.region of the CarrierAccount",
    ),
    (21710, Conflict, MEMBERSHIP),
    (21711, Conflict, MEMBERSHIP),
    (21712, Conflict, MEMBERSHIP),
    (
        22199,
        Rejected,
        "the number has no configuration in this Twilio region; check spec.twilio.region and edge of the CarrierAccount",
    ),
    (22300, Forbidden, "Twilio does not let this account buy numbers; ask Twilio support"),
    (
        70051,
        Forbidden,
        "the restricted Twilio API key lacks a permission; give it access to phone numbers in the \
     Twilio Console",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_text_says_what_to_do() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
        for (code, _, text) in TABLE {
            assert!(text.contains("; ") && !text.ends_with('.'), "{code}: {text}");
        }
    }

    #[test]
    fn what_others_answer_is_no_decision_of_twilios() {
        let decided = |body: &str| {
            let headers = reqwest::header::HeaderMap::new();
            Words.is_decision(&Refusal { status: 403, headers: &headers, body: body.as_bytes() })
        };
        assert!(
            [r#"{"code": 21422}"#, r#"{"code": "20003"}"#, r#"{"code": 99999}"#, r#"{"code": 422}"#].map(decided)
                == [true; 4]
        );
        let others = [
            "",
            "<html>",
            r#"{"message": "Forbidden"}"#,
            r#"{"code": 16}"#,
            r#"{"code": 403}"#,
            "null",
            r#"{"code": null}"#,
            r#"{"code": 20503}"#,
        ];
        assert_eq!(others.map(decided), [false; 8]);
    }

    #[test]
    fn the_status_decides_where_a_code_would_promise_too_much() {
        assert_eq!(CODES.meaning(500, Some(21402)).0, Transient);
        assert_eq!(CODES.meaning(429, Some(20003)).0, Throttled);
        assert_eq!(CODES.meaning(429, None).0, Throttled);
        assert_eq!(CODES.meaning(403, Some(20003)).0, Unauthorized);
        assert_eq!(CODES.meaning(400, Some(1)).0, ErrorClass::Unknown);
        assert_eq!(CODES.meaning(400, None).0, Rejected);
        assert_eq!(CODES.meaning(302, None).0, Transient);
    }
}
