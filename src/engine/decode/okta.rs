//! Okta System Log → [`SignIn`]s and what Okta itself holds for risky.
//!
//! ## What it maps
//! | event type | becomes |
//! |---|---|
//! | `user.session.start` | an interactive sign-in |
//! | `user.authentication.sso` | a sign-in without the user's doing: the session is used again |
//! | `user.authentication.auth_via_mfa`, `user.mfa.okta_verify.deny_push` … | a step: passed, or the second factor denied behind a right first one |
//! | `user.authentication.auth_via_…`, `.verify` | a step at another door (directory, federation); failed: a wrong first factor |
//! | `policy.evaluate_sign_on` | a step; `DENY`: refused behind a right first factor |
//! | `app.oauth2.…grant…` of a user | a sign-in without the user's doing |
//! | `user.account.report_suspicious_activity_by_enduser` | a prompt the owner reported |
//! | `user.risk.detect`, `user.risk.change`, `security.breached_credential.detected` | an upstream finding about the user |
//! | every other | not a sign-in |
//!
//! `debugData.risk`, or the copy in `logOnlySecurityData`, at medium or above is an upstream finding beside the sign-in.
//!
//! ## Traps
//! - One login is three to six events; they share `authenticationContext.externalSessionId`.
//! - `VERIFICATION_ERROR` is said of a wrong password and of an unknown user: nobody knows.
//! - The user of an event about another is in `target`; `alternateId` "unknown" is no name.
//! - Countries are written as names. `client.zone` is the text "null".
//! - `debugData.risk` is an object, or the text of a Java map whose values hold commas.
//! - No event names its organisation: the tenant is `okta`, until an identity map says more.

use std::borrow::Cow;

use super::country::code_of;
use super::draft::{self, Ending, SignInRisk, blank, emit_with};
use super::format::{Emit, Format, Reader};
use super::paths::{Values, elements, json_in, paths};
use super::{Around, Decoded, Reject, SkipReason, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{
    Category, EventTime, Mfa, Outcome, Provider, ProviderLocation, SignIn, UpstreamFinding,
};

pub(super) const READER: Reader = Reader {
    format: Format::Okta,
    // The second as SIEMs that lower all keys keep it.
    marks: &[&["uuid", "published", "eventType"], &["uuid", "published", "eventtype"]],
    is_line: None,
    read,
};

const SOURCE: &str = "Okta";

paths! {
    /// Where the System Log has what is read.
    enum At (IgnoreCase) {
        Uuid = Scalar "uuid",
        Published = Scalar "published",
        EventType = Scalar "eventType",
        ActorId = Scalar "actor/id",
        ActorType = Scalar "actor/type",
        ActorAlternateId = Scalar "actor/alternateId",
        ActorDisplayName = Scalar "actor/displayName",
        Target = Json "target",
        Result = Scalar "outcome/result",
        Reason = Scalar "outcome/reason",
        IpAddress = Scalar "client/ipAddress",
        ChainAddress = Scalar "request/ipChain/0/ip",
        City = Scalar "client/geographicalContext/city",
        State = Scalar "client/geographicalContext/state",
        Country = Scalar "client/geographicalContext/country",
        Latitude = Scalar "client/geographicalContext/geolocation/lat",
        Longitude = Scalar "client/geographicalContext/geolocation/lon",
        AsNumber = Scalar "securityContext/asNumber",
        UserAgent = Scalar "client/userAgent/rawUserAgent",
        OperatingSystem = Scalar "client/userAgent/os",
        Browser = Scalar "client/userAgent/browser",
        DeviceId = Scalar "device/id",
        DeviceName = Scalar "device/name",
        DevicePlatform = Scalar "device/platform",
        DeviceManaged = Scalar "device/managed",
        SessionId = Scalar "authenticationContext/externalSessionId",
        RootSessionId = Scalar "authenticationContext/rootSessionId",
        Transaction = Scalar "transaction/id",
        DeviceHash = Scalar "debugContext/debugData/dtHash",
        SecondMethod = Scalar "debugContext/debugData/authMethodSecondType",
        Risk = Json "debugContext/debugData/risk",
        LogOnly = Scalar "debugContext/debugData/logOnlySecurityData",
    }
}

paths! {
    /// One of the things an event is about.
    enum TargetAt (IgnoreCase) {
        Id = Scalar "id",
        Type = Scalar "type",
        AlternateId = Scalar "alternateId",
        DisplayName = Scalar "displayName",
    }
}

type Event<'a> = Values<'a, { At::COUNT }>;

fn read<'a>(text: &'a str, _: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut event = At::read(text)?;
    let kind = event.text(At::EventType).to_ascii_lowercase();
    let is_of_client = event.is(At::ActorType, "PublicClientApp");
    match kind.as_str() {
        "user.risk.detect" | "user.risk.change" | "security.breached_credential.detected" => {
            let finding = finding(&mut event, &kind)?;
            emit(finding.map_or(Decoded::Skipped(SkipReason::NotASignIn), Decoded::UpstreamFinding));
            Ok(())
        }
        _ if kind.starts_with("app.oauth2.") && kind.contains(".grant") && is_of_client => {
            emit(Decoded::Skipped(SkipReason::ServicePrincipal));
            Ok(())
        }
        _ => match attempt(&kind, &event) {
            Some((category, ending)) => {
                let risk = risk(&event);
                let mut sign_in = sign_in(&mut event)?;
                sign_in.category = category;
                ending.put(&mut sign_in);
                emit_with(sign_in, risk, emit)
            }
            None => {
                emit(Decoded::Skipped(SkipReason::NotASignIn));
                Ok(())
            }
        },
    }
}

/// What kind of sign-in an event is, and how it ended; `None` where it is none.
fn attempt(kind: &str, event: &Event<'_>) -> Option<(Category, Ending)> {
    let step = Ending { outcome: Outcome::Interrupted, ..Ending::SUCCESS };
    let result = event.str(At::Result).trim();
    let has_passed = ["SUCCESS", "ALLOW"].iter().any(|word| result.eq_ignore_ascii_case(word));
    let (category, passed, refused) = match kind {
        "user.session.start" => (Category::Interactive, with_mfa(event), refusal(event, Ending::WRONG)),
        "user.authentication.sso" => (Category::NonInteractive, Ending::SUCCESS, Ending::BLOCKED),
        "user.account.report_suspicious_activity_by_enduser" => {
            (Category::Interactive, Ending::MFA_REPORTED, Ending::MFA_REPORTED)
        }
        "user.authentication.auth_via_mfa" => {
            (Category::Interactive, Ending { mfa: Mfa::Performed, ..step }, Ending::MFA_DENIED)
        }
        "policy.evaluate_sign_on" if result.eq_ignore_ascii_case("CHALLENGE") => {
            (Category::Interactive, Ending::MFA_PENDING, Ending::MFA_PENDING)
        }
        "policy.evaluate_sign_on" => (Category::Interactive, step, Ending::BLOCKED),
        _ if kind.starts_with("user.mfa.") && kind.contains("deny_push") => {
            (Category::Interactive, Ending::MFA_DENIED, Ending::MFA_DENIED)
        }
        _ if kind.starts_with("user.authentication.auth_via_") || kind == "user.authentication.verify" => {
            (Category::Interactive, step, refusal(event, Ending::WRONG))
        }
        _ if kind.starts_with("app.oauth2.") && kind.contains(".grant") => {
            (Category::NonInteractive, Ending::SUCCESS, Ending::UNCLEAR)
        }
        _ => return None,
    };
    Some((category, if has_passed { passed } else { refused }))
}

fn with_mfa(event: &Event<'_>) -> Ending {
    if event.has(At::SecondMethod) { Ending::MFA_PERFORMED } else { Ending::SUCCESS }
}

/// What the reason of a failure says; `wrong` where it says that the credentials were.
fn refusal(event: &Event<'_>, wrong: Ending) -> Ending {
    let reason = event.str(At::Reason).trim().to_ascii_uppercase();
    match reason.as_str() {
        "INVALID_CREDENTIALS" => wrong,
        "UNKNOWN_USER" => Ending::NO_SUCH_USER,
        "LOCKED_OUT" => Ending::LOCKED,
        "PASSWORD_EXPIRED" | "FASTPASS DECLINED PHISHING ATTEMPT" => Ending::BLOCKED,
        _ if reason.starts_with("SIGN-ON POLICY") => Ending::BLOCKED,
        // An actor without an account is one that was typed.
        _ if text::is_absent(event.str(At::ActorId)) => Ending::NO_SUCH_USER,
        _ => Ending::UNCLEAR,
    }
}

fn sign_in<'a>(event: &mut Event<'a>) -> Result<SignIn<'a>, Reject> {
    let mut sign_in = blank(Provider::Okta, time_of(event)?);
    let targets = event.json(At::Target);
    sign_in.event_id = event.id(At::Uuid, "uuid")?;
    (sign_in.user_id, sign_in.user_principal_name, sign_in.user_display_name) = user_of(event)?;
    sign_in.address_text = event.first_text([At::IpAddress, At::ChainAddress]);
    sign_in.location = location_of(event);
    sign_in.asn = super::entra::asn_of(event.get(At::AsNumber));
    sign_in.user_agent = event.text(At::UserAgent);
    sign_in.device.device_id = event.first_text([At::DeviceId, At::DeviceHash]);
    sign_in.device.display_name = event.text(At::DeviceName);
    sign_in.device.operating_system = event.first_text([At::OperatingSystem, At::DevicePlatform]);
    sign_in.device.browser = event.text(At::Browser);
    sign_in.device.is_managed = event.flag(At::DeviceManaged);
    sign_in.session_id = event.first_text([At::SessionId, At::RootSessionId]);
    sign_in.correlation_id = event.text(At::Transaction);
    if let Some(mut app) = target_of(targets, &["AppInstance"]) {
        sign_in.app_id = app.text(TargetAt::Id);
        sign_in.app_display_name = app.text(TargetAt::DisplayName);
    }
    Ok(sign_in)
}

fn time_of(event: &Event<'_>) -> Result<EventTime, Reject> {
    event.time(&[(At::Published, "published")])
}

/// Id, login and name of the user: the actor's, or the target's where the actor is none.
fn user_of<'a>(event: &mut Event<'a>) -> Result<(Cow<'a, str>, Cow<'a, str>, Cow<'a, str>), Reject> {
    let is_user = event.is(At::ActorType, "User") || event.is(At::ActorType, "AppUser");
    if !is_user && let Some(mut user) = target_of(event.json(At::Target), &["User", "AppUser"]) {
        let id = user.id(TargetAt::Id, "target.id")?;
        return Ok((id, user.text(TargetAt::AlternateId), user.text(TargetAt::DisplayName)));
    }
    let id = event.id(At::ActorId, "actor.id")?;
    Ok((id, event.text(At::ActorAlternateId), event.text(At::ActorDisplayName)))
}

fn target_of<'a>(targets: &'a str, types: &[&str]) -> Option<Values<'a, { TargetAt::COUNT }>> {
    elements(targets)
        .filter_map(|target| TargetAt::read(target).ok())
        .find(|target| types.iter().any(|kind| target.is(TargetAt::Type, kind)))
}

fn location_of<'a>(event: &mut Event<'a>) -> ProviderLocation<'a> {
    ProviderLocation {
        city: event.text(At::City),
        state: event.text(At::State),
        country: code_of(event.text(At::Country)),
        coordinates: super::entra::coordinates(event.number(At::Latitude), event.number(At::Longitude)),
    }
}

paths! {
    /// Okta's risk, and the text it is copied in.
    enum RiskAt (IgnoreCase) {
        Level = Scalar "level",
        Reasons = Scalar "reasons",
        CopiedLevel = Scalar "risk/level",
        CopiedReasons = Scalar "risk/reasons",
    }
}

/// The risk that Okta gives the sign-in, from medium on: low is what every sign-in has.
fn risk<'a>(event: &Event<'a>) -> Option<SignInRisk<'a>> {
    let (level, reasons) = risk_written(event)?;
    let level = level_of(&level).filter(|level| *level >= RiskLevel::Medium)?;
    Some(SignInRisk {
        source: Cow::Borrowed(SOURCE),
        kind: RiskEventType::Generic,
        source_type: Cow::Borrowed("risk"),
        level,
        is_confirmed: false,
        reasons: Cow::Owned(reasons),
    })
}

fn level_of(word: &str) -> Option<RiskLevel> {
    let levels = [RiskLevel::Low, RiskLevel::Medium, RiskLevel::High];
    levels.into_iter().find(|level| level.name().eq_ignore_ascii_case(word))
}

/// Level and reasons, in whichever of three forms they are.
fn risk_written(event: &Event<'_>) -> Option<(String, String)> {
    let written = event.str(At::Risk);
    if let Some((_, after)) = written.split_once("level=") {
        let level = after.split([',', '}']).next().unwrap_or_default().trim();
        let reasons = written.split_once("reasons=").map_or("", |(_, after)| after);
        let reasons = reasons.split(", level=").next().unwrap_or_default().trim_end_matches('}');
        return Some((level.to_owned(), reasons.trim().to_owned()));
    }
    let copy = json_in(event.get(At::LogOnly));
    let json = match event.json(At::Risk) {
        "" => copy.as_deref()?,
        json => json,
    };
    let mut risk = RiskAt::read(json).ok()?;
    let level = risk.first_text([RiskAt::Level, RiskAt::CopiedLevel]);
    let reasons = risk.first_text([RiskAt::Reasons, RiskAt::CopiedReasons]);
    (!level.is_empty()).then(|| (level.into_owned(), reasons.into_owned()))
}

/// What Okta found about a user; `None` where it found that there is no risk.
fn finding<'a>(event: &mut Event<'a>, kind: &str) -> Result<Option<UpstreamFinding<'a>>, Reject> {
    let is_leak = kind == "security.breached_credential.detected";
    let (level, reasons) = risk_written(event).unwrap_or_default();
    let level = if is_leak { Some(RiskLevel::High) } else { level_of(&level) };
    let Some(level) = level else { return Ok(None) };
    let event_time = time_of(event)?;
    let (user_id, user_principal_name, _) = user_of(event)?;
    let finding = UpstreamFinding {
        source: Cow::Borrowed(SOURCE),
        provider: Provider::Okta,
        tenant_id: Cow::Borrowed(""),
        user_id,
        user_principal_name,
        event_id: event.id(At::Uuid, "uuid")?,
        event_time,
        activity_time: event_time,
        kind: if is_leak { RiskEventType::LeakedCredentials } else { RiskEventType::Generic },
        source_type: Cow::Owned(kind.to_owned()),
        level,
        is_confirmed: false,
        request_id: Cow::Borrowed(""),
        is_about_user: true,
        address: None,
        address_text: event.first_text([At::IpAddress, At::ChainAddress]),
        location: location_of(event),
        reasons: text::cut(Cow::Owned(reasons)),
    };
    draft::finish_finding(finding).map(Some)
}
