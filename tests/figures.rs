//! What a number costs: carrier calls and API-server writes, counted. Each figure that is printed is held to.
//!
//! `DIALPLANE_FIGURES=1000 cargo test --release --test all figures -- --nocapture` gives the figures at full size, and measures the time
//! beside a bare loop of the same writes, to which nothing is held.

mod growth;
mod moving;
mod starting;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use dialplane::{
    api::{
        Agent, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber,
        number::Route,
        purchase::{Identity, Marker},
    },
    carrier::{
        Carrier, NumberId, Outcome, Purchase,
        endpoint::Endpoints,
        http::{DEFAULT_DEADLINE, Limiter, Limits, Transport},
        twilio::{Config, Credentials, Twilio},
    },
    controller::{Controller, Past, Settings},
    sandbox::{
        carrier::{AccountSeed, Dialect, Kind, Sandbox, SandboxConfig, Summary},
        control_plane::{ControlPlane, kubeconfig},
    },
    telemetry::metrics::Metrics,
};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::{
    core::v1::{Namespace, Secret, ServiceAccount},
    rbac::v1::ClusterRoleBinding,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{HEAVY, audit, binaries, crds, eventually, process};

const NAMESPACE: &str = "figures";
const OPERATOR: &str = "operator";

/// How many writes the bare loop has under way at once: as many as the operator has objects of one account.
const AT_ONCE: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_costs_one_carrier_write_and_three_object_writes_and_then_nothing() {
    let _alone = HEAVY.lock().await;
    let count = count();
    let stage = Stage::owning(count).await;

    // Everything but the numbers is in place; then the numbers; then the operator.
    let operator = stage.operator().await;
    stage.prepare().await;
    operator.stop().await;
    stage.create_numbers("n", 0).await;
    stage.sandbox.reset_ledger();
    let before = stage.writes();
    let begin = Timestamp::now();
    let operator = stage.operator().await;
    stage.routed_to("v1").await;
    let import = stage.wrote_for(begin);
    stage.counted("v1").await;
    let cost = stage.cost_since(&before);
    let ledger = stage.sandbox.ledger();
    println!("import of {count}: {} carrier writes, {} lists, {cost}", ledger.writes(), ledger.lists());
    assert_eq!(ledger.writes(), count, "one carrier write for each number");
    assert!(ledger.lists() <= 2 * pages(count), "{} lists", ledger.lists());
    assert_eq!((cost.claims, cost.numbers, cost.journals), (count, 2 * count, 0), "claim; finalizer and status");
    cost.is_told_together(count, 0);

    stage.three_rounds_write_nothing().await;

    stage.sandbox.reset_ledger();
    let before = stage.writes();
    let begin = Timestamp::now();
    stage.publish("v2").await;
    stage.routed_to("v2").await;
    let publish = stage.wrote_for(begin);
    stage.counted("v2").await;
    let cost = stage.cost_since(&before);
    println!("publishing to {count}: {} carrier writes, {cost}", stage.sandbox.ledger().writes());
    assert_eq!(stage.sandbox.ledger().writes(), count);
    assert_eq!((cost.claims, cost.numbers, cost.journals), (count, count, 0), "claim; status");
    cost.is_told_together(count, 0);
    stage.three_rounds_write_nothing().await;
    operator.stop().await;

    if is_measured() {
        let (bare_import, bare_publish) = stage.bare_loops().await;
        let ratio = |ours: Duration, bare: Duration| ours.as_secs_f64() / bare.as_secs_f64();
        println!("import {import:.2?}, bare loop {bare_import:.2?}: {:.2} times", ratio(import, bare_import));
        println!("publish {publish:.2?}, bare loop {bare_publish:.2?}: {:.2} times", ratio(publish, bare_publish));
    }
    let ledger = stage.sandbox.ledger();
    assert_eq!((ledger.purchases(), ledger.releases()), (0, 0));
}

/// Below this many numbers, one search cannot serve twenty.
const CROWD: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_is_bought_costs_one_call_and_four_object_writes_and_then_nothing() {
    let _alone = HEAVY.lock().await;
    let count = count();
    let stage = Stage::selling(count).await;
    let operator = stage.operator().await;
    stage.prepare().await;
    operator.stop().await;
    stage.create_wishes("twilio", Some("dental")).await;
    stage.sandbox.reset_ledger();
    let before = stage.writes();
    let begin = Timestamp::now();
    let operator = stage.operator().await;
    stage.routed("v1", |summary| summary.purchases).await;
    let took = stage.wrote_for(begin);
    stage.counted("v1").await;
    let cost = stage.cost_since(&before);
    let ledger = stage.sandbox.ledger();
    let (calls, searches) = (ledger.of(Kind::Purchase).count(), ledger.of(Kind::Search).count());
    println!("{count} bought: {calls} purchase calls, {searches} searches, {} lists, {cost}", ledger.lists());
    assert_eq!((ledger.purchases(), ledger.writes()), (count, 0), "each is bought, and routed by that");
    assert!(calls - count <= count / 50, "{calls} purchase calls for {count} numbers");
    assert!(count < CROWD || searches <= count / 20, "{searches} searches for {count} numbers");
    assert!(ledger.lists() <= 5 * pages(count), "{} lists: one serves all that were there before it", ledger.lists());
    assert_eq!(cost.numbers, 2 * count, "finalizer and status");
    let own = cost.claims + cost.journals + cost.numbers + cost.accounts;
    assert!(count < CROWD || own * 10 <= count * 41, "{own} writes for {count} numbers: {cost}");
    cost.is_told_together(count, count);

    stage.round("twilio").await;
    stage.three_rounds_write_nothing().await;
    operator.stop().await;

    let summary = stage.sandbox.summary();
    assert!(summary.purchases_by_number.values().all(|times| *times == 1));
    assert_eq!((summary.purchases_by_number.len(), summary.releases), (count, 0));
    if is_measured() {
        let bare = stage.bare_purchases(searches).await;
        println!("buying {took:.2?}, bare loop {bare:.2?}: {:.2} times", took.as_secs_f64() / bare.as_secs_f64());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_is_held_and_ordered_costs_two_calls_and_five_object_writes_at_most() {
    let _alone = HEAVY.lock().await;
    let count = count();
    let stage = Stage::selling(count).await;
    let operator = stage.operator().await;
    stage.prepare_telnyx().await;
    operator.stop().await;
    stage.create_wishes("telnyx", None).await;
    stage.sandbox.reset_ledger();
    let before = stage.writes();
    let operator = stage.operator().await;
    stage.have_numbers().await;
    let cost = stage.cost_since(&before);
    let ledger = stage.sandbox.ledger();
    let (holds, calls) = (ledger.of(Kind::Hold).count(), ledger.of(Kind::Purchase).count());
    println!("{count} held and ordered: {holds} holds, {calls} orders, {} lists, {cost}", ledger.lists());
    assert_eq!((ledger.purchases(), ledger.writes(), ledger.releases()), (count, 0, 0));
    assert!(count < CROWD || ledger.lists() * 2 <= count, "{} lists for {count} numbers", ledger.lists());
    // Beside other work an entry may be too old to send by when its turn comes. Then it is written once more, with its claim, and the
    // number and its hold stay: whatever the load, nothing else is held.
    let late = cost.journals - count;
    assert!(holds + calls - 2 * count <= count / 25, "{holds} holds and {calls} orders for {count} numbers");
    assert!(cost.claims <= count + late, "one for each entry: {cost}");
    assert!(cost.numbers <= 3 * count + late, "finalizer, and status, twice where the order takes its time: {cost}");
    let own = cost.claims + cost.journals + cost.numbers + cost.accounts;
    let for_late = if is_measured() { 0 } else { 3 * late };
    assert!(count < CROWD || (own - for_late) * 10 <= count * 51, "{own} writes for {count} numbers: {cost}");
    cost.is_told_together(count, count);
    stage.round("telnyx").await;
    stage.three_rounds_write_nothing_for("telnyx").await;
    operator.stop().await;
    assert!(stage.sandbox.summary().purchases_by_number.values().all(|times| *times == 1));
}

/// Whether it is a write of the operator.
fn is_write(request: &audit::Request) -> bool {
    let user = format!("system:serviceaccount:{NAMESPACE}:{OPERATOR}");
    request.user == user && ["create", "update", "patch", "delete"].contains(&&*request.verb)
}

/// How many requests a listing takes.
fn pages(count: usize) -> usize {
    count.div_ceil(1000)
}

fn count() -> usize {
    std::env::var("DIALPLANE_FIGURES").map_or(100, |n| n.parse().unwrap())
}

/// Whether the time is of interest: at full size, and nothing else beside it.
fn is_measured() -> bool {
    std::env::var_os("DIALPLANE_FIGURES").is_some()
}

/// A control plane of its own, so that every write in its audit log is told apart.
struct Stage {
    plane: ControlPlane,
    client: Client,
    sandbox: Sandbox,
    count: usize,
    /// One of the numbers as the operator left it.
    first: tokio::sync::OnceCell<PhoneNumber>,
}

/// What the operator wrote, by resource; events apart.
#[derive(Debug)]
struct Cost {
    claims: usize,
    numbers: usize,
    journals: usize,
    /// With the rights to buy in their status.
    accounts: usize,
    events: usize,
    others: BTreeMap<String, usize>,
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { claims, numbers, journals, accounts, events, others } = self;
        write!(
            f,
            "{claims} writes of claims, {numbers} of numbers, {journals} of journals and {accounts} of the account; "
        )?;
        write!(f, "{events} events; others {others:?}")
    }
}

impl Cost {
    /// What is routine is in the status and no event, but for each purchase; and what counts numbers says so once for many.
    fn is_told_together(&self, count: usize, bought: usize) {
        let others: usize = self.others.values().sum();
        assert!(self.events <= bought + 5, "{self}");
        assert!(count < CROWD || 2 * (self.accounts + others) <= count, "{self}");
    }
}

struct Operator {
    token: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Operator {
    async fn stop(self) {
        self.token.cancel();
        self.task.await.unwrap();
    }
}

impl Stage {
    /// With so many numbers that the account owns.
    async fn owning(count: usize) -> Self {
        let stage = Self::set(SandboxConfig::default(), count).await;
        (0..count).for_each(|i| drop(stage.sandbox.seed_number(&number(i)).unwrap()));
        stage
    }

    /// With more than so many numbers for sale in each area.
    async fn selling(count: usize) -> Self {
        Self::set(SandboxConfig { stock_per_area: 2 * count, ..SandboxConfig::default() }, count).await
    }

    async fn set(carrier: SandboxConfig, count: usize) -> Self {
        let plane = ControlPlane::start(binaries()).await.unwrap();
        let client = plane.client().await.unwrap();
        crds::apply(&client).await;
        let sandbox = Sandbox::start(carrier).unwrap();
        let stage = Self { plane, client, sandbox, count, first: Default::default() };
        create(Api::<Namespace>::all(stage.client.clone()), json!({"metadata": {"name": NAMESPACE}})).await;
        create(stage.api::<ServiceAccount>(), json!({"metadata": {"name": OPERATOR}})).await;
        let subject = json!({"kind": "ServiceAccount", "name": OPERATOR, "namespace": NAMESPACE});
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
        let binding = json!({"metadata": {"name": OPERATOR}, "roleRef": role, "subjects": [subject]});
        create(Api::<ClusterRoleBinding>::all(stage.client.clone()), binding).await;
        stage
    }

    /// Starts the operator under a name of its own.
    async fn operator(&self) -> Operator {
        let config = kubeconfig::for_service_account(self.plane.kubeconfig(), NAMESPACE, OPERATOR).await.unwrap();
        let client = kubeconfig::client(&config).await.unwrap();
        let (carriers, platform) = (self.sandbox.url().to_owned(), format!("{}/nixflex", self.sandbox.url()));
        let settings = Settings { endpoints: Endpoints::new([carriers, platform]).unwrap(), ..Settings::default() };
        let controller = Controller::new(client, Arc::new(Metrics::new()), settings).unwrap();
        let token = CancellationToken::new();
        let stop = token.clone();
        let task = tokio::spawn(async move {
            tokio::join!(controller.follow(stop.clone()), controller.work(Past::default(), stop));
        });
        Operator { token, task }
    }

    /// Starts the operator as a process of its own, and returns once it is ready; `dir` is for its files.
    async fn process(&self, dir: &Path) -> process::Operator {
        let config = kubeconfig::for_service_account(self.plane.kubeconfig(), NAMESPACE, OPERATOR).await.unwrap();
        let access = dir.join("kubeconfig");
        kubeconfig::write(&config, &access).unwrap();
        let flags = ["--leader-elect=false", "--allow-endpoint", self.sandbox.url()];
        let operator = process::Operator::start_logging("warn", &access, dir, "operator", &flags);
        operator.ready().await;
        operator
    }

    async fn prepare(&self) {
        let sandbox = self.sandbox.credentials();
        let secret = json!({"metadata": {"name": "twilio"}, "stringData": {"authToken": sandbox.auth_token}});
        create(self.api::<Secret>(), secret).await;
        let spec = json!({
            "twilio": {"accountSid": sandbox.account_sid},
            "credentialsRef": {"name": "twilio"},
            "endpoint": self.sandbox.url(),
            "limits": {"concurrency": AT_ONCE, "requestsPerSecond": 10_000},
            "scanInterval": "10m",
        });
        create(self.api::<CarrierAccount>(), json!({"metadata": {"name": "twilio"}, "spec": spec})).await;
        let url = json!({"url": "https://engine.example.com/{agent}/{version}/voice"});
        let spec = json!({"draft": {"webhooks": {"voice": url}}, "version": "v1"});
        create(self.api::<Agent>(), json!({"metadata": {"name": "dental"}, "spec": spec})).await;
        let agents = self.api::<Agent>();
        eventually("v1 is published", || async { agents.get("dental").await.ok()?.status?.published_version }).await;
        let accounts = self.api::<CarrierAccount>();
        eventually("the account is open", || async { accounts.get("twilio").await.ok()?.status?.identity }).await;
    }

    /// An open account at Telnyx and nothing else.
    async fn prepare_telnyx(&self) {
        let seed = AccountSeed { carrier: Dialect::Telnyx, ..AccountSeed::default() };
        let credentials = self.sandbox.add_account(seed).unwrap();
        let secret = json!({"metadata": {"name": "telnyx"}, "stringData": {"apiKey": credentials.auth_token}});
        create(self.api::<Secret>(), secret).await;
        let spec = json!({
            "telnyx": {},
            "credentialsRef": {"name": "telnyx"},
            "endpoint": self.sandbox.url(),
            "limits": {"concurrency": AT_ONCE, "requestsPerSecond": 10_000},
            "scanInterval": "10m",
        });
        create(self.api::<CarrierAccount>(), json!({"metadata": {"name": "telnyx"}, "spec": spec})).await;
        let accounts = self.api::<CarrierAccount>();
        eventually("the account is open", || async { accounts.get("telnyx").await.ok()?.status?.identity }).await;
    }

    /// Returns once every PhoneNumber has its number.
    async fn have_numbers(&self) {
        self.at_the_carrier(|summary| summary.purchases).await;
        let numbers = self.api::<PhoneNumber>();
        eventually("every PhoneNumber has its number", || async {
            let listed = numbers.list(&kube::api::ListParams::default()).await.ok()?;
            let has = |number: &&PhoneNumber| number.status.as_ref().is_some_and(|status| status.number.is_some());
            (listed.iter().filter(has).count() == self.count).then_some(())
        })
        .await;
    }

    async fn create_numbers(&self, prefix: &str, from: usize) {
        let create_one = |i: usize| {
            let spec = json!({
                "accountRef": {"name": "twilio"}, "agentRef": {"name": "dental"}, "import": {"number": number(from + i)},
            });
            create(self.api::<PhoneNumber>(), json!({"metadata": {"name": format!("{prefix}{i}")}, "spec": spec}))
        };
        stream::iter(0..self.count).for_each_concurrent(AT_ONCE, create_one).await;
    }

    /// Objects that all buy in the same area.
    async fn create_wishes(&self, account: &str, agent: Option<&str>) {
        let search = json!({"country": "US", "areaCode": "415", "bestEffort": false});
        let create_one = |i: usize| {
            let mut spec = json!({"accountRef": {"name": account}, "purchase": {"search": search}});
            if let Some(agent) = agent {
                spec["agentRef"] = json!({"name": agent});
            }
            create(self.api::<PhoneNumber>(), json!({"metadata": {"name": format!("n{i}")}, "spec": spec}))
        };
        stream::iter(0..self.count).for_each_concurrent(AT_ONCE, create_one).await;
    }

    async fn publish(&self, version: &str) {
        let patch = json!({"spec": {"version": version}});
        self.api::<Agent>().patch("dental", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// Returns once every number's status says that it reaches this version.
    async fn routed_to(&self, version: &str) {
        self.routed(version, |summary| summary.writes).await;
    }

    /// The same where something else is counted at the carrier.
    async fn routed(&self, version: &str, done: fn(&Summary) -> usize) {
        self.at_the_carrier(done).await;
        let selector = format!("status.route.version={version}");
        eventually(&format!("all reach {version}"), || async {
            let numbers = self.api::<PhoneNumber>();
            let listed = numbers.list_metadata(&kube::api::ListParams::default().fields(&selector)).await.ok()?;
            (listed.items.len() == self.count).then_some(())
        })
        .await;
    }

    /// Returns a moment after the carrier has what is to be done there. Its ledger is asked because that costs nobody anything: the
    /// API server has enough to do meanwhile, and a list costs it as much as twenty writes.
    async fn at_the_carrier(&self, done: fn(&Summary) -> usize) {
        let mut written = 0;
        // A large fleet takes as long as it takes, as long as there are ever more.
        while written < self.count {
            let more = || async { Some(done(&self.sandbox.summary())).filter(|now| *now > written) };
            written = eventually("another number is written at the carrier", more).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    /// Returns once the agent's status says the same.
    async fn counted(&self, version: &str) {
        let agents = self.api::<Agent>();
        let count = u32::try_from(self.count).unwrap();
        eventually("the agent counts them", || async {
            let status = agents.get("dental").await.ok()?.status?;
            (status.numbers?.routed == count && status.published_version.as_deref() == Some(version)).then_some(())
        })
        .await;
    }

    /// Three listings later nothing was written, neither here nor at the carrier.
    async fn three_rounds_write_nothing(&self) {
        self.three_rounds_write_nothing_for("twilio").await;
    }

    async fn three_rounds_write_nothing_for(&self, name: &str) {
        // What counts numbers does so a little later than they change.
        let account = self.api::<CarrierAccount>();
        let claimed = u32::try_from(self.count).unwrap();
        eventually("the account counts them", || async {
            (account.get(name).await.ok()?.status?.numbers?.claimed == claimed).then_some(())
        })
        .await;
        let ledger = self.sandbox.ledger();
        let (before, writes) = (self.writes(), (ledger.writes(), ledger.purchases()));
        for _ in 0..3 {
            self.round(name).await;
        }
        let cost = self.cost_since(&before);
        assert_eq!((cost.claims, cost.numbers, cost.journals, cost.events), (0, 0, 0, 0), "{cost}");
        let ledger = self.sandbox.ledger();
        assert_eq!((ledger.writes(), ledger.purchases()), writes, "nothing is written at the carrier");
    }

    /// Has the account listed once more.
    async fn round(&self, name: &str) {
        let lists = self.sandbox.ledger().lists();
        let annotations = json!({"dialplane.dev/reconcile-requested-at": format!("{:?}", Instant::now())});
        let patch = json!({"metadata": {"annotations": annotations}});
        let account = self.api::<CarrierAccount>();
        account.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        eventually("a round", || async { (self.sandbox.ledger().lists() > lists).then_some(()) }).await;
    }

    /// How long after `begin` the operator's last write to a number was answered.
    fn wrote_for(&self, begin: Timestamp) -> Duration {
        let requests = audit::requests(&self.plane.audit_log_path());
        let written =
            requests.iter().filter(|request| is_write(request) && request.resource.starts_with("phonenumbers"));
        written.map(|request| request.answered).max().unwrap().duration_since(begin).unsigned_abs()
    }

    /// The operator's writes so far, by resource.
    fn writes(&self) -> BTreeMap<String, usize> {
        let mut writes = BTreeMap::new();
        for request in audit::requests(&self.plane.audit_log_path()).into_iter().filter(is_write) {
            *writes.entry(request.resource).or_default() += 1;
        }
        writes
    }

    fn cost_since(&self, before: &BTreeMap<String, usize>) -> Cost {
        let mut since: BTreeMap<String, usize> = self
            .writes()
            .into_iter()
            .map(|(resource, count)| (resource.clone(), count - before.get(&resource).copied().unwrap_or(0)))
            .filter(|(_, count)| *count > 0)
            .collect();
        let mut take = |resource: &str| since.remove(resource).unwrap_or(0);
        let claims = take("numberclaims");
        let numbers = take("phonenumbers") + take("phonenumbers/status");
        let accounts = take("carrieraccounts") + take("carrieraccounts/status");
        let (journals, events) = (take("numberpurchases"), take("events"));
        Cost { claims, numbers, journals, accounts, events, others: since }
    }

    /// The carrier as the operator sees it.
    fn carrier(&self) -> Twilio {
        let limiter = Limiter::new(Limits { concurrency: AT_ONCE as u32, requests_per_second: 0 });
        let credentials = self.sandbox.credentials();
        let config = Config {
            account_sid: credentials.account_sid,
            credentials: Credentials::AuthToken(secrecy::SecretString::from(credentials.auth_token)),
            region: None,
            endpoint: Some(self.sandbox.url().parse().unwrap()),
        };
        Twilio::new(config, Transport::new(DEFAULT_DEADLINE).unwrap(), limiter).unwrap()
    }

    fn journal_name(&self, name: &str) -> String {
        NumberPurchase::name_of(&self.sandbox.credentials().account_sid, &Identity::new(NAMESPACE, name))
    }

    /// The writes and calls of buying without anything that decides on them, with so many searches.
    async fn bare_purchases(&self, searches: usize) -> Duration {
        let owns = (self.count..2 * self.count).map(number).collect::<Vec<_>>();
        owns.iter().for_each(|own| self.sandbox.add_stock(own).unwrap());
        self.create_numbers("bare", self.count).await;
        let carrier = self.carrier();
        let (claims, numbers) = (Api::<NumberClaim>::all(self.client.clone()), self.api::<PhoneNumber>());
        let journals = Api::<NumberPurchase>::all(self.client.clone());
        let like = journals.get(&self.journal_name("n0")).await.unwrap();
        let claim_like = claims.get(like.spec.number.as_ref().unwrap().digits()).await.unwrap();
        let destination = json!({"voice": {"url": "https://engine.example.com/dental/v1/voice"}});
        let route: Route = serde_json::from_value(destination).unwrap();
        let search = serde_json::from_value(json!({"country": "US", "areaCode": "415"})).unwrap();

        let begin = Instant::now();
        for _ in 0..searches {
            carrier.sales().unwrap().offers(&search).await.unwrap();
        }
        let buy_one = |i: usize| {
            let (claims, numbers, journals, carrier) = (&claims, &numbers, &journals, &carrier);
            let (like, claim_like, route, own) = (&like, &claim_like, &route, &owns[i]);
            async move {
                let name = format!("bare{i}");
                let finalizers = json!({"metadata": {"finalizers": ["dialplane.dev/route"]}});
                let mut object =
                    numbers.patch(&name, &PatchParams::default(), &Patch::Merge(&finalizers)).await.unwrap();
                let mut journal = NumberPurchase::new(&self.journal_name(&name), like.spec.clone());
                journal.spec.identity.clone_from(&name);
                journals.create(&PostParams::default(), &journal).await.unwrap();
                let mut claim = NumberClaim::new(&own[1..], claim_like.spec.clone());
                claim.spec.number = own.parse().unwrap();
                claims.create(&PostParams::default(), &claim).await.unwrap();
                let purchase = Purchase {
                    number: own.parse().unwrap(),
                    marker: Marker::new("bare", &name),
                    route: route.clone(),
                    regulatory: Default::default(),
                    hold: None,
                    key: name.clone(),
                    before: tokio::time::Instant::now() + DEFAULT_DEADLINE,
                };
                assert!(matches!(carrier.sales().unwrap().purchase(&purchase).await, Outcome::Did(_)));
                object.status = self.status_like().await;
                numbers.replace_status(&name, &PostParams::default(), &object).await.unwrap();
            }
        };
        stream::iter(0..self.count).for_each_concurrent(AT_ONCE, buy_one).await;
        begin.elapsed()
    }

    /// The same writes without anything that decides on them: the time that no operator could beat.
    async fn bare_loops(&self) -> (Duration, Duration) {
        (self.count..2 * self.count).for_each(|i| drop(self.sandbox.seed_number(&number(i)).unwrap()));
        self.create_numbers("bare", self.count).await;
        let carrier = self.carrier();
        let ids: BTreeMap<String, NumberId> =
            carrier.list().await.unwrap().into_iter().map(|n| (n.number.to_string(), n.id)).collect();
        let template = Api::<NumberClaim>::all(self.client.clone()).get(&number(0)[1..]).await.unwrap();
        let route = |version: &str| {
            let destination = json!({"voice": {"url": format!("https://engine.example.com/dental/{version}/voice")}});
            serde_json::from_value::<dialplane::api::number::Route>(destination).unwrap()
        };
        let (claims, numbers) = (Api::<NumberClaim>::all(self.client.clone()), self.api::<PhoneNumber>());
        let (v1, v2) = (route("v1"), route("v2"));

        let begin = Instant::now();
        let import_one = |i: usize| {
            let (claims, numbers, template, carrier, ids, v1) = (&claims, &numbers, &template, &carrier, &ids, &v1);
            async move {
                let own = number(self.count + i);
                let mut claim = NumberClaim::new(&own[1..], template.spec.clone());
                claim.spec.number = own.parse().unwrap();
                let claim = claims.create(&PostParams::default(), &claim).await.unwrap();
                let finalizers = json!({"metadata": {"finalizers": ["dialplane.dev/route"]}});
                let name = format!("bare{i}");
                let mut object =
                    numbers.patch(&name, &PatchParams::default(), &Patch::Merge(&finalizers)).await.unwrap();
                assert!(matches!(carrier.set_route(&ids[&own], v1).await, Outcome::Did(_)));
                object.status = self.status_like().await;
                (claim, numbers.replace_status(&name, &PostParams::default(), &object).await.unwrap())
            }
        };
        let imported: Vec<_> = stream::iter(0..self.count).map(import_one).buffer_unordered(AT_ONCE).collect().await;
        let import = begin.elapsed();

        let begin = Instant::now();
        let publish_one = |(mut claim, mut object): (NumberClaim, PhoneNumber)| {
            let (claims, numbers, carrier, ids, v2) = (&claims, &numbers, &carrier, &ids, &v2);
            async move {
                let latest = claim.spec.sent[0].clone();
                claim.spec.sent.push(latest);
                claims.replace(&claim.name_any(), &PostParams::default(), &claim).await.unwrap();
                assert!(matches!(carrier.set_route(&ids[claim.spec.number.as_str()], v2).await, Outcome::Did(_)));
                object.status.as_mut().unwrap().route.as_mut().unwrap().version = "v2".to_owned();
                numbers.replace_status(&object.name_any(), &PostParams::default(), &object).await.unwrap();
            }
        };
        stream::iter(imported).for_each_concurrent(AT_ONCE, publish_one).await;
        (import, begin.elapsed())
    }

    /// A status as large as those that the operator writes.
    async fn status_like(&self) -> Option<dialplane::api::phone_number::PhoneNumberStatus> {
        let get = || async { self.api::<PhoneNumber>().get("n0").await.unwrap() };
        self.first.get_or_init(get).await.status.clone()
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }
}

fn number(i: usize) -> String {
    format!("+1415{:07}", 2_000_000 + i)
}

async fn create<K>(api: Api<K>, object: Value)
where
    K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let object: K = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}
