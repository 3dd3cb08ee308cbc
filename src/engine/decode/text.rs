//! Text as records write it → text as [`SignIn`](crate::engine::signin::SignIn) keeps it.
//!
//! "Absent" in disguise becomes empty, long text is cut, ids are checked and, where they are GUIDs or user
//! principal names, put in lower case. Borrowed text stays borrowed unless it must change.

use std::borrow::Cow;

use super::{Reject, RejectReason};
use crate::engine::signin::{ID_LENGTH_MAX, TEXT_LENGTH_MAX};

/// What providers and pipelines write where they have nothing to write. Compared without case.
const ABSENT: [&str; 12] = [
    "null",
    "none",
    "-",
    "unknown",
    "n/a",
    "not available",
    "hidden",
    "undefined",
    "anonymized",
    "{pii removed}",
    "hidden_due_to_security_reasons",
    "00000000-0000-0000-0000-000000000000",
];

/// A bit for every length that one of [`ABSENT`] has: most text is decided by its length.
const ABSENT_LENGTHS: u64 = {
    let (mut lengths, mut index) = (0, 0);
    while index < ABSENT.len() {
        assert!(ABSENT[index].len() < 64);
        lengths |= 1 << ABSENT[index].len();
        index += 1;
    }
    lengths
};

/// Is this text another way to say nothing?
pub(super) fn is_absent(text: &str) -> bool {
    is_absent_trimmed(trim(text))
}

fn is_absent_trimmed(text: &str) -> bool {
    let has_length = text.len() < 64 && ABSENT_LENGTHS >> text.len() & 1 == 1;
    text.is_empty() || (has_length && ABSENT.iter().any(|absent| text.eq_ignore_ascii_case(absent)))
}

/// As [`str::trim`]; nearly all text begins and ends with a visible character.
fn trim(text: &str) -> &str {
    let is_visible = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    let bytes = text.as_bytes();
    if is_visible(bytes.first()) && is_visible(bytes.last()) { text } else { text.trim() }
}

/// The text without surrounding white space; empty when absent.
pub(super) fn present(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(borrowed) => {
            let trimmed = trim(borrowed);
            Cow::Borrowed(if is_absent_trimmed(trimmed) { "" } else { trimmed })
        }
        Cow::Owned(owned) if is_absent(&owned) => Cow::Borrowed(""),
        Cow::Owned(owned) if trim(&owned).len() == owned.len() => Cow::Owned(owned),
        Cow::Owned(owned) => Cow::Owned(trim(&owned).to_owned()),
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
    // Without capitals it is in lower case already, whatever it is: the usual.
    if has_capital(&text) && (is_guid(&text) || text.contains('@')) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        text
    }
}

/// ASCII lower case, without a copy when it is so already.
pub(super) fn fold(text: Cow<'_, str>) -> Cow<'_, str> {
    if has_capital(&text) { Cow::Owned(text.to_ascii_lowercase()) } else { text }
}

/// Looks at every byte without a branch: faster than stopping early.
fn has_capital(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | byte.is_ascii_uppercase())
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
    let is_plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    if !is_plain && text.chars().any(char::is_control) {
        return Err(Reject::new(RejectReason::BadId, format!("`{field}` holds a control character")));
    }
    Ok(text)
}
