//! Text as records write it → text as [`SignIn`](crate::engine::signin::SignIn) keeps it.
//!
//! "Absent" in disguise becomes empty, long text is cut, ids are checked and, where they are GUIDs or user
//! principal names, put in lower case. Borrowed text stays borrowed unless it must change.

use std::borrow::Cow;

use super::{Reject, RejectReason};
use crate::engine::signin::{ID_LENGTH_MAX, TEXT_LENGTH_MAX};

/// What providers and pipelines write where they have nothing to write. Compared without case.
const ABSENT: [&str; 11] = [
    "null",
    "none",
    "-",
    "unknown",
    "n/a",
    "not available",
    "hidden",
    "undefined",
    "anonymized",
    "hidden_due_to_security_reasons",
    "00000000-0000-0000-0000-000000000000",
];

/// Is this text another way to say nothing?
pub(super) fn is_absent(text: &str) -> bool {
    let text = text.trim();
    // The longest entry has 36 bytes: most text is decided by its length.
    text.is_empty() || (text.len() <= 36 && ABSENT.iter().any(|absent| text.eq_ignore_ascii_case(absent)))
}

/// The text without surrounding white space; empty when absent.
pub(super) fn present(text: Cow<'_, str>) -> Cow<'_, str> {
    if is_absent(&text) {
        return Cow::Borrowed("");
    }
    match text {
        Cow::Borrowed(borrowed) => Cow::Borrowed(borrowed.trim()),
        Cow::Owned(owned) if owned.trim().len() == owned.len() => Cow::Owned(owned),
        Cow::Owned(owned) => Cow::Owned(owned.trim().to_owned()),
    }
}

/// Cuts text at the last character border within [`TEXT_LENGTH_MAX`] bytes.
pub(super) fn cut(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= TEXT_LENGTH_MAX {
        return text;
    }
    let end = text.floor_char_boundary(TEXT_LENGTH_MAX);
    match text {
        Cow::Borrowed(borrowed) => Cow::Borrowed(&borrowed[..end]),
        Cow::Owned(mut owned) => {
            owned.truncate(end);
            Cow::Owned(owned)
        }
    }
}

/// Lower case when the text is a GUID or a user principal name; other ids may mean what their case says.
pub(super) fn fold_id(text: Cow<'_, str>) -> Cow<'_, str> {
    if is_guid(&text) || text.contains('@') { fold(text) } else { text }
}

/// ASCII lower case, without a copy when it is so already.
pub(super) fn fold(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { Cow::Owned(text.to_ascii_lowercase()) } else { text }
}

pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Refuses an id that state or output could not carry.
pub(super) fn check_id<'a>(text: Cow<'a, str>, field: &'static str) -> Result<Cow<'a, str>, Reject> {
    if text.len() > ID_LENGTH_MAX {
        return Err(Reject::new(RejectReason::BadId, format!("`{field}` is longer than {ID_LENGTH_MAX} bytes")));
    }
    check_control(text, field)
}

pub(super) fn check_control<'a>(text: Cow<'a, str>, field: &'static str) -> Result<Cow<'a, str>, Reject> {
    if text.chars().any(char::is_control) {
        return Err(Reject::new(RejectReason::BadId, format!("`{field}` holds a control character")));
    }
    Ok(text)
}
