//! How far a long replay has come, in a file, so that one that was broken off goes on there.
//!
//! A checkpoint holds the state, the place in every file that is being read, what was counted of those that have ended, and
//! how long the outputs were. It stands between two rounds and is replaced as a whole. A file that was being read is read
//! from its beginning again, and what was taken of it is passed over: a compressed one could not be entered otherwise.
//! One that had ended is not read again. So what all the runs write is what one run would have written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::filter::LeftOut;
use super::group::{Group, grouped};
use super::input::Input;
use super::merge::{Disorder, Reached};
use super::output::Sink;
use super::sequencer::Options;
use super::settle::Order;
use super::summary::Judged;
use crate::engine::decode::{Decoder, RejectReason, SkipReason};
use crate::engine::hash::UserKey;
use crate::engine::policy::EngineConfig;
use crate::engine::variants::Variants;
use crate::runtime::clock;
use crate::runtime::parts_file::{self, Kind, PartReader};
use crate::runtime::state_file::{self, Clock, Waiting};

/// Between two checkpoints, unless configured otherwise.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(300);

/// Where checkpoints go, and when.
#[derive(Clone, Debug)]
pub struct CheckpointPlan {
    pub path: PathBuf,
    pub every: Duration,
    /// What else the outputs rest on, in words: their form, and the state that the replay began with.
    pub rests_on: String,
    /// Files whose lengths are in it: they are on disk before it is.
    pub outputs: Vec<PathBuf>,
}

/// What was read of files, as far as the stream has passed it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    pub records: u64,
    pub items: u64,
    pub skipped: BTreeMap<SkipReason, u64>,
    pub left_out: BTreeMap<LeftOut, u64>,
    pub rejects: BTreeMap<RejectReason, u64>,
    /// Files that broke off, and why.
    pub broken: Vec<(String, String)>,
}

impl Counted {
    pub fn add(&mut self, other: Counted) {
        self.records += other.records;
        self.items += other.items;
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        for (cause, count) in other.left_out {
            *self.left_out.entry(cause).or_default() += count;
        }
        for (reason, count) in other.rejects {
            *self.rejects.entry(reason).or_default() += count;
        }
        self.broken.extend(other.broken);
    }
}

/// What the checkpoint is of: another replay cannot go on from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The variants' configurations, in their order.
    pub configuration_hashes: Vec<u64>,
    /// Which of them share users: all that a state is kept once for.
    groups: Vec<Vec<usize>>,
    /// Name and hash, of the first variant.
    shadow_policies: Vec<(String, u64)>,
    emits_suppressed: bool,
    writes_updates: bool,
    /// How records are read, people apart: they are in the configurations' hashes.
    reading: String,
    filter: String,
    rests_on: String,
    outputs: Vec<PathBuf>,
    /// As [`Input::stamp`](super::input::Input::stamp) tells them.
    inputs: Vec<String>,
}

impl Identity {
    /// Of a replay by `variants`, at least one.
    pub fn new(options: &Options, variants: &[Arc<EngineConfig>]) -> Identity {
        let Options { order, inputs, filter, .. } = options;
        let plan = options.state.checkpoint.as_ref();
        let Decoder { format, year, unwrap, mappings, people: _ } = &options.decoder;
        let shadow_policies = variants.first().map(|first| &first.shadow_policies).into_iter().flatten();
        Identity {
            configuration_hashes: variants.iter().map(|variant| variant.config_hash).collect(),
            groups: grouped(variants),
            shadow_policies: shadow_policies.map(|shadow| (shadow.scoped.name.clone(), shadow.hash)).collect(),
            emits_suppressed: variants.iter().any(|variant| variant.emit_suppressed),
            writes_updates: *order == Order::Updates,
            reading: format!("{format:?} {year:?} {unwrap:?} {mappings:?}"),
            filter: filter.to_string(),
            rests_on: plan.map(|plan| plan.rests_on.clone()).unwrap_or_default(),
            outputs: plan.map(|plan| plan.outputs.clone()).unwrap_or_default(),
            inputs: inputs.iter().map(Input::stamp).collect(),
        }
    }
}

/// Where a replay goes on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    pub identity: Identity,
    pub clock: Clock,
    /// Files that are being read, by their place among the inputs.
    pub reading: BTreeMap<usize, Reached>,
    pub ended: BTreeMap<usize, Disorder>,
    /// Of files that have ended.
    pub counted: Counted,
    /// Of the outputs that grow.
    pub lengths: Vec<u64>,
}

/// What is kept of a variant, profiles and users apart.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    judged: Judged,
    waiting: Waiting,
}

/// A checkpoint is a file of this kind: its parts are the [`Checkpoint`], the sink's [figures](Sink::figures), those of each
/// variant; then for each variant what is [`Kept`], profiles, and attempts; and users. A user's part has the key (16 bytes), the
/// group (u32), and the variants to whom the state is the same (u64), big-endian, and the state.
const KIND: Kind = Kind { magic: *b"FSCP", version: 1, name: "checkpoint", written_with: "`--resume`" };
/// Before a user's state.
const USER_BYTES: usize = 16 + 4 + 8;

/// What a checkpoint begins with.
pub struct Looked {
    pub checkpoint: Checkpoint,
    /// [`Sink::figures`] as of then.
    pub figures: Vec<u8>,
    /// [`Sink::figures_of`] each variant.
    pub figures_of: Vec<Vec<u8>>,
}

/// Reads what a checkpoint begins with; `None` where there is none yet.
///
/// # Errors
/// When it cannot be read.
pub fn look(path: &Path) -> anyhow::Result<Option<Looked>> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => Ok(Some(begin(path)?.0)),
    }
}

fn begin(path: &Path) -> anyhow::Result<(Looked, PartReader)> {
    let mut parts = parts_file::open(path, &KIND)?;
    let mut begin = || {
        let (checkpoint, figures): (Checkpoint, _) = (parts.part_named()?, parts.part()?.to_vec());
        let of = checkpoint.identity.configuration_hashes.iter().map(|_| Ok(parts.part()?.to_vec()));
        let figures_of = of.collect::<anyhow::Result<_>>()?;
        Ok(Looked { checkpoint, figures, figures_of })
    };
    let looked: anyhow::Result<Looked> = begin();
    let looked = looked.with_context(|| format!("cannot read the checkpoint `{}`", path.display()))?;
    Ok((looked, parts))
}

impl Looked {
    /// # Errors
    /// When it is of another replay.
    pub fn check(&self, path: &Path, identity: &Identity) -> anyhow::Result<()> {
        if self.checkpoint.identity == *identity {
            return Ok(());
        }
        bail!(
            "`{}` says how far a replay with other inputs, configuration, tables, state, outputs or options had come: remove \
             it to begin anew, or name another file",
            path.display()
        );
    }
}

/// Takes the checkpoint's state; `places` has each variant's group and its place there.
///
/// # Errors
/// When it cannot be read, or is of another replay.
pub(super) fn load(
    path: &Path,
    identity: &Identity,
    groups: &mut [&mut Group],
    places: &[(usize, usize)],
) -> anyhow::Result<Checkpoint> {
    let (looked, parts) = begin(path)?;
    looked.check(path, identity)?;
    take(groups, places, &looked.checkpoint.clock, parts)
        .with_context(|| format!("cannot take the checkpoint `{}`", path.display()))?;
    Ok(looked.checkpoint)
}

fn take(
    groups: &mut [&mut Group],
    places: &[(usize, usize)],
    clock: &Clock,
    mut parts: PartReader,
) -> anyhow::Result<()> {
    for (group, place) in places {
        let Kept { judged, waiting } = parts.part_named()?;
        let profiles = parts.part()?.to_vec();
        let variant = &mut groups[*group].variants()[*place];
        variant.resume((&profiles, parts.part()?), waiting)?;
        variant.go_on(judged);
    }
    // To the last part: only then all of it was found to be as it was written.
    while let Some(part) = parts.next_part()? {
        let (head, state) = part.split_first_chunk::<USER_BYTES>().context("a user without a key")?;
        let (user, group, variants) = user(head);
        let group = groups.get_mut(group as usize).context("a user of no group")?;
        group.import(variants, user, state)?;
    }
    groups.iter_mut().for_each(|group| group.go_on_behind(clock.reviewed));
    Ok(())
}

/// Writes a checkpoint in place of what is there.
///
/// # Errors
/// When it cannot be written; then what was there stays.
pub(super) fn save(
    path: &Path,
    checkpoint: &Checkpoint,
    sink: &dyn Sink,
    groups: &mut [&mut Group],
    places: &[(usize, usize)],
) -> anyhow::Result<()> {
    let written = parts_file::write(path, &KIND, |parts| {
        parts.put_named(checkpoint)?;
        parts.put(&[&sink.figures()?])?;
        (0..places.len()).try_for_each(|variant| parts.put(&[&sink.figures_of(variant)?]))?;
        for (group, place) in places {
            let variant = &groups[*group].variants()[*place];
            parts.put_named(&Kept { judged: variant.judged(), waiting: variant.waiting() })?;
            state_file::put_profiles(parts, variant.profiles())?;
        }
        for (number, group) in (0u32..).zip(groups) {
            group.export(&mut |user, variants, state| parts.put(&[&user_bytes(user, number, variants), state]))?;
        }
        Ok(())
    });
    written.with_context(|| format!("cannot write the checkpoint `{}`", path.display()))
}

fn user_bytes(user: UserKey, group: u32, variants: Variants) -> [u8; USER_BYTES] {
    let mut bytes = [0; USER_BYTES];
    bytes[..16].copy_from_slice(&user.0.to_be_bytes());
    bytes[16..20].copy_from_slice(&group.to_be_bytes());
    bytes[20..].copy_from_slice(&variants.to_bits().to_be_bytes());
    bytes
}

fn user(bytes: &[u8; USER_BYTES]) -> (UserKey, u32, Variants) {
    let number = |range: Range<usize>| bytes[range].iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
    (UserKey(number(0..16)), number(16..20) as u32, Variants::from_bits(number(20..USER_BYTES) as u64))
}

/// Brings on disk what a checkpoint will say was written; the outputs were flushed.
///
/// # Errors
/// When one cannot be written.
pub fn sync(outputs: &[PathBuf]) -> anyhow::Result<()> {
    for output in outputs {
        // A device has nothing to be synced.
        let is_file = output.metadata().is_ok_and(|data| data.is_file());
        let synced = if is_file { File::open(output).and_then(|file| file.sync_all()) } else { Ok(()) };
        synced.with_context(|| format!("cannot write `{}` to disk", output.display()))?;
    }
    Ok(())
}

/// Says when the next checkpoint is due.
pub(super) struct Due {
    every: Option<Duration>,
    last: Instant,
    /// Position of the last one: without progress none is due, or there would be none.
    position: u64,
}

impl Due {
    pub(super) fn new(plan: Option<&CheckpointPlan>) -> Due {
        Due { every: plan.map(|plan| plan.every), last: clock::now(), position: 0 }
    }

    pub(super) fn is_due(&self, position: u64) -> bool {
        position > self.position && self.every.is_some_and(|every| self.last.elapsed() >= every)
    }

    pub(super) fn begin(&mut self, position: u64) {
        (self.last, self.position) = (clock::now(), position);
    }
}
