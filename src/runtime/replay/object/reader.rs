//! An object as a stream of bytes: read by ranges, one piece ahead.
//!
//! A request a piece, and no connection that waits for its reader: an object may be left alone for long while others are
//! read, as the merge takes what is oldest. The first piece is as long as a look at a file's beginning, and nothing is read
//! ahead of it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use crossbeam_channel::RecvTimeoutError;

use super::{Bucket, Fetch, Object};

/// The first piece.
const FIRST_PIECE_LENGTH: u64 = 64 * 1024;
/// Pieces that are read ahead, of all objects of a bucket that are open.
const READ_AHEAD_LENGTH_MAX: u64 = 64 * 1024 * 1024;
const PIECE_LENGTH_MAX: u64 = 4 * 1024 * 1024;
/// How often a reader that waits looks whether the run was interrupted.
const INTERRUPT_POLL: Duration = Duration::from_millis(100);

/// One of the objects that are open: they share what may be held.
pub(super) struct Share(Arc<Bucket>);

impl Share {
    pub(super) fn new(bucket: &Arc<Bucket>) -> Share {
        bucket.open.fetch_add(1, Ordering::Relaxed);
        Share(bucket.clone())
    }

    /// Its part of so many bytes.
    pub(super) fn of(&self, length: u64) -> u64 {
        length / (self.0.open.load(Ordering::Relaxed) as u64).max(1)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let open: &AtomicUsize = &self.0.open;
        open.fetch_sub(1, Ordering::Relaxed);
    }
}

pub struct ObjectReader {
    object: Object,
    share: Share,
    piece: Bytes,
    /// The piece that is being read.
    fetch: Option<Fetch>,
    /// Where the piece behind that begins.
    next: u64,
    interrupted: Arc<AtomicBool>,
}

impl ObjectReader {
    pub fn new(object: &Object, interrupted: Arc<AtomicBool>) -> ObjectReader {
        let share = Share::new(&object.bucket);
        ObjectReader { object: object.clone(), share, piece: Bytes::new(), fetch: None, next: 0, interrupted }
    }

    fn ask(&mut self) {
        let begin = self.next;
        let length = match begin {
            0 => FIRST_PIECE_LENGTH,
            _ => (self.share.of(READ_AHEAD_LENGTH_MAX) / 2).clamp(FIRST_PIECE_LENGTH, PIECE_LENGTH_MAX),
        };
        self.next = self.object.length.min(begin + length);
        if begin < self.next {
            self.fetch = Some(self.object.fetch(begin..self.next));
        }
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            let is_first = self.next == 0;
            if self.fetch.is_none() {
                self.ask();
            }
            let Some(fetch) = self.fetch.take() else { return Ok(0) };
            let Some(piece) = wait(&fetch, &self.interrupted)? else { return Ok(0) };
            self.piece = piece;
            if !is_first {
                self.ask();
            }
        }
        let length = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// What was asked for; `None` when interrupted.
pub(super) fn wait(fetch: &Fetch, interrupted: &AtomicBool) -> io::Result<Option<Bytes>> {
    loop {
        match fetch.recv_timeout(INTERRUPT_POLL) {
            Ok(Ok(bytes)) => return Ok(Some(bytes)),
            Ok(Err(error)) => return Err(io::Error::other(error)),
            Err(RecvTimeoutError::Timeout) if interrupted.load(Ordering::Relaxed) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("the thread that reads has stopped"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStoreExt as _, PutPayload};
    use parquet::file::reader::ChunkReader as _;

    use super::super::{Chunks, Worker};
    use super::*;

    const PATH: &str = "day/part.ndjson";
    /// Far more than a piece.
    const LENGTH: usize = 12 << 20;

    fn put(bucket: &Arc<Bucket>, byte: u8, length: usize) {
        let (put, bytes) = (bucket.clone(), PutPayload::from(vec![byte; length]));
        let given = bucket.worker.wait(async move { put.store.put(&Path::from(PATH), bytes).await });
        given.expect("the thread is there").expect("put");
    }

    /// An object of a store whose list has no tags, so that nothing can be asked of the store: it is read to somewhere, then
    /// changed.
    fn check(change: impl Fn(&Arc<Bucket>), why: Option<&str>) {
        let worker = Worker::start().expect("a thread");
        let store = Box::new(InMemory::new());
        let bucket = Arc::new(Bucket { url: "s3://logs".into(), store, worker, open: AtomicUsize::new(0) });
        put(&bucket, b'a', LENGTH);
        let (bucket_of, path, seen) = (bucket.clone(), Path::from(PATH), Arc::default());
        let object = Object { bucket: bucket_of, path, length: LENGTH as u64, tag: None, seen };
        let mut reader = ObjectReader::new(&object, Arc::default());
        let mut bytes = vec![0; 100_000];
        reader.read_exact(&mut bytes).expect("the beginning");
        let chunks = Chunks::new(&object, Arc::default());
        assert_eq!(chunks.get_bytes(0, 10).expect("the beginning").as_ref(), b"aaaaaaaaaa");
        change(&bucket);
        let read = reader.read_to_end(&mut bytes);
        let chunk = chunks.get_bytes(LENGTH as u64 - 10, 10);
        match why {
            None => {
                read.expect("the rest");
                assert!(bytes.len() == LENGTH && bytes.iter().all(|byte| *byte == b'a'));
                assert_eq!(chunk.expect("the end").as_ref(), b"aaaaaaaaaa");
            }
            Some(why) => {
                let told = read.expect_err("refused").to_string();
                assert!(told.contains(why), "{told}");
                let told = chunk.expect_err("refused").to_string();
                assert!(told.contains(why), "{told}");
                assert!(bytes.iter().all(|byte| *byte == b'a'), "nothing of the other one");
            }
        }
    }

    #[test]
    fn what_is_replaced_while_it_is_read_is_an_error() {
        check(|_| {}, None);
        check(|bucket| put(bucket, b'b', LENGTH), Some("it was changed while it was read"));
        check(|bucket| put(bucket, b'b', LENGTH + 1), Some("it was changed while it was read"));
        let remove = |bucket: &Arc<Bucket>| {
            let store = bucket.clone();
            let removed = bucket.worker.wait(async move { store.store.delete(&Path::from(PATH)).await });
            removed.expect("the thread is there").expect("removed");
        };
        check(remove, Some("is the name right"));
    }
}
