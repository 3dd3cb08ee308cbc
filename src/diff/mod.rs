//! Two sets of detections held against each other: what appears, vanishes, changes level, and why.
//!
//! A detection's id is made of its sign-in and type, so the same one has the same id in both. What is compared is what
//! stands: the last version of each, neither suppressed nor withdrawn.

mod compare;
mod read;
mod report;
mod text;

pub use compare::compare;
pub use read::{Detection, Detections, Standing};
pub use report::{Change, Example, Group, Logs, Report, Settings};
pub use text::tables;
