//! The order in which detections are written.
//!
//! *Settled* (the default): a detection waits until stream time has passed its activity time by the lateness
//! horizon; an upstream finding, which may come days after the activity, the time it was told at. Until then a newer version replaces it, and one that is withdrawn is not written at all. So what is
//! written depends neither on the order of arrival within the horizon nor on how the input was split into files.
//! A later version of a detection already written is a line of its own, in its place by the time of the update.
//!
//! *Updates*: every version at once, as a live run would write it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use uuid::Uuid;

use crate::engine::finding::{RiskDetail, RiskState};
use crate::engine::out::{Detection, Source};
use crate::engine::signin::EventTime;

/// Detections that wait at most; beyond it the oldest is written early, and counted.
pub const PENDING_MAX: usize = 200_000;

/// Ids of written detections that are remembered, against writing one twice.
pub const WRITTEN_MAX: usize = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Settled,
    Updates,
}

/// Time, tenant, user, sign-in, type, id.
type Key = (EventTime, String, String, String, u8, Uuid);

pub struct Settler {
    order: Order,
    horizon_s: i64,
    pending: BTreeMap<Key, Detection>,
    keys: HashMap<Uuid, Key>,
    pending_max: usize,
    /// Written before their time because too many waited.
    pub early: u64,
    /// Ids written, the newest [`WRITTEN_MAX`].
    written: HashSet<Uuid>,
    written_order: VecDeque<Uuid>,
    /// Not written again.
    pub repeated: u64,
}

impl Settler {
    pub fn new(order: Order, horizon_s: u32) -> Settler {
        Settler {
            order,
            horizon_s: i64::from(horizon_s),
            pending: BTreeMap::new(),
            keys: HashMap::new(),
            pending_max: PENDING_MAX,
            early: 0,
            written: HashSet::new(),
            written_order: VecDeque::new(),
            repeated: 0,
        }
    }

    /// What waits, in the order in which it is to be written, and the ids written, the oldest first: what
    /// [`Self::restore`] takes.
    pub fn save(&self) -> (Vec<Detection>, Vec<Uuid>) {
        (self.pending.values().cloned().collect(), self.written_order.iter().copied().collect())
    }

    /// Goes on where another one of the same order stood.
    pub fn restore(&mut self, pending: Vec<Detection>, written: Vec<Uuid>) {
        for detection in pending {
            let key = key_of(&detection);
            self.keys.insert(detection.id, key.clone());
            self.pending.insert(key, detection);
        }
        self.written = written.iter().copied().collect();
        self.written_order = written.into();
    }

    /// Takes the next detection in order of position; `stream_time` is the one at its cause. Appends to `due` each that
    /// is to be written before it.
    pub fn take(&mut self, mut detection: Detection, stream_time: EventTime, due: &mut Vec<Detection>) {
        if self.order == Order::Updates {
            return due.push(detection);
        }
        self.release(stream_time, due);
        let waiting = self.keys.remove(&detection.id).and_then(|key| self.pending.remove(&key));
        let was_written = detection.is_update && waiting.as_ref().is_none_or(|before| before.is_update);
        if !was_written && is_withdrawn(&detection) {
            return;
        }
        if !detection.is_update && waiting.is_none() && self.written.contains(&detection.id) {
            // A sign-in delivered again long after: what it gave was written then.
            self.repeated += 1;
            return;
        }
        detection.is_update = was_written;
        if !was_written {
            // Nobody saw an earlier version, so when it came to be known is no news.
            let told = detection.told_at_least();
            detection.detected_time = told;
            if detection.state == RiskState::AtRisk || detection.state == RiskState::None {
                detection.updated_time = told;
            }
        }
        // Feedback changes a detection's state, and brings no evidence of its own.
        detection.finding = detection.finding.or(waiting.and_then(|before| before.finding));
        let key = key_of(&detection);
        self.keys.insert(detection.id, key.clone());
        self.pending.insert(key, detection);
        if self.pending.len() > self.pending_max {
            self.early += 1;
            self.release_first(due);
        }
    }

    /// Appends to `due` what stream time has left behind by more than the horizon.
    pub fn release(&mut self, stream_time: EventTime, due: &mut Vec<Detection>) {
        let settled = stream_time.minus_seconds(self.horizon_s);
        while self.pending.first_key_value().is_some_and(|(key, _)| key.0 < settled) {
            self.release_first(due);
        }
    }

    /// Appends to `due` all that waits: the input is at its end.
    pub fn finish(&mut self, due: &mut Vec<Detection>) {
        while !self.pending.is_empty() {
            self.release_first(due);
        }
    }

    fn release_first(&mut self, due: &mut Vec<Detection>) {
        if let Some((_, detection)) = self.pending.pop_first() {
            self.keys.remove(&detection.id);
            self.remember(detection.id);
            due.push(detection);
        }
    }

    fn remember(&mut self, id: Uuid) {
        if self.written.insert(id) {
            self.written_order.push_back(id);
        }
        if self.written_order.len() > WRITTEN_MAX
            && let Some(oldest) = self.written_order.pop_front()
        {
            self.written.remove(&oldest);
        }
    }
}

fn is_withdrawn(detection: &Detection) -> bool {
    detection.state == RiskState::Dismissed && detection.detail == RiskDetail::AiConfirmedSigninSafe
}

fn key_of(detection: &Detection) -> Key {
    let subject = &detection.subject;
    let time = match (detection.is_update, &detection.source) {
        (true, _) => detection.updated_time,
        (false, Source::Farsign) => detection.activity_time,
        (false, Source::Upstream(_)) => detection.detected_time,
    };
    let (tenant, user) = (subject.tenant_id.clone(), subject.user_id.clone());
    (time, tenant, user, subject.request_id.clone(), detection.kind as u8, detection.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::finding::{RiskEventType, RiskLevel};
    use crate::engine::out::Subject;

    const HORIZON_S: u32 = 100;

    /// A version of detection `id` about a sign-in at `activity` seconds, made at `updated` seconds.
    fn version(id: u128, activity: i64, updated: i64, is_update: bool, state: RiskState) -> Detection {
        let withdrawn = state == RiskState::Dismissed;
        Detection {
            id: Uuid::from_u128(id),
            source: Source::Farsign,
            shadow: None,
            is_about_user: false,
            state,
            detail: if withdrawn { RiskDetail::AiConfirmedSigninSafe } else { RiskDetail::None },
            activity_time: EventTime::from_seconds(activity),
            detected_time: EventTime::from_seconds(updated),
            updated_time: EventTime::from_seconds(updated),
            kind: RiskEventType::NewCountry,
            level: RiskLevel::Low,
            score: 0,
            subject: Subject::default(),
            finding: None,
            position: 0,
            is_update,
            incident_id: Uuid::from_u128(id),
        }
    }

    fn new(id: u128, activity: i64) -> Detection {
        version(id, activity, activity, false, RiskState::AtRisk)
    }

    /// Feeds (stream time, detection) and gives (id, is an update) in the order written; `ends` are stream times
    /// at which a round ends after each.
    fn written(
        order: Order,
        pending_max: usize,
        arrivals: &[(i64, Detection)],
        round_ends: bool,
    ) -> Vec<(u128, bool)> {
        let mut settler = Settler { pending_max, ..Settler::new(order, HORIZON_S) };
        let mut due = Vec::new();
        for (seconds, detection) in arrivals {
            let time = EventTime::from_seconds(*seconds);
            settler.take(detection.clone(), time, &mut due);
            if round_ends {
                settler.release(time, &mut due);
            }
        }
        settler.finish(&mut due);
        due.iter().map(|detection| (detection.id.as_u128(), detection.is_update)).collect()
    }

    fn check(arrivals: &[(i64, Detection)], expected: &[(u128, bool)]) {
        for round_ends in [false, true] {
            assert_eq!(written(Order::Settled, PENDING_MAX, arrivals, round_ends), expected, "{round_ends}");
        }
    }

    #[test]
    fn settled_order_is_that_of_activity_not_of_arrival() {
        check(&[(50, new(1, 50)), (50, new(2, 20)), (140, new(3, 140))], &[(2, false), (1, false), (3, false)]);
        check(&[(50, new(2, 20)), (50, new(1, 50)), (140, new(3, 140))], &[(2, false), (1, false), (3, false)]);
    }

    #[test]
    fn only_the_newest_version_inside_the_horizon_is_written() {
        let update = version(1, 10, 60, true, RiskState::AtRisk);
        check(&[(10, new(1, 10)), (60, update)], &[(1, false)]);
        let withdrawn = version(1, 10, 60, true, RiskState::Dismissed);
        check(&[(10, new(1, 10)), (60, withdrawn.clone())], &[]);
        let again = version(1, 10, 70, false, RiskState::AtRisk);
        check(&[(10, new(1, 10)), (60, withdrawn), (70, again)], &[(1, false)]);
    }

    #[test]
    fn what_was_written_is_updated_by_a_further_line() {
        let withdrawn = version(1, 10, 300, true, RiskState::Dismissed);
        check(&[(10, new(1, 10)), (200, new(2, 200)), (300, withdrawn)], &[(1, false), (2, false), (1, true)]);
        // At the horizon exactly it still waits; a moment later it does not.
        let at = version(1, 10, 110, true, RiskState::Dismissed);
        check(&[(10, new(1, 10)), (110, at.clone())], &[]);
        check(&[(10, new(1, 10)), (111, at)], &[(1, false), (1, true)]);
    }

    #[test]
    fn updates_mode_writes_every_version_as_it_comes() {
        let withdrawn = version(1, 10, 60, true, RiskState::Dismissed);
        let arrivals = [(10, new(1, 10)), (50, new(2, 5)), (60, withdrawn)];
        let lines = written(Order::Updates, PENDING_MAX, &arrivals, true);
        assert_eq!(lines, [(1, false), (2, false), (1, true)]);
    }

    #[test]
    fn beyond_the_limit_the_oldest_is_written_early() {
        let arrivals = [(10, new(1, 10)), (10, new(2, 5)), (10, new(3, 7))];
        assert_eq!(written(Order::Settled, 2, &arrivals, false), [(2, false), (3, false), (1, false)]);
    }
}
