//! The command line: one file a command.
//!
//! Every command is a clap `Args` and `run(args) -> anyhow::Result<ExitCode>`. Exit codes: 0 fine, 1 problems in
//! the input or configuration, 2 could not run, 130 interrupted. Data goes to stdout, talk to stderr.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::runtime::kafka::marker::HalfImported;

pub mod check;
pub mod dead_letter;
pub mod demo;
pub mod deployment;
pub mod diff;
pub mod evaluate;
pub mod explain;
mod filter_args;
pub mod geoip;
pub mod health;
mod page;
pub mod probe;
pub mod replay;
mod replay_kafka;
pub mod reset;
pub mod run;
mod sample;
pub mod simulate;
pub mod state;
mod state_transfer;
mod table_args;
pub mod topics;
pub mod tune;

use crate::evaluate::Unnamed;
use crate::render::text::visible;

/// Could not run: a missing file, a database that cannot be read, a bad command line.
pub const COULD_NOT_RUN: u8 = 2;
/// The input or the configuration has problems.
pub const PROBLEMS: u8 = 1;
/// Ended by Ctrl-C, as shells report it.
pub const INTERRUPTED: u8 = 130;

/// Streaming risk detection for sign-in logs.
#[derive(Parser)]
#[command(name = "farsign", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read sign-in logs from files, or once from Kafka, and write risk detections.
    Replay(replay::Args),
    /// Read sign-in logs from Kafka and write risk detections to Kafka, until told to stop.
    Run(run::Args),
    /// Check a configuration.
    Check(check::Args),
    /// Build GeoIP databases, or look an address up.
    Geoip(geoip::GeoipArgs),
    /// Ask a running instance whether it is healthy.
    Health(health::Args),
    /// Simulate an organisation under attack, replay its logs and report what was found.
    Demo(demo::Args),
    /// Write the sign-in logs of an invented organisation, with ground truth.
    Simulate(simulate::Args),
    /// Hold detections against ground truth, beside reference detectors over the same sign-ins.
    Evaluate(evaluate::Args),
    /// Try many configurations on the same logs: what each would have raised, caught and missed.
    Tune(Box<tune::Args>),
    /// Hold two sets of detections against each other: what appears, vanishes, changes level, and why.
    Diff(diff::Args),
    /// Explain why a sign-in was judged as it was, and what would have had to differ.
    Explain(explain::Args),
    /// Make and verify the topics on Kafka.
    Topics(topics::TopicsArgs),
    /// Look at records that could not be read, and send them again.
    DeadLetter(dead_letter::DeadLetterArgs),
    /// Set where a stopped application goes on, and whether it keeps its state.
    Reset(reset::Args),
    /// Look at users' state.
    State(state::StateArgs),
    /// Check that a deployment with `run.probe_topic` has taken every record exactly once.
    Probe(probe::Args),
}

/// Runs the command and reports a failure, once, with its causes.
pub fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Replay(args) => replay::run(args),
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Geoip(args) => geoip::run(args),
        Command::Health(args) => health::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Simulate(args) => simulate::run(args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Topics(args) => topics::run(&args),
        Command::DeadLetter(args) => dead_letter::run(&args),
        Command::Reset(args) => reset::run(&args),
        Command::State(args) => state::run(&args),
        Command::Probe(args) => probe::run(&args),
    };
    result.unwrap_or_else(|error| {
        say(&format!("error: {error:#}"));
        let is_of_input = error.is::<HalfImported>() || error.is::<Unnamed>();
        ExitCode::from(if is_of_input { PROBLEMS } else { COULD_NOT_RUN })
    })
}

/// A line to stderr, for people. When that is gone there is nobody to tell.
pub fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{}", visible(line)));
}

/// Text to stdout, for people.
pub fn show(text: &str) -> anyhow::Result<()> {
    give(&visible(text))
}

/// Data to stdout. Who reads only its beginning has seen enough.
pub fn give(data: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(data.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}
