//! A task's contributions to the shared profiles as records of the profiles topic, and back.
//!
//! A record holds marks (profile key, day, member), and how far the task has come: the day of its stream time, and
//! the last day to which nothing of it can be added any more. Marks are members of sets, so one that is written twice,
//! or read twice, changes nothing.
//!
//! Version u8, day i32, complete day i32 (`i32::MIN` = none), mark count u32, then per mark tenant u32, kind u8, value
//! u32, day i32, member u32; all little-endian.

use crate::engine::profile::{Contribution, ProfileKey, ProfileKind};

/// The version written.
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 13;
const MARK_BYTES: usize = 17;
/// Stands for "none" in a record.
const NO_DAY: i32 = i32::MIN;

/// Slots of the filter that keeps marks from being written again and again: a power of two.
const SEEN_SLOTS: usize = 1 << 15;

/// How far a task has come, as others need to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    /// Day of stream time that has begun.
    pub day: Option<i32>,
    /// Last day whose contributions are complete.
    pub complete_day: Option<i32>,
}

/// What a profiles record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfilesRecord {
    pub frontier: Frontier,
    pub marks: Vec<Contribution>,
}

/// Why bytes are no profiles record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfilesRecordError {
    #[error("profiles record of version `{0}`; this program reads `{VERSION}`")]
    Version(u8),
    #[error("profiles record ends early or goes on too long")]
    Length,
    #[error("profiles record has an unknown kind `{0}`")]
    Kind(u8),
}

/// Contributions of a task since its last transaction, most of the repeated ones left out.
pub struct Contributions {
    marks: Vec<Contribution>,
    frontier: Frontier,
    written: Frontier,
    /// Hashes of marks written lately, each in the slot its low bits name: what is displaced is written once more.
    seen: Box<[u64]>,
}

impl Contributions {
    pub fn new(frontier: Frontier) -> Contributions {
        Contributions { marks: Vec::new(), frontier, written: frontier, seen: vec![0; SEEN_SLOTS].into() }
    }

    pub fn add(&mut self, contributions: &[Contribution]) {
        for contribution in contributions {
            let hash = hash(contribution);
            let slot = &mut self.seen[hash as usize % SEEN_SLOTS];
            if *slot != hash {
                *slot = hash;
                self.marks.push(*contribution);
            }
        }
    }

    pub fn frontier(&self) -> Frontier {
        self.frontier
    }

    pub fn set_frontier(&mut self, frontier: Frontier) {
        self.frontier = frontier;
    }

    /// Is there anything others do not know?
    pub fn is_due(&self) -> bool {
        !self.marks.is_empty() || self.frontier != self.written
    }

    pub fn bytes(&self) -> usize {
        self.marks.len() * MARK_BYTES
    }

    /// What is to be written, at most `marks_max` marks a record; only the last record carries the new frontier.
    pub fn take(&mut self, marks_max: usize) -> Vec<Vec<u8>> {
        if !self.is_due() {
            return Vec::new();
        }
        let mut chunks: Vec<&[Contribution]> = self.marks.chunks(marks_max.max(1)).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let last = chunks.len() - 1;
        let frontier = |index| if index == last { self.frontier } else { self.written };
        let records = chunks.iter().enumerate().map(|(index, marks)| encode(frontier(index), marks)).collect();
        self.marks.clear();
        self.written = self.frontier;
        records
    }
}

fn hash(contribution: &Contribution) -> u64 {
    let mut bytes = [0; MARK_BYTES];
    put(contribution, &mut bytes);
    xxhash_rust::xxh3::xxh3_64(&bytes).max(1)
}

fn put(mark: &Contribution, bytes: &mut [u8; MARK_BYTES]) {
    bytes[0..4].copy_from_slice(&mark.key.tenant.to_le_bytes());
    bytes[4] = mark.key.kind as u8;
    bytes[5..9].copy_from_slice(&mark.key.value.to_le_bytes());
    bytes[9..13].copy_from_slice(&mark.day.to_le_bytes());
    bytes[13..17].copy_from_slice(&mark.member.to_le_bytes());
}

fn encode(frontier: Frontier, marks: &[Contribution]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + marks.len() * MARK_BYTES);
    bytes.push(VERSION);
    bytes.extend(frontier.day.unwrap_or(NO_DAY).to_le_bytes());
    bytes.extend(frontier.complete_day.unwrap_or(NO_DAY).to_le_bytes());
    bytes.extend((marks.len() as u32).to_le_bytes());
    for mark in marks {
        let mut encoded = [0; MARK_BYTES];
        put(mark, &mut encoded);
        bytes.extend(encoded);
    }
    bytes
}

impl ProfilesRecord {
    pub fn decode(bytes: &[u8]) -> Result<ProfilesRecord, ProfilesRecordError> {
        let (head, marks) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(ProfilesRecordError::Length)?;
        if head[0] != VERSION {
            return Err(ProfilesRecordError::Version(head[0]));
        }
        let day = |at: usize| Some(i32_at(head, at)).filter(|day| *day != NO_DAY);
        let frontier = Frontier { day: day(1), complete_day: day(5) };
        let count = i32_at(head, 9) as u32 as usize;
        if Some(marks.len()) != count.checked_mul(MARK_BYTES) {
            return Err(ProfilesRecordError::Length);
        }
        let marks = marks.chunks_exact(MARK_BYTES).map(mark).collect::<Result<_, _>>()?;
        Ok(ProfilesRecord { frontier, marks })
    }
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    i32::from_le_bytes(four)
}

fn mark(bytes: &[u8]) -> Result<Contribution, ProfilesRecordError> {
    let kind = ProfileKind::ALL.get(usize::from(bytes[4])).copied().ok_or(ProfilesRecordError::Kind(bytes[4]))?;
    Ok(Contribution {
        key: ProfileKey { tenant: i32_at(bytes, 0) as u32, kind, value: i32_at(bytes, 5) as u32 },
        day: i32_at(bytes, 9),
        member: i32_at(bytes, 13) as u32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contribution(value: u32, day: i32) -> Contribution {
        let key = ProfileKey { tenant: 7, kind: ProfileKind::AddressOrigins, value };
        Contribution { key, day, member: value.wrapping_mul(2_654_435_761) }
    }

    #[test]
    fn reads_back_what_it_writes_in_chunks() {
        let mut contributions = Contributions::new(Frontier::default());
        let marks: Vec<Contribution> = (1..=10).map(|value| contribution(value, 20_000)).collect();
        contributions.add(&marks);
        let frontier = Frontier { day: Some(20_001), complete_day: Some(-1) };
        contributions.set_frontier(frontier);
        let records: Vec<ProfilesRecord> =
            contributions.take(4).iter().map(|bytes| ProfilesRecord::decode(bytes).expect("reads")).collect();
        let frontiers: Vec<Frontier> = records.iter().map(|record| record.frontier).collect();
        assert_eq!(frontiers, [Frontier::default(), Frontier::default(), frontier]);
        let read: Vec<Contribution> = records.into_iter().flat_map(|record| record.marks).collect();
        assert_eq!(read, marks);
        assert!(!contributions.is_due());
        assert!(contributions.take(4).is_empty());
    }

    #[test]
    fn a_repeated_mark_is_written_once_and_a_new_frontier_alone_is_written() {
        let mut contributions = Contributions::new(Frontier::default());
        contributions.add(&[contribution(1, 5), contribution(1, 5), contribution(1, 6)]);
        let records = contributions.take(100);
        assert_eq!(ProfilesRecord::decode(&records[0]).expect("reads").marks.len(), 2);
        contributions.add(&[contribution(1, 5)]);
        assert!(!contributions.is_due());
        contributions.set_frontier(Frontier { day: Some(7), complete_day: None });
        assert!(contributions.is_due());
        assert_eq!(contributions.take(100).len(), 1);
    }

    #[test]
    fn refuses_damage() {
        let mut contributions = Contributions::new(Frontier::default());
        contributions.add(&[contribution(1, 5)]);
        let good = contributions.take(100).remove(0);
        let check = |change: fn(&mut Vec<u8>), expected| {
            let mut bytes = good.clone();
            change(&mut bytes);
            assert_eq!(ProfilesRecord::decode(&bytes), Err(expected));
        };
        check(|bytes| bytes[0] = 9, ProfilesRecordError::Version(9));
        check(|bytes| bytes.truncate(bytes.len() - 1), ProfilesRecordError::Length);
        check(|bytes| bytes.push(0), ProfilesRecordError::Length);
        check(|bytes| bytes[9] = 255, ProfilesRecordError::Length);
        check(|bytes| bytes[HEAD_BYTES + 4] = 99, ProfilesRecordError::Kind(99));
        check(Vec::clear, ProfilesRecordError::Length);
    }
}
