//! Dialplane: the Kubernetes operator for phone numbers.

pub mod api;
pub mod carrier;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod plan;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod telemetry;
