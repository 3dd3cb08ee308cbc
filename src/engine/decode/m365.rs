//! Microsoft 365 unified audit log → [`SignIn`]s: Entra's sign-ins as the audit log of Microsoft 365 repeats them.
//!
//! ## What it maps
//! | field | becomes |
//! |---|---|
//! | `Operation` `UserLoggedIn`, `UserLoginFailed` of the workload AzureActiveDirectory | a sign-in; every other is none |
//! | `IntraSystemId`, else `Id` | the id of the sign-in in Entra's own log |
//! | `OrganizationId` | tenant |
//! | `UserKey`, `Actor` | object id; without one `UserId` |
//! | `ErrorNumber`, else `LogonError` | Entra's code, and through its table the ending |
//! | `ClientIP`, `ActorIpAddress`, `ClientIPAddress` | address: the first that holds one |
//! | `ExtendedProperties` | `UserAgent`, `RequestType`, `UserAuthenticationMethod` |
//! | `DeviceProperties` | device, session |
//! | `InterSystemsId` | correlation id |
//!
//! Read as the Management Activity API writes it, as `AuditData` of an audit search, as Graph's `auditLogRecord`, and
//! as a row of Sentinel's OfficeActivity. Geography, the second factor (but where a step of it is the record),
//! Conditional Access and the application's name are not in this log.
//!
//! ## Traps
//! - `ResultStatus` says `Success` of wrong passwords, and `UserLoggedIn` is also said of steps on the way (50140):
//!   only the code counts.
//! - The same sign-in comes through Entra's own log: tenant, user and id must be spelled as there.
//! - `UserKey` of older records is a PUID (`1003…`, with or without `@domain`): nothing else knows the user by it.
//! - Properties are lists of names and values; some copies make objects of them, or JSON text.
//! - Times are in UTC and do not say so.

use std::borrow::Cow;

use super::address::parse_address;
use super::draft::{blank, finish};
use super::entra_codes::{Meaning, meaning_of};
use super::format::{Emit, Format, Reader};
use super::paths::{Values, elements, json_in, paths};
use super::scalar::Scalar;
use super::{Around, Decoded, Reject, SkipReason, TENANT_UNKNOWN, text};
use crate::engine::signin::{Category, Credential, DeviceDetail, Mfa, Outcome, Provider, SignIn};

pub(super) const READER: Reader = Reader {
    format: Format::M365,
    marks: &[
        &["CreationTime", "Operation"],
        &["CreationTime", "Workload"],
        &["CreationTime", "RecordType"],
        &["Operation", "Workload"],
        &["Operation", "RecordType", "UserKey"],
    ],
    is_line: None,
    read,
};

paths! {
    /// Where the audit log has what is read.
    enum At (IgnoreCase) {
        AuditData = Json "AuditData",
        Id = Scalar "Id",
        IntraSystemId = Scalar "IntraSystemId",
        InterSystemsId = Scalar "InterSystemsId",
        CreationTime = Scalar "CreationTime",
        TimeGenerated = Scalar "TimeGenerated",
        Operation = Scalar "Operation",
        Workload = Scalar "Workload",
        OfficeWorkload = Scalar "OfficeWorkload",
        RecordType = Scalar "RecordType",
        OrganizationId = Scalar "OrganizationId",
        TargetContextId = Scalar "TargetContextId",
        ActorContextId = Scalar "ActorContextId",
        UserType = Scalar "UserType",
        UserKey = Scalar "UserKey",
        UserId = Scalar "UserId",
        Actor = Json "Actor",
        ClientIp = Scalar "ClientIP",
        ClientIpOfRow = Scalar "Client_IPAddress",
        ClientIpAddress = Scalar "ClientIPAddress",
        ActorIpAddress = Scalar "ActorIpAddress",
        ErrorNumber = Scalar "ErrorNumber",
        LogonError = Scalar "LogonError",
        ApplicationId = Scalar "ApplicationId",
        UserAgent = Scalar "UserAgent",
        Extended = Json "ExtendedProperties",
        Device = Json "DeviceProperties",
        SessionId = Scalar "AppAccessContext/AADSessionId",
    }
}

paths! {
    /// An element of a list of properties.
    enum Named (IgnoreCase) {
        Name = Scalar "Name",
        Value = Scalar "Value",
    }
}

paths! {
    /// One of the names of who did it.
    enum ActorAt (IgnoreCase) {
        Id = Scalar "ID",
    }
}

type Record<'a> = Values<'a, { At::COUNT }>;

pub(super) fn read<'a>(text: &'a str, _: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut record = At::read(text)?;
    let inner = record.json(At::AuditData);
    if !inner.is_empty() {
        record = At::read(inner)?;
    }
    if !is_sign_in(&record) {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
    } else if is_of_application(&record) {
        emit(Ok(Decoded::Skipped(SkipReason::ServicePrincipal)));
    } else {
        emit(Ok(Decoded::SignIn(sign_in(&mut record)?)));
    }
    Ok(())
}

/// The workload decides, else the type of record; a record with neither is taken by its word.
fn is_sign_in(record: &Record<'_>) -> bool {
    let is_operation = has_logged_in(record) || record.is(At::Operation, "UserLoginFailed");
    let workloads = [At::Workload, At::OfficeWorkload];
    let is_of_entra = match workloads.into_iter().find(|at| record.has(*at)) {
        Some(at) => record.is(at, "AzureActiveDirectory"),
        None => {
            let kind = record.get(At::RecordType).to_u32();
            !record.has(At::RecordType)
                || matches!(kind, Some(9 | 15))
                || record.is(At::RecordType, "AzureActiveDirectoryStsLogon")
                || record.is(At::RecordType, "AzureActiveDirectoryAccountLogon")
        }
    };
    is_operation && is_of_entra
}

fn has_logged_in(record: &Record<'_>) -> bool {
    record.is(At::Operation, "UserLoggedIn")
}

fn is_of_application(record: &Record<'_>) -> bool {
    let starts = |at: At, prefix: &str| {
        record.str(at).trim().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    matches!(record.get(At::UserType).to_u32(), Some(5 | 6))
        || record.is(At::UserType, "Application")
        || record.is(At::UserType, "ServicePrincipal")
        || starts(At::UserId, "ServicePrincipal_")
        || starts(At::UserKey, "ServicePrincipal_")
}

fn sign_in<'a>(record: &mut Record<'a>) -> Result<SignIn<'a>, Reject> {
    let event_time = record.time(&[(At::CreationTime, "CreationTime"), (At::TimeGenerated, "TimeGenerated")])?;
    let mut properties = Properties::of(record);
    let mut sign_in = blank(Provider::Entra, event_time);
    sign_in.tenant_id = tenant_of(record);
    sign_in.event_id = event_id_of(record)?;
    (sign_in.user_id, sign_in.user_principal_name) = user_of(record)?;
    put_result(&mut sign_in, record, &properties);
    sign_in.category = category_of(&sign_in, &properties);
    sign_in.address_text = address_of(record);
    sign_in.app_id = text::fold_id(record.text(At::ApplicationId));
    sign_in.user_agent = properties.text(Property::UserAgent);
    if sign_in.user_agent.is_empty() {
        sign_in.user_agent = record.text(At::UserAgent);
    }
    sign_in.session_id = properties.text(Property::SessionId);
    if sign_in.session_id.is_empty() {
        sign_in.session_id = record.text(At::SessionId);
    }
    sign_in.correlation_id = text::fold_id(record.text(At::InterSystemsId));
    sign_in.device = device_of(&mut properties);
    finish(sign_in)
}

/// As in Entra's own log: the organisation whose log it is.
fn tenant_of<'a>(record: &mut Record<'a>) -> Cow<'a, str> {
    let tenant = record.first_text([At::OrganizationId, At::TargetContextId, At::ActorContextId]);
    if tenant.is_empty() { Cow::Borrowed(TENANT_UNKNOWN) } else { tenant }
}

/// The id that Entra's own log has, where it is one; an audit search gives records ids of their own without it.
fn event_id_of<'a>(record: &mut Record<'a>) -> Result<Cow<'a, str>, Reject> {
    let id = record.id(At::Id, "Id")?;
    let request = record.text(At::IntraSystemId);
    Ok(if text::is_guid(&request) { text::fold_id(request) } else { id })
}

/// The object id and the principal name.
fn user_of<'a>(record: &mut Record<'a>) -> Result<(Cow<'a, str>, Cow<'a, str>), Reject> {
    let key = record.id(At::UserKey, "UserKey")?;
    let name = record.text(At::UserId);
    let actors = || elements(record.json(At::Actor)).filter_map(|actor| ActorAt::read(actor).ok());
    let actor = |is_it: fn(&str) -> bool| {
        actors().map(|mut actor| actor.text(ActorAt::Id)).find(|id| is_it(id)).unwrap_or_default()
    };
    let name = if name.is_empty() { actor(|id| id.contains('@') && !is_puid(id)) } else { name };
    let id = if text::is_guid(&key) { key.clone() } else { actor(text::is_guid) };
    // A PUID is better than nobody, and worse than the name, by which Entra's log goes where it has no object id.
    let id = if id.is_empty() && name.is_empty() { key } else { id };
    Ok((id, name))
}

/// `1003…`: sixteen hexadecimal digits, and perhaps a domain.
fn is_puid(id: &str) -> bool {
    let digits = id.split('@').next().unwrap_or_default();
    digits.len() == 16 && digits.starts_with('1') && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn put_result(sign_in: &mut SignIn<'_>, record: &Record<'_>, properties: &Properties<'_>) {
    let code = code_of(record, properties);
    // u32::MAX is in no class: it failed, and that is all that is known.
    let Meaning { credential, outcome, account, mfa, .. } = meaning_of(code.unwrap_or(u32::MAX), false);
    let request = properties.str(Property::RequestType);
    let is_second_factor = ["SAS:EndAuth", "SAS:ProcessAuth"].iter().any(|it| request.eq_ignore_ascii_case(it));
    let performed = is_second_factor && outcome == Outcome::Success;
    (sign_in.credential, sign_in.outcome, sign_in.account) = (credential, outcome, account);
    sign_in.mfa = mfa.unwrap_or(if performed { Mfa::Performed } else { Mfa::Unknown });
    sign_in.error_code = code;
}

/// The number; where there is none, or one that the operation contradicts, the name.
fn code_of(record: &Record<'_>, properties: &Properties<'_>) -> Option<u32> {
    let has_logged_in = has_logged_in(record);
    let number = match record.str(At::ErrorNumber).trim().get(..6) {
        Some(prefix) if prefix.eq_ignore_ascii_case("AADSTS") => {
            record.str(At::ErrorNumber).trim()[6..].parse().ok()
        }
        _ => record.get(At::ErrorNumber).to_u32(),
    };
    let named =
        [record.str(At::LogonError), properties.str(Property::LogonError)].into_iter().find_map(code_named);
    let number = number.filter(|&code| code != 0 || has_logged_in);
    number.or(named).or_else(|| has_logged_in.then_some(0))
}

/// The code behind a name of the token service.
fn code_named(name: &str) -> Option<u32> {
    // Some names carry more behind a separator.
    let name = name.split([';', ':', ' ']).find(|word| !word.is_empty())?;
    ERROR_NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, code)| *code)
}

const ERROR_NAMES: [(&str, u32); 50] = [
    ("AdminConsentRequired", 90_094),
    ("AdminConsentRequiredDueToRiskyApp", 900_941),
    ("AuthenticationFailedSasError", 500_121),
    ("BlockedByConditionalAccess", 53_003),
    ("CmsiInterrupt", 50_199),
    ("DelegationDoesNotExist", 65_001),
    ("DeviceAuthenticationFailed", 50_155),
    ("DeviceAuthenticationRequired", 50_097),
    ("DeviceIsNotWorkplaceJoined", 50_129),
    ("DeviceNotCompliant", 53_000),
    ("DeviceNotDomainJoined", 53_001),
    ("EntitlementGrantsNotFound", 50_105),
    ("ExpiredOrRevokedGrant", 70_008),
    ("ExpiredOrRevokedGrantInactiveToken", 700_082),
    ("ExternalSecurityChallenge", 50_158),
    ("FlowTokenExpired", 50_089),
    ("ForceReauthDueToInsufficientAuth", 50_187),
    ("FreshTokenNeeded", 50_173),
    ("IdsLocked", 50_053),
    ("InvalidPasswordExpiredOnPremPassword", 50_144),
    ("InvalidPasswordExpiredPassword", 50_055),
    ("InvalidReplyTo", 50_011),
    ("InvalidResourceServicePrincipalNotFound", 500_011),
    ("InvalidUserNameOrPassword", 50_126),
    ("KmsiInterrupt", 50_140),
    ("MissingTenantRealmAndNoUserInformationProvided", 50_059),
    ("NotAllowedByInboundPolicyTenant", 500_213),
    ("NotAllowedByOutboundPolicyTenant", 500_212),
    ("NotAllowedTenant", 500_021),
    ("OnPremisePasswordValidatorErrorOccurredOnPrem", 80_014),
    ("PasswordChangeCompromisedPassword", 50_142),
    ("ProofUpBlockedDueToRisk", 53_004),
    ("SsoArtifactInvalidOrExpired", 50_132),
    ("SsoArtifactRevoked", 50_133),
    ("SsoUserAccountNotFoundInResourceTenant", 50_177),
    ("UserAccountNotFound", 50_034),
    ("UserAccountSelectionInvalid", 16_001),
    ("UserDeclinedConsent", 65_004),
    ("UserDisabled", 50_057),
    ("UserInformationNotProvided", 50_058),
    ("UserNotBoundError", 1_000_000),
    ("UserStrongAuthClientAuthNRequired", 50_074),
    ("UserStrongAuthClientAuthNRequiredInterrupt", 50_074),
    ("UserStrongAuthEnrollmentRequired", 50_079),
    ("UserStrongAuthEnrollmentRequiredInterrupt", 50_072),
    ("UserStrongAuthExpired", 50_078),
    ("UserStrongAuthInterrupt", 50_076),
    ("UserUnauthorized", 50_020),
    ("UserAuthenticationFailed", 50_126),
    ("PasswordResetRegistrationRequiredInterrupt", 50_125),
];

/// A token was fetched without the user's doing, unless a password was typed for it (the password grant).
fn category_of(sign_in: &SignIn<'_>, properties: &Properties<'_>) -> Category {
    /// Bits of `UserAuthenticationMethod`: passwords validated in the cloud, on the premises or by their hash, a
    /// temporary access pass; and the mark of a staged rollout. Microsoft documents none of them; they are known from
    /// comparing the two logs.
    const PASSWORD: u32 = 1 | 2 | 8 | 16 | 256;
    if !properties.str(Property::RequestType).eq_ignore_ascii_case("OAuth2:Token") {
        return Category::Interactive;
    }
    let method = properties.get(Property::Method).to_u32().unwrap_or_default();
    let is_typed = sign_in.credential == Credential::Wrong || (method != 0 && method & !PASSWORD == 0);
    if is_typed { Category::Interactive } else { Category::NonInteractive }
}

/// The first that holds an address, else the first that holds anything.
fn address_of<'a>(record: &mut Record<'a>) -> Cow<'a, str> {
    let places = [At::ClientIp, At::ActorIpAddress, At::ClientIpAddress, At::ClientIpOfRow];
    let mut texts = places.map(|at| inside(record.text(at)));
    let is_address = |text: &Cow<'_, str>| parse_address(text).is_some();
    let found = texts.iter().position(is_address).or_else(|| texts.iter().position(|text| !text.is_empty()));
    found.map(|index| std::mem::take(&mut texts[index])).unwrap_or_default()
}

/// `HOST (192.0.2.1)`, with or without brackets around → the address; anything else as it is.
fn inside(text: Cow<'_, str>) -> Cow<'_, str> {
    let range = text.find('(').zip(text.rfind(')')).map(|(open, close)| (open + 1).min(close)..close);
    match (text, range) {
        (Cow::Borrowed(text), Some(range)) if parse_address(&text[range.clone()]).is_some() => {
            Cow::Borrowed(&text[range])
        }
        (Cow::Owned(text), Some(range)) if parse_address(&text[range.clone()]).is_some() => {
            Cow::Owned(text[range].to_owned())
        }
        (text, _) => text,
    }
}

/// What is read of the two lists of properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    UserAgent,
    RequestType,
    Method,
    LogonError,
    Os,
    Browser,
    IsCompliant,
    IsCompliantAndManaged,
    TrustType,
    DeviceId,
    DeviceName,
    SessionId,
}

/// Their names, in the order of [`Property`].
const PROPERTY_NAMES: [&str; Property::SessionId as usize + 1] = [
    "UserAgent",
    "RequestType",
    "UserAuthenticationMethod",
    "LogonError",
    "OS",
    "BrowserType",
    "IsCompliant",
    "IsCompliantAndManaged",
    "TrustType",
    "Id",
    "DisplayName",
    "SessionId",
];

#[derive(Default)]
struct Properties<'a> {
    values: [Scalar<'a>; PROPERTY_NAMES.len()],
}

impl<'a> Properties<'a> {
    /// Both lists: arrays of names and values, or objects, as such or as JSON text.
    fn of(record: &Record<'a>) -> Properties<'a> {
        let mut properties = Properties::default();
        for at in [At::Extended, At::Device] {
            match json_in(record.get(at)) {
                Some(copied) => each_property(&copied, |name, value| properties.add(name, value.into_owned())),
                None => each_property(record.json(at), |name, value| properties.add(name, value)),
            }
        }
        properties
    }

    fn add(&mut self, name: &str, value: Scalar<'a>) {
        if let Some(index) = PROPERTY_NAMES.iter().position(|known| name.eq_ignore_ascii_case(known)) {
            self.values[index] = value;
        }
    }

    fn get(&self, property: Property) -> &Scalar<'a> {
        &self.values[property as usize]
    }

    fn str(&self, property: Property) -> &str {
        self.get(property).as_str().trim()
    }

    fn text(&mut self, property: Property) -> Cow<'a, str> {
        std::mem::take(&mut self.values[property as usize]).into_text()
    }
}

fn each_property<'t>(json: &'t str, mut add: impl FnMut(&str, Scalar<'t>)) {
    for mut element in elements(json).filter_map(|element| Named::read(element).ok()) {
        let value = element.take(Named::Value);
        add(element.str(Named::Name).trim(), value);
    }
    if json.starts_with('{') {
        for (name, value) in sonic_rs::to_object_iter(json).map_while(Result::ok) {
            match value.as_raw_cow() {
                Cow::Borrowed(raw) => add(&name, sonic_rs::from_str(raw).unwrap_or_default()),
                Cow::Owned(raw) => {
                    add(&name, sonic_rs::from_str::<Scalar<'_>>(&raw).unwrap_or_default().into_owned())
                }
            }
        }
    }
}

/// "No" to compliant and managed together says of neither that it is not.
fn device_of<'a>(properties: &mut Properties<'a>) -> DeviceDetail<'a> {
    let both = properties.get(Property::IsCompliantAndManaged).to_flag().filter(|&flag| flag);
    DeviceDetail {
        device_id: text::fold_id(properties.text(Property::DeviceId)),
        display_name: properties.text(Property::DeviceName),
        operating_system: properties.text(Property::Os),
        browser: properties.text(Property::Browser),
        is_compliant: properties.get(Property::IsCompliant).to_flag().or(both),
        is_managed: both,
        trust_type: match properties.text(Property::TrustType) {
            code if code == "0" => Cow::Borrowed("Azure AD registered"),
            code if code == "1" => Cow::Borrowed("Azure AD joined"),
            code if code == "2" => Cow::Borrowed("Hybrid Azure AD joined"),
            named => named,
        },
    }
}
