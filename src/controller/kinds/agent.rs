//! The world of an Agent.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use kube::Resource;

use tokio::time::Instant;

use super::{Controlled, Looked, scan_interval, with_status};
use crate::{
    api::{Agent, AgentVersion, PhoneNumber, agent::AgentStatus, meta::Key, purchase::Marker},
    cluster::cache::{Change, Index},
    controller::{
        Context,
        error::Error,
        kept::NumberGroup,
        serving::{Published, serves_all},
    },
    plan::{self, AccountRef, Decision, Look, Note, Served, agent::Frozen, shared::Share},
    telemetry::metrics::Operation,
};

impl Controlled for Agent {
    with_status!(AgentStatus);

    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<AgentStatus> {
        let (caches, key) = (&context.caches, Key::of(&**object));
        let wanted = object.spec.version.as_ref().and_then(|version| {
            caches.versions.get(&Key::new(&*key.namespace, AgentVersion::name_of(&key.name, version)))
        });
        let wanted = wanted.map(Some).or_else(|| looked.version.clone());
        let mut reach: HashMap<String, u32> = HashMap::new();
        let mut active: BTreeMap<Key, bool> = BTreeMap::new();
        let (mut assigned, mut referring) = (0, 0);
        for (group, count) in caches.numbers.groups(Index::Agent, &key.to_string()) {
            let NumberGroup { namespace, account, is_going, is_active, is_acquired, reaches } = group;
            if is_going || !context.may_use(object, &key, &namespace, &account) {
                continue;
            }
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            referring += count;
            assigned += if is_active && is_acquired { count } else { 0 };
            *active.entry(account).or_default() |= is_active;
            if let Some((_, version)) = reaches.filter(|(agent, _)| *agent == key.to_string()) {
                *reach.entry(version).or_default() += count;
            }
        }
        // Numbers of namespaces that are not known go on needing the version that they lead to.
        let mut elsewhere = None;
        let claims = caches.claims.groups(Index::Agent, &key.to_string()).into_iter();
        if claims.filter_map(|(namespace, _)| namespace).any(|namespace| !caches.knows(&namespace)) {
            for claim in caches.claims.by(Index::Agent, &key.to_string()) {
                let holder = claim.spec.holder.as_ref().filter(|holder| !caches.knows(&holder.namespace));
                let Some(holder) = holder else { continue };
                elsewhere.get_or_insert_with(|| Key::new(&*holder.namespace, &*holder.name).to_string());
                referring += 1;
                for led_to in claim.spec.led_to.iter().filter(|led_to| led_to.agent == key.to_string()) {
                    *reach.entry(led_to.version.clone()).or_default() += 1;
                }
            }
        }
        let is_user = |number: &PhoneNumber| {
            number.metadata.deletion_timestamp.is_none() && context.number_may_use(object, &key, number)
        };
        // It is named where the agent waits for it.
        let user = object.metadata.deletion_timestamp.as_ref();
        let user = user.and_then(|_| caches.numbers.first_by(Index::Agent, &key.to_string(), is_user));
        let user = user.map(|number| Key::of(&*number).to_string()).or(elsewhere);
        let versions = caches.versions.by(Index::Agent, &key.to_string());
        let published = context.published(object, &key);
        plan::agent::next(&plan::agent::World {
            now: Timestamp::now(),
            agent: object,
            wanted: match &wanted {
                None => Frozen::NotRead,
                Some(None) => Frozen::Missing,
                Some(Some(version)) => Frozen::Found(version),
            },
            past: looked.past.as_ref(),
            known_for: context.known_for(object.metadata.uid.as_deref().unwrap_or_default()),
            noted: context.local.put_backs(&note_id(&**object)),
            versions: versions
                .iter()
                .map(|version| (&**version, reach.get(&*version.spec.version).copied().unwrap_or(0)))
                .collect(),
            hosted: match &published {
                Ok(published) => context.hosted(object, &key, published, &active, looked),
                Err(_) => Vec::new(),
            },
            shared: context.shares(object, &key, &published, active, looked),
            binders: {
                let draft = object.spec.draft.iter().map(|draft| &*draft.hosted);
                let wanted = wanted.iter().flatten().map(|version| &*version.spec.hosted);
                context.binders(&key.namespace, draft.chain(wanted))
            },
            assigned,
            referring,
            user,
            definition_going: looked.definition_going,
        })
    }

    fn notes(before: Option<&AgentStatus>, after: &AgentStatus) -> Vec<Note> {
        plan::agent::notes(before, after)
    }

    fn changed(context: &Context, change: &Change<Self>) {
        context.agent_changed(change);
    }

    async fn look(context: &Context, object: &Arc<Self>, look: Look, looked: &mut Looked) -> Result<(), Error> {
        match look {
            Look::SharedRoutes(account) => {
                context.look_at_shared(object, &account, looked.began).await;
                Ok(())
            }
            Look::HostedAgent(account, id) => {
                context.look_at_hosted(object, &account, &id).await;
                Ok(())
            }
            Look::Past(version) => {
                looked.past = Some(context.past_of(object, &version, looked.began).await);
                Ok(())
            }
            other => context.look(&**object, other, looked).await,
        }
    }
}

/// What this process remembers under of the annotation that it wrote on an agent.
pub fn note_id(agent: &impl Resource) -> String {
    format!("{} note", agent.meta().uid.as_deref().unwrap_or_default())
}

/// What this process remembers under of the route that the numbers of an agent at one account share.
pub fn share_id(agent: &impl Resource, account: &Key) -> String {
    format!("{} {account}", agent.meta().uid.as_deref().unwrap_or_default())
}

impl Context {
    /// The routes that numbers of the agent share at these accounts, unless an agent on a platform answers there. `active` says of each whether
    /// one of the numbers may be written for.
    fn shares(
        &self,
        agent: &Agent,
        key: &Key,
        published: &Result<Published, Served>,
        mut active: BTreeMap<Key, bool>,
        looked: &Looked,
    ) -> Vec<Share> {
        if let Ok((_, version)) = published {
            active.retain(|account, _| self.hosted_for(&version.spec.hosted, &key.namespace, account).is_none());
        }
        let shares = active.into_iter();
        shares.filter_map(|(account, active)| self.share(agent, key, published, account, active, looked)).collect()
    }

    fn share(
        &self,
        agent: &Agent,
        key: &Key,
        published: &Result<Published, Served>,
        account: Key,
        active: bool,
        looked: &Looked,
    ) -> Option<Share> {
        let Some(cached) = self.caches.accounts.get(&account) else {
            return self.unreadable_share(agent, account, active);
        };
        let account_uid = cached.metadata.uid.clone().unwrap_or_default();
        let opened = self.open_accounts.get(&account).filter(|opened| opened.uid == account_uid);
        let carrier = opened.as_ref().map(|opened| opened.inventory.carrier());
        // What an account of this name had them share stays known until it was opened.
        let shares = carrier.as_ref().map(|carrier| carrier.shared_routes().is_some());
        if !shares.unwrap_or_else(|| agent.shared_route(&account, &account_uid).is_some()) {
            return None;
        }
        let AccountRef::Found(view) = self.account_ref(account.clone(), &account.namespace) else { return None };
        let installation = self.installation();
        let name = Marker::new(installation.unwrap_or_default(), &key.to_string()).as_str().to_owned();
        let seen = opened.as_ref().and_then(|opened| {
            let journalled = agent.shared_route(&account, &account_uid).is_some();
            let settling = self.sharing_settles_in(opened);
            opened.sharing.seen(&name, looked.began, scan_interval(&cached), journalled, settling)
        });
        let (sight, due) = seen.map_or((None, Duration::ZERO), |(sight, due)| (Some(sight), due));
        let id = share_id(agent, &account);
        Some(Share {
            account_uid,
            open: view.open.is_some() && installation.is_some(),
            opening: view.opening || installation.is_none(),
            name,
            channels: carrier.map_or(&[], |carrier| carrier.capabilities().channels),
            serves: match (opened, published) {
                (None, _) => Served::Nothing,
                (Some(opened), Ok(published)) => serves_all(key, published, &opened),
                (Some(_), Err(serves)) => serves.clone(),
            },
            active,
            sight,
            due,
            trouble: self.local.trouble(&id),
            put_backs: self.local.put_backs(&id),
            account,
        })
    }

    /// What numbers share at an account that does not decode now: it stays as it is, and known.
    fn unreadable_share(&self, agent: &Agent, account: Key, active: bool) -> Option<Share> {
        let account_uid = self.caches.accounts.is_left_out(&account)?.metadata.uid.clone()?;
        agent.shared_route(&account, &account_uid)?;
        Some(Share {
            account_uid,
            open: false,
            opening: true,
            name: String::new(),
            channels: &[],
            serves: Served::Nothing,
            active,
            sight: None,
            due: Duration::ZERO,
            trouble: None,
            put_backs: 0,
            account,
        })
    }

    pub(in crate::controller) async fn look_at_shared(&self, agent: &Agent, account: &Key, began: Instant) {
        let Some(opened) = self.open_accounts.get(account) else { return };
        let carrier = opened.inventory.carrier();
        let Some(shared) = carrier.shared_routes() else { return };
        let looked = opened.sharing.look(shared, began).await;
        let operation = Operation::ListSharedRoutes;
        self.metrics.carrier_request(carrier.capabilities().name, operation, looked.as_ref().err());
        self.looked(&share_id(agent, account), account, looked);
    }
}
