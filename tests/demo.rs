//! The demo tells the whole story on real parts, leaves nothing behind, and says why when it cannot.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
};

use dialplane::{
    cli::demo::examples,
    sandbox::control_plane::{ControlPlane, KUBERNETES_VERSION},
};
use k8s_openapi::{
    api::{core::v1::Namespace, rbac::v1::ClusterRole},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize as _;
use serde_json::Value;

use crate::support::{self, crds};

/// What the story must say, in this order.
const OUTCOMES: [&str; 57] = [
    "with the rules of the chart",
    "phonenumber.dialplane.dev/london serverside-applied",
    "twilio-prod",
    "Published   3         3        True    RolledOut",
    "bookings     +14155550102    telephony/ringback-dental   v1        True    Routed",
    "https://engine.example.com/ringback-dental/v1/voice",
    "“Ringback Dental, hello! How can we help?”",
    "without the carrier's signature: 403",
    "Changed",
    "still v1; nothing was written at the carrier",
    "ringback-dental.v2",
    "“Ringback Dental, now open on Saturdays! How can we help?”",
    "event: Warning DriftCorrected",
    "v2 answers again",
    "v1 serves again",
    "ClaimedByAnother",
    "front-desk-copy: PhoneNumber",
    "voice_url=\"\" sms_url=\"\" status_callback=\"\"",
    "+442079460958 has no route and is still owned",
    "a number in 415, for at most 2.00 a month, after approval",
    "can be bought for 1.15 USD a month",
    "dialplane.dev/approve='+1415",
    "friendly_name=\"dp1:demo:",
    "Purchased",
    "(san-francisco) → POST https://engine.example.com/ringback-dental/v1/voice",
    "the connection is closed before the answer",
    "after-hours     +1415",
    "one purchase was sent and never answered",
    "its claim is unheld",
    "the same number, without approval",
    "carrieraccount.dialplane.dev/telnyx-prod serverside-applied",
    "and is held until",
    "(helpline) → POST https://engine.example.com/ringback-dental/v1/voice",
    "held, then bought",
    "in Flowyte's dashboard: +14155550151",
    "agent.dialplane.dev/flowyte-desk serverside-applied",
    "(flowyte-desk) → an agent at Flowyte, version 1",
    "“Flowyte desk, hello!”   published as “dialplane demo:",
    "no caller hears that yet",
    "“Flowyte desk, hello!”",
    "(flowyte-desk) → an agent at Flowyte, version 2",
    "“Flowyte desk, good morning!”   published as “dialplane demo:",
    "flowyte-desk   +14155550151   telephony/flowyte-desk   v2        True    Routed",
    "v2 was published at Flowyte with one request",
    "carrieraccount.dialplane.dev/twilio-for-nixflex serverside-applied",
    "calls +14155550141 (nixflex-desk) → POST https://api.nixflex.com/twilio-voice",
    "answers, as AgentVersion nixflex-desk.v1 names it",
    "phonenumber.dialplane.dev/new-patients serverside-applied",
    "(new-patients) → POST https://api.nixflex.com/twilio-voice",
    "answers, as AgentVersion nixflex-desk.v1 names it",
    "new-patients    +1415",
    "bought at Twilio and answered at Nixflex",
    "at Flowyte: +14155550151 defaultAgentId=null",
    "at Nixflex: no +14155550141; at Twilio: +14155550141 voice_url=\"\" sms_url=\"\" status_callback=\"\"",
    "both are still owned",
    "purchases 4   releases 0",
    "four purchases were sent in all, for four numbers; none was released",
];

/// Runs `dialplane demo`, beside the other tests of this run.
pub async fn demo(arguments: &[&str]) -> Output {
    // Found or built by this process first, which tells how far it is.
    let assets = support::binaries().dir().to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
    command.arg("demo").args(arguments).env("KUBEBUILDER_ASSETS", assets);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Runs `dialplane demo --keep`, and interrupts it as Ctrl-C does once it says that all is left running. Answers the story
/// and how it ended.
async fn interrupted(kubeconfig: PathBuf) -> (String, ExitStatus) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
    command.args(["demo", "--keep", "--kubeconfig"]).arg(kubeconfig).stdout(Stdio::piped());
    let run = move || {
        let mut child = command.spawn().unwrap();
        let mut story = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line.starts_with("The operator logs to") {
                Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
            }
            story += &(line + "\n");
        }
        (story, child.wait().unwrap())
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// The story, if it was told to its good end.
pub fn told(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("Every step succeeded."), "{out}");
    out.into_owned()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn the_demo_comes_true_on_a_cluster_of_its_own() {
    let story = told(&demo(&[]).await);
    assert!(story.contains(KUBERNETES_VERSION), "{story}");
    let mut rest = story.as_str();
    for outcome in OUTCOMES {
        rest =
            rest.split_once(outcome).unwrap_or_else(|| panic!("{outcome} is missing, or not in its place:\n{story}")).1;
    }
    let (_, offered) = story.split_once("san-francisco: ").unwrap();
    let (number, _) = offered.split_once(' ').unwrap();
    for of_it in [
        format!("calls {number} (san-francisco)"),
        format!("{number} has no route and is still owned"),
        format!("san-francisco   {number}   telephony/ringback-dental   v1"),
        format!("{number}   bought once, for telephony/san-francisco"),
    ] {
        assert!(story.contains(&of_it), "{of_it} is missing:\n{story}");
    }
    assert_eq!(story.matches("   bought once, for ").count(), 4, "{story}");
    assert!(!story.contains('\x1b'), "colour is for terminals");
    assert!(story.lines().count() <= 205, "{} lines are too many to enjoy", story.lines().count());
}

#[tokio::test]
async fn on_a_cluster_that_is_there_the_demo_leaves_nothing_behind_when_it_is_interrupted() {
    let control_plane = ControlPlane::start(support::binaries()).await.unwrap();
    let client = control_plane.client().await.unwrap();
    let path = control_plane.kubeconfig_path();
    let arguments = ["--kubeconfig", path.to_str().unwrap()];
    let (story, end) = interrupted(path.clone()).await;
    assert!(end.success() && story.contains("kubectl get dialplane -n dialplane-demo-"), "{end}\n{story}");

    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let (roles, namespaces) = (Api::<ClusterRole>::all(client.clone()), Api::<Namespace>::all(client.clone()));
    support::eventually("nothing of the demo is left", || async {
        let mut left: Vec<String> = vec![];
        left.extend(crds.list(&ListParams::default()).await.ok()?.iter().map(|crd| crd.name_any()));
        left.extend(roles.list(&ListParams::default()).await.ok()?.iter().map(|role| role.name_any()));
        left.extend(namespaces.list(&ListParams::default()).await.ok()?.iter().map(|namespace| namespace.name_any()));
        (!left.iter().any(|name| name.contains("dialplane"))).then_some(())
    })
    .await;

    // Somebody's Dialplane is not to be met by a second operator.
    crds.create(&PostParams::default(), &dialplane::api::crds()[0]).await.unwrap();
    let said = refused(&demo(&arguments).await);
    assert!(said.contains("Dialplane is installed in this cluster already"), "{said}");
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_named_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dead.kubeconfig");
    // Nobody listens on port 1.
    let dead = "{apiVersion: v1, kind: Config, current-context: dead,
        clusters: [{name: dead, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: dead, user: {token: none}}],
        contexts: [{name: dead, context: {cluster: dead, user: dead}}]}";
    std::fs::write(&path, dead).unwrap();
    let said = refused(&demo(&["--kubeconfig", path.to_str().unwrap()]).await);
    assert!(said.contains(&format!("the cluster of {} does not answer: check that it runs", path.display())), "{said}");
    assert!(said.contains("Connection refused"), "{said}");
}

#[tokio::test]
async fn the_examples_are_what_the_api_server_takes() {
    are_taken(&examples::objects().unwrap()).await;
}

/// Asks the API server whether it would take these manifests.
pub async fn are_taken(objects: &[Value]) {
    crds::install().await;
    let support::Namespace { name: namespace, client } = support::namespace().await;
    for object in objects {
        let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
        let params = PatchParams::apply("test").validation_strict().dry_run();
        let name = object["metadata"]["name"].as_str().unwrap();
        api.patch(name, &params, &Patch::Apply(object)).await.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }
}

#[test]
fn every_file_of_the_examples_is_in_the_demo() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    // `kubectl apply -f examples/` reads none of the folders either, and nothing that has another ending.
    let files =
        std::fs::read_dir(dir).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file());
    let files = files.map(|entry| entry.file_name().into_string().unwrap());
    let mut there: Vec<String> = files.filter(|name| name.ends_with(".yaml")).collect();
    there.sort();
    assert_eq!(there, examples::FILES.map(|(name, _)| name.to_owned()));
}

#[tokio::test]
async fn the_examples_of_each_system_are_what_the_api_server_takes_and_refer_to_each_other() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for (system, entries) in [("twilio", 4), ("telnyx", 4), ("flowyte", 4), ("nixflex", 6)] {
        let text = std::fs::read_to_string(dir.join(system).join(format!("{system}.yaml"))).unwrap();
        let documents = serde_yaml_ng::Deserializer::from_str(&text);
        let objects: Vec<Value> = documents.map(|document| Value::deserialize(document).unwrap()).collect();
        assert_eq!(objects.len(), entries, "{system}");
        are_taken(&objects).await;
        let names = |kind: &str| -> Vec<&Value> {
            objects.iter().filter(|object| object["kind"] == kind).map(|object| &object["metadata"]["name"]).collect()
        };
        for object in &objects {
            let spec = &object["spec"];
            let lent =
                spec["lendTo"].as_array().into_iter().flatten().map(|lending| ("CarrierAccount", &lending["name"]));
            let hosted = spec["draft"]["hosted"].as_array().into_iter().flatten();
            let hosted = hosted.map(|hosted| ("CarrierAccount", &hosted["accountRef"]["name"]));
            let one = [
                ("Secret", &spec["credentialsRef"]["name"]),
                ("CarrierAccount", &spec["accountRef"]["name"]),
                ("Agent", &spec["agentRef"]["name"]),
            ];
            for (kind, name) in one.into_iter().chain(lent).chain(hosted).filter(|(_, name)| !name.is_null()) {
                assert!(names(kind).contains(&name), "{system}: there is no {kind} {name}");
            }
        }
    }
}
