//! One pass of a replica: the world as it sees it, the real plan's decision, and what the decision does.

use dialplane::{
    api::{
        NumberClaim, NumberPurchase, PhoneNumber,
        account::{Grants, Purchasing},
        claim::{ClaimedAccount, ClaimedPurchase, Holder, NumberClaimSpec},
        meta::{APPROVE, BUY_ANOTHER, IN_USE_FINALIZER, Key, NUMBER as SAID, ROUTE_FINALIZER, Reference},
        number::{E164, Route, digest_of},
        offer::{NumberType, Offer, Offered, Price, Search},
        phone_number::{Acquisition, Approval, OfferStatus, OnDelete, PhoneNumberStatus, Purchase, Reuse},
        purchase::{Hold, Identity as PurchaseIdentity, Marker, NumberPurchaseSpec},
    },
    carrier::{CarrierError, ErrorClass, Messaging, Order, OwnedNumber},
    plan::{
        AccountRef, Decision, Effect, Grant, Idle, LetGoHold, Liveness, Look, OfferQuery, Offers, Purpose, Record,
        Rival, Seen, Seller, SendOutcome, Supply, Traces, claim,
        grant::{Use, Wishes, settle},
        number,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{
    model::{Buying, Carrier, Fate, Keeps, new},
    mutants::Mutant,
    state::{Claim, Identity, Journal, Line, Number, Object, OwnEntry, Replica, Rights, State, Stock, Uid},
    writes::Work,
};
use crate::plan::scene::{self, now};

/// The names of identities, or of the namespaces that they are in.
pub const NAMES: [&str; 3] = ["clinic", "office", "store"];
const FOREVER: std::time::Duration = std::time::Duration::from_secs(900);

fn e164(number: Number) -> E164 {
    format!("+1415555000{number}").parse().unwrap()
}

pub fn index(number: &E164) -> Number {
    number.as_str().bytes().last().unwrap() - b'0'
}

fn holder(m: &Buying, identity: Identity, uid: Uid) -> Holder {
    Holder { namespace: named(m, identity).namespace, name: "pn".into(), uid: uid.to_string() }
}

pub fn uid(holder: &Holder) -> Uid {
    holder.uid.parse().unwrap()
}

fn account() -> ClaimedAccount {
    ClaimedAccount { namespace: "n".into(), name: "a".into(), identity: "AC1".into() }
}

/// The namespace and the name of an identity.
pub fn named(m: &Buying, identity: Identity) -> PurchaseIdentity {
    let name = NAMES[usize::from(identity)];
    if m.tenants { PurchaseIdentity::new(name, "desk") } else { PurchaseIdentity::new("n", name) }
}

fn marker(m: &Buying, identity: Identity, moved: bool) -> Marker {
    Marker::new(if moved { "moved" } else { "model" }, &named(m, identity))
}

fn search(wish: Option<Number>) -> Search {
    Search {
        country: "US".into(),
        kind: NumberType::Local,
        area_code: None,
        locality: None,
        region: None,
        features: Vec::new(),
        starts_with: None,
        contains: None,
        ends_with: wish.map(|n| n.to_string()),
        best_effort: false,
    }
}

fn object(object: Object, m: &Buying) -> PhoneNumber {
    let purchase = Purchase {
        number: None,
        search: Some(search(object.wish)),
        max_monthly_price: None,
        max_setup_price: None,
        approval: if m.keeps == Keeps::HoldAndAsk { Approval::Manual } else { Approval::Automatic },
        reuse: if m.pool { Reuse::Pool } else { Reuse::Never },
        identity: Some(named(m, object.identity).name),
        regulatory: None,
    };
    let mut number = scene::phone_number(&named(m, object.identity).namespace, "pn");
    number.spec.account_ref = Reference { name: "a".into(), namespace: Some("n".into()) };
    number.spec.purchase = Some(purchase);
    number.metadata.uid = Some(object.uid.to_string());
    number.metadata.deletion_timestamp = object.deleting.then(|| Time(now()));
    number.metadata.finalizers = object.finalizer.then(|| vec![ROUTE_FINALIZER.to_owned()]);
    let annotations = [(APPROVE, object.approve), (SAID, object.said)].into_iter();
    let annotations = annotations.filter_map(|(name, n)| Some((name.to_owned(), e164(n?).to_string())));
    let another = object.another.map(|mask| (BUY_ANOTHER.to_owned(), value(mask)));
    let annotations = annotations.chain(another);
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
    let marker = marked.filter(|_| m.carrier.marks()).map(|identity| marker(m, identity, moved));
    OwnedNumber { messaging: Messaging::Number, marker, ..scene::owned("PN", e164(number), Route::new()) }
}

fn order(m: &Buying, number: Number, identity: Identity, pending: bool, moved: bool) -> Order {
    let marker = Some(marker(m, identity, moved));
    Order { id: "order".into(), number: e164(number), marker, pending, lacks_papers: false }
}

fn unavailable() -> CarrierError {
    CarrierError::new(ErrorClass::Unavailable, "taken")
}

fn view() -> AccountRef {
    scene::account("n", "a", "AC1")
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

    /// The orders that a look at them shows, with the marker of an identity, by whatever installation.
    fn orders(&self, m: &Buying, identity: Identity) -> Vec<Order> {
        let unseen = |line: &Line| line.moved != self.moved && m.mutant == Some(Mutant::OthersOrderNotLookedAt);
        let shown = |(n, line): (usize, &Line)| match line.stock {
            _ if !line.order_shown || unseen(line) => None,
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

    fn lives(&self, uid: Uid) -> bool {
        self.cluster.objects.iter().flatten().any(|object| object.uid == uid)
    }

    fn liveness(&self, of: &Holder) -> Liveness {
        if self.lives(uid(of)) { Liveness::Alive } else { Liveness::Gone }
    }
}

/// What the message that asks about these numbers wants said.
fn value(mask: u8) -> String {
    let asked = in_mask(mask);
    format!("{}-{}", asked.len(), &digest_of(&("AC1", "model", &asked))["sha256:".len()..][..8])
}

fn in_mask(mask: u8) -> Vec<E164> {
    (0..8).filter(|n| mask & (1 << n) != 0).map(e164).collect()
}

/// What the replica knows of the entry that its cache shows, for this object.
fn own(m: &Buying, s: &State, replica: usize, of: Object) -> Option<dialplane::plan::OwnEntry> {
    let shown = s.replicas[replica].cache.journals[usize::from(of.identity)]?;
    let mut own =
        s.replicas[replica].own[usize::from(of.identity)].filter(|own| own.uid == of.uid && own.token == shown.token);
    if own.is_none() && shown.holder == of.uid {
        let believed = OwnEntry::new(of.uid, shown.token);
        own = match m.mutant {
            Some(Mutant::TokenNotCompared) => Some(believed),
            Some(Mutant::IntentClearedAtStart) => Some(OwnEntry { refused: Some(true), may_send: false, ..believed }),
            _ => None,
        };
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
        known_for: FOREVER,
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
    let marked = |n: Number| m.carrier.marks() && s.marked(n).is_some();
    let elsewhere = at.is_some_and(|n| marked(n) && s.lines[usize::from(n)].moved != s.moved);
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
    let mut idle: Option<Vec<Idle>> = None;
    let name = named(m, cached.identity);
    let mut traces = Traces {
        marker: marker(m, cached.identity, s.moved),
        marked: None,
        orders: blind.then(Vec::new),
        claims,
        unclaimed: Vec::new(),
    };
    let mut seller = Seller {
        sells: true,
        marks: m.carrier.marks(),
        holds: m.keeps != Keeps::Nothing,
        lets_go: m.lets_go(),
        unheld: None,
        asked: None,
        limits: Purchasing::default(),
        grant: grant(m, s, replica, cached.identity),
        no_money: None,
        doubtful: false,
        not_before: std::time::Duration::ZERO,
    };
    for _ in 0..12 {
        traces.marked = match m.mutant {
            Some(Mutant::MarkerNotSearched) => Some(Vec::new()),
            _ => s.replicas[replica].listed[identity].map(in_mask),
        };
        let unclaimed = unclaimed(m, s, replica, cached);
        traces.unclaimed = in_mask(unclaimed);
        let number_object = match m.mutant {
            Some(Mutant::TakenUnasked) => object(Object { said: traces.unclaimed.first().map(index), ..cached }, m),
            Some(Mutant::AnotherForEver) if cached.another.is_some() => {
                object(Object { another: Some(unclaimed), ..cached }, m)
            }
            _ => number_object.clone(),
        };
        let gap = s.replicas[replica].gap && m.mutant != Some(Mutant::NoWaitAfterRestore);
        seller.not_before = if gap { FOREVER } else { std::time::Duration::ZERO };
        let buying = dialplane::plan::Buying {
            identity: &name,
            installation: "model",
            token: "0",
            live: itself,
            record: Record {
                journal: shown.as_ref(),
                read,
                claim_read: claim_read || m.mutant == Some(Mutant::TakenClaimNotRead),
                holder: holder_lives,
                holder_leaving: false,
                own: own.as_ref(),
            },
            traces: &traces,
            seller: &seller,
            supply: Supply { offers: &offers, idle: idle.as_deref() },
        };
        let successor = cached.deleting && {
            let objects = s.replicas[replica].cache.objects.iter().flatten();
            objects
                .into_iter()
                .any(|other| other.identity == cached.identity && other.uid != cached.uid && !other.deleting)
        };
        let forgotten = cached.deleting && m.mutant == Some(Mutant::DeletedBeforeSettled);
        let world = number::World {
            target: target.as_ref(),
            claim: held.as_ref(),
            buying: (!forgotten).then_some(buying),
            holder: holder_lives,
            rival: Rival { gone_for: FOREVER, ..Rival::STAYS },
            successor,
            shared_pool: m.pool,
            seen: match (&sight, present, absent) {
                (Some(number), true, _) => Seen::Present { number, fresh },
                (Some(_), false, true) => Seen::Absent { fresh },
                _ => Seen::Unseen,
            },
            marked_by_another: elsewhere && !is_forgotten,
            definition_going: Some(false),
            ..scene::world(&number_object, view())
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
                traces.orders = Some(Vec::new());
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
                let mut shown = s.shown(cached.identity, m.mutant != Some(Mutant::OrderNotLookedAt));
                if !m.carrier.marks() {
                    shown = 0;
                    if m.mutant != Some(Mutant::AskedByAnOldListing) {
                        s.replicas[replica].known |= s.owned();
                    }
                }
                s.replicas[replica].listed[identity] = Some(shown);
            }
            Decision::Look(Look::Orders) => traces.orders = Some(s.orders(m, cached.identity)),
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
                if m.mutant == Some(Mutant::GivenBackUnsettled) {
                    s.replicas[replica].returned |= 1 << cached.identity;
                }
                let status = rest.status?;
                let offer = status.offer.map(|offer| index(&offer.number));
                let asks = scene::reason(&status.conditions, "Acquired") == Some("ConfirmPurchase");
                if asks {
                    let says = |condition: &Condition| condition.message.contains(&value(unclaimed));
                    assert!(status.conditions.iter().any(says), "{:?}", status.conditions);
                }
                let said = (status.number.as_ref().map(index), offer, asks.then_some(unclaimed));
                return s.write_object(replica, slot, |object| (object.status, object.offer, object.asked) = said);
            }
            Decision::Act(effect) => {
                let effect = if m.mutant == Some(Mutant::LetGoUnderWay) { letting_go(effect) } else { effect };
                return Work { m, s, replica, at: slot, of: cached, fate }.act(effect);
            }
        }
    }
    s.broken = Some("a pass looks for ever");
    Some(())
}

/// Whether the account lets an identity buy, as far as a replica knows.
fn grant(m: &Buying, s: &State, replica: usize, of: Identity) -> Grant {
    let (mask, replica) = (1 << of, &s.replicas[replica]);
    let is_open = m.limit.is_none() || s.cluster.rights.open & mask != 0;
    let is_taken = replica.taken & mask != 0 && m.mutant != Some(Mutant::BoughtByWhatIsTaken);
    match replica.wishes & mask != 0 {
        _ if is_open && !is_taken && replica.returned & mask == 0 => Grant::Given,
        true => Grant::Asked(std::time::Duration::ZERO),
        false => Grant::None,
    }
}

/// A pass over the account: it settles who may buy, and the next one writes that.
pub fn over_account(m: &Buying, s: &mut State) {
    let Replica { cache, known, returned, taken, wishes, ledger, .. } = &mut s.replicas[0];
    if let Some(written) = ledger.take() {
        s.cluster.rights = written;
        (*taken, *wishes) = (0, *wishes & !written.open);
        return;
    }
    let identities = 0..cache.journals.len() as Identity;
    let names: Vec<String> = identities.clone().map(|identity| named(m, identity).name).collect();
    let used = |identity: Identity| {
        let mask = 1 << identity;
        let is_wished = cache.objects.iter().flatten().any(|object| object.identity == identity);
        let unused = if is_wished { Use::Open } else { Use::Unused };
        let sent = cache.journals[usize::from(identity)].and_then(|journal| journal.number);
        let sent = sent.filter(|_| m.mutant != Some(Mutant::GivenBackUnsettled) || *returned & mask == 0);
        let Some(number) = sent else {
            if is_wished && *returned & mask != 0 {
                *taken |= mask;
            }
            return if *taken & mask != 0 { Use::Unused } else { unused };
        };
        let is_owned = *known & (1 << number) != 0;
        match cache.claims[usize::from(number)].filter(|_| is_owned) {
            Some(claim) if claim.identity == identity => Use::Bought,
            Some(_) => unused,
            None if !is_wished && is_owned => Use::Bought,
            None => Use::Open,
        }
    };
    let mut used = used;
    let rights = s.cluster.rights;
    let is_open = |identity: &Identity| rights.open & (1 << identity) != 0;
    let of = |identity: Identity| &*names[usize::from(identity)];
    let open = identities.clone().filter(is_open).map(|identity| {
        let PurchaseIdentity { namespace, name } = named(m, identity);
        dialplane::api::account::Grant { uid: name.clone(), namespace, identity: name, day: "1".into() }
    });
    let current = Grants { day: "1".into(), bought: rights.bought.into(), open: open.collect() };
    let wished = identities.clone().filter(|identity| *wishes & (1 << identity) != 0);
    let settled = Wishes {
        wish: wished.map(|identity| (of(identity), named(m, identity))).collect(),
        uses: identities.clone().filter(is_open).map(|identity| (of(identity), used(identity))).collect(),
        owned: known.count_ones(),
        day: "1".into(),
    };
    let limits = Purchasing { max_per_day: m.limit.map(u32::from), ..Purchasing::default() };
    let next = settle(Some(&current), &limits, &settled);
    let is_next = |identity: &Identity| next.open.iter().any(|grant| grant.uid == of(*identity));
    let open = identities.filter(is_next).fold(0, |mask, identity| mask | 1 << identity);
    let next = Rights { open, bought: next.bought as u8 };
    if next == rights {
        *taken = 0;
    } else {
        *ledger = Some(next);
    }
}

/// An effect that lets go of the hold of an attempt which is about to be settled.
fn letting_go(effect: Effect) -> Effect {
    match effect {
        Effect::WriteJournal(entry) if entry.purpose == Purpose::Settle => match entry.journal.spec.hold.clone() {
            Some(hold) => Effect::LetGo(Box::new(LetGoHold { account: Key::new("n", "a"), hold, entry: *entry })),
            None => Effect::WriteJournal(entry),
        },
        other => other,
    }
}

/// The numbers of an account without markers that nothing claims as far as a replica knows.
fn unclaimed(m: &Buying, s: &State, replica: usize, of: Object) -> u8 {
    let Replica { cache, known, .. } = &s.replicas[replica];
    let told = cache.journals[usize::from(of.identity)].is_some() && m.mutant == Some(Mutant::JournalTellsAll);
    if m.carrier.marks() || told || m.mutant == Some(Mutant::NobodyIsAsked) {
        return 0;
    }
    let is_unclaimed = |n: &usize| known & (1 << n) != 0 && cache.claims[*n].is_none();
    (0..s.lines.len()).filter(is_unclaimed).fold(0, |mask, n| mask | 1 << n)
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
    Offers { asked, crowded: None, found: numbers.map(|n| offer(n as Number)).collect() }
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
    let elsewhere = m.carrier.marks() && matches!(line.stock, Stock::Ours(_)) && line.moved != s.moved;
    let mut present = s.replicas[replica].known & (1 << number) != 0;
    let mut fresh = false;
    let orphan = s.replicas[replica].orphans & (1 << number) != 0;
    let blind = m.carrier != Carrier::Orders || m.mutant == Some(Mutant::OrderNotLookedAt);
    let mut orders: Option<Vec<Order>> = blind.then(Vec::new);
    let mut holder = Liveness::NotRead;
    let cached_alive = |uid| s.replicas[replica].cache.objects.iter().flatten().any(|object| object.uid == uid);
    if cached.holder.is_some_and(cached_alive) {
        holder = Liveness::Alive;
    }
    let objects = s.replicas[replica].cache.objects.iter().flatten();
    let successor = objects.clone().any(|object| !object.deleting && object.identity == cached.identity);
    for _ in 0..8 {
        let world = claim::World {
            journal: journal.as_ref(),
            holder,
            settled_in: if orphan { std::time::Duration::ZERO } else { FOREVER },
            successor,
            marked_by_another: elsewhere,
            seen: match (present, fresh) {
                (true, _) => Seen::Present { number: &sight, fresh },
                (false, true) => Seen::Absent { fresh },
                (false, false) => Seen::Unseen,
            },
            orders: orders.as_deref(),
            definition_going: Some(false),
            ..scene::claim_world(&shown, view())
        };
        match claim::next(&world) {
            Decision::Look(Look::Holder(of)) => holder = s.liveness(&of),
            Decision::Look(Look::Number { .. }) => {
                fresh = true;
                present = s.shows(number as Number);
            }
            Decision::Look(Look::Orders) => orders = Some(s.orders(m, cached.identity)),
            Decision::Look(other) => panic!("a claim has no use for {other:?}"),
            Decision::Rest(_) => return None,
            Decision::Act(effect) => {
                let of = new(cached.holder.unwrap_or_default(), cached.identity);
                return Work { m, s, replica, at: number, of, fate: Fate::Answered }.act(effect);
            }
        }
    }
    s.broken = Some("a pass over a claim looks for ever");
    Some(())
}
