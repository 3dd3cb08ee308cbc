//! `farsign run` on a real broker, end to end, beside a consumer that only reads the same topic: throughput, time from
//! a record's arrival to its committed result, and the speed of a restore. One broker, one machine: all share its cores.
#![expect(clippy::print_stdout, reason = "a measuring program")]
#![allow(clippy::unwrap_used, dead_code, reason = "helpers of tests, of which a benchmark uses its part")]

#[path = "../tests/common/kafka/mod.rs"]
mod kafka;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use farsign::config;
use farsign::runtime::clock;
use farsign::runtime::kafka::client::Connection;
use farsign::runtime::kafka::probe::ProbeRecord;
use farsign::simulate::Form;
use kafka::sign_ins::simulated;
use kafka::{Broker, Deployment, Isolation, Options, Record};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

const PARTITIONS: i32 = 12;
/// Commit intervals of the sweep, ms; the default is among them.
const INTERVALS_MS: [u32; 5] = [20, 50, 100, 200, 500];
const DEFAULT_INTERVAL_MS: u32 = 200;
/// How long records are fed at half load.
const FED: Duration = Duration::from_secs(20);
/// Portions of what is fed come this often.
const PORTION: Duration = Duration::from_millis(10);
/// How often the group's offsets are asked for.
const LOOK: Duration = Duration::from_millis(100);

/// Only `cargo bench` measures in earnest.
fn size<T>(full: T, quick: T) -> T {
    if std::env::args().any(|argument| argument == "--bench") { full } else { quick }
}

fn main() {
    // Throughput wants the broker's code compiled in full.
    let jvm = vec!["-XX:TieredStopAtLevel=4".to_owned(), "-Xmx2g".to_owned()];
    let broker = Broker::start(Options { jvm, ..Options::default() });
    for (title, form, users) in
        [("about 4.8 kB", Form::EntraEventHub, size(400, 20)), ("about 600 B", Form::EntraLean, size(1_400, 20))]
    {
        let records = simulated(users, 14, form);
        let bytes: usize = records.iter().filter_map(|record| record.value.as_ref()).map(Vec::len).sum();
        println!(
            "\n### Kafka, records of {title}\n\n{} records, {bytes} bytes, {PARTITIONS} partitions\n",
            records.len()
        );
        throughput(&broker, &records, bytes);
    }
    restore(&broker, size(200_000, 2_000));
}

/// The table: reading alone, then Farsign at each commit interval, with the latency at half its load.
fn throughput(broker: &Broker, records: &[Record], bytes: usize) {
    let first = Deployment::new(broker, "bench").create(PARTITIONS);
    broker.produce(&first.input(), records);
    // Once for the page cache.
    read_alone(&first, records.len());
    let floor = read_alone(&first, records.len());
    println!("| variant | records/s | MB/s | to floor | p50 ms | p99 ms |\n|---|--:|--:|--:|--:|--:|");
    let row = |name: &str, rate: f64, latency: Option<(f64, f64)>| {
        let megabytes = rate * bytes as f64 / records.len() as f64 / 1e6;
        let (p50, p99) = latency
            .map_or((String::new(), String::new()), |(p50, p99)| (format!("{p50:.0}"), format!("{p99:.0}")));
        println!("| {name} | {rate:.0} | {megabytes:.0} | {:.2} | {p50} | {p99} |", rate / floor);
    };
    row("consumer alone", floor, None);
    for interval in size(INTERVALS_MS.to_vec(), vec![DEFAULT_INTERVAL_MS]) {
        let rate = end_to_end(broker, records, interval);
        let latency = latency(broker, records, interval, rate / 2.0);
        let is_default = if interval == DEFAULT_INTERVAL_MS { " (default)" } else { "" };
        row(&format!("farsign, commits every {interval} ms{is_default}"), rate, Some(latency));
    }
}

/// Records a second of a consumer with a worker's settings that does nothing with them.
fn read_alone(deployment: &Deployment<'_>, count: usize) -> f64 {
    let text = std::fs::read_to_string(deployment.config()).unwrap();
    let config = config::parse(&text, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems}"));
    let connection = Connection::new(&config.kafka).unwrap();
    let consumer: BaseConsumer<_> =
        connection.follower().create_with_context(connection.context("floor")).unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&deployment.input(), partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut read, mut bytes, mut begun) = (0, 0, None);
    while read < count {
        match consumer.poll(Duration::from_secs(10)) {
            Some(Ok(message)) => {
                begun.get_or_insert_with(clock::now);
                read += 1;
                bytes += message.payload_len();
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {}
            other => panic!("{:?}", other.map(|result| result.map(drop))),
        }
    }
    assert!(bytes > 0);
    count as f64 / begun.unwrap().elapsed().as_secs_f64()
}

fn deployment<'a>(broker: &'a Broker, interval_ms: u32) -> Deployment<'a> {
    Deployment::new(broker, "bench").set("run", "commit_interval_ms", &interval_ms.to_string())
}

/// Records a second from the first commit to the last, of a topic that is full before.
fn end_to_end(broker: &Broker, records: &[Record], interval_ms: u32) -> f64 {
    let deployment = deployment(broker, interval_ms).set("run", "probe_topic", "null").create(PARTITIONS);
    broker.produce(&deployment.input(), records);
    let instance = deployment.start();
    let mut first = None;
    loop {
        let committed = broker.committed(&deployment.name, &deployment.input());
        let sum: i64 = committed.iter().flatten().map(|(offset, _)| offset).sum();
        if sum > 0 && first.is_none() {
            first = Some((clock::now(), sum));
        }
        if let Some((begun, before)) = first
            && sum >= records.len() as i64
        {
            let seconds = begun.elapsed().as_secs_f64();
            instance.terminate();
            return (sum - before) as f64 / seconds.max(LOOK.as_secs_f64());
        }
        sleep(LOOK);
    }
}

/// Median and 99th percentile from a record's timestamp to the moment a consumer has its committed probe, ms, while
/// `rate` records a second come in.
fn latency(broker: &Broker, records: &[Record], interval_ms: u32, rate: f64) -> (f64, f64) {
    let deployment = deployment(broker, interval_ms).create(PARTITIONS);
    let instance = deployment.start_ready();
    let fed = ((rate * size(FED, Duration::from_secs(1)).as_secs_f64()) as usize).clamp(1, records.len());
    let is_over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| probes(&deployment, fed, &is_over));
        let portion = ((rate * PORTION.as_secs_f64()) as usize).max(1);
        let begun = clock::now();
        for (number, portion) in (1..).zip(records[..fed].chunks(portion)) {
            deployment.broker.produce(&deployment.input(), portion);
            let due = PORTION * number;
            sleep(due.saturating_sub(begun.elapsed()));
        }
        deployment.wait_until_done();
        is_over.store(true, Ordering::Release);
        reader.join().unwrap()
    });
    instance.terminate();
    let arrived: BTreeMap<(i32, i64), i64> = broker
        .read(&deployment.input(), Isolation::Committed)
        .iter()
        .map(|record| ((record.partition, record.offset), record.timestamp_ms.unwrap()))
        .collect();
    let mut waits: Vec<f64> = seen.iter().map(|(place, seen_ms)| (seen_ms - arrived[place]) as f64).collect();
    waits.sort_by(f64::total_cmp);
    (waits[waits.len() / 2], waits[waits.len() * 99 / 100])
}

/// When each record's probe was seen, ms since 1970.
fn probes(deployment: &Deployment<'_>, count: usize, is_over: &AtomicBool) -> BTreeMap<(i32, i64), i64> {
    let mut config = deployment.broker.client();
    config.set("group.id", "latency").set("isolation.level", "read_committed").set("fetch.wait.max.ms", "10");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&deployment.topic("probe"), partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut seen = BTreeMap::new();
    while seen.len() < count {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                let now_ms = (clock::unix_seconds() * 1_000.0) as i64;
                let probe: ProbeRecord = serde_json::from_slice(message.payload().unwrap()).unwrap();
                seen.insert((probe.partition, probe.offset), now_ms);
            }
            _ if is_over.load(Ordering::Acquire) && seen.len() < count => {
                sleep(Duration::from_millis(10));
            }
            _ => {}
        }
    }
    seen
}

/// Users a second that a new instance takes back from the changelog.
fn restore(broker: &Broker, users: u32) {
    let deployment = Deployment::new(broker, "restore").set("run", "probe_topic", "null").create(PARTITIONS);
    let record = |user: u32| {
        let line = format!(
            "{{\"type\":\"signIn\",\"tenantId\":\"t\",\"id\":\"s-{user}\",\"userId\":\"u-{user}\",\"outcome\":\"success\",\
             \"time\":\"2026-03-02T08:{:02}:{:02}Z\",\"ipAddress\":\"240.0.{}.{}\"}}",
            user / 60 % 60,
            user % 60,
            user / 250 % 250,
            user % 250 + 1
        );
        Record::keyed(format!("u-{user}"), line)
    };
    let records: Vec<Record> = (0..users).map(record).collect();
    broker.produce(&deployment.input(), &records);
    let instance = deployment.start_ready();
    deployment.wait_until_done_within(Duration::from_secs(600));
    instance.terminate();
    let begun = clock::now();
    let instance = deployment.start_ready();
    let seconds = begun.elapsed().as_secs_f64();
    let slowest = instance.metric("farsign_restore_duration_seconds_sum", "");
    let tasks = f64::from(PARTITIONS);
    println!(
        "\n### Restore\n\n{users} users with one sign-in each, {PARTITIONS} tasks: ready after {seconds:.1} s; tasks took {:.2} s on average, {:.0} users/s of each.",
        slowest / tasks,
        f64::from(users) / slowest
    );
    instance.terminate();
}
