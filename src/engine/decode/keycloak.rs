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

use super::draft::{Ending, blank, emit_with};
use super::format::{Emit, Format, Reader};
use super::pairs::Pairs;
use super::paths::{Values, paths};
use super::undated::time_at_end;
use super::{Around, Decoded, Reject, SkipReason, text};
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

/// One event, whichever way it came; what it does not have is empty.
#[derive(Debug, Default)]
struct Event<'a> {
    id: Cow<'a, str>,
    kind: Cow<'a, str>,
    error: Cow<'a, str>,
    realm_id: Cow<'a, str>,
    realm_name: Cow<'a, str>,
    client_id: Cow<'a, str>,
    user_id: Cow<'a, str>,
    username: Cow<'a, str>,
    session_id: Cow<'a, str>,
    address: Cow<'a, str>,
    auth_method: Cow<'a, str>,
    grant_type: Cow<'a, str>,
    code_id: Cow<'a, str>,
    identity_provider: Cow<'a, str>,
    credential_type: Cow<'a, str>,
    selected_credential: Cow<'a, str>,
    user_agent: Cow<'a, str>,
}

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
    let mut values = At::read(text)?;
    if values.has(At::RealmId) || values.has(At::OperationType) {
        let time = values.time(&[(At::Time, "time"), (At::Timestamp, "timestamp")]);
        let event = event_of(&mut values)?;
        return report(event, time, emit);
    }
    let around = Around { time: values.time(&[(At::Timestamp, "timestamp")]).ok().or(around.time), ..*around };
    match values.text_uncut(At::Message) {
        Cow::Borrowed(message) => read_line(message, &around, emit),
        // What is copied here lives no longer than the call.
        Cow::Owned(message) => read_line(&message, &around, &mut |decoded| emit(decoded.into_owned())),
    }
}

fn read_line<'a>(text: &'a str, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let text = without_colours(text);
    let Some(start) = event_start(text) else {
        emit(Decoded::Skipped(SkipReason::NotASignIn));
        return Ok(());
    };
    let (head, pairs) = text.split_at(start);
    let mut event = Event::default();
    for (key, value) in Pairs::new(pairs, ", ") {
        event.put(key, value);
    }
    report(event, time_of(head, around), emit)
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
    let before_logger = head.split_once(" [").map_or("", |(before, _)| before).trim_end();
    let level = LEVELS.iter().find_map(|level| before_logger.strip_suffix(level));
    time_at_end(level.unwrap_or(before_logger), around)
}

impl<'a> Event<'a> {
    /// Takes the first value of a key that is read.
    fn put(&mut self, key: &str, value: Cow<'a, str>) {
        let field = match key {
            "type" => &mut self.kind,
            "error" => &mut self.error,
            "realmId" => &mut self.realm_id,
            "realmName" => &mut self.realm_name,
            "clientId" => &mut self.client_id,
            "userId" => &mut self.user_id,
            "username" => &mut self.username,
            "sessionId" => &mut self.session_id,
            "ipAddress" => &mut self.address,
            "auth_method" => &mut self.auth_method,
            "grant_type" => &mut self.grant_type,
            "code_id" => &mut self.code_id,
            "identity_provider" => &mut self.identity_provider,
            "credential_type" => &mut self.credential_type,
            "selected_credential_id" => &mut self.selected_credential,
            "user_agent" => &mut self.user_agent,
            _ => return,
        };
        if field.is_empty() {
            *field = text::present(value);
        }
    }
}

fn event_of<'a>(values: &mut Values<'a, { At::COUNT }>) -> Result<Event<'a>, Reject> {
    let ids = [(At::UserId, "userId"), (At::ActorUserId, "authDetails.userId")];
    let user_id = ids.into_iter().find(|(at, _)| values.has(*at));
    Ok(Event {
        id: values.first_text([At::Id, At::Uid]),
        kind: values.text(At::Type),
        error: values.text(At::Error),
        realm_id: values.id(At::RealmId, "realmId")?,
        realm_name: values.text(At::RealmName),
        client_id: values.first_text([At::ClientId, At::ActorClientId]),
        user_id: user_id.map_or(Ok(Cow::Borrowed("")), |(at, name)| values.id(at, name))?,
        username: values.first_text([At::Username, At::ActorUsername]),
        session_id: values.first_text([At::SessionId, At::ActorSessionId]),
        address: values.first_text([At::IpAddress, At::ActorIpAddress]),
        auth_method: values.text(At::AuthMethod),
        grant_type: values.text(At::GrantType),
        code_id: values.text(At::CodeId),
        identity_provider: values.text(At::IdentityProvider),
        credential_type: values.text(At::CredentialType),
        selected_credential: values.text(At::SelectedCredential),
        user_agent: values.text(At::UserAgent),
    })
}

fn report<'a>(event: Event<'a>, time: Result<EventTime, Reject>, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    match attempt(&event) {
        Ok((category, ending)) => {
            let mut sign_in = sign_in(event, time?);
            sign_in.category = category;
            ending.put(&mut sign_in);
            emit_with(sign_in, None, emit)
        }
        Err(reason) => {
            emit(Decoded::Skipped(reason));
            Ok(())
        }
    }
}

/// What kind of sign-in an event is, and how it ended; or why it is none.
fn attempt(event: &Event<'_>) -> Result<(Category, Ending), SkipReason> {
    let kind = event.kind.to_ascii_uppercase();
    // Some webhooks say whose event it is.
    let kind = kind.strip_prefix("ACCESS.").unwrap_or(&kind);
    if kind.starts_with("CLIENT_LOGIN") || event.username.starts_with("service-account-") {
        return Err(SkipReason::ServicePrincipal);
    }
    let is_named = !event.user_id.is_empty() || !event.username.is_empty();
    let step = Ending { outcome: Outcome::Interrupted, ..Ending::SUCCESS };
    let found = match kind {
        "LOGIN" if has_second_factor(event) => (Category::Interactive, Ending::MFA_PERFORMED),
        "LOGIN" | "OAUTH2_DEVICE_CODE_TO_TOKEN" => (Category::Interactive, Ending::SUCCESS),
        "IDENTITY_PROVIDER_LOGIN" if is_named => (Category::Interactive, step),
        "LOGIN_ERROR" | "IDENTITY_PROVIDER_LOGIN_ERROR" if is_named || is_of_user(&event.error) => {
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
    match &*event.error {
        "invalid_user_credentials" if has_second_factor(event) => Ending::MFA_DENIED,
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
    match &*event.credential_type {
        "" => !event.selected_credential.is_empty(),
        kind => ["otp", "totp", "hotp", "webauthn", "recovery-authn-codes"].contains(&kind),
    }
}

fn sign_in(event: Event<'_>, time: EventTime) -> SignIn<'_> {
    let mut sign_in = blank(Provider::Keycloak, time);
    sign_in.event_id = event.id;
    sign_in.tenant_id = if event.realm_id.is_empty() { event.realm_name } else { event.realm_id };
    sign_in.user_id = event.user_id;
    sign_in.user_principal_name = text::cut(event.username);
    sign_in.address_text = text::cut(event.address);
    sign_in.app_id = text::cut(event.client_id);
    // The session takes over the id of the login that made it.
    let session_id = if event.session_id.is_empty() { event.code_id.clone() } else { event.session_id };
    sign_in.session_id = text::cut(session_id);
    sign_in.correlation_id = text::cut(event.code_id);
    let is_by_password = event.grant_type == "password";
    sign_in.authentication_protocol =
        text::cut(if is_by_password || event.auth_method.is_empty() { event.grant_type } else { event.auth_method });
    sign_in.token_issuer_name = text::cut(event.identity_provider);
    sign_in.user_agent = text::cut(event.user_agent);
    sign_in
}
