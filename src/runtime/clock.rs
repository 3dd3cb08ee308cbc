//! The one place that asks the time. It measures how fast the program runs, and reaches no verdict.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "the runtime measures its own speed; the engine never asks")]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, for metrics and lags; 0 when the clock is before that.
#[expect(clippy::disallowed_methods, reason = "lags are held against the time of day; the engine never asks")]
pub fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A point in time by which something must be done.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    pub fn after(timeout: Duration) -> Deadline {
        Deadline(now() + timeout)
    }

    pub fn is_over(self) -> bool {
        self.remaining().is_zero()
    }

    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(now())
    }
}
