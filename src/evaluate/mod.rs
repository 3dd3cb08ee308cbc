//! Detections held against ground truth: what was caught, what was missed, what was raised in vain.
//!
//! Labels and detections are NDJSON, as `farsign simulate --labels` and `farsign replay` write them, and join by
//! `requestId`. The rules of counting:
//!
//! - An *alert* is a detection that stands: neither suppressed nor withdrawn. Of several versions the last counts.
//! - A campaign is *caught* by an alert on one of its malicious sign-ins; its level is that of the highest one.
//! - A campaign that never had a right credential gave access to nothing. It is in the total, and counted apart.
//! - What a filter leaves out ([`Cut`]) is in no figure, as if the files did not have it.
//! - An alert on a legitimate sign-in is *false*, unless it compares that with an attacker's sign-in: then it is
//!   an *echo*, which leads an analyst to the takeover but catches nothing by itself.
//!
//! [`evaluate`](evaluate()) counts one stream for `farsign demo`; a [`Pool`] takes several, with what the
//! [`mod@reference`] detectors said of the same sign-ins, and gives the [`Report`] of `farsign evaluate`. Memory grows by
//! about a hundred bytes for each label, a few hundred for each detection, and 16 for each sign-in and scoring reference.

mod calibration;
mod checks;
mod cut;
mod detection;
mod exposure;
mod false_alerts;
mod fit;
mod incidents;
mod interesting;
mod interval;
mod marks;
mod observe;
mod outcome;
mod plot;
mod point;
mod pool;
pub mod reference;
mod report;
mod spray;
mod table;
mod tally;
mod travel;
mod truth;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use cut::{Cut, Share, Unnamed};
pub use detection::{Alert, Detections, LeftOutLines};
pub use exposure::Exposure;
pub use false_alerts::{FalseAlerts, Levels, NO_CAUSE};
pub use fit::{Fit, Row};
pub use interesting::interesting;
pub use observe::{Observed, Observer};
pub use outcome::{Evaluation, FirstAlert, Outcome, Silenced, evaluate};
pub use plot::write_plots;
pub use pool::Pool;
pub use report::{Counted, Curve, Point, Report};
pub use table::tables;
pub use tally::Tally;
pub use truth::{About, AttackSignIn, Campaign, Fate, SignInKey, Truth, TruthOf};

/// Where a key is in a list that only grows.
fn intern<T>(index: &mut HashMap<String, usize>, list: &mut Vec<T>, key: &str, make: impl FnOnce() -> T) -> usize {
    if let Some(number) = index.get(key) {
        return *number;
    }
    list.push(make());
    index.insert(key.to_owned(), list.len() - 1);
    list.len() - 1
}
