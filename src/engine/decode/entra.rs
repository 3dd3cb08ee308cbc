//! A Microsoft Entra ID record → [`SignIn`], or why it is skipped.
//!
//! The forms are told apart by exclusive tests on what was read: Azure Monitor and Event Hub records have a
//! `category` (and their sign-in under `properties`), Log Analytics rows have `TimeGenerated` or `Type`, Graph
//! objects have neither. Workload identities and other logs are skipped, never judged as users. What needs more
//! than one field is in [`super::entra_result`]; what a code means is in [`super::entra_codes`]; risk that Entra ID
//! Protection found, as records of its own or in a sign-in's, is in [`super::entra_risk`].

use std::borrow::Cow;
use std::net::IpAddr;

use super::address::parse_address;
use super::entra_result::{ResultFields, result_of};
use super::entra_risk::{self, RiskLog};
use super::fields::{Fields, Properties, Record};
use super::format::Emit;
use super::keys::{Envelope, Key};
use super::paths::no_time;
use super::scalar::{Scalar, wrong_type};
use super::steps::EventTypes;
use super::{Decoded, Reject, RejectReason, SkipReason, client, draft, event_id, tables, text};
use crate::engine::signin::{Category, DeviceDetail, EventTime, Provider, ProviderLocation, SignIn};

/// Tenant of records that name none.
pub const TENANT_UNKNOWN: &str = "unknown";

/// The log a record is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Users(Category),
    Risk(RiskLog),
    Skipped(SkipReason),
}

/// The array of records that `record` is an envelope for, if it is one.
pub(super) fn envelope_of<'a>(record: &Record<'a>) -> Option<(Envelope, &'a str)> {
    if let Some(raw) = record.records {
        return Some((Envelope::Records, raw));
    }
    if let Some(raw) = record.tables {
        return Some((Envelope::Tables, raw));
    }
    let is_list = record.own.get(Key::Category).is_absent() && record.own.get(Key::CreatedDateTime).is_absent();
    record.value.filter(|_| is_list).map(|raw| (Envelope::Value, raw))
}

/// Decodes one record that is no envelope. `text` is the object it was read from; it is read again for what few have.
pub(super) fn decode_record<'a>(
    record: &mut Record<'a>,
    text: Source<'a, '_>,
    emit: Emit<'_, 'a>,
) -> Result<(), Reject> {
    let has_properties = record.properties == Properties::Read;
    match log_of(record) {
        None => Err(Reject::new(RejectReason::UnknownFormat, "no known form of an entra record")),
        Some(Log::Skipped(reason)) => {
            emit(Ok(Decoded::Skipped(reason)));
            Ok(())
        }
        Some(_) if record.properties == Properties::Unreadable => Err(wrong_type("properties")),
        Some(Log::Risk(log)) => match text.object() {
            Cow::Borrowed(object) => entra_risk::read(log, object, has_properties, emit),
            Cow::Owned(object) => entra_risk::read(log, &object, has_properties, &mut |decoded| {
                emit(decoded.map(Decoded::into_owned))
            }),
        },
        Some(Log::Users(category)) => {
            let (fields, outer) = match record.properties {
                Properties::Read => (&mut record.inner, &mut record.own),
                _ => (&mut record.own, &mut record.inner),
            };
            let has_risk = entra_risk::is_risk(fields.get(Key::RiskState));
            let sign_in = sign_in(category, fields, outer)?;
            if has_risk {
                let risk = entra_risk::of_sign_in(&text.object(), has_properties);
                return draft::emit_with(sign_in, risk, emit);
            }
            emit(Ok(Decoded::SignIn(sign_in)));
            Ok(())
        }
    }
}

/// Where a record was read from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a, 't> {
    Object(&'a str),
    /// A row, and the table that names its columns.
    Row(&'a str, &'t str),
}

impl<'a> Source<'a, '_> {
    fn object(self) -> Cow<'a, str> {
        match self {
            Source::Object(text) => Cow::Borrowed(text),
            Source::Row(row, table) => Cow::Owned(tables::object_of(row, table)),
        }
    }
}

/// Is this Microsoft 365's, in a form that looks like one of Entra's?
pub(super) fn is_m365(record: &Record<'_>) -> bool {
    let table = record.own.get(Key::TableName).as_str().trim();
    table.eq_ignore_ascii_case("OfficeActivity") || !record.own.get(Key::RecordType).is_absent()
}

fn log_of(record: &Record<'_>) -> Option<Log> {
    let own = &record.own;
    let has = |key: Key| !own.get(key).is_absent();
    let fields = if record.properties == Properties::Read { &record.inner } else { own };
    let category = own.get(Key::Category).as_str();
    let table = own.get(Key::TableName).as_str();
    if record.properties == Properties::Absent && (has(Key::TimeGenerated) || log_named(table).is_some()) {
        if let Some(log) = log_named(table).or_else(|| log_named(category)) {
            return Some(log);
        }
        if has(Key::TableName) || has(Key::Category) {
            return Some(Log::Skipped(SkipReason::NotASignIn));
        }
        let has_user = has(Key::UserId) || has(Key::UserPrincipalName);
        let has_identity = has_user || has(Key::ServicePrincipalId);
        let is_other = has(Key::OperationName).then_some(Log::Skipped(SkipReason::NotASignIn));
        return if has_identity { Some(log_of_kind(own)) } else { is_other };
    }
    if !text::is_absent(category) {
        let is_azure = record.properties != Properties::Absent
            || [Key::Time, Key::OperationName, Key::ResourceId, Key::TenantId, Key::ActivityDisplayName]
                .into_iter()
                .any(has);
        return match log_named(category) {
            Some(Log::Users(_)) if workload(fields.event_types).is_some() => {
                workload(fields.event_types).map(Log::Skipped)
            }
            // An application's sign-in that strayed into the users' log.
            Some(Log::Users(_)) if is_of_application(fields) => Some(Log::Skipped(SkipReason::ServicePrincipal)),
            Some(log) => Some(log),
            None => is_azure.then_some(Log::Skipped(SkipReason::NotASignIn)),
        };
    }
    let operation = own.get(Key::OperationName).as_str().trim();
    if record.properties == Properties::Read && operation.eq_ignore_ascii_case("sign-in activity") {
        return Some(log_of_kind(fields));
    }
    if record.properties == Properties::Read && operation.eq_ignore_ascii_case("user risk detection") {
        return Some(Log::Risk(RiskLog::Detections));
    }
    if record.properties == Properties::Read && operation.eq_ignore_ascii_case("risky user") {
        return Some(Log::Risk(RiskLog::Users));
    }
    if has(Key::ActivityDisplayName) {
        return Some(Log::Skipped(SkipReason::NotASignIn));
    }
    if OF_RISKS.into_iter().any(has) {
        return Some(Log::Risk(RiskLog::Either));
    }
    if is_graph_sign_in(has) {
        return Some(log_of_kind(own));
    }
    let is_azure = has(Key::OperationName) && (has(Key::Time) || has(Key::ResourceId));
    is_azure.then_some(Log::Skipped(SkipReason::NotASignIn))
}

/// Properties of Graph's risk detection and risky user objects that no sign-in has. (Audit objects have
/// `activityDisplayName` beside the first.)
const OF_RISKS: [Key; 4] =
    [Key::ActivityDateTime, Key::DetectedDateTime, Key::RiskEventType, Key::RiskLastUpdatedDateTime];

/// Graph's `user` and `application` objects have some of these properties too, but not as many.
fn is_graph_sign_in(has: impl Fn(Key) -> bool) -> bool {
    let of_the_attempt = [Key::AppId, Key::IpAddress, Key::ErrorCode];
    let of_the_identity =
        [Key::UserId, Key::UserPrincipalName, Key::CorrelationId, Key::ServicePrincipalId, Key::ClientAppUsed];
    let attempt_count = of_the_attempt.into_iter().filter(|&key| has(key)).count();
    let count = attempt_count + of_the_identity.into_iter().filter(|&key| has(key)).count();
    attempt_count > 0 && count >= if has(Key::CreatedDateTime) { 2 } else { 3 }
}

/// The log by its Azure Monitor category or Log Analytics table name.
fn log_named(name: &str) -> Option<Log> {
    let name = name.trim();
    let name = match name.get(..3) {
        Some(prefix) if prefix.eq_ignore_ascii_case("AAD") => &name[3..],
        _ => name,
    };
    let logs = [
        ("SignInLogs", Log::Users(Category::Interactive)),
        ("NonInteractiveUserSignInLogs", Log::Users(Category::NonInteractive)),
        ("ADFSSignInLogs", Log::Users(Category::Adfs)),
        ("UserRiskEvents", Log::Risk(RiskLog::Detections)),
        ("RiskyUsers", Log::Risk(RiskLog::Users)),
        ("ServicePrincipalRiskEvents", Log::Skipped(SkipReason::ServicePrincipal)),
        ("RiskyServicePrincipals", Log::Skipped(SkipReason::ServicePrincipal)),
        ("ServicePrincipalSignInLogs", Log::Skipped(SkipReason::ServicePrincipal)),
        ("ManagedIdentitySignInLogs", Log::Skipped(SkipReason::ManagedIdentity)),
        ("MicrosoftServicePrincipalSignInLogs", Log::Skipped(SkipReason::MicrosoftServicePrincipal)),
    ];
    logs.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, log)| log)
}

/// The log of a record that names none, by the kind of sign-in it says it is.
fn log_of_kind(fields: &Fields<'_>) -> Log {
    let types = fields.event_types;
    if let Some(reason) = workload(types) {
        return Log::Skipped(reason);
    }
    let is_of_user = types.interactive || types.non_interactive;
    if !is_of_user && is_of_application(fields) {
        return Log::Skipped(SkipReason::ServicePrincipal);
    }
    let is_silent =
        if is_of_user { !types.interactive } else { fields.get(Key::IsInteractive).to_flag() == Some(false) };
    Log::Users(if is_silent { Category::NonInteractive } else { Category::Interactive })
}

/// A service principal is named, and no user.
fn is_of_application(fields: &Fields<'_>) -> bool {
    let has = |key: Key| !fields.get(key).is_absent();
    has(Key::ServicePrincipalId) && !has(Key::UserId) && !has(Key::UserPrincipalName)
}

/// Why the event types say that this is no user's sign-in.
fn workload(types: EventTypes) -> Option<SkipReason> {
    if types.interactive || types.non_interactive {
        return None;
    }
    let managed = types.managed_identity.then_some(SkipReason::ManagedIdentity);
    managed.or(types.service_principal.then_some(SkipReason::ServicePrincipal))
}

/// `fields` holds the sign-in, `outer` what stands around it (nothing, where the form has no `properties`).
pub(super) fn sign_in<'a>(
    category: Category,
    fields: &mut Fields<'a>,
    outer: &mut Fields<'a>,
) -> Result<SignIn<'a>, Reject> {
    let event_time = time_of(fields, outer)?;
    let (user_id, user_principal_name) = user_of(fields)?;
    let id = fields.take(Key::Id).into_id("id")?;
    let tenant_id = tenant_of(fields, outer)?;
    let authentication_protocol = fields.take(Key::AuthenticationProtocol).into_text();
    let result = result_of(&ResultFields { fields, outer, authentication_protocol: &authentication_protocol });
    let (address, address_text) = address_of(fields, outer);
    let display_name = fields.take(Key::UserDisplayName).into_text();
    let client_app_used = fields.take(Key::ClientAppUsed).into_text();
    let user_agent = fields.take(Key::UserAgent).into_text();
    let mut sign_in = SignIn {
        provider: Provider::Entra,
        category,
        tenant_id,
        event_id: id,
        event_time,
        user_id,
        user_principal_name,
        user_display_name: first_present(display_name, fields, outer, Key::Identity),
        outcome: result.outcome,
        credential: result.credential,
        mfa: result.mfa,
        account: result.account,
        error_code: result.error_code,
        address,
        address_text,
        asn: asn_of(fields.get(Key::AutonomousSystemNumber)),
        location: location_of(fields, outer),
        app_id: text::fold_id(fields.take(Key::AppId).into_text()),
        app_display_name: fields.take(Key::AppDisplayName).into_text(),
        resource_display_name: fields.take(Key::ResourceDisplayName).into_text(),
        client_app: client::client_app(&client_app_used, &user_agent),
        client_app_used,
        authentication_protocol,
        user_agent,
        device: device_of(fields),
        session_id: fields.take(Key::SessionId).into_text(),
        correlation_id: first_present(
            fields.take(Key::CorrelationId).into_text(),
            fields,
            outer,
            Key::CorrelationId,
        ),
        incoming_token_type: fields.take(Key::IncomingTokenType).into_text(),
        token_issuer_type: fields.take(Key::TokenIssuerType).into_text(),
        token_issuer_name: fields.take(Key::TokenIssuerName).into_text(),
    };
    sign_in.correlation_id = text::fold_id(sign_in.correlation_id);
    let token = fields.take(Key::UniqueTokenIdentifier).into_text();
    let original = fields.take(Key::OriginalRequestId).into_text();
    sign_in.event_id = event_id::event_id(&sign_in, &token, &original)?;
    Ok(sign_in)
}

/// `found`, or the first of the two objects' values of `key` that says something.
fn first_present<'a>(
    found: Cow<'a, str>,
    fields: &mut Fields<'a>,
    outer: &mut Fields<'a>,
    key: Key,
) -> Cow<'a, str> {
    if !found.is_empty() {
        return found;
    }
    let own = fields.take(key).into_text();
    if own.is_empty() { outer.take(key).into_text() } else { own }
}

/// The sign-in's own time; the time of the record around it only where that cannot be read.
fn time_of(fields: &Fields<'_>, outer: &Fields<'_>) -> Result<EventTime, Reject> {
    let candidates = [
        ("createdDateTime", fields.get(Key::CreatedDateTime)),
        ("time", outer.get(Key::Time)),
        ("time", fields.get(Key::Time)),
        ("TimeGenerated", fields.get(Key::TimeGenerated)),
    ];
    let mut error = None;
    for (name, scalar) in candidates {
        match scalar.to_time(name)? {
            Some(Ok(time)) => return Ok(time),
            Some(Err(why)) => error = error.max(Some(why)),
            None => {}
        }
    }
    Err(no_time(error))
}

/// The stable id, else the principal name; and the principal name.
fn user_of<'a>(fields: &mut Fields<'a>) -> Result<(Cow<'a, str>, Cow<'a, str>), Reject> {
    let id = fields.take(Key::UserId).into_id("userId")?;
    let name = fields.take(Key::UserPrincipalName);
    if id.is_empty() && matches!(name, Scalar::Flag(_) | Scalar::Float(_) | Scalar::Other) {
        return Err(wrong_type("userPrincipalName"));
    }
    let name = match name {
        Scalar::Text(name) => text::fold(text::present(name)),
        other => other.into_text(),
    };
    let id = if id.is_empty() { name.clone() } else { id };
    if id.is_empty() {
        return Err(Reject::new(RejectReason::NoUser, "no user id and no user principal name"));
    }
    Ok((text::check_id(id, "userId")?, text::cut(name)))
}

/// The log's tenant; the user's home tenant where the record does not name the log's.
fn tenant_of<'a>(fields: &mut Fields<'a>, outer: &mut Fields<'a>) -> Result<Cow<'a, str>, Reject> {
    for objects in [&mut *outer, &mut *fields] {
        let named = objects.take(Key::TenantId).into_text();
        let named = if named.is_empty() { tenant_in_path(objects.take(Key::ResourceId)) } else { named };
        if !named.is_empty() {
            return text::check_id(text::fold_id(named), "tenantId");
        }
    }
    let home = fields.take(Key::HomeTenantId).into_text();
    let tenant = if home.is_empty() { Cow::Borrowed(TENANT_UNKNOWN) } else { home };
    text::check_id(text::fold_id(tenant), "tenantId")
}

/// `/tenants/<id>/providers/…` → id; empty when the text is no such path.
pub(super) fn tenant_in_path(resource_id: Scalar<'_>) -> Cow<'_, str> {
    const PREFIX: &str = "/tenants/";
    let tenant_of = |path: &str| match path.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => {
            let end = path[PREFIX.len()..].find('/').map_or(path.len(), |slash| PREFIX.len() + slash);
            PREFIX.len()..end
        }
        _ => 0..0,
    };
    let tenant = match resource_id {
        Scalar::Text(Cow::Borrowed(path)) => Cow::Borrowed(&path[tenant_of(path)]),
        Scalar::Text(Cow::Owned(path)) => Cow::Owned(path[tenant_of(&path)].to_owned()),
        _ => Cow::Borrowed(""),
    };
    text::cut(text::present(tenant))
}

/// The first of the address fields that holds an address; else the first that holds anything.
fn address_of<'a>(fields: &mut Fields<'a>, outer: &mut Fields<'a>) -> (Option<IpAddr>, Cow<'a, str>) {
    let own = fields.take(Key::IpAddress).into_text();
    let address = parse_address(&own);
    if address.is_some() {
        return (address, own);
    }
    let caller = outer.take(Key::CallerIpAddress).into_text();
    let address = parse_address(&caller);
    if address.is_some() || own.is_empty() { (address, caller) } else { (None, own) }
}

/// A number, or text with or without `AS` before it; 0 is absent.
pub(super) fn asn_of(scalar: &Scalar<'_>) -> Option<u32> {
    let number = match scalar {
        Scalar::Text(text) => {
            let text = text.trim();
            let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
            digits.parse().ok()
        }
        other => other.to_u32(),
    };
    number.filter(|&asn| asn != 0)
}

fn location_of<'a>(fields: &mut Fields<'a>, outer: &mut Fields<'a>) -> ProviderLocation<'a> {
    let countries = [fields.take(Key::Country), fields.take(Key::OuterCountry), outer.take(Key::Country)];
    let country = countries.into_iter().map(country_of).find(|country| !country.is_empty());
    ProviderLocation { country: country.unwrap_or_default(), ..place_of(fields) }
}

/// Two letters, upper case; empty for anything else.
pub(super) fn country_of(scalar: Scalar<'_>) -> Cow<'_, str> {
    let country = scalar.into_text();
    if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Cow::Borrowed("");
    }
    if country.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Cow::Owned(country.to_ascii_uppercase());
    }
    country
}

/// Everything of a location but its country.
pub(super) fn place_of<'a>(fields: &mut Fields<'a>) -> ProviderLocation<'a> {
    ProviderLocation {
        city: fields.take(Key::City).into_text(),
        state: fields.take(Key::State).into_text(),
        country: Cow::Borrowed(""),
        coordinates: coordinates(fields.get(Key::Latitude).to_f64(), fields.get(Key::Longitude).to_f64()),
    }
}

/// Degrees in range; 0,0 is how the absent are written.
pub(super) fn coordinates(latitude: Option<f64>, longitude: Option<f64>) -> Option<(f64, f64)> {
    let (latitude, longitude) = (latitude?, longitude?);
    let in_range = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    (in_range && (latitude != 0.0 || longitude != 0.0)).then_some((latitude, longitude))
}

pub(super) fn device_of<'a>(fields: &mut Fields<'a>) -> DeviceDetail<'a> {
    DeviceDetail {
        device_id: text::fold_id(fields.take(Key::DeviceId).into_text()),
        display_name: fields.take(Key::DeviceDisplayName).into_text(),
        operating_system: fields.take(Key::OperatingSystem).into_text(),
        browser: fields.take(Key::Browser).into_text(),
        is_compliant: fields.get(Key::IsCompliant).to_flag(),
        is_managed: fields.get(Key::IsManaged).to_flag(),
        trust_type: fields.take(Key::TrustType).into_text(),
    }
}
