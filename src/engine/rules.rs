//! The rules in force: configuration made ready for judging, and which policy is whose.

use std::sync::Arc;

use super::policy::{EngineConfig, Policy, ScopedPolicy, matches_pattern};
use super::signin::EventTime;
use super::user::Teacher;
use super::user::familiarity::Decay;
use super::user::shadow::ShadowSet;

/// Configuration made ready.
pub struct Rules {
    pub config: Arc<EngineConfig>,
    pub decay: Decay,
}

impl Rules {
    pub fn new(config: Arc<EngineConfig>) -> Rules {
        let decay = Decay::new(config.baseline.half_life_days);
        Rules { config, decay }
    }

    /// Index of the policy for a user: 0 = the default, otherwise 1 + the first scoped one that matches.
    pub fn resolve(&self, tenant_id: &str, user_id: &str, principal_name: &str) -> u16 {
        if self.config.scoped_policies.is_empty() {
            return 0;
        }
        let principal_name = principal_name.to_lowercase();
        let is_for = |scoped: &ScopedPolicy| is_for(scoped, tenant_id, user_id, &principal_name);
        let index = self.config.scoped_policies.iter().position(is_for);
        index.and_then(|index| u16::try_from(index + 1).ok()).unwrap_or(0)
    }

    /// The shadow policies for a user: all that match.
    pub fn shadows(&self, tenant_id: &str, user_id: &str, principal_name: &str) -> ShadowSet {
        if self.config.shadow_policies.is_empty() {
            return ShadowSet::default();
        }
        let principal_name = principal_name.to_lowercase();
        let shadows = self.config.shadow_policies.iter();
        let shadows = shadows.filter(|shadow| is_for(&shadow.scoped, tenant_id, user_id, &principal_name));
        ShadowSet::new(shadows.map(|shadow| shadow.key()))
    }

    /// Sign-ins before this are reviewed at `stream_time`, and may settle: whatever was attempted before them, and for
    /// the time of hindsight after them, has arrived. It moves on in steps, so that what has arrived by then does not
    /// depend on how the stream is cut.
    pub fn ripe(&self, stream_time: EventTime) -> EventTime {
        self.config.review_at(stream_time).minus_seconds(self.config.ripe_after_s())
    }

    /// Before this everything has settled once what is [ripe](Self::ripe) at the review has. Behind it a sign-in with
    /// something unfamiliar stays in the tail for as long as a stranger is told of by what was known of the user before it.
    pub fn held(&self, review: EventTime) -> EventTime {
        self.ripe(review).minus_seconds(i64::from(self.config.review_ahead_s))
    }

    /// The policy of an index; one that no longer exists is the default.
    pub fn policy(&self, index: u16) -> &Policy {
        let scoped = usize::from(index).checked_sub(1).and_then(|index| self.config.scoped_policies.get(index));
        scoped.map_or(&self.config.default_policy, |scoped| &scoped.policy)
    }

    pub fn teacher(&self, policy: u16) -> Teacher<'_> {
        Teacher {
            policy: self.policy(policy),
            decay: &self.decay,
            quarantine_days: self.config.baseline.quarantine_days,
        }
    }
}

/// `principal_name` is in lower case.
fn is_for(scoped: &ScopedPolicy, tenant_id: &str, user_id: &str, principal_name: &str) -> bool {
    let matches = |patterns: &[String], texts: &[&str]| {
        patterns.is_empty()
            || patterns.iter().any(|pattern| texts.iter().any(|text| matches_pattern(pattern, text)))
    };
    matches(&scoped.tenants, &[tenant_id]) && matches(&scoped.users, &[user_id, principal_name])
}
