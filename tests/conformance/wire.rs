//! What tells one simulated carrier from another: how an account is opened there, and in which words and fields it says things.

pub mod flowyte;
pub mod telnyx;
pub mod twilio;

use std::sync::Arc;

use dialplane::{
    api::number::{Channel, Destination},
    carrier::{
        Calling, Carrier, ErrorClass,
        http::{Limiter, Transport},
    },
    sandbox::carrier::{AccountSeed, Fault, Kind, Ledger, Sandbox, Switches},
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

/// What can take a number's calls before its route.
pub struct Shadow {
    /// A person sets it.
    pub cast: fn(&Sandbox, number: &str),
    /// How it is seen then.
    pub seen: fn() -> Calling,
    /// What every path begins with that shows it.
    pub path: &'static str,
}

/// How a carrier sells numbers.
pub struct Selling {
    /// Whether it refuses to search where it sells nothing, and does not just find nothing there.
    pub says_what_is_not_sold: bool,
    /// A refusal of each class, of a purchase: one status does not mean the same everywhere.
    pub refusals: &'static [Refusal],
    /// As what a look at one number for sale counts.
    pub look: Kind,
    /// How often a purchase of what is owned is carried out when it was repeated in either way.
    pub overwrites: usize,
    /// Has the carrier take a purchase of what is owned in the other way than is declared.
    pub repeats_otherwise: fn(&mut Switches),
}

impl Shadow {
    pub fn seen(&self) -> Calling {
        (self.seen)()
    }
}

/// A refusal in the carrier's own words: what it means, its HTTP status and its code.
type Refusal = (ErrorClass, u16, &'static str);

/// What has to be known of one simulated carrier beside its adapter.
pub struct Wire {
    /// What the carrier does that others do not.
    pub has: &'static [Need],
    pub account: fn() -> AccountSeed,
    /// What an account has that nothing can be asked of without.
    pub prepare: fn(&Sandbox, account: &str),
    /// What every key begins with.
    pub key_prefix: &'static str,
    pub open: Open,
    /// The identity that an account is expected to have.
    pub identity: fn(account: &str) -> String,
    /// Whether the carrier itself says which account credentials belong to.
    pub tells_accounts_apart: bool,
    /// Somewhere to send a channel to, made there if it has to be; every name is another place.
    pub destination: fn(&Sandbox, Channel, name: &str) -> Destination,
    /// The field of a number that says where a channel goes.
    pub field: fn(Channel) -> &'static str,
    /// What can take calls before the route, and no listing shows; for [`Need::Shadows`].
    pub shadow: Option<Shadow>,
    /// The field that bears the marker, where there is one.
    pub marker_field: Option<&'static str>,
    /// How many numbers a page of the listing holds at most.
    pub page: usize,
    /// A refusal of each class.
    pub refusals: &'static [Refusal],
    /// How it sells numbers, where it does; for [`Need::Sales`].
    pub selling: Option<Selling>,
    /// What of the recorded exchanges is not as the carrier's documents have it.
    pub check: fn(&Ledger) -> Vec<String>,
}

impl Wire {
    /// Whether the carrier does this.
    pub fn does(&self, what: Need) -> bool {
        what == Need::Nothing || self.has.contains(&what)
    }

    pub fn selling(&self) -> &Selling {
        self.selling.as_ref().expect("the group needs it")
    }

    /// The adapter as it is, and an account without numbers.
    pub fn subject(&'static self) -> Subject {
        Subject::new(self, None)
    }
}

/// Refuses a request with this status and code. A code that is a word follows from the status.
pub fn refuse(status: u16, code: &str) -> Fault {
    Fault::Refuse { status, code: code.parse().unwrap_or_default() }
}

impl Key {
    pub fn secret(&self) -> &str {
        match self {
            Key::Token(secret) | Key::Further { secret, .. } => secret,
        }
    }
}
