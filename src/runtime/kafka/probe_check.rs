//! Probe records, inputs, outputs, markers and offsets → whether every record was taken exactly once.
//!
//! Everything is taken in first, in the order of each partition; [`ProbeCheck::finish`] then judges. What is checked: each
//! input record below the marker has its probes, once, in one transaction; each user's sequence is unbroken and its
//! rolling hash is that of the records in it; no output is of a transaction that has no marker; the marker is the
//! group's offset; the changelog's trail is the last probe's. Pure: it reads nothing. Memory grows with the input, as a
//! test's may.

use std::collections::BTreeMap;

use serde::Serialize;

use super::marker::Marker;
use super::probe::{ProbeRecord, roll};
use crate::engine::hash::UserKey;

/// Places told of each kind of violation; the count goes on.
const EXAMPLES_MAX: usize = 20;

/// Topic and partition.
type Place = (String, i32);

/// One input record.
#[derive(Default)]
struct Input {
    /// Of the items in it, sorted.
    users: Vec<String>,
    found: Vec<String>,
    transactions: Vec<u64>,
}

/// One step of a user's trail.
struct Step {
    topic: String,
    partition: i32,
    offset: i64,
    hash: String,
    transaction: u64,
}

#[derive(Default)]
struct Task {
    marker: Option<Marker>,
    /// Highest transaction of outputs, and of probes.
    probe_transaction: u64,
}

/// Collects, then judges.
#[derive(Default)]
pub struct ProbeCheck {
    /// By partition, first offset there still is; by offset what is there.
    inputs: BTreeMap<Place, (i64, BTreeMap<i64, Input>)>,
    /// Users and transactions of the probes of each record.
    probes: BTreeMap<Place, BTreeMap<i64, Vec<(String, u64)>>>,
    /// By user and sequence number: more than one step is a violation.
    trails: BTreeMap<String, BTreeMap<u64, Vec<Step>>>,
    stored: BTreeMap<String, (u64, u64)>,
    tasks: BTreeMap<i32, Task>,
    committed: BTreeMap<Place, Option<i64>>,
    outputs: BTreeMap<(i32, u64), (u64, String)>,
    report: Report,
}

/// What one kind of violation came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Violations {
    pub count: u64,
    /// The first of them.
    pub examples: Vec<String>,
}

/// How far a task is in one of its sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceReport {
    pub topic: String,
    pub partition: i32,
    /// Of the marker; null without one.
    pub next: Option<i64>,
    /// The group's offset.
    pub committed: Option<i64>,
    /// Records that are there.
    pub records: u64,
    /// Records behind `next`, not taken yet.
    pub lag: u64,
}

/// The result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub ok: bool,
    /// Input records that are there.
    pub records: u64,
    pub probes: u64,
    /// Probes of records that retention has removed.
    pub gone: u64,
    pub users: u64,
    pub outputs: u64,
    /// Input records not taken yet.
    pub lag: u64,
    /// Last transaction of each task.
    pub transactions: BTreeMap<i32, u64>,
    pub sources: Vec<SourceReport>,
    /// By kind; empty when all is well.
    pub violations: BTreeMap<&'static str, Violations>,
}

impl Report {
    fn violate(&mut self, kind: &'static str, example: impl FnOnce() -> String) {
        let violations = self.violations.entry(kind).or_default();
        violations.count += 1;
        if violations.examples.len() < EXAMPLES_MAX {
            violations.examples.push(example());
        }
    }
}

impl ProbeCheck {
    /// A partition of an input, with the first offset there is.
    pub fn partition(&mut self, topic: &str, partition: i32, first: i64) {
        self.inputs.insert((topic.to_owned(), partition), (first, BTreeMap::new()));
    }

    /// A record of a partition told before, and the users of its items, in any order.
    pub fn input(&mut self, topic: &str, partition: i32, offset: i64, users: &[UserKey]) {
        self.report.records += 1;
        let mut users: Vec<String> = users.iter().map(|user| format!("{:032x}", user.0)).collect();
        if users.is_empty() {
            users.push(String::new());
        }
        users.sort();
        let (_, records) = self.inputs.entry((topic.to_owned(), partition)).or_default();
        records.insert(offset, Input { users, ..Input::default() });
    }

    /// A committed probe record, in the order of its partition.
    pub fn probe(&mut self, record: &ProbeRecord) {
        self.report.probes += 1;
        let ProbeRecord { topic, partition, offset, user, sequence, hash, transaction } = record;
        let place = || format!("{topic}/{partition}/{offset}");
        let task = self.tasks.entry(*partition).or_default();
        if *transaction < task.probe_transaction {
            let before = task.probe_transaction;
            self.report.violate("transactionOrder", || format!("{}: `{transaction}` after `{before}`", place()));
        }
        task.probe_transaction = task.probe_transaction.max(*transaction);
        if !user.is_empty() {
            let step = Step {
                topic: topic.clone(),
                partition: *partition,
                offset: *offset,
                hash: hash.clone(),
                transaction: *transaction,
            };
            self.trails.entry(user.clone()).or_default().entry(*sequence).or_default().push(step);
        }
        let found = self.probes.entry((topic.clone(), *partition)).or_default().entry(*offset).or_default();
        found.push((user.clone(), *transaction));
    }

    /// An output of a task, and the transaction that its header names.
    pub fn output(&mut self, partition: i32, transaction: Option<u64>, place: &str) {
        self.report.outputs += 1;
        match transaction {
            Some(transaction) => {
                let (count, _) =
                    self.outputs.entry((partition, transaction)).or_insert_with(|| (0, place.to_owned()));
                *count += 1;
            }
            None => self.report.violate("outputWithoutTransaction", || place.to_owned()),
        }
    }

    /// The next marker of a task's changelog; `None` = its tombstone.
    pub fn marker(&mut self, partition: i32, marker: Option<Marker>) {
        let task = self.tasks.entry(partition).or_default();
        if let (Some(before), Some(after)) = (&task.marker, &marker)
            && after.transaction <= before.transaction
        {
            let (before, after) = (before.transaction, after.transaction);
            self.report.violate("markerOrder", || format!("partition {partition}: `{after}` after `{before}`"));
        }
        task.marker = marker;
    }

    /// What the changelog holds of a user's trail in the end: sequence number and hash.
    pub fn stored(&mut self, user: UserKey, sequence: u64, hash: u64) {
        self.stored.insert(format!("{:032x}", user.0), (sequence, hash));
    }

    /// The group's offset.
    pub fn committed(&mut self, topic: &str, partition: i32, offset: Option<i64>) {
        self.committed.insert((topic.to_owned(), partition), offset);
    }

    pub fn finish(mut self) -> Report {
        self.match_probes();
        self.check_inputs();
        self.check_trails();
        self.check_transactions();
        self.report.users = self.trails.len() as u64;
        self.report.ok = self.report.violations.is_empty();
        self.report
    }

    /// Gives each probe to its record.
    fn match_probes(&mut self) {
        for ((topic, partition), probes) in std::mem::take(&mut self.probes) {
            let mut input = self.inputs.get_mut(&(topic.clone(), partition));
            for (offset, found) in probes {
                let record = input.as_mut().and_then(|(_, records)| records.get_mut(&offset));
                if let Some(record) = record {
                    record.transactions = found.iter().map(|(_, transaction)| *transaction).collect();
                    record.found = found.into_iter().map(|(user, _)| user).collect();
                } else if input.as_ref().is_some_and(|(first, _)| offset < *first) {
                    self.report.gone += found.len() as u64;
                } else {
                    self.report.violate("unknownRecord", || format!("{topic}/{partition}/{offset}"));
                }
            }
        }
    }

    fn next(&self, (topic, partition): &Place) -> Option<i64> {
        self.tasks.get(partition)?.marker.as_ref()?.next_of(topic)
    }

    fn check_inputs(&mut self) {
        for (place, (_, records)) in &self.inputs {
            let next = self.next(place);
            let (topic, partition) = place;
            let lag = records.range(next.unwrap_or(0)..).count() as u64;
            let committed = self.committed.get(place).copied().flatten();
            if next != committed {
                let show =
                    |offset: Option<i64>| offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string());
                let (marker, group) = (show(next), show(committed));
                let example = || format!("{topic}/{partition}: marker `{marker}`, group `{group}`");
                self.report.violate("markerIsNotGroupOffset", example);
            }
            for (offset, input) in records {
                let kind = fault(input, next.is_some_and(|next| *offset < next));
                if let Some(kind) = kind {
                    self.report.violate(kind, || format!("{topic}/{partition}/{offset}"));
                }
            }
            self.report.lag += lag;
            let source = SourceReport {
                topic: topic.clone(),
                partition: *partition,
                next,
                committed,
                records: records.len() as u64,
                lag,
            };
            self.report.sources.push(source);
        }
    }

    fn check_trails(&mut self) {
        for (user, steps) in &self.trails {
            let (mut hash, mut expected) = (0, 1);
            let mut before: Option<&Step> = None;
            for (sequence, steps) in steps {
                let Some(step) = steps.first() else { continue };
                let place = || {
                    format!("user {user} sequence {sequence} at {}/{}/{}", step.topic, step.partition, step.offset)
                };
                if steps.len() > 1 {
                    self.report.violate("sequenceRepeated", place);
                }
                if *sequence != expected {
                    self.report.violate("sequenceGap", || format!("{}: `{expected}` expected", place()));
                    // What is missing cannot be hashed; go on from what is there.
                    hash = u64::from_str_radix(&step.hash, 16).unwrap_or(0);
                } else {
                    hash = roll(hash, &step.topic, step.partition, step.offset);
                    if format!("{hash:016x}") != step.hash {
                        self.report.violate("hashMismatch", place);
                        hash = u64::from_str_radix(&step.hash, 16).unwrap_or(0);
                    }
                }
                if let Some(before) = before {
                    let is_same_source = before.topic == step.topic && before.partition == step.partition;
                    if is_same_source && step.offset < before.offset || step.transaction < before.transaction {
                        self.report.violate("userOrder", place);
                    }
                }
                before = Some(step);
                expected = sequence + 1;
            }
            let stored = self.stored.get(user).copied();
            if stored != Some((expected - 1, hash)) {
                let sequence = stored.map(|(sequence, _)| sequence);
                let example = || format!("user {user}: changelog {sequence:?}, last probe {}", expected - 1);
                self.report.violate("stateIsNotLastProbe", example);
            }
        }
        for user in self.stored.keys().filter(|user| !self.trails.contains_key(*user)) {
            self.report.violate("stateIsNotLastProbe", || format!("user {user}: no probe at all"));
        }
    }

    fn check_transactions(&mut self) {
        for (partition, task) in &self.tasks {
            let last = task.marker.as_ref().map_or(0, |marker| marker.transaction);
            self.report.transactions.insert(*partition, last);
            if task.probe_transaction > last {
                let example =
                    || format!("partition {partition}: probe of `{}`, marker `{last}`", task.probe_transaction);
                self.report.violate("transactionWithoutMarker", example);
            }
        }
        for ((partition, transaction), (count, place)) in &self.outputs {
            let task = self.tasks.get(partition).and_then(|task| task.marker.as_ref());
            let last = task.map_or(0, |marker| marker.transaction);
            if *transaction > last {
                let example = || format!("{place} and {} more: `{transaction}`, marker `{last}`", count - 1);
                self.report.violate("transactionWithoutMarker", example);
            }
        }
    }
}

/// What is wrong with the probes of an input record.
fn fault(input: &Input, is_taken: bool) -> Option<&'static str> {
    if !is_taken {
        return (!input.found.is_empty()).then_some("beyondMarker");
    }
    let mut found = input.found.clone();
    found.sort();
    let is_one_transaction = input.transactions.windows(2).all(|two| two[0] == two[1]);
    if found.is_empty() {
        Some("missing")
    } else if found.len() > input.users.len() || !is_one_transaction {
        Some("repeated")
    } else if found.len() < input.users.len() {
        Some("incomplete")
    } else {
        (found != input.users).then_some("otherUser")
    }
}

#[cfg(test)]
#[path = "probe_check/tests.rs"]
mod tests;
