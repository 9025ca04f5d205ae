//! What one object's work writes to the cluster: claims, journals, versions, and the object itself. It does I/O: the API server.

use kube::{ResourceExt, api::ObjectMeta};
use tokio::time::Instant;

use super::{
    Context,
    carrier_writes::AUDIT,
    effects::ClusterWrites,
    error::{Error, code},
    kinds::{Controlled, note_id},
    local_state::Attempt,
    reconcile::Reconcile,
};
use crate::{
    api::{
        AgentVersion, NumberClaim, NumberPurchase,
        agent::AgentVersionSpec,
        claim::Holder,
        meta::{IN_USE_FINALIZER, Key},
        number::E164,
    },
    plan::{Entry, Note, Purpose},
};

impl<K: Controlled> ClusterWrites for Reconcile<'_, K> {
    type Error = Error;

    async fn write_claim(&mut self, claim: NumberClaim) -> Result<(), Error> {
        let context = self.context;
        let before = context.caches.claim_of(&claim.spec.number).and_then(|claim| claim.spec.holder.clone());
        let written = match claim.metadata.resource_version {
            Some(_) => context.replace(&claim).await,
            None => match context.create(&claim).await {
                // Whoever finds it there has lost, and the next pass sees to whom.
                Err(error) if code(&error) == Some(409) => {
                    return context.read_again::<NumberClaim>(&Key::of(&claim), None).await;
                }
                written => written,
            },
        };
        context.wrote(&claim, written).await?;
        context.local.claimed(self.uid());
        if before != claim.spec.holder && context.dry_run().is_none() {
            let name = |holder: Option<&Holder>| {
                holder.map_or_else(|| "nobody".to_owned(), |holder| format!("{}/{}", holder.namespace, holder.name))
            };
            let (before, after) = (name(before.as_ref()), name(claim.spec.holder.as_ref()));
            tracing::info!(target: AUDIT, number = %claim.spec.number, before, after, "the holder of a claim changed");
        }
        Ok(())
    }

    async fn take_claim(&mut self, claim: NumberClaim) -> Result<bool, Error> {
        let number = claim.spec.number.clone();
        let written = self.write_claim(claim).await;
        if self.context.caches.claim_of(&number).is_some_and(|claim| claim.spec.is_held_by(self.uid())) {
            tracing::info!(object = %Key::of(self.object), %number, "reused from the pool");
            self.context.local.succeeded(self.uid(), Attempt::Purchase);
            return Ok(true);
        }
        match written {
            Err(error) if !error.is_conflict() => Err(error),
            // Somebody was quicker.
            _ => Ok(false),
        }
    }

    /// Without an answer nobody knows who wrote it.
    async fn write_journal(&mut self, entry: Entry) -> Result<bool, Error> {
        let Entry { mut journal, purpose, clean } = entry;
        let context = self.context;
        if let (Purpose::Send, Some(number)) = (purpose, &journal.spec.number)
            && let Some(opened) = context.open_accounts.get(&journal.spec.account.key())
            && !opened.offer_cache.keep(number, self.uid())
        {
            // Somebody else of this process is about to take it; the next look shows another.
            return Ok(false);
        }
        let begun = Instant::now();
        let written = match journal.metadata.resource_version {
            Some(_) => context.replace(&journal).await,
            None => {
                journal.metadata.finalizers = Some(vec![IN_USE_FINALIZER.to_owned()]);
                context.create(&journal).await
            }
        };
        match written {
            Err(error) if code(&error) == Some(409) => {
                context.read_again::<NumberPurchase>(&Key::of(&journal), journal.metadata.uid.as_deref()).await?;
                Ok(false)
            }
            written => {
                context.wrote(&journal, written).await?;
                context.local.entered(self.uid(), &journal.spec.token, purpose, clean, begun);
                Ok(true)
            }
        }
    }

    async fn set_finalizer(&mut self, name: &'static str, on: bool) -> Result<(), Error> {
        if on {
            self.context.set_finalizers(self.object, |finalizers| finalizers.push(name.to_owned())).await?;
            // The API server refuses to add one to an object that is being deleted.
            self.context.local.lives(self.uid());
            return Ok(());
        }
        self.context.unless_dry_run()?;
        self.context.set_finalizers(self.object, |finalizers| finalizers.retain(|other| other != name)).await
    }

    async fn annotate(&mut self, name: &'static str, value: String) -> Result<(), Error> {
        let annotations = Some([(name.to_owned(), value)].into());
        self.context.patch_metadata(self.object, ObjectMeta { annotations, ..ObjectMeta::default() }).await?;
        self.context.local.put_back(&note_id(self.object));
        Ok(())
    }

    /// Deletes the very version of it that was decided on; then our finalizer, which lets it go.
    async fn delete(&mut self) -> Result<(), Error> {
        let (context, object) = (self.context, self.object);
        if object.meta().deletion_timestamp.is_none() {
            context.delete(object, object.resource_version()).await?;
        }
        let Some(deleting) = K::cache(&context.caches).get(&Key::of(object)) else { return Ok(()) };
        context.set_finalizers(&*deleting, |finalizers| finalizers.retain(|name| name != IN_USE_FINALIZER)).await
    }

    async fn create_version(&mut self, spec: AgentVersionSpec) -> Result<(), Error> {
        let context = self.context;
        // One after the other: a configuration may have a megabyte, and is held until it was written.
        let _alone = context.freezing.lock().await;
        let version = context.frozen(self.object, spec).await?;
        match context.create(&version).await {
            Err(error) if code(&error) == Some(409) => {
                context.read_again::<AgentVersion>(&Key::of(&version), None).await
            }
            written => context.wrote(&version, written).await,
        }
    }

    async fn delete_version(&mut self, key: Key) -> Result<(), Error> {
        match self.context.caches.versions.get(&key) {
            Some(version) => self.context.delete(&*version, None).await,
            None => Ok(()),
        }
    }

    async fn fence_claim(&mut self, number: &E164, for_good: bool) -> Result<(), Error> {
        self.claim_stands(number, !for_good).await
    }

    async fn fence_object(&mut self) -> Result<(), Error> {
        self.object_stands().await
    }

    fn tell(&mut self, notes: &[Note]) {
        self.publish(notes);
    }
}

impl Context {
    async fn set_finalizers<K: Controlled>(
        &self,
        object: &K,
        change: impl FnOnce(&mut Vec<String>),
    ) -> Result<(), Error> {
        let mut finalizers = object.finalizers().to_vec();
        change(&mut finalizers);
        self.patch_metadata(object, ObjectMeta { finalizers: Some(finalizers), ..ObjectMeta::default() }).await
    }
}
