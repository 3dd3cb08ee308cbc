//! False alerts by `riskScore`: what a mapping of scores to rates is fitted to.

use std::collections::BTreeMap;

use super::report::CalibrationRow;
use super::{About, Detections, Exposure, Truth};

/// The row of all types together.
pub const ALL_TYPES: &str = "all";
const SCORES: usize = 101;

/// Counts by score, of each type and of sign-ins by their highest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration(BTreeMap<String, Vec<u64>>);

impl Calibration {
    pub fn of(truth: &Truth, detections: &Detections) -> Calibration {
        let mut calibration = Calibration::default();
        let mut highest: BTreeMap<&str, u8> = BTreeMap::new();
        for alert in detections.standing() {
            if let (About::Owner { .. }, Some(request)) = (truth.about(alert), &alert.request_id) {
                calibration.count(&alert.kind, alert.score);
                let score = highest.entry(request).or_default();
                *score = alert.score.max(*score);
            }
        }
        highest.values().for_each(|score| calibration.count(ALL_TYPES, *score));
        calibration
    }

    fn count(&mut self, detection: &str, score: u8) {
        let counts = self.0.entry(detection.to_owned()).or_insert_with(|| vec![0; SCORES]);
        counts[usize::from(score).min(SCORES - 1)] += 1;
    }

    pub fn add(&mut self, other: &Calibration) {
        for (detection, counts) in &other.0 {
            let sum = self.0.entry(detection.clone()).or_insert_with(|| vec![0; SCORES]);
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }

    /// One row for each score from 1 to 100, all types first: what has at least this score.
    pub fn rows(&self, exposure: Option<Exposure>) -> Vec<CalibrationRow> {
        let all = self.0.iter().filter(|(detection, _)| *detection == ALL_TYPES);
        let types = self.0.iter().filter(|(detection, _)| *detection != ALL_TYPES);
        let rows_of = |(detection, counts): (&String, &Vec<u64>)| -> Vec<CalibrationRow> {
            let row = |score: usize| {
                let false_alerts = counts[score..].iter().sum();
                CalibrationRow {
                    detection: detection.clone(),
                    risk_score: score as u8,
                    false_alerts,
                    false_alert_rate: exposure.map(|exposure| exposure.rate(false_alerts)),
                }
            };
            (1..SCORES).map(row).collect()
        };
        all.chain(types).flat_map(rows_of).collect()
    }
}
