//! One person with accounts at several providers: travel between them is judged, and the evidence names both.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

const OSLO: &str = "192.0.2.17";
const NEW_YORK: &str = "198.51.100.17";

fn okta(day: u32, time: &str, address: &str) -> Value {
    json!({
        "uuid": format!("okta-{day}-{time}"), "published": format!("2026-03-{day:02}T{time}:00.000Z"),
        "eventType": "user.session.start", "outcome": {"result": "SUCCESS"},
        "actor": {"id": "00u1", "type": "User", "alternateId": "alice@fjord.example", "displayName": "Alice Example"},
        "client": {"ipAddress": address, "userAgent": {"rawUserAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/134.0.0.0"}},
    })
}

fn console(day: u32, time: &str, address: &str) -> Value {
    json!({
        "eventVersion": "1.08", "eventID": format!("aws-{day}-{time}"), "eventTime": format!("2026-03-{day:02}T{time}:00Z"),
        "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "eventType": "AwsConsoleSignIn",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDAALICE", "accountId": "111122223333", "userName": "alice"},
        "sourceIPAddress": address, "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/136.0",
        "responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "No"},
        "recipientAccountId": "111122223333",
    })
}

/// Twenty days in Oslo with Okta, then Okta in Oslo and, 20 minutes later, AWS from New York.
fn log() -> String {
    let mut log = String::new();
    for day in 1..=20 {
        writeln!(log, "{}", okta(day, "08:00", OSLO)).expect("into memory");
    }
    writeln!(log, "{}\n{}", okta(21, "08:00", OSLO), console(21, "08:20", NEW_YORK)).expect("into memory");
    log
}

/// The detections of a replay under `identity`.
fn replayed(identity: &str) -> Vec<Value> {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("log.jsonl"), log()).expect("written");
    std::fs::write(path("people.csv"), "person,provider,account\nE17,okta,00u1\nE17,aws,aidaalice\n")
        .expect("written");
    let config = format!("input: {{keyed: false}}\n{identity}")
        .replace("PEOPLE", path("people.csv").to_str().expect("a name"));
    std::fs::write(path("farsign.yaml"), config).expect("written");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip-test-data");
    let output = Command::new(env!("CARGO_BIN_EXE_farsign"))
        .arg("replay")
        .arg("-c")
        .arg(path("farsign.yaml"))
        .arg("--city-db")
        .arg(data.join("farsign-test-City.mmdb"))
        .arg("--asn-db")
        .arg(data.join("farsign-test-ASN.mmdb"))
        .arg(path("log.jsonl"))
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

#[test]
fn travel_between_providers_is_judged() {
    let detections = replayed("identity: {organization: fjord, file: PEOPLE}\n");
    let travel = detections.iter().find(|detection| detection["riskEventType"] == "mcasImpossibleTravel");
    let travel = travel.unwrap_or_else(|| panic!("{detections:#?}"));
    assert_eq!((&travel["userId"], &travel["tenantId"]), (&json!("E17"), &json!("fjord")));
    let evidence = &travel["farsign"]["evidence"];
    assert_eq!(
        (&evidence["this"]["provider"], &evidence["reference"]["provider"]),
        (&json!("aws"), &json!("okta"))
    );
    let sentence = travel["farsign"]["sentence"].as_str().unwrap();
    assert!(sentence.to_lowercase().contains("okta") && sentence.to_lowercase().contains("aws"), "{sentence}");
}

#[test]
fn without_a_map_they_are_two_users() {
    let detections = replayed("");
    assert!(
        detections.iter().all(|detection| detection["riskEventType"] != "mcasImpossibleTravel"),
        "{detections:#?}"
    );
}
