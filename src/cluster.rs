//! The Kubernetes shell: what we know of the cluster, what is to be looked at next, and who may act.
//!
//! Nothing here knows what Dialplane is for. The kinds and their rules are in `api` and `plan`.

pub mod bounded;
pub mod cache;
pub mod failure;
pub mod lease;
pub mod objects;
pub mod queue;
pub mod sent;
pub mod watch;
