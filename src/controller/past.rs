//! What is left of versions that were published before their Agent was made: in the cluster, in this process, and at the carriers.
//! Does I/O, through the carriers only.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::{Duration, Instant};

use super::{
    Context,
    kinds::{is_closed, share_id},
    open_accounts::OpenAccount,
};
use crate::{
    api::{Agent, CarrierAccount, PhoneNumber, agent::Draft, meta::Key, number::E164, purchase::Marker},
    cluster::cache::Index,
    plan::past::{Bond, Past, Place, Trace, Unlisted},
};

/// For how long a look at what numbers share is good enough to tell where that led before.
const SEEN: Duration = Duration::from_secs(60);

/// An account whose numbers may have been led to an agent.
struct Near {
    account: Key,
    bond: Bond,
}

impl Context {
    /// What is left of this version of an agent.
    pub(super) async fn past_of(&self, agent: &Agent, version: &str, began: Instant) -> Past {
        let key = Key::of(agent);
        let mut past = Past { traces: self.remembered(&key, version), ..Past::default() };
        let Some(draft) = agent.spec.draft.as_ref().filter(|_| past.traces.is_empty()) else { return past };
        for near in self.near(agent, &key) {
            let opened = self.caches.accounts.get(&near.account).and_then(|account| self.open_accounts.of(&account));
            let Some(opened) = opened.filter(|opened| opened.inventory.last_listing().is_some()) else {
                past.unlisted.extend(self.unlisted(near));
                continue;
            };
            past.listed |= near.bond >= Bond::Allowed;
            past.traces.extend(self.led_there(&key, version, draft, &opened, &near));
            if near.bond >= Bond::Allowed && opened.inventory.carrier().shared_routes().is_some() {
                match self.shares_led_there(agent, version, draft, &opened, &near.account, began).await {
                    Some(true) => past.traces.push(Trace { at: Place::Shared(near.account), digest: None }),
                    Some(false) => {}
                    None => past.unlisted.push(Unlisted { account: near.account, bond: near.bond }),
                }
            }
        }
        past
    }

    /// What the cluster and this process remember.
    fn remembered(&self, agent: &Key, version: &str) -> Vec<Trace> {
        let name = agent.to_string();
        let predecessor =
            self.predecessors.of(agent, version).map(|digest| Trace { at: Place::Predecessor, digest }).into_iter();
        let claims = self.caches.claims.by(Index::Agent, &name).into_iter();
        let claims = claims
            .filter(|claim| claim.spec.led_to.iter().any(|led_to| led_to.agent == name && led_to.version == version));
        let claim = claims.map(|claim| Place::Claim(claim.spec.number.clone())).next();
        let numbers = self.caches.numbers.by(Index::Version, &format!("{agent}.{version}"));
        // A name with a dot may be read in two ways, and the index does not tell.
        let reaches = |number: &&Arc<PhoneNumber>| {
            let route = number.status.as_ref().and_then(|status| status.route.as_ref());
            route.is_some_and(|route| route.agent == name && route.version == version)
        };
        let number = numbers.iter().find(reaches).map(|number| Place::Number(Key::of(&**number)));
        predecessor.chain(claim.into_iter().chain(number).map(|at| Trace { at, digest: None })).collect()
    }

    /// The accounts that may tell, with what they have to do with the agent. A reference that is refused tells nothing, and neither does
    /// an account that is not there.
    fn near(&self, agent: &Agent, key: &Key) -> Vec<Near> {
        let agents_let =
            |namespace: &str| self.caches.allows(&agent.spec.allowed_namespaces, &key.namespace, namespace);
        let mut near: BTreeMap<Key, Bond> = BTreeMap::new();
        for account in self.caches.accounts.all() {
            let of = Key::of(&*account);
            let lets = self.caches.allows(&account.spec.allowed_namespaces, &of.namespace, &key.namespace);
            match of.namespace == key.namespace {
                true => drop(near.insert(of, Bond::Allowed)),
                false if lets || agents_let(&of.namespace) => drop(near.insert(of, Bond::Offered)),
                false => {}
            }
        }
        for number in self.caches.numbers.by(Index::Agent, &key.to_string()) {
            let namespace = number.metadata.namespace.clone().unwrap_or_default();
            let Some(account) = self.caches.accounts.get(&number.account()) else { continue };
            let of = Key::of(&*account);
            if agents_let(&namespace) && self.caches.allows(&account.spec.allowed_namespaces, &of.namespace, &namespace)
            {
                let bond = if namespace == key.namespace { Bond::Own } else { Bond::Allowed };
                let known = near.entry(of).or_insert(bond);
                *known = bond.max(*known);
            }
        }
        near.into_iter().map(|(account, bond)| Near { account, bond }).collect()
    }

    /// An account that could not be listed. One that is the agent's own affair may lack its Secret for a moment; a neighbour's that was
    /// found not to be usable is not waited for.
    fn unlisted(&self, near: Near) -> Option<Unlisted> {
        let Near { account, bond } = near;
        let is_shut = self.caches.accounts.get(&account).is_none_or(|account| is_closed(&account));
        (bond > Bond::Offered || !is_shut).then_some(Unlisted { account, bond })
    }

    /// A number of the account that leads to that version at the carrier.
    fn led_there(&self, agent: &Key, version: &str, draft: &Draft, opened: &OpenAccount, near: &Near) -> Option<Trace> {
        let carrier = opened.inventory.carrier();
        let mut owned = opened.inventory.owned();
        owned.retain(|number| {
            let shown = |route| carrier.canonical(route);
            draft.webhooks.are_reached(agent, version, &number.number, &number.route, shown)
                && self.may_be_of(agent, &near.account, &number.number)
        });
        let number = owned.into_iter().map(|number| number.number.clone()).min()?;
        let at = Place::Carrier { account: near.account.clone(), number, bond: near.bond };
        Some(Trace { at, digest: None })
    }

    /// Whether a number may be the agent's: a template need not name the agent, and what another agent has is that one's. A reference that
    /// the account refuses has nothing.
    fn may_be_of(&self, agent: &Key, account: &Key, number: &E164) -> bool {
        let (name, owner) = (agent.to_string(), self.caches.accounts.get(account));
        let is_let = |by: &PhoneNumber| {
            let namespace = by.metadata.namespace.as_deref().unwrap_or_default();
            let lets = |owner: &CarrierAccount| {
                self.caches.allows(&owner.spec.allowed_namespaces, &account.namespace, namespace)
            };
            by.account() == *account && owner.as_deref().is_some_and(lets)
        };
        let about = self.caches.about(number);
        let mut agents = about.iter().filter(|by| is_let(by)).filter_map(|by| by.agent()).peekable();
        let is_anothers = agents.peek().is_some() && agents.all(|other| other != *agent);
        let claim = self.caches.claim_of(number);
        let led_to = claim.as_ref().map_or(&[][..], |claim| &claim.spec.led_to);
        !is_anothers && (led_to.is_empty() || led_to.iter().any(|led_to| led_to.agent == name))
    }

    /// Whether what the agent's numbers share at the account leads to that version; `None` if it could not be looked at.
    async fn shares_led_there(
        &self,
        agent: &Agent,
        version: &str,
        draft: &Draft,
        opened: &OpenAccount,
        account: &Key,
        began: Instant,
    ) -> Option<bool> {
        let (carrier, key) = (opened.inventory.carrier(), Key::of(agent));
        let name = Marker::new(self.installation()?, &key.to_string()).as_str().to_owned();
        let seen = || opened.sharing.seen(&name, began, SEEN, false, self.sharing_settles_in(opened));
        let waits = self.local.trouble(&share_id(agent, account)).is_some_and(|trouble| !trouble.wait.is_zero());
        if seen().is_none() && !waits {
            self.look_at_shared(agent, account, began).await;
        }
        let (sight, _) = seen()?;
        let shown = |route| carrier.canonical(route);
        Some(draft.webhooks.are_reached(&key, version, &E164::example(), &sight.route.webhooks, shown))
    }
}
