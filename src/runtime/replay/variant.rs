//! What comes of one configuration's judgement of the stream: the organisation's profiles, and what waits to be written.
//!
//! What a variant gives is kept, in its order, in [`Variant::due`] until the sequencer takes it.

use std::sync::Arc;

use super::risky::RiskyUsers;
use super::round::Round;
use super::settle::{Order, Settler};
use super::summary::Judged;
use super::watch::Watch;
use crate::engine::out::{Detection, Out};
use crate::engine::policy::EngineConfig;
use crate::engine::profile::Profiles;
use crate::engine::signin::EventTime;
use crate::runtime::state_file::Waiting;

pub struct Variant {
    pub(super) profiles: Arc<Profiles>,
    settler: Settler,
    shadow_settler: Settler,
    has_shadows: bool,
    risky_users: RiskyUsers,
    /// What its shards gave of the round being stepped.
    outs: Vec<Out>,
    /// To be written, in order.
    due: Vec<Detection>,
    /// The same of shadow policies.
    shadow_due: Vec<Detection>,
    judged: Judged,
    pub(super) watch: Option<Watch>,
}

impl Variant {
    /// `watch`: sign-ins to be explained.
    pub fn new(engine: &EngineConfig, order: Order, watch: Option<Watch>) -> Variant {
        Variant {
            profiles: Arc::default(),
            settler: Settler::new(order, engine.lateness_horizon_s),
            shadow_settler: Settler::new(order, engine.lateness_horizon_s),
            has_shadows: !engine.shadow_policies.is_empty(),
            risky_users: RiskyUsers::default(),
            outs: Vec::new(),
            due: Vec::new(),
            shadow_due: Vec::new(),
            judged: Judged::default(),
            watch,
        }
    }

    /// Takes what some shards gave.
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

    /// Takes over what all tasks gave at a review.
    pub(super) fn reviewed(&mut self, at: EventTime, out: Out) {
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

    /// Takes over what settled in all tasks.
    pub(super) fn settled(&mut self, out: Out) {
        self.judged.counts.add(&out.counts);
        self.profiles.contribute(&out.contributions);
        self.risky_users.take(out.risky_users);
    }

    /// The stream has ended. Risk that would be of age at its last time is, whether a day began since or not; what else
    /// settled for it is no matter of the stream.
    pub(super) fn ended(&mut self, settled: Out) {
        self.risky_users.take(settled.risky_users);
        self.settler.finish(&mut self.due);
        self.shadow_settler.finish(&mut self.shadow_due);
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

    pub fn profiles(&self) -> &Arc<Profiles> {
        &self.profiles
    }

    /// Goes on with the profiles and what waited.
    ///
    /// # Errors
    /// When the bytes are no profiles or attempts.
    pub(super) fn resume(&mut self, (profiles, attempts): (&[u8], &[u8]), waiting: Waiting) -> anyhow::Result<()> {
        self.profiles.restore(profiles)?;
        self.profiles.attempts().restore(attempts)?;
        self.settler.restore(waiting.detections, waiting.written);
        if self.has_shadows {
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
