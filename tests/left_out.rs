//! One object that does not decode, or that is as large as the cluster takes, does not stop the others.
//!
//! On a control plane of its own: what the operator leaves out, other tests could not list either.

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use dialplane::{
    api::{Agent, CarrierAccount, NumberClaim, PhoneNumber, meta::RECONCILE_REQUESTED},
    controller::{Controller, Settings},
    sandbox::control_plane::ControlPlane,
    telemetry::metrics::Metrics,
};
use http::Request;
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, Client,
    api::{ListParams, Patch},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{
    self, crds, eventually, operator,
    process::Operator,
    scene::{ACCOUNT, AGENT, Scene},
};

fn nested(depth: usize) -> String {
    format!("{}1{}", "{\"k\":".repeat(depth), "}".repeat(depth))
}

/// Sends an object as text: no tree of JSON goes as deep.
async fn create(client: &Client, namespace: &str, plural: &str, text: String) {
    let path = match namespace {
        "" => format!("/api/v1/{plural}"),
        _ => format!("/apis/dialplane.dev/v1alpha1/namespaces/{namespace}/{plural}"),
    };
    let request = Request::post(path).header("content-type", "application/json").body(text.into_bytes()).unwrap();
    client.request_text(request).await.unwrap();
}

fn object(kind: &str, metadata: &str, spec: &str) -> String {
    format!(r#"{{"apiVersion":"dialplane.dev/v1alpha1","kind":"{kind}","metadata":{metadata},"spec":{spec}}}"#)
}

/// Managed fields as somebody brought them, nested that deep.
fn managed(depth: usize) -> String {
    format!(
        r#"[{{"manager":"x","operation":"Update","apiVersion":"dialplane.dev/v1alpha1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:spec":{}}}}}]"#,
        nested(depth).replace("\"k\"", "\"f:k\"").replace('1', "{}")
    )
}

/// The reason of a condition, of an object of which nothing else may decode.
async fn reason_of(client: &Client, namespace: &str, name: &str, condition: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Seen {
        status: Option<Status>,
    }
    #[derive(Deserialize)]
    struct Status {
        #[serde(default)]
        conditions: Vec<Condition>,
    }
    #[derive(Deserialize)]
    struct Condition {
        r#type: String,
        reason: String,
    }
    let path = format!("/apis/dialplane.dev/v1alpha1/namespaces/{namespace}/phonenumbers/{name}");
    let text = client.request_text(Request::get(path).body(Vec::new()).unwrap()).await.ok()?;
    let seen: Seen = serde_json::from_str(&text).ok()?;
    seen.status?.conditions.into_iter().find(|is| is.r#type == condition).map(|is| is.reason)
}

/// These finalizers, and so many more that the object is left out.
fn more_than_is_kept(finalizers: &Option<Vec<String>>) -> Vec<String> {
    let filler = (0..2000).map(|i| format!("{}.example.com/x{i}", "a".repeat(60) + &".b".repeat(60)));
    finalizers.iter().flatten().cloned().chain(filler).collect()
}

struct Site {
    control_plane: ControlPlane,
    client: Client,
}

impl Site {
    async fn new() -> Self {
        let control_plane = ControlPlane::start(support::binaries()).await.unwrap();
        let client = control_plane.client().await.unwrap();
        crds::apply(&client).await;
        Self { control_plane, client }
    }

    /// A scene whose account is open, at the operator that the test runs.
    async fn scene(&self) -> Scene {
        let scene = Scene::on(self.client.clone()).await;
        scene.open(json!({})).await;
        scene
    }
}

/// Whether an operator that starts now comes to see every kind.
async fn can_start(client: &Client) {
    let settings = Settings { installation: "test".to_owned(), ..Settings::default() };
    let controller = Arc::new(Controller::new(client.clone(), Arc::new(Metrics::default()), settings).unwrap());
    let token = CancellationToken::new();
    let following = tokio::spawn({
        let (controller, token) = (controller.clone(), token.clone());
        async move { controller.follow(token).await }
    });
    eventually("it sees the cluster", || async { controller.is_synced().then_some(()) }).await;
    token.cancel();
    following.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_decode_is_left_out_alone_and_named_and_all_others_go_on() {
    let site = Site::new().await;
    let stop = operator::run(site.client.clone());
    let scene = site.scene().await;
    let (client, namespace) = (&site.client, &*scene.namespace);

    let config = format!(r#"{{"draft":{{"config":{}}}}}"#, nested(119));
    create(client, namespace, "agents", object("Agent", r#"{"name":"deep"}"#, &config)).await;
    let odd = r#"{"draft":{"config":{"$serde_json::private::RawValue":1,"":{"n":12345678901234567890123}}}}"#;
    create(client, namespace, "agents", object("Agent", r#"{"name":"odd"}"#, odd)).await;
    let number = scene.owned();
    let spec = format!(
        r#"{{"accountRef":{{"name":"{ACCOUNT}"}},"agentRef":{{"name":"{AGENT}"}},"import":{{"number":"{number}"}}}}"#
    );
    let metadata = format!(r#"{{"name":"deepmf","managedFields":{}}}"#, managed(300));
    create(client, namespace, "phonenumbers", object("PhoneNumber", &metadata, &spec)).await;
    let strange = format!(
        r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"deep","managedFields":{}}}}}"#,
        managed(300)
    );
    create(client, "", "namespaces", strange).await;

    // What nobody reads is in nobody's way: this one is worked on like any other.
    scene.agent("engine.example.com", Some("v1")).await;
    scene.calls_reach(&number, &format!("https://engine.example.com/{AGENT}/v1/voice")).await;
    let routed = || async { reason_of(client, namespace, "deepmf", "Ready").await.filter(|reason| reason == "Routed") };
    eventually("its status says so", routed).await;
    scene.reason::<Agent>("odd", "Ready", "Unpublished").await;
    let said = scene.event("deep", "Unreadable").await;
    assert!(said.contains("spec.draft.config") && said.contains("nested deeper than 112 levels"), "{said}");

    can_start(client).await;
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_whose_object_no_longer_decodes_keeps_its_claim_and_its_route() {
    let site = Site::new().await;
    let stop = operator::run(site.client.clone());
    let scene = site.scene().await;
    let number = scene.owned();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;
    let before: PhoneNumber = scene.reason("main", "Ready", "Routed").await;
    let holder = |claim: NumberClaim| claim.spec.holder.map(|holder| holder.uid);
    let held = scene.claim(&number).await.and_then(holder);
    assert_eq!(held, before.metadata.uid);

    let finalizers = more_than_is_kept(&before.metadata.finalizers);
    scene.patch::<PhoneNumber>("main", json!({"metadata": {"finalizers": finalizers}})).await;
    let said = scene.event("main", "Unreadable").await;
    assert!(said.contains("and the limit is"), "{said}");

    scene.phone_number("rival", &number, json!({})).await;
    scene.reason::<PhoneNumber>("rival", "Acquired", "ClaimedByAnother").await;
    scene.scans(2).await;
    assert_eq!(scene.claim(&number).await.and_then(holder), held);
    assert_eq!(scene.voice_url(&number), format!("https://engine.example.com/{AGENT}/v1/voice"));
    assert_eq!(scene.writes_to(&number), 1);

    // And when it decodes again it is worked on as before.
    scene.patch::<PhoneNumber>("main", json!({"metadata": {"finalizers": before.metadata.finalizers}})).await;
    scene.agent("engine.example.com", Some("v2")).await;
    scene.calls_reach(&number, &format!("https://engine.example.com/{AGENT}/v2/voice")).await;
    assert_eq!(scene.claim(&number).await.and_then(holder), held);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_whose_account_or_claim_no_longer_decodes_keep_their_route_and_go_on_afterwards() {
    let site = Site::new().await;
    let stop = operator::run(site.client.clone());
    let scene = site.scene().await;
    let number = scene.owned();
    let version = |name: &str| format!("https://engine.example.com/{AGENT}/{name}/voice");
    scene.agent("engine.example.com", Some("v1")).await;
    scene.phone_number("main", &number, json!({})).await;
    scene.purchase("bought", json!({})).await;
    let bought = scene.routed_number("bought").await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    let reach = |name: &str| {
        assert_eq!([&number, &bought].map(|number| scene.voice_url(number)), [version(name), version(name)])
    };

    // They are looked at meanwhile, whatever comes of it.
    let look = async || {
        for name in ["main", "bought"] {
            let now = json!({"metadata": {"annotations": {RECONCILE_REQUESTED: format!("{:?}", Instant::now())}}});
            scene.patch::<PhoneNumber>(name, now).await;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    };
    let account: CarrierAccount = scene.get(ACCOUNT).await.unwrap();
    let large = more_than_is_kept(&account.metadata.finalizers);
    scene.patch::<CarrierAccount>(ACCOUNT, json!({"metadata": {"finalizers": large}})).await;
    scene.event(ACCOUNT, "Unreadable").await;
    look().await;
    reach("v1");
    scene.patch::<CarrierAccount>(ACCOUNT, json!({"metadata": {"finalizers": account.metadata.finalizers}})).await;
    scene.agent("engine.example.com", Some("v2")).await;
    for name in [&number, &bought] {
        scene.calls_reach(name, &version("v2")).await;
    }

    let claims: Api<NumberClaim> = Api::all(site.client.clone());
    let events: Api<Event> = Api::namespaced(site.client.clone(), "default");
    for number in [&number, &bought] {
        let before = scene.claim(number).await.unwrap();
        let finalizers = |all: &Option<Vec<String>>| Patch::Merge(json!({"metadata": {"finalizers": all}}));
        let large = finalizers(&Some(more_than_is_kept(&before.metadata.finalizers)));
        claims.patch(&number[1..], &Default::default(), &large).await.unwrap();
        eventually("the claim is named", || async {
            let about = ListParams::default().fields(&format!("regarding.name={}", &number[1..]));
            let told = events.list(&about).await.ok()?;
            told.iter().any(|event| event.reason.as_deref() == Some("Unreadable")).then_some(())
        })
        .await;
        look().await;
        reach("v2");
        claims.patch(&number[1..], &Default::default(), &finalizers(&before.metadata.finalizers)).await.unwrap();
        assert_eq!(scene.claim(number).await.unwrap().spec, before.spec);
    }
    scene.agent("engine.example.com", Some("v3")).await;
    for name in [&number, &bought] {
        scene.calls_reach(name, &version("v3")).await;
    }
    scene.has_bought(1).await;
    stop.cancel();
}

/// A carrier whose listing never ends: pages of ten megabytes.
async fn endless() -> String {
    let page = |uri: axum::http::Uri| async move {
        let account = uri.path().split('/').nth(3).unwrap_or_default().replace(".json", "");
        if !uri.path().contains("IncomingPhoneNumbers") {
            return axum::Json(json!({"sid": account, "status": "active", "owner_account_sid": account}));
        }
        let query = uri.query().unwrap_or_default();
        let page: u64 = query.split('&').find_map(|pair| pair.strip_prefix("Page=")?.parse().ok()).unwrap_or(0);
        axum::Json(json!({
            "incoming_phone_numbers": [{
                "sid": format!("PN{page:032}"), "account_sid": account, "phone_number": "+14155550100",
                "capabilities": {}, "pad": "x".repeat(10_000_000),
            }],
            "page": page, "page_size": 1, "start": page, "end": page,
            "next_page_uri": format!("{}?Page={}&PageSize=1", uri.path(), page + 1),
        }))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(page)).await });
    url
}

/// The most memory that the process ever held, in MiB: not what is only mapped of its own program.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    (field("VmHWM:") - field("RssFile:")) / 1024
}

/// `DIALPLANE_LARGE_AGENTS` says how many there are.
#[tokio::test(flavor = "multi_thread")]
async fn large_configurations_and_a_carrier_without_end_take_no_more_memory_than_there_is() {
    const MOST: u64 = 128;
    let agents: usize = std::env::var("DIALPLANE_LARGE_AGENTS").map_or(12, |n| n.parse().unwrap());
    let site = Site::new().await;
    let scene = Scene::on(site.client.clone()).await;
    let config: Vec<Value> = (0..1_000).map(|i| json!({"a": "x".repeat(1000), "b": i})).collect();
    for i in 0..agents {
        let spec = json!({"version": "v1", "draft": {"config": {"all": config}}});
        let name = format!(r#"{{"name":"big{i}"}}"#);
        create(&site.client, &scene.namespace, "agents", object("Agent", &name, &spec.to_string())).await;
    }
    let without_end = endless().await;
    let endless = scene.account_spec(json!({"endpoint": without_end, "scanInterval": "2s"}));
    let account: CarrierAccount = scene
        .apply(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "CarrierAccount", "metadata": {"name": "endless"}, "spec": endless,
        }))
        .await;
    assert_eq!(account.spec.scan_interval, "2s");

    let dir = tempfile::tempdir().unwrap();
    let start = |name| {
        let path = site.control_plane.kubeconfig_path();
        let allowed = format!("--allow-endpoint={},{without_end}", scene.sandbox.url());
        let flags = ["--leader-elect=false", "--settling-time=3s", "--installation=test", &allowed];
        Operator::start(&path, dir.path(), name, &flags)
    };
    let first = start("first");
    first.ready().await;
    scene.open(json!({})).await;
    let said = scene.message::<CarrierAccount>("endless", "Ready", "CarrierUnreachable").await;
    assert!(said.contains("a listing of more than"), "{said}");
    for i in 0..agents {
        scene.reason::<Agent>(&format!("big{i}"), "Published", "Published").await;
    }
    let number = scene.owned();
    scene.agent("engine.example.com", Some("v1")).await;
    scene.reason::<Agent>(AGENT, "Published", "Published").await;
    let begin = Instant::now();
    scene.phone_number("main", &number, json!({})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    let took = begin.elapsed();
    let held = peak(first.pid());
    assert!(held < MOST, "{held} MiB");
    first.kill();

    // All of it is listed at once then, versions and all.
    let second = start("second");
    second.ready().await;
    scene.agent("engine.example.com", Some("v2")).await;
    scene.calls_reach(&number, &format!("https://engine.example.com/{AGENT}/v2/voice")).await;
    let again = peak(second.pid());
    assert!(again < MOST, "{again} MiB");
    println!(
        "{agents} configurations of 1 MB: {held} MiB, after a restart {again} MiB at most; a number was routed in {took:.1?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_look_name_what_they_leave_out() {
    let site = Site::new().await;
    let stop = operator::run(site.client.clone());
    let scene = site.scene().await;
    let config = format!(r#"{{"draft":{{"config":{}}}}}"#, nested(119));
    create(&site.client, &scene.namespace, "agents", object("Agent", r#"{"name":"deep"}"#, &config)).await;
    let account = format!("{}/{ACCOUNT}", scene.namespace);
    let number = scene.owned();
    let mut adopt = Command::new(env!("CARGO_BIN_EXE_dialplane"));
    adopt
        .args(["adopt", "--account", &account, "--installation", "test", "--allow-endpoint", scene.sandbox.url()])
        .env("KUBECONFIG", site.control_plane.kubeconfig_path());
    let output = tokio::task::spawn_blocking(move || adopt.output().unwrap()).await.unwrap();
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains(&number), "{out}{said}");
    let warning = format!("warning: Agent {}/deep cannot be decoded and is ignored: ", scene.namespace);
    assert!(said.contains(&warning), "{said}");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_does_not_decode_is_let_go_of_when_it_is_deleted() {
    let site = Site::new().await;
    let stop = operator::run(site.client.clone());
    let scene = site.scene().await;
    let config = format!(r#"{{"draft":{{"config":{}}}}}"#, nested(119));
    create(&site.client, &scene.namespace, "agents", object("Agent", r#"{"name":"deep"}"#, &config)).await;
    scene.event("deep", "Unreadable").await;
    // Nothing of ours was put on it: nothing holds it.
    let path = format!("/apis/dialplane.dev/v1alpha1/namespaces/{}/agents/deep", scene.namespace);
    let delete = Request::delete(&path).body(Vec::new()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), site.client.request_text(delete)).await.unwrap().unwrap();
    let agents: Api<Agent> = Api::namespaced(site.client.clone(), &scene.namespace);
    eventually("it is gone", || async { agents.list(&Default::default()).await.ok().filter(|l| l.items.is_empty()) })
        .await;
    stop.cancel();
}
