//! OCSF, the Open Cybersecurity Schema Framework: class Authentication (3002) → [`SignIn`]s, and findings of other
//! products (2004, 2001) about a user → upstream findings. All versions, of whichever product.
//!
//! ## What it maps
//! | record | becomes |
//! |---|---|
//! | Authentication, activity Logon or not named | an interactive sign-in; over the network, without the user's doing |
//! | activities Authentication Ticket, Preauth | the same, as Kerberos asks for it |
//! | activities Service Ticket Request, Service Ticket Renew | a sign-in without the user's doing |
//! | activity Other | a step where it passed; else as failed as a logon |
//! | activities Logoff, Account Switch; kinds Batch and Service of logon; system and service accounts | not a sign-in of a user |
//! | of Okta's log or CloudTrail | what that provider's reader makes of it: see [`products`] |
//! | Detection Finding, Security Finding | an upstream finding about the user it names: see [`finding`] |
//! | every other class | not a sign-in |
//!
//! `status_id` says whether it passed; `status_detail`, `status_code` and `message` why not, in the standard's words or
//! the product's. A logon without a status was one: some products only log those.
//!
//! ## Traps
//! - The person is `user`; in older mappings `user` has an id only, or nothing, and `actor.user` is the person.
//! - `time` should be milliseconds and often is seconds; `time_dt` may have lost the milliseconds.
//! - Numbers come as text; names stand without their ids (`status` without `status_id`).
//! - `coordinates` is longitude, then latitude. `country` should be a code and often is a name.
//! - `actor.user.type` may be the product's own word; `type_id` is the standard's.
//! - `device` is the user's in Okta's mapping and the server in Windows'.

mod finding;
mod products;

use std::borrow::Cow;

use super::country::code_of;
use super::draft::{Ending, SignInRisk, blank, emit_with};
use super::ecs::is_success;
use super::entra_codes::meaning_of;
use super::format::{Emit, Format, Reader};
use super::paths::{Values, elements, paths};
use super::product::provider_named;
use super::reason::{ending_of, windows_ending};
use super::respell::{emit_all, read_as};
use super::scalar::Scalar;
use super::{Around, Decoded, Reject, SkipReason, entra, text};
use crate::engine::finding::{RiskEventType, RiskLevel};
use crate::engine::signin::{Category, Credential, EventTime, Mfa, Outcome, Provider, ProviderLocation, SignIn};

pub(super) const READER: Reader =
    Reader { format: Format::Ocsf, marks: &[&["class_uid"], &["category_uid", "metadata"]], is_line: None, read };

const AUTHENTICATION: u32 = 3002;
const LOGON: u32 = 1;
const DETECTION_FINDING: u32 = 2004;
const SECURITY_FINDING: u32 = 2001;

paths! {
    /// Where an Authentication has what is read.
    enum At (Dotted) {
        Class = Scalar "class_uid",
        ClassName = Scalar "class_name",
        TypeUid = Scalar "type_uid",
        Activity = Scalar "activity_id",
        ActivityName = Scalar "activity_name",
        Time = Scalar "time",
        TimeDt = Scalar "time_dt",
        Status = Scalar "status",
        StatusId = Scalar "status_id",
        StatusCode = Scalar "status_code",
        StatusDetail = Scalar "status_detail",
        Message = Scalar "message",
        Uid = Scalar "metadata/uid",
        OriginalUid = Scalar "metadata/original_event_uid",
        Correlation = Scalar "metadata/correlation_uid",
        Tenant = Scalar "metadata/tenant_uid",
        Product = Scalar "metadata/product/name",
        ProductUid = Scalar "metadata/product/uid",
        Vendor = Scalar "metadata/product/vendor_name",
        LogProvider = Scalar "metadata/log_provider",
        LogName = Scalar "metadata/log_name",
        UserUid = Scalar "user/uid",
        UserUidAlt = Scalar "user/uid_alt",
        UserName = Scalar "user/name",
        UserEmail = Scalar "user/email_addr",
        UserFullName = Scalar "user/full_name",
        UserDisplayName = Scalar "user/display_name",
        UserTypeId = Scalar "user/type_id",
        UserAccount = Scalar "user/account/uid",
        OlderUserAccount = Scalar "user/account_uid",
        UserOrg = Scalar "user/org/uid",
        UserDomain = Scalar "user/domain",
        ActorUid = Scalar "actor/user/uid",
        ActorUidAlt = Scalar "actor/user/uid_alt",
        ActorName = Scalar "actor/user/name",
        ActorEmail = Scalar "actor/user/email_addr",
        ActorTypeId = Scalar "actor/user/type_id",
        ActorAccount = Scalar "actor/user/account/uid",
        OlderActorAccount = Scalar "actor/user/account_uid",
        ActorOrg = Scalar "actor/user/org/uid",
        ActorSession = Scalar "actor/session/uid",
        ActorSessionMfa = Scalar "actor/session/is_mfa",
        Idp = Scalar "actor/idp/name",
        ActorApp = Scalar "actor/app_name",
        ActorAppUid = Scalar "actor/app_uid",
        CloudAccount = Scalar "cloud/account/uid",
        OlderCloudAccount = Scalar "cloud/account_uid",
        CloudOrg = Scalar "cloud/org/uid",
        SourceIp = Scalar "src_endpoint/ip",
        SourceLocation = Json "src_endpoint/location",
        Asn = Scalar "src_endpoint/autonomous_system/number",
        UserAgent = Scalar "http_request/user_agent",
        RequestUid = Scalar "http_request/uid",
        DeviceUid = Scalar "device/uid",
        DeviceName = Scalar "device/name",
        DeviceOs = Scalar "device/os/name",
        SourceOs = Scalar "src_endpoint/os/name",
        IsManaged = Scalar "device/is_managed",
        IsCompliant = Scalar "device/is_compliant",
        Session = Scalar "session/uid",
        SessionMfa = Scalar "session/is_mfa",
        IsMfa = Scalar "is_mfa",
        OlderMfa = Scalar "mfa",
        Protocol = Scalar "auth_protocol",
        ProtocolId = Scalar "auth_protocol_id",
        LogonType = Scalar "logon_type",
        LogonTypeId = Scalar "logon_type_id",
        ServiceName = Scalar "service/name",
        ServiceUid = Scalar "service/uid",
        Destination = Scalar "dst_endpoint/svc_name",
        DestinationHost = Scalar "dst_endpoint/hostname",
        RiskLevelId = Scalar "risk_level_id",
        RiskDetails = Scalar "risk_details",
    }
}

paths! {
    /// A place. In both ways of writing coordinates.
    enum PlaceAt (IgnoreCase) {
        City = Scalar "city",
        Region = Scalar "region",
        Country = Scalar "country",
        CoordinatesLongitude = Scalar "coordinates/0",
        CoordinatesLatitude = Scalar "coordinates/1",
        Latitude = Scalar "lat",
        Longitude = Scalar "long",
    }
}

type Record<'a> = Values<'a, { At::COUNT }>;

fn read<'a>(text: &'a str, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut record = At::read(text)?;
    match class_of(&record) {
        Some(AUTHENTICATION) => {}
        Some(DETECTION_FINDING | SECURITY_FINDING) => return finding::read(text, emit),
        _ => {
            emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
            return Ok(());
        }
    }
    let names = [At::Product, At::ProductUid, At::LogProvider, At::LogName, At::Vendor];
    let provider = provider_named(names.iter().map(|at| record.str(*at))).unwrap_or(Provider::Other);
    if let Some(product) = products::of(provider)
        && let Some(rewritten) = product.spelling.rewrite(text)?
        && let Some(Ok(found)) = read_as(product.format, &rewritten, around)
        && !(provider == Provider::Okta && activity_of(&record) == LOGON && found.iter().all(is_skipped))
        // A failure that the reader took for a success was not in its words.
        && !(has_passed(&record) == Some(false) && found.iter().any(is_success))
    {
        emit_all(found, emit);
        return Ok(());
    }
    let Some((category, ending)) = attempt(&record, provider) else {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    };
    if is_workload(&record) {
        emit(Ok(Decoded::Skipped(SkipReason::ServicePrincipal)));
        return Ok(());
    }
    let risk = risk(&mut record);
    let mut sign_in = sign_in(&mut record, provider)?;
    sign_in.category = category;
    ending.put(&mut sign_in);
    emit_with(sign_in, risk, emit)
}

/// Mappings of Okta's log misspell its types, or have some that its reader does not know; a logon is one all the same.
fn is_skipped(decoded: &Result<Decoded<'_>, Reject>) -> bool {
    *decoded == Ok(Decoded::Skipped(SkipReason::NotASignIn))
}

/// The class by its number, by the type's, or by its name.
fn class_of(record: &Record<'_>) -> Option<u32> {
    let named = || match record.str(At::ClassName).trim().to_ascii_lowercase().as_str() {
        "authentication" => Some(AUTHENTICATION),
        "detection finding" | "detection findings" => Some(DETECTION_FINDING),
        "security finding" => Some(SECURITY_FINDING),
        _ => None,
    };
    record.get(At::Class).to_u32().or_else(|| record.get(At::TypeUid).to_u32().map(|uid| uid / 100)).or_else(named)
}

/// What the activity is; 0 where it is none that is known.
fn activity_of(record: &Record<'_>) -> u32 {
    const NAMES: [(&str, u32); 7] = [
        ("logon", 1),
        ("logoff", 2),
        ("authentication ticket", 3),
        ("service ticket request", 4),
        ("service ticket renew", 5),
        ("preauth", 6),
        ("account switch", 7),
    ];
    let of_type = || record.get(At::TypeUid).to_u32().map(|uid| uid % 100);
    let named = || NAMES.into_iter().find(|(name, _)| record.is(At::ActivityName, name)).map(|(_, id)| id);
    record.get(At::Activity).to_u32().or_else(of_type).or_else(named).unwrap_or(0)
}

/// What kind of sign-in it is, and how it ended; `None` where it is none.
fn attempt(record: &Record<'_>, provider: Provider) -> Option<(Category, Ending)> {
    let activity = activity_of(record);
    let has_passed = has_passed(record);
    let step = Ending { outcome: Outcome::Interrupted, ..Ending::SUCCESS };
    let ending = match (has_passed, activity) {
        (_, 2 | 7) => return None,
        (Some(true), 6 | 99) => with_mfa(record, step),
        (Some(true), _) => with_mfa(record, Ending::SUCCESS),
        (None, 0 | 99) => return None,
        (None, _) if !is_status_given(record) => with_mfa(record, Ending::SUCCESS),
        (Some(false) | None, _) => refusal(record, provider),
    };
    let is_network = record.get(At::LogonTypeId).to_u32() == Some(3) || record.is(At::LogonType, "network");
    // A failed one has presented something.
    let is_silent = matches!(activity, 4 | 5) || (is_network && ending.credential == Credential::Right);
    Some((if is_silent { Category::NonInteractive } else { Category::Interactive }, ending))
}

fn has_passed(record: &Record<'_>) -> Option<bool> {
    match record.get(At::StatusId).to_u32() {
        Some(1) => Some(true),
        Some(2) => Some(false),
        _ if record.is(At::Status, "success") || record.is(At::Status, "succeeded") => Some(true),
        _ if record.str(At::Status).to_ascii_lowercase().starts_with("fail") => Some(false),
        _ => None,
    }
}

fn is_status_given(record: &Record<'_>) -> bool {
    [At::StatusId, At::Status, At::StatusDetail, At::StatusCode].into_iter().any(|at| record.has(at))
}

fn with_mfa(record: &Record<'_>, ending: Ending) -> Ending {
    let said =
        [At::IsMfa, At::OlderMfa, At::SessionMfa, At::ActorSessionMfa].into_iter().find_map(|at| record.flag(at));
    match said {
        Some(true) => Ending { mfa: Mfa::Performed, ..ending },
        Some(false) => Ending { mfa: Mfa::NotRequired, ..ending },
        None => ending,
    }
}

fn refusal(record: &Record<'_>, provider: Provider) -> Ending {
    let code = record.str(At::StatusCode);
    let entra_code = || {
        let code = record.get(At::StatusCode).to_u32().filter(|_| provider == Provider::Entra)?;
        let meaning = meaning_of(code, false);
        let mfa = meaning.mfa.unwrap_or(Mfa::Unknown);
        meaning.is_known.then_some(Ending {
            outcome: meaning.outcome,
            credential: meaning.credential,
            mfa,
            account: meaning.account,
        })
    };
    let codes = || [code, record.str(At::StatusDetail)].into_iter().find_map(windows_ending);
    let said = || [At::StatusDetail, At::StatusCode].into_iter().find_map(|at| ending_of(record.str(at)));
    // A message may speak of other things than the attempt.
    let in_message = || ending_of(record.str(At::Message)).filter(|ending| ending.credential != Credential::Right);
    entra_code().or_else(codes).or_else(said).or_else(in_message).unwrap_or(Ending::UNCLEAR)
}

/// The system's accounts and services', machines, and logons of services and jobs.
fn is_workload(record: &Record<'_>) -> bool {
    let type_id = record.get(if has_user(record) { At::UserTypeId } else { At::ActorTypeId }).to_u32();
    let name = record.str(if has_user(record) { At::UserName } else { At::ActorName });
    let logon = record.get(At::LogonTypeId).to_u32();
    matches!(type_id, Some(3 | 4)) || name.trim_end().ends_with('$') || matches!(logon, Some(0 | 4 | 5))
}

fn has_user(record: &Record<'_>) -> bool {
    [At::UserUid, At::UserName, At::UserEmail].into_iter().any(|at| record.has(at))
}

fn sign_in<'a>(record: &mut Record<'a>, provider: Provider) -> Result<SignIn<'a>, Reject> {
    let mut sign_in = blank(provider, time_of(record)?);
    who(record, &mut sign_in)?;
    let uid = record.id(At::Uid, "metadata.uid")?;
    sign_in.event_id =
        if uid.is_empty() { record.id(At::OriginalUid, "metadata.original_event_uid")? } else { uid };
    sign_in.error_code = record.get(At::StatusCode).to_u32().filter(|_| provider == Provider::Entra);
    sign_in.address_text = record.text(At::SourceIp);
    sign_in.location = location_in(record.json(At::SourceLocation));
    sign_in.asn = entra::asn_of(record.get(At::Asn));
    sign_in.user_agent = record.text(At::UserAgent);
    sign_in.device.device_id = record.text(At::DeviceUid);
    sign_in.device.display_name = record.text(At::DeviceName);
    sign_in.device.operating_system = record.first_text([At::SourceOs, At::DeviceOs]);
    sign_in.device.is_managed = record.flag(At::IsManaged);
    sign_in.device.is_compliant = record.flag(At::IsCompliant);
    sign_in.session_id = record.first_text([At::Session, At::ActorSession]);
    sign_in.correlation_id = record.first_text([At::Correlation, At::RequestUid]);
    sign_in.app_id = record.first_text([At::ServiceUid, At::ActorAppUid]);
    sign_in.app_display_name = record.first_text([At::ServiceName, At::ActorApp, At::Destination]);
    sign_in.resource_display_name = record.text(At::DestinationHost);
    sign_in.authentication_protocol = protocol_of(record);
    sign_in.token_issuer_name = record.text(At::Idp);
    Ok(sign_in)
}

/// `time` where it agrees with `time_dt`, as it is finer; else `time_dt`, as its unit is certain.
fn time_of(record: &Record<'_>) -> Result<EventTime, Reject> {
    let written = record.time(&[(At::TimeDt, "time_dt")]);
    let counted = record.time(&[(At::Time, "time")]);
    match (written, counted) {
        (Ok(written), Ok(counted)) if counted.seconds_since(written).abs() < 1.0 => Ok(counted),
        (Ok(written), _) => Ok(written),
        (_, counted) => counted,
    }
}

fn who<'a>(record: &mut Record<'a>, sign_in: &mut SignIn<'a>) -> Result<(), Reject> {
    // A person that is only half in `user` is whole in `actor.user`, if that is the same.
    let is_same = !has_user(record)
        || (record.has(At::UserUid) && record.str(At::UserUid) == record.str(At::ActorUid))
        || (record.has(At::UserName) && record.is(At::ActorName, record.str(At::UserName)));
    let mut ids = vec![(At::UserUid, "user.uid"), (At::UserUidAlt, "user.uid_alt")];
    let mut logins = vec![At::UserEmail];
    let mut names = vec![At::UserName];
    let mut tenants = vec![At::Tenant, At::UserOrg, At::UserAccount, At::OlderUserAccount];
    if is_same {
        ids.extend([(At::ActorUid, "actor.user.uid"), (At::ActorUidAlt, "actor.user.uid_alt")]);
        logins.push(At::ActorEmail);
        names.push(At::ActorName);
        tenants.extend([At::ActorOrg, At::ActorAccount, At::OlderActorAccount]);
    }
    tenants.extend([At::CloudAccount, At::OlderCloudAccount, At::CloudOrg]);
    for (at, name) in ids {
        let id = record.id(at, name)?;
        if sign_in.user_id.is_empty() {
            sign_in.user_id = id;
        }
    }
    let name = record.first_text(names);
    let login = record.first_text(logins);
    let domain = record.text(At::UserDomain);
    sign_in.user_display_name = record.first_text([At::UserFullName, At::UserDisplayName]);
    if sign_in.user_display_name.is_empty() && !login.is_empty() {
        sign_in.user_display_name = name.clone();
    }
    sign_in.user_principal_name = match () {
        () if !login.is_empty() => login,
        () if !name.is_empty() && !name.contains('@') && domain.contains('.') => {
            Cow::Owned(format!("{name}@{domain}"))
        }
        () => name,
    };
    sign_in.tenant_id = record.first_text(tenants);
    if sign_in.tenant_id.is_empty() && sign_in.provider == Provider::Entra {
        sign_in.tenant_id = Cow::Borrowed(entra::TENANT_UNKNOWN);
    }
    Ok(())
}

pub(super) fn location_in(place: &str) -> ProviderLocation<'_> {
    let Ok(mut place) = PlaceAt::read(if place.starts_with('{') { place } else { "{}" }) else {
        return ProviderLocation::default();
    };
    let pair = entra::coordinates(
        place.number(PlaceAt::CoordinatesLatitude),
        place.number(PlaceAt::CoordinatesLongitude),
    );
    ProviderLocation {
        city: place.text(PlaceAt::City),
        state: place.text(PlaceAt::Region),
        country: code_of(place.text(PlaceAt::Country)),
        coordinates: pair
            .or_else(|| entra::coordinates(place.number(PlaceAt::Latitude), place.number(PlaceAt::Longitude))),
    }
}

fn protocol_of<'a>(record: &mut Record<'a>) -> Cow<'a, str> {
    const PROTOCOLS: [&str; 12] = [
        "NTLM",
        "Kerberos",
        "Digest",
        "OpenID",
        "SAML",
        "OAUTH 2.0",
        "PAP",
        "CHAP",
        "EAP",
        "RADIUS",
        "Basic",
        "LDAP",
    ];
    let id = record.get(At::ProtocolId).to_u32().and_then(|id| usize::try_from(id).ok()?.checked_sub(1));
    let known = id.and_then(|index| PROTOCOLS.get(index)).map_or(Cow::Borrowed(""), |name| Cow::Borrowed(*name));
    let named = record.text(At::Protocol);
    if named.is_empty() || named.eq_ignore_ascii_case("other") { known } else { named }
}

/// The levels of the standard: 0 is for information, 1 low, 2 medium, 3 high, 4 critical.
pub(super) fn level_of(id: &Scalar<'_>) -> Option<RiskLevel> {
    match id.to_u32()? {
        1 => Some(RiskLevel::Low),
        2 => Some(RiskLevel::Medium),
        3 | 4 => Some(RiskLevel::High),
        _ => None,
    }
}

/// Risk of the sign-in, from medium on. That of the user as a whole is not this sign-in's.
fn risk<'a>(record: &mut Record<'a>) -> Option<SignInRisk<'a>> {
    let level = level_of(record.get(At::RiskLevelId)).filter(|level| *level >= RiskLevel::Medium)?;
    Some(SignInRisk {
        source: Cow::Borrowed("OCSF"),
        kind: RiskEventType::Generic,
        source_type: Cow::Borrowed("risk_level_id"),
        level,
        is_confirmed: false,
        reasons: text::cut(record.text(At::RiskDetails)),
    })
}

/// The first element of an array, as it is written; empty where there is none.
fn first_element(array: &str) -> &str {
    elements(array).next().unwrap_or_default()
}
