//! Repeats of an alert: the same user, country, device, browser and system within a week, as Farsign leaves them out
//! (`baseline.repeat_after_hours`).

use hashbrown::HashMap;

use crate::engine::facts::Facts;
use crate::engine::hash::UserKey;
use crate::engine::signin::EventTime;

const REPEAT_AFTER_S: i64 = 168 * 3_600;

/// User, country, device, browser, operating system.
type Visit = (UserKey, u32, u32, u32, u32);

/// One detector's scores of the last week, by visit; of each visit only those that a later one has not outdone.
#[derive(Default)]
pub struct Repeats {
    recent: HashMap<Visit, Vec<(EventTime, f32)>, foldhash::fast::FixedState>,
}

impl Repeats {
    /// Notes a score and gives the highest one before it that it repeats: at a threshold below that, the sign-in is no
    /// new alert.
    pub fn note(&mut self, user: UserKey, facts: &Facts, score: f32) -> f32 {
        let Facts { country, device_hash, browser_hash, operating_system_hash, .. } = *facts;
        let visit = (user, country.key(), device_hash, browser_hash, operating_system_hash);
        let recent = self.recent.entry(visit).or_default();
        let since = facts.time.minus_seconds(REPEAT_AFTER_S);
        recent.retain(|(time, _)| *time >= since);
        let highest = recent.first().map_or(f32::NEG_INFINITY, |(_, score)| *score);
        while recent.last().is_some_and(|(_, last)| *last <= score) {
            recent.pop();
        }
        recent.push((facts.time, score));
        highest
    }
}
