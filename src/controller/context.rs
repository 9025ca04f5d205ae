//! What every pass works with: the caches, the open accounts, the memory, the queue. Does no I/O by itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::AtomicU64},
};

use kube::Client;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Kind, Work,
    caches::Caches,
    events::Events,
    local_state::LocalState,
    open_accounts::{OpenAccount, OpenAccounts},
    predecessors::Predecessors,
    secret::SecretData,
};
use crate::{
    api::{CarrierAccount, NumberClaim, meta::Key, number::E164},
    carrier::{
        CarrierError,
        endpoint::{Endpoints, host_of},
        http::Egress,
    },
    cluster::{
        bounded::bounded,
        lease::Past,
        queue::{Priority, Queue},
    },
    plan::{InFlight, account::RefusedEndpoint},
    telemetry::metrics::Metrics,
};

/// How this operator was set up.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The name of this installation, which stands in the markers of the numbers that it buys; the cluster's own id when empty.
    pub installation: String,
    /// How long a purchase of unknown outcome is waited for, where that is not what the carrier's adapter declares.
    pub settling: Option<Duration>,
    /// Where an account may be reached beside the carriers' own hosts.
    pub endpoints: Endpoints,
    /// How the carriers are reached.
    pub egress: Egress,
    /// The namespaces whose objects are looked after; all of them where none is named.
    pub namespaces: Vec<String>,
}

/// What every pass works with.
pub struct Context {
    pub client: Client,
    pub caches: Arc<Caches>,
    pub open_accounts: OpenAccounts,
    pub local: LocalState,
    pub predecessors: Predecessors,
    pub queue: Arc<Queue<Work>>,
    pub events: Events,
    pub metrics: Arc<Metrics>,
    pub settings: Settings,
    /// The name of this installation, where none was set.
    derived: OnceLock<String>,
    /// Held by whoever freezes a version.
    pub freezing: tokio::sync::Mutex<()>,
    /// When this process began to work, and what is known of who did before.
    began: OnceLock<(Instant, Past)>,
    /// Cancelled when it is to work no longer.
    until: OnceLock<CancellationToken>,
    dry_run: OnceLock<OwnCopy>,
}

/// What a dry run has of its own beside the caches.
pub struct OwnCopy {
    /// The version that its next object has.
    pub version: AtomicU64,
    /// The Secrets that it takes for applied.
    secrets: Mutex<BTreeMap<Key, SecretData>>,
}

impl OwnCopy {
    pub fn secret(&self, key: &Key) -> Option<SecretData> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub fn apply_secret(&self, key: Key, data: SecretData) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(key, data);
    }
}

impl Context {
    pub fn new(
        client: Client,
        metrics: Arc<Metrics>,
        settings: Settings,
        lane_width: usize,
    ) -> anyhow::Result<Arc<Self>> {
        let caches = Arc::new(Caches::new(&settings.namespaces));
        let lanes = caches.clone();
        let queue = Arc::new(Queue::new(lane_width, move |work: &Work| lane(&lanes, work)));
        let (numbers, wake) = (caches.clone(), queue.clone());
        let on_change = move |changed: &[E164]| {
            for number in changed.iter().flat_map(|number| numbers.about(number)) {
                wake.add(numbers.work(Kind::PhoneNumber, Key::of(&*number)), Priority::Background);
            }
        };
        let client = bounded(client);
        Ok(Arc::new(Self {
            events: Events::new(client.clone()),
            client,
            caches,
            open_accounts: OpenAccounts::new(Arc::new(on_change), settings.endpoints.clone(), &settings.egress)?,
            local: LocalState::default(),
            predecessors: Predecessors::default(),
            queue,
            metrics,
            settings,
            derived: OnceLock::new(),
            freezing: tokio::sync::Mutex::default(),
            began: OnceLock::new(),
            until: OnceLock::new(),
            dry_run: OnceLock::new(),
        }))
    }

    /// The name of this installation: as it was set up, else the one by which this cluster has bought before, which a backup takes
    /// along; else what tells this cluster from every other, which is the uid of its oldest namespace, as is the custom. `None` until
    /// the cluster is seen; then it stays the same.
    pub fn installation(&self) -> Option<&str> {
        if !self.settings.installation.is_empty() {
            return Some(&self.settings.installation);
        }
        if self.derived.get().is_none() {
            let oldest = self.caches.namespaces.get(&Key::new("", "kube-system")).filter(|_| self.caches.synced())?;
            let id = oldest.metadata.uid.clone()?;
            let mut on_record = self.caches.installations_on_record();
            // Of several none is surely ours.
            let only = if on_record.len() == 1 { on_record.pop_first() } else { None };
            self.derived.get_or_init(|| only.unwrap_or(id));
        }
        self.derived.get().map(String::as_str)
    }

    /// Has this be the name of the installation where none was set up.
    pub fn installed_as(&self, installation: String) {
        self.derived.get_or_init(|| installation);
    }

    /// Notes that this process works from now on, until `token` is cancelled.
    pub fn begin(&self, past: Past, token: CancellationToken) {
        self.began.get_or_init(|| (Instant::now(), past));
        self.until.get_or_init(|| token);
    }

    /// From now on nothing is written but to our own copy of the cluster, and what time alone decides is taken for decided.
    pub fn begin_dry_run(&self) {
        self.dry_run.get_or_init(|| OwnCopy { version: AtomicU64::new(u64::MAX / 2), secrets: Mutex::default() });
    }

    /// Our own copy, in a dry run.
    pub fn dry_run(&self) -> Option<&OwnCopy> {
        self.dry_run.get()
    }

    /// For how long this process has known an object.
    pub fn known_for(&self, uid: &str) -> Duration {
        match self.dry_run() {
            Some(_) => Duration::MAX,
            None => self.local.first_seen(uid).elapsed(),
        }
    }

    /// Whether this process has begun to work, and does not only follow.
    pub fn is_working(&self) -> bool {
        self.began.get().is_some() && !self.is_ending()
    }

    /// Whether this process was told to end its work. A pass that began before may still be looking at something.
    pub fn is_ending(&self) -> bool {
        self.until.get().is_some_and(CancellationToken::is_cancelled)
    }

    /// Where an account's endpoint leads, if that is not allowed.
    pub fn refused_endpoint(&self, account: &CarrierAccount) -> Option<RefusedEndpoint> {
        let endpoint = account.spec.endpoint.as_deref()?;
        let refused = self.settings.endpoints.admit(endpoint).is_none();
        refused.then(|| RefusedEndpoint { host: host_of(endpoint) })
    }

    /// Has an object looked at.
    pub fn wake(&self, kind: Kind, key: Key, priority: Priority) {
        self.queue.add(self.caches.work(kind, key), priority);
    }

    /// What may still be on its way to the carrier for a number of this account.
    pub fn in_flight(&self, account: &Key, number: &E164) -> InFlight {
        let now = Instant::now();
        let Some(opened) = self.open_accounts.get(account) else { return InFlight::default() };
        let left = |until: Instant| until.saturating_duration_since(now);
        let lifetime = opened.inventory.carrier().capabilities().write_lifetime;
        let predecessor = match self.began.get() {
            Some((began, past)) if past.cut_off => left(*began + lifetime),
            _ => Duration::ZERO,
        };
        InFlight { unknown: opened.inventory.in_flight_until(number).map_or(Duration::ZERO, left), predecessor }
    }

    /// How long a purchase of unknown outcome at this carrier is waited for; no time where it sells none.
    pub fn settling_of(&self, opened: &OpenAccount) -> Duration {
        let declared = opened.inventory.carrier().sales().map(|sales| sales.settling());
        declared.map_or(Duration::ZERO, |declared| self.settings.settling.unwrap_or(declared))
    }

    /// How long what was sent for a shared route may take to be seen: a request's whole life, and how far listings lag. Whoever knows
    /// that a purchase settles sooner knows it of this as well.
    pub fn sharing_settles_in(&self, opened: &OpenAccount) -> Duration {
        let carrier = opened.inventory.carrier();
        let declared = carrier.capabilities().write_lifetime + carrier.capabilities().listing_lag;
        self.settings.settling.map_or(declared, |settling| settling.min(declared))
    }

    /// From when on a listing tells what was bought before this process began to work.
    pub fn knows_the_past_from(&self, settling: Duration) -> Instant {
        match self.began.get() {
            Some((began, past)) if past.gap => *began + settling,
            Some((began, _)) => *began,
            None => Instant::now() + settling,
        }
    }

    /// The same where another account may have sent something for the number under an earlier claim.
    pub fn in_flight_for(&self, account: &Key, claim: Option<&NumberClaim>, number: &E164) -> InFlight {
        let own = self.in_flight(account, number);
        let Some(claimed) = claim.map(|claim| claim.spec.account.key()) else {
            return own;
        };
        let other = self.in_flight(&claimed, number);
        InFlight { unknown: own.unknown.max(other.unknown), predecessor: own.predecessor.max(other.predecessor) }
    }

    /// A carrier refused credentials that it took before: the account reads its Secret again and closes if that does not help.
    pub fn suspect(&self, account: &Key, error: &CarrierError) {
        if error.class == crate::carrier::ErrorClass::Unauthorized
            && let Some(opened) = self.open_accounts.get(account)
        {
            opened.doubt_identity();
            self.wake(Kind::CarrierAccount, account.clone(), Priority::Urgent);
        }
    }
}

/// Numbers and claims of one account share a lane, so that an account that hangs holds up only itself.
fn lane(caches: &Caches, work: &Work) -> Arc<str> {
    let account = match work.kind {
        Kind::PhoneNumber => caches.numbers.get(&work.key).map(|number| number.account().to_string()),
        Kind::NumberClaim => caches.claims.get(&work.key).map(|claim| claim.spec.account.key().to_string()),
        // Listing an account may take long, and its numbers have nothing to do meanwhile.
        Kind::CarrierAccount => Some(format!("account {}", work.key)),
        // The carrier is asked for the routes that numbers share, and for what an earlier Agent may have left.
        Kind::Agent => {
            let agent = caches.agents.get(&work.key);
            let shared = agent.as_ref().and_then(|agent| agent.status.as_ref()?.shared_routes.first());
            let of = shared.map_or(&work.key.namespace, |shared| &shared.account);
            Some(format!("agents of {of}"))
        }
        Kind::AgentVersion | Kind::NumberPurchase | Kind::Namespace => None,
    };
    account.unwrap_or_else(|| work.kind.as_str().to_owned()).into()
}
