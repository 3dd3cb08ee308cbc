//! The organisation's profiles as the tasks of one process share them, and the gates before each new day and each review.
//!
//! A sign-in of day *d* sees contributions up to day *d − 2*. A task may begin a day when the profiles have been
//! advanced to it, and a review when all attempts before it are there; that is done by whoever knows that all partitions
//! have come far enough ([`super::profiles`]). While the profiles advance no task reads them, so what a sign-in sees does
//! not depend on timing.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::engine::profile::Profiles;

/// Profiles, which day they are set for, and up to which review their attempts are whole.
pub struct SharedProfiles {
    pub profiles: Arc<Profiles>,
    reading: RwLock<()>,
    days: Gate,
    /// Borders of reviews, in minutes since 1970.
    reviews: Gate,
    /// A review that a task stands still for; before it others only lag behind their stream.
    stopped: AtomicI32,
    /// The furthest border that a task has told of.
    told: AtomicI32,
    /// The last day that can be today anywhere.
    today_max: AtomicI32,
}

/// Stands for "none yet".
const NOWHERE: i32 = i32::MIN;
const DAY_MINUTES: i32 = 24 * 60;

/// Up to where tasks may go, and the earliest place beyond it that one has asked for.
struct Gate {
    open: AtomicI32,
    wanted: AtomicI32,
}

impl Gate {
    fn new(open: i32) -> Gate {
        Gate { open: AtomicI32::new(open), wanted: AtomicI32::new(NOWHERE) }
    }

    fn place(&self) -> i32 {
        self.open.load(Ordering::Acquire)
    }

    /// May a task go to `place`? When not, the wish is noted.
    fn may_pass(&self, place: i32) -> bool {
        let open = self.place();
        if open >= place {
            return true;
        }
        // The earliest counts: who waits for a later one may have to be told first what comes before it.
        let is_earlier = |wanted| (wanted <= open || place < wanted).then_some(place);
        self.wanted.fetch_update(Ordering::AcqRel, Ordering::Acquire, is_earlier).ok();
        false
    }

    fn wanted(&self) -> Option<i32> {
        Some(self.wanted.load(Ordering::Acquire)).filter(|wanted| *wanted > self.place())
    }

    fn open(&self, place: i32) {
        self.open.fetch_max(place, Ordering::AcqRel);
    }

    /// Forgets how far it was open, and what was wanted.
    fn begin_at(&self, place: i32) {
        self.open.store(place, Ordering::Release);
        self.wanted.store(NOWHERE, Ordering::Release);
    }
}

impl SharedProfiles {
    pub fn new(profiles: Profiles) -> SharedProfiles {
        let day = profiles.stats().day.unwrap_or(NOWHERE);
        SharedProfiles {
            profiles: Arc::new(profiles),
            reading: RwLock::default(),
            days: Gate::new(day),
            reviews: Gate::new(NOWHERE),
            stopped: AtomicI32::new(NOWHERE),
            told: AtomicI32::new(NOWHERE),
            today_max: AtomicI32::new(i32::MAX),
        }
    }

    /// Says which is the last day that can be today. A task whose stream time is beyond it has wrong clocks in its
    /// input: it goes on, and the profiles stay with the others.
    pub fn set_today_max(&self, day: i32) {
        self.today_max.store(day, Ordering::Release);
    }

    /// Can it be this day yet?
    pub fn is_possible(&self, day: i32) -> bool {
        day <= self.today_max.load(Ordering::Acquire)
    }

    /// May a task begin `day`? When not, the wish is noted, and it is to ask again.
    pub fn may_begin(&self, day: i32) -> bool {
        !self.is_possible(day) || self.days.may_pass(day)
    }

    /// The earliest day a task waits to begin.
    pub fn wanted(&self) -> Option<i32> {
        self.days.wanted()
    }

    pub fn day(&self) -> Option<i32> {
        Some(self.days.place()).filter(|day| *day != NOWHERE)
    }

    /// Sets the profiles for `day`, between two batches of every task.
    pub fn advance(&self, day: i32) {
        let _nobody_reads = self.reading.write().unwrap_or_else(PoisonError::into_inner);
        self.profiles.advance(day);
        self.days.open(day);
    }

    /// Takes what was learnt elsewhere, in place of all that was known: also of how far the stream had come, which may be
    /// further than what was learnt.
    ///
    /// # Errors
    /// When the bytes are no profiles or attempts; then nothing changes.
    pub fn learn(&self, profiles: &[u8], attempts: &[u8]) -> Result<(), String> {
        let _nobody_reads = self.reading.write().unwrap_or_else(PoisonError::into_inner);
        let profiles = Profiles::decode(profiles).map_err(|error| error.to_string())?;
        self.profiles.attempts().restore(attempts).map_err(|error| error.to_string())?;
        self.profiles.replace(profiles);
        self.days.begin_at(self.profiles.stats().day.unwrap_or(NOWHERE));
        self.reviews.begin_at(NOWHERE);
        self.stopped.store(NOWHERE, Ordering::Release);
        self.told.store(NOWHERE, Ordering::Release);
        Ok(())
    }

    /// May a task begin the review at the border `minute`? When not, the wish is noted, and it is to ask again.
    pub fn may_review(&self, minute: i32) -> bool {
        !self.is_possible(minute.div_euclid(DAY_MINUTES)) || self.reviews.may_pass(minute)
    }

    /// The same of a task that takes no record before.
    pub fn must_review(&self, minute: i32) -> bool {
        if self.may_review(minute) {
            return true;
        }
        self.stopped.fetch_max(minute, Ordering::AcqRel);
        false
    }

    /// The earliest review a task has asked for.
    pub fn wanted_review(&self) -> Option<i32> {
        self.reviews.wanted()
    }

    /// Does a task stand still for a review?
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire) > self.reviews.place()
    }

    /// A task has told what was attempted before the border.
    pub fn note_told(&self, minute: i32) {
        if self.is_possible(minute.div_euclid(DAY_MINUTES)) {
            self.told.fetch_max(minute, Ordering::AcqRel);
        }
    }

    /// The furthest border that a task has told of.
    pub fn told(&self) -> Option<i32> {
        Some(self.told.load(Ordering::Acquire)).filter(|minute| *minute != NOWHERE)
    }

    /// Every task has come to the border and has told what was attempted before it, or is not waited for.
    pub fn open_reviews(&self, minute: i32) {
        self.reviews.open(minute);
    }

    /// Held by a task while it steps a batch.
    pub fn reading(&self) -> RwLockReadGuard<'_, ()> {
        self.reading.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_no_clock_has_reached_is_not_waited_for() {
        let shared = SharedProfiles::new(Profiles::default());
        shared.set_today_max(10);
        assert!(!shared.may_begin(10) && shared.may_begin(11));
        assert_eq!(shared.wanted(), Some(10));
        assert!(!shared.may_review(10 * DAY_MINUTES) && shared.may_review(11 * DAY_MINUTES));
        assert_eq!(shared.wanted_review(), Some(10 * DAY_MINUTES));
    }

    #[test]
    fn a_day_begins_when_the_profiles_are_set_for_it() {
        let shared = SharedProfiles::new(Profiles::default());
        assert_eq!((shared.day(), shared.wanted()), (None, None));
        assert!(!shared.may_begin(5));
        assert!(!shared.may_begin(3));
        assert!(!shared.may_begin(4));
        assert_eq!(shared.wanted(), Some(3), "or the task at 3 would never hand over what 5 rests on");
        shared.advance(4);
        assert!(shared.may_begin(3) && shared.may_begin(4));
        assert_eq!(shared.wanted(), None, "until somebody asks again");
        assert!(!shared.may_begin(5));
        shared.advance(5);
        assert!(shared.may_begin(5));
        assert_eq!((shared.day(), shared.wanted()), (Some(5), None));
        shared.advance(4);
        assert_eq!(shared.day(), Some(5), "days never fall");
    }

    #[test]
    fn a_review_is_waited_for_and_who_stands_still_is_known() {
        let shared = SharedProfiles::new(Profiles::default());
        assert!(!shared.may_review(20) && !shared.may_review(10));
        assert_eq!((shared.wanted_review(), shared.is_stopped()), (Some(10), false), "the tasks go on meanwhile");
        assert!(!shared.must_review(10));
        assert!(shared.is_stopped());
        shared.open_reviews(10);
        assert!(shared.must_review(10) && !shared.may_review(20));
        assert_eq!((shared.wanted_review(), shared.is_stopped()), (Some(20), false));
    }
}
