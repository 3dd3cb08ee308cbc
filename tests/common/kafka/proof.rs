//! The proof of exactly once: what a deployment with probes must have left behind in its topics.
//!
//! Each input record has one probe in the committed view; each user's sequence has no gap and his hash is the one that
//! the offsets give; a transaction is in all topics or in none (its probes are exactly the records between two
//! markers, and the state in the changelog is that of the last probe); markers rise; the last one, the group's offset
//! and the end of the input are the same. [`problems`] is pure: what it finds is a sentence each.

use std::collections::{BTreeMap, BTreeSet};

use farsign::runtime::kafka::marker::{MARKER_KEY, Marker};
use farsign::runtime::kafka::partition::{ORIGIN_HEADER, REVIEW_ORIGIN, TRANSACTION_HEADER};
use farsign::runtime::kafka::probe::{ProbeRecord, roll};

use super::{Deployment, Isolation, Stored};

/// Length of a user's probe state in the changelog: key and value.
const TRAIL_KEY_BYTES: usize = 17;
/// Problems of one kind that are told; the rest is a number.
const TOLD_MAX: usize = 5;

type Place = (String, i32);

/// Everything the proof rests on.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// First and next offset of each input partition.
    pub inputs: BTreeMap<Place, (i64, i64)>,
    pub probes: Vec<ProbeRecord>,
    /// By partition and transaction; compaction may have left gaps.
    pub markers: BTreeMap<i32, Vec<Marker>>,
    /// Partition, transaction and origin of each output record.
    pub outputs: Vec<(i32, u64, String)>,
    /// Sequence and hash of each user, as the changelog has them.
    pub trails: BTreeMap<String, (u64, u64)>,
    /// The group's offsets.
    pub committed: BTreeMap<Place, i64>,
}

impl Evidence {
    /// Reads the topics of a deployment that has come to rest.
    pub fn read(deployment: &Deployment<'_>) -> Self {
        let broker = deployment.broker;
        for kind in ["probe", "state", "risk-detections", "risky-users", "profiles"] {
            broker.wait_until_settled(&deployment.topic(kind));
        }
        let mut evidence = Self::default();
        for topic in [deployment.input(), deployment.topic("commands")] {
            let offsets = broker.offsets(&topic, Isolation::Uncommitted);
            for (partition, (offsets, committed)) in
                (0..).zip(offsets.into_iter().zip(broker.committed(&deployment.name, &topic)))
            {
                let place = (topic.clone(), partition);
                evidence.inputs.insert(place.clone(), offsets);
                if let Some((offset, _)) = committed {
                    evidence.committed.insert(place, offset);
                }
            }
        }
        let probes = broker.read_committed(&deployment.topic("probe"));
        evidence.probes = probes.iter().map(|probe| serde_json::from_str(&probe.text()).unwrap()).collect();
        evidence.take_changelog(&broker.read_committed(&deployment.topic("state")));
        for kind in ["risk-detections", "risky-users"] {
            evidence.outputs.extend(broker.read_committed(&deployment.topic(kind)).iter().map(output));
        }
        evidence
    }

    fn take_changelog(&mut self, records: &[Stored]) {
        for record in records {
            let key = record.key.as_deref().unwrap();
            if key == MARKER_KEY {
                let marker = Marker::decode(record.value.as_deref().unwrap()).unwrap();
                self.markers.entry(record.partition).or_default().push(marker);
            } else if key.len() == TRAIL_KEY_BYTES {
                let user = u128::from_be_bytes(*key.first_chunk().unwrap());
                let value = record.value.as_deref().unwrap();
                let sequence = u64::from_le_bytes(*value.first_chunk().unwrap());
                let hash = u64::from_le_bytes(*value.last_chunk().unwrap());
                self.trails.insert(format!("{user:032x}"), (sequence, hash));
            }
        }
    }
}

fn output(record: &Stored) -> (i32, u64, String) {
    let transaction = record.header(TRANSACTION_HEADER).unwrap().parse().unwrap();
    (record.partition, transaction, record.header(ORIGIN_HEADER).unwrap_or_default())
}

/// What contradicts exactly once; empty = it held.
pub fn problems(evidence: &Evidence) -> Vec<String> {
    let parts = [missing(evidence), sequences(evidence), order(evidence), torn(evidence), ends(evidence)];
    let told = parts.into_iter().flat_map(|mut found| {
        let more = found.len().saturating_sub(TOLD_MAX);
        found.truncate(TOLD_MAX);
        found.extend((more > 0).then(|| format!("… and {more} more of these")));
        found
    });
    told.collect()
}

/// Every input once.
fn missing(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut times: BTreeMap<(&str, i32, i64), usize> = BTreeMap::new();
    for probe in &evidence.probes {
        *times.entry((&probe.topic, probe.partition, probe.offset)).or_default() += 1;
    }
    for ((topic, partition), (low, end)) in &evidence.inputs {
        for offset in *low..*end {
            match times.remove(&(topic.as_str(), *partition, offset)) {
                Some(1) => {}
                times => found.push(format!(
                    "{topic}/{partition}/{offset} is there {} times, in transactions {:?}",
                    times.unwrap_or(0),
                    transactions(evidence, topic, *partition, offset)
                )),
            }
        }
    }
    found.extend(
        times
            .keys()
            .map(|(topic, partition, offset)| format!("{topic}/{partition}/{offset} has a probe and is no input")),
    );
    found
}

fn transactions(evidence: &Evidence, topic: &str, partition: i32, offset: i64) -> Vec<u64> {
    let is_it =
        |probe: &&ProbeRecord| probe.topic == topic && probe.partition == partition && probe.offset == offset;
    evidence.probes.iter().filter(is_it).map(|probe| probe.transaction).collect()
}

/// Each user's sequence and hash unbroken, and the same in the changelog.
fn sequences(evidence: &Evidence) -> Vec<String> {
    let mut users: BTreeMap<&str, Vec<&ProbeRecord>> = BTreeMap::new();
    for probe in evidence.probes.iter().filter(|probe| !probe.user.is_empty()) {
        users.entry(&probe.user).or_default().push(probe);
    }
    let mut found = Vec::new();
    for (user, mut probes) in users {
        probes.sort_by_key(|probe| probe.sequence);
        let (mut hash, mut last) = (0, BTreeMap::new());
        for (expected, probe) in (1..).zip(&probes) {
            hash = roll(hash, &probe.topic, probe.partition, probe.offset);
            let before = last.insert(&probe.topic, probe.offset);
            let place = format!("{}/{}/{}", probe.topic, probe.partition, probe.offset);
            if probe.sequence != expected {
                found.push(format!("user {user}: number {} at {place}, expected {expected}", probe.sequence));
            } else if probe.hash != format!("{hash:016x}") {
                found.push(format!("user {user}: another hash at {place}, number {expected}"));
            } else if before.is_some_and(|before| before >= probe.offset) {
                found.push(format!("user {user}: {place} comes after {before:?}"));
            } else {
                continue;
            }
            break;
        }
        let state = evidence.trails.get(user).copied();
        if state != Some((probes.len() as u64, hash)) {
            found.push(format!("user {user}: the changelog has {state:?}, the probes {:?}", (probes.len(), hash)));
        }
    }
    let probed: BTreeSet<&str> = evidence.probes.iter().map(|probe| probe.user.as_str()).collect();
    let strange = evidence.trails.keys().filter(|user| !probed.contains(user.as_str()));
    found.extend(strange.map(|user| format!("user {user}: in the changelog, without a probe")));
    found
}

/// Markers rise, and their offsets with them.
fn order(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for (partition, markers) in &evidence.markers {
        for pair in markers.windows(2) {
            let falls = pair[1]
                .next
                .iter()
                .any(|(topic, next)| pair[0].next_of(topic).is_some_and(|before| before > *next));
            if pair[1].transaction <= pair[0].transaction || falls {
                found.push(format!(
                    "partition {partition}: marker {} {:?} is followed by {} {:?}",
                    pair[0].transaction, pair[0].next, pair[1].transaction, pair[1].next
                ));
            }
        }
    }
    found
}

/// Each transaction's probes are the records between its marker and the one before; outputs name such a transaction
/// and a record of it or of an earlier one (late findings).
fn torn(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let marker_at_or_after = |partition: i32, transaction: u64| {
        let markers = evidence.markers.get(&partition)?;
        markers.iter().find(|marker| marker.transaction >= transaction)
    };
    let marker_before = |partition: i32, transaction: u64| {
        let markers = evidence.markers.get(&partition)?;
        markers.iter().rev().find(|marker| marker.transaction < transaction)
    };
    for probe in &evidence.probes {
        let ends = marker_at_or_after(probe.partition, probe.transaction).and_then(|m| m.next_of(&probe.topic));
        let begins = marker_before(probe.partition, probe.transaction).and_then(|m| m.next_of(&probe.topic));
        let place = format!("{}/{}/{}", probe.topic, probe.partition, probe.offset);
        if ends.is_none_or(|end| probe.offset >= end) || begins.is_some_and(|begin| probe.offset < begin) {
            found.push(format!(
                "{place} in transaction {}: markers say offsets {begins:?} to {ends:?}",
                probe.transaction
            ));
        }
    }
    for (partition, transaction, origin) in &evidence.outputs {
        if origin == REVIEW_ORIGIN && marker_at_or_after(*partition, *transaction).is_some() {
            continue;
        }
        let (place, offset) = origin.rsplit_once('/').unwrap_or_default();
        let (topic, origin_partition) = place.rsplit_once('/').unwrap_or_default();
        let ends = marker_at_or_after(*partition, *transaction).and_then(|marker| marker.next_of(topic));
        let begins = marker_before(*partition, *transaction).and_then(|marker| marker.next_of(topic));
        let is_inside = offset.parse::<i64>().is_ok_and(|offset| {
            ends.is_some_and(|end| offset < end) && begins.is_none_or(|begin| offset >= begin)
        });
        if !is_inside || origin_partition != partition.to_string() {
            found.push(format!(
                "output of {origin} in partition {partition}, transaction {transaction}: markers say {begins:?} to {ends:?}"
            ));
        }
    }
    found
}

/// The last marker, the group's offset and the end of the input are the same.
fn ends(evidence: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for ((topic, partition), (low, end)) in &evidence.inputs {
        let marker = evidence.markers.get(partition).and_then(|markers| markers.last()?.next_of(topic));
        let committed = evidence.committed.get(&(topic.clone(), *partition)).copied();
        let is_untouched = low == end && marker.is_none() && committed.is_none();
        if (marker != Some(*end) || committed != Some(*end)) && !is_untouched {
            found.push(format!("{topic}/{partition} ends at {end}: marker {marker:?}, group {committed:?}"));
        }
    }
    found
}

/// Reads the deployment's topics and panics with everything that contradicts exactly once.
pub fn assert_exactly_once(deployment: &Deployment<'_>) -> Evidence {
    let evidence = Evidence::read(deployment);
    let found = problems(&evidence);
    assert!(found.is_empty(), "{} problems:\n{}", found.len(), found.join("\n"));
    assert!(!evidence.probes.is_empty(), "nothing was probed");
    evidence
}
