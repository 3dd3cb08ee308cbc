//! The level a detection comes to, and each step that moved it: an explanation tells them, output only the end.

use arrayvec::ArrayVec;

use crate::engine::finding::RiskLevel;

/// Steps that are kept: more than any detection takes.
pub const STEPS_MAX: usize = 8;

/// What moves the level of several detections.
pub(super) const KNOWN_DEVICE: &str = "the device is the user's own";
pub(super) const STRANGE_DEVICE: &str = "the device is a stranger's";

/// Where a level was set or moved to, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub level: RiskLevel,
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    pub now: RiskLevel,
    pub steps: ArrayVec<Step, STEPS_MAX>,
}

impl Level {
    pub fn new(level: RiskLevel, reason: &'static str) -> Level {
        Level { now: level, steps: ArrayVec::from_iter([Step { level, reason }]) }
    }

    pub fn raise(&mut self, reason: &'static str) {
        self.move_to(self.now.raised(), reason);
    }

    pub fn lower(&mut self, reason: &'static str) {
        self.move_to(self.now.lowered(), reason);
    }

    pub fn keep_at_most(&mut self, most: RiskLevel, reason: &'static str) {
        self.move_to(self.now.min(most), reason);
    }

    /// A step that changes nothing is none.
    fn move_to(&mut self, level: RiskLevel, reason: &'static str) {
        if level != self.now {
            self.now = level;
            debug_assert!(!self.steps.is_full(), "a detection takes fewer steps");
            if !self.steps.is_full() {
                self.steps.push(Step { level, reason });
            }
        }
    }
}
