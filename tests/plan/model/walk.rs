//! Random walks through the model, and the way back to rest.

use stateright::Model as _;

use super::{
    events::{Change, Event, Fate},
    scenario::Scenario,
    state::{Object, State, Stock},
};

/// A small generator of numbers, the same for ever for one seed (splitmix64).
struct Rng(u64);

impl Rng {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn below(&mut self, n: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n) as usize
    }
}

/// The events without which it would not fail any more.
fn shrunk<E: Clone>(mut events: Vec<E>, fails: impl Fn(&[E]) -> bool) -> Vec<E> {
    loop {
        let before = events.len();
        for at in (0..events.len()).rev() {
            let mut fewer = events.clone();
            fewer.remove(at);
            if fails(&fewer) {
                events = fewer;
            }
        }
        if events.len() == before {
            return events;
        }
    }
}

/// Long enough for a purchase to go wrong, be settled and be made again.
const EVENTS: usize = 70;
/// How many rounds of work it may take to come to rest once nothing goes wrong any more, and for how many nothing is written then.
const ROUNDS: usize = 20;
const QUIET: usize = 10;

/// A schedule that breaks a promise, on its way or when nothing goes wrong after it: why, and the events without which it would
/// not.
pub fn broken(model: &Scenario, seed: u64) -> Option<(&'static str, Vec<Event>)> {
    walked(model, seed, rests)
}

/// The same of promises that are broken on the way.
pub fn broken_on_the_way(model: &Scenario, seed: u64) -> Option<(&'static str, Vec<Event>)> {
    walked(model, seed, |_, state| state.broken)
}

/// The promise that this schedule breaks on its way, if it breaks one.
pub fn replayed(model: &Scenario, schedule: &[Event]) -> Option<&'static str> {
    run(model, schedule, |_, state| state.broken)
}

type End = fn(&Scenario, State) -> Option<&'static str>;

fn walked(model: &Scenario, seed: u64, end: End) -> Option<(&'static str, Vec<Event>)> {
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

/// Everything that can happen next in a walk.
fn possible(model: &Scenario, state: &State) -> Vec<Event> {
    let mut events = Vec::new();
    model.actions(state, &mut events);
    model.of_walks(state, &mut events);
    events
}

fn any(model: &Scenario, state: &State, rng: &mut Rng) -> Event {
    let events = possible(model, state);
    let weight = if model.routes() { weight_in_routing } else { weight_in_buying };
    let mut at = rng.below(events.iter().map(weight).sum());
    for event in &events {
        match at.checked_sub(weight(event) as usize) {
            Some(left) => at = left,
            None => return *event,
        }
    }
    events[0]
}

/// Work is likelier than what goes wrong, or nothing would ever be bought.
fn weight_in_buying(event: &Event) -> u64 {
    match event {
        Event::Pass { fate: Fate::Answered, .. } => 8,
        Event::Pass { .. } | Event::SeeJournal { .. } | Event::SeeClaim { .. } | Event::SeeObject { .. } => 2,
        Event::Settle { .. }
        | Event::Orphan { .. }
        | Event::ClaimPass { .. }
        | Event::AccountPass
        | Event::Show { .. }
        | Event::Arrive { .. } => 2,
        _ => 1,
    }
}

/// What goes wrong between two versions needs versions: an agent is published about as often as a pass is run.
fn weight_in_routing(event: &Event) -> u64 {
    match event {
        Event::Change { agent: 0, to: Change::Publish } => 66,
        Event::Tick => 48,
        Event::Pass { fate: Fate::Answered, .. } => 20,
        Event::ClaimPass { fate: Fate::Answered, .. } => 15,
        Event::Change { to: Change::Publish, .. } | Event::SeeAgents { .. } | Event::List { .. } => 18,
        Event::SeeClaim { .. } => 15,
        Event::Create { .. } | Event::Delete { .. } => 16,
        Event::Run { .. } | Event::SeeObject { .. } => 12,
        Event::Crash { .. } | Event::Lead { .. } | Event::Account | Event::Arrive { .. } => 12,
        Event::Pass { fate: Fate::Late, .. } | Event::ClaimPass { fate: Fate::Late, .. } => 8,
        Event::Change { .. } | Event::Foreign { empty: false, .. } => 6,
        Event::Foreign { .. } => 2,
        _ => 4,
    }
}

/// Why this schedule breaks a promise, on its way or when nothing goes wrong after it, if it does.
fn run(model: &Scenario, schedule: &[Event], end: End) -> Option<&'static str> {
    let mut state = model.init_states().remove(0);
    for event in schedule {
        if !possible(model, &state).contains(event) {
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
pub fn rests(model: &Scenario, mut state: State) -> Option<&'static str> {
    let (mut quiet, mut rounds) = (0, 0);
    if model.routes() {
        state.calm();
    }
    while quiet < QUIET {
        let before = state.clone();
        for event in round(model, &state) {
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
    if model.routes() {
        return state.is_routed(model).err();
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
    let shown = objects().filter_map(|object: &Object| object.status).collect::<Vec<_>>();
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
    let object = state.cluster.objects[usize::from(slot)].as_ref();
    object.is_some_and(|object| object.asked.is_some() && state.is_true(object))
}

/// What happens in one round when nothing goes wrong: requests arrive, listings catch up, time passes, one replica works.
fn round(model: &Scenario, state: &State) -> Vec<Event> {
    let replica = state.routing.leader.unwrap_or_default();
    let (slots, numbers) = (0..state.cluster.objects.len() as u8, 0..state.lines.len() as u8);
    let pass = |slot| Event::Pass { replica, slot, fate: Fate::Answered };
    let claim_pass = |number| Event::ClaimPass { replica, number, fate: Fate::Answered };
    let mut events: Vec<Event> = Vec::new();
    if model.routes() {
        events.extend([Event::Tick, Event::SeeAgents { replica }, Event::List { replica }]);
    } else {
        events.extend(state.wire.iter().map(|_| Event::Arrive { at: 0 }));
        events.extend(numbers.clone().map(|number| Event::Lapse { number }));
        events.extend(slots.clone().map(|slot| Event::Approve { slot }));
        events.extend(slots.clone().map(|slot| Event::Say { slot }));
        events.extend(slots.clone().filter(|slot| is_truly_asked(state, *slot)).map(|slot| Event::Another { slot }));
        events.extend(numbers.clone().flat_map(|number| [Event::Finish { number }, Event::Show { number }]));
        events.extend((0..state.replicas.len() as u8).map(|replica| Event::Begin { replica }));
        for identity in 0..state.cluster.journals.len() as u8 {
            events.extend((0..state.replicas.len() as u8).map(|replica| Event::Settle { replica, identity }));
        }
    }
    events.extend(slots.clone().map(|slot| Event::SeeObject { replica, slot }));
    if !model.routes() {
        events.extend((0..state.cluster.journals.len() as u8).map(|identity| Event::SeeJournal { replica, identity }));
    }
    events.extend(numbers.clone().map(|number| Event::SeeClaim { replica, number }));
    events.extend(slots.map(pass));
    if !model.routes() {
        events.extend([Event::AccountPass; 2]);
        events.extend(numbers.clone().map(|number| Event::Orphan { replica, number }));
    }
    events.extend(numbers.map(claim_pass));
    events
}
