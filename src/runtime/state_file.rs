//! The state of an engine in one file: what it has learnt, and how far the stream had come.
//!
//! ```text
//! magic FSST, version u32 ─▶ zstd( head │ profiles │ attempts │ users… )
//! ```
//! Numbers are little-endian. Within the compressed stream each part has its length (u64) before it; the head is
//! MessagePack with named members, so that later programs can add to it; profiles, attempts and users' states are the
//! engine's own bytes, which have versions of their own. A user is a part of 16 bytes of key (big-endian) and the state.
//! zstd's checksum covers everything. A file is written under another name and renamed when it is on disk; only its owner
//! may read it, for it is personal data.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::hash::UserKey;
use crate::engine::out::{Detection, RiskyUser};
use crate::engine::profile::Profiles;
use crate::engine::signin::EventTime;
use crate::engine::watermark::StreamTime;

const MAGIC: [u8; 4] = *b"FSST";
/// The version written and read.
pub const VERSION: u32 = 1;
const KEY_BYTES: usize = 16;
/// The longest part: far beyond what the limits of profiles and attempts allow.
const PART_BYTES_MAX: u64 = 4 << 30;

/// How far the stream has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// As [`StreamTime::encode`] writes it; empty = nothing has come yet.
    pub stream_time: Vec<u8>,
    /// Day of stream time that has begun.
    pub day: Option<i32>,
    /// Border of the last review.
    pub reviewed: Option<EventTime>,
    /// Items taken so far.
    pub position: u64,
}

impl Clock {
    pub fn new(stream_time: StreamTime, day: i32, reviewed: EventTime, position: u64) -> Clock {
        let mut bytes = Vec::new();
        stream_time.encode(&mut bytes);
        Clock {
            stream_time: bytes,
            day: (day != i32::MIN).then_some(day),
            reviewed: (reviewed != EventTime::MIN).then_some(reviewed),
            position,
        }
    }

    /// # Errors
    /// When it is of another program.
    pub fn stream_time(&self) -> anyhow::Result<StreamTime> {
        if self.stream_time.is_empty() {
            return Ok(StreamTime::default());
        }
        StreamTime::decode(&self.stream_time).context("the state's stream time cannot be read")
    }
}

/// What a replay has found and not written yet, and what it wrote.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Waiting {
    /// Detections that have not settled, in the order in which they are to be written.
    pub detections: Vec<Detection>,
    /// Ids of those written, the oldest first.
    pub written: Vec<Uuid>,
    /// The same of shadow policies.
    pub shadow_detections: Vec<Detection>,
    pub shadow_written: Vec<Uuid>,
    /// Users' risk, one version a user.
    pub risky_users: Vec<RiskyUser>,
}

/// Where a Kafka topic's partition was read to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadTo {
    pub topic: String,
    pub partition: i32,
    /// The first offset that was not read.
    pub offset: i64,
}

/// All but profiles, attempts and users.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Head {
    /// Version of the program that wrote it.
    pub program: String,
    /// Configuration and tables that the verdicts rested on.
    pub configuration_hash: u64,
    pub clock: Clock,
    pub waiting: Waiting,
    /// Empty where it was learnt from files.
    pub read_to: Vec<ReadTo>,
    pub users: u64,
}

impl Head {
    /// Without users, and with nothing that waits.
    pub fn new(clock: Clock, configuration_hash: u64) -> Head {
        Head { program: env!("CARGO_PKG_VERSION").to_owned(), configuration_hash, clock, ..Head::default() }
    }
}

/// Writes a state in place of what is there.
///
/// # Errors
/// When it cannot be written; then what was there stays.
pub fn write<'a>(
    path: &Path,
    head: &impl Serialize,
    profiles: &Profiles,
    users: impl Iterator<Item = (UserKey, &'a [u8])>,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    {
        let mut plain = BufWriter::new(&mut file);
        plain.write_all(&MAGIC)?;
        plain.write_all(&VERSION.to_le_bytes())?;
        let mut packed = zstd::Encoder::new(plain, zstd::DEFAULT_COMPRESSION_LEVEL)?;
        packed.include_checksum(true)?;
        put(&mut packed, &[&rmp_serde::to_vec_named(head).map_err(io::Error::other)?])?;
        let mut bytes = Vec::new();
        profiles.encode(&mut bytes);
        put(&mut packed, &[&bytes])?;
        bytes.clear();
        profiles.attempts().encode(&mut bytes);
        put(&mut packed, &[&bytes])?;
        for (key, state) in users {
            put(&mut packed, &[&key.0.to_be_bytes(), state])?;
        }
        packed.finish()?.flush()?;
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The name is on disk when the folder is.
    File::open(folder)?.sync_all()
}

fn put(into: &mut impl Write, pieces: &[&[u8]]) -> io::Result<()> {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    into.write_all(&(length as u64).to_le_bytes())?;
    pieces.iter().try_for_each(|piece| into.write_all(piece))
}

/// Hash of a file: whether it is the same state.
///
/// # Errors
/// When it cannot be read.
pub fn hash(path: &Path) -> anyhow::Result<u64> {
    let named = || format!("cannot read the state `{}`", path.display());
    let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
    let mut file = BufReader::new(File::open(path).with_context(named)?);
    loop {
        let bytes = file.fill_buf().with_context(named)?;
        if bytes.is_empty() {
            return Ok(hash.digest());
        }
        hash.update(bytes);
        let length = bytes.len();
        file.consume(length);
    }
}

/// A state on its way in.
pub struct StateReader {
    parts: zstd::Decoder<'static, BufReader<File>>,
    part: Vec<u8>,
}

/// What comes before the users.
pub struct Opened<H> {
    pub head: H,
    pub profiles: Vec<u8>,
    pub attempts: Vec<u8>,
    pub users: StateReader,
}

/// Opens a state; `H` is its head as far as it is of interest.
///
/// # Errors
/// When it cannot be read, or is no state.
pub fn open<H: for<'de> Deserialize<'de>>(path: &Path) -> anyhow::Result<Opened<H>> {
    let named = || format!("cannot read the state `{}`", path.display());
    let mut file = BufReader::new(File::open(path).with_context(named)?);
    let mut start = [0; 8];
    let is_whole = file.read_exact(&mut start).is_ok();
    let (magic, version) = start.split_at(4);
    if !is_whole || magic != MAGIC {
        bail!(
            "`{}` is no state: farsign writes them with `--state-out` and `farsign state export`",
            path.display()
        );
    }
    let version = u32::from_le_bytes(version.try_into().unwrap_or_default());
    if version != VERSION {
        bail!("the state `{}` has version `{version}`; this program reads `{VERSION}`", path.display());
    }
    let parts = zstd::Decoder::with_buffer(file).with_context(named)?;
    let mut users = StateReader { parts, part: Vec::new() };
    let mut next = || users.next().and_then(|part| part.map(<[u8]>::to_vec).context("it ends early"));
    let (head, profiles, attempts) = next().and_then(|head| Ok((head, next()?, next()?))).with_context(named)?;
    let head =
        rmp_serde::from_slice(&head).context("its head is damaged, or of another program").with_context(named)?;
    Ok(Opened { head, profiles, attempts, users })
}

impl StateReader {
    fn next(&mut self) -> anyhow::Result<Option<&[u8]>> {
        let mut length = [0; 8];
        let read = self.parts.by_ref().take(8).read(&mut length)?;
        if read == 0 {
            return Ok(None);
        }
        self.parts.read_exact(&mut length[read..])?;
        let length = u64::from_le_bytes(length);
        if length > PART_BYTES_MAX {
            bail!("a part of `{length}` bytes; at most `{PART_BYTES_MAX}` are possible");
        }
        self.part.clear();
        // Grows with what is there, not with what is said to be.
        self.parts.by_ref().take(length).read_to_end(&mut self.part)?;
        if (self.part.len() as u64) < length {
            bail!("it ends early");
        }
        Ok(Some(&self.part))
    }

    /// The next user's key and state; `None` behind the last.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn next_user(&mut self) -> anyhow::Result<Option<(UserKey, &[u8])>> {
        let Some(part) = self.next().context("the state is damaged")? else { return Ok(None) };
        let (key, state) =
            part.split_first_chunk::<KEY_BYTES>().context("the state is damaged: a user without a key")?;
        Ok(Some((UserKey(u128::from_be_bytes(*key)), state)))
    }
}
