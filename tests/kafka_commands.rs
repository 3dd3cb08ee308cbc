//! Commands that look at a deployment or set it, on a real broker: replay of topics, dead letters, reset, a user's state,
//! the probe checker.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use std::collections::BTreeMap;
use std::process::Output;

use common::kafka::sign_ins::{simulated, user_of};
use common::kafka::{
    Broker, Deployment, Record, Stored, assert_same_detections, attacked_users, by_field, eventually,
};
use farsign::simulate::Form;
use serde_json::{Value, json};

/// Detections from the first day on: a short log has many.
const EAGER: &str = "detections:\n  impossible_travel: {learning_days: 0}\n  \
                     atypical_travel: {learning_days: 0, learning_sign_ins: 1}\n  new_country: {learning_days: 0}\n  \
                     unfamiliar_features: {learning_min_days: 0, learning_max_days: 0, low_bits: 4}\n";

/// Runs a command of the deployment's; gives exit code, standard output and standard error.
fn farsign(deployment: &Deployment<'_>, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = deployment.farsign(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Standard output of a command that must end with `code`.
fn said(deployment: &Deployment<'_>, arguments: &[&str], code: i32) -> String {
    let (found, out, err) = farsign(deployment, arguments);
    assert_eq!(found, code, "{arguments:?}\n{out}\n{err}");
    out
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn read(deployment: &Deployment<'_>, name: &str) -> Vec<String> {
    lines(&std::fs::read_to_string(deployment.file(name)).unwrap())
}

fn bad(key: &str, partition: i32) -> Record {
    let mut record = Record::keyed(key, "{not json").to(partition);
    record.headers = vec![("trace".to_owned(), Some(b"42".to_vec()))];
    record.timestamp_ms = Some(1_772_000_000_000);
    record
}

/// Lets an instance take all that is there.
fn run_to_end(deployment: &Deployment<'_>) {
    let instance = deployment.start_ready();
    deployment.wait_until_done();
    instance.terminate();
}

#[test]
fn a_replay_of_the_topic_is_what_live_wrote() {
    let deployment = Deployment::new(Broker::shared(), "same").with(EAGER).create(4);
    let mut records = simulated(50, 10, Form::EntraLean);
    records.insert(records.len() / 2, bad("nobody", 2));
    deployment.broker.produce(&deployment.input(), &records);
    run_to_end(&deployment);

    let file = |name: &str| deployment.file(name).to_string_lossy().into_owned();
    let replay = |threads: &str, name: &str, more: &[&str]| {
        let (output, rejects) = (file(&format!("{name}.json")), file(&format!("{name}-rejects.json")));
        let (risky, summary) = (file(&format!("{name}-risky.json")), file(&format!("{name}-summary.json")));
        let mut arguments = vec!["replay", "--kafka", "--threads", threads, "--output", &output];
        arguments.extend(["--rejects", &rejects, "--risky-users", &risky, "--summary", &summary]);
        let report = file(&format!("{name}.html"));
        arguments.extend(["--report", &report]);
        arguments.extend(more);
        said(&deployment, &arguments, 0);
        serde_json::from_str::<Value>(&read(&deployment, &format!("{name}-summary.json")).join("\n")).unwrap()
    };
    let summary = replay("1", "one", &[]);
    replay("3", "three", &[]);
    let replayed = read(&deployment, "one.json");
    assert!(replayed.len() > 10, "{} detections prove little", replayed.len());
    assert_eq!(read(&deployment, "three.json"), replayed, "order and bytes do not depend on threads");
    assert_same_detections(&replayed, &deployment.lines("risk-detections"));
    assert!(!attacked_users(&replayed, &[]).is_empty(), "they are what needs the reviews");
    records.retain(|record| record.value.as_deref() != Some(b"{not json"));
    let log = deployment.replay(&records);
    assert_eq!(
        by_field(&replayed, "userId"),
        by_field(&log.detections, "userId"),
        "every version, as from a file"
    );
    let risky = deployment.broker.read_compacted(&deployment.topic("risky-users"));
    let told: Vec<String> = risky.values().map(Stored::text).collect();
    let from_topics = by_field(&read(&deployment, "one-risky.json"), "id");
    assert_eq!(from_topics, by_field(&told, "id"));
    assert_eq!(from_topics, by_field(&log.risky_users, "id"));
    let rejects = read(&deployment, "one-rejects.json");
    assert_eq!(rejects.len(), 1);
    let reject: Value = serde_json::from_str(&rejects[0]).unwrap();
    assert_eq!(
        (&reject["partition"], &reject["reason"], &reject["record"]),
        (&json!(2), &json!("malformed"), &json!("{not json"))
    );
    assert_eq!((&summary["records"], &summary["refusedRecords"]), (&json!(records.len() + 1), &json!(1)));
    let page = std::fs::read_to_string(deployment.file("one.html")).unwrap();
    assert!(page == std::fs::read_to_string(deployment.file("three.html")).unwrap(), "the same page");
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    for line in &replayed {
        let line: Value = serde_json::from_str(line).unwrap();
        last.insert(line["id"].as_str().unwrap().to_owned(), line);
    }
    last.retain(|_, line| {
        line["riskDetail"] != "aiConfirmedSigninSafe" && line["farsign"]["suppressedBy"].is_null()
    });
    assert!(page.contains(&format!("<dt>detections that stand</dt><dd>{}</dd>", last.len())));
    let written = summary["written"].as_u64().unwrap() + summary["writtenUpdates"].as_u64().unwrap();
    assert_eq!(written as usize, read(&deployment, "one.json").len());
    // Nothing of it can be seen in Kafka: no offset moved, and the checker finds every record once.
    assert_eq!(replay("2", "none", &["--to", "earliest"])["records"], json!(0));
    assert_eq!(said(&deployment, &["replay", "--kafka", "--strict", "--output", &file("strict.json")], 1), "");
    let report: Value = serde_json::from_str(&said(&deployment, &["probe"], 0)).unwrap();
    assert_eq!(
        (&report["ok"], &report["records"], &report["lag"]),
        (&json!(true), &json!(records.len() + 1), &json!(0))
    );
    assert!(report["outputs"].as_u64().unwrap() > 10, "{report}");
}

#[test]
fn the_checker_finds_what_is_missing_and_what_is_there_twice() {
    let deployment = Deployment::new(Broker::shared(), "checked").create(2);
    let records = simulated(10, 2, Form::EntraLean);
    deployment.broker.produce(&deployment.input(), &records);
    run_to_end(&deployment);
    said(&deployment, &["probe"], 0);
    let probes = deployment.broker.read_committed(&deployment.topic("probe"));
    let repeated = Record { value: probes[3].value.clone(), ..Record::default() };
    deployment.broker.produce(&deployment.topic("probe"), &[repeated.to(probes[3].partition)]);
    let report: Value = serde_json::from_str(&said(&deployment, &["probe"], 1)).unwrap();
    assert_eq!(report["violations"]["repeated"]["count"], json!(1), "{report:#}");
    // More input than was taken is lag, and no violation.
    deployment.broker.produce(&deployment.input(), &records[..5]);
    let report: Value = serde_json::from_str(&said(&deployment, &["probe"], 1)).unwrap();
    assert_eq!((&report["lag"], report["violations"].get("missing")), (&json!(5), None));
}

#[test]
fn input_that_is_not_keyed_is_replayed_through_the_repartition_stage_in_memory() {
    let deployment = Deployment::new(Broker::shared(), "unkeyed").set("input", "keyed", "false").set(
        "topics",
        "partitions",
        "3",
    );
    let deployment = deployment.with(EAGER).create(1);
    let records = simulated(40, 8, Form::EntraLean);
    let on_one: Vec<Record> = records.iter().cloned().map(|record| record.to(0)).collect();
    deployment.broker.produce(&deployment.input(), &on_one);
    let output = deployment.file("kafka.json").to_string_lossy().into_owned();
    said(&deployment, &["replay", "--kafka", "--output", &output], 0);
    let found = read(&deployment, "kafka.json");
    let expected = deployment.replay(&records).detections;
    assert!(expected.len() > 10, "{} detections prove little", expected.len());
    assert_same_detections(&found, &expected);
}

#[test]
fn dead_letters_are_shown_and_sent_back() {
    let deployment = Deployment::new(Broker::shared(), "letters");
    let input = deployment.input();
    // Its records are old: retention would take them before anyone reads them.
    deployment.broker.create_topic(&input, 2, &[("retention.ms", "-1")]);
    deployment.create_own();
    deployment.broker.produce(&input, &[bad("a", 0), bad("b", 1), bad("c", 1)]);
    run_to_end(&deployment);
    let shown = |arguments: &[&str]| -> Vec<Value> {
        let out = said(&deployment, &[&["dead-letter", "show"], arguments].concat(), 0);
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = shown(&[]);
    let places: Vec<(&Value, &Value)> = all.iter().map(|line| (&line["partition"], &line["offset"])).collect();
    assert_eq!(places, [(&json!(0), &json!(0)), (&json!(1), &json!(0)), (&json!(1), &json!(1))]);
    assert_eq!((&all[0]["reason"], &all[0]["topic"]), (&json!("malformed"), &json!(input)));
    assert_eq!(all[0]["recordTime"], json!("2026-02-25T06:13:20Z"));
    let of_the_record = ["key", "value", "headers"];
    assert!(of_the_record.iter().all(|name| all[0].get(name).is_none()), "personal data: {}", all[0]);
    let whole = shown(&["--payload", "--partition", "1", "--limit", "1"]);
    assert_eq!(whole.len(), 1);
    assert_eq!((&whole[0]["key"], &whole[0]["value"]), (&json!("b"), &json!("{not json")));
    assert_eq!(shown(&["--reason", "tooLarge"]).len(), 0);
    assert_eq!(shown(&["--partition", "1", "--from", "1"]).len(), 1);

    said(&deployment, &["dead-letter", "retry", "--dry-run"], 0);
    assert_eq!(deployment.broker.read_committed(&input).len(), 3);
    said(&deployment, &["dead-letter", "retry", "--partition", "1"], 0);
    let back: Vec<Stored> = deployment.broker.read_committed(&input).split_off(3);
    assert_eq!(back.iter().map(|record| record.key.clone().unwrap()).collect::<Vec<_>>(), [b"b", b"c"]);
    // As of now: with their own old time retention could take them before they are read.
    assert!(back.iter().all(|record| record.partition == 1 && record.timestamp_ms > Some(1_772_000_000_000)));
    let letter = all[1]["deadLetter"]["offset"].as_i64().unwrap();
    let headers = [("trace".to_owned(), Some(b"42".to_vec()))];
    assert_eq!(back[0].headers[..1], headers);
    assert_eq!(back[0].header("farsign.retried"), Some(format!("{}/1/{letter}", deployment.topic("dead-letter"))));
    assert_eq!(back[0].headers.len(), 2, "nothing else of ours");
    // They fail again, and say so once.
    let instance = deployment.start_ready();
    eventually("the letters of the second time", || match shown(&[]).len() {
        5 => Ok(()),
        count => Err(format!("{count} letters")),
    });
    instance.terminate();

    // A letter that was cut is not sent, the others are.
    let header = |name: &str, value: &str| (format!("farsign.{name}"), Some(value.as_bytes().to_vec()));
    let mut cut = Record::keyed("d", "{").to(0);
    cut.headers =
        vec![header("reason", "cut"), header("topic", &input), header("partition", "0"), header("truncated", "9")];
    deployment.broker.produce(&deployment.topic("dead-letter"), &[cut]);
    let before = deployment.broker.read_committed(&input).len();
    let (code, _, err) = farsign(&deployment, &["dead-letter", "retry", "--reason", "cut"]);
    assert!(code == 1 && err.contains("its value was cut; it had 9 bytes"), "{err}");
    let (code, _, err) = farsign(&deployment, &["dead-letter", "retry", "--limit", "1", "--to", "no-such-topic"]);
    assert!(code == 1 && err.contains("topic `no-such-topic` does not exist"), "{err}");
    assert_eq!(deployment.broker.read_committed(&input).len(), before);
}

#[test]
fn a_stopped_application_is_reset_and_begins_again() {
    let deployment = Deployment::new(Broker::shared(), "reset").create(2);
    let records = simulated(30, 6, Form::EntraLean);
    deployment.broker.produce(&deployment.input(), &records);
    let instance = deployment.start_ready();
    deployment.wait_until_done();
    let (code, _, err) = farsign(&deployment, &["reset", "--to", "earliest", "--yes"]);
    assert!(code == 1 && err.contains("has members"), "{err}");
    instance.terminate();
    let first = deployment.broker.read_committed(&deployment.topic("risk-detections"));
    let committed = || deployment.broker.committed(&deployment.name, &deployment.input());
    let ends = committed();

    // Without a terminal and --yes nothing happens; nor for places that are not there.
    let plan = said(&deployment, &["reset", "--to", "earliest", "--state", "clear"], 0);
    assert!(plan.contains("→ 0") && plan.contains("would be cleared"), "{plan}");
    assert_eq!(committed(), ends);
    let earliest = ["reset", "--yes", "--to", "earliest"];
    for (wrong, expected) in [
        (["reset", "--yes", "--to", "offset=99999999"].as_slice(), "out of range"),
        (&[earliest.as_slice(), &["--partition", "7"]].concat(), "has no partition `7`"),
        (&["reset", "--yes", "--to", "yesterday"], "is no offset"),
    ] {
        let (code, _, err) = farsign(&deployment, wrong);
        assert!(code == 2 && err.contains(expected), "{wrong:?}: {code} {err}");
    }
    assert_eq!(committed(), ends);

    // From the beginning and with no user known, all is said again that does not rest on what the organisation knows: that
    // stays, and is of later days now.
    said(&deployment, &["reset", "--to", "earliest", "--state", "clear", "--yes"], 0);
    assert!(committed().iter().all(|offset| offset.as_ref().is_some_and(|(offset, _)| *offset == 0)));
    let state = deployment.broker.read_compacted(&deployment.topic("state"));
    assert_eq!(state.len(), 2, "the markers alone");
    run_to_end(&deployment);
    let both = deployment.broker.read_committed(&deployment.topic("risk-detections"));
    let again: Vec<String> = (0..2)
        .flat_map(|partition| {
            let of = move |stored: &&Stored| stored.partition == partition;
            both.iter().filter(of).skip(first.iter().filter(of).count())
        })
        .map(Stored::text)
        .collect();
    let first: Vec<String> = first.iter().map(Stored::text).collect();
    let (first, again) = (by_field(&first, "id"), by_field(&again, "id"));
    let common = again.keys().filter(|id| first.contains_key(*id)).count();
    assert!(
        common > first.len() / 2 && common > again.len() / 2,
        "{common} of {} and {}",
        first.len(),
        again.len()
    );

    // Back to one offset of one partition with the state kept: known sign-ins are dropped as duplicates or late.
    let keys = deployment.broker.read_compacted(&deployment.topic("state")).len();
    let told = said(&deployment, &["reset", "--to", "offset=5", "--partition", "1", "--yes"], 0);
    assert!(told.contains("→ 5") && !told.contains("partition 0"), "{told}");
    assert_eq!(committed()[1].as_ref().map(|(offset, _)| *offset), Some(5));
    assert_eq!(deployment.broker.read_compacted(&deployment.topic("state")).len(), keys);
    run_to_end(&deployment);
}

#[test]
fn a_user_is_shown_as_the_changelog_has_him() {
    let deployment = Deployment::new(Broker::shared(), "state").create(3);
    let records = simulated(20, 4, Form::EntraLean);
    deployment.broker.produce(&deployment.input(), &records);
    run_to_end(&deployment);
    let line: Value = serde_json::from_slice(records[0].value.as_ref().unwrap()).unwrap();
    let user = user_of(records[0].value.as_ref().unwrap());
    let tenant = line["tenantId"].as_str().unwrap();
    let json = said(&deployment, &["state", "show", &user, "--tenant", tenant, "--json"], 0);
    let shown: Value = serde_json::from_str(&json).unwrap();
    assert!(shown["user"]["baseline"]["signIns"].as_u64().is_some_and(|count| count > 0), "{json}");
    let key = shown["stored"]["partition"].as_i64().unwrap();
    let at = (key as i32, shown["stored"]["offset"].as_i64().unwrap());
    let state = deployment.broker.read_compacted(&deployment.topic("state"));
    let stored = state.values().find(|record| (record.partition, record.offset) == at).unwrap();
    assert_eq!(stored.key.as_ref().map(Vec::len), Some(16));
    assert_eq!(shown["stored"]["marker"]["version"], json!(1));
    let text = said(&deployment, &["state", "show", &user, "--tenant", tenant], 0);
    assert!(text.contains("baseline:") && text.contains("partition:"), "{text}");
    said(&deployment, &["state", "show", "nobody", "--tenant", tenant], 1);
    let (code, _, err) = farsign(&deployment, &["state", "show", &user]);
    assert!(code == 1 && err.contains("tenant `unknown`"), "{err}");
}
