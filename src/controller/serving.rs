//! What an Agent serves to a number: the route of its published version, or an agent on a platform.

use std::sync::Arc;

use super::{Context, open_accounts::OpenAccount};
use crate::{
    api::{
        Agent, AgentVersion,
        meta::Key,
        number::{E164, Route},
    },
    plan::{self, AgentRef, Served},
};

/// The name of the version that serves, and the version.
pub type Published = (String, Arc<AgentVersion>);

impl Context {
    /// What a reference to an agent from `namespace` leads to, for this number of this account.
    pub(super) fn agent_ref(&self, key: Key, namespace: &str, account: &Key, number: &E164) -> AgentRef {
        let Some(agent) = self.caches.agents.get(&key) else {
            // Which names there are in another namespace is nobody's to find out.
            return if key.namespace == namespace { AgentRef::Missing(key) } else { AgentRef::Refused(key) };
        };
        if !self.caches.allows(&agent.spec.allowed_namespaces, &key.namespace, namespace) {
            return AgentRef::Refused(key);
        }
        let serves = match (self.published(&agent, &key), self.sharing_session(account)) {
            (Ok(published), opened) => {
                let hosted = self.serves_hosted(&agent, &key, &published, account);
                hosted.unwrap_or_else(|| match opened {
                    Some(opened) => {
                        let to_all = serves_all(&key, &published, &opened);
                        plan::shared::served(&agent, to_all, account, &opened.uid)
                    }
                    None => self.serves(&key, published, account, number),
                })
            }
            (Err(serves), Some(opened)) => plan::shared::served(&agent, serves, account, &opened.uid),
            (Err(serves), None) => serves,
        };
        AgentRef::Found { key, offline: agent.spec.offline, serves }
    }

    /// An open account whose numbers share their routes.
    pub fn sharing_session(&self, account: &Key) -> Option<Arc<OpenAccount>> {
        self.open_accounts.get(account).filter(|opened| opened.inventory.carrier().shared_routes().is_some())
    }

    /// The version that serves. Only the agent's status says what is published: its draft and its spec say what somebody wishes.
    pub(super) fn published(&self, agent: &Agent, key: &Key) -> Result<Published, Served> {
        let Some(published) = agent.status.as_ref().and_then(|status| status.published_version.clone()) else {
            return Err(Served::Nothing);
        };
        let version = Key::new(&*key.namespace, AgentVersion::name_of(&key.name, &published));
        let known = agent.status.iter().flat_map(|status| &status.versions).find(|known| known.name == published);
        // Another one under the name of one that was published serves nobody.
        let is_published =
            |version: &Arc<AgentVersion>| known.is_some_and(|known| known.digest == version.spec.draft().digest());
        match self.caches.versions.get(&version).filter(is_published) {
            None => Err(Served::Missing(published)),
            Some(version) => Ok((published, version)),
        }
    }

    /// What the webhooks of a version serve to this number of an account.
    fn serves(&self, agent: &Key, (name, version): Published, account: &Key, number: &E164) -> Served {
        let route = version.spec.webhooks.route(agent, &name, number);
        Served::Version { route: self.as_shown(account, route), name }
    }

    /// `route` as the account's carrier will show it, without the channels that it does not have, and without what it cannot have there.
    fn as_shown(&self, account: &Key, route: Route) -> Route {
        let Some(opened) = self.open_accounts.get(account) else { return route };
        let carrier = opened.inventory.carrier();
        let mut route = carrier.canonical(route);
        route.retain(|channel, destination| {
            carrier.capabilities().channels.contains(channel) && !destination.is_empty()
        });
        route
    }
}

/// What the webhooks of a version serve to all of its agent's numbers at an account that has them share one route.
pub(super) fn serves_all(agent: &Key, (name, version): &Published, opened: &OpenAccount) -> Served {
    let (name, webhooks) = (name.clone(), &version.spec.webhooks);
    if webhooks.name_the_number() {
        return Served::Unshareable(name);
    }
    let mut route = opened.inventory.carrier().canonical(webhooks.route(agent, &name, &E164::example()));
    route.retain(|_, destination| !destination.is_empty());
    Served::Version { name, route }
}
