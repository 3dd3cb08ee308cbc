//! JSON text → [`Fields`]: one pass over a record that keeps the values of known keys and validates the rest.
//!
//! Values are borrowed from the record. Of a key written twice the last value counts. A nested object's values
//! are kept beside those of the object around it; where a form writes the object as JSON text, that text is read
//! in the same way. Nothing is decided here: see [`super::entra`] and [`super::farsign`].

use std::borrow::Cow;
use std::mem;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sonic_rs::LazyValue;

use super::keys::{Envelope, Key, Section, Slot, column_slot};
use super::lenient::{Lenient, Shape};
use super::scalar::Scalar;
use super::scan::check_depth;
use super::steps::{EventTypes, EventTypesShape, Steps, StepsShape};
use super::{Reject, RejectReason};

/// The values of one object, by key.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    scalars: [Scalar<'a>; Key::COUNT],
    pub(super) steps: Steps,
    pub(super) event_types: EventTypes,
}

impl<'a> Fields<'a> {
    pub(super) fn new() -> Fields<'a> {
        Fields {
            scalars: [const { Scalar::Absent }; Key::COUNT],
            steps: Steps::default(),
            event_types: EventTypes::default(),
        }
    }

    pub(super) fn get(&self, key: Key) -> &Scalar<'a> {
        &self.scalars[key as usize]
    }

    pub(super) fn take(&mut self, key: Key) -> Scalar<'a> {
        mem::take(&mut self.scalars[key as usize])
    }

    pub(super) fn set(&mut self, key: Key, scalar: Scalar<'a>) {
        self.scalars[key as usize] = scalar;
    }

    fn clear(&mut self, section: Section) {
        for &key in section.keys() {
            self.set(key, Scalar::Absent);
        }
    }

    fn into_owned(self) -> Fields<'static> {
        Fields { scalars: self.scalars.map(Scalar::into_owned), steps: self.steps, event_types: self.event_types }
    }
}

/// What stood under `properties`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Properties {
    Absent,
    Read,
    /// Text that is not a JSON object, or another type.
    Unreadable,
}

/// One record: its own values, those under `properties`, and the arrays it may be an envelope for.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) own: Fields<'a>,
    pub(super) inner: Fields<'a>,
    pub(super) properties: Properties,
    pub(super) records: Option<&'a str>,
    pub(super) value: Option<&'a str>,
    pub(super) tables: Option<&'a str>,
    /// Slots of `own` filled by a camel-case key: a Log Analytics column of the same meaning gives way.
    camel: u128,
}

impl<'a> Record<'a> {
    pub(super) fn new() -> Record<'a> {
        Record {
            own: Fields::new(),
            inner: Fields::new(),
            properties: Properties::Absent,
            records: None,
            value: None,
            tables: None,
            camel: 0,
        }
    }

    fn set_envelope(&mut self, envelope: Envelope, raw: Option<&'a str>) {
        match envelope {
            Envelope::Records => self.records = raw,
            Envelope::Value => self.value = raw,
            Envelope::Tables => self.tables = raw,
        }
    }
}

/// Reads text that holds one object into a new record. (A record is too large to be handed about by value.)
pub(super) fn read_record<'a>(text: &'a str, record: &mut Record<'a>) -> Result<(), Reject> {
    read_text(text, RecordShape(record))
}

/// Reads one object of a form without `properties` and envelopes.
pub(super) fn read_fields<'a>(text: &'a str, section: Section, fields: &mut Fields<'a>) -> Result<(), Reject> {
    read_text(text, SectionShape { section, fields })
}

/// Reads one row of a Log Analytics table: values in the order of `columns`.
pub(super) fn read_row<'a>(
    text: &'a str,
    columns: &[Option<Slot>],
    record: &mut Record<'a>,
) -> Result<(), Reject> {
    read_text(text, RowShape { columns, fields: &mut record.own })
}

/// Reads text through a [`Shape`]; white space may surround the value, nothing else.
pub(super) fn read_text<'a, S: Shape<'a>>(text: &'a str, shape: S) -> Result<S::Value, Reject> {
    let mut deserializer = sonic_rs::Deserializer::from_str(text);
    let read = Lenient(shape).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| {
        let detail = if error.is_eof() { "the text ends inside a value" } else { "not json" };
        Reject { offset: error.offset().min(text.len()), ..Reject::new(RejectReason::Malformed, detail) }
    })
}

/// Reads an object's key as whatever `find` makes of it; no key is copied.
pub(super) struct KeyName<F>(pub(super) F);

impl<'de, T, F: Fn(&str) -> T> DeserializeSeed<'de> for KeyName<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, T, F: Fn(&str) -> T> Visitor<'de> for KeyName<F> {
    type Value = T;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<T, E> {
        Ok((self.0)(key))
    }
}

/// The outermost object: the only one with `properties`, envelopes and two ways to write a key.
struct RecordShape<'r, 'a>(&'r mut Record<'a>);

/// A key of the outermost object: its slot, and whether it is a Log Analytics column.
fn record_slot(key: &str) -> Option<(Slot, bool)> {
    if key.as_bytes().first().is_some_and(u8::is_ascii_uppercase) {
        column_slot(key).map(|slot| (slot, true))
    } else {
        Section::Record.slot(key).map(|slot| (slot, false))
    }
}

impl<'de> Shape<'de> for RecordShape<'_, 'de> {
    type Value = ();

    fn none(self) {}

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let record = self.0;
        while let Some(found) = entries.next_key_seed(KeyName(record_slot))? {
            match found {
                Some((slot, true)) if record.camel & slot.bit() != 0 => {
                    entries.next_value::<IgnoredAny>()?;
                }
                Some((Slot::Properties, _)) => {
                    if record.properties != Properties::Absent {
                        record.inner = Fields::new();
                    }
                    record.properties = entries.next_value_seed(Lenient(PropertiesShape(&mut record.inner)))?;
                }
                Some((Slot::Envelope(envelope), _)) => {
                    record.set_envelope(envelope, raw_array(entries.next_value()?));
                }
                Some((slot, is_column)) => {
                    if !is_column {
                        record.camel |= slot.bit();
                    }
                    entries.next_value_seed(ValueSeed { slot, fields: &mut record.own })?;
                }
                None => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The array's text, when the value is an array.
pub(super) fn raw_array(value: LazyValue<'_>) -> Option<&str> {
    match value.as_raw_cow() {
        Cow::Borrowed(raw) if raw.starts_with('[') => Some(raw),
        _ => None,
    }
}

/// Puts one value into its slot.
struct ValueSeed<'f, 'a> {
    slot: Slot,
    fields: &'f mut Fields<'a>,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let fields = self.fields;
        match self.slot {
            Slot::Scalar(key) => fields.set(key, Scalar::deserialize(deserializer)?),
            Slot::Section(section) => {
                fields.clear(section);
                Lenient(SectionShape { section, fields }).deserialize(deserializer)?;
            }
            Slot::Steps => fields.steps = Lenient(StepsShape).deserialize(deserializer)?,
            Slot::EventTypes => fields.event_types = Lenient(EventTypesShape).deserialize(deserializer)?,
            Slot::Properties | Slot::Envelope(_) => {
                IgnoredAny::deserialize(deserializer)?;
            }
        }
        Ok(())
    }
}

/// An object whose values go into `fields`.
struct SectionShape<'f, 'a> {
    section: Section,
    fields: &'f mut Fields<'a>,
}

impl<'de> Shape<'de> for SectionShape<'_, 'de> {
    type Value = ();

    fn none(self) {}

    fn text(self, text: &str) {
        if let Some(inner) = object_in_text(text, self.section) {
            for &key in self.section.keys() {
                self.fields.set(key, inner.get(key).clone().into_owned());
            }
        } else if self.section == Section::Location {
            self.fields.set(Key::Country, Scalar::Text(Cow::Owned(text.to_owned())));
        }
    }

    fn borrowed_text(self, text: &'de str) {
        match object_in_text(text, self.section) {
            Some(mut inner) => {
                for &key in self.section.keys() {
                    self.fields.set(key, inner.take(key));
                }
            }
            // Around `properties`, `location` is the country's code.
            None if self.section == Section::Location => {
                self.fields.set(Key::Country, Scalar::Text(Cow::Borrowed(text)));
            }
            None => {}
        }
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let section = self.section;
        while let Some(slot) = entries.next_key_seed(KeyName(|key: &str| section.slot(key)))? {
            match slot {
                Some(slot) => entries.next_value_seed(ValueSeed { slot, fields: &mut *self.fields })?,
                None => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The object that `text` writes out, when it does.
fn object_in_text(text: &str, section: Section) -> Option<Fields<'_>> {
    if !text.trim_start().starts_with('{') || check_depth(text).is_err() {
        return None;
    }
    let mut fields = Fields::new();
    read_fields(text, section, &mut fields).ok().map(|()| fields)
}

/// The object under `properties`, or the JSON text of it.
struct PropertiesShape<'f, 'a>(&'f mut Fields<'a>);

impl<'de> Shape<'de> for PropertiesShape<'_, 'de> {
    type Value = Properties;

    fn none(self) -> Properties {
        Properties::Unreadable
    }

    fn text(self, text: &str) -> Properties {
        match object_in_text(text, Section::Properties) {
            Some(inner) => {
                *self.0 = inner.into_owned();
                Properties::Read
            }
            None => Properties::Unreadable,
        }
    }

    fn object<A: MapAccess<'de>>(self, entries: A) -> Result<Properties, A::Error> {
        SectionShape { section: Section::Properties, fields: self.0 }.object(entries)?;
        Ok(Properties::Read)
    }
}

/// A row of a table.
struct RowShape<'f, 'c, 'a> {
    columns: &'c [Option<Slot>],
    fields: &'f mut Fields<'a>,
}

impl<'de> Shape<'de> for RowShape<'_, '_, 'de> {
    type Value = ();

    fn none(self) {}

    fn array<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        for column in self.columns {
            let seed = CellSeed { slot: *column, fields: &mut *self.fields };
            if elements.next_element_seed(seed)?.is_none() {
                return Ok(());
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

struct CellSeed<'f, 'a> {
    slot: Option<Slot>,
    fields: &'f mut Fields<'a>,
}

impl<'de> DeserializeSeed<'de> for CellSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.slot {
            Some(slot) => ValueSeed { slot, fields: self.fields }.deserialize(deserializer),
            None => IgnoredAny::deserialize(deserializer).map(|_| ()),
        }
    }
}
