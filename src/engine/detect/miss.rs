//! Why a detection did not fire: only an explanation tells it, and for the stream it costs nothing.

use crate::engine::finding::RiskEventType;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Miss {
    /// The policy switches it off.
    Off,
    /// Something that it asks for does not hold.
    Lacks(&'static str),
    /// What was measured is not enough for a threshold; its key is below `detections.`.
    NotEnough { what: Measured, value: f64, key: &'static str, threshold: f64 },
    /// Another detection says it.
    SaidBy(RiskEventType),
}

/// What is held against a threshold, with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    Bits,
    Km,
    Kmh,
    /// Days since it was last seen.
    Days,
    DeniedPrompts,
}

impl Miss {
    pub fn bits(value: f64, key: &'static str, threshold: f64) -> Miss {
        Miss::NotEnough { what: Measured::Bits, value, key, threshold }
    }
}
