//! `riskScore`: how often an owner is to be expected to get a detection of this score or a higher one.
//!
//! | score | false alerts per 1,000 active users per day, at this score and above |
//! |--:|--:|
//! | 40 | 5 |
//! | 65 | 1 |
//! | 85 | 0.1 |
//! | 100 | 0.001 |
//!
//! Between them the rate falls geometrically. It holds for an ordinary organisation: the simulated one that [`TABLE`] was
//! fitted on, and others of its kind within the figures of `benches/results`. Levels begin at 40 (low), 65 (medium) and
//! 85 (high), so their budgets are the table's: 5, 1, 0.1.
//!
//! Detections measure different things in different units; each level of each type is fitted apart. [`TABLE`] holds the
//! score at five places within a level, `make fit-scores` made it, and nothing else in the engine is fitted by machine.

use std::sync::LazyLock;

use crate::engine::finding::{RiskEventType, RiskLevel};

/// Places within a level at which the table has a score: the middles of fifths.
pub const KNOTS: usize = 5;

/// `detection,level,knot0…knot4`, made by `make fit-scores`.
const TABLE: &str = include_str!("scores.csv");

/// First and last score of a level.
pub fn band(level: RiskLevel) -> (u8, u8) {
    match level {
        RiskLevel::None => (0, 39),
        RiskLevel::Low => (40, 64),
        RiskLevel::Medium => (65, 84),
        RiskLevel::High => (85, 100),
    }
}

/// Scores and the rates they stand for.
const ANCHORS: [(f64, f64); 4] = [(40.0, 5.0), (65.0, 1.0), (85.0, 0.1), (100.0, 0.001)];

/// The score for which `rate` false alerts per 1,000 active users per day are expected at it and above, 40 to 100.
pub fn score_of_rate(rate: f64) -> u8 {
    let [first, .., last] = ANCHORS;
    if rate >= first.1 {
        return first.0 as u8;
    }
    let found = ANCHORS.windows(2).find(|pair| rate > pair[1].1);
    let Some([(from, high), (to, low)]) = found.map(|pair| [pair[0], pair[1]]) else { return last.0 as u8 };
    let share = libm::log(high / rate) / libm::log(high / low);
    libm::round(from + (to - from) * share) as u8
}

/// False alerts per 1,000 active users per day that are expected at a score and above.
pub fn rate_of_score(score: u8) -> f64 {
    let score = f64::from(score).clamp(40.0, 100.0);
    let found = ANCHORS.windows(2).find(|pair| score <= pair[1].0);
    let [(from, high), (to, low)] = found.map_or([ANCHORS[2], ANCHORS[3]], |pair| [pair[0], pair[1]]);
    high * libm::pow(low / high, (score - from) / (to - from))
}

/// The score of a detection of this level, 0–100; `strength` from 0 to 1 is its place within the level.
///
/// A type or level that the table does not know has its place in the level's range.
pub fn score(kind: RiskEventType, level: RiskLevel, strength: f64) -> u8 {
    let strength = strength.clamp(0.0, 1.0);
    let (first, last) = band(level);
    let fitted = FITTED.iter().find(|fitted| (fitted.kind, fitted.level) == (kind, level));
    let score = match fitted {
        Some(fitted) => between(&fitted.knots, strength),
        None => f64::from(first) + f64::from(last - first) * strength,
    };
    (libm::round(score) as u8).clamp(first, last)
}

/// The score of a level that another product stated: where the level begins. How often that product is wrong is not
/// known here, so nothing above the level itself is claimed.
pub fn stated(level: RiskLevel) -> u8 {
    band(level).0
}

fn between(knots: &[f64; KNOTS], strength: f64) -> f64 {
    let place = (strength * KNOTS as f64 - 0.5).clamp(0.0, (KNOTS - 1) as f64);
    let index = (place as usize).min(KNOTS - 2);
    knots[index] + (knots[index + 1] - knots[index]) * (place - index as f64)
}

struct Fitted {
    kind: RiskEventType,
    level: RiskLevel,
    knots: [f64; KNOTS],
}

static FITTED: LazyLock<Vec<Fitted>> = LazyLock::new(|| TABLE.lines().skip(1).filter_map(parse).collect());

fn parse(line: &str) -> Option<Fitted> {
    let mut fields = line.split(',');
    let (name, level) = (fields.next()?, fields.next()?);
    let kind = RiskEventType::ALL.into_iter().find(|kind| kind.name() == name)?;
    let levels = [RiskLevel::Low, RiskLevel::Medium, RiskLevel::High];
    let level = levels.into_iter().find(|candidate| candidate.name() == level)?;
    let mut knots = [0.0; KNOTS];
    for knot in &mut knots {
        *knot = fields.next()?.parse().ok()?;
    }
    Some(Fitted { kind, level, knots })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read_and_rises_within_its_level() {
        assert_eq!(FITTED.len(), TABLE.lines().count() - 1);
        assert!(FITTED.len() > 30, "nearly every type at every level");
        for fitted in FITTED.iter() {
            let (first, last) = band(fitted.level);
            let inside = |knot: &f64| (f64::from(first)..=f64::from(last)).contains(knot);
            assert!(fitted.knots.iter().all(inside), "{} {:?}", fitted.kind.name(), fitted.knots);
            assert!(fitted.knots.is_sorted(), "{} {:?}", fitted.kind.name(), fitted.knots);
        }
    }

    #[test]
    fn scores_rise_with_strength_and_stay_in_their_level() {
        for kind in RiskEventType::ALL {
            for level in [RiskLevel::None, RiskLevel::Low, RiskLevel::Medium, RiskLevel::High] {
                let scores: Vec<u8> =
                    (0..=100).map(|percent| score(kind, level, f64::from(percent) / 100.0)).collect();
                assert!(scores.is_sorted(), "{} {scores:?}", kind.name());
                let (first, last) = band(level);
                assert!(first <= scores[0] && scores[100] <= last, "{} {scores:?}", kind.name());
                assert_eq!(score(kind, level, -1.0), scores[0]);
                assert_eq!(score(kind, level, f64::INFINITY), scores[100]);
            }
        }
    }

    #[test]
    fn rates_and_scores_are_each_other_s_inverse() {
        for (score, rate) in ANCHORS {
            assert_eq!(score_of_rate(rate), score as u8);
            assert!((rate_of_score(score as u8) - rate).abs() < 1e-9 * rate);
        }
        for score in 40..=100 {
            assert_eq!(score_of_rate(rate_of_score(score)), score);
        }
        assert_eq!((score_of_rate(1_000.0), score_of_rate(0.0)), (40, 100));
    }
}
