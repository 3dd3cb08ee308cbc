//! OneLogin events: every type that is a sign-in, why one failed, its risk, and the forms they are delivered in.

use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::signin::SignIn;
use serde_json::{Value, json};

use crate::summary::summary;

const SIGN_IN: &str = "signIn oneLogin/4401 user=9001(alice@corp.example)";
const ADDRESS: &str = "192.0.2.10 -";

fn event(kind: impl Into<Value>, extra: Value) -> Value {
    let mut event = json!({
        "uuid": "0b7e5c1e-0000-4000-8000-000000000001",
        "event_timestamp": "2026-03-02 08:15:30 UTC",
        "event_type_id": kind.into(),
        "account_id": 4401,
        "user_id": 9001,
        "user_name": "alice@corp.example",
        "actor_user_id": 9001,
        "ipaddr": "192.0.2.10",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Example/1.0",
        "notes": null,
        "error_description": null,
        "risk_score": null,
    });
    for (key, value) in extra.as_object().into_iter().flatten() {
        event[key] = value.clone();
    }
    event
}

fn check(event: &Value, expected: &[&str]) {
    for format in [Format::Auto, Format::OneLogin] {
        assert_eq!(summary(format, &event.to_string()), expected, "{event}");
    }
}

fn one(event: &Value) -> SignIn<'static> {
    let mut found = None;
    decode(Format::Auto, event.to_string().as_bytes(), &mut |decoded| {
        if let Ok(Decoded::SignIn(sign_in)) = decoded {
            found = Some(sign_in.into_owned());
        }
    });
    found.expect("a sign-in")
}

#[test]
fn types_and_what_they_are() {
    let rows = [
        (5, "Success/Right/Unknown/Normal Interactive"),
        (68, "Success/Right/Unknown/Normal Interactive"),
        (122, "Success/Right/Unknown/Normal Interactive"),
        (130, "Success/Right/Unknown/Normal Interactive"),
        (140, "Success/Right/Unknown/Normal Interactive"),
        (153, "Success/Right/Unknown/Normal Interactive"),
        (6, "Failed/Unknown/Unknown/Normal Interactive"),
        (69, "Failed/Unknown/Unknown/Normal Interactive"),
        (123, "Failed/Unknown/Unknown/Normal Interactive"),
        (129, "Failed/Unknown/Unknown/Normal Interactive"),
        (8, "Success/Right/Unknown/Normal NonInteractive"),
        (78, "Success/Right/Unknown/Normal NonInteractive"),
        (77, "Failed/Unknown/Unknown/Normal NonInteractive"),
        (90, "Blocked/Right/Unknown/Normal NonInteractive"),
    ];
    for (kind, ended) in rows {
        check(&event(kind, json!({})), &[&format!("{SIGN_IN} {ended} {ADDRESS}")]);
    }
    check(&event(19, json!({})), &[&format!("{SIGN_IN} Failed/Unknown/Unknown/Locked Interactive {ADDRESS}")]);
    check(&event(19, json!({"actor_user_id": 1})), &["skipped notASignIn"]);
    // Assumed, logged out, password changed, unlocked, suspended, privilege granted, a factor used without a word of it.
    for kind in [3, 7, 11, 12, 21, 72, 531, 1400, 99999] {
        check(&event(kind, json!({})), &["skipped notASignIn"]);
    }
}

#[test]
fn words_tell_why_it_failed() {
    let rows = [
        (json!({"error_description": "Invalid password"}), "Failed/Wrong/Unknown/Normal"),
        (json!({"notes": "Authentication method: Login App.\nIncorrect password"}), "Failed/Wrong/Unknown/Normal"),
        (json!({"error_description": "User not found"}), "Failed/Unknown/Unknown/Unknown"),
        (json!({"notes": "Account is locked"}), "Failed/Unknown/Unknown/Locked"),
        (json!({"notes": "User is suspended"}), "Failed/Unknown/Unknown/Disabled"),
        (json!({"notes": "MFA: push denied by the user"}), "Blocked/Right/Denied/Normal"),
        (json!({"error_description": "Invalid OTP"}), "Blocked/Right/Denied/Normal"),
        (json!({"notes": "something new"}), "Failed/Unknown/Unknown/Normal"),
    ];
    for (extra, ended) in rows {
        check(&event(6, extra), &[&format!("{SIGN_IN} {ended} Interactive {ADDRESS}")]);
    }
    // Typed, and nobody's.
    check(
        &event(6, json!({"user_id": null, "actor_user_id": null, "user_name": "mallory"})),
        &[&format!(
            "signIn oneLogin/4401 user=mallory(mallory) Failed/Unknown/Unknown/Unknown Interactive {ADDRESS}"
        )],
    );
    check(&event(6, json!({"user_id": null, "actor_user_id": null, "user_name": ""})), &["reject noUser"]);
}

#[test]
fn the_second_factor_is_in_the_notes() {
    let transitions = "Authentication method: Login App.\nTransitions: login -> username -> password -> mfa_login\n\
                       Correlation_id: 5f6c";
    let sign_in = one(&event(5, json!({"notes": transitions})));
    assert_eq!(sign_in.correlation_id, "5f6c");
    let rows = [
        (5, transitions, "Success/Right/Performed/Normal"),
        (5, "Transitions: login -> username -> password", "Success/Right/NotRequired/Normal"),
        (1400, "Authentication method: OTP (Valid OTP). Factor name: App", "Interrupted/Right/Performed/Normal"),
        (1400, "Authentication method: OTP (Invalid OTP). Factor name: App", "Blocked/Unknown/Denied/Normal"),
    ];
    for (kind, notes, ended) in rows {
        check(&event(kind, json!({"notes": notes})), &[&format!("{SIGN_IN} {ended} Interactive {ADDRESS}")]);
    }
}

#[test]
fn risk_counts_from_its_middle_on_where_the_password_was_right() {
    let passed = format!("{SIGN_IN} Success/Right/Unknown/Normal Interactive {ADDRESS}");
    let finding = |level: &str| {
        format!(
            "finding OneLogin oneLogin/4401 user=9001(alice@corp.example) generic {level} \
             0b7e5c1e-0000-4000-8000-000000000001"
        )
    };
    let rows =
        [(json!(49), None), (json!(50), Some("medium")), (json!("74"), Some("medium")), (json!(75), Some("high"))];
    for (score, level) in rows {
        let expected: Vec<String> = [Some(passed.clone()), level.map(finding)].into_iter().flatten().collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check(&event(5, json!({"risk_score": score, "risk_reasons": "New location"})), &expected);
    }
    let wrong = format!("{SIGN_IN} Failed/Wrong/Unknown/Normal Interactive {ADDRESS}");
    check(&event(6, json!({"risk_score": 99, "notes": "Bad password"})), &[&wrong]);
}

#[test]
fn ids_are_numbers_or_texts_and_times_come_in_two_keys() {
    let passed = format!("{SIGN_IN} Success/Right/Unknown/Normal Interactive {ADDRESS}");
    check(&event("5", json!({"user_id": "9001", "account_id": "4401"})), &[&passed]);
    let of_api = event(
        5,
        json!({"uuid": null, "id": 77, "event_timestamp": null, "created_at": "2026-03-02T08:15:30.000Z"}),
    );
    check(&of_api, &[&passed]);
    assert_eq!(one(&of_api).event_id, "77");
    assert_eq!(one(&event(5, json!({"uuid": null, "create": {"_id": "bulk"}}))).event_id, "bulk");
    check(&event(5, json!({"event_timestamp": null})), &["reject noTime"]);
}

#[test]
fn details_are_kept() {
    let sign_in = one(&event(
        8,
        json!({"app_id": 12, "app_name": "Wiki", "risk_cookie_id": "c00k1e", "user_name": "Alice Example", "proxy_ip": "203.0.113.9"}),
    ));
    assert_eq!((&*sign_in.app_id, &*sign_in.app_display_name), ("12", "Wiki"));
    assert_eq!((&*sign_in.device.device_id, &*sign_in.user_display_name), ("c00k1e", "Alice Example"));
    assert_eq!((&*sign_in.user_principal_name, &*sign_in.address_text), ("", "192.0.2.10"));
    assert!(sign_in.user_agent.ends_with("Example/1.0"));
    let unknown = one(&event(5, json!({"ipaddr": "0.0.0.0"})));
    assert_eq!(unknown.address, None);
    assert_eq!(one(&event(68, json!({}))).authentication_protocol, "RADIUS");
    // An administrator acts as the user.
    check(&event(8, json!({"assuming_acting_user_id": 1})), &["skipped notASignIn"]);
}

#[test]
fn forms_of_delivery() {
    let passed = format!("{SIGN_IN} Success/Right/Unknown/Normal Interactive {ADDRESS}");
    let bulk = json!({"create": {"_id": "0b7e5c1e-0000-4000-8000-000000000001"}});
    check(&bulk, &["skipped notASignIn"]);
    check(&json!([bulk, event(5, json!({}))]), &["skipped notASignIn", &passed]);
    check(&event(5, json!({"create": {"_id": "x"}})), &[&passed]);
    check(&json!([event(5, json!({})), event(72, json!({}))]), &[&passed, "skipped notASignIn"]);
    let page =
        json!({"status": {"code": 200}, "pagination": {"after_cursor": null}, "data": [event(5, json!({}))]});
    check(&page, &[&passed]);
    assert_eq!(summary(Format::OneLogin, r#"{"user_id":1}"#), ["reject unknownFormat"]);
    assert_eq!(summary(Format::OneLogin, r#"{"index":{"_index":"x"}}"#), ["skipped notASignIn"]);
}
