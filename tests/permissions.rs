//! The operator has every permission that it uses, and uses every permission that it has.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use dialplane::{
    api::{
        Agent, AgentVersion, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber,
        meta::{IN_USE_FINALIZER, RECONCILE_REQUESTED},
    },
    sandbox::{
        carrier::{
            AccountSeed, Sandbox, SandboxConfig,
            faults::{Fault, Match, Rule},
        },
        control_plane::{ControlPlane, kubeconfig},
    },
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{
    self,
    audit::{self, Permission},
    chart, crds, eventually,
    process::Operator,
    scene::{ACCOUNT, AGENT, Scene},
};

/// What the chart grants the operator.
fn granted() -> BTreeSet<Permission> {
    let role = |object: &Value| object["kind"] == "ClusterRole" && object["metadata"]["name"] == "dialplane-operator";
    let role = chart::render(&[]).into_iter().find(role).unwrap();
    let list = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap_or_default() };
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        let names = list(&rule["resourceNames"]);
        let names = if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
        for group in list(&rule["apiGroups"]) {
            for resource in list(&rule["resources"]) {
                for verb in list(&rule["verbs"]) {
                    let grant = |name: &Option<String>| (group.clone(), resource.clone(), verb.clone(), name.clone());
                    granted.extend(names.iter().map(grant));
                }
            }
        }
    }
    granted
}

/// A control plane of its own, so that the audit log is about one operator and one life, and the operator as a process.
struct Stage {
    control_plane: ControlPlane,
    operator: Operator,
    scene: Scene,
    granted: BTreeSet<Permission>,
    _dir: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let control_plane = ControlPlane::start(support::binaries()).await.unwrap();
        let client = control_plane.client().await.unwrap();
        let access = chart::access(control_plane.kubeconfig()).await;
        // It works under them as without.
        chart::guard(&client).await;
        crds::apply(&client).await;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kubeconfig");
        kubeconfig::write(&access, &file).unwrap();
        let config = SandboxConfig { accounts: vec![AccountSeed::default()], ..SandboxConfig::default() };
        let sandbox = Arc::new(Sandbox::start(config).unwrap());
        let flags = ["--lease-duration=9s", "--settling-time=3s", "--allow-endpoint", sandbox.url()];
        let operator = Operator::start(&file, dir.path(), "dialplane", &flags);
        operator.leads().await;
        let scene = Scene { client, namespace: "default".to_owned(), sandbox, bought: Default::default() };
        Self { control_plane, operator, scene, granted: granted(), _dir: dir }
    }

    /// What the operator has used so far. A refusal fails the test at once.
    fn used(&self) -> BTreeSet<Permission> {
        // A name counts where the role has names, and only if it is one of them.
        let is_named = |permission: &Permission| self.granted.contains(permission);
        let (used, refused) = audit::used(&self.control_plane.audit_log_path(), chart::USER, is_named);
        assert!(refused.is_empty(), "refused: {refused:?}\n{}", self.operator.log());
        used
    }

    fn has_used(&self, verb: &str, resource: &str) -> bool {
        self.used().iter().any(|(_, used, by, _)| used == resource && by == verb)
    }

    /// Does `stir` again and again until the operator has done that. For a race that it must lose once.
    async fn until<F: Future<Output = ()>>(&self, verb: &str, resource: &str, stir: impl Fn(u32) -> F) {
        let count = AtomicU32::new(0);
        eventually(&format!("the operator asks to {verb} {resource}"), || async {
            // It looks up what it has lost against, at its next step.
            for _ in 0..20 {
                stir(count.fetch_add(1, Ordering::Relaxed)).await;
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            self.has_used(verb, resource).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_whole_life_uses_every_permission_of_the_chart_and_needs_no_other() {
    let stage = Stage::new().await;
    let scene = &stage.scene;
    publish_and_import(scene).await;
    drift_twice(scene).await;
    lose_races(&stage).await;
    buy(&stage).await;
    regret_a_purchase(scene).await;
    let journal = forget_a_purchase(&stage).await;
    claims_left_behind(scene).await;
    let journals: Api<NumberPurchase> = Api::all(scene.client.clone());
    let gone = || async { journals.get_opt(&journal).await.unwrap().is_none().then_some(()) };
    eventually("the journal goes after its holder", gone).await;
    take_down(scene).await;
    stage.operator.terminate();
    let released = || async {
        let updates =
            stage.used().iter().filter(|(_, resource, verb, _)| resource == "leases" && verb == "update").count();
        (updates > 0 && stage.operator.log().contains("shut down")).then_some(())
    };
    eventually("the Lease is released", released).await;

    let (granted, used) = (&stage.granted, stage.used());
    let missing: Vec<_> = used.difference(granted).collect();
    assert!(missing.is_empty(), "used without being granted: {missing:?}");
    let unused: Vec<_> = granted.difference(&used).collect();
    assert!(unused.is_empty(), "granted without being used: {unused:?}");
}

/// Four versions, of which one is pruned; a rollback; a number that moves with them; a second claimant.
async fn publish_and_import(scene: &Scene) {
    scene.secret(json!({"authToken": scene.sandbox.credentials().auth_token})).await;
    scene.account(json!({})).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    let number = "+14155550101";
    scene.sandbox.seed_number(number).unwrap();
    scene.phone_number("main", number, json!({})).await;
    eventually("it holds its number", || scene.claim(number)).await;
    scene.phone_number("rival", number, json!({})).await;
    for version in ["v1", "v2", "v3", "v4", "v3"] {
        scene.agent("engine.example.com", Some(version)).await;
        scene.patch::<Agent>(AGENT, json!({"spec": {"historyLimit": 1}})).await;
        scene.calls_reach(number, &format!("https://engine.example.com/dental/{version}/voice")).await;
    }
    scene.gone::<AgentVersion>("dental.v1").await;
}

/// Somebody changes the route twice. What is told of it the second time is told by a patch of the first event.
async fn drift_twice(scene: &Scene) {
    for _ in 0..2 {
        scene.sandbox.edit("+14155550101", &[("voice_url", "https://stranger.example.com/")]).unwrap();
        // A listing so soon after our own write is not believed: it may lag.
        scene.request("main").await;
        scene.calls_reach("+14155550101", "https://engine.example.com/dental/v3/voice").await;
    }
}

/// Whoever loses a compare-and-set reads the object again.
async fn lose_races(stage: &Stage) {
    let scene = &stage.scene;
    stage
        .until("get", "carrieraccounts", |count| {
            let annotations = json!({RECONCILE_REQUESTED: count.to_string()});
            scene.patch::<CarrierAccount>(ACCOUNT, json!({"metadata": {"annotations": annotations}}))
        })
        .await;
    stage
        .until("get", "agents", |count| scene.patch::<Agent>(AGENT, json!({"spec": {"historyLimit": 1 + count % 2}})))
        .await;
    let claims: Api<NumberClaim> = Api::all(scene.client.clone());
    stage
        .until("get", "numberclaims", |count| {
            let claims = claims.clone();
            async move {
                // Every version is written to the claim before it is to the carrier.
                let version = if count / 20 % 2 == 0 { "v4" } else { "v3" };
                scene.patch::<Agent>(AGENT, json!({"spec": {"version": version}})).await;
                let touch = json!({"metadata": {"annotations": {"test": count.to_string()}}});
                claims.patch("14155550101", &PatchParams::default(), &Patch::Merge(touch)).await.unwrap();
            }
        })
        .await;
    scene.patch::<Agent>(AGENT, json!({"spec": {"version": "v3"}})).await;
    scene.calls_reach("+14155550101", "https://engine.example.com/dental/v3/voice").await;
}

/// A purchase that the carrier fails at first, so that its journal is made, written again, and read after a lost race. The claim
/// that it leaves behind is let go, as nobody is to need the account at the end.
async fn buy(stage: &Stage) {
    let (scene, number) = (&stage.scene, "+14155550177");
    scene.sandbox.add_stock(number).unwrap();
    scene.always(Match::purchase(), Fault::ServerErrorBefore { status: 503 });
    let bought = json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": "bought"},
        "spec": {"accountRef": {"name": ACCOUNT}, "purchase": {"number": number}},
    });
    scene.apply::<PhoneNumber>(bought).await;
    let journals: Api<NumberPurchase> = Api::all(scene.client.clone());
    let identity = scene.identity("bought");
    let made = eventually("its journal is made", || scene.journal(&identity)).await;
    let name = made.name_any();
    stage
        .until("get", "numberpurchases", |count| {
            let (journals, name) = (journals.clone(), name.clone());
            async move {
                let touch = json!({"metadata": {"annotations": {"test": count.to_string()}}});
                journals.patch(&name, &PatchParams::default(), &Patch::Merge(touch)).await.unwrap();
            }
        })
        .await;
    scene.sandbox.clear_faults();
    scene.reason::<PhoneNumber>("bought", "Acquired", "Purchased").await;
    scene.delete::<PhoneNumber>("bought").await;
    scene.gone::<PhoneNumber>("bought").await;
    assert_eq!(scene.claim(number).await.unwrap().spec.holder, None, "the number rests");
    scene.has_bought(1).await;
    let claims: Api<NumberClaim> = Api::all(scene.client.clone());
    claims.delete(&number[1..], &DeleteParams::default()).await.unwrap();
    scene.unclaimed(number).await;
}

/// A purchase that never arrives, whose object goes: nothing is left of it.
async fn regret_a_purchase(scene: &Scene) {
    let number = "+14155550178";
    scene.sandbox.add_stock(number).unwrap();
    scene.sandbox.inject(Rule::new(Match::purchase(), Fault::RequestLost));
    let regretted = json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": "regretted"},
        "spec": {"accountRef": {"name": ACCOUNT}, "purchase": {"number": number}},
    });
    scene.apply::<PhoneNumber>(regretted).await;
    scene.acquired("regretted", "PurchaseOutcomeUnknown").await;
    scene.delete::<PhoneNumber>("regretted").await;
    scene.gone::<PhoneNumber>("regretted").await;
    let identity = scene.identity("regretted");
    let gone = || async { scene.journal(&identity).await.is_none().then_some(()) };
    eventually("its journal is gone", gone).await;
}

/// A person deletes the journal of a purchase while the object that it is about lives: it waits for that object. Answers its name.
async fn forget_a_purchase(stage: &Stage) -> String {
    let scene = &stage.scene;
    let main = scene.get::<PhoneNumber>("main").await.unwrap();
    let name = "forgotten".to_owned();
    let journal = serde_json::from_value(json!({
        "metadata": {"name": name, "finalizers": [IN_USE_FINALIZER]},
        "spec": {
            "identity": "forgotten", "attempt": 1, "token": "t",
            "holder": {"namespace": scene.namespace, "name": "main", "uid": main.uid().unwrap()},
            "account": {"namespace": scene.namespace, "name": ACCOUNT, "identity": scene.sandbox.credentials().account_sid},
        },
    }));
    let journals: Api<NumberPurchase> = Api::all(scene.client.clone());
    journals.create(&PostParams::default(), &journal.unwrap()).await.unwrap();
    journals.delete(&name, &DeleteParams::default()).await.unwrap();
    let definition = "numberpurchases.dialplane.dev";
    let looked = || async {
        let used = stage.used();
        used.iter().any(|(_, _, _, name)| name.as_deref() == Some(definition)).then_some(())
    };
    eventually("it is looked whether the software is being removed", looked).await;
    assert!(journals.get_opt(&name).await.unwrap().is_some(), "it waits for its holder");
    name
}

/// Two claims whose holders went without a word: one number is taken over, the other's route is taken back.
async fn claims_left_behind(scene: &Scene) {
    let number = "+14155550102";
    scene.sandbox.seed_number(number).unwrap();
    scene.phone_number("careless", number, json!({})).await;
    scene.calls_reach(number, "https://engine.example.com/dental/v3/voice").await;
    for name in ["careless", "main"] {
        scene.patch::<PhoneNumber>(name, json!({"metadata": {"finalizers": null}})).await;
        scene.delete::<PhoneNumber>(name).await;
    }
    scene.calls_reach(number, "").await;
    eventually("the claim is let go", || async { scene.claim(number).await.is_none().then_some(()) }).await;
    scene.reason::<PhoneNumber>("rival", "Ready", "Routed").await;
}

/// Everything goes, the definition of claims at last.
async fn take_down(scene: &Scene) {
    scene.delete::<CarrierAccount>(ACCOUNT).await;
    scene.delete::<Agent>(AGENT).await;
    scene.delete::<PhoneNumber>("rival").await;
    scene.gone::<PhoneNumber>("rival").await;
    scene.gone::<CarrierAccount>(ACCOUNT).await;
    scene.gone::<Agent>(AGENT).await;
}
