//! What Telnyx's refusals mean: one table from its codes to our classes and stable texts (section 9). No I/O.
//!
//! Its own detail is not shown: it may quote what was sent. Some of the codes are Twilio's too and mean something else there,
//! so nothing outside of this file reads them.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use crate::carrier::{
    CarrierError,
    ErrorClass::{
        self, Conflict, Forbidden, Funds, NotFound, Regulatory, Rejected, Throttled, Transient, Unauthorized,
        Unavailable,
    },
    codes::{Codes, OWN_CODES},
    http::{Dialect, Refusal},
    lenient::{Rows, Scalar},
};

/// Telnyx, in texts for people.
pub(super) const NAME: &str = "Telnyx";
/// The codes that the adapter itself acts on.
pub(super) const INACTIVE: i64 = 20012;
pub(super) const BLOCKED: i64 = 20013;
pub(super) const NOT_SEARCHED: i64 = 85000;
pub(super) const RESERVED: i64 = 85006;

/// 429 as a code. It has been seen with HTTP 400 for a request that was plainly wrong.
const TOO_MANY: i64 = 10011;
/// The window of the limits is a minute (section 10); what says to wait longer is not believed.
const RESET_MOST: Duration = Duration::from_secs(60);

/// How Telnyx words its refusals.
#[derive(Debug)]
pub(super) struct Words;

/// The body of an error: a list, whose codes are texts. A gateway's has none of it.
#[derive(Debug, Default, Deserialize)]
struct Wire {
    #[serde(default)]
    errors: Rows<Error>,
}

#[derive(Debug, Deserialize)]
struct Error {
    #[serde(default)]
    code: Scalar,
}

impl Dialect for Words {
    fn name(&self) -> &'static str {
        NAME
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> CarrierError {
        let codes = codes_of(refusal.body);
        // Of several the first that is known: it says most.
        let code = codes.iter().find(|code| CODES.get(**code).is_some()).or(codes.first()).copied();
        let (class, text) = meaning(refusal.status, code);
        let retry_after = if refusal.status == 429 { reset(refusal.headers) } else { None };
        CarrierError { class, code: code.map(|code| code.to_string()), text, retry_after }
    }

    /// Gateways answer with pages and with JSON of their own; neither has a code of Telnyx's. A failure decides nothing, and neither
    /// does what collides with something under way: that may be our own request of a moment ago. What is wrong with a reservation
    /// is decided: nothing is ordered then.
    fn is_decision(&self, refusal: &Refusal<'_>) -> bool {
        let codes = codes_of(refusal.body);
        let decides = |code: &i64| match CODES.get(*code) {
            _ if RESERVATIONS.contains(code) => true,
            Some((class, _)) => !matches!(class, Transient | Conflict),
            None => OWN_CODES.contains(code),
        };
        !codes.is_empty() && codes.iter().all(decides)
    }
}

fn codes_of(body: &[u8]) -> Vec<i64> {
    let Rows(errors) = serde_json::from_slice::<Wire>(body).unwrap_or_default().errors;
    errors.iter().filter_map(|error| error.code.written()?.trim().parse().ok()).collect()
}

/// How many seconds are left of the window. There is no `Retry-After` (section 10); should there be one some day, it is believed
/// instead.
fn reset(headers: &HeaderMap) -> Option<Duration> {
    if headers.contains_key(RETRY_AFTER) {
        return None;
    }
    let seconds: f64 = headers.get("x-ratelimit-reset")?.to_str().ok()?.trim().parse().ok()?;
    // Nothing left of it is no wish: the limiter has a pause of its own.
    let wish = Duration::try_from_secs_f64(seconds).ok().filter(|wish| !wish.is_zero())?;
    Some(wish.min(RESET_MOST))
}

/// The class and the text of a refusal.
fn meaning(status: u16, code: Option<i64>) -> (ErrorClass, String) {
    match (status, code) {
        (429 | 500..600, _) => CODES.meaning(status, code),
        (_, Some(TOO_MANY)) => (Rejected, BAD_VALUE.to_owned()),
        _ => CODES.meaning(status, code),
    }
}

/// The codes about reservations.
const RESERVATIONS: std::ops::RangeInclusive<i64> = RESERVED..=85008;

const BAD_VALUE: &str =
    "Telnyx rejected a value as invalid; check the agent's webhooks and the number's settings in Mission Control";
const BAD_NUMBER: &str = "Telnyx does not accept this as a phone number; check the number";
const UNWELL: &str = "Telnyx returned a server error; the operator retries";
const BAD_KEY: &str = "Telnyx does not accept the API key; check apiKey in the Secret, and in Mission Control that the key was not revoked";
const LEVEL: &str = "the verification level of the Telnyx account is too low for this; raise it in Mission Control";
const MISSING_FEATURE: &str =
    "this feature is not enabled for the Telnyx account; enable it in Mission Control, or ask Telnyx support";
const PAPERS: &str =
    "Telnyx requires documents for this number; complete the requirements of its order in Mission Control";

const CODES: Codes = Codes {
    name: NAME,
    docs: "https://developers.telnyx.com/docs/overview/errors/",
    unauthorized: BAD_KEY,
    too_many: TOO_MANY,
    table: TABLE,
};

/// What the codes mean that are known. By code.
const TABLE: &[(i64, ErrorClass, &str)] = &[
    (10002, Rejected, BAD_NUMBER),
    (10004, Rejected, BAD_VALUE),
    (
        10005,
        NotFound,
        "Telnyx did not find this in the account; check the account, and that nothing was deleted in Mission Control",
    ),
    (10007, Transient, UNWELL),
    (10008, Transient, UNWELL),
    (10009, Unauthorized, BAD_KEY),
    (10010, Forbidden, "the Telnyx API key may not do this; give its user access to numbers in Mission Control"),
    (TOO_MANY, Throttled, "Telnyx limits the request rate; the operator retries"),
    (10012, Conflict, "Telnyx reports that this exists already; the operator looks for it and retries"),
    (10015, Rejected, BAD_VALUE),
    (10016, Rejected, BAD_NUMBER),
    (10021, Conflict, "Telnyx reports that this is in use and cannot be changed now; the operator retries"),
    (10027, Rejected, BAD_VALUE),
    (10035, Rejected, "Telnyx has locked this resource; ask Telnyx support"),
    (10036, Conflict, "Telnyx is still processing an earlier change; the operator retries"),
    (10037, Transient, UNWELL),
    (10038, Forbidden, MISSING_FEATURE),
    (10039, Forbidden, MISSING_FEATURE),
    (20000, Unauthorized, BAD_KEY),
    (20001, Unauthorized, BAD_KEY),
    (20002, Unauthorized, BAD_KEY),
    (20003, Unauthorized, BAD_KEY),
    (20004, Unauthorized, BAD_KEY),
    (20005, Unauthorized, BAD_KEY),
    (20006, Unauthorized, BAD_KEY),
    (20007, Unauthorized, BAD_KEY),
    (20008, Unauthorized, BAD_KEY),
    (20009, Unauthorized, BAD_KEY),
    (20010, Unauthorized, BAD_KEY),
    (INACTIVE, Forbidden, "the Telnyx account is not active; check its status and balance in Mission Control"),
    (BLOCKED, Forbidden, "Telnyx has blocked the account; ask Telnyx support"),
    (20014, Forbidden, LEVEL),
    (20015, Forbidden, MISSING_FEATURE),
    (20016, Forbidden, LEVEL),
    (20017, Forbidden, LEVEL),
    (20100, Funds, "the Telnyx account balance is too low; add funds in Mission Control"),
    (NOT_SEARCHED, Unavailable, "Telnyx no longer offers this number; choose another one"),
    (85001, Unavailable, "this number is not available at Telnyx; choose another one"),
    (85002, Rejected, "the Telnyx order is for another number; check the order in Mission Control"),
    (85003, Regulatory, PAPERS),
    (
        85004,
        Rejected,
        "Telnyx has no such application; check in Mission Control that the agent's application was not deleted",
    ),
    (
        85005,
        Rejected,
        "Telnyx has no such messaging profile; check in Mission Control that the agent's messaging profile was not deleted",
    ),
    (
        RESERVED,
        Unavailable,
        "this number is reserved at Telnyx, by somebody else or by hand in this account; choose another one",
    ),
    (85007, Conflict, "the Telnyx account has as many reservations as Telnyx allows; the operator retries"),
    (
        85008,
        Unavailable,
        "the reservation of this number at Telnyx has expired; the operator reserves it again, or another one",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, headers: &HeaderMap, body: &str) -> CarrierError {
        Words.refusal(&Refusal { status, headers, body: body.as_bytes() })
    }

    #[test]
    fn the_table_is_in_order_and_every_text_says_what_to_do() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
        for (code, _, text) in TABLE {
            assert!(text.contains("; ") && !text.ends_with('.'), "{code}: {text}");
            assert!(OWN_CODES.contains(code), "{code}");
        }
    }

    #[test]
    fn what_others_answer_is_no_decision_of_telnyxs() {
        let decided = |body: &str| {
            let headers = HeaderMap::new();
            Words.is_decision(&Refusal { status: 422, headers: &headers, body: body.as_bytes() })
        };
        let own = [
            r#"{"errors": [{"code": "85001"}]}"#,
            r#"{"errors": [{"code": 85001, "title": "x"}]}"#,
            r#"{"errors": [{"code": "99999"}]}"#,
            r#"{"errors": [{"code": "20100"}, {"code": "10015"}]}"#,
        ];
        assert_eq!(own.map(decided), [true; 4]);
        let others = [
            "",
            "<html>",
            "null",
            r#"{"message": "Forbidden"}"#,
            r#"{"errors": []}"#,
            r#"{"errors": "no"}"#,
            r#"{"errors": [{"title": "Forbidden"}]}"#,
            r#"{"errors": [{"code": "403"}]}"#,
            r#"{"errors": [{"code": "10007"}]}"#,
            r#"{"errors": [{"code": "10036"}]}"#,
            r#"{"errors": [{"code": "85001"}, {"code": "10037"}]}"#,
            // Twilio's way.
            r#"{"code": 21422}"#,
        ];
        assert_eq!(others.map(decided), [false; 12]);
    }

    #[test]
    fn the_status_decides_where_a_code_would_promise_too_much() {
        assert_eq!(meaning(500, Some(85001)).0, Transient);
        assert_eq!(meaning(429, Some(20003)).0, Throttled);
        assert_eq!(meaning(429, None).0, Throttled);
        assert_eq!(meaning(400, Some(10011)).0, Rejected, "a third party's report");
        assert_eq!(meaning(403, Some(20003)).0, Unauthorized, "and not what Twilio means by it");
        assert_eq!(meaning(422, Some(1)).0, ErrorClass::Unknown);
        assert_eq!(meaning(422, None).0, Rejected);
        assert_eq!(meaning(302, None).0, Transient);
    }

    #[test]
    fn of_several_errors_the_first_that_is_known_is_told() {
        let headers = HeaderMap::new();
        let error =
            refusal(422, &headers, r#"{"errors": [{"code": "77777"}, {"code": "20100", "detail": "+1415 s3cret"}]}"#);
        assert!(error.class == Funds && error.has_code(20100));
        assert!(!error.text.contains("s3cret") && !error.text.contains("1415"));
    }

    #[test]
    fn how_long_to_wait_stands_in_the_window_and_is_a_minute_at_most() {
        let waits = |status: u16, name: &'static str, value: &'static str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            refusal(status, &headers, "").retry_after
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(waits(429, "x-ratelimit-reset", "7"), seconds(7));
        assert_eq!(waits(429, "x-ratelimit-reset", "9999999"), seconds(60));
        for nothing in ["0", "-1", "soon", "nan", "inf"] {
            assert_eq!(waits(429, "x-ratelimit-reset", nothing), None, "{nothing}");
        }
        assert_eq!(waits(429, "retry-after", "3"), None, "what is common to all carriers is read by all");
        assert_eq!(waits(422, "x-ratelimit-reset", "7"), None, "every answer has that header");
    }
}
