//! Entra ID Protection: detections, risky users and the risk in sign-ins, in every form.

use farsign::engine::decode::{Decoded, Format, decode};
use serde_json::{Value, json};

use crate::fixtures::{ID, TENANT, USER, azure, properties, query_response, row};
use crate::summary::summary;

const NAME: &str = "alice@example.com";

pub fn detection() -> Value {
    json!({
        "id": "de7ec7ed00112233",
        "requestId": ID,
        "correlationId": "c0c0c0c0-0000-4000-8000-000000000003",
        "riskType": "generic",
        "riskEventType": "passwordSpray",
        "riskState": "atRisk",
        "riskLevel": "high",
        "riskDetail": "none",
        "source": "IdentityProtection",
        "detectionTimingType": "offline",
        "activity": "signin",
        "tokenIssuerType": "AzureAD",
        "ipAddress": "192.0.2.17",
        "location": {
            "city": "Utrecht", "state": "Utrecht", "countryOrRegion": "NL",
            "geoCoordinates": {"altitude": 0, "latitude": 52.0907, "longitude": 5.1214}
        },
        "activityDateTime": "2026-03-02T08:15:30.123Z",
        "detectedDateTime": "2026-03-03T9:01:02.345Z",
        "lastUpdatedDateTime": "2026-03-03T09:05:00.5Z",
        "userId": USER,
        "userDisplayName": "Alice Example",
        "userPrincipalName": "Alice@Example.com",
        "additionalInfo": "[{\"Key\":\"userAgent\",\"Value\":\"Example/1.0\"},{\"Key\":\"riskReasons\",\"Value\":[\"UnfamiliarASN\",\"UnfamiliarIP\"]}]"
    })
}

pub fn risky_user() -> Value {
    json!({
        "id": USER,
        "isDeleted": false,
        "isProcessing": false,
        "riskLevel": "none",
        "riskState": "dismissed",
        "riskDetail": "adminDismissedAllRiskForUser",
        "riskLastUpdatedDateTime": "2026-03-03T09:05:00.5Z",
        "userDisplayName": "Alice Example",
        "userPrincipalName": "alice@example.com"
    })
}

fn with(record: Value, changes: &[(&str, Value)]) -> Value {
    let mut record = record;
    for (key, value) in changes {
        record[*key] = value.clone();
    }
    record
}

/// As Event Hub has it: around the properties stand the detection's id and lower-case names.
pub fn hub(category: &str, properties: Value) -> Value {
    json!({
        "time": "3/3/2026 9:06:00 AM",
        "resourceId": format!("/tenants/{TENANT}/providers/microsoft.aadiam"),
        "operationName": if category == "RiskyUsers" { "Risky user" } else { "User Risk Detection" },
        "category": category,
        "tenantId": TENANT,
        "resultSignature": "None",
        "callerIpAddress": "192.0.2.99",
        "correlationId": "de7ec7ed00112233",
        "identity": "alice example",
        "location": "nl",
        "properties": properties
    })
}

/// As a row of Log Analytics: Pascal case, dynamic columns as objects or text.
pub fn columns(table: &str, object: &Value, as_text: bool) -> Value {
    let mut row =
        json!({"TenantId": "eeeeeeee-0000-4000-8000-00000000000e", "TimeGenerated": "2026-03-03T09:06:00Z"});
    for (key, value) in object.as_object().into_iter().flatten() {
        let name = key[..1].to_uppercase() + &key[1..];
        // No table has it; it is what CloudTrail's files are known by.
        if name == "Records" {
            continue;
        }
        row[name] = if (value.is_object() || value.is_array()) && as_text {
            json!(value.to_string())
        } else {
            value.clone()
        };
    }
    row["OperationName"] = json!("User Risk Detection");
    row["AADTenantId"] = json!(TENANT);
    row["Type"] = json!(table);
    row
}

fn check(record: &Value, expected: &[&str]) {
    for format in [Format::Auto, Format::Entra] {
        assert_eq!(summary(format, &record.to_string()), expected, "{record}");
    }
}

/// What becomes of it, without tenant and user.
fn fate(record: &Value) -> String {
    let lines = summary(Format::Auto, &record.to_string());
    let words: Vec<&str> = lines[0].split(' ').collect();
    match words[0] {
        "finding" => words[4..].join(" "),
        "feedback" => words[1].to_owned(),
        _ => lines[0].clone(),
    }
}

fn details(record: &Value) -> String {
    let mut seen = String::new();
    decode(Format::Auto, record.to_string().as_bytes(), &mut |decoded| match decoded {
        Ok(Decoded::UpstreamFinding(it)) => {
            let place = format!("{} {} {:?}", it.location.city, it.location.country, it.location.coordinates);
            seen = format!(
                "{} {} {} {} {} {:?} {place} {} {}",
                it.event_id,
                it.event_time,
                it.activity_time,
                it.request_id,
                it.source_type,
                it.address,
                it.reasons,
                it.is_confirmed
            );
        }
        Ok(Decoded::Feedback(it)) => seen = format!("{} {} {}", it.event_id, it.event_time, it.request_id),
        other => panic!("{other:?}"),
    });
    seen
}

#[test]
fn a_detection_is_a_finding_in_every_form() {
    let found = |tenant: &str| {
        format!("finding IdentityProtection entra/{tenant} user={USER}({NAME}) passwordSpray high {ID}")
    };
    let by_hub = hub("UserRiskEvents", detection());
    let mut as_text = by_hub.clone();
    as_text["properties"] = json!(detection().to_string());
    let mut unnamed = by_hub.clone();
    unnamed["category"] = Value::Null;
    let forms = [
        by_hub.clone(),
        as_text,
        unnamed,
        json!({"records": [by_hub]}),
        columns("AADUserRiskEvents", &detection(), false),
        columns("AADUserRiskEvents", &detection(), true),
        query_response(&columns("AADUserRiskEvents", &detection(), false)),
        query_response(&columns("AADUserRiskEvents", &detection(), true)),
    ];
    let expected = details(&detection());
    assert_eq!(
        expected,
        format!(
            "de7ec7ed00112233/high 2026-03-03T09:05:00.5000000Z 2026-03-02T08:15:30.1230000Z {ID} passwordSpray \
             Some(192.0.2.17) Utrecht NL Some((52.0907, 5.1214)) UnfamiliarASN, UnfamiliarIP false"
        )
    );
    for form in forms {
        check(&form, &[&found(TENANT)]);
        assert_eq!(details(&form), expected, "{form}");
    }
    // Graph names no tenant.
    check(&detection(), &[&found("unknown")]);
    check(&json!({"value": [detection()]}), &[&found("unknown")]);
    check(&with(detection(), &[("homeTenantId", json!(TENANT))]), &[&found(TENANT)]);
}

#[test]
fn types_levels_and_sources() {
    let of = |key: &str, value: &str| fate(&with(detection(), &[(key, json!(value))]));
    for (name, kind) in [
        ("unfamiliarFeatures", "unfamiliarFeatures"),
        ("AnonymizedIPAddress", "anonymizedIPAddress"),
        ("mcasImpossibleTravel", "mcasImpossibleTravel"),
        ("impossibleTravel", "mcasImpossibleTravel"),
        ("leakedCredentials", "leakedCredentials"),
        ("attackerinTheMiddle", "attackerinTheMiddle"),
        ("investigationsThreatIntelligence", "generic"),
        ("suspiciousAPITraffic", "generic"),
        ("generic", "generic"),
    ] {
        assert_eq!(of("riskEventType", name), format!("{kind} high {ID}"), "{name}");
    }
    for (level, fate) in [("low", "low"), ("Medium", "medium"), ("high", "high"), ("hidden", "low")] {
        assert_eq!(of("riskLevel", level), format!("passwordSpray {fate} {ID}"), "{level}");
    }
    assert_eq!(of("riskLevel", "none"), "skipped notASignIn");
    let older = with(detection(), &[("riskEventType", Value::Null), ("riskType", json!("maliciousIPAddress"))]);
    assert_eq!(fate(&older), format!("maliciousIPAddress high {ID}"));
    let source =
        |source: Value| summary(Format::Auto, &with(detection(), &[("source", source)]).to_string())[0].clone();
    assert!(source(json!("Identity Protection")).starts_with("finding IdentityProtection entra/"));
    assert!(source(Value::Null).starts_with("finding IdentityProtection entra/"));
    assert!(source(json!("activeDirectory")).starts_with("finding activeDirectory entra/"));
    // Confirmed: the highest, and an event of its own.
    let confirmed =
        with(detection(), &[("riskState", json!("confirmedCompromised")), ("riskLevel", json!("hidden"))]);
    assert_eq!(fate(&confirmed), format!("passwordSpray high {ID}"));
    let told = details(&confirmed);
    assert!(told.starts_with("de7ec7ed00112233/confirmedCompromised ") && told.ends_with(" true"), "{told}");
}

#[test]
fn a_detection_may_be_about_the_user() {
    let offline = with(detection(), &[("requestId", Value::Null), ("activity", json!("user"))]);
    assert_eq!(fate(&offline), "passwordSpray high user");
    assert!(details(&offline).contains(" de7ec7ed00112233 passwordSpray"), "named by its own id");
    let closed = [("riskState", json!("dismissed")), ("riskDetail", json!("adminDismissedAllRiskForUser"))];
    let told = details(&with(offline, &closed));
    assert_eq!(
        told,
        "de7ec7ed00112233/adminDismissedAllRiskForUser 2026-03-03T09:05:00.5000000Z de7ec7ed00112233"
    );
}

#[test]
fn what_a_person_closed_is_feedback() {
    let closed = |state: &str, detail: &str| {
        let changes = [("riskState", json!(state)), ("riskDetail", json!(detail))];
        (fate(&with(detection(), &changes)), fate(&with(risky_user(), &changes)))
    };
    let nothing = "skipped notASignIn";
    for (state, detail, of_sign_in, of_user) in [
        ("confirmedSafe", "adminConfirmedSigninSafe", "ConfirmSafe", nothing),
        ("confirmedSafe", "adminConfirmedAccountSafe", "ConfirmSafe", "ConfirmSafe"),
        ("dismissed", "adminDismissedAllRiskForUser", "Dismiss", "Dismiss"),
        ("dismissed", "adminDismissedRiskForSignIn", "Dismiss", nothing),
        ("dismissed", "m365DAdminDismissedDetection", "Dismiss", nothing),
        ("remediated", "userPassedMFADrivenByRiskBasedPolicy", "PassedMfa", "PassedMfa"),
        ("remediated", "userPerformedSecuredPasswordChange", "PasswordChanged", "PasswordChanged"),
        ("remediated", "userPerformedSecuredPasswordReset", "PasswordChanged", "PasswordChanged"),
        ("remediated", "userChangedPasswordOnPremises", "PasswordChanged", "PasswordChanged"),
        ("remediated", "adminGeneratedTemporaryPassword", "PasswordChanged", "PasswordChanged"),
        // A machine's word, and nobody's.
        ("dismissed", "aiConfirmedSigninSafe", nothing, nothing),
        ("remediated", "microsoftRevokedSessions", nothing, nothing),
        ("dismissed", "hidden", nothing, nothing),
        ("remediated", "none", nothing, nothing),
        ("none", "none", nothing, nothing),
        ("unknownFutureValue", "adminDismissedAllRiskForUser", nothing, nothing),
    ] {
        assert_eq!(closed(state, detail), (of_sign_in.to_owned(), of_user.to_owned()), "{state} {detail}");
    }
    let dismissed = [("riskState", json!("dismissed")), ("riskDetail", json!("adminDismissedRiskForSignIn"))];
    let dismissed = with(detection(), &dismissed);
    check(&hub("UserRiskEvents", dismissed.clone()), &[&format!("feedback Dismiss {TENANT}/{USER}")]);
    let told = format!("de7ec7ed00112233/adminDismissedRiskForSignIn 2026-03-03T09:05:00.5000000Z {ID}");
    assert_eq!(details(&dismissed), told);
}

#[test]
fn a_risky_user_counts_once_somebody_decided() {
    let as_user = |state: &str, detail: &str| {
        with(risky_user(), &[("riskState", json!(state)), ("riskDetail", json!(detail))])
    };
    check(&as_user("atRisk", "none"), &["skipped notASignIn"]);
    let compromised = as_user("confirmedCompromised", "adminConfirmedUserCompromised");
    let expected = format!("feedback ConfirmCompromised {TENANT}/{USER}");
    check(&hub("RiskyUsers", compromised.clone()), &[&expected]);
    check(&columns("AADRiskyUsers", &compromised, false), &[&expected]);
    check(&query_response(&columns("AADRiskyUsers", &compromised, false)), &[&expected]);
    check(&compromised, &[&format!("feedback ConfirmCompromised unknown/{USER}")]);
    let told = details(&compromised);
    // About the user as a whole; the same in every form, whose times differ in their decimals.
    assert_eq!(told, format!("{USER}/1772528700/confirmedCompromised 2026-03-03T09:05:00.5000000Z "));
    let item = with(risky_user(), &[("id", json!(format!("{USER}636901"))), ("userId", json!(USER))]);
    check(&item, &[&format!("feedback Dismiss unknown/{USER}")]);
}

#[test]
fn workloads_and_our_own_output_are_skipped() {
    let workload = json!({
        "id": "x", "riskState": "atRisk", "riskLevel": "high", "riskEventType": "leakedCredentials",
        "servicePrincipalId": "c0ffee00-0000-4000-8000-000000000007", "detectedDateTime": "2026-03-03T09:01:02Z"
    });
    check(&workload, &["skipped servicePrincipal"]);
    check(&hub("ServicePrincipalRiskEvents", workload.clone()), &["skipped servicePrincipal"]);
    check(&hub("RiskyServicePrincipals", workload.clone()), &["skipped servicePrincipal"]);
    check(&columns("AADServicePrincipalRiskEvents", &workload, false), &["skipped servicePrincipal"]);
    check(&columns("AADRiskyServicePrincipals", &workload, false), &["skipped servicePrincipal"]);
    check(&with(detection(), &[("source", json!("Farsign"))]), &["skipped notASignIn"]);
    check(&with(risky_user(), &[("farsign", json!({"incidents": 1}))]), &["skipped notASignIn"]);
    check(&hub("UserRiskEvents", json!({})), &["skipped notASignIn"]);
    check(&hub("UserRiskEvents", json!("{")), &["reject wrongType"]);
    check(&hub("UserRiskEvents", with(detection(), &[("userId", json!([1]))])), &["reject wrongType"]);
    let nobody = with(detection(), &[("userId", Value::Null), ("userPrincipalName", json!("hidden"))]);
    check(&nobody, &["reject noUser"]);
    let times = ["activityDateTime", "detectedDateTime", "lastUpdatedDateTime"].map(|key| (key, Value::Null));
    check(
        &hub("UserRiskEvents", with(detection(), &times)),
        &[&format!("finding IdentityProtection entra/{TENANT} user={USER}({NAME}) passwordSpray high {ID}")],
    );
    check(&with(detection(), &times), &["reject noTime"]);
}

/// The sign-in's line, and what stands beside it.
fn beside(changes: &[(&str, Value)]) -> Option<String> {
    let object = with(properties(), changes);
    let mut text = azure("SignInLogs", object.clone());
    text["properties"] = json!(object.to_string());
    let mut columned = row("SigninLogs", &object, true);
    for (key, value) in changes.iter().filter(|(key, _)| key.starts_with("risk")) {
        let name = format!("R{}", &key[1..]).replace("_v2", "_V2");
        columned[name] = if value.is_array() { json!(value.to_string()) } else { value.clone() };
    }
    let forms =
        [azure("SignInLogs", object.clone()), text, columned.clone(), query_response(&columned), object.clone()];
    let found = forms.map(|record| {
        let lines = summary(Format::Auto, &record.to_string());
        assert!(lines[0].starts_with("signIn ") && lines.len() <= 2, "{lines:?}");
        lines.get(1).map(|line| line.split(' ').skip(4).collect::<Vec<_>>().join(" "))
    });
    assert!(found.iter().all(|line| *line == found[0]), "{found:?} of {object}");
    found[0].clone()
}

#[test]
fn a_sign_in_may_carry_its_risk() {
    let at_risk = ("riskState", json!("atRisk"));
    let level = |word: &str| ("riskLevelDuringSignIn", json!(word));
    let types = |names: &[&str]| ("riskEventTypes_v2", json!(names));
    let found = |words: &str| Some(format!("{words} {ID}"));
    assert_eq!(beside(&[]), None);
    let seen = [at_risk.clone(), level("medium"), types(&["unfamiliarFeatures"])];
    assert_eq!(beside(&seen), found("unfamiliarFeatures medium"));
    // Of several the first that says more than "generic".
    let several = [at_risk.clone(), level("high"), types(&["generic", "anonymizedIPAddress", "unlikelyTravel"])];
    assert_eq!(beside(&several), found("anonymizedIPAddress high"));
    let older = [at_risk.clone(), level("low"), ("riskEventTypes", json!(["maliciousIPAddress"]))];
    assert_eq!(beside(&older), found("maliciousIPAddress low"));
    assert_eq!(beside(&[at_risk.clone(), level("low")]), found("generic low"));
    assert_eq!(beside(&[at_risk.clone(), level("hidden")]), found("generic low"));
    let aggregated = [at_risk.clone(), level("none"), ("riskLevelAggregated", json!("high"))];
    assert_eq!(beside(&aggregated), found("generic high"));
    assert_eq!(beside(&[at_risk.clone(), level("none")]), None);
    let confirmed = [("riskState", json!("confirmedCompromised")), level("none"), types(&["anomalousToken"])];
    assert_eq!(beside(&confirmed), found("anomalousToken high"));
    for state in ["none", "dismissed", "remediated", "confirmedSafe", ""] {
        assert_eq!(beside(&[("riskState", json!(state)), level("high"), types(&["anomalousToken"])]), None);
    }
    // A wrong password is nobody's risk; a right one that was refused is.
    let wrong = ("status", json!({"errorCode": 50126}));
    assert_eq!(beside(&[at_risk.clone(), level("high"), wrong]), None);
    let refused = ("status", json!({"errorCode": 53003}));
    assert_eq!(beside(&[at_risk, level("high"), refused]), found("generic high"));
}
