//! The agents that Flowyte hosts: which version answers, and which should (section 2). Does I/O.
//!
//! What people change is a draft that no caller meets before it is published (trap 19); to go back to an earlier version leaves that
//! draft, which the next publication would ship again (trap 20).

use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use super::{
    Flowyte, READ_AGENTS, WRITE_AGENTS,
    errors::{self, torn},
    wire::{self, Agent, Data, Shown, Version},
};
use crate::{
    api::seen::HostedVersions,
    carrier::{
        CarrierError, ErrorClass, HostedAgent, HostedVersion, Outcome,
        http::{Body, Call},
    },
};

pub(super) const AGENTS: &str = "/api/v1/agents";
const AGENT: &str = "/api/v1/agents/{}";
const VERSIONS: &str = "/api/v1/agents/{}/versions";
const DIFF: &str = "/api/v1/agents/{}/versions/{}/diff";
const PUBLISH: &str = "/api/v1/agents/{}/publish";
const ROLLBACK: &str = "/api/v1/agents/{}/rollback";

/// A version has the agent's whole configuration in it.
const BYTES_PER_VERSION: usize = 512 << 10;
/// So fewer of them fit on a page.
const VERSIONS_PER_PAGE: usize = 20;

/// In what a version differs from the draft.
#[derive(Debug, Deserialize)]
struct Diff {
    changes: Vec<IgnoredAny>,
}

impl Flowyte {
    /// The agent and its versions: three looks, which somebody may publish in between. Then the difference is that of what served at
    /// first, and the next look has it right.
    pub(super) async fn hosted(&self, id: &str) -> Result<Option<HostedAgent>, CarrierError> {
        let agent = match self.read::<Data<Agent>>(READ_AGENTS, self.call(AGENT, &[id], "")).await {
            Ok(Data { data: agent, .. }) if agent.id == id => agent,
            Ok(_) => return Err(torn("it shows another agent than the requested one")),
            Err(error) if errors::is_own(&error, ErrorClass::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let active = agent.is_active();
        let serving = agent.published_version_id;
        let known = self.versions(id).await?;
        let draft_differs = match &serving {
            Some(version) => {
                let args = [id, version.as_str()];
                let Data { data: diff, .. } = self.read::<Data<Diff>>(READ_AGENTS, self.call(DIFF, &args, "")).await?;
                !diff.changes.is_empty()
            }
            None => true,
        };
        let published = Some(HostedVersions { serving, known, draft_differs });
        Ok(Some(HostedAgent { id: id.to_owned(), active, published }))
    }

    async fn versions(&self, agent: &str) -> Result<Vec<HostedVersion>, CarrierError> {
        let budget = self.budget().of_rows(BYTES_PER_VERSION);
        let versions = self.pages::<Version>(READ_AGENTS, VERSIONS, &[agent], VERSIONS_PER_PAGE, budget).await?;
        Ok(wire::latest_first(versions))
    }

    /// Publishes the draft. What is answered is not documented for sure: if it is no version of this agent's, it is found by its note.
    pub(super) async fn publish_draft(&self, agent: &str, note: &str, key: &str) -> Outcome<HostedVersion> {
        let (args, headers) = ([agent], [("idempotency-key", key)]);
        let call = Call { headers: &headers, ..self.call(PUBLISH, &args, "") };
        let body = json!({ "note": note });
        match self.write::<Shown<Version>>("POST", WRITE_AGENTS, call, Body::Json(&body)).await {
            Outcome::Did(Shown(Some(version))) if version.is_of(agent) => Outcome::Did(version.shown()),
            Outcome::Did(_) => match self.versions(agent).await {
                Ok(versions) => {
                    let published = versions.into_iter().find(|version| version.note.as_deref() == Some(note));
                    let lost = || Outcome::Unknown(torn("the published version is not in the list"));
                    published.map_or_else(lost, Outcome::Did)
                }
                Err(error) => Outcome::Unknown(error),
            },
            Outcome::DidNothing(error) => Outcome::DidNothing(explained(
                error,
                "Flowyte cannot publish the agent's draft; check the draft in the Flowyte dashboard",
            )),
            Outcome::Unknown(error) => Outcome::Unknown(error),
        }
    }

    /// Has an earlier version serve again.
    pub(super) async fn roll_back(&self, agent: &str, version: &str) -> Outcome<HostedVersion> {
        let (args, body) = ([agent], json!({ "versionId": version }));
        match self.write::<Data<Version>>("POST", WRITE_AGENTS, self.call(ROLLBACK, &args, ""), Body::Json(&body)).await
        {
            Outcome::Did(Data { data: now, .. }) if now.id == version => Outcome::Did(now.shown()),
            Outcome::Did(_) => Outcome::Unknown(torn("it shows another version than the activated one")),
            Outcome::DidNothing(error) => Outcome::DidNothing(explained(
                error,
                "Flowyte has no such version of the agent; choose another versionId",
            )),
            Outcome::Unknown(error) => Outcome::Unknown(error),
        }
    }
}

/// A refusal in the words of what it is about.
fn explained(error: CarrierError, invalid: &str) -> CarrierError {
    let text = match error.class {
        _ if error.code.is_none() => return error,
        ErrorClass::Rejected => invalid,
        ErrorClass::NotFound => {
            "Flowyte has no such agent in this organization, or no such version of it; check both in the Flowyte dashboard"
        }
        ErrorClass::Conflict => {
            "this agent is being published at Flowyte already; the operator checks again and retries"
        }
        _ => return error,
    };
    CarrierError { text: text.to_owned(), ..error }
}
