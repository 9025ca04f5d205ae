//! A version of an Agent as it is made. It does I/O: the API server, for the draft.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api, ResourceExt,
    api::{GetParams, ObjectMeta},
    core::Request,
};
use serde::Deserialize;

use super::{
    Context,
    error::{Error, answered},
    kinds::Controlled,
};
use crate::api::{
    Agent, AgentVersion,
    agent::{AgentVersionSpec, Draft},
    config::Config,
    meta::{IN_USE_FINALIZER, Key},
};

impl Context {
    /// The version of an agent that is to be made, whole. A dry run makes it without its configuration, which nothing decides by.
    pub(super) async fn frozen<K: Controlled>(
        &self,
        agent: &K,
        mut spec: AgentVersionSpec,
    ) -> Result<AgentVersion, Error> {
        if !spec.config.is_whole() && self.dry_run().is_none() {
            spec.config = self.config_of(agent, &spec).await?;
        }
        let name = AgentVersion::name_of(&spec.agent, &spec.version);
        let mut version = AgentVersion::new(&name, spec);
        version.metadata = ObjectMeta {
            name: Some(name),
            namespace: agent.namespace(),
            owner_references: agent.controller_owner_ref(&()).map(|owner| vec![deferential(owner)]),
            finalizers: Some(vec![IN_USE_FINALIZER.to_owned()]),
            ..ObjectMeta::default()
        };
        Ok(version)
    }

    /// The configuration of the draft that was decided on. It is not kept in memory, and is read when it is needed.
    async fn config_of<K: Controlled>(&self, agent: &K, spec: &AgentVersionSpec) -> Result<Config, Error> {
        let api: Api<Agent> = Api::namespaced(self.client.clone(), &agent.namespace().unwrap_or_default());
        let get = Request::new(api.resource_url()).get(&spec.agent, &GetParams::default());
        let get = get.map_err(kube::Error::BuildRequest)?;
        let Drafted { spec: live } = answered(self.client.request(get)).await?;
        if live.draft.digest() != spec.draft().digest() {
            return Err(Error::Gone(format!("the expected draft of Agent {}", Key::of(agent))));
        }
        Ok(live.draft.config)
    }
}

/// An Agent of which nothing but the draft is read.
#[derive(Debug, Deserialize)]
struct Drafted {
    spec: DraftedSpec,
}

#[derive(Debug, Deserialize)]
struct DraftedSpec {
    draft: Draft,
}

/// An owner reference that does not hold up the deletion of its owner: the finalizers do that where it is needed. With
/// `blockOwnerDeletion` some clusters (OpenShift) ask for the right to write finalizers of the owner as well.
fn deferential(owner: OwnerReference) -> OwnerReference {
    OwnerReference { block_owner_deletion: None, ..owner }
}
