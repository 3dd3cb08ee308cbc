//! What a task needs of the configuration.

use std::sync::Arc;

pub use super::breaker::Breaker;
use crate::config::{Framing, OnError};
use crate::engine::decode::Decoder;
use crate::engine::policy::EngineConfig;
use crate::render::RenderContext;

/// What a task needs of the configuration. It changes between two transactions only.
#[derive(Clone)]
pub struct TaskSettings {
    pub engine: Arc<EngineConfig>,
    pub render: Arc<RenderContext>,
    pub decoder: Decoder,
    pub framing: Framing,
    pub on_error: OnError,
    /// `None` = never.
    pub breaker: Option<Breaker>,
    /// Bytes that every output topic takes for a record.
    pub record_bytes_max: usize,
    /// Bytes that the dead-letter topic takes for a record.
    pub dead_letter_bytes_max: usize,
    pub probe: bool,
}
