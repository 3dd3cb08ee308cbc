//! What one detector said, as scores: false alerts and caught campaigns at any threshold.
//!
//! A threshold is exclusive: what scores above it is an alert. A false alert is a legitimate sign-in, with its
//! highest score. Where repeats are left out it counts only from the score of the earlier alert that it repeats
//! (`FalseAlert::above`): with a higher threshold that one would not have been raised, and this one is the first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::interval::{self, Estimate};
use super::{About, Alert, Exposure, SignInKey, Truth};
use crate::engine::signin::EventTime;

/// An alert on a malicious sign-in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Index among the campaign's sign-ins.
    pub sign_in: u32,
    pub score: f32,
    pub detected_time: EventTime,
}

/// A legitimate sign-in that is an alert at thresholds from `above` to below `score`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FalseAlert {
    pub above: f32,
    pub score: f32,
    /// Index among the pooled sets of causes.
    pub cause_set: u32,
    /// Whose it was, hashed.
    pub user: u32,
}

/// 32 bits of an account's hash: enough to tell who has several false alerts.
pub fn user_hash(user_id: &str) -> u32 {
    xxhash_rust::xxh3::xxh3_64(user_id.as_bytes()) as u32
}

impl FalseAlert {
    pub fn counts_at(&self, threshold: f32) -> bool {
        self.above <= threshold && threshold < self.score
    }
}

/// One detector's alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    /// By campaign.
    pub hits: Vec<Vec<Hit>>,
    pub false_alerts: Vec<FalseAlert>,
    /// Legitimate sign-ins compared with an attacker's.
    pub echoes: u64,
    /// Pairs of a user and a UTC day with a false alert at the lowest threshold; repeats do not matter here.
    pub disturbed_user_days: u64,
}

impl Marks {
    pub fn of_campaigns(count: usize) -> Marks {
        Marks { hits: vec![Vec::new(); count], ..Marks::default() }
    }

    /// Those of alerts; each alert has the score that `score` gives it.
    pub fn of_alerts<'a>(
        truth: &Truth,
        alerts: impl Iterator<Item = &'a Alert>,
        score: impl Fn(&Alert) -> f32,
    ) -> Marks {
        let mut marks = Marks::of_campaigns(truth.campaigns().len());
        let mut index: HashMap<SignInKey, usize> = HashMap::new();
        let mut disturbed = BTreeSet::new();
        for alert in alerts {
            let (score, detected_time) = (score(alert), alert.detected_time.max(alert.time));
            match truth.about(alert) {
                About::NoSignIn | About::LeftOut => {}
                About::Attack { campaign, sign_in } => {
                    marks.hits[campaign].push(Hit { sign_in: sign_in as u32, score, detected_time });
                }
                About::Echo => marks.echoes += 1,
                About::Owner { cause_set, .. } => {
                    let key = SignInKey::new(alert.request_id.as_deref().unwrap_or_default());
                    let at = *index.entry(key).or_insert(marks.false_alerts.len());
                    let found = FalseAlert {
                        above: f32::NEG_INFINITY,
                        score,
                        cause_set: cause_set as u32,
                        user: user_hash(&alert.user_id),
                    };
                    match marks.false_alerts.get_mut(at) {
                        Some(known) => known.score = known.score.max(score),
                        None => marks.false_alerts.push(found),
                    }
                    disturbed.insert((alert.user_id.as_str(), alert.time.day()));
                }
            }
        }
        marks.disturbed_user_days = disturbed.len() as u64;
        marks
    }

    /// Adds those of the stream of this number, whose sets of causes have these numbers in the pool.
    pub fn append(&mut self, other: Marks, stream: u32, cause_sets: &[u32]) {
        self.hits.extend(other.hits);
        let pooled = |found: FalseAlert| FalseAlert {
            cause_set: cause_sets[found.cause_set as usize],
            // The same account in another stream is another one.
            user: found.user.wrapping_add(stream.wrapping_mul(0x9E37_79B9)),
            ..found
        };
        self.false_alerts.extend(other.false_alerts.into_iter().map(pooled));
        self.echoes += other.echoes;
        self.disturbed_user_days += other.disturbed_user_days;
    }

    pub fn false_alerts_at(&self, threshold: f32) -> u64 {
        self.false_alerts.iter().filter(|found| found.counts_at(threshold)).count() as u64
    }

    /// Rate of false alerts; it varies as users with several of them come and go.
    pub fn rate_at(&self, threshold: f32, exposure: Exposure) -> Estimate {
        let mut of_users: BTreeMap<u32, u64> = BTreeMap::new();
        for found in self.false_alerts.iter().filter(|found| found.counts_at(threshold)) {
            *of_users.entry(found.user).or_default() += 1;
        }
        interval::rate(of_users.values().copied(), exposure)
    }

    /// Distinct malicious sign-ins with an alert.
    pub fn sign_ins_hit_at(&self, threshold: f32) -> u64 {
        let of_campaign = |hits: &Vec<Hit>| {
            let above = hits.iter().filter(|hit| hit.score > threshold).map(|hit| hit.sign_in);
            above.collect::<BTreeSet<u32>>().len() as u64
        };
        self.hits.iter().map(of_campaign).sum()
    }

    pub fn ladder(&self) -> Ladder {
        Ladder::new(&self.false_alerts)
    }
}

/// False alerts by threshold, from the highest score down.
pub struct Ladder {
    /// A score, and the most false alerts that any threshold down to just below it gives.
    rungs: Vec<(f32, u64)>,
}

impl Ladder {
    fn new(false_alerts: &[FalseAlert]) -> Ladder {
        let raised = false_alerts.iter().map(|found| (found.score, 1i64));
        let repeated = false_alerts.iter().map(|found| (found.above, -1i64));
        let mut borders: Vec<(f32, i64)> = raised.chain(repeated).filter(|(at, _)| at.is_finite()).collect();
        borders.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut count, mut most) = (0i64, 0i64);
        let mut rungs = Vec::new();
        for group in borders.chunk_by(|a, b| a.0 == b.0) {
            count += group.iter().map(|(_, change)| change).sum::<i64>();
            most = most.max(count);
            rungs.push((group[0].0, most.unsigned_abs()));
        }
        Ladder { rungs }
    }

    /// The lowest threshold with at most `allowed` false alerts, there and at every higher one. Alerts of equal score
    /// stand or fall together.
    pub fn threshold_within(&self, allowed: u64) -> f32 {
        let beyond = self.rungs.partition_point(|(_, most)| *most <= allowed);
        self.rungs.get(beyond).map_or(f32::NEG_INFINITY, |(score, _)| *score)
    }
}
