//! What a request says: the fields of its JSON body, the parameters of its query, the numbers in its path. No I/O.

use serde_json::{Map, Value};

use super::{super::wire::Request, Refusal, bad};

/// The body, if it is an object that has no other fields than these. An empty body is an object without any.
pub(super) fn object(request: &Request, fields: &[&str]) -> Result<Map<String, Value>, Refusal> {
    let body = match &request.json {
        Some(Value::Object(body)) => body.clone(),
        Some(Value::Null) => Map::new(),
        _ => return bad("body", "The request body is not a JSON object."),
    };
    match body.keys().find(|name| !fields.contains(&name.as_str())) {
        Some(name) => bad(name, format!("{name} is not a field of this request.")),
        None => Ok(body),
    }
}

/// A field that is a text; null and absent are alike.
pub(super) fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => bad(name, format!("{name} must be a string.")),
    }
}

/// A text that must be there.
pub(super) fn required<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    match text(body, name)? {
        Some(text) if !text.is_empty() => Ok(text),
        _ => bad(name, format!("{name} is required.")),
    }
}

/// A text, if it is a number in E.164 form.
pub(super) fn e164(text: &str) -> Result<&str, Refusal> {
    match text.parse::<crate::api::number::E164>() {
        Ok(_) if text.starts_with('+') => Ok(text),
        _ => bad("e164", format!("{text:?} is not a number in E.164 form.")),
    }
}

/// Refuses parameters of the query that are not among these.
pub(super) fn parameters(request: &Request, names: &[&str]) -> Result<(), Refusal> {
    match request.query.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        Some((name, _)) => bad(name, format!("{name} is not a parameter of this request.")),
        None => Ok(()),
    }
}
