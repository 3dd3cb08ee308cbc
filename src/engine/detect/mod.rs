//! (facts, what is remembered of the user, what the organisation does) → findings. One file a detection.
//!
//! [`judge`] is the written, ordered list of detections; each is a plain function over an [`Assessment`], which
//! holds what they share: each property's familiarity and the travel since the last sign-in. A detection fires as
//! a [`Draft`]; [`conclude`](suppress::conclude) applies what holds for all of them (exceptions, trusted locations, stopped
//! sign-ins, learning, repeats).

pub mod anomalous_token;
pub mod attacker_in_the_middle;
pub mod atypical_travel;
pub mod borders;
pub mod evidence;
pub mod impossible_travel;
pub mod listed_address;
pub mod mfa_fatigue;
pub mod new_country;
pub mod organization;
pub mod properties;
pub mod reported_activity;
pub mod risky_address;
pub mod suppress;
pub mod token_issuer;
pub mod travel;
pub mod unfamiliar_features;

use super::facts::Facts;
use super::finding::{LearningPhase, RiskEventType, RiskLevel, Suppression, SuppressionConsidered, Threshold};
use super::policy::{Baseline, Policy};
use super::profile::Profiles;
use super::user::UserState;
use super::user::familiarity::Decay;
use super::user::learning::Family;
use super::user::tail::{SignInText, Verdict};
use organization::Organization;
use properties::{Assessment, FAMILIAR_BITS_MAX};

/// What judging needs beside the user and the sign-in.
pub struct Judge<'a> {
    pub policy: &'a Policy,
    pub baseline: &'a Baseline,
    pub decay: &'a Decay,
    pub profiles: &'a Profiles,
    /// Hash of the tenant id.
    pub tenant: u32,
    pub tenant_id: &'a str,
    pub user_id: &'a str,
}

/// One sign-in before the bench.
pub struct Case<'a> {
    pub judge: &'a Judge<'a>,
    pub state: &'a UserState,
    pub facts: &'a Facts,
    pub text: &'a SignInText<'a>,
    pub organization: Organization<'a>,
    /// Arrived beyond the lateness horizon.
    pub late: bool,
}

/// A detection that fired, before what holds for all detections is applied.
pub struct Draft {
    pub kind: RiskEventType,
    pub level: RiskLevel,
    /// Place within the level, 0–1.
    pub strength: f64,
    /// The family whose learning mutes it; `None` = needs no history.
    pub family: Option<Family>,
    /// Fires at low even while learning: the organisation as a whole has never seen the like.
    pub outside_learning: bool,
    pub suppressions: Vec<SuppressionConsidered>,
    pub thresholds: Vec<Threshold>,
    pub with_travel: bool,
    pub with_bits: Option<f64>,
    pub sentence: String,
}

impl Draft {
    /// Notes that a suppression was considered.
    pub fn consider(&mut self, reason: Suppression, applied: bool, detail: impl Into<String>) {
        self.suppressions.push(SuppressionConsidered { reason, applied, detail: detail.into() });
    }

    /// Notes what was found when a suppression was considered: the first text where it applies, the second where not.
    pub fn consider_either(&mut self, reason: Suppression, applied: bool, [applies, applies_not]: [&str; 2]) {
        self.consider(reason, applied, if applied { applies } else { applies_not });
    }
}

impl Case<'_> {
    pub fn phase(&self, family: Family) -> LearningPhase {
        self.state.learning.phase_at(family, self.facts.time, self.judge.policy)
    }
}

/// Judges one sign-in against the state before it.
///
/// Detections in their written order: impossible travel, atypical travel, new country, unfamiliar properties,
/// listed addresses, then what rests on the user's own stream of sessions, prompts and issuers. A sign-in that cannot carry risk, and one in which everything is familiar, ends early.
pub fn judge(judge: &Judge<'_>, state: &UserState, facts: &Facts, text: &SignInText<'_>, late: bool) -> Verdict {
    let low_bits = judge.policy.unfamiliar_features.low_bits;
    let shortcut = low_bits >= FAMILIAR_BITS_MAX && properties::is_wholly_familiar(state, facts, judge.decay);
    if shortcut || !facts.can_carry_risk() {
        return Verdict::default();
    }
    judge_in_full(judge, state, facts, text, late)
}

/// Judges a sign-in that can carry risk, without the shortcut for what is wholly familiar: the findings are the same.
pub fn judge_in_full(
    judge: &Judge<'_>,
    state: &UserState,
    facts: &Facts,
    text: &SignInText<'_>,
    late: bool,
) -> Verdict {
    let organization = Organization::new(judge.profiles, judge.tenant, facts.time);
    let case = Case { judge, state, facts, text, organization, late };
    let assessment = Assessment::of(&case);
    let mut verdict = Verdict::default();
    verdict.lesson.surprise = (assessment.total_bits.clamp(0.0, 60.0) * 16.0) as u16;
    let impossible = impossible_travel::detect(&case, &assessment);
    let travels = impossible.is_some();
    let drafts = [
        impossible,
        if travels { None } else { atypical_travel::detect(&case, &assessment) },
        new_country::detect(&case, &assessment),
        unfamiliar_features::detect(&case, &assessment),
        listed_address::anonymized(&case, &assessment),
        listed_address::malicious(&case, &assessment),
        listed_address::nation_state(&case),
    ];
    for draft in drafts.into_iter().chain(own_stream(&case, &assessment)).flatten() {
        let finding = suppress::conclude(&case, &assessment, draft);
        let standing = matches!(finding.suppressed_by, None | Some(Suppression::AlreadyReported));
        verdict.lesson.quarantined |= standing && finding.level >= RiskLevel::Medium;
        verdict.findings.push(finding);
    }
    verdict
}

/// What became of the user's own sessions, prompts and issuers. A session that began through a relay is no anomalous
/// token beside: one finding says it.
fn own_stream(case: &Case<'_>, assessment: &Assessment) -> [Option<Draft>; 6] {
    let relayed = attacker_in_the_middle::detect(case, assessment);
    let token = if relayed.is_some() { None } else { anomalous_token::detect(case, assessment) };
    [
        token,
        token_issuer::detect(case, assessment),
        relayed,
        reported_activity::detect(case),
        risky_address::detect(case, assessment),
        mfa_fatigue::detect(case, assessment),
    ]
}
