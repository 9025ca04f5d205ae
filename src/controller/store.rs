//! Objects of ours, read from the API server and written to it by compare-and-set; every answer enters the cache at once. A dry run, for
//! which everything was listed, reads them from our own copy and writes to nothing else. It does I/O.

use std::sync::{Arc, atomic::Ordering};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, Preconditions},
};
use serde_json::json;

use super::{
    Context,
    error::{Error, answered, code},
    kinds::Controlled,
};
use crate::{api::meta::Key, cluster::objects::Objects};

impl Context {
    fn api<K: Controlled>(&self, namespace: &str) -> Objects<K> {
        K::api(self.client.clone(), namespace)
    }

    fn api_of<K: Controlled>(&self, object: &K) -> Objects<K> {
        self.api(&object.namespace().unwrap_or_default())
    }

    /// Reads one object; nothing if it is not there.
    pub(super) async fn get<K: Controlled>(&self, key: &Key) -> kube::Result<Option<K>> {
        match self.dry_run() {
            Some(_) => Ok(K::cache(&self.caches).get(key).map(Arc::unwrap_or_clone)),
            None => answered(self.api(&key.namespace).get_opt(&key.name)).await,
        }
    }

    /// The same of what identifies it, also where it does not decode.
    pub(super) async fn get_metadata<K: Controlled>(&self, key: &Key) -> kube::Result<Option<ObjectMeta>> {
        if self.dry_run().is_some() {
            let cache = K::cache(&self.caches);
            let left_out = || cache.is_left_out(key).map(|left_out| left_out.metadata.clone());
            return Ok(cache.get(key).map(|object| object.meta().clone()).or_else(left_out));
        }
        let found = answered(self.api::<K>(&key.namespace).get_metadata_opt(&key.name)).await?;
        Ok(found.map(|found| found.metadata))
    }

    /// Sends what makes `wanted`; a dry run has it made.
    async fn write<K: Controlled>(
        &self,
        wanted: &K,
        request: impl Future<Output = kube::Result<K>>,
    ) -> kube::Result<K> {
        match self.dry_run() {
            Some(_) => Ok(self.made_up(wanted.clone())),
            None => answered(request).await,
        }
    }

    /// Makes one object; answers it as it is then.
    pub(super) async fn create<K: Controlled>(&self, object: &K) -> kube::Result<K> {
        let api = self.api_of(object);
        self.write(object, api.create(object)).await
    }

    /// Writes one object over the version of it that it names.
    pub(super) async fn replace<K: Controlled>(&self, object: &K) -> kube::Result<K> {
        let api = self.api_of(object);
        self.write(object, api.replace(&object.name_any(), object)).await
    }

    /// The same of its status alone.
    pub(super) async fn replace_status<K: Controlled>(&self, object: &K) -> kube::Result<K> {
        let api = self.api_of(object);
        self.write(object, api.replace_status(&object.name_any(), object)).await
    }

    /// A merge patch of finalizers or annotations that names the version it was decided on: the API server refuses it where the object has
    /// changed since.
    pub(super) async fn patch_metadata<K: Controlled>(&self, object: &K, patch: ObjectMeta) -> Result<(), Error> {
        let mut wanted = object.clone();
        wanted.meta_mut().finalizers = patch.finalizers.clone().or(wanted.meta_mut().finalizers.take());
        wanted.annotations_mut().extend(patch.annotations.clone().unwrap_or_default());
        let patch = json!({"metadata": ObjectMeta { resource_version: object.resource_version(), ..patch }});
        let (api, name, patch) = (self.api_of(object), object.name_any(), Patch::Merge(&patch));
        let written = self.write(&wanted, api.patch(&name, &patch)).await;
        self.wrote(object, written).await
    }

    /// Deletes `object`, and no other that has come under its name. A dry run deletes nothing.
    pub(super) async fn delete<K: Controlled>(
        &self,
        object: &K,
        resource_version: Option<String>,
    ) -> Result<(), Error> {
        self.unless_dry_run()?;
        let preconditions = Some(Preconditions { uid: object.uid(), resource_version });
        let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
        match answered(self.api_of(object).delete(&object.name_any(), &parameters)).await {
            Err(error) => self.wrote(object, Err(error)).await,
            Ok(Some(deleting)) => self.wrote(object, Ok(deleting)).await,
            Ok(None) => self.read_again::<K>(&Key::of(object), object.meta().uid.as_deref()).await,
        }
    }

    /// Takes the answer of a write into the cache. Where the write lost, the object is read again, so that the next pass does
    /// not decide on the same old one.
    pub(super) async fn wrote<K: Controlled>(&self, old: &K, written: kube::Result<K>) -> Result<(), Error> {
        let change = match written {
            Ok(object) => K::cache(&self.caches).wrote(object),
            Err(error) if matches!(code(&error), Some(404 | 409)) => {
                self.read_again::<K>(&Key::of(old), old.meta().uid.as_deref()).await?;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(change) = change {
            K::changed(self, &change);
        }
        Ok(())
    }

    pub(super) async fn read_again<K: Controlled>(&self, key: &Key, uid: Option<&str>) -> Result<(), Error> {
        let cache = K::cache(&self.caches);
        let change = match (self.get::<K>(key).await?, uid) {
            (Some(object), _) => cache.wrote(object),
            (None, Some(uid)) => cache.gone(key, uid),
            (None, None) => None,
        };
        if let Some(change) = change {
            K::changed(self, &change);
        }
        Ok(())
    }

    /// An object as a dry run has it written: later than any there.
    pub(super) fn made_up<K: Controlled>(&self, mut object: K) -> K {
        let version = self.dry_run().map_or(0, |copy| copy.version.fetch_add(1, Ordering::Relaxed));
        let meta = object.meta_mut();
        meta.resource_version = Some(version.to_string());
        meta.uid.get_or_insert_with(|| format!("made-up-{version}"));
        object
    }

    /// An error in a dry run, which goes no further than here.
    pub(super) fn unless_dry_run(&self) -> Result<(), Error> {
        self.dry_run().map_or(Ok(()), |_| Err(Error::DryRun))
    }
}
