//! Every integration test, in one binary, so that one control plane serves the whole run.

mod chart;
mod claims;
mod consent;
mod control_plane;
mod demo;
mod drift;
mod figures;
mod generated;
mod import;
mod openapi;
mod plan;
mod publishing;
mod readme;
mod removal;
mod sandbox;
mod schema;
mod support;
mod twilio;
