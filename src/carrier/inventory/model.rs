//! The view against every order of events that a carrier's lag allows: what it calls absent was gone. No I/O.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use tokio::time::Instant;

use super::view::{Seen, View};
use crate::{
    api::number::{E164, Route},
    carrier::{Calling, Messaging, NumberId, OwnedNumber},
};

const LAG: u64 = 30;
const LIFETIME: u64 = 60;
const NUMBERS: u64 = 2;

/// One thing that happens, after `pause` seconds.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody buys or releases the number.
    Toggle(u64),
    /// A listing or a look-up that shows the account as it was up to `stale` seconds ago.
    List {
        stale: u64,
    },
    Find {
        number: u64,
        stale: u64,
    },
    /// A write to the number, if it is there.
    Write(u64),
    /// A write whose answer is lost; it creates the number up to a lifetime later.
    Lost {
        number: u64,
        late: u64,
    },
}

fn event() -> impl Strategy<Value = (u64, Event)> {
    let number = || 0..NUMBERS;
    let stale = || prop_oneof![Just(0), 0..LAG, Just(LAG)];
    let what = prop_oneof![
        3 => number().prop_map(Event::Toggle),
        4 => stale().prop_map(|stale| Event::List { stale }),
        4 => (number(), stale()).prop_map(|(number, stale)| Event::Find { number, stale }),
        1 => number().prop_map(Event::Write),
        1 => (number(), 0..=LIFETIME).prop_map(|(number, late)| Event::Lost { number, late }),
    ];
    (prop_oneof![3 => 1..5u64, 1 => 20..80u64], what)
}

/// When each number came and went.
#[derive(Debug, Default)]
struct Truth(BTreeMap<u64, Vec<(u64, bool)>>);

impl Truth {
    fn set(&mut self, number: u64, at: u64, there: bool) {
        let story = self.0.entry(number).or_default();
        story.push((at, there));
        story.sort();
    }

    fn at(&self, number: u64, at: u64) -> bool {
        let story = self.0.get(&number).map(Vec::as_slice).unwrap_or_default();
        story.iter().rev().find(|(since, _)| *since <= at).is_some_and(|(_, there)| *there)
    }

    /// Whether the number was gone at some moment from `from` to `to`.
    fn was_gone(&self, number: u64, from: u64, to: u64) -> bool {
        (from..=to).any(|at| !self.at(number, at))
    }
}

fn name(number: u64) -> E164 {
    format!("+1415555000{number}").parse().unwrap()
}

fn owned(number: u64) -> OwnedNumber {
    let (features, messaging) = (Vec::new(), Messaging::Number);
    let id = NumberId(format!("PN{number}"));
    OwnedNumber {
        id,
        number: name(number),
        route: Route::new(),
        features,
        messaging,
        calling: Calling::Number,
        marker: None,
        config: None,
    }
}

fn raise(touched: &mut BTreeMap<u64, u64>, number: u64, at: u64) {
    let since = touched.entry(number).or_default();
    *since = at.max(*since);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_called_absent_was_gone_after_it_was_last_seen(events in prop::collection::vec(event(), 1..60)) {
        let epoch = Instant::from_std(std::time::Instant::now());
        let instant = |at: u64| epoch + Duration::from_secs(at);
        let mut view = View::new(Duration::from_secs(LAG), Duration::from_secs(LIFETIME));
        let mut truth = Truth::default();
        // When each number last was seen to be there, or may have come to be.
        let mut touched: BTreeMap<u64, u64> = BTreeMap::new();
        let mut now = 1000;
        for (pause, event) in events {
            now += pause;
            match event {
                Event::Toggle(number) => truth.set(number, now, !truth.at(number, now)),
                Event::List { stale } => {
                    let rows: Vec<u64> = (0..NUMBERS).filter(|n| truth.at(*n, now - stale)).collect();
                    rows.iter().for_each(|n| raise(&mut touched, *n, now - stale));
                    view.apply_listing(instant(now), instant(now), rows.iter().map(|n| owned(*n)).collect());
                }
                Event::Find { number, stale } => {
                    let found = truth.at(number, now - stale).then(|| owned(number));
                    if found.is_some() {
                        raise(&mut touched, number, now - stale);
                    }
                    view.apply_lookup(&name(number), instant(now), found);
                }
                Event::Write(number) if truth.at(number, now) => {
                    view.record_write(owned(number), instant(now - 1), instant(now));
                    raise(&mut touched, number, now);
                }
                Event::Write(_) => {}
                Event::Lost { number, late } => {
                    truth.set(number, now + late, true);
                    view.note_unknown(&name(number), instant(now));
                    raise(&mut touched, number, now + LIFETIME);
                }
            }
            for number in 0..NUMBERS {
                if let Seen::Absent { begun } = view.seen(&name(number)) {
                    prop_assert!(begun <= instant(now));
                    let since = touched.get(&number).copied().unwrap_or_default();
                    prop_assert!(truth.was_gone(number, since, now), "{number} at {now}, there since {since}");
                }
            }
        }
    }
}
