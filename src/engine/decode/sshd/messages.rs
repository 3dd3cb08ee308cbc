//! Messages of sshd and of the PAM modules it calls → what they say of an attempt.

use std::borrow::Cow;

use super::super::draft::Ending;
use super::super::steps::contains;
use crate::engine::signin::{Mfa, Outcome};

/// What a message says; what it does not say is empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Attempt<'a> {
    pub(super) user: &'a str,
    pub(super) address: &'a str,
    pub(super) method: &'a str,
    pub(super) ending: Ending,
}

/// A policy refused, and nobody looked at the credential.
const REFUSED: Ending = Ending { outcome: Outcome::Blocked, ..Ending::UNCLEAR };

/// How often it happened, and the message: `message repeated 3 times: [ … ]`.
pub(super) fn repeated(message: &str) -> (u32, &str) {
    let inside = message.strip_prefix("message repeated ").and_then(|rest| rest.split_once(" times: ["));
    let count = inside.and_then(|(count, inside)| Some((count.parse().ok()?, inside.strip_suffix(']')?)));
    count.map_or((1, message), |(count, inside): (u32, &str)| (count, inside.trim()))
}

/// `None` where it is no result of an attempt, or of nobody's.
pub(super) fn attempt(message: &str) -> Option<Attempt<'_>> {
    let message = message.trim();
    let message =
        ["error: ", "fatal: ", "info: "].iter().find_map(|level| message.strip_prefix(level)).unwrap_or(message);
    let message = message.strip_suffix("[preauth]").unwrap_or(message).trim_end();
    // Most lines end here.
    match message.as_bytes().first()? {
        b'A' => accepted(message).or_else(|| wrong_place(message)),
        b'F' | b'P' => failed(message).or_else(|| pam_of_sshd(message)),
        b'I' => invalid(message),
        b'C' | b'D' => closed(message),
        b'm' => too_many(message),
        b'U' => not_allowed(message),
        b'R' => root_refused(message),
        b'p' => pam_module(message),
        _ => None,
    }
}

/// User and address of `[invalid user ]USER from ADDRESS[ port N …]`. A name that was typed may hold all of this: the
/// last address counts, unless the account exists and what follows is not the visitor's.
fn who(text: &str, first: bool) -> Option<(&str, &str)> {
    let is_address = |at: &usize| {
        let (address, after) = address_at(&text[at + " from ".len()..]);
        !address.is_empty() && (after.is_empty() || after.starts_with(" port "))
    };
    let mut places = text.match_indices(" from ").map(|(at, _)| at).filter(is_address);
    let at = if first { places.next() } else { places.last() }?;
    Some((&text[..at], address_at(&text[at + " from ".len()..]).0))
}

fn address_at(text: &str) -> (&str, &str) {
    text.find(' ').map_or((text, ""), |end| text.split_at(end))
}

/// Behind `invalid user ` or its older spelling.
fn without_invalid(text: &str) -> Option<&str> {
    text.strip_prefix("invalid user ").or_else(|| text.strip_prefix("illegal user "))
}

/// `Accepted METHOD for USER from …`; PAM's second factor says the same without an address.
fn accepted(message: &str) -> Option<Attempt<'_>> {
    let (method, rest) = message.strip_prefix("Accepted ")?.split_once(" for ")?;
    if method.contains(' ') {
        return None;
    }
    if method == "google_authenticator" {
        let ending = Ending { outcome: Outcome::Interrupted, mfa: Mfa::Performed, ..Ending::UNCLEAR };
        return Some(Attempt { user: rest, address: "", method, ending });
    }
    let (user, address) = who(rest, true)?;
    Some(Attempt { user, address, method, ending: Ending::SUCCESS })
}

/// `Authentication tried for USER with correct key but not from a permitted host (host=…, ip=…)`.
fn wrong_place(message: &str) -> Option<Attempt<'_>> {
    let rest = message.strip_prefix("Authentication tried for ")?;
    let (user, rest) = rest.split_once(" with correct key but not from a permitted host")?;
    let address =
        rest.split_once("ip=").map_or("", |(_, after)| after).split([',', ')']).next().unwrap_or_default();
    Some(Attempt { user, address, method: "publickey", ending: Ending::BLOCKED })
}

/// `Failed METHOD for USER from …`, `Partial METHOD for USER from …`.
fn failed(message: &str) -> Option<Attempt<'_>> {
    let is_partial = message.starts_with("Partial ");
    let rest = message.strip_prefix("Failed ").or_else(|| message.strip_prefix("Partial "))?;
    let (method, rest) = rest.split_once(" for ")?;
    if method.contains(' ') {
        return None;
    }
    let invalid = without_invalid(rest);
    let (user, address) = who(invalid.unwrap_or(rest), false)?;
    // A key is offered without knowing whether it fits, and `none` is a question.
    let is_typed =
        method == "password" || method.starts_with("keyboard-interactive") || method == "challenge-response";
    let ending = match () {
        () if invalid.is_some() => Ending::NO_SUCH_USER,
        () if is_partial => Ending::MFA_PENDING,
        () if is_typed => Ending::WRONG,
        () => Ending::UNCLEAR,
    };
    Some(Attempt { user, address, method, ending })
}

/// `PAM: REASON for USER from …`, of FreeBSD and of `keyboard-interactive` everywhere.
fn pam_of_sshd(message: &str) -> Option<Attempt<'_>> {
    let (reason, rest) = message.strip_prefix("PAM: ")?.split_once(" for ")?;
    let invalid = without_invalid(rest);
    let (user, address) = who(invalid.unwrap_or(rest), false)?;
    let ending = match () {
        () if invalid.is_some() || contains(reason, "user not known") => Ending::NO_SUCH_USER,
        () if contains(reason, "authentication failure") || contains(reason, "authentication error") => {
            Ending::WRONG
        }
        () if contains(reason, "account has expired") => Ending::DISABLED,
        () if contains(reason, "maximum number of") || contains(reason, "locked") => Ending::LOCKED,
        () => Ending::UNCLEAR,
    };
    Some(Attempt { user, address, method: "keyboard-interactive/pam", ending })
}

/// `Invalid user USER from …`; of the second factor: `Invalid verification code for USER`.
fn invalid(message: &str) -> Option<Attempt<'_>> {
    if let Some(user) = message.strip_prefix("Invalid verification code for ") {
        let ending = Ending { mfa: Mfa::Denied, ..Ending::UNCLEAR };
        return Some(Attempt { user, address: "", method: "google_authenticator", ending });
    }
    let rest = message.strip_prefix("Invalid user ").or_else(|| message.strip_prefix("Illegal user "))?;
    let (user, address) = who(rest, false)?;
    Some(Attempt { user, address, method: "", ending: Ending::NO_SUCH_USER })
}

/// `Connection closed by authenticating user USER ADDRESS port N`: given up, or cut off, before anybody was let in.
fn closed(message: &str) -> Option<Attempt<'_>> {
    let starts = ["Connection closed by ", "Connection reset by ", "Disconnected from ", "Disconnecting "];
    let rest = starts.iter().find_map(|start| message.strip_prefix(start))?;
    let invalid = without_invalid(rest);
    let rest = invalid.or_else(|| rest.strip_prefix("authenticating user "))?;
    let (rest, _) = rest.rsplit_once(" port ")?;
    let (user, address) = rest.rsplit_once(' ')?;
    let ending = if invalid.is_some() { Ending::NO_SUCH_USER } else { Ending::UNCLEAR };
    Some(Attempt { user, address, method: "", ending })
}

fn too_many(message: &str) -> Option<Attempt<'_>> {
    let rest = message.strip_prefix("maximum authentication attempts exceeded for ")?;
    let invalid = without_invalid(rest);
    let (user, address) = who(invalid.unwrap_or(rest), false)?;
    let ending = if invalid.is_some() { Ending::NO_SUCH_USER } else { Ending::UNCLEAR };
    Some(Attempt { user, address, method: "", ending })
}

/// `User USER[ from ADDRESS] not allowed because REASON`.
fn not_allowed(message: &str) -> Option<Attempt<'_>> {
    let (who, reason) = message.strip_prefix("User ")?.split_once(" not allowed because ")?;
    let (user, address) = who.rsplit_once(" from ").unwrap_or((who, ""));
    let ending = match () {
        () if contains(reason, "account is locked") => Ending::LOCKED,
        () if contains(reason, "expired") => Ending::DISABLED,
        () => REFUSED,
    };
    Some(Attempt { user, address, method: "", ending })
}

/// `ROOT LOGIN REFUSED FROM ADDRESS`: sshd asks whether root may come only after the credential was right.
fn root_refused(message: &str) -> Option<Attempt<'_>> {
    let rest = message.strip_prefix("ROOT LOGIN REFUSED FROM ")?;
    Some(Attempt { user: "root", address: address_at(rest).0, method: "", ending: Ending::BLOCKED })
}

/// `pam_unix(sshd:auth): authentication failure; … rhost=ADDRESS  user=USER`. One module's result: where another asks a
/// directory, it may pass all the same, so it says nothing of the password.
fn pam_module(message: &str) -> Option<Attempt<'_>> {
    let (_, rest) = message.split_once("(sshd:auth): ")?;
    let method = "pam";
    if let Some(rest) = rest.strip_prefix("authentication failure;") {
        let (before, user) = rest.split_once(" user=")?;
        let address = before.split_once("rhost=").map_or("", |(_, after)| address_at(after).0);
        return Some(Attempt { user: user.trim(), address, method, ending: Ending::UNCLEAR });
    }
    let locked = rest.strip_prefix("Consecutive login failures for user ")?;
    let user = locked.strip_suffix(" account temporarily locked")?;
    Some(Attempt { user, address: "", method, ending: Ending::LOCKED })
}

/// A name as it was before sshd made it printable: `\\` is one, and `\303` a byte.
pub(super) fn unescaped(name: &str) -> Cow<'_, str> {
    if !name.contains('\\') {
        return Cow::Borrowed(name);
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'\\', [b'\\', after @ ..]) => {
                bytes.push(b'\\');
                rest = after;
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(name), Cow::Owned)
}
