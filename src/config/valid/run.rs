//! Sections `input`, `run`, `http` and `log`, raw → valid.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::Build;
use crate::config::raw::run::{Http, Input, Log, Run};
use crate::config::run::{BreakerConfig, HttpConfig, InputConfig, LogConfig, RunConfig};
use crate::engine::decode::Decoder;

pub(super) fn input(raw: &Input, decoder: Decoder) -> InputConfig {
    let breaker = &raw.breaker;
    InputConfig {
        topics: raw.topics.iter().map(|name| name.0.clone()).collect(),
        decoder,
        keyed: raw.keyed,
        framing: raw.framing,
        start: raw.start,
        on_error: raw.on_error,
        on_data_loss: raw.on_data_loss,
        breaker: breaker
            .enabled
            .then_some(BreakerConfig { share: breaker.share, window_records: breaker.window_records as usize }),
    }
}

/// The schema has let only socket addresses through, or reported what is none.
pub(super) fn http(raw: &Http) -> HttpConfig {
    HttpConfig { listen: raw.listen.0.parse().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))) }
}

pub(super) fn log(raw: &Log) -> LogConfig {
    LogConfig { format: raw.format, level: raw.level }
}

impl Build<'_> {
    pub(super) fn run(&mut self, raw: &Run) -> RunConfig {
        self.at_least("run.outbox_bytes_max", raw.outbox_bytes_max, "commit_bytes_max", raw.commit_bytes_max);
        let seconds = |s: u32| Duration::from_secs(s.into());
        RunConfig {
            workers: raw.workers.map(|workers| workers as usize),
            commit_interval: Duration::from_millis(raw.commit_interval_ms.into()),
            commit_users_max: raw.commit_users_max as usize,
            commit_bytes_max: raw.commit_bytes_max as usize,
            batch_records_max: raw.batch_records_max as usize,
            outbox_bytes_max: raw.outbox_bytes_max as usize,
            state_folder: raw.state_folder.as_ref().map(PathBuf::from),
            snapshot_interval: seconds(raw.snapshot_interval_s),
            profiles_wait_max: seconds(raw.profiles_wait_max_s),
            restores_max: raw.restores_max as usize,
            restore_no_progress: seconds(raw.restore_no_progress_s),
            shutdown_grace: seconds(raw.shutdown_grace_s),
            probe_topic: raw.probe_topic.clone(),
        }
    }
}
