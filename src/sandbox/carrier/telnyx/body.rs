//! What a request says: the fields of its JSON body, and the filters of its query. No I/O.

use serde_json::{Map, Value};

use super::{super::wire::Request, Refusal, bad};

/// The body, if it is an object that has no other fields than these.
pub(super) fn object<'a>(request: &'a Request, fields: &[&str]) -> Result<&'a Map<String, Value>, Refusal> {
    let Some(Value::Object(body)) = &request.json else { return bad("/", "The request body is not a JSON object.") };
    match body.keys().find(|name| !fields.contains(&name.as_str())) {
        Some(name) => bad(&format!("/{name}"), format!("The field {name} is not one of this request.")),
        None => Ok(body),
    }
}

/// A field that is a text; null and absent are alike.
pub(super) fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => bad(&format!("/{name}"), format!("{name} must be a string.")),
    }
}

/// A number in a request, with what else stands at it.
type Item<'a> = (&'a str, &'a Map<String, Value>);

/// The numbers that an order or a reservation names.
pub(super) fn numbers<'a>(body: &'a Map<String, Value>, fields: &[&str]) -> Result<Vec<Item<'a>>, Refusal> {
    let missing = || Refusal::new(400, 10004, "phone_numbers is required.").at("/phone_numbers");
    let items = body.get("phone_numbers").and_then(Value::as_array).filter(|items| !items.is_empty());
    let mut numbers = Vec::new();
    for item in items.ok_or_else(missing)? {
        let item = item.as_object().ok_or_else(missing)?;
        if let Some(name) = item.keys().find(|name| !fields.contains(&name.as_str())) {
            return bad("/phone_numbers", format!("The field {name} is not one of a number."));
        }
        let number = text(item, "phone_number")?.ok_or_else(missing)?;
        if !number.starts_with('+') {
            return Err(Refusal::new(400, 10016, format!("{number} must be in +E.164 format.")).at("/phone_numbers"));
        }
        if number.parse::<crate::api::number::E164>().is_err() {
            return Err(Refusal::new(400, 10002, format!("{number} is not a valid number.")).at("/phone_numbers"));
        }
        numbers.push((number, item));
    }
    Ok(numbers)
}

/// The filters of a query: `filter[name]`, `filter[name][operator]`, and lists as `[]`, `[0]` or with commas.
#[derive(Default)]
pub(super) struct Filters<'a>(Vec<(String, &'a str)>);

impl<'a> Filters<'a> {
    /// Refuses filters and parameters that are not among these. A filter is named `name` or `name[operator]`.
    pub fn of(request: &'a Request, filters: &[&str], parameters: &[&str]) -> Result<Self, Refusal> {
        let mut found = Vec::new();
        for (name, value) in &request.query {
            match name.strip_prefix("filter[") {
                Some(rest) => {
                    let key = key(rest);
                    if !filters.contains(&key.as_str()) {
                        return bad(name, "There is no such filter.");
                    }
                    found.push((key, value.as_str()));
                }
                None if parameters.contains(&name.as_str()) => {}
                None => return bad(name, "There is no such parameter."),
            }
        }
        Ok(Self(found))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A filter's value; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| *value)
    }

    /// All values of a filter that takes a list.
    pub fn all(&self, name: &str) -> Vec<&'a str> {
        let given = self.0.iter().filter(|(key, _)| key == name);
        given.flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty()).collect()
    }

    /// Whether a filter is `true`.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}

/// `name][operator]` as `name[operator]`, without the index of a list.
fn key(rest: &str) -> String {
    let mut parts = rest.trim_end_matches(']').split("][");
    let name = parts.next().unwrap_or_default().to_owned();
    match parts.next() {
        Some(operator) if !operator.is_empty() && operator.parse::<usize>().is_err() => format!("{name}[{operator}]"),
        _ => name.trim_end_matches("][").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_named_in_brackets() {
        for (given, expected) in [
            ("tag]", "tag"),
            ("features][]", "features"),
            ("features][0]", "features"),
            ("phone_number][starts_with]", "phone_number[starts_with]"),
            ("voice.connection_name][eq]", "voice.connection_name[eq]"),
        ] {
            assert_eq!(key(given), expected, "{given}");
        }
    }
}
