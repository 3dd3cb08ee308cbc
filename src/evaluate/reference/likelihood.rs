//! Log-likelihood ratios of single attributes, with back-off to the population, and the rarity of network and country.
//!
//! For each attribute, ln p(value | all) − ln p(value | user), where the user's own rate is shrunk to the population's
//! with the weight of one sign-in; their sum, and −ln p(value | all) of the ASN and of the country, which
//! work for a user without history. Untrained, and the best untrained score that is known.

use super::Judgement;
use super::history::{Attribute, History};
use crate::engine::facts::Facts;
use crate::engine::hash::UserKey;

const ATTRIBUTES: [Attribute; 7] = [
    Attribute::Address,
    Attribute::Asn,
    Attribute::Country,
    Attribute::Agent,
    Attribute::Browser,
    Attribute::OperatingSystem,
    Attribute::DeviceKind,
];
const RARITIES: [Attribute; 2] = [Attribute::Asn, Attribute::Country];
/// Sign-ins that the population's rate is worth in a user's.
const PRIOR_WEIGHT: f64 = 1.0;

pub fn judge(history: &History, user: UserKey, facts: &Facts) -> Option<Judgement> {
    let total = history.successes as f64;
    let of_all = |attribute: Attribute| (history.count_of_all(attribute, facts) + 1.0) / (total + 1.0);
    let mut score = 0.0;
    if let Some(known) = history.user(user) {
        for attribute in ATTRIBUTES.into_iter().filter(|attribute| attribute.value(facts) != 0) {
            let population = of_all(attribute);
            let own = history.count_of_user(known, attribute, facts) + PRIOR_WEIGHT * population;
            score += libm::log(population) - libm::log(own / (known.successes as f64 + PRIOR_WEIGHT));
        }
    }
    for attribute in RARITIES.into_iter().filter(|attribute| attribute.value(facts) != 0) {
        score -= libm::log(of_all(attribute));
    }
    Some(Judgement::of(score))
}
