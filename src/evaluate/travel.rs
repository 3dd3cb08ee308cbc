//! Farsign against the plain speed rule: false alerts at equal recall.
//!
//! The threshold is the highest at which Farsign keeps 95 % of the rule's recall; where none does, everything it raised
//! counts. Repeats are left out on both sides, so what is compared is not who repeats himself less.

use super::marks::Marks;
use super::point::Ground;
use super::report::TravelComparison;
use super::{Campaign, Exposure};

/// Part of the rule's recall that is to be kept.
const RECALL_KEPT: f64 = 0.95;
/// The kind of attack that is impossible travel by design.
pub const TRAVEL_ATTACK: &str = "impossiblePair";

/// Compares impossible travel alone and all detections, on one kind of attack and on all.
pub fn compare(
    ground: &Ground<'_>,
    exposure: Exposure,
    travel: &Marks,
    all: &Marks,
    speed: &Marks,
) -> Vec<TravelComparison> {
    let pair = |campaign: &Campaign| campaign.attack == TRAVEL_ATTACK;
    let any = |_: &Campaign| true;
    let one = |detections: &str, marks: &Marks, campaigns: &str, choose: &dyn Fn(&Campaign) -> bool| {
        comparison(ground, exposure, (detections, marks), (campaigns, choose), speed)
    };
    vec![
        one("impossible travel", travel, TRAVEL_ATTACK, &pair),
        one("all", all, TRAVEL_ATTACK, &pair),
        one("impossible travel", travel, "all", &any),
        one("all", all, "all", &any),
    ]
}

fn comparison(
    ground: &Ground<'_>,
    exposure: Exposure,
    (detections, marks): (&str, &Marks),
    (campaigns, choose): (&str, &dyn Fn(&Campaign) -> bool),
    speed: &Marks,
) -> TravelComparison {
    let recall_at = |marks: &Marks, threshold| ground.recall(marks, threshold, choose).0;
    let rule = recall_at(speed, f32::NEG_INFINITY);
    // Scores are whole numbers.
    let thresholds = (0..=100u8).rev().map(|score| f32::from(score) - 0.5);
    let found = thresholds.into_iter().find(|threshold| recall_at(marks, *threshold) >= RECALL_KEPT * rule);
    let threshold = found.unwrap_or(f32::NEG_INFINITY);
    let recall = recall_at(marks, threshold);
    let false_alerts = marks.false_alerts_at(threshold);
    let speed_rule_false_alerts = speed.false_alerts_at(f32::NEG_INFINITY);
    TravelComparison {
        detections: detections.to_owned(),
        campaigns: campaigns.to_owned(),
        above: threshold.is_finite().then_some(f64::from(threshold)),
        recall,
        speed_rule_recall: rule,
        recall_share: (rule > 0.0).then(|| recall / rule),
        false_alerts,
        speed_rule_false_alerts,
        times_fewer: speed_rule_false_alerts as f64 / false_alerts.max(1) as f64,
        speed_rule_misfire_rate: exposure.rate(speed.disturbed_user_days),
    }
}
