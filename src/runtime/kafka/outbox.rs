//! What a task has to write: collected batch by batch, frozen, and sent in one transaction.
//!
//! Nothing is sent while it is collected, so a transaction is open for milliseconds only. A frozen outbox is kept
//! until its commit is certain, and sent again as it is when it is certain that it was not.

use std::ops::Range;

use super::partition::TaskCounts;

/// Which topic a record goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    State,
    Profiles,
    RiskDetections,
    RiskyUsers,
    ShadowDetections,
    DeadLetter,
    Probe,
    Repartition,
}

impl Destination {
    pub const ALL: [Destination; 8] = [
        Destination::State,
        Destination::Profiles,
        Destination::RiskDetections,
        Destination::RiskyUsers,
        Destination::ShadowDetections,
        Destination::DeadLetter,
        Destination::Probe,
        Destination::Repartition,
    ];
}

/// A header of a record on its way out; a null value stays null.
pub type OutHeader = (String, Option<Vec<u8>>);

struct Entry {
    destination: Destination,
    /// `None` = the task's own partition number.
    partition: Option<i32>,
    key: Option<Range<usize>>,
    payload: Option<Range<usize>>,
    headers: Box<[OutHeader]>,
}

/// One record as the producer takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutRecord<'a> {
    pub destination: Destination,
    /// `None` = the task's own partition number.
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub payload: Option<&'a [u8]>,
    pub headers: &'a [OutHeader],
}

/// Records in order, their bytes in one buffer.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl Outbox {
    /// Appends a record.
    pub fn push(
        &mut self,
        destination: Destination,
        partition: Option<i32>,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        headers: Vec<OutHeader>,
    ) {
        let key = key.map(|key| self.append(key));
        let payload = payload.map(|payload| self.append(payload));
        self.entries.push(Entry { destination, partition, key, payload, headers: headers.into() });
    }

    /// Appends a record whose payload `write` appends to the buffer.
    pub fn push_with(
        &mut self,
        destination: Destination,
        key: &[u8],
        headers: Vec<OutHeader>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let key = Some(self.append(key));
        let start = self.bytes.len();
        write(&mut self.bytes);
        let payload = Some(start..self.bytes.len());
        self.entries.push(Entry { destination, partition: None, key, payload, headers: headers.into() });
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    pub fn records(&self) -> impl Iterator<Item = OutRecord<'_>> {
        let slice = |range: &Option<Range<usize>>| range.clone().map(|range| &self.bytes[range]);
        self.entries.iter().map(move |entry| OutRecord {
            destination: entry.destination,
            partition: entry.partition,
            key: slice(&entry.key),
            payload: slice(&entry.payload),
            headers: &entry.headers,
        })
    }

    /// Bytes of keys and payloads.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Everything one transaction writes.
pub struct Frozen {
    /// Number of the transaction: one more than that of the task's transaction before.
    pub transaction: u64,
    /// The records; the marker is the last of those for the changelog.
    pub outbox: Outbox,
    /// For each source's topic, the offset to go on from.
    pub next: Vec<(String, i64)>,
    /// Input records taken.
    pub records: u64,
    /// Timestamp of the oldest input record in it, for the lag: milliseconds since 1970.
    pub oldest_timestamp_ms: Option<i64>,
    /// What happened on the way; it counts once the transaction is committed.
    pub counts: TaskCounts,
}
