//! Attempts ↔ bytes, version 1. Equal attempts give equal bytes; damaged bytes give an error, never a panic, and never
//! more memory than a small multiple of their own length.
//!
//! All numbers little-endian. Magic `FSAT`, version u16, list count u32; per list, by rising key: tenant u32, trace u8,
//! value u32, early u8, newest minute of all i32, mark count u32, marks rising (minute i32, member u32, kind u8, country 2
//! bytes), day count u32, per day, rising: day i32, a bit for each of its minutes (23 × u64); xxh3-64 of all bytes before it.
//! The counts of what was dropped are no part of it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::list::{DayMinutes, List, MINUTE_WORDS, Mark};
use super::{AttemptKind, Attempts, Key, Trace};
use crate::engine::bytes::{Reader, Short, Unsealed, put_length, seal, unseal};
use crate::engine::facts::CountryCode;

const MAGIC: [u8; 4] = *b"FSAT";
const VERSION: u16 = 1;
/// Of a list without marks and days.
const LIST_BYTES: usize = 22;
const MARK_BYTES: usize = 11;
const DAY_BYTES: usize = 4 + MINUTE_WORDS * 8;

/// Why bytes are no attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttemptCodecError {
    #[error("not a state of attempts: it does not begin with `FSAT`")]
    Magic,
    #[error("state of attempts of version `{0}`; this program reads version `{VERSION}`")]
    Version(u16),
    #[error("state of attempts is damaged: its checksum differs")]
    Checksum,
    #[error("state of attempts ends early or goes on too long")]
    Length,
    #[error("state of attempts has an unknown {0} `{1}`")]
    Unknown(&'static str, u8),
    #[error("state of attempts has {0} out of order")]
    Order(&'static str),
}

impl From<Short> for AttemptCodecError {
    fn from(_: Short) -> AttemptCodecError {
        AttemptCodecError::Length
    }
}

impl Attempts {
    /// Appends the state to `into`. Nobody may contribute meanwhile.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let start = into.len();
        into.extend(MAGIC);
        into.extend(VERSION.to_le_bytes());
        let mut keys: Vec<Key> = self.lists.iter().map(|entry| *entry.key()).collect();
        keys.sort_unstable();
        put_length(into, keys.len());
        for key in keys {
            if let Some(list) = self.lists.get(&key) {
                put_list(into, &key, &list);
            }
        }
        seal(into, start);
    }

    /// Reads what [`Self::encode`] wrote, in place of all that was known; all of `bytes` must be it.
    ///
    /// # Errors
    /// When the bytes are no state of attempts; then nothing changes.
    pub fn restore(&self, bytes: &[u8]) -> Result<(), AttemptCodecError> {
        let mut reader = Reader { bytes: unseal(bytes, MAGIC, VERSION)? };
        let mut lists: Vec<(Key, List)> = Vec::new();
        for _ in 0..reader.length(LIST_BYTES)? {
            let key = take_key(&mut reader)?;
            if lists.last().is_some_and(|(before, _)| *before >= key) {
                return Err(AttemptCodecError::Order("keys"));
            }
            lists.push((key, take_list(&mut reader)?));
        }
        if !reader.bytes.is_empty() {
            return Err(AttemptCodecError::Length);
        }
        self.lists.clear();
        self.traces.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        for (key, list) in lists {
            self.traces[key.count()].fetch_add(1, Ordering::Relaxed);
            self.lists.insert(key, list);
        }
        self.busy.renew(|| self.set_busy());
        self.news.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

impl From<Unsealed> for AttemptCodecError {
    fn from(unsealed: Unsealed) -> AttemptCodecError {
        match unsealed {
            Unsealed::Magic => AttemptCodecError::Magic,
            Unsealed::Version(version) => AttemptCodecError::Version(version),
            Unsealed::Checksum => AttemptCodecError::Checksum,
            Unsealed::Short => AttemptCodecError::Length,
        }
    }
}

fn put_list(into: &mut Vec<u8>, key: &Key, list: &List) {
    into.extend(key.tenant.to_le_bytes());
    into.push(key.trace as u8);
    into.extend(key.value.to_le_bytes());
    into.push(u8::from(key.is_early));
    into.extend(list.last_minute().to_le_bytes());
    put_length(into, list.marks().len());
    for Mark { minute, member, kind, country } in list.marks() {
        into.extend(minute.to_le_bytes());
        into.extend(member.to_le_bytes());
        into.push(*kind as u8);
        into.extend(country.0);
    }
    put_length(into, list.further().len());
    for (day, minutes) in list.further() {
        into.extend(day.to_le_bytes());
        minutes.iter().for_each(|word| into.extend(word.to_le_bytes()));
    }
}

fn take_key(reader: &mut Reader<'_>) -> Result<Key, AttemptCodecError> {
    let tenant = reader.u32()?;
    let trace = reader.u8()?;
    let trace = Trace::ALL.get(usize::from(trace)).copied().ok_or(AttemptCodecError::Unknown("trace", trace))?;
    let value = reader.u32()?;
    let is_early = match reader.u8()? {
        0 => false,
        1 => true,
        other => return Err(AttemptCodecError::Unknown("flag", other)),
    };
    Ok(Key { tenant, trace, value, is_early })
}

fn take_list(reader: &mut Reader<'_>) -> Result<List, AttemptCodecError> {
    let last_minute = reader.i32()?;
    let count = reader.length(MARK_BYTES)?;
    let mut marks = Vec::with_capacity(count);
    for _ in 0..count {
        let (minute, member) = (reader.i32()?, reader.u32()?);
        let kind = reader.u8()?;
        let kind =
            AttemptKind::ALL.get(usize::from(kind)).copied().ok_or(AttemptCodecError::Unknown("kind", kind))?;
        marks.push(Mark { minute, member, kind, country: CountryCode(reader.take()?) });
    }
    let count = reader.length(DAY_BYTES)?;
    let mut further = BTreeMap::new();
    for _ in 0..count {
        let day = reader.i32()?;
        let mut minutes: DayMinutes = [0; MINUTE_WORDS];
        for word in &mut minutes {
            *word = reader.u64()?;
        }
        if further.last_key_value().is_some_and(|(before, _)| *before >= day) {
            return Err(AttemptCodecError::Order("days"));
        }
        further.insert(day, minutes);
    }
    List::from_parts(marks, last_minute, further).ok_or(AttemptCodecError::Order("attempts"))
}
