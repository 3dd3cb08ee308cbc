//! Proof of exactly once: for every input record one probe record, made from state that is kept as users' state is.
//!
//! A probe says which record it is of, the user's sequence number and a rolling hash of what came before. A record
//! lost, taken twice or out of order shows as a gap, and so does state that fell behind its offset. For acceptance
//! tests of a deployment (`run.probe`); the checker is `farsign probe`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::hash::UserKey;

/// Ends the key of a user's probe state in the changelog; the user's own key has 16 bytes.
const KEY_END: u8 = b'p';
const KEY_BYTES: usize = 17;
const VALUE_BYTES: usize = 16;

/// What a probe record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeRecord {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Of the first item in the record, hexadecimal; empty when there is none.
    pub user: String,
    /// From 1.
    pub sequence: u64,
    /// Over the offsets of the user's records so far, hexadecimal.
    pub hash: String,
    /// The task's transaction that wrote it.
    pub transaction: u64,
}

#[derive(Clone, Copy, Default)]
struct Trail {
    sequence: u64,
    hash: u64,
}

/// Every user's trail. Not bounded: it is a test's.
#[derive(Default)]
pub struct Probe {
    trails: BTreeMap<UserKey, Trail>,
}

/// The rolling hash after one more record.
pub fn roll(hash: u64, topic: &str, partition: i32, offset: i64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(format!("{topic}/{partition}/{offset}").as_bytes(), hash)
}

pub fn key(user: UserKey) -> [u8; KEY_BYTES] {
    let mut key = [KEY_END; KEY_BYTES];
    key[..16].copy_from_slice(&user.0.to_be_bytes());
    key
}

/// Whose probe state a key is of; `None` when it is no probe's.
pub fn user_of(key: &[u8]) -> Option<UserKey> {
    let (user, [KEY_END]) = key.split_first_chunk::<16>()? else { return None };
    Some(UserKey(u128::from_be_bytes(*user)))
}

/// Sequence number and hash of a probe state.
pub fn trail_of(value: &[u8]) -> Option<(u64, u64)> {
    let (sequence, hash) = (value.first_chunk::<8>()?, value.last_chunk::<8>()?);
    Some((u64::from_le_bytes(*sequence), u64::from_le_bytes(*hash)))
}

impl Probe {
    /// Takes a record of `user`; gives its sequence number and hash.
    pub fn take(&mut self, user: UserKey, topic: &str, partition: i32, offset: i64) -> (u64, u64) {
        let trail = self.trails.entry(user).or_default();
        trail.sequence += 1;
        trail.hash = roll(trail.hash, topic, partition, offset);
        (trail.sequence, trail.hash)
    }

    /// The user's state for the changelog.
    pub fn state(&self, user: UserKey) -> Option<[u8; VALUE_BYTES]> {
        self.trails.get(&user).map(|trail| {
            let mut value = [0; VALUE_BYTES];
            value[..8].copy_from_slice(&trail.sequence.to_le_bytes());
            value[8..].copy_from_slice(&trail.hash.to_le_bytes());
            value
        })
    }

    /// Takes a change back; false when the key is not a probe's.
    pub fn load(&mut self, key: &[u8], payload: Option<&[u8]>) -> bool {
        let Some(user) = user_of(key) else { return false };
        match payload.and_then(trail_of) {
            Some((sequence, hash)) => drop(self.trails.insert(user, Trail { sequence, hash })),
            None => drop(self.trails.remove(&user)),
        }
        true
    }
}
