//! `farsign run` on a real broker, end to end, beside a consumer that only reads the same topic: throughput, time from
//! a record's arrival to its committed result, and the speed of a restore. One broker, one machine: all share its cores.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a measuring program")]
#![allow(clippy::unwrap_used, dead_code, reason = "helpers of tests, of which a benchmark uses its part")]

#[path = "../tests/common/kafka/mod.rs"]
mod kafka;
#[path = "common/typed.rs"]
mod typed;

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
/// Kafka's defaults: the brokers of tests clean their logs all the time.
const BROKER_SETTINGS: [&str; 5] = [
    "num.network.threads=3",
    "num.io.threads=8",
    "log.cleaner.backoff.ms=15000",
    "log.cleaner.min.cleanable.ratio=0.5",
    "log.retention.check.interval.ms=300000",
];
/// Commit intervals of the sweep, ms; the default is among them.
const INTERVALS_MS: [u32; 5] = [20, 50, 100, 200, 500];
const DEFAULT_INTERVAL_MS: u32 = 200;
/// How long records are fed at half load, and how much of it is left out: connections, new producers, a broker whose code
/// is not compiled yet.
const FED: Duration = Duration::from_secs(20);
const WARM_UP: Duration = Duration::from_secs(5);
/// Portions of what is fed come this often.
const PORTION: Duration = Duration::from_millis(10);
/// Of one partition, about what a worker's reader has.
const QUEUE_BYTES: u64 = (64 << 20) / 24;
/// How often the group's offsets are asked for.
const LOOK: Duration = Duration::from_millis(20);
const ASK_MAX: Duration = Duration::from_secs(10);

/// Only `cargo bench` measures in earnest.
fn size<T>(full: T, quick: T) -> T {
    if std::env::args().any(|argument| argument == "--bench") { full } else { quick }
}

/// Parts can be chosen by name: `cargo bench --bench kafka -- restore`.
fn is_wanted(part: &str) -> bool {
    let mut chosen = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
    chosen.peek().is_none() || chosen.any(|argument| argument == part)
}

/// Records of about one size, in two streams.
struct Workload {
    title: &'static str,
    form: Form,
    /// Users of a backlog of two weeks.
    backlog_users: u32,
    /// Users of the day that is fed at half load: live, a day of event time does not pass in seconds.
    day_users: u32,
}

const DAYS: u32 = 14;

fn main() {
    // Throughput wants the broker's code compiled in full, and Kafka's own defaults where tests have a hurry.
    let jvm = ["-XX:TieredStopAtLevel=4", "-Xmx2g"].map(str::to_owned).to_vec();
    let settings = BROKER_SETTINGS.map(str::to_owned).to_vec();
    let broker = Broker::start(Options { jvm, settings, ..Options::default() });
    let full = Workload {
        title: "about 4.8 kB",
        form: Form::EntraEventHub,
        backlog_users: size(1_600, 20),
        day_users: size(24_000, 40),
    };
    let lean = Workload {
        title: "about 600 B",
        form: Form::EntraLean,
        backlog_users: size(4_000, 20),
        day_users: size(48_000, 40),
    };
    for (part, workload) in [("full", full), ("lean", lean)] {
        if is_wanted(part) {
            throughput(&broker, &workload);
        }
    }
    if is_wanted("restore") {
        restore(&broker, size(1_000_000, 2_000));
    }
}

/// The table: reading alone, then Farsign at each commit interval, with the latency at half its load.
fn throughput(broker: &Broker, workload: &Workload) {
    let records = simulated(workload.backlog_users, DAYS, workload.form);
    let day = simulated(workload.day_users, 1, workload.form);
    let bytes: usize = records.iter().filter_map(|record| record.value.as_ref()).map(Vec::len).sum();
    println!(
        "\n### Kafka, records of {}\n\n{} records of {DAYS} days, {bytes} bytes, {PARTITIONS} partitions; latency over \
         {} records of one day\n",
        workload.title,
        records.len(),
        day.len()
    );
    let first = Deployment::new(broker, "bench").create(PARTITIONS);
    broker.produce(&first.input(), &records);
    // Once for the page cache.
    read_alone(&first, records.len(), |payload| payload.len() as u64);
    let floor = read_alone(&first, records.len(), |payload| payload.len() as u64);
    println!("| variant | records/s | MB/s | to floor | fed/s | p50 ms | p99 ms |\n|---|--:|--:|--:|--:|--:|--:|");
    let parsed = read_alone(&first, records.len(), typed::parse);
    let row = |name: &str, rate: f64, latency: &str| {
        let megabytes = rate * bytes as f64 / records.len() as f64 / 1e6;
        println!("| {name} | {rate:.0} | {megabytes:.0} | {:.2} | {latency} |", rate / floor);
    };
    row("consumer alone", floor, " | | ");
    row("consumer and typed parse, one thread", parsed, " | | ");
    for interval in size(INTERVALS_MS.to_vec(), vec![DEFAULT_INTERVAL_MS]) {
        let rate = end_to_end(broker, &records, interval);
        let Latency { fed_per_s, p50_ms, p99_ms } = latency(broker, &day, interval, rate / 2.0);
        let is_default = if interval == DEFAULT_INTERVAL_MS { " (default)" } else { "" };
        let name = format!("farsign, commits every {interval} ms{is_default}");
        row(&name, rate, &format!("{fed_per_s:.0} | {p50_ms:.0} | {p99_ms:.0}"));
    }
}

struct Latency {
    fed_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Records a second of a consumer with a worker's settings that only `looks` at their payloads.
fn read_alone(deployment: &Deployment<'_>, count: usize, look: impl Fn(&[u8]) -> u64) -> f64 {
    let text = std::fs::read_to_string(deployment.config()).unwrap();
    let config = config::parse(&text, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems}"));
    let connection = Connection::new(&config.kafka).unwrap();
    let consumer: BaseConsumer<_> =
        connection.partition_reader(QUEUE_BYTES).create_with_context(connection.context("floor")).unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&deployment.input(), partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut read, mut checksum, mut begun) = (0, 0_u64, None);
    while read < count {
        match consumer.poll(Duration::from_secs(10)) {
            Some(Ok(message)) => {
                begun.get_or_insert_with(clock::now);
                read += 1;
                checksum = checksum.wrapping_add(look(message.payload().unwrap()));
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {}
            other => panic!("{:?}", other.map(|result| result.map(drop))),
        }
    }
    std::hint::black_box(checksum);
    count as f64 / begun.unwrap().elapsed().as_secs_f64()
}

fn deployment<'a>(broker: &'a Broker, interval_ms: u32) -> Deployment<'a> {
    Deployment::new(broker, "bench").set("run", "commit_interval_ms", &interval_ms.to_string())
}

/// Records a second from the first commit to the last, of a topic that is full before.
fn end_to_end(broker: &Broker, records: &[Record], interval_ms: u32) -> f64 {
    let deployment = deployment(broker, interval_ms).set("run", "probe_topic", "null").create(PARTITIONS);
    broker.produce(&deployment.input(), records);
    let asker: BaseConsumer = broker.client().set("group.id", &deployment.name).create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(&deployment.input(), 0, PARTITIONS - 1);
    let instance = deployment.start();
    let mut first = None;
    loop {
        // A broker that is too busy to answer is asked again.
        let Ok(committed) = asker.committed_offsets(asked.clone(), ASK_MAX) else { continue };
        let offsets = committed.elements().into_iter().filter_map(|element| element.offset().to_raw());
        let sum: i64 = offsets.filter(|offset| *offset > 0).sum();
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

/// From a record's timestamp to the moment a consumer has its committed probe, while `rate` records a second come in.
fn latency(broker: &Broker, records: &[Record], interval_ms: u32, rate: f64) -> Latency {
    let deployment = deployment(broker, interval_ms).create(PARTITIONS);
    let instance = deployment.start_ready();
    let fed = ((rate * size(FED, Duration::from_secs(1)).as_secs_f64()) as usize).clamp(1, records.len());
    let is_over = AtomicBool::new(false);
    let (seen, took) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| probes(&deployment, fed, &is_over));
        let portion = ((rate * PORTION.as_secs_f64()) as usize).max(1);
        let feeder = broker.feeder(&deployment.input());
        let begun = clock::now();
        for (number, portion) in (1..).zip(records[..fed].chunks(portion)) {
            feeder.send(portion);
            let due = PORTION * number;
            sleep(due.saturating_sub(begun.elapsed()));
        }
        feeder.finish();
        let took = begun.elapsed();
        deployment.wait_until_done();
        is_over.store(true, Ordering::Release);
        (reader.join().unwrap(), took)
    });
    instance.terminate();
    let arrived: BTreeMap<(i32, i64), i64> = broker
        .read(&deployment.input(), Isolation::Committed)
        .iter()
        .map(|record| ((record.partition, record.offset), record.timestamp_ms.unwrap()))
        .collect();
    let begun_ms = arrived.values().min().unwrap() + size(WARM_UP, Duration::ZERO).as_millis() as i64;
    let mut waits: Vec<f64> = seen
        .iter()
        .map(|(place, seen_ms)| (arrived[place], *seen_ms))
        .filter(|(arrived_ms, _)| *arrived_ms >= begun_ms)
        .map(|(arrived_ms, seen_ms)| (seen_ms - arrived_ms) as f64)
        .collect();
    waits.sort_by(f64::total_cmp);
    Latency {
        fed_per_s: fed as f64 / took.as_secs_f64(),
        p50_ms: waits[waits.len() / 2],
        p99_ms: waits[waits.len() * 99 / 100],
    }
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

/// Users a second that a new instance takes back from the changelog, beside the start of one that has none.
fn restore(broker: &Broker, users: u32) {
    let deployment = Deployment::new(broker, "restore").set("run", "probe_topic", "null").create(PARTITIONS);
    // The first start of a new topic waits until every broker knows it.
    ready_after(&deployment);
    let (empty_s, _) = ready_after(&deployment);
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
    let (full_s, restored) = ready_after(&deployment);
    println!(
        "\n### Restore\n\n{users} users with one sign-in each, {restored} records of the changelog, {PARTITIONS} tasks: ready after \
         {full_s:.2} s; without any, {empty_s:.2} s. {:.0} users/s of the process in between.",
        f64::from(users) / (full_s - empty_s).max(0.001)
    );
}

/// Seconds from the start of a process until it is ready, and the records of the changelog it read.
fn ready_after(deployment: &Deployment<'_>) -> (f64, f64) {
    let begun = clock::now();
    let instance = deployment.start_ready();
    let seconds = begun.elapsed().as_secs_f64();
    let restored = instance.metric("farsign_restored_records_total", "");
    for line in instance.log().lines().filter(|line| line.contains("task is running")) {
        eprintln!("{line}");
    }
    instance.terminate();
    (seconds, restored)
}
