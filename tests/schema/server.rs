//! What the API server says to a manifest. It does I/O.

use axum::http::{Request, header::ACCEPT};
use dialplane::api;
use kube::{
    Api, Client, CustomResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::manifests::{good, with};
use crate::support::{self, crds};

/// A namespace of a test's own, on a cluster that serves our kinds.
pub struct Server {
    pub namespace: String,
    pub client: Client,
}

impl Server {
    pub async fn new() -> Self {
        crds::install().await;
        let support::Namespace { name, client } = support::namespace().await;
        Self { namespace: name, client }
    }

    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        let resource = crds::resource(kind);
        match kind {
            "NumberClaim" | "NumberPurchase" => Api::all_with(self.client.clone(), &resource),
            _ => Api::namespaced_with(self.client.clone(), &self.namespace, &resource),
        }
    }

    /// Creates `manifest`, and returns it as it is stored.
    pub async fn create(&self, manifest: &Value) -> Value {
        let stored = self.post(manifest, false).await;
        stored.unwrap_or_else(|message| panic!("{message}\nis said of a good manifest: {manifest:#}"))
    }

    /// Asks whether `manifest` would be accepted; the error is what a user would read.
    pub async fn check(&self, manifest: &Value) -> Result<Value, String> {
        self.post(manifest, true).await
    }

    async fn post(&self, manifest: &Value, dry_run: bool) -> Result<Value, String> {
        let object: DynamicObject = serde_json::from_value(manifest.clone()).unwrap();
        let params = PostParams { dry_run, ..PostParams::default() };
        let said = answer(self.api(manifest["kind"].as_str().unwrap()).create(&params, &object).await);
        foretold(manifest, None, &said);
        said
    }

    /// Asks whether a merge patch of the object `name` would be accepted.
    pub async fn check_change(&self, kind: &str, name: &str, change: &Value) -> Result<Value, String> {
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        let old = json!(self.api(kind).get(name).await.unwrap());
        let said = answer(self.api(kind).patch(name, &params, &Patch::Merge(change)).await);
        foretold(&with(old.clone(), change), Some(&old), &said);
        said
    }

    /// Each case is a change to the smallest good manifest of `kind`, and what the refusal must say.
    pub async fn refuses(&self, kind: &str, cases: &[(Value, &str)]) {
        let mut wrong = vec![];
        for (change, says) in cases {
            let answer = self.check(&with(good(kind), change)).await;
            wrong.extend(misread(change, says, answer));
        }
        assert!(wrong.is_empty(), "{kind}:\n{}", wrong.join("\n"));
    }

    /// Each case is a change to the existing object `name`, and what the refusal must say.
    pub async fn refuses_change(&self, kind: &str, name: &str, cases: &[(Value, &str)]) {
        let mut wrong = vec![];
        for (change, says) in cases {
            let answer = self.check_change(kind, name, change).await;
            wrong.extend(misread(change, says, answer));
        }
        assert!(wrong.is_empty(), "{kind} {name}:\n{}", wrong.join("\n"));
    }

    /// Each case is a change that the smallest good manifest of `kind` may have.
    pub async fn accepts(&self, kind: &str, cases: &[Value]) {
        for change in cases {
            let answer = self.check(&with(good(kind), change)).await;
            assert!(answer.is_ok(), "{kind} {change}: {}", answer.unwrap_err());
        }
    }

    /// Each case is a change that the existing object `name` may see.
    pub async fn accepts_change(&self, kind: &str, name: &str, cases: &[Value]) {
        for change in cases {
            let answer = self.check_change(kind, name, change).await;
            assert!(answer.is_ok(), "{kind} {name} {change}: {}", answer.unwrap_err());
        }
    }

    /// What a path answers, in the given form.
    pub async fn get(&self, path: &str, accept: &str) -> Value {
        let request = Request::get(path).header(ACCEPT, accept).body(vec![]).unwrap();
        self.client.request(request).await.unwrap()
    }

    /// The path of a kind's collection.
    pub fn path(&self, kind: &str) -> String {
        self.api(kind).resource_url().to_owned()
    }
}

/// Holds what `plan` says of a manifest without asking against what the API server has said of it.
fn foretold(object: &Value, old: Option<&Value>, said: &Result<Value, String>) {
    /// What is refused, and whether the API server says it in the same words.
    fn broken<K>(object: &Value, old: Option<&Value>) -> Option<(String, bool)>
    where
        K: CustomResourceExt + DeserializeOwned,
    {
        if let Some(misfit) = api::misfit::<K>(object) {
            return Some((misfit, false));
        }
        if let Err(error) = K::deserialize(object) {
            return Some((error.to_string(), false));
        }
        api::broken_rule::<K>(object, old).map(|rule| (rule, true))
    }
    let broken = match object["kind"].as_str().unwrap() {
        "CarrierAccount" => broken::<api::CarrierAccount>,
        "PhoneNumber" => broken::<api::PhoneNumber>,
        "Agent" => broken::<api::Agent>,
        "AgentVersion" => broken::<api::AgentVersion>,
        _ => return,
    };
    match (broken(object, old), said) {
        (Some((rule, word_for_word)), Err(said)) if !word_for_word || said.contains(&rule) => {}
        (None, Ok(_)) => {}
        (foretold, _) => panic!("foretold: {foretold:?}\nsaid: {said:?}\n{object:#}"),
    }
}

/// What is wrong with `answer`, which should be a refusal that says `says`.
fn misread(change: &Value, says: &str, answer: Result<Value, String>) -> Option<String> {
    match answer {
        Err(message) if message.contains(says) => None,
        Err(message) => Some(format!("- {change}\n  says: {message}\n  and not: {says}")),
        Ok(stored) => Some(format!("- {change}\n  is accepted: {}", stored["spec"])),
    }
}

fn answer(result: kube::Result<DynamicObject>) -> Result<Value, String> {
    match result {
        Ok(object) => Ok(json!(object)),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}
