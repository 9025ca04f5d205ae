//! The world of an Agent.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Client, ResourceExt};

use super::{Controlled, Looked, with_status};
use crate::{
    api::{Agent, AgentVersion, agent::AgentStatus, meta::Key},
    cluster::cache::{Cache, Change, Index},
    controller::{Context, Kind, context::Caches},
    plan::{self, Decision, agent::Frozen},
};

impl Controlled for Agent {
    const KIND: Kind = Kind::Agent;
    with_status!(AgentStatus);

    fn cache(caches: &Caches) -> &Cache<Self> {
        &caches.agents
    }

    fn api(client: Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<AgentStatus> {
        let (caches, key) = (&context.caches, Key::of(&**object));
        let wanted = object.spec.version.as_ref().and_then(|version| {
            caches.versions.get(&Key::new(&*key.namespace, AgentVersion::name_of(&key.name, version)))
        });
        let wanted = wanted.map(Some).or_else(|| looked.version.clone());
        let assigned = caches.numbers.by(Index::Agent, &key.to_string());
        let is_ours = |namespace: &str| caches.allows(&object.spec.allowed_namespaces, &key.namespace, namespace);
        let mut reach: HashMap<&str, u32> = HashMap::new();
        let mut users = assigned.iter().filter(|number| {
            number.metadata.deletion_timestamp.is_none() && is_ours(&number.namespace().unwrap_or_default())
        });
        let first = users.clone().next().map(|number| Key::of(&**number).to_string());
        let mut count = 0;
        for number in &mut users {
            count += 1;
            let route = number.status.as_ref().and_then(|status| status.route.as_ref());
            if let Some(route) = route.filter(|route| route.agent == key.to_string()) {
                *reach.entry(&route.version).or_default() += 1;
            }
        }
        let versions = caches.versions.by(Index::Agent, &key.to_string());
        plan::agent::next(&plan::agent::World {
            now: Timestamp::now(),
            agent: object,
            wanted: match &wanted {
                None => Frozen::NotRead,
                Some(None) => Frozen::Missing,
                Some(Some(version)) => Frozen::Found(version),
            },
            versions: versions
                .iter()
                .map(|version| (&**version, reach.get(&*version.spec.version).copied().unwrap_or(0)))
                .collect(),
            assigned: count,
            user: first,
            definition_going: looked.definition_going,
        })
    }

    fn changed(context: &Context, change: &Change<Self>) {
        context.agent_changed(change);
    }
}
