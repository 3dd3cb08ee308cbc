//! One part of the users with the engine that holds their state: what every runtime feeds.
//!
//! A task steps its inputs in order and is owned by one thread at a time; it may move between threads from batch
//! to batch. It reads nothing and writes nothing: what came of a batch is returned.

use std::sync::Arc;

use crate::engine::hash::UserKey;
use crate::engine::out::Out;
use crate::engine::policy::EngineConfig;
use crate::engine::profile::Profiles;
use crate::engine::signin::EventTime;
use crate::engine::user::codec::StateCodecError;
use crate::engine::user::store::StoreStats;
use crate::engine::variants::Variants;
use crate::engine::{Engine, Input, Sight};

pub struct Task {
    engine: Engine,
}

impl Task {
    pub fn new(config: Arc<EngineConfig>, profiles: Arc<Profiles>) -> Task {
        Task { engine: Engine::new(config, profiles) }
    }

    /// What the engine gives of one configuration.
    fn gives(&mut self, give: impl FnOnce(&mut Engine, &mut [Out])) -> Out {
        let mut out = Out::default();
        give(&mut self.engine, std::slice::from_mut(&mut out));
        out
    }

    /// Steps one batch; positions rise from batch to batch.
    pub fn step(&mut self, batch: &[Input<'_>]) -> Out {
        debug_assert!(batch.is_sorted_by_key(|input| input.position), "positions rise");
        self.gives(|engine, outs| engine.step(batch, outs))
    }

    /// A new day begins with an event at `stream_time`: gives what settles before it, contributions above all.
    pub fn settle(&mut self, stream_time: EventTime) -> Out {
        self.gives(|engine, outs| engine.settle(stream_time, outs))
    }

    /// Stream time has come to the [border](EngineConfig::review_at): what others have to know before they
    /// [review](Self::review).
    pub fn tell(&mut self, border: EventTime) -> Out {
        self.gives(|engine, outs| engine.tell(border, outs))
    }

    /// All tasks have come to the border.
    pub fn review(&mut self, border: EventTime) -> Out {
        self.gives(|engine, outs| engine.review(border, outs))
    }

    /// Goes on after a review and what was told before a border.
    pub fn resume(&mut self, review: EventTime, told: EventTime) {
        self.engine.resume(review, told);
    }

    /// Does any sign-in wait for a review?
    pub fn has_reviews(&self) -> bool {
        self.engine.has_reviews()
    }

    /// Does any sign-in wait for the review that begins at `border`?
    pub fn has_ripe(&self, border: EventTime) -> bool {
        self.engine.has_ripe(border)
    }

    /// The oldest sign-in that waits for its review.
    pub fn oldest_waiting(&self) -> Option<EventTime> {
        self.engine.oldest_waiting()
    }

    /// The input has ended: what others have to know before [`Self::review_all`].
    pub fn tell_all(&mut self) -> Out {
        self.gives(Engine::tell_all)
    }

    /// The input has ended at `stream_time`.
    pub fn review_all(&mut self, stream_time: EventTime) -> Out {
        self.gives(|engine, outs| engine.review_all(stream_time, outs))
    }

    /// Attempts on other users may have become known since the last look: what comes of them, if there are any.
    pub fn look(&mut self, stream_time: EventTime) -> Option<Out> {
        let mut has_news = false;
        let out = self.gives(|engine, outs| has_news = engine.look(stream_time, outs));
        has_news.then_some(out)
    }

    pub fn set_sight(&mut self, sight: Sight) {
        self.engine.set_sight(sight);
    }

    /// Takes one user's state back.
    ///
    /// # Errors
    /// When the bytes are no user state; then nothing changes.
    pub fn import(&mut self, user: UserKey, bytes: &[u8]) -> Result<(), StateCodecError> {
        self.engine.import(Variants::first(1), user, bytes)
    }

    /// Forgets one user, if known.
    pub fn forget(&mut self, user: UserKey) {
        self.engine.forget(user);
    }

    /// Appends one user's state to `into`; false when the user is unknown.
    pub fn export_user(&mut self, user: UserKey, into: &mut Vec<u8>) -> bool {
        self.engine.export_user(0, user, into)
    }

    /// Every user's state, by rising key.
    pub fn export(&mut self) -> impl Iterator<Item = (UserKey, Vec<u8>)> {
        self.engine.export(0)
    }

    /// Judges by another configuration from here on.
    pub fn reconfigure(&mut self, config: Arc<EngineConfig>) {
        self.engine.reconfigure(config);
    }

    /// Everything before this has settled once [`Self::settle`] has run at `stream_time`.
    pub fn held(&self, stream_time: EventTime) -> EventTime {
        self.engine.held(stream_time)
    }

    pub fn store_stats(&self) -> StoreStats {
        self.engine.store_stats()
    }

    /// A hash of every user's state, settled up to the horizon before `stream_time`: to compare two tasks.
    pub fn digest(&mut self, stream_time: EventTime) -> u64 {
        self.engine.digest(0, stream_time)
    }
}
