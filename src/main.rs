//! The program: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use dialplane::cli::Cli;

/// In the image, where the C library's own allocator costs half as much processor time again, and more the more there is to keep.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    // What cannot be parsed is an error like any other: clap's own code for it, 2, means something else to `dialplane plan`.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(asked) => {
            // Where even that cannot be printed there is nobody to tell.
            asked.print().ok();
            return if asked.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            // `{:#}`: the whole chain in one line, outermost first.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
