//! What one variant raised: the last version of each detection, kept small.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::verdicts::{Verdict, Verdicts};
use crate::engine::finding::{RiskDetail, RiskEventType, RiskLevel, RiskState};
use crate::engine::hash::UserKey;
use crate::engine::out::Detection;
use crate::engine::signin::EventTime;
use crate::evaluate::SignInKey;

/// Detections of one variant that are remembered one by one. Those beyond it are counted, and no more: a variant that
/// raises so many is out of the question.
pub const ALERTS_MAX: usize = 200_000;
/// Scores are 0 to 100.
pub const SCORES: usize = 101;

/// The newest version of one detection.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Alert {
    kind: RiskEventType,
    level: RiskLevel,
    score: u8,
    /// Neither suppressed nor withdrawn.
    stands: bool,
    user: UserKey,
    /// `None`: about the user as a whole.
    sign_in: Option<SignInKey>,
    /// What the sign-in was compared with.
    reference: Option<SignInKey>,
    incident: Uuid,
    time: EventTime,
}

/// What counts as an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    pub min_level: RiskLevel,
    /// What is older was learnt from, and is not counted.
    pub from: EventTime,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    alerts: HashMap<Uuid, Alert>,
    /// Detections beyond [`ALERTS_MAX`].
    pub untracked: u64,
}

/// Alerts held against verdicts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// By score: alerts in all, on confirmed sign-ins, and on dismissed ones.
    pub alerts: Vec<u64>,
    pub confirmed: Vec<u64>,
    pub dismissed: Vec<u64>,
    /// By score: alerts on a sign-in that nobody confirmed, which was compared with one that somebody did: neither right
    /// nor wrong.
    pub echoes: Vec<u64>,
    /// By score: confirmed sign-ins and incidents whose highest alert has it.
    pub sign_ins_caught: Vec<u64>,
    pub incidents_caught: Vec<u64>,
    /// Alerts about a user as a whole.
    pub about_users: u64,
}

/// What stands in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    pub alerts: u64,
    /// Low, medium, high.
    pub by_type: BTreeMap<RiskEventType, [u64; 3]>,
    pub users: u64,
    pub incidents: u64,
}

impl Tally {
    pub fn take(&mut self, detection: &Detection) {
        let before = self.alerts.get(&detection.id);
        if before.is_none() && self.alerts.len() >= ALERTS_MAX {
            self.untracked += u64::from(!detection.is_update);
            return;
        }
        let subject = &detection.subject;
        let key = |id: &str| (!id.is_empty()).then(|| SignInKey::new(id));
        let finding = detection.finding.as_deref();
        let reference = finding.and_then(|finding| finding.evidence.reference.as_ref());
        let withdrawn =
            detection.state == RiskState::Dismissed && detection.detail == RiskDetail::AiConfirmedSigninSafe;
        let alert = Alert {
            kind: detection.kind,
            level: detection.level,
            score: detection.score,
            stands: !withdrawn && finding.is_none_or(|finding| finding.suppressed_by.is_none()),
            user: UserKey::new(&subject.tenant_id, &subject.user_id),
            sign_in: key(&subject.request_id),
            // An update of a detection so old that only its summary is kept has no evidence of its own.
            reference: reference
                .and_then(|reference| key(&reference.request_id))
                .or_else(|| before.and_then(|before| before.reference)),
            incident: detection.incident_id,
            time: detection.activity_time,
        };
        self.alerts.insert(detection.id, alert);
    }

    fn counted(&self, counting: Counting) -> impl Iterator<Item = &Alert> {
        let counts =
            move |alert: &&Alert| alert.stands && alert.level >= counting.min_level && alert.time >= counting.from;
        self.alerts.values().filter(counts)
    }

    pub fn volume(&self, counting: Counting) -> Volume {
        let (mut users, mut incidents) = (BTreeSet::new(), BTreeSet::new());
        let mut volume = Volume::default();
        for alert in self.counted(counting) {
            volume.alerts += 1;
            let by_level = volume.by_type.entry(alert.kind).or_default();
            by_level[(alert.level as usize).saturating_sub(1)] += 1;
            users.insert(alert.user);
            incidents.insert(alert.incident);
        }
        Volume { users: users.len() as u64, incidents: incidents.len() as u64, ..volume }
    }

    /// The alerts against what was said of their sign-ins.
    pub fn judge(&self, counting: Counting, verdicts: &Verdicts) -> Judged {
        let zeros = || vec![0; SCORES];
        let mut judged = Judged {
            alerts: zeros(),
            confirmed: zeros(),
            dismissed: zeros(),
            echoes: zeros(),
            sign_ins_caught: zeros(),
            incidents_caught: zeros(),
            ..Judged::default()
        };
        let (mut sign_ins, mut incidents) = (BTreeMap::new(), BTreeMap::new());
        for alert in self.counted(counting) {
            let score = usize::from(alert.score).min(SCORES - 1);
            judged.alerts[score] += 1;
            let Some(sign_in) = alert.sign_in else {
                judged.about_users += 1;
                continue;
            };
            let of = |key: SignInKey| verdicts.of(key);
            match of(sign_in) {
                Some(Verdict::Confirmed) => {
                    judged.confirmed[score] += 1;
                    raise(&mut sign_ins, sign_in, score);
                    if let Some(incident) = verdicts.incident_of(sign_in) {
                        raise(&mut incidents, incident, score);
                    }
                }
                _ if alert.reference.and_then(of) == Some(Verdict::Confirmed) => judged.echoes[score] += 1,
                Some(Verdict::Dismissed) => judged.dismissed[score] += 1,
                None => {}
            }
        }
        for score in sign_ins.into_values() {
            judged.sign_ins_caught[score] += 1;
        }
        for score in incidents.into_values() {
            judged.incidents_caught[score] += 1;
        }
        judged
    }
}

impl Judged {
    /// Alerts of this score and above that led to nothing that was confirmed.
    pub fn unconfirmed(&self, least: usize) -> u64 {
        let above = |by_score: &[u64]| by_score[least..].iter().sum::<u64>();
        above(&self.alerts) - above(&self.confirmed) - above(&self.echoes)
    }
}

fn raise<K: Ord>(highest: &mut BTreeMap<K, usize>, key: K, score: usize) {
    let highest = highest.entry(key).or_default();
    *highest = score.max(*highest);
}
