//! The world of an AgentVersion.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Controlled, Looked, with_status};
use crate::{
    api::{AgentVersion, PhoneNumber, agent::AgentVersionStatus, meta::Key},
    cluster::cache::{Change, Index},
    controller::Context,
    plan::{self, Decision},
};

impl Controlled for AgentVersion {
    with_status!(AgentVersionStatus);

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<AgentVersionStatus> {
        let key = Key::of(&**object);
        let agent_key = Key::new(&*key.namespace, &*object.spec.agent);
        let agent = context.caches.agents.get(&agent_key);
        // Where there is no agent any more, what it let others do is over.
        let needs = |number: &&Arc<PhoneNumber>| match &agent {
            Some(agent) => context.may_use(agent, &agent_key, number),
            None => number.metadata.namespace.as_deref() == Some(&*key.namespace),
        };
        let numbers = context.caches.numbers.by(Index::Version, &key.to_string());
        let numbers = numbers.iter().filter(needs).count();
        plan::version::next(&plan::version::World {
            now: Timestamp::now(),
            version: object,
            agent: agent.as_deref(),
            numbers: numbers.try_into().unwrap_or(u32::MAX),
            definition_going: looked.definition_going,
            binders: context.binders(&key.namespace, std::iter::once(&*object.spec.hosted)),
        })
    }

    fn changed(context: &Context, change: &Change<Self>) {
        context.version_changed(change);
    }
}
