//! Manifests, read from a file and held against what the API server would say of them. It does I/O: the file.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use anyhow::{Context as _, bail, ensure};
use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray},
};
use kube::{CustomResourceExt, Resource};
use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    api::{Agent, AgentVersion, CarrierAccount, PhoneNumber, meta::Key},
    controller::SecretData,
};

/// The objects in a file, or in standard input for `-`.
pub fn objects(path: &Path) -> anyhow::Result<Vec<Value>> {
    parsed(&text(path)?).with_context(|| format!("cannot read {}", path.display()))
}

fn text(path: &Path) -> anyhow::Result<String> {
    if path.as_os_str() != "-" {
        return fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}

/// The objects of every document; those of a list as if each were a document.
fn parsed(text: &str) -> anyhow::Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let mut object = Value::deserialize(document)?;
        let is_list = object["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        match object.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) if is_list => objects.extend(items),
            // A document that holds nothing but comments.
            _ if object.is_null() => {}
            _ => objects.push(object),
        }
    }
    Ok(objects)
}

/// A manifest of ours, or what else it is.
pub enum Manifest {
    Account(CarrierAccount),
    Agent(Agent),
    Version(AgentVersion),
    Number(Box<PhoneNumber>),
    /// A Secret of the cluster, which an account may name: what it would hold.
    Secret(Key, SecretData),
    Other(String),
}

/// Reads one. An error where the API server would refuse it, as far as that is told without it.
pub fn read(object: Value, wanted: Option<&str>, default: &str) -> anyhow::Result<Manifest> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    let ours = text(&object["apiVersion"]).starts_with("dialplane.dev/");
    Ok(match &*kind {
        "CarrierAccount" if ours => Manifest::Account(typed(object, wanted, default)?),
        "Agent" if ours => Manifest::Agent(typed(object, wanted, default)?),
        "AgentVersion" if ours => Manifest::Version(typed(object, wanted, default)?),
        "PhoneNumber" if ours => Manifest::Number(Box::new(typed(object, wanted, default)?)),
        "Secret" if object["apiVersion"] == "v1" => secret(object, wanted.unwrap_or(default))?,
        _ => Manifest::Other(format!("{kind} {name}").trim().to_owned()),
    })
}

/// Nothing of what it holds is said, whatever is wrong with it.
fn secret(object: Value, namespace: &str) -> anyhow::Result<Manifest> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let Ok(secret) = serde_json::from_value::<Secret>(object) else { bail!("Secret {name} is not valid") };
    let key = Key::new(secret.metadata.namespace.unwrap_or_else(|| namespace.to_owned()), name);
    let texts = secret.string_data.unwrap_or_default().into_iter();
    let mut data = secret.data.unwrap_or_default();
    data.extend(texts.map(|(name, text)| (name, ByteString(text.into_bytes()))));
    Ok(Manifest::Secret(key, data))
}

fn typed<K>(mut object: Value, wanted: Option<&str>, default: &str) -> anyhow::Result<K>
where
    K: CustomResourceExt + Resource<DynamicType = ()> + DeserializeOwned,
{
    let kind = K::kind(&());
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    ensure!(!name.is_empty(), "a {kind} has no metadata.name: give it one");
    if let Some(field) = spec_schema::<K>().and_then(|schema| unknown(&schema, &object["spec"], "spec")) {
        bail!("{kind} {name} is not valid: there is no field {field}");
    }
    // What only the cluster says of an object is not taken from a file.
    object["status"].take();
    let mut object: K = serde_json::from_value(object).with_context(|| format!("{kind} {name} is not valid"))?;
    let meta = object.meta_mut();
    (meta.uid, meta.deletion_timestamp) = (None, None);
    let namespace = meta.namespace.get_or_insert_with(|| wanted.unwrap_or(default).to_owned());
    if let Some(wanted) = wanted.filter(|wanted| wanted != namespace) {
        bail!("{kind} {name} names the namespace {namespace} and --namespace is {wanted}: leave one of the two out");
    }
    Ok(object)
}

/// The schema of a kind's spec.
fn spec_schema<K: CustomResourceExt>() -> Option<JSONSchemaProps> {
    let version = K::crd().spec.versions.into_iter().next()?;
    version.schema?.open_api_v3_schema?.properties?.remove("spec")
}

/// The first field in `value` that the schema does not have. kubectl refuses such a manifest: it is a misspelt wish.
fn unknown(schema: &JSONSchemaProps, value: &Value, path: &str) -> Option<String> {
    match (value, &schema.items) {
        (Value::Object(fields), _) => {
            // Where there are none, whatever is there is kept.
            let properties = schema.properties.as_ref()?;
            fields.iter().find_map(|(name, value)| {
                let path = format!("{path}.{name}");
                match properties.get(name) {
                    Some(schema) => unknown(schema, value, &path),
                    None => Some(path),
                }
            })
        }
        (Value::Array(items), Some(JSONSchemaPropsOrArray::Schema(schema))) => {
            items.iter().find_map(|item| unknown(schema, item, path))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
---
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {apiKey: a2V5}
stringData: {authToken: t}
---
# nothing
---
apiVersion: v1
kind: List
items:
- apiVersion: dialplane.dev/v1alpha1
  kind: PhoneNumber
  metadata: {name: a}
  spec: {accountRef: {name: twilio}, import: {number: \"+14155551234\"}}
";

    #[test]
    fn documents_and_lists_are_read_and_what_is_no_phone_number_is_named() {
        let read = |wanted| -> Vec<Result<String, String>> {
            let objects = parsed(FILE).unwrap().into_iter();
            objects
                .map(|object| match super::read(object, wanted, "clinics").unwrap() {
                    Manifest::Number(number) => Ok(Key::of(&*number).to_string()),
                    Manifest::Secret(key, data) => Err(format!("Secret {key} with {data:?}")),
                    _ => panic!("neither of the two"),
                })
                .collect()
        };
        let secret = r#"Secret clinics/s with {"apiKey": ByteString([107, 101, 121]), "authToken": ByteString([116])}"#;
        assert_eq!(read(None), [Err(secret.to_owned()), Ok("clinics/a".to_owned())]);
        assert_eq!(read(Some("b"))[1], Ok("b/a".to_owned()));
    }

    #[test]
    fn a_manifest_that_the_cluster_would_refuse_is_named() {
        let mut objects = parsed(FILE).unwrap();
        let mut number = objects.remove(1);
        number["spec"]["import"]["number"] = "555".into();
        let refusal = |object: &Value| super::read(object.clone(), None, "clinics").err().unwrap();
        let said = format!("{:#}", refusal(&number));
        assert!(said.contains("PhoneNumber a is not valid") && said.contains("E.164"), "{said}");
        number["spec"]["import"] = serde_json::json!({"number": "+14155551234", "nmber": 1});
        let said = refusal(&number).to_string();
        assert!(said.contains("there is no field spec.import.nmber"), "{said}");
    }
}
