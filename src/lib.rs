//! Dialplane: the Kubernetes operator for phone numbers.

pub mod api;
pub mod carrier;
pub mod plan;
pub mod cluster;
#[cfg(feature = "sandbox")]
pub mod sandbox;
