//! What a replica writes, and what that does to the cluster and to the carrier. In which order things are written is the operator's own
//! code (`controller::act`).

use dialplane::{
    api::{
        NumberClaim, agent::AgentVersionSpec, claim::NumberClaimSpec, meta::Key, number::E164, phone_number::OnDelete,
        purchase::Hold,
    },
    carrier::Order,
    controller::{CarrierWrites, ClusterWrites, act},
    plan::{
        BuyNumber, Effect, Entry, HoldNumber, Mark, Note, Purpose, ServeHosted, SetBinding, SetRoute, SetSharedRoute,
    },
};
use futures::FutureExt as _;

use super::{
    events::Fate,
    kinds::{NAMES, index, named, uid},
    mutants::Mutant,
    scenario::{Keeps, Scenario},
    state::{Claim, Identity, Journal, Line, Number, Object, OwnEntry, Replica, Request, State, Stock, Subject, Whole},
};
use crate::plan::scene::unused;

/// A replica at work on an object, or on a claim.
pub struct Work<'a> {
    pub m: &'a Scenario,
    pub s: &'a mut State,
    pub replica: usize,
    /// The place of the object, or the number of the claim.
    pub at: usize,
    pub subject: Subject,
    pub of: Object,
    pub fate: Fate,
    /// Whether it says that nothing of ours is left at the carrier.
    pub closes: bool,
}

/// Why an effect ends early: because something was found out, or, where there is nothing, to no avail.
type Ended = Option<()>;

/// Nothing comes of it, unless there is something.
fn or_nothing<T>(some: Option<T>) -> Result<T, Ended> {
    some.ok_or(None)
}

impl Work<'_> {
    /// Does an effect. `None` where nothing comes of it.
    pub fn act(mut self, effect: Effect) -> Option<()> {
        if self.fate == Fate::Taken && !matches!(effect, Effect::Hold(_)) {
            return None;
        }
        self.closes = matches!(effect, Effect::CloseClaim(..));
        let done = act(&mut self, effect).now_or_never().expect("nothing here is waited for");
        done.map_or_else(|ended| ended, Some)
    }

    fn own(&mut self) -> Result<&mut OwnEntry, Ended> {
        or_nothing(self.s.replicas[self.replica].own[usize::from(self.of.identity)].as_mut())
    }

    /// Ends it where a promise is broken.
    fn judge(&mut self, kept: Result<(), &'static str>) -> Result<(), Ended> {
        kept.map_err(|why| {
            self.s.broken = Some(why);
            Some(())
        })
    }

    /// An answer gets lost, of which there are so many.
    fn lose_answer(&mut self) -> Result<(), Ended> {
        self.s.budget.lost = or_nothing(self.s.budget.lost.checked_sub(1))?;
        Ok(())
    }
}

impl ClusterWrites for Work<'_> {
    type Error = Ended;

    async fn write_claim(&mut self, claim: NumberClaim) -> Result<(), Ended> {
        let number = index(&claim.spec.number);
        if self.m.routes() && self.s.is_current(self.replica, number) {
            if let (Subject::Object(_), true) = (self.subject, self.closes) {
                self.s.note_what_is_left(self.at, &self.of, number);
            }
            self.judge(self.s.may_replace(self.replica, number, &claim.spec, self.closes))?;
        }
        self.s.write_claim(self.m, self.replica, &claim.spec);
        Ok(())
    }

    async fn take_claim(&mut self, claim: NumberClaim) -> Result<bool, Ended> {
        let n = usize::from(index(&claim.spec.number));
        self.s.write_claim(self.m, self.replica, &claim.spec);
        Ok(self.s.replicas[self.replica].cache.claims[n]
            .as_ref()
            .is_some_and(|claim| claim.holder == Some(self.of.uid)))
    }

    async fn write_journal(&mut self, entry: Entry) -> Result<bool, Ended> {
        let (m, s, of, replica) = (self.m, &mut *self.s, &self.of, self.replica);
        let spec = &entry.journal.spec;
        let token = s.stamp();
        let identity = usize::from(of.identity);
        let cached = s.replicas[replica].cache.journals[identity];
        let same = s.cluster.journals[identity].map(|journal| journal.token) == cached.map(|journal| journal.token);
        let written = Journal {
            holder: uid(&spec.holder),
            number: spec.number.as_ref().map(index),
            hold: spec.hold.as_ref().map(|hold| index(&hold.number)),
            attempt: spec.attempt as u8,
            token,
        };
        let (settle, take) = (entry.purpose == Purpose::Settle, entry.purpose == Purpose::Take);
        let hold = entry.purpose == Purpose::Hold;
        let own = OwnEntry { settle, hold, take, clean: entry.clean, ..OwnEntry::new(of.uid, token) };
        if m.mutant == Some(Mutant::NoIntent) || take && m.mutant == Some(Mutant::TakenWithoutJournal) {
            s.replicas[replica].cache.journals[identity] = Some(written);
            s.replicas[replica].own[identity] = Some(own);
            return Ok(true);
        }
        let wins = same || m.mutant == Some(Mutant::NoCompareAndSet);
        if wins {
            s.cluster.journals[identity] = Some(written);
            s.replicas[replica].own[identity] = Some(own);
            // What is only kept was not bought: a listing that came before shows as much.
            if entry.purpose != Purpose::Hold {
                s.replicas[replica].listed[identity] = None;
            }
        }
        s.see_journal(replica, identity);
        Ok(wins || m.mutant == Some(Mutant::LetGoUnwritten))
    }

    async fn set_finalizer(&mut self, _: &'static str, on: bool) -> Result<(), Ended> {
        let wins = on && self.s.cluster.objects[self.at].as_ref() == Some(&self.of);
        or_nothing(self.s.write_object(self.replica, self.at, |object| object.finalizer = on))?;
        let uid = self.of.uid;
        if let Ok(own) = self.own()
            && wins
        {
            own.lives = own.uid == uid;
        }
        Ok(())
    }

    /// Only a claim is ever deleted here.
    async fn delete(&mut self) -> Result<(), Ended> {
        let n = self.at;
        if self.s.replicas[self.replica].cache.claims[n] == self.s.cluster.claims[n] {
            let gone = self.s.cluster.claims[n].take().and_then(|claim| claim.spec);
            if gone.is_some_and(|spec| spec.on_delete == OnDelete::Leave) {
                self.s.routing.left_behind |= 1 << n;
            }
        }
        self.s.see_claim(self.replica, n);
        Ok(())
    }

    async fn fence_claim(&mut self, number: &E164, for_good: bool) -> Result<(), Ended> {
        let n = index(number);
        if for_good {
            self.s.replicas[self.replica].wrote &= !(1 << n);
        } else if matches!(self.m.mutant, Some(Mutant::ClaimSkipped | Mutant::ClaimNotReadAgain)) {
            return Ok(());
        }
        // Where it has changed it was read again, which is all that comes of it.
        if self.s.fences(self.replica, n) { Ok(()) } else { Err(Some(())) }
    }

    fn tell(&mut self, _: &[Note]) {}

    unused! { annotate(&'static str, String); create_version(AgentVersionSpec); delete_version(Key); fence_object(); }
}

impl CarrierWrites for Work<'_> {
    async fn set_route(&mut self, write: SetRoute) -> Result<(), Ended> {
        let number = index(&write.number);
        let claimed = self.s.cluster.claims[usize::from(number)].as_ref().map(|_| ());
        self.judge(claimed.ok_or("promise 3: a request leaves without a claim"))?;
        if self.fate != Fate::Answered {
            self.lose_answer()?;
        }
        if write.put_back {
            *self.s.replicas[self.replica].routing.put_backs.entry(self.subject).or_default() += 1;
        }
        self.s.send(self.replica, self.subject, number, write.route, self.fate);
        Ok(())
    }

    async fn mark(&mut self, mark: Mark) -> Result<(), Ended> {
        let (of, moved, n) = (&self.of, self.s.moved, usize::from(index(&mark.number)));
        let held = self.s.cluster.claims[n].as_ref().is_some_and(|claim| claim.holder == Some(of.uid));
        let line = &mut self.s.lines[n];
        match line.stock {
            // Its order says for ever whose it was.
            Stock::Ours(identity) if held => {
                let order_shown = line.order_shown && identity == of.identity;
                *line = Line { stock: Stock::Ours(of.identity), moved, order_shown, ..*line };
            }
            _ => self.s.broken = Some("promise 3: the marker of another identity is overwritten"),
        }
        Ok(())
    }

    async fn hold(&mut self, hold: &HoldNumber) -> Result<Option<Hold>, Ended> {
        let of = self.of.identity;
        let line = &mut self.s.lines[usize::from(index(&hold.number))];
        let is_free = line.stock == Stock::ForSale && line.held.is_none_or(|held| held == of);
        if self.fate == Fate::Taken {
            or_nothing((is_free && line.held.is_none()).then(|| line.stock = Stock::Taken))?;
            self.s.budget.taken = or_nothing(self.s.budget.taken.checked_sub(1))?;
            return Ok(None);
        }
        if is_free {
            (line.held, line.late) = (Some(of), false);
        }
        if self.fate == Fate::Lost {
            return self.lose_answer().map(|()| None);
        }
        or_nothing(is_free.then(|| Some(Hold { number: hold.number.clone(), id: "hold".into(), until: None })))
    }

    async fn let_go(&mut self, _: &Key, hold: &Hold) -> Result<(), Ended> {
        let (of, number) = (self.of.identity, index(&hold.number));
        if self.s.is_under_way(of, number) {
            self.s.broken = Some("a hold is let go of by which its number may yet be bought");
        }
        if self.fate == Fate::Lost {
            return self.lose_answer();
        }
        self.s.lines[usize::from(number)].held.take_if(|held| *held == of);
        Ok(())
    }

    async fn purchase(&mut self, buy: BuyNumber) -> Result<(), Ended> {
        let (m, replica, number) = (self.m, self.replica, index(&buy.number));
        let (uid, of) = (self.of.uid, self.of.identity);
        let identity = usize::from(of);
        let token = or_nothing(self.s.replicas[replica].cache.journals[identity])?.token;
        match self.own() {
            Ok(own) if own.token == token => own.refused = Some(false),
            _ => or_nothing((m.mutant == Some(Mutant::TokenNotCompared)).then_some(()))?,
        }
        if m.keeps == Keeps::HoldAndAsk && self.s.approved[identity] & (1 << number) == 0 {
            self.s.broken = Some("a number is bought that nobody approved");
        }
        let lost = self.fate == Fate::Lost;
        if lost {
            self.lose_answer()?;
            let s = &mut *self.s;
            if m.mutant != Some(Mutant::RetriedByHttp) {
                s.wire.push(Request { moved: s.moved, uid, identity: of, number, token });
                return Ok(());
            }
            // It arrives, its answer is lost, and it is sent once more.
            m.sell(s, of, number, (token, s.moved));
        }
        let s = &mut *self.s;
        let did = m.sell(s, of, number, (token, s.moved));
        if did && s.marked(number).is_some() {
            s.replicas[replica].known |= 1 << number;
        }
        let ordered = matches!(s.lines[usize::from(number)].stock, Stock::Ordered(_));
        if let Some(own) = s.replicas[replica].own[identity].as_mut() {
            match did {
                true if ordered => own.ordered = !lost,
                true => {}
                false => own.refused = Some(true),
            }
        }
        Ok(())
    }

    async fn cancel_order(&mut self, _: Key, order: Order) -> Result<(), Ended> {
        if !self.of.deleting {
            self.s.broken = Some("the order of an object that lives is cancelled");
        }
        let n = usize::from(index(&order.number));
        if self.s.lines[n].moved != self.s.moved {
            self.s.broken = Some("the order of another installation is cancelled");
        }
        if self.fate == Fate::Lost {
            self.lose_answer()?;
        } else if self.s.lines[n].stock == Stock::Ordered(self.of.identity) {
            self.s.lines[n] = Line::default();
        }
        let counts_for_nothing = self.m.mutant == Some(Mutant::CancelledIsNotBought);
        let own = self.own()?;
        (own.refused, own.ordered) = (Some(counts_for_nothing), false);
        Ok(())
    }

    fn try_once(&mut self, _: &str) -> bool {
        self.own().map(|own| own.refused = Some(false)).is_ok()
    }

    fn lose(&mut self, _: &Key, _: &E164) {
        if let Ok(own) = self.own() {
            own.refused = Some(true);
        }
    }

    fn ask_grant(&mut self) {
        let (mask, replica) = (1 << self.of.identity, &mut self.s.replicas[self.replica]);
        replica.returned &= !mask;
        let has = self.m.limit.is_none() || self.s.cluster.rights.open & mask != 0 && replica.taken & mask == 0;
        if !has {
            replica.wishes |= mask;
        }
    }

    fn give_back_grant(&mut self) {
        self.s.replicas[self.replica].returned |= 1 << self.of.identity;
    }

    fn accept_inventory(&mut self) {}

    unused! { bring_in(Key, E164); set_shared_route(SetSharedRoute); set_binding(SetBinding); serve_hosted(ServeHosted); }
}

impl State {
    /// A write to an object, by compare-and-set on what the replica's cache shows.
    pub fn write_object(&mut self, replica: usize, slot: usize, change: impl FnOnce(&mut Object)) -> Option<()> {
        let cached = &self.replicas[replica].cache.objects[slot];
        let mut changed = cached.clone()?;
        change(&mut changed);
        (Some(&changed) != cached.as_ref()).then_some(())?;
        if self.cluster.objects[slot] == *cached {
            let gone = changed.deleting && !changed.finalizer;
            self.cluster.objects[slot] = (!gone).then_some(changed);
        }
        self.replicas[replica].cache.objects[slot] = self.cluster.objects[slot].clone();
        Some(())
    }

    /// Whether a purchase of a number is on its way for an identity, or may be sent yet by an entry that a replica has written.
    fn is_under_way(&self, of: Identity, number: Number) -> bool {
        let may_send = |replica: &Replica| {
            let named = replica.cache.journals[usize::from(of)].filter(|journal| journal.number == Some(number));
            let own = replica.own[usize::from(of)].filter(|own| own.may_send && own.refused.is_none());
            let own = own.filter(|own| !own.settle && !own.hold && !own.take);
            own.zip(named).is_some_and(|(own, named)| own.token == named.token)
        };
        let is_its = |request: &Request| request.identity == of && request.number == number;
        self.wire.iter().any(is_its) || self.replicas.iter().any(may_send)
    }

    /// Whether the claim on which a carrier write was decided is still as it was; otherwise it is read again.
    fn fences(&mut self, replica: usize, number: Number) -> bool {
        let n = usize::from(number);
        let just = self.replicas[replica].wrote & (1 << n) != 0;
        let same = just || self.replicas[replica].cache.claims[n] == self.cluster.claims[n];
        if !same {
            self.see_claim(replica, n);
        }
        same
    }

    /// Whether a replica sees the claim of a number in the version that it has.
    fn is_current(&self, replica: usize, number: Number) -> bool {
        let version = |claims: &[Option<Claim>]| claims[usize::from(number)].as_ref().map(|claim| claim.version);
        version(&self.cluster.claims) == version(&self.replicas[replica].cache.claims)
    }

    fn write_claim(&mut self, m: &Scenario, replica: usize, spec: &NumberClaimSpec) {
        let number = index(&spec.number);
        let (n, same) = (usize::from(number), self.is_current(replica, number));
        if same || m.mutant == Some(Mutant::NoCompareAndSet) {
            let version = self.stamp();
            let identity = |of| (0..NAMES.len() as u8).find(|identity| named(m, *identity) == of).unwrap();
            self.cluster.claims[n] = Some(Claim {
                identity: spec.identity().map_or(0, identity),
                holder: spec.holder.as_ref().map(uid),
                attempt: spec.purchase.as_ref().map_or(0, |purchase| purchase.attempt as u8),
                confirmed: !spec.carrier_number_id.is_empty(),
                version,
                deleting: self.cluster.claims[n].as_ref().is_some_and(|claim| claim.deleting),
                spec: m.routes().then(|| Whole::new(spec.clone())),
            });
        }
        self.see_claim(replica, n);
        // Before a route is sent the claim is always read again.
        if same && !m.routes() {
            self.replicas[replica].wrote |= 1 << n;
        }
    }
}
