//! The organisation's profiles as the tasks of one process share them, and the gate before each new day.
//!
//! A sign-in of day *d* sees contributions up to day *d − 2*. A task may begin a day when the profiles have been
//! advanced to it; that is done by whoever knows that all partitions have come far enough ([`super::profiles`]).
//! While the profiles advance no task reads them, so what a sign-in sees does not depend on timing.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::engine::profile::Profiles;

/// Profiles, and which day they are set for.
pub struct SharedProfiles {
    pub profiles: Arc<Profiles>,
    reading: RwLock<()>,
    day: AtomicI32,
    wanted: AtomicI32,
}

/// Stands for "none yet".
const NO_DAY: i32 = i32::MIN;

impl SharedProfiles {
    pub fn new(profiles: Profiles) -> SharedProfiles {
        let day = profiles.stats().day.unwrap_or(NO_DAY);
        SharedProfiles {
            profiles: Arc::new(profiles),
            reading: RwLock::default(),
            day: AtomicI32::new(day),
            wanted: AtomicI32::new(NO_DAY),
        }
    }

    /// May a task begin `day`? When not, the wish is noted, and it is to ask again.
    pub fn may_begin(&self, day: i32) -> bool {
        if self.day.load(Ordering::Acquire) >= day {
            return true;
        }
        // The earliest counts: who waits for a later one may have to be told first what comes before it.
        let now = self.day.load(Ordering::Acquire);
        let is_earlier = |wanted| (wanted <= now || day < wanted).then_some(day);
        self.wanted.fetch_update(Ordering::AcqRel, Ordering::Acquire, is_earlier).ok();
        false
    }

    /// The earliest day a task waits to begin.
    pub fn wanted(&self) -> Option<i32> {
        Some(self.wanted.load(Ordering::Acquire)).filter(|day| *day > self.day.load(Ordering::Acquire))
    }

    pub fn day(&self) -> Option<i32> {
        Some(self.day.load(Ordering::Acquire)).filter(|day| *day != NO_DAY)
    }

    /// Sets the profiles for `day`, between two batches of every task.
    pub fn advance(&self, day: i32) {
        let _nobody_reads = self.reading.write().unwrap_or_else(PoisonError::into_inner);
        self.profiles.advance(day);
        self.day.fetch_max(day, Ordering::AcqRel);
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
}
