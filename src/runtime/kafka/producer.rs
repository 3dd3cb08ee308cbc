//! One transactional producer: begin, send, offsets, commit or abort, each with a deadline.
//!
//! It exists because rdkafka's own flush polls 100 ms at a time, which every commit would pay, and its abort does not
//! poll at all, so that records on their way block it until its time is over. Here records are drained before either,
//! with naps of [`NAP`]: a poll of rdkafka's with a time limit lasts all of it, however much it served, and spends the
//! last millisecond asking the clock, which with many committers takes the processors from the brokers. Calls that
//! librdkafka marks as retriable are repeated until the deadline. What an error means for the transaction is the
//! caller's business: see [`Class`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::statistics::Statistics;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Connection, Context};
use super::failure::{Class, Failure};
use super::outbox::OutHeader;
use crate::runtime::clock::{self, Deadline};

/// How long a thread sleeps when there is nothing to serve.
const NAP: Duration = Duration::from_millis(1);

/// A call that blocks is cut into pieces of this length, so that events are served in between: without that, a first
/// OAUTHBEARER token would never be fetched.
const BLOCKING_MAX: Duration = Duration::from_secs(1);

/// Most events served after a commit; there are none, as a rule.
const EVENTS_MAX: usize = 1_000;

/// A commit that takes longer may have been repeated inside librdkafka, and a repeated request that is late can end a
/// later transaction of the same producer (KAFKA-17754). Such a producer is suspect.
const SLOW_COMMIT: Duration = Duration::from_secs(2);

/// What is sent; everything is borrowed, and copied by librdkafka.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub key: Option<&'a [u8]>,
    /// `None` = a tombstone.
    pub payload: Option<&'a [u8]>,
    pub headers: &'a [OutHeader],
    /// Milliseconds since 1970; `None` = now.
    pub timestamp_ms: Option<i64>,
}

/// A record that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    pub topic: String,
    pub partition: i32,
    pub code: Option<RDKafkaErrorCode>,
}

/// A producer with a transactional id. Whoever opens one with the same id takes over: a transaction that the earlier
/// one left open is aborted, and its calls fail as fenced.
pub struct TxnProducer {
    connection: Connection,
    transactional_id: String,
    message_bytes_max: usize,
    /// `None` after a recycling that failed.
    producer: Option<BaseProducer<Deliveries>>,
    slow: bool,
}

impl TxnProducer {
    /// Connects and takes over the transactional id.
    pub fn open(
        connection: &Connection,
        transactional_id: &str,
        message_bytes_max: usize,
        timeout: Duration,
    ) -> Result<TxnProducer, Failure> {
        let mut producer = TxnProducer {
            connection: connection.clone(),
            transactional_id: transactional_id.to_owned(),
            message_bytes_max,
            producer: None,
            slow: false,
        };
        producer.recycle(timeout)?;
        Ok(producer)
    }

    /// Drops the producer and opens a new one. Either way the transaction that was open is decided afterwards: aborted,
    /// or committed if the brokers had been asked for that. May be called again when it failed.
    pub fn recycle(&mut self, timeout: Duration) -> Result<(), Failure> {
        let deadline = Deadline::after(timeout);
        self.producer = None;
        self.slow = false;
        let config = self.connection.transactional_producer(&self.transactional_id, self.message_bytes_max);
        let context = Deliveries {
            context: self.connection.context("producer"),
            undelivered: Mutex::default(),
            delivered: Mutex::default(),
        };
        let producer = BaseProducer::from_config_and_context(&config, context)
            .map_err(|error| Failure::new("creating a producer", &error))?;
        repeat("init", &producer, deadline, |remaining| producer.init_transactions(remaining))?;
        // Connecting may have taken attempts; nothing was in flight.
        producer.context().context.health().clear();
        self.producer = Some(producer);
        Ok(())
    }

    pub fn transactional_id(&self) -> &str {
        &self.transactional_id
    }

    /// Whether something happened that makes the producer unfit for another transaction, though its calls may all have
    /// succeeded: a connection that broke, a slow commit, a recycling that failed.
    pub fn is_suspect(&self) -> bool {
        self.slow || self.producer.as_ref().is_none_or(|producer| producer.context().context.health().is_suspect())
    }

    /// The first record of this transaction that was not delivered.
    pub fn undelivered(&self) -> Option<Undelivered> {
        let deliveries = self.producer.as_ref()?.context();
        deliveries.undelivered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn begin(&self) -> Result<(), Failure> {
        let producer = self.get("begin")?;
        *producer.context().undelivered.lock().unwrap_or_else(PoisonError::into_inner) = None;
        producer.context().delivered.lock().unwrap_or_else(PoisonError::into_inner).clear();
        producer.begin_transaction().map_err(|error| Failure::new("begin", &error))
    }

    /// Hands the record to librdkafka; while its queue is full, waits.
    pub fn send(&self, outgoing: &Outgoing<'_>, deadline: Deadline) -> Result<(), Failure> {
        let producer = self.get("send")?;
        let mut record = base_record(outgoing);
        loop {
            let Err((error, back)) = producer.send(record) else { return Ok(()) };
            let failure = Failure::new("send", &error);
            if failure.class != Class::QueueFull || deadline.is_over() {
                return Err(failure);
            }
            record = back;
            serve_or_nap(producer);
        }
    }

    /// The next offset to read of each topic and partition, fenced by the group's metadata.
    ///
    /// librdkafka forgets the time limit while it looks for the group's coordinator: this call can hang for longer.
    pub fn send_offsets(
        &self,
        offsets: &[(&str, i32, i64)],
        group: &ConsumerGroupMetadata,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let producer = self.get("sending offsets")?;
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (topic, partition, offset) in offsets {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))
                .map_err(|error| Failure::new("sending offsets", &error))?;
        }
        repeat("sending offsets", producer, deadline, |remaining| {
            producer.send_offsets_to_transaction(&list, group, remaining)
        })
    }

    /// Waits until every record is delivered or refused.
    pub fn drain(&self, deadline: Deadline) -> Result<(), Failure> {
        drain("drain", self.get("drain")?, deadline)
    }

    /// Highest offset delivered to `topic` in this transaction.
    pub fn last_offset(&self, topic: &str) -> Option<i64> {
        let delivered = &self.producer.as_ref()?.context().delivered;
        let delivered = delivered.lock().unwrap_or_else(PoisonError::into_inner);
        delivered.iter().find(|(name, _)| name == topic).map(|(_, offset)| *offset)
    }

    /// Drains and commits. After an error the outcome is as its class says.
    pub fn commit(&mut self, deadline: Deadline) -> Result<(), Failure> {
        let producer = self.get("commit")?;
        drain("commit", producer, deadline)?;
        let begun = clock::now();
        let result = repeat("commit", producer, deadline, |remaining| producer.commit_transaction(remaining));
        serve(producer);
        self.slow |= begun.elapsed() > SLOW_COMMIT;
        result
    }

    /// Drains and aborts.
    pub fn abort(&self, deadline: Deadline) -> Result<(), Failure> {
        let producer = self.get("abort")?;
        drain("abort", producer, deadline)?;
        repeat("abort", producer, deadline, |remaining| producer.abort_transaction(remaining))
    }

    fn get(&self, during: &'static str) -> Result<&BaseProducer<Deliveries>, Failure> {
        self.producer.as_ref().ok_or_else(|| Failure::new(during, &KafkaError::Canceled))
    }
}

fn base_record<'a>(outgoing: &Outgoing<'a>) -> BaseRecord<'a, [u8], [u8]> {
    let headers = outgoing
        .headers
        .iter()
        .fold(OwnedHeaders::new_with_capacity(outgoing.headers.len()), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_deref() })
        });
    BaseRecord {
        topic: outgoing.topic,
        partition: Some(outgoing.partition),
        payload: outgoing.payload,
        key: outgoing.key,
        timestamp: outgoing.timestamp_ms,
        headers: (!outgoing.headers.is_empty()).then_some(headers),
        delivery_opaque: (),
    }
}

fn drain(during: &'static str, producer: &BaseProducer<Deliveries>, deadline: Deadline) -> Result<(), Failure> {
    loop {
        let outstanding = producer.in_flight_count();
        if outstanding == 0 {
            return Ok(());
        }
        if deadline.is_over() {
            return Err(Failure::drain_timeout(during, outstanding));
        }
        serve_or_nap(producer);
    }
}

/// Serves one event, or sleeps when there is none that counts.
fn serve_or_nap(producer: &BaseProducer<Deliveries>) {
    let before = producer.in_flight_count();
    producer.poll(Duration::ZERO);
    if producer.in_flight_count() >= before {
        std::thread::sleep(NAP);
    }
}

/// Serves what librdkafka had to say, without waiting: a connection that broke during a commit is told here.
fn serve(producer: &BaseProducer<Deliveries>) {
    for _ in 0..EVENTS_MAX {
        if producer.in_flight_count() == 0 {
            break;
        }
        producer.poll(Duration::ZERO);
    }
}

/// Calls again what librdkafka says may be called again, until the deadline.
fn repeat(
    during: &'static str,
    producer: &BaseProducer<Deliveries>,
    deadline: Deadline,
    call: impl Fn(Duration) -> Result<(), KafkaError>,
) -> Result<(), Failure> {
    loop {
        let Err(error) = call(deadline.remaining().min(BLOCKING_MAX)) else { return Ok(()) };
        let failure = Failure::new(during, &error);
        if failure.class != Class::Retriable || deadline.is_over() {
            return Err(failure);
        }
        serve_or_nap(producer);
    }
}

/// Delivery reports; everything else goes to the client's context.
struct Deliveries {
    context: Context,
    undelivered: Mutex<Option<Undelivered>>,
    /// Highest offset by topic, since the transaction began. A task writes to few topics.
    delivered: Mutex<Vec<(String, i64)>>,
}

impl Deliveries {
    fn note(&self, topic: &str, offset: i64) {
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        match delivered.iter_mut().find(|(name, _)| name == topic) {
            Some((_, last)) => *last = offset.max(*last),
            None => delivered.push((topic.to_owned(), offset)),
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let (error, message) = match result {
            Ok(message) => return self.note(message.topic(), message.offset()),
            Err((error, message)) => (error, message),
        };
        let mut first = self.undelivered.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| Undelivered {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            code: error.rdkafka_error_code(),
        });
    }
}

impl ClientContext for Deliveries {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = Context::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.context.stats(statistics);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.context.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.context.generate_oauth_token(config)
    }
}
