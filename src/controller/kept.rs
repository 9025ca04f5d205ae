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
    api::{Agent, AgentVersion, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber},
    cluster::sent::Kept,
};

/// What our annotations begin with.
const OURS: &str = "dialplane.dev/";

/// Drops what others wrote on an object of a user's.
fn strip_users(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    meta.labels = None;
    meta.annotations = meta.annotations.take().map(|mut all| {
        all.retain(|name, _| name.starts_with(OURS));
        all
    });
    // Whose version it is, is said by its controller alone.
    if let Some(owners) = &mut meta.owner_references {
        owners.retain(|owner| owner.controller == Some(true));
    }
}

impl Kept for CarrierAccount {
    fn strip(&mut self) {
        strip_users(&mut self.metadata);
    }
}

impl Kept for PhoneNumber {
    fn strip(&mut self) {
        strip_users(&mut self.metadata);
    }
}

impl Kept for Agent {
    fn strip(&mut self) {
        strip_users(&mut self.metadata);
        self.spec.draft.iter_mut().for_each(|draft| draft.config.forget());
    }
}

impl Kept for AgentVersion {
    fn strip(&mut self) {
        strip_users(&mut self.metadata);
        self.spec.config.forget();
    }
}

// These are written back as a whole, with whatever others put on them.
impl Kept for NumberClaim {}
impl Kept for NumberPurchase {}

impl Kept for Namespace {
    /// Its labels decide what its objects may refer to, and its uid may name the cluster.
    fn strip(&mut self) {
        let ObjectMeta { name, uid, resource_version, labels, .. } = std::mem::take(&mut self.metadata);
        *self = Self {
            metadata: ObjectMeta { name, uid, resource_version, labels, ..ObjectMeta::default() },
            ..Self::default()
        };
    }
}

// Read once and not kept.
impl Kept for Secret {}
impl Kept for CustomResourceDefinition {}
