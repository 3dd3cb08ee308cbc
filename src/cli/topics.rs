//! `farsign topics`: makes Farsign's topics, and says what is wrong with them.
//!
//! Exit code 0: all is as it must be. 1: there are problems, or a topic could not be made; each is one line on standard
//! error. 2: the brokers could not be asked, or the configuration is wrong.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{PROBLEMS, say};
use crate::config::{self, Config};
use crate::runtime::kafka::client::Connection;
use crate::runtime::kafka::topics::create::{self, Outcome};
use crate::runtime::kafka::topics::verify;

/// Brokers get this long for one answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Make and verify Farsign's own topics.
#[derive(Args, Debug)]
pub struct TopicsArgs {
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Subcommand, Debug)]
enum TopicsCommand {
    /// Make the topics that are missing. What exists is not changed.
    Create(CreateArgs),
    /// Report every problem of topics and rights, with what mends it.
    Verify(VerifyArgs),
}

#[derive(Args, Debug)]
struct CreateArgs {
    /// Configuration file (YAML); without it the defaults and the environment.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only print the commands that would make them.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
struct VerifyArgs {
    /// Configuration file (YAML); without it the defaults and the environment.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(args: &TopicsArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        TopicsCommand::Create(args) => create(&load(args.config.as_ref())?, args.dry_run),
        TopicsCommand::Verify(args) => verify(&load(args.config.as_ref())?),
    }
}

pub(super) fn load(path: Option<&PathBuf>) -> anyhow::Result<Config> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let wrong = |problems| anyhow::anyhow!("the configuration is not valid\n{problems}");
    let config = config::load(path.map(PathBuf::as_path), &environment).map_err(wrong)?;
    config.for_input().map_err(wrong)?;
    Ok(config)
}

fn create(config: &Config, dry_run: bool) -> anyhow::Result<ExitCode> {
    let creations = create::create(&Connection::new(&config.kafka)?, config, dry_run, TIMEOUT)?;
    let servers = config.kafka.bootstrap_servers.join(",");
    let mut out = std::io::stdout().lock();
    let mut failed = false;
    for creation in creations {
        match creation.outcome {
            Outcome::Created { arguments } if dry_run => {
                writeln!(out, "kafka-topics.sh --bootstrap-server {servers} {arguments}")?;
            }
            Outcome::Created { .. } => writeln!(out, "created {}", creation.topic)?,
            Outcome::Exists => writeln!(out, "{}{} exists", if dry_run { "# " } else { "" }, creation.topic)?,
            Outcome::Failed { message } => {
                failed = true;
                say(&format!("topic `{}` {message}", creation.topic));
            }
        }
    }
    Ok(if failed { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
}

fn verify(config: &Config) -> anyhow::Result<ExitCode> {
    let verified = verify::verify(&Connection::new(&config.kafka)?, config, TIMEOUT)?;
    for note in &verified.notes {
        say(&format!("note: {note}"));
    }
    for problem in &verified.problems {
        say(&problem.to_string());
    }
    let Some(layout) = &verified.layout else { return Ok(ExitCode::from(PROBLEMS)) };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} topics are as they must be: {} partitions", layout.topics.len(), layout.partitions)?;
    Ok(ExitCode::SUCCESS)
}
