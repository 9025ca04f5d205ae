//! Accounts, subaccounts and the balance. No I/O.

use serde_json::{Value, json};

use super::{
    super::{
        config::AccountSeed,
        text::money,
        wire::{Effect, Reply, Request},
        world::{Account, Simulation},
    },
    Refusal,
    auth::Caller,
    not_found, paging, refuse, rfc2822,
};

fn shown(account: &Account) -> Value {
    let uri = format!("/2010-04-01/Accounts/{}", account.sid);
    json!({
        "auth_token": account.token,
        "date_created": rfc2822(account.created),
        "date_updated": rfc2822(account.created),
        "friendly_name": account.name,
        "owner_account_sid": account.owner.as_ref().unwrap_or(&account.sid),
        "sid": account.sid,
        "status": account.status,
        "subresource_uris": {
            "available_phone_numbers": format!("{uri}/AvailablePhoneNumbers.json"),
            "balance": format!("{uri}/Balance.json"),
            "incoming_phone_numbers": format!("{uri}/IncomingPhoneNumbers.json"),
        },
        "type": "Full",
        "uri": format!("{uri}.json"),
    })
}

/// The caller's account and its subaccounts.
pub(super) fn list(world: &Simulation, caller: &str, request: &Request) -> Result<Reply, Refusal> {
    let mine = |a: &&Account| a.sid == caller || a.owner.as_deref() == Some(caller);
    let named = |a: &&Account| request.query("FriendlyName").is_none_or(|name| a.name == name);
    let status = |a: &&Account| request.query("Status").is_none_or(|status| a.status == status);
    let rows = world.accounts.values().filter(mine).filter(named).filter(status).map(shown).collect();
    paging::flat(rows, "accounts", &["FriendlyName", "Status"], request, &world.switches)
}

/// Opens a subaccount.
pub(super) fn create(world: &mut Simulation, caller: &str, request: &Request) -> Result<Reply, Refusal> {
    if world.accounts.get(caller).is_some_and(|account| account.owner.is_some()) {
        return refuse(403, 20403, "Subaccounts have no subaccounts");
    }
    let seed = AccountSeed {
        friendly_name: request.form("FriendlyName").map(str::to_owned),
        parent: Some(caller.to_owned()),
        balance_cents: 0,
        ..AccountSeed::default()
    };
    match world.add_account(seed).ok().and_then(|sid| world.accounts.get(&sid)) {
        Some(account) => Ok(Reply::did(201, Some(shown(account)), Effect::default())),
        None => refuse(500, 20500, "The account was not created"),
    }
}

fn visible<'a>(world: &'a mut Simulation, caller: &Caller, sid: &str) -> Option<&'a mut Account> {
    let mine = |a: &&mut Account| a.sid == caller.account || a.owner.as_ref() == Some(&caller.account);
    world.accounts.get_mut(sid).filter(mine)
}

/// One account. The answer contains its Auth Token, as the real one does.
pub(super) fn fetch(world: &mut Simulation, caller: &Caller, sid: &str, request: &Request) -> Result<Reply, Refusal> {
    let known_but_foreign = world.switches.foreign_account_unauthorized && world.accounts.contains_key(sid);
    match visible(world, caller, sid) {
        Some(account) => Ok(Reply::ok(shown(account))),
        None if known_but_foreign => refuse(401, 20003, "Authenticate"),
        None => not_found(request),
    }
}

/// Renames, suspends, activates or closes an account.
pub(super) fn update(world: &mut Simulation, caller: &Caller, sid: &str, request: &Request) -> Result<Reply, Refusal> {
    let Some(account) = visible(world, caller, sid) else { return not_found(request) };
    match request.form("Status") {
        // It is over, and its numbers go with it.
        Some("active" | "suspended") if account.status == "closed" => {
            return refuse(400, 20001, "Invalid Status: a closed account stays closed");
        }
        Some(status @ ("active" | "suspended" | "closed")) => account.status = status.to_owned(),
        Some(_) => return refuse(400, 20001, "Invalid Status"),
        None => {}
    }
    if let Some(name) = request.form("FriendlyName") {
        account.name = name.to_owned();
    }
    Ok(Reply::did(200, Some(shown(account)), Effect::default()))
}

/// The money left; a subaccount has none of its own.
pub(super) fn balance(world: &Simulation, account: &str, request: &Request) -> Result<Reply, Refusal> {
    match world.accounts.get(account) {
        Some(Account { owner: None, balance, .. }) => Ok(Reply::ok(json!({
            "account_sid": account,
            "balance": money(*balance),
            "currency": "USD",
        }))),
        _ => not_found(request),
    }
}
