//! JumpCloud Directory Insights → [`SignIn`]s.
//!
//! ## What it maps
//! | `event_type` | becomes |
//! |---|---|
//! | `user_login_attempt`, `admin_login_attempt`, other `…_login_attempt` | an interactive sign-in at a portal |
//! | `login_attempt` | an interactive sign-in at a device (screen, ssh) |
//! | `radius_auth_attempt`, `ldap_bind` | an interactive sign-in through RADIUS or LDAP |
//! | `sso_auth` | a sign-in to an application without the user's doing: the portal's session is used again |
//! | `push_mfa_attempt` | a step: the second factor passed, or denied behind a right first one |
//! | `user_lockout` | a failed sign-in at a locked account: the attempt that was one too many |
//! | every other | not a sign-in |
//!
//! `error_message` says why it failed, in words ([`super::reason`]). There is no session id, no autonomous system, no
//! city, and of the user agent only what was understood of it. There is no risk either.
//!
//! ## Traps
//! - `sso_auth` says `sso_token_success` where the others say `success`; "not authorized" there is a policy's refusal.
//! - RADIUS knows no user id, and its `outer` name is not the one that was authenticated.
//! - `mfa` is whether a second factor was used, not whether it passed.
//! - At a device `client_ip` is the device's own, and `src_ip` the one it was reached from, if it was.
//! - The address under `jumpcloud_protect_device` is the telephone's that answered, not the client's.

use std::borrow::Cow;

use super::address::parse_address;
use super::country::code_of;
use super::draft::{Ending, blank, finish};
use super::format::{Emit, Format, Reader};
use super::paths::{Values, paths};
use super::reason::ending_of;
use super::{Around, Decoded, Reject, RejectReason, SkipReason, text};
use crate::engine::signin::{Category, Mfa, Outcome, Provider, ProviderLocation, SignIn};

pub(super) const READER: Reader = Reader {
    format: Format::JumpCloud,
    marks: &[&["event_type", "initiated_by"], &["event_type", "organization"], &["event_type", "service"]],
    is_line: None,
    read,
};

paths! {
    /// Where Directory Insights has what is read.
    enum At (IgnoreCase) {
        Id = Scalar "id",
        Timestamp = Scalar "timestamp",
        SystemTimestamp = Scalar "system_timestamp",
        EventType = Scalar "event_type",
        Organization = Scalar "organization",
        Success = Scalar "success",
        TokenSuccess = Scalar "sso_token_success",
        ErrorMessage = Scalar "error_message",
        Mfa = Scalar "mfa",
        InitiatorId = Scalar "initiated_by/id",
        InitiatorType = Scalar "initiated_by/type",
        InitiatorName = Scalar "initiated_by/username",
        InitiatorEmail = Scalar "initiated_by/email",
        Username = Scalar "username",
        ResourceId = Scalar "resource/id",
        ResourceType = Scalar "resource/type",
        ResourceName = Scalar "resource/username",
        ClientIp = Scalar "client_ip",
        SourceIp = Scalar "src_ip",
        City = Scalar "geoip/city",
        Region = Scalar "geoip/region_name",
        Country = Scalar "geoip/country_code",
        Latitude = Scalar "geoip/latitude",
        Longitude = Scalar "geoip/longitude",
        Agent = Scalar "useragent",
        AgentName = Scalar "useragent/name",
        AgentVersion = Scalar "useragent/version",
        AgentOsFull = Scalar "useragent/os_full",
        AgentOs = Scalar "useragent/os",
        AuthSystemId = Scalar "auth_context/system/id",
        AuthSystemName = Scalar "auth_context/system/hostname",
        SystemId = Scalar "system/id",
        SystemName = Scalar "system/hostname",
        SystemOs = Scalar "system/os",
        ApplicationId = Scalar "application/id",
        ApplicationLabel = Scalar "application/display_label",
        ApplicationName = Scalar "application/name",
        SsoType = Scalar "application/sso_type",
        ProcessName = Scalar "process_name",
    }
}

const LOCKOUT: &str = "user_lockout";

type Event<'a> = Values<'a, { At::COUNT }>;

fn read<'a>(text: &'a str, _: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut event = At::read(text)?;
    let Some((category, protocol)) = attempt(event.str(At::EventType).trim()) else {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    };
    let ending = ending(&event)?;
    let mut sign_in = sign_in(&mut event)?;
    sign_in.category = category;
    if !protocol.is_empty() {
        sign_in.authentication_protocol = Cow::Borrowed(protocol);
    }
    ending.put(&mut sign_in);
    emit(Ok(Decoded::SignIn(finish(sign_in)?)));
    Ok(())
}

/// What kind of sign-in an event is, and by which protocol; `None` where it is none.
fn attempt(kind: &str) -> Option<(Category, &'static str)> {
    match kind.to_ascii_lowercase().as_str() {
        "radius_auth_attempt" => Some((Category::Interactive, "RADIUS")),
        "ldap_bind" => Some((Category::Interactive, "LDAP")),
        "sso_auth" => Some((Category::NonInteractive, "")),
        "push_mfa_attempt" | "login_attempt" | LOCKOUT => Some((Category::Interactive, "")),
        kind if kind.ends_with("_login_attempt") => Some((Category::Interactive, "")),
        _ => None,
    }
}

fn ending(event: &Event<'_>) -> Result<Ending, Reject> {
    let has_passed = event.flag(At::Success).or(event.flag(At::TokenSuccess));
    let reason = event.str(At::ErrorMessage);
    let is_push = event.is(At::EventType, "push_mfa_attempt");
    let is_sso = event.is(At::EventType, "sso_auth");
    match has_passed {
        _ if event.is(At::EventType, LOCKOUT) => Ok(Ending::LOCKED),
        Some(true) if is_push => {
            Ok(Ending { outcome: Outcome::Interrupted, mfa: Mfa::Performed, ..Ending::SUCCESS })
        }
        Some(false) if is_push => {
            Ok(ending_of(reason).filter(|ending| *ending == Ending::MFA_REPORTED).unwrap_or(Ending::MFA_DENIED))
        }
        Some(true) => Ok(Ending { mfa: mfa(event.flag(At::Mfa), is_sso), ..Ending::SUCCESS }),
        // A session was there already.
        Some(false) if is_sso && reason.to_ascii_lowercase().contains("not authorized") => Ok(Ending::BLOCKED),
        Some(false) => Ok(ending_of(reason).unwrap_or(Ending::UNCLEAR)),
        None if !text::is_absent(reason) => Ok(ending_of(reason).unwrap_or(Ending::UNCLEAR)),
        None => Err(Reject::new(RejectReason::WrongType, "neither `success` nor `sso_token_success` is a flag")),
    }
}

fn mfa(was_used: Option<bool>, is_sso: bool) -> Mfa {
    match was_used {
        Some(true) if is_sso => Mfa::Claim,
        Some(true) => Mfa::Performed,
        Some(false) => Mfa::NotRequired,
        None => Mfa::Unknown,
    }
}

fn sign_in<'a>(event: &mut Event<'a>) -> Result<SignIn<'a>, Reject> {
    let times = [(At::Timestamp, "timestamp"), (At::SystemTimestamp, "system_timestamp")];
    let mut sign_in = blank(Provider::JumpCloud, event.time(&times)?);
    sign_in.event_id = event.id(At::Id, "id")?;
    sign_in.tenant_id = event.id(At::Organization, "organization")?;
    (sign_in.user_id, sign_in.user_principal_name) = user_of(event)?;
    sign_in.address_text = address_of(event);
    sign_in.location = ProviderLocation {
        city: event.text(At::City),
        state: event.text(At::Region),
        country: code_of(event.text(At::Country)),
        coordinates: super::entra::coordinates(event.number(At::Latitude), event.number(At::Longitude)),
    };
    let browser = browser_of(event);
    sign_in.user_agent = event.text(At::Agent);
    if sign_in.user_agent.is_empty() {
        sign_in.user_agent = Cow::Owned(browser.clone());
    }
    sign_in.device.browser = Cow::Owned(browser);
    sign_in.device.operating_system = event.first_text([At::AgentOsFull, At::AgentOs, At::SystemOs]);
    sign_in.device.device_id = event.first_text([At::AuthSystemId, At::SystemId]);
    sign_in.device.display_name = event.first_text([At::AuthSystemName, At::SystemName]);
    sign_in.app_id = event.text(At::ApplicationId);
    sign_in.app_display_name = event.first_text([At::ApplicationLabel, At::ApplicationName, At::ProcessName]);
    sign_in.authentication_protocol = event.text(At::SsoType);
    Ok(sign_in)
}

/// Who began it, or whom it is about: the device, or the organisation, may tell of the user.
fn user_of<'a>(event: &mut Event<'a>) -> Result<(Cow<'a, str>, Cow<'a, str>), Reject> {
    if ["", "user", "admin"].iter().any(|kind| event.is(At::InitiatorType, kind))
        && !event.is(At::ResourceType, "user")
    {
        let id = event.id(At::InitiatorId, "initiated_by.id")?;
        return Ok((id, event.first_text([At::InitiatorEmail, At::InitiatorName, At::Username])));
    }
    let id = event.id(At::ResourceId, "resource.id")?;
    Ok((id, event.first_text([At::ResourceName, At::Username])))
}

/// Where a device was reached from, if it was; else the client's.
fn address_of<'a>(event: &mut Event<'a>) -> Cow<'a, str> {
    let is_remote = parse_address(event.str(At::SourceIp)).is_some_and(|address| !address.is_loopback());
    if is_remote { event.text(At::SourceIp) } else { event.first_text([At::ClientIp, At::SourceIp]) }
}

/// Name and version; "Other" is what JumpCloud calls an agent that it does not understand.
fn browser_of(event: &mut Event<'_>) -> String {
    let (name, version) = (event.text(At::AgentName), event.text(At::AgentVersion));
    if name.eq_ignore_ascii_case("other") || name.is_empty() {
        return String::new();
    }
    text::cut(Cow::Owned(format!("{name} {version}"))).trim_end().to_owned()
}
