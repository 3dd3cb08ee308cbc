//! `farsign diff`: two files of detections, or two configurations on the same logs, held against each other.
//!
//! What changed goes to stdout and is the same for the same files; talk goes to stderr.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::Value;

use super::filter_args::FilterArgs;
use super::replay::{self, watch_for_interrupt};
use super::table_args::TableArgs;
use super::{INTERRUPTED, PROBLEMS, page, say, show};
use crate::diff::{self, Detections, Logs, Report, Settings};
use crate::engine::enrich::Tables;
use crate::engine::policy::EngineConfig;
use crate::render::{OutputFormat, RenderContext};
use crate::report::{self, Alerts, Side};
use crate::runtime::replay::input::{self, STDIN_NAME};
use crate::runtime::replay::output::{Outputs, Tee};
use crate::runtime::replay::sequencer::{self, BLOCK_LENGTH, Options, ROUND_ITEMS_MAX};
use crate::runtime::replay::settle::Order;
use crate::runtime::replay::source;
use crate::runtime::replay::state::StateFiles;
use crate::runtime::tables::TableFiles;
use crate::tune::{self, Plan, Refused, Variant};

/// Hold two sets of detections against each other
///
/// Two files as `farsign replay` writes them, one of them with what a shadow policy found, perhaps; or, with --against, what two configurations make of the same logs.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// With --against, the first configuration (YAML)
    #[arg(short, long, value_name = "FILE", requires = "against")]
    config: Option<PathBuf>,
    /// The second configuration (YAML): what is named are sign-in logs, and both judge them
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Of a file of several shadow policies' detections, those of this one
    #[arg(long, value_name = "NAME", conflicts_with = "against")]
    policy: Option<String>,
    /// Examples of each group of changes
    #[arg(long, value_name = "N", default_value_t = 3)]
    examples: usize,
    /// Write everything here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page of it here, as HTML: charts and tables in one file that opens offline
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Threads to work with [default: one a core]
    #[arg(long, value_name = "N", requires = "against", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: Option<u16>,
    #[command(flatten)]
    tables: TableArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Begin with the state that `farsign replay --state-out` or `farsign state export` wrote.
    #[arg(long, value_name = "FILE", requires = "against")]
    state_in: Option<PathBuf>,
    /// FIRST and SECOND, of which one may be `-`, stdin; with --against files, folders, globs and objects of sign-in logs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    replay::check_outputs(&written(args).collect::<Vec<_>>(), args.state_in.as_deref())?;
    let (report, sides, is_whole) = match &args.against {
        None => {
            let (report, sides) = of_files(args)?;
            (report, sides, true)
        }
        Some(against) => match of_configurations(args, against)? {
            Judged::Compared { report, sides, is_whole } => (*report, *sides, is_whole),
            Judged::Refused(problems) => {
                say(&format!("error: {problems}"));
                return Ok(ExitCode::from(PROBLEMS));
            }
            Judged::Interrupted => return Ok(ExitCode::from(INTERRUPTED)),
        },
    };
    if let Some(path) = &args.json {
        page::write_json(path, &report)?;
    }
    if let Some(path) = &args.report {
        page::write(path, &report::diff(&report, sides))?;
    }
    show(&diff::tables(&report))?;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
}

/// What `path`, or stdin as `-`, holds; for the page too, if there is to be one.
fn side(args: &Args, path: &Path) -> anyhow::Result<Side> {
    let failed = || format!("cannot use `{}`", path.display());
    let bytes = if is_stdin(path) { source::bytes_of_stdin() } else { source::bytes(path) };
    let bytes = BufReader::new(bytes.with_context(failed)?);
    let mut alerts = Alerts::default();
    let mut take = |line: &str| if args.report.is_some() { alerts.take(line.as_bytes()) } else { Ok(()) };
    let policy = args.policy.as_deref().filter(|_| args.against.is_none());
    let detections = Detections::read_with(bytes, policy, &mut take).with_context(failed)?;
    Ok(Side { detections, alerts })
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN_NAME)
}

fn of_files(args: &Args) -> anyhow::Result<(Report, [Side; 2])> {
    if args.filter.is_set() {
        bail!("filters say which sign-ins are judged: they go with --against");
    }
    let [first, second] = args.paths.as_slice() else {
        bail!("expected two files of detections, FIRST and SECOND; {} are named", args.paths.len());
    };
    if [first, second].into_iter().all(|path| is_stdin(Path::new(path))) {
        bail!("stdin (`-`) can be one of the two, not both");
    }
    // What is not there is told of when it is read.
    let inputs = input::expand(&args.paths).unwrap_or_default();
    input::refuse_to_overwrite(&inputs, written(args))?;
    let mut sides = [side(args, Path::new(first))?, side(args, Path::new(second))?];
    if let Some(policy) = &args.policy
        && !sides.iter().any(|side| side.detections.is_shadow())
    {
        bail!("--policy `{policy}`: neither file holds detections of a shadow policy");
    }
    if sides[0].detections.is_shadow() != sides[1].detections.is_shadow() {
        sides.iter_mut().for_each(|side| side.detections.keep_judged());
    }
    Ok((diff::compare(&sides[0].detections, &sides[1].detections, None, args.examples), sides))
}

/// The files that are written.
fn written(args: &Args) -> impl Iterator<Item = &Path> {
    args.json.iter().chain(&args.report).map(PathBuf::as_path)
}

/// What judging by two configurations came to.
enum Judged {
    Compared {
        report: Box<Report>,
        sides: Box<[Side; 2]>,
        /// The logs could be read to their end, and held sign-ins that could carry risk.
        is_whole: bool,
    },
    /// The configurations have problems.
    Refused(String),
    Interrupted,
}

fn of_configurations(args: &Args, against: &Path) -> anyhow::Result<Judged> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let base = args.config.as_deref();
    let mut built = match tune::build(base, &environment, &Plan::default(), &[against.to_path_buf()]) {
        Ok(built) => built,
        Err(Refused::Config { problems, .. }) if problems.unreadable => bail!(problems),
        Err(refused) => return Ok(Judged::Refused(refused.to_string())),
    };
    built.load_people()?;
    let variants = built.variants;
    let [first, second] = variants.as_slice() else {
        return Ok(Judged::Refused("both configurations judge alike: there is nothing to compare".to_owned()));
    };
    let settings = settings(first, second);
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let files = ["first", "second"].map(|name| folder.path().join(name));
    let Some(Found { logs, is_whole, config_hashes }) = judge(args, &variants, &files)? else {
        return Ok(Judged::Interrupted);
    };
    let mut sides = [side(args, &files[0])?, side(args, &files[1])?];
    for (side, hash) in sides.iter_mut().zip(config_hashes) {
        // Also where there is no detection to tell it.
        side.detections.config_hashes = [hash].into();
    }
    let report = diff::compare(&sides[0].detections, &sides[1].detections, Some(&settings), args.examples);
    let report = Report { logs: Some(logs), ..report };
    Ok(Judged::Compared { report: Box::new(report), sides: Box::new(sides), is_whole })
}

/// What was judged, and by what.
struct Found {
    logs: Logs,
    is_whole: bool,
    /// Of the first and the second, as in their detections.
    config_hashes: Vec<String>,
}

/// Judges the logs by both, into the files; `None` when interrupted.
fn judge(args: &Args, variants: &[Variant], files: &[PathBuf; 2]) -> anyhow::Result<Option<Found>> {
    let base = &variants[0].config;
    let table_files = args.tables.files(base);
    let tables = table_files.load()?;
    let engine = |variant: &Variant| {
        // What is suppressed on one side is a cause.
        Arc::new(EngineConfig { emit_suppressed: true, ..replay::engine(&variant.config, &tables) })
    };
    let engines: Vec<Arc<EngineConfig>> = variants.iter().map(engine).collect();
    let of = |(variant, engine): (&Variant, &Arc<EngineConfig>)| context(variant, engine, &tables, &table_files);
    let contexts: Vec<RenderContext> = variants.iter().zip(&engines).map(of).collect();
    let (inputs, filter) = args.filter.inputs(&args.paths)?;
    input::refuse_to_overwrite(&inputs, written(args))?;
    let options = Options {
        inputs,
        filter,
        decoder: args.tables.decoder(base),
        threads: replay::threads(args.threads, base),
        engine: engines[0].clone(),
        tables: Arc::new(tables),
        order: Order::Settled,
        state: StateFiles { from: args.state_in.clone(), ..StateFiles::default() },
        block_length: BLOCK_LENGTH,
        round_items_max: ROUND_ITEMS_MAX,
    };
    let outputs =
        files.iter().zip(contexts).map(|(path, context)| Ok(Outputs::new(replay::create(path)?, None, context)));
    let mut tee = Tee(outputs.collect::<anyhow::Result<_>>()?);
    let interrupted = watch_for_interrupt()?;
    let (summary, judged) = sequencer::run_variants(&options, &engines, &mut tee, &interrupted)?;
    if summary.interrupted {
        return Ok(None);
    }
    replay::warn(&summary);
    let is_empty = judged.first().is_none_or(|judged| judged.counts.sign_ins_judged == 0);
    if is_empty {
        say("warning: the input holds no sign-in that could carry risk");
    }
    let logs = Logs {
        files: summary.files,
        records: summary.records,
        rejected: summary.rejects_total(),
        filtered: summary.left_out_by_name(),
    };
    let config_hashes = engines.iter().map(|engine| format!("{:016x}", engine.config_hash)).collect();
    Ok(Some(Found { logs, is_whole: summary.broken.is_empty() && !is_empty, config_hashes }))
}

/// As the comparison reads it, whatever form is configured.
fn context(variant: &Variant, engine: &EngineConfig, tables: &Tables, files: &TableFiles) -> RenderContext {
    RenderContext { format: OutputFormat::Graph, ..replay::context(&variant.config, engine, tables, files) }
}

/// The keys in which two configurations differ.
fn settings(first: &Variant, second: &Variant) -> Settings {
    let tree = |variant: &Variant| serde_json::to_value(&variant.config.effective).unwrap_or_default();
    let mut settings = Settings::new();
    differences(&tree(first), &tree(second), &mut String::new(), &mut settings);
    settings
}

fn differences(first: &Value, second: &Value, path: &mut String, settings: &mut Settings) {
    if let (Value::Object(before), Value::Object(now)) = (first, second) {
        for (key, value) in before {
            let length = path.len();
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(key);
            differences(value, now.get(key).unwrap_or(&Value::Null), path, settings);
            path.truncate(length);
        }
    } else if first != second {
        settings.insert(path.clone(), [shown(first), shown(second)]);
    }
}

/// A number as detections' thresholds are shown: 6, not 6.0.
fn shown(value: &Value) -> String {
    value.as_f64().map_or_else(|| value.to_string(), |number| number.to_string())
}
