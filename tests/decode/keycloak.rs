//! Keycloak: lines of three quotings, Quarkus' JSON log, events as REST and webhooks have them.

use farsign::engine::decode::{Decoded, Decoder, Format, Reject, RejectReason, parse_time};
use farsign::engine::signin::{EventTime, SignIn};

use crate::summary::summary;

const USER: &str = "3f1f2b0e-6f0a-4a54-9a35-0c1d2e3f4a5b";

fn check(record: &str, expected: &[&str]) {
    assert_eq!(summary(Format::Auto, record), expected, "{record}");
    if !expected.iter().any(|line| line.contains("unknownFormat")) {
        assert_eq!(summary(Format::Keycloak, record), expected, "named: {record}");
    }
}

/// What one record becomes when it came at this time.
fn received(record: &str, time: &str) -> Result<SignIn<'static>, Reject> {
    let mut found = Vec::new();
    let time = (!time.is_empty()).then(|| parse_time(time).expect("a time"));
    Decoder::new(Format::Auto).decode(record.as_bytes(), time, &mut |decoded| {
        found.push(decoded.map(|decoded| match decoded {
            Decoded::SignIn(sign_in) => sign_in.into_owned(),
            other => panic!("{other:?}"),
        }));
    });
    found.pop().expect("one")
}

fn line(event: &str) -> String {
    format!("2024-05-06 20:40:16,353 WARN  [org.keycloak.events] (executor-thread-1) {event}")
}

#[test]
fn errors_of_a_line() {
    let failed = |error: &str, more: &str| {
        line(&format!(
            "type=LOGIN_ERROR, realmId=acme, clientId=shop, userId={USER}, ipAddress=192.0.2.7, error={error}, \
             auth_method=openid-connect, code_id=c-1, username=Ada{more}"
        ))
    };
    let user = format!("user={USER}(ada)");
    for (error, more, ending) in [
        ("invalid_user_credentials", "", "Failed/Wrong/Unknown/Normal"),
        ("invalid_user_credentials", ", selected_credential_id=otp-1", "Blocked/Unknown/Denied/Normal"),
        ("invalid_user_credentials", ", selected_credential_id=", "Failed/Wrong/Unknown/Normal"),
        ("invalid_user_credentials", ", credential_type=webauthn", "Blocked/Right/Denied/Normal"),
        ("invalid_user_credentials", ", credential_type=webauthn-passwordless", "Failed/Wrong/Unknown/Normal"),
        (
            "invalid_user_credentials",
            ", credential_type=password, selected_credential_id=x",
            "Failed/Wrong/Unknown/Normal",
        ),
        ("user_disabled", "", "Failed/Unknown/Unknown/Disabled"),
        ("user_temporarily_disabled", "", "Failed/Unknown/Unknown/Locked"),
        ("resolve_required_actions", "", "Blocked/Right/Unknown/Normal"),
        ("rejected_by_user", "", "Interrupted/Right/Unknown/Normal"),
        ("expired_code", "", "Failed/Unknown/Unknown/Normal"),
        ("an_error_of_the_future", "", "Failed/Unknown/Unknown/Normal"),
    ] {
        let expected = format!("signIn keycloak/acme {user} {ending} Interactive 192.0.2.7 -");
        check(&failed(error, more), &[&expected]);
    }
}

#[test]
fn events_of_a_line() {
    let of = |kind: &str, user: &str| {
        line(&format!(
            "type={kind}, realmId=acme, clientId=shop, userId={user}, ipAddress=2001:db8::7, username=ada"
        ))
    };
    let table: [(&str, &[&str]); 12] = [
        ("LOGIN", &["Success/Right/Unknown/Normal Interactive"]),
        ("REFRESH_TOKEN", &["Success/Right/Unknown/Normal NonInteractive"]),
        ("REFRESH_TOKEN_ERROR", &["Failed/Unknown/Unknown/Normal NonInteractive"]),
        ("IDENTITY_PROVIDER_LOGIN", &["Interrupted/Right/Unknown/Normal Interactive"]),
        ("OAUTH2_DEVICE_CODE_TO_TOKEN", &["Success/Right/Unknown/Normal Interactive"]),
        ("CLIENT_LOGIN", &["skipped servicePrincipal"]),
        ("CLIENT_LOGIN_ERROR", &["skipped servicePrincipal"]),
        ("CODE_TO_TOKEN", &["skipped notASignIn"]),
        ("LOGOUT", &["skipped notASignIn"]),
        ("USER_INFO_REQUEST", &["skipped notASignIn"]),
        ("UPDATE_PASSWORD", &["skipped notASignIn"]),
        ("USER_DISABLED_BY_TEMPORARY_LOCKOUT", &["skipped notASignIn"]),
    ];
    for (kind, expected) in table {
        let whole = |ending: &&str| match ending.starts_with("skipped") {
            true => (*ending).to_owned(),
            false => format!("signIn keycloak/acme user={USER}(ada) {ending} 2001:db8::7 -"),
        };
        let expected: Vec<String> = expected.iter().map(whole).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check(&of(kind, USER), &expected);
    }
    let second = line(&format!(
        "type=LOGIN, realmId=acme, userId={USER}, ipAddress=192.0.2.7, selected_credential_id=o-1, username=ada"
    ));
    check(
        &second,
        &[&format!(
            "signIn keycloak/acme user={USER}(ada) Success/Right/Performed/Normal Interactive 192.0.2.7 -"
        )],
    );
}

#[test]
fn who_is_nobody() {
    let of = |error: &str, user: &str| {
        line(&format!(
            "type=LOGIN_ERROR, realmId=acme, clientId=shop, userId=null, ipAddress=192.0.2.7, error={error}{user}"
        ))
    };
    let unknown =
        "signIn keycloak/acme user=mallory(mallory) Failed/Unknown/Unknown/Unknown Interactive 192.0.2.7 -";
    check(&of("user_not_found", ", username=mallory"), &[unknown]);
    check(&of("user_not_found", ""), &["reject noUser"]);
    check(&of("user_not_found", ", username=null"), &["reject noUser"]);
    for error in ["invalid_redirect_uri", "client_not_found", "expired_code", "cookie_not_found", "ssl_required"] {
        check(&of(error, ""), &["skipped notASignIn"]);
    }
    let broker = line(
        "type=IDENTITY_PROVIDER_LOGIN, realmId=acme, clientId=shop, userId=null, ipAddress=192.0.2.7, identity_provider=corp",
    );
    check(&broker, &["skipped notASignIn"]);
    let service = line(
        "type=REFRESH_TOKEN, realmId=acme, clientId=cron, userId=u-9, ipAddress=192.0.2.7, username=service-account-cron",
    );
    check(&service, &["skipped servicePrincipal"]);
    let refresh = line(
        "type=REFRESH_TOKEN_ERROR, realmId=acme, clientId=shop, userId=null, ipAddress=192.0.2.7, error=invalid_token",
    );
    check(&refresh, &["skipped notASignIn"]);
}

#[test]
fn values_in_quotes() {
    let expected = "signIn keycloak/acme user=ada(ada) Failed/Wrong/Unknown/Normal Interactive 192.0.2.7 -";
    let rest = "clientId=\"shop\", userId=\"null\", ipAddress=\"192.0.2.7\", error=\"invalid_user_credentials\"";
    check(
        &line(&format!("type=\"LOGIN_ERROR\", realmId=\"acme\", realmName=\"Acme\", {rest}, username=\"ada\"")),
        &[expected],
    );
    let named =
        "signIn keycloak/Acme Inc user=a \"b\", c(a \"b\", c) Failed/Wrong/Unknown/Normal Interactive 192.0.2.7 -";
    check(
        &line(&format!(
            "type=\"LOGIN_ERROR\", realmId=\"\", realmName=\"Acme Inc\", {rest}, username=\"a \\\"b\\\", c\""
        )),
        &[named],
    );
    // What a visitor types is not escaped in single quotes, and comes behind what counts.
    let typed = line(
        "type=LOGIN_ERROR, realmId=acme, clientId=shop, userId=null, ipAddress=192.0.2.7, \
         error=user_not_found, username='x', error=user_disabled, ipAddress=198.51.100.1, userId=root'",
    );
    check(&typed, &["signIn keycloak/acme user=x(x) Failed/Unknown/Unknown/Unknown Interactive 192.0.2.7 -"]);
    let apostrophe =
        line("type=LOGIN, realmId=acme, clientId=shop, userId=u-1, ipAddress=192.0.2.7, username='o'hara, maeve'");
    check(
        &apostrophe,
        &["signIn keycloak/acme user=u-1(o'hara, maeve) Success/Right/Unknown/Normal Interactive 192.0.2.7 -"],
    );
}

#[test]
fn heads_and_their_times() {
    let event = "type=LOGIN, realmId=acme, clientId=shop, userId=u-1, ipAddress=192.0.2.7, username=ada";
    let time = |text: &str| parse_time(text).expect("a time");
    for (head, around, expected) in [
        (
            "2024-05-06 20:40:16,353 DEBUG [org.keycloak.events] (executor-thread-1) ",
            "",
            "2024-05-06T20:40:16.353Z",
        ),
        (
            "2024-05-06T20:40:16.353+0200 INFO  [org.keycloak.events] (executor-thread-1) ",
            "",
            "2024-05-06T18:40:16.353Z",
        ),
        ("2024-05-06 20:40:16,353 WARN  [org.key.events] (default task-1) ", "", "2024-05-06T20:40:16.353Z"),
        (
            "21:20:42,120 WARN  [org.keycloak.events] (default task-2) ",
            "2024-05-06T21:20:43Z",
            "2024-05-06T21:20:42.12Z",
        ),
        (
            "23:59:59,990 WARN  [org.keycloak.events] (default task-2) ",
            "2024-05-06T00:00:00Z",
            "2024-05-05T23:59:59.99Z",
        ),
        (
            "\u{1b}[0m\u{1b}[33m21:20:42,120 WARN  [org.keycloak.events] (t) ",
            "2024-05-06T21:20:43Z",
            "2024-05-06T21:20:42.12Z",
        ),
        ("kc-0  | 2024-05-06 20:40:16,353 WARN  [org.keycloak.events] (t) ", "", "2024-05-06T20:40:16.353Z"),
        (
            "<14>May  6 20:40:17 host kc[1]: 2024-05-06 20:40:16,353 WARN  [o.k.events] (t) ",
            "",
            "2024-05-06T20:40:16.353Z",
        ),
        ("[2024-05-06 20:40:16,353] WARN  [org.keycloak.events] (t) ", "", "2024-05-06T20:40:16.353Z"),
        ("", "2024-05-06T21:20:43Z", "2024-05-06T21:20:43Z"),
    ] {
        let found = received(&format!("{head}{event}"), around).expect(head);
        assert_eq!(found.event_time, time(expected), "{head}");
        assert_eq!(found.user_principal_name, "ada", "{head}");
    }
    let without = |head: &str| received(&format!("{head}{event}"), "").expect_err("no time");
    assert!(without("21:20:42,120 WARN  [org.keycloak.events] (t) ").detail.contains("no date"));
    assert_eq!(without("").reason, RejectReason::NoTime);
    let coloured = received(
        &format!("\u{1b}[33m2024-05-06 20:40:16,353 WARN  [org.keycloak.events] (t) {event}\u{1b}[0m"),
        "",
    );
    assert_eq!(coloured.expect("a sign-in").user_principal_name, "ada");
}

#[test]
fn lines_that_are_no_events() {
    check("2024-05-06 20:40:16,353 INFO  [io.quarkus] (main) Profile prod activated.", &["skipped notASignIn"]);
    check(
        "2024-05-06 20:40:16,353 WARN  [org.keycloak.services] (executor-thread-1) KC-SERVICES0013: failed",
        &["skipped notASignIn"],
    );
    check(
        &line(
            "operationType=CREATE, realmId=acme, clientId=admin-cli, userId=u-1, ipAddress=192.0.2.7, resourceType=USER, resourcePath=users/u-2",
        ),
        &["skipped notASignIn"],
    );
    for other in [
        "2024-05-06 20:40:16,353 INFO  [com.shop.Cart] (main) type=LOGIN",
        "type=LOGIN",
        "2024-05-06 20:40:16,353 WARN  [org.keycloak.events",
    ] {
        assert_eq!(summary(Format::Auto, other), ["reject malformed"], "{other}");
    }
    let two = format!("{}\n{}", line("type=LOGIN, realmId=a"), line("type=LOGIN, realmId=a"));
    assert_eq!(summary(Format::Auto, &two), ["reject malformed"], "two lines are two records");
}

#[test]
fn the_json_log() {
    let expected = "signIn keycloak/acme user=ada(ada) Failed/Wrong/Unknown/Normal Interactive 192.0.2.7 -";
    let message = "type=\\\"LOGIN_ERROR\\\", realmId=\\\"acme\\\", clientId=\\\"shop\\\", userId=\\\"null\\\", ipAddress=\\\"192.0.2.7\\\", error=\\\"invalid_user_credentials\\\", username=\\\"ada\\\"";
    let quarkus = format!(
        r#"{{"timestamp":"2024-05-06T20:40:16.353+02:00","sequence":9,"loggerClassName":"org.jboss.logging.Logger","loggerName":"org.keycloak.events","level":"WARN","message":"{message}","threadName":"executor-thread-1","threadId":7,"mdc":{{}},"ndc":"","hostName":"kc","processName":"java","processId":1}}"#
    );
    check(&quarkus, &[expected]);
    assert_eq!(
        received(&quarkus, "").expect("a sign-in").event_time,
        parse_time("2024-05-06T18:40:16.353Z").expect("a time")
    );
    let ecs = |logger: &str| {
        format!(
            r#"{{"@timestamp":"2024-05-06T18:40:16.353Z",{logger},"message":"{message}","ecs.version":"1.12.2"}}"#
        )
    };
    check(&ecs(r#""event.sequence":9,"log.logger":"org.keycloak.events","log.level":"WARN""#), &[expected]);
    check(&ecs(r#""log":{"logger":"org.keycloak.events","level":"WARN"}"#), &[expected]);
    let plain = r#"{"timestamp":"2024-05-06T18:40:16Z","loggerName":"org.keycloak.events","message":"type=LOGIN, realmId=acme, userId=u-1, ipAddress=192.0.2.7"}"#;
    check(plain, &["signIn keycloak/acme user=u-1() Success/Right/Unknown/Normal Interactive 192.0.2.7 -"]);
    let other =
        r#"{"timestamp":"2024-05-06T18:40:16Z","loggerName":"io.quarkus","message":"Installed features: [cdi]"}"#;
    check(other, &["skipped notASignIn"]);
}

#[test]
fn the_event_of_rest_and_webhooks() {
    let rest = format!(
        r#"{{"id":"e-1","time":1715020816353,"type":"LOGIN","realmId":"acme","clientId":"shop","userId":"{USER}","sessionId":"s-1","ipAddress":"192.0.2.7","error":null,"details":{{"auth_method":"openid-connect","code_id":"c-1","username":"ada","identity_provider":"corp"}}}}"#
    );
    check(
        &rest,
        &[&format!("signIn keycloak/acme user={USER}(ada) Success/Right/Unknown/Normal Interactive 192.0.2.7 -")],
    );
    let found = received(&rest, "").expect("a sign-in");
    assert_eq!((&*found.event_id, &*found.session_id, &*found.correlation_id), ("e-1", "s-1", "c-1"));
    assert_eq!(
        (&*found.app_id, &*found.authentication_protocol, &*found.token_issuer_name),
        ("shop", "openid-connect", "corp")
    );
    assert_eq!(found.event_time, EventTime(1_715_020_816_353_000_000));
    let hook = r#"{"uid":"h-1","time":1715020816353,"realmId":"acme","type":"access.LOGIN_ERROR","authDetails":{"realmId":"acme","clientId":"shop","userId":"u-1","ipAddress":"192.0.2.7","username":"ada"},"error":"user_temporarily_disabled","details":{}}"#;
    check(hook, &["signIn keycloak/acme user=u-1(ada) Failed/Unknown/Unknown/Locked Interactive 192.0.2.7 -"]);
    let admin = r#"{"id":"a-1","time":1715020816353,"realmId":"acme","authDetails":{"userId":"u-1"},"operationType":"UPDATE","resourceType":"USER","resourcePath":"users/u-2"}"#;
    check(admin, &["skipped notASignIn"]);
    check(
        r#"{"time":1715020816353,"type":"LOGIN","realmId":"acme","userId":"u-1"}"#,
        &["signIn keycloak/acme user=u-1() Success/Right/Unknown/Normal Interactive - -"],
    );
    check(r#"{"id":"e-2","type":"LOGIN","realmId":"acme","userId":"u-1"}"#, &["reject noTime"]);
    check(
        r#"{"id":"e-3","time":1715020816353,"type":"LOGIN","realmId":"acme","userId":null,"details":null}"#,
        &["reject noUser"],
    );
    check(
        r#"{"id":"e-4","time":1715020816353,"type":"LOGIN","realmId":"acme","userId":["u"]}"#,
        &["reject wrongType"],
    );
    let named = r#"{"realmName":"Acme","time":1715020816353,"type":"LOGIN","userId":"u-1"}"#;
    assert_eq!(
        summary(Format::Keycloak, named),
        ["signIn keycloak/Acme user=u-1() Success/Right/Unknown/Normal Interactive - -"]
    );
    check(
        &format!("[{rest},{admin}]"),
        &[
            &format!("signIn keycloak/acme user={USER}(ada) Success/Right/Unknown/Normal Interactive 192.0.2.7 -"),
            "skipped notASignIn",
        ],
    );
    let password = r#"{"id":"e-5","time":1715020816353,"type":"LOGIN","realmId":"acme","userId":"u-1","ipAddress":"192.0.2.7, 198.51.100.2","details":{"grant_type":"password","auth_method":"openid-connect"}}"#;
    let found = received(password, "").expect("a sign-in");
    assert_eq!(
        (&*found.authentication_protocol, found.address.map(|address| address.to_string())),
        ("password", Some("192.0.2.7".to_owned()))
    );
}
