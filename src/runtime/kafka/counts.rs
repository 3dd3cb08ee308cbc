//! What a task counts, in plain numbers: they travel with the transaction and count when it is committed.

use crate::engine::out::Counts;
use crate::engine::signin::EventTime;
use crate::metrics::BatchCounts;

/// What a transaction's records came to, for metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskCounts {
    pub engine: Counts,
    pub batch: BatchCounts,
    /// Records below the offset to go on from: delivered twice by the client, left out.
    pub repeated: u64,
    /// Detections whose evidence was left out, as the record would have been too long for its topic.
    pub shortened: u64,
    /// Event times of new detections, for the lag.
    pub detected: Vec<EventTime>,
}
