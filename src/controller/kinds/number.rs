//! The world of a PhoneNumber.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Client};

use super::{Controlled, Looked, with_status};
use crate::{
    api::{
        Agent, AgentVersion, PhoneNumber,
        meta::Key,
        number::{E164, Route},
        phone_number::PhoneNumberStatus,
    },
    cluster::cache::{Cache, Change},
    controller::{Context, Kind, context::Caches},
    plan::{self, AgentRef, Decision, Served},
};

impl Controlled for PhoneNumber {
    const KIND: Kind = Kind::PhoneNumber;
    with_status!(PhoneNumberStatus);

    fn cache(caches: &Caches) -> &Cache<Self> {
        &caches.numbers
    }

    fn api(client: Client, namespace: &str) -> Api<Self> {
        Api::namespaced(client, namespace)
    }

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<PhoneNumberStatus> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let account = object.spec.account_ref.key(namespace);
        let number = &object.spec.import.number;
        let agent = object
            .spec
            .agent_ref
            .as_ref()
            .map(|agent| context.agent_ref(agent.key(namespace), namespace, &account, number));
        let claim = context.caches.claim_of(number);
        let trouble = context.trouble_of(&**object);
        let seen = context.seen(&account, number, looked);
        plan::number::next(&plan::number::World {
            now: Timestamp::now(),
            number: object,
            agent,
            claim: claim.as_deref(),
            holder: looked.holder,
            seen: seen.view(),
            trouble: trouble.as_ref(),
            put_backs: context.memory.put_backs(uid),
            in_flight: context.in_flight_for(&account, claim.as_deref(), number),
            definition_going: looked.definition_going,
            account: context.account_ref(account, namespace),
        })
    }

    fn changed(context: &Context, change: &Change<Self>) {
        context.number_changed(change);
    }
}

impl Context {
    /// What a reference to an agent from `namespace` leads to, for this number of this account.
    fn agent_ref(&self, key: Key, namespace: &str, account: &Key, number: &E164) -> AgentRef {
        let Some(agent) = self.caches.agents.get(&key) else { return AgentRef::Missing(key) };
        if !self.caches.allows(&agent.spec.allowed_namespaces, &key.namespace, namespace) {
            return AgentRef::Refused(key);
        }
        let serves = self.serves(&agent, &key, account, number);
        AgentRef::Found { key, offline: agent.spec.offline, serves }
    }

    /// What the agent serves. Only its status says what is published: its draft and its spec say what somebody wishes.
    fn serves(&self, agent: &Agent, key: &Key, account: &Key, number: &E164) -> Served {
        let Some(published) = agent.status.as_ref().and_then(|status| status.published_version.clone()) else {
            return Served::Nothing;
        };
        let version = Key::new(&*key.namespace, AgentVersion::name_of(&key.name, &published));
        let known = agent.status.iter().flat_map(|status| &status.versions).find(|known| known.name == published);
        // Another one under the name of one that was published serves nobody.
        let is_published =
            |version: &&Arc<AgentVersion>| known.is_some_and(|known| known.digest == version.spec.draft().digest());
        match self.caches.versions.get(&version).as_ref().filter(is_published) {
            None => Served::Missing(published),
            Some(version) => {
                let route = version.spec.webhooks.route(key, &published, number);
                Served::Version { route: self.as_shown(account, route), name: published }
            }
        }
    }

    /// `route` as the account's carrier will show it, without the channels that it does not have.
    fn as_shown(&self, account: &Key, route: Route) -> Route {
        let Some(session) = self.sessions.get(account) else { return route };
        let carrier = session.inventory.carrier();
        let mut route = carrier.canonical(route);
        route.retain(|channel, _| carrier.capabilities().channels.contains(channel));
        route
    }
}
