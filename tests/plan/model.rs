//! Random walks through everything that can happen to a few PhoneNumbers that want the same number.
//!
//! A cluster, a carrier and two replicas of the operator live in memory; what to do is decided by the real plan and by
//! nothing else. A schedule is a list of events made from a seed. When a promise breaks, events are taken out for as long
//! as it still breaks, and what is left is printed. `DIALPLANE_SCHEDULES` says how many schedules are walked.

mod check;
pub mod events;
mod system;

use std::{env, fmt::Write as _};

use events::{Event, Rng, shrunk};
use system::{Replicas, Setup, System, Tenancy};

use crate::support::HEAVY;

/// Long enough for a claim to change hands with a request in flight, short enough to be read.
const EVENTS: usize = 60;

fn walk(setup: Setup, events: &[Event]) -> Result<(), Box<(System, String)>> {
    let mut system = System::new(setup);
    for event in events {
        if let Err(why) = system.happen(event) {
            return Err(Box::new((system, why)));
        }
    }
    match system.converges() {
        Ok(()) => Ok(()),
        Err(why) => Err(Box::new((system, why))),
    }
}

fn schedules() -> u64 {
    env::var("DIALPLANE_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(4000)
}

fn schedule(seed: u64) -> Vec<Event> {
    let mut rng = Rng::new(seed);
    (0..EVENTS).map(|_| Event::any(&mut rng)).collect()
}

/// What one schedule breaks, with the events without which it would not.
fn broken(setup: Setup, seed: u64) -> Option<String> {
    let events = schedule(seed);
    walk(setup, &events).err()?;
    let events = shrunk(events, |fewer| walk(setup, fewer).is_err());
    let Err(failure) = walk(setup, &events) else { unreachable!() };
    let (system, why) = *failure;
    let mut text = format!("{why}\nschedule {seed}, {setup:?}:\n");
    for line in system.told {
        let _ = writeln!(text, "  {line}");
    }
    Some(text)
}

fn explore(replicas: Replicas) {
    let _alone = HEAVY.blocking_lock();
    for seed in 0..schedules() {
        let tenancy = Tenancy::ALL[seed as usize % Tenancy::ALL.len()];
        if let Some(broken) = broken(Setup { replicas, tenancy, across_accounts: false }, seed) {
            panic!("{broken}");
        }
    }
}

#[test]
fn one_replica_at_a_time_keeps_every_promise_through_crashes_and_requests_that_come_late() {
    explore(Replicas::OneLeads);
}

#[test]
fn two_replicas_at_once_keep_each_promise_that_does_not_need_a_leader() {
    explore(Replicas::BothAct);
}

/// A model that does not notice it when the rule is broken proves nothing about the rule.
#[test]
fn a_claim_that_is_taken_over_across_accounts_is_noticed() {
    let setup = Setup { replicas: Replicas::OneLeads, tenancy: Tenancy::OtherAccount, across_accounts: true };
    let found = (0..1000).find_map(|seed| broken(setup, seed));
    assert!(found.as_ref().is_some_and(|text| text.starts_with("promise 11")), "{found:?}");
}
