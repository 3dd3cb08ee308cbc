//! A lane: the thread that carries one input partition's records over, and commits.
//!
//! It may block in Kafka; nobody else waits for it. While a transaction is under way it reads nothing, so its memory
//! is one batch, the parcel and the client's queue. It has no state: whatever goes wrong, it begins anew at the
//! group's committed offset.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;

use super::Shared;
use super::lane_log::{ASK_MAX, LaneLog, committed_offset, reader};
use super::relay::{Parcel, Relay};
use crate::health::Beat;
use crate::metrics::labels::{CommitOutcome, TaskFailure, TaskState};
use crate::metrics::{BatchCounts, TaskMetrics};
use crate::runtime::clock;
use crate::runtime::kafka::failure::{Class, Failure};
use crate::runtime::kafka::happening::Backoff;
use crate::runtime::kafka::kafka_log::Reader;
use crate::runtime::kafka::kafka_log::place;
use crate::runtime::kafka::open::{OpenError, start_of};
use crate::runtime::kafka::partition::Stop;
use crate::runtime::kafka::record::{Record, Source};
use crate::runtime::kafka::run::BEAT_MAX;
use crate::runtime::kafka::slot::record;

/// Fetched records that wait in a lane's client, bytes.
const QUEUE_BYTES_MAX: u64 = 4 << 20;
/// How long a poll waits: after this the lane looks whether it is to close.
const POLL: Duration = Duration::from_millis(50);
/// How often the partition's end is asked for.
const LAG_INTERVAL: Duration = Duration::from_secs(5);
const LAG_ASK_MAX: Duration = Duration::from_secs(1);
/// Polls of the group that must come back before a lane begins anew: it may not be ours any more.
const POLLS_BEFORE_RETRY: u64 = 2;

/// The lane's partition goes elsewhere.
pub struct Close {
    /// It has gone already: nothing can be committed.
    pub lost: bool,
    pub done: Sender<i32>,
}

/// Why a lane does not go on as it is.
enum Ending {
    Closed,
    /// Beginning anew may help.
    Again(String, TaskFailure),
    /// Only people can help.
    Stopped(String, TaskFailure),
}

pub struct Lane {
    shared: Arc<Shared>,
    source: Source,
    partition: i32,
    closes: Receiver<Close>,
    close: Option<Close>,
    /// Nobody is left to tell it anything.
    is_orphan: bool,
    metrics: TaskMetrics,
    backoff: Backoff,
    /// Of a transaction whose outcome is not known: the offset it would have left, and what it counted.
    unsure: Option<(i64, BatchCounts)>,
}

impl Lane {
    pub fn new(shared: Arc<Shared>, source: Source, partition: i32, closes: Receiver<Close>) -> Lane {
        let (close, is_orphan, backoff, unsure) = (None, false, Backoff::default(), None);
        let metrics = shared.metrics.task(partition);
        let lane = Lane { shared, source, partition, closes, close, is_orphan, metrics, backoff, unsure };
        lane.shared.health.block(&lane.subject(), "it has not begun");
        lane
    }

    /// The lane's name, for threads and health.
    pub fn subject(&self) -> String {
        format!("repartition {} {}", self.source.topic, self.partition)
    }

    pub fn run(mut self) {
        // Taking over and committing may each take as long as Kafka lets them.
        let silence_max = self.shared.names.transaction_timeout * 4 + ASK_MAX * 2 + BEAT_MAX;
        let beat = self.shared.health.watch(&self.subject(), silence_max);
        while !self.is_closing() {
            let Err(ending) = self.work(&beat) else { continue };
            match ending {
                Ending::Closed => break,
                Ending::Again(reason, cause) => {
                    let wait = self.backoff.take();
                    tracing::warn!(
                        wait_ms = wait.as_millis() as u64,
                        "{}: {reason}; trying again",
                        self.subject()
                    );
                    self.fail(&reason, cause);
                    self.pause(wait, &beat);
                }
                Ending::Stopped(reason, cause) => {
                    tracing::error!("{} stops: {reason}", self.subject());
                    self.fail(&reason, cause);
                    while !self.is_closing() {
                        self.pause(POLL, &beat);
                    }
                }
            }
        }
        self.shared.health.clear(&self.subject());
        if let Some(close) = self.close.take() {
            close.done.send(self.partition).ok();
        }
    }

    fn fail(&mut self, reason: &str, cause: TaskFailure) {
        self.shared.metrics.task_failed(cause);
        self.shared.health.block(&self.subject(), reason);
        self.metrics.state(TaskState::Stopping);
    }

    fn is_closing(&mut self) -> bool {
        match self.closes.try_recv() {
            Ok(close) => self.close = Some(close),
            Err(TryRecvError::Disconnected) => self.is_orphan = true,
            Err(TryRecvError::Empty) => {}
        }
        self.is_orphan || self.close.is_some()
    }

    /// Waits, and until the group has been heard of.
    fn pause(&mut self, wait: Duration, beat: &Beat) {
        let until = clock::now() + wait;
        let polls = self.shared.board.polls() + POLLS_BEFORE_RETRY;
        while !self.is_closing() && (clock::now() < until || self.shared.board.polls() < polls) {
            beat.beat();
            std::thread::sleep(POLL.min(wait));
        }
    }

    /// Carries records over until something ends it.
    fn work(&mut self, beat: &Beat) -> Result<(), Ending> {
        self.metrics.state(TaskState::Restoring);
        let (mut log, reader, mut relay) = self.open()?;
        self.metrics.state(TaskState::Running);
        self.shared.health.clear(&self.subject());
        let mut news_since: Option<Instant> = relay.has_news().then(clock::now);
        let mut lag_due = clock::now();
        loop {
            beat.beat();
            if self.is_closing() {
                let is_lost = self.close.as_ref().is_none_or(|close| close.lost);
                if relay.has_news() && !is_lost {
                    self.commit(&mut log, &mut relay)?;
                }
                return Err(Ending::Closed);
            }
            let due = news_since.map(|since| since + self.shared.run.commit_interval);
            let wait = due.map_or(POLL, |due| due.saturating_duration_since(clock::now()).min(POLL));
            let stop = self.read(&reader, &mut relay, wait)?;
            if relay.has_news() {
                news_since.get_or_insert_with(clock::now);
            }
            let is_full = relay.bytes_waiting() >= self.shared.run.commit_bytes_max;
            let is_time = due.is_some_and(|due| clock::now() >= due);
            if relay.has_news() && (is_full || is_time || stop.is_some()) {
                news_since = None;
                self.commit(&mut log, &mut relay)?;
            }
            if let Some(stop) = stop {
                return Err(stopped(stop));
            }
            if clock::now() >= lag_due {
                self.tell_lag(&reader, relay.next());
                lag_due = clock::now() + LAG_INTERVAL;
            }
        }
    }

    /// Takes the lane over. The order matters: the new producer ends what the old one left open, and only then is the
    /// group's offset final.
    fn open(&mut self) -> Result<(LaneLog, Reader, Relay), Ending> {
        let shared = self.shared.clone();
        let (topic, partition) = (&self.source.topic, self.partition);
        let again = |what: &str, error: &dyn std::fmt::Display| {
            Ending::Again(format!("{what}: {error}"), TaskFailure::Kafka)
        };
        let group = shared.group.wait().clone();
        let log = LaneLog::open(shared.names.clone(), group, topic, partition)
            .map_err(|error| again("cannot take over", &error))?;
        let reader = reader(&shared.connection, QUEUE_BYTES_MAX)
            .map_err(|error| again("cannot make a Kafka client", &error))?;
        let committed = committed_offset(&reader, topic, partition)
            .map_err(|error| again("cannot read the group's offset", &error))?;
        let (start, on_data_loss) = (shared.input.start, shared.input.on_data_loss);
        let (next, lost) =
            start_of(&reader, topic, partition, committed, start, on_data_loss).map_err(|error| match error {
                OpenError::DataLoss(reason) => Ending::Stopped(reason, TaskFailure::Offset),
                error => again("cannot begin", &error),
            })?;
        shared.metrics.lost_records(lost);
        reader.assign(&place(topic, partition, next)).map_err(|error| again("cannot begin to read", &error))?;
        if let Some((left_at, counts)) = self.unsure.take() {
            let is_written = committed == Some(left_at);
            shared.metrics.transaction(match is_written {
                true => CommitOutcome::UnknownCommitted,
                false => CommitOutcome::UnknownResent,
            });
            if is_written {
                shared.metrics.add_batch(&counts);
            }
        }
        let partitions = usize::try_from(shared.names.partitions).unwrap_or(1);
        let is_committed = committed == Some(next);
        let relay =
            Relay::new(shared.settings.clone(), self.source.clone(), partition, partitions, next, is_committed);
        Ok((log, reader, relay))
    }

    /// Reads a batch; `wait` is for its first record.
    fn read(&self, reader: &Reader, relay: &mut Relay, wait: Duration) -> Result<Option<Stop>, Ending> {
        let run = &self.shared.run;
        let mut messages: Vec<BorrowedMessage<'_>> = Vec::new();
        let (mut bytes, mut failed) = (0, None);
        while messages.len() < run.batch_records_max && bytes < run.commit_bytes_max {
            match reader.poll(if messages.is_empty() { wait } else { Duration::ZERO }) {
                Some(Ok(message)) => {
                    bytes += message.payload_len() + message.key_len();
                    messages.push(message);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if is_passing(&error) => {
                    tracing::debug!(%error, "{}: the reader reports an error", self.subject());
                    break;
                }
                Some(Err(error)) => {
                    failed = Some(Ending::Again(format!("cannot read on: {error}"), TaskFailure::Kafka));
                    break;
                }
                None => break,
            }
        }
        let records: Vec<Record<'_>> = messages.iter().map(|message| record(0, message)).collect();
        let stop = relay.take(&records);
        failed.map_or(Ok(stop), Err)
    }

    fn commit(&mut self, log: &mut LaneLog, relay: &mut Relay) -> Result<(), Ending> {
        let parcel = relay.pack();
        let started = clock::now();
        if let Err(failure) = log.commit(&parcel) {
            return Err(self.committed_not(parcel, &failure));
        }
        let metrics = &self.shared.metrics;
        metrics.transaction(CommitOutcome::Committed);
        metrics.committed(started.elapsed().as_secs_f64(), clock::unix_seconds());
        metrics.add_batch(&parcel.counts);
        self.metrics.next_offset(&self.source.topic, parcel.next);
        self.backoff = Backoff::default();
        if log.is_suspect() {
            metrics.producer_recycled();
            let renewed = log.renew();
            return renewed.map_err(|failure| {
                Ending::Again(format!("cannot replace the producer: {failure}"), TaskFailure::Kafka)
            });
        }
        Ok(())
    }

    fn committed_not(&mut self, parcel: Parcel, failure: &Failure) -> Ending {
        let metrics = &self.shared.metrics;
        metrics.producer_recycled();
        let cause = match failure.class {
            Class::GroupFenced | Class::Fenced => {
                metrics.transaction(CommitOutcome::Fenced);
                TaskFailure::Fenced
            }
            Class::Abortable | Class::TooLarge | Class::QueueFull => {
                metrics.transaction(CommitOutcome::Aborted);
                TaskFailure::Kafka
            }
            // Told when the group's offset has been read.
            Class::Retriable | Class::Fatal | Class::Unknown | Class::DrainTimeout => {
                self.unsure = Some((parcel.next, parcel.counts));
                TaskFailure::Kafka
            }
        };
        Ending::Again(format!("a transaction did not go through: {failure}"), cause)
    }

    fn tell_lag(&mut self, reader: &Reader, next: i64) {
        // Not to be had while brokers are away; then there is no news.
        if let Ok((_, end)) = reader.fetch_watermarks(&self.source.topic, self.partition, LAG_ASK_MAX) {
            self.metrics.lag(&self.source.topic, u64::try_from(end - next).unwrap_or(0));
        }
    }
}

fn stopped(stop: Stop) -> Ending {
    let reason = match stop {
        Stop::Refused(reason) => reason,
        Stop::Breaker { refused, records } => {
            format!("{refused} of the last {records} records cannot be read: is `input.format` right?")
        }
        // Days are the tasks' business.
        Stop::Day(day) => format!("day `{day}` may not begin"),
        Stop::Review(minute) => format!("the review at minute `{minute}` may not begin"),
    };
    Ending::Stopped(reason, TaskFailure::Record)
}

/// Errors that the client mends itself: brokers that are away.
fn is_passing(error: &KafkaError) -> bool {
    let passing = [Code::AllBrokersDown, Code::BrokerTransportFailure, Code::OperationTimedOut, Code::Resolve];
    error.rdkafka_error_code().is_some_and(|code| passing.contains(&code))
}
