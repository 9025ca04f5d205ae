//! Says of an AgentVersion whether it can serve, whether it does, and keeps it while a number reaches it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::{Decision, Effect, Look, Rest};
use crate::api::{
    Agent, AgentVersion,
    agent::{AgentVersionStatus, Draft},
    conditions::{Finding, Reason, conditions},
    meta::{IN_USE_FINALIZER, Key},
    number::{Destination, E164},
};

/// Everything known about one AgentVersion.
#[derive(Clone, Debug)]
pub struct World<'a> {
    pub now: Timestamp,
    pub version: &'a AgentVersion,
    /// The Agent that it is a version of.
    pub agent: Option<&'a Agent>,
    /// How many numbers reach it.
    pub numbers: u32,
    pub definition_going: Option<bool>,
    /// The platforms among the accounts that it names which take numbers of other carriers.
    pub binders: Vec<Key>,
}

/// Decides what to do next for an AgentVersion.
pub fn next(w: &World<'_>) -> Decision<AgentVersionStatus> {
    let held = w.version.finalizers().iter().any(|finalizer| finalizer == IN_USE_FINALIZER);
    let mut findings = Vec::new();
    if w.version.metadata.deletion_timestamp.is_some() {
        match (held, w.definition_going) {
            (false, _) => return Decision::Rest(Rest::NOTHING),
            (true, None) => return Decision::Look(Look::Definition),
            (true, Some(going)) if going || w.numbers == 0 => {
                return Decision::Act(Effect::RemoveFinalizer(IN_USE_FINALIZER));
            }
            (true, Some(_)) => findings.push(Finding::new(
                Reason::InUse,
                format!("{} numbers are routed to this version: publish another one. This one is deleted when no number uses it.", w.numbers),
            )),
        }
    } else if !held {
        return Decision::Act(Effect::AddFinalizer(IN_USE_FINALIZER));
    }
    let draft = w.version.spec.draft();
    findings.push(match validate(&draft, &w.version.namespace().unwrap_or_default(), &w.binders) {
        Ok(()) => Reason::Valid.into(),
        Err(why) => Finding::new(Reason::NotValid, format!("The version is not valid: {why}.")),
    });
    let serving = w.agent.and_then(|agent| agent.status.as_ref()?.published_version.as_deref());
    let live = serving == Some(&w.version.spec.version);
    findings.push(if live { Reason::Live.into() } else { Reason::NotLive.into() });

    let mut status = w.version.status.clone().unwrap_or_default();
    status.digest = Some(draft.digest());
    status.numbers = w.numbers;
    if live && status.published_at.is_none() {
        status.published_at = Some(Time(w.now));
    }
    let generation = w.version.metadata.generation;
    status.conditions = conditions(&status.conditions, &findings, generation, w.now);
    status.observed_generation = generation;
    Decision::Rest(Rest { status: Some(status), again: None })
}

/// Whether a draft of an Agent in `namespace` can serve: the rules that no schema can say. `binders` are the platforms that take numbers of
/// other carriers. The error is a clause for people.
pub fn validate(draft: &Draft, namespace: &str, binders: &[Key]) -> Result<(), String> {
    let hosts: Vec<Key> = draft.hosted.iter().map(|hosted| hosted.account_ref.key(namespace)).collect();
    if let Some((_, twice)) = hosts.iter().enumerate().find(|(i, host)| hosts[..*i].contains(host)) {
        return Err(format!("hosted names CarrierAccount {twice} twice: its numbers would have two agents"));
    }
    let mut takers = hosts.iter().filter(|host| binders.contains(host));
    if let (Some(one), Some(other)) = (takers.next(), takers.next()) {
        return Err(format!(
            "hosted names CarrierAccounts {one} and {other}, which both take numbers of other carriers: such a number would have two agents"
        ));
    }
    let (agent, number) = (Key::new("namespace", "agent"), E164::example());
    for (channel, destination) in draft.webhooks.route(&agent, "version", &number) {
        let Destination { url, fallback_url, .. } = &destination;
        for (field, url) in [("url", url), ("fallbackUrl", fallback_url)] {
            let Some(url) = url else { continue };
            let parsed = url::Url::parse(url).map_err(|e| format!("webhooks.{channel}.{field} is not a URL: {e}"))?;
            if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
                return Err(format!("webhooks.{channel}.{field} is not an absolute http or https URL"));
            }
        }
    }
    Ok(())
}
