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

/// The journal of buying a number for one identity of one namespace at one carrier account: what is about to be sent stands here
/// first. It points at the one number that may be ours; only looking at the carrier tells whether it is. It stays as long as it names one, so
/// that the same identity finds its number again. Written by the operator only.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dialplane.dev",
    version = "v1alpha1",
    kind = "NumberPurchase",
    derive = "PartialEq",
    shortname = "np",
    doc = "The journal of buying a number for one identity. It stays as long as it names a number, so that the same identity finds that again. Written by the operator only.",
    selectable = ".spec.number",
    selectable = ".spec.holder.namespace",
    selectable = ".spec.holder.name",
    printcolumn(
        name = "Identity",
        type_ = "string",
        json_path = ".spec.identity",
        description = "What the number is for, within the namespace"
    ),
    printcolumn(
        name = "Number",
        type_ = "string",
        json_path = ".spec.number",
        description = "The one number that may be ours"
    ),
    printcolumn(
        name = "Attempt",
        type_ = "integer",
        json_path = ".spec.attempt",
        description = "How many attempts there were"
    ),
    printcolumn(
        name = "Held until",
        type_ = "string",
        json_path = ".spec.hold.until",
        priority = 1,
        description = "Until when the carrier keeps the number, where it does"
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
    validation = Rule::new("self.identity == oldSelf.identity").message("identity cannot change: this is the journal of one identity, and another has its own"),
    validation = Rule::new("!has(oldSelf.__namespace__) || (has(self.__namespace__) && self.__namespace__ == oldSelf.__namespace__)").message("namespace cannot change: an identity is its namespace's own"),
    validation = Rule::new("self.attempt >= oldSelf.attempt").message("attempt only grows: a smaller one is from an older copy of this object. Read it again"),
)]
pub struct NumberPurchaseSpec {
    /// The namespace whose identity it is. Absent in records of earlier versions: there it is the holder's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// What the number is for, within the namespace.
    #[schemars(length(min = 1, max = 320))]
    pub identity: String,
    /// The installation that bought: it stands in the number's marker at the carrier. A cluster that is restored under another name
    /// knows by it whose number it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub installation: String,
    /// The PhoneNumber that buys, or bought.
    pub holder: Holder,
    /// The account that it is bought by.
    pub account: ClaimedAccount,
    /// The one number that may be ours. Absent once it was proved that none is, and as long as one is only held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<E164>,
    /// The attempt that names this number. It only grows.
    pub attempt: u32,
    /// Random, and new with every write: whoever put it here is the only one to send.
    #[schemars(length(min = 1, max = 64))]
    pub token: String,
    /// What the number costs, as offered.
    #[serde(default)]
    pub price: Price,
    /// What the number was offered as, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<Offered>,
    /// Whether a number that was searched for is in the very place that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<bool>,
    /// The number that the carrier keeps for us, where it does: to be bought by this entry, or once a person says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// A number that a carrier keeps for us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// The number that is kept.
    pub number: E164,
    /// The carrier's id of the hold.
    #[schemars(length(max = 128))]
    pub id: String,
    /// When it ends, by the carrier's clock (RFC 3339). Clocks differ: it only says when to look again.
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
