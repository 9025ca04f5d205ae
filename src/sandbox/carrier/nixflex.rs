//! Nixflex's dialect: which path means what, who may ask it, and how a refusal looks. No I/O.
//!
//! A platform that hosts agents and takes over numbers that stay at Twilio or Telnyx: it really writes the webhooks of the
//! sandbox's numbers, and calls really come to it. A base URL of `<sandbox>/nixflex` stands for `https://api.nixflex.com`.
//! Facts and their sources are in `docs/carriers/nixflex.md`; where it says that nobody knows, there is a
//! [switch](super::config::NixflexSwitches). Callers' memories, the customer's own storage and models, and calls that it
//! makes are left out.

mod account;
mod agents;
mod answer;
mod auth;
mod fields;
mod import;
mod integrations;
mod numbers;
mod provider;
mod rates;
mod refusal;
mod state;

pub use self::answer::NixflexWebhooks;
pub(super) use self::{
    agents::{all as all_agents, edit as edit_agent, found as found_agent, removed as remove_agent},
    answer::{answer, at_home, heard},
    import::attach,
    integrations::{is_on, switch},
    numbers::{all as all_rows, detach, edit as edit_row, row},
    provider::credentials_of,
    rates::too_many,
    refusal::{Refusal, refused},
    state::State,
};

use super::{
    ledger::Kind,
    wire::{Reply, Request},
    world::Simulation,
};

/// What a path is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource<'a> {
    Keys,
    Rotate,
    Usage,
    Numbers,
    Number(&'a str),
    /// What is set on a number elsewhere than in its row, by its name in the path.
    Integration(&'a str, &'a str),
    AgentPrecall(&'a str),
    Agents,
    Agent(&'a str),
}

fn resource(path: &str) -> Option<Resource<'_>> {
    let parts: Vec<&str> = path.strip_prefix("/nixflex/v1/")?.split('/').collect();
    Some(match parts.as_slice() {
        ["keys"] => Resource::Keys,
        ["keys", "rotate"] => Resource::Rotate,
        ["usage"] => Resource::Usage,
        ["phone-numbers"] => Resource::Numbers,
        ["phone-numbers", number] => Resource::Number(number),
        ["integrations", name, "number", number] if integrations::NAMES.contains(name) => {
            Resource::Integration(name, number)
        }
        ["integrations", "precall", "agent", agent] => Resource::AgentPrecall(agent),
        ["agents"] => Resource::Agents,
        ["agents", agent] => Resource::Agent(agent),
        _ => return None,
    })
}

/// What a request is for, before it is known what becomes of it.
pub(super) fn classify(request: &Request) -> Kind {
    let read = request.method == "GET";
    match (resource(&request.path), request.method.as_str()) {
        (None, _) | (Some(Resource::Number(_)), "GET") => Kind::Unknown,
        (Some(Resource::Numbers), "GET") => Kind::List,
        (Some(Resource::Numbers), _) => Kind::Attach,
        (Some(Resource::Number(_)), "DELETE") => Kind::Detach,
        (Some(_), _) if read => Kind::Look,
        (Some(Resource::Number(_) | Resource::Integration(..)), _) => Kind::AttachmentWrite,
        (Some(Resource::Agents | Resource::Agent(_) | Resource::AgentPrecall(_)), _) => Kind::AgentWrite,
        (Some(Resource::Keys | Resource::Rotate | Resource::Usage), _) => Kind::AccountWrite,
    }
}

/// The key that a request bears, whatever its secret.
pub(super) fn account_of(world: &Simulation, request: &Request) -> Option<String> {
    auth::key_of(world, request)
}

/// The number that a request is about, as far as it says so.
pub(super) fn number_of(_: &Simulation, request: &Request) -> Option<String> {
    match resource(&request.path)? {
        Resource::Number(number) | Resource::Integration(_, number) => Some(numbers::decoded(number)),
        Resource::Numbers => import::number_of(request),
        _ => None,
    }
}

/// Does what the request asks, and answers it.
pub(super) fn handle(world: &mut Simulation, request: &Request) -> Reply {
    if (resource(&request.path), request.method.as_str()) == (Some(Resource::Keys), "POST") {
        return account::create_key(world).unwrap_or_else(|refusal| refused(&refusal));
    }
    let key = match auth::authenticate(world, request) {
        Ok(key) => key,
        Err(refusal) => return refused(&refusal),
    };
    let rate = rates::counted(world, &key, request.method == "GET");
    let mut reply = match rate.exceeded {
        true => too_many(Some(rate.wait())),
        false => dispatch(world, &key, request).unwrap_or_else(|refusal| refused(&refusal)),
    };
    rate.stamp(&mut reply);
    reply
}

fn dispatch(world: &mut Simulation, key: &str, request: &Request) -> Result<Reply, Refusal> {
    let Some(resource) = resource(&request.path) else { return refusal::no_such_path(request) };
    match (resource, request.method.as_str()) {
        (Resource::Rotate, "POST") => account::rotate(world, key),
        (Resource::Usage, "GET") => account::usage(world, key),
        (Resource::Numbers, "GET") => numbers::list(world, key, request),
        (Resource::Numbers, "POST") => import::import(world, key, request),
        (Resource::Number(number), "PATCH") => numbers::update(world, key, number, request),
        (Resource::Number(number), "DELETE") => numbers::remove(world, key, number, request),
        (Resource::Integration(name, number), _) => integrations::handle(world, key, name, number, request),
        (Resource::AgentPrecall(agent), "PUT") => integrations::agent_precall(world, key, agent, request),
        (Resource::Agents, "GET") => agents::list(world, key, request),
        (Resource::Agents, "POST") => agents::create(world, key, request),
        (Resource::Agent(agent), "GET") => agents::fetch(world, key, agent),
        (Resource::Agent(agent), "PUT") => agents::update(world, key, agent, request),
        (Resource::Agent(agent), "DELETE") => agents::remove(world, key, agent),
        // One number cannot be asked for, as if there were no such path.
        _ => refusal::no_such_path(request),
    }
}

/// Puts on an answer what stands on every one: the headers of the rates, if it has none, and the id of the request.
pub(super) fn finish(reply: &mut Reply) {
    rates::stamp_unknown(reply);
    let now = jiff::Timestamp::now().as_nanosecond();
    reply.headers.push(("x-railway-request-id", super::text::hex32(&format!("request at {now}"))));
}

/// A time as the platform writes it.
fn iso(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_one_thing() {
        for (path, expected) in [
            ("/nixflex/v1/phone-numbers", Some(Resource::Numbers)),
            ("/nixflex/v1/phone-numbers/%2B4420", Some(Resource::Number("%2B4420"))),
            ("/nixflex/v1/integrations/monitor/number/%2B1", Some(Resource::Integration("monitor", "%2B1"))),
            ("/nixflex/v1/integrations/precall/agent/agent_1", Some(Resource::AgentPrecall("agent_1"))),
            ("/nixflex/v1/keys/rotate", Some(Resource::Rotate)),
            ("/nixflex/v1/integrations/nonsense/number/%2B1", None),
            ("/nixflex/v2/agents", None),
        ] {
            assert_eq!(resource(path), expected, "{path}");
        }
    }
}
