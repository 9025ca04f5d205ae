//! Waiting for what the operator does by itself, and the reason if it does not. It does I/O.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use k8s_openapi::api::events::v1::Event;
use kube::{Api, Client, Resource, ResourceExt as _, api::ListParams, core::NamespaceResourceScope};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// How long anything may take. It takes less than a second on two idle cores; the rest is for busy machines.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How many events a reason quotes.
const EVENTS: usize = 5;

/// An object of one of our namespaced kinds.
pub trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}

impl<K> Object for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}

/// Asks until the answer is yes; `false` if patience ends before.
pub async fn patiently<F: Future<Output = Result<bool>>>(ask: impl Fn() -> F) -> Result<bool> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if ask().await? {
            return Ok(true);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(false)
}

/// Returns the object once `holds` is true of it. The error has its conditions and its last events.
pub async fn until<K: Object>(
    client: &Client,
    namespace: &str,
    name: &str,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> Result<K> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let begin = Instant::now();
    loop {
        let object = api.get_opt(name).await?;
        if let Some(object) = &object
            && holds(&json!(object))
        {
            return Ok(object.clone());
        }
        if begin.elapsed() >= PATIENCE {
            let known = object.map(|object| json!(object));
            bail!(
                "timed out after {} s waiting for {what}\n{}",
                PATIENCE.as_secs(),
                why(client, namespace, name, known).await
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns once the object is gone.
pub async fn gone<K: Object>(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    if patiently(|| async { Ok(api.get_opt(name).await?.is_none()) }).await? {
        return Ok(());
    }
    let known = api.get_opt(name).await?.map(|object| json!(object));
    bail!("{name} was not deleted within {} s\n{}", PATIENCE.as_secs(), why(client, namespace, name, known).await)
}

/// Whether the condition `of` has this status, for the present generation of the object.
pub fn is(object: &Value, of: &str, status: &str) -> bool {
    condition(object, of).is_some_and(|condition| {
        condition["status"] == status && condition["observedGeneration"] == object["metadata"]["generation"]
    })
}

/// A condition of an object.
pub fn condition<'a>(object: &'a Value, of: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == of)
}

/// What an object says of itself, for a person who asks why it is not as it should be.
async fn why(client: &Client, namespace: &str, name: &str, object: Option<Value>) -> String {
    let mut lines = vec![];
    match &object {
        None => lines.push(format!("{name} does not exist")),
        Some(object) => {
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            if conditions.is_empty() {
                lines.push(format!("{name} has no conditions: the operator has not processed it"));
            }
            for condition in conditions {
                let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
                lines.push(format!("{}={} {}: {}", text("type"), text("status"), text("reason"), text("message")));
            }
        }
    }
    lines.extend(events(client, namespace, name).await.iter().rev().take(EVENTS).rev().map(line));
    lines.join("\n")
}

/// The events about an object, oldest first. None if they cannot be read.
pub async fn events(client: &Client, namespace: &str, name: &str) -> Vec<Event> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let list = ListParams::default().fields(&format!("regarding.name={name}"));
    let mut events = api.list(&list).await.map(|list| list.items).unwrap_or_default();
    events
        .sort_by_key(|event| event.event_time.as_ref().map(|time| time.0).or(event.creation_timestamp().map(|t| t.0)));
    events
}

/// An event in one line: type, reason and text.
pub fn line(event: &Event) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{} {}: {}", text(&event.type_), text(&event.reason), text(&event.note))
}
