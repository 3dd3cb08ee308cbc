//! [`Detection`] → one document of the Elastic Common Schema, version 8.11.
//!
//! Names, types and allowed values are ECS's. What is not known is left out. Two objects are no part of ECS: `azure`,
//! the fields of Elastic's integration for Entra ID Protection, so that what was written for those finds them here; and
//! `farsign`, the same as in Graph's form. A detection that no longer stands is an `event`, not an `alert`: Elastic makes
//! alerts of its own of every document that says `alert`.

use std::net::IpAddr;

use serde::Serialize;

use super::RenderContext;
use super::alert::{Severity, Shown, elastic_score, evidence, family, principal, span, stands, title};
use super::farsign::{Farsign, rounded};
use super::graph::{self, Location, known};
use super::mitre::Attack;
use crate::engine::finding::{EndPoint, RiskState};
use crate::engine::out::{Detection, Subject};
use crate::engine::signin::{EventTime, Outcome};

/// The version of the schema that documents follow.
const ECS_VERSION: &str = "8.11.0";

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: Shown<EventTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    ecs: Ecs,
    event: Event<'a>,
    rule: Rule,
    user: User<'a>,
    #[serde(skip_serializing_if = "Source::is_empty")]
    source: Source<'a>,
    related: Related<'a>,
    threat: Threat,
    #[serde(skip_serializing_if = "UserAgent::is_empty")]
    user_agent: UserAgent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<Id<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Id<'a>>,
    observer: Observer,
    azure: Azure<'a>,
    farsign: Own<'a>,
}

#[derive(Serialize)]
struct Ecs {
    version: &'static str,
}

#[derive(Serialize)]
struct Event<'a> {
    kind: &'static str,
    category: [&'static str; 2],
    #[serde(rename = "type")]
    types: [&'static str; 1],
    action: &'static str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    id: Shown<uuid::Uuid>,
    created: Shown<EventTime>,
    start: Shown<EventTime>,
    end: Shown<EventTime>,
    severity: u8,
    risk_score: u8,
    risk_score_norm: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    provider: &'a str,
    module: &'static str,
    dataset: &'static str,
}

#[derive(Serialize)]
struct Rule {
    id: &'static str,
    name: &'static str,
    category: &'static str,
    ruleset: &'static str,
    version: Shown<u16>,
    author: [&'static str; 1],
}

#[derive(Serialize)]
struct User<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    risk: Option<UserRisk>,
}

/// What this one detection says of the user. `static_*`, as `calculated_*` are Elastic's own entity analytics.
#[derive(Serialize)]
struct UserRisk {
    static_level: &'static str,
    static_score: u8,
    static_score_norm: f64,
}

#[derive(Serialize)]
struct Source<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    geo: Option<Geo<'a>>,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    autonomous_system: Option<AutonomousSystem<'a>>,
}

#[derive(Serialize)]
struct Geo<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    country_iso_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<GeoPoint>,
}

#[derive(Serialize)]
struct GeoPoint {
    lat: f64,
    lon: f64,
}

#[derive(Serialize)]
struct AutonomousSystem<'a> {
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Name<'a>>,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

/// What to search by, wherever in the document it stands.
#[derive(Serialize)]
struct Related<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ip: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<&'a str>,
}

#[derive(Serialize)]
struct Threat {
    framework: &'static str,
    tactic: Terms,
    technique: Technique,
}

#[derive(Serialize)]
struct Terms {
    id: [&'static str; 1],
    name: [&'static str; 1],
}

#[derive(Serialize)]
struct Technique {
    #[serde(flatten)]
    terms: Terms,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtechnique: Option<Terms>,
}

#[derive(Serialize)]
struct UserAgent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<Name<'a>>,
}

#[derive(Serialize)]
struct Observer {
    vendor: &'static str,
    product: &'static str,
    version: &'static str,
}

/// As Elastic's integration names the fields of Entra ID Protection.
#[derive(Serialize)]
struct Azure<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    identityprotection: IdentityProtection<'a>,
}

#[derive(Serialize)]
struct IdentityProtection<'a> {
    category: &'static str,
    operation_name: &'static str,
    properties: Properties<'a>,
}

#[derive(Serialize)]
struct Properties<'a> {
    id: Shown<uuid::Uuid>,
    activity: &'static str,
    activity_datetime: Shown<EventTime>,
    detected_datetime: Shown<EventTime>,
    last_updated_datetime: Shown<EventTime>,
    detection_timing_type: &'static str,
    risk_event_type: &'static str,
    risk_state: &'static str,
    risk_level: &'static str,
    risk_detail: &'static str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_issuer_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_display_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_principal_name: Option<&'a str>,
}

/// Graph's words, which ECS has no place for, then the object of Graph's form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Own<'a> {
    risk_event_type: &'static str,
    risk_state: &'static str,
    risk_level: &'static str,
    risk_detail: &'static str,
    #[serde(flatten)]
    evidence: Farsign<'a>,
}

/// Appends `detection` to `out` as one JSON object, without a newline.
pub fn write(detection: &Detection, context: &RenderContext, out: &mut Vec<u8>) {
    super::append(&Document::new(detection, context), out);
}

impl<'a> Document<'a> {
    fn new(detection: &'a Detection, context: &'a RenderContext) -> Document<'a> {
        let subject = &detection.subject;
        let this = evidence(detection).map(|evidence| &evidence.this);
        let kind = graph::event_type_name(detection.kind, context);
        let state = graph::risk_state(detection);
        Document {
            timestamp: Shown(detection.activity_time),
            message: sentence(detection),
            ecs: Ecs { version: ECS_VERSION },
            event: Event::new(detection, kind, state),
            rule: Rule::new(detection, kind),
            user: User::new(detection, state),
            source: Source::new(subject, this),
            related: Related::new(detection),
            threat: Threat::new(Attack::of(detection.kind)),
            user_agent: UserAgent::new(subject, this),
            device: known(&subject.device_id).map(|id| Id { id }),
            organization: known(&subject.tenant_id).map(|id| Id { id }),
            observer: Observer { vendor: "Farsign", product: "Farsign", version: env!("CARGO_PKG_VERSION") },
            azure: Azure {
                tenant_id: known(&subject.tenant_id),
                correlation_id: known(&subject.correlation_id),
                identityprotection: IdentityProtection {
                    category: "UserRiskEvents",
                    operation_name: "User Risk Detection",
                    properties: Properties::new(detection, kind, state),
                },
            },
            farsign: Own {
                risk_event_type: kind,
                risk_state: state.name(),
                risk_level: detection.level.name(),
                risk_detail: detection.detail.name(),
                evidence: Farsign::new(detection, context),
            },
        }
    }
}

/// Who was asked for more is neither in nor out.
fn outcome_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failed | Outcome::Blocked => "failure",
        Outcome::Interrupted => "unknown",
    }
}

fn sentence(detection: &Detection) -> Option<&str> {
    evidence(detection).and_then(|evidence| known(&evidence.sentence))
}

/// 0 for what no longer stands: sums of scores must not count it.
fn standing_score(detection: &Detection, state: RiskState) -> f64 {
    if stands(state) { elastic_score(detection.score) } else { 0.0 }
}

impl<'a> Event<'a> {
    fn new(detection: &'a Detection, kind: &'static str, state: RiskState) -> Event<'a> {
        let subject = &detection.subject;
        let of_user = graph::activity(detection) == "user";
        let (start, end) = span(detection);
        Event {
            kind: if stands(state) { "alert" } else { "event" },
            category: [if of_user { "iam" } else { "authentication" }, "intrusion_detection"],
            types: ["info"],
            action: kind,
            code: kind,
            outcome: subject.outcome.map(outcome_of),
            id: Shown(detection.id),
            created: Shown(detection.detected_time),
            start: Shown(start),
            end: Shown(end),
            severity: Severity::of(detection).elastic(),
            risk_score: detection.score.min(100),
            risk_score_norm: standing_score(detection, state),
            reason: sentence(detection),
            provider: graph::source_name(detection),
            module: "farsign",
            dataset: "farsign.risk_detection",
        }
    }
}

impl Rule {
    fn new(detection: &Detection, kind: &'static str) -> Rule {
        Rule {
            id: kind,
            name: title(detection.kind),
            category: family(detection.kind),
            ruleset: "farsign",
            version: Shown(detection.kind.version()),
            author: ["Farsign"],
        }
    }
}

impl<'a> User<'a> {
    fn new(detection: &'a Detection, state: RiskState) -> User<'a> {
        let subject = &detection.subject;
        let principal_name = known(&subject.user_principal_name);
        let parts = principal_name.map(principal);
        let domain = parts.and_then(|(_, domain)| domain);
        User {
            id: known(&subject.user_id),
            name: parts.map(|(name, _)| name),
            domain,
            email: principal_name.filter(|_| domain.is_some()),
            full_name: known(&subject.user_display_name),
            risk: stands(state).then(|| UserRisk {
                static_level: detection.level.name(),
                static_score: detection.score.min(100),
                static_score_norm: elastic_score(detection.score),
            }),
        }
    }
}

impl<'a> Source<'a> {
    fn new(subject: &'a Subject, this: Option<&'a EndPoint>) -> Source<'a> {
        let ip = this.and_then(|end| end.address);
        Source {
            // As it was written: ECS wants the raw text here, and the address beside it where the text is one.
            address: known(&subject.address_text).map(str::to_owned).or_else(|| ip.map(|ip| ip.to_string())),
            ip,
            geo: this.and_then(Geo::new),
            autonomous_system: this.filter(|end| end.asn != 0).map(|end| AutonomousSystem {
                number: end.asn,
                organization: known(&end.asn_organization).map(|name| Name { name }),
            }),
        }
    }

    fn is_empty(&self) -> bool {
        self.address.is_none() && self.ip.is_none() && self.geo.is_none() && self.autonomous_system.is_none()
    }
}

impl<'a> Geo<'a> {
    fn new(end: &'a EndPoint) -> Option<Geo<'a>> {
        let location = end.coordinates.and_then(|(latitude, longitude)| {
            Some(GeoPoint { lat: rounded(f64::from(latitude), 4)?, lon: rounded(f64::from(longitude), 4)? })
        });
        let geo = Geo {
            country_iso_code: known(end.country.as_str()),
            region_name: known(&end.region),
            city_name: known(&end.city),
            location,
        };
        let says_something = geo.country_iso_code.is_some()
            || geo.region_name.is_some()
            || geo.city_name.is_some()
            || geo.location.is_some();
        says_something.then_some(geo)
    }
}

impl<'a> Related<'a> {
    fn new(detection: &'a Detection) -> Related<'a> {
        let subject = &detection.subject;
        let evidence = evidence(detection);
        let reference = evidence.and_then(|evidence| evidence.reference.as_ref());
        let ends = [evidence.map(|evidence| &evidence.this), reference];
        let mut ip: Vec<IpAddr> = ends.into_iter().flatten().filter_map(|end| end.address).collect();
        ip.dedup();
        let mut user: Vec<&str> = Vec::new();
        let (name, _) = principal(&subject.user_principal_name);
        for text in [&subject.user_id, &subject.user_principal_name, name, &subject.user_display_name] {
            if !text.is_empty() && !user.contains(&text) {
                user.push(text);
            }
        }
        Related { ip, user, hosts: known(&subject.device_display_name).into_iter().collect() }
    }
}

impl Threat {
    fn new(attack: &Attack) -> Threat {
        let terms = |term: super::mitre::Term| Terms { id: [term.id], name: [term.name] };
        Threat {
            framework: "MITRE ATT&CK",
            tactic: terms(attack.tactic),
            technique: Technique { terms: terms(attack.technique), subtechnique: attack.subtechnique.map(terms) },
        }
    }
}

impl<'a> UserAgent<'a> {
    fn new(subject: &'a Subject, this: Option<&'a EndPoint>) -> UserAgent<'a> {
        UserAgent {
            original: known(&subject.user_agent),
            name: this.and_then(|end| known(&end.browser)),
            os: this.and_then(|end| known(&end.operating_system)).map(|name| Name { name }),
        }
    }

    fn is_empty(&self) -> bool {
        self.original.is_none() && self.name.is_none() && self.os.is_none()
    }
}

impl<'a> Properties<'a> {
    fn new(detection: &'a Detection, kind: &'static str, state: RiskState) -> Properties<'a> {
        let subject = &detection.subject;
        let this = evidence(detection).map(|evidence| &evidence.this);
        Properties {
            id: Shown(detection.id),
            activity: graph::activity(detection),
            activity_datetime: Shown(detection.activity_time),
            detected_datetime: Shown(detection.detected_time),
            last_updated_datetime: Shown(detection.updated_time),
            detection_timing_type: graph::timing_type(detection.kind),
            risk_event_type: kind,
            risk_state: state.name(),
            risk_level: detection.level.name(),
            risk_detail: detection.detail.name(),
            source: graph::source_name(detection),
            request_id: known(&subject.request_id),
            correlation_id: known(&subject.correlation_id),
            token_issuer_type: graph::token_issuer_type(&subject.token_issuer_type),
            ip_address: this.and_then(|end| end.address),
            location: this.and_then(Location::new),
            user_id: known(&subject.user_id),
            user_display_name: known(&subject.user_display_name),
            user_principal_name: known(&subject.user_principal_name),
        }
    }
}
