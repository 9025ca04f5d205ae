//! How the carrier can be told to misbehave, and for which requests. No I/O: this only chooses.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::ledger::Kind;

/// One way to misbehave. "Applied" means that the carrier did what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fault {
    /// Wait before anything else is done. What was asked happens even if the client hangs up meanwhile.
    Slow { ms: u64 },
    /// Never answered, never applied; the connection stays open.
    Hang,
    /// Applied, and then never answered; the connection stays open.
    HangAfter,
    /// 429: not applied. Telnyx has no `Retry-After` and says it in `x-ratelimit-reset`.
    TooMany { retry_after: Option<u64> },
    /// A 5xx before anything was applied.
    ServerErrorBefore { status: u16 },
    /// A 5xx although it was applied.
    ServerErrorAfter { status: u16 },
    /// The connection is closed without an answer; not applied.
    RequestLost,
    /// The connection is closed without an answer; applied.
    AnswerLost,
    /// The connection is closed without an answer; applied this much later.
    AppliedLate { ms: u64 },
    /// Applied; the answer breaks off in the middle of its body.
    TornBody,
    /// Not applied; a gateway's HTML page where JSON is expected.
    Html { status: u16 },
    /// Applied; 200 with a body that is JSON but not an answer.
    Rubbish,
    /// 401 with code 20003 (Telnyx: 10009; Flowyte: `unauthorized`): not applied.
    Unauthorized,
    /// 404 with code 20404 (Telnyx: 10005; Flowyte: `not_found`): not applied.
    NotFound,
    /// Any refusal with the carrier's own error code: not applied. Flowyte's codes are words; the status says which.
    Refuse { status: u16, code: i64 },
    /// The same where the carrier's codes are texts.
    RefuseAs { status: u16, code: String },
    /// What a platform does in two places stops in the middle, with a 500: the webhooks are written, its own memory is not.
    HalfDone,
    /// A listing page without its second half, whose links go on as if nothing were missing.
    TornPage,
    /// A listing page without rows, whose links go on as if nothing were missing.
    EmptyPage,
    /// A listing that shows the state of this long ago.
    Lag { ms: u64 },
    /// A listing that shows the state before the last `writes` changes of numbers.
    LagWrites { writes: usize },
}

/// How many of the changes, of which these are the times in their order, a reader is not shown to whom these faults happen.
pub(super) fn undone(
    views: &[Fault],
    changes: impl DoubleEndedIterator<Item = Instant> + ExactSizeIterator + Clone,
) -> usize {
    let undone = views.iter().map(|view| match view {
        Fault::Lag { ms } => match Instant::now().checked_sub(Duration::from_millis(*ms)) {
            Some(then) => changes.clone().rev().take_while(|at| *at > then).count(),
            None => changes.len(),
        },
        Fault::LagWrites { writes } => *writes,
        _ => 0,
    });
    undone.max().unwrap_or(0)
}

/// When in a request's life a fault acts. One fault of each request decides the outcome; delays and views add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Delay,
    View,
    Outcome,
}

impl Fault {
    fn stage(&self) -> Stage {
        match self {
            Fault::Slow { .. } => Stage::Delay,
            Fault::TornPage | Fault::EmptyPage | Fault::Lag { .. } | Fault::LagWrites { .. } | Fault::HalfDone => {
                Stage::View
            }
            _ => Stage::Outcome,
        }
    }

    /// The name by which the ledger and the admin API know it.
    pub fn name(&self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            Ok(serde_json::Value::Object(fields)) => fields.keys().next().cloned().unwrap_or_default(),
            _ => String::new(),
        }
    }
}

/// Which requests a fault is for. What is not set matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Match {
    pub method: Option<String>,
    /// The path without its query; `*` stands for any text.
    pub path: Option<String>,
    pub kind: Option<Kind>,
    /// The account that the path names, or else the one that the credentials belong to.
    pub account: Option<String>,
    /// The number the request is about, in E.164 form.
    pub number: Option<String>,
}

impl Match {
    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests of one kind.
    pub fn kind(kind: Kind) -> Self {
        Self { kind: Some(kind), ..Self::default() }
    }

    /// Requests that buy.
    pub fn purchase() -> Self {
        Self::kind(Kind::Purchase)
    }

    /// Requests that change where a number's traffic goes.
    pub fn route_write() -> Self {
        Self::kind(Kind::RouteWrite)
    }

    /// Requests that make an agent's draft what callers reach.
    pub fn publish() -> Self {
        Self::kind(Kind::Publish)
    }

    /// Pages of owned numbers.
    pub fn list() -> Self {
        Self::kind(Kind::List)
    }

    /// Requests with this path; `*` stands for any text.
    pub fn path(pattern: &str) -> Self {
        Self { path: Some(pattern.to_owned()), ..Self::default() }
    }

    /// Of these, only the ones with this method.
    pub fn method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// Of these, only the ones of this account.
    pub fn account(self, account: &str) -> Self {
        Self { account: Some(account.to_owned()), ..self }
    }

    /// Of these, only the ones about this number.
    pub fn number(self, number: &str) -> Self {
        Self { number: Some(number.to_owned()), ..self }
    }

    fn fits(&self, seen: &RequestView<'_>) -> bool {
        let Match { method, path, kind, account, number } = self;
        method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(seen.method))
            && path.as_deref().is_none_or(|p| glob(p.as_bytes(), seen.path.as_bytes()))
            && kind.is_none_or(|k| k == seen.kind)
            && account.as_deref().is_none_or(|a| Some(a) == seen.account)
            && number.as_deref().is_none_or(|n| Some(n) == seen.number)
    }
}

/// What a request shows of itself to the rules.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestView<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub kind: Kind,
    pub account: Option<&'a str>,
    pub number: Option<&'a str>,
}

/// A fault, the requests it is for, and how many of them: by default the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    #[serde(rename = "match", default)]
    pub when: Match,
    pub fault: Fault,
    /// How many fitting requests pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many then meet the fault; `None` for all of them.
    #[serde(default = "once")]
    pub times: Option<u32>,
}

fn once() -> Option<u32> {
    Some(1)
}

impl Rule {
    /// The next fitting request meets the fault.
    pub fn new(when: Match, fault: Fault) -> Self {
        Self { when, fault, skip: 0, times: once() }
    }

    /// Lets `requests` of them pass first.
    pub fn skip(self, requests: u32) -> Self {
        Self { skip: requests, ..self }
    }

    /// The fault is met this many times.
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// The fault is met until the rules are cleared.
    pub fn always(self) -> Self {
        Self { times: None, ..self }
    }
}

/// What one request is going to meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Met {
    pub delay_ms: u64,
    pub views: Vec<Fault>,
    pub outcome: Option<Fault>,
    pub names: Vec<String>,
}

/// The rules in force, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub rules: Vec<Rule>,
}

impl Faults {
    /// Chooses what a request meets, and counts it against the rules that it uses up.
    pub fn meet(&mut self, seen: &RequestView<'_>) -> Met {
        let mut met = Met::default();
        for rule in self.rules.iter_mut().filter(|r| r.when.fits(seen)) {
            let stage = rule.fault.stage();
            if stage == Stage::Outcome && met.outcome.is_some() {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if let Some(times) = &mut rule.times {
                *times = times.saturating_sub(1);
            }
            met.names.push(rule.fault.name());
            match (stage, &rule.fault) {
                (Stage::Delay, Fault::Slow { ms }) => met.delay_ms += ms,
                (Stage::View, fault) => met.views.push(fault.clone()),
                (_, fault) => met.outcome = Some(fault.clone()),
            }
        }
        self.rules.retain(|rule| rule.times != Some(0));
        met
    }
}

/// Whether `pattern`, in which `*` stands for any text, describes the whole of `text`.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|from| glob(rest, &text[from..])),
        Some((first, rest)) => text.split_first().is_some_and(|(t, tail)| t == first && glob(rest, tail)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(kind: Kind) -> RequestView<'static> {
        RequestView { method: "POST", path: "/a/b.json", kind, account: Some("AC1"), number: None }
    }

    #[test]
    fn a_rule_lets_some_pass_then_acts_then_is_spent() {
        let mut faults = Faults::default();
        faults.rules.push(Rule::new(Match::purchase(), Fault::AnswerLost).skip(1).times(2));
        let mut met = |kind| faults.meet(&seen(kind)).outcome.is_some();
        assert!(!met(Kind::Purchase), "the first passes");
        assert!(!met(Kind::List), "another kind neither meets it nor counts");
        assert!(met(Kind::Purchase) && met(Kind::Purchase));
        assert!(!met(Kind::Purchase), "spent");
    }

    #[test]
    fn delays_and_views_add_up_and_the_oldest_outcome_wins() {
        let mut faults = Faults::default();
        for fault in [
            Fault::Slow { ms: 5 },
            Fault::RequestLost,
            Fault::Slow { ms: 6 },
            Fault::AnswerLost,
            Fault::LagWrites { writes: 1 },
        ] {
            faults.rules.push(Rule::new(Match::any(), fault));
        }
        let met = faults.meet(&seen(Kind::List));
        assert_eq!((met.delay_ms, met.outcome, met.views.len()), (11, Some(Fault::RequestLost), 1));
        assert_eq!(faults.meet(&seen(Kind::List)).outcome, Some(Fault::AnswerLost), "the other waited its turn");
    }

    #[test]
    fn paths_are_matched_whole_with_stars_for_any_text() {
        assert!(glob(b"*/b.json", b"/a/b.json") && glob(b"*", b"") && glob(b"/a*json", b"/a/b.json"));
        assert!(!glob(b"/a", b"/a/b.json") && !glob(b"*/c.json", b"/a/b.json"));
    }

    #[test]
    fn a_rule_reads_well_as_json() {
        let rule: Rule =
            serde_json::from_str(r#"{"match": {"kind": "purchase"}, "fault": {"appliedLate": {"ms": 50}}}"#).unwrap();
        assert_eq!(rule, Rule::new(Match::purchase(), Fault::AppliedLate { ms: 50 }));
        let rule: Rule = serde_json::from_str(r#"{"fault": "hang", "times": null}"#).unwrap();
        assert_eq!(rule, Rule::new(Match::any(), Fault::Hang).always());
        assert_eq!(rule.fault.name(), "hang");
        assert_eq!(Fault::Slow { ms: 1 }.name(), "slow");
    }
}
