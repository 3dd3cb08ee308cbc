//! Randomness by seed, and ids by hash.
//!
//! Every user-day, campaign and principal draws from a ChaCha stream of its own, so that one more user or one more
//! attack leaves the draws of all others as they were. Numbers are made from raw 64-bit words here, with `libm`
//! for logarithm and exponential: the same seed gives the same bytes on every machine and with every version of
//! the distribution crates.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// What a stream of random numbers is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Domain {
    Organisation = 1,
    User,
    UserDay,
    PrincipalDay,
    Campaigns,
    Campaign,
    CampaignDay,
}

/// A stream of random numbers.
pub struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64, domain: Domain, stream: u64) -> Dice {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = domain as u8;
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream);
        Dice(rng)
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in 0..n; 0 when `n` is 0.
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(n)) >> 32) as u32
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.below(u32::try_from(length).unwrap_or(u32::MAX)) as usize
    }

    /// Uniform in `from..=to`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        let span = u32::try_from(to - from + 1).unwrap_or(1);
        from + i64::from(self.below(span))
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    pub fn range(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    /// Standard normal (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    /// An index drawn by weight. The weights must not all be 0.
    pub fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.unit() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (index, weight) in weights.enumerate() {
            if weight > 0.0 {
                last = index;
                if left < weight {
                    return index;
                }
                left -= weight;
            }
        }
        last
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            let other = self.index(index + 1);
            items.swap(index, other);
        }
    }
}

/// What a made id names; keeps ids of different kinds apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum IdKind {
    User = 1,
    Request,
    Correlation,
    Session,
    Device,
    Principal,
    Tenant,
    Policy,
    Stranger,
    Secret,
}

/// A random-looking version 4 GUID: the same for the same seed, kind and key.
pub fn guid(seed: u64, kind: IdKind, key: u64) -> [u8; 16] {
    let mut input = [0u8; 9];
    input[0] = kind as u8;
    input[1..].copy_from_slice(&key.to_le_bytes());
    let mut bytes = xxh3_128_with_seed(&input, seed).to_be_bytes();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

/// 64 bits that depend on nothing but the seed, the kind and the key.
pub fn hash(seed: u64, kind: IdKind, key: u64) -> u64 {
    let bytes = guid(seed, kind, key);
    let mut low = [0u8; 8];
    low.copy_from_slice(&bytes[8..]);
    u64::from_le_bytes(low).rotate_left(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_apart_and_repeatable() {
        let draw = |seed, domain, stream| Dice::new(seed, domain, stream).word();
        assert_eq!(draw(1, Domain::User, 7), draw(1, Domain::User, 7));
        assert_ne!(draw(1, Domain::User, 7), draw(2, Domain::User, 7));
        assert_ne!(draw(1, Domain::User, 7), draw(1, Domain::User, 8));
        assert_ne!(draw(1, Domain::User, 7), draw(1, Domain::UserDay, 7));
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut dice = Dice::new(3, Domain::User, 0);
        let n = 40_000;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let normal: Vec<f64> = (0..n).map(|_| dice.normal()).collect();
        assert!(mean(&normal).abs() < 0.03);
        let squares: Vec<f64> = normal.iter().map(|x| x * x).collect();
        assert!((mean(&squares) - 1.0).abs() < 0.05);
        let exponential: Vec<f64> = (0..n).map(|_| dice.exponential(4.0)).collect();
        assert!((mean(&exponential) - 4.0).abs() < 0.15);
        let mut counts = [0u32; 3];
        for _ in 0..n {
            counts[dice.weighted([1.0, 0.0, 3.0].into_iter())] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((f64::from(counts[2]) / f64::from(n) - 0.75).abs() < 0.02);
        assert!((0..1_000).all(|_| (3..=5).contains(&dice.between(3, 5))));
    }
}
