//! Kafka as one lane sees it: take over, ask where to go on, write a parcel with its offset.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::relay::Parcel;
use crate::runtime::clock::Deadline;
use crate::runtime::kafka::client::Connection;
use crate::runtime::kafka::failure::{Class, Failure};
use crate::runtime::kafka::group::GroupConsumer;
use crate::runtime::kafka::kafka_log::Reader;
use crate::runtime::kafka::names::Names;
use crate::runtime::kafka::native::group_metadata;
use crate::runtime::kafka::producer::{Outgoing, TxnProducer};

/// Questions to a broker wait this long.
pub const ASK_MAX: Duration = Duration::from_secs(15);

/// A lane's name towards Kafka: the same whoever owns it. No topic has a colon in its name, so no task of any
/// application has this id.
pub fn transactional_id(application_id: &str, topic: &str, partition: i32) -> String {
    format!("{application_id}-repartition:{topic}-{partition}")
}

/// One lane's producer, with what its transactions need.
pub struct LaneLog {
    names: Arc<Names>,
    group: Arc<GroupConsumer>,
    topic: String,
    partition: i32,
    producer: TxnProducer,
}

impl LaneLog {
    /// Takes the lane over: what an earlier producer left open is ended when this returns.
    pub fn open(
        names: Arc<Names>,
        group: Arc<GroupConsumer>,
        topic: &str,
        partition: i32,
    ) -> Result<LaneLog, Failure> {
        let id = transactional_id(&names.application_id, topic, partition);
        let timeout = names.transaction_timeout * 2;
        let producer = TxnProducer::open(&names.connection, &id, names.message_bytes_max, timeout)?;
        Ok(LaneLog { names, group, topic: topic.to_owned(), partition, producer })
    }

    /// Writes the parcel and its offset in one transaction.
    ///
    /// # Errors
    /// Whatever the error, the lane is to be opened anew: the group's offset then says whether it is written.
    pub fn commit(&mut self, parcel: &Parcel) -> Result<(), Failure> {
        let result = self.transact(parcel);
        if let Err(failure) = &result
            && matches!(failure.class, Class::GroupFenced | Class::Abortable | Class::TooLarge | Class::QueueFull)
        {
            // Readers of committed records need not wait for the successor, or for the transaction's timeout.
            let aborted = self.producer.abort(Deadline::after(self.names.transaction_timeout));
            if let Err(failure) = aborted {
                tracing::debug!("a lane's transaction is left to its successor: {failure}");
            }
        }
        result
    }

    fn transact(&mut self, parcel: &Parcel) -> Result<(), Failure> {
        let deadline = Deadline::after(self.names.transaction_timeout);
        self.producer.begin()?;
        for record in parcel.outbox.records() {
            let topic = self.names.topic(record.destination);
            // Dead letters: input topics may have more partitions than the topic of dead letters.
            let partition = record.partition.unwrap_or(self.partition % self.names.partitions);
            let (key, payload, headers) = (record.key, record.payload, record.headers);
            let outgoing = Outgoing { topic, partition, key, payload, headers, timestamp_ms: None };
            self.producer.send(&outgoing, deadline)?;
        }
        // Read now, and not a moment earlier: the generation may have changed since.
        let Some((metadata, _)) = group_metadata(&self.group) else {
            let message = "this member belongs to no generation of the group".to_owned();
            return Err(Failure { class: Class::GroupFenced, during: "commit", code: None, message });
        };
        self.producer.send_offsets(&[(&self.topic, self.partition, parcel.next)], &metadata, deadline)?;
        self.producer.commit(deadline)
    }

    /// Whether the producer must not be used for another transaction.
    pub fn is_suspect(&self) -> bool {
        self.producer.is_suspect()
    }

    /// Replaces the producer, after a transaction that was committed.
    pub fn renew(&mut self) -> Result<(), Failure> {
        self.producer.recycle(self.names.transaction_timeout * 2)
    }
}

/// A client that reads one partition, and asks for the group's offsets.
pub fn reader(connection: &Connection, queue_bytes_max: u64) -> Result<Reader, KafkaError> {
    connection.partition_reader(queue_bytes_max).create_with_context(connection.context("repartition"))
}

/// The group's offset, with no transaction pending on it; `None` = there is none.
pub fn committed_offset(reader: &Reader, topic: &str, partition: i32) -> Result<Option<i64>, KafkaError> {
    let mut tpl = TopicPartitionList::new();
    tpl.add_partition(topic, partition);
    // Read committed: the coordinator waits for offsets of transactions that are not ended yet.
    let found = reader.committed_offsets(tpl, ASK_MAX)?;
    Ok(match found.elements().first().map(|element| element.offset()) {
        Some(Offset::Offset(offset)) => Some(offset),
        _ => None,
    })
}
