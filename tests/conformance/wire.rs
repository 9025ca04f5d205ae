//! What tells one simulated carrier from another: how an account is opened there, and in which words and fields it says things.

pub mod telnyx;
pub mod twilio;

use std::sync::Arc;

use dialplane::{
    api::number::{Channel, Destination},
    carrier::{
        Carrier, ErrorClass,
        http::{Limiter, Transport},
    },
    sandbox::carrier::{AccountSeed, Ledger, Sandbox, Switches},
};

use super::{Need, subject::Subject};

/// What opens an account.
#[derive(Clone)]
pub enum Key {
    /// The account's own token.
    Token(String),
    /// A further key of it.
    Further { sid: String, secret: String },
}

/// Opens the adapter for an account by its id.
type Open = fn(&Sandbox, &str, Key, Transport, Arc<Limiter>) -> Arc<dyn Carrier>;

/// What has to be known of one simulated carrier beside its adapter.
pub struct Wire {
    /// What the carrier does that others do not.
    pub has: &'static [Need],
    pub account: fn() -> AccountSeed,
    pub open: Open,
    /// The identity that an account is expected to have.
    pub identity: fn(account: &str) -> String,
    /// Whether the carrier itself says which account credentials belong to.
    pub tells_accounts_apart: bool,
    /// Whether it refuses to search where it sells nothing, and does not just find nothing there.
    pub says_what_is_not_sold: bool,
    /// Somewhere to send a channel to, made there if it has to be; every name is another place.
    pub destination: fn(&Sandbox, Channel, name: &str) -> Destination,
    /// The field of a number that says where a channel goes.
    pub field: fn(Channel) -> &'static str,
    /// The field that bears the marker.
    pub marker_field: &'static str,
    /// How many numbers a page of the listing holds at most.
    pub page: usize,
    /// A refusal of each class in the carrier's own words: HTTP status and code.
    pub refusals: &'static [(ErrorClass, u16, i64)],
    /// Has the carrier take a purchase of what is owned in the other way than is declared.
    pub repeats_otherwise: fn(&mut Switches),
    /// What of the recorded exchanges is not as the carrier's documents have it.
    pub check: fn(&Ledger) -> Vec<String>,
}

impl Wire {
    /// The adapter as it is, and an account without numbers.
    pub fn subject(&'static self) -> Subject {
        Subject::new(self, None)
    }
}

impl Key {
    pub fn secret(&self) -> &str {
        match self {
            Key::Token(secret) | Key::Further { secret, .. } => secret,
        }
    }
}
