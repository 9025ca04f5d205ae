//! The definitions against those of the last release, which lie in `tests/compatibility`: whatever could be stored then can be stored, read
//! and changed now, and whoever asks the API server for something still gets it. `CONTRIBUTING.md` says when they are replaced.
//!
//! Whatever is not known to be harmless is refused.

use std::{collections::BTreeSet, fs, path::Path};

use dialplane::api;
use serde_json::{Map, Value, json};

/// What is different in `new` and breaks what was stored or written for `old`, both definitions: where, and why.
fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for field in ["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/plural", "/spec/names/singular"] {
        if old.pointer(field) != new.pointer(field) {
            found.push(format!("{field}: another one"));
        }
    }
    found.extend(missing("/spec/names/shortNames", old, new));
    for version in list(&old["spec"]["versions"]) {
        let name = version["name"].as_str().unwrap();
        let Some(now) = list(&new["spec"]["versions"]).iter().find(|now| now["name"] == name) else {
            found.push(format!("{name}: no longer there"));
            continue;
        };
        if version["served"] == true && now["served"] != true {
            found.push(format!("{name}: no longer served"));
        }
        if version["subresources"] != now["subresources"] {
            found.push(format!("{name}: other subresources"));
        }
        found.extend(missing("/selectableFields", version, now));
        schema(name, &version["schema"]["openAPIV3Schema"], &now["schema"]["openAPIV3Schema"], &mut found);
    }
    found
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What a list had and has no longer.
fn missing(pointer: &str, old: &Value, new: &Value) -> Vec<String> {
    let at = |value: &Value| value.pointer(pointer).map(|value| list(value).to_vec()).unwrap_or_default();
    let new = at(new);
    at(old).iter().filter(|was| !new.contains(was)).map(|was| format!("{pointer}: {was} is gone")).collect()
}

/// The same of one schema and what is in it.
fn schema(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let nothing = Map::new();
    let names =
        [old, new].map(|schema| schema.as_object().unwrap_or(&nothing).keys().cloned().collect::<BTreeSet<_>>());
    for name in &names[0] | &names[1] {
        let (was, is) = (old.get(&name), new.get(&name));
        if was == is {
            continue;
        }
        let why = match name.as_str() {
            "description" | "title" | "example" | "externalDocs" => None,
            "properties" => {
                for (field, was) in was.and_then(Value::as_object).into_iter().flatten() {
                    match is.and_then(|is| is.get(field)) {
                        Some(is) => schema(&format!("{path}.{field}"), was, is, found),
                        None => found.push(format!("{path}.{field}: the field is gone")),
                    }
                }
                None
            }
            "items" | "additionalProperties" => match (was, is) {
                (Some(was @ Value::Object(_)), Some(is @ Value::Object(_))) => {
                    schema(&format!("{path}[]"), was, is, found);
                    None
                }
                _ => Some("it holds something else".to_owned()),
            },
            // What is required now and was not must be filled in by the API server.
            "required" => {
                let before = list(was.unwrap_or(&Value::Null));
                let filled = |field: &Value| new["properties"][field.as_str().unwrap()].get("default").is_some();
                let more =
                    list(is.unwrap_or(&Value::Null)).iter().find(|field| !before.contains(field) && !filled(field));
                more.map(|field| format!("{field} is required"))
            }
            "enum" => match (was, is) {
                (_, None) => None,
                (None, Some(_)) => Some("only some values are allowed".to_owned()),
                (Some(was), Some(is)) => list(was)
                    .iter()
                    .find(|value| !list(is).contains(value))
                    .map(|value| format!("{value} is not allowed")),
            },
            "maxLength" | "maxItems" | "maxProperties" | "maximum" => {
                let is_wider = |is: &Value| was.is_some_and(|was| is.as_f64() >= was.as_f64());
                is.filter(|is| !is_wider(is)).map(|is| format!("{name} is {is}"))
            }
            "minLength" | "minItems" | "minProperties" | "minimum" => {
                let is_wider = |is: &Value| was.is_some_and(|was| is.as_f64() <= was.as_f64());
                is.filter(|is| !is_wider(is)).map(|is| format!("{name} is {is}"))
            }
            "pattern" | "format" | "multipleOf" | "not" if is.is_none() => None,
            // How a rule puts it may change, what it asks for not.
            "x-kubernetes-validations" => {
                let asked = |rule: &Value| (rule["rule"].clone(), rule.get("optionalOldSelf").cloned());
                let before: Vec<_> = list(was.unwrap_or(&Value::Null)).iter().map(asked).collect();
                let more = list(is.unwrap_or(&Value::Null)).iter().find(|rule| !before.contains(&asked(rule)));
                more.map(|rule| format!("the rule {} is new", rule["rule"]))
            }
            _ => Some(format!("{name} was {} and is {}", shown(was), shown(is))),
        };
        found.extend(why.map(|why| format!("{path}: {why}")));
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "not there".to_owned(), Value::to_string)
}

#[test]
fn nothing_that_was_stored_or_written_for_the_last_release_breaks() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compatibility");
    let now: Vec<Value> = api::crds().iter().map(|crd| serde_json::to_value(crd).unwrap()).collect();
    let mut released = 0;
    for file in fs::read_dir(dir).unwrap() {
        let old: Value = serde_yaml_ng::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let name = &old["metadata"]["name"];
        let new = now.iter().find(|new| new["metadata"]["name"] == *name);
        let found = breaks(&old, new.unwrap_or_else(|| panic!("{name} is gone")));
        assert!(found.is_empty(), "{name}: keep these as they were, or add another version of the kind: {found:#?}");
        released += 1;
    }
    assert!(released >= 6, "the definitions of the last release are there");
}

/// A change of the definition of PhoneNumber.
type Change = fn(&mut Value);

fn spec(crd: &mut Value) -> &mut Value {
    &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
}

fn found(change: Change) -> Vec<String> {
    let old = api::crds().into_iter().find(|crd| crd.spec.names.kind == "PhoneNumber").unwrap();
    let old = serde_json::to_value(old).unwrap();
    let mut new = old.clone();
    change(&mut new);
    assert_ne!(old, new, "it is a change");
    breaks(&old, &new)
}

#[test]
fn what_breaks_is_found_and_told() {
    let changes: [(Change, &str); 17] = [
        (|crd| crd["spec"]["group"] = json!("dialplane.io"), "/spec/group: another one"),
        (|crd| crd["spec"]["names"]["shortNames"] = json!([]), r#"/spec/names/shortNames: "pn" is gone"#),
        (|crd| crd["spec"]["versions"][0]["name"] = json!("v1"), "v1alpha1: no longer there"),
        (|crd| crd["spec"]["versions"][0]["served"] = json!(false), "v1alpha1: no longer served"),
        (|crd| crd["spec"]["versions"][0]["subresources"] = json!({}), "v1alpha1: other subresources"),
        (
            |crd| crd["spec"]["versions"][0]["selectableFields"].as_array_mut().unwrap().truncate(1),
            r#"/selectableFields: {"jsonPath":".spec.agentRef.name"} is gone"#,
        ),
        (
            |crd| drop(spec(crd)["properties"].as_object_mut().unwrap().remove("suspend")),
            "v1alpha1.spec.suspend: the field is gone",
        ),
        (
            |crd| spec(crd)["properties"]["mode"]["enum"] = json!(["Manage"]),
            r#"v1alpha1.spec.mode: "Observe" is not allowed"#,
        ),
        (
            |crd| spec(crd)["required"].as_array_mut().unwrap().push(json!("agentRef")),
            r#"v1alpha1.spec: "agentRef" is required"#,
        ),
        (
            |crd| spec(crd)["properties"]["mode"]["default"] = json!("Observe"),
            r#"v1alpha1.spec.mode: default was "Manage" and is "Observe""#,
        ),
        (
            |crd| spec(crd)["properties"]["suspend"]["type"] = json!("string"),
            r#"v1alpha1.spec.suspend: type was "boolean" and is "string""#,
        ),
        (
            |crd| spec(crd)["properties"]["accountRef"]["properties"]["name"]["maxLength"] = json!(10),
            "v1alpha1.spec.accountRef.name: maxLength is 10",
        ),
        (
            |crd| spec(crd)["properties"]["accountRef"]["properties"]["name"]["minLength"] = json!(3),
            "v1alpha1.spec.accountRef.name: minLength is 3",
        ),
        (
            |crd| {
                spec(crd)["properties"]["purchase"]["properties"]["search"]["properties"]["features"]["items"] =
                    json!({"type": "integer"})
            },
            "v1alpha1.spec.purchase.search.features[]: ",
        ),
        (
            |crd| spec(crd)["properties"]["suspend"]["pattern"] = json!("^a"),
            "v1alpha1.spec.suspend: pattern was not there",
        ),
        (
            |crd| {
                spec(crd)["x-kubernetes-validations"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({"rule": "self.suspend", "message": "no"}))
            },
            r#"v1alpha1.spec: the rule "self.suspend" is new"#,
        ),
        (
            |crd| spec(crd)["x-kubernetes-map-type"] = json!("atomic"),
            "v1alpha1.spec: x-kubernetes-map-type was not there",
        ),
    ];
    for (i, (change, told)) in changes.into_iter().enumerate() {
        let found = found(change);
        assert!(found.iter().any(|found| found.contains(told)), "{i}: {told}, and not {found:#?}");
    }
}

#[test]
fn what_only_allows_more_or_says_it_otherwise_is_no_break() {
    let changes: [Change; 9] = [
        |crd| spec(crd)["description"] = json!("Put otherwise."),
        |crd| spec(crd)["properties"]["new"] = json!({"type": "string", "maxLength": 3}),
        |crd| {
            spec(crd)["properties"]["new"] = json!({"type": "string", "default": "a"});
            spec(crd)["required"].as_array_mut().unwrap().push(json!("new"));
        },
        |crd| spec(crd)["properties"]["mode"]["enum"].as_array_mut().unwrap().push(json!("Shadow")),
        |crd| spec(crd)["properties"]["accountRef"]["properties"]["name"]["maxLength"] = json!(1000),
        |crd| spec(crd)["required"] = json!([]),
        |crd| spec(crd)["x-kubernetes-validations"][0]["message"] = json!("Put otherwise."),
        |crd| drop(spec(crd)["x-kubernetes-validations"].as_array_mut().unwrap().pop()),
        |crd| crd["spec"]["versions"][0]["additionalPrinterColumns"] = json!([]),
    ];
    for (i, change) in changes.into_iter().enumerate() {
        assert_eq!(found(change), Vec::<String>::new(), "{i}");
    }
}
