//! Bytes → records: where each one lies, without decoding it.
//!
//! Takes JSON lines, JSON arrays, objects one after another (pretty-printed too) and envelopes
//! (`{"records":[…]}`, `{"value":[…]}`), whose elements become records one by one, so that a file that is one
//! envelope needs no memory. When the first record fills its line, lines that look like an object are taken
//! whole: a search for line breaks is several times faster than following the structure.
//!
//! What begins as neither an object nor an array of them is a line of text, and one record.
//!
//! The rule kept: frames depend on the bytes alone, never on how they were cut into pieces. What is no record is
//! handed on as one, a line at a time, for the decoder to reject; framing goes on at the next line. Bytes that a
//! broken value was followed through are followed again only a few times, so the work stays linear.

use memchr::{memchr, memchr_iter};

use super::scan::{Scan, Scanner, is_white};
use crate::engine::decode::RECORD_LENGTH_MAX;

/// Bytes kept of a record that is too large, to recognise it by.
pub const HEAD_LENGTH_MAX: usize = 4_096;
/// Values beginning inside bytes that were followed in vain already that may be followed beyond their line. Enough
/// for the nesting of a record that was cut off; after them, until those bytes are passed, only what is complete
/// on its line is a value.
const LOOK_AHEADS_MAX: u32 = 8;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One record's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Range in the bytes that were framed.
    pub start: usize,
    pub end: usize,
    /// Line of the input on which it begins, from 1.
    pub line: u64,
    /// Byte offset in the (decompressed) input at which it begins.
    pub offset: u64,
    pub kind: FrameKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameKind {
    Record,
    /// Longer than [`RECORD_LENGTH_MAX`]; its bytes are gone except for the head.
    TooLarge {
        length: u64,
        head: Box<[u8]>,
    },
    /// The input ends, or breaks, inside an array or envelope.
    Unclosed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    None,
    Array,
    Envelope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    /// At an object outside any container: an envelope, a line or a value.
    Object,
    /// In an object that should fill its line.
    ObjectLine,
    Value,
    Line,
    SkipValue,
    SkipLine,
    /// Behind the array of an envelope.
    EnvelopeEnd,
}

/// A record too large to keep, while it is passed over.
#[derive(Debug)]
struct Oversized {
    line: u64,
    offset: u64,
    length: u64,
    head: Box<[u8]>,
}

/// Where framing stands between two pieces of one input.
#[derive(Debug)]
pub struct Framer {
    state: State,
    container: Container,
    scanner: Scanner,
    /// Bytes of the unfinished record that were looked at already.
    scanned: usize,
    oversized: Option<Oversized>,
    /// Offset in the input up to which some value was followed before it broke.
    broken_until: u64,
    /// Values that broke behind their line, of those that began before `broken_until`.
    broken_count: u32,
    /// Bytes that were followed in search of a value's end.
    #[cfg(test)]
    followed: u64,
    /// Do records fill lines? Known once the first record's end was seen.
    by_line: Option<bool>,
    /// Did the first record lie on one line?
    first_on_one_line: Option<bool>,
    /// Line and offset of `counted` in the current piece.
    line: u64,
    counted: usize,
    /// Offset of the current piece in the input.
    offset: u64,
}

impl Default for Framer {
    fn default() -> Framer {
        Framer {
            state: State::Between,
            container: Container::None,
            scanner: Scanner::default(),
            scanned: 0,
            oversized: None,
            broken_until: 0,
            broken_count: 0,
            #[cfg(test)]
            followed: 0,
            by_line: None,
            first_on_one_line: None,
            line: 1,
            counted: 0,
            offset: 0,
        }
    }
}

/// One piece of input and the place in it.
struct Piece<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Nothing follows.
    end: bool,
}

impl<'a> Piece<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }
}

impl Framer {
    /// Appends the records that lie in `bytes` and returns how many bytes are done with. The rest must come again
    /// at the beginning of the next piece, with more behind it. `end` says that nothing follows.
    pub fn frame(&mut self, bytes: &[u8], end: bool, frames: &mut Vec<Frame>) -> usize {
        let mut piece = Piece { bytes, at: 0, end };
        self.counted = 0;
        while self.advance(&mut piece, frames) {}
        if end && piece.at == bytes.len() && self.container != Container::None {
            self.container = Container::None;
            self.push(&piece, piece.at, FrameKind::Unclosed, frames);
        }
        self.count_lines(bytes, piece.at);
        self.offset += piece.at as u64;
        piece.at
    }

    /// One step; false when it needs more input.
    fn advance(&mut self, piece: &mut Piece<'_>, frames: &mut Vec<Frame>) -> bool {
        match self.state {
            State::Between => self.between(piece),
            State::Object => self.object(piece),
            State::ObjectLine => self.object_line(piece, frames),
            State::Value => self.value(piece, frames),
            State::Line => self.line(piece, frames),
            State::SkipValue => self.skip_value(piece, frames),
            State::SkipLine => self.skip_line(piece, frames),
            State::EnvelopeEnd => self.envelope_end(piece, frames),
        }
    }

    fn between(&mut self, piece: &mut Piece<'_>) -> bool {
        if self.offset == 0 && piece.at == 0 && !piece.end && piece.bytes.len() < BYTE_ORDER_MARK.len() {
            return false;
        }
        if self.offset == 0 && piece.at == 0 && piece.bytes.starts_with(BYTE_ORDER_MARK) {
            piece.at = BYTE_ORDER_MARK.len();
        }
        while let Some(&byte) = piece.bytes.get(piece.at).filter(|byte| is_white(**byte) || **byte == b',') {
            if byte == b'\n' && self.by_line.is_none() {
                self.by_line = self.first_on_one_line;
            }
            piece.at += 1;
        }
        let Some(&byte) = piece.bytes.get(piece.at) else { return false };
        if self.by_line.is_none() && self.first_on_one_line.is_some() {
            self.by_line = Some(false);
        }
        self.scanned = 0;
        match (self.container, byte) {
            (Container::Array, b']') => {
                self.container = Container::None;
                piece.at += 1;
            }
            (Container::Envelope, b']') => {
                self.scanner.start_inside_object();
                self.state = State::EnvelopeEnd;
                piece.at += 1;
            }
            (Container::None, b'{') => self.state = State::Object,
            (Container::None, b'[') => return self.open_array(piece),
            (Container::None, _) => self.state = State::Line,
            (Container::Array | Container::Envelope, _) => self.start_value(),
        }
        true
    }

    /// A bracket may also begin a line of something else.
    fn open_array(&mut self, piece: &mut Piece<'_>) -> bool {
        let rest = piece.rest();
        let window = &rest[..rest.len().min(RECORD_LENGTH_MAX + 1)];
        match opens_array(window) {
            Some(true) => {
                self.container = Container::Array;
                piece.at += 1;
            }
            Some(false) => self.state = State::Line,
            None if rest.len() > RECORD_LENGTH_MAX => self.state = State::Line,
            None if piece.end && window.iter().any(|byte| matches!(byte, b'{' | b']')) => {
                self.container = Container::Array;
                piece.at += 1;
            }
            None if piece.end => self.state = State::Line,
            None => return false,
        }
        true
    }

    fn start_value(&mut self) {
        self.scanner.start();
        self.scanned = 0;
        self.state = State::Value;
    }

    fn object(&mut self, piece: &mut Piece<'_>) -> bool {
        match probe_envelope(&piece.rest()[..piece.rest().len().min(RECORD_LENGTH_MAX)]) {
            Probe::Envelope(length) => {
                self.container = Container::Envelope;
                self.state = State::Between;
                piece.at += length;
            }
            Probe::More if !piece.end && piece.rest().len() < RECORD_LENGTH_MAX => return false,
            Probe::More | Probe::No if self.by_line == Some(true) => self.state = State::ObjectLine,
            Probe::More | Probe::No => self.start_value(),
        }
        true
    }

    fn object_line(&mut self, piece: &mut Piece<'_>, frames: &mut Vec<Frame>) -> bool {
        let rest = piece.rest();
        let length = match memchr(b'\n', &rest[self.scanned..]) {
            Some(ahead) => self.scanned + ahead,
            None if !piece.end && rest.len() <= RECORD_LENGTH_MAX => {
                self.scanned = rest.len();
                return false;
            }
            None => rest.len(),
        };
        let kept = rest[..length].iter().rposition(|byte| !is_white(*byte) && *byte != b',');
        match kept {
            Some(last) if length <= RECORD_LENGTH_MAX && rest[last] == b'}' => {
                self.push(piece, piece.at + last + 1, FrameKind::Record, frames);
                piece.at += last + 1;
                // No line break lies inside.
                self.counted = piece.at;
                self.state = State::Between;
            }
            _ => self.start_value(),
        }
        true
    }

    fn value(&mut self, piece: &mut Piece<'_>, frames: &mut Vec<Frame>) -> bool {
        let rest = piece.rest();
        let (bytes, line_ends) = self.to_follow(piece);
        let scan = self.scanner.feed(bytes);
        #[cfg(test)]
        self.count_followed(scan, bytes.len());
        match scan {
            Scan::End(ahead) => self.finish_record(piece, self.scanned + ahead, frames),
            Scan::Broken(ahead) if self.scanned + ahead > RECORD_LENGTH_MAX => {
                self.finish_record(piece, self.scanned + ahead, frames);
                self.state = State::SkipLine;
            }
            Scan::Broken(ahead) => {
                self.note_broken(piece, self.scanned + ahead);
                self.start_line();
            }
            Scan::More if line_ends => self.start_line(),
            Scan::More if rest.len() > RECORD_LENGTH_MAX => self.start_skip(piece, State::SkipValue),
            // Where records fill lines, the line at fault is the first; elsewhere the record was cut off.
            Scan::More if piece.end && self.by_line == Some(true) => {
                self.note_broken(piece, rest.len());
                self.start_line();
            }
            Scan::More if piece.end => {
                self.finish_record(piece, rest.len(), frames);
                // The cut-off record says already that the input is not complete.
                self.container = Container::None;
            }
            Scan::More => {
                self.scanned = rest.len();
                return false;
            }
        }
        true
    }

    /// The bytes in which to look for the value's end, and whether they are all that may be looked at: those up to
    /// the line's end, when look-aheads were in vain too often. A line's end behind the length limit does not
    /// count, as it might lie in another piece.
    fn to_follow<'a>(&self, piece: &Piece<'a>) -> (&'a [u8], bool) {
        let fresh = &piece.rest()[self.scanned..];
        let start = self.offset + piece.at as u64;
        if start >= self.broken_until || self.broken_count < LOOK_AHEADS_MAX {
            return (fresh, false);
        }
        let within = fresh.len().min((RECORD_LENGTH_MAX + 1).saturating_sub(self.scanned));
        match memchr(b'\n', &fresh[..within]) {
            Some(line_end) => (&fresh[..=line_end], true),
            None => (fresh, false),
        }
    }

    /// Remembers that a value was followed for `length` bytes in vain, unless they all lie on its first line, which
    /// is not looked at again.
    fn note_broken(&mut self, piece: &Piece<'_>, length: usize) {
        if memchr(b'\n', &piece.rest()[..length]).is_none() {
            return;
        }
        let start = self.offset + piece.at as u64;
        if start >= self.broken_until {
            self.broken_count = 0;
        }
        self.broken_count += 1;
        self.broken_until = self.broken_until.max(start + length as u64);
    }

    #[cfg(test)]
    fn count_followed(&mut self, scan: Scan, length: usize) {
        self.followed += match scan {
            Scan::More => length,
            Scan::End(ahead) | Scan::Broken(ahead) => ahead,
        } as u64;
    }

    fn start_line(&mut self) {
        self.scanned = 0;
        self.state = State::Line;
    }

    fn line(&mut self, piece: &mut Piece<'_>, frames: &mut Vec<Frame>) -> bool {
        let rest = piece.rest();
        match memchr(b'\n', &rest[self.scanned..]) {
            Some(ahead) => self.finish_record(piece, self.scanned + ahead, frames),
            None if rest.len() > RECORD_LENGTH_MAX => self.start_skip(piece, State::SkipLine),
            None if piece.end => self.finish_record(piece, rest.len(), frames),
            None => {
                self.scanned = rest.len();
                return false;
            }
        }
        true
    }

    /// The record is the next `length` bytes, without white space at its end.
    fn finish_record(&mut self, piece: &mut Piece<'_>, length: usize, frames: &mut Vec<Frame>) {
        let record = piece.rest()[..length].trim_ascii_end();
        self.note_first(length <= RECORD_LENGTH_MAX && memchr(b'\n', record).is_none());
        let end = piece.at + record.len();
        if length > RECORD_LENGTH_MAX {
            let head = piece.rest()[..HEAD_LENGTH_MAX].into();
            self.push(piece, end, FrameKind::TooLarge { length: length as u64, head }, frames);
        } else {
            self.push(piece, end, FrameKind::Record, frames);
        }
        piece.at += length;
        self.state = State::Between;
    }

    fn note_first(&mut self, on_one_line: bool) {
        if self.first_on_one_line.is_none() && self.container == Container::None {
            self.first_on_one_line = Some(on_one_line);
        }
    }

    /// Passes over a record that is too large already, and whose end is not in sight.
    fn start_skip(&mut self, piece: &mut Piece<'_>, state: State) {
        self.count_lines(piece.bytes, piece.at);
        let rest = piece.rest();
        self.oversized = Some(Oversized {
            line: self.line,
            offset: self.offset + piece.at as u64,
            length: rest.len() as u64,
            head: rest[..HEAD_LENGTH_MAX].into(),
        });
        piece.at = piece.bytes.len();
        self.state = state;
    }

    fn skip_value(&mut self, piece: &mut Piece<'_>, frames: &mut Vec<Frame>) -> bool {
        let rest = piece.rest();
        let (length, next) = match self.scanner.feed(rest) {
            Scan::End(length) => (length, State::Between),
            Scan::Broken(length) => (length, State::SkipLine),
            Scan::More if piece.end => (rest.len(), State::Between),
            Scan::More => return self.skip_all(piece),
        };
        self.finish_skip(piece, length, frames);
        self.state = next;
        true
    }

    fn skip_line(&mut self, piece: &mut Piece<'_>, frames: &mut Vec<Frame>) -> bool {
        let rest = piece.rest();
        let length = match memchr(b'\n', rest) {
            Some(length) => length,
            None if piece.end => rest.len(),
            None => return self.skip_all(piece),
        };
        self.finish_skip(piece, length, frames);
        self.state = State::Between;
        true
    }

    fn skip_all(&mut self, piece: &mut Piece<'_>) -> bool {
        if let Some(oversized) = &mut self.oversized {
            oversized.length += piece.rest().len() as u64;
        }
        piece.at = piece.bytes.len();
        false
    }

    fn finish_skip(&mut self, piece: &mut Piece<'_>, length: usize, frames: &mut Vec<Frame>) {
        piece.at += length;
        let Some(Oversized { line, offset, length: before, head }) = self.oversized.take() else { return };
        self.note_first(false);
        let kind = FrameKind::TooLarge { length: before + length as u64, head };
        frames.push(Frame { start: piece.at, end: piece.at, line, offset, kind });
    }

    fn envelope_end(&mut self, piece: &mut Piece<'_>, frames: &mut Vec<Frame>) -> bool {
        match self.scanner.feed(piece.rest()) {
            Scan::End(length) => {
                piece.at += length;
                self.state = State::Between;
            }
            Scan::Broken(length) => {
                piece.at += length;
                self.push(piece, piece.at, FrameKind::Unclosed, frames);
                self.state = State::SkipLine;
            }
            Scan::More => return self.skip_all(piece),
        }
        self.container = Container::None;
        true
    }

    fn push(&mut self, piece: &Piece<'_>, end: usize, kind: FrameKind, frames: &mut Vec<Frame>) {
        self.count_lines(piece.bytes, piece.at);
        let offset = self.offset + piece.at as u64;
        frames.push(Frame { start: piece.at, end, line: self.line, offset, kind });
    }

    fn count_lines(&mut self, bytes: &[u8], to: usize) {
        self.line += memchr_iter(b'\n', &bytes[self.counted..to]).count() as u64;
        self.counted = to;
    }
}

/// Does this bracket open an array of records? An object's beginning follows, or its end, and then no text. `None` where
/// that is not to be seen yet.
fn opens_array(rest: &[u8]) -> Option<bool> {
    let visible = |from: usize| rest[from..].iter().position(|byte| !is_white(*byte)).map(|ahead| from + ahead);
    let first = visible(1)?;
    Some(match rest[first] {
        b'{' => matches!(rest[visible(first + 1)?], b'"' | b'}'),
        b']' => {
            let mut after = rest[first + 1..].iter();
            let next = after.find(|byte| **byte == b'\n' || !is_white(**byte))?;
            matches!(next, b'\n' | b',' | b'{' | b'[')
        }
        _ => false,
    })
}

enum Probe {
    /// An envelope whose array begins behind this many bytes.
    Envelope(usize),
    No,
    More,
}

/// Is this object an envelope? It is one when its first key, after any `@odata…` annotations with plain values, is
/// `records` or `value`, and holds an array.
fn probe_envelope(object: &[u8]) -> Probe {
    let white = |from: usize| object[from..].iter().position(|byte| !is_white(*byte)).map(|ahead| from + ahead);
    let mut at = 1;
    loop {
        let Some(open) = white(at) else { return Probe::More };
        if object[open] != b'"' {
            return Probe::No;
        }
        let Some(length) = memchr(b'"', &object[open + 1..]) else {
            return if may_be_envelope_key(&object[open + 1..]) { Probe::More } else { Probe::No };
        };
        let key = &object[open + 1..open + 1 + length];
        let Some(colon) = white(open + length + 2) else { return Probe::More };
        if object[colon] != b':' {
            return Probe::No;
        }
        let Some(value) = white(colon + 1) else { return Probe::More };
        match (key, object[value]) {
            (b"records" | b"value", b'[') => return Probe::Envelope(value + 1),
            ([b'@', ..], first) if first != b'[' && first != b'{' => {}
            _ => return Probe::No,
        }
        let mut scanner = Scanner::default();
        let end = match scanner.feed(&object[value..]) {
            Scan::End(length) => value + length,
            Scan::Broken(_) => return Probe::No,
            Scan::More => return Probe::More,
        };
        match white(end) {
            None => return Probe::More,
            Some(comma) if object[comma] == b',' => at = comma + 1,
            Some(_) => return Probe::No,
        }
    }
}

/// Could this beginning of a key become one that an envelope begins with?
fn may_be_envelope_key(start: &[u8]) -> bool {
    start.first() == Some(&b'@') || b"records".starts_with(start) || b"value".starts_with(start)
}

#[cfg(test)]
mod tests;
