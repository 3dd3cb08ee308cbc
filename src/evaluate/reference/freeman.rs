//! Freeman's score: how much likelier the sign-in is in the population than for its user.
//!
//! Freeman et al., "Who Are You?", NDSS 2016, in the form of Wiefling et al.'s published implementation
//! (das-group/rba-algorithm) without attack data: the two features address and user agent, each a weighted sum over
//! its levels, smoothed in the population and not for the user; a feature of which nothing was seen for the user counts
//! as a quarter of its population value. The operating system has no version here, as the engine's facts have none.
//! The score is the logarithm of theirs.

use super::Judgement;
use super::history::{Attribute, History, UserHistory};
use crate::engine::facts::Facts;
use crate::engine::hash::UserKey;

/// Levels of the two features with their published weights, most exact first.
const ADDRESS: [(Attribute, f64); 3] =
    [(Attribute::Address, 0.6), (Attribute::Asn, 0.3), (Attribute::Country, 0.1)];
const AGENT: [(Attribute, f64); 4] = [
    (Attribute::Agent, 0.538_665_384_055_135_9),
    (Attribute::BrowserVersion, 0.268_045_149_862_566_6),
    (Attribute::OperatingSystem, 0.188_182_951_001_095_36),
    (Attribute::DeviceKind, 0.005_106_515_081_202_183),
];
/// What stands for a feature of which nothing was seen for the user: this part of its population value.
const UNSEEN_PART: f64 = 0.25;

pub fn judge(history: &History, user: UserKey, facts: &Facts) -> Option<Judgement> {
    let known = history.user(user)?;
    let features = ratio(history, known, facts, &ADDRESS) * ratio(history, known, facts, &AGENT);
    let of_users = 1.0 / history.users() as f64;
    let of_sign_ins = known.successes as f64 / history.successes as f64;
    Some(Judgement::of(libm::log(features * of_users / of_sign_ins)))
}

/// p(x) / p(x | user) of one feature.
fn ratio(history: &History, known: &UserHistory, facts: &Facts, levels: &[(Attribute, f64)]) -> f64 {
    let of_user: f64 = levels
        .iter()
        .map(|(attribute, weight)| {
            weight * history.count_of_user(known, *attribute, facts) / known.successes as f64
        })
        .sum();
    let of_all = population(history, facts, levels);
    if of_user > 0.0 { of_all / of_user } else { 1.0 / UNSEEN_PART }
}

fn population(history: &History, facts: &Facts, levels: &[(Attribute, f64)]) -> f64 {
    let total = history.successes as f64;
    let (exact, exact_weight) = levels[0];
    // Mass kept for what was not seen: as many values as the levels above have.
    let unseen = levels[1..].iter().map(|(attribute, _)| history.distinct(*attribute)).sum::<f64>() + 1.0;
    let count = history.count_of_all(exact, facts);
    let smoothed = count.max(1.0) / (total + unseen);
    // Among the sign-ins with this very value each level above has one value: the tables and the parser see to it.
    let within = if count > 0.0 { count / (count + levels.len() as f64) } else { 1.0 };
    let above =
        levels[1..].iter().map(|(attribute, weight)| weight * history.count_of_all(*attribute, facts) / total);
    exact_weight * smoothed * within + above.sum::<f64>()
}
