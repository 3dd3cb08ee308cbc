//! Profiles ↔ bytes, version 1. Equal profiles give equal bytes; damaged bytes give an error, never a panic, and
//! never more memory than a small multiple of their own length.
//!
//! All numbers little-endian. Magic `FSPR`, version u16, current day i32 (`i32::MIN` = none), then
//! - visible: key count u32; per key, rising: key, previous count u32, member count u32, members by rising rank
//!   (rank u32, last day i32). The current count follows from the members and is not written;
//! - pending: day count u32; per day, rising: day i32, mark count u32, marks rising (key, rank u32);
//! - xxh3-64 of all bytes before it.
//!
//! A key is tenant u32, kind u8, value u32.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::pending::Mark;
use super::sketch::{Member, Sketch};
use super::{NO_DAY, ProfileKey, ProfileKind, Profiles};
use crate::engine::bytes::{Reader, Short, Unsealed, put_length, seal, unseal};

const MAGIC: [u8; 4] = *b"FSPR";
const VERSION: u16 = 1;
const KEY_BYTES: usize = 9;
const MARK_BYTES: usize = KEY_BYTES + 4;
const MEMBER_BYTES: usize = 8;

/// Why bytes are no profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileCodecError {
    #[error("not a profile state: it does not begin with `FSPR`")]
    Magic,
    #[error("profile state of version `{0}`; this program reads version `{VERSION}`")]
    Version(u16),
    #[error("profile state is damaged: its checksum differs")]
    Checksum,
    #[error("profile state ends early or goes on too long")]
    Length,
    #[error("profile state has an unknown kind `{0}`")]
    Kind(u8),
    #[error("profile state has {0} out of order")]
    Order(&'static str),
}

impl Profiles {
    /// Appends the state to `into`: visible and pending, without the counts of what was dropped.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let mut pending = self.lock_pending();
        pending.compact();
        let start = into.len();
        into.extend(MAGIC);
        into.extend(VERSION.to_le_bytes());
        into.extend(self.day.load(Ordering::Acquire).to_le_bytes());
        let keys = self.table.sorted_keys();
        put_length(into, keys.len());
        for key in &keys {
            self.table.read(key, |profile| {
                put_key(into, key);
                into.extend(profile.previous.to_le_bytes());
                put_length(into, profile.sketch.members().len());
                for member in profile.sketch.members() {
                    into.extend(member.rank.to_le_bytes());
                    into.extend(member.last_day.to_le_bytes());
                }
            });
        }
        let days = pending.days();
        put_length(into, days.len());
        for (day, marks) in days {
            into.extend(day.to_le_bytes());
            put_length(into, marks.len());
            for mark in marks {
                put_key(into, &mark.key);
                into.extend(mark.rank.to_le_bytes());
            }
        }
        seal(into, start);
    }

    /// Reads what [`Self::encode`] wrote; all of `bytes` must be it. State above today's limits is taken as it is
    /// and brought within them by the next advance.
    pub fn decode(bytes: &[u8]) -> Result<Profiles, ProfileCodecError> {
        let mut reader = Reader { bytes: unseal(bytes, MAGIC, VERSION)? };
        let profiles = Profiles::default();
        let day = reader.i32()?;
        profiles.day.store(day, Ordering::Release);
        profiles.decode_table(&mut reader, day)?;
        profiles.decode_pending(&mut reader)?;
        if !reader.bytes.is_empty() {
            return Err(ProfileCodecError::Length);
        }
        Ok(profiles)
    }

    /// As [`Self::decode`], in place of all that was known; attempts apart.
    ///
    /// # Errors
    /// When the bytes are no profiles; then nothing changes.
    pub fn restore(&self, bytes: &[u8]) -> Result<(), ProfileCodecError> {
        self.replace(Profiles::decode(bytes)?);
        Ok(())
    }

    /// Becomes other profiles; attempts apart.
    pub fn replace(&self, other: Profiles) {
        let Profiles { pending, table, day, .. } = other;
        let mut mine = self.lock_pending();
        *mine = pending.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.table.replace(table);
        self.day.store(day.into_inner(), Ordering::Release);
    }

    fn decode_table(&self, reader: &mut Reader<'_>, day: i32) -> Result<(), ProfileCodecError> {
        let mut before = None;
        for _ in 0..reader.length(KEY_BYTES + 8)? {
            let key = take_key(reader)?;
            if day == NO_DAY || before.replace(key).is_some_and(|before| before >= key) {
                return Err(ProfileCodecError::Order("keys"));
            }
            let previous = reader.u32()?;
            let count = reader.length(MEMBER_BYTES)?;
            let mut members = Vec::with_capacity(count);
            for _ in 0..count {
                members.push(Member { rank: reader.u32()?, last_day: reader.i32()? });
            }
            let sketch = Sketch::from_members(members).ok_or(ProfileCodecError::Order("members"))?;
            self.table.restore(key, sketch, previous, day);
        }
        Ok(())
    }

    fn decode_pending(&self, reader: &mut Reader<'_>) -> Result<(), ProfileCodecError> {
        let mut pending = self.lock_pending();
        let mut before = None;
        for _ in 0..reader.length(8)? {
            let day = reader.i32()?;
            if before.replace(day).is_some_and(|before| before >= day) {
                return Err(ProfileCodecError::Order("days"));
            }
            let count = reader.length(MARK_BYTES)?;
            let mut marks = Vec::with_capacity(count);
            for _ in 0..count {
                marks.push(Mark { key: take_key(reader)?, rank: reader.u32()? });
            }
            if !marks.is_sorted_by(|a, b| a < b) {
                return Err(ProfileCodecError::Order("contributions"));
            }
            pending.restore_day(day, marks);
        }
        Ok(())
    }
}

impl From<Unsealed> for ProfileCodecError {
    fn from(unsealed: Unsealed) -> ProfileCodecError {
        match unsealed {
            Unsealed::Magic => ProfileCodecError::Magic,
            Unsealed::Version(version) => ProfileCodecError::Version(version),
            Unsealed::Checksum => ProfileCodecError::Checksum,
            Unsealed::Short => ProfileCodecError::Length,
        }
    }
}

fn put_key(into: &mut Vec<u8>, key: &ProfileKey) {
    into.extend(key.tenant.to_le_bytes());
    into.push(key.kind as u8);
    into.extend(key.value.to_le_bytes());
}

fn take_key(reader: &mut Reader<'_>) -> Result<ProfileKey, ProfileCodecError> {
    let tenant = reader.u32()?;
    let kind = reader.u8()?;
    let kind = ProfileKind::ALL.get(usize::from(kind)).copied().ok_or(ProfileCodecError::Kind(kind))?;
    Ok(ProfileKey { tenant, kind, value: reader.u32()? })
}

impl From<Short> for ProfileCodecError {
    fn from(_: Short) -> ProfileCodecError {
        ProfileCodecError::Length
    }
}
