//! Dialplane: the Kubernetes operator for phone numbers.

pub mod api;
pub mod carrier;
pub mod cluster;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod telemetry;
