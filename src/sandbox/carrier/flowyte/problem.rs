//! How a refusal looks: a problem document, with its code in one of the places that the documents tell of. No I/O.

use serde_json::{Map, Value, json};

use super::super::{
    config::ErrorCodes,
    wire::{Reply, Request},
    world::Simulation,
};

/// What a refusal's body is.
pub(super) const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");

/// A refusal in the carrier's words.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Refusal {
    status: u16,
    code: &'static str,
    detail: String,
    /// The parameter or field that is to blame.
    field: Option<String>,
    /// What else the refusal says.
    more: Map<String, Value>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), field: None, more: Map::new() }
    }

    /// A refusal of which only the status is known.
    pub fn of_status(status: u16, detail: &str) -> Self {
        let code = match status {
            400 => "validation_error",
            401 => "unauthorized",
            402 => "insufficient_balance",
            403 => "forbidden",
            404 => "not_found",
            409 => "conflict",
            422 => "unprocessable",
            429 => "rate_limited",
            _ => "internal_error",
        };
        Self::new(status, code, detail)
    }

    /// The same, with something that the client can go on from.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

pub(super) fn refuse<T>(status: u16, code: &'static str, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(status, code, detail))
}

pub(super) fn not_found<T>() -> Result<T, Refusal> {
    refuse(404, "not_found", "There is no such resource in this organization.")
}

/// A value that the request should not have.
pub(super) fn bad<T>(field: &str, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { field: Some(field.to_owned()), ..Refusal::new(400, "validation_error", detail) })
}

/// The refusal of bad credentials.
pub(in super::super) fn unauthorized() -> Refusal {
    Refusal::new(401, "unauthorized", "The API key is missing, malformed or revoked.")
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// The answer to a refused request, before it is known where.
pub(in super::super) fn refused(refusal: &Refusal) -> Reply {
    problem(refusal, ErrorCodes::default(), "/")
}

/// The answer to this request, which is refused.
pub(super) fn refused_at(world: &Simulation, request: &Request, refusal: &Refusal) -> Reply {
    let path = request.path.strip_prefix("/flowyte").unwrap_or(&request.path);
    problem(refusal, world.switches.flowyte.error_codes, path)
}

fn problem(refusal: &Refusal, codes: ErrorCodes, instance: &str) -> Reply {
    let Refusal { status, code, detail, field, more } = refusal;
    let kind = match codes {
        ErrorCodes::Type => format!("https://docs.flowyte.com/errors/{code}"),
        _ => "about:blank".to_owned(),
    };
    let mut body = json!({
        "type": kind,
        "title": title(*status),
        "status": status,
        "detail": if codes == ErrorCodes::Detail { code } else { detail.as_str() },
        "instance": instance,
    });
    if codes == ErrorCodes::Field {
        body["code"] = Value::from(*code);
    }
    if let Some(field) = field {
        body["errors"] = json!([{ "field": field, "message": detail }]);
    }
    if let Value::Object(fields) = &mut body {
        fields.extend(more.clone());
    }
    let headers = vec![(PROBLEM.0, PROBLEM.1.to_owned())];
    Reply { status: *status, headers, code: Some(i64::from(*status)), ..Reply::ok(body) }
}

/// More requests than there is room for.
pub(in super::super) fn too_many(wait_seconds: Option<u64>) -> Reply {
    let mut reply = refused(&Refusal::of_status(429, "The organization has too many requests."));
    reply.headers.extend(wait_seconds.map(|seconds| ("retry-after", seconds.to_string())));
    rate_limited(&mut reply, wait_seconds);
    reply
}

/// Puts the headers of the rate limit on an answer that has none. The limit that they speak of is not enforced.
pub(in super::super) fn rate_limited(reply: &mut Reply, wait_seconds: Option<u64>) {
    if reply.headers.iter().any(|(name, _)| *name == "ratelimit-limit") {
        return;
    }
    let remaining = if reply.status == 429 { "0" } else { "599" };
    reply.headers.extend([
        ("ratelimit-limit", "600".to_owned()),
        ("ratelimit-remaining", remaining.to_owned()),
        ("ratelimit-reset", wait_seconds.unwrap_or(60).to_string()),
    ]);
}
