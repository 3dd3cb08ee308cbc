//! Auth0's tenant logs: what each type becomes, through streams and the Management API.

use farsign::engine::decode::{Decoded, Format, decode};

use crate::summary::summary;

const ADA: &str = "signIn auth0/acme user=auth0|ada(ada@acme.example)";
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0";

/// A log of Ada's from 192.0.2.7; `rest` is written into it.
fn log(kind: &str, rest: &str) -> String {
    format!(
        r#"{{"date":"2026-03-04T05:06:07.089Z","type":"{kind}","client_id":"app1","client_name":"Shop",
        "ip":"192.0.2.7","user_agent":"{AGENT}","user_id":"auth0|ada","user_name":"ada@acme.example",
        "tenant_name":"acme","log_id":"900"{rest}}}"#
    )
}

#[track_caller]
fn check(record: &str, expected: &[&str]) {
    assert_eq!(summary(Format::Auto, record), expected, "{record}");
    assert_eq!(summary(Format::Auth0, record), expected, "{record}");
}

#[track_caller]
fn check_ending(record: &str, ending: &str) {
    check(record, &[&format!("{ADA} {ending} 192.0.2.7 -")]);
}

#[test]
fn types() {
    let endings = [
        ("s", "Success/Right/Unknown/Normal Interactive"),
        ("sepft", "Success/Right/Unknown/Normal Interactive"),
        ("seotpft", "Success/Right/Performed/Normal Interactive"),
        ("ssa", "Success/Right/Unknown/Normal NonInteractive"),
        ("sertft", "Success/Right/Unknown/Normal NonInteractive"),
        ("seacft", "Success/Right/Unknown/Normal NonInteractive"),
        ("fp", "Failed/Wrong/Unknown/Normal Interactive"),
        ("fepotpft", "Failed/Wrong/Unknown/Normal Interactive"),
        ("f", "Failed/Unknown/Unknown/Normal Interactive"),
        ("fepft", "Failed/Unknown/Unknown/Normal Interactive"),
        ("limit_wc", "Failed/Unknown/Unknown/Locked Interactive"),
        ("limit_mu", "Failed/Unknown/Unknown/Normal Interactive"),
        ("mfar", "Interrupted/Right/Pending/Normal Interactive"),
        ("gd_send_pn", "Interrupted/Right/Pending/Normal Interactive"),
        ("gd_auth_succeed", "Interrupted/Right/Performed/Normal Interactive"),
        ("gd_auth_failed", "Blocked/Right/Denied/Normal Interactive"),
        ("gd_otp_rate_limit_exceed", "Blocked/Right/Denied/Normal Interactive"),
        ("feotpft", "Blocked/Right/Denied/Normal Interactive"),
        ("fertft", "Failed/Unknown/Unknown/Normal NonInteractive"),
        ("fsa", "Interrupted/Unknown/Unknown/Normal NonInteractive"),
    ];
    for (kind, ending) in endings {
        check_ending(&log(kind, ""), ending);
    }
    for kind in ["ss", "slo", "sapi", "cs", "pla", "gd_start_auth", "w", "api_limit", "of_tomorrow"] {
        check(&log(kind, ""), &["skipped notASignIn"]);
    }
    for kind in ["seccft", "feccft"] {
        check(&log(kind, ""), &["skipped servicePrincipal"]);
    }
}

#[test]
fn no_such_user_and_no_user() {
    let unknown = |kind: &str| log(kind, "").replace("auth0|ada", "");
    let line = "signIn auth0/acme user=ada@acme.example(ada@acme.example)";
    check(&unknown("fu"), &[&format!("{line} Failed/Unknown/Unknown/Unknown Interactive 192.0.2.7 -")]);
    let nobody = |kind: &str| unknown(kind).replace("ada@acme.example", "");
    check(&nobody("f"), &["reject noUser"]);
    // Nobody was signed in: how silent authentication often ends.
    check(&nobody("fsa"), &["skipped notASignIn"]);
    check(&nobody("limit_mu"), &["skipped notASignIn"]);
}

#[test]
fn what_the_description_tells() {
    let failed = |kind: &str, why: &str| log(kind, &format!(r#","description":"{why}""#));
    check_ending(&failed("f", "user is blocked"), "Failed/Unknown/Unknown/Disabled Interactive");
    check_ending(&failed("fepft", "Wrong email or password."), "Failed/Wrong/Unknown/Normal Interactive");
    check_ending(
        &failed("fepft", "Multifactor authentication required"),
        "Interrupted/Right/Pending/Normal Interactive",
    );
    check_ending(&failed("feoobft", "Authorization pending"), "Interrupted/Right/Pending/Normal Interactive");
    let nameless = failed("fepft", "Wrong email or password.").replace("auth0|ada", "");
    check(
        &nameless,
        &[
            "signIn auth0/acme user=ada@acme.example(ada@acme.example) Failed/Unknown/Unknown/Normal Interactive 192.0.2.7 -",
        ],
    );
    // The password was right (the login is counted), then an Action refused.
    let denied = r#","details":{"error":{"oauthError":"access_denied"},"stats":{"loginsCount":3}}"#;
    check_ending(&log("f", denied), "Blocked/Right/Unknown/Normal Interactive");
    check_ending(
        &log("f", r#","details":{"error":{"oauthError":"access_denied"}}"#),
        "Failed/Unknown/Unknown/Normal Interactive",
    );
}

#[test]
fn prompts_tell_how_a_user_was_let_in() {
    let with = |prompts: &str| log("s", &format!(r#","details":{{"session_id":"s1","prompts":{prompts}}}"#));
    check_ending(&with("[ ]"), "Success/Right/Unknown/Normal NonInteractive");
    check_ending(&with(r#"[{"name":"login"}]"#), "Success/Right/Unknown/Normal Interactive");
    check_ending(&with(r#"[{"name":"login"},{"name":"mfa"}]"#), "Success/Right/Performed/Normal Interactive");
    check_ending(&with("null"), "Success/Right/Unknown/Normal Interactive");
    check_ending(&log("s", r#","details":"text""#), "Success/Right/Unknown/Normal Interactive");
}

#[test]
fn a_high_confidence_is_a_low_risk() {
    let with = |confidence: &str, address: &str, device: &str| {
        let assessments = format!(
            r#""UntrustedIP":{{"confidence":"{address}","code":"c"}},"NewDevice":{{"confidence":"{device}"}}"#
        );
        let risk = format!(r#"{{"confidence":"{confidence}","assessments":{{{assessments}}}}}"#);
        log("s", &format!(r#","details":{{"riskAssessment":{risk}}}"#))
    };
    let sign_in = format!("{ADA} Success/Right/Unknown/Normal Interactive 192.0.2.7 -");
    let found = |kind: &str, level: &str| {
        format!("finding Auth0 auth0/acme user=auth0|ada(ada@acme.example) {kind} {level} 900")
    };
    check(&with("high", "high", "high"), &[&sign_in]);
    check(&with("neutral", "high", "neutral"), &[&sign_in]);
    check(&with("low", "low", "high"), &[&sign_in, &found("maliciousIPAddress", "high")]);
    check(&with("medium", "high", "medium"), &[&sign_in, &found("unfamiliarFeatures", "medium")]);
    check(&with("low", "low", "low"), &[&sign_in, &found("generic", "high")]);
    check(&log("s", r#","details":{"riskAssessment":null}"#), &[&sign_in]);
    // Nobody was let in.
    let wrong = with("low", "low", "low").replace(r#""type":"s""#, r#""type":"fp""#);
    check_ending(&wrong, "Failed/Wrong/Unknown/Normal Interactive");
}

#[test]
fn leaked_passwords_and_reused_tokens() {
    let found = |kind: &str, level: &str, about: &str| {
        format!("finding Auth0 auth0/acme user=auth0|ada(ada@acme.example) {kind} {level} {about}")
    };
    check(&log("pwd_leak", ""), &[&found("leakedCredentials", "medium", "user")]);
    check(&log("signup_pwd_leak", ""), &[&found("leakedCredentials", "medium", "user")]);
    check(&log("reset_pwd_leak", r#","details":{}"#), &[&found("leakedCredentials", "medium", "user")]);
    let reused = log("ferrt", r#","description":"Reused rotating refresh token detected, revoked the family""#);
    let blocked = format!("{ADA} Blocked/Right/Unknown/Normal NonInteractive 192.0.2.7 -");
    check(&reused, &[&blocked, &found("anomalousToken", "medium", "900")]);
    let gone = log("ferrt", r#","description":"The user does not exist any more""#);
    check_ending(&gone, "Failed/Unknown/Unknown/Normal NonInteractive");
}

#[test]
fn addresses_that_are_not_the_clients() {
    // The push was rejected on the phone.
    check(&log("gd_auth_rejected", ""), &[&format!("{ADA} Blocked/Right/Denied/Normal Interactive - -")]);
    let phone = log("gd_auth_succeed", r#","details":{"request":{"userAgent":"Guardian/1.5 (iPhone)"}}"#);
    check(&phone, &[&format!("{ADA} Interrupted/Right/Performed/Normal Interactive - -")]);
    // The application's server exchanged the code.
    check(&log("seacft", "").replace(AGENT, "node-fetch/1.0"), &["skipped notASignIn"]);
    check(&log("sertft", "").replace(AGENT, "Other 0.0.0 / Other 0.0.0"), &["skipped notASignIn"]);
    check_ending(&log("sepft", "").replace(AGENT, "okhttp/4.9"), "Success/Right/Unknown/Normal Interactive");
    let first = log("gd_auth_failed", r#","details":{"first_factor":true}"#);
    check_ending(&first, "Failed/Wrong/Unknown/Normal Interactive");
}

#[test]
fn the_management_api() {
    let record = r#"{"_id":"901","date":"2026-03-04T05:06:07.089Z","type":"s","connection":"Google","user_id":"google-oauth2|7",
        "strategy":"google-oauth2","strategy_type":"social","client_id":"app1","audience":["https://api.example"],
        "ip":"2001:db8::9","user_name":"ada@acme.example","user_agent":"Chrome 140.0.0 / Mac OS X 10.15.7","isMobile":false,
        "location_info":{"country_code":"NO","city_name":"Oslo","latitude":59.91,"longitude":10.75},
        "details":{"session_id":"s1","transaction_id":"t1"}}"#;
    decode(Format::Auto, record.as_bytes(), &mut |decoded| {
        let Ok(Decoded::SignIn(it)) = decoded else { panic!("{decoded:?}") };
        assert_eq!((&*it.event_id, &*it.tenant_id, &*it.user_id), ("901", "auth0", "google-oauth2|7"));
        assert_eq!((&*it.location.country, &*it.location.city), ("NO", "Oslo"));
        assert_eq!(it.location.coordinates, Some((59.91, 10.75)));
        assert_eq!((&*it.device.browser, &*it.device.operating_system), ("Chrome 140.0.0", "Mac OS X 10.15.7"));
        assert_eq!((&*it.session_id, &*it.correlation_id), ("s1", "t1"));
        assert_eq!((&*it.token_issuer_type, &*it.token_issuer_name), ("google-oauth2", "Google"));
    });
}

#[test]
fn envelopes() {
    let record = log("s", "");
    let line = format!("{ADA} Success/Right/Unknown/Normal Interactive 192.0.2.7 -");
    let stream = format!(r#"{{"log_id":"900","data":{record}}}"#);
    check(&record, &[&line]);
    check(&stream, &[&line]);
    check(&format!("[{stream},{stream}]"), &[&line, &line]);
    let bridge = format!(
        r#"{{"version":"0","id":"x","detail-type":"Auth0 log","source":"aws.partner/auth0","detail":{stream}}}"#
    );
    check(&bridge, &[&line]);
    let grid = format!(
        r#"{{"id":"x","topic":"t","subject":"auth0","eventType":"com.auth0.Log","eventTime":"2026-03-04T05:06:08Z",
        "dataVersion":"1.0","data":{stream}}}"#
    );
    check(&grid, &[&line]);
    check(&record.replace("2026-03-04T05:06:07.089Z", ""), &["reject noTime"]);
}
