//! The demo's folder, and what goes through it: records and labels in, detections out.
//!
//! The tables are the test databases and lists that are part of the program, so that the demo runs anywhere. A
//! folder that is kept gets a copy of them, so that the commands of the report work on it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::explain::Record;
use crate::config;
use crate::engine::decode::{Decoder, Format};
use crate::engine::enrich::{Role, Tables};
use crate::engine::facts::ListKind;
use crate::evaluate::{Detections, Truth};
use crate::render::{OutputFormat, RenderContext};
use crate::runtime::replay::input;
use crate::runtime::replay::output::Outputs;
use crate::runtime::replay::sequencer::{self, BLOCK_LENGTH, Options, ROUND_ITEMS_MAX};
use crate::runtime::replay::settle::Order;
use crate::runtime::replay::state::StateFiles;
use crate::runtime::replay::summary::Summary;
use crate::runtime::tables;
use crate::simulate::{self, Totals};

pub const RECORDS: &str = "signins.ndjson.zst";
pub const LABELS: &str = "labels.ndjson";
pub const DETECTIONS: &str = "detections.ndjson";

/// Fast, and a tenth of the size.
const COMPRESSION_LEVEL: i32 = 1;

macro_rules! embedded {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../../geoip-test-data/", $name)).as_slice())
    };
}

pub const DATABASES: [(Role, (&str, &[u8])); 2] =
    [(Role::Place, embedded!("farsign-test-City.mmdb")), (Role::Network, embedded!("farsign-test-ASN.mmdb"))];

pub const LISTS: [(ListKind, (&str, &[u8])); 8] = [
    (ListKind::Tor, embedded!("lists/tor.txt")),
    (ListKind::Vpn, embedded!("lists/vpn.txt")),
    (ListKind::Proxy, embedded!("lists/proxy.txt")),
    (ListKind::Hosting, embedded!("lists/hosting.txt")),
    (ListKind::Malicious, embedded!("lists/malicious.txt")),
    (ListKind::ThreatActor, embedded!("lists/threat-actor.txt")),
    (ListKind::Mobile, embedded!("lists/mobile.txt")),
    (ListKind::Satellite, embedded!("lists/satellite.txt")),
];

/// A folder to work in: one that is kept, or one that goes with the value.
pub struct Stage {
    folder: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Stage {
    pub fn open(keep: Option<&Path>) -> anyhow::Result<Stage> {
        let Some(folder) = keep else {
            let temporary = tempfile::Builder::new().prefix("farsign-demo-").tempdir();
            let temporary = temporary.context("cannot make a temporary folder")?;
            return Ok(Stage { folder: temporary.path().to_owned(), _temporary: Some(temporary) });
        };
        let stage = Stage { folder: keep.map(Path::to_owned).unwrap_or_default(), _temporary: None };
        let failed = || format!("cannot write into `{}`", folder.display());
        std::fs::create_dir_all(folder.join("lists")).with_context(failed)?;
        let files = DATABASES.map(|(_, file)| file).into_iter().chain(LISTS.map(|(_, file)| file));
        for (name, bytes) in files {
            std::fs::write(folder.join(name), bytes).with_context(failed)?;
        }
        Ok(stage)
    }

    fn create(&self, name: &str) -> anyhow::Result<BufWriter<File>> {
        let path = self.folder.join(name);
        Ok(BufWriter::new(File::create(&path).with_context(|| format!("cannot write `{}`", path.display()))?))
    }

    fn read(&self, name: &str) -> anyhow::Result<BufReader<File>> {
        let path = self.folder.join(name);
        Ok(BufReader::new(File::open(&path).with_context(|| format!("cannot read `{}`", path.display()))?))
    }

    /// Writes records and labels; `None` when interrupted.
    pub fn simulate(
        &self,
        config: &simulate::Config,
        interrupted: &Arc<AtomicBool>,
    ) -> anyhow::Result<Option<Totals>> {
        let encoder = zstd::Encoder::new(self.create(RECORDS)?, COMPRESSION_LEVEL)?;
        let mut records = Stoppable { inner: encoder, interrupted };
        let mut labels = self.create(LABELS)?;
        let bar = progress_bar(config.days);
        let result = simulate::run(config, &mut records, &mut labels, &mut |totals: &Totals| {
            bar.set_position(u64::from(totals.days));
            bar.set_message(format!("{} records", HumanCount(totals.records)));
        });
        bar.finish_and_clear();
        if interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        records.inner.finish().and_then(|mut file| file.flush()).context("cannot write the records")?;
        Ok(Some(result?))
    }

    /// Replays the records through the runtime of `farsign replay`, with the default configuration.
    pub fn replay(&self, interrupted: &Arc<AtomicBool>) -> anyhow::Result<Summary> {
        let defaults = config::parse("", &std::collections::BTreeMap::new())?;
        let tables = embedded_tables()?;
        let mut engine = defaults.engine;
        engine.emit_suppressed = true;
        engine.config_hash = config::mix(engine.config_hash, &tables.hash().to_le_bytes());
        let context = RenderContext {
            // What `Record` and evaluation read.
            format: OutputFormat::Graph,
            impossible_travel_name: defaults.output.impossible_travel_name,
            config_hash: engine.config_hash,
            geoip_builds: tables::builds(&tables),
            named_locations: Vec::new(),
        };
        let options = Options {
            inputs: input::expand(&[self.folder.join(RECORDS).display().to_string()])?,
            decoder: Decoder::new(Format::Auto),
            filter: Arc::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            engine: Arc::new(engine),
            tables: Arc::new(tables),
            order: Order::Settled,
            block_length: BLOCK_LENGTH,
            state: StateFiles::default(),
            round_items_max: ROUND_ITEMS_MAX,
        };
        let mut outputs = Outputs::new(Box::new(self.create(DETECTIONS)?), None, context);
        sequencer::run(&options, &mut outputs, interrupted)
    }

    pub fn labels(&self) -> anyhow::Result<Truth> {
        Truth::read(self.read(LABELS)?, 0)
    }

    pub fn detections(&self) -> anyhow::Result<Detections> {
        Detections::read(self.read(DETECTIONS)?)
    }

    /// The detection on a line, in full. Lines count from 1.
    pub fn record(&self, line: u64) -> anyhow::Result<Record> {
        let index = usize::try_from(line.saturating_sub(1))?;
        let text = self.read(DETECTIONS)?.lines().nth(index).context("the detections became shorter")??;
        serde_json::from_str(&text).with_context(|| format!("line {line} of the detections is not a detection"))
    }
}

/// A writer that fails once the run is interrupted: the simulator has no other way to be stopped.
struct Stoppable<'a, W> {
    inner: W,
    interrupted: &'a AtomicBool,
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Not `ErrorKind::Interrupted`: that one is tried again.
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn embedded_tables() -> anyhow::Result<Tables> {
    let mut builder = Tables::builder();
    for (role, (name, bytes)) in DATABASES {
        builder.database(role, name, bytes.to_vec());
    }
    for (kind, (name, bytes)) in LISTS {
        builder.list(kind, name, std::str::from_utf8(bytes)?);
    }
    builder.build().map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })
}

fn progress_bar(days: u32) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::from(days));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} day {pos}/{len}  {msg}") {
        bar.set_style(style);
    }
    bar
}
