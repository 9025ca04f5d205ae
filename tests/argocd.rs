//! The health checks and actions for Argo CD, run in a Lua of the version that Argo CD has, with as little of its library.

use std::{collections::BTreeMap, fs, path::Path};

use dialplane::{
    api::{
        self, Agent, PhoneNumber,
        conditions::{Class, Finding, REASONS, conditions},
        meta::{ABANDON, APPROVE, RECONCILE_REQUESTED},
    },
    cli::demo::examples,
};
use jiff::{Span, Timestamp};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use mlua::{Lua, LuaSerdeExt as _, StdLib, serde::SerializeOptions};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{
    schema::manifests,
    support::{
        self, chart,
        scene::{ACCOUNT, AGENT, Scene, webhooks},
    },
};

/// What the chart would have merged into argocd-cm.
fn customizations() -> BTreeMap<String, String> {
    let objects = chart::render(&["argocd.customizations=true"]);
    let ours = objects.into_iter().find(|object| object["kind"] == "ConfigMap").unwrap();
    assert_eq!(ours["metadata"]["name"], "dialplane-argocd");
    serde_json::from_value(ours["data"].clone()).unwrap()
}

/// What a script makes of an object. The library is that which Argo CD opens: of `os` only the time.
fn run(script: &str, object: &Value) -> Result<Value, String> {
    let lua = Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::OS, mlua::LuaOptions::default()).unwrap();
    lua.load("os = {date = os.date, time = os.time}; io = nil").exec().unwrap();
    let options = SerializeOptions::new().set_array_metatable(false);
    lua.globals().set("obj", lua.to_value_with(object, options).unwrap()).unwrap();
    let answer: mlua::Value = lua.load(script).eval().map_err(|error| error.to_string())?;
    Ok(lua.from_value(answer).unwrap())
}

/// The status that Argo CD shows.
fn health(script: &str, object: &Value) -> String {
    let answer = run(script, object).unwrap();
    assert!(!answer["message"].as_str().unwrap().is_empty(), "{answer}");
    answer["status"].as_str().unwrap().to_owned()
}

/// An object that `conditions` were said of, in the generation that was looked at and the one that it has.
fn object(kind: &str, conditions: &[impl serde::Serialize], observed: i64, generation: i64) -> Value {
    let mut object = manifests::good(kind);
    object["metadata"]["generation"] = json!(generation);
    object["status"] = json!({"observedGeneration": observed, "conditions": conditions});
    object
}

const OBSERVED: [&str; 4] = ["CarrierAccount", "PhoneNumber", "Agent", "AgentVersion"];

#[test]
fn every_kind_has_a_health_check_and_every_file_is_in_the_chart() {
    let customizations = customizations();
    let dir = Path::new(chart::CHART).join("files/argocd/resource_customizations/dialplane.dev");
    for crd in api::crds() {
        let kind = &crd.spec.names.kind;
        let file = fs::read_to_string(dir.join(kind).join("health.lua")).unwrap();
        assert_eq!(customizations[&format!("resource.customizations.health.dialplane.dev_{kind}")], file, "{kind}");
        let actions = customizations.get(&format!("resource.customizations.actions.dialplane.dev_{kind}"));
        assert_eq!(actions.is_some(), dir.join(kind).join("actions").exists(), "{kind}");
    }
    assert_eq!(fs::read_dir(dir).unwrap().count(), api::crds().len());
    let checks = OBSERVED.map(|kind| &customizations[&format!("resource.customizations.health.dialplane.dev_{kind}")]);
    assert!(checks.iter().all(|check| *check == checks[0]), "what has conditions is read in one way");
    assert!(!chart::render(&[]).iter().any(|object| object["kind"] == "ConfigMap"), "only where it is asked for");
}

#[test]
fn health_follows_every_reason() {
    let customizations = customizations();
    let now = Timestamp::UNIX_EPOCH;
    let later = now + Span::new().minutes(6);
    for kind in OBSERVED {
        let script = &customizations[&format!("resource.customizations.health.dialplane.dev_{kind}")];
        for row in REASONS {
            let said = conditions(&[], &[Finding::from(row.reason)], Some(2), now);
            let first = match row.class {
                Class::Good | Class::Asked => "Healthy",
                Class::Working | Class::Waiting | Class::Blocked => "Progressing",
                Class::Stalled => "Degraded",
            };
            let seen = object(kind, &said, 2, 2);
            assert_eq!(health(script, &seen), first, "{kind} {}", row.name);
            let message = run(script, &seen).unwrap()["message"].to_string();
            assert!(message.contains(row.name), "{kind} {}: {message}", row.name);
            assert_eq!(health(script, &object(kind, &said, 1, 2)), "Progressing", "{kind} {}: another spec", row.name);

            let in_the_end = conditions(&said, &[Finding::from(row.reason)], Some(2), later);
            let last = if row.class == Class::Blocked { "Degraded" } else { first };
            assert_eq!(health(script, &object(kind, &in_the_end, 2, 2)), last, "{kind} {} for long", row.name);

            if kind == "PhoneNumber" {
                let mut suspended = object(kind, &in_the_end, 2, 2);
                suspended["spec"]["suspend"] = json!(true);
                let last = if last == "Degraded" { last } else { "Suspended" };
                assert_eq!(health(script, &suspended), last, "{} while suspended", row.name);
            }
        }
    }
}

#[test]
fn what_nobody_has_looked_at_is_progressing() {
    let customizations = customizations();
    for kind in OBSERVED {
        let script = &customizations[&format!("resource.customizations.health.dialplane.dev_{kind}")];
        for status in
            [None, Some(json!({})), Some(json!({"observedGeneration": -1})), Some(json!({"observedGeneration": 1}))]
        {
            let mut object = manifests::good(kind);
            object["metadata"]["generation"] = json!(1);
            if let Some(status) = &status {
                object["status"] = status.clone();
            }
            assert_eq!(health(script, &object), "Progressing", "{kind} {status:?}");
        }
    }
    // These two have no status: what there is to say of them stands in the PhoneNumber.
    for kind in ["NumberClaim", "NumberPurchase"] {
        let script = &customizations[&format!("resource.customizations.health.dialplane.dev_{kind}")];
        assert_eq!(health(script, &manifests::good(kind)), "Healthy");
    }
}

/// The actions of a kind: the script that lists them, and each with its own.
fn actions(kind: &str) -> (String, BTreeMap<String, String>) {
    let text = &customizations()[&format!("resource.customizations.actions.dialplane.dev_{kind}")];
    let actions: Value = serde_yaml_ng::from_str(text).unwrap();
    let string = |value: &Value| value.as_str().unwrap().to_owned();
    let definitions = actions["definitions"].as_array().unwrap().iter();
    let definitions = definitions.map(|action| (string(&action["name"]), string(&action["action.lua"])));
    (string(&actions["discovery.lua"]), definitions.collect())
}

/// Which actions are offered for an object.
fn offered(discovery: &str, object: &Value) -> Vec<String> {
    let listed = run(discovery, object).unwrap();
    let mut offered: Vec<String> = listed
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, action)| action["disabled"] != true)
        .map(|(name, _)| name.clone())
        .collect();
    offered.sort();
    offered
}

#[test]
fn what_is_offered_is_what_there_is_and_what_makes_sense_now() {
    for kind in ["CarrierAccount", "Agent", "PhoneNumber"] {
        let (discovery, definitions) = actions(kind);
        let listed = run(&discovery, &manifests::good(kind)).unwrap();
        assert!(listed.as_object().unwrap().keys().eq(definitions.keys()), "{kind}: {listed}");
    }
    let (discovery, _) = actions("PhoneNumber");
    let mut number = manifests::good("PhoneNumber");
    assert_eq!(offered(&discovery, &number), ["reconcile", "suspend"]);
    number["spec"]["suspend"] = json!(true);
    number["status"] = json!({"offer": {"number": "+14155553010"}});
    assert_eq!(offered(&discovery, &number), ["approve", "reconcile", "resume"]);
    number["metadata"]["annotations"] = json!({APPROVE: "+14155553010"});
    number["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(offered(&discovery, &number), ["abandon", "reconcile", "resume"]);
}

#[test]
fn actions_set_what_people_set_and_say_yes_to_nothing_that_is_not_asked() {
    let (_, definitions) = actions("PhoneNumber");
    let number = manifests::good("PhoneNumber");
    let after =
        |action: &str, object: &Value| PhoneNumber::deserialize(run(&definitions[action], object).unwrap()).unwrap();
    let suspended = after("suspend", &number);
    assert!(suspended.spec.suspend);
    assert!(!after("resume", &json!(suspended)).spec.suspend);
    let annotation = |object: PhoneNumber, name: &str| object.metadata.annotations.unwrap()[name].clone();
    let requested = annotation(after("reconcile", &number), RECONCILE_REQUESTED);
    assert!(requested.parse::<Timestamp>().is_ok(), "{requested}");

    assert!(run(&definitions["approve"], &number).unwrap_err().contains("status.offer shows no number"));
    let mut offered = number.clone();
    offered["status"] = json!({"offer": {"number": "+14155553010"}});
    let approved = run(&definitions["approve"], &offered).unwrap();
    assert_eq!(approved["metadata"]["annotations"], json!({APPROVE: "+14155553010"}));

    assert!(run(&definitions["abandon"], &number).unwrap_err().contains("only an object that is being deleted"));
    for kind in ["PhoneNumber", "CarrierAccount"] {
        let (_, definitions) = actions(kind);
        let mut going = manifests::good(kind);
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        going["metadata"]["annotations"] = json!({"mine": "stays"});
        let abandoned = run(&definitions["abandon"], &going).unwrap();
        assert_eq!(abandoned["metadata"]["annotations"], json!({ABANDON: "true", "mine": "stays"}), "{kind}");
    }
}

#[test]
fn the_applications_of_the_examples_lead_to_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("examples/argocd/applications.yaml")).unwrap();
    let applications: Vec<Value> =
        serde_yaml_ng::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect();
    assert_eq!(applications.len(), 2);
    for application in &applications {
        let spec = &application["spec"];
        assert!(root.join(spec["source"]["path"].as_str().unwrap()).is_dir(), "{spec}");
        let options = spec["syncPolicy"]["syncOptions"].as_array().unwrap();
        assert!(options.contains(&json!("ServerSideApply=true")), "{spec}");
    }
    let values = tempfile::NamedTempFile::new().unwrap();
    fs::write(values.path(), applications[0]["spec"]["source"]["helm"]["valuesObject"].to_string()).unwrap();
    chart::render_with(&["-f", values.path().to_str().unwrap()]);
    // Taking a number out of Git must not be able to take it off the air by itself.
    assert_eq!(applications[1]["spec"]["syncPolicy"]["automated"]["prune"], false);
}

/// Where the objects are that are of the kind of this manifest.
fn objects(client: &Client, namespace: &str, manifest: &Value) -> Api<DynamicObject> {
    let (group, version) = manifest["apiVersion"].as_str().unwrap().split_once('/').unwrap();
    let kind = GroupVersionKind::gvk(group, version, manifest["kind"].as_str().unwrap());
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk(&kind))
}

/// Syncs a manifest as Argo CD does; what the API server has then.
async fn sync(client: &Client, namespace: &str, manifest: &Value, dry_run: bool) -> Value {
    let objects = objects(client, namespace, manifest);
    let params = PatchParams { dry_run, ..PatchParams::apply("argocd-controller").force().validation_strict() };
    let name = manifest["metadata"]["name"].as_str().unwrap();
    serde_json::to_value(objects.patch(name, &params, &Patch::Apply(manifest)).await.unwrap()).unwrap()
}

/// What is said here is there, and equal. So Argo CD compares what Git has with what is live when it does not ask the API server: what
/// Git does not name is nobody's business, and empty is as good as absent.
fn differs(path: &str, git: &Value, live: &Value) -> Vec<String> {
    match (git, live) {
        (Value::Object(git), live) => {
            git.iter().flat_map(|(name, value)| differs(&format!("{path}.{name}"), value, &live[name])).collect()
        }
        (Value::Array(git), Value::Array(live)) if git.len() == live.len() => {
            git.iter().zip(live).flat_map(|(git, live)| differs(&format!("{path}[]"), git, live)).collect()
        }
        (git, live) if git == live => Vec::new(),
        (git, live) => vec![format!("{path}: {git} in Git, {live} live")],
    }
}

#[tokio::test]
async fn what_the_api_server_and_the_operator_fill_in_is_no_difference() {
    let scene = Scene::new().await;
    let number = scene.owned();
    let of_scene = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "dialplane.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let agent =
        of_scene("Agent", AGENT, json!({"version": "v1", "draft": {"webhooks": webhooks("engine.example.com")}}));
    let import = json!({"accountRef": {"name": ACCOUNT}, "import": {"number": number}, "agentRef": {"name": AGENT}});
    let managed = [agent, of_scene("PhoneNumber", "main", import)];
    let examples = examples::objects().unwrap().into_iter().filter(|object| object["kind"] != "Secret");
    // Those of the examples are looked at by nobody: what is seen of them is what the API server makes of them.
    let apart = support::namespace().await.name;
    let mut all: Vec<(&str, Value)> = examples.map(|object| (&*apart, object)).collect();
    all.extend(managed.into_iter().map(|object| (&*scene.namespace, object)));
    for (namespace, manifest) in &all {
        sync(&scene.client, namespace, manifest, false).await;
    }
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.reason::<Agent>(AGENT, "Ready", "RolledOut").await;

    for (namespace, manifest) in &all {
        let name = &manifest["metadata"]["name"];
        let stripped = |mut object: Value| {
            let metadata = object["metadata"].as_object_mut().unwrap();
            ["managedFields", "resourceVersion"].iter().for_each(|field| drop(metadata.remove(*field)));
            object
        };
        let live = objects(&scene.client, namespace, manifest).get(name.as_str().unwrap()).await.unwrap();
        let live = stripped(serde_json::to_value(live).unwrap());
        let again = stripped(sync(&scene.client, namespace, manifest, true).await);
        assert_eq!(live, again, "{name}: compared by the API server");
        assert_eq!(differs("", manifest, &live), Vec::<String>::new(), "{name}: compared by Argo CD");
    }
}
