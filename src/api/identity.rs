//! What a number is bought for, and what is written on it at the carrier to know it again. No I/O.

use std::fmt;

use sha2::{Digest as _, Sha256};

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

    /// Whether the same installation wrote it, for whatever identity.
    pub fn is_same_installation(&self, other: &Self) -> bool {
        let installation = |marker: &Self| marker.0.rsplit_once(':').map(|(name, _)| name.to_owned());
        installation(self) == installation(other)
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
pub(super) fn hash(text: &str, digits: usize) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>()[..digits].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::NumberPurchase;

    #[test]
    fn a_marker_fits_where_carriers_keep_it_and_tells_installations_and_identities_apart() {
        let (b, c) = (Identity::new("a", "b"), Identity::new("a", "c"));
        let markers = [("prod", &b), ("prod", &c), ("5d0b1c62-9a0e-4a59-bd1f-0f3fd5d0c3a5", &b), ("", &b)];
        let markers: Vec<String> = markers.iter().map(|(i, id)| Marker::new(i, id).as_str().to_owned()).collect();
        assert!(markers.iter().all(|marker| marker.len() <= 40), "{markers:?}");
        assert!(markers[0].starts_with("dp1:prod:"));
        let shown = Marker::read(&markers[2]).unwrap();
        let is_same = |a: usize, b: usize| Marker(markers[a].clone()).is_same_installation(&Marker(markers[b].clone()));
        assert!(is_same(0, 1) && !is_same(0, 2) && !is_same(0, 3));
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
