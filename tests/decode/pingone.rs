//! PingOne: activities by their action, pages of them, who is meant, and the risk that PingOne Protect finds.

use farsign::engine::decode::{Decoded, Format, decode};

use crate::summary::summary;

const USER: &str = "7d0e4a1c-93c5-4a50-8a52-1f2e3d4c5b6a";
const ENVIRONMENT: &str = "0c9b8a7f-6e5d-4c3b-9a19-0f1e2d3c4b5a";

fn check(record: &str, expected: &[&str]) {
    for format in [Format::Auto, Format::PingOne] {
        assert_eq!(summary(format, record), expected, "{} {record}", format.name());
    }
}

fn activity(action: &str, status: &str, description: &str) -> String {
    format!(
        r#"{{"_links":{{"self":{{"href":"https://api.ping.example/v1/environments/{ENVIRONMENT}/activities/a-1"}}}},"id":"a-1","recordedAt":"2024-05-06T20:40:16.353Z","createdAt":"2024-05-06T20:40:17.001Z","correlationId":"c-1","internalCorrelation":{{"transactionId":"t-1","sessionId":"s-1"}},"actors":{{"client":{{"id":"app-1","name":"Shop","environment":{{"id":"{ENVIRONMENT}"}},"type":"CLIENT"}},"user":{{"id":"{USER}","name":"Ada@corp.example","environment":{{"id":"{ENVIRONMENT}"}},"population":{{"id":"p"}},"type":"USER"}}}},"action":{{"type":"{action}","description":"words"}},"resources":[{{"type":"USER","id":"{USER}","name":"Ada@corp.example","environment":{{"id":"{ENVIRONMENT}"}}}}],"result":{{"status":"{status}","description":"{description}"}},"source":{{"userAgent":"Mozilla/5.0","ipAddress":"192.0.2.7"}}}}"#
    )
}

fn sign_in(ending: &str, category: &str) -> String {
    format!("signIn ping/{ENVIRONMENT} user={USER}(ada@corp.example) {ending} {category} 192.0.2.7 -")
}

#[test]
fn actions() {
    for (action, status, description, ending, category) in [
        (
            "USER.ACCESS_ALLOWED",
            "SUCCESS",
            "Passed role access control",
            "Success/Right/Unknown/Normal",
            "Interactive",
        ),
        ("USER.ACCESS_DENIED", "FAILED", "", "Blocked/Right/Unknown/Normal", "Interactive"),
        ("USER.ACCESS_DENIED", "SUCCESS", "", "Blocked/Right/Unknown/Normal", "Interactive"),
        ("AUTHENTICATION.CREATED", "SUCCESS", "", "Success/Right/Unknown/Normal", "Interactive"),
        ("AUTHENTICATION.CREATED", "FAILURE", "", "Failed/Unknown/Unknown/Normal", "Interactive"),
        ("RADIUS_SESSION.CREATED", "SUCCESS", "", "Success/Right/Unknown/Normal", "Interactive"),
        ("SESSION.CREATED", "SUCCESS", "", "Success/Right/Unknown/Normal", "Interactive"),
        ("SESSION.UPDATED", "SUCCESS", "", "Success/Right/Unknown/Normal", "NonInteractive"),
        ("PASSWORD.CHECK_SUCCEEDED", "SUCCESS", "", "Interrupted/Right/Unknown/Normal", "Interactive"),
        ("PASSWORD.CHECK_FAILED", "FAILED", "Invalid password", "Failed/Wrong/Unknown/Normal", "Interactive"),
        ("password.check_failed", "failed", "", "Failed/Wrong/Unknown/Normal", "Interactive"),
        (
            "PASSWORD.CHECK_FAILED",
            "FAILED",
            "Password is locked out",
            "Failed/Unknown/Unknown/Locked",
            "Interactive",
        ),
        ("PASSWORD.CHECK_FAILED", "FAILED", "User is disabled", "Failed/Unknown/Unknown/Disabled", "Interactive"),
        ("PASSWORD.CHECK_FAILED", "FAILED", "User not found", "Failed/Unknown/Unknown/Unknown", "Interactive"),
        ("OTP.CHECK_SUCCESS", "SUCCESS", "", "Interrupted/Right/Performed/Normal", "Interactive"),
        ("OTP.CHECK_FAILED", "FAILED", "", "Blocked/Unknown/Denied/Normal", "Interactive"),
        ("OTP.CHECK_INVALID", "FAILED", "", "Blocked/Unknown/Denied/Normal", "Interactive"),
        ("USER.KERBEROS_SUCCEEDED", "SUCCESS", "", "Interrupted/Right/Unknown/Normal", "Interactive"),
        ("USER.KERBEROS_FAILED", "FAILED", "", "Failed/Unknown/Unknown/Normal", "Interactive"),
    ] {
        check(&activity(action, status, description), &[&sign_in(ending, category)]);
    }
    let others = [
        "SESSION.DELETED",
        "USER.LOCKED",
        "USER.UPDATED",
        "FLOW.UPDATED",
        "PASSWORD.RESET",
        "DEVICE_PAYLOAD.CHECK_SUCCESS",
        "RISK_POLICY_SET.UPDATED",
    ];
    for action in others {
        check(&activity(action, "SUCCESS", ""), &["skipped notASignIn"]);
    }
}

#[test]
fn fields() {
    let record = activity("RADIUS_SESSION.CREATED", "SUCCESS", "");
    decode(Format::Auto, record.as_bytes(), &mut |decoded| {
        let Ok(Decoded::SignIn(found)) = decoded else { panic!("{decoded:?}") };
        assert_eq!((&*found.event_id, &*found.session_id, &*found.correlation_id), ("a-1", "s-1", "t-1"));
        assert_eq!(
            (&*found.app_id, &*found.app_display_name, &*found.user_agent),
            ("app-1", "Shop", "Mozilla/5.0")
        );
        assert_eq!(
            (found.event_time.to_string().as_str(), &*found.authentication_protocol),
            ("2024-05-06T20:40:16.3530000Z", "radius")
        );
    });
}

#[test]
fn who_is_meant() {
    let with = |actors: &str, resources: &str, action: &str| {
        format!(
            r#"{{"id":"a-1","recordedAt":"2024-05-06T20:40:16.353Z","actors":{actors},"action":{{"type":"{action}"}},"resources":{resources},"result":{{"status":"SUCCESS"}}}}"#
        )
    };
    let client = r#"{"client":{"id":"svc","name":"Service","environment":{"id":"env-1"}}}"#;
    let user = r#"[{"type":"APPLICATION","id":"x","name":"y"},{"type":"USER","id":"u-1","name":"ada","environment":{"id":"env-2"}}]"#;
    check(
        &with(client, user, "PASSWORD.CHECK_FAILED"),
        &["signIn ping/env-1 user=u-1(ada) Failed/Wrong/Unknown/Normal Interactive - -"],
    );
    check(
        &with("null", user, "PASSWORD.CHECK_FAILED"),
        &["signIn ping/env-2 user=u-1(ada) Failed/Wrong/Unknown/Normal Interactive - -"],
    );
    let list = r#"[{"user":{"id":"u-2","name":"bob"}},{"client":{"id":"app","name":"App","environment":{"id":"env-3"}}}]"#;
    check(
        &with(list, "[]", "USER.ACCESS_ALLOWED"),
        &["signIn ping/env-3 user=u-2(bob) Success/Right/Unknown/Normal Interactive - -"],
    );
    check(
        &with(r#"{"user":{"name":"Bob"}}"#, "null", "USER.ACCESS_ALLOWED"),
        &["signIn ping/ping user=bob(bob) Success/Right/Unknown/Normal Interactive - -"],
    );
    check(&with("{}", "[]", "SESSION.CREATED"), &["skipped notASignIn"]);
    check(&with("{}", "[]", "PASSWORD.CHECK_FAILED"), &["reject noUser"]);
    check(&with("[1,[2]]", "[3]", "PASSWORD.CHECK_FAILED"), &["reject noUser"]);
    check(&with(r#"{"user":{"id":["x"]}}"#, "[]", "USER.ACCESS_ALLOWED"), &["reject wrongType"]);
    let link = r#"{"_links":{"self":{"href":"https://api.ping.example/v1/environments/env-9/activities/a"}},"id":"a","createdAt":"2024-05-06T20:40:16Z","recordedAt":null,"actors":{"user":{"id":"u-1"}},"action":{"type":"USER.ACCESS_ALLOWED"}}"#;
    check(link, &["signIn ping/env-9 user=u-1() Success/Right/Unknown/Normal Interactive - -"]);
    check(
        r#"{"id":"a","recordedAt":"soon","actors":{"user":{"id":"u-1"}},"action":{"type":"USER.ACCESS_ALLOWED"}}"#,
        &["reject noTime"],
    );
}

#[test]
fn pages_and_webhooks() {
    let good = activity("USER.ACCESS_ALLOWED", "SUCCESS", "");
    let bad = r#"{"id":"a-2","recordedAt":"2024-05-06T20:40:16.353Z","action":{"type":"USER.ACCESS_ALLOWED"}}"#;
    let skipped = activity("GROUP.CREATED", "SUCCESS", "");
    let page = format!(
        r#"{{"_links":{{"self":{{"href":"x"}}}},"_embedded":{{"activities":[{bad},{good},{skipped}]}},"count":3,"size":3}}"#
    );
    check(
        &page,
        &["reject noUser", &sign_in("Success/Right/Unknown/Normal", "Interactive"), "skipped notASignIn"],
    );
    // Each that cannot be used is told, and where it stands.
    let page = format!(r#"{{"_links":{{}},"_embedded":{{"activities":[{bad},7,{good},{bad}]}}}}"#);
    let mut rejects = Vec::new();
    decode(Format::Auto, page.as_bytes(), &mut |decoded| rejects.extend(decoded.err()));
    let told: Vec<_> = rejects.iter().map(|reject| (reject.reason.name(), reject.offset)).collect();
    let second = page.rfind(bad).expect("is there");
    let first = page.find(bad).expect("is there");
    assert_eq!(told, [("noUser", first), ("wrongType", first + bad.len() + 1), ("noUser", second)]);
    check(
        &format!(r#"{{"_links":{{}},"_embedded":{{"activities":{good}}}}}"#),
        &[&sign_in("Success/Right/Unknown/Normal", "Interactive")],
    );
    check(
        &format!("[{good},{skipped}]"),
        &[&sign_in("Success/Right/Unknown/Normal", "Interactive"), "skipped notASignIn"],
    );
    let hook = r#"{"_embedded":{},"action":{"type":"USER.ACCESS_ALLOWED"},"actors":{"user":{"id":"u-1","name":"ada","environment":{"id":"env-1"}}},"id":"a-3","recordedAt":"2024-05-06T20:40:16Z","resources":[],"result":{"status":"SUCCESS"}}"#;
    check(hook, &["signIn ping/env-1 user=u-1(ada) Success/Right/Unknown/Normal Interactive - -"]);
    let splunk = format!(r#"{{"time":1715028016,"host":"p1","sourcetype":"_json","event":{good}}}"#);
    check(&splunk, &[&sign_in("Success/Right/Unknown/Normal", "Interactive")]);
    check(r#"{"_links":{},"_embedded":{"pets":[1]}}"#, &["reject unknownFormat"]);
}

#[test]
fn evaluations_of_risk() {
    let evaluation = |level: &str, actors: &str| {
        format!(
            r#"{{"_links":{{}},"_embedded":{{"riskEvaluation":{{"result":{{"level":"{level}","score":80.0,"recommendedAction":"BOT_MITIGATION"}},"event":{{"ip":"198.51.100.9","user":{{"id":"u-1","name":"ada@corp.example"}}}},"details":{{"country":"united states","city":"Springfield"}}}}}},"id":"r-1","recordedAt":"2024-05-06T20:40:16Z","actors":{actors},"action":{{"type":"RISK_EVALUATION.CREATED"}},"result":{{"status":"SUCCESS"}}}}"#
        )
    };
    let client = r#"{"client":{"id":"svc","environment":{"id":"env-1"}}}"#;
    let found = |level: &str| format!("finding PingOne ping/env-1 user=u-1(ada@corp.example) generic {level} r-1");
    check(&evaluation("HIGH", client), &[&found("high")]);
    check(&evaluation("Medium", client), &[&found("medium")]);
    check(&evaluation("LOW", client), &["skipped notASignIn"]);
    check(&evaluation("", client), &["skipped notASignIn"]);
    decode(Format::Auto, evaluation("HIGH", client).as_bytes(), &mut |decoded| {
        let Ok(Decoded::UpstreamFinding(found)) = decoded else { panic!("{decoded:?}") };
        assert_eq!(
            (&*found.reasons, &*found.location.country, &*found.location.city),
            ("score 80, BOT_MITIGATION", "US", "Springfield")
        );
        assert_eq!(found.address.map(|address| address.to_string()), Some("198.51.100.9".to_owned()));
    });
    let by_name =
        evaluation("HIGH", client).replace(r#""user":{"id":"u-1","name":"ada@corp.example"}"#, r#""user":{}"#);
    check(&by_name, &["reject noUser"]);
    check(
        &by_name.replace(r#""riskEvaluation":"#, r#""riskEvent":{"username":"Eve"},"riskEvaluation":"#),
        &["finding PingOne ping/env-1 user=eve(eve) generic high r-1"],
    );
}
