//! The operator as a process that dies: between any two of its writes, as one of two replicas; and an API server that is away.
//!
//! A [gate](crate::support::gate) puts each crash exactly where it is wanted. `DIALPLANE_KILLS` says how many there are at most;
//! with 1000 every write of the scenario is one, which takes some minutes; buying begins again until there were that many, which
//! takes hours:
//!
//! ```text
//! DIALPLANE_KILLS=1000 cargo test --test all kill::killed_between
//! DIALPLANE_KILLS=200 cargo test --test all kill::killed_while_it_buys -- --nocapture
//! ```

mod platforms;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use dialplane::{
    api::{
        Agent, AgentVersion, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber,
        conditions::Condition,
        meta::APPROVE,
        phone_number::{Approval, Reuse},
    },
    sandbox::{
        carrier::{AccountSeed, Dialect, Kind},
        control_plane::{ControlPlane, kubeconfig},
    },
};
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::support::{
    self, audit, chart, crds, eventually,
    gate::{Gate, Pass},
    process::Operator,
    scene::{ACCOUNT, AGENT, Scene},
};

/// How often the operator is killed at most, unless `DIALPLANE_KILLS` says otherwise.
const KILLS: usize = 60;
/// About as many writes as the scenario takes, over which the deaths are spread.
const WRITES: usize = 131;
/// The same while it buys, where each death costs the rest of a Lease.
const KILLS_BUYING: usize = 6;
/// Who leads, and for how long nobody does after a death; and how long a purchase of unknown outcome is waited for.
const BUYING: [&str; 2] = ["--lease-duration=6s", "--settling-time=3s"];

/// The account at Telnyx, where a test asks for it.
const TELNYX: &str = "telnyx";

/// A cluster of its own with a gate before it and before the carrier, and the access of the chart's ServiceAccount.
struct Site {
    scene: Scene,
    gate: Arc<Gate>,
    /// Through the gate, and past it.
    access: PathBuf,
    direct: PathBuf,
    /// The carrier through the gate.
    carrier: String,
    control_plane: ControlPlane,
    dir: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let control_plane = ControlPlane::start(support::binaries()).await.unwrap();
        let client = control_plane.client().await.unwrap();
        crds::apply(&client).await;
        let account = chart::access(control_plane.kubeconfig()).await;
        let scene = Scene::on(client).await;
        let behind = kubeconfig::client(&account).await.unwrap();
        let (gate, access, carrier) = Gate::open(behind, chart::NAMESPACE, scene.sandbox.url()).await;
        let dir = tempfile::tempdir().unwrap();
        let paths = ["gate", "direct"].map(|name| dir.path().join(name));
        kubeconfig::write(&access, &paths[0]).unwrap();
        kubeconfig::write(&account, &paths[1]).unwrap();
        let [access, direct] = paths;
        scene.secret(scene.token()).await;
        scene.account(json!({"endpoint": &carrier})).await;
        scene.agent("engine.example.com", Some("v1")).await;
        Self { scene, gate, access, direct, carrier, control_plane, dir }
    }

    fn start(&self, name: &str, flags: &[&str]) -> Operator {
        self.start_with(&self.access, name, flags)
    }

    /// One that feels it when the API server is away.
    fn start_direct(&self, name: &str, flags: &[&str]) -> Operator {
        self.start_with(&self.direct, name, flags)
    }

    fn start_with(&self, access: &Path, name: &str, flags: &[&str]) -> Operator {
        let platforms = ["nixflex", "flowyte"].map(|name| format!("{}/{name}", self.carrier));
        let allowed =
            ["--allow-endpoint", &self.carrier, "--allow-endpoint", &platforms[0], "--allow-endpoint", &platforms[1]];
        let flags = [&allowed, flags].concat();
        Operator::start(access, self.dir.path(), name, &flags)
    }

    /// Numbers of the account, imported as `n0` and so on.
    async fn import(&self, count: usize) -> Vec<String> {
        let numbers: Vec<String> = (0..count).map(|_| self.scene.owned()).collect();
        for (i, number) in numbers.iter().enumerate() {
            self.scene.phone_number(&format!("n{i}"), number, json!({})).await;
        }
        numbers
    }

    async fn publish(&self, version: &str) {
        self.scene.agent("engine.example.com", Some(version)).await;
    }

    /// Whether all of these are ready with this version, and the agent and the account know.
    async fn rolled_out(&self, names: &[&str], version: &str) -> Option<()> {
        for name in names {
            let number = self.scene.get::<PhoneNumber>(name).await?;
            let status = number.status.as_ref()?;
            let current = |c: &&Condition| {
                c.type_() == "Ready" && c.status() == "True" && c.observed_generation == number.metadata.generation
            };
            status.conditions.iter().find(current)?;
            status.route.as_ref().filter(|route| route.version == version)?;
        }
        let count = u32::try_from(names.len()).unwrap();
        let agent = self.scene.get::<Agent>(AGENT).await?.status?;
        (agent.published_version.as_deref() == Some(version) && agent.numbers?.routed == count).then_some(())?;
        let account = self.scene.get::<CarrierAccount>(ACCOUNT).await?.status?;
        (account.numbers?.claimed == count).then_some(())
    }

    /// The numbers that are claimed, with the uids of their holders.
    async fn claimed(&self) -> BTreeSet<(String, String)> {
        let claims: Api<NumberClaim> = Api::all(self.scene.client.clone());
        let claims = claims.list(&ListParams::default()).await.unwrap();
        claims.into_iter().map(|claim| (claim.spec.number.to_string(), claim.spec.holder.unwrap().uid)).collect()
    }

    /// The numbers of all objects, with their uids.
    async fn managed(&self) -> BTreeSet<(String, String)> {
        let numbers = self.scene.api::<PhoneNumber>().list(&ListParams::default()).await.unwrap();
        numbers
            .into_iter()
            .map(|n| (n.uid().unwrap(), n))
            .map(|(uid, n)| (n.spec.import.unwrap().number.to_string(), uid))
            .collect()
    }

    /// Whether the account was listed twice, and nothing was written, since `mark` was set; else it is set anew. What is counted
    /// is written a little later than it changes.
    fn is_quiet(&self, mark: &Cell<(usize, usize)>) -> Option<()> {
        let (passed, lists) = (self.gate.passed(), self.scene.sandbox.ledger().lists());
        if mark.get().0 != passed {
            mark.set((passed, lists));
        }
        (lists >= mark.get().1 + 2).then_some(())
    }

    /// Returns once it is quiet.
    async fn comes_to_rest(&self) {
        let mark = Cell::default();
        eventually("nothing more is written", || async { self.is_quiet(&mark) }).await;
    }

    /// The account is listed three times more and nothing is written, neither here nor at the carrier.
    async fn rests(&self) {
        let before = self.gate.passed();
        self.scene.scans(3).await;
        let late = self.gate.passed() - before;
        let written = audit::requests(&self.control_plane.audit_log_path()).into_iter().rev().filter(|request| {
            request.user == chart::USER && ["create", "update", "patch", "delete"].contains(&&*request.verb)
        });
        assert_eq!(late, 0, "nothing is left to be written; last: {:#?}", written.take(late + 5).collect::<Vec<_>>());
    }

    fn url(version: &str) -> String {
        format!("https://engine.example.com/{AGENT}/{version}/voice")
    }
}

/// An operator that dies again and again, until it has died often enough.
struct Mortal<'a> {
    site: &'a Site,
    life: RefCell<Option<Operator>>,
    deaths: Cell<usize>,
    kills: usize,
    flags: &'static [&'static str],
    /// Where it dies, by how often it has and how often it will at most.
    dies: fn(usize, usize) -> Pass,
}

impl<'a> Mortal<'a> {
    fn new(site: &'a Site, kills: usize, flags: &'static [&'static str], dies: fn(usize, usize) -> Pass) -> Self {
        let kills = std::env::var("DIALPLANE_KILLS").map_or(kills, |kills| kills.parse().unwrap());
        let mortal = Self { site, life: RefCell::default(), deaths: Cell::new(0), kills, flags, dies };
        mortal.live();
        mortal
    }

    fn live(&self) {
        let deaths = self.deaths.get();
        self.site.gate.set(match deaths >= self.kills {
            true => Pass::Everything,
            false => (self.dies)(deaths, self.kills),
        });
        *self.life.borrow_mut() = Some(self.site.start("mortal", self.flags));
    }

    fn die(&self) {
        self.life.take().unwrap().kill();
        self.deaths.set(self.deaths.get() + 1);
    }

    /// Lives and dies until this is so.
    async fn until<F: Future<Output = Option<()>>>(&self, what: &str, is_so: impl Fn() -> F) {
        loop {
            let dies = eventually(what, || async {
                match self.site.gate.is_reached() {
                    true => Some(true),
                    false => is_so().await.map(|()| false),
                }
            });
            if !dies.await {
                return;
            }
            self.die();
            self.live();
        }
    }
}

/// Deaths spread over the whole scenario: before an answer and before a write, in turn.
fn spread(deaths: usize, kills: usize) -> Pass {
    let every = (4 * WRITES / kills.max(1)).div_ceil(3).max(1);
    match deaths % 4 {
        0 | 2 => Pass::Unanswered(1, ""),
        1 => Pass::Answered(every, ""),
        _ => Pass::Answered(2 * every - 1, ""),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_any_two_writes_it_still_ends_where_it_should() {
    let site = Site::new().await;
    let scene = &site.scene;
    // Without a Lease, the end of which would be waited for after each death.
    let operator = Mortal::new(&site, KILLS, &["--leader-elect=false"], spread);
    let numbers = site.import(6).await;
    let before = "https://before.example.com/";
    for (i, on_delete) in [(4, "Clear"), (5, "Restore")] {
        scene.sandbox.edit(&numbers[i], &[("voice_url", before)]).unwrap();
        scene.patch::<PhoneNumber>(&format!("n{i}"), json!({"spec": {"onDelete": on_delete}})).await;
    }
    let all = ["n0", "n1", "n2", "n3", "n4", "n5"];
    operator.until("v1 serves", || site.rolled_out(&all, "v1")).await;
    for version in ["v2", "v1"] {
        site.publish(version).await;
        operator.until(version, || site.rolled_out(&all, version)).await;
    }

    let before_removal = operator.deaths.get();
    // Two are deleted; one is torn out and made again.
    let old = scene.get::<PhoneNumber>("n3").await.unwrap();
    for name in ["n3", "n4", "n5"] {
        scene.delete::<PhoneNumber>(name).await;
    }
    scene.strip::<PhoneNumber>("n3").await;
    scene.gone::<PhoneNumber>("n3").await;
    scene.phone_number("n3", &numbers[3], json!({})).await;
    // What the last life sent may still be on its way: all three wait for that.
    let waits = async |name: &str, reason: &str| {
        let conditions = scene.get::<PhoneNumber>(name).await?.status?.conditions;
        conditions.iter().any(|c| c.reason() == reason).then_some(())
    };
    operator
        .until("what was sent is waited for", || async {
            waits("n4", "RouteOutcomeUnknown").await?;
            waits("n5", "RouteOutcomeUnknown").await?;
            waits("n3", "NumberNotChecked").await
        })
        .await;
    if operator.deaths.get() < operator.kills {
        // In one life, so that it is waited for once: the claims say how it ended, and nobody is told.
        site.gate.set(Pass::Unanswered(3, "/numberclaims/"));
    }
    let gone = async |name: &str| scene.get::<PhoneNumber>(name).await.is_none().then_some(());
    let left = ["n0", "n1", "n2", "n3"];
    operator
        .until("it ends as it should", || async {
            gone("n4").await?;
            gone("n5").await?;
            site.rolled_out(&left, "v1").await?;
            (site.claimed().await == site.managed().await).then_some(())
        })
        .await;
    // One more, which finds nothing to do.
    let mark = Cell::default();
    operator.until("nothing more is written", || async { site.is_quiet(&mark) }).await;
    operator.die();
    let deaths = operator.deaths.replace(operator.kills);
    let in_removal = deaths - before_removal;
    operator.live();
    site.rests().await;

    assert_eq!(scene.voice_url(&numbers[4]), "");
    assert_eq!(scene.voice_url(&numbers[5]), before);
    assert_eq!(site.managed().await.len(), 4);
    assert_ne!(scene.get::<PhoneNumber>("n3").await.unwrap().uid(), old.uid());
    let ledger = scene.sandbox.ledger();
    assert_eq!((ledger.purchases(), ledger.releases()), (0, 0));
    let owned = scene.sandbox.numbers();
    for (i, number) in numbers.iter().enumerate() {
        assert!(owned.iter().any(|owned| owned["phone_number"] == **number), "it is still owned");
        assert!(i >= 4 || scene.voice_url(number) == Site::url("v1"));
        // Three versions; the third number may be cleared and set once more, the last two are cleared or restored. What was
        // done and not answered is seen and not done again; one more is for what was under way at a death.
        let writes = ledger.writes_to(number);
        let most = [3, 3, 3, 5, 4, 4][i];
        assert!((3..=most + 1).contains(&writes), "{writes} writes to n{i}");
    }
    println!(
        "killed {deaths} times, {in_removal} of them while something was removed; {} writes in all",
        site.gate.passed()
    );
    let log = site.control_plane.audit_log_path();
    assert!(audit::requests(&log).iter().all(|request| request.user != chart::USER || request.code != 403));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_one_is_killed_and_callers_notice_nothing() {
    let site = Site::new().await;
    let scene = &site.scene;
    let numbers = site.import(20).await;
    let names: Vec<String> = (0..numbers.len()).map(|i| format!("n{i}")).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let flags = ["--lease-duration=15s"];
    let first = site.start("first", &flags);
    first.leads().await;
    let second = site.start("second", &flags);
    second.ready().await;
    eventually("v1 serves", || site.rolled_out(&names, "v1")).await;
    assert_eq!(scene.sandbox.ledger().writes(), 20);

    site.gate.set(Pass::Answered(8, "/IncomingPhoneNumbers/"));
    site.publish("v2").await;
    eventually("v2 is on its way", || async { site.gate.is_reached().then_some(()) }).await;
    first.kill();
    site.gate.set(Pass::Everything);
    second.leads().await;
    eventually("v2 serves", || site.rolled_out(&names, "v2")).await;
    site.comes_to_rest().await;

    assert_eq!(site.claimed().await, site.managed().await);
    let ledger = scene.sandbox.ledger();
    for number in &numbers {
        assert_eq!(scene.voice_url(number), Site::url("v2"));
        let written = ledger.entries().iter().filter(|e| e.applied && e.number.as_ref() == Some(number));
        let urls: Vec<String> = written
            .filter_map(|entry| entry.bodies.as_ref()?.form.iter().find(|(name, _)| name == "VoiceUrl"))
            .map(|(_, url)| url.clone())
            .collect();
        assert_eq!(urls, [Site::url("v1"), Site::url("v2")], "callers reached one or the other at any time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_that_are_deleted_go_and_what_they_defined_leaves_numbers_as_they_are() {
    for runs in [true, false] {
        let site = Site::new().await;
        let (scene, client) = (&site.scene, site.scene.client.clone());
        let flags = ["--leader-elect=false", "--settling-time=1s"];
        let mut operator = Some(site.start_direct("first", &flags));
        scene.reason::<Agent>(AGENT, "Published", "Published").await;
        scene.purchase("a", json!({})).await;
        let number = scene.routed_number("a").await;
        scene.has_bought(1).await;
        if !runs {
            operator.take().unwrap().kill();
        }
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        let ours = async || {
            let all = definitions.list_metadata(&ListParams::default()).await.unwrap();
            all.into_iter()
                .map(|one| one.name_any())
                .filter(|name| name.ends_with(".dialplane.dev"))
                .collect::<Vec<_>>()
        };
        for name in ours().await {
            definitions.delete(&name, &Default::default()).await.unwrap();
        }
        if !runs {
            operator = Some(site.start_direct("second", &flags));
        }
        eventually("the definitions are gone", async || ours().await.is_empty().then_some(())).await;
        assert_eq!((scene.voice_url(&number), scene.writes_to(&number)), (Site::url("v1"), 0), "bought with its route");
        let summary = scene.sandbox.summary();
        assert_eq!((summary.purchases_by_number.len(), summary.releases), (1, 0));

        crds::apply(&client).await;
        scene.agent("engine.example.com", Some("v1")).await;
        assert_eq!(ours().await.len(), 6, "what is installed again stays");
        drop(operator);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_api_server_is_away_the_process_stays_and_then_goes_on() {
    let mut site = Site::new().await;
    let number = site.import(1).await.remove(0);
    let mut operator = site.start_direct("alone", &["--leader-elect=false"]);
    eventually("v1 serves", || site.rolled_out(&["n0"], "v1")).await;

    site.control_plane.stop_api_server();
    eventually("its watches fail", || async { operator.log().contains(" WARN ").then_some(()) }).await;
    site.scene.sandbox.edit(&number, &[("voice_url", "https://elsewhere.example.com/")]).unwrap();
    assert_eq!(operator.get("/livez").await.unwrap().0, 200);
    site.control_plane.start_api_server().await.unwrap();
    site.scene.calls_reach(&number, &Site::url("v1")).await;
    site.publish("v2").await;
    eventually("v2 serves", || site.rolled_out(&["n0"], "v2")).await;
    assert_eq!(site.scene.writes_to(&number), 3, "v1, v1 put back, v2");
    operator.terminate();
    assert_eq!(operator.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_loses_the_api_server_ends_and_says_so_and_the_next_one_goes_on() {
    let mut site = Site::new().await;
    site.import(1).await;
    let mut first = site.start_direct("first", &["--lease-duration=6s"]);
    eventually("v1 serves", || site.rolled_out(&["n0"], "v1")).await;
    site.control_plane.stop_api_server();
    assert_eq!(first.ended().await.code(), Some(1));
    assert!(first.log().contains("error: lost the leadership"), "{}", first.log());

    // As a kubelet starts it again; it waits for the API server.
    let second = site.start_direct("second", &["--lease-duration=6s"]);
    site.control_plane.start_api_server().await.unwrap();
    site.publish("v2").await;
    eventually("v2 serves", || site.rolled_out(&["n0"], "v2")).await;
    second.leads().await;
}

/// Lives of many lengths. A short one does no more than fence off what the last one sent; a long one buys.
fn uneven(deaths: usize, _: usize) -> Pass {
    let writes = 1 + deaths * 7 % 16;
    match deaths % 2 {
        0 => Pass::Severed(writes - 1, ""),
        _ => Pass::Answered(writes, ""),
    }
}

impl Site {
    /// Whether an object has its number and is ready.
    async fn is_ready(&self, name: &str) -> Option<()> {
        let number = self.scene.get::<PhoneNumber>(name).await?;
        let status = number.status?;
        let is_it = |c: &Condition| {
            c.type_() == "Ready" && c.status() == "True" && c.observed_generation == number.metadata.generation
        };
        (status.number.is_some() && status.conditions.iter().any(is_it)).then_some(())
    }

    async fn all_are_ready(&self, names: &[String]) -> Option<()> {
        for name in names {
            self.is_ready(name).await?;
        }
        Some(())
    }

    /// An object that buys for nobody yet: its number rests in the pool. `approval` and `reuse` are as in its spec.
    async fn buy(&self, account: &str, name: &str, approval: Approval, reuse: Reuse) {
        let search = json!({"country": "US", "areaCode": "415"});
        let purchase = json!({"search": search, "approval": approval, "reuse": reuse});
        let object = json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": name},
            "spec": {"accountRef": {"name": account}, "purchase": purchase},
        });
        self.scene.apply::<PhoneNumber>(object).await;
    }

    async fn buy_for_the_pool(&self, name: &str) {
        self.buy(ACCOUNT, name, Approval::Automatic, Reuse::Never).await;
    }

    /// An account where numbers are held and ordered.
    async fn open_telnyx(&self) {
        let seed = AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() };
        let key = json!({"apiKey": self.scene.sandbox.add_account(seed).unwrap().auth_token});
        let named = json!({"name": TELNYX});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": named, "stringData": key});
        self.scene.apply::<Secret>(secret).await;
        let spec = json!({"telnyx": {}, "credentialsRef": named, "endpoint": self.carrier, "scanInterval": "2s"});
        let account = json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "CarrierAccount", "metadata": named, "spec": spec,
        });
        self.scene.apply::<CarrierAccount>(account).await;
    }

    /// A person approves what is offered for this object now, if anything is.
    async fn approve(&self, name: &str) -> Option<()> {
        let offer = self.scene.get::<PhoneNumber>(name).await?.status?.offer?;
        let approved = json!({"metadata": {"annotations": {APPROVE: offer.number}}});
        self.scene.patch::<PhoneNumber>(name, approved).await;
        Some(())
    }

    async fn journal(&self, name: &str) -> Option<NumberPurchase> {
        self.scene.journal(&self.scene.identity(name)).await
    }

    /// Returns once the account and the agent count what there is, which they do a little later than it changes.
    async fn counted(&self, claimed: usize, routed: usize) {
        let (claimed, routed) = (u32::try_from(claimed).unwrap(), u32::try_from(routed).unwrap());
        eventually("all is counted", || async {
            let claims: Api<NumberClaim> = Api::all(self.scene.client.clone());
            let claims = claims.list(&ListParams::default()).await.unwrap().items;
            (u32::try_from(claims.len()).unwrap() == claimed).then_some(())?;
            // One that rests manages nothing.
            let held = u32::try_from(claims.iter().filter(|claim| claim.spec.holder.is_some()).count()).unwrap();
            let account = self.scene.get::<CarrierAccount>(ACCOUNT).await?.status?;
            let agent = self.scene.get::<Agent>(AGENT).await?.status?.numbers?;
            let version = self.scene.get::<AgentVersion>(&format!("{AGENT}.v1")).await?.status?;
            let counts = [account.numbers?.claimed, agent.assigned, agent.routed, version.numbers];
            (counts == [held, routed, routed, routed]).then_some(())
        })
        .await;
    }

    fn was_never_refused(&self) {
        let log = self.control_plane.audit_log_path();
        assert!(audit::requests(&log).iter().all(|request| request.user != chart::USER || request.code != 403));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_buys_it_still_buys_each_number_once() {
    let site = Site::new().await;
    let scene = &site.scene;
    let operator = Mortal::new(&site, KILLS_BUYING, &BUYING, uneven);
    let (mut kept, mut rests) = (Vec::new(), Vec::new());
    for round in 0.. {
        let [first, second, pooled, regretted] = ["a", "b", "c", "d"].map(|name| format!("{name}{round}"));
        // Just as much as is wished for: a number bought twice would be missing at the end.
        scene.account(json!({"endpoint": site.carrier, "purchasing": {"maxPerDay": 4 * (round + 1)}})).await;
        for name in [&first, &second] {
            scene.purchase(name, json!({})).await;
        }
        // These without a route, so that no death is followed by waiting for what was sent of one.
        for name in [&pooled, &regretted] {
            site.buy_for_the_pool(name).await;
        }
        // One is deleted as soon as it may have been bought, and one when it is there.
        operator.until("it is about to buy", || async { site.journal(&regretted).await.map(drop) }).await;
        scene.delete::<PhoneNumber>(&regretted).await;
        operator.until("a number is bought", || site.is_ready(&pooled)).await;
        let number = scene.get::<PhoneNumber>(&pooled).await.unwrap().status.unwrap().number.unwrap();
        rests.push(number.to_string());
        scene.delete::<PhoneNumber>(&pooled).await;
        kept.extend([first, second]);
        operator
            .until("all are ready or gone", || async {
                let gone = async |name: &str| scene.get::<PhoneNumber>(name).await.is_none().then_some(());
                gone(&pooled).await?;
                gone(&regretted).await?;
                site.all_are_ready(&kept).await
            })
            .await;
        if operator.deaths.get() >= operator.kills {
            break;
        }
    }
    let bought = scene.sandbox.ledger().purchases();
    site.counted(bought, kept.len()).await;
    site.comes_to_rest().await;

    scene.has_bought(bought).await;
    let claims = Api::<NumberClaim>::all(scene.client.clone()).list(&ListParams::default()).await.unwrap();
    assert_eq!(claims.items.len(), bought, "every claim is of a number that was bought");
    let held = claims.items.iter().filter(|claim| claim.spec.holder.is_some()).count();
    assert_eq!(held, kept.len());
    let rounds = rests.len();
    assert!((3 * rounds..=4 * rounds).contains(&bought), "{bought} in {rounds} rounds");
    for number in &rests {
        assert!(scene.claim(number).await.unwrap().spec.holder.is_none(), "{number} rests");
    }
    println!(
        "killed {} times while {bought} numbers were bought in {rounds} rounds; {} purchase calls, {} writes in all",
        operator.deaths.get(),
        scene.sandbox.ledger().of(Kind::Purchase).count(),
        site.gate.passed()
    );
    site.was_never_refused();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_takes_an_idle_number_it_still_takes_it_and_buys_none() {
    let site = Site::new().await;
    let scene = &site.scene;
    let flags = ["--leader-elect=false", "--settling-time=3s"];
    let mut operator = site.start("mortal", &flags);
    site.buy_for_the_pool("old").await;
    eventually("it has a number", || site.is_ready("old")).await;
    let number = scene.get::<PhoneNumber>("old").await.unwrap().status.unwrap().number.unwrap();
    scene.delete::<PhoneNumber>("old").await;
    scene.gone::<PhoneNumber>("old").await;
    let deaths = [
        ("nobody knows of the journal", Pass::Severed(0, "/numberpurchases")),
        ("the journal names it and it is not taken", Pass::Answered(0, "/numberclaims")),
        ("nobody knows that it is taken", Pass::Severed(0, "/numberclaims")),
        ("it is taken and not marked", Pass::Answered(0, "/IncomingPhoneNumbers")),
        ("nobody knows that it is marked", Pass::Severed(0, "/IncomingPhoneNumbers")),
    ];
    for (round, (when, death)) in deaths.into_iter().enumerate() {
        let name = format!("n{round}");
        site.gate.set(death);
        site.buy(ACCOUNT, &name, Approval::Automatic, Reuse::Pool).await;
        eventually(when, || async { site.gate.is_reached().then_some(()) }).await;
        operator.kill();
        site.gate.set(Pass::Everything);
        operator = site.start("mortal", &flags);
        eventually("it has the number", || site.is_ready(&name)).await;
        let taken = scene.get::<PhoneNumber>(&name).await.unwrap().status.unwrap().number.unwrap();
        assert_eq!(taken, number, "{when}");
        scene.delete::<PhoneNumber>(&name).await;
        scene.gone::<PhoneNumber>(&name).await;
    }
    scene.has_bought(1).await;
    site.was_never_refused();
    operator.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_holds_and_orders_it_still_buys_each_number_once() {
    let site = Site::new().await;
    let scene = &site.scene;
    site.open_telnyx().await;
    let operator = Mortal::new(&site, KILLS_BUYING, &BUYING, uneven);
    let mut names = Vec::new();
    for round in 0.. {
        let [plain, asked] = ["a", "b"].map(|name| format!("{name}{round}"));
        site.buy(TELNYX, &plain, Approval::Automatic, Reuse::Never).await;
        site.buy(TELNYX, &asked, Approval::Manual, Reuse::Never).await;
        operator.until("a person is asked", || site.approve(&asked)).await;
        names.extend([plain, asked.clone()]);
        operator
            .until("all have their numbers", || async {
                // After a refusal another is offered.
                site.approve(&asked).await;
                site.all_are_ready(&names).await
            })
            .await;
        if operator.deaths.get() >= operator.kills {
            break;
        }
    }
    site.comes_to_rest().await;
    scene.has_bought(names.len()).await;
    let ledger = scene.sandbox.ledger();
    let (holds, calls) = (ledger.of(Kind::Hold).filter(|hold| hold.applied).count(), ledger.of(Kind::Purchase).count());
    println!(
        "killed {} times while {} numbers were bought; {holds} holds, {calls} orders, {} writes in all",
        operator.deaths.get(),
        names.len(),
        site.gate.passed()
    );
    site.was_never_refused();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_it_is_killed_it_buys_no_more_than_a_day_allows() {
    let site = Site::new().await;
    let scene = &site.scene;
    scene.account(json!({"endpoint": site.carrier, "purchasing": {"maxPerDay": 10}})).await;
    let flags = ["--leader-elect=false", "--settling-time=3s"];
    let mut operator = site.start("mortal", &flags);
    eventually("v1 is published", || async { scene.get::<Agent>(AGENT).await?.status?.published_version }).await;
    scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    let names: Vec<String> = (0..50).map(|i| format!("n{i}")).collect();
    // The right to buy is given and nobody is told; some have bought, and one is about to; some have, and are not told.
    let deaths = [
        Pass::Unanswered(1, "/carrieraccounts/"),
        Pass::Answered(4, "/IncomingPhoneNumbers"),
        Pass::Severed(2, "/IncomingPhoneNumbers"),
    ];
    site.gate.set(deaths[0]);
    futures::future::join_all(names.iter().map(|name| scene.purchase(name, json!({})))).await;
    for next in [deaths[1], deaths[2], Pass::Everything] {
        eventually("it is to die", || async { site.gate.is_reached().then_some(()) }).await;
        operator.kill();
        site.gate.set(next);
        operator = site.start("mortal", &flags);
    }
    eventually("ten have theirs and forty are told", || async {
        let (mut ready, mut limited) = (0, 0);
        for number in scene.api::<PhoneNumber>().list(&ListParams::default()).await.unwrap() {
            let conditions = number.status.map(|status| status.conditions).unwrap_or_default();
            ready += conditions.iter().filter(|c| c.type_() == "Ready" && c.status() == "True").count();
            limited +=
                conditions.iter().filter(|c| c.type_() == "Ready" && c.reason() == "PurchaseLimitReached").count();
        }
        ((ready, limited) == (10, 40)).then_some(())
    })
    .await;
    scene.scans(2).await;
    scene.has_bought(10).await;
    operator.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_one_is_killed_before_it_buys_and_each_still_gets_one_number() {
    let site = Site::new().await;
    let scene = &site.scene;
    let first = site.start("first", &BUYING);
    first.leads().await;
    let second = site.start("second", &BUYING);
    second.ready().await;
    site.gate.set(Pass::Answered(1, "/IncomingPhoneNumbers"));
    let names = ["a", "b", "c"].map(str::to_owned);
    for name in &names {
        scene.purchase(name, json!({})).await;
    }
    eventually("one is bought and another is about to be", || async { site.gate.is_reached().then_some(()) }).await;
    first.kill();
    site.gate.set(Pass::Everything);
    second.leads().await;
    eventually("all have theirs", || site.all_are_ready(&names)).await;
    site.counted(3, 3).await;
    site.comes_to_rest().await;
    scene.has_bought(3).await;
}

/// The settling time is longer than any test: nobody may wait for it who need not, and who must has not bought at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_over_at_once_buys_at_once_and_after_a_gap_nobody_does() {
    let flags = ["--lease-duration=6s", "--settling-time=10m"];
    let site = Site::new().await;
    let scene = &site.scene;
    let first = site.start("first", &flags);
    first.leads().await;
    scene.purchase("a", json!({})).await;
    eventually("nobody ever led before, so that it buys", || site.is_ready("a")).await;

    let second = site.start("second", &flags);
    second.ready().await;
    eventually("it stands by", || async { second.log().contains("another replica leads").then_some(()) }).await;
    site.gate.set(Pass::Unanswered(1, "/IncomingPhoneNumbers"));
    scene.purchase("b", json!({})).await;
    eventually("it is bought and nobody is told", || async { site.gate.is_reached().then_some(()) }).await;
    first.kill();
    site.gate.set(Pass::Everything);
    second.leads().await;
    eventually("what was bought is found", || site.is_ready("b")).await;
    scene.purchase("c", json!({})).await;
    eventually("who saw the other lead until now buys at once", || site.is_ready("c")).await;

    second.kill();
    // As it would stand in a cluster that was restored from a backup.
    let leases: Api<Lease> = Api::namespaced(scene.client.clone(), chart::NAMESPACE);
    let old = json!({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}});
    leases.patch("dialplane", &PatchParams::default(), &Patch::Merge(&old)).await.unwrap();
    let third = site.start("third", &flags);
    third.leads().await;
    scene.purchase("d", json!({})).await;
    let text = scene.message::<PhoneNumber>("d", "Acquired", "PurchaseOutcomeUnknown").await;
    assert!(text.contains("was not running for a while"), "{text}");
    scene.scans(2).await;
    scene.has_bought(3).await;
}
