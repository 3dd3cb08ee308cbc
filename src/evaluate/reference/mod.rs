//! Reference detectors: what Farsign is to be better than, over the same stream.
//!
//! Each is a pure function of the [`History`] before a sign-in and its facts. They judge every sign-in whose credential
//! was right, and learn from successes only, in order of event time; none of them has a learning period or a
//! suppression but [`Repeats`](repeats::Repeats). Nothing in them is fitted.

pub mod freeman;
pub mod history;
pub mod likelihood;
pub mod novelty;
pub mod repeats;
pub mod speed;

#[cfg(test)]
mod tests;

pub use history::History;

use super::SignInKey;
use crate::engine::facts::Facts;
use crate::engine::hash::UserKey;

/// What a reference says of one sign-in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    pub score: f64,
    /// The sign-in it was compared with.
    pub reference: Option<SignInKey>,
}

impl Judgement {
    fn of(score: f64) -> Judgement {
        Judgement { score, reference: None }
    }
}

/// One reference detector.
pub struct Reference {
    pub name: &'static str,
    /// True for one that gives a score to every sign-in; the others say yes (1) or nothing.
    pub is_score: bool,
    pub judge: fn(&History, UserKey, &Facts) -> Option<Judgement>,
}

/// Index of the plain speed rule in [`ALL`].
pub const SPEED: usize = 0;

pub const ALL: [Reference; 5] = [
    Reference { name: "haversine > 900 km/h", is_score: false, judge: speed::judge },
    Reference { name: "new country", is_score: false, judge: novelty::new_country },
    Reference { name: "new country, ASN or browser", is_score: false, judge: novelty::new_anything },
    Reference { name: "Freeman", is_score: true, judge: freeman::judge },
    Reference { name: "likelihood ratios + rarity", is_score: true, judge: likelihood::judge },
];
