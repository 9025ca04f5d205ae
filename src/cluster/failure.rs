//! What may be said of an error of the API server: never what was sent or answered. No I/O.
//!
//! The texts of some errors quote: one that does not decode the value that was met, a refusal of what is not valid the value that was
//! sent. Either may be a Secret's, or a webhook with a password.

use std::fmt::Write as _;

use kube::core::Status;

/// The error in words for logs and people.
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => "its response cannot be decoded".to_owned(),
        kube::Error::Api(status) if status.code == 422 => invalid(status),
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        error => error.to_string(),
    }
}

/// What is not valid of what was sent, by the names of the fields. An admission policy that refused it names none, and says why.
fn invalid(status: &Status) -> String {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let fields = causes.filter(|cause| !cause.field.is_empty()).fold(String::new(), |mut said, cause| {
        // Writing to a text cannot fail.
        write!(said, " {} ({})", cause.field, cause.reason).ok();
        said
    });
    if fields.is_empty() {
        return format!("{} (422)", status.message);
    }
    format!("it rejected the object as invalid (422):{fields}; check that the CRDs are of this version")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_met_or_sent_is_not_repeated() {
        let undecoded = serde_json::from_str::<u8>(r#""hunter2""#).unwrap_err();
        assert_eq!(said(&kube::Error::SerdeError(undecoded)), "its response cannot be decoded");
        let status = |value| kube::Error::Api(Box::new(serde_json::from_value(value).unwrap()));
        let refused = said(&status(json!({
            "status": "Failure", "code": 422, "reason": "Invalid",
            "message": "NumberClaim is invalid: spec.previous.voice.url: Invalid value: \"https://u:hunter2@a.example\": too long",
            "details": {"causes": [
                {"reason": "FieldValueInvalid", "field": "spec.previous.voice.url", "message": "Invalid value: \"hunter2\""},
            ]},
        })));
        assert!(
            refused.contains("spec.previous.voice.url (FieldValueInvalid)") && !refused.contains("hunter2"),
            "{refused}"
        );
        let policy = json!({"code": 422, "message": "ValidatingAdmissionPolicy 'x' denied it: because", "details": {"causes": [{"message": "because"}]}});
        assert_eq!(said(&status(policy)), "ValidatingAdmissionPolicy 'x' denied it: because (422)");
    }
}
