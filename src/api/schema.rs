//! From the schema that the types give to the one that users read in `kubectl explain` and the API server enforces. No I/O.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::{
    CustomResourceExt,
    core::cel::{ErrorKind, Validator},
};
use serde_json::{Value, json};

/// Takes out of the schemas of `crd` what is there because the types are Rust's.
pub fn tidy(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy_schema(root);
            begin_unobserved(root);
        }
    }
    crd
}

/// What of this manifest is not as the definition's schema has it, in which the API server looks before it asks any rule. The value itself is
/// not repeated: it may be a secret.
pub fn misfit<K: CustomResourceExt>(manifest: &Value) -> Option<String> {
    let mut schema = serde_json::to_value(spec_schema::<K>()?).ok()?;
    spell_out(&mut schema);
    let validator = jsonschema::validator_for(&schema).ok()?;
    let mut manifest = manifest.get("spec").cloned().unwrap_or_default();
    prune(&mut manifest);
    let error = validator.iter_errors(&manifest).next()?;
    let path = error.instance_path().as_str().replace('/', ".");
    Some(format!("spec{path}: {}", error.masked()))
}

/// What editors and tools that know no definitions check a manifest by: the first version of `crd` as a
/// [JSON Schema](https://json-schema.org/draft-07). It says all but the rules. As `kubectl` does, it refuses fields that do not exist.
pub fn json_schema(crd: &CustomResourceDefinition) -> Option<Value> {
    let version = crd.spec.versions.first()?;
    let mut schema = serde_json::to_value(version.schema.as_ref()?.open_api_v3_schema.as_ref()?).ok()?;
    spell_out(&mut schema);
    close(&mut schema);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["properties"]["apiVersion"] = json!({"const": format!("{}/{}", crd.spec.group, version.name)});
    schema["properties"]["kind"] = json!({"const": crd.spec.names.kind});
    schema["properties"]["metadata"] = json!({"type": "object"});
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    schema["required"] = [json!("apiVersion"), json!("kind"), json!("metadata")].into_iter().chain(required).collect();
    Some(schema)
}

/// Takes out what only Kubernetes reads, and refuses fields beside those that are named. A field that may be missing may be null.
fn close(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    let is_open =
        fields.contains_key("additionalProperties") || fields.contains_key("x-kubernetes-preserve-unknown-fields");
    if fields.contains_key("properties") && !is_open {
        fields.insert("additionalProperties".to_owned(), false.into());
    }
    fields.retain(|name, _| !name.starts_with("x-kubernetes-"));
    let required = fields.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|is| is == name));
    for (name, property) in fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        close(property);
        if !is_required(name) {
            allow_null(property);
        }
    }
    ["items", "additionalProperties"].iter().for_each(|name| fields.get_mut(*name).into_iter().for_each(close));
}

/// The API server prunes what is null.
fn allow_null(schema: &mut Value) {
    if let Some(kind @ Value::String(_)) = schema.get_mut("type") {
        *kind = json!([kind, "null"]);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
}

/// The schema of a kind's spec.
pub fn spec_schema<K: CustomResourceExt>() -> Option<JSONSchemaProps> {
    let version = K::crd().spec.versions.into_iter().next()?;
    version.schema?.open_api_v3_schema?.properties?.remove("spec")
}

/// Says in JSON Schema's own words what Kubernetes has words of its own for.
fn spell_out(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("x-kubernetes-list-type").is_some_and(|kind| kind == "set") {
                fields.insert("uniqueItems".to_owned(), true.into());
            }
            fields.values_mut().for_each(spell_out);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(spell_out),
        _ => {}
    }
}

/// What is null is left out, as the API server does.
fn prune(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

/// Why the API server would refuse this object in the place of `old`, or a new one: the first of the definition's rules that it breaks.
pub fn broken_rule<K: CustomResourceExt>(object: &Value, old: Option<&Value>) -> Option<String> {
    let schema = K::crd().spec.versions.into_iter().next()?.schema?.open_api_v3_schema?;
    let errors = Validator::new().validate(&serde_json::to_value(schema).ok()?, object, old).err()?;
    // What a rule cannot be asked for here is left to the API server.
    let mut broken = errors.into_iter().filter(|error| error.kind == ErrorKind::ValidationFailure);
    broken.next().map(|error| error.message)
}

/// An object that nobody has looked at yet says so. Tools that wait for it take one without any status for done
/// ([kstatus](https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md)).
fn begin_unobserved(root: &mut JSONSchemaProps) {
    let Some(status) = root.properties.as_mut().and_then(|properties| properties.get_mut("status")) else { return };
    if status.properties.as_ref().is_some_and(|properties| properties.contains_key("observedGeneration")) {
        status.default = Some(JSON(json!({"observedGeneration": -1})));
    }
}

fn tidy_schema(schema: &mut JSONSchemaProps) {
    // The name of the type, which says nothing that the kind does not.
    schema.title = None;
    // An optional field is left out. As null it would be stored, shown, and a difference to tools that compare.
    schema.nullable = None;
    // Warned of as unknown at every apply. What of it matters stands in `minimum`.
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    if let Some(description) = &mut schema.description {
        *description = unwrap(description);
    }
    children(schema).for_each(tidy_schema);
}

/// Every schema directly in `schema`.
fn children(schema: &mut JSONSchemaProps) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let properties = schema.properties.iter_mut().flat_map(|properties| properties.values_mut());
    let items = match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => Some(&mut **items),
        _ => None,
    };
    let values = match &mut schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => Some(&mut **values),
        _ => None,
    };
    properties.chain(items).chain(values)
}

/// Paragraphs in one line each: kubectl wraps them itself, and would keep our line breaks in the middle of its own.
fn unwrap(text: &str) -> String {
    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `check` for every schema of every kind, with its path and whether it is that of a named field.
    fn each(check: &mut impl FnMut(&str, bool, &JSONSchemaProps)) {
        fn walk(
            path: &str,
            field: bool,
            schema: &JSONSchemaProps,
            check: &mut impl FnMut(&str, bool, &JSONSchemaProps),
        ) {
            check(path, field, schema);
            for (name, property) in schema.properties.iter().flatten() {
                walk(&format!("{path}.{name}"), true, property, check);
            }
            if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
                walk(&format!("{path}[]"), false, items, check);
            }
            if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
                walk(&format!("{path}.*"), false, values, check);
            }
        }
        for crd in crate::api::crds() {
            for version in &crd.spec.versions {
                let root = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()).unwrap();
                walk(&crd.spec.names.kind, true, root, check);
            }
        }
    }

    #[test]
    fn every_field_is_described_as_users_speak_of_it() {
        let mut bad = vec![];
        each(&mut |path, field, schema| {
            let text = schema.description.as_deref().unwrap_or_default();
            if field && text.is_empty() {
                bad.push(format!("{path} has no description: give the field a doc comment"));
            }
            for rust in ["[`", "`]", "::", "`None`", "`Some", "`Option`", "`Option<", "rustdoc"] {
                if text.contains(rust) {
                    bad.push(format!("{path} speaks Rust ({rust}): {text}"));
                }
            }
        });
        assert!(bad.is_empty(), "{}", bad.join("\n"));
    }

    /// `kubectl explain` does not show defaults.
    #[test]
    fn the_description_of_a_field_names_its_default() {
        let mut bad = vec![];
        each(&mut |path, _, schema| {
            let text = schema.description.as_deref().unwrap_or_default();
            let default = match schema.default.as_ref().map(|default| &default.0) {
                Some(serde_json::Value::String(default)) => default.clone(),
                Some(serde_json::Value::Number(default)) => default.to_string(),
                // Nothing, no and empty are what everybody expects.
                _ => return,
            };
            if path.contains(".spec.") && !text.contains(&default) {
                bad.push(format!("{path} does not name its default, {default}: {text}"));
            }
        });
        assert!(bad.is_empty(), "{}", bad.join("\n"));
    }

    #[test]
    fn nothing_in_a_schema_is_there_because_of_rust() {
        // What the API server knows, of the formats that our types can have.
        let known = ["int32", "int64", "date-time"];
        each(&mut |path, _, schema| {
            assert_eq!(schema.title, None, "{path}");
            assert_eq!(schema.nullable, None, "{path}");
            assert!(
                schema.format.as_deref().is_none_or(|format| known.contains(&format)),
                "{path}: {:?}",
                schema.format
            );
            assert!(schema.any_of.is_none() && schema.one_of.is_none(), "{path} is a union");
        });
    }

    #[test]
    fn a_paragraph_is_one_line() {
        assert_eq!(unwrap("one\ntwo\n\nthree\nfour"), "one two\n\nthree four");
    }
}
