//! What the real Kustomize makes of the definitions, the examples, and references whose names it changes.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use dialplane::{api, cli::demo::examples};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::cli;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn build(dir: &Path) -> Vec<Value> {
    let output = Command::new(cli::kubectl()).arg("kustomize").arg(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let documents = serde_yaml_ng::Deserializer::from_slice(&output.stdout);
    documents.map(|document| Value::deserialize(document).unwrap()).collect()
}

fn read(path: &str) -> Value {
    serde_yaml_ng::from_str(&fs::read_to_string(Path::new(ROOT).join(path)).unwrap()).unwrap()
}

/// In an order of their own: Kustomize has its own.
fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
    objects.sort_by_key(|object| format!("{} {}", object["kind"], object["metadata"]["name"]));
    objects
}

#[test]
fn the_definitions_are_built_as_they_are_and_none_is_deleted_by_the_tools_that_apply_them() {
    let crds: Vec<Value> = api::crds().iter().map(|crd| json!(crd)).collect();
    let built = sorted(build(&Path::new(ROOT).join("crds")));
    assert_eq!(built.len(), crds.len());
    for (built, crd) in built.iter().zip(sorted(crds)) {
        // It writes 1000.0 as 1000.
        assert_eq!(built["metadata"], crd["metadata"]);
        let annotations = &built["metadata"]["annotations"];
        assert_eq!(annotations["helm.sh/resource-policy"], "keep");
        assert_eq!(annotations["argocd.argoproj.io/sync-options"], "Prune=false");
        assert_eq!(annotations["kustomize.toolkit.fluxcd.io/prune"], "disabled");
    }
}

#[test]
fn the_examples_are_built_as_they_are() {
    assert_eq!(sorted(build(&Path::new(ROOT).join("examples"))), sorted(examples::objects().unwrap()));
}

/// Every field of these kinds that holds the name of another object, with the kind of that, and how one is written.
const REFERENCES: &str = r"
apiVersion: dialplane.dev/v1alpha1
kind: CarrierAccount
metadata: {name: carrier}
spec: {credentialsRef: {name: secret}, lendTo: [{name: elsewhere}, {name: carrier}]}
---
apiVersion: dialplane.dev/v1alpha1
kind: Agent
metadata: {name: desk}
spec: {draft: {hosted: [{accountRef: {name: elsewhere}}, {accountRef: {name: carrier}}]}}
---
apiVersion: dialplane.dev/v1alpha1
kind: AgentVersion
metadata: {name: desk.v1}
spec: {agent: desk, version: v1, hosted: [{accountRef: {name: carrier}}]}
---
apiVersion: dialplane.dev/v1alpha1
kind: PhoneNumber
metadata: {name: line}
spec: {accountRef: {name: carrier}, agentRef: {name: desk}}
";

/// A build of [`REFERENCES`] with a generated Secret and a prefix, with these components.
fn overlay(components: &[&str]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for name in ["kustomization.yaml", "kustomizeconfig.yaml"] {
        write(&format!("kustomize/{name}"), &fs::read_to_string(Path::new(ROOT).join("kustomize").join(name)).unwrap());
    }
    write("prod/references.yaml", REFERENCES);
    let kustomization = json!({
        "namePrefix": "prod-", "namespace": "telephony", "resources": ["references.yaml"], "components": components,
        "secretGenerator": [{"name": "secret", "literals": ["authToken=x"]}],
    });
    write("prod/kustomization.yaml", &kustomization.to_string());
    build(&dir.path().join("prod"))
}

/// The names that stand in these objects, in one line each.
fn names(objects: &[Value]) -> Vec<String> {
    let one = |kind: &str| &objects.iter().find(|object| object["kind"] == kind).unwrap()["spec"];
    let (account, agent, version, number) =
        (one("CarrierAccount"), one("Agent"), one("AgentVersion"), one("PhoneNumber"));
    [
        &account["credentialsRef"]["name"],
        &account["lendTo"][0]["name"],
        &account["lendTo"][1]["name"],
        &agent["draft"]["hosted"][0]["accountRef"]["name"],
        &agent["draft"]["hosted"][1]["accountRef"]["name"],
        &version["agent"],
        &version["hosted"][0]["accountRef"]["name"],
        &number["accountRef"]["name"],
        &number["agentRef"]["name"],
    ]
    .map(|name| name.as_str().unwrap().to_owned())
    .into()
}

#[test]
fn every_reference_follows_the_name_of_its_object() {
    let objects = overlay(&["../kustomize"]);
    let secret = objects.iter().find(|object| object["kind"] == "Secret").unwrap();
    let secret = secret["metadata"]["name"].as_str().unwrap();
    assert!(secret.starts_with("prod-secret-"), "{secret}");
    let account = "prod-carrier";
    assert_eq!(
        names(&objects),
        [secret, "elsewhere", account, "elsewhere", account, "prod-desk", account, account, "prod-desk"]
    );
    // What the component is for: Kustomize alone changes none of them.
    let alone = ["secret", "elsewhere", "carrier", "elsewhere", "carrier", "desk", "carrier", "carrier", "desk"];
    assert_eq!(names(&overlay(&[])), alone);
}

/// The fields of a schema that hold a reference: objects of a name and little else.
fn references(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    let fields = schema["properties"].as_object();
    if fields.is_some_and(|fields| fields.contains_key("name")) {
        found.insert(format!("{path}/name"));
    }
    for (name, field) in fields.into_iter().flatten() {
        let items = if field["items"].is_object() { &field["items"] } else { field };
        references(&format!("{path}/{name}"), items, found);
    }
}

#[test]
fn every_reference_of_the_definitions_is_configured() {
    let config = read("kustomize/kustomizeconfig.yaml");
    let references_of = |kind: &str| -> BTreeSet<String> {
        let fields = config["nameReference"].as_array().unwrap().iter().flat_map(|to| to["fieldSpecs"].as_array());
        let of_kind = fields.flatten().filter(|field| field["kind"] == kind);
        of_kind.map(|field| field["path"].as_str().unwrap().to_owned()).collect()
    };
    for crd in api::crds() {
        let kind = &*crd.spec.names.kind;
        // These two are the operator's own: nobody builds them.
        if ["NumberClaim", "NumberPurchase"].contains(&kind) {
            continue;
        }
        let schema = json!(crd.spec.versions[0].schema)["openAPIV3Schema"]["properties"]["spec"].clone();
        let mut expected = BTreeSet::new();
        references("spec", &schema, &mut expected);
        if kind == "AgentVersion" {
            // The one reference that is a name by itself.
            expected.insert("spec/agent".to_owned());
        }
        assert_eq!(references_of(kind), expected, "{kind}");
    }
}
