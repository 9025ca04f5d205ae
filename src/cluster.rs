//! The Kubernetes shell: what we know of the cluster, what is to be looked at next, and who may act.
//!
//! Nothing here knows what Dialplane is for. The kinds and their rules are in `api` and `plan`.

pub mod bounded;
pub mod cache;
pub mod failure;
pub mod lease;
pub mod objects;
pub mod queue;
pub mod reviews;
pub mod sent;
pub mod watch;

use kube::api::{PatchParams, PostParams};

/// Who says what we write, in the `managedFields` of every object.
pub const FIELD_MANAGER: &str = "dialplane";

/// How every object of ours is made or replaced.
pub fn write_params() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// How every patch of ours is sent.
pub fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}
