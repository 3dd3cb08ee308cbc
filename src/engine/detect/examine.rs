//! One sign-in looked at closely, whether anything fired or not: what was seen, and what would have had to differ.
//!
//! The verdict is [`judge_closely`]'s own. What would have had to differ is found by judging again under other thresholds, one
//! at a time ([`super::knobs`]). Only explanations come here, so it may take its time.

use super::evidence::{property_verdicts, reference, this_end};
use super::knobs::{Change, KNOBS, Knob, Turn, turn};
use super::level::Level;
use super::miss::Miss;
use super::organization::Organization;
use super::properties::Assessment;
use super::travel::Journey;
use super::{Case, Judge, judge_closely, judge_in_full};
use crate::engine::facts::Facts;
use crate::engine::finding::{EndPoint, LearningPhase, PropertyVerdict, RiskEventType, Travel};
use crate::engine::policy::Policy;
use crate::engine::user::UserState;
use crate::engine::user::learning::Family;
use crate::engine::user::tail::{SignInText, Verdict};

/// What one sign-in looked like.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    pub this: EndPoint,
    /// The last place that was learnt; what journeys are measured from.
    pub last_place: Option<EndPoint>,
    /// From the last place, where both ends have one and it is another.
    pub travel: Option<Travel>,
    pub properties: Vec<PropertyVerdict>,
    /// Evidence for a stranger: network and place together, device and agent together, and all of it; bits.
    pub network_bits: f64,
    pub device_bits: f64,
    pub total_bits: f64,
    pub learning: Vec<(Family, LearningPhase, u32)>,
    /// Users of the organisation that rarity was measured in; 0 = it is not known yet.
    pub organization_users: u32,
    /// What fired, suppressed or not.
    pub verdict: Verdict,
    /// What each detection came to, in the written order.
    pub told: Vec<Told>,
}

/// What one detection came to, and what would have had to differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub kind: RiskEventType,
    /// How it came to its level, or why it did not fire.
    pub outcome: Result<Level, Miss>,
    /// Does it stand, unsuppressed?
    pub stands: bool,
    /// The nearest first; empty: no permitted value of one of its thresholds makes it otherwise.
    pub turns: Vec<Turn>,
}

/// Looks at a sign-in that can carry risk, in the state before it.
pub fn examine(judge: &Judge<'_>, state: &UserState, facts: &Facts, text: &SignInText<'_>) -> Examined {
    let organization = Organization::new(judge.profiles, judge.tenant, facts.time);
    let organization_users = organization.users;
    let case = Case { judge, state, facts, text, organization, late: false };
    let assessment = Assessment::of(&case);
    let rules = &judge.policy.impossible_travel;
    let travel = |journey: Journey| Travel {
        great_circle_km: journey.great_circle_km,
        uncertainty_km: journey.uncertainty_km,
        distance_km: journey.distance_km,
        elapsed_s: journey.elapsed_s,
        speed_kmh: journey.speed_kmh,
        max_speed_kmh: rules.max_speed_kmh,
        min_distance_km: rules.min_distance_km,
    };
    let learning = |family: Family| (family, case.phase(family), state.learning.days_at(family, facts.time));
    let mut outcomes = Vec::new();
    let verdict = judge_closely(judge, state, facts, text, |kind, outcome| outcomes.push((kind, outcome)));
    let told = |(kind, outcome)| {
        let stands = is_standing(&verdict, kind);
        Told { kind, outcome, stands, turns: turns(kind, stands, judge, state, facts, text) }
    };
    Examined {
        this: this_end(&case),
        last_place: reference(&case, RiskEventType::ImpossibleTravel),
        travel: assessment.journey.map(travel),
        properties: property_verdicts(&case, &assessment),
        network_bits: assessment.network_bits,
        device_bits: assessment.device_bits,
        total_bits: assessment.total_bits,
        learning: Family::ALL.into_iter().map(learning).collect(),
        organization_users,
        told: outcomes.into_iter().map(told).collect(),
        verdict,
    }
}

fn is_standing(verdict: &Verdict, kind: RiskEventType) -> bool {
    verdict.findings.iter().any(|finding| finding.kind == kind && finding.suppressed_by.is_none())
}

fn turns(
    kind: RiskEventType,
    stands: bool,
    judge: &Judge<'_>,
    state: &UserState,
    facts: &Facts,
    text: &SignInText<'_>,
) -> Vec<Turn> {
    let is_otherwise = |policy: &Policy| {
        let verdict = judge_in_full(&Judge { policy, ..*judge }, state, facts, text, false);
        is_standing(&verdict, kind) != stands
    };
    let of_kind = |knob: &&Knob| knob.kinds.contains(&kind);
    let mut found: Vec<Turn> =
        KNOBS.iter().filter(of_kind).filter_map(|knob| turn(knob, judge.policy, &is_otherwise)).collect();
    // Where what has to move with it turns it alone, that is told.
    let alone: Vec<Change> = found.iter().map(|turn| turn.change).collect();
    found.retain(|turn| !turn.others.iter().any(|other| alone.contains(other)));
    found.sort_by(|a, b| a.distance().total_cmp(&b.distance()));
    found
}
