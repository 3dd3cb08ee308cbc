//! What must hold in the end, whatever happened: exactly once, in order, together, and recoverable.
//!
//! Everything is judged on what a read-committed reader sees, against one task that read the same input undisturbed.

use std::collections::{BTreeMap, BTreeSet};

use farsign::engine::hash::UserKey;
use farsign::runtime::kafka::log::Change;
use farsign::runtime::kafka::marker::{MARKER_KEY, Marker};
use farsign::runtime::kafka::outbox::Destination;
use farsign::runtime::kafka::probe::{self, ProbeRecord};

use super::broker::{input, output, state};
use super::cluster::{Cluster, PARTITIONS};
use super::log::Entry;
use super::workload::{TOPIC, Workload};

/// The outputs compared byte for byte; probes are compared without the transaction's number.
const OUTPUTS: [Destination; 3] = [Destination::RiskDetections, Destination::RiskyUsers, Destination::DeadLetter];

/// The error says what is wrong.
pub fn check(cluster: &mut Cluster) -> Result<(), String> {
    cluster.read_on();
    for partition in 0..PARTITIONS {
        let context = |problem: String| format!("partition {partition}: {problem}");
        let probes = probes(cluster, partition);
        once_and_in_order(cluster, partition, &probes).map_err(context)?;
        let last = all_or_nothing(cluster, partition, &probes).map_err(context)?;
        group_offset(cluster, partition, last.as_ref()).map_err(context)?;
        reader(cluster, partition).map_err(context)?;
        recoverable(cluster, partition, last.as_ref()).map_err(context)?;
        cluster.tally.transactions += last.map_or(0, |marker| marker.transaction);
    }
    if cluster.world.planted.ignore_unfenced {
        return Ok(());
    }
    match cluster.broker.unfenced.iter().chain(&cluster.alarms).next() {
        None => Ok(()),
        Some(problem) => Err(problem.clone()),
    }
}

fn values(entries: &[&Entry]) -> Vec<Vec<u8>> {
    entries.iter().map(|entry| entry.value.clone().unwrap_or_default()).collect()
}

fn probes(cluster: &mut Cluster, partition: i32) -> Vec<ProbeRecord> {
    let log = cluster.broker.log(output(Destination::Probe, partition));
    let lines = values(&log.committed());
    lines.iter().map(|line| serde_json::from_slice(line).expect("a probe")).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &[T], expected: &[T]) -> Result<(), String> {
    let at = found.iter().zip(expected).position(|(one, other)| one != other);
    match at.or_else(|| (found.len() != expected.len()).then(|| found.len().min(expected.len()))) {
        None => Ok(()),
        Some(at) => {
            let (one, other) = (found.get(at), expected.get(at));
            Err(format!("{what}: number {at} is {one:?}, and should be {other:?}"))
        }
    }
}

/// Every input record has had its outputs, once, in order and from the right state.
fn once_and_in_order(cluster: &mut Cluster, partition: i32, probes: &[ProbeRecord]) -> Result<(), String> {
    let mut undisturbed = (cluster.world.make)(partition);
    let records: Vec<Entry> = cluster.broker.log(input(partition)).committed().into_iter().cloned().collect();
    undisturbed.take(&records);
    let frozen = undisturbed.freeze().ok_or("no input")?;
    let of = |destination| {
        let records = frozen.outbox.records().filter(move |record| record.destination == destination);
        records.map(|record| record.payload.unwrap_or_default().to_vec()).collect::<Vec<_>>()
    };
    let plain = |probe: &ProbeRecord| ProbeRecord { transaction: 0, ..probe.clone() };
    let expected: Vec<ProbeRecord> =
        of(Destination::Probe).iter().map(|line| plain(&serde_json::from_slice(line).expect("a probe"))).collect();
    same("probes", &probes.iter().map(plain).collect::<Vec<_>>(), &expected)?;
    for destination in OUTPUTS {
        let log = cluster.broker.log(output(destination, partition));
        same(&format!("{destination:?}"), &values(&log.committed()), &of(destination))?;
    }
    Ok(())
}

/// What one transaction wrote is all there or none of it: outputs, states and marker. Gives the last marker.
fn all_or_nothing(
    cluster: &mut Cluster,
    partition: i32,
    probes: &[ProbeRecord],
) -> Result<Option<Marker>, String> {
    let end = cluster.broker.log(input(partition)).end();
    let changes = cluster.broker.log(state(partition)).committed();
    let mut last: Option<Marker> = None;
    let mut written: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for change in changes {
        let (key, value) = (change.key.clone().unwrap_or_default(), change.value.clone().unwrap_or_default());
        if key != MARKER_KEY {
            written.insert(key, value);
            continue;
        }
        let marker = Marker::decode(&value).map_err(|error| error.to_string())?;
        rising(last.as_ref(), &marker)?;
        let before = last.as_ref().and_then(|last| last.next_of(TOPIC)).unwrap_or(0);
        one_transaction(&marker, before, probes, &std::mem::take(&mut written))?;
        last = Some(marker);
    }
    if !written.is_empty() {
        return Err("states without a marker".to_owned());
    }
    let reached = last.as_ref().and_then(|last| last.next_of(TOPIC));
    if reached == Some(end) { Ok(last) } else { Err(format!("last marker at {reached:?} of {end}")) }
}

fn rising(last: Option<&Marker>, marker: &Marker) -> Result<(), String> {
    let (number, next) = last.map_or((0, Some(0)), |last| (last.transaction, last.next_of(TOPIC)));
    if marker.transaction == number + 1 && marker.next_of(TOPIC) > next {
        return Ok(());
    }
    Err(format!("marker {} at {:?} follows {number} at {next:?}", marker.transaction, marker.next_of(TOPIC)))
}

fn one_transaction(
    marker: &Marker,
    before: i64,
    probes: &[ProbeRecord],
    written: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<(), String> {
    let transaction = marker.transaction;
    let context = |problem: String| format!("transaction {transaction}: {problem}");
    let mine: Vec<&ProbeRecord> = probes.iter().filter(|probe| probe.transaction == transaction).collect();
    let offsets: Vec<i64> = mine.iter().map(|probe| probe.offset).collect();
    let expected: Vec<i64> = (before..marker.next_of(TOPIC).unwrap_or(0)).collect();
    same("offsets of its outputs", &offsets, &expected).map_err(context)?;
    let mut trails = BTreeMap::new();
    for probe in mine.iter().filter(|probe| !probe.user.is_empty()) {
        let user = UserKey(u128::from_str_radix(&probe.user, 16).expect("a user"));
        let hash = u64::from_str_radix(&probe.hash, 16).expect("a hash");
        trails.insert(user, [probe.sequence.to_le_bytes(), hash.to_le_bytes()].concat());
    }
    let expected: Vec<(Vec<u8>, Vec<u8>)> =
        trails.iter().map(|(user, trail)| (probe::key(*user).to_vec(), trail.clone())).collect();
    let is_trail = |key: &[u8]| trails.keys().any(|user| probe::key(*user) == key);
    let found: Vec<(Vec<u8>, Vec<u8>)> = written
        .iter()
        .filter(|(key, _)| key.len() != 16 || is_trail(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    same("trails", &found, &expected).map_err(context)?;
    let users: BTreeSet<&[u8]> = written.keys().filter(|key| key.len() == 16).map(Vec::as_slice).collect();
    let keys: Vec<[u8; 16]> = trails.keys().map(|user| user.0.to_be_bytes()).collect();
    let expected: BTreeSet<&[u8]> = keys.iter().map(<[u8; 16]>::as_slice).collect();
    if users == expected { Ok(()) } else { Err(context("not the states of its users".to_owned())) }
}

fn group_offset(cluster: &Cluster, partition: i32, last: Option<&Marker>) -> Result<(), String> {
    let (offset, marker) =
        (cluster.broker.offsets.get(&partition).copied(), last.and_then(|last| last.next_of(TOPIC)));
    if offset == marker { Ok(()) } else { Err(format!("group offset {offset:?}, marker {marker:?}")) }
}

/// Who read along saw the same.
fn reader(cluster: &mut Cluster, partition: i32) -> Result<(), String> {
    let seen: Vec<Entry> = cluster.seen.remove(&partition).unwrap_or_default();
    let log = cluster.broker.log(output(Destination::Probe, partition));
    let expected: Vec<Entry> = log.committed().into_iter().cloned().collect();
    same("seen by a reader", &seen, &expected)
}

/// A task begun from the compacted changelog is the one that ended.
fn recoverable(cluster: &mut Cluster, partition: i32, last: Option<&Marker>) -> Result<(), String> {
    let (changes, _) = cluster.broker.log(state(partition)).fetch(0, usize::MAX);
    let mut restored: Box<dyn Workload> = (cluster.world.make)(partition);
    for Entry { offset, key, value, .. } in &changes {
        let key = key.as_deref().unwrap_or_default();
        if key != MARKER_KEY {
            restored.load(&Change { offset: *offset, key, payload: value.as_deref() });
        }
    }
    if let Some(marker) = last {
        restored.resume(marker);
    }
    let live = cluster.digests.get(&partition).ok_or("no task at the end")?;
    if restored.digest() == *live { Ok(()) } else { Err("restored state is not the live one".to_owned()) }
}
