//! Reads parts of partitions once, from an offset to an end fixed beforehand: what commands look at.
//!
//! It joins no group and commits nothing. What is seen is the committed view, and the end is never beyond it, so a
//! transaction that is open meanwhile is waited for by nobody. Where a part begins and ends may be said as an offset, a
//! time or an end of the partition ([`Bound`]); what is not there any more is an error, never left out in silence.

use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::{Offset, TopicPartitionList as List};

use super::failure;
use super::kafka_log::{self, Reader, place};
use super::names::Names;
use super::record::SourceKind;
use crate::runtime::clock::Deadline;

/// Questions to a broker wait this long.
const ASK_MAX: Duration = Duration::from_secs(15);
/// How long one poll waits.
const POLL: Duration = Duration::from_millis(100);
/// The coordinator of a group that was just made takes a moment; asked again after this.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Part of a partition: offsets from `from` up to but not including `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub topic: String,
    pub partition: i32,
    pub from: i64,
    pub to: i64,
}

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Earliest,
    /// Behind the last committed record.
    Latest,
    Offset(i64),
    /// The first record with this timestamp or a later one, milliseconds since 1970; else the end.
    Time(i64),
}

impl Bound {
    /// The place in a source of this kind: an offset is one of the input topics', and of commands `otherwise` is meant.
    pub fn of(self, kind: SourceKind, otherwise: Bound) -> Bound {
        match (self, kind) {
            (Bound::Offset(_), SourceKind::Commands) => otherwise,
            (bound, _) => bound,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("{during} failed: {error}")]
    Kafka { during: String, error: KafkaError },
    #[error("topic `{0}` does not exist")]
    NoTopic(String),
    #[error("topic `{topic}` has no partition `{partition}`; it has `{count}`")]
    NoPartition { topic: String, partition: i32, count: i32 },
    #[error("`{topic}` partition `{partition}`: offset `{offset}` is out of range; there are `{low}` to `{end}`")]
    OutOfRange { topic: String, partition: i32, offset: i64, low: i64, end: i64 },
    #[error(
        "`{topic}` partition `{partition}` gave nothing for {seconds} s at offset `{position}`, before `{to}`"
    )]
    Stuck { topic: String, partition: i32, position: i64, to: i64, seconds: u64 },
}

/// Reads parts, one after another.
pub struct Scanner {
    reader: Reader,
    patience: Duration,
}

impl Scanner {
    pub fn new(names: &Names) -> Result<Scanner, ScanError> {
        let reader = kafka_log::reader(names, "scan").map_err(|error| kafka("creating a client", error))?;
        Ok(Scanner { reader, patience: names.restore_no_progress })
    }

    /// Number of partitions of a topic.
    pub fn partitions(&self, topic: &str) -> Result<i32, ScanError> {
        let metadata = self
            .reader
            .fetch_metadata(Some(topic), ASK_MAX)
            .map_err(|error| kafka(&format!("asking for topic `{topic}`"), error))?;
        let count =
            metadata.topics().iter().find(|found| found.name() == topic).map_or(0, |t| t.partitions().len());
        match i32::try_from(count) {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(ScanError::NoTopic(topic.to_owned())),
        }
    }

    /// The partitions asked for: one, or all.
    pub fn chosen(&self, topic: &str, partition: Option<i32>) -> Result<Vec<i32>, ScanError> {
        let count = self.partitions(topic)?;
        match partition {
            None => Ok((0..count).collect()),
            Some(partition) if (0..count).contains(&partition) => Ok(vec![partition]),
            Some(partition) => Err(ScanError::NoPartition { topic: topic.to_owned(), partition, count }),
        }
    }

    /// First offset and the end of what is committed.
    pub fn ends(&self, topic: &str, partition: i32) -> Result<(i64, i64), ScanError> {
        self.reader
            .fetch_watermarks(topic, partition, ASK_MAX)
            .map_err(|error| kafka(&format!("asking for the ends of `{topic}` partition `{partition}`"), error))
    }

    /// The offset of a place; an offset must be one of the partition's, or its end.
    pub fn offset(&self, topic: &str, partition: i32, bound: Bound) -> Result<i64, ScanError> {
        let (low, end) = self.ends(topic, partition)?;
        match bound {
            Bound::Earliest => Ok(low),
            Bound::Latest => Ok(end),
            Bound::Offset(offset) if (low..=end).contains(&offset) => Ok(offset),
            Bound::Offset(offset) => {
                Err(ScanError::OutOfRange { topic: topic.to_owned(), partition, offset, low, end })
            }
            Bound::Time(timestamp_ms) => {
                let mut asked = TopicPartitionList::new();
                let failed = |error| kafka(&format!("asking `{topic}` for a time"), error);
                asked.add_partition_offset(topic, partition, Offset::Offset(timestamp_ms)).map_err(failed)?;
                let found = self.reader.offsets_for_times(asked, ASK_MAX).map_err(failed)?;
                let offset = found.elements().first().map(|element| element.offset());
                Ok(match offset {
                    Some(Offset::Offset(offset)) => offset.clamp(low, end),
                    _ => end,
                })
            }
        }
    }

    /// Part of a partition between two places; empty when the second is not behind the first.
    pub fn part(&self, topic: &str, partition: i32, from: Bound, to: Bound) -> Result<Part, ScanError> {
        let from = self.offset(topic, partition, from)?;
        let to = self.offset(topic, partition, to)?;
        Ok(Part { topic: topic.to_owned(), partition, from, to })
    }

    /// Reads one part in the order of its offsets, until it ends or `visit` has seen enough.
    pub fn read(
        &self,
        part: &Part,
        mut visit: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
    ) -> Result<(), ScanError> {
        if part.from >= part.to {
            return Ok(());
        }
        let during = || format!("reading `{}` partition `{}`", part.topic, part.partition);
        self.reader
            .assign(&place(&part.topic, part.partition, part.from))
            .map_err(|error| kafka(&during(), error))?;
        let mut position = part.from;
        let mut deadline = Deadline::after(self.patience);
        loop {
            match self.reader.poll(POLL) {
                Some(Ok(message)) => {
                    let offset = message.offset();
                    if offset >= part.to || visit(&message).is_break() || offset + 1 == part.to {
                        return Ok(());
                    }
                    position = offset + 1;
                    deadline = Deadline::after(self.patience);
                }
                // The committed view ended at `to` or later when the part was made.
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) if !is_passing(&error) => return Err(kafka(&during(), error)),
                Some(Err(_)) | None => {}
            }
            if deadline.is_over() {
                let Part { topic, partition, to, .. } = part.clone();
                return Err(ScanError::Stuck { topic, partition, position, to, seconds: self.patience.as_secs() });
            }
        }
    }

    /// The group's committed offsets of these topics in one partition, no transaction pending on them.
    pub fn committed(&self, topics: &[&str], partition: i32) -> Result<Vec<Option<i64>>, ScanError> {
        let mut asked = List::new();
        for topic in topics {
            asked.add_partition(topic, partition);
        }
        let deadline = Deadline::after(ASK_MAX);
        let found = loop {
            match self.reader.committed_offsets(asked.clone(), ASK_MAX) {
                Ok(found) => break found,
                Err(error) if is_passing(&error) && !deadline.is_over() => std::thread::sleep(ASK_AGAIN),
                Err(error) => return Err(kafka("asking for the group's offsets", error)),
            }
        };
        let offset = |topic: &&str| match found.find_partition(topic, partition).map(|element| element.offset()) {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        };
        Ok(topics.iter().map(offset).collect())
    }

    pub fn reader(&self) -> &Reader {
        &self.reader
    }
}

fn kafka(during: &str, error: KafkaError) -> ScanError {
    ScanError::Kafka { during: during.to_owned(), error }
}

/// What librdkafka goes on from by itself.
pub fn is_passing(error: &KafkaError) -> bool {
    failure::code(error).is_some_and(|code| {
        matches!(
            code,
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::NotLeaderForPartition
                | Code::WaitingForCoordinator
                | Code::NotCoordinator
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
        )
    })
}
