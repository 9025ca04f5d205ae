//! The switches of Telnyx's dialect: what `docs/carriers/telnyx.md` marks as unknown, inferred or reported both ways. No I/O.

use serde::{Deserialize, Serialize};

/// How the simulated Telnyx behaves where nobody knows, and how long it takes over what is asynchronous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TelnyxSwitches {
    /// How long an order is pending. 0: its own answer shows its end already.
    pub order_ms: u64,
    /// What becomes of an order then, if nobody decides it before.
    pub order_end: OrderEnd,
    /// The HTTP status of a refused order or reservation (85000 to 85008, 20100); only the codes are documented.
    pub refusal_status: u16,
    /// How long a reservation holds its numbers; 30 minutes at the real one.
    pub hold_ms: u64,
    /// How often a reservation can be extended before 85008.
    pub max_extends: u32,
    /// How many numbers an account can hold before 85007.
    pub max_holds: Option<usize>,
    /// For how long a search makes its results orderable; `None` for ever.
    pub search_ms: Option<u64>,
    /// What becomes of the filters of a list of orders.
    pub order_filters: OrderFilters,
    /// A number is listed with status `purchase-pending` while its order is pending.
    pub pending_listed: bool,
    /// A number given back stays listed with status `deleted`.
    pub deleted_listed: bool,
    /// An order of a number that the account has is taken and changes it, at no cost, instead of 85001.
    pub order_owned: bool,
    /// What takes a number off its connection.
    pub connection_clearing: ConnectionClearing,
    /// An application or messaging profile that numbers use can be deleted, which unassigns them, instead of 10021.
    pub delete_in_use: bool,
    /// A TeXML application made without `voice_method` asks with GET, as one page has it, instead of POST.
    pub default_method_get: bool,
    /// A TeXML application can be changed without naming `friendly_name` and `voice_url`, which the official clients require.
    pub partial_applications: bool,
    /// How far the messaging profile that numbers show lags behind what was set.
    pub messaging_lag_ms: u64,
    /// The messaging service does not answer: numbers are 503, or have profile `UNAVAILABLE` where the client asked for that.
    pub messaging_unavailable: bool,
    /// Numbers have the types of old: `longcode` and `tollfree`.
    pub legacy_types: bool,
    /// Requests to TeXML webhooks are signed as those to messaging webhooks are.
    pub sign_calls: bool,
}

impl Default for TelnyxSwitches {
    fn default() -> Self {
        Self {
            order_ms: 50,
            order_end: OrderEnd::Success,
            refusal_status: 422,
            hold_ms: 30 * 60 * 1000,
            max_extends: 1,
            max_holds: None,
            search_ms: None,
            order_filters: OrderFilters::Kept,
            pending_listed: false,
            deleted_listed: false,
            order_owned: false,
            connection_clearing: ConnectionClearing::Either,
            delete_in_use: false,
            default_method_get: false,
            partial_applications: false,
            messaging_lag_ms: 0,
            messaging_unavailable: false,
            legacy_types: false,
            sign_calls: true,
        }
    }
}

/// How an order ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderEnd {
    /// The number is the account's.
    #[default]
    Success,
    /// It is not, and the money comes back.
    Failure,
    /// The same, as when documents are missing at the deadline.
    Cancelled,
    /// It never ends by itself, as where documents are vetted.
    Never,
}

impl OrderEnd {
    /// The status that an order has then.
    pub fn status(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Never => "pending",
        }
    }
}

/// How the filters of a list of orders are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderFilters {
    #[default]
    Kept,
    /// Every order is shown.
    Ignored,
    /// 10015.
    Refused,
}

/// Which values of `connection_id` unassign it. One that does not is refused (`""`) or changes nothing (`null`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConnectionClearing {
    #[default]
    Either,
    Empty,
    Null,
    Neither,
}
