//! The repartition stage: input that is not keyed by user → one canonical record a sign-in, in its user's partition.
//!
//! A consumer group of its own shares out the partitions of all input topics and of the commands. Each is a *lane*: a
//! thread with a reader and a transactional producer, which decodes records, writes what they hold to
//! `topics.repartition` and commits the offsets with it. A lane has no state, so the group's committed offset alone is
//! the truth: after anything unclean the producer is replaced, which ends what the old one left, and the lane reads on
//! from there. What one input partition holds stays in order; between partitions there is no order but the events'.

mod lane;
mod lane_log;
mod relay;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context as _;
use crossbeam_channel::{Sender, bounded};
use rdkafka::consumer::Consumer as _;

pub use lane_log::{LaneLog, reader, transactional_id};
pub use relay::{Parcel, Relay};

use super::client::Connection;
use super::group::{Group, GroupConsumer, GroupContext, Owner};
use super::happening::Board;
use super::names::{Names, entrances};
use super::partition::TaskSettings;
use super::record::Source;
use super::run::{BEAT_MAX, CLOSE_MAX, Parts, spawn, wait};
use crate::config::{InputConfig, RunConfig};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::runtime::clock::Deadline;
use lane::{Close, Lane};

/// The consumer group of the stage.
pub fn group_id(application_id: &str) -> String {
    format!("{application_id}-repartition")
}

/// What lanes have in common.
struct Shared {
    names: Arc<Names>,
    /// In the stage's group.
    connection: Connection,
    /// Made after the lanes, which it tells what is theirs.
    group: OnceLock<Arc<GroupConsumer>>,
    /// The stage's own: its group has polls and faults of its own.
    board: Arc<Board>,
    settings: Arc<TaskSettings>,
    input: InputConfig,
    run: RunConfig,
    metrics: Metrics,
    health: Arc<Health>,
}

/// A lane as the group's thread knows it.
struct Handle {
    close: Sender<Close>,
    thread: JoinHandle<()>,
}

/// The lanes that are ours.
struct Lanes {
    shared: Arc<Shared>,
    sources: Arc<[Source]>,
    lanes: Mutex<BTreeMap<(String, i32), Handle>>,
    /// Told to close, and perhaps not ended yet.
    closing: Mutex<Vec<JoinHandle<()>>>,
}

impl Lanes {
    fn start(&self, source: &Source, partition: i32) {
        let (close, closes) = bounded(1);
        let lane = Lane::new(self.shared.clone(), source.clone(), partition, closes);
        match spawn(&lane.subject(), move || lane.run()) {
            Ok(thread) => {
                let handle = Handle { close, thread };
                lock(&self.lanes).insert((source.topic.clone(), partition), handle);
            }
            Err(error) => self.shared.board.end(error.to_string()),
        }
    }

    fn are_ended(&self) -> bool {
        lock(&self.closing).iter().all(JoinHandle::is_finished)
    }
}

impl Owner for Arc<Lanes> {
    fn assigned(&self, topic: &str, partition: i32, _: u64) {
        if let Some(source) = self.sources.iter().find(|source| source.topic == topic) {
            self.start(source, partition);
        }
    }

    fn revoked(&self, topic: &str, partition: i32, lost: bool, done: Sender<i32>) {
        // A lane that has failed hears nothing; that its answer is dropped is an answer too.
        let Some(handle) = lock(&self.lanes).remove(&(topic.to_owned(), partition)) else { return };
        drop(handle.close.send(Close { lost, done }));
        let mut closing = lock(&self.closing);
        closing.retain(|thread| !thread.is_finished());
        closing.push(handle.thread);
    }
}

/// The stage while it runs.
pub struct Stage {
    lanes: Arc<Lanes>,
    group: JoinHandle<()>,
    /// Dropped to end the group's thread, and every lane with it.
    stop: Sender<()>,
}

impl Stage {
    /// Joins the stage's group; lanes begin as partitions are assigned.
    pub fn start(parts: &Parts) -> anyhow::Result<Stage> {
        let connection = parts.names.connection.with_group(group_id(&parts.names.application_id));
        let shared = Arc::new(Shared {
            names: parts.names.clone(),
            connection: connection.clone(),
            group: OnceLock::new(),
            board: Arc::default(),
            settings: parts.judging.current().settings,
            input: parts.config.input.clone(),
            run: parts.config.run.clone(),
            metrics: parts.metrics.clone(),
            health: parts.health.clone(),
        });
        let sources = entrances(&parts.config);
        let (lanes, closing) = (Mutex::default(), Mutex::default());
        let lanes = Arc::new(Lanes { shared: shared.clone(), sources: sources.clone(), lanes, closing });
        let close_max = (parts.config.kafka.session_timeout / 3).min(CLOSE_MAX);
        let owner = Box::new(lanes.clone());
        let context =
            GroupContext::new(connection.context("repartition group"), owner, close_max, parts.metrics.clone());
        let consumer: GroupConsumer =
            connection.group_consumer().create_with_context(context).context("cannot make a Kafka client")?;
        let consumer = shared.group.get_or_init(|| Arc::new(consumer)).clone();
        let topics: Vec<&str> = sources.iter().map(|source| source.topic.as_str()).collect();
        consumer.subscribe(&topics).with_context(|| format!("cannot subscribe to `{}`", topics.join("`, `")))?;
        let (stop, stopped) = bounded(0);
        let member = Group {
            consumer,
            board: shared.board.clone(),
            beat: parts.health.watch("repartition group", BEAT_MAX),
            stop: stopped,
            grace: parts.config.run.shutdown_grace,
        };
        let group = spawn("repartition", move || member.run())?;
        Ok(Stage { lanes, group, stop })
    }

    /// Why the program must end, when it must.
    pub fn fatal(&self) -> Option<String> {
        self.lanes.shared.board.fatal()
    }

    /// Leaves the group after a last commit of every lane; false when the time did not suffice.
    pub fn end(self, deadline: Deadline) -> bool {
        drop(self.stop);
        let is_left = wait(&[&self.group], deadline);
        while !self.lanes.are_ended() && !deadline.is_over() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        is_left && self.lanes.are_ended()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each change is one whole operation on the value.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
