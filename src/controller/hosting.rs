//! Agents on platforms: which of them answers a number, how they were last seen, and what is written there. Does I/O.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::time::Instant;

use super::{
    Context, Kind,
    kinds::{Controlled, Looked, Seen, scan_interval, share_id},
    local_state::Attempt,
    moves::Turn,
    open_accounts::OpenAccount,
    serving::Published,
};
use crate::{
    api::{
        Agent, AgentVersion,
        agent::{HostedOn, Versions},
        claim::{ClaimedAccount, NumberClaimSpec},
        meta::{ABANDON, Key},
        number::{Channel, E164, HOSTED_AGENT, Route},
        phone_number::Extra,
    },
    carrier::{CarrierError, ErrorClass, Lent, Outcome, does_not, inventory},
    cluster::{cache::Index, queue::Priority},
    plan::{
        AccountRef, AgentRef, BindingChange, ExtraSight, HostedAt, Lending, PlatformView, Requested as _, Served,
        SetBinding, hosting::Hosted,
    },
    telemetry::metrics::Operation,
};

impl Context {
    /// Whether an account is a platform that has no numbers of its own.
    pub(super) fn binds(&self, account: &Key) -> bool {
        self.caches.accounts.get(account).is_some_and(|account| account.spec.binds_numbers())
    }

    /// Whether an account that an Agent in `namespace` names is such a platform: `None` where there is none that allows it. Which of the two
    /// it is nobody is told, and the kind of an account that is not there cannot be known.
    fn binds_for(&self, account: &Key, namespace: &str) -> Option<bool> {
        let found = self.caches.accounts.get(account)?;
        let allowed = self.caches.allows(&found.spec.allowed_namespaces, &account.namespace, namespace);
        allowed.then(|| found.spec.binds_numbers())
    }

    /// The platforms that take numbers of other carriers, among the accounts that a draft names.
    pub(super) fn binders<'a>(&self, namespace: &str, drafts: impl Iterator<Item = &'a [HostedOn]>) -> Vec<Key> {
        let mut keys: Vec<Key> = drafts.flatten().map(|hosted| hosted.account_ref.key(namespace)).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| self.binds_for(key, namespace) == Some(true));
        keys
    }

    /// The entry by which a number of `account` is answered, of those that a version of an Agent in `namespace` has: that of the account
    /// itself, or else one of a platform that takes numbers of other carriers. What is not there may be one: until that is known, its numbers
    /// stay as they are.
    pub(super) fn hosted_for<'a>(
        &self,
        hosted: &'a [HostedOn],
        namespace: &str,
        account: &Key,
    ) -> Option<(&'a HostedOn, Key)> {
        let keyed = || hosted.iter().map(|hosted| (hosted, hosted.account_ref.key(namespace)));
        let which = |binds| keyed().find(|(_, key)| self.binds_for(key, namespace) == binds);
        keyed().find(|(_, key)| key == account).or_else(|| which(Some(true))).or_else(|| which(None))
    }

    /// Whether the published version of an Agent has numbers of `account` answered by an agent on a platform.
    pub(super) fn is_hosted(&self, agent: &Agent, key: &Key, account: &Key) -> bool {
        let published = self.published(agent, key);
        published.is_ok_and(|(_, version)| self.hosted_for(&version.spec.hosted, &key.namespace, account).is_some())
    }

    /// What a number of `account` is served by an agent on a platform, where the version says one.
    pub(super) fn serves_hosted(
        &self,
        agent: &Agent,
        key: &Key,
        (name, version): &Published,
        account: &Key,
    ) -> Option<Served> {
        let (hosted, at) = self.hosted_for(&version.spec.hosted, &key.namespace, account)?;
        if agent.spec.offline {
            return Some(Served::Version { name: name.clone(), route: Route::new() });
        }
        let uid = self.caches.accounts.get(&at).and_then(|account| account.metadata.uid.clone());
        let entry = uid.and_then(|uid| agent.shared_route(&at, &uid));
        let entry = entry.filter(|entry| entry.version.as_ref() == Some(name));
        // Who may not use the platform any more has nothing new answered there.
        let may = matches!(self.account_ref(at.clone(), &key.namespace), AccountRef::Found(_));
        let Some((entry, identity)) = entry.filter(|_| may).zip(self.caches.account_identity(&at)) else {
            return Some(Served::Pending);
        };
        Some(if at == *account {
            Served::Version { name: name.clone(), route: entry.bound.clone() }
        } else {
            Served::Hosted(HostedAt {
                version: name.clone(),
                account: ClaimedAccount::of(&at, &identity),
                agent: hosted.agent_id.clone(),
            })
        })
    }

    /// The agents on platforms that the published version of an Agent names. `active` says of each account that its numbers are at whether one
    /// of them may be written for.
    pub(super) fn hosted(
        &self,
        agent: &Agent,
        key: &Key,
        (name, version): &Published,
        active: &BTreeMap<Key, bool>,
        looked: &Looked,
    ) -> Vec<Hosted> {
        let entries = &version.spec.hosted;
        let answered_at = |at: &Key| {
            let accounts = active.iter().filter(|(account, _)| {
                self.hosted_for(entries, &key.namespace, account).is_some_and(|(_, by)| by == *at)
            });
            accounts.map(|(_, active)| *active).reduce(|one, other| one || other)
        };
        let made = |meta: &ObjectMeta| meta.creation_timestamp.as_ref().map(|at| at.0);
        let inherited = agent.spec.versions == Versions::Frozen && made(&version.metadata) < made(&agent.metadata);
        let each = entries.iter().map(|hosted| {
            let at = hosted.account_ref.key(&key.namespace);
            // Published at the platform when it is published here, whether it has numbers or not.
            let active = answered_at(&at).unwrap_or(true);
            Hosted { active, inherited, ..self.hosted_at(agent, key, name, hosted, at, looked) }
        });
        each.collect()
    }

    /// One of them, as far as it does not depend on its numbers.
    fn hosted_at(
        &self,
        agent: &Agent,
        key: &Key,
        version: &str,
        hosted: &HostedOn,
        at: Key,
        looked: &Looked,
    ) -> Hosted {
        let cached = self.caches.accounts.get(&at);
        let account_uid = cached.as_ref().and_then(|account| account.metadata.uid.clone()).unwrap_or_default();
        let view = match self.account_ref(at.clone(), &key.namespace) {
            AccountRef::Found(view) => Some(view),
            AccountRef::Missing(_) | AccountRef::Refused(_) => None,
        };
        let installation = self.installation();
        let opened = self.open_accounts.get(&at).filter(|opened| opened.uid == account_uid);
        let id = share_id(agent, &at);
        let scan = cached.as_ref().map_or(Duration::ZERO, |account| scan_interval(account));
        Hosted {
            allowed: view.is_some(),
            open: view.as_ref().is_some_and(|view| view.open.is_some()) && installation.is_some(),
            opening: view.as_ref().is_some_and(|view| view.opening) || installation.is_none(),
            version: version.to_owned(),
            agent: hosted.agent_id.clone(),
            pinned: hosted.version_id.clone(),
            note: format!("dialplane {}: {key} {version}", installation.unwrap_or_default()),
            taken: self.is_taken(agent, &at, &account_uid, &hosted.agent_id),
            active: false,
            inherited: false,
            sight: opened.and_then(|opened| opened.hosted.seen(&hosted.agent_id, looked.began, scan)),
            trouble: self.local.trouble(&id),
            put_backs: self.local.put_backs(&id),
            account_uid,
            account: at,
        }
    }

    /// The AgentVersion under the name that is published, whether it is the one that was: what it names is reason enough to look.
    fn named(&self, agent: &Agent) -> Option<Arc<AgentVersion>> {
        let Key { namespace, name } = Key::of(agent);
        let published = agent.status.as_ref()?.published_version.as_ref()?;
        self.caches.versions.get(&Key::new(namespace, AgentVersion::name_of(&name, published)))
    }

    /// Whether another Agent that may use the platform has the hosted agent: one that had it before this one or, where none had, an older one.
    fn is_taken(&self, agent: &Agent, at: &Key, uid: &str, id: &str) -> bool {
        // One account there may be opened by several CarrierAccounts here. What a spec claims to be is not asked.
        let opened = |key: &Key| self.open_accounts.get(key).and_then(|opened| opened.usable());
        let here = opened(at);
        let may_there = |key: &Key, agent: &Agent| {
            let namespace = agent.metadata.namespace.as_deref().unwrap_or_default();
            (key == at || here.is_some() && opened(key) == here) && self.binds_for(key, namespace).is_some()
        };
        let has = |agent: &Agent| {
            let entries = agent.status.iter().flat_map(|status| &status.shared_routes);
            let mut bound = entries.filter(|entry| {
                entry.bound.get(&Channel::Voice).and_then(|bound| bound.bound_id(HOSTED_AGENT)) == Some(id)
            });
            bound.any(|entry| {
                let key = entry.key();
                (key != *at || entry.account_uid == uid) && may_there(&key, agent)
            })
        };
        let names = |agent: &Agent| {
            let namespace = Key::of(agent).namespace;
            let version = self.named(agent);
            let mut hosted = version.iter().flat_map(|version| &version.spec.hosted);
            hosted.any(|hosted| hosted.agent_id == id && may_there(&hosted.account_ref.key(&namespace), agent))
        };
        // Whoever has it goes first, then whoever was there first.
        let rank = |agent: &Agent| {
            let created = agent.metadata.creation_timestamp.as_ref().map(|created| created.0);
            (!has(agent), created, agent.metadata.uid.clone())
        };
        let own = rank(agent);
        let agents = self.caches.agents.all();
        let others = agents.iter().filter(|other| other.metadata.uid != agent.metadata.uid);
        others.filter(|other| has(other) || names(other)).any(|other| rank(other) < own)
    }

    /// Looks at an agent on a platform for the Agent that names it.
    pub(super) async fn look_at_hosted(&self, agent: &Agent, account: &Key, id: &str) {
        let Some(opened) = self.open_accounts.get(account) else { return };
        let carrier = opened.inventory.carrier();
        let key = share_id(agent, account);
        let Some(platform) = carrier.platform() else {
            let error = does_not(&*carrier, "host agents: remove the entry from the draft's hosted");
            return self.looked(&key, account, Err(error));
        };
        let looked = opened.hosted.look(platform, id).await;
        self.metrics.carrier_request(carrier.capabilities().name, Operation::HostedAgent, looked.as_ref().err());
        self.looked(&key, account, looked);
    }

    /// Looks at the numbers that a platform answers, once for all who ask.
    pub(super) async fn look_at_bindings<K: Controlled>(&self, object: &K, platform: &Key, began: Instant) {
        let Some(opened) = self.open_accounts.get(platform) else { return };
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let listed = opened.inventory.listing(began).await;
        let name = opened.inventory.carrier().capabilities().name;
        self.metrics.carrier_request(name, Operation::List, listed.as_ref().err());
        self.looked(uid, platform, listed.map(|_| ()));
    }

    /// Looks at one extra of a number that a platform answers.
    pub(super) async fn look_at_extra<K: Controlled>(&self, object: &K, platform: &Key, number: &E164, extra: Extra) {
        let Some(opened) = self.open_accounts.get(platform) else { return };
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let looked = opened.inventory.look_at_extra(number, extra).await;
        let name = opened.inventory.carrier().capabilities().name;
        self.metrics.carrier_request(name, Operation::LookAtExtra, looked.as_ref().err());
        match looked {
            Ok(()) => self.local.succeeded(uid, Attempt::ExtraLook),
            Err(error) => {
                self.suspect(platform, &error);
                self.local.failed(uid, Attempt::ExtraLook, about(extra, error));
            }
        }
    }

    /// How the extras of a number were seen within the last scan interval of the platform, or in this pass.
    fn extras(
        &self,
        opened: &OpenAccount,
        scan: Duration,
        number: &E164,
        pass: Instant,
    ) -> BTreeMap<Extra, ExtraSight> {
        let sight = |extra| {
            let seen = opened.inventory.extra(number, extra)?;
            let due = seen.due(scan).saturating_duration_since(Instant::now());
            let fresh = seen.begun >= pass;
            let due = Some(due).filter(|due| !due.is_zero()).or(fresh.then_some(scan))?;
            Some((extra, ExtraSight { on: seen.on, due, fresh, as_bound: seen.as_bound }))
        };
        Extra::ALL.into_iter().filter_map(sight).collect()
    }

    /// The platform that a claim names or, where it names none, that an agent does: what is seen of the number there, to be borrowed.
    pub(super) fn platform_of(
        &self,
        claim: Option<&NumberClaimSpec>,
        agent: Option<&AgentRef>,
        number: &E164,
        looked: &Looked,
    ) -> Option<(Key, Seen)> {
        let wanted = match agent {
            Some(AgentRef::Found { serves: Served::Hosted(hosted), .. }) => Some(hosted.account.key()),
            _ => None,
        };
        let bound = claim.and_then(|claim| claim.bound.as_ref());
        let key = bound.map(|bound| bound.account.key()).or(wanted)?;
        let shown = self.open_accounts.get(&key).map(|opened| opened.inventory.shown(number));
        let seen = match shown {
            Some(inventory::Seen::Present { number, begun }) => Seen::Present { number, fresh: begun >= looked.began },
            Some(inventory::Seen::Absent { begun }) => Seen::Absent { fresh: begun >= looked.began },
            Some(inventory::Seen::Unseen) | None => Seen::Unseen,
        };
        Some((key, seen))
    }

    /// What is known of that platform, for a number of `account`.
    pub(super) fn platform_view<'a>(
        &self,
        (key, seen): &'a (Key, Seen),
        account: &Key,
        agent: Option<&AgentRef>,
        number: &E164,
        looked: &Looked,
    ) -> PlatformView<'a> {
        let cached = self.caches.accounts.get(key);
        let view = match self.account_ref(key.clone(), &key.namespace) {
            AccountRef::Found(view) => Some(view),
            AccountRef::Missing(_) | AccountRef::Refused(_) => None,
        };
        let opened = self.open_accounts.get(key);
        let hosted = match agent {
            Some(AgentRef::Found { serves: Served::Hosted(hosted), .. }) => Some(&*hosted.agent),
            _ => None,
        };
        let unsettled = opened.as_ref().and_then(|opened| opened.inventory.in_flight_until(number));
        let scan = cached.as_ref().map_or(Duration::ZERO, |account| scan_interval(account));
        let extras = opened.as_ref().map(|opened| self.extras(opened, scan, number, looked.began));
        PlatformView {
            key: key.clone(),
            gone: view.is_none() || cached.as_ref().is_some_and(|account| account.is_annotated(ABANDON)),
            open: view.as_ref().is_some_and(|view| view.open.is_some()),
            opening: view.as_ref().is_some_and(|view| view.opening),
            binding: seen.view(),
            lags: opened.as_ref().is_some_and(|opened| opened.inventory.lags(number)),
            taken_off: opened.as_ref().is_some_and(|opened| opened.inventory.was_taken_off(number)),
            doubtful: opened.as_ref().is_some_and(|opened| opened.inventory.doubt().is_some()),
            unsettled: unsettled.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now())),
            lending: self.lending(account, key, opened.as_deref(), hosted, number),
            given: opened.as_ref().and_then(|opened| opened.inventory.given(number)),
            extras: extras.unwrap_or_default(),
        }
    }

    fn lending(
        &self,
        account: &Key,
        platform: &Key,
        opened: Option<&OpenAccount>,
        agent: Option<&str>,
        number: &E164,
    ) -> Lending {
        let lent = match self.lent(account, platform) {
            Ok(lent) => lent,
            Err(lending) => return lending,
        };
        let may = Lending::Lent(lent.fingerprint());
        let Some((opened, agent)) = opened.zip(agent) else { return may };
        let carrier = opened.inventory.carrier();
        let bindings = carrier.bindings();
        let refused = bindings.and_then(|bindings| bindings.refuses(number, agent, &lent));
        refused.map_or(may, |error| Lending::Refused(error.text))
    }

    /// The credentials of an account for a platform, where its owner names that.
    fn lent(&self, account: &Key, platform: &Key) -> Result<Lent, Lending> {
        let owner = self.caches.accounts.get(account).ok_or(Lending::NotNamed)?;
        let lending = owner.lending(platform).ok_or(Lending::NotNamed)?;
        // Nothing is lent of which it is not known whose it is.
        let opened =
            self.open_accounts.get(account).filter(|opened| opened.usable().is_some()).ok_or(Lending::NoSecret)?;
        let lent = opened.inventory.carrier().lent().ok_or(Lending::NoSecret)?;
        Ok(Lent { connection: lending.connection_id.clone(), ..lent })
    }

    /// Writes at a platform which of its agents answers a number: the one place where that is done.
    pub(super) async fn bind(&self, opened: &OpenAccount, write: &SetBinding) -> (Operation, Outcome<()>) {
        let (inventory, number) = (&opened.inventory, &write.number);
        match &write.change {
            // A move comes in its two halves; taken for the second one, it is refused where the first was not done.
            BindingChange::Bind { agent, config } | BindingChange::Move { agent, config } => {
                let outcome = match self.lent_now(write) {
                    Ok(lent) => inventory.bind(number, agent, &lent, config).await,
                    Err(error) => Outcome::DidNothing(error),
                };
                (Operation::Bind, outcome)
            }
            BindingChange::Unbind => (Operation::Unbind, inventory.unbind(number).await),
            BindingChange::Configure(config) => (Operation::Configure, inventory.configure(number, config).await),
            BindingChange::Switch { extra, on } => (
                Operation::SwitchExtra,
                match inventory.switch(number, *extra, *on).await {
                    Outcome::Did(()) => Outcome::Did(()),
                    Outcome::DidNothing(error) => Outcome::DidNothing(about(*extra, error)),
                    Outcome::Unknown(error) => Outcome::Unknown(about(*extra, error)),
                },
            ),
        }
    }

    /// As it is now: whom the account's owner lends to may have changed since it was decided.
    fn lent_now(&self, write: &SetBinding) -> Result<Lent, CarrierError> {
        let text = "The credentials of the number's account are no longer lent to this platform.";
        self.lent(&write.account, &write.platform).map_err(|_| CarrierError::new(ErrorClass::Transient, text))
    }

    /// Waits until a number may be taken off a platform, since it could be put on again.
    pub(super) async fn turn_to_move<'a>(
        &self,
        opened: &'a OpenAccount,
        write: &'a SetBinding,
    ) -> Result<Turn<'a>, CarrierError> {
        let account = self.caches.accounts.get(&write.platform);
        let most = account.map_or(1, |account| account.spec.limits.concurrency);
        let turn = opened
            .moves
            .turn(&write.number, most as usize, |other| self.is_off(opened, &write.platform, other))
            .await?;
        self.lent_now(write).map(|_| turn)
    }

    /// Whether a number that should be on a platform is not, or may not be, as far as was seen.
    fn is_off(&self, opened: &OpenAccount, platform: &Key, number: &E164) -> bool {
        let claim = self.caches.claim_of(number);
        let bound = claim.as_ref().and_then(|claim| claim.spec.bound.as_ref());
        let Some(bound) = bound.filter(|bound| bound.account.key() == *platform) else { return false };
        let inventory::Seen::Present { number: there, .. } = opened.inventory.shown(number) else { return true };
        let agent = there.route.get(&Channel::Voice).and_then(|to| to.bound_id(HOSTED_AGENT));
        let may_go = opened.inventory.in_flight_until(number).is_some_and(|until| until > Instant::now());
        may_go && agent != Some(&bound.agent)
    }

    /// Has the agents on platforms that the published version of an Agent names looked at again; the accounts of those platforms.
    pub(super) fn look_at_hosts_anew(&self, agent: &Agent, key: &Key) -> Vec<Key> {
        let Ok((_, version)) = self.published(agent, key) else { return Vec::new() };
        let hosts = version.spec.hosted.iter().map(|hosted| {
            let at = hosted.account_ref.key(&key.namespace);
            self.open_accounts.get(&at).inspect(|opened| opened.hosted.look_anew(&hosted.agent_id));
            at
        });
        hosts.collect()
    }

    /// Every entry of an Agent: those of its draft, and those of the version that is published.
    pub(super) fn hosted_entries(&self, agent: &Agent) -> Vec<HostedOn> {
        let published = self.named(agent);
        let drafted = agent.spec.draft.iter().flat_map(|draft| &draft.hosted);
        drafted.chain(published.iter().flat_map(|version| &version.spec.hosted)).cloned().collect()
    }

    /// The accounts of the platforms that an Agent names there.
    pub(super) fn hosts(&self, agent: &Agent) -> Vec<Key> {
        let namespace = Key::of(agent).namespace;
        self.hosted_entries(agent).iter().map(|hosted| hosted.account_ref.key(&namespace)).collect()
    }

    /// A platform opened, closed or changed: the Agents that are hosted there look again, and so do their numbers.
    pub(super) fn wake_hosted(&self, platform: &Key) {
        for agent in self.caches.agents.all() {
            let key = Key::of(&*agent);
            if !self.hosts(&agent).contains(platform) {
                continue;
            }
            for number in self.caches.numbers.by(Index::Agent, &key.to_string()) {
                self.wake(Kind::PhoneNumber, Key::of(&*number), Priority::Background);
            }
            self.soon(Kind::Agent, key);
        }
    }
}

/// The same error, which says what setting it is about.
fn about(extra: Extra, error: CarrierError) -> CarrierError {
    CarrierError { text: format!("config.{}: {}", extra.as_str(), error.text), ..error }
}
