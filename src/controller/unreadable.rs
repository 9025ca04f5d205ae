//! Objects that do not decode: says so where people look, and has those look again that depend on one. It does I/O: events.
//!
//! Such an object is left out and is not gone. Nothing is cleaned up for it, what it holds stays its own (whether a holder lives
//! is asked of the API server, which needs no more of it than its uid), and whoever refers to it waits with what there was.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Resource,
    runtime::events::{Event, EventType},
};

use super::{Context, Kind};
use crate::{
    api::{PhoneNumber, meta::Key},
    cluster::{cache::Index, queue::Priority, sent::Unreadable},
};

/// The reason of the event on an object that does not decode.
const REASON: &str = "Unreadable";

impl Context {
    /// An object does not decode, and did before or fails otherwise now.
    pub fn left_out(&self, kind: Kind, unreadable: &Arc<Unreadable>) {
        let (object, why) = (unreadable.key(), &*unreadable.why);
        tracing::warn!(kind = kind.as_str(), %object, why, "the object cannot be decoded and is ignored; all others are processed");
        if self.is_working() {
            self.tell_left_out(kind, unreadable);
        }
        self.wake_dependents(kind, unreadable);
    }

    /// An object is gone of which nothing could be decoded since this process began.
    pub fn left_out_gone(&self, kind: Kind, unreadable: &Unreadable) {
        tracing::info!(kind = kind.as_str(), object = %unreadable.key(), "the object that could not be decoded is gone");
        self.wake_dependents(kind, unreadable);
    }

    /// Says of each that is left out that it is, once this process leads: one that stands by is silent.
    pub fn tell_of_left_out(&self) {
        for (kind, unreadable) in self.caches.left_out() {
            self.tell_left_out(kind, &unreadable);
        }
    }

    /// Has those look again that depend on it, as far as its name tells.
    fn wake_dependents(&self, kind: Kind, unreadable: &Unreadable) {
        let key = unreadable.key();
        match kind {
            Kind::CarrierAccount => self.wake_numbers_of(&key),
            Kind::Agent => {
                for number in self.caches.numbers.by(Index::Agent, &key.to_string()) {
                    self.wake(Kind::PhoneNumber, Key::of(&*number), Priority::Background);
                }
            }
            Kind::AgentVersion => {
                if let Some((agent, _)) = key.name.rsplit_once('.') {
                    let agent = Key::new(&*key.namespace, agent);
                    for number in self.caches.numbers.by(Index::Agent, &agent.to_string()) {
                        self.wake(Kind::PhoneNumber, Key::of(&*number), Priority::Background);
                    }
                    self.wake(Kind::Agent, agent, Priority::Background);
                }
            }
            // Whether it still holds what it held.
            Kind::PhoneNumber => {
                let uid = unreadable.metadata.uid.as_deref().unwrap_or_default();
                for claim in self.caches.claims.all().iter().filter(|claim| claim.spec.is_held_by(uid)) {
                    self.wake(Kind::NumberClaim, Key::of(&**claim), Priority::Background);
                    for claimant in self.caches.about(&claim.spec.number) {
                        self.wake(Kind::PhoneNumber, Key::of(&*claimant), Priority::Background);
                    }
                }
            }
            Kind::NumberClaim => {
                if let Ok(number) = format!("+{}", key.name).parse() {
                    for claimant in self.caches.about(&number) {
                        self.wake(Kind::PhoneNumber, Key::of(&*claimant), Priority::Background);
                    }
                }
            }
            Kind::NumberPurchase | Kind::Namespace => {}
        }
    }

    /// Publishes an event on it, without making anybody wait for that.
    fn tell_left_out(&self, kind: Kind, unreadable: &Unreadable) {
        let Some(reference) = reference_to(kind, unreadable) else { return };
        let event = Event {
            type_: EventType::Warning,
            reason: REASON.to_owned(),
            note: Some(format!(
                "The operator cannot decode this object and uses its last valid state: {}. Its claims and routes are kept. Correct it, or \
                 run the operator and its CRDs at the same version.",
                unreadable.why
            )),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        self.events.publish(event, reference);
    }
}

/// What an event about it refers to. Nobody reads events about a namespace there, and it is not ours.
fn reference_to(kind: Kind, unreadable: &Unreadable) -> Option<ObjectReference> {
    if kind == Kind::Namespace {
        return None;
    }
    let metadata = &unreadable.metadata;
    Some(ObjectReference {
        // All of ours are of one version.
        api_version: Some(PhoneNumber::api_version(&()).into_owned()),
        kind: Some(unreadable.kind.clone()),
        name: Some(metadata.name.clone()?),
        namespace: metadata.namespace.clone(),
        uid: metadata.uid.clone(),
        ..ObjectReference::default()
    })
}
