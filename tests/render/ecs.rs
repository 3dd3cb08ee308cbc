//! ECS documents against the schema's own names, types and allowed values (`tests/ecs`).

use std::collections::BTreeSet;

use farsign::engine::finding::{RiskEventType, RiskLevel, RiskState};
use farsign::engine::out::Detection;
use farsign::engine::signin::Outcome;
use farsign::render::OutputFormat;
use serde_json::Value;

use super::forms::{attacked, parsed, paths, shapes};
use super::{detection, keys, text_list, without_finding};

fn facts() -> Value {
    serde_json::from_str(include_str!("../ecs/alert.json")).unwrap()
}

fn ecs(detection: &Detection) -> Value {
    parsed(detection, OutputFormat::Ecs)
}

/// The value at a dotted path.
fn at<'v>(record: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(record, |value, key| &value[key])
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    let text = value.as_str();
    match kind {
        "keyword" | "wildcard" | "match_only_text" => text.is_some_and(|text| !text.is_empty()),
        "date" => text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        "ip" => text.is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "long" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        _ => false,
    }
}

/// What is wrong with a document by the schema; nothing below `azure` and `farsign`, which are no part of it.
fn problems(record: &Value, facts: &Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    paths(record, "", &["azure", "farsign"], &mut found);
    let arrays = text_list(&facts["arrays"]);
    let mut problems = Vec::new();
    for path in found.iter().filter(|path| !["azure", "farsign"].contains(&path.as_str())) {
        // A point is one field, whose halves are not.
        let point = path.strip_suffix(".lat").or(path.strip_suffix(".lon"));
        if let Some(point) = point.filter(|point| facts["fields"][*point] == "geo_point") {
            assert_eq!(keys(at(record, point)), ["lat", "lon"]);
            continue;
        }
        let Some(kind) = facts["fields"][path].as_str() else {
            problems.push(format!("`{path}` is no field"));
            continue;
        };
        let value = at(record, path);
        if value.is_array() != arrays.contains(&path.as_str()) {
            problems.push(format!("`{path}` is a list, or should be one"));
        }
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in values {
            if !is_of_type(&value, kind) {
                problems.push(format!("`{path}`: {value} is no {kind}"));
            }
            let allowed = &facts["allowed"][path];
            if !allowed.is_null() && !text_list(allowed).contains(&value.as_str().unwrap_or_default()) {
                problems.push(format!("`{path}`: {value} is not allowed"));
            }
        }
    }
    problems
}

#[test]
fn every_document_is_valid_by_the_schema() {
    let facts = facts();
    for detection in shapes() {
        let record = ecs(&detection);
        assert_eq!(problems(&record, &facts), Vec::<String>::new());
        for category in text_list(&record["event"]["category"]) {
            for kind in text_list(&record["event"]["type"]) {
                let expected = text_list(&facts["expectedTypes"][category]);
                assert!(expected.contains(&kind), "{kind} is not expected of {category}");
            }
        }
        let azure = &record["azure"];
        let known = |value: &Value, names: &str| {
            let names = text_list(&facts["azure"][names]);
            keys(value).into_iter().all(|key| names.contains(&key))
        };
        assert!(known(azure, "object"), "{azure}");
        assert!(known(&azure["identityprotection"], "identityprotection"), "{azure}");
        assert!(known(&azure["identityprotection"]["properties"], "properties"), "{azure}");
    }
}

/// Near misses, so that the table is known to bite.
#[test]
fn what_the_schema_does_not_have_is_found() {
    let check = |path: &[&str], value: Value, expected: &str| {
        let mut record = ecs(&detection(RiskEventType::NewCountry));
        let (last, before) = path.split_last().unwrap();
        let object = before.iter().fold(&mut record, |value, key| &mut value[*key]);
        object[*last] = value;
        assert_eq!(problems(&record, &facts()), [expected]);
    };
    check(&["event", "colour"], "red".into(), "`event.colour` is no field");
    check(&["riskState"], "atRisk".into(), "`riskState` is no field");
    check(&["event", "kind"], "alarm".into(), "`event.kind`: \"alarm\" is not allowed");
    check(&["event", "severity"], 7.5.into(), "`event.severity`: 7.5 is no long");
    check(&["related", "ip"], "203.0.113.7".into(), "`related.ip` is a list, or should be one");
    check(&["source", "ip"], "203.0.113".into(), "`source.ip`: \"203.0.113\" is no ip");
}

#[test]
fn severities_and_scores_are_on_elastics_scale() {
    let check = |state, level, score, severity: u64, norm: f64| {
        let record = ecs(&Detection { state, level, score, ..detection(RiskEventType::NewCountry) });
        let event = &record["event"];
        assert_eq!(event["severity"], severity);
        assert_eq!(event["risk_score"], score);
        assert_eq!(event["risk_score_norm"], norm);
    };
    check(RiskState::AtRisk, RiskLevel::Low, 40, 21, 21.0);
    check(RiskState::AtRisk, RiskLevel::Medium, 65, 47, 47.0);
    check(RiskState::AtRisk, RiskLevel::High, 85, 73, 73.0);
    check(RiskState::ConfirmedCompromised, RiskLevel::High, 100, 99, 99.0);
    check(RiskState::Dismissed, RiskLevel::High, 85, 73, 0.0);
}

#[test]
fn the_span_holds_everything_that_it_rests_on() {
    let record = ecs(&detection(RiskEventType::ImpossibleTravel));
    assert_eq!(record["event"]["start"], "2026-03-01T20:20:00.0000000Z");
    assert_eq!(record["event"]["end"], "2026-03-01T21:20:00.1234567Z");
    // An attack that went on after the sign-in.
    let record = ecs(&attacked());
    assert_eq!(record["event"]["start"], "2026-03-01T19:40:00.0000000Z");
    assert_eq!(record["event"]["end"], "2026-03-01T21:30:00.0000000Z");
}

#[test]
fn an_outcome_is_of_a_sign_in() {
    let outcome = |detection: &Detection| ecs(detection)["event"].get("outcome").cloned();
    let mut stopped = detection(RiskEventType::NewCountry);
    assert_eq!(outcome(&stopped), Some("success".into()));
    // Most providers have no code.
    for (ended, expected) in [
        (Outcome::Blocked, "failure"),
        (Outcome::Failed, "failure"),
        (Outcome::Interrupted, "unknown"),
        (Outcome::Success, "success"),
    ] {
        stopped.subject.outcome = Some(ended);
        assert_eq!(outcome(&stopped), Some(expected.into()));
    }
    assert_eq!(outcome(&without_finding()), None);
}
