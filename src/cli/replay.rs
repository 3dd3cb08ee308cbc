//! `farsign replay`: sign-in logs from files → risk detections. [`super::replay_kafka`] has the part that reads Kafka.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};

use super::table_args::TableArgs;
use super::{INTERRUPTED, PROBLEMS, deployment, page, replay_kafka, say};
use crate::config::{self, Config};
use crate::engine::enrich::Tables;
use crate::engine::policy::EngineConfig;
use crate::engine::signin::SECONDS_PER_DAY;
use crate::engine::watermark::AHEAD_MAX_S;
use crate::render::RenderContext;
use crate::report::{self, Watched};
use crate::runtime::kafka::scan::Bound;
use crate::runtime::people;
use crate::runtime::replay::input;
use crate::runtime::replay::output::Outputs;
use crate::runtime::replay::sequencer::{self, BLOCK_LENGTH, Options, ROUND_ITEMS_MAX};
use crate::runtime::replay::settle::Order;
use crate::runtime::replay::summary::Summary;
use crate::runtime::tables::{self, TableFiles};

const WRITE_BUFFER_LENGTH: usize = 256 * 1024;

#[derive(clap::Args)]
pub struct Args {
    /// Configuration file (YAML).
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read the input topics of the configuration once, and write what a live run would have written, every version.
    #[arg(long, conflicts_with_all = ["inputs", "format"])]
    pub(super) kafka: bool,
    /// With --kafka, where each partition begins: earliest, an offset, or time=RFC3339.
    #[arg(long, value_name = "PLACE", default_value = "earliest", requires = "kafka", value_parser = deployment::bound)]
    pub(super) from: Bound,
    /// With --kafka, where each partition ends, as it is now: latest, an offset, or time=RFC3339.
    #[arg(long, value_name = "PLACE", default_value = "latest", requires = "kafka", value_parser = deployment::bound)]
    pub(super) to: Bound,
    #[command(flatten)]
    tables: TableArgs,
    /// Where detections go; `-` is stdout.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Write rejected records here.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Write the risk of each user who has or had any here, as it is in the end.
    #[arg(long, value_name = "FILE")]
    risky_users: Option<PathBuf>,
    /// Write the summary here, as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Write a page of what was found here, as HTML: charts and tables in one file that opens offline.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Write detections that a suppression silenced, too.
    #[arg(long)]
    emit_suppressed: bool,
    /// Write every version of a detection at once, as a live run does, not the settled one.
    #[arg(long)]
    updates: bool,
    /// Threads to work with [default: one a core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub(super) threads: Option<u16>,
    /// Exit with 1 when any record was rejected.
    #[arg(long)]
    strict: bool,
    /// Files, folders, globs; `-` is stdin. Plain, gzip or zstd.
    #[arg(required_unless_present = "kafka", value_name = "INPUT")]
    inputs: Vec<String>,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let mut config = match config::load(args.config.as_deref(), &environment) {
        Ok(config) => config,
        Err(problems) if problems.unreadable => bail!(problems),
        Err(problems) => {
            say(&format!("error: the configuration is not valid\n{problems}"));
            return Ok(ExitCode::from(PROBLEMS));
        }
    };
    people::load(&mut config)?;
    if args.kafka {
        return replay_kafka::run(&args, config);
    }
    let (options, context) = prepare(&args, config)?;
    input::refuse_to_overwrite(&options.inputs, written(&args).into_iter().flatten())?;
    let mut outputs =
        Outputs::new(create(&args.output)?, args.rejects.as_deref().map(create).transpose()?, context);
    outputs.risky_users = args.risky_users.as_deref().map(create).transpose()?;
    let interrupted = watch_for_interrupt()?;
    let summary = match judge(&args, &options, &mut outputs, &interrupted) {
        Ok(summary) => summary,
        // The reader of our output has seen enough.
        Err(error) if is_broken_pipe(&error) => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(error),
    };
    report(&args, &summary)?;
    Ok(exit_code(&args, &summary))
}

/// Judges the inputs, and writes the page of it if asked for.
fn judge(
    args: &Args,
    options: &Options,
    outputs: &mut Outputs,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<Summary> {
    let Some(path) = &args.report else { return sequencer::run(options, outputs, interrupted) };
    let context = [outputs.context.clone()];
    let mut watched = Watched::new(outputs, &context);
    let summary = sequencer::run(options, &mut watched, interrupted)?;
    let page = report::replay(&summary, &watched.alerts[0], context[0].config_hash, watched.span);
    page::write(path, &page)?;
    Ok(summary)
}

/// What verdicts rest on: the configuration, with what the command line adds.
pub(super) struct Judging {
    pub engine: EngineConfig,
    pub tables: Tables,
    pub context: RenderContext,
}

pub(super) fn judging(args: &Args, config: &Config) -> anyhow::Result<Judging> {
    let files = args.tables.files(config);
    let tables = files.load()?;
    let mut engine = engine(config, &tables);
    engine.emit_suppressed |= args.emit_suppressed;
    let context = context(config, &engine, &tables, &files);
    Ok(Judging { engine, tables, context })
}

/// The configuration's engine, with everything else that verdicts rest on in its hash.
pub(super) fn engine(config: &Config, tables: &Tables) -> EngineConfig {
    let mut engine = config.engine.clone();
    engine.emit_suppressed |= config.output.suppressed;
    engine.config_hash = people::mix(engine.config_hash, &config.input.decoder.people);
    engine.config_hash = config::mix(engine.config_hash, &tables.hash().to_le_bytes());
    engine
}

pub(super) fn context(
    config: &Config,
    engine: &EngineConfig,
    tables: &Tables,
    files: &TableFiles,
) -> RenderContext {
    RenderContext {
        format: config.output.format,
        impossible_travel_name: config.output.impossible_travel_name,
        config_hash: engine.config_hash,
        geoip_builds: tables::builds(tables),
        named_locations: files.named_locations.iter().map(|location| location.name.clone()).collect(),
    }
}

/// `asked` is what the command line says.
pub(super) fn threads(asked: Option<u16>, config: &Config) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.map(usize::from).or(config.replay.threads).unwrap_or_else(cores)
}

/// The files that are written, in the order output, rejects, risky users, summary, report.
pub(super) fn written(args: &Args) -> [Option<&Path>; 5] {
    let Args { output, rejects, risky_users, summary, report, .. } = args;
    let paths = [Some(output), rejects.as_ref(), risky_users.as_ref(), summary.as_ref(), report.as_ref()];
    paths.map(|path| path.map(PathBuf::as_path))
}

fn prepare(args: &Args, config: Config) -> anyhow::Result<(Options, RenderContext)> {
    let threads = threads(args.threads, &config);
    let Judging { engine, tables, context } = judging(args, &config)?;
    let options = Options {
        inputs: input::expand(&args.inputs)?,
        decoder: args.tables.decoder(&config),
        threads,
        engine: Arc::new(engine),
        tables: Arc::new(tables),
        order: if args.updates { Order::Updates } else { Order::Settled },
        block_length: BLOCK_LENGTH,
        round_items_max: ROUND_ITEMS_MAX,
    };
    Ok((options, context))
}

pub(super) fn create(path: &Path) -> anyhow::Result<Box<dyn Write + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::with_capacity(WRITE_BUFFER_LENGTH, io::stdout())));
    }
    let file = File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(Box::new(BufWriter::with_capacity(WRITE_BUFFER_LENGTH, file)))
}

/// Ctrl-C asks for a clean end; a second one does not wait for it.
pub(super) fn watch_for_interrupt() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            #[expect(clippy::exit, reason = "the second interrupt asks for an end at once")]
            std::process::exit(i32::from(INTERRUPTED));
        }
    })
    .context("cannot watch for Ctrl-C")?;
    Ok(interrupted)
}

pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.into_iter().any(|kind| kind == io::ErrorKind::BrokenPipe)
}

pub(super) fn report(args: &Args, summary: &Summary) -> anyhow::Result<()> {
    warn(summary);
    say(summary.to_string().trim_end());
    if let Some(path) = &args.summary {
        let failed = || format!("cannot write `{}`", path.display());
        let mut file = File::create(path).with_context(failed)?;
        writeln!(file, "{:#}", summary.to_json()).with_context(failed)?;
    }
    Ok(())
}

/// Tells what about the input makes its result doubtful.
pub(super) fn warn(summary: &Summary) {
    for (file, error) in &summary.broken {
        say(&format!("warning: `{file}` could not be read to its end: {error}"));
    }
    if let Some((file, most)) = summary.disorder.iter().max_by_key(|(_, disorder)| disorder.behind_max_s) {
        let items: u64 = summary.disorder.iter().map(|(_, disorder)| disorder.items).sum();
        let files = summary.disorder.len();
        let behind = most.behind_max_s;
        say(&format!(
            "warning: {items} records in {files} files were out of order, by up to {behind} s in `{file}`"
        ));
    }
    if summary.far_ahead > 0 {
        let days = AHEAD_MAX_S / SECONDS_PER_DAY;
        say(&format!(
            "warning: {} records were more than {days} days ahead of the rest, which other users' records did not bear out",
            summary.far_ahead
        ));
    }
}

pub(super) fn exit_code(args: &Args, summary: &Summary) -> ExitCode {
    let rejected = summary.rejects_total() + summary.refused_records > 0;
    if summary.interrupted {
        ExitCode::from(INTERRUPTED)
    } else if (args.strict && rejected) || summary.nothing_readable() || !summary.broken.is_empty() {
        ExitCode::from(PROBLEMS)
    } else {
        ExitCode::SUCCESS
    }
}
