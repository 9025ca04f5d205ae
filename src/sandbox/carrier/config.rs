//! What a simulated carrier is started with, and the switches for what is not known about the real one. No I/O.

mod flowyte;
mod nixflex;
mod telnyx;

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

pub use self::{
    flowyte::{BestEffort, ErrorCodes, ExpiredHold, FlowyteSwitches, ListPages, SecondHold},
    nixflex::{NixflexSwitches, SameAgent, StaleCredentials},
    telnyx::{ConnectionClearing, OrderEnd, OrderFilters, TelnyxSwitches},
};
use super::text::hex32;

/// Everything a sandbox is started with. [`Default`] listens on a free local port and has one account and no numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SandboxConfig {
    pub listen: SocketAddr,
    /// Accounts and subaccounts, parents first. Empty for one account with generated credentials.
    pub accounts: Vec<AccountSeed>,
    /// Agents that Flowyte hosts from the beginning.
    pub agents: Vec<AgentSeed>,
    /// Numbers that are owned from the beginning.
    pub numbers: Vec<NumberSeed>,
    /// Decides every generated sid, token and number for sale.
    pub seed: u64,
    /// How many numbers are for sale in each area. US, Canadian and toll-free areas have room for 10,000, others for 1,000.
    pub stock_per_area: usize,
    pub switches: Switches,
    /// Where webhooks for a host really go: `engine.example.com` to `http://127.0.0.1:8080`. What is signed is the
    /// public URL. A host that is not named is asked over plain HTTP as it stands; HTTPS needs an entry.
    pub hosts: BTreeMap<String, String>,
    /// How long a webhook may take before the fallback is tried.
    pub webhook_timeout_ms: u64,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            accounts: Vec::new(),
            agents: Vec::new(),
            numbers: Vec::new(),
            seed: 1,
            stock_per_area: 100,
            switches: Switches::default(),
            hosts: BTreeMap::new(),
            webhook_timeout_ms: 15_000,
        }
    }
}

impl SandboxConfig {
    pub(super) fn accounts(&self) -> Vec<AccountSeed> {
        let mut accounts = self.accounts.clone();
        if accounts.is_empty() {
            accounts.push(AccountSeed::default());
        }
        // What opens them depends on the seed and their place alone, so that a printed command line goes on working whatever else is begun with.
        for (at, AccountSeed { carrier, sid, auth_token, .. }) in accounts.iter_mut().enumerate() {
            let made = |what: &str| hex32(&format!("{}/{what} {at}", self.seed));
            sid.get_or_insert_with(|| carrier.account_id(&made("account")));
            auth_token.get_or_insert_with(|| carrier.token(&made("token")));
        }
        accounts
    }

    /// The first account of a carrier.
    pub(super) fn first_account(&self, carrier: Dialect) -> Option<String> {
        self.accounts().into_iter().find(|account| account.carrier == carrier)?.sid
    }

    pub(super) fn default_account(&self) -> String {
        self.accounts().swap_remove(0).sid.unwrap_or_default()
    }
}

/// Whose API an account speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dialect {
    #[default]
    Twilio,
    Telnyx,
    Flowyte,
    /// A platform that has no numbers of its own; its accounts are keys.
    Nixflex,
}

/// An account to begin with. What is not given is generated.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AccountSeed {
    pub carrier: Dialect,
    /// Twilio: `AC` and 32 hexadecimal digits. Telnyx, which calls its accounts nothing: a UUID, for the sandbox alone.
    /// Flowyte: a UUID, the id of the organization. Nixflex: the id of a key, `nxf_` and 32 hexadecimal digits.
    pub sid: Option<String>,
    /// Twilio: the primary Auth Token. Telnyx and Flowyte: the API key. Nixflex: the key's secret.
    pub auth_token: Option<String>,
    pub friendly_name: Option<String>,
    /// The sid of the account that this one is a subaccount of; Twilio only.
    pub parent: Option<String>,
    pub balance_cents: i64,
    /// Further keys; of a Telnyx or Flowyte key only the secret is ever sent.
    pub keys: Vec<KeySeed>,
    /// Flowyte: numbers that the organization has at its carrier and can import, in E.164 form.
    pub importable: Vec<String>,
}

impl Default for AccountSeed {
    fn default() -> Self {
        Self {
            carrier: Dialect::Twilio,
            sid: None,
            auth_token: None,
            friendly_name: None,
            parent: None,
            balance_cents: 100_000,
            keys: vec![],
            importable: vec![],
        }
    }
}

impl fmt::Debug for AccountSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AccountSeed");
        shown.field("carrier", &self.carrier).field("sid", &self.sid).field("parent", &self.parent);
        shown.finish_non_exhaustive()
    }
}

/// An API key of an account.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySeed {
    pub sid: String,
    pub secret: String,
    #[serde(default)]
    pub scope: KeyScope,
}

impl fmt::Debug for KeySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySeed").field("sid", &self.sid).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// What an API key may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyScope {
    /// Everything.
    Main,
    /// Everything but the accounts themselves.
    #[default]
    Standard,
    /// Only requests of these kinds; others are 403 with code 70051 (Telnyx: 10010).
    Restricted(Vec<super::ledger::Kind>),
    /// Flowyte: what the key was minted with, such as `numbers:read`; what needs another is 403.
    Scopes(Vec<String>),
}

/// A number to begin with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NumberSeed {
    /// In E.164 form.
    pub number: String,
    /// The sid of its account; the first account if not given.
    #[serde(default)]
    pub account: Option<String>,
    /// What is set on it, by the names in the carrier's answers: `voice_url`, `friendly_name`; `connection_id`, `tags`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// An agent to begin with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AgentSeed {
    /// The sid of its account; the first Flowyte account if not given.
    pub account: Option<String>,
    pub name: String,
    /// Whether callers reach its draft, as it begins.
    pub published: bool,
}

/// Behaviour that the carrier does not document, or has been reported both ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Switches {
    /// The filter of a listing by number matches anywhere in a number instead of at its beginning.
    pub substring_filter: bool,
    /// Buying a number that the account owns is refused (21422) instead of being an update answered with 201.
    pub refuse_owned_purchase: bool,
    /// Page tokens are offsets, so that rows shift under a reader, instead of places in the order of purchase.
    pub offset_pages: bool,
    /// How an unset field is answered.
    pub unset: UnsetAnswer,
    /// A purchase may name a SID that is empty, as an update may.
    pub empty_sids: bool,
    /// The `end` of a page is the index behind its last row.
    pub exclusive_end: bool,
    /// A number bought without webhooks starts with the carrier's demo ones.
    pub demo_urls: bool,
    /// A trunk is silently not applied while a voice application is set and not cleared in the same request.
    pub trunk_waits_for_application: bool,
    /// Another account's sid in the path is 401 (20003) instead of 404 (20404).
    pub foreign_account_unauthorized: bool,
    /// A suspended account's own credentials may still read its account record.
    pub suspended_reads_itself: bool,
    /// A number given back can be bought again at once.
    pub rebuy_released: bool,
    /// Tracks a purchase's price but refuses it (10001; Telnyx: 20100) when the balance does not suffice.
    pub enforce_balance: bool,
    /// How many numbers a search shows at most, whatever page size is asked for.
    pub search_cap: usize,
    /// How many requests of one account are worked on at once before others are answered 429.
    pub concurrency: Option<usize>,
    /// The `Retry-After` of those 429, in seconds. Telnyx has none and says it in `x-ratelimit-reset`.
    pub retry_after: Option<u64>,
    /// How long every request takes at least.
    pub latency_ms: u64,
    /// Keeps queries, forms and answers in the ledger.
    pub record_bodies: bool,
    /// What only Telnyx's dialect has.
    pub telnyx: TelnyxSwitches,
    /// What only Flowyte's dialect has.
    pub flowyte: FlowyteSwitches,
    /// What only Nixflex's dialect has.
    pub nixflex: NixflexSwitches,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            substring_filter: false,
            refuse_owned_purchase: false,
            offset_pages: false,
            unset: UnsetAnswer::default(),
            empty_sids: false,
            exclusive_end: false,
            demo_urls: true,
            trunk_waits_for_application: false,
            foreign_account_unauthorized: false,
            suspended_reads_itself: true,
            rebuy_released: false,
            enforce_balance: false,
            search_cap: 30,
            concurrency: None,
            retry_after: None,
            latency_ms: 0,
            record_bodies: false,
            telnyx: TelnyxSwitches::default(),
            flowyte: FlowyteSwitches::default(),
            nixflex: NixflexSwitches::default(),
        }
    }
}

/// How a field that is not set looks in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UnsetAnswer {
    /// `null` for some and `""` for others, as in the published examples.
    #[default]
    Mixed,
    Null,
    Empty,
}
