//! A task's contributions to what all tasks share as records of the profiles topic, and back.
//!
//! A record holds marks (profile key, day, member), attempts on accounts, and how far the task has come: the day of its
//! stream time, the last day to which nothing of it can be added any more, and the minute up to which it has told what was
//! attempted. Marks and attempts are members of sets, so one that is written twice, or read twice, changes nothing.
//!
//! Version u8, day i32, complete day i32 (`i32::MIN` = none), mark count u32, attempt count u32 (not in version 1), told
//! minute i32 (`i32::MIN` = none; not in versions 1 and 2), then per mark tenant u32, kind u8, value u32, day i32, member
//! u32, and per attempt tenant u32, member u32, minute i32, kind u8, country 2 bytes, four traces u32; all little-endian.

use crate::engine::attempts::{Attempt, AttemptKind};
use crate::engine::facts::CountryCode;
use crate::engine::profile::{Contribution, ProfileKey, ProfileKind};

/// The version written; older ones are read.
const VERSION: u8 = 3;
/// Of each version, from 1 on.
const HEAD_BYTES: [usize; VERSION as usize] = [13, 17, 21];
const MARK_BYTES: usize = 17;
const ATTEMPT_BYTES: usize = 31;
/// Stands for "none" in a record.
const NONE: i32 = i32::MIN;

/// Slots of the filter that keeps marks from being written again and again: a power of two.
const SEEN_SLOTS: usize = 1 << 15;

/// How far a task has come, as others need to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    /// Day of stream time that has begun.
    pub day: Option<i32>,
    /// Last day whose contributions are complete.
    pub complete_day: Option<i32>,
    /// Border of a review, in minutes since 1970, that stream time has come to: what was attempted before it is handed
    /// over, and strangers up to the horizon before.
    pub told_minute: Option<i32>,
}

/// What a profiles record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfilesRecord {
    pub frontier: Frontier,
    pub marks: Vec<Contribution>,
    pub attempts: Vec<Attempt>,
}

/// Why bytes are no profiles record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfilesRecordError {
    #[error("profiles record of version `{0}`; this program reads `1` to `{VERSION}`")]
    Version(u8),
    #[error("profiles record ends early or goes on too long")]
    Length,
    #[error("profiles record has an unknown kind `{0}`")]
    Kind(u8),
}

/// Contributions of a task since its last transaction, most of the repeated ones left out.
pub struct Contributions {
    marks: Vec<Contribution>,
    attempts: Vec<Attempt>,
    frontier: Frontier,
    written: Frontier,
    /// Hashes of marks and attempts written lately, each in the slot its low bits name: what is displaced is written once more.
    seen: Box<[u64]>,
}

impl Contributions {
    pub fn new(frontier: Frontier) -> Contributions {
        Contributions {
            marks: Vec::new(),
            attempts: Vec::new(),
            frontier,
            written: frontier,
            seen: vec![0; SEEN_SLOTS].into(),
        }
    }

    pub fn add(&mut self, contributions: &[Contribution]) {
        for contribution in contributions {
            let mut bytes = [0; MARK_BYTES];
            put(contribution, &mut bytes);
            if self.is_new(&bytes) {
                self.marks.push(*contribution);
            }
        }
    }

    pub fn add_attempts(&mut self, attempts: &[Attempt]) {
        for attempt in attempts {
            let mut bytes = [0; ATTEMPT_BYTES];
            put_attempt(attempt, &mut bytes);
            if self.is_new(&bytes) {
                self.attempts.push(*attempt);
            }
        }
    }

    fn is_new(&mut self, bytes: &[u8]) -> bool {
        let hash = xxhash_rust::xxh3::xxh3_64(bytes).max(1);
        let slot = &mut self.seen[hash as usize % SEEN_SLOTS];
        std::mem::replace(slot, hash) != hash
    }

    pub fn frontier(&self) -> Frontier {
        self.frontier
    }

    pub fn set_frontier(&mut self, frontier: Frontier) {
        self.frontier = frontier;
    }

    /// Is there anything others do not know?
    pub fn is_due(&self) -> bool {
        !self.marks.is_empty() || !self.attempts.is_empty() || self.frontier != self.written
    }

    pub fn bytes(&self) -> usize {
        self.marks.len() * MARK_BYTES + self.attempts.len() * ATTEMPT_BYTES
    }

    /// What is to be written, at most `marks_max` marks and as many attempts a record; only the last record carries the
    /// new frontier.
    pub fn take(&mut self, marks_max: usize) -> Vec<Vec<u8>> {
        if !self.is_due() {
            return Vec::new();
        }
        let most = marks_max.max(1);
        let count = self.marks.len().div_ceil(most).max(self.attempts.len().div_ceil(most)).max(1);
        let records = (0..count).map(|index| {
            let frontier = if index + 1 == count { self.frontier } else { self.written };
            let marks = self.marks.chunks(most).nth(index).unwrap_or_default();
            let attempts = self.attempts.chunks(most).nth(index).unwrap_or_default();
            encode(frontier, marks, attempts)
        });
        let records = records.collect();
        self.marks.clear();
        self.attempts.clear();
        self.written = self.frontier;
        records
    }
}

fn put(mark: &Contribution, bytes: &mut [u8; MARK_BYTES]) {
    bytes[0..4].copy_from_slice(&mark.key.tenant.to_le_bytes());
    bytes[4] = mark.key.kind as u8;
    bytes[5..9].copy_from_slice(&mark.key.value.to_le_bytes());
    bytes[9..13].copy_from_slice(&mark.day.to_le_bytes());
    bytes[13..17].copy_from_slice(&mark.member.to_le_bytes());
}

fn put_attempt(attempt: &Attempt, bytes: &mut [u8; ATTEMPT_BYTES]) {
    bytes[0..4].copy_from_slice(&attempt.tenant.to_le_bytes());
    bytes[4..8].copy_from_slice(&attempt.member.to_le_bytes());
    bytes[8..12].copy_from_slice(&attempt.minute.to_le_bytes());
    bytes[12] = attempt.kind as u8;
    bytes[13..15].copy_from_slice(&attempt.country.0);
    for (trace, bytes) in attempt.traces.iter().zip(bytes[15..].chunks_exact_mut(4)) {
        bytes.copy_from_slice(&trace.to_le_bytes());
    }
}

fn encode(frontier: Frontier, marks: &[Contribution], attempts: &[Attempt]) -> Vec<u8> {
    let length = HEAD_BYTES[HEAD_BYTES.len() - 1] + marks.len() * MARK_BYTES + attempts.len() * ATTEMPT_BYTES;
    let mut bytes = Vec::with_capacity(length);
    bytes.push(VERSION);
    bytes.extend(frontier.day.unwrap_or(NONE).to_le_bytes());
    bytes.extend(frontier.complete_day.unwrap_or(NONE).to_le_bytes());
    bytes.extend((marks.len() as u32).to_le_bytes());
    bytes.extend((attempts.len() as u32).to_le_bytes());
    bytes.extend(frontier.told_minute.unwrap_or(NONE).to_le_bytes());
    for mark in marks {
        let mut encoded = [0; MARK_BYTES];
        put(mark, &mut encoded);
        bytes.extend(encoded);
    }
    for attempt in attempts {
        let mut encoded = [0; ATTEMPT_BYTES];
        put_attempt(attempt, &mut encoded);
        bytes.extend(encoded);
    }
    bytes
}

impl ProfilesRecord {
    pub fn decode(bytes: &[u8]) -> Result<ProfilesRecord, ProfilesRecordError> {
        let version = *bytes.first().ok_or(ProfilesRecordError::Length)?;
        let head_bytes = usize::from(version).checked_sub(1).and_then(|index| HEAD_BYTES.get(index));
        let head_bytes = *head_bytes.ok_or(ProfilesRecordError::Version(version))?;
        let (head, body) = bytes.split_at_checked(head_bytes).ok_or(ProfilesRecordError::Length)?;
        let number = |at: usize| Some(i32_at(head, at)).filter(|number| *number != NONE);
        let (day, complete_day) = (number(1), number(5));
        let told_minute = match version {
            // Who had completed a day had come to its end, and further.
            1 | 2 => complete_day.map(|day| day.saturating_add(1).saturating_mul(24 * 60)),
            _ => number(17),
        };
        let frontier = Frontier { day, complete_day, told_minute };
        let marks_bytes = (i32_at(head, 9) as u32 as usize).checked_mul(MARK_BYTES);
        let attempts_bytes = match version {
            1 => Some(0),
            _ => (i32_at(head, 13) as u32 as usize).checked_mul(ATTEMPT_BYTES),
        };
        let (Some(marks_bytes), Some(attempts_bytes)) = (marks_bytes, attempts_bytes) else {
            return Err(ProfilesRecordError::Length);
        };
        if marks_bytes.checked_add(attempts_bytes) != Some(body.len()) {
            return Err(ProfilesRecordError::Length);
        }
        let (marks, attempts) = body.split_at(marks_bytes);
        Ok(ProfilesRecord {
            frontier,
            marks: marks.chunks_exact(MARK_BYTES).map(mark).collect::<Result<_, _>>()?,
            attempts: attempts.chunks_exact(ATTEMPT_BYTES).map(attempt).collect::<Result<_, _>>()?,
        })
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

fn attempt(bytes: &[u8]) -> Result<Attempt, ProfilesRecordError> {
    let kind =
        AttemptKind::ALL.get(usize::from(bytes[12])).copied().ok_or(ProfilesRecordError::Kind(bytes[12]))?;
    Ok(Attempt {
        tenant: i32_at(bytes, 0) as u32,
        member: i32_at(bytes, 4) as u32,
        minute: i32_at(bytes, 8),
        kind,
        country: CountryCode([bytes[13], bytes[14]]),
        traces: std::array::from_fn(|index| i32_at(bytes, 15 + 4 * index) as u32),
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
        let frontier = Frontier { day: Some(20_001), complete_day: Some(-1), told_minute: Some(28_801_440) };
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
        for frontier in [
            Frontier { day: Some(7), ..Frontier::default() },
            Frontier { day: Some(7), told_minute: Some(10_090), ..Frontier::default() },
        ] {
            contributions.set_frontier(frontier);
            assert!(contributions.is_due());
            assert_eq!(contributions.take(100).len(), 1);
        }
    }

    fn attempted(member: u32) -> Attempt {
        Attempt {
            tenant: 7,
            member,
            minute: -3,
            kind: AttemptKind::NoSuchUser,
            country: CountryCode(*b"NO"),
            traces: [1, 2, 0, u32::MAX],
        }
    }

    #[test]
    fn attempts_are_read_back_and_written_once() {
        let mut contributions = Contributions::new(Frontier::default());
        let attempts: Vec<Attempt> = (1..=9).map(attempted).collect();
        contributions.add_attempts(&attempts);
        contributions.add_attempts(&attempts);
        contributions.add(&[contribution(1, 5)]);
        let records: Vec<ProfilesRecord> =
            contributions.take(4).iter().map(|bytes| ProfilesRecord::decode(bytes).expect("reads")).collect();
        assert_eq!(records.iter().map(|record| record.marks.len()).collect::<Vec<_>>(), [1, 0, 0]);
        let read: Vec<Attempt> = records.into_iter().flat_map(|record| record.attempts).collect();
        assert_eq!(read, attempts);
        assert!(!contributions.is_due());
    }

    /// They know of no reviews: a task that has completed a day has told what came before its end, and else nobody knows.
    #[test]
    fn records_of_older_versions_are_read() {
        let marks = [contribution(1, 5), contribution(2, 5)];
        for (complete_day, told_minute) in [(None, None), (Some(1), Some(2 * 24 * 60)), (Some(-2), Some(-24 * 60))]
        {
            let frontier = Frontier { day: Some(3), complete_day, told_minute };
            let read = |version: u8, attempts: &[Attempt]| {
                let mut bytes = encode(Frontier { told_minute: Some(77), ..frontier }, &marks, attempts);
                bytes[0] = version;
                bytes.drain(HEAD_BYTES[usize::from(version) - 1]..HEAD_BYTES[2]);
                ProfilesRecord::decode(&bytes)
            };
            let expected = ProfilesRecord { frontier, marks: marks.to_vec(), attempts: Vec::new() };
            assert_eq!(read(1, &[]), Ok(expected.clone()));
            assert_eq!(read(2, &[attempted(1)]), Ok(ProfilesRecord { attempts: vec![attempted(1)], ..expected }));
        }
    }

    #[test]
    fn refuses_damage() {
        let mut contributions = Contributions::new(Frontier::default());
        contributions.add(&[contribution(1, 5)]);
        contributions.add_attempts(&[attempted(1)]);
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
        check(|bytes| bytes[13] = 255, ProfilesRecordError::Length);
        check(|bytes| bytes[0] = 0, ProfilesRecordError::Version(0));
        check(|bytes| bytes[HEAD_BYTES[2] + MARK_BYTES + 12] = 99, ProfilesRecordError::Kind(99));
        check(|bytes| bytes[HEAD_BYTES[2] + 4] = 99, ProfilesRecordError::Kind(99));
        check(Vec::clear, ProfilesRecordError::Length);
    }
}
