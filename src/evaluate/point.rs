//! One detector at one threshold, measured over pooled campaigns.

use std::collections::BTreeMap;

use super::false_alerts::words;
use super::interval::{self, Estimate, median, rank, resample};
use super::marks::Marks;
use super::outcome::FirstAlert;
use super::report::{AttackPoint, Point, TimeToDetect};
use super::{Campaign, Exposure};

/// What measurements are made over.
pub struct Ground<'a> {
    pub campaigns: &'a [Campaign],
    pub cause_sets: &'a [Vec<String>],
    pub exposure: Option<Exposure>,
    pub resamples: u32,
}

/// A campaign at one threshold.
struct Seen {
    imitates: bool,
    first_alert: Option<FirstAlert>,
}

/// Shares of campaigns caught, kinds weighted equally, and without imitating campaigns.
pub struct Recalls {
    pub all: Option<Estimate>,
    pub without_imitating: Option<Estimate>,
}

impl Ground<'_> {
    /// Measures a detector at a threshold.
    pub fn point(&self, detector: &str, at: &str, marks: &Marks, threshold: f32) -> Point {
        let kinds = self.seen(marks, threshold, |_| true);
        let recalls = self.recalls(&kinds, self.resamples);
        let false_alerts = marks.false_alerts_at(threshold);
        let hits = marks.sign_ins_hit_at(threshold);
        let first: Vec<FirstAlert> = kinds.values().flatten().filter_map(|seen| seen.first_alert).collect();
        Point {
            detector: detector.to_owned(),
            at: at.to_owned(),
            above: threshold.is_finite().then_some(f64::from(threshold)),
            false_alerts,
            false_alert_rate: self.exposure.map(|exposure| marks.rate_at(threshold, exposure)),
            causes: self.causes(marks, threshold),
            recall: recalls.all,
            recall_without_imitating: recalls.without_imitating,
            precision: (hits + false_alerts > 0).then(|| hits as f64 / (hits + false_alerts) as f64),
            time_to_detect: time_to_detect(&first),
            attacks: self.attacks(&kinds),
        }
    }

    /// Recall without intervals, over the campaigns chosen.
    pub fn recall(&self, marks: &Marks, threshold: f32, choose: impl Fn(&Campaign) -> bool) -> (f64, f64) {
        let recalls = self.recalls(&self.seen(marks, threshold, choose), 0);
        let value = |estimate: Option<Estimate>| estimate.map_or(0.0, |estimate| estimate.value);
        (value(recalls.all), value(recalls.without_imitating))
    }

    /// Campaigns that had access, by kind of attack.
    fn seen<'a>(
        &'a self,
        marks: &Marks,
        threshold: f32,
        choose: impl Fn(&Campaign) -> bool,
    ) -> BTreeMap<&'a str, Vec<Seen>> {
        let mut kinds: BTreeMap<&str, Vec<Seen>> = BTreeMap::new();
        for (campaign, hits) in self.campaigns.iter().zip(&marks.hits) {
            if campaign.had_access() && choose(campaign) {
                let first_alert = FirstAlert::of(campaign, hits, threshold);
                kinds
                    .entry(&campaign.attack)
                    .or_default()
                    .push(Seen { imitates: campaign.imitates(), first_alert });
            }
        }
        kinds
    }

    fn recalls(&self, kinds: &BTreeMap<&str, Vec<Seen>>, resamples: u32) -> Recalls {
        let mean = |with_imitating: bool| {
            let shares = kinds.values().zip(0u64..).filter_map(|(seen, stream)| {
                let chosen = seen.iter().filter(|seen| with_imitating || !seen.imitates);
                let caught: Vec<bool> = chosen.map(|seen| seen.first_alert.is_some()).collect();
                (!caught.is_empty()).then(|| resample(&caught, stream, resamples))
            });
            interval::mean(&shares.collect::<Vec<_>>())
        };
        Recalls { all: mean(true), without_imitating: mean(false) }
    }

    fn attacks(&self, kinds: &BTreeMap<&str, Vec<Seen>>) -> BTreeMap<String, AttackPoint> {
        let measured = kinds.iter().zip(0u64..).map(|((attack, seen), stream)| {
            let caught: Vec<bool> = seen.iter().map(|seen| seen.first_alert.is_some()).collect();
            let (share, draws) = resample(&caught, stream, self.resamples);
            let first: Vec<FirstAlert> = seen.iter().filter_map(|seen| seen.first_alert).collect();
            let genuine = || seen.iter().filter(|seen| !seen.imitates);
            let point = AttackPoint {
                campaigns: seen.len() as u64,
                caught: first.len() as u64,
                recall: interval::estimate(share, draws),
                campaigns_without_imitating: genuine().count() as u64,
                caught_without_imitating: genuine().filter(|seen| seen.first_alert.is_some()).count() as u64,
                time_to_detect: time_to_detect(&first),
            };
            ((*attack).to_owned(), point)
        });
        measured.collect()
    }

    fn causes(&self, marks: &Marks, threshold: f32) -> BTreeMap<String, u64> {
        let mut causes = BTreeMap::new();
        for found in marks.false_alerts.iter().filter(|found| found.counts_at(threshold)) {
            for word in words(&self.cause_sets[found.cause_set as usize]) {
                *causes.entry(word.to_owned()).or_default() += 1;
            }
        }
        causes
    }
}

fn time_to_detect(first: &[FirstAlert]) -> TimeToDetect {
    let sorted = |value: fn(&FirstAlert) -> f64| {
        let mut values: Vec<f64> = first.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let sign_ins = sorted(|first| first.sign_in as f64);
    let minutes = sorted(|first| first.after_s / 60.0);
    TimeToDetect {
        sign_ins_p95: rank(&sign_ins, 0.95),
        sign_ins_median: median(sign_ins),
        minutes_p95: rank(&minutes, 0.95),
        minutes_median: median(minutes),
    }
}
