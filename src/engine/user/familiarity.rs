//! Familiarity of one property: which values a user's baseline knows, how well, and since when.
//!
//! A bounded table of heavy hitters. A value gains a full unit on the first sign-in of a day and a sixteenth on
//! each further one, so that days of use count and not how chatty a client is. Weights halve every half-life.
//! Integer arithmetic only: the same sign-ins give the same bytes on every machine.

use arrayvec::ArrayVec;

/// One unit of weight: one day of use. Fixed point, 1/64.
pub const UNIT: u16 = 64;
/// Gain of a further sign-in on the same day.
const REPEAT: u16 = UNIT / 16;
/// History older than this says nothing (six months: Wiefling et al., TOPS 2022, found no use in more).
pub const MEMORY_DAYS: u16 = 180;

/// Days since 2000-01-01, enough until 2179.
pub type Day = u16;

/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_2000: i32 = 10_957;

/// The compact day of a unix day; clamped at both ends.
pub fn compact_day(unix_day: i32) -> Day {
    Day::try_from(unix_day.saturating_sub(EPOCH_2000).max(0)).unwrap_or(Day::MAX)
}

/// The unix day of a compact day.
pub fn unix_day(day: Day) -> i32 {
    EPOCH_2000 + i32::from(day)
}

/// Decay by whole days, precomputed for one half-life. Fixed point, 1/65536.
#[derive(Clone, Debug, PartialEq)]
pub struct Decay {
    factors: Box<[u32]>,
}

impl Decay {
    pub fn new(half_life_days: u32) -> Decay {
        let half_life = f64::from(half_life_days.max(1));
        let factors = (0..=u32::from(MEMORY_DAYS))
            .map(|days| (65_536.0 * libm::exp2(-f64::from(days) / half_life)) as u32)
            .collect();
        Decay { factors }
    }

    /// What is left of `weight` after `days`; nothing beyond [`MEMORY_DAYS`].
    pub fn apply(&self, weight: u16, days: u16) -> u16 {
        match self.factors.get(usize::from(days)) {
            Some(_) if days == 0 => weight,
            Some(factor) => ((u32::from(weight) * factor) >> 16) as u16,
            None => 0,
        }
    }
}

/// One value that the baseline knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Hash of the value, never 0.
    pub key: u32,
    /// Weight as of `last_day`.
    pub weight: u16,
    pub first_day: Day,
    pub last_day: Day,
}

/// The values of one property, at most `CAP`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Table<const CAP: usize> {
    pub entries: ArrayVec<Entry, CAP>,
}

/// What a table says of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    pub weight: u16,
    pub first_day: Day,
    pub last_day: Day,
}

impl<const CAP: usize> Table<CAP> {
    /// What the baseline knows of `key` on `day`; `None` when it never saw it or forgot it.
    pub fn get(&self, key: u32, day: Day, decay: &Decay) -> Option<Known> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let weight = decay.apply(entry.weight, day.saturating_sub(entry.last_day));
        (weight > 0).then_some(Known { weight, first_day: entry.first_day, last_day: entry.last_day })
    }

    /// Whether `key` was observed on `day` already.
    pub fn seen_on(&self, key: u32, day: Day) -> bool {
        self.entries.iter().any(|entry| entry.key == key && entry.last_day == day)
    }

    /// Sum of all weights on `day`.
    pub fn total(&self, day: Day, decay: &Decay) -> u32 {
        self.entries
            .iter()
            .map(|entry| u32::from(decay.apply(entry.weight, day.saturating_sub(entry.last_day))))
            .sum()
    }

    /// Learns `key` on `day`. When full, the value with the least weight left is forgotten.
    pub fn observe(&mut self, key: u32, day: Day, decay: &Decay) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.key == key) {
            if day > entry.last_day {
                entry.weight = decay.apply(entry.weight, day - entry.last_day).saturating_add(UNIT);
                entry.last_day = day;
            } else {
                entry.weight = entry.weight.saturating_add(REPEAT);
            }
            return;
        }
        if self.entries.is_full() {
            self.evict(day, decay);
        }
        self.entries.push(Entry { key, weight: UNIT, first_day: day, last_day: day });
    }

    fn evict(&mut self, day: Day, decay: &Decay) {
        let least = self
            .entries
            .iter()
            .enumerate()
            .min_by_key(|(_, entry)| {
                let left = decay.apply(entry.weight, day.saturating_sub(entry.last_day));
                (left, entry.last_day, entry.key)
            })
            .map(|(index, _)| index);
        if let Some(index) = least {
            self.entries.remove(index);
        }
    }
}

/// When in the week a user signs in: three-hour cells of the day (UTC), working days and weekend apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rhythm {
    pub cells: [u8; Rhythm::CELLS],
}

impl Rhythm {
    pub const CELLS: usize = 16;

    /// The cell of an hour of the week (0 = Monday 00:00 UTC).
    pub fn cell(hour_of_week: u8) -> usize {
        let weekend = usize::from(hour_of_week >= 120);
        weekend * 8 + usize::from(hour_of_week % 24) / 3
    }

    pub fn observe(&mut self, hour_of_week: u8) {
        let cell = Rhythm::cell(hour_of_week);
        if self.cells[cell] == u8::MAX {
            self.cells.iter_mut().for_each(|count| *count /= 2);
        }
        self.cells[cell] += 1;
    }

    /// Smoothed probability of the cell: its own count and half of its neighbours', plus one everywhere.
    pub fn probability(&self, hour_of_week: u8) -> f64 {
        let smoothed = |cell: usize| {
            let half = cell / 8 * 8;
            let before = half + (cell + 7) % 8;
            let after = half + (cell + 1) % 8;
            f64::from(self.cells[cell])
                + 0.5 * (f64::from(self.cells[before]) + f64::from(self.cells[after]))
                + 1.0
        };
        let total: f64 = (0..Rhythm::CELLS).map(smoothed).sum();
        smoothed(Rhythm::cell(hour_of_week)) / total
    }

    pub fn total(&self) -> u32 {
        self.cells.iter().map(|count| u32::from(*count)).sum()
    }
}

/// How often something new happens to this user, as hits in trials; halves both when full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rate {
    pub hits: u8,
    pub trials: u8,
}

impl Rate {
    pub fn observe(&mut self, hit: bool) {
        if self.trials == u8::MAX {
            self.trials /= 2;
            self.hits /= 2;
        }
        self.trials += 1;
        self.hits += u8::from(hit);
    }

    /// Posterior mean under a prior rate worth `weight` trials.
    pub fn mean(self, prior: f64, weight: f64) -> f64 {
        (f64::from(self.hits) + prior * weight) / (f64::from(self.trials) + weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_counts_days_of_use_and_halves() {
        let decay = Decay::new(30);
        let mut table = Table::<4>::default();
        for _ in 0..10 {
            table.observe(7, 100, &decay);
        }
        assert_eq!(table.get(7, 100, &decay).map(|k| k.weight), Some(UNIT + 9 * REPEAT));
        table.observe(7, 101, &decay);
        assert!(table.get(7, 101, &decay).is_some_and(|k| k.weight > 2 * UNIT));
        let at_131 = table.get(7, 131, &decay).map(|k| k.weight);
        let at_101 = table.get(7, 101, &decay).map(|k| k.weight / 2);
        assert_eq!(at_131, at_101);
        assert_eq!(table.get(7, 101 + MEMORY_DAYS + 1, &decay), None);
        assert_eq!(table.get(8, 101, &decay), None);
    }

    #[test]
    fn a_full_table_forgets_the_lightest() {
        let decay = Decay::new(30);
        let mut table = Table::<3>::default();
        for (key, days) in [(1, 3), (2, 1), (3, 2)] {
            for day in 0..days {
                table.observe(key, 100 + day, &decay);
            }
        }
        table.observe(4, 103, &decay);
        let keys: Vec<u32> = table.entries.iter().map(|entry| entry.key).collect();
        assert_eq!(keys, [1, 3, 4]);
    }

    #[test]
    fn rhythm_prefers_the_hours_it_saw() {
        let mut rhythm = Rhythm::default();
        for _ in 0..1_000 {
            rhythm.observe(9);
        }
        assert!(rhythm.probability(10) > 0.2);
        assert!(rhythm.probability(3 * 24) < 0.1);
        assert!(rhythm.total() <= u32::from(u8::MAX));
        let sum: f64 =
            (0..8).flat_map(|cell| [cell * 3, 120 + cell * 3]).map(|hour| rhythm.probability(hour)).sum();
        assert!((sum - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_rate_starts_at_its_prior_and_follows_the_user() {
        let mut rate = Rate::default();
        assert!((rate.mean(0.2, 10.0) - 0.2).abs() < 1e-12);
        for _ in 0..1_000 {
            rate.observe(false);
        }
        assert!(rate.mean(0.2, 10.0) < 0.02);
    }
}
