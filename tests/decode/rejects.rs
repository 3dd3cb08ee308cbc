//! Every reason for a reject, with the nearest record that is none.

use farsign::engine::decode::{DEPTH_MAX, Format, RECORD_LENGTH_MAX, RejectReason};
use serde_json::{Value, json};

use crate::fixtures::{azure, fates, properties};

fn check(record: &[u8], fate: &str) {
    let shown: String = String::from_utf8_lossy(record).chars().take(200).collect();
    assert_eq!(fates(Format::Auto, record), [fate], "{shown}");
}

fn changed(key: &str, value: Value) -> Vec<u8> {
    let mut object = properties();
    object[key] = value;
    azure("SignInLogs", object).to_string().into_bytes()
}

fn nested(depth: usize) -> Vec<u8> {
    let text = azure("SignInLogs", properties()).to_string();
    let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    text.replacen("\"durationMs\":0", &format!("\"durationMs\":{deep}"), 1).into_bytes()
}

#[test]
fn every_reason_has_a_record() {
    let good = azure("SignInLogs", properties()).to_string().into_bytes();
    let mut no_utf8 = good.clone();
    no_utf8[30] = 0xff;
    let cases: [(RejectReason, Vec<u8>); 10] = [
        (RejectReason::Malformed, good[..good.len() - 1].to_vec()),
        (RejectReason::TooLarge, vec![b' '; RECORD_LENGTH_MAX + 1]),
        (RejectReason::InvalidUtf8, no_utf8),
        (RejectReason::TooDeep, nested(DEPTH_MAX)),
        (RejectReason::UnknownFormat, b"\"text\"".to_vec()),
        (RejectReason::WrongType, changed("userId", json!({"id": 1}))),
        (RejectReason::NoTime, {
            let mut record = azure("SignInLogs", properties());
            record["time"] = Value::Null;
            record["properties"]["createdDateTime"] = json!("yesterday");
            record.to_string().into_bytes()
        }),
        (RejectReason::TimeOutOfRange, {
            let mut record = azure("SignInLogs", properties());
            record["time"] = json!("1999-12-31T23:59:59Z");
            record["properties"]["createdDateTime"] = json!("0001-01-01T00:00:00Z");
            record.to_string().into_bytes()
        }),
        (RejectReason::NoUser, {
            let mut object = properties();
            object["userId"] = json!("00000000-0000-0000-0000-000000000000");
            object["userPrincipalName"] = json!("N/A");
            azure("SignInLogs", object).to_string().into_bytes()
        }),
        (RejectReason::BadId, changed("userId", json!("a\u{1}b"))),
    ];
    assert_eq!(cases.clone().map(|(reason, _)| reason), RejectReason::ALL);
    for (reason, record) in cases {
        check(&record, reason.name());
    }
    check(&good, "Interactive");
}

#[test]
fn near_misses_are_read() {
    let mut padded = azure("SignInLogs", properties()).to_string().into_bytes();
    padded.resize(RECORD_LENGTH_MAX, b' ');
    check(&padded, "Interactive");
    check(&nested(DEPTH_MAX - 1), "Interactive");
    check(&changed("userId", json!(12345)), "Interactive");
    check(&changed("userId", json!("u".repeat(256))), "Interactive");
    check(&changed("userId", json!("u".repeat(257))), "badId");
    check(&changed("id", json!("i".repeat(257))), "Interactive");
    check(&changed("id", json!("i\u{7f}")), "badId");
    check(&changed("createdDateTime", json!("yesterday")), "Interactive");
    check(&changed("createdDateTime", json!(["2026"])), "wrongType");
    check(&changed("userDisplayName", json!("[".repeat(5_000))), "Interactive");
    let with_mark = [b"\xef\xbb\xbf\r\n ".as_slice(), &changed("id", json!("x")), b" \r"].concat();
    check(&with_mark, "Interactive");
}

#[test]
fn nothing_else_costs_the_record() {
    let wrong =
        [json!(null), json!(true), json!(-1.5), json!("?"), json!([1, {"a": 2}]), json!({"errorCode": []})];
    let object = properties();
    let critical = ["id", "userId", "createdDateTime"];
    for key in object.as_object().into_iter().flatten().map(|(key, _)| key) {
        for value in wrong.iter().filter(|_| !critical.contains(&key.as_str())) {
            check(&changed(key, value.clone()), "Interactive");
        }
    }
}

#[test]
fn depth_cannot_exhaust_the_stack() {
    for depth in [10_000, 400_000] {
        check(&nested(depth), "tooDeep");
        check("[".repeat(depth).as_bytes(), "tooDeep");
        check("{\"a\":".repeat(depth).as_bytes(), if depth > 200_000 { "tooLarge" } else { "tooDeep" });
        // In text that is read as JSON again it costs the field only.
        check(&changed("status", json!(format!("{{\"x\":{}", "[".repeat(depth)))), "Interactive");
    }
}

#[test]
fn no_prefix_of_a_record_is_a_sign_in() {
    let record = azure("SignInLogs", properties()).to_string();
    for end in 0..record.len() {
        check(&record.as_bytes()[..end], "malformed");
    }
    check(format!("{record}{record}").as_bytes(), "malformed");
}

#[test]
fn a_named_format_refuses_the_other() {
    let ours = br#"{"type":"signIn","id":"1","time":"2026-01-01T00:00:00Z","userId":"u","outcome":"success"}"#;
    assert_eq!(fates(Format::Entra, ours), ["unknownFormat"]);
    assert_eq!(fates(Format::Auto, ours), ["Interactive"]);
    assert_eq!(fates(Format::Farsign, &changed("id", json!("x"))), ["unknownFormat"]);
}
