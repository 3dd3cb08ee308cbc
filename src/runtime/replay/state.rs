//! A replay that begins where another one ended: its state into a file, and back.
//!
//! The state stands between two rounds. What has been found and not written yet is in it, so a replay that saves its state
//! does not end the stream: what the first run and the one that goes on write, one behind the other, is what one run over
//! both inputs would have written.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;

use super::checkpoint::CheckpointPlan;
use super::group::{Group, Member};
use super::variant::Variant;
use crate::runtime::state_file::{self, Clock, Head, Opened, StateReader};

/// Where a replay begins, and where its state goes.
#[derive(Clone, Debug, Default)]
pub struct StateFiles {
    /// Begin with this state, every variant of it.
    pub from: Option<PathBuf>,
    /// Write the first variant's state here instead of ending the stream.
    pub to: Option<PathBuf>,
    /// Keep here how far the replay has come, and go on from there.
    pub checkpoint: Option<CheckpointPlan>,
}

/// Gives the state to every variant: each goes on from it, with its own settings.
pub(super) fn load(path: &Path, groups: &mut [&mut Group]) -> anyhow::Result<Clock> {
    let Opened { head, profiles, attempts, users } = state_file::open::<Head>(path)?;
    take(path, &head, (&profiles, &attempts), users, groups)?;
    Ok(head.clock)
}

/// What [`load`] does, of a state that was opened.
pub(super) fn take(
    path: &Path,
    head: &Head,
    shared: (&[u8], &[u8]),
    mut users: StateReader,
    groups: &mut [&mut Group],
) -> anyhow::Result<()> {
    let failed = || format!("cannot take the state `{}`", path.display());
    let mut count = 0;
    while let Some((user, state)) = users.next_user().with_context(failed)? {
        count += 1;
        for group in groups.iter_mut() {
            group.import(user, state).with_context(failed)?;
        }
    }
    if count != head.users {
        bail!("the state `{}` is damaged: it has {count} users, and should have {}", path.display(), head.users);
    }
    for group in groups.iter_mut() {
        group.resume(head.clock.reviewed, shared, &head.waiting).with_context(failed)?;
    }
    Ok(())
}

/// Writes the state of a variant that nobody steps; `with` makes of its head what the file begins with.
pub(super) fn save<H: Serialize>(
    path: &Path,
    clock: Clock,
    configuration_hash: u64,
    mut member: Member<'_>,
    with: impl FnOnce(Head, &Variant) -> H,
) -> anyhow::Result<()> {
    let mut users: Vec<_> = member.export().collect();
    users.sort_unstable_by_key(|(user, _)| *user);
    let variant = member.variant();
    let head =
        Head { users: users.len() as u64, waiting: variant.waiting(), ..Head::new(clock, configuration_hash) };
    let head = with(head, variant);
    let users = users.iter().map(|(user, state)| (*user, state.as_slice()));
    state_file::write(path, &head, variant.profiles(), users)
        .with_context(|| format!("cannot write the state `{}`", path.display()))
}
