//! Manifests, read from files and held against what the API server would say of them. It does I/O: the files.

use std::{
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
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
    api::{Agent, AgentVersion, CarrierAccount, GROUP, PhoneNumber, broken_rule, meta::Key, misfit, spec_schema},
    controller::SecretData,
};

/// Where manifests are read from.
#[derive(Debug, clap::Args)]
pub struct Files {
    /// A file of manifests, a directory whose .yaml, .yml and .json files are read, or - for standard input. Can be repeated
    #[arg(long = "filename", short, value_name = "PATH", required = true)]
    pub filenames: Vec<PathBuf>,

    /// Read subdirectories as well
    #[arg(long, short = 'R')]
    pub recursive: bool,
}

impl Files {
    /// The objects of every file, in the order of the files: those of a directory by their names.
    pub fn objects(&self) -> anyhow::Result<Vec<Value>> {
        let mut objects = Vec::new();
        for path in &self.filenames {
            let files = if path.is_dir() { listed(path, self.recursive)? } else { vec![path.clone()] };
            ensure!(!files.is_empty(), "no .yaml, .yml or .json file in {}", path.display());
            for file in files {
                let found = text(&file).and_then(|text| parsed(&text));
                objects.extend(found.with_context(|| format!("cannot read {}", file.display()))?);
            }
        }
        Ok(objects)
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<String> = self.filenames.iter().map(|path| path.display().to_string()).collect();
        f.write_str(&paths.join(", "))
    }
}

/// How the name of a manifest ends.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// The manifests in a directory, by name. A link to a directory is not followed: it may lead back.
fn listed(directory: &Path, recursive: bool) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {}", directory.display());
    let mut entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>).with_context(cannot)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.path();
        if entry.file_type().with_context(cannot)?.is_dir() {
            if recursive {
                files.extend(listed(&path, recursive)?);
            }
        } else if path.is_file() && path.extension().is_some_and(|end| ENDINGS.iter().any(|known| end == *known)) {
            files.push(path);
        }
    }
    Ok(files)
}

fn text(path: &Path) -> anyhow::Result<String> {
    if path.as_os_str() != "-" {
        return Ok(fs::read_to_string(path)?);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
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
    let (kind, name, version) = (text(&object["kind"]), text(&object["metadata"]["name"]), text(&object["apiVersion"]));
    if kind == "Secret" && version == "v1" {
        return secret(object, wanted, default);
    }
    if !version.starts_with(&format!("{GROUP}/")) {
        return Ok(Manifest::Other(format!("{kind} {name}").trim().to_owned()));
    }
    let known = format!("{GROUP}/{}", PhoneNumber::version(&()));
    ensure!(version == known, "{kind} {name} is not valid: its apiVersion is {version}, and only {known} exists");
    Ok(match &*kind {
        "CarrierAccount" => Manifest::Account(typed(object, wanted, default)?),
        "Agent" => Manifest::Agent(typed(object, wanted, default)?),
        "AgentVersion" => Manifest::Version(typed(object, wanted, default)?),
        "PhoneNumber" => Manifest::Number(Box::new(typed(object, wanted, default)?)),
        "NumberClaim" | "NumberPurchase" => {
            bail!("{kind} {name} is written by the operator only: remove it from the file")
        }
        _ => bail!("{kind} {name} is not valid: {GROUP} has no such kind"),
    })
}

/// Nothing of what it holds is said, whatever is wrong with it.
fn secret(object: Value, wanted: Option<&str>, default: &str) -> anyhow::Result<Manifest> {
    let name = named("Secret", &object)?;
    let Ok(secret) = serde_json::from_value::<Secret>(object) else { bail!("Secret {name} is not valid") };
    let key = Key::new(placed("Secret", &name, secret.metadata.namespace, wanted, default)?, name);
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
    let name = named(&kind, &object)?;
    if let Some(field) = spec_schema::<K>().and_then(|schema| unknown(&schema, &object["spec"], "spec")) {
        bail!("{kind} {name} is not valid: unknown field {field}");
    }
    // What only the cluster says of an object is not taken from a file.
    object["status"].take();
    let mut read = K::deserialize(&object).with_context(|| format!("{kind} {name} is not valid"))?;
    // As it is written: what was read may have lost what is wrong with it.
    if let Some(why) = misfit::<K>(&object).or_else(|| broken_rule::<K>(&object, None)) {
        bail!("{kind} {name} is not valid: {why}");
    }
    let meta = read.meta_mut();
    (meta.uid, meta.deletion_timestamp) = (None, None);
    meta.namespace = Some(placed(&kind, &name, meta.namespace.take(), wanted, default)?);
    Ok(read)
}

/// The name of an object. An error where the API server would refuse it.
fn named(kind: &str, object: &Value) -> anyhow::Result<String> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    ensure!(!name.is_empty(), "a {kind} has no metadata.name: set it");
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
    };
    ensure!(
        name.len() <= 253 && name.split('.').all(is_label),
        "{kind} {name} is not valid: metadata.name is lower-case letters, digits, dashes and dots, at most 253, and begins and ends with a \
         letter or digit"
    );
    Ok(name)
}

/// The namespace that an object is applied to.
fn placed(kind: &str, name: &str, own: Option<String>, wanted: Option<&str>, default: &str) -> anyhow::Result<String> {
    let namespace = own.unwrap_or_else(|| wanted.unwrap_or(default).to_owned());
    if let Some(wanted) = wanted.filter(|wanted| *wanted != namespace) {
        bail!("{kind} {name} has the namespace {namespace} and --namespace is {wanted}: remove one of the two");
    }
    Ok(namespace)
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
        assert!(said.contains("unknown field spec.import.nmber"), "{said}");
    }

    #[test]
    fn what_the_schema_does_not_allow_is_named_by_its_field_and_not_repeated() {
        let account = |limits: Value| {
            serde_json::json!({
                "apiVersion": "dialplane.dev/v1alpha1", "kind": "CarrierAccount", "metadata": {"name": "a"},
                "spec": {"telnyx": {}, "credentialsRef": {"name": "s"}, "limits": limits},
            })
        };
        let read = |object: Value| super::read(object, None, "clinics").err().map(|error| format!("{error:#}"));
        assert_eq!(read(account(serde_json::json!({"concurrency": 2}))), None);
        let said = read(account(serde_json::json!({"concurrency": 0}))).unwrap();
        assert!(said.contains("CarrierAccount a is not valid: spec.limits.concurrency: value is less than"), "{said}");
        let mut number = parsed(FILE).unwrap().remove(1);
        number["spec"]["config"] = serde_json::json!({"prompt": "hunter2".repeat(2000)});
        let said = read(number.clone()).unwrap();
        assert!(said.contains("spec.config.prompt") && !said.contains("hunter2"), "{said}");
        number["spec"].as_object_mut().unwrap().remove("config");
        let mut search = number.clone();
        search["spec"] = serde_json::json!({"accountRef": {"name": "a"}, "purchase": {"search": {"country": "USA"}}});
        assert!(read(search).unwrap().contains("country is a two-letter country code"));
        for (field, wrong, says) in [
            ("apiVersion", "dialplane.dev/v1", "only dialplane.dev/v1alpha1 exists"),
            ("kind", "PhoneNumbr", "has no such kind"),
            ("kind", "NumberClaim", "written by the operator only"),
        ] {
            let said = read(serde_json::json!({"apiVersion": number["apiVersion"], "kind": number["kind"],
                "metadata": number["metadata"], "spec": number["spec"], field: wrong}));
            assert!(said.as_ref().is_some_and(|said| said.contains(says)), "{field} {wrong}: {said:?}");
        }
        number["metadata"]["name"] = "Main_1".into();
        assert!(read(number).unwrap().contains("metadata.name is lower-case letters"));
    }

    #[test]
    fn a_secret_is_held_against_the_namespace_as_our_kinds_are() {
        for (at, kind) in [(0, "Secret s"), (1, "PhoneNumber a")] {
            let mut object = parsed(FILE).unwrap().remove(at);
            object["metadata"]["namespace"] = "telephony".into();
            assert!(super::read(object.clone(), None, "clinics").is_ok());
            let said = super::read(object, Some("clinics"), "clinics").err().unwrap().to_string();
            assert!(said.starts_with(kind) && said.contains("--namespace is clinics"), "{said}");
        }
    }

    #[test]
    fn a_directory_is_read_as_kubectl_reads_it() {
        let dir = std::env::temp_dir().join(format!("dialplane-manifests-{}", std::process::id()));
        let write = |name: &str, kind: &str| {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{{\n\t\"kind\": \"{kind}\"}}")).unwrap();
        };
        write("b.yml", "B");
        write("a.yaml", "A");
        write("c.json", "C");
        write("README.md", "Not");
        write("deep/d.yaml", "D");
        let kinds = |filenames: &[&Path], recursive| {
            let files = Files { filenames: filenames.iter().map(|path| path.to_path_buf()).collect(), recursive };
            let objects = files.objects().map_err(|error| format!("{error:#}"))?;
            Ok::<_, String>(
                objects.iter().map(|object| object["kind"].as_str().unwrap().to_owned()).collect::<String>(),
            )
        };
        assert_eq!(kinds(&[&dir], false).unwrap(), "ABC");
        assert_eq!(kinds(&[&dir], true).unwrap(), "ABCD");
        assert_eq!(kinds(&[&dir.join("c.json"), &dir.join("deep")], false).unwrap(), "CD");
        fs::create_dir(dir.join("empty")).unwrap();
        let said = kinds(&[&dir.join("empty")], true).unwrap_err();
        assert!(said.contains("no .yaml, .yml or .json file in "), "{said}");
        assert!(kinds(&[&dir.join("none.yaml")], false).unwrap_err().contains("none.yaml"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
