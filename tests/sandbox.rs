//! The simulated carrier, seen from outside: over HTTP, as a client of the real one would.

mod admin;
mod client;
mod command;
mod faults;
mod flowyte;
mod nixflex;
mod official;
mod telnyx;
mod traps;
pub mod webhooks;
