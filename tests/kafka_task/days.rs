//! Days and reviews: a task waits before a day for which the organisation's profiles are not set, and before it would be
//! too far ahead of a review; and with both driven as `shared` says, several partitions say exactly what a replay of the
//! same log says, of attacked users, too.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use farsign::engine::Sight;
use farsign::engine::enrich::Tables;
use farsign::engine::facts::Item;
use farsign::engine::profile::VISIBLE_AFTER_DAYS;
use farsign::runtime::kafka::contributions::{Frontier, ProfilesRecord};
use farsign::runtime::kafka::outbox::{Destination, Frozen};
use farsign::runtime::kafka::partition::{PartitionTask, Stop, TaskSettings};
use farsign::runtime::replay::input::expand;
use farsign::runtime::replay::output::Outputs;
use farsign::runtime::replay::sequencer::{BLOCK_LENGTH, Options, ROUND_ITEMS_MAX, run};
use farsign::runtime::replay::settle::Order;
use farsign::runtime::replay::state::StateFiles;
use proptest::prelude::*;

use crate::bench::{Bench, Disk, Logged, line, settings};
use crate::common::stream::{self, HORIZON_S, shuffled};
use crate::common::world::{DAY_ZERO, Spec, at, sign_in};

const DAY: i32 = DAY_ZERO as i32;
const PARTITIONS: usize = 3;
/// Two users at least of each partition, so that none waits for a second witness of the time.
const USERS: usize = 2 * PARTITIONS;

fn touchy() -> TaskSettings {
    TaskSettings { engine: Arc::new(stream::touchy()), ..settings() }
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
    let begun = Frontier { day: None, complete_day: Some(DAY - 1), told_minute: Some(DAY * 24 * 60 + 8 * 60) };
    assert_eq!(frontier, Some(begun));
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

/// Two users at home, and one abroad at noon of the eighth day; then nothing but time goes by, an hour a record.
fn one_abroad() -> Vec<Logged> {
    let home = (0..8).flat_map(|day| [habit(0, day), habit(1, day)]);
    let hour = |hour: i64, user: usize, network| {
        let id = format!("hour-{hour}");
        sign_in(&Spec::new(&id, at(7, hour * 3_600), &format!("user-{user}"), network, "laptop"))
    };
    let later = (12..36)
        .map(|number| if number == 12 { hour(12, 1, "lagos-fixed") } else { hour(number, 0, "oslo-fixed") });
    let items: Vec<Item<'static>> = home.chain(later).collect();
    items.iter().enumerate().map(|(offset, item)| Logged::new(0, offset as i64, line(item))).collect()
}

#[test]
fn a_task_stops_when_it_would_be_too_far_ahead_of_a_review() {
    // What happened at noon is ripe after 16:00.
    let ripe = (DAY + 7) * 24 * 60 + 16 * 60 + 10;
    for (sight, taken_hours, told) in [(Sight::Settled, 5, ripe + 50), (Sight::Live, 7, ripe + 120)] {
        let mut bench = Bench::new(settings());
        bench.shared.advance(DAY + 100);
        let mut task = bench.task();
        task.set_sight(sight);
        let log = one_abroad();
        let taken = bench.take(&mut task, &log);
        assert_eq!((taken.records, taken.stop), (16 + taken_hours, Some(Stop::Review(ripe))), "{sight:?}");
        assert_eq!((bench.shared.wanted_review(), bench.shared.is_stopped()), (Some(ripe), true));
        // What others may wait for is handed over, as far as it can be told.
        let frozen = task.freeze().expect("short").expect("records were taken");
        let frontier = profiles(&frozen).last().map(|record| record.frontier);
        assert_eq!(frontier.and_then(|frontier| frontier.told_minute), Some(told), "{sight:?}");
        assert_eq!(bench.take(&mut task, &log[taken.records..]).records, 0, "still too far");
        assert!(task.freeze().expect("short").is_none(), "waiting is no news");
        // Nothing else waits for its review.
        bench.shared.open_reviews(ripe);
        assert_eq!(bench.take(&mut task, &log[taken.records..]).records, log.len() - taken.records);
        assert_eq!((task.waits_for_review(), bench.shared.is_stopped()), (None, false));
    }
}

/// Every user every day, and what else happens, by time. The last day's habits come when all else is reviewed.
fn items(happenings: &[(usize, i64, i64, usize)]) -> Vec<Item<'static>> {
    const NETWORKS: [&str; 4] = ["lagos-fixed", "newyork-gateway", "bergen-fixed", "frankfurt-vpn"];
    let mut items: Vec<Item<'static>> =
        (0..=18).flat_map(|day| (0..USERS).map(move |user| habit(user, day))).collect();
    for (index, (user, day, second, pick)) in happenings.iter().enumerate() {
        let device = ["laptop", "stranger"][pick % 2];
        let network = NETWORKS[pick / 2 % NETWORKS.len()];
        let (id, user) = (format!("event-{index}"), format!("user-{user}"));
        let mut spec = Spec::new(&id, at(12 + day, 30_000 + second), &user, network, device);
        if pick / 8 == 1 {
            spec.outcome = "wrong-password".to_owned();
        }
        items.push(sign_in(&spec));
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
    sight: Sight,
    disk: Disk,
    log: Vec<Logged>,
    taken: usize,
    frontier: Frontier,
    /// What was written, in order.
    lines: Vec<String>,
}

impl Lane {
    fn new(bench: &Bench, number: usize, items: &[Item<'_>], sight: Sight) -> Lane {
        let mine = items.iter().filter(|item| partition(item) == number);
        let log = mine.enumerate().map(|(offset, item)| Logged::new(0, offset as i64, line(item))).collect();
        let mut task = bench.task_of(number as i32);
        task.set_sight(sight);
        let (disk, frontier) = (Disk::default(), Frontier::default());
        Lane { task, sight, disk, log, taken: 0, frontier, lines: Vec::new() }
    }

    /// The task ends; another one goes on from what was committed.
    fn restart(&mut self, bench: &Bench, is_compacted: bool) {
        let mut task = bench.task_of(self.task.partition());
        task.set_sight(self.sight);
        self.task = self.disk.restore_into(task, is_compacted);
        self.taken = self.task.next()[0] as usize;
    }

    fn is_through(&self) -> bool {
        self.taken == self.log.len()
    }

    /// Takes what it may.
    fn take(&mut self, bench: &mut Bench, batch: usize) {
        let to = (self.taken + batch).min(self.log.len());
        self.taken += bench.take(&mut self.task, &self.log[self.taken..to]).records;
        if self.is_through() {
            self.task.rest();
        }
        self.task.look();
    }

    /// Commits, and hands over its contributions.
    fn commit(&mut self, bench: &Bench) {
        let Some(frozen) = self.task.freeze().expect("short") else { return };
        for record in frozen.outbox.records().filter(|record| record.destination == Destination::RiskDetections) {
            self.lines.push(String::from_utf8(record.payload.unwrap_or_default().to_vec()).expect("JSON"));
        }
        for record in profiles(&frozen) {
            bench.shared.profiles.contribute(&record.marks);
            bench.shared.profiles.attempts().contribute(&record.attempts);
            record.frontier.told_minute.iter().for_each(|minute| bench.shared.note_told(*minute));
            self.frontier = record.frontier;
        }
        self.disk.commit(Some(frozen));
    }

    fn is_behind(&self, day: i32) -> bool {
        let is_complete = |complete| complete >= day - VISIBLE_AFTER_DAYS;
        !self.is_through() && !self.frontier.complete_day.is_some_and(is_complete)
    }

    fn has_told(&self, minute: i32) -> bool {
        self.frontier.told_minute.is_some_and(|told| told >= minute)
    }
}

/// Lets begin what tasks wait for, as far as the others have come; true when anything did.
fn open(bench: &Bench, lanes: &[Lane]) -> bool {
    let shared = &bench.shared;
    let day = shared.wanted().filter(|day| !lanes.iter().any(|lane| lane.is_behind(*day)));
    let is_told = |minute: &i32| lanes.iter().all(|lane| lane.is_through() || lane.has_told(*minute));
    let review = shared.wanted_review().filter(is_told);
    day.iter().for_each(|day| shared.advance(*day));
    review.iter().for_each(|minute| shared.open_reviews(*minute));
    day.is_some() || review.is_some()
}

/// What the partitions' tasks write, in each one's order, the days and reviews driven as they are in a live run; and how
/// far one of them was ahead of the last review, in minutes, at most.
fn live(items: &[Item<'_>], batches: &[usize], restarts: &[usize], sight: Sight) -> (Vec<String>, i32) {
    let mut bench = Bench::new(touchy());
    let mut lanes: Vec<Lane> = (0..PARTITIONS).map(|number| Lane::new(&bench, number, items, sight)).collect();
    let mut turns = batches.iter().cycle().enumerate();
    let mut ahead = 0;
    let mut quiet = 0;
    while quiet <= PARTITIONS || lanes.iter().any(|lane| !lane.is_through()) {
        let (turn, batch) = turns.next().expect("endless");
        assert!(turn < 50_000, "the tasks wait for each other for ever");
        let lane = &mut lanes[turn % PARTITIONS];
        lane.take(&mut bench, *batch);
        if restarts.contains(&turn) {
            lane.restart(&bench, turn % 2 == 0);
        } else {
            lane.commit(&bench);
        }
        let waits = lane.task.waits_for_review().zip(lane.task.come_minute());
        ahead = waits.map_or(ahead, |(waits, come)| ahead.max(come - waits));
        quiet = if open(&bench, &lanes) { 0 } else { quiet + 1 };
    }
    (lanes.into_iter().flat_map(|lane| lane.lines).collect(), ahead)
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
    let settings = touchy();
    let options = Options {
        inputs: expand(&[path.display().to_string()]).expect("a file"),
        decoder: settings.decoder.clone(),
        filter: Arc::default(),
        threads: 1,
        engine: settings.engine.clone(),
        tables: Arc::new(Tables::default()),
        order: Order::Updates,
        block_length: BLOCK_LENGTH,
        state: StateFiles::default(),
        round_items_max: ROUND_ITEMS_MAX,
    };
    let written = Lines::default();
    let mut outputs = Outputs::new(Box::new(written.clone()), None, settings.render.as_ref().clone());
    run(&options, &mut outputs, &Arc::new(AtomicBool::new(false))).expect("replays");
    let text = String::from_utf8(written.0.lock().expect("not poisoned").clone()).expect("JSON");
    text.lines().map(str::to_owned).collect()
}

fn field(line: &str, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
    value[name].as_str().unwrap_or_default().to_owned()
}

/// Each user's lines, in order.
fn by_user(lines: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        users.entry(field(line, "userId")).or_default().push(line.clone());
    }
    users
}

/// The last version of each detection, those withdrawn left out.
fn standing(lines: &[String]) -> BTreeMap<String, String> {
    let mut last: BTreeMap<String, String> = lines.iter().map(|line| (field(line, "id"), line.clone())).collect();
    last.retain(|_, line| field(line, "riskDetail") != "aiConfirmedSigninSafe");
    last
}

/// Users of whom something was said that rests on what was attempted on others.
fn attacked(lines: &[String]) -> BTreeSet<String> {
    lines.iter().filter(|line| line.contains("\"attack\":{")).map(|line| field(line, "userId")).collect()
}

/// Every version of what was said of users whom no attack concerns.
fn of_others(lines: &[String], attacked: &BTreeSet<String>) -> BTreeMap<String, Vec<String>> {
    let mut users = by_user(lines);
    users.retain(|user, _| !attacked.contains(user));
    users
}

/// Without the dates of what is said of attacked users and does not rest on others' attempts.
fn undated(mut standing: BTreeMap<String, String>, attacked: &BTreeSet<String>) -> BTreeMap<String, String> {
    for line in standing.values_mut() {
        if attacked.contains(&field(line, "userId")) && !line.contains("\"attack\":{") {
            for name in ["detectedDateTime", "lastUpdatedDateTime"] {
                *line =
                    line.replace(&format!("\"{name}\":\"{}\"", field(line, name)), &format!("\"{name}\":null"));
            }
        }
    }
    standing
}

type Happenings = Vec<(usize, i64, i64, usize)>;

fn happenings() -> impl Strategy<Value = Happenings> {
    // Close enough that users meet each other's attempts, and far enough apart that some are learnt in between.
    prop::collection::vec((0..USERS, 0..4_i64, 0..50_000_i64, 0..16_usize), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, ..ProptestConfig::default() })]

    /// Whoever of the tasks is ahead, by up to a day, and whichever is restarted: what stands in the end is the same, byte
    /// for byte, and of users whom no attack concerns every version.
    #[test]
    fn several_partitions_say_what_a_replay_says(
        happenings in happenings(),
        batches in prop::collection::vec(1..40_usize, 1..9),
        restarts in prop::collection::vec(0..150_usize, 0..9),
    ) {
        let items = items(&happenings);
        let (live, replayed) = (live(&items, &batches, &restarts, Sight::Live).0, replay(&items));
        prop_assert_eq!(standing(&live), standing(&replayed));
        let attacked = &attacked(&live) | &attacked(&replayed);
        prop_assert_eq!(of_others(&live, &attacked), of_others(&replayed, &attacked));
    }

    /// The same in whatever order sign-ins arrive within the horizon; but when something came to be known of an attacked
    /// user that does not rest on others' attempts is the time of the late sign-in or of the review, whichever came last.
    #[test]
    fn the_order_of_arrival_does_not_show(
        happenings in happenings(),
        batches in prop::collection::vec(1..40_usize, 1..9),
        delays in prop::collection::vec(any::<i64>(), 1..60),
    ) {
        let items = shuffled(&items(&happenings), &delays, HORIZON_S);
        let (live, replayed) = (live(&items, &batches, &[], Sight::Live).0, replay(&items));
        let attacked = &attacked(&live) | &attacked(&replayed);
        prop_assert_eq!(undated(standing(&live), &attacked), undated(standing(&replayed), &attacked));
        prop_assert_eq!(of_others(&live, &attacked), of_others(&replayed, &attacked));
    }

    /// Tasks that stop at every review, as those that are read from files, say every version that a replay says.
    #[test]
    fn stopping_at_each_review_gives_every_version(
        happenings in happenings(),
        batches in prop::collection::vec(1..40_usize, 1..9),
    ) {
        let items = items(&happenings);
        prop_assert_eq!(by_user(&live(&items, &batches, &[], Sight::Settled).0), by_user(&replay(&items)));
    }
}

/// The properties say nothing about logs of which nothing comes, and of tasks that are never apart.
#[test]
fn there_is_something_to_say() {
    let at = |user: usize, day, minute: i64, pick| (user, day, minute * 60, pick);
    // One browser with all users from one place; wrong passwords of all, and one that was right; of one user alone.
    let browser = (0..USERS).map(|user| at(user, 0, 20 * user as i64, 1));
    let spray = (0..USERS).map(|user| at(user, 2, 20 * user as i64, 2 + 8)).chain([at(0, 2, 150, 3)]);
    let hammered = (0..4).map(|time| at(1, 0, 200 + time, 2 + 8)).chain([at(2, 0, 300, 3)]);
    let happenings: Happenings = browser.chain(spray).chain(hammered).collect();
    let (lines, ahead) = live(&items(&happenings), &[5, 30, 2], &[], Sight::Live);
    assert!(lines.len() > 10, "{}", lines.len());
    let kinds = ["\"passwordSpray\"", "\"suspiciousBrowser\"", "\"maliciousIPAddress\""];
    let found = kinds.map(|kind| lines.iter().filter(|line| line.contains(kind)).count());
    assert!(found.iter().all(|count| *count > 0), "{found:?}");
    assert!(ahead > 60, "{ahead} minutes");
}
