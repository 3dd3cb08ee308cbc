//! Variants that judge the stream with one engine a shard, as they have all but thresholds in common.
//!
//! Groups of one run share the decoded stream and nothing else.

use std::io;
use std::sync::Arc;

use anyhow::Context;

use super::SHARDS;
use super::round::Round;
use super::settle::Order;
use super::summary::Judged;
use super::variant::Variant;
use super::watch::Watch;
use crate::engine::Engine;
use crate::engine::hash::UserKey;
use crate::engine::out::Out;
use crate::engine::policy::EngineConfig;
use crate::engine::signin::EventTime;
use crate::engine::user::store::PutState;
use crate::engine::variants::{self, VARIANTS_MAX, Variants};
use crate::engine::watermark::StreamTime;

/// A point of stream time at which a group does more than step: nobody steps meanwhile.
#[derive(Clone, Copy, Debug)]
pub enum Border {
    /// A review begins, and after it a day, if it is one.
    Review { until: EventTime, day: Option<StreamTime> },
    /// The input has ended.
    End(EventTime),
    /// The input goes on in another run: what waits goes on waiting.
    Pause(EventTime),
}

/// Which variants are in a group together: those that can share users, in the order they were given.
pub fn grouped(engines: &[Arc<EngineConfig>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, engine) in engines.iter().enumerate() {
        let has_room = |group: &&mut Vec<usize>| {
            group.len() < VARIANTS_MAX && variants::share_users(&engines[group[0]], engine)
        };
        match groups.iter_mut().find(has_room) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

pub struct Group {
    /// The first variant's: what is asked of it is the same for all.
    config: Arc<EngineConfig>,
    /// One a shard; `None` while it is stepped elsewhere.
    engines: Vec<Option<Box<Engine>>>,
    /// When the last review began.
    review: EventTime,
    variants: Vec<Variant>,
    /// On so many threads it does what nobody steps meanwhile.
    threads: usize,
}

/// Variants from which on a border, or the end of a round, is worth more than one thread.
const VARIANTS_A_THREAD_MIN: usize = 4;

impl Group {
    /// `configs`: at least one. `watch`: sign-ins the first variant is to explain.
    /// `threads`: while it passes a border no others work.
    pub fn new(configs: &[Arc<EngineConfig>], order: Order, mut watch: Option<Watch>, threads: usize) -> Group {
        let variants: Vec<Variant> =
            configs.iter().map(|config| Variant::new(config, order, watch.take())).collect();
        let shard_configs: Vec<Arc<EngineConfig>> = configs.iter().map(|config| shard_config(config)).collect();
        let engine = || {
            let sides = shard_configs.iter().zip(&variants);
            let sides =
                sides.map(|(config, variant)| variants::Variant::new(config.clone(), variant.profiles.clone()));
            Some(Box::new(Engine::of_variants(sides.collect())))
        };
        Group {
            config: configs[0].clone(),
            engines: std::iter::repeat_with(engine).take(SHARDS).collect(),
            review: EventTime::MIN,
            threads: threads.min(variants.len() / VARIANTS_A_THREAD_MIN).max(1),
            variants,
        }
    }

    /// The shard's engine, to be stepped elsewhere; `None` while it is.
    pub fn take_engine(&mut self, shard: usize) -> Option<Box<Engine>> {
        self.engines[shard].take()
    }

    /// Takes an engine back.
    pub fn put_engine(&mut self, shard: usize, engine: Box<Engine>) {
        self.engines[shard] = Some(engine);
    }

    /// Takes what some shards gave of each variant.
    pub fn stepped(&mut self, outs: Vec<Out>) {
        self.variants.iter_mut().zip(outs).for_each(|(variant, out)| variant.stepped(out));
    }

    /// Takes over what the shards gave.
    pub fn finish_round(&mut self, round: &Round) {
        self.of_variants(|variant| variant.finish_round(round));
    }

    pub fn pass(&mut self, border: Border) {
        match border {
            Border::Review { until, day } => {
                self.review_until(until);
                if let Some(stream_time) = day {
                    self.begin_day(stream_time);
                }
            }
            Border::End(at) => self.end(at),
            Border::Pause(at) => self.settle(at),
        }
    }

    /// Reviews one after the other, as if an item had come in each: where a stream leaps over some must not show.
    fn review_until(&mut self, last: EventTime) {
        while self.review < last {
            let oldest_waiting = self.engines.iter().flatten().filter_map(|engine| engine.oldest_waiting()).min();
            self.review = match (self.review, oldest_waiting) {
                (EventTime::MIN, _) => self.config.first_review(oldest_waiting, last),
                (_, None) => last,
                (before, Some(_)) => before.plus_seconds(self.config.review_every_s.into()).min(last),
            };
            let review = self.review;
            self.review(review, |engine, outs| engine.tell(review, outs));
            self.review(review, |engine, outs| engine.review(review, outs));
            self.explain(review.minus_seconds(self.config.ripe_after_s()));
        }
    }

    /// Explains what is wanted and older than this: everything is known that counts, and nothing has settled yet.
    fn explain(&mut self, ripe: EventTime) {
        let Some(watch) = &mut self.variants[0].watch else { return };
        watch.explain(ripe, |user, event| self.engines[user.shard(SHARDS)].as_mut()?.explain(0, user, event));
    }

    /// What the variants give when all engines have done it, one after the other.
    fn gather(&mut self, give: impl Fn(&mut Engine, &mut [Out]) + Sync) -> Vec<Out> {
        let variants = self.variants.len();
        let gather = |engines: &mut [Option<Box<Engine>>]| {
            let mut outs = Out::of_each(variants);
            engines.iter_mut().flatten().for_each(|engine| give(engine, &mut outs));
            outs
        };
        let mut parts = in_parts(&mut self.engines, self.threads, gather).into_iter();
        let mut outs = parts.next().unwrap_or_default();
        for part in parts {
            outs.iter_mut().zip(part).for_each(|(out, more)| out.append(more));
        }
        outs
    }

    /// Lets every variant do what it does for itself.
    fn of_variants(&mut self, act: impl Fn(&mut Variant) + Sync) {
        in_parts(&mut self.variants, self.threads, |variants| variants.iter_mut().for_each(&act));
    }

    /// Lets every engine review, and takes over what comes of it when all have.
    fn review(&mut self, at: EventTime, review: impl Fn(&mut Engine, &mut [Out]) + Sync) {
        let outs = self.gather(review);
        self.variants.iter_mut().zip(outs).for_each(|(variant, out)| variant.reviewed(at, out));
    }

    /// Every user settles, what settled contributes, and only then do the profiles advance: so all that a sign-in of the
    /// new day sees is complete.
    fn begin_day(&mut self, next: StreamTime) {
        self.settle(next.now());
        self.of_variants(|variant| variant.profiles.advance(next.day()));
    }

    fn settle(&mut self, at: EventTime) {
        let outs = self.gather(|engine, outs| engine.settle(at, outs));
        self.variants.iter_mut().zip(outs).for_each(|(variant, out)| variant.settled(out));
    }

    fn end(&mut self, at: EventTime) {
        self.review(at, |engine, outs| engine.tell_all(outs));
        self.review(at, |engine, outs| engine.review_all(at, outs));
        self.explain(EventTime::MAX);
        let outs = self.gather(|engine, outs| engine.settle(at, outs));
        self.variants.iter_mut().zip(outs).for_each(|(variant, out)| variant.ended(out));
    }

    /// Was everything explained that is wanted?
    pub fn is_explained(&self) -> bool {
        let ripe = self.review.minus_seconds(self.config.ripe_after_s());
        self.variants[0].watch.as_ref().is_some_and(|watch| self.review > EventTime::MIN && watch.is_done(ripe))
    }

    /// The variants, in the order they were given.
    pub fn variants(&mut self) -> &mut [Variant] {
        &mut self.variants
    }

    /// All of them.
    pub fn all(&self) -> Variants {
        Variants::first(self.variants.len())
    }

    /// Users that any variant knows.
    pub fn users(&self) -> usize {
        self.engines.iter().flatten().map(|engine| engine.store_stats().users).sum()
    }

    /// Every user's state, shard by shard and by rising key: once for all variants to whom it is the same.
    ///
    /// # Errors
    /// When `put` fails.
    pub fn export(&mut self, put: &mut PutState<'_, io::Error>) -> io::Result<()> {
        self.engines.iter_mut().flatten().try_for_each(|engine| engine.export_branches(put))
    }

    /// Takes one user's state, as that of some variants.
    ///
    /// # Errors
    /// When the bytes are no user's state.
    pub fn import(&mut self, variants: Variants, user: UserKey, state: &[u8]) -> anyhow::Result<()> {
        let engine = self.engines[user.shard(SHARDS)].as_mut().context("an engine that is elsewhere")?;
        engine.import(variants, user, state)?;
        if let Some(watch) = &mut self.variants[0].watch
            && let Some(record) = engine.inspect(0, user)
        {
            watch.look_at(user, &record);
        }
        Ok(())
    }

    /// Goes on behind the review at `reviewed`; of users, [`Self::import`] has to come before.
    pub fn go_on_behind(&mut self, reviewed: Option<EventTime>) {
        if let Some(reviewed) = reviewed {
            self.review = reviewed;
            self.engines.iter_mut().flatten().for_each(|engine| engine.resume(reviewed, reviewed));
        }
    }

    /// What each variant came to.
    pub fn finish(self) -> Vec<(Judged, Option<Watch>)> {
        self.variants.into_iter().map(Variant::finish).collect()
    }
}

/// Does it to as many parts of the items as there are threads, each on its own; gives what came of each, in their order.
fn in_parts<T: Send, R: Send>(items: &mut [T], threads: usize, act: impl Fn(&mut [T]) -> R + Sync) -> Vec<R> {
    if threads <= 1 {
        return vec![act(items)];
    }
    let length = items.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let act = &act;
        let parts: Vec<_> = items.chunks_mut(length).map(|part| scope.spawn(move || act(part))).collect();
        let joined = parts.into_iter().map(|part| part.join());
        joined.map(|given| given.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// The limits hold for the replay as a whole.
fn shard_config(engine: &EngineConfig) -> Arc<EngineConfig> {
    Arc::new(EngineConfig {
        hot_users_max: engine.hot_users_max.div_ceil(SHARDS),
        users_max: engine.users_max.div_ceil(SHARDS),
        ..engine.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_so_many_variants_and_no_more() {
        let config = |speed: u32| {
            let mut config = EngineConfig::default();
            config.default_policy.impossible_travel.max_speed_kmh = f64::from(speed);
            Arc::new(config)
        };
        let mut configs: Vec<_> = (0..VARIANTS_MAX as u32 + 1).map(|number| config(700 + number)).collect();
        let mut slow = EngineConfig::default();
        slow.default_policy.new_country.learning_days += 1;
        configs.insert(3, Arc::new(slow));
        let groups = grouped(&configs);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [VARIANTS_MAX, 1, 1]);
        assert_eq!((&groups[0][..4], &groups[1]), (&[0, 1, 2, 4][..], &vec![3]));
    }
}
