//! The one place that asks the time. It measures how fast the program runs, and reaches no verdict.

use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "the runtime measures its own speed; the engine never asks")]
pub fn now() -> Instant {
    Instant::now()
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
