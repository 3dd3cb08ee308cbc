//! The same sign-in in every form it is delivered in, and what is not a user's sign-in.

use farsign::engine::decode::Format;
use farsign::engine::signin::SignIn;
use serde_json::{Value, json};

use crate::fixtures::{ID, TENANT, USER, azure, fates, outcomes, properties, query_response, row, with_sign_in};

/// What must be the same in every form.
fn essence(sign_in: &SignIn<'_>) -> String {
    format!(
        "{} {} {} {} {:?} {:?} {:?} {:?} {:?} {:?} {} {} {:?}",
        sign_in.event_id,
        sign_in.user_id,
        sign_in.user_principal_name,
        sign_in.event_time,
        sign_in.outcome,
        sign_in.credential,
        sign_in.mfa,
        sign_in.address,
        sign_in.asn,
        sign_in.location,
        sign_in.app_id,
        sign_in.user_agent,
        sign_in.device
    )
}

#[test]
fn every_form_gives_the_same_sign_in() {
    let azure_record = azure("SignInLogs", properties());
    let mut as_text = azure_record.clone();
    as_text["properties"] = Value::String(properties().to_string());
    let objects = row("SigninLogs", &properties(), false);
    let texts = row("SigninLogs", &properties(), true);
    let forms = [
        as_text,
        json!({"records": [azure_record.clone()]}),
        json!([azure_record.clone()]),
        properties(),
        json!({"@odata.context": "https://graph.example/$metadata#signIns", "value": [properties()]}),
        objects.clone(),
        texts.clone(),
        query_response(&objects),
        query_response(&texts),
    ];
    let expected = with_sign_in(&azure_record, essence);
    assert!(
        expected.starts_with(&format!("{ID} {USER} alice@example.com 2026-03-02T08:15:30.1234567Z Success Right"))
    );
    for form in forms {
        assert_eq!(with_sign_in(&form, essence), expected, "{form}");
        let tenant = with_sign_in(&form, |sign_in| sign_in.tenant_id.to_string());
        assert_eq!(tenant, TENANT, "{form}");
    }
}

#[test]
fn logs_of_users_are_judged_and_others_are_not() {
    let of_workload = |types: Value| {
        let mut object = properties();
        object["signInEventTypes"] = types;
        object
    };
    let check = |record: Value, fate: &str| {
        assert_eq!(fates(Format::Auto, record.to_string().as_bytes()), [fate], "{record}");
    };
    for (category, fate) in [
        ("SignInLogs", "Interactive"),
        ("signinlogs", "Interactive"),
        ("NonInteractiveUserSignInLogs", "NonInteractive"),
        ("ADFSSignInLogs", "Adfs"),
        ("ServicePrincipalSignInLogs", "servicePrincipal"),
        ("ManagedIdentitySignInLogs", "managedIdentity"),
        ("MicrosoftServicePrincipalSignInLogs", "microsoftServicePrincipal"),
        ("AuditLogs", "notASignIn"),
        ("UserRiskEvents", "notASignIn"),
        ("FutureSignInLogs", "notASignIn"),
    ] {
        check(azure(category, properties()), fate);
        check(row(category, &properties(), true), fate);
    }
    check(row("AADServicePrincipalSignInLogs", &properties(), false), "servicePrincipal");
    check(row("AADNonInteractiveUserSignInLogs", &properties(), false), "NonInteractive");
    check(of_workload(json!(["servicePrincipal"])), "servicePrincipal");
    check(of_workload(json!(["managedIdentity"])), "managedIdentity");
    check(of_workload(json!(["nonInteractiveUser"])), "NonInteractive");
    check(of_workload(json!(["interactiveUser", "servicePrincipal"])), "Interactive");
    check(azure("SignInLogs", of_workload(json!(["servicePrincipal"]))), "servicePrincipal");
    check(
        json!({"id": "x", "activityDisplayName": "Add user", "activityDateTime": "2026-03-02T08:00:00Z"}),
        "notASignIn",
    );
    check(
        json!({"id": "x", "riskEventType": "unfamiliarFeatures", "userId": USER, "ipAddress": "192.0.2.1"}),
        "notASignIn",
    );
    check(json!({"time": "2026-03-02T08:00:00Z", "operationName": "Delete group"}), "notASignIn");
    check(json!({"hello": "world"}), "unknownFormat");
    check(json!({"category": "books", "title": "On Nothing"}), "unknownFormat");
    check(
        json!({"id": "u", "createdDateTime": "2020-01-01T00:00:00Z", "userPrincipalName": "alice@example.com"}),
        "unknownFormat",
    );
}

#[test]
fn an_envelope_gives_its_elements_in_order_and_an_empty_one_nothing() {
    let mixed = json!({"records": [
        azure("AuditLogs", json!({})), azure("SignInLogs", properties()), 7, azure("ADFSSignInLogs", json!({}))
    ]});
    let expected = ["notASignIn", "Interactive", "unknownFormat", "noUser"];
    assert_eq!(fates(Format::Entra, mixed.to_string().as_bytes()), expected);
    for empty in [json!({"records": []}), json!({"value": []}), json!([]), json!({"tables": []})] {
        assert!(fates(Format::Auto, empty.to_string().as_bytes()).is_empty(), "{empty}");
    }
}

#[test]
fn an_element_is_named_by_its_offset() {
    let record = format!(" \u{feff}[{}, {{\"x\":1}}]", azure("SignInLogs", properties()));
    let record = record.trim_start();
    let offsets = outcomes(Format::Auto, record.as_bytes(), |decoded| decoded.err().map(|reject| reject.offset));
    assert_eq!(offsets, [None, record.find("{\"x\"")]);
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let record = azure("SignInLogs", properties()).to_string();
    let twice =
        record.replacen("\"userId\":", "\"userId\":\"old\",\"status\":{\"errorCode\":50126},\"userId\":", 1);
    assert_ne!(record, twice);
    let users = outcomes(Format::Auto, twice.as_bytes(), |decoded| format!("{decoded:?}"));
    assert_eq!(users, outcomes(Format::Auto, record.as_bytes(), |decoded| format!("{decoded:?}")));
}

#[test]
fn a_sign_in_without_id_gets_the_same_one_every_time() {
    let id_of = |change: &dyn Fn(&mut Value)| {
        let mut object = properties();
        object["id"] = Value::Null;
        change(&mut object);
        with_sign_in(&azure("SignInLogs", object), |sign_in| sign_in.event_id.to_string())
    };
    let made = id_of(&|_| {});
    assert!(made.starts_with("made-") && made.len() == 37, "{made}");
    assert_eq!(made, id_of(&|object| object["riskState"] = json!("none")));
    assert_ne!(made, id_of(&|object| object["createdDateTime"] = json!("2026-03-02T08:15:31Z")));
    assert_ne!(made, id_of(&|object| object["ipAddress"] = json!("192.0.2.18")));
    // The two spellings of the request id 0b9d6a10-3c44-4f57-8a11-6f0e2d3c0100.
    let text = "MGI5ZDZhMTAtM2M0NC00ZjU3LThhMTEtNmYwZTJkM2MwMTAw";
    for token in [text, "EGqdC0Q8V0-KEW8OLTwBAA"] {
        assert_eq!(id_of(&|object| object["uniqueTokenIdentifier"] = json!(token)), ID, "{token}");
    }
    assert_eq!(made, id_of(&|object| object["uniqueTokenIdentifier"] = json!("!")));
}
