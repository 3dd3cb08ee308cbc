//! The decoder against the oracle, on invented records in every form with every kind of damage.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::entra_risk::{columns, detection, hub, risky_user};
use crate::fixtures::{azure, properties, query_response, row};
use crate::oracle::{agree, seen_by_decoder, seen_by_oracle};

/// A value some pipeline might write where it should not.
pub fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u32..800_000).prop_map(Value::from),
        (-200.0_f64..200.0).prop_map(Value::from),
        Just(json!({})),
        Just(json!([])),
        Just(json!({"errorCode": 50126, "additionalDetails": "MFA denied; user declined"})),
        Just(json!({"errorCode": 500121, "additionalDetails": "MFA denied; Fraud Code Entered"})),
        Just(json!("{\"errorCode\": 50074, \"city\": \"Bern\", \"countryOrRegion\": \"CH\"}")),
        Just(json!([{"authenticationMethod": "Password", "succeeded": "False"}, 3])),
        prop::sample::select(vec![
            "",
            "null",
            "N/A",
            "de",
            "0",
            "50126",
            "Success",
            "Failure",
            "true",
            "AS64500",
            "192.0.2.7:443",
            "[2001:db8::7]",
            "3/2/2026 8:15:30 PM",
            "1772439330",
            "0001-01-01T00:00:00Z",
            "[]",
            "{",
            "{}",
            "ropc",
            "tab\tquote\"slash\\",
            "line\u{1}",
            "ünïcode 🦀",
            "Mixed@Example.com",
            "multiFactorAuthentication",
            "AuditLogs",
            "NonInteractiveUserSignInLogs",
            "servicePrincipal",
            "/tenants/T/x",
            "atRisk",
            "confirmedCompromised",
            "dismissed",
            "remediated",
            "high",
            "hidden",
            "anomalousToken",
            "[\"generic\", \"unlikelyTravel\"]",
            "adminDismissedAllRiskForUser",
            "userPassedMFADrivenByRiskBasedPolicy",
            "Farsign",
            "AADUserRiskEvents",
        ])
        .prop_map(Value::from),
    ]
}

const MORE_KEYS: [&str; 20] = [
    "signInEventTypes",
    "mfaDetail",
    "servicePrincipalId",
    "resultType",
    "TimeGenerated",
    "Category",
    "value",
    "records",
    "activityDisplayName",
    "Type",
    "identity",
    "resultSignature",
    "riskState",
    "riskLevelDuringSignIn",
    "riskEventTypes_v2",
    "riskEventType",
    "riskDetail",
    "riskLastUpdatedDateTime",
    "requestId",
    "farsign",
];

/// Replaces, removes or adds one value somewhere in the record.
pub fn damage(record: &mut Value, at: usize, value: Option<Value>) {
    let mut paths = Vec::new();
    collect(record, String::new(), &mut paths);
    for key in MORE_KEYS {
        paths.push(format!("/{key}"));
        paths.push(format!("/properties/{key}"));
    }
    let path = &paths[at % paths.len()];
    let Some((parent, key)) = path.rsplit_once('/') else { return };
    match (record.pointer_mut(parent), value) {
        (Some(Value::Object(entries)), Some(value)) => {
            entries.insert(key.to_string(), value);
        }
        (Some(Value::Object(entries)), None) => {
            entries.remove(key);
        }
        (Some(Value::Array(elements)), value) => {
            if let Some(element) = key.parse::<usize>().ok().and_then(|index| elements.get_mut(index)) {
                *element = value.unwrap_or_default();
            }
        }
        _ => {}
    }
}

fn collect(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                // A key with a slash would be another path.
                collect(value, format!("{path}/{key}"), paths);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                collect(value, format!("{path}/{index}"), paths);
            }
        }
        _ => {}
    }
    paths.push(path);
}

pub fn in_form(form: u8, properties: &Value) -> Value {
    match form {
        0 => azure("SignInLogs", properties.clone()),
        1 => azure("NonInteractiveUserSignInLogs", Value::String(properties.to_string())),
        2 => json!({"records": [azure("SignInLogs", properties.clone()), azure("AuditLogs", json!({}))]}),
        3 => properties.clone(),
        4 => json!({"value": [properties]}),
        5 => row("SigninLogs", properties, false),
        6 => row("AADNonInteractiveUserSignInLogs", properties, true),
        7 => query_response(&row("SigninLogs", properties, true)),
        _ => json!([azure("ADFSSignInLogs", properties.clone()), properties]),
    }
}

/// Sign-ins with a risk, detections and risky users.
fn risk_in_form(form: u8, object: &Value, is_user: bool) -> Value {
    let (category, table) =
        if is_user { ("RiskyUsers", "AADRiskyUsers") } else { ("UserRiskEvents", "AADUserRiskEvents") };
    match form {
        0 => hub(category, object.clone()),
        1 => hub(category, Value::String(object.to_string())),
        2 => object.clone(),
        3 => columns(table, object, false),
        4 => columns(table, object, true),
        5 => query_response(&columns(table, object, true)),
        _ => json!({"value": [object]}),
    }
}

/// Writes every `a` to `o` in string values as an escape, so that nothing can be borrowed.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut in_string = false;
    let mut after_backslash = false;
    for c in text.chars() {
        let plain = in_string && !after_backslash;
        if plain && matches!(c, 'e') {
            out.push_str("\\u0065");
        } else {
            out.push(c);
        }
        if c == '"' && !after_backslash {
            in_string = !in_string;
        }
        after_backslash = in_string && c == '\\' && !after_backslash;
    }
    out
}

fn compare(text: &[u8]) -> Result<(), TestCaseError> {
    let decoder = seen_by_decoder(text);
    match seen_by_oracle(text) {
        Some(oracle) => prop_assert!(
            agree(&decoder, &oracle),
            "{}\ndecoder: {decoder:?}\noracle: {oracle:?}",
            String::from_utf8_lossy(text)
        ),
        None => prop_assert_eq!(decoder, vec![vec![("reject", "malformed".to_string())]]),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoder_and_oracle_agree(
        form in 0_u8..9,
        inside in prop::collection::vec((any::<usize>(), prop::option::of(any_value())), 0..5),
        around in prop::collection::vec((any::<usize>(), prop::option::of(any_value())), 0..3),
        escape: bool,
    ) {
        let mut object = properties();
        for (at, value) in inside {
            damage(&mut object, at, value);
        }
        let mut record = in_form(form, &object);
        for (at, value) in around {
            damage(&mut record, at, value);
        }
        let text = record.to_string();
        compare(if escape { escaped(&text) } else { text }.as_bytes())?;
    }

    #[test]
    fn decoder_and_oracle_agree_on_risk(
        form in 0_u8..7,
        is_user: bool,
        inside in prop::collection::vec((any::<usize>(), prop::option::of(any_value())), 0..5),
        around in prop::collection::vec((any::<usize>(), prop::option::of(any_value())), 0..2),
        escape: bool,
    ) {
        let mut object = if is_user { risky_user() } else { detection() };
        for (at, value) in inside {
            damage(&mut object, at, value);
        }
        let mut record = risk_in_form(form, &object, is_user);
        for (at, value) in around {
            damage(&mut record, at, value);
        }
        let text = record.to_string();
        compare(if escape { escaped(&text) } else { text }.as_bytes())?;
    }

    #[test]
    fn decoder_and_oracle_agree_on_sign_ins_at_risk(
        form in 0_u8..9,
        state in prop::sample::select(vec!["atRisk", "confirmedCompromised", "remediated"]),
        inside in prop::collection::vec((any::<usize>(), prop::option::of(any_value())), 0..4),
    ) {
        let mut object = properties();
        object["riskState"] = json!(state);
        object["riskLevelDuringSignIn"] = json!("medium");
        object["riskEventTypes_v2"] = json!(["generic", "unfamiliarFeatures"]);
        for (at, value) in inside {
            damage(&mut object, at, value);
        }
        compare(in_form(form, &object).to_string().as_bytes())?;
    }

    #[test]
    fn a_key_twice_counts_once(key in prop::sample::select(vec!["userId", "status", "ipAddress", "location", "id"]), value in any_value(), form in 0_u8..9) {
        let text = in_form(form, &properties()).to_string();
        let written = format!("\"{key}\":");
        compare(text.replacen(&written, &format!("{written}{value},{written}"), 1).as_bytes())?;
    }

    #[test]
    fn what_is_cut_off_is_malformed(form in 0_u8..9, end: prop::sample::Index) {
        let text = in_form(form, &properties()).to_string();
        compare(&text.as_bytes()[..end.index(text.len())])?;
    }
}
