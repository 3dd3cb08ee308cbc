//! The organisation's profiles across instances: every instance reads every task's contributions and holds the whole.
//!
//! The topic has one partition, so all read the contributions in one order. A record that says its task has begun a day
//! proves that the day might begin, and that all it rests on stands before it. Whether the *next* day may begin is
//! decided here: every partition must have handed over the day before last, or have nothing left to read. Whether a
//! review may begin, too: every partition must have told what was attempted before it. Partitions that are silent for
//! long are waited for only so long; that is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::contributions::{Frontier, ProfilesRecord};
use super::failure;
use super::happening::Backoff;
use super::kafka_log::{self, Reader};
use super::learnt::{self, Learnt};
use super::names::Names;
use super::partition::PROFILES_PARTITION as PARTITION;
use super::shared::SharedProfiles;
use crate::engine::profile::VISIBLE_AFTER_DAYS;
use crate::engine::signin::SECONDS_PER_DAY;
use crate::health::{Beat, Health};
use crate::metrics::Metrics;
use crate::runtime::clock::{self, Deadline};

/// What readiness waits for until the profiles are read.
pub const SUBJECT: &str = "profiles";

const POLL: Duration = Duration::from_millis(100);
const ASK_MAX: Duration = Duration::from_secs(10);
/// A day further ahead of the clock is nobody's: time zones are a day apart at most, and clocks are a little wrong.
const AHEAD_DAYS_MAX: i32 = 2;
/// How often partitions that keep a day from beginning are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A partition with nothing left to read is not waited for when it has handed over nothing more for so long: its task
/// follows the others for a while ([`PartitionTask::rest`](super::partition::PartitionTask::rest)).
const REST: Duration = Duration::from_secs(2);

/// The profiles get the part of the fetch queue's bytes that one of so many partitions would.
const QUEUE_SHARE: usize = 16;

pub struct ProfilesThread {
    pub names: Arc<Names>,
    pub shared: Arc<SharedProfiles>,
    pub metrics: Metrics,
    pub health: Arc<Health>,
    pub beat: Beat,
    pub wait_max: Duration,
    pub stop: Arc<AtomicBool>,
}

/// What is known of the tasks, and what is waited for.
#[derive(Default)]
struct State {
    known: Known,
    day: Wait,
    review: Wait,
    /// Partitions so far behind that reviews go on without them, until they have caught up.
    left_out: BTreeSet<i32>,
    learnt: Learnt,
}

/// What was read of the log.
#[derive(Default)]
struct Known {
    frontiers: BTreeMap<i32, Frontier>,
    position: i64,
}

/// A day or a border that tasks have asked for.
#[derive(Default)]
struct Wait {
    wanted: Option<(i32, Instant)>,
    looked: Option<Instant>,
    /// Which partitions were looked at then.
    seen: BTreeSet<i32>,
    /// Those that had nothing left to read, since when, and what they had handed over then.
    idle: BTreeMap<i32, (Instant, Frontier)>,
    /// Where the log ended at the last look: what they have handed over with their last records stands before it.
    fence: i64,
}

impl Wait {
    /// Since when `place` is waited for.
    fn since(&mut self, place: i32, now: Instant) -> Instant {
        match self.wanted {
            Some((wanted, since)) if wanted == place => since,
            _ => {
                self.wanted = Some((place, now));
                now
            }
        }
    }

    /// Notes whether a partition has anything left to read.
    fn note(&mut self, partition: i32, has_records: bool, frontier: Frontier, now: Instant) {
        match self.idle.get(&partition) {
            _ if has_records => drop(self.idle.remove(&partition)),
            Some((_, known)) if *known == frontier => {}
            _ => drop(self.idle.insert(partition, (now, frontier))),
        }
    }

    /// Has the partition been idle for so long that it has handed over all it has?
    fn is_at_rest(&self, partition: i32, now: Instant) -> bool {
        self.idle.get(&partition).is_some_and(|(since, _)| now.duration_since(*since) >= REST)
    }
}

/// What became of a wait.
#[derive(Debug, PartialEq, Eq)]
enum Waited {
    /// Nothing is missing.
    Over,
    /// For so long that these are left out.
    TooLong(Vec<i32>),
    NotYet,
}

/// Who reads the log, and who knows where it ends, open transactions and all.
struct Clients {
    reader: Reader,
    watermarks: Reader,
}

impl Clients {
    fn new(names: &Names) -> Result<Clients, KafkaError> {
        let reader = kafka_log::standing_reader(names, "profiles", QUEUE_SHARE)?;
        Ok(Clients { reader, watermarks: kafka_log::watermark_reader(names)? })
    }

    fn ends(&self, topic: &str) -> Result<(i64, i64), KafkaError> {
        // Nothing comes but events of the client's own, a token it asks for above all.
        while self.watermarks.poll(Duration::ZERO).is_some() {}
        self.watermarks.fetch_watermarks(topic, PARTITION, ASK_MAX)
    }
}

/// What a record of the topic was.
pub enum Taken {
    /// What a task handed over, and how far it has come. `begins`: the day that it proves may begin, if none has.
    Task {
        partition: i32,
        frontier: Frontier,
        begins: Option<i32>,
    },
    /// A part of what was learnt elsewhere, and its last.
    Part,
    Learnt,
}

/// Takes one record; advancing to a day that begins is the caller's.
///
/// # Errors
/// When it cannot be read.
pub fn take_record(
    shared: &SharedProfiles,
    learnt: &mut Learnt,
    key: Option<&[u8]>,
    payload: Option<&[u8]>,
) -> Result<Taken, String> {
    if let Some(payload) = payload.filter(|payload| learnt::is_learnt(payload)) {
        return Ok(if learnt.take(payload, shared)? { Taken::Learnt } else { Taken::Part });
    }
    let partition = key.and_then(|key| key.first_chunk()).map(|key| i32::from_be_bytes(*key));
    let (Some(partition), Some(payload)) = (partition, payload) else {
        return Err("not a profiles record".to_owned());
    };
    let ProfilesRecord { frontier, marks, attempts } =
        ProfilesRecord::decode(payload).map_err(|error| error.to_string())?;
    shared.profiles.contribute(&marks);
    shared.profiles.attempts().contribute(&attempts);
    let is_new = |day: &i32| shared.day().is_none_or(|now| now < *day) && shared.is_possible(*day);
    Ok(Taken::Task { partition, frontier, begins: frontier.day.filter(is_new) })
}

impl ProfilesThread {
    /// Reads for as long as the program runs; a failure is tried again.
    pub fn run(self) {
        let mut state = State::default();
        let mut backoff = Backoff::default();
        while !self.stop.load(Ordering::Acquire) {
            match self.follow(&mut state) {
                Ok(()) => return,
                Err(error) => {
                    let wait = backoff.take();
                    tracing::warn!(wait_ms = wait.as_millis() as u64, "cannot read the shared profiles: {error}");
                    self.health.block(SUBJECT, error);
                    self.rest(wait);
                }
            }
        }
    }

    /// Sleeps, and shows that it is alive.
    fn rest(&self, wait: Duration) {
        let deadline = Deadline::after(wait);
        while !deadline.is_over() && !self.stop.load(Ordering::Acquire) {
            self.beat.beat();
            std::thread::sleep(POLL.min(deadline.remaining()));
        }
    }

    fn follow(&self, state: &mut State) -> Result<(), String> {
        let topic = &self.names.topics.profiles;
        let clients = Clients::new(&self.names).map_err(|error| error.to_string())?;
        let reader = &clients.reader;
        let (low, end) = clients.ends(topic).map_err(|error| error.to_string())?;
        state.known.position = state.known.position.max(low);
        let place = kafka_log::place(topic, PARTITION, state.known.position);
        reader.assign(&place).map_err(|error| error.to_string())?;
        let mut is_complete = false;
        while !self.stop.load(Ordering::Acquire) {
            self.beat.beat();
            self.shared.set_today_max(today_max());
            match reader.poll(POLL) {
                Some(Ok(message)) => {
                    if let Err(error) = self.take(message.key(), message.payload(), state) {
                        // What cannot be read stays unread: others write the rest. It is seen on the dashboards.
                        let offset = message.offset();
                        tracing::error!(offset, "a record of `{topic}` is left out of the profiles: {error}");
                        self.metrics.profile_rejected();
                    }
                    state.known.position = message.offset() + 1;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    let passed = kafka_log::position(reader, topic, PARTITION).ok().flatten();
                    state.known.position = state.known.position.max(passed.unwrap_or(0));
                }
                Some(Err(error)) if !failure::is_passing(&error) => return Err(error.to_string()),
                Some(Err(_)) | None => {}
            }
            if !is_complete && state.known.position >= end {
                is_complete = true;
                self.health.clear(SUBJECT);
                self.metrics.profiles(&self.shared.profiles.stats());
            }
            if is_complete {
                self.begin_wanted(&clients, state);
                self.open_reviews(&clients, state);
            }
        }
        Ok(())
    }

    fn take(&self, key: Option<&[u8]>, payload: Option<&[u8]>, state: &mut State) -> Result<(), String> {
        match take_record(&self.shared, &mut state.learnt, key, payload)? {
            Taken::Task { partition, frontier, begins } => {
                if let Some(day) = begins {
                    self.advance(day);
                }
                if let Some(minute) = frontier.told_minute {
                    self.shared.note_told(minute);
                }
                state.known.frontiers.insert(partition, frontier);
            }
            // What tasks had handed over before is part of it, or of an application that was cleared.
            Taken::Learnt => state.known.frontiers.clear(),
            Taken::Part => {}
        }
        Ok(())
    }

    fn advance(&self, day: i32) {
        self.shared.advance(day);
        self.metrics.profiles(&self.shared.profiles.stats());
    }

    /// Lets the day begin that tasks wait for, if it may.
    fn begin_wanted(&self, clients: &Clients, state: &mut State) {
        let Some(day) = self.shared.wanted() else {
            state.day.wanted = None;
            return;
        };
        let since = state.day.since(day, clock::now());
        let behind = behind(&state.known.frontiers, self.names.partitions, day);
        match self.wait(clients, (&mut state.day, &state.known), &behind, Some(since)) {
            Waited::NotYet => return,
            Waited::Over => {}
            Waited::TooLong(waiting) => {
                self.metrics.profile_day_incomplete();
                let (count, first) = (waiting.len(), waiting[0]);
                tracing::warn!(
                    day,
                    count,
                    first,
                    "a day begins although partitions have not handed over what it rests on: they are too far behind"
                );
            }
        }
        self.metrics.profile_waited(since.elapsed().as_secs_f64());
        self.advance(day);
    }

    /// Lets the reviews begin that tasks have asked for, if they may.
    fn open_reviews(&self, clients: &Clients, state: &mut State) {
        let Some(minute) = self.shared.wanted_review() else {
            state.review.wanted = None;
            return;
        };
        // Patience counts from when a task stands still: until then nobody waits.
        let stopped_since = if self.shared.is_stopped() {
            Some(state.review.since(minute, clock::now()))
        } else {
            state.review.wanted = None;
            None
        };
        let mut behind = untold(&state.known.frontiers, self.names.partitions, minute);
        state.left_out.retain(|partition| behind.contains(partition));
        behind.retain(|partition| !state.left_out.contains(partition));
        match self.wait(clients, (&mut state.review, &state.known), &behind, stopped_since) {
            Waited::NotYet => return,
            Waited::Over => {}
            Waited::TooLong(waiting) => {
                let (count, first) = (waiting.len(), waiting[0]);
                tracing::warn!(
                    minute,
                    count,
                    first,
                    "sign-ins are reviewed without what was attempted in partitions that are too far behind"
                );
                state.left_out.extend(waiting);
            }
        }
        if !state.left_out.is_empty() {
            self.metrics.profile_review_incomplete();
        }
        if let Some(since) = stopped_since {
            self.metrics.profile_waited(since.elapsed().as_secs_f64());
        }
        self.shared.open_reviews(told_by_all(&state.known.frontiers, minute));
    }

    /// Whether what `behind` have not handed over is missing: not of partitions with nothing left to read, nor for longer
    /// than is configured.
    fn wait(
        &self,
        clients: &Clients,
        (wait, known): (&mut Wait, &Known),
        behind: &[i32],
        since: Option<Instant>,
    ) -> Waited {
        if behind.is_empty() {
            return Waited::Over;
        }
        let now = clock::now();
        let is_due = wait.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK_EVERY);
        if is_due || !behind.iter().all(|partition| wait.seen.contains(partition)) {
            wait.looked = Some(now);
            self.look(clients, wait, known, behind, now);
        }
        let busy: Vec<i32> =
            behind.iter().copied().filter(|partition| !wait.idle.contains_key(partition)).collect();
        match since {
            _ if busy.is_empty() => {
                let is_over = behind.iter().all(|partition| wait.is_at_rest(*partition, now));
                if is_over && known.position >= wait.fence { Waited::Over } else { Waited::NotYet }
            }
            Some(since) if now.duration_since(since) > self.wait_max => Waited::TooLong(busy),
            _ => Waited::NotYet,
        }
    }

    /// Finds out which partitions have nothing left to read.
    fn look(&self, clients: &Clients, wait: &mut Wait, known: &Known, behind: &[i32], now: Instant) {
        wait.seen = behind.iter().copied().collect();
        wait.idle.retain(|partition, _| wait.seen.contains(partition));
        for partition in behind {
            let frontier = known.frontiers.get(partition).copied().unwrap_or_default();
            wait.note(*partition, self.has_records(&clients.reader, *partition), frontier, now);
        }
        match clients.ends(&self.names.topics.profiles) {
            Ok((_, end)) => wait.fence = end,
            // When Kafka does not say, nobody is known to be idle.
            Err(_) => wait.idle.clear(),
        }
    }

    /// Is there anything in the partition that no task has committed? When Kafka does not say, there may be.
    fn has_records(&self, reader: &Reader, partition: i32) -> bool {
        self.beat.beat();
        let lead = self.names.lead();
        let mut list = TopicPartitionList::new();
        list.add_partition(lead, partition);
        let committed = reader.committed_offsets(list, ASK_MAX).ok();
        let committed =
            committed.as_ref().and_then(|list| list.find_partition(lead, partition)).map(|e| e.offset());
        match (committed, reader.fetch_watermarks(lead, partition, ASK_MAX)) {
            (Some(Offset::Offset(next)), Ok((_, end))) => next < end,
            (Some(_), Ok((low, end))) => low < end,
            _ => true,
        }
    }
}

/// The last day that can be today anywhere, in days since 1970.
pub fn today_max() -> i32 {
    (clock::unix_seconds() / SECONDS_PER_DAY as f64) as i32 + AHEAD_DAYS_MAX
}

/// Partitions that have not handed over all that a sign-in of `day` sees.
fn behind(frontiers: &BTreeMap<i32, Frontier>, partitions: i32, day: i32) -> Vec<i32> {
    let needed = day.saturating_sub(VISIBLE_AFTER_DAYS);
    let is_behind = |partition: &i32| {
        let complete = frontiers.get(partition).and_then(|frontier| frontier.complete_day);
        complete.is_none_or(|complete| complete < needed)
    };
    (0..partitions).filter(is_behind).collect()
}

/// Partitions that have not told what was attempted before the border `minute`.
fn untold(frontiers: &BTreeMap<i32, Frontier>, partitions: i32, minute: i32) -> Vec<i32> {
    let told = |partition: &i32| frontiers.get(partition).and_then(|frontier| frontier.told_minute);
    (0..partitions).filter(|partition| told(partition).is_none_or(|told| told < minute)).collect()
}

/// How far all have told that have told as far as `minute`: at least so far.
fn told_by_all(frontiers: &BTreeMap<i32, Frontier>, minute: i32) -> i32 {
    let told = frontiers.values().filter_map(|frontier| frontier.told_minute);
    told.filter(|told| *told >= minute).min().unwrap_or(minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_rests_on_all_partitions() {
        let frontier = |complete_day| Frontier { complete_day, ..Frontier::default() };
        let check = |frontiers: &[(i32, Option<i32>)], day, expected: &[i32]| {
            let frontiers =
                frontiers.iter().map(|(partition, complete)| (*partition, frontier(*complete))).collect();
            assert_eq!(behind(&frontiers, 3, day), expected, "{day}");
        };
        check(&[(0, Some(8)), (1, Some(8)), (2, Some(9))], 10, &[]);
        check(&[(0, Some(8)), (1, Some(7)), (2, None)], 10, &[1, 2]);
        check(&[(0, Some(8))], 10, &[1, 2]);
        check(&[], i32::MIN, &[0, 1, 2]);
    }

    #[test]
    fn a_review_rests_on_what_all_have_told() {
        let frontiers: BTreeMap<i32, Frontier> = [(0, Some(30)), (1, Some(20)), (2, Some(10)), (3, None)]
            .map(|(partition, told_minute)| (partition, Frontier { told_minute, ..Frontier::default() }))
            .into();
        assert_eq!(untold(&frontiers, 5, 10), [3, 4]);
        assert_eq!(untold(&frontiers, 5, 20), [2, 3, 4]);
        assert_eq!(told_by_all(&frontiers, 10), 10);
        assert_eq!(told_by_all(&frontiers, 11), 20, "as far as those who are waited for");
        assert_eq!(told_by_all(&frontiers, 40), 40);
    }

    #[test]
    fn another_place_is_waited_for_anew() {
        let (mut wait, now) = (Wait::default(), clock::now());
        let later = now + POLL;
        assert_eq!([wait.since(5, now), wait.since(5, later), wait.since(6, later)], [now, now, later]);
    }

    /// A task without records follows the others for a while; only when it hands over nothing more it is at its end.
    #[test]
    fn a_partition_is_at_rest_when_it_has_handed_over_all() {
        let (mut wait, start) = (Wait::default(), clock::now());
        let told = |told_minute| Frontier { told_minute, ..Frontier::default() };
        wait.note(3, false, told(None), start);
        assert!(!wait.is_at_rest(3, start) && wait.is_at_rest(3, start + REST));
        wait.note(3, false, told(Some(10)), start + REST);
        assert!(!wait.is_at_rest(3, start + REST) && wait.is_at_rest(3, start + REST * 2));
        wait.note(3, false, told(Some(10)), start + REST * 2);
        assert!(wait.is_at_rest(3, start + REST * 2));
        wait.note(3, true, told(Some(10)), start + REST * 2);
        assert!(!wait.is_at_rest(3, start + REST * 9) && !wait.is_at_rest(4, start + REST * 9));
    }
}
