//! Days: a task waits before a day for which the organisation's profiles are not set; and with the days driven as
//! `shared` says, several partitions say exactly what a replay of the same log says.

use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use farsign::engine::enrich::Tables;
use farsign::engine::facts::Item;
use farsign::engine::policy::EngineConfig;
use farsign::engine::profile::VISIBLE_AFTER_DAYS;
use farsign::runtime::kafka::contributions::{Frontier, ProfilesRecord};
use farsign::runtime::kafka::outbox::{Destination, Frozen};
use farsign::runtime::kafka::partition::{PartitionTask, Stop, TaskSettings};
use farsign::runtime::replay::input::expand;
use farsign::runtime::replay::output::Outputs;
use farsign::runtime::replay::sequencer::{BLOCK_LENGTH, Options, ROUND_ITEMS_MAX, run};
use farsign::runtime::replay::settle::Order;
use proptest::prelude::*;

use crate::bench::{Bench, Logged, line, settings};
use crate::common::world::{DAY_ZERO, Spec, at, sign_in};

const DAY: i32 = DAY_ZERO as i32;
const PARTITIONS: usize = 3;
/// Two users at least of each partition, so that none waits for a second witness of the time.
const USERS: usize = 2 * PARTITIONS;

/// Partitions are up to a day apart here, which is more than what is attempted on others' users waits for.
fn days_apart() -> TaskSettings {
    let mut engine = EngineConfig::default();
    engine.default_policy.password_spray.enabled = false;
    engine.default_policy.suspicious_browser.enabled = false;
    TaskSettings { engine: Arc::new(engine), ..settings() }
}

fn habit(user: usize, day: i64) -> Item<'static> {
    let time = at(day, 28_800 + 60 * user as i64);
    sign_in(&Spec::new(&format!("habit-{user}-{day}"), time, &format!("user-{user}"), "oslo-fixed", "laptop"))
}

fn profiles(frozen: &Frozen) -> Vec<ProfilesRecord> {
    let records = frozen.outbox.records().filter(|record| record.destination == Destination::Profiles);
    records.map(|record| ProfilesRecord::decode(record.payload.unwrap_or_default()).expect("reads")).collect()
}

#[test]
fn a_task_waits_before_a_closed_day() {
    let mut bench = Bench::new(settings());
    let mut task = bench.task();
    let items = [habit(0, 0), habit(1, 0), habit(0, 1), habit(1, 1)];
    let log: Vec<Logged> =
        items.iter().enumerate().map(|(offset, item)| Logged::new(0, offset as i64, line(item))).collect();
    // The first user's word alone begins no day; the second's does.
    let taken = bench.take(&mut task, &log);
    assert_eq!((taken.records, taken.stop), (1, Some(Stop::Day(DAY))));
    assert_eq!(bench.shared.wanted(), Some(DAY));
    let frozen = task.freeze().expect("short").expect("the frontier is news");
    let frontier = profiles(&frozen).last().map(|record| record.frontier);
    assert_eq!(frontier, Some(Frontier { day: None, complete_day: Some(DAY - 1) }));
    bench.shared.advance(DAY);
    let taken = bench.take(&mut task, &log[1..]);
    assert_eq!((taken.records, taken.stop), (1, Some(Stop::Day(DAY + 1))));
    let frozen = task.freeze().expect("short").expect("a record was taken");
    assert_eq!(profiles(&frozen).last().map(|record| record.frontier.day), Some(Some(DAY)));
    assert_eq!(task.next(), [2, 0]);
    assert!(bench.take(&mut task, &log[2..]).records == 0, "still closed");
    assert!(task.freeze().expect("short").is_none(), "waiting is no news");
    bench.shared.advance(DAY + 1);
    assert_eq!(bench.take(&mut task, &log[2..]).records, 2);
}

/// Every user every day, and what else happens, by time.
fn items(happenings: &[(usize, i64, i64, usize)]) -> Vec<Item<'static>> {
    const NETWORKS: [&str; 4] = ["lagos-fixed", "newyork-fixed", "bergen-fixed", "frankfurt-vpn"];
    let mut items: Vec<Item<'static>> =
        (0..18).flat_map(|day| (0..USERS).map(move |user| habit(user, day))).collect();
    for (index, (user, day, second, pick)) in happenings.iter().enumerate() {
        let device = ["laptop", "stranger"][pick % 2];
        let network = NETWORKS[pick / 2 % NETWORKS.len()];
        let (id, user) = (format!("event-{index}"), format!("user-{user}"));
        items.push(sign_in(&Spec::new(&id, at(12 + day, 30_000 + second), &user, network, device)));
    }
    items.sort_by_key(Item::time);
    items
}

fn partition(item: &Item<'_>) -> usize {
    let Item::SignIn(prepared) = item else { panic!("a sign-in") };
    let number: usize = prepared.sign_in.user_id.trim_start_matches("user-").parse().expect("a number");
    number % PARTITIONS
}

/// One partition's task, with what it has not taken yet.
struct Lane {
    task: PartitionTask,
    log: Vec<Logged>,
    taken: usize,
    frontier: Frontier,
}

impl Lane {
    /// Takes what it may, commits, and hands over its contributions.
    fn go(&mut self, bench: &mut Bench, batch: usize, lines: &mut Vec<String>) {
        let to = (self.taken + batch).min(self.log.len());
        self.taken += bench.take(&mut self.task, &self.log[self.taken..to]).records;
        let Some(frozen) = self.task.freeze().expect("short") else { return };
        for record in frozen.outbox.records().filter(|record| record.destination == Destination::RiskDetections) {
            lines.push(String::from_utf8(record.payload.unwrap_or_default().to_vec()).expect("JSON"));
        }
        for record in profiles(&frozen) {
            bench.shared.profiles.contribute(&record.marks);
            self.frontier = record.frontier;
        }
    }

    fn is_behind(&self, day: i32) -> bool {
        let is_complete = |complete| complete >= day - VISIBLE_AFTER_DAYS;
        self.taken < self.log.len() && !self.frontier.complete_day.is_some_and(is_complete)
    }
}

/// What the partitions' tasks write, the days driven as they are in a live run.
fn live(items: &[Item<'_>], batches: &[usize]) -> Vec<String> {
    let mut bench = Bench::new(days_apart());
    let mut lanes: Vec<Lane> = (0..PARTITIONS)
        .map(|number| {
            let mine = items.iter().filter(|item| partition(item) == number);
            let log = mine.enumerate().map(|(offset, item)| Logged::new(0, offset as i64, line(item))).collect();
            Lane { task: bench.task_of(number as i32), log, taken: 0, frontier: Frontier::default() }
        })
        .collect();
    let mut lines = Vec::new();
    let mut turns = batches.iter().cycle().enumerate();
    while lanes.iter().any(|lane| lane.taken < lane.log.len()) {
        let (turn, batch) = turns.next().expect("endless");
        assert!(turn < 5_000, "the tasks wait for each other for ever");
        lanes[turn % PARTITIONS].go(&mut bench, *batch, &mut lines);
        if let Some(day) = bench.shared.wanted()
            && !lanes.iter().any(|lane| lane.is_behind(day))
        {
            bench.shared.advance(day);
        }
    }
    lines.sort();
    lines
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `farsign replay --updates` writes of the same log as one file.
fn replay(items: &[Item<'_>]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log.jsonl");
    let text: Vec<Vec<u8>> = items.iter().map(line).collect();
    std::fs::write(&path, text.join(&b'\n')).expect("written");
    let settings = days_apart();
    let options = Options {
        inputs: expand(&[path.display().to_string()]).expect("a file"),
        format: settings.format,
        threads: 1,
        engine: settings.engine.clone(),
        tables: Arc::new(Tables::default()),
        order: Order::Updates,
        block_length: BLOCK_LENGTH,
        round_items_max: ROUND_ITEMS_MAX,
    };
    let written = Lines::default();
    let mut outputs = Outputs::new(Box::new(written.clone()), None, settings.render.as_ref().clone());
    run(&options, &mut outputs, &Arc::new(AtomicBool::new(false))).expect("replays");
    let text = String::from_utf8(written.0.lock().expect("not poisoned").clone()).expect("JSON");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn several_partitions_say_what_a_replay_says(
        happenings in prop::collection::vec((0..USERS, 0..6_i64, 0..50_000_i64, 0..8_usize), 1..60),
        batches in prop::collection::vec(1..40_usize, 1..9),
    ) {
        let items = items(&happenings);
        prop_assert_eq!(live(&items, &batches), replay(&items));
    }
}

/// The property says nothing about logs of which nothing comes.
#[test]
fn there_is_something_to_say() {
    let happenings: Vec<(usize, i64, i64, usize)> =
        (0..40).map(|n| (n % USERS, (n / 8) as i64, (n * 1_200) as i64, n % 8)).collect();
    let lines = live(&items(&happenings), &[5, 30, 2]);
    assert!(lines.len() > 10, "{}", lines.len());
}
