//! Whether an object lets another namespace refer to it. No I/O.

use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::LabelSelector};
use kube::{
    ResourceExt,
    core::{Selector, SelectorExt as _},
};

use crate::api::meta::{AllowedNamespaces, From};

/// Whether an object of the namespace `owner` with this consent may be referred to from `namespace`.
///
/// A namespace that is not known is not allowed by its labels: it cannot be shown to have them.
pub fn allows(consent: &AllowedNamespaces, owner: &str, namespace: &str, known: Option<&Namespace>) -> bool {
    owner == namespace
        || match consent.from {
            From::Same => false,
            From::All => true,
            From::Selector => known.is_some_and(|known| {
                let selector = consent.selector.clone().unwrap_or_default();
                // An empty selector selects everything, as everywhere in Kubernetes; one that cannot be read, nothing.
                selector_of(selector).is_some_and(|selector| selector.matches(known.labels()))
            }),
        }
}

fn selector_of(selector: LabelSelector) -> Option<Selector> {
    Selector::try_from(selector).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_for_the_own_namespace_all_or_those_with_the_labels() {
        let mut tenant = Namespace::default();
        tenant.metadata.labels = Some([("tenant".to_owned(), "yes".to_owned())].into());
        let selector = LabelSelector { match_labels: tenant.metadata.labels.clone(), ..LabelSelector::default() };
        let consent = |from, selector| AllowedNamespaces { from, selector };
        let by_labels = consent(From::Selector, Some(selector));
        for (consent, namespace, known, allowed) in [
            (&consent(From::Same, None), "own", None, true),
            (&consent(From::Same, None), "other", None, false),
            (&consent(From::All, None), "other", None, true),
            (&by_labels, "other", Some(&tenant), true),
            (&by_labels, "other", Some(&Namespace::default()), false),
            (&by_labels, "other", None, false),
            (&by_labels, "own", None, true),
        ] {
            assert_eq!(allows(consent, "own", namespace, known), allowed, "{consent:?} {namespace}");
        }
    }
}
