//! Our own canonical JSON ↔ [`SignIn`] and [`Feedback`]: one object a line, named as the types name their fields.
//!
//! The format is documented in `docs/formats/farsign.md`, with a JSON Schema beside it. Enumerations are strict: a
//! word that is not known is a reject naming the field. Every other optional field costs only itself when it
//! cannot be read. What [`write_farsign`] writes, the decoder reads back equal.

use std::borrow::Cow;

use serde::Serialize;

use super::address::parse_address;
use super::entra::{asn_of, country_of, device_of, place_of};
use super::fields::{Fields, read_fields};
use super::keys::{Key, Section};
use super::scalar::{Scalar, wrong_type};
use super::time::TimeError;
use super::{Decoded, Reject, RejectReason, TENANT_UNKNOWN, client, event_id, text};
use crate::engine::signin::{
    AccountState, Category, ClientApp, Credential, EventTime, Feedback, FeedbackAction, Mfa, Outcome, Provider,
    ProviderLocation, SignIn,
};

const SIGN_IN: &str = "signIn";
const FEEDBACK: &str = "feedback";

/// Does the text start as [`write_farsign`] would start it?
pub(super) fn is_likely(text: &str) -> bool {
    [r#"{"type":"signIn""#, r#"{"type":"feedback""#].iter().any(|start| text.starts_with(start))
}

/// Is this the `type` of one of our records?
pub(super) fn is_type(scalar: &Scalar<'_>) -> bool {
    matches!(scalar.as_str(), SIGN_IN | FEEDBACK)
}

/// `Ok(None)` when the object's `type` is not ours.
pub(super) fn decode(text: &str) -> Result<Option<Decoded<'_>>, Reject> {
    let mut fields = Fields::new();
    read_fields(text, Section::Farsign, &mut fields)?;
    match fields.get(Key::Type).as_str() {
        SIGN_IN => sign_in(&mut fields).map(|sign_in| Some(Decoded::SignIn(sign_in))),
        FEEDBACK => feedback(&mut fields).map(|feedback| Some(Decoded::Feedback(feedback))),
        _ => Ok(None),
    }
}

fn sign_in<'a>(fields: &mut Fields<'a>) -> Result<SignIn<'a>, Reject> {
    let event_time = time_of(fields)?;
    let user_principal_name = text::fold(fields.take(Key::UserPrincipalName).into_text());
    let user_id = user_of(fields, &user_principal_name)?;
    let outcome = word(fields, Key::Outcome, "outcome", &OUTCOMES, None)?;
    let first_factor = if outcome == Outcome::Failed { Credential::Unknown } else { Credential::Right };
    let client_app_used = fields.take(Key::ClientAppUsed).into_text();
    let user_agent = fields.take(Key::UserAgent).into_text();
    let client_app = client::client_app(&client_app_used, &user_agent);
    let address_text = fields.take(Key::IpAddress).into_text();
    let location = ProviderLocation { country: country_of(fields.take(Key::Country)), ..place_of(fields) };
    let mut sign_in = SignIn {
        provider: word(fields, Key::Provider, "provider", &PROVIDERS, Some(Provider::Farsign))?,
        category: word(fields, Key::Category, "category", &CATEGORIES, Some(Category::Interactive))?,
        tenant_id: tenant_of(fields)?,
        event_id: fields.take(Key::Id).into_id("id")?,
        event_time,
        user_id,
        user_principal_name,
        user_display_name: fields.take(Key::UserDisplayName).into_text(),
        outcome,
        credential: word(fields, Key::Credential, "credential", &CREDENTIALS, Some(first_factor))?,
        mfa: word(fields, Key::Mfa, "mfa", &MFAS, Some(Mfa::Unknown))?,
        account: word(fields, Key::Account, "account", &ACCOUNTS, Some(AccountState::Normal))?,
        error_code: fields.get(Key::ErrorCode).to_u32(),
        address: parse_address(&address_text),
        address_text,
        asn: asn_of(fields.get(Key::AutonomousSystemNumber)),
        location,
        app_id: text::fold_id(fields.take(Key::AppId).into_text()),
        app_display_name: fields.take(Key::AppDisplayName).into_text(),
        resource_display_name: fields.take(Key::ResourceDisplayName).into_text(),
        client_app: word(fields, Key::ClientApp, "clientApp", &CLIENT_APPS, Some(client_app))?,
        client_app_used,
        authentication_protocol: fields.take(Key::AuthenticationProtocol).into_text(),
        user_agent,
        device: device_of(fields),
        session_id: fields.take(Key::SessionId).into_text(),
        correlation_id: text::fold_id(fields.take(Key::CorrelationId).into_text()),
        incoming_token_type: fields.take(Key::IncomingTokenType).into_text(),
        token_issuer_type: fields.take(Key::TokenIssuerType).into_text(),
        token_issuer_name: fields.take(Key::TokenIssuerName).into_text(),
    };
    sign_in.event_id = event_id::event_id(&sign_in, "", "")?;
    Ok(sign_in)
}

fn feedback<'a>(fields: &mut Fields<'a>) -> Result<Feedback<'a>, Reject> {
    let event_time = time_of(fields)?;
    let name = text::fold(fields.take(Key::UserPrincipalName).into_text());
    let mut feedback = Feedback {
        tenant_id: tenant_of(fields)?,
        user_id: user_of(fields, &name)?,
        event_id: fields.take(Key::Id).into_id("id")?,
        event_time,
        action: word(fields, Key::Action, "action", &ACTIONS, None)?,
        request_id: text::check_id(fields.take(Key::RequestId).into_id("requestId")?, "requestId")?,
    };
    feedback.event_id = event_id::feedback_id(&feedback, name_of(feedback.action, &ACTIONS))?;
    Ok(feedback)
}

fn time_of(fields: &Fields<'_>) -> Result<EventTime, Reject> {
    match fields.get(Key::Time).to_time("time")? {
        None => Err(Reject::new(RejectReason::NoTime, "no time")),
        Some(Ok(time)) => Ok(time),
        Some(Err(TimeError::Unreadable)) => Err(Reject::new(RejectReason::NoTime, "the time is in no known form")),
        Some(Err(TimeError::OutOfRange)) => {
            Err(Reject::new(RejectReason::TimeOutOfRange, "the time is before 2000 or after 2099"))
        }
    }
}

fn tenant_of<'a>(fields: &mut Fields<'a>) -> Result<Cow<'a, str>, Reject> {
    let tenant = text::check_id(fields.take(Key::TenantId).into_id("tenantId")?, "tenantId")?;
    Ok(if tenant.is_empty() { Cow::Borrowed(TENANT_UNKNOWN) } else { tenant })
}

fn user_of<'a>(fields: &mut Fields<'a>, name: &Cow<'a, str>) -> Result<Cow<'a, str>, Reject> {
    let id = fields.take(Key::UserId).into_id("userId")?;
    let id = if id.is_empty() { name.clone() } else { id };
    if id.is_empty() {
        return Err(Reject::new(RejectReason::NoUser, "no user id and no user principal name"));
    }
    text::check_id(id, "userId")
}

/// The word of an enumeration; `absent` is its value when nothing is written.
fn word<T: Copy>(
    fields: &Fields<'_>,
    key: Key,
    name: &'static str,
    words: &[(&'static str, T)],
    absent: Option<T>,
) -> Result<T, Reject> {
    let scalar = fields.get(key);
    if let (Scalar::Absent, Some(absent)) = (scalar, absent) {
        return Ok(absent);
    }
    let found = words.iter().find(|(word, _)| *word == scalar.as_str());
    found.map(|(_, value)| *value).ok_or_else(|| wrong_type(name))
}

/// The word for a value. Every value is in its table: see `every_value_has_a_word`.
fn name_of<T: Copy + PartialEq>(value: T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("unknown", |(word, _)| word)
}

const PROVIDERS: [(&str, Provider); Provider::ALL.len()] = {
    let mut words = [("", Provider::Entra); Provider::ALL.len()];
    let mut index = 0;
    while index < words.len() {
        words[index] = (Provider::ALL[index].name(), Provider::ALL[index]);
        index += 1;
    }
    words
};
const CATEGORIES: [(&str, Category); 3] = [
    ("interactive", Category::Interactive),
    ("nonInteractive", Category::NonInteractive),
    ("adfs", Category::Adfs),
];
const OUTCOMES: [(&str, Outcome); 4] = [
    ("success", Outcome::Success),
    ("interrupted", Outcome::Interrupted),
    ("blocked", Outcome::Blocked),
    ("failed", Outcome::Failed),
];
const CREDENTIALS: [(&str, Credential); 3] =
    [("right", Credential::Right), ("wrong", Credential::Wrong), ("unknown", Credential::Unknown)];
const MFAS: [(&str, Mfa); 7] = [
    ("unknown", Mfa::Unknown),
    ("notRequired", Mfa::NotRequired),
    ("performed", Mfa::Performed),
    ("claim", Mfa::Claim),
    ("pending", Mfa::Pending),
    ("denied", Mfa::Denied),
    ("reported", Mfa::Reported),
];
const ACCOUNTS: [(&str, AccountState); 5] = [
    ("normal", AccountState::Normal),
    ("disabled", AccountState::Disabled),
    ("deleted", AccountState::Deleted),
    ("locked", AccountState::Locked),
    ("unknown", AccountState::Unknown),
];
const CLIENT_APPS: [(&str, ClientApp); 4] = [
    ("unknown", ClientApp::Unknown),
    ("browser", ClientApp::Browser),
    ("modern", ClientApp::Modern),
    ("legacy", ClientApp::Legacy),
];
const ACTIONS: [(&str, FeedbackAction); 5] = [
    ("confirmSafe", FeedbackAction::ConfirmSafe),
    ("confirmCompromised", FeedbackAction::ConfirmCompromised),
    ("dismiss", FeedbackAction::Dismiss),
    ("passedMfa", FeedbackAction::PassedMfa),
    ("passwordChanged", FeedbackAction::PasswordChanged),
];

/// Appends `sign_in` as one line of canonical JSON, without a newline. Empty fields are left out.
pub fn write_farsign(sign_in: &SignIn<'_>, out: &mut Vec<u8>) {
    let location = &sign_in.location;
    let device = &sign_in.device;
    let spelled_address = sign_in.address.map(|address| address.to_string()).unwrap_or_default();
    let has_location = *location != ProviderLocation::default();
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
        location: has_location.then(|| LocationPart {
            city: &location.city,
            state: &location.state,
            country: &location.country,
            latitude: location.coordinates.map(|(latitude, _)| latitude),
            longitude: location.coordinates.map(|(_, longitude)| longitude),
        }),
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
        tenant_id: &feedback.tenant_id,
        id: &feedback.event_id,
        time: time_text(feedback.event_time),
        user_id: &feedback.user_id,
        action: name_of(feedback.action, &ACTIONS),
        request_id: &feedback.request_id,
    };
    append(&line, out);
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
    tenant_id: &'s str,
    id: &'s str,
    time: String,
    user_id: &'s str,
    action: &'static str,
    #[serde(skip_serializing_if = "is_empty")]
    request_id: &'s str,
}
