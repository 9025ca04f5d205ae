//! Which agent a caller reaches, if any. No I/O.

use super::{
    super::{
        route::Place,
        traffic::{Hosted, Outcome, Traffic},
        world::{Number, Simulation},
    },
    state::AGENT,
    versions::published,
};

/// A call goes to the published version of the number's agent; nobody reads texts. Without an agent, with one that is gone,
/// was never published or is switched off, there is nothing.
pub(in super::super) fn route(world: &Simulation, traffic: Traffic, number: &Number) -> Place {
    let nothing = Place::Nowhere(Outcome::Nothing);
    let ours = |id: &str| {
        let agent = world.flowyte.agents.iter().find(|agent| agent.id == id && agent.account == number.account);
        agent.filter(|agent| agent.draft["isActive"] != false)
    };
    let Some(agent) = number.get(AGENT).and_then(ours).filter(|_| traffic == Traffic::Call) else { return nothing };
    match published(world, &agent.id) {
        Some(version) => Place::Hosted(Hosted { agent: agent.id.clone(), version: Some(version.id.clone()) }),
        None => nothing,
    }
}
