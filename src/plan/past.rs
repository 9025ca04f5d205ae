//! What is left of the names that were used before an Agent was made. No I/O.
//!
//! A name is used once. An Agent that was made again, because its namespace was deleted, in another cluster or by a `replace`, has
//! forgotten what its predecessor published, and its draft may have moved on since. So before a draft is frozen under a name for
//! which the Agent itself does not vouch, it is asked who remembers that name. Whoever knows what was published under it settles
//! whether it was this draft; whoever knows only that it was used has a person decide.

use std::{fmt, time::Duration};

use kube::ResourceExt;

use super::{Requested, policy};
use crate::api::{
    Agent, AgentVersion,
    agent::PublishedVersion,
    conditions::{Finding, Reason},
    meta::{Key, PUBLISHED},
    number::E164,
};

/// How many names stand in the annotation that a backup takes along.
const KEPT: usize = 20;

/// How long to wait before it is asked again what is not known yet: nobody calls when an account was listed.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What was found of one name, when it was looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    pub traces: Vec<Trace>,
    /// The accounts that could not be asked yet.
    pub unlisted: Vec<Unlisted>,
    /// Whether one that is the agent's own affair was: a neighbour's says nothing of what is applied along with the agent.
    pub listed: bool,
}

/// Something that remembers the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    pub at: Place,
    /// Fingerprint of what was published under it, where that is known.
    pub digest: Option<String>,
}

/// Where the name is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This object found out before.
    Itself,
    /// The annotation that came with the object, out of a backup or an export.
    Annotation,
    /// This process saw an Agent of the same name published and deleted.
    Predecessor,
    /// The number was sent there, by its claim.
    Claim(E164),
    /// The PhoneNumber reaches it, by its status.
    Number(Key),
    /// The carrier sends the number there.
    Carrier { account: Key, number: E164, bond: Bond },
    /// What the agent's numbers share at the account leads there.
    Shared(Key),
}

/// What an account has to do with an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bond {
    /// Its owner lets the agent's namespace use it, or the agent lets its namespace refer to it, and nobody does so yet.
    Offered,
    /// It is in the agent's namespace, or a number that the agent lets refer to it is there.
    Allowed,
    /// A number of the agent's own namespace is there that refers to it.
    Own,
}

/// An account that has not been listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlisted {
    pub account: Key,
    pub bond: Bond,
}

/// Why a name is not free, or not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) finding: Finding,
    /// When to ask again, where it is only not known yet.
    pub(super) again: Option<Duration>,
}

/// Whether the draft with this digest may be frozen under a name that the Agent has not published. `known_for` says for how long
/// this process has known the object. The error says why not; `goes_on` ends it.
pub(super) fn check(
    agent: &Agent,
    name: &str,
    digest: &str,
    past: &Past,
    known_for: Duration,
    goes_on: &str,
) -> Result<(), Taken> {
    let own = own_traces(agent, name);
    // What the object knows of itself comes last: it says least.
    let traces: Vec<&Trace> = past.traces.iter().chain(&own).collect();
    let known = || traces.iter().filter_map(|trace| trace.digest.as_deref());
    if known().any(|known| known == digest) && known().all(|known| known == digest) {
        return Ok(());
    }
    let version = AgentVersion::name_of(&agent.name_any(), name);
    let (doubtful, firm): (Vec<&Trace>, Vec<&Trace>) = traces.into_iter().partition(|trace| trace.is_doubtful());
    // Who says what it was says more than who says that it was.
    if let Some(trace) =
        firm.iter().find(|trace| trace.digest.as_deref().is_some_and(|known| known != digest)).or(firm.first())
    {
        let (differs, vouch) = match trace.digest {
            Some(_) => (
                "differs",
                format!(
                    "change the draft back, or set spec.versionDigest to {digest} to publish the draft as {name} anyway"
                ),
            ),
            None => ("may differ", format!("set spec.versionDigest to {digest} if the draft is what {name} was")),
        };
        let text = format!(
            "{name} was used before this Agent was created: {trace}. The draft {differs} from that and is not published under its name: \
             create AgentVersion {version} unchanged, {vouch}, or publish under a new name. {goes_on}"
        );
        return Err(Taken { finding: Finding::new(Reason::VersionNameUsed, text), again: None });
    }
    let is_first = agent.status.as_ref().is_none_or(|status| status.versions.is_empty());
    let waits = |what: String, until: Duration| {
        let again = until.saturating_sub(known_for).min(ASK_AGAIN);
        let text = format!(
            "The operator does not know yet whether {name} was used before this Agent was created: {what}. To publish at once, create \
             AgentVersion {version} or set spec.versionDigest. {goes_on}"
        );
        (known_for < until)
            .then(|| Taken { finding: Finding::new(Reason::VersionNameNotChecked, text), again: Some(again) })
    };
    let doubtful = doubtful.first().and_then(|trace| {
        waits(format!("{trace}, and no PhoneNumber of this agent names that number"), policy::NAME_DOUBTED)
    });
    let unlisted = past.unlisted.iter().filter(|_| is_first).find_map(|unlisted| {
        waits(format!("CarrierAccount {} is not listed yet", unlisted.account), unlisted.bond.patience())
    });
    let alone = || waits("it waits for objects that are applied together with it".to_owned(), policy::APPLIED_TOGETHER);
    match doubtful.or(unlisted).or_else(|| (is_first && !past.listed).then(alone).flatten()) {
        Some(taken) => Err(taken),
        None => Ok(()),
    }
}

impl Bond {
    /// How long its listing is waited for. A neighbour's account must not hold an agent up; a number of its own may.
    fn patience(self) -> Duration {
        match self {
            Bond::Own => Duration::MAX,
            Bond::Allowed => policy::LISTED_WITHIN,
            Bond::Offered => policy::APPLIED_TOGETHER,
        }
    }
}

impl Trace {
    /// Whether it is a neighbour's word alone: that delays and does not block.
    fn is_doubtful(&self) -> bool {
        matches!(self.at, Place::Carrier { bond: Bond::Offered, .. })
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Place::Itself => f.write_str("an earlier check found it"),
            Place::Annotation => write!(f, "its annotation {PUBLISHED}, from a backup or an export, names it"),
            Place::Predecessor => f.write_str("an Agent of this name published it and was deleted"),
            Place::Claim(number) => write!(f, "the claim of {number} says that it was routed there"),
            Place::Number(key) => write!(f, "PhoneNumber {key} is routed to it"),
            Place::Carrier { account, number, .. } => {
                write!(f, "{number} of CarrierAccount {account} is routed there at the carrier")
            }
            Place::Shared(account) => {
                write!(f, "the route that its numbers share at CarrierAccount {account} goes there")
            }
        }?;
        match &self.digest {
            Some(digest) => write!(f, ", with the digest {digest}"),
            None => Ok(()),
        }
    }
}

/// What the object itself carries along.
fn own_traces(agent: &Agent, name: &str) -> Vec<Trace> {
    let used = agent.status.iter().flat_map(|status| &status.used_before).filter(|used| *used == name);
    let noted = annotated(agent).into_iter().filter(|version| version.name == name);
    let used = used.map(|_| Trace { at: Place::Itself, digest: None });
    used.chain(noted.map(|version| Trace { at: Place::Annotation, digest: Some(version.digest) })).collect()
}

/// What the annotation names. What is not of its form was written by somebody else and says nothing.
fn annotated(agent: &Agent) -> Vec<PublishedVersion> {
    let text = agent.annotation(PUBLISHED).unwrap_or_default();
    let whole = |(name, digest): &(&str, &str)| (1..=63).contains(&name.len()) && digest.starts_with("sha256:");
    let entries = text.split(',').filter_map(|entry| entry.trim().split_once('=')).filter(whole);
    let mut noted: Vec<PublishedVersion> =
        entries.map(|(name, digest)| PublishedVersion { name: name.to_owned(), digest: digest.to_owned() }).collect();
    noted.split_off(noted.len().saturating_sub(KEPT))
}

/// What the annotation should be, where it is not so yet: the names that were published last, and those that came with the object.
pub(super) fn to_note(agent: &Agent) -> Option<String> {
    let published = agent.status.as_ref().map(|status| &*status.versions).filter(|versions| !versions.is_empty())?;
    let last = &published[published.len().saturating_sub(KEPT)..];
    let mut noted = annotated(agent);
    noted.retain(|before| last.iter().all(|version| version.name != before.name));
    noted.extend_from_slice(last);
    let noted = noted.split_off(noted.len().saturating_sub(KEPT));
    let text: Vec<String> = noted.iter().map(|version| format!("{}={}", version.name, version.digest)).collect();
    let text = text.join(",");
    (agent.annotation(PUBLISHED) != Some(&text)).then_some(text)
}
