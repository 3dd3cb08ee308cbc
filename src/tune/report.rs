//! What `farsign tune --json` writes: each variant, and how they compare. The doc comments here are the descriptions in
//! `docs/tuning.schema.json`.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tally::{Judged, SCORES, Tally};
use super::trial::Counted;
use super::variant::Variant;
use super::verdicts::Verdicts;
use crate::engine::finding::{RiskEventType, RiskLevel, Suppression};
use crate::engine::out::Counts;
use crate::evaluate::Exposure;
use crate::runtime::replay::summary::Summary;

/// The result of `farsign tune`. Rates are alerts per 1,000 active users per day; shares are 0 to 1. An alert is a
/// detection of at least the level asked for that was neither suppressed nor withdrawn. It is unconfirmed unless it is on a
/// sign-in that was confirmed to be an attacker's, or compares with one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub stream: Stream,
    /// Null without labels.
    pub labels: Option<VerdictsReport>,
    /// The base first.
    pub variants: Vec<VariantReport>,
    /// Numbers of the variants that no other beats: none catches as much at a lower rate of unconfirmed alerts, or more at
    /// as low a rate. What is caught are incidents, where labels name any (`incidentRecall`), and confirmed sign-ins otherwise
    /// (`recall`). By rising rate. Empty without labels of confirmed sign-ins.
    pub pareto_front: Vec<usize>,
    /// The variant that catches most within the budget; null without labels of confirmed sign-ins or budget, or when none is
    /// within it.
    pub recommended: Option<usize>,
    /// Most unconfirmed alerts per 1,000 active users per day; null where none was stated.
    pub budget: Option<f64>,
}

/// What all variants saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    pub files: u64,
    pub records: u64,
    pub rejected: u64,
    /// Events that the filters left out, by the first that does.
    pub filtered: BTreeMap<String, u64>,
    /// Pairs of a user and a UTC day with a sign-in whose first factor was right, behind the warm-up.
    pub active_user_days: u64,
    /// Days at the beginning of the stream that are learnt from and not counted.
    pub warm_up_days: u32,
    /// The level from which a detection is an alert.
    pub min_level: String,
}

/// The labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerdictsReport {
    pub confirmed: u64,
    pub dismissed: u64,
    /// Confirmed sign-ins that are in the stream, behind the warm-up, with the first factor right: what can be caught.
    pub confirmed_seen: u64,
    /// Incidents that these belong to.
    pub incidents_seen: u64,
    /// Dismissed sign-ins that are there likewise.
    pub dismissed_seen: u64,
    /// Every sign-in without a label is the owner's.
    pub complete: bool,
    /// Feedback that names no sign-in, or says nothing of who signed in.
    pub unused: u64,
}

/// One variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VariantReport {
    pub number: usize,
    pub name: String,
    /// `KEY=VALUE` over the base; empty for the base, and for a file of its own.
    pub settings: Vec<String>,
    /// As in `farsign.configHash` of its detections.
    pub config_hash: String,
    pub alerts: u64,
    /// Null when nobody was active.
    pub alert_rate: Option<f64>,
    /// Users with an alert.
    pub users: u64,
    /// Stories that the alerts are told in: not the incidents of the labels.
    pub incidents: u64,
    /// Alerts by type and level.
    pub detections: BTreeMap<String, BTreeMap<String, u64>>,
    /// Detections that were silenced, by type and reason; of the whole stream.
    pub suppressions: BTreeMap<String, BTreeMap<String, u64>>,
    /// Detections that were raised, and withdrawn when more was known; of the whole stream.
    pub withdrawn: u64,
    /// Detections beyond what is kept of a variant: in no figure but this.
    pub untracked: u64,
    /// Null without labels.
    pub labelled: Option<Labelled>,
}

/// A variant held against labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Labelled {
    /// Share of the confirmed sign-ins with an alert; null when there are none.
    pub recall: Option<f64>,
    /// Share of the incidents with an alert on a sign-in of theirs; null when there are none.
    pub incident_recall: Option<f64>,
    /// Of the alerts on confirmed or dismissed sign-ins, the share on confirmed ones; null when there are none.
    pub precision: Option<f64>,
    /// What vain work costs: null when nobody was active.
    pub unconfirmed_rate: Option<f64>,
    pub confirmed_alerts: u64,
    pub dismissed_alerts: u64,
    pub unconfirmed_alerts: u64,
    /// On a sign-in that nobody confirmed, compared with one that somebody did: neither right nor wrong.
    pub echoes: u64,
    /// About a user as a whole: not held against labels.
    pub about_users: u64,
    /// If only alerts of a score and above counted, for every score at which that makes a difference.
    pub curve: Vec<Point>,
}

/// What is left with a least score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// 0 to 100.
    pub min_score: u8,
    pub alert_rate: Option<f64>,
    pub unconfirmed_rate: Option<f64>,
    pub recall: Option<f64>,
    pub incident_recall: Option<f64>,
    pub precision: Option<f64>,
}

/// Of how many a share is taken.
#[derive(Clone, Copy, Debug)]
struct Seen {
    sign_ins: u64,
    incidents: u64,
}

impl VariantReport {
    /// The same variant in a plan that may have grown since.
    pub fn named(self, (number, variant): (usize, &Variant)) -> VariantReport {
        let settings = variant.settings.iter().map(ToString::to_string).collect();
        VariantReport { number, name: variant.name.clone(), settings, ..self }
    }

    pub fn new(
        (number, variant): (usize, &Variant),
        config_hash: u64,
        counts: &Counts,
        (tally, counted): (&Tally, &Counted),
        verdicts: &Verdicts,
    ) -> VariantReport {
        let volume = tally.volume(counted.counting);
        let levels = [RiskLevel::Low, RiskLevel::Medium, RiskLevel::High].map(RiskLevel::name);
        let of_levels = |by_level: &[u64; 3]| named(levels, by_level);
        let reasons = Suppression::ALL.map(Suppression::name);
        let silenced = RiskEventType::ALL.iter().zip(&counts.suppressions);
        let labelled = || {
            let seen =
                Seen { sign_ins: counted.confirmed.len() as u64, incidents: incidents_seen(counted, verdicts) };
            Labelled::new(&tally.judge(counted.counting, verdicts), seen, counted.exposure)
        };
        VariantReport {
            number,
            name: variant.name.clone(),
            settings: variant.settings.iter().map(ToString::to_string).collect(),
            config_hash: format!("{config_hash:016x}"),
            alerts: volume.alerts,
            alert_rate: rate(counted.exposure, volume.alerts),
            users: volume.users,
            incidents: volume.incidents,
            detections: volume.by_type.iter().map(|(kind, by)| (kind.name().to_owned(), of_levels(by))).collect(),
            suppressions: silenced
                .map(|(kind, by_reason)| (kind.name().to_owned(), named(reasons, by_reason)))
                .filter(|(_, by_reason)| !by_reason.is_empty())
                .collect(),
            withdrawn: counts.withdrawn,
            untracked: tally.untracked,
            labelled: (!verdicts.is_empty()).then(labelled),
        }
    }

    /// What a variant is chosen by: the share of incidents where there are any, of confirmed sign-ins otherwise.
    pub fn caught(&self) -> Option<f64> {
        let labelled = self.labelled.as_ref()?;
        labelled.incident_recall.or(labelled.recall)
    }
}

fn named<const N: usize>(names: [&str; N], counts: &[u64; N]) -> BTreeMap<String, u64> {
    let some = names.into_iter().zip(counts).filter(|(_, count)| **count > 0);
    some.map(|(name, count)| (name.to_owned(), *count)).collect()
}

fn rate(exposure: Exposure, count: u64) -> Option<f64> {
    (exposure.user_days > 0).then(|| exposure.rate(count))
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn incidents_seen(counted: &Counted, verdicts: &Verdicts) -> u64 {
    let incidents = counted.confirmed.iter().filter_map(|key| verdicts.incident_of(*key));
    incidents.collect::<std::collections::BTreeSet<_>>().len() as u64
}

impl Labelled {
    fn new(judged: &Judged, seen: Seen, exposure: Exposure) -> Labelled {
        let all = point(judged, 0, seen, exposure);
        let mut curve = vec![all];
        for least in 1..SCORES {
            if judged.alerts[least - 1] > 0 {
                curve.push(point(judged, least, seen, exposure));
            }
        }
        Labelled {
            recall: all.recall,
            incident_recall: all.incident_recall,
            precision: all.precision,
            unconfirmed_rate: all.unconfirmed_rate,
            confirmed_alerts: judged.confirmed.iter().sum(),
            dismissed_alerts: judged.dismissed.iter().sum(),
            unconfirmed_alerts: judged.unconfirmed(0),
            echoes: judged.echoes.iter().sum(),
            about_users: judged.about_users,
            curve,
        }
    }
}

fn point(judged: &Judged, least: usize, seen: Seen, exposure: Exposure) -> Point {
    let above = |by_score: &[u64]| by_score[least..].iter().sum::<u64>();
    let (confirmed, dismissed) = (above(&judged.confirmed), above(&judged.dismissed));
    Point {
        min_score: least as u8,
        alert_rate: rate(exposure, above(&judged.alerts)),
        unconfirmed_rate: rate(exposure, judged.unconfirmed(least)),
        recall: share(above(&judged.sign_ins_caught), seen.sign_ins),
        incident_recall: share(above(&judged.incidents_caught), seen.incidents),
        precision: share(confirmed, confirmed + dismissed),
    }
}

impl Stream {
    pub fn new(summary: &Summary, counted: &Counted, warm_up_days: u32) -> Stream {
        Stream {
            files: summary.files,
            records: summary.records,
            rejected: summary.rejects_total(),
            filtered: summary.left_out_by_name(),
            active_user_days: counted.exposure.user_days,
            warm_up_days,
            min_level: counted.counting.min_level.name().to_owned(),
        }
    }
}

impl VerdictsReport {
    /// Is what is caught counted in incidents?
    pub fn has_incidents(&self) -> bool {
        self.incidents_seen > 0
    }

    /// There are labels of confirmed sign-ins, or else of dismissed ones, and none is of a sign-in that counts.
    pub fn match_nothing(&self) -> bool {
        if self.confirmed > 0 { self.confirmed_seen == 0 } else { self.dismissed_seen == 0 }
    }

    /// `None` without labels.
    pub fn new(verdicts: &Verdicts, counted: &Counted) -> Option<VerdictsReport> {
        (!verdicts.is_empty()).then(|| VerdictsReport {
            confirmed: verdicts.confirmed_count() as u64,
            dismissed: verdicts.dismissed_count() as u64,
            confirmed_seen: counted.confirmed.len() as u64,
            incidents_seen: incidents_seen(counted, verdicts),
            dismissed_seen: counted.dismissed,
            complete: verdicts.is_complete,
            unused: verdicts.unused,
        })
    }
}

impl Report {
    pub fn new(
        stream: Stream,
        labels: Option<VerdictsReport>,
        variants: Vec<VariantReport>,
        budget: Option<f64>,
    ) -> Report {
        let pareto_front = pareto_front(&variants);
        let recommended = budget.and_then(|budget| recommended(&variants, budget));
        Report { stream, labels, variants, pareto_front, recommended, budget }
    }

    /// The variants with no more unconfirmed alerts than that.
    pub fn within(&self, budget: f64) -> impl Iterator<Item = &VariantReport> {
        let rate = |variant: &VariantReport| variant.labelled.as_ref()?.unconfirmed_rate;
        self.variants.iter().filter(move |variant| rate(variant).is_some_and(|rate| is_within(rate, budget)))
    }
}

/// Share of what is caught, and rate of unconfirmed alerts of a variant that has both.
fn measured(variant: &VariantReport) -> Option<(f64, f64)> {
    Some((variant.caught()?, variant.labelled.as_ref()?.unconfirmed_rate?))
}

/// Numbers of the variants that none beats. Of equal ones the first.
fn pareto_front(variants: &[VariantReport]) -> Vec<usize> {
    let mut by_rate: Vec<(f64, f64, usize)> = variants
        .iter()
        .filter_map(|variant| measured(variant).map(|(caught, rate)| (rate, caught, variant.number)))
        .collect();
    by_rate.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
    let mut highest = f64::NEG_INFINITY;
    by_rate.retain(|(_, caught, _)| {
        let is_higher = *caught > highest;
        highest = highest.max(*caught);
        is_higher
    });
    by_rate.into_iter().map(|(_, _, number)| number).collect()
}

/// A budget that is met exactly must not be lost to the last bit of a quotient.
fn is_within(rate: f64, budget: f64) -> bool {
    rate <= budget + 1e-9
}

/// The most caught within the budget; of equal ones that of the lowest rate, then the first.
fn recommended(variants: &[VariantReport], budget: f64) -> Option<usize> {
    let within = variants.iter().filter_map(|variant| {
        let (caught, rate) = measured(variant)?;
        is_within(rate, budget).then_some((caught, rate, variant.number))
    });
    let better = |a: &(f64, f64, usize), b: &(f64, f64, usize)| -> Ordering {
        b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2))
    };
    within.min_by(better).map(|(_, _, number)| number)
}
