//! Prompts for a second factor that were denied, or ran out, behind no wrong password: who floods a user with them knows
//! it, as a rule. Some providers tell of the prompt alone; then it counts all the same, and only the one that is passed can
//! carry risk. Kept by event time, few and not for long.

use super::UserState;
use super::familiarity::{Decay, compact_day};
use super::session::Stop;
use crate::engine::facts::Facts;
use crate::engine::signin::{Credential, EventTime};

/// Denied prompts kept per user; when full the oldest is forgotten.
pub const DENIALS_MAX: usize = 16;
/// Denied prompts are kept this long: the longest window that a policy may look back.
pub const DENIAL_HOURS_MAX: i64 = 24;

/// One denied prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    pub stop: Stop,
    /// It came from a network or device of the user's own.
    pub is_own: bool,
}

impl UserState {
    /// A network prefix that the user was seen on before that day, or a device id of his.
    pub fn is_own_origin(&self, facts: &Facts, decay: &Decay) -> bool {
        let day = compact_day(facts.time.day());
        let prefix = self.baseline.prefix.get(facts.prefix_hash, day, decay);
        prefix.is_some_and(|known| known.first_day < day)
            || (facts.device_hash != 0 && self.baseline.device.get(facts.device_hash, day, decay).is_some())
    }

    /// Denied prompts within `window_s` before `time`, in order.
    pub fn denials_since(&self, time: EventTime, window_s: i64) -> impl Iterator<Item = &Denial> {
        let since = time.minus_seconds(window_s);
        self.denials.iter().filter(move |denial| denial.stop.time >= since && denial.stop.time <= time)
    }

    /// Forgets what is too old, and takes in a prompt that was denied.
    pub(super) fn note_denial(&mut self, facts: &Facts, request_id: &str, decay: &Decay) {
        if !self.denials.is_empty() {
            let since = facts.time.minus_seconds(DENIAL_HOURS_MAX * 3_600);
            self.denials.retain(|denial| denial.stop.time >= since);
        }
        if facts.credential == Credential::Wrong || !facts.mfa.is_denied() {
            return;
        }
        if self.denials.len() >= DENIALS_MAX {
            self.denials.remove(0);
        }
        let is_own = self.is_own_origin(facts, decay);
        self.denials.push(Denial { stop: Stop::of(facts, request_id), is_own });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::signin::Mfa;
    use crate::engine::user::codec::tests::{Dice, rules};

    #[test]
    fn the_oldest_denial_is_forgotten_and_so_is_yesterdays() {
        let rules = rules();
        let mut state = UserState::default();
        let mut facts = Dice(5).any_facts();
        (facts.credential, facts.mfa) = (Credential::Right, Mfa::Denied);
        let first = facts.time;
        for _ in 0..DENIALS_MAX + 2 {
            state.note_denial(&facts, "x", &rules.decay);
            facts.time = facts.time.plus_seconds(60);
        }
        assert_eq!(state.denials.len(), DENIALS_MAX);
        assert_eq!(state.denials[0].stop.time, first.plus_seconds(120), "the first two made room");
        // Exactly a day after the newest all others are too old.
        let newest = state.denials[DENIALS_MAX - 1].stop.time;
        (facts.time, facts.mfa) = (newest.plus_seconds(DENIAL_HOURS_MAX * 3_600), Mfa::Claim);
        state.note_denial(&facts, "x", &rules.decay);
        assert_eq!(state.denials.len(), 1);
        (facts.credential, facts.mfa) = (Credential::Wrong, Mfa::Denied);
        state.note_denial(&facts, "x", &rules.decay);
        assert_eq!(state.denials.len(), 1, "whoever has no password prompts nobody");
    }
}
