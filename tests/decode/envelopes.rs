//! Whatever queues and shippers put around a record, the record inside is what counts.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use farsign::engine::decode::{
    Decoded, Decoder, ELEMENTS_MAX, Format, UNPACKED_LENGTH_MAX, Unwrap, decode, parse_pointer,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::summary::summary;

const ALICE: &str =
    "signIn okta/okta user=00u1(alice@fjord.example) Success/Right/Unknown/Normal Interactive 203.0.113.20 NO";

fn okta(id: &str) -> Value {
    json!({
        "uuid": id, "published": "2026-03-02T08:15:30.123Z", "eventType": "user.session.start",
        "actor": {"id": "00u1", "type": "User", "alternateId": "alice@fjord.example", "displayName": "Alice \"A\" Example"},
        "client": {"ipAddress": "203.0.113.20", "geographicalContext": {"country": "Norway"}},
        "outcome": {"result": "SUCCESS", "reason": null},
    })
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("into memory");
    encoder.finish().expect("into memory")
}

#[test]
fn an_envelope_is_opened_wherever_it_stands() {
    let record = okta("1");
    let text = record.to_string();
    let packed = STANDARD.encode(gzip(
        &json!({"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "timestamp": 1, "message": text}]})
            .to_string(),
    ));
    let mut with_panther = record.clone();
    with_panther["p_log_type"] = json!("Okta.SystemLog");
    let envelopes = [
        json!({"records": [record]}),
        json!({"version": "0", "detail-type": "SystemLog", "source": "aws.partner/okta", "detail": record}),
        json!({"specversion": "1.0", "type": "x", "source": "y", "id": "1", "data": record}),
        json!({"schema": {"type": "string"}, "payload": text}),
        json!({"schema": null, "payload": record}),
        json!({"time": 1772439330, "host": "h", "sourcetype": "OktaIM2:log", "event": record}),
        json!({"sourcetype": "OktaIM2:log", "event": text}),
        json!({"preview": false, "result": {"_raw": text}}),
        json!({"_index": "okta", "_source": record}),
        json!({"@timestamp": "2026-03-02T08:16:00Z", "agent": {"type": "filebeat"}, "message": text}),
        json!({"@timestamp": "2026-03-02T08:16:00Z", "event": {"original": text, "outcome": "success", "category": ["authentication"]}, "user": {"name": "copy"}}),
        json!({"@timestamp": "2026-03-02T08:16:00Z", "event.original": text}),
        json!({"message": text, "source_type": "kafka", "timestamp": "2026-03-02T08:16:00Z"}),
        json!({"date": 1772439330.5, "log": text}),
        json!({"log": text, "stream": "stdout", "time": "2026-03-02T08:16:00Z"}),
        json!({"awslogs": {"data": packed}}),
        json!({"recordId": "1", "approximateArrivalTimestamp": 1, "data": packed}),
        json!({"recordId": "1", "data": STANDARD.encode(&text)}),
        json!([record]),
        json!([text]),
        with_panther,
        // One in another in another.
        json!({"schema": null, "payload": json!({"@timestamp": "2026-03-02T08:16:00Z", "message": text}).to_string()}),
    ];
    for envelope in &envelopes {
        for format in [Format::Auto, Format::Okta] {
            assert_eq!(summary(format, &envelope.to_string()), [ALICE], "{} {envelope}", format.name());
        }
    }
    let mut count = 0;
    decode(Format::Auto, &gzip(&format!("{text}\n{}\n", okta("2"))), &mut |decoded| {
        count += usize::from(matches!(decoded, Ok(Decoded::SignIn(_))));
    });
    assert_eq!(count, 2, "a gzip of lines");
}

#[test]
fn what_is_in_an_envelope_keeps_its_rules() {
    let lacks_user = {
        let mut record = okta("1");
        record["actor"] = Value::Null;
        record
    };
    let envelope = json!({"schema": null, "payload": [okta("1"), lacks_user, {"uuid": "3", "published": "2026-03-02T08:15:30Z", "eventType": "user.session.end"}]});
    assert_eq!(summary(Format::Auto, &envelope.to_string()), [ALICE, "reject noUser", "skipped notASignIn"]);
    for nothing in [
        json!({"schema": null, "payload": null}),
        json!({"schema": null, "payload": "hello"}),
        json!({"message": "the door is open", "source_type": "file"}),
        json!({"awslogs": {"data": "====================="}}),
    ] {
        assert_eq!(summary(Format::Auto, &nothing.to_string()), ["reject unknownFormat"], "{nothing}");
    }
    assert_eq!(summary(Format::Auto, r#"{"schema":null,"payload":"{\"uuid\":"}"#), ["reject malformed"]);
}

/// An empty queue's list holds nothing, which is no fault.
#[test]
fn an_empty_envelope_is_nothing() {
    assert_eq!(summary(Format::Auto, r#"{"Records":[]}"#), ["reject unknownFormat"; 0]);
}

#[test]
fn depth_and_size_have_limits() {
    let mut nested = okta("1");
    for _ in 0..20 {
        nested = json!({"schema": null, "payload": nested});
    }
    assert_eq!(summary(Format::Auto, &nested.to_string()), ["reject tooDeep"]);
    // 9 MiB of blanks are a few kilobytes.
    let bomb = STANDARD.encode(gzip(&" ".repeat(UNPACKED_LENGTH_MAX + 1)));
    let envelope = json!({"awslogs": {"data": bomb}});
    assert_eq!(summary(Format::Auto, &envelope.to_string()), ["reject tooLarge"]);
    // Each fits alone; together they are too much.
    let half = STANDARD.encode(gzip(&format!("{}{}", okta("1"), " ".repeat(UNPACKED_LENGTH_MAX / 2))));
    let several: Vec<Value> = (0..4).map(|_| json!({"recordId": "1", "data": half})).collect();
    let seen = summary(Format::Auto, &json!({"records": several}).to_string());
    assert_eq!(seen, [ALICE, "reject tooLarge", "reject tooLarge", "reject tooLarge"]);
    let seen = std::cell::RefCell::new(Vec::new());
    decode(Format::Auto, &gzip(&" ".repeat(UNPACKED_LENGTH_MAX + 1)), &mut |decoded| {
        seen.borrow_mut().push(decoded.unwrap_err().reason.name());
    });
    assert_eq!(seen.into_inner(), ["tooLarge"]);
}

#[test]
fn records_inside_records_are_where_the_configuration_says() {
    let pointers = ["/deep/0/raw", "/other"].map(|text| parse_pointer(text).unwrap());
    let unwrap = Unwrap::new(pointers.to_vec());
    let decoder = Decoder { unwrap: unwrap.into(), ..Decoder::new(Format::Auto) };
    let seen = |record: Value| {
        let mut seen = Vec::new();
        decoder.decode(record.to_string().as_bytes(), None, &mut |decoded| {
            seen.push(match decoded {
                Ok(Decoded::SignIn(sign_in)) => sign_in.event_id.into_owned(),
                other => format!("{other:?}"),
            });
        });
        seen
    };
    assert_eq!(seen(json!({"deep": [{"raw": okta("a").to_string()}], "other": okta("b")})), ["a"]);
    assert_eq!(seen(json!({"deep": [], "other": okta("b")})), ["b"]);
    assert_eq!(seen(okta("c")), ["c"], "without an envelope");
}

#[test]
fn a_record_has_so_many_elements() {
    let repeated = "2026-03-02T08:15:30+00:00 web1 sshd[7]: message repeated 1000 times: [ Failed password for root from 192.0.2.7 port 1 ssh2]";
    let packed = |lines: usize| gzip(&vec![repeated; lines].join("\n"));
    let counted = |record: &[u8]| {
        let (mut sign_ins, mut rejects) = (0, Vec::new());
        decode(Format::Auto, record, &mut |decoded| match decoded {
            Ok(Decoded::SignIn(_)) => sign_ins += 1,
            Ok(other) => panic!("{other:?}"),
            Err(reject) => rejects.push((reject.reason.name(), reject.offset, reject.detail.into_owned())),
        });
        (sign_ins, rejects)
    };
    let told = |offset: usize| ("tooLarge", offset, format!("more than {ELEMENTS_MAX} elements"));
    let full = ELEMENTS_MAX / 1_000;
    assert_eq!(counted(&packed(full)), (ELEMENTS_MAX, vec![]));
    // What is packed stands nowhere in the record but where its package does.
    assert_eq!(counted(&packed(full + 1)), (ELEMENTS_MAX, vec![told(0)]));
    let element = json!({"recordId": "1", "data": STANDARD.encode(packed(full))}).to_string();
    let envelope = format!(r#"{{"records":[{element},{element},{element}]}}"#);
    let second = r#"{"records":["#.len() + element.len() + 1;
    assert_eq!(counted(envelope.as_bytes()), (ELEMENTS_MAX, vec![told(second)]));
    let (sign_ins, rejects) = counted(format!(" [{}0]", "0,".repeat(2 * ELEMENTS_MAX)).as_bytes());
    let last = told(" [".len() + 2 * ELEMENTS_MAX);
    assert_eq!((sign_ins, rejects.len(), rejects.last()), (0, ELEMENTS_MAX + 1, Some(&last)));
}

/// A column that says nothing does not make an envelope of a record.
#[test]
fn a_key_of_an_envelope_with_nothing_in_it_is_a_record_s_own() {
    let plain = json!({
        "Type": "SigninLogs", "TenantId": "eeeeeeee-0000-4000-8000-00000000000e", "TimeGenerated": "2026-03-02T08:15:30Z",
        "CreatedDateTime": "2026-03-02T08:15:30Z", "Id": "s-1", "UserId": "u-1", "UserPrincipalName": "alice@fjord.example",
        "ResultType": "0", "IPAddress": "192.0.2.17", "AADTenantId": "5f0c9a52-0d1e-4c6b-9a7e-3b2f5c1d0001",
    });
    let expected = summary(Format::Auto, &plain.to_string());
    assert!(expected[0].starts_with("signIn "), "{expected:?}");
    for key in ["Records", "AuditData", "logEvents", "_raw"] {
        let mut first = serde_json::Map::from_iter([(key.to_owned(), Value::Null)]);
        first.extend(plain.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        assert_eq!(summary(Format::Auto, &Value::Object(first).to_string()), expected, "{key}");
    }
    assert_eq!(summary(Format::Auto, r#"{"Records":null}"#), ["reject unknownFormat"]);
}
