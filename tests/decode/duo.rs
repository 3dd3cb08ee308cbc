//! Duo's authentication logs of both versions, Trust Monitor's events, and the logs that are neither.

use farsign::engine::decode::{Decoded, Format, decode};

use crate::summary::summary;

const ADA: &str = "signIn duo/duo user=DUADA(ada@acme.example)";

/// An authentication of Ada's from 192.0.2.7 in Norway, answered on a phone at 198.51.100.8.
fn log(result: &str, reason: &str, factor: &str) -> String {
    format!(
        r#"{{"access_device":{{"browser":"Firefox","browser_version":"130.0","epkey":"EP1","hostname":null,"ip":"192.0.2.7",
        "is_encryption_enabled":"unknown","location":{{"city":"Oslo","country":"Norway","state":"Oslo"}},
        "os":"Linux","os_version":"6.1"}},"alias":"","application":{{"key":"DIMAIL","name":"Mail"}},
        "auth_device":{{"ip":"198.51.100.8","location":{{"city":"Lima","country":"Peru","state":"-"}},"name":"phone"}},
        "email":"ada@acme.example","event_type":"authentication","factor":"{factor}",
        "isotimestamp":"2026-03-04T05:06:07.089000+00:00","timestamp":1772600767,"ood_software":"null","reason":"{reason}",
        "result":"{result}","trusted_endpoint_status":"not trusted","txid":"tx1",
        "user":{{"groups":["Staff"],"key":"DUADA","name":"ada"}}}}"#
    )
}

/// As version 1 writes it.
fn older(result: &str, reason: &str, factor: &str) -> String {
    format!(
        r#"{{"access_device":{{"browser":"Chrome","browser_version":"60.0","os":"Mac OS X","os_version":"10.12"}},
        "device":"555-0100","factor":"{factor}","integration":"Portal","ip":"192.0.2.7","isotimestamp":"2026-03-04T05:06:07Z",
        "location":{{"city":"Oslo","country":"NO","state":"-"}},"new_enrollment":false,"reason":"{reason}",
        "result":"{result}","timestamp":1772600767,"username":"ada@acme.example"}}"#
    )
}

#[track_caller]
fn check(record: &str, expected: &[&str]) {
    assert_eq!(summary(Format::Auto, record), expected, "{record}");
    assert_eq!(summary(Format::Duo, record), expected, "{record}");
}

#[track_caller]
fn check_ending(record: &str, ending: &str) {
    check(record, &[&format!("{ADA} {ending} Interactive 192.0.2.7 NO")]);
}

#[test]
fn let_in() {
    let success = |reason: &str, factor: &str| log("success", reason, factor);
    check_ending(&success("user_approved", "duo_push"), "Success/Right/Performed/Normal");
    check_ending(&success("valid_passcode", "hardware_token"), "Success/Right/Performed/Normal");
    check_ending(&success("remembered_device", "remembered_device"), "Success/Right/Claim/Normal");
    check_ending(&success("bypass_user", "not_available"), "Success/Right/NotRequired/Normal");
    check_ending(&success("allow_unenrolled_user", "not_available"), "Success/Right/NotRequired/Normal");
    check_ending(&success("", "not_available"), "Success/Right/Unknown/Normal");
}

#[test]
fn refused() {
    let denied = |reason: &str| log("denied", reason, "duo_push");
    for reason in ["no_response", "invalid_passcode", "user_cancelled", "user_mistake", ""] {
        check_ending(&denied(reason), "Blocked/Right/Denied/Normal");
    }
    for reason in
        ["location_restricted", "denied_by_policy", "endpoint_is_not_trusted", "out_of_date", "a_new_rule"]
    {
        check_ending(&denied(reason), "Blocked/Right/Unknown/Normal");
    }
    check_ending(&denied("locked_out"), "Blocked/Right/Unknown/Locked");
    check_ending(&denied("user_disabled"), "Blocked/Right/Unknown/Disabled");
    check_ending(&denied("invalid_credentials"), "Failed/Wrong/Unknown/Normal");
    check_ending(&log("fraud", "user_marked_fraud", "duo_push"), "Blocked/Right/Reported/Normal");
    check_ending(&denied("user_marked_fraud"), "Blocked/Right/Reported/Normal");
    check_ending(&log("error", "error", "duo_push"), "Failed/Unknown/Unknown/Normal");
}

#[test]
fn the_first_version() {
    let line = "signIn duo/duo user=ada@acme.example(ada@acme.example)";
    let ending = |record: &str, ending: &str| {
        assert_eq!(
            summary(Format::Auto, record),
            [format!("{line} {ending} Interactive 192.0.2.7 NO")],
            "{record}"
        );
    };
    ending(&older("SUCCESS", "", "Duo Push"), "Success/Right/Performed/Normal");
    ending(&older("SUCCESS", "", "Remembered Device"), "Success/Right/Claim/Normal");
    ending(&older("SUCCESS", "", "Bypass Status"), "Success/Right/NotRequired/Normal");
    ending(&older("FAILURE", "Location restricted", "Duo Push"), "Blocked/Right/Unknown/Normal");
    ending(&older("FAILURE", "Invalid passcode", "Passcode"), "Blocked/Right/Denied/Normal");
    ending(&older("FRAUD", "", "Duo Push"), "Blocked/Right/Reported/Normal");
    // It has no id: two deliveries give the same one.
    let id = |record: &str| {
        let mut id = String::new();
        decode(Format::Auto, record.as_bytes(), &mut |decoded| {
            let Ok(Decoded::SignIn(it)) = decoded else { panic!("{decoded:?}") };
            id = it.event_id.into_owned();
        });
        id
    };
    let record = older("SUCCESS", "", "Duo Push");
    assert_eq!(id(&record), id(&record));
    assert_ne!(id(&record), id(&older("FRAUD", "", "Duo Push")));
}

#[test]
fn risk_beside_the_sign_in() {
    let found =
        |kind: &str, level: &str| format!("finding Duo duo/duo user=DUADA(ada@acme.example) {kind} {level} tx1");
    let blocked = |mfa: &str| format!("{ADA} Blocked/Right/{mfa}/Normal Interactive 192.0.2.7 NO");
    let anonymous = log("denied", "anonymous_ip", "duo_push");
    check(&anonymous, &[&blocked("Unknown"), &found("anonymizedIPAddress", "medium")]);
    let anomalous = log("denied", "anomalous_push", "duo_push");
    check(&anomalous, &[&blocked("Denied"), &found("mfaFatigue", "medium")]);
    let trusting = |assessments: &str| {
        let with = format!(r#""alias":"","adaptive_trust_assessments":{{{assessments}}}"#);
        log("success", "user_approved", "duo_push").replace(r#""alias":"""#, &with)
    };
    let let_in = format!("{ADA} Success/Right/Performed/Normal Interactive 192.0.2.7 NO");
    let normal = r#""more_secure_auth":{"trust_level":"NORMAL"},"remember_me":{"trust_level":"LOW","reason":"Novel Access IP"}"#;
    check(&trusting(normal), &[&let_in]);
    let low = r#""more_secure_auth":{"trust_level":"LOW","reason":"Known pattern"}"#;
    check(&trusting(low), &[&let_in, &found("generic", "medium")]);
    let attack = r#""more_secure_auth":{"trust_level":"LOW","detected_attack_detectors":["PUSH_SPRAY"]}"#;
    check(&trusting(attack), &[&let_in, &found("generic", "high")]);
}

#[test]
fn trust_monitor() {
    let surfaced = log("success", "user_approved", "duo_push");
    let event = |explanations: &str, is_priority: bool| {
        format!(
            r#"{{"explanations":[{explanations}],"from_new_user":false,"low_risk_ip":false,"priority_event":{is_priority},
            "sekey":"SE1","state":"new","surfaced_auth":{surfaced},"surfaced_timestamp":1772604367000,"type":"auth"}}"#
        )
    };
    let found =
        |kind: &str, level: &str| format!("finding Duo duo/duo user=DUADA(ada@acme.example) {kind} {level} tx1");
    let country = r#"{"summary":"A country new to the user","type":"NEW_COUNTRY_CODE"}"#;
    check(&event(country, false), &[&found("newCountry", "medium")]);
    check(&event("", true), &[&found("generic", "high")]);
}

#[test]
fn other_logs() {
    let enrolment = log("success", "user_approved", "duo_push").replace("authentication", "enrollment");
    let administrator = r#"{"action":"user_update","description":"{}","isotimestamp":"2026-03-04T05:06:07+00:00",
        "object":"ada","timestamp":1772600767,"username":"admin"}"#;
    let activity = r#"{"access_device":{"ip":{"address":"192.0.2.7"}},"action":{"name":"login"},"activity_id":"a1",
        "actor":{"key":"DUX","name":"admin"},"akey":"DA1","ts":"2026-03-04T05:06:07+00:00"}"#;
    let telephony = r#"{"context":"authentication","credits":1,"phone":"+4755501","telephony_id":"t1",
        "ts":"2026-03-04T05:06:07+00:00","txid":"tx1","type":"sms"}"#;
    for record in [&enrolment, administrator, activity, telephony] {
        check(record, &["skipped notASignIn"]);
    }
}

#[test]
fn what_else_is_read() {
    decode(Format::Auto, log("success", "user_approved", "duo_push").as_bytes(), &mut |decoded| {
        let Ok(Decoded::SignIn(it)) = decoded else { panic!("{decoded:?}") };
        assert_eq!((&*it.event_id, &*it.correlation_id, &*it.user_display_name), ("tx1", "tx1", "ada"));
        assert_eq!((&*it.app_id, &*it.app_display_name), ("DIMAIL", "Mail"));
        assert_eq!((&*it.user_agent, &*it.device.operating_system), ("Firefox 130.0", "Linux 6.1"));
        assert_eq!((&*it.device.device_id, it.device.is_managed), ("EP1", Some(false)));
        assert_eq!((&*it.location.city, it.location.coordinates), ("Oslo", None));
    });
}

#[test]
fn addresses_and_missing_values() {
    let record = log("success", "user_approved", "duo_push");
    let let_in = format!("{ADA} Success/Right/Performed/Normal Interactive");
    check(
        &record.replace(r#""192.0.2.7""#, r#"{"address":"2001:db8::7"}"#),
        &[&format!("{let_in} 2001:db8::7 NO")],
    );
    check(&record.replace("192.0.2.7", "0.0.0.0").replace("Norway", "-"), &[&format!("{let_in} - -")]);
    let nameless = record.replace(r#""key":"DUADA","name":"ada""#, r#""key":null,"name":null"#);
    let line = "signIn duo/duo user=ada@acme.example(ada@acme.example) Success/Right/Performed/Normal Interactive 192.0.2.7 NO";
    check(&nameless, &[line]);
    check(&nameless.replace("ada@acme.example", ""), &["reject noUser"]);
    let timeless = record.replace("2026-03-04T05:06:07.089000+00:00", "").replace("1772600767", "null");
    check(&timeless, &["reject noTime"]);
    check(&record.replace("2026-03-04T05:06:07.089000+00:00", ""), &[&format!("{let_in} 192.0.2.7 NO")]);
}

#[test]
fn envelopes() {
    let record = log("success", "user_approved", "duo_push");
    let line = format!("{ADA} Success/Right/Performed/Normal Interactive 192.0.2.7 NO");
    let response = format!(
        r#"{{"response":{{"authlogs":[{record}],"metadata":{{"next_offset":["1","tx1"],"total_objects":1}}}},"stat":"OK"}}"#
    );
    check(&response, &[&line]);
    check(&format!(r#"{{"authlogs":[{record},{record}],"metadata":{{}}}}"#), &[&line, &line]);
    check(&format!(r#"{{"response":[{record}],"stat":"OK"}}"#), &[&line]);
    check(&format!(r#"{{"service":"authentication","message":{record}}}"#), &[&line]);
    check(&format!("[{record}]"), &[&line]);
}
