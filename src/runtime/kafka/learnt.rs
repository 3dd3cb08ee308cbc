//! What was learnt elsewhere, as records of the profiles topic: `farsign state import` writes them.
//!
//! Profiles and attempts as a whole, in place of all that the topic said before. They are one zstd stream, cut into records
//! of at most [`CHUNK_BYTES`]: first byte [`MARK`], index u32, count u32 (little-endian), bytes. All of them are in one
//! transaction, and nobody else writes meanwhile, so a reader sees all or none, in order. Programs that do not know them
//! count them as records that they cannot read.

use std::io::Read as _;

use super::shared::SharedProfiles;

/// The key of such a record: no partition's.
pub const KEY: &[u8] = b"learnt";
/// No version of a task's record.
const MARK: u8 = b'L';
const HEAD_BYTES: usize = 9;
const CHUNK_BYTES: usize = 512 * 1024;
/// What a stream may unpack to: far beyond what the limits of profiles and attempts allow.
const BYTES_MAX: u64 = 4 << 30;
/// Length of the profiles, before them.
const LENGTH_BYTES: usize = 8;

/// The records' payloads.
///
/// # Errors
/// When it cannot be compressed.
pub fn records(profiles: &[u8], attempts: &[u8]) -> std::io::Result<Vec<Vec<u8>>> {
    let length = (profiles.len() as u64).to_le_bytes();
    let whole = [&length, profiles, attempts].concat();
    let packed = zstd::encode_all(whole.as_slice(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
    let count = packed.len().div_ceil(CHUNK_BYTES) as u32;
    let record =
        |(index, chunk): (u32, &[u8])| [&[MARK][..], &index.to_le_bytes(), &count.to_le_bytes(), chunk].concat();
    Ok((0..).zip(packed.chunks(CHUNK_BYTES)).map(record).collect())
}

/// Is this the payload of such a record?
pub fn is_learnt(payload: &[u8]) -> bool {
    payload.first() == Some(&MARK)
}

/// Records that came so far.
#[derive(Default)]
pub struct Learnt {
    packed: Vec<u8>,
    next: u32,
}

impl Learnt {
    /// Takes the next record; when it is the last, the profiles become what was learnt: true then.
    ///
    /// # Errors
    /// When it is damaged, or one before it is missing.
    pub fn take(&mut self, payload: &[u8], shared: &SharedProfiles) -> Result<bool, String> {
        let (head, chunk) = payload.split_at_checked(HEAD_BYTES).ok_or("what was learnt ends early")?;
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (index, count) = (number(1), number(5));
        if index == 0 {
            *self = Learnt::default();
        }
        if index != self.next || index >= count {
            return Err(format!("part `{index}` of what was learnt comes without those before it"));
        }
        self.packed.extend_from_slice(chunk);
        self.next += 1;
        if self.next < count {
            return Ok(false);
        }
        let packed = std::mem::take(self).packed;
        let mut whole = Vec::new();
        let unpacked = zstd::Decoder::new(packed.as_slice())
            .and_then(|mut decoder| decoder.by_ref().take(BYTES_MAX).read_to_end(&mut whole));
        unpacked.map_err(|error| error.to_string())?;
        let (length, parts) = whole.split_first_chunk::<LENGTH_BYTES>().ok_or("what was learnt ends early")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (profiles, attempts) = parts.split_at_checked(length).ok_or("what was learnt ends early")?;
        shared.learn(profiles, attempts)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::profile::{Contribution, ProfileKey, ProfileKind, Profiles};

    /// Profiles that need several records.
    fn large() -> Profiles {
        let profiles = Profiles::default();
        let one = |value: u32| Contribution {
            // No order that could be compressed.
            key: ProfileKey { tenant: value.wrapping_mul(0x9e37_79b9), kind: ProfileKind::Asn, value },
            day: 20_000,
            member: value.wrapping_mul(0x85eb_ca6b),
        };
        profiles.contribute(&(0..150_000).map(one).collect::<Vec<_>>());
        profiles.advance(20_002);
        profiles
    }

    fn bytes(profiles: &Profiles) -> (Vec<u8>, Vec<u8>) {
        let (mut state, mut attempts) = (Vec::new(), Vec::new());
        profiles.encode(&mut state);
        profiles.attempts().encode(&mut attempts);
        (state, attempts)
    }

    #[test]
    fn profiles_become_what_was_learnt_once_all_of_it_came() {
        let (state, attempts) = bytes(&large());
        let records = records(&state, &attempts).expect("packs");
        assert!(records.len() > 2 && records.iter().all(|record| is_learnt(record)), "{}", records.len());
        let shared = SharedProfiles::new(Profiles::default());
        let mut learnt = Learnt::default();
        // A reader that began in the middle, and one that comes twice.
        assert!(learnt.take(&records[1], &shared).is_err());
        for _ in 0..2 {
            for (index, record) in records.iter().enumerate() {
                let is_last = index + 1 == records.len();
                assert_eq!(learnt.take(record, &shared), Ok(is_last));
            }
        }
        assert_eq!(bytes(&shared.profiles), (state, attempts));
        assert_eq!(shared.day(), Some(20_002));
        assert!(shared.may_begin(20_002) && !shared.may_begin(20_003));
    }

    #[test]
    fn a_stream_that_had_come_further_begins_again_where_what_was_learnt_ends() {
        let shared = SharedProfiles::new(Profiles::default());
        shared.advance(20_100);
        shared.note_told(20_100 * 1_440);
        shared.open_reviews(20_100 * 1_440);
        let (state, attempts) = bytes(&large());
        shared.learn(&state, &attempts).expect("reads");
        assert_eq!((shared.day(), shared.told()), (Some(20_002), None));
        assert!(!shared.may_begin(20_003) && !shared.may_review(20_002 * 1_440));
        assert_eq!(shared.wanted(), Some(20_003), "and is waited for");
        shared.advance(20_003);
        assert_eq!(shared.profiles.stats().day, Some(20_003), "profiles go on");
    }

    #[test]
    fn damage_changes_nothing() {
        let (state, attempts) = bytes(&large());
        let mut records = records(&state, &attempts).expect("packs");
        records[1][100] ^= 1;
        let shared = SharedProfiles::new(Profiles::default());
        let mut learnt = Learnt::default();
        let last = records.iter().map(|record| learnt.take(record, &shared)).last();
        assert!(last.is_some_and(|result| result.is_err()));
        assert_eq!((shared.day(), shared.profiles.stats().members), (None, 0));
        assert!(learnt.take(&[MARK, 0], &shared).is_err(), "cut off");
    }
}
