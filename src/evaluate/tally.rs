//! Outcomes of campaigns → counts by kind of attack.

use std::collections::BTreeMap;

use super::interval::median;
use super::outcome::{Evaluation, Outcome};
use crate::engine::finding::RiskLevel;

/// The campaigns of one kind of attack, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub campaigns: u64,
    pub without_access: u64,
    /// Caught at this level or above.
    pub low: u64,
    pub medium: u64,
    pub high: u64,
    pub accounts: u64,
    pub accounts_alerted: u64,
    /// Over caught campaigns: median number of the first sign-in with an alert, and median delay in seconds.
    pub first_sign_in: Option<f64>,
    pub first_after_s: Option<f64>,
}

impl Evaluation {
    /// Campaigns by attack.
    pub fn tallies(&self) -> BTreeMap<&str, Tally> {
        let mut by_attack: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
        for outcome in &self.campaigns {
            by_attack.entry(&outcome.attack).or_default().push(outcome);
        }
        by_attack.into_iter().map(|(attack, outcomes)| (attack, tally(&outcomes))).collect()
    }

    /// Campaigns of every kind together.
    pub fn total(&self) -> Tally {
        tally(&self.campaigns.iter().collect::<Vec<_>>())
    }
}

fn tally(outcomes: &[&Outcome]) -> Tally {
    let at_least = |level| outcomes.iter().filter(|outcome| outcome.level >= Some(level)).count() as u64;
    let first = || outcomes.iter().filter_map(|outcome| outcome.first_alert);
    Tally {
        campaigns: outcomes.len() as u64,
        without_access: outcomes.iter().filter(|outcome| !outcome.had_access()).count() as u64,
        low: at_least(RiskLevel::Low),
        medium: at_least(RiskLevel::Medium),
        high: at_least(RiskLevel::High),
        accounts: outcomes.iter().map(|outcome| outcome.accounts).sum(),
        accounts_alerted: outcomes.iter().map(|outcome| outcome.accounts_alerted).sum(),
        first_sign_in: median(first().map(|first| first.sign_in as f64).collect()),
        first_after_s: median(first().map(|first| first.after_s).collect()),
    }
}
