//! Every integration test, in one binary, so that one control plane serves the whole run.

mod bad_days;
mod buying;
mod chart;
mod claims;
mod cli;
mod consent;
mod control_plane;
mod demo;
mod drift;
mod figures;
mod generated;
mod import;
mod kill;
mod openapi;
mod permissions;
mod plan;
mod pool;
mod publishing;
mod readme;
mod removal;
mod run;
mod sandbox;
mod schema;
mod support;
mod telnyx;
mod twilio;
