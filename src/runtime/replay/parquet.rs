//! Parquet files → records: every row one JSON object, keyed by the names of the columns.
//!
//! Structures, lists and maps become JSON's; a timestamp becomes RFC 3339 (one without a zone is taken as UTC), bytes
//! become text where they are UTF-8, and base64 otherwise; what is null is left out. So whatever reads a JSON record reads
//! a row. Parquet is told by its first bytes, not by the name.
//!
//! A record's line is the number of its row, from 1; its offset says nothing and is 0. Rows are read a batch at a time, each
//! column a page at a time: memory holds a page of every column, which its writer chose, and a batch. A row that is too
//! long as JSON is passed over as too large.

use std::io;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_json::LineDelimitedWriter;
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, LineDelimited, NullableEncoder, WriterBuilder};
use arrow_schema::{ArrowError, DataType, FieldRef, TimeUnit};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use memchr::memchr_iter;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::reader::ChunkReader;

use super::framing::{Frame, FrameKind, HEAD_LENGTH_MAX};
use super::source::RawBlock;
use crate::engine::decode::RECORD_LENGTH_MAX;

/// With what every Parquet file begins.
pub const MAGIC: &[u8] = b"PAR1";
/// Columns, those inside of others counted; the widest export known has a tenth of them.
const COLUMNS_MAX: usize = 1_024;
/// A batch has so many bytes, as rows of the file's average length, and at least a row.
const BATCH_LENGTH: i64 = 1 << 20;
const BATCH_ROWS_MAX: i64 = 1_024;
/// Rows turned into JSON at a time.
const ROWS_AT_ONCE: usize = 64;

/// The rows of one file.
pub struct Table {
    batches: ParquetRecordBatchReader,
    /// What of the batch has not been given yet.
    rest: Option<RecordBatch>,
    /// Rows that were given.
    given: u64,
}

impl Table {
    pub fn open(chunks: impl ChunkReader + 'static) -> io::Result<Table> {
        guarded(|| Table::open_unguarded(chunks))
    }

    fn open_unguarded(chunks: impl ChunkReader + 'static) -> io::Result<Table> {
        // The file's own types, not those that a program of Arrow's had in memory.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(chunks, options).map_err(damaged)?;
        let columns = builder.parquet_schema().num_columns();
        if columns > COLUMNS_MAX {
            return Err(io::Error::other(format!("it has {columns} columns, and at most {COLUMNS_MAX} are read")));
        }
        let groups = builder.metadata().row_groups().iter();
        let longest = groups.map(|group| group.total_byte_size() / group.num_rows().max(1)).max();
        let rows = (BATCH_LENGTH / longest.unwrap_or_default().max(1)).clamp(1, BATCH_ROWS_MAX);
        let batches = builder.with_batch_size(rows as usize).build().map_err(damaged)?;
        Ok(Table { batches, rest: None, given: 0 })
    }

    /// Rows of about `length` bytes together, and at least one if any is left.
    pub fn next(&mut self, length: usize) -> RawBlock {
        let mut block = RawBlock::default();
        while block.bytes.len() < length.max(1) {
            match guarded(|| self.give(&mut block)) {
                Ok(true) => {}
                Ok(false) => {
                    block.last = true;
                    break;
                }
                Err(error) => {
                    (block.last, block.error) = (true, Some(error));
                    break;
                }
            }
        }
        block
    }

    /// Gives a few rows; false when there are no more.
    fn give(&mut self, block: &mut RawBlock) -> io::Result<bool> {
        let batch = match self.rest.take() {
            Some(batch) => batch,
            None => match self.batches.next() {
                Some(batch) => batch.map_err(|error| damaged(error.into()))?,
                None => return Ok(false),
            },
        };
        let count = batch.num_rows().min(ROWS_AT_ONCE);
        if count < batch.num_rows() {
            self.rest = Some(batch.slice(count, batch.num_rows() - count));
        }
        let start = block.bytes.len();
        write(&batch.slice(0, count), &mut block.bytes)?;
        self.frame(start, block);
        Ok(true)
    }

    /// Notes the records that were written from `start` on: one a line, since JSON's text has no line breaks.
    fn frame(&mut self, mut start: usize, block: &mut RawBlock) {
        let RawBlock { bytes, frames, .. } = block;
        let written = start;
        for end in memchr_iter(b'\n', &bytes[written..]).map(|end| written + end) {
            self.given += 1;
            let length = end - start;
            let (end_of_record, kind) = if length > RECORD_LENGTH_MAX {
                let head = bytes[start..start + HEAD_LENGTH_MAX].into();
                (start, FrameKind::TooLarge { length: length as u64, head })
            } else {
                (end, FrameKind::Record)
            };
            frames.push(Frame { start, end: end_of_record, line: self.given, offset: 0, kind });
            start = end + 1;
        }
    }
}

fn write(batch: &RecordBatch, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut writer: LineDelimitedWriter<&mut Vec<u8>> =
        WriterBuilder::new().with_encoder_factory(Arc::new(Texts)).build::<_, LineDelimited>(bytes);
    writer.write(batch).and_then(|()| writer.finish()).map_err(|error| damaged(error.into()))
}

/// The reader trusts what a file says of itself, and asserts where it does not hold: a damaged file ends that file's reading,
/// not the replay.
fn guarded<T>(read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    // Nothing of it is used again.
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    read.unwrap_or_else(|_| Err(io::Error::other("it is damaged, or no Parquet that can be read")))
}

fn damaged(error: parquet::errors::ParquetError) -> io::Error {
    io::Error::other(format!("it is damaged, or no Parquet that can be read: {error}"))
}

/// Writes bytes as text, and timestamps as RFC 3339.
#[derive(Debug)]
struct Texts;

impl EncoderFactory for Texts {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Binary => Box::new(Text(|row| array.as_binary::<i32>().value(row))),
            DataType::LargeBinary => Box::new(Text(|row| array.as_binary::<i64>().value(row))),
            DataType::BinaryView => Box::new(Text(|row| array.as_binary_view().value(row))),
            DataType::FixedSizeBinary(_) => Box::new(Text(|row| array.as_fixed_size_binary().value(row))),
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => time::<TimestampSecondType>(array, 1_000_000_000),
                TimeUnit::Millisecond => time::<TimestampMillisecondType>(array, 1_000_000),
                TimeUnit::Microsecond => time::<TimestampMicrosecondType>(array, 1_000),
                TimeUnit::Nanosecond => time::<TimestampNanosecondType>(array, 1),
            },
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

fn time<'a, T: ArrowPrimitiveType<Native = i64>>(array: &'a dyn Array, nanos: i128) -> Box<dyn Encoder + 'a> {
    let array = array.as_primitive::<T>();
    Box::new(Time(move |row| i128::from(array.value(row)) * nanos))
}

/// Gives nanoseconds since 1970 of a row.
struct Time<F>(F);

impl<F: Fn(usize) -> i128> Encoder for Time<F> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        match jiff::Timestamp::from_nanosecond((self.0)(row)) {
            Ok(time) => out.extend(format!("\"{time}\"").bytes()),
            // Beyond year 9999.
            Err(_) => out.extend(b"null"),
        }
    }
}

/// Gives the bytes of a row.
struct Text<F>(F);

impl<'a, F: Fn(usize) -> &'a [u8]> Encoder for Text<F> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let bytes = (self.0)(row);
        let written = match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => serde_json::to_writer(out, text),
            Err(_) => serde_json::to_writer(out, &BASE64_STANDARD.encode(bytes)),
        };
        // Text is written into memory: nothing can fail.
        debug_assert!(written.is_ok(), "text into memory");
    }
}

#[cfg(test)]
mod tests;
