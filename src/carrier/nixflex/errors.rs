//! What Nixflex's refusals mean: one table from its codes to our classes and stable texts (section 4). No I/O.
//!
//! Its own message and details are not shown: they may repeat what was sent, credentials and all. The status alone says little: a 401
//! is about one of two secrets, a 404 about one of three things.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::carrier::{
    self, CarrierError,
    ErrorClass::{self, Funds, NotFound, Rejected, Throttled, Transient, Unauthorized, Unavailable},
    http::{Dialect, Refusal, class_of},
    lenient::Scalar,
};

/// Nixflex, in texts for people.
pub(super) const NAME: &str = "Nixflex";
/// The codes that the adapter itself acts on.
pub(super) const AGENT_NOT_FOUND: &str = "agent_not_found";
pub(super) const AGENT_NOT_OWNED: &str = "agent_not_owned";
pub(super) const NUMBER_NOT_FOUND: &str = "number_not_found";
pub(super) const INVALID_TWILIO_SID: &str = "invalid_twilio_sid";

const TOO_MANY: &str = "rate_limit_exceeded";
const PROVIDER_ERROR: &str = "provider_error";

/// The limits are those of a minute (section 5); what says to wait longer is not believed.
const RESET_MOST: Duration = Duration::from_secs(60);
/// The longest text that is a code, and not something else in its place.
const LONGEST_CODE: usize = 64;

/// How Nixflex words its refusals.
#[derive(Debug)]
pub(super) struct Words;

/// The body of an error. A gateway's has none of it.
#[derive(Debug, Default, Deserialize)]
struct Wire {
    error: Envelope,
}

#[derive(Debug, Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    code: Scalar,
    /// May be anything, and nothing but how long to wait is read of it.
    details: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Details {
    retry_after: Scalar,
}

impl Dialect for Words {
    fn name(&self) -> &'static str {
        NAME
    }

    /// 120 in a minute of each key (section 5), of the platform's own clock: a little less, so that what is late in one minute is not too
    /// much in the next.
    fn writes_apart(&self) -> Option<Duration> {
        Some(Duration::from_millis(516))
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> CarrierError {
        let Refusal { status, headers, body } = refusal;
        let Envelope { code, details } = serde_json::from_slice::<Wire>(body).unwrap_or_default().error;
        let code = code_of(&code);
        let (class, text) = meaning(*status, code);
        let retry_after = if *status == 429 { wait(headers, details.as_deref()) } else { None };
        CarrierError { class, code: code.map(str::to_owned), text, retry_after }
    }

    /// Gateways answer with pages and with JSON of their own; neither has a code of Nixflex's.
    fn is_decision(&self, refusal: &Refusal<'_>) -> bool {
        serde_json::from_slice::<Wire>(refusal.body).is_ok_and(|wire| code_of(&wire.error.code).is_some())
    }
}

/// The code, if it is a word as codes are. Anything else might be told to people and change from one try to the next.
fn code_of(code: &Scalar) -> Option<&str> {
    let is_word = |code: &&str| {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        !code.is_empty() && code.len() <= LONGEST_CODE && code.bytes().all(word)
    };
    match code {
        Scalar::Text(code) => Some(code.as_str()).filter(is_word),
        _ => None,
    }
}

/// How long to wait stands in two places, and when the window ends in a third (section 5). `Retry-After` is read for all carriers.
fn wait(headers: &HeaderMap, details: Option<&RawValue>) -> Option<Duration> {
    if headers.contains_key(RETRY_AFTER) {
        return None;
    }
    let told = details.and_then(|details| serde_json::from_str::<Details>(details.get()).ok());
    let told = told.and_then(|details| details.retry_after.written()?.trim().parse::<f64>().ok());
    let seconds = told.or_else(|| {
        let at: i64 = headers.get("x-ratelimit-reset")?.to_str().ok()?.trim().parse().ok()?;
        Some(at.saturating_sub(jiff::Timestamp::now().as_second()) as f64)
    })?;
    // Nothing left of it is no wish: the limiter has a pause of its own.
    let wish = Duration::try_from_secs_f64(seconds).ok().filter(|wish| !wish.is_zero())?;
    Some(wish.min(RESET_MOST))
}

/// The class and the text of a code, if it is known.
fn known(code: &str) -> Option<(ErrorClass, &'static str)> {
    TABLE.iter().find(|(is, ..)| *is == code).map(|(_, class, text)| (*class, *text))
}

/// The class and the text of a refusal. The status decides first where it says more than a code could: a 429 or 5xx is that,
/// whatever its body claims.
fn meaning(status: u16, code: Option<&str>) -> (ErrorClass, String) {
    let owned = |(class, text): (ErrorClass, &str)| (class, text.to_owned());
    match (status, code) {
        (429, _) => owned((Throttled, FEWER)),
        (500..600, Some(PROVIDER_ERROR)) => owned((Transient, PROVIDER)),
        (500..600, _) => (Transient, format!("{NAME} returned a server error (HTTP {status}); the operator retries")),
        (_, Some(code)) => {
            known(code).or_else(|| of_the_carrier(status, code)).map_or_else(|| by_status(status, code), owned)
        }
        (401, None) => owned((Unauthorized, BAD_KEY)),
        (_, None) => {
            let text = format!(
                "{NAME} or something in between returned HTTP {status} without a {NAME} error code; check spec.endpoint and any proxy between the \
                 cluster and {NAME}"
            );
            (class_of(status), text)
        }
    }
}

/// What is left to say of a code that is not known. Those about Telnyx numbers are not documented at all.
fn by_status(status: u16, code: &str) -> (ErrorClass, String) {
    let text = format!(
        "{NAME} refused the request with error {code} (HTTP {status}); look it up in Nixflex's error reference, or ask its support"
    );
    (class_of(status), text)
}

/// A code that nobody documents and that names a carrier, in a refusal of credentials: they are not the Nixflex key's then.
fn of_the_carrier(status: u16, code: &str) -> Option<(ErrorClass, &'static str)> {
    let names = |carrier: &str| code.split('_').any(|word| word == carrier);
    match status {
        401 | 403 if names("twilio") => Some((Rejected, BAD_TWILIO)),
        401 | 403 if names("telnyx") => Some((Rejected, BAD_TELNYX)),
        _ => None,
    }
}

/// The refusal of an import. A 401 whose code is none of the key's may be about the credentials that were sent along: it is not
/// called the key's fault, which would close every number of the platform account for what is wrong with one. Should it be the key
/// after all, the next look says so.
pub(super) fn of_import(error: CarrierError) -> CarrierError {
    match &error.code {
        Some(code) if error.class == Unauthorized && known(code).is_none() => {
            CarrierError { class: Rejected, text: EITHER.to_owned(), ..error }
        }
        _ => error,
    }
}

/// What Nixflex would refuse with this code, said before it is asked.
pub(super) fn foreseen(code: &str) -> CarrierError {
    let (class, text) = known(code).unwrap_or((Rejected, ""));
    CarrierError { code: Some(code.to_owned()), ..CarrierError::new(class, text) }
}

/// An answer that is not what was asked for, or not all of it. What is seen of it is thrown away: a part would look like numbers lost.
pub(super) fn torn(why: &str) -> CarrierError {
    carrier::torn(NAME, why)
}

const FEWER: &str = "Nixflex limits the request rate; the operator retries";
const PROVIDER: &str = "Nixflex could not complete a request at the number's carrier; the operator retries. If this persists, the carrier is \
                        down, or the credentials that Nixflex was lent were replaced or revoked: then delete the number in Nixflex's \
                        dashboard, or ask its support to. The operator assigns a number that is still wanted there again, with the current \
                        credentials";
const BAD_KEY: &str = "Nixflex does not accept its API key; check apiKey in the Secret of the Nixflex account: the key's ID and its newest \
                       secret, with a colon between them";
const BAD_TWILIO: &str = "Twilio does not accept the credentials that Nixflex was lent (the Nixflex key is correct); check authToken in the Secret of the \
     Twilio account";
const BAD_TELNYX: &str = "Telnyx does not accept the credentials that Nixflex was lent (the Nixflex key is correct); check apiKey in the Secret of the \
     Telnyx account";
const EITHER: &str = "either the number's carrier does not accept the credentials that Nixflex was lent, or Nixflex does not accept its own API key; check \
     the Secret of the carrier account, then that of the Nixflex account";
const BAD_TEXT: &str =
    "Nixflex does not accept a prompt of this length; shorten the prompts in spec.config of the PhoneNumber";

/// What the codes mean that are known. By code.
///
/// The credentials that were lent have no class of their own: `Unauthorized` says of this account's key that it opens nothing, so
/// what another account's do not open is `Rejected`, and the code tells it from other refusals. Whose agent it is, is a refusal of
/// what was said and not of the key either.
const TABLE: &[(&str, ErrorClass, &str)] = &[
    (
        AGENT_NOT_FOUND,
        NotFound,
        "Nixflex has no such agent under this API key; check agentId in the Agent, and that the agent was not deleted at Nixflex",
    ),
    (
        AGENT_NOT_OWNED,
        Rejected,
        "the agent belongs to another Nixflex API key; name an agent of this key in the Agent, or the CarrierAccount with that key",
    ),
    ("custom_prompt_too_long", Rejected, "Nixflex accepts at most 8,000 characters in a prompt; shorten config.prompt"),
    (
        "engine_only_field",
        Rejected,
        "Nixflex has this setting only for numbers that its own engine answers; remove it from config",
    ),
    ("invalid_api_key", Unauthorized, BAD_KEY),
    ("invalid_key", Unauthorized, BAD_KEY),
    ("invalid_phone_format", Rejected, "Nixflex does not accept this as a phone number; check the number"),
    (
        INVALID_TWILIO_SID,
        Rejected,
        "Nixflex does not accept this Twilio Account SID; write accountSid as AC and 32 lower-case hexadecimal digits",
    ),
    ("invalid_voice_id", Rejected, "Nixflex has no such voice; check config.voiceId"),
    ("key_secret_required", Unauthorized, BAD_KEY),
    (
        "missing_field",
        Rejected,
        "Nixflex reports that a required value is missing; check the lent credentials, spec.lendTo of the carrier account, and the agent's ID",
    ),
    (
        "number_already_imported",
        Unavailable,
        "Nixflex has the number already, with another agent or under another API key; the operator checks again. If this \
         persists, remove the number at Nixflex",
    ),
    (
        NUMBER_NOT_FOUND,
        NotFound,
        "Nixflex does not have the number under this API key; check the key, and that the number was not removed at Nixflex",
    ),
    (
        "number_not_in_telnyx",
        NotFound,
        "Nixflex does not find the number at Telnyx; check that the Telnyx account that lends its credentials owns the number",
    ),
    (
        "number_not_in_twilio",
        NotFound,
        "Nixflex does not find the number at Twilio; check that the Twilio account that lends its credentials owns the number, and \
         not a parent or a subaccount of it",
    ),
    ("payment_required", Funds, "Nixflex requires payment; check the plan and the balance of the Nixflex account"),
    ("prompt_too_long", Rejected, BAD_TEXT),
    (TOO_MANY, Throttled, FEWER),
    ("twilio_auth_failed", Rejected, BAD_TWILIO),
    ("twilio_invalid_credentials", Rejected, BAD_TWILIO),
    (
        "voicemail_message_required",
        Rejected,
        "Nixflex requires a message for voicemail; set config.voicemailMessage beside config.voicemail",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorClass::Forbidden;

    fn refusal(status: u16, headers: &HeaderMap, body: &str) -> CarrierError {
        Words.refusal(&Refusal { status, headers, body: body.as_bytes() })
    }

    fn coded(status: u16, code: &str) -> CarrierError {
        let body =
            serde_json::json!({ "error": { "type": "t", "code": code, "message": "s3cret", "details": "s3cret" } });
        refusal(status, &HeaderMap::new(), &body.to_string())
    }

    #[test]
    fn the_table_is_in_order_and_every_text_says_what_to_do() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
        let texts = TABLE.iter().map(|(.., text)| text).chain([&FEWER, &PROVIDER, &BAD_TELNYX, &EITHER]);
        for text in texts {
            assert!(text.contains("; ") && !text.ends_with('.') && !text.contains("  "), "{text}");
        }
    }

    #[test]
    fn a_401_says_which_secret_is_wrong_and_only_the_keys_closes_the_account() {
        for code in ["invalid_api_key", "invalid_key", "key_secret_required"] {
            let error = coded(401, code);
            assert!(error.class == Unauthorized && error.text.contains("its API key"), "{code}: {error}");
            assert_eq!(of_import(error.clone()), error, "{code}");
        }
        for code in ["twilio_invalid_credentials", "twilio_auth_failed", "twilio_of_the_future"] {
            let error = coded(401, code);
            assert!(error.class == Rejected && error.has_code(code), "{code}: {error}");
            assert!(error.text.starts_with("Twilio does not accept") && error.text.contains("authToken"), "{error}");
        }
        let error = coded(401, "invalid_telnyx_key");
        assert!(error.class == Rejected && error.text.starts_with("Telnyx does not accept"), "{error}");

        let unmapped = coded(401, "bad_credentials");
        assert_eq!(unmapped.class, Unauthorized);
        let of_import = of_import(unmapped);
        assert!(of_import.class == Rejected && of_import.has_code("bad_credentials"), "{of_import}");
    }

    #[test]
    fn a_404_says_what_is_not_there() {
        for (code, thing) in [
            ("agent_not_found", "no such agent"),
            ("number_not_in_twilio", "at Twilio"),
            ("number_not_in_telnyx", "at Telnyx"),
            ("number_not_found", "under this API key"),
        ] {
            let error = coded(404, code);
            assert!(error.class == NotFound && error.text.contains(thing), "{error}");
        }
    }

    #[test]
    fn what_nobody_has_mapped_is_what_its_status_says() {
        for (status, class) in [
            (400, Rejected),
            (402, Funds),
            (403, Forbidden),
            (404, NotFound),
            (409, ErrorClass::Conflict),
            (429, Throttled),
            (500, Transient),
            (502, Transient),
        ] {
            let error = coded(status, "of_the_future");
            assert!(error.class == class && error.has_code("of_the_future"), "{status}: {error}");
            assert!(!error.text.contains("s3cret"));
        }
        let provider = coded(502, PROVIDER_ERROR);
        assert!(provider.class == Transient && provider.text.contains("lent"), "{provider}");
    }

    #[test]
    fn what_is_no_code_is_told_to_nobody() {
        for code in ["AC0123 s3cret", "+14155550001", "", &"x".repeat(65)] {
            let error = coded(400, code);
            assert!(error.code.is_none() && error.text.contains("without a Nixflex error code"), "{error}");
        }
        let decided = |body: &str| {
            let headers = HeaderMap::new();
            Words.is_decision(&Refusal { status: 403, headers: &headers, body: body.as_bytes() })
        };
        assert!(decided(r#"{"error": {"code": "agent_not_owned"}}"#));
        for other in ["", "<html>", "{}", r#"{"error": "Forbidden"}"#, r#"{"error": {"code": 403}}"#] {
            assert!(!decided(other), "{other}");
        }
    }

    #[test]
    fn how_long_to_wait_stands_in_the_details_or_the_window_and_is_a_minute_at_most() {
        let waits = |headers: &[(&'static str, String)], details: &str| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let body = format!(r#"{{"error": {{"code": "rate_limit_exceeded", "details": {details}}}}}"#);
            refusal(429, &HeaderMap::from_iter(headers), &body).retry_after
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let reset = |from_now: i64| ("x-ratelimit-reset", (jiff::Timestamp::now().as_second() + from_now).to_string());
        assert_eq!(waits(&[], r#"{"retry_after": 7}"#), seconds(7));
        assert_eq!(waits(&[], r#"{"retry_after": "7"}"#), seconds(7));
        assert_eq!(waits(&[reset(600)], r#"{"retry_after": 7}"#), seconds(7));
        assert_eq!(waits(&[reset(600)], "null"), seconds(60));
        assert_eq!(waits(&[reset(-5)], "[]"), None);
        assert_eq!(waits(&[], r#"{"retry_after": 99999}"#), seconds(60));
        assert_eq!(
            waits(&[("retry-after", "3".into())], r#"{"retry_after": 7}"#),
            None,
            "what is common to all carriers is read by all"
        );
        for nothing in [r#"{"retry_after": -1}"#, r#"{"retry_after": "soon"}"#, r#""s3cret""#, "{}"] {
            assert_eq!(waits(&[], nothing), None, "{nothing}");
        }
    }
}
