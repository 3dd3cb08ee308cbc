//! A partition of the changelog as commands read it: every change in order, and the marker that counts.
//!
//! A task restores itself through [`super::protocol`], which is fenced and stricter about markers. Here a later marker makes
//! an earlier one's damage irrelevant: who resets or replaces a state has to get past it.

use std::ops::ControlFlow;

use rdkafka::message::Message as _;

use super::log::Change;
use super::marker::{MARKER_KEY, Marker, MarkerError};
use super::names::Names;
use super::outbox::Destination;
use super::scan::{Bound, Part, ScanError, Scanner};

/// Offsets before the end in which the last marker is looked for first: a task's transaction ends with one.
const LAST_RECORDS: i64 = 64;

#[derive(Debug, thiserror::Error)]
pub enum ChangelogError {
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error("`{topic}` partition `{partition}`: {error}")]
    Marker { topic: String, partition: i32, error: MarkerError },
}

/// The whole of a partition, as far as it is committed now.
///
/// # Errors
/// When the brokers do not say where it ends.
pub fn part(names: &Names, scanner: &Scanner, partition: i32) -> Result<Part, ScanError> {
    scanner.part(names.topic(Destination::State), partition, Bound::Earliest, Bound::Latest)
}

/// The last marker of a partition, mostly without reading what comes before it.
///
/// # Errors
/// As [`read`].
pub fn last_marker(names: &Names, scanner: &Scanner, partition: i32) -> Result<Option<Marker>, ChangelogError> {
    let whole = part(names, scanner, partition)?;
    let mut length = LAST_RECORDS;
    loop {
        let from = whole.to.saturating_sub(length).max(whole.from);
        let marker = read(scanner, &Part { from, ..whole.clone() }, &mut |_| {})?;
        if marker.is_some() || from == whole.from {
            return Ok(marker);
        }
        length = length.saturating_mul(8);
    }
}

/// Visits the changes, markers apart; gives the last marker.
///
/// # Errors
/// When the partition cannot be read, or its last marker.
pub fn read(
    scanner: &Scanner,
    part: &Part,
    visit: &mut dyn FnMut(Change<'_>),
) -> Result<Option<Marker>, ChangelogError> {
    let mut marker = None;
    scanner.read(part, |message| {
        let (offset, payload) = (message.offset(), message.payload());
        match message.key() {
            Some(MARKER_KEY) => marker = payload.map(Marker::decode),
            Some(key) => visit(Change { offset, key, payload }),
            None => {}
        }
        ControlFlow::Continue(())
    })?;
    let Part { topic, partition, .. } = part;
    let damaged = |error| ChangelogError::Marker { topic: topic.clone(), partition: *partition, error };
    marker.transpose().map_err(damaged)
}
