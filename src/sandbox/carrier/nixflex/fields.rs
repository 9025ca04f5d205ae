//! What the fields of agents and of numbers take. No I/O.

use serde_json::{Map, Value};

use super::{
    super::wire::Request,
    refusal::{Refusal, refuse},
};

/// What values a field takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    /// A text of at most so many characters, and the code of a longer one; null and empty clear it.
    Text(usize, &'static str),
    /// The name of a voice; null and empty clear it.
    Voice,
    /// A number within these bounds; null inherits.
    Within(f64, f64),
    Flag,
    /// A flag; null inherits.
    Inherited,
    OneOf(&'static [&'static str]),
    /// A whole number within these bounds.
    Between(u64, u64),
    Anything,
}

pub(super) type Fields = &'static [(&'static str, Takes)];

/// The value as it is stored.
fn stored(name: &str, takes: Takes, given: &Value) -> Result<Value, Refusal> {
    let clears = given.is_null() || given.as_str() == Some("");
    let fine = match takes {
        Takes::Text(..) | Takes::Voice | Takes::OneOf(_) if clears => return Ok(Value::Null),
        Takes::Within(..) | Takes::Inherited if given.is_null() => return Ok(Value::Null),
        Takes::Text(longest, code) => match given.as_str() {
            Some(text) if text.chars().count() > longest => {
                return refuse(400, code, format!("{name} may have {longest} characters"));
            }
            text => text.is_some(),
        },
        Takes::Voice => {
            let voice = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if !given.as_str().is_some_and(|name| name.len() <= 64 && name.bytes().all(voice)) {
                return refuse(400, "invalid_voice_id", format!("{name} is not a voice"));
            }
            true
        }
        Takes::Within(from, to) => given.as_f64().is_some_and(|given| (from..=to).contains(&given)),
        Takes::Flag | Takes::Inherited => given.is_boolean(),
        Takes::OneOf(values) => given.as_str().is_some_and(|given| values.contains(&given)),
        Takes::Between(from, to) => given.as_u64().is_some_and(|given| (from..=to).contains(&given)),
        Takes::Anything => true,
    };
    if fine { Ok(given.clone()) } else { refuse(400, "invalid_request", format!("{name} is invalid")) }
}

/// The body of a request, which must be an object.
pub(super) fn body(request: &Request) -> Result<&Map<String, Value>, Refusal> {
    match &request.json {
        Some(Value::Object(body)) => Ok(body),
        _ => refuse(400, "invalid_request", "The body is not a JSON object"),
    }
}

/// What of a body are fields, checked. One bad value spoils the whole; what is no field is overlooked.
pub(super) fn read(fields: Fields, body: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let given = fields.iter().filter_map(|(name, takes)| Some((*name, *takes, body.get(*name)?)));
    given.map(|(name, takes, value)| Ok((name.to_owned(), stored(name, takes, value)?))).collect()
}

/// The names of what is different after fields were set; what is absent is null.
pub(super) fn differing(before: &Map<String, Value>, set: &Map<String, Value>) -> Vec<String> {
    let differs = |(name, value): &(&String, &Value)| before.get(*name).unwrap_or(&Value::Null) != *value;
    set.iter().filter(differs).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: Fields =
        &[("prompt", Takes::Text(3, "prompt_too_long")), ("flag", Takes::Inherited), ("rate", Takes::Within(0.5, 2.0))];

    fn given(body: Value) -> Result<Value, Refusal> {
        read(FIELDS, body.as_object().unwrap()).map(Value::Object)
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert_eq!(given(json!({ "prompt": "äöü" })).unwrap(), json!({ "prompt": "äöü" }));
        assert!(given(json!({ "prompt": "äöüß" })).is_err());
    }

    #[test]
    fn empty_clears_and_what_is_no_field_is_overlooked() {
        let read = given(json!({ "prompt": "", "flag": null, "rate": 1, "agent_id": "agent_1" })).unwrap();
        assert_eq!(read, json!({ "prompt": null, "flag": null, "rate": 1 }));
        assert!(given(json!({ "rate": 1, "flag": "yes" })).is_err(), "one bad value spoils the whole");
    }
}
