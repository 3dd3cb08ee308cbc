//! ECS documents of providers' records, as Elastic's integrations spell them, give what the raw records give.

use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::signin::SignIn;
use serde_json::{Value, json};

use crate::summary::summary;

fn check(document: &Value, expected: &[&str]) {
    for format in [Format::Auto, Format::Ecs] {
        assert_eq!(summary(format, &document.to_string()), expected, "{document}");
    }
}

/// What must be the same in both copies of one event.
fn essence(record: &Value) -> Vec<String> {
    let mut found = Vec::new();
    decode(Format::Auto, record.to_string().as_bytes(), &mut |decoded| {
        found.push(match decoded {
            Ok(Decoded::SignIn(it)) => essence_of(&it),
            other => format!("{other:?}"),
        });
    });
    found
}

fn essence_of(it: &SignIn<'_>) -> String {
    format!(
        "{:?} {} {} {} {} {:?} {:?} {:?} {:?} {:?} {:?} {} {} {} {:?} {} {}",
        it.provider,
        it.tenant_id,
        it.user_id,
        it.user_principal_name,
        it.event_id,
        it.category,
        it.outcome,
        it.credential,
        it.mfa,
        it.account,
        it.error_code,
        it.session_id,
        it.correlation_id,
        it.user_agent,
        it.address,
        it.app_display_name,
        it.device.device_id,
    )
}

/// With every path as one dotted key.
fn dotted(document: &Value) -> Value {
    fn put(prefix: &str, value: &Value, flat: &mut serde_json::Map<String, Value>) {
        match value {
            Value::Object(entries) => entries.iter().for_each(|(key, value)| {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                put(&path, value, flat);
            }),
            value => {
                flat.insert(prefix.to_owned(), value.clone());
            }
        }
    }
    let mut flat = serde_json::Map::new();
    put("", document, &mut flat);
    Value::Object(flat)
}

fn okta_document() -> Value {
    json!({
        "@timestamp": "2026-03-02T08:15:30.123Z",
        "client": {"geo": {"city_name": "Lyon", "country_name": "France", "location": {"lat": 45.7, "lon": 4.8}}, "ip": "192.0.2.30"},
        "data_stream": {"dataset": "okta.system"},
        "event": {"action": "user.session.start", "category": ["authentication", "session"], "dataset": "okta.system",
            "id": "u-1", "kind": "event", "outcome": "success", "type": ["start", "info"]},
        "okta": {
            "actor": {"alternate_id": "alice@corp.example", "display_name": "Alice", "id": "00u1", "type": "User"},
            "authentication_context": {"external_session_id": "102s"},
            "debug_context": {"debug_data": {"dt_hash": "d7", "flattened": {"risk": {"level": "HIGH", "reasons": "New IP"}}}},
            "event_type": "user.session.start",
            "outcome": {"result": "SUCCESS"},
            "target": [{"id": "0oa1", "type": "AppInstance", "display_name": "Wiki", "alternate_id": "wiki"}],
            "transaction": {"id": "t-1"},
            "uuid": "u-1",
        },
        "user": {"full_name": "Alice", "name": "alice"},
        "user_agent": {"name": "Firefox", "original": "Mozilla/5.0 Firefox/140.0"},
    })
}

fn okta_record() -> Value {
    json!({
        "uuid": "u-1", "published": "2026-03-02T08:15:30.123Z", "eventType": "user.session.start",
        "actor": {"id": "00u1", "type": "User", "alternateId": "alice@corp.example", "displayName": "Alice"},
        "client": {"ipAddress": "192.0.2.30", "userAgent": {"rawUserAgent": "Mozilla/5.0 Firefox/140.0"},
            "geographicalContext": {"city": "Lyon", "country": "France", "geolocation": {"lat": 45.7, "lon": 4.8}}},
        "outcome": {"result": "SUCCESS", "reason": null},
        "authenticationContext": {"externalSessionId": "102s"},
        "debugContext": {"debugData": {"dtHash": "d7", "risk": "{reasons=New IP, level=HIGH}"}},
        "target": [{"id": "0oa1", "type": "AppInstance", "displayName": "Wiki", "alternateId": "wiki"}],
        "transaction": {"id": "t-1"},
    })
}

/// What proves a password before a push is not lost on the way.
#[test]
fn a_denied_push_of_okta_is_the_records() {
    let (mut document, mut record) = (okta_document(), okta_record());
    document["okta"]["event_type"] = json!("user.authentication.auth_via_mfa");
    document["event"]["action"] = json!("user.authentication.auth_via_mfa");
    document["event"]["outcome"] = json!("failure");
    document["okta"]["outcome"] = json!({"result": "FAILURE"});
    record["eventType"] = json!("user.authentication.auth_via_mfa");
    record["outcome"]["result"] = json!("FAILURE");
    for (data, credential) in [
        (json!({"factor": "OKTA_VERIFY_PUSH", "authMethodFirstType": "okta_password:password:p1"}), "Right"),
        (json!({"factor": "OKTA_VERIFY_PUSH"}), "Unknown"),
    ] {
        document["okta"]["debug_context"]["debug_data"] = json!({"flattened": data});
        record["debugContext"]["debugData"] = data;
        assert_eq!(essence(&document), essence(&record), "{document}");
        assert_eq!(essence(&dotted(&document)), essence(&record), "{document}");
        assert!(essence(&record)[0].contains(&format!("Blocked {credential} Denied")), "{record}");
    }
}

const AZURE_ID: &str = "11111111-2222-4333-8444-555555555555";
const AZURE_USER: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";

fn azure_document(code: u32, extra: Value) -> Value {
    let mut properties = json!({
        "id": AZURE_ID, "user_id": AZURE_USER, "user_principal_name": "Alice@corp.example",
        "created_at": "2026-03-02T03:15:30.1234567-05:00", "ip_address": "192.0.2.31", "app_display_name": "Portal",
        "app_id": "p0", "client_app_used": "Browser", "is_interactive": true, "session_id": "s-1",
        "status": {"error_code": code}, "device_detail": {"device_id": "d-1", "operating_system": "Linux"},
        "risk_state": "none", "risk_level_during_signin": "none",
    });
    for (key, value) in extra.as_object().into_iter().flatten() {
        properties[key] = value.clone();
    }
    json!({
        "@timestamp": "2026-03-02T08:15:30.123Z",
        "azure": {"tenant_id": "99999999-2222-4333-8444-555555555555", "correlation_id": "c-1",
            "signinlogs": {"category": "SignInLogs", "operation_name": "Sign-in activity", "properties": properties}},
        "cloud": {"provider": "azure"},
        "ecs": {"version": "8.11.0"},
        "event": {"action": "Sign-in activity", "category": ["authentication"], "kind": "event", "type": ["info"],
            "outcome": if code == 0 { "success" } else { "failure" }},
        "geo": {"city_name": "Lyon", "country_iso_code": "FR", "location": {"lat": 45.7, "lon": 4.8}},
        "source": {"ip": "192.0.2.31", "geo": {"country_iso_code": "BT"}, "as": {"number": 64500}},
        "user": {"name": "alice", "domain": "corp.example", "id": AZURE_USER},
        "user_agent": {"original": "Mozilla/5.0 Edge"},
    })
}

fn azure_record(code: u32) -> Value {
    json!({
        "time": "2026-03-02T08:15:31Z", "category": "SignInLogs", "operationName": "Sign-in activity",
        "tenantId": "99999999-2222-4333-8444-555555555555", "correlationId": "c-1", "callerIpAddress": "192.0.2.31",
        "properties": {
            "id": AZURE_ID, "userId": AZURE_USER, "userPrincipalName": "alice@corp.example",
            "createdDateTime": "2026-03-02T08:15:30.1234567Z", "ipAddress": "192.0.2.31", "appDisplayName": "Portal",
            "appId": "p0", "clientAppUsed": "Browser", "isInteractive": true, "sessionId": "s-1",
            "status": {"errorCode": code}, "deviceDetail": {"deviceId": "d-1", "operatingSystem": "Linux"},
            "userAgent": "Mozilla/5.0 Edge",
        },
    })
}

#[test]
fn both_shippers_copies_are_one() {
    let onelogin = |key: &str| {
        json!({"event_timestamp": "2026-03-02 08:15:30 UTC", "event_type_id": 6, "account_id": 44, "user_id": 9,
            "user_name": "alice@corp.example", "ipaddr": "192.0.2.33", "notes": "Invalid password", key: "o-1"})
    };
    let pairs = [
        (okta_document(), okta_record()),
        (azure_document(0, json!({})), azure_record(0)),
        (azure_document(50126, json!({})), azure_record(50126)),
        (azure_document(50140, json!({})), azure_record(50140)),
        (azure_document(500121, json!({})), azure_record(500121)),
        (
            json!({"@timestamp": "2026-03-02T08:15:30Z", "event": {"dataset": "onelogin.events", "outcome": "failure"},
                "onelogin": onelogin("uuid")}),
            onelogin("uuid"),
        ),
        (
            json!({"@timestamp": "2026-03-02T08:15:30.5Z", "client": {"ip": ["192.0.2.34"]},
                "event": {"action": "user_login_attempt", "category": ["authentication"], "id": "j-1",
                    "module": "directory", "outcome": "failure", "type": ["info"]},
                "jumpcloud": {"event": {"error_message": "invalid credentials", "geoip": {"country_code": "FR"},
                    "initiated_by": {"type": "user"}, "mfa": false, "organization": "5e0f", "success": false}},
                "source": {"user": {"id": "61e5", "email": "alice@corp.example"}},
                "user_agent": {"name": "Chrome", "version": "140.0"}}),
            json!({"id": "j-1", "event_type": "user_login_attempt", "organization": "5e0f", "success": false, "mfa": false,
                "timestamp": "2026-03-02T08:15:30.5Z", "error_message": "invalid credentials", "client_ip": "192.0.2.34",
                "initiated_by": {"id": "61e5", "type": "user", "email": "alice@corp.example"},
                "geoip": {"country_code": "FR"}, "useragent": {"name": "Chrome", "version": "140.0"}}),
        ),
    ];
    for (document, record) in pairs {
        let expected = essence(&record);
        assert!(expected[0].starts_with(char::is_alphabetic), "{expected:?}");
        assert_eq!(essence(&document), expected, "{document}");
    }
}

/// A document's common part: when, what, and from where.
fn common(dataset: &str, action: &str, outcome: &str, id: &str) -> Value {
    json!({
        "@timestamp": "2026-03-02T08:15:30.123Z",
        "event": {"action": action, "category": ["authentication"], "dataset": dataset, "id": id, "kind": "event",
            "outcome": outcome, "type": ["info"]},
        "source": {"ip": "192.0.2.35", "geo": {"country_iso_code": "BT"}},
        "user_agent": {"original": "Mozilla/5.0"},
    })
}

fn with(mut document: Value, extra: Value) -> Value {
    for (key, value) in extra.as_object().into_iter().flatten() {
        document[key] = value.clone();
    }
    document
}

#[test]
fn copies_of_aws_and_google() {
    let console = |outcome: &str, flattened: Value| {
        let mut document = with(
            common("aws.cloudtrail", "ConsoleLogin", outcome, "ev-1"),
            json!({
                "aws": {"cloudtrail": {"event_type": "AwsConsoleSignIn", "event_version": "1.08",
                    "user_identity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/alice"},
                    "console_login": {"additional_eventdata": {"mfa_used": false, "login_to": "https://console.example/"}}}},
                "cloud": {"account": {"id": "111122223333"}},
                "user": {"id": "AIDAEXAMPLE", "name": "alice"},
            }),
        );
        document["event"]["provider"] = json!("signin.amazonaws.com");
        document["aws"]["cloudtrail"]["flattened"] = flattened;
        document
    };
    let record = |result: &str| {
        json!({"eventVersion": "1.08", "eventID": "ev-1", "eventTime": "2026-03-02T08:15:30.123Z",
            "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "eventType": "AwsConsoleSignIn",
            "recipientAccountId": "111122223333", "sourceIPAddress": "192.0.2.35", "userAgent": "Mozilla/5.0",
            "userIdentity": {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "userName": "alice",
                "accountId": "111122223333", "arn": "arn:aws:iam::111122223333:user/alice"},
            "responseElements": {"ConsoleLogin": result},
            "additionalEventData": {"MFAUsed": "No", "LoginTo": "https://console.example/"}})
    };
    let answer = json!({"response_elements": {"ConsoleLogin": "Failure"}});
    for (document, record) in [
        (console("success", json!(null)), record("Success")),
        (console("failure", json!(null)), record("Failure")),
        (console("failure", answer), record("Failure")),
    ] {
        assert_eq!(essence(&document), essence(&record), "{document}");
    }
    let document = with(
        common("google_workspace.login", "login_failure", "failure", "q-1"),
        json!({
            "google_workspace": {"actor": {"type": "USER"}, "event": {"type": "login"}, "kind": "admin#reports#activity",
                "login": {"type": "google_password", "challenge_method": ["password"]}},
            "organization": {"id": "C01"},
            "user": {"id": "1001", "name": "alice", "domain": "corp.example"},
        }),
    );
    let document = with(
        document,
        json!({"source": {"ip": "192.0.2.35", "user": {"id": "1001", "email": "alice@corp.example"}}}),
    );
    let record = json!({"kind": "admin#reports#activity", "actor": {"profileId": "1001", "email": "alice@corp.example"},
        "id": {"time": "2026-03-02T08:15:30.123Z", "uniqueQualifier": "q-1", "applicationName": "login", "customerId": "C01"},
        "ipAddress": "192.0.2.35", "type": "login", "name": "login_failure",
        "parameters": {"login_type": "google_password", "login_challenge_method": ["password"]}});
    let mut document = document;
    document["event"]["provider"] = json!("login");
    document["user_agent"] = json!(null);
    assert_eq!(essence(&document), essence(&record));
    assert!(essence(&record)[0].starts_with("Google C01 1001"), "{:?}", essence(&record));
}

#[test]
fn copies_of_auth0_and_duo() {
    let auth0 = |kind: &str, outcome: &str| {
        with(
            common("auth0.logs", "-", outcome, "90020"),
            json!({
                "auth0": {"logs": {"data": {"type": kind, "client_id": "c1", "client_name": "App", "hostname": "t.example",
                    "strategy": "auth0", "details": {"session_id": "s1"}}}},
                "user": {"id": "auth0|1", "name": "alice@corp.example"},
            }),
        )
    };
    let record = |code: &str| {
        json!({"date": "2026-03-02T08:15:30.123Z", "type": code, "log_id": "90020", "client_id": "c1", "client_name": "App",
            "hostname": "t.example", "strategy": "auth0", "details": {"session_id": "s1"}, "ip": "192.0.2.35",
            "user_agent": "Mozilla/5.0", "user_id": "auth0|1", "user_name": "alice@corp.example"})
    };
    let rows = [
        ("Successful login", "success", "s"),
        ("Incorrect password", "failure", "fp"),
        ("Invalid email or username", "failure", "fu"),
        ("Successful exchange of Refresh Token for Access Token", "success", "sertft"),
        ("User successfully logged out", "success", "slo"),
        ("gd_auth_rejected", "failure", "gd_auth_rejected"),
    ];
    for (kind, outcome, code) in rows {
        assert_eq!(essence(&auth0(kind, outcome)), essence(&record(code)), "{kind}");
    }
    let duo = with(
        common("cisco_duo.auth", "-", "failure", "-"),
        json!({
            "cisco_duo": {"auth": {"access_device": {"ip": "192.0.2.35", "location": {"country": "France"}},
                "application": {"key": "k1", "name": "VPN"}, "event_type": "authentication", "factor": "duo_push",
                "reason": "user_marked_fraud", "result": "fraud", "txid": "tx-1"}},
            "user": {"id": "DU1", "name": "alice", "email": "alice@corp.example"},
            "user_agent": {"name": "Chrome", "version": "140"},
        }),
    );
    let record = json!({"access_device": {"ip": "192.0.2.35", "location": {"country": "France"}, "browser": "Chrome",
        "browser_version": "140"}, "application": {"key": "k1", "name": "VPN"}, "event_type": "authentication",
        "factor": "duo_push", "isotimestamp": "2026-03-02T08:15:30.123Z", "reason": "user_marked_fraud", "result": "fraud",
        "txid": "tx-1", "user": {"key": "DU1", "name": "alice"}, "email": "alice@corp.example"});
    assert_eq!(essence(&duo), essence(&record));
}

#[test]
fn copies_of_keycloak_ping_and_sshd() {
    let keycloak = |action: &str, outcome: &str, reason: Value| {
        let mut document = with(
            common("keycloak.log", action, outcome, "-"),
            json!({
                "keycloak": {"realm": {"id": "corp"}, "client": {"id": "app"}, "event_type": "login"},
                "user": {"id": "u1", "name": "alice"},
                "user_agent": null,
            }),
        );
        document["event"]["reason"] = reason;
        document
    };
    let record = |kind: &str, error: Value| {
        json!({"time": "2026-03-02T08:15:30.123Z", "type": kind, "realmId": "corp", "clientId": "app", "userId": "u1",
            "ipAddress": "192.0.2.35", "error": error, "details": {"username": "alice"}})
    };
    let wrong = json!("invalid_user_credentials");
    assert_eq!(essence(&keycloak("LOGIN", "success", json!(null))), essence(&record("LOGIN", json!(null))));
    assert_eq!(
        essence(&keycloak("LOGIN_ERROR", "failure", wrong.clone())),
        essence(&record("LOGIN_ERROR", wrong))
    );
    // Where the provider's word for it is lost, a failure is still none the less one.
    let lost = summary(Format::Auto, &keycloak("LOGIN", "failure", json!(null)).to_string());
    assert!(lost[0].contains(" Failed/Unknown/"), "{lost:?}");
    let actors = json!({"user": {"id": "u1", "name": "alice@corp.example", "environment": {"id": "env1"}}});
    let ping = with(
        common("ping_one.audit", "user.access_allowed", "success", "p1"),
        json!({
            "ping_one": {"audit": {"action": {"type": "USER.ACCESS_ALLOWED"}, "actors": actors, "id": "p1",
                "recorded_at": "2026-03-02T08:15:30.123Z", "result": {"status": "SUCCESS"},
                "internal_correlation": {"session_id": "s1", "transaction_id": "t1"}}},
        }),
    );
    let record = json!({"id": "p1", "recordedAt": "2026-03-02T08:15:30.123Z", "action": {"type": "USER.ACCESS_ALLOWED"},
        "actors": actors, "internalCorrelation": {"sessionId": "s1", "transactionId": "t1"},
        "result": {"status": "SUCCESS"}, "source": {"ipAddress": "192.0.2.35", "userAgent": "Mozilla/5.0"}});
    assert_eq!(essence(&ping), essence(&record));
    let mut sshd = with(
        common("system.auth", "ssh_login", "failure", "-"),
        json!({
            "host": {"hostname": "srv1"}, "process": {"name": "sshd", "pid": 77}, "user": {"name": "alice"},
            "system": {"auth": {"ssh": {"event": "Failed", "method": "password"}}}, "user_agent": null,
            "source": {"ip": "192.0.2.35"},
        }),
    );
    sshd["@timestamp"] = json!("2026-03-02T08:15:30Z");
    let line = "2026-03-02T08:15:30+00:00 srv1 sshd[77]: Failed password for alice from 192.0.2.35 port 5 ssh2";
    let mut of_line = Vec::new();
    decode(Format::Auto, line.as_bytes(), &mut |decoded| {
        of_line.extend(decoded.ok().into_iter().filter_map(|decoded| match decoded {
            Decoded::SignIn(it) => Some(essence_of(&it)),
            _ => None,
        }));
    });
    assert_eq!(essence(&sshd), of_line);
}

#[test]
fn keys_are_nested_or_dotted() {
    for document in [okta_document(), azure_document(50126, json!({}))] {
        assert_eq!(essence(&dotted(&document)), essence(&document), "{document}");
        let mut both = document.clone();
        let outcome = both["event"]["outcome"].take();
        both["event.outcome"] = outcome;
        assert_eq!(essence(&both), essence(&document));
    }
    // In any order, whatever other envelope the first keys are those of.
    let document = okta_document();
    let mut turned = serde_json::Map::new();
    for key in ["user", "event", "client", "okta", "user_agent", "data_stream"] {
        turned.insert(key.to_owned(), document[key].clone());
    }
    for (key, value) in [("host", json!({"name": "h"})), ("source", json!({"ip": "192.0.2.30"}))] {
        turned.insert(key.to_owned(), value);
    }
    turned.insert("@timestamp".to_owned(), document["@timestamp"].clone());
    assert_eq!(essence(&Value::Object(turned)), essence(&document));
}

#[test]
fn risk_that_stands_in_a_sign_in() {
    let passed = format!(
        "signIn entra/99999999-2222-4333-8444-555555555555 user={AZURE_USER}(alice@corp.example) \
         Success/Right/Unknown/Normal Interactive 192.0.2.31 FR"
    );
    let finding = |kind: &str, level: &str| {
        format!(
            "finding IdentityProtection entra/99999999-2222-4333-8444-555555555555 user={AZURE_USER}(alice@corp.example) \
             {kind} {level} {AZURE_ID}"
        )
    };
    let at_risk = json!({"risk_state": "atRisk", "risk_level_during_signin": "high",
        "risk_event_types_v2": ["unfamiliarFeatures"]});
    check(&azure_document(0, at_risk.clone()), &[&passed, &finding("unfamiliarFeatures", "high")]);
    let confirmed = json!({"risk_state": "confirmedCompromised", "risk_level_during_signin": "hidden"});
    check(&azure_document(0, confirmed), &[&passed, &finding("generic", "high")]);
    check(&azure_document(0, json!({"risk_state": "remediated", "risk_level_during_signin": "high"})), &[&passed]);
    assert_eq!(summary(Format::Auto, &azure_document(50126, at_risk).to_string()).len(), 1);
    let okta = summary(Format::Auto, &okta_document().to_string());
    assert_eq!(okta[1], "finding Okta okta/okta user=00u1(alice@corp.example) generic high u-1");
}

#[test]
fn findings_of_identity_protection() {
    let detection = |state: &str, extra: Value| {
        let mut properties = json!({
            "id": "f1nd", "request_id": AZURE_ID, "user_id": AZURE_USER, "user_principal_name": "alice@corp.example",
            "risk_event_type": "anonymizedIPAddress", "risk_level": "high", "risk_state": state,
            "ip_address": "192.0.2.31", "source": "IdentityProtection", "last_updated_datetime": "2026-03-02T09:15:30Z",
            "activity_datetime": "2026-03-02T08:15:30Z", "location": {"countryOrRegion": "DE"},
        });
        for (key, value) in extra.as_object().into_iter().flatten() {
            properties[key] = value.clone();
        }
        json!({"@timestamp": "2026-03-02T09:15:30Z", "event": {"action": "User Risk Detection", "kind": "event"},
            "azure": {"tenant_id": "99999999-2222-4333-8444-555555555555",
                "identityprotection": {"category": "UserRiskEvents", "properties": properties}}})
    };
    let found = |kind: &str, level: &str, about: &str| {
        format!(
            "finding IdentityProtection entra/99999999-2222-4333-8444-555555555555 user={AZURE_USER}(alice@corp.example) \
             {kind} {level} {about}"
        )
    };
    check(&detection("atRisk", json!({})), &[&found("anonymizedIPAddress", "high", AZURE_ID)]);
    let leaked = json!({"request_id": null, "risk_event_type": "leakedCredentials", "risk_level": "hidden"});
    check(&detection("confirmedCompromised", leaked), &[&found("leakedCredentials", "high", "user")]);
    for state in ["dismissed", "remediated", "confirmedSafe", "none"] {
        check(&detection(state, json!({})), &["skipped notASignIn"]);
    }
    let closed = json!({"risk_detail": "adminDismissedRiskForSignIn"});
    assert!(
        summary(Format::Auto, &detection("dismissed", closed).to_string())[0]
            .starts_with("feedback Dismiss 99999999-")
    );
    // The state of a user, not a detection.
    let mut user = detection("atRisk", json!({"risk_event_type": null, "request_id": null}));
    user["azure"]["identityprotection"]["category"] = json!("RiskyUsers");
    check(&user, &["skipped notASignIn"]);
    assert_eq!(
        summary(Format::Auto, &dotted(&detection("atRisk", json!({}))).to_string()),
        [found("anonymizedIPAddress", "high", AZURE_ID)]
    );
}

#[test]
fn the_raw_record_inside_is_read_instead() {
    let mut document = okta_document();
    document["okta"] = json!({"actor": {"id": "somebody else"}});
    for (at, carried) in [("original", json!(okta_record().to_string())), ("original", okta_record())] {
        let mut carrying = document.clone();
        carrying["event"][at] = carried;
        assert_eq!(essence(&carrying), essence(&okta_record()));
    }
    let in_message = json!({"@timestamp": "2026-03-02T08:15:30Z", "message": okta_record().to_string()});
    assert_eq!(essence(&in_message), essence(&okta_record()));
    // What nobody knows, and what only begins as JSON does, leaves the document.
    for original in ["{\"unknown\":1}", "[2026-03-02] a line", "plain text"] {
        let mut carrying = okta_document();
        carrying["event"]["original"] = json!(original);
        assert_eq!(essence(&carrying), essence(&okta_document()), "{original}");
    }
}

fn m365_record() -> Value {
    json!({
        "CreationTime": "2026-03-02T08:15:30", "Id": "5f1e0000-0000-4000-8000-000000000001", "Operation": "UserLoggedIn",
        "OrganizationId": "99999999-2222-4333-8444-555555555555", "RecordType": 15, "ResultStatus": "Success", "UserType": 0,
        "UserKey": AZURE_USER, "UserId": "Alice@corp.example", "Workload": "AzureActiveDirectory", "ClientIP": "192.0.2.31",
        "ApplicationId": "00000002-0000-0ff1-ce00-000000000000", "ErrorNumber": "0",
        "Actor": [{"ID": AZURE_USER, "Type": 0}, {"ID": "Alice@corp.example", "Type": 5}],
        "ExtendedProperties": [{"Name": "UserAgent", "Value": "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0"},
            {"Name": "RequestType", "Value": "OAuth2:Authorize"}],
        "DeviceProperties": [{"Name": "Id", "Value": "d-1"}, {"Name": "OS", "Value": "Linux"},
            {"Name": "SessionId", "Value": "s-1"}],
    })
}

/// The integration has lists of names and values as objects.
#[test]
fn microsoft_365s_copy_is_the_record() {
    let mut audit = m365_record();
    let as_object = |list: &Value| -> Value {
        let pairs = list.as_array().into_iter().flatten();
        pairs.map(|pair| (pair["Name"].as_str().expect("a name").to_owned(), pair["Value"].clone())).collect()
    };
    for lists in ["objects", "arrays"] {
        if lists == "objects" {
            for key in ["ExtendedProperties", "DeviceProperties"] {
                audit[key] = as_object(&m365_record()[key]);
            }
        } else {
            audit = m365_record();
        }
        let document = json!({"@timestamp": "2026-03-02T08:15:30Z", "o365": {"audit": audit},
            "event": {"module": "o365", "dataset": "o365.audit", "category": ["authentication"], "action": "UserLoggedIn",
                "outcome": "success", "id": "5f1e0000-0000-4000-8000-000000000001"},
            "user": {"id": "Alice@corp.example"}, "source": {"ip": "192.0.2.31"}});
        assert_eq!(essence(&document), essence(&m365_record()), "{lists}");
        assert_eq!(essence(&dotted(&document)), essence(&m365_record()), "{lists}, dotted");
    }
    assert!(essence(&m365_record())[0].contains("Firefox/130.0"), "there is something to lose");
}
