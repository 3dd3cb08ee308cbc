//! The one place that asks the time. It measures how fast the program runs, and reaches no verdict.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "the runtime measures its own speed; the engine never asks")]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, for timestamps of metrics.
#[expect(clippy::disallowed_methods, reason = "the runtime says when something happened; the engine never asks")]
pub fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
