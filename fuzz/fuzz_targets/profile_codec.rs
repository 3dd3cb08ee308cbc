//! Any bytes, with a checksum that fits, as shared profiles: an error or profiles that encode to themselves.
#![no_main]

use farsign::engine::profile::Profiles;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(profiles) = Profiles::decode(bytes) {
        let mut again = Vec::new();
        profiles.encode(&mut again);
        assert!(Profiles::decode(&again).is_ok(), "what was encoded decodes");
    }
});
