//! The protocol of buying, model-checked: everything that can happen to a few objects of one identity, a few numbers and two
//! replicas, with the real plan deciding.
//!
//! Three ways through the same model: breadth first, as far as `DIALPLANE_STATES` events go, which finds the shortest way to
//! whatever is wrong; `DIALPLANE_SCHEDULES` random walks, which go deeper; and from states on those walks the way back to rest
//! when nothing goes wrong any more. That the model can find anything at all is shown by breaking the protocol, one rule at a
//! time.

mod model;
mod mutants;
mod pass;
mod state;
mod walk;

use std::{env, time::Instant};

use stateright::{Checker, Model};

use model::{Buying, Carrier, Keeps};
use mutants::Mutant;
use state::Budget;

/// How many events are looked at breadth first, in all.
fn states() -> usize {
    env::var("DIALPLANE_STATES").ok().and_then(|n| n.parse().ok()).unwrap_or(600_000)
}

/// How many random walks are made, in all.
fn schedules() -> u64 {
    env::var("DIALPLANE_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(6_000)
}

const CARRIERS: [Carrier; 3] = [Carrier::Updates, Carrier::Refuses, Carrier::Orders];

/// What is looked at: how many objects of one identity there are, how many numbers, and what may go wrong how often.
fn scenarios() -> Vec<(&'static str, Buying)> {
    let calm = Budget { attempts: 4, ..Budget::default() };
    let cases = [
        ("requests lost, crashes and rivals", &[0][..], 2, Budget { crashes: 1, lost: 1, taken: 1, ..calm }),
        ("two objects of one identity", &[0, 0], 2, Budget { lost: 1, crashes: 1, deletions: 1, ..calm }),
        (
            "deleted, stripped, replaced and made again",
            &[0],
            2,
            Budget { lost: 1, crashes: 1, deletions: 1, creations: 1, stripped: 1, ..calm },
        ),
        ("status wiped", &[0], 2, Budget { lost: 1, crashes: 1, wiped: 1, taken: 1, ..calm }),
        ("restored from a backup", &[0], 2, Budget { lost: 1, crashes: 1, restores: 1, ..calm }),
        ("three numbers, two lost requests", &[0], 3, Budget { lost: 2, crashes: 1, taken: 2, ..calm }),
        (
            "two identities that want the same",
            &[0, 1],
            2,
            Budget { lost: 2, crashes: 1, deletions: 1, stripped: 1, taken: 1, ..calm },
        ),
    ];
    let pool = [
        ("an idle number that is wanted back", &[0, 1][..], 2, Budget { lost: 1, creations: 1, ..calm }),
        (
            "an idle number, whose object may come back, and two that may take it",
            &[0, 1, 2],
            3,
            Budget { lost: 1, crashes: 1, deletions: 1, creations: 2, ..calm },
        ),
        (
            "an idle number in a cluster that is restored",
            &[0, 1],
            2,
            Budget { lost: 1, crashes: 1, creations: 1, restores: 1, ..calm },
        ),
    ];
    let cases = cases.map(|case| (case, false)).into_iter().chain(pool.map(|case| (case, true)));
    let mut all = Vec::new();
    for ((name, objects, numbers, budget), pool) in cases {
        let keeps = Keeps::Nothing;
        all.extend(CARRIERS.map(|carrier| {
            (name, Buying { carrier, keeps, replicas: 2, objects, numbers, budget, pool, mutant: None })
        }));
    }
    let usual = Budget { lost: 1, crashes: 1, taken: 1, ..calm };
    let held = [
        ("numbers are held", Keeps::Hold, &[0][..], usual),
        ("two identities hold the same", Keeps::Hold, &[0, 1], Budget { lost: 2, ..usual }),
        ("held while a person is asked", Keeps::HoldAndAsk, &[0], Budget { wiped: 1, ..usual }),
        (
            "held, asked, deleted and made again",
            Keeps::HoldAndAsk,
            &[0],
            Budget { deletions: 1, creations: 1, stripped: 1, ..usual },
        ),
    ];
    for (name, keeps, objects, budget) in held {
        // The carriers that hold numbers refuse what is ours already.
        all.extend([Carrier::Refuses, Carrier::Orders].map(|carrier| {
            (name, Buying { carrier, keeps, replicas: 2, objects, numbers: 2, budget, pool: false, mutant: None })
        }));
    }
    let budget = Budget { lost: 1, deletions: 1, creations: 1, ..calm };
    let ordered = Buying {
        carrier: Carrier::Orders,
        keeps: Keeps::Nothing,
        replicas: 1,
        objects: &[0],
        numbers: 2,
        budget,
        pool: false,
        mutant: None,
    };
    all.push(("ordered, deleted and made again", ordered));
    all
}

fn trace(events: &[model::Event]) -> String {
    events.iter().map(|event| format!("  {event:?}\n")).collect()
}

#[test]
fn nothing_that_can_happen_in_a_few_steps_buys_twice_or_loses_a_number() {
    let (begun, mut unique) = (Instant::now(), 0);
    let scenarios = scenarios();
    let share = states() / scenarios.len();
    for (name, model) in scenarios {
        let carrier = model.carrier;
        let checker = model.checker().threads(2).target_state_count(share).spawn_bfs().join();
        unique += checker.unique_state_count();
        if let Some(path) = checker.discovery("no promise is broken") {
            let why = path.last_state().broken.unwrap_or_default();
            panic!("{name}, {carrier:?}: {why}\n{}", trace(&path.into_actions()));
        }
    }
    println!("{unique} unique states in {:.1?}", begun.elapsed());
}

#[test]
fn no_random_schedule_buys_twice_or_loses_a_number_and_each_comes_to_rest() {
    let scenarios = scenarios();
    for seed in 0..schedules() {
        let (name, model) = &scenarios[seed as usize % scenarios.len()];
        if let Some((why, events)) = walk::broken(model, seed) {
            panic!("{name}, {:?}, schedule {seed}: {why}\n{}", model.carrier, trace(&events));
        }
    }
}

#[test]
fn every_way_to_break_the_protocol_is_found() {
    let (mut unseen, scenarios) = (Vec::new(), scenarios());
    for mutant in Mutant::ALL {
        // Each needs a scenario of its own kind: all are tried before any is tried for long.
        let about: Vec<_> = scenarios.iter().filter(|(_, model)| model.pool == mutant.is_of_the_pool()).collect();
        let found = (0..3000 * about.len()).find_map(|turn| {
            let (name, model) = about[turn % about.len()];
            let model = Buying { mutant: Some(mutant), ..model.clone() };
            let (why, events) = walk::broken_on_the_way(&model, turn as u64)?;
            Some(format!("{mutant:?}: {why} ({name}, {:?})\n{}", model.carrier, trace(&events)))
        });
        match found {
            Some(found) => println!("{found}"),
            None => unseen.push(mutant),
        }
    }
    assert!(unseen.is_empty(), "the model does not notice {unseen:?}");
}
