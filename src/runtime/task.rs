//! One part of the users with the engine that holds their state: what every runtime feeds.
//!
//! A task steps its inputs in order and is owned by one thread at a time; it may move between threads from batch
//! to batch. It reads nothing and writes nothing: what came of a batch is returned.

use std::sync::Arc;

use crate::engine::out::Out;
use crate::engine::policy::EngineConfig;
use crate::engine::profile::Profiles;
use crate::engine::signin::EventTime;
use crate::engine::{Engine, Input};

pub struct Task {
    engine: Engine,
}

impl Task {
    pub fn new(config: Arc<EngineConfig>, profiles: Arc<Profiles>) -> Task {
        Task { engine: Engine::new(config, profiles) }
    }

    /// Steps one batch; positions rise from batch to batch.
    pub fn step(&mut self, batch: &[Input<'_>]) -> Out {
        debug_assert!(batch.is_sorted_by_key(|input| input.position), "positions rise");
        let mut out = Out::default();
        self.engine.step(batch, &mut out);
        out
    }

    /// A new day begins with an event at `stream_time`: gives what settles before it, contributions above all.
    pub fn settle(&mut self, stream_time: EventTime) -> Out {
        let mut out = Out::default();
        self.engine.settle(stream_time, &mut out);
        out
    }
}
