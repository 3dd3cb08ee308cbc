//! Our own canonical JSON ↔ [`SignIn`], [`Feedback`] and [`UpstreamFinding`]: one object a line, named as the types name
//! their fields.
//!
//! The format is documented in `docs/formats/farsign.md`, with a JSON Schema beside it. Enumerations are strict: a
//! word that is not known is a reject naming the field. Every other optional field costs only itself when it
//! cannot be read. What [`mod@write`] writes, the decoder reads back equal.

mod write;

use std::borrow::Cow;

pub use write::{write_farsign, write_farsign_feedback, write_farsign_upstream_finding};

use super::address::parse_address;
use super::entra::{asn_of, country_of, device_of, place_of};
use super::fields::{Fields, read_fields};
use super::keys::{Key, Section};
use super::paths::no_time;
use super::scalar::{Scalar, wrong_type};
use super::{Decoded, Reject, RejectReason, TENANT_UNKNOWN, client, event_id, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{
    AccountState, Category, ClientApp, Credential, EventTime, Feedback, FeedbackAction, Mfa, Outcome, Provider,
    ProviderLocation, SOURCE_LENGTH_MAX, SignIn, UpstreamFinding,
};

const SIGN_IN: &str = "signIn";
const FEEDBACK: &str = "feedback";
const UPSTREAM_FINDING: &str = "upstreamFinding";

/// Does the text start as [`mod@write`] would start it?
pub(super) fn is_likely(text: &str) -> bool {
    let starts = [r#"{"type":"signIn""#, r#"{"type":"feedback""#, r#"{"type":"upstreamFinding""#];
    starts.iter().any(|start| text.starts_with(start))
}

/// Is this the `type` of one of our records?
pub(super) fn is_type(scalar: &Scalar<'_>) -> bool {
    matches!(scalar.as_str(), SIGN_IN | FEEDBACK | UPSTREAM_FINDING)
}

/// `Ok(None)` when the object's `type` is not ours.
pub(super) fn decode(text: &str) -> Result<Option<Decoded<'_>>, Reject> {
    let mut fields = Fields::new();
    read_fields(text, Section::Farsign, &mut fields)?;
    match fields.get(Key::Type).as_str() {
        SIGN_IN => sign_in(&mut fields).map(|sign_in| Some(Decoded::SignIn(sign_in))),
        FEEDBACK => feedback(&mut fields).map(|feedback| Some(Decoded::Feedback(feedback))),
        UPSTREAM_FINDING => upstream_finding(&mut fields).map(|finding| Some(Decoded::UpstreamFinding(finding))),
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
    let provider = match fields.get(Key::Provider) {
        Scalar::Absent => None,
        _ => Some(word(fields, Key::Provider, "provider", &PROVIDERS, None)?),
    };
    let mut feedback = Feedback {
        provider,
        tenant_id: tenant_of(fields)?,
        user_id: user_of(fields, &name)?,
        user_principal_name: name,
        event_id: fields.take(Key::Id).into_id("id")?,
        event_time,
        action: word(fields, Key::Action, "action", &ACTIONS, None)?,
        request_id: text::check_id(fields.take(Key::RequestId).into_id("requestId")?, "requestId")?,
    };
    feedback.event_id = event_id::feedback_id(&feedback, name_of(feedback.action, &ACTIONS))?;
    Ok(feedback)
}

fn upstream_finding<'a>(fields: &mut Fields<'a>) -> Result<UpstreamFinding<'a>, Reject> {
    let event_time = time_of(fields)?;
    let user_principal_name = text::fold(fields.take(Key::UserPrincipalName).into_text());
    let address_text = fields.take(Key::IpAddress).into_text();
    let request_id = text::check_id(fields.take(Key::RequestId).into_id("requestId")?, "requestId")?;
    let mut finding = UpstreamFinding {
        source: source_of(fields)?,
        provider: word(fields, Key::Provider, "provider", &PROVIDERS, Some(Provider::Farsign))?,
        tenant_id: tenant_of(fields)?,
        user_id: user_of(fields, &user_principal_name)?,
        user_principal_name,
        event_id: fields.take(Key::Id).into_id("id")?,
        event_time,
        activity_time: optional_time_of(fields, Key::ActivityDateTime, "activityTime")?.unwrap_or(event_time),
        kind: word(fields, Key::RiskEventType, "riskEventType", &RISK_EVENT_TYPES, None)?,
        source_type: fields.take(Key::SourceType).into_text(),
        level: word(fields, Key::RiskLevel, "riskLevel", &RISK_LEVELS, None)?,
        is_confirmed: fields.get(Key::IsConfirmed).to_flag().unwrap_or(false),
        // What names no sign-in is about the user.
        is_about_user: fields.get(Key::IsAboutUser).to_flag().unwrap_or(request_id.is_empty()),
        request_id,
        address: parse_address(&address_text),
        address_text,
        location: ProviderLocation { country: country_of(fields.take(Key::Country)), ..place_of(fields) },
        reasons: fields.take(Key::Reasons).into_text(),
    };
    finding.event_id = event_id::finding_id(&finding)?;
    if finding.request_id.is_empty() {
        finding.request_id.clone_from(&finding.event_id);
    }
    Ok(finding)
}

/// The product or feed, which every finding has: it is part of a detection's id.
fn source_of<'a>(fields: &mut Fields<'a>) -> Result<Cow<'a, str>, Reject> {
    let source = text::check_control(fields.take(Key::Source).into_text(), "source")?;
    if source.is_empty() {
        return Err(wrong_type("source"));
    }
    if source.len() > SOURCE_LENGTH_MAX {
        let detail = format!("`source` is longer than {SOURCE_LENGTH_MAX} bytes");
        return Err(Reject::new(RejectReason::BadId, detail));
    }
    Ok(source)
}

fn time_of(fields: &Fields<'_>) -> Result<EventTime, Reject> {
    let time = optional_time_of(fields, Key::Time, "time")?;
    time.ok_or_else(|| no_time(None))
}

fn optional_time_of(fields: &Fields<'_>, key: Key, name: &'static str) -> Result<Option<EventTime>, Reject> {
    match fields.get(key).to_time(name)? {
        None => Ok(None),
        Some(Ok(time)) => Ok(Some(time)),
        Some(Err(error)) => Err(no_time(Some(error))),
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
const OUTCOMES: [(&str, Outcome); Outcome::ALL.len()] = [
    (Outcome::Success.name(), Outcome::Success),
    (Outcome::Interrupted.name(), Outcome::Interrupted),
    (Outcome::Blocked.name(), Outcome::Blocked),
    (Outcome::Failed.name(), Outcome::Failed),
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
const RISK_LEVELS: [(&str, RiskLevel); 4] =
    [("none", RiskLevel::None), ("low", RiskLevel::Low), ("medium", RiskLevel::Medium), ("high", RiskLevel::High)];
/// Graph's names, and the other one it has for impossible travel.
const RISK_EVENT_TYPES: [(&str, RiskEventType); RiskEventType::ALL.len() + 1] = {
    let mut words = [("impossibleTravel", RiskEventType::ImpossibleTravel); RiskEventType::ALL.len() + 1];
    let mut index = 0;
    while index < RiskEventType::ALL.len() {
        words[index] = (RiskEventType::ALL[index].name(), RiskEventType::ALL[index]);
        index += 1;
    }
    words
};
