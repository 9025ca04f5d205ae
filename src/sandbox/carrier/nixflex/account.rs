//! Keys, to which everything belongs, and how much each has used. No I/O.

use serde_json::{Value, json};

use super::{
    super::{
        config::{AccountSeed, Dialect},
        wire::{Effect, Reply},
        world::Simulation,
    },
    refusal::Refusal,
};

fn shown(id: &str, secret: &str, message: &str) -> Value {
    json!({ "message": message, "key_id": id, "key_secret": secret })
}

/// Makes a key, for anybody who asks. It sees nothing of any other.
pub(super) fn create_key(world: &mut Simulation) -> Result<Reply, Refusal> {
    let seed = AccountSeed { carrier: Dialect::Nixflex, ..AccountSeed::default() };
    let id = world.add_account(seed).map_err(|message| Refusal::of_status(500, &message))?;
    let secret = world.accounts.get(&id).map(|key| key.token.clone()).unwrap_or_default();
    let body = shown(&id, &secret, "Save the secret; it is not shown again.");
    Ok(Reply::did(201, Some(body), Effect::default()))
}

/// Gives the key another secret; the old one is dead at once.
pub(super) fn rotate(world: &mut Simulation, key: &str) -> Result<Reply, Refusal> {
    let secret = Dialect::Nixflex.token(&world.hex("token"));
    if let Some(key) = world.accounts.get_mut(key) {
        key.token.clone_from(&secret);
    }
    Ok(Reply::did(200, Some(shown(key, &secret, "The old secret no longer works.")), Effect::default()))
}

/// What a key has used, and what it may.
pub(super) fn usage(world: &Simulation, key: &str) -> Result<Reply, Refusal> {
    let used = world.nixflex.usage.get(key).cloned().unwrap_or_default();
    let switches = &world.switches.nixflex;
    let plan = match switches.max_concurrent {
        ..=10 => "starter",
        11..=25 => "growth",
        _ => "scale",
    };
    Ok(Reply::ok(json!({
        "plan": plan,
        "total_calls": used.calls,
        "total_minutes": used.calls,
        "total_cost": used.calls as f64 * 0.05,
        "rate_limit_per_minute": switches.reads_per_minute,
        "max_concurrent": switches.max_concurrent,
        "peak_concurrent_this_month": used.peak,
        "rejected_at_cap_this_month": used.rejected,
    })))
}
