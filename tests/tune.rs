//! `farsign tune` as a process: each variant gives what a replay gives, figures are counted again, and mistakes are told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "common/cli.rs"]
mod cli;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cli::{databases, farsign, run, session};
use serde_json::{Value, json};
use tempfile::TempDir;

const SCHEMA_PATH: &str = "docs/tuning.schema.json";

/// The command with the test databases.
fn with_databases<'a>(arguments: &[&'a str], databases: &'a [String]) -> Vec<&'a str> {
    arguments.iter().copied().chain(databases.iter().map(String::as_str)).collect()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A simulated organisation under attack, with what is true of it.
fn simulated(folder: &Path) {
    let size = ["--users", "60", "--days", "35", "--seed", "9301", "--form", "entra-lean"];
    run(folder, &[&["simulate", "--labels", "labels.ndjson", "-o", "signins.ndjson"], size.as_slice()].concat());
}

const GRID: [&str; 4] = [
    "--set",
    "detections.unfamiliar_features.low_bits=6.25..12.25:6",
    "--set",
    "detections.impossible_travel.max_speed_kmh=700,1000",
];

/// What stands of the detections in a file: the last version of each.
fn standing(path: &Path) -> Vec<Value> {
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    for line in lines(path) {
        last.insert(line["id"].as_str().unwrap().to_owned(), line);
    }
    let withdrawn = |line: &Value| line["riskDetail"] == "aiConfirmedSigninSafe";
    last.into_values().filter(|line| !withdrawn(line) && line["farsign"]["suppressedBy"].is_null()).collect()
}

#[test]
fn each_variant_raises_what_a_replay_raises_byte_for_byte() {
    let folder = TempDir::new().unwrap();
    let (folder, databases) = (folder.path(), databases());
    simulated(folder);
    std::fs::write(folder.join("calm.yaml"), "detections: {new_country: {enabled: false}}\n").unwrap();
    let tune = |threads: &str, into: &str| {
        let arguments =
            ["tune", "--output-dir", into, "--threads", threads, "--variant", "calm.yaml", "signins.ndjson"];
        run(folder, &with_databases(&[&arguments, GRID.as_slice()].concat(), &databases))
    };
    assert_eq!(tune("1", "one"), tune("3", "three"));
    let mut different = BTreeSet::new();
    for number in 0..5 {
        let (config, detections) = (format!("one/{number:03}.yaml"), format!("{number:03}.ndjson"));
        let replay = ["replay", "--config", &config, "--output", &detections, "signins.ndjson"];
        run(folder, &with_databases(&replay, &databases));
        let bytes = std::fs::read(folder.join(&detections)).unwrap();
        for into in ["one", "three"] {
            assert!(bytes == std::fs::read(folder.join(into).join(&detections)).unwrap(), "{into} {number}");
        }
        different.insert(bytes);
    }
    assert_eq!(different.len(), 5, "every variant differs from every other");
}

#[test]
fn figures_are_those_counted_again_from_what_was_written() {
    let folder = TempDir::new().unwrap();
    let (folder, databases) = (folder.path(), databases());
    simulated(folder);
    let arguments =
        ["tune", "--output-dir", "out", "--json", "report.json", "--labels", "labels.ndjson", "signins.ndjson"];
    run(folder, &with_databases(&[&arguments, GRID.as_slice()].concat(), &databases));
    let report = read_json(&folder.join("report.json"));
    let labels = lines(&folder.join("labels.ndjson"));
    let confirmed: BTreeMap<&str, &str> = labels
        .iter()
        .filter(|label| label["malicious"] == true && label["credentialRight"] == true)
        .map(|label| (label["requestId"].as_str().unwrap(), label["campaign"].as_str().unwrap()))
        .collect();
    let seen = report["labels"]["confirmedSeen"].as_u64().unwrap();
    assert!(seen > 20 && seen <= confirmed.len() as u64, "{seen} of {}", confirmed.len());
    let variants = report["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 5);
    for (variant, number) in variants.iter().zip(0..) {
        let alerts = standing(&folder.join(format!("out/{number:03}.ndjson")));
        let of = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(variant["alerts"], alerts.len(), "{number}");
        let users: BTreeSet<String> = alerts.iter().map(|line| of(line, "userId")).collect();
        assert_eq!(variant["users"], users.len(), "{number}");
        let mut by_type: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for line in &alerts {
            let by_level = by_type.entry(of(line, "riskEventType")).or_default();
            *by_level.entry(of(line, "riskLevel")).or_default() += 1;
        }
        assert_eq!(variant["detections"], json!(by_type), "{number}");
        let caught: BTreeSet<String> = alerts
            .iter()
            .map(|line| of(line, "requestId"))
            .filter(|id| confirmed.contains_key(id.as_str()))
            .collect();
        let incidents: BTreeSet<&str> = caught.iter().map(|id| confirmed[id.as_str()]).collect();
        let labelled = &variant["labelled"];
        assert_eq!(labelled["recall"], caught.len() as f64 / seen as f64, "{number}");
        let incidents_seen = report["labels"]["incidentsSeen"].as_u64().unwrap();
        assert_eq!(labelled["incidentRecall"], incidents.len() as f64 / incidents_seen as f64, "{number}");
        let right = alerts.iter().filter(|line| confirmed.contains_key(of(line, "requestId").as_str())).count();
        let echoes = alerts
            .iter()
            .filter(|line| !confirmed.contains_key(of(line, "requestId").as_str()))
            .filter(|line| {
                let reference = line["farsign"]["evidence"]["reference"]["requestId"].as_str();
                reference.is_some_and(|id| confirmed.contains_key(id))
            })
            .count();
        assert_eq!(labelled["confirmedAlerts"], right, "{number}");
        assert_eq!(labelled["echoes"], echoes, "{number}");
        assert_eq!(labelled["unconfirmedAlerts"], alerts.len() - right - echoes, "{number}");
        let days = report["stream"]["activeUserDays"].as_f64().unwrap();
        assert_eq!(variant["alertRate"], alerts.len() as f64 * 1_000.0 / days, "{number}");
        let curve = labelled["curve"].as_array().unwrap();
        assert!(curve.len() > 10, "{number}");
        let falls = |key: &str| curve.windows(2).all(|pair| pair[0][key].as_f64() >= pair[1][key].as_f64());
        assert!(falls("recall") && falls("alertRate") && falls("unconfirmedRate"), "{number}");
    }
}

#[test]
fn the_front_is_what_no_variant_beats_and_a_budget_is_kept() {
    let folder = TempDir::new().unwrap();
    let (folder, databases) = (folder.path(), databases());
    simulated(folder);
    let set = "detections.unfamiliar_features.low_bits=4.25..12.25:2";
    let tune = |budget: &str| {
        let arguments = [
            "tune",
            "--set",
            set,
            "--json",
            "report.json",
            "--labels",
            "labels.ndjson",
            "--budget",
            budget,
            "signins.ndjson",
        ];
        run(folder, &with_databases(&arguments, &databases));
        read_json(&folder.join("report.json"))
    };
    let report = tune("1000");
    let measured: Vec<(f64, f64)> = report["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variant| {
            let labelled = &variant["labelled"];
            (labelled["incidentRecall"].as_f64().unwrap(), labelled["unconfirmedRate"].as_f64().unwrap())
        })
        .collect();
    let front: Vec<usize> = serde_json::from_value(report["paretoFront"].clone()).unwrap();
    let beaten = |(recall, rate): (f64, f64)| {
        measured.iter().any(|(other, at)| (*other >= recall && *at < rate) || (*other > recall && *at <= rate))
    };
    for (number, point) in measured.iter().enumerate() {
        let is_twin = front.iter().any(|other| *other < number && measured[*other] == *point);
        assert_eq!(front.contains(&number), !beaten(*point) && !is_twin, "{number} {point:?}");
    }
    let best = measured.iter().map(|(recall, _)| *recall).fold(0.0, f64::max);
    let chosen = report["recommended"].as_u64().unwrap() as usize;
    assert_eq!(measured[chosen].0, best, "a large budget buys the highest recall");
    let lowest = measured.iter().map(|(_, rate)| *rate).fold(f64::INFINITY, f64::min);
    let tight = tune(&format!("{}", lowest.max(0.01)));
    assert_eq!(measured[tight["recommended"].as_u64().unwrap() as usize].1, lowest);
    if lowest > 0.02 {
        assert!(tune("0.01")["recommended"].is_null(), "no variant is within it");
    }
}

#[test]
fn what_finished_passes_gave_is_not_judged_again() {
    let folder = TempDir::new().unwrap();
    let (folder, databases) = (folder.path(), databases());
    simulated(folder);
    let tune = |values: &str, more: &[&str]| {
        let set = format!("detections.new_country.min_bits={values}");
        let arguments =
            ["tune", "--set", &set, "--labels", "labels.ndjson", "--json", "report.json", "signins.ndjson"];
        let arguments = with_databases(&[&arguments, more].concat(), &databases);
        let output = farsign(folder, &arguments).assert().success().get_output().clone();
        (
            output.stdout,
            String::from_utf8(output.stderr).unwrap(),
            std::fs::read(folder.join("report.json")).unwrap(),
        )
    };
    let (tables, _, report) = tune("3..6:1", &[]);
    let (_, told, _) = tune("3,4", &["--resume", "kept.ndjson"]);
    assert!(told.contains("3 variants, 3 to judge"), "{told}");
    let resume = ["--resume", "kept.ndjson", "--at-once", "1"];
    let (again, told, same) = tune("3..6:1", &resume);
    // The base judges as its own value would.
    let left = told.lines().find(|line| line.contains("to judge")).unwrap();
    assert!(left.contains("4 variants, 1 to judge") || left.contains("5 variants, 2 to judge"), "{told}");
    assert!(again == tables && same == report, "a resumed run says what one run says");
    let (again, told, same) = tune("3..6:1", &resume);
    assert!(told.contains(" 0 to judge") && again == tables && same == report, "{told}");
    let other =
        ["tune", "--set", "detections.new_country.min_bits=3", "--resume", "kept.ndjson", "signins.ndjson"];
    let refused =
        farsign(folder, &with_databases(&other, &databases)).assert().code(2).get_output().stderr.clone();
    assert!(String::from_utf8(refused).unwrap().contains("results of other inputs, labels, tables or options"));
}

/// Two users' days: one travels too fast.
fn small(folder: &Path) {
    let sign_in = |id: &str, user: &str, time: &str, (country, latitude, longitude): (&str, f64, f64)| {
        let address = if country == "NO" { "192.0.2.1" } else { "198.51.100.7" };
        json!({
            "type": "signIn", "tenantId": "t", "id": id, "userId": user, "time": format!("2026-03-{time}:00Z"),
            "outcome": "success", "ipAddress": address,
            "location": {"country": country, "latitude": latitude, "longitude": longitude},
        })
    };
    const OSLO: (&str, f64, f64) = ("NO", 59.91, 10.75);
    const NEW_YORK: (&str, f64, f64) = ("US", 40.71, -74.01);
    let mut records: Vec<Value> = Vec::new();
    for day in 1..=20 {
        records.push(sign_in(&format!("a{day}"), "alice", &format!("{day:02}T08:00"), OSLO));
        records.push(sign_in(&format!("b{day}"), "bob", &format!("{day:02}T09:00"), OSLO));
    }
    records.push(sign_in("attack", "alice", "20T10:00", NEW_YORK));
    let text: String = records.iter().map(|record| format!("{record}\n")).collect();
    std::fs::write(folder.join("signins.ndjson"), text).unwrap();
    std::fs::write(folder.join("labels.csv"), "requestId,verdict\nattack,confirmed\n").unwrap();
}

#[test]
fn sessions() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    small(folder);
    std::fs::write(folder.join("empty.ndjson"), "").unwrap();
    std::fs::write(folder.join("none.csv"), "requestId,verdict\nnobody,confirmed\n").unwrap();
    std::fs::write(folder.join("plan.yaml"), "grid:\n  detections.new_country.min_bits: 4..8\n").unwrap();
    std::fs::write(folder.join("tables.yaml"), "tables: {asn_db: other.mmdb}\n").unwrap();
    std::fs::write(folder.join("dismissed.csv"), "RequestID;Verdict\na3;dismissed\na9;dismissed\n").unwrap();
    std::fs::write(folder.join("no_dismissed.csv"), "requestId,verdict\nnobody,dismissed\n").unwrap();
    std::fs::write(folder.join("labels.txt"), "requestId,verdict\nattack,confirmed\n").unwrap();
    std::fs::write(folder.join("incidents.csv"), "requestId,verdict,incident\nattack,confirmed,one\n").unwrap();
    std::fs::write(folder.join("garbage.ndjson"), "what\nis\nthis\n").unwrap();
    std::fs::write(folder.join("bad.yaml"), "detections: {new_country: {min_bit: 3}}\n").unwrap();
    std::fs::write(folder.join("typos.yaml"), "gird: {}\nvariants:\n  - name: \"\"\n    settings: {a: {b: 1}}\n")
        .unwrap();
    let speeds = "detections.impossible_travel.max_speed_kmh=500..3500:1500";
    let cases: [(&str, &[&str]); 20] = [
        (
            "speeds_with_labels_and_a_budget",
            &["--set", speeds, "--labels", "labels.csv", "--budget", "5", "--threads", "1", "signins.ndjson"],
        ),
        ("an_unknown_key", &["--set", "detections.impossible_travel.max_sped_kmh=800", "signins.ndjson"]),
        ("a_value_that_is_not_allowed", &["--set", "detections.new_country.common_share=0.5,7", "signins.ndjson"]),
        ("an_impossible_range", &["--set", "detections.new_country.min_bits=9..3:1", "signins.ndjson"]),
        ("a_range_without_a_step", &["--plan", "plan.yaml", "signins.ndjson"]),
        ("nothing_to_compare", &["signins.ndjson"]),
        ("a_section_that_all_share", &["--variant", "tables.yaml", "signins.ndjson"]),
        ("an_empty_input", &["--set", speeds, "empty.ndjson"]),
        ("an_empty_input_behind_a_warm_up", &["--set", speeds, "--warm-up-days", "1", "empty.ndjson"]),
        ("an_input_that_cannot_be_read", &["--set", speeds, "garbage.ndjson"]),
        (
            "a_part_of_the_time",
            &["--set", speeds, "--from", "2026-03-10", "--warm-up-days", "1", "signins.ndjson"],
        ),
        (
            "labels_that_only_dismiss",
            &["--set", speeds, "--labels", "dismissed.csv", "--budget", "1000", "signins.ndjson"],
        ),
        (
            "dismissed_labels_that_match_nothing",
            &["--set", speeds, "--labels", "no_dismissed.csv", "signins.ndjson"],
        ),
        ("labels_of_another_name", &["--set", speeds, "--labels", "labels.txt", "signins.ndjson"]),
        (
            "labels_with_incidents",
            &["--set", speeds, "--labels", "incidents.csv", "--budget", "5", "signins.ndjson"],
        ),
        ("a_key_without_its_section", &["--set", "impossible_travel.max_speed_kmh=800", "signins.ndjson"]),
        ("a_base_with_problems", &["-c", "bad.yaml", "--set", speeds, "signins.ndjson"]),
        ("a_plan_with_problems", &["--plan", "typos.yaml", "signins.ndjson"]),
        ("labels_that_match_nothing", &["--set", speeds, "--labels", "none.csv", "signins.ndjson"]),
        ("an_input_that_would_be_overwritten", &["--set", speeds, "--json", "signins.ndjson", "signins.ndjson"]),
    ];
    for (name, arguments) in cases {
        let told = session(folder, &[&["tune"], arguments].concat());
        // What the machine has.
        let lines: Vec<&str> = told.lines().filter(|line| !line.starts_with("memory peak ")).collect();
        insta::assert_snapshot!(name, lines.join("\n"));
    }
}

/// `UPDATE_GENERATED=1 cargo test` rewrites the file.
#[test]
fn the_schema_is_published_and_a_report_fits_it() {
    let generator = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.contract = schemars::generate::Contract::Serialize)
        .into_generator();
    let schema = generator.into_root_schema_for::<farsign::tune::Report>().to_value();
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA_PATH);
    #[expect(clippy::disallowed_methods, reason = "a switch of the developer's, not of the program")]
    if std::env::var("UPDATE_GENERATED").is_ok() {
        std::fs::write(&path, &text).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap();
    assert!(published == text, "run UPDATE_GENERATED=1 cargo test --test tune");
    let folder = TempDir::new().unwrap();
    small(folder.path());
    let set = "detections.impossible_travel.max_speed_kmh=500,1500";
    run(folder.path(), &["tune", "--set", set, "--labels", "labels.csv", "--json", "r.json", "signins.ndjson"]);
    let schema = jsonschema::validator_for(&serde_json::from_str(&published).unwrap()).unwrap();
    let report = read_json(&folder.path().join("r.json"));
    let problems: Vec<String> = schema.iter_errors(&report).map(|problem| problem.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}");
}
