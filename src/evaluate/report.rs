//! What `farsign evaluate --json` writes. The doc comments here are the descriptions in
//! `docs/evaluation.schema.json`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::interval::Estimate;

/// The result of an evaluation. Rates are per 1,000 active users per day, and null where it is not known how many
/// were active. Shares are 0 to 1.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub input: Input,
    /// Farsign at its levels and at each budget, then each reference detector.
    pub points: Vec<Point>,
    /// Recall over false alerts, for every detector with a score.
    pub curves: Vec<Curve>,
    /// Farsign, if only alerts of a score and above counted: for every score at which that makes a difference, falling.
    pub scores: Vec<ScorePoint>,
    pub false_alerts: FalseAlertsReport,
    /// Kinds of attack that try many accounts.
    pub sprays: SpraysReport,
    /// Against the plain speed rule; empty without sign-ins.
    pub impossible_travel: Vec<TravelComparison>,
    pub checks: ChecksReport,
    /// Realised false alerts for every score that occurs, of all types and of each.
    pub calibration: Vec<CalibrationRow>,
}

/// What was evaluated.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// Streams pooled.
    pub runs: u64,
    /// Days at the beginning of each stream that are learnt from and not counted.
    pub warm_up_days: u32,
    /// Pairs of a user and a UTC day on which the owner signed in; null when not known.
    pub active_user_days: Option<u64>,
    /// Distinct sign-ins with a right credential, of owners and of attackers; null without sign-ins.
    pub owner_sign_ins: Option<u64>,
    pub attacker_sign_ins: Option<u64>,
    pub campaigns: u64,
    /// Campaigns that never had a right credential: in no recall.
    pub campaigns_without_access: u64,
    /// Campaigns that copy the victim's network, city and browser in every sign-in with a right credential.
    pub campaigns_imitating: u64,
    /// Bootstrap draws behind each interval.
    pub resamples: u32,
}

/// One detector at one threshold.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    pub detector: String,
    /// `low`, `medium`, `high` (and above), `flag`, or `budget N`.
    pub at: String,
    /// What scores above it is an alert; null where everything that has a score is.
    pub above: Option<f64>,
    /// Legitimate sign-ins with an alert, each once.
    pub false_alerts: u64,
    pub false_alert_rate: Option<Estimate>,
    /// By benign cause; a sign-in with several counts under each.
    pub causes: BTreeMap<String, u64>,
    /// Mean over kinds of attack of the share of campaigns caught.
    pub recall: Option<Estimate>,
    /// The same without imitating campaigns.
    pub recall_without_imitating: Option<Estimate>,
    /// Of the sign-ins with an alert, the share that was an attacker's.
    pub precision: Option<f64>,
    /// Over campaigns caught.
    pub time_to_detect: TimeToDetect,
    pub attacks: BTreeMap<String, AttackPoint>,
}

/// One kind of attack.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttackPoint {
    /// Campaigns with a right credential.
    pub campaigns: u64,
    pub caught: u64,
    pub recall: Estimate,
    pub campaigns_without_imitating: u64,
    pub caught_without_imitating: u64,
    pub time_to_detect: TimeToDetect,
}

/// From the attacker's first sign-in with a right credential to the first alert. Null when none was caught.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeToDetect {
    /// The attacker's sign-ins with a right credential up to the first alert; 1 is at once.
    pub sign_ins_median: Option<f64>,
    pub sign_ins_p95: Option<f64>,
    pub minutes_median: Option<f64>,
    pub minutes_p95: Option<f64>,
}

/// One detector's recall over its false alerts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Curve {
    pub detector: String,
    pub points: Vec<CurvePoint>,
}

/// The lowest threshold within a budget.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurvePoint {
    /// False alerts per 1,000 active users per day that are allowed, and that there are.
    pub budget: f64,
    pub false_alert_rate: f64,
    pub recall: f64,
    pub recall_without_imitating: f64,
}

/// Farsign with a least score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScorePoint {
    /// 0 to 100.
    pub min_score: u8,
    /// Mean over kinds of attack of the share of campaigns caught.
    pub recall: f64,
    /// Of the sign-ins with an alert, the share that was an attacker's.
    pub precision: Option<f64>,
    /// Legitimate sign-ins with an alert, each once.
    pub false_alerts: u64,
    pub false_alert_rate: Option<f64>,
    /// Of the owners' sign-ins with a right credential, the share with an alert; null without sign-ins.
    pub false_alert_share: Option<f64>,
}

/// A count of false alerts and its rate.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    pub low: u64,
    pub medium: u64,
    pub high: u64,
    /// Of all three levels together, and of high alone.
    pub rate: Option<f64>,
    pub rate_high: Option<f64>,
}

/// Farsign's false alerts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FalseAlertsReport {
    /// Each detection.
    pub detections: Counted,
    /// Each incident (`farsign.incidentId`; a detection without one is an incident).
    pub incidents: Counted,
    /// Distinct legitimate sign-ins and users with a false alert.
    pub sign_ins: u64,
    pub users: u64,
    pub types: BTreeMap<String, Counted>,
    /// A sign-in with several causes counts under each; `none` is a sign-in with nothing odd.
    pub causes: BTreeMap<String, Counted>,
    /// Alerts and incidents on attackers' sign-ins.
    pub true_detections: u64,
    pub true_incidents: u64,
    /// Alerts and incidents on owners' sign-ins that were compared with an attacker's: neither true nor false.
    pub echoes: u64,
    pub echo_incidents: u64,
    /// Alerts about a user as a whole: in no other figure.
    pub without_sign_in: u64,
    /// Silenced detections by reason.
    pub silenced: BTreeMap<String, SilencedReport>,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SilencedReport {
    pub legitimate: u64,
    pub malicious: u64,
}

/// Sprays and stuffing.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpraysReport {
    pub attacks: BTreeMap<String, SprayReport>,
    /// Accounts with a `passwordSpray` alert, those of them that were victims of such an attack, their share, and those
    /// that were victims of any.
    pub flagged: u64,
    pub flagged_victims: u64,
    pub flagged_attacked: u64,
    pub flagged_precision: Option<f64>,
}

/// Campaigns of one kind with at least one victim.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SprayReport {
    pub campaigns: u64,
    /// Accounts tried, and entered.
    pub targets: u64,
    pub victims: u64,
    /// Victims with a `passwordSpray` alert on the attacker's sign-in, and with any alert on it.
    pub victims_flagged: u64,
    pub victims_alerted: u64,
    pub campaigns_alerted: u64,
    /// Share of a campaign's targets tried, and entered, before its first alert: median and highest of the campaigns with
    /// one.
    pub tried_before_alert_median: Option<f64>,
    pub tried_before_alert_highest: Option<f64>,
    pub entered_before_alert_median: Option<f64>,
    pub entered_before_alert_highest: Option<f64>,
}

/// Farsign against the plain speed rule, at the highest threshold that keeps 95 % of the rule's recall.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TravelComparison {
    /// What of Farsign is compared.
    pub detections: String,
    /// The campaigns that recall is taken over.
    pub campaigns: String,
    pub above: Option<f64>,
    pub recall: f64,
    pub speed_rule_recall: f64,
    /// Farsign's recall as a share of the rule's; null when the rule caught nothing.
    pub recall_share: Option<f64>,
    /// Distinct legitimate sign-ins with an alert, repeats left out on both sides.
    pub false_alerts: u64,
    pub speed_rule_false_alerts: u64,
    /// How many times fewer; with no false alert it is a lower bound, as if there were one.
    pub times_fewer: f64,
    /// Active user-days per 1,000 on which the rule fired in vain, repeats included.
    pub speed_rule_misfire_rate: f64,
}

/// What must be 0.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChecksReport {
    /// Detections, silenced ones included, on sign-ins whose label says that the credential was wrong.
    pub wrong_credential: u64,
    /// The same by the records, failed sign-ins included; null without sign-ins.
    pub failed_sign_in: Option<u64>,
    /// A second detection of one type on one sign-in, and lines repeated word for word.
    pub duplicates: u64,
}

/// False alerts with at least this score.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalibrationRow {
    /// `riskEventType`, or `all`: sign-ins, each once by its highest score.
    pub detection: String,
    pub risk_score: u8,
    pub false_alerts: u64,
    pub false_alert_rate: Option<f64>,
}
