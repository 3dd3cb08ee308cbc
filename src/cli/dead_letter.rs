//! `farsign dead-letter`: looks at records that could not be read, and sends them again.
//!
//! `show` prints a line of JSON for each; keys and values, which are personal data, only with `--payload`. `retry` sends
//! the records as they were to where they came from, in one transaction: either all of a call are there or none. It
//! remembers nothing, and called twice it sends twice; a sign-in that was taken already is dropped as a duplicate then,
//! as long as its id is remembered. Exit code 1: a letter could not be retried, or none was found to retry.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::deployment::{self, Deployment};
use super::{PROBLEMS, say};
use crate::runtime::clock::Deadline;
use crate::runtime::kafka::failure::Class;
use crate::runtime::kafka::letter::{DeadLetter, RETRIED};
use crate::runtime::kafka::producer::{Outgoing, TxnProducer};
use crate::runtime::kafka::scan::{Bound, Scanner};

/// Records of one `retry`: one transaction, which has to be over before its time is.
const RETRY_RECORDS_MAX: usize = 50_000;
/// Bytes of one `retry`.
const RETRY_BYTES_MAX: usize = 64 << 20;

/// Look at records that could not be read, and send them again.
#[derive(Args, Debug)]
pub struct DeadLetterArgs {
    #[command(subcommand)]
    command: DeadLetterCommand,
}

#[derive(Subcommand, Debug)]
enum DeadLetterCommand {
    /// Print dead letters, one JSON object a line, oldest first in each partition.
    Show(ShowArgs),
    /// Send records to where they came from, as they were.
    Retry(RetryArgs),
}

#[derive(Args, Debug)]
struct Filter {
    /// Configuration file (YAML); without it the defaults and the environment.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// At most so many, in the order of partitions.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only this reason, such as `badJson`.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only this partition of the dead-letter topic.
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
    /// From here on in each partition of the dead-letter topic: earliest, an offset, or time=RFC3339.
    #[arg(long, value_name = "PLACE", default_value = "earliest", value_parser = deployment::bound)]
    from: Bound,
}

#[derive(Args, Debug)]
struct ShowArgs {
    #[command(flatten)]
    filter: Filter,
    /// Print key, value and headers, too: as text, or in hexadecimal digits. They are personal data.
    #[arg(long)]
    payload: bool,
}

#[derive(Args, Debug)]
struct RetryArgs {
    #[command(flatten)]
    filter: Filter,
    /// Send to this topic, same partition number, not to where each came from.
    #[arg(long, value_name = "TOPIC")]
    to: Option<String>,
    /// Only say what would be sent.
    #[arg(long)]
    dry_run: bool,
}

pub fn run(args: &DeadLetterArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        DeadLetterCommand::Show(args) => show(args),
        DeadLetterCommand::Retry(args) => retry(args),
    }
}

impl Filter {
    /// Calls `visit` with each letter that fits.
    fn each(
        &self,
        deployment: &Deployment,
        scanner: &Scanner,
        mut visit: impl FnMut(DeadLetter) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let topic = &deployment.config.topics.dead_letter;
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut failed = None;
        for partition in scanner.chosen(topic, self.partition)? {
            // With an offset for all partitions, some may be shorter or begin later: only a named one must have it.
            let from = match (self.from, self.partition) {
                (Bound::Offset(offset), None) => {
                    let (low, end) = scanner.ends(topic, partition)?;
                    Bound::Offset(offset.clamp(low, end))
                }
                (from, _) => from,
            };
            let part = scanner.part(topic, partition, from, Bound::Latest)?;
            if left == 0 {
                break;
            }
            scanner.read(&part, |message| {
                let letter = DeadLetter::of(message);
                if self.reason.as_ref().is_some_and(|reason| *reason != letter.reason) {
                    return ControlFlow::Continue(());
                }
                left -= 1;
                failed = visit(letter).err();
                if failed.is_some() || left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if let Some(error) = failed.take() {
                return Err(error);
            }
        }
        Ok(())
    }
}

fn show(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let deployment = deployment::open(args.filter.config.as_ref())?;
    let scanner = Scanner::new(&deployment.names)?;
    let mut by_reason: BTreeMap<String, u64> = BTreeMap::new();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    args.filter.each(&deployment, &scanner, |letter| {
        writeln!(out, "{}", letter.to_json(args.payload, deployment::time_text))?;
        *by_reason.entry(letter.reason).or_default() += 1;
        Ok(())
    })?;
    out.flush()?;
    let total: u64 = by_reason.values().sum();
    say(&format!("{total} dead letters in `{}`", deployment.config.topics.dead_letter));
    for (reason, count) in by_reason {
        say(&format!("{count:>8} {}", if reason.is_empty() { "(no reason)" } else { &reason }));
    }
    Ok(ExitCode::SUCCESS)
}

/// A record on its way back.
struct Return {
    topic: String,
    partition: i32,
    letter: DeadLetter,
}

fn retry(args: &RetryArgs) -> anyhow::Result<ExitCode> {
    let deployment = deployment::open(args.filter.config.as_ref())?;
    let scanner = Scanner::new(&deployment.names)?;
    let (returns, refused) = collect(args, &deployment, &scanner)?;
    for ((topic, partition), count) in by_place(&returns) {
        let verb = if args.dry_run { "would go" } else { "go" };
        say(&format!("{count} records {verb} to `{topic}` partition `{partition}`"));
    }
    if !args.dry_run && !returns.is_empty() {
        send(&deployment, &returns)?;
        say(&format!(
            "{} records were sent, in one transaction; they stay in the dead-letter topic",
            returns.len()
        ));
    }
    if refused > 0 {
        say(&format!("{refused} were not sent"));
    } else if returns.is_empty() {
        say("no dead letter fits");
    }
    let is_fine = refused == 0 && !returns.is_empty();
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
}

/// What to send, and how many cannot be.
fn collect(args: &RetryArgs, deployment: &Deployment, scanner: &Scanner) -> anyhow::Result<(Vec<Return>, u64)> {
    let (mut returns, mut refused, mut bytes) = (Vec::new(), 0, 0);
    let mut counts: BTreeMap<String, i32> = BTreeMap::new();
    args.filter.each(deployment, scanner, |letter| {
        match place(args, &letter, &mut |topic| match counts.get(topic) {
            Some(count) => Ok(*count),
            None => {
                // A client of its own: the scanner's is in the middle of a partition.
                let count = Scanner::new(&deployment.names)?.partitions(topic)?;
                counts.insert(topic.to_owned(), count);
                Ok(count)
            }
        }) {
            Err(problem) => {
                refused += 1;
                say(&format!("`{}` cannot be sent again: {problem}", letter.place()));
            }
            Ok((topic, partition)) => {
                bytes += letter.bytes();
                returns.push(Return { topic, partition, letter });
            }
        }
        if returns.len() > RETRY_RECORDS_MAX || bytes > RETRY_BYTES_MAX {
            bail!(
                "more than {RETRY_RECORDS_MAX} records or {} MiB fit; take them in parts with --partition, --from and --limit",
                RETRY_BYTES_MAX >> 20
            );
        }
        Ok(())
    })?;
    Ok((returns, refused))
}

/// Where a letter's record goes.
fn place(
    args: &RetryArgs,
    letter: &DeadLetter,
    partitions: &mut dyn FnMut(&str) -> anyhow::Result<i32>,
) -> anyhow::Result<(String, i32)> {
    if let Some(whole) = letter.truncated {
        bail!("its value was cut; it had {whole} bytes");
    }
    let (Some(origin), Some(partition)) = (&letter.topic, letter.partition) else {
        bail!("it does not say which topic and partition it came from");
    };
    let topic = args.to.as_ref().unwrap_or(origin);
    let count = partitions(topic)?;
    if !(0..count).contains(&partition) {
        bail!("it came from partition `{partition}`, and topic `{topic}` has `{count}`");
    }
    Ok((topic.clone(), partition))
}

fn by_place(returns: &[Return]) -> BTreeMap<(&str, i32), u64> {
    let mut places = BTreeMap::new();
    for back in returns {
        *places.entry((back.topic.as_str(), back.partition)).or_default() += 1;
    }
    places
}

fn send(deployment: &Deployment, returns: &[Return]) -> anyhow::Result<()> {
    let names = &deployment.names;
    // Not a task's id: a running instance is not fenced.
    let id = format!("{}-{}-dead-letter-retry", names.application_id, names.lead());
    let timeout = names.transaction_timeout;
    let mut producer = TxnProducer::open(&names.connection, &id, names.message_bytes_max, timeout * 2)?;
    let deadline = Deadline::after(timeout);
    producer.begin()?;
    for back in returns {
        let letter = &back.letter;
        let headers = letter.retry_headers();
        let outgoing = Outgoing {
            topic: &back.topic,
            partition: back.partition,
            key: letter.key.as_deref(),
            payload: letter.payload.as_deref(),
            headers: &headers,
            // Now: retention goes by timestamps, and would take an old record before it is read.
            timestamp_ms: None,
        };
        producer.send(&outgoing, deadline)?;
    }
    producer.commit(deadline).map_err(|failure| match failure.class {
        Class::Unknown | Class::Fatal => anyhow::anyhow!(
            "{failure}; whether the records were sent is not known: look for the header `{RETRIED}` before trying again"
        ),
        _ => failure.into(),
    })
}
