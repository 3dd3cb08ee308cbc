//! [`Detection`] → Microsoft Graph v1.0 `riskDetection`, one JSON object.
//!
//! Property names, their order and the spelling of enum members are Graph's, so that rules written for Entra ID
//! Protection match. A property is always present: `null` says that it is not known. `tenantId`, `riskScore` and
//! `farsign` follow after Graph's own. The structs here are the contract: their JSON Schema is
//! `docs/output.schema.json`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::RenderContext;
use super::farsign::{Farsign, place_text, rounded};
use crate::engine::finding::{EndPoint, Evidence, Familiarity, Property, RiskEventType, RiskState};
use crate::engine::out::{Detection, Subject};

/// `source` of what Farsign found. Graph's property is free text that names the product.
pub const SOURCE: &str = "Farsign";

/// `source` of a record: Farsign, or the upstream product that found it.
pub(super) fn source_name(detection: &Detection) -> &str {
    detection.source.upstream().unwrap_or(SOURCE)
}

/// One risk detection: a Microsoft Graph v1.0 `riskDetection` with Farsign's own properties after Graph's.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct RiskDetection<'a> {
    /// UUID version 5 over tenant, sign-in id, detection type and detector version, and `source` where that is not
    /// "Farsign": the same sign-in gives the same id on every run. A later record with the same id replaces an earlier one.
    id: String,
    /// Id of the sign-in; null for a detection about a user.
    request_id: Option<&'a str>,
    /// Correlation id of the sign-in.
    correlation_id: Option<&'a str>,
    /// Kind of detection, in Graph's spelling.
    #[schemars(extend("enum" = risk_event_types()))]
    risk_event_type: &'static str,
    /// `none` when a suppression silenced the detection: see `farsign.suppressedBy`.
    #[schemars(extend("enum" =
        ["none", "confirmedSafe", "remediated", "dismissed", "atRisk", "confirmedCompromised"]))]
    risk_state: &'static str,
    /// How sure it is that the sign-in was not the owner's. A suppressed detection keeps the level it would have had.
    #[schemars(extend("enum" = ["low", "medium", "high", "none"]))]
    risk_level: &'static str,
    /// Why the state is what it is.
    risk_detail: &'static str,
    /// "Farsign", or the product whose finding was taken in.
    source: &'a str,
    /// When Graph's own detection of this kind speaks: `realtime` or `offline`.
    #[schemars(extend("enum" = ["realtime", "offline"]))]
    detection_timing_type: &'static str,
    /// `signin`, or `user` for a detection about the user as a whole.
    #[schemars(extend("enum" = ["signin", "user"]))]
    activity: &'static str,
    /// Who issued the token; null when the record does not say.
    #[schemars(extend("enum" = ["AzureAD", "ADFederationServices", "UnknownFutureValue", "AzureADBackupAuth",
        "ADFederationServicesMFAAdapter", "NPSExtension", null]))]
    token_issuer_type: Option<&'static str>,
    /// The client's address; the field as it was written when it holds no address.
    ip_address: Option<String>,
    /// Where the address is; null without geography.
    location: Option<Location<'a>>,
    /// Time of the sign-in: RFC 3339, UTC, seven decimals.
    activity_date_time: String,
    /// Event time at which it became known, derived from the input and never from a clock.
    detected_date_time: String,
    /// Event time of this version of the detection.
    last_updated_date_time: String,
    /// Stable id of the user within the tenant.
    user_id: Option<&'a str>,
    user_display_name: Option<&'a str>,
    user_principal_name: Option<&'a str>,
    /// JSON text, as Graph has it: a list of `{"Key": …, "Value": …}`.
    additional_info: String,
    /// Tenant of the user.
    tenant_id: Option<&'a str>,
    /// 0 (no risk) to 100.
    #[schemars(range(max = 100))]
    risk_score: u8,
    /// What Graph has no place for.
    farsign: Farsign<'a>,
}

/// Graph `signInLocation`.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct Location<'a> {
    city: Option<&'a str>,
    /// Region, state or county.
    state: Option<&'a str>,
    /// ISO 3166-1 alpha-2.
    country_or_region: Option<&'a str>,
    geo_coordinates: Option<GeoCoordinates>,
}

/// Graph `geoCoordinates`: WGS 84, degrees, four decimals (about 10 m).
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct GeoCoordinates {
    /// Always null: no database says.
    altitude: Option<f64>,
    #[schemars(range(min = -90, max = 90))]
    latitude: Option<f64>,
    #[schemars(range(min = -180, max = 180))]
    longitude: Option<f64>,
}

/// One element of `additionalInfo`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    key: &'static str,
    /// Text, a list of text, or null.
    value: Value,
}

/// Appends `detection` to `out` as one JSON object, without a newline.
pub fn write(detection: &Detection, context: &RenderContext, out: &mut Vec<u8>) {
    let record = RiskDetection::new(detection, context);
    // Writing into memory fails only for a value that JSON cannot hold, and there is none in these structs.
    serde_json::to_writer(out, &record).expect("a record is always JSON");
}

impl<'a> RiskDetection<'a> {
    /// The record that [`write()`] writes.
    pub fn new(detection: &'a Detection, context: &'a RenderContext) -> RiskDetection<'a> {
        let subject = &detection.subject;
        let finding = detection.finding.as_deref();
        let evidence = finding.map(|finding| &finding.evidence);
        let suppressed_by = finding.and_then(|finding| finding.suppressed_by);
        let state = if suppressed_by.is_some() { RiskState::None } else { detection.state };
        RiskDetection {
            id: detection.id.hyphenated().to_string(),
            request_id: known(&subject.request_id),
            correlation_id: known(&subject.correlation_id),
            risk_event_type: event_type_name(detection.kind, context),
            risk_state: state.name(),
            risk_level: detection.level.name(),
            risk_detail: detection.detail.name(),
            source: source_name(detection),
            detection_timing_type: timing_type(detection.kind),
            activity: if detection.is_about_user { "user" } else { "signin" },
            token_issuer_type: token_issuer_type(&subject.token_issuer_type),
            ip_address: address(subject, evidence),
            location: evidence.and_then(|evidence| Location::new(&evidence.this)),
            activity_date_time: detection.activity_time.to_string(),
            detected_date_time: detection.detected_time.to_string(),
            last_updated_date_time: detection.updated_time.to_string(),
            user_id: known(&subject.user_id),
            user_display_name: known(&subject.user_display_name),
            user_principal_name: known(&subject.user_principal_name),
            additional_info: additional_info(detection.kind, subject, evidence),
            tenant_id: known(&subject.tenant_id),
            risk_score: detection.score.min(100),
            farsign: Farsign::new(detection, context),
        }
    }
}

impl<'a> Location<'a> {
    fn new(end: &'a EndPoint) -> Option<Location<'a>> {
        let geo_coordinates = end.coordinates.map(|(latitude, longitude)| GeoCoordinates {
            altitude: None,
            latitude: rounded(f64::from(latitude), 4),
            longitude: rounded(f64::from(longitude), 4),
        });
        let location = Location {
            city: known(&end.city),
            state: known(&end.region),
            country_or_region: known(end.country.as_str()),
            geo_coordinates,
        };
        let says_something = location.city.is_some()
            || location.state.is_some()
            || location.country_or_region.is_some()
            || location.geo_coordinates.is_some();
        says_something.then_some(location)
    }
}

/// Empty text means absent inside, and null outside.
pub(super) fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn event_type_name(kind: RiskEventType, context: &RenderContext) -> &'static str {
    match kind {
        RiskEventType::ImpossibleTravel => context.impossible_travel_name.name(),
        other => other.name(),
    }
}

/// Every value of `riskEventType`, for the schema.
fn risk_event_types() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = RiskEventType::ALL.into_iter().map(RiskEventType::name).collect();
    names.push(super::ImpossibleTravelName::Plain.name());
    names
}

/// By Entra ID Protection's table of detection types. Farsign itself judges all of them as the sign-in arrives; the
/// value is what rules written for that table expect.
fn timing_type(kind: RiskEventType) -> &'static str {
    match kind {
        RiskEventType::UnfamiliarFeatures
        | RiskEventType::AnonymizedIpAddress
        | RiskEventType::NationStateIp
        | RiskEventType::PasswordSpray
        | RiskEventType::AnomalousToken
        | RiskEventType::MfaFatigue => "realtime",
        RiskEventType::ImpossibleTravel
        | RiskEventType::UnlikelyTravel
        | RiskEventType::NewCountry
        | RiskEventType::MaliciousIpAddress
        | RiskEventType::AdminConfirmedUserCompromised
        | RiskEventType::LeakedCredentials
        | RiskEventType::Generic
        | RiskEventType::SuspiciousBrowser
        | RiskEventType::TokenIssuerAnomaly
        | RiskEventType::AttackerInTheMiddle
        | RiskEventType::UserReportedSuspiciousActivity
        | RiskEventType::RiskyIpAddress => "offline",
    }
}

/// Graph's member for what the record says; "Azure Active Directory" is the display form in Graph's own sample.
fn token_issuer_type(text: &str) -> Option<&'static str> {
    const MEMBERS: [&str; 5] =
        ["AzureAD", "ADFederationServices", "AzureADBackupAuth", "ADFederationServicesMFAAdapter", "NPSExtension"];
    match text {
        "" => None,
        "Azure Active Directory" => Some("AzureAD"),
        other => Some(
            MEMBERS.into_iter().find(|member| member.eq_ignore_ascii_case(other)).unwrap_or("UnknownFutureValue"),
        ),
    }
}

fn address(subject: &Subject, evidence: Option<&Evidence>) -> Option<String> {
    match evidence.and_then(|evidence| evidence.this.address) {
        Some(address) => Some(address.to_string()),
        None => known(&subject.address_text).map(str::to_owned),
    }
}

/// Graph's bag of extra facts: only keys with something to say, apart from those that are always there.
fn additional_info(kind: RiskEventType, subject: &Subject, evidence: Option<&Evidence>) -> String {
    let text = |text: &str| known(text).map_or(Value::Null, Value::from);
    let reasons = evidence.map(risk_reasons).unwrap_or_default();
    let mut list = Vec::new();
    let mut push = |key, value| list.push(Info { key, value });
    if !reasons.is_empty() {
        push("riskReasons", Value::from(reasons));
    }
    push("userAgent", text(&subject.user_agent));
    push("alertUrl", Value::Null);
    push("deviceInformation", text(&device_information(evidence)));
    if let Some(reference) = evidence.and_then(|evidence| evidence.reference.as_ref()) {
        push("relatedEventTimeInUtc", Value::from(reference.time.to_string()));
        push("relatedLocation", text(&place_text(reference)));
    }
    push("requestId", text(&subject.request_id));
    push("correlationId", text(&subject.correlation_id));
    push("clientLocation", text(&evidence.map(|evidence| place_text(&evidence.this)).unwrap_or_default()));
    push("clientIp", address(subject, evidence).map_or(Value::Null, Value::from));
    push("mitreTechniques", Value::from(kind.mitre_technique()));
    serde_json::to_string(&list).expect("a list of text is always JSON")
}

/// "Windows; Edge": what is known of the device, joined.
fn device_information(evidence: Option<&Evidence>) -> String {
    let Some(Evidence { this, .. }) = evidence else { return String::new() };
    let parts: Vec<&str> = [this.operating_system.as_str(), &this.browser].into_iter().filter_map(known).collect();
    parts.join("; ")
}

/// Entra ID Protection's words for the unfamiliar properties, each once, in the order of the evidence.
fn risk_reasons(evidence: &Evidence) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    for verdict in evidence.properties.iter().filter(|verdict| verdict.familiarity == Familiarity::Unfamiliar) {
        let reason = match verdict.property {
            Property::IpAddress => "UnfamiliarIP",
            // The word speaks of the tenant's subnets: it needs to be known that no colleague comes from there.
            Property::IpPrefix if verdict.organization_users == Some(0) => "UnfamiliarTenantIPsubnet",
            Property::Asn => "UnfamiliarASN",
            Property::City | Property::Region | Property::Country => "UnfamiliarLocation",
            Property::Device => "UnfamiliarDevice",
            Property::UserAgent | Property::Browser => "UnfamiliarBrowser",
            Property::IpPrefix
            | Property::OperatingSystem
            | Property::ClientApp
            | Property::HourOfWeek
            | Property::FailureHistory
            | Property::NetworkKind
            | Property::OrganizationRarity
            | Property::Session
            | Property::Visitor
            | Property::Dormancy => continue,
        };
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}
