//! How Nixflex refuses: by codes that are texts, in an envelope. No I/O.

use serde_json::{Value, json};

use super::super::wire::{Reply, Request};

/// A refusal in the platform's words.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Refusal {
    status: u16,
    code: String,
    message: String,
    details: Value,
}

impl Refusal {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), details: json!({}) }
    }

    /// One of this class, with the code that stands for nothing in particular.
    pub fn of_status(status: u16, message: &str) -> Self {
        let code = match status {
            400 | 405 | 422 => "invalid_request",
            401 => "invalid_api_key",
            402 => "payment_required",
            403 => "forbidden",
            404 => "not_found",
            409 => "conflict",
            429 => "rate_limit_exceeded",
            502 => "provider_error",
            _ => "internal_error",
        };
        Self::new(status, code, message)
    }

    /// What it says, for somebody who is not asking over HTTP.
    pub fn text(self) -> String {
        format!("{} ({})", self.message, self.code)
    }

    pub fn with_details(self, details: Value) -> Self {
        Self { details, ..self }
    }
}

pub(super) fn refuse<T>(status: u16, code: &str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(status, code, message))
}

/// A path or a method of one that there is not.
pub(super) fn no_such_path<T>(request: &Request) -> Result<T, Refusal> {
    refuse(404, "not_found", format!("Cannot {} {}", request.method, request.path.trim_start_matches("/nixflex")))
}

fn class(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "payment_required",
        403 => "permission_error",
        404 => "not_found",
        409 => "conflict",
        429 => "rate_limit_error",
        502 => "provider_error",
        400..=499 => "invalid_request",
        _ => "server_error",
    }
}

/// The answer to a refused request.
pub(in super::super) fn refused(refusal: &Refusal) -> Reply {
    let Refusal { status, code, message, details } = refusal;
    let error = json!({
        "type": class(*status),
        "code": code,
        "message": message,
        "doc_url": format!("https://nixflex.com/docs/errors#{code}"),
        "details": details,
    });
    Reply { status: *status, ..Reply::ok(json!({ "error": error })) }
}
