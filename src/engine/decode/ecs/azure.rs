//! Azure's logs in ECS: sign-ins as Entra writes them, the risk that stands in them, and Identity Protection's findings.
//!
//! ECS calls every code but 0 a failure, steps on the way too: so the code decides, in Entra's reader. Risk counts
//! where the state says that it is still open; Identity Protection writes a detection again when its state changes.

use std::borrow::Cow;

use super::super::country::code_of;
use super::super::draft::{SignInRisk, emit_with, finish_finding};
use super::super::entra;
use super::super::fields::{Record, read_record};
use super::super::format::Emit;
use super::super::paths::{Values, elements, paths};
use super::super::reason::{risk_kind, risk_level};
use super::super::respell::Row;
use super::super::{Decoded, Reject, SkipReason, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{Outcome, Provider, ProviderLocation, SignIn, UpstreamFinding};

/// How a dotted key of a detection begins.
pub(super) const DOTTED_FINDING: &str = "\"azure.identityprotection.";
const SOURCE: &str = "IdentityProtection";

pub(super) const SIGN_INS: &[Row] = &[
    ("time", &["@timestamp"]),
    ("category", &["azure/signinlogs/category", "=SignInLogs"]),
    ("operationName", &["azure/signinlogs/operation_name", "event/action"]),
    ("resourceId", &["azure/resource/id", "azure/resource_id"]),
    ("tenantId", &["azure/tenant_id", "azure/tenant/id", "azure/signinlogs/tenant_id"]),
    ("resultType", &["azure/signinlogs/result_type"]),
    ("resultSignature", &["azure/signinlogs/result_signature"]),
    ("correlationId", &["azure/correlation_id", "azure/correlation/id"]),
    ("callerIpAddress", &["azure/signinlogs/caller_ip_address", "source/ip", "client/ip"]),
    ("identity", &["azure/signinlogs/identity", "user/full_name"]),
    ("properties/id", &["azure/signinlogs/properties/id", "event/id"]),
    (
        "properties/createdDateTime",
        &["azure/signinlogs/properties/created_at", "azure/signinlogs/properties/created_date_time"],
    ),
    ("properties/userId", &["azure/signinlogs/properties/user_id", "user/id"]),
    (
        "properties/userPrincipalName",
        &["azure/signinlogs/properties/user_principal_name", "user/email", "user/name"],
    ),
    ("properties/userDisplayName", &["azure/signinlogs/properties/user_display_name", "user/full_name"]),
    ("properties/ipAddress", &["azure/signinlogs/properties/ip_address", "source/ip", "client/ip"]),
    ("properties/appId", &["azure/signinlogs/properties/app_id"]),
    ("properties/appDisplayName", &["azure/signinlogs/properties/app_display_name"]),
    ("properties/resourceDisplayName", &["azure/signinlogs/properties/resource_display_name"]),
    ("properties/clientAppUsed", &["azure/signinlogs/properties/client_app_used"]),
    ("properties/isInteractive", &["azure/signinlogs/properties/is_interactive"]),
    (
        "properties/signInEventTypes",
        &["azure/signinlogs/properties/sign_in_event_types", "azure/signinlogs/properties/signin_event_types"],
    ),
    ("properties/userAgent", &["azure/signinlogs/properties/user_agent", "user_agent/original"]),
    ("properties/autonomousSystemNumber", &["azure/signinlogs/properties/autonomous_system_number"]),
    ("properties/correlationId", &["azure/signinlogs/properties/correlation_id"]),
    ("properties/originalRequestId", &["azure/signinlogs/properties/original_request_id"]),
    ("properties/sessionId", &["azure/signinlogs/properties/session_id"]),
    ("properties/uniqueTokenIdentifier", &["azure/signinlogs/properties/unique_token_identifier"]),
    ("properties/incomingTokenType", &["azure/signinlogs/properties/incoming_token_type"]),
    ("properties/tokenIssuerType", &["azure/signinlogs/properties/token_issuer_type"]),
    ("properties/tokenIssuerName", &["azure/signinlogs/properties/token_issuer_name"]),
    ("properties/authenticationProtocol", &["azure/signinlogs/properties/authentication_protocol"]),
    ("properties/authenticationRequirement", &["azure/signinlogs/properties/authentication_requirement"]),
    ("properties/authenticationDetails", &["azure/signinlogs/properties/authentication_details"]),
    ("properties/homeTenantId", &["azure/signinlogs/properties/home_tenant_id"]),
    ("properties/servicePrincipalId", &["azure/signinlogs/properties/service_principal_id"]),
    ("properties/mfaDetail/authMethod", &["azure/signinlogs/properties/mfa_detail/auth_method"]),
    ("properties/status/errorCode", &["azure/signinlogs/properties/status/error_code"]),
    ("properties/status/additionalDetails", &["azure/signinlogs/properties/status/additional_details", "message"]),
    ("properties/deviceDetail/deviceId", &["azure/signinlogs/properties/device_detail/device_id"]),
    ("properties/deviceDetail/displayName", &["azure/signinlogs/properties/device_detail/display_name"]),
    ("properties/deviceDetail/operatingSystem", &["azure/signinlogs/properties/device_detail/operating_system"]),
    ("properties/deviceDetail/browser", &["azure/signinlogs/properties/device_detail/browser"]),
    ("properties/deviceDetail/isCompliant", &["azure/signinlogs/properties/device_detail/is_compliant"]),
    ("properties/deviceDetail/isManaged", &["azure/signinlogs/properties/device_detail/is_managed"]),
    ("properties/deviceDetail/trustType", &["azure/signinlogs/properties/device_detail/trust_type"]),
    // Beside `source.geo`, which is the shipper's own look-up.
    ("properties/location/city", &["geo/city_name"]),
    ("properties/location/state", &["geo/region_name", "geo/country_name"]),
    ("properties/location/countryOrRegion", &["geo/country_iso_code"]),
    ("properties/location/geoCoordinates/latitude", &["geo/location/lat"]),
    ("properties/location/geoCoordinates/longitude", &["geo/location/lon"]),
];

/// What Entra's reader makes of a rewritten sign-in.
pub(super) fn read_sign_in(record: &str) -> Result<Decoded<'static>, Reject> {
    let mut fields = Record::new();
    read_record(record, &mut fields)?;
    entra::decode_record(&mut fields).map(Decoded::into_owned)
}

paths! {
    /// Risk in a sign-in's document.
    enum RiskAt (Dotted) {
        State = Scalar "azure/signinlogs/properties/risk_state",
        LevelDuring = Scalar "azure/signinlogs/properties/risk_level_during_signin",
        LevelAggregated = Scalar "azure/signinlogs/properties/risk_level_aggregated",
        Types = Json "azure/signinlogs/properties/risk_event_types_v2",
        OldTypes = Json "azure/signinlogs/properties/risk_event_types",
    }
}

/// The sign-in, and the risk that its document gives it.
pub(super) fn emit_sign_in<'a>(document: &'a str, sign_in: SignIn<'a>, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let is_success = sign_in.outcome == Outcome::Success;
    let risk = if is_success { risk(&mut RiskAt::read(document)?) } else { None };
    emit_with(sign_in, risk, emit)
}

fn risk<'a>(document: &mut Values<'a, { RiskAt::COUNT }>) -> Option<SignInRisk<'a>> {
    let is_confirmed = document.is(RiskAt::State, "confirmedCompromised");
    if !is_confirmed && !document.is(RiskAt::State, "atRisk") {
        return None;
    }
    let levels = [RiskAt::LevelDuring, RiskAt::LevelAggregated].map(|at| risk_level(document.str(at)));
    // "hidden" is what a tenant without the licence is told of a level.
    let level = levels.into_iter().flatten().next().unwrap_or(RiskLevel::Medium);
    let types = [RiskAt::Types, RiskAt::OldTypes].map(|at| elements(document.json(at)).next().unwrap_or_default());
    let named = types.into_iter().map(|name| name.trim_matches('"')).find(|name| !text::is_absent(name));
    Some(SignInRisk {
        source: SOURCE,
        kind: named.map_or(RiskEventType::Generic, risk_kind),
        source_type: Cow::Borrowed(named.unwrap_or("riskState")),
        level,
        is_confirmed,
        reasons: Cow::Borrowed(""),
    })
}

paths! {
    /// Where a detection of Identity Protection has what is read.
    enum FindingAt (Dotted) {
        Timestamp = Scalar "@timestamp",
        Category = Scalar "azure/identityprotection/category",
        Tenant = Scalar "azure/tenant_id",
        OtherTenant = Scalar "azure/tenant/id",
        HomeTenant = Scalar "azure/identityprotection/properties/home_tenant_id",
        Id = Scalar "azure/identityprotection/properties/id",
        RequestId = Scalar "azure/identityprotection/properties/request_id",
        UserId = Scalar "azure/identityprotection/properties/user_id",
        UserName = Scalar "azure/identityprotection/properties/user_principal_name",
        EcsUserId = Scalar "user/id",
        EcsUserName = Scalar "user/email",
        State = Scalar "azure/identityprotection/properties/risk_state",
        Level = Scalar "azure/identityprotection/properties/risk_level",
        Detail = Scalar "azure/identityprotection/properties/risk_detail",
        EventType = Scalar "azure/identityprotection/properties/risk_event_type",
        RiskType = Scalar "azure/identityprotection/properties/risk_type",
        Source = Scalar "azure/identityprotection/properties/source",
        ActivityTime = Scalar "azure/identityprotection/properties/activity_datetime",
        DetectedTime = Scalar "azure/identityprotection/properties/detected_datetime",
        UpdatedTime = Scalar "azure/identityprotection/properties/last_updated_datetime",
        Address = Scalar "azure/identityprotection/properties/ip_address",
        EcsAddress = Scalar "source/ip",
        City = Scalar "azure/identityprotection/properties/location/city",
        Region = Scalar "azure/identityprotection/properties/location/state",
        Country = Scalar "azure/identityprotection/properties/location/countryOrRegion",
        Latitude = Scalar "azure/identityprotection/properties/location/geoCoordinates/latitude",
        Longitude = Scalar "azure/identityprotection/properties/location/geoCoordinates/longitude",
        Reasons = Json "azure/identityprotection/properties/additional_info",
    }
}

/// A detection whose risk is open. The state of a user as a whole says nothing that a detection has not said.
pub(super) fn read_finding<'a>(document: &'a str, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut found = FindingAt::read(document)?;
    let is_confirmed = found.is(FindingAt::State, "confirmedCompromised");
    let is_open = is_confirmed || found.is(FindingAt::State, "atRisk");
    let is_detection = found.has(FindingAt::EventType) || found.has(FindingAt::RiskType);
    if !is_open || !is_detection {
        emit(Decoded::Skipped(SkipReason::NotASignIn));
        return Ok(());
    }
    emit(Decoded::UpstreamFinding(finish_finding(finding(&mut found, is_confirmed)?)?));
    Ok(())
}

fn finding<'a>(
    found: &mut Values<'a, { FindingAt::COUNT }>,
    is_confirmed: bool,
) -> Result<UpstreamFinding<'a>, Reject> {
    let updated = [(FindingAt::UpdatedTime, "last_updated_datetime"), (FindingAt::Timestamp, "@timestamp")];
    let activity =
        [(FindingAt::ActivityTime, "activity_datetime"), (FindingAt::DetectedTime, "detected_datetime")];
    let event_time = found.time(&updated)?;
    let source_type = found.first_text([FindingAt::EventType, FindingAt::RiskType]);
    let source = found.text(FindingAt::Source);
    let user_id = found.id(FindingAt::UserId, "user_id")?;
    let request_id = text::fold_id(found.text(FindingAt::RequestId));
    Ok(UpstreamFinding {
        source: if source.is_empty() { Cow::Borrowed(SOURCE) } else { source },
        provider: Provider::Entra,
        tenant_id: match found.first_text([FindingAt::Tenant, FindingAt::OtherTenant, FindingAt::HomeTenant]) {
            tenant if tenant.is_empty() => Cow::Borrowed(entra::TENANT_UNKNOWN),
            tenant => tenant,
        },
        user_id: if user_id.is_empty() { found.id(FindingAt::EcsUserId, "user.id")? } else { user_id },
        user_principal_name: found.first_text([FindingAt::UserName, FindingAt::EcsUserName]),
        event_id: found.id(FindingAt::Id, "id")?,
        event_time,
        activity_time: found.time(&activity).unwrap_or(event_time),
        kind: risk_kind(&source_type),
        source_type,
        level: risk_level(found.str(FindingAt::Level)).unwrap_or(RiskLevel::Medium),
        is_confirmed,
        is_about_user: request_id.is_empty(),
        request_id,
        address: None,
        address_text: found.first_text([FindingAt::Address, FindingAt::EcsAddress]),
        location: ProviderLocation {
            city: found.text(FindingAt::City),
            state: found.text(FindingAt::Region),
            country: code_of(found.text(FindingAt::Country)),
            coordinates: entra::coordinates(found.number(FindingAt::Latitude), found.number(FindingAt::Longitude)),
        },
        reasons: text::cut(Cow::Borrowed(found.json(FindingAt::Reasons))),
    })
}
