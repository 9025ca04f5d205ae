//! One kind at the API server: `kube::Api`, whose every answer is decoded as [`Sent`] is. It does I/O.

use std::{fmt::Debug, marker::PhantomData};

use kube::{
    Api, Client, Resource,
    api::{DeleteParams, GetParams, ListParams, Patch},
    core::{NamespaceResourceScope, PartialObjectMeta, Request},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    patch_params,
    sent::{Identified, Kept, Sent, decode},
    write_params,
};

/// How many objects a page of a list has at most. How many it has is seen to by [`bounded`](super::bounded).
pub const PAGE: u32 = 500;

/// The objects of one kind, in one namespace or everywhere. An answer that does not decode is an error that names the object.
#[derive(Clone, Debug)]
pub struct Objects<K> {
    api: Api<Sent<K>>,
}

impl<K> Objects<K>
where
    K: Kept + Clone + DeserializeOwned + Debug,
{
    /// Those of the whole cluster: of a kind without namespaces all that there are.
    pub fn all(client: Client) -> Self {
        Self { api: Api::all(client) }
    }

    /// The same of a kind without namespaces.
    pub fn in_cluster(client: Client, _: &str) -> Self {
        Self::all(client)
    }

    /// Those of one namespace.
    pub fn namespaced(client: Client, namespace: &str) -> Self
    where
        K: Resource<Scope = NamespaceResourceScope>,
    {
        Self { api: Api::namespaced(client, namespace) }
    }

    /// What a watch follows.
    pub fn into_api(self) -> Api<Sent<K>> {
        self.api
    }

    /// Reads one object; nothing if it is not there, or its kind is not served any more.
    pub async fn get_opt(&self, name: &str) -> kube::Result<Option<K>> {
        found(self.api.get(name).await)?.map(Sent::whole).transpose()
    }

    /// Reads what identifies one object, which says whether it lives and of which version it is. Of one that does not decode as well.
    pub async fn get_metadata_opt(&self, name: &str) -> kube::Result<Option<PartialObjectMeta<K>>> {
        let request = Request::new(self.api.resource_url()).get_metadata(name, &GetParams::default());
        let request = request.map_err(kube::Error::BuildRequest)?;
        let answer = found(self.api.clone().into_client().request::<Identified>(request).await)?;
        Ok(answer.map(|Identified(metadata)| PartialObjectMeta { types: None, metadata, _phantom: PhantomData }))
    }

    /// Lists all of them, in pages.
    pub async fn list(&self, mut each: impl FnMut(Sent<K>)) -> kube::Result<()> {
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = self.api.list(&page).await?;
            list.items.into_iter().for_each(&mut each);
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page.continue_token = Some(token),
                None => return Ok(()),
            }
        }
    }

    /// Changes a part of one object.
    pub async fn patch<P: Serialize + Debug>(&self, name: &str, patch: &Patch<P>) -> kube::Result<K> {
        self.api.patch(name, &patch_params(), patch).await?.whole()
    }

    /// Deletes one object; answers it where it stays for its finalizers.
    pub async fn delete(&self, name: &str, parameters: &DeleteParams) -> kube::Result<Option<K>> {
        let request = Request::new(self.api.resource_url()).delete(name, parameters);
        let request = request.map_err(kube::Error::BuildRequest)?;
        // Not `Api::delete`, which decodes whatever comes, field by field, to see what it is.
        let text = self.api.clone().into_client().request_text(request).await?;
        let Answer { kind } = serde_json::from_str(&text).map_err(kube::Error::SerdeError)?;
        if kind.as_deref() == Some("Status") { Ok(None) } else { decode(&text).whole().map(Some) }
    }

    /// Makes one object; answers it as it is then.
    pub async fn create(&self, object: &K) -> kube::Result<K> {
        self.api.create(&write_params(), &Sent::Whole(object.clone())).await?.whole()
    }

    /// Writes one object over the version of it that it names.
    pub async fn replace(&self, name: &str, object: &K) -> kube::Result<K> {
        self.api.replace(name, &write_params(), &Sent::Whole(object.clone())).await?.whole()
    }

    /// The same of its status alone.
    pub async fn replace_status(&self, name: &str, object: &K) -> kube::Result<K> {
        self.api.replace_status(name, &write_params(), &Sent::Whole(object.clone())).await?.whole()
    }
}

/// What was read. Neither an object that is not there nor one whose kind is not served is an error.
fn found<T>(answer: kube::Result<T>) -> kube::Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// The kind of what came.
#[derive(Deserialize)]
struct Answer {
    kind: Option<String>,
}
