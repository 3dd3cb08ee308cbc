//! Setting where a stopped task goes on: a new marker, and the group's offsets beside it, in one transaction.
//!
//! The producer has the task's own transactional id, so whatever an instance that was thought dead still has open is
//! ended first, and its next commit is refused. The new marker's transaction number is the old one's plus one, so such
//! an instance also finds out from the changelog that the task is no longer its own. With the state cleared every key
//! gets a tombstone and the marker begins anew; many keys are cleared in several transactions, the marker in the last,
//! and a clearing that broke off is finished by calling it again.

use std::collections::BTreeSet;

use rdkafka::consumer::{Consumer as _, ConsumerGroupMetadata};

use super::changelog::{self, ChangelogError};
use super::failure::Failure;
use super::marker::{MARKER_KEY, Marker, VERSION};
use super::names::Names;
use super::outbox::Destination;
use super::partition::hexadecimal;
use super::producer::{Outgoing, TxnProducer};
use super::record::SourceKind;
use super::scan::{Bound, ScanError, Scanner};
use crate::engine::watermark::StreamTime;
use crate::runtime::clock::Deadline;

/// Keys written or cleared in one transaction: seconds of work, far below any transaction's time.
const CHANGES_MAX: usize = 20_000;

#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Kafka(#[from] Failure),
    #[error(transparent)]
    Changelog(#[from] ChangelogError),
    #[error("asking for the members of group `{group}` failed: {error}")]
    Members { group: String, error: rdkafka::error::KafkaError },
    #[error("the client has no group")]
    NoGroup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateChange {
    Keep,
    Clear,
}

/// What one partition's changelog holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub marker: Option<Marker>,
    /// Keys with a value, the marker's apart; empty unless they were asked for.
    pub keys: BTreeSet<Vec<u8>>,
}

/// Members of the consumer group, by client id and host; empty when the application is stopped.
pub fn members(names: &Names, scanner: &Scanner) -> Result<Vec<String>, ResetError> {
    let group = &names.application_id;
    let timeout = std::time::Duration::from_secs(15);
    let list = scanner
        .reader()
        .fetch_group_list(Some(group), timeout)
        .map_err(|error| ResetError::Members { group: group.clone(), error })?;
    let of_group = list.groups().iter().filter(|found| found.name() == group);
    let member = |member: &rdkafka::groups::GroupMemberInfo| {
        format!("{} at {}", member.client_id(), member.client_host().trim_start_matches('/'))
    };
    Ok(of_group.flat_map(|found| found.members().iter().map(member)).collect())
}

/// Reads a changelog partition: its marker, and with `with_keys` the keys that a clearing has to end.
pub fn find(names: &Names, scanner: &Scanner, partition: i32, with_keys: bool) -> Result<Found, ResetError> {
    let mut keys = BTreeSet::new();
    let marker = changelog::read(scanner, &changelog::part(names, scanner, partition)?, &mut |change| {
        if with_keys && change.payload.is_some() {
            keys.insert(change.key.to_vec());
        } else {
            keys.remove(change.key);
        }
    })?;
    Ok(Found { marker, keys })
}

/// Where each source of a partition is to be read from. An offset is one of the input topics': commands stay where the
/// marker has them, or begin at their beginning.
pub fn next(
    names: &Names,
    scanner: &Scanner,
    partition: i32,
    to: Bound,
    marker: Option<&Marker>,
) -> Result<Vec<(String, i64)>, ResetError> {
    let mut next = Vec::new();
    for source in names.sources.iter() {
        let topic = &source.topic;
        let known = marker.and_then(|marker| marker.next_of(topic));
        let offset = match (to, source.kind, known) {
            (Bound::Offset(_), SourceKind::Commands, Some(known)) => known,
            (Bound::Offset(_), SourceKind::Commands, None) => scanner.offset(topic, partition, Bound::Earliest)?,
            (to, _, _) => scanner.offset(topic, partition, to)?,
        };
        next.push((topic.clone(), offset));
    }
    Ok(next)
}

/// The marker that takes the old one's place.
pub fn marker(old: Option<&Marker>, next: Vec<(String, i64)>, state: StateChange) -> Marker {
    let transaction = old.map_or(0, |old| old.transaction) + 1;
    match (old, state) {
        // Whatever topics these offsets are of: a reset begins in those that there are.
        (Some(old), StateChange::Keep) => Marker { transaction, next, topic_ids: Vec::new(), ..old.clone() },
        _ => {
            let mut stream_time = Vec::new();
            StreamTime::default().encode(&mut stream_time);
            Marker {
                version: VERSION,
                transaction,
                next,
                topic_ids: Vec::new(),
                position: 0,
                stream_time: hexadecimal(&stream_time),
                day: None,
                complete_day: None,
                reviewed_minute: None,
                told_minute: None,
                program: env!("CARGO_PKG_VERSION").to_owned(),
                configuration_hash: old.map_or_else(|| "0".repeat(16), |old| old.configuration_hash.clone()),
                importing: false,
            }
        }
    }
}

/// Takes the import's transactional id over: one that was thought dead writes no marker any more.
pub fn end_import(names: &Names) -> Result<(), Failure> {
    let patience = names.transaction_timeout * 2;
    TxnProducer::open(&names.connection, &names.import_id(), names.message_bytes_max, patience).map(drop)
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub marker: Marker,
    pub cleared: usize,
}

/// Resets one partition.
pub fn reset(
    names: &Names,
    scanner: &Scanner,
    partition: i32,
    to: Bound,
    state: StateChange,
) -> Result<Done, ResetError> {
    let (id, timeout) = (names.transactional_id(partition), names.transaction_timeout);
    let mut producer = TxnProducer::open(&names.connection, &id, names.message_bytes_max, timeout * 2)?;
    // Only now is what an earlier owner wrote final.
    let found = find(names, scanner, partition, state == StateChange::Clear)?;
    let next = next(names, scanner, partition, to, found.marker.as_ref())?;
    let marker = marker(found.marker.as_ref(), next, state);
    let changes: Vec<Change<'_>> = found.keys.iter().map(|key| (key.clone(), None)).collect();
    write(names, scanner, &mut producer, (partition, &marker), &changes)?;
    Ok(Done { marker, cleared: changes.len() })
}

/// A user's key and new state; `None` forgets.
pub(super) type Change<'a> = (Vec<u8>, Option<&'a [u8]>);

/// Writes a stopped partition's changes, the marker with the last of them, and the group's offsets beside it.
fn write(
    names: &Names,
    scanner: &Scanner,
    producer: &mut TxnProducer,
    (partition, marker): (i32, &Marker),
    changes: &[Change<'_>],
) -> Result<(), ResetError> {
    let last = changes.chunks(CHANGES_MAX).next_back().unwrap_or(&[]);
    write_changes(names, producer, partition, &changes[..changes.len() - last.len()])?;
    let deadline = Deadline::after(names.transaction_timeout);
    producer.begin()?;
    send(names, producer, partition, last, deadline)?;
    send_marker(names, producer, partition, marker, deadline)?;
    send_next(scanner, producer, &[(partition, marker)], deadline)?;
    Ok(producer.commit(deadline)?)
}

/// Writes a stopped partition's changes, in as many transactions as they need.
pub(super) fn write_changes(
    names: &Names,
    producer: &mut TxnProducer,
    partition: i32,
    changes: &[Change<'_>],
) -> Result<(), Failure> {
    for chunk in changes.chunks(CHANGES_MAX) {
        let deadline = Deadline::after(names.transaction_timeout);
        producer.begin()?;
        send(names, producer, partition, chunk, deadline)?;
        producer.commit(deadline)?;
    }
    Ok(())
}

/// Writes a stopped partition's marker alone.
pub(super) fn write_marker(
    names: &Names,
    producer: &mut TxnProducer,
    partition: i32,
    marker: &Marker,
) -> Result<(), Failure> {
    let deadline = Deadline::after(names.transaction_timeout);
    producer.begin()?;
    send_marker(names, producer, partition, marker, deadline)?;
    producer.commit(deadline)
}

/// Writes the markers of stopped partitions, and the group's offsets beside them: all or none.
pub(super) fn write_markers(
    names: &Names,
    scanner: &Scanner,
    producer: &mut TxnProducer,
    markers: &[(i32, &Marker)],
) -> Result<(), ResetError> {
    let deadline = Deadline::after(names.transaction_timeout);
    producer.begin()?;
    for (partition, marker) in markers {
        send_marker(names, producer, *partition, marker, deadline)?;
    }
    send_next(scanner, producer, markers, deadline)?;
    Ok(producer.commit(deadline)?)
}

fn send_marker(
    names: &Names,
    producer: &TxnProducer,
    partition: i32,
    marker: &Marker,
    deadline: Deadline,
) -> Result<(), Failure> {
    producer.send(&outgoing(names, partition, MARKER_KEY, Some(&marker.encode())), deadline)
}

/// The group's offsets, as the markers have them.
fn send_next(
    scanner: &Scanner,
    producer: &TxnProducer,
    markers: &[(i32, &Marker)],
    deadline: Deadline,
) -> Result<(), ResetError> {
    // The metadata of a client that is no member has no generation. A coordinator takes offsets with it as long as the
    // group is empty, and refuses them when a member has come back: then the whole transaction is refused.
    let group: ConsumerGroupMetadata = scanner.reader().group_metadata().ok_or(ResetError::NoGroup)?;
    let mut offsets: Vec<(&str, i32, i64)> = Vec::new();
    for (partition, marker) in markers {
        offsets.extend(marker.next.iter().map(|(topic, next)| (topic.as_str(), *partition, *next)));
    }
    Ok(producer.send_offsets(&offsets, &group, deadline)?)
}

fn send(
    names: &Names,
    producer: &TxnProducer,
    partition: i32,
    changes: &[Change<'_>],
    deadline: Deadline,
) -> Result<(), Failure> {
    let mut changes = changes.iter();
    changes.try_for_each(|(key, state)| producer.send(&outgoing(names, partition, key, *state), deadline))
}

fn outgoing<'a>(names: &'a Names, partition: i32, key: &'a [u8], payload: Option<&'a [u8]>) -> Outgoing<'a> {
    Outgoing { topic: names.topic(Destination::State), partition, key: Some(key), payload, ..Outgoing::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old() -> Marker {
        Marker {
            version: VERSION,
            transaction: 7,
            next: vec![("sign-ins".to_owned(), 42)],
            topic_ids: vec![("sign-ins".to_owned(), "made before".to_owned())],
            position: 99,
            stream_time: "00ff".to_owned(),
            day: Some(20_000),
            complete_day: Some(19_998),
            reviewed_minute: Some(28_800_000),
            told_minute: Some(28_800_010),
            program: "0.0.1".to_owned(),
            configuration_hash: "0123456789abcdef".to_owned(),
            importing: false,
        }
    }

    #[test]
    fn a_kept_state_keeps_all_but_the_offsets() {
        let next = vec![("sign-ins".to_owned(), 3)];
        let kept = marker(Some(&old()), next.clone(), StateChange::Keep);
        assert_eq!(kept, Marker { transaction: 8, next: next.clone(), topic_ids: Vec::new(), ..old() });
        let cleared = marker(Some(&old()), next.clone(), StateChange::Clear);
        assert_eq!((cleared.transaction, cleared.next.clone(), cleared.position), (8, next.clone(), 0));
        assert_eq!((cleared.day, cleared.complete_day), (None, None));
        assert_eq!((cleared.reviewed_minute, cleared.told_minute), (None, None));
        assert_ne!(cleared.stream_time, old().stream_time);
        for state in [StateChange::Keep, StateChange::Clear] {
            let first = marker(None, next.clone(), state);
            assert_eq!((first.transaction, first.day), (1, None));
            assert_eq!(Marker::decode(&first.encode()).expect("reads"), first);
        }
    }
}
