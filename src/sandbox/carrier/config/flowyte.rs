//! The switches of Flowyte's dialect: what `docs/carriers/flowyte.md` marks as unknown, inferred or told both ways. No I/O.

use serde::{Deserialize, Serialize};

/// How the simulated Flowyte behaves where nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FlowyteSwitches {
    /// How lists of numbers, agents and versions are cut.
    pub pages: ListPages,
    /// How many rows a page has, where lists are cut and the client does not say.
    pub page_size: usize,
    /// `GET /numbers/{id}`, which no document names, is there.
    pub get_number: bool,
    /// A number without an agent has no `defaultAgentId` at all instead of null.
    pub unassigned_absent: bool,
    /// `monthlyCost` and `setupCost` are whole cents instead of dollars.
    pub costs_in_cents: bool,
    /// What a search without `bestEffort=false` gives up when it finds too little.
    pub best_effort: BestEffort,
    /// The HTTP status of a look at a number that is not for sale: 404 or 409.
    pub unavailable_status: u16,
    /// A raw `+` in a path is taken for one instead of for a space.
    pub raw_plus: bool,
    /// The HTTP status of what was made: numbers, reservations, agents, versions.
    pub created_status: u16,
    /// What is deleted is answered with 204 and nothing instead of with 200 and an envelope around null.
    pub delete_empty: bool,
    /// How long a reservation holds its number; about 30 minutes at the real one.
    pub hold_ms: u64,
    /// The answer to a reservation says when it lapses.
    pub hold_expiry_shown: bool,
    /// What becomes of a second reservation of a number by the same organization.
    pub second_hold: SecondHold,
    /// The HTTP status of a reservation of a number that is not reservable: 409 or 422.
    pub unreservable_status: u16,
    /// What a purchase with a reservation that has lapsed is answered.
    pub expired_hold: ExpiredHold,
    /// A number that the organization holds is sold to it only with the id of its reservation; else 409.
    pub own_hold_needs_id: bool,
    /// The HTTP status of a purchase of what is not for sale, one's own number among it: 409 or 404.
    pub taken_status: u16,
    /// A purchase costs the setup as well as the first month.
    pub setup_charged: bool,
    /// How long the answer to an idempotency key is kept; `None` for ever.
    pub key_ms: Option<u64>,
    /// The HTTP status of a known idempotency key with another body: 409 or 422.
    pub key_conflict_status: u16,
    /// Refusals are kept with their idempotency key and answered again: a 402 even after the wallet was filled.
    pub keys_keep_refusals: bool,
    /// Every POST takes an idempotency key, not only purchases and publications.
    pub keys_everywhere: bool,
    /// The HTTP status of an assignment to an agent that there is not: 404 or 422.
    pub unknown_agent_status: u16,
    /// The HTTP status of taking the agent off a number that has none; `None` where it is done as if there were one.
    pub unassign_again_status: Option<u16>,
    /// A number is only given back after its agent was taken off; else 409.
    pub release_needs_unassign: bool,
    /// Giving an imported number back leaves it with the carrier, to be imported again.
    pub release_detaches_imported: bool,
    /// Deleting an agent takes it off its numbers, which otherwise go on naming it.
    pub delete_unassigns: bool,
    /// Publishing a draft that is published already makes no new version, and answers the one that there is.
    pub publish_unchanged_is_nothing: bool,
    /// An import is answered with the number instead of with null.
    pub import_shown: bool,
    /// The HTTP status of an import of a number that the carrier account does not have: 404, 409 or 422.
    pub unimportable_status: u16,
    /// An import takes no heed of the agent that it names.
    pub import_ignores_agent: bool,
    /// Where a refusal says its code.
    pub error_codes: ErrorCodes,
}

impl Default for FlowyteSwitches {
    fn default() -> Self {
        Self {
            pages: ListPages::Whole,
            page_size: 20,
            get_number: false,
            unassigned_absent: false,
            costs_in_cents: false,
            best_effort: BestEffort::PlaceAndPattern,
            unavailable_status: 404,
            raw_plus: false,
            created_status: 201,
            delete_empty: false,
            hold_ms: 30 * 60 * 1000,
            hold_expiry_shown: true,
            second_hold: SecondHold::Refused,
            unreservable_status: 409,
            expired_hold: ExpiredHold::Conflict,
            own_hold_needs_id: false,
            taken_status: 409,
            setup_charged: true,
            key_ms: None,
            key_conflict_status: 409,
            keys_keep_refusals: false,
            keys_everywhere: false,
            unknown_agent_status: 404,
            unassign_again_status: None,
            release_needs_unassign: false,
            release_detaches_imported: false,
            delete_unassigns: false,
            publish_unchanged_is_nothing: false,
            import_shown: true,
            unimportable_status: 404,
            import_ignores_agent: false,
            error_codes: ErrorCodes::Field,
        }
    }
}

/// How a list is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ListPages {
    /// Not at all, and without a word about pages.
    #[default]
    Whole,
    /// `nextCursor` names the next page, until it is null; the client sends it as `cursor`.
    Cursor,
    /// Pages are numbered from 1, and `totalPages` says how many there are.
    Numbered,
    /// After the first page, without a word: the rest cannot be seen.
    Silent,
}

/// What a search gives up to show more than matches. It keeps the country, and no result says that it is another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BestEffort {
    /// Area code, city and state.
    Place,
    /// The digits too.
    #[default]
    PlaceAndPattern,
    /// And features and type.
    Everything,
}

/// What becomes of a second reservation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecondHold {
    /// The first one is answered as it stands.
    Same,
    /// The first one is answered, and lasts as long as a new one.
    Extended,
    /// 409, as for a number that somebody else holds.
    #[default]
    Refused,
}

/// What a purchase with a lapsed reservation is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExpiredHold {
    #[default]
    Conflict,
    NotFound,
    /// The number is sold if it is still for sale.
    Ignored,
}

/// Where a refusal says its code: the documents have all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorCodes {
    /// In `code`.
    #[default]
    Field,
    /// As the last part of the URL in `type`.
    Type,
    /// In place of a sentence in `detail`.
    Detail,
}
