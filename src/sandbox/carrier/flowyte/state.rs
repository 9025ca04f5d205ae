//! What only Flowyte remembers: agents and their versions, reservations, answers to idempotency keys, numbers to import. No I/O.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

/// The field of a number that names its agent.
pub(in super::super) const AGENT: &str = "defaultAgentId";

/// Flowyte's own part of the world.
#[derive(Debug, Default)]
pub(in super::super) struct State {
    /// The oldest first, as are those that follow.
    pub agents: Vec<Agent>,
    /// Of all agents, deleted ones among them.
    pub versions: Vec<Version>,
    pub reservations: Vec<Reservation>,
    /// By account, path and idempotency key.
    pub answers: HashMap<(String, String, String), Answer>,
    /// Numbers that an account has at its carrier and not here, with the account.
    pub importable: BTreeMap<String, String>,
    /// Ids of owned numbers that were imported.
    pub imported: HashSet<String>,
}

/// An agent: a draft that can be changed, and a pointer to what callers reach.
#[derive(Clone, Debug)]
pub(in super::super) struct Agent {
    pub id: String,
    pub account: String,
    /// Counts the changes of the draft; another thing than the number of a version.
    pub revision: u64,
    pub draft: Map<String, Value>,
    /// Whether the draft can be made into a version.
    pub compiles: bool,
    /// The id of the version that callers reach.
    pub published: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// What an agent's draft was when it was published.
#[derive(Clone, Debug)]
pub(in super::super) struct Version {
    pub id: String,
    pub agent: String,
    /// Its place among the agent's versions, from 1.
    pub number: u64,
    pub config: Map<String, Value>,
    pub note: Option<String>,
    pub by: &'static str,
    pub at: Timestamp,
}

/// A number that is kept for an organization.
#[derive(Clone, Debug)]
pub(in super::super) struct Reservation {
    pub id: String,
    pub account: String,
    pub number: String,
    pub until: Timestamp,
}

/// What a request with an idempotency key was answered.
#[derive(Clone, Debug)]
pub(in super::super) struct Answer {
    /// What the request said.
    pub asked: Value,
    pub status: u16,
    pub body: Option<Value>,
    pub number: Option<String>,
    pub at: Timestamp,
}
