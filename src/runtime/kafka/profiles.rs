//! The organisation's profiles across instances: every instance reads every task's contributions and holds the whole.
//!
//! The topic has one partition, so all read the contributions in one order. A record that says its task has begun a day
//! proves that the day might begin, and that all it rests on stands before it. Whether the *next* day may begin is
//! decided here: every partition must have handed over the day before last, or have nothing left to read. Partitions
//! that are silent for long are waited for only so long; that is counted.

use std::collections::BTreeMap;
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

/// What is known of the tasks, and since when a day is waited for.
#[derive(Default)]
struct State {
    frontiers: BTreeMap<i32, Frontier>,
    position: i64,
    wanted: Option<(i32, Instant)>,
    looked: Option<Instant>,
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
        let (low, end) =
            kafka_log::uncommitted_watermarks(&self.names, topic, PARTITION).map_err(|error| error.to_string())?;
        let reader =
            kafka_log::standing_reader(&self.names, "profiles", QUEUE_SHARE).map_err(|error| error.to_string())?;
        state.position = state.position.max(low);
        let place = kafka_log::place(topic, PARTITION, state.position);
        reader.assign(&place).map_err(|error| error.to_string())?;
        let mut is_complete = false;
        while !self.stop.load(Ordering::Acquire) {
            self.beat.beat();
            self.shared.set_today_max(today() + AHEAD_DAYS_MAX);
            match reader.poll(POLL) {
                Some(Ok(message)) => {
                    if let Err(error) = self.take(message.key(), message.payload(), state) {
                        // What cannot be read stays unread: others write the rest. It is seen on the dashboards.
                        let offset = message.offset();
                        tracing::error!(offset, "a record of `{topic}` is left out of the profiles: {error}");
                        self.metrics.profile_rejected();
                    }
                    state.position = message.offset() + 1;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    let passed = kafka_log::position(&reader, topic, PARTITION).ok().flatten();
                    state.position = state.position.max(passed.unwrap_or(0));
                }
                Some(Err(error)) if !failure::is_passing(&error) => return Err(error.to_string()),
                Some(Err(_)) | None => {}
            }
            if !is_complete && state.position >= end {
                is_complete = true;
                self.health.clear(SUBJECT);
                self.metrics.profiles(&self.shared.profiles.stats());
            }
            if is_complete {
                self.begin_wanted(&reader, state);
            }
        }
        Ok(())
    }

    fn take(&self, key: Option<&[u8]>, payload: Option<&[u8]>, state: &mut State) -> Result<(), String> {
        let partition = key.and_then(|key| key.first_chunk()).map(|key| i32::from_be_bytes(*key));
        let (Some(partition), Some(payload)) = (partition, payload) else {
            return Err("not a profiles record".to_owned());
        };
        let record = ProfilesRecord::decode(payload).map_err(|error| error.to_string())?;
        self.shared.profiles.contribute(&record.marks);
        self.shared.profiles.attempts().contribute(&record.attempts);
        if let Some(day) = record.frontier.day
            && self.shared.day().is_none_or(|now| now < day)
            && self.shared.is_possible(day)
        {
            self.advance(day);
        }
        state.frontiers.insert(partition, record.frontier);
        Ok(())
    }

    fn advance(&self, day: i32) {
        self.shared.advance(day);
        self.metrics.profiles(&self.shared.profiles.stats());
    }

    /// Lets the day begin that tasks wait for, if it may.
    fn begin_wanted(&self, reader: &Reader, state: &mut State) {
        let Some(day) = self.shared.wanted() else {
            state.wanted = None;
            return;
        };
        let now = clock::now();
        let since = match state.wanted {
            Some((wanted, since)) if wanted == day => since,
            _ => now,
        };
        state.wanted = Some((day, since));
        let behind = behind(&state.frontiers, self.names.partitions, day);
        if behind.is_empty() {
            return self.begin(day, since);
        }
        if state.looked.is_some_and(|looked| now.duration_since(looked) < LOOK_EVERY) {
            return;
        }
        state.looked = Some(now);
        let waiting: Vec<i32> =
            behind.into_iter().filter(|partition| self.has_records(reader, *partition)).collect();
        if waiting.is_empty() {
            self.begin(day, since);
        } else if now.duration_since(since) > self.wait_max {
            self.metrics.profile_day_incomplete();
            let (count, first) = (waiting.len(), waiting[0]);
            tracing::warn!(
                day,
                count,
                first,
                "a day begins although partitions have not handed over what it rests on: they are too far behind"
            );
            self.begin(day, since);
        }
    }

    fn begin(&self, day: i32, since: Instant) {
        self.metrics.profile_waited(since.elapsed().as_secs_f64());
        self.advance(day);
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

/// Today, in days since 1970, UTC.
fn today() -> i32 {
    (clock::unix_seconds() / SECONDS_PER_DAY as f64) as i32
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_rests_on_all_partitions() {
        let frontier = |complete_day| Frontier { day: None, complete_day };
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
}
