//! The way in and out, as docs/operations.md has it: every command of that page is run, in its order, on real API servers, with real
//! kubectl and helm, the operator as a process and a carrier that counts what was bought and written.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use dialplane::{
    api::{self, Agent, AgentVersion, CarrierAccount, PhoneNumber, meta::ALLOW_DELETE},
    sandbox::control_plane::{ControlPlane, KUBERNETES_VERSION, kubeconfig},
};
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Namespace},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

use crate::support::{
    self, chart, cli, eventually,
    process::Operator,
    scene::{ACCOUNT, AGENT, Scene},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const HOST: &str = "engine.example.com";
const V1: &str = "https://engine.example.com/dental/v1/voice";

fn page() -> String {
    fs::read_to_string(Path::new(ROOT).join("docs/operations.md")).unwrap()
}

/// The `sh` blocks of each section, under its heading.
fn sections() -> Vec<(String, Vec<String>)> {
    let page = page();
    let sections = page.split("\n## ").skip(1).map(|section| {
        let (heading, text) = section.split_once('\n').unwrap();
        let blocks = text.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0.to_owned());
        (heading.to_owned(), blocks.collect())
    });
    sections.collect()
}

/// A cluster, and whoever follows the page on it.
struct Site {
    control_plane: ControlPlane,
    dir: PathBuf,
    /// What opens the account.
    token: String,
}

impl Site {
    /// `dir` is where its files are: the same for two clusters that a backup passes between.
    async fn new(dir: &Path, token: String) -> Self {
        let control_plane = ControlPlane::start(support::binaries()).await.unwrap();
        Self { control_plane, dir: dir.to_owned(), token }
    }

    /// Runs lines of a shell.
    fn sh(&self, script: &str) -> Output {
        let tool = |name: &str, path: &Path| format!("{name}() {{ '{}' \"$@\"; }}\n", path.display());
        let tools = tool("kubectl", &cli::kubectl())
            + &tool("helm", &cli::helm())
            + &tool("dialplane", Path::new(env!("CARGO_BIN_EXE_dialplane")));
        let mut shell = Command::new("sh");
        shell.args(["-ec", &(tools + script)]).current_dir(&self.dir).env("AUTH_TOKEN", &self.token);
        shell.env("KUBECONFIG", self.control_plane.kubeconfig_path()).env_remove("DIALPLANE_INSTALLATION");
        shell.output().unwrap()
    }

    /// Runs one block of a section as it stands there; answers what it printed.
    fn block(&self, followed: &mut BTreeSet<(String, usize)>, heading: &str, block: usize) -> String {
        let sections = sections();
        let (_, blocks) = sections.iter().find(|(name, _)| name == heading).unwrap_or_else(|| panic!("no {heading}"));
        followed.insert((heading.to_owned(), block));
        // No pod ever runs here: that there is a Deployment to wait for is all that can be said.
        let script = blocks[block].replace("rollout status", "get");
        let output = self.sh(&script);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{heading}:\n{script}\n{out}{err}");
        out + &err
    }

    /// The operator, with the rights that the release gives it.
    async fn operator(&self, name: &str, scene: &Scene) -> Operator {
        let access = kubeconfig::for_service_account(self.control_plane.kubeconfig(), chart::NAMESPACE, "dialplane");
        let file = self.dir.join(format!("{name}.kubeconfig"));
        kubeconfig::write(&access.await.unwrap(), &file).unwrap();
        // What the release gives its pod, as far as it matters here.
        let deployments: Api<Deployment> = Api::namespaced(scene.client.clone(), chart::NAMESPACE);
        let pod = json!(deployments.get("dialplane").await.unwrap().spec.unwrap().template);
        assert!(pod.to_string().contains("prod-eu"), "{pod}");
        let url = scene.sandbox.url();
        let flags = ["--installation=prod-eu", "--settling-time=3s", "--allow-endpoint", url];
        let operator = Operator::start(&file, &self.dir, name, &flags);
        operator.leads().await;
        operator
    }

    /// What `dialplane uninstall --plan` says, and its exit code.
    fn plan(&self) -> (i32, String) {
        let output = self.sh("dialplane uninstall --plan");
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    }

    /// The same once it is as it will stay.
    async fn plans(&self, code: i32) -> String {
        let last = std::sync::Mutex::new(String::new());
        let ask = || async {
            let (ended, text) = self.plan();
            *last.lock().unwrap() = text;
            (ended == code).then_some(())
        };
        if tokio::time::timeout(std::time::Duration::from_secs(60), eventually("the plan", ask)).await.is_err() {
            panic!("it never ended with {code}; last:\n{}", last.lock().unwrap());
        }
        last.into_inner().unwrap()
    }
}

/// Follows the page, and remembers which blocks it has run.
#[tokio::test]
async fn every_command_of_the_page_works_and_no_number_is_lost_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["charts", "crds"] {
        std::os::unix::fs::symlink(Path::new(ROOT).join(name), dir.path().join(name)).unwrap();
    }
    let mut followed = BTreeSet::new();
    let old = Site::new(dir.path(), String::new()).await;

    old.block(&mut followed, "Install", 0);
    let mut scene = Scene::on(old.control_plane.client().await.unwrap()).await;
    old.sh("kubectl create namespace telephony");
    scene.namespace = "telephony".to_owned();
    let operator = old.operator("old", &scene).await;
    scene.open(json!({})).await;
    scene.agent(HOST, Some("v1")).await;
    scene.reason::<Agent>(AGENT, "Published", "Published").await;
    let [main, line] = [(); 2].map(|()| scene.owned());
    scene.phone_number("main", &main, json!({})).await;
    scene.phone_number("old-line", &line, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.reason::<PhoneNumber>("old-line", "Ready", "Routed").await;
    scene.purchase("clinic", json!({})).await;
    let bought = scene.routed_number("clinic").await;
    scene.has_bought(1).await;
    let served = [&*main, &*bought];
    let is_served = || assert_eq!(served.map(|number| scene.voice_url(number)), [V1, V1]);
    is_served();

    old.plans(0).await;
    old.block(&mut followed, "Upgrade", 0);
    old.block(&mut followed, "Roll back", 0);
    old.block(&mut followed, "Roll back", 1);
    is_served();

    guarded(&old, &mut followed, &scene, &line).await;
    is_served();

    // Out: nothing at the carrier changes, and every object stays.
    let before = scene.sandbox.ledger().writes();
    old.plans(0).await;
    let said = old.block(&mut followed, "Uninstall and keep every number in service", 0);
    for text in ["of which 2 in service", &*bought, "telephony/dental v1", "Keep the Secret telephony/twilio"] {
        assert!(said.contains(text), "lacks {text:?}:\n{said}");
    }
    drop(operator);
    assert!(scene.get::<PhoneNumber>("main").await.is_some() && scene.get::<AgentVersion>("dental.v1").await.is_some());
    assert_eq!(scene.sandbox.ledger().writes(), before);

    // And in again: nothing is written.
    old.block(&mut followed, "Uninstall and keep every number in service", 1);
    let operator = old.operator("again", &scene).await;
    scene.request("main").await;
    scene.request("clinic").await;
    old.plans(0).await;
    assert_eq!(scene.sandbox.ledger().writes(), before);
    is_served();

    old.block(&mut followed, "Back up", 0);
    drop(operator);
    // Without the operator a deletion does not end, and the plan says so.
    scene.delete::<PhoneNumber>("main").await;
    let said = old.plans(2).await;
    assert!(said.contains("Do not uninstall yet:\n  PhoneNumber telephony/main is being deleted"), "{said}");

    moved(&old, dir.path(), &mut followed, &scene, served).await;

    let there: BTreeSet<(String, usize)> = sections()
        .iter()
        .flat_map(|(heading, blocks)| (0..blocks.len()).map(|block| (heading.clone(), block)))
        .collect();
    assert_eq!(followed, there, "the commands that were run, and those of the page");
}

/// What the API server says where a deletion has to be allowed first.
fn refused<T>(answer: kube::Result<T>) -> Option<String> {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Some(status.message).filter(|m| m.contains(ALLOW_DELETE))
        }
        _ => None,
    }
}

/// Numbers in service are not deleted by mistake, with or without their namespace.
async fn guarded(site: &Site, followed: &mut BTreeSet<(String, usize)>, scene: &Scene, line: &str) {
    let heading = "A namespace deleted by mistake";
    let clinics = scene.elsewhere().await;
    clinics.open(json!({})).await;
    clinics.agent(HOST, Some("v1")).await;
    clinics.reason::<Agent>(AGENT, "Published", "Published").await;
    let desk = clinics.owned();
    clinics.phone_number("desk", &desk, json!({})).await;
    clinics.reason::<PhoneNumber>("desk", "Ready", "Routed").await;
    // One that is not in service may go with or without the policy.
    let idle = clinics.owned();
    clinics.phone_number("idle", &idle, json!({"agentRef": null})).await;
    clinics.reason::<PhoneNumber>("idle", "Ready", "Unassigned").await;

    site.block(followed, heading, 0);
    let numbers: Api<PhoneNumber> = clinics.api();
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let dry = DeleteParams { dry_run: true, ..DeleteParams::default() };
    let ask = || async { refused(numbers.delete("desk", &dry).await) };
    let message = eventually("a number in service is not deleted", ask).await;
    assert!(message.contains(&desk) && message.contains(&format!("{}/desk", clinics.namespace)), "{message}");
    let ask = || async { refused(namespaces.delete(&clinics.namespace, &dry).await) };
    let message = eventually("a namespace with one is not deleted", ask).await;
    assert!(message.contains(&desk), "{message}");
    let ask = || async { refused(clinics.api::<Agent>().delete(AGENT, &dry).await) };
    let message = eventually("an agent that has numbers is not deleted", ask).await;
    assert!(message.contains(&format!("Agent {}/{AGENT} has 1 numbers", clinics.namespace)), "{message}");
    // Also where its only number is one that is left alone.
    clinics.patch::<PhoneNumber>("desk", json!({"spec": {"suspend": true}})).await;
    let is_unassigned = || async {
        let numbers = clinics.get::<Agent>(AGENT).await?.status?.numbers?;
        ((numbers.assigned, numbers.routed) == (0, 1)).then_some(())
    };
    eventually("a suspended number is not assigned", is_unassigned).await;
    assert!(refused(clinics.api::<Agent>().delete(AGENT, &dry).await).is_some());
    clinics.patch::<PhoneNumber>("desk", json!({"spec": {"suspend": false}})).await;
    // What is not in service, and namespaces without any, go as before.
    clinics.delete::<PhoneNumber>("idle").await;
    clinics.gone::<PhoneNumber>("idle").await;
    let empty = scene.elsewhere().await;
    namespaces.delete(&empty.namespace, &DeleteParams::default()).await.unwrap();

    // The namespace goes anyway, as where the API server cannot look its numbers up: they stay, and are answered.
    let binding = "validatingadmissionpolicybinding dialplane-namespaces-in-service";
    assert!(site.sh(&format!("kubectl delete {binding}")).status.success());
    eventually("the namespace may go", || async { namespaces.delete(&clinics.namespace, &dry).await.ok() }).await;
    namespaces.delete(&clinics.namespace, &DeleteParams::default()).await.unwrap();
    eventually("the namespace is held up by its numbers", || async {
        let namespace = namespaces.get(&clinics.namespace).await.unwrap();
        json!(namespace.status).to_string().contains(ALLOW_DELETE).then_some(())
    })
    .await;
    assert!(clinics.get::<PhoneNumber>("desk").await.unwrap().metadata.deletion_timestamp.is_none());
    assert_eq!((&*clinics.voice_url(&desk), clinics.writes_to(&desk)), (V1, 1));
    let said = site.plans(2).await;
    assert!(said.contains(&format!("Namespace {} is being deleted, with ", clinics.namespace)), "{said}");
    // Allowed, with the route left as it is: callers notice nothing.
    let allow = json!({"metadata": {"annotations": {ALLOW_DELETE: "true"}}, "spec": {"onDelete": "Leave"}});
    clinics.patch::<PhoneNumber>("desk", allow).await;
    let gone = || async { namespaces.get_opt(&clinics.namespace).await.unwrap().is_none().then_some(()) };
    eventually("the namespace is gone", gone).await;
    assert_eq!((&*clinics.voice_url(&desk), clinics.writes_to(&desk)), (V1, 1));

    site.block(followed, heading, 1);
    scene.gone::<PhoneNumber>("old-line").await;
    assert_eq!(scene.voice_url(line), "");
}

/// The backup goes into another cluster, whose objects have other uids: nothing is bought, and nothing that is as wanted is written.
async fn moved(old: &Site, dir: &Path, followed: &mut BTreeSet<(String, usize)>, scene: &Scene, served: [&str; 2]) {
    let before = scene.sandbox.ledger().writes();
    let new = Site::new(dir, scene.sandbox.credentials().auth_token).await;
    new.block(followed, "Move to another cluster", 0);
    let mut there = scene.elsewhere_on(new.control_plane.client().await.unwrap()).await;
    there.namespace = "telephony".to_owned();
    let operator = new.operator("new", &there).await;
    for name in ["main", "clinic"] {
        there.reason::<PhoneNumber>(name, "Ready", "Routed").await;
    }
    there.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    there.reason::<Agent>(AGENT, "Published", "Published").await;
    let held: Vec<Value> =
        futures::future::join_all(served.map(async |number| json!(there.claim(number).await.unwrap().spec.holder)))
            .await;
    for (holder, name) in held.iter().zip(["main", "clinic"]) {
        let number: PhoneNumber = there.get(name).await.unwrap();
        assert_eq!(holder["uid"], json!(number.metadata.uid), "{name}");
    }
    assert_eq!(served.map(|number| there.voice_url(number)), [V1, V1]);
    assert_eq!((there.sandbox.ledger().writes(), there.sandbox.ledger().purchases()), (before, 1));

    // Out again, and the routes with it.
    new.block(followed, "Uninstall and clear the routes", 0);
    assert_eq!(served.map(|number| there.voice_url(number)), ["", ""]);
    drop(operator);

    // The first cluster, whose operator is back, loses its definitions: the routes stay.
    let again = "Uninstall and keep every number in service";
    let strip = r#"kubectl patch phonenumber main -n telephony --type merge -p '{"metadata":{"finalizers":null}}'"#;
    assert!(old.sh(strip).status.success());
    assert!(old.sh("helm uninstall dialplane -n dialplane-system").status.success());
    old.block(followed, again, 1);
    let operator = old.operator("last", scene).await;
    let [main, bought] = served;
    scene.phone_number("main", main, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    scene.request("clinic").await;
    assert_eq!(served.map(|number| scene.voice_url(number)), [V1, V1]);
    old.block(followed, "Remove the CRDs", 0);
    drop(operator);
    let definitions: Api<CustomResourceDefinition> = Api::all(scene.client.clone());
    for crd in api::crds() {
        let name = crd.metadata.name.unwrap();
        assert!(definitions.get_opt(&name).await.unwrap().is_none(), "{name} is still there");
    }
    assert_eq!([main, bought].map(|number| scene.voice_url(number)), [V1, V1]);
    assert_eq!((scene.sandbox.ledger().purchases(), scene.sandbox.ledger().releases()), (1, 0));
}

#[test]
fn the_page_names_the_tested_kubernetes() {
    let minor = KUBERNETES_VERSION.trim_start_matches('v').rsplit_once('.').unwrap().0;
    assert!(page().contains(&format!("`control-plane/kube/go.mod`, {minor}.")), "{minor}");
    let chart = fs::read_to_string(Path::new(chart::CHART).join("Chart.yaml")).unwrap();
    assert!(chart.contains("kubeVersion: \">=1.30.0-0\"") && page().contains("on 1.30 and later"));
}
