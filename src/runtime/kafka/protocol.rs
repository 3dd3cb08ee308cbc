//! Commit and restore: what a task does with [`TaskLog`], in what order, and what it does when in doubt.
//!
//! The rule: a producer is trusted only as long as every transaction of it ended cleanly. After anything else it is
//! replaced; the new one's beginning ends whatever the old one left (its epoch fences late requests), and then the
//! log itself is asked, through the last marker, whether the transaction in question was committed. Nothing is
//! guessed, and state is never rolled back: the outbox is kept and sent again.

use super::log::{Change, Failure, TaskLog};
use super::marker::{MARKER_KEY, Marker, MarkerError};
use super::outbox::Frozen;

/// How a commit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Committed {
        /// The answer had been lost, and the log said so.
        resolved: bool,
    },
    /// Not committed; the same outbox is to be sent again, after the group has been polled, if the task is still ours.
    Retry(Failure),
    /// The log holds transactions of somebody else: this task is no longer ours, whatever the group says.
    Lost(String),
}

/// What the producer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Ready,
    /// To be replaced before it is used again.
    Stale,
}

/// What a restore found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// `None`: the changelog is empty, the task begins.
    pub marker: Option<Marker>,
    /// The group's offset for the lead topic.
    pub committed: Option<i64>,
    /// Position behind the changelog.
    pub position: i64,
}

/// Why a task cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Log(#[from] Failure),
    #[error(transparent)]
    Marker(#[from] MarkerError),
    #[error(
        "changelog transactions go backwards, from `{before}` to `{after}`: two programs write the same changelog"
    )]
    Order { before: u64, after: u64 },
}

/// One task's conversation with Kafka.
pub struct Session<L> {
    log: L,
    trust: Trust,
    /// Where the last marker known stands in the changelog.
    marker_offset: i64,
    /// Producers replaced since the beginning.
    pub renewals: u64,
}

impl<L: TaskLog> Session<L> {
    pub fn new(log: L) -> Session<L> {
        Session { log, trust: Trust::Stale, marker_offset: 0, renewals: 0 }
    }

    pub fn log(&mut self) -> &mut L {
        &mut self.log
    }

    /// Takes the task over and reads its state: `visit` gets every change from `position` on, markers apart.
    ///
    /// The order matters. The new producer ends what the old owner left open; only then is the group's offset stable
    /// and the end of the changelog final, and only what lies before that end is the state.
    pub fn restore(&mut self, position: i64, visit: &mut dyn FnMut(Change<'_>)) -> Result<Restored, RestoreError> {
        self.renew()?;
        // With a snapshot, the last marker may be the one right before it.
        self.marker_offset = position.saturating_sub(1).max(0);
        let committed = self.log.committed_offset()?;
        let (marker, end) = self.read(position, visit)?;
        Ok(Restored { marker, committed, position: end })
    }

    /// Where the last marker known stands in the changelog.
    pub fn marker_offset(&self) -> i64 {
        self.marker_offset
    }

    fn renew(&mut self) -> Result<(), Failure> {
        self.trust = Trust::Stale;
        self.log.renew()?;
        self.renewals += 1;
        self.trust = Trust::Ready;
        Ok(())
    }

    /// Reads changes from `position` to the end; gives the last marker among them.
    fn read(
        &mut self,
        position: i64,
        visit: &mut dyn FnMut(Change<'_>),
    ) -> Result<(Option<Marker>, i64), RestoreError> {
        let mut last: Option<(i64, Marker)> = None;
        let mut problem = None;
        let end = self.log.changes(position, &mut |change| {
            if change.key != MARKER_KEY {
                return visit(change);
            }
            match (change.payload.map(Marker::decode), &last) {
                (Some(Ok(marker)), Some((_, before))) if marker.transaction <= before.transaction => {
                    let (before, after) = (before.transaction, marker.transaction);
                    problem.get_or_insert(RestoreError::Order { before, after });
                }
                (Some(Ok(marker)), _) => last = Some((change.offset, marker)),
                (Some(Err(error)), _) => {
                    problem.get_or_insert(error.into());
                }
                // A tombstone: the state was reset.
                (None, _) => last = None,
            }
        })?;
        if let Some(problem) = problem {
            return Err(problem);
        }
        if let Some((offset, _)) = last {
            self.marker_offset = offset;
        }
        Ok((last.map(|(_, marker)| marker), end))
    }

    /// Writes a frozen outbox, or finds out that it is written.
    pub fn commit(&mut self, frozen: &Frozen) -> Outcome {
        if self.trust == Trust::Stale {
            match self.find_out(frozen) {
                Ok(None) => {}
                Ok(Some(outcome)) => return outcome,
                Err(failure) => return Outcome::Retry(failure),
            }
        }
        match self.log.transact(frozen) {
            Ok(committed) => {
                self.marker_offset = committed.marker_offset;
                if !committed.clean {
                    self.trust = Trust::Stale;
                }
                Outcome::Committed { resolved: false }
            }
            Err(failure) => {
                // After a fence of the group alone, librdkafka's producer can go on.
                let is_good = matches!(failure, Failure::GroupFenced(_)) && self.log.abort().is_ok();
                if !is_good {
                    self.trust = Trust::Stale;
                }
                Outcome::Retry(failure)
            }
        }
    }

    /// Replaces the producer and asks the log; `None`: the outbox is still to be sent.
    fn find_out(&mut self, frozen: &Frozen) -> Result<Option<Outcome>, Failure> {
        self.renew()?;
        let read = self.read(self.marker_offset, &mut |_| {});
        let marker = match read {
            Ok((marker, _)) => marker,
            Err(RestoreError::Log(failure)) => {
                self.trust = Trust::Stale;
                return Err(failure);
            }
            Err(error) => return Ok(Some(Outcome::Lost(error.to_string()))),
        };
        let found = marker.as_ref().map_or(0, |marker| marker.transaction);
        // The number alone does not say whose transaction it is: another owner goes on from the same one.
        let is_ours = marker.is_some_and(|marker| marker.next == frozen.next);
        Ok(if found == frozen.transaction && is_ours {
            Some(Outcome::Committed { resolved: true })
        } else if found + 1 == frozen.transaction {
            None
        } else {
            let expected = frozen.transaction;
            Some(Outcome::Lost(format!(
                "the changelog has another's transaction `{found}`, this task is at `{expected}`"
            )))
        })
    }
}
