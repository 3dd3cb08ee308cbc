//! The Entra decoder against the slow one of the tests, on whatever `serde_json` reads and no envelope of a shipper's is
//! around: those the slow one does not know.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[path = "../../tests/decode/oracle.rs"]
mod oracle;
#[path = "../../tests/decode/oracle_attempt.rs"]
mod oracle_attempt;
#[path = "../../tests/decode/oracle_risk.rs"]
mod oracle_risk;

/// Keys of envelopes, alone or with others.
const ENVELOPE_KEYS: [&str; 20] = [
    "AuditData",
    "CloudTrailEvent",
    "Findings",
    "Records",
    "_raw",
    "_source",
    "authlogs",
    "awslogs",
    "data",
    "detail",
    "event",
    "findings",
    "items",
    "log",
    "logEvents",
    "message",
    "payload",
    "response",
    "result",
    "service",
];

fn may_be_wrapped(value: &Value) -> bool {
    match value {
        Value::Array(elements) => elements.iter().any(may_be_wrapped),
        Value::Object(members) => {
            members.iter().any(|(key, value)| ENVELOPE_KEYS.contains(&key.as_str()) || may_be_wrapped(value))
        }
        // Text may hold a record.
        Value::String(text) => serde_json::from_str(text).is_ok_and(|value: Value| may_be_wrapped(&value)),
        _ => false,
    }
}

fuzz_target!(|record: &[u8]| {
    let is_plain = serde_json::from_slice(record).is_ok_and(|value: Value| !may_be_wrapped(&value));
    if is_plain && let Some(expected) = oracle::seen_by_oracle(record) {
        let seen = oracle::seen_by_decoder(record);
        assert!(oracle::agree(&seen, &expected), "decoder: {seen:?}\noracle: {expected:?}");
    }
});
