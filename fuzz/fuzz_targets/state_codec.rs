//! Any bytes, with a checksum that fits, as a user's state: an error or a state that encodes to itself.
#![no_main]

use std::sync::Arc;

use farsign::engine::policy::EngineConfig;
use farsign::engine::rules::Rules;
use farsign::engine::user::codec::{decode, encode};
use libfuzzer_sys::fuzz_target;
use xxhash_rust::xxh3::xxh3_64;

fuzz_target!(|bytes: &[u8]| {
    let rules = Rules::new(Arc::new(EngineConfig::default()));
    let mut bytes = bytes.to_vec();
    let _ = decode(&bytes, &rules);
    // Without a checksum that fits, nothing behind it is ever reached.
    let checksum = (xxh3_64(&bytes) as u32).to_le_bytes();
    bytes.extend_from_slice(&checksum);
    if let Ok(record) = decode(&bytes, &rules) {
        let mut again = Vec::new();
        encode(&record, &mut again);
        let mut third = Vec::new();
        encode(&decode(&again, &rules).expect("what was encoded decodes"), &mut third);
        assert_eq!(again, third, "the encoding is canonical");
    }
});
