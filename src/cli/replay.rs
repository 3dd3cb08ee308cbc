//! `farsign replay`: sign-in logs from files → risk detections. [`super::replay_kafka`] has the part that reads Kafka.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};

use super::filter_args::FilterArgs;
use super::table_args::TableArgs;
use super::{INTERRUPTED, PROBLEMS, page, replay_kafka, say};
use crate::config::{self, Config};
use crate::engine::enrich::Tables;
use crate::engine::policy::EngineConfig;
use crate::engine::signin::SECONDS_PER_DAY;
use crate::engine::watermark::AHEAD_MAX_S;
use crate::render::RenderContext;
use crate::report::{self, Watched};
use crate::runtime::people;
use crate::runtime::replay::checkpoint::{self, CHECKPOINT_EVERY, Checkpoint, CheckpointPlan};
use crate::runtime::replay::input;
use crate::runtime::replay::output::Outputs;
use crate::runtime::replay::sequencer::{self, BLOCK_LENGTH, Options, ROUND_ITEMS_MAX};
use crate::runtime::replay::settle::Order;
use crate::runtime::replay::state::StateFiles;
use crate::runtime::replay::summary::Summary;
use crate::runtime::state_file;
use crate::runtime::tables::{self, TableFiles};

const WRITE_BUFFER_LENGTH: usize = 256 * 1024;

#[derive(clap::Args)]
pub struct Args {
    /// Configuration file (YAML).
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read the input topics of the configuration once, and write what a live run would have written, every version.
    /// --from and --to then are places of each partition: earliest, latest, an offset, or time=RFC3339.
    #[arg(long, conflicts_with_all = ["inputs", "format", "users", "tenant"])]
    pub(super) kafka: bool,
    #[command(flatten)]
    tables: TableArgs,
    /// Begin with the state that `farsign replay --state-out` or `farsign state export` wrote.
    #[arg(long, value_name = "FILE", conflicts_with = "kafka")]
    state_in: Option<PathBuf>,
    /// Write the state here at the end, to go on from; what has not settled by then is left to who goes on.
    #[arg(long, value_name = "FILE", conflicts_with = "kafka")]
    state_out: Option<PathBuf>,
    /// Keep here how far it has come; when the file exists, go on from there.
    #[arg(long, value_name = "FILE", conflicts_with = "kafka")]
    resume: Option<PathBuf>,
    /// With --resume, seconds between two writes of that file; it is also written when interrupted.
    #[arg(long, value_name = "SECONDS", requires = "resume", default_value_t = CHECKPOINT_EVERY.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    resume_every: u64,
    #[command(flatten)]
    pub(super) filter: FilterArgs,
    /// Where detections go; `-` is stdout.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Judge by the shadow policies of the configuration, too, and write here what they find.
    #[arg(long, value_name = "FILE")]
    pub(super) shadow_output: Option<PathBuf>,
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
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
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
    /// Files, folders, globs, objects (s3://, az://, gs://); `-` is stdin. Plain, gzip, zstd or Parquet.
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
    if let Err(problem) = shadows_asked(&args, &config) {
        say(&format!("error: {problem}"));
        return Ok(ExitCode::from(PROBLEMS));
    }
    people::load(&mut config)?;
    if args.kafka {
        return replay_kafka::run(&args, config);
    }
    let (options, context) = prepare(&args, config)?;
    input::refuse_to_overwrite(&options.inputs, written(&args).into_iter().flatten())?;
    check_files(&args)?;
    let mut outputs = open_outputs(&args, &options, context)?;
    let interrupted = watch_for_interrupt()?;
    let summary = match judge(&args, &options, &mut outputs, &interrupted) {
        Ok(summary) => summary,
        // The reader of our output has seen enough.
        Err(error) if is_broken_pipe(&error) => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(error),
    };
    report(&args, &summary)?;
    if summary.interrupted && args.state_out.is_some() {
        say("interrupted: no state was written");
    }
    match &args.resume {
        Some(path) if summary.interrupted => {
            say(&format!("`{}` has how far it has come; the same command goes on from there", path.display()));
        }
        // Nothing is left to go on with.
        Some(path) if path.exists() => {
            std::fs::remove_file(path).with_context(|| format!("cannot remove `{}`", path.display()))?;
        }
        _ => {}
    }
    Ok(exit_code(&args, &summary))
}

/// Refuses two outputs that are one file, a state that would be written over before it is read, and what could not be gone
/// on with.
fn check_files(args: &Args) -> anyhow::Result<()> {
    let files: Vec<&Path> = written(args).into_iter().flatten().filter(|path| *path != Path::new("-")).collect();
    // A state may take the place of the one that was begun with.
    let begins_with = args.state_in.as_deref().filter(|state| args.state_out.as_deref() != Some(state));
    check_outputs(&files, begins_with)?;
    if args.resume.is_some() {
        refuse_inside(&files, &args.inputs)?;
    }
    // What cannot be begun with is told of before anything is emptied.
    if let Some(state) = &args.state_in {
        state_file::open(state)?;
    }
    Ok(())
}

/// Refuses what could not be written when the work is done, two outputs that are one file, and one that is the state to begin
/// with.
pub(super) fn check_outputs(files: &[&Path], state: Option<&Path>) -> anyhow::Result<()> {
    let is_same = |one: &Path, other: &Path| {
        let place = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        place(one) == place(other)
    };
    for (index, file) in files.iter().enumerate() {
        let folder = folder_of(file);
        if !folder.is_dir() {
            bail!("cannot write `{}`: there is no folder `{}`", file.display(), folder.display());
        }
        if files[..index].iter().any(|other| is_same(file, other) && !is_device(file)) {
            bail!("`{}` is named for two outputs", file.display());
        }
        if state.is_some_and(|state| is_same(state, file)) {
            bail!("`{}` is the state to begin with, and would be overwritten", file.display());
        }
    }
    Ok(())
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// With --resume: the run that goes on would find the outputs among its inputs.
pub(super) fn refuse_inside(files: &[impl AsRef<Path>], inputs: &[String]) -> anyhow::Result<()> {
    let is_inside = |file: &Path, folder: &String| {
        // The folder may be yet to be made.
        let parent = folder_of(file).ancestors().find_map(|parent| match parent.as_os_str().is_empty() {
            true => std::fs::canonicalize(".").ok(),
            false => std::fs::canonicalize(parent).ok(),
        });
        let places = (parent, std::fs::canonicalize(folder));
        matches!(places, (Some(parent), Ok(folder)) if folder.is_dir() && parent.starts_with(&folder))
    };
    let mut files = files.iter().map(AsRef::as_ref);
    match files.find(|file| inputs.iter().any(|folder| is_inside(file, folder))) {
        Some(file) => bail!("`{}` is in a folder that is read: with --resume write outside of it", file.display()),
        None => Ok(()),
    }
}

fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| !data.is_file())
}

/// Opens what is written: anew, or behind what the run wrote that is gone on with.
fn open_outputs(args: &Args, options: &Options, context: RenderContext) -> anyhow::Result<Outputs> {
    let held = match &args.resume {
        Some(_) if args.output == Path::new("-") => {
            bail!("--resume cannot go on with stdout: name a file with --output")
        }
        Some(_) if options.inputs.iter().any(|input| input.length.is_none()) => {
            bail!("--resume cannot go on with stdin or a pipe: its beginning is gone; write it into a file first")
        }
        Some(path) => checkpoint::look(path)?.map(|held| (held, path)),
        None => None,
    };
    let lengths = held.map(|(held, path)| {
        held.check(path, &options.identity())?;
        let Checkpoint { clock, lengths, .. } = held.checkpoint;
        say(&format!("going on behind {} items that were judged before", clock.position));
        Ok::<_, anyhow::Error>((path, [0, 1, 2].map(|index| lengths.get(index).copied().unwrap_or(0))))
    });
    let behind = lengths.transpose()?;
    let open = |path: &Path, index: usize| match behind {
        Some((checkpoint, lengths)) => open_behind(path, lengths[index], checkpoint),
        None => create(path),
    };
    let rejects = args.rejects.as_deref().map(|path| open(path, 1)).transpose()?;
    let mut outputs = Outputs::new(open(&args.output, 0)?, rejects, context);
    outputs.go_on(behind.map(|(_, lengths)| lengths).unwrap_or_default());
    outputs.shadow_detections = args.shadow_output.as_deref().map(|path| open(path, 2)).transpose()?;
    outputs.risky_users = args.risky_users.as_deref().map(create).transpose()?;
    Ok(outputs)
}

/// Opens a file to go on behind its first `length` bytes; what follows was written after the checkpoint.
pub(super) fn open_behind(path: &Path, length: u64, checkpoint: &Path) -> anyhow::Result<Box<dyn Write + Send>> {
    let failed = || format!("cannot go on with `{}`", path.display());
    let mut file =
        File::options().write(true).create(length == 0).truncate(false).open(path).with_context(failed)?;
    lock(&file, path)?;
    let found = file.metadata().with_context(failed)?.len();
    if found < length {
        bail!(
            "cannot go on with `{}`: it has {found} bytes, and had {length}; put it back, or remove `{}` to begin anew",
            path.display(),
            checkpoint.display()
        );
    }
    file.set_len(length).with_context(failed)?;
    file.seek(SeekFrom::End(0)).with_context(failed)?;
    Ok(Box::new(BufWriter::with_capacity(WRITE_BUFFER_LENGTH, file)))
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
    if args.shadow_output.is_some() {
        engine.shadow_policies.clone_from(&config.engine.shadow_policies);
    }
    let context = context(config, &engine, &tables, &files);
    Ok(Judging { engine, tables, context })
}

/// Shadow policies are judged by where their detections go: tells where they go nowhere.
fn shadows_asked(args: &Args, config: &Config) -> Result<(), &'static str> {
    match (config.engine.shadow_policies.len(), &args.shadow_output) {
        (0, Some(_)) => {
            Err("`--shadow-output` is for shadow policies, and the configuration has none: set `shadow: true` \
                             in a policy of `policies`")
        }
        (0, None) | (_, Some(_)) => Ok(()),
        (count, None) => {
            say(&format!(
                "note: {count} shadow policies are left out; `--shadow-output FILE` judges by them, too"
            ));
            Ok(())
        }
    }
}

/// The configuration's engine without shadow policies, with everything else that verdicts rest on in its hash.
pub(super) fn engine(config: &Config, tables: &Tables) -> EngineConfig {
    let mut engine = EngineConfig { shadow_policies: Vec::new(), ..config.engine.clone() };
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

/// The files that are written, in the order output, rejects, risky users, shadow output, summary, state, checkpoint,
/// report.
pub(super) fn written(args: &Args) -> [Option<&Path>; 8] {
    let paths = [
        Some(&args.output),
        args.rejects.as_ref(),
        args.risky_users.as_ref(),
        args.shadow_output.as_ref(),
        args.summary.as_ref(),
        args.state_out.as_ref(),
        args.resume.as_ref(),
        args.report.as_ref(),
    ];
    paths.map(|path| path.map(PathBuf::as_path))
}

fn prepare(args: &Args, config: Config) -> anyhow::Result<(Options, RenderContext)> {
    let threads = threads(args.threads, &config);
    let Judging { engine, tables, context } = judging(args, &config)?;
    let (inputs, filter) = args.filter.inputs(&args.inputs)?;
    let options = Options {
        inputs,
        filter,
        decoder: args.tables.decoder(&config),
        threads,
        engine: Arc::new(engine),
        tables: Arc::new(tables),
        order: if args.updates { Order::Updates } else { Order::Settled },
        state: state_files(args, &context)?,
        block_length: BLOCK_LENGTH,
        round_items_max: ROUND_ITEMS_MAX,
    };
    Ok((options, context))
}

fn state_files(args: &Args, context: &RenderContext) -> anyhow::Result<StateFiles> {
    let growing = [Some(&args.output), args.rejects.as_ref(), args.shadow_output.as_ref()];
    let plan = |path: &PathBuf| -> anyhow::Result<CheckpointPlan> {
        let state = args.state_in.as_deref().map(state_file::hash).transpose()?;
        Ok(CheckpointPlan {
            path: path.clone(),
            every: Duration::from_secs(args.resume_every),
            rests_on: format!("{:?} {:?} {state:?}", context.format, context.impossible_travel_name),
            outputs: growing.into_iter().flatten().cloned().collect(),
        })
    };
    let checkpoint = args.resume.as_ref().map(plan).transpose()?;
    Ok(StateFiles { from: args.state_in.clone(), to: args.state_out.clone(), checkpoint })
}

pub(super) fn create(path: &Path) -> anyhow::Result<Box<dyn Write + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::with_capacity(WRITE_BUFFER_LENGTH, io::stdout())));
    }
    let failed = || format!("cannot write `{}`", path.display());
    let file = File::options().write(true).create(true).truncate(false).open(path).with_context(failed)?;
    lock(&file, path)?;
    if !is_device(path) {
        file.set_len(0).with_context(failed)?;
    }
    Ok(Box::new(BufWriter::with_capacity(WRITE_BUFFER_LENGTH, file)))
}

/// Before anything is taken away: who else writes to the file would go on behind what is no more there. The lock goes with
/// the file.
fn lock(file: &File, path: &Path) -> anyhow::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) if !is_device(path) => {
            bail!("another farsign writes to `{}`", path.display())
        }
        // Not every file system has locks.
        _ => Ok(()),
    }
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
    if let Some(first) = summary.unseen_users.first() {
        let count = summary.unseen_users.len();
        say(&format!(
            "warning: {count} of the users of --users had no event that was asked for, such as `{first}`"
        ));
    }
    if summary.nothing_readable() {
        say(&format!("warning: none of the records could be read: {}", summary.rejects_listed()));
    }
    if summary.left_out_total() > 0 && summary.items == 0 {
        say("warning: the filters left no event to judge");
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
