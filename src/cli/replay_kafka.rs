//! `farsign replay --kafka`: the input topics, read once → what a live run that began there would have written.
//!
//! Outputs, summary and exit codes are those of a replay of files; detections are every version, as live. Rejects are
//! what a live run makes dead letters of. Exit code 1 also where a live run would stop (`input.on_error: stop`, the
//! breaker): what was written until then stays.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};

use super::replay::{
    Args, Judging, create, exit_code, is_broken_pipe, judging, report, threads, watch_for_interrupt, written,
};
use super::{PROBLEMS, deployment, page, run as live, say};
use crate::config::Config;
use crate::render::OutputFormat;
use crate::report::{Alerts, Lines};
use crate::runtime::clock;
use crate::runtime::kafka::judging;
use crate::runtime::kafka::names::{Names, entrances};
use crate::runtime::kafka::offline::{self, Offline, OfflineError, RiskyLines, Sinks};
use crate::runtime::kafka::record::Source;
use crate::runtime::kafka::scan::{Bound, Part, ScanError, Scanner};
use crate::runtime::replay::progress::Progress;
use crate::runtime::replay::summary;

pub fn run(args: &Args, config: Config) -> anyhow::Result<ExitCode> {
    let bounds = bounds(args)?;
    if let Err(problems) = config.for_input() {
        say(&format!("error: the configuration is not valid\n{problems}"));
        return Ok(ExitCode::from(PROBLEMS));
    }
    if args.report.is_some() && config.output.format != OutputFormat::Graph {
        bail!("--report with --kafka reads what is written: it needs `output.format: graph`");
    }
    let Judging { engine, tables, context } = judging(args, &config)?;
    let config_hash = context.config_hash;
    let deployment = deployment::with_config(config)?;
    let config = &deployment.config;
    let limits = live::limits(config, &deployment.layout);
    let settings = judging::settings(&engine, &Arc::new(context), &config.input, false, limits);
    let entrances = entrances(config);
    let parts = parts(bounds, &deployment.names, &entrances)?;
    let offline = Offline {
        is_keyed: config.input.keyed,
        threads: threads(args.threads, config),
        names: Arc::new(deployment.names),
        settings: Arc::new(settings),
        tables: Arc::new(tables),
        entrances,
        parts,
    };
    replay(args, &offline, config_hash)
}

/// Where each partition begins and ends, as `--from` and `--to` say.
fn bounds(args: &Args) -> anyhow::Result<(Bound, Bound)> {
    let place = |name: &str, text: &Option<String>, otherwise| {
        let place = text.as_deref().map_or(Ok(otherwise), deployment::bound);
        place.map_err(|error| anyhow!("--{name}: {error}"))
    };
    Ok((place("from", &args.filter.from, Bound::Earliest)?, place("to", &args.filter.to, Bound::Latest)?))
}

/// What to read of each partition. An offset is one of the input topics': commands are read whole then.
fn parts(
    (from, to): (Bound, Bound),
    names: &Names,
    entrances: &[Source],
) -> Result<Vec<(usize, Part)>, ScanError> {
    let scanner = Scanner::new(names)?;
    let mut parts = Vec::new();
    for (index, source) in entrances.iter().enumerate() {
        for partition in scanner.chosen(&source.topic, None)? {
            let end = |bound| within(&scanner, &source.topic, partition, bound);
            let (from, to) = (from.of(source.kind, Bound::Earliest), to.of(source.kind, Bound::Latest));
            parts.push((index, scanner.part(&source.topic, partition, end(from)?, end(to)?)?));
        }
    }
    Ok(parts)
}

/// An offset behind the end of a partition that is shorter than others is its end; one before its beginning is an error.
fn within(scanner: &Scanner, topic: &str, partition: i32, bound: Bound) -> Result<Bound, ScanError> {
    Ok(match bound {
        Bound::Offset(offset) => Bound::Offset(offset.min(scanner.ends(topic, partition)?.1)),
        bound => bound,
    })
}

fn replay(args: &Args, offline: &Offline, config_hash: u64) -> anyhow::Result<ExitCode> {
    let [output, rejects, risky_users, shadow_output, ..] = written(args);
    let mut shadow_detections = shadow_output.map(create).transpose()?;
    let kept = args.report.as_ref().map(|_| Alerts::default());
    let mut detections = Lines::new(create(output.context("no output")?)?, kept);
    let mut rejects = rejects.map(create).transpose()?;
    let risky_users = risky_users.map(create).transpose()?;
    let interrupted = watch_for_interrupt()?;
    let started = clock::now();
    let mut progress = Progress::new(None);
    let mut sinks = Sinks {
        detections: &mut detections,
        shadow_detections: shadow_detections.as_mut().map(|file| file as &mut dyn std::io::Write),
        rejects: rejects.as_mut().map(|rejects| rejects as &mut dyn std::io::Write),
    };
    let result =
        offline::run(offline, &mut sinks, &interrupted, &mut |bytes, records| progress.show(bytes, records));
    progress.finish();
    let (mut summary, risky) = match result {
        Ok(result) => result,
        Err(error) => return failed(error, &mut detections),
    };
    if let Some(risky_users) = risky_users {
        write_risky(risky_users, &risky).context("cannot write risky users")?;
    }
    let further = [&mut shadow_detections, &mut rejects].into_iter().flatten();
    let flushed = detections.flush().and_then(|()| further.into_iter().try_for_each(|file| file.flush()));
    match flushed.map_err(anyhow::Error::from) {
        Err(error) if is_broken_pipe(&error) => return Ok(ExitCode::SUCCESS),
        flushed => flushed.context("cannot write")?,
    }
    summary.run.elapsed = started.elapsed();
    summary.run.memory_peak_bytes = summary::memory_peak_bytes();
    if let (Some(path), Some(alerts)) = (&args.report, &detections.alerts) {
        page::write(path, &crate::report::replay(&summary, alerts, config_hash, None))?;
    }
    report(args, &summary)?;
    Ok(exit_code(args, &summary))
}

fn failed(error: OfflineError, detections: &mut dyn std::io::Write) -> anyhow::Result<ExitCode> {
    match error {
        OfflineError::Stopped(_) => {
            detections.flush().context("cannot write detections")?;
            say(&format!("error: {error}"));
            Ok(ExitCode::from(PROBLEMS))
        }
        // The reader of our output has seen enough.
        OfflineError::Write(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        error => Err(error.into()),
    }
}

/// One line a user, as the compacted topic would hold them in the end, by key.
fn write_risky(mut into: Box<dyn std::io::Write + Send>, risky: &RiskyLines) -> std::io::Result<()> {
    for line in risky.values() {
        into.write_all(line)?;
        into.write_all(b"\n")?;
    }
    into.flush()
}
