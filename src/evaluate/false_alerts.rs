//! Alerts on legitimate sign-ins, counted by level, type and benign cause.

use std::collections::BTreeMap;

use super::Alert;
use crate::engine::finding::RiskLevel;

/// The word for a legitimate sign-in with nothing odd about it.
pub const NO_CAUSE: &str = "none";

/// Counts by level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    pub low: u64,
    pub medium: u64,
    pub high: u64,
}

impl Levels {
    pub(super) fn count(&mut self, level: RiskLevel) {
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

    pub(super) fn add(&mut self, other: Levels) {
        self.low += other.low;
        self.medium += other.medium;
        self.high += other.high;
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

impl FalseAlerts {
    pub(super) fn count(&mut self, alert: &Alert, causes: &[String]) {
        self.levels.count(alert.level);
        self.types.entry(alert.kind.clone()).or_default().count(alert.level);
        for cause in words(causes) {
            self.causes.entry(cause.to_owned()).or_default().count(alert.level);
        }
    }

    /// Adds those of another stream.
    pub(super) fn add(&mut self, other: &FalseAlerts) {
        for (kind, levels) in &other.types {
            self.types.entry(kind.clone()).or_default().add(*levels);
        }
        for (cause, levels) in &other.causes {
            self.causes.entry(cause.clone()).or_default().add(*levels);
        }
        self.levels.add(other.levels);
        self.sign_ins += other.sign_ins;
        self.users += other.users;
    }
}

/// The causes, or [`NO_CAUSE`].
pub(super) fn words(causes: &[String]) -> impl Iterator<Item = &str> {
    let none = causes.is_empty().then_some(NO_CAUSE);
    causes.iter().map(String::as_str).chain(none)
}
