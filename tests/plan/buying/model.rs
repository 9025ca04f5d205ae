//! The model: what can happen to a [`State`], and what must hold in each. What to do is decided by the real plan.

use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::LazyLock,
};

use stateright::{Model, Property};

use super::{
    mutants::Mutant,
    pass,
    state::{
        Budget, Claim, Cluster, Identity, Journal, Line, Object, OwnEntry, Replica, Rights, Stamp, State, Stock, Uid,
    },
    walk,
};

/// What the carrier does when it is asked to sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A number that is ours already is sold again, which changes nothing.
    Updates,
    /// A number that is ours already is not available.
    Refuses,
    /// A purchase is an order that is finished some time later, or fails.
    Orders,
    /// A number that is ours already is not available, and numbers bear no marker.
    Unmarked,
    /// They bear none, the same purchase sent twice is answered twice and made once, and a number that is seen to be ours counts as bought.
    Replays,
}

impl Carrier {
    pub fn marks(self) -> bool {
        !matches!(self, Carrier::Unmarked | Carrier::Replays)
    }
}

/// Whoever bought a number by hand.
const STRANGER: Identity = u8::MAX;

/// What comes before a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    Nothing,
    /// The carrier keeps the number for a while.
    Hold,
    /// The same, and a person is asked.
    HoldAndAsk,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Buying {
    pub carrier: Carrier,
    pub keeps: Keeps,
    pub replicas: usize,
    /// What each object buys a number for.
    pub objects: &'static [Identity],
    pub numbers: usize,
    pub budget: Budget,
    /// Whether everybody takes an idle number before buying one. The first number is one then: it was bought for the first
    /// object's identity, and that object is gone.
    pub pool: bool,
    /// Whether each identity is in a namespace of its own, all under the same name.
    pub tenants: bool,
    /// Whether the first objects come with our finalizer, as manifests do that were saved from a cluster.
    pub finalized: bool,
    /// Whether nothing but the objects themselves comes to another cluster.
    pub bare: bool,
    /// Whether the account has a number from the beginning that was bought by hand.
    pub stranger: bool,
    /// How many numbers the account lets everybody buy in all, where it says so. Only for one replica.
    pub limit: Option<u8>,
    pub mutant: Option<Mutant>,
}

/// What becomes of a purchase that is sent in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    Answered,
    /// No answer. It may arrive later, or never.
    Lost,
    /// Somebody else takes the number just before.
    Taken,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A replica works on an object until one effect.
    Pass {
        replica: u8,
        slot: u8,
        fate: Fate,
    },
    /// A replica works on a claim until one effect.
    ClaimPass {
        replica: u8,
        number: u8,
    },
    /// A replica works on the account: it settles who may buy, and then writes that.
    AccountPass,
    /// The caches of a replica catch up.
    SeeObject {
        replica: u8,
        slot: u8,
    },
    SeeJournal {
        replica: u8,
        identity: Identity,
    },
    SeeClaim {
        replica: u8,
        number: u8,
    },
    /// Too much time has passed to send by the last entry.
    Expire {
        replica: u8,
        identity: Identity,
    },
    /// The settling time has passed since a replica wrote its last entry.
    Settle {
        replica: u8,
        identity: Identity,
    },
    /// The settling time has passed since a replica began.
    Begin {
        replica: u8,
    },
    /// The settling time has passed since a replica found the holder of a claim gone.
    Orphan {
        replica: u8,
        number: u8,
    },
    Crash {
        replica: u8,
    },
    /// A request that is on its way arrives, or never does.
    Arrive {
        at: u8,
    },
    Drop {
        at: u8,
    },
    /// Listings catch up with a number.
    Show {
        number: u8,
    },
    /// An order is finished, well or not.
    Finish {
        number: u8,
    },
    Fail {
        number: u8,
    },
    /// Somebody else buys a number.
    Take {
        number: u8,
    },
    /// The carrier keeps a number no longer, or the clocks of the cluster say so: one comes before the other, or without it.
    Lapse {
        number: u8,
    },
    Late {
        number: u8,
    },
    /// A person approves what is offered.
    Approve {
        slot: u8,
    },
    Delete {
        slot: u8,
    },
    Create {
        slot: u8,
    },
    /// `kubectl replace`, or a person who takes the finalizer off.
    Strip {
        slot: u8,
    },
    WipeStatus {
        slot: u8,
    },
    Backup,
    /// etcd is restored from the backup, and everybody starts again.
    Restore,
    /// Every object is applied to a new cluster, as tools for backups do: with its name and spec, a new uid, and no status.
    Move,
    /// A person says that the number which was bought for an object before the move is its own.
    Say {
        slot: u8,
    },
    /// A person who is asked has another number bought.
    Another {
        slot: u8,
    },
    /// A person wants just this number from now on.
    Turn {
        slot: u8,
        number: u8,
    },
}

impl Model for Buying {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        let object = |(at, identity): (usize, &Identity)| {
            Some(Object { finalizer: self.finalized, ..new(at as u8 + 1, *identity) })
        };
        let objects = self.objects.iter().enumerate().map(object).collect();
        let identities = self.identities();
        let mut cluster = Cluster {
            objects,
            journals: vec![None; identities],
            claims: vec![None; self.numbers],
            rights: Rights::default(),
        };
        let mut lines = vec![Line::default(); self.numbers];
        if self.pool {
            let gone = cluster.objects[0].take().map_or(0, |object| object.uid);
            cluster.journals[0] = Some(Journal { holder: gone, number: Some(0), attempt: 1, token: 1, hold: None });
            cluster.claims[0] = Some(Claim { identity: 0, holder: None, attempt: 1, confirmed: true, version: 2 });
            lines[0] = Line { stock: Stock::Ours(0), shown: true, ..Line::default() };
        }
        if self.stranger {
            lines[0] = Line { stock: Stock::Ours(STRANGER), shown: true, ..Line::default() };
        }
        let replica = Replica::new(cluster.clone(), false);
        vec![State {
            cluster,
            backup: None,
            replicas: vec![replica; self.replicas],
            lines,
            wire: Vec::new(),
            budget: self.budget,
            uids: self.objects.len() as u8,
            moved: false,
            approved: vec![0; identities],
            allowed: vec![1; identities],
            broken: None,
        }]
    }

    fn actions(&self, s: &State, events: &mut Vec<Event>) {
        if s.broken.is_some() {
            return;
        }
        let (slots, numbers) = (0..s.cluster.objects.len() as u8, 0..s.lines.len() as u8);
        for replica in 0..s.replicas.len() as u8 {
            for slot in slots.clone() {
                events.push(Event::Pass { replica, slot, fate: Fate::Answered });
                if s.budget.lost > 0 {
                    events.push(Event::Pass { replica, slot, fate: Fate::Lost });
                }
                if s.budget.taken > 0 && self.keeps != Keeps::Nothing {
                    events.push(Event::Pass { replica, slot, fate: Fate::Taken });
                }
                events.push(Event::SeeObject { replica, slot });
            }
            for identity in 0..self.identities() as u8 {
                events.extend([
                    Event::SeeJournal { replica, identity },
                    Event::Expire { replica, identity },
                    Event::Settle { replica, identity },
                ]);
            }
            for number in numbers.clone() {
                events.push(Event::ClaimPass { replica, number });
                events.push(Event::SeeClaim { replica, number });
                events.push(Event::Orphan { replica, number });
            }
            events.push(Event::Begin { replica });
            if s.budget.crashes > 0 {
                events.push(Event::Crash { replica });
            }
        }
        for at in 0..s.wire.len() as u8 {
            events.extend([Event::Arrive { at }, Event::Drop { at }]);
        }
        for number in numbers.clone() {
            events.extend([Event::Show { number }, Event::Finish { number }, Event::Fail { number }]);
            if s.budget.taken > 0 {
                events.push(Event::Take { number });
            }
            if self.keeps != Keeps::Nothing {
                events.extend([Event::Lapse { number }, Event::Late { number }]);
            }
        }
        for slot in slots {
            if self.keeps == Keeps::HoldAndAsk {
                events.push(Event::Approve { slot });
            }
            events.extend([
                Event::Delete { slot },
                Event::Create { slot },
                Event::Strip { slot },
                Event::WipeStatus { slot },
            ]);
            if s.budget.turns > 0 {
                events.extend(numbers.clone().map(|number| Event::Turn { slot, number }));
            }
            if s.moved || !self.carrier.marks() {
                events.push(Event::Say { slot });
            }
            if !self.carrier.marks() {
                events.push(Event::Another { slot });
            }
        }
        if self.limit.is_some() {
            events.push(Event::AccountPass);
        }
        if s.budget.moves > 0 {
            events.push(Event::Move);
        }
        if s.budget.restores > 0 {
            events.extend([Event::Backup, Event::Restore]);
        }
    }

    fn next_state(&self, last: &State, event: Event) -> Option<State> {
        let mut s = last.clone();
        self.happen(&mut s, event)?;
        self.check(&mut s);
        let next = s.normal();
        (next != *last).then_some(next)
    }

    fn within_boundary(&self, s: &State) -> bool {
        s.cluster.journals.iter().flatten().all(|journal| journal.attempt <= self.budget.attempts)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no promise is broken", |_, s: &State| s.broken.is_none()),
            Property::always("everything comes to rest", |model: &Self, s: &State| {
                !is_sampled(s) || walk::rests(model, s.clone()).is_none()
            }),
            Property::sometimes("a number is bought", |_, s: &State| {
                s.lines.iter().any(|line| matches!(line.stock, Stock::Ours(_)))
            }),
        ]
    }
}

/// Whether it is looked from this state whether everything comes to rest, which takes as long as some hundred others: from one of
/// so many, by `DIALPLANE_REST`.
fn is_sampled(s: &State) -> bool {
    static EVERY: LazyLock<u64> =
        LazyLock::new(|| std::env::var("DIALPLANE_REST").ok().and_then(|every| every.parse().ok()).unwrap_or(200));
    BuildHasherDefault::<DefaultHasher>::default().hash_one(s).is_multiple_of((*EVERY).max(1))
}

impl Buying {
    fn happen(&self, s: &mut State, event: Event) -> Option<()> {
        match event {
            Event::Pass { replica, slot, fate } => pass::over_object(self, s, replica.into(), slot.into(), fate)?,
            Event::ClaimPass { replica, number } => pass::over_claim(self, s, replica.into(), number.into())?,
            Event::AccountPass => pass::over_account(self, s),
            Event::SeeObject { replica, slot } => {
                s.replicas[usize::from(replica)].cache.objects[usize::from(slot)] =
                    s.cluster.objects[usize::from(slot)];
            }
            Event::SeeJournal { replica, identity } => s.see_journal(replica.into(), identity.into()),
            Event::SeeClaim { replica, number } => s.see_claim(replica.into(), number.into()),
            Event::Expire { replica, identity } => {
                s.replicas[usize::from(replica)].own[usize::from(identity)].as_mut()?.may_send = false;
            }
            Event::Settle { replica, identity } => self.settle(s, replica.into(), identity.into())?,
            Event::Begin { replica } => {
                let quiet = s.wire.is_empty() && s.lines.iter().all(Line::is_shown);
                (quiet && s.replicas[usize::from(replica)].gap)
                    .then(|| s.replicas[usize::from(replica)].gap = false)?;
            }
            Event::Orphan { replica, number } => s.orphan(replica.into(), number.into())?,
            Event::Crash { replica } => {
                s.budget.crashes -= 1;
                s.crash(replica.into());
            }
            Event::Arrive { at } => {
                let request = s.wire.remove(at.into());
                self.sell(s, request.identity, request.number, (request.token, request.moved));
            }
            Event::Drop { at } => drop(s.wire.remove(at.into())),
            Event::Show { number } => {
                let line = &mut s.lines[usize::from(number)];
                line.order_shown |= matches!(line.stock, Stock::Ordered(_));
                line.shown |= matches!(line.stock, Stock::Ours(_));
            }
            Event::Finish { number } => s.finish(number, true)?,
            Event::Fail { number } => s.finish(number, false)?,
            Event::Take { number } => {
                let line = &mut s.lines[usize::from(number)];
                (line.stock == Stock::ForSale && line.held.is_none()).then(|| line.stock = Stock::Taken)?;
                s.budget.taken -= 1;
            }
            Event::Lapse { number } => drop(s.lines[usize::from(number)].held.take()?),
            Event::Late { number } => {
                s.cluster.journals.iter().flatten().find(|journal| journal.hold == Some(number))?;
                s.lines[usize::from(number)].late = true;
            }
            Event::Approve { slot } => s.approve(slot.into())?,
            Event::Delete { .. } | Event::Create { .. } | Event::Strip { .. } | Event::WipeStatus { .. } => {
                s.edit(event, self.objects)?;
            }
            Event::Backup => s.backup = s.backup.is_none().then(|| s.cluster.clone()).or(s.backup.take()),
            Event::Restore => s.restore()?,
            Event::Move => s.move_cluster(self.bare),
            Event::Say { slot } => s.say(slot.into(), self.carrier.marks())?,
            Event::Another { slot } => s.another(slot.into())?,
            Event::Turn { slot, number } => s.turn(slot.into(), number)?,
        }
        let begins = matches!(event, Event::Crash { .. } | Event::Restore | Event::Move);
        if begins && self.mutant == Some(Mutant::AskedByAnOldListing) {
            let owned = s.owned();
            s.replicas.iter_mut().for_each(|replica| replica.known |= owned);
        }
        Some(())
    }

    /// The settling time covers a request's whole life and the lag of listings: nothing that was sent by an earlier entry is on
    /// its way any more, nobody may send by one, and what came of it is shown.
    fn settle(&self, s: &mut State, replica: usize, identity: usize) -> Option<()> {
        if let Some(own) = s.replicas[replica].own[identity].as_mut().filter(|own| own.ordered) {
            // It takes too long: whoever waits looks into it.
            own.ordered = false;
            return Some(());
        }
        let own = s.replicas[replica].own[identity].filter(|own| own.settle && !own.settled)?;
        if self.mutant != Some(Mutant::SettlingTimeZero) {
            if s.wire.iter().any(|request| request.token < own.token) {
                return None;
            }
            if self.mutant != Some(Mutant::LaggingListTrusted) && !s.lines.iter().all(Line::is_shown) {
                return None;
            }
            for other in s.replicas.iter_mut().flat_map(|replica| replica.own.iter_mut().flatten()) {
                if other.token < own.token && self.mutant != Some(Mutant::SentAtAnyTime) {
                    other.may_send = false;
                }
            }
        }
        let replica = &mut s.replicas[replica];
        replica.own[identity] = Some(OwnEntry { settled: true, ..own });
        replica.listed[identity] = None;
        Some(())
    }

    /// The carrier is asked to sell; whether it did, or had done before.
    pub fn sell(&self, s: &mut State, identity: Identity, number: u8, (token, moved): (Stamp, bool)) -> bool {
        let key = if self.carrier == Carrier::Replays { token } else { 0 };
        let line = &mut s.lines[usize::from(number)];
        match (line.stock, self.carrier) {
            (Stock::ForSale, Carrier::Orders) => {
                *line = Line { stock: Stock::Ordered(identity), moved, ..Line::default() };
            }
            (Stock::ForSale, _) => *line = Line { stock: Stock::Ours(identity), moved, key, ..Line::default() },
            (Stock::Ours(_), Carrier::Replays) if line.key == key || line.shown => {}
            (Stock::Ours(owner), Carrier::Updates) => {
                if owner != identity {
                    s.broken = Some("promise 3: the number of one identity is overwritten for another");
                }
            }
            _ => return false,
        }
        true
    }

    /// Whether the carrier lets go of what it keeps.
    pub fn lets_go(&self) -> bool {
        self.keeps != Keeps::Nothing && self.carrier == Carrier::Refuses
    }

    pub fn identities(&self) -> usize {
        self.objects.iter().max().map_or(0, |last| usize::from(*last) + 1)
    }

    fn check(&self, s: &mut State) {
        for identity in 0..self.identities() as u8 {
            let bought = [Stock::Ours(identity), Stock::Ordered(identity)];
            let most = usize::from(s.allowed[usize::from(identity)]);
            if s.lines.iter().filter(|line| bought.contains(&line.stock)).count() > most {
                s.broken = Some("promise 1: two numbers are bought for one identity");
            }
        }
        let bought = s.lines.iter().filter(|line| matches!(line.stock, Stock::Ours(_) | Stock::Ordered(_))).count();
        if self.limit.is_some_and(|limit| bought > usize::from(limit)) {
            s.broken = Some("more is bought than the account allows");
        }
        let holds =
            |claim: &Claim, object: &Object| claim.holder == Some(object.uid) && claim.identity != object.identity;
        let foreign = |claim: &Claim| s.cluster.objects.iter().flatten().any(|object| holds(claim, object));
        if self.tenants && s.cluster.claims.iter().flatten().any(foreign) {
            s.broken = Some("promise 11: an object has what was bought for another namespace");
        }
        let objects: Vec<&Object> = s.cluster.objects.iter().flatten().collect();
        for (at, object) in objects.iter().enumerate() {
            if object.status.is_some() && objects[..at].iter().any(|other| other.status == object.status) {
                s.broken = Some("promise 3: two objects have one number");
            }
            let is_anothers =
                |n: u8| matches!(s.lines[usize::from(n)].stock, Stock::Ours(owner) if owner != object.identity);
            if !self.pool && object.status.is_some_and(is_anothers) {
                s.broken = Some("an object has the number that was bought for another");
            }
            let is_its = |number: &usize| s.cluster.claims[*number].is_some_and(|c| c.holder == Some(object.uid));
            let is_ours = |number: &usize| matches!(s.lines[*number].stock, Stock::Ours(_));
            if (0..s.lines.len()).filter(is_its).filter(is_ours).count() > 1 {
                s.broken = Some("promise 1: one object has two numbers");
                break;
            }
        }
        let stripped = self.budget.stripped > s.budget.stripped;
        let named = |number: usize| {
            let journals = s.cluster.journals.iter().flatten();
            s.cluster.claims[number].is_some()
                || journals.map(|journal| journal.number).any(|n| n == Some(number as u8))
        };
        // What was bought after the backup is known by its marker alone.
        let restored = self.budget.restores > s.budget.restores;
        let is_ours = |line: &Line| matches!(line.stock, Stock::Ours(_)) && line.stock != Stock::Ours(STRANGER);
        let forgotten = restored || self.bare && s.moved;
        let lost = (0..s.lines.len()).any(|number| is_ours(&s.lines[number]) && !named(number));
        if lost && !forgotten {
            s.broken = Some("a number is bought of which nothing in the cluster knows");
        }
        // A number that is ours never goes in this model.
        let passes = |object: &Object| object.status.is_some_and(|n| !is_ours(&s.lines[usize::from(n)]));
        if s.cluster.objects.iter().flatten().any(passes) {
            s.broken = Some("an object shows a number that was not bought");
        }
        let alive = |uid| s.cluster.objects.iter().flatten().any(|object| object.uid == uid);
        if !restored && !stripped && !s.moved && s.wire.iter().any(|request| !alive(request.uid)) {
            s.broken = Some("promise 8: an object goes while its purchase is on its way");
        }
    }
}

impl Line {
    fn is_shown(&self) -> bool {
        match self.stock {
            Stock::Ours(_) => self.shown || self.order_shown,
            Stock::Ordered(_) => self.order_shown,
            Stock::ForSale | Stock::Taken => true,
        }
    }
}

/// An object as a person applies it.
pub fn new(uid: Uid, identity: Identity) -> Object {
    Object {
        uid,
        identity,
        deleting: false,
        finalizer: false,
        status: None,
        offer: None,
        approve: None,
        said: None,
        asked: None,
        another: None,
        wish: None,
    }
}

impl Replica {
    fn new(cache: Cluster, gap: bool) -> Self {
        let identities = cache.journals.len();
        Self { cache, own: vec![None; identities], listed: vec![None; identities], gap, ..Self::default() }
    }
}

impl State {
    pub fn see_journal(&mut self, replica: usize, identity: usize) {
        self.replicas[replica].cache.journals[identity] = self.cluster.journals[identity];
    }

    pub fn see_claim(&mut self, replica: usize, number: usize) {
        let (replica, now) = (&mut self.replicas[replica], self.cluster.claims[number]);
        if replica.cache.claims[number] != now {
            replica.cache.claims[number] = now;
            replica.wrote &= !(1 << number);
            replica.orphans &= !(1 << number);
        }
    }

    /// As with [`Buying::settle`]: what the holder sent has arrived or never will, and is shown.
    fn orphan(&mut self, replica: usize, number: usize) -> Option<()> {
        let holder = self.replicas[replica].cache.claims[number]?.holder?;
        let lives = self.cluster.objects.iter().flatten().any(|object| object.uid == holder);
        let quiet = self.wire.iter().all(|request| request.uid != holder) && self.lines.iter().all(Line::is_shown);
        (quiet && !lives).then(|| self.replicas[replica].orphans |= 1 << number)
    }

    fn crash(&mut self, replica: usize) {
        let replica = &mut self.replicas[replica];
        // A list that it starts on may be as old as its caches were.
        *replica = Replica::new(std::mem::take(&mut replica.cache), replica.gap);
    }

    fn finish(&mut self, number: u8, well: bool) -> Option<()> {
        let line = &mut self.lines[usize::from(number)];
        let Stock::Ordered(identity) = line.stock else { return None };
        let stock = if well { Stock::Ours(identity) } else { Stock::Taken };
        *line = Line { stock, moved: line.moved, order_shown: line.order_shown && well, ..Line::default() };
        Some(())
    }

    fn approve(&mut self, slot: usize) -> Option<()> {
        let object = self.cluster.objects[slot].as_mut().filter(|object| object.offer.is_some())?;
        object.approve = object.offer;
        self.approved[usize::from(object.identity)] |= object.offer.map_or(0, |n| 1 << n);
        Some(())
    }

    fn edit(&mut self, event: Event, identities: &[Identity]) -> Option<()> {
        let budget = &mut self.budget;
        match event {
            Event::Delete { slot } => {
                let object = &mut self.cluster.objects[usize::from(slot)];
                let live = object.filter(|object| !object.deleting)?;
                budget.deletions = budget.deletions.checked_sub(1)?;
                *object = live.finalizer.then_some(Object { deleting: true, ..live });
            }
            Event::Create { slot } => {
                let object = &mut self.cluster.objects[usize::from(slot)];
                object.is_none().then_some(())?;
                budget.creations = budget.creations.checked_sub(1)?;
                self.uids += 1;
                *object = Some(new(self.uids, identities[usize::from(slot)]));
            }
            Event::Strip { slot } => {
                let object = &mut self.cluster.objects[usize::from(slot)];
                let held = object.filter(|object| object.finalizer)?;
                budget.stripped = budget.stripped.checked_sub(1)?;
                *object = (!held.deleting).then_some(Object { finalizer: false, ..held });
            }
            Event::WipeStatus { slot } => {
                let object = self.cluster.objects[usize::from(slot)]
                    .as_mut()
                    .filter(|object| object.status.or(object.offer).or(object.asked).is_some())?;
                budget.wiped = budget.wiped.checked_sub(1)?;
                (object.status, object.offer, object.asked) = (None, None, None);
            }
            _ => return None,
        }
        Some(())
    }

    fn restore(&mut self) -> Option<()> {
        self.budget.restores -= 1;
        let mut cluster = self.backup.take()?;
        // Revisions are bumped: what is restored is no version that anybody knows.
        let first = self.stamp();
        let mut stamps = first..;
        cluster.journals.iter_mut().flatten().zip(&mut stamps).for_each(|(journal, stamp)| journal.token = stamp);
        cluster.claims.iter_mut().flatten().zip(&mut stamps).for_each(|(claim, stamp)| claim.version = stamp);
        self.cluster = cluster;
        for replica in &mut self.replicas {
            *replica = Replica::new(self.cluster.clone(), true);
        }
        Some(())
    }

    fn move_cluster(&mut self, bare: bool) {
        self.budget.moves -= 1;
        self.moved = true;
        let mut uids = self.uids + 1..;
        for object in self.cluster.objects.iter_mut().flatten() {
            let Object { said, another, wish, .. } = *object;
            *object = Object { said, another, wish, ..new(uids.next().unwrap_or_default(), object.identity) };
        }
        if bare {
            self.cluster.journals.fill(None);
            self.cluster.claims.fill(None);
        }
        self.uids = uids.start - 1;
        let stamps = self.stamp()..;
        let journals = self.cluster.journals.iter_mut().flatten().map(|journal| &mut journal.token);
        let claims = self.cluster.claims.iter_mut().flatten().map(|claim| &mut claim.version);
        journals.chain(claims).zip(stamps).for_each(|(version, stamp)| *version = stamp);
        self.backup = None;
        for replica in &mut self.replicas {
            *replica = Replica::new(self.cluster.clone(), true);
        }
    }

    fn say(&mut self, slot: usize, marks: bool) -> Option<()> {
        let asked = self.cluster.objects[slot]?.asked.unwrap_or_default();
        let is_meant = |n: usize, line: &Line| if marks { self.moved && !line.moved } else { asked & (1 << n) != 0 };
        let object = self.cluster.objects[slot].as_mut()?;
        let mut lines = self.lines.iter().enumerate();
        let is_its = |(n, line): (usize, &Line)| line.stock == Stock::Ours(object.identity) && is_meant(n, line);
        object.said = Some(lines.position(is_its)? as u8);
        Some(())
    }

    /// Whether none of the numbers that an object asks about was bought for it.
    pub fn is_true(&self, object: Object) -> bool {
        let asked = object.asked.unwrap_or_default();
        let is_its = |(n, line): (usize, &Line)| asked & (1 << n) != 0 && line.stock == Stock::Ours(object.identity);
        !self.lines.iter().enumerate().any(is_its)
    }

    fn turn(&mut self, slot: usize, number: u8) -> Option<()> {
        let object = self.cluster.objects[slot].as_mut().filter(|object| object.wish != Some(number))?;
        self.budget.turns = self.budget.turns.checked_sub(1)?;
        object.wish = Some(number);
        Some(())
    }

    fn another(&mut self, slot: usize) -> Option<()> {
        let object = self.cluster.objects[slot]?;
        (object.asked.is_some() && object.another != object.asked).then_some(())?;
        if !self.is_true(object) {
            self.budget.anothers = self.budget.anothers.checked_sub(1)?;
            self.allowed[usize::from(object.identity)] += 1;
        }
        self.cluster.objects[slot] = Some(Object { another: object.asked, ..object });
        Some(())
    }
}
