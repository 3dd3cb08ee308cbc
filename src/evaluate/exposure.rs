//! How much was watched: what rates are taken of.

use serde::{Deserialize, Serialize};

/// Active user-days: pairs of a user and a UTC day on which the owner signed in with the right credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    pub user_days: u64,
}

impl Exposure {
    /// Occurrences per 1,000 active users per day; 0 when nobody was watched.
    pub fn rate(self, count: u64) -> f64 {
        if self.user_days == 0 { 0.0 } else { count as f64 * 1_000.0 / self.user_days as f64 }
    }

    /// Most occurrences whose rate is not above `per_1000`.
    pub fn allowance(self, per_1000: f64) -> u64 {
        // A budget that is met exactly must not be lost to the last bit of a quotient.
        (per_1000 * self.user_days as f64 / 1_000.0 + 1e-9).floor() as u64
    }
}
