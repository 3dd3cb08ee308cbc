//! `farsign evaluate` as a process: a stream small enough to count by hand, and a simulated one counted again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "evaluate/part.rs"]
mod part;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use farsign::evaluate::Report;
use serde_json::{Value, json};
use tempfile::TempDir;

const SCHEMA_PATH: &str = "docs/evaluation.schema.json";

fn farsign(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("farsign").unwrap();
    command.args(arguments);
    command
}

/// Runs it and gives what it wrote to stdout.
fn run(arguments: &[&str]) -> String {
    let output = farsign(arguments).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn write_lines(path: &Path, lines: &[Value]) {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

const OSLO: (&str, f64, f64) = ("NO", 59.91, 10.75);
const NEW_YORK: (&str, f64, f64) = ("US", 40.71, -74.01);
const LAGOS: (&str, f64, f64) = ("NG", 6.45, 3.39);

fn sign_in(id: &str, user: &str, time: &str, (country, latitude, longitude): (&str, f64, f64)) -> Value {
    json!({
        "type": "signIn", "tenantId": "t", "id": id, "userId": user, "time": format!("2026-03-0{time}:00Z"),
        "outcome": "success", "ipAddress": "192.0.2.1",
        "location": {"country": country, "latitude": latitude, "longitude": longitude},
    })
}

fn detection(request: &str, kind: &str, level: &str, score: u8, suppressed: Option<&str>) -> Value {
    let time = "2026-03-03T12:00:00.0000000Z";
    json!({
        "id": format!("{request}/{kind}"), "requestId": request, "riskEventType": kind, "riskState": "atRisk",
        "riskLevel": level, "riskDetail": "none", "activityDateTime": time, "detectedDateTime": time, "userId": "alice",
        "riskScore": score, "farsign": {"suppressedBy": suppressed, "evidence": null},
    })
}

/// Alice in Oslo, through a VPN in New York and there the day after; an attacker in Lagos; Bob mistypes.
fn hand_made(folder: &Path) {
    let mut wrong = sign_in("b1", "bob", "3T08:00", OSLO);
    wrong["outcome"] = json!("failed");
    wrong["credential"] = json!("wrong");
    let sign_ins = [
        sign_in("s1", "alice", "2T08:00", OSLO),
        sign_in("s3", "alice", "2T09:30", NEW_YORK),
        // Late: in its place it comes before the one above, and is no journey.
        sign_in("s2", "alice", "2T09:00", OSLO),
        sign_in("s4", "alice", "2T10:00", OSLO),
        sign_in("s2", "alice", "2T09:00", OSLO),
        sign_in("s5", "alice", "3T08:00", NEW_YORK),
        wrong,
        sign_in("m1", "alice", "3T12:00", LAGOS),
        // An echo of the attacker's.
        sign_in("s6", "alice", "3T12:30", NEW_YORK),
        sign_in("b2", "bob", "4T08:00", OSLO),
    ];
    write_lines(&folder.join("signins.ndjson"), &sign_ins);
    let label = |id: &str, right: bool| {
        json!({"requestId": id, "time": "2026-03-03T12:00:00Z", "userId": "alice",
        "credentialRight": right, "malicious": false, "causes": ["vpn"]})
    };
    let mut malicious = label("m1", true);
    malicious["malicious"] = json!(true);
    malicious["attack"] = json!("impossiblePair");
    malicious["campaign"] = json!("c1");
    write_lines(&folder.join("labels.ndjson"), &[label("s3", true), malicious, label("b1", false)]);
    let detections = [
        detection("m1", "mcasImpossibleTravel", "medium", 70, None),
        detection("s3", "newCountry", "low", 30, None),
        detection("b1", "newCountry", "low", 30, Some("learning")),
    ];
    write_lines(&folder.join("detections.ndjson"), &detections);
}

fn point<'a>(report: &'a Value, detector: &str, at: &str) -> &'a Value {
    let points = report["points"].as_array().unwrap();
    points.iter().find(|point| point["detector"] == detector && point["at"] == at).unwrap()
}

#[test]
fn a_small_stream_gives_what_was_counted_by_hand() {
    let folder = TempDir::new().unwrap();
    hand_made(folder.path());
    let [labels, detections, sign_ins, json] =
        ["labels.ndjson", "detections.ndjson", "signins.ndjson", "report.json"]
            .map(|name| folder.path().join(name));
    let pair =
        ["evaluate", text(&labels), text(&detections), "--sign-ins", text(&sign_ins), "--json", text(&json)];
    let tables = run(&pair);
    let report = read_json(&json);
    // Alice on two days, Bob on the day he came in.
    assert_eq!(report["input"]["activeUserDays"], 3);
    assert_eq!((&report["input"]["ownerSignIns"], &report["input"]["attackerSignIns"]), (&json!(7), &json!(1)));
    let check = |detector: &str, at: &str, false_alerts: u64, recall: f64| {
        let point = point(&report, detector, at);
        assert_eq!(
            (&point["falseAlerts"], &point["recall"]["value"]),
            (&json!(false_alerts), &json!(recall)),
            "{detector}"
        );
    };
    check("Farsign", "low", 1, 1.0);
    check("Farsign", "medium", 0, 1.0);
    check("Farsign", "high", 0, 0.0);
    // There and back through the VPN; the sign-in after the attacker's is an echo.
    check("haversine > 900 km/h", "flag", 2, 1.0);
    check("new country", "flag", 1, 1.0);
    assert_eq!(point(&report, "new country", "flag")["causes"], json!({"vpn": 1}));
    assert_eq!(point(&report, "haversine > 900 km/h", "flag")["causes"], json!({"none": 1, "vpn": 1}));
    // No false alert is allowed among three user-days: above 30.
    assert_eq!(point(&report, "Farsign", "budget 5")["above"], 30.0);
    let travel = &report["impossibleTravel"][0];
    assert_eq!((&travel["speedRuleFalseAlerts"], &travel["falseAlerts"]), (&json!(2), &json!(0)));
    assert_eq!((&travel["timesFewer"], &travel["recallShare"]), (&json!(2.0), &json!(1.0)));
    let misfires = travel["speedRuleMisfireRate"].as_f64().unwrap();
    assert!((misfires - 1_000.0 / 3.0).abs() < 1e-9, "one of three user-days: {misfires}");
    assert_eq!(report["checks"], json!({"wrongCredential": 1, "failedSignIn": 1, "duplicates": 0}));

    // The folder itself says the same.
    assert_eq!(run(&["evaluate", text(folder.path())]), tables);
    // Twice the stream: twice the counts, the same shares.
    run(&["evaluate", text(folder.path()), text(folder.path()), "--json", text(&json)]);
    let twice = read_json(&json);
    assert_eq!(twice["input"]["activeUserDays"], 6);
    assert_eq!(point(&twice, "haversine > 900 km/h", "flag")["falseAlerts"], 4);
    assert_eq!(twice["impossibleTravel"][0]["timesFewer"], 4.0);
}

#[test]
fn what_cannot_be_used_is_refused() {
    let folder = TempDir::new().unwrap();
    hand_made(folder.path());
    let [labels, detections, sign_ins, broken] =
        ["labels.ndjson", "detections.ndjson", "signins.ndjson", "broken.ndjson"]
            .map(|name| folder.path().join(name));
    std::fs::write(&broken, "{}\n").unwrap();
    let check = |arguments: &[&str], code: i32, message: &str| {
        let output = farsign(&[&["evaluate"], arguments].concat()).assert().code(code).get_output().stderr.clone();
        let told = String::from_utf8(output).unwrap();
        assert!(told.contains(message), "{told}");
    };
    check(&[text(&labels)], 2, "expected LABELS and DETECTIONS, or folders; 1 files are named");
    check(&[text(&broken), text(&detections)], 2, "broken.ndjson`: line 1 of the labels is not a label");
    check(&[text(&labels), text(&broken)], 2, "line 1 of the detections is not a detection");
    check(&[text(folder.path()), text(&labels)], 2, "is no folder");
    check(&[text(folder.path()), "--sign-ins", text(&sign_ins)], 2, "a folder brings its own");
    check(&[text(folder.path()), "--user-days", "5"], 2, "is for streams without sign-ins");
    let empty = TempDir::new().unwrap();
    check(&[text(empty.path())], 2, "holds no labels.ndjson");
    // Sign-ins of which none can be read.
    check(&[text(&labels), text(&detections), "--sign-ins", text(&broken)], 1, "1 of 1 records could not be read");
}

fn databases() -> Vec<String> {
    let data = "geoip-test-data";
    let mut arguments = vec![
        "--city-db".to_owned(),
        format!("{data}/farsign-test-City.mmdb"),
        "--asn-db".to_owned(),
        format!("{data}/farsign-test-ASN.mmdb"),
    ];
    for list in ["vpn", "mobile", "hosting"] {
        arguments.extend(["--list".to_owned(), format!("{list}={data}/lists/{list}.txt")]);
    }
    arguments
}

/// Simulates and replays into the folder.
fn simulated(folder: &Path) {
    let path = |name: &str| text(&folder.join(name)).to_owned();
    let (labels, sign_ins, detections) =
        (path("labels.ndjson"), path("signins.ndjson.zst"), path("detections.ndjson"));
    let size = ["--users", "60", "--days", "25", "--seed", "11", "--form", "entra-lean"];
    run(&[&["simulate", "--labels", &labels, "-o", &sign_ins], size.as_slice()].concat());
    let databases = databases();
    let databases: Vec<&str> = databases.iter().map(String::as_str).collect();
    run(&[&["replay", "-o", &detections, "--emit-suppressed", &sign_ins], databases.as_slice()].concat());
}

/// Counted again, simply: distinct legitimate sign-ins with an alert by highest score, and campaigns caught.
fn counted(folder: &Path) -> (Vec<u64>, BTreeSet<String>) {
    let lines = |name: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let malicious: BTreeMap<String, String> = lines("labels.ndjson")
        .into_iter()
        .filter(|label| label["malicious"] == true)
        .map(|label| (label["requestId"].to_string(), label["campaign"].to_string()))
        .collect();
    let (mut highest, mut caught) = (BTreeMap::new(), BTreeSet::new());
    for line in lines("detections.ndjson") {
        let withdrawn = line["riskDetail"] == "aiConfirmedSigninSafe";
        if !line["farsign"]["suppressedBy"].is_null() || withdrawn {
            continue;
        }
        let request = line["requestId"].to_string();
        let reference = line["farsign"]["evidence"]["reference"]["requestId"].to_string();
        if let Some(campaign) = malicious.get(&request) {
            caught.insert(campaign.clone());
        } else if !malicious.contains_key(&reference) {
            let score = highest.entry(request).or_insert(0);
            *score = line["riskScore"].as_u64().unwrap().max(*score);
        }
    }
    let mut scores: Vec<u64> = highest.into_values().collect();
    scores.sort_unstable();
    (scores, caught)
}

#[test]
fn a_simulated_stream_gives_the_same_bytes_and_counts() {
    let folder = TempDir::new().unwrap();
    simulated(folder.path());
    let databases = databases();
    let evaluated = |name: &str| -> (String, PathBuf) {
        let out = folder.path().join(name);
        std::fs::create_dir(&out).unwrap();
        let [json, plots, calibration] = ["report.json", "plots", "calibration.csv"].map(|name| out.join(name));
        let files = ["--json", text(&json), "--plots", text(&plots), "--calibrate", text(&calibration)];
        let databases: Vec<&str> = databases.iter().map(String::as_str).collect();
        let tables = run(&[&["evaluate", text(folder.path())], files.as_slice(), databases.as_slice()].concat());
        (tables, out)
    };
    let ((first, out), (second, again)) = (evaluated("first"), evaluated("second"));
    assert_eq!(first, second);
    for name in [
        "report.json",
        "calibration.csv",
        "plots/recall-by-budget.svg",
        "plots/recall-by-attack.svg",
        "plots/false-alerts-by-cause.svg",
    ] {
        let bytes = std::fs::read(out.join(name)).unwrap();
        assert!(bytes == std::fs::read(again.join(name)).unwrap(), "{name}");
    }
    let svg = std::fs::read_to_string(out.join("plots/recall-by-budget.svg")).unwrap();
    assert!(svg.contains("Freeman") && svg.contains("haversine") && svg.trim_end().ends_with("</svg>"));

    let report = read_json(&out.join("report.json"));
    let schema = read_json(Path::new(SCHEMA_PATH));
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&report), "{:?}", validator.iter_errors(&report).next().map(|e| e.to_string()));
    let (scores, caught) = counted(folder.path());
    let low = point(&report, "Farsign", "low");
    assert_eq!(low["falseAlerts"], scores.len());
    let kinds = low["attacks"].as_object().unwrap().values();
    assert_eq!(kinds.map(|kind| kind["caught"].as_u64().unwrap()).sum::<u64>(), caught.len() as u64);
    let user_days = report["input"]["activeUserDays"].as_u64().unwrap();
    assert!((600..=60 * 27).contains(&user_days), "{user_days}");
    for budget in [1, 2, 5] {
        let point = point(&report, "Farsign", &format!("budget {budget}"));
        let above = point["above"].as_f64().map_or(0, |above| above as u64);
        let allowed = (budget * user_days) / 1_000;
        let count = scores.iter().filter(|score| **score > above).count() as u64;
        assert_eq!(point["falseAlerts"], count, "budget {budget}");
        // The next lower score would be beyond the budget.
        let with_next = scores.iter().filter(|score| **score >= above).count() as u64;
        assert!(count <= allowed && (above == 0 || with_next > allowed), "budget {budget}: {count}, {with_next}");
    }
    for (reference, budget) in [("Freeman", 1.0), ("likelihood ratios + rarity", 5.0)] {
        let rate =
            point(&report, reference, &format!("budget {budget}"))["falseAlertRate"]["value"].as_f64().unwrap();
        assert!(rate <= budget + 1e-9, "{reference}: {rate}");
    }
    let misfires = report["impossibleTravel"][0]["speedRuleMisfireRate"].as_f64().unwrap();
    assert!(misfires > 0.0, "the plain rule misfires on people who travel and use VPNs");
    assert_eq!(report["checks"]["wrongCredential"], 0);
    assert_eq!(report["checks"]["failedSignIn"], 0);
}

/// `UPDATE_GENERATED=1 cargo test` rewrites the file.
#[test]
fn the_published_schema_is_up_to_date() {
    let generator = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.contract = schemars::generate::Contract::Serialize)
        .into_generator();
    let schema = generator.into_root_schema_for::<Report>().to_value();
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    #[expect(clippy::disallowed_methods, reason = "a switch of the developer's, not of the program")]
    if std::env::var("UPDATE_GENERATED").is_ok() {
        std::fs::write(SCHEMA_PATH, &text).unwrap();
    }
    let published = std::fs::read_to_string(SCHEMA_PATH).unwrap_or_default();
    assert!(published == text, "run UPDATE_GENERATED=1 cargo test --test evaluate");
}
