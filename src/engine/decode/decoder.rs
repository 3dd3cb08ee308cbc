//! Takes one record apart: through the envelopes around it to the reader of its format.
//!
//! Every element calls back once or more: with what it is, or with its reject. What an envelope holds as text with
//! escapes, in base64 or in gzip is read from a copy, and what comes of it is copied again: an allocation for each
//! field, on such records only.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::{Arc, LazyLock};

use super::entra::{self, Source};
use super::envelope::{self, NotUnpacked, Unwrap, WRAPPINGS, Wrapping};
use super::fields::{self, Record};
use super::format::{Format, Kind, Reader, kind_of};
use super::keys::{Envelope, Key, Slot};
use super::mapping::Mappings;
use super::paths::offset_in;
use super::people::People;
use super::tables::{TableParts, TableShape};
use super::{
    Around, Decoded, READERS, RECORD_LENGTH_MAX, Reject, RejectReason, UNPACKED_LENGTH_MAX, Whole, raw_elements,
};
use super::{farsign, m365, ocsf, scan};
use crate::engine::signin::EventTime;

/// Envelopes may hold envelopes, but not more than this many deep.
const ENVELOPE_DEPTH_MAX: usize = 6;

/// Elements that are taken of one record: beyond it the rest is one reject. A record of [`RECORD_LENGTH_MAX`] with
/// sign-ins holds a tenth of them; a line that says it was repeated, or an array of nothing, could make any number.
pub const ELEMENTS_MAX: usize = 100_000;

/// How records are read: the format, and what the configuration says of it. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoder {
    pub format: Format,
    /// Year of times that have none, in records that come without a time of their own.
    pub year: Option<i16>,
    /// Where an object may have the record that it is an envelope of.
    pub unwrap: Arc<Unwrap>,
    /// Asked before any known format.
    pub mappings: Arc<Mappings>,
    /// Who has which accounts.
    pub people: Arc<People>,
}

/// What a configuration that says nothing has: shared, so that a decoder costs no allocation.
static NOTHING: LazyLock<(Arc<Unwrap>, Arc<Mappings>, Arc<People>)> = LazyLock::new(Default::default);

impl Decoder {
    /// As configured by nothing but the format.
    pub fn new(format: Format) -> Decoder {
        let (unwrap, mappings, people) = NOTHING.clone();
        Decoder { format, year: None, unwrap, mappings, people }
    }

    /// Decodes one record, calling `each` at least once for every element in it, in order. `received` is when the queue
    /// got the record.
    ///
    /// An empty envelope calls `each` never. `record` holds no newline framing; surrounding white space and a UTF-8 byte
    /// order mark are tolerated. A record that begins as JSON and is not whole, valid JSON is one reject, whatever it
    /// holds.
    pub fn decode<'a>(
        &self,
        record: &'a [u8],
        received: Option<EventTime>,
        each: &mut impl FnMut(Result<Decoded<'a>, Reject>),
    ) {
        let people = &*self.people;
        let each = &mut |mut decoded: Result<Decoded<'a>, Reject>| {
            if let Ok(decoded) = &mut decoded {
                people.resolve(decoded);
            }
            each(decoded);
        };
        let around = Around { time: received, year: self.year };
        let spent = Spent::default();
        let each = &mut |decoded: Result<Decoded<'a>, Reject>| match spent.count_element() {
            Some(true) => each(decoded),
            Some(false) => {
                let detail = format!("more than {ELEMENTS_MAX} elements");
                each(Err(Reject::new(RejectReason::TooLarge, detail).moved(spent.at.get())));
            }
            None => {}
        };
        if envelope::is_gzip(record) {
            return self.decode_gzip(record, around, &spent, each);
        }
        let (text, start) = match scan::checked_text(record) {
            Ok(checked) => checked,
            Err(reject) => return each(Err(reject)),
        };
        if let Err(reject) = scan::check_depth(text) {
            return each(Err(reject.moved(start)));
        }
        Walk { decoder: self, origin: text, start, is_copy: false, around, spent: &spent, each }.root(text, 0);
    }

    fn decode_gzip<'a>(
        &self,
        record: &'a [u8],
        around: Around,
        spent: &Spent,
        each: &mut dyn FnMut(Result<Decoded<'a>, Reject>),
    ) {
        if record.len() > RECORD_LENGTH_MAX {
            let detail = format!("longer than {RECORD_LENGTH_MAX} bytes");
            return each(Err(Reject::new(RejectReason::TooLarge, detail)));
        }
        let text = match envelope::unpack(record, UNPACKED_LENGTH_MAX) {
            Ok(text) => text,
            Err(why) => return each(Err(not_unpacked(why))),
        };
        spent.unpacked.set(text.len());
        let mut walk = Walk { decoder: self, origin: "", start: 0, is_copy: false, around, spent, each };
        walk.copied(&text, "", 1);
    }
}

/// [`Decoder::decode`] of a record of which nothing else is known.
pub fn decode<'a>(format: Format, record: &'a [u8], each: &mut impl FnMut(Result<Decoded<'a>, Reject>)) {
    Decoder::new(format).decode(record, None, each);
}

/// What one record has cost so far.
#[derive(Default)]
struct Spent {
    /// Bytes that were unpacked.
    unpacked: Cell<usize>,
    elements: Cell<usize>,
    /// Where in the record the element being read begins.
    at: Cell<usize>,
}

impl Spent {
    /// Counts one more: whether it is within the limit; `None` where that was told already.
    fn count_element(&self) -> Option<bool> {
        let before = self.elements.get();
        self.elements.set(before.saturating_add(1));
        (before <= ELEMENTS_MAX).then_some(before < ELEMENTS_MAX)
    }

    /// No element is taken any more.
    fn is_out(&self) -> bool {
        self.elements.get() > ELEMENTS_MAX
    }
}

/// One record being taken apart.
struct Walk<'w, 'a> {
    decoder: &'w Decoder,
    /// The record's text, of which every element is a part.
    origin: &'a str,
    /// Where `origin` starts within the record.
    start: usize,
    /// `origin` is no part of the record, but was unpacked from it.
    is_copy: bool,
    around: Around,
    spent: &'w Spent,
    each: &'w mut dyn FnMut(Result<Decoded<'a>, Reject>),
}

impl<'a> Walk<'_, 'a> {
    /// Text of which nothing has been read yet.
    fn root(&mut self, text: &'a str, depth: usize) {
        match text.as_bytes().first() {
            Some(b'{') => self.value(text, depth),
            Some(b'[') => match fields::read_text(text, Whole) {
                Ok(()) => self.value(text, depth),
                // A line may begin with its time in brackets.
                Err(_) if self.reader_of_line(text).is_some() => self.line(text),
                Err(reject) => self.reject(text, reject),
            },
            _ => self.line(text),
        }
    }

    /// An object that is to be read, or an array known to be valid JSON.
    fn value(&mut self, text: &'a str, depth: usize) {
        if self.is_out_at(text) {
            return;
        }
        if depth > ENVELOPE_DEPTH_MAX {
            return self.reject(text, Reject::new(RejectReason::TooDeep, "an envelope too deep in envelopes"));
        }
        match text.as_bytes().first() {
            Some(b'{') => self.object(text, depth),
            Some(b'[') => self.elements(text, depth),
            _ => self.line(text),
        }
    }

    fn object(&mut self, text: &'a str, depth: usize) {
        let format = self.decoder.format;
        if format == Format::Farsign || (format == Format::Auto && farsign::is_likely(text)) {
            match farsign::decode(text) {
                Ok(Some(decoded)) => return (self.each)(Ok(decoded)),
                Err(reject) => return self.reject(text, reject),
                Ok(None) if format == Format::Farsign => {
                    let detail = "`type` is not `signIn`, `feedback` or `upstreamFinding`";
                    return self.reject(text, Reject::new(RejectReason::UnknownFormat, detail));
                }
                Ok(None) => {}
            }
        }
        if !self.decoder.unwrap.is_empty() && self.unwrapped(text, depth) {
            return;
        }
        if !self.decoder.mappings.is_empty() && matches!(format, Format::Auto | Format::Mapping) {
            let (each, around) = (&mut *self.each, self.around);
            match self.decoder.mappings.read(text, &around, &mut *each) {
                Ok(true) => return,
                Ok(false) => {}
                Err(reject) => return self.reject(text, reject),
            }
        }
        match (kind_of(text), format) {
            (Some(Kind::Wrapping(index)), _) => self.wrapped(&WRAPPINGS[index], text, depth),
            // An answer of Graph's is nothing but its `value`.
            (kind, Format::Mapping) => match self.list(kind.or(Some(Kind::Entra)), text) {
                Some(list) => self.elements(list, depth + 1),
                None => {
                    let detail = "no mapping is for this record";
                    self.reject(text, Reject::new(RejectReason::UnknownFormat, detail));
                }
            },
            (Some(Kind::Record(index)), named) if named == Format::Auto || named == READERS[index].format => {
                self.read(&READERS[index], text)
            }
            (_, Format::Auto | Format::Entra) => self.azure(text, depth),
            (kind, named) => match (self.list(kind, text), reader_of(named)) {
                (Some(list), _) => self.elements(list, depth + 1),
                (None, Some(reader)) => self.read(reader, text),
                (None, None) => self.azure(text, depth),
            },
        }
    }

    /// The array of records that Azure's queues put around any format's.
    fn list(&self, kind: Option<Kind>, text: &'a str) -> Option<&'a str> {
        if kind != Some(Kind::Entra) {
            return None;
        }
        let mut record = Record::new();
        fields::read_record(text, &mut record).ok()?;
        match entra::envelope_of(&record) {
            Some((Envelope::Records | Envelope::Value, raw)) => Some(raw),
            _ => None,
        }
    }

    /// Reads what an object has where the configuration says that records are; false when there is nothing.
    fn unwrapped(&mut self, text: &'a str, depth: usize) -> bool {
        let Some(found) = self.decoder.unwrap.content(text) else { return false };
        match trimmed(found) {
            Cow::Borrowed(content) => self.content(content, text, depth + 1),
            Cow::Owned(content) => self.content_copied(&content, text, depth + 1),
        }
        true
    }

    fn read(&mut self, reader: &Reader, text: &'a str) {
        let (at, around, each) = (self.offset_of(text), self.around, &mut *self.each);
        let mut emit = |decoded: Result<Decoded<'a>, Reject>| each(decoded.map_err(|reject| reject.moved(at)));
        if let Err(reject) = (reader.read)(text, &around, &mut emit) {
            self.reject(text, reject);
        }
    }

    /// A record of Azure's, one of its envelopes, or one of our own that does not begin as we write it.
    fn azure(&mut self, text: &'a str, depth: usize) {
        let mut record = Record::new();
        if let Err(reject) = fields::read_record(text, &mut record) {
            return self.reject(text, reject);
        }
        if self.decoder.format == Format::Auto && farsign::is_type(record.own.get(Key::Type)) {
            let decoded = farsign::decode(text).and_then(|decoded| {
                decoded.ok_or_else(|| Reject::new(RejectReason::UnknownFormat, "`type` is not known"))
            });
            return self.emit(text, decoded);
        }
        match entra::envelope_of(&record) {
            Some((Envelope::Tables, raw)) => self.tables(raw),
            Some((Envelope::Records | Envelope::Value, raw)) => self.elements(raw, depth + 1),
            None if self.decoder.format == Format::Auto && entra::is_m365(&record) => {
                self.read(&m365::READER, text)
            }
            None => {
                if let Err(reject) = entra::decode_record(&mut record, Source::Object(text), &mut *self.each) {
                    self.reject(text, reject);
                }
            }
        }
    }

    /// The elements of an array that is known to be valid JSON.
    fn elements(&mut self, array: &'a str, depth: usize) {
        for element in sonic_rs::to_array_iter(array).map_while(Result::ok) {
            match element.as_raw_cow() {
                Cow::Borrowed(raw) if !raw.starts_with('"') => self.value(raw, depth + 1),
                // Text, in which a record may be.
                raw => match sonic_rs::from_str::<String>(&raw) {
                    Ok(content) => self.content_copied(content.trim(), array, depth + 1),
                    Err(_) => {
                        let detail = "text that is no record";
                        self.reject(array, Reject::new(RejectReason::UnknownFormat, detail));
                    }
                },
            }
        }
    }

    /// What a shipper or queue has put something around.
    fn wrapped(&mut self, wrapping: &Wrapping, text: &'a str, depth: usize) {
        let format = self.decoder.format;
        let Some(opened) = envelope::open(wrapping, text, &self.around) else {
            let whole = fields::read_text(text, Whole);
            let detail = "an envelope that cannot be read";
            let reject = whole.err().unwrap_or_else(|| Reject::new(RejectReason::UnknownFormat, detail));
            return self.reject(text, reject);
        };
        if opened.is_ocsf && matches!(format, Format::Auto | Format::Ocsf) {
            return self.read(&ocsf::READER, text);
        }
        let document = if opened.is_document { reader_of(Format::Ecs) } else { None };
        if let (Some(reader), Format::Ecs) = (document, format) {
            return self.read(reader, text);
        }
        if opened.contents.is_empty() && !opened.is_document && matches!(format, Format::Auto | Format::Entra) {
            // A key that is an envelope's, with nothing in it, may be any record's.
            return self.azure(text, depth);
        }
        let (is_document, is_understood) = (opened.is_document, opened.is_understood);
        let contents = opened.contents.into_iter().filter_map(envelope::text_of);
        let found = contents.map(trimmed).find(|content| self.is_content(content, is_document, is_understood));
        let Some(content) = found else {
            return match document {
                Some(reader) if format == Format::Auto => self.read(reader, text),
                _ => {
                    let detail = "an envelope around nothing that is known";
                    self.reject(text, Reject::new(RejectReason::UnknownFormat, detail));
                }
            };
        };
        let around = std::mem::replace(&mut self.around, opened.around);
        match content {
            Cow::Borrowed(content) => self.content(content, text, depth + 1),
            Cow::Owned(content) => self.content_copied(&content, text, depth + 1),
        }
        self.around = around;
    }

    /// Is it worth a look? A document says enough itself when nothing that is known stands in it.
    fn is_content(&self, content: &str, is_document: bool, is_understood: bool) -> bool {
        match content.as_bytes().first() {
            None => false,
            Some(b'{') if is_document && self.decoder.format == Format::Auto => {
                scan::check_depth(content).is_ok()
                    && (kind_of(content).is_some() || self.decoder.mappings.are_for(content))
            }
            // A line of a log may begin so, too.
            Some(b'[') if is_document => {
                scan::check_depth(content).is_ok() && fields::read_text(content, Whole).is_ok()
            }
            Some(b'{' | b'[') => true,
            Some(_) => !is_understood && (!is_document || self.reader_of_line(content).is_some()),
        }
    }

    /// What an envelope holds, as it stands in the record.
    fn content(&mut self, content: &'a str, element: &'a str, depth: usize) {
        if content.starts_with(['{', '[']) {
            return match scan::check_depth(content) {
                Ok(()) => self.root(content, depth),
                Err(reject) => self.reject(element, reject),
            };
        }
        if self.reader_of_line(content).is_some() {
            return self.line(content);
        }
        self.unpacked(content, element, depth);
    }

    /// As [`Self::content`], of text that does not outlive the call.
    fn content_copied(&mut self, content: &str, element: &'a str, depth: usize) {
        if content.starts_with(['{', '[']) || self.reader_of_line(content).is_some() {
            self.copied(content, element, depth);
        } else {
            self.unpacked(content, element, depth);
        }
    }

    fn unpacked(&mut self, content: &str, element: &'a str, depth: usize) {
        let left = UNPACKED_LENGTH_MAX.saturating_sub(self.spent.unpacked.get());
        match envelope::unpack(content.as_bytes(), left) {
            Ok(text) => {
                self.spent.unpacked.set(self.spent.unpacked.get() + text.len());
                self.copied(&text, element, depth);
            }
            Err(NotUnpacked::Unreadable) => {
                let detail = "an envelope around text of no known format";
                self.reject(element, Reject::new(RejectReason::UnknownFormat, detail));
            }
            Err(why) => {
                // What did not fit has cost as much as what did.
                self.spent.unpacked.set(UNPACKED_LENGTH_MAX);
                self.reject(element, not_unpacked(why));
            }
        }
    }

    /// Reads text that is no part of the record; what comes of it is copied, and its rejects stand at `element`.
    fn copied(&mut self, text: &str, element: &'a str, depth: usize) {
        let text = text.trim();
        let at = self.offset_of(element);
        let (decoder, around, spent, each) = (self.decoder, self.around, self.spent, &mut *self.each);
        let mut inner_each = |decoded: Result<Decoded<'_>, Reject>| match decoded {
            Ok(decoded) => each(Ok(decoded.into_owned())),
            Err(reject) => each(Err(Reject { offset: at, ..reject })),
        };
        match scan::check_depth(text) {
            Ok(()) => {
                let mut walk =
                    Walk { decoder, origin: text, start: 0, is_copy: true, around, spent, each: &mut inner_each };
                walk.lines_or_root(text, depth);
            }
            Err(reject) => inner_each(Err(reject)),
        }
    }

    /// Packed text may hold a record a line.
    fn lines_or_root(&mut self, text: &'a str, depth: usize) {
        let is_one = !text.contains('\n') || fields::read_text(text, Whole).is_ok();
        if is_one {
            return self.root(text, depth);
        }
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.root(line, depth);
        }
    }

    /// A record that is no JSON object or array.
    fn line(&mut self, text: &'a str) {
        if self.is_out_at(text) {
            return;
        }
        if let Some(reader) = self.reader_of_line(text) {
            return self.read(reader, text);
        }
        let read = fields::read_text(text, Whole);
        let not_ours = || Reject::new(RejectReason::UnknownFormat, "neither an object nor an array");
        self.reject(text, read.map_or_else(|reject| reject, |()| not_ours()));
    }

    fn reader_of_line(&self, text: &str) -> Option<&'static Reader> {
        let format = self.decoder.format;
        let mut named = READERS.iter().filter(|reader| format == Format::Auto || format == reader.format);
        named.find(|reader| reader.is_line.is_some_and(|is_line| is_line(text)))
    }

    /// The tables of a Log Analytics query's response.
    fn tables(&mut self, array: &'a str) {
        for table in raw_elements(array) {
            let parts = fields::read_text(table, TableShape);
            let Ok(Some(TableParts { columns, rows: Some(rows) })) = parts else {
                self.reject(table, Reject::new(RejectReason::UnknownFormat, "a table without columns and rows"));
                continue;
            };
            if columns.iter().all(Option::is_none) {
                self.reject(table, Reject::new(RejectReason::UnknownFormat, "a table of no known columns"));
                continue;
            }
            for row in raw_elements(rows) {
                if self.is_out_at(row) {
                    return;
                }
                if let Err(reject) = self.row(row, table, &columns) {
                    self.reject(row, reject);
                }
            }
        }
    }

    fn row(&mut self, row: &'a str, table: &'a str, columns: &[Option<Slot>]) -> Result<(), Reject> {
        if !row.starts_with('[') {
            return Err(Reject::new(RejectReason::UnknownFormat, "a row that is no array"));
        }
        let mut record = Record::new();
        fields::read_row(row, columns, &mut record)?;
        entra::decode_record(&mut record, Source::Row(row, table), &mut *self.each)
    }

    fn emit(&mut self, element: &'a str, decoded: Result<Decoded<'a>, Reject>) {
        match decoded {
            Ok(decoded) => (self.each)(Ok(decoded)),
            Err(reject) => self.reject(element, reject),
        }
    }

    fn reject(&mut self, element: &str, reject: Reject) {
        let at = self.offset_of(element);
        (self.each)(Err(reject.moved(at)));
    }

    /// Notes that `element` is read next, unless no element is taken any more.
    fn is_out_at(&self, element: &str) -> bool {
        if !self.is_copy {
            self.spent.at.set(self.offset_of(element));
        }
        self.spent.is_out()
    }

    /// Where an element begins within the record.
    fn offset_of(&self, element: &str) -> usize {
        self.start + offset_in(self.origin, element)
    }
}

fn not_unpacked(why: NotUnpacked) -> Reject {
    match why {
        NotUnpacked::Unreadable => Reject::new(RejectReason::Malformed, "gzip that is damaged"),
        NotUnpacked::TooLong => {
            let detail = format!("more than {UNPACKED_LENGTH_MAX} bytes when unpacked");
            Reject::new(RejectReason::TooLarge, detail)
        }
    }
}

fn reader_of(format: Format) -> Option<&'static Reader> {
    READERS.iter().find(|reader| reader.format == format)
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}
