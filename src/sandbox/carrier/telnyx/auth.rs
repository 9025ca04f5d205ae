//! Who is asking, and whether they may: by the key of a bearer. No I/O.

use super::{
    super::{
        config::{Dialect, KeyScope},
        ledger::Kind,
        wire::Request,
        world::{Account, Simulation},
    },
    Refusal, refuse, unauthorized,
};

/// The account whose key the request bears, and what the key may do.
pub(super) fn caller<'a>(world: &'a Simulation, request: &Request) -> Option<(&'a Account, KeyScope)> {
    let key = request.bearer.as_deref()?;
    world.holder_of(Dialect::Telnyx, key)
}

/// The account that a request acts on, if it is in order and its key reaches this far.
pub(super) fn authorize(world: &Simulation, request: &Request, kind: Kind) -> Result<String, Refusal> {
    let Some((account, scope)) = caller(world, request) else { return Err(unauthorized()) };
    match account.status.as_str() {
        "active" => {}
        "suspended" => return refuse(403, 20012, "The account is inactive."),
        _ => return refuse(403, 20013, "The account is blocked."),
    }
    match scope {
        KeyScope::Restricted(kinds) if !kinds.contains(&kind) => {
            refuse(403, 10010, "You do not have permission to perform the requested action.")
        }
        KeyScope::Scopes(_) => refuse(403, 10010, "You do not have permission to perform the requested action."),
        _ => Ok(account.sid.clone()),
    }
}
