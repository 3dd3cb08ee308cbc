//! A whole replay from file to detections, beside reading the same file with the same reader and parsing its records
//! into a plain struct; what a second thread gives, and what shadow policies cost.
#![expect(clippy::print_stdout, reason = "a measuring program")]

mod common;
#[path = "common/typed.rs"]
mod typed;

use std::io;
use std::path::Path;
use std::sync::Arc;

use common::{compare, input, lines, options, records, size, variant};
use farsign::engine::policy::{EngineConfig, Policy, ScopedPolicy, ShadowPolicy};
use farsign::render::RenderContext;
use farsign::runtime::replay::output::Outputs;
use farsign::runtime::replay::sequencer::{self, BLOCK_LENGTH, Options};
use farsign::runtime::replay::source;
use farsign::simulate::Form;

fn parse_only(path: &Path) -> u64 {
    let mut source = source::open(path, Arc::default()).expect("just written");
    let mut sum = 0;
    while let Some(block) = source.next(BLOCK_LENGTH) {
        sum += block.frames.iter().map(|frame| typed::parse(&block.bytes[frame.start..frame.end])).sum::<u64>();
    }
    sum
}

fn replay(options: &Options) -> u64 {
    let context = RenderContext::default();
    let mut outputs = Outputs::new(Box::new(io::sink()), None, context);
    outputs.shadow_detections = Some(Box::new(io::sink()));
    let summary = sequencer::run(options, &mut outputs, &Arc::default()).expect("nothing to fail");
    summary.judged.counts.sign_ins << 32 | summary.judged.written
}

/// As many shadow policies of everybody, each with a threshold of its own.
fn with_shadows(options: &Options, count: u32) -> Options {
    let shadow = |number: u32| {
        let mut policy = Policy::default();
        policy.unfamiliar_features.low_bits += f64::from(1 + number);
        let name = format!("shadow{number}");
        let scoped = ScopedPolicy { name, tenants: Vec::new(), users: Vec::new(), policy };
        ShadowPolicy::new(scoped, u64::from(number))
    };
    let shadow_policies = (0..count).map(shadow).collect();
    Options {
        engine: Arc::new(EngineConfig { shadow_policies, ..EngineConfig::clone(&options.engine) }),
        ..options.clone()
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (title, form, count) in
        [("full records", Form::EntraEventHub, 20_000), ("lean records", Form::EntraLean, 100_000)]
    {
        let bytes = records(form, size(count, 500));
        let path = folder.path().join(format!("{form:?}.ndjson"));
        std::fs::write(&path, &bytes).expect("space for the records");
        let file = input(&path.display().to_string());
        let (one, two) = (options(vec![file.clone()], 1), options(vec![file], 2));
        let [shadow, shadows] = [1, 4].map(|count| with_shadows(&one, count));
        let variants = vec![
            variant("read, typed parse only", || parse_only(&path)),
            variant("replay, 1 thread", || replay(&one)),
            variant("replay, 2 threads", || replay(&two)),
            variant("replay, 1 thread, 1 shadow policy", || replay(&shadow)),
            variant("replay, 1 thread, 4 shadow policies", || replay(&shadows)),
        ];
        let title = format!("replay, {title}");
        let medians = compare(&title, "record", lines(&bytes).len() as u64, bytes.len() as u64, 7, variants);
        println!(
            "\n2 threads are {:.2} times as fast as 1; each of 4 shadow policies adds {:.0} % of a replay.",
            medians[1] / medians[2],
            (medians[4] / medians[1] - 1.0) * 25.0
        );
    }
}
