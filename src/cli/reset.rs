//! `farsign reset`: sets where a stopped application goes on, and whether it keeps its state.
//!
//! It says what it would do and asks; without a terminal to ask on it does nothing unless `--yes` is given. An
//! application that runs is refused: exit code 1. Partitions are reset one after another, each in a transaction of its
//! own, and each is told when it is done; after a failure the same call may be repeated.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;

use super::{PROBLEMS, deployment, say};
use crate::runtime::kafka::marker::Marker;
use crate::runtime::kafka::names::Names;
use crate::runtime::kafka::reset::{self, StateChange};
use crate::runtime::kafka::scan::{Bound, Scanner};

#[derive(clap::Args)]
pub struct Args {
    /// Configuration file (YAML); without it the defaults and the environment.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to go on: earliest, latest, offset=N, or time=RFC3339 (of the records' timestamps).
    #[arg(long, value_name = "PLACE", value_parser = deployment::bound)]
    to: Bound,
    /// Only this partition.
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
    /// What becomes of users' state.
    #[arg(long, value_enum, default_value = "keep")]
    state: StateName,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateName {
    /// Users stay known. What is read again is taken for late or repeated, where it still is remembered.
    Keep,
    /// Every user of the partition is forgotten.
    Clear,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let deployment = deployment::open(args.config.as_ref())?;
    let names = &deployment.names;
    let scanner = Scanner::new(names)?;
    if !is_stopped(names, &scanner)? {
        return Ok(ExitCode::from(PROBLEMS));
    }
    let state = match args.state {
        StateName::Keep => StateChange::Keep,
        StateName::Clear => StateChange::Clear,
    };
    let partitions = scanner.chosen(names.lead(), args.partition)?;
    for partition in &partitions {
        let mut found = reset::find(names, &scanner, *partition, state == StateChange::Clear)?;
        if state == StateChange::Keep {
            found.marker = found.marker.map(Marker::whole).transpose()?;
        }
        let next = reset::next(names, &scanner, *partition, args.to, found.marker.as_ref())?;
        tell("would be", *partition, found.marker.as_ref(), &next, found.keys.len(), state)?;
    }
    if !args.yes && !confirmed()? {
        say("nothing was changed; --yes does it");
        return Ok(ExitCode::SUCCESS);
    }
    reset::end_import(names)?;
    for partition in partitions {
        if !is_stopped(names, &scanner)? {
            return Ok(ExitCode::from(PROBLEMS));
        }
        let before = reset::find(names, &scanner, partition, false)?.marker;
        let done = reset::reset(names, &scanner, partition, args.to, state)
            .with_context(|| format!("cannot reset partition `{partition}`; those before it are reset"))?;
        tell("is", partition, before.as_ref(), &done.marker.next, done.cleared, state)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses, with what to do, when the group has members.
pub(super) fn is_stopped(names: &Names, scanner: &Scanner) -> anyhow::Result<bool> {
    let members = reset::members(names, scanner)?;
    if members.is_empty() {
        return Ok(true);
    }
    say(&format!(
        "group `{}` has members: {}; stop every instance first (one that was killed is a member until its session ends)",
        names.application_id,
        members.join(", ")
    ));
    Ok(false)
}

pub(super) fn confirmed() -> anyhow::Result<bool> {
    let (stdin, stderr) = (std::io::stdin(), std::io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return Ok(false);
    }
    say("do this? Type `yes`:");
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

/// One line a source, and one for what is cleared.
fn tell(
    verb: &str,
    partition: i32,
    old: Option<&Marker>,
    next: &[(String, i64)],
    keys: usize,
    state: StateChange,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for (topic, offset) in next {
        let before = old.and_then(|marker| marker.next_of(topic));
        let before = before.map_or_else(|| "-".to_owned(), |offset| offset.to_string());
        writeln!(out, "partition {partition} {topic}: {before} → {offset}")?;
    }
    if state == StateChange::Clear {
        writeln!(
            out,
            "partition {partition} state: {keys} keys {} cleared",
            if verb == "is" { "are" } else { verb }
        )?;
    }
    Ok(())
}
