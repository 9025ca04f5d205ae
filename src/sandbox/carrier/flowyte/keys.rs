//! Idempotency keys: the same key and body is answered once more, and nothing is done again. No I/O.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    super::{
        wire::{Effect, Reply, Request},
        world::Simulation,
    },
    PROBLEM, Refusal, later, refuse, refused_at,
    state::Answer,
};

/// Does what is asked, unless it was done under this key before. The key is the organization's, and for one path.
pub(super) fn once(
    world: &mut Simulation,
    account: &str,
    request: &Request,
    act: impl FnOnce(&mut Simulation) -> Result<Reply, Refusal>,
) -> Result<Reply, Refusal> {
    let Some(key) = request.idempotency_key.as_ref().filter(|key| !key.is_empty()) else { return act(world) };
    let place = (account.to_owned(), request.path.clone(), key.clone());
    let asked = request.json.clone().unwrap_or(Value::Null);
    let (now, kept_ms) = (Timestamp::now(), world.switches.flowyte.key_ms);
    let kept = world.flowyte.answers.get(&place);
    if let Some(kept) = kept.filter(|kept| kept_ms.is_none_or(|ms| later(kept.at, ms) > now)) {
        if kept.asked != asked {
            let status = world.switches.flowyte.key_conflict_status;
            return refuse(status, "idempotency_key_reused", "The key was used with another body.");
        }
        let effect = Effect { number: kept.number.clone(), ..Effect::default() };
        let code = (kept.status >= 400).then_some(i64::from(kept.status));
        let headers = code.map(|_| PROBLEM).into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        return Ok(Reply { status: kept.status, body: kept.body.clone(), headers, code, effect });
    }
    let done = act(world);
    let reply = match &done {
        Ok(reply) => reply.clone(),
        Err(_) if !world.switches.flowyte.keys_keep_refusals => return done,
        Err(refusal) => refused_at(world, request, refusal),
    };
    let number = reply.effect.number;
    let answer = Answer { asked, status: reply.status, body: reply.body, number, at: now };
    world.flowyte.answers.insert(place, answer);
    done
}
