//! The switches of Nixflex's dialect: what `docs/carriers/nixflex.md` marks as unknown, inferred or contradictory. No I/O.

use serde::{Deserialize, Serialize};

/// How the simulated Nixflex behaves where nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NixflexSwitches {
    /// How the import of a number that is attached to the same agent is answered.
    pub same_agent: SameAgent,
    /// Credentials of both carriers in one import are refused, instead of the Telnyx ones being overlooked.
    pub refuse_both_carriers: bool,
    /// An import also takes the number off the application and the trunk that go before its webhooks.
    pub clear_applications: bool,
    /// An import of a Telnyx number puts it on the application that it names, and its end takes it off.
    pub bind_telnyx: bool,
    /// What becomes of the end of an attachment when the credentials that it was made with are refused by now.
    pub stale_credentials: StaleCredentials,
    /// The end of an attachment leaves webhooks that are no longer the platform's.
    pub spare_foreign_webhooks: bool,
    /// Monitoring, web calls and webhooks of a number are still there when it is imported again.
    pub keep_integrations: bool,
    /// A number whose agent was deleted still shows the agent's id, instead of null.
    pub orphans_keep_agent: bool,
    /// Imports and changes are answered with the few fields of the older documents instead of the whole row.
    pub short_answers: bool,
    /// A change that names no field that there is, as one that names the agent alone, is answered 200 instead of 400.
    pub allow_idle_patch: bool,
    /// Numbers are listed in pages of 25, at most 100, by `limit` and `offset`, as the older documents have it.
    pub paged_list: bool,
    /// How many numbers are listed at most where there are no pages.
    pub list_limit: usize,
    /// `count` is how many numbers are shown, instead of how many there are.
    pub count_shown: bool,
    /// Agents are listed in an object with `count`, in pages of 25, instead of as a bare list in pages of 100.
    pub wrapped_agents: bool,
    /// An agent cannot be made without a name and a prompt.
    pub require_agent_texts: bool,
    /// A path with `+` means the number, as one with `%2B` does, instead of none. The ledger has either as it came.
    pub raw_plus: bool,
    /// A bad key is `invalid_key`, as in one client's tests, instead of `invalid_api_key`.
    pub old_key_code: bool,
    /// The details of a refused import repeat what was sent, with its credentials.
    pub echo_details: bool,
    /// A call whose signature does not fit the Auth Token of the import is refused: a rotated token breaks calls.
    pub check_signature: bool,
    /// How many calls of one key are answered at once; tiers have 10, 25 and 100.
    pub max_concurrent: u32,
    /// Requests beyond the rates are answered 429; the headers speak of them in any case.
    pub enforce_rates: bool,
    pub reads_per_minute: u32,
    pub writes_per_minute: u32,
}

impl Default for NixflexSwitches {
    fn default() -> Self {
        Self {
            same_agent: SameAgent::default(),
            refuse_both_carriers: false,
            clear_applications: false,
            bind_telnyx: true,
            stale_credentials: StaleCredentials::default(),
            spare_foreign_webhooks: false,
            keep_integrations: false,
            orphans_keep_agent: true,
            short_answers: false,
            allow_idle_patch: false,
            paged_list: false,
            list_limit: 1000,
            count_shown: false,
            wrapped_agents: false,
            require_agent_texts: false,
            raw_plus: true,
            old_key_code: false,
            echo_details: false,
            check_signature: true,
            max_concurrent: 10,
            enforce_rates: false,
            reads_per_minute: 600,
            writes_per_minute: 120,
        }
    }
}

/// The answer to an import that says what is so already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SameAgent {
    /// 409, and nothing happens.
    #[default]
    Conflict,
    /// 200, and it is done again: the webhooks are written, the credentials are the new ones.
    Ok,
    /// The same with 201.
    Created,
}

/// What an attachment's end does about a carrier that refuses the credentials of its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StaleCredentials {
    /// 502 `provider_error`: the number stays attached.
    #[default]
    ProviderError,
    /// The number is no longer attached, and its webhooks stay.
    Remove,
}
