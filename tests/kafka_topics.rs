//! `farsign topics create|verify` against real brokers: settings, wrong topics, missing rights, TLS and SASL.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use assert_cmd::Command;
use common::kafka::{Broker, Options, unique, wait};
use farsign::config::{self, Config};
use farsign::runtime::kafka::client::Connection;
use farsign::runtime::kafka::topics::create::{Creation, Outcome, create};
use farsign::runtime::kafka::topics::verify::{Verified, verify};
use rdkafka::admin::{AdminOptions, ResourceSpecifier};

const TIMEOUT: Duration = Duration::from_secs(20);

/// One broker: no copies.
const ALONE: &str = "replication_factor: 1\n  min_insync_replicas: 1\n";

/// Farsign's topics under a prefix of the test's own.
fn topics(prefix: &str) -> String {
    let keys = ["repartition", "state", "profiles", "risk_detections", "risky_users", "commands", "dead_letter"];
    keys.iter().map(|key| format!("  {key}: {prefix}.{}\n", key.replace('_', "-"))).collect()
}

fn text(servers: &str, prefix: &str, inputs: &[&str], security: &str) -> String {
    format!(
        "kafka:\n  bootstrap_servers: [\"{servers}\"]\n  application_id: {prefix}\n{security}\
         topics:\n  {ALONE}{}input:\n  topics: {inputs:?}\n",
        topics(prefix)
    )
}

fn parse(text: &str) -> Config {
    let environment = BTreeMap::from([("PASSWORD".to_owned(), "farsign-secret".to_owned())]);
    config::parse(text, &environment).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn created(config: &Config) -> Vec<Creation> {
    create(&Connection::new(&config.kafka).unwrap(), config, false, TIMEOUT).unwrap()
}

fn verified(config: &Config) -> Verified {
    verify(&Connection::new(&config.kafka).unwrap(), config, TIMEOUT).unwrap()
}

fn problems(verified: &Verified) -> Vec<String> {
    verified.problems.iter().map(ToString::to_string).collect()
}

/// Each expected piece is in one problem of its own, and there are no others.
fn assert_problems(verified: &Verified, expected: &[&[&str]]) {
    let found = problems(verified);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for pieces in expected {
        let fits = |problem: &&String| pieces.iter().all(|piece| problem.contains(piece));
        assert_eq!(found.iter().filter(fits).count(), 1, "{pieces:?} in {found:#?}");
    }
    assert_eq!(verified.layout.is_some(), expected.is_empty());
}

fn setting(broker: &Broker, topic: &str, name: &str) -> String {
    let answer =
        wait(broker.admin().describe_configs(&[ResourceSpecifier::Topic(topic)], &AdminOptions::new())).unwrap();
    answer[0].as_ref().unwrap().get(name).unwrap().value.clone().unwrap()
}

#[test]
fn topics_that_were_created_are_as_they_must_be() {
    let broker = Broker::shared();
    let (prefix, input) = (unique("created"), unique("sign-ins"));
    broker.create_topic(&input, 3, &[("max.message.bytes", "2000000")]);
    let config = parse(&text(broker.bootstrap(), &prefix, &[&input], ""));
    let made = created(&config);
    assert_eq!(made.len(), 6, "{made:?}");
    assert!(made.iter().all(|creation| matches!(creation.outcome, Outcome::Created { .. })), "{made:?}");

    let verified = verified(&config);
    assert_problems(&verified, &[]);
    assert_eq!(verified.notes, []);
    let layout = verified.layout.unwrap();
    assert_eq!((layout.lead.as_str(), layout.partitions), (input.as_str(), 3));
    assert!(layout.cluster_id.is_some_and(|id| !id.is_empty()));
    assert_eq!(layout.topics.len(), 7);
    let dead_letter = &layout.topics[&format!("{prefix}.dead-letter")];
    assert_eq!((dead_letter.partitions, dead_letter.message_bytes_max), (3, 2_000_000 + (64 << 10)));
    let ids: std::collections::BTreeSet<&str> = layout.topics.values().map(|topic| topic.id.as_str()).collect();
    assert!(ids.len() == 7 && !ids.contains(""), "{ids:?}");

    let of = |topic: &str, name: &str| setting(broker, &format!("{prefix}.{topic}"), name);
    assert_eq!(of("state", "cleanup.policy"), "compact");
    assert_eq!(of("state", "max.compaction.lag.ms"), "3600000");
    assert_eq!(of("risky-users", "cleanup.policy"), "compact");
    assert_eq!(of("risk-detections", "cleanup.policy"), "delete");
    assert_eq!(of("risk-detections", "retention.ms"), "2592000000");

    // Again: nothing is made, and nothing is changed.
    let again = created(&config);
    assert!(again.iter().all(|creation| creation.outcome == Outcome::Exists), "{again:?}");
    broker.delete_topic(&format!("{prefix}.state"));
    created(&config);
    let renewed = right_layout(&config);
    assert_ne!(renewed.topics[&format!("{prefix}.state")].id, layout.topics[&format!("{prefix}.state")].id);
}

fn right_layout(config: &Config) -> farsign::runtime::kafka::topics::Layout {
    let verified = verified(config);
    assert_problems(&verified, &[]);
    verified.layout.unwrap()
}

#[test]
fn every_wrong_topic_is_reported_with_what_mends_it() {
    let broker = Broker::shared();
    let (prefix, first, second) = (unique("wrong"), unique("sign-ins"), unique("audit"));
    broker.create_topic(&first, 3, &[]);
    broker.create_topic(&second, 2, &[("cleanup.policy", "compact")]);
    let name = |topic: &str| format!("{prefix}.{topic}");
    broker.create_topic(&name("state"), 2, &[("cleanup.policy", "compact,delete")]);
    broker.create_topic(&name("profiles"), 1, &[("cleanup.policy", "delete"), ("max.message.bytes", "1000")]);
    broker.create_topic(&name("risk-detections"), 1, &[("retention.ms", "-1")]);
    broker.create_topic(&name("risky-users"), 3, &[]);
    broker.create_topic(&name("dead-letter"), 3, &[("min.insync.replicas", "2"), ("retention.ms", "60000")]);
    let config = parse(&text(broker.bootstrap(), &prefix, &[&first, &second], ""));
    let verified = verified(&config);
    let topic = |topic: &str| format!("topic `{}`:", name(topic));
    let second = format!("topic `{second}`:");
    assert_problems(
        &verified,
        &[
            &[&second, "has `2` partitions; allowed: 3", "input.keyed"],
            &[&second, "cleanup.policy=compact", "--add-config cleanup.policy=delete"],
            &[&topic("state"), "has `2` partitions; allowed: 3", "kafka-topics.sh", "--delete"],
            &[&topic("state"), "cleanup.policy=compact,delete", "--add-config cleanup.policy=compact`"],
            &[&topic("profiles"), "max.message.bytes=1000", "--add-config max.message.bytes=1048588"],
            &[&topic("risk-detections"), "has `1` partitions; allowed: at least 3", "--alter", "--partitions 3"],
            &[&topic("risky-users"), "cleanup.policy=delete"],
            &[&topic("commands"), "does not exist", "farsign topics create"],
            &[&topic("dead-letter"), "min.insync.replicas=2", "1 replicas"],
            &[&topic("dead-letter"), "max.message.bytes=1048588", "at least 1114124"],
        ],
    );
    let notes: Vec<String> = verified.notes.iter().map(ToString::to_string).collect();
    assert!(notes.iter().any(|note| note.contains(&topic("dead-letter")) && note.contains("retention.ms=60000")));
    assert!(!notes.iter().any(|note| note.contains("retention.ms=-1")), "{notes:?}");
}

#[test]
fn an_input_topic_is_never_made() {
    let broker = Broker::shared();
    let (prefix, input) = (unique("absent"), unique("no-sign-ins"));
    let config = parse(&text(broker.bootstrap(), &prefix, &[&input], ""));
    let made = created(&config);
    assert!(
        matches!(&made[..], [Creation { topic, outcome: Outcome::Failed { message } }]
        if *topic == input && message.contains("input.topics")),
        "{made:?}"
    );
    assert_problems(&verified(&config), &[&[&input, "does not exist", "input.topics"]]);
}

/// Without keys the repartition topic leads, and the input's partitions do not matter.
#[test]
fn the_repartition_topic_leads_when_the_input_is_not_keyed() {
    let broker = Broker::shared();
    let (prefix, first, second) = (unique("spread"), unique("sign-ins"), unique("audit"));
    broker.create_topic(&first, 1, &[]);
    broker.create_topic(&second, 2, &[]);
    let text = text(broker.bootstrap(), &prefix, &[&first, &second], "") + "  keyed: false\n";
    let config = parse(&text.replace("topics:\n  replication", "topics:\n  partitions: 4\n  replication"));
    assert_eq!(created(&config).len(), 7);
    let layout = right_layout(&config);
    assert_eq!((layout.lead, layout.partitions), (format!("{prefix}.repartition"), 4));
}

#[test]
fn the_command_creates_and_verifies() {
    let broker = Broker::shared();
    let (prefix, input) = (unique("command"), unique("sign-ins"));
    broker.create_topic(&input, 2, &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("farsign.yaml");
    std::fs::write(&file, text(broker.bootstrap(), &prefix, &[&input], "")).unwrap();
    let run = |arguments: &[&str], code: i32| {
        let mut command = Command::cargo_bin("farsign").unwrap();
        let output = command.arg("topics").args(arguments).arg("-c").arg(&file).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{err}");
        (out, err)
    };
    let (out, _) = run(&["create", "--dry-run"], 0);
    let create = format!("--create --topic {prefix}.state --partitions 2 --replication-factor 1");
    assert!(out.contains(&create) && out.contains("--config cleanup.policy=compact"), "{out}");
    let (out, err) = run(&["verify"], 1);
    assert!(out.is_empty() && err.lines().count() == 6 && err.contains("does not exist"), "{err}");
    let (out, _) = run(&["create"], 0);
    assert!(out.contains(&format!("created {prefix}.state")), "{out}");
    let (out, err) = run(&["verify"], 0);
    assert!(out.contains("7 topics") && err.is_empty(), "{out}{err}");
    let (out, _) = run(&["create"], 0);
    assert!(out.contains(&format!("{prefix}.state exists")) && !out.contains("created"), "{out}");
}

/// One broker for all that takes an authorizer or certificates: Java starts slowly.
#[test]
fn rights_and_encryption() {
    let broker = Broker::start(Options { sasl: true, tls: true, ..Options::default() });
    broker.create_topic("sign-ins", 2, &[]);
    let plain = parse(&text(broker.bootstrap(), "farsign", &["sign-ins"], ""));
    created(&plain);

    let ca = broker.tls_file("ca.pem");
    let scram = |servers: &str, ca: Option<&PathBuf>, mechanism: &str| {
        let ssl = ca.map(|ca| format!("    ssl: {{ca_file: \"{}\"}}\n", ca.display())).unwrap_or_default();
        let protocol = if ca.is_some() { "sasl_ssl" } else { "sasl_plaintext" };
        let security = format!(
            "  security:\n    protocol: {protocol}\n{ssl}    \
             sasl: {{mechanism: {mechanism}, username: farsign, password: \"${{PASSWORD}}\"}}\n"
        );
        parse(&text(servers, "farsign", &["sign-ins"], &security))
    };
    let config = scram(&broker.bootstrap_sasl(), None, "SCRAM-SHA-256");

    // Without any right: each topic, the transactional id and the group.
    let refused = verified(&config);
    let found = problems(&refused);
    let has = |pieces: &[&str]| found.iter().any(|problem| pieces.iter().all(|piece| problem.contains(piece)));
    assert!(has(&[
        "topic `sign-ins`",
        "may not be described",
        "kafka-acls.sh",
        "User:farsign",
        "--operation Read"
    ]));
    assert!(has(&["transactional id", "--transactional-id farsign-", "prefixed"]), "{found:#?}");
    assert!(has(&["consumer group `farsign`", "--operation Read --group farsign"]), "{found:#?}");

    // What the advice says, given.
    let prefixed = ["--resource-pattern-type", "prefixed"];
    broker.allow("farsign", "Read", &["--topic", "sign-ins"]);
    broker.allow("farsign", "Read", &["--group", "farsign"]);
    broker.allow("farsign", "Write", &[&["--transactional-id", "farsign-"][..], &prefixed].concat());
    broker.allow("farsign", "Read", &[&["--topic", "farsign."][..], &prefixed].concat());
    let partly = verified(&config);
    assert!(problems(&partly).iter().all(|problem| problem.contains("Write")), "{:#?}", problems(&partly));
    assert_eq!(partly.problems.len(), 5, "{:#?}", problems(&partly));
    assert!(partly.notes.iter().any(|note| note.to_string().contains("DescribeConfigs")), "{:?}", partly.notes);
    broker.allow("farsign", "Write", &[&["--topic", "farsign."][..], &prefixed].concat());
    broker.allow("farsign", "DescribeConfigs", &[&["--topic", "farsign."][..], &prefixed].concat());
    broker.allow("farsign", "DescribeConfigs", &["--topic", "sign-ins"]);
    assert_eq!(right_layout(&config).partitions, 2);

    // The same over TLS, with each mechanism.
    for mechanism in ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] {
        right_layout(&scram(&broker.bootstrap_sasl_tls(), Some(&ca), mechanism));
    }
    // A broker that cannot prove who it is, is not spoken to.
    let stranger = scram(&broker.bootstrap_sasl_tls(), Some(&broker.tls_file("client.crt")), "PLAIN");
    let connection = Connection::new(&stranger.kafka).unwrap();
    assert!(verify(&connection, &stranger, Duration::from_secs(3)).is_err());
}
