//! What only Telnyx remembers: searches, reservations, orders, and the routes that numbers share. No I/O.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::{stock::Offer, world::Number};

/// A kind of route that numbers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// Where calls go; a number names it as its connection.
    TexmlApplication,
    /// Where texts go.
    MessagingProfile,
}

/// Telnyx's own part of the world.
#[derive(Debug, Default)]
pub(in super::super) struct State {
    /// When an account was last shown a number: only such numbers can be ordered.
    pub searches: HashMap<(String, String), Timestamp>,
    /// The oldest first, as are those that follow.
    pub reservations: Vec<Reservation>,
    pub orders: Vec<Order>,
    pub objects: Vec<Object>,
    /// Numbers that were given back and are still listed.
    pub gone: Vec<Number>,
    /// What the ledger has not heard yet: the place of an order's entry, and what became of it.
    pub ended: Vec<(u64, &'static str)>,
}

/// Numbers that are kept for an account.
#[derive(Clone, Debug)]
pub(in super::super) struct Reservation {
    pub id: String,
    pub account: String,
    pub customer_reference: Option<String>,
    pub lines: Vec<Line>,
    /// How often it was extended.
    pub extended: u32,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// One number of a reservation.
#[derive(Clone, Debug)]
pub(in super::super) struct Line {
    pub id: String,
    pub number: String,
    pub until: Timestamp,
}

/// An order of one number.
#[derive(Clone, Debug)]
pub(in super::super) struct Order {
    pub id: String,
    pub sub_id: String,
    /// The id of the number within the order, which is not the one that the number gets.
    pub line_id: String,
    pub account: String,
    pub number: String,
    pub offer: Offer,
    /// What was paid, in hundredths.
    pub cents: i64,
    pub status: &'static str,
    /// When it ends by itself.
    pub due: Option<Timestamp>,
    pub requirements_status: &'static str,
    /// What the number will be born with, and what the order shows.
    pub settings: BTreeMap<String, String>,
    /// The id of the number, once there is one.
    pub number_id: Option<String>,
    /// The place of the request in the ledger.
    pub seq: u64,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// A TeXML application or a messaging profile.
#[derive(Clone, Debug)]
pub(in super::super) struct Object {
    pub shared: Shared,
    pub id: String,
    pub account: String,
    pub fields: Map<String, Value>,
    pub created: Timestamp,
    pub updated: Timestamp,
}
