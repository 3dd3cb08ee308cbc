//! Risks that other products found, among a user's open detections.
//!
//! One rule, by the order of events and never by that of arrival. Our own detection about a sign-in stands whatever
//! others say of it. An upstream finding stands beside it, under its product's name, unless a detection of the same
//! type about the same sign-in stood already at its level or above, or was closed: then it is no news. Whoever found
//! it, one type about one sign-in counts once in the user's risk.

use super::incident::Incident;
use super::{CONFIRMED_SCORE, score};
use crate::engine::finding::{RiskDetail, RiskEventType, RiskLevel, RiskState};
use crate::engine::out::Source;
use crate::engine::policy::Policy;
use crate::engine::signin::EventTime;
use crate::engine::user::tail::TailFinding;
use crate::engine::user::{OpenRisk, Properties, RequestId, UserState};

/// What is remembered of a risk that another product found, beside what is of every risk.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// The product, as Graph's `source` names it.
    pub source: Box<str>,
    /// Hash of the own id of the finding that gave it: a second delivery is known by it.
    pub event: u64,
    pub activity_time: EventTime,
    pub is_about_user: bool,
}

impl OpenRisk {
    /// The product that found it; `None` for our own.
    pub fn upstream(&self) -> Option<&str> {
        self.reported.as_ref().map(|reported| reported.source.as_ref())
    }

    pub fn source(&self) -> Source {
        self.upstream().map_or(Source::Farsign, |name| Source::Upstream(name.into()))
    }

    pub fn activity_time(&self) -> EventTime {
        self.reported.as_ref().map_or(self.time, |reported| reported.activity_time)
    }

    pub fn is_about_user(&self) -> bool {
        let reported = self.reported.as_ref().is_some_and(|reported| reported.is_about_user);
        reported || self.kind == RiskEventType::AdminConfirmedUserCompromised
    }

    /// At risk or confirmed compromised.
    pub fn is_open(&self) -> bool {
        matches!(self.state, RiskState::AtRisk | RiskState::ConfirmedCompromised)
    }

    /// The same type about the same sign-in, whoever found it.
    pub fn is_same(&self, event: u64, kind: RiskEventType) -> bool {
        (self.event, self.kind) == (event, kind)
    }
}

impl TailFinding {
    /// What the finding is worth: as stated, and the highest once the product's administrator confirmed it.
    pub fn standing_level(&self) -> RiskLevel {
        if self.is_confirmed { RiskLevel::High } else { self.level }
    }

    pub fn score(&self) -> u8 {
        if self.is_confirmed { CONFIRMED_SCORE } else { score::stated(self.level) }
    }

    fn standing_state(&self) -> (RiskState, RiskDetail) {
        match (self.is_confirmed, self.is_about_user) {
            (false, _) => (RiskState::AtRisk, RiskDetail::None),
            (true, true) => (RiskState::ConfirmedCompromised, RiskDetail::AdminConfirmedUserCompromised),
            (true, false) => (RiskState::ConfirmedCompromised, RiskDetail::AdminConfirmedSigninCompromised),
        }
    }

    /// Is it the very detection that this risk stands for?
    pub fn is_of(&self, risk: &OpenRisk) -> bool {
        risk.is_same(self.about, self.kind) && risk.upstream() == Some(&self.source)
    }

    /// Does the finding say no more than this risk of its type and sign-in?
    fn is_known_by(&self, risk: &OpenRisk) -> bool {
        let confirms = self.is_confirmed && risk.state == RiskState::AtRisk;
        !risk.is_open() || (risk.level >= self.standing_level() && !confirms)
    }
}

impl UserState {
    /// The risk that makes the finding no news.
    pub fn known_as(&self, finding: &TailFinding) -> Option<&OpenRisk> {
        self.open.iter().find(|risk| risk.is_same(finding.about, finding.kind) && finding.is_known_by(risk))
    }

    /// Does a risk stand of the upstream finding with this hash of its own id?
    pub fn reports(&self, event: u64) -> bool {
        self.open.iter().any(|risk| risk.reported.as_ref().is_some_and(|reported| reported.event == event))
    }

    /// Did another product find a risk of medium or above at this sign-in, which stands?
    pub fn is_reported(&self, event: u64) -> bool {
        self.open.iter().any(|risk| {
            let about_sign_in = risk.reported.as_ref().is_some_and(|reported| !reported.is_about_user);
            about_sign_in && risk.event == event && risk.level >= RiskLevel::Medium && risk.is_open()
        })
    }

    /// The incident that the finding belongs to: the oldest near it with a detection about the same sign-in or address,
    /// which nobody said to be harmless; else one of its own.
    pub fn incident_of_finding(&self, finding: &TailFinding, policy: &Policy) -> Incident {
        let window_s = f64::from(policy.incident.window_hours) * 3_600.0;
        let belongs = |risk: &&OpenRisk| {
            let harmless = matches!(risk.state, RiskState::Dismissed | RiskState::ConfirmedSafe);
            let near = libm::fabs(finding.activity_time.seconds_since(risk.incident.began)) <= window_s;
            let same_address = finding.address_hash != 0 && risk.properties.address == finding.address_hash;
            !harmless && near && (risk.event == finding.about || same_address)
        };
        let oldest = self.open.iter().filter(belongs).map(|risk| risk.incident).min();
        oldest.unwrap_or(Incident { began: finding.activity_time, event: finding.about })
    }

    /// Folds one upstream finding in, after its verdict: opens its risk, or raises it where the same product said less
    /// before. It teaches nothing.
    pub fn take_in_finding(&mut self, finding: &TailFinding) {
        self.note(finding.time, finding.event);
        let Some(judged) = finding.judged.filter(|judged| judged.suppressed_by.is_none()) else { return };
        let (state, detail) = finding.standing_state();
        if let Some(risk) = self.open.iter_mut().find(|risk| finding.is_of(risk)) {
            (risk.level, risk.score, risk.state, risk.detail) = (judged.level, judged.score, state, detail);
        } else {
            self.push_risk(OpenRisk {
                kind: finding.kind,
                level: judged.level,
                score: judged.score,
                state,
                detail,
                event: finding.about,
                request_id: RequestId::new(&finding.request_id),
                time: finding.time,
                // No client: no visit of ours is ever taken for the same.
                properties: Properties {
                    address: finding.address_hash,
                    asn: finding.asn,
                    ..Properties::default()
                },
                session_hash: 0,
                incident: judged.incident,
                reported: Some(Box::new(Reported {
                    source: finding.source.clone(),
                    event: finding.event,
                    activity_time: finding.activity_time,
                    is_about_user: finding.is_about_user,
                })),
            });
        }
        if finding.is_confirmed {
            // Confirmed compromised, whoever says so, a sign-in never teaches.
            self.quarantine.iter_mut().filter(|held| held.event == finding.about).for_each(|held| {
                held.compromised = true;
            });
        }
    }
}
