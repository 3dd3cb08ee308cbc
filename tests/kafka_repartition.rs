//! `farsign run` on input that is not keyed by user, on a real broker: what a user's events cause is what a replay of
//! the same log says, and every sign-in reaches its user's task once, whatever is killed on the way.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};

use common::kafka::{Broker, Record, Stored, assert_same_detections, attacked_users, eventually};
use farsign::engine::decode::{Decoded, Format, decode};
use farsign::engine::hash::UserKey;
use farsign::runtime::kafka::probe::ProbeRecord;
use farsign::runtime::kafka::repartition::group_id;
use farsign::simulate::{self, Form};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_farsign");
/// Input topics with their partitions, and where users' events come in: each user in one of five.
const INPUTS: [(&str, i32); 2] = [("gateway", 2), ("portal", 3)];
const ENTRANCES: [(&str, i32); 5] = [("gateway", 0), ("gateway", 1), ("portal", 0), ("portal", 1), ("portal", 2)];
const COMMANDS: &str = "farsign.commands";
const APPLICATION: &str = "farsign";
/// Of the repartition topic.
const TASKS: usize = 4;
/// Events of a wave come in at once, in any order between partitions: less than the horizon.
const WAVE_S: i64 = 6_000;
/// Most sign-ins in one record of the topic that has envelopes.
const ENVELOPE: usize = 3;

/// One sign-in of the log, as it stands there.
struct Event {
    line: Vec<u8>,
    /// Seconds since 1970.
    time_s: i64,
    id: String,
    user: UserKey,
    /// Tenant and user id.
    names: (String, String),
}

/// Three days of a small organisation with intruders, by event time; service principals among it.
fn events() -> Vec<Event> {
    let config = simulate::Config {
        users: 25,
        days: 3,
        attacks: "impossiblePair=3,torExit=2,foreignNaive=3,vpnExit=2".parse().unwrap(),
        late_share: 0.0,
        duplicate_share: 0.0,
        form: Form::EntraEventHub,
        ..simulate::Config::default()
    };
    let (mut log, mut labels) = (Vec::new(), Vec::new());
    simulate::run(&config, &mut log, &mut labels, &mut |_| {}).unwrap();
    let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut events: Vec<Event> = lines.filter_map(event).collect();
    events.sort_by_key(|event| event.time_s);
    events
}

fn event(line: &[u8]) -> Option<Event> {
    let mut event = None;
    decode(Format::Auto, line, &mut |decoded| {
        if let Ok(Decoded::SignIn(sign_in)) = decoded {
            event = Some(Event {
                line: line.to_vec(),
                time_s: sign_in.event_time.seconds(),
                id: sign_in.event_id.to_string(),
                user: UserKey::new(&sign_in.tenant_id, &sign_in.user_id),
                names: (sign_in.tenant_id.to_string(), sign_in.user_id.to_string()),
            });
        }
    });
    event
}

/// Everything of the test's: files, topics, what was sent.
struct Bench {
    broker: Broker,
    folder: tempfile::TempDir,
    config: PathBuf,
    /// What a replay is to read, in the order of events.
    log: Vec<u8>,
    /// Place in the input of each sign-in and feedback, by id.
    origins: BTreeMap<String, String>,
    /// Place and reason of each record that cannot be read.
    refused: BTreeMap<String, &'static str>,
    /// Records sent by topic and partition.
    sent: BTreeMap<(&'static str, i32), i64>,
    /// Topics with records that the stage may not have committed.
    waiting: BTreeSet<&'static str>,
}

impl Bench {
    fn new() -> Bench {
        let broker = Broker::start(common::kafka::Options::default());
        for (topic, partitions) in INPUTS {
            // Retention goes by timestamps, and these are old.
            broker.create_topic(topic, partitions, &[("retention.ms", "-1")]);
        }
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("farsign.yaml");
        let text = format!(
            "kafka:\n  bootstrap_servers: [\"{}\"]\n  application_id: {APPLICATION}\n  session_timeout_ms: 6000\n  \
             heartbeat_interval_ms: 1000\n\
             topics:\n  replication_factor: 1\n  min_insync_replicas: 1\n  partitions: {TASKS}\n\
             input:\n  topics: [gateway, portal]\n  keyed: false\n\
             run:\n  probe_topic: farsign.probe\n  workers: 2\n\
             detections:\n  impossible_travel: {{learning_days: 0}}\n  \
             atypical_travel: {{learning_days: 0, learning_sign_ins: 1}}\n  new_country: {{learning_days: 0}}\n  \
             unfamiliar_features: {{learning_min_days: 0, learning_max_days: 0, low_bits: 4}}\n",
            broker.bootstrap()
        );
        std::fs::write(&config, text).unwrap();
        let (log, origins, refused, sent, waiting) = Default::default();
        let bench = Bench { broker, folder, config, log, origins, refused, sent, waiting };
        assert!(bench.farsign(&["topics", "create"]).status().unwrap().success());
        bench
    }

    fn farsign(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--config").arg(&self.config).current_dir(self.folder.path());
        command
    }

    fn send(&mut self, topic: &'static str, partition: i32, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        *self.sent.entry((topic, partition)).or_default() += records.len() as i64;
        self.waiting.insert(topic);
        let records: Vec<Record> = records.into_iter().map(|record| record.to(partition)).collect();
        self.broker.produce(topic, &records);
    }

    /// Where the record sent after `ahead` others will stand.
    fn place(&self, topic: &'static str, partition: i32, ahead: usize) -> String {
        let sent = self.sent.get(&(topic, partition)).copied().unwrap_or(0);
        format!("{topic}/{partition}/{}", sent + ahead as i64)
    }

    /// Sends what happened in one wave, each user's events to the user's own partition in order.
    fn wave(&mut self, events: &[Event]) {
        for event in events {
            self.log.extend_from_slice(&event.line);
            self.log.push(b'\n');
        }
        for (number, (topic, partition)) in ENTRANCES.into_iter().enumerate() {
            let own: Vec<&Event> =
                events.iter().filter(|event| event.user.0 as usize % ENTRANCES.len() == number).collect();
            let size = if topic == "gateway" { ENVELOPE } else { 1 };
            let mut records = Vec::new();
            for part in own.chunks(size) {
                let place = self.place(topic, partition, records.len());
                self.origins.extend(part.iter().map(|event| (event.id.clone(), place.clone())));
                records.push(Record { value: Some(record(part)), timestamp_ms: stamp(part), ..Record::default() });
            }
            self.send(topic, partition, records);
        }
    }

    /// Records that come to nothing, and one that is half good.
    fn noise(&mut self) {
        let value = |text: &str| Record { value: Some(text.into()), ..Record::default() };
        let workload = json!({"category": "ServicePrincipalSignInLogs", "properties": {"id": "1"}}).to_string();
        self.refused.insert(self.place("portal", 1, 0), "malformed");
        self.refused.insert(self.place("portal", 1, 3), "unknownFormat");
        self.send("portal", 1, vec![value("{cut"), Record::default(), value(&workload), value("7")]);
        let sign_in = json!({"type": "signIn", "tenantId": "t", "id": "1", "time": "2026-03-02T08:00:00Z", "userId": "u",
            "outcome": "success"});
        self.refused.insert(self.place(COMMANDS, 2, 0), "notACommand");
        self.send(COMMANDS, 2, vec![value(&sign_in.to_string())]);
    }

    /// An administrator dismisses the user's risks.
    fn dismiss(&mut self, event: &Event, time_s: i64) {
        let (tenant, user) = &event.names;
        let id = format!("feedback-{time_s}");
        let time = farsign::engine::signin::EventTime::from_seconds(time_s).to_string();
        let line = json!({"type": "feedback", "tenantId": tenant, "id": &id, "time": time, "userId": user,
            "action": "dismiss"});
        self.log.extend_from_slice(line.to_string().as_bytes());
        self.log.push(b'\n');
        self.origins.insert(id, self.place(COMMANDS, 3, 0));
        self.send(COMMANDS, 3, vec![Record { value: Some(line.to_string().into()), ..Record::default() }]);
    }

    /// Until the stage has committed everything that was sent.
    fn wait_for_stage(&mut self) {
        let group = group_id(APPLICATION);
        for topic in std::mem::take(&mut self.waiting) {
            eventually("the stage's commit", || {
                let committed = self.broker.committed(&group, topic);
                for ((_, partition), sent) in self.sent.iter().filter(|((name, _), _)| *name == topic) {
                    let next = committed[*partition as usize].as_ref().map_or(-1, |(next, _)| *next);
                    if next != *sent {
                        return Err(format!("`{topic}` {partition}: {next} of {sent}"));
                    }
                }
                Ok(())
            });
        }
    }
}

/// One record of the input.
fn record(events: &[&Event]) -> Vec<u8> {
    match events {
        [event] => event.line.clone(),
        _ => {
            let values: Vec<Value> =
                events.iter().map(|event| serde_json::from_slice(&event.line).unwrap()).collect();
            json!({"records": values}).to_string().into_bytes()
        }
    }
}

/// When the record was written, of course not now.
fn stamp(events: &[&Event]) -> Option<i64> {
    events.last().map(|event| event.time_s * 1_000 + 500)
}

/// `farsign run`, killed when dropped.
struct Instance {
    child: Child,
    address: String,
}

impl Instance {
    fn start(bench: &Bench) -> Instance {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let child = bench.farsign(&["run"]).env("FARSIGN_HTTP__LISTEN", &address).spawn().unwrap();
        Instance { child, address }
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: farsign\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Until it does its part of the work.
    fn wait_until_ready(&self) {
        eventually("an instance that is ready and has tasks", || {
            let ready = self.get("/readyz").unwrap_or_default();
            let metrics = self.get("/metrics").unwrap_or_default();
            let has_tasks = metrics.lines().any(|line| {
                let tasks = line.strip_prefix("farsign_tasks{state=\"running\"} ");
                tasks.is_some_and(|tasks| tasks.parse::<u32>().unwrap() > 1)
            });
            if ready.starts_with("HTTP/1.1 200") && has_tasks { Ok(()) } else { Err(ready) }
        });
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it in order, and gives what its metrics said before.
    fn end(mut self) -> String {
        let metrics = self.get("/metrics").unwrap();
        let signal = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(signal.success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        metrics
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn unkeyed_input_gives_what_a_replay_gives() {
    let mut bench = Bench::new();
    let events = events();
    let start_s = events[0].time_s.div_euclid(WAVE_S) * WAVE_S;
    let waves: Vec<Vec<Event>> = events.into_iter().fold(Vec::new(), |mut waves, event| {
        let number = ((event.time_s - start_s) / WAVE_S) as usize;
        waves.resize_with(waves.len().max(number + 1), Vec::new);
        waves[number].push(event);
        waves
    });
    let count = waves.len();
    let (killed, joined) = (count / 3, count * 2 / 3);
    let mut instances = vec![Instance::start(&bench)];
    for (number, wave) in waves.iter().enumerate() {
        if number == killed {
            // In the middle of what is under way: the wave before has not been waited for.
            instances.pop().unwrap().kill();
        }
        bench.wave(wave);
        if number % 10 == 5 {
            bench.noise();
        }
        if number == killed {
            instances.push(Instance::start(&bench));
        } else if number == joined {
            instances.push(Instance::start(&bench));
            instances.iter().for_each(Instance::wait_until_ready);
        }
        if number + 1 != killed {
            bench.wait_for_stage();
        }
        // After the wave, before the next: in the order of event time in both.
        if number % 7 == 6 && number + 1 != killed {
            let end_s = start_s + (number as i64 + 1) * WAVE_S - 1;
            if let Some(event) = wave.last().filter(|event| event.time_s < end_s) {
                bench.dismiss(event, end_s);
                bench.wait_for_stage();
            }
        }
    }
    let repartitioned = bench.broker.read_committed("farsign.repartition");
    let probes = eventually("every probe", || {
        let probes = bench.broker.read_committed("farsign.probe");
        let (found, wanted) = (probes.len(), repartitioned.len());
        if found >= wanted { Ok(probes) } else { Err(format!("{found} of {wanted}")) }
    });
    let metrics: Vec<String> = instances.into_iter().map(Instance::end).collect();
    check_repartitioned(&bench, &repartitioned);
    check_probes(&repartitioned, &probes);
    check_dead_letters(&bench);
    check_detections(&bench);
    for metrics in &metrics {
        assert!(
            metrics.contains("farsign_records_total{result=\"rejected\",source=\"repartition\"} 0"),
            "{metrics}"
        );
        let has_lanes = |line: &str| line.starts_with("farsign_next_offset{") && !line.contains("repartition");
        assert!(metrics.lines().any(has_lanes), "both have a share of the stage: {metrics}");
    }
}

/// Every sign-in and feedback once, in its user's partition, with the place it came from.
fn check_repartitioned(bench: &Bench, repartitioned: &[Stored]) {
    let mut seen = BTreeMap::new();
    let mut last: BTreeMap<(String, i32), i64> = BTreeMap::new();
    for stored in repartitioned {
        let value: Value = serde_json::from_slice(stored.value.as_ref().unwrap()).unwrap();
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        let (tenant, user, id) = (text("tenantId"), text("userId"), text("id"));
        let origin = stored.header("farsign.origin").unwrap();
        assert_eq!(stored.partition as usize, UserKey::new(&tenant, &user).shard(TASKS), "{value}");
        assert_eq!(stored.key.as_deref(), Some(format!("{tenant}/{user}").as_bytes()));
        // What one input partition holds stays in order.
        let mut parts = origin.rsplitn(2, '/');
        let (offset, place) = (parts.next().unwrap().parse::<i64>().unwrap(), parts.next().unwrap().to_owned());
        let before = last.insert((place, stored.partition), offset);
        assert!(before.is_none_or(|before| before <= offset), "{before:?} before {origin}");
        assert!(stored.header("farsign.timestamp").is_some_and(|text| text.parse::<i64>().is_ok()));
        assert_eq!(seen.insert(id.clone(), origin), None, "`{id}` twice");
    }
    assert_eq!(seen, bench.origins);
}

/// Every record of the repartition topic was judged once, and each user's in an unbroken row.
fn check_probes(repartitioned: &[Stored], probes: &[Stored]) {
    let mut judged = Vec::new();
    let mut sequences: BTreeMap<String, u64> = BTreeMap::new();
    for probe in probes {
        let probe: ProbeRecord = serde_json::from_slice(probe.value.as_ref().unwrap()).unwrap();
        let sequence = sequences.entry(probe.user).or_default();
        *sequence += 1;
        assert_eq!(probe.sequence, *sequence);
        judged.push((probe.partition, probe.offset));
    }
    judged.sort_unstable();
    let mut wanted: Vec<(i32, i64)> =
        repartitioned.iter().map(|stored| (stored.partition, stored.offset)).collect();
    wanted.sort_unstable();
    assert_eq!(judged, wanted);
}

fn check_dead_letters(bench: &Bench) {
    let letters = bench.broker.read_committed("farsign.dead-letter");
    let header = |letter: &Stored, name: &str| letter.header(name).unwrap();
    let found: Vec<(String, String)> = letters
        .iter()
        .map(|letter| {
            let part = |name| header(letter, name);
            let place = [part("farsign.topic"), part("farsign.partition"), part("farsign.offset")].join("/");
            (place, part("farsign.reason"))
        })
        .collect();
    let mut wanted: Vec<(String, String)> =
        bench.refused.iter().map(|(place, reason)| (place.clone(), (*reason).to_owned())).collect();
    let mut sorted = found.clone();
    sorted.sort();
    wanted.sort();
    assert!(wanted.len() > 10, "{wanted:?}");
    assert_eq!(sorted, wanted);
}

/// The same bytes as a replay of the raw log, in each user's order; and each names the record that it is of.
fn check_detections(bench: &Bench) {
    std::fs::write(bench.folder.path().join("log.json"), &bench.log).unwrap();
    let status = bench.farsign(&["replay", "--updates", "-o", "replayed.json", "log.json"]).status().unwrap();
    assert!(status.success());
    let replayed = std::fs::read_to_string(bench.folder.path().join("replayed.json")).unwrap();
    let live = bench.broker.read_committed("farsign.risk-detections");
    let wanted: Vec<String> = replayed.lines().map(str::to_owned).collect();
    assert!(wanted.len() > 10, "{}", replayed.len());
    assert!(replayed.contains("\"dismissed\""), "feedback has had an effect");
    let told: Vec<String> = live.iter().map(Stored::text).collect();
    assert_same_detections(&told, &wanted);
    let attacked = attacked_users(&told, &wanted);
    for stored in &live {
        let value: Value = serde_json::from_slice(stored.value.as_ref().unwrap()).unwrap();
        let origin = stored.header("farsign.origin").unwrap();
        if origin == "review" {
            // Others' attempts brought it out, and no record of the user's own.
            assert!(attacked.contains(value["userId"].as_str().unwrap()), "{value}");
            continue;
        }
        if value["riskState"] == "atRisk" {
            assert_eq!(origin, bench.origins[value["requestId"].as_str().unwrap()]);
            let timestamp: i64 = stored.header("farsign.timestamp").unwrap().parse().unwrap();
            assert_eq!(timestamp % 1_000, 500, "the input's, not the stage's");
        } else {
            assert!(bench.origins.values().any(|place| *place == origin), "{origin}");
        }
    }
}
