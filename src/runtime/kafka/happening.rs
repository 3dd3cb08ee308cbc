//! Everything that can happen to a worker's tasks, and the board on which threads post what others need to know.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;

use super::commit::CommitDone;
use super::open::{OpenError, Opened};

/// Told to the worker that owns the partition.
pub enum Happening {
    /// The group gave us the partition.
    Assigned {
        partition: i32,
    },
    /// The group takes it away; answered when the task has written what it could, or dropped it.
    Revoked {
        partition: i32,
        lost: bool,
        done: Sender<i32>,
    },
    /// Epochs number the openings of tasks; what belongs to an earlier one is void.
    Restored {
        partition: i32,
        epoch: u64,
        opened: Result<Box<Opened>, OpenError>,
    },
    Committed(Box<CommitDone>),
    /// How far a task is behind the end of a topic.
    Lag {
        partition: i32,
        topic: String,
        records: u64,
    },
    /// Commit, close every task and end.
    Stop,
}

/// Topic and next offset of each of a task's sources, as committed.
pub type Places = Vec<(String, i64)>;

/// Shared by the group thread, workers and the monitor.
#[derive(Default)]
pub struct Board {
    /// Polls of the group that have come back.
    polls: AtomicU64,
    positions: Mutex<BTreeMap<i32, Places>>,
    /// Why the program must end, when it must.
    fatal: Mutex<Option<String>>,
}

impl Board {
    pub fn note_poll(&self) {
        self.polls.fetch_add(1, Ordering::AcqRel);
    }

    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Acquire)
    }

    pub fn post(&self, partition: i32, position: Places) {
        lock(&self.positions).insert(partition, position);
    }

    pub fn withdraw(&self, partition: i32) {
        lock(&self.positions).remove(&partition);
    }

    pub fn positions(&self) -> BTreeMap<i32, Places> {
        lock(&self.positions).clone()
    }

    /// The first reason counts.
    pub fn end(&self, reason: String) {
        lock(&self.fatal).get_or_insert(reason);
    }

    pub fn fatal(&self) -> Option<String> {
        lock(&self.fatal).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one whole operation on the value.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits between tries, doubling.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
}

/// The first wait, and the longest.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { next: BACKOFF_MIN }
    }
}

impl Backoff {
    pub fn take(&mut self) -> Duration {
        let wait = self.next;
        self.next = (self.next * 2).min(BACKOFF_MAX);
        wait
    }
}
