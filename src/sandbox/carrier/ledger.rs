//! The judge: what was asked of the carrier, what was answered and what it changed. No I/O.
//!
//! It never holds a credential: `Authorization` is not recorded at all, and tokens are taken out of recorded bodies.
//! Webhook URLs can carry secrets of their own, so queries, forms and bodies are kept only when a test asks for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a request is for, by its method and path; for purchases also by what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// One owned number.
    Read,
    /// One page of owned numbers.
    List,
    /// Numbers that could be bought.
    Search,
    /// Accounts, balances, prices, messaging services, orders: anything else that only looks.
    Look,
    /// Buying a number: money is spent if it was applied. An order that fails later gives it back and is then not applied.
    Purchase,
    /// Having a number kept for a while, and for longer: nothing is spent, and no owned number changes.
    Hold,
    /// A change of an order that was placed: its name, its cancellation.
    OrderWrite,
    /// A purchase of a number that the account owns already, which acted as an update: no money is spent.
    Overwrite,
    /// A change of where a number's traffic goes.
    RouteWrite,
    /// A change of anything else about a number: its name, its address.
    SettingsWrite,
    /// Giving a number back.
    Release,
    /// A change of messaging services or their members.
    MessagingWrite,
    /// A change of what numbers share as their route: applications, messaging profiles.
    ApplicationWrite,
    /// Taking a number into the account that it has elsewhere already: nothing is spent.
    Import,
    /// A change of the agents that a carrier hosts: their drafts, and which of them there are.
    AgentWrite,
    /// Making an agent's draft the version that callers reach.
    Publish,
    /// Making an earlier version of an agent what callers reach.
    Rollback,
    /// A change of accounts.
    AccountWrite,
    /// Giving a number that stays at its carrier to a platform whose agent is to answer it.
    Attach,
    /// Taking it from there again; the carrier goes on having it, and being paid for it.
    Detach,
    /// A change of how the platform answers a number: its prompt, its flags.
    AttachmentWrite,
    /// A change of an owned number by a platform that it was given to, and not by any request of ours.
    PlatformWrite,
    /// A path that the carrier does not have.
    Unknown,
}

impl Kind {
    /// Whether requests of this kind only look.
    pub fn is_read(self) -> bool {
        matches!(self, Kind::Read | Kind::List | Kind::Search | Kind::Look | Kind::Unknown)
    }

    /// Whether it changes an owned number: what "no writes" in a promise is about.
    pub fn is_number_write(self) -> bool {
        matches!(self, Kind::RouteWrite | Kind::SettingsWrite | Kind::Overwrite)
    }
}

/// One request to the carrier, from its arrival on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Position in the ledger since the sandbox began; it goes on counting through a reset.
    pub seq: u64,
    /// Arrival, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub method: String,
    /// Without its query.
    pub path: String,
    pub kind: Kind,
    /// The account that the request acted on, or the one that its credentials belong to.
    pub account: Option<String>,
    /// The number it was about, in E.164 form.
    pub number: Option<String>,
    /// HTTP status; `None` while the request is being worked on, and when nothing was ever answered.
    pub status: Option<u16>,
    /// The carrier's error code; the HTTP status, where its codes are words.
    pub code: Option<i64>,
    /// Whether it changed the carrier's state, or would have if it had said anything new. `false` for reads.
    pub applied: bool,
    /// Names of the number's fields whose values became different. Empty for a write that said nothing new.
    pub changed: Vec<String>,
    /// Where a purchase is an order that ends later, what became of it: `pending`, `success`, `failure`, `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The misbehaviour it met, by name.
    pub faults: Vec<String>,
    /// What was sent and answered; only with `record_bodies`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bodies: Option<Bodies>,
}

/// What a request said and was told, as far as the wire shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bodies {
    pub query: Vec<(String, String)>,
    pub form: Vec<(String, String)>,
    /// A body that is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    pub answer: Option<Value>,
}

/// Everything that was asked, in order of arrival.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    entries: Vec<Entry>,
    next: u64,
    /// The most requests that were in the carrier's hands at once, per account.
    pub peak: BTreeMap<String, usize>,
}

/// The ledger in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub requests: usize,
    pub purchases: usize,
    pub releases: usize,
    /// Applied changes of owned numbers, without purchases.
    pub writes: usize,
    /// Those of them that changed nothing.
    pub idle_writes: usize,
    pub lists: usize,
    pub searches: usize,
    pub reads: usize,
    /// Requests answered with each HTTP status; `0` for those never answered.
    pub statuses: BTreeMap<u16, usize>,
    /// Applied purchases of each number: any figure above 1 is a double purchase.
    pub purchases_by_number: BTreeMap<String, usize>,
    pub writes_by_number: BTreeMap<String, usize>,
    pub peak: BTreeMap<String, usize>,
}

impl Ledger {
    /// Every request since the last reset.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Requests of one kind, whatever became of them.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |e| e.kind == kind)
    }

    fn applied(&self, kind: Kind) -> usize {
        self.of(kind).filter(|e| e.applied).count()
    }

    /// Numbers bought: the requests that spent money, answered or not.
    pub fn purchases(&self) -> usize {
        self.applied(Kind::Purchase)
    }

    /// Numbers given back through the API.
    pub fn releases(&self) -> usize {
        self.applied(Kind::Release)
    }

    /// Versions published, answered or not.
    pub fn publishes(&self) -> usize {
        self.applied(Kind::Publish)
    }

    /// Applied changes of owned numbers; buying and giving back are not among them.
    pub fn writes(&self) -> usize {
        self.number_writes().count()
    }

    /// Applied changes of one number.
    pub fn writes_to(&self, number: &str) -> usize {
        self.number_writes().filter(|e| e.number.as_deref() == Some(number)).count()
    }

    /// How often one number was bought.
    pub fn purchases_of(&self, number: &str) -> usize {
        self.of(Kind::Purchase).filter(|e| e.applied && e.number.as_deref() == Some(number)).count()
    }

    /// Pages of owned numbers asked for.
    pub fn lists(&self) -> usize {
        self.of(Kind::List).count()
    }

    /// Searches for numbers to buy.
    pub fn searches(&self) -> usize {
        self.of(Kind::Search).count()
    }

    fn number_writes(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.applied && e.kind.is_number_write())
    }

    /// The whole in figures.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            requests: self.entries.len(),
            purchases: self.purchases(),
            releases: self.releases(),
            writes: self.writes(),
            idle_writes: self.number_writes().filter(|e| e.changed.is_empty()).count(),
            lists: self.lists(),
            searches: self.searches(),
            reads: self.of(Kind::Read).count(),
            peak: self.peak.clone(),
            ..Summary::default()
        };
        for entry in &self.entries {
            *summary.statuses.entry(entry.status.unwrap_or(0)).or_default() += 1;
            let (Some(number), true) = (&entry.number, entry.applied) else { continue };
            if entry.kind == Kind::Purchase {
                *summary.purchases_by_number.entry(number.clone()).or_default() += 1;
            } else if entry.kind.is_number_write() {
                *summary.writes_by_number.entry(number.clone()).or_default() += 1;
            }
        }
        summary
    }

    /// Writes down a request that has just arrived, so that one that is never answered is there too.
    pub(super) fn open(&mut self, mut entry: Entry) -> u64 {
        entry.seq = self.next;
        self.next += 1;
        self.entries.push(entry);
        self.next - 1
    }

    /// Completes an entry. One that a reset has forgotten stays forgotten.
    pub(super) fn amend(&mut self, seq: u64, change: impl FnOnce(&mut Entry)) {
        let first = self.entries.first().map_or(self.next, |e| e.seq);
        if let Some(entry) = seq.checked_sub(first).and_then(|at| self.entries.get_mut(at as usize)) {
            change(entry);
        }
    }

    /// Forgets what was asked so far.
    pub(super) fn reset(&mut self) {
        self.entries.clear();
        self.peak.clear();
    }
}

/// The names of what is secret in answers, and in what is asked in JSON.
const SECRETS: [&str; 4] = ["auth_token", "secret", "external_pin", "v1_secret"];

/// Those of a platform that is told other carriers' credentials.
const PLATFORM_SECRETS: [&str; 5] =
    ["key_secret", "twilio_token", "twilioToken", "twilio_auth_token", "telnyx_api_key"];

/// Takes tokens and secrets out of an answer before it is recorded.
pub(super) fn redacted(mut answer: Value) -> Value {
    match &mut answer {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                let secret = value.is_string()
                    && (SECRETS.contains(&name.as_str()) || PLATFORM_SECRETS.contains(&name.as_str()));
                *value = if secret { Value::from("redacted") } else { redacted(value.take()) };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = redacted(item.take())),
        _ => {}
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, number: &str, applied: bool, changed: &[&str]) -> Entry {
        Entry {
            seq: 0,
            at_ms: 0,
            method: "POST".into(),
            path: "/".into(),
            kind,
            account: None,
            number: Some(number.into()),
            status: Some(200),
            code: None,
            applied,
            changed: changed.iter().map(|s| s.to_string()).collect(),
            order: None,
            faults: vec![],
            bodies: None,
        }
    }

    #[test]
    fn only_what_was_applied_counts_as_bought_or_written() {
        let mut ledger = Ledger::default();
        ledger.open(entry(Kind::Purchase, "+14155550100", false, &[]));
        ledger.open(entry(Kind::Purchase, "+14155550100", true, &["voice_url"]));
        ledger.open(entry(Kind::RouteWrite, "+14155550100", true, &[]));
        ledger.open(entry(Kind::Overwrite, "+14155550100", true, &["voice_url"]));
        let summary = ledger.summary();
        assert_eq!((summary.purchases, summary.writes, summary.idle_writes, summary.requests), (1, 2, 1, 4));
        assert_eq!((ledger.purchases_of("+14155550100"), ledger.writes_to("+14155550100")), (1, 2));
    }

    #[test]
    fn an_entry_forgotten_by_a_reset_is_not_mistaken_for_a_later_one() {
        let mut ledger = Ledger::default();
        let old = ledger.open(entry(Kind::Read, "+14155550100", false, &[]));
        ledger.reset();
        let new = ledger.open(entry(Kind::Read, "+14155550101", false, &[]));
        ledger.amend(old, |e| e.status = Some(500));
        ledger.amend(new, |e| e.status = Some(201));
        assert_eq!(ledger.entries()[0].status, Some(201));
    }

    #[test]
    fn tokens_do_not_reach_the_ledger() {
        let answer = serde_json::json!({"accounts": [{"auth_token": "s3cret", "sid": "AC1"}]});
        assert_eq!(redacted(answer).to_string(), r#"{"accounts":[{"auth_token":"redacted","sid":"AC1"}]}"#);
    }
}
