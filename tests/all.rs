//! Every integration test, in one binary, so that one control plane serves the whole run.

mod sandbox;
mod control_plane;
mod generated;
mod schema;
mod support;
