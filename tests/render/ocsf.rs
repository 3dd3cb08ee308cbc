//! OCSF findings against the schema's own attributes, types, enumerations and constraints (`tests/ocsf`).

use farsign::engine::finding::{RiskDetail, RiskEventType, RiskState};
use farsign::engine::out::Detection;
use farsign::engine::signin::EventTime;
use farsign::render::OutputFormat;
use serde_json::Value;

use super::forms::{parsed, shapes};
use super::{detection, suppressed, text_list};

const CLASS: &str = "detection_finding";

fn facts() -> Value {
    serde_json::from_str(include_str!("../ocsf/detection-finding.json")).unwrap()
}

fn ocsf(detection: &Detection) -> Value {
    parsed(detection, OutputFormat::Ocsf)
}

/// What is wrong with `value` as an object of the schema's `name`.
fn problems(value: &Value, name: &str, path: &str, facts: &Value) -> Vec<String> {
    let object = &facts["objects"][name];
    let Some(map) = value.as_object() else { return vec![format!("{path} is no object")] };
    let mut problems = Vec::new();
    for (key, value) in map {
        let path = format!("{path}.{key}");
        let Some(kind) = object["attributes"][key].as_str() else {
            problems.push(format!("{path} is no attribute of {name}"));
            continue;
        };
        match (kind.strip_suffix("[]"), value) {
            (Some(kind), Value::Array(list)) if !list.is_empty() => {
                for (index, value) in list.iter().enumerate() {
                    problems.extend(problems_of_one(value, kind, &format!("{path}[{index}]"), facts));
                }
            }
            (Some(_), _) => problems.push(format!("{path} is no list, or an empty one")),
            (None, value) => problems.extend(problems_of_one(value, kind, &path, facts)),
        }
        let members = &object["enums"][key];
        if members.is_null() {
            continue;
        }
        let Some(caption) = members[value.to_string()].as_str() else {
            problems.push(format!("{path}: {value} is no member"));
            continue;
        };
        // "Other" is named by whoever writes it.
        let sibling = key.strip_suffix("_id").and_then(|stem| map.get(stem).or(map.get(&format!("{stem}_name"))));
        if caption != "Other" && sibling.is_some_and(|sibling| sibling != caption) {
            problems.push(format!("{path}: {value} is `{caption}`"));
        }
    }
    for required in text_list(&object["required"]) {
        if !map.contains_key(required) {
            problems.push(format!("{path}.{required} is missing"));
        }
    }
    let one_of = object["atLeastOne"].as_array().map(|_| text_list(&object["atLeastOne"])).unwrap_or_default();
    if !one_of.is_empty() && !one_of.iter().any(|key| map.contains_key(*key)) {
        problems.push(format!("{path} has none of {one_of:?}"));
    }
    problems
}

fn problems_of_one(value: &Value, kind: &str, path: &str, facts: &Value) -> Vec<String> {
    let right = match kind {
        "any" => true,
        "string" => value.as_str().is_some_and(|text| !text.is_empty()),
        "integer" | "time" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        object => return problems(value, object, path, facts),
    };
    if right { Vec::new() } else { vec![format!("{path}: {value} is no {kind}")] }
}

#[test]
fn every_finding_is_valid_by_the_schema() {
    let facts = facts();
    for detection in shapes() {
        let record = ocsf(&detection);
        assert_eq!(problems(&record, CLASS, "", &facts), Vec::<String>::new());
        assert_eq!(record["metadata"]["version"], facts["version"]);
        let activity = record["activity_id"].as_u64().unwrap();
        assert_eq!(record["type_uid"], 200_400 + activity);
        let name = record["activity_name"].as_str().unwrap();
        assert_eq!(record["type_name"], format!("Detection Finding: {name}"));
    }
}

/// Near misses, so that the table is known to bite.
#[test]
fn what_the_schema_does_not_have_is_found() {
    let check = |pointer: &str, key: &str, value: Value, expected: &str| {
        let mut record = ocsf(&detection(RiskEventType::NewCountry));
        record.pointer_mut(pointer).unwrap()[key] = value;
        assert_eq!(problems(&record, CLASS, "", &facts()), [expected]);
    };
    check("", "riskState", "atRisk".into(), ".riskState is no attribute of detection_finding");
    check("/evidences/0", "colour", "red".into(), ".evidences[0].colour is no attribute of evidences");
    check("", "status_id", 77.into(), ".status_id: 77 is no member");
    check("", "severity", "Fatal".into(), ".severity_id: 4 is `High`");
    check("/finding_info", "created_time", "2026".into(), ".finding_info.created_time: \"2026\" is no time");
    check("", "resources", Value::Array(Vec::new()), ".resources is no list, or an empty one");
}

#[test]
fn the_activity_follows_the_state_and_the_times() {
    let later = |detection: Detection| {
        let updated_time = EventTime(detection.updated_time.0 + 1_000_000_000);
        Detection { updated_time, ..detection }
    };
    let check = |detection: Detection, activity: &str, status: &str, verdict: &str| {
        let record = ocsf(&detection);
        let found = [&record["activity_name"], &record["status"], &record["evidences"][0]["verdict"]];
        assert_eq!(found, [activity, status, verdict], "{:?}", detection.state);
    };
    let of = |state, detail| later(Detection { state, detail, ..detection(RiskEventType::NewCountry) });
    check(detection(RiskEventType::NewCountry), "Create", "New", "Suspicious");
    check(suppressed(), "Create", "Suppressed", "Disregard");
    check(of(RiskState::AtRisk, RiskDetail::None), "Update", "New", "Suspicious");
    let compromised = RiskDetail::AdminConfirmedSigninCompromised;
    check(of(RiskState::ConfirmedCompromised, compromised), "Update", "In Progress", "True Positive");
    let dismissed = RiskDetail::AdminDismissedRiskForSignIn;
    check(of(RiskState::Dismissed, dismissed), "Close", "Suppressed", "Disregard");
    let withdrawn = RiskDetail::AiConfirmedSigninSafe;
    check(of(RiskState::Dismissed, withdrawn), "Close", "Suppressed", "False Positive");
    let safe = RiskDetail::AdminConfirmedSigninSafe;
    check(of(RiskState::ConfirmedSafe, safe), "Close", "Suppressed", "Benign");
    let remediated = RiskDetail::UserPerformedSecuredPasswordChange;
    check(of(RiskState::Remediated, remediated), "Close", "Resolved", "Suspicious");
    // The same detection told again, without being changed, is no update.
    let again = Detection { is_update: true, ..detection(RiskEventType::NewCountry) };
    check(again, "Create", "New", "Suspicious");
}

/// An observable says where its value stands.
#[test]
fn observables_point_to_their_values() {
    fn values<'v>(value: &'v Value, path: &[&str], found: &mut Vec<&'v Value>) {
        match (value, path) {
            (Value::Array(list), path) => list.iter().for_each(|value| values(value, path, found)),
            (value, []) => found.push(value),
            (value, [key, rest @ ..]) => values(&value[*key], rest, found),
        }
    }
    let mut seen = 0;
    for detection in shapes() {
        let record = ocsf(&detection);
        for observable in record["observables"].as_array().into_iter().flatten() {
            let path: Vec<&str> = observable["name"].as_str().unwrap().split('.').collect();
            let mut found = Vec::new();
            values(&record, &path, &mut found);
            assert!(found.contains(&&observable["value"]), "{observable}");
            seen += 1;
        }
    }
    assert!(seen > 100, "observables were there");
}
