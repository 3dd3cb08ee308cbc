//! OCSF: Authentication of every version and mapping, other classes, and findings about users.

use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::signin::SignIn;
use serde_json::{Value, json};

use crate::summary::summary;

fn check(record: &Value, expected: &[&str]) {
    for format in [Format::Auto, Format::Ocsf] {
        assert_eq!(summary(format, &record.to_string()), expected, "{record}");
    }
}

fn one(record: &Value) -> SignIn<'static> {
    let mut found = None;
    decode(Format::Auto, record.to_string().as_bytes(), &mut |decoded| {
        if let Ok(Decoded::SignIn(sign_in)) = decoded {
            found = Some(sign_in.into_owned());
        }
    });
    found.expect("a sign-in")
}

fn with(mut record: Value, extra: Value) -> Value {
    for (key, value) in extra.as_object().into_iter().flatten() {
        record[key] = value.clone();
    }
    record
}

fn authentication(extra: Value) -> Value {
    let record = json!({
        "activity_id": 1, "category_uid": 3, "class_uid": 3002, "type_uid": 300201, "severity_id": 1,
        "time": 1_772_439_330_123_i64, "status_id": 1,
        "metadata": {"uid": "m-1", "version": "1.3.0", "product": {"name": "Door", "vendor_name": "Example"}},
        "user": {"uid": "u9", "name": "Alice", "email_addr": "alice@corp.example", "type_id": 1},
        "src_endpoint": {"ip": "192.0.2.50", "location": {"city": "Lyon", "country": "FR", "coordinates": [4.8, 45.7]},
            "autonomous_system": {"number": 64500}},
    });
    with(record, extra)
}

const SIGN_IN: &str = "signIn other/other user=u9(alice@corp.example)";
const FROM: &str = "192.0.2.50 FR";

#[test]
fn statuses_and_their_details() {
    let rows = [
        (json!({}), "Success/Right/Unknown/Normal"),
        (json!({"status_id": "1"}), "Success/Right/Unknown/Normal"),
        (json!({"status_id": null, "status": "Success"}), "Success/Right/Unknown/Normal"),
        (json!({"status_id": null}), "Success/Right/Unknown/Normal"),
        (json!({"is_mfa": true}), "Success/Right/Performed/Normal"),
        (json!({"is_mfa": "false"}), "Success/Right/NotRequired/Normal"),
        (json!({"session": {"is_mfa": true}}), "Success/Right/Performed/Normal"),
        (json!({"status_id": 2}), "Failed/Unknown/Unknown/Normal"),
        (json!({"status_id": 0}), "Failed/Unknown/Unknown/Normal"),
        (json!({"status_id": null, "status": "Failure"}), "Failed/Unknown/Unknown/Normal"),
        (json!({"status_id": 2, "status_detail": "INVALID_CREDENTIALS"}), "Failed/Wrong/Unknown/Normal"),
        (json!({"status_id": 2, "status_detail": "USER_DOES_NOT_EXIST"}), "Failed/Unknown/Unknown/Unknown"),
        (json!({"status_id": 2, "status_detail": "ACCOUNT_DISABLED"}), "Failed/Unknown/Unknown/Disabled"),
        (json!({"status_id": 2, "status_detail": "ACCOUNT_LOCKED_OUT"}), "Failed/Unknown/Unknown/Locked"),
        (json!({"status_id": 2, "status_detail": "PASSWORD_EXPIRED"}), "Failed/Unknown/Unknown/Normal"),
        (json!({"status_id": 2, "status_detail": "MFA denied by the user"}), "Blocked/Right/Denied/Normal"),
        (json!({"status_id": 2, "status_code": "0xC000006A"}), "Failed/Wrong/Unknown/Normal"),
        (json!({"status_id": 2, "message": "Wrong password for alice"}), "Failed/Wrong/Unknown/Normal"),
        (json!({"status_id": 2, "message": "MFA error"}), "Failed/Unknown/Unknown/Normal"),
    ];
    for (extra, ended) in rows {
        check(&authentication(extra), &[&format!("{SIGN_IN} {ended} Interactive {FROM}")]);
    }
}

#[test]
fn activities_and_kinds_of_logon() {
    let rows = [
        (json!({"activity_id": 3}), "Success/Right/Unknown/Normal Interactive"),
        (json!({"activity_id": 4}), "Success/Right/Unknown/Normal NonInteractive"),
        (json!({"activity_id": 5}), "Success/Right/Unknown/Normal NonInteractive"),
        (json!({"activity_id": 6}), "Interrupted/Right/Unknown/Normal Interactive"),
        (json!({"activity_id": 6, "status_id": 2}), "Failed/Unknown/Unknown/Normal Interactive"),
        (json!({"activity_id": 99}), "Interrupted/Right/Unknown/Normal Interactive"),
        (
            json!({"activity_id": null, "type_uid": null, "activity_name": "Logon"}),
            "Success/Right/Unknown/Normal Interactive",
        ),
        (json!({"logon_type_id": 10}), "Success/Right/Unknown/Normal Interactive"),
        (json!({"logon_type_id": 3}), "Success/Right/Unknown/Normal NonInteractive"),
        (json!({"logon_type_id": 3, "status_id": 2}), "Failed/Unknown/Unknown/Normal Interactive"),
    ];
    for (extra, ended) in rows {
        check(&authentication(extra), &[&format!("{SIGN_IN} {ended} {FROM}")]);
    }
    for extra in [json!({"activity_id": 2}), json!({"activity_id": "2"}), json!({"activity_id": 7})] {
        check(&authentication(extra), &["skipped notASignIn"]);
    }
    let workloads = [
        json!({"logon_type_id": 5}),
        json!({"user": {"uid": "x", "name": "SYSTEM", "type_id": 3}}),
        json!({"user": {"uid": "x", "name": "WS1$"}}),
    ];
    for extra in workloads {
        check(&authentication(extra), &["skipped servicePrincipal"]);
    }
}

#[test]
fn classes() {
    for class in [3001, 3003, 6003, 1001, 0] {
        check(&authentication(json!({"class_uid": class})), &["skipped notASignIn"]);
    }
    let passed = format!("{SIGN_IN} Success/Right/Unknown/Normal Interactive {FROM}");
    for extra in [
        json!({"class_uid": "3002"}),
        json!({"class_uid": null}),
        json!({"class_uid": null, "type_uid": null, "class_name": "Authentication"}),
    ] {
        check(&authentication(extra), &[&passed]);
    }
    // Keys that are another envelope's do not come first.
    let mut turned =
        json!({"service": {"name": "sso"}, "metadata": authentication(json!({}))["metadata"].clone()});
    turned["category_uid"] = json!(3);
    turned["message"] = json!("hello");
    check(&with(turned, authentication(json!({}))), &[&passed]);
}

#[test]
fn the_person_is_user_or_the_actors() {
    let ended = format!("Success/Right/Unknown/Normal Interactive {FROM}");
    let rows = [
        (
            json!({"user": null, "actor": {"user": {"uid": "a1", "name": "bob", "account": {"uid": "77"}}}}),
            "other/77 user=a1(bob)",
        ),
        (
            json!({"user": {"uid": "a1"}, "actor": {"user": {"uid": "a1", "email_addr": "bob@corp.example", "org": {"uid": "o1"}}}}),
            "other/o1 user=a1(bob@corp.example)",
        ),
        // An administrator did it; that is nobody's name here.
        (
            json!({"user": {"uid": "a1"}, "actor": {"user": {"uid": "a2", "name": "admin"}}}),
            "other/other user=a1()",
        ),
        (
            json!({"user": {"name": "bob", "domain": "corp.example"}}),
            "other/other user=bob@corp.example(bob@corp.example)",
        ),
        (json!({"user": {"name": "bob", "uid_alt": "b2", "org": {"uid": "o2"}}}), "other/o2 user=b2(bob)"),
        (json!({"user": {"uid": 12}, "cloud": {"account": {"uid": "c1"}}}), "other/c1 user=12()"),
    ];
    for (extra, who) in rows {
        check(&authentication(extra), &[&format!("signIn {who} {ended}")]);
    }
    check(&authentication(json!({"user": null})), &["reject noUser"]);
}

#[test]
fn times_in_every_unit() {
    let time = |extra: Value| one(&authentication(extra)).event_time.to_string();
    let expected = "2026-03-02T08:15:30.1230000Z";
    assert_eq!(time(json!({})), expected);
    assert_eq!(time(json!({"time": 1_772_439_330_123_000_i64})), expected);
    assert_eq!(time(json!({"time": "1772439330123"})), expected);
    assert_eq!(
        time(json!({"time": 1_772_439_330, "time_dt": "2026-03-02T08:15:30.123Z"})),
        "2026-03-02T08:15:30.0000000Z"
    );
    assert_eq!(time(json!({"time_dt": "2026-03-02T08:15:30.000Z"})), expected);
    assert_eq!(time(json!({"time_dt": "2026-03-01T00:00:00Z"})), "2026-03-01T00:00:00.0000000Z");
    assert_eq!(time(json!({"time": null, "time_dt": "2026-03-02T03:15:30.123-05:00"})), expected);
    check(&authentication(json!({"time": null})), &["reject noTime"]);
}

#[test]
fn places_devices_and_protocols() {
    let sign_in = one(&authentication(json!({
        "auth_protocol_id": 5, "http_request": {"user_agent": "Mozilla/5.0", "uid": "r-1"},
        "device": {"uid": "d-1", "name": "laptop", "os": {"name": "Linux"}, "is_managed": true},
        "session": {"uid": "s-1"}, "service": {"name": "Wiki", "uid": "w1"},
    })));
    assert_eq!(sign_in.location.coordinates, Some((45.7, 4.8)));
    assert_eq!((sign_in.asn, &*sign_in.location.city), (Some(64500), "Lyon"));
    assert_eq!((&*sign_in.authentication_protocol, &*sign_in.user_agent), ("SAML", "Mozilla/5.0"));
    assert_eq!((&*sign_in.device.device_id, sign_in.device.is_managed), ("d-1", Some(true)));
    assert_eq!((&*sign_in.session_id, &*sign_in.correlation_id), ("s-1", "r-1"));
    assert_eq!((&*sign_in.app_id, &*sign_in.app_display_name), ("w1", "Wiki"));
    assert_eq!((&*sign_in.event_id, &*sign_in.user_display_name), ("m-1", "Alice"));
    let named = json!({"src_endpoint": {"ip": "2001:db8::50", "location": {"country": "France", "lat": 48.9, "long": 2.3}}});
    let named = one(&authentication(named));
    assert_eq!((&*named.location.country, named.location.coordinates), ("FR", Some((48.9, 2.3))));
    let other = one(&authentication(json!({"auth_protocol": "Other", "auth_protocol_id": 99})));
    assert_eq!(&*other.authentication_protocol, "");
}

fn of_product(product: Value, extra: Value) -> Value {
    let metadata = json!({"uid": "m-1", "version": "1.3.0", "product": product});
    with(authentication(json!({"metadata": metadata})), extra)
}

#[test]
fn products_are_providers() {
    let rows = [
        (json!({"name": "Microsoft Entra ID", "vendor_name": "Microsoft"}), "entra/unknown"),
        (json!({"name": "OneLogin"}), "oneLogin/oneLogin"),
        (json!({"name": "Duo Security", "vendor_name": "Cisco"}), "duo/duo"),
        (json!({"name": "Keycloak"}), "keycloak/keycloak"),
        (json!({"name": "Windows", "vendor_name": "Microsoft"}), "other/other"),
    ];
    for (product, provider) in rows {
        check(
            &of_product(product, json!({})),
            &[&format!(
                "signIn {provider} user=u9(alice@corp.example) Success/Right/Unknown/Normal Interactive {FROM}"
            )],
        );
    }
    let entra = |code: &str| {
        summary(
            Format::Auto,
            &of_product(json!({"name": "Entra ID"}), json!({"status_id": 2, "status_code": code})).to_string(),
        )
        .remove(0)
    };
    assert!(entra("50126").contains("Failed/Wrong/"), "{}", entra("50126"));
    assert!(entra("50074").contains("Interrupted/Right/Pending/"), "{}", entra("50074"));
    assert!(entra("53003").contains("Blocked/Right/"), "{}", entra("53003"));
}

#[test]
fn oktas_log_is_oktas() {
    let okta = |code: &str, extra: Value| {
        let metadata = json!({"uid": "u-1", "event_code": code, "product": {"name": "Okta System Log", "vendor_name": "Okta"}});
        with(
            authentication(
                json!({"metadata": metadata, "status": "Success", "actor": {"session": {"uid": "102s"}}}),
            ),
            extra,
        )
    };
    let who = "signIn okta/okta user=u9(alice@corp.example)";
    check(
        &okta("user.session.start", json!({})),
        &[&format!("{who} Success/Right/Unknown/Normal Interactive {FROM}")],
    );
    check(
        &okta("user.authentication.sso", json!({})),
        &[&format!("{who} Success/Right/Unknown/Normal NonInteractive {FROM}")],
    );
    let failed =
        json!({"status": "Failure", "status_id": 2, "unmapped": {"outcome": {"reason": "INVALID_CREDENTIALS"}}});
    check(
        &okta("user.session.start", failed),
        &[&format!("{who} Failed/Wrong/Unknown/Normal Interactive {FROM}")],
    );
    let risky = json!({"unmapped": {"debugContext": {"debugData": {"risk": "{level=HIGH}"}}}});
    check(
        &okta("user.session.start", risky),
        &[
            &format!("{who} Success/Right/Unknown/Normal Interactive {FROM}"),
            "finding Okta okta/okta user=u9(alice@corp.example) generic high u-1",
        ],
    );
    // A type that nobody knows, of a logon all the same; and one that is none.
    check(
        &okta("user.sesion.start", json!({})),
        &[&format!("{who} Success/Right/Unknown/Normal Interactive {FROM}")],
    );
    check(&okta("user.session.end", json!({"activity_id": 2})), &["skipped notASignIn"]);
    let raw = json!({"uuid": "u-1", "published": "2026-03-02T08:15:30.123Z", "eventType": "user.session.start",
        "actor": {"id": "u9", "type": "User", "alternateId": "alice@corp.example"}, "outcome": {"result": "SUCCESS"},
        "authenticationContext": {"externalSessionId": "102s"}, "client": {"ipAddress": "192.0.2.50"}});
    let (raw, mapped) = (one(&raw), one(&okta("user.session.start", json!({}))));
    assert_eq!((raw.event_id, raw.user_id, raw.session_id), (mapped.event_id, mapped.user_id, mapped.session_id));
    assert_eq!((raw.tenant_id, raw.event_time), (mapped.tenant_id, mapped.event_time));
}

#[test]
fn cloudtrail_is_awss() {
    let arn = "arn:aws:iam::111122223333:user/alice";
    let record = |result: &str, used: &str| {
        json!({"eventVersion": "1.08", "eventID": "m-1", "eventTime": "2026-03-02T08:15:30Z", "eventName": "ConsoleLogin",
            "eventSource": "signin.amazonaws.com", "eventType": "AwsConsoleSignIn", "recipientAccountId": "111122223333",
            "sourceIPAddress": "192.0.2.50", "userIdentity": {"type": "IAMUser", "principalId": "AIDAEXAMPLE",
                "arn": arn, "accountId": "111122223333", "userName": "alice"},
            "responseElements": {"ConsoleLogin": result}, "additionalEventData": {"MFAUsed": used}})
    };
    let mapped = |status: &str, user: Value, extra: Value| {
        let mapped = authentication(json!({
            "time": 1_772_439_330_000_i64, "status": status, "status_id": null, "user": null,
            "metadata": {"uid": "m-1", "event_code": "AwsConsoleSignIn", "version": "1.1.0",
                "product": {"name": "CloudTrail", "vendor_name": "AWS", "version": "1.08"}},
            "api": {"operation": "ConsoleLogin", "service": {"name": "signin.amazonaws.com"}},
            "actor": {"user": user}, "unmapped": {"recipientAccountId": "111122223333"},
            "src_endpoint": {"ip": "192.0.2.50"},
        }));
        with(mapped, extra)
    };
    let today = json!({"uid": arn, "uid_alt": "AIDAEXAMPLE", "name": "alice", "type": "IAMUser",
        "account": {"uid": "111122223333"}});
    let before = json!({"uuid": arn, "uid": "AIDAEXAMPLE", "name": "alice", "type": "IAMUser", "account_uid": "111122223333"});
    for (mapped, record) in [
        (mapped("Success", today.clone(), json!({"is_mfa": true})), record("Success", "Yes")),
        (mapped("Failure", today, json!({"is_mfa": false})), record("Failure", "No")),
        (mapped("Success", before, json!({"mfa": true})), record("Success", "Yes")),
    ] {
        let expected = summary(Format::Auto, &record.to_string());
        assert!(expected[0].starts_with("signIn aws/111122223333 user=AIDAEXAMPLE(alice)"), "{expected:?}");
        check(&mapped, &[&expected[0]]);
        let (one_of, other) = (one(&mapped), one(&record));
        assert_eq!((one_of.event_id, one_of.event_time), (other.event_id, other.event_time));
    }
}

#[test]
fn risk_of_a_sign_in() {
    let passed = format!("{SIGN_IN} Success/Right/Unknown/Normal Interactive {FROM}");
    check(&authentication(json!({"risk_level_id": 1})), &[&passed]);
    check(
        &authentication(json!({"risk_level_id": 4})),
        &[&passed, "finding OCSF other/other user=u9(alice@corp.example) generic high m-1"],
    );
    // Of the user as a whole.
    let user = json!({"user": {"uid": "u9", "email_addr": "alice@corp.example", "risk_level_id": 4}});
    check(&authentication(user), &[&passed]);
}

fn finding(extra: Value) -> Value {
    let record = json!({
        "activity_id": 1, "category_uid": 2, "class_uid": 2004, "type_uid": 200401, "severity_id": 4, "status_id": 1,
        "time": 1_772_439_330_123_i64,
        "metadata": {"uid": "x", "version": "1.3.0", "product": {"name": "Watcher", "vendor_name": "Example"}},
        "finding_info": {"uid": "f-1", "title": "Impossible travel", "types": ["rule-7"]},
        "evidences": [{"actor": {"user": {"uid": "u9", "email_addr": "alice@corp.example"}}, "src_endpoint": {"ip": "192.0.2.50"}}],
    });
    with(record, extra)
}

#[test]
fn findings_about_users() {
    let found = |who: &str, kind: &str, level: &str| format!("finding Watcher other/{who} {kind} {level} user");
    let alice = "other user=u9(alice@corp.example)";
    let rows = [
        (json!({}), found(alice, "mcasImpossibleTravel", "high")),
        (json!({"severity_id": 2}), found(alice, "mcasImpossibleTravel", "low")),
        (json!({"severity_id": 0}), found(alice, "mcasImpossibleTravel", "medium")),
        (json!({"severity_id": 2, "risk_level_id": 3}), found(alice, "mcasImpossibleTravel", "high")),
        (json!({"finding_info": {"uid": "f", "types": ["passwordSpray"]}}), found(alice, "passwordSpray", "high")),
        (json!({"finding_info": {"uid": "f", "title": "Odd things"}}), found(alice, "generic", "high")),
        (
            json!({"evidences": null, "user": {"name": "bob"}}),
            found("other user=bob(bob)", "mcasImpossibleTravel", "high"),
        ),
        (
            json!({"evidences": null, "resources": [{"type": "Host"}, {"type": "User", "uid": "r1", "name": "bob"}]}),
            found("other user=r1(bob)", "mcasImpossibleTravel", "high"),
        ),
        (
            json!({"evidences": null, "observables": [{"name": "actor.user.name", "type_id": 4, "value": "bob"}]}),
            found("other user=bob(bob)", "mcasImpossibleTravel", "high"),
        ),
        (
            json!({"class_uid": 2001, "type_uid": 200101, "finding_info": null, "finding": {"uid": "f-2", "title": "Password spray"},
                "metadata": {"tenant_uid": "t1", "product": {"name": "Watcher"}}}),
            found("t1 user=u9(alice@corp.example)", "passwordSpray", "high"),
        ),
    ];
    for (extra, expected) in rows {
        check(&finding(extra), &[&expected]);
    }
    let related = json!({"finding_info": {"uid": "f-1", "title": "x", "related_events": [{"uid": "m-1"}]}});
    check(&finding(related), &["finding Watcher other/other user=u9(alice@corp.example) generic high m-1"]);
}

#[test]
fn findings_that_say_nothing_new() {
    let rows = [
        json!({"evidences": null}),
        json!({"evidences": [{"src_endpoint": {"ip": "192.0.2.50"}}]}),
        json!({"activity_id": 3}),
        json!({"status_id": 4}),
        json!({"status_id": 3}),
        json!({"verdict_id": 1}),
        json!({"metadata": {"product": {"name": "Farsign"}}}),
        json!({"metadata": {"product": {"name": "x", "vendor_name": "farsign"}}}),
    ];
    for extra in rows {
        check(&finding(extra), &["skipped notASignIn"]);
    }
}

/// A pipeline that drops the words of enumerations leaves the numbers.
#[test]
fn a_failure_by_number_alone_is_no_success() {
    let record = json!({
        "class_uid": 3002, "activity_id": 1, "status_id": 2, "time": 1_772_439_330_123_i64, "type_uid": 300201,
        "metadata": {"product": {"name": "CloudTrail", "vendor_name": "AWS"}, "uid": "e-1"},
        "api": {"operation": "ConsoleLogin", "service": {"name": "signin.amazonaws.com"}},
        "actor": {"user": {"type": "IAMUser", "name": "alice", "uid": "AIDAALICE", "account": {"uid": "111122223333"}}},
        "src_endpoint": {"ip": "192.0.2.20"},
    });
    let seen = summary(Format::Auto, &record.to_string());
    assert!(seen.iter().all(|line| !line.contains(" Success/")), "{seen:?}");
}

#[test]
fn a_success_by_number_alone_is_no_failure() {
    let seen = |kind: &str, status: Value| {
        let mut record = json!({
            "class_uid": 3002, "activity_id": 1, "time": 1_772_439_330_123_i64, "type_uid": 300201,
            "metadata": {"uid": "u-1", "event_code": kind, "product": {"name": "Okta System Log", "vendor_name": "Okta"}},
            "actor": {"user": {"name": "alice@corp.example", "uid": "u9"}}, "src_endpoint": {"ip": "192.0.2.50"},
        });
        record["status_id"] = status;
        summary(Format::Auto, &record.to_string()).join("\n")
    };
    for status in [json!(1), json!("1")] {
        assert!(seen("user.session.start", status.clone()).contains(" Success/Right/Unknown/"));
        assert!(
            seen("user.authentication.auth_via_mfa", status.clone()).contains(" Interrupted/Right/Performed/")
        );
        // That it was told is the success; what it tells is a refusal.
        assert!(seen("user.mfa.okta_verify.deny_push", status.clone()).contains(" Blocked/Unknown/Denied/"));
        assert!(seen("app.generic.unauth_app_access_attempt", status).contains(" Blocked/Right/"));
    }
    assert!(seen("user.session.start", json!(2)).contains(" Failed/Unknown/"));
}

/// Shippers write keys in any order, and some of an event's are those of an envelope.
#[test]
fn an_event_is_one_wherever_its_class_stands() {
    let usual = authentication(json!({}));
    let mut turned = serde_json::Map::new();
    turned.insert("service".into(), json!({"name": "Portal"}));
    turned.insert("message".into(), json!("alice signed in"));
    for (key, value) in usual.as_object().into_iter().flatten() {
        turned.insert(key.clone(), value.clone());
    }
    for format in [Format::Auto, Format::Ocsf] {
        let seen = summary(format, &Value::Object(turned.clone()).to_string());
        assert_eq!(seen, summary(format, &usual.to_string()));
        assert!(seen[0].starts_with("signIn "), "{seen:?}");
    }
}
