//! The world of an AgentVersion.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;

use super::{Controlled, Looked, with_status};
use crate::{
    api::{AgentVersion, agent::AgentVersionStatus, meta::Key},
    cluster::{
        cache::{Cache, Change, Index},
        objects::Objects,
    },
    controller::{Context, Kind, context::Caches},
    plan::{self, Decision},
};

impl Controlled for AgentVersion {
    const KIND: Kind = Kind::AgentVersion;
    with_status!(AgentVersionStatus);

    fn cache(caches: &Caches) -> &Arc<Cache<Self>> {
        &caches.versions
    }

    fn api(client: Client, namespace: &str) -> Objects<Self> {
        Objects::namespaced(client, namespace)
    }

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<AgentVersionStatus> {
        let key = Key::of(&**object);
        let agent = context.caches.agents.get(&Key::new(&*key.namespace, &*object.spec.agent));
        let numbers = context.caches.numbers.count_by(Index::Version, &key.to_string());
        plan::version::next(&plan::version::World {
            now: Timestamp::now(),
            version: object,
            agent: agent.as_deref(),
            numbers: numbers.try_into().unwrap_or(u32::MAX),
            definition_going: looked.definition_going,
        })
    }

    fn changed(context: &Context, change: &Change<Self>) {
        context.version_changed(change);
    }
}
