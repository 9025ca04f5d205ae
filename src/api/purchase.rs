//! NumberPurchase: the journal of buying a number for one identity. No I/O.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::identity::{Identity, Marker};
use super::{
    claim::{ClaimedAccount, Holder},
    identity::hash,
    number::E164,
    offer::{Offered, Price},
};

/// The record of a purchase for one purchase identity of one namespace at one carrier account, written before a request is sent. It names
/// the one number that may have been bought; only the carrier shows whether it was. It is kept while it names one, so that the same purchase
/// identity gets its number back. Written by the operator only.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dialplane.dev",
    version = "v1alpha1",
    kind = "NumberPurchase",
    derive = "PartialEq",
    shortname = "np",
    doc = "The record of a purchase for one purchase identity. It is kept while it names a number, so that the same identity gets that \
           number back. Written by the operator only.",
    selectable = ".spec.number",
    selectable = ".spec.holder.namespace",
    selectable = ".spec.holder.name",
    printcolumn(
        name = "Identity",
        type_ = "string",
        json_path = ".spec.identity",
        description = "The purchase identity, within the namespace"
    ),
    printcolumn(
        name = "Number",
        type_ = "string",
        json_path = ".spec.number",
        description = "The one number that may have been bought"
    ),
    printcolumn(name = "Attempt", type_ = "integer", json_path = ".spec.attempt", description = "Number of attempts"),
    printcolumn(
        name = "Held until",
        type_ = "string",
        json_path = ".spec.hold.until",
        priority = 1,
        description = "When the carrier's hold ends, if the number is held"
    ),
    printcolumn(
        name = "Namespace",
        type_ = "string",
        json_path = ".spec.holder.namespace",
        description = "Namespace of the PhoneNumber that buys"
    ),
    printcolumn(
        name = "Holder",
        type_ = "string",
        json_path = ".spec.holder.name",
        description = "The PhoneNumber that buys"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.identity == oldSelf.identity").message("identity cannot change: another purchase identity has its own NumberPurchase"),
    validation = Rule::new("!has(oldSelf.__namespace__) || (has(self.__namespace__) && self.__namespace__ == oldSelf.__namespace__)").message("namespace cannot change: a purchase identity belongs to its namespace"),
    validation = Rule::new("self.attempt >= oldSelf.attempt").message("attempt only grows: a smaller one is from an older copy of this object. Read it again"),
)]
pub struct NumberPurchaseSpec {
    /// The namespace of the purchase identity. Absent in records of earlier versions: there it is the holder's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// The purchase identity, within the namespace.
    #[schemars(length(min = 1, max = 320))]
    pub identity: String,
    /// The installation that bought the number: its name is in the number's marker at the carrier. A cluster that is restored under another
    /// name recognizes its numbers by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub installation: String,
    /// The PhoneNumber that buys, or bought.
    pub holder: Holder,
    /// The account that buys it.
    pub account: ClaimedAccount,
    /// The one number that may have been bought. Absent once it is certain that none was, and while one is only held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<E164>,
    /// The attempt that names this number. It only grows.
    pub attempt: u32,
    /// Random, and new with every write: only the process that wrote it sends the request.
    #[schemars(length(min = 1, max = 64))]
    pub token: String,
    /// The offered price.
    #[serde(default)]
    pub price: Price,
    /// The offer, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<Offered>,
    /// Whether the number is in the place that was searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<bool>,
    /// The number that the carrier holds, if any: to be bought by this entry, or after approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// A number that a carrier holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// The held number.
    pub number: E164,
    /// The carrier's ID of the hold.
    #[schemars(length(max = 128))]
    pub id: String,
    /// When it ends, by the carrier's clock (RFC 3339). Clocks differ: it only says when to check again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub until: Option<String>,
}

impl NumberPurchase {
    /// The name of the journal of an identity at the carrier account `account`, which is the carrier's id of it.
    pub fn name_of(account: &str, identity: &Identity) -> String {
        let Identity { namespace, name } = identity;
        // Only the last part may hold a line break: two that differ never read the same.
        hash(&format!("{account}\n{namespace}\n{name}"), 40)
    }
}

impl NumberPurchaseSpec {
    /// The identity that it is the journal of.
    pub fn identity(&self) -> Identity {
        let namespace = if self.namespace.is_empty() { &self.holder.namespace } else { &self.namespace };
        Identity::new(namespace, &self.identity)
    }
}
