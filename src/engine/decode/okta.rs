//! Okta System Log → [`SignIn`]s and what Okta itself holds for risky; both engines, Classic and Identity Engine.
//!
//! ## What it maps
//! | event type | becomes |
//! |---|---|
//! | `user.session.start` | an interactive sign-in |
//! | `user.authentication.sso`, `user.session.context.change`, `security.session.detect_client_roaming` | a sign-in without the user's doing: the session is used again, or from elsewhere |
//! | `user.authentication.auth_via_mfa`, `user.mfa.okta_verify.deny_push` … | a step: passed, or the second factor denied, behind a right first one where the event proves that; with a password as the factor, a right or wrong first one |
//! | `user.authentication.auth_via_…`, `.auth`, `.authenticate`, `.verify` | a step at another door (directory, federation); failed: a wrong first factor. RADIUS and rich clients end here: let in |
//! | `policy.evaluate_sign_on` | a step; `DENY`: refused, behind a right first factor where the event proves that |
//! | `application.policy.sign_on.deny_access`, `app.generic.unauth_app_access_attempt` | refused behind a right first factor |
//! | `user.account.lock` | a failed sign-in at a locked account |
//! | `app.oauth2.…token.grant…` of a user | a sign-in without the user's doing, unless by password |
//! | `user.risk.detect`, `user.risk.change`, `security.breached_credential.detected`, `user.account.report_suspicious_activity_by_enduser`, `app.oauth2.…token.detect_reuse` | an upstream finding about the user ([`findings`]) |
//! | events of the first API | as far as they go, the same ([`legacy`]) |
//! | every other | not a sign-in; also `security.threat.detected`, which names an address and no user |
//!
//! Risk that a sign-in's own event tells of is an upstream finding beside it ([`findings::risk`]).
//!
//! ## Traps
//! - One login is three to six events; `authnRequestId` is the transaction of its first.
//! - Identity Engine's `auth_via_mfa` is any factor: with `PASSWORD_AS_FACTOR` a failure is a wrong password.
//! - Identity Engine evaluates policies when it knows no more than the user's name (`/idp/idx/identify` and others): only
//!   behind an answer to a challenge is a factor known to be right.
//! - A policy may ask for a push and for no password: a denied one is no proof of any. What proves it is a password among
//!   the methods told (`authMethodFirstType`), or the Authentication API, which asks for factors behind the primary
//!   authentication.
//! - `VERIFICATION_ERROR` is said of a wrong password and of an unknown user: nobody knows, unless the actor's id is
//!   "unknown".
//! - The user of an event about another is in `target`; the actor may be an administrator. `alternateId` "unknown" is no
//!   name, and what is no user (`SystemPrincipal`, `IP address`) is none.
//! - Countries are written as names. `client.zone` is the text "null".
//! - A report by the owner is sent from the owner's own address; that of the activity is in `debugData`.
//! - No event names its organisation: the tenant is `okta`, until an identity map says more.

mod findings;
mod legacy;

use std::borrow::Cow;

use super::country::code_of;
use super::draft::{Ending, blank, emit_with};
use super::format::{Emit, Format, Reader};
use super::paths::{Values, elements, paths};
use super::{Around, Decoded, Reject, SkipReason, text};
use crate::engine::signin::{Category, Credential, EventTime, Mfa, Outcome, Provider, ProviderLocation, SignIn};

pub(super) const READER: Reader = Reader {
    format: Format::Okta,
    // The second as SIEMs that lower all keys keep it, the third of the first API.
    marks: &[&["uuid", "published", "eventType"], &["uuid", "published", "eventtype"], &["eventId", "published"]],
    is_line: None,
    read,
};

paths! {
    /// Where the System Log has what is read.
    enum At (IgnoreCase) {
        Uuid = Scalar "uuid",
        Published = Scalar "published",
        EventType = Scalar "eventType",
        LegacyAction = Scalar "action/objectType",
        LegacyType = Scalar "legacyEventType",
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
        DeviceOsPlatform = Scalar "device/os_platform",
        DeviceManaged = Scalar "device/managed",
        SessionId = Scalar "authenticationContext/externalSessionId",
        RootSessionId = Scalar "authenticationContext/rootSessionId",
        Transaction = Scalar "transaction/id",
        AuthnRequest = Scalar "debugContext/debugData/authnRequestId",
        RequestUri = Scalar "debugContext/debugData/requestUri",
        CredentialType = Scalar "authenticationContext/credentialType",
        AuthenticationProvider = Scalar "authenticationContext/authenticationProvider",
        Issuer = Scalar "authenticationContext/issuer/id",
        Factor = Scalar "debugContext/debugData/factor",
        FactorIntent = Scalar "debugContext/debugData/factorIntent",
        GrantType = Scalar "debugContext/debugData/grantType",
        DeviceHash = Scalar "debugContext/debugData/dtHash",
        FirstMethod = Scalar "debugContext/debugData/authMethodFirstType",
        SecondMethod = Scalar "debugContext/debugData/authMethodSecondType",
        Risk = Json "debugContext/debugData/risk",
        LogOnly = Json "debugContext/debugData/logOnlySecurityData",
        ContextRisk = Json "securityContext/risk",
        ThreatSuspected = Scalar "debugContext/debugData/threatSuspected",
        ThreatDetections = Json "debugContext/debugData/threatDetections",
        Tunnels = Json "debugContext/debugData/tunnels",
        ReportedAddress = Scalar "debugContext/debugData/suspiciousActivityEventIp",
        ReportedCity = Scalar "debugContext/debugData/suspiciousActivityEventCity",
        ReportedState = Scalar "debugContext/debugData/suspiciousActivityEventState",
        ReportedCountry = Scalar "debugContext/debugData/suspiciousActivityEventCountry",
        ReportedLatitude = Scalar "debugContext/debugData/suspiciousActivityEventLatitude",
        ReportedLongitude = Scalar "debugContext/debugData/suspiciousActivityEventLongitude",
        ReportedType = Scalar "debugContext/debugData/suspiciousActivityEventType",
        ReportedTime = Scalar "debugContext/debugData/suspiciousActivityTimestamp",
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
    if event.has(At::LegacyAction) && !event.has(At::EventType) {
        return legacy::read(text, emit);
    }
    let kind = event.text(At::EventType).to_ascii_lowercase();
    if let Some(about) = findings::Kind::of(&kind) {
        let finding = findings::finding(&mut event, &kind, about)?;
        emit(Ok(finding.map_or(Decoded::Skipped(SkipReason::NotASignIn), Decoded::UpstreamFinding)));
        return Ok(());
    }
    if is_grant(&kind) && event.is(At::ActorType, "PublicClientApp") && target_of(&event, &USERS).is_none() {
        emit(Ok(Decoded::Skipped(SkipReason::ServicePrincipal)));
        return Ok(());
    }
    let Some((category, ending)) = attempt(&kind, &event) else {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    };
    let risk = findings::risk(&event);
    let mut sign_in = sign_in(&mut event, &kind)?;
    sign_in.category = category;
    ending.put(&mut sign_in);
    emit_with(sign_in, risk, emit)
}

fn is_grant(kind: &str) -> bool {
    kind.starts_with("app.oauth2.") && kind.contains("token.grant")
}

/// What an event says of the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Passed,
    /// More is asked for.
    Challenged,
    Refused,
    /// Too many requests: nothing was looked at.
    Limited,
}

/// `None` where nothing was tried.
fn said(event: &Event<'_>) -> Option<Said> {
    let result = event.str(At::Result).trim().to_ascii_uppercase();
    match result.as_str() {
        "SUCCESS" | "ALLOW" => Some(Said::Passed),
        "CHALLENGE" => Some(Said::Challenged),
        "SKIPPED" | "DEFERRED" | "SCHEDULED" => None,
        "RATE_LIMIT" => Some(Said::Limited),
        "" if event.str(At::LegacyType).ends_with("success") => Some(Said::Passed),
        _ => Some(Said::Refused),
    }
}

const POLICY: &str = "policy.evaluate_sign_on";
const FACTOR: &str = "user.authentication.auth_via_mfa";

const STEP: Ending = Ending { outcome: Outcome::Interrupted, ..Ending::SUCCESS };

/// What kind of sign-in an event is, and how it ended; `None` where it is none.
fn attempt(kind: &str, event: &Event<'_>) -> Option<(Category, Ending)> {
    const USED_AGAIN: [&str; 3] =
        ["user.authentication.sso", "user.session.context.change", "security.session.detect_client_roaming"];
    const DENIED: [&str; 2] = ["application.policy.sign_on.deny_access", "app.generic.unauth_app_access_attempt"];
    let (category, passed, refused) = match kind {
        "user.session.start" => (Category::Interactive, with_mfa(event), refusal(event)),
        FACTOR => {
            let (passed, refused) = factor(event)?;
            (Category::Interactive, passed, refused)
        }
        POLICY => (Category::Interactive, STEP, Ending::BLOCKED),
        // The attempt that was one too many.
        "user.account.lock" => (Category::Interactive, Ending::LOCKED, Ending::LOCKED),
        _ if USED_AGAIN.contains(&kind) => (Category::NonInteractive, Ending::SUCCESS, Ending::BLOCKED),
        _ if DENIED.contains(&kind) => (Category::Interactive, Ending::BLOCKED, Ending::BLOCKED),
        _ if kind.starts_with("user.mfa.") && kind.contains("deny_push") => {
            (Category::Interactive, denied(event), denied(event))
        }
        _ if is_grant(kind) => {
            let by_password = event.str(At::GrantType).to_ascii_lowercase().contains("password");
            let category = if by_password { Category::Interactive } else { Category::NonInteractive };
            (category, Ending::SUCCESS, refusal(event))
        }
        _ => {
            let passed = at_other_door(kind.strip_prefix("user.authentication.")?)?;
            (Category::Interactive, passed, refusal(event))
        }
    };
    let ending = match said(event)? {
        Said::Passed => passed,
        Said::Challenged if kind == FACTOR && !is_behind_password(event) => {
            Ending { credential: Credential::Unknown, ..Ending::MFA_PENDING }
        }
        Said::Challenged => Ending::MFA_PENDING,
        Said::Refused => refused,
        Said::Limited => Ending::UNCLEAR,
    };
    // What lets in elsewhere than on the way of a login goes by the session.
    let is_on_way = ending != STEP || event.str(At::RequestUri).starts_with("/idp/idx/");
    let is_early = kind == POLICY && is_on_way && !is_behind_factor(event);
    Some((category, if is_early { early(ending) } else { ending }))
}

/// Does the event tell of a factor that was right before, or does its step come behind one only?
fn is_behind_factor(event: &Event<'_>) -> bool {
    const BEHIND: [&str; 3] =
        ["/idp/idx/challenge/answer", "/idp/idx/challenge/poll", "/idp/idx/authenticators/poll"];
    let uri = event.str(At::RequestUri);
    event.has(At::FirstMethod) || is_of_authn(uri) || BEHIND.iter().any(|behind| uri.starts_with(behind))
}

/// Does the event prove that a password was right before? Where it names the methods of the login, one must be that.
fn is_behind_password(event: &Event<'_>) -> bool {
    if event.has(At::FirstMethod) {
        let methods = [At::FirstMethod, At::SecondMethod];
        return methods.iter().any(|at| event.str(*at).to_ascii_lowercase().contains("password"));
    }
    is_of_authn(event.str(At::RequestUri))
}

/// Is it a step of the Authentication API's, which looks at policies and asks for factors behind the primary
/// authentication? Recovery, beneath it too, needs no password.
fn is_of_authn(uri: &str) -> bool {
    uri.strip_prefix("/api/v1/authn").is_some_and(|step| step.is_empty() || step.starts_with("/factors/"))
}

/// A second factor was denied, or one that was asked for alone.
fn denied(event: &Event<'_>) -> Ending {
    // The user's own device has answered, and said that the page was another's.
    let is_of_device = event.str(At::Reason).to_ascii_lowercase().contains("declined phishing");
    if is_of_device || is_behind_password(event) { Ending::MFA_DENIED } else { Ending::MFA_UNPROVEN }
}

/// How an attempt ended at which the policy knew the user's name and maybe no factor.
fn early(ending: Ending) -> Ending {
    Ending { credential: Credential::Unknown, mfa: Mfa::Unknown, ..ending }
}

/// What a success means at the doors of directories, federation and protocols; `None` where it is no door.
fn at_other_door(door: &str) -> Option<Ending> {
    match door {
        // No session of Okta's follows.
        "auth_via_radius" | "auth_via_richclient" => Some(Ending::SUCCESS),
        "auth" | "authenticate" | "verify" => Some(STEP),
        _ => door.starts_with("auth_via_").then_some(STEP),
    }
}

fn with_mfa(event: &Event<'_>) -> Ending {
    if event.has(At::SecondMethod) { Ending::MFA_PERFORMED } else { Ending::SUCCESS }
}

/// What success and failure of one factor mean; `None` where it was not given to sign in.
fn factor(event: &Event<'_>) -> Option<(Ending, Ending)> {
    let intent = event.str(At::FactorIntent).to_ascii_uppercase();
    if intent.contains("ENROLLMENT") || intent.contains("RECOVERY") {
        return None;
    }
    let is_password = match event.str(At::Factor).trim() {
        "" => event.is(At::CredentialType, "PASSWORD"),
        factor => factor.to_ascii_uppercase().starts_with("PASSWORD"),
    };
    Some(match is_password {
        true => (STEP, refusal(event)),
        false => (Ending { mfa: Mfa::Performed, ..STEP }, denied(event)),
    })
}

/// What the reason of a failure says.
fn refusal(event: &Event<'_>) -> Ending {
    let reason = event.str(At::Reason).trim().to_ascii_uppercase().replace(['_', '-'], " ");
    let holds = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    let id = event.str(At::ActorId).trim();
    // An actor with an id that is none is a name that was typed.
    if (!id.is_empty() && text::is_absent(id)) || holds(&["UNKNOWN USER", "USER NOT FOUND", "NO SUCH USER"]) {
        Ending::NO_SUCH_USER
    } else if holds(&["LOCKED"]) {
        Ending::LOCKED
    } else if holds(&["SUSPENDED", "DEACTIVATED", "DEPROVISIONED", "INACTIVE USER", "USER INACTIVE", "DISABLED"]) {
        Ending::DISABLED
    } else if holds(&["INVALID CREDENTIALS", "INVALID LOGIN CREDENTIALS", "INVALID PASSWORD", "WRONG PASSWORD"]) {
        Ending::WRONG
    } else if holds(&["PASSWORD EXPIRED", "DECLINED PHISHING"]) {
        Ending::BLOCKED
    } else if reason.starts_with("SIGN ON POLICY") {
        if is_behind_factor(event) { Ending::BLOCKED } else { early(Ending::BLOCKED) }
    } else {
        Ending::UNCLEAR
    }
}

fn sign_in<'a>(event: &mut Event<'a>, kind: &str) -> Result<SignIn<'a>, Reject> {
    let mut sign_in = blank(Provider::Okta, time_of(event)?);
    sign_in.event_id = event.id(At::Uuid, "uuid")?;
    (sign_in.user_id, sign_in.user_principal_name, sign_in.user_display_name) = user_of(event, Whose::Actor)?;
    sign_in.address_text = event.first_text([At::IpAddress, At::ChainAddress]);
    sign_in.location = location_of(event);
    sign_in.asn = super::entra::asn_of(event.get(At::AsNumber));
    sign_in.user_agent = event.text(At::UserAgent);
    sign_in.device.device_id = event.first_text([At::DeviceId, At::DeviceHash]);
    sign_in.device.display_name = event.text(At::DeviceName);
    sign_in.device.operating_system =
        event.first_text([At::OperatingSystem, At::DevicePlatform, At::DeviceOsPlatform]);
    sign_in.device.browser = event.text(At::Browser);
    sign_in.device.is_managed = event.flag(At::DeviceManaged);
    sign_in.session_id = event.first_text([At::SessionId, At::RootSessionId]);
    sign_in.correlation_id = event.first_text([At::AuthnRequest, At::Transaction]);
    sign_in.authentication_protocol = event.text(At::GrantType);
    let is_federated =
        ["auth_via_idp", "auth_via_social", "auth_via_inbound_saml"].iter().any(|door| kind.ends_with(door));
    if is_federated || ["FEDERATION", "SOCIAL"].iter().any(|word| event.is(At::AuthenticationProvider, word)) {
        sign_in.token_issuer_name = event.text(At::Issuer);
    }
    if let Some(mut app) = target_of(event, &["AppInstance"]) {
        sign_in.app_id = app.text(TargetAt::Id);
        sign_in.app_display_name = app.text(TargetAt::DisplayName);
    }
    Ok(sign_in)
}

fn time_of(event: &Event<'_>) -> Result<EventTime, Reject> {
    event.time(&[(At::Published, "published")])
}

/// The types of actors and targets that are people.
const USERS: [&str; 2] = ["User", "AppUser"];

/// Who an event is about, where both are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Who did something.
    Actor,
    /// To whom something happened: the actor may be an administrator.
    Target,
}

/// Id, login and name.
type Names<'a> = (Cow<'a, str>, Cow<'a, str>, Cow<'a, str>);

/// The names of the user; all empty where nobody is named who is one.
fn user_of<'a>(event: &mut Event<'a>, whose: Whose) -> Result<Names<'a>, Reject> {
    // A copy may leave the type out.
    let is_user = !event.has(At::ActorType) || USERS.iter().any(|kind| event.is(At::ActorType, kind));
    if (!is_user || whose == Whose::Target)
        && let Some(mut user) = target_of(event, &USERS)
    {
        let id = user.id(TargetAt::Id, "target.id")?;
        return Ok((id, user.text(TargetAt::AlternateId), user.text(TargetAt::DisplayName)));
    }
    if !is_user {
        return Ok(Default::default());
    }
    let id = event.id(At::ActorId, "actor.id")?;
    Ok((id, event.text(At::ActorAlternateId), event.text(At::ActorDisplayName)))
}

fn target_of<'a>(event: &Event<'a>, types: &[&str]) -> Option<Values<'a, { TargetAt::COUNT }>> {
    elements(event.json(At::Target))
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
