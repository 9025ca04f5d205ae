//! What tests, the demo and the admin API do to a carrier from behind: seed, look, edit, harm, call. Does no I/O but calls.

mod flowyte;
mod nixflex;
mod telnyx;

use std::{collections::BTreeMap, fmt, sync::PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Sandbox, Shared, begin,
    call::{Placed, place},
    config::{AccountSeed, Dialect, KeySeed, NumberSeed, Switches},
    faults::Rule,
    ledger::{Ledger, Summary},
    traffic::Traffic,
    twilio,
    world::{Number, Simulation, is_sid},
};

/// Why the sandbox could not be told so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SandboxError(pub String);

fn fail<T>(text: impl Into<String>) -> Result<T, SandboxError> {
    Err(SandboxError(text.into()))
}

/// How an account is opened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    pub account_sid: String,
    /// Twilio: the primary Auth Token. Telnyx and Flowyte: the API key. Nixflex: the secret of the key whose id is the account's.
    pub auth_token: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("account_sid", &self.account_sid).finish_non_exhaustive()
    }
}

/// A messaging service to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ServiceSeed {
    /// The first account if not given.
    pub account: Option<String>,
    /// By the names in the carrier's answers: `friendly_name`, `inbound_request_url`, `fallback_url`.
    pub settings: BTreeMap<String, String>,
    pub use_inbound_webhook_on_number: bool,
    /// Its members, in E.164 form.
    pub numbers: Vec<String>,
}

/// Refuses a slip of the pen, which must not look like a setting without effect.
fn are_known(
    settings: &BTreeMap<String, String>,
    what: &str,
    is_field: impl Fn(&str) -> bool,
) -> Result<(), SandboxError> {
    match settings.keys().find(|field| !is_field(field)) {
        Some(field) => fail(format!("{what} has no field {field:?}; write it as answers do: friendly_name")),
        None => Ok(()),
    }
}

/// Whether a TwiML application has this setting, which a number has too.
fn is_route_field(field: &str) -> bool {
    ["voice_", "sms_", "status_callback"].iter().any(|begin| field.starts_with(begin)) && twilio::is_field(field)
}

/// A number as its carrier's API shows it.
fn shown(world: &Simulation, number: &Number) -> Value {
    world.dialect_of(&number.account).shown(world, number, &world.switches)
}

impl Shared {
    fn account(&self, account: Option<&str>) -> String {
        account.map_or_else(|| self.config.default_account(), str::to_owned)
    }

    pub(super) fn credentials(&self, account: Option<&str>) -> Result<Credentials, SandboxError> {
        let sid = self.account(account);
        match self.state().world.accounts.get(&sid) {
            Some(found) => Ok(Credentials { account_sid: sid, auth_token: found.token.clone() }),
            None => fail(format!("there is no account {sid}")),
        }
    }

    pub(super) fn add_account(&self, seed: AccountSeed) -> Result<Credentials, SandboxError> {
        let sid = self.state().world.add_account(seed).map_err(SandboxError)?;
        self.credentials(Some(&sid))
    }

    pub(super) fn with_account<T>(
        &self,
        account: Option<&str>,
        change: impl FnOnce(&mut Simulation, &str) -> T,
    ) -> Result<T, SandboxError> {
        let sid = self.account(account);
        let mut state = self.state();
        if !state.world.accounts.contains_key(&sid) {
            return fail(format!("there is no account {sid}"));
        }
        Ok(change(&mut state.world, &sid))
    }

    pub(super) fn rotate_token(&self, account: Option<&str>) -> Result<Credentials, SandboxError> {
        self.with_account(account, |world, sid| {
            let token = world.dialect_of(sid).token(&world.hex("token"));
            if let Some(account) = world.accounts.get_mut(sid) {
                account.token.clone_from(&token);
            }
            Credentials { account_sid: sid.to_owned(), auth_token: token }
        })
    }

    pub(super) fn set_status(&self, account: Option<&str>, status: &str) -> Result<(), SandboxError> {
        self.with_account(account, |world, sid| {
            if let Some(account) = world.accounts.get_mut(sid) {
                account.status = status.to_owned();
            }
        })
    }

    pub(super) fn seed_number(&self, seed: NumberSeed) -> Result<String, SandboxError> {
        let NumberSeed { number, account, settings } = seed;
        let account = self.account(account.as_deref());
        self.state().world.seed_number(&account, &number, settings).map_err(SandboxError)
    }

    pub(super) fn number(&self, number: &str) -> Option<Value> {
        let state = self.state();
        state.world.by_number(number).map(|found| shown(&state.world, found))
    }

    pub(super) fn numbers(&self) -> Vec<Value> {
        let state = self.state();
        state.world.numbers().map(|number| shown(&state.world, number)).collect()
    }

    pub(super) fn edit(&self, number: &str, fields: BTreeMap<String, String>) -> Result<(), SandboxError> {
        let mut state = self.state();
        let Some((sid, account)) = state.world.by_number(number).map(|n| (n.sid.clone(), n.account.clone())) else {
            return fail(format!("nobody owns {number}"));
        };
        let dialect = state.world.dialect_of(&account);
        if let Some(field) = fields.keys().find(|field| !dialect.is_field(field)) {
            return fail(format!("a number has no field {field:?}; write it as answers do: voice_url"));
        }
        state.world.change(&sid, |number| {
            for (field, value) in fields {
                match value.as_str() {
                    "" => drop(number.settings.remove(&field)),
                    _ => drop(number.settings.insert(field, value)),
                }
            }
        });
        Ok(())
    }

    pub(super) fn lose_number(&self, number: &str) -> Result<(), SandboxError> {
        let mut state = self.state();
        let sid = state.world.by_number(number).map(|n| n.sid.clone());
        match sid.and_then(|sid| state.world.remove(&sid)) {
            Some(_) => Ok(()),
            None => fail(format!("nobody owns {number}")),
        }
    }

    pub(super) fn add_stock(&self, number: &str) -> Result<(), SandboxError> {
        let number: crate::api::number::E164 = number.parse().map_err(|e| SandboxError(format!("{e}")))?;
        let world = &mut self.state().world;
        world.holds.remove(number.as_str());
        let stock = &mut world.stock;
        stock.cooling.remove(number.as_str());
        let offer = stock.offer_for(number.as_str());
        stock.add(offer);
        Ok(())
    }

    pub(super) fn take_stock(&self, number: &str) -> bool {
        self.state().world.stock.remove(number).is_some()
    }

    pub(super) fn add_application(
        &self,
        account: Option<&str>,
        settings: BTreeMap<String, String>,
    ) -> Result<String, SandboxError> {
        self.with_account(account, |world, account| {
            if world.dialect_of(account) == Dialect::Telnyx {
                return telnyx::found_application(world, account, settings);
            }
            are_known(&settings, "an application", |field| field == "friendly_name" || is_route_field(field))?;
            let sid = format!("AP{}", world.hex("application"));
            let application = super::world::Application { account: account.to_owned(), settings };
            world.applications.insert(sid.clone(), application);
            Ok(sid)
        })?
    }

    pub(super) fn add_service(&self, seed: ServiceSeed) -> Result<String, SandboxError> {
        let ServiceSeed { account, mut settings, use_inbound_webhook_on_number, numbers } = seed;
        are_known(&settings, "a service", twilio::is_service_field)?;
        let sid = self.with_account(account.as_deref(), |world, account| {
            settings.entry("friendly_name".to_owned()).or_insert_with(|| "Sandbox".to_owned());
            let sid = twilio::found_service(world, account, settings);
            if let Some(service) = world.services.last_mut() {
                service.use_number_webhook = use_inbound_webhook_on_number;
            }
            sid
        })?;
        numbers.iter().try_for_each(|number| self.join_service(&sid, number))?;
        Ok(sid)
    }

    pub(super) fn join_service(&self, service: &str, number: &str) -> Result<(), SandboxError> {
        let mut state = self.state();
        let account = state.world.services.iter().find(|s| s.sid == service).map(|s| s.account.clone());
        let sid = state.world.by_number(number).map(|n| n.sid.clone());
        match (account, sid) {
            (Some(account), Some(sid)) => twilio::join_service(&mut state.world, &account, service, &sid)
                .map_err(|refusal| SandboxError(refusal.message)),
            _ => fail(format!("there is no service {service} or nobody owns {number}")),
        }
    }

    pub(super) fn reset(&self) -> Result<(), SandboxError> {
        let world = begin::world(&self.config).map_err(SandboxError)?;
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.config.hosts);
        let mut state = self.state();
        // What is in flight stays counted, and the ledger's numbering goes on, so that a late answer harms no new entry.
        state.world = world;
        state.faults.rules.clear();
        state.ledger.reset();
        Ok(())
    }
}

fn owned(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    fields.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect()
}

impl Sandbox {
    /// The credentials of the first account.
    pub fn credentials(&self) -> Credentials {
        let sid = self.shared.config.default_account();
        // The first account is made at the start and nothing removes accounts.
        let auth_token = self.shared.credentials(Some(&sid)).map(|c| c.auth_token).unwrap_or_default();
        Credentials { account_sid: sid, auth_token }
    }

    /// The credentials of the first account of a carrier that it was started with.
    pub fn credentials_at(&self, carrier: Dialect) -> Option<Credentials> {
        let sid = self.shared.config.first_account(carrier)?;
        self.shared.credentials(Some(&sid)).ok()
    }

    /// The credentials of any account.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn credentials_of(&self, account: &str) -> Result<Credentials, SandboxError> {
        self.shared.credentials(Some(account))
    }

    /// Opens an account, or a subaccount of one.
    ///
    /// # Errors
    /// If its sid is malformed or its parent unknown.
    pub fn add_account(&self, seed: AccountSeed) -> Result<Credentials, SandboxError> {
        self.shared.add_account(seed)
    }

    /// Gives an account another API key.
    ///
    /// # Errors
    /// If there is no such account, or the key's sid is malformed.
    pub fn add_key(&self, account: &str, key: KeySeed) -> Result<(), SandboxError> {
        if !is_sid("SK", &key.sid) {
            return fail("a key's sid is SK and 32 hexadecimal digits");
        }
        self.shared.with_account(Some(account), |world, sid| {
            if let Some(account) = world.accounts.get_mut(sid) {
                account.keys.push(key);
            }
        })
    }

    /// Takes an API key away, named by its sid or its secret.
    pub fn revoke_key(&self, key: &str) {
        let other = |k: &KeySeed| k.sid != key && k.secret != key;
        self.shared.state().world.accounts.values_mut().for_each(|account| account.keys.retain(other));
    }

    /// Replaces an account's Auth Token: the old one is refused from now on, and webhooks are signed with the new one.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn rotate_token(&self, account: &str) -> Result<Credentials, SandboxError> {
        self.shared.rotate_token(Some(account))
    }

    /// Makes an account `active`, `suspended` or `closed`.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn set_status(&self, account: &str, status: &str) -> Result<(), SandboxError> {
        self.shared.set_status(Some(account), status)
    }

    /// Sets an account's balance, in hundredths.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn set_balance(&self, account: &str, cents: i64) -> Result<(), SandboxError> {
        self.shared.with_account(Some(account), |world, sid| {
            if let Some(account) = world.accounts.get_mut(sid) {
                account.balance = cents;
            }
        })
    }

    /// Gives the first account a number that it has had all along; the ledger does not hear of it. Answers its sid.
    ///
    /// # Errors
    /// If it is no number, or owned already.
    pub fn seed_number(&self, number: &str) -> Result<String, SandboxError> {
        self.seed(NumberSeed { number: number.to_owned(), ..NumberSeed::default() })
    }

    /// Gives an account a number, with settings.
    ///
    /// # Errors
    /// If it is no number, is owned already, or a field does not exist.
    pub fn seed(&self, seed: NumberSeed) -> Result<String, SandboxError> {
        self.shared.seed_number(seed)
    }

    /// A number as the carrier's API shows it.
    pub fn number(&self, number: &str) -> Option<Value> {
        self.shared.number(number)
    }

    /// The account that a number for sale is kept for, if it is for one.
    pub fn keeper(&self, number: &str) -> Option<String> {
        self.shared.state().world.holder(number).map(|hold| hold.account.clone())
    }

    /// Every owned number as the carrier's API shows it, in the order of purchase.
    pub fn numbers(&self) -> Vec<Value> {
        self.shared.numbers()
    }

    /// A field of a number as text; `None` if the number is not owned or the field not set.
    pub fn field(&self, number: &str, field: &str) -> Option<String> {
        let state = self.shared.state();
        state.world.by_number(number).and_then(|number| number.get(field).map(str::to_owned))
    }

    /// A person changes a number in the carrier's console: fields as answers name them, empty to clear. Rules of the
    /// API do not apply, so that states can be made that it would refuse.
    ///
    /// # Errors
    /// If nobody owns the number or a field does not exist.
    pub fn edit(&self, number: &str, fields: &[(&str, &str)]) -> Result<(), SandboxError> {
        self.shared.edit(number, owned(fields))
    }

    /// The number is gone from its account: given back by a person, or reclaimed. The ledger counts no release.
    ///
    /// # Errors
    /// If nobody owns it.
    pub fn lose_number(&self, number: &str) -> Result<(), SandboxError> {
        self.shared.lose_number(number)
    }

    /// Offers a number for sale.
    ///
    /// # Errors
    /// If it is no number.
    pub fn add_stock(&self, number: &str) -> Result<(), SandboxError> {
        self.shared.add_stock(number)
    }

    /// Somebody else buys a number that was for sale. Says whether it was.
    pub fn take_stock(&self, number: &str) -> bool {
        self.shared.take_stock(number)
    }

    /// Makes a TwiML application; answers its sid. Settings are named as a number's are: `voice_url`, `sms_url`. On Telnyx
    /// it is a TeXML application, and its answer the id that a number has as `connection_id`.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn add_application(&self, account: &str, settings: &[(&str, &str)]) -> Result<String, SandboxError> {
        self.shared.add_application(Some(account), owned(settings))
    }

    /// Makes a messaging service with members; answers its sid.
    ///
    /// # Errors
    /// If the account is unknown, or a number is not the account's or in another service.
    pub fn add_service(&self, seed: ServiceSeed) -> Result<String, SandboxError> {
        self.shared.add_service(seed)
    }

    /// Changes how the carrier behaves where nobody knows how the real one does.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.shared.state().world.switches);
    }

    /// Sends webhooks for a public host to a server nearby; see [`SandboxConfig::hosts`](super::SandboxConfig::hosts).
    pub fn map_host(&self, host: &str, base: &str) {
        let mut hosts = self.shared.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(host.to_owned(), base.to_owned());
    }

    /// Makes requests meet a fault.
    pub fn inject(&self, rule: Rule) {
        self.shared.state().faults.rules.push(rule);
    }

    /// The rules that are not used up.
    pub fn faults(&self) -> Vec<Rule> {
        self.shared.state().faults.rules.clone()
    }

    /// Behaves again.
    pub fn clear_faults(&self) {
        self.shared.state().faults.rules.clear();
    }

    /// A copy of the ledger as it stands.
    pub fn ledger(&self) -> Ledger {
        self.shared.state().ledger.clone()
    }

    /// The ledger in figures.
    pub fn summary(&self) -> Summary {
        self.shared.state().ledger.summary()
    }

    /// Forgets what was asked so far, and nothing else.
    pub fn reset_ledger(&self) {
        self.shared.state().ledger.reset();
    }

    /// Back to how it was started: accounts, agents, numbers, switches, hosts, rules and ledger.
    pub fn reset(&self) {
        // The configuration made a world before; it makes the same one again.
        let _ = self.shared.reset();
    }

    /// `from` calls a number: its route is looked up and its webhook really asked.
    pub async fn call(&self, from: &str, to: &str) -> Placed {
        self.place(Traffic::Call, from, to, "").await
    }

    /// `from` writes to a number.
    pub async fn text(&self, from: &str, to: &str, body: &str) -> Placed {
        self.place(Traffic::Text, from, to, body).await
    }

    async fn place(&self, traffic: Traffic, from: &str, to: &str, body: &str) -> Placed {
        let (shared, from, number, body) = (self.shared.clone(), from.to_owned(), to.to_owned(), body.to_owned());
        // On the sandbox's own runtime, so that the caller's may be any, with paused time even.
        let task = self.runtime.spawn(async move { place(&shared, traffic, &from, &number, &body).await });
        task.await.unwrap_or_else(|_| Placed {
            to: to.to_owned(),
            outcome: super::Outcome::Failed,
            via: None,
            attempts: vec![],
            status_callback: None,
            hosted: None,
        })
    }
}
