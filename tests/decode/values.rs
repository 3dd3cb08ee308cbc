//! Times, addresses and the absent: table by table.

use std::net::IpAddr;

use farsign::engine::decode::{TimeError, parse_address, parse_time, time_of_float, time_of_integer};
use farsign::engine::signin::{ClientApp, TEXT_LENGTH_MAX};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixtures::{azure, properties, with_sign_in};

#[test]
fn times_are_read_in_every_form() {
    let same = [
        "2007-01-09T09:41:00Z",
        "2007-01-09T09:41:00",
        "2007-01-09 09:41:00",
        "2007-01-09T9:41:00Z",
        "2007-01-09 09:41:00 UTC",
        "2007-01-09T09:41:00.0000000Z",
        "2007-01-09T09:41:00.000000000+00:00",
        "2007-01-09T11:41:00+02:00",
        "2007-01-09T04:41:00.0-0500",
        "2007-01-09t09:41:00z",
        "2007-01-09T09:41Z",
        " 2007-01-09T09:41:00Z ",
        "01/09/2007 09:41:00",
        "1/9/2007 09:41:00",
        "1/9/2007 9:41:00 AM",
        "01/09/2007 09:41:00 AM",
        "1/9/2007 10:41:00 AM +01:00",
        "1/9/2007, 9:41:00.000 am",
        "1168335660",
        "1168335660000",
        "1168335660000000",
        "1168335660.0",
    ];
    for text in same {
        assert_eq!(parse_time(text).map(|time| time.0), Ok(1_168_335_660_000_000_000), "{text}");
    }
    let decimals = [
        ("2026-03-02T08:15:30.1875602Z", 187_560_200),
        ("2026-03-02T08:15:30.429773+00:00", 429_773_000),
        ("2026-03-02T08:15:30.535404056Z", 535_404_056),
        ("2026-03-02T08:15:30.5354040569Z", 535_404_056),
        ("2026-03-02 08:15:30,357", 357_000_000),
        ("3/2/2026 8:15:30.5 AM", 500_000_000),
    ];
    for (text, nanos) in decimals {
        assert_eq!(parse_time(text).map(|time| time.0 % 1_000_000_000), Ok(nanos), "{text}");
    }
    let hours = [("12:00:00 AM", 0), ("12:00:00 PM", 12), ("1:00:00 PM", 13), ("11:00:00 PM", 23)];
    for (text, hour) in hours {
        let time = parse_time(&format!("3/2/2026 {text}")).map(|time| time.seconds() % 86_400 / 3_600);
        assert_eq!(time, Ok(hour), "{text}");
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        "now",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-01-01",
        "2026-01-01T24:00:00Z",
        "13:00:00",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+1",
        "2026-01-01T00:00:00Zx",
        "1/1/26 00:00:00",
        "1/1/2026 13:00:00 PM",
        "1/1/2026 0:00:00 AM",
        "2026-01-01T00:00:00 CET",
        "1.2.3",
        "--1",
    ] {
        assert_eq!(parse_time(text), Err(TimeError::Unreadable), "{text}");
    }
    for text in [
        "1999-12-31T23:59:59.999999999Z",
        "2100-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9/9/9999 00:00:00",
        "5",
    ] {
        assert_eq!(parse_time(text), Err(TimeError::OutOfRange), "{text}");
    }
    assert!(parse_time("2000-01-01T00:00:00Z").is_ok() && parse_time("2099-12-31T23:59:59.999999999Z").is_ok());
    assert_eq!(time_of_integer(i64::MIN), Err(TimeError::OutOfRange));
    assert_eq!(time_of_float(f64::NAN), Err(TimeError::OutOfRange));
    assert_eq!(time_of_float(1_168_335_660.5).map(|time| time.0), Ok(1_168_335_660_500_000_000));
}

#[test]
fn addresses_are_read_in_every_form() {
    for (text, address) in [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:12345", "192.0.2.1"),
        ("[192.0.2.1]", "192.0.2.1"),
        ("[192.0.2.1]:12345", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:12345", "192.0.2.1"),
        ("192.0.2.1, 198.51.100.7", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("2001:db8::abcd", "2001:db8::abcd"),
        ("2001:db8::1:443", "2001:db8::1:443"),
        ("[2001:db8::abcd]", "2001:db8::abcd"),
        ("[2001:db8::abcd]:12345", "2001:db8::abcd"),
        ("fe80::1%eth0", "fe80::1"),
        ("10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "127.0.0.1"),
    ] {
        assert_eq!(parse_address(text), address.parse::<IpAddr>().ok(), "{text}");
    }
    for text in [
        "",
        "localhost",
        "localhost:12345",
        "host.example:443",
        "0.0.0.0",
        "::",
        "[]",
        "[192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:99999",
        "192.0.2",
        "192.0.2.256",
        "[::1]x",
        "::1%",
        "c0ffee00-0000-4000-8000-000000000001",
    ] {
        assert_eq!(parse_address(text), None, "{text}");
    }
}

fn with(path: &str, value: Value) -> Value {
    let mut record = azure("SignInLogs", properties());
    if let Some(slot) = record.pointer_mut(path) {
        *slot = value;
    }
    record
}

#[test]
fn an_unreadable_address_keeps_its_text() {
    let seen = |own: &str, caller: &str| {
        let mut record = with("/properties/ipAddress", json!(own));
        record["callerIpAddress"] = json!(caller);
        with_sign_in(&record, |sign_in| {
            (sign_in.address.map(|ip| ip.to_string()), sign_in.address_text.to_string())
        })
    };
    assert_eq!(seen("<hidden>", "gateway"), (None, "<hidden>".to_string()));
    assert_eq!(seen("", "192.0.2.9:80"), (Some("192.0.2.9".to_string()), "192.0.2.9:80".to_string()));
    assert_eq!(seen("192.0.2.8", "192.0.2.9"), (Some("192.0.2.8".to_string()), "192.0.2.8".to_string()));
}

#[test]
fn absent_in_disguise_is_empty() {
    for absent in ["", "null", "-", "Unknown", "N/A", "Not Available", "none", "hidden", "ANONYMIZED", " "] {
        let display = with_sign_in(&with("/properties/appDisplayName", json!(absent)), |sign_in| {
            sign_in.app_display_name.to_string()
        });
        assert_eq!(display, "", "{absent}");
    }
    let kept = with_sign_in(&with("/properties/appDisplayName", json!("None of that")), |sign_in| {
        sign_in.app_display_name.to_string()
    });
    assert_eq!(kept, "None of that");
}

#[test]
fn coordinates_out_of_range_are_absent() {
    let seen = |latitude: Value, longitude: Value| {
        let record =
            with("/properties/location/geoCoordinates", json!({"latitude": latitude, "longitude": longitude}));
        with_sign_in(&record, |sign_in| sign_in.location.coordinates)
    };
    assert_eq!(seen(json!(0), json!(0.0)), None);
    assert_eq!(seen(json!(0), json!(0.1)), Some((0.0, 0.1)));
    assert_eq!(seen(json!(90.1), json!(5)), None);
    assert_eq!(seen(json!(-90), json!(180)), Some((-90.0, 180.0)));
    assert_eq!(seen(json!("52.5"), json!("NaN")), None);
    assert_eq!(seen(json!("52.5"), json!("13")), Some((52.5, 13.0)));
}

#[test]
fn numbers_and_flags_may_be_text() {
    for (value, asn) in [
        (json!(64500), Some(64_500)),
        (json!("64500"), Some(64_500)),
        (json!("AS64500"), Some(64_500)),
        (json!(0), None),
    ] {
        assert_eq!(with_sign_in(&with("/properties/autonomousSystemNumber", value), |sign_in| sign_in.asn), asn);
    }
    for (value, flag) in
        [(json!("True"), Some(true)), (json!(false), Some(false)), (json!(""), None), (json!(1), None)]
    {
        let record = with("/properties/deviceDetail/isCompliant", value);
        assert_eq!(with_sign_in(&record, |sign_in| sign_in.device.is_compliant), flag);
    }
}

#[test]
fn long_text_is_cut_between_characters() {
    let long = format!("{}é", "a".repeat(TEXT_LENGTH_MAX - 1));
    let record = with("/properties/userAgent", json!(long));
    assert_eq!(with_sign_in(&record, |sign_in| sign_in.user_agent.len()), TEXT_LENGTH_MAX - 1);
}

#[test]
fn ids_are_folded_where_case_says_nothing() {
    let user =
        |id: &str| with_sign_in(&with("/properties/userId", json!(id)), |sign_in| sign_in.user_id.to_string());
    assert_eq!(user("A1B2C3D4-0000-4000-8000-00000000A11C"), "a1b2c3d4-0000-4000-8000-00000000a11c");
    assert_eq!(user("Alice@Example.com"), "alice@example.com");
    assert_eq!(user("User-Seven"), "User-Seven");
    let mut record = with("/properties/userId", Value::Null);
    record["properties"]["userPrincipalName"] = json!("Alice@Example.com");
    assert_eq!(with_sign_in(&record, |sign_in| sign_in.user_id.to_string()), "alice@example.com");
}

#[test]
fn clients_fall_into_families() {
    for (used, agent, family) in [
        ("Browser", "", ClientApp::Browser),
        ("Mobile Apps and Desktop clients", "", ClientApp::Modern),
        ("IMAP4", "", ClientApp::Legacy),
        ("Other clients; IMAP", "", ClientApp::Legacy),
        ("AUTHENTICATED SMTP", "", ClientApp::Legacy),
        ("Exchange ActiveSync (supported)", "", ClientApp::Legacy),
        ("Unknown", "BAV2ROPC", ClientApp::Legacy),
        ("Browser", "BAV2ROPC", ClientApp::Browser),
        ("Unknown", "python", ClientApp::Unknown),
        ("", "", ClientApp::Unknown),
    ] {
        let mut record = with("/properties/clientAppUsed", json!(used));
        record["properties"]["userAgent"] = json!(agent);
        assert_eq!(with_sign_in(&record, |sign_in| sign_in.client_app), family, "{used} {agent}");
    }
}

proptest! {
    #[test]
    fn times_agree_with_the_calendar(nanos in 946_684_800_000_000_000_i64..4_102_444_800_000_000_000, offset in -840_i64..=840) {
        let timestamp = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
        prop_assert_eq!(parse_time(&timestamp.to_string()).map(|time| time.0), Ok(nanos));
        let zone = jiff::tz::Offset::from_seconds((offset * 60) as i32).unwrap();
        let civil = zone.to_datetime(timestamp);
        let sign = if offset < 0 { '-' } else { '+' };
        let text = format!("{civil:.9}{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60);
        prop_assert_eq!(parse_time(&text).map(|time| time.0), Ok(nanos), "{}", text);
    }

    #[test]
    fn no_text_breaks_the_readers(text in "\\PC{0,40}") {
        prop_assert!(parse_time(&text).is_err() || text.bytes().any(|byte| byte.is_ascii_digit()));
        prop_assert!(parse_address(&text).is_none() || text.contains(['.', ':']));
    }

    #[test]
    fn every_address_is_read_back(bits: u128, port: u16) {
        let address = IpAddr::from(bits.to_be_bytes()).to_canonical();
        prop_assume!(!address.is_unspecified());
        prop_assert_eq!(parse_address(&address.to_string()), Some(address));
        prop_assert_eq!(parse_address(&format!("[{address}]:{port}")), Some(address));
    }
}
