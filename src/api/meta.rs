//! References, consent, and the names of our annotations and finalizers. No I/O.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{KubeSchema, Resource, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// On a PhoneNumber: its route at the carrier may still be ours.
pub const ROUTE_FINALIZER: &str = "dialplane.dev/route";
/// On everything that others depend on: something may still refer to it.
pub const IN_USE_FINALIZER: &str = "dialplane.dev/in-use";

/// Any new value asks for a look at the carrier now. Handled when `status.lastHandledReconcileAt` shows the same value.
pub const RECONCILE_REQUESTED: &str = "dialplane.dev/reconcile-requested-at";
// The four below are rights of their own: the chart's admission policies let only those set them who have the verb of each on the
// CarrierAccount that the object is, or refers to.

/// `"true"` on a PhoneNumber that is being deleted, or on a CarrierAccount for all under it: let go without clearing the route.
/// Needs the verb `abandon`.
pub const ABANDON: &str = "dialplane.dev/abandon";
/// On a CarrierAccount whose inventory is doubted: the number of numbers that it really owns now, confirmed by a person.
/// Needs the verb `confirm`.
pub const CONFIRM_INVENTORY: &str = "dialplane.dev/confirm-inventory";

/// `"true"` on a PhoneNumber in service, or an Agent that has numbers: it may be deleted. Read by the chart's admission policy
/// `protectNumbersInService` alone.
pub const ALLOW_DELETE: &str = "dialplane.dev/allow-delete";

/// On an Agent, written by the operator: names and digests that were published last, as in `v1=sha256:…,v2=sha256:…`. A backup and an
/// export carry it along, and the Agent that is made of them knows its past.
pub const PUBLISHED: &str = "dialplane.dev/published";

/// On a PhoneNumber with `approval: Manual`: the number to buy, which its status offers. Needs the verb `approve`, unless the offer
/// says that the account leaves it to whoever may edit the object.
pub const APPROVE: &str = "dialplane.dev/approve";
/// On a PhoneNumber that buys: the number that is its own already, said by a person where nothing else tells. Needs
/// the verb `adopt`.
pub const NUMBER: &str = "dialplane.dev/number";

/// On a PhoneNumber that buys at a carrier which keeps no markers: that none of the numbers which nothing claims is its own. The value is
/// given by the condition, and speaks of just these numbers.
pub const BUY_ANOTHER: &str = "dialplane.dev/buy-another";

/// On a PhoneNumber that has a number: `<namespace>/<name>` of the PhoneNumber that takes it over, claim and route, in one step.
pub const HAND_OVER: &str = "dialplane.dev/hand-over-to";

/// The namespace and name of an object; the namespace is empty for kinds that have none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of `object`.
    pub fn of<K: Resource>(object: &K) -> Self {
        Self::new(object.namespace().unwrap_or_default(), object.name_any())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// A reference to an object, by default in this namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of the object; this one when absent. The object's own `allowedNamespaces` decides whether it may be used from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

impl Reference {
    /// What is referred to, seen from an object in the namespace `from`.
    pub fn key(&self, from: &str) -> Key {
        Key::new(self.namespace.as_deref().unwrap_or(from), &*self.name)
    }
}

/// A reference to a Secret of the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LocalReference {
    /// Name of the object.
    // It becomes a part of the path that the API server is asked for.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(r"self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')").message("credentialsRef.name is the name of a Secret: lower-case letters, digits, dashes and dots, with a letter or a digit at both ends and around each dot, as in twilio-prod"))]
    pub name: String,
}

/// Which namespaces may refer to this object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(self.from == 'Selector') == has(self.selector)",
    "message": "selector goes with `from: Selector` and with nothing else: set both, or neither",
}, {
    "rule": "!has(self.selector) || !has(self.selector.matchExpressions) || self.selector.matchExpressions.all(e, e.operator in ['In', 'NotIn'] ? has(e.values) && size(e.values) > 0 : e.operator in ['Exists', 'DoesNotExist'] && (!has(e.values) || size(e.values) == 0))",
    "message": "in a selector's matchExpressions the operator is In or NotIn with values, or Exists or DoesNotExist without values",
}]))]
pub struct AllowedNamespaces {
    /// How namespaces are selected. `Same`, the default: this object's own namespace. `All`: every namespace. `Selector`: its own, and those
    /// whose labels match `selector`.
    #[serde(default)]
    pub from: From,
    /// Labels of the allowed namespaces, with `from: Selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How the namespaces that may refer to an object are selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum From {
    #[default]
    Same,
    All,
    Selector,
}
