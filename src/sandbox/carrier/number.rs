//! A number as its carrier keeps it. No I/O.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// A number that an account owns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    /// Its place in the order of purchase.
    pub order: u64,
    pub sid: String,
    pub number: String,
    pub account: String,
    /// `local`, `mobile` or `tollfree`.
    pub kind: String,
    pub features: Vec<&'static str>,
    pub address_requirements: &'static str,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// What is set, by the name of its field in answers. Unset is absent.
    pub settings: BTreeMap<String, String>,
}

impl Number {
    /// The value of a field that is set.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.settings.get(field).map(String::as_str)
    }
}
