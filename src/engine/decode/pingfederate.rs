//! PingFederate's audit log → [`SignIn`]s: columns between pipes, `key="value"` pairs, CEF, and JSON with those keys.
//!
//! ## What it maps
//! | event | becomes |
//! |---|---|
//! | `SSO` | a sign-in; in the role of a service provider, one that a partner vouched for |
//! | `OAuth` | a sign-in; without the user's doing for a code or a refresh token |
//! | `OAuth` with `client_credentials` | a service principal's |
//! | `STS` | a sign-in without the user's doing |
//! | `AUTHN_ATTEMPT` | a step: one adapter has passed or asks; failed: nobody says what was wrong |
//! | `AUTHN_SESSION_USED` | a sign-in without the user's doing: the session is used again |
//! | every other, and what has no subject and no success | not a sign-in |
//!
//! ## Traps
//! - Nobody is named (`subject`) until an adapter knows who it is: those lines are nobody's.
//! - An adapter may pass that only asks for the name: a step does not say that the password was right.
//! - What is wrong, if at all, is said in the description, in words that the adapter has chosen.
//! - The columns are `time| trackingid[| transactionid]| event| subject| ip| app| connectionid| protocol| host| role|
//!   status| adapterid| description| responsetime`: the transaction came with version 11.3.
//! - The last value of a line of pairs may stand without quotes. The address may be a list, in brackets, or empty.
//! - The log has no user agent, no geography and no organisation; times are the server's, without a zone.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::draft::{Ending, blank, emit_with};
use super::format::{Emit, Format, Reader};
use super::pairs::{Pairs, extension_pairs};
use super::paths::paths;
use super::steps::contains;
use super::undated::{time_at_end, time_of_month};
use super::{Around, Decoded, Reject, SkipReason, text};
use crate::engine::signin::{Category, EventTime, Outcome, Provider, SignIn};

pub(super) const READER: Reader = Reader {
    format: Format::PingFederate,
    marks: &[
        &["trackingid", "event"],
        &["trackingId", "event"],
        &["transactionid", "event"],
        &["authenticationsourceid", "event"],
    ],
    is_line: Some(is_line),
    read,
};

const CEF: &str = "CEF:0|Ping Identity|PingFederate|";
/// Events that columns are known by; others of the log are named alike.
const EVENTS: [&str; 16] = [
    "SSO",
    "SLO",
    "OAuth",
    "STS",
    "AUTHN_ATTEMPT",
    "AUTHN_REQUEST",
    "AUTHN_SESSION_CREATED",
    "AUTHN_SESSION_USED",
    "AUTHN_SESSION_DELETED",
    "AUTHN_SESSIONS_DELETED",
    "SRI_REVOKED",
    "USER_KEY_AND_SRI_ASSOCIATED",
    "PWD_CHANGE",
    "PWD_RESET",
    "PWD_RESET_REQUEST",
    "ACCOUNT_UNLOCK",
];
/// The event is one of the first columns; whatever else stands before it.
const COLUMNS_BEFORE_EVENT_MAX: usize = 4;

paths! {
    /// Where JSON of the audit log has what is read.
    enum At (IgnoreCase) {
        Timestamp = Scalar "timestamp",
        AtTimestamp = Scalar "@timestamp",
        Time = Scalar "time",
        Date = Scalar "date",
        TrackingId = Scalar "trackingid",
        TransactionId = Scalar "transactionid",
        Event = Scalar "event",
        Subject = Scalar "subject",
        Ip = Scalar "ip",
        App = Scalar "app",
        ConnectionId = Scalar "connectionid",
        ConnectionName = Scalar "connectionname",
        Protocol = Scalar "protocol",
        Role = Scalar "role",
        Status = Scalar "status",
        Description = Scalar "description",
        GrantType = Scalar "granttype",
        Sri = Scalar "sri",
    }
}

/// One line of the log; what it does not have is empty.
#[derive(Debug, Default)]
struct Entry<'a> {
    event: Cow<'a, str>,
    subject: Cow<'a, str>,
    ip: Cow<'a, str>,
    app: Cow<'a, str>,
    connection_id: Cow<'a, str>,
    connection_name: Cow<'a, str>,
    protocol: Cow<'a, str>,
    role: Cow<'a, str>,
    status: Cow<'a, str>,
    description: Cow<'a, str>,
    grant_type: Cow<'a, str>,
    tracking_id: Cow<'a, str>,
    transaction_id: Cow<'a, str>,
    sri: Cow<'a, str>,
}

fn is_line(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has = |part: &[u8]| memmem::find(bytes, part).is_some();
    if memchr(b'\n', bytes).is_some() || bytes.starts_with(b"{") {
        return false;
    }
    let is_of_pairs = || has(b" event=\"") && (has(b"trackingid=\"") || has(b"transactionid=\""));
    has(CEF.as_bytes()) || is_of_pairs() || event_column(text).is_some()
}

/// Place of the event among the columns, whose first ends with a time.
fn event_column(text: &str) -> Option<usize> {
    memchr(b'|', text.as_bytes())?;
    let mut columns = text.split('|').map(str::trim);
    let time = columns.next()?;
    let word = time.rsplit(' ').next().unwrap_or_default();
    let is_time = word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit());
    let is_event = |column: &str| EVENTS.iter().any(|event| event.eq_ignore_ascii_case(column));
    let found = columns.take(COLUMNS_BEFORE_EVENT_MAX).position(is_event).map(|index| index + 1);
    found.filter(|_| is_time)
}

fn read<'a>(text: &'a str, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    if text.starts_with('{') {
        return read_json(text, emit);
    }
    if let Some((_, rest)) = text.split_once(CEF) {
        return read_extension(rest, around, emit);
    }
    if let Some(column) = event_column(text) {
        let (time, entry) = entry_of_columns(text, column);
        return report(entry, time_at_end(time, around), emit);
    }
    let mut entry = Entry::default();
    for (key, value) in Pairs::new(text, " ") {
        entry.put(key, value);
    }
    // Before the first pair, of whose key the quote tells.
    let head = text.split_once("=\"").and_then(|(head, _)| head.rsplit_once(' ')).map_or("", |(head, _)| head);
    report(entry, time_at_end(head.trim_end_matches([' ', ',', '|']), around), emit)
}

/// What the columns say, and the first of them, which ends with the time.
fn entry_of_columns(text: &str, event_column: usize) -> (&str, Entry<'_>) {
    let columns: Vec<&str> = text.split('|').map(str::trim).collect();
    let column = |index: usize| text::present(Cow::Borrowed(columns.get(index).copied().unwrap_or_default()));
    let behind = |offset: usize| column(event_column + offset);
    let entry = Entry {
        event: behind(0),
        subject: behind(1),
        ip: behind(2),
        app: behind(3),
        connection_id: behind(4),
        protocol: behind(5),
        role: behind(7),
        status: behind(8),
        description: behind(10),
        tracking_id: if event_column > 1 { column(1) } else { Cow::Borrowed("") },
        transaction_id: if event_column > 2 { column(event_column - 1) } else { Cow::Borrowed("") },
        ..Entry::default()
    };
    (columns.first().copied().unwrap_or_default(), entry)
}

/// `version|class|name|severity|extension`.
fn read_extension<'a>(text: &'a str, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut columns = text.splitn(5, '|');
    let event = columns.nth(1).unwrap_or_default().trim();
    let extension = columns.nth(2).unwrap_or_default();
    let mut entry = Entry { event: Cow::Borrowed(event), ..Entry::default() };
    let mut time = Cow::Borrowed("");
    for (key, value) in extension_pairs(extension) {
        let key = match key {
            "rt" => {
                time = value;
                continue;
            }
            "duid" => "subject",
            "src" => "ip",
            "msg" => "status",
            "externalId" => "trackingid",
            "cs1" => "app",
            "cs2" => "connectionid",
            "cs3" => "protocol",
            "cs4" => "role",
            _ => continue,
        };
        entry.put(key, value);
    }
    let is_of_month = time.starts_with(|c: char| c.is_ascii_alphabetic());
    let time = if is_of_month { time_of_month(&time, around) } else { time_at_end(&time, around) };
    report(entry, time, emit)
}

fn read_json<'a>(text: &'a str, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut values = At::read(text)?;
    let times = [At::Timestamp, At::AtTimestamp, At::Time, At::Date];
    let time = values.time(&times.map(|at| (at, "timestamp")));
    let entry = Entry {
        event: values.text(At::Event),
        subject: values.id(At::Subject, "subject")?,
        ip: values.text(At::Ip),
        app: values.text(At::App),
        connection_id: values.text(At::ConnectionId),
        connection_name: values.text(At::ConnectionName),
        protocol: values.text(At::Protocol),
        role: values.text(At::Role),
        status: values.text(At::Status),
        description: values.text(At::Description),
        grant_type: values.text(At::GrantType),
        tracking_id: values.text(At::TrackingId),
        transaction_id: values.text(At::TransactionId),
        sri: values.text(At::Sri),
    };
    report(entry, time, emit)
}

impl<'a> Entry<'a> {
    /// Takes the first value of a key that is read.
    fn put(&mut self, key: &str, value: Cow<'a, str>) {
        let field = match key {
            "event" => &mut self.event,
            "subject" => &mut self.subject,
            "ip" => &mut self.ip,
            "app" => &mut self.app,
            "connectionid" => &mut self.connection_id,
            "connectionname" => &mut self.connection_name,
            "protocol" => &mut self.protocol,
            "role" => &mut self.role,
            "status" => &mut self.status,
            "description" => &mut self.description,
            "granttype" => &mut self.grant_type,
            "trackingid" => &mut self.tracking_id,
            "transactionid" => &mut self.transaction_id,
            "sri" => &mut self.sri,
            _ => return,
        };
        if field.is_empty() {
            *field = text::present(value);
        }
    }
}

fn report<'a>(entry: Entry<'a>, time: Result<EventTime, Reject>, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    match attempt(&entry) {
        Ok((category, ending)) => {
            let mut sign_in = sign_in(entry, time?);
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

/// What kind of sign-in an entry is, and how it ended; or why it is none.
fn attempt(entry: &Entry<'_>) -> Result<(Category, Ending), SkipReason> {
    let (event, status) = (entry.event.to_ascii_uppercase(), entry.status.to_ascii_lowercase());
    let grant = entry.grant_type.to_ascii_lowercase();
    let is_success = status == "success";
    let is_failure = status.starts_with("fail");
    if event == "OAUTH" && grant.contains("client_credentials") {
        return Err(SkipReason::ServicePrincipal);
    }
    let is_let_in = is_success && matches!(event.as_str(), "SSO" | "OAUTH" | "STS");
    if entry.subject.is_empty() && !is_let_in {
        return Err(SkipReason::NotASignIn);
    }
    let is_silent = match event.as_str() {
        "SSO" | "AUTHN_ATTEMPT" => false,
        "OAUTH" => ["refresh_token", "authorization_code"].iter().any(|silent| grant.contains(silent)),
        "STS" => true,
        "AUTHN_SESSION_USED" if !is_failure => true,
        _ => return Err(SkipReason::NotASignIn),
    };
    let step = Ending { outcome: Outcome::Interrupted, ..Ending::UNCLEAR };
    let ending = match event.as_str() {
        _ if is_failure => refusal(&entry.description),
        "AUTHN_ATTEMPT" => step,
        "AUTHN_SESSION_USED" => Ending::SUCCESS,
        _ if is_success => Ending::SUCCESS,
        // In progress, or not said.
        _ => step,
    };
    Ok((if is_silent { Category::NonInteractive } else { Category::Interactive }, ending))
}

/// What the adapter's words say of a failure.
fn refusal(description: &str) -> Ending {
    let says = |words: &[&str]| words.iter().any(|word| contains(description, word));
    match () {
        () if says(&["locked"]) => Ending::LOCKED,
        () if says(&["disabled"]) => Ending::DISABLED,
        () if says(&["user not found", "unknown user", "no such user"]) => Ending::NO_SUCH_USER,
        () if says(&["invalid password", "wrong password", "incorrect password", "bad password"]) => Ending::WRONG,
        () => Ending::UNCLEAR,
    }
}

fn sign_in(entry: Entry<'_>, time: EventTime) -> SignIn<'_> {
    let is_of_partner = entry.role.eq_ignore_ascii_case("SP");
    let tracking_id = match entry.tracking_id {
        Cow::Borrowed(id) => Cow::Borrowed(id.strip_prefix("tid:").unwrap_or(id)),
        Cow::Owned(id) => Cow::Owned(id.strip_prefix("tid:").map_or(id.clone(), str::to_owned)),
    };
    let connection_name =
        if entry.connection_name.is_empty() { entry.connection_id.clone() } else { entry.connection_name };
    let mut sign_in = blank(Provider::Ping, time);
    // The subject is what was typed, or what the directory says: case does not tell users apart.
    sign_in.user_principal_name = text::cut(entry.subject);
    sign_in.address_text = text::cut(entry.ip);
    sign_in.app_id = text::cut(entry.connection_id);
    sign_in.app_display_name = text::cut(connection_name.clone());
    sign_in.resource_display_name = text::cut(entry.app);
    sign_in.authentication_protocol = text::cut(entry.protocol);
    if is_of_partner {
        sign_in.token_issuer_name = text::cut(connection_name);
    }
    sign_in.correlation_id =
        text::cut(if entry.transaction_id.is_empty() { tracking_id.clone() } else { entry.transaction_id });
    sign_in.session_id = text::cut(if entry.sri.is_empty() { tracking_id } else { entry.sri });
    sign_in
}
