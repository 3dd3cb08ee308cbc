//! Kafka as one task sees it, for real: [`TaskLog`] over a transactional producer and readers of the changelog.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::{ClientConfig, Offset};

use super::client::Context;
use super::failure::{self, Class};
use super::group::GroupConsumer;
use super::log::{Change, Committed, Failure, TaskLog};
use super::names::Names;
use super::native::group_metadata;
use super::outbox::{Destination, Frozen};
use super::producer::{Outgoing, TxnProducer};
use crate::runtime::clock::{self, Deadline};

/// Questions to a broker wait this long.
const ASK_MAX: Duration = Duration::from_secs(15);
/// How long a new client is polled for its token.
const TOKEN_WAIT: Duration = Duration::from_secs(1);
/// How long one poll of the changelog waits.
const POLL: Duration = Duration::from_millis(100);

pub type Reader = BaseConsumer<Context>;

/// One task's clients.
pub struct KafkaLog {
    names: Arc<Names>,
    partition: i32,
    producer: Option<TxnProducer>,
    group: Arc<GroupConsumer>,
    /// Set when the partition is no longer ours: nothing is begun any more.
    void: Arc<AtomicBool>,
    /// Records of the changelog still to be read, for those who watch.
    remaining: Arc<AtomicU64>,
}

impl KafkaLog {
    pub fn new(
        names: Arc<Names>,
        partition: i32,
        group: Arc<GroupConsumer>,
        void: Arc<AtomicBool>,
        remaining: Arc<AtomicU64>,
    ) -> KafkaLog {
        KafkaLog { names, partition, producer: None, group, void, remaining }
    }

    fn refuse_when_void(&self) -> Result<(), Failure> {
        if self.void.load(Ordering::Acquire) {
            return Err(Failure::GroupFenced("the partition was given back".to_owned()));
        }
        Ok(())
    }

    fn send(&self, producer: &TxnProducer, frozen: &Frozen, deadline: Deadline) -> Result<(), Failure> {
        for record in frozen.outbox.records() {
            let topic = self.names.topic(record.destination);
            let partition = record.partition.unwrap_or(self.partition);
            let (key, payload, headers) = (record.key, record.payload, record.headers);
            let outgoing = Outgoing { topic, partition, key, payload, headers, timestamp_ms: None };
            producer.send(&outgoing, deadline).map_err(failure_of)?;
        }
        Ok(())
    }
}

/// An error of librdkafka's in the protocol's words.
fn failure_of(failure: failure::Failure) -> Failure {
    let text = failure.to_string();
    match failure.class {
        Class::GroupFenced => Failure::GroupFenced(text),
        Class::Fenced => Failure::Fenced(text),
        Class::Abortable | Class::TooLarge | Class::QueueFull => Failure::Abortable(text),
        Class::Retriable | Class::Fatal | Class::Unknown | Class::DrainTimeout => Failure::Unknown(text),
    }
}

fn unknown(what: &str, error: &KafkaError) -> Failure {
    Failure::Unknown(format!("{what}: {error}"))
}

impl TaskLog for KafkaLog {
    fn renew(&mut self) -> Result<(), Failure> {
        self.refuse_when_void()?;
        // The old one first: two producers of one id in one process would fence each other.
        self.producer = None;
        let id = self.names.transactional_id(self.partition);
        let (connection, bytes_max) = (&self.names.connection, self.names.message_bytes_max);
        let producer = TxnProducer::open(connection, &id, bytes_max, self.names.transaction_timeout * 2)
            .map_err(failure_of)?;
        self.producer = Some(producer);
        Ok(())
    }

    fn transact(&mut self, frozen: &Frozen) -> Result<Committed, Failure> {
        self.refuse_when_void()?;
        let mut producer = self.producer.take().ok_or_else(|| Failure::Unknown("no producer".to_owned()))?;
        let result = self.transact_with(&mut producer, frozen);
        let is_clean = !producer.is_suspect();
        self.producer = Some(producer);
        result.map(|marker_offset| Committed { clean: is_clean, marker_offset })
    }

    fn abort(&mut self) -> Result<(), Failure> {
        let producer = self.producer.as_mut().ok_or_else(|| Failure::Unknown("no producer".to_owned()))?;
        producer.abort(Deadline::after(self.names.transaction_timeout)).map_err(failure_of)?;
        if producer.is_suspect() {
            return Err(Failure::Unknown("aborted, and the producer is suspect".to_owned()));
        }
        Ok(())
    }

    fn changes(&mut self, position: i64, visit: &mut dyn FnMut(Change<'_>)) -> Result<i64, Failure> {
        let topic = self.names.topic(Destination::State);
        let (void, remaining) = (&*self.void, &*self.remaining);
        let reader = ChangelogReader { names: &self.names, topic, partition: self.partition, void, remaining };
        reader.read(position, visit)
    }

    fn committed_offset(&mut self) -> Result<Option<i64>, Failure> {
        // Read committed: the coordinator waits for offsets of transactions that are not ended yet.
        let reader = reader(&self.names, "offsets").map_err(|error| unknown("cannot make a client", &error))?;
        let mut tpl = TopicPartitionList::new();
        tpl.add_partition(self.names.lead(), self.partition);
        let found = reader
            .committed_offsets(tpl, ASK_MAX)
            .map_err(|error| unknown("cannot read the group's offset", &error))?;
        let offset = found.elements().first().map(|element| element.offset());
        Ok(match offset {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        })
    }
}

impl KafkaLog {
    fn transact_with(&self, producer: &mut TxnProducer, frozen: &Frozen) -> Result<i64, Failure> {
        let deadline = Deadline::after(self.names.transaction_timeout);
        producer.begin().map_err(failure_of)?;
        self.send(producer, frozen, deadline)?;
        // Read now, and not a moment earlier: the generation may have changed since the task began.
        let (metadata, _) = group_metadata(&self.group)
            .ok_or_else(|| Failure::GroupFenced("this member belongs to no generation".to_owned()))?;
        self.refuse_when_void()?;
        let offsets: Vec<(&str, i32, i64)> =
            frozen.next.iter().map(|(topic, next)| (topic.as_str(), self.partition, *next)).collect();
        producer.send_offsets(&offsets, &metadata, deadline).map_err(failure_of)?;
        producer.commit(deadline).map_err(failure_of)?;
        // The marker is the last record of the changelog in every transaction.
        let state = self.names.topic(Destination::State);
        producer
            .last_offset(state)
            .ok_or_else(|| Failure::Unknown("the marker was committed, and its offset is not known".to_owned()))
    }
}

/// Reads to an end.
pub fn reader(names: &Names, role: &'static str) -> Result<Reader, KafkaError> {
    connect(names, role, names.connection.follower())
}

/// Reads `partitions` partitions all the time; they share the bytes that may be fetched ahead.
pub fn standing_reader(names: &Names, role: &'static str, partitions: usize) -> Result<Reader, KafkaError> {
    let connection = &names.connection;
    let queue_bytes_max = connection.config().fetch_queue_bytes_max / (partitions as u64).max(1);
    connect(names, role, connection.partition_reader(queue_bytes_max))
}

fn connect(names: &Names, role: &'static str, config: ClientConfig) -> Result<Reader, KafkaError> {
    let reader: Reader = config.create_with_context(names.connection.context(role))?;
    // Before its first question: the events by which librdkafka asks for a token are served by polling.
    if names.connection.uses_token() {
        drop(reader.poll(TOKEN_WAIT));
    }
    Ok(reader)
}

/// One partition's place, for a client.
pub fn place(topic: &str, partition: i32, offset: i64) -> TopicPartitionList {
    let mut tpl = TopicPartitionList::new();
    // Only a logical offset that librdkafka does not know is refused.
    tpl.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a plain offset is taken");
    tpl
}

/// The offset that the reader has come to in a partition: also what is never delivered counts, markers of transactions
/// and aborted records. `None` before it has read anything.
pub fn position(reader: &Reader, topic: &str, partition: i32) -> Result<Option<i64>, KafkaError> {
    let positions = reader.position()?;
    let offset = positions.find_partition(topic, partition).map(|element| element.offset());
    Ok(match offset {
        Some(Offset::Offset(offset)) => Some(offset),
        _ => None,
    })
}

/// The end of a partition, transactions that are not ended included.
pub fn uncommitted_watermarks(names: &Names, topic: &str, partition: i32) -> Result<(i64, i64), KafkaError> {
    watermark_reader(names)?.fetch_watermarks(topic, partition, ASK_MAX)
}

/// For who asks again and again.
pub fn watermark_reader(names: &Names) -> Result<Reader, KafkaError> {
    connect(names, "watermarks", names.connection.watermark_reader())
}

/// Reads a changelog partition to its end.
pub struct ChangelogReader<'a> {
    pub names: &'a Names,
    pub topic: &'a str,
    pub partition: i32,
    pub void: &'a AtomicBool,
    pub remaining: &'a AtomicU64,
}

impl ChangelogReader<'_> {
    fn read(&self, position: i64, visit: &mut dyn FnMut(Change<'_>)) -> Result<i64, Failure> {
        let (low, end) = uncommitted_watermarks(self.names, self.topic, self.partition)
            .map_err(|error| unknown("cannot read the changelog's end", &error))?;
        let start = position.max(low);
        if start >= end {
            return Ok(end.max(position));
        }
        let reader = reader(self.names, "restore").map_err(|error| unknown("cannot make a client", &error))?;
        // Metadata first: without it the first record takes half a second longer.
        reader
            .fetch_metadata(Some(self.topic), ASK_MAX)
            .map_err(|error| unknown("cannot read the changelog's metadata", &error))?;
        reader
            .assign(&place(self.topic, self.partition, start))
            .map_err(|error| unknown("cannot read the changelog", &error))?;
        self.read_to(&reader, start, end, visit)
    }

    fn read_to(
        &self,
        reader: &Reader,
        start: i64,
        end: i64,
        visit: &mut dyn FnMut(Change<'_>),
    ) -> Result<i64, Failure> {
        let mut position = start;
        let mut deadline = self.deadline();
        while position < end {
            if self.void.load(Ordering::Acquire) {
                return Err(Failure::GroupFenced("the partition was given back".to_owned()));
            }
            let before = position;
            match reader.poll(POLL) {
                Some(Ok(message)) => {
                    let offset = message.offset();
                    if let Some(key) = message.key() {
                        visit(Change { offset, key, payload: message.payload() });
                    }
                    position = offset + 1;
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => {
                    let passed = self::position(reader, self.topic, self.partition)
                        .map_err(|error| unknown("position", &error))?;
                    position = position.max(passed.unwrap_or(0));
                }
                // Only for as long as a restore may stand still.
                Some(Err(error)) if failure::is_passing(&error) => {}
                Some(Err(error)) => return Err(unknown("cannot read the changelog", &error)),
            }
            if position > before {
                self.remaining.store(u64::try_from(end - position).unwrap_or(0), Ordering::Relaxed);
                deadline = self.deadline();
            } else if clock::now() > deadline {
                return Err(self.stuck(position, end));
            }
        }
        Ok(position)
    }

    fn deadline(&self) -> Instant {
        clock::now() + self.names.restore_no_progress
    }

    fn stuck(&self, position: i64, end: i64) -> Failure {
        Failure::Unknown(format!(
            "the changelog `{}` partition `{}` does not go on at offset `{position}`, before its end at `{end}`: \
             a transaction may hang there (kafka-transactions.sh find-hanging)",
            self.topic, self.partition
        ))
    }
}
