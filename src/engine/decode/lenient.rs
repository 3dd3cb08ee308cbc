//! Reading a JSON value of any type without refusing one.
//!
//! A provider may write any field as null, text or another type tomorrow; that costs the field, never the record.
//! A [`Shape`] says what it makes of the types it knows, and gets everything else as "none".

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What is made of a value, type by type.
pub(super) trait Shape<'de>: Sized {
    type Value;

    /// Null, or a type that is not read.
    fn none(self) -> Self::Value;

    /// Text that had escapes and lives no longer than the call.
    fn text(self, text: &str) -> Self::Value {
        let _ = text;
        self.none()
    }

    /// Text as it stands in the record.
    fn borrowed_text(self, text: &'de str) -> Self::Value {
        self.text(text)
    }

    fn array<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.none())
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.none())
    }
}

/// Makes a [`Shape`] something serde can drive.
pub(super) struct Lenient<S>(pub(super) S);

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for Lenient<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for Lenient<S> {
    type Value = S::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<S::Value, E> {
        Ok(self.0.borrowed_text(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<S::Value, E> {
        Ok(self.0.text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<S::Value, A::Error> {
        self.0.array(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<S::Value, A::Error> {
        self.0.object(entries)
    }

    fn visit_unit<E: Error>(self) -> Result<S::Value, E> {
        Ok(self.0.none())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<S::Value, E> {
        Ok(self.0.none())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<S::Value, E> {
        Ok(self.0.none())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<S::Value, E> {
        Ok(self.0.none())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<S::Value, E> {
        Ok(self.0.none())
    }
}
