//! What a replica can look at, and what it sees then.

use dialplane::{
    api::{
        NumberClaim,
        claim::Holder,
        offer::{Offer, Offered},
    },
    carrier::{Order, OwnedNumber},
    plan::{
        Idle, Liveness, OfferQuery, Offers, Rival, Seen,
        takeover::{Taker, may_pass},
    },
};

use super::{
    kinds::{self, FOREVER, owned, uid},
    mutants::Mutant,
    scenario::Scenario,
    state::{Claim, Identity, Line, Number, Object, Replica, State, Stock, Uid},
};

impl State {
    /// The numbers that a look at the account shows with the marker of an identity, and those on order.
    pub fn shown(&self, identity: Identity, with_orders: bool) -> u8 {
        let is = |line: &Line| match line.stock {
            // Another installation's marker is another one.
            Stock::Ours(_) | Stock::Ordered(_) if line.moved != self.moved => false,
            Stock::Ours(of) => of == identity && (line.shown || with_orders && line.order_shown),
            Stock::Ordered(of) => of == identity && with_orders && line.order_shown,
            Stock::ForSale | Stock::Taken => false,
        };
        self.lines.iter().enumerate().filter(|(_, line)| is(line)).fold(0, |mask, (n, _)| mask | 1 << n)
    }

    /// The orders that a look at them shows, with the marker of an identity, by whatever installation.
    pub fn orders(&self, m: &Scenario, identity: Identity) -> Vec<Order> {
        let unseen = |line: &Line| line.moved != self.moved && m.mutant == Some(Mutant::OthersOrderNotLookedAt);
        let shown = |(n, line): (usize, &Line)| match line.stock {
            _ if !line.order_shown || unseen(line) => None,
            Stock::Ordered(of) | Stock::Ours(of) if of == identity => {
                Some(kinds::order(m, n as Number, of, matches!(line.stock, Stock::Ordered(_)), line.moved))
            }
            _ => None,
        };
        self.lines.iter().enumerate().filter_map(shown).collect()
    }

    /// Whether a look at just this number shows it as ours.
    pub fn shows(&self, number: Number) -> bool {
        let line = &self.lines[usize::from(number)];
        line.shown && matches!(line.stock, Stock::Ours(_))
    }

    /// The numbers that a listing of the account shows.
    pub fn owned(&self) -> u8 {
        let shown = (0..self.lines.len() as Number).filter(|n| self.shows(*n));
        shown.fold(0, |mask, n| mask | 1 << n)
    }

    /// For whom a number was bought. Where the carrier keeps markers, it bears one that says so.
    pub fn marked(&self, number: Number) -> Option<Identity> {
        match self.lines[usize::from(number)].stock {
            Stock::Ours(identity) => Some(identity),
            _ => None,
        }
    }

    /// A replica looked at a number that is ours.
    pub fn see_number(&mut self, replica: usize, number: Number) {
        let replica = &mut self.replicas[replica];
        replica.known |= 1 << number;
        if let Some(route) = self.routing.routes.get(usize::from(number)) {
            replica.routing.seen[usize::from(number)].clone_from(route);
        }
    }

    pub fn lives(&self, uid: Uid) -> bool {
        self.cluster.objects.iter().flatten().any(|object| object.uid == uid)
    }

    pub fn liveness(&self, of: &Holder) -> Liveness {
        if self.lives(uid(of)) { Liveness::Alive } else { Liveness::Gone }
    }
}

/// What is known of a number, or of the number that a claim is of.
pub struct Sight {
    number: Option<OwnedNumber>,
    /// Whether it bears the marker of another installation.
    pub elsewhere: bool,
    pub present: bool,
    pub absent: bool,
    pub fresh: bool,
}

impl Sight {
    pub fn of(m: &Scenario, s: &State, replica: usize, number: Option<Number>) -> Self {
        let kept = |n: Number| s.lines[usize::from(n)].held.filter(|_| m.mutant == Some(Mutant::HoldIsBought));
        let is_moved = |n: Number| s.marked(n).is_some() && s.lines[usize::from(n)].moved != s.moved;
        Self {
            number: number.map(|n| owned(m, s, replica, n, s.marked(n).or(kept(n)))),
            elsewhere: m.carrier.marks() && number.is_some_and(is_moved),
            present: number.is_some_and(|n| s.replicas[replica].known & (1 << n) != 0 || kept(n).is_some()),
            absent: false,
            fresh: false,
        }
    }

    pub fn seen(&self) -> Seen<'_> {
        match (&self.number, self.present, self.absent) {
            (Some(number), true, _) => Seen::Present { number, fresh: self.fresh },
            (Some(_), false, true) => Seen::Absent { fresh: self.fresh },
            _ => Seen::Unseen,
        }
    }

    /// A look at just this number.
    pub fn look(&mut self, s: &State, n: Number) {
        self.fresh = true;
        self.present = s.shows(n) || self.present && s.marked(n).is_some();
        self.absent = !self.present;
        if let (Some(number), Some(route)) = (&mut self.number, s.routing.routes.get(usize::from(n))) {
            number.route.clone_from(route);
        }
    }
}

/// What a replica knows of the other object that holds a claim.
pub fn rival(s: &State, replica: usize, claim: Option<&Claim>) -> Rival {
    let cached = s.replicas[replica].cache.objects.iter().enumerate();
    let mut known = cached.filter_map(|(slot, object)| Some((slot, object.as_ref()?)));
    let holder = claim.and_then(|claim| claim.holder);
    let holder = known.find(|(_, object)| Some(object.uid) == holder);
    Rival {
        leaving: holder.is_some_and(|(_, object)| object.deleting),
        allowed: holder.is_none_or(|(slot, _)| s.routing.refused & (1 << slot) == 0),
        gone_for: FOREVER,
        ..Rival::STAYS
    }
}

/// Whether a replica sees another object that wants the number of a claim, and to which that may pass.
pub fn has_successor(
    m: &Scenario,
    s: &State,
    replica: usize,
    of: (Uid, Identity),
    claim: Option<&NumberClaim>,
) -> bool {
    let may_take = |slot: usize, other: &Object| {
        let Some(settings) = &other.settings else { return other.identity == of.1 };
        let Some(claim) = claim else { return false };
        let namespace = kinds::namespace(m, other.identity);
        let taker = Taker { namespace, account: m.account_id(other.identity), shared_pool: false };
        settings.number() == Some(&claim.spec.number)
            && settings.is_managed()
            && s.routing.refused & (1 << slot) == 0
            && may_pass(&claim.spec, taker).is_ok()
    };
    let mut objects = s.replicas[replica].cache.objects.iter().enumerate();
    objects.any(|(slot, other)| {
        other.as_ref().is_some_and(|other| other.uid != of.0 && !other.deleting && may_take(slot, other))
    })
}

/// The numbers of an account without markers that nothing claims as far as a replica knows.
pub fn unclaimed(m: &Scenario, s: &State, replica: usize, of: &Object) -> u8 {
    let Replica { cache, known, .. } = &s.replicas[replica];
    let told = cache.journals[usize::from(of.identity)].is_some() && m.mutant == Some(Mutant::JournalTellsAll);
    if m.carrier.marks() || told || m.mutant == Some(Mutant::NobodyIsAsked) {
        return 0;
    }
    let is_unclaimed = |n: &usize| known & (1 << n) != 0 && cache.claims[*n].is_none();
    (0..s.lines.len()).filter(is_unclaimed).fold(0, |mask, n| mask | 1 << n)
}

/// The numbers that are idle as far as a replica knows: by claims that rest, or by a marker and a journal where there is no claim.
pub fn idle_numbers(m: &Scenario, s: &State, replica: usize, of: &Object) -> Vec<Idle> {
    let cache = &s.replicas[replica].cache;
    let lives = |uid: Uid| cache.objects.iter().flatten().any(|object| object.uid == uid);
    let anybody = m.mutant == Some(Mutant::TakenFromItsHolder);
    let idle = |n: usize| {
        let marked = s.marked(n as Number).filter(|_| s.lines[n].shown)?;
        let journal = cache.journals[usize::from(marked)];
        match &cache.claims[n] {
            Some(claim) if anybody && claim.holder != Some(of.uid) => {}
            Some(claim) if claim.holder.is_some() || claim.identity != marked => return None,
            Some(_) if journal.is_some_and(|journal| journal.number != Some(n as Number)) => return None,
            None if journal.is_none_or(|journal| journal.number != Some(n as Number)) => return None,
            _ => {}
        }
        let used = cache.objects.iter().flatten().any(|object| object.identity == marked)
            || journal.is_some_and(|journal| lives(journal.holder));
        if used && !anybody {
            return None;
        }
        let is_wanted = |object: &Object| {
            let journal = cache.journals[usize::from(object.identity)];
            object.uid != of.uid && journal.is_some_and(|journal| journal.number == Some(n as Number))
        };
        let Offer { number, country, kind, price, .. } = kinds::offer(n as Number);
        Some(Idle {
            number,
            price,
            offered: Some(Offered { country, kind, locality: None, region: None, features: Vec::new() }),
            last: journal.map(|journal| kinds::holder(m, marked, journal.holder)).filter(|_| !anybody),
            wanted: cache.objects.iter().flatten().any(is_wanted) && !anybody,
        })
    };
    (0..s.lines.len()).filter_map(idle).collect()
}

pub fn for_sale(s: &State, replica: usize, of: Identity, asked: OfferQuery) -> Offers {
    let claims = &s.replicas[replica].cache.claims;
    let free = |n: &usize| {
        claims[*n].as_ref().is_none_or(|claim| claim.identity == of) && s.lines[*n].held.is_none_or(|held| held == of)
    };
    let numbers = (0..s.lines.len()).filter(|n| s.lines[*n].stock == Stock::ForSale).filter(free);
    Offers { asked, crowded: None, found: numbers.map(|n| kinds::offer(n as Number)).collect() }
}
