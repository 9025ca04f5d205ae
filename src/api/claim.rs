//! NumberClaim: the right of one PhoneNumber to manage one number, and the journal of that number's route. No I/O.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::number::Digests;
use super::{
    identity::Identity,
    meta::Key,
    number::{ByChannel, Channel, Destination, E164, Route},
    offer::{Offered, Price},
    phone_number::{Acquisition, OnDelete},
};

/// How many versions a claim remembers that its number was sent to.
const MOST_LED_TO: usize = 10;

/// The right of one PhoneNumber to manage one number. Named by the number's digits, so a number has one claim whatever namespace, account or
/// carrier it comes from. Written by the operator only.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dialplane.dev",
    version = "v1alpha1",
    kind = "NumberClaim",
    derive = "PartialEq",
    shortname = "nc",
    doc = "A number that this cluster manages, and the record of its route. Written by the operator only.",
    selectable = ".spec.number",
    selectable = ".spec.holder.namespace",
    selectable = ".spec.holder.name",
    selectable = ".spec.account.identity",
    printcolumn(name = "Number", type_ = "string", json_path = ".spec.number", description = "The number"),
    printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.holder.namespace", description = "Namespace of the PhoneNumber that holds it"),
    printcolumn(name = "Holder", type_ = "string", json_path = ".spec.holder.name", description = "The PhoneNumber that holds it"),
    printcolumn(name = "Identity", type_ = "string", json_path = ".spec.purchase.identity", description = "The purchase identity of a bought number", priority = 1),
    printcolumn(name = "Account", type_ = "string", json_path = ".spec.account.identity", description = "The carrier's ID of the account that owns it"),
    printcolumn(name = "Acquisition", type_ = "string", json_path = ".spec.acquisition", description = "How the account got it"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("'+' + self.metadata.name == self.spec.number").message("the name of a NumberClaim is the digits of its number")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.number == oldSelf.number").message("number cannot change"))]
pub struct NumberClaimSpec {
    /// The number.
    pub number: E164,
    /// The PhoneNumber that manages it. The claim of a bought number is kept without one: it is unheld then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// The account that owns it.
    pub account: ClaimedAccount,
    /// The carrier's ID of the number, once known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub carrier_number_id: String,
    /// How the account got the number.
    pub acquisition: Acquisition,
    /// For a bought number: the purchase identity and the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase: Option<Box<ClaimedPurchase>>,
    /// What happens to the route if the holder is gone without cleanup.
    pub on_delete: OnDelete,
    /// Where each channel went before Dialplane: used again for a channel that no version sets, and with `onDelete: Restore`. It is stored
    /// only here, and never passed to another namespace.
    #[serde(default, skip_serializing_if = "ByChannel::is_empty")]
    pub previous: Route,
    /// Fingerprints of the routes that the operator sent, latest first: they distinguish its own route from others. Written before the
    /// carrier is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<Digests>,
    /// The platform that answers the number: written before it is asked to, and removed when the number is removed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Box<ClaimedBinding>>,
    /// The agent versions that the number was routed to, latest first. An Agent that is created again does not publish its draft under these
    /// names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub led_to: Vec<LedTo>,
}

/// The platform's agent that answers a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedBinding {
    /// The platform's account.
    pub account: ClaimedAccount,
    /// The platform's ID of the agent.
    #[schemars(length(max = 128))]
    pub agent: String,
    /// The route that the platform set at the carrier, once seen. It is enforced against drift.
    #[serde(default, skip_serializing_if = "ByChannel::is_empty")]
    pub route: Route,
    /// Fingerprint of the credentials that the platform received for the number. When the account gets other credentials, they are sent
    /// there too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub lent: Option<String>,
}

/// An agent version that a number was routed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedTo {
    /// Namespace and name of the Agent, as in `agents/ringback-dental`.
    #[schemars(length(max = 320))]
    pub agent: String,
    /// Name of the version.
    #[schemars(length(max = 63))]
    pub version: String,
}

/// The object that holds a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    /// Namespace of the PhoneNumber.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Name of the PhoneNumber.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// UID of the PhoneNumber: an object created again under the same name is another holder.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
}

/// The account that owns a claimed number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimedAccount {
    /// Namespace of the CarrierAccount.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Name of the CarrierAccount.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The carrier's ID of the account; if it has none, the CarrierAccount's namespace and name.
    #[schemars(length(max = 320))]
    pub identity: String,
}

/// The purchase that a number comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedPurchase {
    /// The namespace of the purchase identity. Absent in records of earlier versions: there it is the holder's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// The purchase identity within that namespace; its NumberPurchase records the purchase.
    #[schemars(length(min = 1, max = 320))]
    pub identity: String,
    /// The installation that bought it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub installation: String,
    /// The attempt of that purchase identity which claimed the number. It only grows.
    pub attempt: u32,
    /// Its price when it was bought, if known.
    #[serde(default)]
    pub price: Price,
    /// Its offer when it was bought, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<Offered>,
}

impl ClaimedAccount {
    /// The account of the CarrierAccount `key` that its carrier knows by `identity`.
    pub fn of(key: &Key, identity: &str) -> Self {
        Self { namespace: key.namespace.clone(), name: key.name.clone(), identity: identity.to_owned() }
    }

    /// The CarrierAccount.
    pub fn key(&self) -> Key {
        Key::new(&*self.namespace, &*self.name)
    }
}

impl NumberClaim {
    /// The claim of a number that was bought, without a holder and with nothing of ours at the carrier. It goes on saying whose it was.
    pub fn rested(&self) -> Self {
        let namespace = self.spec.namespace().unwrap_or_default().to_owned();
        let purchase = self.spec.purchase.clone().map(|purchase| Box::new(ClaimedPurchase { namespace, ..*purchase }));
        let spec = NumberClaimSpec { holder: None, purchase, sent: Vec::new(), bound: None, ..self.spec.clone() };
        Self { spec, ..self.clone() }
    }
}

impl NumberClaimSpec {
    /// Whether the object with this uid holds it.
    pub fn is_held_by(&self, uid: &str) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.uid == uid)
    }

    /// The namespace that has or last had the number: its holder's, or the one that it was bought for. `None` for a claim at rest
    /// that an earlier version wrote.
    pub fn namespace(&self) -> Option<&str> {
        let holder = self.holder.as_ref().map(|holder| &*holder.namespace);
        holder.or_else(|| self.purchase.as_ref().map(|purchase| &*purchase.namespace)).filter(|name| !name.is_empty())
    }

    /// What the number was bought for, if it was.
    pub fn identity(&self) -> Option<Identity> {
        let purchase = self.purchase.as_ref()?;
        let namespace = Some(&*purchase.namespace).filter(|name| !name.is_empty()).or(self.namespace())?;
        Some(Identity::new(namespace, &purchase.identity))
    }

    /// Whether it was made to buy the number for this identity.
    pub fn is_for(&self, identity: &Identity) -> bool {
        self.identity().as_ref() == Some(identity)
    }

    /// Whether the number was bought for, or handed to, another namespace than this one.
    pub fn is_of_another(&self, namespace: &str) -> bool {
        self.identity().is_some_and(|identity| identity.namespace != namespace)
    }

    /// Whether it says that its number was seen to be bought, by this attempt or a later one. It comes to rest once that is settled: one of
    /// an earlier attempt alone came to nothing.
    pub fn was_seen_bought(&self, attempt: u32) -> bool {
        let is_last = self.purchase.as_deref().is_some_and(|purchase| purchase.attempt >= attempt);
        self.holder.is_none() && is_last || !self.carrier_number_id.is_empty()
    }

    /// What `led_to` is once the number is sent to one more version.
    pub fn leading_to(led_to: &[LedTo], next: LedTo) -> Vec<LedTo> {
        let before = led_to.iter().filter(|before| **before != next).cloned();
        std::iter::once(next.clone()).chain(before).take(MOST_LED_TO).collect()
    }

    /// Whether the account of this key was seen to have the number: the one that owns it or, once what it set at the carrier was read, the
    /// platform that answers.
    pub fn was_seen_at(&self, account: &Key) -> bool {
        let owned = self.account.key() == *account && !self.carrier_number_id.is_empty();
        let answered = |bound: &ClaimedBinding| bound.account.key() == *account && !bound.route.is_empty();
        owned || self.bound.as_deref().is_some_and(answered)
    }

    /// Whether `destination` is one that we sent. Nothing is nobody's.
    pub fn is_ours(&self, channel: Channel, destination: &Destination) -> bool {
        let digest = destination.digest();
        !destination.is_empty() && self.sent.iter().any(|sent| sent.get(&channel) == Some(&digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_expected_where_it_was_seen_and_not_where_it_was_only_asked_for() {
        let mut claim: NumberClaimSpec = serde_json::from_value(serde_json::json!({
            "number": "+14155551234", "account": {"namespace": "a", "name": "carrier", "identity": "AC1"},
            "acquisition": "Imported", "onDelete": "Clear",
            "bound": {"account": {"namespace": "a", "name": "platform", "identity": "key"}, "agent": "a1"},
        }))
        .unwrap();
        let seen =
            |claim: &NumberClaimSpec| ["carrier", "platform"].map(|name| claim.was_seen_at(&Key::new("a", name)));
        assert_eq!(seen(&claim), [false, false]);
        claim.carrier_number_id = "PN1".to_owned();
        assert_eq!(seen(&claim), [true, false]);
        claim.bound.as_mut().unwrap().route.insert(Channel::Voice, Destination::bound("agentId", Some("a1".into())));
        assert_eq!(seen(&claim), [true, true]);
    }
}
