//! Dialplane: the Kubernetes operator for phone numbers.
//!
//! A `PhoneNumber` is found at its carrier, claimed, and routed to the last *published* version of the agent that answers
//! it. Kubernetes is the database: there is no other store, and a crash at any point loses nothing.
//!
//! # How a change flows
//!
//! ```text
//! watches ─► caches + indexes ─► queue (edits before resync)
//!                                  │
//!              controller          │   imperative shell: all I/O lives here
//!              gather ◄────────────┘
//!                 │  World: plain data — object, resolved references, what has been seen, now
//!                 ▼
//!              plan::*::next(&World) ─► Look(what to see)        the shell answers and asks again; nothing is written
//!                                       Act(one effect)          the claim first, then the carrier; the pass ends
//!                                       Rest { status, again }   status written only if it differs; events on change
//! ```
//!
//! Every effect is followed by a pass from the top, with a fresh world: nothing is carried from one to the next but what the
//! cluster and the carrier hold.
//!
//! # Where things are
//!
//! Dependencies point one way: [`api`] ← [`plan`] ← [`controller`] → [`carrier`], [`cluster`].
//!
//! - [`api`]: the kinds that users write and read, their conditions with the table of reasons, and the types all share.
//! - [`plan`]: pure decisions. No async, no I/O, no clock, no randomness.
//! - [`controller`]: one driver for all kinds, which gathers, asks the plan and does what it says.
//! - [`carrier`]: what the operator needs of a carrier, the adapters, and what has been seen of an account.
//! - [`cluster`]: caches, queue, watches and the Lease.
//! - [`telemetry`]: logs, metrics, and the server for probes.
//! - [`cli`]: the commands.
//! - `sandbox` (a default feature): simulated carriers over HTTP, and a local control plane.

pub mod api;
pub mod carrier;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod plan;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod telemetry;
