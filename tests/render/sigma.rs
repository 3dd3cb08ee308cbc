//! The flat form against the names and values that public Sigma rules match on (`tests/sigma`).

use farsign::engine::finding::RiskEventType;
use farsign::engine::signin::Outcome;
use farsign::render::{self, ImpossibleTravelName, OutputFormat, RenderContext};
use serde_json::Value;

use super::forms::{parsed, shapes};
use super::{context, detection, graph_facts, keys, text_list};

fn facts() -> Value {
    serde_json::from_str(include_str!("../sigma/risk-detection.json")).unwrap()
}

#[test]
fn every_event_is_flat_and_has_every_key() {
    let facts = facts();
    let mut expected = text_list(&facts["graphNames"]);
    expected.extend(text_list(&facts["ownNames"]));
    expected.sort_unstable();
    for detection in shapes() {
        let mut event = parsed(&detection, OutputFormat::Sigma);
        let shadow = event.as_object_mut().unwrap().remove("shadowPolicy");
        assert_eq!(shadow.is_some(), detection.shadow.is_some());
        let mut found = keys(&event);
        found.sort_unstable();
        assert_eq!(found, expected);
        // Two names that differ in case are one column for a rule engine on top of SQL.
        let mut folded: Vec<String> = found.iter().map(|key| key.to_lowercase()).collect();
        folded.dedup();
        assert_eq!(folded.len(), found.len());
        for (key, value) in event.as_object().unwrap() {
            assert!(key.chars().all(|c| c.is_ascii_alphanumeric()), "`{key}`");
            let flat = match value {
                Value::Object(_) => false,
                Value::Array(list) => list.iter().all(Value::is_string),
                Value::String(text) => !text.starts_with(['{', '[']),
                _ => true,
            };
            assert!(flat, "`{key}` holds {value}");
        }
    }
}

/// What the rules can find is found: each value that a kind of ours has, in the rules' spelling.
#[test]
fn public_rules_match() {
    let facts = facts();
    let field = facts["field"].as_str().unwrap();
    let context = RenderContext {
        format: OutputFormat::Sigma,
        impossible_travel_name: ImpossibleTravelName::Plain,
        ..context()
    };
    let written: Vec<String> = RiskEventType::ALL
        .into_iter()
        .map(|kind| {
            let mut line = Vec::new();
            render::write(&detection(kind), &context, &mut line);
            let event: Value = serde_json::from_slice(&line).unwrap();
            event[field].as_str().unwrap().to_owned()
        })
        .collect();
    let matched: Vec<&str> =
        text_list(&facts["values"]).into_iter().filter(|value| written.iter().any(|name| name == value)).collect();
    assert_eq!(matched, text_list(&facts["found"]));
}

#[test]
fn members_of_enumerations_are_graphs() {
    let graph = graph_facts();
    for detection in shapes() {
        let event = parsed(&detection, OutputFormat::Sigma);
        for (property, members) in graph["enums"].as_object().unwrap() {
            let Some(text) = event[property].as_str() else { continue };
            let own = property == "riskEventType" && text_list(&graph["ownRiskEventTypes"]).contains(&text);
            assert!(own || text_list(members).contains(&text), "`{text}` is no member of {property}");
        }
    }
}

/// Rules take 0 for a success.
#[test]
fn only_a_success_has_the_code_of_one() {
    let code = |outcome: Option<Outcome>, error_code: u32| {
        let mut found = detection(RiskEventType::NewCountry);
        (found.subject.outcome, found.subject.error_code) = (outcome, error_code);
        parsed(&found, OutputFormat::Sigma)["errorCode"].clone()
    };
    assert_eq!(code(Some(Outcome::Success), 0), 0);
    for stopped in [Outcome::Blocked, Outcome::Failed, Outcome::Interrupted] {
        assert_eq!(code(Some(stopped), 0), Value::Null, "the provider has no codes");
        assert_eq!(code(Some(stopped), 50_074), 50_074);
    }
    assert_eq!(code(None, 0), Value::Null, "only a summary is kept");
}
