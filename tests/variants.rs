//! Configurations that share users' records: each gives what it gives alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

mod common;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::world::{Spec, at, key, sign_in, upstream};
use farsign::engine::decode::{Decoder, Format};
use farsign::engine::enrich::{Role, Tables};
use farsign::engine::facts::Item;
use farsign::engine::finding::{RiskEventType, RiskLevel};
use farsign::engine::hash::UserKey;
use farsign::engine::out::{Detection, Out, RiskyUser};
use farsign::engine::policy::{EngineConfig, Exception, Policy, ScopedPolicy, Sensitivity};
use farsign::engine::profile::Profiles;
use farsign::engine::variants::{Variant, share_users};
use farsign::engine::watermark::StreamTime;
use farsign::engine::{Engine, Input};
use farsign::runtime::replay::block::{Block, Rejected};
use farsign::runtime::replay::checkpoint::{self, CheckpointPlan, Identity};
use farsign::runtime::replay::group::grouped;
use farsign::runtime::replay::input::expand;
use farsign::runtime::replay::output::Sink;
use farsign::runtime::replay::sequencer::{self, BLOCK_LENGTH, Options, ROUND_ITEMS_MAX};
use farsign::runtime::replay::settle::Order;
use farsign::runtime::replay::state::StateFiles;
use farsign::runtime::replay::summary::Judged;
use farsign::simulate::{self, Config, Form};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What each variant gives, as text.
#[derive(Default, PartialEq)]
struct Given(Vec<Vec<String>>);

impl Given {
    fn of(&mut self, variant: usize) -> &mut Vec<String> {
        self.0.resize_with(self.0.len().max(variant + 1), Vec::new);
        &mut self.0[variant]
    }
}

impl Sink for Given {
    fn detection(&mut self, variant: usize, detection: &Detection) -> io::Result<()> {
        self.of(variant).push(serde_json::to_string(detection)?);
        Ok(())
    }

    fn risky_user(&mut self, variant: usize, user: &RiskyUser) -> io::Result<()> {
        self.of(variant).push(serde_json::to_string(user)?);
        Ok(())
    }

    fn reject(&mut self, file: &str, _: &Block, rejected: &Rejected) -> io::Result<()> {
        panic!("{file}: {:?}", rejected.reject)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn lengths(&self) -> Vec<u64> {
        self.0.iter().map(|lines| lines.len() as u64).collect()
    }
}

/// Is interrupted when so many runs of items were taken, and crashes at so many detections.
struct Stopping<'a> {
    given: Given,
    runs: u64,
    detections: u64,
    interrupted: &'a AtomicBool,
}

impl Sink for Stopping<'_> {
    fn items(&mut self, _: &[Item<'_>]) {
        self.runs = self.runs.saturating_sub(1);
        self.interrupted.fetch_or(self.runs == 0, Ordering::Relaxed);
    }

    fn detection(&mut self, variant: usize, detection: &Detection) -> io::Result<()> {
        self.detections = self.detections.checked_sub(1).ok_or(io::Error::other("the disk is full"))?;
        self.given.detection(variant, detection)
    }

    fn risky_user(&mut self, variant: usize, user: &RiskyUser) -> io::Result<()> {
        self.given.risky_user(variant, user)
    }

    fn reject(&mut self, file: &str, block: &Block, rejected: &Rejected) -> io::Result<()> {
        self.given.reject(file, block, rejected)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn lengths(&self) -> Vec<u64> {
        self.given.lengths()
    }
}

/// A simulated organisation under attack, and what an analyst and another product said of it.
fn stream(folder: &Path, seed: u64, users: u32, days: u32) -> String {
    let mut config = Config { seed, users, days, form: Form::EntraLean, ..Config::default() };
    config.late_share *= 2.0;
    let mut records = Vec::new();
    simulate::run(&config, &mut records, &mut io::sink(), &mut |_| {}).unwrap();
    let mut said = String::new();
    for (number, line) in records.split(|byte| *byte == b'\n').enumerate() {
        let Ok(record) = serde_json::from_slice::<Value>(line) else { continue };
        let properties = &record["properties"];
        if number % 41 != 0 || properties["userPrincipalName"] == "" {
            continue;
        }
        said += &words(number, &record["tenantId"], properties).to_string();
        said.push('\n');
    }
    std::fs::write(folder.join("signins.ndjson"), records).unwrap();
    std::fs::write(folder.join("said.ndjson"), said).unwrap();
    folder.display().to_string()
}

/// Feedback about a sign-in or its user, or a finding about it.
fn words(number: usize, tenant: &Value, properties: &Value) -> Value {
    let [user, id, time] = ["userId", "id", "createdDateTime"].map(|key| properties[key].clone());
    let actions = ["dismiss", "confirmCompromised", "confirmSafe", "confirmCompromised"];
    let mut words = json!({"tenantId": tenant, "userId": user, "id": format!("w{number}"), "time": time});
    let more = match number % 5 {
        4 => {
            json!({"type": "upstreamFinding", "requestId": id, "source": "Other", "riskEventType": "anonymizedIPAddress", "riskLevel": "medium"})
        }
        3 => json!({"type": "feedback", "action": actions[number / 5 % 2]}),
        _ => json!({"type": "feedback", "action": actions[number / 5 % 4], "requestId": id}),
    };
    words.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    words
}

fn tables() -> Arc<Tables> {
    let mut builder = Tables::builder();
    builder
        .database(Role::Place, "City", include_bytes!("../geoip-test-data/farsign-test-City.mmdb").to_vec())
        .database(Role::Network, "ASN", include_bytes!("../geoip-test-data/farsign-test-ASN.mmdb").to_vec());
    Arc::new(builder.build().unwrap())
}

fn options(inputs: &str, threads: usize, engine: &Arc<EngineConfig>, order: Order) -> Options {
    Options {
        inputs: expand(&[inputs.to_owned()]).unwrap(),
        decoder: Decoder::new(Format::Auto),
        filter: Arc::default(),
        threads,
        engine: engine.clone(),
        tables: tables(),
        order,
        block_length: BLOCK_LENGTH,
        state: StateFiles::default(),
        round_items_max: ROUND_ITEMS_MAX,
    }
}

fn exception(kind: RiskEventType) -> Exception {
    Exception {
        name: "some".to_owned(),
        detections: vec![kind],
        users: vec!["a*".to_owned(), "*3*".to_owned()],
        device_ids: Vec::new(),
        device_hashes: Vec::new(),
        networks: Vec::new(),
        country_pairs: Vec::new(),
        app_hashes: Vec::new(),
    }
}

/// One way to change a policy.
type Change = fn(&mut Policy);

const CHANGES: [Change; 18] = [
    |_| {},
    |policy| policy.unfamiliar_features.low_bits = 4.0,
    |policy| policy.unfamiliar_features.low_bits = 12.5,
    |policy| policy.unfamiliar_features.medium_bits = 9.0,
    |policy| policy.unfamiliar_features.enabled = false,
    |policy| policy.impossible_travel.max_speed_kmh = 300.0,
    |policy| policy.impossible_travel.min_distance_km = 50.0,
    |policy| policy.impossible_travel.clock_skew_s = 3_600.0,
    |policy| policy.impossible_travel.sensitivity = Sensitivity::High,
    |policy| policy.new_country.enabled = false,
    |policy| policy.new_country.min_bits = 0.0,
    |policy| policy.atypical_travel.low_bits = 3.0,
    |policy| policy.password_spray.address_users_min = 3,
    |policy| policy.password_spray.user_agent_users_min = 3,
    |policy| policy.suspicious_browser.countries_min = 1,
    |policy| policy.exceptions.push(exception(RiskEventType::UnfamiliarFeatures)),
    |policy| policy.upstream_findings.enabled = false,
    |policy| policy.incident.window_hours = 1,
];

/// One configuration a change, of which the last also learns otherwise.
fn engines(base: &EngineConfig) -> Vec<Arc<EngineConfig>> {
    let slower: Change = |policy| policy.unfamiliar_features.learning_min_days += 2;
    let engine = |(number, change): (usize, &Change)| {
        let mut config = EngineConfig { config_hash: number as u64, ..base.clone() };
        change(&mut config.default_policy);
        config.scoped_policies.iter_mut().for_each(|scoped| change(&mut scoped.policy));
        Arc::new(config)
    };
    CHANGES.iter().chain([&slower]).enumerate().map(engine).collect()
}

/// Replays each alone, and all together on several threads. Gives how many give something else than all others.
fn compare(base: &EngineConfig, inputs: &str, order: Order) -> usize {
    let engines = engines(base);
    let (mut alone, mut counts) = (Given::default(), Vec::new());
    for (number, engine) in engines.iter().enumerate() {
        let mut given = Given::default();
        let summary = sequencer::run(&options(inputs, 1, engine, order), &mut given, &Arc::default()).unwrap();
        alone.of(number).append(given.of(0));
        counts.push(summary.judged);
    }
    for threads in [1, 3] {
        let mut together = Given::default();
        let options = options(inputs, threads, &engines[0], order);
        let (_, judged) = sequencer::run_variants(&options, &engines, &mut together, &Arc::default()).unwrap();
        for (number, (alone, together)) in alone.0.iter().zip(&together.0).enumerate() {
            let first = alone.iter().zip(together).find(|(alone, together)| alone != together);
            assert!(first.is_none(), "variant {number}, {threads} threads: {first:?}");
            assert_eq!((alone.len(), &counts[number]), (together.len(), &judged[number]), "variant {number}");
        }
    }
    let different: BTreeSet<&Vec<String>> = alone.0.iter().collect();
    different.len()
}

#[test]
fn together_each_gives_what_it_gives_alone() {
    let folder = TempDir::new().unwrap();
    let inputs = stream(folder.path(), 11, 40, 30);
    let base = EngineConfig::default();
    assert_eq!(grouped(&engines(&base)).len(), 2, "one learns otherwise");
    let different = compare(&base, &inputs, Order::Settled);
    assert!(different > 6, "{different} differ");
}

/// Users are packed and unpacked all the time, some are forgotten, everything is told, and some have another policy.
#[test]
fn together_under_every_limit() {
    let folder = TempDir::new().unwrap();
    let inputs = stream(folder.path(), 12, 40, 25);
    let scoped = ScopedPolicy {
        name: "some".to_owned(),
        tenants: Vec::new(),
        users: vec!["*a*".to_owned()],
        policy: Policy::default(),
    };
    let base = EngineConfig {
        hot_users_max: 1,
        users_max: 64,
        emit_suppressed: true,
        scoped_policies: vec![scoped],
        ..EngineConfig::default()
    };
    let different = compare(&base, &inputs, Order::Updates);
    assert!(different > 12, "{different} differ");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn together_on_any_stream(seed in any::<u64>(), users in 5_u32..30, days in 10_u32..20) {
        let folder = TempDir::new().unwrap();
        let inputs = stream(folder.path(), seed, users, days);
        compare(&EngineConfig::default(), &inputs, Order::Settled);
    }
}

/// Replays all together, broken off and gone on with until the end is reached: what is given, and in how many runs.
fn in_many_runs(
    options: &Options,
    engines: &[Arc<EngineConfig>],
    stop: impl Fn(u64) -> (u64, u64),
) -> (Given, Vec<Judged>, u64) {
    let path = options.state.checkpoint.as_ref().unwrap().path.clone();
    let mut given = Given::default();
    for number in 1.. {
        let held = checkpoint::look(&path).unwrap();
        let lengths = held.map(|held| {
            held.check(&path, &Identity::new(options, engines)).unwrap();
            held.checkpoint.lengths
        });
        let lengths = lengths.unwrap_or_default().into_iter().chain(std::iter::repeat(0));
        given.0.iter_mut().zip(lengths).for_each(|(lines, length)| lines.truncate(length as usize));
        let ((runs, detections), interrupted) = (stop(number), Arc::new(AtomicBool::new(false)));
        let mut sink = Stopping { given, runs, detections, interrupted: &interrupted };
        let ended = sequencer::run_variants(options, engines, &mut sink, &interrupted);
        given = sink.given;
        match ended {
            Ok((summary, judged)) if !summary.interrupted => return (given, judged, number),
            Ok(_) => {}
            Err(error) => assert!(format!("{error:#}").contains("the disk is full"), "{error:#}"),
        }
    }
    unreachable!("runs come to an end");
}

/// All variants go on, of both groups, wherever a pass was broken off: asked to, or by a crash.
#[test]
fn broken_off_together_and_gone_on_with() {
    let folder = TempDir::new().unwrap();
    let inputs = stream(folder.path(), 13, 40, 25);
    let place = TempDir::new().unwrap();
    let base = EngineConfig { hot_users_max: 3, ..EngineConfig::default() };
    let engines = engines(&base);
    for (order, threads, every) in
        [(Order::Settled, 3, Duration::MAX), (Order::Updates, 1, Duration::from_millis(20))]
    {
        let mut options = options(&inputs, threads, &engines[0], order);
        (options.block_length, options.round_items_max) = (8 * 1_024, 300);
        let mut whole = Given::default();
        let (_, judged) = sequencer::run_variants(&options, &engines, &mut whole, &Arc::default()).unwrap();
        let path = place.path().join(format!("{threads}"));
        let plan = CheckpointPlan { path, every, rests_on: String::new(), outputs: Vec::new() };
        options.state.checkpoint = Some(plan);
        let crash = every < Duration::MAX;
        let stop = |number: u64| match number {
            1..9 if crash => (u64::MAX, 400 + 31 * number),
            1..9 => (5 + 3 * number, u64::MAX),
            _ => (u64::MAX, u64::MAX),
        };
        let (given, judged_again, runs) = in_many_runs(&options, &engines, stop);
        assert!(runs > 5, "{runs} runs");
        for (number, (whole, given)) in whole.0.iter().zip(&given.0).enumerate() {
            let first = whole.iter().zip(given).find(|(whole, given)| whole != given);
            assert!(first.is_none() && whole.len() == given.len(), "variant {number}, {order:?}: {first:?}");
        }
        assert!(whole.0.len() == engines.len() && judged == judged_again, "{order:?}");
    }
}

#[test]
fn what_learns_otherwise_shares_nothing() {
    let engines = engines(&EngineConfig::default());
    let last = engines.len() - 1;
    assert!(share_users(&engines[0], &engines[1]) && !share_users(&engines[0], &engines[last]));
}

/// Whom each of the variants forgets of these items.
fn forgotten(configs: &[Arc<EngineConfig>], items: &[Item<'static>]) -> Vec<Vec<UserKey>> {
    let variant = |config: &Arc<EngineConfig>| Variant::new(config.clone(), Arc::new(Profiles::default()));
    let mut engine = Engine::of_variants(configs.iter().map(variant).collect());
    let mut outs: Vec<Out> = configs.iter().map(|_| Out::default()).collect();
    let mut stream = StreamTime::default();
    for item in items {
        let stream_time = stream.observe(item.time(), item.user());
        engine.step(&[Input { position: 0, stream_time, item }], &mut outs);
    }
    outs.into_iter().map(|out| out.forgotten).collect()
}

/// What another product says again long after is an old story to whom the finding still stands, and news to whom it never did.
/// Beyond `users_max` that decides who was seen last, and a group decides as one.
#[test]
fn a_group_forgets_together() {
    let about_ada =
        upstream("f", at(0, 28_860), "ada", (RiskEventType::AnonymizedIpAddress, RiskLevel::Medium), "s-0");
    let about_ada = Item::UpstreamFinding(about_ada);
    let spec = |id: &str, time, user: &str| sign_in(&Spec::new(id, time, user, "oslo-fixed", "laptop"));
    let mut items = vec![spec("s-0", at(0, 28_800), "ada"), about_ada.clone()];
    items.extend((1..=12).map(|number| spec(&format!("s-{number}"), at(0, 30_000 + number), "ada")));
    items.extend([spec("bob", at(0, 72_000), "bob"), spec("cid", at(3, 28_800), "cid"), about_ada]);
    items.push(spec("dan", at(3, 32_400), "dan"));
    let config = |is_enabled: bool| {
        let mut config = EngineConfig { users_max: 3, ..EngineConfig::default() };
        config.default_policy.upstream_findings.enabled = is_enabled;
        Arc::new(config)
    };
    let [with, without] = [config(true), config(false)];
    assert!(share_users(&with, &without));
    assert_eq!(forgotten(std::slice::from_ref(&with), &items), [[key("ada")]]);
    assert_eq!(forgotten(std::slice::from_ref(&without), &items), [[key("bob")]]);
    assert_eq!(forgotten(&[with, without], &items), [[key("bob")], [key("bob")]]);
}
