//! The group thread: a member of the consumer group that decides which partitions are ours, and nothing else.
//!
//! It reads no records: its partitions are paused for good, workers read with clients of their own. So a slow task
//! never keeps the member from polling, and a dead group thread is found by the group itself (`max.poll.interval.ms`).
//! Callbacks run on the thread that polls; they send and wait, no more.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset};

use super::client::Context;
use super::happening::{Board, Happening};
use crate::health::Beat;
use crate::metrics::Metrics;
use crate::metrics::labels::RebalanceKind;
use crate::runtime::clock;

pub type GroupConsumer = BaseConsumer<GroupContext>;

/// How long one poll waits. Between polls the thread only looks at flags.
const POLL: Duration = Duration::from_millis(100);

/// Who reads the partitions that are ours. Told on the thread that polls the group: it must not wait.
pub trait Owner: Send + Sync {
    /// Epochs rise with every assignment.
    fn assigned(&self, topic: &str, partition: i32, epoch: u64);

    /// Is to answer `done` once, with the partition, when it has written what it could. `lost`: it can write no more.
    fn revoked(&self, topic: &str, partition: i32, lost: bool, done: Sender<i32>);
}

/// The workers' inboxes: partition *n* is task *n*.
impl Owner for Vec<Sender<Happening>> {
    fn assigned(&self, _: &str, partition: i32, _: u64) {
        drop(self[worker_of(partition, self.len())].send(Happening::Assigned { partition }));
    }

    fn revoked(&self, _: &str, partition: i32, lost: bool, done: Sender<i32>) {
        drop(self[worker_of(partition, self.len())].send(Happening::Revoked { partition, lost, done }));
    }
}

/// Topic and partition.
type Place = (String, i32);

/// What the group's callbacks need.
pub struct GroupContext {
    context: Context,
    owner: Box<dyn Owner>,
    owned: Mutex<BTreeSet<Place>>,
    epoch: AtomicU64,
    /// How long a revocation may wait for the tasks' last commits.
    close_max: Duration,
    metrics: Metrics,
    /// Partitions of the topic, when they must not become more.
    partitions: Option<i32>,
    /// Why the program must end.
    failed: Mutex<Option<String>>,
    /// The group has said what is ours, be it nothing.
    is_told: AtomicBool,
}

impl GroupContext {
    pub fn new(context: Context, owner: Box<dyn Owner>, close_max: Duration, metrics: Metrics) -> GroupContext {
        let (owned, epoch) = (Mutex::default(), AtomicU64::new(0));
        GroupContext {
            context,
            owner,
            owned,
            epoch,
            close_max,
            metrics,
            partitions: None,
            failed: Mutex::default(),
            is_told: AtomicBool::new(false),
        }
    }

    /// More partitions than these are refused.
    pub fn with_partitions(self, partitions: i32) -> GroupContext {
        GroupContext { partitions: Some(partitions), ..self }
    }

    /// Takes partitions over. They stay paused, and at their end: nothing is to be fetched.
    fn assign(&self, consumer: &BaseConsumer<Self>, tpl: &mut TopicPartitionList) {
        let assigned = tpl
            .set_all_offsets(Offset::End)
            .and_then(|()| consumer.incremental_assign(tpl))
            .and_then(|()| consumer.pause(tpl));
        if let Err(error) = assigned
            && tpl.count() > 0
        {
            let reason = format!("cannot take over the partitions that the group assigned: {error}");
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
            return;
        }
        self.metrics.rebalance(RebalanceKind::Assigned);
        for (topic, partition) in places(tpl) {
            if self.partitions.is_some_and(|partitions| partition >= partitions) {
                // Keys go to other partitions now, away from their users' state.
                let reason = format!(
                    "`{topic}` has more partitions than it had: it must be made anew, or read under \
                                      another `kafka.application_id` with new topics"
                );
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
                continue;
            }
            let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
            self.owner.assigned(&topic, partition, epoch);
            self.owned.lock().unwrap_or_else(PoisonError::into_inner).insert((topic, partition));
        }
        self.is_told.store(true, Ordering::Release);
    }

    /// Has the group said for the first time what is ours?
    pub fn is_told(&self) -> bool {
        self.is_told.load(Ordering::Acquire)
    }

    /// Gives partitions back when their tasks have written what they could, or the time for that is over. What a task
    /// still writes then is refused by Kafka: the group has a new generation.
    fn revoke(&self, consumer: &BaseConsumer<Self>, tpl: &TopicPartitionList) {
        let lost = consumer.assignment_lost();
        self.metrics.rebalance(if lost { RebalanceKind::Lost } else { RebalanceKind::Revoked });
        self.close(&places(tpl), lost);
        if let Err(error) = consumer.incremental_unassign(tpl) {
            tracing::error!(%error, "cannot give back the partitions that the group revoked");
        }
    }

    fn close(&self, places: &[Place], lost: bool) {
        let (done, answers) = bounded(places.len());
        for place in places {
            self.owned.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
            self.owner.revoked(&place.0, place.1, lost, done.clone());
        }
        drop(done);
        let deadline = clock::now() + self.close_max;
        let mut waiting = places.len();
        while waiting > 0 && answers.recv_deadline(deadline).is_ok() {
            waiting -= 1;
        }
        if waiting > 0 {
            tracing::warn!(
                waiting,
                "tasks did not close in time; their last transactions are left to their successors"
            );
        }
    }
}

/// Which of `workers` owns a partition.
pub fn worker_of(partition: i32, workers: usize) -> usize {
    usize::try_from(partition).unwrap_or(0) % workers.max(1)
}

fn places(tpl: &TopicPartitionList) -> Vec<Place> {
    let elements = tpl.elements();
    let mut places: Vec<Place> =
        elements.iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
    places.sort_unstable();
    places
}

impl ClientContext for GroupContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = Context::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.context.generate_oauth_token(config)
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, tpl: &mut TopicPartitionList) {
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, tpl),
            _ => self.revoke(consumer, tpl),
        }
    }
}

/// The thread's tools.
pub struct Group {
    pub consumer: Arc<GroupConsumer>,
    pub board: Arc<Board>,
    pub beat: Beat,
    /// Closed when the program is to end.
    pub stop: Receiver<()>,
    /// By when the last commits must be through, from then on.
    pub grace: Duration,
}

impl Group {
    /// Polls until it is told to stop; then leaves the group, which revokes everything.
    pub fn run(self) {
        while !self.is_stopped() {
            self.poll();
        }
        self.consumer.unsubscribe();
        let deadline = clock::now() + self.grace;
        // The revocation comes as an event of a poll.
        while self.owns_any() && clock::now() < deadline {
            self.poll();
        }
        // A revocation that never came (the coordinator is gone) is made up for.
        let owned: Vec<Place> = self.owned().into_iter().collect();
        if !owned.is_empty() {
            self.consumer.context().close(&owned, false);
        }
    }

    fn poll(&self) {
        self.beat.beat();
        match self.consumer.poll(POLL) {
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                self.board.end(format!("the consumer group refuses this member for good: {code}"));
            }
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition))) => {
                self.board.end("the input topic does not exist any more".to_owned());
            }
            Some(Err(error)) => tracing::warn!(%error, "the group consumer reports an error"),
            // Paused partitions deliver nothing; what slipped through before the pause is read again by a worker.
            Some(Ok(_)) | None => {}
        }
        self.board.note_poll();
        let failed = self.consumer.context().failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reason) = failed {
            self.board.end(reason);
        }
    }

    fn owned(&self) -> BTreeSet<Place> {
        self.consumer.context().owned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn owns_any(&self) -> bool {
        !self.owned().is_empty()
    }

    fn is_stopped(&self) -> bool {
        matches!(self.stop.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected))
    }
}
