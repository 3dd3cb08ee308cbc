//! The broker the tests run on keeps Kafka's promises: transactions, fencing, a kill without loss, TLS, SASL and ACLs.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::kafka::{
    Broker, Isolation, Options, PATIENCE, Record, Stored, eventually, unique, unsecured_token, wait,
};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::{DefaultClientContext, OAuthToken};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, ClientContext};

fn texts(records: &[Stored]) -> Vec<String> {
    records.iter().map(Stored::text).collect()
}

fn send(producer: &BaseProducer, topic: &str, value: &str) {
    producer.send(BaseRecord::<(), str>::to(topic).partition(0).payload(value)).unwrap();
}

/// Its own broker, because it is killed.
#[test]
fn committed_records_survive_a_kill() {
    let broker = Broker::start(Options { is_killed: true, ..Options::default() });
    broker.create_topic("events", 1, &[]);
    let producer = broker.transactional_producer("one");
    for (values, commit) in [(["a", "b"], true), (["c", "d"], false), (["e", "f"], true)] {
        producer.begin_transaction().unwrap();
        values.iter().for_each(|value| send(&producer, "events", value));
        producer.flush(PATIENCE).unwrap();
        if commit {
            producer.commit_transaction(PATIENCE).unwrap();
        } else {
            producer.abort_transaction(PATIENCE).unwrap();
        }
    }
    broker.wait_until_settled("events");
    assert_eq!(texts(&broker.read_committed("events")), ["a", "b", "e", "f"]);
    assert_eq!(texts(&broker.read_uncommitted("events")), ["a", "b", "c", "d", "e", "f"]);

    // Killed in the middle of a transaction.
    producer.begin_transaction().unwrap();
    send(&producer, "events", "g");
    producer.flush(PATIENCE).unwrap();
    broker.kill();
    broker.restart();
    let next = broker.transactional_producer("one");
    broker.wait_until_settled("events");
    assert_eq!(texts(&broker.read_committed("events")), ["a", "b", "e", "f"]);
    next.begin_transaction().unwrap();
    send(&next, "events", "h");
    next.commit_transaction(PATIENCE).unwrap();
    assert_eq!(texts(&broker.read_committed("events")), ["a", "b", "e", "f", "h"]);

    // The second producer of an id fences the first.
    let late = producer.commit_transaction(PATIENCE).unwrap_err();
    assert!(late.to_string().to_lowercase().contains("fenced"), "{late}");
}

#[test]
fn records_come_back_as_they_went_in() {
    let broker = Broker::shared();
    let topic = unique("records");
    broker.create_topic(&topic, 4, &[("cleanup.policy", "compact")]);
    let headers = vec![("reason".to_owned(), Some(b"none".to_vec())), ("empty".to_owned(), None)];
    let first =
        Record { headers: headers.clone(), timestamp_ms: Some(1_700_000_000_000), ..Record::keyed("k", "v") };
    let records = [first.clone().to(3), Record::keyed("k", "w").to(3), Record::keyed("l", "x").to(3)];
    broker.produce(&topic, &records);
    broker.produce(&topic, &[Record { partition: Some(3), key: Some(b"l".to_vec()), ..Record::default() }]);
    let read = broker.read_committed(&topic);
    assert_eq!(texts(&read), ["v", "w", "x", ""]);
    let expected = Stored {
        partition: 3,
        offset: 0,
        timestamp_ms: Some(1_700_000_000_000),
        key: Some(b"k".to_vec()),
        value: Some(b"v".to_vec()),
        headers,
    };
    assert_eq!(read[0], expected);
    assert_eq!((read[0].header("reason").as_deref(), read[0].header("empty")), (Some("none"), None));
    assert_eq!((read[3].value.as_ref(), read[3].offset), (None, 3));
    assert_eq!(broker.read_compacted(&topic).into_values().map(|record| record.text()).collect::<Vec<_>>(), ["w"]);
    let ends: Vec<i64> = broker.offsets(&topic, Isolation::Committed).iter().map(|(_, end)| *end).collect();
    assert_eq!(ends, [0, 0, 0, 4]);
}

/// The partition that Kafka's own clients choose; the hashes are those of `UtilsTest.testMurmur2` in Kafka's sources.
#[test]
fn keys_choose_partitions_as_kafkas_clients_do() {
    let broker = Broker::shared();
    let topic = unique("keys");
    broker.create_topic(&topic, 12, &[]);
    let records: Vec<Record> =
        (0..20_000).map(|n| Record::keyed(format!("user-{}", n % 100), n.to_string())).collect();
    broker.produce(&topic, &records);
    let read = broker.read_committed(&topic);
    assert_eq!(read.len(), records.len());
    for key in 0..100 {
        let of_key: Vec<&Stored> =
            read.iter().filter(|r| r.key == Some(format!("user-{key}").into_bytes())).collect();
        assert!(of_key.iter().all(|r| r.partition == of_key[0].partition), "user-{key} has one partition");
        let order: Vec<usize> = of_key.iter().map(|r| r.text().parse().unwrap()).collect();
        assert!(order.is_sorted() && order.len() == 200, "user-{key} is whole and in order");
    }
    // Hashes 1357151166, 479470107 and 1173551340 (the sign bit cleared), modulo 12.
    for (key, partition) in [("foobar", 6), ("abc", 3), ("21", 0)] {
        let of_key = unique(&topic);
        broker.create_topic(&of_key, 12, &[]);
        broker.produce(&of_key, &[Record::keyed(key, "")]);
        assert_eq!(broker.read_committed(&of_key)[0].partition, partition, "{key}");
    }
}

#[test]
fn offsets_of_a_transaction_are_the_groups() {
    let broker = Broker::shared();
    let (topic, group) = (unique("input"), unique("group"));
    broker.create_topic(&topic, 2, &[]);
    broker.produce(&topic, &[Record::keyed("k", "v").to(0)]);
    assert_eq!(broker.committed(&group, &topic), [None, None]);
    let consumer: BaseConsumer = broker.client().set("group.id", &group).create().unwrap();
    consumer.subscribe(&[&topic]).unwrap();
    eventually("an assignment", || {
        drop(consumer.poll(Duration::from_millis(50)));
        if consumer.assignment().unwrap().count() == 2 { Ok(()) } else { Err("none yet".to_owned()) }
    });
    let producer = broker.transactional_producer(&unique("id"));
    producer.begin_transaction().unwrap();
    let mut offsets = rdkafka::TopicPartitionList::new();
    offsets.add_partition_offset(&topic, 0, rdkafka::Offset::Offset(1)).unwrap();
    producer.send_offsets_to_transaction(&offsets, &consumer.group_metadata().unwrap(), PATIENCE).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(broker.committed(&group, &topic), [Some((1, String::new())), None]);
}

/// Whether a client with these properties may see the topic `secret`, which exists.
fn sees_topic(bootstrap: &str, properties: &[(&str, &str)]) -> Result<(), String> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("log_level", "2")
        .set("socket.connection.setup.timeout.ms", "5000");
    for (key, value) in properties {
        config.set(*key, *value);
    }
    let client: BaseConsumer = config.create().map_err(|error| error.to_string())?;
    let metadata = client.fetch_metadata(Some("secret"), Duration::from_secs(5)).map_err(|e| e.to_string())?;
    match metadata.topics()[0].error() {
        None => Ok(()),
        Some(code) => Err(RDKafkaErrorCode::from(code).to_string()),
    }
}

#[test]
fn tls_sasl_and_acls_hold() {
    let broker = Broker::start(Options { sasl: true, tls: true, ..Options::default() });
    broker.create_topic("secret", 1, &[]);
    let ca = broker.tls_file("ca.pem");
    let ca = ("ssl.ca.location", ca.to_str().unwrap());
    let (sasl, tls, both) = (broker.bootstrap_sasl(), broker.bootstrap_tls(), broker.bootstrap_sasl_tls());
    let user = |protocol, mechanism, name, password| {
        vec![
            ("security.protocol", protocol),
            ("sasl.mechanism", mechanism),
            ("sasl.username", name),
            ("sasl.password", password),
        ]
    };
    let check = |bootstrap: &str, properties: &[(&str, &str)], expected: Result<(), &str>| {
        let found = sees_topic(bootstrap, properties);
        match (&found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(found), Err(expected)) if found.contains(expected) => {}
            _ => panic!("{bootstrap} with {properties:?}: {found:?}, not {expected:?}"),
        }
    };
    let secret = "farsign-secret";
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        check(&sasl, &user("SASL_PLAINTEXT", mechanism, "farsign", secret), Err("authorization failed"));
    }
    check(&sasl, &user("SASL_PLAINTEXT", "SCRAM-SHA-512", "farsign", "wrong"), Err("BrokerTransportFailure"));
    check(&sasl, &user("SASL_PLAINTEXT", "SCRAM-SHA-512", "admin", "admin-secret"), Ok(()));
    let over_tls = user("SASL_SSL", "SCRAM-SHA-512", "admin", "admin-secret");
    check(&both, &over_tls, Err("BrokerTransportFailure"));
    check(&both, &[&over_tls[..], &[ca]].concat(), Ok(()));
    check(&tls, &[("security.protocol", "SSL"), ca], Ok(()));

    broker.allow("farsign", "Describe", &["--topic", "secret"]);
    eventually("the ACL", || sees_topic(&sasl, &user("SASL_PLAINTEXT", "PLAIN", "farsign", secret)));
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &sasl).set("log_level", "2");
    for (key, value) in user("SASL_PLAINTEXT", "PLAIN", "farsign", secret) {
        config.set(key, value);
    }
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let deleted = wait(admin.delete_topics(&["secret"], &AdminOptions::new())).unwrap();
    assert_eq!(deleted[0].as_ref().unwrap_err().1, RDKafkaErrorCode::TopicAuthorizationFailed);
}

/// Gives librdkafka the token of the administrator.
struct Bearer;

impl ClientContext for Bearer {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        Ok(unsecured_token("admin"))
    }
}

impl ConsumerContext for Bearer {}

#[test]
fn a_bearer_token_opens_the_door() {
    let broker = Broker::start(Options { sasl: true, ..Options::default() });
    broker.create_topic("secret", 1, &[]);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap_sasl()).set("log_level", "2");
    config.set("security.protocol", "SASL_PLAINTEXT").set("sasl.mechanism", "OAUTHBEARER");
    let client: BaseConsumer<Bearer> = config.create_with_context(Bearer).unwrap();
    eventually("a connection with the token", || {
        // The token is asked for in poll.
        drop(client.poll(Duration::from_millis(50)));
        let metadata = client.fetch_metadata(Some("secret"), Duration::from_secs(2)).map_err(|e| e.to_string())?;
        metadata.topics()[0].error().map_or(Ok(()), |code| Err(RDKafkaErrorCode::from(code).to_string()))
    });
}

/// Clients that come through the test's proxy stay with it, and a frozen broker answers once it goes on.
#[test]
fn clients_stay_behind_a_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = proxy.local_addr().unwrap().port();
    let broker = Broker::start(Options { proxy_port: Some(port), ..Options::default() });
    let target = broker.behind_proxy();
    std::thread::spawn(move || {
        for client in proxy.incoming() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(&target).unwrap());
            let (mut client_reads, mut server_writes) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            // Copies end with their connections.
            std::thread::spawn(move || drop(std::io::copy(&mut client_reads, &mut server_writes)));
            std::thread::spawn(move || drop(std::io::copy(&mut server, &mut client)));
        }
    });
    let mut config = broker.client();
    config.set("bootstrap.servers", format!("127.0.0.1:{port}"));
    let client: BaseConsumer = config.create().unwrap();
    let metadata = client.fetch_metadata(None, PATIENCE).unwrap();
    assert_eq!(metadata.brokers()[0].port(), i32::from(port));

    broker.pause_node(1);
    let silence = client.fetch_metadata(None, Duration::from_millis(500)).unwrap_err();
    // The client calls it one or the other, as it had begun to ask or not.
    let no_answer = [RDKafkaErrorCode::OperationTimedOut, RDKafkaErrorCode::BrokerTransportFailure];
    assert!(silence.rdkafka_error_code().is_some_and(|code| no_answer.contains(&code)), "{silence}");
    broker.resume_node(1);
    assert_eq!(client.fetch_metadata(None, PATIENCE).unwrap().brokers().len(), 1);
}

/// A test process that is killed leaves no broker behind.
#[test]
fn a_broker_goes_with_its_owner() {
    let mut owner = Command::new("sleep").arg("1000").spawn().unwrap();
    let name = format!("owned-{}", std::process::id());
    let script = |arguments: &[&str]| {
        let output = Command::new("scripts/kafka.sh").args(arguments).args(["--name", &name]).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().min(65_000).to_string();
    let (code, address) = script(&["start", "--port", &port, "--owner", &owner.id().to_string()]);
    assert_eq!((code, address.trim()), (0, format!("127.0.0.1:{port}").as_str()));
    assert_eq!(script(&["status"]), (0, address));
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("the end of the broker", || match script(&["status"]) {
        (1, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    eventually("the end of its data", || {
        if Path::new("target/kafka").join(&name).exists() { Err("it is there".to_owned()) } else { Ok(()) }
    });
}

#[test]
fn the_script_refuses_what_it_does_not_know() {
    for arguments in [
        &["begin"][..],
        &["start", "--port", "70000"],
        &["start", "--nodes", "2"],
        &["start", "--name", "../up"],
        &["start", "--name", "libs"],
        &["start", "--colour", "red"],
        &["start", "--port"],
    ] {
        let output = Command::new("scripts/kafka.sh").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    let output = Command::new("scripts/kafka.sh").args(["stop", "--name", "nobody"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

/// A producer that needs both in-sync replicas goes on while one of three nodes is down.
#[test]
fn three_nodes_bear_the_loss_of_one() {
    let broker = Broker::start(Options { nodes: 3, is_killed: true, ..Options::default() });
    broker.create_topic("events", 3, &[]);
    let records = |from: usize| -> Vec<Record> {
        (from..from + 300).map(|n| Record::keyed(n.to_string(), n.to_string()).to((n % 3) as i32)).collect()
    };
    broker.produce("events", &records(0));
    broker.kill_node(2);
    broker.produce("events", &records(300));
    assert_eq!(broker.read_committed("events").len(), 600);
    broker.restart_node(2);
    broker.kill_node(3);
    broker.produce("events", &records(600));
    let read: std::collections::BTreeSet<usize> =
        broker.read_committed("events").iter().map(|record| record.text().parse().unwrap()).collect();
    assert_eq!(read, (0..900).collect());
}

#[test]
fn a_refused_record_is_an_error() {
    let broker = Broker::shared();
    let topic = unique("small");
    broker.create_topic(&topic, 1, &[("max.message.bytes", "1000")]);
    let producer = broker.transactional_producer(&unique("id"));
    producer.begin_transaction().unwrap();
    send(&producer, &topic, &"x".repeat(2000));
    let error = producer.commit_transaction(PATIENCE).unwrap_err();
    assert!(matches!(error, KafkaError::Transaction(_)), "{error:?}");
    producer.abort_transaction(PATIENCE).unwrap();
    assert_eq!(broker.read_committed(&topic), []);
}
