//! `farsign state export` and `import`: what an application has learnt, out of Kafka and into it.
//!
//! So an application begins with what a replay of its history learnt, moves to another cluster or another number of
//! partitions, or lends its state to a replay. An import says what it would do and asks, as `farsign reset` does; an
//! application that runs is refused, and so is the export of a state whose import broke off: exit code 1.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::deployment::{self, Deployment};
use super::reset::{confirmed, is_stopped};
use super::{PROBLEMS, say};
use crate::config::Config;
use crate::runtime::kafka::reset;
use crate::runtime::kafka::scan::{Bound, Scanner};
use crate::runtime::kafka::transfer::{self, Learning};
use crate::runtime::state_file::{self, Clock, Head, PutUser, ReadTo};

#[derive(clap::Args, Debug)]
pub struct ExportArgs {
    /// Configuration file (YAML); without it the defaults and the environment.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the state goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(clap::Args, Debug)]
pub struct ImportArgs {
    /// Configuration file (YAML); without it the defaults and the environment.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the input topics go on: earliest, latest, offset=N, or time=RFC3339 (of the records' timestamps). What the
    /// state has seen already is known again within `engine.lateness_horizon_s`.
    #[arg(long, value_name = "PLACE", value_parser = deployment::bound)]
    from: Bound,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
    /// What `farsign replay --state-out` or `farsign state export` wrote.
    #[arg(value_name = "STATE")]
    state: PathBuf,
}

pub fn export(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let head = write(&deployment::open(args.config.as_ref())?, &args.output)?;
    say(&format!("{} users, up to {}", head.users, reached(&head.clock)?));
    Ok(ExitCode::SUCCESS)
}

/// The state of the application, in a file that goes with its handle.
pub fn live(config: Config) -> anyhow::Result<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    write(&deployment::with_config(config)?, file.path())?;
    Ok(file)
}

fn write(deployment: &Deployment, path: &Path) -> anyhow::Result<Head> {
    let scanner = Scanner::new(&deployment.names)?;
    let members = reset::members(&deployment.names, &scanner)?;
    if !members.is_empty() {
        say(
            "warning: the application runs; its partitions are read one after another, and the state is of no one moment",
        );
    }
    let Learning { head, profiles, users } =
        transfer::export(&deployment.names, &scanner, &mut |line| say(&line))?;
    let states = |put: &mut PutUser<'_>| users.iter().try_for_each(|(user, state)| put(*user, state));
    state_file::write(path, &head, &profiles, states)
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(head)
}

pub fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let deployment = deployment::open(args.config.as_ref())?;
    let (config, names) = (&deployment.config, &deployment.names);
    if config.input.keyed {
        bail!(
            "`input.keyed` is `true`: only the producers know which partition has a user, so a state cannot be \
             distributed; with `false` Farsign decides"
        );
    }
    let learning = Learning::read(&args.state)?;
    let waiting = learning.head.waiting.detections.len();
    if waiting > 0 {
        bail!(
            "`{}` holds {waiting} detections that have not settled, and that live takes for told: make it with `farsign replay \
             --updates --state-out`, which writes them at once",
            args.state.display()
        );
    }
    let scanner = Scanner::new(names)?;
    if !is_stopped(names, &scanner)? {
        return Ok(ExitCode::from(PROBLEMS));
    }
    let places = transfer::places(config, &scanner, args.from)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "state: {} users, up to {}", learning.head.users, reached(&learning.head.clock)?)?;
    for ReadTo { topic, partition, offset } in &places {
        writeln!(out, "partition {partition} {topic}: goes on at {offset}")?;
    }
    if !args.yes && !confirmed()? {
        say("nothing was changed; --yes does it");
        return Ok(ExitCode::SUCCESS);
    }
    // It may have been started while the question stood.
    if !is_stopped(names, &scanner)? {
        return Ok(ExitCode::from(PROBLEMS));
    }
    let done = transfer::import(config, names, &scanner, learning, &places, &mut |line| say(&line))?;
    writeln!(out, "users: {} written, {} cleared", done.users, done.cleared)?;
    Ok(ExitCode::SUCCESS)
}

/// Stream time, as people read it.
fn reached(clock: &Clock) -> anyhow::Result<String> {
    let seconds = clock.stream_time()?.now().seconds();
    Ok(deployment::time_text(seconds.saturating_mul(1_000)).unwrap_or_else(|| "no event".to_owned()))
}
