//! The group thread: a member of the consumer group that decides which partitions are ours, and nothing else.
//!
//! It reads no records: its partitions are paused for good, workers read with clients of their own. So a slow task
//! never keeps the member from polling, and a dead group thread is found by the group itself (`max.poll.interval.ms`).
//! Callbacks run on the thread that polls; they send and wait, no more.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// What the group's callbacks need.
pub struct GroupContext {
    context: Context,
    inboxes: Vec<Sender<Happening>>,
    owned: Mutex<BTreeSet<i32>>,
    epoch: AtomicU64,
    /// How long a revocation may wait for the tasks' last commits.
    close_max: Duration,
    metrics: Metrics,
}

impl GroupContext {
    pub fn new(
        context: Context,
        inboxes: Vec<Sender<Happening>>,
        close_max: Duration,
        metrics: Metrics,
    ) -> GroupContext {
        let (owned, epoch) = (Mutex::default(), AtomicU64::new(0));
        GroupContext { context, inboxes, owned, epoch, close_max, metrics }
    }

    fn inbox(&self, partition: i32) -> &Sender<Happening> {
        &self.inboxes[worker_of(partition, self.inboxes.len())]
    }

    /// Takes partitions over. They stay paused, and at their end: nothing is to be fetched.
    fn assign(&self, consumer: &BaseConsumer<Self>, tpl: &mut TopicPartitionList) {
        let assigned = tpl
            .set_all_offsets(Offset::End)
            .and_then(|()| consumer.incremental_assign(tpl))
            .and_then(|()| consumer.pause(tpl));
        if let Err(error) = assigned {
            tracing::error!(%error, "cannot take over the partitions that the group assigned");
            return;
        }
        self.metrics.rebalance(RebalanceKind::Assigned);
        for partition in partitions(tpl) {
            self.owned.lock().unwrap_or_else(PoisonError::into_inner).insert(partition);
            let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
            drop(self.inbox(partition).send(Happening::Assigned { partition, epoch }));
        }
    }

    /// Gives partitions back when their tasks have written what they could, or the time for that is over. What a task
    /// still writes then is refused by Kafka: the group has a new generation.
    fn revoke(&self, consumer: &BaseConsumer<Self>, tpl: &TopicPartitionList) {
        let lost = consumer.assignment_lost();
        self.metrics.rebalance(if lost { RebalanceKind::Lost } else { RebalanceKind::Revoked });
        self.close(&partitions(tpl), lost);
        if let Err(error) = consumer.incremental_unassign(tpl) {
            tracing::error!(%error, "cannot give back the partitions that the group revoked");
        }
    }

    fn close(&self, partitions: &[i32], lost: bool) {
        let (done, answers) = bounded(partitions.len());
        for &partition in partitions {
            self.owned.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
            drop(self.inbox(partition).send(Happening::Revoked { partition, lost, done: done.clone() }));
        }
        drop(done);
        let deadline = clock::now() + self.close_max;
        let mut waiting: BTreeSet<i32> = partitions.iter().copied().collect();
        while !waiting.is_empty() {
            match answers.recv_deadline(deadline) {
                Ok(partition) => drop(waiting.remove(&partition)),
                Err(_) => break,
            }
        }
        if !waiting.is_empty() {
            let count = waiting.len();
            tracing::warn!(
                count,
                "tasks did not close in time; their last transactions are left to their successors"
            );
        }
    }
}

/// Which of `workers` owns a partition.
pub fn worker_of(partition: i32, workers: usize) -> usize {
    usize::try_from(partition).unwrap_or(0) % workers.max(1)
}

fn partitions(tpl: &TopicPartitionList) -> Vec<i32> {
    let mut partitions: Vec<i32> = tpl.elements().iter().map(|element| element.partition()).collect();
    partitions.sort_unstable();
    partitions
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
        let owned: Vec<i32> = self.owned().into_iter().collect();
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
    }

    fn owned(&self) -> BTreeSet<i32> {
        self.consumer.context().owned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn owns_any(&self) -> bool {
        !self.owned().is_empty()
    }

    fn is_stopped(&self) -> bool {
        matches!(self.stop.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected))
    }
}

/// A moment in the future, for timeouts.
pub fn after(wait: Duration) -> Instant {
    clock::now() + wait
}
