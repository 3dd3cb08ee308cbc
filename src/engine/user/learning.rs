//! Learning: when a detection family may speak about a user.
//!
//! ```text
//!             enough history                unseen for relearn_after_days
//!  Learning ─────────────────▶ Active ────────────────────────────────▶ Relearning
//!                                ▲                                            │
//!                                └────────────── enough history ──────────────┘
//! ```
//! A machine per family, driven by event time of learnt sign-ins. Learning mutes a detection; it does not stop
//! the baseline from learning.

use crate::engine::finding::LearningPhase;
use crate::engine::policy::Policy;
use crate::engine::signin::{EventTime, SECONDS_PER_DAY};

/// Families with a learning of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    AtypicalTravel,
    ImpossibleTravel,
    NewCountry,
    UnfamiliarFeatures,
}

impl Family {
    pub const ALL: [Family; 4] =
        [Family::AtypicalTravel, Family::ImpossibleTravel, Family::NewCountry, Family::UnfamiliarFeatures];

    /// The word used in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Family::AtypicalTravel => "atypical_travel",
            Family::ImpossibleTravel => "impossible_travel",
            Family::NewCountry => "new_country",
            Family::UnfamiliarFeatures => "unfamiliar_features",
        }
    }
}

/// One family's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyLearning {
    pub phase: LearningPhase,
    /// When this learning began; `None` before the first sign-in.
    pub since: Option<EventTime>,
    /// Sign-ins learnt since, saturating.
    pub sign_ins: u16,
}

impl Default for FamilyLearning {
    fn default() -> FamilyLearning {
        FamilyLearning { phase: LearningPhase::Learning, since: None, sign_ins: 0 }
    }
}

/// All families of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Learning {
    pub atypical_travel: FamilyLearning,
    pub impossible_travel: FamilyLearning,
    pub new_country: FamilyLearning,
    pub unfamiliar_features: FamilyLearning,
    /// Mean surprise of recent sign-ins, bits in fixed point 1/16, exponentially weighted by an eighth.
    pub mean_surprise: u16,
    pub last_seen: Option<EventTime>,
}

/// When a family leaves learning.
#[derive(PartialEq)]
struct Rule {
    min_days: u32,
    /// Leaves earlier with this many sign-ins, if set.
    sign_ins: Option<u32>,
    relearn_after_days: u32,
    /// Besides the days, surprise must have settled below this, or `max_days` passed.
    settled: Option<(u16, u32)>,
}

impl Learning {
    pub fn family(&self, family: Family) -> &FamilyLearning {
        match family {
            Family::AtypicalTravel => &self.atypical_travel,
            Family::ImpossibleTravel => &self.impossible_travel,
            Family::NewCountry => &self.new_country,
            Family::UnfamiliarFeatures => &self.unfamiliar_features,
        }
    }

    /// Takes one learnt sign-in with its surprise (bits, 1/16).
    pub fn observe(&mut self, time: EventTime, surprise: u16, policy: &Policy) {
        let mean = i32::from(self.mean_surprise);
        self.mean_surprise = (mean + (i32::from(surprise) - mean) / 8) as u16;
        let idle_days = self.last_seen.map_or(0, |last| whole_days(last, time));
        let mean_surprise = self.mean_surprise;
        self.last_seen = Some(self.last_seen.map_or(time, |last| last.max(time)));
        for family in Family::ALL {
            let rule = rule(family, policy);
            let machine = self.family_mut(family);
            machine.observe(time, idle_days, mean_surprise, &rule);
        }
    }

    fn family_mut(&mut self, family: Family) -> &mut FamilyLearning {
        match family {
            Family::AtypicalTravel => &mut self.atypical_travel,
            Family::ImpossibleTravel => &mut self.impossible_travel,
            Family::NewCountry => &mut self.new_country,
            Family::UnfamiliarFeatures => &mut self.unfamiliar_features,
        }
    }

    /// The phase a sign-in at `time` is judged in: a long silence counts before anything new is learnt.
    pub fn phase_at(&self, family: Family, time: EventTime, policy: &Policy) -> LearningPhase {
        let machine = self.family(family);
        let idle_days = self.last_seen.map_or(0, |last| whole_days(last, time));
        let rule = rule(family, policy);
        match machine.phase {
            LearningPhase::Active if idle_days >= rule.relearn_after_days => LearningPhase::Relearning,
            // Days pass without sign-ins, too.
            LearningPhase::Learning | LearningPhase::Relearning
                if idle_days < rule.relearn_after_days && machine.is_done(time, self.mean_surprise, &rule) =>
            {
                LearningPhase::Active
            }
            phase => phase,
        }
    }

    /// Whole days since the family's learning began.
    pub fn days_at(&self, family: Family, time: EventTime) -> u32 {
        self.family(family).since.map_or(0, |since| whole_days(since, time))
    }
}

impl FamilyLearning {
    fn observe(&mut self, time: EventTime, idle_days: u32, mean_surprise: u16, rule: &Rule) {
        if self.since.is_none() {
            self.since = Some(time);
        }
        if idle_days >= rule.relearn_after_days {
            *self = FamilyLearning { phase: LearningPhase::Relearning, since: Some(time), sign_ins: 0 };
        }
        self.sign_ins = self.sign_ins.saturating_add(1);
        if self.phase != LearningPhase::Active && self.is_done(time, mean_surprise, rule) {
            self.phase = LearningPhase::Active;
        }
    }

    fn is_done(&self, time: EventTime, mean_surprise: u16, rule: &Rule) -> bool {
        let Some(since) = self.since else { return false };
        let days = whole_days(since, time);
        if rule.sign_ins.is_some_and(|enough| u32::from(self.sign_ins) >= enough) {
            return true;
        }
        match rule.settled {
            None => days >= rule.min_days,
            Some((settled, max_days)) => {
                days >= max_days || (days >= rule.min_days && self.sign_ins >= 3 && mean_surprise <= settled)
            }
        }
    }
}

/// Do users learn the same under both, from equal sign-ins and verdicts?
pub fn is_same(one: &Policy, other: &Policy) -> bool {
    Family::ALL.into_iter().all(|family| rule(family, one) == rule(family, other))
}

fn rule(family: Family, policy: &Policy) -> Rule {
    match family {
        Family::AtypicalTravel => Rule {
            min_days: policy.atypical_travel.learning_days,
            sign_ins: Some(policy.atypical_travel.learning_sign_ins),
            relearn_after_days: policy.atypical_travel.relearn_after_days,
            settled: None,
        },
        Family::ImpossibleTravel => Rule {
            min_days: policy.impossible_travel.learning_days,
            sign_ins: None,
            relearn_after_days: policy.impossible_travel.relearn_after_days,
            settled: None,
        },
        Family::NewCountry => Rule {
            min_days: policy.new_country.learning_days,
            sign_ins: None,
            relearn_after_days: policy.new_country.relearn_after_days,
            settled: None,
        },
        Family::UnfamiliarFeatures => Rule {
            min_days: policy.unfamiliar_features.learning_min_days,
            sign_ins: None,
            relearn_after_days: policy.unfamiliar_features.relearn_after_days,
            settled: Some((
                (policy.unfamiliar_features.settled_bits * 16.0) as u16,
                policy.unfamiliar_features.learning_max_days,
            )),
        },
    }
}

fn whole_days(from: EventTime, to: EventTime) -> u32 {
    u32::try_from((to.seconds().saturating_sub(from.seconds())) / SECONDS_PER_DAY).unwrap_or(0)
}
/// What a sign-in does for what is known of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teaching {
    /// It is normal from now on.
    Learnt,
    /// It is held back for its risk.
    Quarantined,
    /// A client on probation: see [`visitor`](super::visitor).
    OnProbation,
    /// A wrong password from where the user is not known: it counts against the sign-ins to come.
    CountedAsFailure,
    /// A wrong password from a network of the user's own: a typing error.
    Mistyped,
    /// Neither a success nor a wrong password.
    None,
}
