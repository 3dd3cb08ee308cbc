//! A record that could not be read → a dead letter: its bytes and headers as they were, and what was wrong.

use super::intake::Refusal;
use super::outbox::{Destination, OutHeader, Outbox};
use super::record::Record;
use crate::metrics::labels::Label as _;

/// Where a dead letter came from and why; `farsign dead-letter` reads these.
pub const REASON: &str = "farsign.reason";
pub const DETAIL: &str = "farsign.detail";
/// Parts of the record that were refused, when it is an envelope.
pub const REFUSED: &str = "farsign.refused";
pub const TOPIC: &str = "farsign.topic";
pub const PARTITION: &str = "farsign.partition";
pub const OFFSET: &str = "farsign.offset";
/// Milliseconds since 1970, of the record.
pub const TIMESTAMP: &str = "farsign.timestamp";
pub const VERSION: &str = "farsign.version";
/// The value's length in bytes, when it was too long to be kept whole.
pub const TRUNCATED: &str = "farsign.truncated";

/// Bytes that a record's batch, key and our headers may take beside value and headers of the original.
const OVERHEAD_MAX: usize = 8 * 1024;

/// Appends the dead letter of a record.
///
/// `length_max` is what the topic takes; a longer record is cut, and says so.
pub fn push(
    record: &Record<'_>,
    topic: &str,
    partition: i32,
    refusals: &[Refusal],
    length_max: usize,
    outbox: &mut Outbox,
) {
    let text = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
    let mut headers: Vec<OutHeader> =
        record.headers.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect();
    let first = refusals.first();
    headers.extend([
        text(REASON, first.map_or("", |refusal| refusal.reason.value()).to_owned()),
        text(DETAIL, first.map_or(String::new(), |refusal| refusal.detail.clone())),
        text(REFUSED, refusals.len().to_string()),
        text(TOPIC, topic.to_owned()),
        text(PARTITION, partition.to_string()),
        text(OFFSET, record.offset.to_string()),
        text(VERSION, env!("CARGO_PKG_VERSION").to_owned()),
    ]);
    if let Some(timestamp) = record.timestamp_ms {
        headers.push(text(TIMESTAMP, timestamp.to_string()));
    }
    let header_bytes: usize =
        headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len) + 10).sum();
    let key_bytes = record.key.map_or(0, <[u8]>::len);
    let room = length_max.saturating_sub(header_bytes + key_bytes + OVERHEAD_MAX);
    let payload = record.payload.map(|payload| &payload[..payload.len().min(room)]);
    if let (Some(whole), Some(kept)) = (record.payload, payload)
        && kept.len() < whole.len()
    {
        headers.push(text(TRUNCATED, whole.len().to_string()));
    }
    outbox.push(Destination::DeadLetter, None, record.key, payload, headers);
}
