//! (facts, what is remembered of the user, what the organisation does) → findings. One file a detection.
//!
//! [`judge`] is the written, ordered list of detections; each is a plain function over an [`Assessment`], which
//! holds what they share: each property's familiarity and the travel since the last sign-in. A detection fires as
//! a [`Draft`]; [`conclude`](suppress::conclude) applies what holds for all of them (exceptions, trusted locations, stopped
//! sign-ins, learning, repeats). What other products found is taken as it is ([`upstream_findings`]).

pub mod anomalous_token;
pub mod attacker_in_the_middle;
pub mod atypical_travel;
pub mod borders;
mod cloud;
pub mod evidence;
pub mod examine;
pub mod impossible_travel;
pub mod knobs;
pub mod level;
pub mod listed_address;
pub mod mfa_fatigue;
pub mod miss;
pub mod new_country;
pub mod organization;
pub mod password_spray;
pub mod properties;
pub mod reported_activity;
pub mod risky_address;
pub mod suppress;
pub mod suspicious_browser;
pub mod token_issuer;
pub mod travel;
pub mod unfamiliar_features;
pub mod upstream_findings;

use std::borrow::Cow;

use super::Sight;
use super::attempts::{Attack, Attempt, AttemptKind, Bar, minute_of};
use super::facts::Facts;
use super::finding::{
    AttackEvidence, LearningPhase, RiskEventType, RiskLevel, Suppression, SuppressionConsidered, Threshold,
};
use super::policy::{Baseline, Policy, ShadowPolicy};
use super::profile::Profiles;
use super::risk::incident::Incident;
use super::signin::EventTime;
use super::user::familiarity::{Decay, compact_day};
use super::user::learning::Family;
use super::user::tail::{SignInText, Verdict};
use super::user::{OpenRisk, UserState};
use level::Level;
use miss::Miss;
use organization::Organization;
use properties::{Assessment, FAMILIAR_BITS_MAX, LastAssessment};

/// What judging needs beside the user and the sign-in.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    pub policy: &'a Policy,
    /// The shadow policy that judges; `None`: the live one does.
    pub shadow: Option<&'a ShadowPolicy>,
    pub baseline: &'a Baseline,
    pub decay: &'a Decay,
    pub profiles: &'a Profiles,
    /// Hash of the tenant id.
    pub tenant: u32,
    pub tenant_id: &'a str,
    pub user_id: &'a str,
    /// Of sign-ins before this, what was attempted on other users up to the time of hindsight after them is known.
    pub reviewed: EventTime,
    /// Are others judged by it, too, as far as it is known?
    pub sight: Sight,
    pub hindsight_s: u32,
    /// Does a finding that is silenced go out as well, and needs evidence?
    pub tells_silenced: bool,
}

impl Judge<'_> {
    /// Whose findings it rests on: `None` are the live ones.
    pub fn shadow_key(&self) -> Option<u64> {
        self.shadow.map(ShadowPolicy::key)
    }

    /// Do other users' attempts take part in the verdict?
    pub fn knows_attempts(&self, facts: &Facts) -> bool {
        self.sight == Sight::Live || self.is_reviewed(facts)
    }

    /// Is all known that counts in the verdict?
    pub fn is_reviewed(&self, facts: &Facts) -> bool {
        facts.time < self.reviewed
    }

    /// The newest minute whose attempts count in the verdict.
    pub fn hindsight_minute(&self, facts: &Facts) -> i32 {
        minute_of(facts.time.plus_seconds(i64::from(self.hindsight_s)))
    }

    /// What the organisation is to know of the sign-in, if it is a stranger's: see [`suspicious_browser`].
    pub fn stranger(&self, state: &UserState, facts: &Facts, member: u32, kind: AttemptKind) -> Option<Attempt> {
        let is_stranger = facts.can_carry_risk() && suspicious_browser::is_stranger(state, facts, self.decay);
        is_stranger.then(|| Attempt::stranger(self.tenant, member, facts, kind))
    }

    /// The strangers with the sign-in's user agent: those told of, or before the review those at first sight.
    pub fn strangers(&self, facts: &Facts, bar: Bar) -> Option<Attack> {
        let kind = if self.is_reviewed(facts) { AttemptKind::Stranger } else { AttemptKind::Glimpse };
        let (minute, until) = (minute_of(facts.time), self.hindsight_minute(facts));
        let attempts = self.profiles.attempts();
        attempts.strangers(kind, self.tenant, facts.user_agent_hash, minute, until, bar)
    }
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
    pub level: Level,
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
    pub attack: Option<AttackEvidence>,
}

impl Draft {
    /// Notes that a suppression was considered.
    pub fn consider(&mut self, reason: Suppression, applied: bool, detail: impl Into<Cow<'static, str>>) {
        self.suppressions.push(SuppressionConsidered { reason, applied, detail: detail.into() });
    }

    /// Notes what was found when a suppression was considered: the first text where it applies, the second where not.
    pub fn consider_either(
        &mut self,
        reason: Suppression,
        applied: bool,
        [applies, applies_not]: [&'static str; 2],
    ) {
        self.consider(reason, applied, if applied { applies } else { applies_not });
    }
}

impl Case<'_> {
    /// What the policy that judges has found before.
    pub fn own_risks(&self) -> impl Iterator<Item = &OpenRisk> {
        self.state.risks_of(self.judge.shadow_key()).iter().filter(|risk| risk.reported.is_none())
    }

    /// Will anybody hear more of the draft than that it was silenced?
    pub fn is_told(&self, draft: &Draft) -> bool {
        self.judge.tells_silenced || !draft.suppressions.iter().any(|considered| considered.applied)
    }

    /// Words, where somebody will read them.
    pub fn worded(&self, draft: &Draft, words: impl FnOnce() -> String) -> String {
        let is_learnt = |family| self.phase(family) == LearningPhase::Active;
        let speaks = self.judge.tells_silenced || draft.outside_learning || draft.family.is_none_or(is_learnt);
        if speaks && self.is_told(draft) { words() } else { String::new() }
    }

    pub fn phase(&self, family: Family) -> LearningPhase {
        self.state.learning.phase_at(family, self.facts.time, self.judge.policy)
    }
}

/// Judges one sign-in against the state before it.
///
/// Detections in their written order: impossible travel, atypical travel, new country, unfamiliar properties,
/// listed and malicious addresses, password spray, suspicious browser, then what rests on the user's own stream of
/// sessions, prompts and issuers. A sign-in that cannot carry risk, and one in which everything is familiar, ends early.
pub fn judge(judge: &Judge<'_>, state: &UserState, facts: &Facts, text: &SignInText<'_>, late: bool) -> Verdict {
    let glance = Glance::at(state, facts, judge.decay);
    judge_at((glance, &mut LastAssessment::default()), judge, state, facts, text, late)
}

/// What is seen of a sign-in at a glance, the same by every policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// It cannot carry risk.
    Harmless,
    /// Everything is familiar, which is enough where no threshold is lower than what is familiar can reach.
    Familiar,
    Doubtful,
}

impl Glance {
    pub fn at(state: &UserState, facts: &Facts, decay: &Decay) -> Glance {
        if !facts.can_carry_risk() {
            Glance::Harmless
        } else if properties::is_wholly_familiar(state, facts, decay) {
            Glance::Familiar
        } else {
            Glance::Doubtful
        }
    }
}

/// As [`judge`], of a sign-in that was glanced at, and perhaps assessed by another policy.
pub fn judge_at(
    (glance, last): (Glance, &mut LastAssessment),
    judge: &Judge<'_>,
    state: &UserState,
    facts: &Facts,
    text: &SignInText<'_>,
    late: bool,
) -> Verdict {
    match glance {
        Glance::Harmless => Verdict::default(),
        Glance::Familiar if judge.policy.unfamiliar_features.low_bits >= FAMILIAR_BITS_MAX => Verdict::default(),
        Glance::Familiar | Glance::Doubtful => verdict(last, judge, state, facts, text, late, |_, _| ()),
    }
}

/// Judges a sign-in that can carry risk, without the shortcut for what is wholly familiar: the findings are the same.
pub fn judge_in_full(
    judge: &Judge<'_>,
    state: &UserState,
    facts: &Facts,
    text: &SignInText<'_>,
    late: bool,
) -> Verdict {
    verdict(&mut LastAssessment::default(), judge, state, facts, text, late, |_, _| ())
}

/// As [`judge_in_full`], and tells of each detection what it came to: why it did not fire, or how it came to its level.
pub fn judge_closely(
    judge: &Judge<'_>,
    state: &UserState,
    facts: &Facts,
    text: &SignInText<'_>,
    told: impl FnMut(RiskEventType, Result<Level, Miss>),
) -> Verdict {
    verdict(&mut LastAssessment::default(), judge, state, facts, text, false, told)
}

fn verdict(
    last: &mut LastAssessment,
    judge: &Judge<'_>,
    state: &UserState,
    facts: &Facts,
    text: &SignInText<'_>,
    late: bool,
    mut told: impl FnMut(RiskEventType, Result<Level, Miss>),
) -> Verdict {
    let organization = Organization::new(judge.profiles, judge.tenant, facts.time);
    let case = &Case { judge, state, facts, text, organization, late };
    let assessment = last.of(case);
    let mut verdict = Verdict::default();
    // However little it is, it is not nothing: others' attempts are asked about it.
    let bits = assessment.total_bits.clamp(0.0, 60.0);
    verdict.lesson.surprise = ((bits * 16.0) as u16).max(u16::from(bits > 0.0));
    // One by one: a draft is large, and mostly there is none.
    let mut take = |kind, drafted: Result<Draft, Miss>| {
        let concluded = drafted.map(|draft| conclude(case, assessment, draft, &mut verdict));
        let fired = concluded.is_ok();
        told(kind, concluded);
        fired
    };
    use RiskEventType as Kind;
    let travelled = take(Kind::ImpossibleTravel, impossible_travel::detect(case, assessment));
    let said = Err(Miss::SaidBy(Kind::ImpossibleTravel));
    take(Kind::UnlikelyTravel, if travelled { said } else { atypical_travel::detect(case, assessment) });
    take(Kind::NewCountry, new_country::detect(case, assessment));
    take(Kind::UnfamiliarFeatures, unfamiliar_features::detect(case, assessment));
    take(Kind::AnonymizedIpAddress, listed_address::anonymized(case, assessment));
    let spray = password_spray::detect(case, assessment);
    take(Kind::MaliciousIpAddress, listed_address::malicious(case, assessment, spray.is_ok()));
    take(Kind::NationStateIp, listed_address::nation_state(case));
    take(Kind::PasswordSpray, spray);
    take(Kind::SuspiciousBrowser, suspicious_browser::detect(case, assessment));
    // What became of the user's own sessions, prompts and issuers. A session that began through a relay is no anomalous
    // token beside: one finding says it.
    let relayed = attacker_in_the_middle::detect(case, assessment);
    let said = Err(Miss::SaidBy(Kind::AttackerInTheMiddle));
    take(Kind::AnomalousToken, if relayed.is_ok() { said } else { anomalous_token::detect(case, assessment) });
    take(Kind::TokenIssuerAnomaly, token_issuer::detect(case, assessment));
    take(Kind::AttackerInTheMiddle, relayed);
    take(Kind::UserReportedSuspiciousActivity, reported_activity::detect(case));
    take(Kind::RiskyIpAddress, risky_address::detect(case, assessment));
    take(Kind::MfaFatigue, mfa_fatigue::detect(case, assessment));
    verdict
}

/// Makes a finding of the draft, and gives the level it came to.
fn conclude(case: &Case<'_>, assessment: &Assessment, draft: Draft, verdict: &mut Verdict) -> Level {
    let (mut finding, level) = suppress::conclude(case, assessment, draft);
    let standing = matches!(finding.suppressed_by, None | Some(Suppression::AlreadyReported));
    let risky = finding.level >= RiskLevel::Medium
        || (finding.level == RiskLevel::Low && is_away_from_home(case, assessment));
    verdict.lesson.quarantined |= standing && risky;
    if finding.suppressed_by.is_some() && !case.judge.tells_silenced {
        // Nobody hears more of it than that it was, so it is the same for all who silence it.
        (finding.level, finding.score, finding.incident) = (RiskLevel::None, 0, Incident::own(case.facts));
    }
    verdict.findings.push(finding);
    level
}

/// How long somebody who was at a usual place is taken to live there still, days: from Friday to Monday.
const AT_HOME_DAYS: u16 = 3;

/// Far from where the user lives and was lately: what stands at low must not teach there either. So a slow drift is
/// measured against settled places, not against its own last step: from one of them by distance; from a step that is
/// none, which no finding has held back, by country.
fn is_away_from_home(case: &Case<'_>, assessment: &Assessment) -> bool {
    let Some(anchor) = &case.state.anchor else { return false };
    let Case { state, facts, judge, .. } = case;
    let day = compact_day(facts.time.day());
    let at_home_lately = state.baseline.region.entries.iter().any(|region| {
        day.saturating_sub(region.last_day) <= AT_HOME_DAYS && impossible_travel::is_usual_region(case, region.key)
    });
    let far = if impossible_travel::is_usual_region(case, anchor.region_hash) {
        let min_distance_km = judge.policy.atypical_travel.min_distance_km;
        assessment.journey.is_some_and(|journey| journey.distance_km > min_distance_km)
    } else {
        facts.country.is_known() && state.baseline.country.get(facts.country.key(), day, judge.decay).is_none()
    };
    at_home_lately && far
}
