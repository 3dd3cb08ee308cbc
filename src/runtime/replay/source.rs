//! One input as a run of blocks: opened, decompressed, cut into frames.
//!
//! A block's frames lie whole inside its bytes; a record that the read cut in two is carried into the next block.
//! Compression is told by the first bytes, not by the name. An input that breaks in the middle (a disk error, a
//! damaged archive) ends there: what came before is used, and the error is kept for the report. A file whose name says
//! that it is CSV, or that begins as Parquet does, is turned into records row by row; its blocks hold these, not the file's
//! bytes.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ::parquet::errors::Result as ParquetResult;
use ::parquet::file::reader::{ChunkReader, Length};
use flate2::bufread::MultiGzDecoder;

use super::csv::{Rows, is_csv};
use super::framing::{Frame, Framer};
use super::object::{Chunks, Object, ObjectReader};
use super::parquet::{self, Table};

/// Bytes read from a compressed file at a time.
const COMPRESSED_BUFFER_LENGTH: usize = 64 * 1024;
const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];

/// Bytes and the frames in them.
#[derive(Debug, Default)]
pub struct RawBlock {
    pub bytes: Vec<u8>,
    pub frames: Vec<Frame>,
    /// The input ends with this block.
    pub last: bool,
    /// Why it ends before its end.
    pub error: Option<io::Error>,
}

/// Cuts what it reads into blocks.
pub struct BlockReader<R> {
    reader: R,
    framer: Framer,
    /// Makes records of the rows, where the input is CSV.
    rows: Option<Box<Rows>>,
    /// In place of the reader, where the input is Parquet.
    table: Option<Box<Table>>,
    /// The beginning of a record whose end was not read yet.
    carry: Vec<u8>,
    ended: bool,
}

impl<R: Read> BlockReader<R> {
    pub fn new(reader: R) -> BlockReader<R> {
        BlockReader { reader, framer: Framer::default(), rows: None, table: None, carry: Vec::new(), ended: false }
    }

    /// As [`Self::new`]; `name` says whether the input is CSV.
    pub fn named(reader: R, name: &str) -> BlockReader<R> {
        // A folder says nothing of what is in its files.
        let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let rows = is_csv(file).then(|| Box::new(Rows::new(file)));
        BlockReader { rows, ..BlockReader::new(reader) }
    }

    /// The next block, made of reads of `length` bytes; `None` behind the last one. Frames never depend on
    /// `length`.
    pub fn next(&mut self, length: usize) -> Option<RawBlock> {
        if self.ended {
            return None;
        }
        if self.rows.is_some() {
            return self.next_rows(length);
        }
        if let Some(table) = &mut self.table {
            let block = table.next(length);
            self.ended = block.last;
            return Some(block);
        }
        let mut block =
            RawBlock { bytes: Vec::with_capacity(self.carry.len() + length + 1), ..RawBlock::default() };
        block.bytes.append(&mut self.carry);
        loop {
            let before = block.bytes.len();
            let result = self.reader.by_ref().take(length as u64).read_to_end(&mut block.bytes);
            block.error = result.err();
            block.last = block.error.is_some() || block.bytes.len() - before < length;
            let done = self.framer.frame(&block.bytes, block.last, &mut block.frames);
            if block.last || !block.frames.is_empty() {
                self.carry.extend_from_slice(&block.bytes[done..]);
                block.bytes.truncate(done);
                self.ended = block.last;
                return Some(block);
            }
            block.bytes.drain(..done);
        }
    }

    fn next_rows(&mut self, length: usize) -> Option<RawBlock> {
        let rows = self.rows.as_mut()?;
        let mut block = RawBlock::default();
        let mut piece = Vec::with_capacity(length + 1);
        loop {
            piece.clear();
            block.error = self.reader.by_ref().take(length as u64).read_to_end(&mut piece).err();
            block.last = block.error.is_some() || piece.len() < length;
            rows.feed(&piece, block.last, &mut block.bytes, &mut block.frames);
            if block.last || !block.frames.is_empty() {
                self.ended = block.last;
                return Some(block);
            }
        }
    }
}

/// Counts bytes as they are read from the file, for the progress bar.
struct Counting<R> {
    reader: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

impl<R: Length> Length for Counting<R> {
    fn len(&self) -> u64 {
        self.reader.len()
    }
}

impl<R: ChunkReader> ChunkReader for Counting<R> {
    type T = R::T;

    fn get_read(&self, start: u64) -> ParquetResult<R::T> {
        self.reader.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<bytes::Bytes> {
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        self.reader.get_bytes(start, length)
    }
}

/// A file, pipe or standard input, open for reading.
pub type Source = BlockReader<Box<dyn Read + Send>>;

/// A file's bytes, decompressed.
pub fn bytes(path: &std::path::Path) -> io::Result<Box<dyn Read + Send>> {
    decompress(File::open(path)?)
}

/// As [`bytes()`], of standard input.
pub fn bytes_of_stdin() -> io::Result<Box<dyn Read + Send>> {
    decompress(io::stdin())
}

/// Opens a file. `read` counts its bytes as they are on disk.
pub fn open(path: &std::path::Path, read: Arc<AtomicU64>) -> io::Result<Source> {
    let mut file = File::open(path)?;
    if magic(&mut file)? == parquet::MAGIC {
        return table(file, read);
    }
    file.rewind()?;
    from_reader(file, &path.to_string_lossy(), read)
}

/// As [`open`], of an object. `interrupted` ends a wait for its bytes.
pub fn open_object(object: &Object, read: Arc<AtomicU64>, interrupted: &Arc<AtomicBool>) -> io::Result<Source> {
    let mut reader = ObjectReader::new(object, interrupted.clone());
    let magic = magic(&mut reader)?;
    if magic == parquet::MAGIC {
        return table(Chunks::new(object, interrupted.clone()), read);
    }
    from_reader(io::Cursor::new(magic).chain(reader), &object.name(), read)
}

fn table(chunks: impl ChunkReader + 'static, read: Arc<AtomicU64>) -> io::Result<Source> {
    let table = Table::open(Counting { reader: chunks, read })?;
    let nothing: Box<dyn Read + Send> = Box::new(io::empty());
    Ok(BlockReader { table: Some(Box::new(table)), ..BlockReader::new(nothing) })
}

/// Wraps anything readable the way [`open`] wraps a file of this name; Parquet is read at any place, which a pipe is not.
pub fn from_reader(reader: impl Read + Send + 'static, name: &str, read: Arc<AtomicU64>) -> io::Result<Source> {
    Ok(BlockReader::named(decompress(Counting { reader, read })?, name))
}

/// The first bytes.
fn magic(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut magic = Vec::with_capacity(ZSTD_MAGIC.len());
    reader.take(ZSTD_MAGIC.len() as u64).read_to_end(&mut magic)?;
    Ok(magic)
}

fn decompress(mut reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let magic = magic(&mut reader)?;
    if magic == parquet::MAGIC {
        return Err(io::Error::other("Parquet is read at any place, which a pipe is not: name the file itself"));
    }
    let (gzip, zstd) = (magic.starts_with(GZIP_MAGIC), magic == ZSTD_MAGIC);
    let whole = io::Cursor::new(magic).chain(reader);
    if gzip {
        let buffered = BufReader::with_capacity(COMPRESSED_BUFFER_LENGTH, whole);
        return Ok(Box::new(MultiGzDecoder::new(buffered)));
    }
    if zstd {
        let buffered = BufReader::with_capacity(COMPRESSED_BUFFER_LENGTH, whole);
        return Ok(Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?));
    }
    Ok(Box::new(whole))
}
