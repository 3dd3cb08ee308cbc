//! Stream time: how far a task's input has come in event time. It decides what is too late and when a day is over.
//!
//! It is the newest event time so far, unless that is far ahead of all the rest: one record with a wrong clock must
//! not make everybody else late. An event more than [`AHEAD_MAX_S`] ahead is a *candidate*, and stream time waits
//! for another user's event near it. So a real gap in the log costs its first event nothing but the wait, and a
//! wrong clock moves nobody's time. The first event of all has nothing to be compared with: until stream time rests
//! on more than one user's events it may fall back, and no day counts as begun ([`StreamTime::day`]).

mod codec;

pub use codec::StreamTimeError;

use super::hash::UserKey;
use super::signin::{EventTime, NANOS_PER_SECOND, SECONDS_PER_DAY};

/// An event further ahead of stream time than this does not advance it alone. Longer than any holiday in which an
/// organisation's log is silent, and short beside the days that profiles and baselines remember.
pub const AHEAD_MAX_S: i64 = 7 * SECONDS_PER_DAY;
/// So many further events of the same user are as good as one of another user's, when no other user's come in
/// between: a log may hold one user only.
pub const ALONE_EVENTS: u32 = 16;

/// Is `time` more than [`AHEAD_MAX_S`] after `other`?
pub fn is_far_ahead(time: EventTime, other: EventTime) -> bool {
    time.0.saturating_sub(other.0) > AHEAD_MAX_S * NANOS_PER_SECOND
}

/// One user's word for what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    user: UserKey,
    /// Of the user's newest event in arrival order.
    time: EventTime,
    /// Events after the first, without another user's in between.
    further: u32,
    /// All events that made the claim.
    events: u64,
}

impl Claim {
    fn new(user: UserKey, time: EventTime) -> Claim {
        Claim { user, time, further: 0, events: 1 }
    }

    fn is_near(&self, time: EventTime) -> bool {
        !is_far_ahead(time, self.time) && !is_far_ahead(self.time, time)
    }

    /// Takes an event near the claim; true when it is enough to believe it.
    fn corroborate(&mut self, user: UserKey, time: EventTime) -> bool {
        if user != self.user {
            return true;
        }
        self.time = time;
        self.further += 1;
        self.events += 1;
        self.further >= ALONE_EVENTS
    }
}

/// Stream time after the events so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamTime {
    now: EventTime,
    /// Whose events alone stream time rests on, at the beginning.
    founder: Option<Claim>,
    /// What is far ahead, and not believed yet.
    candidate: Option<Claim>,
    far_ahead: u64,
}

impl Default for StreamTime {
    fn default() -> StreamTime {
        StreamTime { now: EventTime::MIN, founder: None, candidate: None, far_ahead: 0 }
    }
}

impl StreamTime {
    /// Takes the next event in arrival order and gives the stream time that it is judged under.
    pub fn observe(&mut self, time: EventTime, user: UserKey) -> EventTime {
        if self.now == EventTime::MIN {
            (self.now, self.founder) = (time, Some(Claim::new(user, time)));
        } else if is_far_ahead(time, self.now) {
            self.take_far_ahead(time, user);
        } else {
            if let Some(founder) = self.founder {
                self.found(founder, time, user);
            }
            if let Some(candidate) = &mut self.candidate
                && candidate.user != user
            {
                candidate.further = 0;
            }
            self.now = self.now.max(time);
        }
        self.now
    }

    pub fn now(self) -> EventTime {
        self.now
    }

    /// Day of stream time, which never falls; `i32::MIN` while stream time may still fall back.
    pub fn day(self) -> i32 {
        if self.founder.is_some() { i32::MIN } else { self.now.day() }
    }

    /// The newest day of which every contribution is out once everything before `settled_before` has settled: the one
    /// before its day. It never falls; `i32::MIN` while stream time may still fall back.
    pub fn complete_day(self, settled_before: EventTime) -> i32 {
        if self.founder.is_some() || self.now == EventTime::MIN {
            return i32::MIN;
        }
        settled_before.day().saturating_sub(1)
    }

    /// Events that were far ahead of stream time, and that nothing has borne out.
    pub fn far_ahead(self) -> u64 {
        self.far_ahead
    }

    fn take_far_ahead(&mut self, time: EventTime, user: UserKey) {
        self.far_ahead += 1;
        match &mut self.candidate {
            Some(candidate) if candidate.is_near(time) => {
                if candidate.corroborate(user, time) {
                    // The events of the claim were right, and this one is: its own user's is counted in the claim.
                    let right = candidate.events + u64::from(candidate.user != user);
                    self.far_ahead = self.far_ahead.saturating_sub(right);
                    *self = StreamTime { now: time, founder: None, candidate: None, ..*self };
                }
            }
            candidate => *candidate = Some(Claim::new(user, time)),
        }
    }

    /// An event that is not far ahead, while stream time rests on one user's events: it bears them out, or shows
    /// that they were far ahead.
    fn found(&mut self, mut founder: Claim, time: EventTime, user: UserKey) {
        if is_far_ahead(self.now, time) {
            self.far_ahead += founder.events;
            (self.now, self.founder) = (time, Some(Claim::new(user, time)));
        } else {
            let is_founded = founder.corroborate(user, time);
            self.founder = (!is_founded).then_some(founder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: i64 = 26_000;

    fn at(day: i64) -> EventTime {
        EventTime::from_seconds(day * SECONDS_PER_DAY)
    }

    /// Feeds (user, day) and compares the stream time's day at each event, what was far ahead in the end, and
    /// whether days have begun.
    fn check(title: &str, events: &[(u128, i64)], expected: &[i64], far_ahead: u64, founded: bool) {
        let mut stream = StreamTime::default();
        let mut day = i32::MIN;
        for ((user, time), expected) in events.iter().zip(expected) {
            let now = stream.observe(at(*time), UserKey(*user));
            assert_eq!(now, at(*expected), "{title}: user {user} on day {time}");
            assert_eq!(now, stream.now(), "{title}");
            assert!(stream.day() >= day, "{title}: days never fall");
            day = stream.day();
        }
        assert_eq!(events.len(), expected.len(), "{title}");
        assert_eq!((stream.far_ahead(), day > i32::MIN), (far_ahead, founded), "{title}");
    }

    #[test]
    fn it_is_the_newest_time() {
        check("rises", &[(1, 10), (2, 11), (1, 11), (1, 15)], &[10, 11, 11, 15], 0, true);
        check("late ones change nothing", &[(1, 10), (2, 11), (3, 8), (3, 1)], &[10, 11, 11, 11], 0, true);
        check("7 days is not far", &[(1, 10), (2, 10), (1, 17)], &[10, 10, 17], 0, true);
        check("nothing", &[], &[], 0, false);
    }

    #[test]
    fn one_event_far_ahead_moves_nothing() {
        check("middle", &[(1, 10), (2, 10), (3, FAR), (1, 11)], &[10, 10, 10, 11], 1, true);
        check("end", &[(1, 10), (2, 10), (3, FAR)], &[10, 10, 10], 1, true);
        check("just far", &[(1, 10), (2, 10), (1, 18)], &[10, 10, 10], 1, true);
        let apart = [(1, 10), (2, 10), (3, FAR), (4, FAR + 8), (5, FAR - 8)];
        check("two that do not fit", &apart, &[10; 5], 3, true);
    }

    #[test]
    fn another_user_bears_out_a_gap() {
        check("gap", &[(1, 10), (2, 10), (1, 30), (2, 31), (1, 32)], &[10, 10, 10, 31, 32], 0, true);
        check("older second", &[(1, 10), (2, 10), (1, 31), (2, 30)], &[10, 10, 10, 30], 0, true);
        check(
            "after a wrong clock",
            &[(1, 10), (2, 10), (3, FAR), (1, 30), (2, 30)],
            &[10, 10, 10, 10, 30],
            1,
            true,
        );
        check("of the first two", &[(1, 10), (2, 30), (1, 30)], &[10, 10, 30], 0, true);
    }

    #[test]
    fn a_first_event_far_ahead_does_not_stay() {
        check("first", &[(1, FAR), (2, 10), (3, 11)], &[FAR, 10, 11], 1, true);
        check("same user", &[(1, FAR), (1, 10), (1, 11)], &[FAR, 10, 11], 1, false);
        check("first two", &[(1, FAR), (1, FAR + 1), (2, 10), (3, 10)], &[FAR, FAR + 1, 10, 10], 2, true);
        check("near miss: two users", &[(1, FAR), (2, FAR), (3, 10)], &[FAR, FAR, FAR], 0, true);
        check("7 days is not far", &[(1, 17), (2, 10)], &[17, 17], 0, true);
        check("ancient second", &[(1, 500), (2, 10), (1, 500), (3, 500)], &[500, 10, 10, 500], 1, true);
    }

    #[test]
    fn a_user_alone_is_believed_after_a_while() {
        let alone = ALONE_EVENTS as usize;
        let gap: Vec<(u128, i64)> = [(1, 10), (2, 10)].into_iter().chain([(1, 30); 17]).collect();
        let mut expected = vec![10; 2 + alone];
        check("not yet", &gap[..2 + alone], &expected, u64::from(ALONE_EVENTS), true);
        expected.push(30);
        check("now", &gap, &expected, 0, true);
        let slow: Vec<(u128, i64)> = [(1, 10)].into_iter().chain((5..22).map(|week| (1, week * 7))).collect();
        let mut expected = vec![10; 1 + alone];
        expected.push(21 * 7);
        check("an event a week", &slow, &expected, 0, true);
        // The others show that it is not so late: a wrong clock is not believed however often it tells the time.
        let wrong: Vec<(u128, i64)> = (0..60).map(|n| if n % 6 == 5 { (2, 10) } else { (1, FAR) }).collect();
        let wrong: Vec<(u128, i64)> = [(2, 10), (3, 10)].into_iter().chain(wrong).collect();
        check("a wrong clock among others", &wrong, &vec![10; wrong.len()], 50, true);
    }

    #[test]
    fn a_day_is_complete_a_horizon_after_its_end() {
        let hour = |hours: i64| EventTime::from_seconds(hours * 3_600);
        for (hours, complete) in [(240, 8), (241, 8), (242, 9), (265, 9), (266, 10)] {
            let mut stream = StreamTime::default();
            stream.observe(hour(240), UserKey(1));
            assert_eq!(stream.complete_day(stream.now().minus_seconds(7_200)), i32::MIN, "one user's word");
            stream.observe(hour(hours), UserKey(2));
            assert_eq!(stream.complete_day(stream.now().minus_seconds(7_200)), complete, "at hour {hours}");
        }
        assert_eq!(StreamTime::default().complete_day(EventTime::MIN), i32::MIN);
    }

    #[test]
    fn a_founder_alone_is_believed_after_a_while() {
        for (events, founded) in [(16, false), (17, true)] {
            check("alone", &vec![(1, 10); events], &vec![10; events], 0, founded);
        }
    }
}
