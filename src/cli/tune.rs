//! `farsign tune`: what other configurations would have raised on the same logs, and which of them is worth having.
//!
//! The tables go to stdout and are the same for the same files; talk goes to stderr. Decoding and enrichment are done
//! once for up to `--at-once` variants; with `--resume` the variants of finished passes are not judged again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};

use super::filter_args::FilterArgs;
use super::replay::{self, create, is_broken_pipe, watch_for_interrupt};
use super::table_args::TableArgs;
use super::{INTERRUPTED, PROBLEMS, page, say};
use crate::config;
use crate::engine::finding::RiskLevel;
use crate::engine::policy::EngineConfig;
use crate::render::RenderContext;
use crate::report::{self, Shown, Watched};
use crate::runtime::replay::input;
use crate::runtime::replay::output::{Nothing, Outputs};
use crate::runtime::replay::sequencer::{self, BLOCK_LENGTH, Options, ROUND_ITEMS_MAX};
use crate::runtime::replay::settle::Order;
use crate::runtime::replay::source;
use crate::runtime::replay::state::StateFiles;
use crate::runtime::replay::summary::{self, Summary};
use crate::runtime::state_file;
use crate::tune::{
    self, Built, Journal, Plan, Refused, Report, Stream, Trial, Variant, VariantReport, Verdicts, VerdictsReport,
};

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
    /// Keep the variants of finished passes in this file, and do not judge again those that it holds
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
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
    let mut journal = Journal::open(args.resume.as_deref(), fingerprint(args, &ground)?)?;
    let wanted: Vec<usize> =
        (0..ground.variants.len()).filter(|index| !journal.has(ground.engines[*index].config_hash)).collect();
    let passes: Vec<&[usize]> = wanted.chunks(usize::from(args.at_once)).collect();
    if passes.len() > 1 && ground.options.inputs.iter().any(|input| input.length.is_none()) {
        bail!(
            "{} variants take {} passes, and a pipe can be read once: raise --at-once, or write it to a file",
            wanted.len(),
            passes.len()
        );
    }
    if args.report.is_some() && ground.options.inputs.iter().any(|input| input.length.is_none()) {
        bail!("--report takes one more pass, and a pipe can be read once: write it to a file");
    }
    say(&memory(&ground, &wanted, args.at_once));
    let interrupted = watch_for_interrupt()?;
    let mut is_damaged = false;
    for (pass, number) in passes.iter().zip(1..) {
        if passes.len() > 1 {
            say(&format!("pass {number} of {}", passes.len()));
        }
        let Some(summary) = judge(args, &ground, pass, &mut journal, &interrupted)? else {
            let held = journal.len();
            let kept =
                args.resume.as_ref().map_or("nothing is kept".to_owned(), |_| format!("{held} variants are kept"));
            say(&format!("interrupted: {kept}"));
            return Ok(ExitCode::from(INTERRUPTED));
        };
        is_damaged |= summary.nothing_readable() || !summary.broken.is_empty();
    }
    finish(args, &ground, journal, is_damaged, &interrupted)
}

/// The base and its variants, or what is wrong with them.
fn variants(args: &Args) -> anyhow::Result<Result<Vec<Variant>, String>> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let read = |path: &Path| config::read(path).map_err(anyhow::Error::new);
    let base = args.config.as_deref().map_or(Ok(String::new()), read)?;
    let file = match args.plan.as_deref().map(|path| (path, read(path))) {
        None => tune::PlanFile::default(),
        Some((path, text)) => match Plan::read(&text?) {
            Ok(file) => file,
            Err(error) => return Ok(Err(format!("`{}` is no plan: {error}", path.display()))),
        },
    };
    let plan = match Plan::new(&file, &args.set) {
        Ok(plan) => plan,
        Err(problems) => return Ok(Err(format!("the plan is not valid\n{}", problems.join("\n")))),
    };
    let mut built = match tune::build(&base, &environment, &plan, &args.variant) {
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
    let ground = Ground { options, variants, engines, files, verdicts, min_level };
    let written: Vec<PathBuf> = written(args, &ground);
    input::refuse_to_overwrite(&ground.options.inputs, written.iter().map(PathBuf::as_path))?;
    Ok(ground)
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
    of_variants.chain(args.json.clone()).chain(args.report.clone()).chain(args.resume.clone()).collect()
}

fn file_of(folder: &Path, number: usize, end: &str) -> PathBuf {
    folder.join(format!("{number:03}.{end}"))
}

/// What a variant's result depends on, its own configuration apart.
fn fingerprint(args: &Args, ground: &Ground) -> anyhow::Result<u64> {
    let mut hash = ground.engines[0].config_hash;
    let mut mix = |text: &str| hash = config::mix(hash, text.as_bytes());
    mix(env!("CARGO_PKG_VERSION"));
    mix(&format!("{:?} {} {}", ground.options.decoder.format, args.min_level, args.warm_up_days));
    mix(&ground.options.filter.to_string());
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
fn memory(ground: &Ground, wanted: &[usize], at_once: u16) -> String {
    let together = wanted.len().min(usize::from(at_once)) as u64;
    let in_use = ground.engines[0].hot_users_max as u64;
    let need = |users: u64| {
        let bytes = together * (users.min(in_use) * USER_IN_USE_BYTES + users * USER_PACKED_BYTES);
        format!("{:.1} GB", bytes as f64 / 1e9)
    };
    format!(
        "{} variants, {} to judge, {together} at once; their users' state takes up to about {} for 1,000 users, {} for \
         10,000, {} for 100,000",
        ground.variants.len(),
        wanted.len(),
        need(1_000),
        need(10_000),
        need(100_000),
    )
}

/// One pass; `None` when it was interrupted.
fn judge(
    args: &Args,
    ground: &Ground,
    pass: &[usize],
    journal: &mut Journal,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<Option<Summary>> {
    let engines: Vec<Arc<EngineConfig>> =
        pass.iter().map(|index| Arc::new(ground.engines[*index].clone())).collect();
    let files = match &args.output_dir {
        Some(folder) => pass.iter().map(|index| outputs(folder, ground, *index)).collect::<anyhow::Result<_>>()?,
        None => Vec::new(),
    };
    let mut trial = Trial::new(pass.len(), &ground.verdicts, args.warm_up_days, files);
    let (summary, judged) = sequencer::run_variants(&ground.options, &engines, &mut trial, interrupted)?;
    if summary.interrupted {
        return Ok(None);
    }
    replay::warn(&summary);
    let counted = trial.counted(ground.min_level);
    journal.stream(
        Stream::new(&summary, &counted, args.warm_up_days),
        VerdictsReport::new(&ground.verdicts, &counted),
    );
    for ((index, tally), judged) in pass.iter().zip(&counted.tallies).zip(&judged) {
        let variant = (*index, &ground.variants[*index]);
        let hash = ground.engines[*index].config_hash;
        journal.add(hash, VariantReport::new(variant, hash, &judged.counts, (tally, &counted), &ground.verdicts));
    }
    journal.write()?;
    Ok(Some(summary))
}

/// Where a variant's detections go. Beside them its configuration is written.
fn outputs(folder: &Path, ground: &Ground, index: usize) -> anyhow::Result<Outputs> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    let config = &ground.variants[index].config;
    let path = file_of(folder, index, "yaml");
    let text = serde_saphyr::to_string(&config.effective)?;
    std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    let context = replay::context(config, &ground.engines[index], &ground.options.tables, &ground.files);
    Ok(Outputs::new(create(&file_of(folder, index, "ndjson"))?, None, context))
}

fn finish(
    args: &Args,
    ground: &Ground,
    journal: Journal,
    is_damaged: bool,
    interrupted: &Arc<AtomicBool>,
) -> anyhow::Result<ExitCode> {
    let (stream, labels, found) = journal.into_parts();
    let of = |(index, engine): (usize, &EngineConfig)| {
        let report = found.get(&engine.config_hash).cloned()?;
        // The plan may have grown since it was kept.
        Some(VariantReport { number: index, name: ground.variants[index].name.clone(), ..report })
    };
    let variants = ground.engines.iter().enumerate().filter_map(of).collect();
    let report = Report::new(stream, labels, variants, args.budget);
    if let Some(path) = &args.json {
        let failed = || format!("cannot write `{}`", path.display());
        let mut file = BufWriter::new(File::create(path).with_context(failed)?);
        serde_json::to_writer_pretty(&mut file, &report).with_context(failed)?;
        writeln!(file).and_then(|()| file.flush()).with_context(failed)?;
    }
    if let Some(path) = &args.report {
        let Some(shown) = shown(args, ground, &report, interrupted)? else {
            say("interrupted: the page is not written");
            return Ok(ExitCode::from(INTERRUPTED));
        };
        page::write(path, &report::tune(&report, shown, &ground.verdicts))?;
    }
    let written = io::stdout().lock().write_all(tune::tables(&report).as_bytes());
    if let Err(error) = written.context("cannot write the tables")
        && !is_broken_pipe(&error)
    {
        return Err(error);
    }
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
        say("warning: the input holds no sign-in that could carry risk, behind the warm-up");
    }
    let is_unmatched = report.labels.as_ref().is_some_and(|labels| labels.confirmed_seen == 0);
    if is_unmatched {
        say(
            "warning: no label of a confirmed sign-in matches a sign-in of the input that could carry risk: recall is unknown",
        );
    }
    is_empty || is_unmatched
}
