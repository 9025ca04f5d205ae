//! What Flowyte's refusals mean: by the HTTP status, which is documented, and by the few codes that are (section 5). No I/O.
//!
//! A status means one thing for one path and another for the next (trap 23): what it means beside the plain word is said where the
//! path is asked. Neither title nor detail is shown: they may quote what was sent.

use serde::Deserialize;

use crate::carrier::{
    self, CarrierError,
    ErrorClass::{self, Conflict, Forbidden, Funds, NotFound, Rejected, Throttled, Transient, Unavailable},
    http::{Dialect, Refusal, class_of},
    lenient::Scalar,
};

/// Flowyte, in texts for people.
pub(super) const NAME: &str = "Flowyte";

/// A code of its own for a number that is answered by an agent that was never published.
const NEVER_PUBLISHED: &str = "no_published_version";
/// The longest code that is taken for one.
const LONGEST_CODE: usize = 64;

/// How Flowyte words its refusals.
#[derive(Debug)]
pub(super) struct Words;

/// A problem ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), or the envelope that everything else comes in. A gateway's has
/// neither the status in it nor the word that it was no success.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    status: Scalar,
    success: Scalar,
    code: Scalar,
    #[serde(rename = "type")]
    kind: Scalar,
    title: Scalar,
    detail: Scalar,
}

impl Wire {
    fn of(refusal: &Refusal<'_>) -> Self {
        serde_json::from_slice(refusal.body).unwrap_or_default()
    }

    /// Whether this is how Flowyte refuses something with this status.
    fn is_own(&self, status: u16) -> bool {
        let of_status = self.status.written().is_some_and(|text| text == status.to_string());
        let named = [&self.code, &self.kind, &self.title].into_iter().any(|said| said.written().is_some());
        of_status && named || self.success == Scalar::Truth(false)
    }

    /// The documents disagree on where the code stands: all three places are read, in the order of section 5.
    fn code(&self) -> Option<String> {
        let last = |url: &str| url.rsplit_once('/').map(|(_, last)| last.to_owned());
        let code = self.code.written().filter(|text| is_code(text)).map(str::to_owned);
        let kind = || self.kind.written().and_then(last).filter(|text| is_code(text));
        let detail = || self.detail.written().filter(|text| is_code(text) && text.contains('_')).map(str::to_owned);
        code.or_else(kind).or_else(detail)
    }
}

/// A bare word, as opposed to a sentence.
fn is_code(text: &str) -> bool {
    let bare = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
    (1..=LONGEST_CODE).contains(&text.len()) && text.bytes().all(bare)
}

impl Dialect for Words {
    fn name(&self) -> &'static str {
        NAME
    }

    /// One of Flowyte's own always has a code: where it names none, that is the status.
    fn refusal(&self, refusal: &Refusal<'_>) -> CarrierError {
        let (wire, status) = (Wire::of(refusal), refusal.status);
        let code = wire.is_own(status).then(|| wire.code().unwrap_or_else(|| status.to_string()));
        let (class, text) = meaning(status, code.as_deref());
        CarrierError { class, code, text, retry_after: None }
    }

    /// Gateways answer with pages and with JSON of their own. Not decided is what is still under way by the same key (trap 3): what that
    /// is called is not documented, so every such word counts.
    fn is_decision(&self, refusal: &Refusal<'_>) -> bool {
        let wire = Wire::of(refusal);
        let under_way = ["idempoten", "progress", "processing", "pending"];
        let runs = wire.code().is_some_and(|code| under_way.iter().any(|word| code.contains(word)));
        wire.is_own(refusal.status) && !runs
    }
}

/// The class and the text of a refusal. Without a code it is not Flowyte's own.
fn meaning(status: u16, code: Option<&str>) -> (ErrorClass, String) {
    let class = class_of(status);
    let text = match (status, code) {
        (500..600, _) => {
            return (Transient, format!("{NAME} returned a server error (HTTP {status}); the operator retries"));
        }
        (429, _) => {
            return (Throttled, format!("{NAME} limits the request rate; the operator retries"));
        }
        (401, _) => {
            "Flowyte does not accept the API key; check apiKey in the Secret, and in the Flowyte dashboard that the key was not revoked"
        }
        (409, Some(NEVER_PUBLISHED)) => {
            let text = "the Flowyte agent was never published, so it answers no calls; publish it at Flowyte";
            return (Rejected, text.to_owned());
        }
        (400 | 422, Some(_)) => "Flowyte rejected a value as invalid; check the agent's ID and the number",
        (402, Some(_)) => "the Flowyte wallet balance is too low; top it up in the Flowyte dashboard",
        (403, Some(_)) => return (class, forbidden("that this requires")),
        (404, Some(_)) => {
            "Flowyte did not find this in the organization; check that the API key belongs to the right organization, and that \
             the number or the agent was not deleted in the Flowyte dashboard"
        }
        (409, Some(_)) => {
            "Flowyte reports a conflict with another change that is in progress; the operator checks again and retries"
        }
        // What a status that is not documented means for a repetition, nobody knows.
        (_, Some(code)) => {
            let text = format!(
                "{NAME} refused the request with error {code} (HTTP {status}); see https://docs.flowyte.com/resources/errors"
            );
            return (if class == Rejected { ErrorClass::Unknown } else { class }, text);
        }
        (_, None) => {
            let text = format!(
                "{NAME} or something in between returned HTTP {status} without a {NAME} error; check spec.endpoint and any proxy between the cluster and {NAME}"
            );
            return (class, text);
        }
    };
    (class, text.to_owned())
}

/// A 403 says that a scope is missing, or that the path is not open yet (trap 24).
fn forbidden(scope: &str) -> String {
    format!(
        "{NAME} forbids this to the API key; give the key the scope {scope} in the Flowyte dashboard. If it has that scope, ask Flowyte \
         whether this function is enabled for your organization"
    )
}

/// A refusal of what takes this scope, with its name.
pub(super) fn named(error: CarrierError, scope: &str) -> CarrierError {
    if error.class == Forbidden && error.code.is_some() {
        return CarrierError { text: forbidden(scope), ..error };
    }
    error
}

/// Whether it is Flowyte's own word of this class: a page of something on the way says nothing of the kind.
pub(super) fn is_own(error: &CarrierError, class: ErrorClass) -> bool {
    error.class == class && error.code.is_some()
}

/// The classes of what speaks of a number that is not there, or is somebody else's.
pub(super) const GONE: &[ErrorClass] = &[NotFound, Conflict];

/// A refusal of a number that was to be kept or bought. Which status says that it is not to be had is not documented for every way in
/// which that comes about (sections 1.4 and 1.6): it is gone, it cannot be kept, or it is not kept any longer.
pub(super) fn of_number(error: CarrierError, classes: &[ErrorClass], text: &str) -> CarrierError {
    match classes.iter().any(|class| is_own(&error, *class)) {
        true => CarrierError { class: Unavailable, text: text.to_owned(), ..error },
        false => error,
    }
}

/// Too little money, in words that say how little.
pub(super) fn funds(error: CarrierError, more: &str) -> CarrierError {
    match is_own(&error, Funds) && !more.is_empty() {
        true => CarrierError { text: format!("{}: {more}", error.text), ..error },
        false => error,
    }
}

/// An answer that cannot be what was asked for, or is not all of it: a part of a list would look like numbers lost.
pub(super) fn torn(why: &str) -> CarrierError {
    carrier::torn(NAME, why)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::carrier::ErrorClass::Unauthorized;

    fn refused(status: u16, body: &Value) -> (CarrierError, bool) {
        let (headers, body) = (HeaderMap::new(), body.to_string());
        let refusal = Refusal { status, headers: &headers, body: body.as_bytes() };
        (Words.refusal(&refusal), Words.is_decision(&refusal))
    }

    fn problem(status: u16, more: Value) -> Value {
        let mut problem =
            json!({ "type": "about:blank", "title": "t", "status": status, "detail": "To +14155550100: s3cret" });
        problem.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        problem
    }

    #[test]
    fn the_code_stands_in_one_of_three_places_or_is_the_status() {
        for (more, code) in [
            (json!({ "code": "no_published_version" }), "no_published_version"),
            (json!({ "type": "https://docs.flowyte.com/errors/no_published_version" }), "no_published_version"),
            (json!({ "detail": "no_published_version" }), "no_published_version"),
            (json!({ "code": "one", "type": "https://x.example/two" }), "one"),
            (json!({ "code": "To +14155550100", "detail": "Sentence." }), "409"),
            (json!({ "code": null, "detail": "busy" }), "409"),
        ] {
            let (error, decided) = refused(409, &problem(409, more.clone()));
            assert!(error.has_code(code) && decided, "{more}: {error:?}");
            assert!(!error.text.contains("s3cret") && !error.text.contains("1415"));
        }
    }

    #[test]
    fn every_documented_status_has_its_class_and_says_what_to_do() {
        for (status, class) in [
            (400, Rejected),
            (401, Unauthorized),
            (402, Funds),
            (403, Forbidden),
            (404, NotFound),
            (409, Conflict),
            (422, Rejected),
            (429, Throttled),
            (418, ErrorClass::Unknown),
            (451, ErrorClass::Unknown),
            (503, Transient),
            (302, Transient),
        ] {
            let (error, _) = refused(status, &problem(status, json!({ "code": "of_the_future" })));
            assert_eq!(error.class, class, "{status}");
            assert!(error.text.contains("; ") && !error.text.ends_with('.'), "{error}");
            let (error, decided) = refused(status, &json!("<html>"));
            assert!(error.code.is_none() && !decided && error.text.contains("; "), "{error}");
        }
        assert_eq!(meaning(409, Some(NEVER_PUBLISHED)).0, Rejected);
        let (error, _) = refused(403, &problem(403, json!({})));
        let error = named(error, "billing:read");
        assert!(error.text.contains("billing:read") && error.text.contains("enabled for your organization"), "{error}");
        let (page, _) = refused(403, &json!({ "message": "Forbidden" }));
        assert!(!named(page, "billing:read").text.contains("billing:read"), "that was not Flowyte");
    }

    #[test]
    fn what_others_answer_and_what_is_still_under_way_is_no_decision() {
        let decided = |status: u16, body: Value| refused(status, &body).1;
        for own in [problem(409, json!({})), json!({ "status": "409", "code": "x" }), json!({ "success": false })] {
            assert!(decided(409, own.clone()), "{own}");
        }
        for other in [
            Value::Null,
            json!({}),
            json!({ "message": "Forbidden" }),
            json!({ "status": 409 }),
            json!({ "status": 502, "title": "Bad Gateway" }),
            json!({ "title": "Conflict" }),
            // Twilio's and Telnyx's ways.
            json!({ "code": 21422, "status": 400 }),
            json!({ "errors": [{ "code": "85001" }] }),
            problem(409, json!({ "code": "idempotency_key_in_use" })),
            problem(409, json!({ "code": "request_in_progress" })),
        ] {
            assert!(!decided(409, other.clone()), "{other}");
        }
    }
}
