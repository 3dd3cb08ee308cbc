//! Valid sections `input`, `run`, `http` and `log`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::decode::Decoder;

pub use super::raw::run::{Framing, LogFormat, LogLevel, OnDataLoss, OnError, Start};

/// What `farsign run` reads.
#[derive(Clone, Debug, PartialEq)]
pub struct InputConfig {
    /// The first is the lead. May be empty: see [`Config::for_input`](super::Config::for_input).
    pub topics: Vec<String>,
    pub decoder: Decoder,
    /// Whether one user's records are in one partition.
    pub keyed: bool,
    pub framing: Framing,
    pub start: Start,
    pub on_error: OnError,
    pub on_data_loss: OnDataLoss,
    /// `None` = never breaks.
    pub breaker: Option<BreakerConfig>,
}

/// Breaks when more than `share` of the latest `window_records` could not be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerConfig {
    /// 0 to 1.
    pub share: f64,
    pub window_records: usize,
}

/// How much is done at once, and how long things may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunConfig {
    /// `None` = one a core.
    pub workers: Option<usize>,
    pub commit_interval: Duration,
    pub commit_users_max: usize,
    pub commit_bytes_max: usize,
    pub batch_records_max: usize,
    /// At least `commit_bytes_max`.
    pub outbox_bytes_max: usize,
    /// `None` = no snapshots.
    pub state_folder: Option<PathBuf>,
    pub snapshot_interval: Duration,
    pub profiles_wait_max: Duration,
    pub restores_max: usize,
    pub restore_no_progress: Duration,
    pub shutdown_grace: Duration,
    /// `None` = no probes.
    pub probe_topic: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    pub listen: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    pub level: LogLevel,
}
