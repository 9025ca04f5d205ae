//! The protocol of buying, model-checked: everything that can happen to a few objects of one identity, a few numbers and two
//! replicas, with the real plan deciding.
//!
//! Three ways through the same model: every state that a fault or two and `DIALPLANE_ATTEMPTS` attempts to buy can lead to, to
//! completion; `DIALPLANE_SCHEDULES` random walks, on which more goes wrong; and the way back to rest when nothing goes wrong any
//! more, from the end of each walk and from one of `DIALPLANE_REST` states. That the model can find anything at all is shown by breaking the protocol, one rule at a
//! time.

mod model;
mod mutants;
mod pass;
mod state;
mod walk;
mod writes;

use std::{env, time::Instant};

use stateright::{Checker, Model};

use model::{Buying, Carrier, Event, Fate, Keeps};
use mutants::Mutant;
use state::Budget;

use crate::support::HEAVY;

/// How many attempts to buy there are where every state is looked at.
fn attempts() -> u8 {
    env::var("DIALPLANE_ATTEMPTS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// How many random walks are made, in all.
fn schedules() -> u64 {
    env::var("DIALPLANE_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(6_000)
}

const CARRIERS: [Carrier; 3] = [Carrier::Updates, Carrier::Refuses, Carrier::Orders];

/// Those whose numbers bear no marker.
const UNMARKED: [Carrier; 2] = [Carrier::Unmarked, Carrier::Replays];

/// Those that hold numbers refuse what is ours already.
const THAT_HOLD: [Carrier; 2] = [Carrier::Refuses, Carrier::Orders];

/// A model in which nothing goes wrong, with two replicas and two numbers.
const CALM: Buying = Buying {
    carrier: Carrier::Updates,
    keeps: Keeps::Nothing,
    replicas: 2,
    objects: &[0],
    numbers: 2,
    budget: Budget::NOTHING,
    pool: false,
    tenants: false,
    finalized: false,
    bare: false,
    stranger: false,
    limit: None,
    mutant: None,
};

/// What is looked at in random walks: how many objects of which identities there are, how many numbers, and what may go wrong how
/// often.
fn scenarios() -> Vec<(&'static str, Buying)> {
    let calm = Budget { attempts: 4, ..Budget::NOTHING };
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
        (
            "two identities, of which one is stripped and deleted",
            &[0, 1],
            2,
            Budget { lost: 1, deletions: 1, stripped: 1, ..calm },
        ),
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
        ("held, and something else is wanted", Keeps::Hold, &[0], Budget { turns: 2, ..usual }),
        (
            "held, asked, and something else is wanted, deleted or restored",
            Keeps::HoldAndAsk,
            &[0],
            Budget { turns: 2, deletions: 1, creations: 1, restores: 1, ..usual },
        ),
    ];
    let mut all = Vec::new();
    let cases = cases.map(|case| (case, false)).into_iter().chain(pool.map(|case| (case, true)));
    for ((name, objects, numbers, budget), pool) in cases {
        all.extend(CARRIERS.map(|carrier| (name, Buying { carrier, objects, numbers, budget, pool, ..CALM })));
    }
    for (name, keeps, objects, budget) in held {
        all.extend(THAT_HOLD.map(|carrier| (name, Buying { carrier, keeps, objects, budget, ..CALM })));
    }
    for (name, objects, budget) in moved() {
        all.extend(CARRIERS.map(|carrier| (name, Buying { carrier, objects, budget, ..CALM })));
    }
    let budget = Budget { lost: 1, crashes: 1, deletions: 1, creations: 1, stripped: 1, ..calm };
    all.extend(CARRIERS.map(|carrier| {
        ("two namespaces that use one name", Buying { carrier, objects: &[0, 1], tenants: true, budget, ..CALM })
    }));
    for (name, model) in unmarked() {
        all.extend(UNMARKED.map(|carrier| (name, Buying { carrier, ..model.clone() })));
    }
    let finalized = Buying { finalized: true, budget: Budget { lost: 1, deletions: 1, ..calm }, ..CALM };
    all.push(("applied with our finalizer and deleted", finalized));
    let budget = Budget { lost: 1, crashes: 1, taken: 1, turns: 2, ..calm };
    let turned = Budget { turns: 4, taken: 1, ..calm };
    all.extend(CARRIERS.into_iter().flat_map(|carrier| {
        let limited = Buying { carrier, objects: &[0, 1], numbers: 3, replicas: 1, limit: Some(1), budget, ..CALM };
        [
            (
                "two that may buy one number between them and change their minds",
                Buying { budget: turned, ..limited.clone() },
            ),
            ("two that may buy one number between them", limited),
        ]
    }));
    let budget = Budget { lost: 1, deletions: 1, creations: 1, ..calm };
    let ordered = Buying { carrier: Carrier::Orders, replicas: 1, budget, ..CALM };
    all.push(("ordered, deleted and made again", ordered));
    all
}

/// Everything is applied to another cluster, with the records or in the middle of a purchase.
fn moved() -> [(&'static str, &'static [u8], Budget); 2] {
    let moved = Budget { attempts: 4, moves: 1, lost: 1, ..Budget::NOTHING };
    [
        ("applied to another cluster", &[0], moved),
        ("two identities, applied to another cluster", &[0, 1], Budget { deletions: 1, taken: 1, ..moved }),
    ]
}

/// What is looked at where numbers bear no marker: a person is asked, and has another number bought although it is asked about the right
/// one.
fn unmarked() -> [(&'static str, Buying); 8] {
    let usual = Budget { attempts: 4, lost: 1, crashes: 1, ..Budget::NOTHING };
    let moved = Budget { moves: 1, crashes: 0, ..usual };
    let restored = Budget { restores: 1, taken: 1, ..usual };
    let of = |objects, budget| Buying { objects, budget, ..CALM };
    let bare = |objects, budget| Buying { bare: true, ..of(objects, budget) };
    [
        ("no markers", of(&[0, 1], Budget { lost: 2, taken: 1, ..usual })),
        ("no markers, made again", of(&[0], Budget { deletions: 1, creations: 1, stripped: 1, wiped: 1, ..usual })),
        (
            "no markers, restored",
            Buying { numbers: 3, replicas: 1, ..of(&[0], Budget { lost: 0, crashes: 0, ..restored }) },
        ),
        ("no markers, two identities restored", Buying { numbers: 3, ..of(&[0, 1], restored) }),
        (
            "no markers, a number bought by hand",
            Buying { numbers: 3, replicas: 1, stranger: true, ..bare(&[0], Budget { lost: 0, ..moved }) },
        ),
        ("no markers, another cluster with the records", of(&[0], moved)),
        ("no markers, another cluster", Buying { numbers: 3, ..bare(&[0], Budget { anothers: 1, ..moved }) }),
        ("no markers, two identities in another cluster", Buying { numbers: 3, ..bare(&[0, 1], moved) }),
    ]
}

/// What is looked at to completion: a fault or two at a time.
fn small_scenarios() -> Vec<(&'static str, Buying)> {
    let calm = Budget { attempts: attempts(), ..Budget::NOTHING };
    let lost = Budget { lost: 1, ..calm };
    let faults = [
        ("two objects of one identity", &[0, 0][..], calm),
        ("a request is lost, and a crash", &[0], Budget { crashes: 1, ..lost }),
        ("a request is lost, and a rival", &[0], Budget { taken: 1, ..lost }),
        ("a request is lost, and the status wiped", &[0], Budget { wiped: 1, ..lost }),
        ("deleted", &[0], Budget { deletions: 1, ..calm }),
        ("stripped", &[0], Budget { stripped: 1, ..lost }),
        ("restored from a backup", &[0], Budget { restores: 1, ..calm }),
    ];
    // That an order is finished at any time later multiplies everything: two replicas have to wait for a larger run.
    let replicas =
        |carrier| if carrier == Carrier::Orders { attempts().saturating_sub(1).clamp(1, 2).into() } else { 2 };
    let again = Budget { deletions: 1, creations: 1, ..calm };
    let mut all = Vec::new();
    for carrier in CARRIERS {
        let replicas = replicas(carrier);
        all.extend(faults.map(|(name, objects, budget)| (name, Buying { carrier, replicas, objects, budget, ..CALM })));
        all.push(("deleted and made again", Buying { carrier, replicas: 1, budget: again, ..CALM }));
    }
    for carrier in THAT_HOLD {
        let held = Buying { carrier, keeps: Keeps::Hold, replicas: replicas(carrier), budget: lost, ..CALM };
        all.extend([
            ("held, and a request is lost", held.clone()),
            ("held while a person is asked", Buying { keeps: Keeps::HoldAndAsk, replicas: 1, ..held.clone() }),
        ]);
        let asked = Buying { keeps: Keeps::HoldAndAsk, replicas: 1, ..held };
        all.extend([
            ("held, and something else is wanted", Buying { budget: Budget { turns: 1, ..calm }, ..asked.clone() }),
            ("held, asked and deleted", Buying { budget: Budget { deletions: 1, ..lost }, ..asked }),
        ]);
    }
    let budget = Budget { creations: 1, ..lost };
    all.push((
        "an idle number that is wanted back",
        Buying { objects: &[0, 1], replicas: 1, pool: true, budget, ..CALM },
    ));
    let turned = Budget { turns: 1, taken: 1, ..calm };
    let limited = Buying { objects: &[0, 1], replicas: 1, limit: Some(1), budget: turned, ..CALM };
    all.push(("two that may buy one number between them", limited));
    let moved = Buying { budget: Budget { moves: 1, ..calm }, ..CALM };
    all.push(("applied to another cluster", moved.clone()));
    for carrier in UNMARKED {
        let alone = Buying { carrier, replicas: 1, budget: lost, ..CALM };
        let again = Budget { restores: 1, taken: 1, attempts: attempts() + 1, ..calm };
        let bare = Buying { bare: true, budget: Budget { moves: 1, ..lost }, ..alone.clone() };
        all.extend([
            ("no markers, restored", Buying { budget: again, ..alone.clone() }),
            ("no markers, another cluster", bare.clone()),
            ("no markers, a number bought by hand", Buying { stranger: true, ..bare }),
            ("no markers, two objects of one identity", Buying { objects: &[0, 0], ..alone }),
        ]);
    }
    all
}

fn trace(events: &[model::Event]) -> String {
    events.iter().map(|event| format!("  {event:?}\n")).collect()
}

#[test]
fn nothing_that_a_fault_or_two_can_lead_to_buys_twice_or_loses_a_number() {
    let _alone = HEAVY.blocking_lock();
    let (begun, mut unique) = (Instant::now(), 0);
    for (name, model) in small_scenarios() {
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
        checker.assert_any_discovery("a number is bought");
    }
    println!("{unique} states, all there are, in {:.1?}", begun.elapsed());
}

#[test]
fn no_random_schedule_buys_twice_or_loses_a_number_and_each_comes_to_rest() {
    let _alone = HEAVY.blocking_lock();
    let scenarios = scenarios();
    for seed in 0..schedules() {
        let (name, model) = &scenarios[seed as usize % scenarios.len()];
        if let Some((why, events)) = walk::broken(model, seed) {
            panic!("{name}, {:?}, schedule {seed}: {why}\n{}", model.carrier, trace(&events));
        }
    }
}

#[test]
fn nothing_is_bought_by_a_right_that_is_just_taken_back() {
    let limited = Buying { objects: &[0, 1], numbers: 3, replicas: 1, limit: Some(1), ..CALM };
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
    let replayed = |mutant| walk::replayed(&Buying { budget, mutant, ..limited.clone() }, &events);
    assert_eq!(replayed(None), None);
    assert_eq!(replayed(Some(Mutant::BoughtByWhatIsTaken)), Some("more is bought than the account allows"));
}

#[test]
fn every_way_to_break_the_protocol_is_found() {
    let _alone = HEAVY.blocking_lock();
    let (mut unseen, scenarios) = (Vec::new(), scenarios());
    for mutant in Mutant::ALL {
        // Each needs a scenario of its own kind: all are tried before any is tried for long.
        let about: Vec<_> = scenarios.iter().filter(|(_, model)| mutant.is_about(model)).collect();
        let found = (0..20_000 * about.len()).find_map(|turn| {
            let (name, model) = about[turn % about.len()];
            let model = Buying { mutant: Some(mutant), ..model.clone() };
            let (why, events) = walk::broken_on_the_way(&model, turn as u64)?;
            let unbroken = walk::replayed(&Buying { mutant: None, ..model.clone() }, &events);
            assert_eq!(unbroken, None, "{name}, {:?}, without {mutant:?}:\n{}", model.carrier, trace(&events));
            Some(format!("{mutant:?}: {why} ({name}, {:?})\n{}", model.carrier, trace(&events)))
        });
        match found {
            Some(found) => println!("{found}"),
            None => unseen.push(mutant),
        }
    }
    assert!(unseen.is_empty(), "the model does not notice {unseen:?}");
}
