//! A replay that is broken off and gone on with writes and counts what one run does: wherever it stopped, by request or by
//! a crash, on any number of threads.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assert_cmd::Command;
use farsign::engine::decode::{Decoder, Format};
use farsign::engine::enrich::{Role, Tables};
use farsign::engine::facts::Item;
use farsign::engine::out::{Detection, RiskyUser};
use farsign::engine::policy::EngineConfig;
use farsign::render::RenderContext;
use farsign::runtime::replay::block::{Block, Rejected};
use farsign::runtime::replay::checkpoint::{self, CheckpointPlan};
use farsign::runtime::replay::input::expand;
use farsign::runtime::replay::output::{Outputs, Sink};
use farsign::runtime::replay::sequencer::{self, Options};
use farsign::runtime::replay::settle::Order;
use farsign::runtime::replay::state::StateFiles;
use farsign::runtime::replay::summary::Summary;
use serde_json::Value;
use tempfile::TempDir;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written by all the runs of a replay.
#[derive(Clone, Default)]
struct Written {
    detections: Lines,
    rejects: Lines,
    risky_users: Lines,
}

impl Written {
    fn bytes(&self) -> [Vec<u8>; 3] {
        [&self.detections, &self.rejects, &self.risky_users].map(|lines| lines.0.lock().unwrap().clone())
    }

    /// Outputs behind what the checkpoint knows of.
    fn outputs(&self, lengths: &[u64]) -> Outputs {
        let context = RenderContext::default();
        let lengths = [0, 1, 2].map(|index| lengths.get(index).copied().unwrap_or(0));
        for (lines, length) in [&self.detections, &self.rejects].into_iter().zip(lengths) {
            let mut lines = lines.0.lock().unwrap();
            assert!(lines.len() >= length as usize, "what the checkpoint knows of was written");
            lines.truncate(length as usize);
        }
        let mut outputs =
            Outputs::new(Box::new(self.detections.clone()), Some(Box::new(self.rejects.clone())), context);
        outputs.risky_users = Some(Box::new(self.risky_users.clone()));
        outputs.go_on(lengths);
        outputs
    }
}

/// What ends a run before its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// An interrupt, once so many runs of items were taken.
    Interrupt(u64),
    /// The disk is full at so many detections.
    Crash(u64),
    Never,
}

struct Stopping<'a> {
    outputs: Outputs,
    end: End,
    taken: u64,
    written: u64,
    interrupted: &'a AtomicBool,
}

impl Sink for Stopping<'_> {
    fn items(&mut self, items: &[Item<'_>]) {
        self.outputs.items(items);
        self.taken += 1;
        if self.end == End::Interrupt(self.taken) {
            self.interrupted.store(true, Ordering::Relaxed);
        }
    }

    fn detection(&mut self, variant: usize, detection: &Detection) -> io::Result<()> {
        self.written += 1;
        if self.end == End::Crash(self.written) {
            return Err(io::Error::other("the disk is full"));
        }
        self.outputs.detection(variant, detection)
    }

    fn risky_user(&mut self, variant: usize, user: &RiskyUser) -> io::Result<()> {
        self.outputs.risky_user(variant, user)
    }

    fn reject(&mut self, file: &str, block: &Block, rejected: &Rejected) -> io::Result<()> {
        self.outputs.reject(file, block, rejected)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.outputs.flush()
    }

    fn lengths(&self) -> Vec<u64> {
        self.outputs.lengths()
    }
}

/// Logs in four files, of which two overlap, one is compressed, and all have lines that are no records.
fn logs(folder: &Path) -> Vec<String> {
    let simulate =
        ["simulate", "--users", "40", "--days", "24", "--seed", "9302", "--form", "entra-lean", "-o", "all"];
    Command::cargo_bin("farsign").unwrap().current_dir(folder).args(simulate).assert().success();
    let text = std::fs::read_to_string(folder.join("all")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let third = lines.len() / 3;
    let mut files = [String::new(), String::new(), String::new(), String::new()];
    for (index, line) in lines.iter().enumerate() {
        let file = match index / third {
            0 => 0,
            1 => 1 + index % 2,
            _ => 3,
        };
        files[file] += &format!("{line}\n");
        if index % 97 == 0 {
            files[file] += &format!("{{\"no record\": {index}\n");
        }
    }
    let named = |(number, text): (usize, &String)| {
        let path = folder.join(format!("log{number}"));
        if number == 1 {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            std::fs::write(&path, gzip.finish().unwrap()).unwrap();
        } else {
            std::fs::write(&path, text).unwrap();
        }
        path.display().to_string()
    };
    files.iter().enumerate().map(named).collect()
}

fn options(inputs: &[String], threads: usize, order: Order) -> Options {
    let mut builder = Tables::builder();
    for (role, name) in [(Role::Place, "City"), (Role::Network, "ASN")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("geoip-test-data/farsign-test-{name}.mmdb"));
        builder.database(role, name, std::fs::read(path).unwrap());
    }
    Options {
        inputs: expand(inputs).unwrap(),
        decoder: Decoder::new(Format::Auto),
        threads,
        engine: Arc::new(EngineConfig { emit_suppressed: true, ..EngineConfig::default() }),
        tables: Arc::new(builder.build().unwrap()),
        order,
        filter: Arc::default(),
        state: StateFiles::default(),
        block_length: 8 * 1_024,
        round_items_max: 300,
    }
}

/// Everything of a summary that follows from the input.
fn counted(summary: &Summary) -> Value {
    let mut summary = summary.to_json();
    summary.as_object_mut().unwrap().remove("run");
    summary
}

fn in_one_run(options: &Options) -> (Written, Value) {
    let written = Written::default();
    let summary = sequencer::run(options, &mut written.outputs(&[]), &Arc::default()).unwrap();
    (written, counted(&summary))
}

/// Runs it again and again until one comes to the end: how often, what was written, and what the last one counted.
fn in_many_runs(options: &Options, path: &Path, mut end: impl FnMut(u64) -> End) -> (u64, Written, Value) {
    let written = Written::default();
    for number in 0.. {
        let held = checkpoint::look(path).unwrap();
        assert!(held.is_some() || number == 0, "a run left something to go on with");
        let lengths = held.map(|held| {
            held.check(path, &options.identity()).unwrap();
            held.checkpoint.lengths
        });
        let lengths = lengths.unwrap_or_default();
        let interrupted = Arc::new(AtomicBool::new(false));
        let outputs = written.outputs(&lengths);
        let mut sink = Stopping { outputs, end: end(number), taken: 0, written: 0, interrupted: &interrupted };
        match sequencer::run(options, &mut sink, &interrupted) {
            Ok(summary) if !summary.interrupted => return (number, written, counted(&summary)),
            Ok(_) => {}
            Err(error) => assert!(format!("{error:#}").contains("the disk is full"), "{error:#}"),
        }
    }
    unreachable!("runs come to an end");
}

fn check(order: Order, threads: usize, every: Duration, mut end: impl FnMut(u64) -> End, runs_min: u64) {
    let folder = TempDir::new().unwrap();
    let inputs = logs(folder.path());
    let mut options = options(&inputs, threads, order);
    let (whole, summary) = in_one_run(&options);
    let [detections, rejects, risky_users] = whole.bytes();
    let lengths = [detections.len(), rejects.len(), risky_users.len()];
    assert!(lengths.iter().zip([500_000, 10_000, 400]).all(|(length, min)| *length > min), "{lengths:?}");
    let path = folder.path().join("checkpoint");
    let plan = CheckpointPlan { path: path.clone(), every, rests_on: String::new(), outputs: Vec::new() };
    options.state.checkpoint = Some(plan);
    let (runs, written, counted) = in_many_runs(&options, &path, &mut end);
    assert!(runs >= runs_min, "it was broken off {runs} times");
    assert!(written.bytes() == whole.bytes(), "{order:?} {threads} {every:?}");
    assert_eq!(counted, summary);
}

#[test]
fn interrupted_again_and_again() {
    let often = |number: u64| if number < 12 { End::Interrupt(2 + 5 * number) } else { End::Never };
    check(Order::Settled, 1, Duration::MAX, often, 12);
    check(Order::Settled, 3, Duration::MAX, often, 12);
    check(Order::Updates, 2, Duration::MAX, often, 12);
}

#[test]
fn interrupted_before_anything_was_taken() {
    check(Order::Settled, 1, Duration::MAX, |number| if number < 2 { End::Interrupt(1) } else { End::Never }, 2);
}

#[test]
fn interrupted_every_few_items() {
    let often = |number: u64| if number < 40 { End::Interrupt(2 + number % 3) } else { End::Never };
    check(Order::Updates, 1, Duration::MAX, often, 40);
    check(Order::Settled, 3, Duration::MAX, often, 40);
}

#[test]
fn crashed_between_two_checkpoints() {
    let crash = |number: u64| if number < 4 { End::Crash(150) } else { End::Never };
    check(Order::Settled, 1, Duration::from_millis(10), crash, 2);
    check(Order::Updates, 3, Duration::from_millis(10), crash, 2);
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let folder = TempDir::new().unwrap();
    let inputs = logs(folder.path());
    let path = folder.path().join("checkpoint");
    let mut options = options(&inputs, 1, Order::Settled);
    options.state.checkpoint = Some(CheckpointPlan {
        path: path.clone(),
        every: Duration::MAX,
        rests_on: String::new(),
        outputs: Vec::new(),
    });
    let interrupted = Arc::new(AtomicBool::new(true));
    sequencer::run(&options, &mut Written::default().outputs(&[]), &interrupted).unwrap();
    let held = checkpoint::look(&path).unwrap().unwrap();
    let refused = |options: &Options| held.check(&path, &options.identity()).unwrap_err().to_string();
    held.check(&path, &options.identity()).unwrap();
    options.order = Order::Updates;
    assert!(refused(&options).contains("remove it to begin anew"));
    options.order = Order::Settled;
    std::fs::write(&inputs[3], "{}\n").unwrap();
    options.inputs = expand(&inputs).unwrap();
    assert!(refused(&options).contains("with other inputs"));
}
