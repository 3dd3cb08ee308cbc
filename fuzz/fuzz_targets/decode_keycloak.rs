//! Any bytes, as Keycloak's event or by detection: no panic, and ids that keep their invariants.
#![no_main]

use farsign::engine::decode::Format;
use farsign_fuzz::decode_as;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|record: &[u8]| decode_as(Format::Keycloak, record));
