//! Where a replay begins that goes on from another, and what it keeps for one that goes on from it.

use std::path::Path;

use anyhow::Context;

use super::Sequencer;
use crate::engine::signin::EventTime;
use crate::runtime::replay::checkpoint::{self, Checkpoint, CheckpointPlan, Counted};
use crate::runtime::replay::group::{Border, Group};
use crate::runtime::replay::merge::Reached;
use crate::runtime::replay::state::{self, StateFiles};
use crate::runtime::state_file::Clock;

/// They are all here, as nobody steps.
fn here(groups: &mut [Option<Box<Group>>]) -> Vec<&mut Group> {
    groups.iter_mut().flatten().map(Box::as_mut).collect()
}

impl Sequencer<'_> {
    /// Begins with what is kept of an earlier run, if there is any.
    pub(super) fn take_state(&mut self) -> anyhow::Result<()> {
        let StateFiles { from, checkpoint, .. } = &self.options.state;
        if let Some(plan) = checkpoint.as_ref().filter(|plan| plan.path.exists()) {
            return self.resume(&plan.path);
        }
        let Some(path) = from else { return Ok(()) };
        let clock = state::load(path, &mut here(&mut self.groups))?;
        self.go_on(&clock)
    }

    /// Goes on where an earlier run of the same replay stood.
    fn resume(&mut self, path: &Path) -> anyhow::Result<()> {
        let groups = &mut here(&mut self.groups);
        let identity = self.identity.as_ref().context("a checkpoint that was not planned")?;
        let Checkpoint { clock, reading, ended, counted, .. } =
            checkpoint::load(path, identity, groups, &self.places)?;
        self.merge.go_on(&reading, &ended);
        self.is_resumed = true;
        self.noted_before = reading.iter().map(|(file, reached)| (*file, reached.notes)).collect();
        let taken = |reached: &Reached| Reached { items: reached.items, notes: 0 };
        self.files = reading.iter().map(|(file, reached)| (*file, (taken(reached), Counted::default()))).collect();
        self.counted = counted;
        self.go_on(&clock)
    }

    /// Keeps how far it has come. Nobody steps, and nothing fills the next round.
    fn save_checkpoint(&mut self, plan: &CheckpointPlan) -> anyhow::Result<()> {
        self.sink.flush().context("cannot write")?;
        checkpoint::sync(&plan.outputs)?;
        let reached = |file| {
            let Reached { items, notes } = self.files.get(&file).map(|(reached, _)| *reached).unwrap_or_default();
            let noted_before = self.noted_before.get(&file).copied().unwrap_or(0);
            (file, Reached { items, notes: notes.max(noted_before) })
        };
        let reading = self.merge.joined_files().map(reached).collect();
        let identity = self.identity.clone().context("a checkpoint that was not planned")?;
        let checkpoint = Checkpoint {
            identity,
            clock: self.clock(),
            reading,
            ended: self.merge.disorder().clone(),
            counted: self.counted.clone(),
            lengths: self.sink.lengths(),
        };
        checkpoint::save(&plan.path, &checkpoint, self.sink, &mut here(&mut self.groups), &self.places)?;
        self.due.begin(self.position);
        Ok(())
    }

    /// How far the stream has come.
    fn clock(&self) -> Clock {
        Clock::new(self.stream_time, self.day, self.review, self.position)
    }

    fn go_on(&mut self, clock: &Clock) -> anyhow::Result<()> {
        self.stream_time = clock.stream_time()?;
        self.day = clock.day.unwrap_or(i32::MIN);
        self.review = clock.reviewed.unwrap_or(EventTime::MIN);
        self.position = clock.position;
        Ok(())
    }

    /// Keeps a checkpoint when one is due, once the round before it is finished.
    pub(super) fn keep_checkpoint(&mut self) -> anyhow::Result<()> {
        match &self.options.state.checkpoint {
            Some(plan) if self.due.is_due(self.position) => {
                self.finish_round()?;
                self.save_checkpoint(plan)
            }
            _ => Ok(()),
        }
    }

    /// The stream is at its end, or goes on from what is kept.
    pub(super) fn end(&mut self) -> anyhow::Result<()> {
        let now = self.stream_time.now();
        match (&self.options.state.checkpoint, &self.options.state.to) {
            (Some(plan), _) if self.summary.interrupted => return self.save_checkpoint(plan),
            (_, Some(path)) if !self.summary.interrupted => {
                self.pass(Border::Pause(now))?;
                // Whoever goes on from the state takes what is written for written.
                self.sink.flush().context("cannot write")?;
                let (clock, hash) = (self.clock(), self.options.engine.config_hash);
                let group = self.groups.first_mut().and_then(Option::as_deref_mut).context("no configuration")?;
                state::save(path, clock, hash, group)?;
            }
            _ => self.pass(Border::End(now))?,
        }
        self.write_risky_users().context("cannot write risky users")
    }
}
