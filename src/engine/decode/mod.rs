//! Bytes → [`SignIn`] | [`Feedback`] | skipped | rejected, one file a provider format.
//!
//! A record is one JSON value as a log line or a Kafka message carries it; it may be an envelope that holds many
//! sign-ins, so decoding calls back once for each. Nothing here fails for outside reasons: what cannot be read is
//! a [`Reject`] with one of a closed list of reasons.

mod address;
mod client;
mod entra;
mod entra_codes;
mod entra_result;
mod event_id;
mod farsign;
mod fields;
mod keys;
mod lenient;
mod scalar;
mod scan;
mod steps;
mod text;
mod time;

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use sonic_rs::LazyValue;

pub use address::parse_address;
pub use entra::TENANT_UNKNOWN;
pub use entra_codes::{Meaning, meaning_of};
pub use farsign::{write_farsign, write_farsign_feedback, write_farsign_upstream_finding};
pub use scan::DEPTH_MAX;
pub use time::{TimeError, parse_time, time_of_float, time_of_integer};

use super::signin::{Feedback, SignIn, UpstreamFinding};
use fields::{KeyName, Record};
use keys::{Envelope, Slot, column_slot};
use lenient::Shape;

/// Which decoder reads the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Decide per record.
    Auto,
    Entra,
    Farsign,
}

/// A record larger than this is a reject, unread.
pub const RECORD_LENGTH_MAX: usize = 1 << 20;

/// Why a record was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RejectReason {
    /// Not JSON, or cut off in the middle.
    Malformed,
    /// Longer than [`RECORD_LENGTH_MAX`].
    TooLarge,
    /// Not UTF-8.
    InvalidUtf8,
    /// Nested deeper than the decoder follows.
    TooDeep,
    /// JSON, but of no format known (with `auto`) or not of the one named.
    UnknownFormat,
    /// A needed field has a type that cannot be read.
    WrongType,
    /// No usable time.
    NoTime,
    /// A time before 2000 or after 2099.
    TimeOutOfRange,
    /// No user id and no user name.
    NoUser,
    /// An id longer than the limit or with control characters.
    BadId,
}

impl RejectReason {
    pub const ALL: [RejectReason; 10] = [
        RejectReason::Malformed,
        RejectReason::TooLarge,
        RejectReason::InvalidUtf8,
        RejectReason::TooDeep,
        RejectReason::UnknownFormat,
        RejectReason::WrongType,
        RejectReason::NoTime,
        RejectReason::TimeOutOfRange,
        RejectReason::NoUser,
        RejectReason::BadId,
    ];

    pub fn name(self) -> &'static str {
        match self {
            RejectReason::Malformed => "malformed",
            RejectReason::TooLarge => "tooLarge",
            RejectReason::InvalidUtf8 => "invalidUtf8",
            RejectReason::TooDeep => "tooDeep",
            RejectReason::UnknownFormat => "unknownFormat",
            RejectReason::WrongType => "wrongType",
            RejectReason::NoTime => "noTime",
            RejectReason::TimeOutOfRange => "timeOutOfRange",
            RejectReason::NoUser => "noUser",
            RejectReason::BadId => "badId",
        }
    }
}

/// Why a well-formed record is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SkipReason {
    ServicePrincipal,
    ManagedIdentity,
    /// Microsoft's own service principals.
    MicrosoftServicePrincipal,
    /// Another log of a known provider (audit, provisioning, risk …).
    NotASignIn,
}

impl SkipReason {
    pub const ALL: [SkipReason; 4] = [
        SkipReason::ServicePrincipal,
        SkipReason::ManagedIdentity,
        SkipReason::MicrosoftServicePrincipal,
        SkipReason::NotASignIn,
    ];

    pub fn name(self) -> &'static str {
        match self {
            SkipReason::ServicePrincipal => "servicePrincipal",
            SkipReason::ManagedIdentity => "managedIdentity",
            SkipReason::MicrosoftServicePrincipal => "microsoftServicePrincipal",
            SkipReason::NotASignIn => "notASignIn",
        }
    }
}

/// A record, or one element of an envelope, that could not be decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Reject {
    pub reason: RejectReason,
    /// Byte offset within the record where reading stopped or the element begins; 0 when unknown.
    pub offset: usize,
    /// What was found, in a few words; never the record's content beyond a field name.
    pub detail: Cow<'static, str>,
}

impl Reject {
    fn new(reason: RejectReason, detail: impl Into<Cow<'static, str>>) -> Reject {
        Reject { reason, offset: 0, detail: detail.into() }
    }

    /// The same reject, as seen from `start` bytes before.
    fn moved(self, start: usize) -> Reject {
        Reject { offset: self.offset + start, ..self }
    }
}

/// What one element of a record turned out to be.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are sign-ins, and a box would be an allocation for each"
)]
pub enum Decoded<'a> {
    SignIn(SignIn<'a>),
    Feedback(Feedback<'a>),
    UpstreamFinding(UpstreamFinding<'a>),
    Skipped(SkipReason),
}

/// Envelopes may hold envelopes, but not more than this many deep.
const ENVELOPE_DEPTH_MAX: usize = 4;

/// Decodes one record, calling `each` once for every element in it, in order.
///
/// An empty envelope calls `each` never. `record` holds no newline framing; surrounding white space and a UTF-8
/// byte order mark are tolerated. A record that is not whole, valid JSON is one reject, whatever it holds.
pub fn decode<'a>(format: Format, record: &'a [u8], each: &mut impl FnMut(Result<Decoded<'a>, Reject>)) {
    let (text, start) = match scan::checked_text(record) {
        Ok(checked) => checked,
        Err(reject) => return each(Err(reject)),
    };
    if let Err(reject) = scan::check_depth(text) {
        return each(Err(reject.moved(start)));
    }
    Walk { format, origin: text, start, each }.value(text, 0);
}

/// One record being taken apart.
struct Walk<'w, 'a, F> {
    format: Format,
    /// The record's text, of which every element is a part.
    origin: &'a str,
    /// Where `origin` starts within the record.
    start: usize,
    each: &'w mut F,
}

impl<'a, F: FnMut(Result<Decoded<'a>, Reject>)> Walk<'_, 'a, F> {
    fn value(&mut self, text: &'a str, depth: usize) {
        if depth > ENVELOPE_DEPTH_MAX {
            return self.reject(text, Reject::new(RejectReason::TooDeep, "an envelope too deep in envelopes"));
        }
        match text.as_bytes().first() {
            Some(b'{') => self.object(text, depth),
            Some(b'[') if depth == 0 => match fields::read_text(text, Whole) {
                Ok(()) => self.elements(text, depth),
                Err(reject) => self.reject(text, reject),
            },
            Some(b'[') => self.elements(text, depth),
            _ => {
                let read = fields::read_text(text, Whole);
                let not_ours = || Reject::new(RejectReason::UnknownFormat, "neither an object nor an array");
                self.reject(text, read.map_or_else(|reject| reject, |()| not_ours()));
            }
        }
    }

    fn object(&mut self, text: &'a str, depth: usize) {
        let is_ours = self.format == Format::Farsign || (self.format == Format::Auto && farsign::is_likely(text));
        if is_ours {
            match farsign::decode(text) {
                Ok(Some(decoded)) => return (self.each)(Ok(decoded)),
                Err(reject) => return self.reject(text, reject),
                Ok(None) if self.format == Format::Farsign => {
                    let detail = "`type` is not `signIn`, `feedback` or `upstreamFinding`";
                    return self.reject(text, Reject::new(RejectReason::UnknownFormat, detail));
                }
                Ok(None) => {}
            }
        }
        let mut record = Record::new();
        if let Err(reject) = fields::read_record(text, &mut record) {
            return self.reject(text, reject);
        }
        if self.format == Format::Auto && farsign::is_type(record.own.get(keys::Key::Type)) {
            let decoded = farsign::decode(text).and_then(|decoded| {
                decoded.ok_or_else(|| Reject::new(RejectReason::UnknownFormat, "`type` is not known"))
            });
            return self.emit(text, decoded);
        }
        match entra::envelope_of(&record) {
            Some((Envelope::Tables, raw)) => self.tables(raw),
            Some((Envelope::Records | Envelope::Value, raw)) => self.elements(raw, depth + 1),
            None => self.emit(text, entra::decode_record(&mut record)),
        }
    }

    /// The elements of an array that is known to be valid JSON.
    fn elements(&mut self, array: &'a str, depth: usize) {
        for element in raw_elements(array) {
            self.value(element, depth + 1);
        }
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
                let decoded = if row.starts_with('[') {
                    let mut record = Record::new();
                    fields::read_row(row, &columns, &mut record).and_then(|()| entra::decode_record(&mut record))
                } else {
                    Err(Reject::new(RejectReason::UnknownFormat, "a row that is no array"))
                };
                self.emit(row, decoded);
            }
        }
    }

    fn emit(&mut self, element: &'a str, decoded: Result<Decoded<'a>, Reject>) {
        match decoded {
            Ok(decoded) => (self.each)(Ok(decoded)),
            Err(reject) => self.reject(element, reject),
        }
    }

    fn reject(&mut self, element: &str, reject: Reject) {
        let within = (element.as_ptr() as usize).saturating_sub(self.origin.as_ptr() as usize);
        (self.each)(Err(reject.moved(self.start + within.min(self.origin.len()))));
    }
}

/// Any value, only to see that it is whole.
struct Whole;

impl<'de> Shape<'de> for Whole {
    type Value = ();

    fn none(self) {}
}

/// The texts of an array's elements, unread. The array must be valid JSON.
fn raw_elements(array: &str) -> impl Iterator<Item = &str> {
    sonic_rs::to_array_iter(array).map_while(Result::ok).map(|element: LazyValue<'_>| match element.as_raw_cow() {
        Cow::Borrowed(raw) => raw,
        // Text with escapes is no record; what it says does not matter.
        Cow::Owned(_) => "0",
    })
}

struct TableParts<'a> {
    columns: Vec<Option<Slot>>,
    rows: Option<&'a str>,
}

struct TableShape;

impl<'de> Shape<'de> for TableShape {
    type Value = Option<TableParts<'de>>;

    fn none(self) -> Self::Value {
        None
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut parts = TableParts { columns: Vec::new(), rows: None };
        while let Some(key) = entries.next_key::<Cow<'de, str>>()? {
            match &*key {
                "columns" => parts.columns = entries.next_value_seed(lenient::Lenient(ColumnsShape))?,
                "rows" => parts.rows = fields::raw_array(entries.next_value()?),
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(parts))
    }
}

struct ColumnsShape;

impl<'de> Shape<'de> for ColumnsShape {
    type Value = Vec<Option<Slot>>;

    fn none(self) -> Self::Value {
        Vec::new()
    }

    fn array<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut columns = Vec::new();
        while let Some(slot) = elements.next_element_seed(lenient::Lenient(ColumnShape))? {
            columns.push(slot);
        }
        Ok(columns)
    }
}

struct ColumnShape;

impl<'de> Shape<'de> for ColumnShape {
    type Value = Option<Slot>;

    fn none(self) -> Self::Value {
        None
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut slot = None;
        while let Some(is_name) = entries.next_key_seed(KeyName(|key: &str| key == "name"))? {
            if is_name {
                slot = column_slot(entries.next_value::<scalar::Scalar<'de>>()?.as_str());
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(slot)
    }
}
