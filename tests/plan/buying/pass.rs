//! One pass of a replica: the world as it sees it, the real plan's decision, and what the decision does.

use dialplane::{
    api::{
        NumberClaim, NumberPurchase, PhoneNumber,
        account::Purchasing,
        claim::{ClaimedAccount, ClaimedPurchase, Holder, NumberClaimSpec},
        meta::{APPROVE, IN_USE_FINALIZER, Key, NUMBER as SAID, ROUTE_FINALIZER, Reference},
        number::{E164, Route},
        offer::{NumberType, Offer, Offered, Price, Search},
        phone_number::{
            Acquisition, Approval, NumberConfig, OfferStatus, OnDelete, PhoneNumberSpec, PhoneNumberStatus, Purchase,
            Reuse,
        },
        purchase::{Hold, Identity as PurchaseIdentity, Marker, NumberPurchaseSpec},
    },
    carrier::{CarrierError, ErrorClass, Messaging, NumberId, Order, OwnedNumber},
    plan::{
        AccountRef, AccountView, Decision, Effect, Entry, Grant, HoldNumber, Idle, InFlight, Liveness, Look,
        OfferQuery, Offers, Purpose, Rival, Seen, SendOutcome, claim, number,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    model::{Buying, Carrier, Fate, Keeps},
    mutants::Mutant,
    state::{Claim, Identity, Journal, Line, Number, Object, OwnEntry, Request, State, Stock, Uid},
};
use crate::plan::scene::now;

/// The names of identities, or of the namespaces that they are in.
const NAMES: [&str; 3] = ["clinic", "office", "store"];
const FOREVER: std::time::Duration = std::time::Duration::from_secs(900);

fn e164(number: Number) -> E164 {
    format!("+1415555000{number}").parse().unwrap()
}

fn index(number: &E164) -> Number {
    number.as_str().bytes().last().unwrap() - b'0'
}

fn holder(m: &Buying, identity: Identity, uid: Uid) -> Holder {
    Holder { namespace: named(m, identity).namespace, name: "pn".into(), uid: uid.to_string() }
}

fn uid(holder: &Holder) -> Uid {
    holder.uid.parse().unwrap()
}

fn account() -> ClaimedAccount {
    ClaimedAccount { namespace: "n".into(), name: "a".into(), identity: "AC1".into() }
}

/// The namespace and the name of an identity.
fn named(m: &Buying, identity: Identity) -> PurchaseIdentity {
    let name = NAMES[usize::from(identity)];
    if m.tenants { PurchaseIdentity::new(name, "desk") } else { PurchaseIdentity::new("n", name) }
}

fn marker(m: &Buying, identity: Identity, moved: bool) -> Marker {
    Marker::new(if moved { "moved" } else { "model" }, &named(m, identity))
}

fn search() -> Search {
    Search {
        country: "US".into(),
        kind: NumberType::Local,
        area_code: None,
        locality: None,
        region: None,
        features: Vec::new(),
        starts_with: None,
        contains: None,
        ends_with: None,
        best_effort: false,
    }
}

fn object(object: Object, m: &Buying) -> PhoneNumber {
    let purchase = Purchase {
        number: None,
        search: Some(search()),
        max_monthly_price: None,
        max_setup_price: None,
        approval: if m.keeps == Keeps::HoldAndAsk { Approval::Manual } else { Approval::Automatic },
        reuse: if m.pool { Reuse::Pool } else { Reuse::Never },
        identity: Some(named(m, object.identity).name),
        regulatory: None,
    };
    let mut number = PhoneNumber::new(
        "pn",
        PhoneNumberSpec {
            config: NumberConfig::default(),
            account_ref: Reference { name: "a".into(), namespace: Some("n".into()) },
            import: None,
            purchase: Some(purchase),
            agent_ref: None,
            mode: Default::default(),
            drift: Default::default(),
            on_delete: Default::default(),
            suspend: false,
        },
    );
    number.metadata.namespace = Some(named(m, object.identity).namespace);
    number.metadata.uid = Some(object.uid.to_string());
    number.metadata.deletion_timestamp = object.deleting.then(|| Time(now()));
    number.metadata.finalizers = object.finalizer.then(|| vec![ROUTE_FINALIZER.to_owned()]);
    let annotations = [(APPROVE, object.approve), (SAID, object.said)].into_iter();
    let annotations = annotations.filter_map(|(name, n)| Some((name.to_owned(), e164(n?).to_string())));
    number.metadata.annotations = Some(annotations.collect());
    let offer =
        |n| OfferStatus { number: e164(n), price: Price::default(), exact: true, approval: None, held_until: None };
    number.status = object.status.or(object.offer).map(|_| PhoneNumberStatus {
        number: object.status.map(e164),
        offer: object.offer.map(offer),
        ..Default::default()
    });
    number
}

fn journal(m: &Buying, identity: Identity, journal: Journal, lines: &[Line]) -> NumberPurchase {
    let hold = |n: Number| {
        let end = if lines[usize::from(n)].late { now() - FOREVER } else { now() + FOREVER };
        Hold { number: e164(n), id: "hold".into(), until: Some(end.to_string()) }
    };
    let PurchaseIdentity { namespace, name } = named(m, identity);
    let mut shown = NumberPurchase::new(
        "journal",
        NumberPurchaseSpec {
            holder: holder(m, identity, journal.holder),
            namespace,
            identity: name,
            installation: "model".into(),
            account: account(),
            number: journal.number.map(e164),
            attempt: journal.attempt.into(),
            token: journal.token.to_string(),
            price: Price::default(),
            offered: None,
            exact: Some(true),
            hold: journal.hold.map(hold),
        },
    );
    shown.metadata.resource_version = Some(journal.token.to_string());
    shown.metadata.finalizers = Some(vec![IN_USE_FINALIZER.into()]);
    shown
}

fn claim(m: &Buying, number: Number, claim: Claim) -> NumberClaim {
    let PurchaseIdentity { namespace, name } = named(m, claim.identity);
    let spec = NumberClaimSpec {
        bound: None,
        number: e164(number),
        holder: claim.holder.map(|uid| holder(m, claim.identity, uid)),
        account: account(),
        carrier_number_id: if claim.confirmed { "PN".into() } else { String::new() },
        acquisition: Acquisition::Purchased,
        purchase: Some(ClaimedPurchase {
            namespace,
            identity: name,
            installation: "model".into(),
            attempt: claim.attempt.into(),
            price: Price::default(),
            offered: None,
        }),
        on_delete: OnDelete::Clear,
        previous: Route::new(),
        sent: Vec::new(),
        led_to: Vec::new(),
    };
    let mut shown = NumberClaim::new(e164(number).digits(), spec);
    shown.metadata.resource_version = Some(claim.version.to_string());
    shown
}

fn owned(m: &Buying, number: Number, marked: Option<Identity>, moved: bool) -> OwnedNumber {
    OwnedNumber {
        config: NumberConfig::default(),
        id: NumberId("PN".into()),
        number: e164(number),
        route: Route::new(),
        features: Vec::new(),
        messaging: Messaging::Number,
        marker: marked.map(|identity| marker(m, identity, moved)),
    }
}

fn order(m: &Buying, number: Number, identity: Identity, pending: bool, moved: bool) -> Order {
    let marker = Some(marker(m, identity, moved));
    Order { id: "order".into(), number: e164(number), marker, pending, lacks_papers: false }
}

fn unavailable() -> CarrierError {
    CarrierError::new(ErrorClass::Unavailable, "taken")
}

fn view() -> AccountRef {
    AccountRef::Found(AccountView {
        binds: false,
        key: Key::new("n", "a"),
        open: Some("AC1".into()),
        opening: false,
        abandoned: false,
    })
}

impl State {
    /// The numbers that a look at the account shows with the marker of an identity, and those on order.
    fn shown(&self, identity: Identity, with_orders: bool) -> u8 {
        let is = |line: &Line| match line.stock {
            // Another installation's marker is another one.
            Stock::Ours(_) | Stock::Ordered(_) if line.moved != self.moved => false,
            Stock::Ours(of) => of == identity && (line.shown || with_orders && line.order_shown),
            Stock::Ordered(of) => of == identity && with_orders && line.order_shown,
            Stock::ForSale | Stock::Taken => false,
        };
        self.lines.iter().enumerate().filter(|(_, line)| is(line)).fold(0, |mask, (n, _)| mask | 1 << n)
    }

    /// The orders that a look at them shows, with the marker of an identity.
    fn orders(&self, m: &Buying, identity: Identity) -> Vec<Order> {
        let shown = |(n, line): (usize, &Line)| match line.stock {
            _ if !line.order_shown || line.moved != self.moved => None,
            Stock::Ordered(of) | Stock::Ours(of) if of == identity => {
                Some(order(m, n as Number, of, matches!(line.stock, Stock::Ordered(_)), line.moved))
            }
            _ => None,
        };
        self.lines.iter().enumerate().filter_map(shown).collect()
    }

    /// Whether a look at just this number shows it as ours.
    fn shows(&self, number: Number) -> bool {
        let line = &self.lines[usize::from(number)];
        line.shown && matches!(line.stock, Stock::Ours(_))
    }

    fn marked(&self, number: Number) -> Option<Identity> {
        match self.lines[usize::from(number)].stock {
            Stock::Ours(identity) => Some(identity),
            _ => None,
        }
    }

    fn lives(&self, uid: Uid) -> bool {
        self.cluster.objects.iter().flatten().any(|object| object.uid == uid)
    }

    fn liveness(&self, of: &Holder) -> Liveness {
        if self.lives(uid(of)) { Liveness::Alive } else { Liveness::Gone }
    }
}

fn in_mask(mask: u8) -> Vec<E164> {
    (0..8).filter(|n| mask & (1 << n) != 0).map(e164).collect()
}

/// What the replica knows of the entry that its cache shows, for this object.
fn own(m: &Buying, s: &State, replica: usize, of: Object) -> Option<dialplane::plan::OwnEntry> {
    let shown = s.replicas[replica].cache.journals[usize::from(of.identity)]?;
    let mut own =
        s.replicas[replica].own[usize::from(of.identity)].filter(|own| own.uid == of.uid && own.token == shown.token);
    if m.mutant == Some(Mutant::TokenNotCompared) && own.is_none() && shown.holder == of.uid {
        own = Some(OwnEntry {
            uid: of.uid,
            token: shown.token,
            settle: false,
            hold: false,
            take: false,
            clean: true,
            refused: None,
            ordered: false,
            lives: false,
            may_send: true,
            settled: false,
        });
    }
    if m.mutant == Some(Mutant::IntentClearedAtStart) && own.is_none() && shown.holder == of.uid {
        own = Some(OwnEntry {
            uid: of.uid,
            token: shown.token,
            settle: false,
            hold: false,
            take: false,
            clean: true,
            refused: Some(true),
            ordered: false,
            lives: false,
            may_send: false,
            settled: false,
        });
    }
    let own = own?;
    let ended = shown.hold.is_some_and(|n| s.lines[usize::from(n)].held.is_none());
    let tried = match own.refused {
        None => None,
        Some(false) if ended && m.mutant == Some(Mutant::EndedHoldBoughtNothing) => {
            Some(SendOutcome::DidNothing(unavailable()))
        }
        Some(false) if m.mutant == Some(Mutant::NewCandidateOnTimeout) => Some(SendOutcome::DidNothing(unavailable())),
        // It is sent again, and what comes back then is believed.
        Some(false) if m.mutant == Some(Mutant::RefusalAfterUnknownBelieved) => None,
        Some(true) => Some(SendOutcome::DidNothing(unavailable())),
        Some(false) if own.ordered => Some(SendOutcome::Ordered(order(m, shown.number?, of.identity, true, s.moved))),
        Some(false) => Some(SendOutcome::Unknown),
    };
    Some(dialplane::plan::OwnEntry {
        purpose: match (own.settle, own.hold, own.take) {
            (true, ..) => Purpose::Settle,
            (_, true, _) => Purpose::Hold,
            (.., true) => Purpose::Take,
            _ => Purpose::Send,
        },
        clean: own.clean,
        outcome: tried,
        lives: own.lives,
        may_send: own.may_send || m.mutant == Some(Mutant::SentAtAnyTime),
        settled_in: if own.settled { std::time::Duration::ZERO } else { FOREVER },
        // A number that was lost is not tried at once again.
        age: if own.take { std::time::Duration::ZERO } else { FOREVER },
    })
}

/// A pass over a PhoneNumber. `None` where nothing comes of it.
pub fn over_object(m: &Buying, s: &mut State, replica: usize, slot: usize, fate: Fate) -> Option<()> {
    let mut cached = s.replicas[replica].cache.objects[slot]?;
    if m.mutant == Some(Mutant::IdentityWithoutNamespace) {
        cached.identity = 0;
    }
    let identity = usize::from(cached.identity);
    let number_object = match s.replicas[replica].cache.journals[identity].and_then(|entry| entry.hold) {
        Some(held) if cached.approve.is_some() && m.mutant == Some(Mutant::ApprovalCarriedOver) => {
            object(Object { offer: Some(held), approve: Some(held), ..cached }, m)
        }
        _ => object(cached, m),
    };
    let shown = s.replicas[replica].cache.journals[identity].map(|entry| journal(m, cached.identity, entry, &s.lines));
    let own = own(m, s, replica, cached);
    let target = number::number_of(&number_object, shown.as_ref()).cloned();
    let at = target.as_ref().map(index);
    let held = at.and_then(|n| {
        let mut held = s.replicas[replica].cache.claims[usize::from(n)]?;
        if m.mutant == Some(Mutant::ClaimMovedInFlight) && held.holder.is_some_and(|holder| !s.lives(holder)) {
            held = Claim { holder: None, identity: cached.identity, attempt: 0, ..held };
        }
        if m.mutant == Some(Mutant::TakenFromItsHolder) && held.holder != Some(cached.uid) {
            held.holder = None;
        }
        if m.mutant == Some(Mutant::ClaimSkipped) && held.holder != Some(cached.uid) {
            let attempt = s.replicas[replica].cache.journals[identity].map_or(0, |journal| journal.attempt);
            held = Claim { holder: Some(cached.uid), identity: cached.identity, attempt, ..held };
        }
        Some(claim(m, n, held))
    });
    let claims: Vec<NumberClaim> = {
        let all = s.replicas[replica].cache.claims.iter().enumerate();
        let mut claims: Vec<_> = all.filter_map(|(n, c)| Some((n as Number, (*c)?))).collect();
        claims.retain(|(_, claim)| claim.identity == cached.identity);
        claims.sort_by_key(|(_, claim)| std::cmp::Reverse(claim.attempt));
        claims.into_iter().map(|(n, c)| claim(m, n, c)).collect()
    };
    let kept = |n: Number| s.lines[usize::from(n)].held.filter(|_| m.mutant == Some(Mutant::HoldIsBought));
    let sight = at.map(|n| owned(m, n, s.marked(n).or(kept(n)), s.lines[usize::from(n)].moved));
    let elsewhere = at.is_some_and(|n| s.marked(n).is_some() && s.lines[usize::from(n)].moved != s.moved);
    let is_forgotten = elsewhere && m.mutant == Some(Mutant::OtherInstallationForgotten);
    let held = held.filter(|_| !is_forgotten);
    let kept = at.is_some_and(|n| kept(n).is_some());
    let (mut read, mut claim_read) = (false, false);
    let (mut present, mut absent, mut fresh) = (false, false, false);
    if let Some(n) = at {
        present = s.replicas[replica].known & (1 << n) != 0 || kept;
    }
    let (mut holder_lives, mut itself) = (Liveness::NotRead, Liveness::NotRead);
    let mut offers: Vec<Offers> = Vec::new();
    let blind = m.carrier != Carrier::Orders || m.mutant == Some(Mutant::OrderNotLookedAt);
    let mut orders: Option<Vec<Order>> = blind.then(Vec::new);
    let mut idle: Option<Vec<Idle>> = None;
    let name = named(m, cached.identity);
    let marker = marker(m, cached.identity, s.moved);
    let limits = Purchasing::default();
    for _ in 0..12 {
        let listed = match m.mutant {
            Some(Mutant::MarkerNotSearched) => Some(Vec::new()),
            _ => s.replicas[replica].listed[identity].map(in_mask),
        };
        let gap = s.replicas[replica].gap && m.mutant != Some(Mutant::NoWaitAfterRestore);
        let buying = dialplane::plan::Buying {
            identity: &name,
            installation: "model",
            marker: &marker,
            journal: shown.as_ref(),
            read,
            claim_read: claim_read || m.mutant == Some(Mutant::TakenClaimNotRead),
            holder: holder_lives,
            holder_leaving: false,
            own: own.as_ref(),
            marked: listed.as_deref(),
            orders: orders.as_deref(),
            claims: &claims,
            offers: &offers,
            idle: idle.as_deref(),
            grant: Grant::Given,
            no_money: None,
            token: "0",
            live: itself,
            limits: &limits,
            doubtful: false,
            sells: true,
            marks: true,
            holds: m.keeps != Keeps::Nothing,
            unheld: None,
            not_before: if gap { FOREVER } else { std::time::Duration::ZERO },
        };
        let successor = cached.deleting && {
            let objects = s.replicas[replica].cache.objects.iter().flatten();
            objects
                .into_iter()
                .any(|other| other.identity == cached.identity && other.uid != cached.uid && !other.deleting)
        };
        let forgotten = cached.deleting && m.mutant == Some(Mutant::DeletedBeforeSettled);
        let world = number::World {
            platform: None,
            now: now(),
            number: &number_object,
            account: view(),
            agent: None,
            target: target.as_ref(),
            claim: held.as_ref(),
            buying: (!forgotten).then_some(buying),
            holder: holder_lives,
            rival: Rival { gone_for: FOREVER, ..Rival::STAYS },
            successor,
            successor_opening: false,
            uncounted: false,
            shared_pool: m.pool,
            seen_since_met: true,
            seen: match (&sight, present, absent) {
                (Some(number), true, _) => Seen::Present { number, fresh },
                (Some(_), false, true) => Seen::Absent { fresh },
                _ => Seen::Unseen,
            },
            elsewhere: elsewhere && !is_forgotten,
            trouble: None,
            put_backs: 0,
            in_flight: InFlight::default(),
            definition_going: Some(false),
        };
        match number::next(&world) {
            // A look that fails is no look.
            Decision::Look(Look::Number { .. } | Look::Inventory | Look::Orders) if fate == Fate::Lost => {
                s.budget.lost = s.budget.lost.checked_sub(1)?;
                if m.mutant != Some(Mutant::NotFoundIsGone) {
                    return Some(());
                }
                (fresh, absent) = (true, true);
                s.replicas[replica].listed[identity] = Some(0);
                orders = Some(Vec::new());
            }
            Decision::Look(Look::Number { number, .. }) => {
                let n = index(&number);
                fresh = true;
                present = s.shows(n) || present && s.marked(n).is_some();
                absent = !present;
                if present {
                    s.replicas[replica].known |= 1 << n;
                }
            }
            Decision::Look(Look::Inventory) => {
                let shown = s.shown(cached.identity, m.mutant != Some(Mutant::OrderNotLookedAt));
                s.replicas[replica].listed[identity] = Some(shown);
            }
            Decision::Look(Look::Orders) => orders = Some(s.orders(m, cached.identity)),
            Decision::Look(Look::Idle) => {
                let found = idle_numbers(m, s, replica, cached);
                let shown = found.iter().map(|idle| index(&idle.number));
                s.replicas[replica].known |= shown.fold(0, |mask, n| mask | 1 << n);
                present |= at.is_some_and(|n| s.replicas[replica].known & (1 << n) != 0);
                idle = Some(found);
            }
            Decision::Look(Look::Offers(asked)) => offers.push(for_sale(s, replica, cached.identity, *asked)),
            Decision::Look(Look::Holder(of)) => holder_lives = s.liveness(&of),
            Decision::Look(Look::Journal) => {
                s.see_journal(replica, identity);
                read = true;
                let now = s.replicas[replica].cache.journals[identity];
                if now.map(|entry| journal(m, cached.identity, entry, &s.lines)) != shown {
                    // What the world was made of has changed: the pass begins again.
                    return Some(());
                }
            }
            Decision::Look(Look::Claim(number)) => {
                let n = usize::from(index(&number));
                let before = s.replicas[replica].cache.claims[n];
                s.see_claim(replica, n);
                claim_read = true;
                if s.replicas[replica].cache.claims[n] != before {
                    return Some(());
                }
            }
            Decision::Look(Look::Itself) if m.mutant == Some(Mutant::ObjectNotRead) => itself = Liveness::Alive,
            Decision::Look(Look::Itself) => {
                let live = s.cluster.objects.iter().flatten().find(|object| object.uid == cached.uid);
                itself = if live.is_some_and(|live| !live.deleting) { Liveness::Alive } else { Liveness::Gone };
            }
            Decision::Look(other) => panic!("a number has no use for {other:?}"),
            Decision::Rest(rest) => {
                let status = rest.status?;
                let offer = status.offer.map(|offer| index(&offer.number));
                let said = (status.number.as_ref().map(index), offer);
                return s.write_object(replica, slot, |object| (object.status, object.offer) = said);
            }
            Decision::Act(effect) => return act(m, s, replica, slot, cached, effect, fate),
        }
    }
    s.broken = Some("a pass looks for ever");
    Some(())
}

/// The numbers that are idle as far as a replica knows: by claims that rest, or by a marker and a journal where there is no claim.
fn idle_numbers(m: &Buying, s: &State, replica: usize, of: Object) -> Vec<Idle> {
    let cache = &s.replicas[replica].cache;
    let lives = |uid: Uid| cache.objects.iter().flatten().any(|object| object.uid == uid);
    let anybody = m.mutant == Some(Mutant::TakenFromItsHolder);
    let idle = |n: usize| {
        let marked = s.marked(n as Number).filter(|_| s.lines[n].shown)?;
        let journal = cache.journals[usize::from(marked)];
        match cache.claims[n] {
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
        let Offer { number, country, kind, price, .. } = offer(n as Number);
        Some(Idle {
            number,
            price,
            offered: Some(Offered { country, kind, locality: None, region: None, features: Vec::new() }),
            last: journal.map(|journal| holder(m, marked, journal.holder)).filter(|_| !anybody),
            wanted: cache.objects.iter().flatten().any(is_wanted) && !anybody,
        })
    };
    (0..s.lines.len()).filter_map(idle).collect()
}

fn offer(number: Number) -> Offer {
    Offer {
        number: e164(number),
        country: "US".into(),
        kind: NumberType::Local,
        locality: None,
        region: None,
        features: Vec::new(),
        price: Price::default(),
        can_hold: true,
    }
}

fn for_sale(s: &State, replica: usize, of: Identity, asked: OfferQuery) -> Offers {
    let claims = &s.replicas[replica].cache.claims;
    let free = |n: &usize| {
        claims[*n].is_none_or(|claim| claim.identity == of) && s.lines[*n].held.is_none_or(|held| held == of)
    };
    let numbers = (0..s.lines.len()).filter(|n| s.lines[*n].stock == Stock::ForSale).filter(free);
    Offers { asked, crowded: false, found: numbers.map(|n| offer(n as Number)).collect() }
}

impl State {
    /// A write to an object, by compare-and-set on what the replica's cache shows.
    fn write_object(&mut self, replica: usize, slot: usize, change: impl FnOnce(&mut Object)) -> Option<()> {
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

fn act(m: &Buying, s: &mut State, replica: usize, slot: usize, of: Object, effect: Effect, fate: Fate) -> Option<()> {
    match effect {
        Effect::Hold(hold) => keep(m, s, replica, of, &hold, fate),
        _ if fate == Fate::Taken => None,
        Effect::AddFinalizer(_) => {
            let wins = s.cluster.objects[slot] == Some(of);
            s.write_object(replica, slot, |object| object.finalizer = true)?;
            if let Some(own) = s.replicas[replica].own[usize::from(of.identity)].as_mut().filter(|_| wins) {
                own.lives = own.uid == of.uid;
            }
            Some(())
        }
        Effect::RemoveFinalizer(_) => s.write_object(replica, slot, |object| object.finalizer = false),
        Effect::WriteJournal(entry) => {
            enter(m, s, replica, of, &entry);
            Some(())
        }
        Effect::CreateClaim(spec) => {
            s.write_claim(m, replica, &spec);
            Some(())
        }
        Effect::WriteClaim(claim) | Effect::CloseClaim(claim, _) => {
            s.write_claim(m, replica, &claim.spec);
            Some(())
        }
        Effect::CancelOrder(_, order) => cancel(m, s, replica, of, &order, fate),
        Effect::LoseNumber(..) => {
            s.replicas[replica].own[usize::from(of.identity)].as_mut()?.refused = Some(true);
            Some(())
        }
        Effect::TakeNumber(take) => {
            let n = usize::from(index(&take.claim.spec.number));
            let identity = usize::from(of.identity);
            s.replicas[replica].own[identity].as_mut()?.refused = Some(false);
            s.write_claim(m, replica, &take.claim.spec);
            let replica = &mut s.replicas[replica];
            if replica.cache.claims[n].is_none_or(|claim| claim.holder != Some(of.uid)) {
                replica.own[identity].as_mut()?.refused = Some(true);
            }
            Some(())
        }
        Effect::Mark(mark) => {
            let n = index(&mark.number);
            s.replicas[replica].wrote &= !(1 << n);
            if !s.fences(replica, n) {
                return Some(());
            }
            let held = s.cluster.claims[usize::from(n)].is_some_and(|claim| claim.holder == Some(of.uid));
            let line = &mut s.lines[usize::from(n)];
            match line.stock {
                // Its order says for ever whose it was.
                Stock::Ours(identity) if held => {
                    let order_shown = line.order_shown && identity == of.identity;
                    *line = Line { stock: Stock::Ours(of.identity), moved: s.moved, order_shown, ..*line };
                }
                _ => s.broken = Some("promise 3: the marker of another identity is overwritten"),
            }
            Some(())
        }
        Effect::Purchase(buy) => {
            let n = index(&buy.number);
            if m.mutant != Some(Mutant::ClaimSkipped) && !s.fences(replica, n) {
                return Some(());
            }
            send(m, s, replica, of, n, fate)
        }
        other => panic!("{other:?} is not for a number without a route"),
    }
}

/// Has the carrier keep a number, and writes down that it does.
fn keep(m: &Buying, s: &mut State, replica: usize, of: Object, hold: &HoldNumber, fate: Fate) -> Option<()> {
    let line = &mut s.lines[usize::from(index(&hold.number))];
    let is_free = line.stock == Stock::ForSale && line.held.is_none_or(|held| held == of.identity);
    if fate == Fate::Taken {
        (is_free && line.held.is_none()).then(|| line.stock = Stock::Taken)?;
        s.budget.taken = s.budget.taken.checked_sub(1)?;
        return Some(());
    }
    if is_free {
        (line.held, line.late) = (Some(of.identity), false);
    }
    if fate == Fate::Lost {
        s.budget.lost = s.budget.lost.checked_sub(1)?;
        return Some(());
    }
    is_free.then_some(())?;
    let mut entry = hold.entry.clone();
    entry.journal.spec.hold = Some(Hold { number: hold.number.clone(), id: "hold".into(), until: None });
    enter(m, s, replica, of, &entry);
    Some(())
}

/// Asks the carrier not to go on with an order.
fn cancel(m: &Buying, s: &mut State, replica: usize, of: Object, order: &Order, fate: Fate) -> Option<()> {
    if !of.deleting {
        s.broken = Some("the order of an object that lives is cancelled");
    }
    let line = &mut s.lines[usize::from(index(&order.number))];
    if fate == Fate::Lost {
        s.budget.lost = s.budget.lost.checked_sub(1)?;
    } else if line.stock == Stock::Ordered(of.identity) {
        *line = Line::default();
    }
    let own = s.replicas[replica].own[usize::from(of.identity)].as_mut()?;
    own.refused = Some(m.mutant == Some(Mutant::CancelledIsNotBought));
    own.ordered = false;
    Some(())
}

/// Writes an entry of the journal.
fn enter(m: &Buying, s: &mut State, replica: usize, of: Object, entry: &Entry) {
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
    let own = OwnEntry {
        uid: of.uid,
        token,
        settle,
        hold: entry.purpose == Purpose::Hold,
        take,
        clean: entry.clean,
        refused: None,
        ordered: false,
        lives: false,
        may_send: true,
        settled: false,
    };
    if m.mutant == Some(Mutant::NoIntent) || take && m.mutant == Some(Mutant::TakenWithoutJournal) {
        s.replicas[replica].cache.journals[identity] = Some(written);
        s.replicas[replica].own[identity] = Some(own);
        return;
    }
    if same || m.mutant == Some(Mutant::NoCompareAndSet) {
        s.cluster.journals[identity] = Some(written);
        s.replicas[replica].own[identity] = Some(own);
        // What is only kept was not bought: a listing that came before shows as much.
        if entry.purpose != Purpose::Hold {
            s.replicas[replica].listed[identity] = None;
        }
    }
    s.see_journal(replica, identity);
}

/// Sends a purchase, if the last entry still lets it.
fn send(m: &Buying, s: &mut State, replica: usize, of: Object, number: Number, fate: Fate) -> Option<()> {
    let identity = usize::from(of.identity);
    let token = s.replicas[replica].cache.journals[identity]?.token;
    let anyhow = matches!(m.mutant, Some(Mutant::TokenNotCompared));
    let own = &mut s.replicas[replica].own[identity];
    match own.as_mut().filter(|own| own.token == token) {
        Some(own) => own.refused = Some(false),
        None if anyhow => {}
        None => return None,
    }
    if m.keeps == Keeps::HoldAndAsk && s.approved[identity] & (1 << number) == 0 {
        s.broken = Some("a number is bought that nobody approved");
    }
    let lost = fate == Fate::Lost;
    if lost {
        s.budget.lost = s.budget.lost.checked_sub(1)?;
        if m.mutant != Some(Mutant::RetriedByHttp) {
            s.wire.push(Request { moved: s.moved, uid: of.uid, identity: of.identity, number, token });
            return Some(());
        }
        // It arrives, its answer is lost, and it is sent once more.
        m.sell(s, of.identity, number, s.moved);
    }
    let did = m.sell(s, of.identity, number, s.moved);
    if did && s.marked(number).is_some() {
        s.replicas[replica].known |= 1 << number;
    }
    let ordered = matches!(s.lines[usize::from(number)].stock, Stock::Ordered(_));
    if did
        && ordered
        && let Some(own) = s.replicas[replica].own[identity].as_mut()
    {
        own.ordered = !lost;
    }
    if !did && let Some(own) = s.replicas[replica].own[identity].as_mut() {
        own.refused = Some(true);
    }
    Some(())
}

/// A pass over a claim.
pub fn over_claim(m: &Buying, s: &mut State, replica: usize, number: usize) -> Option<()> {
    let cached = s.replicas[replica].cache.claims[number]?;
    let shown = claim(m, number as Number, cached);
    let mut entry = s.replicas[replica].cache.journals[usize::from(cached.identity)];
    if m.mutant == Some(Mutant::ClaimLetGoByAnybody) {
        let unseen =
            Journal { holder: cached.holder.unwrap_or_default(), number: None, hold: None, attempt: 0, token: 0 };
        entry = Some(Journal { attempt: u8::MAX, ..entry.unwrap_or(unseen) });
    }
    let journal = entry.map(|entry| journal(m, cached.identity, entry, &s.lines));
    let line = s.lines[number];
    let sight = owned(m, number as Number, s.marked(number as Number), line.moved);
    let elsewhere = matches!(line.stock, Stock::Ours(_)) && line.moved != s.moved;
    let mut present = s.replicas[replica].known & (1 << number) != 0;
    let mut fresh = false;
    let orphan = s.replicas[replica].orphans & (1 << number) != 0;
    let mut holder = Liveness::NotRead;
    let cached_alive = |uid| s.replicas[replica].cache.objects.iter().flatten().any(|object| object.uid == uid);
    if cached.holder.is_some_and(cached_alive) {
        holder = Liveness::Alive;
    }
    let objects = s.replicas[replica].cache.objects.iter().flatten();
    let successor = objects.clone().any(|object| !object.deleting && object.identity == cached.identity);
    for _ in 0..8 {
        let world = claim::World {
            platform: None,
            claim: &shown,
            journal: journal.as_ref(),
            holder,
            allowed: true,
            settled_in: if orphan { std::time::Duration::ZERO } else { FOREVER },
            successor,
            elsewhere,
            account: view(),
            seen: match (present, fresh) {
                (true, _) => Seen::Present { number: &sight, fresh },
                (false, true) => Seen::Absent { fresh },
                (false, false) => Seen::Unseen,
            },
            trouble: None,
            in_flight: InFlight::default(),
            definition_going: Some(false),
        };
        match claim::next(&world) {
            Decision::Look(Look::Holder(of)) => holder = s.liveness(&of),
            Decision::Look(Look::Number { .. }) => {
                fresh = true;
                present = s.shows(number as Number);
            }
            Decision::Look(other) => panic!("a claim has no use for {other:?}"),
            Decision::Rest(_) => return None,
            Decision::Act(Effect::DropClaim(_)) => {
                if s.cluster.claims[number] == Some(cached) {
                    s.cluster.claims[number] = None;
                }
                s.see_claim(replica, number);
                return Some(());
            }
            Decision::Act(Effect::CloseClaim(claim, _)) => {
                s.write_claim(m, replica, &claim.spec);
                return Some(());
            }
            Decision::Act(other) => panic!("{other:?} is not for a claim without a route"),
        }
    }
    s.broken = Some("a pass over a claim looks for ever");
    Some(())
}
