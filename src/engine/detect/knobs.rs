//! The thresholds of detections, each with the values that a configuration permits: (policy, what is asked) → the nearest
//! value at which it is otherwise.
//!
//! Where a configuration wants keys in rising order, the others move as far as they have to, and are named. Only one threshold
//! is turned at a time; that values between the two ends give the one answer below the turn, and the other above it, is
//! what the halving rests on.

use crate::engine::finding::RiskEventType;
use crate::engine::policy::Policy;

/// A threshold at whose other side a detection stands, or does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    pub change: Change,
    /// What has to move with it, as the configuration wants these keys in rising order.
    pub others: Vec<Change>,
}

/// Another value of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Below `detections.`.
    pub key: &'static str,
    pub from: f64,
    pub to: f64,
}

impl Turn {
    /// How far away it is: 1 is as far again as the threshold itself.
    pub fn distance(&self) -> f64 {
        (self.change.to - self.change.from).abs() / self.change.from.abs().max(1e-9)
    }
}

/// A threshold, and the values that it may have.
pub struct Knob {
    /// Detections that it decides on.
    pub kinds: &'static [RiskEventType],
    /// Below `detections.`.
    pub key: &'static str,
    value: fn(&Policy) -> f64,
    set: fn(&mut Policy, f64),
    /// As the configuration permits, both ends included.
    pub range: [f64; 2],
    /// Values are multiples of one in so many.
    fineness: f64,
}

/// One in so many of a bit, and of a share.
const FINE: f64 = 1_000.0;
const WHOLE: f64 = 1.0;

macro_rules! knobs {
    ($($section:ident . $field:ident [$low:literal, $high:literal] $fineness:ident: $($kind:ident)*;)*) => {
        /// Every threshold that is turned: its values, how fine they are, and the detections it decides on.
        pub const KNOBS: &[Knob] = &[$(Knob {
            kinds: &[$(RiskEventType::$kind),*],
            key: concat!(stringify!($section), ".", stringify!($field)),
            value: |policy| policy.$section.$field.into(),
            set: |policy, value| policy.$section.$field = value as _,
            range: [$low, $high],
            fineness: $fineness,
        }),*];
    };
}

knobs! {
    impossible_travel.max_speed_kmh [100.0, 10_000.0] WHOLE: ImpossibleTravel;
    impossible_travel.min_distance_km [1.0, 20_000.0] WHOLE: ImpossibleTravel;
    impossible_travel.learning_days [0.0, 90.0] WHOLE: ImpossibleTravel;
    atypical_travel.low_bits [0.0, 100.0] FINE: UnlikelyTravel;
    atypical_travel.medium_bits [0.0, 100.0] FINE: UnlikelyTravel;
    atypical_travel.high_bits [0.0, 100.0] FINE: UnlikelyTravel;
    atypical_travel.min_distance_km [1.0, 20_000.0] WHOLE: UnlikelyTravel;
    atypical_travel.learning_days [0.0, 90.0] WHOLE: UnlikelyTravel;
    new_country.min_bits [0.0, 100.0] FINE: NewCountry;
    new_country.common_share [0.0, 1.0] FINE: NewCountry;
    new_country.infrequent_after_days [1.0, 3_650.0] WHOLE: NewCountry;
    new_country.learning_days [0.0, 90.0] WHOLE: NewCountry;
    unfamiliar_features.low_bits [0.0, 100.0] FINE: UnfamiliarFeatures;
    unfamiliar_features.medium_bits [0.0, 100.0] FINE: UnfamiliarFeatures;
    unfamiliar_features.high_bits [0.0, 100.0] FINE: UnfamiliarFeatures;
    unfamiliar_features.learning_min_days [0.0, 90.0] WHOLE:
        UnfamiliarFeatures AnomalousToken AttackerInTheMiddle RiskyIpAddress MfaFatigue;
    unfamiliar_features.learning_max_days [0.0, 365.0] WHOLE:
        UnfamiliarFeatures AnomalousToken AttackerInTheMiddle RiskyIpAddress MfaFatigue;
    listed_address.malicious_attempts_min [3.0, 500.0] WHOLE: MaliciousIpAddress;
    listed_address.malicious_window_hours [1.0, 168.0] WHOLE: MaliciousIpAddress;
    password_spray.prefix_users_min [3.0, 400.0] WHOLE: MaliciousIpAddress;
    password_spray.asn_users_min [3.0, 400.0] WHOLE: MaliciousIpAddress;
    password_spray.address_users_min [3.0, 400.0] WHOLE: PasswordSpray;
    password_spray.network_and_user_agent_users_min [3.0, 400.0] WHOLE: PasswordSpray;
    password_spray.user_agent_users_min [3.0, 400.0] WHOLE: PasswordSpray;
    password_spray.window_hours [1.0, 336.0] WHOLE: PasswordSpray MaliciousIpAddress;
    password_spray.slow_window_hours [1.0, 336.0] WHOLE: PasswordSpray;
    password_spray.known_users_factor [0.0, 100.0] FINE: PasswordSpray MaliciousIpAddress;
    password_spray.slow_known_users_factor [0.0, 100.0] FINE: PasswordSpray MaliciousIpAddress;
    suspicious_browser.users_min [3.0, 400.0] WHOLE: SuspiciousBrowser;
    suspicious_browser.countries_min [1.0, 50.0] WHOLE: SuspiciousBrowser;
    suspicious_browser.window_hours [1.0, 336.0] WHOLE: SuspiciousBrowser;
    anomalous_token.low_bits [0.0, 100.0] FINE: AnomalousToken;
    anomalous_token.medium_bits [0.0, 100.0] FINE: AnomalousToken;
    anomalous_token.high_bits [0.0, 100.0] FINE: AnomalousToken;
    anomalous_token.simultaneous_minutes [1.0, 1_440.0] WHOLE: AnomalousToken;
    anomalous_token.unusual_age_days [1.0, 3_650.0] WHOLE: AnomalousToken;
    attacker_in_the_middle.continuation_hours [1.0, 720.0] WHOLE: AttackerInTheMiddle;
    token_issuer.known_users_min [10.0, 100_000.0] WHOLE: TokenIssuerAnomaly;
    token_issuer.habit_days [1.0, 90.0] WHOLE: TokenIssuerAnomaly;
    mfa_fatigue.window_minutes [5.0, 1_440.0] WHOLE: MfaFatigue;
    mfa_fatigue.denied_prompts [2.0, 16.0] WHOLE: MfaFatigue;
    mfa_fatigue.many_denied_prompts [2.0, 16.0] WHOLE: MfaFatigue;
    mfa_fatigue.denied_before_passed [1.0, 16.0] WHOLE: MfaFatigue;
    risky_address.common_share [0.0, 1.0] FINE: RiskyIpAddress;
}

/// Keys that the configuration wants in rising order.
const RISING: [&[&str]; 5] = [
    &["atypical_travel.low_bits", "atypical_travel.medium_bits", "atypical_travel.high_bits"],
    &["anomalous_token.low_bits", "anomalous_token.medium_bits", "anomalous_token.high_bits"],
    &["unfamiliar_features.low_bits", "unfamiliar_features.medium_bits", "unfamiliar_features.high_bits"],
    &["unfamiliar_features.learning_min_days", "unfamiliar_features.learning_max_days"],
    &["mfa_fatigue.denied_prompts", "mfa_fatigue.many_denied_prompts"],
];

/// Halvings of the range between two verdicts: enough for the finest of values.
const HALVINGS: u32 = 24;

/// Sets the threshold, and the others no further than they have to move with it; these are given.
fn set(knob: &Knob, policy: &mut Policy, value: f64) -> Vec<Change> {
    (knob.set)(policy, value);
    let mut others = Vec::new();
    for keys in RISING {
        let Some(place) = keys.iter().position(|key| *key == knob.key) else { continue };
        for (index, key) in keys.iter().enumerate() {
            let Some(other) = KNOBS.iter().find(|other| other.key == *key) else { continue };
            let from = (other.value)(policy);
            let to = if index < place { from.min(value) } else { from.max(value) };
            if to != from {
                (other.set)(policy, to);
                others.push(Change { key, from, to });
            }
        }
    }
    others
}

/// Where the answer turns, as the threshold goes to that end of its range at which it is otherwise; `None` where at neither.
pub fn turn(knob: &Knob, policy: &Policy, is_otherwise: &dyn Fn(&Policy) -> bool) -> Option<Turn> {
    let from = (knob.value)(policy);
    let at = |value: f64| {
        let mut changed = policy.clone();
        set(knob, &mut changed, value);
        is_otherwise(&changed)
    };
    let end = knob.range.into_iter().find(|end| *end != from && at(*end))?;
    let (mut same, mut other) = (from, end);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(same, other);
        *(if at(middle) { &mut other } else { &mut same }) = middle;
    }
    let to = nearest(knob, (same, other), end, &at);
    let others = set(knob, &mut policy.clone(), to);
    Some(Turn { change: Change { key: knob.key, from, to }, others })
}

/// The value as people write it, at which it is otherwise for certain.
fn nearest(knob: &Knob, (same, other): (f64, f64), end: f64, at: &dyn Fn(f64) -> bool) -> f64 {
    let rises = other > same;
    let round = if rises { libm::ceil } else { libm::floor };
    let rounded = round(other * knob.fineness);
    let further = if rises { rounded + 1.0 } else { rounded - 1.0 };
    let [low, high] = knob.range;
    let written = [rounded, further].map(|value| (value / knob.fineness).clamp(low, high));
    written.into_iter().find(|value| at(*value)).unwrap_or(end)
}
