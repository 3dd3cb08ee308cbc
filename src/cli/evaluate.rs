//! `farsign evaluate`: labels and detections, and the sign-ins they are of → how good the detections are.
//!
//! The tables go to stdout and are the same for the same files; talk goes to stderr.

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};

use super::filter_args::{self, FilterArgs};
use super::replay::{check_outputs, watch_for_interrupt};
use super::table_args::TableArgs;
use super::{INTERRUPTED, PROBLEMS, page, say, show};
use crate::config;
use crate::engine::decode::Decoder;
use crate::engine::enrich::Tables;
use crate::engine::facts::Item;
use crate::engine::risk::score::KNOTS;
use crate::evaluate::{
    Cut, Detections, LeftOutLines, Observed, Observer, Pool, Report, Share, Truth, tables, write_plots,
};
use crate::report::{self, Alerts};
use crate::runtime::people;
use crate::runtime::replay::filter::Filter;
use crate::runtime::replay::{input, items, source};

/// Hold detections against ground truth, beside reference detectors over the same sign-ins.
///
/// LABELS and DETECTIONS as `farsign simulate --labels` and `farsign replay` write them; or folders with
/// labels.ndjson, detections.ndjson and, for the references, signins.ndjson (each plain, .gz or .zst), which are pooled.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// LABELS DETECTIONS, or one folder or more.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The sign-ins that were replayed: for rates, budgets and the reference detectors.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    sign_ins: Vec<String>,
    /// Active user-days of all streams together, for rates and budgets where no sign-ins tell.
    #[arg(long, value_name = "N", conflicts_with = "sign_ins", value_parser = clap::value_parser!(u64).range(1..))]
    user_days: Option<u64>,
    /// Days at the beginning of each stream that are learnt from and not counted.
    #[arg(long, value_name = "N", default_value_t = 0)]
    warm_up_days: u32,
    /// Draws of campaigns behind each 95 % interval.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    resamples: u32,
    /// Write everything here, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page of it here, as HTML: charts and tables in one file that opens offline.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write charts into this folder, as SVG.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Write the realised false alerts of every score here, as CSV.
    #[arg(long, value_name = "FILE")]
    calibrate: Option<PathBuf>,
    /// Write the table here that scores are looked up in (src/engine/risk/scores.csv), fitted to these streams.
    #[arg(long, value_name = "FILE")]
    fit_scores: Option<PathBuf>,
    /// Configuration file (YAML): its databases and lists enrich the sign-ins.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    tables: TableArgs,
    #[command(flatten)]
    filter: FilterArgs,
}

/// The files of one stream.
struct Stream {
    labels: PathBuf,
    detections: PathBuf,
    sign_ins: Vec<String>,
}

/// How streams are read.
struct Reading {
    decoder: Decoder,
    filter: Filter,
    tables: Arc<Tables>,
    interrupted: Arc<AtomicBool>,
}

/// What the filters left out of all streams.
#[derive(Default)]
struct LeftOut {
    labels: Share,
    campaigns: u64,
    lines: Share,
    compared: u64,
    disagreeing: u64,
    /// The first of them: line and file.
    first_disagreeing: Option<(u64, String)>,
    /// Of the files of sign-ins; none where there are no such files.
    events: Option<Share>,
    disagreeing_events: u64,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
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
    let streams = streams(args)?;
    refuse_to_overwrite(args, &streams)?;
    let reading = Reading {
        filter: args.filter.filter()?,
        decoder: args.tables.decoder(&config),
        tables: Arc::new(args.tables.files(&config).load()?),
        interrupted: watch_for_interrupt()?,
    };
    let cut = Cut { filter: &reading.filter, people: &reading.decoder.people };
    let mut left_out = LeftOut::default();
    let mut pool = Pool::new(args.warm_up_days, args.resamples);
    let mut alerts = Alerts::default();
    let mut is_damaged = false;
    for stream in &streams {
        let truth = Truth::read_part(open(&stream.labels)?, args.warm_up_days, cut);
        let truth = truth.with_context(|| format!("cannot use `{}`", stream.labels.display()))?;
        let mut take = |line: &str| if args.report.is_some() { alerts.take(line.as_bytes()) } else { Ok(()) };
        let detections = Detections::read_part(open(&stream.detections)?, &truth, cut, &mut take);
        let detections = detections.with_context(|| format!("cannot use `{}`", stream.detections.display()))?;
        alerts.retain(|_, alert| !truth.is_absent_echo(&alert.request_id, &alert.reference_id));
        left_out.add(&truth, detections.left_out(), &stream.detections);
        let observed = if stream.sign_ins.is_empty() {
            None
        } else {
            let seen = observe(stream, &reading, &truth, &detections, &mut left_out)?;
            let Some((observed, damaged)) = seen else { return Ok(ExitCode::from(INTERRUPTED)) };
            is_damaged |= damaged;
            Some(observed)
        };
        pool.add(&truth, &detections, observed);
    }
    let is_part = reading.filter.leaves_out_anything();
    if is_part {
        left_out.tell(&reading.filter);
    }
    if let Some(user_days) = args.user_days {
        pool.set_user_days(user_days);
    }
    if let Some(path) = &args.fit_scores {
        write_scores(path, &pool)?;
    }
    let note = is_part.then(|| format!("Left out by the filters: {}.", left_out.shares()));
    write(args, &pool.report(), &alerts, note)?;
    Ok(if is_damaged { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
}

impl LeftOut {
    fn add(&mut self, truth: &Truth, detections: LeftOutLines, file: &Path) {
        self.labels.add(truth.left_out());
        self.campaigns += truth.begun_before();
        self.lines.add(detections.lines);
        self.compared += detections.compared;
        self.disagreeing += detections.disagreeing;
        if let (None, Some(line)) = (&self.first_disagreeing, detections.first_disagreeing) {
            self.first_disagreeing = Some((line, file.display().to_string()));
        }
    }

    fn shares(&self) -> String {
        let of = |Share { count, all }: Share, what: &str| format!("{count} of {all} {what}");
        let events = self.events.map(|events| format!(", {}", of(events, "events"))).unwrap_or_default();
        format!("{}, {}{events}", of(self.labels, "labels"), of(self.lines, "lines of detections"))
    }

    fn tell(&self, filter: &Filter) {
        let LeftOut { labels, campaigns, lines, compared, disagreeing, first_disagreeing, events, .. } = self;
        say(&format!("left out by the filters: {}", self.shares()));
        if events.is_some() {
            say(
                "note: the reference detectors see what is asked for only: nobody is known to them before --from, and with \
                 --users or --tenant the organisation is those users",
            );
        }
        if *campaigns > 0 {
            say(&format!("{campaigns} campaigns had begun before --from, and are left out whole"));
        }
        if *compared > 0 {
            say(&format!(
                "{compared} detections compare an owner with an attacker who is left out, and are left out, too"
            ));
        }
        if let Some((line, file)) = first_disagreeing {
            say(&format!(
                "warning: {disagreeing} lines of detections have another time, tenant or user than the label of their sign-in, \
                 which counts, such as line {line} of `{file}`"
            ));
        }
        if self.disagreeing_events > 0 {
            say(&format!(
                "warning: {} events are asked for, and the labels of their sign-ins are not, by time, tenant or user: left out",
                self.disagreeing_events
            ));
        }
        if let Some(first) = filter.unseen_users().first() {
            let count = filter.unseen_users().len();
            let where_to = if events.is_some() { "label, detection or event" } else { "label or detection" };
            say(&format!(
                "warning: {count} of the users of --users are in no {where_to} that was asked for, such as `{first}`"
            ));
        }
        let is_none = |share: Share| share.count == share.all;
        if is_none(*labels) && is_none(*lines) && events.is_none_or(is_none) {
            say("warning: the filters left nothing to count");
        } else if is_none(*labels) && labels.all > 0 {
            say("warning: the filters left no label: no attack is known, and every alert is a false one");
        }
    }
}

/// Refuses to write over what is read, and what could not be written.
fn refuse_to_overwrite(args: &Args, streams: &[Stream]) -> anyhow::Result<()> {
    let of = |stream: &Stream| {
        let files = [&stream.labels, &stream.detections].map(|path| path.display().to_string());
        files.into_iter().chain(stream.sign_ins.clone()).collect::<Vec<String>>()
    };
    // What is not there is told of when it is read.
    let inputs = input::expand(&streams.iter().flat_map(of).collect::<Vec<_>>()).unwrap_or_default();
    let written = [&args.json, &args.report, &args.calibrate, &args.fit_scores];
    let written: Vec<&Path> = written.into_iter().flatten().map(PathBuf::as_path).collect();
    input::refuse_to_overwrite(&inputs, written.iter().copied())?;
    check_outputs(&written, None)
}

/// The streams that the arguments name.
fn streams(args: &Args) -> anyhow::Result<Vec<Stream>> {
    if !args.paths.iter().any(|path| path.is_dir()) {
        let [labels, detections] = args.paths.as_slice() else {
            bail!("expected LABELS and DETECTIONS, or folders; {} files are named", args.paths.len());
        };
        let (labels, detections) = (labels.clone(), detections.clone());
        return Ok(vec![Stream { labels, detections, sign_ins: args.sign_ins.clone() }]);
    }
    if let Some(file) = args.paths.iter().find(|path| !path.is_dir()) {
        bail!("`{}` is no folder: name LABELS and DETECTIONS, or folders only", file.display());
    }
    if !args.sign_ins.is_empty() {
        bail!("--sign-ins goes with LABELS and DETECTIONS; a folder brings its own signins.ndjson");
    }
    let streams: Vec<Stream> = args.paths.iter().map(|folder| stream(folder)).collect::<anyhow::Result<_>>()?;
    let with = streams.iter().filter(|stream| !stream.sign_ins.is_empty()).count();
    if with != 0 && with != streams.len() {
        bail!("{with} of {} folders hold signins.ndjson: all must, or none", streams.len());
    }
    if with != 0 && args.user_days.is_some() {
        bail!("--user-days is for streams without sign-ins, and the folders hold signins.ndjson");
    }
    Ok(streams)
}

fn stream(folder: &Path) -> anyhow::Result<Stream> {
    let find = |name: &str| {
        let endings = ["", ".zst", ".gz"].map(|ending| folder.join(format!("{name}.ndjson{ending}")));
        endings.into_iter().find(|path| path.is_file())
    };
    let needed = |name: &str| {
        find(name).with_context(|| format!("`{}` holds no {name}.ndjson, plain, .gz or .zst", folder.display()))
    };
    let sign_ins = find("signins").map(|path| path.display().to_string());
    Ok(Stream {
        labels: needed("labels")?,
        detections: needed("detections")?,
        sign_ins: sign_ins.into_iter().collect(),
    })
}

fn open(path: &Path) -> anyhow::Result<BufReader<Box<dyn io::Read + Send>>> {
    let bytes = source::bytes(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(BufReader::new(bytes))
}

/// What the stream's sign-ins say, and whether they could not be read in full; `None` when interrupted.
fn observe(
    stream: &Stream,
    Reading { decoder, filter, tables, interrupted }: &Reading,
    truth: &Truth,
    detections: &Detections,
    left_out: &mut LeftOut,
) -> anyhow::Result<Option<(Observed, bool)>> {
    let inputs = filter_args::files(&stream.sign_ins, filter)?;
    let mut observer = Observer::new(truth, detections);
    let mut events = 0;
    let read = items::each(&inputs, (decoder, filter), tables.clone(), interrupted, &mut |item| {
        events += 1;
        if let Item::SignIn(prepared) = item {
            observer.take(prepared);
        }
    })?;
    if read.interrupted {
        return Ok(None);
    }
    for (file, error) in &read.broken {
        say(&format!("warning: `{file}` could not be read to its end: {error}"));
    }
    if read.rejected > 0 {
        say(&format!("warning: {} of {} records could not be read", read.rejected, read.records));
    }
    let is_damaged = !read.broken.is_empty() || read.rejected >= read.records;
    let observed = observer.finish();
    let share = Share { count: read.left_out + observed.left_out, all: read.left_out + events };
    left_out.events.get_or_insert_default().add(share);
    left_out.disagreeing_events += observed.disagreeing;
    Ok(Some((observed, is_damaged)))
}

fn write_scores(path: &Path, pool: &Pool) -> anyhow::Result<()> {
    let rows = pool.fitted_scores().context("--fit-scores needs the sign-ins, or --user-days")?;
    if rows.is_empty() {
        bail!("--fit-scores: no detection stands that tells its strength, so there is nothing to fit");
    }
    let failed = || format!("cannot write `{}`", path.display());
    let mut writer = csv::Writer::from_path(path).with_context(failed)?;
    let heading = ["detection", "level"].map(str::to_owned).into_iter();
    writer.write_record(heading.chain((0..KNOTS).map(|knot| format!("knot{knot}")))).with_context(failed)?;
    for row in rows {
        let knots = row.knots.iter().map(u8::to_string);
        let names = [row.detection, row.level.name().to_owned()];
        writer.write_record(names.into_iter().chain(knots)).with_context(failed)?;
    }
    writer.flush().with_context(failed)
}

/// `note`: what a page says besides.
fn write(args: &Args, report: &Report, alerts: &Alerts, note: Option<String>) -> anyhow::Result<()> {
    if let Some(path) = &args.json {
        page::write_json(path, report)?;
    }
    if let Some(path) = &args.calibrate {
        let failed = || format!("cannot write `{}`", path.display());
        let mut writer = csv::Writer::from_path(path).with_context(failed)?;
        report.calibration.iter().try_for_each(|row| writer.serialize(row)).with_context(failed)?;
        writer.flush().with_context(failed)?;
    }
    if let Some(path) = &args.report {
        let mut page = report::evaluate(report, alerts);
        page.notes.extend(note);
        page::write(path, &page)?;
    }
    if let Some(folder) = &args.plots {
        write_plots(report, folder)?;
    }
    show(&tables(report))
}
