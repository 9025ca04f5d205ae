//! What Nixflex remembers: agents, the numbers that it was given, and how much each key has asked. No I/O.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    time::Instant,
};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::faults::{self, Fault};

/// How many changes of rows a lagging listing can look back over.
const HISTORY: usize = 5_000;

/// Nixflex's own part of the world.
#[derive(Debug, Default)]
pub(in super::super) struct State {
    /// The oldest first.
    pub agents: Vec<Agent>,
    pub rows: Rows,
    /// What is set on a number, or an agent, elsewhere than in its row: by the name in the path and the number.
    pub integrations: BTreeMap<(String, String), Value>,
    /// By key.
    pub usage: HashMap<String, Usage>,
    /// By key, reads apart from writes.
    pub windows: HashMap<(String, bool), Window>,
}

/// An agent that the platform hosts.
#[derive(Clone, Debug)]
pub(in super::super) struct Agent {
    pub id: String,
    pub key: String,
    pub fields: Map<String, Value>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// How a number's carrier is asked, and who is asked.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) enum Credentials {
    Twilio { sid: String, token: String },
    Telnyx { api_key: String, connection_id: String },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.provider())
    }
}

impl Credentials {
    pub fn provider(&self) -> &'static str {
        match self {
            Self::Twilio { .. } => "twilio",
            Self::Telnyx { .. } => "telnyx",
        }
    }
}

/// A number that was given to the platform.
#[derive(Clone, Debug)]
pub(in super::super) struct Attached {
    pub number: String,
    pub key: String,
    /// An orphan may have none.
    pub agent: Option<String>,
    pub credentials: Credentials,
    /// The id that its carrier knows it by.
    pub number_id: String,
    pub settings: Map<String, Value>,
    pub created: Timestamp,
}

#[derive(Debug)]
struct Change {
    at: Instant,
    place: u64,
    before: Option<Attached>,
}

/// The rows in the order in which they came, one for a number, with what was there before.
#[derive(Debug, Default)]
pub(in super::super) struct Rows {
    rows: BTreeMap<u64, Attached>,
    history: VecDeque<Change>,
    next: u64,
}

impl Rows {
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Attached> {
        self.rows.values()
    }

    pub fn get(&self, number: &str) -> Option<&Attached> {
        self.iter().find(|row| row.number == number)
    }

    fn remember(&mut self, place: u64, before: Option<Attached>) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Change { at: Instant::now(), place, before });
    }

    pub fn insert(&mut self, row: Attached) {
        self.next += 1;
        self.remember(self.next, None);
        self.rows.insert(self.next, row);
    }

    pub fn change(&mut self, number: &str, change: impl FnOnce(&mut Attached)) {
        let Some((place, row)) = self.rows.iter_mut().find(|(_, row)| row.number == number) else { return };
        let (place, before) = (*place, row.clone());
        change(row);
        self.remember(place, Some(before));
    }

    pub fn remove(&mut self, number: &str) -> Option<Attached> {
        let place = *self.rows.iter().find(|(_, row)| row.number == number)?.0;
        let row = self.rows.remove(&place)?;
        self.remember(place, Some(row.clone()));
        Some(row)
    }

    /// The rows as a reader sees them, who may be shown the past; the oldest first.
    pub fn seen(&self, views: &[Fault]) -> Vec<Attached> {
        let undone = faults::undone(views, self.history.iter().map(|change| change.at));
        let mut past = self.rows.clone();
        for Change { place, before, .. } in self.history.iter().rev().take(undone) {
            match before {
                Some(row) => past.insert(*place, row.clone()),
                None => past.remove(place),
            };
        }
        past.into_values().collect()
    }
}

/// How much a key's agents have spoken.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Usage {
    pub calls: u64,
    /// Calls that go on while others come.
    pub in_progress: u32,
    pub peak: u32,
    pub rejected: u64,
}

/// How often a key has asked in one minute.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Window {
    pub minute: i64,
    pub count: u32,
}
