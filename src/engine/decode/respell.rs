//! A provider's record as another format spells it → the record as the provider spells it.
//!
//! Shippers and data lakes move what a record says to other keys. What the record means is for the provider's own
//! reader to say: so the values are moved back, and that reader reads them. Then both copies of one event are the same
//! event of the same user, and nothing about a provider is known twice. It costs a copy of the values that are read.

use std::fmt::Write;

use super::fields::{Record, read_record};
use super::format::{Emit, Format};
use super::paths::{Kept, Matching, Paths};
use super::scalar::Scalar;
use super::{Around, Decoded, READERS, Reject, entra};

/// Where the provider writes a value, and where the other format has it, in the order of preference. Keys are set off
/// by `/`. `=text` is a value of its own. Values of one object stand next to each other, and those that are only wanted
/// where there is no whole object behind the whole.
pub(super) type Row = (&'static str, &'static [&'static str]);

/// Words for a flag.
pub(super) const YES_NO: &[(&str, &str)] = &[("true", "Yes"), ("false", "No")];

/// How one format spells one provider's records.
pub(super) struct Spelling {
    rows: &'static [Row],
    /// Every place, once, in the order of slots.
    places: Vec<&'static str>,
    paths: Paths,
    /// What the places that only this provider's records have begin with.
    own: &'static str,
    /// A value, text or flag, for which the other format has words of its own, and the provider's for each.
    words: (&'static str, &'static [(&'static str, &'static str)]),
    /// The provider writes keys in camel case, the other format those inside objects in snake case.
    is_camel: bool,
}

impl Spelling {
    pub(super) fn new(own: &'static str, rows: &'static [Row]) -> Spelling {
        let mut places: Vec<&str> = rows.iter().flat_map(|(_, from)| from.iter().copied()).collect();
        places.retain(|place| !place.starts_with('='));
        places.sort_unstable();
        places.dedup();
        let paths = Paths::new(places.iter().map(|place| (place.split('/'), Kept::Json)), Matching::Dotted);
        Spelling { rows, places, paths, own, words: ("", &[]), is_camel: false }
    }

    pub(super) fn with_words(self, to: &'static str, words: &'static [(&'static str, &'static str)]) -> Spelling {
        Spelling { words: (to, words), ..self }
    }

    pub(super) fn in_camel_case(self) -> Spelling {
        Spelling { is_camel: true, ..self }
    }

    /// The record as the provider spells it; `None` where nothing in it is the provider's own.
    pub(super) fn rewrite(&self, text: &str) -> Result<Option<String>, Reject> {
        let mut slots = vec![Scalar::Absent; self.places.len()];
        self.paths.read_into(text, &mut slots)?;
        let is_own = |(place, slot): (&&str, &Scalar<'_>)| place.starts_with(self.own) && !slot.is_absent();
        if !self.places.iter().zip(&slots).any(is_own) {
            return Ok(None);
        }
        let mut writer = Writer::default();
        let mut whole = "";
        for (to, from) in self.rows {
            let is_inside = to.strip_prefix(whole).is_some_and(|rest| rest.starts_with('/'));
            if is_inside && !whole.is_empty() {
                continue;
            }
            if let Some(json) = from.iter().find_map(|place| self.value(place, &slots)) {
                writer.put(to, self.word(to, &json).as_deref().unwrap_or(&json));
                whole = to;
            }
        }
        Ok(Some(writer.finish()))
    }

    /// The provider's word for the value `json` of the row `to`, where it is another.
    fn word(&self, to: &str, json: &str) -> Option<String> {
        if to != self.words.0 {
            return None;
        }
        let text = json.trim_matches('"');
        let (_, word) = self.words.1.iter().find(|(known, _)| known.eq_ignore_ascii_case(text))?;
        Some(format!("\"{word}\""))
    }

    fn value(&self, place: &str, slots: &[Scalar<'_>]) -> Option<String> {
        if let Some(text) = place.strip_prefix('=') {
            return sonic_rs::to_string(text).ok();
        }
        let slot = slots.get(self.places.binary_search(&place).ok()?)?;
        match slot {
            _ if slot.is_absent() => None,
            Scalar::Text(text) => sonic_rs::to_string(&**text).ok(),
            Scalar::Integer(number) => Some(number.to_string()),
            Scalar::Float(number) => number.is_finite().then(|| number.to_string()),
            Scalar::Flag(flag) => Some(flag.to_string()),
            Scalar::Json(json) if self.is_camel => Some(camel_keys(json)),
            Scalar::Json(json) => Some((*json).to_owned()),
            Scalar::Absent | Scalar::Other => None,
        }
    }
}

/// JSON with its keys in camel case: `alternate_id` is `alternateId`.
fn camel_keys(json: &str) -> String {
    let mut written = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        let text = &rest[start + 1..];
        let end = end_of_text(text);
        let (text, after) = text.split_at(end);
        written.push_str(&rest[..=start]);
        let is_key = after.get(1..).is_some_and(|after| after.trim_start().starts_with(':'));
        let mut is_after_line = false;
        for c in text.chars() {
            if is_key && c == '_' && !is_after_line {
                is_after_line = true;
                continue;
            }
            written.push(if is_after_line { c.to_ascii_uppercase() } else { c });
            is_after_line = false;
        }
        written.push_str(&after[..after.len().min(1)]);
        rest = &after[after.len().min(1)..];
    }
    written.push_str(rest);
    written
}

/// Where the quotation mark is that ends a text.
fn end_of_text(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.unwrap_or(text.len())
}

/// Writes values into objects, which stay open as long as values for them come.
#[derive(Default)]
struct Writer<'k> {
    json: String,
    open: Vec<&'k str>,
}

impl<'k> Writer<'k> {
    fn put(&mut self, to: &'k str, value: &str) {
        let mut keys: Vec<&str> = to.split('/').collect();
        let Some(last) = keys.pop() else { return };
        let shared = self.open.iter().zip(&keys).take_while(|(open, key)| open == key).count();
        self.close(shared);
        for key in &keys[shared..] {
            self.key(key);
            self.open.push(key);
        }
        self.key(last);
        self.json.push_str(value);
    }

    /// A key of the innermost object; where nothing stands yet, the object begins with it.
    fn key(&mut self, key: &str) {
        self.json.push(if self.json.is_empty() || self.json.ends_with(':') { '{' } else { ',' });
        // A `String` takes everything.
        write!(self.json, "\"{key}\":").unwrap_or_default();
    }

    fn close(&mut self, depth: usize) {
        while self.open.len() > depth {
            self.open.pop();
            self.json.push('}');
        }
    }

    fn finish(mut self) -> String {
        self.close(0);
        self.json.push_str(if self.json.is_empty() { "{}" } else { "}" });
        self.json
    }
}

/// What a reader found in one record.
pub(super) type Found = Vec<Result<Decoded<'static>, Reject>>;

/// What the format's reader makes of a rewritten record; `None` where no such reader is there.
pub(super) fn read_as(format: Format, record: &str, around: &Around) -> Option<Result<Found, Reject>> {
    let mut found = Vec::new();
    // Where something stands in the rewritten record says nothing of the one that came.
    let mut emit = |decoded: Result<Decoded<'_>, Reject>| {
        found.push(decoded.map(Decoded::into_owned).map_err(|reject| Reject { offset: 0, ..reject }));
    };
    let read = if format == Format::Entra {
        let mut fields = Record::new();
        read_record(record, &mut fields)
            .and_then(|()| entra::decode_record(&mut fields, entra::Source::Object(record), &mut emit))
    } else {
        let reader = READERS.iter().find(|reader| reader.format == format)?;
        (reader.read)(record, around, &mut emit)
    };
    Some(read.map(|()| found))
}

pub(super) fn emit_all(found: Found, emit: Emit<'_, '_>) {
    for decoded in found {
        emit(decoded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_moved_and_objects_nested() {
        let spelling = Spelling::new(
            "vendor/",
            &[
                ("kind", &["=a long event"]),
                ("actor/id", &["vendor/actor_id", "user/id"]),
                ("actor/detail/name", &["user/name"]),
                ("actor/detail/name/first", &["user/id"]),
                ("actor/detail/list", &["vendor/list"]),
                ("actor/last", &["vendor/flag"]),
                ("none", &["vendor/none"]),
                ("end", &["vendor/number"]),
            ],
        )
        .with_words("kind", &[("A long event", "event")]);
        let document = r#"{"vendor.flag":true,"vendor":{"list":[{"a":1}],"number":1.5,"none":null},"user":{"id":7,"name":"A \"B\"\n"}}"#;
        let expected = r#"{"kind":"event","actor":{"id":7,"detail":{"name":"A \"B\"\n","list":[{"a":1}]},"last":true},"end":1.5}"#;
        assert_eq!(spelling.rewrite(document).unwrap().unwrap(), expected);
        assert_eq!(spelling.rewrite(r#"{"user":{"id":7}}"#).unwrap(), None);
    }

    #[test]
    fn keys_inside_values_change_their_case_and_texts_do_not() {
        let spelling = Spelling::new("a", &[("x", &["a"])]).in_camel_case();
        let document = r#"{"a":[{"alternate_id" : "b_c","_id":"\"d_e\":","f":{"g_h_i":1}},"j_k"]}"#;
        let expected = r#"{"x":[{"alternateId" : "b_c","Id":"\"d_e\":","f":{"gHI":1}},"j_k"]}"#;
        assert_eq!(spelling.rewrite(document).unwrap().unwrap(), expected);
    }

    #[test]
    fn objects_may_end_a_record() {
        let spelling = Spelling::new("a", &[("x/y/z", &["a"])]);
        assert_eq!(spelling.rewrite(r#"{"a":"b"}"#).unwrap().unwrap(), r#"{"x":{"y":{"z":"b"}}}"#);
    }
}
