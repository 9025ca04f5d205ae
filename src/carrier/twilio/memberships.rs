//! Which numbers are in a Messaging Service, whose webhook wins over theirs (section 5). No I/O.

use std::collections::HashMap;

use crate::carrier::Messaging;

/// What is known of the Messaging Services of the account.
#[derive(Debug, Default)]
pub(super) struct Memberships {
    /// Number SID to the SID of the service whose webhook wins over the number's.
    pub groups: HashMap<String, String>,
    /// Whether every service of this account was read, so that a number in none of them is its own.
    pub complete: bool,
}

impl Memberships {
    /// Who receives the messages of the number with this SID.
    pub fn of(&self, sid: &str) -> Messaging {
        match self.groups.get(sid) {
            Some(id) => Messaging::Group { id: id.clone() },
            None if self.complete => Messaging::Number,
            None => Messaging::Unseen,
        }
    }
}
