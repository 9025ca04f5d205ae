//! Random walks through the model, and the way back to rest.

use stateright::Model as _;

use super::{
    model::{Buying, Event, Fate},
    state::{State, Stock},
};
use crate::plan::model::events::{Rng, shrunk};

/// Long enough for a purchase to go wrong, be settled and be made again.
const EVENTS: usize = 70;
/// How many rounds of work it may take to come to rest once nothing goes wrong any more, and for how many nothing is written then.
const ROUNDS: usize = 20;
const QUIET: usize = 10;

/// A schedule that breaks a promise, on its way or when nothing goes wrong after it: why, and the events without which it would
/// not.
pub fn broken(model: &Buying, seed: u64) -> Option<(&'static str, Vec<Event>)> {
    walked(model, seed, rests)
}

/// The same of promises that are broken on the way.
pub fn broken_on_the_way(model: &Buying, seed: u64) -> Option<(&'static str, Vec<Event>)> {
    walked(model, seed, |_, state| state.broken)
}

/// The promise that this schedule breaks on its way, if it breaks one.
pub fn replayed(model: &Buying, schedule: &[Event]) -> Option<&'static str> {
    run(model, schedule, |_, state| state.broken)
}

type End = fn(&Buying, State) -> Option<&'static str>;

fn walked(model: &Buying, seed: u64, end: End) -> Option<(&'static str, Vec<Event>)> {
    let mut rng = Rng::new(seed);
    let mut state = model.init_states().remove(0);
    let mut schedule = Vec::new();
    for _ in 0..EVENTS {
        let event = any(model, &state, &mut rng);
        if let Some(next) = model.next_state(&state, event).filter(|next| model.within_boundary(next)) {
            state = next;
            schedule.push(event);
        }
        if state.broken.is_some() {
            break;
        }
    }
    state.broken.or_else(|| end(model, state))?;
    let why = run(model, &schedule, end).unwrap_or("it breaks no promise when it is run again");
    Some((why, shrunk(schedule, |fewer| run(model, fewer, end) == Some(why))))
}

/// Work is likelier than what goes wrong, or nothing would ever be bought.
fn any(model: &Buying, state: &State, rng: &mut Rng) -> Event {
    let mut events = Vec::new();
    model.actions(state, &mut events);
    let weight = |event: &Event| match event {
        Event::Pass { fate: Fate::Answered, .. } => 8,
        Event::Pass { .. } | Event::SeeJournal { .. } | Event::SeeClaim { .. } | Event::SeeObject { .. } => 2,
        Event::Settle { .. }
        | Event::Orphan { .. }
        | Event::ClaimPass { .. }
        | Event::AccountPass
        | Event::Show { .. }
        | Event::Arrive { .. } => 2,
        _ => 1,
    };
    let mut at = rng.below(events.iter().map(weight).sum());
    for event in &events {
        match at.checked_sub(weight(event) as usize) {
            Some(left) => at = left,
            None => return *event,
        }
    }
    events[0]
}

/// Why this schedule breaks a promise, on its way or when nothing goes wrong after it, if it does.
fn run(model: &Buying, schedule: &[Event], end: End) -> Option<&'static str> {
    let mut state = model.init_states().remove(0);
    for event in schedule {
        let mut events = Vec::new();
        model.actions(&state, &mut events);
        if !events.contains(event) {
            continue;
        }
        if let Some(next) = model.next_state(&state, *event) {
            state = next;
        }
        if state.broken.is_some() {
            return state.broken;
        }
    }
    end(model, state)
}

/// Once nothing goes wrong any more, one replica works, and everything comes to rest as it should be.
pub fn rests(model: &Buying, mut state: State) -> Option<&'static str> {
    let (mut quiet, mut rounds) = (0, 0);
    while quiet < QUIET {
        let before = state.clone();
        for event in round(&state) {
            if let Some(next) = model.next_state(&state, event) {
                state = next;
            }
            if state.broken.is_some() {
                return state.broken;
            }
        }
        quiet = if before.cluster == state.cluster && before.lines == state.lines { quiet + 1 } else { 0 };
        rounds += 1;
        if rounds > ROUNDS + QUIET {
            return Some("promise 7: it does not come to rest");
        }
    }
    let objects: Vec<_> = state.cluster.objects.iter().flatten().collect();
    if objects.iter().any(|object| object.deleting) {
        return Some("promise 8: a deletion does not end");
    }
    let bought = state.lines.iter().filter(|line| matches!(line.stock, Stock::Ours(_))).count();
    let is_spent = model.limit.is_some_and(|limit| bought >= usize::from(limit));
    let unserved = (0..model.identities() as u8).find_map(|identity| is_served(&state, identity));
    unserved.filter(|_| !is_spent)
}

/// Whether just one object of an identity has the number that was bought for it, or there was none to buy.
fn is_served(state: &State, identity: u8) -> Option<&'static str> {
    let objects = || state.cluster.objects.iter().flatten().filter(|object| object.identity == identity);
    let is_ours = |number: &u8| state.lines[usize::from(*number)].stock == Stock::Ours(identity);
    let ours = (0..state.lines.len() as u8).find(is_ours);
    let is_wanted = |number: usize| objects().any(|object| object.wish.is_none_or(|wish| usize::from(wish) == number));
    let mut lines = state.lines.iter().enumerate();
    let for_sale = lines.any(|(number, line)| line.stock == Stock::ForSale && is_wanted(number));
    let shown = objects().filter_map(|object| object.status).collect::<Vec<_>>();
    match (ours, objects().count()) {
        (_, 0) => None,
        (Some(_), _) if matches!(&*shown, [number] if is_ours(number)) => None,
        (Some(_), _) => Some("promise 7: the number that was bought is not the one of just one object"),
        (None, _) if for_sale => Some("promise 7: a number is wanted and for sale, and not bought"),
        (None, _) => None,
    }
}

/// Whether it is asked about numbers of which none was bought for it.
fn is_truly_asked(state: &State, slot: u8) -> bool {
    state.cluster.objects[usize::from(slot)].is_some_and(|object| object.asked.is_some() && state.is_true(object))
}

/// What happens in one round when nothing goes wrong: requests arrive, listings catch up, time passes, the first replica works.
fn round(state: &State) -> Vec<Event> {
    let (slots, numbers) = (0..state.cluster.objects.len() as u8, 0..state.lines.len() as u8);
    let mut events: Vec<Event> = state.wire.iter().map(|_| Event::Arrive { at: 0 }).collect();
    events.extend(numbers.clone().map(|number| Event::Lapse { number }));
    events.extend(slots.clone().map(|slot| Event::Approve { slot }));
    events.extend(slots.clone().map(|slot| Event::Say { slot }));
    events.extend(slots.clone().filter(|slot| is_truly_asked(state, *slot)).map(|slot| Event::Another { slot }));
    events.extend(numbers.clone().flat_map(|number| [Event::Finish { number }, Event::Show { number }]));
    events.extend((0..state.replicas.len() as u8).map(|replica| Event::Begin { replica }));
    for identity in 0..state.cluster.journals.len() as u8 {
        events.extend((0..state.replicas.len() as u8).map(|replica| Event::Settle { replica, identity }));
    }
    events.extend(slots.clone().map(|slot| Event::SeeObject { replica: 0, slot }));
    events.extend((0..state.cluster.journals.len() as u8).map(|identity| Event::SeeJournal { replica: 0, identity }));
    events.extend(numbers.clone().map(|number| Event::SeeClaim { replica: 0, number }));
    events.extend(slots.map(|slot| Event::Pass { replica: 0, slot, fate: Fate::Answered }));
    events.extend([Event::AccountPass; 2]);
    events.extend(numbers.clone().map(|number| Event::Orphan { replica: 0, number }));
    events.extend(numbers.map(|number| Event::ClaimPass { replica: 0, number }));
    events
}
