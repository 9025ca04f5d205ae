//! Who is asking, and whether they may: by the key of a bearer and its scopes. No I/O.

use super::{
    super::{
        config::{Dialect, KeyScope},
        ledger::Kind,
        wire::Request,
        world::{Account, Simulation},
    },
    Refusal, refuse, unauthorized,
};

/// What every secret key begins with; a browser's key, which begins otherwise, is nobody's here.
pub(in super::super) const KEY_PREFIX: &str = "flowyte_sk_";

/// The account whose key the request bears, and what the key may do.
pub(super) fn caller<'a>(world: &'a Simulation, request: &Request) -> Option<(&'a Account, KeyScope)> {
    let key = request.bearer.as_deref().filter(|key| key.starts_with(KEY_PREFIX))?;
    world.holder_of(Dialect::Flowyte, key)
}

/// The organization that a request acts on, if it is in order and its key has the scope that this takes.
pub(super) fn authorize(world: &Simulation, request: &Request, kind: Kind, needed: &str) -> Result<String, Refusal> {
    let Some((account, scope)) = caller(world, request) else { return Err(unauthorized()) };
    if account.status != "active" {
        return refuse(403, "organization_inactive", "The organization is not active.");
    }
    let may = match &scope {
        KeyScope::Main | KeyScope::Standard => true,
        KeyScope::Restricted(kinds) => kinds.contains(&kind),
        KeyScope::Scopes(scopes) => scopes.iter().any(|scope| scope == needed),
    };
    if !may {
        return refuse(403, "insufficient_scope", format!("This key lacks the scope {needed}."));
    }
    Ok(account.sid.clone())
}
