//! The command line: what each command is called and takes. The commands themselves stand in the modules below.

pub mod crds;
#[cfg(feature = "sandbox")]
pub mod demo;
pub mod docs;
mod generated;

use clap::{Parser, Subcommand};

/// The Kubernetes operator for phone numbers.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See it work on this machine: a cluster, a simulated carrier, the operator, and a story told with them
    #[cfg(feature = "sandbox")]
    Demo(demo::Args),
    /// Print the custom resource definitions as YAML, ready for kubectl apply
    Crds(crds::Args),
    /// Write the reference pages that are made from the code
    Docs(docs::Args),
}

impl Cli {
    /// Does what was asked for. The error is for a person to read.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            #[cfg(feature = "sandbox")]
            Command::Demo(args) => demo::run(&args),
            Command::Crds(args) => crds::run(&args),
            Command::Docs(args) => docs::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }
}
