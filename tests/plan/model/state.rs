//! What the cluster, the carrier and the replicas hold, as small as it can be told: one value is one state of the model. What belongs to
//! the routes of numbers is kept [whole](Whole), mostly as the API has it, and times are counted from now.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash, Hasher},
    ops::{Deref, DerefMut},
    sync::{Arc, OnceLock},
};

use dialplane::{
    api::{
        claim::NumberClaimSpec,
        number::{E164, Route},
        phone_number::{Mode, PhoneNumberSpec, PhoneNumberStatus},
    },
    carrier::ErrorClass,
};

pub type Uid = u8;
/// What a number is bought for.
pub type Identity = u8;
/// One of the few numbers for sale.
pub type Number = u8;
/// Tells two writes apart, and which came first. Only the order counts: see [`State::normal`].
pub type Stamp = u16;

/// A part of the state that many states share, and what it is known by once that is asked for.
#[derive(Clone, Debug)]
pub struct Whole<T>(Arc<(T, OnceLock<u64>)>);

impl<T> Whole<T> {
    pub fn new(of: T) -> Self {
        Self(Arc::new((of, OnceLock::new())))
    }
}

impl<T: Default> Default for Whole<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Deref for Whole<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T: Clone> DerefMut for Whole<T> {
    fn deref_mut(&mut self) -> &mut T {
        let (of, known_by) = Arc::make_mut(&mut self.0);
        known_by.take();
        of
    }
}

impl<T: PartialEq> PartialEq for Whole<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl<T: PartialEq> Eq for Whole<T> {}

impl<T: Debug> Hash for Whole<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let known_by = || BuildHasherDefault::<DefaultHasher>::default().hash_one(format!("{:?}", **self));
        self.0.1.get_or_init(known_by).hash(state);
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    pub uid: Uid,
    pub identity: Identity,
    pub deleting: bool,
    pub finalizer: bool,
    /// The number that its status shows.
    pub status: Option<Number>,
    /// The number that its status offers to whoever approves.
    pub offer: Option<Number>,
    /// The number that a person approved last.
    pub approve: Option<Number>,
    /// The number that a person says is its own.
    pub said: Option<Number>,
    /// The numbers that its status asks about, where the carrier keeps no markers.
    pub asked: Option<u8>,
    /// Those beside which a person has another one bought.
    pub another: Option<u8>,
    /// The only number that is wanted, once a person has changed what is.
    pub wish: Option<Number>,
    /// Where it imports its number and does not buy one.
    pub settings: Option<Whole<Settings>>,
}

/// What a person says of a number and its route, and what the operator answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub spec: PhoneNumberSpec,
    pub generation: i64,
    pub annotations: BTreeMap<String, String>,
    pub status: Option<PhoneNumberStatus>,
}

impl Settings {
    pub fn number(&self) -> Option<&E164> {
        self.spec.import.as_ref().map(|import| &import.number)
    }

    /// Whether the operator may write to the carrier for it.
    pub fn is_managed(&self) -> bool {
        self.spec.mode == Mode::Manage && !self.spec.suspend
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Journal {
    pub holder: Uid,
    pub number: Option<Number>,
    /// The number that it says is kept for us.
    pub hold: Option<Number>,
    pub attempt: u8,
    /// Its token and its version in one.
    pub token: Stamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    pub identity: Identity,
    pub holder: Option<Uid>,
    pub attempt: u8,
    /// Whether it says that the number was seen to be ours.
    pub confirmed: bool,
    pub version: Stamp,
    /// Whether a person deletes it.
    pub deleting: bool,
    /// All of it, where its number was imported.
    pub spec: Option<Whole<NumberClaimSpec>>,
}

/// What stands in etcd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cluster {
    pub objects: Vec<Option<Object>>,
    /// One for each identity.
    pub journals: Vec<Option<Journal>>,
    pub claims: Vec<Option<Claim>>,
    pub rights: Rights,
}

/// The rights to buy, in the status of the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights {
    /// The identities that have one.
    pub open: u8,
    /// How many were used.
    pub bought: u8,
}

/// What a replica knows of the entry that it wrote last for one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnEntry {
    pub uid: Uid,
    pub token: Stamp,
    pub settle: bool,
    /// Whether it only says what is kept.
    pub hold: bool,
    /// To take an idle number, and not to buy one.
    pub take: bool,
    pub clean: bool,
    /// `None`: not sent. `Some(true)`: surely refused. `Some(false)`: nobody knows.
    pub refused: Option<bool>,
    /// Whether the carrier said that it has taken the order, and not for so long that it is no longer waited for.
    pub ordered: bool,
    /// Whether it has written the object itself since.
    pub lives: bool,
    pub may_send: bool,
    pub settled: bool,
}

impl OwnEntry {
    /// One that was just written, to buy.
    pub fn new(uid: Uid, token: Stamp) -> Self {
        Self {
            uid,
            token,
            settle: false,
            hold: false,
            take: false,
            clean: true,
            refused: None,
            ordered: false,
            lives: false,
            may_send: true,
            settled: false,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Replica {
    /// What its caches show.
    pub cache: Cluster,
    /// By identity.
    pub own: Vec<Option<OwnEntry>>,
    /// The numbers that its last listing showed with the marker of each identity, if that began late enough.
    pub listed: Vec<Option<u8>>,
    /// The numbers that it ever saw to be ours.
    pub known: u8,
    /// The claims that it wrote itself, as they stand in its cache.
    pub wrote: u8,
    /// The claims whose holders it has known to be gone for the settling time.
    pub orphans: u8,
    /// Whether it cannot know was not running for a while.
    pub gap: bool,
    /// The identities that wait for a right to buy.
    pub wishes: u8,
    /// Those that gave theirs back.
    pub returned: u8,
    /// Those from which it is taken by the write of the account that is under way, and what that writes.
    pub taken: u8,
    pub ledger: Option<Rights>,
    pub routing: Whole<Memory>,
}

/// What a replica sees and remembers of the routes of numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    pub agents: Vec<Agent>,
    /// What it last saw of the route of each number that it knows.
    pub seen: Vec<Route>,
    /// The last failure at the carrier, how many there were in a row, and for how many ticks it waits yet.
    pub trouble: BTreeMap<Subject, (ErrorClass, u32, u64)>,
    /// How often it has put a route back.
    pub put_backs: BTreeMap<Subject, u32>,
    /// For how many ticks yet routes that it sent itself, and those of others before it, may arrive.
    pub unknown: BTreeMap<Number, u64>,
    pub predecessor: u64,
}

/// What a replica works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    Object(Uid),
    Claim(Number),
}

/// The first agent answers calls and messages, and in every third version calls alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Agent {
    /// How many versions were ever published: `v1` to this.
    pub published: u8,
    /// The one that serves; 0 for none.
    pub serves: u8,
    pub offline: bool,
    pub refused: bool,
}

/// What there is beside, where numbers are routed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routing {
    /// The replica that acts; where there is none, all do.
    pub leader: Option<u8>,
    pub agents: Vec<Agent>,
    /// The places of the objects whose namespace the account refuses.
    pub refused: u8,
    /// Whether the account cannot be used.
    pub closed: bool,
    /// Where each number leads.
    pub routes: Vec<Route>,
    pub wire: Vec<Sent>,
    /// How many destinations were set by others.
    pub foreign: u16,
    /// The numbers at which something of ours was left on purpose, or forgotten by force: from then on it is anybody's.
    pub left_behind: u8,
}

/// A route that was sent and has not arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub number: Number,
    pub route: Route,
    /// For how many ticks yet it may.
    pub left: u64,
}

/// What has become of a number at the carrier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stock {
    #[default]
    ForSale,
    /// Somebody else has it.
    Taken,
    /// An order of ours for this identity was accepted and is not finished.
    Ordered(Identity),
    /// It was bought for this identity, and bears its marker.
    Ours(Identity),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Line {
    pub stock: Stock,
    /// Whose marker a bought number bears: of the installation that there was first, or of the one that its cluster was moved to.
    pub moved: bool,
    /// Whether listings and look-ups show it.
    pub shown: bool,
    /// Whether the list of orders shows the order that it was bought by; it goes on doing so once that is finished.
    pub order_shown: bool,
    /// Whom it is kept for, if it is.
    pub held: Option<Identity>,
    /// Whether the last hold of it has ended by the clocks of the cluster, which are not the carrier's.
    pub late: bool,
    /// The key of the purchase that it was bought by, where the carrier keeps it.
    pub key: Stamp,
}

/// A purchase that was sent and has not arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    /// Whether it was sent by the installation that the cluster was moved to.
    pub moved: bool,
    pub uid: Uid,
    pub identity: Identity,
    pub number: Number,
    pub token: Stamp,
}

/// How often each thing may still go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub crashes: u8,
    pub lost: u8,
    pub taken: u8,
    pub deletions: u8,
    pub creations: u8,
    pub stripped: u8,
    pub wiped: u8,
    pub restores: u8,
    /// How often everything is applied to another cluster, which has another name.
    pub moves: u8,
    /// How often a person has another number bought beside the right one.
    pub anothers: u8,
    /// How often a person changes what is wanted.
    pub turns: u8,
    /// How often people change anything about agents, accounts and routes.
    pub edits: u8,
    /// How many attempts are looked at.
    pub attempts: u8,
}

impl Budget {
    /// As often as a walk comes to it what a person does, and what becomes of requests and processes.
    pub const WITHOUT_END: Self = Self {
        crashes: u8::MAX,
        lost: u8::MAX,
        deletions: u8::MAX,
        creations: u8::MAX,
        stripped: u8::MAX,
        edits: u8::MAX,
        ..Self::NOTHING
    };

    /// Nothing does.
    pub const NOTHING: Self = Self {
        crashes: 0,
        lost: 0,
        taken: 0,
        deletions: 0,
        creations: 0,
        stripped: 0,
        wiped: 0,
        restores: 0,
        moves: 0,
        anothers: 0,
        turns: 0,
        edits: 0,
        attempts: 0,
    };
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub cluster: Cluster,
    pub backup: Option<Cluster>,
    pub replicas: Vec<Replica>,
    pub lines: Vec<Line>,
    pub wire: Vec<Request>,
    pub budget: Budget,
    pub uids: u8,
    /// Whether this is the cluster that everything was moved to.
    pub moved: bool,
    /// The numbers that a person approved for each identity.
    pub approved: Vec<u8>,
    /// How many numbers may have been bought for each identity: one, and one more for each time that a person had another bought beside it.
    pub allowed: Vec<u8>,
    pub routing: Whole<Routing>,
    /// Why a promise is broken, if one is.
    pub broken: Option<&'static str>,
}

impl State {
    pub fn stamp(&self) -> Stamp {
        let mut copy = self.clone();
        let mut last = 0;
        copy.stamps(&mut |stamp| last = last.max(*stamp));
        last + 1
    }

    /// The same with its stamps counted from one: two states that differ in nothing but how often something was written before
    /// are one.
    pub fn normal(mut self) -> Self {
        let mut all = Vec::new();
        self.stamps(&mut |stamp| all.push(*stamp));
        all.sort_unstable();
        all.dedup();
        self.stamps(&mut |stamp| *stamp = all.binary_search(stamp).map_or(0, |at| at as Stamp + 1));
        self.wire.sort_unstable();
        self
    }

    fn stamps(&mut self, each: &mut impl FnMut(&mut Stamp)) {
        let replicas = self.replicas.iter_mut();
        let caches = replicas.map(|replica| (&mut replica.cache, &mut replica.own));
        let mut clusters = vec![&mut self.cluster];
        clusters.extend(self.backup.as_mut());
        for (cache, own) in caches {
            clusters.push(cache);
            own.iter_mut().flatten().for_each(|own| each(&mut own.token));
        }
        for cluster in clusters {
            cluster.journals.iter_mut().flatten().for_each(|journal| each(&mut journal.token));
            cluster.claims.iter_mut().flatten().for_each(|claim| each(&mut claim.version));
        }
        self.wire.iter_mut().for_each(|request| each(&mut request.token));
        self.lines.iter_mut().filter(|line| line.key != 0).for_each(|line| each(&mut line.key));
    }
}
