//! The state of an engine in one file: what it has learnt, and how far the stream had come.
//!
//! Its [parts](parts_file) are head │ profiles │ attempts │ users…. The head is MessagePack with named members, so that later
//! programs can add to it; profiles, attempts and users' states are the engine's own bytes, which have versions of their
//! own. A user is a part of 16 bytes of key (big-endian) and the state.

use std::io;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::parts_file::{self, Kind, PartReader, PartWriter};
use crate::engine::hash::UserKey;
use crate::engine::out::{Detection, RiskyUser};
use crate::engine::profile::Profiles;
use crate::engine::signin::EventTime;
use crate::engine::watermark::StreamTime;

/// The version written and read.
pub const VERSION: u32 = 1;
const KEY_BYTES: usize = 16;

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

/// A state is a file of this kind.
const KIND: Kind = Kind {
    magic: *b"FSST",
    version: VERSION,
    name: "state",
    written_with: "`--state-out` and `farsign state export`",
};

/// A user's key and state, on their way into a file.
pub type PutUser<'a> = dyn FnMut(UserKey, &[u8]) -> io::Result<()> + 'a;

/// Writes a state in place of what is there; `users` gives as many as the head says.
///
/// # Errors
/// When it cannot be written; then what was there stays.
pub fn write(
    path: &Path,
    head: &Head,
    profiles: &Profiles,
    users: impl FnOnce(&mut PutUser<'_>) -> io::Result<()>,
) -> io::Result<()> {
    parts_file::write(path, &KIND, |parts| {
        parts.put_named(head)?;
        put_profiles(parts, profiles)?;
        users(&mut |key, state| parts.put(&[&key.0.to_be_bytes(), state]))
    })
}

/// Writes profiles and attempts, a part each.
pub(super) fn put_profiles(parts: &mut PartWriter<'_>, profiles: &Profiles) -> io::Result<()> {
    let mut bytes = Vec::new();
    profiles.encode(&mut bytes);
    parts.put(&[&bytes])?;
    bytes.clear();
    profiles.attempts().encode(&mut bytes);
    parts.put(&[&bytes])
}

/// Hash of a file: whether it is the same state.
///
/// # Errors
/// When it cannot be read.
pub fn hash(path: &Path) -> anyhow::Result<u64> {
    parts_file::hash(path).with_context(|| format!("cannot read the state `{}`", path.display()))
}

/// A state on its way in.
pub struct StateReader(PartReader);

/// What comes before the users.
pub struct Opened {
    pub head: Head,
    pub profiles: Vec<u8>,
    pub attempts: Vec<u8>,
    pub users: StateReader,
}

/// Opens a state.
///
/// # Errors
/// When it cannot be read, or is no state.
pub fn open(path: &Path) -> anyhow::Result<Opened> {
    let mut parts = parts_file::open(path, &KIND)?;
    let mut next = || Ok((parts.part_named()?, parts.part()?.to_vec(), parts.part()?.to_vec()));
    let opened: anyhow::Result<_> = next();
    let (head, profiles, attempts) =
        opened.with_context(|| format!("cannot read the state `{}`", path.display()))?;
    Ok(Opened { head, profiles, attempts, users: StateReader(parts) })
}

impl StateReader {
    /// The next user's key and state; `None` behind the last.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn next_user(&mut self) -> anyhow::Result<Option<(UserKey, &[u8])>> {
        let Some(part) = self.0.next_part().context("the state is damaged")? else { return Ok(None) };
        let (key, state) =
            part.split_first_chunk::<KEY_BYTES>().context("the state is damaged: a user without a key")?;
        Ok(Some((UserKey(u128::from_be_bytes(*key)), state)))
    }
}
