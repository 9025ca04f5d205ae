//! A carrier, an account on it and a namespace to play in, with the shared operator at work. It does I/O.

use std::{
    fmt::Debug,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use dialplane::{
    api::{Agent, AgentVersion, CarrierAccount, NumberClaim, PhoneNumber},
    sandbox::carrier::{AccountSeed, Sandbox, SandboxConfig, Switches},
};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Namespace, eventually, namespace, operator};

/// The one account of a scene.
pub const ACCOUNT: &str = "twilio";
/// The one agent of a scene, where a test asks for it.
pub const AGENT: &str = "dental";

/// Everything that a test with a carrier needs. When it ends, the carrier's ledger is judged.
pub struct Scene {
    pub client: Client,
    pub namespace: String,
    pub sandbox: Sandbox,
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let ledger = self.sandbox.ledger();
            assert_eq!((ledger.purchases(), ledger.releases()), (0, 0), "nothing here buys or releases a number");
        }
    }
}

impl Scene {
    /// A scene with an open account that is listed every 2 s.
    pub async fn new() -> Self {
        let scene = Self::bare().await;
        scene.secret(json!({"authToken": scene.sandbox.credentials().auth_token})).await;
        scene.account(json!({})).await;
        scene.reason::<CarrierAccount>(ACCOUNT, "Ready", "Open").await;
        scene
    }

    /// A scene with nothing in it yet but the carrier.
    pub async fn bare() -> Self {
        operator::shared().await;
        let Namespace { name: namespace, client } = namespace().await;
        let config = SandboxConfig {
            accounts: vec![AccountSeed::default()],
            switches: Switches { record_bodies: true, ..Switches::default() },
            ..SandboxConfig::default()
        };
        Self { client, namespace, sandbox: Sandbox::start(config).unwrap() }
    }

    /// Applies the Secret of the account with these keys.
    pub async fn secret(&self, keys: Value) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": ACCOUNT}, "stringData": keys});
        self.apply::<Secret>(secret).await;
    }

    /// Applies the account; `spec` is laid over what every account has here.
    pub async fn account(&self, spec: Value) -> CarrierAccount {
        let base = json!({
            "twilio": {"accountSid": self.sandbox.credentials().account_sid},
            "credentialsRef": {"name": ACCOUNT},
            "endpoint": self.sandbox.url(),
            "limits": {"concurrency": 20, "requestsPerSecond": 10000},
            "scanInterval": "2s",
        });
        self.object("CarrierAccount", ACCOUNT, base, spec).await
    }

    /// Applies the agent, with webhooks on `host`.
    pub async fn agent(&self, host: &str, version: Option<&str>) -> Agent {
        let webhook = |path: &str| json!({"url": format!("https://{host}/{{agent}}/{{version}}/{path}")});
        let draft =
            json!({"webhooks": {"voice": webhook("voice"), "sms": webhook("sms"), "status": webhook("status")}});
        self.object("Agent", AGENT, json!({"draft": draft, "version": version}), json!({})).await
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
        let last = std::sync::Mutex::new(String::new());
        let ask = || async {
            let object = self.get::<K>(name).await?;
            *last.lock().unwrap() = format!("{:?}", object.conditions());
            let is_it = |c: &Condition| {
                c.type_ == of && c.reason == reason && c.observed_generation == object.meta().generation
            };
            object.conditions().iter().any(is_it).then_some(object)
        };
        let asked = tokio::time::timeout(std::time::Duration::from_secs(40), eventually("", ask));
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

/// A number that no other test of this or another run has.
pub fn fresh() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static BASE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let base = BASE.get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64 % 90_000);
    format!("+1415{:07}", 2_000_000 + base * 80 + u64::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// `over` laid over `base`: objects key by key, everything else as a whole.
fn laid_over(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let below = base.remove(&key).unwrap_or(Value::Null);
                base.insert(key, laid_over(below, value));
            }
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
