//! Several streams → one [`Report`]: campaigns and false alerts are pooled, rates are of all user-days together.

use std::collections::{BTreeMap, HashMap};

use super::calibration::Calibration;
use super::checks::Checks;
use super::false_alerts::FalseAlerts;
use super::fit::{Fit, Row};
use super::incidents::Incidents;
use super::interval::{median, rank};
use super::marks::Marks;
use super::outcome::{Silenced, level_score};
use super::point::Ground;
use super::reference;
use super::report::*;
use super::spray::{Spray, Sprays};
use super::{Campaign, Detections, Exposure, Levels, Observed, Truth, evaluate, intern, travel};
use crate::render::ImpossibleTravelName;

/// The name under which Farsign's own figures stand beside the references'.
pub const FARSIGN: &str = "Farsign";
/// False alerts per 1,000 active users per day at which scores are compared.
pub const BUDGETS: [f64; 3] = [1.0, 2.0, 5.0];
/// Budgets of the curves.
const CURVE: [f64; 10] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];
const SCORE_MAX: u8 = 100;
/// Farsign's levels, and the threshold on [`level_score`] that each is above.
const LEVELS: [(&str, f32); 3] = [("low", 0.0), ("medium", 1.0), ("high", 2.0)];

/// What was gathered so far.
#[derive(Default)]
pub struct Pool {
    input: Input,
    exposure: Option<Exposure>,
    campaigns: Vec<Campaign>,
    cause_sets: Vec<Vec<String>>,
    cause_index: HashMap<String, usize>,
    /// Alerts by level, and by score; of all types, and of impossible travel.
    levels: Marks,
    scores: Marks,
    travel: Marks,
    references: Vec<Marks>,
    false_alerts: FalseAlerts,
    silenced: BTreeMap<String, Silenced>,
    true_alerts: u64,
    echoes: u64,
    without_sign_in: u64,
    incidents: Incidents,
    sprays: Sprays,
    checks: Checks,
    failed_sign_in: Option<u64>,
    calibration: Calibration,
    fit: Fit,
}

impl Pool {
    pub fn new(warm_up_days: u32, resamples: u32) -> Pool {
        Pool { input: Input { warm_up_days, resamples, ..Input::default() }, ..Pool::default() }
    }

    /// Says how much was watched in all streams together, where no sign-ins tell.
    pub fn set_user_days(&mut self, user_days: u64) {
        self.exposure = Some(Exposure { user_days });
    }

    /// Adds a stream: either each has what was observed of its sign-ins, or none.
    pub fn add(&mut self, truth: &Truth, detections: &Detections, observed: Option<Observed>) {
        let stream = self.input.runs as u32;
        self.input.runs += 1;
        let cause_sets = self.pool_causes(truth);
        self.campaigns.extend(truth.campaigns().iter().cloned());
        let standing = || detections.standing();
        let score = |alert: &super::Alert| f32::from(alert.score);
        let travels = [ImpossibleTravelName::Mcas.name(), ImpossibleTravelName::Plain.name()];
        let of_travel = standing().filter(|alert| travels.contains(&alert.kind.as_str()));
        self.levels.append(Marks::of_alerts(truth, standing(), level_score), stream, &cause_sets);
        self.scores.append(Marks::of_alerts(truth, standing(), score), stream, &cause_sets);
        self.travel.append(Marks::of_alerts(truth, of_travel, score), stream, &cause_sets);
        self.count(truth, detections);
        if let Some(observed) = observed {
            self.observe(observed, stream, &cause_sets);
        }
    }

    fn count(&mut self, truth: &Truth, detections: &Detections) {
        let counted = evaluate(truth, detections);
        self.false_alerts.add(&counted.false_alerts);
        for (reason, silenced) in counted.silenced {
            let sum = self.silenced.entry(reason).or_default();
            sum.legitimate += silenced.legitimate;
            sum.malicious += silenced.malicious;
        }
        self.true_alerts += counted.true_alerts;
        self.echoes += counted.echoes;
        self.without_sign_in += counted.without_sign_in;
        self.incidents.add(Incidents::of(truth, detections));
        self.sprays.add(Sprays::of(truth, detections));
        self.checks.add(Checks::of(truth, detections));
        self.calibration.add(&Calibration::of(truth, detections));
        self.fit.add(truth, detections);
    }

    fn observe(&mut self, observed: Observed, stream: u32, cause_sets: &[u32]) {
        let user_days = self.exposure.unwrap_or_default().user_days + observed.exposure.user_days;
        self.exposure = Some(Exposure { user_days });
        *self.input.owner_sign_ins.get_or_insert_default() += observed.owner_sign_ins;
        *self.input.attacker_sign_ins.get_or_insert_default() += observed.attacker_sign_ins;
        *self.failed_sign_in.get_or_insert_default() += observed.detections_on_failed;
        self.references.resize_with(observed.references.len(), Marks::default);
        for (sum, marks) in self.references.iter_mut().zip(observed.references) {
            sum.append(marks, stream, cause_sets);
        }
    }

    /// The pool's number of each of the stream's sets of causes.
    fn pool_causes(&mut self, truth: &Truth) -> Vec<u32> {
        let Pool { cause_index, cause_sets, .. } = self;
        let pooled =
            |causes: &Vec<String>| intern(cause_index, cause_sets, &causes.join(","), || causes.clone()) as u32;
        truth.cause_sets().iter().map(pooled).collect()
    }

    /// The table of scores that these streams would give; `None` where nobody knows how much was watched.
    pub fn fitted_scores(&self) -> Option<Vec<Row>> {
        self.exposure.map(|exposure| self.fit.rows(exposure))
    }

    fn ground(&self) -> Ground<'_> {
        Ground {
            campaigns: &self.campaigns,
            cause_sets: &self.cause_sets,
            exposure: self.exposure,
            resamples: self.input.resamples,
        }
    }

    pub fn report(&self) -> Report {
        let ground = self.ground();
        let compared = self.exposure.filter(|_| !self.references.is_empty());
        let travel = compared.map(|exposure| {
            travel::compare(&ground, exposure, &self.travel, &self.scores, &self.references[reference::SPEED])
        });
        Report {
            input: self.input(),
            points: self.points(&ground),
            curves: self.curves(&ground),
            scores: self.scores(&ground),
            false_alerts: self.false_alerts(),
            sprays: self.sprays(),
            impossible_travel: travel.unwrap_or_default(),
            checks: ChecksReport {
                wrong_credential: self.checks.wrong_credential,
                failed_sign_in: self.failed_sign_in,
                duplicates: self.checks.duplicates,
            },
            calibration: self.calibration.rows(self.exposure),
        }
    }

    fn input(&self) -> Input {
        let count = |holds: fn(&Campaign) -> bool| self.campaigns.iter().filter(|c| holds(c)).count() as u64;
        Input {
            active_user_days: self.exposure.map(|exposure| exposure.user_days),
            campaigns: self.campaigns.len() as u64,
            campaigns_without_access: count(|campaign| !campaign.had_access()),
            campaigns_imitating: count(Campaign::imitates),
            ..self.input.clone()
        }
    }

    /// Detectors with a score, Farsign first.
    fn scorers(&self) -> impl Iterator<Item = (&'static str, &Marks)> {
        let references = reference::ALL.iter().zip(&self.references).filter(|(reference, _)| reference.is_score);
        std::iter::once((FARSIGN, &self.scores))
            .chain(references.map(|(reference, marks)| (reference.name, marks)))
    }

    fn points(&self, ground: &Ground<'_>) -> Vec<Point> {
        let levels = LEVELS.iter().map(|(at, above)| ground.point(FARSIGN, at, &self.levels, *above));
        let mut points: Vec<Point> = levels.collect();
        for (name, marks) in self.scorers() {
            let Some(exposure) = self.exposure else { break };
            let ladder = marks.ladder();
            for budget in BUDGETS {
                let threshold = ladder.threshold_within(exposure.allowance(budget));
                points.push(ground.point(name, &format!("budget {budget}"), marks, threshold));
            }
        }
        let flags = reference::ALL.iter().zip(&self.references).filter(|(reference, _)| !reference.is_score);
        let flag = |(reference, marks): (&reference::Reference, &Marks)| {
            ground.point(reference.name, "flag", marks, f32::NEG_INFINITY)
        };
        points.extend(flags.map(flag));
        points
    }

    fn curves(&self, ground: &Ground<'_>) -> Vec<Curve> {
        let Some(exposure) = self.exposure else { return Vec::new() };
        let curve = |(name, marks): (&str, &Marks)| {
            let ladder = marks.ladder();
            let point = |budget: f64| {
                let threshold = ladder.threshold_within(exposure.allowance(budget));
                let (recall, recall_without_imitating) = ground.recall(marks, threshold, |_| true);
                let false_alert_rate = exposure.rate(marks.false_alerts_at(threshold));
                CurvePoint { budget, false_alert_rate, recall, recall_without_imitating }
            };
            Curve { detector: name.to_owned(), points: CURVE.into_iter().map(point).collect() }
        };
        self.scorers().map(curve).collect()
    }

    fn scores(&self, ground: &Ground<'_>) -> Vec<ScorePoint> {
        let of = |min_score: u8| {
            let threshold = f32::from(min_score) - 0.5;
            let (hits, false_alerts) =
                (self.scores.sign_ins_hit_at(threshold), self.scores.false_alerts_at(threshold));
            ScorePoint {
                min_score,
                recall: ground.recall(&self.scores, threshold, |_| true).0,
                precision: (hits + false_alerts > 0).then(|| hits as f64 / (hits + false_alerts) as f64),
                false_alerts,
                false_alert_rate: self.exposure.map(|exposure| exposure.rate(false_alerts)),
                false_alert_share: self
                    .input
                    .owner_sign_ins
                    .filter(|sign_ins| *sign_ins > 0)
                    .map(|sign_ins| false_alerts as f64 / sign_ins as f64),
            }
        };
        let mut points: Vec<ScorePoint> = (0..=SCORE_MAX).rev().map(of).collect();
        points.retain(|point| point.precision.is_some());
        // Of scores that come to the same, the highest.
        points.dedup_by_key(|point| ScorePoint { min_score: 0, ..*point });
        points
    }

    fn counted(&self, levels: Levels) -> Counted {
        let rate = |count| self.exposure.map(|exposure| exposure.rate(count));
        let Levels { low, medium, high } = levels;
        Counted { low, medium, high, rate: rate(levels.total()), rate_high: rate(high) }
    }

    fn false_alerts(&self) -> FalseAlertsReport {
        let all = |counts: &BTreeMap<String, Levels>| {
            counts.iter().map(|(name, levels)| (name.clone(), self.counted(*levels))).collect()
        };
        let silenced = self.silenced.iter().map(|(reason, silenced)| {
            let Silenced { legitimate, malicious } = *silenced;
            (reason.clone(), SilencedReport { legitimate, malicious })
        });
        FalseAlertsReport {
            detections: self.counted(self.false_alerts.levels),
            incidents: self.counted(self.incidents.false_incidents),
            sign_ins: self.false_alerts.sign_ins,
            users: self.false_alerts.users,
            types: all(&self.false_alerts.types),
            causes: all(&self.false_alerts.causes),
            true_detections: self.true_alerts,
            true_incidents: self.incidents.attacks,
            echoes: self.echoes,
            echo_incidents: self.incidents.echoes,
            without_sign_in: self.without_sign_in,
            silenced: silenced.collect(),
        }
    }

    fn sprays(&self) -> SpraysReport {
        let Sprays { kinds, flagged, flagged_victims, flagged_attacked } = &self.sprays;
        SpraysReport {
            attacks: kinds.iter().map(|(attack, spray)| (attack.clone(), spray_report(spray))).collect(),
            flagged: *flagged,
            flagged_victims: *flagged_victims,
            flagged_attacked: *flagged_attacked,
            flagged_precision: (*flagged > 0).then(|| *flagged_victims as f64 / *flagged as f64),
        }
    }
}

fn spray_report(spray: &Spray) -> SprayReport {
    let highest = |shares: &[f64]| {
        let mut sorted = shares.to_vec();
        sorted.sort_by(f64::total_cmp);
        rank(&sorted, 1.0)
    };
    SprayReport {
        campaigns: spray.campaigns,
        targets: spray.targets,
        victims: spray.victims,
        victims_flagged: spray.victims_flagged,
        victims_alerted: spray.victims_alerted,
        campaigns_alerted: spray.tried_before.len() as u64,
        tried_before_alert_median: median(spray.tried_before.clone()),
        tried_before_alert_highest: highest(&spray.tried_before),
        entered_before_alert_median: median(spray.entered_before.clone()),
        entered_before_alert_highest: highest(&spray.entered_before),
    }
}
