//! Which objects to look at when another has changed. No I/O.
//!
//! What an object says of itself in its status wakes nobody who does not read it: our own status writes must not keep us busy.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Resource, ResourceExt};

use super::{
    Context, Kind,
    kinds::{is_closed, share_id},
    local_state::GrantRequest,
};
use crate::{
    api::{
        Agent, AgentVersion, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber,
        account::Grants,
        agent::SharedRouteStatus,
        meta::{ABANDON, HAND_OVER, Key},
        number::E164,
        phone_number::RouteStatus,
        purchase::Identity,
    },
    carrier::inventory::Seen,
    cluster::{
        cache::{Change, Index},
        queue::Priority,
    },
    plan::{Requested, policy},
};

/// How long an account waits for others who wish to buy as well: one write answers them all.
const TOGETHER: Duration = Duration::from_millis(50);

impl Context {
    pub fn number_changed(&self, change: &Change<PhoneNumber>) {
        let key = change.key();
        if is_edited(change) {
            self.noticed(change);
            self.wake(Kind::PhoneNumber, key.clone(), Priority::Urgent);
        }
        if let Some(new) = change.new.as_ref().filter(|_| is_requested(change)) {
            self.look_anew(&new.account(), std::slice::from_ref(new));
        }
        let has_none = |new: &&Arc<PhoneNumber>| new.status.as_ref().is_none_or(|status| status.number.is_none());
        if let Some(uid) = change.new.as_ref().filter(has_none).and_then(|new| new.uid()) {
            // From now on and not from its first pass, so that one listing serves all that came before it.
            self.local.first_seen(&uid);
        }
        let agents = |number: &Arc<PhoneNumber>| {
            let route = number.status.as_ref().and_then(|status| status.route.clone());
            // Whether it may be written for: only then its agent makes a route to share for it.
            let writes = (number.spec.mode, number.spec.suspend, number.metadata.deletion_timestamp.is_some());
            (number.agent(), route, writes, number.is_acquired())
        };
        let is_ours = |number: &Arc<PhoneNumber>| number.status.as_ref().is_some_and(|status| status.number.is_some());
        if let Some(new) = change.new.as_ref().filter(|new| new.spec.purchase.is_some() && is_ours(new))
            && !change.old.as_ref().is_some_and(is_ours)
        {
            // Others may be waiting for the right that was used.
            let account = new.account();
            match self.local.right_used(&account) {
                true => self.settle_rights(account),
                false => self.count(Kind::CarrierAccount, account),
            }
        }
        let (old, new) = (change.old.as_ref().map(agents), change.new.as_ref().map(agents));
        if old != new {
            for (agent, route, ..) in old.into_iter().chain(new) {
                if let Some(agent) = agent {
                    self.count(Kind::Agent, agent);
                }
                self.count_version_of(route.as_ref());
            }
        }
        if let Change { old: Some(gone), new: None } = change {
            self.count(Kind::CarrierAccount, gone.account());
            let bought = gone.status.as_ref().and_then(|status| status.number.as_ref());
            // What was only held for it, or kept, is offered to others from now on.
            if let Some(opened) = self.open_accounts.get(&gone.account()) {
                opened.offer_cache.release(gone.metadata.uid.as_deref().unwrap_or_default());
                self.wake_called(&opened);
            }
            let journal = self.caches.journal_for(gone);
            let held = journal.as_ref().and_then(|journal| journal.spec.hold.as_ref()).map(|hold| &hold.number);
            for number in gone.named().into_iter().chain(bought).chain(held) {
                self.wake_claimants(number);
            }
            self.wake_of_identity(gone);
        }
        self.holder_speaks(change);
    }

    /// Has the version that this number was routed to count its numbers.
    fn count_version(&self, number: &PhoneNumber) {
        self.count_version_of(number.status.as_ref().and_then(|status| status.route.as_ref()));
    }

    fn count_version_of(&self, route: Option<&RouteStatus>) {
        if let Some((route, (namespace, agent))) = route.and_then(|route| Some((route, route.agent.split_once('/')?))) {
            self.count(Kind::AgentVersion, Key::new(namespace, AgentVersion::name_of(agent, &route.version)));
        }
    }

    /// Whoever has the same identity as this object, and the journal of it.
    fn wake_of_identity(&self, number: &PhoneNumber) {
        let Some(identity) = number.identity() else { return };
        for other in self.caches.numbers.by(Index::Identity, &identity.to_string()) {
            self.wake(Kind::PhoneNumber, Key::of(&*other), Priority::Urgent);
        }
        self.wake_journals_of(Some(&identity));
    }

    /// An object is being deleted, or hands its number over: whoever waits for the number looks again.
    fn holder_speaks(&self, change: &Change<PhoneNumber>) {
        let Some(new) = &change.new else { return };
        let says = |number: &Arc<PhoneNumber>| {
            (number.metadata.deletion_timestamp.is_some(), number.annotation(HAND_OVER).map(str::to_owned))
        };
        let (old, now) = (change.old.as_ref().map(says).unwrap_or_default(), says(new));
        if old == now {
            return;
        }
        let ours = new.status.as_ref().and_then(|status| status.number.as_ref());
        new.named().into_iter().chain(ours).for_each(|number| self.wake_claimants(number));
        self.wake_of_identity(new);
        for to in [old.1, now.1].into_iter().flatten() {
            if let Some((namespace, name)) = to.split_once('/') {
                self.wake(Kind::PhoneNumber, Key::new(namespace, name), Priority::Urgent);
            }
        }
    }

    /// Whoever wants this number, and the claim itself, if its holder left it behind; if nobody holds it, whoever waits for an
    /// idle number.
    fn wake_claimants(&self, number: &E164) {
        for claimant in self.caches.about(number) {
            self.wake(Kind::PhoneNumber, Key::of(&*claimant), Priority::Urgent);
        }
        let Some(claim) = self.caches.claim_of(number) else { return };
        self.wake(Kind::NumberClaim, Key::new("", number.digits()), Priority::Background);
        if claim.spec.holder.is_none() {
            for waiting in self.caches.numbers.by(Index::Reuse, &claim.spec.account.key().to_string()) {
                self.wake(Kind::PhoneNumber, Key::of(&*waiting), Priority::Background);
            }
        }
    }

    pub fn claim_changed(&self, change: &Change<NumberClaim>) {
        let Some(claim) = change.new.as_ref().or(change.old.as_ref()) else { return };
        self.count(Kind::CarrierAccount, claim.spec.account.key());
        self.count_at_owners(&claim.spec.number);
        let holder = |claim: &Arc<NumberClaim>| claim.spec.holder.clone();
        let moved =
            change.old.is_some() && change.old.as_ref().and_then(holder) != change.new.as_ref().and_then(holder);
        if moved || change.new.is_none() {
            // What was found of the last holder says nothing of this one.
            self.local.forget(claim.metadata.uid.as_deref().unwrap_or_default());
        }
        if change.new.is_none() {
            self.wake_journals_of(claim.spec.identity().as_ref());
        }
        self.wake_claimants(&claim.spec.number);
    }

    /// Has the accounts that have this number count again which of theirs are managed. Several may open one account at the carrier.
    fn count_at_owners(&self, number: &E164) {
        for (account, opened) in self.open_accounts.all() {
            if matches!(opened.inventory.seen(number), Seen::Present { .. }) {
                self.count(Kind::CarrierAccount, account);
            }
        }
    }

    /// A journal that names no number goes once nothing needs it.
    fn wake_journals_of(&self, identity: Option<&Identity>) {
        let Some(identity) = identity else { return };
        for journal in self.caches.journals.by(Index::Identity, &identity.to_string()) {
            self.wake(Kind::NumberPurchase, Key::of(&*journal), Priority::Background);
        }
    }

    pub fn journal_changed(&self, change: &Change<NumberPurchase>) {
        self.wake(Kind::NumberPurchase, change.key(), Priority::Background);
        // The claim of a number that it no longer names may be let go.
        let number = |journal: &Arc<NumberPurchase>| journal.spec.number.clone();
        let (old, new) = (change.old.as_ref().and_then(number), change.new.as_ref().and_then(number));
        if let Some(old) = old.filter(|old| Some(old) != new.as_ref()) {
            self.wake(Kind::NumberClaim, Key::new("", old.digits()), Priority::Background);
        }
    }

    pub fn agent_changed(&self, change: &Change<Agent>) {
        let key = change.key();
        self.agent_went(change);
        if is_edited(change) {
            self.wake(Kind::Agent, key.clone(), Priority::Urgent);
        }
        let serves = |agent: &Arc<Agent>| {
            let published = agent.status.as_ref().and_then(|status| status.published_version.clone());
            (published, agent.spec.offline, agent.spec.allowed_namespaces.clone())
        };
        self.agent_shares(change);
        let (old, new) = (change.old.as_ref().map(serves), change.new.as_ref().map(serves));
        if old != new {
            let shared = change.new.as_ref().and_then(|agent| agent.status.as_ref());
            let shared = shared.map_or(&[][..], |status| &status.shared_routes);
            for number in self.caches.numbers.by(Index::Agent, &key.to_string()) {
                // A route that was refused says nothing about the next one.
                self.local.rerouted(number.metadata.uid.as_deref().unwrap_or_default());
                let account = number.account().to_string();
                if shared.iter().any(|entry| entry.account == account) {
                    // The route that it shares with others is set first: then it is woken for that, and has one thing to say and not two.
                    self.soon(Kind::PhoneNumber, Key::of(&*number));
                } else {
                    self.wake(Kind::PhoneNumber, Key::of(&*number), Priority::Background);
                }
            }
            for version in self.caches.versions.by(Index::Agent, &key.to_string()) {
                self.count(Kind::AgentVersion, Key::of(&*version));
            }
        }
    }

    /// What an Agent published that is gone is remembered for the next of its name.
    fn agent_went(&self, change: &Change<Agent>) {
        let uid = |agent: &Arc<Agent>| agent.metadata.uid.clone();
        let Some(gone) = &change.old else { return };
        if change.new.as_ref().map(uid) != Some(uid(gone)) {
            self.predecessors.note(gone);
            self.local.forget(gone.metadata.uid.as_deref().unwrap_or_default());
        }
    }

    /// A person asked for a look at these numbers of an account: so is what they share there with others of their agents, where they
    /// may use account and agent. It is done once for many who ask.
    fn look_anew(&self, account: &Key, numbers: &[Arc<PhoneNumber>]) {
        let agent_of = |number: &Arc<PhoneNumber>| {
            let key = number.agent()?;
            let agent = self.caches.agents.get(&key).filter(|agent| self.number_may_use(agent, &key, number))?;
            Some((key, agent))
        };
        let agents: BTreeMap<Key, Arc<Agent>> = numbers.iter().filter_map(agent_of).collect();
        let sharing = self.sharing_session(account).filter(|_| !agents.is_empty());
        if let Some(opened) = &sharing {
            opened.sharing.look_anew();
        }
        for (key, agent) in agents {
            let mut looked = self.look_at_hosts_anew(&agent, &key);
            looked.extend(sharing.is_some().then(|| account.clone()));
            for at in &looked {
                let id = share_id(&*agent, at);
                self.local.edited(&id);
                self.local.requested(&id);
            }
            if !looked.is_empty() {
                self.soon(Kind::Agent, key);
            }
        }
    }

    /// Wakes the numbers whose shared route has changed. What was refused before says nothing about what is wanted now.
    fn agent_shares(&self, change: &Change<Agent>) {
        let shared = |agent: &Arc<Agent>| agent.status.as_ref().map(|status| status.shared_routes.clone());
        let (old, new) = (change.old.as_ref().and_then(shared), change.new.as_ref().and_then(shared));
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        let spec = |agent: &Arc<Agent>| (agent.metadata.uid.clone(), agent.metadata.generation);
        let is_edited = change.differs(spec);
        if old == new && !is_edited {
            return;
        }
        if let Some(agent) = change.new.as_ref().filter(|_| is_edited) {
            for platform in self.hosts(agent) {
                self.local.edited(&share_id(&**agent, &platform));
            }
        }
        let hosted = |all: &[SharedRouteStatus]| {
            let is_hosted = |entry: &&SharedRouteStatus| self.binds(&entry.key());
            all.iter().filter(is_hosted).cloned().collect::<Vec<_>>()
        };
        for number in self.caches.numbers.by(Index::Agent, &change.key().to_string()) {
            let account = number.account();
            let name = account.to_string();
            let entry = |all: &[SharedRouteStatus]| all.iter().find(|entry| entry.account == name).cloned();
            if let Some(agent) = change.new.as_ref().filter(|_| is_edited) {
                self.local.edited(&share_id(&**agent, &account));
            }
            // Whoever is answered at a platform waits for the entry of that one.
            if entry(&old) != entry(&new) || hosted(&old) != hosted(&new) {
                self.wake(Kind::PhoneNumber, Key::of(&*number), Priority::Background);
            }
        }
        if let Change { old: Some(gone), new: None } = change {
            for entry in old {
                self.local.forget(&share_id(&**gone, &entry.key()));
            }
        }
    }

    pub fn version_changed(&self, change: &Change<AgentVersion>) {
        let Some(version) = change.new.as_ref().or(change.old.as_ref()) else { return };
        if !is_edited(change) {
            return;
        }
        let key = change.key();
        let agent = Key::new(&*key.namespace, &*version.spec.agent);
        self.wake(Kind::AgentVersion, key, Priority::Urgent);
        self.wake(Kind::Agent, agent.clone(), Priority::Urgent);
        let serves = self.caches.agents.get(&agent).and_then(|agent| agent.status.as_ref()?.published_version.clone());
        if serves.as_ref() == Some(&version.spec.version) {
            for number in self.caches.numbers.by(Index::Agent, &agent.to_string()) {
                self.wake(Kind::PhoneNumber, Key::of(&*number), Priority::Background);
            }
        }
    }

    pub fn account_changed(&self, change: &Change<CarrierAccount>) {
        let key = change.key();
        if is_edited(change) {
            self.noticed(change);
            self.wake(Kind::CarrierAccount, key.clone(), Priority::Urgent);
        }
        if change.differs(|account| account.spec.lend_to.clone()) {
            for number in self.caches.numbers.by(Index::Account, &key.to_string()) {
                self.local.edited(number.metadata.uid.as_deref().unwrap_or_default());
                self.wake(Kind::PhoneNumber, Key::of(&*number), Priority::Background);
            }
        }
        if is_requested(change) {
            self.look_anew(&key, &self.caches.numbers.by(Index::Account, &key.to_string()));
        }
        if change.old.is_some() && change.differs(|account| account.spec.scan_interval.clone()) {
            // What is hosted there is to be looked at by the new one.
            self.wake_hosted(&key);
        }
        if change.new.is_none() {
            self.open_accounts.close(&key);
            self.metrics.forget_account(&key);
        }
        let consent = |account: &Arc<CarrierAccount>| {
            (
                account.spec.allowed_namespaces.clone(),
                account.is_annotated(ABANDON),
                is_closed(account),
                account.metadata.uid.clone(),
            )
        };
        if change.differs(consent) {
            self.wake_numbers_of(&key);
            let numbers = self.caches.numbers.by(Index::Account, &key.to_string());
            numbers.iter().for_each(|number| self.count_version(number));
        }
        let limits = |account: &Arc<CarrierAccount>| account.spec.purchasing.clone();
        if change.differs(limits) {
            self.local.forget_wishes(&key);
            self.wake_numbers_of(&key);
        }
        let grants = change.new.as_ref().map_or(&[][..], |account| account.open_grants());
        for number in self.local.grant_wishes(&key, grants) {
            self.wake(Kind::PhoneNumber, number, Priority::Urgent);
        }
        if let (Some(old), Some(new)) = (&change.old, &change.new) {
            // A wish of an object that is gone, or no longer allowed, is nobody's turn.
            let is_somebodys = |wish: &GrantRequest| {
                self.caches
                    .numbers
                    .get(&wish.object)
                    .is_some_and(|number| number.metadata.uid.as_ref() == Some(&wish.uid))
                    && self.caches.allows(&new.spec.allowed_namespaces, &key.namespace, &wish.object.namespace)
            };
            let returned = given_back(old, new);
            for number in self.local.recall_wishes(&key, returned, is_somebodys) {
                self.wake(Kind::PhoneNumber, number, Priority::Background);
            }
            if returned > 0 && !self.local.open_wishes(&key).is_empty() {
                // Whoever gave one back and needs one again is given none by the write that takes it.
                self.settle_rights(key);
            }
        }
    }

    /// The labels of a namespace decide what its objects may refer to.
    pub fn namespace_changed(&self, change: &Change<Namespace>) {
        let labels = |namespace: &Arc<Namespace>| namespace.labels().clone();
        if !change.differs(labels) {
            return;
        }
        let name = change.key().name;
        // What an Agent may use of a platform hangs on them too.
        for agent in self.caches.agents.all() {
            if agent.metadata.namespace.as_ref() == Some(&name) {
                self.soon(Kind::Agent, Key::of(&*agent));
            }
        }
        for number in self.caches.numbers.all() {
            if number.metadata.namespace.as_ref() == Some(&name) {
                self.wake(Kind::PhoneNumber, Key::of(&*number), Priority::Background);
                // Accounts, agents and versions count the numbers that may refer to them.
                self.count(Kind::CarrierAccount, number.account());
                if let Some(agent) = number.agent() {
                    self.count(Kind::Agent, agent);
                }
                self.count_version(&number);
            }
        }
    }

    /// Has an account settle who may buy, once for many.
    pub fn settle_rights(&self, account: Key) {
        self.queue.add_after(self.caches.work(Kind::CarrierAccount, account), TOGETHER);
    }

    /// Has something that counts numbers count again, soon.
    pub fn count(&self, kind: Kind, key: Key) {
        let index = match kind {
            Kind::Agent => Index::Agent,
            Kind::AgentVersion => Index::Version,
            _ => Index::Account,
        };
        let lag = policy::count_lag(self.caches.numbers.count_by(index, &key.to_string()));
        self.queue.add_after(self.caches.work(kind, key), lag);
    }

    /// Has an object looked at soon, once for all that happens to it until then.
    pub fn soon(&self, kind: Kind, key: Key) {
        self.queue.add_after(self.caches.work(kind, key), policy::COUNT_LAG);
    }

    /// A person may have mended what failed.
    fn noticed<K: Resource<DynamicType = ()>>(&self, change: &Change<K>) {
        let uid = |object: &Arc<K>| object.meta().uid.clone();
        match (&change.old, &change.new) {
            (old, Some(new)) => {
                let old = old.as_ref().and_then(uid);
                let uid = uid(new).unwrap_or_default();
                // Made again under its name, without our having seen it go.
                if let Some(gone) = old.filter(|old| *old != uid) {
                    self.local.forget(&gone);
                }
                if is_by_a_person(change) {
                    self.local.edited(&uid);
                }
                if is_requested(change) {
                    self.local.requested(&uid);
                }
            }
            (Some(old), None) => self.local.forget(&uid(old).unwrap_or_default()),
            (None, None) => {}
        }
    }
}

/// How many rights to buy were given back unused between two looks at an account.
fn given_back(old: &CarrierAccount, new: &CarrierAccount) -> usize {
    let grants = |account: &CarrierAccount| account.status.as_ref().and_then(|status| status.grants.clone());
    let both = grants(old).zip(grants(new)).filter(|(old, new)| old.day == new.day);
    let taken = |grants: Grants| grants.open.len() + grants.bought as usize;
    both.map_or(0, |(old, new)| taken(old).saturating_sub(taken(new)))
}

/// Whether a person asks for a look that was not asked for before.
fn is_requested<K: Resource>(change: &Change<K>) -> bool {
    let request = |object: &Arc<K>| object.request().map(str::to_owned);
    let asked = change.new.as_ref().and_then(request);
    asked.is_some() && asked != change.old.as_ref().and_then(request)
}

/// Whether something changed that people write. Our own finalizer, of which a busy machine tells late, mends nothing that failed since.
fn is_by_a_person<K: Resource>(change: &Change<K>) -> bool {
    change.differs(|object| {
        let meta = object.meta();
        (meta.generation, meta.annotations.clone(), meta.deletion_timestamp.is_some())
    })
}

/// Whether something changed that the object's own controller reads: not its status, and not who manages which field.
fn is_edited<K: Resource>(change: &Change<K>) -> bool {
    let rest = |object: &Arc<K>| {
        let meta = object.meta();
        (meta.uid.clone(), meta.finalizers.clone(), meta.owner_references.clone())
    };
    is_by_a_person(change) || change.differs(rest)
}
