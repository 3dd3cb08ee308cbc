//! [`SignIn`], [`Feedback`] and [`UpstreamFinding`] → one line of canonical JSON each: what a repartition stage hands on
//! and `farsign simulate` writes.

use serde::Serialize;

use super::{
    ACCOUNTS, ACTIONS, CATEGORIES, CLIENT_APPS, CREDENTIALS, FEEDBACK, MFAS, OUTCOMES, PROVIDERS,
    RISK_EVENT_TYPES, RISK_LEVELS, SIGN_IN, UPSTREAM_FINDING, name_of,
};
use crate::engine::signin::{EventTime, Feedback, ProviderLocation, SignIn, UpstreamFinding};

/// Appends `sign_in` as one line of canonical JSON, without a newline. Empty fields are left out.
pub fn write_farsign(sign_in: &SignIn<'_>, out: &mut Vec<u8>) {
    let location = &sign_in.location;
    let device = &sign_in.device;
    let spelled_address = sign_in.address.map(|address| address.to_string()).unwrap_or_default();
    let line = SignInLine {
        kind: SIGN_IN,
        provider: name_of(sign_in.provider, &PROVIDERS),
        category: name_of(sign_in.category, &CATEGORIES),
        tenant_id: &sign_in.tenant_id,
        id: &sign_in.event_id,
        time: time_text(sign_in.event_time),
        user_id: &sign_in.user_id,
        user_principal_name: &sign_in.user_principal_name,
        user_display_name: &sign_in.user_display_name,
        outcome: name_of(sign_in.outcome, &OUTCOMES),
        credential: name_of(sign_in.credential, &CREDENTIALS),
        mfa: name_of(sign_in.mfa, &MFAS),
        account: name_of(sign_in.account, &ACCOUNTS),
        error_code: sign_in.error_code,
        ip_address: if sign_in.address_text.is_empty() { &spelled_address } else { &sign_in.address_text },
        asn: sign_in.asn,
        location: location_part(location),
        app_id: &sign_in.app_id,
        app_display_name: &sign_in.app_display_name,
        resource_display_name: &sign_in.resource_display_name,
        client_app: name_of(sign_in.client_app, &CLIENT_APPS),
        client_app_used: &sign_in.client_app_used,
        authentication_protocol: &sign_in.authentication_protocol,
        user_agent: &sign_in.user_agent,
        device: (*device != Default::default()).then(|| DevicePart {
            device_id: &device.device_id,
            display_name: &device.display_name,
            operating_system: &device.operating_system,
            browser: &device.browser,
            is_compliant: device.is_compliant,
            is_managed: device.is_managed,
            trust_type: &device.trust_type,
        }),
        session_id: &sign_in.session_id,
        correlation_id: &sign_in.correlation_id,
        incoming_token_type: &sign_in.incoming_token_type,
        token_issuer_type: &sign_in.token_issuer_type,
        token_issuer_name: &sign_in.token_issuer_name,
    };
    append(&line, out);
}

/// Appends `feedback` as one line of canonical JSON, without a newline.
pub fn write_farsign_feedback(feedback: &Feedback<'_>, out: &mut Vec<u8>) {
    let line = FeedbackLine {
        kind: FEEDBACK,
        provider: feedback.provider.map(|provider| name_of(provider, &PROVIDERS)),
        tenant_id: &feedback.tenant_id,
        id: &feedback.event_id,
        time: time_text(feedback.event_time),
        user_id: &feedback.user_id,
        user_principal_name: &feedback.user_principal_name,
        action: name_of(feedback.action, &ACTIONS),
        request_id: &feedback.request_id,
    };
    append(&line, out);
}

/// Appends `finding` as one line of canonical JSON, without a newline. Empty fields are left out.
pub fn write_farsign_upstream_finding(finding: &UpstreamFinding<'_>, out: &mut Vec<u8>) {
    let spelled_address = finding.address.map(|address| address.to_string()).unwrap_or_default();
    let line = FindingLine {
        kind: UPSTREAM_FINDING,
        source: &finding.source,
        provider: name_of(finding.provider, &PROVIDERS),
        tenant_id: &finding.tenant_id,
        id: &finding.event_id,
        time: time_text(finding.event_time),
        activity_time: time_text(finding.activity_time),
        user_id: &finding.user_id,
        user_principal_name: &finding.user_principal_name,
        risk_event_type: name_of(finding.kind, &RISK_EVENT_TYPES),
        source_type: &finding.source_type,
        risk_level: name_of(finding.level, &RISK_LEVELS),
        is_confirmed: finding.is_confirmed,
        request_id: &finding.request_id,
        is_about_user: finding.is_about_user,
        ip_address: if finding.address_text.is_empty() { &spelled_address } else { &finding.address_text },
        location: location_part(&finding.location),
        reasons: &finding.reasons,
    };
    append(&line, out);
}

fn location_part<'s>(location: &'s ProviderLocation<'_>) -> Option<LocationPart<'s>> {
    (*location != ProviderLocation::default()).then(|| LocationPart {
        city: &location.city,
        state: &location.state,
        country: &location.country,
        latitude: location.coordinates.map(|(latitude, _)| latitude),
        longitude: location.coordinates.map(|(_, longitude)| longitude),
    })
}

/// Full precision: [`EventTime`]'s `Display` drops the last two digits.
fn time_text(time: EventTime) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(timestamp) => timestamp.to_string(),
        Err(_) => time.to_string(),
    }
}

fn append(line: &impl Serialize, out: &mut Vec<u8>) {
    let length = out.len();
    // Writing text and numbers to memory has no way to fail; if it had, no half line must stay.
    if serde_json::to_writer(&mut *out, line).is_err() {
        out.truncate(length);
    }
}

fn is_empty(text: &str) -> bool {
    text.is_empty()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignInLine<'s> {
    #[serde(rename = "type")]
    kind: &'static str,
    provider: &'static str,
    category: &'static str,
    tenant_id: &'s str,
    id: &'s str,
    time: String,
    user_id: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    user_principal_name: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    user_display_name: &'s str,
    outcome: &'static str,
    credential: &'static str,
    mfa: &'static str,
    account: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<u32>,
    #[serde(skip_serializing_if = "is_empty")]
    ip_address: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    asn: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<LocationPart<'s>>,
    #[serde(skip_serializing_if = "is_empty")]
    app_id: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    app_display_name: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    resource_display_name: &'s str,
    client_app: &'static str,
    #[serde(skip_serializing_if = "is_empty")]
    client_app_used: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    authentication_protocol: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    user_agent: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DevicePart<'s>>,
    #[serde(skip_serializing_if = "is_empty")]
    session_id: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    correlation_id: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    incoming_token_type: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    token_issuer_type: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    token_issuer_name: &'s str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LocationPart<'s> {
    #[serde(skip_serializing_if = "is_empty")]
    city: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    state: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    country: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DevicePart<'s> {
    #[serde(skip_serializing_if = "is_empty")]
    device_id: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    display_name: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    operating_system: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    browser: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_compliant: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_managed: Option<bool>,
    #[serde(skip_serializing_if = "is_empty")]
    trust_type: &'s str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FeedbackLine<'s> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'static str>,
    tenant_id: &'s str,
    id: &'s str,
    time: String,
    user_id: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    user_principal_name: &'s str,
    action: &'static str,
    #[serde(skip_serializing_if = "is_empty")]
    request_id: &'s str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingLine<'s> {
    #[serde(rename = "type")]
    kind: &'static str,
    source: &'s str,
    provider: &'static str,
    tenant_id: &'s str,
    id: &'s str,
    time: String,
    activity_time: String,
    user_id: &'s str,
    #[serde(skip_serializing_if = "is_empty")]
    user_principal_name: &'s str,
    risk_event_type: &'static str,
    #[serde(skip_serializing_if = "is_empty")]
    source_type: &'s str,
    risk_level: &'static str,
    is_confirmed: bool,
    request_id: &'s str,
    is_about_user: bool,
    #[serde(skip_serializing_if = "is_empty")]
    ip_address: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<LocationPart<'s>>,
    #[serde(skip_serializing_if = "is_empty")]
    reasons: &'s str,
}
