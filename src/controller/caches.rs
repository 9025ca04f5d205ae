//! What is known of the cluster: a cache of each kind, and what can be looked up in them. No I/O.

use std::{collections::BTreeSet, fmt::Debug, sync::Arc};

use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use serde::de::DeserializeOwned;

use super::{Kind, Work, access};
use crate::{
    api::{
        self, Agent, AgentVersion, CarrierAccount, NumberClaim, NumberPurchase, PhoneNumber,
        claim::Holder,
        each_kind,
        meta::{AllowedNamespaces, Key},
        number::E164,
        phone_number::Reuse,
        purchase::Identity,
    },
    cluster::{
        cache::{Cache, Index},
        objects::Objects,
        sent::{Kept, Unreadable},
    },
};

/// A kind of ours that is kept.
pub trait Cached: Kept + Clone + DeserializeOwned + Debug + 'static {
    const KIND: Kind;

    fn cache(caches: &Caches) -> &Arc<Cache<Self>>;

    /// Its objects at the API server, in `namespace` if the kind has namespaces.
    fn api(client: Client, namespace: &str) -> Objects<Self>;

    /// Those that a watch of one of the cache's scopes follows.
    fn in_scope(client: Client, scope: &str) -> Objects<Self> {
        if scope.is_empty() { Objects::all(client) } else { Self::api(client, scope) }
    }
}

/// Says in which field a kind is kept, and whether its objects are in namespaces or in the cluster.
macro_rules! kept_in {
    ($($kind:ident: $field:ident, $scope:ident;)*) => {
        $(impl Cached for $kind {
            const KIND: Kind = Kind::$kind;

            fn cache(caches: &Caches) -> &Arc<Cache<Self>> {
                &caches.$field
            }

            fn api(client: Client, namespace: &str) -> Objects<Self> {
                Objects::$scope(client, namespace)
            }
        })*
    };
}
kept_in! {
    CarrierAccount: accounts, namespaced;
    PhoneNumber: numbers, namespaced;
    Agent: agents, namespaced;
    AgentVersion: versions, namespaced;
    NumberClaim: claims, in_cluster;
    NumberPurchase: journals, in_cluster;
}

/// What is known of the cluster.
pub struct Caches {
    pub accounts: Arc<Cache<CarrierAccount>>,
    pub numbers: Arc<Cache<PhoneNumber>>,
    pub agents: Arc<Cache<Agent>>,
    pub versions: Arc<Cache<AgentVersion>>,
    pub claims: Arc<Cache<NumberClaim>>,
    pub journals: Arc<Cache<NumberPurchase>>,
    pub namespaces: Arc<Cache<Namespace>>,
}

impl Caches {
    /// Empty ones, of the objects in these namespaces, and of all where none is named. Kinds without namespaces are there whole.
    pub fn new(namespaces: &[String]) -> Self {
        Self {
            accounts: Arc::new(Cache::of(namespaces, |_, _| {})),
            numbers: Arc::new(Cache::of(namespaces, |number, add| {
                add(Index::Account, number.account().to_string());
                if let Some(named) = number.named() {
                    add(Index::Number, named.to_string());
                }
                if let Some(identity) = number.identity() {
                    add(Index::Identity, identity.to_string());
                }
                if number.spec.purchase.as_ref().is_some_and(|purchase| purchase.reuse == Reuse::Pool)
                    && number.status.as_ref().is_none_or(|status| status.number.is_none())
                {
                    add(Index::Reuse, number.account().to_string());
                }
                if let Some(agent) = number.agent() {
                    add(Index::Agent, agent.to_string());
                }
                if let Some(route) = number.status.as_ref().and_then(|status| status.route.as_ref()) {
                    add(Index::Version, format!("{}.{}", route.agent, route.version));
                }
            })),
            agents: Arc::new(Cache::of(namespaces, |_, _| {})),
            versions: Arc::new(Cache::of(namespaces, |version, add| {
                let namespace = version.metadata.namespace.as_deref().unwrap_or_default();
                add(Index::Agent, Key::new(namespace, &*version.spec.agent).to_string());
            })),
            claims: Arc::new(Cache::new(|claim, add| {
                add(Index::Account, claim.spec.account.key().to_string());
                // A platform that answers the number is needed as well.
                if let Some(bound) = &claim.spec.bound {
                    add(Index::Account, bound.account.key().to_string());
                }
                for led_to in &claim.spec.led_to {
                    add(Index::Agent, led_to.agent.clone());
                }
                if claim.spec.holder.is_none() {
                    add(Index::Idle, claim.spec.account.identity.clone());
                }
                if let Some(identity) = claim.spec.identity() {
                    add(Index::Identity, identity.to_string());
                }
            })),
            journals: Arc::new(Cache::new(|journal, add| {
                add(Index::Identity, journal.spec.identity().to_string());
                if let Some(number) = &journal.spec.number {
                    add(Index::Number, number.to_string());
                }
                if let Some(hold) = &journal.spec.hold {
                    add(Index::Hold, hold.number.to_string());
                }
            })),
            namespaces: Arc::new(Cache::new(|_, _| {})),
        }
    }

    /// Whether a complete list of every kind has been seen.
    pub fn synced(&self) -> bool {
        macro_rules! are_synced {
            ($($kind:ident)*) => { [$(api::$kind::cache(self).synced(),)* self.namespaces.synced()] };
        }
        each_kind!(are_synced).into_iter().all(|is_synced| is_synced)
    }

    /// Whether all objects of a namespace are known. Of one that is not watched nothing is, nor of one that may not be read.
    pub fn knows(&self, namespace: &str) -> bool {
        let Self { accounts, numbers, agents, versions, .. } = self;
        accounts.knows(namespace) && numbers.knows(namespace) && agents.knows(namespace) && versions.knows(namespace)
    }

    /// What is to be done for an object. One waits for every number, so its key is the one that the cache has.
    pub fn work(&self, kind: Kind, key: Key) -> Work {
        macro_rules! shared {
            ($($kind:ident)*) => {
                match kind {
                    $(Kind::$kind => api::$kind::cache(self).shared(key),)*
                    Kind::Namespace => self.namespaces.shared(key),
                }
            };
        }
        Work { kind, key: each_kind!(shared) }
    }

    /// How many objects were handed out so far.
    pub fn reads(&self) -> u64 {
        macro_rules! reads_of {
            ($($kind:ident)*) => { [$(api::$kind::cache(self).reads(),)* self.namespaces.reads()] };
        }
        each_kind!(reads_of).into_iter().sum()
    }

    /// The installations by which what is on record was bought.
    pub fn installations_on_record(&self) -> BTreeSet<String> {
        let (claims, journals) = (self.claims.all(), self.journals.all());
        let of_claims = claims.iter().filter_map(|claim| Some(&claim.spec.purchase.as_ref()?.installation));
        let named = |name: &&String| !name.is_empty();
        let names: BTreeSet<String> = of_claims.filter(named).cloned().collect();
        match names.is_empty() {
            true => journals.iter().map(|journal| &journal.spec.installation).filter(named).cloned().collect(),
            false => names,
        }
    }

    /// The installations that say of a CarrierAccount that they look after it.
    pub fn installations_at_work(&self) -> BTreeSet<String> {
        let accounts = self.accounts.all();
        accounts.iter().filter_map(|account| account.status.as_ref()?.installation.clone()).collect()
    }

    /// Every object that does not decode, of whatever kind.
    pub fn left_out(&self) -> Vec<(Kind, Arc<Unreadable>)> {
        macro_rules! all {
            ($($kind:ident)*) => {
                [$((Kind::$kind, api::$kind::cache(self).left_out()),)* (Kind::Namespace, self.namespaces.left_out())]
            };
        }
        let all = each_kind!(all).into_iter();
        all.flat_map(|(kind, left_out)| left_out.into_iter().map(move |left| (kind, left))).collect()
    }

    /// Whether an object of the namespace `owner` with this consent may be referred to from `namespace`.
    pub fn allows(&self, consent: &AllowedNamespaces, owner: &str, namespace: &str) -> bool {
        let known = self.namespaces.get(&Key::new("", namespace));
        access::allows(consent, owner, namespace, known.as_deref())
    }

    /// The very object that holds something, if the cache shows it.
    pub fn holder(&self, holder: &Holder) -> Option<Arc<PhoneNumber>> {
        let number = self.numbers.get(&Key::new(&*holder.namespace, &*holder.name));
        number.filter(|number| number.metadata.uid.as_ref() == Some(&holder.uid))
    }

    /// Whether the very object that holds something is there, or may be: nobody may have what is of a namespace that is not known.
    pub fn lives(&self, holder: &Holder) -> bool {
        self.holder(holder).is_some() || !self.knows(&holder.namespace)
    }

    /// The journal of buying for an identity under a CarrierAccount, or by the carrier's id of the account.
    pub fn journal_of(&self, account: &str, identity: &Identity) -> Option<Arc<NumberPurchase>> {
        // Earlier versions named it otherwise.
        let named = self.journals.get(&Key::new("", NumberPurchase::name_of(account, identity)));
        let is_its = |journal: &Arc<NumberPurchase>| journal.spec.account.identity == account;
        named.or_else(|| self.journals.by(Index::Identity, &identity.to_string()).into_iter().find(is_its))
    }

    /// The carrier's id of the account that a CarrierAccount stands for.
    pub fn account_identity(&self, account: &Key) -> Option<String> {
        let account = self.accounts.get(account)?;
        let pinned = account.status.as_ref().and_then(|status| status.identity.clone());
        pinned.or_else(|| account.named_identity())
    }

    /// The journal of what a PhoneNumber buys.
    pub fn journal_for(&self, number: &PhoneNumber) -> Option<Arc<NumberPurchase>> {
        let identity = number.identity()?;
        match self.account_identity(&number.account()) {
            Some(account) => self.journal_of(&account, &identity),
            // Without its account it still has what it wrote down.
            None => {
                let journals = self.journals.by(Index::Identity, &identity.to_string()).into_iter();
                journals.into_iter().find(|journal| Some(&journal.spec.holder.uid) == number.metadata.uid.as_ref())
            }
        }
    }

    /// Whoever is about this number: by naming it, or by the journal of what it buys.
    pub fn about(&self, number: &E164) -> Vec<Arc<PhoneNumber>> {
        let mut about = self.numbers.by(Index::Number, number.as_str());
        for journal in self.journals.by(Index::Number, number.as_str()) {
            about.extend(self.numbers.by(Index::Identity, &journal.spec.identity().to_string()));
        }
        about
    }

    /// Whether anything in the cluster is about this number.
    pub fn is_known(&self, number: &E164) -> bool {
        self.claims.contains(&Key::new("", number.digits()))
            || self.numbers.count_by(Index::Number, number.as_str()) > 0
            || self.journals.count_by(Index::Number, number.as_str()) > 0
    }

    /// Whether a journal names this number, or a hold of it.
    pub fn is_journalled(&self, number: &E164) -> bool {
        let names = |index| !self.journals.by(index, number.as_str()).is_empty();
        names(Index::Number) || names(Index::Hold)
    }

    /// The number whose claim is named `name`.
    pub fn claim_of(&self, number: &E164) -> Option<Arc<NumberClaim>> {
        self.claims.get(&Key::new("", number.digits()))
    }
}
