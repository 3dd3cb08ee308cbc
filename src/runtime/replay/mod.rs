//! Files → detections, as fast as the machine allows and always with the same bytes.
//!
//! ```text
//! input ─▶ source ─▶ framing ─▶ block ─▶ merge ─▶ round ─▶ task × SHARDS ─▶ settle ─▶ output
//! (files)  (bytes)   (records)  (items)  (by time) (to a day border)        (in order)
//! ```
//! Reading, decoding and stepping are jobs that any worker does; the sequencer alone decides on order. What comes
//! out depends on the input's records, the configuration and the tables: never on threads, block size or the size
//! of rounds.

pub mod block;
pub mod checkpoint;
pub mod csv;
pub mod filter;
mod first;
pub mod framing;
pub mod group;
pub mod input;
pub mod items;
pub mod merge;
pub mod object;
pub mod output;
pub mod parquet;
pub mod partition;
pub mod pool;
pub mod progress;
pub mod risky;
pub mod round;
mod scan;
pub mod sequencer;
pub mod settle;
pub mod sought;
pub mod source;
pub mod state;
pub mod summary;
pub mod variant;
pub mod watch;

/// Parts that users are divided into, each stepped by one thread at a time. Not the number of threads: limits that
/// an engine keeps for its users must not depend on that.
pub const SHARDS: usize = 16;
