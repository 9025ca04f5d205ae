//! What each event does to the state.

use super::{
    account,
    events::Event,
    mutants::Mutant,
    pass,
    routing::LIFETIME,
    scenario::{Carrier, Scenario, Tenancy},
    state::{
        Claim, Cluster, Identity, Journal, Line, Memory, Object, OwnEntry, Replica, Rights, Stamp, State, Stock, Uid,
        Whole,
    },
};

/// Whoever bought a number by hand.
pub const STRANGER: Identity = u8::MAX;

impl Scenario {
    /// The state in which everything begins.
    pub fn begin(&self) -> State {
        let object = |(at, identity): (usize, &Identity)| {
            Some(Object { finalizer: self.finalized, ..self.applied(at as u8 + 1, *identity) })
        };
        let objects = self.objects.iter().enumerate().map(object).collect();
        let identities = self.identities();
        let mut cluster = Cluster {
            objects,
            journals: vec![None; identities],
            claims: vec![None; self.numbers],
            rights: Rights::default(),
        };
        let by_hand = Line { stock: Stock::Ours(STRANGER), shown: true, ..Line::default() };
        let mut lines = vec![Line::default(); self.numbers];
        if self.pool {
            let gone = cluster.objects[0].take().map_or(0, |object| object.uid);
            cluster.journals[0] = Some(Journal { holder: gone, number: Some(0), attempt: 1, token: 1, hold: None });
            cluster.claims[0] = Some(Claim {
                identity: 0,
                holder: None,
                attempt: 1,
                confirmed: true,
                version: 2,
                deleting: false,
                spec: None,
            });
            lines[0] = Line { stock: Stock::Ours(0), shown: true, ..Line::default() };
        }
        if self.stranger {
            lines[0] = by_hand;
        }
        if self.routes() {
            lines.fill(by_hand);
            // One in the namespace of the others comes later.
            cluster
                .objects
                .iter_mut()
                .skip(2)
                .filter(|_| self.imports == Some(Tenancy::Same))
                .for_each(|it| *it = None);
        }
        let replica = Replica::new(cluster.clone(), false);
        let mut s = State {
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
            routing: self.routed(),
            broken: None,
        };
        if self.routes() {
            (0..self.replicas).for_each(|replica| s.see_all(replica));
        }
        s
    }

    pub fn happen(&self, s: &mut State, event: Event) -> Option<()> {
        match event {
            Event::Pass { replica, slot, fate } => pass::over_object(self, s, replica.into(), slot.into(), fate)?,
            Event::ClaimPass { replica, number, fate } => pass::over_claim(self, s, replica.into(), number, fate)?,
            Event::AccountPass => account::over_account(self, s),
            Event::SeeObject { replica, slot } => {
                s.replicas[usize::from(replica)].cache.objects[usize::from(slot)] =
                    s.cluster.objects[usize::from(slot)].clone();
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
            Event::Arrive { at } if self.routes() => s.arrive(at.into()),
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
                s.edit(self, event)?;
            }
            Event::Backup => s.backup = s.backup.is_none().then(|| s.cluster.clone()).or(s.backup.take()),
            Event::Restore => s.restore()?,
            Event::Move => s.move_cluster(self.bare),
            Event::Say { slot } => s.say(slot.into(), self.carrier.marks())?,
            Event::Another { slot } => s.another(slot.into())?,
            Event::Turn { slot, number } => s.turn(slot.into(), number)?,
            event => self.reroute(s, event)?,
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
}

impl Line {
    pub fn is_shown(&self) -> bool {
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
        settings: None,
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
        let (replica, now) = (&mut self.replicas[replica], &self.cluster.claims[number]);
        if replica.cache.claims[number] != *now {
            replica.cache.claims[number].clone_from(now);
            replica.wrote &= !(1 << number);
            replica.orphans &= !(1 << number);
        }
    }

    /// As with [`Scenario::settle`]: what the holder sent has arrived or never will, and is shown.
    fn orphan(&mut self, replica: usize, number: usize) -> Option<()> {
        let holder = self.replicas[replica].cache.claims[number].as_ref()?.holder?;
        let lives = self.cluster.objects.iter().flatten().any(|object| object.uid == holder);
        let quiet = self.wire.iter().all(|request| request.uid != holder) && self.lines.iter().all(Line::is_shown);
        (quiet && !lives).then(|| self.replicas[replica].orphans |= 1 << number)
    }

    fn crash(&mut self, replica: usize) {
        let replica = &mut self.replicas[replica];
        // A list that it starts on may be as old as its caches were.
        let begun = Replica::new(std::mem::take(&mut replica.cache), replica.gap);
        let ended = std::mem::replace(replica, begun);
        if !ended.routing.seen.is_empty() {
            let Memory { agents, seen, .. } = (*ended.routing).clone();
            replica.routing = Whole::new(Memory { agents, seen, predecessor: LIFETIME, ..Memory::default() });
        }
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

    fn edit(&mut self, m: &Scenario, event: Event) -> Option<()> {
        let budget = &mut self.budget;
        match event {
            Event::Delete { slot } => {
                let object = &mut self.cluster.objects[usize::from(slot)];
                let live = object.as_mut().filter(|object| !object.deleting)?;
                budget.deletions = budget.deletions.checked_sub(1)?;
                live.deleting = true;
                object.take_if(|object| !object.finalizer);
            }
            Event::Create { slot } => {
                let object = &mut self.cluster.objects[usize::from(slot)];
                object.is_none().then_some(())?;
                budget.creations = budget.creations.checked_sub(1)?;
                self.uids += 1;
                *object = Some(m.applied(self.uids, m.objects[usize::from(slot)]));
            }
            Event::Strip { slot } => {
                let object = &mut self.cluster.objects[usize::from(slot)];
                let held = object.as_mut().filter(|object| object.finalizer)?;
                budget.stripped = budget.stripped.checked_sub(1)?;
                held.finalizer = false;
                object.take_if(|object| object.deleting);
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
            let Object { said, another, wish, identity, .. } = *object;
            *object = Object { said, another, wish, ..new(uids.next().unwrap_or_default(), identity) };
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
        let asked = self.cluster.objects[slot].as_ref()?.asked.unwrap_or_default();
        let is_meant = |n: usize, line: &Line| if marks { self.moved && !line.moved } else { asked & (1 << n) != 0 };
        let object = self.cluster.objects[slot].as_mut()?;
        let mut lines = self.lines.iter().enumerate();
        let is_its = |(n, line): (usize, &Line)| line.stock == Stock::Ours(object.identity) && is_meant(n, line);
        object.said = Some(lines.position(is_its)? as u8);
        Some(())
    }

    /// Whether none of the numbers that an object asks about was bought for it.
    pub fn is_true(&self, object: &Object) -> bool {
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
        let object = self.cluster.objects[slot].clone()?;
        (object.asked.is_some() && object.another != object.asked).then_some(())?;
        if !self.is_true(&object) {
            self.budget.anothers = self.budget.anothers.checked_sub(1)?;
            self.allowed[usize::from(object.identity)] += 1;
        }
        self.cluster.objects[slot] = Some(Object { another: object.asked, ..object });
        Some(())
    }
}
