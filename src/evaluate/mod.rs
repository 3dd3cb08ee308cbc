//! Detections held against ground truth: what was caught, what was missed, what was raised in vain.
//!
//! Labels and detections are NDJSON, as `farsign simulate --labels` and `farsign replay` write them, and join by
//! `requestId`. The rules of counting:
//!
//! - An *alert* is a detection that stands: neither suppressed nor withdrawn. Of several versions the last counts.
//! - A campaign is *caught* by an alert on one of its malicious sign-ins; its level is that of the highest one.
//! - A campaign that never had a right credential gave access to nothing. It is in the total, and counted apart.
//! - An alert on a legitimate sign-in is *false*, unless it compares that with an attacker's sign-in: then it is
//!   an *echo*, which leads an analyst to the takeover but catches nothing by itself.
//!
//! Memory grows by a few hundred bytes for each label and each detection.

mod detection;
mod truth;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use detection::{Alert, Detections};
pub use truth::{AttackSignIn, Campaign, Truth, TruthOf};

use crate::engine::finding::RiskLevel;

/// The word for a legitimate sign-in with nothing odd about it.
pub const NO_CAUSE: &str = "none";

/// Who was watched, and for how long: what rates are taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    pub users: u64,
    pub days: u64,
}

impl Exposure {
    /// Occurrences per 1,000 users per day; 0 when nobody was watched.
    pub fn rate(self, count: u64) -> f64 {
        let user_days = self.users as f64 * self.days as f64;
        if user_days > 0.0 { count as f64 * 1_000.0 / user_days } else { 0.0 }
    }
}

/// Counts by level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    pub low: u64,
    pub medium: u64,
    pub high: u64,
}

impl Levels {
    fn count(&mut self, level: RiskLevel) {
        match level {
            RiskLevel::None => {}
            RiskLevel::Low => self.low += 1,
            RiskLevel::Medium => self.medium += 1,
            RiskLevel::High => self.high += 1,
        }
    }

    pub fn total(self) -> u64 {
        self.low + self.medium + self.high
    }
}

/// How long a campaign went on before it was noticed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FirstAlert {
    /// Of the attacker's sign-ins with a right credential, the number of the first with an alert: 1 is at once.
    pub sign_in: u64,
    /// From the attacker's first sign-in with a right credential to the first with an alert, seconds.
    pub after_s: f64,
}

/// One campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub campaign: String,
    pub attack: String,
    /// Malicious sign-ins, and those of them with a right credential.
    pub sign_ins: u64,
    pub sign_ins_right: u64,
    /// Accounts for which the attacker had a right credential, and those of them with an alert.
    pub accounts: u64,
    pub accounts_alerted: u64,
    /// Highest level of an alert; `None` = missed.
    pub level: Option<RiskLevel>,
    pub first_alert: Option<FirstAlert>,
    /// Detections on its sign-ins that a suppression silenced, by reason.
    pub silenced: BTreeMap<String, u64>,
}

impl Outcome {
    pub fn is_caught(&self) -> bool {
        self.level.is_some()
    }

    /// The attacker had something to lose: a right credential.
    pub fn had_access(&self) -> bool {
        self.sign_ins_right > 0
    }
}

/// Alerts on legitimate sign-ins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FalseAlerts {
    /// By type.
    pub types: BTreeMap<String, Levels>,
    /// By benign cause. A sign-in has several causes at times, and is then counted under each.
    pub causes: BTreeMap<String, Levels>,
    pub levels: Levels,
    /// Distinct sign-ins, and users, with a false alert.
    pub sign_ins: u64,
    pub users: u64,
}

/// Silenced detections of one reason, by whose sign-in it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silenced {
    pub legitimate: u64,
    pub malicious: u64,
}

/// All that comes of holding detections against labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// One a campaign, by attack, then id.
    pub campaigns: Vec<Outcome>,
    pub false_alerts: FalseAlerts,
    /// Alerts on legitimate sign-ins that were compared with an attacker's.
    pub echoes: u64,
    /// By reason.
    pub silenced: BTreeMap<String, Silenced>,
    /// Alerts on malicious sign-ins.
    pub true_alerts: u64,
    /// Alerts that are about no sign-in (a user as a whole): neither true nor false here.
    pub without_sign_in: u64,
}

/// Alerts and silenced detections of one campaign, while it is gathered.
#[derive(Default)]
struct Gathered {
    level: Option<RiskLevel>,
    alerted: BTreeSet<String>,
    silenced: BTreeMap<String, u64>,
}

/// Holds `detections` against `truth`.
pub fn evaluate(truth: &Truth, detections: &Detections) -> Evaluation {
    let mut evaluation = Evaluation::default();
    let mut gathered: Vec<Gathered> = truth.campaigns().iter().map(|_| Gathered::default()).collect();
    let mut disturbed = (BTreeSet::new(), BTreeSet::new());
    for alert in detections.iter() {
        let Some(request) = &alert.request_id else {
            evaluation.without_sign_in += u64::from(alert.suppressed_by.is_none());
            continue;
        };
        let of = truth.of(request);
        match (&of, &alert.suppressed_by) {
            (TruthOf::Malicious { campaign }, Some(reason)) => {
                evaluation.silenced.entry(reason.clone()).or_default().malicious += 1;
                *gathered[*campaign].silenced.entry(reason.clone()).or_default() += 1;
            }
            (TruthOf::Legitimate { .. }, Some(reason)) => {
                evaluation.silenced.entry(reason.clone()).or_default().legitimate += 1;
            }
            (TruthOf::Malicious { campaign }, None) => {
                evaluation.true_alerts += 1;
                let campaign = &mut gathered[*campaign];
                campaign.level = campaign.level.max(Some(alert.level));
                campaign.alerted.insert(request.clone());
            }
            (TruthOf::Legitimate { .. }, None) if is_echo(truth, alert) => evaluation.echoes += 1,
            (TruthOf::Legitimate { causes }, None) => {
                evaluation.false_alerts.count(alert, causes);
                disturbed.0.insert(request.as_str());
                disturbed.1.insert(alert.user_id.as_str());
            }
        }
    }
    evaluation.false_alerts.sign_ins = disturbed.0.len() as u64;
    evaluation.false_alerts.users = disturbed.1.len() as u64;
    evaluation.campaigns =
        truth.campaigns().iter().zip(gathered).map(|(campaign, gathered)| outcome(campaign, gathered)).collect();
    evaluation.campaigns.sort_by(|a, b| (&a.attack, &a.campaign).cmp(&(&b.attack, &b.campaign)));
    evaluation
}

/// The owner's sign-in looks wrong because the attacker's came before it.
fn is_echo(truth: &Truth, alert: &Alert) -> bool {
    let reference = alert.reference_id.as_deref();
    reference.is_some_and(|reference| matches!(truth.of(reference), TruthOf::Malicious { .. }))
}

impl FalseAlerts {
    fn count(&mut self, alert: &Alert, causes: &[String]) {
        self.levels.count(alert.level);
        self.types.entry(alert.kind.clone()).or_default().count(alert.level);
        for cause in causes {
            self.causes.entry(cause.clone()).or_default().count(alert.level);
        }
        if causes.is_empty() {
            self.causes.entry(NO_CAUSE.to_owned()).or_default().count(alert.level);
        }
    }
}

fn outcome(campaign: &Campaign, gathered: Gathered) -> Outcome {
    let right = || campaign.sign_ins.iter().filter(|sign_in| sign_in.credential_right);
    let alerted = |sign_in: &AttackSignIn| gathered.alerted.contains(&sign_in.request_id);
    let accounts: BTreeSet<&str> = right().map(|sign_in| sign_in.user_id.as_str()).collect();
    let accounts_alerted: BTreeSet<&str> =
        right().filter(|sign_in| alerted(sign_in)).map(|sign_in| sign_in.user_id.as_str()).collect();
    let first_alert = right().position(alerted).and_then(|index| {
        let (first, noticed) = (right().next()?, right().nth(index)?);
        Some(FirstAlert { sign_in: index as u64 + 1, after_s: noticed.time.seconds_since(first.time) })
    });
    Outcome {
        campaign: campaign.id.clone(),
        attack: campaign.attack.clone(),
        sign_ins: campaign.sign_ins.len() as u64,
        sign_ins_right: right().count() as u64,
        accounts: accounts.len() as u64,
        accounts_alerted: accounts_alerted.len() as u64,
        level: gathered.level,
        first_alert,
        silenced: gathered.silenced,
    }
}

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

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    if values.len() % 2 == 1 { Some(*upper) } else { Some((values[middle - 1] + upper) / 2.0) }
}

/// The alerts worth reading first: true ones of the types in `first`, in that order, then of any other; of each the
/// one of highest score, of a type and an attack that none before it has. Equal scores go by time, then id.
pub fn interesting<'a>(truth: &Truth, detections: &'a Detections, first: &[&str], count: usize) -> Vec<&'a Alert> {
    let mut candidates: Vec<(&Alert, &str)> = Vec::new();
    for alert in detections.iter().filter(|alert| alert.suppressed_by.is_none()) {
        let of = alert.request_id.as_deref().map(|request| truth.of(request));
        if let Some(TruthOf::Malicious { campaign }) = of {
            candidates.push((alert, &truth.campaigns()[campaign].attack));
        }
    }
    let rank = |alert: &Alert| first.iter().position(|kind| alert.kind == *kind).unwrap_or(first.len());
    candidates.sort_by(|(a, _), (b, _)| {
        let key = |alert: &Alert| (rank(alert), std::cmp::Reverse(alert.score), alert.time);
        key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
    let (mut types, mut attacks) = (BTreeSet::new(), BTreeSet::new());
    let mut chosen = Vec::new();
    for (alert, attack) in candidates {
        if chosen.len() < count && !types.contains(alert.kind.as_str()) && !attacks.contains(attack) {
            types.insert(alert.kind.as_str());
            attacks.insert(attack);
            chosen.push(alert);
        }
    }
    chosen
}

/// Where a key is in a list that only grows.
fn intern<T>(index: &mut HashMap<String, usize>, list: &mut Vec<T>, key: &str, make: impl FnOnce() -> T) -> usize {
    if let Some(number) = index.get(key) {
        return *number;
    }
    list.push(make());
    index.insert(key.to_owned(), list.len() - 1);
    list.len() - 1
}
