//! One configuration's judgement of the stream: its users' state, the organisation's profiles, and what waits to be
//! written.
//!
//! Variants of one run share the decoded stream and nothing else. What a variant gives is kept, in its order, in
//! [`Variant::due`] until the sequencer takes it.

use std::sync::Arc;

use anyhow::Context;

use super::SHARDS;
use super::risky::RiskyUsers;
use super::round::Round;
use super::settle::{Order, Settler};
use super::summary::Judged;
use super::watch::Watch;
use crate::engine::Engine;
use crate::engine::hash::UserKey;
use crate::engine::out::{Detection, Out};
use crate::engine::policy::EngineConfig;
use crate::engine::profile::Profiles;
use crate::engine::signin::EventTime;
use crate::engine::watermark::StreamTime;
use crate::runtime::state_file::Waiting;
use crate::runtime::task::Task;

/// A point of stream time at which a variant does more than step: nobody steps meanwhile.
#[derive(Clone, Copy, Debug)]
pub enum Border {
    /// A review begins, and after it a day, if it is one.
    Review { until: EventTime, day: Option<StreamTime> },
    /// The input has ended.
    End(EventTime),
    /// The input goes on in another run: what waits goes on waiting.
    Pause(EventTime),
}

pub struct Variant {
    engine: Arc<EngineConfig>,
    tasks: Vec<Option<Box<Task>>>,
    profiles: Arc<Profiles>,
    /// When the last review began.
    review: EventTime,
    settler: Settler,
    shadow_settler: Settler,
    risky_users: RiskyUsers,
    /// What its shards gave of the round being stepped.
    outs: Vec<Out>,
    /// To be written, in order.
    due: Vec<Detection>,
    /// The same of shadow policies.
    shadow_due: Vec<Detection>,
    judged: Judged,
    watch: Option<Watch>,
}

impl Variant {
    /// `watch`: sign-ins to be explained.
    pub fn new(engine: Arc<EngineConfig>, order: Order, watch: Option<Watch>) -> Variant {
        let profiles = Arc::new(Profiles::default());
        // The limits hold for the replay as a whole.
        let shard_config = Arc::new(EngineConfig {
            hot_users_max: engine.hot_users_max.div_ceil(SHARDS),
            users_max: engine.users_max.div_ceil(SHARDS),
            ..EngineConfig::clone(&engine)
        });
        let task = || Some(Box::new(Task::new(shard_config.clone(), profiles.clone())));
        Variant {
            tasks: std::iter::repeat_with(task).take(SHARDS).collect(),
            profiles,
            review: EventTime::MIN,
            settler: Settler::new(order, engine.lateness_horizon_s),
            shadow_settler: Settler::new(order, engine.lateness_horizon_s),
            risky_users: RiskyUsers::default(),
            outs: Vec::with_capacity(SHARDS),
            due: Vec::new(),
            shadow_due: Vec::new(),
            judged: Judged::default(),
            watch,
            engine,
        }
    }

    /// The shard's task, to be stepped elsewhere; `None` while it is.
    pub fn take_task(&mut self, shard: usize) -> Option<Box<Task>> {
        self.tasks[shard].take()
    }

    /// Takes a task back.
    pub fn put_task(&mut self, shard: usize, task: Box<Task>) {
        self.tasks[shard] = Some(task);
    }

    /// Takes what some of its tasks gave.
    pub fn stepped(&mut self, out: Out) {
        self.outs.push(out);
    }

    /// Takes over what the shards gave, in the order of the items that caused it.
    pub fn finish_round(&mut self, round: &Round) {
        let (mut detections, mut shadow_detections) = (Vec::new(), Vec::new());
        for out in std::mem::take(&mut self.outs) {
            self.judged.counts.add(&out.counts);
            self.profiles.contribute(&out.contributions);
            self.profiles.attempts().contribute(&out.attempts);
            detections.extend(out.detections);
            shadow_detections.extend(out.shadow_detections);
            // A user is in one shard: his versions stay in their order.
            self.risky_users.take(out.risky_users);
        }
        order(detections, round, &mut self.settler, &mut self.due);
        order(shadow_detections, round, &mut self.shadow_settler, &mut self.shadow_due);
        if let Some(watch) = &mut self.watch {
            watch.look(round);
        }
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
            let oldest_waiting = self.tasks.iter().flatten().filter_map(|task| task.oldest_waiting()).min();
            self.review = match (self.review, oldest_waiting) {
                (EventTime::MIN, _) => self.engine.first_review(oldest_waiting, last),
                (_, None) => last,
                (before, Some(_)) => before.plus_seconds(self.engine.review_every_s.into()).min(last),
            };
            let review = self.review;
            self.review(review, |engine, out| engine.tell(review, out));
            self.review(review, |engine, out| engine.review(review, out));
            self.explain(review.minus_seconds(self.engine.ripe_after_s()));
        }
    }

    /// Explains what is wanted and older than this: everything is known that counts, and nothing has settled yet.
    fn explain(&mut self, ripe: EventTime) {
        if let Some(watch) = &mut self.watch {
            watch.explain(ripe, |user, event| self.tasks[user.shard(SHARDS)].as_mut()?.explain(user, event));
        }
    }

    /// Lets every task review, and takes over what comes of it when all have.
    fn review(&mut self, at: EventTime, review: impl Fn(&mut Engine, &mut Out)) {
        let mut out = Out::default();
        self.tasks.iter_mut().flatten().for_each(|task| review(task.engine(), &mut out));
        self.judged.counts.add(&out.counts);
        self.profiles.attempts().contribute(&out.attempts);
        self.risky_users.take(out.risky_users);
        self.settler.release(at, &mut self.due);
        for detection in out.detections {
            self.settler.take(detection, at, &mut self.due);
        }
        self.shadow_settler.release(at, &mut self.shadow_due);
        for detection in out.shadow_detections {
            self.shadow_settler.take(detection, at, &mut self.shadow_due);
        }
    }

    /// Every user settles, what settled contributes, and only then do the profiles advance: so all that a sign-in of the
    /// new day sees is complete.
    fn begin_day(&mut self, next: StreamTime) {
        self.settle(next.now());
        self.profiles.advance(next.day());
    }

    fn settle(&mut self, at: EventTime) {
        for task in self.tasks.iter_mut().flatten() {
            let out = task.settle(at);
            self.judged.counts.add(&out.counts);
            self.profiles.contribute(&out.contributions);
            self.risky_users.take(out.risky_users);
        }
    }

    fn end(&mut self, at: EventTime) {
        self.review(at, Engine::tell_all);
        self.review(at, |engine, out| engine.review_all(at, out));
        self.explain(EventTime::MAX);
        // Risk that would be of age at the last stream time is, whether a day began since or not.
        for task in self.tasks.iter_mut().flatten() {
            self.risky_users.take(task.settle(at).risky_users);
        }
        self.settler.finish(&mut self.due);
        self.shadow_settler.finish(&mut self.shadow_due);
    }

    /// Was everything explained that is wanted?
    pub fn is_explained(&self) -> bool {
        let ripe = self.review.minus_seconds(self.engine.ripe_after_s());
        self.watch.as_ref().is_some_and(|watch| self.review > EventTime::MIN && watch.is_done(ripe))
    }

    /// What is to be written since the last call, in order.
    pub fn take_due(&mut self) -> Vec<Detection> {
        let due = std::mem::take(&mut self.due);
        let updates = due.iter().filter(|detection| detection.is_update).count() as u64;
        self.judged.written_updates += updates;
        self.judged.written += due.len() as u64 - updates;
        due
    }

    /// The same of what shadow policies found.
    pub fn take_shadow_due(&mut self) -> Vec<Detection> {
        let due = std::mem::take(&mut self.shadow_due);
        for detection in &due {
            let policy = detection.shadow.as_ref().map(|shadow| shadow.policy.as_str()).unwrap_or_default();
            let written = &mut self.judged.written_shadow;
            if !written.contains_key(policy) {
                written.insert(policy.to_owned(), [0, 0]);
            }
            if let Some(written) = written.get_mut(policy) {
                written[usize::from(detection.is_update)] += 1;
            }
        }
        due
    }

    /// Users' risk, as far as the stream has come.
    pub fn risky_users(&self) -> &RiskyUsers {
        &self.risky_users
    }

    /// What is to be known of it to go on elsewhere, users and profiles apart. Nobody steps meanwhile.
    pub fn waiting(&self) -> Waiting {
        let (detections, written) = self.settler.save();
        let (shadow_detections, shadow_written) = self.shadow_settler.save();
        let risky_users = self.risky_users.in_order().cloned().collect();
        Waiting { detections, written, shadow_detections, shadow_written, risky_users }
    }

    /// What it has come to so far.
    pub fn judged(&self) -> Judged {
        Judged { written_early: self.settler.early + self.shadow_settler.early, ..self.judged.clone() }
    }

    /// Counts on from what an earlier run came to.
    pub fn go_on(&mut self, judged: Judged) {
        self.settler.early = judged.written_early;
        self.judged = judged;
    }

    pub fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// Every user's state.
    pub fn export(&mut self) -> impl Iterator<Item = (UserKey, Vec<u8>)> {
        self.tasks.iter_mut().flatten().flat_map(|task| task.export())
    }

    /// Takes one user's state.
    ///
    /// # Errors
    /// When the bytes are no user's state.
    pub fn import(&mut self, user: UserKey, state: &[u8]) -> anyhow::Result<()> {
        let task = self.tasks[user.shard(SHARDS)].as_mut().context("a task that is elsewhere")?;
        task.import(user, state)?;
        if let Some(watch) = &mut self.watch
            && let Some(record) = task.engine().inspect(user)
        {
            watch.look_at(user, &record);
        }
        Ok(())
    }

    /// Goes on behind the review at `reviewed`, with the profiles and what waited; of users, [`Self::import`] has to come
    /// before.
    ///
    /// # Errors
    /// When the bytes are no profiles or attempts.
    pub fn resume(
        &mut self,
        reviewed: Option<EventTime>,
        (profiles, attempts): (&[u8], &[u8]),
        waiting: Waiting,
    ) -> anyhow::Result<()> {
        self.profiles.restore(profiles)?;
        self.profiles.attempts().restore(attempts)?;
        if let Some(reviewed) = reviewed {
            self.review = reviewed;
            self.tasks.iter_mut().flatten().for_each(|task| task.resume(reviewed, reviewed));
        }
        self.settler.restore(waiting.detections, waiting.written);
        if !self.engine.shadow_policies.is_empty() {
            self.shadow_settler.restore(waiting.shadow_detections, waiting.shadow_written);
        }
        self.risky_users.take(waiting.risky_users);
        Ok(())
    }

    /// What it came to, and what was explained.
    pub fn finish(self) -> (Judged, Option<Watch>) {
        (self.judged(), self.watch)
    }
}

/// Takes over what the shards gave in a round, in the order of the items that caused it.
fn order(mut detections: Vec<Detection>, round: &Round, settler: &mut Settler, due: &mut Vec<Detection>) {
    // Stable: what one item caused comes from one shard, and stays in its order.
    detections.sort_by_key(|detection| detection.position);
    for detection in detections {
        let stream_time = round.stream_time(detection.position);
        settler.take(detection, stream_time, due);
    }
    settler.release(round.newest(), due);
}
