//! A task's committed state in a local file, so that a restore reads only what came after.
//!
//! A snapshot is written whole, under a new name, and renamed when it is on disk; it is never changed. It holds nothing
//! that the changelog does not: one that is missing, damaged, too old, or of another topic is left aside and the
//! changelog is read from its beginning. Too old is older than tombstones are kept: behind them a forgotten user would
//! come back.
//!
//! File: magic `FSNP`, length of the head u32, head (JSON), then per entry key length u32, value length u32, key, value;
//! xxh3-64 of all bytes before it. Numbers are little-endian.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::marker::Marker;
use super::topics::plan::DELETE_RETENTION_MS;

const MAGIC: [u8; 4] = *b"FSNP";
const VERSION: u32 = 1;
const CHECKSUM_BYTES: usize = 8;
/// Snapshots of a task that are kept: the newest, and the one before, should the newest be damaged.
const KEPT: usize = 2;
const EXTENSION: &str = "snapshot";

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    pub version: u32,
    /// The cluster's id and the changelog topic's: another topic of the same name is another changelog.
    pub cluster_id: String,
    pub topic: String,
    pub topic_id: String,
    pub partition: i32,
    /// Position in the changelog behind the marker.
    pub position: i64,
    pub marker: Marker,
    /// When it was made, seconds since 1970.
    pub made_s: u64,
    pub entries: u64,
}

/// State with its place.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub head: Head,
    /// As changes of the changelog.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Why a file is no snapshot for this task.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is damaged")]
    Damaged,
    #[error("it is of another changelog or partition, or of another program version")]
    Other,
    #[error("it is older than tombstones are kept")]
    Old,
}

/// Which snapshots a task can use.
#[derive(Clone, Debug)]
pub struct Folder {
    pub path: PathBuf,
    pub cluster_id: String,
    pub topic: String,
    pub topic_id: String,
}

impl Folder {
    fn stem(&self, partition: i32) -> String {
        format!("{}-{partition}-", self.topic)
    }

    /// Writes a snapshot and removes all but the newest of the task's.
    pub fn write(&self, snapshot: &Snapshot) -> io::Result<u64> {
        fs::create_dir_all(&self.path)?;
        let head = &snapshot.head;
        let name = format!("{}{:020}.{EXTENSION}", self.stem(head.partition), head.marker.transaction);
        let (target, part) = (self.path.join(&name), self.path.join(format!("{name}.part")));
        let mut file = Checked { inner: BufWriter::new(File::create(&part)?), hash: Xxh3::new(), bytes: 0 };
        put(&mut file, snapshot)?;
        let (checksum, bytes) = (file.hash.digest(), file.bytes);
        let mut inner = file.inner;
        inner.write_all(&checksum.to_le_bytes())?;
        inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&part, &target)?;
        // The name is on disk when the folder is.
        File::open(&self.path)?.sync_all()?;
        for old in self.names(head.partition)?.iter().rev().skip(KEPT) {
            fs::remove_file(old)?;
        }
        Ok(bytes)
    }

    /// The newest snapshot that can be used at `now_s`, seconds since 1970. Those that cannot are said and left.
    pub fn newest(&self, partition: i32, now_s: u64) -> Option<Snapshot> {
        let names = self.names(partition).ok()?;
        names.iter().rev().find_map(|path| match self.read(path, partition, now_s) {
            Ok(snapshot) => Some(snapshot),
            Err(error) => {
                tracing::warn!(file = %path.display(), "a snapshot cannot be used: {error}");
                None
            }
        })
    }

    /// Oldest first: names rise with the transaction.
    fn names(&self, partition: i32) -> io::Result<Vec<PathBuf>> {
        let stem = self.stem(partition);
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let number = name.strip_prefix(&stem).and_then(|rest| rest.strip_suffix(".snapshot"));
            number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let mut names: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.push(entry?.path());
        }
        names.retain(is_ours);
        names.sort();
        Ok(names)
    }

    fn read(&self, path: &Path, partition: i32, now_s: u64) -> Result<Snapshot, SnapshotError> {
        let mut bytes = Vec::new();
        File::open(path)?.read_to_end(&mut bytes)?;
        let snapshot = parse(&bytes)?;
        let head = &snapshot.head;
        let ours = (&self.cluster_id, &self.topic, &self.topic_id, partition, VERSION);
        if (&head.cluster_id, &head.topic, &head.topic_id, head.partition, head.version) != ours {
            return Err(SnapshotError::Other);
        }
        if now_s.saturating_sub(head.made_s) > DELETE_RETENTION_MS / 1_000 {
            return Err(SnapshotError::Old);
        }
        Ok(snapshot)
    }
}

impl Head {
    /// The head of a snapshot of `folder`.
    pub fn new(folder: &Folder, partition: i32, position: i64, marker: Marker, made_s: u64) -> Head {
        let Folder { cluster_id, topic, topic_id, .. } = folder.clone();
        Head { version: VERSION, cluster_id, topic, topic_id, partition, position, marker, made_s, entries: 0 }
    }
}

/// Counts and hashes what goes through.
struct Checked<W> {
    inner: W,
    hash: Xxh3,
    bytes: u64,
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn put(file: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    let head = Head { entries: snapshot.entries.len() as u64, ..snapshot.head.clone() };
    let head = serde_json::to_vec(&head)?;
    file.write_all(&MAGIC)?;
    file.write_all(&(head.len() as u32).to_le_bytes())?;
    file.write_all(&head)?;
    for (key, value) in &snapshot.entries {
        file.write_all(&(key.len() as u32).to_le_bytes())?;
        file.write_all(&(value.len() as u32).to_le_bytes())?;
        file.write_all(key)?;
        file.write_all(value)?;
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(SnapshotError::Damaged)?;
    if xxhash_rust::xxh3::xxh3_64(content) != u64::from_le_bytes(*checksum) {
        return Err(SnapshotError::Damaged);
    }
    let mut rest = content.strip_prefix(&MAGIC).ok_or(SnapshotError::Damaged)?;
    let length = take_length(&mut rest)?;
    let head: Head = serde_json::from_slice(take(&mut rest, length)?).map_err(|_| SnapshotError::Other)?;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (key, value) = (take_length(&mut rest)?, take_length(&mut rest)?);
        entries.push((take(&mut rest, key)?.to_vec(), take(&mut rest, value)?.to_vec()));
    }
    if entries.len() as u64 != head.entries {
        return Err(SnapshotError::Damaged);
    }
    Ok(Snapshot { head, entries })
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], SnapshotError> {
    let (taken, behind) = rest.split_at_checked(length).ok_or(SnapshotError::Damaged)?;
    *rest = behind;
    Ok(taken)
}

fn take_length(rest: &mut &[u8]) -> Result<usize, SnapshotError> {
    let bytes = take(rest, 4)?.first_chunk().ok_or(SnapshotError::Damaged)?;
    Ok(u32::from_le_bytes(*bytes) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_700_000_000;

    fn folder(path: &Path) -> Folder {
        let text = |text: &str| text.to_owned();
        Folder { path: path.to_owned(), cluster_id: text("c"), topic: text("state"), topic_id: text("t") }
    }

    fn snapshot(folder: &Folder, transaction: u64) -> Snapshot {
        let marker = Marker {
            version: 1,
            transaction,
            next: vec![("sign-ins".to_owned(), 7)],
            topic_ids: Vec::new(),
            position: 3,
            stream_time: String::new(),
            day: None,
            complete_day: None,
            reviewed_minute: None,
            told_minute: None,
            program: "0".to_owned(),
            configuration_hash: String::new(),
            importing: false,
        };
        let entries = vec![(b"key".to_vec(), vec![transaction as u8; 9]), (Vec::new(), Vec::new())];
        Snapshot { head: Head { entries: 2, ..Head::new(folder, 4, 11, marker, NOW_S) }, entries }
    }

    #[test]
    fn the_newest_good_one_is_read_and_two_are_kept() {
        let place = tempfile::tempdir().unwrap();
        let folder = folder(place.path());
        assert_eq!(folder.newest(4, NOW_S), None);
        for transaction in [1, 2, 30] {
            folder.write(&snapshot(&folder, transaction)).unwrap();
        }
        assert_eq!(folder.names(4).unwrap().len(), KEPT);
        assert_eq!(folder.newest(4, NOW_S), Some(snapshot(&folder, 30)));
        assert_eq!(folder.newest(5, NOW_S), None);
        // A torn file gives way to the one before it.
        let newest = folder.names(4).unwrap().pop().unwrap();
        let bytes = fs::read(&newest).unwrap();
        fs::write(&newest, &bytes[..bytes.len() - 3]).unwrap();
        assert_eq!(folder.newest(4, NOW_S), Some(snapshot(&folder, 2)));
    }

    #[test]
    fn every_damaged_byte_is_found() {
        let place = tempfile::tempdir().unwrap();
        let folder = folder(place.path());
        folder.write(&snapshot(&folder, 1)).unwrap();
        let bytes = fs::read(&folder.names(4).unwrap()[0]).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(parse(&damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn another_topic_and_an_old_one_are_left_aside() {
        let place = tempfile::tempdir().unwrap();
        let ours = folder(place.path());
        ours.write(&snapshot(&ours, 1)).unwrap();
        assert_eq!(Folder { topic_id: "u".to_owned(), ..ours.clone() }.newest(4, NOW_S), None);
        assert_eq!(Folder { cluster_id: "d".to_owned(), ..ours.clone() }.newest(4, NOW_S), None);
        let week_s = DELETE_RETENTION_MS / 1_000;
        assert!(ours.newest(4, NOW_S + week_s).is_some());
        assert_eq!(ours.newest(4, NOW_S + week_s + 1), None);
    }
}
