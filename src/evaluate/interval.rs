//! Shares of campaigns with 95 % intervals, by bootstrap over campaigns; rates of false alerts with theirs.
//!
//! Campaigns are drawn with replacement within their kind of attack, so that every kind keeps its weight. The draws come
//! from a fixed seed and depend on the number of campaigns only: all detectors are measured on the same draws.
//! What is not in a share's interval: how much the false alerts vary, and with them the threshold of a budget.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use schemars::JsonSchema;
use serde::Serialize;

use super::Exposure;

const SEED: u64 = 20_260_302;
/// What lies outside of an interval on each side.
const TAIL: f64 = 0.025;

/// A share (0 to 1) or a rate, and where it lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// The share of `caught`, and its value in each of `resamples` draws. The empty share is 0.
pub fn resample(caught: &[bool], stream: u64, resamples: u32) -> (f64, Vec<f64>) {
    let count = caught.len();
    if count == 0 {
        return (0.0, vec![0.0; resamples as usize]);
    }
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    random.set_stream(stream);
    let mut draw = || ((u64::from(random.next_u32()) * count as u64) >> 32) as usize;
    let share = |hits: usize| hits as f64 / count as f64;
    let draws = (0..resamples).map(|_| share((0..count).filter(|_| caught[draw()]).count())).collect();
    (share(caught.iter().filter(|caught| **caught).count()), draws)
}

/// The value with the middle 95 % of its draws; without draws both ends are the value.
pub fn estimate(value: f64, mut draws: Vec<f64>) -> Estimate {
    draws.sort_by(f64::total_cmp);
    let at = |share: f64| rank(&draws, share).unwrap_or(value);
    Estimate { value, low: at(TAIL), high: at(1.0 - TAIL) }
}

/// The mean of several shares, each with as many draws.
pub fn mean(shares: &[(f64, Vec<f64>)]) -> Option<Estimate> {
    let count = shares.len() as f64;
    let (_, first) = shares.first()?;
    let value = shares.iter().map(|(value, _)| value).sum::<f64>() / count;
    let of_draw = |draw: usize| shares.iter().map(|(_, draws)| draws[draw]).sum::<f64>() / count;
    Some(estimate(value, (0..first.len()).map(of_draw).collect()))
}

/// A rate, of how often it happened to each user to whom it did. A user's occurrences come together, so they vary as their
/// squares; of none at all, no more than three could be overlooked.
pub fn rate(of_users: impl Iterator<Item = u64>, exposure: Exposure) -> Estimate {
    let (count, squares) =
        of_users.fold((0.0, 0.0), |(count, squares), n| (count + n as f64, squares + (n * n) as f64));
    let per = exposure.rate(1);
    let spread = 1.96 * libm::sqrt(squares);
    let high = if count > 0.0 { count + spread } else { 3.0 };
    Estimate { value: count * per, low: (count - spread).max(0.0) * per, high: high * per }
}

/// The smallest of sorted values that at least this share of them does not exceed (nearest rank).
pub fn rank(sorted: &[f64], share: f64) -> Option<f64> {
    let position = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(position.max(1) - 1).copied()
}

/// The middle value, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    if values.len() % 2 == 1 { Some(*upper) } else { Some((values[middle - 1] + upper) / 2.0) }
}
