//! Several configurations that judge one stream side by side, as one engine: what they have in common is done once.
//!
//! They differ in thresholds, exceptions and whatever else makes verdicts; what is learnt of a verdict, and when, is the same
//! for all ([`share_users`]). So as long as their verdicts on a user agree, and mostly they do, one record of
//! him serves all of them ([`branches`](super::user::branches)).

use std::sync::Arc;

use super::policy::{EngineConfig, Policy, ScopedPolicy};
use super::profile::Profiles;
use super::rules::Rules;
use super::user::learning;

/// Variants of one engine.
pub const VARIANTS_MAX: usize = 64;

/// One configuration with what its organisation does.
pub struct Variant {
    pub rules: Rules,
    pub profiles: Arc<Profiles>,
}

impl Variant {
    pub fn new(config: Arc<EngineConfig>, profiles: Arc<Profiles>) -> Variant {
        Variant { rules: Rules::new(config), profiles }
    }
}

/// Can two configurations be variants of one engine? When they name the same users by the same limits, learn the same from
/// equal verdicts, and look for the same time.
pub fn share_users(one: &EngineConfig, other: &EngineConfig) -> bool {
    // All that is no policy has to be the same, and what is not named here is.
    let without_policies = |config: &EngineConfig| EngineConfig {
        default_policy: Policy::default(),
        scoped_policies: Vec::new(),
        shadow_policies: Vec::new(),
        config_hash: 0,
        ..config.clone()
    };
    let shadows = one.shadow_policies.len() + other.shadow_policies.len();
    shadows == 0
        && without_policies(one) == without_policies(other)
        && one.scoped_policies.len() == other.scoped_policies.len()
        && learning::is_same(&one.default_policy, &other.default_policy)
        && one.scoped_policies.iter().zip(&other.scoped_policies).all(|(one, other)| is_same_scope(one, other))
}

fn is_same_scope(one: &ScopedPolicy, other: &ScopedPolicy) -> bool {
    (&one.tenants, &one.users) == (&other.tenants, &other.users) && learning::is_same(&one.policy, &other.policy)
}

/// A set of an engine's variants, by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Variants(u64);

impl Variants {
    pub const NONE: Variants = Variants(0);

    /// The first so many, at most [`VARIANTS_MAX`].
    pub fn first(count: usize) -> Variants {
        debug_assert!(count <= VARIANTS_MAX, "an engine has so many variants at most");
        Variants(u64::MAX.checked_shr((VARIANTS_MAX - count) as u32).unwrap_or(0))
    }

    pub fn only(variant: usize) -> Variants {
        Variants(1 << variant)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub fn contains(self, variant: usize) -> bool {
        self.0 & (1 << variant) != 0
    }

    /// The first; every set that is used has one.
    pub fn lead(self) -> usize {
        debug_assert!(self.0 != 0, "a set of no variants has no first");
        self.0.trailing_zeros() as usize
    }

    pub fn with(self, other: Variants) -> Variants {
        Variants(self.0 | other.0)
    }

    pub fn without(self, other: Variants) -> Variants {
        Variants(self.0 & !other.0)
    }

    pub fn and(self, other: Variants) -> Variants {
        Variants(self.0 & other.0)
    }

    /// By rising place.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let next = (rest != 0).then_some(rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(next)
        })
    }

    pub fn to_bits(self) -> u64 {
        self.0
    }

    pub fn from_bits(bits: u64) -> Variants {
        Variants(bits)
    }
}

/// All that are in one of the sets.
impl FromIterator<Variants> for Variants {
    fn from_iter<I: IntoIterator<Item = Variants>>(sets: I) -> Variants {
        sets.into_iter().fold(Variants::NONE, Variants::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::policy::ShadowPolicy;

    #[test]
    fn sets_hold_what_was_put_in() {
        assert_eq!(Variants::first(0), Variants::NONE);
        assert_eq!(Variants::first(VARIANTS_MAX).len(), VARIANTS_MAX);
        let set = Variants::only(3).with(Variants::only(63)).with(Variants::only(0));
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 3, 63]);
        assert_eq!(set.without(Variants::first(3)).lead(), 3);
        assert!(set.contains(63) && !set.contains(62) && !set.is_empty());
        assert_eq!(Variants::from_bits(set.to_bits()), set);
        assert_eq!(set.iter().map(Variants::only).collect::<Variants>(), set);
    }

    #[test]
    fn thresholds_may_differ_and_learning_may_not() {
        let config = EngineConfig::default();
        let with = |change: fn(&mut EngineConfig)| {
            let mut other = config.clone();
            change(&mut other);
            share_users(&config, &other)
        };
        assert!(with(|other| other.config_hash = 7));
        assert!(with(|other| other.default_policy.unfamiliar_features.low_bits = 3.0));
        assert!(with(|other| other.default_policy.impossible_travel.enabled = false));
        assert!(!with(|other| other.default_policy.impossible_travel.learning_days += 1));
        assert!(!with(|other| other.default_policy.unfamiliar_features.settled_bits += 1.0));
        assert!(!with(|other| other.baseline.half_life_days += 1));
        assert!(!with(|other| other.users_max += 1));
        assert!(!with(|other| other.emit_suppressed = true));
        let scoped = || ScopedPolicy {
            name: "one".to_owned(),
            tenants: Vec::new(),
            users: vec!["a*".to_owned()],
            policy: Policy::default(),
        };
        let with_scope = EngineConfig { scoped_policies: vec![scoped()], ..config.clone() };
        assert!(share_users(&with_scope, &with_scope) && !share_users(&config, &with_scope));
        let shadow_policies = vec![ShadowPolicy::new(scoped(), 1)];
        let with_shadow = EngineConfig { shadow_policies, ..config.clone() };
        assert!(!share_users(&with_shadow, &with_shadow), "what shadow policies find is another's");
    }
}
