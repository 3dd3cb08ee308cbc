//! JumpCloud Directory Insights: every event that is a sign-in, how it ended, and what is known of the client.

use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::signin::SignIn;
use serde_json::{Value, json};

use crate::summary::summary;

const SIGN_IN: &str = "signIn jumpCloud/5e0f user=61e5(alice@corp.example)";
const FROM: &str = "192.0.2.20 FR";

fn event(kind: &str, extra: Value) -> Value {
    let mut event = json!({
        "id": "648c6c758c2a",
        "event_type": kind,
        "service": "directory",
        "organization": "5e0f",
        "timestamp": "2026-03-02T08:15:30.123456789Z",
        "@version": "1",
        "client_ip": "192.0.2.20",
        "initiated_by": {"id": "61e5", "type": "user", "email": "alice@corp.example"},
        "geoip": {"country_code": "FR", "region_name": "Paris", "latitude": 48.8, "longitude": 2.4},
        "useragent": {"name": "Chrome", "version": "140.0.0.0", "os": "Mac OS X", "os_full": "Mac OS X 15.1"},
        "provider": null,
    });
    for (key, value) in extra.as_object().into_iter().flatten() {
        event[key] = value.clone();
    }
    event
}

fn check(event: &Value, expected: &[&str]) {
    for format in [Format::Auto, Format::JumpCloud] {
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
fn events_and_what_they_are() {
    let rows = [
        (
            "user_login_attempt",
            json!({"success": true, "mfa": false}),
            "Success/Right/NotRequired/Normal Interactive",
        ),
        (
            "admin_login_attempt",
            json!({"success": true, "mfa": true}),
            "Success/Right/Performed/Normal Interactive",
        ),
        ("provider_login_attempt", json!({"success": true}), "Success/Right/Unknown/Normal Interactive"),
        ("login_attempt", json!({"success": "true"}), "Success/Right/Unknown/Normal Interactive"),
        ("ldap_bind", json!({"success": true}), "Success/Right/Unknown/Normal Interactive"),
        (
            "radius_auth_attempt",
            json!({"success": true, "mfa": false}),
            "Success/Right/NotRequired/Normal Interactive",
        ),
        ("sso_auth", json!({"sso_token_success": true, "mfa": true}), "Success/Right/Claim/Normal NonInteractive"),
        ("push_mfa_attempt", json!({"success": true}), "Interrupted/Right/Performed/Normal Interactive"),
        ("push_mfa_attempt", json!({"success": false}), "Blocked/Right/Denied/Normal Interactive"),
    ];
    for (kind, extra, ended) in rows {
        check(&event(kind, extra), &[&format!("{SIGN_IN} {ended} {FROM}")]);
    }
    for kind in ["user_unlocked", "association_change", "user_update", "mdm_command_result", ""] {
        check(&event(kind, json!({"success": true})), &["skipped notASignIn"]);
    }
}

#[test]
fn words_tell_why_it_failed() {
    let rows = [
        ("user_login_attempt", "invalid credentials", "Failed/Wrong/Unknown/Normal Interactive"),
        ("user_login_attempt", "user not found", "Failed/Unknown/Unknown/Unknown Interactive"),
        ("user_login_attempt", "account locked", "Failed/Unknown/Unknown/Locked Interactive"),
        ("user_login_attempt", "user suspended", "Failed/Unknown/Unknown/Disabled Interactive"),
        ("user_login_attempt", "incorrect TOTP code: MFA failed", "Blocked/Right/Denied/Normal Interactive"),
        ("user_login_attempt", "", "Failed/Unknown/Unknown/Normal Interactive"),
        (
            "radius_auth_attempt",
            "mschap: MS-CHAP2-Response is incorrect",
            "Failed/Wrong/Unknown/Normal Interactive",
        ),
        ("ldap_bind", "Invalid Credentials", "Failed/Wrong/Unknown/Normal Interactive"),
    ];
    for (kind, message, ended) in rows {
        let failed = event(kind, json!({"success": false, "mfa": false, "error_message": message}));
        check(&failed, &[&format!("{SIGN_IN} {ended} {FROM}")]);
    }
    let refused = event("sso_auth", json!({"sso_token_success": false, "error_message": "not authorized"}));
    check(&refused, &[&format!("{SIGN_IN} Blocked/Right/Unknown/Normal NonInteractive {FROM}")]);
    let unreachable =
        event("sso_auth", json!({"sso_token_success": false, "error_message": "application unreachable"}));
    check(&unreachable, &[&format!("{SIGN_IN} Failed/Unknown/Unknown/Normal NonInteractive {FROM}")]);
    // Only the message says that it failed.
    let flagless = event("user_login_attempt", json!({"error_message": "wrong password"}));
    check(&flagless, &[&format!("{SIGN_IN} Failed/Wrong/Unknown/Normal Interactive {FROM}")]);
    check(&event("user_login_attempt", json!({})), &["reject wrongType"]);
}

#[test]
fn users_without_an_id_and_no_users() {
    let radius = json!({
        "success": true,
        "initiated_by": {"type": "user", "username": "alice"},
        "username": "alice",
        "outer": {"username": "anonymous@corp.example"},
    });
    let expected =
        format!("signIn jumpCloud/5e0f user=alice(alice) Success/Right/Unknown/Normal Interactive {FROM}");
    check(&event("radius_auth_attempt", radius), &[&expected]);
    let locked = json!({"resource": {"id": "61e5", "type": "user", "username": "alice@corp.example"}, "initiated_by": null});
    check(
        &event("user_lockout", locked),
        &[&format!("{SIGN_IN} Failed/Unknown/Unknown/Locked Interactive {FROM}")],
    );
    check(
        &event("user_lockout", json!({})),
        &[&format!("{SIGN_IN} Failed/Unknown/Unknown/Locked Interactive {FROM}")],
    );
    // The device tells of its user.
    let device = json!({"success": true, "initiated_by": {"type": "system", "id": "dev1ce"}, "username": "alice"});
    check(&event("login_attempt", device), &[&expected]);
    check(&event("user_login_attempt", json!({"success": true, "initiated_by": null})), &["reject noUser"]);
    check(
        &event("user_login_attempt", json!({"success": true, "initiated_by": {"type": "user", "id": {"a": 1}}})),
        &["reject wrongType"],
    );
}

#[test]
fn what_is_known_of_the_client() {
    let sign_in = one(&event(
        "sso_auth",
        json!({
            "sso_token_success": true,
            "auth_context": {"system": {"id": "6195", "hostname": "ALICE-MAC", "os": "Mac OS X"}},
            "application": {"id": "app1", "name": "google", "display_label": "Google Workspace", "sso_type": "saml"},
            "jumpcloud_protect_device": {"ip": "203.0.113.77"},
        }),
    ));
    assert_eq!(
        (&*sign_in.event_id, sign_in.event_time.to_string()),
        ("648c6c758c2a", "2026-03-02T08:15:30.1234567Z".into())
    );
    assert_eq!((&*sign_in.user_agent, &*sign_in.device.browser), ("Chrome 140.0.0.0", "Chrome 140.0.0.0"));
    assert_eq!((&*sign_in.device.device_id, &*sign_in.device.display_name), ("6195", "ALICE-MAC"));
    assert_eq!(&*sign_in.device.operating_system, "Mac OS X 15.1");
    assert_eq!((&*sign_in.app_id, &*sign_in.app_display_name), ("app1", "Google Workspace"));
    assert_eq!((&*sign_in.authentication_protocol, &*sign_in.location.state), ("saml", "Paris"));
    assert_eq!(sign_in.location.coordinates, Some((48.8, 2.4)));
    let other =
        one(&event("user_login_attempt", json!({"success": true, "useragent": {"name": "Other", "os": "Other"}})));
    assert_eq!((&*other.user_agent, &*other.device.browser), ("", ""));
    let text = one(&event("user_login_attempt", json!({"success": true, "useragent": "Mozilla/5.0"})));
    assert_eq!(&*text.user_agent, "Mozilla/5.0");
}

#[test]
fn a_device_is_reached_from_somewhere_or_sat_before() {
    let address = |extra: Value| {
        let mut device =
            event("login_attempt", json!({"success": true, "system": {"id": "dev1", "hostname": "ws"}}));
        for (key, value) in extra.as_object().into_iter().flatten() {
            device[key] = value.clone();
        }
        one(&device).address_text.into_owned()
    };
    assert_eq!(address(json!({"src_ip": "198.51.100.7"})), "198.51.100.7");
    assert_eq!(address(json!({"src_ip": "127.0.0.1"})), "192.0.2.20");
    assert_eq!(address(json!({"src_ip": ""})), "192.0.2.20");
    assert_eq!(address(json!({"src_ip": "2001:db8::7", "client_ip": null})), "2001:db8::7");
}

#[test]
fn marks_in_any_order_and_arrays() {
    let passed = format!("{SIGN_IN} Success/Right/Unknown/Normal Interactive {FROM}");
    let last = r#"{"service":"directory","id":"1","timestamp":"2026-03-02T08:15:30Z","success":true,"organization":"5e0f",
        "client_ip":"192.0.2.20","geoip":{"country_code":"FR"},"event_type":"user_login_attempt",
        "initiated_by":{"id":"61e5","type":"user","email":"Alice@corp.example"}}"#;
    assert_eq!(summary(Format::Auto, last), std::slice::from_ref(&passed));
    let event = event("user_login_attempt", json!({"success": true}));
    check(&json!([event.clone(), event]), &[&passed, &passed]);
    assert_eq!(
        summary(Format::Auto, r#"{"event_type":"user_login_attempt","initiated_by":{}"#),
        ["reject malformed"]
    );
}
