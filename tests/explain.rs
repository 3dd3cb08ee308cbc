//! `farsign explain` as a process: its verdict is the replay's, and it says what would have had to differ.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "common/cli.rs"]
mod cli;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cli::{run, session};
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

/// Two users' days: one travels too fast, and mistypes.
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
    let text: String = records.iter().map(|record| format!("{record}\n")).collect();
    std::fs::write(folder.join("signins.ndjson"), text).unwrap();
}

#[test]
fn sessions() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    small(folder);
    std::fs::write(folder.join("slow.yaml"), "detections: {impossible_travel: {max_speed_kmh: 5000}}\n").unwrap();
    let cases: [(&str, &[&str]); 7] = [
        ("impossible_travel", &["--sign-in", "attack"]),
        ("a_near_miss", &["--sign-in", "attack", "--config", "slow.yaml"]),
        ("an_everyday_sign_in", &["--user", "Bob@fjord.example", "--at", "2026-03-15T12:00:00Z"]),
        ("a_wrong_password", &["--sign-in", "typo"]),
        ("a_sign_in_that_is_not_there", &["--sign-in", "nobody"]),
        ("a_user_who_is_not_there", &["--user", "carol"]),
        ("a_time_that_is_none", &["--user", "bob", "--at", "yesterday"]),
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
        .find(|turn| turn["key"] == "impossible_travel.max_speed_kmh");
    let turn = turn.unwrap();
    assert!(travels(&told) && turn["stands"] == true);
    let at = turn["turnsAt"].as_f64().unwrap();
    let speed = told["examined"]["travel"]["speedKmh"].as_f64().unwrap();
    assert!((at - speed).abs() < 1.0, "{at} is about {speed}");
    assert!(!travels(&explain(at.ceil() + 1.0)));
    assert!(travels(&explain(at.floor() - 1.0)));
}
