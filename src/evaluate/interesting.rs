//! Which alerts are worth reading first.

use std::collections::BTreeSet;

use super::{About, Alert, Detections, Truth};

/// The alerts worth reading first: true ones of the types in `first`, in that order, then of any other; of each the
/// one of highest score, of a type and an attack that none before it has. Equal scores go by time, then id.
pub fn interesting<'a>(truth: &Truth, detections: &'a Detections, first: &[&str], count: usize) -> Vec<&'a Alert> {
    let mut candidates: Vec<(&Alert, &str)> = Vec::new();
    for alert in detections.standing() {
        if let About::Attack { campaign, .. } = truth.about(alert) {
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
