//! What this process remembers of Agents that are gone, for the next of their name. No I/O.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::api::{Agent, agent::PublishedVersion, meta::Key};

/// How many names of Agents that are gone this process remembers, all in all.
const MOST_NAMES: usize = 20_000;

/// What Agents had published that are gone. A restart forgets it; what outlives that is what the cluster and the carriers show.
#[derive(Debug, Default)]
pub struct Predecessors {
    gone: Mutex<Gone>,
}

#[derive(Debug, Default)]
struct Gone {
    published: HashMap<Key, BTreeMap<String, Option<String>>>,
    /// In the order in which they went, the latest last.
    order: VecDeque<Key>,
    names: usize,
}

impl Predecessors {
    /// Notes what an Agent that is gone had published, and what it knew of those before it.
    pub fn note(&self, agent: &Agent) {
        let Some(status) = &agent.status else { return };
        let published = status.versions.iter().map(|version| {
            let PublishedVersion { name, digest } = version;
            (name.clone(), Some(digest.clone()))
        });
        let before = status.used_before.iter().map(|name| (name.clone(), None));
        let names: BTreeMap<_, _> = before.chain(published).collect();
        if !names.is_empty() {
            self.gone().note(Key::of(agent), names);
        }
    }

    /// What was published under a name of an Agent that is gone: its digest, where that is known.
    pub fn of(&self, agent: &Key, version: &str) -> Option<Option<String>> {
        self.gone().published.get(agent)?.get(version).cloned()
    }

    fn gone(&self) -> MutexGuard<'_, Gone> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gone {
    fn note(&mut self, agent: Key, names: BTreeMap<String, Option<String>>) {
        self.order.retain(|other| *other != agent);
        let known = self.published.entry(agent.clone()).or_default();
        let before = known.len();
        for (name, digest) in names {
            let known = known.entry(name).or_default();
            // The later one counts: it may have been published with a person's word.
            *known = digest.or(known.take());
        }
        self.names += known.len() - before;
        self.order.push_back(agent);
        while self.names > MOST_NAMES {
            let Some(oldest) = self.order.pop_front() else { return };
            self.names -= self.published.remove(&oldest).map_or(0, |names| names.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::agent::{AgentSpec, AgentStatus};

    fn gone(name: &str, versions: usize) -> Agent {
        let spec: AgentSpec = serde_json::from_value(serde_json::json!({"draft": {}})).unwrap();
        let mut agent = Agent::new(name, spec);
        agent.metadata.namespace = Some("agents".into());
        let version = |n| PublishedVersion { name: format!("v{n}"), digest: format!("sha256:{n}") };
        agent.status = Some(AgentStatus { versions: (0..versions).map(version).collect(), ..AgentStatus::default() });
        agent
    }

    #[test]
    fn what_an_agent_had_published_is_remembered_and_so_is_what_those_before_it_had() {
        let predecessors = Predecessors::default();
        predecessors.note(&gone("dental", 2));
        predecessors.note(&gone("dental", 1));
        let of = |name, version: &str| predecessors.of(&Key::new("agents", name), version);
        assert_eq!(of("dental", "v1"), Some(Some("sha256:1".to_owned())));
        assert_eq!((of("dental", "v2"), of("other", "v1")), (None, None));
        let mut agent = gone("dental", 1);
        agent.status.as_mut().unwrap().used_before = vec!["v1".into(), "v7".into()];
        predecessors.note(&agent);
        assert_eq!((of("dental", "v1"), of("dental", "v7")), (Some(Some("sha256:1".to_owned())), Some(None)));
    }

    #[test]
    fn it_remembers_so_many_names_and_the_latest_of_them() {
        let predecessors = Predecessors::default();
        predecessors.note(&gone("first", MOST_NAMES / 2));
        predecessors.note(&gone("second", MOST_NAMES / 2));
        predecessors.note(&gone("first", 1));
        predecessors.note(&gone("third", 1));
        let of = |name| predecessors.of(&Key::new("agents", name), "v0").is_some();
        assert_eq!((of("first"), of("second"), of("third")), (true, false, true));
        assert_eq!(predecessors.gone().names, MOST_NAMES / 2 + 1);
    }
}
