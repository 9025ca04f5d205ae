//! NumberPurchase: the journal of buying a number for one identity. No I/O.

use std::fmt;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    claim::{ClaimedAccount, Holder},
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
    category = "dialplane",
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

/// What a number is bought for: a name that belongs to one namespace, so that two namespaces never mean the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    pub namespace: String,
    pub name: String,
}

impl Identity {
    /// The identity `name` of a namespace. One that is written with its own namespace before it is the same as without.
    pub fn new(namespace: &str, mut name: &str) -> Self {
        let own = format!("{namespace}/");
        // However often it stands there: what was read once and is read again must mean the same.
        while let Some(rest) = name.strip_prefix(&own).filter(|rest| !rest.is_empty()) {
            name = rest;
        }
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What is written on a bought number at the carrier, to know it again: `dp1:<installation>:<hash of the identity>`, in 40
/// characters at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker(String);

impl Marker {
    /// What every marker begins with.
    pub const PREFIX: &str = "dp1:";

    /// The marker of what an installation bought for `identity`, or made under that name.
    pub fn new(installation: &str, identity: &(impl fmt::Display + ?Sized)) -> Self {
        Self(format!("{}{}:{}", Self::PREFIX, short(installation), hash(&identity.to_string(), 16)))
    }

    /// The marker that a carrier shows, if it is one of this software.
    pub fn read(text: &str) -> Option<Self> {
        text.starts_with(Self::PREFIX).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the same identity's, whatever installation wrote it.
    pub fn is_same_identity(&self, other: &Self) -> bool {
        let identity = |marker: &Self| marker.0.rsplit_once(':').map(|(_, hash)| hash.to_owned());
        identity(self) == identity(other)
    }

    /// Whether it was written by the installation of this name.
    pub fn is_of(&self, installation: &str) -> bool {
        let rest = self.0.strip_prefix(Self::PREFIX).and_then(|rest| rest.strip_prefix(&short(installation)));
        rest.is_some_and(|rest| rest.starts_with(':'))
    }
}

/// The name of an installation as it stands in markers: a long one is told by its hash.
fn short(installation: &str) -> String {
    let plain = installation.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let fits = (1..=16).contains(&installation.len()) && plain;
    if fits { installation.to_owned() } else { hash(installation, 16) }
}

/// The first digits of the SHA-256 of a text, in hexadecimal.
fn hash(text: &str, digits: usize) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>()[..digits].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_fits_where_carriers_keep_it_and_tells_installations_and_identities_apart() {
        let (b, c) = (Identity::new("a", "b"), Identity::new("a", "c"));
        let markers = [("prod", &b), ("prod", &c), ("5d0b1c62-9a0e-4a59-bd1f-0f3fd5d0c3a5", &b), ("", &b)];
        let markers: Vec<String> = markers.iter().map(|(i, id)| Marker::new(i, id).as_str().to_owned()).collect();
        assert!(markers.iter().all(|marker| marker.len() <= 40), "{markers:?}");
        assert!(markers[0].starts_with("dp1:prod:"));
        let shown = Marker::read(&markers[2]).unwrap();
        assert!(shown.is_of("5d0b1c62-9a0e-4a59-bd1f-0f3fd5d0c3a5") && !shown.is_of("prod") && !shown.is_of("5d0b"));
        assert_eq!(Marker::read("Front desk"), None);
        let distinct: std::collections::BTreeSet<_> = markers.iter().collect();
        assert_eq!(distinct.len(), markers.len());
    }

    #[test]
    fn an_identity_of_one_namespace_is_never_that_of_another() {
        let is = |namespace, name| Identity::new(namespace, name);
        for name in ["a/clinic", "a/a/clinic"] {
            assert_eq!(is("a", name), is("a", "clinic"), "with its own namespace before it, it is the same");
        }
        let all = [is("a", "clinic"), is("b", "clinic"), is("b", "a/clinic"), is("a", "b/clinic"), is("a", "a/")];
        let names = |account: &'static str| all.iter().map(move |identity| NumberPurchase::name_of(account, identity));
        let (names, markers): (std::collections::BTreeSet<String>, std::collections::BTreeSet<String>) = (
            names("AC1").chain(names("AC2")).collect(),
            all.iter().map(|identity| Marker::new("prod", identity).as_str().to_owned()).collect(),
        );
        assert_eq!((names.len(), markers.len()), (2 * all.len(), all.len()));
    }
}
