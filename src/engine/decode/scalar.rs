//! One JSON value as a field keeps it: text borrowed from the record, a number, a flag, or something else.
//!
//! Nothing is refused here: a value of an unexpected type is kept as [`Scalar::Other`], and whoever needs the
//! field decides what that costs. `null`, `{}` and `[]` are absent. The deserializer is written by hand because a
//! derived one copies every string that is optional.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::time::{TimeError, parse_time, time_of_float, time_of_integer};
use super::{Reject, RejectReason, text};
use crate::engine::signin::EventTime;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Scalar<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
    Flag(bool),
    /// An array or object with something in it, as it is written.
    Json(&'a str),
    /// An array or object with something in it.
    Other,
}

impl<'a> Scalar<'a> {
    pub(super) fn into_owned(self) -> Scalar<'static> {
        match self {
            Scalar::Absent => Scalar::Absent,
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Scalar::Integer(number) => Scalar::Integer(number),
            Scalar::Float(number) => Scalar::Float(number),
            Scalar::Flag(flag) => Scalar::Flag(flag),
            Scalar::Json(_) | Scalar::Other => Scalar::Other,
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        match self {
            Scalar::Absent => true,
            Scalar::Text(text) => text::is_absent(text),
            Scalar::Json(json) => *json == "[]",
            _ => false,
        }
    }

    /// The text as it is written, borrowed; empty when the value is no text.
    pub(super) fn as_str(&self) -> &str {
        if let Scalar::Text(text) = self { text } else { "" }
    }

    /// Text for output: absent forms and wrong types are empty, numbers are written out.
    pub(super) fn into_text(self) -> Cow<'a, str> {
        match self {
            Scalar::Text(text) => text::cut(text::present(text)),
            Scalar::Integer(number) => Cow::Owned(number.to_string()),
            Scalar::Float(number) => Cow::Owned(number.to_string()),
            Scalar::Absent | Scalar::Flag(_) | Scalar::Json(_) | Scalar::Other => Cow::Borrowed(""),
        }
    }

    /// An id, not cut: a type that cannot be read is the record's reject.
    pub(super) fn into_id(self, field: &'static str) -> Result<Cow<'a, str>, Reject> {
        match self {
            Scalar::Text(text) => Ok(text::fold_id(text::present(text))),
            Scalar::Integer(number) => Ok(Cow::Owned(number.to_string())),
            Scalar::Absent => Ok(Cow::Borrowed("")),
            Scalar::Float(_) | Scalar::Flag(_) | Scalar::Json(_) | Scalar::Other => Err(wrong_type(field)),
        }
    }

    /// `Ok(None)` when there is nothing to read.
    pub(super) fn to_time(&self, field: &'static str) -> Result<Option<Result<EventTime, TimeError>>, Reject> {
        match self {
            _ if self.is_absent() => Ok(None),
            Scalar::Text(text) => Ok(Some(parse_time(text))),
            Scalar::Integer(number) => Ok(Some(time_of_integer(*number))),
            Scalar::Float(number) => Ok(Some(time_of_float(*number))),
            _ => Err(wrong_type(field)),
        }
    }

    pub(super) fn to_flag(&self) -> Option<bool> {
        match self {
            Scalar::Flag(flag) => Some(*flag),
            Scalar::Text(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
            Scalar::Text(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    pub(super) fn to_u32(&self) -> Option<u32> {
        match self {
            Scalar::Integer(number) => u32::try_from(*number).ok(),
            Scalar::Float(number) if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number) => {
                Some(*number as u32)
            }
            Scalar::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn to_f64(&self) -> Option<f64> {
        match self {
            Scalar::Integer(number) => Some(*number as f64),
            Scalar::Float(number) => Some(*number),
            Scalar::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

pub(super) fn wrong_type(field: &'static str) -> Reject {
    Reject::new(RejectReason::WrongType, format!("`{field}` has a type that cannot be read"))
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(i64::try_from(number).map_or(Scalar::Float(number as f64), Scalar::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Float(number))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Scalar<'de>, A::Error> {
        let mut scalar = Scalar::Absent;
        while elements.next_element::<IgnoredAny>()?.is_some() {
            scalar = Scalar::Other;
        }
        Ok(scalar)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Scalar<'de>, A::Error> {
        let mut scalar = Scalar::Absent;
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            scalar = Scalar::Other;
        }
        Ok(scalar)
    }
}
