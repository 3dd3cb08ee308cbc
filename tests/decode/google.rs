//! Google Workspace: four forms of the login log, steps, failures without a reason, and warnings.

use base64::Engine as _;
use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::signin::{SignIn, UpstreamFinding};

use crate::summary::summary;

fn check(record: &str, expected: &[&str]) {
    for format in [Format::Auto, Format::Google] {
        assert_eq!(summary(format, record), expected, "{record}");
    }
}

const ACTOR: &str = r#"{"callerType":"USER","email":"Alice@corp.example","profileId":"1000000000000000001"}"#;

/// An activity of the Reports API.
fn activity(application: &str, actor: &str, events: &str) -> String {
    format!(
        r#"{{"kind":"admin#reports#activity","id":{{"time":"2026-03-02T08:15:30.123Z","uniqueQualifier":"-77","applicationName":"{application}","customerId":"C0example"}},"etag":"\"x\"","actor":{actor},"ipAddress":"192.0.2.17","events":[{events}]}}"#
    )
}

fn login(name: &str, parameters: &str) -> String {
    activity("login", ACTOR, &format!(r#"{{"type":"login","name":"{name}","parameters":[{parameters}]}}"#))
}

fn methods(list: &str) -> String {
    format!(
        r#"{{"name":"login_type","value":"google_password"}},{{"name":"login_challenge_method","multiValue":[{list}]}}"#
    )
}

const ALICE: &str = "signIn google/C0example user=1000000000000000001(alice@corp.example)";
const AT: &str = "Interactive 192.0.2.17 -";

type Found = (Vec<SignIn<'static>>, Vec<UpstreamFinding<'static>>);

fn found(record: &str) -> Found {
    let (mut sign_ins, mut findings) = (Vec::new(), Vec::new());
    decode(Format::Auto, record.as_bytes(), &mut |decoded| match decoded {
        Ok(Decoded::SignIn(sign_in)) => sign_ins.push(sign_in.into_owned()),
        Ok(Decoded::UpstreamFinding(finding)) => findings.push(finding.into_owned()),
        other => panic!("{other:?}"),
    });
    (sign_ins, findings)
}

#[test]
fn the_order_of_questions_says_how_far_a_login_came() {
    for (name, list, ending) in [
        ("login_success", r#""password""#, "Success/Right/NotRequired/Normal"),
        ("login_success", r#""password","password","google_prompt""#, "Success/Right/Performed/Normal"),
        ("login_success", r#""passkey""#, "Success/Right/Performed/Normal"),
        ("login_success", r#""none""#, "Success/Right/Unknown/Normal"),
        ("login_success", r#""password","other""#, "Success/Right/Unknown/Normal"),
        ("login_success", "", "Success/Right/Unknown/Normal"),
        ("login_failure", r#""password""#, "Failed/Wrong/Unknown/Normal"),
        ("login_failure", r#""password","password""#, "Failed/Wrong/Unknown/Normal"),
        ("login_failure", r#""captcha","password""#, "Failed/Wrong/Unknown/Normal"),
        ("login_failure", r#""password","idv_preregistered_phone""#, "Blocked/Right/Denied/Normal"),
        // Without a password before it, or with something else behind it, nobody knows.
        ("login_failure", r#""security_key""#, "Failed/Unknown/Unknown/Normal"),
        ("login_failure", r#""password","other""#, "Failed/Unknown/Unknown/Normal"),
        ("login_failure", "", "Failed/Unknown/Unknown/Normal"),
    ] {
        check(&login(name, &methods(list)), &[&format!("{ALICE} {ending} {AT}")]);
    }
}

#[test]
fn older_failures_say_their_reason() {
    for (reason, ending) in [
        ("login_failure_invalid_password", "Failed/Wrong/Unknown/Normal"),
        ("login_failure_invalid_second_factor", "Blocked/Right/Denied/Normal"),
        ("login_failure_account_disabled", "Failed/Unknown/Unknown/Disabled"),
        ("login_failure_access_code_disallowed", "Failed/Unknown/Unknown/Normal"),
        ("login_failure_unknown", "Failed/Unknown/Unknown/Normal"),
    ] {
        let record = login("login_failure", &format!(r#"{{"name":"login_failure_type","value":"{reason}"}}"#));
        check(&record, &[&format!("{ALICE} {ending} {AT}")]);
    }
}

#[test]
fn challenges_and_verifications_are_steps() {
    for (name, list, rest, ending) in [
        (
            "login_challenge",
            r#""idv_any_phone""#,
            r#"{"name":"login_challenge_status","value":"passed"}"#,
            "Interrupted/Right/Performed/Normal",
        ),
        (
            "login_challenge",
            r#""idv_any_phone""#,
            r#"{"name":"login_challenge_status","value":"incorrect_answer_entered"}"#,
            "Blocked/Right/Denied/Normal",
        ),
        (
            "login_challenge",
            r#""idv_any_phone""#,
            r#"{"name":"login_challenge_status","value":"Challenge Failed."}"#,
            "Blocked/Right/Denied/Normal",
        ),
        (
            "login_challenge",
            r#""idv_any_phone""#,
            r#"{"name":"login_challenge_status"}"#,
            "Interrupted/Right/Pending/Normal",
        ),
        (
            "login_challenge",
            r#""password""#,
            r#"{"name":"login_challenge_status","value":"Challenge Passed."}"#,
            "Interrupted/Right/Unknown/Normal",
        ),
        (
            "login_challenge",
            r#""password""#,
            r#"{"name":"login_challenge_status","value":"Challenge Failed."}"#,
            "Failed/Wrong/Unknown/Normal",
        ),
        (
            "login_challenge",
            r#""none""#,
            r#"{"name":"login_challenge_status"}"#,
            "Interrupted/Unknown/Unknown/Normal",
        ),
        (
            "login_challenge",
            r#""other""#,
            r#"{"name":"login_challenge_status","value":"failed"}"#,
            "Failed/Unknown/Unknown/Normal",
        ),
        (
            "login_verification",
            r#""other""#,
            r#"{"name":"is_second_factor","boolValue":true},{"name":"login_challenge_status","value":"passed"}"#,
            "Interrupted/Right/Performed/Normal",
        ),
        // A false flag has no value.
        (
            "login_verification",
            r#""other""#,
            r#"{"name":"is_second_factor"},{"name":"login_challenge_status","value":"passed"}"#,
            "Interrupted/Unknown/Unknown/Normal",
        ),
    ] {
        let record = login(name, &format!("{},{rest}", methods(list)));
        check(&record, &[&format!("{ALICE} {ending} {AT}")]);
    }
}

#[test]
fn a_suspicious_login_carries_its_risk() {
    let flag = |value: &str| format!(r#"{},{{"name":"is_suspicious"{value}}}"#, methods(r#""password""#));
    let success = format!("{ALICE} Success/Right/NotRequired/Normal {AT}");
    let risk = "finding Google Workspace google/C0example user=1000000000000000001(alice@corp.example) generic medium login_success/1772439330123/-77/0";
    check(&login("login_success", &flag(r#","boolValue":true"#)), &[&success, risk]);
    check(&login("login_success", &flag(r#","boolValue":false"#)), &[&success]);
    check(&login("login_success", &flag("")), &[&success]);
    // A wrong password is nobody's risk.
    check(
        &login("login_failure", &flag(r#","boolValue":true"#)),
        &[&format!("{ALICE} Failed/Wrong/Unknown/Normal {AT}")],
    );
}

#[test]
fn logins_elsewhere_with_googles_word() {
    let saml = |name: &str, rest: &str| {
        let parameters = format!(
            r#"{{"name":"application_name","value":"Wiki"}},{{"name":"initiated_by","value":"sp"}}{rest}"#
        );
        activity("saml", ACTOR, &format!(r#"{{"type":"login","name":"{name}","parameters":[{parameters}]}}"#))
    };
    let at = "NonInteractive 192.0.2.17 -";
    let success = saml("login_success", "");
    check(&success, &[&format!("{ALICE} Success/Right/Unknown/Normal {at}")]);
    let (sign_ins, _) = found(&success);
    assert_eq!((&*sign_ins[0].app_display_name, &*sign_ins[0].authentication_protocol), ("Wiki", "saml"));
    let not_for_user = r#",{"name":"failure_type","value":"failure_app_not_enabled_for_user"}"#;
    check(&saml("login_failure", not_for_user), &[&format!("{ALICE} Blocked/Right/Unknown/Normal {at}")]);
    let not_set_up = r#",{"name":"failure_type","value":"failure_invalid_sp_id"}"#;
    check(&saml("login_failure", not_set_up), &[&format!("{ALICE} Failed/Unknown/Unknown/Normal {at}")]);
    // A credential changed for another, without the user.
    let exchange = r#"{"name":"login_type","value":"exchange"},{"name":"login_challenge_method","value":"none"}"#;
    check(&login("login_success", exchange), &[&format!("{ALICE} Success/Right/Unknown/Normal {at}")]);
}

#[test]
fn warnings_are_findings_about_the_user() {
    for (name, expected) in [
        ("suspicious_login", "generic medium"),
        ("suspicious_login_less_secure_app", "generic medium"),
        ("suspicious_programmatic_login", "generic medium"),
        ("account_disabled_password_leak", "leakedCredentials high"),
        ("account_disabled_hijacked", "generic high"),
        ("account_disabled_generic", "generic medium"),
        ("account_disabled_spamming_through_relay", "generic medium"),
        ("user_signed_out_due_to_suspicious_session_cookie", "anomalousToken high"),
        ("gov_attack_warning", "generic high"),
        ("risky_sensitive_action_blocked", "generic medium"),
        ("risky_sensitive_action_allowed", "generic low"),
    ] {
        let events = format!(r#"{{"type":"account_warning","name":"{name}"}}"#);
        let user = "user=1000000000000000001(alice@corp.example)";
        let expected = format!("finding Google Workspace google/C0example {user} {expected} user");
        check(&activity("login", ACTOR, &events), &[&expected]);
    }
}

#[test]
fn a_warning_names_its_user_itself() {
    let warning = |actor: &str, affected: &str| {
        let parameters = format!(
            r#"{{"name":"affected_email_address","value":"{affected}"}},{{"name":"login_timestamp","intValue":"1772438400000000"}}"#
        );
        activity(
            "login",
            actor,
            &format!(r#"{{"type":"account_warning","name":"suspicious_login","parameters":[{parameters}]}}"#),
        )
    };
    let of = |user: &str| format!("finding Google Workspace google/C0example user={user} generic medium user");
    let alice = of("1000000000000000001(alice@corp.example)");
    check(&warning(ACTOR, "alice@corp.example"), &[&alice]);
    check(&warning(ACTOR, "Bob@corp.example"), &[&of("bob@corp.example(bob@corp.example)")]);
    check(&warning("{}", "bob@corp.example"), &[&of("bob@corp.example(bob@corp.example)")]);
    check(&warning("{}", ""), &["reject noUser"]);
    let (_, findings) = found(&warning(ACTOR, "alice@corp.example"));
    assert_eq!(findings[0].activity_time.to_string(), "2026-03-02T08:00:00.0000000Z");
    assert_eq!((&*findings[0].source_type, &*findings[0].address_text), ("suspicious_login", "192.0.2.17"));
}

#[test]
fn the_rest_of_the_logs_is_no_sign_in() {
    for name in
        ["logout", "2sv_enroll", "password_edit", "recovery_email_edit", "passkey_enrolled", "blocked_sender"]
    {
        check(&login(name, ""), &["skipped notASignIn"]);
    }
    for application in ["token", "drive", "admin", "user_accounts"] {
        let record = activity(application, ACTOR, r#"{"type":"auth","name":"authorize"},{"name":"revoke"}"#);
        check(&record, &["skipped notASignIn"]);
    }
    check(
        r#"{"protoPayload":{"serviceName":"storage.googleapis.com","methodName":"storage.objects.get"},"insertId":"i"}"#,
        &["skipped notASignIn"],
    );
    check(&activity("login", ACTOR, ""), &["skipped notASignIn"]);
}

#[test]
fn one_activity_may_hold_several_events() {
    let events = r#"{"type":"login","name":"login_challenge","parameters":[]},{"type":"login","name":"logout"},{"type":"login","name":"login_success","parameters":[]}"#;
    let record = activity("login", ACTOR, events);
    let step = format!("{ALICE} Interrupted/Unknown/Unknown/Normal {AT}");
    let success = format!("{ALICE} Success/Right/Unknown/Normal {AT}");
    check(&record, &[&step, "skipped notASignIn", &success]);
    let lines = [&*step, "skipped notASignIn", &*success].repeat(2);
    check(&format!(r#"{{"kind":"admin#reports#activities","etag":"x","items":[{record},{record}]}}"#), &lines);
    let (sign_ins, _) = found(&record.replace(r#"{"type":"login","name":"logout"},"#, ""));
    let ids: Vec<&str> = sign_ins.iter().map(|sign_in| &*sign_in.event_id).collect();
    assert_eq!(ids, ["login_challenge/1772439330123/-77/0", "login_success/1772439330123/-77/1"]);
}

/// A log entry of Cloud Audit.
fn entry(method: &str, events: &str) -> String {
    format!(
        r#"{{"protoPayload":{{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","authenticationInfo":{{"principalEmail":"alice@corp.example"}},"requestMetadata":{{"callerIp":"2001:db8::7"}},"serviceName":"login.googleapis.com","methodName":"{method}","resourceName":"organizations/123","metadata":{{"event":[{events}],"activityId":{{"timeUsec":"1772439330123456","uniqQualifier":"77"}}}}}},"insertId":"i-1","timestamp":"2026-03-02T08:15:30.123456Z","severity":"NOTICE","logName":"organizations/123/logs/cloudaudit.googleapis.com%2Fdata_access"}}"#
    )
}

/// A prompt on the phone may be asked for instead of a password.
#[test]
fn a_challenge_proves_a_password_only_where_one_was_given() {
    let challenge = |more: &str| {
        login(
            "login_challenge",
            &format!(
                r#"{{"name":"login_challenge_method","multiValue":["google_prompt"]}},{{"name":"login_challenge_status","value":"Challenge Failed."}}{more}"#
            ),
        )
    };
    for (more, ending) in [
        ("", "Blocked/Unknown/Denied/Normal"),
        (r#",{"name":"login_type","value":"google_password"}"#, "Blocked/Right/Denied/Normal"),
        (r#",{"name":"is_second_factor","boolValue":true}"#, "Blocked/Right/Denied/Normal"),
    ] {
        check(&challenge(more), &[&format!("{ALICE} {ending} {AT}")]);
    }
}

#[test]
fn every_event_that_cannot_be_used_is_told() {
    let good = r#"{"type":"login","name":"login_success"}"#;
    let unnamed = r#"{"email":"","profileId":""}"#;
    let record = activity("login", unnamed, &format!("{good},7,{good}"));
    check(&record, &["reject noUser", "reject wrongType", "reject noUser"]);
    // A list of one, flattened.
    let only = activity("login", unnamed, "1").replace("[1]", good);
    check(&only, &["reject noUser"]);
}

#[test]
fn cloud_audit_is_read_too() {
    let alice = "signIn google/123 user=alice@corp.example(alice@corp.example)";
    let at = "Interactive 2001:db8::7 -";
    let failed = r#"{"eventName":"login_failure","eventType":"login","parameter":[{"name":"login_type","value":"google_password","type":"TYPE_STRING"},{"name":"login_challenge_method","multiStrValue":["password","idv_preregistered_phone","idv_preregistered_phone"]},{"name":"dusi","value":"d-1"}]}"#;
    let record = entry("google.login.LoginService.loginFailure", failed);
    check(&record, &[&format!("{alice} Blocked/Right/Denied/Normal {at}")]);
    let (sign_ins, _) = found(&record);
    assert_eq!((&*sign_ins[0].session_id, &*sign_ins[0].event_id), ("d-1", "login_failure/1772439330123/77/0"));
    // Without a list of events the method tells.
    check(
        &entry("google.login.LoginService.loginSuccess", ""),
        &[&format!("{alice} Success/Right/Unknown/Normal {at}")],
    );
    check(&entry("google.login.LoginService.logout", ""), &["skipped notASignIn"]);
    check(
        &entry("google.apps.login.v1.SamlLoginSucceeded", ""),
        &[&format!("{alice} Success/Right/Unknown/Normal NonInteractive 2001:db8::7 -")],
    );
    let warned = r#"{"eventName":"gov_attack_warning","eventType":"attack_warning"}"#;
    check(
        &entry("google.login.LoginService.govAttackWarning", warned),
        &["finding Google Workspace google/123 user=alice@corp.example(alice@corp.example) generic high user"],
    );
}

#[test]
fn panther_and_bigquery_are_read_too() {
    let success = format!("{ALICE} Success/Right/NotRequired/Normal {AT}");
    let panther = format!(
        r#"{{"actor":{ACTOR},"id":{{"applicationName":"login","customerId":"C0example","time":"2026-03-02 08:15:30.123","uniqueQualifier":"-77"}},"ipAddress":"192.0.2.17","kind":"admin#reports#activity","name":"login_success","parameters":{{"is_suspicious":null,"login_challenge_method":["password"],"login_type":"google_password"}},"type":"login","p_log_type":"GSuite.ActivityEvent"}}"#
    );
    check(&panther, &[&success]);
    let row = r#"{"record_type":"login","time_usec":"1772439330123456","email":"alice@corp.example","event_type":"login","event_name":"login_failure","ip_address":"192.0.2.17","unique_identifier":"77","login":{"login_type":"google_password","login_challenge_method":["password"]}}"#;
    let alice = "signIn google/google user=alice@corp.example(alice@corp.example)";
    check(row, &[&format!("{alice} Failed/Wrong/Unknown/Normal {AT}")]);
}

#[test]
fn fields_are_where_they_belong() {
    let network = r#""ipAddress":"192.0.2.17","networkInfo":{"ipAsn":[64500,64501],"regionCode":"DE","subdivisionCode":"DE-BE"}"#;
    let record = login(
        "login_success",
        r#"{"name":"user_agent","value":"Mozilla/5.0"},{"name":"device_id","value":"dev-1"}"#,
    );
    let record = record.replace(r#""ipAddress":"192.0.2.17""#, network);
    check(&record, &[&format!("{ALICE} Success/Right/Unknown/Normal Interactive 192.0.2.17 DE")]);
    let (sign_ins, _) = found(&record);
    assert_eq!((sign_ins[0].asn, &*sign_ins[0].location.state), (Some(64500), "DE-BE"));
    assert_eq!((&*sign_ins[0].user_agent, &*sign_ins[0].device.device_id), ("Mozilla/5.0", "dev-1"));
    let unnamed = r#"{"callerType":"KEY","key":"SYSTEM","profileId":"","email":""}"#;
    check(&activity("login", unnamed, r#"{"name":"login_success"}"#), &["reject noUser"]);
    let untimed = login("login_success", "").replace("2026-03-02T08:15:30.123Z", "");
    check(&untimed, &["reject noTime"]);
}

/// Pub/Sub pushes log entries in base64.
#[test]
fn what_pubsub_pushes_is_opened() {
    let record = entry("google.login.LoginService.loginSuccess", "");
    let data = base64::engine::general_purpose::STANDARD.encode(&record);
    let pushed = format!(
        r#"{{"message":{{"data":"{data}","messageId":"1"}},"subscription":"projects/p/subscriptions/s"}}"#
    );
    check(
        &pushed,
        &[
            "signIn google/123 user=alice@corp.example(alice@corp.example) Success/Right/Unknown/Normal Interactive 2001:db8::7 -",
        ],
    );
}
