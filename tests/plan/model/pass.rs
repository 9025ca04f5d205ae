//! One pass of a replica: the world as it sees it, the real plan's decision, and what the decision does.

use std::time::Duration;

use dialplane::{
    api::{NumberClaim, account::Purchasing, conditions::Condition, meta::Key, phone_number::PhoneNumberStatus},
    carrier::{ErrorClass, Order},
    plan::{
        Decision, Effect, Idle, LetGoHold, Liveness, Look, Offers, Purpose, Record, Rest, Seller, SendOutcome, Supply,
        Traces, claim, number,
    },
};

use super::{
    account::grant,
    events::Fate,
    kinds::{self, FOREVER, in_mask, index, named, unavailable, value},
    mutants::Mutant,
    scenario::{Carrier, Keeps, Scenario},
    sights::{Sight, for_sale, has_successor, idle_numbers, rival, unclaimed},
    state::{Claim, Identity, Journal, Number, Object, OwnEntry, State, Subject},
    step::new,
    writes::Work,
};
use crate::plan::scene;

/// What the replica knows of the entry that its cache shows, for this object.
fn own(m: &Scenario, s: &State, replica: usize, of: &Object) -> Option<dialplane::plan::OwnEntry> {
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
        Some(false) if own.ordered => {
            Some(SendOutcome::Ordered(kinds::order(m, shown.number?, of.identity, true, s.moved)))
        }
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
        settled_in: if own.settled { Duration::ZERO } else { FOREVER },
        // A number that was lost is not tried at once again.
        age: if own.take { Duration::ZERO } else { FOREVER },
    })
}

/// The claim of a number as a replica has it for an object.
fn claim_for(m: &Scenario, s: &State, replica: usize, of: &Object, number: Number) -> Option<Claim> {
    let mut held = s.replicas[replica].cache.claims[usize::from(number)].clone()?;
    let is_its = held.holder == Some(of.uid);
    match m.mutant {
        Some(Mutant::ClaimMovedInFlight) if held.holder.is_some_and(|holder| !s.lives(holder)) => {
            held = Claim { holder: None, identity: of.identity, attempt: 0, ..held };
        }
        Some(Mutant::TakenFromItsHolder) if !is_its => held.holder = None,
        Some(Mutant::ClaimSkipped) if !is_its => {
            let journal = s.replicas[replica].cache.journals[usize::from(of.identity)];
            let attempt = journal.map_or(0, |journal| journal.attempt);
            held = Claim { holder: Some(of.uid), identity: of.identity, attempt, ..held };
        }
        Some(Mutant::TakenAcrossAccounts) if m.is_elsewhere(of.identity) => {
            let account = m.account_id(of.identity).to_owned();
            held.spec.as_mut()?.account.identity = account;
        }
        _ => {}
    }
    Some(held)
}

/// A pass over a PhoneNumber. `None` where nothing comes of it.
pub fn over_object(m: &Scenario, s: &mut State, replica: usize, slot: usize, fate: Fate) -> Option<()> {
    let mut cached = s.replicas[replica].cache.objects[slot].clone().filter(|_| s.acts(replica))?;
    if m.mutant == Some(Mutant::IdentityWithoutNamespace) {
        cached.identity = 0;
    }
    let (identity, subject) = (usize::from(cached.identity), Subject::Object(cached.uid));
    let entry = s.replicas[replica].cache.journals[identity];
    let number_object = match entry.and_then(|entry| entry.hold) {
        Some(held) if cached.approve.is_some() && m.mutant == Some(Mutant::ApprovalCarriedOver) => {
            kinds::object(&Object { offer: Some(held), approve: Some(held), ..cached.clone() }, m)
        }
        _ => kinds::object(&cached, m),
    };
    let shown = entry.map(|entry| kinds::journal(m, cached.identity, entry, &s.lines));
    let own = own(m, s, replica, &cached);
    let target = number::number_of(&number_object, shown.as_ref()).cloned();
    let at = target.as_ref().map(index);
    let mut sight = Sight::of(m, s, replica, at);
    let is_forgotten = sight.elsewhere && m.mutant == Some(Mutant::OtherInstallationForgotten);
    let held = at.and_then(|n| claim_for(m, s, replica, &cached, n));
    let held = held.filter(|_| !is_forgotten);
    let rival = rival(s, replica, held.as_ref());
    let held = at.zip(held).map(|(n, held)| kinds::claim(m, n, &held));
    let successor = cached.deleting && has_successor(m, s, replica, (cached.uid, cached.identity), held.as_ref());
    let (mut read, mut claim_read) = (false, false);
    let (mut holder_lives, mut itself, mut definition_going) = (Liveness::NotRead, Liveness::NotRead, None);
    let mut offers: Vec<Offers> = Vec::new();
    let mut idle: Option<Vec<Idle>> = None;
    let name = named(m, cached.identity);
    let mut traces = Traces {
        marker: kinds::marker(m, cached.identity, s.moved),
        marked: None,
        orders: is_blind(m).then(Vec::new),
        claims: claims_of(m, s, replica, cached.identity),
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
        not_before: Duration::ZERO,
    };
    for _ in 0..12 {
        traces.marked = match m.mutant {
            Some(Mutant::MarkerNotSearched) => Some(Vec::new()),
            _ => s.replicas[replica].listed[identity].map(in_mask),
        };
        let unclaimed = unclaimed(m, s, replica, &cached);
        traces.unclaimed = in_mask(unclaimed);
        let number_object = match m.mutant {
            Some(Mutant::TakenUnasked) => {
                kinds::object(&Object { said: traces.unclaimed.first().map(index), ..cached.clone() }, m)
            }
            Some(Mutant::AnotherForEver) if cached.another.is_some() => {
                kinds::object(&Object { another: Some(unclaimed), ..cached.clone() }, m)
            }
            _ => number_object.clone(),
        };
        let gap = s.replicas[replica].gap && m.mutant != Some(Mutant::NoWaitAfterRestore);
        seller.not_before = if gap { FOREVER } else { Duration::ZERO };
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
        let is_silent = m.routes() || cached.deleting && m.mutant == Some(Mutant::DeletedBeforeSettled);
        let trouble = s.trouble(replica, subject);
        let world = number::World {
            agent: s.agent(replica, &cached),
            target: target.as_ref(),
            claim: held.as_ref(),
            buying: (!is_silent).then_some(buying),
            holder: holder_lives,
            rival,
            successor,
            shared_pool: m.pool,
            seen: sight.seen(),
            marked_by_another: sight.elsewhere && !is_forgotten,
            trouble: trouble.as_ref(),
            put_backs: s.replicas[replica].routing.put_backs.get(&subject).copied().unwrap_or_default(),
            in_flight: s.in_flight(replica, at),
            definition_going,
            ..scene::world(&number_object, m.account(s, Some(slot), cached.identity))
        };
        match number::next(&world) {
            // A look that fails is no look.
            Decision::Look(Look::Number { .. } | Look::Inventory | Look::Orders) if fate == Fate::Lost => {
                if m.routes() {
                    s.fail(replica, subject, ErrorClass::Transient);
                    continue;
                }
                s.budget.lost = s.budget.lost.checked_sub(1)?;
                if m.mutant != Some(Mutant::NotFoundIsGone) {
                    return Some(());
                }
                (sight.fresh, sight.absent) = (true, true);
                s.replicas[replica].listed[identity] = Some(0);
                traces.orders = Some(Vec::new());
            }
            Decision::Look(Look::Number { number, .. }) => {
                let n = index(&number);
                sight.look(s, n);
                if sight.present {
                    s.see_number(replica, n);
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
                let found = idle_numbers(m, s, replica, &cached);
                let shown = found.iter().map(|idle| index(&idle.number));
                s.replicas[replica].known |= shown.fold(0, |mask, n| mask | 1 << n);
                sight.present |= at.is_some_and(|n| s.replicas[replica].known & (1 << n) != 0);
                idle = Some(found);
            }
            Decision::Look(Look::Offers(asked)) => offers.push(for_sale(s, replica, cached.identity, *asked)),
            Decision::Look(Look::Holder(of)) => holder_lives = s.liveness(&of),
            Decision::Look(Look::Definition) => definition_going = Some(false),
            Decision::Look(Look::Journal) => {
                s.see_journal(replica, identity);
                read = true;
                let now = s.replicas[replica].cache.journals[identity];
                if now.map(|entry| kinds::journal(m, cached.identity, entry, &s.lines)) != shown {
                    // What the world was made of has changed: the pass begins again.
                    return Some(());
                }
            }
            Decision::Look(Look::Claim(number)) => {
                let n = usize::from(index(&number));
                let before = s.replicas[replica].cache.claims[n].clone();
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
            Decision::Rest(rest) => return rested(m, s, (replica, slot), &cached, rest, unclaimed),
            Decision::Act(effect) => {
                let effect = if m.mutant == Some(Mutant::LetGoUnderWay) { letting_go(effect) } else { effect };
                let judged = s.may_act(m, (replica, slot), &effect, &world);
                // Of another account it is never believed what it says that it owns; what it takes from others would be.
                if m.is_elsewhere(cached.identity) && matches!(effect, Effect::CreateClaim(_)) {
                    return None;
                }
                if let Err(why) = judged {
                    s.broken = Some(why);
                    return Some(());
                }
                return Work { m, s, replica, at: slot, subject, of: cached, fate, closes: false }.act(effect);
            }
        }
    }
    s.broken = Some("a pass looks for ever");
    Some(())
}

/// Orders are looked at where there may be some.
fn is_blind(m: &Scenario) -> bool {
    m.carrier != Carrier::Orders || m.mutant == Some(Mutant::OrderNotLookedAt)
}

/// The claims that a replica sees of what was bought for an identity, the latest attempt first.
fn claims_of(m: &Scenario, s: &State, replica: usize, identity: Identity) -> Vec<NumberClaim> {
    let all = s.replicas[replica].cache.claims.iter().enumerate();
    let all = all.filter_map(|(n, claim)| Some((n as Number, claim.as_ref()?)));
    let mut claims: Vec<_> = all.filter(|(_, claim)| claim.identity == identity).collect();
    claims.sort_by_key(|(_, claim)| std::cmp::Reverse(claim.attempt));
    claims.into_iter().map(|(n, claim)| kinds::claim(m, n, claim)).collect()
}

/// Nothing is left to do: what is said of it is written.
fn rested(
    m: &Scenario,
    s: &mut State,
    (replica, slot): (usize, usize),
    of: &Object,
    rest: Rest<PhoneNumberStatus>,
    unclaimed: u8,
) -> Option<()> {
    if m.mutant == Some(Mutant::GivenBackUnsettled) {
        s.replicas[replica].returned |= 1 << of.identity;
    }
    let status = rest.status?;
    if m.routes() {
        let write = |object: &mut Object| {
            if let Some(settings) = object.settings.as_mut().filter(|it| it.status.as_ref() != Some(&status)) {
                settings.status = Some(status);
            }
        };
        return s.write_object(replica, slot, write);
    }
    let offer = status.offer.map(|offer| index(&offer.number));
    let asks = scene::reason(&status.conditions, "Acquired") == Some("ConfirmPurchase");
    if asks {
        let says = |condition: &Condition| condition.message.contains(&value(unclaimed));
        assert!(status.conditions.iter().any(says), "{:?}", status.conditions);
    }
    let said = (status.number.as_ref().map(index), offer, asks.then_some(unclaimed));
    s.write_object(replica, slot, |object| (object.status, object.offer, object.asked) = said)
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

/// A pass over a claim.
pub fn over_claim(m: &Scenario, s: &mut State, replica: usize, number: Number, fate: Fate) -> Option<()> {
    let cached = s.replicas[replica].cache.claims[usize::from(number)].clone().filter(|_| s.acts(replica))?;
    let (shown, subject) = (kinds::claim(m, number, &cached), Subject::Claim(number));
    let mut entry = s.replicas[replica].cache.journals[usize::from(cached.identity)];
    if m.mutant == Some(Mutant::ClaimLetGoByAnybody) {
        let unseen =
            Journal { holder: cached.holder.unwrap_or_default(), number: None, hold: None, attempt: 0, token: 0 };
        entry = Some(Journal { attempt: u8::MAX, ..entry.unwrap_or(unseen) });
    }
    let journal = entry.map(|entry| kinds::journal(m, cached.identity, entry, &s.lines));
    let mut sight = Sight::of(m, s, replica, Some(number));
    let is_orphan = m.routes() || s.replicas[replica].orphans & (1 << number) != 0;
    let mut orders: Option<Vec<Order>> = is_blind(m).then(Vec::new);
    let mut objects = s.replicas[replica].cache.objects.iter().flatten();
    let is_seen = objects.any(|object| cached.holder == Some(object.uid));
    let mut holder = if is_seen { Liveness::Alive } else { Liveness::NotRead };
    let mut definition_going = None;
    let of = new(cached.holder.unwrap_or_default(), cached.identity);
    let successor = has_successor(m, s, replica, (of.uid, of.identity), Some(&shown));
    let allowed = rival(s, replica, Some(&cached)).allowed;
    for _ in 0..8 {
        let trouble = s.trouble(replica, subject);
        let world = claim::World {
            journal: journal.as_ref(),
            holder,
            allowed,
            settled_in: if is_orphan { Duration::ZERO } else { FOREVER },
            successor,
            marked_by_another: sight.elsewhere,
            seen: sight.seen(),
            orders: orders.as_deref(),
            trouble: trouble.as_ref(),
            in_flight: s.in_flight(replica, Some(number)),
            definition_going,
            ..scene::claim_world(&shown, m.account(s, None, 0))
        };
        match claim::next(&world) {
            Decision::Look(Look::Holder(of)) => holder = s.liveness(&of),
            Decision::Look(Look::Number { .. }) => sight.look(s, number),
            Decision::Look(Look::Orders) => orders = Some(s.orders(m, cached.identity)),
            Decision::Look(Look::Definition) => definition_going = Some(false),
            Decision::Look(other) => panic!("a claim has no use for {other:?}"),
            Decision::Rest(_) => return None,
            Decision::Act(effect) => {
                if let Effect::SetRoute(write) = &effect
                    && let Err(why) = s.may_write(replica, None, write, Some(&shown), world.seen)
                {
                    s.broken = Some(why);
                    return Some(());
                }
                let at = usize::from(number);
                return Work { m, s, replica, at, subject, of, fate, closes: false }.act(effect);
            }
        }
    }
    s.broken = Some("a pass over a claim looks for ever");
    Some(())
}
