//! A replay that begins where another one ended: its state into a file, and back.
//!
//! The state stands between two rounds. What has been found and not written yet is in it, so a replay that saves its state
//! does not end the stream: what the first run and the one that goes on write, one behind the other, is what one run over
//! both inputs would have written.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::checkpoint::CheckpointPlan;
use super::group::Group;
use crate::runtime::state_file::{self, Clock, Head, Opened, PutUser};

/// Where a replay begins, and where its state goes.
#[derive(Clone, Debug, Default)]
pub struct StateFiles {
    /// Begin with this state, every variant of it.
    pub from: Option<PathBuf>,
    /// Write the state here instead of ending the stream; of one variant.
    pub to: Option<PathBuf>,
    /// Keep here how far the replay has come, and go on from there.
    pub checkpoint: Option<CheckpointPlan>,
}

/// Gives the state to every variant: each goes on from it, with its own settings.
pub(super) fn load(path: &Path, groups: &mut [&mut Group]) -> anyhow::Result<Clock> {
    let failed = || format!("cannot take the state `{}`", path.display());
    let Opened { head, profiles, attempts, mut users } = state_file::open(path)?;
    let mut count = 0;
    while let Some((user, state)) = users.next_user().with_context(failed)? {
        count += 1;
        for group in groups.iter_mut() {
            group.import(group.all(), user, state).with_context(failed)?;
        }
    }
    if count != head.users {
        bail!("the state `{}` is damaged: it has {count} users, and should have {}", path.display(), head.users);
    }
    for group in groups.iter_mut() {
        group.go_on_behind(head.clock.reviewed);
        for variant in group.variants() {
            variant.resume((&profiles, &attempts), head.waiting.clone()).with_context(failed)?;
        }
    }
    Ok(head.clock)
}

/// Writes the state of a group of one variant that nobody steps.
pub(super) fn save(path: &Path, clock: Clock, configuration_hash: u64, group: &mut Group) -> anyhow::Result<()> {
    let variant = group.variants().first().context("no configuration")?;
    let (waiting, profiles) = (variant.waiting(), variant.profiles().clone());
    let head = Head { users: group.users() as u64, waiting, ..Head::new(clock, configuration_hash) };
    let users = |put: &mut PutUser<'_>| group.export(&mut |user, _, state| put(user, state));
    state_file::write(path, &head, &profiles, users)
        .with_context(|| format!("cannot write the state `{}`", path.display()))
}
