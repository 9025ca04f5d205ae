//! The plan, asked directly: worlds are made by hand, decisions are compared. No I/O but for the sources that `purity` reads.

mod account;
mod agent;
mod binding;
mod buy;
mod claim;
mod hosting;
mod intake;
mod model;
mod number;
mod past;
mod purity;
mod removal;
mod scene;
mod shared;
mod takeover;
mod uninstall;
