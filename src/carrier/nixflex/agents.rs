//! The agents that answer: whether there is one, and which there are. Does I/O.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::{
    Nixflex, errors,
    wire::{Agent, AgentId},
};
use crate::carrier::{CarrierError, HostedAgent, budget::Budget, lenient::Rows};

const AGENTS: &str = "/v1/agents";
const AGENT: &str = "/v1/agents/{}";
/// As many as may be asked for by either account of it (section 3).
const LIMIT: usize = 100;

/// A page of agents: a bare list, or one in an envelope (section 3). Those that cannot be read are left out: what their numbers are
/// is compared with how many there should be.
#[derive(Debug)]
pub(super) struct Page(Vec<AgentId>);

impl<'de> Deserialize<'de> for Page {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Envelope {
            agents: Rows<AgentId>,
        }
        let raw = Box::<RawValue>::deserialize(from)?;
        let bare = serde_json::from_str::<Rows<AgentId>>(raw.get());
        let Rows(agents) = bare
            .or_else(|_| serde_json::from_str(raw.get()).map(|Envelope { agents }| agents))
            .map_err(D::Error::custom)?;
        Ok(Self(agents))
    }
}

impl Nixflex {
    /// One agent, switched on or off. Whoever it belongs to otherwise, it is none of this key's.
    pub(super) async fn hosted(&self, id: &str) -> Result<Option<HostedAgent>, CarrierError> {
        let none = [errors::AGENT_NOT_FOUND, errors::AGENT_NOT_OWNED];
        match self.http.read::<Agent>(self.call(AGENT, &[id], "")).await {
            Ok(agent) if agent.id == id => {
                // An agent has no versions: what is changed serves at once.
                Ok(Some(HostedAgent { id: agent.id, active: agent.active, published: None }))
            }
            Ok(_) => Err(errors::torn("it shows another agent than the requested one")),
            // A 404 without the code is somebody else's, or of another path.
            Err(error) if none.iter().any(|code| error.has_code(code)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every agent that is listed, to the first page that has no further one: how many a page holds is documented in two ways.
    pub(super) async fn agent_ids(&self, budget: &mut Budget) -> Result<BTreeSet<String>, CarrierError> {
        let (mut ids, mut offset) = (BTreeSet::new(), 0);
        loop {
            let query = format!("limit={LIMIT}&offset={offset}");
            let (Page(agents), bytes): (Page, _) = self.http.read_sized(self.call(AGENTS, &[], &query)).await?;
            budget.take(agents.len(), bytes)?;
            offset += agents.len();
            let known = ids.len();
            ids.extend(agents.into_iter().map(|agent| agent.agent_id));
            if ids.len() == known {
                return Ok(ids);
            }
        }
    }
}
