//! Parts of partitions → their records in one order that does not depend on when they arrive: by the records' timestamps,
//! then source, then partition; of one partition by offset, whatever the timestamps.
//!
//! Each partition has a queue of its own, which librdkafka fills up to its limit, so none keeps another from being read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, Message};

use crate::runtime::clock::Deadline;
use crate::runtime::kafka::client::Context;
use crate::runtime::kafka::kafka_log::{self, Reader, place};
use crate::runtime::kafka::names::Names;
use crate::runtime::kafka::outbox::OutHeader;
use crate::runtime::kafka::record::Record;
use crate::runtime::kafka::scan::{Part, ScanError, is_passing};
use crate::runtime::kafka::worker::seek;

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(20);
/// Records taken from a queue ahead of the merge.
const AHEAD_MAX: usize = 256;

/// A record in memory of its own.
#[derive(Clone, Debug, Default)]
pub struct Held {
    pub source: usize,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<OutHeader>,
}

impl Held {
    fn of(source: usize, message: &impl Message) -> Held {
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        Held {
            source,
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            headers: headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect(),
        }
    }

    pub fn record(&self) -> Record<'_> {
        Record {
            source: self.source,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref(),
            payload: self.payload.as_deref(),
            headers: self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect(),
        }
    }

    pub fn bytes(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        length(&self.key) + length(&self.payload)
    }
}

struct Stream {
    source: usize,
    part: Part,
    /// `None`: there was nothing to read.
    queue: Option<PartitionQueue<Context>>,
    ahead: VecDeque<Held>,
    is_ended: bool,
}

pub struct Merge {
    reader: Arc<Reader>,
    streams: Vec<Stream>,
    patience: Duration,
}

impl Merge {
    /// Begins to read; each part has the index of its source.
    pub fn open(names: &Names, parts: Vec<(usize, Part)>) -> Result<Merge, ScanError> {
        let failed = |error| ScanError::Kafka { during: "beginning to read".to_owned(), error };
        let reader = Arc::new(kafka_log::reader(names, "replay").map_err(failed)?);
        let mut streams = Vec::new();
        for (source, part) in parts {
            let is_ended = part.from >= part.to;
            let queue = match is_ended {
                true => None,
                false => Some(queue(&reader, &part).map_err(failed)?),
            };
            streams.push(Stream { source, part, queue, ahead: VecDeque::new(), is_ended });
        }
        Ok(Merge { reader, streams, patience: names.restore_no_progress })
    }

    /// The next record; `None` at the end of all.
    pub fn next(&mut self) -> Result<Option<Held>, ScanError> {
        for stream in &mut self.streams {
            stream.fill(&self.reader, self.patience)?;
        }
        let first = self
            .streams
            .iter_mut()
            .filter(|stream| !stream.ahead.is_empty())
            .min_by_key(|stream| (stream.ahead[0].timestamp_ms, stream.source, stream.part.partition));
        Ok(first.and_then(|stream| stream.ahead.pop_front()))
    }
}

impl Stream {
    /// Waits until there is a record, or the end.
    fn fill(&mut self, reader: &Reader, patience: Duration) -> Result<(), ScanError> {
        let Some(queue) = &self.queue else { return Ok(()) };
        let deadline = Deadline::after(patience);
        while !self.is_ended && self.ahead.len() < AHEAD_MAX {
            let wait = if self.ahead.is_empty() { POLL } else { Duration::ZERO };
            match queue.poll(wait) {
                Some(Ok(message)) => {
                    let offset = message.offset();
                    if offset < self.part.to {
                        self.ahead.push_back(Held::of(self.source, &message));
                    }
                    self.is_ended = offset + 1 >= self.part.to;
                }
                // The committed view ended at `to` or later when the part was made.
                Some(Err(KafkaError::PartitionEOF(_))) => self.is_ended = true,
                Some(Err(error)) if !is_passing(&error) => {
                    let Part { topic, partition, .. } = &self.part;
                    let during = format!("reading `{topic}` partition `{partition}`");
                    return Err(ScanError::Kafka { during, error });
                }
                Some(Err(_)) | None if !self.ahead.is_empty() => return Ok(()),
                Some(Err(_)) | None => {
                    // What concerns the client as a whole, such as a token that is due.
                    drop(reader.poll(Duration::ZERO));
                    if deadline.is_over() {
                        let Part { topic, partition, from, to } = self.part.clone();
                        let seconds = patience.as_secs();
                        return Err(ScanError::Stuck { topic, partition, position: from, to, seconds });
                    }
                }
            }
        }
        Ok(())
    }
}

fn queue(reader: &Arc<Reader>, part: &Part) -> Result<PartitionQueue<Context>, KafkaError> {
    let Part { topic, partition, from, .. } = part;
    reader.incremental_assign(&place(topic, *partition, *from))?;
    let queue = reader
        .split_partition_queue(topic, *partition)
        .ok_or(KafkaError::Subscription(format!("`{topic}` partition `{partition}` does not exist")))?;
    seek(reader, topic, *partition, *from)?;
    Ok(queue)
}
