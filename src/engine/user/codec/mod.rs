//! One user's record ↔ bytes. Equal records give equal bytes, and [`decode`] gives back exactly the record that was
//! encoded; damaged bytes give an error, never a panic, and never more memory than a small multiple of their length.
//!
//! Version u8, body, low 32 bits of xxh3-64 of both (little-endian). The body of version 1 is the time of the newest
//! event (i64, nanoseconds), then bits ([`bits`]): scope, settled state ([`state`]), tail ([`tail`]). Times and days
//! are written as distances from the newest event, hashes that the baseline knows as their place in it. The
//! current state is not written: it is the settled one with the tail folded in.
//!
//! Version 2 adds what is remembered of the user's risk as a whole ([`risk`]) behind the tail; the rest is version 1's.
//! Version 3 adds sessions, denied prompts, issuers and incidents ([`version_3`]) behind that, version 4
//! visitors ([`version_4`]), version 5 providers and upstream findings ([`version_5`]), version 6 what shadow policies found
//! ([`version_6`]).
//!
//! State is read for ever. A version that changes more gets modules of its own and an arm in [`decode`]; those of version 1 stay
//! and fill whatever is new with the value that an unknowing user has. Only the newest version is written. What a
//! version writes is held by its fixture in `tests/fixtures`, and never changes.

pub(super) mod bits;
mod risk;
mod sign_in;
mod state;
mod tail;
pub(super) mod text;
mod version_3;
mod version_4;
mod version_5;
mod version_6;
mod words;

use xxhash_rust::xxh3::xxh3_64;

use self::bits::{Reader, Writer};
use self::state::Frame;
pub(super) use self::text::{Inline, PutShared, TakeShared};
use super::record::{Scope, UserRecord};
use super::tail::TailEntry;
use crate::engine::risk::user::RiskFile;
use crate::engine::rules::Rules;
use crate::engine::signin::EventTime;

/// The version written.
pub const VERSION: u8 = 6;
const CHECKSUM_BYTES: usize = 4;
const TIME_BYTES: usize = 8;

/// Why bytes are no user state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateCodecError {
    #[error("user state of version `{0}`; this program reads versions `1` to `{VERSION}`")]
    Version(u8),
    #[error("user state is damaged: its checksum differs")]
    Checksum,
    #[error("user state ends early or goes on too long")]
    Length,
    #[error("user state has an unknown {list} `{number}`")]
    Word { list: &'static str, number: u32 },
    #[error("user state has more than `{max}` {list}")]
    Count { list: &'static str, max: usize },
    #[error("user state has an impossible {0}")]
    Range(&'static str),
    #[error("user state has text that is not UTF-8")]
    Text,
}

/// Appends the record, the current state apart, to `out`.
pub fn encode(record: &UserRecord, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(VERSION);
    encode_body(record, &mut Inline, out);
    let checksum = xxh3_64(&out[start..]) as u32;
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// Reads what [`encode`] of this or an older version wrote; all of `bytes` must be it. `rules` fold the tail again.
pub fn decode(bytes: &[u8], rules: &Rules) -> Result<UserRecord, StateCodecError> {
    let (version, _) = bytes.split_first().ok_or(StateCodecError::Length)?;
    match version {
        1..=VERSION => decode_body_of(*version, checked_body(bytes)?, &mut Inline, rules),
        version => Err(StateCodecError::Version(*version)),
    }
}

/// What stands between version and checksum.
fn checked_body(bytes: &[u8]) -> Result<&[u8], StateCodecError> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(StateCodecError::Length)?;
    if xxh3_64(content) as u32 != u32::from_le_bytes(*checksum) {
        return Err(StateCodecError::Checksum);
    }
    content.split_first().map(|(_, body)| body).ok_or(StateCodecError::Length)
}

/// The body alone: what the store keeps, with shared records as it likes.
pub(super) fn encode_body(record: &UserRecord, shared: &mut impl PutShared, out: &mut Vec<u8>) {
    let newest = newest_time(record);
    out.extend_from_slice(&newest.0.to_le_bytes());
    let mut writer = Writer::new(out);
    let frame = Frame::of(newest, &record.settled);
    let Scope { tenant, policy, shadows: _ } = record.scope;
    writer.bits(tenant, 32);
    writer.number(u32::from(policy), 0);
    state::put(&mut writer, &frame, &record.settled, shared);
    tail::put(&mut writer, &frame, &record.settled.baseline, &record.tail, shared);
    risk::put(&mut writer, &frame, record.settled.risk_file.as_deref(), record.identity.as_deref());
    version_3::put(&mut writer, &frame, &record.settled, &record.tail);
    version_4::put(&mut writer, &frame, &record.settled);
    version_5::put(&mut writer, &frame, &record.settled, &record.tail, shared);
    version_6::put(&mut writer, &frame, record);
    writer.finish();
}

pub(super) fn decode_body(
    body: &[u8],
    shared: &mut impl TakeShared,
    rules: &Rules,
) -> Result<UserRecord, StateCodecError> {
    decode_body_of(VERSION, body, shared, rules)
}

fn decode_body_of(
    version: u8,
    body: &[u8],
    shared: &mut impl TakeShared,
    rules: &Rules,
) -> Result<UserRecord, StateCodecError> {
    let newest = newest_time_of_body(body).ok_or(StateCodecError::Length)?;
    let mut reader = Reader::new(&body[TIME_BYTES..]);
    let (tenant, policy) = (reader.bits(32)?, reader.small(0, "policy")?);
    let mut scope = Scope { tenant, policy, ..Scope::default() };
    let (frame, mut settled) = state::take(&mut reader, newest, shared)?;
    let mut tail = tail::take(&mut reader, &frame, &settled.baseline, shared)?;
    let (risk_file, identity) = match version {
        1 => (RiskFile::of(&settled.open), None),
        _ => risk::take(&mut reader, &frame)?,
    };
    settled.risk_file = risk_file;
    if version >= 3 {
        version_3::take(&mut reader, &frame, &mut settled, &mut tail)?;
    }
    if version >= 4 {
        version_4::take(&mut reader, &frame, &mut settled)?;
    }
    if version >= 5 {
        version_5::take(&mut reader, &frame, &mut settled, &mut tail, shared)?;
    }
    if version >= 6 {
        scope.shadows = version_6::take(&mut reader, &frame, &mut settled, &mut tail)?;
    }
    reader.finish()?;
    let record = UserRecord::rebuild(scope, settled, tail, &rules.teacher(scope.policy));
    Ok(UserRecord { identity, ..record })
}

/// Time of the newest event, read without the rest. `None` when the body is too short to be one.
pub(super) fn newest_time_of_body(body: &[u8]) -> Option<EventTime> {
    body.first_chunk::<TIME_BYTES>().map(|bytes| EventTime(i64::from_le_bytes(*bytes)))
}

/// Time of the newest event; [`EventTime::MIN`] before the first.
pub(super) fn newest_time(record: &UserRecord) -> EventTime {
    let settled = record.settled.newest.map_or(EventTime::MIN, |newest| newest.0);
    record.tail.iter().map(|entry| TailEntry::order(entry).0).fold(settled, EventTime::max)
}

#[cfg(test)]
pub(super) mod tests;
