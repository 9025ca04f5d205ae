//! The world of an AgentVersion.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Controlled, Looked, with_status};
use crate::{
    api::{AgentVersion, agent::AgentVersionStatus, meta::Key},
    cluster::cache::{Change, Index},
    controller::{Context, kept::NumberGroup},
    plan::{self, Decision},
};

impl Controlled for AgentVersion {
    with_status!(AgentVersionStatus);

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<AgentVersionStatus> {
        let key = Key::of(&**object);
        let agent_key = Key::new(&*key.namespace, &*object.spec.agent);
        let agent = context.caches.agents.get(&agent_key);
        // Where there is no agent any more, what it let others do is over.
        let needs = |(group, _): &(NumberGroup, usize)| match &agent {
            Some(agent) => context.may_use(agent, &agent_key, &group.namespace, &group.account),
            None => group.namespace == key.namespace,
        };
        let groups = context.caches.numbers.groups(Index::Version, &key.to_string());
        let numbers: usize = groups.into_iter().filter(needs).map(|(_, count)| count).sum();
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
