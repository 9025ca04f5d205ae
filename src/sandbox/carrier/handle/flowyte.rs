//! The same for what only Flowyte has: hosted agents and their versions, keys with scopes, numbers to import. Does no I/O.

use serde_json::{Map, Value};

use super::{
    super::{
        Sandbox, Shared,
        config::{Dialect, KeyScope, KeySeed},
        flowyte,
        world::Simulation,
    },
    SandboxError, fail,
};

/// What an agent's draft says, if it says anything.
fn draft(fields: Value) -> Result<Map<String, Value>, SandboxError> {
    match fields {
        Value::Object(fields) if flowyte::known_draft(&fields) => Ok(fields),
        other => fail(format!("a draft is an object of fields that agents have, not {other}")),
    }
}

fn known(done: bool, what: &str, id: &str) -> Result<(), SandboxError> {
    if done { Ok(()) } else { fail(format!("there is no {what} {id}, or no such field")) }
}

impl Shared {
    /// The same as [`Shared::with_account`], for an account that hosts agents.
    fn with_organization<T>(
        &self,
        account: &str,
        change: impl FnOnce(&mut Simulation, &str) -> Result<T, SandboxError>,
    ) -> Result<T, SandboxError> {
        self.with_account(Some(account), |world, account| match world.dialect_of(account) {
            Dialect::Flowyte => change(world, account),
            _ => fail(format!("account {account} hosts no agents")),
        })?
    }

    pub(in super::super) fn add_agent(&self, account: &str, name: &str, fields: Value) -> Result<String, SandboxError> {
        let mut draft = draft(fields)?;
        draft.insert("name".to_owned(), name.into());
        self.with_organization(account, |world, account| Ok(flowyte::found_agent(world, account, draft)))
    }

    pub(in super::super) fn edit_agent(&self, agent: &str, fields: Value) -> Result<(), SandboxError> {
        let fields = draft(fields)?;
        known(flowyte::edit_agent(&mut self.state().world, agent, fields), "agent", agent)
    }

    pub(in super::super) fn delete_agent(&self, agent: &str) -> Result<(), SandboxError> {
        known(flowyte::remove_agent(&mut self.state().world, agent), "agent", agent)
    }

    pub(in super::super) fn publish_agent(&self, agent: &str, note: Option<&str>) -> Result<String, SandboxError> {
        let version = flowyte::publish_draft(&mut self.state().world, agent, note);
        version.ok_or_else(|| SandboxError(format!("there is no agent {agent}")))
    }

    pub(in super::super) fn mint_key(&self, account: &str, scopes: &[&str]) -> Result<String, SandboxError> {
        self.with_organization(account, |world, account| {
            let secret = Dialect::Flowyte.token(&world.hex("key"));
            let sid = format!("SK{}", world.hex("key id"));
            let scope = KeyScope::Scopes(scopes.iter().map(|scope| (*scope).to_owned()).collect());
            if let Some(account) = world.accounts.get_mut(account) {
                account.keys.push(KeySeed { sid, secret: secret.clone(), scope });
            }
            Ok(secret)
        })
    }

    pub(in super::super) fn add_importable(&self, account: &str, number: &str) -> Result<(), SandboxError> {
        self.with_account(Some(account), |world, account| world.keep_importable(account, number))?.map_err(SandboxError)
    }
}

impl Sandbox {
    /// A person makes an agent in Flowyte's dashboard, which is a draft until it is published; answers its id. The rest of the
    /// draft is named as in answers: `persona`, `greeting`.
    ///
    /// # Errors
    /// If there is no such account or field, or the account is another carrier's.
    pub fn add_agent(&self, account: &str, name: &str, draft: Value) -> Result<String, SandboxError> {
        self.shared.add_agent(account, name, draft)
    }

    /// A person changes an agent's draft in the dashboard. Callers do not notice before it is published.
    ///
    /// # Errors
    /// If there is no such agent or field.
    pub fn edit_agent(&self, agent: &str, fields: Value) -> Result<(), SandboxError> {
        self.shared.edit_agent(agent, fields)
    }

    /// A person deletes an agent.
    ///
    /// # Errors
    /// If there is no such agent.
    pub fn delete_agent(&self, agent: &str) -> Result<(), SandboxError> {
        self.shared.delete_agent(agent)
    }

    /// A person publishes an agent's draft; answers the version's id. The ledger does not hear of it.
    ///
    /// # Errors
    /// If there is no such agent.
    pub fn publish_agent(&self, agent: &str, note: Option<&str>) -> Result<String, SandboxError> {
        self.shared.publish_agent(agent, note)
    }

    /// A person makes an earlier version what callers reach. The draft stays as it is.
    ///
    /// # Errors
    /// If the agent has no such version.
    pub fn roll_agent_back(&self, agent: &str, version: &str) -> Result<(), SandboxError> {
        known(flowyte::publish_version(&mut self.shared.state().world, agent, version), "version", version)
    }

    /// Whether an agent's draft compiles from now on; one that does not cannot be published through the API.
    ///
    /// # Errors
    /// If there is no such agent.
    pub fn set_agent_compiles(&self, agent: &str, compiles: bool) -> Result<(), SandboxError> {
        known(flowyte::set_compiles(&mut self.shared.state().world, agent, compiles), "agent", agent)
    }

    /// The ids of every agent, the oldest first.
    pub fn agents(&self) -> Vec<String> {
        self.shared.state().world.flowyte.agents.iter().map(|agent| agent.id.clone()).collect()
    }

    /// An agent with its draft, as Flowyte's API shows it.
    pub fn agent(&self, agent: &str) -> Option<Value> {
        flowyte::shown_agent(&self.shared.state().world, agent)
    }

    /// Every version of an agent as Flowyte's API shows it, with its note, the oldest first.
    pub fn agent_versions(&self, agent: &str) -> Vec<Value> {
        flowyte::shown_versions(&self.shared.state().world, agent)
    }

    /// The id of the version that callers of an agent reach.
    pub fn published_version(&self, agent: &str) -> Option<String> {
        flowyte::published(&self.shared.state().world, agent).map(|version| version.id.clone())
    }

    /// The agent that a number of Flowyte names, which may be gone.
    pub fn assigned_agent(&self, number: &str) -> Option<String> {
        self.field(number, flowyte::AGENT)
    }

    /// A person gives a number to an agent in the dashboard, or takes it off; nobody checks the agent.
    ///
    /// # Errors
    /// If nobody owns the number.
    pub fn assign_agent(&self, number: &str, agent: Option<&str>) -> Result<(), SandboxError> {
        self.edit(number, &[(flowyte::AGENT, agent.unwrap_or_default())])
    }

    /// An account's balance, in hundredths; [`Sandbox::set_balance`] sets it.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn balance(&self, account: &str) -> Result<i64, SandboxError> {
        self.shared.with_account(Some(account), |world, account| world.accounts[account].balance)
    }

    /// Mints a Flowyte key with these scopes, such as `numbers:read`; answers it.
    ///
    /// # Errors
    /// If there is no such account, or it is another carrier's.
    pub fn mint_key(&self, account: &str, scopes: &[&str]) -> Result<String, SandboxError> {
        self.shared.mint_key(account, scopes)
    }

    /// Gives a Flowyte account a number at its carrier, which it can import.
    ///
    /// # Errors
    /// If it is no number, is owned already, or the account is another carrier's.
    pub fn add_importable(&self, account: &str, number: &str) -> Result<(), SandboxError> {
        self.shared.add_importable(account, number)
    }

    /// Every Flowyte reservation lapses now.
    pub fn lapse_reservations(&self) {
        flowyte::lapse(&mut self.shared.state().world);
    }
}
