//! The commands that only look: what they say, and that they write nothing, neither to the cluster nor to the carrier.
//!
//! Each runs as a user who may do nothing but look, so that the API server itself is a judge.

mod platforms;

use std::process::Stdio;

use dialplane::{
    api::{Agent, CarrierAccount, PhoneNumber},
    sandbox::{
        carrier::{AccountSeed, Dialect, Sandbox, SandboxConfig},
        control_plane::kubeconfig,
    },
};
use k8s_openapi::api::core::v1::Secret;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::support::{
    audit, chart, cluster, control_plane, egress, eventually, is_own_cluster,
    scene::{ACCOUNT, AGENT, Scene},
};

/// A scene, and somebody who may only look.
struct Looker {
    scene: Scene,
    dir: TempDir,
}

/// How a command has ended.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Looker {
    async fn new() -> Self {
        Self::of(Scene::new().await).await
    }

    /// Somebody who may only look at this scene.
    async fn of(scene: Scene) -> Self {
        scene.agent("engine.example.com", Some("v1")).await;
        scene.reason::<Agent>(AGENT, "Published", "Published").await;
        let (namespace, role) = (&scene.namespace, format!("looker-{}", scene.namespace));
        let rbac = "rbac.authorization.k8s.io";
        let kinds = ["carrieraccounts", "phonenumbers", "agents", "agentversions", "numberclaims", "numberpurchases"];
        for object in [
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "looker", "namespace": namespace}}),
            json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": role}, "rules": [
                {"apiGroups": ["dialplane.dev"], "resources": kinds, "verbs": ["list", "get"]},
                {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]},
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
            ]}),
            json!({
                "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": role},
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": "looker", "namespace": namespace}],
            }),
        ] {
            chart::apply(&scene.client, &object).await;
        }
        let dir = tempfile::tempdir().unwrap();
        let access = kubeconfig::for_service_account(&cluster().await.kubeconfig, namespace, "looker").await.unwrap();
        kubeconfig::write(&access, &dir.path().join("kubeconfig")).unwrap();
        let looker = Self { scene, dir };
        // The authorizer learns of a new binding by a watch of its own.
        eventually("the looker may look", || async {
            let said = looker.run(&["adopt", "--account", ACCOUNT], "").await;
            (!said.err.contains("may not") && !said.err.contains("403")).then_some(())
        })
        .await;
        looker
    }

    /// Runs a command that must change nothing: the carrier is sent nothing but questions.
    async fn run(&self, args: &[&str], input: &str) -> Said {
        let url = self.scene.sandbox.url();
        self.run_allowing(&format!("{url},{url}/flowyte,{url}/nixflex"), args, input).await
    }

    /// The same where this endpoint is allowed, or none.
    async fn run_allowing(&self, endpoint: &str, args: &[&str], input: &str) -> Said {
        self.run_in(&[("DIALPLANE_ALLOW_ENDPOINT", endpoint)], args, input).await
    }

    /// The same in this environment, where what is empty is not set.
    async fn run_in(&self, variables: &[(&str, &str)], args: &[&str], input: &str) -> Said {
        let writes = || {
            let ledger = self.scene.sandbox.ledger();
            ledger.entries().iter().filter(|entry| !entry.kind.is_read()).count()
        };
        let before = writes();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
        command.args(args).env("KUBECONFIG", self.dir.path().join("kubeconfig")).env_remove("DIALPLANE_INSTALLATION");
        command.envs(variables.iter().filter(|(_, value)| !value.is_empty()).copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It need not read what it is given.
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.ok();
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(writes(), before, "{args:?} wrote to the carrier");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Plans these manifests.
    async fn plan(&self, manifests: &[Value]) -> Said {
        let documents: Vec<String> = manifests.iter().map(|m| serde_yaml_ng::to_string(m).unwrap()).collect();
        self.run(&["plan", "-f", "-"], &documents.join("---\n")).await
    }

    async fn search(&self, flags: &[&str]) -> Said {
        self.run(&[&["search", "--account", ACCOUNT, "--country", "US"], flags].concat(), "").await
    }

    /// Judges the cluster: all that the looker ever asked for was to get or list.
    async fn has_only_looked(&self) {
        if !is_own_cluster() {
            return;
        }
        let user = format!("system:serviceaccount:{}:looker", self.scene.namespace);
        let requests = audit::requests(&control_plane().await.audit_log_path());
        let asked: Vec<_> = requests.iter().filter(|request| request.user == user).collect();
        let other: Vec<_> = asked.iter().filter(|request| !matches!(&*request.verb, "get" | "list")).collect();
        assert!(!asked.is_empty() && other.is_empty(), "{other:?}");
    }
}

impl Said {
    #[track_caller]
    fn ended(&self, code: i32, says: &[&str]) -> &Self {
        let all = format!("{}{}", self.out, self.err);
        assert_eq!(self.code, code, "{all}");
        for text in says {
            assert!(all.contains(text), "lacks {text:?}:\n{all}");
        }
        self
    }
}

/// A PhoneNumber for the scene's agent.
fn phone_number(name: &str, acquire: Value) -> Value {
    let mut spec = acquire;
    spec["accountRef"] = json!({"name": ACCOUNT});
    spec["agentRef"] = json!({"name": AGENT});
    json!({"apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": name}, "spec": spec})
}

/// One that buys a number in 415 that costs no more than that.
fn purchase(name: &str, most: &str) -> Value {
    let search = json!({"country": "US", "areaCode": "415", "features": ["Voice", "SMS"]});
    phone_number(name, json!({"purchase": {"search": search, "maxMonthlyPrice": most}}))
}

#[tokio::test]
async fn search_shows_what_is_for_sale_with_its_price() {
    let looker = Looker::new().await;
    let table = looker.search(&["--area-code", "415", "--feature", "Voice", "--feature", "SMS", "--limit", "3"]).await;
    table.ended(0, &["NUMBER", "Voice,SMS", "1.15 USD", "yes"]);
    assert_eq!(table.out.lines().count(), 4, "{}", table.out);
    assert!(table.out.lines().skip(1).all(|line| line.starts_with("+1415")), "{}", table.out);

    let json = looker.search(&["--area-code", "999", "--limit", "2", "-o", "json"]).await;
    let found: Value = serde_json::from_str(&json.ended(0, &[]).out).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 2);
    assert_eq!((&found[0]["exact"], &found[0]["price"]["monthly"]), (&json!(false), &json!("1.15")));

    let nothing = looker.search(&["--area-code", "999", "--exact"]).await;
    nothing.ended(1, &["error: no number for sale matches. Tried: US Local, area code 999. Relax the search"]);
    assert_eq!(nothing.out, "");
    let nothing = looker.search(&["--area-code", "999", "--exact", "-o", "json"]).await;
    assert_eq!(nothing.ended(1, &["Tried"]).out, "[]\n");
    let unknown = looker.run(&["search", "--account", "nobody", "--country", "US"], "").await;
    unknown.ended(1, &[&format!("CarrierAccount {}/nobody does not exist", looker.scene.namespace)]);
    looker.search(&["--type", "Satellite"]).await.ended(1, &["Satellite", "TollFree"]);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_names_the_number_that_is_bought_then_and_nothing_once_it_is() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let manifest = purchase("main", "2.00");
    let planned = looker.plan(std::slice::from_ref(&manifest)).await;
    let because = "for 1.15 USD a month because it matches US Local, area code 415, with Voice and SMS";
    planned.ended(2, &["/main: would buy +1415", because, "voice to engine.example.com", " 1 to buy ("]);
    assert!(scene.get::<PhoneNumber>("main").await.is_none());
    scene.has_bought(0).await;

    scene.apply::<PhoneNumber>(manifest.clone()).await;
    let number = scene.routed_number("main").await;
    assert!(planned.out.contains(&number), "bought {number}, and planned: {}", planned.out);
    let after = looker.plan(&[manifest]).await;
    after.ended(0, &["/main: nothing to do: ", " 0 to buy, "]);
    let edited = looker.plan(&[purchase("main", "0.10")]).await;
    edited.ended(
        0,
        &["nothing to do", "at most 0.10 a month (it cost 1.15 when it was bought)", "(PurchaseChangeIgnored)"],
    );
    let mut misspelt = purchase("main", "2.00");
    misspelt["spec"]["purchase"]["maxMonthlyPrize"] = "1.00".into();
    looker.plan(&[misspelt]).await.ended(1, &["unknown field spec.purchase.maxMonthlyPrize"]);
    let other = looker.plan(&[phone_number("main", json!({"import": {"number": "+14155550000"}}))]).await;
    other.ended(1, &["would be refused by the API server: purchase can only become import"]);
    scene.has_bought(1).await;
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_opens_an_account_by_the_secret_that_comes_with_it() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let number = scene.owned();
    let spec = scene.account_spec(json!({"credentialsRef": {"name": "fresh"}}));
    let account = json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "CarrierAccount", "metadata": {"name": "fresh"}, "spec": spec,
    });
    let secret = |token: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "fresh"}, "stringData": {"authToken": token}});
    let mut manifest = phone_number("main", json!({"import": {"number": number}}));
    manifest["spec"]["accountRef"]["name"] = "fresh".into();
    let token = scene.sandbox.credentials().auth_token;
    let planned = looker.plan(&[manifest.clone(), account.clone(), secret(&token)]).await;
    planned.ended(0, &[&format!("/main: imports {number}"), " 0 to buy, "]);
    let planned = looker.plan(&[manifest.clone(), account.clone(), secret("paste-it-here")]).await;
    planned.ended(1, &["Unauthorized"]);
    looker.plan(&[manifest, account]).await.ended(1, &["The Secret fresh does not exist"]);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_takes_an_idle_number_from_the_pool_without_spending_anything() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    scene.purchase("old", json!({})).await;
    let number = scene.routed_number("old").await;
    scene.delete::<PhoneNumber>("old").await;
    scene.gone::<PhoneNumber>("old").await;
    let rests = || async { scene.claim(&number).await.unwrap().spec.holder.is_none().then_some(()) };
    eventually("the claim rests", rests).await;

    let reuse = |name: &str| {
        let mut manifest = purchase(name, "2.00");
        manifest["spec"]["purchase"]["reuse"] = "Pool".into();
        manifest
    };
    let one = looker.plan(&[reuse("main")]).await;
    one.ended(0, &[&format!("/main: would reuse {number} from the pool and would"), " 0 to buy, "]);
    let two = looker.plan(&[reuse("main"), reuse("second")]).await;
    two.ended(2, &[&format!("would reuse {number} from the pool"), "/second: would buy +1415", " 1 to buy ("]);
    assert!(scene.claim(&number).await.unwrap().spec.holder.is_none());

    scene.apply::<PhoneNumber>(reuse("main")).await;
    assert_eq!(scene.routed_number("main").await, number, "as it was planned");
    scene.has_bought(1).await;
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_holds_nothing_and_says_what_would_be_held_and_bought() {
    let looker = Looker::new().await;
    let (scene, version) = (&looker.scene, "dialplane.dev/v1alpha1");
    let seed = AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() };
    let key = json!({"apiKey": scene.sandbox.add_account(seed).unwrap().auth_token});
    let named = json!({"name": "telnyx"});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": named, "stringData": key});
    scene.apply::<Secret>(secret).await;
    let spec = json!({"telnyx": {}, "credentialsRef": named, "endpoint": scene.sandbox.url()});
    let account = json!({"apiVersion": version, "kind": "CarrierAccount", "metadata": named, "spec": spec});
    scene.apply::<CarrierAccount>(account).await;
    scene.reason::<CarrierAccount>("telnyx", "Ready", "Connected").await;

    let (mut asked, mut bought) = (purchase("asked", "2.00"), purchase("bought", "2.00"));
    asked["spec"]["purchase"]["approval"] = "Manual".into();
    for manifest in [&mut asked, &mut bought] {
        manifest["spec"]["accountRef"] = named.clone();
    }
    let said = looker.plan(&[asked, bought]).await;
    said.ended(2, &["/asked: would hold +1415", ", and ask for approval to buy it for 1.15 USD a month"]);
    said.ended(2, &["/bought: would buy +1415", "for 1.15 USD a month", " 1 to buy ("]);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_counts_what_a_whole_file_would_spend_against_the_limits() {
    let looker = Looker::new().await;
    looker.scene.account(json!({"purchasing": {"maxPerDay": 2}})).await;
    let names = ["a", "b", "c"];
    let said = looker.plan(&names.map(|name| purchase(name, "2.00"))).await;
    said.ended(
        2,
        &["/c: is refused: Acquired=False (PurchaseLimitReached): 2 numbers", " 2 to buy (2.30 USD a month), "],
    );
    let bought: Vec<&str> = said.out.lines().filter_map(|line| line.split("would buy ").nth(1)).collect();
    assert!(bought.len() == 2 && bought[0][..12] != bought[1][..12], "one number for two:\n{}", said.out);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_says_what_would_be_refused_and_why() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let dear = looker.plan(&[purchase("main", "0.50")]).await;
    dear.ended(0, &["/main: is refused: Acquired=False (PriceTooHigh): ", "1.15 USD"]);
    let mut stranger = purchase("main", "2.00");
    stranger["spec"]["accountRef"]["name"] = "nobody".into();
    looker.plan(&[stranger]).await.ended(0, &["is refused: Accepted=False (AccountNotFound): "]);
    let manual = json!({"search": {"country": "US", "areaCode": "415"}, "approval": "Manual"});
    let manual = looker.plan(&[phone_number("main", json!({"purchase": manual}))]).await;
    manual.ended(0, &["waits for approval", "dialplane.dev/approve"]);

    scene.account(json!({"purchasing": {"paused": true}})).await;
    let paused = looker.plan(&[purchase("main", "2.00")]).await;
    paused.ended(0, &["is refused: Acquired=False (PurchasingPaused): ", "spec.purchasing.paused"]);

    scene.account(json!({"credentialsRef": {"name": "gone"}})).await;
    let blind = looker.plan(&[purchase("main", "2.00")]).await;
    blind.ended(1, &["unknown: CarrierAccount", "SecretNotFound", "is unknown: the lines above say why"]);
    looker.run(&["plan", "-f", "/dev/null"], "").await.ended(1, &["no object of Dialplane in /dev/null"]);
    looker.run(&["plan"], "").await.ended(1, &["--filename"]);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_takes_the_agents_and_accounts_of_the_same_file_for_applied() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let webhooks = json!({"voice": {"url": "https://new.example.com/{version}"}});
    let agent = json!({
        "apiVersion": "dialplane.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "night"},
        "spec": {"draft": {"webhooks": webhooks}, "version": "v7"},
    });
    let mut number = phone_number("main", json!({"import": {"number": scene.owned()}}));
    number["spec"]["agentRef"]["name"] = "night".into();
    let said = looker.plan(&[number.clone(), agent.clone()]).await;
    said.ended(0, &["/night: v7 serves. (Published)", "would set the route: voice to new.example.com"]);
    let mut misspelt = agent.clone();
    misspelt["spec"]["drft"] = json!({});
    looker.plan(&[misspelt, number]).await.ended(1, &["Agent night is not valid: unknown field spec.drft"]);
    let paused = json!({"apiVersion": "dialplane.dev/v1alpha1", "kind": "CarrierAccount", "metadata": {"name": ACCOUNT},
        "spec": scene.account_spec(json!({"purchasing": {"paused": true}}))});
    looker.plan(&[purchase("other", "2.00"), paused]).await.ended(0, &["(PurchasingPaused)"]);
    assert!(scene.get::<Agent>("night").await.is_none());
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_tells_our_numbers_by_the_installation_that_works_in_the_cluster() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    scene.purchase("main", json!({})).await;
    let number = scene.routed_number("main").await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    let again = [purchase("main", "2.00")];
    looker.plan(&again).await.ended(
        0,
        &["The installation is test, from the CarrierAccounts of this cluster.", &format!("/main: adopts {number}")],
    );
    let manifest = serde_yaml_ng::to_string(&again[0]).unwrap();
    let other = looker.run(&["plan", "-f", "-", "--installation=other"], &manifest).await;
    other.ended(0, &["(MarkerConflict)"]);
    assert!(!other.err.contains("The installation is"), "{}", other.err);
    looker.run(&["adopt", "--account", ACCOUNT], "").await.ended(0, &[&number, "The installation is test"]);
    scene.has_bought(1).await;
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_says_which_numbers_an_agent_would_move_and_from_which_version_to_which() {
    for scene in [Scene::new().await, Scene::telnyx().await] {
        let looker = Looker::of(scene).await;
        let scene = &looker.scene;
        let number = scene.owned();
        scene.phone_number("main", &number, json!({})).await;
        scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        let agent = |spec: Value| {
            let mut manifest = json!({"apiVersion": "dialplane.dev/v1alpha1", "kind": "Agent", "metadata": {"name": AGENT}, "spec": spec});
            manifest["spec"]["draft"] = json!({"webhooks": {"voice": {"url": "https://next.example.com/{version}"}}});
            manifest
        };
        let named = format!("{}/main ({number})", scene.namespace);
        let same = looker.plan(&[agent(json!({"version": "v1"}))]).await;
        same.ended(
            0,
            &["v1 serves. (Published)", "Plan: 0 to import, 0 to buy, 0 to route, 0 to clear. Nothing was written."],
        );
        assert!(!same.out.contains("would go"), "{}", same.out);
        let next = looker.plan(&[agent(json!({"version": "v2"}))]).await;
        next.ended(
            0,
            &[
                &format!("one number would go from v1 to v2: {named}"),
                "Plan: 0 to import, 0 to buy, 1 to route, 0 to clear.",
            ],
        );
        let offline = looker.plan(&[agent(json!({"version": "v1", "offline": true}))]).await;
        offline.ended(
            0,
            &[
                &format!("one number would go from v1 to nothing: {named}"),
                "Plan: 0 to import, 0 to buy, 0 to route, 1 to clear.",
            ],
        );
        looker.has_only_looked().await;
        scene.has_bought(0).await;
    }
}

#[tokio::test]
async fn plan_reads_directories_and_refuses_what_the_api_server_would() {
    let looker = Looker::new().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("deep")).unwrap();
    let write = |name: &str, manifest: &Value| {
        std::fs::write(dir.path().join(name), serde_yaml_ng::to_string(manifest).unwrap()).unwrap();
    };
    write("a.yaml", &purchase("first", "2.00"));
    write("deep/b.yml", &phone_number("second", json!({"import": {"number": looker.scene.owned()}})));
    let path = dir.path().to_str().unwrap();
    let flat = looker.run(&["plan", "-f", path], "").await;
    flat.ended(2, &["Plan: 0 to import, 1 to buy (1.15 USD a month), 1 to route, 0 to clear."]);
    let deep = looker.run(&["plan", "-R", "-f", path], "").await;
    deep.ended(2, &["/second: imports", "Plan: 1 to import, 1 to buy (1.15 USD a month), 2 to route, 0 to clear."]);
    let (deeper, third) = (format!("{path}/deep"), serde_yaml_ng::to_string(&purchase("third", "2.00")).unwrap());
    let both = looker.run(&["plan", "-f", &deeper, "-f", "-"], &third).await;
    both.ended(2, &["/second: imports", "/third: would buy"]);

    let mut wrong = purchase("main", "2.00");
    wrong["spec"]["purchase"]["search"]["country"] = "USA".into();
    looker.plan(&[wrong]).await.ended(1, &["PhoneNumber main is not valid: country is a two-letter country code"]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "elsewhere"}});
    let said = looker.run(&["plan", "-n", "clinics", "-f", "-"], &serde_yaml_ng::to_string(&secret).unwrap()).await;
    said.ended(1, &["Secret s has the namespace elsewhere and --namespace is clinics"]);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_says_of_an_import_what_would_be_set_and_skips_what_is_no_number() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let (ours, stranger) = (scene.owned(), "+14155550000");
    let import = |name, number: &str| phone_number(name, json!({"import": {"number": number}}));
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}});
    let twice = import("again", &ours);
    let said = looker.plan(&[other, import("main", &ours), import("stranger", stranger), twice]).await;
    said.ended(
        0,
        &[
            "ConfigMap other: skipped",
            &format!("/main: imports {ours} and would set the route: voice to engine.example.com"),
            "/stranger: is refused: Acquired=False (NotInAccount): ",
            "/again: is refused: Acquired=False (ClaimedByAnother): ",
        ],
    );
    assert!(scene.claim(&ours).await.is_none() && scene.get::<PhoneNumber>("main").await.is_none());

    scene.phone_number("main", &ours, json!({})).await;
    scene.routed_number("main").await;
    looker.plan(&[import("main", &ours)]).await.ended(0, &["/main: nothing to do: "]);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn adopt_lists_what_nothing_manages_and_its_manifests_import_it() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let none = looker.run(&["adopt"], "").await;
    assert!(!none.out.contains(&scene.namespace), "{}", none.out);
    let none = looker.run(&["adopt", "--account", ACCOUNT], "").await;
    assert_eq!(none.ended(0, &["nothing to adopt"]).out, "");

    let (ours, managed) = (scene.owned(), scene.owned());
    scene.phone_number("managed", &managed, json!({})).await;
    scene.routed_number("managed").await;
    scene.purchase("main", json!({})).await;
    let bought = scene.routed_number("main").await;
    scene.delete::<PhoneNumber>("main").await;
    scene.gone::<PhoneNumber>("main").await;
    let rests = || async { scene.claim(&bought).await.unwrap().spec.holder.is_none().then_some(()) };
    eventually("the claim rests", rests).await;

    let list = looker.run(&["adopt", "--account", ACCOUNT], "").await;
    let identity = format!("{}/main", scene.namespace);
    list.ended(0, &[&ours, &bought, "1.15 USD", &identity]);
    assert_eq!(list.out.lines().count(), 3, "a head and two numbers, not {managed}:\n{}", list.out);

    let again = looker.plan(&[purchase("main", "2.00")]).await;
    again.ended(0, &[&format!("/main: adopts {bought}, which was bought for {identity}, and would set the route")]);

    let manifests = looker.run(&["adopt", "--account", ACCOUNT, "--manifests"], "").await;
    let yaml = looker.run(&["adopt", "--account", ACCOUNT, "-o", "yaml"], "").await;
    assert_eq!(manifests.ended(0, &[]).out, yaml.out);
    looker.run(&["plan", "-f", "-"], &manifests.out).await.ended(0, &[&format!("imports {ours}")]);
    for document in serde_yaml_ng::Deserializer::from_str(&manifests.out) {
        let manifest = Value::deserialize(document).unwrap();
        let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
        let number = manifest["spec"]["import"]["number"].as_str().unwrap().to_owned();
        assert_eq!(name, format!("number-{}", &number[1..]));
        scene.apply::<PhoneNumber>(manifest).await;
        scene.reason::<PhoneNumber>(&name, "Ready", "Unassigned").await;
    }
    looker.run(&["adopt", "--account", ACCOUNT], "").await.ended(0, &["nothing to adopt"]);
    scene.has_bought(1).await;
    looker.has_only_looked().await;
}

#[tokio::test]
async fn what_numbers_are_to_share_is_taken_for_made() {
    let looker = Looker::of(Scene::telnyx().await).await;
    let owned = looker.scene.owned();
    let imported = phone_number("owned", json!({"import": {"number": owned}}));
    looker
        .plan(std::slice::from_ref(&imported))
        .await
        .ended(0, &["imports", "would set the route: voice to sharedRoute dp1:test:"]);
    let bought = looker.plan(&[imported, purchase("main", "2.00")]).await;
    bought.ended(
        2,
        &[
            "would buy +1415",
            "it would send voice to sharedRoute dp1:test:",
            " 1 to buy (1.15 USD a month and 1.00 USD once), ",
        ],
    );
    looker.scene.phone_number("main", &owned, json!({})).await;
    looker.scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    looker.plan(&[purchase("other", "2.00")]).await.ended(2, &["it would send voice to connectionId"]);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn a_command_asks_nothing_of_an_endpoint_that_it_was_not_told_to_allow() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let stranger = Sandbox::start(SandboxConfig::default()).unwrap();
    scene
        .apply::<CarrierAccount>(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "CarrierAccount", "metadata": {"name": "away"},
            "spec": scene.account_spec(json!({"endpoint": stranger.url()})),
        }))
        .await;
    let mut manifest = purchase("main", "2.00");
    manifest["spec"]["accountRef"]["name"] = "away".into();
    let manifest = serde_yaml_ng::to_string(&manifest).unwrap();
    for allowed in ["", scene.sandbox.url()] {
        for (args, input) in [
            (&["search", "--account", "away", "--country", "US"][..], ""),
            (&["adopt", "--account", "away"], ""),
            (&["plan", "-f", "-"], &*manifest),
        ] {
            let said = looker.run_allowing(allowed, args, input).await;
            let why = "is not ready: EndpointNotAllowed: The operator does not allow spec.endpoint with 127.0.0.1";
            said.ended(1, &[why, "--allow-endpoint"]);
        }
    }
    assert_eq!(stranger.ledger().entries().len(), 0);
    looker.run_allowing(stranger.url(), &["adopt", "--account", "away"], "").await.ended(1, &["Unauthorized"]);
    assert!(!stranger.ledger().entries().is_empty(), "it is asked where that is allowed");
    let bad = looker.run(&["adopt", "--allow-endpoint", "http://user:hunter2@sandbox"], "").await;
    bad.ended(1, &["error: --allow-endpoint: allowed endpoint 1 is not valid: write an absolute URL"]);
    assert!(!bad.err.contains("hunter2"), "{}", bad.err);
    looker.has_only_looked().await;
}

#[tokio::test]
async fn plan_says_that_a_purchase_under_another_name_would_buy_another_number_and_how_to_keep_the_first() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    scene.purchase("old", json!({})).await;
    let number = scene.routed_number("old").await;
    let old = serde_json::to_value(scene.get::<PhoneNumber>("old").await.unwrap().spec).unwrap();
    let renamed = |identity: Value| {
        let mut spec = old.clone();
        spec["purchase"]["identity"] = identity;
        let mut manifest = json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": "new"}, "spec": spec,
        });
        manifest["spec"]["purchase"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
        manifest
    };
    let words = ["would buy another number, +1", &*number, "set spec.purchase.identity: old"];
    looker.plan(&[renamed(Value::Null)]).await.ended(2, &words);
    looker.plan(&[renamed(json!("old"))]).await.ended(0, &["/new: is refused: Acquired=False (IdentityInUse)"]);
    looker.has_only_looked().await;
    scene.has_bought(1).await;
}

#[tokio::test]
async fn the_carrier_is_reached_by_the_proxy_and_the_cluster_without() {
    let looker = Looker::new().await;
    let way = egress::Egress::to(&looker.scene.sandbox).await;
    let (proxy, endpoint) = (format!("http://{}", way.proxy), format!("https://{}", egress::HOST));
    let authority = looker.dir.path().join("ca.pem");
    std::fs::write(&authority, &way.authority).unwrap();
    let variables = [
        ("DIALPLANE_ALLOW_ENDPOINT", &*endpoint),
        ("HTTPS_PROXY", &*proxy),
        ("DIALPLANE_CARRIER_CA_FILE", authority.to_str().unwrap()),
    ];
    looker.scene.account(json!({"endpoint": endpoint})).await;
    let search = ["search", "--account", ACCOUNT, "--country", "US", "--area-code", "415"];
    looker.run_in(&variables, &search, "").await.ended(0, &["+1415"]);
    looker
        .run_in(&variables[..2], &search, "")
        .await
        .ended(1, &["its certificate is not trusted", "--carrier-ca-file"]);
    let heads = way.heads();
    let connect = format!("connect {}:443 ", egress::HOST);
    assert!(!heads.is_empty() && heads.iter().all(|head| head.starts_with(&connect)), "{heads:?}");
    looker.has_only_looked().await;
}

#[tokio::test]
async fn uninstall_shows_every_number_that_stays_and_where_it_leads() {
    let looker = Looker::new().await;
    let scene = &looker.scene;
    let number = scene.owned();
    scene.phone_number("main", &number, json!({"onDelete": "Restore"})).await;
    scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
    // Other tests of the run have their own objects in this cluster, so that what it comes to is for tests/operations.rs.
    let said = looker.run(&["uninstall", "--plan"], "").await;
    let line = said.out.lines().find(|line| line.starts_with(&*number)).unwrap_or_else(|| panic!("{}", said.out));
    let namespace = &scene.namespace;
    let cells = [
        &*number,
        &format!("{namespace}/main"),
        &format!("{namespace}/{ACCOUNT}"),
        &format!("{namespace}/{AGENT} v1"),
        "Restore",
    ];
    assert_eq!(line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>(), cells);
    assert!(said.out.contains(&format!("Keep the Secret {namespace}/{ACCOUNT}: ")), "{}", said.out);
    looker.run(&["uninstall"], "").await.ended(1, &["--plan"]);
    looker.has_only_looked().await;
}
