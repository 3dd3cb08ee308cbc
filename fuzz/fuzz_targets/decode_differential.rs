//! The Entra decoder against the slow one of the tests, on whatever `serde_json` reads.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/decode/oracle.rs"]
mod oracle;
#[path = "../../tests/decode/oracle_attempt.rs"]
mod oracle_attempt;
#[path = "../../tests/decode/oracle_risk.rs"]
mod oracle_risk;

fuzz_target!(|record: &[u8]| {
    if let Some(expected) = oracle::seen_by_oracle(record) {
        assert_eq!(oracle::seen_by_decoder(record), expected);
    }
});
