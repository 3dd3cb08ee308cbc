//! Many configurations over one stream, beside one replay of it: what each further variant costs in time and memory.
#![expect(clippy::print_stdout, reason = "a measuring program")]

mod common;

use std::sync::Arc;

use common::{compare, input, lines, options, records, size, variant};
use farsign::engine::policy::{EngineConfig, Policy};
use farsign::runtime::replay::sequencer::{self, Options};
use farsign::runtime::replay::summary::memory_peak_bytes;
use farsign::simulate::Form;
use farsign::tune::{Figures, Trial, Verdicts};

/// What `farsign tune` judges at once unless told otherwise.
const VARIANTS: u32 = 32;

/// Configurations that differ in a threshold, so that each judges and learns for itself.
fn engines(count: u32) -> Vec<Arc<EngineConfig>> {
    let engine = |number: u32| {
        let mut policy = Policy::default();
        policy.unfamiliar_features.low_bits += f64::from(number) * 0.1;
        Arc::new(EngineConfig { default_policy: policy, ..EngineConfig::default() })
    };
    (0..count).map(engine).collect()
}

fn judge(options: &Options, count: u32) -> u64 {
    let verdicts = Verdicts::default();
    let mut trial = Trial::new(Figures::new(count as usize), &verdicts, 0, Vec::new());
    let run = sequencer::run_variants(options, &engines(count), &mut trial, &Arc::default());
    let (_, judged) = run.expect("nothing to fail");
    judged.iter().map(|judged| judged.counts.sign_ins << 24 | judged.written).sum()
}

fn megabytes() -> f64 {
    memory_peak_bytes().unwrap_or_default() as f64 / 1e6
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bytes = records(Form::EntraEventHub, size(40_000, 500));
    let path = folder.path().join("signins.ndjson");
    std::fs::write(&path, &bytes).expect("space for the records");
    let file = input(&path.display().to_string());
    let (one, two) = (options(vec![file.clone()], 1), options(vec![file], 2));
    // Memory first: the peak of a process never falls.
    judge(&two, 1);
    let alone = megabytes();
    judge(&two, size(VARIANTS, 4));
    let together = megabytes();
    let variants = vec![
        variant("one variant, 1 thread", || judge(&one, 1)),
        variant("8 variants, 1 thread", || judge(&one, size(8, 2))),
        variant("32 variants, 1 thread", || judge(&one, size(VARIANTS, 4))),
        variant("32 variants, 2 threads", || judge(&two, size(VARIANTS, 4))),
    ];
    let medians =
        compare("tune, full records", "record", lines(&bytes).len() as u64, bytes.len() as u64, 3, variants);
    let more = f64::from(VARIANTS - 1);
    println!(
        "\n32 variants cost {:.2} times one replay, each further one {:.3} of it. Memory: {alone:.0} MB for one, \
         {together:.0} MB for 32, {:.1} MB for each further one.",
        medians[2] / medians[0],
        (medians[2] / medians[0] - 1.0) / more,
        (together - alone) / more,
    );
}
