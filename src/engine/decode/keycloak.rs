//! Keycloak's events → [`SignIn`]s: the log line, Quarkus' JSON log, and the event as REST, webhooks and Kafka have it.
//!
//! ## What it maps
//! | event | becomes |
//! |---|---|
//! | `LOGIN` | a sign-in; with a second factor where one is named |
//! | `LOGIN_ERROR`, `IDENTITY_PROVIDER_LOGIN_ERROR` | a failure, by its `error` |
//! | `IDENTITY_PROVIDER_LOGIN` of somebody | a step |
//! | `REFRESH_TOKEN`, `REFRESH_TOKEN_ERROR` | a sign-in without the user's doing |
//! | `OAUTH2_DEVICE_CODE_TO_TOKEN` | a sign-in, of the device that got the token |
//! | `CLIENT_LOGIN…`, and what service accounts do | a service principal's |
//! | every other, admin events, other lines of the server | not a sign-in |
//!
//! ## Traps
//! - `invalid_user_credentials` is said of a wrong password and of a wrong code: of a code where a credential of a second
//!   factor is named, by its type or as the one that was selected.
//! - A failure before anybody was named (`invalid_redirect_uri`, `expired_code` …) is nobody's sign-in.
//! - `userId` may be the text "null"; the realm is an id or a name, by the version.
//! - Values are plain, in single quotes that are not escaped, or in double quotes, by the version. The first of a key
//!   counts: those that a visitor typed come later.
//! - `CODE_TO_TOKEN` tells of a login again, from the application's address.
//! - A line's time may have no date, and never has a zone: it is read as UTC.
//! - No event has a user agent or a geography; success is logged at DEBUG, so that a log often holds failures only.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::draft::{Ending, blank, emit_attempt};
use super::format::{Emit, Format, Reader};
use super::pairs::Pairs;
use super::paths::{Values, paths};
use super::undated::time_at_end;
use super::{Around, Decoded, Reject, SkipReason};
use crate::engine::signin::{Category, EventTime, Outcome, Provider, SignIn};

pub(super) const READER: Reader = Reader {
    format: Format::Keycloak,
    marks: &[
        &["type", "realmId"],
        &["operationType", "realmId"],
        &["operationType", "authDetails"],
        // Any log of Quarkus.
        &["loggerName", "message"],
    ],
    is_line: Some(is_line),
    read,
};

/// Loggers whose lines a Keycloak server's log holds, written out or abbreviated.
const LOGGERS: [&str; 6] = ["org.keycloak", "org.key.", "o.k.", "io.quarkus", "org.infinispan", "org.jgroups"];
const LEVELS: [&str; 7] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "SEVERE"];

paths! {
    /// Where an event's JSON has what is read, and Quarkus' the line.
    enum At (IgnoreCase) {
        Id = Scalar "id",
        Uid = Scalar "uid",
        Time = Scalar "time",
        Type = Scalar "type",
        OperationType = Scalar "operationType",
        RealmId = Scalar "realmId",
        RealmName = Scalar "realmName",
        ClientId = Scalar "clientId",
        UserId = Scalar "userId",
        SessionId = Scalar "sessionId",
        IpAddress = Scalar "ipAddress",
        Error = Scalar "error",
        ActorClientId = Scalar "authDetails/clientId",
        ActorUserId = Scalar "authDetails/userId",
        ActorUsername = Scalar "authDetails/username",
        ActorSessionId = Scalar "authDetails/sessionId",
        ActorIpAddress = Scalar "authDetails/ipAddress",
        Username = Scalar "details/username",
        AuthMethod = Scalar "details/auth_method",
        GrantType = Scalar "details/grant_type",
        CodeId = Scalar "details/code_id",
        IdentityProvider = Scalar "details/identity_provider",
        CredentialType = Scalar "details/credential_type",
        SelectedCredential = Scalar "details/selected_credential_id",
        UserAgent = Scalar "details/user_agent",
        Message = Scalar "message",
        Timestamp = Scalar "timestamp",
    }
}

/// One event, whichever way it came.
type Event<'a> = Values<'a, { At::COUNT }>;

/// An event, or another line of a Keycloak server.
fn is_line(text: &str) -> bool {
    memchr(b'\n', text.as_bytes()).is_none() && (event_start(text).is_some() || is_of_server(text))
}

/// Where the event begins in a line: behind the thread, or at the start of the message alone.
fn event_start(text: &str) -> Option<usize> {
    let starts = |at: usize| text[at..].starts_with("type=") || text[at..].starts_with("operationType=");
    let start = if starts(0) {
        0
    } else {
        let category = memmem::find(text.as_bytes(), b"events] ")?;
        let thread_end = category + memmem::find(&text.as_bytes()[category..], b") ")?;
        thread_end + 2
    };
    let has_realm = || memmem::find(&text.as_bytes()[start..], b" realmId=").is_some();
    (starts(start) && has_realm()).then_some(start)
}

/// `LEVEL [logger] (thread) …`
fn is_of_server(text: &str) -> bool {
    let Some((head, after)) = text.split_once(" [") else { return false };
    let Some((logger, after)) = after.split_once("] (") else { return false };
    let level = head.trim_end().rsplit(' ').next().unwrap_or_default();
    LEVELS.contains(&level) && LOGGERS.iter().any(|known| logger.starts_with(known)) && after.contains(") ")
}

fn read<'a>(text: &'a str, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    if !text.starts_with('{') {
        return read_line(text, around, emit);
    }
    let mut event = At::read(text)?;
    let time = event.time(&[(At::Time, "time"), (At::Timestamp, "timestamp")]);
    if [At::Type, At::RealmId, At::OperationType].into_iter().any(|at| event.has(at)) {
        return report(event, time, emit);
    }
    let around = Around { time: time.ok().or(around.time), ..*around };
    match event.text_uncut(At::Message) {
        Cow::Borrowed(message) => read_line(message, &around, emit),
        // What is copied here lives no longer than the call.
        Cow::Owned(message) => read_line(&message, &around, &mut |decoded| emit(decoded.map(Decoded::into_owned))),
    }
}

fn read_line<'a>(text: &'a str, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let text = without_colours(text);
    let Some(start) = event_start(text) else {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    };
    let (head, pairs) = text.split_at(start);
    let mut event = Event::new();
    for (key, value) in Pairs::new(pairs, ", ") {
        if let Some(slot) = slot_of(key) {
            event.put_first(slot, value);
        }
    }
    report(event, time_of(head, around), emit)
}

/// Where a line's key belongs; a line does not tell details from the rest.
fn slot_of(key: &str) -> Option<At> {
    Some(match key {
        "type" => At::Type,
        "error" => At::Error,
        "realmId" => At::RealmId,
        "realmName" => At::RealmName,
        "clientId" => At::ClientId,
        "userId" => At::UserId,
        "username" => At::Username,
        "sessionId" => At::SessionId,
        "ipAddress" => At::IpAddress,
        "auth_method" => At::AuthMethod,
        "grant_type" => At::GrantType,
        "code_id" => At::CodeId,
        "identity_provider" => At::IdentityProvider,
        "credential_type" => At::CredentialType,
        "selected_credential_id" => At::SelectedCredential,
        "user_agent" => At::UserAgent,
        _ => return None,
    })
}

/// WildFly's console colours lines; what the terminal is told stands at their ends.
fn without_colours(text: &str) -> &str {
    let end_of_code = |text: &str| text.strip_prefix("\u{1b}[").and_then(|rest| rest.find('m'));
    let mut text = text.trim();
    while let Some(length) = end_of_code(text) {
        text = text[length + 3..].trim_start();
    }
    while let Some(at) = text.rfind("\u{1b}[").filter(|at| text.ends_with('m') && text.len() - at <= 8) {
        text = text[..at].trim_end();
    }
    text
}

/// The time stands before the level, which stands before the logger.
fn time_of(head: &str, around: &Around) -> Result<EventTime, Reject> {
    let before_logger = head.rsplit_once(" [").map_or("", |(before, _)| before).trim_end();
    let level = LEVELS.iter().find_map(|level| before_logger.strip_suffix(level));
    time_at_end(level.unwrap_or(before_logger), around)
}

fn report<'a>(mut event: Event<'a>, time: Result<EventTime, Reject>, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    emit_attempt(attempt(&event), || sign_in(&mut event, time?), emit)
}

/// What kind of sign-in an event is, and how it ended; or why it is none.
fn attempt(event: &Event<'_>) -> Result<(Category, Ending), SkipReason> {
    let kind = event.str(At::Type).trim().to_ascii_uppercase();
    // Some webhooks say whose event it is.
    let kind = kind.strip_prefix("ACCESS.").unwrap_or(&kind);
    if kind.starts_with("CLIENT_LOGIN") || event.str(At::Username).starts_with("service-account-") {
        return Err(SkipReason::ServicePrincipal);
    }
    let names = [At::UserId, At::Username, At::ActorUserId, At::ActorUsername];
    let is_named = names.into_iter().any(|at| event.has(at));
    let step = Ending { outcome: Outcome::Interrupted, ..Ending::SUCCESS };
    let found = match kind {
        "LOGIN" if has_second_factor(event) => (Category::Interactive, Ending::MFA_PERFORMED),
        "LOGIN" | "OAUTH2_DEVICE_CODE_TO_TOKEN" => (Category::Interactive, Ending::SUCCESS),
        "IDENTITY_PROVIDER_LOGIN" if is_named => (Category::Interactive, step),
        "LOGIN_ERROR" | "IDENTITY_PROVIDER_LOGIN_ERROR" if is_named || is_of_user(event.str(At::Error)) => {
            (Category::Interactive, refusal(event))
        }
        "REFRESH_TOKEN" => (Category::NonInteractive, Ending::SUCCESS),
        "REFRESH_TOKEN_ERROR" if is_named => (Category::NonInteractive, refusal(event)),
        _ => return Err(SkipReason::NotASignIn),
    };
    Ok(found)
}

/// Does an error say something of a user, who should be named then?
fn is_of_user(error: &str) -> bool {
    ["invalid_user_credentials", "user_not_found", "user_disabled", "user_temporarily_disabled"].contains(&error)
}

fn refusal(event: &Event<'_>) -> Ending {
    match event.str(At::Error).trim() {
        // Keycloak's kinds of second factor come behind a password; of one that was merely selected nobody knows.
        "invalid_user_credentials" if has_second_factor(event) && event.has(At::CredentialType) => {
            Ending::MFA_DENIED
        }
        "invalid_user_credentials" if has_second_factor(event) => Ending::MFA_UNPROVEN,
        "invalid_user_credentials" => Ending::WRONG,
        "user_not_found" => Ending::NO_SUCH_USER,
        "user_disabled" => Ending::DISABLED,
        "user_temporarily_disabled" => Ending::LOCKED,
        // The password was right, but the user has to do something first, which this client cannot show.
        "resolve_required_actions" => Ending::BLOCKED,
        // At the question for consent, which comes last.
        "rejected_by_user" | "consent_denied" => Ending { outcome: Outcome::Interrupted, ..Ending::SUCCESS },
        _ => Ending::UNCLEAR,
    }
}

/// Is the credential that the event is about one of a second factor? The form for codes names the one selected.
fn has_second_factor(event: &Event<'_>) -> bool {
    if !event.has(At::CredentialType) {
        return event.has(At::SelectedCredential);
    }
    let kinds = ["otp", "totp", "hotp", "webauthn", "recovery-authn-codes"];
    kinds.iter().any(|kind| event.is(At::CredentialType, kind))
}

fn sign_in<'a>(event: &mut Event<'a>, time: EventTime) -> Result<SignIn<'a>, Reject> {
    let mut sign_in = blank(Provider::Keycloak, time);
    sign_in.event_id = event.first_text([At::Id, At::Uid]);
    sign_in.tenant_id = first_id(event, [(At::RealmId, "realmId"), (At::RealmName, "realmName")])?;
    sign_in.user_id = first_id(event, [(At::UserId, "userId"), (At::ActorUserId, "authDetails.userId")])?;
    sign_in.user_principal_name = event.first_text([At::Username, At::ActorUsername]);
    sign_in.address_text = event.first_text([At::IpAddress, At::ActorIpAddress]);
    sign_in.app_id = event.first_text([At::ClientId, At::ActorClientId]);
    sign_in.correlation_id = event.text(At::CodeId);
    sign_in.session_id = event.first_text([At::SessionId, At::ActorSessionId]);
    if sign_in.session_id.is_empty() {
        // The session takes over the id of the login that made it.
        sign_in.session_id = sign_in.correlation_id.clone();
    }
    let is_by_password = event.is(At::GrantType, "password");
    let protocol = if is_by_password { [At::GrantType, At::AuthMethod] } else { [At::AuthMethod, At::GrantType] };
    sign_in.authentication_protocol = event.first_text(protocol);
    sign_in.token_issuer_name = event.text(At::IdentityProvider);
    sign_in.user_agent = event.text(At::UserAgent);
    Ok(sign_in)
}

fn first_id<'a>(event: &mut Event<'a>, slots: [(At, &'static str); 2]) -> Result<Cow<'a, str>, Reject> {
    let found = slots.into_iter().find(|(at, _)| event.has(*at));
    found.map_or(Ok(Cow::Borrowed("")), |(at, name)| event.id(at, name))
}
