//! The pure core: no I/O, no clock, no threads, no randomness.
//!
//! `decode` and `enrich` turn bytes into [`facts::Item`]s on any thread; [`Engine::step`] is the one seam through
//! which they reach users' state, detections and output. Same items + configuration + tables → same output,
//! whatever the batch size, thread count, partitioning or restarts.

pub mod decode;
pub mod detect;
pub mod enrich;
pub mod facts;
pub mod finding;
pub mod hash;
pub mod out;
pub mod policy;
pub mod profile;
pub mod risk;
pub mod signin;
pub mod user;
pub mod watermark;

use std::sync::Arc;

use facts::Item;
use out::Out;
use policy::EngineConfig;
use profile::Profiles;
use signin::EventTime;

/// One item with its place in the task's input.
pub struct Input<'a> {
    /// Position in the task's input, rising.
    pub position: u64,
    /// Newest event time of the task's input up to and including this item ([`watermark::StreamTime`]).
    pub stream_time: EventTime,
    pub item: &'a Item<'a>,
}

/// The state of one task's users and the judge over them.
pub struct Engine {
    config: Arc<EngineConfig>,
    profiles: Arc<Profiles>,
}

impl Engine {
    pub fn new(config: Arc<EngineConfig>, profiles: Arc<Profiles>) -> Engine {
        Engine { config, profiles }
    }

    /// Judges the items in order and appends what comes of it to `out`.
    pub fn step(&mut self, batch: &[Input<'_>], out: &mut Out) {
        let _ = (&self.config, &self.profiles, batch, out);
    }
}
