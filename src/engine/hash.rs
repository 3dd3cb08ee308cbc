//! Stable hashes: they are written into state and must never change.
//!
//! xxh3 is specified bit for bit; each kind of value has its own seed, so that equal text in two fields
//! does not look like one value.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// A user: hash of tenant and stable user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserKey(pub u128);

impl UserKey {
    pub fn new(tenant_id: &str, user_id: &str) -> UserKey {
        // The separator cannot occur in either part: decoders refuse control characters in ids.
        let mut bytes = arrayvec::ArrayVec::<u8, 520>::new();
        let fits = bytes.try_extend_from_slice(tenant_id.as_bytes()).is_ok()
            && bytes.try_push(0).is_ok()
            && bytes.try_extend_from_slice(user_id.as_bytes()).is_ok();
        assert!(fits, "ids longer than ID_LENGTH_MAX must not leave the decoder");
        UserKey(xxh3_128_with_seed(&bytes, 1))
    }

    /// Which of `count` shards owns this user.
    pub fn shard(self, count: usize) -> usize {
        ((self.0 >> 64) as u64 % count.max(1) as u64) as usize
    }
}

/// What a hash was made of.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Seed {
    EventId = 2,
    Address = 3,
    Prefix = 4,
    Region = 5,
    City = 6,
    DeviceId = 7,
    UserAgent = 8,
    Browser = 9,
    OperatingSystem = 10,
    ClientApp = 11,
    Session = 12,
    App = 13,
    Tenant = 14,
    Transition = 15,
    ProfileUser = 16,
    Issuer = 17,
    AsnAndUserAgent = 18,
    PrefixAndUserAgent = 19,
    ShadowPolicy = 20,
}

pub fn hash64(seed: Seed, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, seed as u64)
}

/// 32 bits of the hash, never 0: 0 means "absent" in state.
pub fn hash32(seed: Seed, bytes: &[u8]) -> u32 {
    ((hash64(seed, bytes) >> 32) as u32).max(1)
}
