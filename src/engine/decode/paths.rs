//! Where a format writes its values: paths → slots, read in one pass over a JSON object.
//!
//! A format lists its paths with [`paths!`]; a mapping of the configuration makes a [`Paths`] of its pointers. What
//! lies on no path is validated and passed over. Values are borrowed from the text; of a key written twice the last
//! value counts. Nothing is refused but text that is no JSON: whoever needs a value decides what its absence costs.

use std::borrow::Cow;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use sonic_rs::LazyValue;

use super::fields::{KeyName, read_text};
use super::lenient::{Lenient, Shape};
use super::scalar::Scalar;
use super::time::TimeError;
use super::{Reject, RejectReason, text};
use crate::engine::signin::EventTime;

/// What is kept of the value at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Text, a number or a flag; an array or object is [`Scalar::Other`].
    Scalar,
    /// As a scalar, but an array or object is kept as it is written: [`Scalar::Json`].
    Json,
}

/// How keys are compared with paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matching {
    /// Byte for byte.
    Exact,
    /// Without ASCII case: copies of a log often lose it.
    IgnoreCase,
    /// Without case, and a key such as `source.ip` is the path `source/ip`, too.
    Dotted,
}

/// Paths of one format, as a tree.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    nodes: Vec<Node>,
    matching: Matching,
}

#[derive(Clone, Debug)]
struct Node {
    key: Box<str>,
    slot: Option<(usize, Kept)>,
    children: Vec<usize>,
}

impl Paths {
    /// Of every path its keys, from the outermost on, and what is kept at its end; slots are counted from 0 in the
    /// order given. A key that is a number is also the place of an array's element.
    pub(super) fn new<'k, P: IntoIterator<Item = &'k str>>(
        paths: impl IntoIterator<Item = (P, Kept)>,
        matching: Matching,
    ) -> Paths {
        let root = Node { key: Box::default(), slot: None, children: Vec::new() };
        let mut tree = Paths { nodes: vec![root], matching };
        for (slot, (keys, kept)) in paths.into_iter().enumerate() {
            let end = keys.into_iter().fold(0, |node, key| tree.child_or_new(node, key));
            debug_assert!(tree.nodes[end].slot.is_none(), "one path, one slot");
            tree.nodes[end].slot = Some((slot, kept));
        }
        tree
    }

    fn child_or_new(&mut self, node: usize, key: &str) -> usize {
        let found = self.nodes[node].children.iter().find(|&&child| *self.nodes[child].key == *key);
        if let Some(&child) = found {
            return child;
        }
        let child = self.nodes.len();
        self.nodes.push(Node { key: key.into(), slot: None, children: Vec::new() });
        self.nodes[node].children.push(child);
        child
    }

    /// Reads one object.
    pub(super) fn read<'a, const N: usize>(&self, text: &'a str) -> Result<Values<'a, N>, Reject> {
        let mut values = Values::new();
        self.read_into(text, &mut values.slots)?;
        Ok(values)
    }

    /// As [`Self::read`], into slots of the caller.
    pub(super) fn read_into<'a>(&self, text: &'a str, slots: &mut [Scalar<'a>]) -> Result<(), Reject> {
        read_text(text, Branch { paths: self, node: 0, slots })
    }

    fn child(&self, node: usize, key: &str) -> Option<usize> {
        let children = &self.nodes[node].children;
        let is_it = |child: &&usize| {
            let known = &*self.nodes[**child].key;
            known.len() == key.len()
                && (known == key || (self.matching != Matching::Exact && known.eq_ignore_ascii_case(key)))
        };
        if let Some(child) = children.iter().find(is_it) {
            return Some(*child);
        }
        if self.matching != Matching::Dotted {
            return None;
        }
        let (first, rest) = key.split_once('.')?;
        self.child(self.child(node, first)?, rest)
    }
}

/// The values of one object, by slot.
#[derive(Clone, Debug)]
pub(super) struct Values<'a, const N: usize> {
    slots: [Scalar<'a>; N],
}

impl<'a, const N: usize> Values<'a, N> {
    /// Of an object with nothing in it, or a line of text, which is put in pair by pair.
    pub(super) fn new() -> Values<'a, N> {
        Values { slots: [const { Scalar::Absent }; N] }
    }

    /// Cuts copied texts to the length of texts for output, for values of which many elements make copies.
    pub(super) fn cut(&mut self) {
        for slot in &mut self.slots {
            if let Scalar::Text(text @ Cow::Owned(_)) = slot {
                *text = text::cut(std::mem::take(text));
            }
        }
    }

    pub(super) fn put(&mut self, slot: impl Into<usize>, value: Scalar<'a>) {
        self.slots[slot.into()] = value;
    }

    /// Fills slots that say nothing with copies of what `other` says.
    pub(super) fn fill(&mut self, other: Values<'_, N>) {
        for (slot, value) in self.slots.iter_mut().zip(other.slots) {
            if slot.is_absent() {
                *slot = value.into_owned();
            }
        }
    }

    /// Puts a text in, unless there is one already, be it empty: what a visitor typed must not replace what stands
    /// before it.
    pub(super) fn put_first(&mut self, slot: impl Into<usize>, text: Cow<'a, str>) {
        let slot = &mut self.slots[slot.into()];
        if *slot == Scalar::Absent {
            *slot = Scalar::Text(text);
        }
    }

    pub(super) fn get(&self, slot: impl Into<usize>) -> &Scalar<'a> {
        &self.slots[slot.into()]
    }

    pub(super) fn take(&mut self, slot: impl Into<usize>) -> Scalar<'a> {
        std::mem::take(&mut self.slots[slot.into()])
    }

    pub(super) fn has(&self, slot: impl Into<usize>) -> bool {
        !self.get(slot).is_absent()
    }

    /// The text as written, borrowed, also where it means "absent"; empty when it is no text.
    pub(super) fn str(&self, slot: impl Into<usize>) -> &str {
        self.get(slot).as_str()
    }

    /// Is it this word, without regard to case?
    pub(super) fn is(&self, slot: impl Into<usize>, word: &str) -> bool {
        self.str(slot).trim().eq_ignore_ascii_case(word)
    }

    /// Takes the text for output: absent forms are empty, numbers are written out.
    pub(super) fn text(&mut self, slot: impl Into<usize>) -> Cow<'a, str> {
        self.take(slot).into_text()
    }

    /// Takes text that is read on: as written, whatever its length; empty when it is no text.
    pub(super) fn text_uncut(&mut self, slot: impl Into<usize>) -> Cow<'a, str> {
        if let Scalar::Text(text) = self.take(slot) { text } else { Cow::Borrowed("") }
    }

    /// Takes the first of several texts that says something.
    pub(super) fn first_text(&mut self, slots: impl IntoIterator<Item = impl Into<usize>>) -> Cow<'a, str> {
        slots.into_iter().map(|slot| self.text(slot)).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// Takes an id, not cut.
    ///
    /// # Errors
    /// A type that no id has.
    pub(super) fn id(&mut self, slot: impl Into<usize>, name: &'static str) -> Result<Cow<'a, str>, Reject> {
        self.take(slot).into_id(name)
    }

    pub(super) fn flag(&self, slot: impl Into<usize>) -> Option<bool> {
        self.get(slot).to_flag()
    }

    pub(super) fn number(&self, slot: impl Into<usize>) -> Option<f64> {
        self.get(slot).to_f64()
    }

    /// The array or object as it is written (a [`Kept::Json`] slot); empty for anything else.
    pub(super) fn json(&self, slot: impl Into<usize>) -> &'a str {
        match self.get(slot) {
            Scalar::Json(json) if *json != EMPTY => json,
            _ => "",
        }
    }

    /// The first of several times that can be read.
    ///
    /// # Errors
    /// There is none; it says whether one was out of range.
    pub(super) fn time<S: Into<usize> + Copy>(&self, slots: &[(S, &'static str)]) -> Result<EventTime, Reject> {
        let mut error = None;
        for (slot, name) in slots {
            match self.get(*slot).to_time(name)? {
                Some(Ok(time)) => return Ok(time),
                Some(Err(why)) => error = error.max(Some(why)),
                None => {}
            }
        }
        Err(no_time(error))
    }
}

/// The reject of a record whose times could not be read, for this reason; `None`: there is no time.
pub(super) fn no_time(error: Option<TimeError>) -> Reject {
    match error {
        Some(TimeError::OutOfRange) => {
            Reject::new(RejectReason::TimeOutOfRange, "the time is before 2000 or after 2099")
        }
        Some(TimeError::Unreadable) => Reject::new(RejectReason::NoTime, "the time is in no known form"),
        None => Reject::new(RejectReason::NoTime, "no time"),
    }
}

/// The elements of an array as it is written; none where it is no array. It must be valid JSON.
pub(super) fn elements(array: &str) -> impl Iterator<Item = &str> {
    let array = if array.starts_with('[') { array } else { "[]" };
    super::raw_elements(array)
}

/// An element that is an object.
pub(super) fn object(element: &str) -> Result<&str, Reject> {
    let is_object = element.starts_with('{');
    is_object
        .then_some(element)
        .ok_or_else(|| Reject::new(RejectReason::WrongType, "an element that is no object"))
}

/// Where `part`, a part of `text`, begins in it; 0 when it is none.
pub(super) fn offset_in(text: &str, part: &str) -> usize {
    let within = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    if within <= text.len() { within } else { 0 }
}

/// A value under a path.
struct Branch<'p, 's, 'a> {
    paths: &'p Paths,
    node: usize,
    slots: &'s mut [Scalar<'a>],
}

impl<'de> Shape<'de> for Branch<'_, '_, 'de> {
    type Value = ();

    fn none(self) {}

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Branch { paths, node, slots } = self;
        while let Some(child) = entries.next_key_seed(KeyName(|key: &str| paths.child(node, key)))? {
            match child {
                Some(node) => entries.next_value_seed(Leaf { paths, node, slots })?,
                None => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn array<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Branch { paths, node, slots } = self;
        let numbered = |index: usize| {
            let children = &paths.nodes[node].children;
            children.iter().find(|&&child| paths.nodes[child].key.parse() == Ok(index)).copied()
        };
        let mut index = 0;
        loop {
            let element = match numbered(index) {
                Some(node) => elements.next_element_seed(Leaf { paths, node, slots })?,
                None => elements.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if element.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }
}

/// What a key, or a place in an array, leads to.
struct Leaf<'p, 's, 'a> {
    paths: &'p Paths,
    node: usize,
    slots: &'s mut [Scalar<'a>],
}

impl<'de> DeserializeSeed<'de> for Leaf<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Leaf { paths, node, slots } = self;
        let is_branch = !paths.nodes[node].children.is_empty();
        match paths.nodes[node].slot {
            Some((slot, Kept::Scalar)) if !is_branch => slots[slot] = Scalar::deserialize(deserializer)?,
            Some((slot, _)) => {
                let value = LazyValue::deserialize(deserializer)?;
                let raw = match value.as_raw_cow() {
                    Cow::Borrowed(raw) => raw,
                    // Text with escapes comes as a copy; it holds no path.
                    Cow::Owned(raw) => {
                        slots[slot] = scalar_of(&raw).into_owned();
                        return Ok(());
                    }
                };
                slots[slot] = scalar_of(raw);
                if is_branch {
                    // It was valid a moment ago.
                    let branch = Branch { paths, node, slots };
                    read_text(raw, branch).map_err(|_| serde::de::Error::custom("not json"))?;
                }
            }
            None => Lenient(Branch { paths, node, slots }).deserialize(deserializer)?,
        }
        Ok(())
    }
}

/// Absent, but there: an empty list of records is no fault.
const EMPTY: &str = "[]";

/// One value that is known to be valid JSON.
fn scalar_of(raw: &str) -> Scalar<'_> {
    let is_empty = |raw: &str| raw[1..raw.len() - 1].trim().is_empty();
    match raw.as_bytes().first() {
        Some(b'{') if is_empty(raw) => Scalar::Absent,
        Some(b'[') if is_empty(raw) => Scalar::Json(EMPTY),
        Some(b'{' | b'[') => Scalar::Json(raw),
        _ => sonic_rs::from_str(raw).unwrap_or_default(),
    }
}

/// JSON that stands as text in a value: what it says outlives the value only in copies.
pub(super) fn json_in(scalar: &Scalar<'_>) -> Option<String> {
    let Scalar::Text(written) = scalar else { return None };
    let trimmed = written.trim();
    let is_json = trimmed.starts_with(['{', '[']) && super::scan::check_depth(trimmed).is_ok();
    is_json.then(|| trimmed.to_owned())
}

/// Lists where a format writes what is read: a word for each value, and the path to it with `/` between keys. `json`
/// before a path keeps an array or object as it is written. Makes an enum, and `read`, which takes an object's text.
macro_rules! paths {
    ($(#[$meta:meta])* enum $name:ident ($matching:ident) { $($variant:ident = $kept:ident $path:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(clippy::enum_variant_names, reason = "`At` is the end of many keys' names")]
        enum $name { $($variant,)+ }

        impl $name {
            const PATHS: [&str; [$($path),+].len()] = [$($path),+];
            const COUNT: usize = Self::PATHS.len();

            fn read(text: &str) -> Result<$crate::engine::decode::paths::Values<'_, { $name::COUNT }>, $crate::engine::decode::Reject> {
                use $crate::engine::decode::paths::{Kept, Matching, Paths};
                static TREE: std::sync::LazyLock<Paths> = std::sync::LazyLock::new(|| {
                    let kept = [$(Kept::$kept),+];
                    Paths::new($name::PATHS.map(|path| path.split('/')).into_iter().zip(kept), Matching::$matching)
                });
                TREE.read(text)
            }
        }

        impl From<$name> for usize {
            fn from(slot: $name) -> usize {
                slot as usize
            }
        }
    };
}
pub(super) use paths;

#[cfg(test)]
mod tests {
    use super::*;

    paths! {
        enum At (Dotted) {
            Id = Scalar "id",
            Address = Scalar "source/ip",
            Source = Json "source",
            Second = Scalar "list/1/name",
            List = Json "list",
        }
    }

    #[test]
    fn paths_lead_through_objects_arrays_and_dotted_keys() {
        let values =
            At::read(r#"{"ID":7,"source":{"ip":"192.0.2.1"},"list":[{"name":"a"},{"name":"b\n"}]}"#).unwrap();
        assert_eq!(values.get(At::Id), &Scalar::Integer(7));
        assert_eq!(values.str(At::Address), "192.0.2.1");
        assert_eq!(values.json(At::Source), r#"{"ip":"192.0.2.1"}"#);
        assert_eq!(values.str(At::Second), "b\n");
        assert_eq!(elements(values.json(At::List)).count(), 2);
        let values = At::read(r#"{"list":"it is \"text\"","source":"a\nb"}"#).unwrap();
        assert_eq!((values.str(At::List), values.str(At::Source)), ("it is \"text\"", "a\nb"));
        let values =
            At::read(r#"{"source.ip":"192.0.2.2","source.port":5,"id":{"x":[1]},"list":"none"}"#).unwrap();
        assert_eq!((values.str(At::Address), values.get(At::Id)), ("192.0.2.2", &Scalar::Other));
        assert!(!values.has(At::List) && !values.has(At::Second));
    }

    #[test]
    fn what_is_no_json_is_refused_and_a_wrong_type_is_not() {
        assert_eq!(At::read(r#"{"id":1"#).unwrap_err().reason, RejectReason::Malformed);
        assert_eq!(At::read(r#"{"source":{"ip":}}"#).unwrap_err().reason, RejectReason::Malformed);
        let values = At::read(r#"{"source":3,"list":{"1":{"name":"by key"}}}"#).unwrap();
        assert_eq!((values.get(At::Source), values.str(At::Second)), (&Scalar::Integer(3), "by key"));
        let values = At::read(r#"{"list":"{\"a\":1}","source":"plain"}"#).unwrap();
        assert_eq!((values.str(At::List), values.str(At::Source)), (r#"{"a":1}"#, "plain"));
    }
}
