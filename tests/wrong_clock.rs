//! One record with a clock far in the future changes nothing for anyone but its own user: a replay with it says the
//! same as one without, wherever in the log it lies, and however the work is cut up.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use farsign::engine::decode::{Decoder, Format};
use farsign::engine::enrich::{Role, Tables};
use farsign::engine::policy::EngineConfig;
use farsign::render::RenderContext;
use farsign::runtime::replay::input::expand;
use farsign::runtime::replay::output::Outputs;
use farsign::runtime::replay::sequencer::{self, BLOCK_LENGTH, Options, ROUND_ITEMS_MAX};
use farsign::runtime::replay::settle::Order;
use farsign::runtime::replay::state::StateFiles;
use farsign::runtime::replay::summary::Summary;
use serde_json::Value;

const STRANGER: &str = "7d0c2f6e-5a41-4f0b-9a63-0c1d8b7e2f15";

/// How a replay may be cut up: threads, bytes of a block, items of a round.
type Cut = (usize, usize, usize);

const WHOLE: Cut = (1, BLOCK_LENGTH, ROUND_ITEMS_MAX);
const CUTS: [Cut; 5] =
    [WHOLE, (2, BLOCK_LENGTH, ROUND_ITEMS_MAX), (8, 64 * 1_024, 1_000), (1, 3_000, 7), (2, 20_000, 100)];

fn records(folder: &Path) -> Vec<String> {
    let path = folder.join("records");
    let status = Command::new(env!("CARGO_BIN_EXE_farsign"))
        .args(["simulate", "--users", "40", "--days", "12", "--seed", "5", "--form", "farsign", "-o"])
        .arg(&path)
        .stderr(Stdio::null())
        .status()
        .expect("runs");
    assert!(status.success());
    std::fs::read_to_string(path).expect("written").lines().map(str::to_owned).collect()
}

fn tables() -> Arc<Tables> {
    let mut builder = Tables::builder();
    builder
        .database(Role::Place, "City", include_bytes!("../geoip-test-data/farsign-test-City.mmdb").to_vec())
        .database(Role::Network, "ASN", include_bytes!("../geoip-test-data/farsign-test-ASN.mmdb").to_vec());
    Arc::new(builder.build().expect("the test data is valid"))
}

/// The detections of everyone but the stranger, and the summary.
fn replay(
    folder: &Path,
    records: &[String],
    (threads, block_length, round_items_max): Cut,
) -> (Vec<String>, Summary) {
    let (input, output) = (folder.join("input"), folder.join("output"));
    std::fs::write(&input, records.join("\n")).expect("space for the records");
    let options = Options {
        inputs: expand(&[input.display().to_string()]).expect("just written"),
        decoder: Decoder::new(Format::Auto),
        filter: Arc::default(),
        threads,
        engine: Arc::new(EngineConfig { emit_suppressed: true, ..EngineConfig::default() }),
        tables: tables(),
        order: Order::Settled,
        state: StateFiles::default(),
        block_length,
        round_items_max,
    };
    let context = RenderContext::default();
    let file = File::create(&output).expect("a file");
    let mut outputs = Outputs::new(Box::new(file), None, context);
    let summary = sequencer::run(&options, &mut outputs, &Arc::default()).expect("nothing to fail");
    let lines = std::fs::read_to_string(output).expect("written");
    (lines.lines().filter(|line| !line.contains(STRANGER)).map(str::to_owned).collect(), summary)
}

/// A stranger's copy of the record, made in 2098.
fn wrong_clock(record: &str) -> String {
    let mut record: Value = serde_json::from_str(record).expect("JSON");
    record["userId"] = STRANGER.into();
    record["id"] = "a-record-from-2098".into();
    record["time"] = "2098-07-01T12:00:00Z".into();
    record.to_string()
}

#[test]
fn one_wrong_clock_harms_nobody_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let records = records(folder.path());
    let (expected, without) = replay(folder.path(), &records, WHOLE);
    assert!(expected.len() > 20 && without.judged.counts.reordered > 20, "there is something to harm");
    assert_eq!(without.far_ahead, 0);
    for place in [0, records.len() / 2, records.len()] {
        let mut records = records.clone();
        let copied = wrong_clock(&records[place.min(records.len() - 1)]);
        records.insert(place, copied);
        for cut in CUTS {
            let (found, with) = replay(folder.path(), &records, cut);
            assert!(found == expected, "record {place}, cut {cut:?}: {} of {}", found.len(), expected.len());
            assert_eq!(with.judged.counts.late, without.judged.counts.late, "record {place}, cut {cut:?}");
            assert_eq!(
                with.judged.counts.reordered, without.judged.counts.reordered,
                "record {place}, cut {cut:?}"
            );
            assert_eq!(with.far_ahead, 1, "record {place}, cut {cut:?}");
        }
    }
}
