//! `farsign run` on a real broker, as an operator meets it: the same answer as replay, restarts, bad input, commands,
//! lost input, reloads.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::kafka::proof::assert_exactly_once;
use common::kafka::sign_ins::simulated;
use common::kafka::{Broker, Deployment, Isolation, PATIENCE, Record, Stored, by_field, eventually, wait};
use farsign::engine::signin::EventTime;
use farsign::simulate::Form;
use rdkafka::admin::AdminOptions;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

#[test]
fn two_instances_give_the_answer_of_replay() {
    let deployment = Deployment::new(Broker::shared(), "same").create(4);
    let records = simulated(60, 10, Form::EntraEventHub);
    let instances = [deployment.start_ready(), deployment.start_ready()];
    deployment.broker.produce(&deployment.input(), &records);
    deployment.wait_until_done();
    let evidence = assert_exactly_once(&deployment);
    assert_eq!(evidence.probes.len(), records.len());
    deployment.assert_same_as_replay(&records);
    for instance in instances {
        let committed = instance.metric("farsign_transactions_total", "outcome=\"committed\"");
        assert!(committed > 0.0, "both had a part in it");
        instance.terminate();
    }
}

#[test]
fn restarts_lose_and_repeat_nothing() {
    let deployment = Deployment::new(Broker::shared(), "restart").create(4);
    let records = simulated(60, 8, Form::EntraLean);
    let (first, rest) = records.split_at(records.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    let input = deployment.input();

    // Ended in order in the middle of it: what was taken is committed, and the next one is the rightful owner at once.
    let instance = deployment.start_ready();
    deployment.broker.produce(&input, first);
    eventually("some progress", || progress(&deployment, 100));
    let log = instance.terminate();
    assert!(!log.contains("ERROR"), "{log}");

    // Killed in the middle of it.
    let mut instance = deployment.start_ready();
    deployment.broker.produce(&input, second);
    eventually("some progress", || progress(&deployment, first.len() as i64 + 100));
    instance.kill();

    let instance = deployment.start_ready();
    deployment.broker.produce(&input, third);
    deployment.wait_until_done();
    instance.terminate();
    let evidence = assert_exactly_once(&deployment);
    assert_eq!(evidence.probes.len(), records.len());
}

/// Whether the group has committed so many records.
fn progress(deployment: &Deployment<'_>, records: i64) -> Result<(), String> {
    let committed = deployment.broker.committed(&deployment.name, &deployment.input());
    let sum: i64 = committed.iter().flatten().map(|(offset, _)| offset).sum();
    if sum >= records { Ok(()) } else { Err(format!("{sum} of {records}")) }
}

/// A sign-in in Farsign's own format.
fn sign_in(id: &str, minute: u32) -> Value {
    json!({
        "type": "signIn", "tenantId": "t", "id": id, "userId": "ada", "outcome": "success",
        "time": format!("2026-03-02T{:02}:{:02}:00Z", 8 + minute / 60, minute % 60),
        "ipAddress": "192.0.2.1",
    })
}

fn keyed(value: impl Into<Vec<u8>>) -> Record {
    Record::keyed("ada", value).to(0)
}

fn good(number: u32) -> Record {
    keyed(sign_in(&format!("s-{number}"), number).to_string())
}

/// Dead letters by the offset they came from.
fn dead_letters(deployment: &Deployment<'_>) -> BTreeMap<String, Stored> {
    let letters = deployment.broker.read_committed(&deployment.topic("dead-letter"));
    letters.into_iter().map(|letter| (letter.header("farsign.offset").unwrap(), letter)).collect()
}

/// Many users' wrong passwords from one address, spread over partitions, and one that was right.
#[test]
fn a_spray_over_partitions_is_told_at_once() {
    let deployment = Deployment::new(Broker::shared(), "spray").create(4);
    let attempt = |user: &str, time: &str, outcome: &str, address: &str| {
        let line = json!({
            "type": "signIn", "tenantId": "t", "id": format!("{user}-{time}"), "time": time, "userId": user,
            "outcome": outcome, "credential": if outcome == "failed" { "wrong" } else { "right" }, "ipAddress": address,
            "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36",
        });
        Record::keyed(user, line.to_string())
    };
    let home = (1..8).map(|day| attempt("victim", &format!("2026-03-0{day}T08:00:00Z"), "success", "192.0.2.7"));
    let tries = (10..34).map(|minute| {
        attempt(&format!("target-{minute}"), &format!("2026-03-08T12:{minute}:00Z"), "failed", "203.0.113.9")
    });
    let entry = attempt("victim", "2026-03-08T12:40:00Z", "success", "203.0.113.9");
    let records: Vec<Record> = home.chain(tries).chain([entry]).collect();
    let instances = [deployment.start_ready(), deployment.start_ready()];
    deployment.broker.produce(&deployment.input(), &records);
    eventually("the spray", || {
        let lines = deployment.lines("risk-detections");
        let found = lines.iter().find(|line| line.contains("\"passwordSpray\""));
        found.cloned().ok_or_else(|| lines.join("\n"))
    });
    deployment.wait_until_done();
    let lines = deployment.lines("risk-detections");
    let spray = lines.iter().rfind(|line| line.contains("\"passwordSpray\"")).unwrap();
    let spray: Value = serde_json::from_str(spray).unwrap();
    assert_eq!((&spray["userId"], &spray["riskLevel"]), (&json!("victim"), &json!("high")));
    let attack = &spray["farsign"]["evidence"]["attack"];
    assert_eq!((&attack["trace"], &attack["users"]), (&json!("ipAddress"), &json!(24)), "of all partitions");
    let targets = lines.iter().filter(|line| line.contains("target-"));
    assert_eq!(targets.count(), 0, "a wrong password is no detection");
    assert_exactly_once(&deployment);
    instances.into_iter().for_each(|instance| drop(instance.terminate()));
}

/// A partition that stands still with records left holds the others up for as long as is configured, and no longer.
#[test]
fn a_partition_far_behind_is_left_out_of_reviews_and_counted() {
    let deployment = Deployment::new(Broker::shared(), "behind")
        .set("input", "on_error", "stop")
        .set("run", "profiles_wait_max_s", "1")
        .create(2);
    // Three users as always; then their browsers are others, and what is new about them waits for a review.
    let browsers = ["Windows NT 10.0; Win64; x64) Chrome/126.0.0.0", "X11; Linux x86_64; rv:127.0) Firefox/127.0"];
    let records: Vec<Record> = (0..96)
        .map(|hour| {
            let time = EventTime::from_seconds(1_772_438_400 + hour * 3_600);
            let line = json!({
                "type": "signIn", "tenantId": "t", "id": format!("s-{hour}"), "userId": format!("user-{}", hour % 3),
                "time": time.to_string(), "outcome": "success", "ipAddress": format!("192.0.2.{}", hour / 72 * hour),
                "userAgent": format!("Mozilla/5.0 ({}", browsers[hour as usize / 72]),
            });
            Record::keyed("ada", line.to_string()).to(1)
        })
        .collect();
    deployment.broker.produce(&deployment.input(), &[keyed(b"nonsense".as_slice())]);
    deployment.broker.produce(&deployment.input(), &records);
    let instance = deployment.start();
    instance
        .wait_for_log(&["sign-ins are reviewed without what was attempted in partitions that are too far behind"]);
    eventually("the end of the other partition", || {
        let committed = deployment.broker.committed(&deployment.name, &deployment.input());
        let next = committed[1].as_ref().map_or(0, |(next, _)| *next);
        if next >= records.len() as i64 { Ok(()) } else { Err(format!("{next} of {}", records.len())) }
    });
    assert!(instance.metric("farsign_profile_incomplete_reviews_total", "") > 0.0);
    assert!(instance.metric("farsign_profile_incomplete_days_total", "") > 0.0);
    instance.terminate();
}

#[test]
fn bad_records_become_dead_letters() {
    let deployment = Deployment::new(Broker::shared(), "bad").create(1);
    let instance = deployment.start_ready();
    let framed = [b"\0\0\0\0\x07".as_slice(), sign_in("framed", 3).to_string().as_bytes()].concat();
    let half = json!({"records": [sign_in("half", 4), {"type": "signIn", "userId": "ada"}]}).to_string();
    let long = vec![b'x'; 900_000];
    let mut malformed = keyed(b"{not json".as_slice());
    malformed.headers = vec![("trace".to_owned(), Some(b"42".to_vec())), ("empty".to_owned(), None)];
    malformed.timestamp_ms = Some(1_772_000_000_000);
    let tombstone = Record { value: None, ..keyed(b"".as_slice()) };
    let records =
        [good(0), malformed, tombstone, keyed(framed), keyed(half.clone()), keyed(long.clone()), good(6)];
    deployment.broker.produce(&deployment.input(), &records);
    deployment.wait_until_done();

    let letters = dead_letters(&deployment);
    assert_eq!(letters.keys().collect::<Vec<_>>(), ["1", "4", "5"]);
    let letter = &letters["1"];
    assert_eq!((letter.key.as_deref(), letter.text().as_str()), (Some(b"ada".as_slice()), "{not json"));
    let header = |name: &str| letter.header(name).unwrap_or_else(|| panic!("no `{name}`: {:?}", letter.headers));
    assert_eq!((header("trace"), header("farsign.reason")), ("42".to_owned(), "malformed".to_owned()));
    assert!(letter.headers.contains(&("empty".to_owned(), None)));
    assert_eq!(
        ["topic", "partition", "timestamp", "version"].map(|name| header(&format!("farsign.{name}"))),
        [&deployment.input(), "0", "1772000000000", env!("CARGO_PKG_VERSION")]
    );
    assert_eq!(letters["4"].text(), half);
    assert_eq!(letters["5"].value.as_deref(), Some(long.as_slice()));
    // What was good is taken: the good half, and what the registry's frame held.
    let metric = |name, labels| instance.metric(name, labels);
    assert_eq!(metric("farsign_sign_ins_judged_total", ""), 4.0);
    assert_eq!(metric("farsign_records_total", "result=\"tombstone\""), 1.0);
    assert_eq!(metric("farsign_dead_letters_total", ""), 3.0);
    instance.terminate();
    assert_exactly_once(&deployment);
}

#[test]
fn on_error_stop_stops_at_the_record() {
    let deployment = Deployment::new(Broker::shared(), "stop").set("input", "on_error", "stop").create(1);
    deployment.broker.produce(&deployment.input(), &[good(0), keyed(b"nonsense".as_slice()), good(2)]);
    let instance = deployment.start();
    instance.wait_for_log(&["ERROR", "the task stops", "offset `1` cannot be read: malformed"]);
    let (status, said) = instance.get("readyz");
    assert!(status == 503 && said.contains("offset `1`"), "{status} {said}");
    assert_eq!(instance.metric("farsign_task_failures_total", "cause=\"record\""), 1.0);
    instance.terminate();
    // What came before it is committed, and nothing behind it.
    let committed = deployment.broker.committed(&deployment.name, &deployment.input());
    assert_eq!(committed[0].as_ref().map(|(offset, _)| *offset), Some(1));

    // The operator lets it pass.
    let deployment = deployment.set("input", "on_error", "skip");
    let instance = deployment.start_ready();
    deployment.wait_until_done();
    instance.terminate();
    assert_eq!(dead_letters(&deployment).len(), 0);
    assert_exactly_once(&deployment);
}

#[test]
fn most_records_bad_stops_the_task() {
    let deployment = Deployment::new(Broker::shared(), "breaker")
        .set("input", "breaker", "{window_records: 20, share: 0.5}")
        .create(1);
    let bad = (0..40).map(|_| keyed(b"nonsense".as_slice()));
    let records: Vec<Record> = (0..10).map(good).chain(bad).collect();
    deployment.broker.produce(&deployment.input(), &records);
    let instance = deployment.start();
    instance.wait_for_log(&["the task stops", "of the last 20 records cannot be read", "input.format"]);
    assert_eq!(instance.metric("farsign_breakers_open", ""), 1.0);
    instance.terminate();
    let letters = dead_letters(&deployment).len();
    assert!((1..40).contains(&letters), "{letters} dead letters");
}

#[test]
fn commands_change_what_was_said() {
    let deployment = Deployment::new(Broker::shared(), "commands").create(2);
    let records = simulated(40, 10, Form::EntraEventHub);
    let (before, after) = records.split_at(records.len() - 500);
    let instance = deployment.start_ready();
    deployment.broker.produce(&deployment.input(), before);
    deployment.wait_until_done();
    let detections = by_field(&deployment.lines("risk-detections"), "userId");
    let actions = ["dismiss", "confirmSafe", "confirmCompromised", "passwordChanged"];
    assert!(detections.len() >= actions.len(), "{} users with detections", detections.len());
    let time = time_of(before.last().unwrap());
    let mut commands = Vec::new();
    for (action, (user, lines)) in actions.iter().zip(&detections) {
        let detection: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        let about = ["dismiss", "confirmSafe"].contains(action).then(|| detection["requestId"].clone());
        let mut command = json!({
            "type": "feedback", "tenantId": tenant_of(before), "id": format!("f-{action}"), "time": time,
            "userId": user, "action": action,
        });
        if let Some(about) = about {
            command["requestId"] = about;
        }
        commands.push(Record::keyed(user.as_str(), command.to_string()));
    }
    deployment.broker.produce(&deployment.topic("commands"), &commands);
    deployment.wait_until_done();
    let detections = by_field(&deployment.lines("risk-detections"), "userId");
    let states: Vec<Value> = detections
        .values()
        .take(actions.len())
        .map(|lines| serde_json::from_str::<Value>(lines.last().unwrap()).unwrap()["riskState"].clone())
        .collect();
    assert_eq!(states, ["dismissed", "confirmedSafe", "confirmedCompromised", "remediated"]);
    assert_eq!(instance.metric("farsign_feedback_without_effect_total", ""), 0.0);

    // What comes later is judged in their light; a sign-in among the commands is none.
    deployment.broker.produce(&deployment.input(), after);
    deployment.broker.produce(&deployment.topic("commands"), &[good(0)]);
    deployment.wait_until_done();
    instance.terminate();
    let letters = deployment.broker.read_committed(&deployment.topic("dead-letter"));
    let reasons: Vec<Option<String>> = letters.iter().map(|letter| letter.header("farsign.reason")).collect();
    assert_eq!(reasons, [Some("notACommand".to_owned())]);
    assert_exactly_once(&deployment);
    deployment.assert_same_as_replay(&[before, &commands, after].concat());
}

fn parsed(record: &Record) -> Value {
    serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
}

fn time_of(record: &Record) -> Value {
    parsed(record)["time"].clone()
}

fn tenant_of(records: &[Record]) -> Value {
    parsed(&records[0])["tenantId"].clone()
}

#[test]
fn lost_input_is_never_passed_over_in_silence() {
    let deployment = Deployment::new(Broker::shared(), "lost").create(1);
    let records: Vec<Record> = (0..50).map(good).collect();
    let instance = deployment.start_ready();
    deployment.broker.produce(&deployment.input(), &records[..20]);
    deployment.wait_until_done();
    instance.terminate();
    // Retention overtakes it.
    deployment.broker.produce(&deployment.input(), &records[20..]);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&deployment.input(), 0, Offset::Offset(35)).unwrap();
    let admin = deployment.broker.admin();
    wait(admin.delete_records(&list, &AdminOptions::new().operation_timeout(Some(PATIENCE)))).unwrap();
    assert_eq!(deployment.broker.offsets(&deployment.input(), Isolation::Uncommitted), [(35, 50)]);

    let instance = deployment.start();
    instance.wait_for_log(&["the task stops", "offsets `20` to `35` are gone", "on_data_loss: earliest"]);
    let (status, said) = instance.get("readyz");
    assert!(status == 503 && said.contains("are gone"), "{status} {said}");
    assert_eq!(instance.metric("farsign_task_failures_total", "cause=\"offset\""), 1.0);
    instance.terminate();
    assert_eq!(deployment.broker.committed(&deployment.name, &deployment.input())[0].as_ref().unwrap().0, 20);

    let deployment = deployment.set("input", "on_data_loss", "earliest");
    let instance = deployment.start_ready();
    instance.wait_for_log(&["offsets `20` to `35` are gone", "going on at `35`"]);
    deployment.wait_until_done();
    assert_eq!(instance.metric("farsign_lost_records_total", ""), 15.0);
    instance.terminate();
    let probes = deployment.lines("probe");
    assert_eq!(probes.len(), 20 + 15);
}

#[test]
fn a_topic_made_anew_stops_the_task() {
    // Shorter than what was read, as long, and longer: no offset gives it away.
    for length in [5, 20, 30] {
        let deployment = Deployment::new(Broker::shared(), "anew").create(1);
        let records: Vec<Record> = (0..50).map(good).collect();
        let instance = deployment.start_ready();
        deployment.broker.produce(&deployment.input(), &records[..20]);
        deployment.wait_until_done();
        instance.terminate();
        deployment.broker.delete_topic(&deployment.input());
        deployment.broker.create_topic(&deployment.input(), 1, &[]);
        deployment.broker.produce(&deployment.input(), &records[20..20 + length]);
        let instance = deployment.start();
        instance.wait_for_log(&["the task stops", "made anew"]);
        instance.terminate();
        assert_eq!(deployment.lines("probe").len(), 20);
    }
}

#[test]
fn a_reload_changes_verdicts_between_two_transactions() {
    let mut deployment = Deployment::new(Broker::shared(), "reload").create(2);
    let records = simulated(60, 10, Form::EntraEventHub);
    let (first, second) = records.split_at(records.len() / 2);
    let instance = deployment.start_ready();
    deployment.broker.produce(&deployment.input(), first);
    deployment.wait_until_done();
    let before = deployment.lines("risk-detections");
    assert!(before.len() > 2, "{} detections", before.len());

    // Not valid: the old one stays, and that is told.
    deployment.replace_rest("detections:\n  impossible_travel: {enabled: perhaps}\n");
    deployment.config();
    instance.hang_up();
    eventually("the refusal", || {
        let refused = instance.metric("farsign_config_reloads_total", "result=\"refused\"");
        if refused >= 1.0 { Ok(()) } else { Err(instance.log()) }
    });
    assert_eq!(instance.metric("farsign_config_last_reload_successful", ""), 0.0);
    instance.wait_for_log(&["detections.impossible_travel.enabled"]);

    // Everything off.
    let kinds = [
        "impossible_travel",
        "atypical_travel",
        "new_country",
        "unfamiliar_features",
        "anomalous_token",
        "attacker_in_the_middle",
        "token_issuer",
        "mfa_fatigue",
        "reported_activity",
        "risky_address",
        "password_spray",
        "suspicious_browser",
    ];
    let off = |kind: &&str| format!("  {kind}: {{enabled: false}}\n");
    let off: String = kinds.iter().map(off).collect();
    deployment.replace_rest(&format!("detections:\n{off}"));
    deployment.config();
    instance.hang_up();
    eventually("the reload", || {
        let applied = instance.metric("farsign_config_reloads_total", "result=\"applied\"");
        if applied >= 1.0 { Ok(()) } else { Err(instance.log()) }
    });
    deployment.broker.produce(&deployment.input(), second);
    deployment.wait_until_done();
    instance.terminate();
    let evidence = assert_exactly_once(&deployment);
    let hashes: std::collections::BTreeSet<&String> =
        evidence.markers.values().flatten().map(|marker| &marker.configuration_hash).collect();
    assert_eq!(hashes.len(), 2, "{hashes:?}");
    let new = |line: &&String| !before.iter().any(|old| detection_id(old) == detection_id(line));
    let found = deployment.lines("risk-detections").iter().filter(new).cloned().collect::<Vec<_>>();
    assert_eq!(found, Vec::<String>::new(), "detections of what was switched off");
}

fn detection_id(line: &str) -> String {
    serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn ready_means_restored() {
    let deployment = Deployment::new(Broker::shared(), "ready").create(4);
    let records = simulated(60, 4, Form::EntraLean);
    let instance = deployment.start_ready();
    deployment.broker.produce(&deployment.input(), &records);
    deployment.wait_until_done();
    let users = instance.metric("farsign_state_users", "");
    instance.terminate();
    let instance = deployment.start_ready();
    assert_eq!(instance.metric("farsign_tasks", "state=\"running\""), 4.0);
    assert_eq!(instance.metric("farsign_tasks", ""), 4.0);
    assert!(users > 20.0 && instance.metric("farsign_restored_records_total", "") > users);
    instance.terminate();
}

/// A person's accounts come in different partitions, and what is told of the person is told in another form.
#[test]
fn persons_and_forms_are_those_of_replay() {
    let deployment = Deployment::new(Broker::shared(), "persons")
        .set("input", "keyed", "false")
        .with("output: {format: ecs}\nidentity: {organization: fjord, rules: {email: true}}\n")
        .create(3);
    let sign_in = |provider: &str, time: String, (city, country, latitude, longitude): (&str, &str, f64, f64)| {
        json!({
            "type": "signIn", "provider": provider, "tenantId": provider, "id": format!("{provider}-{time}"), "time": time,
            "userId": format!("{provider}-17"), "userPrincipalName": "alice@fjord.example", "outcome": "success",
            "ipAddress": if city == "Oslo" { "192.0.2.17" } else { "198.51.100.17" },
            "location": {"city": city, "country": country, "latitude": latitude, "longitude": longitude},
        })
    };
    let oslo = ("Oslo", "NO", 59.91, 10.75);
    let home = (1..=20).map(|day| sign_in("okta", format!("2026-03-{day:02}T08:00:00Z"), oslo));
    let away = sign_in("aws", "2026-03-20T08:20:00Z".to_owned(), ("New York", "US", 40.71, -74.01));
    let record = |(line, partition): (Value, i32)| Record::keyed("any", line.to_string()).to(partition);
    let records: Vec<Record> = home.chain([away]).zip((0..3).cycle()).map(record).collect();
    let expected: BTreeSet<String> = deployment.replay(&records).detections.into_iter().collect();
    let instance = deployment.start_ready();
    for record in &records {
        deployment.broker.produce(&deployment.input(), std::slice::from_ref(record));
    }
    eventually("what replay tells", || {
        let told: BTreeSet<String> = deployment.lines("risk-detections").into_iter().collect();
        if told == expected { Ok(()) } else { Err(format!("{told:#?} instead of {expected:#?}")) }
    });
    instance.terminate();
    let travel = expected.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let travel = travel.into_iter().find(|line| line["event"]["code"] == "mcasImpossibleTravel").unwrap();
    assert_eq!(
        (&travel["event"]["kind"], &travel["user"]["id"]),
        (&json!("alert"), &json!("alice@fjord.example"))
    );
    let ends = &travel["farsign"]["evidence"];
    let ends = if ends["evidence"].is_null() { ends } else { &ends["evidence"] };
    assert_eq!(
        (&ends["this"]["provider"], &ends["reference"]["provider"]),
        (&json!("aws"), &json!("okta")),
        "{travel:#}"
    );
}
