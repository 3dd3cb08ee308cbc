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

use super::draft::{Ending, blank, emit_attempt};
use super::format::{Emit, Format, Reader};
use super::pairs::{Pairs, extension_pairs};
use super::paths::{Values, paths};
use super::steps::contains;
use super::undated::{time_at_end, time_of_month};
use super::{Around, Reject, SkipReason};
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
        EcsTimestamp = Scalar "@timestamp",
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

/// One entry of the log, whichever way it came.
type Entry<'a> = Values<'a, { At::COUNT }>;

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
        let entry = At::read(text)?;
        let times = [At::Timestamp, At::EcsTimestamp, At::Time, At::Date];
        let time = entry.time(&times.map(|at| (at, "timestamp")));
        return report(entry, time, emit);
    }
    if let Some((_, rest)) = text.split_once(CEF) {
        return read_extension(rest, around, emit);
    }
    if let Some(column) = event_column(text) {
        return read_columns(text, column, around, emit);
    }
    let mut entry = Entry::new();
    for (key, value) in Pairs::new(text, " ") {
        if let Some(slot) = slot_of(key) {
            entry.put_first(slot, value);
        }
    }
    // Before the first pair, of whose key the quote tells.
    let head = text.split_once("=\"").and_then(|(head, _)| head.rsplit_once(' ')).map_or("", |(head, _)| head);
    report(entry, time_at_end(head.trim_end_matches([' ', ',', '|']), around), emit)
}

/// What stands in a column, by its place from the event's on.
const COLUMNS: [(usize, At); 9] = [
    (0, At::Event),
    (1, At::Subject),
    (2, At::Ip),
    (3, At::App),
    (4, At::ConnectionId),
    (5, At::Protocol),
    (7, At::Role),
    (8, At::Status),
    (10, At::Description),
];

fn read_columns<'a>(text: &'a str, event: usize, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let columns: Vec<&str> = text.split('|').map(str::trim).collect();
    let mut entry = Entry::new();
    let mut put = |index: usize, slot: At| {
        entry.put_first(slot, Cow::Borrowed(columns.get(index).copied().unwrap_or_default()));
    };
    COLUMNS.into_iter().for_each(|(offset, slot)| put(event + offset, slot));
    if event > 1 {
        put(1, At::TrackingId);
    }
    if event > 2 {
        put(event - 1, At::TransactionId);
    }
    report(entry, time_at_end(columns.first().copied().unwrap_or_default(), around), emit)
}

/// `version|class|name|severity|extension`.
fn read_extension<'a>(text: &'a str, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut columns = text.splitn(5, '|').skip(1);
    let mut entry = Entry::new();
    entry.put_first(At::Event, Cow::Borrowed(columns.next().unwrap_or_default()));
    for (key, value) in extension_pairs(columns.nth(2).unwrap_or_default()) {
        let slot = match key {
            "rt" => At::Time,
            "duid" => At::Subject,
            "src" => At::Ip,
            "msg" => At::Status,
            "externalId" => At::TrackingId,
            "cs1" => At::App,
            "cs2" => At::ConnectionId,
            "cs3" => At::Protocol,
            "cs4" => At::Role,
            _ => continue,
        };
        entry.put_first(slot, value);
    }
    let written = entry.str(At::Time).trim();
    let is_of_month = written.starts_with(|c: char| c.is_ascii_alphabetic());
    let time = if is_of_month { time_of_month(written, around) } else { time_at_end(written, around) };
    report(entry, time, emit)
}

/// Where a line's key belongs.
fn slot_of(key: &str) -> Option<At> {
    Some(match key {
        "event" => At::Event,
        "subject" => At::Subject,
        "ip" => At::Ip,
        "app" => At::App,
        "connectionid" => At::ConnectionId,
        "connectionname" => At::ConnectionName,
        "protocol" => At::Protocol,
        "role" => At::Role,
        "status" => At::Status,
        "description" => At::Description,
        "granttype" => At::GrantType,
        "trackingid" => At::TrackingId,
        "transactionid" => At::TransactionId,
        "sri" => At::Sri,
        _ => return None,
    })
}

fn report<'a>(mut entry: Entry<'a>, time: Result<EventTime, Reject>, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    emit_attempt(attempt(&entry), || Ok(sign_in(&mut entry, time?)), emit)
}

/// What kind of sign-in an entry is, and how it ended; or why it is none.
fn attempt(entry: &Entry<'_>) -> Result<(Category, Ending), SkipReason> {
    let event = entry.str(At::Event).trim().to_ascii_uppercase();
    let status = entry.str(At::Status).trim().to_ascii_lowercase();
    let has_grant = |grant: &str| contains(entry.str(At::GrantType), grant);
    let (is_success, is_failure) = (status == "success", status.starts_with("fail"));
    if event == "OAUTH" && has_grant("client_credentials") {
        return Err(SkipReason::ServicePrincipal);
    }
    let is_let_in = is_success && ["SSO", "OAUTH", "STS"].contains(&event.as_str());
    if !entry.has(At::Subject) && !is_let_in {
        return Err(SkipReason::NotASignIn);
    }
    let is_silent = match event.as_str() {
        "SSO" | "AUTHN_ATTEMPT" => false,
        "OAUTH" => has_grant("refresh_token") || has_grant("authorization_code"),
        "STS" => true,
        "AUTHN_SESSION_USED" if !is_failure => true,
        _ => return Err(SkipReason::NotASignIn),
    };
    let step = Ending { outcome: Outcome::Interrupted, ..Ending::UNCLEAR };
    let ending = match event.as_str() {
        _ if is_failure => refusal(entry.str(At::Description)),
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

fn sign_in<'a>(entry: &mut Entry<'a>, time: EventTime) -> SignIn<'a> {
    let mut sign_in = blank(Provider::Ping, time);
    // The subject is what was typed, or what the directory says: case does not tell users apart.
    sign_in.user_principal_name = entry.text(At::Subject);
    sign_in.address_text = entry.text(At::Ip);
    sign_in.app_id = entry.text(At::ConnectionId);
    sign_in.app_display_name = entry.text(At::ConnectionName);
    if sign_in.app_display_name.is_empty() {
        sign_in.app_display_name = sign_in.app_id.clone();
    }
    sign_in.resource_display_name = entry.text(At::App);
    sign_in.authentication_protocol = entry.text(At::Protocol);
    if entry.is(At::Role, "SP") {
        sign_in.token_issuer_name = sign_in.app_display_name.clone();
    }
    let tracking_id = match entry.text(At::TrackingId) {
        Cow::Borrowed(id) => Cow::Borrowed(id.strip_prefix("tid:").unwrap_or(id)),
        Cow::Owned(id) => Cow::Owned(id.strip_prefix("tid:").map_or(id.clone(), str::to_owned)),
    };
    sign_in.correlation_id = entry.text(At::TransactionId);
    if sign_in.correlation_id.is_empty() {
        sign_in.correlation_id = tracking_id.clone();
    }
    sign_in.session_id = entry.text(At::Sri);
    if sign_in.session_id.is_empty() {
        sign_in.session_id = tracking_id;
    }
    sign_in
}
