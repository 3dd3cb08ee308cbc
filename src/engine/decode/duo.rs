//! Duo authentication logs (Admin API v2 and v1) and Trust Monitor events → [`SignIn`]s and upstream findings.
//!
//! Duo asks for the second factor: whatever it says, the first factor was right, unless it says that it was not.
//!
//! ## What it maps
//! | record | becomes |
//! |---|---|
//! | `result` success | a sign-in with a second factor given, remembered or not asked for, by `reason` and `factor` |
//! | denied, failure | the second factor denied, or a policy's refusal, by `reason`; a locked or disabled account |
//! | fraud, or `user_marked_fraud` | a prompt that the owner reported |
//! | error | failed, of which nothing is known |
//! | Trust Monitor (`surfaced_auth`) | an upstream finding about that authentication |
//! | enrolment, administrator, telephony, activity and offline logs | not a sign-in |
//!
//! `more_secure_auth` of `adaptive_trust_assessments` with low trust, the reasons `anonymous_ip` and `anomalous_push` are
//! upstream findings beside the sign-in. Low trust of `remember_me` is not: any new address has it.
//!
//! ## Traps
//! - `auth_device` is the phone, `access_device` the client: the phone's address is never the sign-in's.
//! - v1 has `username`, `ip`, `location` and `integration` at the top, words in capitals, reasons as sentences, no id.
//! - "-" is no place, "0.0.0.0" no address, and `access_device.ip` an object in some logs.
//! - There is no raw user agent, no coordinates, no session and no name of the organisation.

use std::borrow::Cow;

use super::country::code_of;
use super::draft::{self, Ending, SignInRisk, blank, emit_with};
use super::format::{Emit, Format, Reader};
use super::paths::{Values, paths};
use super::{Around, Decoded, Reject, SkipReason, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{AccountState, EventTime, Mfa, Provider, ProviderLocation, SignIn, UpstreamFinding};

pub(super) const READER: Reader = Reader {
    format: Format::Duo,
    marks: &[
        &["isotimestamp"],
        &["access_device"],
        &["txid", "result"],
        &["integration", "factor"],
        &["surfaced_auth"],
        &["telephony_id"],
    ],
    is_line: None,
    read,
};

const SOURCE: &str = "Duo";

paths! {
    /// Where both versions have what is read.
    enum At (IgnoreCase) {
        Txid = Scalar "txid",
        IsoTimestamp = Scalar "isotimestamp",
        Timestamp = Scalar "timestamp",
        EventType = Scalar "event_type",
        Result = Scalar "result",
        Reason = Scalar "reason",
        Factor = Scalar "factor",
        UserKey = Scalar "user/key",
        UserName = Scalar "user/name",
        OlderUserName = Scalar "username",
        Email = Scalar "email",
        Ip = Scalar "access_device/ip",
        IpAddress = Scalar "access_device/ip/address",
        OlderIp = Scalar "ip",
        City = Scalar "access_device/location/city",
        State = Scalar "access_device/location/state",
        Country = Scalar "access_device/location/country",
        OlderCity = Scalar "location/city",
        OlderState = Scalar "location/state",
        OlderCountry = Scalar "location/country",
        Browser = Scalar "access_device/browser",
        BrowserVersion = Scalar "access_device/browser_version",
        System = Scalar "access_device/os",
        SystemVersion = Scalar "access_device/os_version",
        Hostname = Scalar "access_device/hostname",
        EndpointKey = Scalar "access_device/epkey",
        Endpoint = Scalar "trusted_endpoint_status",
        OlderEndpoint = Scalar "access_device/trusted_endpoint_status",
        AppKey = Scalar "application/key",
        AppName = Scalar "application/name",
        Integration = Scalar "integration",
        Trust = Scalar "adaptive_trust_assessments/more_secure_auth/trust_level",
        TrustReason = Scalar "adaptive_trust_assessments/more_secure_auth/reason",
        Detectors = Json "adaptive_trust_assessments/more_secure_auth/detected_attack_detectors",
        Surfaced = Json "surfaced_auth",
        SurfacedTime = Scalar "surfaced_timestamp",
        SurfacedKey = Scalar "sekey",
        IsPriority = Scalar "priority_event",
        Explanations = Json "explanations",
    }
}

type Log<'a> = Values<'a, { At::COUNT }>;

fn read<'a>(text: &'a str, _: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut log = At::read(text)?;
    let surfaced = log.json(At::Surfaced);
    if !surfaced.is_empty() {
        emit(Ok(Decoded::UpstreamFinding(surfaced_finding(&mut log, surfaced)?)));
        return Ok(());
    }
    // An enrolment, and the logs of administrators, telephony and activity, have no result or another type.
    let is_authentication = !log.has(At::EventType) || log.is(At::EventType, "authentication");
    if !is_authentication || !log.has(At::Result) {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    }
    let ending = ending(&log);
    let risk = risk(&log);
    let mut sign_in = sign_in(&mut log)?;
    ending.put(&mut sign_in);
    emit_with(sign_in, risk, emit)
}

/// As v2 writes it: v1 has "User marked fraud" or "Duo Push".
fn word_of(log: &Log<'_>, at: At) -> String {
    log.str(at).trim().to_ascii_lowercase().replace([' ', '-'], "_")
}

fn ending(log: &Log<'_>) -> Ending {
    let reason = word_of(log, At::Reason);
    match word_of(log, At::Result).as_str() {
        "success" | "allow" | "allowed" | "approved" => {
            Ending { mfa: factor_given(&reason, &word_of(log, At::Factor)), ..Ending::SUCCESS }
        }
        "fraud" => Ending::MFA_REPORTED,
        "denied" | "deny" | "failure" | "failed" => refusal(&reason),
        _ => Ending::UNCLEAR,
    }
}

/// How much of a second factor there was behind a success.
fn factor_given(reason: &str, factor: &str) -> Mfa {
    match (reason, factor) {
        ("remembered_device" | "trusted_session", _) | (_, "remembered_device") => Mfa::Claim,
        (
            "allow_unenrolled_user"
            | "allow_unenrolled_user_on_trusted_network"
            | "allowed_by_policy"
            | "bypass_user"
            | "trusted_location"
            | "trusted_network"
            | "user_not_in_permitted_group",
            _,
        )
        | ("", "bypass_status" | "trusted_network" | "trusted_location" | "trusted_mobile_authenticator") => {
            Mfa::NotRequired
        }
        ("", "" | "n/a" | "not_available" | "unknown") => Mfa::Unknown,
        _ => Mfa::Performed,
    }
}

fn refusal(reason: &str) -> Ending {
    const BY_OWNER_OR_TIME: [&str; 13] = [
        "anomalous_push",
        "call_timed_out",
        "frequent_attempts",
        "invalid_passcode",
        "no_keys_pressed",
        "no_response",
        "user_cancelled",
        "user_canceled",
        "user_denied",
        "user_mistake",
        "user_timeout",
        "verification_code_incorrect",
        "verification_code_missing",
    ];
    match reason {
        "" => Ending::MFA_DENIED,
        "user_marked_fraud" => Ending::MFA_REPORTED,
        "locked_out" => Ending { account: AccountState::Locked, ..Ending::BLOCKED },
        "user_disabled" => Ending { account: AccountState::Disabled, ..Ending::BLOCKED },
        "error" => Ending::UNCLEAR,
        // Duo's single sign-on tests the first factor, too.
        _ if ["credential", "primary_auth", "invalid_password"].iter().any(|word| reason.contains(word)) => {
            Ending::WRONG
        }
        _ if BY_OWNER_OR_TIME.contains(&reason) || reason.contains("passcode") => Ending::MFA_DENIED,
        // Any other is a rule about the place, the device or the software.
        _ => Ending::BLOCKED,
    }
}

fn risk<'a>(log: &Log<'a>) -> Option<SignInRisk<'a>> {
    let found = |kind, source_type: &'static str, level, reasons: String| SignInRisk {
        source: Cow::Borrowed(SOURCE),
        kind,
        source_type: Cow::Borrowed(source_type),
        level,
        is_confirmed: false,
        reasons: Cow::Owned(reasons),
    };
    let detectors = log.json(At::Detectors);
    if log.is(At::Trust, "low") {
        let level = if detectors.is_empty() { RiskLevel::Medium } else { RiskLevel::High };
        let reasons = format!("{} {detectors}", log.str(At::TrustReason)).trim().to_owned();
        return Some(found(RiskEventType::Generic, "more_secure_auth", level, reasons));
    }
    match word_of(log, At::Reason).as_str() {
        "anonymous_ip" => {
            Some(found(RiskEventType::AnonymizedIpAddress, "anonymous_ip", RiskLevel::Medium, String::new()))
        }
        "anomalous_push" => {
            Some(found(RiskEventType::MfaFatigue, "anomalous_push", RiskLevel::Medium, String::new()))
        }
        _ => None,
    }
}

fn sign_in<'a>(log: &mut Log<'a>) -> Result<SignIn<'a>, Reject> {
    let mut sign_in = blank(Provider::Duo, time_of(log)?);
    sign_in.event_id = log.id(At::Txid, "txid")?;
    sign_in.correlation_id = sign_in.event_id.clone();
    sign_in.user_id = log.id(At::UserKey, "user.key")?;
    sign_in.user_display_name = log.first_text([At::UserName, At::OlderUserName]);
    sign_in.user_principal_name = name_of(log, &sign_in.user_display_name);
    sign_in.address_text = address_of(log);
    sign_in.location = location_of(log);
    sign_in.app_id = log.text(At::AppKey);
    sign_in.app_display_name = log.first_text([At::AppName, At::Integration]);
    sign_in.device.browser = with_version(log.text(At::Browser), &log.text(At::BrowserVersion));
    sign_in.user_agent = sign_in.device.browser.clone();
    sign_in.device.operating_system = with_version(log.text(At::System), &log.text(At::SystemVersion));
    sign_in.device.display_name = log.text(At::Hostname);
    sign_in.device.device_id = log.text(At::EndpointKey);
    sign_in.device.trust_type = log.first_text([At::Endpoint, At::OlderEndpoint]);
    sign_in.device.is_managed = match sign_in.device.trust_type.to_ascii_lowercase().as_str() {
        "trusted" => Some(true),
        "not trusted" | "not_trusted" => Some(false),
        _ => None,
    };
    Ok(sign_in)
}

/// The name to sign in with where it is an address, else the e-mail address, which other products know too.
fn name_of<'a>(log: &mut Log<'a>, name: &Cow<'a, str>) -> Cow<'a, str> {
    let email = log.text(At::Email);
    if name.contains('@') || email.is_empty() { name.clone() } else { email }
}

fn time_of(log: &Log<'_>) -> Result<EventTime, Reject> {
    log.time(&[(At::IsoTimestamp, "isotimestamp"), (At::Timestamp, "timestamp")])
}

fn address_of<'a>(log: &mut Log<'a>) -> Cow<'a, str> {
    log.first_text([At::Ip, At::IpAddress, At::OlderIp])
}

fn location_of<'a>(log: &mut Log<'a>) -> ProviderLocation<'a> {
    ProviderLocation {
        city: log.first_text([At::City, At::OlderCity]),
        state: log.first_text([At::State, At::OlderState]),
        country: code_of(log.first_text([At::Country, At::OlderCountry])),
        coordinates: None,
    }
}

fn with_version<'a>(name: Cow<'a, str>, version: &str) -> Cow<'a, str> {
    if name.is_empty() || version.is_empty() { name } else { Cow::Owned(format!("{name} {version}")) }
}

/// What Trust Monitor found remarkable in an authentication, which the record holds.
fn surfaced_finding<'a>(log: &mut Log<'a>, surfaced: &'a str) -> Result<UpstreamFinding<'a>, Reject> {
    let mut about = At::read(surfaced)?;
    let event_time = log.time(&[(At::SurfacedTime, "surfaced_timestamp")]).or_else(|_| time_of(&about))?;
    let explanations = log.json(At::Explanations);
    let (kind, source_type) = kind_of(explanations);
    let name = about.first_text([At::UserName, At::OlderUserName]);
    let is_priority = log.flag(At::IsPriority) == Some(true);
    draft::finish_finding(UpstreamFinding {
        source: Cow::Borrowed(SOURCE),
        provider: Provider::Duo,
        tenant_id: Cow::Borrowed(""),
        user_id: about.id(At::UserKey, "user.key")?,
        user_principal_name: name_of(&mut about, &name),
        event_id: log.id(At::SurfacedKey, "sekey")?,
        event_time,
        activity_time: time_of(&about).unwrap_or(event_time),
        kind,
        source_type: Cow::Borrowed(source_type),
        level: if is_priority { RiskLevel::High } else { RiskLevel::Medium },
        is_confirmed: false,
        request_id: about.id(At::Txid, "txid")?,
        is_about_user: false,
        address: None,
        address_text: address_of(&mut about),
        location: location_of(&mut about),
        reasons: text::cut(Cow::Borrowed(explanations)),
    })
}

/// The first explanation that has an equal.
fn kind_of(explanations: &str) -> (RiskEventType, &'static str) {
    let known = [
        ("USER_MARKED_FRAUD", RiskEventType::UserReportedSuspiciousActivity),
        ("UNREALISTIC_GEOVELOCITY", RiskEventType::ImpossibleTravel),
        ("NEW_COUNTRY_CODE", RiskEventType::NewCountry),
    ];
    let found = known.into_iter().find(|(word, _)| explanations.contains(word));
    found.map_or((RiskEventType::Generic, "trustMonitor"), |(word, kind)| (kind, word))
}
