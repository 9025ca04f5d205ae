//! What the operator says of itself: logs, metrics, and whether it is alive and ready.

pub mod logs;
pub mod metrics;
pub mod server;
pub mod tls;
