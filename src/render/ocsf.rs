//! [`Detection`] → one OCSF Detection Finding (class 2004), schema version 1.6.0.
//!
//! Attributes, their types and the numbers of enumerations are OCSF's; beside each number stands its caption. What is not
//! known is left out, and what OCSF has no place for is in `unmapped`. The activity follows from the state and from
//! times, never from how often the detection was told: a replay that writes only last versions must say the same.

mod anomaly;
mod sign_in;

use serde::Serialize;

use self::anomaly::AnomalyAnalysis;
use self::sign_in::{Evidence, Observable, Resource};
use super::RenderContext;
use super::alert::{Severity, Shown, evidence, family, span, stands, title};
use super::farsign::Farsign;
use super::graph::{self, known};
use super::mitre::{self, Attack, Term};
use crate::engine::finding::{RiskEventType, RiskLevel, RiskState};
use crate::engine::out::Detection;
use crate::engine::signin::EventTime;

/// The version of the schema that events follow.
const OCSF_VERSION: &str = "1.6.0";
const CLASS_UID: u32 = 2004;

/// Milliseconds since the epoch, as OCSF counts time.
pub(super) type Milliseconds = i64;

#[derive(Serialize)]
struct DetectionFinding<'a> {
    activity_id: u32,
    activity_name: &'static str,
    category_uid: u32,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    type_uid: u32,
    type_name: &'static str,
    time: Milliseconds,
    start_time: Milliseconds,
    end_time: Milliseconds,
    severity_id: u8,
    severity: &'static str,
    status_id: u8,
    status: &'static str,
    status_code: &'static str,
    status_detail: &'static str,
    is_alert: bool,
    confidence_id: u8,
    confidence: &'static str,
    confidence_score: u8,
    risk_level_id: u8,
    risk_level: &'static str,
    risk_score: u8,
    message: &'a str,
    metadata: Metadata<'a>,
    finding_info: FindingInfo<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidences: Vec<Evidence<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    anomaly_analyses: Vec<AnomalyAnalysis<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Resource<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    observables: Vec<Observable<'a>>,
    unmapped: Unmapped<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    version: &'static str,
    product: Product,
    /// Of this version of the finding: its id and when it was updated.
    uid: String,
    event_code: &'static str,
    /// The incident.
    correlation_uid: Shown<uuid::Uuid>,
    log_provider: &'a str,
    log_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_uid: Option<&'a str>,
}

#[derive(Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct FindingInfo<'a> {
    uid: Shown<uuid::Uuid>,
    title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<&'a str>,
    types: [&'static str; 1],
    created_time: Milliseconds,
    modified_time: Milliseconds,
    first_seen_time: Milliseconds,
    last_seen_time: Milliseconds,
    analytic: Analytic,
    attacks: [AttackView; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_events: Vec<RelatedEvent<'a>>,
}

#[derive(Serialize)]
struct Analytic {
    uid: &'static str,
    name: &'static str,
    category: &'static str,
    type_id: u8,
    #[serde(rename = "type")]
    kind: &'static str,
    version: Shown<u16>,
}

#[derive(Serialize)]
struct AttackView {
    version: &'static str,
    tactic: Term,
    technique: Term,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_technique: Option<Term>,
}

/// A sign-in that the finding rests on, by its provider's id.
#[derive(Serialize)]
struct RelatedEvent<'a> {
    uid: &'a str,
    title: &'static str,
    first_seen_time: Milliseconds,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unmapped<'a> {
    detection_timing_type: &'static str,
    activity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_issuer_type: Option<&'static str>,
    farsign: Farsign<'a>,
}

/// Appends `detection` to `out` as one JSON object, without a newline.
pub fn write(detection: &Detection, context: &RenderContext, out: &mut Vec<u8>) {
    super::append(&DetectionFinding::new(detection, context), out);
}

fn milliseconds(time: EventTime) -> Milliseconds {
    time.0.div_euclid(1_000_000)
}

impl<'a> DetectionFinding<'a> {
    fn new(detection: &'a Detection, context: &'a RenderContext) -> DetectionFinding<'a> {
        let state = graph::risk_state(detection);
        let (activity_id, activity_name, type_name) = activity(detection, state);
        let (status_id, status) = status(state);
        let (severity_id, severity) = severity(detection);
        let (confidence_id, confidence) = confidence(detection);
        let (risk_level_id, risk_level) = risk_level(detection.level);
        let (start, end) = span(detection);
        let evidences = sign_in::evidences(detection, state);
        let observables = sign_in::observables(&evidences);
        let desc = evidence(detection).and_then(|evidence| known(&evidence.sentence));
        DetectionFinding {
            activity_id,
            activity_name,
            category_uid: 2,
            category_name: "Findings",
            class_uid: CLASS_UID,
            class_name: "Detection Finding",
            type_uid: CLASS_UID * 100 + activity_id,
            type_name,
            time: milliseconds(detection.detected_time),
            start_time: milliseconds(start),
            end_time: milliseconds(end),
            severity_id,
            severity,
            status_id,
            status,
            status_code: state.name(),
            status_detail: detection.detail.name(),
            is_alert: stands(state),
            confidence_id,
            confidence,
            confidence_score: detection.score.min(100),
            risk_level_id,
            risk_level,
            risk_score: detection.score.min(100),
            message: desc.unwrap_or(title(detection.kind)),
            metadata: Metadata::new(detection, context),
            finding_info: FindingInfo::new(detection, desc, context),
            evidences,
            anomaly_analyses: AnomalyAnalysis::new(detection).into_iter().collect(),
            resources: sign_in::resources(&detection.subject),
            observables,
            unmapped: Unmapped::new(detection, context),
        }
    }
}

/// Its number, its name, and the name of the class's type with it.
fn activity(detection: &Detection, state: RiskState) -> (u32, &'static str, &'static str) {
    match state {
        RiskState::Dismissed | RiskState::ConfirmedSafe | RiskState::Remediated => {
            (3, "Close", "Detection Finding: Close")
        }
        _ if detection.updated_time > detection.detected_time => (2, "Update", "Detection Finding: Update"),
        _ => (1, "Create", "Detection Finding: Create"),
    }
}

fn status(state: RiskState) -> (u8, &'static str) {
    match state {
        RiskState::AtRisk => (1, "New"),
        RiskState::ConfirmedCompromised => (2, "In Progress"),
        RiskState::None | RiskState::Dismissed | RiskState::ConfirmedSafe => (3, "Suppressed"),
        RiskState::Remediated => (4, "Resolved"),
    }
}

fn severity(detection: &Detection) -> (u8, &'static str) {
    match Severity::of(detection) {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

/// A level says how sure it is that the sign-in was not the owner's: OCSF calls that confidence.
fn confidence(detection: &Detection) -> (u8, &'static str) {
    match (detection.state, detection.level) {
        (RiskState::ConfirmedCompromised, _) | (_, RiskLevel::High) => (3, "High"),
        (_, RiskLevel::Medium) => (2, "Medium"),
        (_, RiskLevel::Low) => (1, "Low"),
        (_, RiskLevel::None) => (0, "Unknown"),
    }
}

fn risk_level(level: RiskLevel) -> (u8, &'static str) {
    match level {
        RiskLevel::None => (0, "Info"),
        RiskLevel::Low => (1, "Low"),
        RiskLevel::Medium => (2, "Medium"),
        RiskLevel::High => (3, "High"),
    }
}

fn analytic_type(kind: RiskEventType) -> (u8, &'static str) {
    match kind {
        RiskEventType::AnonymizedIpAddress
        | RiskEventType::MaliciousIpAddress
        | RiskEventType::NationStateIp
        | RiskEventType::RiskyIpAddress
        | RiskEventType::AdminConfirmedUserCompromised
        | RiskEventType::UserReportedSuspiciousActivity => (1, "Rule"),
        RiskEventType::ImpossibleTravel
        | RiskEventType::NewCountry
        | RiskEventType::PasswordSpray
        | RiskEventType::SuspiciousBrowser
        | RiskEventType::TokenIssuerAnomaly
        | RiskEventType::AttackerInTheMiddle
        | RiskEventType::MfaFatigue => (2, "Behavioral"),
        RiskEventType::UnlikelyTravel | RiskEventType::UnfamiliarFeatures | RiskEventType::AnomalousToken => {
            (3, "Statistical")
        }
        RiskEventType::LeakedCredentials | RiskEventType::Generic => (0, "Unknown"),
    }
}

impl<'a> Metadata<'a> {
    fn new(detection: &'a Detection, context: &RenderContext) -> Metadata<'a> {
        Metadata {
            version: OCSF_VERSION,
            product: Product { name: "Farsign", vendor_name: "Farsign", version: env!("CARGO_PKG_VERSION") },
            uid: format!("{}@{}", detection.id.hyphenated(), detection.updated_time),
            event_code: graph::event_type_name(detection.kind, context),
            correlation_uid: Shown(detection.incident_id),
            log_provider: graph::source_name(detection),
            log_name: "risk_detection",
            tenant_uid: known(&detection.subject.tenant_id),
        }
    }
}

impl<'a> FindingInfo<'a> {
    fn new(detection: &'a Detection, desc: Option<&'a str>, context: &RenderContext) -> FindingInfo<'a> {
        let kind = graph::event_type_name(detection.kind, context);
        let (type_id, type_name) = analytic_type(detection.kind);
        let attack = Attack::of(detection.kind);
        let (start, end) = span(detection);
        FindingInfo {
            uid: Shown(detection.id),
            title: title(detection.kind),
            desc,
            types: [kind],
            created_time: milliseconds(detection.detected_time),
            modified_time: milliseconds(detection.updated_time),
            first_seen_time: milliseconds(start),
            last_seen_time: milliseconds(end),
            analytic: Analytic {
                uid: kind,
                name: title(detection.kind),
                category: family(detection.kind),
                type_id,
                kind: type_name,
                version: Shown(detection.kind.version()),
            },
            attacks: [AttackView {
                version: mitre::VERSION,
                tactic: attack.tactic,
                technique: attack.technique,
                sub_technique: attack.subtechnique,
            }],
            related_events: related_events(detection),
        }
    }
}

fn related_events(detection: &Detection) -> Vec<RelatedEvent<'_>> {
    let judged = known(&detection.subject.request_id).map(|uid| RelatedEvent {
        uid,
        title: sign_in::JUDGED,
        first_seen_time: milliseconds(detection.activity_time),
    });
    let reference = evidence(detection).and_then(|evidence| evidence.reference.as_ref());
    let compared = reference.and_then(|end| {
        let first_seen_time = milliseconds(end.time);
        known(&end.request_id).map(|uid| RelatedEvent { uid, title: sign_in::COMPARED_WITH, first_seen_time })
    });
    judged.into_iter().chain(compared).collect()
}

impl<'a> Unmapped<'a> {
    fn new(detection: &'a Detection, context: &'a RenderContext) -> Unmapped<'a> {
        Unmapped {
            detection_timing_type: graph::timing_type(detection.kind),
            activity: graph::activity(detection),
            correlation_id: known(&detection.subject.correlation_id),
            token_issuer_type: graph::token_issuer_type(&detection.subject.token_issuer_type),
            farsign: Farsign::new(detection, context),
        }
    }
}
