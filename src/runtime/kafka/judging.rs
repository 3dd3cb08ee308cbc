//! What tasks judge by: the configuration and tables in use, as the reload publishes them, in a task's terms.

use std::sync::Arc;

use super::partition::{Breaker, TaskSettings};
use crate::config::{Config, InputConfig};
use crate::engine::enrich::Tables;
use crate::engine::policy::EngineConfig;
use crate::render::RenderContext;
use crate::runtime::reload::{Loaded, Reloaded};

/// One configuration with its tables.
#[derive(Clone)]
pub struct Judging {
    pub generation: u64,
    pub settings: Arc<TaskSettings>,
    pub tables: Arc<Tables>,
}

/// Makes a [`Judging`] of what is in use.
pub struct Judgings {
    reloaded: Arc<Reloaded>,
    input: InputConfig,
    has_probe: bool,
    limits: Limits,
}

/// What the topics allow.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that every output topic takes for a record.
    pub record_bytes_max: usize,
    /// Bytes that the dead-letter topic takes for a record.
    pub dead_letter_bytes_max: usize,
    /// Of the lead topic; they share the users.
    pub partitions: u32,
}

impl Judgings {
    pub fn new(reloaded: Arc<Reloaded>, config: &Config, limits: Limits) -> Judgings {
        let has_probe = config.run.probe_topic.is_some();
        Judgings { reloaded, input: config.input.clone(), has_probe, limits }
    }

    pub fn current(&self) -> Judging {
        self.make(&self.reloaded.current())
    }

    /// Has something newer been published? One atomic read.
    pub fn is_newer(&self, generation: u64) -> bool {
        self.reloaded.newer_than(generation).is_some()
    }

    fn make(&self, loaded: &Loaded) -> Judging {
        let settings = settings(&loaded.engine, &loaded.context, &self.input, self.has_probe, self.limits);
        Judging { generation: loaded.generation, settings: Arc::new(settings), tables: loaded.tables.clone() }
    }
}

/// One task's part of a configuration.
pub fn settings(
    engine: &EngineConfig,
    render: &Arc<RenderContext>,
    input: &InputConfig,
    has_probe: bool,
    limits: Limits,
) -> TaskSettings {
    let part = |limit: usize| limit.div_ceil(limits.partitions.max(1) as usize);
    TaskSettings {
        // The limits hold for all partitions together.
        engine: Arc::new(EngineConfig {
            hot_users_max: part(engine.hot_users_max),
            users_max: part(engine.users_max),
            ..engine.clone()
        }),
        render: render.clone(),
        decoder: input.decoder.clone(),
        framing: input.framing,
        on_error: input.on_error,
        breaker: input
            .breaker
            .map(|breaker| Breaker { share: breaker.share, window_records: breaker.window_records as u64 }),
        record_bytes_max: limits.record_bytes_max,
        dead_letter_bytes_max: limits.dead_letter_bytes_max,
        probe: has_probe,
    }
}
