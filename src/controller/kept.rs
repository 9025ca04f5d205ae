//! What of each kind is kept in memory: what somebody here reads. No I/O.
//!
//! Users write these objects, and what they write beside what we read may be large: annotations and labels of their tools, an
//! agent's configuration. Of the kinds of theirs nothing but the status and the finalizers is ever written back.

use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{
    api::{
        Agent, AgentVersion, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber, meta::Key, phone_number::Mode,
    },
    cluster::sent::{Kept, strip},
};

/// What our annotations begin with.
const OURS: &str = "dialplane.dev/";

/// Drops what others wrote on an object of a user's.
fn strip_users(meta: &mut ObjectMeta) {
    strip(meta);
    meta.labels = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.retain(|name, _| name.starts_with(OURS));
    }
    // An empty map keeps the room that it had.
    meta.annotations.take_if(|annotations| annotations.is_empty());
    // Whose version it is, is said by its controller alone.
    if let Some(owners) = &mut meta.owner_references {
        owners.retain(|owner| owner.controller == Some(true));
    }
}

impl Kept for CarrierAccount {
    type Group = ();

    fn group(&self) {}

    fn strip(&mut self) {
        strip_users(&mut self.metadata);
    }
}

/// What PhoneNumbers have in common that their agents, versions and accounts count together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NumberGroup {
    pub namespace: String,
    pub account: Key,
    pub is_going: bool,
    /// Whether it may be written for.
    pub is_active: bool,
    pub is_acquired: bool,
    /// The agent and the version that it is seen to reach.
    pub reaches: Option<(String, String)>,
}

impl Kept for PhoneNumber {
    type Group = NumberGroup;

    fn group(&self) -> NumberGroup {
        let route = self.status.as_ref().and_then(|status| status.route.as_ref());
        NumberGroup {
            namespace: self.metadata.namespace.clone().unwrap_or_default(),
            account: self.account(),
            is_going: self.metadata.deletion_timestamp.is_some(),
            is_active: self.spec.mode == Mode::Manage && !self.spec.suspend,
            is_acquired: self.is_acquired(),
            reaches: route.map(|route| (route.agent.clone(), route.version.clone())),
        }
    }

    fn strip(&mut self) {
        strip_users(&mut self.metadata);
        if let Some(status) = &mut self.status {
            status.conditions.shrink_to_fit();
            status.features.shrink_to_fit();
        }
    }
}

impl Kept for Agent {
    type Group = ();

    fn group(&self) {}

    fn strip(&mut self) {
        strip_users(&mut self.metadata);
        self.spec.draft.iter_mut().for_each(|draft| draft.config.forget());
    }
}

impl Kept for AgentVersion {
    type Group = ();

    fn group(&self) {}

    fn strip(&mut self) {
        strip_users(&mut self.metadata);
        self.spec.config.forget();
    }
}

// These are written back as a whole, with whatever others put on them.
impl Kept for NumberClaim {
    /// The namespace of whoever holds it.
    type Group = Option<String>;

    fn group(&self) -> Option<String> {
        self.spec.holder.as_ref().map(|holder| holder.namespace.clone())
    }

    fn strip(&mut self) {
        strip(&mut self.metadata);
        self.spec.led_to.shrink_to_fit();
    }
}

impl Kept for NumberPurchase {
    type Group = ();

    fn group(&self) {}
}

impl Kept for Namespace {
    type Group = ();

    fn group(&self) {}

    /// Its labels decide what its objects may refer to, its uid may name the cluster, and with it go its objects.
    fn strip(&mut self) {
        let ObjectMeta { name, uid, resource_version, labels, deletion_timestamp, .. } =
            std::mem::take(&mut self.metadata);
        *self = Self {
            metadata: ObjectMeta { name, uid, resource_version, labels, deletion_timestamp, ..ObjectMeta::default() },
            ..Self::default()
        };
    }
}

// Read once and not kept.
impl Kept for Secret {
    type Group = ();

    fn group(&self) {}
}
impl Kept for CustomResourceDefinition {
    type Group = ();

    fn group(&self) {}
}
