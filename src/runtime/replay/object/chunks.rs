//! An object as Parquet reads it: at any place.
//!
//! Columns are read side by side, a page at a time and each at its own place. What was read is kept in windows, the
//! oldest given up first, so that a page's header and the page behind it cost one request.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::Object;
use super::reader::{Share, wait};

const WINDOW_LENGTH: u64 = 256 * 1024;
/// Held of all objects of a bucket that are open, but at least [`WINDOWS_MIN`] of each.
const HELD_LENGTH_MAX: u64 = 256 * 1024 * 1024;
const WINDOWS_MIN: u64 = 2;
const WINDOWS_MAX: u64 = 128;

/// Clones share what they hold.
#[derive(Clone)]
pub struct Chunks(Arc<Inner>);

struct Inner {
    object: Object,
    share: Share,
    /// By number, the one read last at the end.
    windows: Mutex<VecDeque<(u64, Bytes)>>,
    interrupted: Arc<AtomicBool>,
}

impl Chunks {
    pub fn new(object: &Object, interrupted: Arc<AtomicBool>) -> Chunks {
        let share = Share::new(&object.bucket);
        Chunks(Arc::new(Inner { object: object.clone(), share, windows: Mutex::default(), interrupted }))
    }

    /// The window of this number.
    fn window(&self, number: u64) -> io::Result<Bytes> {
        if let Some(held) = self.held(number) {
            return Ok(held);
        }
        let begin = number * WINDOW_LENGTH;
        let bytes = self.fetch(begin..self.0.object.length.min(begin + WINDOW_LENGTH))?;
        self.hold(number, bytes.clone());
        Ok(bytes)
    }

    fn held(&self, number: u64) -> Option<Bytes> {
        let windows = self.0.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.iter().rev().find(|(held, _)| *held == number).map(|(_, bytes)| bytes.clone())
    }

    fn hold(&self, number: u64, bytes: Bytes) {
        let most = (self.0.share.of(HELD_LENGTH_MAX) / WINDOW_LENGTH).clamp(WINDOWS_MIN, WINDOWS_MAX);
        let mut windows = self.0.windows.lock().unwrap_or_else(PoisonError::into_inner);
        while windows.len() as u64 >= most {
            windows.pop_front();
        }
        windows.push_back((number, bytes));
    }

    fn fetch(&self, range: std::ops::Range<u64>) -> io::Result<Bytes> {
        let bytes = wait(&self.0.object.fetch(range), &self.0.interrupted)?;
        bytes.ok_or_else(|| io::Error::other("interrupted"))
    }

    fn bytes(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.0.object.length);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (first, last) = (start / WINDOW_LENGTH, end.saturating_sub(1) / WINDOW_LENGTH);
        if first >= last {
            let at = (start - first * WINDOW_LENGTH) as usize;
            return Ok(if length == 0 { Bytes::new() } else { self.window(first)?.slice(at..at + length) });
        }
        // The beginning is held as a rule, since the header before it was read; the rest is one request.
        let head = self.window(first)?.slice((start - first * WINDOW_LENGTH) as usize..);
        let tail_begin = (first + 1) * WINDOW_LENGTH;
        let tail_end = self.0.object.length.min((last + 1) * WINDOW_LENGTH);
        let tail = self.fetch(tail_begin..tail_end)?;
        // A copy, so that what is held is no more than a window.
        self.hold(last, Bytes::copy_from_slice(&tail[(last * WINDOW_LENGTH - tail_begin) as usize..]));
        let mut bytes = BytesMut::with_capacity(length);
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&tail[..(end - tail_begin) as usize]);
        Ok(bytes.freeze())
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.object.length
    }
}

impl ChunkReader for Chunks {
    type T = Sequential;

    fn get_read(&self, start: u64) -> Result<Sequential> {
        Ok(Sequential { chunks: self.clone(), at: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.bytes(start, length).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// Reads on from a place.
pub struct Sequential {
    chunks: Chunks,
    at: u64,
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.chunks.0.object.length {
            return Ok(0);
        }
        let number = self.at / WINDOW_LENGTH;
        let window = self.chunks.window(number)?;
        let rest = &window[(self.at - number * WINDOW_LENGTH) as usize..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length as u64;
        Ok(length)
    }
}
