//! OpenSSH's server log → [`SignIn`]s: syslog lines, journal records, and the message alone.
//!
//! ## What it maps
//! | message | becomes |
//! |---|---|
//! | `Accepted METHOD for …` | a sign-in |
//! | `Partial METHOD for …` | a step: the first factor was right, another is asked for |
//! | `Failed password`, `Failed keyboard-interactive…`, `PAM: Authentication failure for …` | a wrong first factor |
//! | `Failed publickey`, `Failed none` …, `pam_unix(sshd:auth): authentication failure`, `maximum authentication attempts exceeded`, `Connection closed by authenticating user …` | a failure of which nobody says what was wrong |
//! | any of them for an `invalid user`, `Invalid user …` | no such user |
//! | `User … not allowed because …` | refused by a policy, the credential unseen; locked, where that is the reason |
//! | `ROOT LOGIN REFUSED`, `… with correct key but not from a permitted host` | refused behind a right credential |
//! | `Accepted google_authenticator for …` | a step: the second factor was right |
//! | `message repeated N times: [ … ]` | N of what it holds |
//! | every other | not a sign-in |
//!
//! The method is the authentication protocol, the host the resource; one user on many hosts is one user of the tenant
//! `sshd`, until an identity map says more. Nothing in the log tells the client, its device or a session.
//!
//! ## Traps
//! - A client offers its keys one by one: `Failed publickey` belongs to a good sign-in.
//! - Without a year (RFC 3164) the year comes of what is known around the record: see `undated.rs`.
//! - A process id comes round again: it ties lines, and is no session.
//! - One attempt may be several lines (`Invalid user`, `Failed password for invalid user`, `Connection closed by …`).
//! - The name is typed by whoever comes: it may be empty, hold spaces, or ` from 192.0.2.1 port 22`. A failure of a name
//!   that can be nobody's is not a sign-in.
//! - Names are made printable: `DOMAIN\\user` is `DOMAIN\user`. The address may be a host name or `UNKNOWN`.

mod messages;
mod syslog;

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::draft::{blank, finish};
use super::format::{Emit, Format, Reader};
use super::paths::{Values, no_time, paths};
use super::scalar::Scalar;
use super::{Around, Decoded, READERS, Reject, SkipReason, text};
use crate::engine::signin::{EventTime, ID_LENGTH_MAX, Outcome, Provider, SignIn};
use messages::Attempt;
use syslog::Line;

pub(super) const READER: Reader = Reader {
    format: Format::Sshd,
    // The journal, and the JSON that syslog-ng, Vector, rsyslog and Fluent Bit make of a line.
    marks: &[
        &["MESSAGE", "__REALTIME_TIMESTAMP"],
        &["MESSAGE", "SYSLOG_IDENTIFIER"],
        &["MESSAGE", "_HOSTNAME"],
        &["MESSAGE", "PROGRAM"],
        &["message", "SYSLOG_IDENTIFIER"],
        &["message", "appname"],
        &["message", "programname"],
        &["message", "ident"],
    ],
    is_line: Some(is_line),
    read,
};

/// A message that was repeated becomes so many sign-ins at most.
const REPEATS_MAX: u32 = 1_000;
/// The tag is not looked for further behind: a host's name and a time are shorter.
const HEAD_LENGTH_MAX: usize = 400;

/// Asked of every line: nearly all others' are refused by one search for a name.
fn is_line(text: &str) -> bool {
    let bytes = text.as_bytes();
    if memchr(b'\n', bytes).is_some() {
        return false;
    }
    let head = &bytes[..bytes.len().min(HEAD_LENGTH_MAX)];
    let is_of_sshd = memmem::find(head, b"sshd").is_some() && Line::of_sshd(text).is_some();
    is_of_sshd || messages::attempt(messages::repeated(text).1).is_some()
}

fn read<'a>(text: &'a str, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    if text.starts_with('{') {
        return read_json(text, around, emit);
    }
    let line = Line::of_sshd(text).unwrap_or(Line::of_message(text));
    read_message(line.message, &Source { host: line.host, pid: line.pid, id: "" }, &|| line.time(around), emit)
}

/// What is known of a message beside its text.
struct Source<'a> {
    host: &'a str,
    pid: &'a str,
    /// The journal's own.
    id: &'a str,
}

fn read_message<'a>(
    message: &'a str,
    source: &Source<'a>,
    time: &dyn Fn() -> Result<EventTime, Reject>,
    emit: Emit<'_, 'a>,
) -> Result<(), Reject> {
    let (count, message) = messages::repeated(message);
    let Some(attempt) = messages::attempt(message).filter(|_| count > 0) else {
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    };
    let sign_in = sign_in(&attempt, source, time()?);
    if sign_in.outcome == Outcome::Failed && !is_name(&sign_in.user_id) {
        // Whoever scans hosts types what he likes: it is nobody's attempt, and no record to look into.
        emit(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
        return Ok(());
    }
    let sign_in = finish(sign_in)?;
    if count == 1 {
        emit(Ok(Decoded::SignIn(sign_in)));
        return Ok(());
    }
    for index in 1..=count.min(REPEATS_MAX) {
        let event_id = Cow::Owned(format!("{}/{index}", sign_in.event_id));
        emit(Ok(Decoded::SignIn(SignIn { event_id, ..sign_in.clone() })));
    }
    Ok(())
}

/// Can an account be called so?
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= ID_LENGTH_MAX && !name.chars().any(char::is_control)
}

fn sign_in<'a>(attempt: &Attempt<'a>, source: &Source<'a>, time: EventTime) -> SignIn<'a> {
    let kept = |text: &'a str| text::cut(text::present(Cow::Borrowed(text)));
    let mut sign_in = blank(Provider::Sshd, time);
    sign_in.event_id = Cow::Borrowed(source.id);
    // A name is a name, also where it means "absent" elsewhere; an account may differ by case only.
    sign_in.user_id = messages::unescaped(attempt.user.trim());
    sign_in.user_principal_name = sign_in.user_id.clone();
    sign_in.address_text = kept(attempt.address);
    sign_in.resource_display_name = kept(source.host);
    sign_in.authentication_protocol = kept(attempt.method);
    if !source.pid.is_empty() {
        sign_in.correlation_id = text::cut(Cow::Owned(format!("{}/{}", source.host, source.pid)));
    }
    attempt.ending.put(&mut sign_in);
    sign_in
}

paths! {
    /// Where the journal, and those who make JSON of lines, have what a line says.
    enum At (IgnoreCase) {
        Message = Json "MESSAGE",
        Identifier = Scalar "SYSLOG_IDENTIFIER",
        Command = Scalar "_COMM",
        Program = Scalar "PROGRAM",
        AppName = Scalar "appname",
        ProgramName = Scalar "programname",
        Ident = Scalar "ident",
        HostName = Scalar "_HOSTNAME",
        Host = Scalar "HOST",
        PlainHostName = Scalar "hostname",
        Pid = Scalar "_PID",
        SyslogPid = Scalar "SYSLOG_PID",
        PlainPid = Scalar "PID",
        ProcessId = Scalar "procid",
        Sent = Scalar "_SOURCE_REALTIME_TIMESTAMP",
        Received = Scalar "__REALTIME_TIMESTAMP",
        EcsTimestamp = Scalar "@timestamp",
        Timestamp = Scalar "timestamp",
        Time = Scalar "time",
        Date = Scalar "DATE",
        Cursor = Scalar "__CURSOR",
    }
}

/// A record of the journal's is any program's: what is not sshd's may be a line that another reader knows.
fn read_json<'a>(text: &'a str, around: &Around, emit: Emit<'_, 'a>) -> Result<(), Reject> {
    let mut record = At::read(text)?;
    let message = message_of(record.take(At::Message));
    let program =
        record.first_text([At::Identifier, At::Program, At::AppName, At::ProgramName, At::Ident, At::Command]);
    let source = (
        record.first_text([At::HostName, At::Host, At::PlainHostName]),
        record.first_text([At::Pid, At::SyslogPid, At::PlainPid, At::ProcessId]),
        record.text(At::Cursor),
    );
    let source = Source { host: &source.0, pid: &source.1, id: &source.2 };
    let around_line = Around { time: time_of(&record, around).ok().or(around.time), ..*around };
    // What is copied here lives no longer than the call.
    let mut emit_copy = |decoded: Result<Decoded<'_>, Reject>| emit(decoded.map(Decoded::into_owned));
    let program = program.split(['[', '(', ':']).next().unwrap_or_default();
    if syslog::is_sshd(program) {
        return read_message(&message, &source, &|| time_of(&record, around), &mut emit_copy);
    }
    let mut others = READERS.iter().filter(|reader| reader.format != Format::Sshd);
    match others.find(|reader| reader.is_line.is_some_and(|is_line| is_line(&message))) {
        Some(reader) => (reader.read)(&message, &around_line, &mut emit_copy),
        None => {
            emit_copy(Ok(Decoded::Skipped(SkipReason::NotASignIn)));
            Ok(())
        }
    }
}

/// The journal writes what is not printable as an array of bytes.
fn message_of(scalar: Scalar<'_>) -> Cow<'_, str> {
    match scalar {
        Scalar::Text(text) => text,
        Scalar::Json(json) if json.starts_with('[') => {
            let bytes: Vec<u8> = sonic_rs::from_str(json).unwrap_or_default();
            Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => Cow::Borrowed(""),
    }
}

/// When the message was sent, then when it was received; as text it may be a line's.
fn time_of(record: &Values<'_, { At::COUNT }>, around: &Around) -> Result<EventTime, Reject> {
    let slots = [At::Sent, At::Received, At::EcsTimestamp, At::Timestamp, At::Time, At::Date];
    let found = slots.into_iter().map(|at| record.get(at)).find(|scalar| !scalar.is_absent());
    match found {
        None => around.time.ok_or_else(|| no_time(None)),
        Some(Scalar::Text(text)) => syslog::time_of(text.trim(), around),
        Some(scalar) => match scalar.to_time("time")? {
            Some(time) => time.map_err(|error| no_time(Some(error))),
            None => Err(no_time(None)),
        },
    }
}
