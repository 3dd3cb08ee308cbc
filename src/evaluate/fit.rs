//! Detections of known truth → the table that scores are looked up in (`src/engine/risk/scores.csv`).
//!
//! A detection is known by type, level and a fifth of the level (its `strength`). What is fitted is an order: the fifths of
//! all types of one level, by how many campaigns a false alert buys there; within a type a stronger fifth never counts as
//! worse (pool-adjacent-violators). Counting false alerts down that order gives each fifth its rate, and the rate its
//! score ([`score_of_rate`]). Levels are not fitted: their thresholds are configuration.

use std::collections::{BTreeMap, BTreeSet};

use super::{About, Campaign, Detections, Exposure, Truth};
use crate::engine::finding::RiskLevel;
use crate::engine::risk::score::{KNOTS, band, score_of_rate};
use crate::render::ImpossibleTravelName;

/// One type at one level.
type Rung = (String, RiskLevel);

#[derive(Clone, Debug, Default)]
struct Fifth {
    /// Campaigns with such a detection: stream and number.
    campaigns: BTreeSet<(usize, usize)>,
    /// Legitimate sign-ins with one: stream and line.
    false_alerts: BTreeSet<(usize, String)>,
}

/// What several streams together say.
#[derive(Clone, Debug, Default)]
pub struct Fit {
    streams: usize,
    rungs: BTreeMap<Rung, [Fifth; KNOTS]>,
    /// Kinds of the campaigns, by stream and number.
    attacks: BTreeMap<(usize, usize), String>,
}

/// The scores of one type at one level.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub detection: String,
    pub level: RiskLevel,
    pub knots: [u8; KNOTS],
}

/// One fifth in the order.
struct Place<'a> {
    rung: &'a Rung,
    knot: usize,
    fifth: &'a Fifth,
    /// Share of what is found here that is a campaign.
    precision: f64,
}

impl Fit {
    /// Adds a stream.
    pub fn add(&mut self, truth: &Truth, detections: &Detections) {
        let stream = self.streams;
        self.streams += 1;
        for (number, campaign) in truth.campaigns().iter().enumerate().filter(|(_, c)| Campaign::had_access(c)) {
            self.attacks.insert((stream, number), campaign.attack.clone());
        }
        for alert in detections.standing() {
            let Some((level, strength)) = alert.graded.filter(|(level, _)| *level != RiskLevel::None) else {
                continue;
            };
            // The one type with two spellings.
            let is_travel = alert.kind == ImpossibleTravelName::Plain.name();
            let kind = if is_travel { ImpossibleTravelName::Mcas.name() } else { &alert.kind };
            let knot = ((strength * KNOTS as f64) as usize).min(KNOTS - 1);
            let fifth = &mut self.rungs.entry((kind.to_owned(), level)).or_default()[knot];
            match truth.about(alert) {
                About::Attack { campaign, .. } => {
                    fifth.campaigns.insert((stream, campaign));
                }
                About::Owner { .. } => {
                    let request = alert.request_id.clone().unwrap_or_default();
                    fifth.false_alerts.insert((stream, request));
                }
                About::Echo | About::NoSignIn | About::LeftOut => {}
            }
        }
    }

    /// The table, by type and level; `exposure` is of all streams.
    pub fn rows(&self, exposure: Exposure) -> Vec<Row> {
        let mut scores: BTreeMap<&Rung, [u8; KNOTS]> = BTreeMap::new();
        let mut counted: BTreeSet<&(usize, String)> = BTreeSet::new();
        let precisions = self.precisions();
        for level in [RiskLevel::High, RiskLevel::Medium, RiskLevel::Low] {
            let mut places = self.places(level, &precisions);
            places.sort_by(|a, b| {
                b.precision.total_cmp(&a.precision).then(a.rung.cmp(b.rung)).then(b.knot.cmp(&a.knot))
            });
            let (first, last) = band(level);
            for place in places {
                let before = counted.len();
                counted.extend(&place.fifth.false_alerts);
                // The middle of the fifth; and never surer than half a false alert in all that was watched.
                let count = ((before + counted.len()) as f64 / 2.0).max(0.5);
                let rate = count * 1_000.0 / exposure.user_days.max(1) as f64;
                scores.entry(place.rung).or_default()[place.knot] = score_of_rate(rate).clamp(first, last);
            }
        }
        let row = |((detection, level), knots): (&Rung, [u8; KNOTS])| Row {
            detection: detection.clone(),
            level: *level,
            knots: rising(knots),
        };
        scores.into_iter().map(row).collect()
    }

    /// Every fifth with where it is.
    fn fifths(&self) -> impl Iterator<Item = (&Rung, usize, &Fifth)> {
        self.rungs
            .iter()
            .flat_map(|(rung, fifths)| fifths.iter().enumerate().map(move |(knot, fifth)| (rung, knot, fifth)))
    }

    fn places(&self, level: RiskLevel, precisions: &BTreeMap<(&Rung, usize), f64>) -> Vec<Place<'_>> {
        self.fifths()
            .filter(|(rung, ..)| rung.1 == level)
            .map(|(rung, knot, fifth)| Place { rung, knot, fifth, precision: precisions[&(rung, knot)] })
            .collect()
    }

    /// Of every fifth, kinds of attack weighted equally; rising within a type.
    fn precisions(&self) -> BTreeMap<(&Rung, usize), f64> {
        let weights = self.weights();
        let usual = self.usual(&weights);
        let mut precisions = BTreeMap::new();
        let kinds: BTreeSet<&String> = self.rungs.keys().map(|(detection, _)| detection).collect();
        for kind in kinds {
            let mut places: Vec<_> = self.fifths().filter(|(rung, ..)| rung.0 == *kind).collect();
            places.sort_by_key(|(rung, knot, _)| (rung.1 as u8, *knot));
            let counts = places.iter().map(|(rung, _, fifth)| {
                let usual = usual[&rung.1];
                let Count { caught, missed } = Count::of(fifth, &weights);
                Count { caught: caught + USUAL_WEIGHT * usual, missed: missed + USUAL_WEIGHT * (1.0 - usual) }
            });
            let fitted = pooled(&counts.collect::<Vec<_>>());
            precisions.extend(places.iter().zip(fitted).map(|((rung, knot, _), share)| ((*rung, *knot), share)));
        }
        precisions
    }

    /// The precision of each level, all types together: what is taken of a fifth of which little is known.
    fn usual(&self, weights: &BTreeMap<(usize, usize), f64>) -> BTreeMap<RiskLevel, f64> {
        let mut sums: BTreeMap<RiskLevel, Count> = BTreeMap::new();
        for (rung, _, fifth) in self.fifths() {
            let sum = sums.entry(rung.1).or_default();
            *sum = sum.with(Count::of(fifth, weights));
        }
        sums.into_iter().map(|(level, sum)| (level, sum.share())).collect()
    }

    /// How much each campaign counts: as many of each kind as there are on average.
    fn weights(&self) -> BTreeMap<(usize, usize), f64> {
        let mut sizes: BTreeMap<&String, usize> = BTreeMap::new();
        self.attacks.values().for_each(|attack| *sizes.entry(attack).or_default() += 1);
        let average = self.attacks.len() as f64 / sizes.len().max(1) as f64;
        self.attacks.iter().map(|(campaign, attack)| (*campaign, average / sizes[attack] as f64)).collect()
    }
}

/// What was found in a place: campaigns, and legitimate sign-ins.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    caught: f64,
    missed: f64,
}

/// How many observations the level's usual precision is worth beside what a fifth itself shows.
const USUAL_WEIGHT: f64 = 3.0;

impl Count {
    fn of(fifth: &Fifth, weights: &BTreeMap<(usize, usize), f64>) -> Count {
        let caught = fifth.campaigns.iter().filter_map(|campaign| weights.get(campaign)).sum();
        Count { caught, missed: fifth.false_alerts.len() as f64 }
    }

    fn with(self, other: Count) -> Count {
        Count { caught: self.caught + other.caught, missed: self.missed + other.missed }
    }

    /// Of the campaigns; one half of nothing.
    fn share(self) -> f64 {
        let sum = self.caught + self.missed;
        if sum > 0.0 { self.caught / sum } else { 0.5 }
    }
}

/// Shares, made to rise by pooling neighbours.
fn pooled(counts: &[Count]) -> Vec<f64> {
    let mut blocks: Vec<(Count, usize)> = Vec::new();
    for count in counts {
        let mut block = (*count, 1);
        while let Some(before) = blocks.last().copied().filter(|before| before.0.share() > block.0.share()) {
            blocks.pop();
            block = (before.0.with(block.0), before.1 + block.1);
        }
        blocks.push(block);
    }
    blocks.into_iter().flat_map(|(count, length)| std::iter::repeat_n(count.share(), length)).collect()
}

/// Equal precisions are ordered by name: within a type the stronger fifth must not come out lower.
fn rising(mut knots: [u8; KNOTS]) -> [u8; KNOTS] {
    for index in 1..KNOTS {
        knots[index] = knots[index].max(knots[index - 1]);
    }
    knots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_fall_are_pooled() {
        let count = |caught, missed| Count { caught, missed };
        let shares = pooled(&[count(0.0, 8.0), count(6.0, 2.0), count(2.0, 6.0), count(30.0, 0.0)]);
        assert_eq!(shares, [0.0, 0.5, 0.5, 1.0], "8 of 16 in the middle");
    }
}
