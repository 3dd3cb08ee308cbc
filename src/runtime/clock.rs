//! The one place that asks the time. It measures how fast the program runs, and reaches no verdict.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "the runtime measures its own speed; the engine never asks")]
pub fn now() -> Instant {
    Instant::now()
}
