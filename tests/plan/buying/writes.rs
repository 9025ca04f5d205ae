//! What a replica writes, and what that does to the cluster and to the carrier. In which order things are written is the operator's own
//! code (`controller::act`).

use dialplane::{
    api::{NumberClaim, agent::AgentVersionSpec, claim::NumberClaimSpec, meta::Key, number::E164, purchase::Hold},
    carrier::Order,
    controller::{CarrierWrites, ClusterWrites, act},
    plan::{
        BuyNumber, Effect, Entry, HoldNumber, Mark, Note, Purpose, ServeHosted, SetBinding, SetRoute, SetSharedRoute,
    },
};
use futures::FutureExt as _;

use super::{
    model::{Buying, Fate, Keeps},
    mutants::Mutant,
    pass::{NAMES, index, named, uid},
    state::{Claim, Identity, Journal, Line, Number, Object, OwnEntry, Replica, Request, State, Stock},
};
use crate::plan::scene::unused;

/// A replica at work on an object, or on a claim.
pub struct Work<'a> {
    pub m: &'a Buying,
    pub s: &'a mut State,
    pub replica: usize,
    /// The place of the object, or the number of the claim.
    pub at: usize,
    pub of: Object,
    pub fate: Fate,
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
        let done = act(&mut self, effect).now_or_never().expect("nothing here is waited for");
        done.map_or_else(|ended| ended, Some)
    }

    fn own(&mut self) -> Result<&mut OwnEntry, Ended> {
        or_nothing(self.s.replicas[self.replica].own[usize::from(self.of.identity)].as_mut())
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
        self.s.write_claim(self.m, self.replica, &claim.spec);
        Ok(())
    }

    async fn take_claim(&mut self, claim: NumberClaim) -> Result<bool, Ended> {
        let n = usize::from(index(&claim.spec.number));
        self.s.write_claim(self.m, self.replica, &claim.spec);
        Ok(self.s.replicas[self.replica].cache.claims[n].is_some_and(|claim| claim.holder == Some(self.of.uid)))
    }

    async fn write_journal(&mut self, entry: Entry) -> Result<bool, Ended> {
        let (m, s, of, replica) = (self.m, &mut *self.s, self.of, self.replica);
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
        let wins = on && self.s.cluster.objects[self.at] == Some(self.of);
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
        let cached = self.s.replicas[self.replica].cache.claims[self.at];
        if self.s.cluster.claims[self.at] == cached {
            self.s.cluster.claims[self.at] = None;
        }
        self.s.see_claim(self.replica, self.at);
        Ok(())
    }

    async fn fence_claim(&mut self, number: &E164, for_good: bool) -> Result<(), Ended> {
        let n = index(number);
        if for_good {
            self.s.replicas[self.replica].wrote &= !(1 << n);
        } else if self.m.mutant == Some(Mutant::ClaimSkipped) {
            return Ok(());
        }
        // Where it has changed it was read again, which is all that comes of it.
        if self.s.fences(self.replica, n) { Ok(()) } else { Err(Some(())) }
    }

    fn tell(&mut self, _: &[Note]) {}

    unused! { annotate(&'static str, String); create_version(AgentVersionSpec); delete_version(Key); fence_object(); }
}

impl CarrierWrites for Work<'_> {
    async fn mark(&mut self, mark: Mark) -> Result<(), Ended> {
        let (of, moved, n) = (self.of, self.s.moved, usize::from(index(&mark.number)));
        let held = self.s.cluster.claims[n].is_some_and(|claim| claim.holder == Some(of.uid));
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
        let (m, of, replica, number) = (self.m, self.of, self.replica, index(&buy.number));
        let identity = usize::from(of.identity);
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
                s.wire.push(Request { moved: s.moved, uid: of.uid, identity: of.identity, number, token });
                return Ok(());
            }
            // It arrives, its answer is lost, and it is sent once more.
            m.sell(s, of.identity, number, (token, s.moved));
        }
        let s = &mut *self.s;
        let did = m.sell(s, of.identity, number, (token, s.moved));
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

    unused! { bring_in(Key, E164); set_route(SetRoute); set_shared_route(SetSharedRoute); set_binding(SetBinding); serve_hosted(ServeHosted); }
}

impl State {
    /// A write to an object, by compare-and-set on what the replica's cache shows.
    pub fn write_object(&mut self, replica: usize, slot: usize, change: impl FnOnce(&mut Object)) -> Option<()> {
        let cached = self.replicas[replica].cache.objects[slot];
        let mut changed = cached?;
        change(&mut changed);
        (Some(changed) != cached).then_some(())?;
        if self.cluster.objects[slot] == cached {
            let gone = changed.deleting && !changed.finalizer;
            self.cluster.objects[slot] = (!gone).then_some(changed);
        }
        self.replicas[replica].cache.objects[slot] = self.cluster.objects[slot];
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

    fn write_claim(&mut self, m: &Buying, replica: usize, spec: &NumberClaimSpec) -> bool {
        let n = usize::from(index(&spec.number));
        let stamp = self.stamp();
        let same = self.cluster.claims[n].map(|claim| claim.version)
            == self.replicas[replica].cache.claims[n].map(|claim| claim.version);
        if same || m.mutant == Some(Mutant::NoCompareAndSet) {
            let of = spec.identity().unwrap();
            self.cluster.claims[n] = Some(Claim {
                identity: (0..NAMES.len() as u8).find(|identity| named(m, *identity) == of).unwrap(),
                holder: spec.holder.as_ref().map(uid),
                attempt: spec.purchase.as_ref().map_or(0, |purchase| purchase.attempt as u8),
                confirmed: !spec.carrier_number_id.is_empty(),
                version: stamp,
            });
        }
        self.see_claim(replica, n);
        if same {
            self.replicas[replica].wrote |= 1 << n;
        }
        same
    }
}
