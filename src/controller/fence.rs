//! The last thing before something is sent: whether what that was decided on is still so. A cache may be old, and another replica or
//! object may have written since. It does I/O: the API server.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Context, error::Error, kinds::Controlled, reconcile::Reconcile};
use crate::api::{NumberClaim, meta::Key, number::E164};

impl<K: Controlled> Reconcile<'_, K> {
    /// Makes sure that the claim on which a carrier write was decided is still as it was: by having written it just now, where that
    /// `suffices`, or by a live read.
    pub async fn claim_stands(&self, number: &E164, suffices: bool) -> Result<(), Error> {
        let Context { caches, local, .. } = self.context;
        // Before the API server is asked: a claim that moves meanwhile must not pass for the one that was decided on.
        let decided_on = caches.claim_of(number);
        let lets_write = decided_on.as_ref().is_some_and(|claim| lets_write(claim, self.object.meta()));
        if suffices && lets_write && local.has_just_claimed(self.uid()) {
            return Ok(());
        }
        let key = Key::new("", number.digits());
        let live = self.context.get_metadata::<NumberClaim>(&key).await?.and_then(|live| live.resource_version);
        let decided_on = decided_on.as_ref().map(|claim| &claim.metadata);
        if lets_write && live.is_some() && live == decided_on.and_then(|claim| claim.resource_version.clone()) {
            return Ok(());
        }
        self.context.read_again::<NumberClaim>(&key, decided_on.and_then(|claim| claim.uid.as_deref())).await?;
        Err(Error::Gone(format!("the expected claim of {number}")))
    }

    /// Makes sure that the object on which a carrier write was decided is still as it was: another replica may have published
    /// something else by now.
    pub async fn object_stands(&self) -> Result<(), Error> {
        let (key, meta) = (Key::of(self.object), self.object.meta());
        let live = self.context.get_metadata::<K>(&key).await?;
        if live.is_some_and(|live| live.resource_version == meta.resource_version) {
            return Ok(());
        }
        self.context.read_again::<K>(&key, meta.uid.as_deref()).await?;
        Err(Error::Gone(format!("the expected state of {} {key}", K::KIND.as_str())))
    }
}

/// Whether the number of this claim may be written to for that object: it holds the claim, or is that very version of it.
fn lets_write(claim: &NumberClaim, object: &ObjectMeta) -> bool {
    let is_claim = claim.metadata.uid == object.uid && claim.metadata.resource_version == object.resource_version;
    is_claim || object.uid.as_ref().is_some_and(|uid| claim.spec.is_held_by(uid))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_holder_writes_and_a_claim_only_as_long_as_it_has_not_moved() {
        let claim: NumberClaim = serde_json::from_value(json!({
            "apiVersion": "dialplane.dev/v1alpha1", "kind": "NumberClaim",
            "metadata": {"name": "14155551234", "uid": "claim", "resourceVersion": "7"},
            "spec": {
                "number": "+14155551234", "holder": {"namespace": "a", "name": "b", "uid": "holder"},
                "account": {"namespace": "a", "name": "b", "identity": "AC1"}, "carrierNumberId": "PN1",
                "acquisition": "Imported", "onDelete": "Clear",
            },
        }))
        .unwrap();
        for (uid, version, may) in
            [("holder", "3", true), ("other", "7", false), ("claim", "7", true), ("claim", "6", false)]
        {
            let object = ObjectMeta {
                uid: Some(uid.to_owned()),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            };
            assert_eq!(lets_write(&claim, &object), may, "{uid} {version}");
        }
    }
}
