//! One stream's detections held against its labels: what became of each campaign, what was raised in vain.

use std::collections::{BTreeMap, BTreeSet};

use super::false_alerts::FalseAlerts;
use super::marks::{Hit, Marks};
use super::{About, Alert, Campaign, Detections, Truth};
use crate::engine::finding::RiskLevel;

/// How long a campaign went on before it was noticed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FirstAlert {
    /// The attacker's sign-ins with a right credential up to the first alert: 1 is at once.
    pub sign_in: u64,
    /// From the attacker's first sign-in with a right credential to the first alert, seconds.
    pub after_s: f64,
}

impl FirstAlert {
    /// The first of `hits` above the threshold. `None` as well for a campaign that never had a right credential.
    pub fn of(campaign: &Campaign, hits: &[Hit], threshold: f32) -> Option<FirstAlert> {
        let above = hits.iter().filter(|hit| hit.score > threshold);
        let noticed =
            above.map(|hit| hit.detected_time.max(campaign.sign_ins[hit.sign_in as usize].time)).min()?;
        let first = campaign.right().next()?;
        let before = campaign.right().filter(|sign_in| sign_in.time <= noticed).count() as u64;
        Some(FirstAlert { sign_in: before.max(1), after_s: noticed.seconds_since(first.time).max(0.0) })
    }
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

/// The level as a score: what is above 0 is low or higher, above 1 medium or higher, above 2 high.
pub fn level_score(alert: &Alert) -> f32 {
    f32::from(alert.level as u8)
}

/// Holds `detections` against `truth`.
pub fn evaluate(truth: &Truth, detections: &Detections) -> Evaluation {
    let mut evaluation = Evaluation::default();
    let mut silenced: Vec<BTreeMap<String, u64>> = vec![BTreeMap::new(); truth.campaigns().len()];
    let mut disturbed = (BTreeSet::new(), BTreeSet::new());
    for alert in detections.iter() {
        match (truth.about(alert), &alert.suppressed_by) {
            (About::LeftOut, _) | (About::NoSignIn, Some(_)) => {}
            (About::NoSignIn, None) => evaluation.without_sign_in += 1,
            (About::Attack { campaign, .. }, Some(reason)) => {
                evaluation.silenced.entry(reason.clone()).or_default().malicious += 1;
                *silenced[campaign].entry(reason.clone()).or_default() += 1;
            }
            (About::Owner { .. } | About::Echo, Some(reason)) => {
                evaluation.silenced.entry(reason.clone()).or_default().legitimate += 1;
            }
            (About::Attack { .. }, None) => evaluation.true_alerts += 1,
            (About::Echo, None) => evaluation.echoes += 1,
            (About::Owner { causes, .. }, None) => {
                evaluation.false_alerts.count(alert, causes);
                disturbed.0.insert(alert.request_id.as_deref());
                disturbed.1.insert(alert.user_id.as_str());
            }
        }
    }
    evaluation.false_alerts.sign_ins = disturbed.0.len() as u64;
    evaluation.false_alerts.users = disturbed.1.len() as u64;
    let marks = Marks::of_alerts(truth, detections.standing(), level_score);
    let campaigns = truth.campaigns().iter().zip(&marks.hits).zip(silenced);
    evaluation.campaigns =
        campaigns.map(|((campaign, hits), silenced)| outcome(campaign, hits, silenced)).collect();
    evaluation.campaigns.sort_by(|a, b| (&a.attack, &a.campaign).cmp(&(&b.attack, &b.campaign)));
    evaluation
}

fn outcome(campaign: &Campaign, hits: &[Hit], silenced: BTreeMap<String, u64>) -> Outcome {
    let alerted: BTreeSet<u32> = hits.iter().map(|hit| hit.sign_in).collect();
    let right = || campaign.sign_ins.iter().zip(0u32..).filter(|(sign_in, _)| sign_in.credential_right);
    let accounts: BTreeSet<&str> = right().map(|(sign_in, _)| sign_in.user_id.as_str()).collect();
    let accounts_alerted: BTreeSet<&str> = right()
        .filter(|(_, index)| alerted.contains(index))
        .map(|(sign_in, _)| sign_in.user_id.as_str())
        .collect();
    let highest = hits.iter().map(|hit| hit.score).max_by(f32::total_cmp);
    let levels = [RiskLevel::High, RiskLevel::Medium, RiskLevel::Low, RiskLevel::None];
    Outcome {
        campaign: campaign.id.clone(),
        attack: campaign.attack.clone(),
        sign_ins: campaign.sign_ins.len() as u64,
        sign_ins_right: right().count() as u64,
        accounts: accounts.len() as u64,
        accounts_alerted: accounts_alerted.len() as u64,
        level: highest.and_then(|score| levels.into_iter().find(|level| f32::from(*level as u8) <= score)),
        first_alert: FirstAlert::of(campaign, hits, f32::NEG_INFINITY),
        silenced,
    }
}
