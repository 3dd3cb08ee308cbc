//! How far a long replay has come, in a file, so that one that was broken off goes on there.
//!
//! A checkpoint holds the state, the place in every file that is being read, what was counted of those that have ended, and
//! how long the outputs were. It stands between two rounds and is replaced as a whole. A file that was being read is read
//! from its beginning again, and what was taken of it is passed over: a compressed one could not be entered otherwise.
//! One that had ended is not read again. So what all the runs write is what one run would have written.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::filter::LeftOut;
use super::group::Group;
use super::input::Input;
use super::merge::{Disorder, Reached};
use super::sequencer::Options;
use super::settle::Order;
use super::state;
use super::summary::Judged;
use crate::engine::decode::{Decoder, RejectReason, SkipReason};
use crate::runtime::clock;
use crate::runtime::state_file::{self, Head, Opened};

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
    configuration_hash: u64,
    /// Name and hash.
    shadow_policies: Vec<(String, u64)>,
    emits_suppressed: bool,
    writes_updates: bool,
    /// How records are read, people apart: they are in the configuration's hash.
    reading: String,
    filter: String,
    rests_on: String,
    outputs: Vec<PathBuf>,
    /// As [`Input::stamp`](super::input::Input::stamp) tells them.
    inputs: Vec<String>,
}

impl Identity {
    pub fn new(options: &Options) -> Identity {
        let Options { engine, order, inputs, filter, .. } = options;
        let plan = options.state.checkpoint.as_ref();
        let Decoder { format, year, unwrap, mappings, people: _ } = &options.decoder;
        Identity {
            configuration_hash: engine.config_hash,
            shadow_policies: engine
                .shadow_policies
                .iter()
                .map(|shadow| (shadow.scoped.name.clone(), shadow.hash))
                .collect(),
            emits_suppressed: engine.emit_suppressed,
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
    pub state: Head,
    pub judged: Judged,
    /// Files that are being read, by their place among the inputs.
    pub reading: BTreeMap<usize, Reached>,
    pub ended: BTreeMap<usize, Disorder>,
    /// Of files that have ended.
    pub counted: Counted,
    /// Of the outputs that grow.
    pub lengths: Vec<u64>,
}

/// Reads a checkpoint's head; `None` where there is none yet.
///
/// # Errors
/// When it cannot be read, or is of another replay.
pub fn look(path: &Path, identity: &Identity) -> anyhow::Result<Option<Checkpoint>> {
    if !path.exists() {
        return Ok(None);
    }
    let Opened { head, .. } = state_file::open::<Checkpoint>(path)?;
    if head.identity != *identity {
        bail!(
            "`{}` says how far a replay with other inputs, configuration, tables, state, outputs or options had come: remove \
             it to begin anew, or name another file",
            path.display()
        );
    }
    Ok(Some(head))
}

/// Takes the checkpoint's state.
///
/// # Errors
/// When it cannot be read.
pub(super) fn load(path: &Path, group: &mut Group) -> anyhow::Result<Checkpoint> {
    let Opened { mut head, profiles, attempts, users } = state_file::open::<Checkpoint>(path)?;
    state::take(path, &head.state, (&profiles, &attempts), users, &mut [&mut *group])?;
    group.member(0).variant().go_on(std::mem::take(&mut head.judged));
    Ok(head)
}

/// Brings on disk what a checkpoint will say was written; the outputs were flushed.
///
/// # Errors
/// When one cannot be written.
pub(super) fn sync(outputs: &[PathBuf]) -> anyhow::Result<()> {
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
