//! The kinds that users write and read, in `dialplane.dev/v1alpha1`, and the types they share. No I/O.

#![allow(clippy::duplicated_attributes, reason = "columns and rules repeat the names of their parameters")]

pub mod account;
pub mod agent;
pub mod claim;
pub mod conditions;
pub mod config;
mod identity;
pub mod meta;
pub mod money;
pub mod number;
pub mod offer;
pub mod phone_number;
pub mod purchase;
mod schema;
pub mod seen;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

pub use account::CarrierAccount;
pub use agent::{Agent, AgentVersion};
pub use claim::NumberClaim;
pub use phone_number::PhoneNumber;
pub use purchase::NumberPurchase;
pub use schema::{broken_rule, json_schema, misfit, spec_schema};

/// The API group of every kind.
pub const GROUP: &str = "dialplane.dev";

/// Calls a macro with the name of every kind, in the order in which a person would read them: the one list of them.
macro_rules! each_kind {
    ($with:ident) => {
        $with! { CarrierAccount PhoneNumber Agent AgentVersion NumberClaim NumberPurchase }
    };
}
pub(crate) use each_kind;

/// Every custom resource definition. `crds/` holds them as YAML.
pub fn crds() -> Vec<CustomResourceDefinition> {
    macro_rules! definitions {
        ($($kind:ident)*) => { [$($kind::crd()),*] };
    }
    each_kind!(definitions).map(schema::tidy).map(keep).into()
}

/// What Helm, Argo CD and Flux read on a definition before they delete it: with it would go every object of its kind.
const KEEP: [(&str, &str); 3] = [
    ("argocd.argoproj.io/sync-options", "Prune=false"),
    ("helm.sh/resource-policy", "keep"),
    ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
];

fn keep(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let keep = KEEP.map(|(name, value)| (name.to_owned(), value.to_owned()));
    crd.metadata.annotations.get_or_insert_default().extend(keep);
    crd
}
