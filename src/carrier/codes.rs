//! What a carrier's refusals mean: by a table of its codes, and by the HTTP status where that says more or there is none. No I/O.

use std::ops::RangeInclusive;

use super::{
    ErrorClass::{self, Rejected, Transient, Unauthorized, Unknown},
    http::class_of,
};

/// The codes of both carriers have five digits; a gateway's have not.
pub(super) const OWN_CODES: RangeInclusive<i64> = 10_000..=99_999;

/// One carrier's codes.
pub(super) struct Codes {
    /// The carrier's name in texts for people.
    pub name: &'static str,
    /// Where a code is explained: the address without the code.
    pub docs: &'static str,
    /// What is said of a 401 without a code.
    pub unauthorized: &'static str,
    /// The code of a 429.
    pub too_many: i64,
    /// Each code with its class and text, in order.
    pub table: &'static [(i64, ErrorClass, &'static str)],
}

impl Codes {
    pub fn get(&self, code: i64) -> Option<(ErrorClass, String)> {
        let (_, class, text) = self.table.iter().find(|(known, ..)| *known == code)?;
        Some((*class, (*text).to_owned()))
    }

    /// The class and the text of a refusal. The status decides first where it says more than a code could: a 429 or 5xx is
    /// that, whatever its body claims.
    pub fn meaning(&self, status: u16, code: Option<i64>) -> (ErrorClass, String) {
        if (500..600).contains(&status) {
            return (Transient, format!("{} returned a server error (HTTP {status}); the operator retries", self.name));
        }
        let code_to_read = if status == 429 { Some(self.too_many) } else { code };
        code_to_read.and_then(|code| self.get(code)).unwrap_or_else(|| self.by_status(status, code))
    }

    /// What is left to say of a code that is not known, or of an answer without one: a gateway's.
    fn by_status(&self, status: u16, code: Option<i64>) -> (ErrorClass, String) {
        let Self { name, docs, unauthorized, .. } = self;
        let class = class_of(status);
        let text = match code {
            Some(code) => format!("{name} refused the request with error {code} (HTTP {status}); see {docs}{code}"),
            None if class == Unauthorized => (*unauthorized).to_owned(),
            None => format!(
                "{name} or something in between returned HTTP {status} without a {name} error code; check spec.endpoint and any proxy between the \
                 cluster and {name}"
            ),
        };
        // A code that nobody has mapped says nothing about what a repetition would do.
        let class = if code.is_some() && class == Rejected { Unknown } else { class };
        (class, text)
    }
}
