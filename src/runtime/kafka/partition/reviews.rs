//! A task's reviews: what it tells others when its stream comes to a border, and its review there when all others have.
//!
//! ```text
//! reviewed ───────▶ told ═ come ──▶ the next record
//!     at most a step, and what a task may be ahead
//! ```
//! A task that reads live goes on while others are behind: nothing settles before its review, so tails only grow. When it
//! would be too far ahead it takes no more ([`Stop::Review`]). Read from files it is never ahead, and so every version comes
//! out as in a replay. A review for which nothing is ripe waits for nobody.

use super::outputs::Batch;
use super::{PartitionTask, Stop};
use crate::engine::Sight;
use crate::engine::attempts::minute_of;
use crate::engine::facts::Item;
use crate::engine::signin::EventTime;
use crate::engine::watermark::StreamTime;
use crate::runtime::kafka::contributions::Frontier;
use crate::runtime::kafka::marker::Marker;

/// How far a task is with its reviews: borders, `MIN` before the first.
pub(super) struct Reviews {
    /// Of the last review.
    reviewed: EventTime,
    /// Up to here others have been told what was attempted.
    told: EventTime,
    /// Where the stream has come to, with the record that waits to be taken.
    come: EventTime,
    sight: Sight,
}

impl Default for Reviews {
    fn default() -> Reviews {
        let (reviewed, told, come) = (EventTime::MIN, EventTime::MIN, EventTime::MIN);
        Reviews { reviewed, told, come, sight: Sight::Settled }
    }
}

impl Reviews {
    pub(super) fn reviewed_minute(&self) -> Option<i32> {
        minute(self.reviewed)
    }

    pub(super) fn told_minute(&self) -> Option<i32> {
        minute(self.told)
    }
}

fn minute(border: EventTime) -> Option<i32> {
    (border != EventTime::MIN).then(|| minute_of(border))
}

fn border(minute: Option<i32>) -> EventTime {
    minute.map_or(EventTime::MIN, |minute| EventTime::from_seconds(i64::from(minute) * 60))
}

impl PartitionTask {
    /// [`Sight::Live`]: others' attempts take part in verdicts as soon as they are known, and the task need not stop at
    /// every border until all are.
    pub fn set_sight(&mut self, sight: Sight) {
        self.reviews.sight = sight;
        self.task.set_sight(sight);
    }

    /// Goes on where the marker says. Older programs reviewed whenever their stream came to a border.
    pub(super) fn resume_reviews(&mut self, marker: &Marker) {
        let come = self.border_of(self.stream_time);
        let reviewed = marker.reviewed_minute.map_or(come, |minute| border(Some(minute)));
        let told = marker.told_minute.map_or(reviewed, |minute| border(Some(minute)));
        (self.reviews.reviewed, self.reviews.told, self.reviews.come) = (reviewed, told, come.max(told));
        if reviewed != EventTime::MIN {
            self.task.resume(reviewed, told);
        }
        let told_minute = self.reviews.told_minute();
        self.contributions.set_frontier(Frontier { told_minute, ..self.contributions.frontier() });
    }

    /// The border that a stream time belongs to; none does while it may still fall back.
    fn border_of(&self, stream_time: StreamTime) -> EventTime {
        match stream_time.day() {
            i32::MIN => EventTime::MIN,
            _ => self.settings.engine.review_at(stream_time.now()),
        }
    }

    /// The newest border that a record may belong to without another review.
    fn border_max(&self) -> EventTime {
        match self.reviews.sight {
            Sight::Settled => self.reviews.reviewed,
            Sight::Live => self.told_max(),
        }
    }

    /// Others can be told so far without another review: see [`Engine::tell`](crate::engine::Engine::tell).
    fn told_max(&self) -> EventTime {
        let engine = &self.settings.engine;
        self.reviews.reviewed.plus_seconds(i64::from(engine.review_every_s) + i64::from(engine.review_ahead_s))
    }

    /// The review that has to come before the items are taken; what can be done before it is.
    pub(super) fn missing_review(&mut self, items: &[Item<'_>], batch: &mut Batch<'_>) -> Option<Stop> {
        let first = items.first()?;
        let mut next = self.stream_time;
        next.observe(first.time(), first.user());
        let border = self.border_of(next);
        if border <= self.border_max() {
            return None;
        }
        self.come_to_border(border, batch);
        if border <= self.border_max() {
            return None;
        }
        let minute = minute_of(self.next_border(self.reviews.reviewed));
        self.shared.must_review(minute);
        Some(Stop::Review(minute))
    }

    /// The stream has come to the border that `next` belongs to: tells others, and reviews as far as they have come.
    pub(super) fn come_to(&mut self, next: StreamTime, batch: &mut Batch<'_>) {
        let border = self.border_of(next);
        if border > self.reviews.come {
            self.come_to_border(border, batch);
        }
    }

    fn come_to_border(&mut self, border: EventTime, batch: &mut Batch<'_>) {
        self.step(batch);
        self.reviews.come = self.reviews.come.max(border);
        self.catch_up();
    }

    /// Goes on with reviews that others were waited for.
    pub(super) fn catch_up(&mut self) {
        if self.reviews.reviewed == EventTime::MIN {
            self.begin_reviews();
        }
        while self.reviews.reviewed < self.reviews.come {
            self.tell_others();
            let next = self.next_border(self.reviews.reviewed);
            if self.task.has_ripe(next) && !self.shared.may_review(minute_of(next)) {
                return;
            }
            self.review(next);
        }
    }

    /// Begins where nothing is ripe.
    fn begin_reviews(&mut self) {
        let come = self.reviews.come;
        let first = self.settings.engine.first_review(self.task.oldest_waiting(), come);
        if first != EventTime::MIN {
            self.tell_at(first);
            self.review(first);
        }
    }

    fn review(&mut self, border: EventTime) {
        let out = self.task.review(border);
        self.take_over(out, &Batch::new(self.position));
        self.reviews.reviewed = border;
    }

    fn tell_others(&mut self) {
        while self.reviews.told < self.reviews.come {
            let next = self.next_border(self.reviews.told);
            // What nobody waits for, nobody need be told of.
            if next > self.told_max() && self.task.has_reviews() {
                return;
            }
            self.tell_at(next);
        }
    }

    fn tell_at(&mut self, border: EventTime) {
        let out = self.task.tell(border);
        self.take_over(out, &Batch::new(self.position));
        self.reviews.told = border;
        let told_minute = self.reviews.told_minute();
        self.contributions.set_frontier(Frontier { told_minute, ..self.contributions.frontier() });
    }

    /// The border after `last`, or as far as the stream has come when nothing waits on the way.
    fn next_border(&self, last: EventTime) -> EventTime {
        let step = i64::from(self.settings.engine.review_every_s);
        if self.task.has_reviews() { last.plus_seconds(step).min(self.reviews.come) } else { self.reviews.come }
    }

    /// The input is at its end, and others' goes on to the border `minute`: so does this task, without a record.
    pub fn follow(&mut self, minute: i32) {
        let shared = self.shared.clone();
        let _reading = shared.reading();
        let mut batch = Batch::new(self.position);
        self.come_to_border(border(Some(minute)), &mut batch);
        self.complete_reviewed(&mut batch);
    }

    /// There is nothing to read for now: follows others for as long as it takes to tell of its own strangers, and so far
    /// that no record still to come would be too late for it.
    pub fn rest(&mut self) {
        let Some(told) = self.shared.told() else { return };
        let own = self.border_of(self.stream_time);
        if own == EventTime::MIN {
            return;
        }
        let engine = &self.settings.engine;
        let last = own.plus_seconds(i64::from(engine.lateness_horizon_s) + i64::from(engine.review_every_s));
        let border = border(Some(told)).min(last);
        if border > self.reviews.come {
            self.follow(minute_of(border));
        }
    }

    /// The border that the stream has come to, in minutes since 1970.
    pub fn come_minute(&self) -> Option<i32> {
        minute(self.reviews.come)
    }

    /// The review that it waits for, whether it takes records meanwhile or not.
    pub fn waits_for_review(&self) -> Option<i32> {
        (self.reviews.reviewed < self.reviews.come).then(|| minute_of(self.next_border(self.reviews.reviewed)))
    }
}
