//! Okta's System Log: what each kind of event becomes, in both engines and every form of its risk.

use farsign::engine::decode::{Decoded, Format, decode};

use crate::summary::summary;

const RIGHT: &str = "signIn okta/okta user=00uada(ada@acme.example)";

/// An event of Ada's from 192.0.2.7 in Norway; `rest` is written into it.
fn event(kind: &str, result: &str, reason: &str, rest: &str) -> String {
    format!(
        r#"{{"uuid":"e-1","published":"2026-03-04T05:06:07.089Z","eventType":"{kind}","version":"0",
        "actor":{{"id":"00uada","type":"User","alternateId":"Ada@acme.example","displayName":"Ada"}},
        "client":{{"userAgent":{{"rawUserAgent":"Mozilla/5.0","os":"Linux","browser":"FIREFOX"}},"zone":"null",
        "ipAddress":"192.0.2.7","geographicalContext":{{"city":"Oslo","state":"Oslo","country":"Norway",
        "geolocation":{{"lat":59.91,"lon":10.75}}}}}},
        "outcome":{{"result":"{result}","reason":"{reason}"}}{rest}}}"#
    )
}

fn debug(data: &str) -> String {
    format!(r#","debugContext":{{"debugData":{{{data}}}}}"#)
}

#[track_caller]
fn check(record: &str, expected: &[&str]) {
    assert_eq!(summary(Format::Auto, record), expected, "{record}");
    assert_eq!(summary(Format::Okta, record), expected, "{record}");
}

/// Of Ada's event: outcome, credential, second factor, account and category.
#[track_caller]
fn check_ending(record: &str, ending: &str) {
    check(record, &[&format!("{RIGHT} {ending} 192.0.2.7 NO")]);
}

#[test]
fn endings_of_a_session() {
    let start = |result: &str, reason: &str| event("user.session.start", result, reason, "");
    check_ending(&start("SUCCESS", ""), "Success/Right/Unknown/Normal Interactive");
    check_ending(&start("FAILURE", "INVALID_CREDENTIALS"), "Failed/Wrong/Unknown/Normal Interactive");
    check_ending(&start("FAILURE", "VERIFICATION_ERROR"), "Failed/Unknown/Unknown/Normal Interactive");
    check_ending(&start("FAILURE", "LOCKED_OUT"), "Failed/Unknown/Unknown/Locked Interactive");
    check_ending(&start("FAILURE", "User is suspended"), "Failed/Unknown/Unknown/Disabled Interactive");
    check_ending(&start("FAILURE", "PASSWORD_EXPIRED"), "Blocked/Right/Unknown/Normal Interactive");
    check_ending(&start("RATE_LIMIT", ""), "Failed/Unknown/Unknown/Normal Interactive");
    check_ending(&event("user.account.lock", "SUCCESS", "", ""), "Failed/Unknown/Unknown/Locked Interactive");
    let second = debug(r#""authMethodSecondType":"webauthn:webauthn:aut1""#);
    check_ending(
        &event("user.session.start", "SUCCESS", "", &second),
        "Success/Right/Performed/Normal Interactive",
    );
}

#[test]
fn who_is_typed_and_does_not_exist() {
    let record = event("user.session.start", "FAILURE", "VERIFICATION_ERROR", "")
        .replace("00uada", "unknown")
        .replace(r#""displayName":"Ada""#, r#""displayName":"unknown""#);
    let ending = "Failed/Unknown/Unknown/Unknown Interactive 192.0.2.7 NO";
    check(&record, &[&format!("signIn okta/okta user=ada@acme.example(ada@acme.example) {ending}")]);
    check(&record.replace("Ada@acme.example", "unknown"), &["reject noUser"]);
}

#[test]
fn any_factor_is_auth_via_mfa_in_identity_engine() {
    let factor = |result: &str, data: &str| event("user.authentication.auth_via_mfa", result, "", &debug(data));
    let password = r#""factor":"PASSWORD_AS_FACTOR","requestUri":"/idp/idx/identify""#;
    let wrong = event("user.authentication.auth_via_mfa", "FAILURE", "INVALID_CREDENTIALS", &debug(password));
    check_ending(&wrong, "Failed/Wrong/Unknown/Normal Interactive");
    check_ending(&factor("SUCCESS", password), "Interrupted/Right/Unknown/Normal Interactive");
    check(&factor("SUCCESS", r#""factorIntent":"CREDENTIAL_ENROLLMENT""#), &["skipped notASignIn"]);
    check(&factor("SKIPPED", PUSH), &["skipped notASignIn"]);
}

const PUSH: &str = r#""factor":"OKTA_VERIFY_PUSH","pushOnlyResponseType":"OV_RESPONSE_DENY""#;

/// Policies without password ask for a push at once: denied, it tells of no password.
#[test]
fn a_denied_push_proves_a_password_only_where_one_was_given() {
    let first = |method: &str| format!(r#"{PUSH},"authMethodFirstType":"{method}""#);
    let uri = |uri: &str| format!(r#"{PUSH},"requestUri":"{uri}""#);
    let by_email = first("okta_email:email:e1");
    let (proven, unproven) = ("Right", "Unknown");
    for (data, credential) in [
        (first("okta_password:password:p1"), proven),
        (format!(r#"{by_email},"authMethodSecondType":"okta_password:password:p1""#), proven),
        (uri("/api/v1/authn/factors/opf1/verify"), proven),
        (PUSH.to_owned(), unproven),
        (by_email, unproven),
        (first("okta_verify:push:p2"), unproven),
        (uri("/idp/idx/authenticators/poll"), unproven),
        (uri("/api/v1/authn/recovery/factors/SMS/verify"), unproven),
        (r#""factor":"SIGNED_NONCE","requestUri":"/idp/idx/authenticators/poll""#.to_owned(), unproven),
    ] {
        let denied = format!("Blocked/{credential}/Denied/Normal Interactive");
        let factor = |result: &str| event("user.authentication.auth_via_mfa", result, "", &debug(&data));
        check_ending(&factor("FAILURE"), &denied);
        check_ending(&factor("UNANSWERED"), &denied);
        check_ending(&factor("CHALLENGE"), &format!("Interrupted/{credential}/Pending/Normal Interactive"));
        check_ending(&factor("SUCCESS"), "Interrupted/Right/Performed/Normal Interactive");
        check_ending(&event("user.mfa.okta_verify.deny_push", "SUCCESS", "", &debug(&data)), &denied);
        // Nor is it anybody's risk.
        let risky = event(
            "user.authentication.auth_via_mfa",
            "FAILURE",
            "",
            &debug(&format!(r#"{data},"risk":"{{level=HIGH}}""#)),
        );
        let findings = summary(Format::Auto, &risky).iter().filter(|line| line.starts_with("finding")).count();
        assert_eq!(findings, usize::from(credential == proven), "{risky}");
    }
}

#[test]
fn identity_engine_refuses_before_and_behind_a_factor() {
    let denied = |uri: &str| {
        event("policy.evaluate_sign_on", "DENY", "", &debug(&format!(r#""requestUri":"/idp/idx/{uri}""#)))
    };
    for early in ["identify", "introspect", "challenge", "credential/enroll"] {
        check_ending(&denied(early), "Blocked/Unknown/Unknown/Normal Interactive");
    }
    for behind in ["challenge/answer", "challenge/poll", "authenticators/poll"] {
        check_ending(&denied(behind), "Blocked/Right/Unknown/Normal Interactive");
    }
    // The password was given together with the name.
    let told = r#""requestUri":"/idp/idx/identify","authMethodFirstType":"okta_password:password:p1""#;
    check_ending(
        &event("policy.evaluate_sign_on", "DENY", "", &debug(told)),
        "Blocked/Right/Unknown/Normal Interactive",
    );
}

#[test]
fn policies() {
    let policy = |result: &str, data: &str| event("policy.evaluate_sign_on", result, "", &debug(data));
    let classic = r#""requestUri":"/api/v1/authn""#;
    check_ending(&policy("ALLOW", classic), "Interrupted/Right/Unknown/Normal Interactive");
    check_ending(&policy("CHALLENGE", classic), "Interrupted/Right/Pending/Normal Interactive");
    check_ending(&policy("DENY", classic), "Blocked/Right/Unknown/Normal Interactive");
    // Nothing but the name was given yet.
    let early = r#""requestUri":"/idp/idx/identify""#;
    check_ending(&policy("CHALLENGE", early), "Interrupted/Unknown/Unknown/Normal Interactive");
    check_ending(&policy("DENY", early), "Blocked/Unknown/Unknown/Normal Interactive");
    // Whether anything was given there, nobody knows; whoever is let in has a session.
    for elsewhere in
        ["", r#""requestUri":"/app/mail/0oa1/sso/wsfed/active""#, r#""requestUri":"/api/v1/authn/recovery/token""#]
    {
        check_ending(&policy("DENY", elsewhere), "Blocked/Unknown/Unknown/Normal Interactive");
        check_ending(&policy("ALLOW", elsewhere), "Interrupted/Right/Unknown/Normal Interactive");
    }
    let refused = |data: &str| {
        event("user.session.start", "FAILURE", "Sign-on policy evaluation resulted in DENY", &debug(data))
    };
    check_ending(&refused(classic), "Blocked/Right/Unknown/Normal Interactive");
    check_ending(&refused(early), "Blocked/Unknown/Unknown/Normal Interactive");
    check_ending(
        &event("application.policy.sign_on.deny_access", "FAILURE", "", ""),
        "Blocked/Right/Unknown/Normal Interactive",
    );
}

#[test]
fn other_doors() {
    let door = |kind: &str, result: &str, reason: &str| event(kind, result, reason, "");
    let wrong = "Failed/Wrong/Unknown/Normal Interactive";
    check_ending(&door("user.authentication.auth_via_AD_agent", "FAILURE", "INVALID_CREDENTIALS"), wrong);
    check_ending(
        &door("user.authentication.auth_via_IDP", "FAILURE", "Unable to match transformed username"),
        "Failed/Unknown/Unknown/Normal Interactive",
    );
    check_ending(
        &door("user.authentication.auth_via_LDAP_agent", "SUCCESS", ""),
        "Interrupted/Right/Unknown/Normal Interactive",
    );
    check_ending(
        &door("user.authentication.auth_via_radius", "SUCCESS", ""),
        "Success/Right/Unknown/Normal Interactive",
    );
}

#[test]
fn sessions_used_again() {
    let silent = "Success/Right/Unknown/Normal NonInteractive";
    check_ending(&event("user.authentication.sso", "SUCCESS", "", ""), silent);
    check_ending(&event("user.session.context.change", "SUCCESS", "", ""), silent);
    check_ending(&event("security.session.detect_client_roaming", "SUCCESS", "", ""), silent);
    check_ending(
        &event("user.authentication.sso", "FAILURE", "", ""),
        "Blocked/Right/Unknown/Normal NonInteractive",
    );
    check_ending(&event("app.oauth2.token.grant.access_token", "SUCCESS", "", ""), silent);
    let password = debug(r#""grantType":"password""#);
    check_ending(
        &event("app.oauth2.as.token.grant", "SUCCESS", "", &password),
        "Success/Right/Unknown/Normal Interactive",
    );
}

#[test]
fn applications_and_other_events() {
    let client = |rest: &str| {
        event("app.oauth2.as.token.grant.access_token", "SUCCESS", "", rest).replacen(
            r#""00uada","type":"User""#,
            r#""0oaapp","type":"PublicClientApp""#,
            1,
        )
    };
    check(&client(""), &["skipped servicePrincipal"]);
    let target = r#","target":[{"id":"at1","type":"access_token"},
        {"id":"00uada","type":"User","alternateId":"ada@acme.example"}]"#;
    check(&client(target), &[&format!("{RIGHT} Success/Right/Unknown/Normal NonInteractive 192.0.2.7 NO")]);
    for kind in
        ["user.session.end", "user.account.unlock", "app.oauth2.as.consent.grant", "user.authentication.slo"]
    {
        check(&event(kind, "SUCCESS", "", ""), &["skipped notASignIn"]);
    }
    let threat = event("security.threat.detected", "DENY", "Login Failures", "")
        .replace(r#""00uada","type":"User""#, r#""192.0.2.7","type":"IP address""#);
    check(&threat, &["skipped notASignIn"]);
}

#[test]
fn the_target_is_the_user_where_the_actor_is_none() {
    let target = r#","target":[{"id":"0oamail","type":"AppInstance","displayName":"Mail"},
        {"id":"00ueve","type":"User","alternateId":"eve@acme.example"}]"#;
    let by_system = |rest: &str| {
        event("user.authentication.auth_via_AD_agent", "FAILURE", "INVALID_CREDENTIALS", rest)
            .replace(r#""00uada","type":"User""#, r#""sys1","type":"SystemPrincipal""#)
    };
    let ending = "Failed/Wrong/Unknown/Normal Interactive 192.0.2.7 NO";
    check(&by_system(target), &[&format!("signIn okta/okta user=00ueve(eve@acme.example) {ending}")]);
    check(&by_system(""), &["reject noUser"]);
}

#[test]
fn risk_in_every_form() {
    let started = |data: &str| event("user.session.start", "SUCCESS", "", &debug(data));
    let sign_in = format!("{RIGHT} Success/Right/Unknown/Normal Interactive 192.0.2.7 NO");
    let found = |kind: &str, level: &str| {
        format!("finding Okta okta/okta user=00uada(ada@acme.example) {kind} {level} e-1")
    };
    let forms = [
        (r#""risk":"{reasons=Anomalous Location, Anomalous Device, level=MEDIUM}""#, "medium"),
        (r#""risk":"{level=HIGH}""#, "high"),
        (r#""risk":{"level":"HIGH","reasons":["Anomalous Location"]}"#, "high"),
        (r#""risk":"{\"level\":\"MEDIUM\"}""#, "medium"),
        (
            r#""logOnlySecurityData":"{\"risk\":{\"level\":\"HIGH\"},\"behaviors\":{\"New IP\":\"POSITIVE\"}}""#,
            "high",
        ),
        (r#""logOnlySecurityData":{"risk":{"level":"MEDIUM"}}"#, "medium"),
    ];
    for (data, level) in forms {
        check(&started(data), &[&sign_in, &found("generic", level)]);
    }
    for data in [r#""risk":"{level=LOW}""#, r#""risk":"{broken"#, r#""risk":null"#, r#""threatSuspected":"false""#]
    {
        let data = if data.ends_with("broken") { format!("{data}\"") } else { data.to_owned() };
        check(&started(&data), &[&sign_in]);
    }
    let suspected = r#""threatSuspected":"true","threatDetections":"{\"Password Spray\":\"HIGH\"}""#;
    check(&started(suspected), &[&sign_in, &found("maliciousIPAddress", "high")]);
    let tor = r#""tunnels":"[{\"anonymous\":true,\"operator\":\"TOR_PROXY\",\"type\":\"TOR\"}]""#;
    check(&started(tor), &[&sign_in, &found("anonymizedIPAddress", "medium")]);
    let vpn = r#""tunnels":"[{\"anonymous\":true,\"operator\":\"WARP_VPN\",\"type\":\"VPN\"}]""#;
    check(&started(vpn), &[&sign_in]);
    // A wrong password is nobody's risk.
    let wrong = event("user.session.start", "FAILURE", "INVALID_CREDENTIALS", &debug(r#""risk":"{level=HIGH}""#));
    check_ending(&wrong, "Failed/Wrong/Unknown/Normal Interactive");
}

#[test]
fn a_phishing_page_in_between() {
    let data = debug(r#""factor":"SIGNED_NONCE","requestUri":"/idp/idx/authenticators/poll""#);
    let record = event("user.authentication.auth_via_mfa", "FAILURE", "FastPass declined phishing attempt", &data);
    check(
        &record,
        &[
            &format!("{RIGHT} Blocked/Right/Denied/Normal Interactive 192.0.2.7 NO"),
            "finding Okta okta/okta user=00uada(ada@acme.example) attackerinTheMiddle high e-1",
        ],
    );
}

#[test]
fn findings_about_users() {
    let target = r#","target":[{"id":"00ueve","type":"User","alternateId":"eve@acme.example"}]"#;
    let found = |kind: &str, data: &str| event(kind, "SUCCESS", "", &format!("{}{target}", debug(data)));
    let line = |kind: &str, level: &str| {
        format!("finding Okta okta/okta user=00ueve(eve@acme.example) {kind} {level} user")
    };
    let risk = |level: &str, name: &str, reasons: &str| {
        let previous = "previousLevel=LOW";
        format!(r#""risk":"{{{previous}, level={level}, detectionName={name}, reasons={reasons}, issuer=OKTA}}""#)
    };
    let hijacked = risk("MEDIUM", "Session Influenced User Risk", "The session may be hijacked");
    check(&found("user.risk.change", &hijacked), &[&line("anomalousToken", "medium")]);
    let by_admin = risk("HIGH", "Admin Reported User Risk", "Told so");
    check(&found("user.risk.detect", &by_admin), &[&line("adminConfirmedUserCompromised", "high")]);
    check(&found("user.risk.detect", &risk("HIGH", "Okta Threat Intelligence", "x")), &[&line("generic", "high")]);
    let less = r#""risk":{"level":"LOW","previousLevel":"HIGH"}"#;
    check(&found("user.risk.change", less), &["skipped notASignIn"]);
    check(&found("user.risk.change", ""), &["skipped notASignIn"]);
    check(&found("security.breached_credential.detected", ""), &[&line("leakedCredentials", "high")]);
    check(&found("app.oauth2.as.token.detect_reuse", ""), &[&line("anomalousToken", "medium")]);
}

#[test]
fn a_report_is_about_where_it_happened() {
    let data = r#""suspiciousActivityEventIp":"203.0.113.9","suspiciousActivityEventCountry":"Brazil",
        "suspiciousActivityEventLatitude":"-15.8","suspiciousActivityEventLongitude":"-47.9",
        "suspiciousActivityTimestamp":"2026-03-04T04:00:00.000Z""#;
    let record = event("user.account.report_suspicious_activity_by_enduser", "SUCCESS", "", &debug(data));
    let mut count = 0;
    decode(Format::Auto, record.as_bytes(), &mut |decoded| {
        let Ok(Decoded::UpstreamFinding(found)) = decoded else { panic!("{decoded:?}") };
        assert_eq!(found.kind.name(), "userReportedSuspiciousActivity");
        assert_eq!((&*found.address_text, &*found.location.country), ("203.0.113.9", "BR"));
        assert_eq!(found.event_time.seconds_since(found.activity_time), 3_967.089);
        count += 1;
    });
    assert_eq!(count, 1);
}

#[test]
fn what_else_is_read() {
    let rest = format!(
        r#","authenticationContext":{{"externalSessionId":"sess1","rootSessionId":"root1"}},
        "device":{{"id":"guo1","name":"Laptop","os_platform":"LINUX","managed":true}},
        "securityContext":{{"asNumber":64500,"isProxy":false}},"transaction":{{"id":"tx2"}},
        "target":[{{"id":"0oamail","type":"AppInstance","displayName":"Mail"}}]{}"#,
        debug(r#""authnRequestId":"tx1","dtHash":"hash1""#)
    );
    decode(Format::Auto, event("user.session.start", "SUCCESS", "", &rest).as_bytes(), &mut |decoded| {
        let Ok(Decoded::SignIn(it)) = decoded else { panic!("{decoded:?}") };
        assert_eq!((&*it.event_id, &*it.session_id, &*it.correlation_id), ("e-1", "sess1", "tx1"));
        assert_eq!((&*it.device.device_id, it.device.is_managed, it.asn), ("guo1", Some(true), Some(64_500)));
        assert_eq!((&*it.app_id, &*it.app_display_name, &*it.user_agent), ("0oamail", "Mail", "Mozilla/5.0"));
        assert_eq!((&*it.device.operating_system, &*it.device.browser), ("Linux", "FIREFOX"));
        assert_eq!(it.location.coordinates, Some((59.91, 10.75)));
    });
}

#[test]
fn addresses_times_and_missing_values() {
    let record = event("user.session.start", "SUCCESS", "", "");
    let chained = record
        .replace(r#""ipAddress":"192.0.2.7""#, r#""ipAddress":null"#)
        .replace(r#""version":"0""#, r#""request":{"ipChain":[{"ip":"2001:db8::5"},{"ip":"198.51.100.1"}]}"#);
    check(&chained, &[&format!("{RIGHT} Success/Right/Unknown/Normal Interactive 2001:db8::5 NO")]);
    check(&record.replace("2026-03-04T05:06:07.089Z", "yesterday"), &["reject noTime"]);
    check(
        &record.replace(r#""country":"Norway""#, r#""country":null"#),
        &[&format!("{RIGHT} Success/Right/Unknown/Normal Interactive 192.0.2.7 -")],
    );
    check(&record[..record.len() - 1], &["reject malformed"]);
    let bare = r#"{"uuid":"e","published":"2026-03-04T05:06:07Z","eventType":"user.session.start"}"#;
    check(bare, &["reject noUser"]);
}

#[test]
fn envelopes_and_lowered_keys() {
    let record = event("user.session.start", "SUCCESS", "", "");
    let line = format!("{RIGHT} Success/Right/Unknown/Normal Interactive 192.0.2.7 NO");
    let bridge =
        format!(r#"{{"version":"0","detail-type":"SystemLog","source":"aws.partner/okta","detail":{record}}}"#);
    let hook = format!(
        r#"{{"eventType":"com.okta.event_hook","cloudEventsVersion":"0.1","contentType":"application/json",
        "data":{{"events":[{record},{record}]}}}}"#
    );
    check(&bridge, &[&line]);
    check(&hook, &[&line, &line]);
    check(&format!("[{record}]"), &[&line]);
    let lowered = ["eventType", "alternateId", "ipAddress", "geographicalContext"]
        .iter()
        .fold(record, |text, key| text.replace(key, &key.to_lowercase()));
    check(&lowered, &[&line]);
}

#[test]
fn the_first_api() {
    let event_at = |uri: &str, kind: &str| {
        format!(
            r#"{{"eventId":"tev1","sessionId":"s1","requestId":"r1","published":"2017-03-04T05:06:07.000Z",
            "action":{{"message":"User login","categories":["Sign-in"],"objectType":"{kind}",
            "requestUri":"{uri}"}},
            "actors":[{{"id":"00uada","displayName":"Ada","login":"ada@acme.example","objectType":"User"}},
            {{"id":"Mozilla/5.0","displayName":"FIREFOX","ipAddress":"192.0.2.7","objectType":"Client"}}],"targets":[]}}"#
        )
    };
    let event = |kind: &str| event_at("/api/v1/authn/factors/f1/verify", kind);
    let endings = [
        ("core.user_auth.login_success", "Success/Right/Unknown/Normal Interactive"),
        ("core.user_auth.login_failed", "Failed/Unknown/Unknown/Normal Interactive"),
        ("core.user.factor.attempt_fail", "Blocked/Right/Denied/Normal Interactive"),
        ("app.auth.sso", "Success/Right/Unknown/Normal NonInteractive"),
    ];
    for (kind, ending) in endings {
        check(&event(kind), &[&format!("{RIGHT} {ending} 192.0.2.7 -")]);
    }
    check(
        &event_at("", "core.user.factor.attempt_fail"),
        &[&format!("{RIGHT} Blocked/Unknown/Denied/Normal Interactive 192.0.2.7 -")],
    );
    check(&event("core.user_auth.logout_success"), &["skipped notASignIn"]);
}
