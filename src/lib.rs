//! Dialplane: the Kubernetes operator for phone numbers.

pub mod api;
pub mod carrier;
#[cfg(feature = "sandbox")]
pub mod sandbox;
