//! The same for what only Telnyx has: applications, messaging profiles, orders, the key of webhooks. Does no I/O.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    super::{
        Sandbox, Shared,
        config::OrderEnd,
        telnyx::{self, SharedRoute},
        world::Simulation,
    },
    SandboxError, fail, owned,
};

/// Texts as the fields of what Telnyx's numbers share take them: flags, nothing, or texts.
fn typed(settings: BTreeMap<String, String>) -> Map<String, Value> {
    let value = |text: String| match text.as_str() {
        "" => Value::Null,
        "true" | "false" => Value::from(text == "true"),
        _ => Value::from(text),
    };
    settings.into_iter().map(|(field, text)| (field, value(text))).collect()
}

/// A TeXML application of an account.
pub(super) fn found_application(
    world: &mut Simulation,
    account: &str,
    settings: BTreeMap<String, String>,
) -> Result<String, SandboxError> {
    found(world, account, SharedRoute::TexmlApplication, settings)
}

fn found(
    world: &mut Simulation,
    account: &str,
    shared: SharedRoute,
    settings: BTreeMap<String, String>,
) -> Result<String, SandboxError> {
    let fields = typed(settings);
    match telnyx::are_object_fields(shared, &fields) {
        true => Ok(telnyx::found_object(world, account, shared, fields)),
        false => fail("an application or a messaging profile has no such field; write it as answers do: voice_url"),
    }
}

impl Shared {
    pub(in super::super) fn add_messaging_profile(
        &self,
        account: &str,
        settings: BTreeMap<String, String>,
    ) -> Result<String, SandboxError> {
        self.with_account(Some(account), |world, account| {
            found(world, account, SharedRoute::MessagingProfile, settings)
        })?
    }

    pub(in super::super) fn edit_shared_route(
        &self,
        id: &str,
        fields: BTreeMap<String, String>,
    ) -> Result<(), SandboxError> {
        match telnyx::edit_object(&mut self.state().world, id, typed(fields)) {
            true => Ok(()),
            false => fail(format!("there is no application or messaging profile {id}, or no such field")),
        }
    }

    pub(in super::super) fn finish_order(&self, number: &str, end: OrderEnd) -> Result<(), SandboxError> {
        match telnyx::finish_order(&mut self.state().world, number, end) {
            true => Ok(()),
            false => fail(format!("there is no pending order of {number}")),
        }
    }
}

impl Sandbox {
    /// Makes a Telnyx messaging profile; answers its id. Settings are named as in answers: `name`, `webhook_url`.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn add_messaging_profile(&self, account: &str, settings: &[(&str, &str)]) -> Result<String, SandboxError> {
        self.shared.add_messaging_profile(account, owned(settings))
    }

    /// A TeXML application or messaging profile as Telnyx's API shows it.
    pub fn shared_route(&self, id: &str) -> Option<Value> {
        telnyx::shown_object(&self.shared.state().world, id)
    }

    /// A person changes a TeXML application or messaging profile in the portal: texts, flags, or empty to clear.
    ///
    /// # Errors
    /// If there is none with this id, or a field does not exist.
    pub fn edit_shared_route(&self, id: &str, fields: &[(&str, &str)]) -> Result<(), SandboxError> {
        self.shared.edit_shared_route(id, owned(fields))
    }

    /// Decides the pending Telnyx order of a number; with [`OrderEnd::Never`] it stays pending until decided again.
    ///
    /// # Errors
    /// If it has none.
    pub fn finish_order(&self, number: &str, end: OrderEnd) -> Result<(), SandboxError> {
        self.shared.finish_order(number, end)
    }

    /// Makes every order on Telnyx older.
    pub fn age_orders(&self, by: std::time::Duration) {
        telnyx::age_orders(&mut self.shared.state().world, by);
    }

    /// The public key, in base64, that a Telnyx account's webhooks can be checked with.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn webhook_key(&self, account: &str) -> Result<String, SandboxError> {
        let key = self.shared.with_account(Some(account), |world, sid| telnyx::public_key(world, sid))?;
        key.ok_or_else(|| SandboxError(format!("account {account} has no webhook key")))
    }
}
