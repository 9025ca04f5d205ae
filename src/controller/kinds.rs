//! What the driver needs to know of a kind: where it is kept, how its world is gathered, how its status is written.

mod account;
mod agent;
mod claim;
mod journal;
mod number;
mod version;

pub use account::scan_interval;
pub use agent::{note_id, share_id};

use std::{fmt::Debug, future::Future, sync::Arc, time::Duration};

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{CustomResourceExt, Resource};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    Context,
    caches::Cached,
    error::{Error, answered, code},
    local_state::Attempt,
};
use crate::{
    api::{
        Agent, AgentVersion, CarrierAccount, PhoneNumber,
        claim::Holder,
        conditions::{Condition, Truth, Type},
        meta::{ABANDON, Key},
        number::E164,
    },
    carrier::{CarrierError, ErrorClass, inventory},
    cluster::{cache::Change, objects::Objects},
    plan::{self, AccountRef, AccountView, Decision, Liveness, Look, Note, Requested, Trouble},
    telemetry::metrics::Operation,
};

/// A kind that the driver can work on.
pub trait Controlled:
    Cached + CustomResourceExt + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    type Status: Clone + PartialEq + Send;

    /// Gathers the world of `object` and asks the plan.
    fn decide(context: &Context, object: &Arc<Self>, looked: &Looked) -> Decision<Self::Status>;

    /// What this process does about what was decided, beside it: it wakes others, opens and closes accounts. Nothing of that is written.
    fn decided(_: &Context, _: &Arc<Self>, _: &Looked, _: &Decision<Self::Status>) {}

    /// The definitions whose end is the end of this kind's work: nothing is cleaned up after any of them.
    fn definitions() -> Vec<&'static str> {
        vec![Self::crd_name()]
    }

    /// The account that the object depends on, if it is one.
    fn account(_: &Self) -> Option<Key> {
        None
    }

    /// What to do about a change of an object of this kind.
    fn changed(context: &Context, change: &Change<Self>);

    fn status(&self) -> Option<&Self::Status>;

    fn set_status(&mut self, status: Self::Status);

    fn conditions(status: &Self::Status) -> &[Condition];

    /// What is told of a change of the status, beside what its conditions say.
    fn notes(_before: Option<&Self::Status>, _after: &Self::Status) -> Vec<Note> {
        Vec::new()
    }

    /// Looks at something for `object` and notes in `looked` what was seen.
    fn look(
        context: &Context,
        object: &Arc<Self>,
        look: Look,
        looked: &mut Looked,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async move { context.look(&**object, look, looked).await }
    }
}

/// What one pass has looked at so far.
#[derive(Debug)]
pub struct Looked {
    /// When the pass began: what was seen by a look that began later is fresh.
    pub began: Instant,
    pub holder: Liveness,
    pub definition_going: Option<bool>,
    /// What is left of an earlier version of the name that an Agent wants.
    pub past: Option<plan::past::Past>,
    /// An AgentVersion by a live read.
    pub version: Option<Option<Arc<AgentVersion>>>,
    /// What the account's Secret was found to hold.
    pub credentials: Option<plan::account::Credentials>,
    /// What was found for sale.
    pub offers: Vec<plan::Offers>,
    /// The idle numbers of the account.
    pub idle: Option<Vec<plan::Idle>>,
    /// Whether the object itself lives and is not being deleted.
    pub itself: Liveness,
    /// Whether the journal of buying was read from the API server.
    pub journal: bool,
    /// Whether the claim of its number was.
    pub claim: bool,
    /// Random, and new for every pass.
    pub token: String,
}

impl Looked {
    pub fn begin() -> Self {
        let began = Instant::now();
        Self {
            began,
            holder: Liveness::NotRead,
            definition_going: None,
            past: None,
            version: None,
            credentials: None,
            offers: Vec::new(),
            idle: None,
            itself: Liveness::NotRead,
            journal: false,
            claim: false,
            token: random(),
        }
    }
}

/// 128 random bits, in hexadecimal.
fn random() -> String {
    let half = || getrandom::u64().expect("the system has random numbers");
    format!("{:016x}{:016x}", half(), half())
}

/// What is known of a number at its account, kept alive for as long as a world borrows it.
pub enum Seen {
    Unseen,
    Absent { fresh: bool },
    Present { number: Arc<crate::carrier::OwnedNumber>, fresh: bool },
}

impl Seen {
    pub fn view(&self) -> plan::Seen<'_> {
        match self {
            Seen::Unseen => plan::Seen::Unseen,
            Seen::Absent { fresh } => plan::Seen::Absent { fresh: *fresh },
            Seen::Present { number, fresh } => plan::Seen::Present { number, fresh: *fresh },
        }
    }
}

impl Context {
    /// What a reference to an account from `namespace` leads to.
    pub(super) fn account_ref(&self, key: Key, namespace: &str) -> AccountRef {
        let Some(account) = self.caches.accounts.get(&key) else {
            // It is or may be there, and what it allows is not known: it cannot be used, and nobody is taken to have lost its consent.
            let is_unknown = !self.caches.knows(&key.namespace) || self.caches.accounts.is_left_out(&key).is_some();
            return match is_unknown {
                true => AccountRef::Found(AccountView {
                    key,
                    open: None,
                    opening: false,
                    abandoned: false,
                    binds: false,
                    brings_in: false,
                }),
                false => AccountRef::Missing(key),
            };
        };
        if !self.caches.allows(&account.spec.allowed_namespaces, &key.namespace, namespace) {
            return AccountRef::Refused(key);
        }
        // Before the account's own pass says so, which has only been called yet.
        let refused = self.refused_endpoint(&account).is_some();
        let opened = self.open_accounts.of(&account);
        let brings_in = opened.as_ref().is_some_and(|opened| opened.inventory.carrier().intake().is_some());
        let open = opened.filter(|_| !refused).and_then(|opened| opened.usable());
        let opening = open.is_none() && !refused && !is_closed(&account);
        let (abandoned, binds) = (account.is_annotated(ABANDON), account.spec.binds_numbers());
        AccountRef::Found(AccountView { key, open, opening, abandoned, binds, brings_in })
    }

    /// Whether numbers of this namespace under this account may use the agent of this key, by the agent's word and by the account's. Who
    /// may not needs nothing of it, and causes nothing.
    pub(super) fn may_use(&self, agent: &Agent, key: &Key, namespace: &str, account: &Key) -> bool {
        self.caches.allows(&agent.spec.allowed_namespaces, &key.namespace, namespace)
            && matches!(self.account_ref(account.clone(), namespace), AccountRef::Found(_))
    }

    pub(super) fn number_may_use(&self, agent: &Agent, key: &Key, number: &PhoneNumber) -> bool {
        self.may_use(agent, key, number.metadata.namespace.as_deref().unwrap_or_default(), &number.account())
    }

    fn seen(&self, account: &Key, number: &E164, looked: &Looked) -> Seen {
        match self.open_accounts.get(account).map(|opened| opened.inventory.seen(number)) {
            Some(inventory::Seen::Present { number, begun }) => Seen::Present { number, fresh: begun >= looked.began },
            Some(inventory::Seen::Absent { begun }) => Seen::Absent { fresh: begun >= looked.began },
            Some(inventory::Seen::Unseen) | None => Seen::Unseen,
        }
    }

    /// Whether what is seen of a number began after `since`.
    fn is_seen_since(&self, account: &Key, number: &E164, since: Instant) -> bool {
        let seen = self.open_accounts.get(account).map(|opened| opened.inventory.seen(number));
        matches!(seen, Some(inventory::Seen::Present { begun, .. }) if begun >= since)
    }

    /// When this process found that this holder of `record` is gone, or may not go on: now, if it is the first time.
    pub(super) fn gone_since(&self, record: &impl Resource, holder: &Holder) -> Instant {
        let ObjectMeta { uid, generation, .. } = record.meta();
        // The same record may have had others before, which were gone earlier, and may have been written since.
        let holder = format!("{} {}", generation.unwrap_or_default(), holder.uid);
        self.local.holder_gone(uid.as_deref().unwrap_or_default(), &holder)
    }

    /// How long yet until nothing can come about any more that this holder of `record` may have sent, counted from when this process
    /// found it gone.
    fn gone_settles_in(
        &self,
        account: &Key,
        record: &impl Resource,
        holder: Option<&Holder>,
        lives: Liveness,
    ) -> Duration {
        let settling = self.open_accounts.get(account).map_or(Duration::ZERO, |opened| self.settling_of(&opened));
        match (lives, holder) {
            (Liveness::Gone, Some(holder)) => {
                (self.gone_since(record, holder) + settling).saturating_duration_since(Instant::now())
            }
            _ => settling,
        }
    }

    fn trouble_of(&self, object: &impl Resource) -> Option<Trouble> {
        self.local.trouble(object.meta().uid.as_deref()?)
    }

    /// The looks that mean the same for every kind.
    async fn look<K: Controlled>(&self, object: &K, look: Look, looked: &mut Looked) -> Result<(), Error> {
        match look {
            Look::Number { account, number } => self.look_at_number(object, &account, &number, looked).await,
            Look::Bindings(platform) => {
                self.look_at_bindings(object, &platform, looked.began).await;
                Ok(())
            }
            Look::Extra { platform, number, extra } => {
                self.look_at_extra(object, &platform, &number, extra).await;
                Ok(())
            }
            Look::Holder(holder) => {
                looked.holder = self.liveness(&holder).await?;
                Ok(())
            }
            Look::Definition => {
                let definitions = Objects::<CustomResourceDefinition>::all(self.client.clone());
                let mut going = false;
                for name in K::definitions() {
                    let definition = answered(definitions.get_metadata_opt(name)).await?;
                    going |= definition.is_none_or(|d| d.metadata.deletion_timestamp.is_some());
                }
                looked.definition_going = Some(going);
                Ok(())
            }
            Look::Version(key) => {
                looked.version = Some(self.get::<AgentVersion>(&key).await?.map(Arc::new));
                Ok(())
            }
            Look::Itself => {
                let live = self.get_metadata::<K>(&Key::of(object)).await?;
                let same = live.filter(|live| live.uid == object.meta().uid);
                let lives = same.is_some_and(|live| live.deletion_timestamp.is_none());
                looked.itself = if lives { Liveness::Alive } else { Liveness::Gone };
                Ok(())
            }
            Look::Credentials
            | Look::Identity
            | Look::Inventory
            | Look::Orders
            | Look::Offers(_)
            | Look::Idle
            | Look::Claim(_)
            | Look::Journal
            | Look::Past(_)
            | Look::HostedAgent(..)
            | Look::SharedRoutes(_) => Err(Error::NotForThisKind(K::KIND.as_str())),
        }
    }

    async fn look_at_number<K: Resource>(
        &self,
        object: &K,
        account: &Key,
        number: &E164,
        looked: &Looked,
    ) -> Result<(), Error> {
        let Some(opened) = self.open_accounts.get(account) else { return Ok(()) };
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let carrier = opened.inventory.carrier().capabilities().name;
        let asked = async {
            let asking = opened.ask();
            if asking.are_many() {
                // One listing does for all of them, and costs less.
                let listed = opened.inventory.listing(looked.began).await;
                self.metrics.carrier_request(carrier, Operation::List, listed.as_ref().err());
                listed?;
                if self.seen(account, number, looked).view().is_fresh() {
                    return Ok(());
                }
            }
            let found = opened.inventory.lookup(number, looked.began).await;
            self.metrics.carrier_request(carrier, Operation::Find, found.as_ref().err());
            found?;
            // A look-up alone that misses proves nothing of a number that was there: it takes a listing as well.
            if !self.seen(account, number, looked).view().is_fresh() {
                opened.inventory.listing(looked.began).await?;
                opened.inventory.lookup(number, Instant::now()).await?;
            }
            Ok(())
        };
        let asked = asked.await.and_then(|()| {
            let is_fresh = self.seen(account, number, looked).view().is_fresh();
            if is_fresh { Ok(()) } else { Err(not_believed()) }
        });
        self.looked(uid, account, asked);
        Ok(())
    }

    /// Whether a number bears the marker of another installation than ours.
    pub(super) fn is_marked_by_another(&self, seen: &Seen) -> bool {
        let Seen::Present { number, .. } = seen else { return false };
        let installation = self.installation().unwrap_or_default();
        number.marker.as_ref().is_some_and(|marker| !marker.is_of(installation))
    }

    /// Notes, under this id, how a look at an account went.
    pub(super) fn looked(&self, id: &str, account: &Key, asked: Result<(), CarrierError>) {
        match asked {
            Ok(()) => self.local.succeeded(id, Attempt::Look),
            Err(error) => {
                self.suspect(account, &error);
                self.local.failed(id, Attempt::Look, error);
            }
        }
    }

    /// Whether the object that holds a claim lives, by a live read. One that is made again under its name is another. One that
    /// may not be read is taken to live: nobody may have what is its.
    async fn liveness(&self, holder: &Holder) -> Result<Liveness, Error> {
        if !self.caches.knows(&holder.namespace) {
            return Ok(Liveness::Alive);
        }
        let found = match self.get_metadata::<PhoneNumber>(&Key::new(&*holder.namespace, &*holder.name)).await {
            Err(error) if code(&error) == Some(403) => return Ok(Liveness::Alive),
            found => found?,
        };
        let lives = found.is_some_and(|found| found.uid.as_ref() == Some(&holder.uid));
        Ok(if lives { Liveness::Alive } else { Liveness::Gone })
    }
}

/// Whether an account was found not to be usable. One of which nothing is said yet, or whose last word is that it is ready,
/// has only not been opened by this process yet.
pub fn is_closed(account: &CarrierAccount) -> bool {
    let conditions = account.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions.iter().any(|c| c.is(Type::Ready, Truth::False))
}

/// What is known of a number that was there a moment ago and was missed by one look.
fn not_believed() -> CarrierError {
    CarrierError {
        class: ErrorClass::Transient,
        code: None,
        text:
            "The number was owned and is missing from one listing. The operator does not rely on that and checks again."
                .to_owned(),
        retry_after: Some(Duration::from_secs(10)),
    }
}

/// Implements the parts of [`Controlled`] that are the same for every kind with a status.
macro_rules! with_status {
    ($status:ty) => {
        type Status = $status;

        fn status(&self) -> Option<&Self::Status> {
            self.status.as_ref()
        }

        fn set_status(&mut self, status: Self::Status) {
            self.status = Some(status);
        }

        fn conditions(status: &Self::Status) -> &[$crate::api::conditions::Condition] {
            &status.conditions
        }
    };
}
use with_status;

/// The same for the kinds that have none.
macro_rules! without_status {
    () => {
        type Status = ();

        fn status(&self) -> Option<&()> {
            None
        }

        fn set_status(&mut self, (): ()) {}

        fn conditions((): &()) -> &[$crate::api::conditions::Condition] {
            &[]
        }
    };
}
use without_status;
