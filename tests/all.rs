//! Every integration test, in one binary, so that one control plane serves the whole run.

mod claims;
mod consent;
mod chart;
mod control_plane;
mod demo;
mod figures;
mod drift;
mod generated;
mod import;
mod openapi;
mod plan;
mod readme;
mod publishing;
mod removal;
mod sandbox;
mod schema;
mod support;
mod twilio;
