//! [`Detection`] → one flat JSON object for Sigma: no objects in it, and lists of words at most.
//!
//! Names are Graph's where Graph has one: rules of `product: azure`, `service: riskdetection` match `riskEventType`.
//! What rules need of the evidence has a name of its own beside them. As in Graph's form every key is always there.

use std::net::IpAddr;

use serde::Serialize;

use super::RenderContext;
use super::alert::{Shown, evidence, title};
use super::farsign::rounded;
use super::graph::{self, known};
use super::mitre::Attack;
use crate::engine::finding::{AttackEvidence, EndPoint, Evidence, Familiarity, LearningPhase, Travel};
use crate::engine::out::{Detection, Subject};
use crate::engine::signin::EventTime;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    id: Shown<uuid::Uuid>,
    request_id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    incident_id: Shown<uuid::Uuid>,
    title: &'static str,
    sentence: Option<&'a str>,
    risk_event_type: &'static str,
    risk_state: &'static str,
    risk_level: &'static str,
    risk_detail: &'static str,
    risk_score: u8,
    risk_reasons: Vec<&'static str>,
    suppressed_by: Option<&'static str>,
    /// Only in what a shadow policy found: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow_policy: Option<&'a str>,
    source: &'a str,
    detection_timing_type: &'static str,
    activity: &'static str,
    activity_date_time: Shown<EventTime>,
    detected_date_time: Shown<EventTime>,
    last_updated_date_time: Shown<EventTime>,
    tenant_id: Option<&'a str>,
    user_id: Option<&'a str>,
    user_display_name: Option<&'a str>,
    user_principal_name: Option<&'a str>,
    #[serde(flatten)]
    sign_in: SignIn<'a>,
    #[serde(flatten)]
    place: Place<'a>,
    #[serde(flatten)]
    reference: Reference<'a>,
    #[serde(flatten)]
    reasons: Reasons<'a>,
    mitre_tactic: &'static str,
    mitre_tactic_name: &'static str,
    mitre_technique: &'static str,
    mitre_technique_name: &'static str,
}

/// The sign-in, as its record has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignIn<'a> {
    token_issuer_type: Option<&'static str>,
    app_display_name: Option<&'a str>,
    resource_display_name: Option<&'a str>,
    client_app_used: Option<&'a str>,
    user_agent: Option<&'a str>,
    device_id: Option<&'a str>,
    device_display_name: Option<&'a str>,
    session_id: Option<&'a str>,
    is_interactive: bool,
    error_code: Option<u32>,
}

/// Where and with what it came.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Place<'a> {
    ip_address: Option<String>,
    asn: Option<u32>,
    asn_organization: Option<&'a str>,
    country_or_region: Option<&'a str>,
    state: Option<&'a str>,
    city: Option<&'a str>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    browser: Option<&'a str>,
    operating_system: Option<&'a str>,
    network_lists: Vec<&'static str>,
    named_location: Option<&'a str>,
}

/// The sign-in it was compared with, and the way between.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference<'a> {
    reference_request_id: Option<&'a str>,
    reference_date_time: Option<Shown<EventTime>>,
    reference_ip_address: Option<IpAddr>,
    reference_asn: Option<u32>,
    reference_country: Option<&'a str>,
    reference_city: Option<&'a str>,
    distance_km: Option<f64>,
    elapsed_seconds: Option<f64>,
    speed_kmh: Option<f64>,
}

/// What the verdict rests on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reasons<'a> {
    unfamiliar_properties: Vec<&'static str>,
    total_bits: Option<f64>,
    attack_trace: Option<&'static str>,
    attack_value: Option<&'a str>,
    attacked_users: Option<u32>,
    attack_attempts: Option<u32>,
    learning_phase: Option<&'static str>,
    baseline_sign_ins: Option<u32>,
    is_late: Option<bool>,
    is_stopped: Option<bool>,
}

/// Appends `detection` to `out` as one JSON object, without a newline.
pub fn write(detection: &Detection, context: &RenderContext, out: &mut Vec<u8>) {
    super::append(&Event::new(detection, context), out);
}

impl<'a> Event<'a> {
    fn new(detection: &'a Detection, context: &'a RenderContext) -> Event<'a> {
        let subject = &detection.subject;
        let evidence = evidence(detection);
        let suppressed_by = detection.finding.as_ref().and_then(|finding| finding.suppressed_by);
        let attack = Attack::of(detection.kind);
        let technique = attack.subtechnique.unwrap_or(attack.technique);
        Event {
            id: Shown(detection.id),
            request_id: known(&subject.request_id),
            correlation_id: known(&subject.correlation_id),
            incident_id: Shown(detection.incident_id),
            title: title(detection.kind),
            sentence: evidence.and_then(|evidence| known(&evidence.sentence)),
            risk_event_type: graph::event_type_name(detection.kind, context),
            risk_state: graph::risk_state(detection).name(),
            risk_level: detection.level.name(),
            risk_detail: detection.detail.name(),
            risk_score: detection.score.min(100),
            risk_reasons: evidence.map(graph::risk_reasons).unwrap_or_default(),
            suppressed_by: suppressed_by.map(|reason| reason.name()),
            shadow_policy: detection.shadow.as_ref().map(|shadow| shadow.policy.as_str()),
            source: graph::source_name(detection),
            detection_timing_type: graph::timing_type(detection.kind),
            activity: graph::activity(detection),
            activity_date_time: Shown(detection.activity_time),
            detected_date_time: Shown(detection.detected_time),
            last_updated_date_time: Shown(detection.updated_time),
            tenant_id: known(&subject.tenant_id),
            user_id: known(&subject.user_id),
            user_display_name: known(&subject.user_display_name),
            user_principal_name: known(&subject.user_principal_name),
            sign_in: SignIn::new(subject),
            place: Place::new(subject, evidence, context),
            reference: Reference::new(evidence),
            reasons: Reasons::new(evidence),
            mitre_tactic: attack.tactic.id,
            mitre_tactic_name: attack.tactic.name,
            mitre_technique: technique.id,
            mitre_technique_name: technique.name,
        }
    }
}

impl<'a> SignIn<'a> {
    fn new(subject: &'a Subject) -> SignIn<'a> {
        SignIn {
            token_issuer_type: graph::token_issuer_type(&subject.token_issuer_type),
            app_display_name: known(&subject.app_display_name),
            resource_display_name: known(&subject.resource_display_name),
            client_app_used: known(&subject.client_app_used),
            user_agent: known(&subject.user_agent),
            device_id: known(&subject.device_id),
            device_display_name: known(&subject.device_display_name),
            session_id: known(&subject.session_id),
            is_interactive: subject.interactive,
            error_code: subject.result_code(),
        }
    }
}

impl<'a> Place<'a> {
    fn new(subject: &'a Subject, evidence: Option<&'a Evidence>, context: &'a RenderContext) -> Place<'a> {
        let this = evidence.map(|evidence| &evidence.this);
        let text = |text: fn(&EndPoint) -> &str| this.and_then(|end| known(text(end)));
        let degrees = |degrees: fn((f32, f32)) -> f32| {
            let coordinates = this.and_then(|end| end.coordinates)?;
            rounded(f64::from(degrees(coordinates)), 4)
        };
        Place {
            ip_address: graph::address(subject, evidence),
            asn: this.map(|end| end.asn).filter(|asn| *asn != 0),
            asn_organization: text(|end| &end.asn_organization),
            country_or_region: text(|end| end.country.as_str()),
            state: text(|end| &end.region),
            city: text(|end| &end.city),
            latitude: degrees(|(latitude, _)| latitude),
            longitude: degrees(|(_, longitude)| longitude),
            browser: text(|end| &end.browser),
            operating_system: text(|end| &end.operating_system),
            network_lists: evidence.iter().flat_map(|found| &found.lists).map(|kind| kind.name()).collect(),
            named_location: evidence.and_then(|evidence| context.named_location(evidence)),
        }
    }
}

impl<'a> Reference<'a> {
    fn new(evidence: Option<&'a Evidence>) -> Reference<'a> {
        let end = evidence.and_then(|evidence| evidence.reference.as_ref());
        let travel = evidence.and_then(|evidence| evidence.travel.as_ref());
        let number = |number: fn(&Travel) -> f64| travel.and_then(|travel| rounded(number(travel), 1));
        Reference {
            reference_request_id: end.and_then(|end| known(&end.request_id)),
            reference_date_time: end.map(|end| Shown(end.time)),
            reference_ip_address: end.and_then(|end| end.address),
            reference_asn: end.map(|end| end.asn).filter(|asn| *asn != 0),
            reference_country: end.and_then(|end| known(end.country.as_str())),
            reference_city: end.and_then(|end| known(&end.city)),
            distance_km: number(|travel| travel.distance_km),
            elapsed_seconds: number(|travel| travel.elapsed_s),
            speed_kmh: number(|travel| travel.speed_kmh),
        }
    }
}

impl<'a> Reasons<'a> {
    fn new(evidence: Option<&'a Evidence>) -> Reasons<'a> {
        let unfamiliar = |evidence: &Evidence| {
            let verdicts = evidence.properties.iter();
            let unfamiliar = verdicts.filter(|verdict| verdict.familiarity == Familiarity::Unfamiliar);
            unfamiliar.map(|verdict| verdict.property.name()).collect()
        };
        let attack: Option<&AttackEvidence> = evidence.and_then(|evidence| evidence.attack.as_ref());
        Reasons {
            unfamiliar_properties: evidence.map(unfamiliar).unwrap_or_default(),
            total_bits: evidence.and_then(|evidence| evidence.total_bits).and_then(|bits| rounded(bits, 2)),
            attack_trace: attack.map(|found| found.trace.name()),
            attack_value: attack.and_then(|found| known(&found.value)),
            attacked_users: attack.map(|found| found.attack.users),
            attack_attempts: attack.map(|found| found.attack.attempts),
            learning_phase: evidence.and_then(|evidence| evidence.learning).map(LearningPhase::name),
            baseline_sign_ins: evidence.map(|evidence| evidence.baseline_sign_ins),
            is_late: evidence.map(|evidence| evidence.late),
            is_stopped: evidence.map(|evidence| evidence.stopped),
        }
    }
}
