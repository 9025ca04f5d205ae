//! One simulated system, in which the real plan decides: a cluster, a carrier, people and a replica or two of the operator.
//!
//! **What is simulated.** In the cluster PhoneNumbers, NumberClaims, NumberPurchases and the rights that an account gives, with
//! compare-and-set; people who apply, edit, delete, strip, approve, restore and move; agents that publish. At the carrier numbers that
//! are for sale, held, ordered, bought or taken by rivals, where each leads, and what it shows of that, late. In each replica caches
//! that lag, what it remembers of its own entries, requests and failures, and its end at any moment. What a replica writes, and in
//! which order, is the operator's own code ([`dialplane::controller::act`]), over [`writes`].
//!
//! **What is left out.** HTTP, the queue and all durations: that a time has passed is an event of its own, and only what is said to be
//! impossible by then is. An object that imports its number is routed and buys nothing, and one that buys is not routed: which of the
//! two a [`Scenario`] is about decides which events there are. Platforms that answer numbers of other carriers, shared routes and the
//! freezing of versions have tests of their own.
//!
//! **What must hold** is in [`promises`]: in each state that nothing is bought twice, lost, overwritten or given to another; of each
//! write that whoever sends it holds the claim, has looked, is allowed to and has written it down before; and, once nothing goes wrong
//! any more, that everything comes to rest as it is wanted.
//!
//! **Three ways through it**: every state that a fault or two and `DIALPLANE_ATTEMPTS` attempts to buy can lead to, to completion;
//! `DIALPLANE_SCHEDULES` random walks, on which more goes wrong, and which are cut down to what is needed to fail; and the way back to
//! rest, from the end of each walk and from one of `DIALPLANE_REST` states. That it can find anything at all is shown by breaking the
//! protocol, one rule at a time ([`mutants`]).

mod account;
mod events;
mod kinds;
mod mutants;
mod pass;
mod promises;
mod routing;
mod scenario;
mod sights;
mod state;
mod step;
mod walk;
mod writes;

use std::{
    env,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::LazyLock,
    time::Instant,
};

use stateright::{Checker, Model, Property};

use events::{Event, Fate};
use mutants::Mutant;
use routing::is_ours;
use scenario::{CALM, Scenario};
use state::{Budget, State, Stock};

use crate::support::HEAVY;

/// How many attempts to buy there are where every state is looked at.
fn attempts() -> u8 {
    env::var("DIALPLANE_ATTEMPTS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// How many random walks a test makes, in all.
fn schedules(usual: u64) -> u64 {
    env::var("DIALPLANE_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

impl Model for Scenario {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        vec![self.begin()]
    }

    fn actions(&self, s: &State, events: &mut Vec<Event>) {
        match s.broken {
            Some(_) => {}
            None if self.routes() => self.of_routing(s, events),
            None => self.of_buying(s, events),
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
            Property::sometimes("a number is bought, or routed", |model: &Self, s: &State| match model.imports {
                Some(_) => s.routing.routes.iter().flat_map(|route| route.values()).any(is_ours),
                None => s.lines.iter().any(|line| matches!(line.stock, Stock::Ours(_))),
            }),
        ]
    }
}

/// Whether it is looked from this state whether everything comes to rest, which takes as long as some hundred others: from one of
/// so many, by `DIALPLANE_REST`.
fn is_sampled(s: &State) -> bool {
    static EVERY: LazyLock<u64> =
        LazyLock::new(|| env::var("DIALPLANE_REST").ok().and_then(|every| every.parse().ok()).unwrap_or(200));
    BuildHasherDefault::<DefaultHasher>::default().hash_one(s).is_multiple_of((*EVERY).max(1))
}

fn trace(events: &[Event]) -> String {
    events.iter().map(|event| format!("  {event:?}\n")).collect()
}

#[test]
fn nothing_that_a_fault_or_two_can_lead_to_buys_twice_or_loses_a_number() {
    let _alone = HEAVY.blocking_lock();
    let (begun, mut unique) = (Instant::now(), 0);
    for (name, model) in scenario::small() {
        let carrier = model.carrier;
        let checker = model.checker().threads(2).spawn_bfs().join();
        let states = checker.unique_state_count();
        println!("{states} states, {} events deep: {name}, {carrier:?}", checker.max_depth());
        unique += states;
        for property in ["no promise is broken", "everything comes to rest"] {
            let Some(path) = checker.discovery(property) else { continue };
            let why = walk::rests(checker.model(), path.last_state().clone()).unwrap_or(property);
            panic!("{name}, {carrier:?}: {why}\n{}", trace(&path.into_actions()));
        }
        checker.assert_any_discovery("a number is bought, or routed");
    }
    println!("{unique} states, all there are, in {:.1?}", begun.elapsed());
}

fn explore(scenarios: &[(&str, Scenario)], schedules: u64) {
    let _alone = HEAVY.blocking_lock();
    for seed in 0..schedules {
        let (name, model) = &scenarios[seed as usize % scenarios.len()];
        if let Some((why, events)) = walk::broken(model, seed) {
            panic!("{name}, {:?}, schedule {seed}: {why}\n{}", model.carrier, trace(&events));
        }
    }
}

#[test]
fn no_random_schedule_buys_twice_or_loses_a_number_and_each_comes_to_rest() {
    explore(&scenario::buying(), schedules(6_000));
}

#[test]
fn one_replica_at_a_time_keeps_every_promise_through_crashes_and_requests_that_come_late() {
    explore(&scenario::routing(true), schedules(4_000));
}

#[test]
fn two_replicas_at_once_keep_each_promise_that_does_not_need_a_leader() {
    explore(&scenario::routing(false), schedules(4_000));
}

#[test]
fn nothing_is_bought_by_a_right_that_is_just_taken_back() {
    let limited = Scenario { objects: &[0, 1], numbers: 3, replicas: 1, limit: Some(1), ..CALM };
    let budget = Budget { turns: 2, taken: 1, attempts: 1, ..Budget::NOTHING };
    let pass = |slot| vec![Event::Pass { replica: 0, slot, fate: Fate::Answered }; 8];
    let wants = |number| vec![Event::Turn { slot: 0, number }, Event::SeeObject { replica: 0, slot: 0 }];
    let events = [
        // The first asks, is given the right, and gives it back, since what it wants by then is gone.
        vec![Event::Pass { replica: 0, slot: 0, fate: Fate::Answered }, Event::AccountPass, Event::AccountPass],
        [vec![Event::Take { number: 0 }], wants(0), pass(0)].concat(),
        // The account takes it away for the second, and that is not written yet when the first wants something else.
        [pass(1), vec![Event::AccountPass], wants(1), pass(0), vec![Event::AccountPass], pass(1)].concat(),
    ]
    .concat();
    let replayed = |mutant| walk::replayed(&Scenario { budget, mutant, ..limited.clone() }, &events);
    assert_eq!(replayed(None), None);
    assert_eq!(replayed(Some(Mutant::BoughtByWhatIsTaken)), Some("more is bought than the account allows"));
}

#[test]
fn every_way_to_break_the_protocol_is_found() {
    let _alone = HEAVY.blocking_lock();
    let (mut unseen, mut scenarios) = (Vec::new(), scenario::buying());
    scenarios.extend(scenario::routing(true));
    for mutant in Mutant::ALL {
        // Each needs a scenario of its own kind: all are tried before any is tried for long.
        let about: Vec<_> = scenarios.iter().filter(|(_, model)| mutant.is_about(model)).collect();
        let found = (0..20_000 * about.len()).find_map(|turn| {
            let (name, model) = about[turn % about.len()];
            let model = Scenario { mutant: Some(mutant), ..model.clone() };
            let (why, events) = walk::broken_on_the_way(&model, turn as u64)?;
            let unbroken = walk::replayed(&Scenario { mutant: None, ..model.clone() }, &events);
            assert_eq!(unbroken, None, "{name}, {:?}, without {mutant:?}:\n{}", model.carrier, trace(&events));
            let walks = turn + 1;
            Some(format!("{mutant:?}, after {walks} walks: {why} ({name}, {:?})\n{}", model.carrier, trace(&events)))
        });
        match found {
            Some(found) => println!("{found}"),
            None => unseen.push(mutant),
        }
    }
    assert!(unseen.is_empty(), "the model does not notice {unseen:?}");
}
