//! What would be done, without doing it. It does I/O, and only reads: the cluster once, and the carriers.
//!
//! The same driver does the same passes over the same plan. What they write reaches nothing but this process's own copy of the cluster
//! (`store`), so that the plan can be asked on, up to the first effect that would reach a carrier.

mod examine;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kube::{Client, Resource, ResourceExt as _, core::object::HasSpec, runtime::watcher::Event};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

pub use examine::{Check, Verdict};

use super::{
    Context, Kind, Past, Settings,
    caches::{Cached, Caches},
    driver::{Ended, decide, pass},
    effects::act,
    error::Error,
    kinds::Controlled,
    open_accounts::OpenAccount,
    reconcile::Reconcile,
    secret::SecretData,
};
use crate::{
    api::{
        self, Agent, CarrierAccount, PhoneNumber,
        agent::AgentStatus,
        claim::NumberClaimSpec,
        conditions::Type,
        each_kind,
        meta::Key,
        number::E164,
        offer::Price,
        phone_number::PhoneNumberStatus,
        purchase::{Identity, Marker},
    },
    carrier::OwnedNumber,
    cluster::{
        cache::{Cache, Index},
        failure::said,
        objects::Objects,
        sent::Kept,
    },
    plan::{
        Decision, Effect, OfferQuery, Offers, choose,
        uninstall::{self, Uninstall},
    },
    telemetry::metrics::Metrics,
};

/// How many steps one object may take. A plan needs a dozen; more is a plan that goes in circles.
const STEPS: usize = 64;

/// Why something could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    /// The cluster does not let this user list a kind, does not have it, or is away.
    #[error("cannot list {kind}: {why}")]
    Unlisted { kind: String, why: String },
    /// A manifest that breaks a rule of its definition.
    #[error("{kind} {key} would be refused by the API server: {why}")]
    Refused { kind: &'static str, key: Key, why: String },
    /// A name that is not there.
    #[error("CarrierAccount {0} does not exist: `kubectl get carrieraccounts --all-namespaces` lists them")]
    NoAccount(Key),
    /// Its credentials, its carrier or its owner are in the way.
    #[error("CarrierAccount {account} is not ready: {why}")]
    NotOpen { account: Key, why: String },
    /// The API server refused or did not answer a look.
    #[error(transparent)]
    Look(#[from] Error),
    /// By which name our numbers are told from others' cannot be told.
    #[error(
        "{0}: name it with --installation, since its name identifies the numbers that it bought. It is the Helm value installation; if \
         that is not set, use --installation=\"\""
    )]
    Installation(String),
    /// What this process needs to speak to carriers could not be had.
    #[error("{0}")]
    Setup(String),
}

/// The cluster as it was a moment ago, and the carriers as far as they are asked.
pub struct DryRun {
    context: Arc<Context>,
    installation: Result<Installation, String>,
    /// The PhoneNumbers that were taken for applied.
    applied: Mutex<BTreeSet<Key>>,
}

/// How it is known which installation of Dialplane it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installation {
    /// It was said.
    Given,
    /// CarrierAccounts say who looks after them.
    AtWork,
    /// All that is on record was bought by it.
    OnRecord,
}

/// What would become of one PhoneNumber.
#[derive(Debug)]
pub struct Foreseen {
    /// The object as it would be by then.
    pub number: Arc<PhoneNumber>,
    /// What would be written to the cluster on the way.
    pub effects: Vec<Effect>,
    /// The claim that the object would come to hold on the way, where it does not hold it already.
    pub taken: Option<NumberClaimSpec>,
    /// What was found for sale on the way.
    pub offers: Vec<Offers>,
    /// A number of this namespace that the object may have been meant to keep, and the identity by which it would.
    pub other: Option<(E164, Identity)>,
    pub end: End,
}

/// Where it would come to an end.
#[derive(Debug)]
pub enum End {
    /// This would be done next, and only its outcome would tell what comes then.
    Effect(Effect),
    /// Nothing would be left to do; the status says why.
    Rest(Option<Box<PhoneNumberStatus>>),
}

/// A number that costs money and that no PhoneNumber manages.
#[derive(Debug)]
pub struct Unmanaged {
    pub number: Arc<OwnedNumber>,
    /// What it was bought for, by its claim or by its marker and a journal of this cluster.
    pub identity: Option<String>,
    pub price: Option<Price>,
    /// The PhoneNumber that is about it without managing it.
    pub watcher: Option<Key>,
    /// Whether it bears the marker of another installation.
    pub foreign: bool,
}

impl DryRun {
    /// Lists every kind once. An installation that is not given is looked for in the cluster.
    pub async fn new(client: Client, given: Option<String>, settings: Settings) -> Result<Self, DryRunError> {
        let is_given = given.is_some();
        let settings = Settings { installation: given.unwrap_or_default(), ..settings };
        let context = Context::new(client, Arc::new(Metrics::new()), settings, 1)
            .map_err(|error| DryRunError::Setup(format!("{error:#}")))?;
        let (client, caches) = (&context.client, &context.caches);
        tokio::try_join!(list_kinds(client, caches), list(client, &caches.namespaces))?;
        let installation = if is_given { Ok(Installation::Given) } else { found(&context) };
        // The operator that will do it is taken to know its past: what it must wait for after a start passes.
        context.begin(Past::default(), CancellationToken::new());
        context.begin_dry_run();
        Ok(Self { context, installation, applied: Mutex::default() })
    }

    /// The name of the installation, and how it is known. An error where the cluster names none, or several.
    pub fn installation(&self) -> Result<(&str, Installation), DryRunError> {
        let how = self.installation.clone().map_err(DryRunError::Installation)?;
        Ok((self.context.installation().unwrap_or_default(), how))
    }

    /// The objects of the cluster that do not decode and are left out of everything, and why.
    pub fn left_out(&self) -> Vec<String> {
        left_out(&self.context.caches)
    }

    /// Every CarrierAccount of the cluster.
    pub fn accounts(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.context.caches.accounts.all().iter().map(|account| Key::of(&**account)).collect();
        keys.sort();
        keys
    }

    /// Opens an account as its own controller does: reads its Secret, asks whose account it is, and lists its numbers.
    pub async fn open(&self, account: &Key) -> Result<(), DryRunError> {
        if self.context.caches.accounts.get(account).is_none() {
            return Err(DryRunError::NoAccount(account.clone()));
        }
        self.look_after::<CarrierAccount>(account).await?;
        match self.opened(account) {
            Ok(opened) if opened.usable().is_some() => Ok(()),
            _ => Err(DryRunError::NotOpen { account: account.clone(), why: self.word_of(account) }),
        }
    }

    /// What an open account offers for sale, without what somebody in this cluster has.
    pub async fn offers(&self, account: &Key, asked: &OfferQuery) -> Result<Offers, DryRunError> {
        let offers = self.context.offers(&*self.opened(account)?, asked, None).await;
        offers.map_err(|error| DryRunError::NotOpen { account: account.clone(), why: error.text })
    }

    /// The numbers of an open account that no PhoneNumber manages.
    pub fn unmanaged(&self, account: &Key) -> Result<Vec<Unmanaged>, DryRunError> {
        let mut owned = self.opened(account)?.inventory.owned();
        owned.sort_by(|a, b| a.number.cmp(&b.number));
        Ok(owned.into_iter().filter_map(|number| self.unless_managed(number)).collect())
    }

    fn unless_managed(&self, number: Arc<OwnedNumber>) -> Option<Unmanaged> {
        let caches = &self.context.caches;
        let claim = caches.claim_of(&number.number);
        if claim.as_ref().is_some_and(|claim| claim.spec.holder.is_some()) {
            return None;
        }
        let claimed = claim.as_ref().and_then(|claim| claim.spec.identity());
        let bought = claim.and_then(|claim| claim.spec.purchase.clone());
        let installation = self.context.installation().unwrap_or_default();
        let bears = |identity: &Identity| number.marker.as_ref() == Some(&Marker::new(installation, identity));
        let journals = caches.journals.all();
        let journal = journals.iter().find(|journal| match &claimed {
            Some(claimed) => journal.spec.identity() == *claimed,
            None => bears(&journal.spec.identity()),
        });
        Some(Unmanaged {
            identity: claimed.or(journal.map(|journal| journal.spec.identity())).map(|identity| identity.to_string()),
            price: bought.map(|bought| bought.price).or(journal.map(|journal| journal.spec.price.clone())),
            watcher: caches.about(&number.number).first().map(|watcher| Key::of(&**watcher)),
            foreign: number.marker.as_ref().is_some_and(|marker| !marker.is_of(installation)),
            number,
        })
    }

    /// Takes a Secret for applied.
    pub fn apply_secret(&self, key: Key, data: SecretData) {
        if let Some(copy) = self.context.dry_run() {
            copy.apply_secret(key, data);
        }
    }

    /// Takes a manifest for applied, in our own copy: laid over the object of that name if there is one. An error where the API server
    /// would refuse it.
    pub fn apply<K: Controlled + HasSpec<Spec: PartialEq>>(&self, mut manifest: K) -> Result<Key, DryRunError> {
        let key = Key::of(&manifest);
        let there = K::cache(&self.context.caches).get(&key);
        let object = match there.clone() {
            None => {
                // One that is there and does not decode stays the object that it is.
                let there = K::cache(&self.context.caches).is_left_out(&key);
                manifest.meta_mut().uid = there.and_then(|there| there.metadata.uid.clone());
                manifest.meta_mut().generation = Some(1);
                manifest
            }
            Some(there) => {
                let mut object = (*there).clone();
                object.annotations_mut().extend(manifest.annotations().clone());
                if object.spec() != manifest.spec() {
                    std::mem::swap(object.spec_mut(), manifest.spec_mut());
                    let generation = &mut object.meta_mut().generation;
                    *generation = generation.map(|generation| generation + 1);
                }
                object
            }
        };
        let json = |object: &K| serde_json::to_value(object).unwrap_or_default();
        if let Some(why) = api::broken_rule::<K>(&json(&object), there.as_deref().map(json).as_ref()) {
            return Err(DryRunError::Refused { kind: K::KIND.as_str(), key, why });
        }
        let object = self.context.made_up(object);
        let uid = object.meta().uid.clone().unwrap_or_default();
        K::cache(&self.context.caches).wrote(object);
        if K::KIND == Kind::PhoneNumber {
            self.applied().insert(key.clone());
        }
        // Known from now on: what is listed from here on is listed for it.
        self.context.local.first_seen(&uid);
        Ok(key)
    }

    /// What an Agent of our copy would serve, published as its controller would.
    pub async fn publish(&self, agent: &Key) -> Result<AgentStatus, DryRunError> {
        self.look_after::<Agent>(agent).await?;
        // What is published now, its platforms are to serve: that is seen from the status on.
        self.look_after::<Agent>(agent).await?;
        Ok(self.context.caches.agents.get(agent).and_then(|agent| agent.status.clone()).unwrap_or_default())
    }

    /// Says what would become of a PhoneNumber of our copy, whose account was opened if it can be.
    pub async fn foresee(&self, key: &Key) -> Result<Foreseen, DryRunError> {
        let (mut effects, mut offers) = (Vec::new(), Vec::new());
        if let Some(agent) = self.number(key).and_then(|number| self.shares_with(&number)) {
            self.look_after::<Agent>(&agent).await?;
        }
        let held_before = self.held_by(key);
        for _ in 0..STEPS {
            let number = self.number(key).ok_or_else(|| Error::Gone(format!("PhoneNumber {key}")))?;
            let (decision, looked) = decide(&self.context, &number).await?;
            if !looked.offers.is_empty() {
                offers = looked.offers;
            }
            let end = match decision {
                Decision::Act(effect) => {
                    match act(&mut Reconcile { context: &self.context, object: &*number }, effect.clone()).await {
                        Ok(()) => {
                            if effect == Effect::AskGrant {
                                self.look_after::<CarrierAccount>(&number.account()).await?;
                            }
                            effects.push(effect);
                            continue;
                        }
                        Err(Error::DryRun) => End::Effect(effect),
                        Err(error) => return Err(error.into()),
                    }
                }
                Decision::Rest(rest) => End::Rest(rest.status.map(Box::new)),
                Decision::Look(_) => break,
            };
            let is_new = |claim: &NumberClaimSpec| held_before.iter().all(|held| held.number != claim.number);
            let taken = self.held_by(key).into_iter().find(is_new);
            let other = self.meant_to_keep(&number).filter(|_| matches!(end, End::Effect(_)));
            return Ok(Foreseen { number, effects, taken, offers, other, end });
        }
        Err(Error::Circles.into())
    }

    /// The claims that a PhoneNumber of our copy holds.
    fn held_by(&self, key: &Key) -> Vec<NumberClaimSpec> {
        let uid = self.number(key).and_then(|number| number.uid()).unwrap_or_default();
        let claims = self.context.caches.claims.all().into_iter();
        claims.filter(|claim| claim.spec.is_held_by(&uid)).map(|claim| claim.spec.clone()).collect()
    }

    /// A number that was bought in this namespace and that this object would have under another identity: of an object that is the same
    /// but for its name, as after renaming it, or of none that is there any more.
    fn meant_to_keep(&self, number: &PhoneNumber) -> Option<(E164, Identity)> {
        let caches = &self.context.caches;
        let (own, account) = (number.identity()?, number.account());
        let is_same = |other: &PhoneNumber| {
            let mut spec = other.spec.clone();
            let identity = number.spec.purchase.as_ref().and_then(|purchase| purchase.identity.clone());
            spec.purchase.iter_mut().for_each(|purchase| purchase.identity.clone_from(&identity));
            spec == number.spec
        };
        let claims = caches.claims.by(Index::Account, &account.to_string());
        let mut kept = claims.iter().filter_map(|claim| {
            let identity = claim.spec.identity().filter(|is| is.namespace == own.namespace && *is != own)?;
            let holder = claim.spec.holder.as_ref().and_then(|holder| caches.holder(holder));
            let is_planned = holder.as_ref().is_some_and(|holder| self.applied().contains(&Key::of(&**holder)));
            let meant = !is_planned
                && holder.map_or(
                    number.spec.purchase.as_ref().is_some_and(|p| choose::could_be(p, &claim.spec.number)),
                    |holder| is_same(&holder),
                );
            meant.then(|| (claim.spec.number.clone(), identity))
        });
        kept.next()
    }

    fn applied(&self) -> MutexGuard<'_, BTreeSet<Key>> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agent of a number that shares its route with others of that agent, or that is hosted on a platform.
    fn shares_with(&self, number: &PhoneNumber) -> Option<Key> {
        let key = number.agent()?;
        let agent = self.context.caches.agents.get(&key)?;
        let account = number.account();
        let shares = self.context.sharing_session(&account).is_some() || self.context.is_hosted(&agent, &key, &account);
        shares.then_some(key)
    }

    /// Goes over an object as its controller does: opens an account, lists it and answers who wishes to buy; publishes an agent, and has its
    /// numbers share what they would.
    async fn look_after<K: Controlled>(&self, key: &Key) -> Result<(), DryRunError> {
        for _ in 0..STEPS {
            match pass::<K>(&self.context, key).await {
                Ok(Ended::Acted | Ended::Rested(Some(Duration::ZERO))) => {}
                Ok(Ended::Rested(_)) | Err(Error::DryRun) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Circles.into())
    }

    /// What the account's own conditions say of it.
    fn word_of(&self, account: &Key) -> String {
        let account = self.context.caches.accounts.get(account);
        let status = account.as_ref().and_then(|account| account.status.as_ref());
        let ready = status.and_then(|status| status.conditions.iter().find(|c| c.is_of(Type::Ready)));
        ready.map_or_else(|| "it is being deleted".to_owned(), |ready| format!("{}: {}", ready.reason(), ready.message))
    }

    fn opened(&self, account: &Key) -> Result<Arc<OpenAccount>, DryRunError> {
        self.context.open_accounts.get(account).ok_or_else(|| {
            let why = "it was not connected".to_owned();
            DryRunError::NotOpen { account: account.clone(), why }
        })
    }

    /// A PhoneNumber as it is, or as the manifests that were taken for applied have made it.
    pub fn number(&self, key: &Key) -> Option<Arc<PhoneNumber>> {
        self.context.caches.numbers.get(key)
    }

    /// The version that an Agent of our copy has its numbers reach: none where nothing is published, or it is off the air.
    pub fn serves(&self, agent: &Key) -> Option<String> {
        let agent = self.context.caches.agents.get(agent).filter(|agent| !agent.spec.offline)?;
        agent.status.as_ref()?.published_version.clone()
    }

    /// The PhoneNumbers of our copy that an Agent is to answer and that have their number.
    pub fn answered_by(&self, agent: &Key) -> Vec<Key> {
        let mut numbers = self.context.caches.numbers.by(Index::Agent, &agent.to_string());
        numbers.retain(|number| number.is_acquired());
        let mut keys: Vec<Key> = numbers.iter().map(|number| Key::of(&**number)).collect();
        keys.sort();
        keys
    }

    /// The CarrierAccounts that these PhoneNumbers of our copy name, and those that host their agents, each once.
    pub fn accounts_of(&self, numbers: &[Key]) -> BTreeSet<Key> {
        let numbers: Vec<_> = numbers.iter().filter_map(|key| self.context.caches.numbers.get(key)).collect();
        let hosts = numbers.iter().filter_map(|number| number.agent()).flat_map(|agent| self.platforms_of(&agent));
        numbers.iter().map(|number| number.account()).chain(hosts).collect()
    }
}

/// Has the context be of the installation that works in the cluster, where there is one, or else that has bought all that is on record.
fn found(context: &Context) -> Result<Installation, String> {
    let (at_work, on_record) = (context.caches.installations_at_work(), context.caches.installations_on_record());
    let (names, how) = match at_work.is_empty() {
        true => (on_record, Installation::OnRecord),
        false => (at_work, Installation::AtWork),
    };
    let names: Vec<String> = names.into_iter().collect();
    match &names[..] {
        [] => Err("nothing in this cluster names an installation of Dialplane".to_owned()),
        [one] => {
            context.installed_as(one.clone());
            Ok(how)
        }
        several => {
            Err(format!("several installations of Dialplane are named in this cluster ({})", several.join(", ")))
        }
    }
}

/// What uninstalling the operator would leave, by what the cluster holds; no carrier is asked. Also the objects that cannot be decoded and
/// of which it knows nothing.
pub async fn foresee_uninstall(client: &Client) -> Result<(Uninstall, Vec<String>), DryRunError> {
    let caches = Caches::new(&[]);
    tokio::try_join!(list_kinds(client, &caches), list(client, &caches.namespaces))?;
    let world = uninstall::World {
        namespaces: caches.namespaces.all(),
        accounts: caches.accounts.all(),
        numbers: caches.numbers.all(),
        agents: caches.agents.all(),
        versions: caches.versions.all(),
        claims: caches.claims.all(),
        purchases: caches.journals.all(),
    };
    Ok((uninstall::of(&world), left_out(&caches)))
}

fn left_out(caches: &Caches) -> Vec<String> {
    let mut all: Vec<String> = caches.left_out().iter().map(|(_, left)| left.to_string()).collect();
    all.sort();
    all
}

/// Lists every kind of ours once.
async fn list_kinds(client: &Client, caches: &Caches) -> Result<(), DryRunError> {
    macro_rules! list_each {
        ($($kind:ident)*) => { tokio::try_join!($(list(client, api::$kind::cache(caches))),*) };
    }
    each_kind!(list_each).map(drop)
}

async fn list<K>(client: &Client, cache: &Cache<K>) -> Result<(), DryRunError>
where
    K: Kept + Clone + DeserializeOwned + fmt::Debug,
{
    cache.take(Event::Init);
    let objects = Objects::<K>::all(client.clone());
    let listed = objects.list(|object| drop(cache.take(Event::InitApply(object)))).await;
    listed.map_err(|error| unlisted::<K>(&error))?;
    cache.take(Event::InitDone);
    Ok(())
}

fn unlisted<K: Resource<DynamicType = ()>>(error: &kube::Error) -> DryRunError {
    let (group, plural) = (K::group(&()), K::plural(&()));
    let kind = if group.is_empty() { plural.into_owned() } else { format!("{plural}.{group}") };
    let why = match error {
        kube::Error::Api(status) if status.code == 403 => {
            "this user may not, cluster-wide: use a kubeconfig whose user may".to_owned()
        }
        kube::Error::Api(status) if status.code == 404 => {
            "the cluster does not have it: install the CRDs of this version, as `dialplane crds` prints them".to_owned()
        }
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
            "the response cannot be decoded: check that the CRDs are of this version".to_owned()
        }
        error => format!("no answer from the API server: {}", said(error)),
    };
    DryRunError::Unlisted { kind, why }
}
