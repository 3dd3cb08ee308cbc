//! Alerts grouped into incidents: what an analyst opens, each with all its reasons.
//!
//! Alerts with one `farsign.incidentId` are one incident; an alert without is one by itself. An incident is true when
//! any of its alerts is on a malicious sign-in, an echo when the others of it are echoes, else false. Its level is
//! that of its highest alert.

use std::collections::BTreeMap;

use super::false_alerts::Levels;
use super::{About, Detections, Truth};
use crate::engine::finding::RiskLevel;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Incidents {
    /// With an alert on a malicious sign-in.
    pub attacks: u64,
    pub echoes: u64,
    /// On legitimate sign-ins only, by level.
    pub false_incidents: Levels,
}

/// What an incident is worth, ascending: the highest of its alerts decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    False,
    Echo,
    Attack,
}

impl Incidents {
    pub fn of(truth: &Truth, detections: &Detections) -> Incidents {
        let mut incidents: BTreeMap<&str, (Worth, RiskLevel)> = BTreeMap::new();
        for alert in detections.standing() {
            let worth = match truth.about(alert) {
                About::NoSignIn | About::LeftOut => continue,
                About::Attack { .. } => Worth::Attack,
                About::Echo => Worth::Echo,
                About::Owner { .. } => Worth::False,
            };
            let key = alert.incident_id.as_deref().unwrap_or(&alert.id);
            let found = incidents.entry(key).or_insert((worth, alert.level));
            *found = (found.0.max(worth), found.1.max(alert.level));
        }
        let mut counted = Incidents::default();
        for (worth, level) in incidents.values() {
            match worth {
                Worth::Attack => counted.attacks += 1,
                Worth::Echo => counted.echoes += 1,
                Worth::False => counted.false_incidents.count(*level),
            }
        }
        counted
    }

    pub fn add(&mut self, other: Incidents) {
        self.attacks += other.attacks;
        self.echoes += other.echoes;
        self.false_incidents.add(other.false_incidents);
    }
}
