//! Checks requests and answers against the carrier's official OpenAPI documents (`tests/specs`). Reads files only.
//!
//! The documents are taken at their word, and stricter: an answer has no field that they lack and every field that all
//! their examples have. Where their schemas contradict their own examples the examples are believed, in three ways:
//! a text that may be null may be empty, a number may be written as a text, and `uri` may be relative. One test holds
//! every example against these rules.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use dialplane::sandbox::carrier::Ledger;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// One official document.
pub struct Doc {
    json: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// Whose message a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Request,
    Answer,
}

type Checked = Result<(), String>;

static DOCS: LazyLock<[Doc; 4]> = LazyLock::new(|| {
    ["twilio_api_v2010", "twilio_messaging_v1", "twilio_pricing_v1", "twilio_routes_v2"].map(|name| {
        let path = format!("{}/tests/specs/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        Doc { json: serde_json::from_str(&text).unwrap(), validators: Mutex::default() }
    })
});

/// Every document.
pub fn docs() -> &'static [Doc] {
    &*DOCS
}

/// The document that describes a path.
pub fn doc_of(path: &str) -> Option<&'static Doc> {
    DOCS.iter().find(|doc| doc.template(path).is_some())
}

/// Checks an answer: its status is one that the document knows, and its body has the described shape. Refusals, which the
/// documents do not describe, have the shape of the carrier's error bodies.
pub fn check_response(doc: &Doc, method: &str, path: &str, status: u16, body: Option<&Value>) -> Checked {
    if status >= 400 {
        return check_refusal(status, body);
    }
    let (template, operation) = doc.operation(method, path)?;
    let answer = operation["responses"].get(status.to_string());
    let answer = answer.ok_or_else(|| format!("{method} {template} does not answer {status}"))?;
    let content = &answer["content"]["application/json"];
    let (Some(schema), Some(body)) = (content.get("schema"), body) else {
        return match (content.is_null(), body) {
            (true, None) => Ok(()),
            _ => Err(format!("{method} {template} {status}: a body is missing or too many")),
        };
    };
    let place = format!("{method} {template} {status}");
    doc.validate(&place, schema, Side::Answer, body)?;
    let examples: Vec<&Value> = examples(content).collect();
    missing(&examples, body).map_err(|field| format!("{place}: {field} is missing, which every example has"))
}

/// Checks a request: path, query and form are described, required parts are there, and each value has its type.
pub fn check_request(
    doc: &Doc,
    method: &str,
    path: &str,
    query: &[(String, String)],
    form: &[(String, String)],
) -> Checked {
    let (template, operation) = doc.operation(method, path)?;
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |place: &str| parameters.iter().filter(move |p| p["in"] == place).map(described).collect::<Vec<_>>();
    let place = |part: &str| format!("{method} {template} {part}");
    doc.check_pairs(&place("path"), &of("path"), &variables(&template, path).unwrap_or_default())?;
    doc.check_pairs(&place("query"), &of("query"), query)?;
    // Nothing is there yet to be cleared.
    let makes = method == "POST" && !template.trim_end_matches(".json").ends_with('}');
    if let Some((name, _)) = form.iter().find(|(name, value)| makes && name.ends_with("Sid") && value.is_empty()) {
        return Err(format!("{}: {name} is empty", place("form")));
    }
    let schema = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
    let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let fields: Vec<Described> = properties.into_iter().map(|(name, schema)| (required(&name), name, schema)).collect();
    doc.check_pairs(&place("form"), &fields, form)
}

/// Checks every exchange that a sandbox has recorded: one line for each that does not conform. What met a fault on
/// purpose is checked as a request only.
pub fn check_ledger(ledger: &Ledger) -> Vec<String> {
    let mut wrong = vec![];
    for entry in ledger.entries() {
        let Some(bodies) = &entry.bodies else {
            wrong.push(format!("{} {}: recorded without bodies", entry.method, entry.path));
            continue;
        };
        let Some(doc) = doc_of(&entry.path) else {
            wrong.push(format!("{} {}: no document has this path", entry.method, entry.path));
            continue;
        };
        wrong.extend(check_request(doc, &entry.method, &entry.path, &bodies.query, &bodies.form).err());
        if let (Some(status), true) = (entry.status, entry.faults.is_empty()) {
            wrong.extend(check_response(doc, &entry.method, &entry.path, status, bodies.answer.as_ref()).err());
        }
    }
    wrong
}

/// A parameter: whether it is required, its name and its schema.
type Described = (bool, String, Value);

fn described(parameter: &Value) -> Described {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    (parameter["required"] == true, name, parameter["schema"].clone())
}

impl Doc {
    /// The template that a path follows; the one that says most where several do.
    fn template(&self, path: &str) -> Option<String> {
        let fits = self.json["paths"].as_object()?.keys().filter(|template| variables(template, path).is_some());
        fits.min_by_key(|template| template.matches('{').count()).cloned()
    }

    fn operation(&self, method: &str, path: &str) -> Result<(String, &Value), String> {
        let template = self.template(path).ok_or_else(|| format!("the document has no path {path}"))?;
        match self.json["paths"][&template].get(method.to_ascii_lowercase()) {
            Some(operation) => Ok((template, operation)),
            None => Err(format!("{template} has no method {method}")),
        }
    }

    fn check_pairs(&self, place: &str, described: &[Described], pairs: &[(String, String)]) -> Checked {
        for (required, name, _) in described {
            if *required && !pairs.iter().any(|(n, _)| n == name) {
                return Err(format!("{place}: {name} is missing"));
            }
        }
        for (name, text) in pairs {
            let Some((_, _, schema)) = described.iter().find(|(_, n, _)| n == name) else {
                return Err(format!("{place}: {name} is not described"));
            };
            self.validate(&format!("{place} {name}"), schema, Side::Request, &typed(schema, text))?;
        }
        Ok(())
    }

    /// Validates by a schema of this document; compiled once for each place.
    fn validate(&self, place: &str, schema: &Value, side: Side, value: &Value) -> Checked {
        let validator = {
            let mut known = self.validators.lock().unwrap();
            known.entry(place.to_owned()).or_insert_with(|| Arc::new(self.compile(schema, side))).clone()
        };
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|e| format!("{place}: at {:?}: {e}", e.instance_path().as_str()))
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
    }

    fn compile(&self, schema: &Value, side: Side) -> Validator {
        let mut schema = translated(schema, side);
        let known = self.json["components"]["schemas"].as_object().cloned().unwrap_or_default();
        let known: Map<String, Value> = known.iter().map(|(name, s)| (name.clone(), translated(s, side))).collect();
        schema["components"] = json!({ "schemas": known });
        let options = jsonschema::options().should_validate_formats(true);
        options.with_format("date-time-rfc-2822", is_rfc2822).build(&schema).unwrap()
    }
}

/// `Thu, 30 Jul 2015 20:12:31 +0000`, the form in which the official clients read it.
fn is_rfc2822(text: &str) -> bool {
    jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S %z", text).is_ok()
}

/// The values of a template's variables in a path, or `None` if the path does not follow it.
fn variables(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    let mut found = vec![];
    loop {
        match (template.next(), path.next()) {
            (None, None) => return Some(found),
            (Some(t), Some(p)) => match t.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
                Some((name, suffix)) => {
                    let value = p.strip_suffix(suffix).filter(|value| !value.is_empty())?;
                    found.push((name.to_owned(), value.to_owned()));
                }
                None if t == p => {}
                None => return None,
            },
            _ => return None,
        }
    }
}

/// A form's text as the type that its schema asks for.
fn typed(schema: &Value, text: &str) -> Value {
    let parsed = match schema["type"].as_str() {
        Some("integer") => text.parse::<i64>().ok().map(Value::from),
        Some("number") => text.parse::<f64>().ok().map(Value::from),
        Some("boolean") => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::from(text))
}

/// An OpenAPI 3.0 schema as JSON Schema, with the documents' contradictions settled.
fn translated(schema: &Value, side: Side) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut fields = fields.clone();
    let nullable = fields.remove("nullable") == Some(Value::Bool(true));
    if side == Side::Answer && fields.get("format") == Some(&json!("uri")) {
        fields.remove("format");
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(name) {
            *inner = translated(inner, side);
        }
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(|property| *property = translated(property, side));
        if side == Side::Answer {
            fields.entry("additionalProperties").or_insert(Value::Bool(false));
        }
    }
    let kind = fields.get("type").and_then(Value::as_str).map(str::to_owned);
    let mut others = vec![];
    match (kind.as_deref(), side) {
        // What can be unset is empty in an answer, and is cleared by nothing in a form.
        (Some("string"), Side::Request) => others.push(json!({ "const": "" })),
        (Some("string"), Side::Answer) if nullable => others.push(json!({ "const": "" })),
        (Some("number"), Side::Answer) => others.push(json!({ "type": "string", "pattern": r"^-?\d+(\.\d+)?$" })),
        _ => {}
    }
    if nullable {
        others.push(json!({ "type": "null" }));
    }
    let plain = Value::Object(fields);
    if others.is_empty() {
        return plain;
    }
    others.insert(0, plain);
    json!({ "anyOf": others })
}

/// The examples of an answer.
fn examples(content: &Value) -> impl Iterator<Item = &Value> {
    content["examples"].as_object().into_iter().flat_map(|examples| examples.values()).map(|example| &example["value"])
}

/// A field that every example has and the answer lacks.
fn missing(examples: &[&Value], body: &Value) -> Checked {
    match body {
        Value::Object(fields) => {
            let Some(Value::Object(first)) = examples.first() else { return Ok(()) };
            let everywhere = |name: &&String| examples.iter().all(|e| e.get(name.as_str()).is_some());
            for name in first.keys().filter(everywhere) {
                let Some(value) = fields.get(name) else { return Err(name.clone()) };
                // Maps of links are whatever the account has.
                if name != "links" && name != "subresource_uris" {
                    let inner: Vec<&Value> = examples.iter().map(|e| &e[name]).collect();
                    missing(&inner, value).map_err(|field| format!("{name}.{field}"))?;
                }
            }
            Ok(())
        }
        Value::Array(rows) => {
            let inner: Vec<&Value> = examples.iter().filter_map(|e| e.as_array()).flatten().collect();
            rows.iter().try_for_each(|row| missing(&inner, row))
        }
        _ => Ok(()),
    }
}

fn check_refusal(status: u16, body: Option<&Value>) -> Checked {
    let body = body.ok_or_else(|| format!("a refusal with {status} has no body"))?;
    let shaped = body["code"].is_i64()
        && body["status"] == status
        && body["message"].as_str().is_some_and(|text| !text.is_empty())
        && body["more_info"].as_str().is_some_and(|url| url.ends_with(&body["code"].to_string()));
    if shaped { Ok(()) } else { Err(format!("not the shape of a refusal with {status}: {body}")) }
}

#[test]
fn the_documents_own_examples_conform() {
    let mut checked = 0;
    for doc in docs() {
        for (template, methods) in doc.json["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                    for example in examples(&answer["content"]["application/json"]) {
                        let path = template.replace("{", "").replace("}", "");
                        let status = status.parse().unwrap();
                        let result = check_response(doc, method, &path, status, Some(example));
                        assert_eq!(result, Ok(()), "{method} {template}");
                        checked += 1;
                    }
                }
            }
        }
    }
    assert!(checked >= 50, "only {checked} examples");
}

#[test]
fn what_does_not_conform_is_told() {
    let account = format!("AC{}", "a".repeat(32));
    let path = format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json");
    let doc = doc_of(&path).unwrap();
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let request = |method, query: &[_], form: &[_]| check_request(doc, method, &path, query, form).is_ok();
    assert!(request("GET", &pair("PageSize", "1000"), &[]) && request("POST", &[], &pair("VoiceUrl", "")));
    assert!(!request("GET", &pair("PageSize", "1001"), &[]), "out of range");
    assert!(!request("GET", &pair("pageSize", "10"), &[]), "not described");
    assert!(!request("POST", &[], &pair("VoiceMethod", "post")), "no such method");
    assert!(!request("POST", &[], &pair("TrunkSid", "TK1")), "no sid");
    assert!(!request("POST", &[], &pair("TrunkSid", "")), "an empty sid");
    assert!(!request("DELETE", &[], &[]), "no such operation");
    assert!(check_request(doc, "GET", &path.replace(&account, "AC1"), &[], &[]).is_err(), "no account sid");
    assert!(doc_of("/2010-04-01/Calls.json").is_none());
    let answer = |body: Value| check_response(doc, "GET", &path, 200, Some(&body)).is_ok();
    let page = json!({ "incoming_phone_numbers": [], "uri": "/", "first_page_uri": "/", "next_page_uri": null,
        "previous_page_uri": null, "page": 0, "page_size": 50, "start": 0, "end": 0 });
    assert!(answer(page.clone()));
    let with = |name: &str, value: Value| {
        let mut page = page.clone();
        page[name] = value;
        page
    };
    assert!(!answer(with("page", json!("0"))) && !answer(with("pages", json!(1))));
    assert!(!answer(json!({ "incoming_phone_numbers": [] })), "every example has links");
    assert!(check_response(doc, "GET", &path, 302, None).is_err());
    assert!(check_response(doc, "GET", &path, 404, Some(&json!({ "code": 20404 }))).is_err());
}
