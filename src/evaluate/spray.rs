//! Attacks on many accounts at once: who was hit, who was flagged, and how early.
//!
//! A *target* is an account that the campaign tried, a *victim* one for which it had a right credential. An account is
//! *flagged* by a `passwordSpray` alert. Only campaigns with a victim count: the others gave nothing to alert on.

use std::collections::{BTreeMap, BTreeSet};

use super::marks::{Hit, Marks};
use super::outcome::level_score;
use super::{About, Campaign, Detections, Truth};
use crate::engine::finding::RiskEventType;
use crate::engine::signin::EventTime;

/// Kinds of attack that try many accounts.
pub const BROAD_ATTACKS: [&str; 5] =
    ["passwordSpray", "credentialStuffing", "spraySingleSource", "sprayFingerprint", "sprayLowAndSlow"];

/// One kind of attack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spray {
    pub campaigns: u64,
    pub targets: u64,
    pub victims: u64,
    /// Victims with a `passwordSpray` alert on one of the attacker's sign-ins, and with any alert on one.
    pub victims_flagged: u64,
    pub victims_alerted: u64,
    /// Of each campaign with an alert: targets tried, and victims entered, before the first one, as shares of all targets.
    pub tried_before: Vec<f64>,
    pub entered_before: Vec<f64>,
}

/// All that is said of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sprays {
    pub kinds: BTreeMap<String, Spray>,
    /// Accounts with a `passwordSpray` alert, and those of them that were victims.
    pub flagged: u64,
    pub flagged_victims: u64,
    /// And those that were victims of any attack: who uses a spray's tool or address later on is rarely a stranger to it.
    pub flagged_attacked: u64,
}

impl Sprays {
    pub fn of(truth: &Truth, detections: &Detections) -> Sprays {
        let mut sprays = Sprays::default();
        let spray_name = RiskEventType::PasswordSpray.name();
        let of_type = || detections.standing().filter(|alert| alert.kind == spray_name);
        let any = Marks::of_alerts(truth, detections.standing(), level_score);
        let flags = Marks::of_alerts(truth, of_type(), level_score);
        let mut victims_all: BTreeSet<&str> = BTreeSet::new();
        for (number, campaign) in truth.campaigns().iter().enumerate() {
            if !BROAD_ATTACKS.contains(&campaign.attack.as_str()) || !campaign.had_access() {
                continue;
            }
            let spray = sprays.kinds.entry(campaign.attack.clone()).or_default();
            spray.count(campaign, &any.hits[number], &flags.hits[number]);
            victims_all.extend(campaign.right().map(|sign_in| sign_in.user_id.as_str()));
        }
        let counted = |alert: &&super::Alert| !matches!(truth.about(alert), About::LeftOut | About::NoSignIn);
        let flagged: BTreeSet<&str> = of_type().filter(counted).map(|alert| alert.user_id.as_str()).collect();
        sprays.flagged = flagged.len() as u64;
        sprays.flagged_victims = flagged.intersection(&victims_all).count() as u64;
        let attacked: BTreeSet<&str> = truth
            .campaigns()
            .iter()
            .flat_map(|campaign| campaign.right().map(|sign_in| sign_in.user_id.as_str()))
            .collect();
        sprays.flagged_attacked = flagged.intersection(&attacked).count() as u64;
        sprays
    }

    pub fn add(&mut self, other: Sprays) {
        for (kind, spray) in other.kinds {
            self.kinds.entry(kind).or_default().add(spray);
        }
        self.flagged += other.flagged;
        self.flagged_victims += other.flagged_victims;
        self.flagged_attacked += other.flagged_attacked;
    }
}

impl Spray {
    fn count(&mut self, campaign: &Campaign, any: &[Hit], flags: &[Hit]) {
        let users = |hits: &[Hit]| -> BTreeSet<&str> {
            let sign_ins = hits.iter().map(|hit| &campaign.sign_ins[hit.sign_in as usize]);
            sign_ins.filter(|sign_in| sign_in.credential_right).map(|sign_in| sign_in.user_id.as_str()).collect()
        };
        let before = |end: EventTime, right_only: bool| -> BTreeSet<&str> {
            let before = campaign.sign_ins.iter().filter(|sign_in| sign_in.time < end);
            before.filter(|sign_in| sign_in.credential_right || !right_only).map(|s| s.user_id.as_str()).collect()
        };
        let ever = EventTime(i64::MAX);
        let targets = before(ever, false).len();
        self.campaigns += 1;
        self.targets += targets as u64;
        self.victims += before(ever, true).len() as u64;
        self.victims_flagged += users(flags).len() as u64;
        self.victims_alerted += users(any).len() as u64;
        if let Some(first) = any.iter().map(|hit| hit.detected_time).min() {
            self.tried_before.push(before(first, false).len() as f64 / targets as f64);
            self.entered_before.push(before(first, true).len() as f64 / targets as f64);
        }
    }

    fn add(&mut self, other: Spray) {
        self.campaigns += other.campaigns;
        self.targets += other.targets;
        self.victims += other.victims;
        self.victims_flagged += other.victims_flagged;
        self.victims_alerted += other.victims_alerted;
        self.tried_before.extend(other.tried_before);
        self.entered_before.extend(other.entered_before);
    }
}
