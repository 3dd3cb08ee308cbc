//! `farsign diff` as a process: files of detections, and configurations on the same logs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "common/cli.rs"]
mod cli;

use std::collections::BTreeSet;
use std::path::Path;

use cli::{farsign, run, session};
use serde_json::{Value, json};
use tempfile::TempDir;

const SCHEMA_PATH: &str = "docs/difference.schema.json";

/// A detection as `farsign replay` writes it, as far as it is read; `change` is put over it.
fn detection(id: &str, kind: &str, level: &str, score: u8, change: Value) -> Value {
    let mut line = json!({
        "id": id, "requestId": format!("sign-in-{id}"), "riskEventType": kind, "riskState": "atRisk", "riskLevel": level,
        "riskDetail": "none", "riskScore": score, "activityDateTime": "2026-03-03T12:00:00.0000000Z", "userId": "u1",
        "userPrincipalName": "alice@fjord.example",
        "farsign": {
            "sentence": format!("What {id} is."), "suppressedBy": null, "configurationHash": "00000000000000aa",
            "evidence": {"thresholds": [{"key": "new_country.min_bits", "value": 6.0}]},
        },
    });
    merge(&mut line, &change);
    line
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn write(path: &Path, lines: &[Value]) {
    std::fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn every_change_has_its_cause() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let none = json!({});
    let stricter = json!({"farsign": {"configurationHash": "00000000000000bb",
        "evidence": {"thresholds": [{"key": "new_country.min_bits", "value": 9.0}]}}});
    let suppressed = json!({"farsign": {"suppressedBy": "usualPlaces"}});
    let withdrawn = json!({"riskState": "dismissed", "riskDetail": "aiConfirmedSigninSafe"});
    let bare = json!({"farsign": {"evidence": null, "sentence": null}});
    let travel = json!({"requestId": "sign-in-moved",
        "farsign": {"evidence": {"thresholds": [{"key": "impossible_travel.max_speed_kmh", "value": 1000.0}]}}});
    let first = [
        detection("same", "newCountry", "low", 30, none.clone()),
        detection("rescored", "newCountry", "low", 30, none.clone()),
        detection("raised", "newCountry", "low", 30, none.clone()),
        detection("lowered", "anomalousToken", "high", 90, json!({"farsign": {"evidence": {"thresholds": []}}})),
        detection("gone", "newCountry", "medium", 55, none.clone()),
        detection("gone-2", "newCountry", "medium", 60, json!({"userPrincipalName": "bob@fjord.example"})),
        detection("silenced", "newCountry", "low", 31, none.clone()),
        detection("taken-back", "newCountry", "low", 32, none.clone()),
        detection("moved", "mcasImpossibleTravel", "high", 80, travel.clone()),
        // Neither stands in the second nor here.
        detection("never", "newCountry", "low", 30, suppressed.clone()),
        // The last version counts, and one without evidence keeps what was told.
        detection("updated", "newCountry", "low", 30, none.clone()),
        detection("updated", "newCountry", "low", 30, bare),
    ];
    let mut second = vec![
        detection("same", "newCountry", "low", 30, none.clone()),
        detection("rescored", "newCountry", "low", 33, none.clone()),
        detection("raised", "newCountry", "medium", 52, stricter.clone()),
        detection("lowered", "anomalousToken", "medium", 60, json!({"farsign": {"evidence": {"thresholds": []}}})),
        detection("silenced", "newCountry", "low", 31, suppressed),
        detection("taken-back", "newCountry", "low", 32, withdrawn),
        detection(
            "instead",
            "anomalousToken",
            "medium",
            58,
            json!({"requestId": "sign-in-moved", "farsign": {"evidence": {"thresholds": []}}}),
        ),
        detection("new-type", "riskyIPAddress", "low", 20, json!({"farsign": {"evidence": {"thresholds": []}}})),
        detection("updated", "newCountry", "low", 30, none),
    ];
    for line in &mut second {
        if line["riskEventType"] == "newCountry" {
            merge(line, &stricter);
        }
    }
    write(&folder.join("first.ndjson"), &first);
    write(&folder.join("second.ndjson"), &second);
    insta::assert_snapshot!(
        "every_change",
        session(folder, &["diff", "first.ndjson", "second.ndjson", "--json", "d.json"])
    );
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join("d.json")).unwrap()).unwrap();
    let counts = ["first", "second", "same", "rescored", "appeared", "vanished", "raised", "lowered"];
    assert_eq!(counts.map(|key| report[key].as_u64().unwrap()), [10, 7, 2, 1, 2, 5, 1, 1]);
    let turned = run(folder, &["diff", "second.ndjson", "first.ndjson"]);
    assert!(turned.contains("detections.new_country.min_bits is 9, then 6"), "{turned}");
}

#[test]
fn a_file_against_itself_is_the_same() {
    let folder = TempDir::new().unwrap();
    write(&folder.path().join("one.ndjson"), &[detection("a", "newCountry", "low", 30, json!({}))]);
    insta::assert_snapshot!("nothing_changes", session(folder.path(), &["diff", "one.ndjson", "one.ndjson"]));
}

#[test]
fn mistakes_are_told() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    write(&folder.join("one.ndjson"), &[detection("a", "newCountry", "low", 30, json!({}))]);
    std::fs::write(folder.join("ecs.ndjson"), "{\"event\":{\"kind\":\"alert\"}}\n").unwrap();
    std::fs::write(folder.join("bad.yaml"), "detections: {new_country: {min_bit: 3}}\n").unwrap();
    std::fs::write(folder.join("base.yaml"), "").unwrap();
    std::fs::write(folder.join("empty.ndjson"), "").unwrap();
    for (name, arguments) in [
        ("one_file_only", vec!["one.ndjson"]),
        ("another_form", vec!["one.ndjson", "ecs.ndjson"]),
        ("a_file_that_is_not_there", vec!["one.ndjson", "none.ndjson"]),
        ("an_empty_file", vec!["empty.ndjson", "one.ndjson"]),
        ("a_shadow_policy_that_is_not_there", vec!["one.ndjson", "one.ndjson", "--policy", "nope"]),
        ("stdin_twice", vec!["-", "-"]),
        ("a_base_with_problems", vec!["-c", "bad.yaml", "--against", "base.yaml", "one.ndjson"]),
        ("a_configuration_with_problems", vec!["--against", "bad.yaml", "one.ndjson"]),
        ("configurations_that_judge_alike", vec!["--against", "base.yaml", "one.ndjson"]),
    ] {
        insta::assert_snapshot!(name, session(folder, &[vec!["diff"], arguments].concat()));
    }
}

#[test]
fn one_of_the_two_may_come_from_stdin() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    write(&folder.join("one.ndjson"), &[detection("a", "newCountry", "low", 30, json!({}))]);
    write(&folder.join("two.ndjson"), &[detection("a", "newCountry", "high", 90, json!({}))]);
    let told = run(folder, &["diff", "one.ndjson", "two.ndjson"]);
    let piped = |arguments: [&str; 3], file: &str| {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        farsign(folder, &arguments).write_stdin(bytes).assert().success().get_output().stdout.clone()
    };
    assert_eq!(piped(["diff", "-", "two.ndjson"], "one.ndjson"), told.as_bytes());
    assert_eq!(piped(["diff", "one.ndjson", "-"], "two.ndjson"), told.as_bytes());
}

#[test]
fn logs_that_tell_nothing_are_a_problem() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("second.yaml"), "detections: {new_country: {min_bits: 9}}\n").unwrap();
    std::fs::write(folder.join("empty.ndjson"), "").unwrap();
    std::fs::write(folder.join("garbage.ndjson"), "what\nis\nthis\n").unwrap();
    for (name, input) in [("empty_logs", "empty.ndjson"), ("logs_that_cannot_be_read", "garbage.ndjson")] {
        let told = session(folder, &["diff", "--against", "second.yaml", "--json", "d.json", input]);
        insta::assert_snapshot!(name, told);
        let report: Value = serde_json::from_slice(&std::fs::read(folder.join("d.json")).unwrap()).unwrap();
        assert_ne!(report["configHashes"][0], report["configHashes"][1], "{input}");
    }
    let size = ["--users", "20", "--days", "4", "--seed", "1", "--form", "entra-lean"];
    run(folder, &[&["simulate", "-o", "whole.ndjson.zst"], size.as_slice()].concat());
    let bytes = std::fs::read(folder.join("whole.ndjson.zst")).unwrap();
    std::fs::write(folder.join("cut.ndjson.zst"), &bytes[..bytes.len() / 2]).unwrap();
    for (input, code) in [("whole.ndjson.zst", 0), ("cut.ndjson.zst", 1)] {
        farsign(folder, &["diff", "--against", "second.yaml", input]).assert().code(code);
    }
    let told = run(folder, &["diff", "--against", "second.yaml", "--from", "2026-03-03", "whole.ndjson.zst"]);
    let told: String = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("(0 rejected; filtered: outsideTime"), "{told}");
}

#[test]
fn configurations_are_compared_on_logs_as_their_replays_are() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let size = ["--users", "60", "--days", "35", "--seed", "9301", "--form", "entra-lean"];
    run(folder, &[&["simulate", "-o", "signins.ndjson"], size.as_slice()].concat());
    std::fs::write(
        folder.join("second.yaml"),
        "detections: {unfamiliar_features: {low_bits: 12}, new_country: {enabled: false}}\n",
    )
    .unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip-test-data");
    let database = |name: &str| data.join(format!("farsign-test-{name}.mmdb")).display().to_string();
    let (city, asn) = (database("City"), database("ASN"));
    let tables = ["--city-db", &city, "--asn-db", &asn, "signins.ndjson"];
    let told = run(
        folder,
        &[["diff", "--against", "second.yaml", "--json", "d.json"].as_slice(), tables.as_slice()].concat(),
    );
    for part in [
        "detections.new_country.enabled is true, then false",
        "detections.unfamiliar_features.low_bits is 8.25, then 12",
    ] {
        let told: String = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(part) || told.replace("┆ ", "").contains(part), "{part}: {told}");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join("d.json")).unwrap()).unwrap();
    // What two replays give, by hand.
    for (arguments, output) in [(vec![], "a.ndjson"), (vec!["-c", "second.yaml"], "b.ndjson")] {
        run(folder, &[["replay", "-o", output].as_slice(), arguments.as_slice(), tables.as_slice()].concat());
    }
    let [first, second] = ["a.ndjson", "b.ndjson"].map(|name| standing(&folder.join(name)));
    assert!(first.len() > 50, "{}", first.len());
    assert_eq!(report["first"], first.len());
    assert_eq!(report["second"], second.len());
    assert_eq!(report["vanished"], first.difference(&second).count());
    assert_eq!(report["appeared"], second.difference(&first).count());
    assert!(report["vanished"].as_u64().unwrap() > 10);
}

/// Ids of what stands in the end.
fn standing(path: &Path) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let id = line["id"].as_str().unwrap().to_owned();
        if line["riskDetail"] == "aiConfirmedSigninSafe" {
            ids.remove(&id);
        } else {
            ids.insert(id);
        }
    }
    ids
}

/// `UPDATE_GENERATED=1 cargo test` rewrites the file.
#[test]
fn the_published_schema_is_up_to_date() {
    let generator = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.contract = schemars::generate::Contract::Serialize)
        .into_generator();
    let schema = generator.into_root_schema_for::<farsign::diff::Report>().to_value();
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA_PATH);
    #[expect(clippy::disallowed_methods, reason = "a switch of the developer's, not of the program")]
    if std::env::var("UPDATE_GENERATED").is_ok() {
        std::fs::write(&path, &text).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(published == text, "run UPDATE_GENERATED=1 cargo test --test diff");
}
