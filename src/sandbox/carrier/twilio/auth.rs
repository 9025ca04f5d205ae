//! Who is asking, and whether they may. No I/O.

use super::{
    super::{
        config::{Dialect, KeyScope, KeySeed},
        ledger::Kind,
        wire::Request,
        world::{Account, Simulation, is_sid},
    },
    Refusal, refuse,
};

/// Whose credentials a request bears.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub account: String,
    /// `Main` for the Auth Token.
    pub scope: KeyScope,
}

/// The account that a user name of HTTP Basic authentication belongs to.
pub(super) fn account_of_user(world: &Simulation, user: &str) -> Option<String> {
    let owns = |account: &&Account| {
        account.dialect == Dialect::Twilio && (account.sid == user || account.keys.iter().any(|key| key.sid == user))
    };
    world.accounts.values().find(owns).map(|account| account.sid.clone())
}

/// Checks the credentials: a wrong or missing one is 401 with code 20003.
pub(super) fn authenticate(world: &Simulation, request: &Request) -> Result<Caller, Refusal> {
    let Some((user, password)) = &request.credentials else {
        return refuse(401, 20003, "Authentication Error - No credentials provided");
    };
    let account = account_of_user(world, user).and_then(|sid| world.accounts.get(&sid));
    let scope = account.and_then(|account| scope_of(account, user, password));
    match (account, scope) {
        (Some(account), Some(scope)) => Ok(Caller { account: account.sid.clone(), scope }),
        _ => refuse(401, 20003, "Authenticate"),
    }
}

fn scope_of(account: &Account, user: &str, password: &str) -> Option<KeyScope> {
    if user == account.sid {
        return (password == account.token).then_some(KeyScope::Main);
    }
    let fits = |key: &&KeySeed| key.sid == user && key.secret == password;
    account.keys.iter().find(fits).map(|key| key.scope.clone())
}

/// Checks that the caller's account is active and its key reaches this far.
pub(super) fn authorize(
    world: &Simulation,
    caller: &Caller,
    request: &Request,
    kind: Kind,
    accounts: bool,
) -> Result<(), Refusal> {
    let status = world.accounts.get(&caller.account).map_or("closed", |account| account.status.as_str());
    let itself = request.method == "GET" && request.path.ends_with(&format!("/Accounts/{}.json", caller.account));
    if status != "active" && !(itself && world.switches.suspended_reads_itself) {
        return refuse(403, 20005, "Account not active");
    }
    match &caller.scope {
        KeyScope::Main => Ok(()),
        // Standard keys do not reach /Accounts and /Keys; what lies below an account they do.
        KeyScope::Standard if accounts => refuse(401, 20003, "Authenticate"),
        KeyScope::Standard => Ok(()),
        KeyScope::Restricted(kinds) if kinds.contains(&kind) => Ok(()),
        KeyScope::Restricted(_) | KeyScope::Scopes(_) => {
            refuse(403, 70051, "The API key lacks the permission for this request")
        }
    }
}

/// The account in a path, if the caller may act on it: their own, or a subaccount of it.
pub(super) fn enter(world: &Simulation, caller: &Caller, account: &str, request: &Request) -> Result<String, Refusal> {
    let known = world.accounts.get(account).filter(|_| is_sid("AC", account));
    match known {
        Some(known) if known.sid == caller.account || known.owner.as_ref() == Some(&caller.account) => {
            if known.status != "active" {
                return refuse(403, 20005, "Account not active");
            }
            Ok(known.sid.clone())
        }
        Some(_) if world.switches.foreign_account_unauthorized => refuse(401, 20003, "Authenticate"),
        _ => super::not_found(request),
    }
}
