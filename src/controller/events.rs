//! Events about our objects, for people. It does I/O: the API server.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, Recorder, Reporter},
};
use tokio::time::{Duration, Instant};

use crate::cluster::failure::said;

/// The name under which events are reported.
const CONTROLLER: &str = "dialplane.dev/operator";

/// For how long the same event is counted instead of told anew, as the recorder does.
const COUNTED: Duration = Duration::from_secs(6 * 60);

/// Tells people. The same text about the same object is counted; another one is an event of its own, since the recorder counts by the
/// reason alone and would go on showing the first text.
pub struct Events {
    client: Client,
    told: Mutex<HashMap<Subject, Told>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Subject {
    uid: Option<String>,
    reason: String,
}

struct Told {
    note: Option<String>,
    at: Instant,
    recorder: Recorder,
}

impl Events {
    pub fn new(client: Client) -> Self {
        Self { client, told: Mutex::default() }
    }

    /// Publishes an event, without making anybody wait for that: the object says the same.
    pub fn publish(&self, event: Event, about: ObjectReference) {
        let recorder = self.recorder(&event, &about);
        tokio::spawn(async move {
            if let Err(error) = recorder.publish(&event, &about).await {
                let error = said(&error);
                tracing::debug!(error, reason = event.reason, "an event could not be published");
            }
        });
    }

    fn recorder(&self, event: &Event, about: &ObjectReference) -> Recorder {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, told| told.at + COUNTED > now);
        let subject = Subject { uid: about.uid.clone(), reason: event.reason.clone() };
        let same = told.remove(&subject).filter(|told| told.note == event.note).map(|told| told.recorder);
        let recorder = same.unwrap_or_else(|| {
            let instance = std::env::var("POD_NAME").ok();
            Recorder::new(self.client.clone(), Reporter { controller: CONTROLLER.to_owned(), instance })
        });
        told.insert(subject, Told { note: event.note.clone(), at: now, recorder: recorder.clone() });
        recorder
    }
}
