//! Words that a key's value is one of, and what they mean to the engine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::finding::RiskLevel;
use crate::engine::policy;

/// Which suppressions apply: low = system + organisation + user, medium = system + user, high = system only.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    Low,
    Medium,
    High,
}

impl From<policy::Sensitivity> for Sensitivity {
    fn from(valid: policy::Sensitivity) -> Sensitivity {
        match valid {
            policy::Sensitivity::Low => Sensitivity::Low,
            policy::Sensitivity::Medium => Sensitivity::Medium,
            policy::Sensitivity::High => Sensitivity::High,
        }
    }
}

impl From<Sensitivity> for policy::Sensitivity {
    fn from(raw: Sensitivity) -> policy::Sensitivity {
        match raw {
            Sensitivity::Low => policy::Sensitivity::Low,
            Sensitivity::Medium => policy::Sensitivity::Medium,
            Sensitivity::High => policy::Sensitivity::High,
        }
    }
}

/// A level that a finding can have.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Low,
    Medium,
    High,
}

impl From<RiskLevel> for Level {
    fn from(valid: RiskLevel) -> Level {
        match valid {
            RiskLevel::None | RiskLevel::Low => Level::Low,
            RiskLevel::Medium => Level::Medium,
            RiskLevel::High => Level::High,
        }
    }
}

impl From<Level> for RiskLevel {
    fn from(raw: Level) -> RiskLevel {
        match raw {
            Level::Low => RiskLevel::Low,
            Level::Medium => RiskLevel::Medium,
            Level::High => RiskLevel::High,
        }
    }
}
