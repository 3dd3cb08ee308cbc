//! `farsign tune`: what other configurations would have raised on the same logs, and which of them is worth having.
//!
//! The tables go to stdout and are the same for the same files; talk goes to stderr. Decoding and enrichment are done
//! once for up to `--at-once` variants; with `--resume` a run that was broken off goes on, between passes and inside one.

mod pass;

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};

use self::pass::Pass;
use super::filter_args::FilterArgs;
use super::replay::{self, watch_for_interrupt};
use super::table_args::TableArgs;
use super::{INTERRUPTED, PROBLEMS, page, say, show};
use crate::config;
use crate::engine::finding::RiskLevel;
use crate::engine::policy::EngineConfig;
use crate::render::RenderContext;
use crate::report::{self, Shown, Watched};
use crate::runtime::replay::checkpoint::CHECKPOINT_EVERY;
use crate::runtime::replay::input;
use crate::runtime::replay::output::Nothing;
use crate::runtime::replay::sequencer::{self, BLOCK_LENGTH, Options, ROUND_ITEMS_MAX};
use crate::runtime::replay::settle::Order;
use crate::runtime::replay::source;
use crate::runtime::replay::state::StateFiles;
use crate::runtime::replay::summary;
use crate::runtime::state_file;
use crate::tune::{self, Built, Finished, Journal, Plan, Refused, Report, Variant, Verdicts};

/// Variants judged in one pass, unless told otherwise.
const AT_ONCE: u16 = 32;
/// What a variant's users take, in bytes: one in use, and one that is packed (a year of sign-ins of one person).
const USER_IN_USE_BYTES: u64 = 12_000;
const USER_PACKED_BYTES: u64 = 1_000;

/// Try many configurations on the same sign-in logs
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Configuration file (YAML): the base that variants are held against
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Try every value: 8, or low,high, or 600..1200:100; of several --set every combination
    #[arg(long, value_name = "KEY=VALUES")]
    set: Vec<String>,
    /// Try what this file names (YAML): `grid`, `sample`, `variants`
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Try this configuration file; its name is the variant's
    #[arg(long, value_name = "FILE")]
    variant: Vec<PathBuf>,
    /// Verdicts on sign-ins (.csv or NDJSON: requestId, verdict, incident), feedback records, or simulated truth
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Recommend the variant of the highest recall within so many unconfirmed alerts per 1,000 active users
    /// per day
    #[arg(long, value_name = "ALERTS", value_parser = budget, requires = "labels")]
    budget: Option<f64>,
    /// The level from which a detection is an alert
    #[arg(long, value_name = "LEVEL", default_value = "low", value_parser = ["low", "medium", "high"])]
    min_level: String,
    /// Days at the beginning that are learnt from and not counted
    #[arg(long, value_name = "N", default_value_t = 0)]
    warm_up_days: u32,
    /// Variants judged in one pass over the input: memory grows with it
    #[arg(long, value_name = "N", default_value_t = AT_ONCE, value_parser = clap::value_parser!(u16).range(1..=256))]
    at_once: u16,
    /// Keep the variants of finished passes in this file, and how far a pass has come in FILE.pass; go on from there if they
    /// exist
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// With --resume, seconds between two writes of FILE.pass; it is also written when interrupted
    #[arg(long, value_name = "SECONDS", requires = "resume", default_value_t = CHECKPOINT_EVERY.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    resume_every: u64,
    /// Write everything here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page of it here, as HTML: charts and tables in one file that opens offline. It takes one more pass, by the base
    /// and the variant that is recommended
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write each variant's detections and configuration into this folder
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Threads to work with [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: Option<u16>,
    #[command(flatten)]
    tables: TableArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Begin with the state that `farsign replay --state-out` or `farsign state export` wrote.
    #[arg(long, value_name = "FILE")]
    state_in: Option<PathBuf>,
    /// Files, folders, globs, objects (s3://, az://, gs://); `-` is stdin. Plain, gzip, zstd or Parquet
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
}

/// A number above 0.
fn budget(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

/// What all passes have in common.
struct Ground {
    options: Options,
    variants: Vec<Variant>,
    engines: Vec<EngineConfig>,
    files: crate::runtime::tables::TableFiles,
    verdicts: Verdicts,
    min_level: RiskLevel,
    /// Of what every variant's result depends on, its own configuration apart.
    fingerprint: u64,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let variants = match variants(args)? {
        Ok(variants) => variants,
        Err(problems) => {
            say(&format!("error: {problems}"));
            return Ok(ExitCode::from(PROBLEMS));
        }
    };
    let ground = ground(args, variants)?;
    let mut journal = Journal::open(args.resume.as_deref(), ground.fingerprint)?;
    refuse_other_numbers(args, &ground, &journal)?;
    pass::forget_lost(args, &ground, &mut journal);
    let passes = pass::passes(args, &ground, &journal)?;
    if let Some(folder) = &args.output_dir {
        refuse_other_files(folder, ground.variants.len())?;
    }
    refuse_pipes(args, &ground, passes.len())?;
    say(&memory(&ground, &passes));
    let interrupted = watch_for_interrupt()?;
    let count = passes.len();
    for (pass, number) in passes.into_iter().zip(1..) {
        if count > 1 {
            say(&format!("pass {number} of {count}"));
        }
        if !pass::judge(args, &ground, pass, &mut journal, &interrupted)? {
            say(&interruption(args, &journal));
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    finish(args, &ground, journal, &interrupted)
}

/// What is left when a pass was interrupted.
fn interruption(args: &Args, journal: &Journal) -> String {
    match (&args.resume, &args.output_dir) {
        (Some(_), _) => format!(
            "interrupted: {} variants are kept, and how far this pass has come; the same command goes on from there",
            journal.len()
        ),
        (None, Some(folder)) => {
            format!(
                "interrupted: what `{}` has of this pass is not complete; nothing else is kept",
                folder.display()
            )
        }
        (None, None) => "interrupted: nothing is kept".to_owned(),
    }
}

/// The input is read more than once, or from a place on that only a file has.
fn refuse_pipes(args: &Args, ground: &Ground, passes: usize) -> anyhow::Result<()> {
    if ground.options.inputs.iter().all(|input| input.length.is_some()) {
        return Ok(());
    }
    if args.resume.is_some() {
        bail!("--resume cannot go on with stdin or a pipe: its beginning is gone; write it into a file first");
    }
    if passes > 1 {
        bail!(
            "{} variants take {passes} passes, and a pipe can be read once: raise --at-once, or write it to a file",
            ground.variants.len(),
        );
    }
    if args.report.is_some() {
        bail!("--report takes one more pass, and a pipe can be read once: write it to a file");
    }
    Ok(())
}

/// With --output-dir: what a finished pass wrote is named by the numbers of then.
fn refuse_other_numbers(args: &Args, ground: &Ground, journal: &Journal) -> anyhow::Result<()> {
    let is_other = |(number, engine): &(usize, &EngineConfig)| {
        journal.number_of(engine.config_hash).is_some_and(|before| before != *number)
    };
    let other = ground.engines.iter().enumerate().find(is_other);
    let (Some(_), Some(path), Some((number, engine))) = (&args.output_dir, &args.resume, other) else {
        return Ok(());
    };
    bail!(
        "`{}` was variant {} when `{}` was written, and --output-dir names files by number: let the plan grow at its end, or \
         name another folder and another file of --resume",
        ground.variants[number].name,
        journal.number_of(engine.config_hash).unwrap_or_default(),
        path.display()
    );
}

/// The base and its variants, or what is wrong with them.
fn variants(args: &Args) -> anyhow::Result<Result<Vec<Variant>, String>> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let read = |path: &Path| config::read(path).map_err(anyhow::Error::new);
    let file = match args.plan.as_deref().map(|path| (path, read(path))) {
        None => tune::PlanFile::default(),
        Some((path, text)) => match Plan::read(&text?) {
            Ok(file) => file,
            Err(error) => return Ok(Err(format!("`{}` is no plan\n{error}", path.display()))),
        },
    };
    let plan = match Plan::new(&file, &args.set) {
        Ok(plan) => plan,
        Err(problems) => return Ok(Err(format!("the plan is not valid\n{}", problems.join("\n")))),
    };
    let mut built = match tune::build(args.config.as_deref(), &environment, &plan, &args.variant) {
        Ok(built) => built,
        Err(Refused::Config { problems, .. }) if problems.unreadable => bail!(problems),
        Err(refused) => return Ok(Err(refused.to_string())),
    };
    built.load_people()?;
    let Built { variants, alike } = built;
    for (name, like) in alike {
        say(&format!("`{name}` judges as `{like}` does, and is left out"));
    }
    if variants.len() == 1 {
        return Ok(Err("there is nothing to compare the base with: name --set, --plan or --variant".to_owned()));
    }
    Ok(Ok(variants))
}

fn ground(args: &Args, variants: Vec<Variant>) -> anyhow::Result<Ground> {
    let base = &variants[0].config;
    let files = args.tables.files(base);
    let tables = files.load()?;
    let engines: Vec<EngineConfig> =
        variants.iter().map(|variant| replay::engine(&variant.config, &tables)).collect();
    let (inputs, filter) = args.filter.inputs(&args.inputs)?;
    let options = Options {
        inputs,
        filter,
        decoder: args.tables.decoder(base),
        threads: replay::threads(args.threads, base),
        engine: Arc::new(engines[0].clone()),
        tables: Arc::new(tables),
        order: Order::Settled,
        state: StateFiles { from: args.state_in.clone(), ..StateFiles::default() },
        block_length: BLOCK_LENGTH,
        round_items_max: ROUND_ITEMS_MAX,
    };
    let min_level = match args.min_level.as_str() {
        "high" => RiskLevel::High,
        "medium" => RiskLevel::Medium,
        _ => RiskLevel::Low,
    };
    let verdicts = match &args.labels {
        Some(path) => labels(path)?,
        None => Verdicts::default(),
    };
    let ground = Ground { options, variants, engines, files, verdicts, min_level, fingerprint: 0 };
    let written: Vec<PathBuf> = written(args, &ground);
    input::refuse_to_overwrite(&ground.options.inputs, written.iter().map(PathBuf::as_path))?;
    let named: Vec<&Path> =
        [&args.json, &args.report, &args.resume].into_iter().flatten().map(PathBuf::as_path).collect();
    replay::check_outputs(&named, args.state_in.as_deref())?;
    if args.resume.is_some() {
        replay::refuse_inside(&written, &args.inputs)?;
    }
    Ok(Ground { fingerprint: fingerprint(args, &ground)?, ..ground })
}

/// Files of a larger plan would look like results of this one.
fn refuse_other_files(folder: &Path, variants: usize) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let number = |name: &str| {
        let number = name.strip_suffix(".ndjson").or_else(|| name.strip_suffix(".yaml"))?;
        number.parse().ok().filter(|number: &usize| number.to_string().len() <= 3 && *number >= variants)
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    match names.filter(|name| number(name).is_some()).min() {
        Some(name) => bail!(
            "`{}` is of another plan: this one has {variants} variants; empty the folder, or name another one",
            folder.join(name).display()
        ),
        None => Ok(()),
    }
}

fn labels(path: &Path) -> anyhow::Result<Verdicts> {
    let failed = || format!("cannot use `{}`", path.display());
    let bytes = source::bytes(path).with_context(failed)?;
    let is_csv = crate::runtime::replay::csv::is_csv(&path.to_string_lossy());
    let verdicts = Verdicts::read(BufReader::new(bytes), is_csv).with_context(failed)?;
    if verdicts.is_empty() {
        return Err(anyhow::anyhow!("it holds no label of a sign-in")).with_context(failed);
    }
    Ok(verdicts)
}

/// Every file that is written.
fn written(args: &Args, ground: &Ground) -> Vec<PathBuf> {
    let of_variants = args.output_dir.iter().flat_map(|folder| {
        (0..ground.variants.len()).flat_map(|number| ["ndjson", "yaml"].map(|end| file_of(folder, number, end)))
    });
    let kept = args.resume.iter().flat_map(|path| [path.clone(), pass::checkpoint_path(path)]);
    of_variants.chain(args.json.clone()).chain(args.report.clone()).chain(kept).collect()
}

fn file_of(folder: &Path, number: usize, end: &str) -> PathBuf {
    folder.join(format!("{number:03}.{end}"))
}

fn fingerprint(args: &Args, ground: &Ground) -> anyhow::Result<u64> {
    let mut hash = ground.engines[0].config_hash;
    let mut mix = |text: &str| hash = config::mix(hash, text.as_bytes());
    mix(env!("CARGO_PKG_VERSION"));
    mix(&format!("{:?} {} {}", ground.options.decoder.format, args.min_level, args.warm_up_days));
    mix(&ground.options.filter.to_string());
    if let Some(folder) = &args.output_dir {
        let suppressed = ground.engines[0].emit_suppressed;
        mix(&format!("{} {} {suppressed}", folder.display(), pass::form(&ground.variants[0])));
    }
    for input in &ground.options.inputs {
        mix(&input.stamp());
    }
    if let Some(path) = &args.state_in {
        mix(&format!("{:016x}", state_file::hash(path)?));
    }
    if let Some(path) = &args.labels {
        let failed = || format!("cannot read `{}`", path.display());
        let mut text = String::new();
        let mut bytes = source::bytes(path).with_context(failed)?;
        io::Read::read_to_string(&mut bytes, &mut text).with_context(failed)?;
        mix(&text);
    }
    Ok(hash)
}

/// How much memory the passes may take, in words.
fn memory(ground: &Ground, passes: &[Pass]) -> String {
    let wanted: usize = passes.iter().map(|pass| pass.variants.len()).sum();
    let together = passes.iter().map(|pass| pass.variants.len()).max().unwrap_or(0) as u64;
    let in_use = ground.engines[0].hot_users_max as u64;
    let need = |users: u64| {
        let bytes = together * (users.min(in_use) * USER_IN_USE_BYTES + users * USER_PACKED_BYTES);
        format!("{:.1} GB", bytes as f64 / 1e9)
    };
    format!(
        "{} variants, {wanted} to judge, {together} at once; their users' state takes up to about {} for 1,000 users, {} \
         for 10,000, {} for 100,000",
        ground.variants.len(),
        need(1_000),
        need(10_000),
        need(100_000),
    )
}

fn finish(
    args: &Args,
    ground: &Ground,
    journal: Journal,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<ExitCode> {
    let Finished { stream, labels, is_damaged, variants: found } = journal.into_finished();
    let of = |(index, engine): (usize, &EngineConfig)| {
        Some(found.get(&engine.config_hash)?.clone().named((index, &ground.variants[index])))
    };
    let variants = ground.engines.iter().enumerate().filter_map(of).collect();
    let report = Report::new(stream, labels, variants, args.budget);
    if let Some(path) = &args.json {
        page::write_json(path, &report)?;
    }
    if let Some(path) = &args.report {
        let Some(shown) = shown(args, ground, &report, interrupted)? else {
            say("interrupted: the page is not written");
            return Ok(ExitCode::from(INTERRUPTED));
        };
        page::write(path, &report::tune(&report, shown, &ground.verdicts))?;
    }
    show(&tune::tables(&report))?;
    if let Some(bytes) = summary::memory_peak_bytes() {
        say(&format!("memory peak {:.0} MB", bytes as f64 / 1e6));
    }
    Ok(if is_damaged || tells_nothing(&report) { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
}

/// The alerts of the base, and of the variant that is recommended; `None` when interrupted.
fn shown(
    args: &Args,
    ground: &Ground,
    report: &Report,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<Option<Vec<Shown>>> {
    let numbers: Vec<usize> = [0].into_iter().chain(report.recommended.filter(|number| *number != 0)).collect();
    say("one more pass for the page");
    let engines: Vec<Arc<EngineConfig>> =
        numbers.iter().map(|index| Arc::new(ground.engines[*index].clone())).collect();
    let context = |index: &usize| {
        let config = &ground.variants[*index].config;
        replay::context(config, &ground.engines[*index], &ground.options.tables, &ground.files)
    };
    let contexts: Vec<RenderContext> = numbers.iter().map(context).collect();
    let mut nothing = Nothing;
    let mut watched = Watched::new(&mut nothing, &contexts);
    let (summary, _) = sequencer::run_variants(&ground.options, &engines, &mut watched, interrupted)?;
    if summary.interrupted {
        return Ok(None);
    }
    let span = watched.counted_span(args.warm_up_days);
    let alerts = numbers.into_iter().zip(watched.alerts).map(|(number, mut alerts)| {
        alerts.retain(|_, alert| alert.counts(ground.min_level, span.map(|(from, _)| from)));
        Shown { number, alerts, span }
    });
    Ok(Some(alerts.collect()))
}

/// Says why the result is worth nothing, if it is.
fn tells_nothing(report: &Report) -> bool {
    let is_empty = report.stream.active_user_days == 0;
    if is_empty {
        let behind = if report.stream.warm_up_days > 0 { ", behind the warm-up" } else { "" };
        say(&format!("warning: the input holds no sign-in that could carry risk{behind}"));
    }
    let unmatched = report.labels.as_ref().filter(|labels| labels.match_nothing());
    if let Some(labels) = unmatched {
        let kind = if labels.confirmed > 0 { "confirmed" } else { "dismissed" };
        say(&format!(
            "warning: no label of a {kind} sign-in matches a sign-in of the input that could carry risk"
        ));
    }
    is_empty || unmatched.is_some()
}
