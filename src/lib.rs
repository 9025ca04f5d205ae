//! Dialplane: the Kubernetes operator for phone numbers.

pub mod api;
pub mod carrier;
pub mod plan;
pub mod cluster;
pub mod cli;
#[cfg(feature = "sandbox")]
pub mod sandbox;
