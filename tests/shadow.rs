//! Shadow policies as a terminal shows them: what a replay writes of them, that its own output does not know of them, and
//! what `farsign diff` makes of both.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "common/cli.rs"]
mod cli;

use std::collections::BTreeSet;
use std::path::Path;

use cli::{farsign, run, session};
use serde_json::Value;
use tempfile::TempDir;

const SHADOWS: &str = "policies:
- name: same
  shadow: true
- name: eager
  shadow: true
  detections: {unfamiliar_features: {low_bits: 6}, impossible_travel: {max_speed_kmh: 400, min_distance_km: 200}}
- name: calm
  shadow: true
  detections: {unfamiliar_features: {low_bits: 11.25}}
";

/// A simulated organisation under attack, and a configuration that knows its addresses, without and with shadow policies.
fn prepared(folder: &Path) {
    let size = ["--users", "120", "--days", "30", "--seed", "11", "--population", "travelling-sales"];
    run(folder, &[["simulate", "-o", "signins.ndjson"].as_slice(), size.as_slice()].concat());
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip-test-data");
    let data = data.to_str().unwrap();
    let tables = format!(
        "tables: {{city_db: [{data}/farsign-test-City.mmdb], asn_db: {data}/farsign-test-ASN.mmdb, \
         anonymous_db: {data}/farsign-test-Anonymous-IP.mmdb}}\n"
    );
    std::fs::write(folder.join("live.yaml"), &tables).unwrap();
    std::fs::write(folder.join("shadows.yaml"), tables + SHADOWS).unwrap();
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// As the live policy would have told it.
fn as_live(mut line: Value) -> Value {
    let mark = line["farsign"].as_object_mut().unwrap().remove("shadow");
    if let Some(mark) = mark {
        line["id"] = mark["liveId"].clone();
    }
    line["farsign"]["configurationHash"] = Value::Null;
    line
}

#[test]
fn a_replay_tells_what_shadows_find_and_nothing_of_them_in_its_own_output() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    prepared(folder);
    let bytes = |name: &str| std::fs::read(folder.join(name)).unwrap();
    for order in [&[] as &[&str], &["--updates"]] {
        let replay = |config: &str, name: &str, more: &[&str]| {
            let outputs = [format!("{name}.ndjson"), format!("{name}-users.ndjson")];
            let arguments =
                ["replay", "-c", config, "-o", &outputs[0], "--risky-users", &outputs[1], "signins.ndjson"];
            run(folder, &[arguments.as_slice(), order, more].concat());
        };
        replay("live.yaml", "plain", &[]);
        replay("shadows.yaml", "left-out", &[]);
        replay("shadows.yaml", "one", &["--threads", "1", "--shadow-output", "shadow-1.ndjson"]);
        replay("shadows.yaml", "three", &["--threads", "3", "--shadow-output", "shadow-3.ndjson"]);
        for other in ["left-out", "one", "three"] {
            assert!(bytes("plain.ndjson") == bytes(&format!("{other}.ndjson")), "{other} {order:?}");
            assert!(bytes("plain-users.ndjson") == bytes(&format!("{other}-users.ndjson")), "{other} {order:?}");
        }
        assert!(bytes("shadow-1.ndjson") == bytes("shadow-3.ndjson"), "{order:?}");
        let live: Vec<Value> = lines(&folder.join("plain.ndjson")).into_iter().map(as_live).collect();
        assert!(live.len() > 20, "{}", live.len());
        let shadow = lines(&folder.join("shadow-1.ndjson"));
        let of = |policy: &'static str| {
            shadow.iter().filter(move |line| line["farsign"]["shadow"]["policy"] == policy).cloned()
        };
        assert_eq!(of("same").map(as_live).collect::<Vec<Value>>(), live);
        let ids = |lines: &mut dyn Iterator<Item = Value>| -> BTreeSet<String> {
            lines.map(|line| line["id"].as_str().unwrap().to_owned()).collect()
        };
        let policies = ["same", "eager", "calm"].map(|policy| ids(&mut of(policy)).len());
        assert_eq!(
            policies.iter().sum::<usize>(),
            ids(&mut shadow.iter().cloned()).len(),
            "ids of several policies"
        );
        assert!(policies[1] > policies[0] && policies[2] < policies[0] && policies[2] > 0, "{policies:?}");
    }
}

#[test]
fn live_and_shadow_are_held_against_each_other() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    prepared(folder);
    let replay = ["replay", "-c", "shadows.yaml", "-o", "live.ndjson", "--shadow-output", "shadow.ndjson"];
    run(
        folder,
        &[replay.as_slice(), &["--emit-suppressed", "--summary", "summary.json", "signins.ndjson"]].concat(),
    );
    let summary: Value = serde_json::from_slice(&std::fs::read(folder.join("summary.json")).unwrap()).unwrap();
    assert!(summary["writtenShadow"]["eager"]["new"].as_u64().unwrap() > 0, "{summary:#}");
    let diff = |first: &str, second: &str, policy: &str| {
        run(folder, &["diff", first, second, "--policy", policy, "--json", "d.json"]);
        let report: Value = serde_json::from_slice(&std::fs::read(folder.join("d.json")).unwrap()).unwrap();
        ["first", "second", "same", "appeared", "vanished"].map(|key| report[key].as_u64().unwrap())
    };
    let [live, same, both, ..] = diff("live.ndjson", "shadow.ndjson", "same");
    assert!(live > 20 && (live, live) == (same, both), "{live} {same} {both}");
    let [first, second, same, appeared, vanished] = diff("live.ndjson", "shadow.ndjson", "eager");
    assert_eq!((first, first + appeared), (live, second + vanished));
    assert!(appeared > vanished, "{appeared} {vanished}");
    assert_eq!(diff("shadow.ndjson", "live.ndjson", "eager"), [second, first, same, vanished, appeared]);
    insta::assert_snapshot!(
        "live_against_shadow",
        session(folder, &["diff", "live.ndjson", "shadow.ndjson", "--policy", "calm", "--examples", "1"])
    );
}

#[test]
fn mistakes_are_told() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    prepared(folder);
    let shadow = [
        "replay",
        "-c",
        "shadows.yaml",
        "-o",
        "live.ndjson",
        "--shadow-output",
        "shadow.ndjson",
        "signins.ndjson",
    ];
    run(folder, &shadow);
    let mixed = ["live.ndjson", "shadow.ndjson"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
    std::fs::write(folder.join("mixed.ndjson"), mixed.concat()).unwrap();
    let five: String = (0..5).map(|number| format!("- {{name: candidate-{number}, shadow: true}}\n")).collect();
    let upstream = "- {name: findings, shadow: true, detections: {upstream_findings: {enabled: false}}}\n";
    std::fs::write(folder.join("five.yaml"), format!("policies:\n{five}")).unwrap();
    std::fs::write(folder.join("upstream.yaml"), format!("policies:\n{upstream}")).unwrap();
    for (name, arguments) in [
        ("asked_for_none", &["replay", "-c", "live.yaml", "--shadow-output", "x.ndjson", "signins.ndjson"][..]),
        ("five_policies", &["check", "-c", "five.yaml"]),
        ("upstream_findings", &["check", "-c", "upstream.yaml"]),
        ("diff_of_several", &["diff", "live.ndjson", "shadow.ndjson"]),
        ("diff_of_another", &["diff", "live.ndjson", "shadow.ndjson", "--policy", "strict"]),
        ("diff_of_a_mixture", &["diff", "live.ndjson", "mixed.ndjson"]),
    ] {
        insta::assert_snapshot!(name, session(folder, arguments));
    }
    let output =
        farsign(folder, &["replay", "-c", "shadows.yaml", "-o", "x.ndjson", "signins.ndjson"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("note: 3 shadow policies are left out; `--shadow-output FILE` judges by them"),
        "{told}"
    );
}
