//! What a task did with a batch, counted in plain numbers and handed to the metrics at the commit.
//!
//! Counting costs one addition in the task's own memory: no atomic, no text. A batch that is not committed is not
//! counted; what the restarted task does with it is.

use std::collections::BTreeMap;

use super::labels::{DeadLetterReason, GeoResult, Label, RecordResult, SourceKind, Version};
use crate::engine::decode::{RejectReason, SkipReason};
use crate::engine::facts::Prepared;
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::out::Detection;

const SOURCES: usize = SourceKind::ALL.len();
const RESULTS: usize = RecordResult::ALL.len();
const LEVELS: usize = RiskLevel::ALL.len();

/// By type and level: new ones, and updates.
pub(super) type Detections = [[[u64; 2]; LEVELS]; RiskEventType::ALL.len()];

/// Counts since the last commit; the engine's own are in [`Counts`](crate::engine::out::Counts).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchCounts {
    pub(super) records: [[u64; RESULTS]; SOURCES],
    pub(super) rejects: [u64; RejectReason::ALL.len()],
    pub(super) skips: [u64; SkipReason::ALL.len()],
    pub(super) geo: [u64; GeoResult::ALL.len()],
    pub(super) dead_letters: [u64; DeadLetterReason::ALL.len()],
    pub(super) detections: Detections,
    /// The same of each shadow policy, by its name: at most [`SHADOW_POLICIES_MAX`](crate::engine::policy::SHADOW_POLICIES_MAX).
    pub(super) shadow_detections: BTreeMap<String, Detections>,
    pub(super) changelog_records: u64,
    pub(super) changelog_bytes: u64,
}

impl BatchCounts {
    pub fn record(&mut self, source: SourceKind, result: RecordResult) {
        self.records[source.index()][result.index()] += 1;
    }

    pub fn reject(&mut self, reason: RejectReason) {
        self.rejects[reason.index()] += 1;
    }

    pub fn skip(&mut self, reason: SkipReason) {
        self.skips[reason.index()] += 1;
    }

    /// A sign-in that was enriched.
    pub fn enriched(&mut self, prepared: &Prepared<'_>) {
        self.geo[GeoResult::of(prepared).index()] += 1;
    }

    pub fn dead_letter(&mut self, reason: DeadLetterReason) {
        self.dead_letters[reason.index()] += 1;
    }

    /// A detection that is written. One that a suppression silenced is counted by the engine.
    pub fn detection(&mut self, detection: &Detection) {
        if detection.finding.as_ref().is_some_and(|finding| finding.suppressed_by.is_some()) {
            return;
        }
        let version = if detection.is_update { Version::Update } else { Version::New };
        let detections = match &detection.shadow {
            None => &mut self.detections,
            Some(shadow) => self.shadow_detections.entry(shadow.policy.clone()).or_default(),
        };
        detections[detection.kind.index()][detection.level.index()][version.index()] += 1;
    }

    /// Records of the changelog, with the bytes of their keys and values.
    pub fn changelog(&mut self, records: u64, bytes: u64) {
        self.changelog_records += records;
        self.changelog_bytes += bytes;
    }

    /// Records that were refused, in whole or in part.
    pub fn refused_records(&self) -> u64 {
        self.records.iter().map(|results| results[RecordResult::Rejected.index()]).sum()
    }

    /// Reasons with their counts.
    pub fn skips(&self) -> impl Iterator<Item = (SkipReason, u64)> {
        SkipReason::ALL.iter().map(|reason| (*reason, self.skips[reason.index()])).filter(|(_, count)| *count > 0)
    }

    /// Reasons with their counts.
    pub fn rejects(&self) -> impl Iterator<Item = (RejectReason, u64)> {
        let all = RejectReason::ALL.iter().map(|reason| (*reason, self.rejects[reason.index()]));
        all.filter(|(_, count)| *count > 0)
    }

    /// Detections counted: new ones, and updates.
    pub fn detections(&self) -> [u64; 2] {
        total(&self.detections)
    }

    /// The same of each shadow policy.
    pub fn shadow_detections(&self) -> impl Iterator<Item = (&str, [u64; 2])> {
        self.shadow_detections.iter().map(|(policy, detections)| (policy.as_str(), total(detections)))
    }

    pub fn clear(&mut self) {
        *self = BatchCounts::default();
    }
}

fn total(detections: &Detections) -> [u64; 2] {
    let all = detections.iter().flatten();
    all.fold([0, 0], |[new, updates], [more, further]| [new + more, updates + further])
}
