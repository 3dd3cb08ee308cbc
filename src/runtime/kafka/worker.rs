//! A worker: a thread that owns some of the tasks, with a client of its own to read for them.
//!
//! It tells happenings to its tasks, gives each its turn, and sleeps when none has anything to do. It never waits for
//! Kafka: restores and commits run on threads of their own and come back as happenings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;

use super::commit::{CommitDone, CommitJob};
use super::happening::{Backoff, Board, Happening};
use super::judging::{Judging, Judgings};
use super::kafka_log::{Reader, place};
use super::log::Failure;
use super::names::Names;
use super::open::{Caution, OpenError, OpenJob, Opened};
use super::partition::PartitionTask;
use super::protocol::Outcome;
use super::slot::{Queue, Running, Tools, Turn, changelog_size};
use super::snapshot::{Head, Snapshot};
use crate::config::RunConfig;
use crate::engine::enrich::Enricher;
use crate::health::{Beat, Health};
use crate::metrics::labels::{CommitOutcome, TaskFailure, TaskState};
use crate::metrics::{BatchCounts, Lags, Metrics, TaskMetrics};
use crate::runtime::clock;

/// How long a worker sleeps at most: it beats, and looks whether a day may begin.
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// A seek right after an assignment may come too early for librdkafka; it is tried for so long, this often.
const SEEK_MAX: Duration = Duration::from_secs(1);
const SEEK_WAIT: Duration = Duration::from_millis(10);

const SNAPSHOT_TURNS: i32 = 16;
/// When no snapshot can be made, it is tried again after this.
const SNAPSHOT_LATER: Duration = Duration::from_secs(1);
/// Commits of a task that fail in a row before it counts as not ready.
const TRIES_MAX: u32 = 3;

/// What a worker is given.
pub struct Setup {
    pub names: Arc<Names>,
    pub run: RunConfig,
    pub reader: Arc<Reader>,
    pub judging: Arc<Judgings>,
    pub board: Arc<Board>,
    pub metrics: Metrics,
    pub health: Arc<Health>,
    pub beat: Beat,
    pub opens: Sender<OpenJob>,
    pub commits: Sender<CommitJob>,
    pub snapshots: Sender<Snapshot>,
    pub inbox_sent: Sender<Happening>,
    pub inbox: Receiver<Happening>,
    pub ring_sent: Sender<()>,
    pub ring: Receiver<()>,
}

enum Phase {
    Restoring,
    Running(Box<Running>),
    /// To be opened again at this time.
    Waiting(Instant),
    /// It stays as it is until the partition goes elsewhere or the program is started anew.
    Ended,
}

struct Slot {
    epoch: u64,
    phase: Phase,
    caution: Caution,
    backoff: Backoff,
    /// When the next snapshot is to be made.
    snapshot_at: Instant,
    /// Transaction of the last one.
    snapshot: u64,
    void: Arc<AtomicBool>,
    /// Records of the changelog still to be read.
    remaining: Arc<AtomicU64>,
    /// Answered when the task has closed.
    closing: Option<Sender<i32>>,
    metrics: TaskMetrics,
}

pub struct Worker {
    setup: Setup,
    judging: Judging,
    enricher: Enricher,
    slots: BTreeMap<i32, Slot>,
    lags: Lags,
    is_stopping: bool,
    /// Openings of tasks so far; each has its number.
    openings: u64,
}

impl Worker {
    pub fn new(setup: Setup) -> Worker {
        let judging = setup.judging.current();
        let enricher = Enricher::new(judging.tables.clone());
        let lags = setup.metrics.lags();
        Worker { setup, judging, enricher, slots: BTreeMap::new(), lags, is_stopping: false, openings: 0 }
    }

    pub fn run(mut self) {
        while !(self.is_stopping && self.slots.is_empty()) {
            self.setup.beat.beat();
            while let Ok(happening) = self.setup.inbox.try_recv() {
                self.handle(happening);
            }
            self.serve_reader();
            let is_busy = self.turns();
            self.adopt_judging();
            if !is_busy {
                self.sleep();
            }
        }
    }

    fn sleep(&mut self) {
        let now = clock::now();
        let due = |slot: &Slot| match &slot.phase {
            Phase::Running(running) => running.due(&self.setup.run),
            Phase::Waiting(until) => Some(*until),
            Phase::Restoring | Phase::Ended => None,
        };
        let next = self.slots.values().filter_map(due).min().unwrap_or(now + SLEEP_MAX);
        let wait = next.saturating_duration_since(now).clamp(Duration::from_millis(1), SLEEP_MAX);
        let happened = crossbeam_channel::select! {
            recv(self.setup.ring) -> _ => None,
            recv(self.setup.inbox) -> happening => happening.ok(),
            default(wait) => None,
        };
        if let Some(happening) = happened {
            self.handle(happening);
        }
    }

    /// Events of the reader that belong to no partition, and records that slipped past a queue: a seek has made them
    /// void, so that they are delivered again where they belong.
    fn serve_reader(&self) {
        while let Some(event) = self.setup.reader.poll(Duration::ZERO) {
            match event {
                Ok(_) | Err(KafkaError::PartitionEOF(_)) => {}
                Err(error) => {
                    tracing::warn!(%error, "a reader reports an error");
                    break;
                }
            }
        }
    }

    fn handle(&mut self, happening: Happening) {
        match happening {
            Happening::Assigned { partition } => self.assigned(partition),
            Happening::Revoked { partition, lost, done } => self.revoked(partition, lost, done),
            Happening::Restored { partition, epoch, opened } => self.restored(partition, epoch, opened),
            Happening::Committed(done) => self.committed(*done),
            Happening::Lag { partition, topic, records } => {
                if let Some(slot) = self.slots.get_mut(&partition) {
                    slot.metrics.lag(&topic, records);
                }
            }
            Happening::Stop => self.is_stopping = true,
        }
    }

    fn assigned(&mut self, partition: i32) {
        // One that is still there has lost its partition in between.
        self.drop_task(partition);
        let slot = Slot {
            epoch: 0,
            phase: Phase::Restoring,
            caution: Caution::default(),
            backoff: Backoff::default(),
            snapshot_at: clock::now() + snapshot_wait(&self.setup.run, partition),
            snapshot: 0,
            void: Arc::default(),
            remaining: Arc::default(),
            closing: None,
            metrics: self.setup.metrics.task(partition),
        };
        self.slots.insert(partition, slot);
        self.open(partition);
    }

    /// Has the task's state read.
    fn open(&mut self, partition: i32) {
        self.openings += 1;
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        // What is still under way of an earlier opening is void.
        slot.epoch = self.openings;
        slot.phase = Phase::Restoring;
        slot.metrics.state(TaskState::Restoring);
        self.setup.health.block(&subject(partition), "its state is being restored");
        let job = OpenJob {
            partition,
            epoch: slot.epoch,
            settings: self.judging.settings.clone(),
            caution: slot.caution.clone(),
            void: slot.void.clone(),
            remaining: slot.remaining.clone(),
            inbox: self.setup.inbox_sent.clone(),
        };
        self.setup.opens.send(job).expect("the restorers are there");
    }

    fn restored(&mut self, partition: i32, epoch: u64, opened: Result<Box<Opened>, OpenError>) {
        let Some(slot) = self.slots.get_mut(&partition).filter(|slot| slot.epoch == epoch) else { return };
        match opened {
            Ok(opened) => {
                let (changes, took) = (opened.changes, opened.took);
                let queues = match queues(&self.setup, &opened.task) {
                    Ok(queues) => queues,
                    Err(error) => {
                        unassign(&self.setup, partition);
                        return self.postpone(partition, &format!("cannot begin to read: {error}"));
                    }
                };
                tracing::info!(partition, changes, took_ms = took.as_millis() as u64, "task is running");
                self.setup.metrics.restored_records(changes);
                self.setup.metrics.restored(took.as_secs_f64());
                let mut running = Box::new(Running::new(*opened, queues));
                // The configuration may have changed while the state was read.
                running.reconfigure(self.judging.settings.clone());
                slot.backoff = Backoff::default();
                let next = self.setup.names.sources.iter().zip(running.task.next());
                let next = next.map(|(source, next)| (source.topic.clone(), *next)).collect();
                self.setup.board.post(partition, next);
                slot.phase = Phase::Running(running);
                slot.metrics.restore_remaining(0);
                slot.metrics.state(TaskState::Running);
                self.setup.health.clear(&subject(partition));
            }
            // Not this task alone: what others did with it would be forgotten by the import that makes it whole.
            Err(OpenError::HalfImported(reason)) => self.setup.board.end(reason.to_string()),
            Err(OpenError::DataLoss(reason)) => self.end(partition, &reason, TaskFailure::Offset),
            Err(error) => self.postpone(partition, &format!("cannot restore its state: {error}")),
        }
    }

    /// Opens the task again after a while.
    fn postpone(&mut self, partition: i32, reason: &str) {
        self.close_queues(partition);
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let wait = slot.backoff.take();
        tracing::error!(partition, wait_ms = wait.as_millis() as u64, "{reason}; trying again");
        self.setup.metrics.task_failed(TaskFailure::Restore);
        self.setup.health.block(&subject(partition), reason);
        slot.metrics.state(TaskState::Stopping);
        slot.phase = Phase::Waiting(clock::now() + wait);
    }

    /// Stops the task as the configuration asks: nothing is lost, nothing goes on.
    fn end(&mut self, partition: i32, reason: &str, cause: TaskFailure) {
        self.close_queues(partition);
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        tracing::error!(partition, "the task stops: {reason}");
        self.setup.metrics.task_failed(cause);
        self.setup.health.block(&subject(partition), reason);
        slot.metrics.state(TaskState::Stopping);
        slot.phase = Phase::Ended;
        self.answer_closing(partition);
    }

    fn revoked(&mut self, partition: i32, lost: bool, done: Sender<i32>) {
        let Some(slot) = self.slots.get_mut(&partition) else {
            done.send(partition).ok();
            return;
        };
        slot.closing = Some(done);
        let closes_clean = !lost && matches!(slot.phase, Phase::Running(_));
        if !closes_clean {
            self.drop_task(partition);
        }
    }

    /// Gives up the task with all it has not written.
    fn drop_task(&mut self, partition: i32) {
        self.close_queues(partition);
        if let Some(slot) = self.slots.remove(&partition) {
            slot.void.store(true, Ordering::Release);
            if let Some(done) = slot.closing {
                done.send(partition).ok();
            }
        }
        self.setup.health.clear(&subject(partition));
        self.setup.board.withdraw(partition);
    }

    fn answer_closing(&mut self, partition: i32) {
        if self.slots.get(&partition).is_some_and(|slot| slot.closing.is_some()) {
            self.drop_task(partition);
        }
    }

    fn close_queues(&mut self, partition: i32) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let Phase::Running(running) = &mut slot.phase else { return };
        running.queues.clear();
        unassign(&self.setup, partition);
    }

    fn committed(&mut self, done: CommitDone) {
        let polls = self.setup.board.polls();
        let (partition, epoch) = (done.partition, done.epoch);
        let (took, outcome) = (done.took, label(&done.outcome));
        let Some(slot) = self.slots.get_mut(&partition).filter(|slot| slot.epoch == epoch) else { return };
        let Phase::Running(running) = &mut slot.phase else { return };
        let renewals = running.renewals();
        if let Outcome::Retry(failure) = &done.outcome {
            tracing::warn!(partition, "a transaction has to be tried again: {failure}");
        }
        self.setup.metrics.transaction(outcome);
        let result = running.committed(done, polls);
        for _ in renewals..running.renewals() {
            self.setup.metrics.producer_recycled();
        }
        let tries = running.tries;
        match result {
            Ok(Some(frozen)) => {
                self.setup.health.clear(&subject(partition));
                let mut batch = BatchCounts::default();
                let (records, bytes) = changelog_size(&frozen);
                batch.changelog(records, bytes);
                self.setup.metrics.add_batch(&batch);
                slot.metrics.store(&running.task.task().store_stats());
                slot.metrics.stream_time(running.task.stream_time().now());
                self.setup.board.post(partition, frozen.next.clone());
                let now_s = clock::unix_seconds();
                self.setup.metrics.committed(took.as_secs_f64(), now_s);
                if let Some(oldest) = frozen.oldest_timestamp_ms {
                    self.lags.record(now_s - oldest as f64 / 1_000.0);
                }
                for time in &frozen.counts.detected {
                    self.lags.event(now_s - time.seconds() as f64);
                }
                self.lags.publish();
                self.setup.metrics.add_batch(&frozen.counts.batch);
                self.setup.metrics.add_counts(&frozen.counts.engine);
                self.setup.metrics.left_out(frozen.counts.repeated, frozen.counts.shortened);
                for (topic, next) in &frozen.next {
                    slot.metrics.next_offset(topic, *next);
                }
            }
            Ok(None) if tries >= TRIES_MAX => {
                let reason = format!("its last {tries} transactions failed; the log says why");
                self.setup.health.block(&subject(partition), reason);
            }
            Ok(None) => {}
            Err(reason) => {
                let partition_void = slot.void.clone();
                partition_void.store(true, Ordering::Release);
                slot.void = Arc::default();
                self.postpone(partition, &format!("the task was taken over: {reason}"));
                self.answer_closing(partition);
            }
        }
    }

    /// Gives every task its turn; true when one of them had something to do.
    fn turns(&mut self) -> bool {
        let mut is_busy = false;
        let is_reloading = self.setup.judging.is_newer(self.judging.generation);
        let has_snapshots = self.setup.names.snapshots.is_some();
        let partitions: Vec<i32> = self.slots.keys().copied().collect();
        for partition in partitions {
            let Some(slot) = self.slots.get_mut(&partition) else { continue };
            let is_snapshot_time = has_snapshots && clock::now() >= slot.snapshot_at;
            let turn = match &mut slot.phase {
                Phase::Running(running) => running.turn(&mut Tools {
                    reader: &self.setup.reader,
                    run: &self.setup.run,
                    enricher: &mut self.enricher,
                    commits: &self.setup.commits,
                    inbox: &self.setup.inbox_sent,
                    polls: self.setup.board.polls(),
                    wind_up: slot.closing.is_some()
                        || is_reloading
                        || self.is_stopping
                        || (is_snapshot_time && may_snapshot(&self.setup, running, slot.snapshot)),
                    epoch: slot.epoch,
                }),
                Phase::Restoring => {
                    slot.metrics.restore_remaining(slot.remaining.load(Ordering::Relaxed));
                    continue;
                }
                Phase::Waiting(until) if clock::now() >= *until => {
                    self.open(partition);
                    continue;
                }
                _ => continue,
            };
            is_busy |= turn == Turn::Busy;
            if has_snapshots {
                self.snapshot_when_due(partition);
            }
            self.after(partition, turn);
        }
        is_busy
    }

    fn after(&mut self, partition: i32, turn: Turn) {
        match turn {
            Turn::Idle | Turn::Busy => {}
            Turn::Ended(reason) => return self.end(partition, &reason, TaskFailure::Record),
            Turn::Broken(reason) => {
                if let Some(slot) = self.slots.get_mut(&partition) {
                    slot.metrics.breaker(true);
                }
                return self.end(partition, &reason, TaskFailure::Record);
            }
            Turn::Failed(reason) => {
                self.setup.metrics.task_failed(TaskFailure::Kafka);
                return self.postpone(partition, &reason);
            }
            Turn::Crashed(caution) => {
                if let Some(slot) = self.slots.get_mut(&partition) {
                    slot.caution = caution;
                    slot.void.store(true, Ordering::Release);
                    slot.void = Arc::default();
                }
                self.setup.metrics.task_failed(TaskFailure::Panicked);
                return self.postpone(partition, "the task failed on a record (a bug: please report it)");
            }
        }
        let is_closed = self.slots.get(&partition).is_some_and(|slot| {
            slot.closing.is_some()
                && matches!(&slot.phase, Phase::Running(running)
                    if !running.is_committing() && (running.is_clean() || running.is_retrying()))
        });
        if is_closed {
            self.drop_task(partition);
        }
    }

    /// Hands a copy of the task's state to the thread that writes it, when it is time and everything is committed. A
    /// writer that is still busy with the last one is not waited for.
    fn snapshot_when_due(&mut self, partition: i32) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let (Phase::Running(running), Some(folder)) = (&mut slot.phase, &self.setup.names.snapshots) else {
            return;
        };
        let is_due = clock::now() >= slot.snapshot_at || slot.closing.is_some();
        if is_due && !may_snapshot(&self.setup, running, slot.snapshot) {
            slot.snapshot_at = clock::now() + SNAPSHOT_LATER;
            return;
        }
        if !is_due || !running.is_clean() {
            return;
        }
        let Some(position) = running.changelog_position() else { return };
        slot.snapshot = running.task.transaction();
        slot.snapshot_at = clock::now() + snapshot_wait(&self.setup.run, partition);
        let made_s = clock::unix_seconds() as u64;
        let head = Head::new(folder, partition, position, running.task.marker(), made_s);
        let snapshot = Snapshot { head, entries: running.task.export() };
        // Another worker may have been faster: then the next turn tries again.
        if self.setup.snapshots.try_send(snapshot).is_err() {
            slot.snapshot = 0;
            slot.snapshot_at = clock::now() + SNAPSHOT_LATER;
        }
    }

    /// Takes up a new configuration when every task is between two transactions.
    fn adopt_judging(&mut self) {
        if !self.setup.judging.is_newer(self.judging.generation) {
            return;
        }
        let running = |slot: &Slot| match &slot.phase {
            Phase::Running(running) => running.is_clean() && !running.is_committing(),
            _ => true,
        };
        if !self.slots.values().all(running) {
            return;
        }
        self.judging = self.setup.judging.current();
        self.enricher = Enricher::new(self.judging.tables.clone());
        for slot in self.slots.values_mut() {
            if let Phase::Running(running) = &mut slot.phase {
                running.reconfigure(self.judging.settings.clone());
            }
        }
    }
}

/// Is there anything new to copy, and is the writer free? A task is never held up for a snapshot that cannot be made.
fn may_snapshot(setup: &Setup, running: &Running, last: u64) -> bool {
    let transaction = running.task.transaction();
    transaction > 0 && transaction != last && !setup.snapshots.is_full()
}

/// Tasks take turns within the interval, so that not all copy their state at once.
fn snapshot_wait(run: &RunConfig, partition: i32) -> Duration {
    let turn = f64::from(partition.rem_euclid(SNAPSHOT_TURNS)) / f64::from(SNAPSHOT_TURNS);
    run.snapshot_interval.mul_f64(1.0 - turn / 2.0)
}

fn label(outcome: &Outcome) -> CommitOutcome {
    match outcome {
        Outcome::Committed { resolved: false } => CommitOutcome::Committed,
        Outcome::Committed { resolved: true } => CommitOutcome::UnknownCommitted,
        Outcome::Retry(Failure::GroupFenced(_) | Failure::Fenced(_)) | Outcome::Lost(_) => CommitOutcome::Fenced,
        Outcome::Retry(Failure::Abortable(_) | Failure::Unknown(_)) => CommitOutcome::Aborted,
    }
}

fn subject(partition: i32) -> String {
    format!("task {partition}")
}

/// Reads a task's sources no more.
fn unassign(setup: &Setup, partition: i32) {
    for source in &*setup.names.sources {
        if let Err(error) = setup.reader.incremental_unassign(&place(&source.topic, partition, 0)) {
            tracing::debug!(partition, %error, "the reader did not have the partition");
        }
    }
}

/// Begins to read a task's sources, each through a queue of its own.
fn queues(setup: &Setup, task: &PartitionTask) -> Result<Vec<Queue>, KafkaError> {
    let mut queues = Vec::new();
    for (source, next) in setup.names.sources.iter().zip(task.next()) {
        let (topic, partition) = (&source.topic, task.partition());
        setup.reader.incremental_assign(&place(topic, partition, *next))?;
        let mut queue = setup
            .reader
            .split_partition_queue(topic, partition)
            .ok_or(KafkaError::Subscription(format!("`{topic}` partition `{partition}` does not exist")))?;
        seek(&setup.reader, topic, partition, *next)?;
        let ring = setup.ring_sent.clone();
        // A full ring rings already.
        queue.set_nonempty_callback(move || {
            ring.try_send(()).ok();
        });
        queues.push(queue);
    }
    Ok(queues)
}

/// Makes void what was fetched before the queue was split off.
pub(super) fn seek(reader: &Reader, topic: &str, partition: i32, offset: i64) -> Result<(), KafkaError> {
    let deadline = clock::Deadline::after(SEEK_MAX);
    loop {
        match reader.seek(topic, partition, rdkafka::Offset::Offset(offset), SEEK_MAX) {
            Err(_) if !deadline.is_over() => std::thread::sleep(SEEK_WAIT),
            result => return result,
        }
    }
}
