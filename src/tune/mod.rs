//! Many configurations over one decoded stream: what each would have raised, and what that is worth.
//!
//! A [`Plan`] says which variants there are; [`Trial`] takes what the replay of all of them gives and keeps a [`tally`] of
//! each; [`Verdicts`] say which sign-ins were an attacker's; [`Report`] holds the variants against each other. Every
//! variant has users' state of its own, so it raises what a replay under its configuration alone would.

mod journal;
mod plan;
mod report;
mod tally;
mod text;
mod trial;
mod values;
mod variant;
mod verdicts;

pub use journal::{Finished, Journal};
pub use plan::{Plan, PlanFile, VARIANTS_MAX};
pub use report::{Report, Stream, VariantReport, VerdictsReport};
pub use tally::ALERTS_MAX;
pub use text::tables;
pub use trial::{Figures, Trial};
pub use variant::{Built, Refused, Variant, build};
pub use verdicts::{Verdict, Verdicts};
