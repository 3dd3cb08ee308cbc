//! (a finding or a transition, its sign-in) → the detection that goes out, and its place in the counts.
//!
//! The id is of the tenant, the sign-in and the kind, so every later version of a detection replaces the one before.
//! What is suppressed goes out only where it is asked for, and is counted in any case. Which findings go out, and
//! which are withdrawn, is decided in [`super::record`].

use super::record::Bench;
use super::tail::{Judged, SignInText, TailFeedback};
use super::{OpenRisk, UserState};
use crate::engine::facts::Facts;
use crate::engine::finding::{Finding, RiskDetail, RiskEventType, RiskLevel, RiskState};
use crate::engine::out::{Counts, Detection, Out, Subject};
use crate::engine::risk::incident::{Incident, incident_id};
use crate::engine::risk::{CONFIRMED_SCORE, Transitioned, confirmation_id, detection_id};
use crate::engine::signin::{EventTime, FeedbackAction};

/// Confirming a whole user compromised is a detection of its own. `standing` is what became of it since, and when.
pub(super) fn emit_confirmation(
    feedback: &TailFeedback,
    standing: Option<(&OpenRisk, EventTime)>,
    bench: &Bench<'_>,
    out: &mut Out,
) {
    if feedback.action != FeedbackAction::ConfirmCompromised || feedback.about != 0 {
        return;
    }
    let kind = RiskEventType::AdminConfirmedUserCompromised;
    let (state, detail, updated_time) = match standing {
        Some((risk, since)) => (risk.state, risk.detail, since),
        None => (RiskState::ConfirmedCompromised, RiskDetail::AdminConfirmedUserCompromised, feedback.time),
    };
    let incident = Incident { began: feedback.time, event: feedback.event };
    out.counts.detections[kind as usize - 1][RiskLevel::High as usize - 1] += 1;
    out.detections.push(Detection {
        id: detection_id(bench.judge.tenant_id, &confirmation_id(feedback), kind),
        state,
        detail,
        activity_time: feedback.time,
        detected_time: feedback.time,
        updated_time,
        kind,
        level: RiskLevel::High,
        score: CONFIRMED_SCORE,
        subject: user_subject(bench),
        finding: None,
        position: bench.position,
        is_update: false,
        incident_id: incident_id(bench.judge.tenant_id, incident),
    });
}

/// A detection about the user as a whole has no sign-in.
fn user_subject(bench: &Bench<'_>) -> Subject {
    Subject {
        tenant_id: bench.judge.tenant_id.to_owned(),
        user_id: bench.judge.user_id.to_owned(),
        ..Subject::default()
    }
}

pub(super) fn transition(
    transitioned: &Transitioned,
    time: EventTime,
    subject: Subject,
    bench: &Bench<'_>,
) -> Detection {
    let risk = &transitioned.risk;
    Detection {
        id: detection_id(bench.judge.tenant_id, &risk.request_id.to_string(), risk.kind),
        state: risk.state,
        detail: risk.detail,
        activity_time: risk.time,
        detected_time: risk.time,
        updated_time: time.max(risk.time),
        kind: risk.kind,
        level: risk.level,
        score: risk.score,
        subject,
        finding: None,
        position: bench.position,
        is_update: true,
        incident_id: incident_id(bench.judge.tenant_id, risk.incident),
    }
}

/// All that is known of a sign-in that settled long ago.
pub(super) fn summary_subject(transitioned: &Transitioned, bench: &Bench<'_>) -> Subject {
    let risk = &transitioned.risk;
    if risk.kind == RiskEventType::AdminConfirmedUserCompromised {
        return user_subject(bench);
    }
    Subject { request_id: risk.request_id.to_string(), ..user_subject(bench) }
}

/// The sign-in a finding is about, and how its detection stands.
pub(super) struct Origin<'a> {
    pub(super) facts: &'a Facts,
    pub(super) text: &'a SignInText<'a>,
    pub(super) standing: Standing,
    /// When it came to be known as it stands.
    pub(super) known: EventTime,
}

/// How a detection of the tail stands: what was judged, and what feedback made of it since.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    pub(super) event: u64,
    pub(super) judged: Judged,
    pub(super) state: RiskState,
    pub(super) detail: RiskDetail,
    pub(super) level: RiskLevel,
    pub(super) score: u8,
}

impl Standing {
    pub(super) fn new(event: u64, judged: &Judged) -> Standing {
        let state = if judged.suppressed_by.is_some() { RiskState::None } else { RiskState::AtRisk };
        let (level, score) = (judged.level, judged.score);
        Standing { event, judged: *judged, state, detail: RiskDetail::None, level, score }
    }

    pub(super) fn of(state: &UserState, event: u64, judged: &Judged) -> Standing {
        let standing = Standing::new(event, judged);
        match state.open.iter().find(|risk| risk.event == event && risk.kind == judged.kind) {
            Some(risk) if judged.suppressed_by.is_none() => Standing {
                state: risk.state,
                detail: risk.detail,
                level: risk.level,
                score: risk.score,
                ..standing
            },
            _ => standing,
        }
    }
}

pub(super) fn count_finding(counts: &mut Counts, judged: &Judged, change: i64) {
    let kind = judged.kind as usize - 1;
    let cell = match (judged.suppressed_by, judged.level) {
        (Some(reason), _) => &mut counts.suppressions[kind][reason as usize],
        (None, RiskLevel::None) => return,
        (None, level) => &mut counts.detections[kind][level as usize - 1],
    };
    // A withdrawal may be counted in a later step than what it takes back: sums are exact modulo 2^64.
    *cell = cell.wrapping_add_signed(change);
}

pub(super) fn emit(origin: Origin<'_>, finding: Finding, bench: &Bench<'_>, is_update: bool, out: &mut Out) {
    if finding.suppressed_by.is_some() && !bench.emit_suppressed {
        return;
    }
    let Origin { facts, text, standing, known } = origin;
    // What others' attempts tell is known when they do, whenever and however often it is looked at.
    let told = finding.evidence.attack.as_ref().map(|found| found.recognised().max(facts.time));
    let known = told.unwrap_or(known);
    out.detections.push(Detection {
        id: detection_id(bench.judge.tenant_id, text.request_id, finding.kind),
        state: standing.state,
        detail: standing.detail,
        activity_time: facts.time,
        detected_time: told.unwrap_or(if is_update { facts.time } else { known }),
        updated_time: known,
        kind: finding.kind,
        level: standing.level,
        score: standing.score,
        subject: subject(bench, text, facts),
        position: bench.position,
        is_update,
        incident_id: incident_id(bench.judge.tenant_id, finding.incident),
        finding: Some(Box::new(finding)),
    });
}

pub(super) fn subject(bench: &Bench<'_>, text: &SignInText<'_>, facts: &Facts) -> Subject {
    Subject {
        tenant_id: bench.judge.tenant_id.to_owned(),
        user_id: bench.judge.user_id.to_owned(),
        user_principal_name: text.user_principal_name.to_owned(),
        user_display_name: text.user_display_name.to_owned(),
        request_id: text.request_id.to_owned(),
        correlation_id: text.correlation_id.to_owned(),
        session_id: text.session_id.to_owned(),
        user_agent: text.user_agent.to_owned(),
        app_display_name: text.app_display_name.to_owned(),
        resource_display_name: text.resource_display_name.to_owned(),
        client_app_used: text.client_app_used.to_owned(),
        device_id: text.device_id.to_owned(),
        device_display_name: text.device_display_name.to_owned(),
        token_issuer_type: text.token_issuer_type.to_owned(),
        address_text: text.address_text.to_owned(),
        error_code: facts.error_code,
        interactive: facts.is_interactive(),
    }
}
