//! Objects that come with a sandbox, as the chart's first account and numbers: each is created once the cluster takes it. It does I/O:
//! a file, the API server, standard error.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use kube::{
    Api, Client,
    api::PostParams,
    core::{ApiResource, DynamicObject},
};
use serde::Deserialize as _;

use crate::{cli::client, cluster::failure::said};

/// How long to wait before what was refused is tried again: a definition may have been applied a moment ago.
const AGAIN: Duration = Duration::from_secs(2);

/// What is to be created, and where.
pub(super) struct Objects {
    client: Client,
    namespace: String,
    objects: Vec<DynamicObject>,
}

impl Objects {
    /// Those of a YAML file; the ones that name no namespace are for that of the pod or of the kubeconfig's context.
    pub async fn read(path: &Path) -> Result<Self> {
        let file = || format!("--create {}", path.display());
        let text = fs::read_to_string(path).with_context(file)?;
        let documents = serde_yaml_ng::Deserializer::from_str(&text);
        let objects: Vec<_> = documents.map(DynamicObject::deserialize).collect::<Result<_, _>>().with_context(file)?;
        if let Some(at) = objects.iter().position(|object| object.types.is_none() || object.metadata.name.is_none()) {
            bail!("{}: object {} needs apiVersion, kind and metadata.name", file(), at + 1);
        }
        let (client, namespace) = client::client().await?;
        Ok(Self { client, namespace, objects })
    }

    /// Creates those that are not there, in their order, and leaves the others as they are: people may have changed them. It does not give
    /// up: what is refused is told and tried again.
    pub async fn create(self) {
        let mut told = String::new();
        for object in &self.objects {
            while let Err(error) = self.create_one(object).await {
                let text = format!("{error:#}; trying again every {} s", AGAIN.as_secs());
                if text != told {
                    eprintln!("{text}");
                }
                told = text;
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    async fn create_one(&self, object: &DynamicObject) -> Result<()> {
        let types = object.types.as_ref().context("an object has no kind")?;
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let namespace = object.metadata.namespace.as_deref().unwrap_or(&self.namespace);
        let resource = ApiResource::from_gvk(&types.try_into().context("an object's apiVersion is not valid")?);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let what = format!("{} {namespace}/{name}", types.kind);
        match api.create(&PostParams::default(), object).await {
            Ok(_) => eprintln!("created {what}"),
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
                eprintln!("{what} is there already and stays as it is");
            }
            Err(error) => bail!("could not create {what}: {}", said(&error)),
        }
        Ok(())
    }
}
