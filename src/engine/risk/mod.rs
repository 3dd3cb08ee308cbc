//! Risk that stands: open detections of a user, and what feedback makes of them.
//!
//! Transitions are Graph's: dismiss, confirm safe, confirm compromised, remediated. Each also decides what the
//! quarantined sign-ins behind the risk may teach. What it comes to for the user as a whole is in [`user`].

pub mod incident;
pub mod score;
pub mod upstream;
pub mod user;

use super::finding::{RiskDetail, RiskEventType, RiskLevel, RiskState};
use super::signin::{EventTime, FeedbackAction};
use super::user::familiarity::{Decay, compact_day};
use super::user::shadow::{SHADOW_RISKS_MAX, ShadowFile, ShadowJudged};
use super::user::tail::{Judged, TailFeedback};
use super::user::{OpenRisk, Properties, Quarantined, RequestId, UserState};
use crate::engine::facts::Facts;
use incident::Incident;

/// Id of what a shadow policy found, by its name. [`detection_id`] is that of the live policy's detection of the same kind.
pub fn shadow_detection_id(tenant_id: &str, request_id: &str, kind: RiskEventType, policy: &str) -> uuid::Uuid {
    let namespace = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, b"farsign.shadow-detection");
    let name = format!("{tenant_id}\u{1f}{request_id}\u{1f}{}\u{1f}{}\u{1f}{policy}", kind.name(), kind.version());
    uuid::Uuid::new_v5(&namespace, name.as_bytes())
}

/// Namespace of detection ids: UUIDv5 of "farsign.risk-detection" under the DNS namespace. `source`: the other product
/// that found it, if one did, so that its finding and ours about one sign-in have ids of their own.
pub fn detection_id(tenant_id: &str, request_id: &str, kind: RiskEventType, source: Option<&str>) -> uuid::Uuid {
    let namespace = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, b"farsign.risk-detection");
    // Unit separators keep the parts apart: ids hold no control characters.
    let mut name = format!("{tenant_id}\u{1f}{request_id}\u{1f}{}\u{1f}{}", kind.name(), kind.version());
    if let Some(source) = source {
        name.push('\u{1f}');
        name.push_str(source);
    }
    uuid::Uuid::new_v5(&namespace, name.as_bytes())
}

/// What an analyst confirmed is no matter of likelihood.
pub const CONFIRMED_SCORE: u8 = 100;

/// A transition that feedback made.
#[derive(Clone, Debug, PartialEq)]
pub struct Transitioned {
    pub risk: OpenRisk,
}

/// The detection that a user was confirmed compromised, as it stands from then on.
fn confirmation(feedback: &TailFeedback) -> OpenRisk {
    OpenRisk {
        kind: RiskEventType::AdminConfirmedUserCompromised,
        level: RiskLevel::High,
        score: CONFIRMED_SCORE,
        state: RiskState::ConfirmedCompromised,
        detail: RiskDetail::AdminConfirmedUserCompromised,
        event: feedback.event,
        request_id: RequestId::new(&confirmation_id(feedback)),
        time: feedback.time,
        properties: Properties::default(),
        session_hash: 0,
        incident: Incident { began: feedback.time, event: feedback.event },
        reported: None,
    }
}

/// Stands for a sign-in's id in the id of a detection about a user.
pub fn confirmation_id(feedback: &TailFeedback) -> String {
    format!("{:016x}", feedback.event)
}

/// What a feedback does: the new state and detail, and the fate of quarantined sign-ins.
struct Effect {
    state: RiskState,
    detail: RiskDetail,
    teaches: bool,
    compromised: bool,
}

fn effect(action: FeedbackAction, about_sign_in: bool) -> Effect {
    let (state, detail, teaches, compromised) = match (action, about_sign_in) {
        (FeedbackAction::ConfirmSafe, true) => {
            (RiskState::ConfirmedSafe, RiskDetail::AdminConfirmedSigninSafe, true, false)
        }
        (FeedbackAction::ConfirmSafe, false) => {
            (RiskState::ConfirmedSafe, RiskDetail::AdminConfirmedAccountSafe, true, false)
        }
        (FeedbackAction::ConfirmCompromised, true) => {
            (RiskState::ConfirmedCompromised, RiskDetail::AdminConfirmedSigninCompromised, false, true)
        }
        (FeedbackAction::ConfirmCompromised, false) => {
            (RiskState::ConfirmedCompromised, RiskDetail::AdminConfirmedUserCompromised, false, true)
        }
        (FeedbackAction::Dismiss, true) => {
            (RiskState::Dismissed, RiskDetail::AdminDismissedRiskForSignIn, true, false)
        }
        (FeedbackAction::Dismiss, false) => {
            (RiskState::Dismissed, RiskDetail::AdminDismissedAllRiskForUser, true, false)
        }
        // Who passes MFA in a sign-in has shown to be the owner there. Without a sign-in named, the owner passed it
        // somewhere: that ends the risk, and says nothing of the risky sign-in's network.
        (FeedbackAction::PassedMfa, named) => {
            (RiskState::Remediated, RiskDetail::UserPassedMfaDrivenByRiskBasedPolicy, named, false)
        }
        // A changed password ends the risk but does not say that the risky sign-in was the owner's: it must not
        // teach, or the intruder's network would be the owner's from then on.
        (FeedbackAction::PasswordChanged, _) => {
            (RiskState::Remediated, RiskDetail::UserPerformedSecuredPasswordChange, false, true)
        }
    };
    Effect { state, detail, teaches, compromised }
}

fn opened(facts: &Facts, request_id: &str, finding: &Judged) -> OpenRisk {
    OpenRisk {
        kind: finding.kind,
        level: finding.level,
        score: finding.score,
        state: RiskState::AtRisk,
        detail: RiskDetail::None,
        event: facts.event,
        request_id: RequestId::new(request_id),
        time: facts.time,
        properties: Properties::of(facts),
        session_hash: facts.session_hash,
        incident: finding.incident,
        reported: None,
    }
}

/// What a feedback makes of open risks; gives those it changed.
fn transition(open: &mut [OpenRisk], feedback: &TailFeedback, effect: &Effect) -> Vec<Transitioned> {
    let mut changed = Vec::new();
    for risk in open {
        let concerned = feedback.about == 0 || risk.event == feedback.about;
        let closed = matches!(risk.state, RiskState::ConfirmedSafe | RiskState::Dismissed | RiskState::Remediated);
        // A sign-in can be confirmed after its user's risk was dismissed; nothing else reopens.
        let allowed = !closed || (feedback.about != 0 && feedback.action != FeedbackAction::Dismiss);
        if concerned && allowed && (risk.state, risk.detail) != (effect.state, effect.detail) {
            risk.state = effect.state;
            risk.detail = effect.detail;
            if effect.compromised && effect.state == RiskState::ConfirmedCompromised {
                risk.level = RiskLevel::High;
                risk.score = CONFIRMED_SCORE;
            }
            changed.push(Transitioned { risk: risk.clone() });
        }
    }
    changed
}

impl UserState {
    /// Risks that we found, or were told of by feedback: those with a sign-in's properties.
    pub fn own_risks(&self) -> impl DoubleEndedIterator<Item = &OpenRisk> {
        self.open.iter().filter(|risk| risk.reported.is_none())
    }

    /// What stands by the live policy, or was found by the shadow policy with this key.
    pub fn risks_of(&self, shadow: Option<u64>) -> &[OpenRisk] {
        match shadow {
            None => &self.open,
            Some(key) => self.shadows.iter().find(|file| file.key == key).map_or(&[], |file| &file.open),
        }
    }

    /// Opens the risks of a sign-in that was just judged.
    pub fn open_risks(&mut self, facts: &Facts, request_id: &str, judged: &[Judged]) {
        for finding in judged.iter().filter(|finding| finding.suppressed_by.is_none()) {
            self.push_risk(opened(facts, request_id, finding));
        }
    }

    /// The same for shadow policies.
    pub fn open_shadow_risks(&mut self, facts: &Facts, request_id: &str, found: &[ShadowJudged]) {
        for ShadowJudged { key, judged } in found.iter().filter(|found| found.judged.suppressed_by.is_none()) {
            let place = self.shadows.partition_point(|file| file.key < *key);
            if self.shadows.get(place).is_none_or(|file| file.key != *key) {
                self.shadows.insert(place, ShadowFile { key: *key, open: Vec::new() });
            }
            let open = &mut self.shadows[place].open;
            if open.len() >= SHADOW_RISKS_MAX {
                open.remove(0);
            }
            open.push(opened(facts, request_id, judged));
        }
    }

    /// Folds one feedback in; gives the open risks it changed.
    pub fn apply_feedback(&mut self, feedback: &TailFeedback, decay: &Decay) -> Vec<Transitioned> {
        self.note(feedback.time, feedback.event);
        let effect = effect(feedback.action, feedback.about != 0);
        self.release(feedback, &effect, decay);
        let changed = transition(&mut self.open, feedback, &effect);
        for file in &mut self.shadows {
            transition(&mut file.open, feedback, &effect);
        }
        if !changed.is_empty()
            && let Some(file) = &mut self.risk_file
        {
            file.closed_as = (effect.state, effect.detail);
        }
        if feedback.action == FeedbackAction::ConfirmCompromised && feedback.about == 0 {
            self.push_risk(confirmation(feedback));
        }
        changed
    }

    /// Decides what quarantined sign-ins may teach after a feedback.
    fn release(&mut self, feedback: &TailFeedback, effect: &Effect, decay: &Decay) {
        // The same stranger is quarantined once; feedback about any of his sign-ins is about all of them.
        let about = self.own_risks().find(|risk| risk.event == feedback.about).map(|risk| risk.properties);
        let mut index = 0;
        while index < self.quarantine.len() {
            let held = &mut self.quarantine[index];
            let concerned = feedback.about == 0
                || held.event == feedback.about
                || about.is_some_and(|properties| held.properties.same_context(&properties));
            if concerned && effect.compromised {
                held.compromised = true;
            }
            // Confirmed safe by its own id, a sign-in is the owner's, whatever was assumed of it before.
            let confirmed = feedback.action == FeedbackAction::ConfirmSafe && held.event == feedback.about;
            if concerned && effect.teaches && (!held.compromised || confirmed) {
                let held = self.quarantine.remove(index);
                self.baseline.observe(&held.properties, compact_day(held.time.day()), decay);
            } else {
                index += 1;
            }
        }
        if effect.teaches {
            self.accept_visitors(feedback, decay);
        }
    }

    /// What stood at low was held back by nothing but probation; a client confirmed compromised stays where it is.
    fn accept_visitors(&mut self, feedback: &TailFeedback, decay: &Decay) {
        let concerned = |risk: &&OpenRisk| feedback.about == 0 || risk.event == feedback.about;
        let said: Vec<(Properties, EventTime)> =
            self.own_risks().filter(concerned).map(|risk| (risk.properties, risk.time)).collect();
        for (properties, time) in said {
            let compromised = |held: &Quarantined| held.compromised && held.properties.same_client(&properties);
            if !self.quarantine.iter().any(compromised) {
                self.accept_visitor(&properties, time, decay);
            }
        }
    }
}
