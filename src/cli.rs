//! The command line: what each command is called and takes. The commands themselves stand in the modules below.

pub mod adopt;
mod client;
pub mod crds;
#[cfg(feature = "sandbox")]
pub mod demo;
pub mod digest;
pub mod docs;
pub mod doctor;
mod generated;
pub mod plan;
pub mod publish;
pub mod rollback;
pub mod run;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod search;
mod target;
pub mod uninstall;

use std::{io::Write as _, process::ExitCode};

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

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
    /// Run a demo on this machine: a cluster, simulated carriers, the operator and a walk-through
    #[cfg(feature = "sandbox")]
    Demo(demo::Args),
    /// Run the operator: it watches the cluster at once, and reconciles while it is the leader
    Run(run::Args),
    /// Serve simulated carriers, to try things without an account or money
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::Args),
    /// Search numbers for sale, as a PhoneNumber with this search would; nothing is bought or written
    Search(search::Args),
    /// Show what applying PhoneNumbers would do and cost, with the operator's own logic; nothing is bought or written
    Plan(plan::Args),
    /// List owned numbers that no PhoneNumber manages, or print manifests that import them
    Adopt(adopt::Args),
    /// Check the accounts: credentials, permissions, platforms; nothing is written
    Doctor(doctor::Args),
    /// Show what uninstalling the operator would leave, and what has to end first; nothing is written
    Uninstall(uninstall::Args),
    /// Publish an Agent's draft: set the version name and the draft's digest, in one step
    Publish(publish::Args),
    /// Roll an Agent back to a version that it published before
    Rollback(rollback::Args),
    /// Print the digest of every draft and AgentVersion in a file, for spec.versionDigest
    Digest(digest::Args),
    /// Print the custom resource definitions as YAML, ready for kubectl apply
    Crds(crds::Args),
    /// Write the reference pages that are generated from the code
    Docs(docs::Args),
    /// Print a shell completion script, as in `source <(dialplane completions bash)`
    Completions {
        /// The shell
        shell: Shell,
    },
}

impl Cli {
    /// Does what was asked for; answers the exit code, which is not zero where a command says so. The error is for a person to
    /// read.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            #[cfg(feature = "sandbox")]
            Command::Demo(args) => demo::run(&args),
            Command::Run(args) => run::run(args),
            #[cfg(feature = "sandbox")]
            Command::Sandbox(args) => sandbox::run(args),
            Command::Search(args) => search::run(args),
            Command::Plan(args) => return plan::run(args),
            Command::Adopt(args) => adopt::run(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Uninstall(args) => return uninstall::run(args),
            Command::Publish(args) => publish::run(args),
            Command::Rollback(args) => rollback::run(args),
            Command::Digest(args) => digest::run(&args),
            Command::Crds(args) => crds::run(&args),
            Command::Docs(args) => docs::run(&args),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "dialplane", &mut script);
                std::io::stdout().write_all(&script).context("cannot print the script")
            }
        }
        .map(|()| ExitCode::SUCCESS)
    }
}

/// Ends at the first SIGTERM or SIGINT after the call: from then on neither kills this process.
#[cfg(unix)]
fn asked_to_end() -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let listen = |kind| signal(kind).context("cannot listen to signals");
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The same for Ctrl-C and what else ends a program of the console.
#[cfg(windows)]
fn asked_to_end() -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};

    let listening = "cannot listen to the console";
    let mut interrupt = ctrl_c().context(listening)?;
    let (mut stop, mut close) = (ctrl_break().context(listening)?, ctrl_close().context(listening)?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = stop.recv() => {}
            _ = close.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }
}
