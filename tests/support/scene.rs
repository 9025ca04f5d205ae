//! A carrier, an account on it and a namespace to play in, with the shared operator at work. It does I/O.

use std::{
    fmt::Debug,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use dialplane::{
    api::{Agent, AgentVersion, CarrierAccount, NumberClaim, PhoneNumber, conditions::Condition},
    sandbox::carrier::{AccountSeed, Dialect, Entry, Fault, Match, Rule, Sandbox, SandboxConfig, Switches},
};
use k8s_openapi::api::{
    core::v1::{Namespace as KubeNamespace, Secret},
    events::v1::Event,
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Namespace, audit, carriers, cluster, control_plane, eventually, fresh_namespace, namespace, operator};

/// The one account of a scene.
pub const ACCOUNT: &str = "twilio";
/// The one agent of a scene, where a test asks for it.
pub const AGENT: &str = "dental";

/// Everything that a test with a carrier needs. When it ends, the carrier's ledger is judged.
pub struct Scene {
    pub client: Client,
    pub namespace: String,
    pub sandbox: Arc<Sandbox>,
    /// How many numbers were to be bought, as far as the test has said.
    pub bought: AtomicUsize,
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let (ledger, bought) = (self.sandbox.ledger(), self.bought.load(Ordering::Relaxed));
            assert_eq!((ledger.purchases(), ledger.releases()), (bought, 0), "numbers bought and given back");
        }
    }
}

impl Scene {
    /// Judges the money: so many numbers were bought, each of them once, and each has a claim that says so.
    pub async fn has_bought(&self, count: usize) {
        let claims = Api::<NumberClaim>::all(self.client.clone()).list(&ListParams::default()).await.unwrap();
        let claimed: Vec<String> = claims
            .into_iter()
            .filter(|claim| claim.spec.purchase.is_some() && claim.spec.account.namespace == self.namespace)
            .map(|claim| claim.spec.number.to_string())
            .collect();
        let bought = self.sandbox.summary().purchases_by_number;
        assert!(bought.values().all(|times| *times == 1), "{bought:?}");
        let unclaimed: Vec<&String> = bought.keys().filter(|number| !claimed.contains(number)).collect();
        assert!(unclaimed.is_empty(), "bought and not claimed: {unclaimed:?}");
        assert_eq!(bought.len(), count, "numbers bought");
        self.bought.store(count, Ordering::Relaxed);
    }

    /// Applies a PhoneNumber that buys a number for the scene's agent; `purchase` is laid over a search in 415.
    pub async fn purchase(&self, name: &str, purchase: Value) -> PhoneNumber {
        let base = json!({"search": {"country": "US", "areaCode": "415", "features": ["Voice", "SMS"]}});
        let spec = json!({
            "accountRef": {"name": ACCOUNT}, "agentRef": {"name": AGENT}, "purchase": laid_over(base, purchase),
        });
        self.apply(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "PhoneNumber", "metadata": {"name": name}, "spec": spec,
        }))
        .await
    }

    /// The number of a PhoneNumber that is routed, once it is.
    pub async fn routed_number(&self, name: &str) -> String {
        let number: PhoneNumber = self.reason(name, "Ready", "Routed").await;
        number.status.unwrap().number.unwrap().to_string()
    }

    /// A scene with an open account that is listed every 2 s.
    pub async fn new() -> Self {
        let scene = Self::bare().await;
        scene.open(json!({})).await;
        scene
    }

    /// A scene with nothing in it yet but the carrier.
    pub async fn bare() -> Self {
        operator::shared().await;
        let Namespace { name: namespace, client } = namespace().await;
        Self { client, namespace, sandbox: carrier(Dialect::Twilio), bought: AtomicUsize::new(0) }
    }

    /// A scene with an open account at Telnyx, whose numbers share their routes.
    pub async fn telnyx() -> Self {
        operator::shared().await;
        Self::telnyx_on(cluster().await.client().await).await
    }

    /// The same on a control plane of a test's own, where the test runs the operator.
    pub async fn telnyx_on(client: Client) -> Self {
        let namespace = fresh_namespace(&client).await;
        let scene = Self { client, namespace, sandbox: carrier(Dialect::Telnyx), bought: AtomicUsize::new(0) };
        scene.secret(json!({"apiKey": scene.sandbox.credentials().auth_token})).await;
        scene.account(json!({"twilio": null, "telnyx": {}})).await;
        scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
        scene
    }

    /// A scene with nothing in it yet but the simulated Flowyte.
    pub async fn flowyte() -> Self {
        operator::shared().await;
        Self::flowyte_on(cluster().await.client().await).await
    }

    /// The same on a control plane of a test's own, where the test runs the operator.
    pub async fn flowyte_on(client: Client) -> Self {
        let namespace = fresh_namespace(&client).await;
        Self { client, namespace, sandbox: carrier(Dialect::Flowyte), bought: AtomicUsize::new(0) }
    }

    /// The same on a control plane of a test's own, where the test runs the operator.
    pub async fn on(client: Client) -> Self {
        let namespace = fresh_namespace(&client).await;
        Self { client, namespace, sandbox: carrier(Dialect::Twilio), bought: AtomicUsize::new(0) }
    }

    /// Another namespace with the same carrier, and nothing else in it.
    pub async fn elsewhere(&self) -> Self {
        self.elsewhere_on(self.client.clone()).await
    }

    /// The same on another control plane.
    pub async fn elsewhere_on(&self, client: Client) -> Self {
        let namespace = fresh_namespace(&client).await;
        let bought = AtomicUsize::new(self.bought.load(Ordering::Relaxed));
        Self { client, namespace, sandbox: self.sandbox.clone(), bought }
    }

    /// The Secret and the account, open and listed.
    pub async fn open(&self, account: Value) {
        self.secret(self.token()).await;
        self.account(account).await;
        self.reason::<CarrierAccount>(ACCOUNT, "Ready", "Connected").await;
    }

    /// What opens the account.
    pub fn token(&self) -> Value {
        json!({"authToken": self.sandbox.credentials().auth_token})
    }

    /// A scene with a number that is routed to version v1 of the agent on `engine.example.com`, by one write.
    pub async fn routed() -> (Self, String) {
        let scene = Self::new().await;
        let number = scene.owned();
        scene.agent("engine.example.com", Some("v1")).await;
        scene.phone_number("main", &number, json!({})).await;
        scene.reason::<PhoneNumber>("main", "Ready", "Routed").await;
        (scene, number)
    }

    /// A scene with a number that had the route to v1 already when it was imported: nothing was written to it, so that
    /// changes show at the next scan.
    pub async fn settled(spec: Value) -> (Self, String) {
        let scene = Self::new().await;
        // A number that leads to v1 before speaks against publishing it.
        scene.agent("engine.example.com", Some("v1")).await;
        scene.reason::<Agent>(AGENT, "Published", "Published").await;
        let number = scene.owned();
        scene.edit_as_v1(&number);
        scene.phone_number("main", &number, spec).await;
        scene.reason::<PhoneNumber>("main", "Routed", "Routed").await;
        assert_eq!(scene.sandbox.ledger().writes(), 0);
        (scene, number)
    }

    /// Somebody gives the number the very route of v1.
    pub fn edit_as_v1(&self, number: &str) {
        let route = ["voice", "sms", "status"].map(|path| format!("https://engine.example.com/{AGENT}/v1/{path}"));
        let fields = [
            ("voice_url", &*route[0]),
            ("voice_method", "post"),
            ("sms_url", &*route[1]),
            ("sms_method", "POST"),
            ("status_callback", &*route[2]),
            ("status_callback_method", "POST"),
        ];
        self.sandbox.edit(number, &fields).unwrap();
    }

    /// Applies the Secret of the account with these keys.
    pub async fn secret(&self, keys: Value) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": ACCOUNT}, "stringData": keys});
        self.apply::<Secret>(secret).await;
    }

    /// Applies the account; `spec` is laid over what every account has here.
    pub async fn account(&self, spec: Value) -> CarrierAccount {
        self.object("CarrierAccount", ACCOUNT, self.account_spec(json!({})), spec).await
    }

    /// What every account has here, with `spec` laid over it.
    pub fn account_spec(&self, spec: Value) -> Value {
        let base = json!({
            "twilio": {"accountSid": self.sandbox.credentials().account_sid},
            "credentialsRef": {"name": ACCOUNT},
            "endpoint": self.sandbox.url(),
            "limits": {"concurrency": 20, "requestsPerSecond": 10000},
            "scanInterval": "2s",
        });
        laid_over(base, spec)
    }

    /// Applies the agent, with webhooks on `host`.
    pub async fn agent(&self, host: &str, version: Option<&str>) -> Agent {
        self.agent_with(host, version, json!({})).await
    }

    /// The same; `spec` is laid over it.
    pub async fn agent_with(&self, host: &str, version: Option<&str>, spec: Value) -> Agent {
        let base = json!({"draft": {"webhooks": webhooks(host)}, "version": version});
        self.object("Agent", AGENT, base, spec).await
    }

    /// Applies a PhoneNumber that imports `number` for the scene's agent; `spec` is laid over it.
    pub async fn phone_number(&self, name: &str, number: &str, spec: Value) -> PhoneNumber {
        let base = json!({
            "accountRef": {"name": ACCOUNT},
            "import": {"number": number},
            "agentRef": {"name": AGENT},
        });
        self.object("PhoneNumber", name, base, spec).await
    }

    /// A number that no other test has, owned by the account.
    pub fn owned(&self) -> String {
        let number = fresh();
        self.sandbox.seed_number(&number).unwrap();
        number
    }

    /// Where the carrier sends calls to `number` now.
    pub fn voice_url(&self, number: &str) -> String {
        self.sandbox.field(number, "voice_url").unwrap_or_default()
    }

    /// Applied writes to `number` at the carrier.
    pub fn writes_to(&self, number: &str) -> usize {
        self.sandbox.ledger().writes_to(number)
    }

    /// Where each write of the number's voice route led, in order.
    pub fn voice_writes(&self, number: &str) -> Vec<String> {
        let ledger = self.sandbox.ledger();
        let about = ledger.entries().iter().filter(|entry| entry.number.as_deref() == Some(number) && entry.applied);
        let voice = |entry: &Entry| {
            let form = &entry.bodies.as_ref()?.form;
            form.iter().find(|(field, _)| field == "VoiceUrl").map(|(_, url)| url.clone())
        };
        about.filter_map(voice).collect()
    }

    /// Has the carrier misbehave so from now on, until `clear_faults`.
    pub fn always(&self, when: Match, fault: Fault) {
        self.sandbox.inject(Rule::new(when, fault).always());
    }

    /// Who wrote what of the PhoneNumbers of this namespace and of the claim of `number`, in order: verb, resource, answer.
    pub async fn object_writes(&self, number: &str) -> Vec<String> {
        let log = control_plane().await.audit_log_path();
        let writes = audit::requests(&log).into_iter().filter(|request| {
            !matches!(&*request.verb, "get" | "list" | "watch")
                && (request.namespace == self.namespace && request.resource.starts_with("phonenumbers")
                    || request.name == number[1..] && request.resource == "numberclaims")
        });
        writes.map(|request| format!("{} {} {}", request.verb, request.resource, request.code)).collect()
    }

    /// Returns once the account has been listed so many times more.
    pub async fn scans(&self, count: usize) {
        let wanted = self.sandbox.ledger().lists() + count;
        eventually("the account is listed", || async { (self.sandbox.ledger().lists() >= wanted).then_some(()) }).await;
    }

    /// The events about `name`: reason and text.
    pub async fn events(&self, name: &str) -> Vec<(String, String)> {
        let about = ListParams::default().fields(&format!("regarding.name={name}"));
        let events = self.api::<Event>().list(&about).await.unwrap();
        events.into_iter().map(|e| (e.reason.unwrap_or_default(), e.note.unwrap_or_default())).collect()
    }

    /// Returns the text of the event about `name` with this reason, once there is one.
    pub async fn event(&self, name: &str, reason: &str) -> String {
        let ask = || async { self.events(name).await.into_iter().find(|(is, _)| is == reason).map(|(_, note)| note) };
        eventually(&format!("an event {reason} about {name}"), ask).await
    }

    /// Gives the scene's namespace these labels and no other of the names.
    pub async fn label(&self, labels: Value) {
        let patch = json!({"metadata": {"labels": labels}});
        let namespaces: Api<KubeNamespace> = Api::all(self.client.clone());
        namespaces.patch(&self.namespace, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// Takes every finalizer off an object, as people do who lose patience.
    pub async fn strip<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.patch::<K>(name, json!({"metadata": {"finalizers": null}})).await;
    }

    /// The message of a condition.
    pub async fn message<K>(&self, name: &str, of: &str, reason: &str) -> String
    where
        K: Conditions + Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let object: K = self.reason(name, of, reason).await;
        object.conditions().into_iter().find(|c| c.type_() == of).unwrap().message.into_owned()
    }

    /// Returns once the number has no claim.
    pub async fn unclaimed(&self, number: &str) {
        eventually("the claim is gone", || async { self.claim(number).await.is_none().then_some(()) }).await;
    }

    /// Returns once the carrier sends calls to `number` there.
    pub async fn calls_reach(&self, number: &str, url: &str) {
        eventually(&format!("{number} reaches {url:?}"), || async { (self.voice_url(number) == url).then_some(()) })
            .await;
    }

    async fn object<K>(&self, kind: &str, name: &str, base: Value, over: Value) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let spec = laid_over(base, over);
        self.apply(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
        }))
        .await
    }

    /// Applies a manifest as `kubectl apply --server-side` does.
    pub async fn apply<K>(&self, manifest: Value) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let params = PatchParams::apply("test").force().validation_strict();
        self.api::<K>().patch(name, &params, &Patch::Apply(&manifest)).await.unwrap()
    }

    /// Changes an object by a merge patch.
    pub async fn patch<K>(&self, name: &str, patch: Value)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// Asks for a look now and returns once the request was handled.
    pub async fn request(&self, name: &str) {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let request = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
        let annotations = json!({dialplane::api::meta::RECONCILE_REQUESTED: request});
        self.patch::<PhoneNumber>(name, json!({"metadata": {"annotations": annotations}})).await;
        eventually("the request is handled", || async {
            let status = self.get::<PhoneNumber>(name).await?.status?;
            (status.last_handled_reconcile_at.as_ref() == Some(&request)).then_some(())
        })
        .await;
    }

    pub async fn delete<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.api::<K>().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Returns once the object is gone.
    pub async fn gone<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        eventually(&format!("{name} is gone"), || async { self.get::<K>(name).await.is_none().then_some(()) }).await;
    }

    pub async fn get<K>(&self, name: &str) -> Option<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.api::<K>().get_opt(name).await.unwrap()
    }

    /// The claim of a number.
    pub async fn claim(&self, number: &str) -> Option<NumberClaim> {
        Api::<NumberClaim>::all(self.client.clone()).get_opt(&number[1..]).await.unwrap()
    }

    /// Returns the object once its condition has this reason, for its present generation.
    pub async fn reason<K>(&self, name: &str, of: &str, reason: &str) -> K
    where
        K: Conditions + Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let last = Mutex::new(String::new());
        let ask = || async {
            let object = self.get::<K>(name).await?;
            *last.lock().unwrap() = format!("{:?}", object.conditions());
            let is_it = |c: &Condition| {
                c.type_() == of && c.reason() == reason && c.observed_generation == object.meta().generation
            };
            object.conditions().iter().any(is_it).then_some(object)
        };
        let asked = tokio::time::timeout(Duration::from_secs(110), eventually("", ask));
        match asked.await {
            Ok(object) => object,
            Err(_) => panic!("{name} never had {of}={reason}; last: {}", last.lock().unwrap()),
        }
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// All three webhooks, on `host`.
pub fn webhooks(host: &str) -> Value {
    let webhook = |path: &str| json!({"url": format!("https://{host}/{{agent}}/{{version}}/{path}")});
    json!({"voice": webhook("voice"), "sms": webhook("sms"), "status": webhook("status")})
}

/// A carrier with one account, whose ledger keeps what was sent.
fn carrier(dialect: Dialect) -> Arc<Sandbox> {
    let config = SandboxConfig {
        accounts: vec![AccountSeed { carrier: dialect, ..AccountSeed::default() }],
        switches: Switches { record_bodies: true, ..Switches::default() },
        // Claims are the whole cluster's: no two carriers of a run sell the same numbers.
        seed: fresh()[5..].parse().unwrap(),
        ..SandboxConfig::default()
    };
    Arc::new(carriers::start(config))
}

/// A number that no other test of this or another run has.
pub fn fresh() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static BASE: OnceLock<u64> = OnceLock::new();
    let base = BASE.get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64 % 90_000);
    format!("+1415{:07}", 2_000_000 + base * 80 + u64::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// `over` laid over `base`: objects key by key, everything else as a whole; null takes a key away.
fn laid_over(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let below = base.remove(&key).unwrap_or_default();
                base.insert(key, laid_over(below, value));
            }
            base.retain(|_, value| !value.is_null());
            Value::Object(base)
        }
        (_, over) => over,
    }
}

/// The conditions of an object of ours.
pub trait Conditions {
    fn conditions(&self) -> Vec<Condition>;
}

macro_rules! conditions {
    ($($kind:ty)*) => {$(
        impl Conditions for $kind {
            fn conditions(&self) -> Vec<Condition> {
                self.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default()
            }
        }
    )*};
}
conditions!(CarrierAccount PhoneNumber Agent AgentVersion);
