//! CSV files → records: every row one JSON object, keyed by the names in the first row.
//!
//! For exports of logs whose records are otherwise JSON: the columns of Log Analytics and Sentinel, the rows of an
//! audit search, the portal's downloads. What is in a cell stays text, also JSON; empty cells are left out. Names lose
//! what the exports add to them ([`plain_name`]); nothing else of the columns is known here.
//!
//! Line and offset of a record are those of its row in the file. As with [`super::framing`], records depend on the
//! bytes alone, never on how these were cut into pieces, and memory is bounded: a row of more than
//! [`RECORD_LENGTH_MAX`] bytes, or of more than [`CELLS_MAX`] cells, is passed over as too large.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::{memchr, memchr_iter};

use super::framing::{Frame, FrameKind, HEAD_LENGTH_MAX};
use crate::engine::decode::{IS_INTERACTIVE, RECORD_LENGTH_MAX};

/// Cells in a row; the widest export known has a tenth of them.
const CELLS_MAX: usize = 1_024;
/// Bytes of the first line that are looked at for what separates its cells.
const FIRST_LINE_MAX: usize = 64 * 1024;
/// Cells begin with so much room, which doubles when needed.
const CELLS_LENGTH: usize = 16 * 1024;

/// Is this the name of a CSV file, compressed or not?
pub fn is_csv(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    name.ends_with(".csv")
}

/// Turns the pieces of one file into records.
pub struct Rows {
    /// `None` until the first line shows what separates cells.
    reader: Option<Reader>,
    /// Bytes of the first line so far.
    start: Vec<u8>,
    /// Cells of the row being read, one behind the other, and where each ends.
    cells: Vec<u8>,
    cells_length: usize,
    ends: Vec<usize>,
    ends_length: usize,
    is_too_large: bool,
    /// Names of the columns as JSON writes them, with the colon; empty for a column without a name.
    names: Option<Vec<Vec<u8>>>,
    /// The file's name says that its rows are not interactive sign-ins, which no column of theirs does.
    is_silent: bool,
    /// Where the reader stands in the file, and where the row began.
    at: Place,
    row: Option<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    line: u64,
    offset: u64,
}

impl Rows {
    pub fn new(file_name: &str) -> Rows {
        Rows {
            reader: None,
            start: Vec::new(),
            cells: vec![0; CELLS_LENGTH],
            cells_length: 0,
            ends: vec![0; CELLS_MAX],
            ends_length: 0,
            is_too_large: false,
            names: None,
            is_silent: file_name.to_ascii_lowercase().contains("noninteractive"),
            at: Place { line: 1, offset: 0 },
            row: None,
        }
    }

    /// Takes the next piece of the file; `end`: nothing follows. Appends the records to `bytes`, and their places.
    pub fn feed(&mut self, piece: &[u8], end: bool, bytes: &mut Vec<u8>, frames: &mut Vec<Frame>) {
        if self.reader.is_some() {
            return self.read(piece, end, bytes, frames);
        }
        self.start.extend_from_slice(piece);
        let line_end = memchr(b'\n', &self.start);
        if line_end.is_some() || end || self.start.len() > FIRST_LINE_MAX {
            let line = &self.start[..line_end.unwrap_or(self.start.len()).min(FIRST_LINE_MAX)];
            self.reader = Some(ReaderBuilder::new().delimiter(delimiter_of(line)).build());
            let start = std::mem::take(&mut self.start);
            let skipped = preamble_length(&start);
            self.pass(&start[..skipped]);
            self.read(&start[skipped..], end, bytes, frames);
        }
    }

    fn read(&mut self, mut piece: &[u8], end: bool, bytes: &mut Vec<u8>, frames: &mut Vec<Frame>) {
        loop {
            if self.row.is_none() {
                // Breaks between rows belong to none.
                let breaks = piece.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                self.pass(&piece[..breaks]);
                piece = &piece[breaks..];
                if piece.is_empty() {
                    return;
                }
                self.row = Some(self.at);
            }
            // An empty piece is how the reader is told of the end; it then gives the row that has no line break.
            if piece.is_empty() && !end {
                return;
            }
            let Some(reader) = &mut self.reader else { return };
            let (cells, ends) = (&mut self.cells[self.cells_length..], &mut self.ends[self.ends_length..]);
            let (result, read, written, ended) = reader.read_record(piece, cells, ends);
            self.pass(&piece[..read]);
            piece = &piece[read..];
            self.cells_length += written;
            self.ends_length += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.make_room(),
                ReadRecordResult::OutputEndsFull => self.discard(),
                ReadRecordResult::Record => self.finish(bytes, frames),
                ReadRecordResult::End => return,
            }
        }
    }

    /// Counts what was read.
    fn pass(&mut self, read: &[u8]) {
        self.at.offset += read.len() as u64;
        self.at.line += memchr_iter(b'\n', read).count() as u64;
    }

    fn make_room(&mut self) {
        if self.cells.len() <= RECORD_LENGTH_MAX && !self.is_too_large {
            self.cells.resize(self.cells.len() * 2, 0);
        } else {
            self.discard();
        }
    }

    /// Reads the row on to its end, but keeps only its beginning.
    fn discard(&mut self) {
        self.is_too_large = true;
        self.cells_length = self.cells_length.min(HEAD_LENGTH_MAX);
        self.ends_length = 0;
    }

    fn finish(&mut self, bytes: &mut Vec<u8>, frames: &mut Vec<Frame>) {
        let Some(Place { line, offset }) = self.row.take() else { return };
        let length = self.at.offset - offset;
        let start = bytes.len();
        let is_row = self.names.is_some();
        if self.is_too_large || length > RECORD_LENGTH_MAX as u64 {
            let head = self.cells[..self.cells_length.min(HEAD_LENGTH_MAX)].into();
            frames.push(Frame { start, end: start, line, offset, kind: FrameKind::TooLarge { length, head } });
        } else if is_row {
            self.write_object(bytes);
            frames.push(Frame { start, end: bytes.len(), line, offset, kind: FrameKind::Record });
        } else {
            self.names = Some(self.texts().map(key_of).collect());
        }
        (self.cells_length, self.ends_length, self.is_too_large) = (0, 0, false);
    }

    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends[..self.ends_length]).map(|(start, &end)| &self.cells[start..end])
    }

    fn write_object(&self, bytes: &mut Vec<u8>) {
        let names = self.names.as_deref().unwrap_or_default();
        bytes.push(b'{');
        for (name, text) in names.iter().zip(self.texts()) {
            if !name.is_empty() && !text.is_empty() {
                bytes.extend_from_slice(name);
                write_text(text, bytes);
                bytes.push(b',');
            }
        }
        if self.is_silent {
            bytes.extend(format!("\"{IS_INTERACTIVE}\":false").bytes());
        } else if bytes.last() == Some(&b',') {
            bytes.pop();
        }
        bytes.push(b'}');
    }
}

/// What separates the cells of a first line: spreadsheets of half of Europe separate by semicolons, and some exports by tabs.
pub fn delimiter_of(line: &[u8]) -> u8 {
    let count = |delimiter: &u8| memchr_iter(*delimiter, line).count();
    // Of equal counts the last: the comma.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// Bytes before the names: a byte order mark, and PowerShell's line about a type.
fn preamble_length(start: &[u8]) -> usize {
    let mark = if start.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let is_type = start[mark..].starts_with(b"#TYPE ") || start[mark..].starts_with(b"\"#TYPE ");
    if is_type { memchr(b'\n', start).map_or(start.len(), |line_end| line_end + 1) } else { mark }
}

/// A column's name as a key of JSON, with the colon.
fn key_of(name: &[u8]) -> Vec<u8> {
    let name = String::from_utf8_lossy(name);
    let name = plain_name(&name);
    let mut key = Vec::new();
    if !name.is_empty() {
        write_text(name.as_bytes(), &mut key);
        key.push(b':');
    }
    key
}

/// The name without what exports add: `DeviceDetail_dynamic`, `TimeGenerated [UTC]`. A time in another zone keeps its
/// mark, and so is not taken for one in UTC.
fn plain_name(name: &str) -> &str {
    const TYPES: [&str; 8] = ["_dynamic", "_string", "_bool", "_boolean", "_datetime", "_real", "_long", "_int"];
    let name = name.trim();
    let name = name.strip_suffix("[UTC]").map_or(name, str::trim_end);
    TYPES.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// Text between quotes. What is not UTF-8 stays as it is: the decoder refuses it, and says where.
fn write_text(text: &[u8], bytes: &mut Vec<u8>) {
    bytes.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => bytes.extend([b'\\', byte]),
            b'\n' => bytes.extend(b"\\n"),
            b'\r' => bytes.extend(b"\\r"),
            b'\t' => bytes.extend(b"\\t"),
            0..0x20 => bytes.extend(format!("\\u{byte:04x}").bytes()),
            _ => bytes.push(byte),
        }
    }
    bytes.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, offset and text of every record; "" for a row that is too large.
    fn rows(name: &str, text: &[u8], piece: usize) -> Vec<(u64, u64, String)> {
        let mut rows = Rows::new(name);
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        for piece in text.chunks(piece) {
            rows.feed(piece, false, &mut bytes, &mut frames);
        }
        rows.feed(&[], true, &mut bytes, &mut frames);
        let text = |frame: &Frame| String::from_utf8_lossy(&bytes[frame.start..frame.end]).into_owned();
        frames.iter().map(|frame| (frame.line, frame.offset, text(frame))).collect()
    }

    fn check(text: &str, expected: &[(u64, u64, &str)]) {
        for piece in [1, 2, 3, 7, 1 << 20] {
            let found = rows("a.csv", text.as_bytes(), piece);
            let found: Vec<(u64, u64, &str)> =
                found.iter().map(|(line, offset, text)| (*line, *offset, &**text)).collect();
            assert_eq!(found, expected, "`{text}` in pieces of {piece}");
        }
    }

    #[test]
    fn rows_become_objects() {
        check("", &[]);
        check("a,b\n", &[]);
        check("a,b\n1,2\n", &[(2, 4, r#"{"a":"1","b":"2"}"#)]);
        check("a,b\r\n1,\r\n\r\n,2", &[(2, 5, r#"{"a":"1"}"#), (4, 11, r#"{"b":"2"}"#)]);
        check(
            "\u{feff}\"a\",\"b\"\n\"x, \"\"y\"\"\",\"{\"\"k\"\":1}\"\n",
            &[(2, 11, r#"{"a":"x, \"y\"","b":"{\"k\":1}"}"#)],
        );
        // A quoted line break; more cells than names, and fewer; a column without a name.
        check(
            "a,b\n\"1\n2\",3\n4,5,6\n7\n",
            &[(2, 4, r#"{"a":"1\n2","b":"3"}"#), (4, 12, r#"{"a":"4","b":"5"}"#), (5, 18, r#"{"a":"7"}"#)],
        );
        check("a,,c\n1,2,3\n", &[(2, 5, r#"{"a":"1","c":"3"}"#)]);
        check("#TYPE System.Object\na,b\n1,2\n", &[(3, 24, r#"{"a":"1","b":"2"}"#)]);
        check("a;b\n1,5;2\n", &[(2, 4, r#"{"a":"1,5","b":"2"}"#)]);
        check("a\tb\n\\\u{1}\t2\n", &[(2, 4, r#"{"a":"\\\u0001","b":"2"}"#)]);
    }

    #[test]
    fn names_lose_what_exports_add() {
        for (name, plain) in [
            ("DeviceDetail_dynamic", "DeviceDetail"),
            ("Status_string", "Status"),
            ("TimeGenerated [UTC]", "TimeGenerated"),
            ("CreatedDateTime_datetime [UTC]", "CreatedDateTime"),
            ("TimeGenerated [Local Time]", "TimeGenerated [Local Time]"),
            ("Application ID ", "Application ID"),
            ("RiskEventTypes_V2", "RiskEventTypes_V2"),
        ] {
            assert_eq!(plain_name(name), plain);
        }
    }

    #[test]
    fn names_of_files() {
        for name in ["a.csv", "x/A.CSV", "a.csv.gz", "a.csv.zst"] {
            assert!(is_csv(name), "{name}");
        }
        for name in ["a.json", "csv", "a.csv.json", "a.gz", "-"] {
            assert!(!is_csv(name), "{name}");
        }
        let text = b"a\n1\n";
        assert_eq!(rows("NonInteractiveSignIns_2026.csv", text, 9)[0].2, r#"{"a":"1","Is interactive":false}"#);
        assert_eq!(rows("InteractiveSignIns_2026.csv", text, 9)[0].2, r#"{"a":"1"}"#);
    }

    /// Too long, too wide, or with a quote that is never closed: passed over in bounded memory.
    #[test]
    fn rows_that_are_too_large_are_told_and_passed_over() {
        let long = "x".repeat(RECORD_LENGTH_MAX + 1);
        let wide = "1,".repeat(CELLS_MAX + 1);
        let text = format!("a,b\n{long},2\n{wide}\n3,4\n\"{long}");
        for piece in [1_000, 4 << 20] {
            let found = rows("a.csv", text.as_bytes(), piece);
            let places: Vec<(u64, bool)> = found.iter().map(|(line, _, text)| (*line, text.is_empty())).collect();
            assert_eq!(places, [(2, true), (3, true), (4, false), (5, true)]);
        }
        let mut rows = Rows::new("a.csv");
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        rows.feed(b"a\n\"", false, &mut bytes, &mut frames);
        for _ in 0..64 {
            rows.feed(long.as_bytes(), false, &mut bytes, &mut frames);
        }
        assert!(rows.cells.len() <= 2 * RECORD_LENGTH_MAX && bytes.is_empty() && frames.is_empty());
    }
}
