//! One partition of the simulated Kafka: records, control records, what is stable, and what compaction takes away.
//!
//! As in Kafka, an offset is taken by every record and every control record; a read-committed reader goes no further
//! than the first record whose transaction is open, and does not see those of aborted ones. What compaction removes
//! is kept aside for the checker alone.

use std::collections::BTreeMap;

/// A producer of transactions: who, and in which incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Producer {
    pub id: u32,
    pub epoch: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Open,
    Committed,
    Aborted,
    /// A commit or abort marker.
    Control,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub offset: i64,
    producer: Option<u32>,
    pub fate: Fate,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// Key and value of a record on its way.
pub type Data = (Option<Vec<u8>>, Option<Vec<u8>>);

/// What a broker refuses a write for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    OldEpoch,
    Sequence,
}

#[derive(Default)]
pub struct Log {
    entries: Vec<Entry>,
    /// What compaction removed.
    removed: Vec<Entry>,
    end: i64,
    /// First offset of each producer's open transaction.
    open: BTreeMap<u32, i64>,
    /// Newest epoch seen of each producer, and the sequence number it goes on with.
    producers: BTreeMap<u32, (u32, usize)>,
    /// After a restart reads see only what is before this offset, until the high watermark is known again.
    recovering: Option<i64>,
}

impl Log {
    pub fn end(&self) -> i64 {
        self.end
    }

    pub fn is_recovering(&self) -> bool {
        self.recovering.is_some()
    }

    /// The leader came back: its high watermark lags.
    pub fn restart(&mut self, lag: i64) {
        self.recovering = Some((self.end - lag).max(0));
    }

    pub fn recover(&mut self) {
        self.recovering = None;
    }

    /// Last stable offset.
    pub fn stable_end(&self) -> i64 {
        self.open.values().copied().min().unwrap_or(self.end)
    }

    pub fn has_open(&self, producer: u32) -> bool {
        self.open.contains_key(&producer)
    }

    /// Appends records outside of any transaction.
    pub fn append(&mut self, data: Data) {
        self.push(None, Fate::Committed, data);
    }

    fn push(&mut self, producer: Option<u32>, fate: Fate, (key, value): Data) {
        self.entries.push(Entry { offset: self.end, producer, fate, key, value });
        self.end += 1;
    }

    /// Appends records of a transaction, once. Gives the first one's offset; of what was taken before it gives one at
    /// or before it, as its own is not kept.
    pub fn produce(&mut self, producer: Producer, sequence: usize, data: &[Data]) -> Result<i64, Refused> {
        let known = self.producers.entry(producer.id).or_insert((producer.epoch, 0));
        if producer.epoch < known.0 {
            return Err(Refused::OldEpoch);
        }
        if producer.epoch > known.0 {
            *known = (producer.epoch, 0);
        }
        if sequence + data.len() <= known.1 {
            return Ok(0);
        }
        if sequence != known.1 {
            return Err(Refused::Sequence);
        }
        known.1 += data.len();
        let first = self.end;
        self.open.entry(producer.id).or_insert(first);
        for record in data {
            self.push(Some(producer.id), Fate::Open, record.clone());
        }
        Ok(first)
    }

    /// Fences older epochs of a producer without writing: what a marker or an offset commit does.
    pub fn fence(&mut self, producer: Producer) -> Result<(), Refused> {
        let known = self.producers.entry(producer.id).or_insert((producer.epoch, 0));
        if producer.epoch < known.0 {
            return Err(Refused::OldEpoch);
        }
        if producer.epoch > known.0 {
            *known = (producer.epoch, 0);
        }
        Ok(())
    }

    /// Ends the producer's transaction here.
    pub fn mark(&mut self, producer: Producer, is_commit: bool) {
        if self.fence(producer).is_err() {
            return;
        }
        let first = self.open.remove(&producer.id).unwrap_or(self.end);
        let fate = if is_commit { Fate::Committed } else { Fate::Aborted };
        for entry in self.entries.iter_mut().rev().take_while(|entry| entry.offset >= first) {
            if entry.producer == Some(producer.id) && entry.fate == Fate::Open {
                entry.fate = fate;
            }
        }
        self.push(Some(producer.id), Fate::Control, (None, None));
    }

    /// What a read-committed fetch gives: at most `count` records from `position`, and the position behind them and
    /// behind control and aborted records that follow.
    pub fn fetch(&self, position: i64, count: usize) -> (Vec<Entry>, i64) {
        let end = self.stable_end().min(self.recovering.unwrap_or(i64::MAX));
        let start = self.entries.partition_point(|entry| entry.offset < position);
        let mut found = Vec::new();
        let mut next = position;
        for entry in self.entries[start..].iter().take_while(|entry| entry.offset < end) {
            if entry.fate == Fate::Committed {
                if found.len() == count {
                    return (found, next);
                }
                found.push(entry.clone());
            }
            next = entry.offset + 1;
        }
        // Offsets that compaction emptied are passed over, too.
        (found, next.max(end).max(position))
    }

    /// Keeps the newest committed record of each key; what is open, or behind it, stays.
    pub fn compact(&mut self) {
        let end = self.stable_end();
        let mut newest: BTreeMap<&[u8], i64> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.offset < end && entry.fate == Fate::Committed) {
            if let Some(key) = &entry.key {
                newest.insert(key, entry.offset);
            }
        }
        let stays = |entry: &Entry| match (&entry.key, entry.fate) {
            _ if entry.offset >= end => true,
            (Some(key), Fate::Committed) => newest.get(key.as_slice()) == Some(&entry.offset),
            (None, Fate::Committed) => true,
            _ => false,
        };
        let keep: Vec<bool> = self.entries.iter().map(stays).collect();
        let mut kept = Vec::new();
        for (entry, keep) in std::mem::take(&mut self.entries).into_iter().zip(keep) {
            if keep { kept.push(entry) } else { self.removed.push(entry) }
        }
        self.entries = kept;
    }

    /// Everything ever committed, also what compaction removed.
    pub fn committed(&self) -> Vec<&Entry> {
        let all = self.entries.iter().chain(&self.removed);
        let mut committed: Vec<&Entry> = all.filter(|entry| entry.fate == Fate::Committed).collect();
        committed.sort_by_key(|entry| entry.offset);
        committed
    }
}
