//! `farsign explain` as a process: its verdict is the replay's, and it says what would have had to differ.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "common/cli.rs"]
mod cli;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cli::{farsign, run, session};
use farsign::engine::detect::knobs::KNOBS;
use serde_json::{Value, json};
use tempfile::TempDir;

type Findings = BTreeMap<String, (String, Value)>;

/// Detections of each sign-in as they stand in the end: type → level, and what silenced it.
fn replayed(path: &Path) -> BTreeMap<String, Findings> {
    let mut by_sign_in: BTreeMap<String, Findings> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(request) = line["requestId"].as_str() else { continue };
        let kind = line["riskEventType"].as_str().unwrap().to_owned();
        let findings = by_sign_in.entry(request.to_owned()).or_default();
        if line["riskDetail"] == "aiConfirmedSigninSafe" {
            findings.remove(&kind);
        } else {
            let level = line["riskLevel"].as_str().unwrap().to_owned();
            findings.insert(kind, (level, line["farsign"]["suppressedBy"].clone()));
        }
    }
    by_sign_in
}

#[test]
fn the_verdict_is_that_of_a_replay() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let size = ["--users", "60", "--days", "30", "--seed", "9301", "--form", "entra-lean"];
    run(folder, &[&["simulate", "-o", "signins.ndjson"], size.as_slice()].concat());
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip-test-data");
    let database = |name: &str| data.join(format!("farsign-test-{name}.mmdb")).display().to_string();
    let (city, asn) = (database("City"), database("ASN"));
    let tables = ["--city-db", &city, "--asn-db", &asn, "signins.ndjson"];
    run(folder, &[["replay", "--emit-suppressed", "-o", "d.ndjson"].as_slice(), tables.as_slice()].concat());
    let by_sign_in = replayed(&folder.join("d.ndjson"));
    assert!(by_sign_in.len() > 100, "{}", by_sign_in.len());
    let mut of_type: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (request, findings) in &by_sign_in {
        for kind in findings.keys() {
            of_type.entry(kind).or_default().push(request);
        }
    }
    assert!(of_type.len() >= 5, "{:?}", of_type.keys());
    // One of each type.
    let chosen: BTreeSet<&str> = of_type.values().map(|requests| requests[requests.len() / 2]).collect();
    for request in chosen {
        let expected = &by_sign_in[request];
        let told =
            run(folder, &[["explain", "--json", "--sign-in", request].as_slice(), tables.as_slice()].concat());
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["requestId"], request);
        let findings: Findings = told["examined"]["detections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| {
                let text = |key: &str| finding[key].as_str().unwrap().to_owned();
                (text("type"), (text("level"), finding["suppressedBy"].clone()))
            })
            .collect();
        assert_eq!(&findings, expected, "{request}");
        // The state after differs by this sign-in alone.
        let events = |state: &str| told[state]["tail"]["entries"].as_u64().unwrap();
        assert_eq!(events("after"), events("before") + 1, "{request}");
    }
}

const OSLO: (&str, &str, f64, f64) = ("Oslo", "NO", 59.91, 10.75);
const NEW_YORK: (&str, &str, f64, f64) = ("New York", "US", 40.71, -74.01);

/// Two users' days: one travels too fast, and mistypes; of the other a stranger has the password alone. One record is of no user.
fn small(folder: &Path) {
    let sign_in = |id: &str,
                   user: &str,
                   time: &str,
                   (city, country, latitude, longitude): (&str, &str, f64, f64)| {
        let address = if country == "NO" { "192.0.2.1" } else { "198.51.100.7" };
        json!({
            "type": "signIn", "tenantId": "t", "id": id, "userId": user, "userPrincipalName": format!("{user}@fjord.example"),
            "time": format!("2026-03-{time}:00Z"), "outcome": "success", "ipAddress": address,
            "location": {"city": city, "country": country, "latitude": latitude, "longitude": longitude},
        })
    };
    let mut records: Vec<Value> = Vec::new();
    for day in 1..=20 {
        records.push(sign_in(&format!("a{day}"), "alice", &format!("{day:02}T08:00"), OSLO));
        records.push(sign_in(&format!("b{day}"), "bob", &format!("{day:02}T09:00"), OSLO));
    }
    let mut wrong = sign_in("typo", "alice", "20T09:50", OSLO);
    wrong["outcome"] = json!("failed");
    wrong["credential"] = json!("wrong");
    records.push(wrong);
    records.push(sign_in("attack", "alice", "20T10:00", NEW_YORK));
    let mut stopped = sign_in("stopped", "bob", "20T18:00", NEW_YORK);
    stopped["outcome"] = json!("blocked");
    stopped["credential"] = json!("right");
    stopped["mfa"] = json!("denied");
    stopped["appDisplayName"] = json!("Mail");
    records.push(stopped);
    records.push(json!({"category": "ServicePrincipalSignInLogs", "properties": {"id": "workload"}}));
    let text: String = records.iter().map(|record| format!("{record}\n")).collect();
    std::fs::write(folder.join("signins.ndjson"), text).unwrap();
}

#[test]
fn sessions() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    small(folder);
    std::fs::write(folder.join("slow.yaml"), "detections: {impossible_travel: {max_speed_kmh: 5000}}\n").unwrap();
    std::fs::write(folder.join("late.yaml"), "detections: {new_country: {learning_days: 90}}\n").unwrap();
    let cases: [(&str, &[&str]); 14] = [
        ("impossible_travel", &["--sign-in", "attack"]),
        ("a_near_miss", &["--sign-in", "attack", "--config", "slow.yaml"]),
        ("an_everyday_sign_in", &["--user", "Bob@fjord.example", "--at", "2026-03-15T12:00:00Z"]),
        ("a_wrong_password", &["--sign-in", "typo"]),
        ("a_sign_in_that_is_not_there", &["--sign-in", "nobody"]),
        ("a_user_who_is_not_there", &["--user", "carol"]),
        ("a_time_that_is_none", &["--user", "bob", "--at", "yesterday"]),
        ("a_date", &["--user", "bob", "--at", "2026-03-16"]),
        ("a_time_beside_a_sign_in", &["--sign-in", "attack", "--at", "2026-03-16"]),
        ("nothing_that_is_asked_for", &[]),
        ("a_sign_in_that_was_stopped", &["--sign-in", "stopped"]),
        ("a_user_who_is_learnt", &["--sign-in", "attack", "--config", "late.yaml"]),
        ("a_record_that_is_skipped", &["--sign-in", "workload"]),
        ("a_sign_in_that_is_left_out", &["--sign-in", "attack", "--users", "bob"]),
    ];
    for (name, arguments) in cases {
        let arguments = [&["explain", "--threads", "1"], arguments, &["signins.ndjson"]].concat();
        insta::assert_snapshot!(format!("explain_{name}"), session(folder, &arguments));
    }
}

/// The value that is named is one at which it is otherwise; the threshold beside it is not.
#[test]
fn a_turn_is_where_it_turns() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    small(folder);
    let explain = |speed: f64| -> Value {
        let config = format!("detections: {{impossible_travel: {{max_speed_kmh: {speed}}}}}\n");
        std::fs::write(folder.join("farsign.yaml"), config).unwrap();
        let told =
            run(folder, &["explain", "--json", "--sign-in", "attack", "-c", "farsign.yaml", "signins.ndjson"]);
        serde_json::from_str(&told).unwrap()
    };
    let travels = |told: &Value| {
        let found = told["examined"]["detections"].as_array().unwrap();
        found.iter().any(|finding| finding["type"] == "mcasImpossibleTravel")
    };
    let told = explain(1_000.0);
    let turn = told["examined"]["turns"]
        .as_array()
        .unwrap()
        .iter()
        .find(|turn| turn["key"] == "detections.impossible_travel.max_speed_kmh");
    let turn = turn.unwrap();
    assert!(travels(&told) && turn["stands"] == true);
    let at = turn["turnsAt"].as_f64().unwrap();
    let speed = told["examined"]["travel"]["speedKmh"].as_f64().unwrap();
    assert!((at - speed).abs() < 1.0, "{at} is about {speed}");
    assert!(!travels(&explain(at.ceil() + 1.0)));
    assert!(travels(&explain(at.floor() - 1.0)));
}

/// Every value that is suggested is one that `farsign check` accepts, with what moves with it, and at which it is otherwise.
#[test]
fn what_is_suggested_is_permitted_and_turns_it() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    small(folder);
    // JSON is YAML.
    let explain = |config: &Value, id: &str| -> Value {
        std::fs::write(folder.join("farsign.yaml"), config.to_string()).unwrap();
        farsign(folder, &["check", "-c", "farsign.yaml"]).assert().success();
        let told = run(folder, &["explain", "--json", "--sign-in", id, "-c", "farsign.yaml", "signins.ndjson"]);
        serde_json::from_str(&told).unwrap()
    };
    // So near that the others must move, too.
    let near = json!({"detections": {"unfamiliar_features": {"medium_bits": 8.3, "high_bits": 8.35}}});
    let stands = |told: &Value, kind: &Value| {
        let found = told["examined"]["detections"].as_array().unwrap();
        found.iter().any(|finding| finding["type"] == *kind && finding["suppressedBy"].is_null())
    };
    let mut moved = 0;
    let mut begun = 0;
    for id in ["attack", "stopped"] {
        let told = explain(&near, id);
        let turns = told["examined"]["turns"].as_array().unwrap();
        assert!(turns.len() >= 3, "{turns:?}");
        for turn in turns {
            let mut changed = near.clone();
            for change in std::iter::once(turn).chain(turn["others"].as_array().unwrap()) {
                let key = change["key"].as_str().unwrap();
                let (section, field) = key.strip_prefix("detections.").unwrap().split_once('.').unwrap();
                let at = change["turnsAt"].as_f64().unwrap();
                // Whole numbers are written so.
                changed["detections"][section][field] =
                    if at.fract() == 0.0 { json!(at as u64) } else { json!(at) };
            }
            moved += turn["others"].as_array().unwrap().len();
            assert_eq!(stands(&told, &turn["type"]), turn["stands"].as_bool().unwrap(), "{turn}");
            begun += usize::from(turn["stands"] == false);
            let otherwise = explain(&changed, id);
            assert_ne!(stands(&otherwise, &turn["type"]), turn["stands"].as_bool().unwrap(), "{turn}");
        }
    }
    assert!(moved > 0 && begun > 0, "{moved} {begun}");
}

/// What a threshold is turned within is what the configuration permits.
#[test]
fn ranges_are_those_of_the_configuration() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/farsign.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    for knob in KNOBS {
        let (section, field) = knob.key.split_once('.').unwrap();
        let key = &schema["properties"]["detections"]["properties"][section]["properties"][field];
        let ends = [&key["minimum"], &key["maximum"]].map(Value::as_f64);
        assert_eq!(ends, knob.range.map(Some), "{}", knob.key);
    }
}

/// What is damaged, or cannot be read at all, is a problem of the input.
#[test]
fn a_damaged_input_is_a_problem() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let size = ["--users", "20", "--days", "10", "--seed", "3"];
    run(folder, &[&["simulate", "-o", "whole.ndjson"], size.as_slice()].concat());
    run(folder, &[&["simulate", "-o", "whole.ndjson.zst"], size.as_slice()].concat());
    let packed = std::fs::read(folder.join("whole.ndjson.zst")).unwrap();
    std::fs::write(folder.join("cut.ndjson.zst"), &packed[..packed.len() / 2]).unwrap();
    let text = std::fs::read_to_string(folder.join("whole.ndjson")).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let user = first["properties"]["userPrincipalName"].as_str().unwrap();
    farsign(folder, &["explain", "--user", user, "whole.ndjson.zst"]).assert().code(0);
    let cut = farsign(folder, &["explain", "--user", user, "cut.ndjson.zst"]).assert().code(1);
    assert!(!cut.get_output().stdout.is_empty());
    std::fs::write(folder.join("none.ndjson"), "no JSON\n{}\n").unwrap();
    let none = session(folder, &["explain", "--user", user, "none.ndjson"]);
    assert!(
        none.starts_with("exit 1") && none.contains("none of the 2 records can be read: malformed 1"),
        "{none}"
    );
}
