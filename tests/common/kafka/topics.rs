//! Topics of a test's broker: create, fill, read whole, and what a group has committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::{Broker, PATIENCE, eventually, wait};

/// A record to be produced. `Record::default()` is a tombstone without a key.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// None: by the key's hash, as Kafka's own clients do (murmur2); without a key, at random.
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// None: now.
    pub timestamp_ms: Option<i64>,
}

impl Record {
    /// A record whose key chooses the partition.
    pub fn keyed(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()), ..Self::default() }
    }

    /// The same record for one partition.
    pub fn to(self, partition: i32) -> Self {
        Self { partition: Some(partition), ..self }
    }
}

/// A record as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Stored {
    /// The value as text; empty for a tombstone.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }

    /// The value of the first header of that name, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

/// Which records a reader sees.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Isolation {
    /// Committed ones up to the first open transaction.
    Committed,
    /// All, aborted ones too.
    Uncommitted,
}

impl Isolation {
    fn name(self) -> &'static str {
        match self {
            Self::Committed => "read_committed",
            Self::Uncommitted => "read_uncommitted",
        }
    }
}

/// Counts what the broker did not take.
struct Deliveries {
    failed: Arc<AtomicUsize>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Fills a topic; see [`Broker::feeder`].
pub struct Feeder {
    topic: String,
    producer: BaseProducer<Deliveries>,
    failed: Arc<AtomicUsize>,
}

impl Feeder {
    /// Hands the records over in their order (per partition); waits only while too many are on their way.
    pub fn send(&self, records: &[Record]) {
        for record in records {
            send(&self.producer, &self.topic, record);
        }
    }

    /// Waits until all are in.
    ///
    /// # Panics
    /// If the broker has refused one.
    pub fn finish(self) {
        self.producer.flush(PATIENCE).unwrap();
        assert_eq!(self.failed.load(Ordering::Relaxed), 0, "records that `{}` did not take", self.topic);
    }
}

impl Broker {
    /// A client for what these helpers have no function for.
    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().unwrap()
    }

    /// Creates a topic with the cluster's replication factor and settings such as `("cleanup.policy", "compact")`, and
    /// waits until each partition has a leader.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let admin = self.admin();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let results = wait(admin.create_topics([&topic], &options)).unwrap();
        for result in results {
            result.unwrap_or_else(|(name, code)| panic!("topic `{name}` could not be created: {code}"));
        }
        assert_eq!(self.partitions(name), partitions);
    }

    /// Deletes a topic and waits until no broker knows it.
    pub fn delete_topic(&self, name: &str) {
        let results = wait(self.admin().delete_topics(&[name], &AdminOptions::new())).unwrap();
        for result in results {
            result.unwrap_or_else(|(name, code)| panic!("topic `{name}` could not be deleted: {code}"));
        }
        let client: BaseConsumer = self.client().create().unwrap();
        eventually("the topic's end", || {
            let metadata = client.fetch_metadata(Some(name), PATIENCE).map_err(|error| error.to_string())?;
            if metadata.topics()[0].error().is_some() { Ok(()) } else { Err("it is still there".to_owned()) }
        });
    }

    /// The number of partitions of a topic, once each has a leader.
    pub fn partitions(&self, topic: &str) -> i32 {
        let client: BaseConsumer = self.client().create().unwrap();
        eventually("leaders of the topic", || {
            let metadata = client.fetch_metadata(Some(topic), PATIENCE).map_err(|error| error.to_string())?;
            let described = &metadata.topics()[0];
            let led = described.partitions().iter().filter(|partition| partition.leader() >= 0).count();
            let all = described.partitions().len();
            if described.error().is_none() && all > 0 && led == all {
                Ok(i32::try_from(all).unwrap())
            } else {
                Err(format!("{led} of {all} partitions of `{topic}` have a leader ({:?})", described.error()))
            }
        })
    }

    /// Produces the records in their order (per partition) and waits until all are in.
    ///
    /// # Panics
    /// If the broker refuses one.
    pub fn produce(&self, topic: &str, records: &[Record]) {
        let feeder = self.feeder(topic);
        feeder.send(records);
        feeder.finish();
    }

    /// A producer of many portions of records.
    pub fn feeder(&self, topic: &str) -> Feeder {
        let failed = Arc::new(AtomicUsize::new(0));
        let producer = self
            .client()
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .set("queue.buffering.max.messages", "1000000")
            .create_with_context(Deliveries { failed: failed.clone() })
            .unwrap();
        Feeder { topic: topic.to_owned(), producer, failed }
    }

    /// A producer after `init_transactions`. With `BaseProducer`, `poll` runs the delivery callbacks.
    pub fn transactional_producer(&self, transactional_id: &str) -> BaseProducer {
        let producer: BaseProducer = self.client().set("transactional.id", transactional_id).create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer
    }

    /// The whole topic as it is now, by partition and offset.
    pub fn read(&self, topic: &str, isolation: Isolation) -> Vec<Stored> {
        let partitions = self.partitions(topic);
        let consumer = self.reader(isolation);
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let mut ended = vec![false; usize::try_from(partitions).unwrap()];
        let mut records = Vec::new();
        while ended.contains(&false) {
            match consumer.poll(PATIENCE) {
                Some(Ok(message)) => records.push(stored(&message)),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended[usize::try_from(partition).unwrap()] = true
                }
                // librdkafka tries again by itself while the broker comes back.
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => panic!("reading `{topic}`: {error}"),
                None => panic!("reading `{topic}`: nothing for {PATIENCE:?}; partitions at their end: {ended:?}"),
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// What a downstream consumer sees.
    pub fn read_committed(&self, topic: &str) -> Vec<Stored> {
        self.read(topic, Isolation::Committed)
    }

    /// Everything in the log, aborted transactions too.
    pub fn read_uncommitted(&self, topic: &str) -> Vec<Stored> {
        self.read(topic, Isolation::Uncommitted)
    }

    /// The newest committed record of each key, as compaction would leave them; tombstones are left out.
    pub fn read_compacted(&self, topic: &str) -> BTreeMap<(i32, Vec<u8>), Stored> {
        let mut newest = BTreeMap::new();
        for record in self.read_committed(topic) {
            let key = (record.partition, record.key.clone().unwrap_or_default());
            if record.value.is_some() {
                newest.insert(key, record);
            } else {
                newest.remove(&key);
            }
        }
        newest
    }

    /// First and next offset of each partition: `Committed` ends at the first open transaction.
    pub fn offsets(&self, topic: &str, isolation: Isolation) -> Vec<(i64, i64)> {
        let consumer = self.reader(isolation);
        (0..self.partitions(topic))
            .map(|partition| {
                eventually("offsets of a partition", || {
                    consumer.fetch_watermarks(topic, partition, PATIENCE).map_err(|error| error.to_string())
                })
            })
            .collect()
    }

    /// Waits until no transaction is open in the topic, so that a committed read sees all there will be.
    pub fn wait_until_settled(&self, topic: &str) {
        eventually("the end of all transactions", || {
            let committed = self.offsets(topic, Isolation::Committed);
            let all = self.offsets(topic, Isolation::Uncommitted);
            if committed == all { Ok(()) } else { Err(format!("`{topic}`: {committed:?} of {all:?}")) }
        });
    }

    /// What the group has committed for each partition: offset and metadata.
    pub fn committed(&self, group: &str, topic: &str) -> Vec<Option<(i64, String)>> {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(topic, 0, self.partitions(topic) - 1);
        let answer = eventually("the group's offsets", || {
            consumer.committed_offsets(asked.clone(), PATIENCE).map_err(|error| error.to_string())
        });
        let of = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
            Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
            _ => None,
        };
        answer.elements().iter().map(of).collect()
    }

    fn reader(&self, isolation: Isolation) -> BaseConsumer {
        self.client()
            .set("group.id", "reader")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", isolation.name())
            .set("fetch.wait.max.ms", "50")
            .create()
            .unwrap()
    }
}

/// Queues a record, waiting while the queue is full.
fn send(producer: &BaseProducer<Deliveries>, topic: &str, record: &Record) {
    let mut outgoing = BaseRecord::<[u8], [u8]>::to(topic);
    outgoing.partition = record.partition;
    outgoing.key = record.key.as_deref();
    outgoing.payload = record.value.as_deref();
    outgoing.timestamp = record.timestamp_ms;
    if !record.headers.is_empty() {
        let insert = |headers: OwnedHeaders, (key, value): &(String, Option<Vec<u8>>)| {
            headers.insert(Header { key, value: value.as_ref() })
        };
        outgoing.headers = Some(record.headers.iter().fold(OwnedHeaders::new(), insert));
    }
    loop {
        match producer.send(outgoing) {
            Ok(()) => break,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                producer.poll(Duration::from_millis(20));
                outgoing = again;
            }
            Err((error, _)) => panic!("a record for `{topic}` was refused: {error}"),
        }
    }
    producer.poll(Duration::ZERO);
}

fn stored(message: &impl Message) -> Stored {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Stored {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect(),
    }
}

fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, NotLeaderForPartition, OperationTimedOut};
    error.rdkafka_error_code().is_some_and(|code| {
        [AllBrokersDown, BrokerTransportFailure, NotLeaderForPartition, OperationTimedOut].contains(&code)
    })
}
