//! `farsign simulate`: arguments → a stream of records and its ground truth.
//!
//! Data goes to stdout or to a file (compressed by its ending), labels to a file of their own, talk to stderr.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use crate::simulate::{self, Config, Form, Mix, Population, Totals};

/// Write the sign-in logs of an invented organisation, with ground truth.
///
/// The same arguments give the same bytes, on every machine.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Accounts in the directory.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub users: u32,
    /// Length of the stream in days.
    #[arg(long, value_name = "N", default_value_t = 14)]
    pub days: u32,
    /// Seed of all randomness.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// First day.
    #[arg(long, value_name = "DATE", default_value = "2026-03-02")]
    pub start: jiff::civil::Date,
    /// Form of the records.
    #[arg(long, value_enum, default_value_t = Form::EntraEventHub)]
    pub form: Form,
    /// What its people are like.
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Population::Ordinary)]
    pub population: Population,
    /// Campaigns: `KIND=N,…`, `none` or `default` (by the size of the stream). Kinds: foreignNaive, vpnExit,
    /// residentialProxySameCountry, tokenReplay, relayPhishing, passwordSpray, credentialStuffing, mfaFatigue,
    /// slowTravel, torExit, dormantTakeover, impossiblePair, spraySingleSource, sprayFingerprint, sprayLowAndSlow,
    /// bruteForce, toolkitBrowser, forgedIssuer.
    #[arg(long, value_name = "MIX", default_value = "default")]
    pub attacks: Mix,
    /// Share of records delivered late, minutes to almost two hours after the event (0 to 1).
    #[arg(long, value_name = "F", default_value_t = 0.02)]
    pub late_share: f64,
    /// Share of records delivered twice (0 to 1).
    #[arg(long, value_name = "F", default_value_t = 0.005)]
    pub duplicate_share: f64,
    /// Share of legitimate records that fail or are challenged, about (0 to 0.3).
    #[arg(long, value_name = "F", default_value_t = simulate::DEFAULT_FAILURE_SHARE)]
    pub failure_share: f64,
    /// Tenant id to write; made from the seed by default.
    #[arg(long, value_name = "GUID")]
    pub tenant: Option<String>,
    /// Domain of the user names.
    #[arg(long, value_name = "DOMAIN", default_value = "halden-works.example")]
    pub domain: String,
    /// Where the records go: `-` is stdout; `.gz` and `.zst` compress.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// Where the ground truth goes (NDJSON, joined by `requestId`); `.gz` and `.zst` compress.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
}

impl Args {
    fn config(&self) -> anyhow::Result<Config> {
        let epoch = jiff::civil::date(1970, 1, 1);
        let since = self.start.since((jiff::Unit::Day, epoch)).context("`--start` is out of range")?;
        Ok(Config {
            seed: self.seed,
            users: self.users,
            days: self.days,
            start_day: since.get_days(),
            tenant: self.tenant.clone(),
            domain: self.domain.clone(),
            population: self.population,
            attacks: self.attacks.clone(),
            late_share: self.late_share,
            duplicate_share: self.duplicate_share,
            failure_share: self.failure_share,
            form: self.form,
        })
    }
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config()?;
    let mut out = Sink::create(&args.output)?;
    let mut labels = match &args.labels {
        Some(path) => Sink::create(path)?,
        None => Sink::Nowhere,
    };
    let bar = progress_bar(args.days);
    let result = simulate::run(&config, &mut out, &mut labels, &mut |totals: &Totals| {
        bar.set_position(u64::from(totals.days));
        bar.set_message(format!("{} records", HumanCount(totals.records)));
    });
    let totals = match result {
        // `farsign simulate | head` is no failure.
        Err(error) if is_broken_pipe(&error) => {
            bar.finish_and_clear();
            return Ok(ExitCode::SUCCESS);
        }
        result => result?,
    };
    out.finish().with_context(|| format!("cannot write `{}`", args.output.display()))?;
    labels.finish().context("cannot write the labels")?;
    bar.finish_and_clear();
    report(&totals)?;
    Ok(ExitCode::SUCCESS)
}

fn report(totals: &Totals) -> io::Result<()> {
    writeln!(
        io::stderr(),
        "{} records ({}), {} malicious, {} labels, {} days",
        HumanCount(totals.records),
        HumanBytes(totals.record_bytes),
        HumanCount(totals.malicious),
        HumanCount(totals.labels),
        totals.days,
    )
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn progress_bar(days: u32) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::from(days));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} day {pos}/{len}  {msg}  {elapsed} (left {eta})") {
        bar.set_style(style);
    }
    bar
}

/// A plain or compressed output.
enum Sink {
    Nowhere,
    Stdout(BufWriter<io::Stdout>),
    Plain(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Sink {
    fn create(path: &Path) -> anyhow::Result<Sink> {
        if path.as_os_str() == "-" {
            return Ok(Sink::Stdout(BufWriter::new(io::stdout())));
        }
        let context = || format!("cannot create `{}`", path.display());
        let file = BufWriter::new(File::create(path).with_context(context)?);
        Ok(match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Sink::Gzip(flate2::write::GzEncoder::new(file, flate2::Compression::default())),
            Some("zst") => Sink::Zstd(zstd::Encoder::new(file, 3).with_context(context)?),
            _ => Sink::Plain(file),
        })
    }

    /// Writes what is held back, and the end of a compressed stream.
    fn finish(self) -> io::Result<()> {
        match self {
            Sink::Nowhere => Ok(()),
            Sink::Stdout(mut out) => out.flush(),
            Sink::Plain(mut out) => out.flush(),
            Sink::Gzip(out) => out.finish()?.flush(),
            Sink::Zstd(out) => out.finish()?.flush(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Nowhere => Ok(bytes.len()),
            Sink::Stdout(out) => out.write(bytes),
            Sink::Plain(out) => out.write(bytes),
            Sink::Gzip(out) => out.write(bytes),
            Sink::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Nowhere => Ok(()),
            Sink::Stdout(out) => out.flush(),
            Sink::Plain(out) => out.flush(),
            Sink::Gzip(out) => out.flush(),
            Sink::Zstd(out) => out.flush(),
        }
    }
}
