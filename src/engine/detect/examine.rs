//! One sign-in looked at closely, whether anything fired or not: what was seen, and what would have had to differ.
//!
//! The verdict is [`judge_in_full`]'s own. What would have had to differ is found by asking it again under other thresholds,
//! one at a time: for each, the nearest value at which the detection begins, or ceases, to stand. Only explanations come here,
//! so it may take its time.

use super::evidence::{property_verdicts, reference, this_end};
use super::organization::Organization;
use super::properties::Assessment;
use super::travel::Journey;
use super::{Case, Judge, judge_in_full};
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
    /// What would have had to differ, the nearest first.
    pub turns: Vec<Turn>,
}

/// A threshold at whose other side the verdict is another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    pub kind: RiskEventType,
    /// Below `detections.`.
    pub key: &'static str,
    pub value: f64,
    /// The nearest value, as far as it was looked for, at which it is otherwise.
    pub turns_at: f64,
    /// Does the detection stand as it is?
    pub stands: bool,
}

impl Turn {
    /// How far away the other verdict is: 1 is as far again as the threshold itself.
    fn distance(&self) -> f64 {
        (self.turns_at - self.value).abs() / self.value.abs().max(1e-9)
    }
}

/// A threshold, and the range in which it is looked for.
struct Knob {
    kind: RiskEventType,
    key: &'static str,
    value: fn(&Policy) -> f64,
    set: fn(&mut Policy, f64),
    range: [f64; 2],
}

/// Bits of evidence that no sign-in reaches.
const BITS_MAX: f64 = 60.0;
/// Half the earth's circumference, km.
const DISTANCE_MAX_KM: f64 = 20_040.0;
/// Faster than the longest journey in a minute, km/h.
const SPEED_MAX_KMH: f64 = 1_300_000.0;

/// Sets the lowest of three levels, and the others no lower.
fn raise(low: &mut f64, medium: &mut f64, high: &mut f64, value: f64) {
    *low = value;
    *medium = medium.max(value);
    *high = high.max(value);
}

const KNOBS: [Knob; 9] = [
    Knob {
        kind: RiskEventType::ImpossibleTravel,
        key: "impossible_travel.max_speed_kmh",
        value: |policy| policy.impossible_travel.max_speed_kmh,
        set: |policy, value| policy.impossible_travel.max_speed_kmh = value,
        range: [0.0, SPEED_MAX_KMH],
    },
    Knob {
        kind: RiskEventType::ImpossibleTravel,
        key: "impossible_travel.min_distance_km",
        value: |policy| policy.impossible_travel.min_distance_km,
        set: |policy, value| policy.impossible_travel.min_distance_km = value,
        range: [0.0, DISTANCE_MAX_KM],
    },
    Knob {
        kind: RiskEventType::UnlikelyTravel,
        key: "atypical_travel.low_bits",
        value: |policy| policy.atypical_travel.low_bits,
        set: |policy, value| {
            let rules = &mut policy.atypical_travel;
            raise(&mut rules.low_bits, &mut rules.medium_bits, &mut rules.high_bits, value);
        },
        range: [0.0, BITS_MAX],
    },
    Knob {
        kind: RiskEventType::UnlikelyTravel,
        key: "atypical_travel.min_distance_km",
        value: |policy| policy.atypical_travel.min_distance_km,
        set: |policy, value| policy.atypical_travel.min_distance_km = value,
        range: [0.0, DISTANCE_MAX_KM],
    },
    Knob {
        kind: RiskEventType::NewCountry,
        key: "new_country.min_bits",
        value: |policy| policy.new_country.min_bits,
        set: |policy, value| policy.new_country.min_bits = value,
        range: [0.0, BITS_MAX],
    },
    Knob {
        kind: RiskEventType::NewCountry,
        key: "new_country.common_share",
        value: |policy| policy.new_country.common_share,
        set: |policy, value| policy.new_country.common_share = value,
        range: [0.0, 1.0],
    },
    Knob {
        kind: RiskEventType::UnfamiliarFeatures,
        key: "unfamiliar_features.low_bits",
        value: |policy| policy.unfamiliar_features.low_bits,
        set: |policy, value| {
            let rules = &mut policy.unfamiliar_features;
            raise(&mut rules.low_bits, &mut rules.medium_bits, &mut rules.high_bits, value);
        },
        range: [0.0, BITS_MAX],
    },
    Knob {
        kind: RiskEventType::AnomalousToken,
        key: "anomalous_token.low_bits",
        value: |policy| policy.anomalous_token.low_bits,
        set: |policy, value| {
            let rules = &mut policy.anomalous_token;
            raise(&mut rules.low_bits, &mut rules.medium_bits, &mut rules.high_bits, value);
        },
        range: [0.0, BITS_MAX],
    },
    Knob {
        kind: RiskEventType::RiskyIpAddress,
        key: "risky_address.common_share",
        value: |policy| policy.risky_address.common_share,
        set: |policy, value| policy.risky_address.common_share = value,
        range: [0.0, 1.0],
    },
];

/// Halvings of the range between two verdicts: from a million km/h to a tenth of one.
const HALVINGS: u32 = 24;

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
        verdict: judge_in_full(judge, state, facts, text, false),
        turns: turns(judge, state, facts, text),
    }
}

fn turns(judge: &Judge<'_>, state: &UserState, facts: &Facts, text: &SignInText<'_>) -> Vec<Turn> {
    let stands = |kind: RiskEventType, policy: &Policy| {
        let verdict = judge_in_full(&Judge { policy, ..*judge }, state, facts, text, false);
        verdict.findings.iter().any(|finding| finding.kind == kind && finding.suppressed_by.is_none())
    };
    let mut found: Vec<Turn> = KNOBS.iter().filter_map(|knob| turn(knob, judge.policy, &stands)).collect();
    found.sort_by(|a, b| a.distance().total_cmp(&b.distance()));
    found
}

/// Where the detection turns, in the direction that does turn it; `None` where none does.
fn turn(knob: &Knob, policy: &Policy, stands: &dyn Fn(RiskEventType, &Policy) -> bool) -> Option<Turn> {
    let value = (knob.value)(policy);
    let at = |value: f64| {
        let mut changed = policy.clone();
        (knob.set)(&mut changed, value);
        stands(knob.kind, &changed)
    };
    let now = at(value);
    let mut other = knob.range.into_iter().find(|end| *end != value && at(*end) != now)?;
    let mut same = value;
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(same, other);
        *(if at(middle) == now { &mut same } else { &mut other }) = middle;
    }
    Some(Turn { kind: knob.kind, key: knob.key, value, turns_at: other, stands: now })
}
