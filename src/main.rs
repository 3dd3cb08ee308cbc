//! The binary: arguments → command → exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    farsign::cli::run(farsign::cli::Cli::parse())
}
