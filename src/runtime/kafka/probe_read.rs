//! Reads everything that [`ProbeCheck`] judges: state and markers, outputs, probes, the group's offsets, the input.
//!
//! Only what is committed is read. Outputs are read before markers and inputs last, so that a task that still commits
//! meanwhile shows as violations of its newest transactions: a deployment is checked when it is stopped or idle. Records
//! are decoded as tasks do it, without tables, only to know whose they are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use super::intake::Intake;
use super::marker::{MARKER_KEY, Marker};
use super::names::Names;
use super::outbox::Destination;
use super::partition::TRANSACTION_HEADER;
use super::probe::{self, ProbeRecord};
use super::probe_check::{ProbeCheck, Report};
use super::scan::{Bound, ScanError, Scanner};
use super::slot;
use crate::config::InputConfig;
use crate::engine::enrich::Enricher;
use crate::engine::hash::UserKey;

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error("`run.probe_topic` is not set: there are no probes to check")]
    NoProbes,
    #[error("`{place}` is no {what}: {error}")]
    Foreign { place: String, what: &'static str, error: String },
}

/// Reads and judges. `told` hears of each topic before it is read.
pub fn check(
    names: &Names,
    input: &InputConfig,
    mut enricher: Enricher,
    told: &mut dyn FnMut(&str),
) -> Result<Report, ProbeError> {
    let probe_topic = names.probe_topic.as_deref().ok_or(ProbeError::NoProbes)?;
    let scanner = Scanner::new(names)?;
    let mut check = ProbeCheck::default();
    told(probe_topic);
    each(&scanner, probe_topic, |message| {
        let payload = message.payload().unwrap_or_default();
        let record: ProbeRecord = serde_json::from_slice(payload)
            .map_err(|error| foreign(message, "probe record", error.to_string()))?;
        check.probe(&record);
        Ok(())
    })?;
    for destination in [Destination::RiskDetections, Destination::RiskyUsers] {
        let topic = names.topic(destination);
        told(topic);
        each(&scanner, topic, |message| {
            check.output(message.partition(), transaction(message), &place(message));
            Ok(())
        })?;
    }
    told(names.topic(Destination::State));
    read_state(names, &scanner, &mut check)?;
    let topics: Vec<&str> = names.sources.iter().map(|source| source.topic.as_str()).collect();
    for partition in 0..names.partitions {
        for (topic, offset) in topics.iter().zip(scanner.committed(&topics, partition)?) {
            check.committed(topic, partition, offset);
        }
    }
    for (source, topic) in topics.iter().enumerate() {
        told(topic);
        for partition in 0..names.partitions {
            let part = scanner.part(topic, partition, Bound::Earliest, Bound::Latest)?;
            check.partition(topic, partition, part.from);
            scanner.read(&part, |message| {
                let users = users(names, input, source, message, &mut enricher);
                check.input(topic, partition, message.offset(), &users);
                ControlFlow::Continue(())
            })?;
        }
    }
    Ok(check.finish())
}

/// Calls `visit` with every record of a topic, partition by partition.
fn each(
    scanner: &Scanner,
    topic: &str,
    mut visit: impl FnMut(&BorrowedMessage<'_>) -> Result<(), ProbeError>,
) -> Result<(), ProbeError> {
    for partition in scanner.chosen(topic, None)? {
        let part = scanner.part(topic, partition, Bound::Earliest, Bound::Latest)?;
        let mut failed = None;
        scanner.read(&part, |message| {
            failed = visit(message).err();
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(())
}

/// Markers in their order, and users' trails as they are in the end.
fn read_state(names: &Names, scanner: &Scanner, check: &mut ProbeCheck) -> Result<(), ProbeError> {
    let mut trails: BTreeMap<UserKey, (u64, u64)> = BTreeMap::new();
    each(scanner, names.topic(Destination::State), |message| {
        let Some(key) = message.key() else { return Ok(()) };
        if key == MARKER_KEY {
            let marker = message.payload().map(Marker::decode).transpose();
            check.marker(
                message.partition(),
                marker.map_err(|error| foreign(message, "marker", error.to_string()))?,
            );
        } else if let Some(user) = probe::user_of(key) {
            match message.payload().and_then(probe::trail_of) {
                Some(trail) => drop(trails.insert(user, trail)),
                None => drop(trails.remove(&user)),
            }
        }
        Ok(())
    })?;
    for (user, (sequence, hash)) in trails {
        check.stored(user, sequence, hash);
    }
    Ok(())
}

fn users(
    names: &Names,
    input: &InputConfig,
    source: usize,
    message: &BorrowedMessage<'_>,
    enricher: &mut Enricher,
) -> Vec<UserKey> {
    let records = [slot::record(source, message)];
    let intake = Intake::read(&records, &names.sources, &BTreeSet::new(), &input.decoder, input.framing, enricher);
    intake.items.iter().map(|item| item.user()).collect()
}

fn transaction(message: &BorrowedMessage<'_>) -> Option<u64> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == TRANSACTION_HEADER)?;
    std::str::from_utf8(header.value?).ok()?.parse().ok()
}

fn place(message: &BorrowedMessage<'_>) -> String {
    format!("{}/{}/{}", message.topic(), message.partition(), message.offset())
}

fn foreign(message: &BorrowedMessage<'_>, what: &'static str, error: String) -> ProbeError {
    ProbeError::Foreign { place: place(message), what, error }
}
