//! Giving a number to the platform: everything is checked first, then the carrier's webhooks are written, then the row. It
//! is not atomic. No I/O.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    super::{
        config::SameAgent,
        faults::Fault,
        wire::{Effect, Reply, Request},
        world::Simulation,
    },
    auth, fields,
    numbers::{self, PROMPT},
    provider,
    refusal::{Refusal, refuse, refused},
    state::{Attached, Credentials},
};

/// What an import asks for.
struct Ask {
    number: String,
    agent: String,
    credentials: Credentials,
    settings: Map<String, Value>,
}

/// A text, by either of its names; empty counts as absent.
fn text<'a>(body: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| body.get(*name)?.as_str()).filter(|text| !text.is_empty())
}

/// The number that an import names.
pub(super) fn number_of(request: &Request) -> Option<String> {
    let body = request.json.as_ref()?.as_object()?;
    text(body, &["phone_number", "phoneNumber"]).map(str::to_owned)
}

impl Ask {
    fn read(world: &Simulation, body: &Map<String, Value>) -> Result<Self, Refusal> {
        let field = |names: &[&str]| match text(body, names) {
            Some(text) => Ok(text.to_owned()),
            None => refuse(400, "missing_field", format!("{} is required", names[0])),
        };
        let number = field(&["phone_number", "phoneNumber"])?;
        let agent = field(&["agent_id", "agentId"])?;
        // Which carrier it is, is told by nothing but the credentials.
        let named = |names: &[&str]| names.iter().any(|name| body.contains_key(*name));
        let telnyx = named(&["telnyx_api_key", "telnyx_connection_id"]);
        let twilio = named(&["twilio_sid", "twilioSid", "twilio_token", "twilioToken"]);
        if telnyx && twilio && world.switches.nixflex.refuse_both_carriers {
            return refuse(400, "invalid_request", "Send the credentials of one carrier");
        }
        let credentials = if telnyx && !twilio {
            Credentials::Telnyx {
                api_key: field(&["telnyx_api_key"])?,
                connection_id: field(&["telnyx_connection_id"])?,
            }
        } else {
            Credentials::Twilio {
                sid: field(&["twilio_sid", "twilioSid"])?,
                token: field(&["twilio_token", "twilioToken"])?,
            }
        };
        Ok(Self { number, agent, credentials, settings: fields::read(PROMPT, body)? })
    }

    /// Whether what was written down looks as it should.
    fn check_format(&self) -> Result<(), Refusal> {
        if self.number.parse::<crate::api::number::E164>().is_err() {
            return refuse(400, "invalid_phone_format", "phone_number must be in E.164 form");
        }
        match &self.credentials {
            Credentials::Twilio { sid, .. } if !is_twilio_sid(sid) => {
                refuse(400, "invalid_twilio_sid", "twilio_sid must be AC and 32 digits, a to f in small letters")
            }
            _ => Ok(()),
        }
    }
}

/// The platform's own idea of a SID: Twilio's allows capital letters.
fn is_twilio_sid(sid: &str) -> bool {
    let small = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    sid.strip_prefix("AC").is_some_and(|hex| hex.len() == 32 && hex.bytes().all(small))
}

/// Imports a number, as far as the checks let it, in the order of the documents.
pub(super) fn import(world: &mut Simulation, key: &str, request: &Request) -> Result<Reply, Refusal> {
    let body = fields::body(request)?;
    let echo = world.switches.nixflex.echo_details;
    checked(world, key, body, request).map_err(|refusal| match echo {
        true => refusal.with_details(Value::Object(body.clone())),
        false => refusal,
    })
}

fn checked(world: &mut Simulation, key: &str, body: &Map<String, Value>, request: &Request) -> Result<Reply, Refusal> {
    let Ask { number, agent, credentials, settings } = {
        let ask = Ask::read(world, body)?;
        ask.check_format()?;
        ask
    };
    let number_id = provider::find(world, &credentials, &number)?;
    check_agent(world, key, &agent)?;
    let status = match world.nixflex.rows.get(&number) {
        None => 201,
        Some(row) if row.key == key && row.agent.as_ref() == Some(&agent) => match world.switches.nixflex.same_agent {
            SameAgent::Conflict => return conflict(&number),
            SameAgent::Ok => 200,
            SameAgent::Created => 201,
        },
        Some(_) => return conflict(&number),
    };
    let by_platform = provider::point(world, &credentials, &number_id);
    if request.views.contains(&Fault::HalfDone) {
        let reply = refused(&Refusal::of_status(500, "Something went wrong"));
        return Ok(Reply { effect: Effect { by_platform, ..Effect::default() }, ..reply });
    }
    keep(
        world,
        Attached {
            number: number.clone(),
            key: key.to_owned(),
            agent: Some(agent),
            credentials,
            number_id,
            settings,
            created: Timestamp::now(),
        },
    );
    let shown = numbers::answer(world, &number, &numbers::OF_IMPORT);
    Ok(Reply::did(status, Some(shown), Effect { by_platform, number: Some(number), ..Effect::default() }))
}

fn conflict<T>(number: &str) -> Result<T, Refusal> {
    refuse(409, "number_already_imported", format!("{number} is attached to an agent already"))
}

/// The agent must be there, and be the key's.
fn check_agent(world: &Simulation, key: &str, id: &str) -> Result<(), Refusal> {
    match world.nixflex.agents.iter().find(|agent| agent.id == id) {
        Some(agent) if agent.key == key => Ok(()),
        Some(_) => refuse(403, "agent_not_owned", "The agent belongs to another account"),
        None => refuse(404, "agent_not_found", format!("There is no agent {id}")),
    }
}

/// Keeps a row. One that is there stays in its place, and what was set on it stays set.
fn keep(world: &mut Simulation, row: Attached) {
    if world.nixflex.rows.get(&row.number).is_none() {
        let settings = numbers::fresh(row.settings);
        return world.nixflex.rows.insert(Attached { settings, ..row });
    }
    world.nixflex.rows.change(&row.number.clone(), |kept| {
        let Attached { credentials, number_id, settings, .. } = row;
        kept.credentials = credentials;
        kept.number_id = number_id;
        kept.settings.extend(settings);
    });
}

/// Somebody imports a number in the console, with the credentials that its account has now.
pub(in super::super) fn attach(
    world: &mut Simulation,
    key: &str,
    number: &str,
    agent: &str,
    credentials: Credentials,
) -> Result<(), Refusal> {
    if auth::key(world, key).is_none() {
        return refuse(404, "not_found", format!("there is no key {key}"));
    }
    let number_id = provider::find(world, &credentials, number)?;
    check_agent(world, key, agent)?;
    if world.nixflex.rows.get(number).is_some() {
        return conflict(number);
    }
    provider::point(world, &credentials, &number_id);
    let (number, key, agent) = (number.to_owned(), key.to_owned(), Some(agent.to_owned()));
    let created = Timestamp::now();
    keep(world, Attached { number, key, agent, credentials, number_id, settings: Map::new(), created });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_with_capital_letters_is_none_although_the_carrier_takes_it() {
        assert!(is_twilio_sid("AC00000000000000000000000000000abc"));
        assert!(!is_twilio_sid("AC00000000000000000000000000000ABC") && !is_twilio_sid("AC1"));
    }
}
