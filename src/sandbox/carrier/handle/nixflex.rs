//! The same for what only Nixflex has: agents that it hosts, and numbers that were given to it. Does no I/O.
//!
//! A key is an account: [`Sandbox::add_account`] makes one with [`AccountSeed::carrier`](super::AccountSeed::carrier), its id
//! is the account's sid, and its secret the Auth Token.

use serde_json::{Map, Value};

use super::{
    super::{
        Sandbox,
        config::{AccountSeed, Dialect},
        nixflex::{self, NixflexWebhooks, Refusal},
        world::Simulation,
    },
    Credentials, SandboxError, fail,
};

fn told<T>(result: Result<T, Refusal>) -> Result<T, SandboxError> {
    result.or_else(|refusal| fail(refusal.text()))
}

fn object(fields: Value) -> Result<Map<String, Value>, SandboxError> {
    match fields {
        Value::Object(fields) => Ok(fields),
        other => fail(format!("{other} is no object of fields")),
    }
}

impl Sandbox {
    /// Makes a Nixflex key, which sees nothing of any other.
    ///
    /// # Errors
    /// None that a caller could bring about.
    pub fn add_nixflex_key(&self) -> Result<Credentials, SandboxError> {
        self.add_account(AccountSeed { carrier: Dialect::Nixflex, ..AccountSeed::default() })
    }

    /// The platform's URLs that carriers ask.
    pub fn nixflex_webhooks(&self) -> NixflexWebhooks {
        NixflexWebhooks::default()
    }

    /// Makes an agent of a Nixflex key; answers its id.
    ///
    /// # Errors
    /// If there is no such key.
    pub fn add_nixflex_agent(&self, key: &str, name: &str) -> Result<String, SandboxError> {
        let fields = [("name".to_owned(), name.into()), ("system_prompt".to_owned(), "You answer calls.".into())];
        self.shared.with_account(Some(key), |world, key| match world.dialect_of(key) {
            Dialect::Nixflex => Ok(nixflex::found_agent(world, key, fields.into_iter().collect())),
            _ => fail(format!("{key} is no key of a platform")),
        })?
    }

    /// The agents of a Nixflex key, active or not, as its API shows them.
    pub fn nixflex_agents(&self, key: &str) -> Vec<Value> {
        nixflex::all_agents(&self.shared.state().world, key)
    }

    /// A person changes an agent in the console: an object of fields, such as `{"is_active": false}`.
    ///
    /// # Errors
    /// If there is no such agent, or a value is one that the field does not take.
    pub fn edit_nixflex_agent(&self, agent: &str, fields: Value) -> Result<(), SandboxError> {
        let fields = object(fields)?;
        self.nixflex(|world| nixflex::edit_agent(world, agent, &fields))
    }

    /// A person deletes an agent in the console: its numbers are orphans.
    ///
    /// # Errors
    /// If there is no such agent.
    pub fn delete_nixflex_agent(&self, agent: &str) -> Result<(), SandboxError> {
        match nixflex::remove_agent(&mut self.shared.state().world, agent) {
            true => Ok(()),
            false => fail(format!("there is no agent {agent}")),
        }
    }

    /// The numbers that were given to a Nixflex key, as the console shows them, the oldest first.
    pub fn nixflex_rows(&self, key: &str) -> Vec<Value> {
        nixflex::all_rows(&self.shared.state().world, key)
    }

    /// The row of one number, whosever key it was given to.
    pub fn nixflex_row(&self, number: &str) -> Option<Value> {
        nixflex::row(&self.shared.state().world, number)
    }

    /// Somebody else gives a number to a Nixflex key, with the credentials that its account has now: its webhooks are
    /// overwritten. The ledger does not hear of it. A Telnyx number goes onto the application that it is on.
    ///
    /// # Errors
    /// If the platform would refuse it, or nobody owns the number.
    pub fn nixflex_attach(&self, key: &str, number: &str, agent: &str) -> Result<(), SandboxError> {
        let credentials = nixflex::credentials_of(&self.shared.state().world, number);
        let Some(credentials) = credentials else { return fail(format!("nobody owns {number}")) };
        self.nixflex(|world| nixflex::attach(world, key, number, agent, credentials))
    }

    /// Somebody else changes a row: an object of fields, such as `{"custom_prompt": "…"}`.
    ///
    /// # Errors
    /// If the number was not given to the platform, or a value is one that the field does not take.
    pub fn edit_nixflex_row(&self, number: &str, fields: Value) -> Result<(), SandboxError> {
        let fields = object(fields)?;
        self.nixflex(|world| nixflex::edit_row(world, number, &fields))
    }

    /// Whether monitoring (`monitor`) or web calls (`web-calls`) are on for a number, which no row shows.
    pub fn nixflex_is_on(&self, number: &str, name: &str) -> bool {
        nixflex::is_on(&self.shared.state().world, number, name)
    }

    /// Somebody else switches monitoring (`monitor`) or web calls (`web-calls`) of a number.
    ///
    /// # Errors
    /// If the number was not given to the platform.
    pub fn nixflex_switch(&self, number: &str, name: &str, on: bool) -> Result<(), SandboxError> {
        self.nixflex(|world| nixflex::switch(world, number, name, on))
    }

    /// Somebody else takes a number from the platform: its webhooks are cleared.
    ///
    /// # Errors
    /// If it was not given to it, or its carrier refuses the credentials.
    pub fn nixflex_detach(&self, number: &str) -> Result<(), SandboxError> {
        self.nixflex(|world| nixflex::detach(world, number, true))
    }

    /// The platform forgets a number, whose webhooks go on asking it.
    ///
    /// # Errors
    /// If it was not given to it.
    pub fn lose_nixflex_row(&self, number: &str) -> Result<(), SandboxError> {
        self.nixflex(|world| nixflex::detach(world, number, false))
    }

    /// This many calls of a Nixflex key go on from now on; beyond what its tier has, further ones are busy.
    pub fn nixflex_calls(&self, key: &str, calls: u32) {
        let mut state = self.shared.state();
        state.world.nixflex.usage.entry(key.to_owned()).or_default().in_progress = calls;
    }

    fn nixflex(&self, change: impl FnOnce(&mut Simulation) -> Result<(), Refusal>) -> Result<(), SandboxError> {
        told(change(&mut self.shared.state().world))
    }
}
