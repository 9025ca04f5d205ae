//! The program: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use dialplane::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `{:#}`: the whole chain in one line, outermost first.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
