//! A user's records ↔ the bytes they are kept in while the user is cold.
//!
//! Key, then the body of [`codec`]; where not all variants share one record, for each branch the variants (u64), the body's
//! length (u32), and the body. They never leave the process.

use super::shared::Shared;
use crate::engine::hash::UserKey;
use crate::engine::rules::Rules;
use crate::engine::signin::EventTime;
use crate::engine::user::branches::{Branch, Branches};
use crate::engine::user::codec::{self, StateCodecError};
use crate::engine::variants::Variants;

const KEY_BYTES: usize = 16;
/// Before the body of a branch.
const BRANCH_BYTES: usize = 8 + 4;

pub(super) fn key(packed: &[u8]) -> UserKey {
    UserKey(packed.first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes)))
}

fn body(packed: &[u8]) -> &[u8] {
    packed.get(KEY_BYTES..).unwrap_or_default()
}

/// Writes over `into`; true when it is not one record of `all`.
pub(super) fn put(
    key: UserKey,
    branches: &Branches,
    all: Variants,
    shared: &mut Shared,
    into: &mut Vec<u8>,
) -> bool {
    into.clear();
    into.extend_from_slice(&key.0.to_le_bytes());
    let parted = !branches.is_one() || branches.variants() != all;
    for branch in branches.iter() {
        let start = into.len();
        if parted {
            into.extend_from_slice(&branch.variants.to_bits().to_le_bytes());
            into.extend_from_slice(&[0; 4]);
        }
        codec::encode_body(&branch.record, shared, into);
        if parted {
            let length = (into.len() - start - BRANCH_BYTES) as u32;
            into[start + 8..start + BRANCH_BYTES].copy_from_slice(&length.to_le_bytes());
        }
    }
    parted
}

/// `all`: it is one record, of these.
pub(super) fn take(
    packed: &[u8],
    all: Option<Variants>,
    shared: &mut Shared,
    rules: &Rules,
) -> Result<Branches, StateCodecError> {
    if let Some(variants) = all {
        let record = codec::decode_body(body(packed), shared, rules)?;
        return Ok(Branches::new(Branch { variants, record }));
    }
    let (mut branches, mut rest) = (Vec::new(), body(packed));
    while let Some((variants, body, behind)) = next_branch(rest) {
        branches.push(Branch { variants, record: codec::decode_body(body, shared, rules)? });
        rest = behind;
    }
    Branches::of(branches).ok_or(StateCodecError::Length)
}

fn next_branch(rest: &[u8]) -> Option<(Variants, &[u8], &[u8])> {
    let (variants, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (body, behind) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((Variants::from_bits(u64::from_le_bytes(*variants)), body, behind))
}

/// When the user's newest event was.
pub(super) fn newest_time(packed: &[u8], parted: bool) -> EventTime {
    let body = body(packed);
    if !parted {
        return codec::newest_time_of_body(body).unwrap_or(EventTime::MIN);
    }
    let (mut newest, mut rest) = (EventTime::MIN, body);
    while let Some((_, body, behind)) = next_branch(rest) {
        newest = newest.max(codec::newest_time_of_body(body).unwrap_or(EventTime::MIN));
        rest = behind;
    }
    newest
}
