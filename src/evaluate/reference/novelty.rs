//! Never seen for the user: a country, or any of country, network and browser family.
//!
//! A missing value is not new, and a user without a success yet has nothing to compare with.

use super::Judgement;
use super::history::{Attribute, History};
use crate::engine::facts::Facts;
use crate::engine::hash::UserKey;

pub fn new_country(history: &History, user: UserKey, facts: &Facts) -> Option<Judgement> {
    any_new(history, user, facts, &[Attribute::Country])
}

pub fn new_anything(history: &History, user: UserKey, facts: &Facts) -> Option<Judgement> {
    any_new(history, user, facts, &[Attribute::Country, Attribute::Asn, Attribute::Browser])
}

fn any_new(history: &History, user: UserKey, facts: &Facts, attributes: &[Attribute]) -> Option<Judgement> {
    let known = history.user(user)?;
    let is_new = |attribute: &Attribute| {
        attribute.value(facts) != 0 && history.count_of_user(known, *attribute, facts) == 0.0
    };
    attributes.iter().any(is_new).then_some(Judgement::of(1.0))
}
