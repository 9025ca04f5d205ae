//! Who is asking: a key's id and secret in one text, with a colon between. No I/O.

use super::{
    super::{
        config::Dialect,
        wire::Request,
        world::{Account, Simulation},
    },
    refusal::{Refusal, refuse},
};

/// The key with the id that a request bears.
pub(super) fn key_of(world: &Simulation, request: &Request) -> Option<String> {
    let id = request.bearer.as_deref()?.split(':').next()?;
    key(world, id).map(|key| key.sid.clone())
}

/// A key by its id. No account of a carrier is one.
pub(super) fn key<'a>(world: &'a Simulation, id: &str) -> Option<&'a Account> {
    world.accounts.get(id).filter(|account| account.dialect == Dialect::Nixflex)
}

/// The id of the key that asks, if its secret is right.
pub(super) fn authenticate(world: &Simulation, request: &Request) -> Result<String, Refusal> {
    let bad = || {
        let code = if world.switches.nixflex.old_key_code { "invalid_key" } else { "invalid_api_key" };
        refuse(401, code, "Invalid API key")
    };
    let Some(bearer) = request.bearer.as_deref() else { return bad() };
    let Some((id, secret)) = bearer.split_once(':').filter(|(_, secret)| !secret.is_empty()) else {
        return refuse(401, "key_secret_required", "Send the key as key_id:key_secret");
    };
    match key(world, id).filter(|key| key.token == secret && key.status != "closed") {
        Some(key) if key.status == "active" => Ok(key.sid.clone()),
        Some(_) => refuse(402, "payment_required", "The account has no credit left"),
        None => bad(),
    }
}
