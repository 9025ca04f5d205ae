//! What is left of a kind whose definition is being deleted, where this process cannot work. Does I/O: the API server.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch},
};
use serde_json::json;

use super::{Controller, kinds::Controlled};
use crate::{
    api::{
        self, each_kind,
        meta::{IN_USE_FINALIZER, ROUTE_FINALIZER},
    },
    cluster::objects::Objects,
};

impl Controller {
    /// Takes our finalizers off whatever is being deleted along with its definition; nothing is written at a carrier for that. Without all of
    /// the definitions this process never sees the whole cluster and does not begin to work: those that are going would wait for it for good.
    pub async fn let_go_of_ending(&self) -> kube::Result<()> {
        macro_rules! let_go_of_each {
            ($($kind:ident)*) => {
                $(let_go_of::<api::$kind>(&self.context.client).await?;)*
            };
        }
        each_kind!(let_go_of_each);
        Ok(())
    }
}

async fn let_go_of<K: Controlled + Clone>(client: &Client) -> kube::Result<()> {
    let definition = Objects::<CustomResourceDefinition>::all(client.clone()).get_metadata_opt(K::crd_name()).await?;
    if definition.is_none_or(|definition| definition.metadata.deletion_timestamp.is_none()) {
        return Ok(());
    }
    for object in Api::<K>::all(client.clone()).list_metadata(&ListParams::default()).await? {
        let left = object.finalizers().iter().filter(|name| ![IN_USE_FINALIZER, ROUTE_FINALIZER].contains(&&***name));
        let left: Vec<&String> = left.collect();
        if object.metadata.deletion_timestamp.is_none() || left.len() == object.finalizers().len() {
            continue;
        }
        let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
        tracing::info!(kind = K::KIND.as_str(), namespace, name, "the finalizer is removed: its CRD is being deleted");
        let patch = json!({"metadata": {"finalizers": left, "resourceVersion": object.resource_version()}});
        K::api(client.clone(), &namespace).patch(&name, &Patch::Merge(&patch)).await?;
    }
    Ok(())
}
