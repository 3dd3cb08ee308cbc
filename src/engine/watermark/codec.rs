//! Stream time ↔ bytes, version 1: a task that is started again goes on exactly where the last one stopped.
//!
//! Numbers are little-endian: version u8, stream time i64 (nanoseconds), flags u8 (1 = founder, 2 = candidate), for
//! each of those user u128, time i64, further u32, events u64; far ahead u64; low 32 bits of xxh3-64 of all before.
//! Equal stream times give equal bytes; damaged bytes give an error, never a panic.

use xxhash_rust::xxh3::xxh3_64;

use super::{ALONE_EVENTS, Claim, StreamTime};
use crate::engine::hash::UserKey;
use crate::engine::signin::EventTime;

/// The version written.
pub const VERSION: u8 = 1;
const FOUNDER: u8 = 1;
const CANDIDATE: u8 = 2;

/// Why bytes are no stream time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamTimeError {
    #[error("stream time of version `{0}`; this program reads version `{VERSION}`")]
    Version(u8),
    #[error("stream time is damaged: its checksum differs")]
    Checksum,
    #[error("stream time ends early or goes on too long")]
    Length,
    #[error("stream time has an impossible {0}")]
    Range(&'static str),
}

impl StreamTime {
    /// Appends the bytes that [`Self::decode`] reads.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let start = into.len();
        into.push(VERSION);
        into.extend_from_slice(&self.now.0.to_le_bytes());
        let flag = |claim: Option<Claim>, flag| claim.map_or(0, |_| flag);
        into.push(flag(self.founder, FOUNDER) | flag(self.candidate, CANDIDATE));
        for claim in [self.founder, self.candidate].into_iter().flatten() {
            into.extend_from_slice(&claim.user.0.to_le_bytes());
            into.extend_from_slice(&claim.time.0.to_le_bytes());
            into.extend_from_slice(&claim.further.to_le_bytes());
            into.extend_from_slice(&claim.events.to_le_bytes());
        }
        into.extend_from_slice(&self.far_ahead.to_le_bytes());
        let checksum = xxh3_64(&into[start..]) as u32;
        into.extend_from_slice(&checksum.to_le_bytes());
    }

    /// Reads what [`Self::encode`] wrote; all of `bytes` must be it.
    ///
    /// # Errors
    /// When the bytes are no stream time.
    pub fn decode(bytes: &[u8]) -> Result<StreamTime, StreamTimeError> {
        let version = *bytes.first().ok_or(StreamTimeError::Length)?;
        if version != VERSION {
            return Err(StreamTimeError::Version(version));
        }
        let (content, checksum) = bytes.split_last_chunk::<4>().ok_or(StreamTimeError::Length)?;
        if xxh3_64(content) as u32 != u32::from_le_bytes(*checksum) {
            return Err(StreamTimeError::Checksum);
        }
        let mut rest = content.get(1..).ok_or(StreamTimeError::Length)?;
        let now = EventTime(i64::from_le_bytes(take(&mut rest)?));
        let [flags] = take(&mut rest)?;
        if flags & !(FOUNDER | CANDIDATE) != 0 {
            return Err(StreamTimeError::Range("flag"));
        }
        let founder = if flags & FOUNDER != 0 { Some(take_claim(&mut rest)?) } else { None };
        let candidate = if flags & CANDIDATE != 0 { Some(take_claim(&mut rest)?) } else { None };
        let far_ahead = u64::from_le_bytes(take(&mut rest)?);
        if !rest.is_empty() {
            return Err(StreamTimeError::Length);
        }
        Ok(StreamTime { now, founder, candidate, far_ahead })
    }
}

fn take<const LENGTH: usize>(rest: &mut &[u8]) -> Result<[u8; LENGTH], StreamTimeError> {
    let (taken, after) = rest.split_first_chunk::<LENGTH>().ok_or(StreamTimeError::Length)?;
    *rest = after;
    Ok(*taken)
}

fn take_claim(rest: &mut &[u8]) -> Result<Claim, StreamTimeError> {
    let claim = Claim {
        user: UserKey(u128::from_le_bytes(take(rest)?)),
        time: EventTime(i64::from_le_bytes(take(rest)?)),
        further: u32::from_le_bytes(take(rest)?),
        events: u64::from_le_bytes(take(rest)?),
    };
    // With so many it would be believed, and no claim any more.
    if claim.further >= ALONE_EVENTS || claim.events <= u64::from(claim.further) {
        return Err(StreamTimeError::Range("count of events"));
    }
    Ok(claim)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::signin::SECONDS_PER_DAY;

    fn encoded(stream: &StreamTime) -> Vec<u8> {
        let mut bytes = b"before".to_vec();
        stream.encode(&mut bytes);
        bytes.split_off(b"before".len())
    }

    /// Few users, and days around a gap: founders, candidates and claims that are borne out all come up.
    fn events() -> impl Strategy<Value = Vec<(u128, i64)>> {
        let day = prop_oneof![10..14_i64, 40..43_i64, Just(26_000)];
        prop::collection::vec((1..4_u128, day), 0..60)
    }

    proptest! {
        #[test]
        fn it_goes_on_exactly_after_bytes(events in events(), at in any::<prop::sample::Index>()) {
            let cut = at.index(events.len() + 1);
            let mut stream = StreamTime::default();
            let mut restored = stream;
            for (number, (user, day)) in events.iter().enumerate() {
                if number == cut {
                    restored = StreamTime::decode(&encoded(&stream)).expect("just encoded");
                    prop_assert_eq!(restored, stream);
                }
                let time = EventTime::from_seconds(day * SECONDS_PER_DAY + number as i64);
                let now = stream.observe(time, UserKey(*user));
                if number >= cut {
                    prop_assert_eq!(restored.observe(time, UserKey(*user)), now);
                }
            }
            prop_assert!(cut == events.len() || restored == stream);
            prop_assert_eq!(StreamTime::decode(&encoded(&stream)), Ok(stream));
        }

        #[test]
        fn damaged_bytes_are_refused(
            events in events(), at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<prop::sample::Index>(),
        ) {
            let mut stream = StreamTime::default();
            for (user, day) in events {
                stream.observe(EventTime::from_seconds(day * SECONDS_PER_DAY), UserKey(user));
            }
            let whole = encoded(&stream);
            let mut flipped = whole.clone();
            flipped[at.index(whole.len())] ^= 1 << bit;
            prop_assert!(StreamTime::decode(&flipped).is_err());
            prop_assert!(StreamTime::decode(&whole[..cut.index(whole.len())]).is_err());
        }
    }

    /// Bytes with a right checksum that no stream time has.
    #[test]
    fn impossible_bytes_are_refused() {
        let mut founded = StreamTime::default();
        founded.observe(EventTime::from_seconds(864_000), UserKey(7));
        let bytes = encoded(&founded);
        let check = |change: &dyn Fn(&mut Vec<u8>), expected| {
            let mut content = bytes[..bytes.len() - 4].to_vec();
            change(&mut content);
            let checksum = xxh3_64(&content) as u32;
            content.extend_from_slice(&checksum.to_le_bytes());
            assert_eq!(StreamTime::decode(&content), expected);
        };
        check(&|_| {}, Ok(founded));
        check(&|content| content[0] = 2, Err(StreamTimeError::Version(2)));
        check(&|content| content[9] |= 4, Err(StreamTimeError::Range("flag")));
        check(&|content| content[34] = 16, Err(StreamTimeError::Range("count of events")));
        check(&|content| content[38] = 0, Err(StreamTimeError::Range("count of events")));
        check(&|content| content.push(0), Err(StreamTimeError::Length));
        assert_eq!(StreamTime::decode(&[]), Err(StreamTimeError::Length));
    }

    #[test]
    fn version_1_keeps_its_meaning() {
        let mut stream = StreamTime::default();
        stream.observe(EventTime::from_seconds(864_000), UserKey(7));
        let hex: String = encoded(&stream).iter().map(|byte| format!("{byte:02x}")).collect();
        let known = concat!(
            "01",
            "000016adcd110300",
            "01",
            "07000000000000000000000000000000",
            "000016adcd110300",
            "00000000",
            "0100000000000000",
            "0000000000000000",
        );
        assert_eq!(hex[..hex.len() - 8], *known);
    }
}
