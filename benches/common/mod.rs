//! What the benchmarks share: variants measured in turn, a table beside the floor, seeded records.
//!
//! Every round runs every variant once, in order, so that a busy moment of the machine meets all of them; the table
//! gives medians over the rounds, and ratios paired round by round. Each variant returns a checksum of its results,
//! printed so that no work is optimised away and a change of results shows. Only `cargo bench` measures in earnest:
//! run any other way (`cargo test --benches`), sizes are small and nothing is repeated.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use farsign::engine::decode::{Decoded, Decoder, Format, decode};
use farsign::engine::enrich::{Role, Tables};
use farsign::engine::policy::EngineConfig;
use farsign::engine::signin::SignIn;
use farsign::runtime::clock;
use farsign::runtime::replay::input::{Input, expand};
use farsign::runtime::replay::sequencer::{BLOCK_LENGTH, Options, ROUND_ITEMS_MAX};
use farsign::runtime::replay::settle::Order;
use farsign::runtime::replay::state::StateFiles;
use farsign::simulate::{self, Config, Form};

/// One way to do the work. Returns a checksum.
pub struct Variant<'a> {
    name: &'static str,
    run: Box<dyn FnMut() -> u64 + 'a>,
}

pub fn variant<'a>(name: &'static str, run: impl FnMut() -> u64 + 'a) -> Variant<'a> {
    Variant { name, run: Box::new(run) }
}

/// Does this run measure (`cargo bench`), or only show that the benchmark still works?
pub fn is_measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// `full` when measuring, else `quick`.
pub fn size<T>(full: T, quick: T) -> T {
    if is_measuring() { full } else { quick }
}

/// Runs the variants in rounds and prints a table. The first is the floor the others are compared with. `units` are
/// done per run; they are called `unit`, and `bytes` belong to them (0: not a matter of bytes).
/// Returns each variant's seconds per run.
pub fn compare(
    title: &str,
    unit: &str,
    units: u64,
    bytes: u64,
    rounds: usize,
    mut variants: Vec<Variant<'_>>,
) -> Vec<f64> {
    let rounds = size(rounds, 1);
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); variants.len()];
    let mut checksums = vec![0; variants.len()];
    // The first round warms caches and is not counted.
    for round in 0..=rounds {
        for (index, variant) in variants.iter_mut().enumerate() {
            let started = clock::now();
            checksums[index] = black_box((variant.run)());
            if round > 0 {
                times[index].push(started.elapsed());
            }
        }
    }
    let size = if bytes == 0 { String::new() } else { format!(", {bytes} bytes") };
    println!("\n### {title}\n\n{units} {unit}s{size}; medians of {rounds} rounds\n");
    println!("| variant | ns/{unit} | {unit}s/s | MB/s | to floor | checksum |");
    println!("|---|--:|--:|--:|--:|---|");
    let mut medians = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        let seconds = median(times[index].iter().map(Duration::as_secs_f64).collect());
        let paired =
            times[index].iter().zip(&times[0]).map(|(time, floor)| time.as_secs_f64() / floor.as_secs_f64());
        let (per_unit, rate) = (seconds * 1e9 / units as f64, units as f64 / seconds);
        let throughput = if bytes == 0 { String::new() } else { format!("{:.0}", bytes as f64 / seconds / 1e6) };
        println!(
            "| {} | {per_unit:.0} | {rate:.0} | {throughput} | {:.2} | {:016x} |",
            variant.name,
            median(paired.collect()),
            checksums[index]
        );
        medians.push(seconds);
    }
    medians
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// About `count` records of a simulated organisation, one a line.
pub fn records(form: Form, count: u64) -> Vec<u8> {
    // A user signs in some 14 times a day.
    let days = 14;
    let users = u32::try_from(count / (14 * u64::from(days))).expect("small").max(5);
    let config = Config { seed: 7, users, days, form, ..Config::default() };
    let mut bytes = Vec::new();
    simulate::run(&config, &mut bytes, &mut std::io::sink(), &mut |_| {}).expect("the configuration is valid");
    bytes
}

/// The repository's test databases, which know the simulator's networks.
pub fn tables() -> Arc<Tables> {
    let mut builder = Tables::builder();
    builder
        .database(Role::Place, "City", include_bytes!("../../geoip-test-data/farsign-test-City.mmdb").to_vec())
        .database(Role::Network, "ASN", include_bytes!("../../geoip-test-data/farsign-test-ASN.mmdb").to_vec());
    Arc::new(builder.build().expect("the test data is valid"))
}

/// What they are replayed by, where nothing else is said.
pub fn options(inputs: Vec<Input>, threads: usize) -> Options {
    Options {
        inputs,
        decoder: Decoder::new(Format::Auto),
        filter: Arc::default(),
        threads,
        engine: Arc::new(EngineConfig::default()),
        tables: tables(),
        order: Order::Settled,
        block_length: BLOCK_LENGTH,
        state: StateFiles::default(),
        round_items_max: ROUND_ITEMS_MAX,
    }
}

/// A file or an object that was just written.
pub fn input(place: &str) -> Input {
    let mut inputs = expand(&[place.to_owned()]).expect("just written");
    inputs.pop().expect("one")
}

/// The sign-ins of all lines.
pub fn sign_ins(bytes: &[u8]) -> Vec<SignIn<'_>> {
    let mut sign_ins = Vec::new();
    for line in lines(bytes) {
        decode(Format::Auto, line, &mut |decoded| {
            if let Ok(Decoded::SignIn(sign_in)) = decoded {
                sign_ins.push(sign_in);
            }
        });
    }
    sign_ins
}

/// The lines of `bytes`.
pub fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
}
